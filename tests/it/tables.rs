//! Rows over front-end tables (前置库): what stands in the province's database is what the city has,
//! verdicts come late and are believed, and nothing is there twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::delivery::RejectKind;
use cascaded::demo::standards_folder;
use cascaded::ledger::{PassKind, Reject, RejectState, Scope as HoldScope};
use cascaded::rehearsal::{Account, Front, FrontSettings, RowRules, Table as FrontTable};
use cascaded::supervisor::{StopPolicy, Supervisor, sleep};
use rusqlite::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::support::daemon::{PACE, TestCity, TestDaemon, assert_content, run};
use crate::support::maria::Database;
use crate::support::plain::{CITY, Table, people, settings, visits, write_catalogue, write_city};
use crate::support::process::PROGRAM;

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

/// What a test wants otherwise.
struct Wishes<'a> {
    /// The province's own rules about people.
    people: RowRules,
    judges: Option<Duration>,
    /// What is done to the city's tables before anybody looks.
    prepare: &'a str,
    /// Further lines of `[channel.province]`.
    more: &'a str,
    /// Stands before the database.
    proxy: Option<&'a Proxy>,
    /// The tables are in this MariaDB instead of a PostgreSQL.
    maria: Option<&'a Database>,
}

impl Default for Wishes<'_> {
    fn default() -> Self {
        let people = RowRules::default();
        Self { people, judges: Some(OFTEN), prepare: "", more: "", proxy: None, maria: None }
    }
}

fn failing(keys: &[&str]) -> RowRules {
    let fail_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    RowRules { fail_keys, ..RowRules::default() }
}

impl Scene {
    async fn new(wishes: Wishes<'_>) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets: Vec<Table> = vec![people(SELDOM), visits(SELDOM)];
        let tables = write_city(folder.path(), ROWS, local(&clock));
        tables.execute_batch(wishes.prepare).unwrap();
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let above = Supervisor::new(clock.clone(), 4);
        let front_settings = FrontSettings {
            standard: standards_folder().unwrap().join(STANDARD),
            tables: datasets.iter().map(announced).collect(),
            every: wishes.judges,
            rules: BTreeMap::from([("people".to_owned(), wishes.people)]),
            database: wishes.maria.map(|maria| {
                let password_file = city.configuration_file().with_file_name("no-password");
                std::fs::write(&password_file, "").unwrap();
                Account { url: maria.url(), password_file }
            }),
            ..FrontSettings::default()
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
                 [channel.province]\nurl = \"{}\"\n{}\n{PACE}",
                wishes.proxy.map_or_else(|| front.url(), |proxy| proxy.begin(&front, &above)),
                wishes.more,
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

    async fn compared(&self) {
        self.daemon().passed("front", PassKind::Compare, false).await;
    }

    /// Of every city's key at most one row stands.
    async fn assert_nothing_twice(&self) {
        for table in ["people", "visits"] {
            let doubled = format!(
                "SELECT count(*) FROM (SELECT md5(id) FROM {table} WHERE sjyxbs = '1' AND \
                 sjsczt = '1' GROUP BY md5(id) HAVING count(*) > 1) twice"
            );
            assert_eq!(self.front.number(&doubled).await.unwrap(), 0, "{table}");
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
    let kind = |name: &str, kind: &str| match (name, kind) {
        ("name", _) => "varchar(5)",
        (_, "time") => "timestamp",
        _ => "text",
    };
    FrontTable {
        name: table.id.to_owned(),
        columns: table
            .columns
            .iter()
            .map(|(name, it)| ((*name).to_owned(), kind(name, it).to_owned()))
            .collect(),
        key: table.key.iter().map(|name| (*name).to_owned()).collect(),
        ..FrontTable::default()
    }
}

fn local(clock: &Clock) -> jiff::civil::DateTime {
    clock.now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).datetime()
}

/// A test over tables in PostgreSQL, and again over tables in MariaDB.
fn on_both(test: impl AsyncFn(Option<&Database>)) {
    run(test(None));
    let maria = Database::new();
    run(test(Some(&maria)));
}

const OFTEN: Duration = Duration::from_millis(50);

#[test]
fn a_town_arrives_in_front_tables_and_its_failed_rows_are_told() {
    on_both(async |maria| {
        let people = failing(&["p00007", "p00008"]);
        let scene = Scene::new(Wishes { people, maria, ..Wishes::default() }).await;
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

#[test]
fn a_change_takes_back_and_writes_anew_and_a_deletion_takes_back() {
    on_both(async |maria| {
        let scene = Scene::new(Wishes { maria, ..Wishes::default() }).await;
        scene.daemon().settled().await;
        scene.sql(
            "UPDATE people SET name = name || '改' WHERE id IN ('p00003', 'p00100');
             INSERT INTO people VALUES ('P00003', '大写', 'a'); DELETE FROM people WHERE id = 'p00200'; INSERT INTO people VALUES ('p99999', '新', 'a')",
        );
        scene.compared().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        let tombstones = scene.count("people", "sjyxbs = '0' AND sjwxyy IS NOT NULL").await;
        assert_eq!(tombstones, 3, "two corrections and a deletion");
        assert_eq!(scene.count("people", "sjwxyy = '数据删除'").await, 1);
        assert_eq!(scene.count("people", "sjwxyy = '数据更正' AND name NOT LIKE '%改'").await, 2);
        // Once more: the rows that were taken back are not taken back again.
        scene.sql("UPDATE people SET name = '再' WHERE id = 'p00003'");
        scene.compared().await;
        scene.assert_equal(&[]).await;
        let of_one = "id = 'p00003' AND sjwxyy IS NOT NULL";
        assert_eq!(scene.count("people", of_one).await, 2);
        let before = scene.count("people", "true").await;
        scene.compared().await;
        assert_eq!(scene.count("people", "true").await, before, "nothing changed, nothing is sent");
        let people = scene.daemon().counts_on("front", "people").await;
        assert_eq!((people.queued, people.rejected()), (0, 0));
        scene.end().await;
    });
}

#[test]
fn a_verdict_that_is_taken_back_is_a_reject_and_the_corrected_row_stands() {
    on_both(async |maria| {
        let scene = Scene::new(Wishes { maria, ..Wishes::default() }).await;
        scene.daemon().settled().await;
        let all = u64::from(ROWS);
        assert!(scene.front.revoke("people", "p00042", "E-7 证件已注销").await.unwrap());
        scene.daemon().wake();
        let daemon = scene.daemon();
        daemon
            .wait_until("the revocation is told", || async {
                daemon.counts_on("front", "people").await.rejected_failed == 1
            })
            .await;
        let people = daemon.counts_on("front", "people").await;
        assert_eq!((people.due, people.confirmed), (all, all - 1));
        let keyer = &daemon.ledger().identity().keyer;
        let rejects = daemon.rejects().await;
        assert_eq!(rejects.len(), 1);
        assert_eq!(rejects[0].key, keyer.key("p00042"));
        assert_eq!(rejects[0].findings[0].rule, "E-7");
        // The same content is not sent again; a corrected row is, and nothing is taken back for it.
        scene.compared().await;
        assert_eq!(scene.count("people", "id = 'p00042'").await, 1);
        scene.sql("UPDATE people SET name = '更名' WHERE id = 'p00042'");
        scene.compared().await;
        scene.assert_equal(&[]).await;
        assert_eq!(scene.count("people", "id = 'p00042'").await, 2);
        assert!(open_rejects(scene.daemon(), "people").await.is_empty(), "it is mended");
        scene.end().await;
    });
}

#[test]
fn a_row_that_does_not_fit_its_table_is_alone_and_its_neighbours_arrive() {
    on_both(async |maria| {
        let prepare = "UPDATE people SET name = '一个太长的名字' WHERE id = 'p00005'";
        let scene = Scene::new(Wishes { prepare, maria, ..Wishes::default() }).await;
        scene.daemon().settled().await;
        scene.assert_equal(&["p00005"]).await;
        let rejects: Vec<Reject> = scene.daemon().rejects().await;
        assert_eq!(rejects.len(), 1);
        assert_eq!(rejects[0].kind, RejectKind::Refused);
        assert_eq!(rejects[0].findings[0].rule, "sql-22001");
        scene.end().await;
    });
}

/// Visits belong to people: `note` names one.
const PARENTS: &str = "[[channel.province.parent]]\ndataset = \"visits\"\ncolumns = [\"note\"]\n\
     of = \"people\"\ntable = \"people\"\nkey = [\"id\"]\n";

#[test]
fn a_child_is_held_while_its_parent_fails_and_goes_when_it_stands() {
    on_both(async |maria| {
        let scene = Scene::new(Wishes {
            people: failing(&["p00007"]),
            prepare: "UPDATE visits SET note = 'p' || substr(id, 2); \
                 UPDATE visits SET note = NULL WHERE id = 'v00001'",
            more: PARENTS,
            maria,
            ..Wishes::default()
        })
        .await;
        let daemon = scene.daemon();
        let all = i64::from(ROWS);
        daemon
            .wait_until("every visit but one stands", || async {
                scene.count("visits", "sjyxbs = '1' AND sjsczt = '1'").await == all - 1
            })
            .await;
        let sight = daemon.settled().await;
        assert_eq!(sight.rows.queued, 0);
        assert_eq!(scene.count("visits", "id = 'v00007'").await, 0, "it was never written");
        let keyer = daemon.ledger().identity().keyer.clone();
        let open: Vec<Reject> = open_rejects(daemon, "visits").await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].key, keyer.key("v00007"));
        assert_eq!(open[0].findings[0].rule, "parent-failed");
        scene.front.set_rules("people", RowRules::default());
        scene.sql("UPDATE people SET name = '好人' WHERE id = 'p00007'");
        scene.compared().await;
        daemon
            .wait_until("the child follows its parent", || async {
                scene.count("visits", "id = 'v00007' AND sjsczt = '1'").await == 1
            })
            .await;
        daemon.settled().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        scene.end().await;
    });
}

async fn open_rejects(daemon: &TestDaemon, dataset: &str) -> Vec<Reject> {
    let all = daemon.rejects().await.into_iter();
    all.filter(|it| it.flow.dataset == dataset && it.state == RejectState::Open).collect()
}

#[test]
fn a_front_database_that_is_away_loses_nothing() {
    run(async {
        let scene = Scene::new(Wishes::default()).await;
        scene.daemon().settled().await;
        scene.front.halt().await.unwrap();
        scene.sql("UPDATE people SET name = name || '改' WHERE id < 'p00050'");
        scene.daemon().resync("front", PassKind::Compare, false, None).await;
        scene.daemon().wake();
        let daemon = scene.daemon();
        daemon
            .wait_until("the rows wait", || async {
                daemon.counts_on("front", "people").await.queued == 50
            })
            .await;
        scene.front.resume().await.unwrap();
        scene.daemon().wake();
        scene.daemon().settled().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        scene.end().await;
    });
}

/// The real program, killed as soon as something new stands above: mostly between the end of its
/// transaction and the line in its ledger.
#[test]
fn killed_when_something_new_stands_above_it_loses_nothing_and_doubles_nothing() {
    run(async {
        let mut scene = Scene::new(Wishes::default()).await;
        scene.daemon().settled().await;
        scene.daemon.take().unwrap().stop().await;
        // Looks by itself, for nobody else does.
        let file = scene.city.configuration_file();
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text.replace("poll = \"1h\"", "poll = \"1s\"")).unwrap();
        for round in 0..6 {
            scene.sql(&format!("UPDATE people SET name = '改{round}' WHERE id LIKE 'p%{round}'"));
            // What is new: a row, or a verdict.
            let new = if round % 2 == 0 { "true" } else { "sjsczt <> '0'" };
            let before = scene.count("people", new).await;
            let mut child = Command::new(PROGRAM)
                .args(["run", "--config"])
                .arg(scene.city.configuration_file())
                .env("RUST_LOG", "error")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut looks = 0;
            while scene.count("people", new).await == before {
                looks += 1;
                assert!(looks < 3_000, "round {round}: nothing new stands above");
                assert!(child.try_wait().unwrap().is_none(), "round {round}: it ended by itself");
                sleep(&scene.clock, Duration::from_millis(2)).await;
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        scene.daemon = Some(TestDaemon::start(scene.city.configuration(), &scene.clock).await);
        scene.daemon().settled().await;
        scene.compared().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        // Each of the six changes took its 30 rows back once and wrote them anew once.
        let corrected = scene.count("people", "sjwxyy = '数据更正'").await;
        assert_eq!(corrected, 180);
        assert_eq!(scene.count("people", "true").await, i64::from(ROWS) + 2 * corrected);
        scene.end().await;
    });
}

#[test]
fn a_table_that_is_missing_holds_its_dataset_alone_until_somebody_acts() {
    on_both(async |maria| {
        let scene = Scene::new(Wishes { maria, ..Wishes::default() }).await;
        scene.daemon().settled().await;
        scene.front.act("ALTER TABLE people RENAME TO elsewhere").await.unwrap();
        scene.sql(
            "UPDATE people SET name = name || '改' WHERE id < 'p00050'; \
             UPDATE visits SET note = '改' WHERE id < 'v00050'",
        );
        scene.daemon().resync("front", PassKind::Compare, false, None).await;
        scene.daemon().wake();
        let daemon = scene.daemon();
        daemon
            .wait_until("the dataset is held and the other goes on", || async {
                let holds = daemon.ledger().holds().await.unwrap();
                holds.iter().any(|hold| hold.code == "front-table-missing:people")
                    && scene.count("visits", "note = '改' AND sjsczt = '1'").await == 50
            })
            .await;
        let holds = daemon.ledger().holds().await.unwrap();
        assert_eq!(holds.len(), 1, "{holds:?}");
        assert_eq!(holds[0].scope, HoldScope::Subject("people".to_owned()));
        assert_eq!(daemon.counts_on("front", "people").await.rejected(), 0);
        scene.front.act("ALTER TABLE elsewhere RENAME TO people").await.unwrap();
        daemon.app.foreman.reload().await.unwrap();
        scene.daemon().settled().await;
        assert!(daemon.ledger().holds().await.unwrap().is_empty());
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        scene.end().await;
    });
}

#[test]
fn what_was_placed_before_a_restart_is_judged_after_it() {
    run(async {
        let mut scene = Scene::new(Wishes { judges: None, ..Wishes::default() }).await;
        let all = i64::from(ROWS);
        scene
            .daemon()
            .wait_until("everything is placed", || async {
                scene.count("people", "sjsczt = '0'").await == all
                    && scene.count("visits", "sjsczt = '0'").await == all
            })
            .await;
        scene.daemon.take().unwrap().stop().await;
        scene.daemon = Some(TestDaemon::start(scene.city.configuration(), &scene.clock).await);
        let people = scene.daemon().counts_on("front", "people").await;
        assert_eq!((people.confirmed, people.queued), (0, u64::from(ROWS)));
        assert_eq!(scene.front.judge().await.unwrap(), 2 * u64::from(ROWS));
        scene.daemon().settled().await;
        scene.assert_equal(&[]).await;
        assert_eq!(scene.count("people", "true").await, all, "nothing was placed twice");
        scene.end().await;
    });
}

/// Stands between the daemon and the database, and can lose the answer to the end of a transaction.
struct Proxy {
    folder: tempfile::TempDir,
    /// How many answers to lose.
    lose: Arc<AtomicU32>,
}

impl Proxy {
    fn new(lose: u32) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lose: Arc::new(AtomicU32::new(lose)) }
    }

    /// Listens in a folder of its own; the address through it.
    fn begin(&self, front: &Front, above: &Supervisor) -> String {
        let url = front.url();
        let (folder, server) = match url.split_once("socket=") {
            Some((_, socket)) => (socket, PathBuf::from(socket)),
            None => {
                let folder = url.strip_prefix("host=").unwrap().split(' ').next().unwrap();
                (folder, Path::new(folder).join(".s.PGSQL.5432"))
            }
        };
        let listener = UnixListener::bind(self.folder.path().join(".s.PGSQL.5432")).unwrap();
        let (lose, inner) = (Arc::clone(&self.lose), above.clone());
        above.spawn_passing("proxy", StopPolicy::Abort, async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, lose) = (server.clone(), Arc::clone(&lose));
                inner.spawn_passing("session", StopPolicy::Abort, async move {
                    if let Ok(server) = UnixStream::connect(server).await {
                        carry(client, server, &lose).await;
                    }
                });
            }
        });
        let ours = self.folder.path();
        let ours = if url.contains("socket=") { ours.join(".s.PGSQL.5432") } else { ours.into() };
        url.replace(folder, &ours.display().to_string())
    }
}

/// Carries bytes both ways; after a `COMMIT` whose answer is to be lost, waits for the answer and
/// says nothing of it.
async fn carry(mut client: UnixStream, mut server: UnixStream, lose: &AtomicU32) {
    let (mut from_client, mut from_server) = (vec![0_u8; 1 << 16], vec![0_u8; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let said = from_client.get(..count).unwrap_or_default();
                let ends = names_the_end(said);
                if server.write_all(said).await.is_err() {
                    return;
                }
                let less = |left: u32| left.checked_sub(1);
                let lost =
                    ends && lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
                if lost {
                    // Its answer shows that it is done.
                    let mut answer = Vec::new();
                    loop {
                        assert!(server.read_buf(&mut answer).await.is_ok_and(|count| count > 0));
                        // MariaDB's is short and names nothing.
                        if names_the_end(&answer) || said.ends_with(MARIA_ENDS) {
                            return;
                        }
                    }
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(from_server.get(..count).unwrap_or_default()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Seven bytes, the first packet, a statement.
const MARIA_ENDS: &[u8] = b"\x07\0\0\0\x03COMMIT";

fn names_the_end(bytes: &[u8]) -> bool {
    let word = b"COMMIT\0";
    bytes.ends_with(MARIA_ENDS) || bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn a_lost_answer_to_the_end_of_a_transaction_doubles_nothing() {
    on_both(async |maria| {
        let proxy = Proxy::new(2);
        let scene = Scene::new(Wishes { proxy: Some(&proxy), maria, ..Wishes::default() }).await;
        scene.daemon().settled().await;
        assert_eq!(proxy.lose.load(Ordering::SeqCst), 0, "two answers were lost");
        scene.assert_equal(&[]).await;
        let all = i64::from(ROWS);
        assert_eq!(scene.count("people", "true").await, all);
        assert_eq!(scene.count("visits", "true").await, all);
        // A correction whose answer is lost takes back once.
        proxy.lose.store(1, Ordering::SeqCst);
        scene.sql("UPDATE people SET name = name || '改' WHERE id < 'p00010'");
        scene.compared().await;
        assert_eq!(proxy.lose.load(Ordering::SeqCst), 0);
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice().await;
        assert_eq!(scene.count("people", "sjwxyy IS NOT NULL").await, 10);
        // A deletion too.
        proxy.lose.store(1, Ordering::SeqCst);
        scene.sql("DELETE FROM people WHERE id = 'p00020'");
        scene.compared().await;
        scene.assert_equal(&[]).await;
        assert_eq!(scene.count("people", "sjwxyy IS NOT NULL").await, 11);
        scene.end().await;
    });
}
