//! Reconcile: what the city has, what the ledger says, what the province's inventory says.
//!
//! It narrows. The province says of each dataset how many rows it holds and the digest of them
//! all; where that is what the ledger's sorted runs and the city's rows come to, nothing more is
//! asked. Where it is not, or no digest is said, the keys are asked for page by page, and three
//! sides are read side by side in one order ([`sides`]): memory does not grow with the rows. A
//! standard without a list of keys is compared by its sums alone, and one that is not asked at all by
//! the counts that the province publishes, once they were made after everything that was acknowledged.
//!
//! Repair touches only what this ledger sent: what is missing or different above is forgotten in
//! the ledger's books, so that the next pass finds it due; a row that only the province holds is
//! deleted where the books know that we sent it, and only listed where they do not.

mod against;
mod mend;
mod objects;
mod sides;

pub(super) use against::{Against, Keys, against};
pub use objects::ObjectMismatch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::carrier::{Carrier, Mount};
use super::channel::Channel;
use super::lane::Crew;
use super::stage::{Progress, Stage};
use super::{Error, reconcile::sides::Books};
use crate::delivery::{Outcome, StandardId};
use crate::ledger::Counted;
use crate::row::KeyDigest;
use crate::standard::{Held, PageScope, Scope};
use crate::supervisor::{Heart, Signal};

/// Parts of one answer: bounds a province that never says it has ended.
const MAX_PAGES: u32 = 100_000;
/// Elements of a list that is kept in memory: datasets, or objects of one kind.
const MAX_HELD: usize = 200_000;
/// Differences that are listed by name.
const MAX_LISTED: usize = 1_000;

/// How a key or an object differs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mismatch {
    /// We hold a confirmation, the province holds nothing.
    Missing,
    /// Both hold it, with another content.
    Different,
    /// The province holds what we sent once and the city has no more.
    Orphan,
    /// The province holds what we sent once and do not count as confirmed; the city has it.
    Unconfirmed,
    /// The province holds what this ledger never sent.
    Foreign,
}

impl Mismatch {
    /// This ledger sent it: repair may touch it.
    pub fn is_ours(self) -> bool {
        match self {
            Self::Missing | Self::Different | Self::Orphan | Self::Unconfirmed => true,
            Self::Foreign => false,
        }
    }

    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing_above",
            Self::Different => "differs",
            Self::Orphan => "not_in_city",
            Self::Unconfirmed => "not_confirmed",
            Self::Foreign => "not_ours",
        }
    }
}

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
    /// Rows whose content was compared: the city still has the version that was confirmed.
    pub compared: u64,
    /// The sums did not settle it: keys were asked for.
    pub narrowed: bool,
    /// Keyed digests of the differences, at most [`MAX_LISTED`].
    pub keys: Vec<(KeyDigest, Mismatch)>,
    /// Rows that repair made due again, and rows whose deletion above it packed.
    pub mended: u64,
    /// Why it could not be compared now.
    pub skipped: Option<&'static str>,
}

impl Comparison {
    /// Keys on which they disagree.
    pub fn mismatched(&self) -> u64 {
        self.missing + self.extra + self.different
    }

    fn skipped(mut self, why: &'static str) -> Self {
        self.skipped = Some(why);
        self
    }
}

/// What the province says of each dataset: how many rows, and the digest of them.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// As said in each standard spoken.
    held: BTreeMap<StandardId, BTreeMap<String, Held>>,
    /// What it published by itself.
    published: BTreeMap<String, Counted>,
}

impl Totals {
    /// Of one dataset; one that is not in the list has no row above. `None` where the province
    /// was not asked or did not answer.
    fn of(&self, standard: &StandardId, dataset: &str) -> Option<(u64, Option<&str>)> {
        let held = self.held.get(standard)?;
        let Some(held) = held.get(dataset) else { return Some((0, None)) };
        held.count.map(|count| (count, held.digest.as_deref()))
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
        let published = self.crew.ledger.published(self.channel.id.clone()).await?;
        let mut next = self.crew.after(every);
        let mut totals = None;
        let carriers: Vec<Arc<Carrier>> = self.channel.carriers().cloned().collect();
        for carrier in carriers {
            let known = flows.iter().find(|state| state.flow == carrier.flow);
            let last = known.and_then(|state| state.last_reconciled_at);
            let due = last.map(|last| last.saturating_add(every).unwrap_or(Timestamp::MAX));
            // A count that was published since is looked at now.
            let of_it = published.get(&carrier.flow.dataset);
            let is_new = of_it.is_some_and(|it| last.is_some_and(|last| it.taken > last));
            match due {
                Some(due) if due > self.crew.now() && !is_new => next = next.min(due),
                _ => {
                    if totals.is_none() {
                        totals = Some(self.crew.totals(&self.channel).await?);
                    }
                    let totals = totals.as_ref().unwrap_or(&NOT_ASKED);
                    let found = compare(&self.crew, &self.channel, &carrier, totals, false).await?;
                    if found.skipped.is_some() {
                        next = next.min(self.crew.after(self.crew.pace.idle));
                    }
                }
            }
        }
        let objects = self.crew.reconcile_objects(&self.channel, false).await?;
        if let Some(objects) = objects.filter(|objects| !objects.is_empty()) {
            let (channel, objects) = (&self.channel.id, objects.len());
            tracing::warn!(%channel, objects, "catalogue differs above: cascaded reconcile");
        }
        self.failures = 0;
        Ok(Progress::Idle(next))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.reconcile.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "reconcile", &self.channel.id, error, self.failures)
    }
}

static NOT_ASKED: Totals = Totals { held: BTreeMap::new(), published: BTreeMap::new() };

impl Reconcile {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self { crew, channel, failures: 0 }
    }
}

/// Compares one dataset and records how many keys disagree; with `repair`, mends what is ours.
async fn compare(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    totals: &Totals,
    repair: bool,
) -> Result<Comparison, Error> {
    let mut found = Comparison { dataset: carrier.flow.dataset.clone(), ..Comparison::default() };
    let channel = channel.of_rows(&carrier.flow.dataset);
    let total = totals.of(channel.standard.id(), &carrier.flow.dataset);
    let keys = channel.standard.operation("inventory.keys").is_some();
    if !keys && channel.standard.operation("inventory.datasets").is_none() {
        let published = totals.published.get(&carrier.flow.dataset);
        let Some(published) = published else { return Ok(found.skipped("no-inventory")) };
        return by_publication(crew, carrier, *published, found).await;
    }
    let operation = if keys { "inventory.keys" } else { "inventory.datasets" };
    let mount = Mount::find(&crew.ledger, carrier, &channel.standard, operation).await?;
    let Some(mount) = mount.map(Arc::new) else { return Ok(found.skipped("not-mounted")) };
    let books = books(crew, carrier).await?;
    if books.unsettled > 0 {
        return Ok(found.skipped("rows-on-the-way"));
    }
    found.confirmed = books.count;
    // A reading of the city takes a place as every other: memory is bounded.
    let place = crew.place(&crew.readers.past).await;
    let proven = match total {
        Some((held, digest)) => {
            found.held = held;
            sums_agree(crew, carrier, &mount, books, (held, digest)).await?
        }
        None => false,
    };
    let mut joined = None;
    if proven {
        found.compared = books.count;
    } else if !keys {
        let Some((held, _)) = total else { return Ok(found.skipped("not-answered")) };
        by_sums(&mut found, held);
    } else {
        found.narrowed = true;
        let sides = sides::Sides { crew, channel, carrier, mount: &mount };
        let Some(theirs) = sides.theirs(repair, &mut found).await? else {
            return Ok(found.skipped("not-answered"));
        };
        joined = Some(sides.join(theirs, &mut found).await?);
    }
    drop(place);
    // Rows that came or went while the sides were read are no difference: look again later.
    if found.mismatched() > 0 && self::books(crew, carrier).await? != books {
        return Ok(found.skipped("rows-on-the-way"));
    }
    let counts = (found.confirmed, found.held);
    crew.ledger.reconciled(carrier.flow.clone(), counts, found.mismatched()).await?;
    if let Some(joined) = joined.filter(|_| repair && found.mismatched() > 0) {
        found.mended = mend::mend(crew, channel, carrier, &mount, joined, books.count).await?;
    }
    Ok(found)
}

/// Compares a dataset with what the province published of it, where that is all there is.
async fn by_publication(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    published: Counted,
    mut found: Comparison,
) -> Result<Comparison, Error> {
    let books = books(crew, carrier).await?;
    found.confirmed = books.count;
    found.held = published.rows;
    if books.unsettled > 0 {
        return Ok(found.skipped("rows-on-the-way"));
    }
    // What is acknowledged meanwhile shows in the books, and in this.
    let mut again = crew.ledger.published(carrier.flow.channel.clone()).await?;
    if !published.is_after_all || again.remove(&carrier.flow.dataset) != Some(published) {
        return Ok(found.skipped("counted-before"));
    }
    by_sums(&mut found, published.rows);
    let counts = (found.confirmed, found.held);
    crew.ledger.reconciled(carrier.flow.clone(), counts, found.mismatched()).await?;
    Ok(found)
}

/// What the ledger says.
async fn books(crew: &Crew, carrier: &Arc<Carrier>) -> Result<Books, Error> {
    let carrier = Arc::clone(carrier);
    crew.block(move || Books::of(&carrier)).await
}

/// The province holds as many rows as the ledger confirmed, and exactly these.
async fn sums_agree(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    mount: &Arc<Mount>,
    books: Books,
    (held, digest): (u64, Option<&str>),
) -> Result<bool, Error> {
    if held != books.count {
        return Ok(false);
    }
    if held == 0 {
        return Ok(true);
    }
    let Some(said) = digest else { return Ok(false) };
    let ours = sides::digest(crew, carrier, mount, books.count).await?;
    Ok(ours.is_some_and(|ours| ours.eq_ignore_ascii_case(said)))
}

/// All that sums can tell: how many, never which.
fn by_sums(found: &mut Comparison, held: u64) {
    found.missing = found.confirmed.saturating_sub(held);
    found.extra = held.saturating_sub(found.confirmed);
}

/// One page after the other of what an inventory operation answers, each given to `take`; `None`
/// where it was not answered to its end.
async fn inventory<F>(
    crew: &Crew,
    channel: &Arc<Channel>,
    operation: &str,
    mut scope: Scope<'_>,
    mut take: impl FnMut(Vec<Held>) -> F,
) -> Result<Option<()>, Error>
where
    F: Future<Output = Result<bool, Error>>,
{
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
            return Ok(Some(()));
        }
        if !matches!(reading.outcome, Outcome::Accepted { .. }) || !take(reading.inventory).await? {
            return Ok(None);
        }
        match reading.page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(Some(())),
        }
    }
    Ok(None)
}

/// A list that fits in memory; `None` where it was not answered to its end or is too long.
async fn listed(
    crew: &Crew,
    channel: &Arc<Channel>,
    operation: &str,
    scope: Scope<'_>,
) -> Result<Option<BTreeMap<String, Held>>, Error> {
    let mut all = BTreeMap::new();
    let answered = inventory(crew, channel, operation, scope, |page| {
        all.extend(page.into_iter().map(|held| (held.key.clone(), held)));
        std::future::ready(Ok(all.len() <= MAX_HELD))
    })
    .await?;
    Ok(answered.map(|()| all))
}

impl Crew {
    /// Asks the province once for the sums of all datasets, and looks up what it published.
    pub async fn totals(&self, channel: &Arc<Channel>) -> Result<Totals, Error> {
        let operation = "inventory.datasets";
        let published = self.ledger.published(channel.id.clone()).await?;
        let mut totals = Totals { published, ..Totals::default() };
        for voice in channel.voices() {
            if voice.standard.operation(operation).is_none() {
                continue;
            }
            if let Some(held) = listed(self, voice, operation, Scope::default()).await? {
                totals.held.insert(voice.standard.id().clone(), held);
            }
        }
        Ok(totals)
    }

    /// Compares one dataset now, for an operator, with sums that were asked for just before.
    pub async fn reconcile(
        &self,
        channel: &Arc<Channel>,
        dataset: &str,
        totals: &Totals,
        repair: bool,
    ) -> Result<Option<Comparison>, Error> {
        match channel.carriers.get(dataset) {
            Some(carrier) => compare(self, channel, carrier, totals, repair).await.map(Some),
            None => Ok(None),
        }
    }
}
