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
}

/// A column with its rules.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) length: (usize, Option<usize>),
    pub(super) codes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Document {
    tables: Names,
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
        Ok(Self { name: directory.name, names: document.tables, columns })
    }
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
