//! The inbox as operators see it: what the province wrote into its down-link tables, counted and
//! listed without content.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Paging;

/// Which lines of the inbox.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InboxQuery {
    /// Only this channel's.
    pub channel: Option<String>,
    /// Only this table's.
    pub table: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// What one down-link table told with one letter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InboxTable {
    /// On which channel.
    pub channel: String,
    /// The table.
    pub table: String,
    /// What the province did, as said.
    pub action: String,
    /// Lines that nobody has handled.
    pub waiting: u64,
    /// Those of them that have no date: the province broke its rule.
    pub undated: u64,
    /// The newest date, as said.
    pub newest: Option<String>,
    /// When the last of them was read.
    pub received: Option<Timestamp>,
}

/// A line of the inbox without its content.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InboxEntry {
    /// Its number.
    pub number: u64,
    /// On which channel.
    pub channel: String,
    /// The table.
    pub table: String,
    /// Keyed digest of the row's key.
    pub key_digest: String,
    /// What the province did, as said.
    pub action: String,
    /// When the province touched it, as said; none where it did not say.
    pub operated: Option<String>,
    /// When it was read.
    pub received: Timestamp,
}
