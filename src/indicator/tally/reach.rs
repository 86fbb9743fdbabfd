//! How far back a tally has to look: of millions of facts a month needs few.
//!
//! A count needs the facts of its window, a state those before it, and of some states one fact of
//! each subject is enough. Whoever reads facts from a store asks for these and no others; what a
//! tally does with facts that it did not need is nothing.

use super::{Span, Tally};
use crate::indicator::lists::Lists;

/// How far back facts of a kind matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Those that occurred within the span.
    Window,
    /// Those that occurred before its end.
    Before,
    /// All of them, whenever they occurred.
    Always,
    /// Of each listed dataset the first that counts something, before the end.
    First,
    /// Of each listed dataset the last before the end.
    Last,
}

/// Every kind of fact that changes a tally, with how far back it matters.
pub const REACHES: [(&str, Reach); 17] = [
    ("link", Reach::Before),
    ("confirmed", Reach::First),
    ("reconciled", Reach::Last),
    ("overdue-from", Reach::Before),
    ("overdue-until", Reach::Before),
    ("pass-completed", Reach::Window),
    ("verdict", Reach::Window),
    ("unmended", Reach::Window),
    ("rule-counted", Reach::Window),
    ("probed", Reach::Window),
    ("standard-in-force", Reach::Before),
    ("standard-required", Reach::Before),
    ("case-opened", Reach::Before),
    ("case-closed", Reach::Before),
    ("stated", Reach::Always),
    // These make the lists that a tally is taken over: whoever makes one asks for them first.
    ("declared", Reach::Before),
    ("approved", Reach::Before),
];

impl Tally<'_> {
    /// The lists that it is taken over.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// What it spans.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The listed datasets: of whom [`Reach::First`] and [`Reach::Last`] speak.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        let datasets = self.lists.obligations.iter().map(|it| it.dataset.as_str());
        datasets.filter(|dataset| !dataset.is_empty())
    }
}
