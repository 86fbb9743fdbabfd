//! What counties cascade into this instance, as a source: rows in the order in which they were
//! taken, objects as words.
//!
//! Whoever keeps it is a [`Shelf`]; this side knows neither its files nor its seal. A dataset reads
//! a *table* of the shelf, which is the county's own name of the dataset, and gets one column more
//! than the county sends: [`TAKEN_AT`], when the row was taken here. No two rows of a shelf have the
//! same moment and it never goes back, so that it is a sequence: a scan since a position needs no
//! overlap. A row that the county deleted is no longer there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::PAGE_BYTES;
use super::catalogue::Cells;
use super::dataset::{Dataset, Origin};
use super::error::Error;
use super::feed::{self, Desk, Feed, Read, Trail};
use super::settings::Problem;
use super::source::{Pool, Position, Scan};
use super::value;
use crate::row::Page;
use crate::sql;

/// The column that every table of a shelf has: when its row was taken, which only grows.
pub const TAKEN_AT: &str = "taken_at";
/// Rows asked of a shelf at once.
const CHUNK: usize = 500;
/// Nobody waits longer for a shelf, which is a file of this machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A row as a county's shelf keeps it. `Debug` shows no cell.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ShelfRow {
    /// When it was taken, in microseconds since 1970. Unique on its shelf.
    pub taken_us: i64,
    /// Canonical text by column; absent and null are the same.
    pub cells: BTreeMap<String, Option<String>>,
}

impl fmt::Debug for ShelfRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&String> = self.cells.keys().collect();
        formatter.debug_struct("ShelfRow").field("columns", &columns).finish_non_exhaustive()
    }
}

/// An object of a county's catalogue, by the words of the catalogue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ShelfObject {
    /// `entry.title`, `resource.dataset` and the like.
    pub words: BTreeMap<String, String>,
    /// Of an entry, its items: `item.title`.
    pub items: Vec<BTreeMap<String, String>>,
}

/// What keeps what a county sends. Calls may block.
pub trait Shelf: Send + Sync {
    /// At most `limit` rows of `table` that were taken after `after_us`, in the order of taking.
    ///
    /// # Errors
    /// Why the shelf cannot be read, without content.
    fn rows(&self, table: &str, after_us: i64, limit: usize) -> Result<Vec<ShelfRow>, String>;

    /// Every object that stands, parents before children.
    ///
    /// # Errors
    /// As [`Shelf::rows`].
    fn objects(&self) -> Result<Vec<ShelfObject>, String>;
}

/// A county as a source. It has no section of its own: every `[[intake.county]]` is one.
#[derive(Clone)]
pub struct CountySettings {
    /// What datasets call this source: the county's id.
    pub id: String,
    /// The administrative division (行政区划代码) of everything it sends.
    pub region: String,
    /// Where it is kept; `None` where nobody keeps it, as while a configuration is checked.
    pub shelf: Option<Arc<dyn Shelf>>,
}

impl fmt::Debug for CountySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, region, shelf: _ } = self;
        formatter
            .debug_struct("CountySettings")
            .field("id", id)
            .field("region", region)
            .finish_non_exhaustive()
    }
}

impl CountySettings {
    fn unread(&self, reason: String) -> Error {
        Error::Unfit { source_id: self.id.clone(), reason }
    }
}

/// A shelf takes whatever the county declares: only the configuration can be wrong.
pub(crate) fn probe(dataset: &Dataset) -> Vec<Problem> {
    let is_named = matches!(dataset.origin, Origin::Table(_));
    let has_time = dataset.columns.iter().any(|column| column.name == TAKEN_AT);
    let place = |field: &str| format!("dataset.{}.{field}", dataset.id);
    let mut problems = Vec::new();
    if !is_named {
        let message = "a county's dataset has `table`: the county's own name of it";
        problems.push(Problem::new(place("table"), message));
    }
    if !has_time {
        let message = format!("a county's dataset has a column `{TAKEN_AT}` of type time");
        problems.push(Problem::new(place("columns"), message));
    }
    problems
}

/// Starts a scan; what goes wrong comes with the first page.
pub(crate) fn scan(it: &CountySettings, pool: &dyn Pool, dataset: &Dataset, scan: Scan) -> Feed {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::start(pool, &it.id, TIMEOUT, move |desk| read(settings, dataset, &scan, desk))
}

fn read(
    settings: CountySettings,
    dataset: Dataset,
    scan: &Scan,
    desk: &mut Desk,
) -> Result<(), Error> {
    let Origin::Table(table) = dataset.origin.clone() else {
        return Err(settings.unread("a county has tables and no queries".to_owned()));
    };
    let Some(shelf) = settings.shelf.clone() else {
        return Err(settings.unread("no county is taken in by this process".to_owned()));
    };
    let (after_us, until_us) = match scan {
        Scan::Full => (i64::MIN, i64::MAX),
        // Every row has a moment.
        Scan::MissingTime => (i64::MAX, i64::MAX),
        Scan::Since { after, until } => {
            let after = after.as_ref().map(|position| {
                let at = micros(&dataset, &position.time);
                // Before every key of this time: the moment itself is read, too.
                if position.key.is_empty() { at.map(|at| at.saturating_sub(1)) } else { at }
            });
            let until = until.map(|time| micros(&dataset, &value::canonical_time(time)));
            (after.flatten().unwrap_or(i64::MIN), until.flatten().unwrap_or(i64::MAX))
        }
    };
    let waiting = Vec::new().into_iter();
    let ordered = matches!(scan, Scan::Since { .. });
    desk.serve(&mut Reader {
        settings,
        dataset,
        shelf,
        table,
        waiting,
        after_us,
        until_us,
        ordered,
        trail: Trail::default(),
        ended: *scan == Scan::MissingTime,
    });
    Ok(())
}

/// A local time of the dataset in microseconds since 1970.
fn micros(dataset: &Dataset, time: &str) -> Option<i64> {
    let local: jiff::civil::DateTime = time.parse().ok()?;
    Some(dataset.zone.to_timestamp(local).ok()?.as_microsecond())
}

/// The canonical text of a moment, in the dataset's zone.
fn local(dataset: &Dataset, taken_us: i64) -> String {
    let at = Timestamp::from_microsecond(taken_us).unwrap_or(Timestamp::UNIX_EPOCH);
    value::canonical_time(dataset.zone.to_datetime(at))
}

struct Reader {
    settings: CountySettings,
    dataset: Dataset,
    shelf: Arc<dyn Shelf>,
    table: String,
    waiting: std::vec::IntoIter<ShelfRow>,
    after_us: i64,
    until_us: i64,
    ordered: bool,
    trail: Trail,
    ended: bool,
}

impl Read for Reader {
    fn fill(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        while !self.ended && page.len() < max_rows && page.text_bytes() < PAGE_BYTES {
            let Some(row) = self.waiting.next() else {
                let found = self.shelf.rows(&self.table, self.after_us, CHUNK);
                let failed = |reason| Error::Database {
                    source_id: self.settings.id.clone(),
                    cause: sql::Error::Embedded { reason },
                };
                let found = found.map_err(failed)?;
                self.waiting = found.into_iter();
                if self.waiting.len() == 0 {
                    self.ended = true;
                    self.trail.finish();
                }
                continue;
            };
            if row.taken_us > self.until_us {
                self.ended = true;
                self.trail.finish();
                break;
            }
            self.after_us = row.taken_us;
            let time = local(&self.dataset, row.taken_us);
            for column in &self.dataset.columns {
                match row.cells.get(&column.name) {
                    _ if column.name == TAKEN_AT => page.push(&time),
                    Some(Some(text)) => page.push(text),
                    Some(None) | None => page.push_null(),
                }
            }
            super::source::end_row(page, &self.dataset.key);
            if self.ordered {
                let key = self.dataset.key.iter().filter_map(|at| self.dataset.columns.get(*at));
                let cell = |name: &str| row.cells.get(name).and_then(Option::as_deref);
                let key = key.map(|column| cell(&column.name).unwrap_or_default());
                self.trail.step(&time, key);
            }
        }
        Ok(!page.is_empty())
    }

    fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}

/// The objects of a county as rows of a catalogue's part.
pub(super) async fn objects(
    settings: &CountySettings,
    pool: &dyn Pool,
) -> Result<Vec<Cells>, Error> {
    let own = settings.clone();
    let work = move || {
        let Some(shelf) = &own.shelf else { return Ok(Vec::new()) };
        let failed = |reason| Error::Database {
            source_id: own.id.clone(),
            cause: sql::Error::Embedded { reason },
        };
        let found = shelf.objects().map_err(failed)?;
        let mut rows = Vec::new();
        for object in found {
            let id = object.words.iter().find(|(word, _)| word.ends_with(".id"));
            let place = format!("{}!{}", own.id, id.map_or("", |(_, id)| id));
            let cells = |words: BTreeMap<String, String>| Cells {
                of: words.into_iter().map(|(word, text)| (word, (text, place.clone()))).collect(),
                place: place.clone(),
            };
            rows.push(cells(object.words));
            rows.extend(object.items.into_iter().map(cells));
        }
        Ok(rows)
    };
    feed::ask(pool, &settings.id, TIMEOUT, work).await
}

/// A category of the classification that all have in common (类、项、目) is registered above once: what
/// another part has under the same code, a county's entries belong to.
pub(super) fn share_categories(before: &[(String, Vec<Cells>)], rows: &mut Vec<Cells>) {
    let text = |row: &Cells, word: &str| row.of.get(word).map(|(text, _)| text.clone());
    let known: BTreeMap<String, String> = before
        .iter()
        .flat_map(|(_, rows)| rows)
        .filter_map(|row| {
            let code = text(row, "category.code")?;
            Some((code.clone(), text(row, "category.id").unwrap_or(code)))
        })
        .collect();
    let mut shared: BTreeMap<String, String> = BTreeMap::new();
    rows.retain(|row| {
        let code = text(row, "category.code");
        let found = code.and_then(|code| known.get(&code)).zip(text(row, "category.id"));
        if let Some((theirs, own)) = found {
            shared.insert(own, theirs.clone());
            return false;
        }
        true
    });
    for row in rows {
        for word in ["entry.category", "category.parent"] {
            if let Some((text, _)) = row.of.get_mut(word)
                && let Some(theirs) = shared.get(text)
            {
                text.clone_from(theirs);
            }
        }
    }
}
