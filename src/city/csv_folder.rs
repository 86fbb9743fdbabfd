//! A folder of CSV files as a source.
//!
//! Departments drop files; a file is known by its path below the folder and the time at which it
//! was written. A file with a new time is read again whole. Files are read in the order of (time
//! written, path): the position of a scan is the last file that was read to its end, so a restart
//! in the middle of a file reads that file once more.
//!
//! A row with another number of fields than the head, or a record that never ends, is one
//! malformed row; the rest is read. The bytes are cut into fields before they become characters:
//! in UTF-8 and in GB18030 no byte of a longer character is a separator, a quote or a line end.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::PAGE_BYTES;
use super::dataset::{Dataset, Origin};
use super::error::Error;
use super::feed::{self, Desk, Feed, Read, Trail};
use super::settings::{CsvFolderSettings, From, Problem, TextEncoding};
use super::source::{Pool, Position, Scan, end_row, missing_columns, push_malformed_row};
use super::value;
use crate::row::Page;

/// Folders are looked into this deep.
const MAX_DEPTH: usize = 8;

/// More files than this are an error and not a list.
const MAX_FILES: usize = 100_000;

/// A record longer than this is malformed: most likely a quote that was never closed.
const MAX_RECORD_BYTES: usize = 16 << 20;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Reads the head of the newest file.
pub(crate) async fn probe(
    it: &CsvFolderSettings,
    pool: &dyn Pool,
    dataset: &Dataset,
) -> Result<Vec<Problem>, Error> {
    let (settings, dataset) = (it.clone(), dataset.clone());
    let work = move || {
        let files = list(&settings, &dataset)?;
        let Some(newest) = files.last() else { return Ok(Vec::new()) };
        let mut open = OpenFile::open(&settings, &dataset, newest)?;
        let head = open.head(&settings)?;
        Ok(missing_columns(&dataset, &head, |one, other| one == other))
    };
    feed::ask(pool, &it.id, it.timeout, work).await
}

/// Starts a scan; what goes wrong comes with the first page.
pub(crate) fn scan(it: &CsvFolderSettings, pool: &dyn Pool, dataset: &Dataset, scan: Scan) -> Feed {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::start(pool, &it.id, it.timeout, move |desk| read(settings, dataset, &scan, desk))
}

fn read(
    settings: CsvFolderSettings,
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
    let files = files.into_iter();
    desk.serve(&mut Reader { settings, dataset, files, open: None, trail: Trail::default() });
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

fn list(it: &CsvFolderSettings, dataset: &Dataset) -> Result<Vec<DatasetFile>, Error> {
    let Origin::Files { pattern, .. } = &dataset.origin else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let path = it.path.join(&folder);
        let failed = |cause| unreadable(it, &path, cause);
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

fn unreadable(it: &CsvFolderSettings, path: &Path, cause: io::Error) -> Error {
    Error::File { source_id: it.id.clone(), path: path.display().to_string(), cause }
}

/// Counts what it hands out, so that a record without an end is noticed.
struct Measured {
    file: BufReader<File>,
    handed_out: Arc<AtomicUsize>,
}

impl io::Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_out.load(Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let count = self.file.read(buffer)?;
        self.handed_out.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

/// Where a column's value is.
enum Place {
    Field(usize),
    /// The same in every row of the file.
    Fixed(Option<String>),
}

struct OpenFile {
    file: DatasetFile,
    path: PathBuf,
    reader: csv::Reader<Measured>,
    handed_out: Arc<AtomicUsize>,
    encoding: TextEncoding,
    width: usize,
    places: Vec<Place>,
    record: csv::ByteRecord,
}

impl OpenFile {
    fn open(it: &CsvFolderSettings, dataset: &Dataset, file: &DatasetFile) -> Result<Self, Error> {
        let path = it.path.join(&file.path);
        let failed = |cause| unreadable(it, &path, cause);
        let mut plain = BufReader::with_capacity(64 << 10, File::open(&path).map_err(failed)?);
        let mut start = [0; 3];
        let mut length = 0;
        while let Some(rest) = start.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match plain.read(rest).map_err(failed)? {
                0 => break,
                more => length += more,
            }
        }
        if start != BOM {
            plain.seek(SeekFrom::Start(0)).map_err(failed)?;
        }
        let handed_out = Arc::new(AtomicUsize::new(0));
        let measured = Measured { file: plain, handed_out: Arc::clone(&handed_out) };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(u8::try_from(it.delimiter).unwrap_or(b','))
            .from_reader(measured);
        let own = match &dataset.origin {
            Origin::Files { encoding, .. } => *encoding,
            Origin::Table(_) | Origin::Query(_) => None,
        };
        Ok(Self {
            file: file.clone(),
            path,
            reader,
            handed_out,
            // A byte order mark says more than the configuration.
            encoding: if start == BOM { TextEncoding::Utf8 } else { own.unwrap_or(it.encoding) },
            width: 0,
            places: Vec::new(),
            record: csv::ByteRecord::new(),
        })
    }

    /// The first record: the columns' names. Empty for an empty file.
    fn head(&mut self, it: &CsvFolderSettings) -> Result<Vec<String>, Error> {
        self.reader
            .read_byte_record(&mut self.record)
            .map_err(|error| unreadable(it, &self.path, io::Error::from(error)))?;
        self.width = self.record.len();
        self.record
            .iter()
            .map(|name| match decode(self.encoding, name) {
                Some(name) => Ok(name.trim().to_owned()),
                None => Err(Error::Layout {
                    source_id: it.id.clone(),
                    path: self.path.display().to_string(),
                    reason: format!("the head is not {}", encoding_name(self.encoding)),
                }),
            })
            .collect()
    }

    /// Finds the dataset's columns in the head. False for an empty file.
    fn locate(&mut self, it: &CsvFolderSettings, dataset: &Dataset) -> Result<bool, Error> {
        let head = self.head(it)?;
        if head.is_empty() {
            return Ok(false);
        }
        for (column, field) in dataset.columns.iter().zip(&dataset.fields) {
            let name = self.file.path.rsplit('/').next().unwrap_or_default();
            let place = match field.from {
                From::FileName => Place::Fixed(Some(name.to_owned())),
                From::FileDate => Place::Fixed(date_in(name)),
                From::Row => match head.iter().position(|known| *known == column.name) {
                    Some(index) => Place::Field(index),
                    None => {
                        return Err(Error::Layout {
                            source_id: it.id.clone(),
                            path: self.path.display().to_string(),
                            reason: format!("its head has no column {}", column.name),
                        });
                    }
                },
            };
            self.places.push(place);
        }
        Ok(true)
    }

    /// Appends the next row. False at the end of the file.
    fn append(
        &mut self,
        it: &CsvFolderSettings,
        dataset: &Dataset,
        page: &mut Page,
    ) -> Result<bool, Error> {
        // What was read ahead belongs to this record; the reader's own buffer is small against
        // the limit.
        self.handed_out.store(0, Ordering::Relaxed);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(error) => {
                // As an error of the system it would have another kind.
                let endless = matches!(error.kind(), csv::ErrorKind::Io(cause)
                    if cause.kind() == io::ErrorKind::FileTooLarge);
                if !endless {
                    return Err(unreadable(it, &self.path, io::Error::from(error)));
                }
                let reason = format!("{}: a record without an end", self.file.path);
                push_malformed_row(page, &dataset.key, &reason);
                return Ok(false);
            }
        }
        if self.record.len() != self.width {
            let line = self.record.position().map_or(0, csv::Position::line);
            let reason = format!(
                "{} line {line}: {} fields where the head has {}",
                self.file.path,
                self.record.len(),
                self.width
            );
            push_malformed_row(page, &dataset.key, &reason);
            return Ok(true);
        }
        let columns = dataset.columns.iter().zip(&dataset.fields).zip(&self.places);
        for ((column, field), place) in columns {
            let text = match place {
                Place::Fixed(None) => None,
                Place::Fixed(Some(text)) => Some(std::borrow::Cow::Borrowed(text.as_str())),
                Place::Field(index) => match self.record.get(*index) {
                    None | Some([]) => None,
                    Some(bytes) => match decode(self.encoding, bytes) {
                        Some(text) => Some(text),
                        None => {
                            page.push_malformed(match self.encoding {
                                TextEncoding::Utf8 => "not UTF-8",
                                TextEncoding::Gb18030 => "not GB18030",
                            });
                            continue;
                        }
                    },
                },
            };
            match text {
                // A file cannot tell an empty text from none.
                None => page.push_null(),
                Some(text) => value::push_text(page, column.kind, field.format.as_ref(), &text),
            }
        }
        end_row(page, &dataset.key);
        Ok(true)
    }
}

fn encoding_name(encoding: TextEncoding) -> &'static str {
    match encoding {
        TextEncoding::Utf8 => "UTF-8",
        TextEncoding::Gb18030 => "GB18030",
    }
}

/// `None` where the bytes are not of this encoding: nothing is replaced.
pub(crate) fn decode(encoding: TextEncoding, bytes: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    match encoding {
        TextEncoding::Utf8 => std::str::from_utf8(bytes).ok().map(Into::into),
        TextEncoding::Gb18030 => {
            encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes)
        }
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

struct Reader {
    settings: CsvFolderSettings,
    dataset: Dataset,
    files: std::vec::IntoIter<DatasetFile>,
    open: Option<OpenFile>,
    trail: Trail,
}

impl Read for Reader {
    fn fill(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        while page.len() < max_rows && page.text_bytes() < PAGE_BYTES {
            if self.open.is_none() {
                let Some(file) = self.files.next() else {
                    self.trail.finish();
                    break;
                };
                self.trail.step(&file.written, std::iter::once(file.path.as_str()));
                let mut open = OpenFile::open(&self.settings, &self.dataset, &file)?;
                match open.locate(&self.settings, &self.dataset) {
                    Ok(true) => self.open = Some(open),
                    Ok(false) => {}
                    // One file with a wrong head must not keep the later ones waiting.
                    Err(Error::Layout { reason, .. }) => {
                        let reason = format!("{}: {reason}", file.path);
                        push_malformed_row(page, &self.dataset.key, &reason);
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            if let Some(open) = &mut self.open
                && !open.append(&self.settings, &self.dataset, page)?
            {
                self.open = None;
            }
        }
        Ok(!page.is_empty())
    }

    fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
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
