//! A folder of tables as files: comma-separated values, and workbooks (`.xlsx`, `.xlsm`).
//!
//! Departments drop files; a file is known by its path below the folder and the time at which it
//! was written. A file with a new time is read again whole. Files are read in the order of (time
//! written, path): the position of a scan is the last file that was read to its end, so a restart
//! in the middle of a file reads that file once more.
//!
//! What is wrong with one row or one file is one malformed row; the rest is read.

mod sheet;
mod values;

use std::borrow::Cow;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::dataset::{Dataset, Origin};
use super::error::Error;
use super::feed::{self, Desk, Feed, Pump, Trail};
use super::settings::{FolderSettings, From, Problem};
use super::source::{Pool, Scan, end_row, missing_columns, push_malformed_row};
use super::value;
pub(crate) use values::decode;

/// Folders are looked into this deep.
const MAX_DEPTH: usize = 8;

/// More files than this are an error and not a list.
const MAX_FILES: usize = 100_000;

/// Reads the head of the newest file.
pub(crate) async fn probe(
    it: &FolderSettings,
    pool: &dyn Pool,
    dataset: &Dataset,
) -> Result<Vec<Problem>, Error> {
    let (settings, dataset) = (it.clone(), dataset.clone());
    let work = move || {
        let files = list(&settings, &dataset)?;
        let Some(newest) = files.last() else { return Ok(Vec::new()) };
        let mut head = Ok(Vec::new());
        let read = lines(&settings, &dataset, newest, &mut |line| {
            head = heads(line.cells);
            ControlFlow::Break(())
        });
        let head = match read {
            Ok(()) => head,
            Err(Wrong::File(reason)) => Err(reason),
            Err(Wrong::Io(cause)) => return Err(unreadable(&settings, newest, cause)),
        };
        match head {
            Ok(head) => Ok(missing_columns(&dataset, &head, |one, other| one == other)),
            Err(reason) => {
                let path = settings.path.join(&newest.path).display().to_string();
                Err(Error::Layout { source_id: settings.id.clone(), path, reason })
            }
        }
    };
    feed::ask(pool, &it.id, it.timeout, work).await
}

/// Starts a scan; what goes wrong comes with the first page.
pub(crate) fn scan(it: &FolderSettings, pool: &dyn Pool, dataset: &Dataset, scan: Scan) -> Feed {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::start(pool, &it.id, it.timeout, move |desk| read(settings, dataset, &scan, desk))
}

fn read(
    settings: FolderSettings,
    dataset: Dataset,
    scan: &Scan,
    desk: &mut Desk,
) -> Result<(), Error> {
    let mut files = list(&settings, &dataset)?;
    match scan {
        Scan::Full => {}
        Scan::MissingTime => files.clear(),
        Scan::Since { after, until } => {
            let until = until.map(value::canonical_time);
            files.retain(|file| {
                let late = until.as_ref().is_some_and(|until| file.written > *until);
                let path = std::slice::from_ref(&file.path);
                let new = after
                    .as_ref()
                    .is_none_or(|at| (&*file.written, path) > (at.time.as_str(), &at.key));
                new && !late
            });
        }
    }
    let mut trail = Trail::default();
    let mut pump = desk.pump();
    for file in &files {
        trail.step(&file.written, std::iter::once(file.path.as_str()));
        let (pump, trail, dataset) = (&mut pump, &trail, &dataset);
        let mut rows = Rows { dataset, file, pump, trail, places: None, width: 0, is_over: false };
        match lines(&settings, dataset, file, &mut |line| rows.take(&line)) {
            Ok(()) => {}
            Err(Wrong::File(reason)) => drop(rows.broken(&reason)),
            Err(Wrong::Io(cause)) => return Err(unreadable(&settings, file, cause)),
        }
        if rows.is_over {
            return Ok(());
        }
    }
    trail.finish();
    pump.finish(trail.complete());
    Ok(())
}

/// A file of a dataset.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct DatasetFile {
    /// When it was written, canonical in the dataset's zone.
    written: String,
    /// Below the folder, with `/`.
    path: String,
}

fn list(it: &FolderSettings, dataset: &Dataset) -> Result<Vec<DatasetFile>, Error> {
    let Origin::Files { pattern, .. } = &dataset.origin else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let path = it.path.join(&folder);
        let failed = |cause| unreadable_path(it, &path, cause);
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A name that is not UTF-8 matches no pattern.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let below = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // A file that vanished in between is no longer there: not an error.
            let Ok(facts) = fs::metadata(entry.path()) else { continue };
            if facts.is_dir() && depth < MAX_DEPTH {
                folders.push((below, depth + 1));
            } else if facts.is_file() && matches(pattern, &below) {
                let written = facts.modified().map_err(failed)?;
                let written = written_text(written, &dataset.zone);
                found.push(DatasetFile { written, path: below });
            }
            if found.len() + folders.len() > MAX_FILES {
                let reason = format!("more than {MAX_FILES} files");
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn written_text(at: std::time::SystemTime, zone: &TimeZone) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    value::canonical_time(zone.to_datetime(at))
}

/// `*` is any run of characters within a name, `?` any one.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), path.chars().collect());
    let (mut at, mut place, mut star) = (0, 0, None);
    while let Some(letter) = path.get(place) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(wanted) if wanted == letter || (*wanted == '?' && *letter != '/') => {
                at += 1;
                place += 1;
            }
            Some(_) | None => match star {
                // The last star takes one character more.
                Some((from, taken)) if path.get(taken) != Some(&'/') => {
                    star = Some((from, taken + 1));
                    at = from + 1;
                    place = taken + 1;
                }
                Some(_) | None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == '*')
}

fn unreadable(it: &FolderSettings, file: &DatasetFile, cause: io::Error) -> Error {
    unreadable_path(it, &it.path.join(&file.path), cause)
}

fn unreadable_path(it: &FolderSettings, path: &Path, cause: io::Error) -> Error {
    Error::File { source_id: it.id.clone(), path: path.display().to_string(), cause }
}

/// What keeps a file from being read to its end.
enum Wrong {
    /// The system: everything waits for it.
    Io(io::Error),
    /// The file itself, in words: later ones need not wait.
    File(String),
}

/// What a cell says.
enum Said<'a> {
    Nothing,
    Text(Cow<'a, str>),
    /// A day or a time that the file knows as such, as databases write it.
    Moment(String),
    /// What is wrong with it.
    Unreadable(&'static str),
}

/// The cells of a row of a file.
trait Cells {
    fn width(&self) -> usize;
    fn cell(&self, at: usize) -> Said<'_>;
}

/// A row of a file, counted from 1; the first that is handed out is the head.
struct Line<'a> {
    cells: &'a dyn Cells,
    number: u64,
}

type Taker<'t> = dyn FnMut(Line<'_>) -> ControlFlow<()> + 't;

/// Reads a file by its kind, row by row, in bounded memory.
fn lines(
    it: &FolderSettings,
    dataset: &Dataset,
    file: &DatasetFile,
    take: &mut Taker<'_>,
) -> Result<(), Wrong> {
    let Origin::Files { encoding, sheet, head_row, .. } = &dataset.origin else { return Ok(()) };
    let path = it.path.join(&file.path);
    let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "xlsx" | "xlsm" => sheet::lines(&path, sheet.as_deref(), *head_row, take),
        _ => values::lines(&path, it, encoding.unwrap_or(it.encoding), *head_row, take),
    }
}

/// The columns' names, or what is wrong with them.
fn heads(cells: &dyn Cells) -> Result<Vec<String>, String> {
    let text = |at| match cells.cell(at) {
        Said::Text(text) => Ok(text.trim().to_owned()),
        Said::Moment(text) => Ok(text),
        Said::Nothing => Ok(String::new()),
        Said::Unreadable(reason) => Err(format!("its head is {reason}")),
    };
    (0..cells.width()).map(text).collect()
}

/// Where a column's value is.
enum Place {
    Field(usize),
    /// The same in every row of the file.
    Fixed(Option<String>),
}

/// Hands out the rows of one file.
struct Rows<'a, 'd> {
    dataset: &'a Dataset,
    file: &'a DatasetFile,
    pump: &'a mut Pump<'d>,
    trail: &'a Trail,
    /// Once the head is read.
    places: Option<Vec<Place>>,
    width: usize,
    /// Nobody waits for rows any more.
    is_over: bool,
}

impl Rows<'_, '_> {
    /// Takes the next row; the first is the head.
    fn take(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        let Line { cells, number } = *line;
        if self.places.is_none() {
            match heads(cells).and_then(|heads| self.find(&heads)) {
                Ok(places) => self.places = Some(places),
                Err(reason) => {
                    let _go_on = self.broken(&reason);
                    return ControlFlow::Break(());
                }
            }
            self.width = cells.width();
            return ControlFlow::Continue(());
        }
        if cells.width() == self.width {
            return self.row(cells);
        }
        let reason = format!(
            "{} line {number}: {} fields where the head has {}",
            self.file.path,
            cells.width(),
            self.width
        );
        self.malformed(&reason)
    }

    /// Where the dataset's columns are; the error says which is not there.
    fn find(&self, heads: &[String]) -> Result<Vec<Place>, String> {
        let name = self.file.path.rsplit('/').next().unwrap_or_default();
        let columns = self.dataset.columns.iter().zip(&self.dataset.fields);
        columns
            .map(|(column, field)| match field.from {
                From::FileName => Ok(Place::Fixed(Some(name.to_owned()))),
                From::FileDate => Ok(Place::Fixed(date_in(name))),
                From::Row => match heads.iter().position(|known| *known == column.name) {
                    Some(index) => Ok(Place::Field(index)),
                    None => Err(format!("its head has no column {}", column.name)),
                },
            })
            .collect()
    }

    fn row(&mut self, cells: &dyn Cells) -> ControlFlow<()> {
        let Some(page) = self.pump.page(self.trail.complete()) else {
            self.is_over = true;
            return ControlFlow::Break(());
        };
        let columns = self.dataset.columns.iter().zip(&self.dataset.fields);
        for ((column, field), place) in columns.zip(self.places.iter().flatten()) {
            let said = match place {
                Place::Fixed(None) => Said::Nothing,
                Place::Fixed(Some(text)) => Said::Text(Cow::Borrowed(text)),
                Place::Field(index) => cells.cell(*index),
            };
            match said {
                Said::Nothing => page.push_null(),
                Said::Text(text) => {
                    value::push_text(page, column.kind, field.format.as_ref(), &text);
                }
                Said::Moment(text) => value::push_text(page, column.kind, None, &text),
                Said::Unreadable(reason) => page.push_malformed(reason),
            }
        }
        end_row(page, &self.dataset.key);
        ControlFlow::Continue(())
    }

    fn broken(&mut self, reason: &str) -> ControlFlow<()> {
        self.malformed(&format!("{}: {reason}", self.file.path))
    }

    fn malformed(&mut self, reason: &str) -> ControlFlow<()> {
        let Some(page) = self.pump.page(self.trail.complete()) else {
            self.is_over = true;
            return ControlFlow::Break(());
        };
        push_malformed_row(page, &self.dataset.key, reason);
        ControlFlow::Continue(())
    }
}

/// The first date in a file's name, canonical.
fn date_in(name: &str) -> Option<String> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    name.char_indices().find_map(|(at, _)| {
        let rest = name.get(at..)?;
        let (year, month, day) = match rest
            .get(..10)
            .map(|text| text.split('-').collect::<Vec<_>>())
        {
            Some(parts) if parts.len() == 3 => (*parts.first()?, *parts.get(1)?, *parts.get(2)?),
            Some(_) | None => (rest.get(..4)?, rest.get(4..6)?, rest.get(6..8)?),
        };
        let shaped = year.len() == 4 && month.len() == 2 && day.len() == 2;
        let date = format!("{year}-{month}-{day}");
        (shaped && digits(year) && digits(month) && digits(day))
            .then(|| date.parse::<jiff::civil::Date>().ok())
            .flatten()
            .map(|_| date)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stays_within_a_folder() {
        assert!(matches("*.csv", "a.csv"));
        assert!(!matches("*.csv", "2020/a.csv"));
        assert!(matches("*/case-*.csv", "2020/case-0301.csv"));
        assert!(matches("a?c", "a中c"));
        assert!(!matches("a?c", "a/c"));
        assert!(matches("*a*b*", "xxaxbxx"));
        assert!(!matches("*.csv", "a.csv.part"));
    }

    #[test]
    fn the_date_in_a_name_is_found() {
        assert_eq!(date_in("case-20200301.csv").as_deref(), Some("2020-03-01"));
        assert_eq!(date_in("2020-03-31.csv").as_deref(), Some("2020-03-31"));
        assert_eq!(date_in("病例2020-03-31.csv").as_deref(), Some("2020-03-31"));
        assert_eq!(date_in("no20201301x.csv"), None);
    }
}
