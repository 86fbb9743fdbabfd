//! What is refused at the door, and what version 1 wrote is read.

use std::collections::BTreeMap;

use super::*;
use crate::catalogue::{Category, Content, Kind, Object};
use crate::delivery::LinkState;
use crate::ledger::Error;

/// A category of the catalogue.
pub(super) fn category(id: &str) -> Object {
    Object {
        region: "5119".to_owned(),
        department: "housing".to_owned(),
        content: Content::Category(Category {
            id: id.to_owned(),
            code: "1".to_owned(),
            title: "住房".to_owned(),
            parent: None,
        }),
        supplied: BTreeMap::new(),
    }
}

fn database(bench: &Bench) -> std::path::PathBuf {
    bench.path().join("ledger.sqlite")
}

/// A closed ledger with something in it, in one file.
fn written() -> Bench {
    let bench = Bench::new();
    let ledger = bench.open();
    let seen = Observation {
        batches: vec![batch(&ledger, rows_of("houses"), 3, Evidence::RowVerdict)],
        rejects: (0..200).map(|at| reject(at, 1, RejectKind::Local)).collect(),
        ..observation("houses")
    };
    bench.run(ledger.observed(seen)).unwrap();
    drop(ledger);
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_row| Ok(())).unwrap();
    bench
}

#[test]
fn a_second_daemon_is_refused() {
    let bench = Bench::new();
    let first = bench.open();
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(first);
    bench.open();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let bench = written();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(connection);
    let before = std::fs::read(database(&bench)).unwrap();
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
    assert_eq!(std::fs::read(database(&bench)).unwrap(), before);
}

#[test]
fn another_program_s_file_is_refused_and_left_alone() {
    let bench = Bench::new();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(connection);
    let before = std::fs::read(database(&bench)).unwrap();
    let error = bench.try_open().unwrap_err();
    assert!(error.to_string().contains("not a ledger"), "{error}");
    assert_eq!(std::fs::read(database(&bench)).unwrap(), before);
    std::fs::write(database(&bench), "neither a database nor short".repeat(99)).unwrap();
    assert!(matches!(bench.try_open(), Err(Error::Damaged { .. })));
}

#[test]
fn another_sealing_key_is_refused() {
    let bench = written();
    let other = Sealer::from_bytes(&[8; 32]).unwrap();
    let error = Ledger::open(bench.path(), &other, bench.clock.clone(), Pool::new(1)).unwrap_err();
    assert!(matches!(error, Error::Seal(_)), "{error}");
}

#[test]
fn files_without_their_database_are_not_swept_away() {
    let bench = written();
    let spool = bench.spool(bench.path());
    let ledger = bench.open();
    spooled(&spool, &batch(&ledger, rows_of("houses"), 1, Evidence::Receipt)).unwrap();
    drop(ledger);
    std::fs::remove_file(database(&bench)).unwrap();
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(bench.spool(bench.path()).usage().files, 1);
}

#[test]
fn a_damaged_file_ends_in_a_clear_error() {
    let bench = written();
    let whole = std::fs::read(database(&bench)).unwrap();
    let mut refused = 0;
    // Every byte of the file's header, then the head of every page, where its structure is.
    let heads = (0..whole.len()).step_by(4096).flat_map(|page| page..page + 12);
    for at in (0..100).chain(heads.skip(12)) {
        for flip in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(database(&bench), &bytes).unwrap();
            for log in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
                std::fs::remove_file(bench.path().join(log)).ok();
            }
            match bench.try_open() {
                // Counters and reserved bytes change nothing that is read.
                Ok(_) => {}
                Err(Error::Damaged { .. } | Error::Newer { .. } | Error::Unreadable { .. }) => {
                    refused += 1;
                }
                // A file format that says it may only be read.
                Err(Error::Engine { source, .. })
                    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) => {}
                Err(other) => panic!("byte {at}: {other:?}"),
            }
        }
    }
    assert!(refused > 100, "{refused} flips refused");
    std::fs::write(database(&bench), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(bench.try_open(), Err(Error::Damaged { .. })));
}

#[test]
fn what_schema_1_stored_is_read() {
    let bench = Bench::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/ledger");
    if std::env::var_os("CASCADED_WRITE_GOLDEN").is_some() {
        write_sample(&golden);
    }
    let text = std::fs::read_to_string(golden.join("schema-1.sql")).unwrap();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    connection.execute_batch(&text).unwrap();
    drop(connection);
    let ledger = bench.open();
    let flows = bench.run(ledger.flows()).unwrap();
    assert_eq!((flows[0].counts.due, flows[0].counts.queued), (4, 3));
    let link = bench.run(ledger.link(channel(), category("a").key())).unwrap().unwrap();
    assert_eq!(link.state, LinkState::Unmapped);
    assert_eq!(bench.run(ledger.object(category("a").key())).unwrap(), Some(category("a")));
    assert_eq!(bench.run(ledger.sendable(channel(), Timestamp::MAX, 9, 9)).unwrap().len(), 1);
    assert_eq!(bench.run(ledger.facts(0, 99)).unwrap().len(), 2);
    assert_eq!(ledger.identity().incarnation, 1);
}

/// A folder with the stored ledger of schema 1 and nothing of this program's.
fn of_schema_1() -> Bench {
    let bench = Bench::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/ledger");
    let text = std::fs::read_to_string(golden.join("schema-1.sql")).unwrap();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    connection.execute_batch(&text).unwrap();
    bench
}

fn content(path: &Path) -> String {
    dumped(&rusqlite::Connection::open(path).unwrap())
}

fn schema_of(path: &Path) -> u32 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_older_ledger_is_kept_whole_before_it_is_changed() {
    let bench = of_schema_1();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    // The sample has the ledger alone, not the payloads it names.
    connection.execute_batch("UPDATE batch SET spooled = 0").unwrap();
    drop(connection);
    let before = content(&database(&bench));
    drop(bench.open());
    assert!(schema_of(&database(&bench)) > 1);
    let folder = bench.path().join("before-upgrade-schema-1");
    let kept = folder.join("ledger.sqlite");
    assert_eq!(schema_of(&kept), 1, "the older program opens it");
    assert_eq!(content(&kept), before, "to the letter what it was");
    // The next start has nothing to keep and leaves the copy alone.
    let written = std::fs::metadata(&kept).unwrap().modified().unwrap();
    drop(bench.open());
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), written);
    // And it is a backup as any other.
    let again = tempfile::tempdir().unwrap();
    super::super::restore(&folder, again.path(), &bench.sealer, &bench.clock).unwrap();
    let sealer = &bench.sealer;
    let ledger = Ledger::open(again.path(), sealer, bench.clock.clone(), Pool::new(1)).unwrap();
    assert!(ledger.identity().incarnation > 1);
    assert_eq!(bench.run(ledger.flows()).unwrap()[0].counts.due, 4);
}

#[test]
fn what_the_kept_copy_names_stays_when_the_ledger_lets_go_of_it() {
    let bench = of_schema_1();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    let id = connection.query_row("SELECT id FROM batch", [], |row| row.get(0)).unwrap();
    drop(connection);
    let name = spool::file_name(&BatchId(id).to_string());
    let file = Path::new("spool").join(name);
    std::fs::create_dir(bench.path().join("spool")).unwrap();
    std::fs::write(bench.path().join(&file), "sealed").unwrap();
    drop(bench.open());
    std::fs::remove_file(bench.path().join(&file)).unwrap();
    let kept = bench.path().join("before-upgrade-schema-1").join(&file);
    assert_eq!(std::fs::read(kept).unwrap(), b"sealed");
}

#[test]
fn without_a_copy_to_go_back_to_nothing_is_changed() {
    let bench = of_schema_1();
    let before = std::fs::read(database(&bench)).unwrap();
    // In the copy's way: a file where its folder should be.
    std::fs::write(bench.path().join("before-upgrade-schema-1.partial"), "").unwrap();
    assert!(bench.try_open().is_err());
    assert_eq!(std::fs::read(database(&bench)).unwrap(), before);
    std::fs::remove_file(bench.path().join("before-upgrade-schema-1.partial")).unwrap();
    // What an attempt that was cut off left behind is replaced, and so is an older upgrade's copy.
    for name in ["before-upgrade-schema-1.partial", "before-upgrade-schema-1"] {
        std::fs::create_dir(bench.path().join(name)).unwrap();
        std::fs::write(bench.path().join(name).join("half"), "").unwrap();
    }
    drop(bench.open());
    let kept = bench.path().join("before-upgrade-schema-1");
    assert!(kept.join("ledger.sqlite").exists() && !kept.join("half").exists());
    assert!(!bench.path().join("before-upgrade-schema-1.partial").exists());
}

/// Writes the sample anew: only while its schema is not released.
fn write_sample(golden: &Path) {
    let bench = Bench::new();
    let ledger = bench.open();
    let read = ledger.catalogue_read(vec![category("a")], vec![(channel(), vec![Kind::Category])]);
    bench.run(read).unwrap();
    let seen = Observation {
        batches: vec![batch(&ledger, rows_of("houses"), 3, Evidence::RowVerdict)],
        rejects: vec![reject(9, 9, RejectKind::Local)],
        ..observation("houses")
    };
    bench.run(ledger.observed(seen)).unwrap();
    drop(ledger);
    std::fs::create_dir_all(golden).unwrap();
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    std::fs::write(golden.join("schema-1.sql"), dumped(&connection)).unwrap();
}

/// The database as statements that make it again.
fn dumped(connection: &rusqlite::Connection) -> String {
    let list = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<std::result::Result<_, _>>().unwrap()
    };
    let mut text = String::from("-- A ledger of schema 1 as its first release wrote it.\n");
    let made = "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL
                AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name";
    text.push_str(&list(made).join("\n"));
    for table in list(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         ORDER BY name",
    ) {
        let columns = list(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let quoted = columns.iter().map(|name| format!("quote({name})")).collect::<Vec<_>>();
        for row in list(&format!("SELECT {} FROM {table}", quoted.join(" || ', ' || "))) {
            text.push_str(&format!("\nINSERT INTO {table} VALUES ({row});"));
        }
    }
    text.push_str("\nPRAGMA application_id = 1667330915;\nPRAGMA user_version = 1;\n");
    text
}

#[test]
fn a_datasets_resource_is_not_looked_for_among_all_objects() {
    let bench = Bench::new();
    drop(bench.open());
    let connection = rusqlite::Connection::open(database(&bench)).unwrap();
    let explained = format!("EXPLAIN QUERY PLAN {}", super::super::objects::RESOURCE_OF);
    let plan: String =
        connection.query_row(&explained, ["houses"], |row| row.get("detail")).unwrap();
    assert!(plan.contains("USING INDEX object_dataset"), "{plan}");
}
