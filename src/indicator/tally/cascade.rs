//! Whether a channel speaks the standard that the province requires (级联对接状态), and for how long
//! it did not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Span, Stamp};
use crate::delivery::StandardId;

/// What is required of a channel, and what it speaks.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    /// What the province gave notice of.
    pub(super) required: BTreeMap<Stamp, StandardId>,
    /// What is in force, by scope.
    pub(super) spoken: BTreeMap<String, BTreeMap<Stamp, StandardId>>,
}

/// A time during which a channel spoke another standard than the required one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lapse {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Channel {
    /// The lapses within a span, in their order; `None` where no standard is known to be required.
    pub(super) fn lapses(&self, span: Span) -> Option<Vec<Lapse>> {
        if self.required.is_empty() {
            return None;
        }
        let spoken = self.spoken.values().flat_map(BTreeMap::keys);
        let changes = self.required.keys().chain(spoken).map(|stamp| stamp.0);
        let mut instants: BTreeSet<Timestamp> =
            changes.filter(|at| *at > span.from && *at < span.to).collect();
        instants.insert(span.from);
        let mut lapses: Vec<Lapse> = Vec::new();
        let ends = instants.iter().skip(1).copied().chain([span.to]);
        for (from, to) in instants.iter().copied().zip(ends) {
            if !self.lapses_at(from) {
                continue;
            }
            match lapses.last_mut() {
                Some(last) if last.to == from => last.to = to,
                _ => lapses.push(Lapse { from, to }),
            }
        }
        Some(lapses)
    }

    fn lapses_at(&self, at: Timestamp) -> bool {
        let Some(required) = standing(&self.required, at) else { return false };
        let mut spoken = self.spoken.values().filter_map(|line| standing(line, at)).peekable();
        spoken.peek().is_none() || spoken.any(|standard| standard != required)
    }
}

/// The last of a line that had begun at an instant.
fn standing(line: &BTreeMap<Stamp, StandardId>, at: Timestamp) -> Option<&StandardId> {
    line.iter().take_while(|(stamp, _)| stamp.0 <= at).last().map(|(_, standard)| standard)
}
