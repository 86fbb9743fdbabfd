//! What is asked and answered about changing over to another standard.

use jiff::Timestamp;
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

/// Something the province does that the standard in force does not say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DriftLine {
    /// On which channel.
    pub channel: String,
    /// The standard in force there.
    pub standard: String,
    /// `reply-code`, `reply-field`, `reply-value`, `reply-missing`, `dictionary`, `refused-more`.
    pub kind: String,
    /// Which operation.
    pub operation: String,
    /// What was seen: a code or a path, never content.
    pub what: String,
    /// How often.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
}

/// What a shadow run shall do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ShadowAct {
    /// Only says what it found.
    Report {},
    /// Begins: a recorded act, and a durable job.
    Start {
        /// Masked rows go, too.
        with_rows: bool,
    },
    /// Ends where it stands; what was found is kept.
    Stop {},
}

/// A candidate at its test platform.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// `id/version`.
    pub standard: String,
    /// On this channel.
    pub channel: Option<String>,
    /// What.
    pub act: ShadowAct,
}

/// One operation alone at a candidate's test platform: a recorded act.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowOnce {
    /// `id/version`.
    pub standard: String,
    /// On this channel.
    pub channel: Option<String>,
    /// For example `entry.register`.
    pub operation: String,
    /// About this object, by the city's id; otherwise about the first that has a message.
    pub object: Option<String>,
}

/// A candidate to put in force.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// `id/version`.
    pub standard: String,
    /// On this channel.
    pub channel: Option<String>,
    /// Only for these, before the rest: `department=X`, `region=X`, `dataset=X`, `kind=X`, or
    /// several of them separated by commas, all of which must hold. None: for everything.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Not before.
    pub at: Option<Timestamp>,
    /// Beside the standard in force for so many seconds, on a further channel, and alone then.
    #[serde(default)]
    pub parallel_seconds: Option<u64>,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// The standard before is to be in force again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// On this channel.
    pub channel: Option<String>,
    /// Only these scopes of those that went over before the rest. None: all of them, or, where
    /// everything went over, everything.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// A cut-over that was taken, or would be.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CutOver {
    /// The job; none for a dry run.
    pub job: Option<String>,
    /// It had been asked for already.
    pub existed: bool,
    /// The channel.
    pub channel: String,
    /// The standard in force.
    pub from: String,
    /// The standard to be put in force.
    pub to: String,
    /// Not before.
    pub at: Timestamp,
    /// Only these scopes; none: everything, or the rest.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Scopes that went over before and stay so; where everything goes over, they are in it.
    #[serde(default)]
    pub ahead: Vec<String>,
    /// The further channel of a parallel period; `to` is spoken there.
    #[serde(default)]
    pub beside: Option<String>,
    /// Until when both are spoken.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Batches that wait and would be cut again.
    pub batches: u64,
    /// Objects that say something else and are sent again.
    pub objects: u64,
    /// Upper ids that are mapped.
    pub upper_ids: u64,
    /// Objects of a renumbered kind whose upper id is not in the map: they keep the old one.
    pub unmapped: u64,
    /// A rollback: rows sent under the standard that is left, which stay above.
    pub rows_above: u64,
    /// A rollback: objects registered under it, which stay above.
    pub objects_above: u64,
}

/// A scope of a channel for which another standard speaks than for the rest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeUse {
    /// `department=X`, or several parts separated by commas, all of which hold.
    pub scope: String,
    /// `id/version`.
    pub standard: String,
    /// Since when.
    pub since: Timestamp,
}
