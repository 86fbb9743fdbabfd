//! The whole daemon on a made city: what reaches the province is what the city has, minus what the
//! generator spoiled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::delivery::LinkState;
use cascaded::demo::{Defect, Scale, compare};
use cascaded::ledger::LinkFilter;

use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::operator::Service;
use crate::support::town::sound_rows;

/// Carries a generated city and compares what became of every row and entry with what the
/// generator says of it.
async fn a_made_city_arrives(scale: Scale, seed: u64) {
    let clock = Clock::system();
    let city = TestCity::demo(scale, &clock, |plan| plan.seed = seed).await;
    let daemon = TestDaemon::start(city.configuration(), &clock).await;
    let sight = daemon.settled().await;
    let made = city.made.clone().unwrap();

    entries_are_turned_away_as_planted(&daemon, &made).await;
    assert_eq!(sight.unmounted, Vec::<String>::new());
    assert_eq!(sight.entries_due, made.entries);
    assert_eq!(sight.entries_rejected, made.entry_defects.len() as u64);
    assert_eq!(sight.entries_accepted, made.entries - sight.entries_rejected);

    rows_are_turned_away_as_planted(&daemon, &made.defects).await;
    assert!(sight.rows.balance());
    assert_eq!(sight.rows.due + sight.rows.coalesced + sight.rows.skipped, made.rows);
    assert_eq!(sight.rows.rejected_local, made.defects.len() as u64);
    assert_eq!(sight.rows.confirmed, sight.rows.due - sight.rows.rejected());
    assert_eq!(sight.rows.queued, 0);

    contents_are_equal(&city, &daemon).await;
    for found in compare(&daemon.app).await.unwrap() {
        assert_eq!((found.mismatched(), found.skipped), (0, None), "{found:?}");
        assert_eq!(found.compared, found.confirmed, "every confirmed row is compared by content");
    }
    daemon.stop().await;
    city.close().await;
}

async fn entries_are_turned_away_as_planted(daemon: &TestDaemon, made: &cascaded::demo::Generated) {
    let province = daemon.channel("province").id.clone();
    let filter = LinkFilter { kind: Some(Kind::Entry), state: Some(LinkState::Refused) };
    let links = daemon.ledger().links(province, filter).await.unwrap();
    let refused: BTreeSet<&str> = links.iter().map(|link| link.key.id.as_str()).collect();
    let planted: BTreeSet<&str> = made.entry_defects.iter().map(|it| it.entry.as_str()).collect();
    assert_eq!(refused, planted);
}

/// Ledger and generator name the same keys under the same rules, dataset by dataset.
async fn rows_are_turned_away_as_planted(daemon: &TestDaemon, defects: &[Defect]) {
    let keyer = &daemon.ledger().identity().keyer;
    let mut found: Vec<_> = daemon
        .rejects()
        .await
        .into_iter()
        .flat_map(|reject| {
            let (dataset, key) = (reject.flow.dataset, reject.key);
            reject.findings.into_iter().map(move |finding| (dataset.clone(), key, finding.rule))
        })
        .collect();
    let mut planted: Vec<_> = defects
        .iter()
        .map(|it| (it.dataset.clone(), keyer.key(&it.key), it.rule.to_owned()))
        .collect();
    found.sort();
    planted.sort();
    assert_eq!(found, planted);
}

async fn contents_are_equal(city: &TestCity, daemon: &TestDaemon) {
    let mut compared = 0;
    for carrier in daemon.channel("province").carriers() {
        let dataset = carrier.flow().dataset.as_str();
        let expected = sound_rows(city, dataset).await;
        let above = city.platform.content(dataset).unwrap();
        assert_content(&above, &expected, dataset);
        compared += above.len();
    }
    assert!(compared > 1_000, "only {compared} rows were compared");
}

#[test]
fn a_small_city_arrives_and_what_is_rejected_is_what_was_spoiled() {
    run(a_made_city_arrives(Scale::SMALL, 1));
}

#[test]
fn a_whole_city_with_every_dataset_arrives() {
    run(a_made_city_arrives(Scale { rows: 10_000, ..Scale::FULL }, 7));
}

/// The real binary, as the README's first command runs it.
#[test]
fn the_demonstration_ends_with_its_sums() {
    let folder = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_cascaded"))
        .args(["demo", "--once", "--json", "--rows", "2000", "--listen", "127.0.0.1:0", "--dir"])
        .arg(folder.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    let sums: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let sum = |place: &str| {
        sums.pointer(place).and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("{place}"))
    };
    let (due, confirmed, rejected) =
        (sum("/rows/due"), sum("/rows/confirmed"), sum("/rows/rejected"));
    assert_eq!(due, confirmed + rejected);
    assert!(rejected > 0, "the demonstration's city has defects");
    assert_eq!(sum("/rows/queued"), 0);
    assert_eq!(
        (sum("/entries/due"), sum("/entries/accepted"), sum("/entries/rejected")),
        (300, 295, 5)
    );
    assert_eq!(sum("/reconcile/mismatched"), 0);

    // Everything is kept, and what the province keeps is what was confirmed.
    let province = rusqlite::Connection::open(folder.path().join("province.sqlite")).unwrap();
    let tables: Vec<String> = province
        .prepare("SELECT name FROM sqlite_master WHERE name LIKE 'rows!_%' ESCAPE '!'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(tables.len(), 40, "every dataset is mounted");
    let held: u64 = tables
        .iter()
        .map(|table| {
            let count = format!("SELECT count(*) FROM \"{table}\"");
            province.query_row(&count, [], |row| row.get::<_, u32>(0)).unwrap()
        })
        .map(u64::from)
        .sum();
    assert_eq!(held, confirmed);
    assert!(folder.path().join("city.sqlite").is_file());
}

/// What the daemon keeps of its own, without the pages of its program: those of an unoptimised one
/// are three times as many. The whole of a release build, below 64 MiB, is `tests/benches/memory`'s.
#[test]
fn what_the_daemon_keeps_in_memory_stays_bounded() {
    run(async {
        let scale = Scale { rows: 20_000, ..Scale::FULL };
        let city = TestCity::demo(scale, &Clock::system(), |plan| plan.seed = 8).await;
        let mut service = Service::start(&city, &[("MALLOC_ARENA_MAX", "2")]);
        let status = service.settled();
        let (peak, program) = (service.memory_kib("VmHWM"), service.memory_kib("RssFile"));
        let own = peak - program;
        println!(
            "{} rows due; VmHWM of the daemon {peak} kB, {own} kB without its program",
            status.summary.rows.due
        );
        assert!(own < 40 << 10, "{own} kB");
        service.stop();
        city.close().await;
    });
}

/// Of many entries that people above review, each is asked about; the verdicts of rows do not wait
/// for the last of them.
#[test]
fn verdicts_do_not_wait_until_every_review_was_asked_about() {
    run(async {
        let clock = Clock::system();
        let scale = Scale { datasets: 4, rows: 60, entries: 500 };
        let city = TestCity::demo(scale, &clock, |plan| {
            plan.review = Duration::from_hours(1);
        })
        .await;
        std::fs::create_dir_all(city.path().join("files")).unwrap();
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = text.replace("\ncycle = ", "\npoll = \"1s\"\ncycle = ");
        std::fs::write(city.configuration_file(), text).unwrap();
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        for round in 0..6 {
            crate::support::town::go_on(&city, 3, &format!("{round}"));
            daemon.looked_again().await;
        }
        let deliveries = city.platform.deliveries().unwrap();
        let (mut reviews, mut most, mut sent) = (0_u32, 0, BTreeMap::new());
        for it in &deliveries {
            match it.operation.as_str() {
                "entry.state" => reviews += 1,
                "rows.upsert" => drop(sent.insert(it.batch_id.clone(), reviews)),
                "rows.verdict" => {
                    let since = sent.remove(&it.batch_id).map_or(0, |then| reviews - then);
                    most = most.max(since);
                }
                _ => {}
            }
        }
        assert!(reviews >= 500, "every entry is asked about: {reviews}");
        assert!(most < 200, "{most} reviews were asked about before a verdict");
        daemon.stop().await;
        city.close().await;
    });
}
