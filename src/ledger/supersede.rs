//! Batches that their standard can no longer deliver: what they carried is due again, cut anew
//! from current values.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::batches::{Waiting, finish, flow_of, step, waiting};
use super::passes::{self, Asked, PassKind};
use super::rows::Flow;
use super::{Error, Ledger, Result, Spoken, objects, rows, scopes, stored};
use crate::delivery::{Batch, BatchId, BatchState, ChannelId, LinkState, Subject};

impl Ledger {
    /// Queued batches of a channel that were packed for another standard than is spoken for their
    /// subject, oldest first, at most `limit`. Whether they wait or are held makes no difference: they can never
    /// be sent.
    pub async fn outdated(
        &self,
        channel: ChannelId,
        spoken: Spoken,
        limit: u32,
    ) -> Result<Vec<Waiting>> {
        let inner = std::sync::Arc::clone(&self.inner);
        // On the writing connection: what was committed a moment ago must be seen.
        self.pool
            .run(move || {
                let connection = super::lock(&inner.writer);
                let found = list(&connection, &channel, &spoken, limit)?;
                found.into_iter().map(|id| waiting(&connection, id)).collect()
            })
            .await
    }

    /// These batches are never sent: rows are read and compared again, objects are due as they
    /// are now. One that is not queued any more is passed over. What is known of the rows in
    /// memory must have forgotten these batches before: the reading that this asks for looks
    /// there.
    pub async fn batches_superseded(&self, batches: Vec<BatchId>) -> Result<()> {
        self.write("supersede batches", move |transaction, now| {
            for id in batches {
                let found = waiting(transaction, id)?;
                if found.batch.state == BatchState::Queued {
                    supersede(transaction, &found, now)?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn list(
    connection: &Connection,
    channel: &ChannelId,
    spoken: &Spoken,
    limit: u32,
) -> Result<Vec<BatchId>> {
    let engine = || Error::engine("look for outdated batches");
    // Where one standard is spoken, the engine finds them by itself.
    let mut statement = connection
        .prepare_cached(
            "SELECT id, standard, subject_kind, subject FROM batch
             WHERE channel = ?1 AND state = 'queued' AND (?3 OR standard <> ?2) ORDER BY ordinal",
        )
        .map_err(engine())?;
    let with = params![channel.as_str(), spoken.standard.as_str(), spoken.ahead.is_some()];
    let mut rows = statement.query(with).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        if found.len() >= limit as usize {
            break;
        }
        let (standard, kind): (String, String) =
            (row.get(1).map_err(engine())?, row.get(2).map_err(engine())?);
        let subject = scopes::subject(&kind, row.get(3).map_err(engine())?);
        if spoken.of(connection, channel, &subject)?.as_str() != standard {
            found.push(row.get(0).map(BatchId).map_err(engine())?);
        }
    }
    Ok(found)
}

fn supersede(transaction: &Transaction<'_>, found: &Waiting, now: Timestamp) -> Result<()> {
    let batch = &found.batch;
    step(transaction, batch, BatchState::Superseded)?;
    finish(transaction, batch.id, now)?;
    match &batch.subject {
        Subject::Object { .. } => object(transaction, batch, now),
        Subject::Rows { .. } => {
            let (flow, _owner) = flow_of(transaction, batch)?;
            replaced(transaction, &flow, i64::from(found.rows_open))?;
            let approved = batch.operation == "rows.delete" && approved(transaction, found)?;
            let again = Asked { kind: PassKind::Compare, since: None, job: None, approved };
            passes::ask(transaction, &flow, &again, now).map(drop)
        }
    }
}

/// Whether somebody approved of deleting in bulk in the reading that cut this batch: what was
/// allowed once and never sent is not asked for again.
fn approved(transaction: &Transaction<'_>, found: &Waiting) -> Result<bool> {
    let batch = &found.batch;
    let (flow, _owner) = flow_of(transaction, batch)?;
    transaction
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM pass WHERE channel = ?1 AND dataset = ?2 AND approved = 1
             AND created_at <= ?3 AND (finished_at IS NULL OR finished_at >= ?3))",
            params![flow.channel.as_str(), flow.dataset, stored(batch.packed_at)],
            |row| row.get(0),
        )
        .map_err(Error::engine("look for an approval"))
}

/// Versions replaced before they were sent are not counted as due.
fn replaced(transaction: &Transaction<'_>, flow: &Flow, rows: i64) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE dataset SET due = due - ?3, queued = queued - ?3, coalesced = coalesced + ?3
             WHERE channel = ?1 AND dataset = ?2",
        )
        .and_then(|mut statement| {
            statement.execute(params![flow.channel.as_str(), flow.dataset, rows])
        })
        .map(drop)
        .map_err(Error::engine("count replaced rows"))
}

/// The object is due again: as new where the province never had it, as changed where it has.
fn object(transaction: &Transaction<'_>, batch: &Batch, now: Timestamp) -> Result<()> {
    let key = rows::object_key(&batch.subject)?;
    let Some(link) = objects::link(transaction, &batch.channel, &key)? else { return Ok(()) };
    if link.state != LinkState::Queued {
        return Ok(());
    }
    let next = if link.upper_id.is_some() { LinkState::Stale } else { LinkState::Unmapped };
    objects::transition(transaction, &batch.channel, &key, next, None, now)?;
    transaction
        .execute(
            "UPDATE link SET sent = held WHERE channel = ?1 AND kind = ?2 AND id = ?3",
            params![batch.channel.as_str(), key.kind.as_str(), key.id],
        )
        .map(drop)
        .map_err(Error::engine("make an object due again"))
}
