//! What the city has, what the ledger says, what the province holds: equal sums ask for nothing
//! more, every difference is found and named, and repair touches only what this ledger sent.

use std::collections::BTreeMap;

use cascaded::cascade::{Comparison, Mismatch, ObjectMismatch};
use cascaded::clock::Clock;
use rusqlite::Connection;

use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::plain::{CITY, people, settings, visits, write_catalogue, write_city};
use crate::support::town::open;

const ROWS: u32 = 200;
const SELDOM: &str = "1h";

/// A city whose rows are above, and the province's own tables to spoil.
struct Scene {
    city: TestCity,
    daemon: TestDaemon,
    tables: Connection,
    province: Connection,
}

impl Scene {
    async fn new() -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![people(SELDOM), visits(SELDOM)];
        let now = clock.now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap());
        let tables = write_city(folder.path(), ROWS, now.datetime());
        write_catalogue(folder.path(), &datasets);
        let database = folder.path().join("province.sqlite");
        let stored = database.clone();
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |settings| {
            settings.database = Some(stored);
        })
        .await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        daemon.compared().await;
        Self { city, daemon, tables, province: open(&database) }
    }

    /// Questions for keys that the province was asked.
    fn key_questions(&self) -> usize {
        let all = self.city.platform.deliveries().unwrap();
        all.iter().filter(|it| it.operation == "inventory.keys").count()
    }

    async fn reconciled(&self, repair: bool) -> BTreeMap<String, Comparison> {
        let channel = self.daemon.channel("province");
        let crew = &self.daemon.app.crew;
        let totals = crew.totals(&channel).await.unwrap();
        let mut found = BTreeMap::new();
        for dataset in ["people", "visits"] {
            let one = crew.reconcile(&channel, dataset, &totals, repair).await.unwrap().unwrap();
            assert_eq!(one.skipped, None, "{one:?}");
            found.insert(dataset.to_owned(), one);
        }
        found
    }

    async fn objects(&self, repair: bool) -> Vec<ObjectMismatch> {
        let channel = self.daemon.channel("province");
        self.daemon.app.crew.reconcile_objects(&channel, repair).await.unwrap().unwrap()
    }

    fn above(&self, sql: &str) {
        assert_eq!(self.province.execute(sql, []).unwrap(), 1, "{sql}");
    }

    async fn assert_people(&self, but: &[&str]) {
        let rows = self.city.rows("people").await;
        let expected: BTreeMap<_, _> = rows.into_iter().map(|it| (it.key, it.columns)).collect();
        let mut above = self.city.platform.content("people").unwrap();
        for key in but {
            assert!(above.remove(*key).is_some(), "{key} is above");
        }
        assert_content(&above, &expected, "people");
    }

    async fn end(self) {
        self.daemon.stop().await;
        self.city.close().await;
    }
}

fn named(found: &Comparison) -> Vec<Mismatch> {
    let mut what: Vec<Mismatch> = found.keys.iter().map(|(_, what)| *what).collect();
    what.sort();
    what
}

#[test]
fn equal_datasets_ask_for_no_keys() {
    run(async {
        let scene = Scene::new().await;
        let before = scene.key_questions();
        let found = scene.reconciled(false).await;
        assert_eq!(scene.key_questions(), before, "sums and digests were enough");
        for one in found.values() {
            let rows = u64::from(ROWS);
            assert_eq!((one.confirmed, one.held, one.compared), (rows, rows, rows), "{one:?}");
            assert!(!one.narrowed && one.mismatched() == 0, "{one:?}");
        }
        // The same count with one other row above: only its dataset is narrowed.
        scene.above("update rows_people set _digest = 'ab' where _key = 'p00007'");
        let found = scene.reconciled(false).await;
        assert!(scene.key_questions() > before);
        assert!(found["people"].narrowed && !found["visits"].narrowed, "{found:?}");
        scene.end().await;
    });
}

#[test]
fn every_difference_is_named_and_only_ours_is_mended() {
    run(async {
        let scene = Scene::new().await;
        scene.above("update rows_people set name = '改', _digest = 'ab12' where _key = 'p00007'");
        scene.above("delete from rows_people where _key = 'p00011'");
        scene.above(
            "insert into rows_people select 'stranger', 'ffff', _batch, _taken_at, grade, \
             'stranger', name from rows_people where _key = 'p00001'",
        );
        let found = &scene.reconciled(false).await["people"];
        assert_eq!((found.missing, found.different, found.extra), (1, 1, 1), "{found:?}");
        let all = [Mismatch::Missing, Mismatch::Different, Mismatch::Foreign];
        assert_eq!(named(found), all);

        let mended = &scene.reconciled(true).await["people"];
        assert_eq!(mended.mended, 2, "{mended:?}");
        scene
            .daemon
            .wait_until("what was lost is above again", || async {
                let above = scene.city.platform.content("people").unwrap();
                above.contains_key("p00011") && above["p00007"]["name"].as_deref() == Some("人7")
            })
            .await;
        scene.daemon.settled().await;
        let found = &scene.reconciled(true).await["people"];
        assert_eq!(named(found), [Mismatch::Foreign], "what we never sent stays and is listed");
        scene.assert_people(&["stranger"]).await;
        scene.end().await;
    });
}

#[test]
fn a_row_that_comes_back_above_is_deleted_only_as_ours() {
    run(async {
        let scene = Scene::new().await;
        scene.city.platform.snapshot().unwrap();
        scene.tables.execute_batch("DELETE FROM people WHERE id = 'p00042'").unwrap();
        scene.daemon.compared().await;
        assert!(!scene.city.platform.content("people").unwrap().contains_key("p00042"));
        // Restored from yesterday: what we deleted since is there again.
        scene.city.platform.restore().unwrap();
        let found = &scene.reconciled(false).await["people"];
        assert_eq!(named(found), [Mismatch::Orphan], "{found:?}");
        let before = scene.daemon.ledger().flows().await.unwrap();
        let mended = &scene.reconciled(true).await["people"];
        assert_eq!(mended.mended, 1);
        scene
            .daemon
            .wait_until("it is deleted again", || async {
                !scene.city.platform.content("people").unwrap().contains_key("p00042")
            })
            .await;
        scene.daemon.settled().await;
        let after = scene.daemon.ledger().flows().await.unwrap();
        let changed = |flows: &[cascaded::ledger::FlowState]| flows[0].last_change_at;
        assert_eq!(changed(&before), changed(&after), "repair makes nothing fresher");
        let found = &scene.reconciled(false).await["people"];
        assert_eq!(found.mismatched(), 0);
        scene.assert_people(&[]).await;
        scene.end().await;
    });
}

#[test]
fn objects_that_only_one_side_holds_are_listed_and_ours_are_mended() {
    run(async {
        let scene = Scene::new().await;
        assert_eq!(scene.objects(false).await, []);
        scene.above("delete from object where kind = 'entry' and local_id = 'e-visits'");
        scene.above(
            "insert into object select 'U-9', kind, 'e-strange', title, state, dataset, message, \
             parents, registered_at, changed_at, review_ends_at, 1 from object \
             where local_id = 'e-people'",
        );
        let found = scene.objects(false).await;
        let said: Vec<_> = found.iter().map(|it| (it.key.id.as_str(), it.what)).collect();
        assert_eq!(said, [("e-visits", Mismatch::Missing), ("e-strange", Mismatch::Foreign)]);

        let found = scene.objects(true).await;
        assert_eq!(found.iter().map(|it| it.mended).collect::<Vec<_>>(), [true, false]);
        scene
            .daemon
            .wait_until("the entry is registered anew", || async {
                let held = "select count(*) from object where local_id = 'e-visits'";
                scene.province.query_row(held, [], |row| row.get::<_, i64>(0)).unwrap() == 1
            })
            .await;
        scene.daemon.settled().await;
        let left = scene.objects(true).await;
        let said: Vec<_> = left.iter().map(|it| (it.key.id.as_str(), it.what)).collect();
        assert_eq!(said, [("e-strange", Mismatch::Foreign)], "a stranger's entry stays");
        scene.end().await;
    });
}
