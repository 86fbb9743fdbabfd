//! The contract that every source keeps, one suite for all of them; and what is special to each.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod behaviours;
mod contract;
mod folder;
mod maria;
#[cfg(feature = "odbc")]
mod odbc;
mod place;
mod postgres;
mod real;

use std::path::Path;
use std::sync::Arc;

use cascaded::city::{Dataset, DatasetSettings, Pool, Position, Scan, Source, SourceSettings};
use cascaded::row::{Cell, Page};
use rusqlite::Connection;

/// One row: text, `None` for null, `!reason` for malformed.
pub(crate) type Row = Vec<Option<String>>;

pub(crate) struct Threads;

impl Pool for Threads {
    fn run(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
    }
}

pub(crate) fn source(toml: &str) -> Source {
    Source::open(toml::from_str(toml).unwrap(), Arc::new(Threads))
}

pub(crate) fn dataset(source: &str, toml: &str) -> Dataset {
    let source: SourceSettings = toml::from_str(source).unwrap();
    let common = "id = 'd'\ntitle = '人'\ndepartment = 'o'\nregion = '511900'\ncycle = 'daily'";
    let text = format!("{common}\nsource = '{}'\n{toml}", source.id());
    let settings: DatasetSettings = toml::from_str(&text).unwrap();
    Dataset::compile(&settings, &[source]).unwrap()
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub(crate) fn rows(page: &Page) -> Vec<Row> {
    let cell = |cell: Cell<'_>| match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text.to_owned()),
        Cell::Malformed(reason) => Some(format!("!{reason}")),
    };
    page.rows().map(|row| row.cells().map(cell).collect()).collect()
}

/// All rows in pages, with the position after each page.
pub(crate) async fn pages(
    source: &Source,
    dataset: &Dataset,
    scan: Scan,
    max_rows: usize,
) -> Vec<(Vec<Row>, Option<Position>)> {
    let mut cursor = source.scan(dataset, scan).await.unwrap();
    let mut page = Page::new(0);
    let mut all = Vec::new();
    while cursor.next(&mut page, max_rows).await.unwrap() {
        assert!(page.len() <= max_rows && !page.is_empty());
        all.push((rows(&page), cursor.position().cloned()));
    }
    assert!(page.is_empty());
    // A cursor that has ended stays ended, and now knows that its last group is complete.
    assert!(!cursor.next(&mut page, max_rows).await.unwrap());
    all.push((Vec::new(), cursor.position().cloned()));
    all
}

pub(crate) async fn all(source: &Source, dataset: &Dataset, scan: Scan) -> Vec<Row> {
    pages(source, dataset, scan, 1000).await.into_iter().flat_map(|(rows, _)| rows).collect()
}

pub(crate) fn since(after: Option<&Position>) -> Scan {
    Scan::Since { after: after.cloned(), until: None }
}

pub(crate) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

pub(crate) fn sqlite(folder: &Path) -> (Connection, String) {
    let path = folder.join("city.sqlite");
    let toml = format!("id = 's'\nkind = 'sqlite'\npath = '{}'", path.display());
    (Connection::open(path).unwrap(), toml)
}

pub(crate) fn folder_settings(folder: &Path, more: &str) -> String {
    format!("id = 'c'\nkind = 'csv-folder'\npath = '{}'\n{more}", folder.display())
}

pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8], written: u64) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_583_000_000 + written);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}
