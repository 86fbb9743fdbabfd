//! A standard's tables as written: the raw layer.
//!
//! The rehearsal platform is driven by it, versions are compared by it, and the compiled form is
//! made from it. Nothing here is interpreted beyond the columns.

use std::collections::BTreeMap;

use super::files::Files;
use super::problem::{Code, Problem, Problems};
use super::settings::{self, Settings};

/// Columns of `messages/*.csv`.
pub const MESSAGE_COLUMNS: [&str; 13] = [
    "path", "title", "on", "when", "value", "type", "format", "length", "required", "codes",
    "encrypt", "clause", "basis",
];
/// Columns of `replies/*.csv`.
pub const REPLY_COLUMNS: [&str; 8] =
    ["path", "title", "meaning", "type", "codes", "required", "clause", "basis"];
/// Columns of `codes/*.csv`.
pub const CODE_COLUMNS: [&str; 3] = ["word", "code", "title"];
/// Values of the column `basis`: read in the source, from memory, or a model's own choice.
pub const BASES: [&str; 3] = ["V", "B", "model"];

/// The most rows of one table.
pub const MAX_ROWS: usize = 20_000;

/// One row of a message's table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldRow {
    /// The row as a spreadsheet counts it.
    pub row: usize,
    /// Where the field stands: in the body by default, else after `header:`, `query:`, `url:`,
    /// `part:`.
    pub path: String,
    /// What the standard calls it.
    pub title: String,
    /// The operations it belongs to; empty means all that use the table.
    pub on: Vec<String>,
    /// The condition under which it is there at all; empty means always.
    pub when: String,
    /// Where its value comes from.
    pub value: String,
    /// `text`, `code`, `integer` and so on.
    pub kind: String,
    /// The pattern of a time or a number.
    pub format: String,
    /// `50`, `=18` or `2..50`, in characters; empty means not known.
    pub length: String,
    /// `yes`, `no` or a condition.
    pub required: String,
    /// The code list.
    pub codes: String,
    /// `yes` where `[encrypt]` hides it; otherwise empty.
    pub encrypt: String,
    /// Where the document says so.
    pub clause: String,
    /// How well it is known, see [`BASES`].
    pub basis: String,
}

/// One row of a reply's table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReplyRow {
    /// The row as a spreadsheet counts it.
    pub row: usize,
    /// Where it stands in the reply's body, or after `header:`.
    pub path: String,
    /// What the standard calls it.
    pub title: String,
    /// What it means to the daemon; see `config/standards/README.md`, "Meanings".
    pub meaning: String,
    /// As in a message's table.
    pub kind: String,
    /// The code list.
    pub codes: String,
    /// `yes` or `no`.
    pub required: String,
    /// Where the document says so.
    pub clause: String,
    /// How well it is known.
    pub basis: String,
}

/// One row of a code list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CodeRow {
    /// The row as a spreadsheet counts it.
    pub row: usize,
    /// The canonical word.
    pub word: String,
    /// The standard's code; empty when the standard has none for this word.
    pub code: String,
    /// What the standard calls it.
    pub title: String,
}

/// The whole directory, as written.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// `standard.toml`.
    pub settings: Settings,
    /// Name without folder and `.csv`, to the rows of `messages/NAME.csv`.
    pub messages: BTreeMap<String, Vec<FieldRow>>,
    /// As [`Tables::messages`], of `replies/`.
    pub replies: BTreeMap<String, Vec<ReplyRow>>,
    /// As [`Tables::messages`], of `codes/`.
    pub codes: BTreeMap<String, Vec<CodeRow>>,
    /// The workbook that a batch's rows are filled into; empty where there is none.
    pub template: Vec<u8>,
}

/// Reads the tables of a directory, as far as they can be read, and every problem met.
pub fn tables(files: &Files) -> (Tables, Vec<Problem>) {
    let mut list = Vec::new();
    let mut tables = Tables::default();
    match files.get(settings::FILE) {
        Some(bytes) => tables.settings = settings::read(bytes, &mut list),
        None => Problems::new(&mut list, settings::FILE).add(
            Code::File,
            None,
            "",
            "a standard's directory has this file".to_owned(),
        ),
    }
    if let Some(bytes) = files.get(super::folders::TEMPLATE) {
        tables.template.clone_from(bytes);
    }
    for (name, bytes) in files {
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            let what = "leaves the standard's directory".to_owned();
            Problems::new(&mut list, name).add(Code::Outside, None, "", what);
            continue;
        }
        let Some((folder, stem)) = table_name(name) else { continue };
        let stem = stem.to_owned();
        match folder {
            "messages" => {
                let rows = read_rows(name, bytes, &MESSAGE_COLUMNS, &mut list, field_row);
                tables.messages.insert(stem, rows);
            }
            "replies" => {
                let rows = read_rows(name, bytes, &REPLY_COLUMNS, &mut list, reply_row);
                tables.replies.insert(stem, rows);
            }
            _ => {
                let rows = read_rows(name, bytes, &CODE_COLUMNS, &mut list, code_row);
                tables.codes.insert(stem, rows);
            }
        }
    }
    (tables, list)
}

/// The folder and the name of a table's file.
fn table_name(file: &str) -> Option<(&str, &str)> {
    let (folder, name) = file.split_once('/')?;
    let stem = name.strip_suffix(".csv")?;
    (["messages", "replies", "codes"].contains(&folder) && !stem.contains('/'))
        .then_some((folder, stem))
}

/// Cells of one row by column name.
struct Cells<'a> {
    row: usize,
    record: &'a csv::StringRecord,
    places: &'a BTreeMap<String, usize>,
}

impl Cells<'_> {
    fn text(&self, column: &str) -> String {
        let place = self.places.get(column);
        place.and_then(|at| self.record.get(*at)).unwrap_or_default().trim().to_owned()
    }
}

fn read_rows<T>(
    file: &str,
    bytes: &[u8],
    columns: &[&str],
    list: &mut Vec<Problem>,
    read: impl Fn(&Cells<'_>) -> T,
) -> Vec<T> {
    let mut problems = Problems::new(list, file);
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let places = match reader.headers() {
        Ok(head) => head_places(head, columns, &mut problems),
        Err(_) => {
            problems.add(Code::Format, Some(1), "", "not UTF-8 or no table".to_owned());
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let row = index + 2;
        if rows.len() >= MAX_ROWS {
            let what = format!("more than {MAX_ROWS} rows");
            problems.add(Code::Format, Some(row), "", what);
            break;
        }
        match record {
            Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => {}
            Ok(record) => rows.push(read(&Cells { row, record: &record, places: &places })),
            Err(error) => {
                problems.add(Code::Format, Some(row), "", csv_reason(&error));
            }
        }
    }
    rows
}

fn csv_reason(error: &csv::Error) -> String {
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        format!("{len} cells where the head has {expected_len}")
    } else if let csv::ErrorKind::Utf8 { .. } = error.kind() {
        "not UTF-8".to_owned()
    } else {
        "not a row of CSV".to_owned()
    }
}

fn head_places(
    head: &csv::StringRecord,
    columns: &[&str],
    problems: &mut Problems<'_>,
) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (index, name) in head.iter().enumerate() {
        let name = name.trim();
        if !columns.contains(&name) {
            let what = "no such column".to_owned();
            let columns = columns.iter().copied();
            problems.add_unknown(Code::Format, (Some(1), name), what, name, columns);
        } else if places.insert(name.to_owned(), index).is_some() {
            problems.add(Code::Format, Some(1), name, "column stands here twice".to_owned());
        }
    }
    let required: Vec<&str> = match columns {
        // A message or reply table without these columns says nothing.
        ["path", "title", "meaning", ..] => vec!["path", "meaning"],
        ["path", ..] => vec!["path", "value", "required"],
        _ => vec!["word", "code"],
    };
    for column in required.iter().filter(|column| !places.contains_key(**column)) {
        problems.add(Code::Format, Some(1), column, "column is missing".to_owned());
    }
    places
}

fn field_row(cells: &Cells<'_>) -> FieldRow {
    FieldRow {
        row: cells.row,
        path: cells.text("path"),
        title: cells.text("title"),
        on: cells
            .text("on")
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        when: cells.text("when"),
        value: cells.text("value"),
        kind: cells.text("type"),
        format: cells.text("format"),
        length: cells.text("length"),
        required: cells.text("required"),
        codes: cells.text("codes"),
        encrypt: cells.text("encrypt"),
        clause: cells.text("clause"),
        basis: cells.text("basis"),
    }
}

fn reply_row(cells: &Cells<'_>) -> ReplyRow {
    ReplyRow {
        row: cells.row,
        path: cells.text("path"),
        title: cells.text("title"),
        meaning: cells.text("meaning"),
        kind: cells.text("type"),
        codes: cells.text("codes"),
        required: cells.text("required"),
        clause: cells.text("clause"),
        basis: cells.text("basis"),
    }
}

fn code_row(cells: &Cells<'_>) -> CodeRow {
    CodeRow {
        row: cells.row,
        word: cells.text("word"),
        code: cells.text("code"),
        title: cells.text("title"),
    }
}
