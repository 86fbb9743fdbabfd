//! Takeovers: a durable job, its lines, and the links that it adopts.
//!
//! While one is open nothing of its kinds is registered on its channel; the transaction that would
//! pack it refuses. Its phase is the job's cursor: collecting, matching, waiting for people,
//! adopting from a line on. Each phase can be done again from its beginning.

mod lines;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

use self::lines::{adopt, insert, lines, unadopted};
use super::jobs::{JobState, noted};
use super::{Error, Ledger, Result, instant, stored};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::ChannelId;
use crate::fact::JobAct;
use crate::takeover::{Decision, Fate, Here, Registration};

/// The kind of job.
pub const TAKEOVER: &str = "takeover";
/// The most lines of one takeover: they are matched in memory.
const MOST_LINES: i64 = 200_000;

/// What is taken over.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Takeover {
    /// The channel.
    pub channel: String,
    /// The kinds' words; nothing of them is registered meanwhile.
    pub kinds: Vec<String>,
    /// The province's inventory is asked.
    pub inventory: bool,
}

/// Where one stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TakeoverPhase {
    /// The province is asked, kind by kind: so many are done.
    Collecting(usize),
    /// Lines are brought in.
    Bringing,
    /// Lines are to be matched.
    Matching,
    /// The report waits for people.
    Waiting,
    /// Links are adopted.
    Adopting,
}

impl TakeoverPhase {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collecting(_) => "collecting",
            Self::Bringing => "bringing",
            Self::Matching => "matching",
            Self::Waiting => "waiting",
            Self::Adopting => "adopting",
        }
    }

    fn stored(self) -> String {
        match self {
            Self::Collecting(done) => format!("collecting {done}"),
            Self::Bringing | Self::Matching | Self::Waiting | Self::Adopting => {
                self.as_str().to_owned()
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("collecting", done)) => done.parse().ok().map(Self::Collecting),
            Some(_) => None,
            None => [Self::Bringing, Self::Matching, Self::Waiting, Self::Adopting]
                .into_iter()
                .find(|phase| phase.as_str() == text),
        }
    }
}

/// A takeover that is not over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenTakeover {
    /// The job's number.
    pub number: u64,
    /// What was asked.
    pub asked: Takeover,
    /// Where it stands.
    pub phase: TakeoverPhase,
    /// Lines adopted so far.
    pub done: u64,
    /// When it was asked for.
    pub since: Timestamp,
}

/// What became of asking for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TakeoverAsked {
    /// A new job.
    Made(u64),
    /// The same was asked for already.
    Known(u64),
    /// Another one on this channel is not over.
    Busy(u64),
}

/// A line as it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakeoverLine {
    /// What stands above.
    pub registration: Registration,
    /// What becomes of it: a word of [`Fate`]; none before matching.
    pub fate: Option<String>,
    /// What decided.
    pub how: Option<String>,
    /// The objects that it is, or may be.
    pub objects: Vec<String>,
    /// What a person said: `Some(None)` is no.
    pub said: Option<Option<String>>,
    /// What adopting did: `adopted`, `known`, or why not.
    pub adopted: Option<String>,
}

impl Ledger {
    /// An operator asked for a takeover; one at a time on a channel. From here on nothing of its
    /// kinds is registered there.
    pub async fn takeover_asked(&self, asked: Takeover, by: String) -> Result<TakeoverAsked> {
        self.write("ask for a takeover", move |transaction, now| {
            let same = |it: &&OpenTakeover| it.asked.channel == asked.channel;
            if let Some(known) = open(transaction)?.iter().find(same) {
                let is_same = known.asked == asked;
                let answer = if is_same { TakeoverAsked::Known } else { TakeoverAsked::Busy };
                return Ok(answer(known.number));
            }
            let request = serde_json::to_string(&asked)
                .map_err(|_unserializable| Error::Unreadable { what: "takeover" })?;
            let phase = match asked.inventory {
                true => TakeoverPhase::Collecting(0),
                false => TakeoverPhase::Bringing,
            };
            transaction
                .execute(
                    "INSERT INTO job (kind, request, state, cursor, asked_by, created_at)
                     VALUES (?1, ?2, 'running', ?3, ?4, ?5)",
                    params![TAKEOVER, request, phase.stored(), by, stored(now)],
                )
                .map_err(Error::engine("record a job"))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            noted(transaction, number, JobAct::Requested, now)?;
            Ok(TakeoverAsked::Made(number))
        })
        .await
    }

    /// The takeovers that are not over, oldest first.
    pub async fn open_takeovers(&self) -> Result<Vec<OpenTakeover>> {
        self.read(open).await
    }

    /// The last takeover of a channel: whether it goes on, what is missing above.
    pub async fn last_takeover(&self, channel: String) -> Result<Option<Last>> {
        self.read(move |connection| last(connection, &channel)).await
    }

    /// Lines were found; the same again changes nothing but what is said of it. `next`: the phase
    /// after them, where they were the last of one. False where the takeover is over, or past
    /// taking lines.
    pub async fn takeover_brought(
        &self,
        number: u64,
        lines: Vec<Registration>,
        next: Option<TakeoverPhase>,
    ) -> Result<bool> {
        self.write("bring in lines of a takeover", move |transaction, _now| {
            let Some(open) = open(transaction)?.into_iter().find(|it| it.number == number) else {
                return Ok(false);
            };
            if open.phase == TakeoverPhase::Adopting {
                return Ok(false);
            }
            for it in &lines {
                insert(transaction, number, it)?;
            }
            let count: i64 = transaction
                .query_row(
                    "SELECT count(*) FROM takeover_line WHERE job = ?1",
                    [number.cast_signed()],
                    |row| row.get(0),
                )
                .map_err(Error::engine("count lines"))?;
            if count > MOST_LINES {
                return Err(Error::NoSuch { what: "room for more lines of a takeover".to_owned() });
            }
            advance(transaction, number, next)?;
            Ok(true)
        })
        .await
    }

    /// All lines of a takeover, in the order of their names.
    pub async fn takeover_lines(&self, number: u64) -> Result<Vec<TakeoverLine>> {
        self.read(move |connection| lines(connection, number, None, u32::MAX)).await
    }

    /// A page of its lines with this fate (all: `None`), after a line's `kind upper_id`.
    pub async fn takeover_page(
        &self,
        number: u64,
        (fate, after): (Option<String>, Option<(String, String)>),
        limit: u32,
    ) -> Result<Vec<TakeoverLine>> {
        self.read(move |connection| {
            let after = after.unwrap_or_default();
            lines(connection, number, Some((fate.as_deref(), &after)), limit)
        })
        .await
    }

    /// How many lines have which fate, and how many were adopted with what.
    pub async fn takeover_counts(&self, number: u64) -> Result<Vec<(String, String, u64)>> {
        self.read(move |connection| {
            let engine = || Error::engine("count lines");
            let mut statement = connection
                .prepare_cached(
                    "SELECT coalesce(fate, ''), coalesce(adopted, ''), count(*) FROM takeover_line
                     WHERE job = ?1 GROUP BY 1, 2 ORDER BY 1, 2",
                )
                .map_err(engine())?;
            let rows = statement
                .query_map([number.cast_signed()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
                })
                .map_err(engine())?;
            rows.collect::<rusqlite::Result<_>>().map_err(engine())
        })
        .await
    }

    /// The city's objects of a takeover's kinds, as they are matched.
    pub async fn takeover_here(&self, asked: Takeover) -> Result<Vec<Here>> {
        self.read(move |connection| {
            let engine = || Error::engine("read what may be taken over");
            let mut statement = connection
                .prepare_cached(
                    "SELECT o.id, o.title, coalesce(json_extract(o.content, '$.content.code'), ''),
                        l.upper_id FROM object AS o
                     LEFT JOIN link AS l ON l.channel = ?1 AND l.kind = o.kind AND l.id = o.id
                     WHERE o.kind = ?2 AND o.present = 1 ORDER BY o.id",
                )
                .map_err(engine())?;
            let mut here = Vec::new();
            for kind in asked.kinds.iter().filter_map(|word| Kind::parse(word)) {
                let rows = statement
                    .query_map(params![asked.channel, kind.as_str()], |row| {
                        Ok(Here {
                            key: ObjectKey { kind, id: row.get(0)? },
                            title: row.get(1)?,
                            code: row.get(2)?,
                            upper_id: row.get(3)?,
                        })
                    })
                    .map_err(engine())?;
                for row in rows {
                    here.push(row.map_err(engine())?);
                }
            }
            Ok(here)
        })
        .await
    }

    /// What a comparison of these lines came to; the report waits for people. Where a line was
    /// brought or spoken of meanwhile it came to nothing: they are to be matched anew.
    pub async fn takeover_matched(
        &self,
        number: u64,
        found: Vec<(TakeoverLine, Fate)>,
        missing_above: u64,
    ) -> Result<()> {
        self.write("record what matches", move |transaction, _now| {
            let is_open = open(transaction)?
                .into_iter()
                .any(|it| it.number == number && it.phase == TakeoverPhase::Matching);
            let is_still = || -> Result<bool> {
                let now = lines(transaction, number, None, u32::MAX)?;
                Ok(now.iter().eq(found.iter().map(|(line, _)| line)))
            };
            if !is_open || !is_still()? {
                return Ok(());
            }
            for (TakeoverLine { registration: it, .. }, fate) in &found {
                let how = match fate {
                    Fate::Matched(_, how) => Some(how.as_str()),
                    Fate::Proposed(_)
                    | Fate::Ambiguous(_)
                    | Fate::Rival(_)
                    | Fate::Duplicate(_)
                    | Fate::MissingHere => None,
                };
                let objects = serde_json::to_string(fate.objects())
                    .map_err(|_unserializable| Error::Unreadable { what: "takeover" })?;
                transaction
                    .prepare_cached(
                        "UPDATE takeover_line SET fate = ?4, how = ?5, objects = ?6
                         WHERE job = ?1 AND kind = ?2 AND upper_id = ?3",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![
                            number.cast_signed(),
                            it.kind,
                            it.upper_id,
                            fate.as_str(),
                            how,
                            objects
                        ])
                    })
                    .map_err(Error::engine("record what matches"))?;
            }
            transaction
                .execute(
                    "UPDATE job SET result = ?2, total = ?3 WHERE number = ?1",
                    params![
                        number.cast_signed(),
                        missing_above.to_string(),
                        i64::try_from(found.len()).unwrap_or(i64::MAX)
                    ],
                )
                .map_err(Error::engine("record what matches"))?;
            advance(transaction, number, Some(TakeoverPhase::Waiting))
        })
        .await
    }

    /// What people said; everything is matched anew. How many lines it was about.
    pub async fn takeover_said(&self, number: u64, said: Vec<Decision>) -> Result<u64> {
        self.write("record what people said", move |transaction, _now| {
            let mut about = 0_u64;
            for it in &said {
                let changed = transaction
                    .prepare_cached(
                        "UPDATE takeover_line SET is_said = 1, said = ?4
                         WHERE job = ?1 AND kind = ?2 AND upper_id = ?3",
                    )
                    .and_then(|mut statement| {
                        let of = params![number.cast_signed(), it.kind, it.upper_id, it.id];
                        statement.execute(of)
                    })
                    .map_err(Error::engine("record what people said"))?;
                about += u64::try_from(changed).unwrap_or_default();
            }
            advance(transaction, number, Some(TakeoverPhase::Matching))?;
            Ok(about)
        })
        .await
    }

    /// The next phase of a takeover, if it stands in `from`.
    pub async fn takeover_goes_on(
        &self,
        number: u64,
        from: TakeoverPhase,
        to: TakeoverPhase,
    ) -> Result<bool> {
        self.write("go on with a takeover", move |transaction, _now| {
            let stands =
                open(transaction)?.into_iter().any(|it| it.number == number && it.phase == from);
            if stands {
                advance(transaction, number, Some(to))?;
            }
            Ok(stands)
        })
        .await
    }

    /// Adopts the next lines that match; true when none is left and the takeover is over.
    pub async fn takeover_adopts(&self, number: u64) -> Result<bool> {
        self.write("adopt links", move |transaction, now| {
            let Some(open) = open(transaction)?
                .into_iter()
                .find(|it| it.number == number && it.phase == TakeoverPhase::Adopting)
            else {
                return Ok(true);
            };
            let channel = ChannelId::from(open.asked.channel.as_str());
            let next = unadopted(transaction, number)?;
            for line in &next {
                let what = adopt(transaction, &channel, line, now)?;
                transaction
                    .prepare_cached(
                        "UPDATE takeover_line SET adopted = ?4
                         WHERE job = ?1 AND kind = ?2 AND upper_id = ?3",
                    )
                    .and_then(|mut statement| {
                        let it = &line.registration;
                        let of = params![number.cast_signed(), it.kind, it.upper_id, what];
                        statement.execute(of)
                    })
                    .map_err(Error::engine("adopt links"))?;
            }
            let done = i64::try_from(next.len()).unwrap_or(i64::MAX);
            transaction
                .execute(
                    "UPDATE job SET done = done + ?2 WHERE number = ?1",
                    params![number.cast_signed(), done],
                )
                .map_err(Error::engine("count adopted links"))?;
            if next.is_empty() {
                transaction
                    .execute(
                        "UPDATE job SET state = 'done', finished_at = ?2 WHERE number = ?1",
                        params![number.cast_signed(), stored(now)],
                    )
                    .map_err(Error::engine("end a takeover"))?;
                noted(transaction, number, JobAct::Completed, now)?;
            }
            Ok(next.is_empty())
        })
        .await
    }
}

/// Whether an open takeover keeps objects of a kind from being registered.
pub(super) fn holds(connection: &Connection, channel: &ChannelId, kind: Kind) -> Result<bool> {
    let is_here = |it: &OpenTakeover| {
        it.asked.channel == channel.as_str() && it.asked.kinds.iter().any(|it| it == kind.as_str())
    };
    Ok(open(connection)?.iter().any(is_here))
}

type Last = (OpenTakeover, JobState, u64);

fn last(connection: &Connection, channel: &str) -> Result<Option<Last>> {
    let engine = || Error::engine("read takeovers");
    let unread = || Error::Unreadable { what: "takeover" };
    let mut statement = connection
        .prepare_cached(
            "SELECT number, request, coalesce(cursor, ''), done, state, result, created_at FROM job
             WHERE kind = ?1 AND json_extract(request, '$.channel') = ?2
             ORDER BY number DESC LIMIT 1",
        )
        .map_err(engine())?;
    let mut rows = statement.query(params![TAKEOVER, channel]).map_err(engine())?;
    let Some(row) = rows.next().map_err(engine())? else { return Ok(None) };
    let text = |at| row.get::<_, String>(at).map_err(engine());
    let result: Option<String> = row.get(5).map_err(engine())?;
    let found = OpenTakeover {
        number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
        asked: serde_json::from_str(&text(1)?).map_err(|_other_form| unread())?,
        phase: TakeoverPhase::read(&text(2)?).ok_or_else(unread)?,
        done: row.get::<_, i64>(3).map_err(engine())?.cast_unsigned(),
        since: instant(row.get(6).map_err(engine())?)?,
    };
    let state = JobState::parse(&text(4)?).ok_or_else(unread)?;
    let missing = result.and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(Some((found, state, missing)))
}

fn open(connection: &Connection) -> Result<Vec<OpenTakeover>> {
    let engine = || Error::engine("read takeovers");
    let mut statement = connection
        .prepare_cached(
            "SELECT number, request, coalesce(cursor, ''), done, created_at FROM job
             WHERE kind = ?1 AND state = 'running' ORDER BY number",
        )
        .map_err(engine())?;
    let mut rows = statement.query([TAKEOVER]).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        let request: String = row.get(1).map_err(engine())?;
        let phase: String = row.get(2).map_err(engine())?;
        let unread = || Error::Unreadable { what: "takeover" };
        found.push(OpenTakeover {
            number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
            asked: serde_json::from_str(&request).map_err(|_other_form| unread())?,
            phase: TakeoverPhase::read(&phase).ok_or_else(unread)?,
            done: row.get::<_, i64>(3).map_err(engine())?.cast_unsigned(),
            since: instant(row.get(4).map_err(engine())?)?,
        });
    }
    Ok(found)
}

fn advance(transaction: &Transaction<'_>, number: u64, next: Option<TakeoverPhase>) -> Result<()> {
    let Some(next) = next else { return Ok(()) };
    transaction
        .execute(
            "UPDATE job SET cursor = ?2 WHERE number = ?1 AND state = 'running'",
            params![number.cast_signed(), next.stored()],
        )
        .map(drop)
        .map_err(Error::engine("go on with a takeover"))
}
