//! When bulletins are written by themselves: `monday 09:00`, `day 3 09:00`.
//!
//! Nothing is remembered but the bulletins: at its time each is written unless its folder is there
//! already. So a restart writes none twice, and one that was missed while the daemon was down is
//! written when it comes up, until the next is due.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Deserializer, de};

use super::period::{Form, Period};

/// When each form is written; what has no time is not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// On which day of the following week.
    pub weekly: Option<OfWeek>,
    /// On which day of the following month.
    pub monthly: Option<OfMonth>,
    /// On which day of the month that follows the quarter.
    pub quarterly: Option<OfMonth>,
}

/// `monday 09:00`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OfWeek {
    weekday: Weekday,
    time: Time,
}

/// `day 3 09:00`: up to the 28th, which every month has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OfMonth {
    day: i8,
    time: Time,
}

/// A bulletin that is to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scheduled {
    /// Which.
    pub period: Period,
    /// Since when: what is recorded later does not enter it.
    pub at: Timestamp,
}

impl Times {
    /// Of each form the last one that was to be written by `now`.
    pub fn last(&self, now: Timestamp, zone: &TimeZone) -> Vec<Scheduled> {
        Form::ALL.into_iter().filter_map(|form| self.of(form, now, zone)).collect()
    }

    fn of(&self, form: Form, now: Timestamp, zone: &TimeZone) -> Option<Scheduled> {
        let today = zone.to_datetime(now).date();
        // The period that runs, then the one before: the time in it may still be to come.
        let mut following = Period::of(form, today);
        for _ in 0..2 {
            let at = self.within(following)?;
            let at = zone.to_timestamp(at).ok()?;
            if at <= now {
                return Some(Scheduled { period: following.before(), at });
            }
            following = following.before();
        }
        None
    }

    /// The time within the period that follows the one that is written about.
    fn within(&self, following: Period) -> Option<DateTime> {
        let first = following.first();
        match following.form {
            Form::Weekly => {
                let weekly = self.weekly?;
                let days = i64::from(weekly.weekday.since(Weekday::Monday));
                Some(later(first, days)?.to_datetime(weekly.time))
            }
            Form::Monthly => of_month(first, self.monthly?),
            Form::Quarterly => of_month(first, self.quarterly?),
        }
    }
}

fn of_month(first: Date, at: OfMonth) -> Option<DateTime> {
    Some(later(first, i64::from(at.day) - 1)?.to_datetime(at.time))
}

fn later(day: Date, days: i64) -> Option<Date> {
    day.checked_add(Span::new().days(days)).ok()
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// `09:00`, with both its zeros.
fn time(text: &str) -> Option<Time> {
    let is_written = text.len() == 5 && text.as_bytes().get(2) == Some(&b':');
    text.parse().ok().filter(|_| is_written)
}

impl<'de> Deserialize<'de> for OfWeek {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (day, clock) = text.split_once(' ')?;
            let (_, weekday) = WEEKDAYS.iter().find(|(word, _)| *word == day)?;
            Some(Self { weekday: *weekday, time: time(clock)? })
        };
        read().ok_or_else(|| de::Error::custom("is a day and a time: \"monday 09:00\""))
    }
}

impl<'de> Deserialize<'de> for OfMonth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (day, clock) = text.strip_prefix("day ")?.split_once(' ')?;
            let day = day.parse().ok().filter(|day| (1..=28).contains(day))?;
            Some(Self { day, time: time(clock)? })
        };
        read().ok_or_else(|| de::Error::custom("is a day up to 28 and a time: \"day 3 09:00\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(now: &str) -> Vec<String> {
        let settings: super::super::settings::Settings = toml::from_str(
            "weekly = \"monday 09:00\"\nmonthly = \"day 3 09:30\"\nquarterly = \"day 5 14:00\"",
        )
        .unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let now = zone.to_timestamp(now.parse().unwrap()).unwrap();
        let told = |it: &Scheduled| format!("{} {}", it.period.name(), zone.to_datetime(it.at));
        settings.times().last(now, &zone).iter().map(told).collect()
    }

    #[test]
    fn of_each_form_the_last_one_is_due_at_its_time_and_until_the_next() {
        assert_eq!(
            last("2026-11-23T08:59:59"),
            [
                "2026-W46 2026-11-16T09:00:00",
                "2026-10 2026-11-03T09:30:00",
                "2026-Q3 2026-10-05T14:00:00"
            ]
        );
        assert_eq!(last("2026-11-23T09:00:00")[0], "2026-W47 2026-11-23T09:00:00");
        assert_eq!(last("2026-11-29T23:00:00")[0], "2026-W47 2026-11-23T09:00:00");
        assert_eq!(
            last("2027-01-03T12:00:00"),
            [
                "2026-W52 2026-12-28T09:00:00",
                "2026-12 2027-01-03T09:30:00",
                "2026-Q3 2026-10-05T14:00:00"
            ]
        );
    }

    #[test]
    fn what_has_no_time_is_never_due() {
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        assert!(Times::default().last(now, &TimeZone::UTC).is_empty());
    }
}
