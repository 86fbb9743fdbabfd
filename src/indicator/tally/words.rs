//! Validity in the three words of a speech (真实性、有效性、可用性), of every dataset at once and by day.
//!
//! The same counts as the figures of each dataset, in one go over the lists: a live score shows them
//! every few seconds for ten thousand datasets.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::figures::{mean, part};
use super::{Places, Tally, is_of_truth};
use crate::fact::{Fact, Kind};

/// What holds and how many there are.
type Part = (u64, u64);

/// The three words as rates; absent where nothing is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Words {
    /// 真实性.
    pub truth: Option<Decimal>,
    /// 有效性.
    pub soundness: Option<Decimal>,
    /// 可用性: the mean of what is known of mounted, reached and judged well.
    pub usability: Option<Decimal>,
}

/// What the words are made of.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    truth: Part,
    soundness: Part,
    mounted: Part,
    reached: Part,
    passed: Part,
}

impl Parts {
    fn words(&self) -> Words {
        let rate = |(of, all): Part| Decimal::from(of).checked_div(Decimal::from(all));
        let usable = [self.mounted, self.reached, self.passed].map(rate);
        Words {
            truth: rate(self.truth).map(|it| it.normalize()),
            soundness: rate(self.soundness).map(|it| it.normalize()),
            usability: mean(usable.into_iter().flatten()),
        }
    }
}

/// Adds what holds and what does not.
fn add(part: &mut Part, (good, bad): (u64, u64)) {
    part.0 = part.0.saturating_add(good);
    part.1 = part.1.saturating_add(good).saturating_add(bad);
}

/// Counts by day, for each obligation. At most the days of the span.
pub(super) type Days = Option<Arc<Vec<BTreeMap<Date, Day>>>>;

/// What is known of one day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Day(Parts);

impl Day {
    /// Takes a fact of that day.
    fn add(&mut self, fact: &Fact) {
        if let Kind::RuleCounted { rule, executed, broken, .. } = &fact.kind {
            let word = if is_of_truth(rule) { &mut self.0.truth } else { &mut self.0.soundness };
            add(word, part((*executed, *broken)));
        }
        if let Kind::Probed { succeeded, failed } = &fact.kind {
            add(&mut self.0.reached, (*succeeded, *failed));
        }
        if let Kind::Verdict { passed, failed } = &fact.kind {
            add(&mut self.0.passed, (*passed, *failed));
        }
    }
}

impl Tally<'_> {
    /// Counts by day from now on, too; facts that were taken before are in no day.
    pub fn keep_days(&mut self) {
        self.days = Some(Arc::new(vec![BTreeMap::new(); self.known.len()]));
    }

    /// Takes what a fact within the span says of its day.
    pub(super) fn add_to_day(&mut self, fact: &Fact) {
        let counts = matches!(
            fact.kind,
            Kind::RuleCounted { .. } | Kind::Probed { .. } | Kind::Verdict { .. }
        );
        let (Some(days), true) = (&mut self.days, counts) else { return };
        let Some(places) = self.places.get(&fact.subject) else { return };
        // The days of bulletins and exemptions.
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let day = zone.to_datetime(fact.occurred).date();
        let days = Arc::make_mut(days);
        for (at, _) in places {
            if let Some(days) = days.get_mut(*at) {
                days.entry(day).or_default().add(fact);
            }
        }
    }

    /// The three words of every listed dataset.
    pub fn words(&self) -> BTreeMap<String, Words> {
        let mut parts: BTreeMap<&str, Parts> = BTreeMap::new();
        for (it, known) in self.lists.obligations.iter().zip(&self.known) {
            if it.dataset.is_empty() {
                continue;
            }
            let counts = |name| !self.lists.is_exempt(&it.entry, name, self.span.day);
            let sum = parts.entry(it.dataset.as_str()).or_default();
            let (is_mounted, passed) = self.usable_of((it, known));
            if counts("valid.true_rate") {
                add(&mut sum.truth, part(known.truth));
            }
            if counts("valid.sound_rate") {
                add(&mut sum.soundness, part(known.soundness));
            }
            if it.is_shared && counts("resource.mounted_rate") {
                add(&mut sum.mounted, (u64::from(is_mounted), u64::from(!is_mounted)));
            }
            if counts("interface.available_rate") {
                add(&mut sum.reached, (known.answered, known.unanswered));
            }
            if counts("receipt.passed_rate") {
                add(&mut sum.passed, passed);
            }
        }
        parts.into_iter().map(|(id, parts)| (id.to_owned(), parts.words())).collect()
    }

    /// What is counted by day, as it stands.
    pub fn by_day(&self) -> ByDay {
        ByDay { places: Arc::clone(&self.places), days: self.days.clone() }
    }
}

/// The three words by day.
#[derive(Clone, Debug, Default)]
pub struct ByDay {
    places: Places,
    days: Days,
}

impl ByDay {
    /// Of a dataset, as far as days are kept; whether it is mounted is no matter of a day.
    pub fn of(&self, dataset: &str) -> Vec<(Date, Words)> {
        let Some(days) = &self.days else { return Vec::new() };
        let mut sums: BTreeMap<Date, Parts> = BTreeMap::new();
        for (at, _) in self.places.get(dataset).into_iter().flatten() {
            for (day, Day(parts)) in days.get(*at).into_iter().flatten() {
                let sum = sums.entry(*day).or_default();
                for (sum, (of, all)) in [
                    (&mut sum.truth, parts.truth),
                    (&mut sum.soundness, parts.soundness),
                    (&mut sum.reached, parts.reached),
                    (&mut sum.passed, parts.passed),
                ] {
                    add(sum, (of, all.saturating_sub(of)));
                }
            }
        }
        sums.into_iter().map(|(day, parts)| (day, parts.words())).collect()
    }
}
