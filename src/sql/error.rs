//! What a database refused, without anything it held.

/// A database could not be opened or did not do what it was asked.
///
/// Messages of databases quote values (`invalid input syntax for type integer: "…"`). Only those
/// of classes that cannot hold a value are kept; of all others the code alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there, is no database or may not be read.
    #[error("cannot open the database file {path}: {reason}")]
    File {
        /// The file, as configured.
        path: String,
        /// SQLite's words for its code.
        reason: String,
    },
    /// A statement on an embedded database failed.
    #[error("embedded database: {reason}")]
    Embedded {
        /// SQLite's words, where they hold no value.
        reason: String,
    },
    /// The server cannot be reached or the session broke off.
    #[error("no session with the database server: {reason}")]
    Session {
        /// What happened, in the driver's words.
        reason: String,
    },
    /// The server answered a statement with an error.
    #[error("database server: {reason} (SQLSTATE {code})")]
    Server {
        /// SQLSTATE, five characters.
        code: String,
        /// Its message where its class holds no values, otherwise the class in words.
        reason: String,
    },
    /// The secret, certificate or address to connect with cannot be used.
    #[error("cannot use {what}: {reason}")]
    Credential {
        /// Which setting, by name and path.
        what: String,
        /// Why, without its content.
        reason: String,
    },
    /// No answer within the limit.
    #[error("no answer from the database within {seconds} s")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
}

impl Error {
    /// The credentials, names or rights are wrong: trying again does not help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Credential { .. } => true,
            Self::Server { code, .. } => {
                ["28", "3D", "42", "0A"].iter().any(|class| code.starts_with(class))
            }
            Self::File { .. }
            | Self::Embedded { .. }
            | Self::Session { .. }
            | Self::Timeout { .. } => false,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Embedded { reason: embedded_reason(&error) }
    }
}

pub(crate) fn embedded_reason(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqliteFailure(cause, message) = error {
        // `no such column`, `syntax error`: names and SQL, never a value. A constraint names columns.
        return message.clone().unwrap_or_else(|| cause.to_string());
    }
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        return msg.clone();
    }
    // What remains is about how a statement was used. Its text may quote a value, so only the
    // variant's name is kept.
    let whole = format!("{error:?}");
    let end = whole.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(whole.len());
    whole.get(..end).unwrap_or("unknown").to_owned()
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let reason = match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            };
            return Self::Session { reason };
        };
        let code = refusal.code().code();
        let names_only = ["08", "28", "3D", "3F", "42", "53", "54", "55", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class));
        let reason = if names_only { refusal.message() } else { "the data or its state" };
        Self::Server { code: code.to_owned(), reason: reason.to_owned() }
    }
}
