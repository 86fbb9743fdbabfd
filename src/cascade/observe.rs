//! Observe: one dataset on one channel, read in bounded pages, packed and recorded.
//!
//! A dataset with a time column has two lanes: live from the moment it began, backfill for all
//! before, which skips keys that went out newer; each look begins an overlap behind, for commits
//! that came late. Whole readings are passes: they start over after a crash, and what was sent is
//! found unchanged. Between two pages of a pass the live lane is looked at when its time has come.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::Timestamp;

use super::carrier::{Carrier, Mount};
use super::channel::Channel;
use super::cutting::{Cutting, Recorder};
use super::lane::Crew;
use super::pack::{self, NamedPage, Packed, Reading};
use super::stage::{Progress as Step, Stage, WAIT, unread};
use super::whole::{FEW_ROWS, GONE_ROWS, Whole, gone_rows};
use super::{Error, spool_owner};
use crate::city::{Change, Cursor, Position, Scan};
use crate::delivery::{Action, Lane};
use crate::ledger::manifest::Original;
use crate::ledger::sent::{KeyRange, Known};
use crate::ledger::{self, LaneProgress, Pass, PassKind, Progress};
use crate::row::{KeyDigest, Page};
use crate::supervisor::{Heart, Signal};

/// Rows read at once, a batch of most standards; in memory several times over, and one page ahead.
pub(super) const PAGE_ROWS: usize = 5_000;
/// The fewest, however little may still be under way.
const FEWEST_PAGE_ROWS: usize = 1_000;
/// Spool room that must be there before a page is read.
const PAGE_ROOM_BYTES: u64 = 16 << 20;
/// Rows that may be pended beyond one page before reading pauses.
const PAGE_ROOM_ROWS: usize = 2 * PAGE_ROWS;
/// Of the rows that may be under way, what a live lane may always use.
const LIVE_ROWS: usize = 10_000;

/// The stage of one dataset on one channel.
#[derive(Debug)]
pub struct Observe {
    crew: Crew,
    channel: Arc<Channel>,
    carrier: Arc<Carrier>,
    signal: Signal,
    failures: u32,
    next_poll: Timestamp,
    /// Of the whole reading that is under way.
    whole: Option<Whole>,
}

impl Stage for Observe {
    async fn step(&mut self) -> Result<Step, Error> {
        let progress = self.look().await?;
        self.failures = 0;
        Ok(progress)
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

impl Observe {
    /// The stage of one of the channel's datasets.
    pub fn new(crew: Crew, channel: Arc<Channel>, carrier: Arc<Carrier>) -> Self {
        let signal = channel.observer(&carrier.flow.dataset);
        crew.files.spool.keep_share(spool_owner(&carrier.flow, Lane::Live));
        Self { crew, channel, carrier, signal, failures: 0, next_poll: Timestamp::MIN, whole: None }
    }

    async fn look(&mut self) -> Result<Step, Error> {
        let standard = &self.channel.standard;
        let flow = self.carrier.flow.clone();
        let Some(mount) =
            Mount::find(&self.crew.ledger, &self.carrier, standard, "rows.upsert").await?
        else {
            return Ok(Step::Idle(self.crew.after(WAIT)));
        };
        let mount = Arc::new(mount);
        if let Change::TimeColumn { .. } | Change::Files = self.carrier.dataset.change {
            self.begin_lanes().await?;
            let is_due = self.crew.now() >= self.next_poll;
            if is_due {
                self.poll(&mount).await?;
            }
            // However long that took: between two looks at the present the past has its turn.
            if self.backfill(&mount).await? || is_due {
                return Ok(Step::Did);
            }
        }
        self.ask_for_passes().await?;
        if let Some(pass) = self.crew.ledger.open_pass(flow).await? {
            self.run_pass(&mount, pass).await?;
            return Ok(Step::Did);
        }
        let idle = match self.carrier.dataset.change {
            Change::TimeColumn { .. } | Change::Files => self.next_poll,
            Change::Full => self.crew.after(self.carrier.dataset.poll),
        };
        Ok(Step::Idle(idle))
    }

    /// Waits are measured from the end of a look.
    fn polled(&mut self) {
        self.next_poll = self.crew.after(self.carrier.dataset.poll);
    }

    async fn begin_lanes(&self) -> Result<(), Error> {
        let flow = self.carrier.flow.clone();
        if self.crew.ledger.lane_progress(flow.clone(), Lane::Live).await?.is_some() {
            return Ok(());
        }
        let from = match self.carrier.dataset.change {
            Change::TimeColumn { .. } => {
                let local = self.carrier.dataset.zone.to_datetime(self.crew.now());
                Some(Position::at(local).time)
            }
            // Files have no past that could wait: they are all new at first.
            Change::Files | Change::Full => None,
        };
        let owner = self.carrier.owner.clone();
        self.crew.ledger.lanes_begun(flow, owner, from).await?;
        Ok(())
    }

    /// A look at the live lane, to its end.
    async fn poll(&mut self, mount: &Arc<Mount>) -> Result<(), Error> {
        let _place = self.crew.place(&self.crew.readers.live).await;
        let flow = self.carrier.flow.clone();
        let progress = self.crew.ledger.lane_progress(flow, Lane::Live).await?;
        let after = self.start(progress.as_ref())?;
        self.read_lane(mount, Lane::Live, Scan::Since { after, until: None }).await?;
        self.polled();
        Ok(())
    }

    /// The backfill lane, until the live lane's time has come; false when it is complete.
    async fn backfill(&mut self, mount: &Arc<Mount>) -> Result<bool, Error> {
        let lane = self.crew.ledger.lane_progress(self.carrier.flow.clone(), Lane::Backfill);
        let progress = lane.await?;
        let Some(progress) = progress.filter(|progress| !progress.complete) else {
            return Ok(false);
        };
        let place = self.crew.place(&self.crew.readers.past).await;
        let begun = self.crew.now();
        let until = progress.until_at.as_ref().and_then(|text| text.parse().ok());
        // Rows that no reading by time can find are told whole before the past is read.
        let mut finished = progress.position.is_some()
            || self.read_lane(mount, Lane::Backfill, Scan::MissingTime).await?;
        if finished {
            let after = self.crew.position(&self.carrier, &progress)?;
            finished = self.read_lane(mount, Lane::Backfill, Scan::Since { after, until }).await?;
        }
        drop(place);
        if finished {
            self.finish_lane(Lane::Backfill, begun).await?;
        } else if self.room(Lane::Backfill, 0).await.is_none() {
            self.pause().await;
        }
        Ok(true)
    }

    /// Where a look at the live lane starts: an overlap behind its position.
    fn start(&self, progress: Option<&LaneProgress>) -> Result<Option<Position>, Error> {
        let Some(progress) = progress else { return Ok(None) };
        let overlap = match self.carrier.dataset.change {
            Change::TimeColumn { overlap, .. } => overlap,
            Change::Files | Change::Full => Duration::ZERO,
        };
        let position = match self.crew.position(&self.carrier, progress)? {
            Some(position) => Some(position),
            None => progress
                .from_at
                .as_ref()
                .map(|time| Position { time: time.clone(), key: Vec::new() }),
        };
        let back = |it: Position| if overlap.is_zero() { it } else { it.back(overlap) };
        Ok(position.map(back))
    }

    /// Reads a lane page by page. The backfill lane pauses when the live lane's time has come;
    /// true when everything was read.
    async fn read_lane(
        &mut self,
        mount: &Arc<Mount>,
        lane: Lane,
        scan: Scan,
    ) -> Result<bool, Error> {
        let moves = scan != Scan::MissingTime;
        let begun = self.crew.now();
        let mut cursor = self.crew.scan(&self.carrier, scan).await?;
        let mut ahead = None;
        while let Some(rows) = self.room(lane, 0).await {
            let Some(page) = self.next(&mut ahead, &mut cursor, rows).await? else {
                // The last group of rows is complete only now.
                self.looked(lane, cursor.position().filter(|_| moves), begun).await?;
                return Ok(true);
            };
            let progress = match cursor.position().filter(|_| moves) {
                Some(position) => Progress::Lane {
                    until_at: None,
                    position: self.crew.seal(&self.carrier, Some(position))?,
                    complete: false,
                },
                None => Progress::Unmoved,
            };
            if crate::crash::sabotaged("progress-first") && lane == Lane::Backfill {
                self.finish_lane(lane, begun).await?;
            }
            let reading = (Reading::Lane(lane), begun);
            ahead = self.take_and_read(mount, page, reading, progress, &mut cursor).await?;
            if lane == Lane::Backfill && self.crew.now() >= self.next_poll {
                if moves {
                    return Ok(false);
                }
                // Broken off, this one would begin anew.
                Box::pin(self.poll(mount)).await?;
            }
        }
        Ok(false)
    }

    /// A lane was read to its end: its position moves, or nothing was there, which is no lag.
    async fn looked(
        &self,
        lane: Lane,
        position: Option<&Position>,
        begun: Timestamp,
    ) -> Result<(), Error> {
        let progress = match position {
            Some(_) => {
                let position = self.crew.seal(&self.carrier, position)?;
                Progress::Lane { until_at: None, position, complete: false }
            }
            None => Progress::Unmoved,
        };
        self.moved(lane, begun, progress).await
    }

    /// Progress without rows.
    async fn moved(&self, lane: Lane, begun: Timestamp, to: Progress) -> Result<(), Error> {
        let observation = self.recorder(begun).observation(lane, Packed::default(), to).0;
        Ok(self.crew.ledger.observed(observation).await?)
    }

    async fn finish_lane(&self, lane: Lane, begun: Timestamp) -> Result<(), Error> {
        let flow = self.carrier.flow.clone();
        let progress = self.crew.ledger.lane_progress(flow.clone(), lane).await?;
        let position = match progress.and_then(|progress| progress.position) {
            Some(position) => position,
            None => self.crew.seal(&self.carrier, None)?,
        };
        let progress = Progress::Lane { until_at: None, position, complete: true };
        self.moved(lane, begun, progress).await
    }

    /// Passes that are due by themselves: the first whole reading of a dataset without a time
    /// column and every one after, and comparisons that look for deletions.
    async fn ask_for_passes(&self) -> Result<(), Error> {
        let every = match self.carrier.dataset.change {
            Change::Full => Some(self.carrier.dataset.poll),
            Change::TimeColumn { .. } | Change::Files => self.carrier.dataset.compare_deletions,
        };
        let Some(every) = every else { return Ok(()) };
        let flow = self.carrier.flow.clone();
        let last = self.crew.ledger.last_whole_pass(flow.clone()).await?;
        let due = last.is_none_or(|last| {
            last.saturating_add(every).unwrap_or(Timestamp::MAX) <= self.crew.now()
        });
        if due && self.crew.ledger.open_pass(flow.clone()).await?.is_none() {
            let owner = self.carrier.owner.clone();
            self.crew.ledger.pass_asked(flow, owner, PassKind::Compare, None, None).await?;
        }
        Ok(())
    }

    async fn run_pass(&mut self, mount: &Arc<Mount>, pass: Pass) -> Result<(), Error> {
        let _place = self.crew.place(&self.crew.readers.past).await;
        self.crew.ledger.pass_begun(pass.number).await?;
        let whole = matches!(pass.kind, PassKind::Compare | PassKind::Resend | PassKind::Rejected);
        let scan = match (&pass.since, pass.kind) {
            (Some(since), PassKind::Since) => Scan::Since {
                after: Some(Position { time: since.clone(), key: Vec::new() }),
                until: None,
            },
            _ => Scan::Full,
        };
        let begun = self.crew.now();
        self.whole = None;
        if whole {
            self.carrier.index().begin_pass()?;
            let keyer = self.crew.ledger.identity().keyer.clone();
            let watching = self.carrier.watch().begin(keyer);
            self.whole = Some(Whole::begun(begun, watching));
        }
        let mut cursor = self.crew.scan(&self.carrier, scan).await?;
        let mut ahead = None;
        loop {
            let rows = loop {
                if let Some(rows) = self.room(Lane::Backfill, 0).await {
                    break rows;
                }
                if self.pause().await {
                    return Ok(());
                }
            };
            if !self.crew.ledger.pass_is_open(pass.number).await? {
                self.carrier.index().end_pass();
                return Ok(());
            }
            let Some(page) = self.next(&mut ahead, &mut cursor, rows).await? else { break };
            let rows_seen = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
            let number = pass.number;
            let progress = Progress::Pass { number, rows_seen, rows_gone: 0, finished: false };
            let reading = (Reading::Pass(pass.kind), begun);
            ahead = self.take_and_read(mount, page, reading, progress, &mut cursor).await?;
            let has_live = !matches!(self.carrier.dataset.change, Change::Full);
            if has_live && self.crew.now() >= self.next_poll {
                self.poll(mount).await?;
            }
        }
        if matches!(pass.kind, PassKind::Compare | PassKind::Resend) {
            self.end_absent(mount, &pass).await?;
        }
        self.carrier.index().end_pass();
        let progress =
            Progress::Pass { number: pass.number, rows_seen: 0, rows_gone: 0, finished: true };
        self.moved(Lane::Backfill, begun, progress).await
    }

    /// What was not met is gone from the city, where every key could be read.
    async fn end_absent(&mut self, mount: &Arc<Mount>, pass: &Pass) -> Result<(), Error> {
        let Some(whole) = self.whole.take() else { return Ok(()) };
        let (flow, owner) = (self.carrier.flow.clone(), self.carrier.owner.clone());
        let waits = if !whole.proves_absence() {
            Some(ledger::UNREADABLE_KEY)
        } else if self.delete_gone(mount, pass, whole.begun).await? {
            None
        } else {
            Some(ledger::BULK_DELETION)
        };
        match waits {
            Some(code) => {
                tracing::warn!(dataset = flow.dataset, code, "deletions above wait");
                self.crew.ledger.trouble_met(flow.clone(), owner, code.to_owned()).await?;
            }
            None => self.crew.ledger.deletions_settled(flow.clone()).await?,
        }
        let (begun, proves) = (whole.begun, whole.proves_absence());
        let (standing, unusual) = whole.into_parts();
        self.carrier.watched(unusual);
        if proves && let Some(standing) = standing {
            self.crew.ledger.rejects_gone(flow, begun, standing).await?;
        }
        Ok(())
    }

    /// Rows that are held above and were not met are gone from the city; false where they stay
    /// above for now, in bulk unless approved: an empty table is more often a fault than a fact.
    async fn delete_gone(
        &mut self,
        mount: &Arc<Mount>,
        pass: &Pass,
        begun: Timestamp,
    ) -> Result<bool, Error> {
        let carrier = Arc::clone(&self.carrier);
        let (gone, held) = self
            .crew
            .block(move || -> Result<_, Error> {
                let index = carrier.index();
                let mut gone = 0_u64;
                let mut range = Some(KeyRange::ALL);
                while let Some(here) = range {
                    let found = index.unseen(here, GONE_ROWS)?;
                    gone += u64::try_from(found.len()).unwrap_or(u64::MAX);
                    range = found.last().and_then(|(key, _)| here.after(*key));
                }
                let held = match gone {
                    0 => 0,
                    _ => index.summary(0)?.iter().map(|bucket| bucket.count).sum(),
                };
                Ok((gone, held))
            })
            .await?;
        if gone == 0 || mount.delete.is_none() {
            return Ok(true);
        }
        let share = u64::from(self.carrier.deletion_percent);
        if !(pass.approved || crate::crash::sabotaged("bulk-deletion"))
            && gone > FEW_ROWS
            && gone.saturating_mul(100) > held.saturating_mul(share)
        {
            tracing::warn!(
                dataset = self.carrier.flow.dataset,
                gone,
                held,
                "deleting so many rows above needs an approval: resync with --approve-deletions",
            );
            return Ok(false);
        }
        let mut range = Some(KeyRange::ALL);
        while let Some(here) = range {
            let (carrier, files) = (Arc::clone(&self.carrier), self.crew.files.clone());
            let names = self.crew.ledger.clone();
            let found: Vec<(KeyDigest, Original, Known)> =
                self.crew.block(move || gone_rows(&carrier, &files, &names, here)).await?;
            range = found.last().and_then(|(key, _, _)| here.after(*key));
            let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let job = self.cutting(mount, Lane::Backfill);
            let packed = self.crew.block(move || job.cutter().delete(&found)).await?;
            let progress = Progress::Pass {
                number: pass.number,
                rows_seen: 0,
                rows_gone: count,
                finished: false,
            };
            self.recorder(begun).record(Lane::Backfill, packed, progress, Action::Delete).await?;
        }
        Ok(true)
    }

    /// How many rows the next page may have, beside so many in hand; `None` where spool or memory
    /// have no room for one, or somebody waits for us to end.
    async fn room(&self, lane: Lane, in_hand: usize) -> Option<usize> {
        let stopping = self.crew.supervisor.stop_signal().is_raised();
        let (carrier, channel) = (Arc::clone(&self.carrier), Arc::clone(&self.channel));
        let (room, own, all) = self
            .crew
            .block(move || {
                let rows = |carrier: &Carrier| carrier.index().sizes().memory_rows;
                let all: usize = channel.carriers().map(|carrier| rows(carrier)).sum();
                let room = carrier.index().room();
                (room, rows(&carrier), all)
            })
            .await;
        // The backlog of all datasets shares one budget; a live lane always has its own share.
        let most = match self.crew.readers.backlog_rows.load(Ordering::Relaxed) {
            _ if crate::crash::sabotaged("endless-backlog") => usize::MAX,
            most => most,
        };
        let left = most.saturating_sub(all + in_hand);
        (!stopping
            && (left > 0 || lane == Lane::Live && own + in_hand < LIVE_ROWS)
            && room >= PAGE_ROOM_ROWS + in_hand
            && self.crew.has_room(&self.carrier, lane, PAGE_ROOM_BYTES))
        .then(|| left.clamp(FEWEST_PAGE_ROWS, PAGE_ROWS))
    }

    /// Waits for room, which a merge of what has settled makes; true when the daemon stops.
    async fn pause(&self) -> bool {
        self.channel.settle.raise();
        let mut stop = self.crew.supervisor.stop_signal();
        let (raised, merged) = (self.signal.raised(), self.carrier.merged.raised());
        let until = self.crew.after(Duration::from_secs(1));
        let wait = async {
            tokio::select! {
                () = raised => {}
                () = merged => {}
                () = crate::supervisor::sleep_until(self.crew.clock(), until) => {}
                () = stop.raised() => {}
            }
        };
        self.crew.heart.outside(wait).await;
        stop.is_raised()
    }

    /// Takes a page while the one after it is read, where there is room for both: whatever is read
    /// goes no further before this page stands in the ledger. `None`: nothing was read.
    async fn take_and_read(
        &mut self,
        mount: &Arc<Mount>,
        page: NamedPage,
        reading: (Reading, Timestamp),
        progress: Progress,
        cursor: &mut Cursor,
    ) -> Result<Option<Option<NamedPage>>, Error> {
        // What a lane that yields to the live one read would be read again.
        let yields =
            reading.0 == Reading::Lane(Lane::Backfill) && self.crew.now() >= self.next_poll;
        let Some(rows) = self.room(reading.0.lane(), page.rows.len()).await.filter(|_| !yields)
        else {
            Box::pin(self.take(mount, page, reading, progress)).await?;
            return Ok(None);
        };
        let (crew, carrier) = (self.crew.clone(), Arc::clone(&self.carrier));
        let heart = crew.heart.clone();
        let taken = Box::pin(self.take(mount, page, reading, progress));
        let read = Box::pin(async {
            let mut next = Page::default();
            let is_read = cursor.next(&mut next, rows).await?;
            Ok::<_, Error>(if is_read { Some(crew.named(&carrier, next).await) } else { None })
        });
        match select(taken, read).await {
            Either::Left((taken, read)) => {
                taken?;
                heart.outside(read).await.map(Some)
            }
            Either::Right((next, taken)) => {
                taken.await?;
                next.map(Some)
            }
        }
    }

    /// The page read ahead, else the next, its rows named; `None` at the end.
    async fn next(
        &self,
        ahead: &mut Option<Option<NamedPage>>,
        cursor: &mut Cursor,
        rows: usize,
    ) -> Result<Option<NamedPage>, Error> {
        if let Some(next) = ahead.take() {
            return Ok(next);
        }
        let Some(page) = self.crew.next_page(cursor, rows).await? else { return Ok(None) };
        Ok(Some(self.crew.named(&self.carrier, page).await))
    }

    /// One page: sorted, packed, recorded.
    async fn take(
        &mut self,
        mount: &Arc<Mount>,
        named: NamedPage,
        (reading, begun): (Reading, Timestamp),
        progress: Progress,
    ) -> Result<(), Error> {
        let rows = u64::try_from(named.rows.len()).unwrap_or(u64::MAX);
        let keys = named.rows.iter().map(|row| row.key).collect();
        let flow = self.carrier.flow.clone();
        let rejected = self.crew.ledger.known_rejects(flow.clone(), keys).await?;
        let repeats = match reading {
            Reading::Pass(_) if !rejected.is_empty() => {
                let keys = rejected.iter().map(|(key, _)| *key).collect();
                self.crew.ledger.repeated_rejects(flow.clone(), keys).await?
            }
            Reading::Pass(_) | Reading::Lane(_) => HashSet::new(),
        };
        let job = self.cutting(mount, reading.lane());
        let mut whole = self.whole.take();
        let (packed, whole) = self
            .crew
            .block(move || -> Result<_, Error> {
                let sorted = pack::sort(&job.carrier, &named, &rejected, repeats, reading)?;
                let packed = job.cutter().pack(&named, &sorted, &rejected)?;
                if let Some(whole) = &mut whole {
                    whole.met(&named, &rejected, &packed);
                    if matches!(reading, Reading::Pass(_)) {
                        whole.read(&named);
                    }
                }
                Ok((packed, whole))
            })
            .await?;
        self.whole = whole;
        packed.tally.iter().for_each(|page| self.carrier.tallied(page));
        self.crew.events.observed(&flow, rows);
        self.recorder(begun).record(reading.lane(), packed, progress, Action::Upsert).await
    }

    /// For a reading that began then.
    fn recorder(&self, as_of: Timestamp) -> Recorder<'_> {
        Recorder { crew: &self.crew, channel: &self.channel, carrier: &self.carrier, as_of }
    }

    fn cutting(&self, mount: &Arc<Mount>, lane: Lane) -> Cutting {
        Cutting {
            carrier: Arc::clone(&self.carrier),
            channel: Arc::clone(&self.channel),
            mount: Arc::clone(mount),
            crew: self.crew.clone(),
            lane,
            is_dry: false,
        }
    }
}
