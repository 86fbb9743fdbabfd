//! The proof at loading: a sample of every message is built, written, read back and compared.

use super::build::{self, Filled};
use super::check;
use super::message::{FieldType, Message, Place};
use super::operation::Operation;
use super::problem::{Code, Problem, Problems};
use super::rows::{self, RowLayout};
use super::sample::{Made, variants};
use super::{Standard, settings};
use crate::catalogue::Item;
use crate::row::{Column, ColumnType, Page};
use crate::wire::{self, Document, Limits, Path, RowPlan};

/// What fills a slot in a sample.
pub(super) const SLOT: &str = "slot";

/// Builds, writes and reads back every sample; reports every disagreement.
pub(super) fn prove(standard: &Standard, list: &mut Vec<Problem>) {
    for operation in standard.operations() {
        let Some(message) = &operation.message else { continue };
        let rows = match sample_rows(standard, operation) {
            Ok(rows) => rows,
            Err(what) => {
                let mut problems = Problems::new(list, settings::FILE);
                problems.add(Code::Sample, None, &operation.name, what);
                continue;
            }
        };
        let file = format!("messages/{}.csv", message.table);
        let mut problems = Problems::new(list, &file);
        for variant in variants(message) {
            let made = Made::new(message, &variant, &rows);
            let (filled, lacks) = build::fill(message, &made, &standard.settings().zone);
            for lack in lacks {
                let row = message.fields.iter().find(|it| it.title == lack.title).map(|it| it.row);
                let what = format!("no sample of `{}` can be built: {lack}", operation.name);
                problems.add(Code::Sample, row, &lack.path, what);
            }
            if let Err(what) = read_back(standard, message, &filled, &rows) {
                let what = format!("a sample of `{}` {what}", operation.name);
                problems.add(Code::Sample, None, "", what);
            }
        }
    }
}

/// Two made-up rows as the operation writes them; empty for operations without rows.
pub(super) fn sample_rows(standard: &Standard, operation: &Operation) -> Result<Vec<u8>, String> {
    let style = match (standard.settings().rows.as_ref(), operation.name.as_str()) {
        (Some(rows), "rows.upsert") => Some((rows, &rows.upsert)),
        (Some(rows), "rows.delete") => rows.delete.as_ref().map(|style| (rows, style)),
        _ => None,
    };
    let Some((settings, style)) = style else { return Ok(Vec::new()) };
    let columns: Vec<Column> = [("a", ColumnType::Text), ("b", ColumnType::Time)]
        .map(|(name, kind)| Column { name: name.to_owned(), kind })
        .to_vec();
    let items: Vec<Item> = columns
        .iter()
        .map(|column| Item {
            id: column.name.clone(),
            code: column.name.clone(),
            title: column.name.clone(),
            ..Item::default()
        })
        .collect();
    let layout = RowLayout { columns: &columns, key: &[0], items: &items };
    let spec = rows::spec(settings, style, layout, standard.media());
    let plan = RowPlan::compile(&spec, standard.namespaces()).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("rows cannot be written: {}", told.join("; "))
    })?;
    let mut page = Page::new(2);
    let mut out = Vec::new();
    for key in ["k<1", "k&2"] {
        page.clear();
        page.push(key);
        page.push("2026-01-05T09:30:00");
        let row = page.end_row().ok().and_then(|()| page.row(0));
        let appended = row.map(|row| plan.append(row, key, &mut out));
        if !matches!(appended, Some(Ok(()))) {
            return Err("a made-up row cannot be written".to_owned());
        }
    }
    Ok(out)
}

fn read_back(
    standard: &Standard,
    message: &Message,
    filled: &Filled,
    rows: &[u8],
) -> Result<(), String> {
    if message.shape.is_none() {
        return Ok(());
    }
    let payload =
        build::body(message, filled, rows).map_err(|_lacks| "cannot be written".to_owned())?;
    let bytes = payload
        .fill(|_| Some(SLOT.to_owned()))
        .map_err(|error| format!("cannot be filled: {error}"))?;
    let document = wire::read(standard.media(), &bytes, &Limits::default())
        .map_err(|error| format!("cannot be read back: {error}"))?;
    compare(message, filled, &document)?;
    let known: Vec<Path> = message
        .body
        .iter()
        .filter_map(|at| message.fields.get(*at))
        .filter_map(|field| Path::parse(standard.media(), &field.path, standard.namespaces()).ok())
        .collect();
    if let Some(path) = document.unknown_paths(&known, standard.namespaces()).first() {
        return Err(format!("holds `{path}`, which is in no row"));
    }
    match check::check(message, &document).first() {
        Some(lack) => Err(format!("breaks its own table: {lack}")),
        None => Ok(()),
    }
}

/// Every value stands where its path says, and nothing stands where none was written. Several rows
/// may share a path; the first that is there is written.
pub(super) fn compare(
    message: &Message,
    filled: &Filled,
    document: &Document,
) -> Result<(), String> {
    for (at, field) in message.fields.iter().enumerate() {
        let Some(path) = field.reader.as_ref().filter(|_| field.place == Place::Body) else {
            continue;
        };
        if matches!(field.kind, FieldType::List) {
            let found = document.all(path).count();
            if found != filled.items {
                return Err(format!("has {found} elements at `{}`", field.path));
            }
            continue;
        }
        if matches!(field.kind, FieldType::Rows) {
            continue;
        }
        for item in 0..filled.values.get(at).map_or(0, Vec::len) {
            let sharing = message.fields.iter().zip(&filled.values);
            let expected = sharing
                .filter(|(other, _)| other.path == field.path)
                .find_map(|(_, values)| values.get(item)?.text());
            let node = match field.list.and_then(|list| message.fields.get(list)) {
                None => Some(document.top()),
                Some(list) => list.reader.as_ref().and_then(|list| document.all(list).nth(item)),
            };
            let found = node.and_then(|node| node.text_at(path));
            let is_slot = filled
                .values
                .get(at)
                .and_then(|values| values.get(item))
                .is_some_and(|value| matches!(value, build::Written::Slot(_)));
            let expected = if is_slot { Some(SLOT) } else { expected };
            if found.unwrap_or_default() != expected.unwrap_or_default() {
                return Err(format!("is not read back at `{}`", field.path));
            }
        }
    }
    Ok(())
}
