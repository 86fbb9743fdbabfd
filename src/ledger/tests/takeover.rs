//! What becomes of a takeover's lines when people and the matching work at the same time.

use super::*;
use crate::ledger::{Takeover, TakeoverAsked, TakeoverLine, TakeoverPhase};
use crate::takeover::{Decision, Fate, How, Registration};

fn line(upper_id: &str) -> Registration {
    let text = str::to_owned;
    Registration {
        kind: text("entry"),
        upper_id: text(upper_id),
        code: text("e1"),
        title: String::new(),
        origin: text("export.csv:2"),
    }
}

/// As whoever matches says it: every line is the first entry's.
fn matched(lines: Vec<TakeoverLine>) -> Vec<(TakeoverLine, Fate)> {
    let fate = |it: &TakeoverLine| match it.said {
        Some(None) => Fate::MissingHere,
        Some(Some(_)) | None => Fate::Matched("e1".to_owned(), How::Code),
    };
    lines.into_iter().map(|it| (it.clone(), fate(&it))).collect()
}

#[test]
fn what_is_said_or_brought_while_lines_are_matched_is_matched_anew() {
    let bench = Bench::new();
    let ledger = bench.open();
    let asked = Takeover {
        channel: "province".to_owned(),
        kinds: vec!["entry".to_owned()],
        inventory: false,
    };
    let made = bench.run(ledger.takeover_asked(asked, "a test".to_owned())).unwrap();
    let TakeoverAsked::Made(job) = made else { panic!("{made:?}") };
    let phase = || bench.run(ledger.open_takeovers()).unwrap().first().unwrap().phase;
    let lines = || bench.run(ledger.takeover_lines(job)).unwrap();
    let bring = |it| bench.run(ledger.takeover_brought(job, vec![it], None)).unwrap();
    assert!(bring(line("U-1")));
    let (from, to) = (TakeoverPhase::Bringing, TakeoverPhase::Matching);
    assert!(bench.run(ledger.takeover_goes_on(job, from, to)).unwrap());
    // A line more than was matched.
    let before = lines();
    assert!(bring(line("U-2")));
    bench.run(ledger.takeover_matched(job, matched(before), 0)).unwrap();
    assert_eq!(phase(), TakeoverPhase::Matching);
    // A person says no to what was matched by its code.
    let before = lines();
    let no = Decision { kind: "entry".to_owned(), upper_id: "U-1".to_owned(), id: None };
    assert_eq!(bench.run(ledger.takeover_said(job, vec![no])).unwrap(), 1);
    bench.run(ledger.takeover_matched(job, matched(before), 0)).unwrap();
    assert_eq!(phase(), TakeoverPhase::Matching);
    assert!(lines().iter().all(|it| it.fate.is_none()), "{:?}", lines());
    // Nobody spoke meanwhile.
    bench.run(ledger.takeover_matched(job, matched(lines()), 0)).unwrap();
    assert_eq!(phase(), TakeoverPhase::Waiting);
    let fates: Vec<_> = lines().into_iter().map(|it| it.fate.unwrap()).collect();
    assert_eq!(fates, ["missing_here", "matched"]);
}
