//! Submit: queued batches go above, several at once, never two that share a key.
//!
//! An attempt is committed before a byte leaves, its payload was durable before that. What the
//! answer means is read by the standard and decided by the failure table; what it changes is one
//! transaction. Batches run in one task side by side, so a stop lets them finish.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;

use super::carrier::FULL_MERGE_ROWS;
use super::channel::Channel;
use super::disposition::{Disposition, disposition};
use super::lane::{Crew, Sent};
use super::pack::{Cut, Cutter, seal_original};
use super::parcel::Parcel;
use super::stage::{Progress, Stage};
use super::throttle::{InFlight, Throttle, heard};
use super::{Carrier, Error};
use crate::catalogue::{Content, Kind, ObjectKey};
use crate::delivery::{
    Action, Attempt, Batch, BatchState, Lane, Outcome, Permit, RejectKind, Subject,
};
use crate::ledger::manifest::ManifestRow;
use crate::ledger::{Ended, Finding, NewReject, Scope as HoldScope, Waiting};
use crate::supervisor::{Heart, Signal};

/// Batches of another standard let go of in one step.
const STEP_OUTDATED: u32 = 100;

/// The stage of one channel.
#[derive(Debug)]
pub struct Submit {
    crew: Crew,
    channel: Arc<Channel>,
    throttle: Mutex<Throttle>,
    failures: u32,
    /// Codes of attempts that ended without any answer since the last one that was answered.
    silent: Mutex<BTreeSet<String>>,
}

impl Stage for Submit {
    async fn step(&mut self) -> Result<Progress, Error> {
        let channel = &self.channel;
        let mut running = FuturesUnordered::new();
        let mut did = false;
        let mut stop = self.crew.supervisor.stop_signal();
        if self.failures > 0 {
            // A step that failed may have left attempts that nobody waits for any more.
            self.crew.ledger.attempts_abandoned(channel.id.clone()).await?;
            channel.settle.raise();
        }
        let mut trouble = None;
        did |= self.supersede().await?;
        loop {
            let (id, now) = (channel.id.clone(), self.crew.now());
            let (allowed, closed_until) = self.room();
            let free = allowed.saturating_sub(running.len());
            if free > 0 && now >= closed_until && trouble.is_none() && !stop.is_raised() {
                let per_subject = allowed.saturating_sub(1).max(1);
                for waiting in self.crew.ledger.sendable(id, now, free, per_subject).await? {
                    did = true;
                    let Some(voice) = self.voice(&waiting.batch).await? else {
                        // Its fate was asked for meanwhile, and it had not arrived.
                        continue;
                    };
                    crate::crash::point("before-attempt");
                    let (permit, begun) = match self.begin(&waiting).await {
                        Ok(begun) => begun,
                        Err(error) => {
                            trouble = Some(error);
                            break;
                        }
                    };
                    crate::crash::point("attempt-committed");
                    running.push(self.send(permit, voice, waiting, begun));
                }
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                ended = running.next() => {
                    // The others reach their end first: an answer that came is not thrown away.
                    if let Some(Err(error)) = ended {
                        trouble.get_or_insert(error);
                    }
                }
                () = channel.submit.raised(), if running.len() < allowed => {}
                () = stop.raised(), if !stop.is_raised() => {}
            }
        }
        drop(running);
        if let Some(error) = trouble {
            return Err(error);
        }
        self.failures = 0;
        if did {
            return Ok(Progress::Did);
        }
        Ok(Progress::Idle(self.next_look().await?))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.submit.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "submit", &self.channel.id, error, self.failures)
    }
}

impl Submit {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        let throttle = Mutex::new(Throttle::new(channel.client.in_flight()));
        crew.files
            .spool
            .keep_share(crate::ledger::spool::Owner::live(channel.id.as_str(), "catalogue"));
        Self { crew, channel, throttle, failures: 0, silent: Mutex::default() }
    }

    /// How many may be in flight, and until when none.
    fn room(&self) -> (usize, Timestamp) {
        let throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        (throttle.allowed(), throttle.closed_until())
    }

    /// What was packed for another standard than the one spoken now is never sent: it is let go of
    /// and cut again. What is unknown is asked about first, and comes here if it did not arrive.
    async fn supersede(&self) -> Result<bool, Error> {
        let (id, spoken) = (self.channel.id.clone(), self.channel.spoken());
        let outdated = self.crew.ledger.outdated(id, spoken, STEP_OUTDATED).await?;
        if outdated.is_empty() {
            return Ok(false);
        }
        for waiting in &outdated {
            // Before the reading that sends them again is asked for: it compares with the index.
            if let Subject::Rows { dataset, .. } = &waiting.batch.subject
                && let Some(carrier) = self.channel.carriers.get(dataset)
            {
                let (carrier, ordinal) = (Arc::clone(carrier), waiting.batch.ordinal);
                self.crew.block(move || carrier.index().abandon_batch(ordinal)).await?;
            }
        }
        let names = outdated.iter().map(|waiting| waiting.batch.id).collect();
        self.crew.ledger.batches_superseded(names).await?;
        crate::crash::point("batches-superseded");
        for waiting in &outdated {
            after(&self.crew, &self.channel, &waiting.batch, Vec::new()).await?;
        }
        tracing::info!(
            channel.id = %self.channel.id, batches = outdated.len(),
            "packed for another standard: cut again",
        );
        self.channel.wake_observers();
        Ok(true)
    }

    async fn next_look(&self) -> Result<Timestamp, Error> {
        let idle = self.crew.after(self.crew.pace.idle);
        let next = self.crew.ledger.next_attempt_at(self.channel.id.clone()).await?;
        // A batch that waits for another or under a hold has no time of its own.
        let soon = self.crew.after(Duration::from_millis(200)).max(self.room().1);
        Ok(next.map_or(idle, |next| next.max(soon)).min(idle))
    }

    /// Who sends a batch: `None` where another standard speaks for its subject than it was packed
    /// for.
    async fn voice(&self, batch: &Batch) -> Result<Option<Arc<Channel>>, Error> {
        let voice = self.crew.voice(&self.channel, &batch.subject).await?;
        Ok((*voice.standard.id() == batch.standard).then_some(voice))
    }

    /// The ledger's leave, and the attempt, committed before a byte leaves; `None` where a test took
    /// that away.
    async fn begin(&self, waiting: &Waiting) -> Result<(Permit, Option<Attempt>), Error> {
        let permit = self.crew.ledger.permit()?;
        if crate::crash::sabotaged("attempt-after-answer") {
            return Ok((permit, None));
        }
        let (id, payload) = (waiting.batch.id, waiting.batch.payload_digest);
        Ok((permit, Some(self.crew.ledger.attempt_begun(id, payload).await?)))
    }

    /// Sends one batch and records what came of it.
    async fn send(
        &self,
        permit: Permit,
        voice: Arc<Channel>,
        waiting: Waiting,
        begun: Option<Attempt>,
    ) -> Result<(), Error> {
        let batch = waiting.batch.clone();
        let parcel = match (self.parcel(&batch).await, &begun) {
            (Ok(parcel), _) => parcel,
            (Err(error), Some(attempt)) => {
                return self.unreadable(&batch, attempt.clone(), &error).await;
            }
            (Err(error), None) => return Err(error),
        };
        let id = batch.id.to_string();
        let number = begun.as_ref().map_or(0, |attempt| attempt.number);
        let left_at = self.crew.now();
        let (operation, named) = (batch.operation.as_str(), (id.as_str(), number));
        let place = InFlight::begun(&self.throttle);
        let called = self.crew.call(&permit, &voice, operation, &parcel.message, named);
        let reply = called.await?;
        let took = self.crew.now().duration_since(left_at);
        // The clock may have been set back meanwhile.
        let took = Duration::try_from(took).unwrap_or_default();
        let subject = batch.subject.name();
        let heard = heard(&reply, took, (batch.payload_bytes, &subject));
        let allowed = place.heard(self.crew.now(), heard);
        drop(place);
        self.crew.events.allowed(&self.channel.id, allowed);
        crate::crash::point("answer-received");
        let reading = reply.reading;
        let outcome = reading.outcome;
        let ended = self.decide(&voice, (&waiting, &parcel), &outcome).await?;
        let word = outcome.word();
        self.crew.events.attempted(&self.channel.id, &batch.operation, word);
        let sent = Sent { lane: batch.lane, outcome: word, took, bytes: batch.payload_bytes };
        self.crew.events.sent(&self.channel.id, sent);
        let row_refused = matches!(ended.0, Ended::RowRefused { .. });
        let back = self.silence(reply.status.is_none(), &outcome);
        let attempt = match begun {
            Some(attempt) => attempt,
            None => self.crew.ledger.attempt_begun(batch.id, batch.payload_digest).await?,
        };
        self.crew.ledger.attempt_ended(attempt, ended.0).await?;
        if let (true, Subject::Rows { dataset, .. }) = (row_refused, &batch.subject) {
            let flow =
                crate::ledger::Flow { channel: batch.channel.clone(), dataset: dataset.clone() };
            self.crew.events.rejected(&flow, RejectKind::Refused, 1);
        }
        crate::crash::point("answer-recorded");
        if !back.is_empty() {
            // What failed for want of an answer need not wait its own time out: the live lane goes
            // first, as if there had been no outage.
            self.crew.ledger.waits_ended(self.channel.id.clone(), back).await?;
        }
        after(&self.crew, &self.channel, &batch, ended.1).await
    }

    /// Remembers the codes of attempts that nobody answered; gives them back when somebody does.
    fn silence(&self, silent: bool, outcome: &Outcome) -> BTreeSet<String> {
        let mut codes = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent {
            codes.insert(outcome.code().to_owned());
            return BTreeSet::new();
        }
        std::mem::take(&mut *codes)
    }

    /// A payload that cannot be read holds its dataset or object, and nothing beside it. Nothing
    /// left: the batch is queued again behind the hold.
    async fn unreadable(
        &self,
        batch: &Batch,
        attempt: Attempt,
        error: &Error,
    ) -> Result<(), Error> {
        tracing::error!(
            channel = %self.channel.id, batch = %batch.id, code = error.code(),
            error = %crate::telemetry::logs::Chain(error), "a spooled payload cannot be read",
        );
        self.crew.events.failed("submit", error.code());
        let scope = HoldScope::Subject(batch.subject.name());
        let ended = Ended::Held { code: error.code().to_owned(), scope };
        Ok(self.crew.ledger.attempt_ended(attempt, ended).await?)
    }

    async fn parcel(&self, batch: &Batch) -> Result<Parcel, Error> {
        let (spool, name) = (Arc::clone(&self.crew.files.spool), batch.id.to_string());
        self.crew
            .block(move || -> Result<Parcel, Error> {
                Ok(Parcel::from_bytes(&spool.read_payload(&name)?)?)
            })
            .await
    }

    /// What the ledger is told, and the manifests of halves where the batch is split.
    async fn decide(
        &self,
        voice: &Arc<Channel>,
        (waiting, parcel): (&Waiting, &Parcel),
        outcome: &Outcome,
    ) -> Result<(Ended, Vec<Half>), Error> {
        let batch = &waiting.batch;
        let code = outcome.code().to_owned();
        let again = |auth, at| Ended::Again { code: code.clone(), at, auth };
        let backoff = || {
            let told = if let Outcome::Retry { after, .. } = outcome { *after } else { None };
            let asked = told.filter(|_| !crate::crash::sabotaged("impatient")).unwrap_or_default();
            let spread = batch.id.0.first().copied().unwrap_or_default();
            let own = crate::ledger::pause_before_retry(batch.attempts, spread);
            self.crew.after(own.max(asked.min(Duration::from_hours(1))))
        };
        let rows = u32::try_from(parcel.row_count()).unwrap_or(u32::MAX).min(batch.rows);
        let ended = match disposition(outcome, &batch.subject, rows, waiting.auth_refreshed) {
            Disposition::Done => taken(outcome),
            Disposition::Retry => again(false, backoff()),
            Disposition::Renew => {
                // Files that cannot be read keep the old credentials, and the next answer holds.
                drop(voice.client.reload());
                again(true, self.crew.now())
            }
            Disposition::Ask if crate::crash::sabotaged("new-name") => {
                return self.split(voice, batch, parcel, code).await;
            }
            Disposition::Ask => {
                Ended::Unknown { code, at: self.crew.after(self.crew.pace.unknown) }
            }
            Disposition::HoldOperation => {
                Ended::Held { code, scope: voice.hold(Some(&batch.operation)) }
            }
            Disposition::HoldSubject => {
                Ended::Held { code, scope: HoldScope::Subject(batch.subject.name()) }
            }
            Disposition::HoldChannel => Ended::Held { code, scope: voice.hold(None) },
            Disposition::Split => return self.split(voice, batch, parcel, code).await,
            Disposition::Quarantine => match &batch.subject {
                Subject::Object { .. } => Ended::ObjectRefused { code },
                Subject::Rows { .. } => self.refuse_row(batch, parcel, code).await?,
            },
        };
        Ok((ended, Vec::new()))
    }

    /// Cuts a refused batch in two; the halves are durable before the ledger hears of them.
    async fn split(
        &self,
        voice: &Arc<Channel>,
        batch: &Batch,
        parcel: &Parcel,
        code: String,
    ) -> Result<(Ended, Vec<Half>), Error> {
        let Subject::Rows { dataset, action } = &batch.subject else {
            return Ok((Ended::ObjectRefused { code }, Vec::new()));
        };
        let Some(carrier) = self.channel.carriers.get(dataset).cloned() else {
            let scope = HoldScope::Subject(dataset.clone());
            return Ok((Ended::Held { code, scope }, Vec::new()));
        };
        let standard = &voice.standard;
        let mount =
            super::carrier::Mount::find(&self.crew.ledger, &carrier, standard, &batch.operation)
                .await?;
        let Some(mount) = mount else {
            let scope = HoldScope::Subject(dataset.clone());
            return Ok((Ended::Held { code, scope }, Vec::new()));
        };
        let job = SplitJob {
            crew: self.crew.clone(),
            channel: Arc::clone(voice),
            carrier,
            mount,
            parcel: parcel.clone(),
            batch: batch.clone(),
            action: *action,
        };
        let halves = self.crew.block(move || job.run()).await?;
        let batches = halves.iter().map(|(batch, _)| batch.clone()).collect();
        let halves = halves
            .into_iter()
            .map(|(half, rows)| Half { ordinal: half.ordinal, action: *action, rows })
            .collect();
        Ok((Ended::Split { code, halves: batches }, halves))
    }

    /// One row is left, and the province does not take it.
    async fn refuse_row(
        &self,
        batch: &Batch,
        parcel: &Parcel,
        code: String,
    ) -> Result<Ended, Error> {
        let rows = manifest(&self.crew, batch).await?;
        let Some(row) = rows.first() else {
            return Ok(Ended::Held { code, scope: HoldScope::Subject(batch.subject.name()) });
        };
        let Subject::Rows { dataset, .. } = &batch.subject else {
            return Ok(Ended::ObjectRefused { code });
        };
        let flow = crate::ledger::Flow { channel: batch.channel.clone(), dataset: dataset.clone() };
        let original = parcel.row(0).unwrap_or_default();
        let original = seal_original(&self.crew.files, &flow, row.key, original)?;
        let reject = NewReject {
            key: row.key,
            row: row.row,
            kind: RejectKind::Refused,
            findings: vec![Finding { rule: code, column: None }],
            original,
        };
        Ok(Ended::RowRefused { reject })
    }
}

/// A half of a split batch, as the index must know it.
#[derive(Debug)]
pub(super) struct Half {
    ordinal: u64,
    action: Action,
    rows: Vec<ManifestRow>,
}

struct SplitJob {
    crew: Crew,
    channel: Arc<Channel>,
    carrier: Arc<Carrier>,
    mount: super::carrier::Mount,
    parcel: Parcel,
    batch: Batch,
    action: Action,
}

impl SplitJob {
    /// Blocking.
    fn run(self) -> Result<Vec<(crate::ledger::NewBatch, Vec<ManifestRow>)>, Error> {
        let rows = self.crew.files.spool.read_manifest(&self.batch.id.to_string())?;
        let cutter = Cutter {
            carrier: &self.carrier,
            standard: &self.channel.standard,
            mount: &self.mount,
            ledger: &self.crew.ledger,
            files: &self.crew.files,
            lane: self.batch.lane,
            now: self.crew.now(),
            is_dry: false,
        };
        let renamed = crate::crash::sabotaged("new-name") || crate::crash::sabotaged("unsplit");
        let middle = if renamed { 0 } else { rows.len() / 2 };
        let left = u64::try_from(middle).unwrap_or(u64::MAX);
        // The halves stand where the whole stood, before every batch packed since: a key's newest
        // version stays the newest. The left half may need twice its rows for halves of its own.
        let places = [self.batch.ordinal + 1, self.batch.ordinal + 2 * left];
        let mut halves = Vec::new();
        for (range, place) in [0..middle, middle..rows.len()].into_iter().zip(places) {
            if range.is_empty() {
                continue;
            }
            let mut encoded = Vec::new();
            let mut ends = Vec::new();
            for at in range.clone() {
                let row = self.parcel.row(at).unwrap_or_default();
                // A separator of the media stands before every row but a payload's first.
                let row =
                    if encoded.is_empty() { row.strip_prefix(b",").unwrap_or(row) } else { row };
                encoded.extend_from_slice(row);
                ends.push(u32::try_from(encoded.len()).unwrap_or(u32::MAX));
            }
            let cut = Cut {
                encoded: &encoded,
                ends,
                manifest: rows.get(range).unwrap_or_default().to_vec(),
                action: self.action,
                after: Vec::new(),
                parent: Some(self.batch.id),
                ordinal: (!renamed).then_some(place),
                content_at: None,
            };
            halves.push(cutter.seal(cut)?);
        }
        crate::crash::point("halves-spooled");
        Ok(halves)
    }
}

/// The rows of a spooled batch.
pub(super) async fn manifest(crew: &Crew, batch: &Batch) -> Result<Vec<ManifestRow>, Error> {
    let (spool, name) = (Arc::clone(&crew.files.spool), batch.id.to_string());
    Ok(crew.block(move || spool.read_manifest(&name)).await?)
}

/// Done, as the ledger hears it.
pub(super) fn taken(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Accepted { upper_id, receipt } => {
            Ended::Taken { receipt: receipt.clone(), upper_id: upper_id.clone(), adopted: false }
        }
        Outcome::Exists { upper_id, .. } => {
            Ended::Taken { receipt: None, upper_id: upper_id.clone(), adopted: true }
        }
        Outcome::Refused { .. }
        | Outcome::Retry { .. }
        | Outcome::Auth { .. }
        | Outcome::Unknown { .. }
        | Outcome::NoPlace { .. }
        | Outcome::Unlisted { .. } => {
            Ended::Taken { receipt: None, upper_id: None, adopted: false }
        }
    }
}

/// What follows once the ledger knows a batch's fate: the index learns it, files go, and whoever
/// waited for it looks again.
pub(super) async fn after(
    crew: &Crew,
    channel: &Arc<Channel>,
    batch: &Batch,
    halves: Vec<Half>,
) -> Result<(), Error> {
    let now = crew.ledger.batch(batch.id).await?;
    let state = now.batch.state;
    let mut worth_a_merge = false;
    if let Subject::Rows { dataset, .. } = &batch.subject
        && let Some(carrier) = channel.carriers.get(dataset)
    {
        worth_a_merge = follow(crew, carrier, &now, halves).await? >= FULL_MERGE_ROWS;
    }
    if let Subject::Object { kind, id } = &batch.subject {
        // Children wait for this object's upper id, its dataset for its mount.
        channel.register.raise();
        if kind == Kind::Resource.as_str() {
            let key = ObjectKey { kind: Kind::Resource, id: id.clone() };
            let object = crew.ledger.object(key).await?;
            if let Some(Content::Resource(resource)) = object.map(|it| it.content)
                && let Some(dataset) = resource.dataset
            {
                channel.wake_observer(&dataset);
            }
        }
    }
    let is_object = matches!(batch.subject, Subject::Object { .. });
    match state {
        BatchState::Refused | BatchState::Split | BatchState::Superseded => {
            crew.release(vec![batch.id]).await?;
        }
        BatchState::Settled if is_object => crew.release(vec![batch.id]).await?,
        BatchState::Settled => {
            // What its verdicts turned away is told as rejected, not as confirmed.
            let failed = crew.ledger.failed_keys(batch.id).await?.len();
            let failed = u64::try_from(failed).unwrap_or(u64::MAX);
            let rows = u64::from(batch.rows).saturating_sub(failed);
            if let Subject::Rows { dataset, .. } = &batch.subject {
                let channel = batch.channel.clone();
                let flow = crate::ledger::Flow { channel, dataset: dataset.clone() };
                crew.events.confirmed(&flow, rows);
            }
        }
        BatchState::Taken | BatchState::Unknown => channel.settle.raise(),
        BatchState::Queued | BatchState::InFlight => {}
    }
    channel.submit.raise();
    if state == BatchState::Settled && (batch.lane == Lane::Live || worth_a_merge) {
        channel.settle.raise();
    }
    Ok(())
}

/// The index learns a row batch's fate; how many settled rows it then holds beside its runs.
async fn follow(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    now: &Waiting,
    halves: Vec<Half>,
) -> Result<usize, Error> {
    let failed = match now.batch.state {
        BatchState::Settled => crew.ledger.failed_keys(now.batch.id).await?,
        BatchState::Queued
        | BatchState::InFlight
        | BatchState::Unknown
        | BatchState::Taken
        | BatchState::Refused
        | BatchState::Split
        | BatchState::Superseded => Vec::new(),
    };
    let (carrier, ordinal, state) = (Arc::clone(carrier), now.batch.ordinal, now.batch.state);
    crew.block(move || -> Result<usize, Error> {
        let mut index = carrier.index();
        for half in halves {
            index.restore(half.ordinal, half.action, &half.rows)?;
        }
        match state {
            BatchState::Settled => {
                index.abandon(ordinal, &failed)?;
                index.settle(ordinal)?;
            }
            BatchState::Refused | BatchState::Split | BatchState::Superseded => {
                index.abandon_batch(ordinal)?;
            }
            BatchState::Queued | BatchState::InFlight | BatchState::Unknown | BatchState::Taken => {
            }
        }
        Ok(index.sizes().settled_rows)
    })
    .await
}
