//! An answer of this standard, written from the tables that read it: the upper side's writing.
//!
//! [`Standard::read_reply`](super::Standard::read_reply()) of what is written here gives what was
//! said, as far as the table has a place for it: a property holds that for every shipped standard.

use std::collections::BTreeMap;

use super::Standard;
use super::operation::Operation;
use super::settings::{Class, Classes};
use super::tables::ReplyRow;
use crate::wire::{Field, Leaf, Leaves, Role, Shape};

/// What an answer says. `values` and the elements of `list` are texts by the words of the column
/// `meaning`; states and verdicts are canonical words. May hold content: `Debug` shows none.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Says {
    /// Said once: `upper_id`, `receipt.id`, `page.next`.
    pub values: BTreeMap<&'static str, String>,
    /// The elements of the reply's list: `row.key`, `inventory.count`.
    pub list: Vec<BTreeMap<&'static str, String>>,
}

impl std::fmt::Debug for Says {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&&str> = self.values.keys().collect();
        formatter
            .debug_struct("Says")
            .field("values", &words)
            .field("list", &self.list.len())
            .finish()
    }
}

/// An answer as it travels. `Debug` shows no body.
#[derive(Clone, Eq, PartialEq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Headers that the table names.
    pub headers: Vec<(String, String)>,
    /// The body; empty where the table has no row in it.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Standard {
    /// Writes an answer of `class` to `operation`. A class that the standard has no code for is told
    /// by the nearest that says no more: *exists* by *accepted*, *absent* by *refused*.
    pub fn answer(&self, operation: &Operation, class: Class, says: &Says) -> Answer {
        let (code, status) = self.coded(operation, class);
        let mut values = says.values.clone();
        if let Some(code) = code {
            values.insert("code", code);
        }
        let rows = self.reply_rows(operation);
        let mut headers = Vec::new();
        let mut body: Vec<&ReplyRow> = Vec::new();
        for row in rows {
            match row.path.strip_prefix("header:") {
                Some(name) => {
                    let text = self.text(row, &values);
                    headers.extend(text.map(|text| (name.to_owned(), text)));
                }
                None => body.push(row),
            }
        }
        let is_told = class == Class::Accepted || class == Class::Exists || {
            // What is not taken says its code and no list.
            body.retain(|row| !row.path.contains("[]"));
            false
        };
        let list = if is_told { says.list.as_slice() } else { &[] };
        Answer { status, headers, body: self.body(&body, &values, list) }
    }

    /// The code that stands for a class, and the status beside it.
    fn coded(&self, operation: &Operation, class: Class) -> (Option<String>, u16) {
        let settings = self.settings();
        let empty = Classes::new();
        let own = settings.operations.iter().find(|it| it.name == operation.name);
        let own = own.map_or(&empty, |it| &it.outcomes);
        let nearest = match class {
            Class::Exists => Some(Class::Accepted),
            Class::Absent => Some(Class::Refused),
            Class::Accepted | Class::Refused | Class::Retry | Class::Auth | Class::Unknown => None,
        };
        let says_code = self.reply_rows(operation).any(|row| row.meaning == "code");
        let globs = |class| {
            let lists = [own.get(&class), settings.reply.classes.get(&class)];
            lists.into_iter().flatten().flatten()
        };
        for class in std::iter::once(class).chain(nearest) {
            let (http, words): (Vec<&String>, Vec<&String>) =
                globs(class).partition(|glob| glob.starts_with("http-"));
            // The reader must class it the same: another glob may be nearer to what is made up.
            let whole = words.iter().filter(|it| !it.contains('*')).map(|it| (*it).clone());
            let made = words
                .iter()
                .flat_map(|it| ["001", "000", "999", "X"].map(|end| it.replace('*', end)));
            let code = whole.chain(made).find(|it| operation.reply.class_of(it) == Some(class));
            if says_code && code.is_some() {
                return (code, 200);
            }
            let mut status = http.iter().filter_map(|glob| {
                glob.strip_prefix("http-")?.replace('*', "0").get(..3)?.parse().ok()
            });
            if let Some(status) = status.find(|it: &u16| (100..600).contains(it)) {
                return (None, status);
            }
        }
        let status = match class {
            Class::Accepted | Class::Exists => 200,
            Class::Absent => 404,
            Class::Refused => 422,
            Class::Retry => 503,
            Class::Auth => 401,
            Class::Unknown => 500,
        };
        (None, status)
    }

    fn reply_rows<'s>(&'s self, operation: &Operation) -> impl Iterator<Item = &'s ReplyRow> {
        let settings = self.settings();
        let own = settings.operations.iter().find(|it| it.name == operation.name);
        let names = [Some(&settings.reply.common), own.map(|it| &it.reply)];
        let tables = names.into_iter().flatten().filter(|name| !name.is_empty());
        tables.filter_map(|name| self.tables().replies.get(name)).flatten()
    }

    /// The text of a row; a canonical word in the row's own codes. A list without a word for what
    /// is said speaks of acceptance.
    fn text(&self, row: &ReplyRow, values: &BTreeMap<&'static str, String>) -> Option<String> {
        let value = values.get(row.meaning.as_str())?;
        let codes = self.tables().codes.get(&row.codes).filter(|_| row.meaning != "code");
        let Some(codes) = codes else { return Some(value.clone()) };
        let code = |word: &str| {
            let found = codes.iter().find(|it| it.word == word && !it.code.is_empty());
            found.map(|it| it.code.clone())
        };
        code(value).or_else(|| code("accepted")).or_else(|| code("published"))
    }

    fn body(
        &self,
        rows: &[&ReplyRow],
        values: &BTreeMap<&'static str, String>,
        list: &[BTreeMap<&'static str, String>],
    ) -> Vec<u8> {
        let lists: Vec<String> = {
            let mut found: Vec<String> = rows.iter().filter_map(|row| list_of(&row.path)).collect();
            found.sort();
            found.dedup();
            found
        };
        let leaves = rows.iter().map(|row| Field { path: &row.path, role: Role::Leaf });
        let counted = lists.iter().map(|path| Field { path, role: Role::List });
        let fields: Vec<Field<'_>> = leaves.chain(counted).collect();
        if fields.is_empty() {
            return Vec::new();
        }
        let Ok(shape) = Shape::compile(self.media(), self.namespaces(), &fields) else {
            return Vec::new();
        };
        let mut told = Told { standard: self, rows, values, list, scratch: None };
        let payload = shape.write(&mut told, None).unwrap_or_default();
        payload.fixed().unwrap_or_default()
    }
}

/// The path of the list that a row stands in.
fn list_of(path: &str) -> Option<String> {
    path.rfind("[]").and_then(|at| path.get(..at + 2)).map(str::to_owned)
}

struct Told<'a> {
    standard: &'a Standard,
    rows: &'a [&'a ReplyRow],
    values: &'a BTreeMap<&'static str, String>,
    list: &'a [BTreeMap<&'static str, String>],
    scratch: Option<String>,
}

impl Leaves for Told<'_> {
    fn leaf(&mut self, number: usize, at: &[usize]) -> Leaf<'_> {
        let Some(row) = self.rows.get(number) else { return Leaf::Absent };
        let values = match at.first() {
            Some(at) => self.list.get(*at),
            None => Some(self.values),
        };
        self.scratch = values.and_then(|values| self.standard.text(row, values));
        let Some(text) = self.scratch.as_deref() else { return Leaf::Absent };
        match row.kind.as_str() {
            "integer" | "number" | "decimal" if text.parse::<f64>().is_ok() => {
                Leaf::Number(text.into())
            }
            "boolean" if matches!(text, "true" | "false") => Leaf::Boolean(text == "true"),
            _ => Leaf::Text(text.into()),
        }
    }

    fn count(&mut self, _number: usize, _at: &[usize]) -> usize {
        self.list.len()
    }
}
