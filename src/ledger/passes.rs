//! Passes: readings of a whole table or a part of it — first load, comparison, resync.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::rows::{Flow, Owner, open_flow};
use super::{Error, Ledger, Result, history, instant, stored};
use crate::delivery::{ChannelId, Lane};
use crate::fact::Kind;

/// What a pass reads and what it does with what it reads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PassKind {
    /// Everything, compared with what was sent: changes and deletions go.
    Compare,
    /// Everything, sent again whether it changed or not.
    Resend,
    /// From an instant on, compared with what was sent; sees no deletions.
    Since,
    /// Everything, but only keys that stand rejected are judged again.
    Rejected,
}

impl PassKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Compare, Self::Resend, Self::Since, Self::Rejected];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Resend => "resend",
            Self::Since => "since",
            Self::Rejected => "rejected",
        }
    }

    /// The inverse of [`PassKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A pass that is not over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pass {
    /// Its number.
    pub number: u64,
    /// Which dataset on which channel.
    pub flow: Flow,
    /// What it does.
    pub kind: PassKind,
    /// From where it reads, as canonical time text.
    pub since: Option<String>,
    /// The job that asked for it.
    pub job: Option<u64>,
    /// An operator approved of deleting in bulk.
    pub approved: bool,
    /// Rows read so far.
    pub rows_seen: u64,
}

pub(super) struct Advance {
    pub(super) seen: u64,
    pub(super) due: u64,
    pub(super) gone: u64,
    pub(super) rejected: u64,
    pub(super) resent: u64,
    pub(super) finished: bool,
}

impl Ledger {
    /// Asks for a pass. One of the same kind that waits already is joined instead: its number is
    /// returned.
    pub async fn pass_asked(
        &self,
        flow: Flow,
        owner: Owner,
        kind: PassKind,
        since: Option<String>,
        job: Option<u64>,
    ) -> Result<u64> {
        self.write("ask for a pass", move |transaction, now| {
            open_flow(transaction, &flow, &owner)?;
            ask(
                transaction,
                &flow,
                &Asked { kind, since: since.as_deref(), job, approved: false },
                now,
            )
        })
        .await
    }

    /// The oldest pass of a dataset that is not over.
    pub async fn open_pass(&self, flow: Flow) -> Result<Option<Pass>> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT number, kind, since, job, rows_seen, channel, dataset, approved FROM pass
                     WHERE channel = ?1 AND dataset = ?2 AND state IN ('queued', 'running')
                     ORDER BY number LIMIT 1",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row(params![flow.channel.as_str(), flow.dataset], |row| {
                            Ok(read_pass(row))
                        })
                        .optional()
                })
                .map_err(Error::engine("read a pass"))?
                .transpose()
        })
        .await
    }

    /// When the last whole reading of a dataset was over.
    pub async fn last_whole_pass(&self, flow: Flow) -> Result<Option<Timestamp>> {
        self.read(move |connection| {
            let at: Option<i64> = connection
                .query_row(
                    "SELECT max(finished_at) FROM pass WHERE channel = ?1 AND dataset = ?2
                     AND kind IN ('compare', 'resend') AND state = 'done'",
                    params![flow.channel.as_str(), flow.dataset],
                    |row| row.get(0),
                )
                .map_err(Error::engine("read passes"))?;
            at.map(instant).transpose()
        })
        .await
    }

    /// Rows of each dataset's last whole reading and of the one before, where both are known.
    pub async fn whole_counts(&self) -> Result<BTreeMap<Flow, (u64, u64)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, dataset, max(rows_seen) FILTER (WHERE place = 1),
                        max(rows_seen) FILTER (WHERE place = 2)
                     FROM (SELECT channel, dataset, rows_seen, row_number() OVER (
                             PARTITION BY channel, dataset ORDER BY number DESC) AS place
                           FROM pass WHERE kind IN ('compare', 'resend') AND state = 'done')
                     WHERE place <= 2 GROUP BY channel, dataset HAVING count(*) = 2",
                )
                .map_err(Error::engine("count whole readings"))?;
            let rows = statement
                .query_map([], |row| {
                    let flow =
                        Flow { channel: row.get::<_, String>(0)?.into(), dataset: row.get(1)? };
                    let count =
                        |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
                    Ok((flow, (count(2)?, count(3)?)))
                })
                .map_err(Error::engine("count whole readings"))?;
            rows.collect::<rusqlite::Result<_>>().map_err(Error::engine("count whole readings"))
        })
        .await
    }

    /// A pass starts from the beginning, for the first time or again after a crash. One that was
    /// called off stays so.
    pub async fn pass_begun(&self, number: u64) -> Result<()> {
        self.write("begin a pass", move |transaction, _now| {
            transaction
                .execute(
                    "UPDATE pass SET state = 'running', rows_seen = 0
                     WHERE number = ?1 AND state IN ('queued', 'running')",
                    [signed(number)],
                )
                .map(drop)
                .map_err(Error::engine("begin a pass"))
        })
        .await
    }
}

/// A pass to be asked for.
pub(super) struct Asked<'a> {
    pub(super) kind: PassKind,
    pub(super) since: Option<&'a str>,
    pub(super) job: Option<u64>,
    pub(super) approved: bool,
}

pub(super) fn ask(
    transaction: &Transaction<'_>,
    flow: &Flow,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<u64> {
    let parameters = params![
        flow.channel.as_str(),
        flow.dataset,
        asked.kind.as_str(),
        asked.since,
        asked.job.map(signed),
        asked.approved,
        stored(now)
    ];
    let waiting: Option<i64> = transaction
        .query_row(
            "SELECT number FROM pass WHERE channel = ?1 AND dataset = ?2 AND kind = ?3
             AND since IS ?4 AND job IS ?5 AND approved = ?6 AND state = 'queued' AND ?7 > 0",
            parameters,
            |row| row.get(0),
        )
        .optional()
        .map_err(Error::engine("look for a pass"))?;
    if let Some(number) = waiting {
        return Ok(number.cast_unsigned());
    }
    transaction
        .execute(
            "INSERT INTO pass (channel, dataset, kind, since, job, approved, state, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7)",
            parameters,
        )
        .map_err(Error::engine("ask for a pass"))?;
    Ok(transaction.last_insert_rowid().cast_unsigned())
}

pub(super) fn advance(
    transaction: &Transaction<'_>,
    number: u64,
    step: Advance,
    now: Timestamp,
) -> Result<()> {
    // A pass that was called off meanwhile takes no more notes and ends no job.
    let open = transaction
        .prepare_cached(
            "UPDATE pass SET rows_seen = rows_seen + ?2, rows_due = rows_due + ?3,
                rows_gone = rows_gone + ?4, rows_rejected = rows_rejected + ?7,
                rows_resent = rows_resent + ?8,
                state = CASE WHEN ?5 THEN 'done' ELSE state END,
                finished_at = CASE WHEN ?5 THEN ?6 ELSE finished_at END
             WHERE number = ?1 AND state IN ('queued', 'running')",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                signed(number),
                signed(step.seen),
                signed(step.due),
                signed(step.gone),
                step.finished,
                stored(now),
                signed(step.rejected),
                signed(step.resent)
            ])
        })
        .map_err(Error::engine("advance a pass"))?;
    if step.finished && open > 0 {
        completed(transaction, number, now)?;
        super::jobs::pass_finished(transaction, number, now)?;
    }
    Ok(())
}

/// The fact of a pass that came to its end. What a cut-over sends again is another message under
/// another standard, so it counts as changed.
fn completed(transaction: &Transaction<'_>, number: u64, now: Timestamp) -> Result<()> {
    let (channel, dataset, kind) = transaction
        .query_row(
            "SELECT channel, dataset, rows_seen, rows_due + rows_gone, rows_rejected, rows_resent,
                    kind = ?2,
                    EXISTS (SELECT 1 FROM job JOIN job AS asker
                            ON printf('r-%04d', asker.number) = job.asked_by
                            WHERE job.number = pass.job AND asker.kind = ?3)
             FROM pass WHERE number = ?1",
            params![signed(number), PassKind::Since.as_str(), super::cutover::CUT_OVER],
            |row| {
                let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
                let is_other_message: bool = row.get(7)?;
                let resent = if is_other_message { 0 } else { count(5)? };
                let kind = Kind::PassCompleted {
                    lane: Lane::Backfill,
                    seen: count(2)?,
                    changed: count(3)?.saturating_sub(resent),
                    rejected: count(4)?,
                    resent,
                    is_part: row.get(6)?,
                };
                Ok((ChannelId::from(row.get::<_, String>(0)?), row.get::<_, String>(1)?, kind))
            },
        )
        .map_err(Error::engine("read a pass"))?;
    history::record(transaction, Some(&channel), &dataset, kind, now)
}

fn read_pass(row: &Row<'_>) -> Result<Pass> {
    let engine = Error::engine;
    let kind: String = row.get(1).map_err(engine("read a pass"))?;
    let job: Option<i64> = row.get(3).map_err(engine("read a pass"))?;
    Ok(Pass {
        number: row.get::<_, i64>(0).map_err(engine("read a pass"))?.cast_unsigned(),
        kind: PassKind::parse(&kind).ok_or(Error::Unreadable { what: "pass kind" })?,
        since: row.get(2).map_err(engine("read a pass"))?,
        job: job.map(i64::cast_unsigned),
        rows_seen: row.get::<_, i64>(4).map_err(engine("read a pass"))?.cast_unsigned(),
        flow: Flow {
            channel: row.get::<_, String>(5).map_err(engine("read a pass"))?.into(),
            dataset: row.get(6).map_err(engine("read a pass"))?,
        },
        approved: row.get(7).map_err(engine("read a pass"))?,
    })
}

/// A count as the engine stores it; counts never reach 2⁶³.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
