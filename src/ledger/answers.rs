//! What an answer of the province does to a batch, its rows, its link and the counts.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::batches::{Waiting, finish, flow_of, postpone, step, waiting};
use super::holds::{self, Scope};
use super::rejects::insert_reject;
use super::rows::{Delta, Flow, NewBatch, NewReject, count, insert_batch};
use super::{Error, Result, history, objects, stored, verdicts};
use crate::catalogue::ObjectKey;
use crate::delivery::{
    Batch, BatchId, BatchState, Evidence, LinkState, Receipt, RejectKind, Subject,
};
use crate::fact;

/// How an attempt or an inquiry ended, as far as a batch is concerned.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The province has it.
    Taken {
        /// Its receipt, where it gave one.
        receipt: Option<Receipt>,
        /// The object's id above, where it gave one.
        upper_id: Option<String>,
        /// It stood above before us.
        adopted: bool,
    },
    /// The same again, not before an instant.
    Again {
        /// Why.
        code: String,
        /// When.
        at: Timestamp,
        /// Credentials were refused and are renewed once for this batch.
        auth: bool,
    },
    /// Nobody knows: ask the province, not before an instant.
    Unknown {
        /// Why.
        code: String,
        /// When.
        at: Timestamp,
    },
    /// Nothing of this kind goes on this channel until an operator acts; the batch waits.
    Held {
        /// Why.
        code: String,
        /// How far the hold reaches.
        scope: Scope,
    },
    /// The province does not take this object.
    ObjectRefused {
        /// Its code, as said.
        code: String,
    },
    /// The province does not take this one row.
    RowRefused {
        /// The row.
        reject: NewReject,
    },
    /// The province does not take it whole: its halves go on, their payloads are durable.
    Split {
        /// The province's code, as said.
        code: String,
        /// Two smaller batches that carry the same rows.
        halves: Vec<NewBatch>,
    },
}

impl Ended {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Taken { adopted: false, .. } => "accepted",
            Self::Taken { adopted: true, .. } => "exists",
            Self::Again { auth: false, .. } => "retry",
            Self::Again { auth: true, .. } => "auth",
            Self::Unknown { .. } => "unknown",
            Self::Held { .. } => "held",
            Self::ObjectRefused { .. } | Self::RowRefused { .. } => "refused",
            Self::Split { .. } => "split",
        }
    }

    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Taken { .. } => None,
            Self::Again { code, .. }
            | Self::Unknown { code, .. }
            | Self::Held { code, .. }
            | Self::ObjectRefused { code }
            | Self::Split { code, .. } => Some(code),
            Self::RowRefused { reject } => {
                reject.findings.first().map(|finding| finding.rule.as_str())
            }
        }
    }
}

/// What an answer does to a batch, its rows, its link and its counts.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    id: BatchId,
    ended: Ended,
    now: Timestamp,
) -> Result<()> {
    let waiting = waiting(transaction, id)?;
    let batch = &waiting.batch;
    if batch.state.is_final() && !crate::crash::sabotaged("told-again") {
        return Ok(());
    }
    match ended {
        Ended::Taken { receipt, upper_id, adopted } => {
            taken(transaction, &waiting, receipt, upper_id, adopted, now)
        }
        Ended::Again { code: _, at, auth } => {
            requeue(transaction, batch, now)?;
            if auth {
                transaction
                    .execute("UPDATE batch SET auth_refreshed = 1 WHERE id = ?1", [id.0])
                    .map_err(Error::engine("note renewed credentials"))?;
            }
            postpone(transaction, id, at)
        }
        Ended::Unknown { code: _, at } => {
            if batch.state != BatchState::Unknown {
                step(transaction, batch, BatchState::Unknown)?;
                follow_link(transaction, batch, LinkState::Unknown, now)?;
            }
            postpone(transaction, id, at)
        }
        Ended::Held { code, scope } => {
            requeue(transaction, batch, now)?;
            holds::place(transaction, &batch.channel, &scope, &code, now)
        }
        Ended::ObjectRefused { code } => {
            step(transaction, batch, BatchState::Refused)?;
            finish(transaction, id, now)?;
            refuse_link(transaction, batch, &code, now)
        }
        Ended::RowRefused { reject } => {
            whole(&waiting, [1])?;
            step(transaction, batch, BatchState::Refused)?;
            finish(transaction, id, now)?;
            let (flow, owner) = flow_of(transaction, batch)?;
            insert_reject(transaction, &flow, &owner, &reject, Some(id), now)?;
            let (kind, code) = (RejectKind::Refused, reject.rule().to_owned());
            let fact = fact::Kind::Rejected { kind, code, rows: 1 };
            history::record(transaction, Some(&flow.channel), &flow.dataset, fact, now)?;
            count(transaction, &flow, Delta::rejected(RejectKind::Refused, 1), now)
        }
        Ended::Split { code: _, halves } => {
            whole(&waiting, halves.iter().map(|half| half.rows))?;
            step(transaction, batch, BatchState::Split)?;
            finish(transaction, id, now)?;
            for half in &halves {
                insert_batch(transaction, half, now)?;
                // Whoever waited for the whole waits for both halves.
                transaction
                    .execute(
                        "INSERT INTO batch_after (batch, after)
                         SELECT batch, ?2 FROM batch_after WHERE after = ?1
                         ON CONFLICT DO NOTHING",
                        params![id.0, half.id.0],
                    )
                    .map_err(Error::engine("order the halves"))?;
            }
            Ok(())
        }
    }
}

/// What follows a batch carries exactly the rows that are open in it: otherwise rows would be lost
/// or counted twice.
fn whole(waiting: &Waiting, parts: impl IntoIterator<Item = u32>) -> Result<()> {
    let rows: u64 = parts.into_iter().map(u64::from).sum();
    if rows == u64::from(waiting.rows_open) {
        Ok(())
    } else {
        Err(Error::Rows { id: waiting.batch.id, open: waiting.rows_open, told: rows })
    }
}

fn taken(
    transaction: &Transaction<'_>,
    waiting: &Waiting,
    receipt: Option<Receipt>,
    upper_id: Option<String>,
    adopted: bool,
    now: Timestamp,
) -> Result<()> {
    let batch = &waiting.batch;
    if batch.state == BatchState::Taken {
        return Ok(());
    }
    let receipt = receipt.unwrap_or_default();
    transaction
        .prepare_cached(
            "UPDATE batch SET receipt_id = ?2, receipt_digest = ?3, taken_at = ?4,
                next_attempt_at = ?4 WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![batch.id.0, receipt.id, receipt.digest, stored(now)])
        })
        .map_err(Error::engine("record a receipt"))?;
    match &batch.subject {
        Subject::Object { .. } => {
            step(transaction, batch, BatchState::Settled)?;
            finish(transaction, batch.id, now)?;
            hold_link(transaction, batch, upper_id, adopted, now)
        }
        Subject::Rows { .. }
            if waiting.evidence == Evidence::RowVerdict
                && !crate::crash::sabotaged("receipt-confirms") =>
        {
            step(transaction, batch, BatchState::Taken)
        }
        Subject::Rows { .. } => {
            step(transaction, batch, BatchState::Settled)?;
            finish(transaction, batch.id, now)?;
            let (flow, _) = flow_of(transaction, batch)?;
            let rows = i64::from(waiting.rows_open);
            let open = u64::from(waiting.rows_open);
            let (kind, delta) = if waiting.evidence.confirms() {
                confirm_clock(transaction, batch.id, &flow, now)?;
                let kind = fact::Kind::Confirmed { rows: open, evidence: waiting.evidence };
                (kind, Delta { queued: -rows, confirmed: rows, ..Delta::default() })
            } else {
                let kind = fact::Kind::Placed { rows: open };
                (kind, Delta { queued: -rows, placed: rows, ..Delta::default() })
            };
            history::record(transaction, Some(&flow.channel), &flow.dataset, kind, now)?;
            count(transaction, &flow, delta, now)
        }
    }
}

/// The two clocks of freshness that a confirmation moves.
pub(super) fn confirm_clock(
    transaction: &Transaction<'_>,
    batch: BatchId,
    flow: &Flow,
    now: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE dataset SET last_confirmed_at = ?4, confirmed_content_at =
                max(coalesce(confirmed_content_at, content), coalesce(content, confirmed_content_at))
             FROM (SELECT content_at AS content FROM batch WHERE id = ?1)
             WHERE channel = ?2 AND dataset = ?3",
        )
        .and_then(|mut statement| {
            statement.execute(params![batch.0, flow.channel.as_str(), flow.dataset, stored(now)])
        })
        .map(drop)
        .map_err(Error::engine("stamp a confirmation"))
}

fn hold_link(
    transaction: &Transaction<'_>,
    batch: &Batch,
    upper_id: Option<String>,
    adopted: bool,
    now: Timestamp,
) -> Result<()> {
    let key = super::rows::object_key(&batch.subject)?;
    let link = objects::link(transaction, &batch.channel, &key)?
        .ok_or_else(|| Error::NoSuch { what: format!("link {key}") })?;
    let withdrawn = link.sent.is_none();
    let next = match (withdrawn, adopted) {
        (true, _) => LinkState::Withdrawn,
        (false, true) => LinkState::Exists,
        (false, false) => LinkState::Accepted,
    };
    objects::transition(transaction, &batch.channel, &key, next, None, now)?;
    if !withdrawn && link.wanted.is_some() && link.wanted != link.sent {
        objects::transition(transaction, &batch.channel, &key, LinkState::Stale, None, now)?;
    }
    transaction
        .execute(
            "UPDATE link SET upper_id = CASE WHEN ?5 THEN NULL ELSE coalesce(?4, upper_id) END,
                held = sent, ours = CASE WHEN ?6 THEN ours ELSE 1 END, reject_kind = NULL,
                code = NULL, findings = NULL, checked_at = NULL
             WHERE channel = ?1 AND kind = ?2 AND id = ?3",
            params![
                batch.channel.as_str(),
                key.kind.as_str(),
                key.id,
                upper_id,
                withdrawn,
                adopted
            ],
        )
        .map(drop)
        .map_err(Error::engine("record what the province holds"))
}

fn refuse_link(
    transaction: &Transaction<'_>,
    batch: &Batch,
    code: &str,
    now: Timestamp,
) -> Result<()> {
    let key = super::rows::object_key(&batch.subject)?;
    objects::transition(transaction, &batch.channel, &key, LinkState::Refused, Some(code), now)?;
    let kind = RejectKind::Refused;
    let fact = fact::Kind::Rejected { kind, code: code.to_owned(), rows: 1 };
    history::record(transaction, Some(&batch.channel), &key.to_string(), fact, now)?;
    transaction
        .execute(
            "UPDATE link SET reject_kind = 'refused', code = ?4
             WHERE channel = ?1 AND kind = ?2 AND id = ?3",
            params![batch.channel.as_str(), key.kind.as_str(), key.id, code],
        )
        .map(drop)
        .map_err(Error::engine("record a refusal"))
}

fn follow_link(
    transaction: &Transaction<'_>,
    batch: &Batch,
    state: LinkState,
    now: Timestamp,
) -> Result<()> {
    match &batch.subject {
        Subject::Rows { .. } => Ok(()),
        Subject::Object { .. } => {
            let key: ObjectKey = super::rows::object_key(&batch.subject)?;
            objects::transition(transaction, &batch.channel, &key, state, None, now).map(drop)
        }
    }
}

fn requeue(transaction: &Transaction<'_>, batch: &Batch, now: Timestamp) -> Result<()> {
    if let Subject::Rows { .. } = batch.subject {
        verdicts::taken_back(transaction, batch, now)?;
    }
    step(transaction, batch, BatchState::Queued)?;
    follow_link(transaction, batch, LinkState::Queued, now)
}
