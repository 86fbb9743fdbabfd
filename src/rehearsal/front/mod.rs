//! A province that is a database: front-end tables (前置库) in a PostgreSQL of its own or in a
//! MariaDB that is there, and somebody who looks at them now and then and says of each row whether
//! it stands.
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
mod tongue;

pub use self::accounts::Account;
pub use self::announce::{ColumnRule, Parent, Table};
pub use self::server::Listen;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::directory::Rules;
use self::judge::Judge;
use self::server::Server;
use self::tongue::{Session, Tongue};
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
    /// A database of the province's own instead of one that is started here: MariaDB or MySQL, with
    /// an account that may make tables. The city gets in by the same account.
    pub database: Option<Account>,
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
    tongue: Tongue,
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
            Some((schema, table)) => {
                format!("{}.{}", self.tongue.quoted(schema), self.tongue.quoted(table))
            }
            None => self.tongue.quoted(&whole),
        }
    }
}

/// Where the tables are.
#[derive(Debug)]
enum Place {
    /// In a server that was started for it.
    Own(Server),
    /// In a database that was there.
    Given(Account),
}

impl Place {
    fn server(&self) -> Result<&Server, Error> {
        match self {
            Self::Own(server) => Ok(server),
            Self::Given(_) => Err(Error::Front {
                operation: "reach into the server",
                reason: "it was not started here".to_owned(),
            }),
        }
    }
}

/// A province of tables that runs. Cheap to clone; every clone is the same one.
#[derive(Clone, Debug)]
pub struct Front {
    place: Arc<Place>,
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
        let given = settings.database.clone();
        let (place, rules) = pool
            .run(move || -> Result<_, Error> {
                let files = super::directory::files(&folder)?;
                let rules = Rules::read(&files).map_err(|problems| Error::Standard { problems })?;
                let place = match given {
                    Some(account) => Place::Given(account),
                    None => Place::Own(Server::start(settings.listen.as_ref())?),
                };
                Ok((place, rules))
            })
            .await?;
        let prefix = rules.names.prefix.clone();
        // A standard of down-link tables alone takes no rows.
        let takes_rows = !rules.names.own_key.is_empty();
        let tables = if takes_rows { settings.tables } else { Vec::new() };
        let tongue = match &place {
            Place::Own(_) => Tongue::Postgres,
            Place::Given(account) => Tongue::of(&account.url),
        };
        let front = Self {
            place: Arc::new(place),
            office: Arc::new(Office { tongue, prefix, rules: Mutex::new(settings.rules) }),
            rules: Arc::new(rules),
            tables: Arc::new(tables),
            pool,
        };
        let is_own = front.place.server().is_ok();
        if is_own {
            front.make_accounts().await?;
        }
        front.make_tables().await?;
        if is_own {
            front.grant().await?;
        }
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
        match &*self.place {
            Place::Own(server) => server.url(),
            Place::Given(account) => account.url.clone(),
        }
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
        match &*self.place {
            Place::Own(server) => {
                let password_file = accounts::password_file(server.folder(), name);
                Account { url: server.url_of(name), password_file }
            }
            Place::Given(account) => account.clone(),
        }
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
                    session.run("ROLLBACK").await.map_err(failed("judge rows"))?;
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
        let (names, tongue) = (&self.rules.names, self.office.tongue);
        let statement = format!(
            "UPDATE {} SET {} = {}, {} = {} WHERE {} = {} AND {} = {} AND {} = {}",
            self.office.quoted_table(table),
            tongue.quoted(&names.status),
            tongue.literal(names.failed()),
            tongue.quoted(&names.reason),
            tongue.literal(reason),
            self.key_text(table),
            tongue.literal(key),
            tongue.text(&names.status),
            tongue.literal(names.passed()),
            tongue.text(&names.validity),
            tongue.literal(&names.valid),
        );
        let count = self.session().await?.changed(&statement).await;
        Ok(count.map_err(failed("revoke a verdict"))? > 0)
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
        let tongue = self.office.tongue;
        let texts: Vec<String> = columns.iter().map(|name| tongue.text(name)).collect();
        let statement = format!(
            "SELECT {}, {} FROM {} WHERE {} = {} AND {} = {}",
            self.key_text(table),
            texts.join(", "),
            self.office.quoted_table(table),
            tongue.text(&names.validity),
            tongue.literal(&names.valid),
            tongue.text(&names.status),
            tongue.literal(names.passed()),
        );
        let rows = self.session().await?.rows(&statement).await.map_err(failed("read a table"))?;
        let mut content = Content::new();
        for row in rows {
            let read = |at: usize| row.get(at).cloned().flatten();
            let cells =
                columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), read(at + 1)));
            content.insert(read(0).unwrap_or_default(), cells.collect());
        }
        Ok(content)
    }

    /// The one number that a question about the tables gives.
    pub async fn number(&self, statement: &str) -> Result<i64, Error> {
        let number = self.session().await?.number(statement).await;
        number.map_err(failed("ask the tables"))
    }

    /// Runs statements as the province's own people would.
    pub async fn act(&self, statements: &str) -> Result<(), Error> {
        let mut session = self.session().await?;
        session.run(statements).await.map_err(failed("act on the tables"))
    }

    /// Every statement that the city's account sent, in order.
    pub async fn statements(&self) -> Result<Vec<String>, Error> {
        let place = Arc::clone(&self.place);
        self.pool.run(move || place.server()?.statements(accounts::CITY)).await
    }

    /// The database goes away as if its machine had failed.
    pub async fn halt(&self) -> Result<(), Error> {
        let place = Arc::clone(&self.place);
        self.pool.run(move || place.server()?.halt()).await
    }

    /// The database comes back with what it had.
    pub async fn resume(&self) -> Result<(), Error> {
        let place = Arc::clone(&self.place);
        self.pool.run(move || place.server()?.begin()).await
    }

    /// The key's text in SQL, as the city's keys are written.
    fn key_text(&self, table: &str) -> String {
        let known = self.tables.iter().find(|known| known.name == table);
        let key = known.map(|known| known.key.clone()).unwrap_or_default();
        self.office.tongue.joined(&key)
    }

    async fn make_tables(&self) -> Result<(), Error> {
        let (names, tongue) = (&self.rules.names, self.office.tongue);
        let mut session = self.session().await?;
        if let Some((schema, _)) = names.prefix.split_once('.') {
            let statement = format!("CREATE SCHEMA {}", tongue.quoted(schema));
            session.run(&statement).await.map_err(failed("make a schema"))?;
        }
        for down in &self.rules.down {
            let statement = down.made();
            session.run(&statement).await.map_err(failed("make a down-link table"))?;
        }
        for table in self.tables.iter() {
            let of = |name: &str, kind: &str| format!("{} {kind}", tongue.quoted(name));
            let mut columns = vec![
                of(&names.own_key, "varchar(36) PRIMARY KEY"),
                of(&names.upper_key, tongue.numbered()),
                of(&names.validity, "varchar(2)"),
                of(&names.invalid_reason, "text"),
                of(&names.status, "varchar(2)"),
                of(&names.reason, "text"),
            ];
            columns.extend(self.rules.columns.iter().map(|it| of(&it.name, "text")));
            columns.extend(table.columns.iter().map(|(name, kind)| of(name, tongue.kind(kind))));
            let name = self.office.quoted_table(&table.name);
            let statement = format!("CREATE TABLE {name} ({})", columns.join(", "));
            session.run(&statement).await.map_err(failed("make a table"))?;
        }
        Ok(())
    }

    async fn make_accounts(&self) -> Result<(), Error> {
        let folder = self.place.server()?.folder().to_owned();
        let made = self.pool.run(move || -> Result<_, Error> {
            [accounts::CITY, accounts::PROVINCE]
                .into_iter()
                .map(|name| Ok((name, accounts::write_password(&folder, name)?)))
                .collect::<Result<Vec<_>, _>>()
        });
        let passwords = made.await?;
        let mut session = self.postgres().await?;
        accounts::make(&mut session, &passwords).await.map_err(failed("make the accounts"))
    }

    async fn grant(&self) -> Result<(), Error> {
        let mut session = self.postgres().await?;
        accounts::grant(&mut session, &self.rules, &self.office, &self.tables)
            .await
            .map_err(failed("give the accounts their rights"))
    }

    fn address(&self) -> Address {
        let password_file = match &*self.place {
            Place::Own(_) => None,
            Place::Given(account) => Some(account.password_file.clone()),
        };
        Address {
            url: self.url(),
            password_file,
            ca_file: None,
            statement_timeout: Duration::from_mins(1),
            zone: "Asia/Shanghai".to_owned(),
        }
    }

    async fn postgres(&self) -> Result<Postgres, Error> {
        connect_read_write(&self.address()).await.map_err(failed("connect"))
    }

    async fn session(&self) -> Result<Session, Error> {
        Session::open(&self.address()).await.map_err(failed("connect"))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(sql::Error) -> Error {
    move |error| Error::Front { operation, reason: error.to_string() }
}
