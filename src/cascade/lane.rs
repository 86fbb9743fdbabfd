//! What the stages share: the daemon's ledger and files, the pace, places for readings, and how
//! the province is called.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use super::carrier::{Carrier, Files};
use super::channel::Channel;
use super::pack::NamedPage;
use crate::catalogue::{Kind, ObjectKey};
use crate::city::{Cursor, Position, Scan};
use crate::clock::Clock;
use crate::delivery::{BatchId, ChannelId, DigestSha256, Lane, Permit, RejectKind, Subject};
use crate::ledger::seal::Purpose;
use crate::ledger::{self, Flow, LaneProgress, Ledger, NewSaid};
use crate::province::{About, Placement, Reply};
use crate::row::Page;
use crate::standard::{Drift, Message, Scope};
use crate::supervisor::{Heart, Supervisor};

/// How often the stages look by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest wait of a stage that has nothing to do.
    pub idle: Duration,
    /// How often the province is asked about verdicts and reviews where its standard does not say.
    pub ask: Duration,
    /// How long after a lost answer the province is asked what became of it.
    pub unknown: Duration,
    /// How often city and province are compared; `None`: only when asked.
    pub reconcile: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            ask: Duration::from_mins(1),
            unknown: Duration::from_secs(5),
            reconcile: Some(Duration::from_hours(24)),
        }
    }
}

/// Who is told what happens: metrics, and nobody who could hold up a stage.
pub trait Events: Send + Sync {
    /// A step of a stage failed.
    fn failed(&self, stage: &str, code: &str);
    /// An attempt ended.
    fn attempted(&self, channel: &ChannelId, operation: &str, outcome: &str);
    /// Rows were observed.
    fn observed(&self, flow: &Flow, rows: u64);
    /// Rows reached their evidence.
    fn confirmed(&self, flow: &Flow, rows: u64);
    /// Rows were turned away.
    fn rejected(&self, flow: &Flow, kind: RejectKind, rows: u64);
    /// The province did something its standard does not say.
    fn drifted(&self, channel: &ChannelId, kind: &str);
    /// The province's clock is ahead of ours by so many seconds.
    fn clock_offset(&self, channel: &ChannelId, seconds: f64);
    /// A channel was called; `answered` tells whether anything came back.
    fn called(&self, _channel: &ChannelId, _answered: bool) {}
    /// So many batches may be in flight to the channel's platform now.
    fn allowed(&self, _channel: &ChannelId, _allowed: usize) {}
    /// A batch's message was handed over.
    fn sent(&self, _channel: &ChannelId, _sent: Sent<'_>) {}
}

/// One sending of a batch or an object's message.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// On which lane.
    pub lane: Lane,
    /// How its answer was classed, in [`Events::attempted`]'s words.
    pub outcome: &'a str,
    /// From the first byte to the whole answer.
    pub took: Duration,
    /// Bytes of its payload.
    pub bytes: u64,
}

/// What every stage works with. Cheap to clone.
#[derive(Clone)]
pub struct Crew {
    /// The daemon's memory.
    pub ledger: Ledger,
    /// Its files.
    pub files: Files,
    /// Who runs tasks and blocking work.
    pub supervisor: Supervisor,
    /// Who is told.
    pub events: Arc<dyn Events>,
    /// How often to look.
    pub pace: Pace,
    /// Who may read from the city now.
    pub readers: Readers,
    /// The stage's sign of life.
    pub heart: Heart,
}

/// Rows of all datasets of a channel that may be under way or unmerged: about 62 bytes each.
const BACKLOG_ROWS: usize = 100_000;

/// Places for readings of the city: each holds two pages in memory, one of them being packed, and a
/// session at a source, so their number is bounded, whatever the number of datasets.
#[derive(Clone, Debug)]
pub struct Readers {
    pub(super) live: Arc<Semaphore>,
    pub(super) past: Arc<Semaphore>,
    /// Rows of all datasets of a channel that may be under way or unmerged before the past is read
    /// on. Shared by whatever works come.
    pub backlog_rows: Arc<AtomicUsize>,
}

impl Default for Readers {
    /// Live lanes have places of their own: a long first load never makes them wait.
    fn default() -> Self {
        let places = || Arc::new(Semaphore::new(2));
        Self {
            live: places(),
            past: places(),
            backlog_rows: Arc::new(AtomicUsize::new(BACKLOG_ROWS)),
        }
    }
}

impl Readers {
    /// Waits for a place. Cancel-safe: a place not taken is given to the next.
    pub(super) async fn place(of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        // The semaphores are never closed.
        Arc::clone(of).acquire_owned().await.ok()
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Crew").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Crew {
    pub(super) fn clock(&self) -> &Clock {
        self.supervisor.clock()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// As [`Readers::place`], for a stage.
    pub(super) async fn place(&self, of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        self.heart.outside(Readers::place(of)).await
    }

    /// Begins a reading of a dataset: the source has deadlines of its own.
    pub(super) async fn scan(&self, carrier: &Carrier, scan: Scan) -> Result<Cursor, Error> {
        Ok(self.heart.outside(carrier.source.0.scan(&carrier.dataset, scan)).await?)
    }

    /// Reads a page, as [`Cursor::next`].
    pub(super) async fn read(
        &self,
        cursor: &mut Cursor,
        page: &mut Page,
        rows: usize,
    ) -> Result<bool, Error> {
        Ok(self.heart.outside(cursor.next(page, rows)).await?)
    }

    /// The next page; `None` at the end.
    pub(super) async fn next_page(
        &self,
        cursor: &mut Cursor,
        rows: usize,
    ) -> Result<Option<Page>, Error> {
        let mut page = Page::default();
        Ok(self.read(cursor, &mut page, rows).await?.then_some(page))
    }

    /// Where a lane stands, as it was sealed.
    pub(super) fn position(
        &self,
        carrier: &Carrier,
        progress: &LaneProgress,
    ) -> Result<Option<Position>, Error> {
        let Some(sealed) = &progress.position else { return Ok(None) };
        let context = carrier.flow.dataset.as_bytes();
        let open = self.files.sealer.open(Purpose::Ledger, context, sealed)?;
        serde_json::from_slice(&open)
            .map_err(|_malformed| ledger::Error::Unreadable { what: "position" }.into())
    }

    /// Seals a lane's position: it holds a key.
    pub(super) fn seal(
        &self,
        carrier: &Carrier,
        position: Option<&Position>,
    ) -> Result<Vec<u8>, Error> {
        let plain = serde_json::to_vec(&position)
            .map_err(|_unserializable| ledger::Error::Unreadable { what: "position" })?;
        let context = carrier.flow.dataset.as_bytes();
        Ok(self.files.sealer.seal(Purpose::Ledger, context, &plain)?)
    }

    /// Names every row of a page.
    pub(super) async fn named(&self, carrier: &Arc<Carrier>, page: Page) -> NamedPage {
        let (carrier, ledger) = (Arc::clone(carrier), self.ledger.clone());
        self.block(move || super::pack::name(&carrier, &ledger, page)).await
    }

    /// Runs blocking work on the pool.
    pub(super) async fn block<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let done = self.supervisor.pool().run(work).await;
        self.heart.beat();
        done
    }

    /// Sends one message by leave of the ledger and reads its reply; drift goes to the ledger.
    pub(super) async fn call(
        &self,
        permit: &Permit,
        channel: &Channel,
        operation: &str,
        message: &Message,
        (batch, number): (&str, u64),
    ) -> Result<Reply, Error> {
        let placement = Placement {
            operation,
            payload: &message.payload,
            parameters: &message.parameters,
            batch,
            attempt: number,
        };
        let reply = self.heart.outside(Box::pin(channel.client.place(permit, placement))).await;
        self.heard(channel, operation, &reply, batch).await?;
        Ok(reply)
    }

    /// What every answer tells beside itself: whether anybody is there, the clock, drift.
    async fn heard(
        &self,
        channel: &Channel,
        operation: &str,
        reply: &Reply,
        batch: &str,
    ) -> Result<(), Error> {
        self.events.called(&channel.id, reply.status.is_some());
        if let Some(ahead) = reply.clock_ahead {
            self.events.clock_offset(&channel.id, ahead.as_secs_f64());
        }
        if let (Some(status), Some(shown)) = (reply.status, &reply.shown) {
            // Before it is judged: whoever appeals has to show what was said.
            let said = NewSaid {
                channel: channel.id.clone(),
                operation: operation.to_owned(),
                batch: batch.to_owned(),
                outcome: reply.reading.outcome.word().to_owned(),
                code: reply.reading.code.clone(),
                status,
                shown: shown.clone(),
                bytes: u64::try_from(reply.said.len()).unwrap_or(u64::MAX),
                digest: DigestSha256::of(&reply.said),
                ahead: reply.clock_ahead,
            };
            self.ledger.reply_kept(said).await?;
        }
        self.drifted(channel, operation, &reply.reading.drift).await
    }

    /// What the standard did not announce goes to the ledger and to whoever watches.
    pub(super) async fn drifted(
        &self,
        channel: &Channel,
        operation: &str,
        drift: &[Drift],
    ) -> Result<(), Error> {
        let mut details: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for drift in drift {
            let (kind, detail) = describe(drift);
            details.entry(kind).or_default().push(detail);
        }
        for (kind, details) in details {
            self.events.drifted(&channel.id, kind);
            self.ledger.drift_seen(channel.id.clone(), kind, operation.to_owned(), details).await?;
        }
        Ok(())
    }

    /// Asks a question about nothing durable: no attempt is recorded, for nothing can be lost.
    pub(super) async fn ask(
        &self,
        channel: &Channel,
        operation: &str,
        scope: &Scope<'_>,
    ) -> Result<Reply, Error> {
        self.ask_about(channel, operation, scope, None).await
    }

    /// As [`Crew::ask`], about a batch whose rows are the question where a channel asks so.
    pub(super) async fn ask_about(
        &self,
        channel: &Channel,
        operation: &str,
        scope: &Scope<'_>,
        about: Option<About<'_>>,
    ) -> Result<Reply, Error> {
        let reply = self.ask_former(channel, operation, scope, about).await?;
        self.heard(channel, operation, &reply, scope.batch.id.unwrap_or_default()).await?;
        Ok(reply)
    }

    /// As [`Crew::ask_about`], in the words of a standard that is in force no more: what it does
    /// not announce is no drift of anything.
    pub(super) async fn ask_former(
        &self,
        channel: &Channel,
        operation: &str,
        scope: &Scope<'_>,
        about: Option<About<'_>>,
    ) -> Result<Reply, Error> {
        let message = channel.standard.build(operation, scope).map_err(Error::lacks)?;
        let batch = scope.batch.id.unwrap_or_default();
        let cursor = scope.page.cursor;
        let asked = Box::pin(channel.client.collect(operation, &message, batch, about, cursor));
        Ok(self.heart.outside(asked).await)
    }

    /// Who speaks for the subject of a batch on a channel.
    pub(super) async fn voice(
        &self,
        channel: &Arc<Channel>,
        subject: &Subject,
    ) -> Result<Arc<Channel>, Error> {
        let found = match subject {
            Subject::Rows { dataset, .. } => Some(channel.of_rows(dataset)),
            Subject::Object { kind, id } if channel.ahead().is_some() => {
                let key = Kind::parse(kind).map(|kind| ObjectKey { kind, id: id.clone() });
                let link = match key {
                    Some(key) => self.ledger.link(channel.id.clone(), key).await?,
                    None => None,
                };
                return Ok(Arc::clone(link.map_or(channel, |link| channel.of_link(&link))));
            }
            Subject::Object { .. } => None,
        };
        Ok(Arc::clone(found.unwrap_or(channel)))
    }

    /// Removes a batch's file when the ledger no longer needs it.
    pub(super) async fn release(&self, batches: Vec<BatchId>) -> Result<(), Error> {
        if batches.is_empty() {
            return Ok(());
        }
        self.ledger.spool_released(batches.clone()).await?;
        let spool = Arc::clone(&self.files.spool);
        self.block(move || {
            for batch in batches {
                // A file that stays is unnamed and removed at the next start.
                drop(spool.remove(&batch.to_string()));
            }
        })
        .await;
        Ok(())
    }

    /// Whether a lane may take more from the city: spool and memory have room.
    pub(super) fn has_room(&self, carrier: &Carrier, lane: Lane, bytes: u64) -> bool {
        self.files.spool.room(super::spool_owner(&carrier.flow, lane)) >= bytes
    }
}

/// Drift as the ledger keeps it: a closed kind and what was seen, never content.
fn describe(drift: &Drift) -> (&'static str, String) {
    match drift {
        Drift::UnknownPath(path) => ("reply-field", path.clone()),
        Drift::UnlistedCode(code) => ("reply-code", code.clone()),
        Drift::UnlistedValue(path, _value) => ("reply-value", path.clone()),
        Drift::MissingPath(path) => ("reply-missing", path.clone()),
        Drift::RefusedCode(code) => ("dictionary", code.clone()),
    }
}
