//! Objects of the catalogue.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Result, failed, stamp};

/// An object as the platform holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Object {
    /// The id the platform gave.
    pub upper_id: String,
    /// `organisation`, `category`, `system`, `entry`, `resource`.
    pub kind: String,
    /// The id the city named it by.
    pub local_id: String,
    /// Its title, where the message has one.
    pub title: Option<String>,
    /// `in_review`, `published` or `withdrawn`, as of the instant that was asked for.
    pub state: String,
    /// A resource's dataset.
    pub dataset: Option<String>,
    /// The fields as said: JSON, path to texts.
    pub message: String,
    /// How often it was registered or modified.
    pub times_said: u64,
}

/// What a message says of an object.
#[derive(Clone, Debug)]
pub(in super::super) struct Said {
    pub(in super::super) kind: String,
    pub(in super::super) local_id: String,
    pub(in super::super) title: Option<String>,
    pub(in super::super) dataset: Option<String>,
    pub(in super::super) message: String,
    /// Upper ids it refers to.
    pub(in super::super) parents: Vec<String>,
}

impl Said {
    /// Between blanks, so that one can be looked for.
    fn parents(&self) -> String {
        format!(" {} ", self.parents.join(" "))
    }
}

/// Gives every object of these kinds a new id, wherever the old one stands, or, the second time,
/// the old one again: kind, old, new.
pub(in super::super) fn renumber(
    write: &Transaction<'_>,
    kinds: &[String],
) -> Result<Vec<(String, String, String)>> {
    let mut ids = Vec::new();
    for kind in kinds {
        let known: Vec<String> = write
            .prepare("select upper_id from object where kind = ?1 order by upper_id")
            .and_then(|mut query| query.query_map([kind], |row| row.get(0))?.collect())
            .map_err(failed("list old ids"))?;
        for old in known {
            let new = old.strip_prefix("N-").map_or(format!("N-{old}"), str::to_owned);
            for step in [
                "update object set upper_id = ?2 where upper_id = ?1",
                "update object set parents = replace(parents, ' ' || ?1 || ' ', ' ' || ?2 || ' ')",
                "update batch set upper_id = ?2 where upper_id = ?1",
            ] {
                write.execute(step, [&old, &new]).map_err(failed("give new ids"))?;
            }
            ids.push((kind.clone(), old, new));
        }
    }
    Ok(ids)
}

const COLUMNS: &str = "upper_id, kind, local_id, title, \
    case when state = 'in_review' and review_ends_at <= ?1 then 'published' else state end, \
    dataset, message, times_said";

fn read(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        upper_id: row.get(0)?,
        kind: row.get(1)?,
        local_id: row.get(2)?,
        title: row.get(3)?,
        state: row.get(4)?,
        dataset: row.get(5)?,
        message: row.get(6)?,
        times_said: row.get::<_, i64>(7)?.try_into().unwrap_or(0),
    })
}

impl Object {
    /// By the id the platform gave.
    pub(in super::super) fn find(
        db: &Connection,
        upper_id: &str,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        db.prepare_cached(&format!("select {COLUMNS} from object where upper_id = ?2"))
            .and_then(|mut query| query.query_row(params![stamp(now), upper_id], read).optional())
            .map_err(failed("find an object"))
    }

    /// By the city's id.
    pub(in super::super) fn find_local(
        db: &Connection,
        kind: &str,
        local_id: &str,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        db.prepare_cached(&format!(
            "select {COLUMNS} from object where kind = ?2 and local_id = ?3"
        ))
        .and_then(|mut query| query.query_row(params![stamp(now), kind, local_id], read).optional())
        .map_err(failed("find an object"))
    }

    /// Up to `limit` objects after the upper id `after`, in order of upper id, the first `offset`
    /// left out; of one kind or all.
    pub(in super::super) fn list(
        db: &Connection,
        kind: Option<&str>,
        after: &str,
        (offset, limit): (usize, usize),
        now: Timestamp,
    ) -> Result<Vec<Self>> {
        let sql = format!(
            "select {COLUMNS} from object where (?2 is null or kind = ?2) and upper_id > ?3 \
             order by upper_id limit ?4 offset ?5"
        );
        let [limit, offset] = [limit, offset].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        db.prepare_cached(&sql)
            .and_then(|mut query| {
                query.query_map(params![stamp(now), kind, after, limit, offset], read)?.collect()
            })
            .map_err(failed("list objects"))
    }

    /// Whether a resource that stands has announced this dataset.
    pub(in super::super) fn is_mounted(db: &Connection, dataset: &str) -> Result<bool> {
        db.prepare_cached(
            "select exists(select 1 from object where dataset = ?1 and state <> 'withdrawn')",
        )
        .and_then(|mut query| query.query_row([dataset], |row| row.get(0)))
        .map_err(failed("find a dataset"))
    }

    /// Takes a new object, or one that was withdrawn, under `upper_id`.
    pub(in super::super) fn register(
        write: &Transaction<'_>,
        said: &Said,
        upper_id: &str,
        now: Timestamp,
        review_ends: Timestamp,
    ) -> Result<()> {
        write
            .prepare_cached(
                "insert into object (upper_id, kind, local_id, title, state, dataset, message, \
                 registered_at, changed_at, review_ends_at, times_said, parents) \
                 values (?1, ?2, ?3, ?4, 'in_review', ?5, ?6, ?7, ?7, ?8, 1, ?9) \
                 on conflict (kind, local_id) do update set title = ?4, state = 'in_review', \
                 dataset = ?5, message = ?6, changed_at = ?7, review_ends_at = ?8, parents = ?9, \
                 times_said = times_said + 1",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    upper_id,
                    said.kind,
                    said.local_id,
                    said.title,
                    said.dataset,
                    said.message,
                    stamp(now),
                    stamp(review_ends),
                    said.parents(),
                ])
            })
            .map(|_count| ())
            .map_err(failed("take an object"))
    }

    /// Takes new fields of an object; it is reviewed again.
    pub(in super::super) fn modify(
        write: &Transaction<'_>,
        upper_id: &str,
        said: &Said,
        now: Timestamp,
        review_ends: Timestamp,
    ) -> Result<()> {
        write
            .prepare_cached(
                "update object set title = ?2, state = 'in_review', dataset = ?3, message = ?4, \
                 changed_at = ?5, review_ends_at = ?6, parents = ?7, times_said = times_said + 1 \
                 where upper_id = ?1",
            )
            .and_then(|mut update| {
                update.execute(params![
                    upper_id,
                    said.title,
                    said.dataset,
                    said.message,
                    stamp(now),
                    stamp(review_ends),
                    said.parents(),
                ])
            })
            .map(|_count| ())
            .map_err(failed("change an object"))
    }

    /// Whether an object that stands refers to this one.
    pub(in super::super) fn has_children(db: &Connection, upper_id: &str) -> Result<bool> {
        db.prepare_cached(
            "select exists(select 1 from object where state <> 'withdrawn' \
             and instr(parents, ' ' || ?1 || ' ') > 0)",
        )
        .and_then(|mut query| query.query_row([upper_id], |row| row.get(0)))
        .map_err(failed("find children"))
    }

    /// Withdraws an object.
    pub(in super::super) fn withdraw(
        write: &Transaction<'_>,
        upper_id: &str,
        now: Timestamp,
    ) -> Result<()> {
        write
            .execute(
                "update object set state = 'withdrawn', changed_at = ?2 where upper_id = ?1",
                params![upper_id, stamp(now)],
            )
            .map(|_count| ())
            .map_err(failed("withdraw an object"))
    }
}
