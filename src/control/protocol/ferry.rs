//! Ferries (网闸摆渡), as operators see and mend them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something about ferries.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FerryRequest {
    /// How every one stands.
    List {},
    /// What was sent under these numbers is put down again, byte for byte.
    Again(FerryNumbers),
    /// These numbers will never come: they are passed over.
    Skip(FerryNumbers),
    /// The other side began anew, and that is right.
    Accept(FerryWord),
    /// We begin anew, under numbers of our own.
    Anew(FerryWord),
}

impl FerryRequest {
    /// Its name, as logs and metrics say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List {} => "ferry_list",
            Self::Again(_) => "ferry_again",
            Self::Skip(_) => "ferry_skip",
            Self::Accept(_) => "ferry_accept",
            Self::Anew(_) => "ferry_anew",
        }
    }

    /// On what it was done and why, without content.
    pub fn detail(&self) -> String {
        match self {
            Self::List {} => String::new(),
            Self::Again(it) => format!("{} {}..{}", it.ferry, it.from, it.to),
            Self::Skip(it) => format!("{} {}..{}: {}", it.ferry, it.from, it.to, it.reason),
            Self::Accept(it) => format!("{} {}: {}", it.ferry, it.incarnation, it.reason),
            Self::Anew(it) => format!("{}: {}", it.ferry, it.reason),
        }
    }
}

/// Numbers of a ferry.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FerryNumbers {
    /// Which ferry.
    pub ferry: String,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Why.
    pub reason: String,
}

/// An operator's word about who speaks.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FerryWord {
    /// Which ferry.
    pub ferry: String,
    /// Which incarnation of the other side.
    pub incarnation: String,
    /// Why.
    pub reason: String,
}

/// The answer to a [`FerryRequest`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FerryAnswer {
    /// So many files or numbers it was done to.
    pub done: Option<u64>,
    /// How ferries stand.
    pub ferries: Vec<FerryShown>,
}

/// How one side of a ferry stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FerryShown {
    /// What both sides call it.
    pub name: String,
    /// `below` sends requests, `above` sends answers.
    pub side: String,
    /// Whether anything comes back.
    pub returns: bool,
    /// Our incarnation.
    pub incarnation: String,
    /// The last number that we gave.
    pub sent: u64,
    /// Files that are not in the folder yet.
    pub unput: u64,
    /// Requests of ours without an answer.
    pub unanswered: u64,
    /// Since when the oldest has none.
    pub unanswered_since: Option<Timestamp>,
    /// The other side's incarnation.
    pub peer: Option<String>,
    /// The highest number that came.
    pub came: u64,
    /// Up to where everything was acted on or passed over.
    pub acted: u64,
    /// Files that came and wait.
    pub waiting: u64,
    /// Numbers that are missed: first and last.
    pub gaps: Vec<(u64, u64)>,
    /// Since when.
    pub gap_since: Option<Timestamp>,
    /// Other incarnations of the other side that wait for an operator's word.
    pub offered: Vec<String>,
    /// Files that were set aside.
    pub aside: u64,
    /// The last of them, and why.
    pub aside_last: Option<(String, String)>,
    /// What waits or is missed does so for too long.
    pub is_late: bool,
}
