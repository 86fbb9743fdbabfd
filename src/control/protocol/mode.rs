//! Watching and being live: how the mode is changed, and what a daemon that watches would do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Request, ShadowAct};
use crate::delivery::Mode;

/// Another mode.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModeChange {
    /// Which.
    pub mode: Mode,
}

/// What a reload or another mode changed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// What changed, by setting.
    pub changed: Vec<String>,
    /// What needs a restart to change, by setting.
    pub kept: Vec<String>,
}

/// What would be done if the daemon did not only watch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// Since when it watches.
    pub since: Option<Timestamp>,
    /// Catalogue objects, by channel and kind.
    pub objects: Vec<WatchedKind>,
    /// Datasets whose rows were looked at.
    pub datasets: u64,
    /// Rows that would be sent.
    pub would_send: u64,
    /// Rows that would be deleted above.
    pub would_delete: u64,
    /// Rows that break a rule.
    pub rejected: u64,
    /// Rows that the province says it holds, of the datasets of which it says so.
    pub held: u64,
    /// The oldest of the looks that these figures are of.
    pub looked: Option<Timestamp>,
}

/// Objects of one kind on one channel, as the last look found them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedKind {
    /// The channel.
    pub channel: String,
    /// The kind.
    pub kind: String,
    /// In the city's catalogue.
    pub here: u64,
    /// Would be registered.
    pub would_register: u64,
    /// Of them, held above already under the city's id; none where the province cannot say.
    pub adoptable: Option<u64>,
    /// Would be modified.
    pub would_modify: u64,
    /// Would be withdrawn.
    pub would_withdraw: u64,
    /// Lack what the standard asks for.
    pub lacking: u64,
    /// The province says it holds.
    pub held: Option<u64>,
    /// Held above, and of no object here.
    pub extra: Option<u64>,
}

/// Rows of one dataset on one channel, as the last look found them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedRows {
    /// Read in the city.
    pub here: u64,
    /// Would be sent.
    pub would_send: u64,
    /// Would be deleted above.
    pub would_delete: u64,
    /// Break a rule.
    pub rejected: u64,
    /// The province says it holds; none where it cannot say.
    pub held: Option<u64>,
    /// Valid here and not above, by the keys that the province lists.
    pub absent: Option<u64>,
    /// Above and not valid here, by the keys that the province lists.
    pub extra: Option<u64>,
}

impl Request {
    /// Leads to something being written above, and is refused while the daemon watches.
    pub fn writes_above(&self) -> bool {
        if let Self::Resync(it) = self {
            !it.dry_run
        } else if let Self::Reconcile(it) = self {
            it.repair
        } else if let Self::StandardActivate(it) = self {
            !it.dry_run
        } else if let Self::StandardRollback(it) = self {
            !it.dry_run
        } else if let Self::StandardShadow(it) = self {
            matches!(it.act, ShadowAct::Start { .. })
        } else {
            matches!(self, Self::StandardShadowOnce(_) | Self::RejectsReplay(_))
        }
    }
}
