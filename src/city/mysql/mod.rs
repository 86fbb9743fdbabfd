//! A server that speaks MySQL's protocol, as a source.
//!
//! A scan is one statement in a read-only session of its own: the server sorts, its rows are taken
//! one by one as text and no faster than they are asked for. In `InnoDB` all of them are of one
//! moment and nobody is kept from writing. Tables of other engines (`MyISAM`) cannot be written while
//! somebody reads them, here as everywhere; the server offers a read-only session no way around it.
//!
//! Nothing is compared by a collation: keys and texts are cast to bytes, whose order is that of
//! their characters. The session's zone is an offset, because a server need not know zones by name;
//! its instants (`TIMESTAMP`) become times of the dataset's zone here.
//!
//! Tested against MariaDB 10.11. MySQL 8 has every statement of these in its manual; a server of its
//! own for the tests is not among Debian's packages.

mod examine;
mod lane;
mod plan;
mod stream;

pub(super) use self::examine::examine;
use self::plan::Plan;
pub(super) use self::stream::Cursor;
use super::dataset::{Dataset, Origin};
use super::error::{Error, in_time};
use super::query;
use super::settings::{MySqlSettings, Problem};
use super::source::{Scan, missing_columns};
use crate::sql::{self, Address, MySql};

/// Asks for the columns and whether they fit.
pub(super) async fn probe(it: &MySqlSettings, dataset: &Dataset) -> Result<Vec<Problem>, Error> {
    let mut session = connect(it, dataset).await?;
    let place = format!("dataset.{}", dataset.id);
    let problem = |message: String| Ok(vec![Problem::new(place.clone(), message)]);
    let sql = format!("SELECT * {} LIMIT 0", from(&dataset.origin));
    let columns = match bounded(it, session.columns(&sql)).await {
        Ok(columns) => columns,
        Err(Error::Database { cause: refusal @ sql::Error::Server { .. }, .. }) => {
            return problem(refusal.to_string());
        }
        Err(error) => return Err(error),
    };
    let known: Vec<String> = columns.iter().map(|column| column.name_str().into_owned()).collect();
    // Names of columns are the same in capitals and small letters.
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    let missing = missing_columns(dataset, &known, same);
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
    it: &MySqlSettings,
    dataset: &Dataset,
    scan: &Scan,
) -> Result<Cursor, Error> {
    let mut session = connect(it, dataset).await?;
    let plan = plan(it, dataset, &mut session).await?;
    let select = plan.select(it, dataset, scan)?;
    let sql = query::statement_from(&from(&dataset.origin), &select);
    Cursor::start(it, dataset, session, plan, &select, &sql).await
}

async fn connect(it: &MySqlSettings, dataset: &Dataset) -> Result<MySql, Error> {
    let address = Address {
        url: it.url.clone(),
        password_file: it.password_file.clone(),
        ca_file: it.ca_file.clone(),
        statement_timeout: it.statement_timeout,
        zone: dataset.zone_name.clone(),
    };
    sql::connect_mysql_read_only(&address).await.map_err(|cause| failed(it, cause))
}

/// Which types the server gives the dataset's columns.
async fn plan(it: &MySqlSettings, dataset: &Dataset, session: &mut MySql) -> Result<Plan, Error> {
    let names: Vec<String> =
        dataset.columns.iter().map(|column| plan::column(&column.name)).collect();
    let sql = format!("SELECT {} {} LIMIT 0", names.join(", "), from(&dataset.origin));
    let columns = bounded(it, session.columns(&sql)).await?;
    Plan::of_types(it, dataset, &columns, session.offset)
}

fn from(origin: &Origin) -> String {
    query::from_quoted(origin, plan::quoted)
}

/// Nobody waits longer for an answer than for a page.
async fn bounded<T>(
    it: &MySqlSettings,
    work: impl Future<Output = Result<T, sql::Error>>,
) -> Result<T, Error> {
    in_time(&it.id, it.timeout, work).await?.map_err(|cause| failed(it, cause))
}

fn failed(it: &MySqlSettings, cause: sql::Error) -> Error {
    Error::Database { source_id: it.id.clone(), cause }
}
