//! The sixth standard: invented for these tests, written only from `config/standards/README.md`,
//! unlike every shipped one, and no line of it in `src`. It carries a small town end to end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::demo::{STANDARD, Scale, generate, standards_folder};
use cascaded::ledger::LinkFilter;
use cascaded::rehearsal::RowRules;
use jiff::tz::TimeZone;

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{open, wrong};
use crate::tidy::root;

const NOTHING: [String; 0] = [];
const NAME: &str = "river-json/1";

fn folder() -> PathBuf {
    root().join("tests/it/sixth/standards")
}

/// Where its directory is.
pub(crate) fn standard() -> PathBuf {
    folder().join(NAME)
}

/// A generated town whose only channel speaks the invented standard.
async fn town(clock: &Clock) -> TestCity {
    let place = tempfile::tempdir().unwrap();
    let now = TimeZone::get("Asia/Shanghai").unwrap().to_datetime(clock.now());
    let scale = Scale { datasets: 4, rows: 120, entries: 8 };
    let made = generate(place.path(), scale, 6, now).unwrap();
    std::fs::create_dir_all(place.path().join("files")).unwrap();
    let database = place.path().join("province.sqlite");
    let sources = made.configuration.replace("\ncycle = ", "\npoll = \"1s\"\ncycle = ");
    let credentials: BTreeMap<String, String> =
        [("who", "city"), ("word", "a pass word"), ("key", "of the signature")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
    let held = credentials.clone();
    let mut city = TestCity::with(place, &sources, clock, |settings| {
        settings.standard = standard();
        settings.credentials = held;
        settings.database = Some(database);
        settings.rules = [("5151-0101".to_owned(), RowRules::default())].into();
    })
    .await;
    let keys = city.path().join("keys");
    for (name, text) in &credentials {
        // A copy of a secret's file is as closed as that file.
        std::fs::copy(keys.join("secret"), keys.join(name)).unwrap();
        std::fs::write(keys.join(name), text).unwrap();
    }
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let shipped = standards_folder().unwrap();
    let text = [
        (shipped.display().to_string(), folder().display().to_string()),
        (
            format!("standard = \"{STANDARD}\"\n"),
            format!("standard = \"{NAME}\"\ncarries = [\"entry\", \"resource\", \"rows\"]\n"),
        ),
        (
            "requester = \"keys/requester\"\nsecret = \"keys/secret\"\n".to_owned(),
            "who = \"keys/who\"\nword = \"keys/word\"\nkey = \"keys/key\"\n".to_owned(),
        ),
    ]
    .iter()
    .fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the configuration has {from}");
        text.replace(from, to)
    });
    std::fs::write(city.configuration_file(), text).unwrap();
    city.made = Some(made);
    city
}

/// What only the city knows of its resources. The daemon must not run.
fn supply(city: &TestCity) {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    let added = ledger
        .execute(
            "INSERT INTO supplied SELECT 'resource', id, 'open', 'true', 'a test', 0
             FROM object WHERE kind = 'resource'",
            [],
        )
        .unwrap();
    assert!(added > 0, "there are resources");
    ledger.execute("UPDATE link SET sent = NULL WHERE state = 'refused'", []).unwrap();
}

#[test]
fn a_town_is_carried_by_a_standard_that_nobody_programmed() {
    run(async {
        let clock = Clock::system();
        let city = town(&clock).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        // Nothing is filled in: what the standard demands and nobody supplied is told.
        let filter = LinkFilter { kind: Some(Kind::Resource), state: None };
        let channel = daemon.channel("province").id.clone();
        daemon
            .wait_until("every resource lacks its value", || async {
                let links = daemon.ledger().links(channel.clone(), filter.clone()).await.unwrap();
                let lacks = |findings: &Option<String>| {
                    findings.as_ref().is_some_and(|it| it.contains("open"))
                };
                !links.is_empty() && links.iter().any(|link| lacks(&link.findings))
            })
            .await;
        assert_eq!(city.platform.datasets().unwrap(), NOTHING);
        daemon.stop().await;
        supply(&city);

        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let confirmed = || async {
            let flows = daemon.ledger().flows().await.unwrap();
            flows.iter().map(|flow| flow.counts.confirmed).sum::<u64>()
        };
        // Resources are mounted first: nothing is due before that.
        daemon.wait_until("rows are confirmed", || async { confirmed().await > 0 }).await;
        daemon.settled().await;
        // Batches of five rows, each confirmed by its verdicts and by nothing less.
        let confirmed = confirmed().await;
        let deliveries = city.platform.deliveries().unwrap();
        let count = |name: &str| deliveries.iter().filter(|it| it.operation == name).count();
        assert!(count("rows.verdict") > 0 && count("entry.register") > 0);
        assert!(count("rows.upsert") as u64 >= confirmed / 5);

        let codes = city.platform.deliveries().unwrap();
        assert!(codes.iter().all(|it| it.code == "ok"), "{codes:?}");
        assert_eq!(daemon.ledger().drift().await.unwrap().len(), 0);
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        city.close().await;
    });
}
