//! What someone should look at, as operators are told of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How urgent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Someone should act.
    Error,
    /// Someone should look.
    Warning,
}

/// Something to look at. Told as a message name and its parameters, so that the reader's language
/// decides.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// How urgent.
    pub urgency: Urgency,
    /// Which kind of trouble.
    pub trouble: Trouble,
    /// The dataset, channel, operation or object.
    pub subject: String,
    /// Its title and department, for people.
    pub title: String,
    /// How many rows or how often.
    pub count: u64,
    /// Since when.
    pub since: Option<Timestamp>,
    /// A rule, a code or a reason without content.
    pub detail: String,
}

/// Kinds of trouble, closed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A dataset is past its deadline.
    Overdue,
    /// Rows are rejected by our rules.
    RejectedLocal,
    /// Rows are rejected by the province.
    RejectedAbove,
    /// The province answers what its standard does not list.
    Drift,
    /// An operation, a dataset or a channel is held.
    Held,
    /// A source cannot be read.
    Unreachable,
    /// Objects are refused.
    Refused,
    /// The comparison found differences.
    Mismatched,
    /// The spool or the disk is full.
    Full,
    /// A waiting state is past its deadline.
    Late,
    /// An interface of the city does not answer.
    Silent,
    /// A dataset is unusual as a whole: its rows jumped or fell, or one value fills a column.
    Unusual,
    /// Less is promised although nobody approved of it: what was promised before counts.
    Unapproved,
    /// A channel speaks plain HTTP to another machine.
    Plain,
    /// A takeover is open: nothing of its kinds is registered meanwhile.
    TakingOver,
    /// A county that cascades into this instance is turned away: not believed, or over its quota.
    County,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Overdue,
        Self::RejectedLocal,
        Self::RejectedAbove,
        Self::Drift,
        Self::Held,
        Self::Unreachable,
        Self::Refused,
        Self::Mismatched,
        Self::Full,
        Self::Late,
        Self::Silent,
        Self::Unusual,
        Self::Unapproved,
        Self::Plain,
        Self::TakingOver,
        Self::County,
    ];
}
