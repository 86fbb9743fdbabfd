//! A server that speaks PostgreSQL's protocol, as a source.
//!
//! Two ways with one contract: a binary `COPY` per scan ([`copy`]), or simple queries in keyset
//! pages of text ([`paged`]) for servers and poolers that know only the plain protocol. Every scan
//! has a read-only session of its own in the dataset's time zone.
//!
//! Tested against PostgreSQL 15. KingbaseES and other descendants are asked for nothing but `SET`,
//! `SELECT`, `COPY … TO STDOUT`, casts to text, row comparison and `COLLATE "C"`; whether a version
//! of theirs has them is for a rehearsal on site to show.

pub(super) mod copy;
mod examine;
mod numeric;
mod paged;
mod plan;

use std::fmt;

use tokio_postgres::SimpleQueryMessage;

pub(super) use self::examine::examine;
use self::plan::Plan;
use super::dataset::Dataset;
use super::error::Error;
use super::query;
use super::settings::{PostgresSettings, Problem, Protocol};
use super::source::{Position, Scan, missing_columns};
use crate::row::Page;
use crate::sql::{self, Address, Postgres};

/// A scan of either kind.
pub(super) enum Cursor {
    Copy(Box<copy::Cursor>),
    Paged(Box<paged::Cursor>),
}

impl fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cursor")
    }
}

impl Cursor {
    pub(super) async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        match self {
            Self::Copy(cursor) => cursor.next(page, max_rows).await,
            Self::Paged(cursor) => cursor.next(page, max_rows).await,
        }
    }

    pub(super) fn position(&self) -> Option<&Position> {
        match self {
            Self::Copy(cursor) => cursor.position(),
            Self::Paged(cursor) => cursor.position(),
        }
    }
}

/// Asks for the columns and, where the protocol tells types, whether they fit.
pub(super) async fn probe(it: &PostgresSettings, dataset: &Dataset) -> Result<Vec<Problem>, Error> {
    let mut session = connect(it, dataset).await?;
    let sql = format!("SELECT * {} LIMIT 0", query::from(&dataset.origin));
    let place = format!("dataset.{}", dataset.id);
    let problem = |message: String| Ok(vec![Problem::new(place.clone(), message)]);
    let answer = match session.wire.drive(session.client.simple_query(&sql)).await {
        Ok(answer) => answer,
        Err(refusal @ sql::Error::Server { .. }) => return problem(refusal.to_string()),
        Err(cause) => return Err(failed(it, cause)),
    };
    let mut known = Vec::new();
    for message in answer {
        if let SimpleQueryMessage::RowDescription(columns) = message {
            known.extend(columns.iter().map(|column| column.name().to_owned()));
        }
    }
    let missing = missing_columns(dataset, &known, |one, other| one == other);
    if !missing.is_empty() {
        return Ok(missing);
    }
    match plan(it, dataset, &mut session).await {
        Ok(_) => Ok(Vec::new()),
        Err(Error::Unfit { reason, .. }) => problem(reason),
        Err(error) => Err(error),
    }
}

/// Starts a scan.
pub(super) async fn scan(
    it: &PostgresSettings,
    dataset: &Dataset,
    scan: Scan,
) -> Result<Cursor, Error> {
    let mut session = connect(it, dataset).await?;
    let plan = plan(it, dataset, &mut session).await?;
    let select = plan.select(it, dataset, &scan)?;
    Ok(match it.protocol {
        Protocol::Copy => {
            let cursor = copy::Cursor::start(it, dataset, session, plan, &select).await?;
            Cursor::Copy(Box::new(cursor))
        }
        Protocol::Text => {
            Cursor::Paged(Box::new(paged::Cursor::new(it, dataset, session, plan, select)))
        }
    })
}

async fn connect(it: &PostgresSettings, dataset: &Dataset) -> Result<Postgres, Error> {
    let address = Address {
        url: it.url.clone(),
        password_file: it.password_file.clone(),
        ca_file: it.ca_file.clone(),
        statement_timeout: it.statement_timeout,
        zone: dataset.zone_name.clone(),
    };
    sql::connect_read_only(&address).await.map_err(|cause| failed(it, cause))
}

/// How each column is carried. Only the extended protocol tells the types; without it everything is
/// text.
async fn plan(
    it: &PostgresSettings,
    dataset: &Dataset,
    session: &mut Postgres,
) -> Result<Plan, Error> {
    if it.protocol == Protocol::Text {
        return Ok(Plan::of_text(dataset));
    }
    let names: Vec<String> =
        dataset.columns.iter().map(|column| query::column(&column.name)).collect();
    let sql = format!("SELECT {} {}", names.join(", "), query::from(&dataset.origin));
    let statement = session.wire.drive(session.client.prepare(&sql)).await;
    let statement = statement.map_err(|cause| failed(it, cause))?;
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    Plan::of_types(it, dataset, &types)
}

pub(super) fn failed(it: &PostgresSettings, cause: sql::Error) -> Error {
    Error::Database { source_id: it.id.clone(), cause }
}
