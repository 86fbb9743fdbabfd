//! SQLite files as a source: one read-only session and one statement per scan, on a thread of the
//! pool.
//!
//! A time column is text in a fixed, sortable form (`%Y-%m-%d %H:%M:%S` unless the column has a
//! format; a fraction may follow). Rows whose text does not have that form count as rows without a
//! time. Numbers of seconds need a query that makes them text.
//!
//! A scan sees one state of the file, and may wait for hours between two pages. Where the file has
//! a write-ahead log that hinders nobody. Where it has none, a statement under way keeps everybody
//! from writing; the scan's rows are then copied into a temporary table first (a temporary file of
//! SQLite's own, where their sorting would put them anyway), and the file is free again before the
//! first page is asked for.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Rows, params_from_iter};

use super::PAGE_BYTES;
use super::dataset::{Change, Dataset};
use super::error::Error;
use super::feed::{self, Desk, Feed, Read, Trail};
use super::query::{self, Bound, Select};
use super::settings::{Problem, SqliteSettings};
use super::source::{Pool, Position, Scan};
use super::value::{self, TimeFormat};
use crate::row::{ColumnType, Page};
use crate::sql;

/// Memory that a scan sorts in.
const SORT_KIB: i64 = 1_024;
/// Memory for the pages of a scan's rows that are set aside.
const COPY_KIB: i64 = 128;

/// Asks for the columns and lets SQLite prepare the scan.
pub(crate) async fn probe(
    it: &SqliteSettings,
    pool: &dyn Pool,
    dataset: &Dataset,
) -> Result<Vec<Problem>, Error> {
    let (settings, dataset) = (it.clone(), dataset.clone());
    let work = move || {
        let session = open(&settings)?;
        Ok(match columns(&session, &dataset) {
            Ok(known) => {
                super::source::missing_columns(&dataset, &known, str::eq_ignore_ascii_case)
            }
            Err(error) => {
                let place = format!("dataset.{}", dataset.id);
                vec![Problem::new(place, sql::Error::from(error).to_string())]
            }
        })
    };
    feed::ask(pool, &it.id, it.timeout, work).await
}

fn columns(session: &Connection, dataset: &Dataset) -> Result<Vec<String>, rusqlite::Error> {
    let sql = format!("SELECT * {} LIMIT 0", query::from(&dataset.origin));
    let statement = session.prepare(&sql)?;
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// Starts a scan; what goes wrong comes with the first page.
pub(crate) fn scan(it: &SqliteSettings, pool: &dyn Pool, dataset: &Dataset, scan: Scan) -> Feed {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::start(pool, &it.id, it.timeout, move |desk| read(&settings, &dataset, &scan, desk))
}

fn open(it: &SqliteSettings) -> Result<Connection, Error> {
    sql::open_read_only(&it.path)
        .map_err(|cause| Error::Database { source_id: it.id.clone(), cause })
}

fn read(it: &SqliteSettings, dataset: &Dataset, scan: &Scan, desk: &mut Desk) -> Result<(), Error> {
    let failed =
        |error: rusqlite::Error| Error::Database { source_id: it.id.clone(), cause: error.into() };
    let unfit = || Error::Unfit {
        source_id: it.id.clone(),
        reason: format!("dataset {} has no time column to scan by", dataset.id),
    };
    let session = open(it)?;
    let interrupt = session.get_interrupt_handle();
    desk.interruptible(move || interrupt.interrupt());
    let time = time_column(dataset);
    let mut parameters = Vec::new();
    let mut select = everything(dataset);
    match (scan, &time) {
        (Scan::Full, _) => {}
        (_, None) => return Err(unfit()),
        (Scan::MissingTime, Some(time)) => {
            select.condition = Some(format!("{} IS NOT TRUE", time.dated()));
        }
        (Scan::Since { after, until }, Some(time)) => {
            time.since(after.as_ref(), *until, &mut select, &mut parameters);
        }
    }
    let mut sql = query::statement(&dataset.origin, &select);
    if blocks_writers(&session).map_err(failed)? {
        set_aside(&session, &sql, std::mem::take(&mut parameters)).map_err(failed)?;
        // A table of these columns alone, written in this order, whose rows are numbered so.
        sql = "SELECT * FROM temp.set_aside".to_owned();
    }
    let mut statement = session.prepare(&sql).map_err(failed)?;
    let rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
    let ordered = matches!(scan, Scan::Since { .. });
    let time = time.filter(|_| ordered);
    desk.serve(&mut Reader { it, dataset, rows, time, trail: Trail::default(), ended: false });
    Ok(())
}

/// Without a write-ahead log nobody can write while somebody reads.
fn blocks_writers(session: &Connection) -> rusqlite::Result<bool> {
    session.query_row("PRAGMA journal_mode", [], |row| Ok(row.get_ref(0)?.as_str()? != "wal"))
}

/// Copies what `sql` finds into `temp.set_aside`. The session stays unable to write to the file: it
/// was opened so.
fn set_aside(session: &Connection, sql: &str, parameters: Vec<String>) -> rusqlite::Result<()> {
    // Sorting and the copy keep their pages on disk: scans wait for hours, several at once.
    session.pragma_update(None, "cache_size", -SORT_KIB)?;
    session.pragma_update(Some("temp"), "cache_size", -COPY_KIB)?;
    session.pragma_update(None, "query_only", false)?;
    let sql = format!("CREATE TEMP TABLE set_aside AS {sql}");
    session.execute(&sql, params_from_iter(parameters))?;
    session.pragma_update(None, "query_only", true)
}

struct TimeColumn {
    index: usize,
    sql: String,
    format: TimeFormat,
}

fn time_column(dataset: &Dataset) -> Option<TimeColumn> {
    let Change::TimeColumn { column: index, .. } = dataset.change else { return None };
    let column = dataset.columns.get(index)?;
    let format = dataset.fields.get(index).and_then(|field| field.format.clone());
    Some(TimeColumn {
        index,
        sql: query::column(&column.name),
        format: format.unwrap_or_else(|| TimeFormat::usual(column.kind)),
    })
}

impl TimeColumn {
    fn dated(&self) -> String {
        let globs = self
            .format
            .globs()
            .map(|glob| format!("{} GLOB '{}'", self.sql, glob.replace('\'', "''")));
        format!("(typeof({}) = 'text' AND ({}))", self.sql, globs.join(" OR "))
    }

    fn since(
        &self,
        after: Option<&Position>,
        until: Option<jiff::civil::DateTime>,
        select: &mut Select,
        parameters: &mut Vec<String>,
    ) {
        let mut parameter = |text: String| {
            parameters.push(text);
            format!("?{}", parameters.len())
        };
        select.condition = Some(self.dated());
        select.time = Some(self.sql.clone());
        select.with_keys = true;
        select.after = after.map(|position| Bound {
            time: Some(parameter(self.format.raw(&position.time))),
            key: (0..if position.key.is_empty() { 0 } else { select.keys.len() })
                .map(|cell| parameter(position.key.get(cell).cloned().unwrap_or_default()))
                .collect(),
            inclusive: false,
        });
        select.until = until.map(|time| parameter(self.format.raw(&value::canonical_time(time))));
    }
}

fn everything(dataset: &Dataset) -> Select {
    let columns: Vec<String> =
        dataset.columns.iter().map(|column| query::column(&column.name)).collect();
    let keys = dataset.key.iter().filter_map(|index| columns.get(*index));
    Select {
        order: columns.iter().map(|column| format!("{column} COLLATE BINARY")).collect(),
        keys: keys.map(|column| format!("coalesce(CAST({column} AS TEXT), '')")).collect(),
        columns,
        condition: None,
        time: None,
        after: None,
        until: None,
        with_keys: false,
    }
}

struct Reader<'a> {
    it: &'a SqliteSettings,
    dataset: &'a Dataset,
    rows: Rows<'a>,
    time: Option<TimeColumn>,
    trail: Trail,
    ended: bool,
}

impl Read for Reader<'_> {
    fn fill(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        while !self.ended && page.len() < max_rows && page.text_bytes() < PAGE_BYTES {
            let row = match self.rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => {
                    self.ended = true;
                    self.trail.finish();
                    break;
                }
                Err(error) => {
                    let source_id = self.it.id.clone();
                    return Err(Error::Database { source_id, cause: error.into() });
                }
            };
            for (index, column) in self.dataset.columns.iter().enumerate() {
                let format = self.dataset.fields.get(index).and_then(|it| it.format.as_ref());
                let cell = row.get_ref(index).unwrap_or(ValueRef::Null);
                push(page, column.kind, format, cell);
            }
            super::source::end_row(page, &self.dataset.key);
            if let Some(time) = &self.time {
                step(&mut self.trail, row, time, self.dataset);
            }
        }
        Ok(!page.is_empty())
    }

    fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}

/// A text that is not UTF-8 has no place in a position: the trail stays before it.
fn step(trail: &mut Trail, row: &rusqlite::Row<'_>, time: &TimeColumn, dataset: &Dataset) {
    let text = |index| row.get_ref(index).ok().and_then(|cell| cell.as_str().ok());
    let width = dataset.columns.len();
    let keys = width..width + dataset.key.len();
    let canonical = text(time.index).and_then(|raw| time.format.canonical(raw));
    if let Some(canonical) = canonical
        && keys.clone().all(|index| text(index).is_some())
    {
        trail.step(&canonical, keys.map(|index| text(index).unwrap_or_default()));
    }
}

fn push(page: &mut Page, kind: ColumnType, format: Option<&TimeFormat>, cell: ValueRef<'_>) {
    match cell {
        ValueRef::Null => page.push_null(),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => value::push_text(page, kind, format, text),
            Err(_) => page.push_malformed("not UTF-8"),
        },
        ValueRef::Blob(_) => page.push_malformed("bytes where text is expected"),
        ValueRef::Integer(number) => match kind {
            ColumnType::Text | ColumnType::Integer | ColumnType::Decimal => {
                page.push(itoa::Buffer::new().format(number));
            }
            ColumnType::Boolean => match number {
                0 => page.push("false"),
                1 => page.push("true"),
                _ => page.push_malformed("neither true nor false"),
            },
            ColumnType::Date | ColumnType::Time => {
                let mut digits = itoa::Buffer::new();
                value::push_text(page, kind, format, digits.format(number));
            }
        },
        // The shortest text that reads back as the same number.
        ValueRef::Real(number) => value::push_text(page, kind, format, &number.to_string()),
    }
}
