//! The values that a candidate wants the city to add to its objects: which, for which objects, and
//! whether they are there and right.
//!
//! A value that is required and not there is a rejection, never a filler: nothing here proposes
//! one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::check;
use crate::catalogue::{Kind, Object, Supplied};
use crate::standard::{Asked, LackRule, Standard, SuppliedField};

/// The longest value that is taken, in characters.
pub const MAX_VALUE: usize = 4_000;

/// A value that a candidate wants supplied, as its table describes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WantedField {
    /// The kind of objects.
    pub kind: String,
    /// Each item has one, not the object.
    pub of_item: bool,
    /// Its name, as in `supplied.NAME`.
    pub name: String,
    /// What the standard calls it.
    pub title: String,
    /// `text`, `code`, `integer` and so on.
    pub of: String,
    /// The pattern of a time.
    pub format: String,
    /// In characters, as the table has it.
    pub length: String,
    /// `yes`, `no` or the condition under which it is required.
    pub required: String,
    /// Where the document says so.
    pub clause: String,
    /// The words that it may be, each with its title; empty where it is free.
    pub codes: Vec<(String, String)>,
}

/// A value of one object or item, as it stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Who answers for the object.
    pub department: String,
    /// The kind of object.
    pub kind: String,
    /// The object's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The item's id, where an item has it.
    pub item: Option<String>,
    /// The item's title.
    pub item_title: String,
    /// The value's name.
    pub name: String,
    /// It must be there.
    pub required: bool,
    /// The value that is there.
    pub value: Option<String>,
    /// Who supplied it.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// The rule that it breaks; none where it is right, or absent and not required.
    pub rule: Option<String>,
}

/// A value that somebody supplies.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The kind of object.
    pub kind: String,
    /// The object's id.
    pub id: String,
    /// The item's id, where an item has it.
    pub item: Option<String>,
    /// The value's name.
    pub name: String,
    /// The value: for a coded one the canonical word.
    pub value: String,
}

/// Why a value is not taken. The words are stable.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTaken {
    /// There is no such object or item in the catalogue.
    NoSuchObject,
    /// The candidate asks for no such value there.
    NoSuchValue,
    /// Longer or shorter than allowed.
    Length,
    /// No word of the code list, or one without a code.
    Code,
    /// Not of the type or format asked for.
    Format,
}

/// The values that a standard wants supplied, in the order of its tables.
pub fn fields(standard: &Standard) -> Vec<WantedField> {
    let row = |it: &SuppliedField<'_>| WantedField {
        kind: it.kind.as_str().to_owned(),
        of_item: it.of_item,
        name: it.name.to_owned(),
        title: it.field.title.clone(),
        of: it.field.kind.clone(),
        format: it.field.format.clone(),
        length: it.field.length.clone(),
        required: it.field.required.clone(),
        clause: it.field.clause.clone(),
        codes: it
            .codes
            .iter()
            .filter(|code| !code.code.is_empty())
            .map(|code| (code.word.clone(), code.title.clone()))
            .collect(),
    };
    standard.supplied_fields().iter().map(row).collect()
}

/// The values that an object's message asks for: required ones, and those that are there.
pub fn of(standard: &Standard, object: &Object, is_above: bool) -> Vec<Wanted> {
    let Some(operation) = check::operation(standard, object.key().kind, is_above) else {
        return Vec::new();
    };
    let mut found: Vec<Wanted> = Vec::new();
    standard.ask(&operation, &check::scope(object, None), &mut |asked| {
        let Some(name) = asked.supplied else { return };
        let known = value(object, asked);
        if !asked.required && known.is_none() {
            return;
        }
        let item = asked.item.and_then(|at| object.items().get(at));
        let wanted = Wanted {
            department: object.department.clone(),
            kind: object.key().kind.as_str().to_owned(),
            id: object.key().id,
            title: object.title().to_owned(),
            item: item.map(|it| it.id.clone()),
            item_title: item.map(|it| it.title.clone()).unwrap_or_default(),
            name: name.to_owned(),
            required: asked.required,
            value: known.map(|it| it.value.clone()),
            by: known.map(|it| it.by.clone()),
            at: known.map(|it| it.at),
            rule: rule(asked, known).map(|it| it.as_str().to_owned()),
        };
        // Several fields may carry one value: the first that it breaks is told.
        let same = |it: &&mut Wanted| (&it.item, &it.name) == (&wanted.item, &wanted.name);
        match found.iter_mut().find(same) {
            Some(other) => {
                other.required |= wanted.required;
                other.rule = other.rule.take().or(wanted.rule);
            }
            None => found.push(wanted),
        }
    });
    found
}

/// How many values an object must be supplied with, and how many are there and right.
pub(super) fn count(standard: &Standard, operation: &str, object: &Object) -> (u64, u64) {
    let mut values: std::collections::BTreeMap<(Option<usize>, String), bool> =
        std::collections::BTreeMap::new();
    standard.ask(operation, &check::scope(object, None), &mut |asked| {
        if let Some(name) = asked.supplied.filter(|_| asked.required) {
            let right = rule(asked, value(object, asked)).is_none();
            *values.entry((asked.item, name.to_owned())).or_insert(true) &= right;
        }
    });
    let right = values.values().filter(|right| **right).count();
    (values.len() as u64, right as u64)
}

/// The rule that a value breaks. The sheet's own check of a time is stricter than the message's.
fn rule(asked: &Asked<'_>, known: Option<&Supplied>) -> Option<LackRule> {
    if let Err(rule) = asked.written {
        return Some(rule);
    }
    let time = known.filter(|_| ["date", "time"].contains(&asked.field.kind.as_str()))?;
    (!is_time(&time.value, &asked.field.format)).then_some(LackRule::Format)
}

fn value<'a>(object: &'a Object, asked: &Asked<'_>) -> Option<&'a Supplied> {
    let name = stored_name(object, asked.item, asked.supplied?)?;
    object.supplied.get(&name)
}

/// The name under which the ledger keeps a value: that of an item has the item's id before it.
fn stored_name(object: &Object, item: Option<usize>, name: &str) -> Option<String> {
    match item {
        None => Some(name.to_owned()),
        Some(at) => object.items().get(at).map(|item| format!("{}/{name}", item.id)),
    }
}

fn is_time(text: &str, format: &str) -> bool {
    match format {
        "ms" | "s" => text.parse::<i64>().is_ok(),
        _ => {
            let parsed = jiff::fmt::strtime::parse(format, text);
            parsed.is_ok_and(|it| it.to_date().is_ok() || it.to_time().is_ok())
        }
    }
}

/// Judges values for one object as the candidate would, each by its own rules.
///
/// Gives the name to store each under and the value in its plain form, or why it is not taken. A
/// coded value may be given as its title, a time as spreadsheets have it. `object` has the values
/// that are known already.
pub fn judge(
    standard: &Standard,
    object: &Object,
    given: &[&Given],
    by: &str,
    at: Timestamp,
) -> Vec<Result<(String, String), NotTaken>> {
    let fields = standard.supplied_fields();
    let kind = object.key().kind;
    let mut tried = object.clone();
    type Named = (Option<usize>, String, String);
    let names: Vec<Result<Named, NotTaken>> = given
        .iter()
        .map(|it| {
            let same = |field: &&SuppliedField<'_>| {
                let wanted = (kind, it.item.is_some(), it.name.as_str());
                (field.kind, field.of_item, field.name) == wanted
            };
            let field = fields.iter().find(same).ok_or(NotTaken::NoSuchValue)?;
            let item = match &it.item {
                None => None,
                Some(id) => {
                    let place = object.items().iter().position(|item| item.id == *id);
                    Some(place.ok_or(NotTaken::NoSuchObject)?)
                }
            };
            if it.value.trim().is_empty() || it.value.chars().count() > MAX_VALUE {
                return Err(NotTaken::Length);
            }
            let name = stored_name(object, item, &it.name).ok_or(NotTaken::NoSuchObject)?;
            let value = plain(field, it.value.trim());
            let supplied = Supplied { value: value.clone(), by: by.to_owned(), at };
            tried.supplied.insert(name.clone(), supplied);
            Ok((item, name, value))
        })
        .collect();
    let mut broken: Vec<(Option<usize>, String, LackRule)> = Vec::new();
    for verb in ["register", "modify"] {
        let operation = format!("{kind}.{verb}");
        standard.ask(&operation, &check::scope(&tried, None), &mut |asked| {
            let Some(name) = asked.supplied else { return };
            if let Some(rule) = rule(asked, value(&tried, asked)) {
                broken.push((asked.item, name.to_owned(), rule));
            }
        });
    }
    let judged = names.into_iter().zip(given).map(|(name, given)| {
        let (item, stored, value) = name?;
        let rule = broken.iter().find(|it| it.0 == item && it.1 == given.name).map(|it| it.2);
        match rule {
            None => Ok((stored, value)),
            Some(LackRule::Length | LackRule::Required) => Err(NotTaken::Length),
            Some(LackRule::Code) => Err(NotTaken::Code),
            Some(LackRule::Format | LackRule::Operation) => Err(NotTaken::Format),
        }
    });
    judged.collect()
}

/// A value in the form in which it is kept: a code's title as its word, a time of a spreadsheet in
/// the field's own format.
fn plain(field: &SuppliedField<'_>, text: &str) -> String {
    let codes = field.codes.iter().filter(|it| !it.code.is_empty());
    if !codes.clone().any(|it| it.word == text) {
        let mut titled = codes.filter(|it| it.title == text);
        if let (Some(only), None) = (titled.next(), titled.next()) {
            return only.word.clone();
        }
    }
    let format = field.field.format.as_str();
    if format.contains('%') && !is_time(text, format) {
        let time = text.parse::<DateTime>().ok().or_else(|| {
            let day = text.parse::<jiff::civil::Date>().ok()?;
            Some(day.to_datetime(jiff::civil::Time::midnight()))
        });
        let written = time.and_then(|at| jiff::fmt::strtime::format(format, at).ok());
        return written.unwrap_or_else(|| text.to_owned());
    }
    text.to_owned()
}

/// The kinds of objects, by the word that travels.
pub(super) fn kind(word: &str) -> Option<Kind> {
    Kind::parse(word)
}
