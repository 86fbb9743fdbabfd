//! Acts: what operators did, asked for in vain, or looked at, in one chain for all.
//!
//! An act has two lines: one before it is done, because what cannot be recorded is not done, and
//! one of what came of it, *about* the first. An act without the second was cut off by the end of
//! the process. What was refused is one line. No line is ever changed: each is chained to the one
//! before it, and the chain's last digest is kept beside it, so that a chain cut short shows.
//!
//! The oldest lines may be let go of once they are [`LEAST_DAYS`] old and whoever they are
//! forwarded to has them; where the chain begins then is kept, so that the rest can be proven.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use super::{Error, Ledger, Result, identity, instant, stored};
use crate::delivery::DigestSha256;

/// Acts are kept for at least so many days: six months, whatever their first is.
pub const LEAST_DAYS: u32 = 184;

const HEAD: &str = "act-head";
/// Where the chain begins, once its oldest lines were let go of.
const TAIL: &str = "act-tail";
/// The last line that a receiver of acts has.
const FORWARDED: &str = "act-forwarded";
/// Longer reasons are cut: a line has to fit into any log.
const LONGEST_DETAIL: usize = 1_500;
/// Lines that one step of letting go removes.
const LET_GO: u32 = 1_000;

/// The process at the other end of the control socket, or the daemon itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Actor {
    /// Its user.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Its process.
    pub pid: Option<i32>,
}

/// An act that is not recorded yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewAct {
    /// Who.
    pub actor: Actor,
    /// The user's name then; empty where nobody knows one.
    pub person: String,
    /// By which role.
    pub role: String,
    /// What: a request's name.
    pub name: String,
    /// Which part: names and filters, never content.
    pub detail: String,
    /// What came of it, where that is known from the start: it was refused.
    pub outcome: Option<String>,
}

/// Something an operator did or looked at, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Act {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The user's name then.
    pub person: String,
    /// By which role.
    pub role: String,
    /// What: a request's name.
    pub name: String,
    /// Which part: names and filters, never content.
    pub detail: String,
    /// What came of it: `done`, `refused …`, `failed …`; none where the process ended before.
    pub outcome: Option<String>,
}

/// One line of the chain, as it stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActLine {
    /// The act.
    pub act: Act,
    /// The act that this line says the outcome of.
    pub about: Option<u64>,
    /// In which form its digest is made.
    pub form: u32,
    /// Its digest, over everything above and the digest of the line before.
    pub digest: DigestSha256,
}

/// Which acts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ActQuery {
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// Lines, or acts, before this number; the newest where it is left out.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

impl Ledger {
    /// An operator does something now, or looks at something that is sealed. Its number.
    pub async fn act_recorded(&self, act: NewAct) -> Result<u64> {
        self.write("record an act", move |transaction, now| add(transaction, &act, None, now)).await
    }

    /// What came of an act.
    pub async fn act_ended(&self, number: u64, act: NewAct) -> Result<u64> {
        self.write("record what came of an act", move |transaction, now| {
            add(transaction, &act, Some(number), now)
        })
        .await
    }

    /// The newest acts, newest first, each with what came of it.
    pub async fn acts(&self, limit: u32) -> Result<Vec<Act>> {
        Ok(self.acts_of(ActQuery { limit, ..ActQuery::default() }).await?.0)
    }

    /// Acts, newest first, each with what came of it, and how many there are from there on.
    pub async fn acts_of(&self, query: ActQuery) -> Result<(Vec<Act>, u64)> {
        self.read(move |connection| {
            const WHICH: &str =
                "WHERE act.about IS NULL AND act.id < ?1 AND act.at >= ?2 AND act.at < ?3";
            let statement = format!("{ACT} {WHICH} ORDER BY act.id DESC LIMIT ?4");
            let (until, from) = (before(query.before), query.from.map_or(i64::MIN, stored));
            let to = query.to.map_or(i64::MAX, stored);
            let values = params![until, from, to, query.limit];
            let found = lines(connection, &statement, values)?;
            let total: i64 = connection
                .prepare_cached(&format!("SELECT count(*) FROM act {WHICH}"))
                .and_then(|mut statement| {
                    statement.query_row(params![until, from, to], |row| row.get(0))
                })
                .map_err(Error::engine("count acts"))?;
            Ok((found.into_iter().map(|line| line.act).collect(), total.cast_unsigned()))
        })
        .await
    }

    /// Lines of the chain as they stand there, oldest first, after the one with this number.
    pub async fn act_lines(&self, after: u64, query: ActQuery) -> Result<Vec<ActLine>> {
        self.read(move |connection| {
            let statement = format!(
                "{LINE} WHERE act.id > ?1 AND act.id < ?2 AND act.at >= ?3 AND act.at < ?4
                 ORDER BY act.id LIMIT ?5"
            );
            let values = params![
                after.cast_signed(),
                before(query.before),
                query.from.map_or(i64::MIN, stored),
                query.to.map_or(i64::MAX, stored),
                query.limit
            ];
            lines(connection, &statement, values)
        })
        .await
    }

    /// Proves the chain of acts: how many lines there are, and the first place where it is broken.
    pub async fn acts_proven(&self) -> Result<(u64, Vec<String>)> {
        let path = self.folder().join("ledger.sqlite");
        let prove = move || {
            let connection = super::schema::open_reader(&path)?;
            let snapshot =
                connection.unchecked_transaction().map_err(Error::engine("prove the acts"))?;
            let mut problems = Vec::new();
            let count = acts_verify(&snapshot, &mut problems)?;
            Ok((count, problems))
        };
        self.pool.run_long(prove).await
    }

    /// The last line that a receiver of acts has, and how many it has not.
    pub async fn acts_forwarded_until(&self) -> Result<(u64, u64)> {
        self.read(|connection| {
            let until = identity::number(connection, FORWARDED)?.unwrap_or(0);
            let waiting: i64 = connection
                .query_row("SELECT count(*) FROM act WHERE id > ?1", [until.cast_signed()], |row| {
                    row.get(0)
                })
                .map_err(Error::engine("count acts"))?;
            Ok((until, waiting.cast_unsigned()))
        })
        .await
    }

    /// Who has the configuration read again right now: the newest such act of the last quarter of
    /// an hour that has not come to its end.
    pub async fn reloading(&self) -> Result<Option<(Actor, String)>> {
        let since = self.clock().now().saturating_sub(SignedDuration::from_mins(15));
        let since = since.unwrap_or(Timestamp::MIN);
        self.read(move |connection| {
            let statement = format!(
                "{LINE} WHERE act.name = 'reload' AND act.about IS NULL AND act.outcome IS NULL
                 AND act.at >= ?1 AND NOT EXISTS (SELECT 1 FROM act AS l WHERE l.about = act.id)
                 ORDER BY act.id DESC LIMIT 1"
            );
            let found = lines(connection, &statement, params![stored(since)])?;
            Ok(found.into_iter().next().map(|line| (line.act.actor, line.act.person)))
        })
        .await
    }

    /// A receiver has every line until this one.
    pub async fn acts_forwarded(&self, until: u64) -> Result<()> {
        self.write("record what was forwarded", move |transaction, _now| {
            identity::put(transaction, FORWARDED, &until.to_be_bytes())
        })
        .await
    }

    /// Lets go of the oldest lines, at most a thousand at once: those recorded `days` ago or
    /// earlier, and never fewer than [`LEAST_DAYS`]; with `forwarded_only`, of what a receiver has.
    /// Called until it removes nothing.
    pub async fn acts_let_go(&self, days: u32, forwarded_only: bool) -> Result<u64> {
        self.write("let go of old acts", move |transaction, now| {
            let age = SignedDuration::from_hours(24 * i64::from(days.max(LEAST_DAYS)));
            let until = now
                .saturating_sub(age)
                .map_err(|_no_span| Error::Unreadable { what: "age of acts" })?;
            let has = identity::number(transaction, FORWARDED)?.unwrap_or(0);
            let has = if forwarded_only { has.cast_signed() } else { i64::MAX };
            // The chain's beginning only, and never an act without what came of it: numbers rise
            // with time but for a clock that was set back, where what is younger stays.
            let statement = format!(
                "{LINE} WHERE act.id <= ?1 AND act.id < coalesce(
                    (SELECT min(id) FROM act WHERE at >= ?2), 9223372036854775807)
                 ORDER BY act.id LIMIT ?3"
            );
            let old = lines(transaction, &statement, params![has, stored(until), LET_GO])?;
            let Some(last) = old.last() else { return Ok(0) };
            identity::put(transaction, TAIL, &last.digest.0)?;
            let removed = transaction
                .execute("DELETE FROM act WHERE id <= ?1", [last.act.number.cast_signed()])
                .map_err(Error::engine("let go of old acts"))?;
            Ok(u64::try_from(removed).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn before(number: Option<u64>) -> i64 {
    number.and_then(|number| i64::try_from(number).ok()).unwrap_or(i64::MAX)
}

/// Adds a line in the transaction of what it tells.
pub(super) fn add(
    transaction: &Transaction<'_>,
    new: &NewAct,
    about: Option<u64>,
    now: Timestamp,
) -> Result<u64> {
    let act = Act {
        number: 0,
        at: now,
        actor: new.actor,
        person: cut(&new.person, 64),
        role: new.role.clone(),
        name: new.name.clone(),
        detail: cut(&new.detail, LONGEST_DETAIL),
        outcome: new.outcome.as_deref().map(|outcome| cut(outcome, LONGEST_DETAIL)),
    };
    let previous = end(transaction, HEAD)?.unwrap_or_else(start);
    let line = ActLine { act, about, form: 2, digest: previous };
    let digest = digest(previous, &line);
    let ActLine { act, .. } = line;
    transaction
        .execute(
            "INSERT INTO act (at, uid, gid, pid, name, detail, chain, form, person, role, outcome,
                              about)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 2, ?8, ?9, ?10, ?11)",
            params![
                stored(now),
                act.actor.uid,
                act.actor.gid,
                act.actor.pid,
                act.name,
                act.detail,
                digest.0,
                act.person,
                act.role,
                act.outcome,
                about.map(u64::cast_signed)
            ],
        )
        .map_err(Error::engine("record an act"))?;
    let number = transaction.last_insert_rowid().cast_unsigned();
    identity::put(transaction, HEAD, &digest.0)?;
    Ok(number)
}

/// At most so many bytes, whole characters; what was cut shows.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

const LINE: &str = "SELECT act.id, act.at, act.uid, act.gid, act.pid, act.name, act.detail,
    act.chain, act.form, act.person, act.role, act.outcome, act.about FROM act";

/// With what came of each.
const ACT: &str = "SELECT act.id, act.at, act.uid, act.gid, act.pid, act.name, act.detail,
    act.chain, act.form, act.person, act.role, coalesce(act.outcome, later.outcome), act.about
    FROM act LEFT JOIN act AS later ON later.about = act.id";

/// As an older schema, which knows form 1 alone, has them.
const OLD_LINE: &str = "SELECT act.id, act.at, act.uid, act.gid, act.pid, act.name, act.detail,
    act.chain, 1, NULL, NULL, NULL, NULL FROM act";

fn lines(
    connection: &Connection,
    statement: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<ActLine>> {
    let engine = || Error::engine("read acts");
    let mut statement = connection.prepare_cached(statement).map_err(engine())?;
    let mut rows = statement.query(values).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<ActLine> {
    let engine = || Error::engine("read an act");
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned).map_err(engine());
    let text = |at: usize| {
        row.get::<_, Option<String>>(at).map(Option::unwrap_or_default).map_err(engine())
    };
    let act = Act {
        number: number(0)?,
        at: instant(row.get(1).map_err(engine())?)?,
        actor: Actor {
            uid: row.get(2).map_err(engine())?,
            gid: row.get(3).map_err(engine())?,
            pid: row.get(4).map_err(engine())?,
        },
        person: text(9)?,
        role: text(10)?,
        name: text(5)?,
        detail: text(6)?,
        outcome: row.get(11).map_err(engine())?,
    };
    let about: Option<i64> = row.get(12).map_err(engine())?;
    Ok(ActLine {
        act,
        about: about.map(i64::cast_unsigned),
        form: row.get(8).map_err(engine())?,
        digest: DigestSha256(row.get(7).map_err(engine())?),
    })
}

/// What the first act is chained to.
fn start() -> DigestSha256 {
    DigestSha256::of(b"act-chain-1")
}

/// A digest that is kept beside the chain.
fn end(connection: &Connection, name: &'static str) -> Result<Option<DigestSha256>> {
    identity::get(connection, name)?
        .map(|bytes| {
            let digest = bytes.try_into().map(DigestSha256);
            digest.map_err(|_length| Error::Unreadable { what: "end of the acts" })
        })
        .transpose()
}

/// The digest of a line after the one before it. Form 1 knew neither persons nor outcomes; no
/// line of one form has the bytes of one of the other, for an instant never begins with a letter.
fn digest(previous: DigestSha256, line: &ActLine) -> DigestSha256 {
    let ActLine { act, about, form, .. } = line;
    let at = stored(act.at).to_be_bytes();
    let number = |value: Option<i64>| value.unwrap_or(-1).to_be_bytes();
    let who = [
        number(act.actor.uid.map(i64::from)),
        number(act.actor.gid.map(i64::from)),
        number(act.actor.pid.map(i64::from)),
    ];
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
    if *form == 1 {
        return DigestSha256::of_parts([
            previous.0.as_slice(),
            &at,
            who.as_flattened(),
            &length(&act.name),
            act.name.as_bytes(),
            act.detail.as_bytes(),
        ]);
    }
    let about = number(about.map(u64::cast_signed));
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&previous.0);
    bytes.extend_from_slice(b"act-2");
    bytes.extend_from_slice(&at);
    bytes.extend_from_slice(who.as_flattened());
    bytes.extend_from_slice(&about);
    bytes.push(u8::from(act.outcome.is_some()));
    let outcome = act.outcome.as_deref().unwrap_or_default();
    for text in [&act.person, &act.role, &act.name, &act.detail, outcome] {
        bytes.extend_from_slice(&length(text));
        bytes.extend_from_slice(text.as_bytes());
    }
    DigestSha256::of(&bytes)
}

/// Proves the chain of acts; returns how many lines there are.
pub(super) fn acts_verify(connection: &Connection, problems: &mut Vec<String>) -> Result<u64> {
    let engine = || Error::engine("prove the acts");
    // A backup of an older schema has acts of form 1 alone.
    let has_forms = connection
        .prepare_cached("SELECT 1 FROM pragma_table_info('act') WHERE name = 'form'")
        .and_then(|mut statement| statement.exists([]))
        .map_err(engine())?;
    let line = if has_forms { LINE } else { OLD_LINE };
    let mut statement = connection.prepare(&format!("{line} ORDER BY act.id")).map_err(engine())?;
    let mut rows = statement.query([]).map_err(engine())?;
    let (mut previous, mut count) = (end(connection, TAIL)?.unwrap_or_else(start), 0);
    while let Some(row) = rows.next().map_err(engine())? {
        let line = read(row)?;
        count += 1;
        previous = digest(previous, &line);
        if previous != line.digest {
            problems.push(format!("act {} does not match its digest", line.act.number));
            return Ok(count);
        }
    }
    if end(connection, HEAD)?.unwrap_or_else(start) != previous {
        problems.push("the newest acts are missing".to_owned());
    }
    Ok(count)
}
