//! Settle: what happens after sending. Lost answers are asked for, verdicts are collected, reviews
//! are followed, and what is confirmed leaves the spool for the sorted runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::carrier::MERGE_ROWS;
use super::channel::Channel;
use super::lane::Crew;
use super::pack::seal_original;
use super::parcel::Parcel;
use super::stage::{Progress, Stage};
use super::submit::{after, manifest};
use super::{Carrier, Error, above, inquire};
use crate::delivery::{Batch, LinkState, Mode, Outcome, RejectKind, StandardId, Subject, Verdict};
use crate::ledger::manifest::ManifestRow;
use crate::ledger::sent;
use crate::ledger::{Ended, Finding, Flow, Judged, Link, LinkFilter, NewReject, PassKind, Waiting};
use crate::province::PARENT_FAILED;
use crate::standard::{PageScope, RowJudgement, Scope};
use crate::supervisor::{Heart, Signal};

/// Batches asked about in one step.
const STEP_BATCHES: usize = 16;
/// Parts of one answer: bounds a province that never says it has ended.
const MAX_PAGES: u32 = 10_000;
/// How long batches, attempts and jobs stay after they are over: a marking period and its appeal.
const KEEP: Duration = Duration::from_hours(400 * 24);
/// How often what is over is let go of.
const RETIRE_EVERY: Duration = Duration::from_mins(10);
/// Rows of each kind let go of at once.
const RETIRE_ROWS: u32 = 500;
/// Objects under review asked about in one step: verdicts and lost answers go on between.
const STEP_REVIEWS: usize = 50;
/// Leftover files removed in one step.
const LEFTOVERS: u32 = 200;

/// The code of a reject whose reason begins with none.
pub(super) const FAILED_ABOVE: &str = "failed-above";

/// The stage of one channel.
#[derive(Debug)]
pub struct Settle {
    pub(super) crew: Crew,
    pub(super) channel: Arc<Channel>,
    /// When files that came back are looked for next.
    pub(super) next_return: Timestamp,
    next_review: Timestamp,
    review_every: Duration,
    /// What is still to be asked about of this look: operation and link.
    reviews: VecDeque<(String, Link)>,
    next_beat: BTreeMap<StandardId, Timestamp>,
    next_retirement: Timestamp,
    revoked: super::revoked::Sweep,
    refusals: super::refusals::Watcher,
    failures: u32,
}

impl Stage for Settle {
    async fn step(&mut self) -> Result<Progress, Error> {
        let mut did = self.resolve().await?;
        did |= self.collect_verdicts().await?;
        did |= self.take_returned().await?;
        did |= self.follow_reviews().await?;
        did |= self.merge().await?;
        self.revoked.step(&self.crew, &self.channel).await?;
        self.refusals.step(&self.crew, &self.channel).await?;
        self.beat().await?;
        self.retire().await?;
        let leftovers = self.crew.ledger.spool_leftovers(LEFTOVERS).await?;
        self.crew.release(leftovers).await?;
        self.failures = 0;
        if did {
            return Ok(Progress::Did);
        }
        let idle = self.crew.after(self.crew.pace.idle).min(self.next_review);
        let beats = self.next_beat.values().filter(|next| **next > self.crew.now());
        let idle = beats.fold(idle, |idle, next| idle.min(*next));
        let returns = Some(self.next_return).filter(|next| *next > self.crew.now());
        let idle = returns.map_or(idle, |next| idle.min(next));
        let idle = self.revoked.next().map_or(idle, |next| idle.min(next));
        let idle = self.refusals.next().map_or(idle, |next| idle.min(next));
        let next = self.crew.ledger.next_inquiry_at(self.channel.id.clone()).await?;
        let soon = self.crew.after(Duration::from_millis(200));
        Ok(Progress::Idle(next.map_or(idle, |next| next.max(soon)).min(idle)))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.settle.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "settle", &self.channel.id, error, self.failures)
    }
}

impl Settle {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self {
            crew,
            channel,
            next_return: Timestamp::MIN,
            next_review: Timestamp::MIN,
            review_every: Duration::ZERO,
            reviews: VecDeque::new(),
            next_beat: BTreeMap::new(),
            next_retirement: Timestamp::MIN,
            revoked: super::revoked::Sweep::default(),
            refusals: super::refusals::Watcher::default(),
            failures: 0,
        }
    }

    /// Batches whose answer was lost: the province is asked; what it does not hold is sent again
    /// under the same name.
    async fn resolve(&self) -> Result<bool, Error> {
        let (id, now) = (self.channel.id.clone(), self.crew.now());
        let unresolved = self.crew.ledger.unresolved(id, now, STEP_BATCHES).await?;
        let did = !unresolved.is_empty();
        for waiting in unresolved {
            let ended = inquire::fate(&self.crew, &self.channel, &waiting).await?;
            crate::crash::point("fate-known");
            self.crew.ledger.batch_resolved(waiting.batch.id, ended).await?;
            crate::crash::point("fate-recorded");
            after(&self.crew, &self.channel, &waiting.batch, Vec::new()).await?;
        }
        Ok(did)
    }

    /// Verdicts of taken batches, page by page.
    async fn collect_verdicts(&self) -> Result<bool, Error> {
        let (id, now) = (self.channel.id.clone(), self.crew.now());
        let unjudged = self.crew.ledger.unjudged(id, now, STEP_BATCHES).await?;
        let did = !unjudged.is_empty();
        for waiting in unjudged {
            let voice = self.crew.voice(&self.channel, &waiting.batch.subject).await?;
            let voice = inquire::asker(&self.channel, &voice, &waiting.batch, "rows.verdict");
            let settled = self.verdicts_of(&voice, &waiting).await?;
            if !settled {
                let every = voice
                    .standard
                    .operation("rows.verdict")
                    .and_then(|known| known.every)
                    .unwrap_or(self.crew.pace.ask)
                    .min(self.crew.pace.ask);
                self.crew.ledger.ask_again(waiting.batch.id, self.crew.after(every)).await?;
            }
        }
        Ok(did)
    }

    async fn verdicts_of(&self, voice: &Arc<Channel>, waiting: &Waiting) -> Result<bool, Error> {
        let batch = &waiting.batch;
        let Subject::Rows { dataset, .. } = &batch.subject else { return Ok(false) };
        if voice.client.unfetched().is_some() {
            // They come by themselves, as files.
            return Ok(false);
        }
        let rows = manifest(&self.crew, batch).await?;
        let by_key: HashMap<&str, (usize, &ManifestRow)> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (row.original.key_text.as_str(), (at, row)))
            .collect();
        let mut parcel = inquire::sent(&self.crew, voice, batch).await?;
        let mut page = (1_u32, None);
        let mut settled = false;
        let id = batch.id.to_string();
        for _ in 0..MAX_PAGES {
            let mut scope = inquire::scope(&id, batch);
            let cursor: Option<String> = page.1.take();
            scope.page = PageScope { number: Some(page.0), cursor: cursor.as_deref(), size: None };
            let about = parcel.as_ref().map(|parcel| inquire::about(batch, parcel));
            let reply = self.crew.ask_about(voice, "rows.verdict", &scope, about).await?;
            let reading = reply.reading;
            if reading.absent && !settled {
                // It gave a receipt and holds nothing: asked for again, and sent again.
                let at = self.crew.after(inquire::backoff(&self.crew, waiting));
                let ended = Ended::Unknown { code: "receipt-without-batch".to_owned(), at };
                self.crew.ledger.batch_resolved(batch.id, ended).await?;
                self.drifted("receipt-without-batch", dataset).await?;
                self.channel.settle.raise();
                return Ok(true);
            }
            if !matches!(reading.outcome, Outcome::Accepted { .. }) {
                break;
            }
            let failing = reading
                .verdicts
                .iter()
                .any(|said| matches!(said.verdict, Some(Verdict::Failed { .. })));
            if failing && parcel.is_none() {
                parcel = Some(inquire::parcel(&self.crew, batch).await?);
            }
            let mut judged = Vec::with_capacity(reading.verdicts.len());
            let mut foreign = false;
            for said in &reading.verdicts {
                let known = by_key.get(said.key.as_str()).copied();
                foreign |= known.is_none();
                // A key that the batch does not carry is somebody else's row, and nothing of ours.
                let misled = crate::crash::sabotaged("foreign-verdict");
                let known = known.or(rows.first().filter(|_| misled).map(|row| (0, row)));
                let Some((at, row)) = known else { continue };
                judged.extend(self.judge(dataset, said, row, at, parcel.as_ref())?);
            }
            if foreign {
                self.drifted("verdict-foreign", dataset).await?;
            }
            settled |= self.record(batch, dataset, judged).await?;
            // What the last pages say counts as well: a verdict may contradict one before it.
            match reading.page.next {
                Some(next) => page = (page.0.saturating_add(1), Some(next)),
                None => break,
            }
        }
        if settled {
            after(&self.crew, &self.channel, batch, Vec::new()).await?;
            self.free_children(dataset, batch).await?;
        }
        Ok(settled)
    }

    /// One page of verdicts, recorded and told; true where it settles the batch.
    pub(super) async fn record(
        &self,
        batch: &Batch,
        dataset: &str,
        judged: Vec<Judged>,
    ) -> Result<bool, Error> {
        let failed = judged.iter().filter(|one| matches!(one, Judged::Failed(_))).count();
        let (settled, contradictions) = self.crew.ledger.judged(batch.id, judged).await?;
        crate::crash::point("verdicts-recorded");
        let failed = u64::try_from(failed).unwrap_or(u64::MAX);
        if failed > 0 {
            let flow = Flow { channel: self.channel.id.clone(), dataset: dataset.to_owned() };
            self.crew.events.rejected(&flow, RejectKind::Failed, failed);
        }
        if contradictions > 0 {
            self.drifted("verdict-contradiction", dataset).await?;
        }
        Ok(settled)
    }

    /// The province's verdicts on a dataset are not as its standard says; someone is told.
    async fn drifted(&self, kind: &'static str, dataset: &str) -> Result<(), Error> {
        self.crew.events.drifted(&self.channel.id, kind);
        let (operation, details) = ("rows.verdict".to_owned(), vec![dataset.to_owned()]);
        let told = self.crew.ledger.drift_seen(self.channel.id.clone(), kind, operation, details);
        Ok(told.await?)
    }

    /// Rows that were held for their parent are judged anew when parents came to stand.
    pub(super) async fn free_children(&self, dataset: &str, batch: &Batch) -> Result<(), Error> {
        let ledger = &self.crew.ledger;
        let children = self.channel.of_rows(dataset).client.children_of(dataset);
        if children.is_empty() || ledger.failed_keys(batch.id).await?.len() >= batch.rows as usize {
            return Ok(());
        }
        for carrier in children.iter().filter_map(|child| self.channel.carriers.get(child)) {
            let (flow, owner) = (carrier.flow().clone(), carrier.owner().clone());
            if ledger.has_rejects_under(flow.clone(), PARENT_FAILED).await?
                && ledger.open_pass(flow.clone()).await?.is_none()
            {
                ledger.pass_asked(flow, owner, PassKind::Rejected, None, None).await?;
                self.channel.wake_observer(&carrier.flow.dataset);
            }
        }
        Ok(())
    }

    pub(super) fn judge(
        &self,
        dataset: &str,
        said: &RowJudgement,
        row: &ManifestRow,
        at: usize,
        parcel: Option<&Parcel>,
    ) -> Result<Option<Judged>, Error> {
        Ok(match &said.verdict {
            None => None,
            Some(Verdict::Passed) => Some(Judged::Passed(row.key)),
            Some(Verdict::Failed { reason }) => {
                let flow = Flow { channel: self.channel.id.clone(), dataset: dataset.to_owned() };
                let original = parcel.and_then(|parcel| parcel.row(at)).unwrap_or_default();
                // The words of the reason may hold content: they are kept with the row, sealed.
                let original = [original, b"\n", reason.as_bytes()].concat();
                let original = original.trim_ascii();
                Some(Judged::Failed(NewReject {
                    key: row.key,
                    row: row.row,
                    kind: RejectKind::Failed,
                    findings: vec![Finding { rule: reason_code(reason), column: None }],
                    original: seal_original(&self.crew.files, &flow, row.key, original)?,
                }))
            }
        })
    }

    /// Objects that people review: the province is asked now and then where they stand.
    async fn follow_reviews(&mut self) -> Result<bool, Error> {
        if self.reviews.is_empty() {
            if self.crew.now() < self.next_review {
                return Ok(false);
            }
            self.plan_reviews().await?;
        }
        let mut is_another = false;
        for _ in 0..STEP_REVIEWS {
            let Some((operation, link)) = self.reviews.pop_front() else { break };
            is_another |= self.review(&link, &operation).await?;
        }
        if is_another {
            // Once for all of them: it looks through every link.
            self.channel.register.raise();
        }
        if self.reviews.is_empty() {
            self.next_review = self.crew.after(self.review_every);
        }
        Ok(is_another || !self.reviews.is_empty())
    }

    /// Everything that is under review now, and how long after it is looked again.
    async fn plan_reviews(&mut self) -> Result<(), Error> {
        let mut every = self.crew.pace.idle.max(self.crew.pace.ask);
        for kind in self.channel.kinds.clone() {
            let operation = format!("{kind}.state");
            let own = |voice: &Arc<Channel>| voice.standard.operation(&operation)?.every;
            let Some(own) = self.channel.voices().filter_map(own).min() else { continue };
            every = own.min(self.crew.pace.ask);
            let filter = LinkFilter { kind: Some(kind), state: None };
            let links = self.crew.ledger.links(self.channel.id.clone(), filter).await?;
            let under_review =
                |link: &Link| matches!(link.state, LinkState::Accepted | LinkState::InReview);
            let links = links.into_iter().filter(under_review);
            self.reviews.extend(links.map(|link| (operation.clone(), link)));
        }
        self.review_every = every;
        Ok(())
    }

    async fn review(&self, link: &Link, operation: &str) -> Result<bool, Error> {
        let voice = self.channel.of_link(link);
        if voice.standard.operation(operation).is_none_or(|known| known.every.is_none()) {
            return Ok(false);
        }
        let Some(object) = self.crew.ledger.object(link.key.clone()).await? else {
            return Ok(false);
        };
        let upper = above(&self.crew.ledger, &self.channel.id, &object).await?.upper;
        let scope = Scope {
            object: Some(&object),
            upper_id: link.upper_id.as_deref(),
            upper,
            inventory: Some(link.key.kind),
            ..Scope::default()
        };
        let reading = self.crew.ask(voice, operation, &scope).await?.reading;
        let Some(state) = reading.state.filter(|state| link.state.may_become(*state)) else {
            return Ok(false);
        };
        if state == link.state {
            return Ok(false);
        }
        let (channel, asked) = (self.channel.id.clone(), link.clone());
        Ok(self.crew.ledger.object_state_seen(channel, asked, state, reading.code).await?)
    }

    /// Tells the province that we are there, as often as each standard spoken asks for it; who only
    /// watches does not.
    async fn beat(&mut self) -> Result<(), Error> {
        if self.crew.ledger.mode() == Mode::Watch {
            return Ok(());
        }
        let channel = Arc::clone(&self.channel);
        for voice in channel.voices() {
            let known = voice.standard.operation("heartbeat");
            let Some(every) = known.and_then(|known| known.every) else { continue };
            let name = voice.standard.id();
            if self.next_beat.get(name).is_none_or(|next| self.crew.now() >= *next) {
                self.next_beat.insert(name.clone(), self.crew.after(every));
                let reply = self.crew.ask(voice, "heartbeat", &Scope::default()).await?;
                let outcome = reply.reading.outcome.word();
                self.crew.events.attempted(&self.channel.id, "heartbeat", outcome);
            }
        }
        Ok(())
    }

    /// What was over long ago leaves the ledger, a little at a time; facts stay.
    async fn retire(&mut self) -> Result<(), Error> {
        if self.crew.now() < self.next_retirement {
            return Ok(());
        }
        self.next_retirement = self.crew.after(RETIRE_EVERY);
        let before = self.crew.now().saturating_sub(KEEP).unwrap_or(Timestamp::MIN);
        self.crew.ledger.retired(before, RETIRE_ROWS).await?;
        Ok(())
    }

    /// Confirmed rows leave the spool for the sorted runs, when there are enough or nothing else
    /// is on the way.
    async fn merge(&self) -> Result<bool, Error> {
        let mut did = false;
        for carrier in self.channel.carriers.values() {
            did |= merge(&self.crew, carrier).await?;
        }
        Ok(did)
    }
}

async fn merge(crew: &Crew, carrier: &Arc<Carrier>) -> Result<bool, Error> {
    let planned = {
        let (carrier, ledger) = (Arc::clone(carrier), crew.ledger.clone());
        crew.block(move || -> Result<_, Error> {
            let mut index = carrier.index();
            let sizes = index.sizes();
            // Nothing pends: the rest is merged as well, so that the spool empties.
            let quiet = sizes.settled_rows == sizes.memory_rows;
            let at_least = if quiet { 1 } else { MERGE_ROWS };
            if sizes.settled_rows < at_least {
                return Ok(None);
            }
            let name = format!("{:020}", ledger.next_ordinal()?);
            let before = index.names();
            Ok(index.plan_merge(&name, at_least)?.map(|merge| (before, merge)))
        })
        .await?
    };
    let Some((before, plan)) = planned else { return Ok(false) };
    let ordinals = plan.batches().collect();
    let (files, ledger) = (crew.files.clone(), crew.ledger.clone());
    let written = crew
        .block(move || {
            plan.run(|ordinal| -> Result<Vec<ManifestRow>, Error> {
                match ledger.names_of(&[ordinal].into())?.first() {
                    Some(id) => Ok(files.spool.read_manifest(&id.to_string())?),
                    None => Ok(Vec::new()),
                }
            })
        })
        .await;
    let merged = match written {
        Ok(merged) => merged,
        Err(error) => {
            carrier.index().abandon_merge();
            return Err(error);
        }
    };
    crate::crash::point("run-written");
    let retired = merged.replaced().to_vec();
    let installed = merged.names().into_iter().filter(|name| !before.contains(name)).collect();
    let batches = crew.ledger.names_of(&ordinals)?;
    let flow = carrier.flow.clone();
    let told = crew.ledger.runs_installed(flow, installed, retired.clone(), batches.clone()).await;
    if let Err(error) = told {
        carrier.index().abandon_merge();
        return Err(error.into());
    }
    crate::crash::point("run-named");
    let (index, files) = (Arc::clone(carrier), crew.files.clone());
    crew.block(move || -> Result<(), Error> {
        let result = index.index().install(merged);
        sent::delete_runs(&files.runs, &retired)?;
        for batch in batches {
            drop(files.spool.remove(&batch.to_string()));
        }
        Ok(result?)
    })
    .await?;
    carrier.merged.raise();
    Ok(true)
}

/// A verdict's reason as a code: its first word, where that looks like one. The words behind it
/// may hold content and are not kept.
pub(super) fn reason_code(reason: &str) -> String {
    let word: String = reason
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        .take(32)
        .collect();
    if word.is_empty() { FAILED_ABOVE.to_owned() } else { word }
}
