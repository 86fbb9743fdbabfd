//! The platform's judgement of each row (校验结果).

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::batches::{confirm_clock, finish, flow_of, step, waiting};
use super::rows::{Delta, Flow, NewReject, Owner, count, insert_reject};
use super::{Error, Ledger, Result, stored};
use crate::delivery::{BatchId, BatchState, RejectKind};
use crate::row::KeyDigest;

/// One row's judgement, with what is needed to set it aside.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It stands.
    Passed(KeyDigest),
    /// It does not.
    Failed(NewReject),
}

impl Judged {
    fn key(&self) -> KeyDigest {
        match self {
            Self::Passed(key) => *key,
            Self::Failed(reject) => reject.key,
        }
    }
}

impl Ledger {
    /// Verdicts arrived for rows of a batch. A row's first verdict decides while its batch is
    /// open; the same verdict again changes nothing; a contradiction moves the row to the newer
    /// verdict and is returned in the count. Returns `(batch settled, contradictions)`.
    pub async fn judged(&self, batch: BatchId, verdicts: Vec<Judged>) -> Result<(bool, u64)> {
        self.write("record verdicts", move |transaction, now| {
            let waiting = waiting(transaction, batch)?;
            let (flow, owner) = flow_of(transaction, &waiting.batch)?;
            let open = waiting.batch.state == BatchState::Taken;
            let mut delta = Delta::default();
            let mut judged = 0_u32;
            let mut contradictions = 0;
            for verdict in &verdicts {
                let case = Case { batch, flow: &flow, owner: &owner, verdict, open, now };
                match judge(transaction, &case, &mut delta)? {
                    Effect::First => judged += 1,
                    Effect::Same => {}
                    Effect::Contradiction => contradictions += 1,
                }
            }
            count(transaction, &flow, delta)?;
            if delta.confirmed > 0 {
                confirm_clock(transaction, batch, &flow, now)?;
            }
            if !open {
                return Ok((false, contradictions));
            }
            let left = waiting.rows_open.saturating_sub(judged);
            transaction
                .execute("UPDATE batch SET rows_open = ?2 WHERE id = ?1", params![batch.0, left])
                .map_err(Error::engine("count open rows"))?;
            if left == 0 {
                step(transaction, &waiting.batch, BatchState::Settled)?;
                finish(transaction, batch, now)?;
            }
            Ok((left == 0, contradictions))
        })
        .await
    }
}

struct Case<'a> {
    batch: BatchId,
    flow: &'a Flow,
    owner: &'a Owner,
    verdict: &'a Judged,
    open: bool,
    now: Timestamp,
}

enum Effect {
    First,
    Same,
    Contradiction,
}

fn judge(transaction: &Transaction<'_>, case: &Case<'_>, delta: &mut Delta) -> Result<Effect> {
    let passed = matches!(case.verdict, Judged::Passed(_));
    let before = before(transaction, case)?;
    match (before, case.verdict) {
        (Some(known), _) if known == passed => return Ok(Effect::Same),
        // A row of a batch that is over counted as confirmed unless it stands rejected.
        (Some(true), Judged::Failed(reject)) => {
            insert_reject(transaction, case.flow, case.owner, reject, Some(case.batch), case.now)?;
            delta.confirmed -= 1;
            delta.failed += 1;
        }
        (Some(_), Judged::Passed(key)) => {
            lift(transaction, case.flow, *key, case.batch)?;
            delta.confirmed += 1;
            delta.failed -= 1;
        }
        (_, Judged::Failed(reject)) => {
            insert_reject(transaction, case.flow, case.owner, reject, Some(case.batch), case.now)?;
            delta.queued -= 1;
            delta.failed += 1;
        }
        (None, Judged::Passed(_)) => {
            delta.queued -= 1;
            delta.confirmed += 1;
        }
    }
    if case.open {
        transaction
            .prepare_cached(
                "INSERT INTO verdict (batch, key, passed, at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (batch, key) DO UPDATE SET passed = excluded.passed,
                    at = excluded.at",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    case.batch.0,
                    case.verdict.key().0,
                    passed,
                    stored(case.now)
                ])
            })
            .map_err(Error::engine("record a verdict"))?;
    }
    Ok(if before.is_some() { Effect::Contradiction } else { Effect::First })
}

/// The row's verdict before this one, where it had one.
fn before(transaction: &Transaction<'_>, case: &Case<'_>) -> Result<Option<bool>> {
    let key = case.verdict.key();
    if case.open {
        return transaction
            .prepare_cached("SELECT passed FROM verdict WHERE batch = ?1 AND key = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![case.batch.0, key.0], |row| row.get(0)).optional()
            })
            .map_err(Error::engine("read a verdict"));
    }
    let rejected: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM reject WHERE channel = ?1 AND dataset = ?2 AND key = ?3
             AND batch = ?4 AND kind = 'failed' AND state = 'open')",
        )
        .and_then(|mut statement| {
            statement.query_row(
                params![case.flow.channel.as_str(), case.flow.dataset, key.0, case.batch.0],
                |row| row.get(0),
            )
        })
        .map_err(Error::engine("read a verdict"))?;
    Ok(Some(!rejected))
}

fn lift(transaction: &Transaction<'_>, flow: &Flow, key: KeyDigest, batch: BatchId) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE reject SET state = 'lifted' WHERE channel = ?1 AND dataset = ?2 AND key = ?3
             AND batch = ?4 AND kind = ?5 AND state = 'open'",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                flow.channel.as_str(),
                flow.dataset,
                key.0,
                batch.0,
                RejectKind::Failed.as_str()
            ])
        })
        .map(drop)
        .map_err(Error::engine("lift a reject"))
}
