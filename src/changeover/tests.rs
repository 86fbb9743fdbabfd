//! A candidate against a real ledger: checked, completed by workbooks, checked again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calamine::{Data, Reader as _, Xlsx};
use jiff::Timestamp;
use rust_xlsxwriter::Workbook;

use super::sheet::{Book, Cell, Misread, read};
use super::wanted::{Given, NotTaken};
use super::{Change, Checked, Part, catalogue, compare};
use crate::catalogue::{
    Category, Content, Entry, Item, Kind, Object, ObjectKey, Organisation, Resource, ResourceKind,
};
use crate::clock::Clock;
use crate::delivery::{ChannelId, LinkState};
use crate::ledger::Ledger;
use crate::ledger::seal::Sealer;
use crate::standard::{Files, Standard, files, load};
use crate::supervisor::Pool;

const ENTRY: &str = "messages/entry.csv";

pub(super) fn shipped() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards/reference-xml/1.0");
    files(&folder).unwrap()
}

pub(super) fn loaded(files: &Files) -> Arc<Standard> {
    Arc::new(load(files).unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// The shipped standard, and with it: a grade for each entry, a level for each item and a day.
pub(super) fn candidate() -> Arc<Standard> {
    let mut files = shipped();
    let text = String::from_utf8(files[ENTRY].clone()).unwrap();
    let text = text.replace(
        "Catalog/SendTime,",
        "Catalog/Grade,数据分级,,,supplied.grade,code,,,yes,grade,M6.1,model\n\
         Catalog/Since,起始日期,,,supplied.since,date,%Y-%m-%d,,no,,M6.2,model\n\
         Catalog/SendTime,",
    ) + "Catalog/Items/Item[]/Level,敏感级别,\"entry.register, entry.modify\",,\
         item.supplied.level,text,,2..4,yes,,M6.3,model\n";
    files.insert(ENTRY.to_owned(), text.into_bytes());
    let codes = "word,code,title\nlow,1,低\nhigh,3,高\nsecret,,绝密\n";
    files.insert("codes/grade.csv".to_owned(), codes.as_bytes().to_vec());
    loaded(&files)
}

/// A ledger with a catalogue of `entries` entries of three departments.
struct Bench {
    ledger: Ledger,
    pool: Pool,
    part: Part,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn with(entries: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual("2026-11-20T02:00:00Z".parse().unwrap());
        let pool = Pool::new(2);
        let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
        let ledger =
            Ledger::open(&folder.path().join("ledger"), &sealer, clock, pool.clone()).unwrap();
        let channel = ChannelId::from("province");
        let channels = vec![(channel.clone(), Kind::ALL.to_vec())];
        ledger.catalogue_read(objects(entries), channels).await.unwrap();
        let datasets = vec!["d-0".to_owned(), "elsewhere".to_owned()];
        let part = Part { channel, kinds: Kind::ALL.to_vec(), datasets };
        Self { ledger, pool, part, folder }
    }

    async fn check(&self, standard: &Arc<Standard>) -> Checked {
        catalogue::check(&self.ledger, &self.pool, &self.part, standard).await.unwrap()
    }

    async fn supply(&self, standard: &Standard, given: &[Given]) -> catalogue::Recorded {
        let who = ("张三 (uid:1)", false);
        catalogue::supply(&self.ledger, standard, given, who, &[]).await.unwrap()
    }

    /// The workbook of a department, as `standard check --xlsx` writes it.
    async fn workbook(&self, standard: &Arc<Standard>, department: Option<&str>) -> (PathBuf, u64) {
        let checked = self.check(standard).await;
        let path = self.folder.path().join(format!("{}.xlsx", department.unwrap_or("all")));
        let mut book = Book::new(&checked, department).unwrap();
        let mut after = None;
        loop {
            let page = (after, 7);
            let (values, next) =
                catalogue::wanted(&self.ledger, &self.pool, &self.part, standard, department, page)
                    .await
                    .unwrap();
            values.into_iter().for_each(|value| book.add(value).unwrap());
            if next.is_none() {
                break;
            }
            after = next;
        }
        let values = book.finish(&path).unwrap();
        (path, values)
    }
}

pub(super) fn objects(entries: usize) -> Vec<Object> {
    let of = |department: usize, content| Object {
        region: "515100".to_owned(),
        department: format!("dep-{department}"),
        content,
        supplied: BTreeMap::new(),
    };
    let mut objects: Vec<Object> = (0..3)
        .map(|at| {
            let organisation = Organisation {
                id: format!("dep-{at}"),
                title: format!("第{at}局"),
                credit_code: "11510000MB1234567A".to_owned(),
                parent: None,
            };
            of(at, Content::Organisation(organisation))
        })
        .collect();
    let code = credit_code();
    for object in &mut objects {
        if let Content::Organisation(it) = &mut object.content {
            it.credit_code.clone_from(&code);
        }
    }
    let category =
        Category {
            id: "c".to_owned(), code: "1".to_owned(), title: "类".to_owned(), parent: None
        };
    objects.push(of(0, Content::Category(category)));
    objects.extend((0..entries).map(|at| of(at % 3, Content::Entry(Box::new(entry(at, &code))))));
    let resource = Resource {
        id: "r-0".to_owned(),
        title: "库表".to_owned(),
        kind: ResourceKind::Table,
        entry: "e-00000".to_owned(),
        dataset: Some("d-0".to_owned()),
        table: "t".to_owned(),
        department_credit_code: code,
    };
    objects.push(of(0, Content::Resource(resource)));
    objects
}

/// A code whose check character is right.
fn credit_code() -> String {
    let stem = "11510000MB1234567";
    let all = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
    let fits = |code: &String| {
        use crate::checks::{Finding, credit_code};
        matches!(credit_code(code), None | Some(Finding::OrganisationCheckDigit))
    };
    all.map(|last| format!("{stem}{last}")).find(fits).unwrap()
}

fn entry(at: usize, code: &str) -> Entry {
    let item = |number: usize| Item {
        id: format!("i{number}"),
        code: format!("COL{number}"),
        title: format!("列{number}"),
        data_type: "text".to_owned(),
        length: Some(20),
        is_key: number == 0,
        share_type: "unconditional".to_owned(),
        ..Item::default()
    };
    Entry {
        id: format!("e-{at:05}"),
        code: format!("515100/{at}"),
        title: format!("目录{at}"),
        summary: "摘要".to_owned(),
        category: "c".to_owned(),
        department_title: "局".to_owned(),
        department_credit_code: code.to_owned(),
        format: "database".to_owned(),
        share_type: "unconditional".to_owned(),
        share_ways: vec!["platform".to_owned()],
        open_type: "open".to_owned(),
        open_condition: String::new(),
        update_cycle: "daily".to_owned(),
        items: (0..3).map(item).collect(),
        ..Entry::default()
    }
}

/// Saves a workbook again with values in its empty cells, as a spreadsheet would: `fill` is asked
/// with the value's name and the object's id.
fn filled(path: &Path, fill: impl Fn(&str, &str, &str) -> Option<String>) {
    let mut old: Xlsx<_> = calamine::open_workbook(path).unwrap();
    let mut new = Workbook::new();
    for name in old.sheet_names() {
        let range = old.worksheet_range(&name).unwrap();
        let page = new.add_worksheet().set_name(&name).unwrap();
        let text = |row: u32, column: u32| match range.get_value((row, column)) {
            None | Some(Data::Empty) => String::new(),
            Some(data) => data.to_string(),
        };
        let (rows, columns) = range.end().unwrap_or_default();
        for row in 0..=rows {
            for column in 0..=columns {
                let head = text(1, column);
                let mut cell = text(row, column);
                if let (true, Some(value), true) =
                    (row > 2, head.strip_prefix("value:"), cell.is_empty())
                {
                    cell = fill(value, &text(row, 2), &text(row, 4)).unwrap_or_default();
                }
                let column = u16::try_from(column).unwrap();
                page.write_string(row, column, cell).unwrap();
            }
        }
    }
    new.save(path).unwrap();
}

#[tokio::test]
async fn a_workbook_goes_out_comes_back_in_parts_and_the_check_passes() {
    let bench = Bench::with(12).await;
    let shipped = loaded(&shipped());
    let before = bench.check(&shipped).await;
    assert_eq!(before.refused(), 0, "{:#?}", before.rules);
    let candidate = candidate();
    let first = bench.check(&candidate).await;
    // Every entry lacks its grade and its items' levels; the resource below one cannot follow.
    let of = |checked: &Checked, kind: &str| {
        let found = checked.kinds.iter().find(|it| it.kind == kind).unwrap().clone();
        (found.objects, found.pass, found.refused, found.blocked)
    };
    assert_eq!(of(&first, "entry"), (12, 0, 12, 0));
    assert_eq!(of(&first, "resource"), (1, 0, 0, 1));
    assert_eq!(first.values(), (12 + 36, 0));
    let mounts: Vec<bool> = first.datasets.iter().map(|it| it.mounts).collect();
    assert_eq!(mounts, [false, false]);
    let level = first.rules.iter().find(|it| it.value == "item.supplied.level").unwrap();
    assert_eq!((level.objects, level.values, level.rule.as_str()), (4, 12, "required"));
    assert_eq!((level.clause.as_str(), level.title.as_str()), ("M6.3", "敏感级别"));
    assert_eq!(level.field, "Catalog/Items/Item[]/Level");

    // One department fills in a part, with three mistakes.
    let (path, values) = bench.workbook(&candidate, Some("dep-0")).await;
    assert_eq!(values, 16);
    assert_eq!(read(&path).unwrap().cells, [], "nothing is filled in yet");
    filled(&path, |name, id, item| match (name, id, item) {
        ("grade", "e-00000", _) => Some("绝密".to_owned()),
        ("grade", "e-00003", _) => Some("高".to_owned()),
        ("grade", "e-00006", _) => Some("不明".to_owned()),
        ("level", "e-00003", "i0") => Some("五级以上机密".to_owned()),
        ("level", "e-00003", _) => Some("三级".to_owned()),
        _ => None,
    });
    let content = read(&path).unwrap();
    assert_eq!(content.standard, "reference-xml/1.0");
    let given: Vec<Given> = content.cells.iter().map(|cell| cell.given.clone()).collect();
    let recorded = bench.supply(&candidate, &given).await;
    assert_eq!((recorded.changed, recorded.unchanged), (3, 0));
    let places: Vec<(&str, NotTaken)> =
        recorded.refused.iter().map(|(at, why)| (content.cells[*at].cell.as_str(), *why)).collect();
    assert_eq!(places, [("G4", NotTaken::Code), ("G6", NotTaken::Code), ("G7", NotTaken::Length)]);
    let part = bench.check(&candidate).await;
    assert_eq!(part.values(), (48, 3));
    let own = part.departments.iter().find(|it| it.department == "dep-0").unwrap();
    assert_eq!((own.wanted, own.supplied, own.title.as_str()), (16, 3, "第0局"));

    // The rest, in one workbook for all: what is there already stands in it and stays.
    let (path, _) = bench.workbook(&candidate, None).await;
    filled(&path, |name, _, _| match name {
        "grade" => Some("低".to_owned()),
        "level" => Some("二级".to_owned()),
        _ => None,
    });
    let content = read(&path).unwrap();
    let given: Vec<Given> = content.cells.iter().map(|cell| cell.given.clone()).collect();
    let recorded = bench.supply(&candidate, &given).await;
    assert_eq!((recorded.changed, recorded.unchanged, recorded.refused.len()), (45, 3, 0));
    let last = bench.check(&candidate).await;
    assert_eq!((last.refused(), last.values()), (0, (48, 48)), "{:#?}", last.rules);
    assert!(last.datasets[0].mounts);
    let key = ObjectKey { kind: Kind::Entry, id: "e-00003".to_owned() };
    let object = bench.ledger.object(key).await.unwrap().unwrap();
    let grade = &object.supplied["grade"];
    assert_eq!((grade.value.as_str(), grade.by.as_str()), ("high", "张三 (uid:1)"));
    assert_eq!(grade.at, "2026-11-20T02:00:00Z".parse::<Timestamp>().unwrap());
    assert_eq!(object.supplied["i1/level"].value, "三级");
}

#[tokio::test]
async fn a_comparison_counts_what_it_touches() {
    let bench = Bench::with(12).await;
    let (old, new) = (loaded(&shipped()), candidate());
    let mut list = compare(old.tables(), new.tables());
    catalogue::affects(&bench.ledger, &bench.pool, &bench.part, &new, &mut list).await.unwrap();
    let of = |subject: &str| {
        let found = list.iter().find(|it| it.subject == subject);
        found.unwrap_or_else(|| panic!("{list:#?}")).affects.unwrap()
    };
    let grade = of("Catalog/Grade");
    assert_eq!((grade.objects, grade.values, grade.without, grade.broken), (12, 12, 12, 0));
    let level = of("Catalog/Items/Item[]/Level");
    assert_eq!((level.objects, level.values, level.without), (12, 36, 36));
    let since = of("Catalog/Since");
    assert_eq!((since.objects, since.without), (0, 0), "it is not required and nowhere there");

    let mut files = shipped();
    let cycles = String::from_utf8(files["codes/update_cycle.csv"].clone()).unwrap();
    let daily = cycles.lines().find(|line| line.starts_with("daily,")).unwrap();
    let cycles = cycles.replace(daily, "daily,77,每日");
    files.insert("codes/update_cycle.csv".to_owned(), cycles.into_bytes());
    let new = loaded(&files);
    let mut list = compare(old.tables(), new.tables());
    catalogue::affects(&bench.ledger, &bench.pool, &bench.part, &new, &mut list).await.unwrap();
    assert_eq!((list.len(), list[0].change), (1, Change::CodeChanged));
    assert_eq!(list[0].affects.unwrap().objects, 12);
}

#[tokio::test]
async fn what_is_supplied_goes_out_where_the_standard_in_force_asks_for_it_and_nowhere_else() {
    let bench = Bench::with(3).await;
    let candidate = candidate();
    let channel = bench.part.channel.clone();
    let key = |id: &str| ObjectKey { kind: Kind::Entry, id: id.to_owned() };
    let given = |id: &str, value: &str| Given {
        kind: "entry".to_owned(),
        id: id.to_owned(),
        item: None,
        name: "grade".to_owned(),
        value: value.to_owned(),
    };
    // Turned away by our own rules: tried again once a value comes.
    let link = bench.ledger.link(channel.clone(), key("e-00000")).await.unwrap().unwrap();
    let (wanted, code) = (link.wanted.unwrap(), "required".to_owned());
    let lacks = "Catalog/Grade: required".to_owned();
    let turned_away =
        bench.ledger.object_rejected(channel.clone(), key("e-00000"), wanted, code, lacks);
    turned_away.await.unwrap();
    bench.supply(&candidate, &[given("e-00000", "low")]).await;
    let link = bench.ledger.link(channel.clone(), key("e-00000")).await.unwrap().unwrap();
    assert_eq!((link.state, link.sent), (LinkState::Refused, None), "it is due again");

    // Nothing is above yet, so nothing becomes stale, whoever asks.
    let in_force = [(channel.clone(), Arc::clone(&candidate))];
    let who = ("李四", false);
    let values = [given("e-00001", "low"), given("nobody", "low")];
    let recorded =
        catalogue::supply(&bench.ledger, &candidate, &values, who, &in_force).await.unwrap();
    assert_eq!(recorded.refused, [(1, NotTaken::NoSuchObject)]);
    let link = bench.ledger.link(channel, key("e-00001")).await.unwrap().unwrap();
    assert_eq!(link.state, LinkState::Unmapped);

    // A trial records nothing, and a standard takes only what it asks for.
    let dry = ("李四", true);
    let values = [given("e-00002", "high")];
    let tried = catalogue::supply(&bench.ledger, &candidate, &values, dry, &[]);
    assert_eq!(tried.await.unwrap().changed, 1);
    let object = bench.ledger.object(key("e-00002")).await.unwrap().unwrap();
    assert!(object.supplied.is_empty());
    let other = bench.supply(&loaded(&shipped()), &[given("e-00002", "high")]).await;
    assert_eq!(other.refused, [(0, NotTaken::NoSuchValue)]);
}

#[tokio::test]
async fn a_day_is_taken_as_a_spreadsheet_has_it_and_in_no_other_form() {
    let bench = Bench::with(3).await;
    let candidate = candidate();
    let given = |value: &str| Given {
        kind: "entry".to_owned(),
        id: "e-00000".to_owned(),
        item: None,
        name: "since".to_owned(),
        value: value.to_owned(),
    };
    let key = ObjectKey { kind: Kind::Entry, id: "e-00000".to_owned() };
    for (text, kept) in [
        ("2026-11-20 00:00:00", Some("2026-11-20")),
        ("2026-10-01", Some("2026-10-01")),
        ("去年", None),
        ("2026-13-01", None),
    ] {
        let recorded = bench.supply(&candidate, &[given(text)]).await;
        let object = bench.ledger.object(key.clone()).await.unwrap().unwrap();
        match kept {
            Some(kept) => assert_eq!(object.supplied["since"].value, kept),
            None => assert_eq!(recorded.refused, [(0, NotTaken::Format)], "{text}"),
        }
    }
}

#[test]
fn cells_that_cannot_be_taken_are_told_by_sheet_and_cell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xlsx");
    let mut book = Workbook::new();
    let first = book.add_worksheet().set_name("a").unwrap();
    first.write_string(0, 0, "standard").unwrap();
    first.write_string(0, 1, "x/1").unwrap();
    let page = book.add_worksheet().set_name("b").unwrap();
    // The columns stand in another order than they were written in.
    for (column, name) in ["value:grade", "id", "item", "kind"].into_iter().enumerate() {
        page.write_string(1, u16::try_from(column).unwrap(), name).unwrap();
    }
    for (row, cells) in [
        ["3", "e-1", "", "entry"],
        ["—", "e-2", "", "entry"],
        ["4", "", "", "entry"],
        ["", "e-3", "", "entry"],
    ]
    .into_iter()
    .enumerate()
    {
        for (column, text) in cells.into_iter().enumerate() {
            let (row, column) = (u32::try_from(row).unwrap() + 3, u16::try_from(column).unwrap());
            page.write_string(row, column, text).unwrap();
        }
    }
    page.write_number(7, 0, 5).unwrap();
    page.write_string(7, 1, "e-4").unwrap();
    page.write_string(7, 3, "entry").unwrap();
    book.save(&path).unwrap();
    let content = read(&path).unwrap();
    let told: Vec<(&str, &str, &str)> = content
        .cells
        .iter()
        .map(|Cell { cell, given, .. }| (cell.as_str(), given.id.as_str(), given.value.as_str()))
        .collect();
    assert_eq!(told, [("A4", "e-1", "3"), ("A8", "e-4", "5")]);
    assert_eq!(content.misread, [("b".to_owned(), "A6".to_owned(), Misread::Nameless)]);
    std::fs::write(&path, "no workbook").unwrap();
    assert!(read(&path).is_err());
}

/// Peak memory of this process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap_or(0) / 1024
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the figure is printed, nothing depends on it")]
async fn ten_thousand_entries_are_checked_in_parts() {
    let bench = Bench::with(10_000).await;
    let candidate = candidate();
    let begun = std::time::Instant::now();
    let checked = bench.check(&candidate).await;
    let took = begun.elapsed().as_secs_f64();
    println!("10,000 entries in {took:.1} s, {:.0} a second; peak {} MiB", 1e4 / took, peak());
    assert_eq!(checked.values(), (40_000, 0));
    assert_eq!(checked.rules.len(), 6, "three departments, two values");
}
