//! What is asked and answered about changing over to another standard.

use serde::{Deserialize, Serialize};

use super::Paging;
use crate::changeover::{Given, NotTaken};

/// Two standards to compare; what differs is counted in the city's catalogue.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StandardPair {
    /// The older, `id/version`.
    pub from: String,
    /// The newer.
    pub to: String,
    /// Whose catalogue is counted; may be left out where one channel alone can be meant.
    pub channel: Option<String>,
}

/// What of a candidate is tried.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trial {
    /// Every object of the catalogue.
    Catalogue {},
    /// The rows of one dataset.
    Rows {
        /// The dataset.
        dataset: String,
        /// Every row, not a sample.
        all: bool,
    },
}

/// A candidate to try, nothing sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StandardCheck {
    /// `id/version`.
    pub standard: String,
    /// On this channel.
    pub channel: Option<String>,
    /// What of it.
    pub trial: Trial,
}

/// Which wanted values.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WantedQuery {
    /// The candidate, `id/version`.
    pub standard: String,
    /// On this channel.
    pub channel: Option<String>,
    /// Only this department's.
    pub department: Option<String>,
    /// Which page: whole objects, so that a page may hold some more than its limit.
    pub paging: Paging,
}

/// Values that departments supply.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Supply {
    /// The candidate that judges them, `id/version`.
    pub standard: String,
    /// Who vouches for them; the peer that the kernel names is recorded beside it.
    pub by: String,
    /// Only says what would be taken.
    pub dry_run: bool,
    /// The values.
    pub values: Vec<Given>,
}

/// What became of supplied values.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SupplyReport {
    /// Recorded.
    pub changed: u64,
    /// Known already.
    pub unchanged: u64,
    /// Not taken: the place in what was sent, and why.
    pub refused: Vec<(usize, NotTaken)>,
}
