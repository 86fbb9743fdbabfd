//! The contract that every source keeps.
//!
//! * A scan is a stream of pages in bounded memory. Nothing is written to a source.
//! * A *full* scan of a database comes ordered by key (binary order of its text, nulls first) and
//!   within a key by the other columns, so that repeated keys are adjacent and their order is the
//!   same every time. Files come in the order of (time written, path), rows in file order.
//! * A scan *since* a position comes ordered by (time, key) and holds what is after the position
//!   and not after `until`. For files the time is when the file was written and the key its path.
//! * Rows whose time is null or no time at all are in no scan since: [`Scan::MissingTime`] finds
//!   them, and the two together are every row.
//! * [`Cursor::position`] is the last *complete* (time, key): while a group of equal ones may go
//!   on, the position stays before it. Resuming there reads a few rows twice and misses none.
//! * What cannot be read is a row all the same: its first key cell is malformed and says why. A full
//!   scan with a row whose key could not be read is no proof that any key is gone.

use std::fmt;
use std::sync::Arc;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::county;
use super::dataset::Dataset;
use super::error::Error;
use super::examine::TableSeen;
use super::feed::Feed;
use super::folder;
use super::mysql;
#[cfg(feature = "odbc")]
use super::odbc;
use super::postgres;
use super::settings::{From, Problem, SourceSettings};
use super::sqlite;
use crate::row::Page;

/// Where blocking work runs. The daemon's is the supervisor's pool.
pub trait Pool: Send + Sync {
    /// Runs `work` on a thread where it may block; it ends when the cursor is dropped.
    fn run(&self, name: &'static str, work: Box<dyn FnOnce() + Send>);
}

/// A point in a dataset's order of change.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Position {
    /// Canonical text in the dataset's zone, `2020-03-01T08:30:00` with a fraction where there
    /// is one. Sorts as text.
    pub time: String,
    /// The key's cells, a null as an empty text. Empty: before every key of this time.
    pub key: Vec<String>,
}

impl Position {
    /// Before everything that changed at or after `time`.
    pub fn at(time: DateTime) -> Self {
        Self { time: super::value::canonical_time(time), key: Vec::new() }
    }

    /// The position `overlap` earlier; itself where its time cannot be reckoned with.
    pub fn back(&self, overlap: std::time::Duration) -> Self {
        let earlier =
            self.time.parse::<DateTime>().ok().and_then(|time| {
                time.checked_sub(jiff::SignedDuration::try_from(overlap).ok()?).ok()
            });
        earlier.map_or_else(|| self.clone(), Self::at)
    }
}

/// What is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scan {
    /// Every row.
    Full,
    /// What changed after a position.
    Since {
        /// Absent: from the beginning.
        after: Option<Position>,
        /// Nothing later than this, in the dataset's zone.
        until: Option<DateTime>,
    },
    /// The rows that no [`Scan::Since`] can find.
    MissingTime,
}

/// A configured source. Cheap to clone; every scan opens a session of its own.
#[derive(Clone)]
pub struct Source {
    settings: Arc<SourceSettings>,
    pool: Arc<dyn Pool>,
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Source").field(&self.id()).finish()
    }
}

impl Source {
    /// Connects to nothing yet.
    pub fn open(settings: SourceSettings, pool: Arc<dyn Pool>) -> Self {
        Self { settings: Arc::new(settings), pool }
    }

    /// The id in the configuration.
    pub fn id(&self) -> &str {
        self.settings.id()
    }

    /// Asks the source whether it has what the dataset declares. An error means that it could
    /// not be asked; problems are its answer.
    pub async fn probe(&self, dataset: &Dataset) -> Result<Vec<Problem>, Error> {
        match &*self.settings {
            SourceSettings::Sqlite(it) => sqlite::probe(it, &*self.pool, dataset).await,
            SourceSettings::Postgres(it) => postgres::probe(it, dataset).await,
            SourceSettings::MySql(it) => mysql::probe(it, dataset).await,
            #[cfg(feature = "odbc")]
            SourceSettings::Odbc(it) => odbc::probe(it, &*self.pool, dataset).await,
            #[cfg(not(feature = "odbc"))]
            SourceSettings::Odbc(it) => Err(unbuilt(&it.id)),
            SourceSettings::Folder(it) => folder::probe(it, &*self.pool, dataset).await,
            SourceSettings::County(_) => Ok(county::probe(dataset)),
        }
    }

    /// What the source says of a dataset's table beside its rows; `None` where it has nothing to
    /// say.
    pub async fn examine(&self, dataset: &Dataset) -> Option<TableSeen> {
        match &*self.settings {
            SourceSettings::Postgres(it) => postgres::examine(it, dataset).await,
            SourceSettings::MySql(it) => mysql::examine(it, dataset).await,
            SourceSettings::Sqlite(_)
            | SourceSettings::Odbc(_)
            | SourceSettings::Folder(_)
            | SourceSettings::County(_) => None,
        }
    }

    /// Starts a scan.
    pub async fn scan(&self, dataset: &Dataset, scan: Scan) -> Result<Cursor, Error> {
        let inner = match &*self.settings {
            SourceSettings::Sqlite(it) => Inner::Fed(sqlite::scan(it, &*self.pool, dataset, scan)),
            #[cfg(feature = "odbc")]
            SourceSettings::Odbc(it) => Inner::Fed(odbc::scan(it, &*self.pool, dataset, scan)),
            #[cfg(not(feature = "odbc"))]
            SourceSettings::Odbc(it) => return Err(unbuilt(&it.id)),
            SourceSettings::Folder(it) => Inner::Fed(folder::scan(it, &*self.pool, dataset, scan)),
            SourceSettings::County(it) => Inner::Fed(county::scan(it, &*self.pool, dataset, scan)),
            SourceSettings::Postgres(it) => {
                Inner::Postgres(Box::new(postgres::scan(it, dataset, scan).await?))
            }
            SourceSettings::MySql(it) => {
                Inner::MySql(Box::new(mysql::scan(it, dataset, &scan).await?))
            }
        };
        Ok(Cursor { inner, width: dataset.columns.len() })
    }
}

/// A scan under way. Dropping it ends the scan and frees its session.
pub struct Cursor {
    inner: Inner,
    width: usize,
}

enum Inner {
    Fed(Feed),
    Postgres(Box<postgres::Cursor>),
    MySql(Box<mysql::Cursor>),
}

impl Cursor {
    /// Replaces the page's rows by the next ones, at most `max_rows` (at least one) and about
    /// [`PAGE_BYTES`](super::PAGE_BYTES). False: the scan has ended and the page is empty.
    ///
    /// Cancel-safe: when this is dropped before it ends, no row is lost; the next call gives the
    /// page that was under way.
    pub async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        if page.width() != self.width {
            *page = Page::new(self.width);
        }
        match &mut self.inner {
            Inner::Fed(feed) => feed.next(page, max_rows.max(1)).await,
            Inner::Postgres(cursor) => cursor.next(page, max_rows.max(1)).await,
            Inner::MySql(cursor) => cursor.next(page, max_rows.max(1)).await,
        }
    }

    /// The last complete (time, key) given out; `None` before the first and for scans without an
    /// order of change.
    pub fn position(&self) -> Option<&Position> {
        match &self.inner {
            Inner::Fed(feed) => feed.position(),
            Inner::Postgres(cursor) => cursor.position(),
            Inner::MySql(cursor) => cursor.position(),
        }
    }
}

/// What is said of a source that this build cannot read.
pub(crate) const UNBUILT: &str = "this build has no ODBC, which links unixODBC: build the program \
                                  with `cargo build --release --features odbc`";

#[cfg(not(feature = "odbc"))]
fn unbuilt(id: &str) -> Error {
    Error::Unfit { source_id: id.to_owned(), reason: UNBUILT.to_owned() }
}

/// The columns that a source lacks, with what it has instead.
pub(crate) fn missing_columns(
    dataset: &Dataset,
    known: &[String],
    same: fn(&str, &str) -> bool,
) -> Vec<Problem> {
    let missing = dataset.columns.iter().zip(&dataset.fields).filter(|(column, field)| {
        field.from == From::Row && !known.iter().any(|name| same(name, &column.name))
    });
    missing
        .map(|(column, _)| {
            let place = format!("dataset.{}.columns.{}", dataset.id, column.name);
            let message = format!("the source has no such column; it has: {}", known.join(", "));
            Problem::new(place, message)
        })
        .collect()
}

/// Completes a row. One that fits in no page becomes a row whose first key cell says so.
pub(crate) fn end_row(page: &mut Page, key: &[usize]) {
    if page.end_row().is_err() {
        push_malformed_row(page, key, "a row that does not fit into a page");
    }
}

/// Appends a row of which nothing could be read.
pub(crate) fn push_malformed_row(page: &mut Page, key: &[usize], reason: &str) {
    let marked = key.first().copied().unwrap_or(0);
    for column in 0..page.width() {
        if column == marked { page.push_malformed(reason) } else { page.push_null() }
    }
    page.end_row().ok();
}
