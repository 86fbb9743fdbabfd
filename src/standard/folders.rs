//! What a standard of files must say, so that every batch is one file with a name of its own, the
//! same however often it is written.

use super::message::{Message, Place};
use super::operation::Operation;
use super::problem::{Code, Problem, Problems};
use super::settings::{self, CSV, Settings, XLSX};
use super::tables::Tables;
use super::value::{ContextWord, Source};
use crate::delivery::Evidence;

/// The file in a standard's directory that a batch's rows are filled into.
pub const TEMPLATE: &str = "template.xlsx";
/// What such a standard can speak of.
const OPERATIONS: [&str; 5] =
    ["rows.upsert", "rows.delete", "rows.verdict", "rows.revoked", "batch.receipt"];

/// Whether rows become tables rather than messages.
pub(super) fn is_sheet(settings: &Settings) -> bool {
    [CSV, XLSX].contains(&settings.http.media.as_str())
}

/// Reports what `standard.toml` says of files and tables that cannot be.
pub(super) fn check_settings(settings: &Settings, tables: &Tables, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    let mut wrong = |key: &str, what: &str| problems.add(Code::Key, None, key, what.to_owned());
    if is_sheet(settings) != settings.sheet.is_some() {
        wrong("sheet", "and `http.media` `text/csv` or `xlsx` belong together");
    }
    if is_sheet(settings) && settings.files.is_none() {
        wrong("files", "is required: a table is a file");
    }
    if !tables.template.is_empty() && settings.http.media != XLSX {
        wrong("http.media", "must be `xlsx`: there is a `template.xlsx`");
    }
    let Some(files) = &settings.files else { return };
    for (key, pattern) in [
        ("files.done", &files.done),
        ("files.receipt", &files.receipt),
        ("files.result", &files.result),
    ] {
        let names =
            ["{name}", "{stem}"].iter().map(|it| pattern.matches(it).count()).sum::<usize>();
        let stars = pattern.matches('*').count();
        let may_star = key == "files.result";
        if pattern.is_empty() {
            continue;
        }
        if names != 1 || stars > usize::from(may_star) {
            wrong(
                key,
                "says `{name}` or `{stem}` once, and `*` at most once and in `result` alone",
            );
        }
        if pattern.contains('/') || pattern.starts_with('.') || pattern == "{name}" {
            wrong(key, "is the name of another file, without a folder");
        }
    }
    if settings.encrypt.is_some() || settings.sign.is_some() || settings.auth.is_some() {
        wrong("files", "are neither signed nor encrypted: leave out [auth], [sign] and [encrypt]");
    }
}

/// Reports operations that a folder cannot do, and names of files that are not a batch's own.
pub(super) fn check_operations(
    settings: &Settings,
    operations: &[Operation],
    list: &mut Vec<Problem>,
) {
    let Some(files) = &settings.files else { return };
    let mut problems = Problems::new(list, settings::FILE);
    let mut wrong =
        |name: &str, what: &str| problems.add(Code::Operation, None, name, what.to_owned());
    for operation in operations {
        let name = operation.name.as_str();
        if !OPERATIONS.contains(&name) {
            wrong(name, "cannot be done by files: they carry rows alone");
            continue;
        }
        let Some(message) = operation.message.as_ref().filter(|_| !operation.is_question()) else {
            continue;
        };
        if let Err(what) = check_name(operation, message) {
            wrong(name, &what);
        }
        if is_sheet(settings) && message.fields.iter().any(|it| !is_of_sheet(&it.place, &it.path)) {
            wrong(name, "a table has `columns.NAME` and `rows`, and its name has `url:NAME`");
        }
        let has = |asked: &str| operations.iter().any(|it| it.name == asked);
        let (needs, question) = match operation.evidence {
            Evidence::RowVerdict => (&files.result, "rows.verdict"),
            Evidence::Receipt => (&files.receipt, "batch.receipt"),
            Evidence::Placed => continue,
            Evidence::Count | Evidence::ExportedLog => {
                wrong(name, "files prove `placed`, `receipt` or `row-verdict`");
                continue;
            }
        };
        if needs.is_empty() || !has(question) {
            let part = question.rsplit('.').next().unwrap_or_default();
            let key = if part == "verdict" { "result" } else { part };
            wrong(
                name,
                &format!("its evidence needs `files.{key}` and the operation `{question}`"),
            );
        }
    }
}

fn is_of_sheet(place: &Place, path: &str) -> bool {
    let is_column = path.strip_prefix("columns.").is_some_and(|name| !name.contains('.'));
    match place {
        Place::Body => is_column || path == "rows",
        Place::Outside(place, _) => *place == "url",
    }
}

/// The name of a batch's file: every part of it is filled, it tells batches apart, and nothing in it
/// or in the file is another at the next attempt.
fn check_name(operation: &Operation, message: &Message) -> Result<(), String> {
    let mut rest = operation.path.clone();
    let mut is_own = false;
    for field in &message.fields {
        if let Source::Slot(slot) = &field.source {
            return Err(format!("`{slot}` would make each attempt another file"));
        }
        let Place::Outside("url", name) = &field.place else { continue };
        let part = format!("{{{name}}}");
        is_own |= rest.contains(&part)
            && matches!(
                field.source,
                Source::Context(ContextWord::BatchId | ContextWord::BatchOrdinal)
            );
        rest = rest.replace(&part, "");
    }
    if rest.contains(['{', '}']) {
        return Err("a part of its path is filled by no `url:NAME` of its message".to_owned());
    }
    if !is_own {
        return Err("its path tells batches apart by `batch.id` or `batch.ordinal`".to_owned());
    }
    let parts = operation.path.trim_start_matches('/').split('/');
    if parts.clone().any(|it| it.is_empty() || it.starts_with('.')) || parts.count() > 4 {
        return Err("its path is the name of a file, in at most three folders".to_owned());
    }
    Ok(())
}
