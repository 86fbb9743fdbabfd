//! What tests and people look at: contents key by key, deliveries, inventories.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::rows::{columns, known_table, quoted};
use super::{Result, failed};

/// A dataset's rows: key to column to text; a column without a value has `None`.
pub type Content = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// One request that was read as far as its operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// When, UTC text.
    pub received_at: String,
    /// The standard's operation.
    pub operation: String,
    /// The batch, where the message names one.
    pub batch_id: Option<String>,
    /// Digest of what the batch says, slots of an attempt left out.
    pub payload_digest: Option<String>,
    /// The reply code, or the fault that was played instead.
    pub code: String,
}

pub(in super::super) fn note(db: &Connection, delivery: &Delivery) -> Result<()> {
    db.prepare_cached(
        "insert into delivery (received_at, operation, batch_id, payload_digest, code) \
         values (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut insert| {
        insert.execute(params![
            delivery.received_at,
            delivery.operation,
            delivery.batch_id,
            delivery.payload_digest,
            delivery.code,
        ])
    })
    .map(|_count| ())
    .map_err(failed("note a delivery"))
}

/// Every delivery, in order.
pub(in super::super) fn deliveries(db: &Connection) -> Result<Vec<Delivery>> {
    db.prepare(
        "select received_at, operation, batch_id, payload_digest, code from delivery \
         order by number",
    )
    .and_then(|mut query| {
        query
            .query_map([], |row| {
                Ok(Delivery {
                    received_at: row.get(0)?,
                    operation: row.get(1)?,
                    batch_id: row.get(2)?,
                    payload_digest: row.get(3)?,
                    code: row.get(4)?,
                })
            })?
            .collect()
    })
    .map_err(failed("read deliveries"))
}

/// The datasets that have a table.
pub(in super::super) fn datasets(db: &Connection) -> Result<Vec<String>> {
    db.prepare("select dataset from dataset order by dataset")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(failed("list datasets"))
}

/// A dataset's rows; empty for one that is not known.
pub(in super::super) fn content(db: &Connection, dataset: &str) -> Result<Content> {
    let Some(table) = known_table(db, dataset)? else { return Ok(Content::new()) };
    let names = columns(db, &table)?;
    let list: String = names.iter().map(|name| format!(", {}", quoted(name))).collect();
    let sql = format!("select _key{list} from {}", quoted(&table));
    db.prepare(&sql)
        .and_then(|mut query| {
            query
                .query_map([], |row| {
                    let cells = names.iter().enumerate().map(|(at, name)| {
                        Ok((name.clone(), row.get::<_, Option<String>>(at + 1)?))
                    });
                    Ok((row.get(0)?, cells.collect::<rusqlite::Result<_>>()?))
                })?
                .collect()
        })
        .map_err(failed("read a dataset"))
}

/// Up to `limit` pairs of key and digest after the key `after`, in order of key, the first
/// `offset` left out.
pub(in super::super) fn keys(
    db: &Connection,
    dataset: &str,
    after: &str,
    (offset, limit): (usize, usize),
) -> Result<Vec<(String, String)>> {
    let Some(table) = known_table(db, dataset)? else { return Ok(Vec::new()) };
    let [limit, offset] = [limit, offset].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let sql = format!(
        "select _key, _digest from {} where _key > ?1 order by _key limit ?2 offset ?3",
        quoted(&table)
    );
    db.prepare_cached(&sql)
        .and_then(|mut query| {
            query
                .query_map(params![after, limit, offset], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(failed("read an inventory"))
}

/// How many rows a dataset has.
pub(in super::super) fn count(db: &Connection, dataset: &str) -> Result<u64> {
    let Some(table) = known_table(db, dataset)? else { return Ok(0) };
    db.prepare_cached(&format!("select count(*) from {}", quoted(&table)))
        .and_then(|mut query| query.query_row([], |row| row.get::<_, i64>(0)))
        .map(|count| count.try_into().unwrap_or(0))
        .map_err(failed("count rows"))
}
