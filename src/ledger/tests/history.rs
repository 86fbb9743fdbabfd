//! History is written with its events.

use std::time::Duration;

use super::*;
use crate::delivery::{LinkState, RejectKind};
use crate::fact::{JobAct, Kind};
use crate::ledger::{
    Actor, CutOver, CutOverAsked, Ended, Judged, MOST_DRIFT, NewAct, PassKind, Progress, Resync,
    RuleCount,
};

fn kinds(bench: &Bench, ledger: &Ledger) -> Vec<Kind> {
    let facts = bench.run(ledger.facts(1, 1_000)).unwrap();
    facts.into_iter().map(|(_, fact)| fact.kind).collect()
}

#[test]
fn one_line_per_observation_and_per_batch() {
    let bench = Bench::new();
    let ledger = bench.open();
    let new = batch(&ledger, rows_of("houses"), 3, Evidence::RowVerdict);
    let id = new.id;
    let seen = Observation {
        batches: vec![new],
        rejects: (5..9).map(|at| reject(at, 1, RejectKind::Local)).collect(),
        ..observation("houses")
    };
    bench.run(ledger.observed(seen)).unwrap();
    let sent = bench.run(ledger.attempt_begun(id, DigestSha256::of(b"sent"))).unwrap();
    let taken = Ended::Taken { receipt: None, upper_id: None, adopted: false };
    bench.run(ledger.attempt_ended(sent, taken)).unwrap();
    let verdicts = vec![
        Judged::Passed(key(1)),
        Judged::Passed(key(2)),
        Judged::Failed(reject(3, 1, RejectKind::Failed)),
    ];
    assert_eq!(bench.run(ledger.judged(id, verdicts.clone())).unwrap(), (true, 0));
    let code = "id-card".to_owned();
    let told = vec![
        Kind::Rejected { kind: RejectKind::Local, code: code.clone(), rows: 4 },
        Kind::Verdict { passed: 2, failed: 1 },
        Kind::Confirmed { rows: 2, evidence: Evidence::RowVerdict },
        Kind::Rejected { kind: RejectKind::Failed, code, rows: 1 },
    ];
    assert_eq!(kinds(&bench, &ledger), told);
    // The same verdicts again: no contradiction, no line.
    assert_eq!(bench.run(ledger.judged(id, verdicts)).unwrap(), (false, 0));
    assert_eq!(kinds(&bench, &ledger), told);
}

#[test]
fn a_job_is_told_from_its_request_to_its_last_pass() {
    let bench = Bench::new();
    let ledger = bench.open();
    let asked = Resync {
        flows: vec![(flow("houses"), owner())],
        kind: PassKind::Compare,
        since: None,
        approved: false,
        request: "{}".to_owned(),
        idempotency: Some("once".to_owned()),
        asked_by: "uid:0".to_owned(),
    };
    assert_eq!(bench.run(ledger.resync_asked(asked.clone())).unwrap(), (1, true));
    assert_eq!(bench.run(ledger.resync_asked(asked)).unwrap(), (1, false));
    let pass = bench.run(ledger.open_pass(flow("houses"))).unwrap().unwrap();
    bench.run(ledger.pass_begun(pass.number)).unwrap();
    let finished = || Observation {
        progress: Progress::Pass {
            number: pass.number,
            rows_seen: 9,
            rows_gone: 1,
            finished: true,
        },
        ..observation("houses")
    };
    bench.run(ledger.observed(finished())).unwrap();
    // A pass that is over is not over twice.
    bench.run(ledger.observed(finished())).unwrap();
    let by = "uid:0".to_owned();
    let expected = [
        Kind::Job { act: JobAct::Requested, by: by.clone() },
        Kind::PassCompleted {
            lane: Lane::Backfill,
            seen: 9,
            changed: 1,
            rejected: 0,
            resent: 0,
            is_part: false,
        },
        Kind::Job { act: JobAct::Completed, by },
    ];
    assert_eq!(kinds(&bench, &ledger), expected);
    assert_eq!(bench.run(ledger.job(1)).unwrap().unwrap().done, 1);
}

#[test]
fn what_is_sent_again_is_told_unless_it_is_another_message() {
    let bench = Bench::new();
    let ledger = bench.open();
    let asked = CutOver {
        channel: "upper".to_owned(),
        from: "s/1".to_owned(),
        to: "s/2".to_owned(),
        back: false,
        at: bench.clock.now(),
        beside: None,
        scopes: None,
    };
    let CutOverAsked::Made(cut_over) =
        bench.run(ledger.cut_over_asked(asked, "uid:0".to_owned(), None)).unwrap()
    else {
        panic!("not made")
    };
    let mut told = Vec::new();
    for (asked_by, kind) in [
        ("uid:0".to_owned(), PassKind::Resend),
        (format!("r-{cut_over:04}"), PassKind::Resend),
        ("uid:0".to_owned(), PassKind::Since),
    ] {
        let resync = Resync {
            flows: vec![(flow("houses"), owner())],
            kind,
            since: (kind == PassKind::Since).then(|| "2026-01-01".to_owned()),
            approved: false,
            request: "{}".to_owned(),
            idempotency: None,
            asked_by,
        };
        bench.run(ledger.resync_asked(resync)).unwrap();
        let pass = bench.run(ledger.open_pass(flow("houses"))).unwrap().unwrap();
        bench.run(ledger.pass_begun(pass.number)).unwrap();
        let (number, rows_gone) = (pass.number, 12);
        let progress = Progress::Pass { number, rows_seen: 9, rows_gone, finished: true };
        let seen = Observation { progress, resent: 7, ..observation("houses") };
        bench.run(ledger.observed(seen)).unwrap();
        let last = kinds(&bench, &ledger);
        let last = last.iter().rev().find_map(|it| {
            let Kind::PassCompleted { changed, resent, is_part, .. } = it else { return None };
            Some((*changed, *resent, *is_part))
        });
        told.push(last.unwrap());
    }
    assert_eq!(told, [(5, 7, false), (12, 0, false), (5, 7, true)]);
}

#[test]
fn a_pass_that_was_called_off_stays_so() {
    let bench = Bench::new();
    let ledger = bench.open();
    let asked = Resync {
        flows: vec![(flow("houses"), owner())],
        kind: PassKind::Compare,
        since: None,
        approved: false,
        request: "{}".to_owned(),
        idempotency: None,
        asked_by: "uid:0".to_owned(),
    };
    bench.run(ledger.resync_asked(asked)).unwrap();
    assert!(bench.run(ledger.job_cancelled(1)).unwrap());
    bench.run(ledger.pass_begun(1)).unwrap();
    assert!(!bench.run(ledger.pass_is_open(1)).unwrap());
}

#[test]
fn drift_is_told_once_and_a_standard_when_it_changes() {
    let bench = Bench::new();
    let ledger = bench.open();
    for _ in 0..3 {
        let details = vec!["C-47".to_owned()];
        let seen = ledger.drift_seen(channel(), "reply-code", "entry.modify".to_owned(), details);
        bench.run(seen).unwrap();
    }
    let standard = StandardId::from("a/1");
    for (digest, changed) in [(b"one", true), (b"one", false), (b"two", true)] {
        let spoken = ledger.standard_in_force(
            channel(),
            "all".to_owned(),
            standard.clone(),
            DigestSha256::of(digest),
        );
        assert_eq!(bench.run(spoken).unwrap(), changed);
    }
    let kinds = kinds(&bench, &ledger);
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(matches!(kinds[0], Kind::Drift { .. }));
}

#[test]
fn drift_is_bounded_counted_and_forgotten_with_its_standard() {
    let bench = Bench::new();
    let ledger = bench.open();
    let seen = |code: String, times| {
        let of = "rows.upsert".to_owned();
        bench.run(ledger.drift_counted(channel(), "reply-code", of, vec![(code, times)])).unwrap();
    };
    for at in 0..MOST_DRIFT + 20 {
        seen(format!("C-{at}"), 3);
    }
    seen("C-0".to_owned(), 4);
    let drift = bench.run(ledger.drift()).unwrap();
    assert_eq!(drift.len(), MOST_DRIFT as usize + 1);
    let count = |detail: &str| drift.iter().find(|it| it.detail == detail).map(|it| it.count);
    assert_eq!((count("C-0"), count("…")), (Some(7), Some(60)));
    let facts = kinds(&bench, &ledger).len();
    assert_eq!(facts, drift.len());
    let digest = DigestSha256::of(b"other");
    let spoken =
        ledger.standard_in_force(channel(), "*".to_owned(), StandardId::from("a/2"), digest);
    assert!(bench.run(spoken).unwrap());
    assert_eq!(bench.run(ledger.drift()).unwrap(), []);
}

#[test]
fn what_was_answered_is_counted_by_reason_and_within_its_span() {
    let bench = Bench::new();
    let ledger = bench.open();
    let away = |kind, rows| Kind::Rejected { kind, code: "P-1".to_owned(), rows };
    let told = [
        Kind::Confirmed { rows: 5, evidence: Evidence::Receipt },
        Kind::Placed { rows: 2 },
        Kind::Link { from: LinkState::Sent, to: LinkState::Exists, code: None },
        Kind::Link { from: LinkState::Accepted, to: LinkState::InReview, code: None },
        away(RejectKind::Local, 100),
        away(RejectKind::Refused, 3),
        away(RejectKind::Refused, 4),
        away(RejectKind::Failed, 6),
    ];
    let before = bench.clock.now();
    bench.clock.advance(Duration::from_secs(60));
    for kind in told {
        let write = ledger.write("tell", move |transaction, now| {
            super::super::history::record(transaction, Some(&channel()), "d", kind, now)
        });
        bench.run(write).unwrap();
    }
    let now = bench.clock.now();
    let span =
        |from, until, most| bench.run(ledger.answered(channel(), (from, until), most)).unwrap();
    let all = span(before, Timestamp::MAX, 100);
    let reason = |kind| (kind, "P-1".to_owned());
    assert_eq!((all.taken, all.total()), (8, 21));
    let expected = [(reason(RejectKind::Refused), 7), (reason(RejectKind::Failed), 6)];
    assert_eq!(all.turned_away, expected.into());
    assert_eq!(span(before, now, 100).total(), 0);
    assert_eq!(span(before, Timestamp::MAX, 2).total(), 10);
    let elsewhere = ledger.answered(ChannelId::from("other"), (before, Timestamp::MAX), 100);
    assert_eq!(bench.run(elsewhere).unwrap().total(), 0);
}

#[test]
fn acts_and_opened_originals_leave_a_trace() {
    let bench = Bench::new();
    let ledger = bench.open();
    let actor = Actor { uid: Some(0), gid: Some(0), pid: Some(7) };
    let name = "rejects_show".to_owned();
    let acted = NewAct { actor, name, detail: "1".to_owned(), ..NewAct::default() };
    bench.run(ledger.act_recorded(acted)).unwrap();
    let seen =
        Observation { rejects: vec![reject(5, 1, RejectKind::Local)], ..observation("houses") };
    bench.run(ledger.observed(seen)).unwrap();
    let shown = bench.run(ledger.original_opened(1, "uid:0".to_owned())).unwrap().unwrap();
    assert_eq!(shown.original, [1, 2, 3]);
    assert!(bench.run(ledger.original_opened(99, "uid:0".to_owned())).unwrap().is_none());
    let opened = Kind::OriginalOpened { by: "uid:0".to_owned(), key: key(5).to_string() };
    assert_eq!(kinds(&bench, &ledger).last(), Some(&opened));
    let acts = bench.run(ledger.acts(9)).unwrap();
    assert_eq!((acts.len(), acts[0].actor), (1, actor));
}

#[test]
fn a_dataset_is_known_as_of_the_beginning_of_its_newest_reading() {
    let bench = Bench::new();
    let ledger = bench.open();
    let begun = bench.clock.now();
    let observed = |as_of| {
        bench.run(ledger.observed(Observation { as_of, ..observation("houses") })).unwrap();
        bench.run(ledger.flows()).unwrap()[0].last_observed_at
    };
    bench.clock.advance(Duration::from_hours(3));
    assert_eq!(observed(begun), Some(begun), "and not when its page was recorded");
    let later = begun + Duration::from_hours(2);
    assert_eq!(observed(later), Some(later));
    assert_eq!(observed(begun), Some(later), "an older reading makes nothing older");
}

fn asked(executed: u64, broken: u64) -> RuleCount {
    RuleCount { rule: "id-card card".to_owned(), executed, broken, waived: 0 }
}

#[test]
fn what_rules_did_survives_a_crash_and_is_one_fact_an_hour() {
    let bench = Bench::new();
    let mut ledger = bench.open();
    bench.clock.advance(Duration::from_secs(1));
    for _page in 0..40 {
        let seen =
            Observation { rules: vec![asked(1_000, 2), asked(0, 0)], ..observation("houses") };
        bench.run(ledger.observed(seen)).unwrap();
        bench.clock.advance(Duration::from_secs(1));
        // Nobody is told before: the process ends after any page.
        drop(ledger);
        ledger = bench.open();
    }
    let last_page = bench.clock.now() - Duration::from_secs(1);
    let counted = |ledger: &Ledger| -> Vec<(Kind, Timestamp)> {
        let facts = bench.run(ledger.facts(0, 1_000)).unwrap().into_iter();
        let of = facts.filter(|(_, fact)| fact.kind.as_str() == "rule-counted");
        of.map(|(_, fact)| (fact.kind, fact.occurred)).collect()
    };
    assert_eq!(bench.run(ledger.rules_settled()).unwrap(), 0, "the hour is not over");
    bench.clock.advance(Duration::from_hours(1));
    // A page of the next hour does not count for the one before.
    let seen = Observation { rules: vec![asked(5, 5)], ..observation("houses") };
    bench.run(ledger.observed(seen)).unwrap();
    assert_eq!(bench.run(ledger.rules_settled()).unwrap(), 1);
    let rule = "id-card card".to_owned();
    let kind = Kind::RuleCounted { rule: rule.clone(), executed: 40_000, broken: 80, waived: 0 };
    assert_eq!(counted(&ledger), [(kind, last_page)]);
    assert_eq!(bench.run(ledger.rules_settled()).unwrap(), 0, "each is told once");
    bench.clock.advance(Duration::from_hours(1));
    assert_eq!(bench.run(ledger.rules_settled()).unwrap(), 1);
    let last = counted(&ledger).pop().unwrap().0;
    assert_eq!(last, Kind::RuleCounted { rule, executed: 5, broken: 5, waived: 0 });
    assert_eq!(bench.run(ledger.history_verified()).unwrap().1, Vec::<String>::new());
}

#[test]
fn rules_count_only_with_the_rows_they_were_asked_about() {
    let bench = Bench::new();
    let ledger = bench.open();
    // A batch that is known already: the whole transaction fails, and nothing of it is counted.
    let new = batch(&ledger, rows_of("houses"), 3, Evidence::Receipt);
    let seen = Observation {
        batches: vec![new.clone(), new],
        rules: vec![asked(3, 0)],
        ..observation("houses")
    };
    assert!(bench.run(ledger.observed(seen)).is_err());
    bench.clock.advance(Duration::from_hours(2));
    assert_eq!(bench.run(ledger.rules_settled()).unwrap(), 0);
}
