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

/// A test of this suite, run once more in a process of its own without one protection, fails and
/// says so in these words; that it passes with the protection, the suite shows beside it.
fn is_red(test: &str, switch: &str, words: &str) {
    assert!(cascaded::crash::SWITCHES.contains(&switch), "{switch}");
    // A test that panics drops its folder under threads that still read in it: what they leave goes
    // with a folder of its own, once the process has ended.
    let folder = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env("CASCADED_SABOTAGE", switch)
        .env("TMPDIR", folder.path())
        .env_remove("RUST_BACKTRACE")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("running 1 test"), "there is no test {test}\n{said}");
    assert!(!done.status.success(), "{test} passes without what `{switch}` takes away\n{said}");
    assert!(said.contains(words), "{test} is red for another reason than {words:?}\n{said}");
    println!("{switch}: {test} is red, as it says: {words}");
}

#[test]
fn without_sealing_an_original_lies_open() {
    let test = "changes::a_row_that_the_province_judges_wrong_is_rejected_with_its_sealed_original";
    is_red(test, "unsealed", "the original is kept sealed");
}

#[test]
fn without_the_lock_a_second_daemon_opens_the_ledger() {
    let test = "answers::a_second_daemon_on_one_ledger_is_refused";
    is_red(test, "unlocked", "a second daemon opened the ledger");
}

#[test]
fn without_the_declared_evidence_a_receipt_confirms() {
    let test = "answers::of_two_verdicts_against_each_other_the_later_counts_and_someone_is_told";
    is_red(test, "receipt-confirms", "assertion `left == right` failed: Counts");
}

#[test]
fn without_memory_a_verdict_or_a_receipt_counts_twice() {
    is_red(
        "answers::a_verdict_told_again_changes_nothing",
        "told-again",
        "a verdict counted twice",
    );
    is_red(
        "answers::a_receipt_told_again_changes_nothing",
        "told-again",
        "a receipt counted twice",
    );
}

#[test]
fn without_its_batch_a_verdict_rejects_a_strangers_row() {
    let test = "answers::a_verdict_on_somebody_elses_row_rejects_nothing_of_ours";
    is_red(test, "foreign-verdict", "a row was rejected by a verdict on another");
}

#[test]
fn without_halving_a_refused_row_stays_among_innocents() {
    let test = "answers::a_refused_row_is_alone_after_as_many_refusals_as_halvings";
    is_red(test, "unsplit", "and still among innocents");
}

#[test]
fn without_the_hold_a_code_in_no_list_rejects() {
    let test = "faults::an_unknown_code_holds_its_operation_and_rejects_nothing";
    is_red(test, "unlisted-refuses", "rejected by a code in no list");
}

#[test]
fn without_patience_a_batch_goes_again_before_its_time() {
    let test = "answers::after_too_many_requests_it_waits_exactly_as_long_as_it_was_told";
    is_red(test, "impatient", "assertion `left == right` failed");
}

#[test]
fn without_an_approval_half_a_table_is_deleted_above() {
    let test = "changes::rows_that_are_gone_are_deleted_above_and_in_bulk_only_with_an_approval";
    is_red(test, "bulk-deletion", "half a table is a fault");
}

#[test]
fn without_the_backlog_the_past_is_read_on() {
    let test = "faults::a_first_load_larger_than_the_backlog_waits_and_loses_nothing";
    is_red(test, "endless-backlog", "the past was read on");
}

#[test]
fn every_protection_has_its_red_test() {
    let proofs = [
        include_str!("sabotage.rs"),
        include_str!("durability.rs"),
        include_str!("march_kills.rs"),
    ]
    .concat();
    for switch in cascaded::crash::SWITCHES {
        assert!(proofs.contains(&format!("\"{switch}\"")), "nothing goes red without `{switch}`");
    }
}
