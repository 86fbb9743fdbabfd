//! Writes a department's workbook, row by row in constant memory.

use std::collections::BTreeMap;
use std::path::Path;

use rust_xlsxwriter::{
    DataValidation, Format, FormatBorder, Formula, Workbook, Worksheet, XlsxError,
};

use super::{FIXED, HEAD_ROWS, NOT_NEEDED, STANDARD, VALUE, cell_name};
use crate::changeover::check::{Checked, RuleCount};
use crate::changeover::wanted::{Wanted, WantedField};

/// The most rows of one sheet, below the format's limit of 1,048,576.
const MOST_ROWS: u32 = 1_000_000;

/// Why a workbook cannot be written. Holds no content.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The library or the disk.
    #[error("the workbook cannot be written")]
    Book(#[from] XlsxError),
    /// More than a sheet holds.
    #[error("more than {MOST_ROWS} objects in one sheet: ask for one workbook per department")]
    TooLong,
}

/// A workbook being written: values by object in the order in which they are wanted.
pub struct Book {
    book: Workbook,
    fields: Vec<WantedField>,
    /// By kind and whether of items: the sheet's place, its columns and its next row.
    sheets: BTreeMap<(String, bool), Sheet>,
    /// Values of the object that is being gathered.
    object: Vec<Wanted>,
    formats: Formats,
    values: u64,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Book").field("values", &self.values).finish_non_exhaustive()
    }
}

struct Sheet {
    place: usize,
    names: Vec<String>,
    next: u32,
}

pub(super) struct Formats {
    pub(super) head: Format,
    pub(super) machine: Format,
    pub(super) fixed: Format,
    pub(super) open: Format,
    grey: Format,
}

impl Formats {
    pub(super) fn new() -> Self {
        let lined = || Format::new().set_border(FormatBorder::Thin).set_num_format("@");
        Self {
            head: lined().set_bold().set_background_color("#D9E2F3").set_text_wrap(),
            machine: lined().set_font_color("#808080").set_font_size(8),
            fixed: lined(),
            open: lined().set_unlocked().set_background_color("#FFF9E5"),
            grey: lined().set_background_color("#E7E6E6").set_font_color("#808080"),
        }
    }
}

impl Book {
    /// A workbook for `department` (all of them where it is `None`): its head, what must be mended
    /// in the catalogue, and a sheet for each kind of values.
    ///
    /// # Errors
    /// The temporary files cannot be written.
    pub fn new(checked: &Checked, department: Option<&str>) -> Result<Self, WriteError> {
        let mut book = Workbook::new();
        let formats = Formats::new();
        let first = book.add_worksheet_with_constant_memory()?.set_name("说明 read me")?;
        instructions(first, checked, department, &formats)?;
        let mut sheets = BTreeMap::new();
        for field in &checked.fields {
            let key = (field.kind.clone(), field.of_item);
            if sheets.contains_key(&key) {
                continue;
            }
            let of_sheet = |it: &&WantedField| (&it.kind, it.of_item) == (&key.0, key.1);
            let fields: Vec<&WantedField> = checked.fields.iter().filter(of_sheet).collect();
            let sheet = book.add_worksheet_with_constant_memory()?.set_name(title(&key))?;
            head(sheet, &fields, &formats)?;
            let place = sheets.len() + 1;
            let names = fields.iter().map(|it| it.name.clone()).collect();
            let next = u32::try_from(HEAD_ROWS).unwrap_or(u32::MAX);
            sheets.insert(key, Sheet { place, names, next });
        }
        let fields = checked.fields.clone();
        Ok(Self { book, fields, sheets, object: Vec::new(), formats, values: 0 })
    }

    /// A wanted value; those of an object come one after the other.
    ///
    /// # Errors
    /// The temporary files cannot be written, or a sheet is full.
    pub fn add(&mut self, wanted: Wanted) -> Result<(), WriteError> {
        let is_next =
            self.object.first().is_some_and(|it| (&it.kind, &it.id) != (&wanted.kind, &wanted.id));
        if is_next {
            self.end_object()?;
        }
        self.object.push(wanted);
        Ok(())
    }

    fn end_object(&mut self) -> Result<(), WriteError> {
        let object = std::mem::take(&mut self.object);
        let mut items: Vec<Option<&String>> = Vec::new();
        for it in &object {
            if !items.contains(&it.item.as_ref()) {
                items.push(it.item.as_ref());
            }
        }
        for item in items {
            let values: Vec<&Wanted> =
                object.iter().filter(|it| it.item.as_ref() == item).collect();
            let Some(first) = values.first() else { continue };
            let key = (first.kind.clone(), item.is_some());
            let Some(sheet) = self.sheets.get_mut(&key) else { continue };
            if sheet.next >= MOST_ROWS {
                return Err(WriteError::TooLong);
            }
            let page = self.book.worksheet_from_index(sheet.place)?;
            let fixed = [
                first.kind.as_str(),
                &first.department,
                &first.id,
                &first.title,
                item.map_or("", String::as_str),
                &first.item_title,
            ];
            let mut column = 0;
            for text in fixed {
                page.write_string_with_format(sheet.next, column, text, &self.formats.fixed)?;
                column += 1;
            }
            for name in &sheet.names {
                let (text, format) = match values.iter().find(|it| it.name == *name) {
                    Some(it) => (it.value.as_deref().unwrap_or_default(), &self.formats.open),
                    None => (NOT_NEEDED, &self.formats.grey),
                };
                let field = self
                    .fields
                    .iter()
                    .find(|it| (&it.kind, it.of_item, &it.name) == (&key.0, key.1, name));
                let shown = field.map_or(text, |field| label(field, text));
                page.write_string_with_format(sheet.next, column, shown, format)?;
                column += 1;
            }
            sheet.next += 1;
            self.values += values.len() as u64;
        }
        Ok(())
    }

    /// Ends the workbook and writes it; gives how many values it asks for.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, path: &Path) -> Result<u64, WriteError> {
        self.end_object()?;
        let lists = self.codes()?;
        for ((kind, of_item), sheet) in &self.sheets {
            let first = u32::try_from(HEAD_ROWS).unwrap_or(u32::MAX);
            if sheet.next == first {
                continue;
            }
            let page = self.book.worksheet_from_index(sheet.place)?;
            for (at, name) in sheet.names.iter().enumerate() {
                let list = lists.iter().find(|it| (&it.0, it.1, &it.2) == (kind, *of_item, name));
                let Some((.., formula)) = list else { continue };
                let column = u16::try_from(FIXED.len() + at).unwrap_or(u16::MAX);
                let choice = DataValidation::new()
                    .allow_list_formula(Formula::new(formula))
                    .ignore_blank(true)
                    .set_error_message("请从下拉列表中选择 choose from the list")?;
                page.add_data_validation(first, column, sheet.next - 1, column, &choice)?;
            }
        }
        self.book.save(path)?;
        Ok(self.values)
    }

    /// The sheet of code lists, and the place of each list on it.
    fn codes(&mut self) -> Result<Vec<(String, bool, String, String)>, WriteError> {
        const NAME: &str = "代码 codes";
        let coded: Vec<&WantedField> =
            self.fields.iter().filter(|it| !it.codes.is_empty()).collect();
        if coded.is_empty() {
            return Ok(Vec::new());
        }
        let page = self.book.add_worksheet().set_name(NAME)?;
        page.protect();
        let mut lists = Vec::new();
        for (at, field) in coded.into_iter().enumerate() {
            let column = u16::try_from(at).unwrap_or(u16::MAX);
            page.write_string_with_format(0, column, &field.name, &self.formats.machine)?;
            for (row, (word, _)) in field.codes.iter().enumerate() {
                let row = u32::try_from(row + 1).unwrap_or(u32::MAX);
                let shown = label(field, word);
                page.write_string_with_format(row, column, shown, &self.formats.fixed)?;
            }
            let letters = cell_name(0, at);
            let letters = letters.trim_end_matches('1');
            let last = field.codes.len() + 1;
            let formula = format!("='{NAME}'!${letters}$2:${letters}${last}");
            lists.push((field.kind.clone(), field.of_item, field.name.clone(), formula));
        }
        Ok(lists)
    }
}

/// What a sheet of values is called.
fn title((kind, of_item): &(String, bool)) -> String {
    let kind = match (kind.as_str(), of_item) {
        ("entry", true) => return "信息项 entry.items".to_owned(),
        ("entry", false) => "目录 entry",
        ("organisation", _) => "机构 organisation",
        ("category", _) => "分类 category",
        ("system", _) => "系统 system",
        ("resource", _) => "资源 resource",
        (other, _) => other,
    };
    kind.to_owned()
}

/// What people see of a coded value: its title, where no other word has the same.
pub(super) fn label<'a>(field: &'a WantedField, word: &'a str) -> &'a str {
    let Some((_, title)) = field.codes.iter().find(|(known, _)| known == word) else {
        return word;
    };
    let is_alone = field.codes.iter().filter(|(known, other)| other == title || known == title);
    if title.is_empty() || is_alone.count() > 1 { word } else { title }
}

fn head(
    sheet: &mut Worksheet,
    fields: &[&WantedField],
    formats: &Formats,
) -> Result<(), WriteError> {
    let people = ["类别", "责任部门", "对象标识", "对象名称", "信息项标识", "信息项名称"];
    let widths = [12.0, 14.0, 26.0, 30.0, 18.0, 24.0];
    for (at, width) in widths.into_iter().enumerate() {
        sheet.set_column_width(u16::try_from(at).unwrap_or(u16::MAX), width)?;
    }
    let mut rows: [Vec<String>; HEAD_ROWS] = [Vec::new(), Vec::new(), Vec::new()];
    let [shown, machine, asked] = &mut rows;
    shown.extend(people.map(str::to_owned));
    machine.extend(FIXED.map(str::to_owned));
    asked.extend(FIXED.map(|_| String::new()));
    for (at, field) in fields.iter().enumerate() {
        let column = u16::try_from(FIXED.len() + at).unwrap_or(u16::MAX);
        sheet.set_column_width(column, 22.0)?;
        shown.push(if field.title.is_empty() { field.name.clone() } else { field.title.clone() });
        machine.push(format!("{VALUE}{}", field.name));
        asked.push(asked_for(field));
    }
    let formats = [&formats.head, &formats.machine, &formats.head];
    for (row, (texts, format)) in rows.iter().zip(formats).enumerate() {
        for (column, text) in texts.iter().enumerate() {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let column = u16::try_from(column).unwrap_or(u16::MAX);
            sheet.write_string_with_format(row, column, text, format)?;
        }
    }
    sheet.set_freeze_panes(u32::try_from(HEAD_ROWS).unwrap_or(u32::MAX), 4)?;
    sheet.protect();
    Ok(())
}

/// What a value must be like, in words.
fn asked_for(field: &WantedField) -> String {
    let mut parts = Vec::new();
    match field.required.as_str() {
        "yes" => parts.push("必填 required".to_owned()),
        "no" => parts.push("选填 optional".to_owned()),
        condition => parts.push(format!("条件必填 required if {condition}")),
    }
    if field.codes.is_empty() {
        parts.push(field.of.clone());
    } else {
        parts.push("下拉选择 from the list".to_owned());
    }
    if !field.format.is_empty() {
        parts.push(field.format.clone());
    }
    if !field.length.is_empty() {
        parts.push(format!("长度 length {}", field.length));
    }
    if !field.clause.is_empty() {
        parts.push(format!("条款 clause {}", field.clause));
    }
    parts.join("；")
}

fn instructions(
    sheet: &mut Worksheet,
    checked: &Checked,
    department: Option<&str>,
    formats: &Formats,
) -> Result<(), WriteError> {
    sheet.set_column_width(0, 24.0)?;
    sheet.set_column_width(1, 80.0)?;
    let named = department.map_or("全部 all", |id| {
        let known = checked.departments.iter().find(|it| it.department == id);
        known.map_or(id, |it| if it.title.is_empty() { id } else { &it.title })
    });
    let (wanted, supplied) = match department {
        None => checked.values(),
        Some(id) => checked
            .departments
            .iter()
            .find(|it| it.department == id)
            .map_or((0, 0), |it| (it.wanted, it.supplied)),
    };
    let lines = [
        (STANDARD, checked.standard.clone()),
        ("digest", checked.digest.clone()),
        ("部门 department", named.to_owned()),
        ("已填/应填 supplied", format!("{supplied}/{wanted}")),
        (
            "填写 how",
            "只填浅黄色单元格，其余已锁定；灰色“—”不需填写。代码从下拉列表中选择。".to_owned(),
        ),
        (
            "",
            "Fill in the light cells only; the rest is locked; a grey — is not needed.".to_owned(),
        ),
        (
            "分批 in parts",
            "可分批交回：留空的下次再填，整行可删。不清楚的留空，不要填“无”“1”之类的占位值。"
                .to_owned(),
        ),
        ("", "Return it in parts: what is left empty is asked for again. No fillers.".to_owned()),
        ("交回 return", "cascaded standard supply 文件.xlsx --by 填报人".to_owned()),
        ("", String::new()),
        ("须改目录 to mend", "下列问题不能在本表填写，须在目录系统中更正：".to_owned()),
    ];
    let mut row = 0;
    for (name, text) in lines {
        sheet.write_string_with_format(row, 0, name, &formats.head)?;
        sheet.write_string_with_format(row, 1, text, &formats.fixed)?;
        row += 1;
    }
    let is_ours = |it: &&RuleCount| {
        department.is_none_or(|id| it.department == id) && !it.value.contains("supplied.")
    };
    for it in checked.rules.iter().filter(is_ours) {
        let name = format!("{} {}", it.kind, it.title);
        let text = format!(
            "{} — {}（{}）：{} 个对象 objects，{} 处 values；取值 value {}",
            it.field, it.rule, it.clause, it.objects, it.values, it.value
        );
        sheet.write_string_with_format(row, 0, name, &formats.fixed)?;
        sheet.write_string_with_format(row, 1, text, &formats.fixed)?;
        row += 1;
    }
    sheet.protect();
    Ok(())
}
