//! Taking over what another tool registered above.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Listing, Paging};
use crate::takeover::{Decision, Registration};

/// Something about takeovers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TakeoverRequest {
    /// Opens one: nothing of its kinds is registered until it is accepted or dropped.
    Begin(TakeoverBegin),
    /// Lines of a table; `is_last` has them matched.
    Bring(TakeoverBring),
    /// How it stands.
    Show(TakeoverOf),
    /// Its lines.
    Lines(TakeoverLines),
    /// What people said; everything is matched anew.
    Decide(TakeoverDecide),
    /// The report is accepted: links are adopted.
    Accept(TakeoverOf),
    /// It ends without adopting anything.
    Drop(TakeoverOf),
}

impl TakeoverRequest {
    /// Its name, as logs and metrics say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin(_) => "takeover_begin",
            Self::Bring(_) => "takeover_bring",
            Self::Show(_) => "takeover_show",
            Self::Lines(_) => "takeover_lines",
            Self::Decide(_) => "takeover_decide",
            Self::Accept(_) => "takeover_accept",
            Self::Drop(_) => "takeover_drop",
        }
    }

    /// On what it was done, without content.
    pub fn detail(&self) -> String {
        let of = |channel: &Option<String>| channel.clone().unwrap_or_else(|| "the channel".into());
        match self {
            Self::Begin(it) => format!("{} {}", of(&it.channel), it.kinds.join(" ")),
            Self::Bring(it) => format!("{} {} lines", of(&it.channel), it.lines.len()),
            Self::Decide(it) => format!("{} {} decisions", of(&it.channel), it.decisions.len()),
            Self::Show(it) | Self::Accept(it) | Self::Drop(it) => of(&it.channel),
            Self::Lines(it) => of(&it.channel),
        }
    }
}

/// Opens a takeover.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverBegin {
    /// The channel; none where there is one.
    pub channel: Option<String>,
    /// The kinds; none: all that the channel carries.
    pub kinds: Vec<String>,
    /// The province's inventory is asked.
    pub inventory: bool,
}

/// Lines of a table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverBring {
    /// The channel; none where there is one.
    pub channel: Option<String>,
    /// Some of them.
    pub lines: Vec<Registration>,
    /// These were the last.
    pub is_last: bool,
}

/// A channel's open takeover.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverOf {
    /// The channel; none where there is one.
    pub channel: Option<String>,
}

/// Lines of a channel's open takeover.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverLines {
    /// The channel; none where there is one.
    pub channel: Option<String>,
    /// Only with this fate.
    pub fate: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// What people said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverDecide {
    /// The channel; none where there is one.
    pub channel: Option<String>,
    /// Of which lines what.
    pub decisions: Vec<Decision>,
}

/// The answer to a [`TakeoverRequest`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TakeoverAnswer {
    /// How it stands.
    Report(TakeoverReport),
    /// Lines.
    Lines(Listing<TakeoverShown>),
}

/// How a takeover stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverReport {
    /// The job.
    pub job: String,
    /// The channel.
    pub channel: String,
    /// The kinds.
    pub kinds: Vec<String>,
    /// `collecting`, `bringing`, `matching`, `waiting`, `adopting`, `over`.
    pub phase: String,
    /// Found above, in all.
    pub above: u64,
    /// Of an object here.
    pub matched: u64,
    /// A title says so, and a person must.
    pub proposed: u64,
    /// Of one of several objects: a person says which.
    pub ambiguous: u64,
    /// Several of one object: a person says which.
    pub rivals: u64,
    /// A second one above of an object that has another: shown, never merged.
    pub duplicates: u64,
    /// Of no object here.
    pub missing_here: u64,
    /// Objects here of which nothing stands above: registered once this is accepted.
    pub missing_above: u64,
    /// Links adopted.
    pub adopted: u64,
    /// Lines whose link was not adopted, for it is on its way or has another id.
    pub not_adopted: u64,
    /// When it was asked for.
    pub asked: Option<Timestamp>,
}

impl TakeoverReport {
    /// Lines of which a person has to say something.
    pub fn open(&self) -> u64 {
        self.proposed + self.ambiguous + self.rivals
    }
}

/// One line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverShown {
    /// What stands above.
    pub registration: Registration,
    /// A word of its fate; none before matching.
    pub fate: Option<String>,
    /// What decided: `said`, `upper_id`, `code`.
    pub how: Option<String>,
    /// The objects that it is, or may be.
    pub objects: Vec<String>,
    /// Their titles.
    pub titles: Vec<String>,
    /// A person said something.
    pub is_said: bool,
    /// What adopting did.
    pub adopted: Option<String>,
}
