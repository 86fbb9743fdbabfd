//! One county's store: what it registered, the rows as they stand, what was answered.
//!
//! A write is one transaction, durable before it returns (`synchronous = FULL`). A second
//! connection serves those who read, so that a flood of writes does not keep the city from passing
//! on what came before it. Rows and verdicts are sealed; a key is a keyed digest.

mod reseal;
mod shelf;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::ledger::seal::{Purpose, Sealer};
use crate::row::{KeyDigest, Keyer, RowHash};
use crate::sql;

const SCHEMA: &str = include_str!("schema.sql");
/// Names in `fact`.
const SECRET: &str = "digest secret";
const LAST: &str = "last taken";
const ROWS: &str = "rows held";
const BYTES: &str = "bytes held";
/// Answers that are let go of in one look.
const FORGET_AT_ONCE: u32 = 1_000;

/// See the module.
pub(super) struct Store {
    county: String,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    sealer: Arc<Sealer>,
    keyer: Keyer,
}

/// An object that was registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredObject {
    pub(super) kind: String,
    /// The county's own id of it.
    pub(super) id: String,
    /// Ours.
    pub(super) upper_id: String,
    /// `published` or `withdrawn`.
    pub(super) state: String,
    pub(super) words: Words,
}

/// What is known of an object.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Words {
    pub(super) of: BTreeMap<String, String>,
    pub(super) items: Vec<BTreeMap<String, String>>,
}

/// What came under a batch's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredBatch {
    pub(super) id: String,
    pub(super) operation: String,
    /// SHA-256 of what was said.
    pub(super) digest: [u8; 32],
    pub(super) receipt: String,
    pub(super) rows: u32,
    pub(super) failed: u32,
    pub(super) upper_id: Option<String>,
}

/// What we found of a row. `Debug` shows no key.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Judged {
    /// The key as the county wrote it.
    pub(super) key: String,
    /// Why it was set aside, without content; `None`: it stands.
    pub(super) reason: Option<String>,
}

/// A row to be kept or, without content, to be let go of.
pub(super) struct Change {
    pub(super) key: KeyDigest,
    pub(super) row: Option<(RowHash, StoredRow)>,
}

/// A row's content, sealed as JSON.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct StoredRow {
    /// The key as the county wrote it.
    pub(super) key: String,
    /// How the county's standard digests the row, where it does.
    pub(super) digest: Option<String>,
    pub(super) cells: BTreeMap<String, Option<String>>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Held {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Store {
    /// Opens or makes the store of a county.
    pub(super) fn open(path: &Path, county: &str, sealer: Arc<Sealer>) -> Result<Self, Error> {
        let failed =
            |source| Error::Store { county: county.to_owned(), action: "open the store", source };
        let writer = sql::open_read_write(path).map_err(failed)?;
        writer.execute_batch(SCHEMA).map_err(|error| failed(error.into()))?;
        let reader = sql::open_read_only(path).map_err(failed)?;
        let secret = secret(&writer, county, &sealer)?;
        let (county, keyer) = (county.to_owned(), Keyer::new(&secret));
        Ok(Self { county, writer: Mutex::new(writer), reader: Mutex::new(reader), sealer, keyer })
    }

    /// Digests keys and rows of this county.
    pub(super) fn keyer(&self) -> &Keyer {
        &self.keyer
    }

    fn failed<E: Into<sql::Error>>(&self, action: &'static str) -> impl Fn(E) -> Error {
        let county = self.county.clone();
        move |error| Error::Store { county: county.clone(), action, source: error.into() }
    }

    fn sealed(&self, source: crate::ledger::seal::Error) -> Error {
        Error::Seal { county: self.county.clone(), source }
    }

    fn unreadable(&self, what: &'static str) -> Error {
        Error::Unreadable { county: self.county.clone(), what }
    }

    pub(super) fn read(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` in one transaction; what it gives is durable when this returns.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Writing<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = self.failed("write");
        let transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(&failed)?;
        let writing = Writing { store: self, transaction };
        let done = work(&writing)?;
        writing.transaction.commit().map_err(&failed)?;
        Ok(done)
    }

    /// What came under a batch's name.
    pub(super) fn batch(&self, id: &str) -> Result<Option<StoredBatch>, Error> {
        batch(&self.read(), id).map_err(self.failed("look for a batch"))
    }

    /// What we found of a batch's rows, in their order.
    pub(super) fn verdicts(&self, id: &str) -> Result<Vec<Judged>, Error> {
        let sealed: Option<Vec<u8>> = self
            .read()
            .query_row("SELECT verdicts FROM batch WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(self.failed("look for verdicts"))?
            .flatten();
        let Some(sealed) = sealed else { return Ok(Vec::new()) };
        let open = self.sealer.open(Purpose::Intake, id.as_bytes(), &sealed);
        let open = open.map_err(|error| self.sealed(error))?;
        serde_json::from_slice(&open).map_err(|_malformed| self.unreadable("verdicts"))
    }

    /// The object that the county calls so.
    pub(super) fn object(&self, kind: &str, id: &str) -> Result<Option<StoredObject>, Error> {
        let sql = "kind = ?1 AND id = ?2";
        self.objects_where(sql, &[&kind, &id]).map(|mut found| found.pop())
    }

    /// The object that we call so.
    pub(super) fn object_above(&self, upper_id: &str) -> Result<Option<StoredObject>, Error> {
        self.objects_where("upper_id = ?1", &[&upper_id]).map(|mut found| found.pop())
    }

    /// Objects that stand, of one kind or of all, in the order of their ids.
    pub(super) fn standing(&self, kind: Option<&str>) -> Result<Vec<StoredObject>, Error> {
        match kind {
            Some(kind) => self.objects_where("state <> 'withdrawn' AND kind = ?1", &[&kind]),
            None => self.objects_where("state <> 'withdrawn'", &[]),
        }
    }

    fn objects_where(
        &self,
        condition: &str,
        with: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<StoredObject>, Error> {
        let failed = self.failed("look for objects");
        let connection = self.read();
        let sql = format!(
            "SELECT kind, id, upper_id, state, words FROM object WHERE {condition} ORDER BY kind, id"
        );
        let mut statement = connection.prepare_cached(&sql).map_err(&failed)?;
        let rows = statement
            .query_map(with, |row| {
                let words: String = row.get(4)?;
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, words))
            })
            .map_err(&failed)?;
        let mut found = Vec::new();
        for row in rows {
            let (kind, id, upper_id, state, words) = row.map_err(&failed)?;
            let words =
                serde_json::from_str(&words).map_err(|_malformed| self.unreadable("object"))?;
            found.push(StoredObject { kind, id, upper_id, state, words });
        }
        Ok(found)
    }

    /// Rows of each dataset.
    pub(super) fn datasets(&self) -> Result<BTreeMap<String, u64>, Error> {
        let failed = self.failed("count rows");
        let connection = self.read();
        let mut statement = connection
            .prepare_cached("SELECT dataset, count(*) FROM row GROUP BY dataset")
            .map_err(&failed)?;
        let counted = statement
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
            .map_err(&failed)?;
        counted.collect::<Result<_, _>>().map_err(&failed)
    }

    /// Rows of one dataset that were taken after a moment.
    pub(super) fn taken_after(&self, dataset: &str, after_us: i64) -> Result<u64, Error> {
        self.read()
            .prepare_cached("SELECT count(*) FROM row WHERE dataset = ?1 AND taken_us > ?2")
            .and_then(|mut it| it.query_row(params![dataset, after_us], |row| row.get::<_, i64>(0)))
            .map(i64::cast_unsigned)
            .map_err(self.failed("count what waits"))
    }

    /// How much is kept.
    pub(super) fn held(&self) -> Result<Held, Error> {
        let connection = self.read();
        let number = |name| fact_number(&connection, name).map_err(self.failed("read sums"));
        Ok(Held {
            rows: number(ROWS)?.unwrap_or_default().cast_unsigned(),
            bytes: number(BYTES)?.unwrap_or_default().cast_unsigned(),
        })
    }

    /// A page of a dataset's rows in the order of their digests.
    pub(super) fn page(
        &self,
        dataset: &str,
        (offset, limit): (u64, u32),
    ) -> Result<Vec<StoredRow>, Error> {
        let failed = self.failed("read rows");
        let sealed: Vec<Vec<u8>> = {
            let connection = self.read();
            let mut statement = connection
                .prepare_cached(
                    "SELECT content FROM row WHERE dataset = ?1 ORDER BY key LIMIT ?2 OFFSET ?3",
                )
                .map_err(&failed)?;
            let rows = statement
                .query_map(params![dataset, limit, offset.cast_signed()], |row| row.get(0))
                .map_err(&failed)?;
            rows.collect::<Result<_, _>>().map_err(&failed)?
        };
        sealed.iter().map(|sealed| self.open_row(dataset, sealed)).collect()
    }

    fn open_row(&self, dataset: &str, sealed: &[u8]) -> Result<StoredRow, Error> {
        let open = self.sealer.open(Purpose::Intake, dataset.as_bytes(), sealed);
        let open = open.map_err(|error| self.sealed(error))?;
        serde_json::from_slice(&open).map_err(|_malformed| self.unreadable("row"))
    }
}

/// A transaction under way.
pub(super) struct Writing<'s> {
    store: &'s Store,
    transaction: Transaction<'s>,
}

impl Writing<'_> {
    /// What came under a batch's name, seen by this transaction.
    pub(super) fn batch(&self, id: &str) -> Result<Option<StoredBatch>, Error> {
        batch(&self.transaction, id).map_err(self.store.failed("look for a batch"))
    }

    /// Keeps a batch with its verdicts.
    pub(super) fn keep_batch(
        &self,
        batch: &StoredBatch,
        verdicts: &[Judged],
        now: Timestamp,
    ) -> Result<(), Error> {
        let unreadable = |_error| self.store.unreadable("verdicts");
        let plain = serde_json::to_vec(verdicts).map_err(unreadable)?;
        let sealed = match verdicts {
            [] => None,
            [..] => {
                let sealed = self.store.sealer.seal(Purpose::Intake, batch.id.as_bytes(), &plain);
                Some(sealed.map_err(|error| self.store.sealed(error))?)
            }
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO batch (id, operation, digest, receipt, rows, failed, upper_id,
                 verdicts, taken_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut it| {
                it.execute(params![
                    batch.id,
                    batch.operation,
                    batch.digest,
                    batch.receipt,
                    batch.rows,
                    batch.failed,
                    batch.upper_id,
                    sealed,
                    now.as_microsecond(),
                ])
            })
            .map_err(self.store.failed("keep a batch"))?;
        Ok(())
    }

    /// Lets go of answers that are older than anybody may ask for.
    pub(super) fn forget(&self, before: Timestamp) -> Result<(), Error> {
        self.transaction
            .prepare_cached(
                "DELETE FROM batch WHERE id IN
                 (SELECT id FROM batch WHERE taken_us < ?1 ORDER BY taken_us LIMIT ?2)",
            )
            .and_then(|mut it| it.execute(params![before.as_microsecond(), FORGET_AT_ONCE]))
            .map_err(self.store.failed("let go of old answers"))?;
        Ok(())
    }

    /// Keeps an object as it is now.
    pub(super) fn keep_object(&self, object: &StoredObject, now: Timestamp) -> Result<(), Error> {
        let words = serde_json::to_string(&object.words);
        let words = words.map_err(|_error| self.store.unreadable("object"))?;
        self.transaction
            .prepare_cached(
                "INSERT INTO object (kind, id, upper_id, state, words, taken_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, id)
                 DO UPDATE SET state = excluded.state, words = excluded.words,
                 taken_us = excluded.taken_us",
            )
            .and_then(|mut it| {
                it.execute(params![
                    object.kind,
                    object.id,
                    object.upper_id,
                    object.state,
                    words,
                    now.as_microsecond()
                ])
            })
            .map_err(self.store.failed("keep an object"))?;
        Ok(())
    }

    /// Keeps rows and lets go of others, each at a moment of its own. A row that says what it said
    /// keeps its moment: it is not passed on again.
    pub(super) fn keep_rows(
        &self,
        dataset: &str,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<(), Error> {
        let failed = self.store.failed("keep rows");
        let number = |name| fact_number(&self.transaction, name).map_err(&failed);
        let mut last = number(LAST)?.unwrap_or_default();
        let (mut rows, mut bytes) = (0_i64, 0_i64);
        let mut look = self
            .transaction
            .prepare_cached("SELECT hash, length(content) FROM row WHERE dataset = ?1 AND key = ?2")
            .map_err(&failed)?;
        let mut keep = self
            .transaction
            .prepare_cached(
                "INSERT INTO row (dataset, key, hash, taken_us, content)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (dataset, key) DO UPDATE
                 SET hash = excluded.hash, taken_us = excluded.taken_us,
                 content = excluded.content",
            )
            .map_err(&failed)?;
        let mut drop_row = self
            .transaction
            .prepare_cached("DELETE FROM row WHERE dataset = ?1 AND key = ?2")
            .map_err(&failed)?;
        for change in changes {
            let known: Option<(i64, i64)> = look
                .query_row(params![dataset, change.key.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .map_err(&failed)?;
            let known_bytes = known.map_or(0, |(_, bytes)| bytes);
            let Some((hash, row)) = &change.row else {
                drop_row.execute(params![dataset, change.key.0]).map_err(&failed)?;
                rows -= i64::from(known.is_some());
                bytes -= known_bytes;
                continue;
            };
            let hash = hash.0.cast_signed();
            if known.is_some_and(|(known, _)| known == hash) {
                continue;
            }
            let plain = serde_json::to_vec(row);
            let plain = plain.map_err(|_error| self.store.unreadable("row"))?;
            let sealed = self.store.sealer.seal(Purpose::Intake, dataset.as_bytes(), &plain);
            let sealed = sealed.map_err(|error| self.store.sealed(error))?;
            last = now.as_microsecond().max(last.saturating_add(1));
            keep.execute(params![dataset, change.key.0, hash, last, sealed]).map_err(&failed)?;
            rows += i64::from(known.is_none());
            bytes += i64::try_from(sealed.len()).unwrap_or(i64::MAX) - known_bytes;
        }
        for (name, number) in [
            (LAST, last),
            (ROWS, number(ROWS)?.unwrap_or_default().saturating_add(rows)),
            (BYTES, number(BYTES)?.unwrap_or_default().saturating_add(bytes)),
        ] {
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")
                .and_then(|mut it| it.execute(params![name, number.to_be_bytes()]))
                .map_err(&failed)?;
        }
        Ok(())
    }
}

fn batch(connection: &Connection, id: &str) -> rusqlite::Result<Option<StoredBatch>> {
    connection
        .prepare_cached(
            "SELECT id, operation, digest, receipt, rows, failed, upper_id FROM batch WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(StoredBatch {
                id: row.get(0)?,
                operation: row.get(1)?,
                digest: row.get(2)?,
                receipt: row.get(3)?,
                rows: row.get(4)?,
                failed: row.get(5)?,
                upper_id: row.get(6)?,
            })
        })
        .optional()
}

fn fact_number(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM fact WHERE name = ?1")?
        .query_row([name], |row| row.get::<_, [u8; 8]>(0).map(i64::from_be_bytes))
        .optional()
}

/// The secret of this store's digests: drawn once, kept sealed.
fn secret(connection: &Connection, county: &str, sealer: &Sealer) -> Result<Vec<u8>, Error> {
    let failed = |error: rusqlite::Error| Error::Store {
        county: county.to_owned(),
        action: "open the store",
        source: error.into(),
    };
    let seal = |source| Error::Seal { county: county.to_owned(), source };
    let known: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM fact WHERE name = ?1", [SECRET], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if let Some(known) = known {
        let open = sealer.open(Purpose::Intake, SECRET.as_bytes(), &known).map_err(seal)?;
        return Ok(open.to_vec());
    }
    let mut drawn = [0_u8; 32];
    let unreadable = Error::Unreadable { county: county.to_owned(), what: "random numbers" };
    aws_lc_rs::rand::fill(&mut drawn).map_err(|_unspecified| unreadable)?;
    let sealed = sealer.seal(Purpose::Intake, SECRET.as_bytes(), &drawn).map_err(seal)?;
    connection
        .execute("INSERT INTO fact (name, value) VALUES (?1, ?2)", params![SECRET, sealed])
        .map_err(failed)?;
    Ok(drawn.to_vec())
}
