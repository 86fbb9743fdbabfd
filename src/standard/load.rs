//! Loading: from a directory's tables to what the daemon works with, every problem at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attempt::check_template;
use super::files::{self, Files};
use super::message::{self, Codes, Field, Message, Required, wanted_words};
use super::operation::{self, Operation, kind_of};
use super::problem::{Code, Problem, Problems};
use super::settings::{self, OperationSettings, Settings};
use super::tables::{CodeRow, Tables, tables};
use super::value::{ContextWord, Source};
use super::{Standard, cases, counts, folders, prove, reply};
use crate::catalogue::Kind;
use crate::delivery::{Evidence, StandardId};
use crate::wire::{Compression, Media, Namespaces, Path};

/// Loads a standard from its files: reads the tables, compiles them, builds a sample of every
/// message and reads it back. Nothing is loaded while there is a single problem.
pub fn load(files: &Files) -> Result<Standard, Vec<Problem>> {
    compile(files).map_err(|mut list| {
        settings::place(files, &mut list);
        list.sort_by(|one, other| (&one.file, one.row).cmp(&(&other.file, other.row)));
        list.dedup();
        list
    })
}

fn compile(files: &Files) -> Result<Standard, Vec<Problem>> {
    let (tables, mut list) = tables(files);
    // Without its settings nothing else of a directory can be judged.
    let is_unread =
        |it: &Problem| it.file == settings::FILE && matches!(it.code, Code::Format | Code::File);
    if list.iter().any(is_unread) {
        return Err(list);
    }
    let parts = Parts::new(&tables, &mut list);
    check_settings(&tables.settings, &mut list);
    folders::check_settings(&tables.settings, &tables, &mut list);
    check_signed_fields(&tables, &parts, &mut list);
    check_codes(&tables.codes, &mut list);
    check_use(&tables, &mut list);
    for (name, rows) in &tables.replies {
        let file = format!("replies/{name}.csv");
        reply::check_rows(rows, &parts.reply_context(), &mut Problems::new(&mut list, &file));
    }
    check_inbox(&tables, &mut list);
    cases::check(&tables, &mut list);
    counts::check(&tables, &mut list);
    let order = operation::order(&tables.settings.operations, &mut list);
    let operations: Vec<Operation> = tables
        .settings
        .operations
        .iter()
        .map(|written| compile_operation(written, &tables, &parts, &mut list))
        .collect();
    folders::check_operations(&tables.settings, &operations, &mut list);
    let settings = &tables.settings;
    let standard = Standard {
        id: StandardId::from(format!("{}/{}", settings.id, settings.version)),
        digest: files::digest(files),
        media: parts.media,
        namespaces: parts.namespaces,
        order,
        operations,
        tables,
    };
    // Samples of a table that is wrong anyway would only repeat what was said.
    if list.is_empty() {
        prove::prove(&standard, &mut list);
    }
    if list.is_empty() { Ok(standard) } else { Err(list) }
}

/// The medium of front-end tables.
const TABLES: &str = "tables";

/// What every table is compiled with.
struct Parts {
    media: Media,
    namespaces: Namespaces,
    codes: BTreeMap<String, Arc<Codes>>,
}

impl Parts {
    fn new(tables: &Tables, list: &mut Vec<Problem>) -> Self {
        let settings = &tables.settings;
        let namespaces = Namespaces::new(&settings.namespaces).unwrap_or_else(|error| {
            let mut problems = Problems::new(list, settings::FILE);
            problems.add(Code::Key, None, "namespaces", error.to_string());
            Namespaces::default()
        });
        let codes = tables
            .codes
            .iter()
            .map(|(name, rows)| (name.clone(), Arc::new(Codes::new(name, rows))))
            .collect();
        // Columns of tables are named like members.
        let media = Media::of_content_type(&settings.http.media).unwrap_or(Media::Json);
        Self { media, namespaces, codes }
    }

    fn reply_context(&self) -> reply::Context<'_> {
        reply::Context { media: self.media, namespaces: &self.namespaces, codes: &self.codes }
    }
}

fn check_settings(settings: &Settings, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    for (key, text) in [("id", &settings.id), ("version", &settings.version)] {
        let is_name = text.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
        if !is_name || text.starts_with('.') {
            let what = "may hold letters, digits, `-`, `_` and `.`".to_owned();
            problems.add(Code::Key, None, key, what);
        }
    }
    for kind in settings.renumbers.iter().filter(|kind| Kind::parse(kind).is_none()) {
        let what = "is no kind of object".to_owned();
        let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
        problems.add_unknown(Code::Key, (None, "renumbers"), what, kind, kinds);
    }
    if jiff::tz::TimeZone::get(&settings.zone).is_err() {
        let what = format!("`{}` is no time zone", settings.zone);
        problems.add(Code::Key, None, "zone", what);
    }
    for (name, template) in &settings.http.headers {
        check_template(template, &format!("http.headers.{name}"), &mut problems);
    }
    if let Some(auth) = &settings.auth {
        for (name, template) in auth.headers.iter().chain(&auth.form).chain(&auth.request) {
            check_template(template, &format!("auth.{name}"), &mut problems);
        }
    }
    if let Some(sign) = &settings.sign {
        sign.over.iter().for_each(|it| check_template(it, "sign.over", &mut problems));
        let is_place = ["header:", "query:"].iter().any(|place| sign.into.starts_with(place));
        if !is_place && !sign.into.is_empty() && sign.into != "body" {
            let what = format!("`{}` is not `header:NAME`, `query:NAME` or `body`", sign.into);
            problems.add(Code::Key, None, "sign.into", what);
        }
        let is_fetched = sign.key == "token" && settings.auth.is_some();
        if !sign.key.starts_with("credential.") && !sign.key.is_empty() && !is_fetched {
            let what = format!("`{}` is not `credential.NAME`, or `token` with [auth]", sign.key);
            problems.add(Code::Key, None, "sign.key", what);
        }
    }
    let is_inside = settings.sign.as_ref().is_some_and(|sign| sign.into == "body");
    if is_inside && settings.encrypt.as_ref().is_some_and(|it| it.over == "fields") {
        let what = "a signature in the body and encrypted fields exclude one another".to_owned();
        problems.add(Code::Key, None, "encrypt.over", what);
    }
    operation::check_names(&settings.operations, &mut problems);
    reply::check_classes(&settings.reply.classes, "reply", &mut problems);
    reply::check_dictionary(&settings.reply, &mut problems);
    for operation in &settings.operations {
        reply::check_classes(&operation.outcomes, &operation.name, &mut problems);
    }
    let by_tables = settings.http.media == TABLES;
    if by_tables != settings.tables.is_some() {
        let what = format!("and `http.media = \"{TABLES}\"` belong together");
        problems.add(Code::Key, None, "tables", what);
    }
    let has_rows = settings.operations.iter().any(|it| it.name.starts_with("rows."));
    if has_rows && settings.rows.is_none() {
        let what = "is required: there are operations on rows".to_owned();
        problems.add(Code::Key, None, "rows", what);
    }
    if settings.operations.iter().any(|it| it.name == "rows.delete")
        && settings.rows.as_ref().is_some_and(|rows| rows.delete.is_none())
    {
        let what = "is required: there is an operation `rows.delete`".to_owned();
        problems.add(Code::Key, None, "rows.delete", what);
    }
}

/// Reports paths of `{field PATH}` that cannot be read, or that lead to what is encrypted.
fn check_signed_fields(tables: &Tables, parts: &Parts, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    let over = tables.settings.sign.iter().flat_map(|sign| &sign.over);
    for rest in over.flat_map(|template| template.split("{field ").skip(1)) {
        let path = rest.split('}').next().unwrap_or(rest).trim();
        if Path::parse(parts.media, path, &parts.namespaces).is_err() {
            problems.add(Code::Path, None, "sign.over", format!("`{path}` is no path"));
        }
        let mut rows = tables.messages.values().flatten();
        if rows.any(|row| row.path == path && row.encrypt == "yes") {
            let what = format!("`{path}` is encrypted: sign a field that is not");
            problems.add(Code::Key, None, "sign.over", what);
        }
    }
}

fn check_codes(codes: &BTreeMap<String, Vec<CodeRow>>, list: &mut Vec<Problem>) {
    for (name, rows) in codes {
        let file = format!("codes/{name}.csv");
        let mut problems = Problems::new(list, &file);
        let mut seen: Vec<&str> = Vec::new();
        for row in rows {
            if row.word.is_empty() {
                let what = "says no canonical word".to_owned();
                problems.add(Code::Codes, Some(row.row), &row.code, what);
            } else if seen.contains(&row.word.as_str()) {
                let what = "the word stands here twice".to_owned();
                problems.add(Code::Codes, Some(row.row), &row.word, what);
            }
            seen.push(&row.word);
        }
    }
}

/// Reports tables that nothing uses, and rows that belong to no operation.
fn check_use(tables: &Tables, list: &mut Vec<Problem>) {
    let operations = &tables.settings.operations;
    for (name, rows) in &tables.messages {
        let file = format!("messages/{name}.csv");
        let mut problems = Problems::new(list, &file);
        let users: Vec<&str> =
            operations.iter().filter(|it| it.message == *name).map(|it| it.name.as_str()).collect();
        if users.is_empty() {
            problems.add(Code::File, None, "", "no operation uses this table".to_owned());
        }
        for row in rows {
            for on in row.on.iter().filter(|on| !users.contains(&on.as_str())) {
                let what = format!("`{on}` is no operation that uses this table");
                let place = (Some(row.row), row.path.as_str());
                problems.add_unknown(Code::Operation, place, what, on, users.iter().copied());
            }
        }
    }
    for name in tables.replies.keys() {
        let is_used = *name == tables.settings.reply.common
            || operations.iter().any(|operation| operation.reply == *name)
            || tables.settings.inbox.iter().any(|inbox| inbox.reply == *name);
        if !is_used {
            let file = format!("replies/{name}.csv");
            let what = "no operation uses this table".to_owned();
            Problems::new(list, &file).add(Code::File, None, "", what);
        }
    }
}

fn compile_operation(
    written: &OperationSettings,
    tables: &Tables,
    parts: &Parts,
    list: &mut Vec<Problem>,
) -> Operation {
    let settings = &tables.settings;
    let kind = kind_of(&written.name);
    let message = compile_message(written, kind, tables, parts, list);
    let is_inside = settings.sign.as_ref().is_some_and(|sign| sign.into == "body");
    let signature = Source::Slot("attempt.signature".to_owned());
    let carries = |message: &Message| message.fields.iter().any(|it| it.source == signature);
    if is_inside && !message.as_ref().is_some_and(carries) {
        let what = "is not signed: no field of its message has the value `attempt.signature`";
        let mut problems = Problems::new(list, settings::FILE);
        problems.add(Code::Operation, None, &written.name, what.to_owned());
    }
    let needs = operation::needs_of(written, &mut Problems::new(list, settings::FILE));
    if let Some(message) = &message {
        check_message(written, message, &needs, tables, list);
    }
    let own = [&settings.reply.common, &written.reply];
    let mut rows = Vec::new();
    for name in own.into_iter().filter(|name| !name.is_empty()) {
        match tables.replies.get(name) {
            Some(table) => rows.extend(table),
            None => {
                let known = tables.replies.keys().map(String::as_str);
                let mut problems = Problems::new(list, settings::FILE);
                problems.add_missing((None, &written.name), ("replies", name), known);
            }
        }
    }
    let classes = [written.outcomes.clone(), settings.reply.classes.clone()];
    let file =
        format!("replies/{}.csv", own.iter().rev().find(|it| !it.is_empty()).map_or("", |it| it));
    let reply = reply::compile(
        rows,
        (classes, operation::is_query(&written.name)),
        &settings.reply.dictionary,
        &parts.reply_context(),
        &mut Problems::new(list, &file),
    );
    Operation {
        name: written.name.clone(),
        title: written.title.clone(),
        kind,
        method: if written.method.is_empty() {
            settings.http.method.clone()
        } else {
            written.method.clone()
        },
        path: written.path.clone(),
        body: written.body.clone(),
        needs,
        evidence: written.evidence.or(settings.evidence).unwrap_or(Evidence::Placed),
        compress: Compression::parse(&written.compress).unwrap_or_default(),
        every: written.every,
        mandatory: written.mandatory,
        page: written.page.clone(),
        message,
        reply,
    }
}

fn compile_message(
    written: &OperationSettings,
    kind: Option<Kind>,
    tables: &Tables,
    parts: &Parts,
    list: &mut Vec<Problem>,
) -> Option<Message> {
    if written.message.is_empty() {
        if written.body == "message" {
            let what = "names no message; a request without one says `body = \"none\"`".to_owned();
            let mut problems = Problems::new(list, settings::FILE);
            problems.add(Code::Operation, None, &written.name, what);
        }
        return None;
    }
    let Some(rows) = tables.messages.get(&written.message) else {
        let known = tables.messages.keys().map(String::as_str);
        let mut problems = Problems::new(list, settings::FILE);
        let place = (None, written.name.as_str());
        problems.add_missing(place, ("messages", &written.message), known);
        return None;
    };
    let file = format!("messages/{}.csv", written.message);
    let context = message::Context {
        media: parts.media,
        namespaces: &parts.namespaces,
        codes: &parts.codes,
        is_form: written.body == "form",
    };
    let names = (written.message.as_str(), written.name.as_str());
    Some(message::compile(names, kind, rows, &context, &mut Problems::new(list, &file)))
}

/// Rules that need more than one row: code lists, needed kinds, the place of rows.
fn check_message(
    written: &OperationSettings,
    message: &Message,
    needs: &[Kind],
    tables: &Tables,
    list: &mut Vec<Problem>,
) {
    let file = format!("messages/{}.csv", message.table);
    let hides = tables.settings.encrypt.as_ref().is_some_and(|it| it.over == "fields");
    let signs = tables.settings.sign.as_ref().is_some_and(|it| it.into == "body");
    for field in &message.fields {
        let is_lost = field.hidden && !hides;
        if is_lost || (field.source == Source::Slot("attempt.signature".to_owned()) && !signs) {
            let what = match is_lost {
                true => "there is no [encrypt] with `over = \"fields\"`",
                false => "there is no [sign] with `into = \"body\"`",
            };
            let mut problems = Problems::new(list, &file);
            problems.add(Code::Value, Some(field.row), &field.path, what.to_owned());
        }
        if let Some(codes) = &field.codes
            && let Some(rows) = tables.codes.get(&codes.name)
        {
            let has = |word: &str| rows.iter().any(|row| row.word == word);
            let missing: Vec<&str> =
                wanted_words(field).iter().copied().filter(|word| !has(word)).collect();
            if !missing.is_empty() {
                let file = format!("codes/{}.csv", codes.name);
                let what = format!(
                    "lacks {} for `{}` (a word without a code keeps its row and an empty code)",
                    missing.join(", "),
                    field.value
                );
                // Below the last row it has.
                let last = rows.last().map_or(1, |row| row.row);
                Problems::new(list, &file).add(Code::Codes, Some(last), &field.path, what);
            }
        }
        if let (Source::Upper(kind), Required::Yes) = (&field.source, &field.required)
            && !needs.contains(kind)
            && written.name.ends_with(".register")
        {
            let what =
                format!("`{}` requires it, and does not say that it needs `{kind}`", written.name);
            let mut problems = Problems::new(list, &file);
            problems.add(Code::Operation, Some(field.row), &field.path, what);
        }
    }
    let has_rows = message.fields.iter().any(|field| field.source == Source::Rows);
    let wants_rows = matches!(written.name.as_str(), "rows.upsert" | "rows.delete");
    if has_rows != wants_rows {
        let what = if wants_rows {
            format!("`{}` has no field whose value is `rows`", written.name)
        } else {
            format!("`{}` carries no rows", written.name)
        };
        Problems::new(list, &file).add(Code::Value, None, "", what);
    }
    check_array(written, message, tables, &mut Problems::new(list, &file));
    if wants_rows && tables.settings.http.media == TABLES {
        check_places(message, &mut Problems::new(list, &file));
    }
}

/// Cells of an array have no names of their own: the message says which column is which, or a column
/// more in the catalogue would move every value that follows it into another.
fn check_array(
    written: &OperationSettings,
    message: &Message,
    tables: &Tables,
    problems: &mut Problems<'_>,
) {
    let style = tables.settings.rows.as_ref().and_then(|rows| match written.name.as_str() {
        "rows.upsert" => Some(&rows.upsert),
        "rows.delete" => rows.delete.as_ref(),
        _ => None,
    });
    let columns = Source::Context(ContextWord::DatasetColumns);
    let is_named =
        |field: &Field| field.source == columns && matches!(field.required, Required::Yes);
    if style.is_some_and(|style| style.style == "array") && !message.fields.iter().any(is_named) {
        let what = format!(
            "`{}` sends rows as arrays, and no required field with the value `dataset.columns` \
             says which column is which",
            written.name
        );
        problems.add(Code::Value, None, "", what);
    }
}

/// Every down-link table's columns are listed, those it is read by among them.
fn check_inbox(tables: &Tables, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    let all = &tables.settings.inbox;
    for inbox in all {
        let shown = format!("inbox[{}]", inbox.table);
        let Some(columns) = tables.replies.get(&inbox.reply) else {
            let known = tables.replies.keys().map(String::as_str);
            problems.add_missing((None, &shown), ("replies", &inbox.reply), known);
            continue;
        };
        let named = [&inbox.key, &inbox.date, &inbox.action, &inbox.by];
        let is_listed = |name: &&&String| columns.iter().any(|row| row.path == ***name);
        for name in named.iter().filter(|name| !name.is_empty() && !is_listed(name)) {
            let what = format!("`{name}` is no column of `replies/{}.csv`", inbox.reply);
            problems.add(Code::Key, None, &shown, what);
        }
        if !inbox.with.is_empty() && !all.iter().any(|it| it.table == inbox.with) {
            let what = format!("is read with `{}`, which is no inbox table", inbox.with);
            problems.add(Code::Key, None, &shown, what);
        }
    }
}

/// A message for a front-end table says which, by which key, and what stands in every row beside
/// the dataset's own columns.
fn check_places(message: &Message, problems: &mut Problems<'_>) {
    for field in &message.fields {
        let path = field.path.as_str();
        let is_column = path.strip_prefix("columns.").is_some_and(|name| !name.contains('.'));
        if !is_column && !["table", "key", "dataset", "rows"].contains(&path) {
            let what = "is none of `table`, `key`, `dataset`, `columns.NAME` and `rows`".to_owned();
            problems.add(Code::Path, Some(field.row), path, what);
        }
    }
    for path in ["table", "key"] {
        if !message.fields.iter().any(|field| field.path == path) {
            problems.add(Code::Path, None, path, "is needed to write rows into a table".to_owned());
        }
    }
}
