//! The real program killed while a channel goes over to another standard and back: at every named
//! point of a cut-over, and at random moments of what passes on the line. Started again it goes on
//! by itself; at the end above is what the city has, once, under the standard that was asked for.
//!
//! `SEED=` repeats the random moments; `CASCADED_KILLS=` says how many cut-overs they meet.

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::clock::Clock;
#[cfg(feature = "sabotage")]
use cascaded::delivery::ChannelId;
#[cfg(feature = "sabotage")]
use cascaded::ledger::LinkFilter;

#[cfg(feature = "sabotage")]
use crate::march::NOTHING;
use crate::march::{NEW, OLD, assert_green, delivered, finished, gone_over, named, supplied};
use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::operator::{Said, Speech, command, wait_for};
#[cfg(feature = "sabotage")]
use crate::support::process::End;
use crate::support::process::Line;
#[cfg(feature = "sabotage")]
use crate::support::town::wrong;
use crate::support::town::{Dice, go_on, open, town, unannounced};

/// A city under 1.0 that is prepared for 2.0, and has settled. No daemon runs.
async fn prepared(seed: u64) -> TestCity {
    let clock = Clock::system();
    let city = town(120, &clock, |plan| plan.seed = seed).await;
    delivered(&city);
    let daemon = TestDaemon::start(city.configuration(), &clock).await;
    daemon.settled().await;
    supplied(&daemon).await;
    named(&city, &daemon).await;
    daemon.stop().await;
    city
}

/// One cut-over of the prepared city: there, or back again.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    back: bool,
}

impl Crossing {
    fn to(self) -> &'static str {
        if self.back { OLD } else { NEW }
    }

    /// The province goes over, while the city's rows go on changing.
    async fn announced(self, city: &TestCity, tag: &str) {
        let directory = city.path().join("standards").join(self.to());
        match self.back {
            false => drop(gone_over(city, &directory).await),
            true => drop(city.platform.speak(directory, &["entry"]).await.unwrap()),
        }
        go_on(city, 30, tag);
    }

    /// Asks the running program, as an operator does.
    fn asked(self, city: &TestCity) -> Said {
        let socket = city.path().join(cascaded::demo::SOCKET);
        let words: &[&str] =
            if self.back { &["standard", "rollback"] } else { &["standard", "activate", NEW] };
        let to = ["--socket", socket.to_str().unwrap()];
        command(Speech::English, &[&to, words].concat())
    }
}

/// One number from the ledger that a running or dead process has.
pub(crate) fn count(city: &TestCity, sql: &str) -> i64 {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    ledger.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The number of the last cut-over and how far it is: `None` over, else whether it has begun.
pub(crate) fn last_cut_over(city: &TestCity) -> (u64, Option<bool>) {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    let sql = "SELECT number, state, cursor IS NOT NULL FROM job WHERE kind = 'cut-over'
               ORDER BY number DESC LIMIT 1";
    ledger
        .query_row(sql, [], |row| {
            let (number, state): (i64, String) = (row.get(0)?, row.get(1)?);
            let has_begun: bool = row.get(2)?;
            Ok((number.cast_unsigned(), (state == "running").then_some(has_begun)))
        })
        .unwrap()
}

/// Rows wait that were packed for the standard that the province understands no more.
fn wait_for_rows(city: &TestCity, line: &Line) {
    let sql = "SELECT count(*) FROM batch WHERE state = 'queued' AND subject_kind = 'rows'";
    wait_for("rows wait", || (count(city, sql) > 0).then_some(()), || line.errors());
}

/// A whole daemon finds the cut-over done or does the rest; everything is above, once.
async fn is_over(city: &TestCity, crossing: Crossing) {
    let early = unannounced(city);
    assert!(early.is_empty(), "{crossing:?}: {early:?}");
    let daemon = TestDaemon::start(city.configuration(), &city.clock).await;
    finished(&daemon, last_cut_over(city).0).await;
    daemon.looked_again().await;
    assert_green(city, &daemon, crossing.to()).await;
    daemon.stop().await;
}

#[cfg(not(feature = "sabotage"))]
#[test]
fn points_of_a_cut_over_need_a_build_of_their_own() {
    println!("not run: crash points of a cut-over (build with --features sabotage)");
}

/// Asks until the program has heard it; it may die over the answer.
#[cfg(feature = "sabotage")]
fn asked_of_who_may_die(crossing: Crossing, city: &TestCity, line: &Line) -> Said {
    let said = crossing.asked(city);
    let dies = said.code == Some(75) || said.code == Some(0);
    assert!(dies, "{crossing:?}: {said:?}\n{}", line.errors());
    said
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_at_every_point_of_a_cut_over_it_goes_on_by_itself() {
    run(async {
        let city = prepared(81).await;
        let line = Line::to(&city);
        for point in cascaded::crash::CUT_OVER_POINTS {
            for back in [false, true] {
                let crossing = Crossing { back };
                crossing.announced(&city, &format!("{point}{back}")).await;
                line.start(&[("CASCADED_CRASH_AT", &format!("{point}:1"))], None);
                wait_for_rows(&city, &line);
                let before = last_number(&city);
                let said = asked_of_who_may_die(crossing, &city, &line);
                assert_eq!(line.aborted(), End::Aborted, "{point}: {said:?}\n{}", line.errors());
                let (number, how) = last_cut_over(&city);
                assert!(number > before, "{point}: nothing was asked for");
                // What is asked for has not begun before its transaction, and is not over after.
                let begins = ["cut-over-asked", "cut-over-ready"].contains(&point);
                assert_eq!(how, Some(!begins), "{point}");
                is_over(&city, crossing).await;
            }
        }
        drop(line);
        assert_eq!(wrong(&city).await, NOTHING);
        city.close().await;
    });
}

#[cfg(feature = "sabotage")]
pub(crate) fn last_number(city: &TestCity) -> u64 {
    let sql = "SELECT coalesce(max(number), 0) FROM job WHERE kind = 'cut-over'";
    count(city, sql).cast_unsigned()
}

#[test]
fn killed_at_random_moments_of_a_cut_over_it_loses_nothing_and_doubles_nothing() {
    let kills = std::env::var("CASCADED_KILLS").ok().and_then(|text| text.parse().ok());
    let crossings: u64 = kills.unwrap_or(6);
    let mut dice = Dice::from_environment("cut-over moments");
    run(async {
        let city = prepared(82).await;
        let line = Line::to(&city);
        let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
        for number in 0..crossings {
            let crossing = Crossing { back: number % 2 == 1 };
            crossing.announced(&city, &format!("第{number}次")).await;
            line.start(&[], None);
            wait_for_rows(&city, &line);
            let said = crossing.asked(&city);
            assert_eq!(said.code, Some(0), "{said:?}\n{}", line.errors());
            // The first life ends here, some more on the way.
            for life in 0..3 {
                if life > 0 {
                    line.start(&[], None);
                }
                line.limit(1 + dice.below(25_000));
                line.killed_within(Duration::from_secs(4));
                let word = match last_cut_over(&city).1 {
                    Some(false) => "before",
                    Some(true) => "in the middle",
                    None => "while rows went on",
                };
                *hits.entry(word).or_default() += 1;
                let early = unannounced(&city);
                assert!(early.is_empty(), "{number}.{life}: {early:?}\n{}", line.errors());
            }
            is_over(&city, crossing).await;
        }
        drop(line);
        println!("{crossings} cut-overs, killed: {hits:?}");
        city.close().await;
    });
}

/// Killed where the standard is in force; entries whose upper id is the one of before.
#[cfg(feature = "sabotage")]
async fn old_ids_after_a_kill(switch: Option<&'static str>) -> usize {
    let city = prepared(83).await;
    let line = Line::to(&city);
    let crossing = Crossing { back: false };
    crossing.announced(&city, "三月").await;
    let mut variables = vec![("CASCADED_CRASH_AT", "cut-over-made:1")];
    variables.extend(switch.map(|switch| ("CASCADED_SABOTAGE", switch)));
    line.start(&variables, None);
    wait_for_rows(&city, &line);
    asked_of_who_may_die(crossing, &city, &line);
    assert_eq!(line.aborted(), End::Aborted, "{}", line.errors());
    drop(line);
    let daemon = TestDaemon::start(city.configuration(), &city.clock).await;
    finished(&daemon, last_cut_over(&city).0).await;
    let links = daemon.ledger().links(ChannelId::from("province"), LinkFilter::default()).await;
    let of_entries = links.unwrap().into_iter().filter(|it| it.key.kind.as_str() == "entry");
    let ids = of_entries.filter_map(|it| it.upper_id);
    let old = ids.filter(|id| !id.starts_with("N-")).count();
    daemon.stop().await;
    city.close().await;
    old
}

#[cfg(feature = "sabotage")]
#[test]
fn without_one_transaction_a_kill_leaves_the_ids_of_the_standard_before() {
    run(async {
        assert_eq!(old_ids_after_a_kill(None).await, 0);
        let red = old_ids_after_a_kill(Some("standard-first")).await;
        println!("standard-first: {red} entries with the id of before");
        assert!(red > 0);
    });
}

#[test]
fn the_script_that_people_watch_ends_well() {
    let program = crate::support::process::PROGRAM;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/march");
    let mut command = std::process::Command::new(script);
    let ended =
        command.args(["--rows", "1000", "--program", program, "--within", "600"]).output().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout);
    println!("{shown}");
    assert!(ended.status.success(), "{shown}\n{}", String::from_utf8_lossy(&ended.stderr));
    for line in ["status says so after", "all green after", "nothing lost", "nothing doubled"] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}
