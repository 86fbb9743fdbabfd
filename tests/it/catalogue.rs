//! The catalogue from sheets and tables as people keep them.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use cascaded::catalogue::{Content, Entry, Kind, ResourceKind};
use cascaded::city::{Catalogue, CatalogueSettings, Source, SourceSettings, read_catalogue};
use rust_xlsxwriter::{Format, Workbook};

use crate::city::{Threads, run};

/// An entry's cells over both its rows, then the items' cells.
const HEAD: [(&str, &str); 12] = [
    ("信息资源名称", ""),
    ("信息资源代码", ""),
    ("信息资源提供方", ""),
    ("信息资源提供方代码", ""),
    ("信息资源格式", ""),
    ("信息项信息", "信息项名称"),
    ("信息项信息", "数据类型"),
    ("信息项信息", "数据长度"),
    ("共享属性", "共享类型"),
    ("共享属性", "共享方式"),
    ("更新周期", ""),
    ("发布日期", ""),
];

type Line = [&'static str; 12];

const LINES: [Line; 5] = [
    [
        "不动产登记",
        "307001A/000001",
        "市自然资源局",
        "115119000000000001",
        "数据库",
        "权利人",
        "字符型",
        "100",
        "有条件共享",
        "共享平台、邮件",
        "每日",
        "2020-03-01",
    ],
    ["", "", "", "", "", "面积", "数值型", "14", "", "", "", ""],
    [
        "公示公告",
        "307001A/000002",
        "市自然资源局",
        "115119000000000001",
        "数据箱",
        "标题",
        "字符型",
        "二十",
        "无条件共享",
        "",
        "每 2 日",
        "2020年3月1日",
    ],
    [
        "办事指南",
        "307999A/000003",
        "市住建局",
        "115119000000000002",
        "电子文件",
        "名称",
        "字符型",
        "20",
        "不予共享",
        "",
        "每季度",
        "下周",
    ],
    ["", "", "", "", "", "", "", "", "", "", "", ""],
];

/// Entry cells merged over their items, heads merged, lengths as numbers.
fn workbook(path: &Path) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("目录").unwrap();
    let plain = Format::new();
    for (column, (above, below)) in (0_u16..).zip(HEAD) {
        if below.is_empty() {
            sheet.merge_range(0, column, 1, column, above, &plain).unwrap();
        } else {
            sheet.write(1, column, below).unwrap();
        }
    }
    sheet.merge_range(0, 5, 0, 7, "信息项信息", &plain).unwrap();
    sheet.merge_range(0, 8, 0, 9, "共享属性", &plain).unwrap();
    for (row, line) in (2..).zip(LINES) {
        for (column, text) in (0_u16..).zip(line) {
            match text.parse::<f64>() {
                Ok(number) if column == 7 => sheet.write(row, column, number).unwrap(),
                _ => sheet.write(row, column, text).unwrap(),
            };
        }
    }
    for column in (0..5).chain(8..12) {
        let text = LINES[0][usize::from(column)];
        sheet.merge_range(2, column, 3, column, text, &plain).unwrap();
    }
    book.save(path).unwrap();
}

/// The same without merged cells.
fn csv(path: &Path) {
    let mut text = String::from("\u{feff}");
    let row = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
        cells.join(",") + "\r\n"
    };
    let mut above = HEAD.map(|(above, _)| above);
    // As a spreadsheet writes merged cells: once, then blanks.
    for column in [6, 7, 9] {
        above[column] = "";
    }
    text.push_str(&row(&above));
    text.push_str(&row(&HEAD.map(|(_, below)| below)));
    for line in LINES {
        text.push_str(&row(&line));
    }
    std::fs::write(path, text).unwrap();
}

const COLUMNS: &str = r#"
[part.columns]
"entry.title" = "信息资源名称"
"entry.code" = "信息资源代码"
"entry.department.title" = "信息资源提供方"
"entry.department.credit_code" = "信息资源提供方代码"
"entry.format" = "信息资源格式"
"entry.share_type" = "共享属性/共享类型"
"entry.share_ways" = "共享方式"
"entry.update_cycle" = "更新周期"
"entry.published" = "发布日期"
"item.title" = "信息项名称"
"item.data_type" = "数据类型"
"item.length" = "数据长度"
"#;

const TABLES: &str = r#"
[[part]]
kind = "sql"
source = "city"
table = "category"
columns = { "category.code" = "code", "category.title" = "title", "category.parent" = "parent" }
[[part]]
kind = "sql"
source = "city"
table = "organisation"
region = "511902"
[part.columns]
"organisation.id" = "id"
"organisation.title" = "title"
"organisation.credit_code" = "credit_code"
[[part]]
kind = "sql"
source = "city"
table = "resource"
[part.columns]
"resource.id" = "id"
"resource.title" = "title"
"resource.kind" = "kind"
"resource.entry" = "entry"
"resource.dataset" = "dataset"
"#;

fn load(folder: &Path, sheet: &str) -> Catalogue {
    let city = rusqlite::Connection::open(folder.join("city.sqlite")).unwrap();
    city.execute_batch(
        "CREATE TABLE category (code, title, parent);
         INSERT INTO category VALUES ('3', '部门', NULL), ('307', '自然资源', '3'),
            ('307001', '登记', '307');
         CREATE TABLE organisation (id, title, credit_code);
         INSERT INTO organisation VALUES ('o1', '市自然资源局', '115119000000000001');
         CREATE TABLE resource (id, title, kind, entry, dataset);
         INSERT INTO resource VALUES ('r1', '登记表', '库表', '307001A/000001', 'd1'),
            ('r2', '登记表', '库表', '307001A/000009', 'd2');",
    )
    .unwrap();
    let source: SourceSettings = toml::from_str(&format!(
        "id = 'city'\nkind = 'sqlite'\npath = '{}'",
        folder.join("city.sqlite").display()
    ))
    .unwrap();
    let text = format!(
        "region = '511900'\n[[part]]\nkind = 'sheet'\nfile = '{sheet}'\nhead_rows = 2\n{COLUMNS}{TABLES}"
    );
    let mut settings: CatalogueSettings = toml::from_str(&text).unwrap();
    settings.resolve(folder);
    assert_eq!(settings.check(std::slice::from_ref(&source)), []);
    let opened = Source::open(source.clone(), Arc::new(Threads));
    run(read_catalogue(&settings, &[(source, opened)], &Threads)).unwrap()
}

fn entries(catalogue: &Catalogue) -> Vec<&Entry> {
    let mut entries = Vec::new();
    for object in &catalogue.objects {
        match &object.content {
            Content::Entry(entry) => entries.push(&**entry),
            Content::Organisation(_)
            | Content::Category(_)
            | Content::System(_)
            | Content::Resource(_) => {}
        }
    }
    entries
}

#[test]
fn a_workbook_and_a_csv_file_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    workbook(&folder.path().join("目录.xlsx"));
    csv(&folder.path().join("目录.csv"));
    let of_book = load(folder.path(), "目录.xlsx");
    std::fs::remove_file(folder.path().join("city.sqlite")).unwrap();
    let of_csv = load(folder.path(), "目录.csv");
    assert_eq!(of_book.objects, of_csv.objects);
    let kinds: Vec<Kind> = of_book.objects.iter().map(|object| object.key().kind).collect();
    assert!(kinds.is_sorted(), "parents first");
    let entries = entries(&of_book);
    assert_eq!(entries.len(), 3);
    let first = entries[0];
    assert_eq!(first.items.len(), 2, "the second row goes on with the entry above");
    assert_eq!((&*first.items[1].title, &*first.items[1].data_type), ("面积", "decimal"));
    assert_eq!(first.items[1].length, Some(14));
    assert_eq!(first.category, "307001", "from the entry's code");
    assert_eq!(first.share_ways, ["platform", "mail"]);
    assert_eq!(first.published.unwrap().to_string(), "2020-02-29T16:00:00Z");
    assert_eq!((&*entries[1].update_cycle, &*entries[1].cycle_text), ("other", "每 2 日"));
    assert_eq!((&*entries[2].update_cycle, &*entries[2].category), ("quarterly", "307"));
    let owner = |id: &str| {
        let found = of_book.objects.iter().find(|object| object.key().id == id).unwrap();
        (found.department.as_str(), found.region.as_str())
    };
    assert_eq!(owner("307001A/000001"), ("o1", "511900"));
    assert_eq!(owner("o1"), ("o1", "511902"));
    // Only the sheet speaks of this one.
    assert_eq!(owner("307999A/000003"), ("115119000000000002", "511900"));
    let resource = of_book.objects.last().unwrap();
    let Content::Resource(resource) = &resource.content else { panic!("resources come last") };
    assert_eq!((resource.kind, resource.dataset.as_deref()), (ResourceKind::Table, Some("d1")));
}

#[test]
fn every_wrong_cell_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    workbook(&folder.path().join("目录.xlsx"));
    let catalogue = load(folder.path(), "目录.xlsx");
    let mut places: Vec<&str> =
        catalogue.problems.iter().map(|problem| problem.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        ["city!resource!entry:2", "目录.xlsx!目录!E5", "目录.xlsx!目录!H5", "目录.xlsx!目录!L6"],
        "{:?}",
        catalogue.problems
    );
    let message = &catalogue.problems.iter().find(|it| it.place.ends_with("E5")).unwrap().message;
    assert!(message.contains("电子表格"), "{message}");
}

#[test]
fn a_wrong_column_file_or_sheet_is_told_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    workbook(&folder.path().join("目录.xlsx"));
    let read = |text: &str| {
        let mut settings: CatalogueSettings = toml::from_str(text).unwrap();
        settings.resolve(folder.path());
        let problems = settings.check(&[]);
        if problems.is_empty() {
            run(read_catalogue(&settings, &[], &Threads)).unwrap().problems
        } else {
            problems
        }
    };
    let part = "region = '5'\n[[part]]\nkind = 'sheet'\nhead_rows = 2\n";
    let columns = "columns = { 'entry.title' = '信息资源名' }";
    let wrong = read(&format!("{part}file = '目录.xlsx'\n{columns}"));
    assert_eq!(wrong[0].place, "catalogue.part.1.columns.\"entry.title\"");
    assert!(wrong[0].message.contains("信息资源名称、信息资源代码"), "{wrong:?}");
    let absent = read(&format!("{part}file = '没有.xlsx'\n{columns}"));
    assert!(absent[0].place.ends_with("没有.xlsx"), "{absent:?}");
    let sheet = read(&format!("{part}file = '目录.xlsx'\nsheet = '目'\n{columns}"));
    assert!(sheet[0].message.contains("there are: 目录"), "{sheet:?}");
    let word = read(&format!("{part}file = '目录.xlsx'\ncolumns = {{ 'entry.titel' = 'x' }}"));
    assert!(word[0].message.contains("entry.titel"), "{word:?}");
}
