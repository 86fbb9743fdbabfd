//! Pages of lists and single looks, as operators and probes ask for them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::batches::{Waiting, read_batch};
use super::passes::signed;
use super::rejects::{REJECT, Reject, read_reject};
use super::rows::Flow;
use super::{Error, Ledger, Result, history, identity, instant, stored};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::{BatchState, ChannelId, DigestSha256, LinkState, RejectKind, StandardId};
use crate::fact::{self, JobAct};

/// Which batches to page through.
#[derive(Clone, Debug, Default)]
pub struct BatchQuery {
    /// Only on this channel.
    pub channel: Option<String>,
    /// Only of this dataset, or of this object as `kind:id`.
    pub subject: Option<String>,
    /// Only in this state.
    pub state: Option<BatchState>,
    /// Only those with a smaller ordinal: for reading in pages, newest first.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// Which rejects to page through.
#[derive(Clone, Debug, Default)]
pub struct RejectQuery {
    /// Only of this dataset.
    pub dataset: Option<String>,
    /// Only of this kind.
    pub kind: Option<RejectKind>,
    /// Only with this first rule or code.
    pub rule: Option<String>,
    /// Only those with a larger number: for reading in pages.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
}

/// Batches that should be over and are not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Late {
    /// On which channel.
    pub channel: ChannelId,
    /// Where they stand.
    pub state: BatchState,
    /// How many.
    pub count: u64,
    /// The oldest deadline that has passed.
    pub since: Timestamp,
}

/// Objects of a kind that have stood in a state for too long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LateLinks {
    /// On which channel.
    pub channel: ChannelId,
    /// Of which kind.
    pub kind: Kind,
    /// Where they stand.
    pub state: LinkState,
    /// How many.
    pub count: u64,
    /// The oldest deadline that has passed.
    pub since: Timestamp,
}

/// A request about the catalogue instead of rows.
#[derive(Clone, Debug)]
pub struct CatalogueRequest {
    /// On these channels.
    pub channels: Vec<ChannelId>,
    /// The operator approved of withdrawing in bulk.
    pub approved: bool,
    /// The request as JSON, kept as asked.
    pub request: String,
    /// The same key again gives the same job.
    pub idempotency: String,
    /// Who asked.
    pub asked_by: String,
}

impl Ledger {
    /// A page of batches, newest first, each with its receipt's number; and how many match in all.
    pub async fn batch_page(
        &self,
        query: BatchQuery,
    ) -> Result<(Vec<(Waiting, Option<String>)>, u64)> {
        const MATCH: &str = "(?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR subject = ?2) \
                             AND (?3 IS NULL OR state = ?3)";
        self.read(move |connection| {
            let engine = || Error::engine("list batches");
            let state = query.state.map(BatchState::as_str);
            let total = counted(
                connection,
                &format!("SELECT count(*) FROM batch WHERE {MATCH}"),
                params![query.channel, query.subject, state],
            )?;
            let mut statement = connection
                .prepare_cached(&format!(
                    "SELECT id, ordinal, channel, standard, operation, subject_kind, subject,
                        action, lane, rows, payload_bytes, payload_digest, parent, state,
                        attempts, packed_at, next_attempt_at, evidence, auth_refreshed, taken_at,
                        rows_open, receipt_id
                     FROM batch WHERE {MATCH} AND (?4 IS NULL OR ordinal < ?4)
                     ORDER BY ordinal DESC LIMIT ?5"
                ))
                .map_err(engine())?;
            let before = query.before.map(signed);
            let mut rows = statement
                .query(params![query.channel, query.subject, state, before, query.limit])
                .map_err(engine())?;
            let mut batches = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                batches.push((read_batch(row)?, row.get(21).map_err(engine())?));
            }
            Ok((batches, total))
        })
        .await
    }

    /// A page of open rejects by number, and how many match in all.
    pub async fn reject_page(&self, query: RejectQuery) -> Result<(Vec<Reject>, u64)> {
        const MATCH: &str = "state = 'open' AND (?1 IS NULL OR dataset = ?1) \
                             AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR rule = ?3)";
        self.read(move |connection| {
            let engine = || Error::engine("list rejects");
            let kind = query.kind.map(RejectKind::as_str);
            let total = counted(
                connection,
                &format!("SELECT count(*) FROM reject WHERE {MATCH}"),
                params![query.dataset, kind, query.rule],
            )?;
            let mut statement = connection
                .prepare_cached(&format!("{REJECT} WHERE {MATCH} AND id > ?4 ORDER BY id LIMIT ?5"))
                .map_err(engine())?;
            let mut rows = statement
                .query(params![query.dataset, kind, query.rule, signed(query.after), query.limit])
                .map_err(engine())?;
            let mut rejects = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                rejects.push(read_reject(row)?);
            }
            Ok((rejects, total))
        })
        .await
    }

    /// What people call each object of the catalogue, those that are gone included.
    pub async fn titles(&self) -> Result<BTreeMap<ObjectKey, String>> {
        self.read(|connection| {
            let engine = || Error::engine("read titles");
            let mut statement =
                connection.prepare_cached("SELECT kind, id, title FROM object").map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut titles = BTreeMap::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let kind: String = row.get(0).map_err(engine())?;
                let kind = Kind::parse(&kind).ok_or(Error::Unreadable { what: "kind" })?;
                let key = ObjectKey { kind, id: row.get(1).map_err(engine())? };
                titles.insert(key, row.get(2).map_err(engine())?);
            }
            Ok(titles)
        })
        .await
    }

    /// Batches whose deadline has passed, by channel and state.
    pub async fn late_batches(&self, now: Timestamp) -> Result<Vec<Late>> {
        self.read(move |connection| {
            let engine = || Error::engine("look for late batches");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, state, count(*), min(deadline) FROM batch
                     WHERE state IN ('queued', 'in_flight', 'unknown', 'taken') AND deadline < ?1
                     GROUP BY 1, 2 ORDER BY 1, 2",
                )
                .map_err(engine())?;
            let mut rows = statement.query([stored(now)]).map_err(engine())?;
            let mut late = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let state: String = row.get(1).map_err(engine())?;
                late.push(Late {
                    channel: row.get::<_, String>(0).map_err(engine())?.into(),
                    state: BatchState::parse(&state)
                        .ok_or(Error::Unreadable { what: "batch state" })?,
                    count: row.get::<_, i64>(2).map_err(engine())?.cast_unsigned(),
                    since: instant(row.get(3).map_err(engine())?)?,
                });
            }
            Ok(late)
        })
        .await
    }

    /// Objects that should be above and have stood in one of these states for longer than its
    /// patience.
    pub async fn late_links(
        &self,
        channel: ChannelId,
        patience: Vec<(Kind, LinkState, Duration)>,
        now: Timestamp,
    ) -> Result<Vec<LateLinks>> {
        self.read(move |connection| {
            let engine = || Error::engine("look for late objects");
            let mut statement = connection
                .prepare_cached(
                    "SELECT count(*), min(since) FROM link WHERE channel = ?1 AND kind = ?2
                     AND state = ?3 AND since < ?4 AND wanted IS NOT NULL",
                )
                .map_err(engine())?;
            let mut late = Vec::new();
            for (kind, state, patience) in patience {
                let Ok(before) = now.saturating_sub(patience) else { continue };
                let parameters =
                    params![channel.as_str(), kind.as_str(), state.as_str(), stored(before)];
                let (count, oldest): (i64, Option<i64>) = statement
                    .query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))
                    .map_err(engine())?;
                let Some(oldest) = oldest.map(instant).transpose()? else { continue };
                let since = oldest.saturating_add(patience).unwrap_or(Timestamp::MAX);
                let (channel, count) = (channel.clone(), count.cast_unsigned());
                late.push(LateLinks { channel, kind, state, count, since });
            }
            Ok(late)
        })
        .await
    }

    /// Whether everything of a dataset that stood in the city was read once: its past where it has
    /// a lane for it, otherwise by a whole reading. A restart forgets none of it.
    pub async fn read_through(&self, flow: Flow) -> Result<bool> {
        self.read(move |connection| {
            let parameters = params![flow.channel.as_str(), flow.dataset];
            let lane: Option<bool> = connection
                .query_row(
                    "SELECT complete FROM progress
                     WHERE channel = ?1 AND dataset = ?2 AND lane = 'backfill'",
                    parameters,
                    |row| row.get(0),
                )
                .optional()
                .map_err(Error::engine("read progress"))?;
            let open: bool = connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM pass WHERE channel = ?1 AND dataset = ?2
                     AND state IN ('queued', 'running'))",
                    parameters,
                    |row| row.get(0),
                )
                .map_err(Error::engine("read passes"))?;
            if let Some(complete) = lane {
                return Ok(complete && !open);
            }
            let read: bool = connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM pass WHERE channel = ?1 AND dataset = ?2
                     AND kind IN ('compare', 'resend') AND state = 'done')",
                    parameters,
                    |row| row.get(0),
                )
                .map_err(Error::engine("read passes"))?;
            Ok(!open && read)
        })
        .await
    }

    /// The standards in force by channel, with the digest of each one's directory, and since when.
    pub async fn standards_in_force(
        &self,
    ) -> Result<Vec<(ChannelId, StandardId, DigestSha256, Timestamp)>> {
        self.read(|connection| {
            let engine = || Error::engine("read the standards in force");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, id, digest, since FROM standard_use WHERE state = 'active'
                     ORDER BY channel, scope",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut standards = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                standards.push((
                    row.get::<_, String>(0).map_err(engine())?.into(),
                    row.get::<_, String>(1).map_err(engine())?.into(),
                    DigestSha256(row.get(2).map_err(engine())?),
                    instant(row.get(3).map_err(engine())?)?,
                ));
            }
            Ok(standards)
        })
        .await
    }

    /// Writes a line of no meaning: whether the ledger can be written shows only by writing.
    pub async fn proven_writable(&self) -> Result<()> {
        self.write("prove that it can write", |transaction, now| {
            identity::put(transaction, "written-at", &stored(now).to_be_bytes())
        })
        .await
    }

    /// An operator asked for the catalogue to be brought up: what was refused is tried again, and
    /// bulk withdrawals are approved of for a day where that was asked for. The job is over at
    /// once, for the catalogue is read anew at every start anyway. The same idempotency key again
    /// returns the first job and `false`.
    pub async fn catalogue_asked(&self, asked: CatalogueRequest) -> Result<(u64, bool)> {
        self.write("ask for the catalogue", move |transaction, now| {
            let known: Option<i64> = transaction
                .query_row(
                    "SELECT number FROM job WHERE idempotency = ?1",
                    [&asked.idempotency],
                    |row| row.get(0),
                )
                .optional()
                .map_err(Error::engine("look for a job"))?;
            if let Some(known) = known {
                return Ok((known.cast_unsigned(), false));
            }
            let record = |kind: &str, request: &str, key: Option<&str>| {
                transaction
                    .execute(
                        "INSERT INTO job (kind, request, idempotency, state, asked_by, created_at,
                                          finished_at)
                         VALUES (?1, ?2, ?3, 'done', ?4, ?5, ?5)",
                        params![kind, request, key, asked.asked_by, stored(now)],
                    )
                    .map_err(Error::engine("record a job"))
            };
            record("catalogue", &asked.request, Some(&asked.idempotency))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            let fact = fact::Kind::Job { act: JobAct::Requested, by: asked.asked_by.clone() };
            history::record(transaction, None, &format!("job:{number}"), fact, now)?;
            for channel in &asked.channels {
                if asked.approved {
                    record("withdraw", channel.as_str(), None)?;
                }
                transaction
                    .execute(
                        "UPDATE link SET sent = NULL WHERE channel = ?1 AND state = 'refused'
                         AND wanted IS NOT NULL",
                        [channel.as_str()],
                    )
                    .map_err(Error::engine("make refused objects due"))?;
            }
            Ok((number, true))
        })
        .await
    }
}

fn counted(connection: &Connection, query: &str, parameters: impl rusqlite::Params) -> Result<u64> {
    connection
        .prepare_cached(query)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get::<_, i64>(0)))
        .map(i64::cast_unsigned)
        .map_err(Error::engine("count a list"))
}
