//! The city is what its list says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{DateTime, datetime};

use super::flaw::Flaw;
use super::*;
use crate::catalogue::{Content, Kind, Object};
use crate::checks::{Pass, RuleSettings, Rules, credit_code};
use crate::city::{
    CatalogueSettings, Dataset, DatasetSettings, Pool, Scan, Source, SourceSettings, read_catalogue,
};
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
    let datasets: Vec<DatasetSettings> = toml.remove("dataset").unwrap().try_into().unwrap();
    let compile = |mut settings: DatasetSettings| {
        let rules = std::mem::take(&mut settings.rules);
        (Dataset::compile(&settings, &sources).unwrap(), rules)
    };
    let datasets = datasets.into_iter().map(compile).collect();
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

#[test]
fn the_catalogue_is_read_whole_and_its_defects_are_those_listed() {
    let folder = tempfile::tempdir().unwrap();
    let scale = Scale { rows: 1_000, ..Scale::FULL };
    let generated = generate(folder.path(), scale, 5, NOW()).unwrap();
    let (sources, _) = configured(&generated);
    let toml: toml::Table = generated.configuration.parse().unwrap();
    let mut settings: CatalogueSettings = toml["catalogue"].clone().try_into().unwrap();
    settings.resolve(folder.path());
    assert_eq!(settings.check(&sources), []);
    let opened: Vec<(SourceSettings, Source)> = sources
        .into_iter()
        .map(|source| (source.clone(), Source::open(source, Arc::new(Threads))))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = runtime.block_on(read_catalogue(&settings, &opened, &Threads)).unwrap();
    assert_eq!(read.problems, []);
    let count = |kind| read.objects.iter().filter(|it| it.key().kind == kind).count();
    let counts = Kind::ALL.map(count);
    // Departments; 3 classes and per department a group with two leaves; systems; entries; tables.
    assert_eq!(counts, [20, 3 + 20 * 3, 20, 300, 40]);
    let keys: BTreeSet<_> = read.objects.iter().map(Object::key).collect();
    for object in &read.objects {
        let lost: Vec<_> =
            object.parents().into_iter().filter(|parent| !keys.contains(parent)).collect();
        assert_eq!(lost, [], "{}", object.key());
    }
    assert_eq!(generated.entry_defects.len(), 5);
    let mut lacking: Vec<EntryDefect> = read
        .objects
        .iter()
        .flat_map(|object| {
            let entry = object.key().id;
            lacks(object).into_iter().map(move |word| EntryDefect { entry: entry.clone(), word })
        })
        .collect();
    lacking.sort();
    let mut listed = generated.entry_defects.clone();
    listed.sort();
    assert_eq!(lacking, listed);
}

/// The words of an entry that are wrong, as a standard would say.
fn lacks(object: &Object) -> Vec<&'static str> {
    let Content::Entry(entry) = &object.content else { return Vec::new() };
    let conditional = entry.share_type == "conditional";
    let wrong = [
        ("summary", entry.summary.is_empty()),
        ("share_type", entry.share_type.is_empty()),
        ("share_condition", conditional && entry.share_condition.is_empty()),
        ("department.credit_code", credit_code(&entry.department_credit_code).is_some()),
        ("update_cycle", entry.update_cycle.is_empty()),
    ];
    wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(word, _)| word).collect()
}
