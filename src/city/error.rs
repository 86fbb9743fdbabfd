//! Why a source gave no page.

use std::time::Duration;

use crate::sql;

/// A source could not be read. Which dataset was being read is the caller's to add.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database behind a source refused or broke off.
    #[error("source {source_id}")]
    Database {
        /// The source's id.
        source_id: String,
        /// What it said.
        #[source]
        cause: sql::Error,
    },
    /// A file or folder could not be read.
    #[error("source {source_id}: cannot read {path}")]
    File {
        /// The source's id.
        source_id: String,
        /// Which one.
        path: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A file lacks what the dataset declares, for example a column in its head.
    #[error("source {source_id}: {path}: {reason}")]
    Layout {
        /// The source's id.
        source_id: String,
        /// Which file.
        path: String,
        /// What is missing; column names, never content.
        reason: String,
    },
    /// The dataset and the source do not fit together, although both are valid.
    #[error("source {source_id}: {reason}")]
    Unfit {
        /// The source's id.
        source_id: String,
        /// Why.
        reason: String,
    },
    /// The server sent what its protocol does not allow.
    #[error("source {source_id}: the server's stream cannot be read: {reason}")]
    Protocol {
        /// The source's id.
        source_id: String,
        /// What was expected.
        reason: &'static str,
    },
    /// No page came within the source's limit.
    #[error("source {source_id}: no page within {seconds} s")]
    Timeout {
        /// The source's id.
        source_id: String,
        /// The limit.
        seconds: u64,
    },
    /// The reader ended without a word: a defect of ours.
    #[error("source {source_id}: the reader ended unexpectedly")]
    Ended {
        /// The source's id.
        source_id: String,
    },
}

impl Error {
    /// Trying again cannot help until somebody changes the configuration or the source.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Database { cause, .. } => cause.is_permanent(),
            Self::Layout { .. } | Self::Unfit { .. } => true,
            Self::File { .. }
            | Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::Ended { .. } => false,
        }
    }

    /// Stable code for metrics, status and the README's table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database { cause, .. } if cause.is_permanent() => "city-database-refused",
            Self::Database { .. } => "city-database-unreachable",
            Self::File { .. } => "city-file-unreadable",
            Self::Layout { .. } => "city-layout",
            Self::Unfit { .. } => "city-unfit",
            Self::Protocol { .. } => "city-protocol",
            Self::Timeout { .. } => "city-timeout",
            Self::Ended { .. } => "city-reader-ended",
        }
    }
}

/// What `work` gives: nobody waits for a source longer than `limit`. Cancel-safe where `work` is.
///
/// # Errors
/// [`Error::Timeout`], with `work` given up.
pub(super) async fn in_time<T>(
    source_id: &str,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    let late =
        |_elapsed| Error::Timeout { source_id: source_id.to_owned(), seconds: limit.as_secs() };
    tokio::time::timeout(limit, work).await.map_err(late)
}
