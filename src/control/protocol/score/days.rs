//! Measures of single days.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{By, Points};

/// Measures of which days, and whose.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DaysQuery {
    /// Every day of this month; the running one where neither is said.
    pub month: Option<String>,
    /// This day only: 2026-11-05.
    pub day: Option<String>,
    /// Whose: `city`, `region:ID`, `department:ID` or `dataset:ID`; the city's where it is left out.
    pub body: Option<String>,
    /// Of one day: of each region, department or dataset.
    pub by: Option<By>,
    /// As it was known then; now where it is left out.
    pub known_by: Option<Timestamp>,
}

/// Measures by day.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DaySheet {
    /// In which month of the scheme the days lie.
    pub month: String,
    /// Whose they are; each of them, where it was asked for one day of all of a sort.
    pub body: String,
    /// As it was known then; absent where that is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<Timestamp>,
    /// A line for each day, or of one day for each body.
    pub lines: Vec<DayLine>,
    /// How many bodies are left out: those whose names come last.
    pub more: u64,
}

/// One day of one body.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DayLine {
    /// Which day.
    pub day: String,
    /// The first instant that no longer counts; of a day that runs, as of when.
    pub until: Timestamp,
    /// The day is not over.
    pub is_running: bool,
    /// Whose: `city`, or the name of a region, a department or a dataset.
    pub id: String,
    /// What it is called, where it is a dataset.
    pub title: String,
    /// The measures that could be computed, rounded to six digits.
    pub measures: BTreeMap<String, Points>,
    /// Above and below the line, of those that are rates.
    pub parts: BTreeMap<String, [u64; 2]>,
}
