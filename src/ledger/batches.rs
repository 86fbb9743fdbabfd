//! Batches on their way: which may go, which attempt is under way, what was answered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::answers::{Ended, apply};
use super::rows::{Flow, Owner};
use super::{Error, Ledger, Result, holds, instant, objects, stored};
use crate::delivery::{
    Action, Attempt, Batch, BatchId, BatchState, ChannelId, DigestSha256, Evidence, Lane,
    LinkState, Subject,
};

/// A batch with what the stages need beside it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The batch.
    pub batch: Batch,
    /// What proves its delivery.
    pub evidence: Evidence,
    /// Credentials were renewed for it once already.
    pub auth_refreshed: bool,
    /// When the province took it.
    pub taken_at: Option<Timestamp>,
    /// Its rows that have no verdict yet.
    pub rows_open: u32,
}

impl Ledger {
    /// The batches of a channel that may be sent now, live lane first, at most `limit` of them and
    /// `per_subject` of one dataset. A batch waits for older ones that share a key with it, for
    /// its next attempt's time, and while a hold covers it.
    pub async fn sendable(
        &self,
        channel: ChannelId,
        now: Timestamp,
        limit: usize,
        per_subject: usize,
    ) -> Result<Vec<Waiting>> {
        self.select(channel, now, limit, per_subject, BatchState::Queued).await
    }

    /// The batches of a channel whose fate must be asked for now.
    pub async fn unresolved(
        &self,
        channel: ChannelId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Waiting>> {
        self.select(channel, now, limit, limit, BatchState::Unknown).await
    }

    /// The batches of a channel whose row verdicts should be asked for now.
    pub async fn unjudged(
        &self,
        channel: ChannelId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Waiting>> {
        self.select(channel, now, limit, limit, BatchState::Taken).await
    }

    async fn select(
        &self,
        channel: ChannelId,
        now: Timestamp,
        limit: usize,
        per_subject: usize,
        state: BatchState,
    ) -> Result<Vec<Waiting>> {
        let inner = std::sync::Arc::clone(&self.inner);
        // On the writing connection: what was committed a moment ago must be seen.
        self.pool
            .run(move || {
                let connection = super::lock(&inner.writer);
                select(&connection, &channel, now, limit, per_subject, state)
            })
            .await
    }

    /// The settled batch of a dataset whose name begins so, in hexadecimal; `None` where there is
    /// none or more than one.
    pub async fn settled_batch(&self, flow: Flow, beginning: String) -> Result<Option<BatchId>> {
        let filled = |digit: &str| {
            let text: String = beginning.chars().chain(digit.repeat(32).chars()).take(32).collect();
            BatchId::parse(&text)
        };
        let (Some(first), Some(last)) = (filled("0"), filled("f")) else { return Ok(None) };
        self.read(move |connection| {
            let found: Vec<BatchId> = connection
                .prepare_cached(
                    "SELECT id FROM batch WHERE id BETWEEN ?1 AND ?2 AND channel = ?3
                     AND subject = ?4 AND state = 'settled' LIMIT 2",
                )
                .and_then(|mut statement| {
                    let with = params![first.0, last.0, flow.channel.as_str(), flow.dataset];
                    let rows = statement.query_map(with, |row| row.get(0).map(BatchId))?;
                    rows.collect()
                })
                .map_err(Error::engine("find a batch by its name's beginning"))?;
            Ok(match found.as_slice() {
                [only] => Some(*only),
                [] | [..] => None,
            })
        })
        .await
    }

    /// An attempt begins: committed before any byte leaves.
    pub async fn attempt_begun(&self, batch: BatchId, payload: DigestSha256) -> Result<Attempt> {
        self.write("begin an attempt", move |transaction, now| {
            super::mode::needs_live(transaction)?;
            let waiting = waiting(transaction, batch)?;
            step(transaction, &waiting.batch, BatchState::InFlight)?;
            transaction
                .prepare_cached("UPDATE batch SET attempts = attempts + 1 WHERE id = ?1")
                .and_then(|mut statement| statement.execute([batch.0]))
                .map_err(Error::engine("count an attempt"))?;
            transaction
                .prepare_cached("INSERT INTO attempt (batch, begun_at, digest) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| {
                    statement.execute(params![batch.0, stored(now), payload.0])
                })
                .map_err(Error::engine("record an attempt"))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            if let Subject::Object { .. } = waiting.batch.subject {
                let key = super::rows::object_key(&waiting.batch.subject)?;
                objects::transition(
                    transaction,
                    &waiting.batch.channel,
                    &key,
                    LinkState::Sent,
                    None,
                    now,
                )?;
            }
            Ok(Attempt { number, batch, begun_at: now })
        })
        .await
    }

    /// An attempt was answered, or its answer was lost.
    pub async fn attempt_ended(&self, attempt: Attempt, ended: Ended) -> Result<()> {
        self.write("end an attempt", move |transaction, now| {
            transaction
                .prepare_cached(
                    "UPDATE attempt SET ended_at = ?2, outcome = ?3, code = ?4 WHERE number = ?1",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        attempt.number.cast_signed(),
                        stored(now),
                        ended.word(),
                        ended.code()
                    ])
                })
                .map_err(Error::engine("end an attempt"))?;
            apply(transaction, attempt.batch, ended, now)
        })
        .await
    }

    /// Attempts of a channel that nobody waits for any more: what became of them is unknown, and
    /// is asked for. For the one who sends on this channel, while nothing is under way.
    pub async fn attempts_abandoned(&self, channel: ChannelId) -> Result<()> {
        self.write("abandon attempts", move |transaction, now| {
            transaction
                .execute(
                    "UPDATE attempt SET ended_at = ?2, outcome = 'unknown', code = 'abandoned'
                     WHERE ended_at IS NULL AND batch IN
                        (SELECT id FROM batch WHERE channel = ?1 AND state = 'in_flight')",
                    params![channel.as_str(), stored(now)],
                )
                .and_then(|_ended| {
                    transaction.execute(
                        "UPDATE batch SET state = 'unknown', next_attempt_at = ?2
                         WHERE channel = ?1 AND state = 'in_flight'",
                        params![channel.as_str(), stored(now)],
                    )
                })
                .map(drop)
                .map_err(Error::engine("abandon attempts"))
        })
        .await
    }

    /// A channel answers again: batches whose last attempt ended with one of these codes need not
    /// wait any longer.
    pub async fn waits_ended(&self, channel: ChannelId, codes: BTreeSet<String>) -> Result<()> {
        self.write("end waits", move |transaction, now| {
            for code in &codes {
                transaction
                    .execute(
                        "UPDATE batch SET next_attempt_at = ?2
                         WHERE channel = ?1 AND state = 'queued' AND next_attempt_at > ?2
                         AND ?3 = (SELECT code FROM attempt WHERE attempt.batch = batch.id
                            ORDER BY number DESC LIMIT 1)",
                        params![channel.as_str(), stored(now), code],
                    )
                    .map_err(Error::engine("end waits"))?;
            }
            Ok(())
        })
        .await
    }

    /// Somebody acted: no queued batch of the channel need wait its time out.
    pub async fn every_wait_ended(&self, channel: ChannelId) -> Result<()> {
        self.write("end every wait", move |transaction, now| {
            transaction
                .execute(
                    "UPDATE batch SET next_attempt_at = ?2
                     WHERE channel = ?1 AND state = 'queued' AND next_attempt_at > ?2",
                    params![channel.as_str(), stored(now)],
                )
                .map(drop)
                .map_err(Error::engine("end every wait"))
        })
        .await
    }

    /// The province answered what became of a batch whose answer was lost, or a taken batch is
    /// asked about again. A receipt that is known already changes nothing.
    pub async fn batch_resolved(&self, batch: BatchId, ended: Ended) -> Result<()> {
        self.write("resolve a batch", move |transaction, now| apply(transaction, batch, ended, now))
            .await
    }

    /// A taken batch is asked about again, not before `at`.
    pub async fn ask_again(&self, batch: BatchId, at: Timestamp) -> Result<()> {
        self.write("postpone an inquiry", move |transaction, _now| postpone(transaction, batch, at))
            .await
    }

    /// When the next queued batch of a channel may be sent.
    pub async fn next_attempt_at(&self, channel: ChannelId) -> Result<Option<Timestamp>> {
        self.read(move |connection| next_at(connection, &channel, "'queued'")).await
    }

    /// When the next batch of a channel is to be asked about.
    pub async fn next_inquiry_at(&self, channel: ChannelId) -> Result<Option<Timestamp>> {
        self.read(move |connection| next_at(connection, &channel, "'unknown', 'taken'")).await
    }

    /// One batch.
    pub async fn batch(&self, id: BatchId) -> Result<Waiting> {
        self.read(move |connection| waiting(connection, id)).await
    }
}

fn next_at(
    connection: &Connection,
    channel: &ChannelId,
    states: &str,
) -> Result<Option<Timestamp>> {
    let at: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT min(next_attempt_at) FROM batch WHERE channel = ?1 AND state IN ({states})"
        ))
        .and_then(|mut statement| statement.query_row([channel.as_str()], |row| row.get(0)))
        .map_err(Error::engine("read the next batch's time"))?;
    at.map(instant).transpose()
}

pub(super) fn postpone(transaction: &Transaction<'_>, id: BatchId, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("UPDATE batch SET next_attempt_at = ?2 WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![id.0, stored(at)]))
        .map(drop)
        .map_err(Error::engine("postpone a batch"))
}

/// Moves a batch, refusing a step that has no meaning.
pub(super) fn step(transaction: &Transaction<'_>, batch: &Batch, next: BatchState) -> Result<()> {
    if !batch.state.may_become(next) {
        return Err(Error::Batch { id: batch.id, from: batch.state, to: next });
    }
    transaction
        .prepare_cached("UPDATE batch SET state = ?2 WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![batch.id.0, next.as_str()]))
        .map(drop)
        .map_err(Error::engine("move a batch"))
}

/// A batch is over: nobody waits for it any more.
pub(super) fn finish(transaction: &Transaction<'_>, id: BatchId, now: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("UPDATE batch SET ended_at = ?2, rows_open = 0 WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![id.0, stored(now)]))
        .map_err(Error::engine("end a batch"))?;
    for step in [
        "DELETE FROM batch_after WHERE batch = ?1",
        "DELETE FROM verdict WHERE batch = ?1 AND standing = 'passed'",
    ] {
        transaction
            .prepare_cached(step)
            .and_then(|mut statement| statement.execute([id.0]))
            .map_err(Error::engine("tidy up behind a batch"))?;
    }
    Ok(())
}

/// The dataset a row batch belongs to, and who answers for it.
pub(super) fn flow_of(connection: &Connection, batch: &Batch) -> Result<(Flow, Owner)> {
    let Subject::Rows { dataset, .. } = &batch.subject else {
        return Err(Error::NoSuch { what: format!("dataset of {}", batch.subject.name()) });
    };
    let flow = Flow { channel: batch.channel.clone(), dataset: dataset.clone() };
    let owner = connection
        .query_row(
            "SELECT region, department, zone FROM dataset WHERE channel = ?1 AND dataset = ?2",
            params![flow.channel.as_str(), flow.dataset],
            |row| Ok(Owner { region: row.get(0)?, department: row.get(1)?, zone: row.get(2)? }),
        )
        .map_err(Error::engine("read a dataset"))?;
    Ok((flow, owner))
}

const BATCH: &str = "SELECT id, ordinal, channel, standard, operation, subject_kind, subject, \
    action, lane, rows, payload_bytes, payload_digest, parent, state, attempts, packed_at, \
    next_attempt_at, evidence, auth_refreshed, taken_at, rows_open FROM batch";

fn select(
    connection: &Connection,
    channel: &ChannelId,
    now: Timestamp,
    limit: usize,
    per_subject: usize,
    state: BatchState,
) -> Result<Vec<Waiting>> {
    let holds = holds::of(connection, channel)?;
    // Lanes sort live before backfill the wrong way round in the alphabet, hence DESC.
    let mut statement = connection
        .prepare_cached(&format!(
            "{BATCH} WHERE channel = ?1 AND state = ?2 AND next_attempt_at <= ?3
             AND NOT EXISTS (SELECT 1 FROM batch_after JOIN batch AS older
                ON older.id = batch_after.after WHERE batch_after.batch = batch.id
                AND older.state IN ('queued', 'in_flight', 'unknown', 'taken'))
             ORDER BY lane DESC, ordinal"
        ))
        .map_err(Error::engine("look for batches"))?;
    let mut rows = statement
        .query(params![channel.as_str(), state.as_str(), stored(now)])
        .map_err(Error::engine("look for batches"))?;
    let mut found: Vec<Waiting> = Vec::new();
    while let Some(row) = rows.next().map_err(Error::engine("look for batches"))? {
        let next = read_batch(row)?;
        let same = found.iter().filter(|other| other.batch.subject == next.batch.subject).count();
        if same >= per_subject || holds.iter().any(|hold| hold.covers(&next.batch)) {
            continue;
        }
        found.push(next);
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn waiting(connection: &Connection, id: BatchId) -> Result<Waiting> {
    connection
        .prepare_cached(&format!("{BATCH} WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id.0], |row| Ok(read_batch(row))).optional())
        .map_err(Error::engine("read a batch"))?
        .ok_or(Error::NoBatch { id })?
}

pub(super) fn read_batch(row: &Row<'_>) -> Result<Waiting> {
    let engine = || Error::engine("read a batch");
    let unreadable = |what| move || Error::Unreadable { what };
    let text = |index| row.get::<_, String>(index).map_err(engine());
    let at = |index| row.get::<_, i64>(index).map_err(engine()).and_then(instant);
    let subject = match (text(5)?.as_str(), row.get::<_, Option<String>>(7).map_err(engine())?) {
        ("rows", Some(action)) => Subject::Rows {
            dataset: text(6)?,
            action: Action::parse(&action).ok_or_else(unreadable("action"))?,
        },
        _ => {
            let name = text(6)?;
            let (kind, id) = name.split_once(':').ok_or_else(unreadable("subject"))?;
            Subject::Object { kind: kind.to_owned(), id: id.to_owned() }
        }
    };
    let taken: Option<i64> = row.get(19).map_err(engine())?;
    Ok(Waiting {
        batch: Batch {
            id: BatchId(row.get(0).map_err(engine())?),
            ordinal: row.get::<_, i64>(1).map_err(engine())?.cast_unsigned(),
            channel: text(2)?.into(),
            standard: text(3)?.into(),
            operation: text(4)?,
            subject,
            lane: Lane::parse(&text(8)?).ok_or_else(unreadable("lane"))?,
            rows: row.get(9).map_err(engine())?,
            payload_bytes: row.get::<_, i64>(10).map_err(engine())?.cast_unsigned(),
            payload_digest: DigestSha256(row.get(11).map_err(engine())?),
            parent: row.get::<_, Option<[u8; 16]>>(12).map_err(engine())?.map(BatchId),
            state: BatchState::parse(&text(13)?).ok_or_else(unreadable("batch state"))?,
            attempts: row.get(14).map_err(engine())?,
            packed_at: at(15)?,
            next_attempt_at: at(16)?,
        },
        evidence: Evidence::parse(&text(17)?).ok_or_else(unreadable("evidence"))?,
        auth_refreshed: row.get(18).map_err(engine())?,
        taken_at: taken.map(instant).transpose()?,
        rows_open: row.get(20).map_err(engine())?,
    })
}
