//! SQLite files.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Error, embedded_reason};

/// How long a statement waits for another process's lock.
const BUSY: Duration = Duration::from_secs(5);

/// Opens an existing database that belongs to somebody else: nothing is ever written to it, not
/// even by a statement that tries.
pub fn open_read_only(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        // Without this a file that is no database is only noticed at the first statement.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| refused(path, &error))
}

/// Opens or creates a database of our own: write-ahead log, every commit durable before it
/// returns, foreign keys held.
pub fn open_read_write(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    };
    open().map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &rusqlite::Error) -> Error {
    Error::File { path: path.display().to_string(), reason: embedded_reason(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_opened_for_reading_refuses_every_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.sqlite");
        open_read_write(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let connection = open_read_only(&path).unwrap();
        assert!(connection.execute("INSERT INTO t VALUES (1)", []).is_err());
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_when_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.sqlite");
        std::fs::write(
            &path,
            "not a database, and longer than one header of a hundred bytes".repeat(9),
        )
        .unwrap();
        let error = open_read_only(&path).unwrap_err().to_string();
        assert!(error.contains("city.sqlite") && error.contains("not a database"), "{error}");
        assert!(open_read_only(&folder.path().join("absent.sqlite")).is_err());
    }

    #[test]
    fn our_own_file_is_durable_at_every_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_read_write(&folder.path().join("own.sqlite")).unwrap();
        let pragma = |name| -> String {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|value| format!("{value:?}"))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
    }
}
