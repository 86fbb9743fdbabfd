//! Another key: what is sealed under one before it is sealed again, a little at a time.
//!
//! New content is sealed under the key in use from the first start with it; what lies under a key
//! before it is found by the key id that every sealed message begins with. So nothing has to be
//! remembered of how far the work is: whatever ends the process, the next look finds the rest. The
//! ledger keeps the ids of the keys under which anything may still lie, and a start without one of
//! them is refused: nothing becomes unreadable because a key was put away too early.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::seal::{self, Purpose, Sealer};
use super::spool::Spool;
use super::{Error, Ledger, Result, identity, sent};
use crate::row::KeyDigest;

/// The ids of keys under which something may lie.
const KEYS: &str = "seal-keys";
/// Rows sealed again in one transaction.
const ROWS: u32 = 200;
/// Files of the spool, and runs, written again at once.
const SPOOLED: usize = 64;
const RUNS: usize = 8;

/// Four bytes that name a key and reveal nothing of it.
pub type KeyId = [u8; 4];

/// What lies under one key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnderKey {
    /// The key.
    pub id: KeyId,
    /// New content is sealed under it.
    pub is_in_use: bool,
    /// Sealed values in the database.
    pub values: u64,
    /// Files of the spool and of sorted runs.
    pub files: u64,
}

impl UnderKey {
    /// Nothing lies under it.
    pub fn is_free(&self) -> bool {
        self.values == 0 && self.files == 0
    }
}

/// A column of sealed values: `id` names a row, `parts` say where it belongs.
struct Column {
    table: &'static str,
    id: &'static str,
    value: &'static str,
    parts: [&'static str; 3],
    purpose: Purpose,
    context: fn(&[Value; 3]) -> Option<Vec<u8>>,
}

/// Every column of sealed values; a test holds that no other one begins with a key's id.
const COLUMNS: [Column; 4] = [
    Column {
        table: "reject",
        id: "id",
        value: "original",
        parts: ["channel", "dataset", "key"],
        purpose: Purpose::Reject,
        context: of_reject,
    },
    Column {
        table: "inbox",
        id: "id",
        value: "body",
        parts: ["channel", "source", "''"],
        purpose: Purpose::Ledger,
        context: |[channel, source, _]| {
            Some(format!("inbox {} {}", text(channel)?, text(source)?).into_bytes())
        },
    },
    Column {
        table: "mending",
        id: "id",
        value: "body",
        parts: ["list", "number", "''"],
        purpose: Purpose::Ledger,
        context: |[list, number, _]| {
            Some(format!("mending {} {}", text(list)?, text(number)?).into_bytes())
        },
    },
    Column {
        table: "progress",
        id: "channel || char(0) || dataset || char(0) || lane",
        value: "position",
        parts: ["dataset", "''", "''"],
        purpose: Purpose::Ledger,
        context: |[dataset, ..]| Some(text(dataset)?.as_bytes().to_vec()),
    },
];

fn text(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

fn of_reject([channel, dataset, key]: &[Value; 3]) -> Option<Vec<u8>> {
    let Value::Blob(key) = key else { return None };
    let key = KeyDigest(key.as_slice().try_into().ok()?);
    Some(format!("{} {} {key}", text(channel)?, text(dataset)?).into_bytes())
}

impl Ledger {
    /// Seals at most so many values of the database again under the key in use; how many. What
    /// cannot be opened stays as it is.
    pub async fn values_resealed(&self, sealer: Arc<Sealer>) -> Result<u64> {
        self.write("seal again", move |transaction, _now| {
            let mut done = secret(transaction, &sealer)?;
            for column in &COLUMNS {
                done += values(transaction, column, &sealer)?;
            }
            done += cursors(transaction, &sealer)?;
            Ok(done)
        })
        .await
    }

    /// Seals some files of the spool, or else of runs, again under the key in use. False where none
    /// lies under another.
    pub async fn file_resealed(&self, spool: Arc<Spool>, sealer: Arc<Sealer>) -> Result<bool> {
        let (folder, named) = (self.folder().join("runs"), self.all_runs().await?);
        let runs: Vec<String> = named.into_iter().map(|(_, name)| name).collect();
        let rewrite = move || -> Result<(usize, Vec<String>)> {
            let mut files = 0;
            for name in spool.under_other_keys()?.iter().take(SPOOLED) {
                files += usize::from(spool.reseal(name)?);
                crate::crash::point("spool-resealed");
            }
            let mut written = Vec::new();
            for name in runs {
                if files == 0 && written.len() < RUNS && sent::reseal(&folder, &name, &sealer)? {
                    written.push(name);
                }
            }
            Ok((files, written))
        };
        let (files, mut runs) = self.pool.run_long(rewrite).await?;
        let is_any = files > 0 || !runs.is_empty();
        // A run that was merged into another meanwhile must not stay behind.
        let named = self.all_runs().await?;
        runs.retain(|run| !named.iter().any(|(_, name)| name == run));
        if !runs.is_empty() {
            let folder = self.folder().join("runs");
            self.pool.run(move || sent::delete_runs(&folder, &runs)).await?;
        }
        Ok(is_any)
    }

    /// What lies under which key: the one in use first. Reads the head of every file.
    pub async fn keys(&self, spool: Arc<Spool>, sealer: Arc<Sealer>) -> Result<Vec<UnderKey>> {
        let runs: Vec<String> = self.all_runs().await?.into_iter().map(|(_, name)| name).collect();
        let (path, folder) = (self.folder().join("ledger.sqlite"), self.folder().join("runs"));
        let count = move || {
            let connection = super::schema::open_reader(&path)?;
            let mut found: Vec<UnderKey> = Vec::new();
            for (at, id) in sealer.key_ids().into_iter().enumerate() {
                let mut it = UnderKey { id, is_in_use: at == 0, ..UnderKey::default() };
                it.values = under(&connection, id)?;
                found.push(it);
            }
            let mut files = spool.key_ids()?;
            for name in &runs {
                files.extend(sent::key_id(&folder, name, &sealer)?);
            }
            for id in files {
                match found.iter_mut().find(|it| it.id == id) {
                    Some(it) => it.files += 1,
                    None => found.push(UnderKey { id, files: 1, ..UnderKey::default() }),
                }
            }
            Ok(found)
        };
        self.pool.run_long(count).await
    }

    /// Nothing lies under any key but the one in use: the others may be put away.
    pub async fn keys_freed(&self, sealer: Arc<Sealer>) -> Result<()> {
        self.write("let go of a key", move |transaction, _now| {
            identity::put(transaction, KEYS, &sealer.key_id())
        })
        .await
    }
}

/// A start with these keys: refused where anything may lie under another one.
pub(super) fn known(transaction: &Transaction<'_>, sealer: &Sealer) -> Result<()> {
    let kept = identity::get(transaction, KEYS)?;
    let sealed = identity::get(transaction, identity::SECRET)?;
    // A ledger from before this was kept has everything under the key of its secret.
    let first = sealed.as_deref().and_then(seal::key_id_of).unwrap_or_else(|| sealer.key_id());
    let mut ids: Vec<KeyId> = match &kept {
        Some(bytes) => bytes.as_chunks::<4>().0.to_vec(),
        None => vec![first],
    };
    let ring = sealer.key_ids();
    if ids.iter().any(|id| !ring.contains(id)) {
        return Err(seal::Error::OtherKey.into());
    }
    if !ids.contains(&sealer.key_id()) {
        ids.push(sealer.key_id());
    }
    let bytes = ids.concat();
    if kept.as_ref() == Some(&bytes) {
        return Ok(());
    }
    identity::put(transaction, KEYS, &bytes)
}

fn secret(transaction: &Transaction<'_>, sealer: &Sealer) -> Result<u64> {
    let Some(sealed) = identity::get(transaction, identity::SECRET)? else { return Ok(0) };
    if seal::key_id_of(&sealed) == Some(sealer.key_id()) {
        return Ok(0);
    }
    let context = identity::SECRET.as_bytes();
    let plain = sealer.open(Purpose::Ledger, context, &sealed)?;
    let again = sealer.seal(Purpose::Ledger, context, &plain)?;
    identity::put(transaction, identity::SECRET, &again)?;
    Ok(1)
}

fn values(transaction: &Transaction<'_>, column: &Column, sealer: &Sealer) -> Result<u64> {
    let engine = || Error::engine("seal again");
    let Column { table, id, value, parts: [one, two, three], .. } = column;
    let mut others = sealer.key_ids();
    others.retain(|other| *other != sealer.key_id());
    let mut done = 0;
    for other in others {
        let found = transaction
            .prepare_cached(&format!(
                "SELECT {id}, {value}, {one}, {two}, {three} FROM {table}
                 WHERE substr({value}, 2, 4) = ?1 LIMIT {ROWS}"
            ))
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| {
                    let parts = [row.get(2)?, row.get(3)?, row.get(4)?];
                    Ok((row.get::<_, Value>(0)?, row.get::<_, Vec<u8>>(1)?, parts))
                };
                statement.query_map([other], row).and_then(Iterator::collect)
            });
        let found: Vec<(Value, Vec<u8>, [Value; 3])> = found.map_err(engine())?;
        for (row, sealed, parts) in found {
            let again = (column.context)(&parts).and_then(|context| {
                let plain = sealer.open(column.purpose, &context, &sealed).ok()?;
                sealer.seal(column.purpose, &context, &plain).ok()
            });
            let Some(again) = again else {
                tracing::warn!(table, "a sealed value cannot be opened and stays as it is");
                continue;
            };
            transaction
                .prepare_cached(&format!("UPDATE {table} SET {value} = ?2 WHERE {id} = ?1"))
                .and_then(|mut statement| statement.execute(params![row, again]))
                .map_err(engine())?;
            done += 1;
        }
    }
    Ok(done)
}

/// Positions of down-link tables, which are sealed and written as digits.
fn cursors(transaction: &Transaction<'_>, sealer: &Sealer) -> Result<u64> {
    let engine = || Error::engine("seal again");
    let found: Vec<(String, String, String)> = transaction
        .prepare_cached("SELECT channel, source, position FROM inbox_cursor")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .and_then(Iterator::collect)
        })
        .map_err(engine())?;
    let mut done = 0;
    for (channel, source, position) in found {
        let context = format!("inbox {channel} {source}");
        let Some(sealed) = bytes_of(&position) else { continue };
        if seal::key_id_of(&sealed) == Some(sealer.key_id()) {
            continue;
        }
        let again = sealer.open(Purpose::Ledger, context.as_bytes(), &sealed).ok();
        let again =
            again.and_then(|plain| sealer.seal(Purpose::Ledger, context.as_bytes(), &plain).ok());
        // What cannot be opened any more is read from the beginning anyhow.
        let Some(again) = again else { continue };
        let digits: String = again.iter().map(|byte| format!("{byte:02x}")).collect();
        transaction
            .execute(
                "UPDATE inbox_cursor SET position = ?3 WHERE channel = ?1 AND source = ?2",
                params![channel, source, digits],
            )
            .map_err(engine())?;
        done += 1;
    }
    Ok(done)
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// How many values of the database lie under a key.
fn under(connection: &Connection, id: KeyId) -> Result<u64> {
    let engine = || Error::engine("count sealed values");
    let mut count = 0_u64;
    for Column { table, value, .. } in &COLUMNS {
        let found: i64 = connection
            .query_row(
                &format!("SELECT count(*) FROM {table} WHERE substr({value}, 2, 4) = ?1"),
                [id],
                |row| row.get(0),
            )
            .map_err(engine())?;
        count += found.cast_unsigned();
    }
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let found: i64 = connection
        .query_row(
            "SELECT count(*) FROM inbox_cursor WHERE lower(substr(position, 3, 8)) = ?1",
            [digits],
            |row| row.get(0),
        )
        .map_err(engine())?;
    let secret: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = ?1", [identity::SECRET], |row| row.get(0))
        .optional()
        .map_err(engine())?;
    let is_secret = secret.as_deref().and_then(seal::key_id_of) == Some(id);
    Ok(count + found.cast_unsigned() + u64::from(is_secret))
}
