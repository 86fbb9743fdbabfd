//! The status page at `/`: how the city stands before its province, for whoever has a browser.
//!
//! One document without scripts, fonts or pictures from anywhere: its style stands in it and is
//! named to the browser by digest ([`policy`]), so that nothing else could act even if it got
//! in. It only reads, shows sums and names of datasets, never rows; it is bounded whatever the size
//! of the city, for of every list the worst come with a count of the rest ([`Worst`]). Markup can
//! only be a literal of this module, every other text is escaped ([`markup`](crate::markup)).

mod render;
mod section;
mod watching;
mod words;

pub use render::{page, policy};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::protocol::{Attention, Status};
use crate::delivery::{BatchState, Evidence, LinkState};

/// The most datasets or troubles in one list of the page.
pub const MOST: usize = 12;

/// What the page shows, all of one look into the ledger.
#[derive(Clone, Debug)]
pub struct Page {
    /// As `cascaded status` has it; its list of troubles is left empty, see [`Page::attention`].
    pub status: Status,
    /// The zone of the times shown.
    pub zone: TimeZone,
    /// Why the daemon does not do its work, each with a code; empty when it does.
    pub not_ready: Vec<String>,
    /// What someone should look at.
    pub attention: Worst<Attention>,
    /// How many troubles ask for an act.
    pub to_act: u64,
    /// Beside each channel of the status, in the same order.
    pub channels: Vec<Health>,
    /// How fresh the datasets are.
    pub freshness: Tally,
    /// Those past their deadline, the longest first.
    pub overdue: Worst<Dated>,
    /// Those whose deadline comes next.
    pub next: Worst<Dated>,
    /// Those with most rejected rows.
    pub rejected: Worst<Rejected>,
    /// What is waited for.
    pub awaited: Vec<Awaited>,
    /// The score, where a scheme is configured.
    pub score: Option<Score>,
}

/// The worst of a list, and how many there are beside them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Worst<T> {
    /// The worst first, at most [`MOST`].
    pub list: Vec<T>,
    /// How many are not in the list.
    pub rest: u64,
}

impl<T> Default for Worst<T> {
    fn default() -> Self {
        Self { list: Vec::new(), rest: 0 }
    }
}

impl<T> Worst<T> {
    /// The first of these, which are ordered, the worst first.
    pub fn of(ordered: impl IntoIterator<Item = T>) -> Self {
        let mut all = ordered.into_iter();
        let list: Vec<T> = all.by_ref().take(MOST).collect();
        Self { list, rest: u64::try_from(all.count()).unwrap_or(u64::MAX) }
    }
}

/// How a channel answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Its declared grade.
    pub grade: Option<Evidence>,
    /// When it answered last, since the process started.
    pub answered: Option<Timestamp>,
    /// Since when it has not answered.
    pub silent: Option<Timestamp>,
    /// Signs that it no longer speaks its standard.
    pub drift: u64,
    /// The standard that is prepared for it.
    pub candidate: Option<String>,
    /// When the first of our certificates and of those we trust on it ends.
    pub certificate_ends: Option<Timestamp>,
}

/// How fresh the datasets are, each counted once per channel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Newer than their cycle asks.
    pub fresh: u64,
    /// Their cycle has ended or their deadline is near.
    pub soon: u64,
    /// Their deadline has passed.
    pub overdue: u64,
    /// Nothing of them was ever confirmed.
    pub never: u64,
    /// No deadline follows from their cycle.
    pub not_computable: u64,
}

impl Tally {
    /// All of them.
    pub fn all(self) -> u64 {
        self.fresh + self.soon + self.overdue + self.never + self.not_computable
    }
}

/// A dataset with a deadline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dated {
    /// Its id.
    pub dataset: String,
    /// Its title.
    pub title: String,
    /// Its department's title.
    pub department: String,
    /// Its declared cycle.
    pub cycle: String,
    /// By when newer content must be confirmed.
    pub deadline: Timestamp,
    /// When something of it was last confirmed.
    pub last_confirmed: Option<Timestamp>,
}

/// A dataset with rejected rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejected {
    /// Its id.
    pub dataset: String,
    /// Its title.
    pub title: String,
    /// Its department's title.
    pub department: String,
    /// Rows due.
    pub due: u64,
    /// Set aside by our rules.
    pub local: u64,
    /// Not taken above.
    pub refused: u64,
    /// Taken and judged wrong above.
    pub failed: u64,
}

/// Something that waits for the province, or for its turn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Awaited {
    /// On which channel.
    pub channel: String,
    /// What stands where.
    pub what: Waiting,
    /// How many.
    pub count: u64,
    /// Of them, past the deadline of that state.
    pub late: u64,
}

/// What waits, and in which state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// Batches of rows or messages.
    Batch(BatchState),
    /// Catalogue objects.
    Link(LinkState),
}

/// A forecast as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Foretold {
    /// The total that is expected.
    pub expected: String,
    /// A tenth of the futures lie below.
    pub low: String,
    /// A tenth lie above.
    pub high: String,
    /// How many of a hundred months end between them.
    pub promised: String,
    /// As of when.
    pub at: Timestamp,
}

/// The score as text: points are decimals and are not computed here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Score {
    /// The scheme's title.
    pub scheme: String,
    /// This month so far.
    pub today: String,
    /// The month's total at the cut-off if nothing more happens.
    pub at_cut_off: String,
    /// What the month will come to, where that is known yet.
    pub forecast: Option<Foretold>,
    /// Points that can still be recovered.
    pub at_risk: String,
    /// The share of the points that is known.
    pub known: String,
}
