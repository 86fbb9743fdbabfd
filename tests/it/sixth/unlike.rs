//! Whether the invented standard is unlike every shipped one, dimension by dimension: what a
//! standard only shares with another proves nothing about the format.

use std::collections::{BTreeMap, BTreeSet};

use cascaded::demo::standards_folder;
use cascaded::standard::{Standard, files, load};

use super::standard;

fn open(folder: &std::path::Path) -> Standard {
    load(&files(folder).unwrap()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn shipped() -> Vec<Standard> {
    let mut all = Vec::new();
    for family in std::fs::read_dir(standards_folder().unwrap()).unwrap().flatten() {
        for version in std::fs::read_dir(family.path()).into_iter().flatten().flatten() {
            if version.path().join("standard.toml").is_file() {
                all.push(open(&version.path()));
            }
        }
    }
    assert!(all.len() >= 6, "five families, one in two versions");
    all
}

type Texts = BTreeSet<String>;

fn written(standard: &Standard, keys: &[&str]) -> String {
    let said = |key: &&str| standard.settings().written.get(*key).map_or("", String::as_str);
    keys.iter().map(said).collect::<Vec<_>>().join(" ")
}

/// Sets of which nothing may be shared: a dimension's name and what a standard has of it.
fn sets(standard: &Standard) -> Vec<(&'static str, Texts)> {
    let settings = standard.settings();
    let operations = &settings.operations;
    let paths = operations.iter().filter(|it| !it.path.is_empty()).map(|it| it.path.clone());
    let outcomes = operations.iter().map(|it| &it.outcomes);
    let codes = std::iter::once(&settings.reply.classes).chain(outcomes);
    let replies = || standard.tables().replies.values().flatten();
    let of = |meaning: &str| {
        let rows = replies().filter(|row| row.meaning == meaning);
        rows.map(|row| row.path.clone()).collect::<Texts>()
    };
    let verdicts = replies().filter(|row| row.meaning == "row.verdict");
    let verdicts = verdicts.flat_map(|row| standard.tables().codes.get(&row.codes).unwrap());
    let limit = |key: &&str| settings.written.get(*key).map(|said| format!("{key} {said}"));
    let limits = ["limits.rows", "limits.bytes", "limits.reply", "limits.in_flight"];
    let signs = ["sign.algorithm", "sign.join", "sign.encode", "sign.into"];
    let sign = signs
        .iter()
        .filter(|_| settings.sign.is_some())
        .map(|key| format!("{key} {}", written(standard, &[key])));
    vec![
        ("paths", paths.collect()),
        ("reply codes", codes.flat_map(|it| it.values().flatten().cloned()).collect()),
        ("verdict codes", verdicts.map(|row| row.code.clone()).collect()),
        ("where the upper id stands", of("upper_id")),
        ("where the code stands", of("code")),
        ("limits", limits.iter().filter_map(limit).collect()),
        ("signing", sign.collect()),
        ("who sends", settings.auth.iter().map(|auth| auth.kind.clone()).collect()),
        ("columns of rows", Texts::from([written(standard, &["rows.upsert.style"])])),
    ]
}

/// What as a whole must be another: the format, the order of kinds, the grades of evidence.
fn wholes(standard: &Standard) -> Vec<(&'static str, String)> {
    let grades = standard.operations().iter().map(|it| format!("{} {:?}", it.name, it.evidence));
    let grades = grades.filter(|it| it.starts_with("rows.") || it.contains("register"));
    let methods: Texts = standard.operations().iter().map(|it| it.method.clone()).collect();
    let classes: Texts =
        standard.settings().reply.classes.keys().map(|it| it.as_str().to_owned()).collect();
    vec![
        ("format", written(standard, &["http.media", "rows.upsert.style", "rows.upsert.null"])),
        ("methods", format!("{methods:?}")),
        ("order of operations", format!("{:?}", standard.order())),
        ("evidence", format!("{:?}", grades.collect::<Vec<_>>())),
        ("outcome classes", format!("{classes:?}")),
    ]
}

/// Canonical word to code, by the value that is coded.
fn codes(standard: &Standard) -> BTreeMap<String, BTreeMap<String, String>> {
    let tables = standard.tables();
    let fields = tables.messages.values().flatten().map(|row| (&row.value, &row.codes));
    let replies = tables.replies.values().flatten().map(|row| (&row.meaning, &row.codes));
    fields
        .chain(replies)
        .filter_map(|(value, list)| {
            let rows = tables.codes.get(list)?.iter();
            let pairs = rows.map(|row| (row.word.clone(), row.code.clone()));
            Some((value.clone(), pairs.collect()))
        })
        .collect()
}

#[test]
fn it_is_unlike_every_shipped_standard_in_every_dimension() {
    let sixth = open(&standard());
    let mut alike = Vec::new();
    for other in shipped() {
        for ((what, ours), (_, theirs)) in sets(&sixth).into_iter().zip(sets(&other)) {
            assert!(!ours.is_empty(), "the invented standard says nothing of {what}");
            let shared: Vec<&String> = ours.intersection(&theirs).collect();
            if !shared.is_empty() {
                alike.push(format!("{}: {what}: {shared:?}", other.id()));
            }
        }
        for ((what, ours), (_, theirs)) in wholes(&sixth).into_iter().zip(wholes(&other)) {
            if ours == theirs {
                alike.push(format!("{}: {what}: {ours}", other.id()));
            }
        }
        let theirs = codes(&other);
        for (value, ours) in codes(&sixth) {
            let shared = theirs.get(&value).is_some_and(|theirs| {
                ours.iter().any(|(word, code)| !code.is_empty() && theirs.get(word) == Some(code))
            });
            if shared {
                alike.push(format!("{}: codes of {value}", other.id()));
            }
        }
    }
    assert_eq!(alike, Vec::<String>::new());
}
