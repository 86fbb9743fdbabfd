//! Whether anything may be written above (只看不发), and the leave to do so.
//!
//! A daemon that watches asks the province and never writes. That is no condition in every stage:
//! the half of a channel that writes takes a [`Permit`], and nobody but the ledger gives one, from
//! the mode that it keeps. A tidy test holds that nothing else makes one.

use serde::{Deserialize, Serialize};

/// What the daemon does with what it finds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It asks, compares and counts; nothing is written above.
    Watch,
    /// It carries.
    Live,
}

impl Mode {
    /// The word that is stored, shown and configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Live => "live",
        }
    }

    /// The inverse of [`Mode::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Watch, Self::Live].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Leave to write above once. Kept no longer than one sending: the mode may change.
#[derive(Debug)]
pub struct Permit(());

impl Permit {
    /// Only for the ledger, which knows the mode.
    pub(crate) fn granted() -> Self {
        Self(())
    }
}
