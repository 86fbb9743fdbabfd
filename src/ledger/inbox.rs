//! The inbox: what the province tells by itself, as said, until somebody has handled it.
//!
//! One line for each state that a row of a down-link table was seen in. Reading the same rows again
//! changes nothing; a row that was changed again within the same instant replaces what was said
//! of that instant. Keys are keyed digests, bodies and positions are sealed.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Error, Ledger, Result, stored};
use crate::delivery::{ChannelId, DigestSha256};
use crate::row::KeyDigest;

/// A content's digest stands before its sealed text, to tell whether it is another.
const DIGEST_BYTES: usize = size_of::<KeyDigest>();
pub(super) const JUDGE: &str = "judge the inbox";

/// A row of a down-link table, ready to be kept.
#[derive(Clone, Debug)]
pub struct Told {
    /// Keyed digest of its key.
    pub key: KeyDigest,
    /// Keyed digest of its content.
    pub content: KeyDigest,
    /// When the province touched it, as said.
    pub operated: String,
    /// What the province did, as said.
    pub action: String,
    /// The content, sealed.
    pub body: Vec<u8>,
}

/// A line of the inbox.
#[derive(Clone, Debug)]
pub struct InboxLine {
    /// Its number.
    pub number: u64,
    /// The table.
    pub source: String,
    /// Keyed digest of the row's key.
    pub key: String,
    /// When the province touched it, as said.
    pub operated: String,
    /// What the province did, as said.
    pub action: String,
    /// The content, sealed.
    pub body: Vec<u8>,
}

/// Lines of one table that nobody has handled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxCount {
    /// The table.
    pub source: String,
    /// How many.
    pub waiting: u64,
}

/// What one table told with one letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxSum {
    /// On which channel.
    pub channel: ChannelId,
    /// The table.
    pub source: String,
    /// What the province did, as said.
    pub action: String,
    /// Lines that nobody has handled.
    pub waiting: u64,
    /// Those of them without a date.
    pub undated: u64,
    /// The newest date, as said.
    pub newest: Option<String>,
    /// When the last of them was read.
    pub received: Option<Timestamp>,
}

/// A line without its content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxSight {
    /// Its number.
    pub number: u64,
    /// On which channel.
    pub channel: ChannelId,
    /// The table.
    pub source: String,
    /// Keyed digest of the row's key.
    pub key: String,
    /// When the province touched it, as said; empty where it did not say.
    pub operated: String,
    /// What the province did, as said.
    pub action: String,
    /// When it was read.
    pub received: Timestamp,
}

/// A line that was not judged under a declaration.
#[derive(Clone, Debug)]
pub struct InboxUnjudged {
    /// Its number.
    pub number: u64,
    /// When the province touched the row, as said.
    pub operated: String,
    /// What the province did, as said.
    pub action: String,
    /// The content's digest.
    pub content: Vec<u8>,
    /// The content, sealed.
    pub body: Vec<u8>,
}

/// What a line was judged to say.
#[derive(Clone, Debug)]
pub struct LineJudged<S> {
    /// The line.
    pub line: u64,
    /// Of the content that was judged: if it is another by now, the judgement is void.
    pub content: Vec<u8>,
    /// What it says; nothing where it could not be read.
    pub said: Option<S>,
    /// Whose it is could not be told: it is judged again when more is known.
    pub is_unowned: bool,
}

impl Ledger {
    /// What waits in the inbox of every channel, by table and letter.
    pub async fn inbox_sums(&self) -> Result<Vec<InboxSum>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, source, action, count(*), sum(operated = ''),
                            max(nullif(operated, '')), max(received)
                     FROM inbox WHERE handled_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                )
                .map_err(Error::engine("sum up the inbox"))?;
            let rows = statement.query_map([], |row| {
                let number = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
                Ok(InboxSum {
                    channel: ChannelId::from(row.get::<_, String>(0)?),
                    source: row.get(1)?,
                    action: row.get(2)?,
                    waiting: number(3)?,
                    undated: number(4)?,
                    newest: row.get(5)?,
                    received: Some(moment(row, 6)?),
                })
            });
            let sums = rows.and_then(Iterator::collect);
            sums.map_err(Error::engine("sum up the inbox"))
        })
        .await
    }

    /// Lines with higher numbers than `after`, in their order, and how many there are in all.
    pub async fn inbox_page(
        &self,
        channel: Option<ChannelId>,
        source: Option<String>,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<InboxSight>, u64)> {
        self.read(move |connection| {
            let channel = channel.as_ref().map(ChannelId::as_str);
            let told = |error| Error::engine("list the inbox")(error);
            let total: i64 = connection
                .query_row(
                    "SELECT count(*) FROM inbox WHERE handled_at IS NULL
                     AND (?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR source = ?2)",
                    params![channel, source],
                    |row| row.get(0),
                )
                .map_err(told)?;
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, channel, source, key, operated, action, received FROM inbox
                     WHERE handled_at IS NULL AND (?1 IS NULL OR channel = ?1)
                     AND (?2 IS NULL OR source = ?2) AND id > ?3 ORDER BY id LIMIT ?4",
                )
                .map_err(told)?;
            let with = params![channel, source, after.cast_signed(), limit];
            let lines = statement.query_map(with, |row| {
                Ok(InboxSight {
                    number: row.get::<_, i64>(0)?.cast_unsigned(),
                    channel: ChannelId::from(row.get::<_, String>(1)?),
                    source: row.get(2)?,
                    key: row.get(3)?,
                    operated: row.get(4)?,
                    action: row.get(5)?,
                    received: moment(row, 6)?,
                })
            });
            let lines = lines.and_then(Iterator::collect).map_err(told)?;
            Ok((lines, total.cast_unsigned()))
        })
        .await
    }

    /// A page of a table was read; the position moves in the same transaction. Gives how many lines
    /// are new or say something else than before.
    pub async fn inbox_taken(
        &self,
        channel: ChannelId,
        source: String,
        rows: Vec<Told>,
        position: Option<String>,
    ) -> Result<u64> {
        self.write("take into the inbox", move |transaction, now| {
            let mut changed = 0;
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO inbox (channel, source, key, operated, action, body, received)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (channel, source, key, operated, action) DO UPDATE
                     SET body = excluded.body, received = excluded.received, handled_at = NULL,
                         judged = NULL
                     WHERE substr(body, 1, ?8) <> substr(excluded.body, 1, ?8)",
                )
                .map_err(Error::engine("take into the inbox"))?;
            for row in &rows {
                let body = [row.content.0.as_slice(), &row.body].concat();
                let with = params![
                    channel.as_str(),
                    source,
                    row.key.to_string(),
                    row.operated,
                    row.action,
                    body,
                    stored(now),
                    i64::try_from(DIGEST_BYTES).unwrap_or_default(),
                ];
                changed += insert.execute(with).map_err(Error::engine("take into the inbox"))?;
            }
            if let Some(position) = &position {
                transaction
                    .execute(
                        "INSERT INTO inbox_cursor (channel, source, position) VALUES (?1, ?2, ?3)
                         ON CONFLICT (channel, source) DO UPDATE SET position = excluded.position",
                        params![channel.as_str(), source, position],
                    )
                    .map_err(Error::engine("move the inbox's position"))?;
            }
            Ok(u64::try_from(changed).unwrap_or(u64::MAX))
        })
        .await
    }

    /// Where the reading of a table stands, sealed.
    pub async fn inbox_position(
        &self,
        channel: ChannelId,
        source: String,
    ) -> Result<Option<String>> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT position FROM inbox_cursor WHERE channel = ?1 AND source = ?2",
                    params![channel.as_str(), source],
                    |row| row.get(0),
                )
                .optional()
                .map_err(Error::engine("read the inbox's position"))
        })
        .await
    }

    /// Lines of a channel with higher numbers than `after`, in their order.
    pub async fn inbox(
        &self,
        channel: ChannelId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<InboxLine>> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT id, source, key, operated, action, body FROM inbox
                     WHERE channel = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )
                .and_then(|mut statement| {
                    let with = params![channel.as_str(), after.cast_signed(), limit];
                    let lines = statement.query_map(with, |row| {
                        let body: Vec<u8> = row.get(5)?;
                        Ok(InboxLine {
                            number: row.get::<_, i64>(0)?.cast_unsigned(),
                            source: row.get(1)?,
                            key: row.get(2)?,
                            operated: row.get(3)?,
                            action: row.get(4)?,
                            body: body.get(DIGEST_BYTES..).unwrap_or_default().to_vec(),
                        })
                    })?;
                    lines.collect()
                })
                .map_err(Error::engine("list the inbox"))
        })
        .await
    }

    /// How many lines of each table of a channel nobody has handled.
    pub async fn inbox_counts(&self, channel: ChannelId) -> Result<Vec<InboxCount>> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT source, count(*) FROM inbox WHERE channel = ?1 AND handled_at IS NULL
                     GROUP BY source ORDER BY source",
                )
                .and_then(|mut statement| {
                    let counts = statement.query_map([channel.as_str()], |row| {
                        let waiting = row.get::<_, i64>(1)?.cast_unsigned();
                        Ok(InboxCount { source: row.get(0)?, waiting })
                    })?;
                    counts.collect()
                })
                .map_err(Error::engine("count the inbox"))
        })
        .await
    }

    /// Lines of a table that were not judged under this declaration, the first first.
    pub async fn inbox_unjudged(
        &self,
        channel: ChannelId,
        source: String,
        by: DigestSha256,
        limit: u32,
    ) -> Result<Vec<InboxUnjudged>> {
        self.read(move |connection| {
            // Two ranges and the empty ones, each by the index.
            connection
                .prepare_cached(
                    "SELECT id, operated, action, body FROM (
                       SELECT id, operated, action, body FROM inbox
                         WHERE channel = ?1 AND source = ?2 AND judged IS NULL
                       UNION ALL SELECT id, operated, action, body FROM inbox
                         WHERE channel = ?1 AND source = ?2 AND judged < ?3
                       UNION ALL SELECT id, operated, action, body FROM inbox
                         WHERE channel = ?1 AND source = ?2 AND judged > ?3
                     ) ORDER BY id LIMIT ?4",
                )
                .and_then(|mut statement| {
                    let with = params![channel.as_str(), source, by.0, limit];
                    let lines = statement.query_map(with, |row| {
                        let body: Vec<u8> = row.get(3)?;
                        let content = body.get(..DIGEST_BYTES).unwrap_or_default().to_vec();
                        Ok(InboxUnjudged {
                            number: row.get::<_, i64>(0)?.cast_unsigned(),
                            operated: row.get(1)?,
                            action: row.get(2)?,
                            content,
                            body: body.get(DIGEST_BYTES..).unwrap_or_default().to_vec(),
                        })
                    })?;
                    lines.collect()
                })
                .map_err(Error::engine(JUDGE))
        })
        .await
    }

    /// Lines whose owner could not be told are to be judged again. How many.
    pub async fn inbox_unowned(&self) -> Result<u64> {
        self.write(JUDGE, |transaction, _now| {
            let changed = transaction
                .execute("UPDATE inbox SET judged = NULL, unowned = 0 WHERE unowned = 1", [])
                .map_err(Error::engine(JUDGE))?;
            Ok(u64::try_from(changed).unwrap_or(u64::MAX))
        })
        .await
    }
}

/// Takes a line for what it says, unless it says something else by now, and notes under which
/// declaration it was judged.
pub(super) fn judge<S>(
    transaction: &Transaction<'_>,
    it: &LineJudged<S>,
    by: DigestSha256,
    take: impl FnOnce(&S) -> Result<()>,
) -> Result<()> {
    let is_same: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM inbox WHERE id = ?1 AND substr(body, 1, ?2) = ?3)",
        )
        .and_then(|mut statement| {
            let bytes = i64::try_from(DIGEST_BYTES).unwrap_or_default();
            statement.query_row(params![it.line.cast_signed(), bytes, it.content], |row| row.get(0))
        })
        .map_err(Error::engine(JUDGE))?;
    if !is_same {
        return Ok(());
    }
    if let Some(said) = &it.said {
        take(said)?;
    }
    transaction
        .prepare_cached("UPDATE inbox SET judged = ?2, unowned = ?3 WHERE id = ?1")
        .and_then(|mut statement| {
            statement.execute(params![it.line.cast_signed(), by.0, it.is_unowned])
        })
        .map(drop)
        .map_err(Error::engine(JUDGE))
}

/// A stored instant of a row.
fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    let stored: i64 = row.get(at)?;
    Timestamp::from_millisecond(stored)
        .map_err(|_out_of_range| rusqlite::Error::IntegralValueOutOfRange(at, stored))
}
