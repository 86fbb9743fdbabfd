//! Sessions with a server that speaks MySQL's protocol: MariaDB and MySQL.
//!
//! The driver's own connection is never left to its own devices: dropped as it is, it hands itself
//! to a detached task that reads the rest of an answer, millions of rows perhaps. [`MySql`] closes
//! it instead. Statements go as text, so that every value comes back as the server writes it.

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::civil::date;
use jiff::tz::{Offset, TimeZone};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, QueryResult, SslOpts, TextProtocol};

use super::error::Error;
use super::postgres::Address;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest row that is taken: what the protocol allows a server.
const MAX_ROW_BYTES: usize = 1 << 30;

/// How much of a text the server looks at when it sorts, in bytes.
pub const SORT_BYTES: usize = 4096;

/// One session.
pub struct MySql {
    /// `None` only while it is being dropped.
    connection: Option<Conn>,
    /// The zone in which the server writes and reads its instants (`TIMESTAMP`).
    pub offset: Offset,
    /// What the server calls its version.
    pub version: String,
}

impl fmt::Debug for MySql {
    /// The driver's own would show the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MySql").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Drop for MySql {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Polled once and no more: it marks the connection as closed before it says goodbye, and
            // then nothing reads what the server still has to say.
            connection.disconnect().now_or_never();
        }
    }
}

impl MySql {
    /// Asks; rows come by [`MySql::next`]. What was left of an earlier answer is read first.
    pub async fn ask(&mut self, statement: &str) -> Result<(), Error> {
        drop(self.connection()?.query_iter(statement).await?);
        Ok(())
    }

    /// The next row of the answer, `None` at its end.
    ///
    /// Cancel-safe: what was read of a row stays with the connection.
    pub async fn next(&mut self) -> Result<Option<mysql_async::Row>, Error> {
        let connection = self.connection()?;
        Ok(QueryResult::<'_, '_, TextProtocol>::new(connection).next().await?)
    }

    /// Runs a statement that has no rows to tell; how many rows it changed.
    pub async fn run(&mut self, statement: &str) -> Result<u64, Error> {
        let connection = self.connection()?;
        connection.query_drop(statement).await?;
        Ok(connection.affected_rows())
    }

    /// All rows of an answer that is known to be short.
    pub async fn rows(&mut self, statement: &str) -> Result<Vec<mysql_async::Row>, Error> {
        Ok(self.connection()?.query(statement).await?)
    }

    /// The columns of an answer that has rows or none.
    pub async fn columns(&mut self, statement: &str) -> Result<Vec<mysql_async::Column>, Error> {
        let mut answer = self.connection()?.query_iter(statement).await?;
        let columns = answer.columns_ref().to_vec();
        while answer.next().await?.is_some() {}
        Ok(columns)
    }

    /// MariaDB, where it differs from MySQL.
    pub fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    fn connection(&mut self) -> Result<&mut Conn, Error> {
        self.connection.as_mut().ok_or_else(|| Error::Session { reason: "closed".to_owned() })
    }
}

/// Connects and makes the session read-only, with a bound on every statement and the offset of the
/// address's zone.
pub async fn connect_mysql_read_only(address: &Address) -> Result<MySql, Error> {
    open(address, "REPEATABLE READ, READ ONLY").await
}

/// As [`connect_mysql_read_only`], in a session that may write and sees what others committed
/// meanwhile.
pub async fn connect_mysql_read_write(address: &Address) -> Result<MySql, Error> {
    let mut session = open(address, "READ COMMITTED, READ WRITE").await?;
    // What does not fit is refused and not made to fit.
    let modes = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO";
    session.run(&format!("SET SESSION sql_mode = '{modes}'")).await?;
    Ok(session)
}

/// Whether an address can be read; true where it holds a password.
pub fn parse_mysql_url(url: &str) -> Result<bool, Error> {
    parse(url).map(|options| options.pass().is_some())
}

/// A text that no setting of the server reads as anything else.
pub fn mysql_text(text: &str) -> String {
    if text.is_empty() { "_utf8mb4''".to_owned() } else { format!("_utf8mb4 {}", bytes(text)) }
}

/// The same as bytes, which are compared one by one.
pub fn mysql_bytes(text: &str) -> String {
    if text.is_empty() { "x''".to_owned() } else { bytes(text) }
}

fn bytes(text: &str) -> String {
    let mut all = String::with_capacity(2 * text.len() + 3);
    all.push_str("x'");
    for byte in text.bytes() {
        for digit in [byte >> 4, byte & 15] {
            all.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    all.push('\'');
    all
}

async fn open(address: &Address, transaction: &str) -> Result<MySql, Error> {
    let options = options(address)?;
    let connecting = tokio::time::timeout(CONNECT, Conn::new(options));
    let connection = match connecting.await {
        Ok(connection) => connection?,
        Err(_elapsed) => return Err(Error::Timeout { seconds: CONNECT.as_secs() }),
    };
    let offset = offset(&address.zone)?;
    let mut session = MySql { connection: Some(connection), offset, version: String::new() };
    let told = session.rows("SELECT version()").await?;
    session.version = told.first().and_then(|row| row.get(0)).unwrap_or_default();
    // A reader may pause for as long as a statement may take; the server would hang up after a
    // minute.
    let seconds = address.statement_timeout.as_secs().clamp(1, 31_536_000);
    let sort = SORT_BYTES;
    for statement in [
        "SET NAMES utf8mb4".to_owned(),
        format!("SET SESSION TRANSACTION ISOLATION LEVEL {transaction}"),
        format!("SET SESSION time_zone = '{}'", written(offset)),
        format!("SET SESSION max_sort_length = {sort}, net_write_timeout = {seconds}"),
    ] {
        session.run(&statement).await?;
    }
    let limit = address.statement_timeout;
    let bound = if session.is_mariadb() {
        format!("SET SESSION max_statement_time = {}", limit.as_secs_f64())
    } else {
        format!("SET SESSION max_execution_time = {}", limit.as_millis())
    };
    match session.run(&bound).await {
        // Before MySQL 5.7.8 nothing like it exists: the caller's own limit remains.
        Err(Error::Server { reason, .. }) if reason.contains("(error 1193)") => {}
        other => drop(other?),
    }
    Ok(session)
}

/// A server need not know the names of zones, but it knows offsets: that of the zone's winter of
/// 2024. What the zone had at other times is reckoned by whoever reads.
fn offset(zone: &str) -> Result<Offset, Error> {
    let unknown = |error: jiff::Error| Error::Credential {
        what: format!("time zone {zone}"),
        reason: error.to_string(),
    };
    let zone = TimeZone::get(zone).map_err(unknown)?;
    let winter = date(2024, 1, 1).to_zoned(zone).map_err(unknown)?;
    Ok(winter.offset())
}

/// `+08:00`, as every server reads it.
fn written(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn parse(url: &str) -> Result<Opts, Error> {
    let refused = |reason: &str| Error::Credential {
        // The driver's message quotes the address, which could hold a password after all.
        what: "the address of the database".to_owned(),
        reason: reason.to_owned(),
    };
    let form = "it is not mysql://user@host:port/database";
    let url = url.strip_prefix("mariadb:").map_or(url.to_owned(), |rest| format!("mysql:{rest}"));
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    if parameters.split('&').any(|it| !it.is_empty() && !it.starts_with("socket=")) {
        return Err(refused("it has a parameter other than `socket`"));
    }
    let options = Opts::from_url(&url).map_err(|_quoted| refused(form))?;
    if options.user().is_none_or(str::is_empty) {
        return Err(refused("it names no user: mysql://user@host:port/database"));
    }
    Ok(options)
}

fn options(address: &Address) -> Result<OptsBuilder, Error> {
    let parsed = parse(&address.url)?;
    let local = parsed.socket().is_some();
    let mut options = OptsBuilder::from_opts(parsed)
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_ROW_BYTES))
        // Only a pool would ask; told, so that the server is not asked either.
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0);
    if let Some(path) = &address.password_file {
        options = options.pass(Some(super::secret_text(path)?));
    }
    // A socket of this machine has no wire to be listened at.
    if let Some(path) = address.ca_file.as_ref().filter(|_| !local) {
        // Read here, so that what is wrong with it is told as with every other server.
        super::postgres::trusting(path)?;
        let trusted = SslOpts::default()
            .with_root_certs(vec![path.clone().into()])
            .with_disable_built_in_roots(true);
        options = options.ssl_opts(trusted);
    } else {
        options = options.ssl_opts(None);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_never_quoted() {
        assert!(!parse_mysql_url("mysql://reader@db.city:3307/people").unwrap());
        assert!(!parse_mysql_url("mariadb://reader@localhost/people?socket=/run/m.sock").unwrap());
        assert!(parse_mysql_url("mysql://reader:s3cret@db.city/people").unwrap());
        for wrong in [
            "postgres://reader:s3cret@db.city/people",
            "mysql://reader:s3cret@db.city/people?verify_ca=false",
            "mysql://reader:s3cret@db.city/people?require_ssl=true",
            "mysql://:s3cret@db.city/people",
            "s3cret",
        ] {
            let error = parse_mysql_url(wrong).unwrap_err();
            assert!(error.is_permanent() && !format!("{error:?}").contains("s3cret"), "{wrong}");
        }
    }

    #[test]
    fn literals_hold_nothing_that_could_end_them() {
        assert_eq!(mysql_text("a'\\"), "_utf8mb4 x'61275c'");
        assert_eq!(mysql_text(""), "_utf8mb4''");
        assert_eq!(mysql_bytes("张"), "x'e5bca0'");
        assert_eq!(mysql_bytes(""), "x''");
    }

    #[test]
    fn a_zone_has_an_offset_that_a_server_reads() {
        assert_eq!(written(offset("Asia/Shanghai").unwrap()), "+08:00");
        assert_eq!(written(offset("Asia/Kolkata").unwrap()), "+05:30");
        assert_eq!(written(offset("America/St_Johns").unwrap()), "-03:30");
        assert!(offset("Asia/Nowhere").is_err());
    }
}
