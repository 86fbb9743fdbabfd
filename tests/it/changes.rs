//! What changes in the city, changes above, and nothing else is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cascaded::catalogue::{Kind, ObjectKey};
use cascaded::clock::Clock;
use cascaded::control::protocol::{Request, Response, Trouble};
use cascaded::control::{Handler, Health, Peer};
use cascaded::delivery::{LinkState, RejectKind};
use cascaded::fact;
use cascaded::ledger::{JobState, PassKind, RejectState};
use cascaded::rehearsal::{Platform, Settings};
use rusqlite::{Connection, params};

use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::plain::{CITY, Table, people, settings, visits, write_catalogue, write_city};

/// People and visits above: the city, the daemon, and the two databases a test changes.
struct Scene {
    city: TestCity,
    daemon: TestDaemon,
    tables: Connection,
    catalogue: Connection,
    clock: Clock,
}

const ROWS: u32 = 200;
/// Nobody looks by itself during a test.
const SELDOM: &str = "1h";

impl Scene {
    async fn new(prepare: impl FnOnce(&Connection), change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets: Vec<Table> = vec![people(SELDOM), visits(SELDOM)];
        let tables = write_city(folder.path(), ROWS, local(&clock));
        prepare(&tables);
        let catalogue = write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, change).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        Self { city, daemon, tables, catalogue, clock }
    }

    async fn plain() -> Self {
        Self::new(|_| {}, |_| {}).await
    }

    fn sql(&self, text: &str) {
        self.tables.execute_batch(text).unwrap();
    }

    /// The platform holds what the city has, but for `rejected` keys.
    async fn assert_equal(&self, platform: &Platform, rejected: &[&str]) {
        for dataset in ["people", "visits"] {
            let rows = self.city.rows(dataset).await;
            let expected: BTreeMap<_, _> = rows
                .into_iter()
                .filter(|row| !rejected.contains(&row.key.as_str()))
                .map(|row| (row.key, row.columns))
                .collect();
            assert_content(&platform.content(dataset).unwrap(), &expected, dataset);
        }
    }

    fn sent(&self) -> u64 {
        self.city.platform.times_received().unwrap().values().sum()
    }

    async fn end(self) {
        self.daemon.stop().await;
        self.city.close().await;
    }
}

fn local(clock: &Clock) -> jiff::civil::DateTime {
    clock.now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).datetime()
}

fn due(before: u64, changed: u64) -> (u64, u64) {
    (before + changed, before + changed)
}

#[test]
fn only_rows_that_changed_go_again() {
    run(async {
        let scene = Scene::plain().await;
        let now = local(&scene.clock).strftime("%Y-%m-%d %H:%M:%S").to_string();
        scene.sql(
            "UPDATE people SET name = name || '改' WHERE id IN ('p00003', 'p00100', 'p00199')",
        );
        scene
            .tables
            .execute("UPDATE visits SET note = '改', changed = ? WHERE id < 'v00002'", params![now])
            .unwrap();
        scene.sql("INSERT INTO people VALUES ('p99999', '新人', 'b')");
        scene.daemon.compared().await;
        scene.assert_equal(&scene.city.platform, &[]).await;
        let (people, visits) =
            (scene.daemon.counts("people").await, scene.daemon.counts("visits").await);
        assert_eq!((people.due, people.confirmed), due(u64::from(ROWS), 4));
        assert_eq!((visits.due, visits.confirmed), due(u64::from(ROWS), 2));
        scene.end().await;
    });
}

#[test]
fn a_second_pass_over_unchanged_data_sends_nothing() {
    run(async {
        let scene = Scene::plain().await;
        let sent = scene.sent();
        let before = scene.daemon.ledger().flows().await.unwrap();
        scene.daemon.compared().await;
        assert_eq!(scene.sent(), sent);
        let after = scene.daemon.ledger().flows().await.unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.counts, after.counts);
            assert_eq!(before.last_change_at, after.last_change_at, "nothing changed");
            assert_eq!(before.last_confirmed_at, after.last_confirmed_at, "nothing was confirmed");
            assert!(after.last_observed_at > before.last_observed_at, "it was looked at");
        }
        scene.daemon.stop().await;
        // Nor does a new process that knows only what the ledger kept.
        let daemon = TestDaemon::start(scene.city.configuration(), &scene.clock).await;
        daemon.compared().await;
        assert_eq!(scene.city.platform.times_received().unwrap().values().sum::<u64>(), sent);
        daemon.stop().await;
        scene.city.close().await;
    });
}

#[test]
fn rows_that_are_gone_are_deleted_above_and_in_bulk_only_with_an_approval() {
    run(async {
        let scene = Scene::plain().await;
        scene.sql("DELETE FROM people WHERE id < 'p00005'; DELETE FROM visits WHERE id < 'v00007'");
        scene.daemon.compared().await;
        scene.assert_equal(&scene.city.platform, &[]).await;

        let held = scene.city.platform.content("people").unwrap();
        scene.sql("DELETE FROM people WHERE id < 'p00100'");
        scene.daemon.compared().await;
        assert_eq!(scene.city.platform.content("people").unwrap(), held, "half a table is a fault");
        let flows = scene.daemon.ledger().flows().await.unwrap();
        let people = flows.iter().find(|it| it.flow.dataset == "people").unwrap();
        assert_eq!(people.trouble.as_ref().map(|it| it.0.as_str()), Some("bulk-deletion"));

        scene.daemon.passed("province", PassKind::Compare, true).await;
        scene.assert_equal(&scene.city.platform, &[]).await;
        let flows = scene.daemon.ledger().flows().await.unwrap();
        let people = flows.iter().find(|it| it.flow.dataset == "people").unwrap();
        assert_eq!(people.trouble, None, "what was approved is no trouble any more");
        scene.end().await;
    });
}

#[test]
fn a_rejected_row_that_is_mended_in_the_city_is_confirmed_and_its_reject_is_mended() {
    run(async {
        let spoil = "UPDATE people SET grade = 'z' WHERE id = 'p00010';
                     UPDATE people SET name = NULL WHERE id = 'p00011'";
        let scene = Scene::new(|city| city.execute_batch(spoil).unwrap(), |_| {}).await;
        scene.assert_equal(&scene.city.platform, &["p00010", "p00011"]).await;
        let rejects = scene.daemon.rejects().await;
        let rules: Vec<_> =
            rejects.iter().map(|it| (it.kind, it.findings[0].rule.as_str())).collect();
        assert_eq!(rules, [(RejectKind::Local, "code-list"), (RejectKind::Local, "required")]);

        // One is mended, one leaves the table, and a row that is above becomes wrong.
        scene.sql(
            "UPDATE people SET grade = 'b' WHERE id = 'p00010';
             DELETE FROM people WHERE id = 'p00011';
             UPDATE people SET grade = 'z' WHERE id = 'p00012'",
        );
        let held = scene.city.platform.content("people").unwrap()["p00012"].clone();
        scene.daemon.compared().await;
        let above = scene.city.platform.content("people").unwrap();
        assert_eq!(above["p00010"]["grade"].as_deref(), Some("b"));
        assert_eq!(above["p00012"], held, "what was valid stays as it was");
        let state =
            async |number| scene.daemon.ledger().reject(number).await.unwrap().unwrap().state;
        assert_eq!(state(rejects[0].number).await, RejectState::Mended);
        assert_eq!(state(rejects[1].number).await, RejectState::Gone);
        let open = scene.daemon.rejects().await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].key, scene.daemon.ledger().identity().keyer.key("p00012"));
        let counts = scene.daemon.counts("people").await;
        assert_eq!((counts.confirmed, counts.rejected()), (u64::from(ROWS) - 1, 3), "{counts:?}");
        scene.end().await;
    });
}

#[test]
fn a_repeated_key_is_set_aside_until_one_of_the_two_rows_is_gone() {
    run(async {
        let repeat = "INSERT INTO people VALUES ('p00030', 'zz', 'b')";
        let scene = Scene::new(|city| city.execute_batch(repeat).unwrap(), |_| {}).await;
        let rejects = scene.daemon.rejects().await;
        assert_eq!(rejects.len(), 1);
        assert_eq!(rejects[0].findings[0].rule, "unique");
        scene.daemon.compared().await;
        assert_eq!(scene.daemon.rejects().await.len(), 1, "it stands as long as both rows do");
        scene.sql("DELETE FROM people WHERE name = 'zz'");
        scene.daemon.compared().await;
        assert_eq!(scene.daemon.rejects().await.len(), 0);
        scene.assert_equal(&scene.city.platform, &[]).await;
        scene.end().await;
    });
}

#[test]
fn a_row_whose_key_cannot_be_read_proves_no_deletion() {
    run(async {
        let scene = Scene::plain().await;
        scene.sql("UPDATE people SET id = CAST(x'70C328' AS TEXT) WHERE id = 'p00040'");
        let held = scene.city.platform.content("people").unwrap();
        scene.daemon.compared().await;
        assert_eq!(scene.city.platform.content("people").unwrap(), held, "it may be any row");
        let trouble = async || {
            let flows = scene.daemon.ledger().flows().await.unwrap();
            flows.into_iter().find(|it| it.flow.dataset == "people").unwrap().trouble
        };
        assert_eq!(trouble().await.unwrap().0, "unreadable-key");
        scene.sql("DELETE FROM people WHERE name = '人40'");
        scene.daemon.compared().await;
        scene.assert_equal(&scene.city.platform, &[]).await;
        assert_eq!(trouble().await, None);
        scene.end().await;
    });
}

#[test]
fn a_row_that_the_province_judges_wrong_is_rejected_with_its_sealed_original() {
    run(async {
        let lengthen = "UPDATE people SET name = '一个很长很长的名字' WHERE id = 'p00020'";
        let scene = Scene::new(
            |city| city.execute_batch(lengthen).unwrap(),
            |settings| {
                settings.verdict = Duration::from_millis(200);
                let rules = settings.rules.entry("people".to_owned()).or_default();
                rules.longest.insert("name".to_owned(), 8);
                rules.fail_keys.insert("p00021".to_owned());
            },
        )
        .await;
        let rejects = scene.daemon.rejects().await;
        let keyer = &scene.daemon.ledger().identity().keyer;
        let found: BTreeSet<_> = rejects.iter().map(|it| (it.kind, it.key)).collect();
        let expected = ["p00020", "p00021"].map(|key| (RejectKind::Failed, keyer.key(key)));
        assert_eq!(found, BTreeSet::from(expected));
        for reject in &rejects {
            assert!(reject.batch.is_some());
            let clear = reject.original.windows(3).any(|part| part == "名".as_bytes());
            assert!(!reject.original.is_empty() && !clear, "the original is kept sealed");
        }
        let counts = scene.daemon.counts("people").await;
        assert_eq!((counts.confirmed, counts.rejected_failed), (u64::from(ROWS) - 2, 2));

        // Unchanged rows that were judged wrong are not sent again; a changed one is.
        let sent = scene.sent();
        scene.daemon.compared().await;
        assert_eq!(scene.sent(), sent);
        scene.sql("UPDATE people SET name = '短名' WHERE id = 'p00020'");
        scene.daemon.compared().await;
        let above = scene.city.platform.content("people").unwrap();
        assert_eq!(above["p00020"]["name"].as_deref(), Some("短名"));
        let open = scene.daemon.rejects().await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].key, keyer.key("p00021"));
        scene.end().await;
    });
}

#[test]
fn a_second_channel_carries_the_same_to_its_own_platform() {
    run(async {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets = [people(SELDOM), visits(SELDOM)];
        let tables = write_city(folder.path(), ROWS, local(&clock));
        let catalogue = write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let other = city.add_platform("second", "datasets = [\"people\", \"visits\"]").await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let scene = Scene { city, daemon, tables, catalogue, clock };
        scene.assert_equal(&scene.city.platform, &[]).await;
        scene.assert_equal(&other, &[]).await;
        let names = |platform: &Platform| -> BTreeSet<String> {
            platform.times_received().unwrap().into_keys().collect()
        };
        assert!(names(&other).is_disjoint(&names(&scene.city.platform)), "batches have a channel");

        // One channel's platform goes away: the other goes on.
        other.stop();
        scene.sql("UPDATE people SET name = '甲' WHERE id = 'p00001'");
        let (number, _) = scene.daemon.resync("province", PassKind::Compare, false, None).await;
        scene.daemon.wake();
        scene
            .daemon
            .wait_until("the reachable channel is done", || async {
                let queued = scene.daemon.counts("people").await.queued;
                scene.daemon.job(number).await.state == JobState::Done && queued == 0
            })
            .await;
        scene.assert_equal(&scene.city.platform, &[]).await;
        assert_ne!(other.content("people").unwrap()["p00001"]["name"].as_deref(), Some("甲"));
        scene.end().await;
    });
}

#[test]
fn a_changed_entry_is_modified_above_and_a_gone_one_withdrawn_children_first() {
    run(async {
        let scene = Scene::plain().await;
        let entry = |id: &str| ObjectKey { kind: Kind::Entry, id: id.to_owned() };
        let province = scene.daemon.channel("province").id.clone();
        let state = async |key: ObjectKey| {
            scene.daemon.ledger().link(province.clone(), key).await.unwrap().unwrap().state
        };
        scene
            .catalogue
            .execute_batch("UPDATE entry SET title = '新名' WHERE id = 'e-people'")
            .unwrap();
        scene.daemon.wake();
        let held = |id: &str| {
            let objects = scene.city.platform.objects().unwrap();
            objects.into_iter().find(|it| it.local_id == id).unwrap()
        };
        scene
            .daemon
            .wait_until("the entry has its new title above", || async {
                held("e-people").title.as_deref() == Some("新名")
            })
            .await;
        scene.daemon.settled().await;
        assert_eq!(held("e-people").times_said, 2);
        assert_eq!(held("e-visits").times_said, 1, "only what changed is said again");

        scene
            .catalogue
            .execute_batch(
                "DELETE FROM entry WHERE id = 'e-visits'; DELETE FROM resource WHERE id = 'r-visits';
                 DELETE FROM item WHERE entry = 'e-visits'",
            )
            .unwrap();
        scene.daemon.wake();
        scene
            .daemon
            .wait_until("entry and resource are withdrawn", || async {
                state(entry("e-visits")).await == LinkState::Withdrawn
            })
            .await;
        assert_eq!(held("r-visits").state, "withdrawn");
        assert_eq!(held("e-visits").state, "withdrawn");
        assert_eq!(held("e-people").state, "published");
        let cancelled: Vec<String> = scene
            .city
            .platform
            .deliveries()
            .unwrap()
            .into_iter()
            .filter(|it| it.operation.ends_with(".cancel"))
            .map(|it| it.operation)
            .collect();
        assert_eq!(cancelled, ["resource.cancel", "entry.cancel"]);
        scene.end().await;
    });
}

#[test]
fn a_resync_is_one_job_for_one_key_and_can_be_called_off() {
    run(async {
        let scene = Scene::plain().await;
        let (first, new) =
            scene.daemon.resync("province", PassKind::Resend, false, Some("k")).await;
        let (again, second) =
            scene.daemon.resync("province", PassKind::Resend, false, Some("k")).await;
        assert_eq!((first, new, second), (again, true, false));
        assert_eq!(scene.daemon.job(first).await.state, JobState::Running);
        scene.daemon.wake();
        scene
            .daemon
            .wait_until("the job is done", || async {
                scene.daemon.job(first).await.state == JobState::Done
            })
            .await;
        scene.daemon.settled().await;
        let job = scene.daemon.job(first).await;
        assert_eq!((job.done, job.total), (2, Some(2)));
        assert_eq!((job.rows_seen, job.rows_due), (u64::from(2 * ROWS), u64::from(2 * ROWS)));
        let counts = scene.daemon.counts("people").await;
        assert_eq!((counts.due, counts.confirmed), due(u64::from(ROWS), u64::from(ROWS)));

        // Nobody was woken, so the second job has not begun when it is called off.
        let (second, _) = scene.daemon.resync("province", PassKind::Resend, false, Some("l")).await;
        assert!(scene.daemon.ledger().job_cancelled(second).await.unwrap());
        assert!(!scene.daemon.ledger().job_cancelled(second).await.unwrap());
        assert_eq!(scene.daemon.job(second).await.state, JobState::Cancelled);
        let sent = scene.sent();
        scene.daemon.compared().await;
        assert_eq!(scene.sent(), sent, "what was called off sends nothing");

        // What is held above already and goes out again is told as that, and as no change.
        let (third, _) = scene.daemon.resync("province", PassKind::Resend, false, Some("m")).await;
        scene.daemon.wake();
        scene
            .daemon
            .wait_until("the third job is done", || async {
                scene.daemon.job(third).await.state == JobState::Done
            })
            .await;
        let mut told = Vec::new();
        for (_, fact) in scene.daemon.ledger().facts(0, 10_000).await.unwrap() {
            if let fact::Kind::PassCompleted { seen, changed, resent, .. } = fact.kind {
                told.push((fact.subject == "people", seen, changed, resent));
            }
        }
        let rows = u64::from(ROWS);
        // Two jobs of two datasets; readings that compare send nothing again.
        assert_eq!(told.iter().filter(|it| it.3 == rows && it.2 == 0).count(), 4, "{told:?}");
        assert!(told.contains(&(true, rows, rows, 0)), "the first time: {told:?}");
        assert!(told.contains(&(true, rows, 0, rows)), "the same again: {told:?}");
        scene.end().await;
    });
}

/// A key twice with different change times: the older version sound, the newer broken, so many
/// rows apart. A page has 1,000 rows.
const GAPS: [u32; 3] = [1, 300, 1_500];

/// What `status` says is unusual, and how many such things the metrics page counts.
async fn unusual(daemon: &TestDaemon) -> (BTreeSet<String>, usize) {
    let office = daemon.app.office(None);
    let answer = office.handle(Request::Status {}, Peer { uid: 0, gid: 0, pid: None }).await;
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    let told = status.attention.iter().filter(|it| it.trouble == Trouble::Unusual);
    let told = told.map(|it| it.detail.clone()).collect();
    office.refresh().await;
    let page = Health::metrics(&office);
    let of_people = |line: &&str| {
        line.starts_with("cascade_dataset_warnings{") && line.contains("dataset=\"people\"")
    };
    let counted = page.lines().find(of_people).and_then(|it| it.rsplit(' ').next()?.parse().ok());
    (told, counted.unwrap_or(0))
}

#[test]
fn a_dataset_that_is_unusual_as_a_whole_is_told_and_its_rows_arrive() {
    run(async {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let mut table = people(SELDOM);
        table.rules = "[dataset.watch]\nrise_percent = 10\nfall_percent = 10\n\
             values = [{ column = \"grade\", percent = 60 }]\n";
        let tables = write_city(folder.path(), ROWS, local(&clock));
        write_catalogue(folder.path(), std::slice::from_ref(&table));
        let city = TestCity::with(folder, &settings(CITY, &[table]), &clock, |_| {}).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        assert_eq!(unusual(&daemon).await, (BTreeSet::new(), 0));

        tables
            .execute_batch("UPDATE people SET grade = 'a'; DELETE FROM people WHERE id < 'p00030'")
            .unwrap();
        let sight = daemon.passed("province", PassKind::Compare, true).await;
        let found = ["rows 200 → 170 ↓", "grade: 170 / 170"].map(str::to_owned);
        assert_eq!(unusual(&daemon).await, (found.into(), 2));
        assert_eq!(
            (sight.rows.confirmed, sight.rows.rejected_local),
            (200 + 85 + 30, 0),
            "a warning stops nothing"
        );

        tables.execute_batch("UPDATE people SET grade = 'b' WHERE id < 'p00120'").unwrap();
        daemon.compared().await;
        assert_eq!(unusual(&daemon).await, (BTreeSet::new(), 0), "what is mended is told no more");
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn what_becomes_of_two_versions_of_a_key_does_not_depend_on_pages() {
    run(async {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let mut notes = visits(SELDOM);
        notes.rules = "[[dataset.rule]]\nrule = \"required\"\ncolumns = [\"note\"]\n";
        let datasets = vec![people(SELDOM), notes];
        let tables = write_city(folder.path(), 0, local(&clock));
        let base = local(&clock).yesterday().unwrap().date().to_datetime(jiff::civil::Time::MIN);
        let filling = tables.unchecked_transaction().unwrap();
        let write = |id: &str, note: Option<&str>, second: u32| {
            let at = base.checked_add(jiff::Span::new().seconds(second)).unwrap();
            let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
            tables.execute("INSERT INTO visits VALUES (?, ?, ?)", params![id, note, at]).unwrap();
        };
        for number in 0..2_500 {
            write(&format!("v{number:05}"), Some("第一次"), number);
        }
        for gap in GAPS {
            write(&format!("sound-then-broken-{gap}"), Some("旧"), 100);
            write(&format!("sound-then-broken-{gap}"), None, 100 + gap);
            write(&format!("broken-then-sound-{gap}"), None, 100);
            write(&format!("broken-then-sound-{gap}"), Some("新"), 100 + gap);
        }
        filling.commit().unwrap();
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let keyer = &daemon.ledger().identity().keyer;
        let mut broken: Vec<_> =
            GAPS.iter().map(|gap| keyer.key(&format!("sound-then-broken-{gap}"))).collect();
        broken.sort();
        for look in ["the lanes", "a whole reading"] {
            if look == "the lanes" {
                daemon.settled().await
            } else {
                daemon.compared().await
            };
            let above = city.platform.content("visits").unwrap();
            for gap in GAPS {
                let note = |kind: &str| above[&format!("{kind}-{gap}")]["note"].clone();
                assert_eq!(note("sound-then-broken").as_deref(), Some("旧"), "{look}, {gap} apart");
                assert_eq!(note("broken-then-sound").as_deref(), Some("新"), "{look}, {gap} apart");
            }
            let rejects = daemon.rejects().await;
            let open = rejects.iter().filter(|it| it.state == RejectState::Open);
            let mut keys: Vec<_> = open.map(|it| it.key).collect();
            keys.sort();
            assert_eq!(keys, broken, "{look}: the newest is rejected, whatever the page");
        }
        daemon.stop().await;
        city.close().await;
    });
}

/// On a slow machine a look at the present is due again after every page of the past.
#[test]
fn rows_without_a_time_arrive_however_often_the_present_is_looked_at() {
    const MANY: u32 = 12_000;
    run(async {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        // Nothing reads the whole: only its lanes can find a row.
        let from = "source = \"city\"\ntable = \"visits\"\npoll = \"1s\"\n\
             change = { kind = \"time-column\", column = \"changed\", overlap = \"1h\" }";
        let datasets = [Table { from: from.to_owned(), ..visits("1s") }];
        let tables = write_city(folder.path(), MANY, local(&clock));
        tables.execute_batch("UPDATE visits SET changed = NULL").unwrap();
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let ticks = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            loop {
                ticks.tick().await;
                clock.advance(Duration::from_secs(1));
            }
        };
        let above = |rows: u32| {
            let platform = &city.platform;
            move || async move { platform.count("visits").unwrap() == u64::from(rows) }
        };
        let arrivals = async {
            daemon.wait_until("what has no time is above", above(MANY)).await;
            let now = local(&clock).strftime("%Y-%m-%d %H:%M:%S").to_string();
            tables.execute("INSERT INTO visits VALUES ('new', '新', ?)", [now]).unwrap();
            daemon.wait_until("what is new is above", above(MANY + 1)).await;
        };
        tokio::select! {
            () = ticks => {}
            () = arrivals => {}
        }
        daemon.stop().await;
        city.close().await;
    });
}
