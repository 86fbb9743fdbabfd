//! Figures from facts: each measure once by hand, and the same whatever the order of facts.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::delivery::{Evidence, Lane, StandardId};
use crate::indicator::field::Field;
use crate::indicator::measures::{Figures, MEASURES};
use crate::indicator::replay::Given;
use crate::indicator::scheme::Scheme;
use crate::indicator::{history, lists};

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2 r3,d2,商品房网签,住建局,本级,每周,yes,no,no
e3,,,涉密目录,住建局,本级,每年,no,no,yes
e4,r4,d4,垂管系统数据,税务局,甲县,每月,yes,yes,no
e5,r5,d5,不定期数据,税务局,甲县,不定期,yes,no,no
";
const EXEMPTIONS: &str = "\
entry,measure,from,until,reason,approval
e4,*,2026-01-01,,国家垂管系统,市府办〔2026〕1 号
";

fn lists() -> Lists {
    Lists {
        obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
        exemptions: lists::exemptions("e.csv", EXEMPTIONS).unwrap(),
        bodies: Vec::new(),
        cases: lists::kept("k.csv", "list,since\nfeedback,2026-01\nuses,2026-03\n").unwrap(),
        ..Lists::default()
    }
}

const FACTS: &str = "\
occurred,kind,subject,channel,fields,basis,remark
2026-02-01T08:00,link,entry:e1,province,from=sent; to=accepted,model,
2026-03-02T08:00,link,entry:e2,province,from=sent; to=accepted,model,
2026-03-20T08:00,link,entry:e2,province,from=accepted; to=stale,model,
2026-03-05T08:00,link,entry:e3,province,from=queued; to=refused; code=C-1,model,
2026-02-02T08:00,link,resource:r1,province,from=sent; to=accepted,model,
2026-03-02T08:00,link,resource:r3,province,from=sent; to=refused,model,
2026-02-03T08:00,confirmed,d1,province,rows=10; evidence=row-verdict,model,
2026-02-03T08:00,confirmed,d2,province,rows=10; evidence=row-verdict,model,
2026-03-10T00:00,overdue-from,d1,province,deadline=2026-03-09T22:00,model,
2026-03-10T08:30,overdue-until,d1,province,deadline=2026-03-09T22:00,model,
2026-03-30T20:00,overdue-from,d2,province,deadline=2026-03-30T20:00,model,
2026-03-11T08:00,pass-completed,d1,province,lane=backfill; seen=90; changed=1; rejected=9,model,
2026-02-11T08:00,pass-completed,d1,province,lane=backfill; seen=90; changed=1; rejected=90,model,
2026-03-12T08:00,pass-completed,d2,province,lane=backfill; seen=10; changed=1; rejected=1,model,
2026-03-12T08:00,verdict,d1,province,passed=8; failed=2,model,
2026-03-12T08:00,probed,resource:r1,,succeeded=59; failed=1,model,
2026-03-13T08:00,reconciled,d1,province,compared=50; mismatched=25,model,
2026-03-14T08:00,reconciled,d1,province,compared=50; mismatched=0,model,
2026-03-14T08:00,reconciled,d2,province,compared=50; mismatched=1,model,
2026-03-01T09:00,case-opened,q1,,list=requests; owner=住建局; deadline=2026-03-10T18:00,model,
2026-03-10T18:00,case-closed,q1,,list=requests; proof=回函 1,model,
2026-03-01T09:00,case-opened,q2,,list=requests; owner=自规局; deadline=2026-03-12T18:00,model,
2026-03-12T18:01,case-closed,q2,,list=requests; proof=回函 2,model,
2026-03-01T09:00,case-opened,q3,,list=requests; owner=自规局; deadline=2026-04-12T18:00,model,
2026-02-28T00:00,stated,entry:e1,,name=uses; month=2026-02; value=3; source=统计,model,
2026-04-30T00:00,stated,d2,,name=uses; month=2026-04; value=9; source=统计,model,
2026-03-30T00:00,stated,resource:r4,,name=uses; month=2026-03; value=1; source=统计,model,
2026-03-30T00:00,stated,d5,,name=uses; month=2026-03; value=1; source=统计,model,
2026-03-31T00:00,stated,d5,,name=uses; month=2026-03; value=0; source=更正,model,
2026-01-01T00:00,standard-required,cascade,province,standard=s/1,model,
2026-01-01T00:00,standard-in-force,all,province,standard=s/1,model,
2026-03-16T12:00,standard-required,cascade,province,standard=s/2,model,
2026-03-17T18:59,standard-in-force,all,province,standard=s/2,model,
";

fn facts() -> Vec<Fact> {
    history::parse("facts.csv", FACTS, "test").unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn scheme() -> Scheme {
    let text = include_str!("../../../config/schemes/model-2026.toml");
    Scheme::parse("model-2026.toml", text).unwrap()
}

fn march() -> Month {
    Month::parse("2026-03").unwrap()
}

fn figures(facts: &[Fact], body: &Body) -> Figures {
    let (lists, field) = (lists(), Field::default());
    let given = Given { facts, lists: &lists, field: &field };
    given.figures(&scheme(), march(), body, Timestamp::MAX)
}

/// A figure as `value (of/all, exempt)`.
fn shown(figures: &Figures, name: &str) -> String {
    let Some(figure) = figures.get(name) else { return "none".to_owned() };
    let value = figure.value.map_or("absent".to_owned(), |value| value.round_dp(4).to_string());
    match figure.parts {
        Some((of, all)) => format!("{value} {of}/{all} -{}", figure.exempt),
        None => value,
    }
}

#[test]
fn each_measure_is_what_it_says() {
    let figures = figures(&facts(), &Body::City);
    for (name, expect) in [
        // e3 was refused, e5 never seen; e4 is exempt.
        ("catalogue.complete_rate", "0.5 2/4 -1"),
        // e2 is stale: the province holds an older version.
        ("catalogue.cascaded_rate", "0.25 1/4 -1"),
        // e3 is not shared; of e2 no resource stands above.
        ("resource.mounted_rate", "0.3333 1/3 -1"),
        // e5 has no countable cycle; d2 is overdue at the cut-off.
        ("data.timely_rate", "0.5 1/2 -1"),
        // 22:00 to 08:30 and 20:00 to midnight of the next day: 10.5 + 28 hours.
        ("data.overdue_hours", "38"),
        // February's pass is not March's.
        ("data.passed_rate", "0.9 90/100 -0"),
        ("receipt.passed_rate", "0.8 8/10 -0"),
        ("interface.available_rate", "0.9833 59/60 -0"),
        // On the minute is in time, a minute later is not; the third is due in April.
        ("request.timely_rate", "0.5 1/2 -0"),
        ("objection.timely_rate", "none"),
        ("cascade.current", "1"),
        ("cascade.lapsed_hours", "30"),
        // Of d1 the last comparison counts.
        ("reconcile.agreed_rate", "0.99 99/100 -0"),
        // e1 of e1 and e3.
        ("key.covered_rate", "0.5 1/2 -0"),
        ("key.share", "0.5 2/4 -1"),
        // e4 is exempt; e1 was called, e2 only in April; of e5 somebody took his word back.
        ("worth.used_rate", "0.3333 1/3 -1"),
        ("worth.distinct_rate", "1 4/4 -1"),
        // (1/3 + 59/60 + 8/10) / 3.
        ("valid.usable_rate", "0.7056"),
        ("open.cascaded_rate", "1 1/1 -1"),
        ("open.mounted_rate", "1 1/1 -1"),
        ("open.timely_rate", "1 1/1 -1"),
        ("cases.requests.open", "1"),
        ("cases.requests.late", "1"),
        // Kept and empty is none; a list that nobody keeps is not known.
        ("cases.feedback.late", "0"),
        ("cases.guides.late", "none"),
    ] {
        assert_eq!(shown(&figures, name), expect, "{name}");
    }
    assert!(MEASURES.iter().all(|it| figures.contains_key(it.name) || it.name.starts_with("obj")));
}

#[test]
fn a_finding_leads_to_the_dataset_the_hours_and_the_fact() {
    let figures = figures(&facts(), &Body::City);
    let finding = &figures["data.timely_rate"].findings[0];
    assert_eq!((finding.subject.as_str(), finding.owner.as_str()), ("d2", "住建局"));
    assert_eq!(finding.from.unwrap().to_string(), "2026-03-30T12:00:00Z");
    assert_eq!((finding.until, finding.evidence.as_str()), (None, "test/2026-03-30/11"));
}

#[test]
fn the_words_of_each_dataset_are_its_figures_and_their_days_sum_up() {
    let (facts, lists) = (facts(), lists());
    let span = crate::indicator::replay::span(&scheme(), march(), Timestamp::MAX);
    let mut tally = Tally::new(&lists, span, &BTreeSet::new());
    tally.keep_days();
    facts.iter().for_each(|fact| tally.add(fact));
    let words = tally.words();
    assert_eq!(words.len(), 4);
    for (id, words) in &words {
        let figures = tally.figures(&Body::Dataset(id.clone()));
        let value = |name: &str| figures[name].value;
        assert_eq!(words.truth, value("valid.true_rate"), "{id}");
        assert_eq!(words.soundness, value("valid.sound_rate"), "{id}");
        assert_eq!(words.usability, value("valid.usable_rate"), "{id}");
    }
    // d1: mounted, 59 of 60 answered, 8 of 10 passed; the last two on the 12th.
    assert_eq!(words["d1"].usability, Some(Decimal::from_str_exact("0.927778").unwrap()));
    let days = tally.by_day().of("d1");
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].0, date(2026, 3, 12));
    assert_eq!(days[0].1.usability, Some(Decimal::from_str_exact("0.891667").unwrap()));
    assert!(tally.by_day().of("d2").is_empty());
}

#[test]
fn an_entry_that_repeats_another_is_told_and_who_keeps_no_uses_has_none() {
    let table = "entry,dataset,title,department,region,cycle,shared,open,key\n\
                 e1,d1,行政许可,a,x,每日,yes,no,no\ne2,d2,行政 许可,a,x,每日,yes,no,no\n\
                 e3,d3,行政许可,b,x,每日,yes,no,no\ne4,d1,别名,b,y,每日,yes,no,no\n\
                 e5,,,a,x,每日,yes,no,no\ne6,,,a,x,每日,yes,no,no\n";
    let lists =
        Lists { obligations: lists::obligations("o.csv", table).unwrap(), ..Lists::default() };
    let field = Field::default();
    let given = Given { facts: &facts(), lists: &lists, field: &field };
    let figures = given.figures(&scheme(), march(), &Body::City, Timestamp::MAX);
    assert_eq!(shown(&figures, "worth.distinct_rate"), "0.6667 4/6 -0");
    let found: Vec<&str> =
        figures["worth.distinct_rate"].findings.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(found, ["entry:e2", "entry:e4"]);
    assert_eq!(shown(&figures, "worth.used_rate"), "none");
}

#[test]
fn a_department_answers_for_its_own() {
    let of = |body: Body, name: &str| shown(&figures(&facts(), &body), name);
    let department = |id: &str| Body::Department(id.to_owned());
    assert_eq!(of(department("自规局"), "data.timely_rate"), "1 1/1 -0");
    assert_eq!(of(department("住建局"), "data.timely_rate"), "0 0/1 -0");
    assert_eq!(of(department("住建局"), "request.timely_rate"), "1 1/1 -0");
    assert_eq!(of(department("住建局"), "cascade.current"), "none");
    assert_eq!(of(Body::Region("甲县".to_owned()), "catalogue.cascaded_rate"), "0 0/1 -1");
    assert_eq!(of(Body::Dataset("d1".to_owned()), "data.overdue_hours"), "10");
    assert_eq!(of(department("无此局"), "data.timely_rate"), "absent 0/0 -0");
}

#[test]
fn a_fact_that_was_set_right_does_not_count_and_a_late_one_only_when_it_is_known() {
    let mut facts = facts();
    let wrong =
        facts.iter().find(|fact| matches!(fact.kind, Kind::Verdict { .. })).unwrap().clone();
    let known_by = wrong.recorded;
    let amending = Fact {
        id: FactId { number: 99, ..wrong.id.clone() },
        kind: Kind::Verdict { passed: 10, failed: 0 },
        recorded: wrong.recorded + jiff::SignedDuration::from_hours(500),
        amends: Some(wrong.id),
        ..wrong
    };
    facts.insert(0, amending);
    assert_eq!(shown(&figures(&facts, &Body::City), "receipt.passed_rate"), "1 10/10 -0");
    let (lists, field) = (lists(), Field::default());
    let given = Given { facts: &facts, lists: &lists, field: &field };
    let before = given.figures(&scheme(), march(), &Body::City, known_by);
    assert_eq!(shown(&before, "receipt.passed_rate"), "0.8 8/10 -0");
}

#[test]
fn a_day_is_a_span_like_any_other() {
    let (lists, none) = (lists(), BTreeSet::new());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let span = Span {
        from: at("2026-03-11T00:00:00+08:00"),
        to: at("2026-03-12T00:00:00+08:00"),
        day: date(2026, 3, 11),
        month: march(),
        known_by: Timestamp::MAX,
    };
    let mut tally = Tally::new(&lists, span, &none);
    facts().iter().for_each(|fact| tally.add(fact));
    let figures = tally.figures(&Body::City);
    assert_eq!(shown(&figures, "data.passed_rate"), "0.9 81/90 -0");
    assert_eq!(shown(&figures, "data.timely_rate"), "1 2/2 -1");
    assert_eq!(shown(&figures, "data.overdue_hours"), "0");
}

#[test]
fn what_makes_data_look_better_does_not_count() {
    let before = figures(&facts(), &Body::City);
    let mut more = facts();
    let template = more[0].clone();
    // Resends, empty confirmations and a second closing of a late case move nothing.
    for (number, (subject, kind)) in (200..).zip([
        ("d2", Kind::Confirmed { rows: 0, evidence: Evidence::Receipt }),
        ("d2", Kind::Placed { rows: 500 }),
        ("d5", pass(0, 0, 0)),
        ("q2", Kind::CaseClosed { list: "requests".to_owned(), proof: "again".to_owned() }),
        ("other", Kind::StandardInForce { standard: StandardId::from("s/2") }),
    ]) {
        let id = FactId { number, ..template.id.clone() };
        let occurred = "2026-03-25T08:00:00+08:00".parse().unwrap();
        more.push(Fact { id, subject: subject.to_owned(), kind, occurred, ..template.clone() });
    }
    let after = figures(&more, &Body::City);
    for measure in MEASURES {
        assert_eq!(shown(&before, measure.name), shown(&after, measure.name), "{}", measure.name);
    }
}

fn pass(seen: u64, changed: u64, rejected: u64) -> Kind {
    let lane = Lane::Backfill;
    Kind::PassCompleted { lane, seen, changed, rejected, resent: 0, is_part: false }
}

fn case_list() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["feedback".to_owned(), "requests".to_owned()])
}

/// Facts of every kind that counts, about few subjects, so that they meet.
fn any_fact() -> impl Strategy<Value = Fact> {
    use crate::delivery::LinkState;
    let subject =
        prop::sample::select(vec!["entry:e1", "entry:e2", "resource:r1", "d1", "d2", "q1", "city"]);
    let second = 1_772_000_000_i64..1_776_000_000;
    let deadline =
        (1_772_000_000_i64..1_772_000_005).prop_map(|at| Timestamp::from_second(at).unwrap());
    let kind = prop_oneof![
        prop::sample::select(LinkState::ALL.to_vec()).prop_map(|to| Kind::Link {
            from: LinkState::Sent,
            to,
            code: None
        }),
        (0_u64..9).prop_map(|rows| Kind::Confirmed { rows, evidence: Evidence::Receipt }),
        (0_u64..9, 0_u64..9).prop_map(|(passed, failed)| Kind::Verdict { passed, failed }),
        (0_u64..9, 0_u64..9).prop_map(|(succeeded, failed)| Kind::Probed { succeeded, failed }),
        (0_u64..9, 0_u64..9)
            .prop_map(|(compared, mismatched)| Kind::Reconciled { compared, mismatched }),
        (0_u64..9, 0_u64..9, 0_u64..4, any::<bool>()).prop_map(
            |(seen, rejected, resent, is_large)| {
                let seen = if is_large { 90 + seen / 8 } else { seen };
                let (lane, changed, is_part) = (Lane::Backfill, seen, rejected == 0);
                Kind::PassCompleted { lane, seen, changed, rejected, resent, is_part }
            }
        ),
        (0_u64..90, 0_u64..90, any::<bool>()).prop_map(|(executed, waived, is_true)| {
            let rule = if is_true { "id-card a" } else { "length b" }.to_owned();
            Kind::RuleCounted { rule, executed, broken: waived, waived }
        }),
        deadline.clone().prop_map(|deadline| Kind::OverdueFrom { deadline }),
        deadline.clone().prop_map(|deadline| Kind::OverdueUntil { deadline }),
        (deadline, case_list()).prop_map(|(deadline, list)| Kind::CaseOpened {
            list,
            owner: "住建局".to_owned(),
            deadline,
        }),
        case_list().prop_map(|list| Kind::CaseClosed { list, proof: "p".to_owned() }),
        (1_u8..4).prop_map(|at| Kind::StandardRequired {
            standard: StandardId::from(format!("s/{at}").as_str())
        }),
        (1_u8..4).prop_map(|at| Kind::StandardInForce {
            standard: StandardId::from(format!("s/{at}").as_str())
        }),
        (0_i64..99).prop_map(|value| Kind::Stated {
            name: "v".to_owned(),
            month: "2026-03".to_owned(),
            value: Decimal::new(value, 1),
            source: "s".to_owned(),
        }),
    ];
    (subject, second, 0_i64..100, kind).prop_map(|(subject, at, later, kind)| Fact {
        id: FactId { writer: "any".into(), day: date(2026, 3, 1), number: 0 },
        channel: Some(ChannelId::from("province")),
        kind,
        subject: subject.to_owned(),
        occurred: Timestamp::from_second(at - at % 7200).unwrap(),
        recorded: Timestamp::from_second(at + later).unwrap(),
        cause: None,
        amends: None,
    })
}

proptest! {
    #[test]
    fn the_same_facts_give_the_same_score_in_any_order(
        (facts, shuffled) in prop::collection::vec((any_fact(), prop::option::weighted(0.1, 1_u64..20)), 0..60)
            .prop_map(|facts| {
                let number = |(number, (fact, amends)): (u64, (Fact, Option<u64>))| {
                    let id = |number| FactId { number, ..fact.id.clone() };
                    let amends = amends.filter(|earlier| *earlier < number).map(id);
                    Fact { id: id(number), amends, ..fact }
                };
                (1..).zip(facts).map(number).collect::<Vec<_>>()
            })
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
    ) {
        let (lists, field) = (lists(), Field::default());
        let scheme = scheme();
        for body in [Body::City, Body::Department("住建局".to_owned()), Body::Dataset("d1".to_owned())] {
            let of = |facts: &[Fact]| {
                let given = Given { facts, lists: &lists, field: &field };
                let figures = given.figures(&scheme, march(), &body, Timestamp::MAX);
                let score = given.score(&scheme, march(), &body, Timestamp::MAX);
                // Scale and sign of every decimal show as well.
                let doubts = given.tally(&scheme, march(), Timestamp::MAX).doubts();
                format!("{figures:?} {score:?} {doubts:?}")
            };
            prop_assert_eq!(of(&facts), of(&shuffled));
        }
    }
}
