//! What a daemon that only watches found at its last look: figures of what it would do, no facts.
//! They go when the daemon goes live, for then they are no longer what would be done.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::rows::Flow;
use super::{Error, Ledger, Result, instant, stored};
use crate::catalogue::Kind;
use crate::delivery::ChannelId;

/// Objects of one kind on one channel, as a look found them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WatchedObjects {
    /// Which kind.
    pub kind: Kind,
    /// In the city's catalogue.
    pub here: u64,
    /// Would be registered: the province is not known to hold them.
    pub would_register: u64,
    /// Are held above as ours in another version: would be modified.
    pub would_modify: u64,
    /// Are held above as ours and gone from the catalogue: would be withdrawn.
    pub would_withdraw: u64,
    /// Of those to register or modify, the standard asks for what they do not have.
    pub lacking: u64,
    /// The province says it holds; `None` where it cannot say.
    pub held: Option<u64>,
    /// Of those to register, held above already under the city's id, sent by another tool.
    pub adoptable: Option<u64>,
    /// Held above, and of no object of the city.
    pub extra: Option<u64>,
}

/// Rows of one dataset, as a look found them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WatchedRows {
    /// Read in the city.
    pub here: u64,
    /// Valid, and not known to be held above as they are: would be sent.
    pub would_send: u64,
    /// Known to be held above and gone from the city: would be deleted there.
    pub would_delete: u64,
    /// Turned away by our rules.
    pub rejected: u64,
    /// The province says it holds; `None` where it cannot say.
    pub held: Option<u64>,
    /// Valid here, and not among the keys that the province lists.
    pub absent: Option<u64>,
    /// Among the keys that the province lists, and not valid here.
    pub extra: Option<u64>,
}

/// Everything that the last looks found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Watched {
    /// Objects by channel, each with when.
    pub objects: Vec<(ChannelId, WatchedObjects, Timestamp)>,
    /// Rows by dataset, each with when.
    pub rows: Vec<(Flow, WatchedRows, Timestamp)>,
}

impl Ledger {
    /// A look at the objects of a channel came to its end.
    pub async fn objects_watched(
        &self,
        channel: ChannelId,
        found: Vec<WatchedObjects>,
    ) -> Result<()> {
        self.write("record what is watched", move |transaction, now| {
            let engine = || Error::engine("record watched objects");
            let clear = "DELETE FROM watch_objects WHERE channel = ?1";
            transaction.execute(clear, [channel.as_str()]).map_err(engine())?;
            for it in &found {
                transaction
                    .execute(
                        "INSERT INTO watch_objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                                                           ?11)",
                        params![
                            channel.as_str(),
                            it.kind.as_str(),
                            it.here.cast_signed(),
                            it.would_register.cast_signed(),
                            it.would_modify.cast_signed(),
                            it.would_withdraw.cast_signed(),
                            it.lacking.cast_signed(),
                            it.held.map(u64::cast_signed),
                            it.adoptable.map(u64::cast_signed),
                            it.extra.map(u64::cast_signed),
                            stored(now)
                        ],
                    )
                    .map_err(engine())?;
            }
            Ok(())
        })
        .await
    }

    /// A look at the rows of a dataset came to its end.
    pub async fn rows_watched(&self, flow: Flow, it: WatchedRows) -> Result<()> {
        self.write("record what is watched", move |transaction, now| {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO watch_rows
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    params![
                        flow.channel.as_str(),
                        flow.dataset,
                        it.here.cast_signed(),
                        it.would_send.cast_signed(),
                        it.would_delete.cast_signed(),
                        it.rejected.cast_signed(),
                        it.held.map(u64::cast_signed),
                        it.absent.map(u64::cast_signed),
                        it.extra.map(u64::cast_signed),
                        stored(now)
                    ],
                )
                .map(drop)
                .map_err(Error::engine("record watched rows"))
        })
        .await
    }

    /// A whole look at a dataset begins: values that rows of the look before held are free. False
    /// where rows of it are above or on their way: their values are theirs, and none is added to
    /// them by a look.
    pub async fn values_unsent(&self, flow: Flow) -> Result<bool> {
        self.write("forget values of a look", move |transaction, _now| {
            let engine = || Error::engine("forget values of a look");
            let of = params![flow.channel.as_str(), flow.dataset];
            transaction.execute(UNSENT, of).map_err(engine())?;
            transaction
                .query_row(
                    "SELECT NOT EXISTS (SELECT 1 FROM dataset WHERE channel = ?1 AND dataset = ?2
                                        AND confirmed + placed + queued > 0)",
                    of,
                    |row| row.get(0),
                )
                .map_err(engine())
        })
        .await
    }

    /// What the last looks found; empty once the daemon is live.
    pub async fn watched(&self) -> Result<Watched> {
        self.read(|connection| {
            let engine = || Error::engine("read what is watched");
            let mut watched = Watched::default();
            let mut statement = connection
                .prepare_cached("SELECT * FROM watch_objects ORDER BY channel, kind")
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            while let Some(row) = rows.next().map_err(engine())? {
                let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned).map_err(engine());
                let maybe = |at| optional(row, at);
                let kind: String = row.get(1).map_err(engine())?;
                let found = WatchedObjects {
                    kind: Kind::parse(&kind).ok_or(Error::Unreadable { what: "kind" })?,
                    here: number(2)?,
                    would_register: number(3)?,
                    would_modify: number(4)?,
                    would_withdraw: number(5)?,
                    lacking: number(6)?,
                    held: maybe(7)?,
                    adoptable: maybe(8)?,
                    extra: maybe(9)?,
                };
                let channel: String = row.get(0).map_err(engine())?;
                let at = instant(row.get(10).map_err(engine())?)?;
                watched.objects.push((channel.into(), found, at));
            }
            let mut statement = connection
                .prepare_cached("SELECT * FROM watch_rows ORDER BY channel, dataset")
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            while let Some(row) = rows.next().map_err(engine())? {
                let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned).map_err(engine());
                let maybe = |at| optional(row, at);
                let found = WatchedRows {
                    here: number(2)?,
                    would_send: number(3)?,
                    would_delete: number(4)?,
                    rejected: number(5)?,
                    held: maybe(6)?,
                    absent: maybe(7)?,
                    extra: maybe(8)?,
                };
                let channel = row.get::<_, String>(0).map_err(engine())?.into();
                let flow = Flow { channel, dataset: row.get(1).map_err(engine())? };
                watched.rows.push((flow, found, instant(row.get(9).map_err(engine())?)?));
            }
            Ok(watched)
        })
        .await
    }
}

fn optional(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<u64>> {
    let value: Option<i64> = row.get(at).map_err(Error::engine("read what is watched"))?;
    Ok(value.map(i64::cast_unsigned))
}

/// Values of rows that never left: of a dataset of which nothing is held above or on its way.
const UNSENT: &str = "DELETE FROM unique_value WHERE (?1 IS NULL OR channel = ?1 AND dataset = ?2)
     AND EXISTS (SELECT 1 FROM dataset AS d WHERE d.channel = unique_value.channel
                 AND d.dataset = unique_value.dataset
                 AND d.confirmed + d.placed + d.queued = 0)";

/// The daemon goes live: what would be done is done, and what waited for that begins to wait now.
pub(super) fn over(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    transaction
        .execute_batch("DELETE FROM watch_objects; DELETE FROM watch_rows;")
        .and_then(|()| {
            transaction.execute(
                "UPDATE link SET since = ?1 WHERE state IN ('unmapped', 'stale')",
                [stored(now)],
            )
        })
        .and_then(|_| transaction.execute(UNSENT, [None::<&str>, None]))
        .map(drop)
        .map_err(Error::engine("end watching"))
}
