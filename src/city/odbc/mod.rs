//! A database by its own driver, through unixODBC: Dameng, Oracle, SQL Server, KingbaseES.
//!
//! A scan is statements of a bounded number of rows, one after the other in one session on a thread of
//! the pool: some drivers keep a whole answer in memory, however it is fetched. Each begins at the last
//! row's (time, key) and passes over what was read of that group. So rows of two statements are of
//! two moments; what changes between them is found by the overlap and by comparing.
//!
//! Every value is taken as UTF-16 text, which the standard of ODBC defines for every type; keys go
//! beside a statement as parameters. A driver that blocks cannot be interrupted from here: its own
//! limit for statements ends it.
//!
//! What was tried and what was not is told in [`dialect`].

mod dialect;
mod plan;
mod read;

use odbc_api::{Connection, CursorImpl, ResultSetMetadata, handles::StatementImpl};

use self::plan::Plan;
use super::dataset::{Change, Dataset};
use super::error::Error;
use super::feed::{self, Feed};
use super::settings::{Dialect, OdbcSettings, Problem};
use super::source::{Pool, Scan, missing_columns};
use crate::sql::{self, OdbcAddress};

/// Asks for the columns and whether they fit.
pub(super) async fn probe(
    it: &OdbcSettings,
    pool: &dyn Pool,
    dataset: &Dataset,
) -> Result<Vec<Problem>, Error> {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::ask(pool, &it.id, it.timeout, move || examine(&settings, &dataset)).await
}

/// Starts a scan; what goes wrong comes with the first page.
pub(super) fn scan(it: &OdbcSettings, pool: &dyn Pool, dataset: &Dataset, scan: Scan) -> Feed {
    let (settings, dataset) = (it.clone(), dataset.clone());
    feed::start(pool, &it.id, it.timeout, move |desk| {
        let session = connect(&settings, &dataset)?;
        let plan = plan(&settings, &dataset, &session)?;
        let mut reader = read::Reader::new(&settings, &dataset, &session, plan, &scan)?;
        desk.serve(&mut reader);
        Ok(())
    })
}

fn examine(it: &OdbcSettings, dataset: &Dataset) -> Result<Vec<Problem>, Error> {
    let session = connect(it, dataset)?;
    let problem =
        |message: String| Ok(vec![Problem::new(format!("dataset.{}", dataset.id), message)]);
    let sql = format!("SELECT * {} WHERE 1 = 0", it.dialect.from(&dataset.origin));
    let mut known = Vec::new();
    match ask(it, &session, &sql) {
        Ok(Some(mut cursor)) => {
            let names = cursor.column_names().map_err(|error| failed(it, error))?;
            for name in names {
                known.push(name.map_err(|error| failed(it, error))?);
            }
        }
        Ok(None) => {}
        Err(Error::Database { cause: refusal @ sql::Error::Server { .. }, .. }) => {
            return problem(refusal.to_string());
        }
        Err(error) => return Err(error),
    }
    let missing = match it.dialect {
        Dialect::SqlServer | Dialect::Sqlite => missing_columns(dataset, &known, |one, other| {
            one.to_lowercase() == other.to_lowercase()
        }),
        Dialect::Dameng | Dialect::Oracle | Dialect::Kingbase | Dialect::Postgres => {
            missing_columns(dataset, &known, |one, other| one == other)
        }
    };
    if !missing.is_empty() {
        return Ok(missing);
    }
    match plan(it, dataset, &session) {
        Ok(_) => Ok(Vec::new()),
        Err(Error::Unfit { reason, .. }) => problem(reason),
        Err(error) => Err(error),
    }
}

fn connect(it: &OdbcSettings, dataset: &Dataset) -> Result<Connection<'static>, Error> {
    let address =
        OdbcAddress { connection: it.connection.clone(), password_file: it.password_file.clone() };
    let session = sql::connect_odbc(&address)
        .map_err(|cause| Error::Database { source_id: it.id.clone(), cause })?;
    for statement in it.dialect.setup(&dataset.zone_name, it.statement_timeout) {
        ask(it, &session, &statement)?;
    }
    if it.dialect.read_only_transaction().is_some() {
        session.set_autocommit(false).map_err(|error| failed(it, error))?;
    }
    Ok(session)
}

/// Which types the driver gives the dataset's columns.
fn plan(it: &OdbcSettings, dataset: &Dataset, session: &Connection<'_>) -> Result<Plan, Error> {
    let names: Vec<String> =
        dataset.columns.iter().map(|column| it.dialect.column(&column.name)).collect();
    let from = it.dialect.from(&dataset.origin);
    let sql = format!("SELECT {} {from} WHERE 1 = 0", names.join(", "));
    let Some(mut cursor) = ask(it, session, &sql)? else {
        let reason = "columns for a statement that selects";
        return Err(Error::Protocol { source_id: it.id.clone(), reason });
    };
    let mut plan = Plan::default();
    for (number, _) in (1..).zip(&names) {
        let kind = cursor.col_data_type(number).map_err(|error| failed(it, error))?;
        let shown = cursor.col_display_size(number).map_err(|error| failed(it, error))?;
        plan.add(kind, shown);
    }
    if let Change::TimeColumn { column, .. } = dataset.change {
        plan.check_time(it, dataset, column)?;
    }
    Ok(plan)
}

/// A statement without parameters. A driver that knows no limit for statements has none.
fn ask<'c>(
    it: &OdbcSettings,
    session: &'c Connection<'_>,
    sql: &str,
) -> Result<Option<CursorImpl<StatementImpl<'c>>>, Error> {
    let statement = session.preallocate().map_err(|error| failed(it, error))?;
    statement.into_cursor(sql, ()).map_err(|error| failed(it, error))
}

fn failed(it: &OdbcSettings, error: odbc_api::Error) -> Error {
    Error::Database { source_id: it.id.clone(), cause: error.into() }
}
