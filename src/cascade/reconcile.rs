//! Reconcile: what the city has, what the ledger says, what the province's inventory says.
//!
//! The province is asked how many rows it holds of each dataset; the ledger's sorted runs say how
//! many it confirmed. Where the counts or a content digest may differ, the comparison is narrowed
//! to keys: the province's keys with their digests, the ledger's keys, and the city's rows read
//! anew. A difference is *missing* (we hold a confirmation, the province holds nothing), *extra*
//! (the province holds what we never confirmed or deleted), or *different* (both hold it, with
//! another content). Repair touches only what this ledger sent: missing and different rows are
//! forgotten in the ledger's books, so that the next pass finds them due; extra rows are deleted
//! only where our books say that we sent them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::carrier::{Carrier, Mount};
use super::lane::{Channel, Crew};
use super::stage::{Progress, Stage};
use crate::city::Scan;
use crate::delivery::{Action, LinkState, Outcome};
use crate::ledger::manifest::{ManifestRow, Original};
use crate::ledger::sent::{KeyRange, View};
use crate::ledger::{LinkFilter, PassKind};
use crate::row::{KeyDigest, Page, RowHash, key_text};
use crate::standard::{Held, PageScope, Scope};
use crate::supervisor::Signal;

/// Parts of one answer: bounds a province that never says it has ended.
const MAX_PAGES: u32 = 100_000;
/// Keys of one dataset that are compared in memory, about 60 bytes each on both sides together.
const MAX_KEYS: usize = 1_000_000;
/// Keys read from the ledger's runs at once.
const STEP_KEYS: usize = 10_000;
/// Differences that are listed by name.
const MAX_LISTED: usize = 1_000;

/// How city, ledger and province differ on one dataset.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    /// The dataset.
    pub dataset: String,
    /// Rows the ledger holds as confirmed.
    pub confirmed: u64,
    /// Rows the province says it holds.
    pub held: u64,
    /// Confirmed, and not held above.
    pub missing: u64,
    /// Held above, and not confirmed.
    pub extra: u64,
    /// Held above with another content than the city's.
    pub different: u64,
    /// Rows whose content could be compared: the city still has the version that was confirmed.
    pub compared: u64,
    /// Keyed digests of the differences, at most [`MAX_LISTED`].
    pub keys: Vec<(KeyDigest, &'static str)>,
    /// Why it could not be compared now.
    pub skipped: Option<&'static str>,
}

impl Comparison {
    /// Keys on which they disagree.
    pub fn mismatched(&self) -> u64 {
        self.missing + self.extra + self.different
    }
}

/// The stage of one channel.
#[derive(Debug)]
pub struct Reconcile {
    crew: Crew,
    channel: Arc<Channel>,
    failures: u32,
}

impl Stage for Reconcile {
    async fn step(&mut self) -> Result<Progress, Error> {
        let Some(every) = self.crew.pace.reconcile else {
            return Ok(Progress::Idle(self.crew.after(Duration::from_hours(1))));
        };
        let flows = self.crew.ledger.flows().await?;
        let mut next = self.crew.after(every);
        let carriers: Vec<Arc<Carrier>> = self.channel.carriers().cloned().collect();
        for carrier in carriers {
            let known = flows.iter().find(|state| state.flow == carrier.flow);
            let last = known.and_then(|state| state.last_reconciled_at);
            let due = last.map(|last| last.saturating_add(every).unwrap_or(Timestamp::MAX));
            match due {
                Some(due) if due > self.crew.now() => next = next.min(due),
                _ => {
                    let found = compare(&self.crew, &self.channel, &carrier, false).await?;
                    if found.skipped.is_some() {
                        next = next.min(self.crew.after(self.crew.pace.idle));
                    }
                }
            }
        }
        self.objects().await?;
        self.failures = 0;
        Ok(Progress::Idle(next))
    }

    fn signal(&self) -> Signal {
        self.channel.reconcile.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "reconcile", &self.channel.id, error, self.failures)
    }
}

impl Reconcile {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self { crew, channel, failures: 0 }
    }

    /// The province's objects against the links: states follow, what is gone above is due again.
    async fn objects(&self) -> Result<(), Error> {
        if self.channel.standard.operation("inventory.objects").is_none() {
            return Ok(());
        }
        for kind in self.channel.kinds.clone() {
            let scope = Scope { inventory: Some(kind), ..Scope::default() };
            let Some(held) =
                inventory(&self.crew, &self.channel, "inventory.objects", scope).await?
            else {
                return Ok(());
            };
            let held: HashMap<String, Held> =
                held.into_iter().map(|held| (held.key.clone(), held)).collect();
            let filter = LinkFilter { kind: Some(kind), state: None };
            for link in self.crew.ledger.links(self.channel.id.clone(), filter).await? {
                let said = held.get(&link.key.id).and_then(|held| held.state);
                let Some(state) = said.filter(|state| *state != link.state) else { continue };
                let follows = matches!(link.state, LinkState::Accepted | LinkState::InReview);
                if follows && link.state.may_become(state) {
                    let (channel, key) = (self.channel.id.clone(), link.key.clone());
                    let said = state.as_str().to_owned();
                    self.crew.ledger.object_state_seen(channel, key, state, said).await?;
                }
            }
        }
        Ok(())
    }
}

/// Compares one dataset and records how many keys disagree; with `repair`, mends what is ours.
pub(super) async fn compare(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    repair: bool,
) -> Result<Comparison, Error> {
    let mut found = Comparison { dataset: carrier.flow.dataset.clone(), ..Comparison::default() };
    if channel.standard.operation("inventory.keys").is_none() {
        found.skipped = Some("no-inventory");
        return Ok(found);
    }
    let mount = Mount::find(&crew.ledger, carrier, &channel.standard, "inventory.keys").await?;
    let Some(mount) = mount else {
        found.skipped = Some("not-mounted");
        return Ok(found);
    };
    if moving(crew, carrier).await {
        found.skipped = Some("rows-on-the-way");
        return Ok(found);
    }
    let ours = {
        let carrier = Arc::clone(carrier);
        crew.block(move || settled(&carrier)).await?
    };
    let Some(ours) = ours else {
        found.skipped = Some("too-many-keys");
        return Ok(found);
    };
    let scope = Scope {
        object: Some(&mount.object),
        upper_id: mount.upper_id.as_deref(),
        upper: mount.upper.clone(),
        dataset: Some(&carrier.flow.dataset),
        ..Scope::default()
    };
    let Some(held) = inventory(crew, channel, "inventory.keys", scope).await? else {
        found.skipped = Some("not-answered");
        return Ok(found);
    };
    found.confirmed = u64::try_from(ours.len()).unwrap_or(u64::MAX);
    found.held = u64::try_from(held.len()).unwrap_or(u64::MAX);
    let theirs = by_digest(crew, held);
    difference(&mut found, &ours, &theirs);
    contents(crew, carrier, &mount, &ours, &theirs, &mut found).await?;
    // Rows that were confirmed while the province was read are no difference: look again later.
    if found.mismatched() > 0 && moving(crew, carrier).await {
        found.skipped = Some("rows-on-the-way");
        return Ok(found);
    }
    crew.ledger.reconciled(carrier.flow.clone(), found.confirmed, found.mismatched()).await?;
    if repair && found.mismatched() > 0 {
        mend(crew, channel, carrier, &found, &ours).await?;
    }
    Ok(found)
}

/// Whether rows of the dataset are on their way.
async fn moving(crew: &Crew, carrier: &Arc<Carrier>) -> bool {
    let carrier = Arc::clone(carrier);
    crew.block(move || {
        let sizes = carrier.index().sizes();
        sizes.memory_rows > sizes.settled_rows
    })
    .await
}

/// The settled rows; `None` where there are more than can be compared. Blocking.
fn settled(carrier: &Carrier) -> Result<Option<HashMap<KeyDigest, RowHash>>, Error> {
    let index = carrier.index();
    let mut ours = HashMap::new();
    let mut range = Some(KeyRange::ALL);
    while let Some(here) = range {
        let entries = index.entries(View::Settled, here, STEP_KEYS)?;
        range = entries.last().and_then(|(key, _)| here.after(*key));
        ours.extend(entries.into_iter().map(|(key, known)| (key, known.row)));
        if ours.len() > MAX_KEYS {
            return Ok(None);
        }
    }
    Ok(Some(ours))
}

type Theirs = HashMap<KeyDigest, u64>;

/// The province's keys under our digests, each with the head of its content digest.
fn by_digest(crew: &Crew, held: Vec<Held>) -> Theirs {
    let keyer = &crew.ledger.identity().keyer;
    let head = |digest: &Option<String>| {
        let text = digest.as_deref().unwrap_or_default();
        u64::from_str_radix(text.get(..16).unwrap_or_default(), 16).unwrap_or_default()
    };
    held.iter().map(|held| (keyer.key(&held.key), head(&held.digest))).collect()
}

fn difference(found: &mut Comparison, ours: &HashMap<KeyDigest, RowHash>, theirs: &Theirs) {
    let mut missing: Vec<KeyDigest> =
        ours.keys().filter(|key| !theirs.contains_key(key)).copied().collect();
    let mut extra: Vec<KeyDigest> =
        theirs.keys().filter(|key| !ours.contains_key(key)).copied().collect();
    missing.sort_unstable();
    extra.sort_unstable();
    found.missing = u64::try_from(missing.len()).unwrap_or(u64::MAX);
    found.extra = u64::try_from(extra.len()).unwrap_or(u64::MAX);
    let named = missing
        .into_iter()
        .map(|key| (key, "missing"))
        .chain(extra.into_iter().map(|key| (key, "extra")));
    found.keys.extend(named.take(MAX_LISTED));
}

/// Reads the city anew: where it still has the version that was confirmed, the province's digest
/// must be the one its standard defines over that content.
async fn contents(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    mount: &Mount,
    ours: &HashMap<KeyDigest, RowHash>,
    theirs: &Theirs,
    found: &mut Comparison,
) -> Result<(), Error> {
    if theirs.values().all(|digest| *digest == 0) {
        return Ok(());
    }
    let mut cursor = carrier.source.0.scan(&carrier.dataset, Scan::Full).await?;
    let mut page = Page::default();
    let keyer = &crew.ledger.identity().keyer;
    let mut key = String::new();
    let mut lines = String::new();
    while cursor.next(&mut page, STEP_KEYS).await? {
        for row in page.rows() {
            key.clear();
            key_text(row, &carrier.dataset.key, &mut key);
            let digest = keyer.key(&key);
            let (Some(own), Some(said)) = (ours.get(&digest), theirs.get(&digest)) else {
                continue;
            };
            if *own != keyer.row(row) {
                continue;
            }
            found.compared += 1;
            lines.clear();
            if mount.upsert.lines(row, &mut lines).is_err() {
                continue;
            }
            let wanted = crate::delivery::DigestSha256::of(lines.as_bytes()).0;
            let mut head = [0; 8];
            head.iter_mut().zip(wanted).for_each(|(to, from)| *to = from);
            if u64::from_be_bytes(head) != *said {
                found.different += 1;
                if found.keys.len() < MAX_LISTED {
                    found.keys.push((digest, "different"));
                }
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Everything an inventory operation answers; `None` where it was not answered to its end.
async fn inventory(
    crew: &Crew,
    channel: &Arc<Channel>,
    operation: &str,
    mut scope: Scope<'_>,
) -> Result<Option<Vec<Held>>, Error> {
    let mut held = Vec::new();
    let mut cursor: Option<String> = None;
    for number in 1..=MAX_PAGES {
        let message = {
            let page = PageScope { number: Some(number), cursor: cursor.as_deref(), size: None };
            let mut scope = scope.clone();
            scope.page = page;
            crew.ask(channel, operation, &scope).await?
        };
        scope.page = PageScope::default();
        let reading = message.reading;
        if reading.absent {
            return Ok(Some(held));
        }
        if !matches!(reading.outcome, Outcome::Accepted { .. }) {
            return Ok(None);
        }
        held.extend(reading.inventory);
        if held.len() > MAX_KEYS {
            return Ok(None);
        }
        match reading.page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(Some(held)),
        }
    }
    Ok(None)
}

/// Forgets what the province lost or changed, so that a pass sends it again. Rows that the
/// province holds and we never sent stay: they are not ours to touch.
async fn mend(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    found: &Comparison,
    ours: &HashMap<KeyDigest, RowHash>,
) -> Result<(), Error> {
    let lost: Vec<ManifestRow> = found
        .keys
        .iter()
        .filter(|(_, how)| *how != "extra")
        .filter_map(|(key, _)| {
            let row = *ours.get(key)?;
            Some(ManifestRow { key: *key, row, version_ms: 0, original: Original::default() })
        })
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let ordinal = crew.ledger.next_ordinal()?;
    let forgetful = Arc::clone(carrier);
    crew.block(move || -> Result<(), Error> {
        let mut index = forgetful.index();
        index.restore(ordinal, Action::Delete, &lost)?;
        Ok(index.settle(ordinal)?)
    })
    .await?;
    let (flow, owner) = (carrier.flow.clone(), carrier.owner.clone());
    crew.ledger.pass_asked(flow, owner, PassKind::Compare, None, None).await?;
    channel.wake_observers();
    Ok(())
}

impl Crew {
    /// Compares one dataset now, for an operator.
    pub async fn reconcile(
        &self,
        channel: &Arc<Channel>,
        dataset: &str,
        repair: bool,
    ) -> Result<Option<Comparison>, Error> {
        match channel.carriers.get(dataset) {
            Some(carrier) => compare(self, channel, carrier, repair).await.map(Some),
            None => Ok(None),
        }
    }
}
