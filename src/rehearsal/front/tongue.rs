//! The two languages that a front database may speak, and a session in either.
//!
//! Everything is said as text with its values in it, and every answer is text: nothing of it is the
//! city's own way of asking, so that a mistake there is none here.

use crate::sql::{
    Address, Error, MySql, Postgres, connect_mysql_read_write, connect_read_write, mysql_text,
};

/// Which language.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tongue {
    Postgres,
    MySql,
}

/// A session of the province's own.
pub(super) enum Session {
    Postgres(Box<Postgres>),
    MySql(Box<MySql>),
}

impl Tongue {
    /// What an address speaks.
    pub(super) fn of(url: &str) -> Self {
        let mysql = url.starts_with("mysql:") || url.starts_with("mariadb:");
        if mysql { Self::MySql } else { Self::Postgres }
    }

    /// A name as it is.
    pub(super) fn quoted(self, name: &str) -> String {
        match self {
            Self::Postgres => super::judge::quoted(name),
            Self::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// A text as it is.
    pub(super) fn literal(self, text: &str) -> String {
        match self {
            Self::Postgres => format!("'{}'", text.replace('\'', "''")),
            Self::MySql => mysql_text(text),
        }
    }

    /// A column as text, compared letter by letter.
    pub(super) fn text(self, name: &str) -> String {
        match self {
            Self::Postgres => format!("{}::text", self.quoted(name)),
            Self::MySql => format!("CAST(CAST({} AS CHAR) AS BINARY)", self.quoted(name)),
        }
    }

    /// Texts one after another, with a vertical bar between; what is null is empty.
    pub(super) fn joined(self, names: &[String]) -> String {
        let parts: Vec<String> =
            names.iter().map(|name| format!("coalesce({}, '')", self.text(name))).collect();
        match self {
            Self::Postgres => format!("({})", parts.join(" || '|' || ")),
            Self::MySql => format!("concat_ws('|', {})", parts.join(", ")),
        }
    }

    /// Begins to look at one moment.
    pub(super) fn begin(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => ["", "BEGIN ISOLATION LEVEL REPEATABLE READ"],
            Self::MySql => ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION"],
        }
    }

    /// A number that the database gives each row.
    pub(super) fn numbered(self) -> &'static str {
        match self {
            Self::Postgres => "bigint GENERATED ALWAYS AS IDENTITY",
            Self::MySql => "bigint NOT NULL AUTO_INCREMENT UNIQUE",
        }
    }

    /// A type of the caller's.
    pub(super) fn kind(self, kind: &str) -> &str {
        match (self, kind) {
            // There it is an instant that changes with its row.
            (Self::MySql, "timestamp") => "datetime",
            (_, kind) => kind,
        }
    }
}

impl Session {
    pub(super) async fn open(address: &Address) -> Result<Self, Error> {
        Ok(match Tongue::of(&address.url) {
            Tongue::Postgres => Self::Postgres(Box::new(connect_read_write(address).await?)),
            Tongue::MySql => Self::MySql(Box::new(connect_mysql_read_write(address).await?)),
        })
    }

    pub(super) async fn run(&mut self, statement: &str) -> Result<(), Error> {
        match self {
            Self::Postgres(it) => super::judge::run(it, statement).await,
            Self::MySql(it) => it.run(statement).await.map(drop),
        }
    }

    /// How many rows a statement changed.
    pub(super) async fn changed(&mut self, statement: &str) -> Result<u64, Error> {
        match self {
            Self::Postgres(it) => it.wire.drive(it.client.execute(statement, &[])).await,
            Self::MySql(it) => it.run(statement).await,
        }
    }

    /// The cells of an answer.
    pub(super) async fn rows(
        &mut self,
        statement: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        match self {
            Self::Postgres(it) => {
                let told = it.wire.drive(it.client.simple_query(statement)).await?;
                let rows = told.iter().filter_map(|message| {
                    let tokio_postgres::SimpleQueryMessage::Row(row) = message else { return None };
                    Some(row)
                });
                let cells = |row: &tokio_postgres::SimpleQueryRow| {
                    (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()
                };
                Ok(rows.map(cells).collect())
            }
            Self::MySql(it) => {
                let cell = |row: &mysql_async::Row, at: usize| match row.as_ref(at) {
                    Some(mysql_async::Value::Bytes(bytes)) => {
                        Some(String::from_utf8_lossy(bytes).into_owned())
                    }
                    Some(_) | None => None,
                };
                let rows = it.rows(statement).await?;
                Ok(rows
                    .iter()
                    .map(|row| (0..row.len()).map(|at| cell(row, at)).collect())
                    .collect())
            }
        }
    }

    /// The one number that a question gives.
    pub(super) async fn number(&mut self, statement: &str) -> Result<i64, Error> {
        let told = self.rows(statement).await?.into_iter().next();
        let told = told.and_then(|row| row.into_iter().next()).flatten();
        told.and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Session { reason: "an answer of another form".to_owned() })
    }
}
