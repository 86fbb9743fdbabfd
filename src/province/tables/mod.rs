//! A channel of front-end tables (前置库): rows are placed in tables of a database that the province
//! reads, and what became of them is collected from the same rows.
//!
//! * A batch is written in one transaction. Its rows have own keys made of the batch's name, so
//!   the same batch again inserts nothing twice.
//! * An answer that was lost (the session broke while the end of the transaction was awaited) is
//!   found by reading the own keys back.
//! * A row that stands is corrected by taking it back and writing it anew; a deletion takes back.
//! * Verdicts are read in bounded pages; one that was taken back later is met by a sweep over the
//!   rows that failed.
//!
//! A session is opened for each call: a front database sits behind gateways that cut what idles,
//! and a batch is worth a connection. The statements are in [`statement`] for PostgreSQL and in
//! [`maria`] for MariaDB and MySQL; [`ask`] is where the two ways part.

mod ask;
mod collect;
mod down;
mod examine;
mod load;
mod maria;
mod statement;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::ask::Session;
pub(super) use self::down::Down;
pub use self::down::{DownPage, DownRow, Start};
pub use self::examine::Lack;
use self::load::Load;
use self::statement::Table;
use super::client::{Placement, Reply};
use super::credentials::Credentials;
use super::error::{Error, Failure};
use super::settings::Settings;
use crate::delivery::{DigestSha256, Outcome, Permit, Receipt};
use crate::sql::{self, Address, Postgres};
use crate::standard::settings::TableSettings;
use crate::standard::{Drift, Message, Parameter, RowJudgement, Standard};
use crate::wire::Payload;

const TIMEOUT: Duration = Duration::from_secs(60);
const IN_FLIGHT: u32 = 2;
/// The credential that is the database's password; there may be none.
const PASSWORD: &str = "password";
/// The reason of a row that was not written, for its parent does not stand.
pub const PARENT_FAILED: &str = "parent-failed";
/// The reason of a row that was written and is not there any more.
const ABSENT: &str = "absent-above";
/// The code of a table whose engine undoes nothing, in the words of a server that has such.
const UNTRANSACTIONAL: &str = "25000";
/// Rows asked about in one statement.
const PAGE_ROWS: usize = 1_000;

/// A batch that a question is about: what was sent, for its rows are the question.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The operation that sent it.
    pub operation: &'a str,
    /// As it was stored.
    pub payload: &'a Payload,
    /// What was built beside it.
    pub parameters: &'a [Parameter],
}

/// The client of a channel of tables.
#[derive(Debug)]
pub(super) struct Front {
    settings: Settings,
    standard: Arc<Standard>,
    tables: TableSettings,
    address: ArcSwap<Address>,
    timeout: Duration,
    in_flight: usize,
    permits: Semaphore,
}

/// Why a call did not come to its end.
enum Stop {
    /// The database did not do it, and nothing of it stands.
    Undone(sql::Error),
    /// The end of the transaction was asked for and no answer came.
    Open,
    /// The payload is none for a table.
    Unreadable,
    /// Nothing was done: parents of its rows are about to be judged.
    Waits,
}

impl From<sql::Error> for Stop {
    fn from(error: sql::Error) -> Self {
        Self::Undone(error)
    }
}

impl Front {
    /// Opens nothing yet: reads the address and the password's file.
    pub(super) fn new(settings: Settings, standard: Arc<Standard>) -> Result<Self, Error> {
        let tables = standard.settings().tables.clone().unwrap_or_default();
        let said = standard.settings();
        let timeout = settings.timeout.or(said.http.timeout).unwrap_or(TIMEOUT);
        let asked = settings.in_flight.map(u32::from).or(said.limits.in_flight);
        let in_flight = usize::try_from(asked.unwrap_or(IN_FLIGHT).clamp(1, 64)).unwrap_or(1);
        let address = ArcSwap::from_pointee(address(&settings, &standard, timeout)?);
        let permits = Semaphore::new(in_flight);
        Ok(Self { settings, standard, tables, address, timeout, in_flight, permits })
    }

    pub(super) fn reload(&self) -> Result<(), Error> {
        let address = address(&self.settings, &self.standard, self.timeout)?;
        self.address.store(Arc::new(address));
        Ok(())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn standard(&self) -> &Arc<Standard> {
        &self.standard
    }

    /// Writes a batch, once. Not cancel-safe: dropped, nobody knows whether it stands.
    pub(super) async fn place(&self, _permit: &Permit, placement: &Placement<'_>) -> Reply {
        let sent = placement.payload.fixed().map(|bytes| DigestSha256::of(&bytes));
        let about = About {
            operation: placement.operation,
            payload: placement.payload,
            parameters: placement.parameters,
        };
        let load = match Load::read(about.payload, placement.batch, &self.tables) {
            Ok(load) => load,
            Err(_unreadable) => return replied(Err(Stop::Unreadable), None),
        };
        let placed = self.within(self.write(&load, about.operation)).await;
        if let Err(Stop::Undone(error)) = &placed
            && let Some(code) = no_place(error, &load.table)
        {
            let outcome = Outcome::NoPlace { code: code.clone() };
            return Reply::answered(outcome, &code, sent);
        }
        replied(placed.map(|receipt| accepted(Some(receipt))), sent)
    }

    /// Asks what became of a batch or of its rows. Cancel-safe: it only reads.
    pub(super) async fn collect(
        &self,
        operation: &str,
        message: &Message,
        batch: &str,
        about: Option<About<'_>>,
        cursor: Option<&str>,
    ) -> Reply {
        let Some(about) = about else {
            return match operation {
                "rows.revoked" => {
                    replied(self.asked(self.revoked(&message.payload, cursor)).await, None)
                }
                _ => self.reach().await,
            };
        };
        let load = match Load::read(about.payload, batch, &self.tables) {
            Ok(load) => load,
            Err(_unreadable) => return replied(Err(Stop::Unreadable), None),
        };
        let asked = match operation {
            "batch.receipt" => self.asked(self.receipt(&load, about.operation)).await,
            _ => self.asked(self.verdicts(&load, about.operation, cursor)).await,
        };
        replied(asked, None)
    }

    /// Whether the database answers at all.
    async fn reach(&self) -> Reply {
        let asked = self.asked(async {
            let mut session = Session::reader(&self.address.load()).await?;
            session.run("SELECT 1").await?;
            Ok(accepted(None))
        });
        replied(asked.await, None)
    }

    /// A question: as [`Front::within`], and it does not last for ever.
    async fn asked<T>(&self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        self.within(bounded(self.timeout, work)).await
    }

    /// Only so many calls at once.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Stop::Undone(sql::Error::Session { reason: "closed".to_owned() }));
        };
        work.await
    }

    async fn write(&self, load: &Load, operation: &str) -> Result<Receipt, Stop> {
        // Until the end is asked for nothing stands, whatever the silence: a session that is
        // dropped takes its transaction along.
        let before = bounded(self.timeout, async {
            let mut session = Session::writer(&self.address.load()).await?;
            session.run("BEGIN").await?;
            let receipt = match operation {
                "rows.delete" => {
                    let deleted = &self.tables.deleted;
                    self.take_back(&mut session, load, &load.all(), deleted).await?;
                    receipt(None, load.len())
                }
                _ => self.upsert(&mut session, load).await?,
            };
            Ok((session, receipt))
        });
        let (mut session, receipt) = match before.await {
            Err(Stop::Undone(error)) if self.may_be_there(&error) => {
                return self.there_after_all(load, operation, error).await;
            }
            other => other?,
        };
        let end = async { Ok(session.run("COMMIT").await?) };
        match bounded(self.timeout, end).await {
            Ok(()) => Ok(receipt),
            // The server said that it did not.
            Err(Stop::Undone(error @ sql::Error::Server { .. })) => Err(Stop::Undone(error)),
            Err(_silence) => Err(Stop::Open),
        }
    }

    /// PostgreSQL passes over an own key that is there; the other says that it is.
    fn may_be_there(&self, error: &sql::Error) -> bool {
        let duplicate = matches!(error, sql::Error::Server { code, .. } if code.starts_with("23"));
        duplicate && ask::speaks_mysql(&self.settings.url)
    }

    /// Whether the same batch was written meanwhile, in a session that was thought dead.
    async fn there_after_all(
        &self,
        load: &Load,
        operation: &str,
        error: sql::Error,
    ) -> Result<Receipt, Stop> {
        let found = bounded(self.timeout, self.receipt(load, operation)).await?;
        if found.absent { Err(Stop::Undone(error)) } else { Ok(receipt(None, load.len())) }
    }

    async fn upsert(&self, session: &mut Session, load: &Load) -> Result<Receipt, Stop> {
        let tables = &self.tables;
        if self.arrived(session, load).await? > 0 {
            return Ok(receipt(None, load.len()));
        }
        let held = self.held(session, load, 0..load.len()).await?;
        if held.values().any(|waits| *waits) {
            // Written before its parent is judged, a child could stand on nothing.
            return Err(Stop::Waits);
        }
        // What stays away leaves what stands as it is.
        let kept = load.records(0..load.len(), &[], |own| !held.contains_key(own));
        self.take_back(session, load, &kept, &tables.corrected).await?;
        let more = [(&*tables.validity, &*tables.valid), (&*tables.status, &*tables.new)];
        let records = load.records(0..load.len(), &more, |own| !held.contains_key(own));
        Ok(receipt(self.insert(session, load, &records).await?, load.len()))
    }

    /// The own keys of rows whose parent does not stand, and whether it is about to be judged.
    async fn held(
        &self,
        session: &mut Session,
        load: &Load,
        range: Range<usize>,
    ) -> Result<BTreeMap<String, bool>, Stop> {
        let mut held = BTreeMap::new();
        for parent in self.settings.parents.iter().filter(|it| it.dataset == load.dataset) {
            let records = load.records(range.clone(), &[], |_own| true);
            held.extend(self.held_by(session, load, &records, parent).await?);
        }
        Ok(held)
    }

    /// The datasets whose rows have their parents in this one.
    pub(super) fn children_of(&self, dataset: &str) -> Vec<String> {
        let parents = self.settings.parents.iter();
        parents.filter(|it| it.of == dataset).map(|it| it.dataset.clone()).collect()
    }

    fn table<'a>(&'a self, load: &'a Load) -> Table<'a> {
        Table { name: &load.table, key: &load.key, columns: &load.columns, tables: &self.tables }
    }
}

/// What a call found.
#[derive(Debug, Default)]
struct Outcomes {
    receipt: Option<Receipt>,
    verdicts: Vec<RowJudgement>,
    absent: bool,
    next: Option<String>,
    drift: Vec<Drift>,
}

fn accepted(receipt: Option<Receipt>) -> Outcomes {
    Outcomes { receipt, ..Outcomes::default() }
}

fn receipt(given: Option<String>, rows: usize) -> Receipt {
    let rows = u64::try_from(rows).ok();
    Receipt { id: given.unwrap_or_default(), digest: None, rows }
}

/// What the standard would make of it if it had come as a message.
fn replied(found: Result<Outcomes, Stop>, sent: Option<DigestSha256>) -> Reply {
    let stop = match found {
        Ok(found) => {
            let outcome = Outcome::Accepted { upper_id: None, receipt: found.receipt.clone() };
            let mut reply = Reply::answered(outcome, "accepted", sent);
            reply.reading.receipt = found.receipt;
            reply.reading.verdicts = found.verdicts;
            reply.reading.absent = found.absent;
            reply.reading.page.next = found.next;
            reply.reading.drift = found.drift;
            return reply;
        }
        Err(stop) => stop,
    };
    match stop {
        Stop::Unreadable => {
            let code = "payload-not-for-tables".to_owned();
            Reply::failed(&Failure::Incomplete { code }, None)
        }
        Stop::Waits => {
            let code = "parent-not-judged".to_owned();
            let outcome = Outcome::Retry { code: code.clone(), after: None };
            Reply::answered(outcome, &code, None)
        }
        Stop::Open => Reply::failed(&Failure::Unclear { code: "commit-not-answered" }, sent),
        Stop::Undone(error) => undone(&error),
    }
}

/// Rows of this table have no place above until somebody makes one: the code, and the table.
fn no_place(error: &sql::Error, table: &str) -> Option<String> {
    let sql::Error::Server { code, .. } = error else { return None };
    let what = match code.as_str() {
        "42P01" | "3F000" | "42S02" => "front-table-missing",
        "42703" | "42S22" => "front-column-missing",
        "42501" => "front-table-forbidden",
        UNTRANSACTIONAL => "front-table-without-transactions",
        _ => return None,
    };
    Some(format!("{what}:{table}"))
}

/// What it means that the database did not do it. The classes are SQL's own (ISO 9075).
fn undone(error: &sql::Error) -> Reply {
    let code = match error {
        sql::Error::Server { code, .. } => code,
        sql::Error::Credential { .. } => {
            let code = "credential-unreadable".to_owned();
            return Reply::answered(Outcome::Auth { code }, "credential-unreadable", None);
        }
        sql::Error::Session { .. }
        | sql::Error::Timeout { .. }
        | sql::Error::File { .. }
        | sql::Error::Embedded { .. } => {
            return Reply::failed(&Failure::NotSent { code: "connect-failed" }, None);
        }
    };
    let named = format!("sql-{code}");
    let outcome = match code.get(..2).unwrap_or_default() {
        // The data: what one row holds does not fit.
        "21" | "22" | "23" => Outcome::Refused { code: named.clone(), message: String::new() },
        // Who we are.
        "28" => Outcome::Auth { code: named.clone() },
        // The world: busy, full, stopping; a table that cannot be asked is asked again.
        _ => Outcome::Retry { code: named.clone(), after: None },
    };
    Reply::answered(outcome, &named, None)
}

fn address(settings: &Settings, standard: &Standard, timeout: Duration) -> Result<Address, Error> {
    let wrong = |reason| Error::Setting { setting: "url", reason };
    match ask::parse_url(&settings.url) {
        Ok(false) => {}
        Ok(true) => return Err(wrong("its password belongs into a file: credentials.password")),
        Err(_unreadable) => {
            return Err(wrong(
                "neither postgres://user@host/database nor host=… user=… dbname=… nor \
                 mysql://user@host/database",
            ));
        }
    }
    // Read now, so that a file that is not there is told at once; read again at every session.
    Credentials::read(&settings.credentials)?;
    Ok(Address {
        url: settings.url.clone(),
        password_file: settings.credentials.get(PASSWORD).cloned(),
        ca_file: settings.ca_file.clone(),
        statement_timeout: timeout,
        zone: standard.settings().zone.clone(),
    })
}

/// For so long at most; what had to be done in it is then not done.
async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Stop::Undone(sql::Error::Timeout { seconds: limit.as_secs() })),
    }
}

async fn run(session: &mut Postgres, statement: &str) -> Result<(), sql::Error> {
    session.wire.drive(session.client.batch_execute(statement)).await
}

async fn query(
    session: &mut Postgres,
    statement: &str,
    with: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Stop> {
    Ok(session.wire.drive(session.client.query(statement, with)).await?)
}

fn text(row: &Row, at: usize) -> Result<Option<String>, Stop> {
    row.try_get(at).map_err(|error| Stop::Undone(sql::Error::from(error)))
}
