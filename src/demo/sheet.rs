//! The catalogue as people keep it: a sheet with two head rows, merged cells and one row per
//! information item, as in the national template (facts §3.1); and the same things as the tables
//! of an older catalogue system, which is where the two counties keep theirs.

use std::path::Path;

use rusqlite::{Connection, params};
use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::catalogue::{Catalogue, Entry, Item};
use super::department::CITY;

/// The sheet's name.
pub(super) const SHEET: &str = "目录";

/// The head: what stands above (the same text in neighbours is one merged cell; nothing below it
/// reaches over both rows), and what stands below.
const HEAD: [(&str, &str); 24] = [
    ("信息资源分类", "类"),
    ("信息资源分类", "项"),
    ("信息资源分类", "目"),
    ("信息资源名称", ""),
    ("信息资源代码", ""),
    ("信息资源提供方", ""),
    ("信息资源提供方代码", ""),
    ("信息资源摘要", ""),
    ("信息资源格式", ""),
    ("信息项信息", "信息项名称"),
    ("信息项信息", "字段名"),
    ("信息项信息", "数据类型"),
    ("信息项信息", "数据长度"),
    ("信息项信息", "主键"),
    ("信息项信息", "共享类型"),
    ("信息项信息", "不予共享理由"),
    ("共享属性", "共享类型"),
    ("共享属性", "共享条件"),
    ("共享属性", "共享方式"),
    ("开放属性", "开放类型"),
    ("开放属性", "开放条件"),
    ("更新周期", ""),
    ("发布日期", ""),
    ("关联资源代码", ""),
];

/// The columns of the item in [`HEAD`].
const OF_ITEM: std::ops::Range<u16> = 9..16;

/// Writes the entries of the city's own departments as a sheet.
pub(super) fn write_sheet(path: &Path, catalogue: &Catalogue) -> Result<(), XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name(SHEET)?;
    let head = Format::new().set_bold().set_align(FormatAlign::Center);
    write_head(sheet, &head)?;
    let mut row = 2;
    for entry in catalogue.entries.iter().filter(|entry| entry.department.region == CITY) {
        row = write_entry(sheet, row, entry)?;
    }
    workbook.save(path)
}

fn write_head(sheet: &mut Worksheet, format: &Format) -> Result<(), XlsxError> {
    let mut columns = HEAD.iter().zip(0_u16..).peekable();
    while let Some(((above, below), first)) = columns.next() {
        if below.is_empty() {
            sheet.merge_range(0, first, 1, first, above, format)?;
            continue;
        }
        sheet.write_with_format(1, first, *below, format)?;
        let mut last = first;
        while let Some(((_, below), column)) = columns.next_if(|((next, _), _)| next == above) {
            sheet.write_with_format(1, column, *below, format)?;
            last = column;
        }
        sheet.merge_range(0, first, 0, last, above, format)?;
    }
    Ok(())
}

/// Writes an entry from `row` on and gives the row after it.
fn write_entry(sheet: &mut Worksheet, row: u32, entry: &Entry) -> Result<u32, XlsxError> {
    let share = entry.share_type.map_or("", |share| share.words().1);
    let [class, group, leaf] = &entry.category;
    let format = if entry.dataset.is_some() { "数据库" } else { "电子表格" };
    let cells: [(u16, &str); 17] = [
        (0, &class.1),
        (1, &group.1),
        (2, &leaf.1),
        (3, &entry.title),
        (4, &entry.code),
        (5, &entry.department.title),
        (6, &entry.credit_code),
        (7, &entry.summary),
        (8, format),
        (16, share),
        (17, &entry.share_condition),
        (18, "共享平台"),
        (19, "不予开放"),
        (20, ""),
        (21, entry.cycle),
        (22, &entry.published),
        (23, ""),
    ];
    let rows = u32::try_from(entry.items.len()).unwrap_or(u32::MAX).max(1);
    let last = row + rows - 1;
    let plain = Format::new();
    for (column, text) in cells {
        if rows > 1 {
            sheet.merge_range(row, column, last, column, text, &plain)?;
        } else {
            sheet.write(row, column, text)?;
        }
    }
    for (item, row) in entry.items.iter().zip(row..) {
        write_item(sheet, row, item, share, entry.not_share_reason())?;
    }
    Ok(last + 1)
}

fn write_item(
    sheet: &mut Worksheet,
    row: u32,
    item: &Item,
    share: &str,
    not_share_reason: &str,
) -> Result<(), XlsxError> {
    let data_type = match item.data_type {
        "integer" => "整数型",
        "decimal" => "数值型",
        "date" => "日期型",
        "time" => "日期时间型",
        _ => "字符型",
    };
    let key = if item.is_key { "是" } else { "否" };
    let texts = [&item.title, item.column.as_str(), data_type];
    for (column, text) in OF_ITEM.zip(texts) {
        sheet.write(row, column, text)?;
    }
    sheet.write(row, OF_ITEM.start + 3, item.length)?;
    sheet.write(row, OF_ITEM.start + 4, key)?;
    sheet.write(row, OF_ITEM.start + 5, share)?;
    sheet.write(row, OF_ITEM.start + 6, not_share_reason)?;
    Ok(())
}

const TABLES: &str = "
CREATE TABLE cat_organisation (id TEXT, title TEXT, credit_code TEXT, region TEXT, parent TEXT);
CREATE TABLE cat_category (id TEXT, code TEXT, title TEXT, parent TEXT);
CREATE TABLE cat_system (id TEXT, title TEXT, department TEXT, department_title TEXT,
    credit_code TEXT, region TEXT);
CREATE TABLE cat_entry (id TEXT, code TEXT, title TEXT, summary TEXT, category TEXT, system TEXT,
    department TEXT, department_title TEXT, credit_code TEXT, region TEXT, format TEXT,
    share_type TEXT, share_condition TEXT, share_ways TEXT, open_type TEXT, open_condition TEXT,
    update_cycle TEXT, published TEXT);
CREATE TABLE cat_item (entry TEXT, position INTEGER, id TEXT, code TEXT, title TEXT,
    data_type TEXT, length INTEGER, is_key INTEGER, share_type TEXT, not_share_reason TEXT);
CREATE TABLE cat_resource (id TEXT, title TEXT, kind TEXT, entry TEXT, dataset TEXT,
    table_name TEXT, department TEXT, credit_code TEXT, region TEXT);
";

/// Writes organisations, classification, systems and resources of everybody, and the entries of
/// the two counties, as tables.
pub(super) fn write_tables(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    for department in &catalogue.departments {
        connection.execute(
            "INSERT INTO cat_organisation VALUES (?, ?, ?, ?, NULL)",
            params![
                department.id,
                department.title,
                department.credit_code,
                department.region.code
            ],
        )?;
        connection.execute(
            "INSERT INTO cat_system VALUES (?, ?, ?, ?, ?, ?)",
            params![
                format!("sys-{}", department.id),
                format!("{}业务系统", department.title),
                department.id,
                department.title,
                department.credit_code,
                department.region.code,
            ],
        )?;
    }
    for category in &catalogue.categories {
        connection.execute(
            "INSERT INTO cat_category VALUES (?, ?, ?, ?)",
            params![category.code, category.code, category.title, category.parent],
        )?;
    }
    for entry in &catalogue.entries {
        if entry.department.region != CITY {
            insert_entry(connection, entry)?;
        }
        if let Some((dataset, table)) = &entry.dataset {
            connection.execute(
                "INSERT INTO cat_resource VALUES (?, ?, 'table', ?, ?, ?, ?, ?, ?)",
                params![
                    format!("res-{dataset}"),
                    entry.title,
                    entry.code,
                    dataset,
                    table,
                    entry.department.id,
                    entry.department.credit_code,
                    entry.department.region.code,
                ],
            )?;
        }
    }
    Ok(())
}

fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let share = entry.share_type.map(|share| share.words().0);
    let format = if entry.dataset.is_some() { "database" } else { "spreadsheet" };
    let [.., (category, _)] = &entry.category;
    connection.execute(
        "INSERT INTO cat_entry VALUES \
         (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'platform', 'closed', NULL, ?, ?)",
        params![
            entry.code,
            entry.code,
            entry.title,
            entry.summary,
            category,
            format!("sys-{}", entry.department.id),
            entry.department.id,
            entry.department.title,
            entry.credit_code,
            entry.department.region.code,
            format,
            share,
            entry.share_condition,
            entry.cycle,
            entry.published,
        ],
    )?;
    for (item, position) in entry.items.iter().zip(1_u32..) {
        connection.execute(
            "INSERT INTO cat_item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                entry.code,
                position,
                format!("{}#{position}", entry.code),
                item.column,
                item.title,
                item.data_type,
                item.length,
                item.is_key,
                share,
                entry.not_share_reason(),
            ],
        )?;
    }
    Ok(())
}
