//! The workbook in which people say what another tool's registrations are (接管核对表): the open
//! lines on the first sheet, to be filled in; what is only shown on the second.

use std::path::Path;

use rust_xlsxwriter::{DataValidation, Workbook, Worksheet};

use super::write::{Formats, WriteError};

/// A line of the workbook.
#[derive(Clone, Debug, Default)]
pub struct TakeoverRow {
    /// The kind's word.
    pub kind: String,
    /// The province's id.
    pub upper_id: String,
    /// The code it was sent under.
    pub code: String,
    /// Its title above.
    pub title: String,
    /// Where that is from.
    pub origin: String,
    /// What it was taken for, as people read it.
    pub fate: String,
    /// The objects it may be, `id title`, one a line.
    pub candidates: String,
    /// The object that is suggested; may be empty.
    pub object: String,
    /// Somebody has to say something.
    pub is_open: bool,
}

const HEADS: [&str; 9] = [
    "类别",
    "上级编号",
    "上级编码",
    "上级名称",
    "来源",
    "情形",
    "本市候选",
    "采用本市标识",
    "处置",
];
const HOW: &str = "逐行核对：处置写“是”＝上级这一条就是“采用本市标识”所写的本市对象（可改）；写“否”＝本市没有对应。填完用 \
                   cascaded takeover decide 读回。Fill in 处置: 是 (yes) or 否 (no); 采用本市标识 may be changed.";

/// Writes the workbook; the file must not exist.
///
/// # Errors
/// The library or the disk.
pub fn write_takeover(rows: &[TakeoverRow], path: &Path) -> Result<u64, WriteError> {
    let mut book = Workbook::new();
    let formats = Formats::new();
    let mut open = 0_u32;
    let first = book.add_worksheet().set_name("核对")?;
    heads(first, &formats)?;
    for row in rows.iter().filter(|row| row.is_open) {
        open += 1;
        line(first, open, row, &formats)?;
    }
    if open > 0 {
        let yes_or_no = DataValidation::new().allow_list_strings(&["是", "否"])?;
        first.add_data_validation(1, 8, open, 8, &yes_or_no)?;
    }
    first.write_with_format(open + 2, 0, HOW, &formats.machine)?;
    let second = book.add_worksheet().set_name("其余（只供查看）")?;
    heads(second, &formats)?;
    for (row, at) in rows.iter().filter(|row| !row.is_open).zip(1_u32..) {
        line(second, at, row, &formats)?;
    }
    book.save(path)?;
    Ok(u64::from(open))
}

fn heads(sheet: &mut Worksheet, formats: &Formats) -> Result<(), WriteError> {
    for (head, column) in HEADS.iter().zip(0_u16..) {
        sheet.write_with_format(0, column, *head, &formats.head)?;
        sheet.set_column_width(column, if column == 6 { 48 } else { 20 })?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

fn line(
    sheet: &mut Worksheet,
    at: u32,
    row: &TakeoverRow,
    formats: &Formats,
) -> Result<(), WriteError> {
    let cells =
        [&row.kind, &row.upper_id, &row.code, &row.title, &row.origin, &row.fate, &row.candidates];
    for (cell, column) in cells.into_iter().zip(0_u16..) {
        sheet.write_string_with_format(at, column, cell, &formats.fixed)?;
    }
    sheet.write_string_with_format(at, 7, &row.object, &formats.open)?;
    sheet.write_string_with_format(at, 8, "", &formats.open)?;
    Ok(())
}
