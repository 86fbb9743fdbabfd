//! Sessions with a server that speaks PostgreSQL's protocol.
//!
//! A session's connection is polled by whoever waits for an answer on it ([`Wire::drive`]), not
//! by a task of its own: nothing is detached, and a reader that pauses stops the server through
//! TCP instead of filling memory.

use std::fmt;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Error;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a server is and how to log in.
#[derive(Clone, Debug)]
pub struct Address {
    /// `postgres://user@host:port/database` or `host=… user=…`, without a password.
    pub url: String,
    /// A file that holds the password; read again at every connection.
    pub password_file: Option<PathBuf>,
    /// Certificates to trust; given, the session must be encrypted.
    pub ca_file: Option<PathBuf>,
    /// The server ends a statement that runs longer.
    pub statement_timeout: Duration,
    /// IANA name of the time zone in which the session reads and writes times.
    pub zone: String,
}

/// One session.
#[derive(Debug)]
pub struct Postgres {
    /// Asks.
    pub client: Client,
    /// Carries; see [`Wire::drive`].
    pub wire: Wire,
}

type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// The connection under a session.
pub struct Wire(Option<Driver>);

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").field("open", &self.0.is_some()).finish()
    }
}

impl Wire {
    /// Carries bytes until `answer` is there.
    ///
    /// Cancel-safe: the connection keeps what it has read; only `answer` is dropped.
    pub async fn drive<T>(
        &mut self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        let mut answer = pin!(answer);
        // The client's hands first: what it already holds costs no look at the socket.
        let result = poll_fn(|context| {
            if let Poll::Ready(result) = answer.as_mut().poll(context) {
                return Poll::Ready(result.map_err(Error::from));
            }
            let end = match self.0.as_mut().map(|driver| driver.as_mut().poll(context)) {
                None => Some(Ok(())),
                Some(Poll::Ready(end)) => Some(end),
                Some(Poll::Pending) => None,
            };
            if end.is_some() {
                self.0 = None;
            }
            match (answer.as_mut().poll(context), end) {
                (Poll::Ready(result), _) => Poll::Ready(result.map_err(Error::from)),
                (Poll::Pending, Some(Err(error))) => Poll::Ready(Err(Error::from(error))),
                (Poll::Pending, Some(Ok(()))) => Poll::Ready(Err(closed())),
                (Poll::Pending, None) => Poll::Pending,
            }
        });
        result.await
    }
}

fn closed() -> Error {
    Error::Session { reason: "the server closed the connection".to_owned() }
}

/// Connects and makes the session read-only, with a bound on every statement, ISO dates, standard
/// strings and the zone of the address. Only statements that every descendant of PostgreSQL knows.
pub async fn connect_read_only(address: &Address) -> Result<Postgres, Error> {
    open(address, "SET default_transaction_read_only = on; ").await
}

/// As [`connect_read_only`], in a session that may write.
pub async fn connect_read_write(address: &Address) -> Result<Postgres, Error> {
    open(address, "").await
}

async fn open(address: &Address, first: &str) -> Result<Postgres, Error> {
    let config = config(address)?;
    let (client, driver) = match &address.ca_file {
        Some(path) => {
            let tls = MakeRustlsConnect::new(trusting(path)?);
            let (client, connection) = connect(&config, tls).await?;
            (client, Box::pin(connection) as Driver)
        }
        None => {
            let (client, connection) = connect(&config, NoTls).await?;
            (client, Box::pin(connection) as Driver)
        }
    };
    let mut wire = Wire(Some(driver));
    let setup = format!(
        "{first}SET standard_conforming_strings = on; \
         SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; SET statement_timeout = {}; \
         SET TimeZone = '{}'",
        address.statement_timeout.as_millis(),
        address.zone.replace('\'', "''"),
    );
    wire.drive(client.batch_execute(&setup)).await?;
    Ok(Postgres { client, wire })
}

async fn connect<T>(
    config: &Config,
    tls: T,
) -> Result<(Client, tokio_postgres::Connection<tokio_postgres::Socket, T::Stream>), Error>
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
{
    // Boxed: the handshake is large, and whoever asks on a session waits for it once.
    match tokio::time::timeout(CONNECT, Box::pin(config.connect(tls))).await {
        Ok(result) => result.map_err(Error::from),
        Err(_elapsed) => Err(Error::Timeout { seconds: CONNECT.as_secs() }),
    }
}

/// Whether an address can be read; true where it holds a password.
pub fn parse_url(url: &str) -> Result<bool, Error> {
    parse(url).map(|config| config.get_password().is_some())
}

fn parse(url: &str) -> Result<Config, Error> {
    url.parse().map_err(|_error| Error::Credential {
        // The driver's message quotes the address, which could hold a password after all.
        what: "the address of the database".to_owned(),
        reason: "it is neither postgres://user@host/database nor host=… user=… dbname=…".to_owned(),
    })
}

fn config(address: &Address) -> Result<Config, Error> {
    let mut config = parse(&address.url)?;
    if let Some(path) = &address.password_file {
        config.password(super::secret(path)?);
    }
    config.connect_timeout(CONNECT).application_name("cascaded");
    config.ssl_mode(if address.ca_file.is_some() { SslMode::Require } else { SslMode::Disable });
    Ok(config)
}

/// Connections by TLS that trust the certificates of this file alone.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn trusting(path: &std::path::Path) -> Result<rustls::ClientConfig, Error> {
    let refused =
        |reason: String| Error::Credential { what: format!("ca_file {}", path.display()), reason };
    let mut roots = rustls::RootCertStore::empty();
    let file = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
    for certificate in file {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| refused(error.to_string()))
}
