//! The platform's own reading of a standard of front-end tables.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rehearsal::directory::{Directory, Field, Files, Required};

/// What every table has, and what the province does with it.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) name: String,
    pub(super) names: Names,
    /// Columns that the standard puts into every row beside the dataset's.
    pub(super) columns: Vec<Column>,
    /// Tables that the city reads: name, and columns with their types in SQL.
    pub(super) down: Vec<Down>,
}

/// A table's name, and its columns with their types in SQL.
pub(super) type Down = (String, Vec<(String, String)>);

/// A column with its rules.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) length: (usize, Option<usize>),
    pub(super) codes: Option<Vec<String>>,
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
    reply: String,
}

/// `[tables]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names {
    pub(super) own_key: String,
    pub(super) upper_key: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) new: String,
    pub(super) passed: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) validity: String,
    pub(super) valid: String,
    pub(super) invalid: String,
    pub(super) invalid_reason: String,
    pub(super) prefix: String,
}

impl Names {
    pub(super) fn passed(&self) -> &str {
        self.passed.first().map_or("", String::as_str)
    }

    pub(super) fn failed(&self) -> &str {
        self.failed.first().map_or("", String::as_str)
    }
}

impl Rules {
    pub(super) fn read(files: &Files) -> Result<Self, Vec<String>> {
        let directory = Directory::read(files)?;
        let text = files.get("standard.toml").map(|bytes| String::from_utf8_lossy(bytes));
        let document: Document = toml::from_str(&text.unwrap_or_default())
            .map_err(|error| vec![format!("standard.toml: {}", error.message())])?;
        let mut columns: BTreeMap<String, Column> = BTreeMap::new();
        for field in directory.operations.iter().flat_map(|operation| &operation.fields) {
            if let Some(name) = field.path.strip_prefix("columns.") {
                columns.insert(name.to_owned(), column(name, field));
            }
        }
        let columns = columns.into_values().collect();
        let down =
            document.inbox.iter().map(|inbox| down(files, inbox)).collect::<Result<_, _>>()?;
        Ok(Self { name: directory.name, names: document.tables, columns, down })
    }
}

/// A table that the city reads: its columns are those of its reply table.
fn down(files: &Files, inbox: &Inbox) -> Result<Down, Vec<String>> {
    let file = format!("replies/{}.csv", inbox.reply);
    let problem = |what: &str| vec![format!("{file}: {what}")];
    let bytes = files.get(&file).ok_or_else(|| problem("is missing"))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let head = reader.headers().cloned().map_err(|_csv| problem("is no CSV"))?;
    let place = |name: &str| head.iter().position(|it| it.trim() == name);
    let (path, kind) = (place("path"), place("type"));
    let mut columns = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_csv| problem("a row is no CSV"))?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim();
        let key = if cell(path) == inbox.key { " PRIMARY KEY" } else { "" };
        let kind = if cell(kind) == "time" { "timestamp" } else { "text" };
        columns.push((cell(path).to_owned(), format!("{kind}{key}")));
    }
    Ok((inbox.table.clone(), columns))
}

fn column(name: &str, field: &Field) -> Column {
    let codes = field.codes.as_ref();
    Column {
        name: name.to_owned(),
        required: field.required == Required::Always,
        length: field.length,
        codes: codes.map(|codes| codes.iter().map(|(_, code)| code.clone()).collect()),
    }
}
