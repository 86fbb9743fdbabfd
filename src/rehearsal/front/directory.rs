//! The platform's own reading of a standard of front-end tables.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::judge::quoted;
use crate::rehearsal::directory::{Directory, Field, Files, Required};

/// What every table has, and what the province does with it.
#[derive(Clone, Debug)]
pub(in crate::rehearsal) struct Rules {
    pub(in crate::rehearsal) name: String,
    pub(in crate::rehearsal) names: Names,
    /// Columns that the standard puts into every row beside the dataset's.
    pub(in crate::rehearsal) columns: Vec<Column>,
    /// Tables that the city reads.
    pub(in crate::rehearsal) down: Vec<Down>,
    /// The most rows that the city writes at once.
    pub(in crate::rehearsal) rows: Option<usize>,
}

/// A table that the city reads.
#[derive(Clone, Debug, Default)]
pub(in crate::rehearsal) struct Down {
    pub(in crate::rehearsal) table: String,
    pub(in crate::rehearsal) key: String,
    /// When a row was touched; empty where its rows come with another table's.
    pub(in crate::rehearsal) date: String,
    /// The column of the letter.
    pub(in crate::rehearsal) letter: String,
    pub(in crate::rehearsal) written: Vec<String>,
    pub(in crate::rehearsal) deleted: Vec<String>,
    pub(in crate::rehearsal) overlap: String,
    /// The table that its rows come with, and the column that both have.
    pub(in crate::rehearsal) with: String,
    pub(in crate::rehearsal) by: String,
    /// The file that says so.
    pub(in crate::rehearsal) file: String,
    pub(in crate::rehearsal) columns: Vec<DownColumn>,
}

/// A column of a table that the city reads.
#[derive(Clone, Debug, Default)]
pub(in crate::rehearsal) struct DownColumn {
    pub(in crate::rehearsal) name: String,
    pub(in crate::rehearsal) is_time: bool,
    pub(in crate::rehearsal) required: bool,
    pub(in crate::rehearsal) codes: Option<Vec<String>>,
    /// The table's row, as a spreadsheet counts, and its clause.
    pub(in crate::rehearsal) row: usize,
    pub(in crate::rehearsal) clause: String,
}

impl Down {
    /// The statement that makes it.
    pub(in crate::rehearsal) fn made(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|it| self.column(it)).collect();
        format!("CREATE TABLE {} ({})", quoted(&self.table), columns.join(", "))
    }

    fn column(&self, column: &DownColumn) -> String {
        let kind = if column.is_time { "timestamp" } else { "text" };
        let demand = if column.name == self.key {
            " PRIMARY KEY"
        } else if column.required {
            " NOT NULL"
        } else {
            ""
        };
        format!("{} {kind}{demand}", quoted(&column.name))
    }
}

/// A column with its rules.
#[derive(Clone, Debug, Default)]
pub(in crate::rehearsal) struct Column {
    pub(in crate::rehearsal) name: String,
    pub(in crate::rehearsal) required: bool,
    pub(in crate::rehearsal) length: (usize, Option<usize>),
    pub(in crate::rehearsal) codes: Option<Vec<String>>,
    /// The canonical word it is filled from.
    pub(in crate::rehearsal) word: String,
    /// File, row and clause that say so.
    pub(in crate::rehearsal) basis: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    tables: Names,
    inbox: Vec<Inbox>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inbox {
    table: String,
    key: String,
    date: String,
    #[serde(rename = "type")]
    letter: String,
    written: Vec<String>,
    deleted: Vec<String>,
    overlap: String,
    with: String,
    by: String,
    reply: String,
}

/// `[tables]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::rehearsal) struct Names {
    pub(in crate::rehearsal) own_key: String,
    pub(in crate::rehearsal) upper_key: String,
    pub(in crate::rehearsal) status: String,
    pub(in crate::rehearsal) reason: String,
    pub(in crate::rehearsal) new: String,
    pub(in crate::rehearsal) passed: Vec<String>,
    pub(in crate::rehearsal) failed: Vec<String>,
    pub(in crate::rehearsal) validity: String,
    pub(in crate::rehearsal) valid: String,
    pub(in crate::rehearsal) invalid: String,
    pub(in crate::rehearsal) invalid_reason: String,
    pub(in crate::rehearsal) prefix: String,
}

impl Names {
    pub(in crate::rehearsal) fn passed(&self) -> &str {
        self.passed.first().map_or("", String::as_str)
    }

    pub(in crate::rehearsal) fn failed(&self) -> &str {
        self.failed.first().map_or("", String::as_str)
    }
}

impl Rules {
    pub(in crate::rehearsal) fn read(files: &Files) -> Result<Self, Vec<String>> {
        let directory = Directory::read(files)?;
        let text = files.get("standard.toml").map(|bytes| String::from_utf8_lossy(bytes));
        let document: Document = toml::from_str(&text.unwrap_or_default())
            .map_err(|error| vec![format!("standard.toml: {}", error.message())])?;
        let mut columns: BTreeMap<String, Column> = BTreeMap::new();
        for operation in &directory.operations {
            for field in &operation.fields {
                if let Some(name) = field.path.strip_prefix("columns.") {
                    columns.insert(name.to_owned(), column(name, field, &operation.table));
                }
            }
        }
        let columns = columns.into_values().collect();
        let down = document.inbox.into_iter().map(|inbox| down(files, inbox));
        let down = down.collect::<Result<_, _>>()?;
        let rows = directory.limits.rows;
        Ok(Self { name: directory.name, names: document.tables, columns, down, rows })
    }
}

/// A table that the city reads: its columns are those of its reply table.
fn down(files: &Files, inbox: Inbox) -> Result<Down, Vec<String>> {
    let file = format!("replies/{}.csv", inbox.reply);
    let problem = |what: &str| vec![format!("{file}: {what}")];
    let bytes = files.get(&file).ok_or_else(|| problem("is missing"))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let head = reader.headers().cloned().map_err(|_csv| problem("is no CSV"))?;
    let mut columns = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|_csv| problem("a row is no CSV"))?;
        let cell = |name: &str| {
            let at = head.iter().position(|it| it.trim() == name);
            at.and_then(|at| record.get(at)).unwrap_or_default().trim()
        };
        columns.push(DownColumn {
            name: cell("path").to_owned(),
            is_time: cell("type") == "time",
            required: cell("required") == "yes",
            codes: codes(files, cell("codes")),
            row: at + 2,
            clause: cell("clause").to_owned(),
        });
    }
    let Inbox { table, key, date, letter, written, deleted, overlap, with, by, .. } = inbox;
    Ok(Down { table, key, date, letter, written, deleted, overlap, with, by, file, columns })
}

/// The codes of a list; none where there is no list.
fn codes(files: &Files, list: &str) -> Option<Vec<String>> {
    let bytes = files.get(&format!("codes/{list}.csv"))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let at = reader.headers().ok()?.iter().position(|it| it.trim() == "code")?;
    let records = reader.records().filter_map(Result::ok);
    Some(records.filter_map(|record| record.get(at).map(|it| it.trim().to_owned())).collect())
}

fn column(name: &str, field: &Field, table: &str) -> Column {
    let codes = field.codes.as_ref();
    Column {
        name: name.to_owned(),
        required: field.required == Required::Always,
        length: field.length,
        codes: codes.map(|codes| codes.iter().map(|(_, code)| code.clone()).collect()),
        word: field.value.clone(),
        basis: format!("messages/{table}.csv {} {}, {}", field.row, field.path, field.clause),
    }
}
