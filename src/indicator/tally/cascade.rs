//! Whether a channel speaks the standard that the province requires (级联对接状态), and for how long
//! it did not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Span, Stamp};
use crate::delivery::StandardId;

/// The scope of a channel as a whole.
const EVERYTHING: &str = "*";

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
        // What is in force for everything since ends what went over before the rest.
        let whole = self.spoken.get(EVERYTHING).and_then(|line| latest(line, at));
        let is_over = |stamp: &Stamp| whole.is_some_and(|(since, _)| stamp < since);
        let lines = self.spoken.values().filter_map(|line| latest(line, at));
        let mut spoken = lines.filter(|(stamp, _)| !is_over(stamp)).peekable();
        spoken.peek().is_none() || spoken.any(|(_, standard)| standard != required)
    }
}

/// The last of a line that had begun at an instant, and since when.
fn latest(line: &BTreeMap<Stamp, StandardId>, at: Timestamp) -> Option<(&Stamp, &StandardId)> {
    line.iter().take_while(|(stamp, _)| stamp.0 <= at).last()
}

fn standing(line: &BTreeMap<Stamp, StandardId>, at: Timestamp) -> Option<&StandardId> {
    latest(line, at).map(|(_, standard)| standard)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::fact::FactId;

    fn at(day: i8) -> Timestamp {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn stamped(day: i8, standard: &str) -> (Stamp, StandardId) {
        let id = FactId { writer: "w".into(), day: date(2026, 3, day), number: 1 };
        ((at(day), at(day), id), standard.into())
    }

    #[test]
    fn a_scope_that_went_first_counts_until_everything_changes_over() {
        let mut channel = Channel::default();
        channel.required.extend([stamped(1, "s/1"), stamped(5, "s/2"), stamped(20, "s/3")]);
        let spoken = &mut channel.spoken;
        spoken.entry("*".to_owned()).or_default().extend([
            stamped(1, "s/1"),
            stamped(10, "s/2"),
            stamped(21, "s/3"),
        ]);
        spoken.entry("department=a".to_owned()).or_default().extend([stamped(8, "s/2")]);
        for (day, lapses) in
            [(2, false), (6, true), (9, true), (11, false), (20, true), (22, false)]
        {
            assert_eq!(channel.lapses_at(at(day)), lapses, "on the {day}th");
        }
    }
}
