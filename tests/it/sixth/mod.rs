//! The sixth standard: invented for these tests, written only from `config/standards/README.md`,
//! unlike every shipped one, and no line of it in `src`. It carries a small town end to end.

mod unlike;

use std::collections::BTreeSet;
use std::path::PathBuf;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::delivery::{LinkState, RejectKind};
use cascaded::demo::{STANDARD, Scale, generate, standards_folder};
use cascaded::ledger::LinkFilter;
use cascaded::rehearsal::{RowRules, Settings};
use jiff::tz::TimeZone;
use rusqlite::Connection;
use sm2::SecretKey;
use sm2::pkcs8::{EncodePrivateKey, LineEnding};

use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::plain::{CITY, people, settings, visits, write_catalogue, write_city};
use crate::support::town::{go_on, open, wrong};
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

/// What the province handed out; the key is that of the example of GB/T 32918.5, annex A.2.
pub(crate) fn credentials() -> [(&'static str, String); 4] {
    let scalar = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    let pairs = scalar.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let key = SecretKey::from_slice(&bytes).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
    let cover = "0123456789abcdeffedcba9876543210";
    [("who", "city"), ("word", "a pass word"), ("key", key.as_str()), ("cover", cover)]
        .map(|(name, text)| (name, text.to_owned()))
}

/// A platform that speaks the invented standard.
fn speaking(settings: &mut Settings) {
    settings.standard = standard();
    settings.credentials = credentials().map(|(name, text)| (name.to_owned(), text)).into();
}

/// The city's channel speaks it too.
fn speak(city: &TestCity) {
    let keys = city.path().join("keys");
    for (name, text) in credentials() {
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
            "who = \"keys/who\"\nword = \"keys/word\"\nkey = \"keys/key\"\ncover = \"keys/cover\"\n".to_owned(),
        ),
    ]
    .iter()
    .fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the configuration has {from}");
        text.replace(from, to)
    });
    std::fs::write(city.configuration_file(), text).unwrap();
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
    let mut city = TestCity::with(place, &sources, clock, |settings| {
        speaking(settings);
        settings.database = Some(database);
        settings.rules = [("5151-0101".to_owned(), RowRules::default())].into();
    })
    .await;
    speak(&city);
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

        assert!(deliveries.iter().all(|it| it.code == "ok"), "{deliveries:?}");
        assert_eq!(daemon.ledger().drift().await.unwrap().len(), 0);
        // Key by key and cell by cell; and every batch said what its rows are.
        assert_eq!(wrong(&city).await, NOTHING);
        let province = open(&city.path().join("province.sqlite"));
        let [batches, digests, rows] = ["count(*)", "count(DISTINCT declared_digest)", "sum(rows)"]
            .map(|what| {
                let sql = format!("SELECT {what} FROM batch WHERE action = 'upsert'");
                province.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
            });
        assert_eq!((digests, rows), (batches, confirmed.try_into().unwrap()));
        // Verdicts came two on a page, page after page.
        assert!(count("rows.verdict") as u64 >= confirmed / 2);

        go_on(&city, 7, "六版");
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        city.close().await;
    });
}

/// People and visits, of which one person is refused with every batch and one fails.
struct Plain {
    city: TestCity,
    tables: Connection,
    catalogue: Connection,
}

impl Plain {
    async fn new(clock: &Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![people("1h"), visits("1h")];
        let now = TimeZone::get("Asia/Shanghai").unwrap().to_datetime(clock.now());
        let tables = write_city(folder.path(), 30, now);
        // A value more or less, and what a careless writer of arrays trips over.
        tables
            .execute_batch(
                "UPDATE visits SET note = NULL WHERE id < 'v00004';
                 UPDATE visits SET note = 'a \"quoted\", [listed] \\ {one}' WHERE id = 'v00005';",
            )
            .unwrap();
        let catalogue = write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), clock, |settings| {
            speaking(settings);
            let rules = settings.rules.entry("people".to_owned()).or_default();
            rules.refuse_keys.insert("p00003".to_owned());
            rules.fail_keys.insert("p00007".to_owned());
        })
        .await;
        speak(&city);
        Self { city, tables, catalogue }
    }

    /// The platform holds what the city has, but for the two people.
    async fn assert_equal(&self) {
        for dataset in ["people", "visits"] {
            let rows = self.city.rows(dataset).await.into_iter();
            let expected = rows
                .filter(|row| !["p00003", "p00007"].contains(&row.key.as_str()))
                .map(|row| (row.key, row.columns))
                .collect();
            assert_content(&self.city.platform.content(dataset).unwrap(), &expected, dataset);
        }
    }

    /// The states in which an object stands above.
    fn stands(&self, id: &str) -> Vec<String> {
        let objects = self.city.platform.objects().unwrap().into_iter();
        objects.filter(|it| it.local_id == id).map(|it| it.state).collect()
    }
}

#[test]
fn what_changes_goes_or_is_refused_is_carried_by_it_too() {
    run(async {
        let clock = Clock::system();
        let scene = Plain::new(&clock).await;
        let daemon = TestDaemon::start(scene.city.configuration(), &clock).await;
        daemon
            .wait_until("both resources lack their value", || async {
                let filter =
                    LinkFilter { kind: Some(Kind::Resource), state: Some(LinkState::Refused) };
                let channel = daemon.channel("province").id.clone();
                daemon.ledger().links(channel, filter).await.unwrap().len() == 2
            })
            .await;
        daemon.stop().await;
        supply(&scene.city);

        let daemon = TestDaemon::start(scene.city.configuration(), &clock).await;
        daemon
            .wait_until("rows arrive", || async {
                scene.city.platform.datasets().unwrap().len() == 2
            })
            .await;
        daemon.settled().await;
        // The refused row is alone, the failed one is judged, and nobody else suffers.
        let keyer = &daemon.ledger().identity().keyer;
        let rejects = daemon.rejects().await;
        let found: BTreeSet<_> = rejects.iter().map(|it| (it.kind, it.key)).collect();
        let expected = [(RejectKind::Refused, "p00003"), (RejectKind::Failed, "p00007")];
        assert_eq!(found, expected.map(|(kind, key)| (kind, keyer.key(key))).into());
        scene.assert_equal().await;

        // Corrections and deletions.
        scene
            .tables
            .execute_batch(
                "UPDATE people SET name = '改名', grade = 'b' WHERE id IN ('p00001', 'p00002');
                 DELETE FROM people WHERE id > 'p00027'; DELETE FROM visits WHERE id = 'v00009';",
            )
            .unwrap();
        daemon.compared().await;
        scene.assert_equal().await;
        assert_eq!(scene.city.platform.count("people").unwrap(), 26);

        // A changed entry is changed, a gone one withdrawn, its resource before it.
        assert_eq!(
            (scene.stands("e-people"), scene.stands("e-visits").len()),
            (vec!["published".to_owned()], 1)
        );
        scene
            .catalogue
            .execute_batch(
                "UPDATE entry SET title = '新名' WHERE id = 'e-people';
                 DELETE FROM entry WHERE id = 'e-visits'; DELETE FROM resource WHERE id = 'r-visits';
                 DELETE FROM item WHERE entry = 'e-visits'",
            )
            .unwrap();
        daemon.wake();
        daemon
            .wait_until("what is gone is withdrawn", || async {
                scene.stands("e-visits") == ["withdrawn"]
                    && scene
                        .city
                        .platform
                        .objects()
                        .unwrap()
                        .iter()
                        .any(|it| it.local_id == "e-people" && it.title.as_deref() == Some("新名"))
            })
            .await;
        assert_eq!(scene.stands("r-visits"), ["withdrawn"]);
        let codes = scene.city.platform.deliveries().unwrap();
        let strange = codes.iter().find(|it| !["ok", "bad-001"].contains(&it.code.as_str()));
        assert_eq!(strange, None);
        daemon.stop().await;
        scene.city.close().await;
    });
}
