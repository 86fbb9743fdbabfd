//! A dataset's validity in three words, with its trend, as the live score has it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::app::Shown;
use crate::control::protocol::{Dataset, Points, Validity, Words, WordsOfDay};
use crate::indicator::tally;

/// As it is this month, and as it was the month before; none without a scheme, or where no list
/// names the dataset.
pub(super) fn of(shown: Option<&Shown>, dataset: &str) -> Option<Validity> {
    let [now, before] = &shown?.words;
    let of = |all: &BTreeMap<String, tally::Words>| all.get(dataset).copied().map(words);
    let (now, before) = (of(now)?, of(before).unwrap_or_default());
    Some(Validity { now, before, days: Vec::new() })
}

/// By day, for one dataset that is looked at alone.
pub(super) fn add_days(one: &mut Dataset, shown: &Shown) {
    let Some(validity) = &mut one.validity else { return };
    let days = shown.by_day.of(&one.dataset).into_iter();
    validity.days = days.map(|(day, of)| WordsOfDay { day, words: words(of) }).collect();
}

fn words(of: tally::Words) -> Words {
    let points = |rate: Option<Decimal>| rate.map(|rate| Points(rate.round_dp(6)));
    Words {
        truth: points(of.truth),
        soundness: points(of.soundness),
        usability: points(of.usability),
    }
}
