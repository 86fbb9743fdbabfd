//! One dataset on one channel: read whole now and then, judged, compared, and let go of.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::Error;
use super::super::carrier::{Carrier, Mount};
use super::super::channel::Channel;
use super::super::cutting::{Cutting, Recorder};
use super::super::lane::Crew;
use super::super::observe::PAGE_ROWS;
use super::super::pack::{self, NamedPage, Packed, Reading};
use super::super::reconcile::{Against, Keys, against};
use super::super::stage::{Progress as Step, Stage, WAIT, unread};
use super::super::whole::{GONE_ROWS, Whole};
use crate::city::{Change, Position, Scan};
use crate::delivery::{Action, Lane};
use crate::ledger::sent::KeyRange;
use crate::ledger::{PassKind, Progress, WatchedRows};
use crate::row::{KeyDigest, Page, RowHash};
use crate::supervisor::{Heart, Signal};

/// How often a dataset with a change time is read whole where nothing says so.
const EVERY: Duration = Duration::from_hours(24);

/// The stage of one dataset on one channel while the daemon watches.
#[derive(Debug)]
pub struct WatchRows {
    crew: Crew,
    channel: Arc<Channel>,
    carrier: Arc<Carrier>,
    signal: Signal,
    failures: u32,
    next_whole: Timestamp,
    next_poll: Timestamp,
    /// Up to where rows were seen, where they have a change time.
    position: Option<Position>,
    /// Nothing of it was ever sent: values of `unique` rules are those of the last whole look.
    is_unsent: bool,
}

impl Stage for WatchRows {
    async fn step(&mut self) -> Result<Step, Error> {
        let standard = &self.channel.standard;
        let mount = Mount::planned(&self.crew.ledger, &self.carrier, standard).await?;
        let Some(mount) = mount.map(Arc::new) else {
            return Ok(Step::Idle(self.crew.after(WAIT)));
        };
        let (now, poll) = (self.crew.now(), self.carrier.dataset.poll);
        let every = match self.carrier.dataset.change {
            Change::Full => poll,
            Change::TimeColumn { .. } | Change::Files => {
                self.crew.pace.reconcile.unwrap_or(EVERY).max(poll)
            }
        };
        if now >= self.next_whole {
            self.look(&mount).await?;
            self.next_whole = self.crew.after(every);
            self.next_poll = self.crew.after(poll);
        } else if now >= self.next_poll && self.position.is_some() {
            self.look_on(&mount).await?;
            self.next_poll = self.crew.after(poll);
        }
        self.failures = 0;
        let next = if self.position.is_some() { self.next_poll } else { self.next_whole };
        Ok(Step::Idle(next.min(self.next_whole)))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.signal.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(unread(&self.crew, &self.carrier, error, self.failures).await)
    }
}

/// What a reading found so far.
#[derive(Debug, Default)]
struct Found {
    here: u64,
    would_send: u64,
    rejected: u64,
}

impl WatchRows {
    /// The stage of one of the channel's datasets.
    pub fn new(crew: Crew, channel: Arc<Channel>, carrier: Arc<Carrier>) -> Self {
        let signal = channel.observer(&carrier.flow.dataset);
        Self {
            crew,
            channel,
            carrier,
            signal,
            failures: 0,
            next_whole: Timestamp::MIN,
            next_poll: Timestamp::MIN,
            position: None,
            is_unsent: false,
        }
    }

    /// A whole reading, and what the province holds beside it.
    async fn look(&mut self, mount: &Arc<Mount>) -> Result<(), Error> {
        let place = self.crew.place(&self.crew.readers.past).await;
        let begun = self.crew.now();
        self.is_unsent = self.crew.ledger.values_unsent(self.carrier.flow.clone()).await?;
        self.carrier.index().begin_pass()?;
        let keyer = self.crew.ledger.identity().keyer.clone();
        let mut whole = Whole::begun(begun, self.carrier.watch().begin(keyer));
        let mut keys = Keys::new(&self.crew)?;
        let mut found = Found::default();
        let mut cursor = self.crew.scan(&self.carrier, Scan::Full).await?;
        let mut page = Page::default();
        while self.crew.read(&mut cursor, &mut page, PAGE_ROWS).await? {
            if self.crew.supervisor.stop_signal().is_raised() {
                self.carrier.index().end_pass();
                return Ok(());
            }
            let reading = Reading::Pass(PassKind::Compare);
            let job = (whole, keys);
            let read = std::mem::take(&mut page);
            (whole, keys) = self.take(mount, read, (reading, begun), job, &mut found).await?;
        }
        // Where rows have a change time a look goes on from here, until the next whole one.
        self.position = cursor.position().cloned().or(match self.carrier.dataset.change {
            Change::TimeColumn { .. } => {
                Some(Position::at(self.carrier.dataset.zone.to_datetime(begun)))
            }
            Change::Files | Change::Full => None,
        });
        drop(place);
        let would_delete = self.gone(mount, &whole).await?;
        self.carrier.index().end_pass();
        let proves = whole.proves_absence();
        let (standing, unusual) = whole.into_parts();
        self.carrier.watched(unusual);
        if let Some(standing) = standing.filter(|_| proves) {
            self.crew.ledger.rejects_gone(self.carrier.flow.clone(), begun, standing).await?;
        }
        // Nothing may have been read of an empty table: it was looked at all the same.
        self.record(Packed::default(), begun).await?;
        let totals = self.crew.totals(&self.channel).await?;
        let both = (&self.carrier, mount);
        let Against { held, apart } =
            against(&self.crew, &self.channel, both, &totals, keys).await?;
        let watched = WatchedRows {
            here: found.here,
            would_send: found.would_send,
            would_delete,
            rejected: found.rejected,
            held,
            absent: apart.map(|(absent, _)| absent),
            extra: apart.map(|(_, extra)| extra),
        };
        self.crew.ledger.rows_watched(self.carrier.flow.clone(), watched).await?;
        Ok(())
    }

    /// What changed since: judged, and its time told. The figures wait for the next whole reading.
    async fn look_on(&mut self, mount: &Arc<Mount>) -> Result<(), Error> {
        let _place = self.crew.place(&self.crew.readers.live).await;
        let begun = self.crew.now();
        let overlap = match self.carrier.dataset.change {
            Change::TimeColumn { overlap, .. } => overlap,
            Change::Files | Change::Full => Duration::ZERO,
        };
        let back = |it: Position| if overlap.is_zero() { it } else { it.back(overlap) };
        let after = self.position.clone().map(back);
        let mut cursor = self.crew.scan(&self.carrier, Scan::Since { after, until: None }).await?;
        let mut page = Page::default();
        let mut found = Found::default();
        while self.crew.read(&mut cursor, &mut page, PAGE_ROWS).await? {
            if self.crew.supervisor.stop_signal().is_raised() {
                return Ok(());
            }
            let keyer = self.crew.ledger.identity().keyer.clone();
            let whole = Whole::begun(begun, self.carrier.watch().begin(keyer));
            let job = (whole, Keys::new(&self.crew)?);
            let read = std::mem::take(&mut page);
            let reading = (Reading::Lane(Lane::Live), begun);
            drop(self.take(mount, read, reading, job, &mut found).await?);
        }
        if let Some(position) = cursor.position() {
            self.position = Some(position.clone());
        }
        self.record(Packed::default(), begun).await
    }

    /// One page: named, sorted, judged; its rejects recorded, the rest counted.
    async fn take(
        &self,
        mount: &Arc<Mount>,
        page: Page,
        (reading, begun): (Reading, Timestamp),
        (mut whole, mut keys): (Whole, Keys),
        found: &mut Found,
    ) -> Result<(Whole, Keys), Error> {
        let rows = u64::try_from(page.len()).unwrap_or(u64::MAX);
        let named = self.crew.named(&self.carrier, page).await;
        let digests = named.rows.iter().map(|row| row.key).collect();
        let flow = self.carrier.flow.clone();
        let rejected = self.crew.ledger.known_rejects(flow.clone(), digests).await?;
        let repeats = if rejected.is_empty() {
            HashSet::new()
        } else {
            let digests = rejected.iter().map(|(key, _)| *key).collect();
            self.crew.ledger.repeated_rejects(flow.clone(), digests).await?
        };
        let job = Cutting {
            carrier: Arc::clone(&self.carrier),
            channel: Arc::clone(&self.channel),
            mount: Arc::clone(mount),
            crew: self.crew.clone(),
            lane: reading.lane(),
            is_dry: true,
        };
        let judged = self.crew.block(move || -> Result<_, Error> {
            let sorted = pack::sort(&job.carrier, &named, &rejected, repeats, reading)?;
            let packed = job.cutter().pack(&named, &sorted, &rejected)?;
            whole.met(&named, &rejected, &packed);
            whole.read(&named);
            let turned_away = keep_keys(&named, &rejected, &packed, &mut keys)?;
            Ok((packed, whole, keys, turned_away))
        });
        let (mut packed, whole, keys, turned_away) = judged.await?;
        if !self.is_unsent {
            packed.unique = Vec::new();
        }
        packed.tally.iter().for_each(|page| self.carrier.tallied(page));
        self.crew.events.observed(&flow, rows);
        found.here += rows;
        found.would_send += packed.dry;
        found.rejected += turned_away;
        self.record(packed, begun).await?;
        Ok((whole, keys))
    }

    /// What was judged, without a batch: the ledger would refuse one.
    async fn record(&self, packed: Packed, begun: Timestamp) -> Result<(), Error> {
        let recorder = Recorder {
            crew: &self.crew,
            channel: &self.channel,
            carrier: &self.carrier,
            as_of: begun,
        };
        recorder.record(Lane::Backfill, packed, Progress::Unmoved, Action::Upsert).await
    }

    /// How many rows that are known to be held above were not met in the city.
    async fn gone(&self, mount: &Arc<Mount>, whole: &Whole) -> Result<u64, Error> {
        if !whole.proves_absence() || mount.delete.is_none() {
            return Ok(0);
        }
        let carrier = Arc::clone(&self.carrier);
        let count = move || -> Result<u64, Error> {
            let (index, mut gone, mut range) = (carrier.index(), 0, Some(KeyRange::ALL));
            while let Some(here) = range {
                let found = index.unseen(here, GONE_ROWS)?;
                gone += u64::try_from(found.len()).unwrap_or(u64::MAX);
                range = found.last().and_then(|(key, _)| here.after(*key));
            }
            Ok(gone)
        };
        self.crew.block(count).await
    }
}

/// The keys of the rows that nothing speaks against; how many rows something does.
fn keep_keys(
    named: &NamedPage,
    rejected: &[(KeyDigest, RowHash)],
    packed: &Packed,
    keys: &mut Keys,
) -> Result<u64, Error> {
    let mended: HashSet<_> = packed.replayed.iter().copied().collect();
    let standing = rejected.iter().copied().filter(|version| !mended.contains(version));
    let wrong: HashSet<(KeyDigest, RowHash)> =
        standing.chain(packed.rejects.iter().map(|it| (it.key, it.row))).collect();
    let mut turned_away = 0;
    for row in &named.rows {
        if wrong.contains(&(row.key, row.row)) {
            turned_away += 1;
        } else {
            keys.push(row.key)?;
        }
    }
    Ok(turned_away)
}
