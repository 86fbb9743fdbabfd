//! A change of standard on a clock of the test's own: drift is told within a minute, everything
//! mandatory is taken within a minute of `activate`, a cut-over comes at its time and survives a
//! restart until then, and what says something else is sent again no faster than configured.
//!
//! The clock moves only as far as a promise allows: what holds then needs no more time than was
//! promised, however slow the machine is.

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::{self, Activate, CutOver, Request, Response, Trouble};
use cascaded::ledger::{JobState, PassKind};
use cascaded::rehearsal::{Fault, Play};
use jiff::Timestamp;

use crate::march::{
    NEW, OLD, activate, ask, assert_green, cut_over, delivered, finished, gone_over, named,
    named_with, rollback, supplied,
};
use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{go_on, open, town};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// How far the clock goes on between two looks.
const STEP: Duration = Duration::from_millis(500);

fn manual() -> Clock {
    Clock::manual("2026-03-01T01:00:00Z".parse().unwrap())
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap()
}

/// A settled city under 1.0; its clock stands still afterwards.
async fn settled(clock: &Clock, seed: u64) -> (TestCity, TestDaemon) {
    settled_with(120, clock, seed).await
}

async fn settled_with(rows: usize, clock: &Clock, seed: u64) -> (TestCity, TestDaemon) {
    let city = town(rows, clock, |plan| plan.seed = seed).await;
    delivered(&city);
    let mut daemon = TestDaemon::start(city.configuration(), clock).await;
    daemon.step = STEP;
    daemon.settled().await;
    daemon.step = Duration::ZERO;
    (city, daemon)
}

/// Everything is above once more, on a clock that goes on.
async fn is_green(city: &TestCity, mut daemon: TestDaemon, standard: &str) -> TestDaemon {
    daemon.step = STEP;
    daemon.looked_again().await;
    assert_green(city, &daemon, standard).await;
    daemon.step = Duration::ZERO;
    daemon
}

/// Waits until `holds`, on a clock that stops at `until`.
async fn by<F: Future<Output = bool>>(
    (daemon, clock): (&TestDaemon, &Clock),
    until: Timestamp,
    what: &str,
    mut holds: impl FnMut() -> F,
) {
    assert_eq!(daemon.step, Duration::ZERO);
    let looks = || {
        if after(clock.now(), STEP) <= until {
            clock.advance(STEP);
        }
        holds()
    };
    daemon.wait_until(what, looks).await;
    assert!(clock.now() <= until, "{what}");
}

async fn drifts(daemon: &TestDaemon) -> bool {
    let Response::Status(status) = ask(daemon, Request::Status {}).await else { return false };
    status.attention.iter().any(|it| it.trouble == Trouble::Drift)
}

/// Every mandatory operation of 2.0 that was asked after the first `since` deliveries is taken,
/// these are among them, and nothing is held or drifts.
async fn taken(city: &TestCity, daemon: &TestDaemon, since: usize, must: &[&str]) -> bool {
    let deliveries = city.platform.deliveries().unwrap();
    let asked: BTreeMap<String, String> =
        deliveries.into_iter().skip(since).map(|it| (it.operation, it.code)).collect();
    let taken = |name: &str| asked.get(name).is_some_and(|code| code == "0000");
    let channel = daemon.channel("province");
    let mandatory: Vec<&str> = channel
        .standard
        .operations()
        .iter()
        .filter(|it| it.mandatory)
        .map(|it| it.name.as_str())
        .collect();
    if channel.standard.id().as_str() != NEW {
        return false;
    }
    assert!(must.iter().all(|it| mandatory.contains(it)), "{mandatory:?}");
    must.iter().all(|name| taken(name))
        && mandatory.iter().all(|name| !asked.contains_key(*name) || taken(name))
        && daemon.ledger().holds().await.unwrap().is_empty()
        && daemon.ledger().drift().await.unwrap().is_empty()
}

fn at(time: Timestamp) -> Request {
    Request::StandardActivate(Activate {
        standard: NEW.to_owned(),
        channel: None,
        scope: Vec::new(),
        at: Some(time),
        parallel_seconds: None,
        dry_run: false,
    })
}

fn speaks(daemon: &TestDaemon, standard: &str) -> bool {
    daemon.channel("province").standard.id().as_str() == standard
}

#[test]
fn drift_is_told_within_a_minute_and_all_is_green_within_a_minute_of_activate() {
    run(async {
        let clock = manual();
        let (city, daemon) = settled(&clock, 91).await;
        let directory = city.path().join("standards").join(NEW);
        gone_over(&city, &directory).await;
        go_on(&city, 30, "三月");
        let minute = after(clock.now(), MINUTE);
        by((&daemon, &clock), minute, "drift is told", || drifts(&daemon)).await;

        supplied(&daemon).await;
        named(&city, &daemon).await;
        let since = city.platform.deliveries().unwrap().len();
        let report = cut_over(&daemon, activate(false)).await;
        assert!(report.objects > 0);
        go_on(&city, 30, "四月");
        let minute = after(clock.now(), MINUTE);
        let must = ["heartbeat", "entry.modify", "rows.upsert"];
        by((&daemon, &clock), minute, "all is green", || taken(&city, &daemon, since, &must)).await;
        is_green(&city, daemon, NEW).await.stop().await;
        city.close().await;
    });
}

#[test]
fn a_cut_over_comes_at_its_time_through_a_restart_and_not_once_called_off() {
    run(async {
        let clock = manual();
        let (city, daemon) = settled(&clock, 92).await;
        supplied(&daemon).await;
        named(&city, &daemon).await;
        gone_over(&city, &city.path().join("standards").join(NEW)).await;
        // Called off, its time passes and nothing happens.
        let time = after(clock.now(), HOUR);
        let report = cut_over(&daemon, at(time)).await;
        assert_eq!(report.at, time);
        let called_off = number(&report);
        assert!(daemon.ledger().job_cancelled(called_off).await.unwrap());
        clock.advance(HOUR);
        // The next one, asked for and then the program ends.
        let time = after(clock.now(), HOUR);
        let report = cut_over(&daemon, at(time)).await;
        assert!(speaks(&daemon, OLD), "what was called off came");
        daemon.stop().await;
        clock.advance(HOUR.saturating_sub(MINUTE));
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let again = cut_over(&daemon, at(time)).await;
        assert!(again.existed && again.job == report.job, "{again:?}");
        by((&daemon, &clock), after(time, Duration::ZERO), "it is in force", || {
            let speaks = speaks(&daemon, NEW);
            async move { speaks }
        })
        .await;
        assert_eq!(clock.now(), time, "it came before its time");
        go_on(&city, 10, "到点");
        let daemon = is_green(&city, daemon, NEW).await;
        let job = daemon.job(number(&report)).await;
        assert_eq!(job.state, JobState::Done);
        daemon.stop().await;
        city.close().await;
    });
}

fn number(report: &CutOver) -> u64 {
    report.job.as_ref().unwrap().trim_start_matches("r-").parse().unwrap()
}

/// Entries that were said again after the first `since` deliveries.
fn said_again(city: &TestCity, since: usize) -> u64 {
    let deliveries = city.platform.deliveries().unwrap();
    deliveries.iter().skip(since).filter(|it| it.operation == "entry.modify").count() as u64
}

#[test]
fn what_says_something_else_is_sent_again_at_the_pace_and_a_way_back_need_not_wait_for_it() {
    run(async {
        let clock = manual();
        let (city, daemon) = settled(&clock, 93).await;
        supplied(&daemon).await;
        // One object every five seconds.
        named_with(&city, &daemon, "objects_per_minute = 12\n").await;
        gone_over(&city, &city.path().join("standards").join(NEW)).await;
        let since = city.platform.deliveries().unwrap().len();
        let report = cut_over(&daemon, activate(false)).await;
        assert!(report.objects > 3, "{}", report.objects);
        for more in 1..=2 {
            daemon
                .wait_until("one more is sent", || async { said_again(&city, since) >= more })
                .await;
            // The clock stands still: no further one can come.
            assert_eq!(said_again(&city, since), more);
            let job = daemon.job(number(&report)).await;
            assert_eq!(job.state, JobState::Running);
            clock.advance(Duration::from_secs(5));
        }
        daemon.wait_until("the third is sent", || async { said_again(&city, since) >= 3 }).await;

        // The province changes its mind; nobody waits for the rest.
        city.platform.speak(city.path().join("standards").join(OLD), &["entry"]).await.unwrap();
        let way_back = cut_over(&daemon, rollback()).await;
        assert_eq!(daemon.job(number(&report)).await.state, JobState::Cancelled);
        let mut daemon = daemon;
        daemon.step = STEP;
        finished(&daemon, number(&way_back)).await;
        daemon.step = Duration::ZERO;
        go_on(&city, 10, "退回");
        is_green(&city, daemon, OLD).await.stop().await;
        city.close().await;
    });
}

async fn channel(daemon: &TestDaemon) -> protocol::Channel {
    let Response::Status(status) = ask(daemon, Request::Status {}).await else {
        panic!("no status");
    };
    status.channels.into_iter().next().unwrap()
}

#[test]
fn rows_go_again_where_the_province_wants_them_and_an_edited_directory_is_told() {
    run(async {
        let clock = manual();
        let (city, mut daemon) = settled(&clock, 95).await;
        supplied(&daemon).await;
        named_with(&city, &daemon, "rows_again = true\n").await;

        let file = city.path().join("standards").join(OLD).join("standard.toml");
        let sound = std::fs::read_to_string(&file).unwrap();
        let loaded = channel(&daemon).await;
        assert!(!loaded.edited);
        std::fs::write(&file, format!("{sound}\n# edited\n")).unwrap();
        let edited = channel(&daemon).await;
        assert!(edited.edited, "nobody is told");
        assert_eq!(edited.digest, loaded.digest, "it is not in force");
        std::fs::write(&file, &sound).unwrap();
        assert!(!channel(&daemon).await.edited);

        gone_over(&city, &city.path().join("standards").join(NEW)).await;
        let report = cut_over(&daemon, activate(false)).await;
        daemon.step = STEP;
        let said = finished(&daemon, number(&report)).await;
        let (_, job) = said.split_once("every row is sent again: job r-").unwrap();
        let job: u64 = job.parse().unwrap();
        let over = || async { daemon.job(job).await.state == JobState::Done };
        daemon.wait_until("every row was read again", over).await;
        daemon.step = Duration::ZERO;
        let daemon = is_green(&city, daemon, NEW).await;
        // What is confirmed is the first load and the same once more.
        let again = daemon.ledger().delivered_under("province".into(), NEW.into()).await.unwrap();
        let flows = daemon.ledger().flows().await.unwrap();
        let confirmed: u64 = flows.iter().map(|it| it.counts.confirmed).sum();
        assert!(again.0 > 0 && again.0 * 2 >= confirmed, "{again:?} of {confirmed}");
        daemon.stop().await;
        city.close().await;
    });
}

/// The batches in a state, with the time at which each is looked at again.
pub(crate) fn batches(daemon: &TestDaemon, state: &str) -> BTreeMap<Vec<u8>, i64> {
    let ledger = open(&daemon.ledger().folder().join("ledger.sqlite"));
    let mut query =
        ledger.prepare("SELECT id, next_attempt_at FROM batch WHERE state = ?1").unwrap();
    let rows = query.query_map([state], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The new standard has no question about a batch.
pub(crate) fn without_question(city: &TestCity) {
    let file = city.path().join("standards").join(NEW).join("standard.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("[[operation]]\nname = \"batch.receipt\"").unwrap();
    let (_, rest) = rest.split_once("[[operation]]").unwrap();
    std::fs::write(&file, format!("{before}[[operation]]{rest}")).unwrap();
    for table in ["messages/receipt.csv", "replies/receipt-query.csv"] {
        std::fs::remove_file(file.with_file_name(table)).unwrap();
    }
}

#[test]
fn a_lost_answer_that_the_new_standard_cannot_ask_for_stays_unknown_until_its_deadline() {
    run(async {
        let clock = manual();
        let (city, daemon) = settled(&clock, 96).await;
        without_question(&city);
        supplied(&daemon).await;
        named(&city, &daemon).await;

        let faults = city.platform.faults();
        faults.play(Play::next("rows.upsert", 1, Fault::LoseAnswer));
        // Nor is the question answered under the old one.
        faults.play(Play::always("batch.receipt", Fault::ServerError { status: 503 }));
        go_on(&city, 10, "丢失");
        clock.advance(Duration::from_secs(2));
        let unknown = || batches(&daemon, "unknown");
        daemon.wait_until("an answer is lost", || async { unknown().len() == 1 }).await;
        let lost = unknown().into_keys().next().unwrap();
        gone_over(&city, &city.path().join("standards").join(NEW)).await;
        faults.clear();
        let report = cut_over(&daemon, activate(false)).await;
        finished(&daemon, number(&report)).await;

        // Nobody can be asked, for the old words are understood no more: it is neither sent under
        // another name nor forgotten, and nothing drifts by it.
        clock.advance(MINUTE);
        daemon.wake();
        let now = clock.now().as_millisecond();
        let postponed = || async { unknown().get(&lost).is_some_and(|at| *at > now) };
        daemon.wait_until("it stays unknown", postponed).await;
        // As long as an answer could have been expected.
        clock.advance(10 * MINUTE);
        daemon.wake();
        let let_go = || async { batches(&daemon, "superseded").contains_key(&lost) };
        daemon.wait_until("it is cut again", let_go).await;
        is_green(&city, daemon, NEW).await.stop().await;
        city.close().await;
    });
}

#[test]
fn a_deletion_that_was_approved_and_not_sent_keeps_its_approval() {
    run(async {
        let clock = manual();
        let (city, mut daemon) = settled_with(300, &clock, 97).await;
        supplied(&daemon).await;
        named(&city, &daemon).await;
        let held = city.platform.content("5151-0401").unwrap().len();
        // Most of a table goes, while the province speaks another standard already.
        gone_over(&city, &city.path().join("standards").join(NEW)).await;
        let database = open(&city.path().join("city.sqlite"));
        let sql = "DELETE FROM house_contract_515100 WHERE rowid % 5 <> 0";
        assert!(database.execute(sql, []).unwrap() > 20);
        drop(database);
        daemon.resync("province", PassKind::Compare, true, None).await;
        daemon.wake();
        let ledger = open(&daemon.ledger().folder().join("ledger.sqlite"));
        let waits = || async {
            let sql = "SELECT count(*) FROM batch
                       WHERE operation = 'rows.delete' AND state = 'queued'";
            ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0
        };
        daemon.step = STEP;
        daemon.wait_until("the deletion waits", waits).await;
        let report = cut_over(&daemon, activate(false)).await;
        finished(&daemon, number(&report)).await;
        let gone = || async { city.platform.content("5151-0401").unwrap().len() + 20 < held };
        daemon.wait_until("they are deleted above", gone).await;
        daemon.step = Duration::ZERO;
        is_green(&city, daemon, NEW).await.stop().await;
        city.close().await;
    });
}
