//! Reading a message of ours back and checking it by its own table: what the province would see.
//!
//! The conditions are judged by the message alone: each word that a field carries in plain form is
//! taken back from it, codes turned into words. A condition about a word that the message does not
//! carry cannot be judged and demands nothing.

use super::build;
use super::message::{Field, FieldType, Message, Place, Required};
use super::problem::{Lack, LackRule};
use super::value::{self, Source};
use crate::catalogue::{Value, WordType};
use crate::wire::{Document, Node};

/// Every rule of the table that the message breaks.
pub(super) fn check(message: &Message, document: &Document) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let top = Carried::read(message, document.top(), None, Vec::new());
    for (at, field) in message.fields.iter().enumerate() {
        if field.place != Place::Body || field.list.is_some() {
            continue;
        }
        match (&field.kind, &field.reader) {
            (FieldType::List, Some(path)) => {
                let nodes: Vec<&Node> = document.all(path).collect();
                if nodes.is_empty() && top.demands(field) {
                    lacks.push(build::lack(message, field, None, LackRule::Required));
                }
                for (item, node) in nodes.into_iter().enumerate() {
                    element(message, at, node, item, &top, &mut lacks);
                }
            }
            (FieldType::Rows, _) => {}
            _ => judge(message, field, document.top(), None, &top, &mut lacks),
        }
    }
    lacks
}

fn element(
    message: &Message,
    list: usize,
    node: &Node,
    item: usize,
    top: &Carried,
    lacks: &mut Vec<Lack>,
) {
    let carried = Carried::read(message, node, Some(list), top.values.clone());
    for field in message.fields.iter().filter(|field| field.list == Some(list)) {
        judge(message, field, node, Some(item), &carried, lacks);
    }
}

fn judge(
    message: &Message,
    field: &Field,
    node: &Node,
    item: Option<usize>,
    carried: &Carried,
    lacks: &mut Vec<Lack>,
) {
    let text = field.reader.as_ref().and_then(|path| node.text_at(path));
    let mut add = |rule| lacks.push(build::lack(message, field, item, rule));
    match text.filter(|text| !text.is_empty()) {
        None if carried.demands(field) => add(LackRule::Required),
        None => {}
        Some(_) if matches!(field.source, Source::Slot(_)) || field.hidden => {}
        Some(text) => {
            if !is_listed(field, text) {
                add(LackRule::Code);
            } else if let Err(rule) = build::rules(field, text) {
                add(rule);
            }
        }
    }
}

fn is_listed(field: &Field, text: &str) -> bool {
    let Some(codes) = &field.codes else { return true };
    if let Source::Joined(_, separator) = &field.source {
        return text.split(separator.as_str()).all(|part| codes.word(part).is_some());
    }
    let is_constant = matches!(&field.source, Source::Fixed(own) if own == text);
    is_constant || codes.word(text).is_some()
}

/// The words that a message carries in plain form.
struct Carried {
    values: Vec<(Source, Value)>,
}

impl Carried {
    fn read(
        message: &Message,
        node: &Node,
        list: Option<usize>,
        mut values: Vec<(Source, Value)>,
    ) -> Self {
        for field in message.fields.iter().filter(|field| field.list == list) {
            let Some(path) = &field.reader else { continue };
            // What is hidden is there or not, and says nothing to who reads the message.
            if field.hidden
                || field.place != Place::Body
                || matches!(field.kind, FieldType::List | FieldType::Rows)
            {
                continue;
            }
            let value = match node.text_at(path).filter(|text| !text.is_empty()) {
                Some(text) if field.codes.as_ref().is_some_and(|it| it.is_shared(text)) => {
                    continue;
                }
                None => Value::Absent,
                Some(text) => taken_back(field, text),
            };
            values.push((field.source.clone(), value));
        }
        Self { values }
    }

    /// Whether the field's conditions hold and it must be there.
    fn demands(&self, field: &Field) -> bool {
        let mut is_known = true;
        let conditions = field.when.iter().chain(match &field.required {
            Required::If(condition) => Some(condition),
            Required::Yes | Required::No => None,
        });
        for (word, _) in conditions.flat_map(super::condition::Condition::words) {
            let source = value::word(word, &field.around).ok();
            is_known &= self.values.iter().any(|(known, _)| Some(known) == source.as_ref());
        }
        let value = |word: &str| {
            let source = value::word(word, &field.around).ok();
            let found = self.values.iter().rev().find(|(known, _)| Some(known) == source.as_ref());
            found.map_or(Value::Absent, |(_, value)| value.clone())
        };
        is_known
            && field.when.as_ref().is_none_or(|when| when.holds(&value))
            && match &field.required {
                Required::Yes => true,
                Required::No => false,
                Required::If(condition) => condition.holds(&value),
            }
    }
}

fn taken_back(field: &Field, text: &str) -> Value {
    let word = match &field.codes {
        Some(codes) => codes.word(text).unwrap_or(text),
        None => text,
    };
    match field.source.of() {
        WordType::Integer => word.parse().map_or(Value::Absent, Value::Integer),
        WordType::Boolean => Value::Boolean(word == "true"),
        WordType::Code => Value::code(word),
        WordType::Codes => Value::Codes(text.split(',').map(str::to_owned).collect()),
        WordType::Text | WordType::List | WordType::Time => Value::text(word),
    }
}
