//! A month judged again: facts, lists and the other cities, by any scheme, as known at any time.

use jiff::{SignedDuration, Timestamp};

use super::field::Field;
use super::lists::Lists;
use super::measures::Figures;
use super::scheme::{Month, Scheme};
use super::score::{Score, score};
use super::tally::{Body, Span, Tally, amended};
use super::terms::Terms;
use crate::calendar::Calendar;
use crate::fact::Fact;

/// Everything that a score is computed from, beside the scheme.
#[derive(Clone, Copy, Debug)]
pub struct Given<'g> {
    /// What happened, in any order.
    pub facts: &'g [Fact],
    /// What the city keeps.
    pub lists: &'g Lists,
    /// The other cities.
    pub field: &'g Field,
}

impl Given<'_> {
    /// A body's score of a month, from what was recorded by `known_by`.
    pub fn score(&self, scheme: &Scheme, month: Month, body: &Body, known_by: Timestamp) -> Score {
        score_of(&self.tally(scheme, month, known_by), scheme, body, self.field)
    }

    /// A body's figures of a month, from what was recorded by `known_by`.
    pub fn figures(
        &self,
        scheme: &Scheme,
        month: Month,
        body: &Body,
        known_by: Timestamp,
    ) -> Figures {
        self.tally(scheme, month, known_by).figures(body)
    }

    /// The tally of a month, from what was recorded by `known_by`.
    pub fn tally(&self, scheme: &Scheme, month: Month, known_by: Timestamp) -> Tally<'_> {
        let span = span(scheme, month, known_by);
        let terms = Terms::of(self.facts, known_by);
        let lists = terms.keep(self.lists, span.to);
        let mut tally = Tally::new(lists, span, &amended(self.facts, known_by));
        self.facts.iter().for_each(|fact| tally.add(fact));
        tally
    }
}

/// A body's score of the month that was tallied, wherever its facts came from.
pub fn score_of(tally: &Tally<'_>, scheme: &Scheme, body: &Body, field: &Field) -> Score {
    score(scheme, tally.span().month, body, &tally.figures(body), tally.lists(), field)
}

/// A body's score of the month so far: at `now`, which lies before the cut-off. What is due later
/// is not lost yet.
pub fn score_until(
    tally: &Tally<'_>,
    scheme: &Scheme,
    body: &Body,
    field: &Field,
    now: Timestamp,
) -> Score {
    let whole = tally.span();
    let to = now.min(whole.to).max(whole.from);
    let day = scheme.period.zone.to_datetime(to).date().min(whole.day);
    let figures = tally.figures_until(body, Span { to, day, ..whole });
    score(scheme, whole.month, body, &figures, tally.lists(), field)
}

/// The span of a scheme's month.
pub fn span(scheme: &Scheme, month: Month, known_by: Timestamp) -> Span {
    // The days of publication and appeal, for which working days count, do not matter here.
    let window = scheme.period.window(month, &Calendar::provisional());
    let last = window.to.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(window.to);
    let day = scheme.period.zone.to_datetime(last).date();
    Span { from: window.from, to: window.to, day, month, known_by }
}
