//! A place that a source reads, so that one behaviour can be asked of all of them.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cascaded::city::Dataset;
use rusqlite::Connection;

use super::{Row, dataset, folder_settings, sqlite, write};
use crate::support::maria::Database;
use crate::support::postgres::Server;

/// What a column holds, in every place's own type.
#[derive(Clone, Copy)]
pub(crate) enum Holds {
    Text,
    Integer,
    /// Digits and those behind the point.
    Decimal(u8, u8),
    Date,
    Time,
    Boolean,
}

pub(crate) enum World {
    Postgres(Server, &'static str),
    Sqlite(Connection, tempfile::TempDir),
    Csv(tempfile::TempDir),
    /// A folder with a workbook.
    Book(tempfile::TempDir),
    Maria(Database),
    /// The same place by an ODBC driver.
    #[cfg(feature = "odbc")]
    Odbc(Box<Self>),
}

/// A table `t` of a place: names and kinds of its columns, the first of which is the key.
pub(crate) type Columns = [(&'static str, Holds)];

impl World {
    /// `[[source]]` of this place with more of its settings.
    pub(crate) fn settings(&self, more: &str) -> String {
        match self {
            Self::Postgres(server, protocol) => format!(
                "id = 'p'\nkind = 'postgres'\nurl = '{}'\nprotocol = '{protocol}'\n{more}",
                server.url()
            ),
            Self::Sqlite(_, folder) => {
                let path = folder.path().join("city.sqlite");
                format!("id = 's'\nkind = 'sqlite'\npath = '{}'\n{more}", path.display())
            }
            Self::Csv(folder) | Self::Book(folder) => folder_settings(folder.path(), more),
            Self::Maria(city) => {
                format!("id = 'm'\nkind = 'mysql'\nurl = '{}'\n{more}", city.url())
            }
            #[cfg(feature = "odbc")]
            Self::Odbc(place) => super::odbc::settings(place, more),
        }
    }

    /// What lies beneath a driver, otherwise the place itself.
    pub(crate) fn beneath(&self) -> &Self {
        #[cfg(feature = "odbc")]
        if let Self::Odbc(place) = self {
            return place;
        }
        self
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = sqlite(folder.path());
        Self::Sqlite(connection, folder)
    }

    /// The dataset over table `t`.
    pub(crate) fn dataset(&self, columns: &Columns, change: &str) -> Dataset {
        let from = match self.beneath() {
            Self::Csv(_) => "files = 't.csv'",
            Self::Book(_) => "files = 't.xlsx'",
            Self::Postgres(..) | Self::Sqlite(..) | Self::Maria(_) => "table = 't'",
            #[cfg(feature = "odbc")]
            Self::Odbc(_) => unreachable!("beneath a driver is no driver"),
        };
        self.dataset_from(from, columns, change)
    }

    pub(crate) fn dataset_from(&self, from: &str, columns: &Columns, change: &str) -> Dataset {
        let mut text =
            format!("{from}\nkey = ['{}']\nchange = {change}\ncolumns = [\n", columns[0].0);
        for (name, holds) in columns {
            let kind = match holds {
                Holds::Text => "text",
                Holds::Integer => "integer",
                Holds::Decimal(..) => "decimal",
                Holds::Date => "date",
                Holds::Time => "time",
                Holds::Boolean => "boolean",
            };
            writeln!(text, "{{ name = '{name}', type = '{kind}' }},").unwrap();
        }
        text.push(']');
        dataset(&self.settings(""), &text)
    }

    /// Files have no statements, no order but their own and no empty text.
    pub(crate) fn is_folder(&self) -> bool {
        matches!(self, Self::Csv(_) | Self::Book(_))
    }

    /// Runs statements; a folder has none.
    pub(crate) fn sql(&self, text: &str) {
        match self.beneath() {
            Self::Postgres(server, _) => server.sql(text),
            Self::Sqlite(connection, _) => connection.execute_batch(text).unwrap(),
            Self::Maria(city) => city.sql(text),
            Self::Csv(_) | Self::Book(_) => panic!("a folder has no statements"),
            #[cfg(feature = "odbc")]
            Self::Odbc(_) => unreachable!("beneath a driver is no driver"),
        }
    }

    /// Makes table `t` anew, without a primary key, and fills it.
    pub(crate) fn fill(&self, columns: &Columns, rows: &[Row]) {
        if let Self::Csv(folder) = self {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(columns.iter().map(|(name, _)| *name)).unwrap();
            for row in rows {
                let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
                writer.write_record(cells).unwrap();
            }
            return write(folder.path(), "t.csv", &writer.into_inner().unwrap(), 1);
        }
        if let Self::Book(folder) = self {
            return write(folder.path(), "t.xlsx", &workbook(columns, rows), 1);
        }
        let types: Vec<String> =
            columns.iter().map(|(name, holds)| format!("{name} {}", self.of(*holds))).collect();
        self.sql(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({});", types.join(", ")));
        if rows.is_empty() {
            return;
        }
        let rows = rows.iter().map(|row| {
            let cells = row.iter().zip(columns).map(|(cell, (_, holds))| match cell {
                None => "NULL".to_owned(),
                Some(text) => self.literal(text, *holds),
            });
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        });
        self.sql(&format!("INSERT INTO t VALUES {};", rows.collect::<Vec<_>>().join(",\n")));
    }

    fn of(&self, holds: Holds) -> String {
        let sqlite = matches!(self.beneath(), Self::Sqlite(..));
        let maria = matches!(self, Self::Maria(_));
        match holds {
            Holds::Text if maria => "longtext".to_owned(),
            Holds::Text => "text".to_owned(),
            Holds::Integer => "bigint".to_owned(),
            Holds::Decimal(..) | Holds::Date | Holds::Time | Holds::Boolean if sqlite => {
                "text".to_owned()
            }
            Holds::Decimal(all, fraction) => format!("numeric({all},{fraction})"),
            Holds::Date => "date".to_owned(),
            Holds::Time if maria => "datetime(6)".to_owned(),
            Holds::Time => "timestamp".to_owned(),
            Holds::Boolean => "boolean".to_owned(),
        }
    }

    fn literal(&self, text: &str, holds: Holds) -> String {
        match (self, holds) {
            (Self::Maria(_), Holds::Text) => {
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("_utf8mb4 x'{hex}'")
            }
            (Self::Maria(_), Holds::Boolean) => text.to_owned(),
            (_, Holds::Time) => format!("'{}'", text.replace('T', " ")),
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// Settings that go through a line that is cut; `None` for a place without a line.
    pub(crate) fn through(&self, line: &Line) -> Option<String> {
        let port = line.port;
        Some(match self {
            Self::Postgres(_, protocol) => format!(
                "id = 'p'\nkind = 'postgres'\nprotocol = '{protocol}'\n\
                 url = 'host=127.0.0.1 port={port} user=postgres dbname=postgres'"
            ),
            Self::Maria(city) => format!(
                "id = 'm'\nkind = 'mysql'\nurl = 'mysql://root@127.0.0.1:{port}/{}'",
                city.name()
            ),
            #[cfg(feature = "odbc")]
            Self::Odbc(place) => super::odbc::through(place, port)?,
            Self::Sqlite(..) | Self::Csv(_) | Self::Book(_) => return None,
        })
    }

    pub(crate) fn socket(&self) -> Option<PathBuf> {
        match self.beneath() {
            Self::Postgres(server, _) => Some(server.socket()),
            Self::Maria(city) => Some(city.socket()),
            Self::Sqlite(..) | Self::Csv(_) | Self::Book(_) => None,
            #[cfg(feature = "odbc")]
            Self::Odbc(_) => unreachable!("beneath a driver is no driver"),
        }
    }

    /// Changes the schema while somebody reads: true where the place allowed it.
    pub(crate) fn tries_to_rename(&self, column: &str) -> bool {
        let rename = format!("ALTER TABLE t RENAME COLUMN {column} TO other");
        let mut command = match self.beneath() {
            Self::Sqlite(connection, _) => {
                connection.busy_timeout(std::time::Duration::ZERO).unwrap();
                return connection.execute_batch(&rename).is_ok();
            }
            Self::Postgres(server, _) => {
                let mut command = Command::new("psql");
                command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]);
                command.arg(server.socket().parent().unwrap());
                command.args(["-c", "SET lock_timeout = '50ms'", "-c", &rename]);
                command
            }
            Self::Maria(city) => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--user=root"]);
                command.arg(format!("--socket={}", city.socket().display())).arg(city.name());
                command.arg(format!("-eSET lock_wait_timeout = 0; {rename}"));
                command
            }
            Self::Csv(_) | Self::Book(_) => return false,
            #[cfg(feature = "odbc")]
            Self::Odbc(_) => unreachable!("beneath a driver is no driver"),
        };
        command.stderr(Stdio::null()).stdin(Stdio::null()).status().unwrap().success()
    }
}

/// The rows as texts: what a workbook makes of numbers and days is shown by a test of its own.
fn workbook(columns: &Columns, rows: &[Row]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let page = book.add_worksheet();
    let heads: Row = columns.iter().map(|(name, _)| Some((*name).to_owned())).collect();
    for (row, at) in std::iter::once(&heads).chain(rows).zip(0..) {
        for (cell, column) in row.iter().zip(0..) {
            let Some(text) = cell else { continue };
            page.write_string(at, column, text).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

/// A line to a server's socket that breaks after so many bytes of what the server says.
pub(crate) struct Line {
    pub(crate) port: u16,
}

impl Line {
    /// The first session breaks; whoever comes again is carried.
    pub(crate) fn breaking_after(bytes: usize, socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let Ok((city, _)) = listener.accept() else { return };
            carry(city, &UnixStream::connect(&socket).unwrap(), bytes);
        });
        Self { port }
    }
}

fn carry(mut city: TcpStream, server: &UnixStream, limit: usize) {
    let (mut asked, mut told) = (city.try_clone().unwrap(), server.try_clone().unwrap());
    let mut to = server.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut asked, &mut to));
    let mut left = limit;
    let mut buffer = vec![0; 4096];
    while left > 0 {
        let room = left.min(buffer.len());
        let Ok(read) = told.read(&mut buffer[..room]) else { break };
        if read == 0 || city.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read;
    }
    city.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
}
