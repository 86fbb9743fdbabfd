//! The mending list: whose faults are listed, and what speaks against closing one.

use std::collections::BTreeMap;

use super::*;
use crate::catalogue::{Content, Kind, Object, Resource, ResourceKind};
use crate::ledger::{Closing, MendState, NewMending, Overdue, Seen};

fn fault(number: u32, owner: &str, object: &str) -> NewMending {
    NewMending {
        list: "guides".to_owned(),
        number: number.to_string(),
        owner: owner.to_owned(),
        object: object.to_owned(),
        told: Timestamp::from_second(1_790_000_000).unwrap(),
        deadline: Timestamp::from_second(1_790_600_000).unwrap(),
        body: vec![1],
    }
}

fn seen(bench: &Bench, ledger: &Ledger, number: &str) -> Seen {
    let all = ledger.mendings("guides".to_owned(), (None, None), 0, 100);
    let (faults, _) = bench.run(all).unwrap();
    faults.into_iter().find(|(_, it, _)| it.number == number).unwrap().2
}

#[test]
fn a_departments_faults_are_listed_page_by_page_whoever_else_has_some() {
    let bench = Bench::new();
    let ledger = bench.open();
    let owner = |at: u32| if at.is_multiple_of(3) { "民政局" } else { "住建局" };
    let faults = (1..=20).map(|at| fault(at, owner(at), "")).collect();
    bench.run(ledger.mendings_brought(faults)).unwrap();
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let whose = (Some(MendState::Open), Some("民政局".to_owned()));
        let page = ledger.mendings("guides".to_owned(), whose, after, 2);
        let (page, total) = bench.run(page).unwrap();
        assert_eq!(total, 6, "of the department's, not of all");
        let Some((at, ..)) = page.last() else { break };
        assert!(page.len() == 2, "every page is full until the end");
        after = *at;
        found.extend(page.into_iter().map(|(_, it, _)| it.number));
    }
    assert_eq!(found, ["3", "6", "9", "12", "15", "18"]);
}

#[test]
fn what_is_overdue_or_has_rows_set_aside_is_not_closed_whatever_is_attached() {
    let bench = Bench::new();
    let ledger = bench.open();
    let resource = Resource {
        id: "r1".to_owned(),
        title: "R".to_owned(),
        kind: ResourceKind::Table,
        entry: "e1".to_owned(),
        dataset: Some("d1".to_owned()),
        table: "t".to_owned(),
        department_credit_code: String::new(),
    };
    let object = Object {
        region: "5119".to_owned(),
        department: "housing".to_owned(),
        content: Content::Resource(resource),
        supplied: BTreeMap::new(),
    };
    // No channel carries objects here: what is seen of `e1` and `r1` is their rows.
    bench.run(ledger.catalogue_read(vec![object], vec![(channel(), Vec::<Kind>::new())])).unwrap();
    let mut rejected = observation("d1");
    rejected.rejects = vec![reject(1, 1, RejectKind::Local)];
    bench.run(ledger.observed(rejected)).unwrap();
    bench.run(ledger.observed(observation("d2"))).unwrap();
    let faults = vec![
        fault(1, "a", "d1"),
        fault(2, "a", "r1"),
        fault(3, "a", "e1"),
        fault(4, "a", "d2"),
        fault(5, "a", "nobody-knows"),
    ];
    bench.run(ledger.mendings_brought(faults)).unwrap();
    for number in ["1", "2", "3"] {
        assert_eq!(seen(&bench, &ledger, number), Seen::Rejects(1), "{number}");
    }
    assert_eq!(seen(&bench, &ledger, "4"), Seen::Mended);
    assert_eq!(seen(&bench, &ledger, "5"), Seen::Nothing);
    let since = Timestamp::from_second(1_790_000_000).unwrap();
    let late = |since| vec![Overdue { flow: flow("d2"), since, ended: None }];
    bench.run(ledger.overdue_seen(late(Some(since)))).unwrap();
    assert_eq!(seen(&bench, &ledger, "4"), Seen::Overdue);
    let close = |number: &str| {
        let (list, number) = ("guides".to_owned(), number.to_owned());
        let proof = ledger.mending_proven(list.clone(), number.clone(), "a.pdf".to_owned());
        bench.run(proof).unwrap();
        bench.run(ledger.mending_closed(list, number)).unwrap()
    };
    assert_eq!(close("4"), Closing::NotMended(Seen::Overdue));
    assert_eq!(close("3"), Closing::NotMended(Seen::Rejects(1)));
    // Newer content is confirmed: nothing speaks against it any more.
    bench.run(ledger.overdue_seen(late(None))).unwrap();
    assert_eq!(close("4"), Closing::Closed);
    assert_eq!(close("5"), Closing::Closed, "of what nobody knows the proof is all there is");
}
