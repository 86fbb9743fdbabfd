//! Tables as files: a batch's rows as comma-separated values or as a workbook, and the texts of a
//! table that came back.
//!
//! Every cell is text: a leading nought, a long number and a day stay as the city's table and the
//! standard's patterns write them, whatever a spreadsheet would make of them.

use std::io::{self, Cursor, Read as _};

use calamine::{DataRef, Reader as _, Xlsx};
use encoding_rs::GB18030;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

use super::template;
use crate::standard::settings::{SheetSettings, XLSX};
use crate::wire::{Form, Limits, Media, Node, read};

/// More of a table that comes back is none of a batch.
const MOST_ROWS: usize = 200_000;
const MOST_COLUMNS: usize = 1_000;
/// What a cell of a workbook holds at most.
const MOST_LETTERS: usize = 32_767;
/// Bytes of a workbook's parts when unpacked.
const UNPACKED_BYTES: u64 = 256 << 20;
/// Nodes of a batch's message: cells.
const MOST_NODES: usize = 16_000_000;
/// The worksheet's name where neither standard nor template gives one.
const SHEET_NAME: &str = "数据";

/// Heads and rows of texts.
#[derive(Clone, Default, Eq, PartialEq)]
pub(super) struct Grid {
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl std::fmt::Debug for Grid {
    /// No content.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Grid").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// A table that cannot be made of a batch, or of what came back. Holds no content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    /// It is no table of this kind.
    Unreadable,
    /// It is larger than any table of a batch.
    TooLarge,
    /// The template lacks a column.
    Column(String),
    /// A cell holds what a workbook cannot: too long a text, or a letter that acts.
    Cell,
}

impl Grid {
    /// A batch's rows: the number's column, what stands in every row, the dataset's columns.
    pub(super) fn of_message(message: &[u8], sheet: &SheetSettings) -> Option<Self> {
        let limits = Limits { bytes: message.len(), nodes: MOST_NODES, ..Limits::default() };
        let document = read(Media::Json, message, &limits).ok()?;
        let member = |name: &str| document.top().children.iter().find(|it| it.name == name);
        let fixed = member("columns").map(|it| it.children.as_slice()).unwrap_or_default();
        let rows = member("rows").filter(|it| it.form == Form::Array)?;
        let mut heads: Vec<String> = Vec::new();
        heads.extend(Some(sheet.number.clone()).filter(|it| !it.is_empty()));
        let numbered = heads.len();
        heads.extend(fixed.iter().map(|it| it.name.clone()));
        let own = heads.len();
        for cell in rows.children.iter().flat_map(|row| &row.children) {
            if !heads.iter().skip(own).any(|head| *head == cell.name) {
                heads.push(cell.name.clone());
            }
        }
        let text = |node: &Node| node.value().unwrap_or_default().to_owned();
        let filled = rows.children.iter().zip(1_u32..).map(|(row, number)| {
            let mut cells = vec![String::new(); heads.len()];
            let places = heads.iter().zip(&mut cells).enumerate();
            for (at, (head, cell)) in places {
                let found = if at < own { fixed } else { &row.children };
                *cell = match at < numbered {
                    true => number.to_string(),
                    false => found.iter().find(|it| it.name == *head).map(text).unwrap_or_default(),
                };
            }
            cells
        });
        let rows = filled.collect();
        Some(Self { heads, rows })
    }

    /// The file of a batch's rows.
    pub(super) fn file(
        &self,
        media: &str,
        sheet: &SheetSettings,
        template: &[u8],
    ) -> Result<Vec<u8>, Wrong> {
        if media == XLSX && self.rows.iter().flatten().any(|it| it.chars().count() > MOST_LETTERS) {
            return Err(Wrong::Cell);
        }
        match media == XLSX {
            true if template.is_empty() => self.workbook(sheet).map_err(|_xlsx| Wrong::Unreadable),
            true => template::fill(self, sheet, template),
            false => self.values(sheet),
        }
    }

    fn values(&self, sheet: &SheetSettings) -> Result<Vec<u8>, Wrong> {
        let mut writer = csv::WriterBuilder::new()
            .flexible(true)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let above = sheet.above.iter().map(|line| vec![line.clone()]);
        for row in above.chain([self.heads.clone()]).chain(self.rows.iter().cloned()) {
            writer.write_record(&row).map_err(|_csv| Wrong::Unreadable)?;
        }
        let bytes = writer.into_inner().map_err(|_csv| Wrong::Unreadable)?;
        match sheet.encoding.as_str() {
            "utf-8-bom" => Ok([b"\xef\xbb\xbf", bytes.as_slice()].concat()),
            "gb18030" => {
                let text = str::from_utf8(&bytes).map_err(|_utf8| Wrong::Unreadable)?;
                Ok(GB18030.encode(text).0.into_owned())
            }
            _ => Ok(bytes),
        }
    }

    /// A workbook of its own; the same rows give the same bytes.
    fn workbook(&self, sheet: &SheetSettings) -> Result<Vec<u8>, XlsxError> {
        let mut book = Workbook::new();
        let made = ExcelDateTime::from_ymd(2000, 1, 1)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        let (text, head) =
            (Format::new().set_num_format("@"), Format::new().set_num_format("@").set_bold());
        let name = if sheet.name.is_empty() { SHEET_NAME } else { &sheet.name };
        let page = book.add_worksheet().set_name(name)?;
        let mut at = 0_u32;
        for line in &sheet.above {
            page.write_string(at, 0, line)?;
            at += 1;
        }
        for (row, format) in
            std::iter::once((&self.heads, &head)).chain(self.rows.iter().map(|row| (row, &text)))
        {
            for (cell, column) in row.iter().zip(0_u16..) {
                page.write_string_with_format(at, column, cell, format)?;
            }
            at += 1;
        }
        book.save_to_buffer()
    }
}

/// The texts of a table that came back, sheet by sheet, without blank rows.
pub(super) fn sheets(media: &str, bytes: &[u8]) -> Result<Vec<Vec<Vec<String>>>, Wrong> {
    if media == XLSX { workbook(bytes) } else { values(bytes).map(|rows| vec![rows]) }
}

fn values(bytes: &[u8]) -> Result<Vec<Vec<String>>, Wrong> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let decoded;
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_utf8) => {
            let (found, had_errors) = GB18030.decode_without_bom_handling(bytes);
            if had_errors {
                return Err(Wrong::Unreadable);
            }
            decoded = found;
            &decoded
        }
    };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_csv| Wrong::Unreadable)?;
        let row: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
        push(&mut rows, row)?;
    }
    Ok(rows)
}

fn push(rows: &mut Vec<Vec<String>>, row: Vec<String>) -> Result<(), Wrong> {
    if rows.len() >= MOST_ROWS || row.len() > MOST_COLUMNS {
        return Err(Wrong::TooLarge);
    }
    if row.iter().any(|cell| !cell.is_empty()) {
        rows.push(row);
    }
    Ok(())
}

/// Nothing is unpacked that does not stop: what a container says of its sizes is not believed.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), Wrong> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_zip| Wrong::Unreadable)?;
    let mut left = UNPACKED_BYTES;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_zip| Wrong::Unreadable)?;
        let read = io::copy(&mut part.take(left + 1), &mut io::sink());
        let read = read.map_err(|_zip| Wrong::Unreadable)?;
        left = left.checked_sub(read).ok_or(Wrong::TooLarge)?;
    }
    Ok(())
}

fn workbook(bytes: &[u8]) -> Result<Vec<Vec<Vec<String>>>, Wrong> {
    check_size(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_xlsx| Wrong::Unreadable)?;
    let mut sheets = Vec::new();
    for name in book.sheet_names() {
        // Cell by cell: a cell in the last row of a sheet must not make all before it.
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            // A sheet of a chart has no cells.
            Err(_other) => continue,
        };
        let (mut rows, mut row, mut at) = (Vec::new(), Vec::new(), 0_u32);
        while let Some(cell) = cells.next_cell().map_err(|_xlsx| Wrong::Unreadable)? {
            let (line, column) = cell.get_position();
            if line != at {
                push(&mut rows, std::mem::take(&mut row))?;
                at = line;
            }
            let column = usize::try_from(column).unwrap_or(usize::MAX);
            if column >= MOST_COLUMNS {
                return Err(Wrong::TooLarge);
            }
            row.resize(row.len().max(column + 1), String::new());
            if let Some(place) = row.get_mut(column) {
                *place = said(cell.get_value());
            }
        }
        push(&mut rows, row)?;
        sheets.push(rows);
    }
    Ok(sheets)
}

/// What a cell says, as text.
fn said(data: &DataRef<'_>) -> String {
    match data {
        DataRef::Empty | DataRef::Error(_) => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.trim().to_owned()
        }
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"columns":{"区划":"515100"},"rows":[
        {"姓名":"甲,乙","证号":"007"},{"姓名":null,"证号":"=1+1"}]}"#;

    fn sheet(encoding: &str) -> SheetSettings {
        SheetSettings {
            number: "序号".to_owned(),
            encoding: encoding.to_owned(),
            above: vec!["导入模板".to_owned()],
            ..SheetSettings::default()
        }
    }

    fn grid() -> Grid {
        Grid::of_message(MESSAGE.as_bytes(), &sheet("utf-8")).unwrap()
    }

    fn rows() -> Vec<Vec<String>> {
        [
            vec!["导入模板"],
            vec!["序号", "区划", "姓名", "证号"],
            vec!["1", "515100", "甲,乙", "007"],
            vec!["2", "515100", "", "=1+1"],
        ]
        .into_iter()
        .map(|row| row.into_iter().map(str::to_owned).collect())
        .collect()
    }

    #[test]
    fn a_batch_is_a_table_in_every_form_and_is_read_back_as_it_is() {
        for encoding in ["utf-8", "utf-8-bom", "gb18030"] {
            let file = grid().file("text/csv", &sheet(encoding), b"").unwrap();
            assert_eq!(sheets("text/csv", &file).unwrap(), [rows()], "{encoding}");
        }
        let file = grid().file(XLSX, &sheet("utf-8"), b"").unwrap();
        assert_eq!(sheets(XLSX, &file).unwrap(), [rows()]);
        assert_eq!(grid().file(XLSX, &sheet("utf-8"), b"").unwrap(), file, "the same bytes");
    }

    #[test]
    fn what_is_no_table_is_an_error_and_never_a_panic() {
        let file = grid().file(XLSX, &sheet("utf-8"), b"").unwrap();
        for cut in [0, 1, 30, file.len() / 2, file.len() - 1] {
            assert!(sheets(XLSX, &file[..cut]).is_err(), "{cut}");
        }
        assert_eq!(sheets("text/csv", b"a,\xff\xff\xff"), Err(Wrong::Unreadable));
        assert!(Grid::of_message(b"{}", &sheet("utf-8")).is_none());
    }

    #[test]
    fn a_cell_far_away_makes_no_table_as_large_as_its_place() {
        let mut book = Workbook::new();
        let page = book.add_worksheet();
        page.write_string(1_048_575, 0, "x").unwrap();
        assert_eq!(sheets(XLSX, &book.save_to_buffer().unwrap()).unwrap(), [[["x"]]]);
        let mut book = Workbook::new();
        book.add_worksheet().write_string(0, 16_383, "x").unwrap();
        assert_eq!(sheets(XLSX, &book.save_to_buffer().unwrap()), Err(Wrong::TooLarge));
    }
}
