//! Each protection is taken away once, and the check that stands for it goes red: a test that
//! cannot fail proves nothing. Every scenario runs twice, whole and without its protection.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::rehearsal::{Fault, Play};

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::process::{End, Line};
use crate::support::town::{TABLES, open, town, unannounced, write_rows, wrong};

/// Waits until `holds`, or fails with `what` and what the program said.
async fn until<F: Future<Output = bool>>(line: &Line, what: &str, mut holds: impl FnMut() -> F) {
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let waited = tokio::time::timeout(crate::support::process::PATIENCE, async {
        while !holds().await {
            looks.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "{what}\n{}", line.errors());
}

/// The variables of a program with or without one protection.
fn without(switch: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let switches = &cascaded::crash::SWITCHES;
    assert!(switch.is_none_or(|switch| switches.contains(&switch)), "{switch:?}");
    switch.map(|switch| ("CASCADED_SABOTAGE", switch)).into_iter().collect()
}

/// A whole daemon finishes what is left; then everything wrong is named.
async fn finished(city: &TestCity) -> Vec<String> {
    city.platform.faults().clear();
    let daemon = TestDaemon::start(city.configuration(), &city.clock).await;
    daemon.looked_again().await;
    daemon.stop().await;
    wrong(city).await
}

/// Batches of rows that were read, by name; messages of objects may still be on their way.
fn batches(city: &TestCity) -> usize {
    let deliveries = city.platform.deliveries().unwrap();
    let rows = deliveries
        .iter()
        .filter(|it| it.operation == "rows.upsert" && it.payload_digest.is_some())
        .filter_map(|it| it.batch_id.as_deref());
    rows.collect::<BTreeSet<&str>>().len()
}

/// Killed while the province holds its first answer: what has arrived must be announced.
async fn killed_before_the_answer(switch: Option<&'static str>) -> Vec<String> {
    let city = town(200, &Clock::system(), |plan| plan.seed = 31).await;
    let line = Line::to(&city);
    city.platform.faults().play(Play::next("*.register", 1, Fault::Hold));
    city.platform.faults().play(Play::next("organisation.register", 1, Fault::Hold));
    line.start(&without(switch), None);
    until(&line, "an answer is held", || async { city.platform.faults().held() > 0 }).await;
    line.kill();
    let wrong = unannounced(&city);
    city.platform.faults().release();
    drop(line);
    city.close().await;
    wrong
}

#[test]
fn without_the_attempt_first_a_batch_arrives_unannounced() {
    run(async {
        assert_eq!(killed_before_the_answer(None).await, [""; 0]);
        let red = killed_before_the_answer(Some("attempt-after-answer")).await;
        println!("attempt-after-answer: {red:?}");
        assert!(!red.is_empty());
    });
}

/// Answers are lost; the program goes on until everything is above.
async fn lost_answers(switch: Option<&'static str>) -> Vec<String> {
    let city = town(200, &Clock::system(), |plan| plan.seed = 32).await;
    let line = Line::to(&city);
    city.platform.faults().play(Play::next("rows.upsert", 4, Fault::LoseAnswer));
    line.start(&without(switch), None);
    until(&line, "everything is above", || async {
        let missing = wrong(&city).await;
        city.platform.faults().played("lose-answer") == 4
            && missing.iter().all(|line| line.contains("under two names"))
    })
    .await;
    // Whatever waits under a second name is sent by the next daemon at the latest.
    line.kill();
    drop(line);
    let wrong = finished(&city).await;
    city.close().await;
    wrong
}

#[test]
fn without_the_question_rows_come_twice_under_two_names() {
    run(async {
        assert_eq!(lost_answers(None).await, [""; 0]);
        let red = lost_answers(Some("new-name")).await;
        println!("new-name: {red:?}");
        assert!(red.iter().any(|line| line.contains("under two names")), "{red:?}");
    });
}

/// An older version waits for its second attempt while a newer one is ready.
async fn two_versions(switch: Option<&'static str>) -> Vec<String> {
    let city = town(200, &Clock::system(), |plan| plan.seed = 33).await;
    let line = Line::to(&city);
    line.start(&without(switch), None);
    until(&line, "everything is above", || async { wrong(&city).await.is_empty() }).await;
    let before = batches(&city);
    // Longer than a busy machine needs to read and send the newer version.
    let retry_after = Duration::from_secs(20);
    city.platform.faults().play(Play::next("rows.upsert", 1, Fault::TooMany { retry_after }));
    let database = open(&city.path().join("city.sqlite"));
    write_rows(&city, &database, TABLES[0], 5, "旧");
    until(&line, "the older is postponed", || async {
        city.platform.faults().played("too-many") == 1
    })
    .await;
    write_rows(&city, &database, TABLES[0], 5, "新");
    until(&line, "both have arrived", || async { batches(&city) == before + 2 }).await;
    line.kill();
    let wrong = wrong(&city).await;
    drop(line);
    city.close().await;
    wrong
}

#[test]
fn without_the_order_of_keys_an_older_version_arrives_last() {
    run(async {
        assert_eq!(two_versions(None).await, [""; 0]);
        let red = two_versions(Some("key-order")).await;
        println!("key-order: {red:?}");
        assert!(red.iter().any(|line| line.contains("with other content")), "{red:?}");
    });
}

/// Killed between a payload and the transaction that names it. The eighth payload is one of a lane,
/// or one beside a lane that is half spooled: of four datasets one has no lane, with three batches.
async fn killed_before_the_outcome(switch: Option<&'static str>) -> Vec<String> {
    let city = town(400, &Clock::system(), |plan| plan.seed = 34).await;
    let line = Line::to(&city);
    let mut variables = without(switch);
    variables.push(("CASCADED_CRASH_AT", "payload-spooled:8"));
    line.start(&variables, None);
    assert_eq!(line.aborted(), End::Aborted, "{}", line.errors());
    drop(line);
    let wrong = finished(&city).await;
    city.close().await;
    wrong
}

#[test]
fn without_progress_in_the_outcomes_transaction_rows_are_lost() {
    run(async {
        assert_eq!(killed_before_the_outcome(None).await, [""; 0]);
        let red = killed_before_the_outcome(Some("progress-first")).await;
        println!("progress-first: {red:?}");
        assert!(red.iter().any(|line| line.contains("rows absent")), "{red:?}");
    });
}
