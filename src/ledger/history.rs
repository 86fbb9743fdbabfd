//! History: facts and acts, chained, written in the transaction of what they tell.
//!
//! A fact is one line per observation, batch or change of state, never one per row. Each writer's
//! day (UTC) is a chain of its own ([`fact`](crate::fact)); its last digest is kept beside it, so
//! that a day cut short shows. What operators did or looked at is a chain of its own ([`acts`](super::acts)).

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::rejects::Reject;
use super::{Error, Ledger, Result, holds, identity, stored};
use crate::delivery::{ChannelId, DigestSha256, StandardId};
use crate::fact::{Fact, FactId, Kind, Walk, chain, start};

const WRITER: &str = "writer";

impl Ledger {
    /// Facts in the order they were written, after the one with the ledger's number `after`, at
    /// most `limit`, each with its number.
    pub async fn facts(&self, after: u64, limit: u32) -> Result<Vec<(u64, Fact)>> {
        self.read(move |connection| {
            let engine = || Error::engine("read facts");
            let mut statement = connection
                .prepare_cached("SELECT id, body FROM fact WHERE id > ?1 ORDER BY id LIMIT ?2")
                .map_err(engine())?;
            let mut rows = statement.query(params![after.cast_signed(), limit]).map_err(engine())?;
            let mut facts = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let body: Vec<u8> = row.get(1).map_err(engine())?;
                let fact = Fact::decode(&body)
                    .map_err(|_unreadable| Error::Unreadable { what: "fact" })?;
                facts.push((row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(), fact));
            }
            Ok(facts)
        })
        .await
    }

    /// Proves every chain of facts: how many facts there are, and the first place at which each
    /// chain is broken.
    pub async fn history_verified(&self) -> Result<(u64, Vec<String>)> {
        // A connection of its own: it reads everything, and nobody shall wait for it.
        let path = self.folder().join("ledger.sqlite");
        let prove = move || {
            let (connection, mut problems) = (super::schema::open_reader(&path)?, Vec::new());
            // One look at everything: what is written meanwhile is neither missing nor too many.
            let connection =
                connection.unchecked_transaction().map_err(Error::engine("prove the facts"))?;
            let facts = facts_verify(&connection, &mut problems)?;
            Ok((facts, problems))
        };
        self.pool.run_long(prove).await
    }

    /// Somebody looks at a reject's sealed original: recorded before it is given.
    pub async fn original_opened(&self, number: u64, by: String) -> Result<Option<Reject>> {
        let Some(reject) = self.reject(number).await? else { return Ok(None) };
        let (flow, key) = (reject.flow.clone(), reject.key.to_string());
        self.write("record that an original is opened", move |transaction, now| {
            let kind = Kind::OriginalOpened { by, key };
            record(transaction, Some(&flow.channel), &flow.dataset, kind, now)
        })
        .await?;
        Ok(Some(reject))
    }

    /// From now on `standard` is spoken for `scope` on a channel; `digest` is its directory's.
    /// False where that was so already.
    pub async fn standard_in_force(
        &self,
        channel: ChannelId,
        scope: String,
        standard: StandardId,
        digest: DigestSha256,
    ) -> Result<bool> {
        self.write("record the standard in force", move |transaction, now| {
            in_force(transaction, (&channel, &scope), &standard, digest, now)
        })
        .await
    }
}

/// Another standard is in force; the one before is kept for a way back.
pub(super) fn in_force(
    transaction: &Transaction<'_>,
    (channel, scope): (&ChannelId, &str),
    standard: &StandardId,
    digest: DigestSha256,
    now: Timestamp,
) -> Result<bool> {
    let engine = || Error::engine("record the standard in force");
    transaction
        .execute(
            "INSERT INTO standard_use (channel, scope, state, id, digest, since)
             SELECT channel, scope, 'before', id, digest, ?4 FROM standard_use
             WHERE channel = ?1 AND scope = ?2 AND state = 'active' AND id <> ?3
             ON CONFLICT (channel, scope, state) DO UPDATE SET id = excluded.id,
                digest = excluded.digest, since = excluded.since",
            params![channel.as_str(), scope, standard.as_str(), stored(now)],
        )
        .map_err(engine())?;
    let changed = transaction
        .execute(
            "INSERT INTO standard_use (channel, scope, state, id, digest, since)
             VALUES (?1, ?2, 'active', ?3, ?4, ?5)
             ON CONFLICT (channel, scope, state) DO UPDATE SET id = excluded.id,
                digest = excluded.digest, since = excluded.since
             WHERE id <> excluded.id OR digest <> excluded.digest",
            params![channel.as_str(), scope, standard.as_str(), digest.0, stored(now)],
        )
        .map_err(engine())?;
    if changed > 0 {
        holds::forget_drift(transaction, Some(channel.as_str()))?;
        let kind = Kind::StandardInForce { standard: standard.clone() };
        record(transaction, Some(channel), scope, kind, now)?;
    }
    Ok(changed > 0)
}

/// Names the writer of the facts from here on: an installation's incarnation.
pub(super) fn begin(
    connection: &Connection,
    installation: &[u8; 16],
    incarnation: u64,
) -> Result<()> {
    let short: String = installation.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    identity::put(connection, WRITER, format!("{short}-{incarnation}").as_bytes())
}

/// Writes one fact of something that happens now.
pub(super) fn record(
    transaction: &Transaction<'_>,
    channel: Option<&ChannelId>,
    subject: &str,
    kind: Kind,
    now: Timestamp,
) -> Result<()> {
    record_at(transaction, (channel, subject), kind, now, now)
}

/// Writes one fact of something that happened at `occurred` and is recorded `now`.
pub(super) fn record_at(
    transaction: &Transaction<'_>,
    (channel, subject): (Option<&ChannelId>, &str),
    kind: Kind,
    occurred: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let (channel, subject) = (channel.cloned(), subject.to_owned());
    let fact = NewFact { channel, subject, kind, occurred, amends: None };
    record_new(transaction, fact, now).map(drop)
}

/// A fact that is not written yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewFact {
    /// The channel it happened on, where it is about one.
    pub channel: Option<ChannelId>,
    /// What it happened to.
    pub subject: String,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub occurred: Timestamp,
    /// The fact it sets right.
    pub amends: Option<FactId>,
}

/// Writes one fact; its number in the ledger and what names it.
pub(super) fn record_new(
    transaction: &Transaction<'_>,
    new: NewFact,
    now: Timestamp,
) -> Result<(i64, FactId)> {
    let engine = || Error::engine("record a fact");
    let writer = identity::get(transaction, WRITER)?
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(Error::Unreadable { what: "writer" })?;
    let day = now.to_zoned(TimeZone::UTC).date();
    let last: Option<(i64, [u8; 32])> = transaction
        .prepare_cached("SELECT number, chain FROM fact_head WHERE writer = ?1 AND day = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![writer, day.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(engine())?;
    let (number, previous) = match last {
        Some((number, digest)) => (number.cast_unsigned() + 1, DigestSha256(digest)),
        None => (1, start(&writer, day)),
    };
    let fact = Fact {
        id: FactId { writer: Arc::from(writer.as_str()), day, number },
        channel: new.channel,
        kind: new.kind,
        subject: new.subject,
        occurred: new.occurred,
        recorded: now,
        cause: None,
        amends: new.amends,
    };
    let digest = chain(previous, &fact);
    transaction
        .prepare_cached(
            "INSERT INTO fact (writer, day, number, channel, kind, subject, occurred, recorded,
                               amends, body, chain)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                writer,
                day.to_string(),
                number.cast_signed(),
                fact.channel.as_ref().map_or("", ChannelId::as_str),
                fact.kind.as_str(),
                fact.subject,
                stored(fact.occurred),
                stored(now),
                fact.amends.as_ref().map(FactId::to_string),
                fact.encode(),
                digest.0
            ])
        })
        .map_err(engine())?;
    let row = transaction.last_insert_rowid();
    transaction
        .prepare_cached(
            "INSERT INTO fact_head (writer, day, number, chain) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (writer, day) DO UPDATE SET number = excluded.number,
                chain = excluded.chain",
        )
        .and_then(|mut statement| {
            statement.execute(params![writer, day.to_string(), number.cast_signed(), digest.0])
        })
        .map_err(engine())?;
    Ok((row, fact.id))
}

/// Proves every chain of facts; returns how many facts there are. Reads one fact at a time.
pub(super) fn facts_verify(connection: &Connection, problems: &mut Vec<String>) -> Result<u64> {
    let engine = || Error::engine("prove the facts");
    let mut heads = connection
        .prepare("SELECT writer, day, chain FROM fact_head ORDER BY writer, day")
        .map_err(engine())?;
    let heads = heads
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect::<std::result::Result<Vec<(String, String, [u8; 32])>, _>>)
        .map_err(engine())?;
    let mut proven = 0;
    for (writer, day, head) in heads {
        match day.parse() {
            Ok(date) => {
                let chain = Chain { writer: &writer, day, date, head: DigestSha256(head) };
                proven += chain.verify(connection, problems)?;
            }
            Err(_) => problems.push(format!("facts of {writer}: a day that is no date")),
        }
    }
    let total: i64 =
        connection.query_row("SELECT count(*) FROM fact", [], |row| row.get(0)).map_err(engine())?;
    let total = total.cast_unsigned();
    if total != proven && problems.is_empty() {
        problems.push(format!("{} facts belong to no chain", total.abs_diff(proven)));
    }
    Ok(total)
}

struct Chain<'a> {
    writer: &'a str,
    day: String,
    date: Date,
    head: DigestSha256,
}

impl Chain<'_> {
    /// How many facts it has; the first that does not fit is a problem and ends it.
    fn verify(&self, connection: &Connection, problems: &mut Vec<String>) -> Result<u64> {
        let engine = || Error::engine("prove the facts");
        // A backup of an older schema has no such column, and no fact that sets another right.
        let has_amends = connection
            .prepare_cached("SELECT 1 FROM pragma_table_info('fact') WHERE name = 'amends'")
            .and_then(|mut statement| statement.exists([]))
            .map_err(engine())?;
        let amends = if has_amends { "amends" } else { "NULL" };
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT body, chain, channel, kind, subject, recorded, number, occurred, {amends}
                 FROM fact WHERE writer = ?1 AND day = ?2 ORDER BY number"
            ))
            .map_err(engine())?;
        let mut rows = statement.query(params![self.writer, self.day]).map_err(engine())?;
        let mut walk = Walk::new(self.writer, self.date);
        let mut proven = 0;
        while let Some(row) = rows.next().map_err(engine())? {
            let body: Vec<u8> = row.get(0).map_err(engine())?;
            let digest = DigestSha256(row.get(1).map_err(engine())?);
            let fact = match Fact::decode(&body) {
                Ok(fact) if agrees(row, &fact).map_err(engine())? => fact,
                Ok(_) => {
                    let what = format!("fact {} of {}: its columns differ", proven + 1, self.day);
                    problems.push(what);
                    return Ok(proven);
                }
                Err(error) => {
                    problems.push(format!("fact {} of {}: {error}", proven + 1, self.day));
                    return Ok(proven);
                }
            };
            if let Err(broken) = walk.step(&fact, digest) {
                problems.push(broken.to_string());
                return Ok(proven);
            }
            proven += 1;
        }
        if let Err(broken) = walk.end(Some(self.head)) {
            problems.push(broken.to_string());
        }
        Ok(proven)
    }
}

fn agrees(row: &Row<'_>, fact: &Fact) -> rusqlite::Result<bool> {
    Ok(row.get::<_, String>(2)? == fact.channel.as_ref().map_or("", ChannelId::as_str)
        && row.get::<_, String>(3)? == fact.kind.as_str()
        && row.get::<_, String>(4)? == fact.subject
        && row.get::<_, i64>(5)? == stored(fact.recorded)
        && row.get::<_, i64>(6)?.cast_unsigned() == fact.id.number
        && row.get::<_, i64>(7)? == stored(fact.occurred)
        && row.get::<_, Option<String>>(8)? == fact.amends.as_ref().map(FactId::to_string))
}
