//! Sheets as people keep them: several head rows, merged cells, blanks that mean "as above".

use std::fs;
use std::io;
use std::path::Path;

use calamine::{Data, Range, Reader, Xlsx};

use super::{Cells, SheetSettings};
use crate::city::folder::decode;
use crate::city::settings::{Problem, TextEncoding};

/// A larger file is no catalogue.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// More rows or columns than these are no catalogue.
const MAX_ROWS: usize = 200_000;
const MAX_COLUMNS: usize = 512;

/// A sheet as a rectangle of texts.
struct Grid {
    /// `目录.xlsx!目录`.
    name: String,
    rows: Vec<Vec<String>>,
}

/// The mapped cells of a sheet, row by row, and what is wrong with it.
pub(super) fn read(settings: &SheetSettings, part: &str) -> (Vec<Cells>, Vec<Problem>) {
    let mut problems = Vec::new();
    let cells = match grid(settings, &mut problems) {
        Ok(grid) => cells(settings, part, &grid, &mut problems),
        Err(reason) => {
            problems.push(Problem::new(settings.file.display().to_string(), reason));
            Vec::new()
        }
    };
    (cells, problems)
}

fn cells(
    settings: &SheetSettings,
    part: &str,
    grid: &Grid,
    problems: &mut Vec<Problem>,
) -> Vec<Cells> {
    let heads = heads(grid, settings.head_rows);
    let mut columns = Vec::new();
    for (word, title) in &settings.columns {
        match find(&heads, title) {
            Ok(column) => columns.push((word.as_str(), column)),
            Err(reason) => {
                let known: Vec<&str> =
                    heads.iter().map(String::as_str).filter(|head| !head.is_empty()).collect();
                let message = format!("{reason} `{title}` in {}: {}", grid.name, known.join("、"));
                problems.push(Problem::new(format!("{part}.columns.\"{word}\""), message));
            }
        }
    }
    let body = grid.rows.iter().enumerate().skip(settings.head_rows);
    body.map(|(row, texts)| {
        let cells = columns.iter().filter_map(|(word, column)| {
            let text = texts.get(*column)?.trim();
            let place = format!("{}!{}{}", grid.name, letters(*column), row + 1);
            (!text.is_empty()).then(|| ((*word).to_owned(), (text.to_owned(), place)))
        });
        Cells { place: format!("{}!{}", grid.name, row + 1), of: cells.collect() }
    })
    .filter(|cells| !cells.of.is_empty())
    .collect()
}

fn grid(settings: &SheetSettings, problems: &mut Vec<Problem>) -> Result<Grid, String> {
    let size = fs::metadata(&settings.file).map_err(|error| error.kind().to_string())?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    let file = settings.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let extension = settings.file.extension().unwrap_or_default().to_ascii_lowercase();
    let grid = if extension == "csv" {
        csv(&settings.file, file, settings.encoding)
    } else {
        xlsx(settings, file, problems)
    }?;
    let widest = grid.rows.iter().map(Vec::len).max().unwrap_or(0);
    if grid.rows.len() > MAX_ROWS || widest > MAX_COLUMNS {
        return Err(format!("more than {MAX_ROWS} rows or {MAX_COLUMNS} columns"));
    }
    Ok(grid)
}

fn csv(path: &Path, name: String, encoding: TextEncoding) -> Result<Grid, String> {
    let bytes = fs::read(path).map_err(|error| error.kind().to_string())?;
    let (bytes, encoding) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, TextEncoding::Utf8),
        None => (&*bytes, encoding),
    };
    let text = decode(encoding, bytes).ok_or("it is not in the encoding configured for it")?;
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| io::Error::from(error).kind().to_string())?;
        rows.push(record.iter().map(str::to_owned).collect());
    }
    Ok(Grid { name, rows })
}

fn xlsx(
    settings: &SheetSettings,
    file: String,
    problems: &mut Vec<Problem>,
) -> Result<Grid, String> {
    let mut book: Xlsx<_> = calamine::open_workbook(&settings.file)
        .map_err(|error: calamine::XlsxError| format!("it cannot be read as XLSX: {error}"))?;
    let names = book.sheet_names();
    let sheet = match &settings.sheet {
        Some(sheet) if names.contains(sheet) => sheet.clone(),
        Some(sheet) => return Err(format!("no sheet `{sheet}`; there are: {}", names.join("、"))),
        None => names.first().cloned().ok_or("it has no sheet")?,
    };
    let range = book.worksheet_range(&sheet).map_err(|error| error.to_string())?;
    let name = format!("{file}!{sheet}");
    let mut rows = texts(&range, &name, problems)?;
    let merged = book.merge_cells_by_sheet_name(&sheet).map_err(|error| error.to_string())?;
    for region in merged {
        spread(&mut rows, region.start, region.end);
    }
    Ok(Grid { name, rows })
}

/// The cells at their own places: a range starts at its first used cell.
fn texts(
    range: &Range<Data>,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Vec<String>>, String> {
    let (last_row, last_column) = range.end().unwrap_or((0, 0));
    let (height, width) = (last_row as usize + 1, last_column as usize + 1);
    if height > MAX_ROWS || width > MAX_COLUMNS {
        return Err(format!("more than {MAX_ROWS} rows or {MAX_COLUMNS} columns"));
    }
    let (first_row, first_column) = range.start().unwrap_or((0, 0));
    let mut rows = vec![vec![String::new(); width]; height];
    for (row, column, data) in range.used_cells() {
        let (row, column) = (row + first_row as usize, column + first_column as usize);
        let text = if let Data::Error(_) = data {
            let place = format!("{name}!{}{}", letters(column), row + 1);
            problems.push(Problem::new(place, "the cell's formula has failed"));
            String::new()
        } else {
            text(data)
        };
        if let Some(cell) = rows.get_mut(row).and_then(|cells| cells.get_mut(column)) {
            *cell = text;
        }
    }
    Ok(rows)
}

fn text(data: &Data) -> String {
    if let Data::DateTime(at) = data
        && at.is_datetime()
    {
        let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
        return format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    }
    data.to_string()
}

/// Every cell of a merged region says what its first one says.
fn spread(rows: &mut [Vec<String>], start: (u32, u32), end: (u32, u32)) {
    let first = rows.get(start.0 as usize).and_then(|row| row.get(start.1 as usize)).cloned();
    let Some(first) = first.filter(|text| !text.is_empty()) else { return };
    let height = (end.0.saturating_sub(start.0) as usize).saturating_add(1);
    let width = (end.1.saturating_sub(start.1) as usize).saturating_add(1);
    for row in rows.iter_mut().skip(start.0 as usize).take(height) {
        for cell in row.iter_mut().skip(start.1 as usize).take(width) {
            first.clone_into(cell);
        }
    }
}

/// One name per column: the head rows joined with `/`, `共享属性/共享类型`.
fn heads(grid: &Grid, head_rows: usize) -> Vec<String> {
    let plain = |text: &String| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let head: Vec<Vec<String>> =
        grid.rows.iter().take(head_rows).map(|row| row.iter().map(plain).collect()).collect();
    let width = head.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: usize, column: usize| {
        head.get(row).and_then(|row| row.get(column)).map_or("", String::as_str)
    };
    let mut above = vec![""; head_rows];
    let mut heads = Vec::with_capacity(width);
    for column in 0..width {
        let mut parts: Vec<&str> = Vec::new();
        for row in 0..head_rows {
            // Where cells are not merged but left blank, the text to the left goes on as long as
            // something stands below.
            let below = (row + 1..head_rows).any(|row| !cell(row, column).is_empty());
            let own = cell(row, column);
            let text = match above.get(row) {
                Some(left) if own.is_empty() && below => left,
                Some(_) | None => own,
            };
            if let Some(place) = above.get_mut(row) {
                *place = text;
            }
            if !text.is_empty() && parts.last() != Some(&text) {
                parts.push(text);
            }
        }
        heads.push(parts.join("/"));
    }
    heads
}

/// By the whole name, or by its last part where only one column has it.
fn find(heads: &[String], title: &str) -> Result<usize, &'static str> {
    let title: String = title.chars().filter(|letter| !letter.is_whitespace()).collect();
    let whole: Vec<usize> = places(heads, |head| head == title);
    let last: Vec<usize> = places(heads, |head| head.rsplit('/').next() == Some(&title));
    match (whole.as_slice(), last.as_slice()) {
        ([column], _) | ([], [column]) => Ok(*column),
        ([], []) => Err("no column"),
        (_, _) => Err("several columns"),
    }
}

fn places(heads: &[String], is: impl Fn(&str) -> bool) -> Vec<usize> {
    heads.iter().enumerate().filter(|(_, head)| is(head)).map(|(column, _)| column).collect()
}

/// A column's letters: A, B, …, Z, AA, …
fn letters(column: usize) -> String {
    let mut left = column + 1;
    let mut letters = Vec::new();
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_letters_of_a_spreadsheet() {
        for (column, expected) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), expected);
        }
    }

    #[test]
    fn two_head_rows_become_one_name() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        let grid = Grid {
            name: String::new(),
            rows: vec![
                row(&["名称", "信息项", "", "共享属性", "", "周期"]),
                row(&["", "名 称", "类型", "类型", "条件", ""]),
            ],
        };
        let heads = heads(&grid, 2);
        assert_eq!(
            heads,
            ["名称", "信息项/名称", "信息项/类型", "共享属性/类型", "共享属性/条件", "周期"]
        );
        assert_eq!(find(&heads, "条件"), Ok(4));
        assert_eq!(find(&heads, "名称"), Ok(0));
        assert_eq!(find(&heads, "类型"), Err("several columns"));
        assert_eq!(find(&heads, "共享属性/类型"), Ok(3));
        assert_eq!(find(&heads, "摘要"), Err("no column"));
    }
}
