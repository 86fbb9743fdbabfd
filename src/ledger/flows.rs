//! What people and metrics ask: how each dataset, each kind of object and each batch stands.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::batches::{Waiting, read_batch};
use super::passes::signed;
use super::rows::{Counts, Flow, Owner};
use super::{Error, Ledger, Result, history, instant, stored};
use crate::catalogue;
use crate::delivery::{BatchState, ChannelId, LinkState};
use crate::fact::Kind;

/// The trouble of a dataset of which so many rows are gone that deleting them waits for an approval.
pub const BULK_DELETION: &str = "bulk-deletion";
/// The trouble of a dataset with a row whose key cannot be read: nothing counts as gone.
pub const UNREADABLE_KEY: &str = "unreadable-key";

/// A dataset on a channel: its counts and its clocks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowState {
    /// Which.
    pub flow: Flow,
    /// Who answers for it.
    pub owner: Owner,
    /// What became of its rows.
    pub counts: Counts,
    /// Keys on which city and province disagreed when last compared.
    pub mismatched: u64,
    /// Rows that the province said it held then.
    pub held_above: Option<u64>,
    /// The newest business time read from the city.
    pub newest_content_at: Option<Timestamp>,
    /// When its rows last really changed.
    pub last_change_at: Option<Timestamp>,
    /// When a row was last confirmed.
    pub last_confirmed_at: Option<Timestamp>,
    /// The newest business time that is confirmed above.
    pub confirmed_content_at: Option<Timestamp>,
    /// When the newest reading of it began: its state is known as of then.
    pub last_observed_at: Option<Timestamp>,
    /// When city and province were last compared.
    pub last_reconciled_at: Option<Timestamp>,
    /// Why it cannot be read, and since when.
    pub trouble: Option<(String, Timestamp)>,
    /// The deadline that passed without newer content, as history tells it.
    pub overdue_since: Option<Timestamp>,
}

/// How many objects of a kind stand in a state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkCount {
    /// On which channel.
    pub channel: ChannelId,
    /// Which kind.
    pub kind: catalogue::Kind,
    /// Where they stand.
    pub state: LinkState,
    /// They should be above.
    pub wanted: bool,
    /// How many.
    pub count: u64,
}

/// Which batches to list.
#[derive(Clone, Debug, Default)]
pub struct BatchFilter {
    /// Only of this dataset, or of this object as `kind:id`.
    pub subject: Option<String>,
    /// Only in this state.
    pub state: Option<BatchState>,
    /// At most so many, newest first.
    pub limit: u32,
}

impl Ledger {
    /// Every dataset on every channel.
    pub async fn flows(&self) -> Result<Vec<FlowState>> {
        self.read(|connection| {
            let engine = || Error::engine("read datasets");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, dataset, region, department, zone, due, queued, confirmed,
                        placed, rejected_local, rejected_refused, rejected_failed, coalesced,
                        skipped, mismatched, newest_content_at, last_change_at,
                        last_confirmed_at, confirmed_content_at, last_observed_at,
                        last_reconciled_at, trouble, trouble_since, overdue_since, held_above
                     FROM dataset ORDER BY channel, dataset",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut flows = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                flows.push(read_flow(row)?);
            }
            Ok(flows)
        })
        .await
    }

    /// Links counted by channel, kind and state.
    pub async fn link_counts(&self) -> Result<Vec<LinkCount>> {
        self.read(|connection| {
            let engine = || Error::engine("count links");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, kind, state, wanted IS NOT NULL, count(*) FROM link
                     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let kind: String = row.get(1).map_err(engine())?;
                let state: String = row.get(2).map_err(engine())?;
                counts.push(LinkCount {
                    channel: row.get::<_, String>(0).map_err(engine())?.into(),
                    kind: catalogue::Kind::parse(&kind)
                        .ok_or(Error::Unreadable { what: "kind" })?,
                    state: LinkState::parse(&state)
                        .ok_or(Error::Unreadable { what: "link state" })?,
                    wanted: row.get(3).map_err(engine())?,
                    count: row.get::<_, i64>(4).map_err(engine())?.cast_unsigned(),
                });
            }
            Ok(counts)
        })
        .await
    }

    /// Batches that match, newest first.
    pub async fn batches(&self, filter: BatchFilter) -> Result<Vec<Waiting>> {
        self.read(move |connection| {
            let engine = || Error::engine("list batches");
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, ordinal, channel, standard, operation, subject_kind, subject,
                        action, lane, rows, payload_bytes, payload_digest, parent, state,
                        attempts, packed_at, next_attempt_at, evidence, auth_refreshed, taken_at,
                        rows_open
                     FROM batch WHERE (?1 IS NULL OR subject = ?1) AND (?2 IS NULL OR state = ?2)
                     ORDER BY ordinal DESC LIMIT ?3",
                )
                .map_err(engine())?;
            let mut rows = statement
                .query(params![filter.subject, filter.state.map(BatchState::as_str), filter.limit])
                .map_err(engine())?;
            let mut batches = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                batches.push(read_batch(row)?);
            }
            Ok(batches)
        })
        .await
    }

    /// How many batches stand in each open state, by channel.
    pub async fn open_batches(&self) -> Result<Vec<(ChannelId, BatchState, u64)>> {
        self.read(|connection| {
            let engine = || Error::engine("count batches");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, state, count(*) FROM batch
                     WHERE state IN ('queued', 'in_flight', 'unknown', 'taken')
                     GROUP BY 1, 2 ORDER BY 1, 2",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let state: String = row.get(1).map_err(engine())?;
                counts.push((
                    row.get::<_, String>(0).map_err(engine())?.into(),
                    BatchState::parse(&state).ok_or(Error::Unreadable { what: "batch state" })?,
                    row.get::<_, i64>(2).map_err(engine())?.cast_unsigned(),
                ));
            }
            Ok(counts)
        })
        .await
    }

    /// When the oldest batch was packed that the province has not acknowledged.
    pub async fn oldest_unacknowledged(&self, channel: ChannelId) -> Result<Option<Timestamp>> {
        self.read(move |connection| {
            let at: Option<i64> = connection
                .query_row(
                    "SELECT min(packed_at) FROM batch WHERE channel = ?1
                     AND state IN ('queued', 'in_flight', 'unknown')",
                    [channel.as_str()],
                    |row| row.get(0),
                )
                .map_err(Error::engine("read the oldest batch"))?;
            at.map(instant).transpose()
        })
        .await
    }

    /// A dataset cannot be read, or its deletions wait. The next successful reading clears it, but
    /// for [`BULK_DELETION`] and [`UNREADABLE_KEY`].
    pub async fn trouble_met(&self, flow: Flow, owner: Owner, code: String) -> Result<()> {
        self.write("record a dataset's trouble", move |transaction, now| {
            super::rows::open_flow(transaction, &flow, &owner)?;
            transaction
                .execute(
                    "UPDATE dataset SET trouble = ?3, trouble_since = coalesce(trouble_since, ?4)
                     WHERE channel = ?1 AND dataset = ?2",
                    params![flow.channel.as_str(), flow.dataset, code, stored(now)],
                )
                .map(drop)
                .map_err(Error::engine("record a dataset's trouble"))
        })
        .await
    }

    /// A whole reading left no deletion waiting.
    pub async fn deletions_settled(&self, flow: Flow) -> Result<()> {
        self.write("end a dataset's trouble", move |transaction, _now| {
            transaction
                .execute(
                    "UPDATE dataset SET trouble = NULL, trouble_since = NULL
                     WHERE channel = ?1 AND dataset = ?2 AND trouble IN (?3, ?4)",
                    params![flow.channel.as_str(), flow.dataset, BULK_DELETION, UNREADABLE_KEY],
                )
                .map(drop)
                .map_err(Error::engine("end a dataset's trouble"))
        })
        .await
    }

    /// Which deadline of each of these datasets has passed without newer content, `None` where
    /// none has. What changed against what history tells becomes facts: overdue from the deadline
    /// on, overdue until `ended`. Without a change nothing is written; a dataset that is overdue
    /// stays so by its first deadline.
    pub async fn overdue_seen(&self, seen: Vec<Overdue>) -> Result<()> {
        self.write("record what is overdue", move |transaction, now| {
            for it in &seen {
                overdue(transaction, it, now)?;
            }
            Ok(())
        })
        .await
    }

    /// City and province were compared over `compared` keys, of which the province says that it
    /// holds `held`: on so many they disagree.
    pub async fn reconciled(
        &self,
        flow: Flow,
        (compared, held): (u64, u64),
        mismatched: u64,
    ) -> Result<()> {
        self.write("record a comparison", move |transaction, now| {
            transaction
                .execute(
                    "UPDATE dataset SET mismatched = ?3, last_reconciled_at = ?4, held_above = ?5
                     WHERE channel = ?1 AND dataset = ?2",
                    params![
                        flow.channel.as_str(),
                        flow.dataset,
                        signed(mismatched),
                        stored(now),
                        signed(held)
                    ],
                )
                .map_err(Error::engine("record a comparison"))?;
            let kind = Kind::Reconciled { compared, mismatched };
            history::record(transaction, Some(&flow.channel), &flow.dataset, kind, now)
        })
        .await
    }
}

/// Whether a dataset is overdue, see [`Ledger::overdue_seen`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overdue {
    /// Which.
    pub flow: Flow,
    /// The deadline that has passed.
    pub since: Option<Timestamp>,
    /// When newer content was confirmed, where it was.
    pub ended: Option<Timestamp>,
}

fn overdue(transaction: &Transaction<'_>, seen: &Overdue, now: Timestamp) -> Result<()> {
    let engine = || Error::engine("record what is overdue");
    let flow = &seen.flow;
    let told: Option<Option<i64>> = transaction
        .prepare_cached("SELECT overdue_since FROM dataset WHERE channel = ?1 AND dataset = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![flow.channel.as_str(), flow.dataset], |row| row.get(0))
                .optional()
        })
        .map_err(engine())?;
    let Some(told) = told else { return Ok(()) };
    if told.is_some() == seen.since.is_some() {
        return Ok(());
    }
    let told = told.map(instant).transpose()?;
    let record = |kind, occurred| {
        let place = (Some(&flow.channel), flow.dataset.as_str());
        history::record_at(transaction, place, kind, occurred, now)
    };
    if let Some(deadline) = told {
        let ended = seen.ended.filter(|at| *at > deadline && *at <= now).unwrap_or(now);
        record(Kind::OverdueUntil { deadline }, ended)?;
    }
    if let Some(deadline) = seen.since {
        record(Kind::OverdueFrom { deadline }, deadline)?;
    }
    transaction
        .execute(
            "UPDATE dataset SET overdue_since = ?3 WHERE channel = ?1 AND dataset = ?2",
            params![flow.channel.as_str(), flow.dataset, seen.since.map(stored)],
        )
        .map(drop)
        .map_err(engine())
}

fn read_flow(row: &Row<'_>) -> Result<FlowState> {
    let engine = || Error::engine("read a dataset");
    let text = |index| row.get::<_, String>(index).map_err(engine());
    let count = |index| row.get::<_, i64>(index).map(i64::cast_unsigned).map_err(engine());
    let at = |index| row.get::<_, Option<i64>>(index).map_err(engine())?.map(instant).transpose();
    let trouble: Option<String> = row.get(21).map_err(engine())?;
    let held: Option<i64> = row.get(24).map_err(engine())?;
    Ok(FlowState {
        flow: Flow { channel: text(0)?.into(), dataset: text(1)? },
        owner: Owner { region: text(2)?, department: text(3)?, zone: text(4)? },
        counts: Counts {
            due: count(5)?,
            queued: count(6)?,
            confirmed: count(7)?,
            placed: count(8)?,
            rejected_local: count(9)?,
            rejected_refused: count(10)?,
            rejected_failed: count(11)?,
            coalesced: count(12)?,
            skipped: count(13)?,
        },
        mismatched: count(14)?,
        held_above: held.map(i64::cast_unsigned),
        newest_content_at: at(15)?,
        last_change_at: at(16)?,
        last_confirmed_at: at(17)?,
        confirmed_content_at: at(18)?,
        last_observed_at: at(19)?,
        last_reconciled_at: at(20)?,
        trouble: trouble.zip(at(22)?),
        overdue_since: at(23)?,
    })
}
