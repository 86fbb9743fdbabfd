//! Watching (只看不发): a fresh installation reads city and province, says what it would do, and
//! writes nothing above, until an operator has it carry.
//!
//! The platforms say what reached them: the HTTP platform counts every request by method and path,
//! the front database logs every statement of the city's account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::delivery::{LinkState, Mode};
use cascaded::demo::{Scale, standards_folder};
use cascaded::ledger::{LinkFilter, Watched, WatchedObjects};
use cascaded::rehearsal::{Front, FrontSettings, Platform, Table as FrontTable};
use cascaded::supervisor::Supervisor;

use crate::support::daemon::{PACE, TestCity, TestDaemon, assert_content, run};
use crate::support::operator::{Service, Speech};
use crate::support::plain::{CITY, people, settings, visits, write_catalogue, write_city};
use crate::support::town::{self, TABLES, sound_rows, town, write_rows};

/// As a fresh installation is configured: without a word.
fn without_a_word(city: &TestCity) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let fresh = text.replace("begins = \"live\"\n", "");
    assert_ne!(text, fresh);
    std::fs::write(city.configuration_file(), fresh).unwrap();
}

/// Requests that leave something at the platform, by method and path; what only asks, and what
/// gets a token, is known by its path.
pub(crate) fn writing(platform: &Platform) -> BTreeMap<String, u64> {
    let asks = |path: &str| {
        ["/inventory/", "/token", "/receipt", "/state", "/verdict"]
            .iter()
            .any(|it| path.contains(it))
    };
    platform.requests().into_iter().filter(|(path, _)| !asks(path)).collect()
}

/// Waits until everything was looked at since the look before.
async fn watched(daemon: &TestDaemon, since: &Watched) -> Watched {
    let datasets: usize = daemon.app.channels().iter().map(|it| it.carriers().count()).sum();
    let before: BTreeMap<_, _> =
        since.rows.iter().map(|(flow, _, at)| (flow.clone(), *at)).collect();
    daemon
        .wait_until("everything is looked at", || async {
            let now = daemon.ledger().watched().await.unwrap();
            let is_new = |(flow, _, at): &(_, _, _)| before.get(flow).is_none_or(|it| at > it);
            now.rows.len() == datasets && now.rows.iter().all(is_new) && !now.objects.is_empty()
        })
        .await;
    daemon.ledger().watched().await.unwrap()
}

fn of_entries(watched: &Watched) -> WatchedObjects {
    let found = watched.objects.iter().find(|(_, it, _)| it.kind == Kind::Entry);
    found.map(|(_, it, _)| *it).unwrap()
}

async fn mode(daemon: &TestDaemon, mode: Mode) {
    let told = tokio::select! {
        told = daemon.app.foreman.mode(mode) => told,
        ended = daemon.app.run() => panic!("the daemon ended by itself: {ended:?}"),
    };
    told.unwrap();
    assert_eq!(daemon.ledger().mode(), mode);
}

#[test]
fn a_fresh_installation_says_what_it_would_do_and_sends_nothing_that_writes() {
    run(async {
        let clock = Clock::system();
        let city = TestCity::demo(Scale::SMALL, &clock, |_| {}).await;
        without_a_word(&city);
        let made = city.made.clone().unwrap();
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let seen = watched(&daemon, &Watched::default()).await;
        let sum = |of: fn(&cascaded::ledger::WatchedRows) -> u64| -> u64 {
            seen.rows.iter().map(|(_, it, _)| of(it)).sum()
        };
        let defects = made.defects.len() as u64;
        assert_eq!((sum(|it| it.here), sum(|it| it.rejected)), (made.rows, defects));
        // Nothing is above, and nothing was ever sent.
        assert_eq!((sum(|it| it.would_delete), sum(|it| it.held.unwrap())), (0, 0));
        let due: u64 = sum(|it| it.would_send);
        let keys: u64 = {
            let mut keys = 0;
            for carrier in daemon.channel("province").carriers() {
                keys += sound_rows(&city, &carrier.flow().dataset).await.len() as u64;
            }
            keys
        };
        assert_eq!(due, keys, "every sound row, once");
        let entries = of_entries(&seen);
        assert_eq!((entries.here, entries.would_register), (made.entries, made.entries));
        assert_eq!(entries.lacking, made.entry_defects.len() as u64);
        assert_eq!((entries.held, entries.adoptable, entries.extra), (Some(0), Some(0), Some(0)));
        // What breaks a rule is known by row and rule before anything leaves.
        assert_eq!(daemon.rejects().await.len() as u64, defects);
        let spooled = daemon.ledger().spool_names().await.unwrap();
        assert!(spooled.is_empty(), "{spooled:?}");
        daemon.stop().await;
        // A restart changes nothing.
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        assert_eq!(daemon.ledger().mode(), Mode::Watch);
        let again = watched(&daemon, &seen).await;
        assert_eq!(of_entries(&again), entries);
        assert_eq!(writing(&city.platform), BTreeMap::new(), "{:?}", city.platform.requests());
        assert!(city.platform.requests().keys().any(|it| it.contains("/inventory/")));
        assert_eq!(city.platform.objects().unwrap().len(), 0);
        // And then everything flows, once.
        mode(&daemon, Mode::Live).await;
        let sight = daemon.settled().await;
        assert_eq!(sight.rows.confirmed, due);
        assert_eq!(sight.entries_accepted, made.entries - made.entry_defects.len() as u64);
        assert_ne!(writing(&city.platform), BTreeMap::new());
        for carrier in daemon.channel("province").carriers() {
            let dataset = carrier.flow().dataset.as_str();
            let expected = sound_rows(&city, dataset).await;
            assert_content(&city.platform.content(dataset).unwrap(), &expected, dataset);
        }
        assert_eq!(daemon.ledger().watched().await.unwrap(), Watched::default());
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn a_city_that_carried_can_be_told_to_watch_and_what_differs_waits_above_the_line() {
    run(async {
        let clock = Clock::system();
        let city = town(60, &clock, |_| {}).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let link = || async {
            let filter = LinkFilter { kind: Some(Kind::Entry), state: None };
            let links = daemon.ledger().links("province".into(), filter).await.unwrap();
            links.iter().filter(|it| it.state.is_held_above()).count() as u64
        };
        let held = link().await;
        mode(&daemon, Mode::Watch).await;
        let before = writing(&city.platform);
        let database = town::open(&city.path().join("city.sqlite"));
        write_rows(&city, &database, TABLES[0], 7, "改");
        let gone = sound_rows(&city, TABLES[1].0).await.into_keys().next().unwrap();
        database.execute("DELETE FROM enterprise_515100 WHERE uscc = ?1", [&gone]).unwrap();
        // Told to watch again, it looks at everything anew.
        mode(&daemon, Mode::Watch).await;
        let of = |seen: &Watched, dataset: &str| {
            seen.rows.iter().find(|(it, ..)| it.dataset == dataset).map(|(_, it, _)| *it)
        };
        daemon
            .wait_until("what differs is seen", || async {
                let seen = daemon.ledger().watched().await.unwrap();
                of(&seen, TABLES[0].0).is_some_and(|it| it.would_send == 7)
                    && of(&seen, TABLES[1].0).is_some_and(|it| it.would_delete == 1)
                    && !seen.objects.is_empty()
            })
            .await;
        let seen = daemon.ledger().watched().await.unwrap();
        let people = of(&seen, TABLES[0].0).unwrap();
        assert_eq!(people.would_delete, 0, "{people:?}");
        assert_eq!(people.held, Some(city.platform.count(TABLES[0].0).unwrap()));
        assert_eq!((people.absent, people.extra), (Some(0), Some(0)));
        let companies = of(&seen, TABLES[1].0).unwrap();
        assert_eq!((companies.would_send, companies.absent), (0, Some(0)), "{companies:?}");
        assert_eq!(companies.extra, Some(1), "{companies:?}");
        let entries = of_entries(&seen);
        // What our own rules turned away is not tried again as it is.
        assert_eq!((entries.held, entries.would_register), (Some(held), 0));
        assert_eq!((entries.adoptable, entries.extra), (Some(0), Some(0)));
        assert_eq!(writing(&city.platform), before, "nothing that writes since it watches");
        mode(&daemon, Mode::Live).await;
        daemon.compared().await;
        for (dataset, ..) in TABLES {
            let expected = sound_rows(&city, dataset).await;
            assert_content(&city.platform.content(dataset).unwrap(), &expected, dataset);
        }
        daemon.stop().await;
        city.close().await;
    });
}

/// Statements that change something, as they begin or as they hide in a query.
fn changing(statements: &[String]) -> Vec<&String> {
    let words =
        ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "ALTER", "DROP", "COPY", "CALL"];
    let has = |text: &str| {
        let text = text.to_uppercase();
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| words.contains(&word))
    };
    statements.iter().filter(|it| has(it)).collect()
}

/// A fresh installation whose catalogue goes over HTTP and whose rows go into tables.
async fn city_before_tables(clock: &Clock, above: &Supervisor) -> (TestCity, Front) {
    let folder = tempfile::tempdir().unwrap();
    let datasets = vec![people("1h"), visits("1h")];
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    write_city(folder.path(), 300, zone.to_datetime(clock.now()));
    write_catalogue(folder.path(), &datasets);
    let city = TestCity::with(folder, &settings(CITY, &datasets), clock, |_| {}).await;
    without_a_word(&city);
    let columns = |columns: &[(&str, &str)]| {
        let kind = |kind: &str| if kind == "time" { "timestamp" } else { "text" };
        columns.iter().map(|(name, it)| ((*name).to_owned(), kind(it).to_owned())).collect()
    };
    let table = |it: &crate::support::plain::Table| FrontTable {
        name: it.id.to_owned(),
        columns: columns(it.columns),
        key: it.key.iter().map(|name| (*name).to_owned()).collect(),
        ..FrontTable::default()
    };
    let front = FrontSettings {
        standard: standards_folder().unwrap().join("front-tables/3.0"),
        tables: datasets.iter().map(table).collect(),
        every: Some(Duration::from_millis(50)),
        ..FrontSettings::default()
    };
    let front = Front::start(front, clock.clone(), above).await.unwrap();
    let account = front.city();
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let text = text
        .replace(
            "[channel.province]",
            "carries = [\"organisation\", \"category\", \"system\", \"entry\", \"resource\"]\n\n\
             [channel.province]",
        )
        .replace(
            PACE,
            &format!(
                "[[channel]]\nid = \"front\"\nstandard = \"front-tables/3.0\"\n\
                 carries = [\"rows\"]\n\n[channel.province]\nurl = \"{}\"\n\n\
                 [channel.province.credentials]\npassword = \"{}\"\n\n{PACE}",
                account.url,
                account.password_file.display(),
            ),
        );
    std::fs::write(city.configuration_file(), text).unwrap();
    (city, front)
}

#[test]
fn front_tables_get_no_statement_that_writes_until_the_daemon_is_live() {
    run(async {
        let clock = Clock::system();
        let above = Supervisor::new(clock.clone(), 4);
        let (city, front) = city_before_tables(&clock, &above).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let seen = watched(&daemon, &Watched::default()).await;
        for (flow, it, _) in &seen.rows {
            assert_eq!((it.here, it.would_send, it.rejected), (300, 300, 0), "{flow:?}");
            assert_eq!((it.held, it.absent), (None, None), "tables cannot be asked for a list");
        }
        daemon.wake();
        let statements = front.statements().await.unwrap();
        assert_eq!(changing(&statements), Vec::<&String>::new());
        assert_eq!(writing(&city.platform), BTreeMap::new());
        assert_eq!(front.number("SELECT count(*) FROM people").await.unwrap(), 0);
        mode(&daemon, Mode::Live).await;
        daemon.settled().await;
        let statements = front.statements().await.unwrap();
        assert_ne!(changing(&statements), Vec::<&String>::new(), "the log tells what writes");
        for dataset in ["people", "visits"] {
            let rows = city.rows(dataset).await;
            let expected: BTreeMap<_, _> =
                rows.into_iter().map(|it| (it.key, it.columns)).collect();
            assert_content(&front.content(dataset).await.unwrap(), &expected, dataset);
        }
        daemon.stop().await;
        city.close().await;
        above.stop();
        assert!(above.run(Duration::from_secs(10)).await.cause.is_none());
    });
}

#[test]
fn operators_are_refused_what_writes_until_they_say_live() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let city = runtime.block_on(town(40, &Clock::system(), |_| {}));
    without_a_word(&city);
    let mut service = Service::start(&city, &[]);
    let status = service.wait_until("everything is looked at", |status| {
        status.watching.as_ref().is_some_and(|it| it.datasets == 4 && !it.objects.is_empty())
    });
    let watching = status.watching.unwrap();
    assert!(watching.would_send > 0 && watching.since.is_some(), "{watching:?}");
    let mut refused = BTreeSet::new();
    for words in [
        &["resync", "--all"][..],
        &["reconcile", "--repair"],
        &["rejects", "replay", "--dataset", "5151-0101"],
        &["standard", "activate", "reference-xml/2.0"],
        &["standard", "rollback"],
        &["standard", "shadow", "reference-xml/2.0", "--start"],
        &["standard", "shadow", "reference-xml/2.0", "--once", "heartbeat"],
    ] {
        for speech in Speech::BOTH {
            let said = service.asked(speech, words);
            assert_eq!(said.code, Some(1), "{words:?}: {said:?}");
            assert!(said.err.contains("E-WATCHING"), "{words:?}: {said:?}");
            assert!(said.err.contains("cascaded live"), "{words:?}: {said:?}");
        }
        refused.insert(words);
    }
    assert_eq!(refused.len(), 7);
    // What asks and what reckons is allowed.
    for words in [&["reconcile"][..], &["resync", "--all", "--dry-run"], &["status"], &["datasets"]]
    {
        let said = service.asked(Speech::Chinese, words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
    }
    assert!(service.asked(Speech::Chinese, &["status"]).out.contains("只看不发"));
    assert!(service.asked(Speech::Chinese, &["datasets"]).out.contains("将发送"));
    assert_eq!(writing(&city.platform), BTreeMap::new());
    let said = service.asked(Speech::English, &["live"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let status = service.settled();
    assert_eq!(status.watching, None);
    assert_ne!(writing(&city.platform), BTreeMap::new());
    // Both words are acts, with who said them.
    let said = service.asked(Speech::English, &["watch"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(service.status().unwrap().watching.is_some());
    drop(service);
    let ledger = rusqlite::Connection::open(city.path().join("ledger/ledger.sqlite")).unwrap();
    let acts: Vec<(String, Option<i64>)> = {
        let mut statement = ledger
            .prepare(
                "SELECT detail, uid FROM act WHERE name = 'mode' AND about IS NULL ORDER BY id",
            )
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let words: Vec<&str> = acts.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["live", "watch"]);
    assert!(acts.iter().all(|(_, uid)| uid.is_some()));
    runtime.block_on(city.close());
}

#[test]
fn links_that_wait_to_be_registered_are_not_late_while_nobody_registers() {
    run(async {
        let clock = Clock::manual(jiff::Timestamp::from_second(1_790_000_000).unwrap());
        let city = town(20, &clock, |_| {}).await;
        without_a_word(&city);
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_millis(100);
        watched(&daemon, &Watched::default()).await;
        let unmapped = LinkFilter { kind: None, state: Some(LinkState::Unmapped) };
        let links = daemon.ledger().links("province".into(), unmapped).await.unwrap();
        assert!(!links.is_empty());
        clock.advance(Duration::from_secs(86_400 * 40));
        let before = clock.now();
        mode(&daemon, Mode::Live).await;
        let links = daemon.ledger().links("province".into(), LinkFilter::default()).await.unwrap();
        assert!(links.iter().all(|it| it.since >= before), "they begin to wait now");
        daemon.settled().await;
        daemon.stop().await;
        city.close().await;
    });
}
