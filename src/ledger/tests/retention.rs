//! What is over goes; what it amounted to stays.

use std::time::Duration;

use super::*;
use crate::ledger::{BatchFilter, Ended, Error, PassKind};

#[test]
fn what_is_over_goes_in_steps_and_no_figure_moves() {
    let bench = Bench::new();
    let ledger = bench.open();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let new = batch(&ledger, rows_of("houses"), 2, Evidence::Receipt);
        let id = new.id;
        ids.push(id);
        let seen = Observation { batches: vec![new], ..observation("houses") };
        bench.run(ledger.observed(seen)).unwrap();
        let sent = bench.run(ledger.attempt_begun(id, DigestSha256::of(b"sent"))).unwrap();
        let taken = Ended::Taken { receipt: None, upper_id: None, adopted: false };
        bench.run(ledger.attempt_ended(sent, taken)).unwrap();
    }
    let waiting = batch(&ledger, rows_of("houses"), 2, Evidence::Receipt);
    let seen = Observation { batches: vec![waiting.clone()], ..observation("houses") };
    bench.run(ledger.observed(seen)).unwrap();
    for _ in 0..2 {
        let asked = ledger.pass_asked(flow("houses"), owner(), PassKind::Compare, None, None);
        let number = bench.run(asked).unwrap();
        bench.run(ledger.pass_begun(number)).unwrap();
        bench.clock.advance(Duration::from_secs(1));
        let progress = Progress::Pass { number, rows_seen: 1, rows_gone: 0, finished: true };
        bench.run(ledger.observed(Observation { progress, ..observation("houses") })).unwrap();
    }
    // The fifth batch's file is still named: it stays.
    bench.run(ledger.spool_released(ids[..4].to_vec())).unwrap();
    let whole = bench.run(ledger.last_whole_pass(flow("houses"))).unwrap();
    let flows = bench.run(ledger.flows()).unwrap();
    let facts = bench.run(ledger.facts(0, 100)).unwrap().len();
    bench.clock.advance(Duration::from_hours(24 * 40));
    let before = bench.clock.now() - Duration::from_hours(24 * 30);
    let mut gone = Vec::new();
    loop {
        let retired = bench.run(ledger.retired(before, 3)).unwrap();
        if retired.is_empty() {
            break;
        }
        gone.push((retired.batches, retired.passes));
    }
    assert_eq!(gone, [(3, 1), (1, 0)]);
    assert!(matches!(bench.run(ledger.batch(ids[0])), Err(Error::NoBatch { .. })));
    let left = BatchFilter { limit: 9, ..BatchFilter::default() };
    let left = bench.run(ledger.batches(left)).unwrap();
    let left: Vec<BatchId> = left.iter().map(|waiting| waiting.batch.id).collect();
    assert_eq!(left, [waiting.id, ids[4]]);
    assert_eq!(bench.run(ledger.flows()).unwrap(), flows);
    assert_eq!(bench.run(ledger.last_whole_pass(flow("houses"))).unwrap(), whole);
    assert_eq!(bench.run(ledger.facts(0, 100)).unwrap().len(), facts);
}
