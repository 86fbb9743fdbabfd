//! What the province does to us, and how it must end: nothing lost, nothing doubled, and only what
//! is really wrong set aside. The daemon runs in this process against a rehearsal platform.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::delivery::RejectKind;
use cascaded::demo::Scale;
use cascaded::ledger::Scope;
use cascaded::rehearsal::{Fault, Faults, Play, RowRules};

use crate::support::daemon::{TestCity, TestDaemon, channel, run};
use crate::support::town::{TABLES, come_in, go_on, open, town, write_rows, wrong};

const NOTHING: [String; 0] = [];

/// A client that waits for an answer for two seconds.
fn impatient(city: &TestCity) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let text = text.replace("[channel.province]\n", "[channel.province]\ntimeout = \"2s\"\n");
    std::fs::write(city.configuration_file(), text).unwrap();
}

async fn compared(daemon: &TestDaemon) -> u64 {
    let found = cascaded::demo::compare(&daemon.app).await.unwrap();
    assert!(found.iter().all(|found| found.skipped.is_none()), "{found:?}");
    found.iter().map(cascaded::cascade::Comparison::mismatched).sum()
}

/// Faults that pass: after each, above is what the city has.
fn passing() -> Vec<Play> {
    let rows = "rows.upsert";
    vec![
        // At 100 % for as long as twelve answers.
        Play::next("*", 12, Fault::LoseAnswer),
        Play::next(rows, 1, Fault::LoseAnswerSilently),
        Play::next(rows, 1, Fault::Silent),
        Play::next(rows, 3, Fault::CutBody),
        Play::next("*", 3, Fault::ServerError { status: 500 }),
        Play::next(rows, 2, Fault::ServerError { status: 503 }),
        Play::next(rows, 1, Fault::Slow { per_byte: Duration::from_micros(100) }),
        Play::next("rows.verdict", 4, Fault::DuplicateVerdicts),
        Play::next(rows, 2, Fault::LateVerdicts { by: Duration::from_secs(2) }),
        Play::next(rows, 2, Fault::ReceiptWithoutStoring),
        Play::next(rows, 2, Fault::UnknownField { name: "Surprise".to_owned() }),
    ]
}

#[test]
fn faults_that_pass_lose_nothing_and_double_nothing() {
    run(async {
        let clock = Clock::system();
        let city = town(400, &clock, |plan| plan.seed = 21).await;
        impatient(&city);
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let faults = city.platform.faults();
        for (number, play) in passing().into_iter().enumerate() {
            let (kind, before) = (play.fault.kind(), faults.played(play.fault.kind()));
            faults.clear();
            faults.play(play);
            go_on(&city, 30, &format!("故障{number}"));
            daemon.looked_again().await;
            assert!(faults.played(kind) > before, "{kind} was not played");
            assert_eq!(wrong(&city).await, NOTHING, "after {kind}");
        }
        // A stranger's certificate: nothing is sent to it, then the right one is shown.
        faults.clear();
        daemon.stop().await;
        faults.wrong_certificate(3);
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        go_on(&city, 30, "证书");
        daemon.looked_again().await;
        assert!(faults.played(Faults::WRONG_CERTIFICATE) > 0);
        assert_eq!(wrong(&city).await, NOTHING);
        println!("faults played: {:?}", faults.all_played());

        // Fields that no table names were told.
        let drift = daemon.ledger().drift().await.unwrap();
        assert!(drift.iter().any(|it| it.kind == "reply-field"), "{drift:?}");
        assert_eq!(daemon.ledger().holds().await.unwrap().len(), 0);
        assert_eq!(compared(&daemon).await, 0);
        daemon.stop().await;
        city.close().await;
    });
}

/// A key of the first table that the generator makes of this seed and does not spoil.
pub(crate) fn sound_key(seed: u64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let scale = Scale { datasets: 4, rows: 400, entries: 6 };
    let now = jiff::civil::datetime(2026, 11, 22, 9, 0, 0, 0);
    let made = cascaded::demo::generate(folder.path(), scale, seed, now).unwrap();
    let database = open(&folder.path().join("city.sqlite"));
    let mut query = database.prepare("SELECT person_no FROM population_515100").unwrap();
    let keys = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let spoiled = |key: &String| made.defects.iter().any(|defect| defect.key == *key);
    keys.map(Result::unwrap).filter(|key| !spoiled(key)).nth(30).unwrap()
}

#[test]
fn one_refused_row_is_alone_and_its_neighbours_arrive() {
    run(async {
        let clock = Clock::system();
        let poison = sound_key(22);
        let rules = RowRules { refuse_keys: [poison.clone()].into(), ..RowRules::default() };
        let city = town(400, &clock, |plan| {
            plan.seed = 22;
            plan.province_rules.insert("5151-0101".to_owned(), rules);
        })
        .await;

        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let sight = daemon.settled().await;
        assert_eq!(sight.rows.rejected_refused, 1, "{sight:?}");
        let rejects = daemon.rejects().await;
        let refused: Vec<_> =
            rejects.iter().filter(|reject| reject.kind == RejectKind::Refused).collect();
        let key = daemon.ledger().identity().keyer.key(&poison);
        assert_eq!(refused.iter().map(|reject| reject.key).collect::<Vec<_>>(), [key]);
        assert_eq!(wrong(&city).await, ["5151-0101: 1 rows absent, 0 too many"]);

        // Its neighbours go on changing, and the row is refused again in its new version.
        let database = open(&city.path().join("city.sqlite"));
        write_rows(&city, &database, TABLES[0], usize::MAX, "改正");
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, ["5151-0101: 1 rows absent, 0 too many"]);
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn an_unknown_code_holds_its_operation_and_rejects_nothing() {
    run(async {
        let clock = Clock::system();
        let city = town(300, &clock, |plan| plan.seed = 23).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let before = daemon.settled().await;
        let faults = city.platform.faults();
        faults.play(Play::always("rows.upsert", Fault::UnknownCode { code: "C-47".to_owned() }));
        go_on(&city, 30, "异动");
        daemon
            .wait_until("the operation is held, or a row was rejected", || async {
                let rejected = cascaded::demo::look(&daemon.app).await.unwrap().rows.rejected();
                let held = !daemon.ledger().holds().await.unwrap().is_empty();
                held || rejected > before.rows.rejected()
            })
            .await;
        let rejected = cascaded::demo::look(&daemon.app).await.unwrap().rows.rejected();
        assert_eq!(rejected, before.rows.rejected(), "rejected by a code in no list");
        let holds = daemon.ledger().holds().await.unwrap();
        assert_eq!(holds[0].scope, Scope::Operation("rows.upsert".to_owned()), "{holds:?}");
        let drift = daemon.ledger().drift().await.unwrap();
        assert!(drift.iter().any(|it| it.kind == "reply-code" && it.detail == "C-47"), "{drift:?}");
        // Other operations flow: an organisation's new name arrives meanwhile.
        let database = open(&city.path().join("city.sqlite"));
        database.execute("UPDATE cat_organisation SET title = title || '（新）'", []).unwrap();
        daemon.wake();
        daemon
            .wait_until("an object is modified", || async {
                let deliveries = city.platform.deliveries().unwrap();
                deliveries.iter().any(|it| it.operation == "organisation.modify")
            })
            .await;
        let held = cascaded::demo::look(&daemon.app).await.unwrap();
        assert_eq!(held.rows.rejected(), before.rows.rejected());
        assert!(held.rows.queued > 0);

        faults.clear();
        daemon.ledger().holds_lifted(None).await.unwrap();
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn a_province_restored_from_yesterday_gets_today_again() {
    run(async {
        let clock = Clock::system();
        let city = town(300, &clock, |plan| plan.seed = 24).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        city.platform.snapshot().unwrap();
        go_on(&city, 40, "昨天以后");
        daemon.looked_again().await;
        assert_eq!(compared(&daemon).await, 0);

        city.platform.restore().unwrap();
        let lost = compared(&daemon).await;
        assert!(lost >= 100, "{lost} rows are found different");
        for channel in &daemon.app.channels() {
            let datasets: Vec<String> =
                channel.carriers().map(|carrier| carrier.flow().dataset.clone()).collect();
            let crew = &daemon.app.crew;
            let totals = crew.totals(channel).await.unwrap();
            for dataset in datasets {
                crew.reconcile(channel, &dataset, &totals, true).await.unwrap();
            }
        }
        daemon
            .wait_until("everything is above again", || async {
                city.platform.content("5151-0101").is_ok() && wrong_content(&city).await.is_empty()
            })
            .await;
        daemon.settled().await;
        assert_eq!(compared(&daemon).await, 0);
        println!("restored from yesterday: {lost} rows were missing or older, none is");
        daemon.stop().await;
        city.close().await;
    });
}

/// Differences of content only: what is repaired comes a second time, and rightly so.
async fn wrong_content(city: &TestCity) -> Vec<String> {
    let all = wrong(city).await;
    all.into_iter().filter(|line| !line.contains("under two names")).collect()
}

#[test]
fn one_unreachable_source_and_one_held_channel_stop_nobody_else() {
    run(async {
        let clock = Clock::system();
        let city = town(300, &clock, |plan| plan.seed = 25).await;
        // A second channel to the same platform that carries one dataset; and the first dataset
        // in a database of its own, which will go.
        let text_before = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = text_before.replacen(
            "source = \"city\"\ntable = \"population",
            "source = \"lost\"\ntable = \"population",
            1,
        );
        let lost = "[[source]]\nkind = \"sqlite\"\nid = \"lost\"\npath = \"lost.sqlite\"\n\n";
        let more = "carries = [\"organisation\"]\n";
        let second = channel("second", &city.platform.url(), more);
        std::fs::write(city.configuration_file(), format!("{text}\n{lost}{second}")).unwrap();
        std::fs::copy(city.path().join("city.sqlite"), city.path().join("lost.sqlite")).unwrap();

        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        std::fs::remove_file(city.path().join("lost.sqlite")).unwrap();
        // What is compared at the end is read from where it still lies.
        std::fs::write(city.configuration_file(), &text_before).unwrap();
        let second = daemon.channel("second").id.clone();
        daemon
            .ledger()
            .hold_placed(second.clone(), Scope::Channel, "4001".to_owned())
            .await
            .unwrap();
        let database = open(&city.path().join("city.sqlite"));
        for table in &TABLES[1..] {
            write_rows(&city, &database, *table, 40, "照常");
        }
        daemon
            .wait_until("the healthy datasets arrive", || async { wrong(&city).await.is_empty() })
            .await;
        daemon
            .wait_until("the lost source shows", || async {
                let flows = daemon.ledger().flows().await.unwrap();
                flows.iter().any(|it| it.flow.dataset == "5151-0101" && it.trouble.is_some())
            })
            .await;
        let flows = daemon.ledger().flows().await.unwrap();
        let troubled: Vec<&str> = flows
            .iter()
            .filter(|it| it.trouble.is_some())
            .map(|it| it.flow.dataset.as_str())
            .collect();
        assert_eq!(troubled, ["5151-0101"]);
        assert_eq!(daemon.ledger().holds().await.unwrap().len(), 1);
        daemon.stop().await;
        city.close().await;
    });
}

/// Bytes of payloads that wait.
fn spooled(city: &TestCity) -> u64 {
    let files = std::fs::read_dir(city.path().join("ledger/spool")).unwrap();
    files.map(|file| file.unwrap().metadata().map_or(0, |about| about.len())).sum()
}

#[test]
fn after_three_days_of_outage_nothing_is_lost_and_the_present_goes_first() {
    run(async {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let city = town(400, &clock, |plan| plan.seed = 26).await;
        let faults = city.platform.faults();
        // The first load is read and none of it taken.
        faults.play(Play::always("rows.*", Fault::ServerError { status: 503 }));
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_secs(1);
        daemon
            .wait_until("everything is read", || async {
                let sight = cascaded::demo::look(&daemon.app).await.unwrap();
                sight.objects_open == 0 && sight.unread.is_empty() && sight.entries_due > 0
            })
            .await;
        faults.begin_outage();
        let mut most = 0;
        for hours in (0..72).step_by(6) {
            come_in(&city, 30, &format!("{hours:02}"));
            let since = clock.now();
            daemon.wake();
            daemon
                .wait_until("the change is observed", || async {
                    let flows = daemon.ledger().flows().await.unwrap();
                    flows.iter().all(|flow| flow.last_observed_at.is_some_and(|at| at > since))
                })
                .await;
            most = most.max(spooled(&city));
            clock.advance(Duration::from_hours(6));
        }
        let before = city.platform.deliveries().unwrap().len();
        let waiting = cascaded::demo::look(&daemon.app).await.unwrap().rows;
        assert!(waiting.queued > 300, "{waiting:?}");
        faults.clear();
        faults.end_outage();
        daemon.wake();
        let sight = daemon.settled().await;
        assert!(sight.rows.balance(), "{sight:?}");
        assert_eq!(wrong(&city).await, NOTHING);

        // In the order of arrival: no batch of the past before the last one of the present that
        // waited with it, but for those that were under way beside it.
        let ledger = open(&city.path().join("ledger/ledger.sqlite"));
        let lane = |batch: &str| -> Option<String> {
            let sql = "SELECT lane FROM batch WHERE lower(hex(id)) = ?1";
            ledger.query_row(sql, [batch], |row| row.get(0)).ok()
        };
        let arrived: Vec<String> = city.platform.deliveries().unwrap()[before..]
            .iter()
            .filter(|it| it.operation == "rows.upsert" && it.payload_digest.is_some())
            .filter_map(|it| lane(it.batch_id.as_deref()?))
            .collect();
        let live = arrived.iter().filter(|lane| *lane == "live").count();
        let past = arrived.len() - live;
        let first = arrived.iter().take(live / 2).filter(|lane| *lane == "live").count();
        println!(
            "three days of outage: {} rows waited, spool at most {most} bytes; then {live} live \
             batches and {past} of the past; of the first {} arrivals {first} were live",
            waiting.queued,
            live / 2
        );
        assert!(live > 0 && past > 0 && most < 16 << 20);
        assert!(first + 4 >= live / 2, "{arrived:?}");
        daemon.stop().await;
        city.close().await;
    });
}

/// Rows that are on their way.
async fn under_way(daemon: &TestDaemon) -> u64 {
    cascaded::demo::look(&daemon.app).await.unwrap().rows.queued
}

#[test]
fn a_first_load_larger_than_the_backlog_waits_and_loses_nothing() {
    const BACKLOG: usize = 1_500;
    /// Two readings of the past at once, each with a page begun while there was room for it.
    const MOST: u64 = 3 * BACKLOG as u64;
    run(async {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let city = town(8_000, &clock, |plan| plan.seed = 27).await;
        let faults = city.platform.faults();
        faults.play(Play::always("rows.*", Fault::ServerError { status: 503 }));
        let app = cascaded::app::App::build(city.configuration(), clock.clone()).await.unwrap();
        app.crew.readers.backlog_rows.store(BACKLOG, Ordering::Relaxed);
        let mut daemon = TestDaemon::started(app, &clock);
        daemon.step = Duration::from_secs(1);
        daemon
            .wait_until("the backlog is full", || async {
                under_way(&daemon).await >= BACKLOG as u64
            })
            .await;
        faults.begin_outage();

        // Hours go by: nothing more of the past is read, and what is new is.
        let (mut peak, mut disk) = (0, 0);
        daemon.step = Duration::from_secs(20);
        let ledger = open(&city.path().join("ledger/ledger.sqlite"));
        let present = || -> i64 {
            let sql = "SELECT coalesce(sum(rows), 0) FROM batch WHERE lane = 'live'
                 AND subject_kind = 'rows'";
            ledger.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        for half in 1..=6 {
            come_in(&city, 10, &format!("{half:02}"));
            let next = clock.now() + Duration::from_mins(30);
            while clock.now() < next {
                let soon = clock.now() + Duration::from_mins(10);
                daemon.wait_until("time passes", || async { clock.now() >= soon }).await;
                peak = peak.max(under_way(&daemon).await);
                disk = disk.max(spooled(&city));
            }
            // However slow the machine: between two looks at the present the past has its turn.
            daemon.wait_until("what is new is read", || async { present() >= half * 10 }).await;
        }
        let live = daemon.counts(TABLES[0].0).await;
        println!(
            "a first load of 8,000 rows over a backlog of {BACKLOG}: at most {peak} under way and \
             {disk} bytes in the spool during three hours without the province; {live:?}"
        );
        assert!(peak >= BACKLOG as u64, "{peak}");
        assert!(peak <= MOST + 60, "the past was read on: {peak} rows are under way");
        assert_eq!(present(), 60, "what is new is read although the backlog is full");

        faults.clear();
        faults.end_outage();
        daemon.step = Duration::from_secs(1);
        daemon.wake();
        let sight = daemon.settled().await;
        assert!(sight.rows.balance(), "{sight:?}");
        assert_eq!(wrong(&city).await, NOTHING);
        // Rows that no reading by time finds were told as well: every planted defect is.
        let made = city.made.as_ref().unwrap();
        assert_eq!(sight.rows.rejected_local, made.defects.len() as u64);
        daemon.stop().await;
        city.close().await;
    });
}
