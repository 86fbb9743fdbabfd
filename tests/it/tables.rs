//! Rows over front-end tables (前置库): what stands in the province's database is what the city has,
//! verdicts come late and are believed, and nothing is there twice.

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::delivery::RejectKind;
use cascaded::demo::standards_folder;
use cascaded::rehearsal::{Front, FrontSettings, RowRules, Table as FrontTable};
use cascaded::supervisor::Supervisor;
use rusqlite::Connection;

use crate::support::daemon::{PACE, TestCity, TestDaemon, assert_content, run};
use crate::support::plain::{CITY, Table, people, settings, visits, write_catalogue, write_city};

const ROWS: u32 = 300;
/// Nobody looks by itself during a test.
const SELDOM: &str = "1h";
const STANDARD: &str = "front-tables/3.0";

/// The catalogue goes over HTTP, the rows of people and visits into tables.
struct Scene {
    city: TestCity,
    front: Front,
    daemon: Option<TestDaemon>,
    tables: Connection,
    clock: Clock,
    above: Supervisor,
}

impl Scene {
    async fn new(rules: &[(&str, RowRules)], judges: Option<Duration>) -> Self {
        Self::with(rules, judges, "").await
    }

    async fn with(rules: &[(&str, RowRules)], judges: Option<Duration>, more: &str) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets: Vec<Table> = vec![people(SELDOM), visits(SELDOM)];
        let tables = write_city(folder.path(), ROWS, local(&clock));
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let above = Supervisor::new(clock.clone(), 4);
        let front_settings = FrontSettings {
            standard: standards_folder().unwrap().join(STANDARD),
            tables: datasets.iter().map(announced).collect(),
            every: judges,
            rules: rules
                .iter()
                .map(|(table, rules)| ((*table).to_owned(), rules.clone()))
                .collect(),
        };
        let front = Front::start(front_settings, clock.clone(), &above).await.unwrap();
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let kinds =
            "carries = [\"organisation\", \"category\", \"system\", \"entry\", \"resource\"]";
        let text = text.replace("[channel.province]", &format!("{kinds}\n\n[channel.province]"));
        let text = text.replace(
            PACE,
            &format!(
                "[[channel]]\nid = \"front\"\nstandard = \"{STANDARD}\"\ncarries = [\"rows\"]\n\n\
                 [channel.province]\nurl = \"{}\"\n{more}\n{PACE}",
                front.url()
            ),
        );
        std::fs::write(city.configuration_file(), text).unwrap();
        let daemon = Some(TestDaemon::start(city.configuration(), &clock).await);
        Self { city, front, daemon, tables, clock, above }
    }

    fn daemon(&self) -> &TestDaemon {
        self.daemon.as_ref().unwrap()
    }

    fn sql(&self, text: &str) {
        self.tables.execute_batch(text).unwrap();
    }

    /// What stands above is what the city has, but for `rejected` keys.
    async fn assert_equal(&self, rejected: &[&str]) {
        for dataset in ["people", "visits"] {
            let rows = self.city.rows(dataset).await;
            let expected: BTreeMap<_, _> = rows
                .into_iter()
                .filter(|row| !rejected.contains(&row.key.as_str()))
                .map(|row| (row.key, row.columns))
                .collect();
            assert_content(&self.front.content(dataset).await.unwrap(), &expected, dataset);
        }
    }

    /// How many rows of a table fit a condition.
    async fn count(&self, table: &str, condition: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table} WHERE {condition}");
        self.front.number(&statement).await.unwrap()
    }

    async fn end(mut self) {
        self.daemon.take().unwrap().stop().await;
        self.city.close().await;
        self.above.stop();
        let ended = self.above.run(Duration::from_secs(10)).await;
        assert!(ended.cause.is_none(), "{ended:?}");
    }
}

fn announced(table: &Table) -> FrontTable {
    let kind = |kind: &str| if kind == "time" { "timestamp" } else { "text" };
    FrontTable {
        name: table.id.to_owned(),
        columns: table
            .columns
            .iter()
            .map(|(name, it)| ((*name).to_owned(), kind(it).to_owned()))
            .collect(),
        key: table.key.iter().map(|name| (*name).to_owned()).collect(),
        parent: None,
    }
}

fn local(clock: &Clock) -> jiff::civil::DateTime {
    clock.now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).datetime()
}

const OFTEN: Option<Duration> = Some(Duration::from_millis(50));

#[test]
fn a_town_arrives_in_front_tables_and_its_failed_rows_are_told() {
    run(async {
        let fails = RowRules {
            fail_keys: ["p00007", "p00008"].map(str::to_owned).into(),
            ..RowRules::default()
        };
        let scene = Scene::new(&[("people", fails)], OFTEN).await;
        let sight = scene.daemon().settled().await;
        scene.assert_equal(&["p00007", "p00008"]).await;
        let people = scene.daemon().counts_on("front", "people").await;
        let all = u64::from(ROWS);
        assert_eq!((people.due, people.confirmed, people.rejected_failed), (all, all - 2, 2));
        assert_eq!(sight.rows.queued, 0);
        let keyer = scene.daemon().ledger().identity().keyer.clone();
        let rejects = scene.daemon().rejects().await;
        assert_eq!(rejects.len(), 2);
        for reject in rejects {
            assert_eq!(reject.kind, RejectKind::Failed);
            assert!(["p00007", "p00008"].iter().any(|key| keyer.key(key) == reject.key));
        }
        assert_eq!(scene.count("people", "xzqhdm = '515100'").await, i64::from(ROWS));
        scene.end().await;
    });
}
