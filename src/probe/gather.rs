//! What probes came to, as few facts as tell when an interface was away.

use jiff::Timestamp;

/// The most changes of an hour that get facts of their own; what changes more often is counted
/// together until the hour is over.
pub const MOST_CHANGES: u32 = 12;

/// Probes since the last that was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counted {
    /// When the last of them was made.
    pub at: Timestamp,
    /// How many were answered.
    pub succeeded: u64,
    /// How many were not.
    pub failed: u64,
}

/// Counts the probes of one interface.
///
/// What it tells is told at the end of each hour of the clock, so that no fact spans two days, and
/// at each change: first what was before, then the first probe of what is now. So the first failed
/// probe of an outage and the first answered one after it have facts with their very times. Of each
/// hour it tells at most `2 × MOST_CHANGES + 1` times.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    counted: Option<Counted>,
    is_up: Option<bool>,
    /// The hour of the last probe, and its changes.
    hour: i64,
    changes: u32,
}

impl Gathered {
    /// Takes a probe; gives what is to be told now.
    pub fn take(&mut self, at: Timestamp, is_up: bool) -> Vec<Counted> {
        let mut told = Vec::new();
        if hour(at) != self.hour {
            told.extend(self.counted.take());
            (self.hour, self.changes) = (hour(at), 0);
        }
        let is_change = self.is_up != Some(is_up);
        self.is_up = Some(is_up);
        let (succeeded, failed) = if is_up { (1, 0) } else { (0, 1) };
        if is_change && self.changes < MOST_CHANGES {
            self.changes = self.changes.saturating_add(1);
            told.extend(self.counted.take());
            told.push(Counted { at, succeeded, failed });
            return told;
        }
        let before = self.counted.unwrap_or(Counted { at, succeeded: 0, failed: 0 });
        self.counted = Some(Counted {
            at,
            succeeded: before.succeeded.saturating_add(succeeded),
            failed: before.failed.saturating_add(failed),
        });
        told
    }

    /// What is to be told because its hour is over.
    pub fn over(&mut self, now: Timestamp) -> Option<Counted> {
        if hour(now) > self.hour { self.counted.take() } else { None }
    }

    /// What was not told yet: nobody asks any more.
    pub fn rest(&mut self) -> Option<Counted> {
        self.counted.take()
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_400 / 3_600 * 3_600 + seconds).unwrap()
    }

    #[test]
    fn an_outage_has_its_first_and_its_last_moment() {
        let mut gathered = Gathered::default();
        let mut told = Vec::new();
        for (minute, is_up) in
            [true, true, true, false, false, false, true, true].into_iter().enumerate()
        {
            told.extend(gathered.take(at(60 * i64::try_from(minute).unwrap()), is_up));
        }
        assert_eq!(gathered.over(at(3_599)), None);
        told.extend(gathered.over(at(3_600)));
        let counted =
            |minute: i64, succeeded, failed| Counted { at: at(60 * minute), succeeded, failed };
        assert_eq!(
            told,
            [
                counted(0, 1, 0),
                counted(2, 2, 0),
                counted(3, 0, 1),
                counted(5, 0, 2),
                counted(6, 1, 0),
                counted(7, 1, 0)
            ]
        );
        assert_eq!(gathered.rest(), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_an_hour_has_few_facts(
            probes in prop::collection::vec((1_i64..900, prop::bool::ANY), 1..400),
        ) {
            let (mut gathered, mut told, mut now) = (Gathered::default(), Vec::new(), 0);
            for (pause, is_up) in &probes {
                now += pause;
                told.extend(gathered.over(at(now)));
                told.extend(gathered.take(at(now), *is_up));
            }
            told.extend(gathered.rest());
            let up = probes.iter().filter(|(_, is_up)| *is_up).count();
            let sum = |of: fn(&Counted) -> u64| told.iter().map(of).sum::<u64>();
            prop_assert_eq!(sum(|it| it.succeeded), u64::try_from(up).unwrap());
            prop_assert_eq!(
                sum(|it| it.succeeded + it.failed), u64::try_from(probes.len()).unwrap()
            );
            prop_assert!(told.is_sorted_by_key(|it| it.at));
            // A fact with both says that more changed in its hour than is told.
            let mut hours = std::collections::BTreeMap::<i64, u32>::new();
            for it in &told {
                *hours.entry(hour(it.at)).or_default() += 1;
            }
            prop_assert!(hours.values().all(|facts| *facts <= 2 * MOST_CHANGES + 1));
        }
    }
}
