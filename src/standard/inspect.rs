//! What a message asks of one object, field by field, without building it: for `standard check`,
//! for the sheets that departments fill in, and for the counts beside a comparison.

use super::build::{self, Values as _};
use super::message::{Field, Required};
use super::problem::LackRule;
use super::scope::Scope;
use super::tables::{CodeRow, FieldRow};
use super::value::{self, Source};
use super::{Standard, message};
use crate::catalogue::{Kind, Value};

/// One field of a message as an object answers it, once for each item where it repeats.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The field as the standard's table has it.
    pub field: &'a FieldRow,
    /// The place of the item, counted from 0, where the field repeats.
    pub item: Option<usize>,
    /// It must be there, for this object.
    pub required: bool,
    /// The name under which the city supplies it; `None` where it comes from elsewhere.
    pub supplied: Option<&'a str>,
    /// What would be written; `None` where nothing would. `Err`: the rule that it breaks.
    pub written: Result<Option<String>, LackRule>,
    /// The canonical words behind it, where it is coded.
    pub words: Vec<String>,
}

/// A value that a standard wants the city to add to its objects.
#[derive(Clone, Copy, Debug)]
pub struct SuppliedField<'a> {
    /// The kind of objects.
    pub kind: Kind,
    /// It is added to each item, not to the object.
    pub of_item: bool,
    /// Its name, as in `supplied.NAME`.
    pub name: &'a str,
    /// The first field that carries it.
    pub field: &'a FieldRow,
    /// The words that it may be, where it is coded.
    pub codes: &'a [CodeRow],
}

impl Standard {
    /// Shows every field of an operation's message as this object answers it.
    pub fn ask(&self, operation: &str, scope: &Scope<'_>, each: &mut dyn FnMut(&Asked<'_>)) {
        let Some(operation) = self.operation(operation) else { return };
        let Some(message) = &operation.message else { return };
        let zone = &self.settings().zone;
        for field in &message.fields {
            let Some(row) = self.row(message, field) else { continue };
            let places = if field.list.is_some() { scope.items() } else { 1 };
            for at in 0..places {
                let item = field.list.is_some().then_some(at);
                let written = build::one(field, scope, item, zone);
                each(&Asked {
                    field: row,
                    item,
                    required: demanded(field, scope, item),
                    supplied: supplied(&field.source).map(|(name, _)| name),
                    written: written.map(|it| it.text().map(str::to_owned)),
                    words: words(field, scope, item),
                });
            }
        }
    }

    /// The values that messages on objects of any kind want the city to supply, each once.
    pub fn supplied_fields(&self) -> Vec<SuppliedField<'_>> {
        let mut found: Vec<SuppliedField<'_>> = Vec::new();
        for operation in self.operations() {
            let (Some(kind), Some(message)) = (operation.kind, &operation.message) else {
                continue;
            };
            for field in &message.fields {
                let Some((name, of_item)) = supplied(&field.source) else { continue };
                let is_known = |it: &SuppliedField<'_>| {
                    (it.kind, it.of_item, it.name) == (kind, of_item, name)
                };
                if found.iter().any(is_known) {
                    continue;
                }
                let Some(row) = self.row(message, field) else { continue };
                let codes = self.tables().codes.get(&row.codes).map_or(&[][..], Vec::as_slice);
                found.push(SuppliedField { kind, of_item, name, field: row, codes });
            }
        }
        found
    }

    fn row(&self, message: &message::Message, field: &Field) -> Option<&FieldRow> {
        self.tables().messages.get(&message.table)?.iter().find(|row| row.row == field.row)
    }
}

/// The name under which the city supplies a value, and whether each item has one.
fn supplied(source: &Source) -> Option<(&str, bool)> {
    if let Source::Supplied(name) = source {
        Some((name, false))
    } else if let Source::ItemSupplied(name) = source {
        Some((name, true))
    } else {
        None
    }
}

/// Whether the field's conditions hold and it must be there.
fn demanded(field: &Field, scope: &Scope<'_>, item: Option<usize>) -> bool {
    let word = |word: &str| {
        value::word(word, &field.around).map_or(Value::Absent, |source| scope.value(&source, item))
    };
    field.when.as_ref().is_none_or(|when| when.holds(&word))
        && match &field.required {
            Required::Yes => true,
            Required::No => false,
            Required::If(condition) => condition.holds(&word),
        }
}

/// The canonical words of a coded value, whatever the standard makes of them.
fn words(field: &Field, scope: &Scope<'_>, item: Option<usize>) -> Vec<String> {
    if field.codes.is_none() {
        return Vec::new();
    }
    let source = if let Source::Joined(list, _) = &field.source { list } else { &field.source };
    match scope.value(source, item) {
        Value::Codes(words) => words,
        Value::Text(word) | Value::Code(word) if !word.is_empty() => vec![word],
        Value::Boolean(flag) => vec![flag.to_string()],
        Value::Absent | Value::Text(_) | Value::Code(_) | Value::Integer(_) | Value::Time(_) => {
            Vec::new()
        }
    }
}
