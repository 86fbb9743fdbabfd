//! The real program, killed: at every named crash point, and at random moments in the middle of
//! what passes between it and the province. It is started again on what it left, and at the end
//! above is what the city has, once.
//!
//! `SEED=` repeats a run; `CASCADED_KILLS=` says how many random moments (default 25).

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::clock::Clock;
#[cfg(feature = "sabotage")]
use cascaded::rehearsal::{Fault, Play};

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::process::{End, Line};
use crate::support::town::{Dice, go_on, town, unannounced, wrong};

/// What may be in flight on a channel at once, as the standard says.
const IN_FLIGHT: u64 = 4;

/// The last daemon is one of this process, so that it can be asked when everything is done; what
/// stands above is compared then. A second run changes nothing: a replayed receipt is no news.
async fn mends_everything(city: &TestCity) {
    for _ in 0..2 {
        let daemon = TestDaemon::start(city.configuration(), &city.clock).await;
        let sight = daemon.looked_again().await;
        assert!(sight.rows.balance(), "{sight:?}");
        let found = cascaded::demo::compare(&daemon.app).await.unwrap();
        for found in found {
            assert_eq!((found.mismatched(), found.skipped), (0, None), "{found:?}");
        }
        daemon.stop().await;
        let nothing: [String; 0] = [];
        assert_eq!(wrong(city).await, nothing);
        assert_eq!(unannounced(city), nothing);
    }
}

/// Batches that came more than once, summed over the repetitions.
fn repeated(city: &TestCity) -> u64 {
    city.platform.times_received().unwrap().values().map(|times| times - 1).sum()
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_doubles_nothing() {
    let kills = std::env::var("CASCADED_KILLS").ok().and_then(|text| text.parse().ok());
    let kills: u64 = kills.unwrap_or(25);
    let mut dice = Dice::from_environment("crash moments");
    run(async {
        let clock = Clock::system();
        let city = town(600, &clock, |plan| plan.seed = 11).await;
        let line = Line::to(&city);
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        for kill in 0..kills {
            // From the middle of the first handshake to some batches later.
            line.start(&[], Some(1 + dice.below(90_000)));
            let end = line.killed_within(Duration::from_secs(10));
            let word = if end == End::Killed { "in the middle" } else { "at rest" };
            *ends.entry(word).or_default() += 1;
            let early = unannounced(&city);
            assert!(early.is_empty(), "kill {kill}: {early:?}\n{}", line.errors());
            go_on(&city, 25, &format!("第{kill}次"));
        }
        mends_everything(&city).await;
        let twice = repeated(&city);
        println!(
            "{kills} kills: {ends:?}; {} batches above, {twice} came twice",
            city.platform.times_received().unwrap().len()
        );
        assert!(twice <= kills * IN_FLIGHT, "{twice} repetitions");
        assert!(ends.get("in the middle").is_some_and(|hits| *hits * 2 > kills), "{ends:?}");
        city.close().await;
    });
}

#[cfg(not(feature = "sabotage"))]
#[test]
fn crash_points_need_a_build_of_their_own() {
    println!("not run: named crash points (build with --features sabotage, as tests/run does)");
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_at_every_named_point_it_loses_nothing_and_doubles_nothing() {
    let mut dice = Dice::from_environment("crash points");
    run(async {
        let clock = Clock::system();
        let city = town(400, &clock, |plan| plan.seed = 12).await;
        let line = Line::to(&city);
        let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
        for round in 0..2_u64 {
            for point in cascaded::crash::POINTS {
                // The first time, then somewhere among the first few.
                let most = if point == "catalogue-read" { 1 } else { 3 };
                let count = if round == 0 { 1 } else { 1 + dice.below(most) };
                // One answer is lost and one batch refused, so that every stage has work.
                let faults = city.platform.faults();
                faults.clear();
                faults.play(Play::next("rows.upsert", 3, Fault::LoseAnswer));
                let code = "3001".to_owned();
                faults.play(Play::next("rows.upsert", 3, Fault::Refuse { code }));
                go_on(&city, 25, &format!("{point}{round}"));
                if point == "object-packed" {
                    change_the_catalogue(&city, round);
                }
                line.start(&[("CASCADED_CRASH_AT", &format!("{point}:{count}"))], None);
                let end = line.aborted();
                assert_eq!(end, End::Aborted, "{point}:{count}\n{}", line.errors());
                *hits.entry(point).or_default() += 1;
                let early = unannounced(&city);
                assert!(early.is_empty(), "{point}:{count}: {early:?}");
            }
        }
        city.platform.faults().clear();
        mends_everything(&city).await;
        println!("crash points: {hits:?}; {} came twice", repeated(&city));
        assert_eq!(hits.len(), cascaded::crash::POINTS.len());
        city.close().await;
    });
}

/// Every organisation gets another name, so that messages of objects are packed.
#[cfg(feature = "sabotage")]
fn change_the_catalogue(city: &TestCity, round: u64) {
    let database = crate::support::town::open(&city.path().join("city.sqlite"));
    database
        .execute("UPDATE cat_organisation SET title = title || ?1", [format!("（{round}）")])
        .unwrap();
}
