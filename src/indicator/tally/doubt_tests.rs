//! What is doubted does not count, an approval makes it count again, and honest work loses nothing.

use proptest::prelude::*;

use super::*;
use crate::indicator::doubts::{Doubt, doubts};
use crate::indicator::field::Field;
use crate::indicator::measures::{Figures, MEASURES};
use crate::indicator::replay::{Given, span};
use crate::indicator::scheme::Scheme;
use crate::indicator::{history, lists};

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2,d2,婚姻登记信息（一）,民政局,本级,每周,yes,no,no
e3,r3,d3,婚姻登记信息（二）,民政局,本级,每周,yes,no,no
e4,r4,d4,婚姻登记信息2025年,民政局,本级,每周,yes,no,no
e5,r5,d5,学校名录,教育局,甲县,每月,yes,no,no
";
/// Everything stands above and is fresh, rows pass, requests are dealt with in days.
const HONEST: &str = "\
occurred,kind,subject,channel,fields,basis
2026-02-01T08:00,link,entry:e1,p,from=sent; to=accepted,model
2026-02-01T08:00,link,entry:e2,p,from=sent; to=accepted,model
2026-02-01T08:00,link,entry:e3,p,from=sent; to=accepted,model
2026-02-01T08:00,link,entry:e4,p,from=sent; to=accepted,model
2026-02-01T08:00,link,entry:e5,p,from=sent; to=accepted,model
2026-02-01T08:00,link,resource:r1,p,from=sent; to=accepted,model
2026-02-01T08:00,link,resource:r2,p,from=sent; to=accepted,model
2026-02-01T08:00,link,resource:r3,p,from=sent; to=accepted,model
2026-02-01T08:00,link,resource:r4,p,from=sent; to=accepted,model
2026-02-01T08:00,link,resource:r5,p,from=sent; to=accepted,model
2026-02-02T08:00,confirmed,d1,p,rows=500; evidence=receipt,model
2026-02-02T08:00,confirmed,d2,p,rows=90; evidence=receipt,model
2026-02-02T08:00,confirmed,d3,p,rows=90; evidence=receipt,model
2026-02-02T08:00,confirmed,d4,p,rows=90; evidence=receipt,model
2026-02-02T08:00,confirmed,d5,p,rows=90; evidence=receipt,model
2026-03-02T08:00,pass-completed,d1,p,lane=backfill; seen=500; changed=40; rejected=10,model
2026-03-02T09:00,verdict,d1,p,passed=30; failed=10,model
2026-03-02T08:00,rule-counted,d1,p,rule=length a; executed=40; broken=10; waived=1,model
2026-03-03T08:00,case-opened,q1,,list=requests; owner=自规局; deadline=2026-03-13T18:00,model
2026-03-06T10:00,case-closed,q1,,list=requests; proof=回函,model
2026-03-03T08:00,case-opened,q2,,list=requests; owner=自规局; deadline=2026-03-13T18:00,model
2026-03-16T10:00,case-closed,q2,,list=requests; proof=回函,model
";
/// Without the entries of one title, which are doubted by the lists alone.
fn honest_lists(exemptions: &str) -> Lists {
    let text = OBLIGATIONS.replace("（一）", "一览甲").replace("（二）", "撤销乙");
    let head = "entry,measure,from,until,reason,approval\n";
    Lists {
        obligations: lists::obligations("o.csv", &text).unwrap(),
        exemptions: lists::exemptions("e.csv", &format!("{head}{exemptions}")).unwrap(),
        ..Lists::default()
    }
}

fn split_lists(exemptions: &str) -> Lists {
    let obligations = lists::obligations("o.csv", OBLIGATIONS).unwrap();
    Lists { obligations, ..honest_lists(exemptions) }
}

fn scheme() -> Scheme {
    let text = include_str!("../../../config/schemes/model-2026.toml");
    Scheme::parse("model-2026.toml", text).unwrap()
}

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn facts(more: &str) -> Vec<Fact> {
    let text = format!("{HONEST}{more}");
    history::parse("f.csv", &text, "t").unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn figures(facts: &[Fact], lists: &Lists, of: &str) -> Figures {
    let field = Field::default();
    Given { facts, lists, field: &field }.figures(&scheme(), month(of), &Body::City, Timestamp::MAX)
}

fn parts(figures: &Figures, name: &str) -> (u64, u64) {
    figures.get(name).and_then(|it| it.parts).unwrap_or_else(|| panic!("{name}"))
}

/// The measures that a doubt speaks of in its findings.
fn speaks(figures: &Figures, doubt: Doubt) -> Vec<&str> {
    let holds = |it: &&str| {
        figures.get(*it).is_some_and(|it| it.findings.iter().any(|it| it.doubt == Some(doubt)))
    };
    MEASURES.iter().map(|it| it.name).filter(holds).collect()
}

fn pass(dataset: &str, day: u32, fields: &str) -> String {
    format!(
        "2026-03-{day:02}T08:00,pass-completed,{dataset},p,lane=backfill; rejected=0; {fields},model\n"
    )
}

#[test]
fn an_honest_month_loses_nothing() {
    let figures = figures(&facts(""), &honest_lists(""), "2026-03");
    for (name, expect) in [
        ("catalogue.cascaded_rate", (5, 5)),
        ("resource.mounted_rate", (5, 5)),
        ("data.timely_rate", (5, 5)),
        ("data.passed_rate", (490, 500)),
        ("receipt.passed_rate", (30, 40)),
        ("valid.sound_rate", (30, 40)),
        ("request.timely_rate", (1, 2)),
        ("key.covered_rate", (1, 1)),
    ] {
        assert_eq!(parts(&figures, name), expect, "{name}");
    }
    assert!(Doubt::ALL.iter().all(|doubt| speaks(&figures, *doubt).is_empty()));
}

type Raised = (Doubt, String, &'static str, (u64, u64), &'static str);

/// Each doubt with the facts that raise it, the measure it takes from, what is left of that, and
/// what its approval is given for.
fn raised() -> Vec<Raised> {
    let touched = (5..11).map(|day| pass("d1", day, "seen=500; changed=500")).collect::<String>();
    // The honest month's reading found few rows changed: one such reading is enough for honest.
    let touched = touched.replace(",d1,", ",d5,")
        + "2026-03-11T08:00,verdict,d5,p,passed=3000; failed=0,model\n";
    let resent = pass("d1", 5, "seen=500; changed=0; resent=20");
    let filled = "2026-03-05T08:00,rule-counted,d1,p,rule=id-card x; executed=100; broken=80; waived=70,model\n";
    let made = "2026-03-09T08:00,case-opened,q9,,list=requests; owner=教育局; deadline=2026-03-19T18:00,model\n\
                2026-03-09T08:03,case-closed,q9,,list=requests; proof=x,model\n";
    vec![
        (Doubt::Resent, resent, "receipt.passed_rate", (10, 20), "e1"),
        (Doubt::Touched, touched.clone(), "data.timely_rate", (4, 5), "e5"),
        (Doubt::Touched, touched, "receipt.passed_rate", (530, 540), "e5"),
        (Doubt::Hollow, pass("d5", 6, "seen=1; changed=1"), "resource.mounted_rate", (4, 5), "e5"),
        (Doubt::Filled, filled.to_owned(), "data.passed_rate", (147, 157), "e1"),
        (Doubt::SelfMade, made.to_owned(), "request.timely_rate", (1, 2), "q9"),
    ]
}

#[test]
fn what_is_doubted_does_not_count_and_says_so() {
    for (doubt, more, name, expect, _) in raised() {
        let figures = figures(&facts(&more), &honest_lists(""), "2026-03");
        assert_eq!(parts(&figures, name), expect, "{doubt:?} {name}");
        assert!(speaks(&figures, doubt).contains(&name), "{doubt:?} {name}");
        let finding =
            figures[name].findings.iter().find(|it| it.doubt == Some(doubt)).unwrap().clone();
        let id = finding.evidence.rsplit(' ').next().unwrap();
        assert!(FactId::parse(id).is_some(), "{doubt:?}: {finding:?} names its fact");
    }
}

#[test]
fn an_approval_with_a_reason_answers_a_doubt_and_shows() {
    for (doubt, more, name, _, of) in raised() {
        let line =
            format!("{of},{},2026-01-01,,气象站逐时更新,市府办〔2026〕9 号\n", doubt.measure());
        let lists = honest_lists(&line);
        let answered = figures(&facts(&more), &lists, "2026-03");
        assert!(speaks(&answered, doubt).is_empty(), "{doubt:?}");
        assert_ne!(answered[name], figures(&facts(&more), &honest_lists(""), "2026-03")[name]);
        let span = span(&scheme(), month("2026-03"), Timestamp::MAX);
        let told = doubts(&facts(&more), &lists, span);
        let told: Vec<&str> = (told.iter().filter(|it| it.doubt == doubt))
            .map(|it| it.answered_by.as_str())
            .collect();
        assert_eq!(told, ["市府办〔2026〕9 号 · 气象站逐时更新"], "{doubt:?}");
    }
    let wrong = "entry,measure,from,until,reason,approval\ne1,doubt.nothing,2026-01-01,,r,a\n";
    assert!(lists::exemptions("e.csv", wrong).is_err());
}

#[test]
fn entries_that_were_split_count_once_and_hold_if_all_do() {
    let whole = figures(&facts(""), &split_lists(""), "2026-03");
    assert_eq!(parts(&whole, "catalogue.cascaded_rate"), (3, 3));
    assert_eq!(parts(&whole, "key.share"), (1, 3));
    assert_eq!(whole["catalogue.cascaded_rate"].findings.len(), 2, "two count no more");
    assert!(speaks(&whole, Doubt::Split).contains(&"resource.mounted_rate"));
    let down = "2026-03-09T08:00,link,entry:e3,p,from=accepted; to=withdrawn,model\n";
    let broken = figures(&facts(down), &split_lists(""), "2026-03");
    assert_eq!(parts(&broken, "catalogue.cascaded_rate"), (2, 3));
    // One answered for stands for itself, and two alike are no split.
    let answer = "e3,doubt.split,2026-01-01,,分年归档,批 3\n";
    let answered = figures(&facts(down), &split_lists(answer), "2026-03");
    assert_eq!(parts(&answered, "catalogue.cascaded_rate"), (4, 5));
    let span = span(&scheme(), month("2026-03"), Timestamp::MAX);
    let told = doubts(&facts(""), &split_lists(answer), span);
    assert_eq!(
        told.iter().map(|it| it.answered_by.as_str()).collect::<Vec<_>>(),
        ["批 3 · 分年归档"]
    );
}

#[test]
fn what_was_down_at_a_cut_off_counted_as_down_there() {
    let flapped = "2026-02-27T08:00,link,entry:e5,p,from=accepted; to=withdrawn,model\n\
                   2026-03-02T08:00,link,entry:e5,p,from=sent; to=accepted,model\n";
    let lists = honest_lists("");
    let (before, after) =
        (figures(&facts(""), &lists, "2026-02"), figures(&facts(flapped), &lists, "2026-02"));
    assert_eq!(parts(&before, "catalogue.cascaded_rate"), (5, 5));
    assert_eq!(parts(&after, "catalogue.cascaded_rate"), (4, 5));
    assert_eq!(parts(&after, "data.timely_rate"), parts(&before, "data.timely_rate"));
    let span = span(&scheme(), month("2026-03"), Timestamp::MAX);
    let told = doubts(&facts(flapped), &lists, span);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].doubt, told[0].subject.as_str()), (Doubt::Flapped, "entry:e5"));
}

#[test]
fn a_part_of_a_table_and_what_was_compared_tell_how_large_it_is_only_as_far_as_they_do() {
    let lists = honest_lists("");
    let mounted =
        |more: &str| parts(&figures(&facts(more), &lists, "2026-03"), "resource.mounted_rate");
    assert_eq!(mounted(&pass("d5", 6, "seen=1; changed=1; part=yes")), (5, 5));
    let compared =
        |rows| format!("2026-03-06T08:00,reconciled,d5,p,compared={rows}; mismatched=0,model\n");
    assert_eq!(mounted(&compared(1)), (4, 5), "a table without whole readings");
    assert_eq!(mounted(&compared(0)), (5, 5), "nothing that could be compared says nothing");
    assert_eq!(mounted(&(compared(1) + &pass("d5", 7, "seen=90; changed=1"))), (5, 5));
}

/// Work as honest departments do it: tables of some size that change in part, or grow as a whole,
/// few waivers, requests that take their time.
fn any_honest() -> impl Strategy<Value = String> {
    let day = 1..29_u32;
    let dataset = prop::sample::select(vec!["d1", "d2", "d3", "d4", "d5"]);
    prop_oneof![
        (dataset.clone(), day.clone(), 21..400_u64, 0..90_u64).prop_map(|(of, day, seen, share)| {
            pass(of, day, &format!("seen={seen}; changed={}", seen * share / 100))
        }),
        // A table that is new is as large as it grew by, once.
        (dataset.clone(), day.clone()).prop_map(|(of, day)| {
            pass(of, day, &format!("seen={0}; changed={0}", 1000 * u64::from(day)))
        }),
        (dataset.clone(), day.clone(), 0..500_u64, 0..50_u64, 0..50_u64).prop_map(
            |(of, day, asked, broken, waived)| {
                let (broken, waived) = (asked * broken / 100, asked * waived / 100);
                format!("2026-03-{day:02}T08:00,rule-counted,{of},p,rule=length a; executed={asked}; broken={}; waived={waived},model\n", broken.max(waived))
            }
        ),
        (dataset, day.clone(), 0..90_u64, 0..9_u64).prop_map(|(of, day, passed, failed)| {
            format!("2026-03-{day:02}T09:00,verdict,{of},p,passed={passed}; failed={failed},model\n")
        }),
        (day, 0..90_u32, 11..600_u32).prop_map(|(day, number, minutes)| {
            let (hours, minutes) = (8 + minutes / 60, minutes % 60);
            format!(
                "2026-03-{day:02}T08:00,case-opened,h{number}-{day},,list=requests; owner=教育局; deadline=2026-03-30T18:00,model\n\
                 2026-03-{day:02}T{hours:02}:{minutes:02},case-closed,h{number}-{day},,list=requests; proof=x,model\n"
            )
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_honest_month_is_doubted(months in prop::collection::vec(any_honest(), 0..40)) {
        let (lists, facts) = (honest_lists(""), facts(&months.concat()));
        let span = span(&scheme(), month("2026-03"), Timestamp::MAX);
        prop_assert_eq!(doubts(&facts, &lists, span), []);
        let figures = figures(&facts, &lists, "2026-03");
        let findings = figures.values().flat_map(|it| &it.findings);
        prop_assert!(findings.into_iter().all(|it| it.doubt.is_none()));
    }

    #[test]
    fn sending_the_same_rows_again_raises_no_rate(
        months in prop::collection::vec(any_honest(), 0..20),
        resent in 1..5_000_u64,
        share in 0..=100_u64,
    ) {
        let lists = honest_lists("");
        let before = facts(&months.concat());
        let again = pass("d1", 20, &format!("seen=500; changed=0; resent={resent}"))
            + &format!("2026-03-21T09:00,verdict,d1,p,passed={}; failed=0,model\n", resent * share / 100);
        let after = facts(&(months.concat() + &again));
        let (before, after) = (figures(&before, &lists, "2026-03"), figures(&after, &lists, "2026-03"));
        for name in ["receipt.passed_rate", "valid.usable_rate", "data.timely_rate", "resource.mounted_rate"] {
            prop_assert!(after[name].value <= before[name].value, "{}", name);
        }
    }
}
