//! Opening the file: schema versions, damage, and what a crash left behind.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use super::{Error, Result, identity, stored};

/// "casc": tells a ledger from any other SQLite file.
const APPLICATION_ID: i32 = 0x6361_7363;

/// Each schema's step from the one before, oldest first.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("schema-2.sql"), include_str!("schema-3.sql")];

/// The newest schema this program knows.
fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Opens or creates the file, checks it and brings it to the newest schema.
pub(super) fn open(path: &Path, now: Timestamp) -> Result<Connection> {
    let mut connection = Connection::open(path).map_err(Error::engine("open the file"))?;
    let version = recognise(&connection, path)?;
    configure(&connection)?;
    migrate(&mut connection, version, now).map_err(|error| of_migration(error, path))?;
    Ok(connection)
}

/// A step that the engine does not understand meets another schema than the file's number says.
fn of_migration(error: Error, path: &Path) -> Error {
    let Error::Engine { operation, source } = error else { return error };
    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) {
        let finding = format!("its schema is not the one of its number: {source}");
        return Error::Damaged { path: path.to_owned(), finding };
    }
    Error::Engine { operation, source }
}

/// Opens an existing ledger or a copy of one for reading, whole and of a known schema.
pub(super) fn open_checked(path: &Path) -> Result<Connection> {
    std::fs::metadata(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        action: "find the database",
        source,
    })?;
    let connection = open_reader(path)?;
    if recognise(&connection, path)? == 0 {
        let finding = "it is empty".to_owned();
        return Err(Error::Damaged { path: path.to_owned(), finding });
    }
    Ok(connection)
}

/// The file's schema, if it is a ledger of an older one. What cannot be told is nothing to keep:
/// opening the file refuses it.
pub(super) fn older(path: &Path) -> Result<Option<u32>> {
    let connection = open_reader(path)?;
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).ok()
    };
    if pragma("application_id") != Some(i64::from(APPLICATION_ID)) {
        return Ok(None);
    }
    let version = pragma("user_version").and_then(|version| u32::try_from(version).ok());
    Ok(version.filter(|version| (1..known()).contains(version)))
}

/// The file's schema, 0 for a new one. Refuses what is no ledger, newer, or damaged.
fn recognise(connection: &Connection, path: &Path) -> Result<u32> {
    connection.busy_timeout(Duration::from_secs(10)).map_err(Error::engine("set a timeout"))?;
    let damaged = |finding: String| Error::Damaged { path: path.to_owned(), finding };
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(|error| damaged(error.to_string()))
    };
    let version = pragma("user_version")?;
    let application = pragma("application_id")?;
    let objects: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| damaged(error.to_string()))?;
    let is_new = version == 0 && objects == 0;
    if !is_new && application != i64::from(APPLICATION_ID) {
        return Err(damaged("it is not a ledger of this program".to_owned()));
    }
    let version = u32::try_from(version)
        .map_err(|_negative| damaged("its schema has no number".to_owned()))?;
    if version > known() {
        return Err(Error::Newer { path: path.to_owned(), found: version, known: known() });
    }
    if !is_new && version == 0 {
        return Err(damaged("its schema has no number".to_owned()));
    }
    if !is_new {
        check(connection).map_err(damaged)?;
    }
    Ok(version)
}

/// A connection that cannot write.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(Error::engine("open for reading"))?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(Error::engine("set a timeout"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The engine's own check; `Err` holds its first finding.
pub(super) fn check(connection: &Connection) -> std::result::Result<(), String> {
    let finding: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if finding == "ok" { Ok(()) } else { Err(finding) }
}

/// Prepared statements that a connection keeps: those of a batch's whole life, and of what people ask
/// beside it. With the library's 16 most were prepared anew each time.
const STATEMENTS: usize = 128;

fn configure(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // WAL with FULL: a commit that returned is on disk. The cache is bounded for the memory
    // budget of the daemon.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -8000;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(Error::engine("configure the file"))
}

fn migrate(connection: &mut Connection, from: u32, now: Timestamp) -> Result<()> {
    let transaction = connection.transaction().map_err(Error::engine("begin a migration"))?;
    for (version, step) in (1_u32..).zip(MIGRATIONS) {
        if version > from {
            transaction.execute_batch(step).map_err(Error::engine("migrate the schema"))?;
            identity::put(
                &transaction,
                &format!("migrated-{version}"),
                &stored(now).to_be_bytes(),
            )?;
        }
    }
    if from == 0 {
        super::mode::begin(&transaction, now)?;
    }
    transaction
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
            known()
        ))
        .map_err(Error::engine("mark the schema"))?;
    transaction.commit().map_err(Error::engine("commit a migration"))
}

/// What was under way when the last process ended is unknown now; a pass starts over.
pub(super) fn recover(connection: &mut Connection, now: Timestamp) -> Result<()> {
    let transaction = connection.transaction().map_err(Error::engine("begin a recovery"))?;
    let at = stored(now);
    let steps = [
        (
            "UPDATE attempt SET ended_at = ?1, outcome = 'unknown', code = 'process-ended'
             WHERE ended_at IS NULL",
            true,
        ),
        (
            "UPDATE batch SET state = 'unknown', next_attempt_at = ?1 WHERE state = 'in_flight'",
            true,
        ),
        ("UPDATE pass SET state = 'queued', rows_seen = 0 WHERE state = 'running'", false),
    ];
    for (step, dated) in steps {
        if dated { transaction.execute(step, params![at]) } else { transaction.execute(step, []) }
            .map_err(Error::engine("recover from a crash"))?;
    }
    transaction.commit().map_err(Error::engine("commit a recovery"))
}

/// The first ordinal not reserved yet.
pub(super) fn ordinal(connection: &Connection) -> Result<u64> {
    Ok(identity::number(connection, "ordinals")?.unwrap_or(1))
}

/// Ordinals below `until` may be given out from now on.
pub(super) fn reserve_ordinals(connection: &Connection, until: u64) -> Result<()> {
    identity::put(connection, "ordinals", &until.to_be_bytes())
}
