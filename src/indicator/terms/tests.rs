//! What counts of a promise, whatever is declared, approved and in which order it comes.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::indicator::field::Field;
use crate::indicator::lists;
use crate::indicator::replay::Given;
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::tally::Body;

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2,d2,商品房网签,住建局,本级,每周,yes,no,no
";

fn at(day: i8) -> Timestamp {
    format!("2026-03-{day:02}T08:00:00+08:00").parse().unwrap()
}

fn fact(number: u64, day: i8, subject: &str, kind: Kind) -> Fact {
    Fact {
        id: FactId { writer: "w".into(), day: date(2026, 3, 1), number },
        channel: None,
        kind,
        subject: subject.to_owned(),
        occurred: at(day),
        recorded: at(day),
        cause: None,
        amends: None,
    }
}

fn approved(what: &str, from: &str, to: &str) -> Kind {
    let text = str::to_owned;
    Kind::Approved {
        what: text(what),
        from: text(from),
        to: text(to),
        reason: text("源系统改造"),
        approval: text("市府办〔2026〕9 号"),
    }
}

/// The facts that a list makes on a day, after those that there are.
fn declare(facts: &mut Vec<Fact>, day: i8, table: &str) {
    let mut now = Wanted::default();
    now.obligations(&lists::obligations("o.csv", table).unwrap());
    declare_all(facts, day, &now);
}

fn declare_all(facts: &mut Vec<Fact>, day: i8, now: &Wanted) {
    let known = Terms::of(&*facts, Timestamp::MAX);
    for (subject, kind) in wanted(now, &known) {
        let number = u64::try_from(facts.len()).unwrap() + 1;
        facts.push(fact(number, day, &subject, kind));
    }
}

/// The row of `e1` with one word changed.
fn with(from: &str, to: &str) -> String {
    let (head, rows) = OBLIGATIONS.split_once('\n').unwrap();
    format!("{head}\n{}", rows.replacen(from, to, 1))
}

fn held(facts: &[Fact], table: &str, until: i8) -> Vec<Obligation> {
    let lists =
        Lists { obligations: lists::obligations("o.csv", table).unwrap(), ..Lists::default() };
    Terms::of(facts, Timestamp::MAX).hold(&lists, at(until)).obligations
}

/// `matter from → to`, who approved and whether it was taken back.
fn told(facts: &[Fact]) -> Vec<String> {
    let changes = Terms::of(facts, Timestamp::MAX).changes(at(28));
    let told = |it: &Change| {
        let by = it.approved.as_ref().map_or("nobody", |told| told.approval.as_str());
        let back = if it.taken_back.is_some() { ", taken back" } else { "" };
        let (list, matter) = (it.list.as_str(), it.matter.as_str());
        format!("{list} {} {matter} {} → {}: {by}{back}", it.subject, it.from, it.to)
    };
    changes.iter().map(told).collect()
}

#[test]
fn an_unapproved_lengthening_does_not_count_until_it_is_approved() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    let monthly = with("每日", "每月");
    declare(&mut facts, 10, &monthly);
    assert_eq!(facts.len(), 3, "what did not change is not declared again");
    let cycle = |facts: &[Fact], until| held(facts, &monthly, until)[0].cycle;
    assert_eq!(cycle(&facts, 28), Cycle::parse("每日"));
    assert_eq!(told(&facts), ["obligations e1 cycle 每日 → 每月: nobody"]);
    // For something else, and from something else.
    facts.push(fact(90, 11, "e2", approved("cycle", "每日", "每月")));
    facts.push(fact(91, 11, "e1", approved("share", "yes", "no")));
    facts.push(fact(92, 11, "e1", approved("cycle", "每周", "每月")));
    assert_eq!(cycle(&facts, 28), Cycle::parse("每日"));
    // As written by other words, from its day on.
    facts.push(fact(93, 20, "e1", approved("cycle", "按日", "每 1 月")));
    assert_eq!(cycle(&facts, 20), Cycle::parse("每日"));
    assert_eq!(cycle(&facts, 21), Cycle::parse("每月"));
    assert_eq!(told(&facts), ["obligations e1 cycle 每日 → 每月: 市府办〔2026〕9 号"]);
}

#[test]
fn what_is_made_stricter_counts_at_once_and_what_was_loosened_is_taken_back() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    declare(&mut facts, 5, &with("每日", "不定期"));
    declare(&mut facts, 8, &with("每日", "实时"));
    let now = with("每日", "实时");
    assert_eq!(held(&facts, &now, 6)[0].cycle, Cycle::parse("每日"));
    assert_eq!(held(&facts, &now, 9)[0].cycle, Cycle::parse("实时"));
    assert_eq!(told(&facts), ["obligations e1 cycle 每日 → 不定期: nobody, taken back"]);
    // Back to what it was is looser than what counts by now.
    declare(&mut facts, 12, OBLIGATIONS);
    assert_eq!(held(&facts, OBLIGATIONS, 13)[0].cycle, Cycle::parse("实时"));
}

#[test]
fn approvals_are_gone_along_as_far_as_they_lead() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    facts.push(fact(90, 2, "e1", approved("cycle", "每日", "每周")));
    facts.push(fact(91, 2, "e1", approved("cycle", "每周", "每月")));
    assert_eq!(held(&facts, OBLIGATIONS, 3)[0].cycle, Cycle::parse("每日"), "nobody asked yet");
    let yearly = with("每日", "每年");
    declare(&mut facts, 4, &yearly);
    assert_eq!(held(&facts, &yearly, 5)[0].cycle, Cycle::parse("每月"));
    assert_eq!(told(&facts), ["obligations e1 cycle 每日 → 每年: nobody"]);
    // Less than what counts is stricter again.
    let weekly = with("每日", "每周");
    declare(&mut facts, 6, &weekly);
    assert_eq!(held(&facts, &weekly, 7)[0].cycle, Cycle::parse("每周"));
}

#[test]
fn who_leaves_the_list_stays_on_it_until_it_is_approved() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    let without = "entry,department,cycle,shared,open,key\ne2,住建局,每周,yes,no,no\n";
    declare(&mut facts, 10, without);
    let entries = |facts: &[Fact]| {
        let held = held(facts, without, 28);
        held.iter().map(|it| format!("{} {}", it.entry, it.dataset)).collect::<Vec<_>>()
    };
    // Nor does it help to say that there are no rows.
    assert_eq!(entries(&facts), ["e2 d2", "e1 d1"]);
    assert_eq!(
        told(&facts),
        ["obligations e1 listed yes → no: nobody", "obligations e2 dataset yes → no: nobody"]
    );
    let gone = held(&facts, without, 28).pop().unwrap();
    assert_eq!((gone.title.as_str(), gone.department.as_str()), ("不动产登记", "自规局"));
    assert!(gone.is_key && gone.is_open && gone.is_shared);
    facts.push(fact(90, 12, "e1", approved("listed", "yes", "no")));
    facts.push(fact(91, 12, "e2", approved("dataset", "是", "否")));
    assert_eq!(entries(&facts), ["e2 "]);
    assert!(told(&facts).iter().all(|it| it.ends_with("9 号")));
}

#[test]
fn every_word_of_a_row_can_only_be_loosened_by_approval() {
    for (matter, from, to) in [
        ("share", "yes,yes,yes", "no,yes,yes"),
        ("open", "yes,yes,yes", "yes,no,yes"),
        ("key", "yes,yes,yes", "yes,yes,no"),
    ] {
        let mut facts = Vec::new();
        declare(&mut facts, 1, OBLIGATIONS);
        let loose = with(from, to);
        declare(&mut facts, 5, &loose);
        let counts = |facts: &[Fact]| {
            let it = held(facts, &loose, 28).remove(0);
            (it.is_shared, it.is_open, it.is_key)
        };
        assert_eq!(counts(&facts), (true, true, true), "{matter}");
        assert_eq!(told(&facts), [format!("obligations e1 {matter} yes → no: nobody")]);
        facts.push(fact(90, 6, "e1", approved(matter, "yes", "no")));
        assert_ne!(counts(&facts), (true, true, true), "{matter}");
    }
}

#[test]
fn the_catalogue_and_the_configured_datasets_are_watched_too() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    let mut now = Wanted::default();
    now.catalogue([["e1", "daily", "unconditional", "open"], ["e9", "daily", "none", "closed"]]);
    now.datasets([("d1", "每日"), ("d9", "每月")]);
    declare_all(&mut facts, 2, &now);
    let mut later = Wanted::default();
    later.catalogue([["e1", "每 2 日", "conditional", "open"]]);
    later.datasets([("d1", "每周")]);
    declare_all(&mut facts, 5, &later);
    // 无条件 → 有条件 → 不予共享.
    let mut last = Wanted::default();
    last.catalogue([["e1", "每 2 日", "none", "open"]]);
    declare_all(&mut facts, 6, &last);
    assert_eq!(
        told(&facts),
        [
            "catalogue e1 cycle daily → 每 2 日: nobody",
            "catalogue e1 share unconditional → conditional: nobody, taken back",
            "catalogue e9 entry yes → no: nobody",
            "datasets d1 cycle 每日 → 每周: nobody",
            "datasets d9 dataset yes → no: nobody",
            "catalogue e1 share unconditional → none: nobody",
        ]
    );
    let cycle = |facts: &[Fact]| Terms::of(facts, Timestamp::MAX).cycle_of("d1", at(28)).unwrap();
    assert_eq!(cycle(&facts), Cycle::parse("每日"));
    // An approval of the entry speaks for its dataset.
    facts.push(fact(90, 7, "e1", approved("cycle", "每日", "每周")));
    assert_eq!(cycle(&facts), Cycle::parse("每周"));
    assert_eq!(Terms::of(&facts, Timestamp::MAX).cycle_of("d7", at(28)), None);
}

#[test]
fn no_list_that_was_not_read_takes_anything_away() {
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    declare_all(&mut facts, 2, &Wanted::default());
    assert_eq!(facts.len(), 2);
}

#[test]
fn no_score_is_helped_by_what_nobody_approved_of() {
    let text = include_str!("../../../config/schemes/model-2026.toml");
    let scheme = Scheme::parse("model-2026.toml", text).unwrap();
    let field = Field::default();
    let score = |facts: &[Fact], table: &str| {
        let obligations = lists::obligations("o.csv", table).unwrap();
        let lists = Lists { obligations, ..Lists::default() };
        let given = Given { facts, lists: &lists, field: &field };
        let month = Month::parse("2026-03").unwrap();
        let total = given.score(&scheme, month, &Body::City, Timestamp::MAX).total;
        let figures = given.figures(&scheme, month, &Body::City, Timestamp::MAX);
        let parts: Vec<_> =
            figures.into_iter().map(|(name, it)| (name, it.value, it.parts)).collect();
        (total, parts)
    };
    let mut facts = Vec::new();
    declare(&mut facts, 1, OBLIGATIONS);
    // d1 was never confirmed, e1 never cascaded: it costs points of several items.
    let confirmed = Kind::Confirmed { rows: 1, evidence: crate::delivery::Evidence::Receipt };
    facts.push(fact(80, 2, "d2", confirmed));
    let before = score(&facts, OBLIGATIONS);
    let head = OBLIGATIONS.lines().next().unwrap();
    let second = OBLIGATIONS.lines().nth(2).unwrap();
    for loose in [
        with("每日", "不定期"),
        with("yes,yes,yes", "no,no,no"),
        with("r1,d1", "r1,"),
        format!("{head}\n{second}\n"),
    ] {
        let mut facts = facts.clone();
        declare(&mut facts, 10, &loose);
        let after = score(&facts, &loose);
        assert_eq!(after, before, "{loose}");
        for kind in [
            approved("listed", "yes", "no"),
            approved("cycle", "每日", "不定期"),
            approved("share", "yes", "no"),
            approved("open", "yes", "no"),
            approved("key", "yes", "no"),
            approved("dataset", "yes", "no"),
        ] {
            facts.push(fact(100 + u64::try_from(facts.len()).unwrap(), 11, "e1", kind));
        }
        assert_ne!(score(&facts, &loose), before, "approved, it counts: {loose}");
    }
}

/// Promises and approvals of few words about few subjects.
fn any_terms() -> impl Strategy<Value = Vec<(bool, usize, usize, usize, i8)>> {
    prop::collection::vec((any::<bool>(), 0..2_usize, 0..5_usize, 0..5_usize, 1..28_i8), 0..24)
}

const CYCLES: [&str; 5] = ["实时", "每日", "每周", "每月", "不定期"];

fn facts_of(drawn: &[(bool, usize, usize, usize, i8)]) -> Vec<Fact> {
    let fact_of = |(number, (is_approval, subject, one, other, day)): (
        u64,
        &(bool, usize, usize, usize, i8),
    )| {
        let entry = ["e1", "e2"][*subject];
        if *is_approval {
            return fact(number, *day, entry, approved("cycle", CYCLES[*one], CYCLES[*other]));
        }
        let row = format!("{},d{subject},t,dep,,{},yes,no,no", entry, CYCLES[*one]);
        let table = format!("entry,dataset,title,department,region,cycle,shared,open,key\n{row}\n");
        let obligation = lists::obligations("o.csv", &table).unwrap().remove(0);
        let terms = line::of_obligation(&obligation, &obligation.cycle.to_string());
        let terms = if *other == 4 { String::new() } else { terms };
        let kind = Kind::Declared { list: "obligations".to_owned(), terms };
        fact(number, *day, &format!("entry:{entry}"), kind)
    };
    (1..).zip(drawn).map(fact_of).collect()
}

proptest! {
    #[test]
    fn the_same_facts_promise_the_same_in_any_order(
        (facts, shuffled) in any_terms().prop_flat_map(|drawn| {
            let facts = facts_of(&drawn);
            (Just(facts.clone()), Just(facts).prop_shuffle())
        }),
        until in 1..28_i8,
    ) {
        prop_assert_eq!(held(&facts, OBLIGATIONS, until), held(&shuffled, OBLIGATIONS, until));
        let changes = |facts: &[Fact]| Terms::of(facts, Timestamp::MAX).changes(at(until));
        prop_assert_eq!(changes(&facts), changes(&shuffled));
    }

    #[test]
    fn without_an_approval_nothing_ever_becomes_looser(drawn in any_terms()) {
        let drawn: Vec<_> = drawn.into_iter().filter(|it| !it.0).collect();
        let facts = facts_of(&drawn);
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        for until in 2..28 {
            let held = Terms::of(&facts, Timestamp::MAX).hold(&Lists::default(), at(until));
            let now: BTreeMap<String, u64> = held.obligations.into_iter()
                .map(|it| (it.entry, it.cycle.minutes().unwrap_or(u64::MAX)))
                .collect();
            for (entry, minutes) in &before {
                prop_assert!(now.get(entry).is_some_and(|it| it <= minutes), "{} {}", entry, until);
            }
            before = now;
        }
    }
}

#[test]
fn an_approval_says_what_from_what_to_what_why_by_whom_and_when() {
    let text = "subject,what,from,to,reason,approved_by,date\n\
                e1,cycle,每日,每月,源系统改造,市府办〔2026〕9 号,2026-03-05\n\
                e1,share,无条件共享,不予共享,涉密,保密办,2026-03-05\n";
    let read = approvals("approvals.csv", text).unwrap();
    let facts = super::approved(&read, "approvals");
    assert_eq!(facts[0].occurred.to_string(), "2026-03-04T16:00:00Z");
    let Kind::Approved { what, from, to, reason, approval } = &facts[0].kind else { panic!() };
    let told = [what, from, to, reason, approval].map(String::as_str);
    assert_eq!(told, ["cycle", "每日", "每月", "源系统改造", "市府办〔2026〕9 号"]);
    let text = "subject,what,from,to,reason,approved_by,date\n\
                ,cycle,每日,每月,,,5.3.\n\
                e1,cykle,每日,每月,a,b,2026-03-05\n\
                e1,share,无条件,免费,a,b,2026-03-05\n\
                e1,cycle,每月,每日,a,b,2026-03-05\n";
    let problems: Vec<String> = approvals("approvals.csv", text)
        .unwrap_err()
        .iter()
        .map(|it| format!("{} {}: {}", it.line, it.column, it.what))
        .collect();
    assert_eq!(
        problems,
        [
            "2 subject: is empty",
            "2 reason: is empty",
            "2 approved_by: is empty",
            "2 date: `5.3.` is no date (`2026-11-01`)",
            "3 what: `cykle` is none of listed, entry, dataset, cycle, share, open, key, due",
            "4 to: `免费` is no `share`",
            "5 to: `每日` promises no less than `每月`: it needs no approval",
        ]
    );
}
