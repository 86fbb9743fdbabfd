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
