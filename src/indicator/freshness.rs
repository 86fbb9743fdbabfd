//! Freshness (鲜活度): whether what the province holds of a dataset is as new as was promised.
//!
//! Three clocks, because each alone can be fooled:
//!
//! * **business**: the newest business time in the data. A column that is touched on every
//!   publishing moves it although nothing happened.
//! * **changed**: the last real change, seen in the rows' hashes.
//! * **confirmed**: the last time the province confirmed a change that was new to it.
//!
//! What stands above is no newer than the *oldest* of those that are known. So touching a timestamp
//! moves nothing (the rows' other columns did not change), sending the same rows again moves
//! nothing (nothing was confirmed that was new), and reloading an old table moves nothing (its
//! business time is old). A business time in the future is no time at which anything happened and
//! is passed over.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, Cycle, Deadline, Grace, NotComputable};

/// What a dataset promises.
#[derive(Clone, Copy, Debug)]
pub struct Promise<'a> {
    /// Its declared update cycle.
    pub cycle: Cycle,
    /// How much later it may be.
    pub grace: Grace,
    /// The zone its days are in.
    pub zone: &'a TimeZone,
    /// Which days are working days.
    pub calendar: &'a Calendar,
}

/// What the three clocks show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Clocks {
    /// The newest business time in the data; a mere date counts as its
    /// [`end_of_day`](crate::calendar::end_of_day), unless that is still to come.
    pub business: Option<Timestamp>,
    /// The last time a row was new, gone or had another hash; the hash must leave out columns that
    /// are touched without meaning.
    pub changed: Option<Timestamp>,
    /// The last time the province confirmed such a change, with the declared evidence. A resend of
    /// rows it had confirmed before does not count.
    pub confirmed: Option<Timestamp>,
}

/// Where a dataset stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Newer than its cycle asks.
    Fresh,
    /// Its cycle has ended, or four fifths of the time to its deadline have passed.
    DueSoon,
    /// Its deadline has passed.
    Overdue {
        /// The deadline.
        since: Timestamp,
    },
    /// No deadline follows from what is declared or known.
    NotComputable {
        /// Why.
        why: Why,
    },
    /// The province never confirmed anything of it.
    Never,
}

impl State {
    /// The stable word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::DueSoon => "due-soon",
            Self::Overdue { .. } => "overdue",
            Self::NotComputable { .. } => "not-computable",
            Self::Never => "never",
        }
    }
}

/// Why freshness cannot be computed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// The declared cycle gives no deadline.
    Cycle(NotComputable),
    /// Neither business time nor a real change is known: a confirmation alone says nothing.
    NoContentClock,
}

impl Why {
    /// The stable word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cycle(why) => why.as_str(),
            Self::NoContentClock => "no-content-clock",
        }
    }
}

/// How fresh a dataset is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Freshness {
    /// Where it stands.
    pub state: State,
    /// How new what stands above is, where that is known.
    pub content: Option<Timestamp>,
    /// By when newer content must be confirmed.
    pub deadline: Option<Deadline>,
    /// Time since `content`; never negative.
    pub age: Option<SignedDuration>,
}

/// How fresh a dataset is at `now`.
pub fn freshness(promise: Promise<'_>, clocks: Clocks, now: Timestamp) -> Freshness {
    let bare = |state| Freshness { state, content: None, deadline: None, age: None };
    let Some(confirmed) = clocks.confirmed else { return bare(State::Never) };
    let business = clocks.business.filter(|business| *business <= now);
    let content = match (business, clocks.changed) {
        (Some(business), Some(changed)) => business.min(changed),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return bare(State::NotComputable { why: Why::NoContentClock }),
    };
    let content = content.min(confirmed).min(now);
    let age = Some(now.duration_since(content));
    let deadline =
        promise.calendar.deadline_after(content, promise.cycle, promise.grace, promise.zone);
    match deadline {
        Ok(deadline) => {
            let state = state(content, deadline, now);
            Freshness { state, content: Some(content), deadline: Some(deadline), age }
        }
        Err(why) => {
            let state = State::NotComputable { why: Why::Cycle(why) };
            Freshness { state, content: Some(content), deadline: None, age }
        }
    }
}

fn state(content: Timestamp, deadline: Deadline, now: Timestamp) -> State {
    if now > deadline.at {
        return State::Overdue { since: deadline.at };
    }
    let room = deadline.at.duration_since(content).as_nanos();
    let passed = now.duration_since(content).as_nanos();
    if now > deadline.wanted || passed > room / 5 * 4 { State::DueSoon } else { State::Fresh }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instant(local: &str) -> Timestamp {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        zone.to_timestamp(local.parse().unwrap()).unwrap()
    }

    /// A daily dataset with one working day of grace.
    fn daily(clocks: Clocks, now: Timestamp) -> Freshness {
        let calendar = crate::calendar::shipped();
        let promise = Promise {
            cycle: Cycle::parse("每日"),
            grace: Grace { percent: 0, working_days: 1 },
            zone: &TimeZone::get("Asia/Shanghai").unwrap(),
            calendar: &calendar,
        };
        freshness(promise, clocks, now)
    }

    fn clocks(business: &str, changed: &str, confirmed: &str) -> Clocks {
        let at = |text: &str| (!text.is_empty()).then(|| instant(text));
        Clocks { business: at(business), changed: at(changed), confirmed: at(confirmed) }
    }

    #[test]
    fn a_dataset_goes_from_fresh_to_overdue() {
        let clocks = clocks("2026-11-17T00:00:00", "2026-11-17T02:00:00", "2026-11-17T02:05:00");
        let at = |now: &str| daily(clocks, instant(now));
        assert_eq!(at("2026-11-17T12:00:00").state, State::Fresh);
        assert_eq!(at("2026-11-18T00:00:01").state, State::DueSoon);
        // Wanted on Wednesday; the grace is Thursday.
        assert_eq!(at("2026-11-20T00:00:00").state, State::DueSoon);
        let since = instant("2026-11-20T00:00:00");
        let late = at("2026-11-21T00:00:00");
        assert_eq!(late.state, State::Overdue { since });
        assert_eq!(late.age, Some(SignedDuration::from_hours(96)));
        assert_eq!(late.deadline.map(|deadline| deadline.at), Some(since));
    }

    #[test]
    fn the_oldest_clock_counts() {
        let now = instant("2026-11-20T12:00:00");
        let (old, new) = ("2026-11-10T08:00:00", "2026-11-20T08:00:00");
        for (business, changed, confirmed) in
            [(old, new, new), (new, old, new), (new, new, old), ("", old, new), (old, "", new)]
        {
            let freshness = daily(clocks(business, changed, confirmed), now);
            assert_eq!(freshness.content, Some(instant(old)), "{business} {changed} {confirmed}");
            assert!(matches!(freshness.state, State::Overdue { .. }));
        }
        assert_eq!(daily(clocks(new, new, new), now).state, State::Fresh);
    }

    #[test]
    fn a_business_time_of_tomorrow_makes_nothing_fresh() {
        let now = instant("2026-11-20T12:00:00");
        let tomorrow = "2026-11-21T00:00:00";
        let with = daily(clocks(tomorrow, "2026-11-10T08:00:00", "2026-11-20T08:00:00"), now);
        assert!(matches!(with.state, State::Overdue { .. }));
        let alone = daily(clocks(tomorrow, "", "2026-11-20T08:00:00"), now);
        assert_eq!(alone.state, State::NotComputable { why: Why::NoContentClock });
    }

    #[test]
    fn what_was_never_confirmed_and_what_has_no_cycle_are_told_apart() {
        let now = instant("2026-11-20T12:00:00");
        assert_eq!(daily(clocks("2026-11-20T08:00:00", "", ""), now).state, State::Never);
        let calendar = Calendar::provisional();
        let promise = Promise {
            cycle: Cycle::parse("每 null null"),
            grace: Grace::default(),
            zone: &TimeZone::UTC,
            calendar: &calendar,
        };
        let at = "2026-11-20T08:00:00";
        let freshness = freshness(promise, clocks(at, at, at), now);
        let why = Why::Cycle(NotComputable::Unreadable);
        assert_eq!(freshness.state, State::NotComputable { why });
        assert_eq!(freshness.age, Some(SignedDuration::from_hours(4)));
    }

    proptest! {
        #[test]
        fn touching_and_resending_make_nothing_fresher(
            business in 0_i64..100, changed in 0_i64..100, confirmed in 0_i64..100,
            touched in 0_i64..200, resent in 0_i64..200,
        ) {
            let day = |day: i64| Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap();
            let now = day(210);
            let clocks = Clocks {
                business: Some(day(business)),
                changed: Some(day(changed)),
                confirmed: Some(day(confirmed)),
            };
            let before = daily(clocks, now);
            // The time column moves, the rows' hashes do not.
            let touch = Clocks { business: Some(day(business.max(touched))), ..clocks };
            prop_assert!(daily(touch, now).content <= Some(day(changed)));
            // The rows go out again: the caller's clock does not move, and if it did, the content
            // would still be no newer than the rows.
            let resend = Clocks { confirmed: Some(day(confirmed.max(resent))), ..clocks };
            prop_assert!(daily(resend, now).content <= Some(day(business.min(changed))));
            prop_assert_eq!(before.content, Some(day(business.min(changed).min(confirmed))));
        }
    }
}
