//! What can go wrong with the ledger. No variant holds row content, a key in clear or a secret.

use std::path::PathBuf;

use super::{disk, seal};
use crate::delivery::{BatchId, BatchState, IllegalTransition};

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        if matches!(error, disk::Error::DiskFull { .. }) {
            Self::DiskFull
        } else {
            Self::Disk(error)
        }
    }
}

/// A failure of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or file cannot be created, locked or opened.
    #[error("ledger {path}: cannot {action}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another daemon holds the ledger.
    #[error("ledger {path} is in use by another process")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Something is already where a copy or a restored ledger should be.
    #[error("{path} is not empty")]
    Occupied {
        /// Which folder.
        path: PathBuf,
    },
    /// The file was written by a newer version of this program.
    #[error("ledger {path} has schema {found}, this program knows schemas up to {known}")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The file is not a ledger, or damaged.
    #[error("ledger {path} is damaged: {finding}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        finding: String,
    },
    /// The engine failed.
    #[error("ledger: cannot {operation}")]
    Engine {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk is full: a state, not an end. Work that writes pauses and says so.
    #[error("ledger: the disk is full")]
    DiskFull,
    /// Something sealed cannot be opened, or the sealing key is another one.
    #[error("ledger: cannot seal or open")]
    Seal(#[from] seal::Error),
    /// The spool or a sorted run failed.
    #[error("ledger: its files failed")]
    Disk(#[source] disk::Error),
    /// A stored value cannot be read by this version.
    #[error("ledger: stored {what} cannot be read")]
    Unreadable {
        /// Which value.
        what: &'static str,
    },
    /// A link was asked to make a step that has no meaning.
    #[error(transparent)]
    Link(#[from] IllegalTransition),
    /// A batch was asked to make a step that has no meaning.
    #[error("batch {id} cannot go from {from} to {to}", from = from.as_str(), to = to.as_str())]
    Batch {
        /// Which batch.
        id: BatchId,
        /// Where it stands.
        from: BatchState,
        /// Where it was sent.
        to: BatchState,
    },
    /// What should follow a batch carries other rows than are open in it.
    #[error("batch {id} has {open} open rows, not {told}")]
    Rows {
        /// Which batch.
        id: BatchId,
        /// Rows in it that wait for an answer.
        open: u32,
        /// Rows that were said to follow.
        told: u64,
    },
    /// The batch is not in the ledger.
    #[error("batch {id} is not in the ledger")]
    NoBatch {
        /// Which batch.
        id: BatchId,
    },
    /// The daemon only watches: nothing is packed and nothing sent.
    #[error("the daemon watches (只看不发): nothing that writes above is sent or packed")]
    Watching,
    /// A takeover of the object's kind is open: nothing is registered before its report is accepted.
    #[error(
        "a takeover (接管) of this channel is open: nothing is registered before it is accepted"
    )]
    TakingOver,
    /// The named object is not in the ledger.
    #[error("{what} is not in the ledger")]
    NoSuch {
        /// What was looked for.
        what: String,
    },
}

impl Error {
    /// An engine's failure, with the disk's fullness told apart.
    pub(crate) fn engine(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| {
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
                Self::DiskFull
            } else {
                Self::Engine { operation, source }
            }
        }
    }

    /// A stable word for metrics, `status` and the README's table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "ledger-open",
            Self::InUse { .. } => "ledger-in-use",
            Self::Occupied { .. } => "ledger-occupied",
            Self::Newer { .. } => "ledger-newer",
            Self::Damaged { .. } => "ledger-damaged",
            Self::Engine { .. } => "ledger-engine",
            Self::DiskFull => "disk-full",
            Self::Seal(_) => "ledger-sealed",
            Self::Disk(disk::Error::Full { .. } | disk::Error::PendingFull { .. }) => "spool-full",
            Self::Disk(_) => "ledger-files",
            Self::Unreadable { .. } => "ledger-unreadable",
            Self::Link(_) | Self::Batch { .. } | Self::Rows { .. } => "ledger-transition",
            Self::Watching => "watching",
            Self::TakingOver => "taking-over",
            Self::NoBatch { .. } | Self::NoSuch { .. } => "ledger-no-such",
        }
    }
}
