//! What one pass over a dataset brings along: the time, the counts, the judge of uniqueness.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::row::{KeyDigest, Keyer};

use super::{Rules, Tally};

/// How far a time may lie ahead of our clock before it lies in the future: clocks of departments
/// differ by minutes.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// The time and the counts of one pass of some [`Rules`] over a dataset.
pub struct Pass<'j> {
    pub(super) tally: Tally,
    pub(super) today: Date,
    pub(super) now: DateTime,
    pub(super) today_text: String,
    /// Now plus the tolerance, in the canonical form of a time.
    pub(super) latest_text: String,
    pub(super) judge: Option<Judge<'j>>,
    /// The text of the cells that must be unique; kept for its memory.
    pub(super) scratch: String,
}

pub(super) struct Judge<'j> {
    pub(super) keyer: &'j Keyer,
    pub(super) is_taken: &'j mut dyn FnMut(u16, KeyDigest) -> bool,
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the scratch text nor the keyer.
        formatter.debug_struct("Pass").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl<'j> Pass<'j> {
    /// A pass at `now` over a dataset whose dates and times are in `zone`.
    pub fn new(rules: &Rules, now: Timestamp, zone: &TimeZone) -> Self {
        let local = zone.to_datetime(now);
        let latest = zone.to_datetime(now.saturating_add(CLOCK_TOLERANCE).unwrap_or(now));
        Self {
            tally: Tally::new(rules.rules().len()),
            today: local.date(),
            now: local,
            today_text: local.date().to_string(),
            latest_text: latest.to_string(),
            judge: None,
            scratch: String::new(),
        }
    }

    /// Gives the pass a judge for `unique` rules. Without one, a row with such a rule is refused
    /// ([`Finding::Unjudged`](super::Finding::Unjudged)): nothing becomes valid unjudged.
    ///
    /// The contract: for every row that breaks no other rule, and every `unique` rule of it whose
    /// cells hold any text, `is_taken` is
    /// called with the rule's place and the keyed digest of those cells, once and in the order of
    /// rows. It answers whether *another* row of the dataset holds this digest, and remembers the
    /// digest as held by this row. Who the row is, only the caller knows: it keeps (rule, digest)
    /// → key digest for as long as its uniqueness reaches, and lets a newer version of the same
    /// key keep its own value. Several rules' digests may be equal: the rule is part of the key.
    #[must_use]
    pub fn judged_by(
        mut self,
        keyer: &'j Keyer,
        is_taken: &'j mut dyn FnMut(u16, KeyDigest) -> bool,
    ) -> Self {
        self.judge = Some(Judge { keyer, is_taken });
        self
    }

    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The counts, at the end.
    pub fn into_tally(self) -> Tally {
        self.tally
    }
}
