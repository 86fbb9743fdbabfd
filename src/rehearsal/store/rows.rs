//! Rows: a table for each dataset, a receipt for each batch, verdicts that become visible later.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Result, failed, stamp};

/// The most columns one dataset may have.
const MAX_COLUMNS: usize = 500;

/// One row of a batch, judged.
#[derive(Clone, Debug)]
pub(in super::super) struct Judged {
    pub(in super::super) key: String,
    /// Column and text; a column without a value is not here or has none.
    pub(in super::super) cells: Vec<(String, Option<String>)>,
    pub(in super::super) digest: String,
    /// Why it fails; `None` passes.
    pub(in super::super) reason: Option<String>,
}

/// A batch that was taken.
#[derive(Clone, Debug)]
pub(in super::super) struct Taken {
    pub(in super::super) batch_id: String,
    pub(in super::super) dataset: String,
    pub(in super::super) action: String,
    pub(in super::super) payload_digest: String,
    pub(in super::super) rows: usize,
    pub(in super::super) receipt_id: String,
    /// The digest the batch says of its rows.
    pub(in super::super) declared_digest: Option<String>,
    /// The object, where the batch is the message of one.
    pub(in super::super) upper_id: Option<String>,
}

/// A verdict.
#[derive(Clone, Debug)]
pub(in super::super) struct Verdict {
    pub(in super::super) number: i64,
    pub(in super::super) key: String,
    pub(in super::super) passed: bool,
    pub(in super::super) reason: Option<String>,
}

/// When verdicts become visible.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Visibility {
    pub(in super::super) at: Timestamp,
    /// From then on every passed row of the batch has failed.
    pub(in super::super) revoked: Option<Timestamp>,
}

impl Taken {
    /// The batch of this id.
    pub(in super::super) fn find(db: &Connection, batch_id: &str) -> Result<Option<Self>> {
        db.prepare_cached(
            "select batch_id, dataset, action, payload_digest, rows, receipt_id, declared_digest, \
             upper_id from batch where batch_id = ?1",
        )
        .and_then(|mut query| {
            query
                .query_row([batch_id], |row| {
                    Ok(Self {
                        batch_id: row.get(0)?,
                        dataset: row.get(1)?,
                        action: row.get(2)?,
                        payload_digest: row.get(3)?,
                        rows: row.get::<_, i64>(4)?.try_into().unwrap_or(0),
                        receipt_id: row.get(5)?,
                        declared_digest: row.get(6)?,
                        upper_id: row.get(7)?,
                    })
                })
                .optional()
        })
        .map_err(failed("find a batch"))
    }

    /// Takes the batch: its receipt, its verdicts, and the rows that pass.
    pub(in super::super) fn keep(
        &self,
        write: &Transaction<'_>,
        rows: &[Judged],
        now: Timestamp,
        visibility: Visibility,
    ) -> Result<()> {
        self.note(write, now)?;
        self.judge(write, rows, visibility)?;
        let table = table(write, &self.dataset)?;
        if self.action == "delete" {
            return remove(write, &table, rows);
        }
        self.upsert(write, &table, rows, now)
    }

    /// Writes the batch down with its receipt.
    pub(in super::super) fn note(&self, write: &Transaction<'_>, now: Timestamp) -> Result<()> {
        let count = i64::try_from(self.rows).unwrap_or(i64::MAX);
        write
            .prepare_cached(
                "insert into batch (batch_id, dataset, action, payload_digest, rows, received_at, \
                 receipt_id, declared_digest, upper_id) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    self.batch_id,
                    self.dataset,
                    self.action,
                    self.payload_digest,
                    count,
                    stamp(now),
                    self.receipt_id,
                    self.declared_digest,
                    self.upper_id,
                ])
            })
            .map(|_count| ())
            .map_err(failed("take a batch"))
    }

    fn judge(
        &self,
        write: &Transaction<'_>,
        rows: &[Judged],
        visibility: Visibility,
    ) -> Result<()> {
        let mut insert = write
            .prepare_cached(
                "insert into verdict (batch_id, dataset, key, passed, reason, visible_at, pending) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .map_err(failed("write verdicts"))?;
        let at = stamp(visibility.at);
        let revoked = visibility.revoked.map(stamp);
        for row in rows {
            let passed = row.reason.is_none();
            insert
                .execute(params![self.batch_id, self.dataset, row.key, passed, row.reason, at, 0])
                .map_err(failed("write verdicts"))?;
            if let (true, Some(revoked)) = (passed, &revoked) {
                let reason = Some("revoked");
                insert
                    .execute(params![
                        self.batch_id,
                        self.dataset,
                        row.key,
                        false,
                        reason,
                        revoked,
                        1
                    ])
                    .map_err(failed("write verdicts"))?;
            }
        }
        Ok(())
    }

    fn upsert(
        &self,
        write: &Transaction<'_>,
        table: &str,
        rows: &[Judged],
        now: Timestamp,
    ) -> Result<()> {
        let named: BTreeSet<&str> =
            rows.iter().flat_map(|row| &row.cells).map(|(name, _)| name.as_str()).collect();
        widen(write, table, &named)?;
        let columns: Vec<&str> = named.into_iter().collect();
        let names: String = columns.iter().map(|name| format!(", {}", quoted(name))).collect();
        let holes: String = (0..columns.len()).map(|at| format!(", ?{}", at + 5)).collect();
        // A row is replaced whole: a column that is not said any more has no value any more.
        let sql = format!(
            "insert or replace into {} (_key, _digest, _batch, _taken_at{names}) \
             values (?1, ?2, ?3, ?4{holes})",
            quoted(table)
        );
        let mut insert = write.prepare_cached(&sql).map_err(failed("keep rows"))?;
        let at = stamp(now);
        for row in rows.iter().filter(|row| row.reason.is_none()) {
            let mut values: Vec<&dyn ToSql> = vec![&row.key, &row.digest, &self.batch_id, &at];
            for column in &columns {
                let cell = row.cells.iter().find(|(name, _)| name == column);
                values.push(cell.map_or(&None::<String>, |(_, text)| text));
            }
            insert.execute(values.as_slice()).map_err(failed("keep rows"))?;
        }
        Ok(())
    }

    /// Up to `limit` verdicts visible by `now` with a number above `after`, in order of number;
    /// of one batch, or of all where none is named.
    pub(in super::super) fn verdicts(
        db: &Connection,
        batch_id: Option<&str>,
        after: i64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Verdict>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        db.prepare_cached(
            "select number, key, passed, reason from verdict \
             where (?1 is null or batch_id = ?1) and visible_at <= ?2 and number > ?3 \
             order by number limit ?4",
        )
        .and_then(|mut query| {
            query
                .query_map(params![batch_id, stamp(now), after, limit], |row| {
                    Ok(Verdict {
                        number: row.get(0)?,
                        key: row.get(1)?,
                        passed: row.get(2)?,
                        reason: row.get(3)?,
                    })
                })?
                .collect()
        })
        .map_err(failed("read verdicts"))
    }
}

fn remove(write: &Transaction<'_>, table: &str, rows: &[Judged]) -> Result<()> {
    let sql = format!("delete from {} where _key = ?1", quoted(table));
    let mut delete = write.prepare_cached(&sql).map_err(failed("delete rows"))?;
    for row in rows.iter().filter(|row| row.reason.is_none()) {
        delete.execute([&row.key]).map_err(failed("delete rows"))?;
    }
    Ok(())
}

/// Takes rows out whose verdict was revoked by `now`, unless a later batch brought them anew.
pub(super) fn revoke(write: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let revoked: Vec<(i64, String, String, String)> = write
        .prepare_cached(
            "select number, dataset, key, batch_id from verdict \
             where pending = 1 and visible_at <= ?1",
        )
        .and_then(|mut query| {
            query
                .query_map([stamp(now)], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect()
        })
        .map_err(failed("read revocations"))?;
    for (number, dataset, key, batch_id) in revoked {
        let table = table(write, &dataset)?;
        let sql = format!("delete from {} where _key = ?1 and _batch = ?2", quoted(&table));
        write
            .prepare_cached(&sql)
            .and_then(|mut delete| delete.execute(params![key, batch_id]))
            .map_err(failed("revoke rows"))?;
        write
            .execute("update verdict set pending = 0 where number = ?1", [number])
            .map_err(failed("revoke rows"))?;
    }
    Ok(())
}

/// The dataset's table, where it has one.
pub(super) fn known_table(db: &Connection, dataset: &str) -> Result<Option<String>> {
    db.prepare_cached("select table_name from dataset where dataset = ?1")
        .and_then(|mut query| query.query_row([dataset], |row| row.get(0)).optional())
        .map_err(failed("find a dataset's table"))
}

fn table(write: &Transaction<'_>, dataset: &str) -> Result<String> {
    if let Some(known) = known_table(write, dataset)? {
        return Ok(known);
    }
    let plain: String =
        dataset.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
    let taken = |name: &str| {
        write.query_row(
            "select exists(select 1 from dataset where table_name = ?1)",
            [name],
            |row| row.get::<_, bool>(0),
        )
    };
    let mut name = format!("rows_{plain}");
    while taken(&name).map_err(failed("name a table"))? {
        name.push('_');
    }
    let sql = format!(
        "create table {} (_key text primary key, _digest text not null, _batch text not null, \
         _taken_at text not null) strict",
        quoted(&name)
    );
    write.execute(&sql, []).map_err(failed("make a dataset's table"))?;
    write
        .execute("insert into dataset (dataset, table_name) values (?1, ?2)", [dataset, &name])
        .map_err(failed("make a dataset's table"))?;
    Ok(name)
}

/// Columns of a dataset's table, the platform's own left out.
pub(super) fn columns(db: &Connection, table: &str) -> Result<Vec<String>> {
    db.prepare("select name from pragma_table_info(?1)")
        .and_then(|mut query| query.query_map([table], |row| row.get(0))?.collect())
        .map(|names: Vec<String>| names.into_iter().filter(|name| !name.starts_with('_')).collect())
        .map_err(failed("read a table's columns"))
}

fn widen(write: &Transaction<'_>, table: &str, named: &BTreeSet<&str>) -> Result<()> {
    let known: BTreeSet<String> =
        columns(write, table)?.into_iter().map(|name| name.to_lowercase()).collect();
    let new: Vec<&&str> =
        named.iter().filter(|name| !known.contains(&name.to_lowercase())).collect();
    for column in new.iter().take(MAX_COLUMNS.saturating_sub(known.len())) {
        let sql = format!("alter table {} add column {} text", quoted(table), quoted(column));
        write.execute(&sql, []).map_err(failed("widen a dataset's table"))?;
    }
    Ok(())
}

/// An SQL identifier of any text.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
