//! A newer program over an older ledger, and the way back: the real program, as an operator starts
//! it.

use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::demo::Scale;
use rusqlite::Connection;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Said, Service, Speech, command};
use crate::tidy::read;

/// The schema of the program under test.
const SCHEMA: u32 = 3;

fn database(folder: &Path) -> PathBuf {
    folder.join("ledger.sqlite")
}

fn schema_of(folder: &Path) -> u32 {
    let connection = Connection::open(database(folder)).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn set_schema(folder: &Path, number: u32) {
    let connection = Connection::open(database(folder)).unwrap();
    connection.execute_batch(&format!("PRAGMA user_version = {number}")).unwrap();
}

/// Facts in the ledger, in the order they were recorded.
fn facts(folder: &Path) -> Vec<(i64, String)> {
    let connection = Connection::open(database(folder)).unwrap();
    let mut statement = connection.prepare("SELECT id, kind FROM fact ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// A city whose ledger was written by the first release: the stored sample with its key.
async fn of_the_first_release() -> (TestCity, PathBuf) {
    let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
    let folder = city.path().join("ledger");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(city.path().join("keys/ledger.key"), "07".repeat(32)).unwrap();
    let connection = Connection::open(database(&folder)).unwrap();
    connection.execute_batch(&read("tests/it/golden/ledger/schema-1.sql")).unwrap();
    // The sample has the ledger alone, not the payload that its batch names: as if it had been
    // overtaken by a later one.
    connection
        .execute_batch(
            "UPDATE batch SET spooled = 0, state = 'superseded';
             UPDATE dataset SET due = due - queued, queued = 0;",
        )
        .unwrap();
    (city, folder)
}

fn asked(city: &TestCity, words: &[&str]) -> Said {
    let config = ["--config", city.configuration_file().to_str().unwrap()];
    command(Speech::English, &[&config, words].concat())
}

#[test]
fn the_first_release_s_ledger_is_carried_on_and_can_be_gone_back_to() {
    run(async {
        let (city, folder) = of_the_first_release().await;
        let before = facts(&folder);
        assert!(!before.is_empty());
        let mut service = Service::start(&city, &[]);
        service.wait_until("the daemon answers", |_| true);
        service.stop();
        // Forward: the newer schema, every fact still there, the chain whole.
        assert_eq!(schema_of(&folder), SCHEMA);
        assert_eq!(facts(&folder).get(..before.len()), Some(&before[..]));
        let said = asked(&city, &["ledger", "verify", "--offline"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        // Back: what the older program opens, in a folder that says what it is.
        let kept = folder.join("before-upgrade-schema-1");
        assert_eq!(schema_of(&kept), 1);
        assert_eq!(facts(&kept), before);
        // As the manual says it: the ledger aside, the copy restored, which is a new incarnation.
        let aside = city.path().join("ledger.new");
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::create_dir(&folder).unwrap();
        let kept = aside.join("before-upgrade-schema-1");
        let said = asked(&city, &["ledger", "restore", kept.to_str().unwrap()]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(facts(&folder).get(..before.len()), Some(&before[..]));
        assert_eq!(schema_of(&kept), 1, "restoring leaves the copy as it is");
        city.close().await;
    });
}

#[test]
fn a_newer_program_s_ledger_is_refused_in_plain_words_and_left_alone() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let folder = city.path().join("ledger");
        let mut service = Service::start(&city, &[]);
        service.wait_until("the daemon answers", |_| true);
        service.stop();
        assert_eq!(schema_of(&folder), SCHEMA);
        set_schema(&folder, SCHEMA + 1);
        let bytes = std::fs::read(database(&folder)).unwrap();
        for words in [&["run"][..], &["ledger", "verify", "--offline"]] {
            let said = asked(&city, words);
            assert_eq!(said.code, Some(1), "{said:?}");
            let told =
                format!("has schema {}, this program knows schemas up to {SCHEMA}", SCHEMA + 1);
            assert!(said.err.contains(&told), "{said:?}");
            assert!(said.err.contains("[E-"), "{said:?}");
        }
        assert_eq!(std::fs::read(database(&folder)).unwrap(), bytes);
        // The newer program is put back: nothing was lost.
        set_schema(&folder, SCHEMA);
        let said = asked(&city, &["ledger", "verify", "--offline"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        city.close().await;
    });
}
