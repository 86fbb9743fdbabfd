//! What an answer means where it is late, lost, doubled or against itself. The clock is the test's:
//! what is said of seconds is exact.

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::app::App;
use cascaded::clock::Clock;
use cascaded::delivery::{LinkState, Receipt, RejectKind};
use cascaded::fact::{Fact, Kind};
use cascaded::ledger::{BatchFilter, Counts, Ended};
use cascaded::rehearsal::{Fault, Play, RowRules};
use jiff::Timestamp;

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{TABLES, go_on, open, town, write_rows, wrong};

const NOTHING: [String; 0] = [];
const ROWS: usize = 5;

/// A town whose first load is above, on a clock that moves only where a test says so.
struct Scene {
    city: TestCity,
    daemon: TestDaemon,
    clock: Clock,
    before: Counts,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let city = town(200, &clock, |plan| plan.seed = seed).await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_millis(250);
        daemon.settled().await;
        let before = daemon.counts(TABLES[0].0).await;
        Self { city, daemon, clock, before }
    }

    /// A few rows of one table change.
    fn change(&self, table: usize, tag: &str) {
        let database = open(&self.city.path().join("city.sqlite"));
        write_rows(&self.city, &database, *TABLES.get(table).unwrap(), ROWS, tag);
    }

    /// Kinds of drift that the first table met, and how often.
    async fn drift(&self) -> BTreeMap<String, u64> {
        let drift = self.daemon.ledger().drift().await.unwrap();
        let of_rows = drift.into_iter().filter(|it| it.subject == "rows.verdict");
        of_rows.map(|it| (format!("{} {}", it.kind, it.detail), it.count)).collect()
    }

    async fn end(self) {
        self.daemon.stop().await;
        self.city.close().await;
    }
}

#[test]
fn a_minute_without_a_single_answer_loses_nothing_and_doubles_nothing() {
    run(async {
        let scene = Scene::new(61).await;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        faults.play(Play::always("*", Fault::LoseAnswer));
        let until = scene.clock.now() + Duration::from_secs(60);
        let mut rounds = 0;
        while scene.clock.now() < until {
            // The city goes on meanwhile, in some of the rounds with nothing new.
            go_on(city, 10, &format!("失{}", rounds / 2));
            rounds += 1;
            let next = scene.clock.now() + Duration::from_secs(6);
            let before = faults.played("lose-answer");
            // However slowly the machine goes, each round has answers that are lost.
            let come =
                || async { scene.clock.now() >= next && faults.played("lose-answer") > before };
            daemon.wait_until("six seconds pass and an answer is lost", come).await;
        }
        let lost = faults.played("lose-answer");
        faults.clear();
        daemon.looked_again().await;
        assert_eq!(wrong(city).await, NOTHING);
        let received = city.platform.times_received().unwrap();
        let most = received.values().max().unwrap();
        println!(
            "a minute of lost answers: {lost} lost in {rounds} rounds, {} batches above, none \
             came more than {most} times",
            received.len()
        );
        assert!(lost >= rounds, "{lost} answers were lost");
        // What has arrived is asked about and not sent again.
        assert_eq!(*most, 1);
        scene.end().await;
    });
}

/// When the batch of rows that waits may be sent again, in milliseconds; one waits.
fn next_attempt(city: &TestCity) -> (i64, i64) {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    let sql = "SELECT attempts, next_attempt_at FROM batch
         WHERE state = 'queued' AND subject_kind = 'rows'";
    ledger.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn sent(city: &TestCity) -> usize {
    let all = city.platform.deliveries().unwrap();
    all.iter().filter(|it| it.operation == "rows.upsert").count()
}

#[test]
fn after_too_many_requests_it_waits_exactly_as_long_as_it_was_told() {
    run(async {
        let mut scene = Scene::new(62).await;
        scene.daemon.step = Duration::ZERO;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        let retry_after = Duration::from_secs(90);
        faults.play(Play::next("rows.upsert", 1, Fault::TooMany { retry_after }));
        scene.change(0, "多");
        scene.clock.advance(Duration::from_secs(2));
        let before = sent(city);
        let told = || async {
            let open = daemon.ledger().open_batches().await.unwrap();
            faults.played("too-many") == 1 && open.iter().all(|it| it.1.as_str() == "queued")
        };
        daemon.wait_until("it is told to wait", told).await;
        let due = scene.clock.now() + retry_after;
        assert_eq!(next_attempt(city), (1, due.as_millisecond()));

        // A millisecond before, others go and this one does not.
        scene.change(1, "别");
        scene.clock.advance(retry_after - Duration::from_millis(1));
        daemon.wake();
        let others = || async { sent(city) == before + 2 && next_batches(city) == 1 };
        daemon.wait_until("the other dataset's rows are above", others).await;
        assert_eq!(next_attempt(city), (1, due.as_millisecond()));

        scene.clock.advance(Duration::from_millis(1));
        daemon.wake();
        daemon.wait_until("it goes again", || async { sent(city) == before + 3 }).await;
        scene.daemon.step = Duration::from_millis(250);
        scene.daemon.looked_again().await;
        assert_eq!(wrong(&scene.city).await, NOTHING);
        scene.end().await;
    });
}

#[test]
fn where_two_datasets_are_told_to_wait_nothing_goes_until_then() {
    run(async {
        let mut scene = Scene::new(64).await;
        scene.daemon.step = Duration::ZERO;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        let retry_after = Duration::from_secs(90);
        faults.play(Play::next("rows.upsert", 2, Fault::TooMany { retry_after }));
        let before = sent(city);
        for (told, table) in [(1, 0), (2, 1)] {
            scene.change(table, "多");
            scene.clock.advance(Duration::from_secs(2));
            daemon.wake();
            let waits = || async {
                let open = daemon.ledger().open_batches().await.unwrap();
                faults.played("too-many") == told && open.iter().all(|it| it.1.as_str() == "queued")
            };
            daemon.wait_until("it is told to wait", waits).await;
        }
        // The second was for all: what nobody turned away waits with the others.
        scene.change(2, "别");
        scene.clock.advance(retry_after - Duration::from_secs(1));
        daemon.wake();
        daemon.wait_until("a third batch waits", || async { next_batches(city) == 3 }).await;
        scene.clock.advance(Duration::from_secs(3));
        let since = scene.clock.now();
        daemon.wake();
        daemon.wait_until("all are above", || async { sent(city) == before + 5 }).await;
        assert_eq!(attempts_since(city, since), 3);
        scene.daemon.step = Duration::from_millis(250);
        scene.daemon.looked_again().await;
        assert_eq!(wrong(&scene.city).await, NOTHING);
        scene.end().await;
    });
}

/// Attempts that began then or later.
fn attempts_since(city: &TestCity, since: Timestamp) -> i64 {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    let sql = "SELECT count(*) FROM attempt WHERE begun_at >= ?";
    ledger.query_row(sql, [since.as_millisecond()], |row| row.get(0)).unwrap()
}

/// Batches of rows that are not over.
fn next_batches(city: &TestCity) -> i64 {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    let sql = "SELECT count(*) FROM batch WHERE subject_kind = 'rows'
         AND state IN ('queued', 'in_flight', 'unknown', 'taken')";
    ledger.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn of_two_verdicts_against_each_other_the_later_counts_and_someone_is_told() {
    run(async {
        let scene = Scene::new(63).await;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        let table = TABLES[0].0;
        let rows = ROWS as u64;

        // Passed, then failed: the rows are not above, and nobody says so of them.
        let after = Duration::ZERO;
        faults.play(Play::next("rows.upsert", 1, Fault::ContradictVerdicts { after }));
        scene.change(0, "反");
        daemon.looked_again().await;
        assert_eq!(faults.played("contradict-verdicts"), 1);
        let counts = daemon.counts(table).await;
        assert_eq!(counts.rejected_failed, scene.before.rejected_failed + rows, "{counts:?}");
        assert_eq!(counts.confirmed, scene.before.confirmed, "{counts:?}");
        let failed = daemon.rejects().await;
        let failed = failed.iter().filter(|it| it.kind == RejectKind::Failed);
        assert_eq!(failed.clone().count(), ROWS);
        assert!(failed.clone().all(|it| it.batch.is_some() && !it.original.is_empty()));
        assert_eq!(wrong(city).await, [format!("{table}: {ROWS} rows absent, 0 too many")]);
        let told = format!("verdict-contradiction {table}");
        assert_eq!(scene.drift().await, BTreeMap::from([(told.clone(), 1)]));

        // Failed, then passed: they are above and count as such.
        faults.play(Play::next("rows.verdict", 1, Fault::DoubtVerdicts));
        scene.change(0, "正");
        daemon.looked_again().await;
        assert_eq!(faults.played("doubt-verdicts"), 1);
        let counts = daemon.counts(table).await;
        assert_eq!(counts.rejected_failed, scene.before.rejected_failed + rows, "{counts:?}");
        assert_eq!(counts.confirmed, scene.before.confirmed + rows, "{counts:?}");
        let open = daemon.rejects().await;
        assert_eq!(open.iter().filter(|it| it.kind == RejectKind::Failed).count(), 0);
        assert_eq!(wrong(city).await, NOTHING);
        assert_eq!(scene.drift().await, BTreeMap::from([(told, 2)]));
        scene.end().await;
    });
}

/// What history says was confirmed of the first table.
async fn confirmed_in_history(daemon: &TestDaemon) -> u64 {
    let (mut after, mut sum) = (0, 0);
    loop {
        let page = daemon.ledger().facts(after, 500).await.unwrap();
        let Some((last, _)) = page.last() else { return sum };
        after = *last;
        let of_table = page.iter().filter(|(_, fact)| fact.subject == TABLES[0].0);
        sum += of_table
            .filter_map(|(_, fact)| {
                if let Kind::Confirmed { rows, .. } = &fact.kind { Some(*rows) } else { None }
            })
            .sum::<u64>();
    }
}

#[test]
fn a_verdict_told_again_changes_nothing() {
    run(async {
        let scene = Scene::new(64).await;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        faults.play(Play::next("rows.verdict", 1, Fault::DuplicateVerdicts));
        scene.change(0, "再");
        daemon.looked_again().await;
        assert_eq!(faults.played("duplicate-verdicts"), 1);
        let counts = daemon.counts(TABLES[0].0).await;
        assert_eq!(counts.confirmed, scene.before.confirmed + ROWS as u64, "{counts:?}");
        assert_eq!(confirmed_in_history(daemon).await, counts.confirmed, "a verdict counted twice");
        assert_eq!(scene.drift().await, BTreeMap::new());
        assert_eq!(wrong(city).await, NOTHING);
        scene.end().await;
    });
}

#[test]
fn a_verdict_on_somebody_elses_row_rejects_nothing_of_ours() {
    run(async {
        let scene = Scene::new(65).await;
        let (city, daemon) = (&scene.city, &scene.daemon);
        let faults = city.platform.faults();
        let key = "FREMD".to_owned();
        faults.play(Play::next("rows.verdict", 1, Fault::ForeignVerdict { key }));
        scene.change(0, "旁");
        daemon.looked_again().await;
        assert_eq!(faults.played("foreign-verdict"), 1);
        let rejects = daemon.rejects().await;
        let failed = rejects.iter().filter(|it| it.kind == RejectKind::Failed).count();
        assert_eq!(failed, 0, "a row was rejected by a verdict on another");
        let counts = daemon.counts(TABLES[0].0).await;
        assert_eq!(counts.confirmed, scene.before.confirmed + ROWS as u64, "{counts:?}");
        assert_eq!(wrong(city).await, NOTHING);
        let told = format!("verdict-foreign {}", TABLES[0].0);
        assert_eq!(scene.drift().await, BTreeMap::from([(told, 1)]));
        scene.end().await;
    });
}

#[test]
fn a_receipt_told_again_changes_nothing() {
    run(async {
        let scene = Scene::new(66).await;
        scene.change(0, "又");
        scene.daemon.looked_again().await;
        // Every receipt, as if the province had repeated its answers.
        let ledger = scene.daemon.ledger();
        let told = async || -> Vec<(u64, Fact)> {
            let facts = ledger.facts(0, 5_000).await.unwrap();
            // Whole readings and reviews go on by themselves.
            let of_answers = facts.into_iter().filter(|(_, fact)| {
                let reviewed = matches!(fact.kind, Kind::Link { to: LinkState::Published, .. });
                let words = ["confirmed", "verdict", "rejected", "link"];
                words.contains(&fact.kind.as_str()) && !reviewed
            });
            of_answers.collect()
        };
        let before = (ledger.flows().await.unwrap(), told().await);
        let all = ledger.batches(BatchFilter { limit: 1_000, ..BatchFilter::default() });
        let all = all.await.unwrap();
        assert!(all.len() > 10, "{}", all.len());
        for waiting in all {
            let receipt = Some(Receipt { id: "r".to_owned(), ..Receipt::default() });
            let ended = Ended::Taken { receipt, upper_id: None, adopted: false };
            let taken = ledger.batch_resolved(waiting.batch.id, ended).await;
            assert!(taken.is_ok(), "a receipt counted twice: {taken:?}");
        }
        let after = (ledger.flows().await.unwrap(), told().await);
        let more: Vec<_> = after.1.iter().filter(|fact| !before.1.contains(fact)).collect();
        assert!(more.is_empty(), "history has a receipt twice: {more:?}");
        for (before, after) in before.0.iter().zip(&after.0) {
            assert_eq!(before.counts, after.counts);
        }
        scene.end().await;
    });
}

#[test]
fn a_refused_row_is_alone_after_as_many_refusals_as_halvings() {
    run(async {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let poison = crate::faults::sound_key(67);
        let rules = RowRules { refuse_keys: [poison].into(), ..RowRules::default() };
        let city = town(400, &clock, |plan| {
            plan.seed = 67;
            plan.province_rules.insert(TABLES[0].0.to_owned(), rules);
        })
        .await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_millis(250);
        let refusals = || {
            let all = city.platform.deliveries().unwrap();
            let of_rows = all.iter().filter(|it| it.operation == "rows.upsert");
            of_rows.filter(|it| it.code.starts_with('3')).count()
        };
        // Twenty rows are ten, five, three or two, two or one, one: at most six refusals.
        daemon
            .wait_until("the row is alone, or was refused more often than that", || async {
                daemon.counts(TABLES[0].0).await.rejected_refused == 1 || refusals() > 6
            })
            .await;
        let (refused, counts) = (refusals(), daemon.counts(TABLES[0].0).await);
        assert!(refused <= 6, "refused {refused} times and still among innocents: {counts:?}");
        daemon.settled().await;
        assert_eq!(wrong(&city).await, [format!("{}: 1 rows absent, 0 too many", TABLES[0].0)]);
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn a_second_daemon_on_one_ledger_is_refused() {
    run(async {
        let scene = Scene::new(68).await;
        let second = App::build(scene.city.configuration(), scene.clock.clone()).await;
        let said = second.err().map(|error| format!("{error:#}"));
        let refused = said.as_ref().is_some_and(|said| said.contains("in use by another"));
        assert!(refused, "a second daemon opened the ledger: {said:?}");
        scene.end().await;
    });
}
