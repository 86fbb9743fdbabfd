//! What is special to ODBC, through the drivers that Debian has.

use std::path::{Path, PathBuf};

use cascaded::city::{Error, Scan};
use cascaded::row::Page;

use super::place::World;
use super::{Row, all, dataset, rows, run, since, source};
use crate::support::postgres::Server;

/// A driver's library, wherever Debian has it on this machine.
fn driver(name: &str) -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let found = folders.map(|folder| folder.path().join("odbc").join(name)).find(|it| it.exists());
    found.unwrap_or_else(|| panic!("{name} is installed by tests/run"))
}

/// `[[source]]` of what a driver leads to.
pub(crate) fn settings(place: &World, more: &str) -> String {
    let (dialect, connection) = match place {
        World::Postgres(server, _) => {
            let folder = server.socket();
            let folder = folder.parent().unwrap().display().to_string();
            ("postgres", postgres(&folder, 5432, ""))
        }
        World::Sqlite(_, folder) => ("sqlite", sqlite(&folder.path().join("city.sqlite"))),
        World::Csv(_) | World::Book(_) | World::Maria(_) | World::Odbc(_) => {
            panic!("no driver for this")
        }
    };
    toml(dialect, &connection, more)
}

pub(crate) fn through(place: &World, port: u16) -> Option<String> {
    let World::Postgres(..) = place else { return None };
    // This driver gives out nothing of a statement before it has all of it.
    let connection = postgres("127.0.0.1", port, "");
    Some(toml("postgres", &connection, "statement_rows = 50"))
}

fn toml(dialect: &str, connection: &str, more: &str) -> String {
    format!("id = 'o'\nkind = 'odbc'\ndialect = '{dialect}'\nconnection = '{connection}'\n{more}")
}

fn postgres(host: &str, port: u16, more: &str) -> String {
    let driver = driver("psqlodbcw.so");
    format!(
        "Driver={};Servername={host};Port={port};Database=postgres;UID=postgres;{more}",
        driver.display()
    )
}

fn sqlite(file: &Path) -> String {
    format!("Driver={};Database={}", driver("libsqlite3odbc.so").display(), file.display())
}

const IDS: &str = "key = ['id']\nchange = { kind = 'full' }\ncolumns = [{ name = 'id' }]";

fn first(settings: &str, toml: &str) -> Result<Vec<Row>, Error> {
    let (source, dataset) = (source(settings), dataset(settings, toml));
    run(async {
        let mut cursor = source.scan(&dataset, Scan::Full).await?;
        let mut page = Page::new(1);
        cursor.next(&mut page, 10).await?;
        Ok(rows(&page))
    })
}

#[test]
fn types_of_a_driver_become_canonical_and_bytes_are_a_finding() {
    let world = World::Odbc(Box::new(World::Postgres(Server::start(), "copy")));
    world.sql(
        "CREATE TABLE edge (id int, f real, d double precision, c char(6), b bytea, u uuid, \
         at timestamptz, z varchar(3), j json); \
         INSERT INTO edge VALUES (7, 0.1, 1e20, '中', '\\x00ff', \
         '6ecd8c99-4036-403d-bf84-cf8400f67836', '1990-07-01 00:00:00Z', '𪚥𠀀㐂', '{\"a\": 1}'), \
         (8, 16777216, -0.5, '', NULL, NULL, NULL, '', NULL)",
    );
    let columns = "table = 'edge'\nkey = ['id']\nchange = { kind = 'time-column', column = 'at' }\n\
        columns = [{ name = 'id', type = 'integer' }, { name = 'f', type = 'decimal' }, \
        { name = 'd', type = 'decimal' }, { name = 'b' }, { name = 'u' }, \
        { name = 'at', type = 'time' }, { name = 'z' }, { name = 'j' }]";
    let settings = world.settings("");
    let (source, dataset) = (source(&settings), dataset(&settings, columns));
    run(async {
        assert_eq!(source.probe(&dataset).await.unwrap(), []);
        let full = all(&source, &dataset, Scan::Full).await;
        let text = |row: usize| -> Vec<&str> {
            full[row].iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()
        };
        let id = "6ecd8c99-4036-403d-bf84-cf8400f67836";
        // Summer time of 1990: +09:00.
        let at = "1990-07-01T09:00:00";
        let bytes = "!bytes where text is expected";
        let large = "100000000000000000000";
        assert_eq!(text(0), ["7", "0.1", large, bytes, id, at, "𪚥𠀀㐂", "{\"a\": 1}"]);
        assert_eq!(text(1), ["8", "16777216", "-0.5", "NULL", "NULL", "NULL", "", "NULL"]);
        let dated = all(&source, &dataset, since(None)).await;
        assert_eq!(dated, full[..1]);
        assert_eq!(all(&source, &dataset, Scan::MissingTime).await, full[1..]);
    });
}

#[test]
fn a_session_by_odbc_writes_nothing() {
    let world = World::Odbc(Box::new(World::Postgres(Server::start(), "copy")));
    world.sql("CREATE SEQUENCE taken");
    let query = format!("query = \"SELECT nextval('taken') AS id\"\n{IDS}");
    let error = first(&world.settings(""), &query).unwrap_err();
    assert!(format!("{error:?}").contains("25006"), "{error:?}");
}

#[test]
fn what_a_driver_says_of_a_row_is_in_no_error() {
    let world = World::Odbc(Box::new(World::Postgres(Server::start(), "copy")));
    world.sql("CREATE TABLE t (id text); INSERT INTO t VALUES ('张三511902')");
    let query = format!("query = \"SELECT CAST(id AS int) AS id FROM t\"\n{IDS}");
    let error = first(&world.settings(""), &query).unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("22P02") && !said.contains("511902"), "{said}");
    assert!(!error.is_permanent());
}

#[test]
fn a_wrong_mapping_by_odbc_is_told_by_the_probe() {
    let world = World::Odbc(Box::new(World::Postgres(Server::start(), "copy")));
    world.sql("CREATE TABLE t (id text, at text)");
    let probe = |toml: &str| {
        let settings = world.settings("");
        run(source(&settings).probe(&dataset(&settings, toml))).unwrap()
    };
    let absent = probe(&format!("table = 'absent'\n{IDS}"));
    assert!(absent[0].message.contains("42P01"), "{absent:?}");
    let untimed = "table = 't'\nkey = ['id']\nchange = { kind = 'time-column', column = 'at' }\n\
        columns = [{ name = 'id' }, { name = 'at', type = 'time' }]";
    assert!(probe(untimed)[0].message.contains("cast it in a `query`"));
}

#[test]
fn a_driver_that_is_not_there_is_told_and_not_tried_for_ever() {
    for connection in ["Driver=/nonexistent/libdodbc.so;UID=a", "DSN=absent;UID=a"] {
        let settings = toml("dameng", connection, "");
        let error = first(&settings, &format!("table = 't'\n{IDS}")).unwrap_err();
        assert!(error.is_permanent(), "{error:?}");
    }
}

#[test]
fn a_password_comes_from_its_file_and_is_in_no_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (server, _) = Server::start_encrypted(port);
    server.sql_on(
        port,
        "CREATE TABLE t (id int); INSERT INTO t VALUES (7); \
         ALTER USER postgres PASSWORD '县级;}{+p@ss= 1';",
    );
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, password: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, password).unwrap();
        let connection = postgres("127.0.0.1", port, "sslmode=require");
        let more = format!("password_file = '{}'", path.display());
        first(&toml("postgres", &connection, &more), &format!("table = 't'\n{IDS}"))
    };
    assert_eq!(read("right", "县级;}{+p@ss= 1\n").unwrap(), [[Some("7".to_owned())]]);
    let error = read("wrong", "市级;}x").unwrap_err();
    let said = format!("{error:?}");
    assert!(matches!(error, Error::Database { .. }) && !said.contains("市级"), "{said}");
}
