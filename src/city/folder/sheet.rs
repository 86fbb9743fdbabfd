//! Workbooks, row by row: cells are taken from the file one after the other and never held as a
//! whole sheet.
//!
//! A workbook keeps numbers with 15 digits and days as numbers. A longer number has lost digits when
//! it was typed, and says so instead of being carried on; a day is a day whatever its cell looks like.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use calamine::{Data, Reader as _, SheetType, SheetVisible, Xlsx};

use super::{Cells, Line, Said, Taker, Wrong};

/// A larger file is no table that departments keep.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// What stands in memory as long as a workbook is open: the texts that its cells share.
const MAX_SHARED_BYTES: u64 = 64 << 20;
/// One cell with all that belongs to it; 32,767 letters are a cell's limit.
const MAX_CELL_BYTES: u64 = 1 << 20;
/// From here on not every whole number has a cell that tells it from the next.
const MANY_DIGITS: f64 = 1e15;

/// Hands out the rows that are not blank, from the one with number `head_row`.
pub(super) fn lines(
    path: &Path,
    sheet: Option<&str>,
    head_row: u32,
    take: &mut Taker<'_>,
) -> Result<(), Wrong> {
    let file = File::open(path).map_err(Wrong::Io)?;
    if file.metadata().map_err(Wrong::Io)?.len() > MAX_FILE_BYTES {
        return Err(Wrong::File(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    measure(&file)?;
    // What the reader says may hold a cell.
    let unreadable = |_content| Wrong::File("it cannot be read as a workbook".to_owned());
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(&file)).map_err(unreadable)?;
    let name = choose(&book, sheet)?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(unreadable)?;
    let (mut row, mut at, mut width) = (Row::default(), 0, 0);
    let mut end = |row: &mut Row, at: u32| {
        if at + 1 < head_row || row.is_blank() {
            row.0.clear();
            return false;
        }
        // Blanks beyond the head are nothing; cells that nobody wrote into are not in the file.
        let used = row.0.iter().rposition(|it| !is_blank(it)).map_or(0, |last| last + 1);
        row.0.truncate(used.max(width));
        width = if width == 0 { row.0.len() } else { width };
        row.0.resize(row.0.len().max(width), Data::Empty);
        let over = take(Line { cells: row, number: u64::from(at) + 1 }).is_break();
        row.0.clear();
        over
    };
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (line, column) = cell.get_position();
        if line != at {
            if end(&mut row, at) {
                return Ok(());
            }
            at = line;
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        row.0.resize(row.0.len().max(column.saturating_add(1)), Data::Empty);
        if let Some(place) = row.0.get_mut(column) {
            *place = Data::from(cell.get_value().clone());
        }
    }
    end(&mut row, at);
    Ok(())
}

/// Nothing is opened that would not stop: what a container says of its sizes is not believed.
fn measure(file: &File) -> Result<(), Wrong> {
    let unreadable = |_zip| Wrong::File("it is no workbook, or not a whole one".to_owned());
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(unreadable)?;
    let mut shared = 0;
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(unreadable)?;
        let name = part.name().map_err(unreadable)?;
        let is_sheet = name.starts_with("xl/worksheets/");
        if !is_sheet && !name.ends_with(".xml") {
            continue;
        }
        drop(name);
        let mut gauge = Gauge::default();
        let limit = if is_sheet { u64::MAX } else { MAX_SHARED_BYTES + 1 };
        match io::copy(&mut part.by_ref().take(limit), &mut gauge) {
            Ok(bytes) if !is_sheet => shared += bytes,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(Wrong::File(format!("a cell of more than {MAX_CELL_BYTES} bytes")));
            }
            Err(_) => return Err(Wrong::File("it is no whole workbook".to_owned())),
        }
        if shared > MAX_SHARED_BYTES {
            let limit = MAX_SHARED_BYTES >> 20;
            return Err(Wrong::File(format!("its texts take more than {limit} MiB: divide it")));
        }
    }
    Ok(())
}

/// Refuses what goes on for too long without the beginning of an element.
#[derive(Default)]
struct Gauge {
    run: u64,
}

impl io::Write for Gauge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'<') {
            self.run += u64::try_from(part.len()).unwrap_or(u64::MAX);
            if self.run > MAX_CELL_BYTES {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            if part.ends_with(b"<") {
                self.run = 0;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The sheet of this name; without one, the first that people see.
fn choose<R: io::Read + io::Seek>(book: &Xlsx<R>, wanted: Option<&str>) -> Result<String, Wrong> {
    let tables = book.sheets_metadata().iter().filter(|it| it.typ == SheetType::WorkSheet);
    let mut names: Vec<_> = tables.map(|it| (it.name.as_str(), it.visible)).collect();
    let found = match wanted {
        Some(wanted) => names.iter().find(|(name, _)| *name == wanted),
        None => names.iter().find(|(_, visible)| *visible == SheetVisible::Visible),
    };
    if let Some((name, _)) = found {
        return Ok((*name).to_owned());
    }
    names.truncate(20);
    let there: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let wanted = wanted.map(|name| format!(" `{name}`")).unwrap_or_default();
    Err(Wrong::File(format!("no sheet{wanted}; there are: {}", there.join("、"))))
}

#[derive(Default)]
struct Row(Vec<Data>);

impl Row {
    fn is_blank(&self) -> bool {
        self.0.iter().all(is_blank)
    }
}

fn is_blank(data: &Data) -> bool {
    match data {
        Data::Empty => true,
        Data::String(text) => text.trim().is_empty(),
        Data::Int(_)
        | Data::Float(_)
        | Data::Bool(_)
        | Data::DateTime(_)
        | Data::DateTimeIso(_)
        | Data::DurationIso(_)
        | Data::Error(_) => false,
    }
}

impl Cells for Row {
    fn width(&self) -> usize {
        self.0.len()
    }

    fn cell(&self, at: usize) -> Said<'_> {
        match self.0.get(at) {
            None | Some(Data::Empty) => Said::Nothing,
            Some(Data::String(text)) if text.is_empty() => Said::Nothing,
            Some(Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text)) => {
                Said::Text(Cow::Borrowed(text))
            }
            Some(Data::Int(number)) => Said::Text(Cow::Owned(number.to_string())),
            Some(Data::Float(number)) => said_number(*number),
            Some(Data::Bool(flag)) => {
                Said::Text(Cow::Borrowed(if *flag { "true" } else { "false" }))
            }
            Some(Data::DateTime(at)) if at.is_datetime() => {
                let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
                let date = format!("{year:04}-{month:02}-{day:02}");
                Said::Moment(match (hour, minute, second) {
                    (0, 0, 0) => date,
                    _ => format!("{date} {hour:02}:{minute:02}:{second:02}"),
                })
            }
            Some(Data::DateTime(at)) => said_number(at.as_f64()),
            Some(Data::Error(_)) => Said::Unreadable("a formula that has failed"),
        }
    }
}

/// As the program shows it that wrote it: 15 digits.
fn said_number<'a>(number: f64) -> Said<'a> {
    if number.abs() >= MANY_DIGITS {
        return Said::Unreadable("a number of more than 15 digits, whose last ones are lost");
    }
    let shown = format!("{number:.14e}").parse().unwrap_or(number);
    Said::Text(Cow::Owned(if shown == 0.0 { "0".to_owned() } else { f64::to_string(&shown) }))
}
