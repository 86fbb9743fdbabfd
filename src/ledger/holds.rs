//! Holds: nothing passes until an operator or a change of the world lifts them. And drift: what
//! the province does that its standard does not say.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{Error, Ledger, Result, history, instant, stored};
use crate::delivery::{Batch, ChannelId, StandardId};
use crate::fact::Kind;

/// Signs of drift of one kind on one channel that are told apart.
pub const MOST_DRIFT: u32 = 200;
/// Stands for what is not told apart.
const OTHER_DRIFT: &str = "…";

/// How far a hold reaches.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Everything on the channel.
    Channel,
    /// One operation of the standard on the channel.
    Operation(String),
    /// One dataset or object on the channel.
    Subject(String),
    /// One standard where a channel speaks two, or one operation of it.
    Standard(StandardId, Option<String>),
}

impl Scope {
    /// What is held of a channel, in a word or two; of the whole channel, nothing.
    pub fn subject(&self) -> String {
        match self {
            Self::Channel => String::new(),
            Self::Operation(name) | Self::Subject(name) => name.clone(),
            Self::Standard(standard, None) => standard.to_string(),
            Self::Standard(standard, Some(operation)) => format!("{standard} {operation}"),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Operation(_) => "operation",
            Self::Subject(_) => "subject",
            Self::Standard(..) => "standard",
        }
    }

    fn parse(scope: &str, subject: String) -> Option<Self> {
        match scope {
            "channel" => Some(Self::Channel),
            "operation" => Some(Self::Operation(subject)),
            "subject" => Some(Self::Subject(subject)),
            "standard" => Some(match subject.split_once(' ') {
                Some((standard, operation)) => {
                    Self::Standard(standard.into(), Some(operation.to_owned()))
                }
                None => Self::Standard(subject.into(), None),
            }),
            _ => None,
        }
    }
}

/// A hold in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// On which channel.
    pub channel: ChannelId,
    /// How far it reaches.
    pub scope: Scope,
    /// Why: a code of ours or the province's.
    pub code: String,
    /// How often it was met.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
}

impl Hold {
    /// Whether a batch may not go because of it.
    pub fn covers(&self, batch: &Batch) -> bool {
        match &self.scope {
            Scope::Channel => true,
            Scope::Operation(name) => *name == batch.operation,
            Scope::Subject(name) => *name == batch.subject.name(),
            Scope::Standard(standard, operation) => {
                *standard == batch.standard
                    && operation.as_ref().is_none_or(|name| *name == batch.operation)
            }
        }
    }
}

/// Something the province does that its standard does not say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drift {
    /// On which channel.
    pub channel: ChannelId,
    /// `reply-code`, `reply-field` and the like: a closed set.
    pub kind: String,
    /// Which operation.
    pub subject: String,
    /// What was seen: a code or a path, never content.
    pub detail: String,
    /// How often.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
}

impl Ledger {
    /// The holds in force on all channels.
    pub async fn holds(&self) -> Result<Vec<Hold>> {
        self.read(|connection| list(connection, None)).await
    }

    /// A hold is placed without a batch: the channel's credentials or address fail.
    pub async fn hold_placed(&self, channel: ChannelId, scope: Scope, code: String) -> Result<()> {
        self.write("place a hold", move |transaction, now| {
            place(transaction, &channel, &scope, &code, now)
        })
        .await
    }

    /// Holds are lifted and drift is forgotten: those of a channel, or all. Returns how many holds.
    pub async fn holds_lifted(&self, channel: Option<ChannelId>) -> Result<usize> {
        self.write("lift holds", move |transaction, now| lift(transaction, channel.as_ref(), now))
            .await
    }

    /// The province did something its standard does not say.
    pub async fn drift_seen(
        &self,
        channel: ChannelId,
        kind: &'static str,
        subject: String,
        details: Vec<String>,
    ) -> Result<()> {
        let details = details.into_iter().map(|detail| (detail, 1)).collect();
        self.drift_counted(channel, kind, subject, details).await
    }

    /// As [`Ledger::drift_seen`], each detail with how often it was met. Of one kind on a channel
    /// at most [`MOST_DRIFT`] are told apart; what comes after them counts under `…`.
    pub async fn drift_counted(
        &self,
        channel: ChannelId,
        kind: &'static str,
        subject: String,
        details: Vec<(String, u64)>,
    ) -> Result<()> {
        self.write("record drift", move |transaction, now| {
            for (detail, times) in &details {
                let detail = known_or_other(transaction, (&channel, kind, &subject), detail)?;
                let times = i64::try_from(*times).unwrap_or(i64::MAX);
                let is_new: bool = transaction
                    .query_row(
                        "INSERT INTO drift (channel, kind, subject, detail, count, since, last_at)
                         VALUES (?1, ?2, ?3, ?4, ?6, ?5, ?5)
                         ON CONFLICT (channel, kind, subject, detail)
                         DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at
                         RETURNING count = ?6",
                        params![channel.as_str(), kind, subject, detail, stored(now), times],
                        |row| row.get(0),
                    )
                    .map_err(Error::engine("record drift"))?;
                // History names a drift once; how often it was met is in the table.
                if is_new {
                    let (operation, code) = (subject.clone(), detail.to_owned());
                    let fact = Kind::Drift { operation, code };
                    history::record(transaction, Some(&channel), kind, fact, now)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// All drift seen.
    pub async fn drift(&self) -> Result<Vec<Drift>> {
        self.read(|connection| {
            let engine = || Error::engine("read drift");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, kind, subject, detail, count, since FROM drift
                     ORDER BY channel, kind, subject, detail",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut drift = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                drift.push(Drift {
                    channel: row.get::<_, String>(0).map_err(engine())?.into(),
                    kind: row.get(1).map_err(engine())?,
                    subject: row.get(2).map_err(engine())?,
                    detail: row.get(3).map_err(engine())?,
                    count: row.get::<_, i64>(4).map_err(engine())?.cast_unsigned(),
                    since: instant(row.get(5).map_err(engine())?)?,
                });
            }
            Ok(drift)
        })
        .await
    }
}

/// The detail as it stands or may stand in the table, or the one for all that do not fit.
fn known_or_other<'d>(
    transaction: &Transaction<'_>,
    (channel, kind, subject): (&ChannelId, &str, &str),
    detail: &'d str,
) -> Result<&'d str> {
    let fits: bool = transaction
        .query_row(
            "SELECT count(*) < ?5 OR coalesce(max(subject = ?3 AND detail = ?4), 0)
             FROM drift WHERE channel = ?1 AND kind = ?2",
            params![channel.as_str(), kind, subject, detail, MOST_DRIFT],
            |row| row.get(0),
        )
        .map_err(Error::engine("count drift"))?;
    Ok(if fits { detail } else { OTHER_DRIFT })
}

/// What drifted on a channel is forgotten: its standard is another one, or somebody acted on it.
/// What still drifts is met again.
pub(super) fn forget_drift(transaction: &Transaction<'_>, channel: Option<&str>) -> Result<()> {
    transaction
        .execute("DELETE FROM drift WHERE ?1 IS NULL OR channel = ?1", params![channel])
        .map(drop)
        .map_err(Error::engine("forget drift"))
}

/// Lifts the holds of a channel, or all, and forgets drift; how many holds.
pub(super) fn lift(
    transaction: &Transaction<'_>,
    channel: Option<&ChannelId>,
    now: Timestamp,
) -> Result<usize> {
    let lifted = list(transaction, channel)?;
    transaction
        .execute(
            "DELETE FROM hold WHERE ?1 IS NULL OR channel = ?1",
            params![channel.map(ChannelId::as_str)],
        )
        .map_err(Error::engine("lift holds"))?;
    forget_drift(transaction, channel.map(ChannelId::as_str))?;
    for hold in &lifted {
        if let Scope::Operation(operation) | Scope::Standard(_, Some(operation)) = &hold.scope {
            let kind = Kind::DriftSettled { operation: operation.clone() };
            history::record(transaction, Some(&hold.channel), operation, kind, now)?;
        }
    }
    Ok(lifted.len())
}

pub(super) fn place(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    scope: &Scope,
    code: &str,
    now: Timestamp,
) -> Result<()> {
    let (scope, subject) = (scope.word(), scope.subject());
    transaction
        .execute(
            "INSERT INTO hold (channel, scope, subject, code, since, last_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)
             ON CONFLICT (channel, scope, subject)
             DO UPDATE SET count = count + 1, code = excluded.code, last_at = excluded.last_at",
            params![channel.as_str(), scope, subject, code, stored(now)],
        )
        .map(drop)
        .map_err(Error::engine("place a hold"))
}

pub(super) fn of(connection: &Connection, channel: &ChannelId) -> Result<Vec<Hold>> {
    list(connection, Some(channel))
}

fn list(connection: &Connection, channel: Option<&ChannelId>) -> Result<Vec<Hold>> {
    let engine = || Error::engine("read holds");
    let mut statement = connection
        .prepare_cached(
            "SELECT channel, scope, subject, code, count, since FROM hold
             WHERE ?1 IS NULL OR channel = ?1 ORDER BY channel, scope, subject",
        )
        .map_err(engine())?;
    let mut rows = statement.query([channel.map(ChannelId::as_str)]).map_err(engine())?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        let scope: String = row.get(1).map_err(engine())?;
        holds.push(Hold {
            channel: row.get::<_, String>(0).map_err(engine())?.into(),
            scope: Scope::parse(&scope, row.get(2).map_err(engine())?)
                .ok_or(Error::Unreadable { what: "hold" })?,
            code: row.get(3).map_err(engine())?,
            count: row.get::<_, i64>(4).map_err(engine())?.cast_unsigned(),
            since: instant(row.get(5).map_err(engine())?)?,
        });
    }
    Ok(holds)
}
