//! Watching and being live: what the ledger keeps, gives and refuses.

use super::*;
use crate::catalogue::Kind;
use crate::delivery::LinkState;
use crate::ledger::{Error, Watched, WatchedObjects, WatchedRows};

fn fresh(bench: &Bench) -> Ledger {
    Ledger::open(bench.path(), &bench.sealer, bench.clock.clone(), Pool::new(2)).unwrap()
}

#[test]
fn a_new_ledger_watches_and_what_it_was_told_survives_every_restart() {
    let bench = Bench::new();
    let ledger = fresh(&bench);
    assert_eq!(ledger.mode(), Mode::Watch);
    drop(ledger);
    // It was told nothing yet, so that the configuration's word may still count; once.
    let ledger = fresh(&bench);
    assert_eq!(bench.run(ledger.mode_begun(Mode::Watch)).unwrap(), Mode::Watch);
    assert_eq!(bench.run(ledger.mode_begun(Mode::Live)).unwrap(), Mode::Watch);
    drop(ledger);
    let ledger = fresh(&bench);
    assert_eq!(bench.run(ledger.mode_begun(Mode::Live)).unwrap(), Mode::Watch);
    assert!(bench.run(ledger.mode_set(Mode::Live)).unwrap());
    assert!(!bench.run(ledger.mode_set(Mode::Live)).unwrap(), "it was so already");
    drop(ledger);
    let ledger = fresh(&bench);
    assert_eq!(bench.run(ledger.mode_begun(Mode::Watch)).unwrap(), Mode::Live);
    assert_eq!(ledger.mode_since(), Some(bench.clock.now()));
}

#[test]
fn a_ledger_from_before_the_word_stays_live() {
    let bench = Bench::new();
    drop(bench.open());
    let connection = rusqlite::Connection::open(bench.path().join("ledger.sqlite")).unwrap();
    connection.execute("DELETE FROM meta WHERE name LIKE 'mode%'", []).unwrap();
    drop(connection);
    let ledger = fresh(&bench);
    assert_eq!(ledger.mode(), Mode::Live);
    assert_eq!(bench.run(ledger.mode_begun(Mode::Watch)).unwrap(), Mode::Live);
    ledger.permit().unwrap();
}

#[test]
fn while_it_watches_nothing_is_packed_attempted_or_permitted() {
    let bench = Bench::new();
    let ledger = bench.open();
    let packed = batch(&ledger, rows_of("houses"), 1, Evidence::Receipt);
    let seen = Observation { batches: vec![packed.clone()], ..observation("houses") };
    bench.run(ledger.observed(seen)).unwrap();
    bench.run(ledger.mode_set(Mode::Watch)).unwrap();
    assert!(matches!(ledger.permit(), Err(Error::Watching)));
    let begun = bench.run(ledger.attempt_begun(packed.id, packed.payload_digest));
    assert!(matches!(begun, Err(Error::Watching)));
    let more = batch(&ledger, rows_of("houses"), 1, Evidence::Receipt);
    let seen = Observation { batches: vec![more], ..observation("houses") };
    assert!(matches!(bench.run(ledger.observed(seen)), Err(Error::Watching)));
    let object = Subject::Object { kind: "entry".to_owned(), id: "e".to_owned() };
    let object = batch(&ledger, object, 1, Evidence::Receipt);
    assert!(matches!(bench.run(ledger.object_packed(object, None)), Err(Error::Watching)));
    // What breaks a rule is told all the same: it can be mended before anything leaves.
    let seen =
        Observation { rejects: vec![reject(9, 9, RejectKind::Local)], ..observation("houses") };
    bench.run(ledger.observed(seen)).unwrap();
    let counts = bench.run(ledger.flows()).unwrap()[0].counts;
    assert_eq!((counts.due, counts.queued, counts.rejected_local), (2, 1, 1));
    bench.run(ledger.mode_set(Mode::Live)).unwrap();
    ledger.permit().unwrap();
    bench.run(ledger.attempt_begun(packed.id, packed.payload_digest)).unwrap();
}

#[test]
fn figures_of_what_would_be_done_end_when_it_is_done() {
    let bench = Bench::new();
    let ledger = bench.open();
    bench.run(ledger.mode_set(Mode::Watch)).unwrap();
    let category = opening::category("a");
    let read =
        ledger.catalogue_read(vec![category.clone()], vec![(channel(), vec![Kind::Category])]);
    bench.run(read).unwrap();
    let rows = WatchedRows {
        here: 9,
        would_send: 7,
        would_delete: 1,
        rejected: 2,
        held: Some(3),
        absent: None,
        extra: None,
    };
    bench.run(ledger.rows_watched(flow("houses"), rows)).unwrap();
    bench.run(ledger.rows_watched(flow("houses"), WatchedRows { here: 10, ..rows })).unwrap();
    let objects = WatchedObjects {
        kind: Kind::Category,
        here: 1,
        would_register: 1,
        would_modify: 0,
        would_withdraw: 0,
        lacking: 0,
        held: None,
        adoptable: None,
        extra: Some(4),
    };
    bench.run(ledger.objects_watched(channel(), vec![objects])).unwrap();
    let at = bench.clock.now();
    let watched = bench.run(ledger.watched()).unwrap();
    assert_eq!(watched.rows, [(flow("houses"), WatchedRows { here: 10, ..rows }, at)]);
    assert_eq!(watched.objects, [(channel(), objects, at)]);
    bench.clock.advance(std::time::Duration::from_secs(86_400 * 30));
    bench.run(ledger.mode_set(Mode::Live)).unwrap();
    assert_eq!(bench.run(ledger.watched()).unwrap(), Watched::default());
    // A month of watching is no month of waiting to be registered.
    let link = bench.run(ledger.link(channel(), category.key())).unwrap().unwrap();
    assert_eq!((link.state, link.since), (LinkState::Unmapped, bench.clock.now()));
}
