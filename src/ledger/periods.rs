//! Closed months: what they came to, and the facts that they cover.
//!
//! A month is closed once, by a snapshot: its text is kept, with a digest over the ends of every
//! chain of facts at that moment, and a fact of its own holds the digest of the whole. What is
//! recorded about the month later changes nothing of it; it is counted beside it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use rust_decimal::Decimal;

use super::history::record;
use super::{Error, Ledger, Result, instant, stored};
use crate::delivery::DigestSha256;
use crate::fact::Kind;
use crate::indicator::sources::Sources;

/// A month that is to be closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewPeriod {
    /// `2026-11`.
    pub month: String,
    /// By which scheme.
    pub scheme: String,
    /// The number of the last fact that was counted.
    pub last_fact: u64,
    /// The city's total.
    pub total: Decimal,
    /// The scheme, the lists and the other cities.
    pub judged_by: Sources,
    /// What the month came to, as text.
    pub body: String,
}

/// A closed month.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Period {
    /// `2026-11`.
    pub month: String,
    /// By which scheme.
    pub scheme: String,
    /// When.
    pub closed_at: Timestamp,
    /// The number of the last fact that was counted.
    pub last_fact: u64,
    /// Over the ends of every chain at that fact.
    pub facts: DigestSha256,
    /// Digest of the scheme, the lists and the other cities.
    pub judged_by: DigestSha256,
    /// What the month came to, as text.
    pub body: String,
    digest: DigestSha256,
}

const CLOSE: &str = "close a month";
const READ: &str = "read a closed month";
const PERIOD: &str =
    "SELECT month, scheme, closed_at, last_fact, facts, judged_by, body, digest FROM period";

impl Ledger {
    /// Closes a month; false where it was closed before.
    pub async fn period_closed(&self, new: NewPeriod) -> Result<bool> {
        self.write(CLOSE, move |transaction, now| {
            let is_known = transaction
                .prepare_cached("SELECT 1 FROM period WHERE month = ?1 AND scheme = ?2")
                .and_then(|mut statement| statement.exists([&new.month, &new.scheme]))
                .map_err(Error::engine(CLOSE))?;
            if is_known {
                return Ok(false);
            }
            let facts = ends(transaction, new.last_fact)?;
            let period = Period {
                digest: DigestSha256([0; 32]),
                // As exact as it is kept.
                closed_at: instant(stored(now))?,
                month: new.month,
                scheme: new.scheme,
                last_fact: new.last_fact,
                facts,
                judged_by: new.judged_by.digest(),
                body: new.body,
            };
            let digest = period.computed();
            transaction
                .execute(
                    "INSERT INTO period
                        (month, scheme, closed_at, last_fact, facts, judged_by, body, digest)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        period.month,
                        period.scheme,
                        stored(now),
                        period.last_fact.cast_signed(),
                        period.facts.0,
                        period.judged_by.0,
                        period.body,
                        digest.0
                    ],
                )
                .map_err(Error::engine(CLOSE))?;
            keep(transaction, &period, &new.judged_by)?;
            let (scheme, total) = (period.scheme, new.total);
            let kind = Kind::PeriodClosed { scheme, total, digest: digest.to_string() };
            record(transaction, None, &period.month, kind, now)?;
            Ok(true)
        })
        .await
    }

    /// A closed month, with how many facts that occurred before `to` were recorded since.
    pub async fn period(
        &self,
        month: String,
        scheme: String,
        to: Timestamp,
    ) -> Result<Option<(Period, u64)>> {
        self.read(move |connection| {
            let found = connection
                .prepare_cached(&format!("{PERIOD} WHERE month = ?1 AND scheme = ?2"))
                .and_then(|mut statement| {
                    statement.query_row([&month, &scheme], |row| Ok(read(row))).optional()
                })
                .map_err(Error::engine(READ))?;
            let Some(period) = found.transpose()? else { return Ok(None) };
            let late: i64 = connection
                .prepare_cached("SELECT count(*) FROM fact WHERE id > ?1 AND occurred < ?2")
                .and_then(|mut statement| {
                    let bounds = params![period.last_fact.cast_signed(), stored(to)];
                    statement.query_row(bounds, |row| row.get(0))
                })
                .map_err(Error::engine(READ))?;
            Ok(Some((period, late.cast_unsigned())))
        })
        .await
    }

    /// Every closed month, in the order of months.
    pub async fn periods(&self) -> Result<Vec<Period>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("{PERIOD} ORDER BY month, scheme"))
                .map_err(Error::engine(READ))?;
            let mut rows = statement.query([]).map_err(Error::engine(READ))?;
            let mut periods = Vec::new();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                periods.push(read(row)?);
            }
            Ok(periods)
        })
        .await
    }

    /// By what a month was judged when it was closed.
    pub async fn sources_of(&self, month: String, scheme: String) -> Result<Sources> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT name, text FROM period_source JOIN source USING (digest)
                     WHERE month = ?1 AND scheme = ?2",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement.query([&month, &scheme]).map_err(Error::engine(READ))?;
            let mut sources = Sources::default();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                let part = |at| row.get::<_, String>(at).map_err(Error::engine(READ));
                sources.put(part(0)?, part(1)?);
            }
            Ok(sources)
        })
        .await
    }

    /// Proves every closed month against the facts: how many there are, and what is wrong.
    pub async fn periods_verified(&self) -> Result<(u64, Vec<String>)> {
        let path = self.folder().join("ledger.sqlite");
        let prove = move || {
            let connection = super::schema::open_reader(&path)?;
            let connection = connection.unchecked_transaction().map_err(Error::engine(READ))?;
            let (mut count, mut problems) = (0, Vec::new());
            let mut statement = connection.prepare(PERIOD).map_err(Error::engine(READ))?;
            let mut rows = statement.query([]).map_err(Error::engine(READ))?;
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                let period = read(row)?;
                count += 1;
                problems.extend(period.problem(&connection)?);
            }
            let told: i64 = connection
                .query_row("SELECT count(*) FROM fact WHERE kind = 'period-closed'", [], |row| {
                    row.get(0)
                })
                .map_err(Error::engine(READ))?;
            if told.cast_unsigned() != count {
                problems.push(format!("{told} months were closed and {count} are kept"));
            }
            Ok((count, problems))
        };
        self.pool.run_long(prove).await
    }
}

impl Period {
    fn computed(&self) -> DigestSha256 {
        let (closed, last) = (stored(self.closed_at).to_be_bytes(), self.last_fact.to_be_bytes());
        DigestSha256::of_parts([
            b"period-1\0".as_slice(),
            self.month.as_bytes(),
            b"\0",
            self.scheme.as_bytes(),
            b"\0",
            &closed,
            &last,
            &self.facts.0,
            &self.judged_by.0,
            self.body.as_bytes(),
        ])
    }

    /// What is wrong with it.
    fn problem(&self, connection: &Connection) -> Result<Option<String>> {
        let of = format!("{} by {}", self.month, self.scheme);
        if self.computed() != self.digest {
            return Ok(Some(format!("{of}: what is kept is not what was closed")));
        }
        let told: Option<Vec<u8>> = connection
            .prepare_cached(
                "SELECT body FROM fact WHERE kind = 'period-closed' AND subject = ?1
                 AND instr(body, ?2) > 0",
            )
            .and_then(|mut statement| {
                let digest = self.digest.to_string().into_bytes();
                statement.query_row(params![self.month, digest], |row| row.get(0)).optional()
            })
            .map_err(Error::engine(READ))?;
        if told.is_none() {
            return Ok(Some(format!("{of}: no fact tells that it was closed so")));
        }
        if ends(connection, self.last_fact)? != self.facts {
            return Ok(Some(format!("{of}: its facts are not those that it covers")));
        }
        Ok(None)
    }
}

/// Keeps by what a month was judged.
fn keep(transaction: &Transaction<'_>, period: &Period, sources: &Sources) -> Result<()> {
    for (name, text) in sources.files() {
        let digest = DigestSha256::of(text.as_bytes());
        transaction
            .prepare_cached(
                "INSERT INTO source (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )
            .and_then(|mut statement| statement.execute(params![digest.0, text]))
            .map_err(Error::engine(CLOSE))?;
        transaction
            .prepare_cached(
                "INSERT INTO period_source (month, scheme, name, digest) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut statement| {
                statement.execute(params![period.month, period.scheme, name, digest.0])
            })
            .map_err(Error::engine(CLOSE))?;
    }
    Ok(())
}

/// A digest over the last fact of every chain, as of the fact with the number `last`.
fn ends(connection: &Connection, last: u64) -> Result<DigestSha256> {
    let mut statement = connection
        .prepare_cached(
            "SELECT writer, day, number, chain FROM fact WHERE id IN
                (SELECT max(id) FROM fact WHERE id <= ?1 GROUP BY writer, day)
             ORDER BY writer, day",
        )
        .map_err(Error::engine(READ))?;
    let mut rows = statement.query([last.cast_signed()]).map_err(Error::engine(READ))?;
    let mut text = String::new();
    while let Some(row) = rows.next().map_err(Error::engine(READ))? {
        let part = |at| row.get::<_, String>(at).map_err(Error::engine(READ));
        let number: i64 = row.get(2).map_err(Error::engine(READ))?;
        let chain = DigestSha256(row.get(3).map_err(Error::engine(READ))?);
        text.push_str(&format!("{}/{}/{number} {chain}\n", part(0)?, part(1)?));
    }
    Ok(DigestSha256::of(text.as_bytes()))
}

fn read(row: &Row<'_>) -> Result<Period> {
    let engine = || Error::engine(READ);
    Ok(Period {
        month: row.get(0).map_err(engine())?,
        scheme: row.get(1).map_err(engine())?,
        closed_at: instant(row.get(2).map_err(engine())?)?,
        last_fact: row.get::<_, i64>(3).map_err(engine())?.cast_unsigned(),
        facts: DigestSha256(row.get(4).map_err(engine())?),
        judged_by: DigestSha256(row.get(5).map_err(engine())?),
        body: row.get(6).map_err(engine())?,
        digest: DigestSha256(row.get(7).map_err(engine())?),
    })
}
