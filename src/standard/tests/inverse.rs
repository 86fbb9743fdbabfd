//! The two directions of a standard: what is built is understood, what is answered is read.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::sample::{Made, variants};
use super::super::settings::Class;
use super::super::value::Source;
use super::super::*;
use super::{every_standard, read, standard};
use crate::catalogue::{Content, Entry, Item, Kind, Object, Value};
use crate::delivery::Outcome;

const NONE: &BTreeMap<String, String> = &BTreeMap::new();

fn nothing_outside() -> Outside<'static> {
    Outside { headers: NONE, query: NONE, url: NONE, form: NONE }
}

fn text(value: Value) -> Option<String> {
    Some(match value {
        Value::Absent => return None,
        Value::Text(text) | Value::Code(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Codes(codes) => codes.join(","),
        Value::Time(at) => at.to_string(),
    })
}

/// Every sample of every shipped standard says, read back, the words that it was built from.
#[test]
fn what_every_standard_builds_is_understood_as_it_was_meant() {
    let mut compared = 0;
    for (standard, _) in every_standard() {
        for operation in standard.operations() {
            let Some(message) = operation.message.as_ref().filter(|it| it.shape.is_some()) else {
                continue;
            };
            let rows = prove::sample_rows(&standard, operation).unwrap();
            for variant in variants(message) {
                let made = Made::new(message, &variant, &rows);
                let (filled, lacks) = build::fill(message, &made, &standard.settings().zone);
                assert!(lacks.is_empty());
                let payload = build::body(message, &filled, &rows).unwrap();
                let bytes = payload.fill(|name| Some(format!("slot {name}"))).unwrap();
                let document = read(&standard, &bytes);
                let said = standard.said(operation, Some(&document), nothing_outside());
                for (field, values) in message.fields.iter().zip(&filled.values) {
                    let is_word = matches!(
                        field.source,
                        Source::Object(..)
                            | Source::Upper(_)
                            | Source::UpperId
                            | Source::Context(_)
                    );
                    let is_shared =
                        values.first().and_then(build::Written::text).is_none_or(|it| {
                            field.codes.as_ref().is_some_and(|codes| codes.is_shared(it))
                        });
                    if !is_word || is_shared || field.hidden || !field.format.is_empty() {
                        continue;
                    }
                    let Some(meant) = text(build::Values::value(&made, &field.source, None)) else {
                        continue;
                    };
                    if field.place != message::Place::Body {
                        continue;
                    }
                    assert_eq!(
                        said.get(&field.value),
                        Some(meant.as_str()),
                        "{} {} {}",
                        standard.id(),
                        operation.name,
                        field.path
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

fn entry(title: String, summary: String, ways: Vec<String>) -> Object {
    let entry = Entry {
        id: "e1".to_owned(),
        code: "307320/1".to_owned(),
        title,
        summary,
        department_title: "局".to_owned(),
        department_credit_code: "91510100MA6C8A7M4M".to_owned(),
        format: "database".to_owned(),
        share_type: "unconditional".to_owned(),
        share_ways: ways,
        open_type: "closed".to_owned(),
        update_cycle: "daily".to_owned(),
        updated: Some(jiff::Timestamp::from_second(1_767_605_400).unwrap()),
        items: vec![Item {
            id: "a".to_owned(),
            code: "a".to_owned(),
            title: "名称".to_owned(),
            data_type: "decimal".to_owned(),
            length: Some(12),
            is_key: true,
            share_type: "none".to_owned(),
            not_share_reason: "依法".to_owned(),
            ..Item::default()
        }],
        ..Entry::default()
    };
    Object {
        region: "511900".to_owned(),
        department: "d1".to_owned(),
        content: Content::Entry(Box::new(entry)),
        supplied: BTreeMap::new(),
    }
}

proptest! {
    /// An entry with any texts in it, its items, codes and times: built, read, understood.
    #[test]
    fn an_entry_is_understood_as_it_is(
        title in "[ -~一-龥]{1,60}[一-龥]",
        summary in "[ -~一-龥\n]{0,200}[一-龥]",
        both in any::<bool>(),
    ) {
        prop_assume!(title.trim() == title && summary.trim() == summary);
        let ways = [vec!["platform".to_owned()], vec!["platform".to_owned(), "copy".to_owned()]];
        let object = entry(title, summary, ways[usize::from(both)].clone());
        let upper = [(Kind::Category, "P-CAT"), (Kind::Organisation, "P-ORG")];
        let upper = upper.map(|(kind, id)| (kind, id.to_owned())).into();
        let scope = Scope { object: Some(&object), upper, ..Scope::default() };
        let message = standard().build("entry.register", &scope).unwrap();
        let bytes = message.payload.fill(|_| Some("2026-01-05 17:30:00".to_owned())).unwrap();
        let document = read(standard(), &bytes);
        let operation = standard().operation("entry.register").unwrap();
        let said = standard().said(operation, Some(&document), nothing_outside());
        for word in ["id", "title", "summary", "format", "share_ways", "update_cycle", "updated"] {
            let meant = object.word(word).and_then(text);
            prop_assert_eq!(said.get(&format!("entry.{word}")), meant.as_deref(), "{}", word);
        }
        prop_assert_eq!(said.get("upper.category"), Some("P-CAT"));
        for word in ["code", "data_type", "length", "is_key", "share_type", "not_share_reason"] {
            let meant = object.items()[0].word(1, word).and_then(text);
            prop_assert_eq!(said.items[0].get(word), meant.as_ref(), "{}", word);
        }
    }
}

/// Of every class, for every operation of every shipped standard: what is answered is read as that
/// class, or as the nearest that says no more.
#[test]
fn every_answer_is_read_as_what_it_says() {
    for (standard, _) in every_standard().into_iter().filter(|it| it.0.settings().tables.is_none())
    {
        for operation in standard.operations() {
            for class in Class::ALL {
                let mut says = Says::default();
                for (word, text) in [
                    ("upper_id", "U1"),
                    ("state", "published"),
                    ("message", "为 <什么>"),
                    ("receipt.id", "R1"),
                    ("receipt.rows", "7"),
                    ("page.next", "2"),
                ] {
                    says.values.insert(word, text.to_owned());
                }
                let element = [
                    ("row.key", "k|1"),
                    ("row.verdict", "failed"),
                    ("row.reason", "长度"),
                    ("inventory.key", "k|1"),
                    ("inventory.count", "3"),
                    ("inventory.upper_id", "U2"),
                ];
                says.list.push(element.map(|(word, text)| (word, text.to_owned())).into());
                says.list.push(element.map(|(word, text)| (word, text.to_owned())).into());
                let answer = standard.answer(operation, class, &says);
                let lower = |(name, text): &(String, String)| (name.to_lowercase(), text.clone());
                let headers: Vec<_> = answer.headers.iter().map(lower).collect();
                let http =
                    HttpAnswer { status: answer.status, retry_after: None, headers: &headers };
                let document = (!answer.body.is_empty()).then(|| read(&standard, &answer.body));
                let reading = standard.read_reply(&operation.name, &http, document.as_ref());
                let told = format!("{} {} {class:?}: {reading:?}", standard.id(), operation.name);
                let is_same = match (class, &reading.outcome) {
                    (Class::Accepted, Outcome::Accepted { .. })
                    | (Class::Exists, Outcome::Exists { .. } | Outcome::Accepted { .. })
                    | (Class::Absent, Outcome::Accepted { .. } | Outcome::Refused { .. })
                    | (Class::Refused, Outcome::Refused { .. })
                    | (Class::Retry, Outcome::Retry { .. })
                    | (Class::Auth, Outcome::Auth { .. })
                    | (Class::Unknown, Outcome::Unknown { .. }) => true,
                    // A class that the standard does not have is no word of it.
                    _other => !standard.settings().reply.classes.contains_key(&class),
                };
                assert!(is_same, "{told}");
                if class == Class::Accepted && operation.name == "rows.verdict" {
                    assert_eq!(reading.verdicts.len(), 2, "{told}");
                    assert_eq!(reading.verdicts[0].key, "k|1");
                    assert_eq!(reading.page.next.as_deref(), Some("2"));
                }
            }
        }
    }
}
