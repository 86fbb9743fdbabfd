//! The city is what its list says.

use std::collections::BTreeSet;

use jiff::civil::{DateTime, datetime};

use super::flaw::Flaw;
use super::*;

const NOW: fn() -> DateTime = || datetime(2026, 11, 22, 9, 0, 0, 0);

fn small() -> (tempfile::TempDir, Generated) {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(folder.path(), Scale::SMALL, 7, NOW()).unwrap();
    (folder, generated)
}

#[test]
fn a_seed_makes_the_same_city_and_another_seed_another() {
    let (one, first) = small();
    let (two, second) = small();
    assert_eq!(first.defects, second.defects);
    for file in ["city.sqlite", "files/5151-0901/student_515100-1.csv"] {
        let read = |folder: &tempfile::TempDir| fs::read(folder.path().join(file)).unwrap();
        assert_eq!(read(&one), read(&two), "{file}");
    }
    let folder = tempfile::tempdir().unwrap();
    let other = generate(folder.path(), Scale::SMALL, 8, NOW()).unwrap();
    assert_ne!(first.defects, other.defects);
}

#[test]
fn a_small_city_has_every_defect_and_lists_each_row_once() {
    let (_folder, generated) = small();
    let rules: BTreeSet<&str> = generated.defects.iter().map(|defect| defect.rule).collect();
    let all: BTreeSet<&str> = Flaw::ALL.iter().map(|flaw| flaw.rule()).collect();
    assert_eq!(rules, all);
    let mut keys: Vec<(&str, &str)> =
        generated.defects.iter().map(|it| (it.dataset.as_str(), it.key.as_str())).collect();
    let listed = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), listed);
    assert!(generated.defects.iter().all(|defect| !defect.key.is_empty()));
}

#[test]
fn a_city_is_not_made_over_another() {
    let (folder, _) = small();
    let again = generate(folder.path(), Scale::SMALL, 7, NOW());
    assert!(matches!(again, Err(Error::Exists { .. })));
}

#[test]
fn the_full_city_has_two_hundred_thousand_rows() {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(folder.path(), Scale::FULL, 1, NOW()).unwrap();
    assert_eq!(generated.rows, 200_000);
    assert!(generated.defects.len() > 500);
}
