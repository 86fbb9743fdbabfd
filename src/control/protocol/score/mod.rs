//! Scores as operators see them: points, what they were computed from, what can be recovered.
//!
//! Points are decimals; on the line they are JSON numbers with the decimal's own digits, of which
//! there are fewer than 16, so that they survive the trip and scripts can read them.

mod ahead;
mod days;
mod evidence;
mod made;

pub use ahead::{
    CalibratedLine, CalibrationSheet, ComparedLine, DoubtLine, DoubtSheet, ForecastSheet,
    ItemAhead, MOST_DOUBTS, RangeLine, UnplacedLine,
};
pub use days::{DayLine, DaySheet, DaysQuery};
pub use evidence::{
    ClockLine, CountLine, EvidenceClosed, EvidenceHeld, EvidenceJudged, EvidencePart,
    EvidenceQuery, ReplyLine,
};

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::indicator::scheme::Title;

/// A decimal on the line.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Points(pub Decimal);

impl std::fmt::Display for Points {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(formatter)
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        let number: serde_json::Number = text.parse().map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = serde_json::Number::deserialize(deserializer)?.to_string();
        let read = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
        read.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A text in both languages.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Both {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Both {
    fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }
}

impl From<&Title> for Both {
    fn from(title: &Title) -> Self {
        Self { zh: title.zh.clone(), en: title.en.clone() }
    }
}

/// What is asked about scores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScoreRequest {
    /// A month's score.
    Show(ScoreQuery),
    /// Where it stands among the other cities.
    Rank(ScoreQuery),
    /// What can still be recovered.
    Recover(ScoreQuery),
    /// What the month will come to.
    Forecast(ScoreQuery),
    /// What looks better than it is.
    Doubts(ScoreQuery),
    /// Computed against published, until the month.
    Calibrate(ScoreQuery),
    /// Proves the history and the closed months.
    Verify {},
    /// Brings in a table: an act.
    Bring(Bring),
    /// A part of what an appeal needs.
    Evidence(EvidenceQuery),
    /// Measures of single days.
    Days(DaysQuery),
}

impl ScoreRequest {
    /// The request's name, as logs and the record of acts say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Show(_) => "score_show",
            Self::Rank(_) => "score_rank",
            Self::Recover(_) => "score_recover",
            Self::Forecast(_) => "score_forecast",
            Self::Doubts(_) => "score_doubts",
            Self::Calibrate(_) => "score_calibrate",
            Self::Verify {} => "score_verify",
            Self::Bring(_) => "score_import",
            Self::Evidence(_) => "score_evidence",
            Self::Days(_) => "score_days",
        }
    }
}

/// What is answered about scores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScoreAnswer {
    /// To [`ScoreRequest::Show`].
    Sheet(Box<ScoreSheet>),
    /// To [`ScoreRequest::Rank`].
    Rank(RankSheet),
    /// To [`ScoreRequest::Recover`].
    Plan(PlanSheet),
    /// To [`ScoreRequest::Forecast`].
    Forecast(Box<ForecastSheet>),
    /// To [`ScoreRequest::Doubts`].
    Doubts(DoubtSheet),
    /// To [`ScoreRequest::Calibrate`].
    Calibration(CalibrationSheet),
    /// To [`ScoreRequest::Verify`].
    Verified(ScoreVerified),
    /// To [`ScoreRequest::Bring`].
    Brought(Brought),
    /// To [`ScoreRequest::Evidence`].
    Evidence(Box<EvidencePart>),
    /// To [`ScoreRequest::Days`].
    Days(DaySheet),
}

/// By what a score is broken down.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Items of the scheme.
    Item,
    /// Classes of items (大类).
    Class,
    /// Regions.
    Region,
    /// Departments.
    Department,
    /// Datasets.
    Dataset,
    /// Days: measures without points, for a scheme judges months.
    Day,
}

/// Which score.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreQuery {
    /// Which month; the running one where it is left out.
    pub month: Option<String>,
    /// Whose: `city`, `region:ID` or `department:ID`; the city's where it is left out.
    pub body: Option<String>,
    /// By which scheme; the configured one where it is left out.
    pub scheme: Option<String>,
    /// As it was known then; now where it is left out.
    pub known_by: Option<Timestamp>,
    /// Broken down by what.
    pub by: Option<By>,
    /// Only this item, down to the evidence.
    pub item: Option<String>,
    /// Of a forecast: the seed of its chances; 1 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What a score should be read with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreNote {
    /// The month runs: the total is as of now, not of the cut-off.
    Running,
    /// No list of obligations: rates over what is listed are absent.
    NoObligations,
    /// No other city's score is known.
    NoCities,
}

/// What a closed month was closed with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// The total then.
    pub total: Points,
    /// Facts about the month that were recorded since.
    pub late_facts: u64,
    /// By how much they change the total.
    pub change: Points,
    /// The scheme, the lists or the other cities are not those it was closed by.
    pub judged_otherwise: bool,
}

/// A month's score of one body.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSheet {
    /// By which scheme.
    pub scheme: String,
    /// What it is called.
    pub scheme_title: Both,
    /// Which month.
    pub month: String,
    /// Whose.
    pub body: String,
    /// As it was known then; absent where all that is given is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<Timestamp>,
    /// The sum of what is known; of a running month as of now.
    pub total: Points,
    /// What it would be at the cut-off if nothing more happened; of a running month only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_cut_off: Option<Points>,
    /// What is lost; below 0 or 0.
    pub lost: Points,
    /// The points of the scheme that mark this body.
    pub worth: Points,
    /// Of those, the points that could be computed.
    pub worth_known: Points,
    /// The share of points that is known, from 0 to 1; absent where nothing has a weight.
    pub known_share: Option<Points>,
    /// Points by how well they are known.
    pub worth_by: BTreeMap<String, Points>,
    /// The classes.
    pub classes: Vec<ClassLine>,
    /// The items.
    pub items: Vec<ItemLine>,
    /// Regions, departments or datasets, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<BodyLine>,
    /// How many of them are left out: those that lose least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bodies_more: u64,
    /// What it was closed with, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// What to read it with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<ScoreNote>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A class of items.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassLine {
    /// Which.
    pub id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// The sum of its items.
    pub points: Points,
    /// What its items cost.
    pub lost: Points,
    /// A veto struck it.
    pub struck: bool,
}

/// An item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ItemLine {
    /// Which.
    pub id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// Its class.
    pub class: String,
    /// How it works on the total.
    pub kind: String,
    /// How well it is known.
    pub known: String,
    /// The points that hang on it.
    pub worth: Option<Points>,
    /// What it adds to the total.
    pub points: Option<Points>,
    /// What it costs.
    pub lost: Option<Points>,
    /// A veto that holds struck it.
    pub struck: bool,
    /// Why it has no points.
    pub lack: Option<String>,
    /// What the scheme says a reader should know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The figures that it was computed from.
    pub computed_from: Vec<FigureLine>,
}

/// A figure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FigureLine {
    /// As expressions name it.
    pub name: String,
    /// What it came to, rounded to twelve digits.
    pub value: Option<Points>,
    /// Above and below the line, where it is a rate.
    pub parts: Option<[u64; 2]>,
    /// How many were left out by an exemption.
    pub exempt: u64,
    /// What lowers it.
    pub findings: Vec<FindingLine>,
    /// How many findings more there are.
    pub more: u64,
}

/// What lowers a figure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FindingLine {
    /// The entry, dataset, case or channel.
    pub subject: String,
    /// The department that answers for it.
    pub owner: String,
    /// From when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// The fact, or the source of a stated value.
    pub evidence: String,
    /// It lacks nothing and does not count: the doubt's word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doubt: String,
    /// Batches that tell of it: identifier, state, receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<String>,
}

/// A region, department or dataset.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BodyLine {
    /// Which.
    pub id: String,
    /// What it is called, where it is a dataset.
    pub title: String,
    /// Its class of assessed bodies, or a dataset's department.
    pub class: String,
    /// Its own score, where the scheme marks it.
    pub total: Option<Points>,
    /// Its part of what the city loses, by its part of what lowers each figure.
    pub part_of_loss: Points,
    /// Its measures that could be computed.
    pub measures: BTreeMap<String, Points>,
    /// The same in the month before, of the three words of validity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, Points>,
}

/// Where a total, a class or an item stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RankLine {
    /// `total` or a class.
    pub what: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// Ours.
    pub points: Points,
    /// 1 is the best.
    pub rank: Option<u64>,
    /// How many cities are ranked.
    pub cities: Option<u64>,
    /// Points to the next better city.
    pub up: Option<Points>,
    /// Points ahead of the next.
    pub down: Option<Points>,
}

/// Where it would stand without a loss.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RepairLine {
    /// The item.
    pub item: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// The total there would be.
    pub total: Points,
    /// The rank there would be.
    pub rank: u64,
}

/// Where a month stands among the other cities.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RankSheet {
    /// Which month.
    pub month: String,
    /// The share of points that is known.
    pub known_share: Option<Points>,
    /// The total.
    pub total: RankLine,
    /// The classes.
    pub classes: Vec<RankLine>,
    /// Each loss, the best to repair first.
    pub if_repaired: Vec<RepairLine>,
}

/// Something that would bring points.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActionLine {
    /// What is done.
    pub deed: String,
    /// Of a case its list.
    pub list: String,
    /// To what.
    pub subject: String,
    /// Who has to.
    pub owner: String,
    /// What it brings by itself.
    pub points: Points,
    /// Hours from its beginning until it counts.
    pub hours: Option<u32>,
    /// The last moment to begin it; absent where it is too late.
    pub begin_by: Option<Timestamp>,
    /// The last moment at which it must count.
    pub until: Timestamp,
    /// The command that helps.
    pub command: String,
}

/// What can still be recovered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSheet {
    /// Which month; absent where the answer was computed from tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// What the planned acts bring together.
    pub together: Points,
    /// What to do.
    pub planned: Vec<ActionLine>,
    /// What can no longer be done.
    pub too_late: Vec<ActionLine>,
}

/// What is wrong with the history or a closed month.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreVerified {
    /// Facts that were proven.
    pub facts: u64,
    /// Closed months that were proven.
    pub months: u64,
    /// Closed months that came to the same when they were computed again.
    #[serde(default)]
    pub recomputed: u64,
    /// What is wrong, the first place of each chain.
    pub problems: Vec<String>,
    /// What is no tampering, and good to know: a list that was changed since a month was closed.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Which table is brought in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BroughtKind {
    /// Cases: requests, objections, what the province found to be mended.
    Cases,
    /// Values that the daemon cannot see.
    Values,
    /// Notices of the province that a standard is required.
    Notices,
    /// Results that the province published, item by item.
    Results,
}

/// A table to bring in, or a part of one with its head.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bring {
    /// Which.
    pub kind: BroughtKind,
    /// How its problems call it.
    pub file: String,
    /// The table.
    pub text: String,
}

/// What was brought in.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// Facts that the rows make.
    pub facts: u64,
    /// Of those, facts that were not there yet.
    pub new: u64,
}
