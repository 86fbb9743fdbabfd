//! What is read from the ledger gives what all its facts give.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::config::IndicatorSettings;
use crate::delivery::{ChannelId, DigestSha256, Evidence, Lane, LinkState, StandardId};
use crate::fact::Kind;
use crate::indicator::doubts::doubts;
use crate::indicator::field::Field;
use crate::indicator::forecast::{Habits, forecast};
use crate::indicator::lists::{self, Lists};
use crate::indicator::replay::Given;
use crate::ledger::NewFact;
use crate::ledger::seal::Sealer;
use crate::supervisor::Pool;

pub(super) const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2,d2,商品房网签,住建局,本级,每周,yes,no,no
e3,,d3,社会组织,民政局,甲县,每月,no,no,yes
";

pub(in crate::app) fn indicator(obligations: &str) -> Indicator {
    let text = include_str!("../../../config/schemes/model-2026.toml");
    Indicator {
        settings: IndicatorSettings {
            scheme: "model-2026".to_owned(),
            schemes: "schemes".into(),
            lists: None,
            cities: None,
            values: None,
        },
        schemes: vec![Scheme::parse("model-2026.toml", text).unwrap()],
        lists: Arc::new(Lists {
            obligations: lists::obligations("o.csv", obligations).unwrap(),
            cases: lists::kept("k.csv", "list,since\nfeedback,2026-01\n").unwrap(),
            ..Lists::default()
        }),
        field: Field::default(),
        stated: Vec::new(),
        digest: DigestSha256::of(b"test"),
        texts: std::collections::BTreeMap::new(),
    }
}

fn list(yes: bool) -> String {
    if yes { "feedback" } else { "requests" }.to_owned()
}

/// A reading that may raise a doubt.
fn reading(count: u64, yes: bool) -> Kind {
    Kind::PassCompleted {
        lane: Lane::Live,
        seen: if yes { 20 } else { count % 4 },
        changed: if yes { 20 } else { 1 },
        rejected: count,
        resent: count / 2,
        is_part: count.is_multiple_of(7),
    }
}

/// A rule that may have been waived too often.
fn ruled(which: u8, count: u64, yes: bool) -> Kind {
    let rule = if which.is_multiple_of(2) { "id-card a" } else { "length b" }.to_owned();
    let waived = if yes { count * 2 } else { 0 };
    Kind::RuleCounted { rule, executed: count * 3, broken: count, waived }
}

/// A fact of one of the kinds that count, at an hour of the first months of 2026.
pub(super) fn any_fact() -> impl Strategy<Value = NewFact> {
    let which = (0..17_u8, 0..5_u8, 0..2400_i64, any::<bool>(), 0..20_u64);
    which.prop_map(|(kind, subject, hour, yes, count)| {
        let start: Timestamp = "2025-12-20T00:00:00+08:00".parse().unwrap();
        let at = |hour| start + SignedDuration::from_hours(hour);
        let deadline = at(hour / 24 * 24);
        let dataset = format!("d{subject}");
        let text = |text: &str| text.to_owned();
        let (subject, kind) = match kind {
            0 => (
                format!("entry:e{subject}"),
                Kind::Link {
                    from: LinkState::Sent,
                    to: if yes { LinkState::Accepted } else { LinkState::Refused },
                    code: None,
                },
            ),
            1 => (
                format!("resource:r{subject}"),
                Kind::Link {
                    from: LinkState::Sent,
                    to: if yes { LinkState::Published } else { LinkState::Stale },
                    code: None,
                },
            ),
            2 => (dataset, Kind::Confirmed { rows: count % 3, evidence: Evidence::Receipt }),
            3 => (dataset, Kind::Verdict { passed: count, failed: count % 4 }),
            4 => (dataset, Kind::OverdueFrom { deadline }),
            5 => (dataset, Kind::OverdueUntil { deadline }),
            6 => (dataset, reading(count, yes)),
            7 => (dataset, Kind::Reconciled { compared: 20, mismatched: count }),
            8 => (format!("resource:r{subject}"), Kind::Probed { succeeded: count, failed: 1 }),
            14 => (dataset, ruled(subject, count, yes)),
            9 => (
                format!("c{subject}"),
                Kind::CaseOpened { list: list(yes), owner: text("自规局"), deadline },
            ),
            10 => (format!("c{subject}"), Kind::CaseClosed { list: list(yes), proof: text("档") }),
            11 => {
                let standard = StandardId::from(if yes { "s/1" } else { "s/2" });
                let kind = if subject == 0 {
                    Kind::StandardRequired { standard }
                } else {
                    Kind::StandardInForce { standard }
                };
                (text("rows"), kind)
            }
            12 | 13 => promised(kind == 12, subject, yes, count),
            15 => (dataset, Kind::Unmended { here: count, above: count % 3 }),
            _ => (
                text("city"),
                Kind::Stated {
                    name: text("feedback_loss"),
                    month: text(if yes { "2026-02" } else { "2026-01" }),
                    value: count.into(),
                    source: text("通报"),
                },
            ),
        };
        let channel = yes.then(|| ChannelId::from("province"));
        NewFact { channel, subject, kind, occurred: at(hour), amends: None }
    })
}

/// Half of the cities' lists change their mind about a cycle, or leave an entry out.
fn promised(is_declared: bool, subject: u8, yes: bool, count: u64) -> (String, Kind) {
    let text = str::to_owned;
    let is_even = count.is_multiple_of(2);
    if !is_declared {
        let kind = Kind::Approved {
            what: text(if is_even { "cycle" } else { "listed" }),
            from: text(if is_even { "每日" } else { "yes" }),
            to: text(if is_even { "每月" } else { "no" }),
            reason: text("改造"),
            approval: text("批"),
        };
        return (text("e1"), kind);
    }
    let cycle = ["每日", "每月", "不定期"][usize::from(subject % 3)];
    let line = format!(
        "cycle={cycle}&share=yes&open=no&key=yes&dataset=d1&resources=r1&title=t\
         &department=自规局&region=本级"
    );
    let terms = if count.is_multiple_of(4) { String::new() } else { line };
    let entry = if yes { "entry:e1" } else { "entry:e7" };
    (text(entry), Kind::Declared { list: text("obligations"), terms })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_a_month_reads_of_the_ledger_gives_what_all_facts_give(
        first in prop::collection::vec(any_fact(), 1..120),
        late in prop::collection::vec((any_fact(), any::<prop::sample::Index>()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let clock = Clock::manual("2026-04-05T00:00:00Z".parse().unwrap());
            let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
            let ledger =
                Ledger::open(folder.path(), &sealer, clock.clone(), Pool::new(2)).unwrap();
            ledger.facts_brought(first).await.unwrap();
            let before = clock.now();
            clock.advance(std::time::Duration::from_secs(60));
            // Some are set right later.
            let known = ledger.facts(1, 1_000).await.unwrap();
            let late = late.into_iter().map(|(fact, of)| NewFact {
                amends: Some(of.get(&known).1.id.clone()),
                ..fact
            });
            ledger.facts_brought(late.collect()).await.unwrap();
            let by = Arc::new(indicator(OBLIGATIONS));
            let judge = Judge::new(ledger.clone(), Arc::clone(&by));
            let facts: Vec<Fact> =
                ledger.facts(0, 10_000).await.unwrap().into_iter().map(|(_, it)| it).collect();
            let given = Given { facts: &facts, lists: &by.lists, field: &by.field };
            let month = Month::parse("2026-02").unwrap();
            let bodies = [
                Body::City,
                Body::Region("本级".to_owned()),
                Body::Department("自规局".to_owned()),
                Body::Dataset("d2".to_owned()),
            ];
            for known_by in [before, clock.now()] {
                let span = span(judge.scheme(month).unwrap(), month, known_by);
                assert_eq!(
                    judge.tally(month, known_by).await.unwrap().doubts(),
                    doubts(&facts, &by.lists, span),
                );
                for body in &bodies {
                    let scheme = judge.scheme(month).unwrap();
                    assert_eq!(
                        judge.figures(month, body, known_by).await.unwrap(),
                        given.figures(scheme, month, body, known_by),
                    );
                    assert_eq!(
                        judge.score(month, body, known_by).await.unwrap(),
                        given.score(scheme, month, body, known_by),
                    );
                }
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_forecast_of_the_ledger_is_that_of_all_its_facts(
        first in prop::collection::vec(any_fact(), 1..120),
        late in prop::collection::vec((any_fact(), any::<prop::sample::Index>()), 0..6),
        day in 20..95_i64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            // In the middle of what happens: what occurs later is not known yet.
            let start: Timestamp = "2025-12-20T00:00:00.5+08:00".parse().unwrap();
            let clock = Clock::manual(start + SignedDuration::from_hours(24 * day));
            let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
            let pool = Pool::new(2);
            let ledger =
                Ledger::open(folder.path(), &sealer, clock.clone(), pool.clone()).unwrap();
            ledger.facts_brought(first).await.unwrap();
            clock.advance(std::time::Duration::from_secs(60));
            let known = ledger.facts(0, 1_000).await.unwrap();
            let late = late.into_iter().map(|(fact, of)| NewFact {
                amends: Some(of.get(&known).1.id.clone()),
                ..fact
            });
            ledger.facts_brought(late.collect()).await.unwrap();
            let by = Arc::new(indicator(OBLIGATIONS));
            let judge = Judge::new(ledger.clone(), Arc::clone(&by));
            let facts: Vec<Fact> =
                ledger.facts(0, 10_000).await.unwrap().into_iter().map(|(_, it)| it).collect();
            let now = clock.now();
            let month = judge.running(now).unwrap();
            let scheme = judge.scheme(month).unwrap().clone();
            let given = Given { facts: &facts, lists: &by.lists, field: &by.field };
            for body in [Body::City, Body::Department("自规局".to_owned())] {
                let tally = given.tally(&scheme, month, now);
                let habits = Habits::learn(&facts, tally.lists(), now);
                let expected = forecast(&tally, &habits, &scheme, &body, &by.field, 7);
                let (scheme, body) = (scheme.clone(), body.clone());
                let asked = Asked { scheme, month, body, seed: 7 };
                assert_eq!(judge.forecast(&pool, &asked, now).await.unwrap(), expected);
                // And of a few minutes later it is the same that is there.
                let ahead = Ahead::default();
                let kept = ahead.forecast(&judge, &pool, &asked, now).await.unwrap();
                assert_eq!(*kept, expected);
                let soon = now + SignedDuration::from_secs(299);
                let again = ahead.forecast(&judge, &pool, &asked, soon).await.unwrap();
                if soon < expected.cut_off {
                    assert!(Arc::ptr_eq(&kept, &again));
                    let later = now + SignedDuration::from_secs(300);
                    let other = ahead.forecast(&judge, &pool, &asked, later).await.unwrap();
                    assert!(!Arc::ptr_eq(&kept, &other));
                }
            }
        });
    }
}

#[tokio::test]
async fn the_same_row_brought_in_again_is_the_same_fact() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-04-05T00:00:00Z".parse().unwrap());
    let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
    let ledger = Ledger::open(folder.path(), &sealer, clock.clone(), Pool::new(2)).unwrap();
    let fact = |count| NewFact {
        channel: None,
        subject: "city".to_owned(),
        kind: Kind::Stated {
            name: "v".to_owned(),
            month: "2026-02".to_owned(),
            value: rust_decimal::Decimal::from(count),
            source: "通报".to_owned(),
        },
        occurred: "2026-03-08T00:00:00Z".parse().unwrap(),
        amends: None,
    };
    assert_eq!(ledger.facts_brought(vec![fact(1), fact(2), fact(1)]).await.unwrap(), 2);
    clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(ledger.facts_brought(vec![fact(2), fact(3)]).await.unwrap(), 1);
}
