//! Replies: every hand-written reply is read, and codes are classed as the standard says.

use proptest::prelude::*;

use super::super::*;
use super::{every_standard, read, sample_file, samples, standard};
use crate::delivery::{LinkState, Outcome, Receipt, Verdict};
use crate::wire::{self, Limits};

const OK: HttpAnswer<'static> = HttpAnswer { status: 200, retry_after: None, headers: &[] };

fn reading(operation: &str, file: &str) -> Reading {
    let standard = standard();
    let document = read(standard, &sample_file(file));
    standard.read_reply(operation, &OK, Some(&document))
}

#[test]
fn every_hand_written_reply_is_accepted_without_drift() {
    for (standard, files) in every_standard() {
        for operation in standard.operations() {
            let place = format!("{} {}", standard.id(), operation.name);
            if standard.settings().tables.is_some() {
                // A table answers with its columns; `province` has tests of what they mean.
                continue;
            }
            let found = samples(&files, &operation.name, &format!("{}.reply", operation.name));
            assert_eq!(found.len(), 1, "{place} has no sample of an answer");
            let document = read(&standard, found[0].1);
            let reading = standard.read_reply(&operation.name, &OK, Some(&document));
            assert!(matches!(reading.outcome, Outcome::Accepted { .. }), "{place} {reading:?}");
            assert_eq!(reading.drift, [], "{place}");
            assert!(!reading.absent, "{place}");
        }
    }
}

#[test]
fn a_registration_gives_the_upper_id_and_the_state() {
    let reading = reading("entry.register", "entry.register.reply.xml");
    assert_eq!(reading.upper_id.as_deref(), Some("P-CATALOG-1"));
    assert_eq!(reading.state, Some(LinkState::InReview));
    assert_eq!(
        reading.outcome,
        Outcome::Accepted { upper_id: Some("P-CATALOG-1".to_owned()), receipt: None }
    );
}

#[test]
fn a_receipt_holds_what_the_platform_took() {
    let reading = reading("rows.upsert", "rows.upsert.reply.xml");
    let Some(Receipt { id, digest, rows }) = reading.receipt else { panic!("no receipt") };
    assert_eq!((id.as_str(), rows), ("R-20260105-000017", Some(2)));
    assert_eq!(digest.map(|text| text.len()), Some(64));
}

#[test]
fn verdicts_are_passed_failed_or_still_open() {
    let reading = reading("rows.verdict", "rows.verdict.reply.xml");
    let verdicts: Vec<(&str, Option<Verdict>)> =
        reading.verdicts.iter().map(|it| (it.key.as_str(), it.verdict.clone())).collect();
    let reason = "身份证号校验位错误".to_owned();
    assert_eq!(
        verdicts,
        [("k<1", Some(Verdict::Passed)), ("k&2", Some(Verdict::Failed { reason })), ("k3", None)]
    );
    assert_eq!(reading.page, PageReading { next: Some("2".to_owned()), total: Some(1003) });
}

#[test]
fn inventories_give_counts_digests_and_upper_ids() {
    let datasets = reading("inventory.datasets", "inventory.datasets.reply.xml");
    let counts: Vec<_> = datasets
        .inventory
        .iter()
        .map(|it| (it.key.as_str(), it.count, it.digest.is_some()))
        .collect();
    assert_eq!(counts, [("5119-0311", Some(40_000), true), ("5119-0207", Some(0), false)]);
    let keys = reading("inventory.keys", "inventory.keys.reply.xml");
    assert_eq!(keys.inventory[0].key, "k<1");
    assert_eq!(keys.inventory[0].digest.as_deref(), Some("9f86d081884c7d65"));
    let objects = reading("inventory.objects", "inventory.objects.reply.xml");
    assert_eq!(objects.inventory[1].upper_id.as_deref(), Some("P-CATA-207"));
    assert_eq!(objects.inventory[1].state, Some(LinkState::InReview));
}

#[test]
fn no_such_thing_answers_a_question_and_refuses_a_change() {
    let asked = reading("batch.receipt", "batch.receipt.absent.reply.xml");
    assert!(asked.absent && matches!(asked.outcome, Outcome::Accepted { .. }));
    let changed = reading("entry.modify", "batch.receipt.absent.reply.xml");
    assert!(changed.absent && matches!(changed.outcome, Outcome::Refused { .. }));
}

#[test]
fn an_object_that_stands_there_is_adopted_with_its_id() {
    let reading = reading("entry.register", "exists.reply.xml");
    let upper_id = Some("P-CATA-311".to_owned());
    assert_eq!(reading.outcome, Outcome::Exists { upper_id, code: "1001".to_owned() });
}

fn answer(code: &str) -> Reading {
    let text = format!(
        "<Reply xmlns=\"urn:cascaded:model:reference-xml:1.0\"><Code>{code}</Code>\
         <UpperId>P-1</UpperId></Reply>"
    );
    let standard = standard();
    let document = read(standard, text.as_bytes());
    standard.read_reply("entry.modify", &OK, Some(&document))
}

#[test]
fn a_code_in_no_list_rejects_nothing_and_is_drift() {
    let reading = answer("C-47");
    assert_eq!(reading.outcome, Outcome::Unlisted { code: "C-47".to_owned() });
    assert_eq!(reading.drift, [Drift::UnlistedCode("C-47".to_owned())]);
}

#[test]
fn codes_are_classed_by_their_lists() {
    assert!(matches!(answer("3012").outcome, Outcome::Refused { .. }));
    assert!(matches!(answer("5003").outcome, Outcome::Retry { .. }));
    assert!(matches!(answer("4001").outcome, Outcome::Auth { .. }));
}

#[test]
fn an_answer_that_cannot_be_read_leaves_the_outcome_open() {
    let standard = standard();
    let outcome = |status| {
        let http = HttpAnswer { status, ..OK };
        standard.read_reply("rows.upsert", &http, None).outcome
    };
    assert!(matches!(outcome(200), Outcome::Unknown { .. }));
    assert!(matches!(outcome(502), Outcome::Unknown { .. }));
    assert!(matches!(outcome(503), Outcome::Retry { .. }));
    assert!(matches!(outcome(401), Outcome::Auth { .. }));
    assert!(matches!(outcome(418), Outcome::Unlisted { .. }));
}

#[test]
fn an_acceptance_without_its_receipt_confirms_nothing() {
    let text = "<Reply xmlns=\"urn:cascaded:model:reference-xml:1.0\"><Code>0000</Code></Reply>";
    let standard = standard();
    let document = read(standard, text.as_bytes());
    let reading = standard.read_reply("rows.upsert", &OK, Some(&document));
    assert_eq!(reading.outcome, Outcome::Unknown { code: "no-receipt.id".to_owned() });
    assert_eq!(reading.drift, [Drift::MissingPath("Reply/Receipt/@id".to_owned())]);
}

#[test]
fn an_unknown_field_or_verdict_code_is_drift() {
    let text = "<Reply xmlns=\"urn:cascaded:model:reference-xml:1.0\"><Code>0000</Code>\
                <Rows><Row key=\"a\"><Result>7</Result></Row></Rows><Extra>x</Extra></Reply>";
    let standard = standard();
    let document = read(standard, text.as_bytes());
    let reading = standard.read_reply("rows.verdict", &OK, Some(&document));
    assert_eq!(
        reading.verdicts,
        [RowJudgement { key: "a".to_owned(), verdict: None, batch: None, number: None }]
    );
    assert_eq!(
        reading.drift,
        [
            Drift::UnlistedValue("Reply/Rows/Row[]/Result".to_owned(), "7".to_owned()),
            Drift::UnknownPath("Reply/Extra".to_owned())
        ]
    );
}

#[test]
fn a_glob_matches_as_people_expect() {
    use super::super::reply::glob_matches;
    for (glob, code, fits) in [
        ("C-*", "C-10", true),
        ("C-*", "P-29", false),
        ("1", "1", true),
        ("1", "10", false),
        ("*-00?", "res-00?", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXcYb", false),
        ("*", "", true),
    ] {
        assert_eq!(glob_matches(glob, code), fits, "{glob} {code}");
    }
}

proptest! {
    #[test]
    fn no_reply_panics(text in "(<[A-Za-z/]{1,9}( key=\"[a-z]\")?>|[0-9a-z]{0,4}){0,12}") {
        let standard = standard();
        if let Ok(document) = wire::read(standard.media(), text.as_bytes(), &Limits::default()) {
            let reading = standard.read_reply("rows.verdict", &OK, Some(&document));
            let is_accepted = matches!(reading.outcome, Outcome::Accepted { .. });
            prop_assert!(!is_accepted);
        }
    }
}

#[test]
fn a_refusal_for_a_code_list_tells_of_a_changed_dictionary() {
    let mut files = super::shipped();
    let text = String::from_utf8(files.remove("standard.toml").unwrap()).unwrap();
    let text = text.replacen("[reply]\n", "[reply]\ndictionary = [\"301*\"]\n", 1);
    files.insert("standard.toml".to_owned(), text.into_bytes());
    let listed = load(&files).unwrap();
    let document = read(&listed, &sample_file("refused.reply.xml"));
    let told = listed.read_reply("entry.modify", &OK, Some(&document));
    assert!(matches!(&told.outcome, Outcome::Refused { code, .. } if code == "3012"), "{told:?}");
    assert_eq!(told.drift, [Drift::RefusedCode("3012".to_owned())]);
    assert_eq!(reading("entry.modify", "refused.reply.xml").drift, []);
}
