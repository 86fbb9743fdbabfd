//! A TOML document read by hand, so that every mistake in it is told at once, with its place.

use std::fmt;

use rust_decimal::Decimal;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::expression::nearest;

/// What kind of mistake a [`Problem`] is. The text of a code is stable and documented.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// The file is no TOML, or too large.
    Format,
    /// A key nobody knows, one that is missing, or one of another type.
    Key,
    /// A value that cannot be: a name twice, a step out of order, a class that is not there.
    Value,
    /// An expression that does not compile.
    Expression,
}

impl Code {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Format => "E-SCHEME-FORMAT",
            Self::Key => "E-SCHEME-KEY",
            Self::Value => "E-SCHEME-VALUE",
            Self::Expression => "E-SCHEME-EXPRESSION",
        }
    }
}

/// One mistake in a scheme.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Which kind.
    pub code: Code,
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
    /// The key that it is about: `item[guides].points`.
    pub path: String,
    /// What is wrong: lower case, no dot.
    pub what: String,
    /// What may have been meant.
    pub meant: Option<String>,
}

impl Problem {
    /// Where it is: `model-2022.toml:14:10 (item[guides].points)`.
    pub fn place(&self) -> String {
        let place = format!("{}:{}:{}", self.file, self.line, self.column);
        if self.path.is_empty() { place } else { format!("{place} ({})", self.path) }
    }

    /// What is wrong, with what may have been meant.
    pub fn told(&self) -> String {
        match &self.meant {
            Some(meant) => format!("{}; did you mean `{meant}`?", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} [{}]", self.place(), self.told(), self.code.as_str())
    }
}

/// A table of the document with the path that leads to it.
#[derive(Debug)]
pub(super) struct Section<'d> {
    table: &'d DeTable<'d>,
    pub(super) path: String,
    /// The byte at which it begins.
    pub(super) at: usize,
}

/// Reads sections and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    pub(super) problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// Notes a problem at a byte of the text.
    pub(super) fn add(&mut self, code: Code, at: usize, path: &str, what: impl Into<String>) {
        self.add_unknown(code, at, path, what.into(), None);
    }

    /// Notes a problem together with what may have been meant.
    pub(super) fn add_unknown(
        &mut self,
        code: Code,
        at: usize,
        path: &str,
        what: String,
        meant: Option<String>,
    ) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let file = self.file.to_owned();
        self.problems.push(Problem {
            code,
            file,
            line,
            column,
            path: path.to_owned(),
            what,
            meant,
        });
    }

    /// The whole document.
    pub(super) fn root<'d>(&mut self, document: &'d Spanned<DeTable<'d>>) -> Section<'d> {
        Section { table: document.get_ref(), path: String::new(), at: 0 }
    }

    /// Refuses keys that nobody reads.
    pub(super) fn only(&mut self, section: &Section<'_>, keys: &[&'static str]) {
        for key in section.table.keys() {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let what = format!("`{name}` is no key of this table");
                let meant = nearest(name, keys.iter().copied()).map(ToOwned::to_owned);
                let path = section.key(name);
                self.add_unknown(Code::Key, key.span().start, &path, what, meant);
            }
        }
    }

    fn missing(&mut self, section: &Section<'_>, key: &str, wanted: &str) {
        let path = section.key(key);
        self.add(Code::Key, section.at, &path, format!("is missing: {wanted} is wanted"));
    }

    fn wrong(&mut self, section: &Section<'_>, key: &str, at: usize, wanted: &str) {
        let path = section.key(key);
        self.add(Code::Key, at, &path, format!("{wanted} is wanted here"));
    }

    /// A text that may be absent, with the byte at which it begins.
    pub(super) fn maybe_text<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<(&'d str, usize)> {
        let value = section.table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text, value.span().start));
        }
        self.wrong(section, key, value.span().start, "a text");
        None
    }

    /// A text that is not empty.
    pub(super) fn text<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<(&'d str, usize)> {
        if section.table.get(key).is_none() {
            self.missing(section, key, "a text");
            return None;
        }
        let (text, at) = self.maybe_text(section, key)?;
        if text.trim().is_empty() {
            self.add(Code::Value, at, &section.key(key), "is empty");
            return None;
        }
        Some((text, at))
    }

    /// A decimal, exactly as it is written, that may be absent.
    pub(super) fn maybe_decimal(
        &mut self,
        section: &Section<'_>,
        key: &str,
    ) -> Option<(Decimal, usize)> {
        let value = section.table.get(key)?;
        let at = value.span().start;
        let written = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.wrong(section, key, at, "a number");
                return None;
            }
        };
        match Decimal::from_str_exact(written) {
            Ok(number) if number.abs() <= MOST => Some((number, at)),
            Ok(_) | Err(_) => {
                self.wrong(section, key, at, "a decimal number of at most 1,000,000");
                None
            }
        }
    }

    /// A decimal.
    pub(super) fn decimal(&mut self, section: &Section<'_>, key: &str) -> Option<(Decimal, usize)> {
        if section.table.get(key).is_none() {
            self.missing(section, key, "a number");
        }
        self.maybe_decimal(section, key)
    }

    /// A table.
    pub(super) fn section<'d>(&mut self, section: &Section<'d>, key: &str) -> Option<Section<'d>> {
        let Some(value) = section.table.get(key) else {
            self.missing(section, key, "a table");
            return None;
        };
        let at = value.span().start;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section { table, path: section.key(key), at });
        }
        self.wrong(section, key, at, "a table");
        None
    }

    /// An array of tables; none where the key is absent. Each is called by its `id`, else by its
    /// number.
    pub(super) fn sections<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
        most: usize,
    ) -> Vec<Section<'d>> {
        let Some(value) = section.table.get(key) else { return Vec::new() };
        let at = value.span().start;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(section, key, at, "an array of tables");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (number, entry) in list.iter().enumerate().take(most) {
            let at = entry.span().start;
            let DeValue::Table(table) = entry.get_ref() else {
                self.wrong(section, key, at, "a table");
                continue;
            };
            let id = match table.get("id").map(Spanned::get_ref) {
                Some(DeValue::String(id)) => id.to_string(),
                _ => (number + 1).to_string(),
            };
            found.push(Section { table, path: format!("{}[{id}]", section.key(key)), at });
        }
        if list.len() > most {
            self.add(Code::Value, at, &section.key(key), format!("more than {most} entries"));
        }
        found
    }
}

impl Section<'_> {
    /// The path of one of its keys.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether it has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }
}

/// The largest number that a scheme may say.
const MOST: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
