//! The measures of single days: many spans of one history, read in one go.
//!
//! Each day is a span like any other, and gives what it would give if it were read alone. What lies
//! before the days is read once for all of them, and so is each fact within them; how many days are
//! tallied at once follows from how long the lists are, so that memory is bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::read::{MOMENT, PAGE, terms_of};
use super::{Judge, NotJudged};
use crate::fact::Fact;
use crate::indicator::replay::span;
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::tally::{REACHES, Reach, Span, Tally};
use crate::indicator::terms;
use crate::ledger::{self, FactQuery, Horizon};

/// Datasets that are asked about at once.
const SUBJECTS: usize = 500;
/// Obligations, over all tallies, that are held at once: 31 days of a thousand datasets.
const MOST_HELD: usize = 40_000;

impl Judge {
    /// The days of a month that have begun by `now`, each as a span with its day. The last of a
    /// running month ends at `now`.
    pub fn days(&self, scheme: &Scheme, month: Month, now: Timestamp) -> Vec<Span> {
        let whole = span(scheme, month, now);
        let zone = &scheme.period.zone;
        let first = zone.to_datetime(whole.from).date();
        let mut days = Vec::new();
        let mut day = Some(first).filter(|day| *day <= whole.day);
        while let Some(it) = day {
            let begins = crate::calendar::end_of_day(it.yesterday().unwrap_or(it), zone);
            let from = begins.max(whole.from);
            let to = crate::calendar::end_of_day(it, zone).min(whole.to).min(now);
            if from >= to {
                break;
            }
            days.push(Span { from, to, day: it, ..whole });
            day = it.tomorrow().ok().filter(|next| *next <= whole.day);
        }
        days
    }

    /// The month in which a day lies, by its cut-off.
    pub fn month_of(&self, day: Date) -> Result<Month, NotJudged> {
        let month = Month::of(day);
        let cut_off = span(self.scheme(month)?, month, Timestamp::MAX).day;
        Ok(if day <= cut_off { month } else { month.after() })
    }

    /// Gives `take` the tally of each span, in their order. The spans follow one another.
    pub async fn each_day(
        &self,
        spans: &[Span],
        known_by: Timestamp,
        mut take: impl FnMut(&Tally<'static>),
    ) -> ledger::Result<()> {
        let horizon = self.ledger.horizon(known_by).await?;
        let at_once = MOST_HELD / self.by.lists.obligations.len().max(1);
        for spans in spans.chunks(at_once.max(1)) {
            self.tallies(spans, horizon).await?.iter().for_each(&mut take);
        }
        Ok(())
    }

    /// The tallies of spans that follow one another.
    async fn tallies(
        &self,
        spans: &[Span],
        horizon: Horizon,
    ) -> ledger::Result<Vec<Tally<'static>>> {
        let Some((from, to)) = spans.first().zip(spans.last()).map(|(a, b)| (a.from, b.to)) else {
            return Ok(Vec::new());
        };
        let amended = Arc::new(self.ledger.amended(horizon).await?);
        let terms = terms_of(&self.ledger, to, horizon, &amended).await?;
        let tally = |span: &Span| {
            let lists = terms.keep(Arc::clone(&self.by.lists), span.to);
            Tally::new(lists, *span, &amended)
        };
        let mut all: Vec<Tally<'static>> = spans.iter().map(tally).collect();
        let datasets: BTreeSet<String> =
            all.iter().flat_map(Tally::datasets).map(str::to_owned).collect();
        let datasets: Vec<String> = datasets.into_iter().collect();
        let mut counted = Vec::new();
        for (kind, reach) in REACHES {
            if terms::KINDS.contains(&kind) {
                continue;
            }
            let query = |to| FactQuery { kind, from: None, to, horizon };
            match reach {
                Reach::Window => counted.push(kind),
                Reach::Before | Reach::Always => {
                    let before = to.checked_add(MOMENT).ok().filter(|_| reach == Reach::Before);
                    self.each(query(before), |fact| all.iter_mut().for_each(|it| it.add(fact)))
                        .await?;
                }
                // The first of all is the first of each day that it is not after; the last of a day
                // is the last before the first day, or one of these.
                Reach::First | Reach::Last => {
                    for subjects in datasets.chunks(SUBJECTS) {
                        let (subjects, amended) = (subjects.to_vec(), Arc::clone(&amended));
                        let facts = if reach == Reach::First {
                            self.ledger.first_facts(query(Some(to)), subjects, amended).await?
                        } else {
                            self.ledger.last_facts(query(Some(from)), subjects, amended).await?
                        };
                        facts.iter().for_each(|fact| all.iter_mut().for_each(|it| it.add(fact)));
                    }
                    if reach == Reach::Last {
                        counted.push(kind);
                    }
                }
            }
        }
        let mut left = Some(self.ledger.stretch(counted, (from, to), horizon).await?);
        while let Some(stretch) = left {
            (all, left) = self.ledger.each_fact(stretch, PAGE, all, add).await?;
        }
        Ok(all)
    }
}

/// Gives a fact to the days that it is of: to its own, and where it stands on to those after it.
fn add(all: &mut Vec<Tally<'static>>, fact: &Fact) {
    let stands =
        REACHES.iter().any(|(kind, reach)| *reach == Reach::Last && *kind == fact.kind.as_str());
    for tally in all {
        let span = tally.span();
        if fact.occurred < span.to && (stands || fact.occurred >= span.from) {
            tally.add(fact);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::super::tests::{OBLIGATIONS, any_fact, indicator};
    use super::*;
    use crate::clock::Clock;
    use crate::indicator::tally::Body;
    use crate::ledger::seal::Sealer;
    use crate::ledger::{Ledger, NewFact};
    use crate::supervisor::Pool;

    fn month() -> Month {
        Month::parse("2026-02").unwrap()
    }

    fn ledger(folder: &std::path::Path) -> Ledger {
        let clock = Clock::manual("2026-04-05T00:00:00Z".parse().unwrap());
        let sealer = Sealer::from_bytes(&[7; 32]).unwrap();
        Ledger::open(folder, &sealer, clock, Pool::new(2)).unwrap()
    }

    #[test]
    fn a_months_days_are_those_that_have_begun_and_end_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut by = indicator(OBLIGATIONS);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let days = |by: &crate::config::Indicator, now| {
            let judge = Judge::new(ledger(folder.path()), Arc::new(by.clone()));
            let scheme = judge.scheme(month()).unwrap().clone();
            let told = |it: &Span| (it.day, it.from.to_string(), it.to.to_string());
            judge.days(&scheme, month(), now).iter().map(told).collect::<Vec<_>>()
        };
        let all = days(&by, Timestamp::MAX);
        let day = |day: Date, from: &str, to: &str| (day, from.to_owned(), to.to_owned());
        assert_eq!(all.len(), 28);
        let first = day(date(2026, 2, 1), "2026-01-31T16:00:00Z", "2026-02-01T16:00:00Z");
        let last = day(date(2026, 2, 28), "2026-02-27T16:00:00Z", "2026-02-28T16:00:00Z");
        assert_eq!((&all[0], &all[27]), (&first, &last));
        // A month that runs ends with the moment, and one that has not begun has no days.
        let some = days(&by, at("2026-02-03T01:00:00+08:00"));
        let third = day(date(2026, 2, 3), "2026-02-02T16:00:00Z", "2026-02-02T17:00:00Z");
        assert_eq!((some.len(), &some[2]), (3, &third));
        assert!(days(&by, at("2026-02-01T00:00:00+08:00")).is_empty());
        // A month that is cut off on the 25th begins on the 26th of the month before.
        by.schemes[0].period.cut_off = crate::indicator::scheme::CutOff::Day(25);
        let all = days(&by, Timestamp::MAX);
        assert_eq!((all[0].0, all[all.len() - 1].0), (date(2026, 1, 26), date(2026, 2, 25)));
        let judge = Judge::new(ledger(folder.path()), Arc::new(by));
        assert_eq!(judge.month_of(date(2026, 1, 26)).unwrap(), month());
        assert_eq!(judge.month_of(date(2026, 2, 25)).unwrap(), month());
        assert_eq!(judge.month_of(date(2026, 2, 26)).unwrap(), month().after());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn days_read_together_are_what_each_gives_alone(
            first in prop::collection::vec(any_fact(), 1..120),
            late in prop::collection::vec((any_fact(), any::<prop::sample::Index>()), 0..12),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let ledger = ledger(folder.path());
                ledger.facts_brought(first).await.unwrap();
                let known = ledger.facts(0, 1_000).await.unwrap();
                let late = late.into_iter().map(|(fact, of)| NewFact {
                    amends: Some(of.get(&known).1.id.clone()),
                    ..fact
                });
                ledger.facts_brought(late.collect()).await.unwrap();
                let judge = Judge::new(ledger, Arc::new(indicator(OBLIGATIONS)));
                let scheme = judge.scheme(month()).unwrap();
                let spans = judge.days(scheme, month(), Timestamp::MAX);
                let bodies = [
                    Body::City,
                    Body::Region("本级".to_owned()),
                    Body::Department("自规局".to_owned()),
                    Body::Dataset("d2".to_owned()),
                ];
                let mut together = Vec::new();
                let take = |tally: &Tally<'_>| {
                    together.extend(bodies.iter().map(|body| tally.figures(body)));
                };
                judge.each_day(&spans, Timestamp::MAX, take).await.unwrap();
                let mut alone = Vec::new();
                for span in &spans {
                    let horizon = judge.ledger.horizon(Timestamp::MAX).await.unwrap();
                    let tally = judge.tally_of(*span, horizon).await.unwrap();
                    alone.extend(bodies.iter().map(|body| tally.figures(body)));
                }
                assert_eq!(together.len(), 28 * bodies.len());
                assert!(together == alone, "some day differs");
            });
        }
    }
}
