//! Shadow runs: a candidate tried at the province's test platform, as a durable job, and what that
//! platform said. Nothing here touches a channel's links, progress or facts.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::jobs::noted;
use super::{Error, Ledger, Result, instant, stored};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::{ChannelId, DigestSha256, LinkState};
use crate::fact::JobAct;

/// What such a job is called.
pub const SHADOW: &str = "shadow";
/// Outcomes and codes of one dataset's masked rows that are told apart.
const MOST_CODES: i64 = 50;
/// Stands for what is not told apart.
const OTHER: &str = "…";

/// A shadow run as it was asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Shadow {
    /// On which channel.
    pub channel: String,
    /// The candidate, `id/version`.
    pub standard: String,
    /// Masked rows go, too.
    pub with_rows: bool,
}

/// A shadow run that goes on, or the last one of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShadowRun {
    /// The job's number.
    pub number: u64,
    /// What was asked.
    pub asked: Shadow,
    /// It goes on.
    pub running: bool,
    /// Since when.
    pub since: Timestamp,
    /// Why it ended by itself, or what keeps it from going on.
    pub result: Option<String>,
}

/// What became of a request for a shadow run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShadowAsked {
    /// A new job.
    Made(u64),
    /// The same goes on already.
    Known(u64),
    /// Another one on this channel goes on.
    Busy(u64),
}

/// An object at the test platform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShadowObject {
    /// Which.
    pub key: ObjectKey,
    /// A stable word for what became of it.
    pub outcome: String,
    /// The platform's code, or the rule that our own check found broken.
    pub code: String,
    /// The field of that rule.
    pub field: String,
    /// The digest of the message that was judged.
    pub said: Option<DigestSha256>,
    /// The test platform's id of it.
    pub upper_id: Option<String>,
    /// Where it stands there.
    pub upper_state: Option<LinkState>,
}

/// Masked rows with one outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShadowRows {
    /// Of which dataset.
    pub dataset: String,
    /// A stable word for what became of them.
    pub outcome: String,
    /// The code that came with it.
    pub code: String,
    /// How many.
    pub rows: u64,
}

impl Ledger {
    /// An operator asked for a shadow run; one at a time on a channel. What another candidate's
    /// run had found there is forgotten.
    pub async fn shadow_asked(&self, asked: Shadow, by: String) -> Result<ShadowAsked> {
        self.write("ask for a shadow run", move |transaction, now| {
            let last = last(transaction, &asked.channel)?;
            if let Some(run) = last.as_ref().filter(|run| run.running) {
                let same = run.asked == asked;
                let number = run.number;
                let answer = if same { ShadowAsked::Known } else { ShadowAsked::Busy };
                return Ok(answer(number));
            }
            if last.is_some_and(|run| run.asked.standard != asked.standard) {
                forget(transaction, &asked.channel)?;
            }
            transaction
                .execute(
                    "DELETE FROM shadow WHERE channel = ?1 AND NOT EXISTS (
                        SELECT 1 FROM object WHERE object.kind = shadow.kind
                        AND object.id = shadow.id AND object.present = 1)",
                    [&asked.channel],
                )
                .map_err(Error::engine("forget what left the catalogue"))?;
            let request = serde_json::to_string(&asked)
                .map_err(|_unserializable| Error::Unreadable { what: "shadow run" })?;
            transaction
                .execute(
                    "INSERT INTO job (kind, request, state, asked_by, created_at)
                     VALUES (?1, ?2, 'running', ?3, ?4)",
                    params![SHADOW, request, by, stored(now)],
                )
                .map_err(Error::engine("record a job"))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            noted(transaction, number, JobAct::Requested, now)?;
            Ok(ShadowAsked::Made(number))
        })
        .await
    }

    /// The shadow runs that go on, oldest first.
    pub async fn open_shadows(&self) -> Result<Vec<ShadowRun>> {
        self.read(|connection| {
            let engine = || Error::engine("read shadow runs");
            let mut statement = connection
                .prepare_cached(&format!("{RUN} AND state = 'running' ORDER BY number"))
                .map_err(engine())?;
            let mut rows = statement.query([SHADOW]).map_err(engine())?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                found.push(read_run(row)?);
            }
            Ok(found)
        })
        .await
    }

    /// The last shadow run of a channel, whether or not it goes on.
    pub async fn last_shadow(&self, channel: ChannelId) -> Result<Option<ShadowRun>> {
        self.read(move |connection| last(connection, channel.as_str())).await
    }

    /// How a run stands: what keeps it from going on, or nothing.
    pub async fn shadow_stands(&self, number: u64, result: Option<String>) -> Result<()> {
        self.write("tell how a shadow run stands", move |transaction, _now| {
            transaction
                .execute(
                    "UPDATE job SET result = ?2 WHERE number = ?1 AND state = 'running'",
                    params![number.cast_signed(), result],
                )
                .map(drop)
                .map_err(Error::engine("tell how a shadow run stands"))
        })
        .await
    }

    /// A run cannot go on.
    pub async fn shadow_ended(&self, number: u64, why: String) -> Result<()> {
        self.write("end a shadow run", move |transaction, now| {
            transaction
                .execute(
                    "UPDATE job SET state = 'failed', result = ?2, finished_at = ?3
                     WHERE number = ?1 AND state = 'running'",
                    params![number.cast_signed(), why, stored(now)],
                )
                .map(drop)
                .map_err(Error::engine("end a shadow run"))
        })
        .await
    }

    /// What the test platform, or our own check, said of objects.
    pub async fn shadow_seen(&self, channel: ChannelId, objects: Vec<ShadowObject>) -> Result<()> {
        self.write("record what a test platform said", move |transaction, now| {
            for it in &objects {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO shadow (channel, kind, id, outcome, code, field,
                            said, upper_id, upper_state, at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![
                            channel.as_str(),
                            it.key.kind.as_str(),
                            it.key.id,
                            it.outcome,
                            it.code,
                            it.field,
                            it.said.map(|digest| digest.0),
                            it.upper_id,
                            it.upper_state.map(LinkState::as_str),
                            stored(now)
                        ])
                    })
                    .map_err(Error::engine("record what a test platform said"))?;
            }
            Ok(())
        })
        .await
    }

    /// Everything that is known of a channel's objects at its test platform.
    pub async fn shadow_objects(&self, channel: ChannelId) -> Result<Vec<ShadowObject>> {
        self.read(move |connection| {
            let engine = || Error::engine("read what a test platform said");
            let mut statement = connection
                .prepare_cached(
                    "SELECT kind, id, outcome, code, field, said, upper_id, upper_state
                     FROM shadow WHERE channel = ?1",
                )
                .map_err(engine())?;
            let mut rows = statement.query([channel.as_str()]).map_err(engine())?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                found.push(read_object(row)?);
            }
            Ok(found)
        })
        .await
    }

    /// Masked rows of a dataset had this outcome.
    pub async fn shadow_rows_seen(&self, channel: ChannelId, rows: ShadowRows) -> Result<()> {
        self.write("count masked rows", move |transaction, now| {
            let fits: bool = transaction
                .query_row(
                    "SELECT count(*) < ?5 OR coalesce(max(outcome = ?3 AND code = ?4), 0)
                     FROM shadow_rows WHERE channel = ?1 AND dataset = ?2",
                    params![channel.as_str(), rows.dataset, rows.outcome, rows.code, MOST_CODES],
                    |row| row.get(0),
                )
                .map_err(Error::engine("count masked rows"))?;
            let code = if fits { rows.code.as_str() } else { OTHER };
            transaction
                .execute(
                    "INSERT INTO shadow_rows (channel, dataset, outcome, code, rows, at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (channel, dataset, outcome, code)
                     DO UPDATE SET rows = rows + excluded.rows, at = excluded.at",
                    params![
                        channel.as_str(),
                        rows.dataset,
                        rows.outcome,
                        code,
                        rows.rows.cast_signed(),
                        stored(now)
                    ],
                )
                .map(drop)
                .map_err(Error::engine("count masked rows"))
        })
        .await
    }

    /// What became of a channel's masked rows.
    pub async fn shadow_rows(&self, channel: ChannelId) -> Result<Vec<ShadowRows>> {
        self.read(move |connection| {
            let engine = || Error::engine("read masked rows");
            let mut statement = connection
                .prepare_cached(
                    "SELECT dataset, outcome, code, rows FROM shadow_rows WHERE channel = ?1
                     ORDER BY dataset, outcome, code",
                )
                .map_err(engine())?;
            let rows = statement
                .query_map([channel.as_str()], |row| {
                    Ok(ShadowRows {
                        dataset: row.get(0)?,
                        outcome: row.get(1)?,
                        code: row.get(2)?,
                        rows: row.get::<_, i64>(3)?.cast_unsigned(),
                    })
                })
                .map_err(engine())?;
            rows.collect::<rusqlite::Result<_>>().map_err(engine())
        })
        .await
    }

    /// Another text where the catalogue or a supplied value may have changed.
    pub async fn catalogue_mark(&self) -> Result<String> {
        self.read(|connection| {
            connection
                .query_row(
                    "SELECT (SELECT count(*) || ' ' || coalesce(max(changed_at), 0)
                             FROM object WHERE present = 1) || ' ' ||
                            (SELECT count(*) || ' ' || coalesce(max(supplied_at), 0)
                             FROM supplied)",
                    [],
                    |row| row.get(0),
                )
                .map_err(Error::engine("look for changes of the catalogue"))
        })
        .await
    }
}

fn forget(transaction: &Transaction<'_>, channel: &str) -> Result<()> {
    for statement in
        ["DELETE FROM shadow WHERE channel = ?1", "DELETE FROM shadow_rows WHERE channel = ?1"]
    {
        transaction
            .execute(statement, [channel])
            .map_err(Error::engine("forget what a test platform said"))?;
    }
    Ok(())
}

const RUN: &str = "SELECT number, request, state, created_at, result FROM job WHERE kind = ?1";

fn last(connection: &Connection, channel: &str) -> Result<Option<ShadowRun>> {
    connection
        .prepare_cached(&format!(
            "{RUN} AND json_extract(request, '$.channel') = ?2 ORDER BY number DESC LIMIT 1"
        ))
        .and_then(|mut statement| {
            statement.query_row([SHADOW, channel], |row| Ok(read_run(row))).optional()
        })
        .map_err(Error::engine("read shadow runs"))?
        .transpose()
}

fn read_run(row: &Row<'_>) -> Result<ShadowRun> {
    let engine = || Error::engine("read a shadow run");
    let request: String = row.get(1).map_err(engine())?;
    Ok(ShadowRun {
        number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
        asked: serde_json::from_str(&request)
            .map_err(|_malformed| Error::Unreadable { what: "shadow run" })?,
        running: row.get::<_, String>(2).map_err(engine())? == "running",
        since: instant(row.get(3).map_err(engine())?)?,
        result: row.get(4).map_err(engine())?,
    })
}

fn read_object(row: &Row<'_>) -> Result<ShadowObject> {
    let engine = || Error::engine("read what a test platform said");
    let text = |at| row.get::<_, String>(at).map_err(engine());
    let said: Option<[u8; 32]> = row.get(5).map_err(engine())?;
    let state: Option<String> = row.get(7).map_err(engine())?;
    let kind = Kind::parse(&text(0)?).ok_or(Error::Unreadable { what: "kind" })?;
    Ok(ShadowObject {
        key: ObjectKey { kind, id: text(1)? },
        outcome: text(2)?,
        code: text(3)?,
        field: text(4)?,
        said: said.map(DigestSha256),
        upper_id: row.get(6).map_err(engine())?,
        upper_state: state
            .map(|it| LinkState::parse(&it).ok_or(Error::Unreadable { what: "link state" }))
            .transpose()?,
    })
}
