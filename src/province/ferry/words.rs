//! What is said about a ferry: its settings, its sides, how it stands.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// `[channel.province.ferry]` and `[intake.county.ferry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FerrySettings {
    /// What both sides call it.
    pub name: String,
    /// The key that both sides share: 64 hexadecimal digits, and on a second line the one before.
    pub key_file: PathBuf,
    /// The folder with `in` and `out`; on a channel that of its `url`.
    #[serde(default)]
    pub folder: PathBuf,
    /// Whether anything comes back. Default: yes.
    #[serde(default = "yes")]
    pub returns: bool,
    /// Files that may wait: unanswered below, behind a gap above. Default 1,000.
    #[serde(default = "waiting")]
    pub waiting: u32,
    /// How long an answer may take, and a number be missed, before it is told. Default 2 hours.
    #[serde(default = "late", deserialize_with = "span")]
    pub late: Duration,
    /// How long what was sent can be put down again. Default 30 days.
    #[serde(default = "keep", deserialize_with = "span")]
    pub keep: Duration,
    /// The history of our ledger: a restored one sends under numbers of its own.
    #[serde(skip)]
    pub origin: String,
    /// The folder with the journals of a restored backup.
    #[serde(skip)]
    pub restored: PathBuf,
}

fn yes() -> bool {
    true
}

fn waiting() -> u32 {
    1_000
}

pub(super) fn late() -> Duration {
    Duration::from_hours(2)
}

pub(super) fn keep() -> Duration {
    Duration::from_hours(30 * 24)
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let found = parsed.and_then(|it| Duration::try_from(it).ok()).filter(|it| !it.is_zero());
    found.ok_or_else(|| serde::de::Error::custom("not a duration, e.g. \"2h\""))
}

/// What is in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::province) enum Kind {
    /// From below to above.
    Request,
    /// From above to below.
    Answer,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Request, Self::Answer].into_iter().find(|it| it.as_str() == text)
    }
}

/// On which side of the gap we are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Sends requests.
    Below,
    /// Sends answers.
    Above,
}

impl Side {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::Above => "above",
        }
    }

    pub(super) fn sends(self) -> Kind {
        match self {
            Self::Below => Kind::Request,
            Self::Above => Kind::Answer,
        }
    }

    pub(super) fn hears(self) -> Kind {
        match self {
            Self::Below => Kind::Answer,
            Self::Above => Kind::Request,
        }
    }
}

/// Which file: a number of an incarnation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// Of whoever sent it.
    pub incarnation: String,
    /// Dense within it.
    pub number: u64,
}

/// Numbers that are missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// A number, and what came under it.
pub(super) type Numbered = (Address, Zeroizing<Vec<u8>>);

/// What was last sent about something.
pub struct Known {
    /// Its number.
    pub address: Address,
    /// The standard's operation.
    pub operation: String,
    /// What came back; `None` while nothing did.
    pub answer: Option<Zeroizing<Vec<u8>>>,
    /// When it did.
    pub heard: Option<Timestamp>,
    /// It was told on.
    pub is_told: bool,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Known").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How one side of a ferry stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FerryStanding {
    /// What both sides call it.
    pub name: String,
    /// On which side we are.
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
    /// Numbers that are missed.
    pub gaps: Vec<Gap>,
    /// Since when.
    pub gap_since: Option<Timestamp>,
    /// Other incarnations of the other side that wait for somebody's word.
    pub offered: Vec<String>,
    /// Files that were set aside.
    pub aside: u64,
    /// The last of them, and why.
    pub aside_last: Option<(String, String)>,
    /// What waits or is missed does so for too long.
    pub is_late: bool,
}
