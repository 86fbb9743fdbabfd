//! The city is what its list says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{DateTime, datetime};

use super::flaw::Flaw;
use super::*;
use crate::checks::{Pass, RuleSettings, Rules};
use crate::city::{Dataset, DatasetSettings, Pool, Scan, Source, SourceSettings};
use crate::row::{Keyer, Page, key_text};

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

/// Threads of a test's own.
struct Threads;

impl Pool for Threads {
    fn run(&self, _name: &'static str, work: Box<dyn FnOnce() + Send>) {
        std::thread::spawn(work);
    }
}

/// The configuration's datasets with their rules, and its sources.
fn configured(generated: &Generated) -> (Vec<SourceSettings>, Vec<(Dataset, Vec<RuleSettings>)>) {
    let mut toml: toml::Table = generated.configuration.parse().unwrap();
    let mut sources: Vec<SourceSettings> = toml.remove("source").unwrap().try_into().unwrap();
    sources.iter_mut().for_each(|source| source.resolve(&generated.directory));
    let datasets: Vec<toml::Table> = toml.remove("dataset").unwrap().try_into().unwrap();
    let datasets = datasets.into_iter().map(|mut table| {
        let rules = table.remove("rule").unwrap().try_into().unwrap();
        let settings: DatasetSettings = table.try_into().unwrap();
        (Dataset::compile(&settings, &sources).unwrap(), rules)
    });
    let datasets = datasets.collect();
    (sources, datasets)
}

/// Every finding of one dataset, read as the daemon reads it and checked by the configured rules.
async fn found(
    source: &Source,
    dataset: &Dataset,
    rules: &[RuleSettings],
    now: jiff::Timestamp,
) -> (u64, Vec<Defect>) {
    let rules = Rules::compile(rules, &dataset.columns, &BTreeMap::new()).unwrap();
    let keyer = Keyer::new(b"secret");
    let mut taken = BTreeSet::new();
    let mut is_taken = |rule: u16, digest| !taken.insert((rule, digest));
    let mut pass = Pass::new(&rules, now, &dataset.zone).judged_by(&keyer, &mut is_taken);
    let mut cursor = source.scan(dataset, Scan::Full).await.unwrap();
    let (mut rows, mut defects) = (0, Vec::new());
    let mut page = Page::new(dataset.columns.len());
    while cursor.next(&mut page, 1_000).await.unwrap() {
        for row in page.rows() {
            rows += 1;
            let mut violations = Vec::new();
            rules.check(row, &mut pass, &mut violations);
            let mut key = String::new();
            key_text(row, &dataset.key, &mut key);
            defects.extend(violations.iter().map(|violation| Defect {
                dataset: dataset.id.clone(),
                key: key.clone(),
                rule: rules.rule(*violation).unwrap().code.as_str(),
            }));
        }
    }
    (rows, defects)
}

#[test]
fn the_rules_find_exactly_the_defects_that_were_planted() {
    let folder = tempfile::tempdir().unwrap();
    let scale = Scale { datasets: 40, rows: 20_000, entries: 60 };
    let generated = generate(folder.path(), scale, 3, NOW()).unwrap();
    let now = "2026-11-22T01:00:00Z".parse().unwrap();
    let (sources, datasets) = configured(&generated);
    assert_eq!(datasets.len(), 40);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut rows, mut defects) = (0, Vec::new());
    for (dataset, rules) in &datasets {
        let settings = sources.iter().find(|source| source.id() == dataset.source).unwrap();
        let source = Source::open(settings.clone(), Arc::new(Threads));
        let problems = runtime.block_on(source.probe(dataset)).unwrap();
        assert_eq!(problems, [], "{}", dataset.id);
        let (read, found) = runtime.block_on(found(&source, dataset, rules, now));
        rows += read;
        defects.extend(found);
    }
    defects.sort();
    assert_eq!(rows, generated.rows);
    let listed: BTreeSet<_> = generated.defects.iter().collect();
    let found: BTreeSet<_> = defects.iter().collect();
    let missed: Vec<_> = listed.difference(&found).collect();
    let more: Vec<_> = found.difference(&listed).collect();
    assert!(missed.is_empty() && more.is_empty(), "missed {missed:#?}, more {more:#?}");
    assert_eq!(defects.len(), generated.defects.len());
}
