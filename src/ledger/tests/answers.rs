//! What the province says of an object, against messages that were under way meanwhile.

use super::opening::category;
use super::*;
use crate::catalogue::{Content, Kind, Object};
use crate::delivery::{Attempt, LinkState};
use crate::ledger::{Ended, Link};

/// The category, titled so.
fn titled(title: &str) -> Object {
    let mut object = category("a");
    if let Content::Category(category) = &mut object.content {
        title.clone_into(&mut category.title);
    }
    object
}

fn read(bench: &Bench, ledger: &Ledger, object: Object) {
    let parts = vec![(channel(), vec![Kind::Category])];
    bench.run(ledger.catalogue_read(vec![object], parts)).unwrap();
}

fn link(bench: &Bench, ledger: &Ledger) -> Link {
    bench.run(ledger.link(channel(), category("a").key())).unwrap().unwrap()
}

/// Packs and begins to send the object as it is wanted now.
fn begun(bench: &Bench, ledger: &Ledger) -> Attempt {
    let subject = Subject::Object { kind: "category".to_owned(), id: "a".to_owned() };
    let new = batch(ledger, subject, 1, Evidence::Receipt);
    let id = new.id;
    bench.run(ledger.object_packed(new, link(bench, ledger).wanted)).unwrap();
    bench.run(ledger.attempt_begun(id, DigestSha256::of(b"sent"))).unwrap()
}

fn taken() -> Ended {
    Ended::Taken { receipt: None, upper_id: Some("7".to_owned()), adopted: false }
}

#[test]
fn what_is_said_of_an_object_never_meets_a_message_that_was_sent_meanwhile() {
    let bench = Bench::new();
    let ledger = bench.open();
    read(&bench, &ledger, titled("住房"));
    let first = begun(&bench, &ledger);
    bench.run(ledger.attempt_ended(first, taken())).unwrap();
    // The province is asked where the object stands; before it answers, the object is another one
    // and its message is under way.
    let asked = link(&bench, &ledger);
    assert_eq!(asked.state, LinkState::Accepted);
    bench.clock.advance(std::time::Duration::from_secs(1));
    read(&bench, &ledger, titled("住宅"));
    let second = begun(&bench, &ledger);
    let said = "in_review".to_owned();
    let seen = ledger.object_state_seen(channel(), asked.clone(), LinkState::InReview, said);
    assert!(!bench.run(seen).unwrap(), "the answer is about another version");
    assert!(!bench.run(ledger.object_lost(channel(), asked)).unwrap());
    assert_eq!(link(&bench, &ledger).state, LinkState::Sent);
    // Changed once more while it is under way, it is still the message's own answer that counts.
    read(&bench, &ledger, titled("房屋"));
    bench.run(ledger.attempt_ended(second, taken())).unwrap();
    let now = link(&bench, &ledger);
    assert_eq!(now.state, LinkState::Stale);
    // What is said while nothing is under way is recorded.
    read(&bench, &ledger, titled("住宅"));
    let third = begun(&bench, &ledger);
    bench.run(ledger.attempt_ended(third, taken())).unwrap();
    let asked = link(&bench, &ledger);
    let said = "in_review".to_owned();
    let seen = ledger.object_state_seen(channel(), asked, LinkState::InReview, said);
    assert!(bench.run(seen).unwrap());
    assert_eq!(link(&bench, &ledger).state, LinkState::InReview);
}
