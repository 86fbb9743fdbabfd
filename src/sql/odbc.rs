//! Sessions through a database's own driver and unixODBC.
//!
//! Drivers quote rows in what they say, and some quote the connection string. So of every failure
//! only its SQLSTATE and the number that the driver gives it are kept ([`Error`]'s `From`).

use std::path::PathBuf;

use odbc_api::{Connection, ConnectionOptions};

use super::error::Error;

/// How long a connection may take to come up.
const CONNECT_SECONDS: u32 = 10;

/// Where a database is, in the words of its driver.
#[derive(Clone, Debug)]
pub struct OdbcAddress {
    /// `Driver=…;Server=…;UID=…` or `DSN=…`, without a password.
    pub connection: String,
    /// A file that holds the password; read again at every connection.
    pub password_file: Option<PathBuf>,
}

/// Connects; what makes the session read-only is the caller's to say in the server's words.
///
/// Blocks for as long as the driver does.
pub fn connect_odbc(address: &OdbcAddress) -> Result<Connection<'static>, Error> {
    let mut whole = address.connection.trim_end_matches([';', ' ']).to_owned();
    if let Some(path) = &address.password_file {
        whole.push_str(";PWD=");
        whole.push_str(&braced(&super::secret_text(path)?));
    }
    let options =
        ConnectionOptions { login_timeout_sec: Some(CONNECT_SECONDS), ..Default::default() };
    Ok(odbc_api::environment()?.connect_with_connection_string(&whole, options)?)
}

/// A value of a connection string that no character of its own ends.
fn braced(value: &str) -> String {
    if value.chars().all(char::is_alphanumeric) {
        value.to_owned()
    } else {
        format!("{{{}}}", value.replace('}', "}}"))
    }
}

impl From<odbc_api::Error> for Error {
    fn from(error: odbc_api::Error) -> Self {
        let record = match &error {
            odbc_api::Error::Diagnostics { record, .. }
            | odbc_api::Error::InvalidRowArraySize { record, .. }
            | odbc_api::Error::UnsupportedOdbcApiVersion(record)
            | odbc_api::Error::UnableToRepresentNull(record)
            | odbc_api::Error::OracleOdbcDriverDoesNotSupport64Bit(record) => record,
            odbc_api::Error::FailedSettingConnectionPooling
            | odbc_api::Error::FailedAllocatingEnvironment
            | odbc_api::Error::NoDiagnostics { .. }
            | odbc_api::Error::AbortedConnectionStringCompletion
            | odbc_api::Error::FailedReadingInput(_)
            | odbc_api::Error::TooLargeColumnBufferSize { .. }
            | odbc_api::Error::TooLargeValueForBuffer { .. } => {
                return Self::Session { reason: "the driver does not say why".to_owned() };
            }
        };
        let connecting = matches!(
            &error,
            odbc_api::Error::Diagnostics { function, .. } if function.starts_with("SQLDriverConnect")
        );
        said(record.state.as_str(), record.native_error, connecting)
    }
}

/// What a SQLSTATE and a driver's own number say, without the driver's words.
fn said(state: &str, number: i32, connecting: bool) -> Error {
    let told = |reason: &str| format!("{reason} (SQLSTATE {state}, error {number})");
    // A library that cannot be opened is told as a mere warning.
    if state.starts_with("IM") || (connecting && state.starts_with("01")) {
        return Error::Credential {
            what: "the driver or DSN of the connection string".to_owned(),
            reason: told("it is not there or cannot be loaded"),
        };
    }
    if state.starts_with("08") {
        return Error::Session { reason: told("it cannot be opened or broke off") };
    }
    let reason = match state.get(..2).unwrap_or_default() {
        "28" => "the login is refused",
        "42" | "3D" | "3F" | "0A" => "a name, a right or the statement is wrong",
        "22" | "23" => "the data or its state",
        "57" | "HY" if matches!(state, "57014" | "HY008") => "the statement was ended",
        "HY" if matches!(state, "HYT00" | "HYT01") => "the statement ran too long",
        "53" | "54" => "a limit of the server",
        _ => "the driver or the server refuses",
    };
    Error::Server { code: state.to_owned(), reason: format!("{reason} (error {number})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_become_classes_and_no_word_of_a_driver_is_kept() {
        assert!(matches!(said("08001", 101, true), Error::Session { .. }));
        assert!(said("01000", 0, true).is_permanent());
        assert!(said("IM002", 0, true).is_permanent());
        assert!(said("28P01", 7, true).is_permanent());
        assert!(said("42S02", 7, false).is_permanent());
        for passing in ["57014", "HYT00", "HY000", "40001", "01000"] {
            assert!(!said(passing, 1, false).is_permanent(), "{passing}");
        }
        let error = said("22018", 7, false);
        assert!(error.to_string().contains("SQLSTATE 22018"), "{error}");
    }

    #[test]
    fn a_password_ends_where_it_ends() {
        assert_eq!(braced("secret1"), "secret1");
        assert_eq!(braced("a;b}c"), "{a;b}}c}");
    }
}
