//! Rows over files that the other side fetches: every batch is one file, once, whoever is killed
//! when; what was only placed is never confirmed; what comes back is taken whole or not at all.

#[cfg(feature = "sabotage")]
mod kills;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::delivery::RejectKind;
use cascaded::demo::look;
use cascaded::fact::Kind;
use cascaded::ledger::PassKind;
use cascaded::rehearsal::{Fetched, Fetcher, FetcherSettings, RowRules};
use cascaded::supervisor::{Supervisor, sleep};
use rusqlite::Connection;

use crate::support::daemon::{PACE, TestCity, TestDaemon, assert_content, run};
use crate::support::operator::{Service, get};
use crate::support::plain::{CITY, Table, people, settings, visits, write_catalogue, write_city};

const ROWS: u32 = 250;
/// Nobody looks by itself during a test.
const SELDOM: &str = "1h";
pub(crate) const FILES: &str = "placed-files/1";

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/placed/standards")
}

/// Copies a standard so that it can be changed.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The catalogue goes over HTTP, the rows of people and visits as files.
pub(crate) struct Scene {
    pub(crate) city: TestCity,
    pub(crate) fetcher: Fetcher,
    pub(crate) daemon: Option<TestDaemon>,
    pub(crate) tables: Connection,
    pub(crate) clock: Clock,
    above: Supervisor,
}

impl Scene {
    /// `change` may edit the standard's directory before anybody reads it.
    pub(crate) async fn new(standard: &str, rules: RowRules, change: impl FnOnce(&Path)) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets: Vec<Table> = vec![people(SELDOM), visits(SELDOM)];
        let local = clock.now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap());
        let tables = write_city(folder.path(), ROWS, local.datetime());
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let own = city.path().join("standards");
        copy(&models().join(standard), &own.join(standard));
        change(&own.join(standard));
        let (outbox, results) = (city.path().join("up"), city.path().join("down"));
        std::fs::create_dir_all(&outbox).unwrap();
        std::fs::create_dir_all(&results).unwrap();
        let key = || vec!["id".to_owned()];
        let fetcher = Fetcher::new(FetcherSettings {
            standard: own.join(standard),
            outbox: outbox.clone(),
            results,
            keys: BTreeMap::from([("people".to_owned(), key()), ("visits".to_owned(), key())]),
            rules: BTreeMap::from([("people".to_owned(), rules)]),
        })
        .unwrap();
        let said = std::fs::read_to_string(own.join(standard).join("standard.toml")).unwrap();
        let comes_back = said.contains("\nresult = ") || said.contains("\nreceipt = \"{");
        let results = if comes_back { "results_folder = \"down\"\n" } else { "" };
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = text.replacen("standards = [", "standards = [\"standards\", ", 1);
        let kinds =
            "carries = [\"organisation\", \"category\", \"system\", \"entry\", \"resource\"]";
        let text = text.replace("[channel.province]", &format!("{kinds}\n\n[channel.province]"));
        let text = text.replace(
            PACE,
            &format!(
                "[[channel]]\nid = \"files\"\nstandard = \"{standard}\"\ncarries = [\"rows\"]\n\n\
                 [channel.province]\nurl = \"file://{}\"\n{results}\n{PACE}",
                outbox.display(),
            ),
        );
        std::fs::write(city.configuration_file(), text).unwrap();
        let above = Supervisor::new(clock.clone(), 1);
        let daemon = Some(TestDaemon::start(city.configuration(), &clock).await);
        Self { city, fetcher, daemon, tables, clock, above }
    }

    pub(crate) fn daemon(&self) -> &TestDaemon {
        self.daemon.as_ref().unwrap()
    }

    pub(crate) fn sql(&self, text: &str) {
        self.tables.execute_batch(text).unwrap();
    }

    /// Fetches and judges until nothing is due any more.
    pub(crate) async fn carried(&mut self) {
        let mut looks = 0;
        loop {
            self.fetcher.fetch().unwrap();
            self.fetcher.judge().unwrap();
            if look(&self.daemon().app).await.unwrap().is_complete() {
                return;
            }
            looks += 1;
            if looks > 1_500 {
                let (up, down) = (self.folder("up"), self.folder("down"));
                panic!("not carried: {up:?} {down:?} {}", self.daemon().status().await);
            }
            sleep(&self.clock, std::time::Duration::from_millis(20)).await;
        }
    }

    /// Reads everything, compares it with what was sent, and carries what is due.
    pub(crate) async fn compared(&mut self) {
        let (number, _) = self.daemon().resync("files", PassKind::Compare, false, None).await;
        self.daemon().wake();
        let daemon = self.daemon();
        daemon
            .wait_until("the pass is over", || async {
                daemon.job(number).await.state == cascaded::ledger::JobState::Done
            })
            .await;
        self.carried().await;
    }

    /// What stands above is what the city has, but for `rejected` keys.
    pub(crate) async fn assert_equal(&self, rejected: &[&str]) {
        for dataset in ["people", "visits"] {
            let rows = self.city.rows(dataset).await;
            let expected: BTreeMap<_, _> = rows
                .into_iter()
                .filter(|row| !rejected.contains(&row.key.as_str()))
                .map(|row| (row.key, row.columns))
                .collect();
            let mut held = self.fetcher.content(dataset);
            let known: BTreeSet<&String> = expected.values().flat_map(BTreeMap::keys).collect();
            for cells in held.values_mut() {
                // A template has columns that are nobody's.
                cells.retain(|head, _| known.contains(head));
                if let Some(Some(text)) = cells.get_mut("changed") {
                    // As the standard writes a time, and as the city does.
                    *text = text.replace('/', "-");
                }
            }
            assert_content(&held, &expected, dataset);
        }
    }

    /// No row came twice with the same cells.
    pub(crate) fn assert_nothing_twice(&self) {
        let mut seen = BTreeSet::new();
        for file in self.fetcher.fetched().iter().filter(|file| !file.is_deletion) {
            for row in &file.rows {
                let cells: Vec<_> = row.iter().filter(|(head, _)| head != "序号").collect();
                assert!(seen.insert(format!("{} {cells:?}", file.dataset)), "twice: {}", file.name);
            }
        }
    }

    pub(crate) fn folder(&self, name: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.city.path().join(name)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    pub(crate) async fn end(mut self) {
        self.daemon.take().unwrap().stop().await;
        self.city.close().await;
        self.above.stop();
    }
}

pub(crate) fn failing(keys: &[&str]) -> RowRules {
    let fail_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    RowRules { fail_keys, ..RowRules::default() }
}

/// Replaces in a standard's settings; what is replaced stands there once.
pub(crate) fn edit(standard: &Path, from: &str, to: &str) {
    let path = standard.join("standard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// No verdict and no receipt ever comes back.
pub(crate) fn only_placed(standard: &Path) {
    edit(standard, "evidence = \"row-verdict\"", "evidence = \"placed\"");
    edit(standard, "result = \"{stem}.result.csv\"\n", "");
    let path = standard.join("standard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("[[operation]]\nname = \"rows.verdict\"").unwrap();
    std::fs::write(path, before).unwrap();
    std::fs::remove_file(standard.join("replies/result.csv")).unwrap();
    std::fs::remove_file(standard.join("codes/result.csv")).unwrap();
}

#[test]
fn a_town_goes_as_files_and_its_failed_rows_are_told() {
    run(async {
        let mut scene = Scene::new(FILES, failing(&["p00007", "p00008"]), |_| {}).await;
        scene.carried().await;
        scene.assert_equal(&["p00007", "p00008"]).await;
        scene.assert_nothing_twice();
        let people = scene.daemon().counts_on("files", "people").await;
        let all = u64::from(ROWS);
        assert_eq!((people.due, people.confirmed, people.rejected_failed), (all, all - 2, 2));
        assert_eq!((people.placed, people.queued), (0, 0));
        for reject in scene.daemon().rejects().await {
            assert_eq!(reject.kind, RejectKind::Failed);
        }
        // Whole files under the names that the standard gives, in the encoding it says.
        for file in scene.fetcher.fetched() {
            assert!(file.name.starts_with(&format!("{}/", file.dataset)), "{}", file.name);
            assert!(file.rows.len() <= 100);
            assert!(String::from_utf8(file.bytes.clone()).is_err(), "GB18030 is no UTF-8");
        }
        // A change, a new row and a deletion.
        scene.sql(
            "UPDATE people SET name = name || '改' WHERE id IN ('p00003', 'p00100');
             INSERT INTO people VALUES ('p99999', '新', 'a');
             DELETE FROM people WHERE id = 'p00200'",
        );
        scene.compared().await;
        scene.assert_equal(&["p00007", "p00008"]).await;
        scene.assert_nothing_twice();
        let deleted: Vec<_> = scene.fetcher.fetched().iter().filter(|it| it.is_deletion).collect();
        assert_eq!(deleted.len(), 1);
        assert!(deleted[0].name.ends_with(".del.csv"), "{}", deleted[0].name);
        assert!(
            scene.folder("down").iter().all(|name| name == "taken"),
            "{:?}",
            scene.folder("down")
        );
        scene.end().await;
    });
}

/// What happened to rows, as the ledger's facts tell it: placed, and confirmed by whatever.
async fn told(daemon: &TestDaemon) -> (u64, u64) {
    let mut all = (0, 0);
    for fact in daemon.ledger().facts(0, 100_000).await.unwrap() {
        if let Kind::Placed { rows } = fact.1.kind {
            all.0 += rows;
        }
        if let Kind::Confirmed { rows, .. } = fact.1.kind {
            all.1 += rows;
        }
    }
    all
}

#[test]
fn what_nothing_comes_back_about_is_placed_and_never_confirmed() {
    run(async {
        let mut scene = Scene::new(FILES, RowRules::default(), only_placed).await;
        scene.daemon().settled().await;
        let all = u64::from(ROWS);
        let check = async |scene: &Scene| {
            for dataset in ["people", "visits"] {
                let counts = scene.daemon().counts_on("files", dataset).await;
                assert_eq!(
                    (counts.due, counts.placed, counts.confirmed),
                    (all, all, 0),
                    "{dataset}"
                );
            }
            assert_eq!(told(scene.daemon()).await, (2 * all, 0));
        };
        check(&scene).await;
        // That they were fetched proves no more.
        assert_eq!(scene.fetcher.fetch().unwrap(), 6);
        scene.daemon().wake();
        let channel = scene.daemon().channel("files");
        scene
            .daemon()
            .wait_until("the fetching is seen", || async {
                channel.client().unfetched().is_some_and(|it| it.files == 0)
            })
            .await;
        check(&scene).await;
        scene.fetcher.judge().unwrap();
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice();
        scene.end().await;
    });
}

/// Status, datasets, metrics and a bulletin, as the real program tells them.
#[test]
fn no_figure_calls_confirmed_what_was_only_placed() {
    run(async {
        let mut scene = Scene::new(FILES, RowRules::default(), only_placed).await;
        scene.daemon.take().unwrap().stop().await;
        std::fs::remove_dir_all(scene.city.path().join("ledger")).unwrap();
        std::fs::remove_dir_all(scene.city.path().join("up")).unwrap();
        std::fs::create_dir(scene.city.path().join("up")).unwrap();
        let file = scene.city.configuration_file();
        let text = std::fs::read_to_string(file).unwrap();
        let socket = scene.city.path().join(cascaded::demo::SOCKET);
        let control = format!(
            "{PACE}[control]\nsocket = {{ path = \"{}\" }}\nhttp = \"127.0.0.1:0\"\n\n",
            socket.display()
        );
        std::fs::write(file, text.replace(PACE, &control)).unwrap();
        let mut service = Service::start(&scene.city, &[]);
        let all = 2 * u64::from(ROWS);
        let status = service.has_settled(all);
        let rows = status.summary.rows;
        assert_eq!((rows.placed, rows.confirmed, rows.rejected, rows.queued), (all, 0, 0, 0));
        let datasets: serde_json::Value = service.json(&["datasets"]);
        let text = datasets.to_string();
        assert!(text.contains("\"placed\":250") && !text.contains("\"confirmed\":250"), "{text}");
        assert!(text.contains("\"placed\""), "the grade stands beside: {text}");
        let (_, metrics) = get(service.http(), "/metrics").unwrap();
        let lines = |family: &str| -> Vec<&str> {
            metrics
                .lines()
                .filter(|line| line.starts_with(family) && !line.ends_with(" 0"))
                .collect()
        };
        assert_eq!(lines("cascade_rows_placed_total{channel=\"files\"").len(), 2, "{metrics}");
        assert_eq!(lines("cascade_rows_confirmed_total{channel=\"files\""), Vec::<&str>::new());
        assert_eq!(
            lines("cascade_dataset_confirmed_timestamp_seconds{channel=\"files\""),
            Vec::<&str>::new()
        );
        service.stop();
        scene.city.close().await;
        scene.above.stop();
    });
}

#[test]
fn so_many_files_may_lie_unfetched_and_then_the_rest_waits_and_says_so() {
    run(async {
        let few = |standard: &Path| edit(standard, "waiting = 1000", "waiting = 2");
        let mut scene = Scene::new(FILES, RowRules::default(), few).await;
        let channel = scene.daemon().channel("files");
        let full = || async { channel.client().unfetched().is_some_and(|it| it.is_full) };
        scene.daemon().wait_until("the folder is full", full).await;
        let waiting = "SELECT count(*) FROM batch WHERE channel = 'files' AND state = 'queued' AND
            'outbox-full' = (SELECT code FROM attempt WHERE batch = batch.id ORDER BY number DESC LIMIT 1)";
        let ledger = Connection::open(scene.city.path().join("ledger/ledger.sqlite")).unwrap();
        let count = || ledger.query_row(waiting, [], |row| row.get::<_, i64>(0)).unwrap();
        scene.daemon().wait_until("the others wait", || async { count() > 0 }).await;
        let lying = scene.city.path().join("up");
        let files = |folder: &Path| {
            std::fs::read_dir(folder).map_or(0, |it| {
                it.flatten()
                    .filter(|it| it.path().extension().is_some_and(|it| it == "csv"))
                    .count()
            })
        };
        assert_eq!(files(&lying.join("people")) + files(&lying.join("visits")), 2);
        // It goes on by itself as soon as somebody fetches.
        scene.carried().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice();
        scene.end().await;
    });
}

#[test]
fn a_receipt_confirms_and_its_want_does_not() {
    run(async {
        let receipts = |standard: &Path| {
            only_placed(standard);
            edit(standard, "evidence = \"placed\"", "evidence = \"receipt\"");
            edit(
                standard,
                "done = \"{name}.ok\"",
                "done = \"{name}.ok\"\nreceipt = \"{name}.received\"",
            );
            let path = standard.join("standard.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            let asked = "[[operation]]\nname = \"batch.receipt\"\nbody = \"none\"\n";
            std::fs::write(path, format!("{text}{asked}")).unwrap();
        };
        let mut scene = Scene::new(FILES, RowRules::default(), receipts).await;
        scene
            .daemon()
            .wait_until("everything is placed", || async {
                scene.daemon().channel("files").client().unfetched().is_some_and(|it| it.files == 6)
            })
            .await;
        let all = u64::from(ROWS);
        let counts = scene.daemon().counts_on("files", "people").await;
        assert_eq!((counts.queued, counts.placed, counts.confirmed), (all, 0, 0));
        scene.carried().await;
        let counts = scene.daemon().counts_on("files", "people").await;
        assert_eq!((counts.queued, counts.placed, counts.confirmed), (0, 0, all));
        assert_eq!(told(scene.daemon()).await, (0, 2 * all));
        scene.assert_nothing_twice();
        scene.end().await;
    });
}

/// Everything is placed and fetched, and nothing has come back; the first file, and what a file with
/// its verdicts is called.
async fn fetched() -> (Scene, Fetched, String) {
    let mut scene = Scene::new(FILES, RowRules::default(), |_| {}).await;
    let channel = scene.daemon().channel("files");
    scene
        .daemon()
        .wait_until("everything is placed", || async {
            channel.client().unfetched().is_some_and(|it| it.files == 6)
        })
        .await;
    assert_eq!(scene.fetcher.fetch().unwrap(), 6);
    let first = scene.fetcher.fetched().first().cloned().unwrap();
    let stem = first.name.rsplit('/').next().unwrap().trim_end_matches(".csv").to_owned();
    (scene, first, format!("{stem}.result.csv"))
}

const HEAD: &str = "序号,校验结果,原因\n";

#[test]
fn what_cannot_be_taken_whole_is_set_aside_under_its_name_and_none_of_it_counts() {
    run(async {
        let (scene, first, name) = Box::pin(fetched()).await;
        let stranger = "20200101_7.result.csv";
        // Not a table; one of somebody else; a row that was never sent, behind one that was; a row
        // twice; a verdict in no list.
        let bad = [
            (name.as_str(), "result-unreadable", "<html>维护中</html>".to_owned()),
            (stranger, "result-foreign", format!("{HEAD}1,合格,\n")),
            (&name, "result-foreign", format!("{HEAD}1,不合格,E-1\n101,合格,\n")),
            (&name, "result-twice", format!("{HEAD}1,不合格,E-1\n1,合格,\n")),
            (&name, "result-unlisted", format!("{HEAD}1,不合格,E-1\n2,大概,\n")),
        ];
        for ((name, kind, text), count) in bad.into_iter().zip(1_usize..) {
            scene.fetcher.lay(name, text.as_bytes()).unwrap();
            scene.daemon().wake();
            let is_aside = || async { scene.folder("down/aside").len() == count };
            scene.daemon().wait_until("it is set aside", is_aside).await;
            let drift = scene.daemon().ledger().drift().await.unwrap();
            let is_named = drift.iter().any(|it| it.kind == kind && it.detail == name);
            assert!(is_named, "{kind} {name}: {drift:?}");
        }
        let counts = scene.daemon().counts_on("files", &first.dataset).await;
        assert_eq!((counts.confirmed, counts.rejected_failed), (0, 0));
        scene.end().await;
    });
}

#[test]
fn a_later_word_on_a_row_counts_and_the_same_file_again_changes_nothing() {
    run(async {
        let (scene, first, name) = Box::pin(fetched()).await;
        let lay = |text: &str| scene.fetcher.lay(&name, text.as_bytes()).unwrap();
        let daemon = scene.daemon();
        let judged = async |failed: u64, confirmed: u64| {
            daemon.wake();
            daemon
                .wait_until("it is heard", || async {
                    let counts = daemon.counts_on("files", &first.dataset).await;
                    (counts.rejected_failed, counts.confirmed) == (failed, confirmed)
                })
                .await;
        };
        // One row fails, one is still being looked at.
        let rows = (1..=first.rows.len()).map(|at| match at {
            1 => "1,不合格,E-1\n".to_owned(),
            2 => "2,校验中,\n".to_owned(),
            _ => format!("{at},合格,\n"),
        });
        let earlier = format!("{HEAD}{}", rows.collect::<String>());
        lay(&earlier);
        let sent = first.rows.len() as u64;
        judged(1, sent - 2).await;
        // What counts already may still lie there: the next is not laid over it.
        let is_away = || async { !scene.folder("down").contains(&name) };
        daemon.wait_until("it is put away", is_away).await;
        // The last row is judged, the first otherwise than before.
        lay(&format!("{HEAD}1,合格,\n2,合格,\n"));
        judged(0, sent).await;
        daemon.wait_until("it is put away, too", is_away).await;
        lay(&earlier);
        daemon.wake();
        daemon.wait_until("it is put away again", is_away).await;
        judged(0, sent).await;
        assert_eq!(scene.folder("down/taken").len(), 3);
        scene.end().await;
    });
}
