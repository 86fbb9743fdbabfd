//! Validity in three words (真实性、有效性、可用性), with their trend.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Points;

/// The three words of a dataset: rates from 0 to 1, absent where nothing is known.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// 真实性.
    pub truth: Option<Points>,
    /// 有效性.
    pub soundness: Option<Points>,
    /// 可用性.
    pub usability: Option<Points>,
}

/// How a dataset's words moved.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// The running month so far.
    pub now: Words,
    /// The whole month before.
    pub before: Words,
    /// The running month by day; where one dataset is asked for.
    #[serde(default)]
    pub days: Vec<WordsOfDay>,
}

/// The words of one day.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WordsOfDay {
    /// The day, in China.
    pub day: Date,
    /// What was known of it; whether it is mounted is no matter of a day.
    pub words: Words,
}
