//! Declarations of published counts: one is read as written, and every mistake is refused with its
//! line.

use std::time::Duration;

use super::super::settings::CountSettings;
use super::super::{Code, Files, Problem, files, load};
use super::standards;

/// A MODEL: no document says how such a table's columns are called.
const TABLE: &str = r#"
[[inbox]]
table = "resource_rows"
key = "service_id"
date = "operate_date"
type = "operate_type"
written = ["I", "U"]
deleted = ["D"]
reply = "resource_operationservice"

[inbox.counts]
of = "service_id"
of_is = "resource"
rows = "cata_id"
counted = "operate_date"
lag = "24h"
"#;

fn region(from: &str, to: &str) -> Files {
    let mut files = files(&standards().join("region-tables/1.0")).unwrap();
    let text = String::from_utf8(files.remove("standard.toml").unwrap()).unwrap();
    assert!(TABLE.contains(from), "{from}");
    let text = text + &TABLE.replacen(from, to, 1);
    files.insert("standard.toml".to_owned(), text.into_bytes());
    files
}

#[test]
fn a_declaration_is_read_as_written() {
    let standard = load(&region("", "")).unwrap();
    let counts = standard.settings().inbox.iter().find_map(|it| it.counts.clone()).unwrap();
    let expected = CountSettings {
        of: "service_id".to_owned(),
        of_is: "resource".to_owned(),
        rows: "cata_id".to_owned(),
        counted: "operate_date".to_owned(),
        lag: Some(Duration::from_hours(24)),
    };
    assert_eq!(counts, expected);
}

#[test]
fn every_mistake_of_a_declaration_is_refused_with_its_key() {
    let both = "[inbox.cases]\nlist = \"requests\"\nnumber = \"service_id\"\nowner = \"service_id\"\n\
                owner_is = \"resource\"\nlaid = \"operate_date\"\nworking_days = 10\n\n[inbox.counts]";
    for (from, to, key, reason) in [
        ("of = \"service_id\"", "of = \"servce_id\"", "of", "is no column"),
        ("rows = \"cata_id\"", "rows = \"n\"", "rows", "is no column"),
        ("counted = \"operate_date\"", "counted = \"then\"", "counted", "is no column"),
        ("of_is = \"resource\"", "of_is = \"entry\"", "of_is", "is none of"),
        ("of_is = \"resource\"\n", "", "of_is", "is required"),
        ("of = \"service_id\"\n", "", "of", "is required"),
        ("rows = \"cata_id\"\n", "", "rows", "is required"),
        ("[inbox.counts]", both, "of", "not both"),
        ("lag = \"24h\"", "lagg = \"24h\"", "lagg", "no such key"),
    ] {
        let found: Vec<Problem> = load(&region(from, to)).err().unwrap_or_default();
        let subject = format!("inbox[resource_rows].counts.{key}");
        let fits = |it: &&Problem| it.subject == subject && it.what.contains(reason);
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        let problem = found.iter().find(fits);
        let problem = problem.unwrap_or_else(|| panic!("{to}: {told:#?}"));
        assert_eq!((problem.code, problem.file.as_str()), (Code::Key, "standard.toml"));
    }
}
