//! Loading, building and reading as a whole, on shipped and on broken directories.

mod broken;
mod cases;
mod counts;
mod inverse;
mod messages;
mod readme;
mod renumber;
mod replies;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::{Files, Problem, Standard, files, load};
use crate::catalogue::Kind;
use crate::wire::{self, Document, Limits};

fn standards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards")
}

fn shipped() -> Files {
    files(&standards().join("reference-xml/1.0")).unwrap()
}

/// Every directory that is shipped, loaded, with its files.
fn every_standard() -> Vec<(Standard, Files)> {
    let folders = |at: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let found = folders(&standards()).iter().flat_map(|id| folders(id)).collect::<Vec<_>>();
    found
        .iter()
        .map(|folder| {
            let files = files(folder).unwrap();
            let standard = load(&files)
                .unwrap_or_else(|problems| panic!("{}: {}", folder.display(), told(&problems)));
            let name = format!("{}/{}", standard.settings().id, standard.settings().version);
            assert!(folder.ends_with(&name), "{} calls itself {name}", folder.display());
            (standard, files)
        })
        .collect()
}

/// The samples `samples/START….ENDING`, each with its name.
fn samples<'f>(files: &'f Files, start: &str, ending: &str) -> Vec<(&'f str, &'f [u8])> {
    let start = format!("samples/{start}.");
    let found = files.iter().filter(|(name, _)| name.starts_with(&start));
    found
        .filter(|(name, _)| name.rsplit_once('.').is_some_and(|(name, _)| name.ends_with(ending)))
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect()
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn standard() -> &'static Standard {
    static LOADED: LazyLock<Standard> =
        LazyLock::new(|| load(&shipped()).unwrap_or_else(|problems| panic!("{}", told(&problems))));
    &LOADED
}

fn read(standard: &Standard, bytes: &[u8]) -> Document {
    wire::read(standard.media(), bytes, &Limits::default()).unwrap()
}

fn sample_file(name: &str) -> Vec<u8> {
    let files = shipped();
    let found = files.get(&format!("samples/{name}"));
    found.unwrap_or_else(|| panic!("samples/{name} is not there")).clone()
}

#[test]
fn the_shipped_standard_loads_and_orders_its_kinds() {
    let standard = standard();
    assert_eq!(standard.order(), Kind::ALL);
    assert_eq!(standard.id().as_str(), "reference-xml/1.0");
    assert_eq!(standard.operations().len(), 28);
}

#[test]
fn an_edited_directory_is_another_standard() {
    let mut files = shipped();
    let before = *standard().digest();
    let table = files.get_mut("codes/update_cycle.csv").unwrap();
    *table = String::from_utf8_lossy(table).replace("realtime,8", "realtime,10").into_bytes();
    assert_ne!(*load(&files).unwrap().digest(), before);
}
