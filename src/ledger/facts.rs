//! Facts as calculations read them: by kind and time, page by page, never all at once.
//!
//! A calculation fixes its [`Horizon`] first: what is written while it reads does not enter. It
//! asks for the facts of one kind within a time, or, where one of each subject is enough, for the
//! first or the last of each. Facts that others set right are named first ([`Ledger::amended`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::history::{NewFact, record_new};
use super::{Error, Ledger, Result, stored};
use crate::delivery::DigestSha256;
use crate::fact::{Fact, FactId, Kind};

/// Up to which fact a calculation reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Horizon {
    /// The ledger's number of the last fact that it may see.
    pub last: u64,
    /// Only what was recorded by then.
    pub known_by: Timestamp,
}

/// Facts of one kind within a time.
#[derive(Clone, Copy, Debug)]
pub struct FactQuery {
    /// The kind's word.
    pub kind: &'static str,
    /// From then on, where there is a beginning …
    pub from: Option<Timestamp>,
    /// … until before then, where there is an end.
    pub to: Option<Timestamp>,
    /// What may be seen.
    pub horizon: Horizon,
}

/// A stretch of history in which all facts of some kinds within a time lie, in the order in which
/// they were written.
#[derive(Clone, Debug)]
pub struct Stretch {
    kinds: Vec<&'static str>,
    from: i64,
    to: i64,
    known_by: i64,
    /// The number after which what is left begins.
    after: i64,
    last: i64,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    occurred: i64,
    number: i64,
}

impl Place {
    /// The inverse of `Display`.
    pub fn parse(text: &str) -> Option<Self> {
        let (occurred, number) = text.split_once(':')?;
        Some(Self { occurred: occurred.parse().ok()?, number: number.parse().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.occurred, self.number)
    }
}

/// Some facts, in the order in which they occurred.
#[derive(Clone, Debug)]
pub struct FactPage {
    /// The facts.
    pub facts: Vec<Fact>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<Place>,
}

const READ: &str = "read facts";

impl Ledger {
    /// What may be seen by a calculation that begins now.
    pub async fn horizon(&self, known_by: Timestamp) -> Result<Horizon> {
        self.read(move |connection| {
            let last: Option<i64> = connection
                .query_row("SELECT max(id) FROM fact", [], |row| row.get(0))
                .map_err(Error::engine(READ))?;
            Ok(Horizon { last: last.unwrap_or(0).cast_unsigned(), known_by })
        })
        .await
    }

    /// The facts that others set right, as known by the horizon.
    pub async fn amended(&self, horizon: Horizon) -> Result<BTreeSet<FactId>> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT amends FROM fact INDEXED BY fact_amends
                     WHERE amends IS NOT NULL AND id <= ?1 AND recorded <= ?2",
                )
                .map_err(Error::engine(READ))?;
            let bounds = params![horizon.last.cast_signed(), stored(horizon.known_by)];
            let names = statement
                .query_map(bounds, |row| row.get::<_, String>(0))
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                .map_err(Error::engine(READ))?;
            let parsed = names.iter().map(|name| FactId::parse(name));
            parsed.collect::<Option<_>>().ok_or(Error::Unreadable { what: "amended fact" })
        })
        .await
    }

    /// At most `limit` facts of a kind, after the place at which the page before ended.
    pub async fn facts_of(
        &self,
        query: FactQuery,
        after: Option<Place>,
        limit: u32,
    ) -> Result<FactPage> {
        self.read(move |connection| page(connection, query, after, limit)).await
    }

    /// Where the facts of `kinds` from `from` until before `to` lie.
    pub async fn stretch(
        &self,
        kinds: Vec<&'static str>,
        (from, to): (Timestamp, Timestamp),
        horizon: Horizon,
    ) -> Result<Stretch> {
        self.read(move |connection| {
            let (from, to) = (stored(from), stored(to));
            let mut ends: Option<(i64, i64)> = None;
            for kind in &kinds {
                let found = connection
                    .prepare_cached(
                        "SELECT min(id), max(id) FROM fact INDEXED BY fact_kind
                         WHERE kind = ?1 AND occurred >= ?2 AND occurred < ?3 AND id <= ?4",
                    )
                    .and_then(|mut statement| {
                        let bounds = params![kind, from, to, horizon.last.cast_signed()];
                        statement.query_row(bounds, |row| Ok((row.get(0)?, row.get(1)?)))
                    })
                    .map_err(Error::engine(READ))?;
                let (Some(first), Some(last)) = found else { continue };
                let known = ends.unwrap_or((first, last));
                ends = Some((known.0.min(first), known.1.max(last)));
            }
            let (first, last) = ends.unwrap_or((1, 0));
            let after = first.saturating_sub(1);
            Ok(Stretch { kinds, from, to, known_by: stored(horizon.known_by), after, last })
        })
        .await
    }

    /// Gives `into` the facts of a stretch, of at most `limit` lines of history; the rest of the
    /// stretch, where there is one. What is read is never held: it costs one fact's memory.
    pub async fn each_fact<T: Send + 'static>(
        &self,
        mut stretch: Stretch,
        limit: u32,
        mut into: T,
        take: fn(&mut T, &Fact),
    ) -> Result<(T, Option<Stretch>)> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, occurred, recorded, body FROM fact
                     WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement
                .query(params![stretch.after, stretch.last, limit])
                .map_err(Error::engine(READ))?;
            let begun = stretch.after;
            let mut fact: Option<Fact> = None;
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                let number = |at: usize| row.get::<_, i64>(at).map_err(Error::engine(READ));
                stretch.after = number(0)?;
                let kind = row.get_ref(1).and_then(|kind| Ok(kind.as_str()?));
                let (kind, occurred) = (kind.map_err(Error::engine(READ))?, number(2)?);
                let is_asked = stretch.kinds.contains(&kind)
                    && (stretch.from..stretch.to).contains(&occurred)
                    && number(3)? <= stretch.known_by;
                if !is_asked {
                    continue;
                }
                let body = row.get_ref(4).and_then(|body| Ok(body.as_blob()?));
                let body = body.map_err(Error::engine(READ))?;
                match &mut fact {
                    Some(fact) => fact
                        .refill(body)
                        .map_err(|_unreadable| Error::Unreadable { what: "fact" })?,
                    None => fact = Some(decode(body)?),
                }
                fact.iter().for_each(|fact| take(&mut into, fact));
            }
            drop(rows);
            let is_left = stretch.after > begun && stretch.after < stretch.last;
            Ok((into, is_left.then_some(stretch)))
        })
        .await
    }

    /// Of each subject the first fact of a kind that counts and is not set right; what confirms no
    /// rows does not count. `kind` is `confirmed` or `reconciled`.
    pub async fn first_facts(
        &self,
        query: FactQuery,
        subjects: Vec<String>,
        amended: Arc<BTreeSet<FactId>>,
    ) -> Result<Vec<Fact>> {
        self.read(move |connection| {
            let mut statement = of_subject(connection, "occurred, id")?;
            let mut found = Vec::new();
            for subject in &subjects {
                let mut rows = begin(&mut statement, query, subject)?;
                while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                    let fact = read(row)?;
                    if counts(&fact) && !amended.contains(&fact.id) {
                        found.push(fact);
                        break;
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Of each subject the last facts of a kind that are not set right: those that occurred at the
    /// same moment, if several. `kind` is `confirmed` or `reconciled`.
    pub async fn last_facts(
        &self,
        query: FactQuery,
        subjects: Vec<String>,
        amended: Arc<BTreeSet<FactId>>,
    ) -> Result<Vec<Fact>> {
        self.read(move |connection| {
            let mut statement = of_subject(connection, "occurred DESC, id DESC")?;
            let mut found: Vec<Fact> = Vec::new();
            for subject in &subjects {
                let mut rows = begin(&mut statement, query, subject)?;
                let mut moment = None;
                while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                    let fact = read(row)?;
                    if amended.contains(&fact.id) {
                        continue;
                    }
                    let at = stored(fact.occurred);
                    if *moment.get_or_insert(at) != at {
                        break;
                    }
                    found.push(fact);
                }
            }
            Ok(found)
        })
        .await
    }

    /// One fact by its name.
    pub async fn fact(&self, id: FactId) -> Result<Option<Fact>> {
        self.read(move |connection| {
            let body: Option<Vec<u8>> = connection
                .prepare_cached(
                    "SELECT body FROM fact WHERE writer = ?1 AND day = ?2 AND number = ?3",
                )
                .and_then(|mut statement| {
                    let number = id.number.cast_signed();
                    statement
                        .query_row(params![&*id.writer, id.day.to_string(), number], |row| {
                            row.get(0)
                        })
                        .optional()
                })
                .map_err(Error::engine(READ))?;
            body.map(|body| decode(&body)).transpose()
        })
        .await
    }

    /// Facts that were brought in from tables. A row that was brought in before is the same fact
    /// and written once; the count of those that were new.
    pub async fn facts_brought(&self, facts: Vec<NewFact>) -> Result<u64> {
        self.write("record facts that are brought in", move |transaction, now| {
            let engine = || Error::engine("record facts that are brought in");
            let mut new = 0;
            for fact in facts {
                let digest = digest_of(&fact);
                let is_known = transaction
                    .prepare_cached("SELECT 1 FROM brought WHERE digest = ?1")
                    .and_then(|mut statement| statement.exists([digest.0]))
                    .map_err(engine())?;
                if is_known {
                    continue;
                }
                let (number, _) = record_new(transaction, fact, now)?;
                transaction
                    .prepare_cached("INSERT INTO brought (digest, fact) VALUES (?1, ?2)")
                    .and_then(|mut statement| statement.execute(params![digest.0, number]))
                    .map_err(engine())?;
                new += 1;
            }
            Ok(new)
        })
        .await
    }
}

impl Ledger {
    /// Facts as they are handed over, each written down: for what is told of once.
    pub async fn facts_recorded(&self, facts: Vec<NewFact>) -> Result<()> {
        self.write("record facts", move |transaction, now| {
            for fact in facts {
                record_new(transaction, fact, now)?;
            }
            Ok(())
        })
        .await
    }

    /// For each fact the digest that it is chained to, and its own.
    pub async fn chained(&self, ids: Vec<FactId>) -> Result<Vec<(DigestSha256, DigestSha256)>> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT chain FROM fact WHERE writer = ?1 AND day = ?2 AND number = ?3",
                )
                .map_err(Error::engine(READ))?;
            let mut digest = |id: &FactId, number: u64| -> Result<DigestSha256> {
                if number == 0 {
                    return Ok(crate::fact::start(&id.writer, id.day));
                }
                let bounds = params![&*id.writer, id.day.to_string(), number.cast_signed()];
                let chain = statement.query_row(bounds, |row| row.get(0));
                chain.map(DigestSha256).map_err(Error::engine(READ))
            };
            let pair = |id: &FactId| Ok((digest(id, id.number - 1)?, digest(id, id.number)?));
            ids.iter().map(pair).collect()
        })
        .await
    }

    /// The last fact and digest of every writer's day, the newest day first; at most `limit`, and
    /// how many there are.
    pub async fn chains(&self, limit: u32) -> Result<(Vec<(FactId, DigestSha256)>, u64)> {
        self.read(move |connection| {
            let all: i64 = connection
                .query_row("SELECT count(*) FROM fact_head", [], |row| row.get(0))
                .map_err(Error::engine(READ))?;
            let mut statement = connection
                .prepare_cached(
                    "SELECT writer, day, number, chain FROM fact_head
                     ORDER BY day DESC, writer LIMIT ?1",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement.query([limit]).map_err(Error::engine(READ))?;
            let mut heads = Vec::new();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                let text = |at| row.get::<_, String>(at).map_err(Error::engine(READ));
                let number: i64 = row.get(2).map_err(Error::engine(READ))?;
                let id = FactId::parse(&format!("{}/{}/{number}", text(0)?, text(1)?))
                    .ok_or(Error::Unreadable { what: "head of a chain" })?;
                heads.push((id, DigestSha256(row.get(3).map_err(Error::engine(READ))?)));
            }
            Ok((heads, all.cast_unsigned()))
        })
        .await
    }
}

/// What a fact that is brought in says, without when it is written down and by whom.
fn digest_of(new: &NewFact) -> DigestSha256 {
    let id = FactId { writer: "brought".into(), day: jiff::civil::Date::ZERO, number: 1 };
    let fact = Fact {
        id,
        channel: new.channel.clone(),
        kind: new.kind.clone(),
        subject: new.subject.clone(),
        occurred: new.occurred,
        recorded: new.occurred,
        cause: None,
        amends: new.amends.clone(),
    };
    DigestSha256::of(&fact.encode())
}

fn page(
    connection: &Connection,
    query: FactQuery,
    after: Option<Place>,
    limit: u32,
) -> Result<FactPage> {
    let mut statement = connection
        .prepare_cached(
            "SELECT body, occurred, id FROM fact INDEXED BY fact_kind
             WHERE kind = ?1 AND occurred >= ?2 AND (occurred, id) > (?2, ?3) AND occurred < ?4
               AND id <= ?5 AND recorded <= ?6
             ORDER BY occurred, id LIMIT ?7",
        )
        .map_err(Error::engine(READ))?;
    let after = after.unwrap_or_else(|| Place {
        // Before any fact of the first moment.
        occurred: query.from.map_or(i64::MIN, stored),
        number: 0,
    });
    let mut rows = statement
        .query(params![
            query.kind,
            after.occurred,
            after.number,
            query.to.map_or(i64::MAX, stored),
            query.horizon.last.cast_signed(),
            stored(query.horizon.known_by),
            limit
        ])
        .map_err(Error::engine(READ))?;
    let (mut facts, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next().map_err(Error::engine(READ))? {
        facts.push(read(row)?);
        let place = |at: usize| row.get::<_, i64>(at).map_err(Error::engine(READ));
        last = Some(Place { occurred: place(1)?, number: place(2)? });
    }
    let is_full = u32::try_from(facts.len()).is_ok_and(|count| count >= limit);
    Ok(FactPage { facts, next: last.filter(|_| is_full) })
}

fn of_subject<'c>(connection: &'c Connection, order: &str) -> Result<CachedStatement<'c>> {
    connection
        .prepare_cached(&format!(
            "SELECT body FROM fact INDEXED BY fact_subject
             WHERE kind IN ('confirmed', 'reconciled') AND kind = ?1 AND subject = ?2
               AND occurred >= ?3 AND occurred < ?4 AND id <= ?5 AND recorded <= ?6
             ORDER BY {order}"
        ))
        .map_err(Error::engine(READ))
}

fn begin<'s>(
    statement: &'s mut CachedStatement<'_>,
    query: FactQuery,
    subject: &str,
) -> Result<rusqlite::Rows<'s>> {
    statement
        .query(params![
            query.kind,
            subject,
            query.from.map_or(i64::MIN, stored),
            query.to.map_or(i64::MAX, stored),
            query.horizon.last.cast_signed(),
            stored(query.horizon.known_by),
        ])
        .map_err(Error::engine(READ))
}

fn counts(fact: &Fact) -> bool {
    if let Kind::Confirmed { rows, .. } = &fact.kind { *rows > 0 } else { true }
}

fn read(row: &Row<'_>) -> Result<Fact> {
    let body = row.get_ref(0).and_then(|body| Ok(body.as_blob()?)).map_err(Error::engine(READ))?;
    decode(body)
}

fn decode(body: &[u8]) -> Result<Fact> {
    Fact::decode(body).map_err(|_unreadable| Error::Unreadable { what: "fact" })
}
