//! Where in `standard.toml` a key or an operation stands, so that its mistakes are told with their
//! line as those of the tables are told with their row.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::files::Files;
use super::super::problem::{Code, Problem};
use super::FILE;

/// Gives every problem of the file that has no row yet the line that it is about, where one can be
/// found: that of the key, else of the section that lacks it.
pub(in super::super) fn place(files: &Files, list: &mut [Problem]) {
    let is_open = |it: &Problem| it.file == FILE && it.row.is_none();
    if !list.iter().any(is_open) {
        return;
    }
    let Some(text) = files.get(FILE).and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
        return;
    };
    let lines = Lines::of(text);
    for problem in list.iter_mut().filter(|it| is_open(it)) {
        problem.row = lines.find(problem.code, &problem.subject);
    }
}

/// Lines by what stands there, counted from 1.
struct Lines {
    /// Keys and sections with their path: `limits.bytes`, `operation[entry.register].path`.
    keys: BTreeMap<String, usize>,
    /// Operations and down-link tables by name.
    names: BTreeMap<String, usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let mut lines = Self { keys: BTreeMap::new(), names: BTreeMap::new() };
        if let Ok(document) = DeTable::parse(text) {
            lines.walk(text, "", document.get_ref());
        }
        lines
    }

    fn walk(&mut self, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref();
            let path =
                if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            self.keys.entry(path.clone()).or_insert_with(|| line(text, key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(text, &path, inner),
                DeValue::Array(list) => {
                    for (at, item) in list.iter().enumerate() {
                        self.item(text, &path, at, item);
                    }
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {}
            }
        }
    }

    /// One `[[…]]`, called by its name or, where it has none, by its number.
    fn item(&mut self, text: &str, path: &str, at: usize, item: &Spanned<DeValue<'_>>) {
        let DeValue::Table(inner) = item.get_ref() else { return };
        let name = ["name", "table"].iter().find_map(|key| inner.get(*key));
        let called = name.and_then(|name| name.get_ref().as_str());
        let shown = format!("{path}[{}]", called.map_or((at + 1).to_string(), str::to_owned));
        let here = line(text, name.map_or(item.span().start, |name| name.span().start));
        self.keys.entry(shown.clone()).or_insert(here);
        if let Some(called) = called {
            // The last of a name that stands there twice is the one that is too many.
            self.names.insert(called.to_owned(), here);
        }
        self.walk(text, &shown, inner);
    }

    /// A subject is a path or an operation's name; `rows.upsert` is both.
    fn find(&self, code: Code, subject: &str) -> Option<usize> {
        let name = self.names.get(subject).copied();
        if code != Code::Key && name.is_some() {
            return name;
        }
        let mut path = subject;
        loop {
            if let Some(line) = self.keys.get(path) {
                return Some(*line);
            }
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None => return name,
            }
        }
    }
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
