//! The platform's judgement of each row (校验结果).
//!
//! Verdicts come late, twice, and contradict each other. What counts is kept per (batch, key): of
//! an open batch every verdict; of a settled one only rows that do not simply stand, so that a
//! verdict which arrives again years later finds what it said before. A row that failed and was
//! judged anew in another batch (*replayed*) no longer counts in the old one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::answers::confirm_clock;
use super::batches::{Waiting, finish, flow_of, step, waiting};
use super::rejects::insert_reject;
use super::rows::{Delta, Flow, NewReject, Owner, count};
use super::{Error, Ledger, Result, history, stored};
use crate::delivery::{Batch, BatchId, BatchState, Evidence, RejectKind};
use crate::fact::Kind;
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
    ///
    /// Verdicts about a batch that the province has given no receipt for, or that was refused or
    /// split, change nothing: what became of it must be asked first.
    pub async fn judged(&self, batch: BatchId, verdicts: Vec<Judged>) -> Result<(bool, u64)> {
        self.write("record verdicts", move |transaction, now| {
            let waiting = waiting(transaction, batch)?;
            let open = match waiting.batch.state {
                BatchState::Taken => true,
                BatchState::Settled => false,
                BatchState::Queued
                | BatchState::InFlight
                | BatchState::Unknown
                | BatchState::Refused
                | BatchState::Split
                | BatchState::Superseded => return Ok((false, 0)),
            };
            let (flow, owner) = flow_of(transaction, &waiting.batch)?;
            let mut tally = Tally::default();
            for verdict in &verdicts {
                let placed = !waiting.evidence.confirms();
                let case = Case { batch, flow: &flow, owner: &owner, verdict, open, placed, now };
                judge(transaction, &case, &mut tally)?;
            }
            if tally.first > waiting.rows_open {
                let (open, told) = (waiting.rows_open, u64::from(tally.first));
                return Err(Error::Rows { id: batch, open, told });
            }
            count(transaction, &flow, tally.delta, now)?;
            tell(transaction, &flow, &waiting, &tally, now)?;
            if !open {
                return Ok((false, tally.contradictions));
            }
            let left = waiting.rows_open - tally.first;
            transaction
                .prepare_cached("UPDATE batch SET rows_open = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![batch.0, left]))
                .map_err(Error::engine("count open rows"))?;
            if left == 0 {
                step(transaction, &waiting.batch, BatchState::Settled)?;
                finish(transaction, batch, now)?;
            }
            Ok((left == 0, tally.contradictions))
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
    /// Its rows that are not rejected count as placed, not as confirmed.
    placed: bool,
    now: Timestamp,
}

/// What the verdicts of one call amount to.
#[derive(Default)]
struct Tally {
    delta: Delta,
    first: u32,
    contradictions: u64,
    passed: u64,
    failed: BTreeMap<String, u64>,
}

/// What counts for a row of a batch.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Standing {
    Passed,
    Failed,
    Replayed,
}

impl Standing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Replayed => "replayed",
        }
    }
}

fn judge(transaction: &Transaction<'_>, case: &Case<'_>, tally: &mut Tally) -> Result<()> {
    let next = match case.verdict {
        Judged::Passed(_) => Standing::Passed,
        Judged::Failed(_) => Standing::Failed,
    };
    let before = before(transaction, case)?;
    let again = before == Some(next) && !crate::crash::sabotaged("told-again");
    if again || before == Some(Standing::Replayed) {
        return Ok(());
    }
    let delta = &mut tally.delta;
    let standing = if case.placed { &mut delta.placed } else { &mut delta.confirmed };
    match before {
        None => {
            delta.queued -= 1;
            tally.first += 1;
        }
        Some(Standing::Passed) => *standing -= 1,
        Some(Standing::Failed | Standing::Replayed) => delta.failed -= 1,
    }
    tally.contradictions += u64::from(before.is_some());
    let standing = if case.placed { &mut delta.placed } else { &mut delta.confirmed };
    match case.verdict {
        Judged::Passed(key) => {
            *standing += 1;
            tally.passed += 1;
            if before.is_some() {
                lift(transaction, case.flow, *key, case.batch)?;
            }
        }
        Judged::Failed(reject) => {
            insert_reject(transaction, case.flow, case.owner, reject, Some(case.batch), case.now)?;
            delta.failed += 1;
            *tally.failed.entry(reject.rule().to_owned()).or_default() += 1;
        }
    }
    keep(transaction, case, next)
}

fn keep(transaction: &Transaction<'_>, case: &Case<'_>, standing: Standing) -> Result<()> {
    let key = case.verdict.key();
    if !case.open && standing == Standing::Passed {
        return transaction
            .prepare_cached("DELETE FROM verdict WHERE batch = ?1 AND key = ?2")
            .and_then(|mut statement| statement.execute(params![case.batch.0, key.0]))
            .map(drop)
            .map_err(Error::engine("record a verdict"));
    }
    transaction
        .prepare_cached(
            "INSERT INTO verdict (batch, key, standing, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (batch, key) DO UPDATE SET standing = excluded.standing,
                at = excluded.at",
        )
        .and_then(|mut statement| {
            statement.execute(params![case.batch.0, key.0, standing.as_str(), stored(case.now)])
        })
        .map(drop)
        .map_err(Error::engine("record a verdict"))
}

/// What counts for the row before this verdict; `None` while its batch still waits for one.
fn before(transaction: &Transaction<'_>, case: &Case<'_>) -> Result<Option<Standing>> {
    let known: Option<String> = transaction
        .prepare_cached("SELECT standing FROM verdict WHERE batch = ?1 AND key = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![case.batch.0, case.verdict.key().0], |row| row.get(0))
                .optional()
        })
        .map_err(Error::engine("read a verdict"))?;
    match known.as_deref() {
        None => Ok((!case.open).then_some(Standing::Passed)),
        Some(word) => [Standing::Passed, Standing::Failed, Standing::Replayed]
            .into_iter()
            .find(|standing| standing.as_str() == word)
            .map(Some)
            .ok_or(Error::Unreadable { what: "verdict" }),
    }
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

/// History's part: one line for the verdicts, one for what they confirm, one for each reason.
fn tell(
    transaction: &Transaction<'_>,
    flow: &Flow,
    waiting: &Waiting,
    tally: &Tally,
    now: Timestamp,
) -> Result<()> {
    let failed: u64 = tally.failed.values().sum();
    if tally.passed + failed == 0 {
        return Ok(());
    }
    let mut kinds = vec![Kind::Verdict { passed: tally.passed, failed }];
    if tally.passed > 0 {
        confirm_clock(transaction, waiting.batch.id, flow, now)?;
        kinds.push(Kind::Confirmed { rows: tally.passed, evidence: Evidence::RowVerdict });
    }
    for (code, rows) in &tally.failed {
        let (kind, code) = (RejectKind::Failed, code.clone());
        kinds.push(Kind::Rejected { kind, code, rows: *rows });
    }
    for kind in kinds {
        history::record(transaction, Some(&flow.channel), &flow.dataset, kind, now)?;
    }
    Ok(())
}

/// The province does not hold a batch that it once took: its verdicts are void and all its rows
/// are due again. Nothing to do for a batch without verdicts.
pub(super) fn taken_back(
    transaction: &Transaction<'_>,
    batch: &Batch,
    now: Timestamp,
) -> Result<()> {
    let (passed, failed, replayed): (i64, i64, i64) = transaction
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE standing = 'passed'),
                count(*) FILTER (WHERE standing = 'failed'),
                count(*) FILTER (WHERE standing = 'replayed') FROM verdict WHERE batch = ?1",
        )
        .and_then(|mut statement| {
            statement.query_row([batch.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })
        .map_err(Error::engine("count verdicts"))?;
    if passed + failed + replayed == 0 {
        return Ok(());
    }
    let (flow, _) = flow_of(transaction, batch)?;
    let delta = Delta {
        // A replayed row has left the counts; the batch carries it again.
        due: replayed,
        queued: passed + failed + replayed,
        confirmed: -passed,
        failed: -failed,
        ..Delta::default()
    };
    count(transaction, &flow, delta, now)?;
    for step in [
        "UPDATE reject SET state = 'lifted' WHERE batch = ?1 AND kind = 'failed' AND state = 'open'",
        "DELETE FROM verdict WHERE batch = ?1",
        "UPDATE batch SET rows_open = rows WHERE id = ?1",
    ] {
        transaction.execute(step, [batch.id.0]).map_err(Error::engine("take verdicts back"))?;
    }
    Ok(())
}
