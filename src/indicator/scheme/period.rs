//! Months of a scheme: when they are cut off, published and final.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::calendar::{Calendar, end_of_day};

/// A calendar month.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Month {
    /// Its first day.
    first: Date,
}

impl Month {
    /// The month of a day.
    pub fn of(day: Date) -> Self {
        Self { first: day.first_of_month() }
    }

    /// Reads `2022-03`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 7 {
            return None;
        }
        let first: Date = format!("{text}-01").parse().ok()?;
        (first.year() >= 1990 && first.year() <= 2200).then_some(Self { first })
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.first.last_of_month()
    }

    /// The month before.
    pub fn before(self) -> Self {
        Self { first: self.first.checked_sub(Span::new().months(1)).unwrap_or(self.first) }
    }

    /// The month after.
    pub fn after(self) -> Self {
        Self { first: self.first.checked_add(Span::new().months(1)).unwrap_or(self.first) }
    }

    /// Its day `day`, or its last where it has none such.
    fn day(self, day: u8) -> Date {
        let days = i64::from(day).saturating_sub(1);
        let wanted = self.first.checked_add(Span::new().days(days)).unwrap_or(self.last());
        wanted.min(self.last())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// The end of which day cuts a month off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CutOff {
    /// Its last day.
    LastDay,
    /// That day; its last where it has none such.
    Day(u8),
}

impl CutOff {
    /// Reads `last day` or `day 25`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "last day" {
            return Some(Self::LastDay);
        }
        let day: u8 = text.strip_prefix("day ")?.parse().ok()?;
        (1..=31).contains(&day).then_some(Self::Day(day))
    }

    fn of(self, month: Month) -> Date {
        match self {
            Self::LastDay => month.last(),
            Self::Day(day) => month.day(day),
        }
    }
}

/// So many days later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Later {
    /// Days of the calendar.
    Days(u16),
    /// Working days.
    WorkingDays(u16),
}

impl Later {
    /// Reads `+5 working days` or `+10 days`; at most 250.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix('+')?.splitn(2, ' ');
        let count: u16 = words.next()?.parse().ok().filter(|count| *count <= 250)?;
        match words.next()? {
            "days" => Some(Self::Days(count)),
            "working days" => Some(Self::WorkingDays(count)),
            _ => None,
        }
    }

    fn after(self, day: Date, calendar: &Calendar) -> (Date, bool) {
        match self {
            Self::Days(count) => {
                (day.checked_add(Span::new().days(i64::from(count))).unwrap_or(day), false)
            }
            Self::WorkingDays(count) => {
                let counted = calendar.add_working_days(day, u32::from(count));
                (counted.date, counted.is_provisional)
            }
        }
    }
}

/// When a scheme holds and how its months run.
#[derive(Clone, Debug)]
pub struct Period {
    /// The first month.
    pub from: Month,
    /// The last month, where it is known.
    pub to: Option<Month>,
    /// The end of which day cuts a month off.
    pub cut_off: CutOff,
    /// How long after the cut-off the province publishes.
    pub publication: Later,
    /// How long after publication the city may appeal.
    pub appeal: Later,
    /// The zone of its days.
    pub zone: TimeZone,
}

/// One month of a scheme.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// From the end of the cut-off before …
    pub from: Timestamp,
    /// … until its own, which is the first instant that no longer counts.
    pub to: Timestamp,
    /// The day on which the province publishes.
    pub published: Date,
    /// The last day to appeal.
    pub appeal_until: Date,
    /// Working days of a year without an official calendar were counted.
    pub is_provisional: bool,
}

impl Period {
    /// Whether the scheme holds in `month`.
    pub fn holds_in(&self, month: Month) -> bool {
        self.from <= month && self.to.is_none_or(|to| month <= to)
    }

    /// How `month` runs.
    pub fn window(&self, month: Month, calendar: &Calendar) -> Window {
        let last = self.cut_off.of(month);
        let before = self.cut_off.of(month.before());
        let (published, first) = self.publication.after(last, calendar);
        let (appeal_until, second) = self.appeal.after(published, calendar);
        Window {
            from: end_of_day(before, &self.zone),
            to: end_of_day(last, &self.zone),
            published,
            appeal_until,
            is_provisional: first || second,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn period(cut_off: &str, publication: &str, appeal: &str) -> Period {
        Period {
            from: Month::parse("2022-01").unwrap(),
            to: None,
            cut_off: CutOff::parse(cut_off).unwrap(),
            publication: Later::parse(publication).unwrap(),
            appeal: Later::parse(appeal).unwrap(),
            zone: TimeZone::get("Asia/Shanghai").unwrap(),
        }
    }

    #[test]
    fn a_month_runs_from_cut_off_to_cut_off_and_is_appealed_on_working_days() {
        let calendar = crate::calendar::shipped();
        for (month, cut_off, to, published, appeal_until, is_provisional) in [
            ("2026-01", "last day", "2026-02-01T00:00", date(2026, 2, 3), date(2026, 2, 9), false),
            // Spring Festival: from the 15th to the 23rd nobody works, on Saturday the 28th all do.
            ("2026-02", "day 10", "2026-02-11T00:00", date(2026, 2, 12), date(2026, 2, 25), false),
            ("2026-02", "day 31", "2026-03-01T00:00", date(2026, 3, 3), date(2026, 3, 9), false),
            ("2024-02", "day 31", "2024-03-01T00:00", date(2024, 3, 4), date(2024, 3, 8), false),
            // New Year 2027 has no official calendar yet.
            ("2026-12", "last day", "2027-01-01T00:00", date(2027, 1, 4), date(2027, 1, 8), true),
            ("2027-02", "last day", "2027-03-01T00:00", date(2027, 3, 2), date(2027, 3, 8), true),
        ] {
            let period = period(cut_off, "+2 working days", "+4 working days");
            let month = Month::parse(month).unwrap();
            let window = period.window(month, &calendar);
            let at = period.zone.to_timestamp(format!("{to}:00").parse().unwrap()).unwrap();
            assert_eq!(window.to, at, "{month} {cut_off}");
            assert_eq!(window.published, published, "{month} {cut_off}");
            assert_eq!(window.appeal_until, appeal_until, "{month} {cut_off}");
            assert_eq!(window.is_provisional, is_provisional, "{month} {cut_off}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["2022-13", "2022-3", "22-03", "2022-03-01", "", "9999-01"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
        for text in ["day 0", "day 32", "last", "25", ""] {
            assert_eq!(CutOff::parse(text), None, "{text}");
        }
        for text in ["5 days", "+5", "+251 days", "+x days", "+5 weeks"] {
            assert_eq!(Later::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn months_follow_one_another_without_gap_or_overlap(at in 0_i32..240, day in 1_u8..=31) {
            let calendar = crate::calendar::shipped();
            let cut_off = format!("day {day}");
            let period = period(&cut_off, "+3 days", "+5 working days");
            let first = date(2015, 1, 1).checked_add(Span::new().months(at)).unwrap();
            let month = Month::of(first);
            let (this, next) = (period.window(month, &calendar), period.window(month.after(), &calendar));
            prop_assert_eq!(this.to, next.from);
            prop_assert!(this.from < this.to);
            prop_assert_eq!(month.after().before(), month);
            prop_assert_eq!(Month::parse(&month.to_string()), Some(month));
        }
    }
}
