//! Declarations of cases: the shipped one is read as written, and every mistake is refused with its
//! line.

use super::super::settings::CaseSettings;
use super::super::{Code, Files, Problem, files, load};
use super::standards;

fn region() -> Files {
    files(&standards().join("region-tables/1.0")).unwrap()
}

fn bent(from: &str, to: &str) -> Vec<Problem> {
    let mut files = region();
    let text = String::from_utf8(files.remove("standard.toml").unwrap()).unwrap();
    assert!(text.contains(from), "{from}");
    files.insert("standard.toml".to_owned(), text.replacen(from, to, 1).into_bytes());
    load(&files).err().unwrap_or_default()
}

#[test]
fn the_shipped_declaration_is_read_as_written() {
    let standard = load(&region()).unwrap();
    let mut declared =
        standard.settings().inbox.iter().filter_map(|it| Some((&it.table, it.cases.as_ref()?)));
    let (table, cases) = declared.next().unwrap();
    assert_eq!((table.as_str(), declared.next()), ("resource_apply", None));
    let expected = CaseSettings {
        list: "requests".to_owned(),
        number: "apply_id".to_owned(),
        owner: "resourceid".to_owned(),
        owner_is: "resource".to_owned(),
        laid: "apply_date".to_owned(),
        working_days: Some(10),
        closed_by: "apply_status".to_owned(),
        closed: ["2", "3", "5", "8"].map(str::to_owned).to_vec(),
        granted: vec!["5".to_owned()],
        ..CaseSettings::default()
    };
    assert_eq!(*cases, expected);
}

#[test]
fn every_mistake_of_a_declaration_is_refused_with_file_and_row() {
    let region = region();
    let text = std::str::from_utf8(region.get("standard.toml").unwrap()).unwrap();
    let row = |key: &str| {
        let (before, after) = text.split_once("[inbox.cases]").unwrap();
        let at = after.lines().position(|line| line.starts_with(key)).unwrap();
        before.lines().count() + 1 + at
    };
    let head = row("list") - 1;
    for (from, to, key, at, reason) in [
        ("number = \"apply_id\"", "number = \"aply_id\"", "number", row("number"), "is no column"),
        (
            "working_days = 10",
            "deadline = \"end_date\"\nworking_days = 10",
            "deadline",
            row("working_days"),
            "not both",
        ),
        ("working_days = 10\n", "", "deadline", head, "not both"),
        (
            "working_days = 10",
            "working_days = 300",
            "working_days",
            row("working_days"),
            "at most 250",
        ),
        ("laid = \"apply_date\"\n", "", "laid", head, "is required"),
        (
            "owner_is = \"resource\"",
            "owner_is = \"person\"",
            "owner_is",
            row("owner_is"),
            "is none of",
        ),
        (
            "owner_is = \"resource\"",
            "owner_is = \"organisation\"",
            "granted",
            row("granted"),
            "does not name",
        ),
        ("granted = [\"5\"]", "granted = [\"9\"]", "granted", row("granted"), "in `closed`"),
        ("closed = [\"2\", \"3\", \"5\", \"8\"]\n", "", "closed", head, "goes with"),
        ("list = \"requests\"", "list = \"需求\"", "list", row("list"), "small letters"),
        ("list = \"requests\"", "lst = \"requests\"", "lst", row("list"), "no such key"),
    ] {
        let found = bent(from, to);
        let subject = format!("inbox[resource_apply].cases.{key}");
        let fits = |it: &&Problem| it.subject == subject && it.what.contains(reason);
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        let problem = found.iter().find(fits);
        let problem = problem.unwrap_or_else(|| panic!("{to}: {told:#?}"));
        assert_eq!((problem.code, problem.file.as_str()), (Code::Key, "standard.toml"));
        assert_eq!(problem.row, Some(at), "{to}: {told:#?}");
    }
}

#[test]
fn a_table_that_only_closes_needs_one_that_opens() {
    let closing = "reply = \"resource_apply_review\"\n\n[inbox.cases]\nlist = \"LIST\"\n\
                   number = \"apply_id\"\nclosed_by = \"revirew_status\"\nclosed = [\"1\"]\n\
                   closed_at = \"revirew_date\"\n";
    let with =
        |list: &str| bent("reply = \"resource_apply_review\"", &closing.replace("LIST", list));
    assert_eq!(with("requests"), []);
    let told = with("objections");
    assert_eq!(told.len(), 1);
    assert!(told[0].what.contains("no table says when"), "{}", told[0]);
}
