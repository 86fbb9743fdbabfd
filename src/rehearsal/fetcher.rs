//! Somebody above who fetches files from a folder, judges their rows and lays down what came of it:
//! the stand-in for a standard of files, and for the clerk who takes sheets to a portal.
//!
//! Names, tables and verdicts are read and written with code of its own. It does nothing by itself:
//! whoever tests says when it fetches and when it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use calamine::{Data, Reader as _, Xlsx};
use encoding_rs::GB18030;
use rust_xlsxwriter::Workbook;
use serde::Deserialize;

use super::directory::{Directory, Place};
use super::{Content, Error, RowRules};

/// What it is made of.
#[derive(Clone, Debug, Default)]
pub struct FetcherSettings {
    /// The standard's directory.
    pub standard: PathBuf,
    /// Where files are fetched.
    pub outbox: PathBuf,
    /// Where verdicts are laid down.
    pub results: PathBuf,
    /// The heads of each dataset's key.
    pub keys: BTreeMap<String, Vec<String>>,
    /// The province's own rules by dataset.
    pub rules: BTreeMap<String, RowRules>,
}

/// A file that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its name below the folder.
    pub name: String,
    /// Whose rows.
    pub dataset: String,
    /// They are gone.
    pub is_deletion: bool,
    /// Each row by head.
    pub rows: Vec<Cells>,
    /// As it lay there.
    pub bytes: Vec<u8>,
}

/// A row by head.
pub type Cells = Vec<(String, Option<String>)>;

/// Fetches and judges.
#[derive(Debug)]
pub struct Fetcher {
    settings: FetcherSettings,
    directory: Directory,
    said: Said,
    /// Everything it ever fetched.
    fetched: Vec<Fetched>,
    judged: usize,
    held: BTreeMap<String, Content>,
}

/// What it needs of `standard.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    files: Patterns,
    sheet: Heads,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Patterns {
    done: String,
    receipt: String,
    result: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Heads {
    number: String,
}

fn failed(operation: &'static str, reason: impl ToString) -> Error {
    Error::Fetch { operation, reason: reason.to_string() }
}

impl Fetcher {
    /// Reads the standard's directory.
    pub fn new(settings: FetcherSettings) -> Result<Self, Error> {
        let files = super::directory::files(&settings.standard)?;
        let directory = Directory::read(&files).map_err(|problems| Error::Standard { problems })?;
        let text = files.get("standard.toml").map(|it| String::from_utf8_lossy(it));
        let said = toml::from_str(&text.unwrap_or_default())
            .map_err(|error| failed("read standard.toml", error.message()))?;
        let (fetched, held) = (Vec::new(), BTreeMap::new());
        Ok(Self { settings, directory, said, fetched, judged: 0, held })
    }

    /// Everything it ever fetched, in order.
    pub fn fetched(&self) -> &[Fetched] {
        &self.fetched
    }

    /// The rows of a dataset that stand, by key.
    pub fn content(&self, dataset: &str) -> Content {
        self.held.get(dataset).cloned().unwrap_or_default()
    }

    /// Other rules for a dataset from now on.
    pub fn set_rules(&mut self, dataset: &str, rules: RowRules) {
        self.settings.rules.insert(dataset.to_owned(), rules);
    }

    /// Fetches what is whole, oldest name first; how many files that were. A file that comes again
    /// under a name that it had is told as an error: nobody above could tell the two apart.
    pub fn fetch(&mut self) -> Result<usize, Error> {
        let mut names = Vec::new();
        walk(&self.settings.outbox, "", &mut names)?;
        names.sort_by_key(|name| (number(name), name.clone()));
        let mut count = 0;
        for name in names {
            let path = self.settings.outbox.join(&name);
            let done = self.beside(&self.said.files.done, &name);
            let done = (!done.is_empty()).then(|| path.with_file_name(done));
            if done.as_ref().is_some_and(|it| !it.exists()) {
                continue;
            }
            let Some((dataset, is_deletion)) = self.whose(&name) else { continue };
            if self.fetched.iter().any(|it| it.name == name) {
                return Err(failed("fetch a file", "its name was there before"));
            }
            let bytes = std::fs::read(&path).map_err(read(&path))?;
            let rows = self.rows(&name, &bytes)?;
            for path in std::iter::once(path).chain(done) {
                std::fs::remove_file(&path).map_err(read(&path))?;
            }
            self.fetched.push(Fetched { name, dataset, is_deletion, rows, bytes });
            count += 1;
        }
        Ok(count)
    }

    /// Judges every file that was fetched and not judged, and lays its verdicts or its receipt down.
    pub fn judge(&mut self) -> Result<usize, Error> {
        let open: Vec<Fetched> = self.fetched.iter().skip(self.judged).cloned().collect();
        for file in &open {
            let reasons = self.take(file);
            if !self.said.files.result.is_empty() {
                let name = self.beside(&self.said.files.result, &file.name).replace('*', "");
                let bytes = self.verdicts(file, &reasons)?;
                self.lay(&name, &bytes)?;
            }
            if !self.said.files.receipt.is_empty() {
                self.lay(&self.beside(&self.said.files.receipt, &file.name), b"")?;
            }
            self.judged += 1;
        }
        Ok(open.len())
    }

    /// Lays a file down where the city looks for it.
    pub fn lay(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.settings.results.join(name);
        std::fs::write(&path, bytes).map_err(read(&path))
    }

    /// The reason of each row that fails; those that pass stand from now on.
    fn take(&mut self, file: &Fetched) -> Vec<Option<String>> {
        let rules = self.settings.rules.get(&file.dataset).cloned().unwrap_or_default();
        let keys = self.settings.keys.get(&file.dataset).cloned().unwrap_or_default();
        let held = self.held.entry(file.dataset.clone()).or_default();
        let own = &self.said.sheet.number;
        let mut reasons = Vec::new();
        for row in &file.rows {
            let key = key(row, &keys);
            let reason = rules.reason(&key, row).filter(|_| !file.is_deletion);
            if file.is_deletion {
                held.remove(&key);
            } else if reason.is_none() {
                let cells = row.iter().filter(|(head, _)| head != own);
                held.insert(key, cells.cloned().collect());
            }
            reasons.push(reason);
        }
        reasons
    }

    /// A table of verdicts on a file, as the standard's reply names its columns.
    pub fn verdicts(&self, file: &Fetched, reasons: &[Option<String>]) -> Result<Vec<u8>, Error> {
        let mut operations = self.directory.operations.iter();
        let question = operations.find(|it| it.name == "rows.verdict");
        let replies = question.map(|it| it.replies.as_slice()).unwrap_or_default();
        let columns: Vec<(&str, &super::directory::Reply)> = replies
            .iter()
            .filter_map(|reply| Some((reply.path.strip_prefix("rows[].")?, reply)))
            .collect();
        let keys = self.settings.keys.get(&file.dataset).cloned().unwrap_or_default();
        let mut table =
            vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>()];
        for (at, (row, reason)) in file.rows.iter().zip(reasons).enumerate() {
            let cells = columns.iter().map(|(_, reply)| match reply.meaning.as_str() {
                "row.number" => (at + 1).to_string(),
                "row.key" => key(row, &keys),
                "row.batch" => stem(&file.name).to_owned(),
                "row.reason" => reason.clone().unwrap_or_default(),
                "row.verdict" => {
                    let word = if reason.is_some() { "failed" } else { "passed" };
                    let codes = reply.codes.iter().flatten();
                    let mut code = codes.filter(|(known, _)| known == word).map(|it| it.1.clone());
                    code.next().unwrap_or_else(|| word.to_owned())
                }
                _ => String::new(),
            });
            table.push(cells.collect());
        }
        self.written(&table)
    }

    fn is_book(&self) -> bool {
        self.directory.content_type.contains("xlsx")
    }

    fn written(&self, table: &[Vec<String>]) -> Result<Vec<u8>, Error> {
        if self.is_book() {
            let mut book = Workbook::new();
            let sheet = book.add_worksheet();
            for (row, at) in table.iter().zip(0_u32..) {
                for (cell, column) in row.iter().zip(0_u16..) {
                    sheet.write_string(at, column, cell).map_err(|it| failed("write", it))?;
                }
            }
            return book.save_to_buffer().map_err(|it| failed("write a workbook", it));
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in table {
            writer.write_record(row).map_err(|it| failed("write a table", it))?;
        }
        writer.into_inner().map_err(|it| failed("write a table", it))
    }

    fn rows(&self, name: &str, bytes: &[u8]) -> Result<Vec<Cells>, Error> {
        let tables = if self.is_book() { book(bytes)? } else { vec![values(bytes)?] };
        let (dataset, _) = self.whose(name).unwrap_or_default();
        let keys = self.settings.keys.get(&dataset).cloned().unwrap_or_default();
        for table in tables {
            let is_head = |row: &Vec<String>| {
                keys.iter().all(|key| row.iter().any(|it| it.trim_matches('*') == key))
            };
            let Some(at) = table.iter().position(is_head) else { continue };
            let heads = table.get(at).cloned().unwrap_or_default();
            let body = table.into_iter().skip(at + 1);
            let filled = body.filter(|row| row.iter().any(|cell| !cell.is_empty()));
            return Ok(filled
                .map(|row| {
                    let cell = |at: usize| row.get(at).filter(|it| !it.is_empty()).cloned();
                    let heads = heads.iter().map(|head| head.trim_matches('*').to_owned());
                    heads.enumerate().map(|(at, head)| (head, cell(at))).collect()
                })
                .collect());
        }
        Err(failed("read a file", "no row has the heads of the key"))
    }

    /// Whose rows a file has by its name, and whether they are gone.
    fn whose(&self, name: &str) -> Option<(String, bool)> {
        let mut found: Vec<(usize, String, bool)> = Vec::new();
        for operation in &self.directory.operations {
            let Some(parts) = captured(operation.path.trim_start_matches('/'), name) else {
                continue;
            };
            let of_dataset = operation.fields.iter().find_map(|field| match &field.place {
                Place::Url(part) if field.value == "dataset.id" => parts.get(part.as_str()),
                Place::Url(_) | Place::Body(_) | Place::Header(_) | Place::Query(_) => None,
            });
            let dataset = of_dataset?.clone();
            found.push((operation.path.len(), dataset, operation.name == "rows.delete"));
        }
        // The longer path says more.
        found.into_iter().max().map(|(_, dataset, is_deletion)| (dataset, is_deletion))
    }

    fn beside(&self, pattern: &str, name: &str) -> String {
        let last = name.rsplit('/').next().unwrap_or(name);
        pattern.replace("{name}", last).replace("{stem}", stem(name))
    }
}

/// What stands in a name where a pattern has `{PART}`; parts hold no slash.
fn captured<'p>(pattern: &'p str, name: &str) -> Option<BTreeMap<&'p str, String>> {
    let mut parts = BTreeMap::new();
    let (mut pattern, mut rest) = (pattern, name);
    while let Some((before, behind)) = pattern.split_once('{') {
        rest = rest.strip_prefix(before)?;
        let (part, after) = behind.split_once('}')?;
        let until = after.split('{').next().unwrap_or(after);
        let end = if until.is_empty() { rest.len() } else { rest.find(until)? };
        let (value, left) = rest.split_at_checked(end)?;
        if value.contains('/') {
            return None;
        }
        parts.insert(part, value.to_owned());
        (pattern, rest) = (after, left);
    }
    (pattern == rest).then_some(parts)
}

fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

/// The last number in a name: files are fetched in the order in which they were numbered.
fn number(name: &str) -> u64 {
    let mut digits = stem(name).split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    digits.next_back().and_then(|it| it.parse().ok()).unwrap_or_default()
}

fn key(row: &[(String, Option<String>)], keys: &[String]) -> String {
    let text = |head: &String| {
        let cell = row.iter().find(|(it, _)| it == head);
        cell.and_then(|(_, text)| text.clone()).unwrap_or_default()
    };
    keys.iter().map(text).collect::<Vec<_>>().join("|")
}

fn read(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read { path: path.clone(), source }
}

/// Files that are not hidden, with their folders.
fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(read(folder))? {
        let entry = entry.map_err(read(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !seen.insert(name.clone()) {
            continue;
        }
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), names)?;
        } else {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

fn values(bytes: &[u8]) -> Result<Vec<Vec<String>>, Error> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_utf8) => GB18030.decode_without_bom_handling(bytes).0.into_owned(),
    };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let rows = reader.records().map(|record| {
        let record = record.map_err(|it| failed("read a table", it))?;
        Ok(record.iter().map(str::to_owned).collect())
    });
    rows.collect()
}

fn book(bytes: &[u8]) -> Result<Vec<Vec<Vec<String>>>, Error> {
    let mut book: Xlsx<_> =
        Xlsx::new(Cursor::new(bytes)).map_err(|it| failed("read a workbook", it))?;
    let mut tables = Vec::new();
    for (_, range) in book.worksheets() {
        let text = |cell: &Data| cell.to_string();
        tables.push(range.rows().map(|row| row.iter().map(text).collect()).collect());
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::captured;

    #[test]
    fn a_name_gives_its_parts_back() {
        let parts = captured("{a}/{b}_{c}.csv", "people/20261123_7.csv").unwrap();
        assert_eq!(
            (parts["a"].as_str(), parts["b"].as_str(), parts["c"].as_str()),
            ("people", "20261123", "7")
        );
        assert!(captured("{a}_{b}.csv", "x/y_1.csv").is_none());
        assert!(captured("{a}.csv", "a.csv.ok").is_none());
    }
}
