//! A month judged again: facts, lists and the other cities, by any scheme, as known at any time.

use jiff::{SignedDuration, Timestamp};

use super::field::Field;
use super::lists::Lists;
use super::measures::Figures;
use super::scheme::{Month, Scheme};
use super::score::{Score, score};
use super::tally::{Body, Span, Tally, amended};
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
        let figures = self.figures(scheme, month, body, known_by);
        score(scheme, month, body, &figures, self.lists, self.field)
    }

    /// A body's figures of a month, from what was recorded by `known_by`.
    pub fn figures(
        &self,
        scheme: &Scheme,
        month: Month,
        body: &Body,
        known_by: Timestamp,
    ) -> Figures {
        let span = span(scheme, month, known_by);
        let amended = amended(self.facts, known_by);
        let mut tally = Tally::new(self.lists, span, &amended);
        self.facts.iter().for_each(|fact| tally.add(fact));
        tally.figures(body)
    }
}

/// The span of a scheme's month.
pub fn span(scheme: &Scheme, month: Month, known_by: Timestamp) -> Span {
    // The days of publication and appeal, for which working days count, do not matter here.
    let window = scheme.period.window(month, &Calendar::provisional());
    let last = window.to.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(window.to);
    let day = scheme.period.zone.to_datetime(last).date();
    Span { from: window.from, to: window.to, day, month, known_by }
}
