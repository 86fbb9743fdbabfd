//! What the platform took, in one SQLite file. The tables are described in `schema.sql`.
//!
//! One desk writes; a reply is composed after the transaction that it speaks of has committed.

mod object;
mod rows;
mod view;

pub use object::Object;
pub(super) use object::{Said, renumber};
pub(super) use rows::{Judged, Taken, Visibility};
pub use view::{Content, Delivery};
pub(super) use view::{content, count, datasets, deliveries, keys, note};

use std::path::Path;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::Error;

/// The database and the snapshot that a "restore from yesterday" goes back to.
pub(super) struct Store {
    db: Connection,
    yesterday: Option<Connection>,
}

pub(super) type Result<T> = std::result::Result<T, Error>;

/// Names the operation in an error.
pub(super) fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::Store { operation, source }
}

/// Text that sorts as the instants do.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

impl Store {
    /// Opens or makes the file; without a path it lives in memory.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let db = match path {
            Some(path) => Connection::open(path),
            None => Connection::open_in_memory(),
        }
        .map_err(failed("open"))?;
        db.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000;",
        )
        .map_err(failed("prepare"))?;
        db.execute_batch(include_str!("schema.sql")).map_err(failed("make tables"))?;
        db.set_prepared_statement_cache_capacity(128);
        Ok(Self { db, yesterday: None })
    }

    /// Begins the transaction of one request.
    pub(super) fn begin(&mut self) -> Result<Transaction<'_>> {
        self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("begin"))
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    /// Keeps the present as the yesterday of a later [`Store::restore`].
    pub(super) fn snapshot(&mut self) -> Result<()> {
        let mut kept = Connection::open_in_memory().map_err(failed("open the snapshot"))?;
        copy(&self.db, &mut kept)?;
        self.yesterday = Some(kept);
        Ok(())
    }

    /// Goes back to the snapshot, or to nothing where none was kept. The list of deliveries stays
    /// as it is: it is our record of what was sent, not the platform's memory.
    pub(super) fn restore(&mut self) -> Result<()> {
        let kept = deliveries(&self.db)?;
        let empty;
        let source = match &self.yesterday {
            Some(kept) => kept,
            None => {
                empty = Connection::open_in_memory().map_err(failed("open the snapshot"))?;
                empty
                    .execute_batch(include_str!("schema.sql"))
                    .map_err(failed("make the snapshot's tables"))?;
                &empty
            }
        };
        self.db.flush_prepared_statement_cache();
        copy(source, &mut self.db)?;
        let write = self.begin()?;
        write.execute("delete from delivery", []).map_err(failed("restore"))?;
        for delivery in kept {
            note(&write, &delivery)?;
        }
        write.commit().map_err(failed("restore"))
    }

    /// Does what was due by `now`: a revoked row leaves its dataset's table.
    pub(super) fn settle(&mut self, now: Timestamp) -> Result<()> {
        let due: bool = self
            .db
            .prepare_cached(
                "select exists(select 1 from verdict where pending = 1 and visible_at <= ?1)",
            )
            .and_then(|mut query| query.query_row([stamp(now)], |row| row.get(0)))
            .map_err(failed("look for revocations"))?;
        if !due {
            return Ok(());
        }
        let write = self.begin()?;
        rows::revoke(&write, now)?;
        write.commit().map_err(failed("revoke rows"))
    }
}

fn copy(from: &Connection, to: &mut Connection) -> Result<()> {
    let backup = Backup::new(from, to).map_err(failed("copy the database"))?;
    backup
        .run_to_completion(1_000, std::time::Duration::ZERO, None)
        .map_err(failed("copy the database"))
}

/// Whether this number was used before; from now on it was.
pub(super) fn is_replayed(write: &Transaction<'_>, nonce: &str, now: Timestamp) -> Result<bool> {
    write
        .prepare_cached("insert or ignore into nonce (nonce, seen_at) values (?1, ?2)")
        .and_then(|mut insert| insert.execute(params![nonce, stamp(now)]))
        .map(|added| added == 0)
        .map_err(failed("remember a nonce"))
}

/// Forgets numbers seen before `until`: a request that old is refused for its time.
pub(super) fn forget_nonces(write: &Transaction<'_>, until: Timestamp) -> Result<()> {
    write
        .execute("delete from nonce where seen_at < ?1", [stamp(until)])
        .map(|_count| ())
        .map_err(failed("forget nonces"))
}
