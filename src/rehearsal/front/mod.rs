//! A province that is a database: front-end tables (前置库) in a PostgreSQL of its own, and somebody
//! who looks at them now and then and says of each row whether it stands.
//!
//! ```text
//! a city's daemon ─► tables ◄─ judge: required, codes, length, keys, parents, script
//! ```
//!
//! The schema comes from the standard's directory (what every table has) and from the caller (the
//! columns of each table, which no public document gives). Rows keep what was said of them, so that
//! a test asks the tables what arrived, how often, and what became of it.

mod accounts;
mod announce;
pub(super) mod directory;
mod judge;
mod server;

pub use self::accounts::Account;
pub use self::announce::{ColumnRule, Parent, Table};
pub use self::server::Listen;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::directory::Rules;
use self::judge::{Judge, quoted, run};
use self::server::Server;
use super::directory::Directory;
use super::{Content, Error, RowRules};
use crate::clock::Clock;
use crate::sql::{self, Address, Postgres, connect_read_write};
use crate::supervisor::{Pool, StopPolicy, Supervisor, sleep};

/// What a province of tables is started with.
#[derive(Clone, Debug, Default)]
pub struct FrontSettings {
    /// The standard's directory.
    pub standard: PathBuf,
    /// Its tables.
    pub tables: Vec<Table>,
    /// How often the judge looks; `None`: only when [`Front::judge`] is called.
    pub every: Option<Duration>,
    /// The province's own rules by table.
    pub rules: BTreeMap<String, RowRules>,
    /// Where it listens for encrypted sessions; `None`: only on its unix socket.
    pub listen: Option<Listen>,
}

/// What a province needs to play a standard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts {
    /// A platform that takes messages.
    pub messages: bool,
    /// A front database: the city writes rows into it, or reads down-link tables.
    pub tables: bool,
}

impl Parts {
    /// What a standard's directory speaks of.
    pub fn of(standard: &Path) -> Result<Self, Error> {
        let files = super::directory::files(standard)?;
        let problems = |problems| Error::Standard { problems };
        let messages = Directory::read(&files).map_err(problems)?.content_type != "tables";
        let down = Rules::read(&files).map_err(problems)?.down;
        Ok(Self { messages, tables: !messages || !down.is_empty() })
    }
}

/// What the judge goes by; a script may change it.
#[derive(Debug)]
struct Office {
    prefix: String,
    rules: Mutex<BTreeMap<String, RowRules>>,
}

impl Office {
    fn rules_of(&self, table: &str) -> RowRules {
        self.lock().get(table).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RowRules>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quoted_table(&self, name: &str) -> String {
        let whole = format!("{}{name}", self.prefix);
        match whole.split_once('.') {
            Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(&whole),
        }
    }
}

/// A province of tables that runs. Cheap to clone; every clone is the same one.
#[derive(Clone, Debug)]
pub struct Front {
    server: Arc<Server>,
    rules: Arc<Rules>,
    office: Arc<Office>,
    tables: Arc<Vec<Table>>,
    pool: Pool,
}

impl Front {
    /// Starts the database, makes the tables and lets the judge look, until `supervisor` stops.
    pub async fn start(
        settings: FrontSettings,
        clock: Clock,
        supervisor: &Supervisor,
    ) -> Result<Self, Error> {
        let pool = Pool::new(1);
        let folder = settings.standard.clone();
        let (server, rules) = pool
            .run(move || -> Result<_, Error> {
                let files = super::directory::files(&folder)?;
                let rules = Rules::read(&files).map_err(|problems| Error::Standard { problems })?;
                Ok((Server::start(settings.listen.as_ref())?, rules))
            })
            .await?;
        let prefix = rules.names.prefix.clone();
        // A standard of down-link tables alone takes no rows.
        let takes_rows = !rules.names.own_key.is_empty();
        let tables = if takes_rows { settings.tables } else { Vec::new() };
        let front = Self {
            server: Arc::new(server),
            office: Arc::new(Office { prefix, rules: Mutex::new(settings.rules) }),
            rules: Arc::new(rules),
            tables: Arc::new(tables),
            pool,
        };
        front.make_accounts().await?;
        front.make_tables().await?;
        front.grant().await?;
        if let Some(every) = settings.every {
            let (judging, mut stop) = (front.clone(), supervisor.stop_signal());
            supervisor.spawn_passing("rehearsal judge", StopPolicy::Abort, async move {
                while !stop.is_raised() {
                    // A database that is away for a while is judged when it is back.
                    drop(judging.judge().await);
                    tokio::select! {
                        () = sleep(&clock, every) => {}
                        () = stop.raised() => {}
                    }
                }
            });
        }
        Ok(front)
    }

    /// The channel's address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How the city gets in: it reads everything and writes what waits to be judged.
    pub fn city(&self) -> Account {
        self.account(accounts::CITY)
    }

    /// How the province's own people get in: they write the down-link tables.
    pub fn province(&self) -> Account {
        self.account(accounts::PROVINCE)
    }

    fn account(&self, name: &str) -> Account {
        let password_file = accounts::password_file(self.server.folder(), name);
        Account { url: self.server.url_of(name), password_file }
    }

    /// The standard it plays, `id/version`.
    pub fn standard(&self) -> &str {
        &self.rules.name
    }

    /// Judges what nobody has judged; how many rows that were.
    pub async fn judge(&self) -> Result<u64, Error> {
        let mut session = self.session().await?;
        let judge = Judge { rules: &self.rules, office: &self.office };
        let (mut judged, mut first) = (0, None);
        for table in self.tables.iter() {
            match judge.judge(&mut session, table).await {
                Ok(count) => judged += count,
                Err(error) => {
                    // One table's trouble stops no other's.
                    run(&mut session, "ROLLBACK").await.map_err(failed("judge rows"))?;
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            None => Ok(judged),
            Some(error) => Err(failed("judge rows")(error)),
        }
    }

    /// Other rules for a table from now on.
    pub fn set_rules(&self, table: &str, rules: RowRules) {
        self.office.lock().insert(table.to_owned(), rules);
    }

    /// Takes the verdict on a row that stood back; whether there was one.
    pub async fn revoke(&self, table: &str, key: &str, reason: &str) -> Result<bool, Error> {
        let names = &self.rules.names;
        let statement = format!(
            "UPDATE {} SET {} = $1, {} = $2 WHERE {} = $3 AND {}::text = $4 AND {}::text = $5",
            self.office.quoted_table(table),
            quoted(&names.status),
            quoted(&names.reason),
            self.key_text(table),
            quoted(&names.status),
            quoted(&names.validity),
        );
        let mut session = self.session().await?;
        let (failed_code, passed) = (names.failed(), names.passed());
        let count = session
            .wire
            .drive(session.client.execute(
                &statement,
                &[&failed_code, &reason, &key, &passed, &names.valid.as_str()],
            ))
            .await
            .map_err(failed("revoke a verdict"))?;
        Ok(count > 0)
    }

    /// The rows of a table that stand, by key.
    pub async fn content(&self, table: &str) -> Result<Content, Error> {
        let names = &self.rules.names;
        let columns: Vec<&str> = self
            .tables
            .iter()
            .filter(|known| known.name == table)
            .flat_map(|known| known.columns.iter().map(|(name, _)| name.as_str()))
            .collect();
        let texts: Vec<String> =
            columns.iter().map(|name| format!("{}::text", quoted(name))).collect();
        let statement = format!(
            "SELECT {}, {} FROM {} WHERE {}::text = $1 AND {}::text = $2",
            self.key_text(table),
            texts.join(", "),
            self.office.quoted_table(table),
            quoted(&names.validity),
            quoted(&names.status),
        );
        let mut session = self.session().await?;
        let passed = names.passed();
        let rows = session
            .wire
            .drive(session.client.query(&statement, &[&names.valid.as_str(), &passed]))
            .await
            .map_err(failed("read a table"))?;
        let mut content = Content::new();
        for row in rows {
            let read = |at: usize| row.try_get::<_, Option<String>>(at).ok().flatten();
            let cells =
                columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), read(at + 1)));
            content.insert(read(0).unwrap_or_default(), cells.collect());
        }
        Ok(content)
    }

    /// The one number that a question about the tables gives.
    pub async fn number(&self, statement: &str) -> Result<i64, Error> {
        let mut session = self.session().await?;
        let row = session
            .wire
            .drive(session.client.query_one(statement, &[]))
            .await
            .map_err(failed("ask the tables"))?;
        row.try_get(0).map_err(|error| failed("ask the tables")(sql::Error::from(error)))
    }

    /// Runs statements as the province's own people would.
    pub async fn act(&self, statements: &str) -> Result<(), Error> {
        let mut session = self.session().await?;
        run(&mut session, statements).await.map_err(failed("act on the tables"))
    }

    /// Every statement that the city's account sent, in order.
    pub async fn statements(&self) -> Result<Vec<String>, Error> {
        let server = Arc::clone(&self.server);
        self.pool.run(move || server.statements(accounts::CITY)).await
    }

    /// The database goes away as if its machine had failed.
    pub async fn halt(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.pool.run(move || server.halt()).await
    }

    /// The database comes back with what it had.
    pub async fn resume(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.pool.run(move || server.begin()).await
    }

    /// The key's text in SQL, as the city's keys are written.
    fn key_text(&self, table: &str) -> String {
        let known = self.tables.iter().find(|known| known.name == table);
        let parts: Vec<String> = known
            .into_iter()
            .flat_map(|known| &known.key)
            .map(|name| format!("coalesce({}::text, '')", quoted(name)))
            .collect();
        format!("({})", parts.join(" || '|' || "))
    }

    async fn make_tables(&self) -> Result<(), Error> {
        let names = &self.rules.names;
        let mut session = self.session().await?;
        if let Some((schema, _)) = names.prefix.split_once('.') {
            let statement = format!("CREATE SCHEMA {}", quoted(schema));
            run(&mut session, &statement).await.map_err(failed("make a schema"))?;
        }
        for down in &self.rules.down {
            let statement = down.made();
            run(&mut session, &statement).await.map_err(failed("make a down-link table"))?;
        }
        for table in self.tables.iter() {
            let mut columns = vec![
                format!("{} varchar(36) PRIMARY KEY", quoted(&names.own_key)),
                format!("{} bigint GENERATED ALWAYS AS IDENTITY", quoted(&names.upper_key)),
                format!("{} varchar(2)", quoted(&names.validity)),
                format!("{} text", quoted(&names.invalid_reason)),
                format!("{} varchar(2)", quoted(&names.status)),
                format!("{} text", quoted(&names.reason)),
            ];
            columns
                .extend(self.rules.columns.iter().map(|it| format!("{} text", quoted(&it.name))));
            columns.extend(
                table.columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))),
            );
            let name = self.office.quoted_table(&table.name);
            let statement = format!("CREATE TABLE {name} ({})", columns.join(", "));
            run(&mut session, &statement).await.map_err(failed("make a table"))?;
        }
        Ok(())
    }

    async fn make_accounts(&self) -> Result<(), Error> {
        let folder = self.server.folder().to_owned();
        let made = self.pool.run(move || -> Result<_, Error> {
            [accounts::CITY, accounts::PROVINCE]
                .into_iter()
                .map(|name| Ok((name, accounts::write_password(&folder, name)?)))
                .collect::<Result<Vec<_>, _>>()
        });
        let passwords = made.await?;
        let mut session = self.session().await?;
        accounts::make(&mut session, &passwords).await.map_err(failed("make the accounts"))
    }

    async fn grant(&self) -> Result<(), Error> {
        let mut session = self.session().await?;
        accounts::grant(&mut session, &self.rules, &self.office, &self.tables)
            .await
            .map_err(failed("give the accounts their rights"))
    }

    async fn session(&self) -> Result<Postgres, Error> {
        let address = Address {
            url: self.server.url(),
            password_file: None,
            ca_file: None,
            statement_timeout: Duration::from_mins(1),
            zone: "Asia/Shanghai".to_owned(),
        };
        connect_read_write(&address).await.map_err(failed("connect"))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(sql::Error) -> Error {
    move |error| Error::Front { operation, reason: error.to_string() }
}
