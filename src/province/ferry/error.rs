//! What keeps a ferry from carrying.

use std::io;
use std::path::PathBuf;

use crate::sql;

/// A ferry cannot go on for now. Holds no content and no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its journal.
    #[error("ferry {ferry}: could not {action}")]
    Store {
        /// Its name.
        ferry: String,
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: sql::Error,
    },
    /// A folder of it.
    #[error("ferry {ferry}: could not {action}")]
    Folder {
        /// Its name.
        ferry: String,
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else's journal lies in its folder.
    #[error(
        "ferry {ferry}: {path} is the journal of another installation or of the other side; give \
         this one a folder of its own, or, where the other is gone, move `state` out of the way"
    )]
    Owned {
        /// Its name.
        ferry: String,
        /// The journal.
        path: PathBuf,
    },
    /// Something cannot be sealed.
    #[error("ferry {ferry}: could not seal")]
    Seal {
        /// Its name.
        ferry: String,
    },
    /// What was taken in whole cannot be opened any more.
    #[error("ferry {ferry}: what is kept cannot be opened ({reason})")]
    Unreadable {
        /// Its name.
        ferry: String,
        /// A stable word.
        reason: &'static str,
    },
}

impl Error {
    /// Stable code for logs and the README's table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store { .. } => "ferry-journal",
            Self::Folder { .. } => "ferry-folder",
            Self::Owned { .. } => "ferry-owned",
            Self::Seal { .. } | Self::Unreadable { .. } => "ferry-sealed",
        }
    }
}
