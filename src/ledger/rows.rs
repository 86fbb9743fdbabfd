//! Rows observed: batches packed, rows turned away, progress moved, all in one transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::flows::{BULK_DELETION, UNREADABLE_KEY};
use super::{
    Error, Ledger, Result, RuleCount, UniqueValue, counted, history, objects, rejects, stored,
    unique,
};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::{
    BatchId, ChannelId, DigestSha256, Evidence, Lane, LinkState, RejectKind, StandardId, Subject,
};
use crate::fact;
use crate::row::{KeyDigest, RowHash};

/// A dataset on a channel: the unit whose rows are counted.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Flow {
    /// Where the rows go.
    pub channel: ChannelId,
    /// Which dataset.
    pub dataset: String,
}

/// Who answers for a dataset, and in which zone its times are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Its administrative division.
    pub region: String,
    /// Its department.
    pub department: String,
    /// Its time zone, for example `Asia/Shanghai`.
    pub zone: String,
}

/// A batch whose payload is durable in the spool under its name.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its unchanging name.
    pub id: BatchId,
    /// From [`Ledger::next_ordinal`].
    pub ordinal: u64,
    /// Where it goes.
    pub channel: ChannelId,
    /// Which standard it was cut for.
    pub standard: StandardId,
    /// The standard's operation.
    pub operation: String,
    /// What it carries.
    pub subject: Subject,
    /// Which lane.
    pub lane: Lane,
    /// Rows in it; 1 for an object.
    pub rows: u32,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// SHA-256 of its payload's segments.
    pub payload_digest: DigestSha256,
    /// The batch it was split from.
    pub parent: Option<BatchId>,
    /// Older batches that share a key with it and are not over yet.
    pub after: Vec<BatchId>,
    /// What proves its delivery.
    pub evidence: Evidence,
    /// The newest business time in it.
    pub content_at: Option<Timestamp>,
    /// When it should be over.
    pub deadline: Timestamp,
}

/// One finding about a row or an object: which rule, and where.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Finding {
    /// The rule's code, or the province's.
    pub rule: String,
    /// The column or field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// A row turned away.
#[derive(Clone, Debug)]
pub struct NewReject {
    /// Its keyed digest.
    pub key: KeyDigest,
    /// Its content's keyed hash.
    pub row: RowHash,
    /// Who turned it away.
    pub kind: RejectKind,
    /// Why, the first finding deciding under which rule it is counted; never empty.
    pub findings: Vec<Finding>,
    /// The row as it was, sealed.
    pub original: Vec<u8>,
}

impl NewReject {
    /// The rule or code it is counted under.
    pub fn rule(&self) -> &str {
        self.findings.first().map_or("unknown", |finding| finding.rule.as_str())
    }
}

/// How an observation moves progress.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Not at all.
    Unmoved,
    /// Nothing was read: rows that only the province holds are deleted above. Makes nothing
    /// fresher.
    Repair,
    /// A lane of a dataset with a time column has been read up to a position.
    Lane {
        /// Up to which instant its interval reaches, as canonical time text; `None` while inside.
        until_at: Option<String>,
        /// The position, sealed.
        position: Vec<u8>,
        /// The lane has nothing more to read.
        complete: bool,
    },
    /// A pass has read on.
    Pass {
        /// Which pass.
        number: u64,
        /// Rows read since the last observation.
        rows_seen: u64,
        /// Keys found gone since the last observation.
        rows_gone: u64,
        /// It has read everything.
        finished: bool,
    },
}

/// Everything one page of rows led to.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Which dataset on which channel.
    pub flow: Flow,
    /// Who answers for it.
    pub owner: Owner,
    /// Which lane.
    pub lane: Lane,
    /// Packed.
    pub batches: Vec<NewBatch>,
    /// Turned away by our rules.
    pub rejects: Vec<NewReject>,
    /// How often our rules were asked.
    pub rules: Vec<RuleCount>,
    /// Packed keys that have another version standing rejected: mended by this one.
    pub mended: Vec<KeyDigest>,
    /// Packed versions that stood rejected themselves and are judged anew: not due again.
    pub replayed: Vec<(KeyDigest, RowHash)>,
    /// Values of `unique` rules that packed rows hold from now on.
    pub unique: Vec<UniqueValue>,
    /// Keys whose deletion is packed: their values are free.
    pub freed: Vec<KeyDigest>,
    /// Versions replaced before they were sent.
    pub coalesced: u64,
    /// Versions the other lane sent newer.
    pub skipped: u64,
    /// Rows sent again although the province holds just them.
    pub resent: u64,
    /// The newest business time seen.
    pub newest_content: Option<Timestamp>,
    /// When the reading that saw it began: what changed later may be missing from it.
    pub as_of: Timestamp,
    /// What progress it makes.
    pub progress: Progress,
}

/// How the counts of a dataset move; see [`Counts`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    pub(super) due: i64,
    pub(super) queued: i64,
    pub(super) confirmed: i64,
    pub(super) placed: i64,
    pub(super) local: i64,
    pub(super) refused: i64,
    pub(super) failed: i64,
}

impl Delta {
    /// `rows` leave the queue because someone turned them away.
    pub(super) fn rejected(kind: RejectKind, rows: i64) -> Self {
        let queued = if kind == RejectKind::Local { 0 } else { -rows };
        let mut delta = Self { queued, ..Self::default() };
        match kind {
            RejectKind::Local => delta.local = rows,
            RejectKind::Refused => delta.refused = rows,
            RejectKind::Failed => delta.failed = rows,
        }
        delta
    }
}

/// The counts of promise 2: `due = confirmed + placed + rejected + queued`, always.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Row versions that had to go above.
    pub due: u64,
    /// Waiting, in flight, unknown or awaiting a verdict.
    pub queued: u64,
    /// Reached the declared evidence.
    pub confirmed: u64,
    /// Put where the province fetches, unproven.
    pub placed: u64,
    /// Turned away by our rules.
    pub rejected_local: u64,
    /// Not taken by the province.
    pub rejected_refused: u64,
    /// Taken, and judged wrong.
    pub rejected_failed: u64,
    /// Replaced before they were sent; not counted as due.
    pub coalesced: u64,
    /// Sent newer by the other lane; not counted as due.
    pub skipped: u64,
}

impl Counts {
    /// All that were turned away.
    pub fn rejected(&self) -> u64 {
        self.rejected_local + self.rejected_refused + self.rejected_failed
    }

    /// Promise 2 holds.
    pub fn balance(&self) -> bool {
        self.due == self.confirmed + self.placed + self.rejected() + self.queued
    }
}

impl Ledger {
    /// Rows were observed: their batches, rejects and progress are recorded together.
    ///
    /// A key with a version that our rules turned away before is mended by a version that is
    /// packed now. Rows turned away a second time with the same content are not due again.
    pub async fn observed(&self, observation: Observation) -> Result<()> {
        self.write("record observed rows", move |transaction, now| {
            let flow = &observation.flow;
            if !observation.batches.is_empty() {
                super::mode::needs_live(transaction)?;
            }
            open_flow(transaction, flow, &observation.owner)?;
            let mut delta = Delta::default();
            for batch in &observation.batches {
                insert_batch(transaction, batch, now)?;
                delta.due += i64::from(batch.rows);
                delta.queued += i64::from(batch.rows);
            }
            // What is turned away on this very page is not mended by what stands before it.
            rejects::mended(transaction, flow, &observation.mended, &observation.replayed)?;
            let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
            for reject in &observation.rejects {
                if rejects::insert_reject(transaction, flow, &observation.owner, reject, None, now)?
                {
                    delta.due += 1;
                    delta.local += 1;
                    *by_rule.entry(reject.rule()).or_default() += 1;
                }
            }
            unique::held(transaction, flow, &observation.unique)?;
            unique::freed(transaction, flow, &observation.freed)?;
            for (rule, rows) in by_rule {
                let code = rule.to_owned();
                let kind = fact::Kind::Rejected { kind: RejectKind::Local, code, rows };
                history::record(transaction, Some(&flow.channel), &flow.dataset, kind, now)?;
            }
            for kind in rejects::replayed(transaction, flow, &observation.replayed)? {
                let before = Delta::rejected(kind, 1);
                delta.due -= 1;
                delta.local -= before.local;
                delta.refused -= before.refused;
                delta.failed -= before.failed;
            }
            count(transaction, flow, delta, now)?;
            counted::add(transaction, flow, &observation.rules, now)?;
            touch(transaction, &observation, now)?;
            progress(transaction, &observation, now)
        })
        .await
    }

    /// An object's message is durable: its batch is queued and its link waits.
    pub async fn object_packed(&self, batch: NewBatch, wanted: Option<DigestSha256>) -> Result<()> {
        self.write("record a packed object", move |transaction, now| {
            super::mode::needs_live(transaction)?;
            let key = object_key(&batch.subject)?;
            if batch.operation.ends_with(".register")
                && super::takeover::holds(transaction, &batch.channel, key.kind)?
            {
                return Err(Error::TakingOver);
            }
            insert_batch(transaction, &batch, now)?;
            objects::transition(transaction, &batch.channel, &key, LinkState::Queued, None, now)?;
            transaction
                .execute(
                    "UPDATE link SET sent = ?4, reject_kind = NULL, code = NULL, findings = NULL
                     WHERE channel = ?1 AND kind = ?2 AND id = ?3",
                    params![
                        batch.channel.as_str(),
                        key.kind.as_str(),
                        key.id,
                        wanted.map(|digest| digest.0)
                    ],
                )
                .map(drop)
                .map_err(Error::engine("record a packed object"))
        })
        .await
    }

    /// The lane's sealed position and whether it is complete.
    pub async fn lane_progress(&self, flow: Flow, lane: Lane) -> Result<Option<LaneProgress>> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT from_at, until_at, position, complete FROM progress
                     WHERE channel = ?1 AND dataset = ?2 AND lane = ?3",
                    params![flow.channel.as_str(), flow.dataset, lane.as_str()],
                    |row| {
                        Ok(LaneProgress {
                            from_at: row.get(0)?,
                            until_at: row.get(1)?,
                            position: row.get(2)?,
                            complete: row.get(3)?,
                        })
                    },
                )
                .optional()
                .map_err(Error::engine("read progress"))
        })
        .await
    }

    /// A dataset with a time column begins: its live lane reads from `from_at` on, its backfill
    /// lane everything before. Does nothing where it has begun.
    pub async fn lanes_begun(
        &self,
        flow: Flow,
        owner: Owner,
        from_at: Option<String>,
    ) -> Result<()> {
        self.write("begin a dataset's lanes", move |transaction, now| {
            open_flow(transaction, &flow, &owner)?;
            for (lane, from, until) in
                [(Lane::Live, Some(&from_at), None), (Lane::Backfill, None, Some(&from_at))]
            {
                transaction
                    .execute(
                        "INSERT INTO progress (channel, dataset, lane, from_at, until_at, complete,
                                               updated_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?7, ?6) ON CONFLICT DO NOTHING",
                        params![
                            flow.channel.as_str(),
                            flow.dataset,
                            lane.as_str(),
                            from,
                            until,
                            stored(now),
                            lane == Lane::Backfill && from_at.is_none()
                        ],
                    )
                    .map_err(Error::engine("begin a lane"))?;
            }
            Ok(())
        })
        .await
    }
}

/// How far a lane has been read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaneProgress {
    /// Where its interval begins, as canonical time text; `None` at the beginning of time.
    pub from_at: Option<String>,
    /// Where its interval ends; `None` while it is open.
    pub until_at: Option<String>,
    /// The position, sealed.
    pub position: Option<Vec<u8>>,
    /// It has nothing more to read.
    pub complete: bool,
}

pub(super) fn object_key(subject: &Subject) -> Result<ObjectKey> {
    match subject {
        Subject::Object { kind, id } => Kind::parse(kind)
            .map(|kind| ObjectKey { kind, id: id.clone() })
            .ok_or(Error::Unreadable { what: "kind" }),
        Subject::Rows { dataset, .. } => Err(Error::NoSuch { what: format!("object {dataset}") }),
    }
}

pub(super) fn open_flow(transaction: &Transaction<'_>, flow: &Flow, owner: &Owner) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO dataset (channel, dataset, region, department, zone)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (channel, dataset) DO UPDATE SET region = excluded.region,
                department = excluded.department, zone = excluded.zone",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                flow.channel.as_str(),
                flow.dataset,
                owner.region,
                owner.department,
                owner.zone
            ])
        })
        .map(drop)
        .map_err(Error::engine("open a dataset"))
}

pub(super) fn count(
    transaction: &Transaction<'_>,
    flow: &Flow,
    delta: Delta,
    now: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE dataset SET due = due + ?3, queued = queued + ?4, confirmed = confirmed + ?5,
                placed = placed + ?6, rejected_local = rejected_local + ?7,
                rejected_refused = rejected_refused + ?8, rejected_failed = rejected_failed + ?9,
                settled_at = coalesce(?10, settled_at)
             WHERE channel = ?1 AND dataset = ?2",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                flow.channel.as_str(),
                flow.dataset,
                delta.due,
                delta.queued,
                delta.confirmed,
                delta.placed,
                delta.local,
                delta.refused,
                delta.failed,
                (delta.confirmed != 0 || delta.placed != 0).then(|| stored(now)),
            ])
        })
        .map(drop)
        .map_err(Error::engine("count rows"))
}

pub(super) fn insert_batch(
    transaction: &Transaction<'_>,
    batch: &NewBatch,
    now: Timestamp,
) -> Result<()> {
    let (kind, subject, action) = match &batch.subject {
        Subject::Rows { dataset, action } => ("rows", dataset.clone(), Some(action.as_str())),
        Subject::Object { .. } => ("object", batch.subject.name(), None),
    };
    let ordinal =
        i64::try_from(batch.ordinal).map_err(|_too_large| Error::Unreadable { what: "ordinal" })?;
    let bytes = i64::try_from(batch.payload_bytes)
        .map_err(|_too_large| Error::Unreadable { what: "payload size" })?;
    transaction
        .prepare_cached(
            "INSERT INTO batch (id, ordinal, channel, standard, operation, subject_kind, subject,
                action, lane, rows, rows_open, payload_bytes, payload_digest, parent, state,
                evidence, content_at, packed_at, next_attempt_at, deadline)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, 'queued', ?14,
                ?15, ?16, ?16, ?17)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                batch.id.0,
                ordinal,
                batch.channel.as_str(),
                batch.standard.as_str(),
                batch.operation,
                kind,
                subject,
                action,
                batch.lane.as_str(),
                batch.rows,
                bytes,
                batch.payload_digest.0,
                batch.parent.map(|parent| parent.0),
                batch.evidence.as_str(),
                batch.content_at.map(stored),
                stored(now),
                stored(batch.deadline)
            ])
        })
        .map_err(Error::engine("record a batch"))?;
    for after in &batch.after {
        order_after(transaction, batch.id, *after)?;
    }
    Ok(())
}

/// Makes `batch` wait for `after`; where that was cut in two since it was looked up, for all that
/// came of it.
fn order_after(transaction: &Transaction<'_>, batch: BatchId, after: BatchId) -> Result<()> {
    transaction
        .prepare_cached(
            "WITH RECURSIVE older (id) AS (
                 VALUES (?2)
                 UNION SELECT batch.id FROM batch JOIN older ON batch.parent = older.id)
             INSERT INTO batch_after (batch, after) SELECT ?1, id FROM older WHERE id <> ?1
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut statement| statement.execute(params![batch.0, after.0]))
        .map(drop)
        .map_err(Error::engine("order a batch"))
}

/// Whoever reads a dataset ends its trouble, but for deletions that wait: reading alone does not
/// settle them.
fn touch(transaction: &Transaction<'_>, observation: &Observation, now: Timestamp) -> Result<()> {
    if matches!(observation.progress, Progress::Repair) {
        return Ok(());
    }
    let changed = !observation.batches.is_empty() || !observation.rejects.is_empty();
    transaction
        .prepare_cached(
            "UPDATE dataset SET coalesced = coalesced + ?3, skipped = skipped + ?4,
                last_observed_at = max(coalesce(last_observed_at, ?10), ?10), trouble = CASE WHEN trouble IN (?8, ?9) THEN trouble END,
                trouble_since = CASE WHEN trouble IN (?8, ?9) THEN trouble_since END,
                last_change_at = CASE WHEN ?6 THEN ?5 ELSE last_change_at END,
                newest_content_at = max(coalesce(newest_content_at, ?7), coalesce(?7, newest_content_at))
             WHERE channel = ?1 AND dataset = ?2",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                observation.flow.channel.as_str(),
                observation.flow.dataset,
                i64::try_from(observation.coalesced).unwrap_or(i64::MAX),
                i64::try_from(observation.skipped).unwrap_or(i64::MAX),
                stored(now),
                changed,
                observation.newest_content.map(stored),
                BULK_DELETION,
                UNREADABLE_KEY,
                stored(observation.as_of)
            ])
        })
        .map(drop)
        .map_err(Error::engine("stamp a dataset"))
}

fn progress(
    transaction: &Transaction<'_>,
    observation: &Observation,
    now: Timestamp,
) -> Result<()> {
    let flow = &observation.flow;
    match &observation.progress {
        Progress::Unmoved | Progress::Repair => Ok(()),
        Progress::Lane { until_at, position, complete } => transaction
            .prepare_cached(
                "UPDATE progress SET position = ?4, complete = ?5,
                    until_at = coalesce(?6, until_at), updated_at = ?7
                 WHERE channel = ?1 AND dataset = ?2 AND lane = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    flow.channel.as_str(),
                    flow.dataset,
                    observation.lane.as_str(),
                    position,
                    complete,
                    until_at,
                    stored(now)
                ])
            })
            .map(drop)
            .map_err(Error::engine("move progress")),
        Progress::Pass { number, rows_seen, rows_gone, finished } => {
            let due: u64 =
                observation.batches.iter().map(|batch| u64::from(batch.rows)).sum::<u64>()
                    + u64::try_from(observation.rejects.len()).unwrap_or(u64::MAX);
            super::passes::advance(
                transaction,
                *number,
                super::passes::Advance {
                    seen: *rows_seen,
                    due,
                    gone: *rows_gone,
                    rejected: u64::try_from(observation.rejects.len()).unwrap_or(u64::MAX),
                    resent: observation.resent,
                    finished: *finished,
                },
                now,
            )
        }
    }
}
