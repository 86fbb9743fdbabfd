//! What keeps counties from being taken in.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::{ledger, province, sql};

/// The upper side for counties failed. Holds no content and no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A county's store cannot be used.
    #[error("county {county}: could not {action}")]
    Store {
        /// The county's id.
        county: String,
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: sql::Error,
    },
    /// What a county's store holds cannot be opened.
    #[error("county {county}: what is kept cannot be opened")]
    Seal {
        /// The county's id.
        county: String,
        /// Why.
        #[source]
        source: ledger::seal::Error,
    },
    /// What a county's store holds is not what this program writes.
    #[error("county {county}: cannot read the {what} that is kept")]
    Unreadable {
        /// The county's id.
        county: String,
        /// What it is.
        what: &'static str,
    },
    /// A folder or file of the store.
    #[error("cannot use {path} for what counties send")]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A credential of a county.
    #[error("county {county}: its credentials cannot be used")]
    Credentials {
        /// The county's id.
        county: String,
        /// Why.
        #[source]
        source: province::Error,
    },
    /// The ferry of a county.
    #[error("county {county}: its ferry cannot be used")]
    Ferry {
        /// The county's id.
        county: String,
        /// Why.
        #[source]
        source: province::Error,
    },
    /// The certificate, its key, or the authority of the counties' certificates.
    #[error("intake: cannot {action}")]
    Certificates {
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address cannot be listened on.
    #[error("intake: could not listen on {address}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Stable code for logs, metrics and the README's table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store { .. } => "intake-store",
            Self::Seal { .. } | Self::Unreadable { .. } => "intake-unreadable",
            Self::Folder { .. } => "intake-folder",
            Self::Credentials { .. } => "intake-credentials",
            Self::Ferry { .. } => "intake-ferry",
            Self::Certificates { .. } => "intake-certificates",
            Self::Listen { .. } => "intake-listen",
        }
    }
}
