//! A candidate put beside the others while the daemon runs: compared, checked, completed.

use std::path::{Path, PathBuf};

use cascaded::changeover::{Change, Checked, Difference, RowsChecked, sheet};
use cascaded::clock::Clock;
use cascaded::demo::{STANDARD, Scale, standards_folder};
use rust_xlsxwriter::Workbook;
use serde::Deserialize;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, command};

const CANDIDATE: &str = "reference-xml/9.0";

#[derive(Debug, Deserialize)]
struct Report {
    catalogue: Checked,
    rows: Vec<RowsChecked>,
    workbooks: Vec<Written>,
}

#[derive(Debug, Deserialize)]
struct Written {
    file: String,
    values: u64,
}

#[derive(Debug, Deserialize)]
struct Taken {
    changed: u64,
    unchanged: u64,
    refused: Vec<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    sheet: String,
    cell: String,
    why: String,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A standards folder of the test's own, with the shipped standard alone in it.
fn standards(folder: &Path) -> PathBuf {
    let own = folder.join("standards");
    copy(&standards_folder().unwrap().join(STANDARD), &own.join(STANDARD));
    own
}

/// The candidate: the shipped standard, and a grade that somebody must supply for each entry.
fn put_candidate(standards: &Path) {
    let directory = standards.join(CANDIDATE);
    copy(&standards.join(STANDARD), &directory);
    let edit = |file: &str, old: &str, new: &str| {
        let path = directory.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file}: {old}");
        std::fs::write(path, text.replace(old, new)).unwrap();
    };
    edit("standard.toml", "version = \"1.0\"", "version = \"9.0\"");
    let row = "Catalog/Grade,数据分级,,,supplied.grade,code,,,yes,grade,M6.1,model\n";
    edit("messages/entry.csv", "Catalog/SendTime,", &format!("{row}Catalog/SendTime,"));
    let codes = "word,code,title\nlow,1,低\nhigh,2,高\n";
    std::fs::write(directory.join("codes/grade.csv"), codes).unwrap();
}

/// A workbook with one sheet of values, as a department sends it back.
fn sent_back(path: &Path, standard: &str, values: &[(&str, &str)]) {
    let mut book = Workbook::new();
    let first = book.add_worksheet().set_name("说明").unwrap();
    first.write_string(0, 0, "standard").unwrap();
    first.write_string(0, 1, standard).unwrap();
    let page = book.add_worksheet().set_name("目录").unwrap();
    for (column, name) in ["kind", "id", "item", "value:grade"].into_iter().enumerate() {
        page.write_string(1, u16::try_from(column).unwrap(), name).unwrap();
    }
    for (row, (id, value)) in values.iter().enumerate() {
        let row = u32::try_from(row).unwrap() + 3;
        page.write_string(row, 0, "entry").unwrap();
        page.write_string(row, 1, *id).unwrap();
        page.write_string(row, 3, *value).unwrap();
    }
    book.save(path).unwrap();
}

/// What was supplied for entries: id, value, by whom.
fn supplied(city: &TestCity) -> Vec<(String, String, String)> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = city.path().join("ledger/ledger.sqlite");
    let ledger = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let mut query =
        ledger.prepare("SELECT id, value, supplied_by FROM supplied ORDER BY id").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_candidate_is_compared_checked_and_completed_while_the_daemon_runs() {
    run(async {
        let place = tempfile::tempdir().unwrap();
        let standards = standards(place.path());
        let folder = standards.clone();
        let city =
            TestCity::demo(Scale::SMALL, &Clock::system(), |plan| plan.standards = folder).await;
        let mut service = Service::start(&city, &[]);
        let status = service.settled();
        put_candidate(&standards);

        let differences: Vec<Difference> = service.json(&["standard", "diff", STANDARD, CANDIDATE]);
        let [grade] = differences.as_slice() else { panic!("{differences:#?}") };
        assert_eq!((grade.change, grade.clause.as_str()), (Change::FieldAdded, "M6.1"));
        let entries = status.summary.entries.due;
        let affects = grade.affects.unwrap();
        assert_eq!((affects.objects, affects.without), (entries, entries));
        for (speech, expected) in
            [(Speech::Chinese, "新增必填"), (Speech::English, "required field added")]
        {
            let said = service.asked(speech, &["standard", "diff", STANDARD, CANDIDATE]);
            assert_eq!(said.code, Some(0), "{said:?}");
            assert!(said.out.contains(expected) && said.out.contains("M6.1"), "{}", said.out);
        }

        // Under the standard in force, the rows that the check turns away are those that are
        // rejected here already.
        let in_force = check(&service, STANDARD, &["--rows", "all"]);
        let refused: u64 = in_force.rows.iter().map(|it| it.refused).sum();
        assert!(refused > 0 && refused <= status.summary.rows.rejected, "{in_force:#?}");
        assert_eq!(in_force.catalogue.values(), (0, 0));

        let books = place.path().join("books");
        let to_fill_in = ["--rows", "none", "--xlsx", books.to_str().unwrap()];
        let checked = check(&service, CANDIDATE, &to_fill_in);
        assert_eq!(checked.catalogue.values(), (entries, 0));
        let asked: u64 = checked.workbooks.iter().map(|it| it.values).sum();
        assert_eq!(asked, entries, "{:?}", checked.workbooks);
        let content = sheet::read(Path::new(&checked.workbooks[0].file)).unwrap();
        assert_eq!((content.standard.as_str(), content.cells.len()), (CANDIDATE, 0));
        choices_are_offered(Path::new(&checked.workbooks[0].file), checked.workbooks[0].values);
        let said = service.asked(
            Speech::English,
            &[&["standard", "check", CANDIDATE], to_fill_in.as_slice()].concat(),
        );
        assert!(said.err.contains("E-CLI-OUTPUT"), "a workbook is never overwritten: {said:?}");

        fill_in(&service, &city, place.path());
        service.stop();
        city.close().await;
    });
}

/// The cells to fill in offer the code list and take nothing else. Read by another program than the
/// one that wrote it: no reader here tells of a cell's choices.
fn choices_are_offered(book: &Path, cells: u64) {
    const READ: &str = "import sys, zipfile
book = zipfile.ZipFile(sys.argv[1])
for name in sorted(book.namelist()):
    if name.endswith('.xml'):
        print(book.read(name).decode('utf-8'))";
    let done = std::process::Command::new("/usr/bin/python3")
        .args(["-c", READ])
        .arg(book)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    let found: Vec<&str> = text.split("<dataValidation ").skip(1).collect();
    let [choice] = found.as_slice() else { panic!("{found:?}") };
    assert!(choice.contains("type=\"list\"") && choice.contains("代码 codes"), "{choice}");
    let place = choice.split("sqref=\"").nth(1).and_then(|it| it.split('"').next()).unwrap();
    let (from, to) = place.split_once(':').unwrap_or((place, place));
    let row = |cell: &str| {
        cell.trim_start_matches(|letter: char| letter.is_ascii_uppercase()).parse::<u64>().unwrap()
    };
    assert_eq!(row(to) - row(from) + 1, cells, "{place}");
    for word in ["低", "高"] {
        assert!(text.contains(word), "the list has no {word}");
    }
}

fn fill_in(service: &Service, city: &TestCity, place: &Path) {
    let links: cascaded::control::protocol::Listing<cascaded::control::protocol::Link> =
        service.json(&["links", "--kind", "entry", "--limit", "1000"]);
    let ids: Vec<String> = links.entries.iter().map(|it| it.id.clone()).collect();
    let file = place.join("back.xlsx");
    let path = file.to_str().unwrap();
    let words = ["standard", "supply", path, "--by", "张三", "--json"];
    let [first, second, ..] = ids.as_slice() else { panic!("two entries and more") };
    sent_back(&file, CANDIDATE, &[(first, "高"), (second, "很高"), ("nobody", "低")]);
    let said = service.asked(Speech::English, &words);
    assert_eq!(said.code, Some(1), "{said:?}");
    let taken: Taken = said.json();
    assert_eq!((taken.changed, taken.unchanged), (1, 0));
    let places: Vec<(&str, &str)> =
        taken.refused.iter().map(|it| (it.sheet.as_str(), it.cell.as_str())).collect();
    assert_eq!(places, [("目录", "D5"), ("目录", "D6")], "{:?}", taken.refused);
    let why = taken.refused.first().map(|it| it.why.contains("code list"));
    assert_eq!(why, Some(true), "{:?}", taken.refused);

    let rest: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "high")).collect();
    sent_back(&file, CANDIDATE, &rest);
    let said = service.asked(Speech::Chinese, &words);
    let taken: Taken = said.json();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!((taken.changed, taken.unchanged), (ids.len() as u64 - 1, 1));
    let known = supplied(city);
    assert_eq!(known.len(), ids.len());
    assert!(known.iter().all(|(_, value, by)| value == "high" && by.starts_with("张三 (uid:")));

    // Nothing is refused for its grade any more: what is left is refused now as well.
    let now = check(service, STANDARD, &["--rows", "none"]);
    let then = check(service, CANDIDATE, &["--rows", "none"]);
    assert_eq!(then.catalogue.values(), (ids.len() as u64, ids.len() as u64));
    assert_eq!(then.catalogue.kinds, now.catalogue.kinds);
}

fn check(service: &Service, standard: &str, more: &[&str]) -> Report {
    let words = [&["standard", "check", standard, "--json"], more].concat();
    service.asked(Speech::English, &words).json()
}

#[test]
fn directories_are_compared_without_a_daemon_and_a_broken_one_is_told_by_file_and_row() {
    let place = tempfile::tempdir().unwrap();
    let standards = standards(place.path());
    put_candidate(&standards);
    let [old, new] = [STANDARD, CANDIDATE].map(|name| standards.join(name));
    let words = ["standard", "diff", old.to_str().unwrap(), new.to_str().unwrap()];
    let said = command(Speech::Chinese, &words);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("数据分级") && said.err.contains("未统计"), "{said:?}");
    let same = command(Speech::English, &["standard", "diff", words[2], words[2]]);
    assert!(same.out.contains("do not differ"), "{same:?}");
    let entry = new.join("messages/entry.csv");
    let text = std::fs::read_to_string(&entry).unwrap().replace("supplied.grade", "supplyed.grade");
    std::fs::write(entry, text).unwrap();
    let broken = command(Speech::English, &words);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.err.contains("messages/entry.csv row "), "{broken:?}");
    assert!(broken.err.contains("E-STANDARD-VALUE"), "{broken:?}");
}
