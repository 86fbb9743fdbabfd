//! Reads a workbook that came back: each value with the sheet and the cell where it stands.

use std::path::Path;

use calamine::{Data, Range, Reader as _, Xlsx};

use super::{HEAD_ROWS, NOT_NEEDED, STANDARD, VALUE, cell_name};
use crate::changeover::wanted::Given;

/// A larger file is no workbook of ours.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// More values than these are not taken from one workbook.
const MAX_VALUES: usize = 1_000_000;

/// Why a workbook cannot be read at all. Holds no content.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there, or too large.
    #[error("the workbook cannot be opened: {0}")]
    Open(String),
    /// It is no workbook of ours.
    #[error("this is no workbook of `standard check --xlsx`: {0}")]
    Foreign(&'static str),
}

/// Where a value stands, and the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    /// The sheet.
    pub sheet: String,
    /// The cell, for example `G12`.
    pub cell: String,
    /// The value.
    pub given: Given,
}

/// A cell that cannot be taken as it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misread {
    /// Its formula has failed.
    Failed,
    /// Its row says no longer which object it is about.
    Nameless,
}

/// What a workbook holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Content {
    /// The standard that it was made for.
    pub standard: String,
    /// The values that are filled in.
    pub cells: Vec<Cell>,
    /// Cells that cannot be taken: sheet, cell, why.
    pub misread: Vec<(String, String, Misread)>,
}

/// Reads a workbook. What is empty is not filled in yet; columns may stand in another order and
/// rows may be missing.
///
/// # Errors
/// It cannot be opened, or is no workbook of ours.
pub fn read(path: &Path) -> Result<Content, ReadError> {
    let size = std::fs::metadata(path).map_err(|error| ReadError::Open(error.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(ReadError::Open(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    let mut book: Xlsx<_> = calamine::open_workbook(path)
        .map_err(|error: calamine::XlsxError| ReadError::Open(error.to_string()))?;
    let mut content = Content::default();
    for name in book.sheet_names() {
        let range =
            book.worksheet_range(&name).map_err(|error| ReadError::Open(error.to_string()))?;
        if content.standard.is_empty() {
            content.standard = standard(&range).unwrap_or_default();
        }
        if let Some(columns) = Columns::of(&range) {
            columns.read(&name, &range, &mut content)?;
        }
    }
    if content.standard.is_empty() {
        return Err(ReadError::Foreign("its first sheet names no standard"));
    }
    Ok(content)
}

fn at(range: &Range<Data>, row: usize, column: usize) -> Option<&Data> {
    let place = (u32::try_from(row).ok()?, u32::try_from(column).ok()?);
    range.get_value(place)
}

fn standard(range: &Range<Data>) -> Option<String> {
    let rows = range.end()?.0 as usize + 1;
    let row = (0..rows.min(50)).find(|row| said(at(range, *row, 0)) == STANDARD)?;
    Some(said(at(range, row, 1))).filter(|name| !name.is_empty())
}

/// What a cell says, as text.
fn said(data: Option<&Data>) -> String {
    match data {
        None | Some(Data::Empty | Data::Error(_)) => String::new(),
        Some(Data::DateTime(at)) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        Some(other) => other.to_string().trim().to_owned(),
    }
}

/// Where a sheet of values has what.
struct Columns {
    kind: usize,
    id: usize,
    item: usize,
    values: Vec<(usize, String)>,
}

impl Columns {
    /// `None` where the sheet is no sheet of values.
    fn of(range: &Range<Data>) -> Option<Self> {
        let last = range.end()?.1 as usize;
        let head: Vec<String> =
            (0..=last.min(1_000)).map(|column| said(at(range, HEAD_ROWS - 2, column))).collect();
        let place = |name: &str| head.iter().position(|it| it == name);
        let values: Vec<(usize, String)> = head
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((at, name.strip_prefix(VALUE)?.to_owned())))
            .collect();
        let columns = Self { kind: place("kind")?, id: place("id")?, item: place("item")?, values };
        Some(columns).filter(|columns| !columns.values.is_empty())
    }

    fn read(
        &self,
        sheet: &str,
        range: &Range<Data>,
        content: &mut Content,
    ) -> Result<(), ReadError> {
        let rows = range.end().map_or(0, |end| end.0 as usize + 1);
        for row in HEAD_ROWS..rows {
            let (kind, id) = (said(at(range, row, self.kind)), said(at(range, row, self.id)));
            let item = Some(said(at(range, row, self.item))).filter(|item| !item.is_empty());
            for (column, name) in &self.values {
                let data = at(range, row, *column);
                let cell = cell_name(row, *column);
                if let Some(Data::Error(_)) = data {
                    content.misread.push((sheet.to_owned(), cell, Misread::Failed));
                    continue;
                }
                let value = said(data);
                if value.is_empty() || value == NOT_NEEDED {
                    continue;
                }
                if kind.is_empty() || id.is_empty() {
                    content.misread.push((sheet.to_owned(), cell, Misread::Nameless));
                    continue;
                }
                if content.cells.len() >= MAX_VALUES {
                    return Err(ReadError::Foreign("more than 1,000,000 values"));
                }
                let (kind, id) = (kind.clone(), id.clone());
                let (item, name) = (item.clone(), name.clone());
                let given = Given { kind, id, item, name, value };
                content.cells.push(Cell { sheet: sheet.to_owned(), cell, given });
            }
        }
        Ok(())
    }
}
