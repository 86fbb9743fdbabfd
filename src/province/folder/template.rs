//! The province's own import template, filled in: everything of the workbook stays as it is, byte
//! for byte, but the rows below the heads of one worksheet.
//!
//! Portals look into the workbook they gave out: hidden sheets, drop-downs, versions. So it is not
//! made anew; its parts are copied, and in the worksheet's rows ours take the place of those below
//! the heads, each cell as text in the format that the template's first row below them has.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::grid::{Grid, Wrong, check_size};
use crate::standard::settings::SheetSettings;

/// Rows in which heads are looked for.
const HEAD_ROWS: usize = 20;
/// Bytes of a worksheet of a template, which has few rows.
const SHEET_BYTES: u64 = 16 << 20;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The template with the batch's rows below its heads.
pub(super) fn fill(grid: &Grid, sheet: &SheetSettings, template: &[u8]) -> Result<Vec<u8>, Wrong> {
    check_size(template)?;
    let mut archive = ZipArchive::new(Cursor::new(template)).map_err(|_zip| Wrong::Unreadable)?;
    let part = worksheet(&mut archive, &sheet.name).ok_or(Wrong::Unreadable)?;
    let strings = shared(&mut archive);
    let text = text_of(&mut archive, &part).ok_or(Wrong::Unreadable)?;
    let filled = worksheet_filled(&text, &strings, grid)?;
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at).map_err(|_zip| Wrong::Unreadable)?;
        let done = if file.name().is_ok_and(|name| name == part) {
            drop(file);
            out.start_file(part.as_str(), options)
                .and_then(|()| Ok(out.write_all(filled.as_bytes())?))
        } else {
            out.raw_copy_file(file)
        };
        done.map_err(|_zip| Wrong::Unreadable)?;
    }
    out.finish().map(Cursor::into_inner).map_err(|_zip| Wrong::Unreadable)
}

fn text_of(archive: &mut Archive<'_>, name: &str) -> Option<String> {
    let mut text = String::new();
    archive.by_name(name).ok()?.take(SHEET_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The part with the worksheet of this name; the first where there is no name.
fn worksheet(archive: &mut Archive<'_>, name: &str) -> Option<String> {
    let book = text_of(archive, "xl/workbook.xml")?;
    let links = text_of(archive, "xl/_rels/workbook.xml.rels")?;
    let sheet = elements(&book, "sheet")
        .find(|it| name.is_empty() || attribute(it, "name").is_some_and(|it| it == name))?;
    let id = attribute(sheet, "r:id")?;
    let link = elements(&links, "Relationship")
        .find(|it| attribute(it, "Id").is_some_and(|it| it == id))?;
    let target = attribute(link, "Target")?;
    Some(match target.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None => format!("xl/{target}"),
    })
}

/// The texts that cells name by their number.
fn shared(archive: &mut Archive<'_>) -> Vec<String> {
    let text = text_of(archive, "xl/sharedStrings.xml").unwrap_or_default();
    elements(&text, "si").map(plain).collect()
}

/// The texts in an element, laid end to end.
fn plain(element: &str) -> String {
    elements(element, "t").map(|it| unescaped(inside(it))).collect()
}

/// Every element of this name, tags included, in order; none holds one of its own name.
fn elements<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(&format!("<{name}"))?;
            let from = rest.get(start..)?;
            let behind = from.get(name.len() + 1..)?;
            if !behind.starts_with([' ', '>', '/', '\t', '\r', '\n']) {
                rest = behind;
                continue;
            }
            let head = from.find('>')? + 1;
            let end = if from.get(..head)?.ends_with("/>") {
                head
            } else {
                let close = format!("</{name}>");
                from.find(&close)? + close.len()
            };
            rest = from.get(end..)?;
            return from.get(..end);
        }
    })
}

/// What stands between an element's tags.
fn inside(element: &str) -> &str {
    let from = element.find('>').map_or(element.len(), |at| at + 1);
    let until = element.rfind("</").unwrap_or(from);
    element.get(from..until.max(from)).unwrap_or_default()
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let head = element.get(..element.find('>')?)?;
    let (_, rest) = head.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split_once('"')?.0))
}

fn unescaped(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace("&apos;", "'").replace("&#10;", "\n").replace("&amp;", "&")
}

/// A cell of the template: its column's letters, what it says, its format.
fn cells<'a>(
    row: &'a str,
    strings: &'a [String],
) -> impl Iterator<Item = (String, String, Option<String>)> + 'a {
    elements(row, "c").filter_map(move |cell| {
        let place = attribute(cell, "r")?;
        let column = place.trim_end_matches(|it: char| it.is_ascii_digit()).to_owned();
        let value = || elements(cell, "v").next().map(|it| unescaped(inside(it)));
        let text = match attribute(cell, "t").as_deref() {
            Some("s") => strings.get(value()?.parse::<usize>().ok()?)?.clone(),
            Some("inlineStr") => plain(cell),
            _ => value().unwrap_or_default(),
        };
        Some((column, text.trim().to_owned(), attribute(cell, "s")))
    })
}

fn worksheet_filled(text: &str, strings: &[String], grid: &Grid) -> Result<String, Wrong> {
    let data = elements(text, "sheetData").next().ok_or(Wrong::Unreadable)?;
    let rows: Vec<&str> = elements(data, "row").collect();
    // Heads carry marks of what is required.
    let head =
        |text: &str| text.trim_matches(|it: char| it == '*' || it.is_whitespace()).to_owned();
    let heads_of = |row: &str| -> Vec<(String, String)> {
        cells(row, strings).map(|(column, text, _)| (head(&text), column)).collect()
    };
    let known = |row: &str| {
        let heads = heads_of(row);
        grid.heads.iter().filter(|it| heads.iter().any(|(head, _)| head == *it)).count()
    };
    let at = (0..rows.len().min(HEAD_ROWS))
        .max_by_key(|at| (rows.get(*at).map_or(0, |row| known(row)), std::cmp::Reverse(*at)))
        .ok_or(Wrong::Unreadable)?;
    let row = rows.get(at).copied().unwrap_or_default();
    let heads = heads_of(row);
    let mut columns = Vec::with_capacity(grid.heads.len());
    for wanted in &grid.heads {
        let found = heads.iter().find(|(head, _)| head == wanted);
        let (_, column) = found.ok_or_else(|| Wrong::Column(wanted.clone()))?;
        columns.push(column.clone());
    }
    let number: u32 =
        attribute(row, "r").and_then(|it| it.parse().ok()).ok_or(Wrong::Unreadable)?;
    let formats: Vec<(String, Option<String>)> = rows
        .get(at + 1)
        .map(|row| cells(row, strings).map(|(column, _, format)| (column, format)).collect())
        .unwrap_or_default();
    let mut filled = b"<sheetData>".to_vec();
    rows.iter().take(at + 1).for_each(|row| filled.extend_from_slice(row.as_bytes()));
    // Cells of a row stand in the order of their columns.
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| columns.get(*at).map(|it| (it.len(), it.clone())));
    for (cells, row) in grid.rows.iter().zip(number + 1..) {
        filled.extend_from_slice(format!("<row r=\"{row}\">").as_bytes());
        for at in &order {
            let (Some(column), Some(cell)) = (columns.get(*at), cells.get(*at)) else { continue };
            let format = formats.iter().find(|(it, _)| it == column);
            let format = format.and_then(|(_, format)| format.as_ref());
            let format = format.map_or_else(String::new, |it| format!(" s=\"{it}\""));
            let open = format!(
                "<c r=\"{column}{row}\"{format} t=\"inlineStr\"><is><t xml:space=\"preserve\">"
            );
            filled.extend_from_slice(open.as_bytes());
            if cell.chars().any(|it| it.is_control() && !"\t\n\r".contains(it)) {
                return Err(Wrong::Cell);
            }
            filled.extend_from_slice(quick_xml::escape::partial_escape(cell.as_str()).as_bytes());
            filled.extend_from_slice(b"</t></is></c>");
        }
        filled.extend_from_slice(b"</row>");
    }
    filled.extend_from_slice(b"</sheetData>");
    let filled = String::from_utf8(filled).map_err(|_utf8| Wrong::Unreadable)?;
    Ok(without_dimension(text).replacen(data, &filled, 1))
}

/// What a worksheet says of its own size is not true any more; readers need not have it.
fn without_dimension(text: &str) -> String {
    let dimension = elements(text, "dimension").next();
    dimension.map_or_else(|| text.to_owned(), |it| text.replacen(it, "", 1))
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::{DataValidation, Format, Workbook};

    use super::super::grid::sheets;
    use super::*;
    use crate::standard::settings::XLSX;

    /// A portal's template: instructions first, heads with marks, an example, a hidden list.
    fn template() -> Vec<u8> {
        let mut book = Workbook::new();
        book.add_worksheet().set_name("填写说明").unwrap().write(0, 0, "先读").unwrap();
        let page = book.add_worksheet().set_name("人口 & 库").unwrap();
        page.write(0, 0, "人口信息导入模板").unwrap();
        for (head, column) in ["证号", "*姓名 ", "备注"].into_iter().zip(0_u16..) {
            page.write(1, column, head).unwrap();
        }
        let text = Format::new().set_num_format("@");
        page.write_string_with_format(2, 0, "示例", &text).unwrap();
        page.write(3, 0, "示例").unwrap();
        let list = DataValidation::new().allow_list_strings(&["一", "二"]).unwrap();
        page.add_data_validation(2, 2, 99, 2, &list).unwrap();
        book.add_worksheet().set_name("字典").unwrap().set_hidden(true).write(0, 0, "一").unwrap();
        book.save_to_buffer().unwrap()
    }

    fn grid(heads: &[&str], rows: &[&[&str]]) -> Grid {
        let texts = |row: &[&str]| row.iter().map(|it| (*it).to_owned()).collect();
        Grid { heads: texts(heads), rows: rows.iter().map(|row| texts(row)).collect() }
    }

    fn settings() -> SheetSettings {
        SheetSettings { name: "人口 & 库".to_owned(), ..SheetSettings::default() }
    }

    #[test]
    fn a_template_is_filled_below_its_heads_and_stays_as_it_is_elsewhere() {
        let grid = grid(&["姓名", "证号"], &[&["甲<&>", "007"], &["乙", " 1"]]);
        let filled = fill(&grid, &settings(), &template()).unwrap();
        let read = sheets(XLSX, &filled).unwrap();
        let before = sheets(XLSX, &template()).unwrap();
        assert_eq!((&read[0], &read[2]), (&before[0], &before[2]));
        let wanted = [
            vec!["人口信息导入模板"],
            vec!["证号", "*姓名", "备注"],
            vec!["007", "甲<&>"],
            vec!["1", "乙"],
        ];
        assert_eq!(read[1], wanted, "the examples are gone");
        let mut archive = ZipArchive::new(Cursor::new(filled.as_slice())).unwrap();
        let page = text_of(&mut archive, "xl/worksheets/sheet2.xml").unwrap();
        assert!(page.contains("<dataValidation "), "drop-downs stay");
        assert!(page.contains("<t xml:space=\"preserve\"> 1</t>"), "texts stay as they are");
        let format = |row: u32| {
            let (_, rest) = page.split_once(&format!("<c r=\"A{row}\" s=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        assert_eq!(format(3), format(4), "the example's format");
    }

    #[test]
    fn a_column_that_the_template_lacks_is_named() {
        let wrong = fill(&grid(&["姓名", "年龄"], &[]), &settings(), &template());
        assert_eq!(wrong, Err(Wrong::Column("年龄".to_owned())));
        let other = SheetSettings { name: "没有".to_owned(), ..SheetSettings::default() };
        assert_eq!(fill(&grid(&["姓名"], &[]), &other, &template()), Err(Wrong::Unreadable));
        assert_eq!(
            fill(&grid(&["姓名"], &[]), &settings(), b"no workbook"),
            Err(Wrong::Unreadable)
        );
    }
}
