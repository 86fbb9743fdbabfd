//! Working days and update cycles (更新周期): by when a dataset's next content must be there.
//!
//! A [`Calendar`] is a file of facts that the operator keeps (`config/calendar/cn.toml`): the State
//! Council publishes each year's holidays and make-up working days in the autumn before. A year
//! that the file lacks is *provisional*: Monday to Friday, and whatever was counted in it says so.
//!
//! ```toml
//! [year.2026]
//! source = "where the facts come from"
//! off = ["2026-01-01..2026-01-03"]        # a day, or a run of days with both ends
//! work = ["2026-01-04"]                   # days of a weekend on which people work
//! ```

mod cycle;
mod deadline;

pub use cycle::{Cycle, NotComputable, Unit};
pub use deadline::{Deadline, Grace, end_of_day, moment};

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

/// Which days are working days.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calendar {
    /// Official years with their source.
    years: BTreeMap<i16, String>,
    off: BTreeSet<Date>,
    work: BTreeSet<Date>,
}

/// A day that was counted to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counted {
    /// The day.
    pub date: Date,
    /// A day that was counted lies in a year without an official calendar.
    pub is_provisional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    year: BTreeMap<String, Year>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    source: String,
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    work: Vec<String>,
}

impl Calendar {
    /// The most working days that are counted in one go: about twenty years.
    pub const MOST_DAYS: u32 = 5000;

    /// Reads a calendar. Tells every mistake with its place, lower case and without a dot.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut calendar = Self::default();
        let mut problems = Vec::new();
        for (name, year) in file.year {
            let Some(number) = name.parse().ok().filter(|year| (1990..=2200).contains(year)) else {
                problems.push(format!("year.{name}: is no year"));
                continue;
            };
            if year.source.trim().is_empty() {
                problems.push(format!("year.{name}.source: is empty"));
            }
            for (key, runs) in [("off", &year.off), ("work", &year.work)] {
                for run in runs {
                    match days(run, number) {
                        Ok(days) if key == "off" => calendar.off.extend(days),
                        Ok(days) => calendar.work.extend(days),
                        Err(message) => problems.push(format!("year.{name}.{key}: {message}")),
                    }
                }
            }
            calendar.years.insert(number, year.source);
        }
        for day in calendar.off.intersection(&calendar.work) {
            problems.push(format!("year.{}: {day} is both off and work", day.year()));
        }
        if problems.is_empty() { Ok(calendar) } else { Err(problems) }
    }

    /// No official year at all: Monday to Friday, always provisional.
    pub fn provisional() -> Self {
        Self::default()
    }

    /// Whether people work on this day.
    pub fn is_working(&self, day: Date) -> bool {
        let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        if is_weekend { self.work.contains(&day) } else { !self.off.contains(&day) }
    }

    /// Whether this day's year has no official calendar.
    pub fn is_provisional(&self, day: Date) -> bool {
        !self.years.contains_key(&day.year())
    }

    /// Where an official year's facts come from.
    pub fn source(&self, year: i16) -> Option<&str> {
        self.years.get(&year).map(String::as_str)
    }

    /// The last official year: when it is the current one and autumn has come, the next one's
    /// notice should be entered.
    pub fn last_year(&self) -> Option<i16> {
        self.years.keys().next_back().copied()
    }

    /// The working day that is `count` working days after `from` ("within 10 working days": the
    /// day of `from` does not count). With 0, `from` itself. At most [`Calendar::MOST_DAYS`].
    pub fn add_working_days(&self, from: Date, count: u32) -> Counted {
        let mut counted = Counted { date: from, is_provisional: false };
        let mut left = count.min(Self::MOST_DAYS);
        while left > 0 {
            let Ok(next) = counted.date.tomorrow() else { return counted };
            counted.date = next;
            counted.is_provisional |= self.is_provisional(next);
            left -= u32::from(self.is_working(next));
        }
        counted
    }
}

/// The days of `2026-01-01` or `2026-01-01..2026-01-03`, all in `year`.
fn days(run: &str, year: i16) -> Result<Vec<Date>, String> {
    let (first, last) = run.split_once("..").unwrap_or((run, run));
    let day = |text: &str| match text.trim().parse::<Date>() {
        Ok(day) if day.year() == year => Ok(day),
        Ok(day) => Err(format!("{day} is not in {year}")),
        Err(_bad) => Err(format!("`{text}` is no date (`{year}-01-01`)")),
    };
    let (first, last) = (day(first)?, day(last)?);
    if last < first {
        return Err(format!("`{run}` ends before it begins"));
    }
    Ok(first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).collect())
}

#[cfg(test)]
pub(crate) fn shipped() -> Calendar {
    Calendar::parse(include_str!("../../config/calendar/cn.toml")).unwrap()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shipped_years_have_the_official_number_of_working_days() {
        let calendar = shipped();
        for (year, expect) in [(2024, 251), (2025, 248), (2026, 248)] {
            let days = date(year, 1, 1).series(jiff::Span::new().days(1));
            let count = days
                .take_while(|day| day.year() == year)
                .filter(|day| calendar.is_working(*day))
                .count();
            assert_eq!(count, expect, "{year}");
            assert!(calendar.source(year).unwrap().contains("国务院办公厅"));
        }
        assert_eq!(calendar.last_year(), Some(2026));
    }

    /// The generated twin that always runs is the count above.
    #[test]
    fn the_shipped_days_are_those_of_the_public_calendar() {
        let root = std::env::var("CASCADED_SHARED_DATA").unwrap_or("../shared/data".to_owned());
        let calendar = shipped();
        for year in 2024..=2026 {
            let path = format!("{root}/working-days/{year}.json");
            let Ok(text) = std::fs::read_to_string(&path) else {
                println!(
                    "not run, {path} is absent: the_shipped_days_are_those_of_the_public_calendar"
                );
                return;
            };
            let file: serde_json::Value = serde_json::from_str(&text).unwrap();
            let named = file["days"].as_array().unwrap();
            for day in date(year, 1, 1).series(jiff::Span::new().days(1)).take(366) {
                let found = named.iter().find(|named| named["date"] == day.to_string());
                let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                let expect = found.map_or(is_weekend, |named| named["isOffDay"] == true);
                assert!(day.year() != year || calendar.is_working(day) != expect, "{day}");
            }
        }
    }

    #[test]
    fn holidays_make_up_days_and_the_unknown_year() {
        let calendar = shipped();
        for (from, count, to, is_provisional) in [
            // Spring Festival 2026 runs from 15 to 23 February, people work on Saturday the 28th.
            (date(2026, 2, 13), 1, date(2026, 2, 14), false),
            (date(2026, 2, 14), 1, date(2026, 2, 24), false),
            (date(2026, 2, 27), 1, date(2026, 2, 28), false),
            // National Day 2026.
            (date(2026, 9, 30), 1, date(2026, 10, 8), false),
            (date(2026, 9, 30), 3, date(2026, 10, 10), false),
            // New Year 2027 is not official yet.
            (date(2026, 12, 31), 0, date(2026, 12, 31), false),
            (date(2026, 12, 31), 1, date(2027, 1, 1), true),
            (date(2026, 12, 30), 1, date(2026, 12, 31), false),
            (date(2027, 2, 5), 1, date(2027, 2, 8), true),
            // The leap day is a Thursday.
            (date(2024, 2, 28), 1, date(2024, 2, 29), false),
            (date(2026, 3, 6), 1, date(2026, 3, 9), false),
        ] {
            let counted = calendar.add_working_days(from, count);
            assert_eq!(counted, Counted { date: to, is_provisional }, "{from} + {count}");
        }
    }

    #[test]
    fn every_mistake_of_a_calendar_is_told() {
        let problems = Calendar::parse(
            "[year.2026]\nsource = \"\"\noff = [\"2026-02-30\", \"2025-01-01\", \"2026-01-03\", \
             \"2026-01-09..2026-01-08\"]\nwork = [\"2026-01-03\"]\n[year.soon]\nsource = \"x\"",
        );
        assert_eq!(
            problems.unwrap_err(),
            [
                "year.2026.source: is empty",
                "year.2026.off: `2026-02-30` is no date (`2026-01-01`)",
                "year.2026.off: 2025-01-01 is not in 2026",
                "year.2026.off: `2026-01-09..2026-01-08` ends before it begins",
                "year.soon: is no year",
                "year.2026: 2026-01-03 is both off and work",
            ]
        );
        assert!(Calendar::parse("[yaer]").unwrap_err()[0].contains("unknown field `yaer`"));
    }

    proptest! {
        #[test]
        fn counting_in_two_steps_is_counting_in_one(day in 0_i64..1500, a in 0_u32..40, b in 0_u32..40) {
            let calendar = shipped();
            let from = date(2023, 11, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            let once = calendar.add_working_days(from, a + b).date;
            let half = calendar.add_working_days(from, a).date;
            prop_assert_eq!(calendar.add_working_days(half, b).date, once);
            prop_assert!(a + b == 0 || calendar.is_working(once));
        }
    }
}
