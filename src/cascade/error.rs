//! What can stop a step of a stage. None of these holds content or secrets.

use crate::city;
use crate::ledger::{self, disk, seal};
use crate::standard::Lack;

/// A failure of a stage's step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger, its spool or its runs.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The city's source.
    #[error(transparent)]
    City(#[from] city::Error),
    /// A spooled message cannot be read.
    #[error("a spooled message cannot be read by this version")]
    Parcel,
    /// The standard cannot write a batch of this dataset.
    #[error("the standard cannot write this dataset: {lacks}")]
    Standard {
        /// The fields and rules, comma-separated.
        lacks: String,
    },
    /// A row cannot be kept for its owner.
    #[error("a rejected row cannot be kept")]
    Original,
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        Self::Ledger(error.into())
    }
}

impl From<super::parcel::UnreadableParcel> for Error {
    fn from(_: super::parcel::UnreadableParcel) -> Self {
        Self::Parcel
    }
}

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        Self::Ledger(error.into())
    }
}

impl Error {
    pub(super) fn lacks(lacks: Vec<Lack>) -> Self {
        let words: Vec<String> = lacks.iter().map(ToString::to_string).collect();
        Self::Standard { lacks: words.join(", ") }
    }

    /// A stable word for metrics, `status` and the README's table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(error) => error.code(),
            Self::City(error) => error.code(),
            Self::Parcel => "parcel-unreadable",
            Self::Standard { .. } => "standard-lacks",
            Self::Original => "original-lost",
        }
    }
}
