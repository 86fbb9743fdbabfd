//! What one side remembers: what it sent and what came. A write is one transaction, durable before
//! it returns.

use std::path::Path;

use aws_lc_rs::rand;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Address, Gap};
use crate::delivery::DigestSha256;
use crate::signing::Encoding;
use crate::sql;

const SCHEMA: &str = include_str!("schema.sql");
/// What comes so much later than what is missed stays in the folder.
const WINDOW: u64 = 100_000;
/// Gaps that are told.
const MOST_GAPS: usize = 100;
/// Rows let go of at once.
const RETIRE_ROWS: u32 = 1_000;
/// Reasons that are kept.
const MOST_ASIDE: u32 = 10_000;

type Result<T> = std::result::Result<T, sql::Error>;

/// Makes an answer to something missed under a number of ours.
pub(super) type Reseal<'a> = &'a dyn Fn(&Address, &Address) -> Option<Vec<u8>>;

/// See the module.
pub(super) struct Store(Connection);

/// Something that was sent.
pub(super) struct Sent {
    pub(super) address: Address,
    pub(super) operation: String,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) heard: Option<Timestamp>,
    pub(super) is_told: bool,
}

/// Something that came and is whole.
pub(super) struct Came<'a> {
    pub(super) from: &'a Address,
    pub(super) file: &'a [u8],
    /// What it answers, where it is an answer.
    pub(super) to: Option<&'a Address>,
}

/// What is done with a file that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admitted {
    /// It is kept here now.
    Taken,
    /// It came before.
    Before,
    /// Not yet: it stays where it lies.
    Left,
    /// It is not one to act on, for this reason.
    Aside(&'static str),
}

/// The figures of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) incarnation: String,
    pub(super) last: u64,
    pub(super) unput: u64,
    pub(super) unanswered: u64,
    pub(super) unanswered_since: Option<Timestamp>,
    pub(super) peer: Option<String>,
    pub(super) came: u64,
    pub(super) acted: u64,
    pub(super) waiting: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) gap_since: Option<Timestamp>,
    pub(super) offered: Vec<String>,
    pub(super) aside: u64,
    pub(super) aside_last: Option<(String, String)>,
}

impl Store {
    /// `None` where it is somebody else's. `origin` is an installation, `-`, and its incarnation.
    pub(super) fn open(
        path: &Path,
        (origin, side): (&str, &str),
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let connection = sql::open_read_write(path)?;
        connection.execute_batch(SCHEMA)?;
        let mut store = Self(connection);
        let installation = origin.split('-').next().unwrap_or_default();
        let own = format!("{installation} {side}");
        let owner: String = store.write(|it| {
            // One that was begun before owners were written down is that of its history.
            let sql = "INSERT OR IGNORE INTO owner (place, name) VALUES (1, coalesce(
                 (SELECT substr(origin, 1, instr(origin || '-', '-') - 1) || ' ' || ?2
                  FROM own ORDER BY place DESC LIMIT 1), ?1))";
            it.execute(sql, params![own, side])?;
            Ok(it.query_row("SELECT name FROM owner", [], |row| row.get(0))?)
        })?;
        if owner != own {
            return Ok(None);
        }
        let known: Option<String> = store
            .0
            .query_row("SELECT origin FROM own ORDER BY place DESC LIMIT 1", [], |row| row.get(0))
            .optional()?;
        if known.is_none_or(|known| known != origin) {
            store.begin(origin, now)?;
        }
        Ok(Some(store))
    }

    /// What is there, for looking: nothing is made and nothing begun.
    pub(super) fn look(path: &Path) -> Result<Self> {
        Ok(Self(sql::open_read_only(path)?))
    }

    /// Copies everything into a file that is not there yet.
    pub(super) fn copy(&self, to: &Path) -> Result<()> {
        let to = to.to_string_lossy();
        self.0.execute("VACUUM INTO ?1", [to.as_ref()])?;
        Ok(())
    }

    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// A new incarnation: numbers begin again, and what had no answer is waited for no more.
    pub(super) fn begin(&mut self, origin: &str, now: Timestamp) -> Result<()> {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes).expect("the system's random numbers do not run out");
        let name = Encoding::Hex.encode(&bytes);
        self.write(|it| {
            it.execute("UPDATE sent SET is_over = 1 WHERE answer IS NULL", [])?;
            it.execute(
                "INSERT INTO own (incarnation, origin, begun_us) VALUES (?1, ?2, ?3)",
                params![name, origin, now.as_microsecond()],
            )?;
            Ok(())
        })
    }

    /// The history of the ledger that we were begun in.
    pub(super) fn origin(&self) -> Result<String> {
        let sql = "SELECT origin FROM own ORDER BY place DESC LIMIT 1";
        Ok(self.0.query_row(sql, [], |row| row.get(0))?)
    }

    /// Gives the next number to what `seal` makes of it.
    pub(super) fn sent(
        &mut self,
        (subject, operation): (&str, &str),
        now: Timestamp,
        seal: impl FnOnce(&Address) -> Option<Vec<u8>>,
    ) -> Result<Option<Address>> {
        self.write(|it| sent(it, (subject, operation, None), now, seal))
    }

    /// A request was acted on, and this is its answer, if there is to be one.
    pub(super) fn acted(
        &mut self,
        from: &Address,
        now: Timestamp,
        seal: Option<impl FnOnce(&Address) -> Option<Vec<u8>>>,
    ) -> Result<()> {
        self.write(|it| {
            it.execute(
                "UPDATE came SET state = 'acted', sealed = NULL
                 WHERE incarnation = ?1 AND number = ?2",
                params![from.incarnation, signed(from.number)],
            )?;
            advance(it, &from.incarnation)?;
            if let Some(seal) = seal {
                sent(it, ("answer", "", Some(from)), now, seal)?;
            }
            Ok(())
        })
    }

    /// What was not put into the folder yet, in its order.
    pub(super) fn unput(&self, limit: u32) -> Result<Vec<(Address, Vec<u8>)>> {
        let mut query = self.0.prepare_cached(
            "SELECT incarnation, number, sealed FROM sent
             WHERE is_put = 0 AND sealed <> x'' ORDER BY place LIMIT ?1",
        )?;
        let rows = query.query_map([limit], |row| {
            Ok((Address { incarnation: row.get(0)?, number: number(row.get(1)?) }, row.get(2)?))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    pub(super) fn put(&mut self, it: &Address) -> Result<()> {
        let sql = "UPDATE sent SET is_put = 1 WHERE incarnation = ?1 AND number = ?2";
        self.0.execute(sql, params![it.incarnation, signed(it.number)])?;
        Ok(())
    }

    /// The last that was sent about something; what belongs to a past that is over is not.
    pub(super) fn last(&self, subject: &str) -> Result<Option<Sent>> {
        let sql = "SELECT incarnation, number, operation, answer, heard_us, is_told FROM sent
                   WHERE subject = ?1 AND is_over = 0 ORDER BY place DESC LIMIT 1";
        let found = self.0.query_row(sql, [subject], |row| {
            Ok(Sent {
                address: Address { incarnation: row.get(0)?, number: number(row.get(1)?) },
                operation: row.get(2)?,
                answer: row.get(3)?,
                heard: instant(row.get(4)?),
                is_told: row.get(5)?,
            })
        });
        Ok(found.optional()?)
    }

    /// An answer was told on.
    pub(super) fn told(&mut self, it: &Address) -> Result<()> {
        let sql = "UPDATE sent SET is_told = 1 WHERE incarnation = ?1 AND number = ?2";
        self.0.execute(sql, params![it.incarnation, signed(it.number)])?;
        Ok(())
    }

    /// Takes in what came, at most `room` of it to wait.
    pub(super) fn admit(&mut self, came: &Came<'_>, room: u32, now: Timestamp) -> Result<Admitted> {
        self.write(|it| {
            let name = &came.from.incarnation;
            let peer: Option<(String, i64)> = it
                .query_row("SELECT state, next FROM peer WHERE incarnation = ?1", [name], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let (state, next) = match peer {
                Some((state, next)) => (state, number(next)),
                None => {
                    let known = it.query_row("SELECT count(*) FROM peer", [], |row| row.get(0))?;
                    let known: i64 = known;
                    let state = if known == 0 { "current" } else { "offered" };
                    let sql = "INSERT INTO peer (incarnation, state, since_us) VALUES (?1, ?2, ?3)";
                    it.execute(sql, params![name, state, now.as_microsecond()])?;
                    (state.to_owned(), 1)
                }
            };
            match state.as_str() {
                "current" => admit(it, came, (next, room), now),
                "over" => Ok(known(it, came)?.unwrap_or(Admitted::Aside("incarnation-over"))),
                _ => Ok(Admitted::Left),
            }
        })
    }

    /// What is to be acted on now: no number before it is missed.
    pub(super) fn next(&self) -> Result<Option<(Address, Vec<u8>)>> {
        let sql = "SELECT came.incarnation, came.number, came.sealed FROM came
                   JOIN peer ON peer.incarnation = came.incarnation AND peer.next = came.number
                   WHERE peer.state = 'current' AND came.state = 'waiting'";
        let found = self.0.query_row(sql, [], |row| {
            Ok((Address { incarnation: row.get(0)?, number: number(row.get(1)?) }, row.get(2)?))
        });
        Ok(found.optional()?)
    }

    /// Puts what was sent into the folder again; how many.
    pub(super) fn again(&mut self, from: u64, to: u64) -> Result<u64> {
        let sql = "UPDATE sent SET is_put = 0 WHERE sealed <> x'' AND number BETWEEN ?1 AND ?2
                   AND incarnation = (SELECT incarnation FROM own ORDER BY place DESC LIMIT 1)";
        let changed = self.0.execute(sql, params![signed(from), signed(to)])?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    /// Puts the answer to what came twice into the folder again.
    pub(super) fn answer_again(&mut self, to: &Address) -> Result<()> {
        let sql = "UPDATE sent SET is_put = 0 WHERE to_incarnation = ?1 AND to_number = ?2";
        self.0.execute(sql, params![to.incarnation, signed(to.number)])?;
        Ok(())
    }

    /// Passes over what is missed; how many numbers. `seal` makes an answer to one of them under a
    /// number of ours.
    pub(super) fn skip(
        &mut self,
        (from, to): (u64, u64),
        now: Timestamp,
        seal: Option<Reseal<'_>>,
    ) -> Result<u64> {
        let Some((peer, _)) = self.peer()? else { return Ok(0) };
        let gaps = self.gaps(&peer)?;
        self.write(|it| {
            let mut passed = 0;
            for gap in gaps {
                for number in gap.from.max(from)..=gap.to.min(to) {
                    it.execute(
                        "INSERT OR IGNORE INTO came (incarnation, number, at_us, state)
                         VALUES (?1, ?2, ?3, 'skipped')",
                        params![peer, signed(number), now.as_microsecond()],
                    )?;
                    passed += 1;
                    let missed = Address { incarnation: peer.clone(), number };
                    if let Some(seal) = seal {
                        let about = ("answer", "", Some(&missed));
                        sent(it, about, now, |own| seal(&missed, own))?;
                    }
                }
            }
            advance(it, &peer)?;
            Ok(passed)
        })
    }

    /// Another incarnation of the other side is right; false where none of this name was seen.
    pub(super) fn accept(&mut self, incarnation: &str, now: Timestamp) -> Result<bool> {
        self.write(|it| {
            let offered = "SELECT count(*) FROM peer WHERE incarnation = ?1 AND state = 'offered'";
            let offered: i64 = it.query_row(offered, [incarnation], |row| row.get(0))?;
            if offered == 0 {
                return Ok(false);
            }
            it.execute("UPDATE peer SET state = 'over' WHERE state = 'current'", [])?;
            it.execute(
                "UPDATE came SET state = 'skipped', sealed = NULL WHERE state = 'waiting'",
                [],
            )?;
            it.execute(
                "UPDATE peer SET state = 'current', since_us = ?2 WHERE incarnation = ?1",
                params![incarnation, now.as_microsecond()],
            )?;
            Ok(true)
        })
    }

    pub(super) fn aside(&mut self, name: &str, reason: &str, now: Timestamp) -> Result<()> {
        self.write(|it| {
            let sql = "INSERT INTO aside (name, reason, at_us) VALUES (?1, ?2, ?3)";
            it.execute(sql, params![name, reason, now.as_microsecond()])?;
            let sql = "DELETE FROM aside WHERE place <= (SELECT max(place) FROM aside) - ?1";
            it.execute(sql, [MOST_ASIDE])?;
            Ok(())
        })
    }

    /// Requests that may still be answered: how many, and since when the oldest waits.
    pub(super) fn unanswered(&self) -> Result<(u64, Option<Timestamp>)> {
        let sql = "SELECT count(*), min(made_us) FROM sent
                   WHERE answer IS NULL AND is_over = 0 AND to_number IS NULL";
        let found = self.0.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((number(found.0), instant(found.1)))
    }

    /// Lets go of what was over before an instant. One way nothing is ever answered.
    pub(super) fn retire(&mut self, before: Timestamp, is_one_way: bool) -> Result<()> {
        let before = before.as_microsecond();
        self.write(|it| {
            it.execute(
                "DELETE FROM sent WHERE place IN (SELECT place FROM sent WHERE made_us < ?1
                     AND is_put = 1 AND (answer IS NOT NULL OR is_over = 1 OR ?2
                                         OR to_number IS NOT NULL) LIMIT ?3)",
                params![before, is_one_way, RETIRE_ROWS],
            )?;
            it.execute(
                "DELETE FROM came WHERE rowid IN (SELECT came.rowid FROM came
                     JOIN peer ON peer.incarnation = came.incarnation
                     WHERE came.at_us < ?1 AND came.state <> 'waiting'
                       AND came.number < peer.next LIMIT ?2)",
                params![before, RETIRE_ROWS],
            )?;
            Ok(())
        })
    }

    fn peer(&self) -> Result<Option<(String, u64)>> {
        let sql = "SELECT incarnation, next FROM peer WHERE state = 'current'";
        let found = self.0.query_row(sql, [], |row| Ok((row.get(0)?, number(row.get(1)?))));
        Ok(found.optional()?)
    }

    /// The numbers that are missed before one that came.
    fn gaps(&self, peer: &str) -> Result<Vec<Gap>> {
        let mut query = self.0.prepare_cached(
            "SELECT came.number FROM came JOIN peer ON peer.incarnation = came.incarnation
             WHERE came.incarnation = ?1 AND came.number >= peer.next ORDER BY came.number",
        )?;
        let next = "SELECT next FROM peer WHERE incarnation = ?1";
        let mut next = number(self.0.query_row(next, [peer], |row| row.get(0))?);
        let mut gaps = Vec::new();
        let mut rows = query.query([peer])?;
        while let Some(row) = rows.next()? {
            let came = number(row.get(0)?);
            if came > next && gaps.len() < MOST_GAPS {
                gaps.push(Gap { from: next, to: came - 1 });
            }
            next = came + 1;
        }
        Ok(gaps)
    }

    pub(super) fn figures(&self) -> Result<Figures> {
        let own = "SELECT incarnation, last FROM own ORDER BY place DESC LIMIT 1";
        let own = self.0.query_row(own, [], |row| Ok((row.get(0)?, number(row.get(1)?))))?;
        let count =
            |sql: &str| -> Result<u64> { Ok(number(self.0.query_row(sql, [], |row| row.get(0))?)) };
        let (unanswered, unanswered_since) = self.unanswered()?;
        let mut figures = Figures {
            incarnation: own.0,
            last: own.1,
            unput: count("SELECT count(*) FROM sent WHERE is_put = 0")?,
            unanswered,
            unanswered_since,
            waiting: count("SELECT count(*) FROM came WHERE state = 'waiting'")?,
            aside: count("SELECT count(*) FROM aside")?,
            ..Figures::default()
        };
        let last = "SELECT name, reason FROM aside ORDER BY place DESC LIMIT 1";
        let last = self.0.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?)));
        figures.aside_last = last.optional()?;
        let mut query = self.0.prepare("SELECT incarnation FROM peer WHERE state = 'offered'")?;
        let offered = query.query_map([], |row| row.get(0))?;
        figures.offered = offered.collect::<std::result::Result<_, _>>()?;
        if let Some((peer, next)) = self.peer()? {
            figures.gaps = self.gaps(&peer)?;
            let sql = "SELECT max(number), min(at_us) FILTER (WHERE number > ?2) FROM came
                       WHERE incarnation = ?1";
            let seen = self.0.query_row(sql, params![peer, signed(next)], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get(1)?))
            })?;
            figures.came = number(seen.0.unwrap_or(0)).max(next - 1);
            figures.gap_since = instant(seen.1).filter(|_| !figures.gaps.is_empty());
            figures.acted = next - 1;
            figures.peer = Some(peer);
        }
        Ok(figures)
    }
}

fn sent(
    it: &Transaction<'_>,
    (subject, operation, to): (&str, &str, Option<&Address>),
    now: Timestamp,
    seal: impl FnOnce(&Address) -> Option<Vec<u8>>,
) -> Result<Option<Address>> {
    let sql = "UPDATE own SET last = last + 1 WHERE place = (SELECT max(place) FROM own)
               RETURNING incarnation, last";
    let address = it.query_row(sql, [], |row| {
        Ok(Address { incarnation: row.get(0)?, number: number(row.get(1)?) })
    })?;
    let Some(sealed) = seal(&address) else { return Ok(None) };
    it.execute(
        "INSERT INTO sent (incarnation, number, subject, made_us, sealed, to_incarnation, to_number,
                           operation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            address.incarnation,
            signed(address.number),
            subject,
            now.as_microsecond(),
            sealed,
            to.map(|to| &to.incarnation),
            to.map(|to| signed(to.number)),
            operation,
        ],
    )?;
    Ok(Some(address))
}

/// Whether it came before, where that is known.
fn known(it: &Transaction<'_>, came: &Came<'_>) -> Result<Option<Admitted>> {
    let sql = "SELECT digest, state FROM came WHERE incarnation = ?1 AND number = ?2";
    let with = params![came.from.incarnation, signed(came.from.number)];
    let found: Option<(Option<[u8; 32]>, String)> =
        it.query_row(sql, with, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(digest, state)| match digest {
        Some(digest) if digest == DigestSha256::of(came.file).0 => Admitted::Before,
        Some(_) => Admitted::Aside("number-used-twice"),
        None if state == "skipped" => Admitted::Aside("passed-over"),
        None => Admitted::Before,
    }))
}

fn admit(
    it: &Transaction<'_>,
    came: &Came<'_>,
    (next, room): (u64, u32),
    now: Timestamp,
) -> Result<Admitted> {
    if let Some(known) = known(it, came)? {
        return Ok(known);
    }
    let Address { incarnation, number: it_is } = came.from;
    if *it_is < next {
        // So long ago that only its number is remembered.
        return Ok(Admitted::Before);
    }
    let waiting: i64 =
        it.query_row("SELECT count(*) FROM came WHERE state = 'waiting'", [], |row| row.get(0))?;
    // What closes a gap is always taken.
    let is_full = waiting >= i64::from(room) && *it_is != next;
    if is_full || it_is.saturating_sub(next) > WINDOW {
        return Ok(Admitted::Left);
    }
    let (state, kept) = match came.to {
        Some(_) => ("acted", None),
        None => ("waiting", Some(came.file)),
    };
    it.execute(
        "INSERT INTO came (incarnation, number, digest, at_us, state, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            incarnation,
            signed(*it_is),
            DigestSha256::of(came.file).0,
            now.as_microsecond(),
            state,
            kept,
        ],
    )?;
    if let Some(to) = came.to {
        // Each answer names what it answers, so that none waits for another.
        it.execute(
            "UPDATE sent SET answer = ?3, heard_us = ?4, sealed = x'', is_put = 1, is_over = 0
             WHERE incarnation = ?1 AND number = ?2 AND answer IS NULL",
            params![to.incarnation, signed(to.number), came.file, now.as_microsecond()],
        )?;
        advance(it, incarnation)?;
    }
    Ok(Admitted::Taken)
}

/// Moves on over everything that was acted on or passed over.
fn advance(it: &Transaction<'_>, incarnation: &str) -> Result<()> {
    let sql = "UPDATE peer SET next = next + 1 WHERE incarnation = ?1 AND EXISTS
               (SELECT 1 FROM came WHERE came.incarnation = peer.incarnation
                AND came.number = peer.next AND came.state <> 'waiting')";
    while it.prepare_cached(sql)?.execute([incarnation])? > 0 {}
    Ok(())
}

fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn instant(stored: Option<i64>) -> Option<Timestamp> {
    stored.and_then(|us| Timestamp::from_microsecond(us).ok())
}
