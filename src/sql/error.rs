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

/// What MySQL says in numbers, as SQL says it in classes (ISO 9075, and for what it leaves to
/// products the classes that PostgreSQL uses): many of its numbers share one `HY000`, and those of
/// rights, of limits and of mistakes share one `42000`.
const CLASSES: [(&str, &[u16]); 8] = [
    // Rights on a database, a table, a column, a routine; a server or session that only reads.
    ("42501", &[1044, 1142, 1143, 1227, 1290, 1370, 1792]),
    // Too many sessions, questions.
    ("53300", &[1040, 1129, 1203, 1226]),
    // Disk or memory is full.
    ("53100", &[1021, 1037, 1038, 1041, 1114]),
    // A statement ran too long or was ended by somebody.
    ("57014", &[1317, 1969, 3024]),
    // Stopping, or ended by its administrator.
    ("57P01", &[1053, 1927]),
    ("55P03", &[1205]),
    ("40001", &[1020, 1213]),
    // The data does not fit its column.
    ("22000", &[1265, 1364, 1366, 1411]),
];

/// Numbers whose messages hold names only.
const NAMES_ONLY: [u16; 39] = [
    1037, 1038, 1040, 1041, 1044, 1045, 1046, 1049, 1053, 1054, 1103, 1109, 1114, 1129, 1130, 1142,
    1143, 1146, 1193, 1203, 1205, 1213, 1226, 1227, 1290, 1298, 1317, 1356, 1370, 1412, 1449, 1615,
    1698, 1792, 1820, 1862, 1927, 1969, 3024,
];

impl From<mysql_async::Error> for Error {
    fn from(error: mysql_async::Error) -> Self {
        let mysql_async::Error::Server(refusal) = error else {
            return Self::Session { reason: error.to_string() };
        };
        let number = refusal.code;
        let class = CLASSES.iter().find(|(_, numbers)| numbers.contains(&number));
        let code = class.map_or(refusal.state, |(class, _)| (*class).to_owned());
        let reason = match number {
            // Its message quotes the statement.
            1064 => "the statement has a syntax error",
            _ if NAMES_ONLY.contains(&number) => &refusal.message,
            _ => "the data or its state",
        };
        Self::Server { code, reason: format!("{reason} (error {number})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(number: u16, state: &str, message: &str) -> Error {
        let (message, state) = (message.to_owned(), state.to_owned());
        mysql_async::Error::Server(mysql_async::ServerError { code: number, message, state }).into()
    }

    #[test]
    fn numbers_of_mysql_become_classes_and_values_stay_out() {
        let duplicate = said(1062, "23000", "Duplicate entry '511902199001010017' for key 'id'");
        assert!(!format!("{duplicate:?} {duplicate}").contains("5119"));
        let syntax = said(1064, "42000", "You have an error near '511902' at line 1");
        assert!(syntax.is_permanent() && !syntax.to_string().contains("5119"));
        let busy = said(1203, "42000", "User reader already has more than connections");
        assert!(!busy.is_permanent() && busy.to_string().contains("reader"), "{busy}");
        for (number, state) in [(1142, "42000"), (1045, "28000"), (1146, "42S02"), (1049, "42000")]
        {
            assert!(said(number, state, "").is_permanent(), "{number}");
        }
        for (number, state) in [(1969, "70100"), (3024, "HY000"), (1213, "40001"), (1114, "HY000")]
        {
            assert!(!said(number, state, "").is_permanent(), "{number}");
        }
        assert!(matches!(said(1366, "HY000", "x"), Error::Server { code, .. } if code == "22000"));
    }
}
