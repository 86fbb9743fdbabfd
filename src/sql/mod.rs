//! Connections to databases, and nothing else: how a file or a server is opened.
//!
//! The ledger opens its own file read-write, a channel of tables its front database; the city's
//! sources are only ever opened read-only.
//! What is asked on a connection belongs to the module that asks.

mod embedded;
mod error;
mod mysql;
#[cfg(feature = "odbc")]
mod odbc;
mod postgres;

use std::path::Path;

pub use embedded::{open_read_only, open_read_write};
pub use error::Error;
pub use mysql::{
    MySql, SORT_BYTES, connect_mysql_read_only, connect_mysql_read_write, mysql_bytes, mysql_text,
    parse_mysql_url,
};
#[cfg(feature = "odbc")]
pub use odbc::{OdbcAddress, connect_odbc};
pub use postgres::{
    Address, Postgres, Wire, connect_read_only, connect_read_write, parse_url, trusting,
};

/// A password as its file has it, without the line's end; read again at every connection.
fn secret(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = std::fs::read(path).map_err(|error| unusable(path, error.kind().to_string()))?;
    Ok(bytes.trim_ascii_end().to_vec())
}

/// As [`secret`], for a driver that takes text alone.
fn secret_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(secret(path)?)
        .map_err(|_content| unusable(path, "it is not UTF-8".to_owned()))
}

fn unusable(path: &Path, reason: String) -> Error {
    Error::Credential { what: format!("password_file {}", path.display()), reason }
}
