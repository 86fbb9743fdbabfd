//! What keeps a channel from being opened, and what can go wrong on the way.

use std::io;
use std::path::PathBuf;

/// A channel that cannot be opened. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("cannot read {what} `{path}`", path = .path.display())]
    Read {
        /// What it holds.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A secret that others than its owner and group can read.
    #[error("others can read {what} `{path}`: take their permission away", path = .path.display())]
    Exposed {
        /// What it holds.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// A file with nothing, too much or something else in it.
    #[error("{what} `{path}`: {reason}", path = .path.display())]
    Content {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A setting that means nothing.
    #[error("{setting}: {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Credentials that the standard names and the channel does not have.
    #[error("credentials are missing: {names}", names = .missing.join(", "))]
    Credentials {
        /// Their names.
        missing: Vec<String>,
    },
    /// A signer outside the process that cannot be used.
    #[error("signers.{name}: {reason}")]
    Signer {
        /// The credential it stands in for.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A credential that is no key of the kind that the standard wants.
    #[error("{credential}: {reason}")]
    Key {
        /// As the standard names it.
        credential: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The standard asks for what this build cannot do.
    #[error("the standard asks for {what}, which this build does not have")]
    Unsupported {
        /// What.
        what: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot make a client; where the system trusts no authority, name one as `ca_file`")]
    Client(#[source] reqwest::Error),
}

/// A request that brought no reply. Holds no content, no secret and no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Certainly nothing was taken: no connection, no name, no TLS.
    #[error("not sent ({code})")]
    NotSent {
        /// A stable word.
        code: &'static str,
    },
    /// It may have arrived.
    #[error("perhaps sent ({code})")]
    Unclear {
        /// A stable word.
        code: &'static str,
    },
    /// The message could not be completed; nothing was sent.
    #[error("not complete ({code})")]
    Incomplete {
        /// A stable word, with the name of the slot where there is one.
        code: String,
    },
}

impl Failure {
    pub(super) fn code(&self) -> &str {
        match self {
            Self::NotSent { code } | Self::Unclear { code } => code,
            Self::Incomplete { code } => code,
        }
    }
}
