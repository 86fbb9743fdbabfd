//! What can keep the platform from starting or from keeping what it took.

use std::net::SocketAddr;
use std::path::PathBuf;

/// See the variants; none holds content of rows or a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The standard's directory cannot be used; every problem, with file and row.
    #[error("standard's directory cannot be played: {}", problems.join("; "))]
    Standard {
        /// One line each.
        problems: Vec<String>,
    },
    /// A file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The script of faults or the settings do not say what they must.
    #[error("script of faults: {problem}")]
    Script {
        /// What is wrong.
        problem: String,
    },
    /// A certificate or key cannot be made or used.
    #[error("certificates: {operation}")]
    Certificates {
        /// What failed.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database of what was taken failed.
    #[error("database: {operation}")]
    Store {
        /// What failed.
        operation: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The private database of front-end tables failed.
    #[error("front-end tables: {operation}: {reason}")]
    Front {
        /// What failed.
        operation: &'static str,
        /// Why, without anything it held.
        reason: String,
    },
    /// A file that was fetched, or what is laid down about it.
    #[error("files: {operation}: {reason}")]
    Fetch {
        /// What failed.
        operation: &'static str,
        /// Why, without anything it held.
        reason: String,
    },
    /// The platform gives no token or secret, without which no test can be tried.
    #[error("no token from the platform: {problem}")]
    Admission {
        /// Why.
        problem: String,
    },
    /// The desk has stopped.
    #[error("the platform has stopped")]
    Stopped,
}
