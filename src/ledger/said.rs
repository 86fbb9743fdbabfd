//! What the province said when it did not simply take something, and how far its clock is from ours.
//!
//! Kept for an appeal: who says that a month was marked wrongly has to show what was answered, and
//! when by the province's own clock. Answers are kept redacted (no row content, no key, no secret:
//! what arrives here is the shape of an answer and its codes), each kind of answer about one batch
//! once with a count, and only so many of them. Of the clock each day keeps three figures.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Error, Ledger, Result, instant, stored};
use crate::delivery::{ChannelId, DigestSha256};
use crate::fact::{Fact, Kind};

/// Answers that are kept, of all channels.
const MOST_SAID: i64 = 5_000;
/// Days of clock figures that are kept of each channel.
const MOST_DAYS: i64 = 800;
/// How the subject of a channel's probes begins.
const CHANNEL: &str = "channel:";

/// An answer to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewSaid {
    /// On which channel.
    pub channel: ChannelId,
    /// To which operation.
    pub operation: String,
    /// About which batch, where it is about one.
    pub batch: String,
    /// How it was classed.
    pub outcome: String,
    /// The province's code.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The answer, redacted.
    pub shown: String,
    /// Bytes of the answer as it came.
    pub bytes: u64,
    /// SHA-256 of the answer as it came.
    pub digest: DigestSha256,
    /// How far the province's clock was ahead.
    pub ahead: Option<SignedDuration>,
}

/// A kept answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// What was said.
    pub said: NewSaid,
    /// What the batch was about: a dataset, or `kind:id`; empty where that is not known.
    pub subject: String,
    /// When it came first, by our clock.
    pub first_at: Timestamp,
    /// When it came last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
}

/// A channel's clock on a day (UTC).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClockDay {
    /// On which channel.
    pub channel: ChannelId,
    /// Which day.
    pub day: Date,
    /// How far it was ahead at least …
    pub least: SignedDuration,
    /// … and at most …
    pub most: SignedDuration,
    /// … and at last.
    pub last: SignedDuration,
    /// When that was.
    pub last_at: Timestamp,
    /// How many answers told the time.
    pub answers: u64,
}

/// A channel stopped answering, or answers again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reached {
    /// Which.
    pub channel: ChannelId,
    /// Since when.
    pub at: Timestamp,
    /// Calls that were answered: 0 where it stopped.
    pub answered: u64,
    /// Calls that were not, since the last such fact.
    pub unanswered: u64,
}

const KEEP: &str = "keep an answer";
const READ: &str = "read what was said";

impl Ledger {
    /// Keeps an answer. The same again is counted.
    pub async fn reply_kept(&self, new: NewSaid) -> Result<()> {
        self.write(KEEP, move |transaction, now| {
            let subject = subject_of(transaction, &new.batch)?;
            transaction
                .prepare_cached(
                    "INSERT INTO said (channel, operation, batch, subject, outcome, code, status,
                        shown, bytes, digest, ahead, first_at, last_at, times)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, 1)
                     ON CONFLICT (channel, operation, batch, outcome, code, status) DO UPDATE SET
                        shown = excluded.shown, bytes = excluded.bytes, digest = excluded.digest,
                        ahead = excluded.ahead, last_at = excluded.last_at, times = times + 1",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        new.channel.as_str(),
                        new.operation,
                        new.batch,
                        subject,
                        new.outcome,
                        new.code,
                        new.status,
                        new.shown,
                        new.bytes.cast_signed(),
                        new.digest.0,
                        new.ahead.map(millis),
                        stored(now)
                    ])
                })
                .map_err(Error::engine(KEEP))?;
            transaction
                .prepare_cached("DELETE FROM said WHERE id <= (SELECT max(id) FROM said) - ?1")
                .and_then(|mut statement| statement.execute([MOST_SAID]))
                .map(drop)
                .map_err(Error::engine(KEEP))
        })
        .await
    }

    /// Answers about a subject, or, where it is empty, all of them: those that came last first.
    pub async fn said(
        &self,
        subject: String,
        (from, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Said>> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, operation, batch, outcome, code, status, shown, bytes, digest,
                        ahead, subject, first_at, last_at, times
                     FROM said WHERE (?1 = '' OR subject = ?1) AND last_at >= ?2 AND first_at < ?3
                     ORDER BY last_at DESC, id DESC LIMIT ?4",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement
                .query(params![subject, stored(from), stored(until), limit])
                .map_err(Error::engine(READ))?;
            let mut said = Vec::new();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                said.push(read_said(row)?);
            }
            Ok(said)
        })
        .await
    }

    /// Adds what answers told of the province's time, and which channels stopped or began to answer.
    pub async fn contact_seen(&self, clocks: Vec<ClockDay>, reached: Vec<Reached>) -> Result<()> {
        self.write("record how channels answer", move |transaction, now| {
            for it in &clocks {
                clock_seen(transaction, it)?;
            }
            for it in reached {
                let kind = Kind::Probed { succeeded: it.answered, failed: it.unanswered };
                let subject = format!("{CHANNEL}{}", it.channel);
                let of = (Some(&it.channel), subject.as_str());
                super::history::record_at(transaction, of, kind, it.at, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Whether a channel had stopped answering when that was last recorded.
    pub async fn is_silent(&self, channel: ChannelId) -> Result<bool> {
        self.read(move |connection| {
            let body: Option<Vec<u8>> = connection
                .prepare_cached(
                    "SELECT body FROM fact WHERE kind = 'probed' AND subject = ?1
                     ORDER BY occurred DESC, id DESC LIMIT 1",
                )
                .and_then(|mut statement| {
                    let subject = format!("{CHANNEL}{channel}");
                    statement.query_row([subject], |row| row.get(0)).optional()
                })
                .map_err(Error::engine(READ))?;
            let Some(body) = body else { return Ok(false) };
            let fact =
                Fact::decode(&body).map_err(|_unreadable| Error::Unreadable { what: "fact" })?;
            Ok(matches!(fact.kind, Kind::Probed { succeeded: 0, .. }))
        })
        .await
    }

    /// The clocks of all channels, day by day.
    pub async fn clocks(&self, from: Date, until: Date) -> Result<Vec<ClockDay>> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, day, least, most, last, last_at, answers FROM clock_day
                     WHERE day >= ?1 AND day <= ?2 ORDER BY day, channel",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement
                .query([from.to_string(), until.to_string()])
                .map_err(Error::engine(READ))?;
            let mut days = Vec::new();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                days.push(read_clock(row)?);
            }
            Ok(days)
        })
        .await
    }
}

/// What a batch is about; retention may have taken it.
fn subject_of(transaction: &Transaction<'_>, batch: &str) -> Result<String> {
    let Some(id) = crate::delivery::BatchId::parse(batch) else { return Ok(String::new()) };
    let found = transaction
        .prepare_cached("SELECT subject FROM batch WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)).optional())
        .map_err(Error::engine(KEEP))?;
    Ok(found.unwrap_or_default())
}

fn clock_seen(transaction: &Transaction<'_>, it: &ClockDay) -> Result<()> {
    let engine = || Error::engine("record how channels answer");
    transaction
        .prepare_cached(
            "INSERT INTO clock_day (channel, day, least, most, last, last_at, answers)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (channel, day) DO UPDATE SET least = min(least, excluded.least),
                most = max(most, excluded.most), last = excluded.last,
                last_at = excluded.last_at, answers = answers + excluded.answers",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                it.channel.as_str(),
                it.day.to_string(),
                millis(it.least),
                millis(it.most),
                millis(it.last),
                stored(it.last_at),
                it.answers.cast_signed()
            ])
        })
        .map_err(engine())?;
    transaction
        .prepare_cached(
            "DELETE FROM clock_day WHERE channel = ?1 AND day NOT IN
                (SELECT day FROM clock_day WHERE channel = ?1 ORDER BY day DESC LIMIT ?2)",
        )
        .and_then(|mut statement| statement.execute(params![it.channel.as_str(), MOST_DAYS]))
        .map(drop)
        .map_err(engine())
}

fn millis(of: SignedDuration) -> i64 {
    i64::try_from(of.as_millis()).unwrap_or(if of.is_negative() { i64::MIN } else { i64::MAX })
}

fn read_said(row: &Row<'_>) -> Result<Said> {
    let engine = || Error::engine(READ);
    let text = |at| row.get::<_, String>(at).map_err(engine());
    let number = |at| row.get::<_, i64>(at).map_err(engine());
    let ahead: Option<i64> = row.get(9).map_err(engine())?;
    Ok(Said {
        said: NewSaid {
            channel: ChannelId::from(text(0)?),
            operation: text(1)?,
            batch: text(2)?,
            outcome: text(3)?,
            code: text(4)?,
            status: u16::try_from(number(5)?).unwrap_or_default(),
            shown: text(6)?,
            bytes: number(7)?.cast_unsigned(),
            digest: DigestSha256(row.get(8).map_err(engine())?),
            ahead: ahead.map(SignedDuration::from_millis),
        },
        subject: text(10)?,
        first_at: instant(number(11)?)?,
        last_at: instant(number(12)?)?,
        times: number(13)?.cast_unsigned(),
    })
}

fn read_clock(row: &Row<'_>) -> Result<ClockDay> {
    let engine = || Error::engine(READ);
    let text = |at| row.get::<_, String>(at).map_err(engine());
    let number = |at| row.get::<_, i64>(at).map_err(engine());
    let day = text(1)?.parse().map_err(|_bad| Error::Unreadable { what: "day" })?;
    Ok(ClockDay {
        channel: ChannelId::from(text(0)?),
        day,
        least: SignedDuration::from_millis(number(2)?),
        most: SignedDuration::from_millis(number(3)?),
        last: SignedDuration::from_millis(number(4)?),
        last_at: instant(number(5)?)?,
        answers: number(6)?.cast_unsigned(),
    })
}
