//! Shadow runs: one at a time on a channel, what another candidate had found is forgotten, and what
//! is kept stays bounded.

use super::opening::category;
use super::*;
use crate::delivery::LinkState;
use crate::ledger::{Shadow, ShadowAsked, ShadowObject, ShadowRows};

fn asked(standard: &str, with_rows: bool) -> Shadow {
    Shadow { channel: "province".to_owned(), standard: standard.to_owned(), with_rows }
}

fn ask(bench: &Bench, ledger: &Ledger, standard: &str, with_rows: bool) -> ShadowAsked {
    bench.run(ledger.shadow_asked(asked(standard, with_rows), "a test".to_owned())).unwrap()
}

fn object() -> ShadowObject {
    ShadowObject {
        key: category("a").key(),
        outcome: "accepted".to_owned(),
        code: String::new(),
        field: String::new(),
        said: Some(DigestSha256::of(b"said")),
        upper_id: Some("T-1".to_owned()),
        upper_state: Some(LinkState::InReview),
    }
}

fn known(bench: &Bench, ledger: &Ledger) -> Vec<ShadowObject> {
    bench.run(ledger.shadow_objects(channel())).unwrap()
}

#[test]
fn one_run_at_a_time_and_what_it_found_lasts_until_another_candidate_is_tried() {
    let bench = Bench::new();
    let ledger = bench.open();
    let mark = bench.run(ledger.catalogue_mark()).unwrap();
    let read = ledger.catalogue_read(vec![category("a")], vec![(channel(), Vec::new())]);
    bench.run(read).unwrap();
    assert_ne!(bench.run(ledger.catalogue_mark()).unwrap(), mark);
    let ShadowAsked::Made(first) = ask(&bench, &ledger, "x/2", false) else { panic!("made") };
    assert_eq!(ask(&bench, &ledger, "x/2", false), ShadowAsked::Known(first));
    assert_eq!(ask(&bench, &ledger, "x/2", true), ShadowAsked::Busy(first));
    bench.run(ledger.shadow_seen(channel(), vec![object()])).unwrap();
    bench.run(ledger.shadow_stands(first, Some("connect-failed".to_owned()))).unwrap();
    drop(ledger);

    // A restart finds it as it was; ended and begun again, it goes on with what it knew.
    let ledger = bench.open();
    let open = bench.run(ledger.open_shadows()).unwrap();
    assert_eq!((open.len(), open[0].result.as_deref()), (1, Some("connect-failed")));
    assert_eq!(known(&bench, &ledger), [object()]);
    assert!(bench.run(ledger.job_cancelled(first)).unwrap());
    assert_eq!(bench.run(ledger.open_shadows()).unwrap(), []);
    assert!(!bench.run(ledger.last_shadow(channel())).unwrap().unwrap().running);
    let ShadowAsked::Made(second) = ask(&bench, &ledger, "x/2", true) else { panic!("made") };
    assert_eq!(known(&bench, &ledger), [object()]);
    bench.run(ledger.shadow_ended(second, "gone (E-SHADOW-TEST)".to_owned())).unwrap();
    assert!(matches!(ask(&bench, &ledger, "x/3", false), ShadowAsked::Made(_)));
    assert_eq!(known(&bench, &ledger), []);
}

#[test]
fn what_left_the_catalogue_is_forgotten_by_the_next_run() {
    let bench = Bench::new();
    let ledger = bench.open();
    bench.run(ledger.shadow_seen(channel(), vec![object()])).unwrap();
    assert!(matches!(ask(&bench, &ledger, "x/2", false), ShadowAsked::Made(_)));
    assert_eq!(known(&bench, &ledger), [], "no object of this name stands in the catalogue");
}

#[test]
fn codes_beyond_the_bound_are_counted_together() {
    let bench = Bench::new();
    let ledger = bench.open();
    let seen = |code: String, rows: u64| {
        let (dataset, outcome) = ("houses".to_owned(), "refused".to_owned());
        let rows = ShadowRows { dataset, outcome, code, rows };
        bench.run(ledger.shadow_rows_seen(channel(), rows)).unwrap();
    };
    (0..60).for_each(|code| seen(format!("{code:02}"), 2));
    seen("00".to_owned(), 5);
    let found = bench.run(ledger.shadow_rows(channel())).unwrap();
    assert_eq!(found.len(), 51);
    assert_eq!((found[0].code.as_str(), found[0].rows), ("00", 7));
    let other = found.iter().find(|it| it.code == "…").unwrap();
    assert_eq!(other.rows, 20);
}
