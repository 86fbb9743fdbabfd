//! Jobs: durable requests of operators, with an idempotency key, progress and an end.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::passes::{self, Asked, PassKind, signed};
use super::rows::{Flow, Owner, open_flow};
use super::{Error, Ledger, Result, history, instant, stored};
use crate::fact::{JobAct, Kind};

/// Where a job stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum JobState {
    /// Accepted and under way.
    Running,
    /// Everything it asked for is done.
    Done,
    /// An operator called it off; what it had packed goes on.
    Cancelled,
    /// It could not be done.
    Failed,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Cancelled, Self::Failed];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`JobState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A durable request of an operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Its number.
    pub number: u64,
    /// `resync`, `reconcile`, …
    pub kind: String,
    /// What was asked, as JSON.
    pub request: String,
    /// Where it stands.
    pub state: JobState,
    /// Passes over and passes asked for.
    pub done: u64,
    /// See [`Job::done`].
    pub total: Option<u64>,
    /// Rows its passes have read.
    pub rows_seen: u64,
    /// Rows its passes found due.
    pub rows_due: u64,
    /// Rows its passes turned away.
    pub rows_rejected: u64,
    /// What came out of it.
    pub result: Option<String>,
    /// Who asked: `uid 0 pid 1`.
    pub asked_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// A resync an operator asks for.
#[derive(Clone, Debug)]
pub struct Resync {
    /// The datasets, each with its owner.
    pub flows: Vec<(Flow, Owner)>,
    /// What each pass does.
    pub kind: PassKind,
    /// From where, as canonical time text.
    pub since: Option<String>,
    /// The operator approved of deleting in bulk.
    pub approved: bool,
    /// The request as JSON, kept as asked.
    pub request: String,
    /// The same key again gives the same job.
    pub idempotency: Option<String>,
    /// Who asked.
    pub asked_by: String,
}

impl Ledger {
    /// An operator asked for a resync: one job, one pass for each dataset. The same idempotency
    /// key again returns the first job and `false`.
    pub async fn resync_asked(&self, resync: Resync) -> Result<(u64, bool)> {
        self.write("ask for a resync", move |transaction, now| {
            if let Some(known) = known(transaction, resync.idempotency.as_deref())? {
                return Ok((known, false));
            }
            let empty = resync.flows.is_empty();
            transaction
                .execute(
                    "INSERT INTO job (kind, request, idempotency, state, total, asked_by,
                                      created_at, finished_at)
                     VALUES ('resync', ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        resync.request,
                        resync.idempotency,
                        if empty { "done" } else { "running" },
                        signed(u64::try_from(resync.flows.len()).unwrap_or(u64::MAX)),
                        resync.asked_by,
                        stored(now),
                        empty.then(|| stored(now))
                    ],
                )
                .map_err(Error::engine("record a job"))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            noted(transaction, number, JobAct::Requested, now)?;
            for (flow, owner) in &resync.flows {
                open_flow(transaction, flow, owner)?;
                let asked = Asked {
                    kind: resync.kind,
                    since: resync.since.as_deref(),
                    job: Some(number),
                    approved: resync.approved,
                };
                passes::ask(transaction, flow, &asked, now)?;
            }
            Ok((number, true))
        })
        .await
    }

    /// All jobs, newest first, at most `limit`.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<Job>> {
        self.read(move |connection| {
            let engine = || Error::engine("read jobs");
            let mut statement = connection
                .prepare_cached(&format!("{JOB} ORDER BY job.number DESC LIMIT ?1"))
                .map_err(engine())?;
            let mut rows = statement.query([limit]).map_err(engine())?;
            let mut jobs = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                jobs.push(read_job(row)?);
            }
            Ok(jobs)
        })
        .await
    }

    /// One job.
    pub async fn job(&self, number: u64) -> Result<Option<Job>> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!("{JOB} WHERE job.number = ?1"))
                .and_then(|mut statement| {
                    statement.query_row([signed(number)], |row| Ok(read_job(row))).optional()
                })
                .map_err(Error::engine("read a job"))?
                .transpose()
        })
        .await
    }

    /// A job is called off: its passes that are not over stop. False where it was over, or is a
    /// cut-over that has put its standard in force.
    pub async fn job_cancelled(&self, number: u64) -> Result<bool> {
        self.write("cancel a job", move |transaction, now| {
            let changed = transaction
                .execute(
                    "UPDATE job SET state = 'cancelled', finished_at = ?2
                     WHERE number = ?1 AND state = 'running'
                     AND NOT (kind = 'cut-over' AND cursor IS NOT NULL)",
                    params![signed(number), stored(now)],
                )
                .map_err(Error::engine("cancel a job"))?;
            transaction
                .execute(
                    "UPDATE pass SET state = 'cancelled', finished_at = ?2
                     WHERE job = ?1 AND state IN ('queued', 'running')",
                    params![signed(number), stored(now)],
                )
                .map_err(Error::engine("cancel a job's passes"))?;
            if changed > 0 {
                noted(transaction, number, JobAct::Cancelled, now)?;
            }
            Ok(changed > 0)
        })
        .await
    }

    /// Whether a pass should go on: its job may have been called off meanwhile.
    pub async fn pass_is_open(&self, number: u64) -> Result<bool> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT state IN ('queued', 'running') FROM pass WHERE number = ?1",
                    [signed(number)],
                    |row| row.get(0),
                )
                .optional()
                .map(|open| open.unwrap_or(false))
                .map_err(Error::engine("read a pass"))
        })
        .await
    }
}

pub(super) fn known(
    transaction: &Transaction<'_>,
    idempotency: Option<&str>,
) -> Result<Option<u64>> {
    let Some(key) = idempotency else { return Ok(None) };
    transaction
        .query_row("SELECT number FROM job WHERE idempotency = ?1", [key], |row| {
            row.get::<_, i64>(0)
        })
        .optional()
        .map(|number| number.map(i64::cast_unsigned))
        .map_err(Error::engine("look for a job"))
}

/// A pass is over: its job counts it, and is over with its last.
pub(super) fn pass_finished(
    transaction: &Transaction<'_>,
    pass: u64,
    now: Timestamp,
) -> Result<()> {
    let over: Option<(i64, bool)> = transaction
        .query_row(
            "UPDATE job SET done = done + 1,
                state = CASE WHEN done + 1 >= total AND state = 'running' THEN 'done'
                        ELSE state END,
                finished_at = CASE WHEN done + 1 >= total AND state = 'running' THEN ?2
                              ELSE finished_at END
             WHERE number = (SELECT job FROM pass WHERE number = ?1)
             RETURNING number, state = 'done' AND done = total",
            params![signed(pass), stored(now)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(Error::engine("count a job's pass"))?;
    match over {
        Some((number, true)) => noted(transaction, number.cast_unsigned(), JobAct::Completed, now),
        Some((_, false)) | None => Ok(()),
    }
}

/// The fact of something done with a job. Who called one off is in the record of acts.
pub(super) fn noted(
    transaction: &Transaction<'_>,
    number: u64,
    act: JobAct,
    now: Timestamp,
) -> Result<()> {
    let by: String = transaction
        .query_row("SELECT asked_by FROM job WHERE number = ?1", [signed(number)], |row| row.get(0))
        .map_err(Error::engine("read a job"))?;
    let by = if act == JobAct::Cancelled { "operator".to_owned() } else { by };
    history::record(transaction, None, &format!("job:{number}"), Kind::Job { act, by }, now)
}

const JOB: &str = "SELECT job.number, kind, request, state, done, total, result, asked_by, \
    created_at, finished_at, \
    (SELECT coalesce(sum(rows_seen), 0) FROM pass WHERE pass.job = job.number), \
    (SELECT coalesce(sum(rows_due), 0) FROM pass WHERE pass.job = job.number), \
    (SELECT coalesce(sum(rows_rejected), 0) FROM pass WHERE pass.job = job.number) FROM job";

fn read_job(row: &Row<'_>) -> Result<Job> {
    let engine = || Error::engine("read a job");
    let state: String = row.get(3).map_err(engine())?;
    let count = |index| row.get::<_, i64>(index).map(i64::cast_unsigned).map_err(engine());
    let finished: Option<i64> = row.get(9).map_err(engine())?;
    Ok(Job {
        number: count(0)?,
        kind: row.get(1).map_err(engine())?,
        request: row.get(2).map_err(engine())?,
        state: JobState::parse(&state).ok_or(Error::Unreadable { what: "job state" })?,
        done: count(4)?,
        total: row.get::<_, Option<i64>>(5).map_err(engine())?.map(i64::cast_unsigned),
        result: row.get(6).map_err(engine())?,
        asked_by: row.get(7).map_err(engine())?,
        created_at: instant(row.get(8).map_err(engine())?)?,
        finished_at: finished.map(instant).transpose()?,
        rows_seen: count(10)?,
        rows_due: count(11)?,
        rows_rejected: count(12)?,
    })
}
