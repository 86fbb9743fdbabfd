//! What a month's score costs over a year of facts.
//!
//! `cargo bench --bench score -- [FACTS [FOLDER]]` makes a ledger of 300 datasets in 20 departments
//! with about ten million facts of a year (or FACTS of them), then prints how long the last month
//! takes to be scored from the ledger, how long the live tally takes for a thousand new facts, and
//! how much memory the process needed at most while it scored (`VmHWM`, set back before). With a
//! FOLDER the ledger is made there and stays, and one that was made there before is scored again.
//! Nothing fails by being slow.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascaded::app::Judge;
use cascaded::clock::Clock;
use cascaded::config::{Indicator, IndicatorSettings};
use cascaded::delivery::{ChannelId, DigestSha256, Evidence, Lane, LinkState};
use cascaded::fact::Kind;
use cascaded::indicator::field::Field;
use cascaded::indicator::lists::{self, Lists};
use cascaded::indicator::replay::{score_of, span};
use cascaded::indicator::scheme::{Month, Scheme};
use cascaded::indicator::tally::Body;
use cascaded::ledger::seal::Sealer;
use cascaded::ledger::{Ledger, NewFact};
use cascaded::supervisor::Pool;
use jiff::{SignedDuration, Timestamp};

const DATASETS: u64 = 300;
const DEPARTMENTS: u64 = 20;
/// Facts of one dataset in one reading: a pass, a batch's verdict and confirmation, three rules.
const AT_ONCE: u64 = 6;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let wanted = arguments.next().map_or(10_000_000_u64, |it| it.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let passing = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or_else(|| passing.path().to_owned(), PathBuf::from);
    let start: Timestamp = "2026-01-01T00:00:00+08:00".parse().unwrap();
    let clock = Clock::manual(start);
    let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
    let is_made = folder.join("ledger.sqlite").exists();
    let ledger = Ledger::open(&folder, &sealer, clock.clone(), Pool::new(2)).unwrap();
    let readings = wanted / (DATASETS * AT_ONCE);
    let step = SignedDuration::from_hours(24 * 365) / i32::try_from(readings).unwrap();
    let (_, took) = timed(|| {
        runtime.block_on(async {
            if is_made {
                let passed = step * i32::try_from(readings).unwrap();
                clock.advance(Duration::try_from(passed).unwrap());
                return;
            }
            ledger.facts_recorded(links(start)).await.unwrap();
            for reading in 0..readings {
                ledger.facts_recorded(facts(reading, clock.now())).await.unwrap();
                clock.advance(Duration::try_from(step).unwrap());
            }
        });
    });
    println!("facts           {} in {took:.1?}", readings * DATASETS * AT_ONCE + DATASETS);
    let by = Arc::new(indicator());
    let judge = Judge::new(ledger.clone(), Arc::clone(&by));
    let month = Month::parse("2026-12").unwrap();
    // What was needed to make the facts is not what is measured.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    for round in 1..=3 {
        let (score, took) =
            timed(|| runtime.block_on(judge.score(month, &Body::City, clock.now())));
        let total = score.unwrap().total;
        println!("month, round {round}  {took:.2?} ({total} points), {} KiB at most", most_kib());
    }
    let scheme = judge.scheme(month).unwrap();
    let horizon = runtime.block_on(ledger.horizon(Timestamp::MAX)).unwrap();
    let whole = span(scheme, month, Timestamp::MAX);
    let mut tally = runtime.block_on(judge.tally_of(whole, horizon)).unwrap();
    runtime.block_on(ledger.facts_recorded(facts(0, clock.now()))).unwrap();
    let ((), took) = timed(|| {
        let facts = runtime.block_on(ledger.facts(horizon.last, 1_000)).unwrap();
        facts.iter().for_each(|(_, fact)| tally.add(fact));
        assert_eq!(facts.len(), 1_000);
    });
    println!("1000 new facts  {took:.2?}");
    let (_, took) = timed(|| score_of(&tally, scheme, &Body::City, &by.field));
    println!("score of tally  {took:.2?}");
}

/// Every entry and resource stands above.
fn links(at: Timestamp) -> Vec<NewFact> {
    let link = |subject| {
        let kind = Kind::Link { from: LinkState::Sent, to: LinkState::Accepted, code: None };
        fact(subject, kind, at)
    };
    (0..DATASETS).map(|at| link(format!("entry:e{at}"))).collect()
}

fn facts(reading: u64, at: Timestamp) -> Vec<NewFact> {
    let mut facts = Vec::new();
    for dataset in 0..DATASETS {
        let failed = u64::from((reading + dataset).is_multiple_of(50));
        let rule = |rule: &str| Kind::RuleCounted {
            rule: rule.to_owned(),
            executed: 100,
            broken: failed,
            waived: 0,
        };
        let kinds = [
            Kind::PassCompleted {
                lane: Lane::Live,
                seen: 100,
                changed: 10,
                rejected: failed,
                resent: 0,
                is_part: false,
            },
            Kind::Verdict { passed: 10 - failed, failed },
            Kind::Confirmed { rows: 10 - failed, evidence: Evidence::RowVerdict },
            rule("id-card id-card(card)"),
            rule("length length(name)"),
            rule("placeholder placeholder(name)"),
        ];
        facts.extend(kinds.map(|kind| fact(format!("d{dataset}"), kind, at)));
    }
    facts
}

fn fact(subject: String, kind: Kind, occurred: Timestamp) -> NewFact {
    let channel = Some(ChannelId::from("province"));
    NewFact { channel, subject, kind, occurred, amends: None }
}

fn indicator() -> Indicator {
    let mut table = "entry,resources,dataset,department,region,cycle,shared,open,key\n".to_owned();
    for at in 0..DATASETS {
        let department = at % DEPARTMENTS;
        table.push_str(&format!("e{at},r{at},d{at},dep{department},本级,每日,yes,no,no\n"));
    }
    let text = include_str!("../../config/schemes/model-2026.toml");
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
            obligations: lists::obligations("o.csv", &table).unwrap(),
            ..Lists::default()
        }),
        field: Field::default(),
        stated: Vec::new(),
        digest: DigestSha256::of(b"bench"),
        texts: std::collections::BTreeMap::new(),
    }
}

/// The most memory that this process has had.
fn most_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
