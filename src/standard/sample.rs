//! Made-up messages: a sample of every operation, and messages that each break one rule.
//!
//! A sample takes its values from the rules themselves, so that it shows what a table says and not
//! what somebody remembered of it. Loading builds, writes and reads back every sample.

use jiff::Timestamp;

use super::build::{self, Filled, Values, Written};
use super::message::{Field, FieldType, Length, Message, Required, wanted_words};
use super::problem::LackRule;
use super::value::{self, Source};
use crate::catalogue::{Kind, Value, WordType};
use crate::wire::Payload;

/// Items of a sample's entry.
const ITEMS: usize = 2;
/// 2026-01-05 09:30 in UTC: a sample's instants.
const INSTANT: i64 = 1_767_605_400;
/// A credit code with valid check digits (facts §7.1).
const CREDIT_CODE: &str = "91510100MA6C8A7M4M";

/// A message that breaks one rule.
#[derive(Clone, Debug)]
pub struct Negative {
    /// The field's path.
    pub path: String,
    /// What the standard calls the field.
    pub title: String,
    /// The rule that is broken.
    pub rule: LackRule,
    /// The standard's clause.
    pub clause: String,
    /// The body.
    pub payload: Payload,
}

/// Values made up from a message's rules.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// By the source as written with `item` for the name under `each`.
    values: Vec<(Source, Value)>,
    rows: Vec<u8>,
}

impl Made {
    /// Values that satisfy every rule of `message`; `fixed` words have the values given.
    pub(super) fn new(message: &Message, fixed: &[(Source, String)], rows: &[u8]) -> Self {
        let mut made = Self { values: Vec::new(), rows: rows.to_owned() };
        for field in &message.fields {
            for source in plain_sources(&field.source) {
                if made.values.iter().any(|(known, _)| known == source) {
                    continue;
                }
                let forced = fixed.iter().find(|(it, _)| it == source).map(|(_, text)| text);
                let value = match forced {
                    Some(text) => of_text(source, text),
                    None => invent(message, source),
                };
                made.values.push((source.clone(), value));
            }
        }
        for (source, text) in fixed {
            if !made.values.iter().any(|(known, _)| known == source) {
                made.values.push((source.clone(), of_text(source, text)));
            }
        }
        made
    }
}

impl Values for Made {
    fn value(&self, source: &Source, item: Option<usize>) -> Value {
        if let Source::Fixed(text) = source {
            return Value::text(text);
        }
        let found = self.values.iter().find(|(known, _)| known == source);
        match (found, source, item) {
            // The items of an entry are told apart.
            (Some((_, Value::Integer(_))), Source::Item(name), Some(at)) if name == "order" => {
                Value::Integer(i64::try_from(at + 1).unwrap_or(1))
            }
            (Some((_, value)), ..) => value.clone(),
            (None, ..) => Value::Absent,
        }
    }

    fn items(&self) -> usize {
        ITEMS
    }

    fn rows(&self) -> &[u8] {
        &self.rows
    }
}

/// The words inside a source.
fn plain_sources(source: &Source) -> Vec<&Source> {
    match source {
        Source::Template(pieces) => pieces
            .iter()
            .filter_map(|piece| match piece {
                value::Piece::Word(inner) => Some(inner),
                value::Piece::Text(_) => None,
            })
            .collect(),
        Source::Joined(list, _) => vec![list],
        Source::Fixed(_) | Source::Slot(_) | Source::Each(_) | Source::Rows => Vec::new(),
        Source::Object(..)
        | Source::Any(_)
        | Source::Item(_)
        | Source::Supplied(_)
        | Source::ItemSupplied(_)
        | Source::UpperId
        | Source::Upper(_)
        | Source::Context(_) => vec![source],
    }
}

fn of_text(source: &Source, text: &str) -> Value {
    match source.of() {
        WordType::Integer => text.parse().map_or(Value::Absent, Value::Integer),
        WordType::Boolean => Value::Boolean(text == "true"),
        WordType::Codes => Value::Codes(vec![text.to_owned()]),
        WordType::Code => Value::Code(text.to_owned()),
        WordType::Text | WordType::List => Value::Text(text.to_owned()),
        WordType::Time => Value::Absent,
    }
}

/// A value that meets the rules of every field that takes it.
fn invent(message: &Message, source: &Source) -> Value {
    let uses: Vec<&Field> = message
        .fields
        .iter()
        .filter(|field| plain_sources(&field.source).contains(&source))
        .collect();
    let coded = uses.iter().find_map(|field| {
        let words: Vec<&str> = field.codes.as_ref()?.words().collect();
        // The first canonical word in its usual order that has a code.
        let wanted = wanted_words(field).iter().copied().find(|word| words.contains(word));
        wanted.or_else(|| words.first().copied()).map(str::to_owned)
    });
    if let Some(word) = coded {
        return of_text(source, &word);
    }
    match source.of() {
        WordType::Integer => Value::Integer(8),
        WordType::Boolean => Value::Boolean(true),
        WordType::Codes => Value::Codes(vec!["sample".to_owned()]),
        WordType::Time => Timestamp::from_second(INSTANT).map_or(Value::Absent, Value::Time),
        WordType::Text | WordType::Code | WordType::List => Value::Text(text_for(source, &uses)),
    }
}

fn text_for(source: &Source, uses: &[&Field]) -> String {
    let is_credit = matches!(source, Source::Object(_, name) if name.ends_with("credit_code"));
    if is_credit || uses.iter().any(|field| field.kind == FieldType::Uscc) {
        return CREDIT_CODE.to_owned();
    }
    let is_number = |field: &&Field| matches!(field.kind, FieldType::Integer | FieldType::Decimal);
    let base = match source {
        _ if uses.iter().any(|it| it.kind == FieldType::Boolean) => return "true".to_owned(),
        _ if uses.iter().any(is_number) => "1",
        Source::Upper(kind) => upper(*kind),
        Source::UpperId => "U-100",
        Source::Object(_, name) if name == "region" => "511900",
        Source::Object(..)
        | Source::Any(_)
        | Source::Item(_)
        | Source::Supplied(_)
        | Source::ItemSupplied(_)
        | Source::Context(_)
        | Source::Slot(_)
        | Source::Fixed(_)
        | Source::Template(_)
        | Source::Each(_)
        | Source::Joined(..)
        | Source::Rows => "S-100",
    };
    let lengths = uses.iter().filter_map(|field| field.length);
    let (least, most) = lengths.fold((0, usize::MAX), |(least, most), length: Length| {
        (least.max(length.least), most.min(length.most))
    });
    let mut text: String = base.chars().take(most).collect();
    while text.chars().count() < least {
        text.push('1');
    }
    text
}

fn upper(kind: Kind) -> &'static str {
    match kind {
        Kind::Organisation => "U-ORG",
        Kind::Category => "U-CAT",
        Kind::System => "U-SYS",
        Kind::Entry => "U-ENT",
        Kind::Resource => "U-RES",
    }
}

/// Samples of a message that between them make every condition true: the plain one, and one for
/// each text that a condition compares a word with.
pub(super) fn variants(message: &Message) -> Vec<Vec<(Source, String)>> {
    let mut all = vec![Vec::new()];
    for field in &message.fields {
        let required = match &field.required {
            Required::If(condition) => Some(condition),
            Required::Yes | Required::No => None,
        };
        for condition in field.when.iter().chain(required) {
            for (word, texts) in condition.words() {
                let Ok(source) = value::word(word, &field.around) else { continue };
                for text in texts {
                    let variant = vec![(source.clone(), text.to_owned())];
                    if !all.contains(&variant) {
                        all.push(variant);
                    }
                }
            }
            // A condition that joins several words is true only where all of them are chosen.
            let together: Vec<(Source, String)> = condition
                .words()
                .into_iter()
                .filter_map(|(word, texts)| {
                    let text = texts.into_iter().next()?.to_owned();
                    Some((value::word(word, &field.around).ok()?, text))
                })
                .collect();
            if together.len() > 1 && !all.contains(&together) {
                all.push(together);
            }
        }
    }
    all
}

/// Breaks each rule of the body's fields once, in the first place where the field stands.
pub(super) fn negatives(message: &Message, zone: &str, rows: &[u8]) -> Vec<Negative> {
    let mut all: Vec<Negative> = Vec::new();
    for variant in variants(message) {
        let made = Made::new(message, &variant, rows);
        let (filled, lacks) = build::fill(message, &made, zone);
        if !lacks.is_empty() {
            continue;
        }
        for (at, field) in message.fields.iter().enumerate() {
            let word = |word: &str| {
                value::word(word, &field.around)
                    .map_or(Value::Absent, |source| made.value(&source, Some(0)))
            };
            for (rule, broken) in breaks(field, &word) {
                let known = all.iter().any(|it| it.path == field.path && it.rule == rule);
                let there = filled.values.get(at).and_then(|all| all.first());
                if known || matches!(there, None | Some(Written::Absent)) {
                    continue;
                }
                let mut filled: Filled = filled.clone();
                if let Some(place) = filled.values.get_mut(at).and_then(|all| all.first_mut()) {
                    *place = broken;
                }
                let Ok(payload) = build::body(message, &filled, rows) else { continue };
                all.push(Negative {
                    path: field.path.clone(),
                    title: field.title.clone(),
                    rule,
                    clause: field.clause.clone(),
                    payload,
                });
            }
        }
    }
    all
}

/// What breaks a field's rules, each rule once.
fn breaks(field: &Field, word: &impl Fn(&str) -> Value) -> Vec<(LackRule, Written)> {
    let mut all = Vec::new();
    if field.place != super::message::Place::Body
        || matches!(field.kind, FieldType::List | FieldType::Rows)
    {
        return all;
    }
    let is_required = match &field.required {
        Required::Yes => true,
        Required::No => false,
        Required::If(condition) => condition.holds(word),
    };
    if is_required {
        all.push((LackRule::Required, Written::Absent));
    }
    if matches!(field.source, Source::Slot(_)) {
        return all;
    }
    if let Some(codes) = &field.codes {
        let outside = (0..).map(|n| format!("no-{n}")).find(|text| codes.word(text).is_none());
        all.push((LackRule::Code, Written::Text(outside.unwrap_or_default())));
    } else if let Some(length) = field.length {
        let digit = if field.kind == FieldType::Text { "长" } else { "9" };
        all.push((LackRule::Length, Written::Text(digit.repeat(length.most + 1))));
    }
    all
}
