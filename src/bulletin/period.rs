//! Which week, month or quarter a bulletin is about, and at which instants it looks.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::calendar::{Calendar, end_of_day};
use crate::indicator::scheme::{Month, Scheme};

/// Weekly bulletin, monthly assessment, quarterly meeting (周通报、月考评、季调度).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// A bulletin of a week, from Monday to Sunday.
    Weekly,
    /// The assessment of a month of the scheme.
    Monthly,
    /// The paper of a quarter's meeting: three months of the scheme.
    Quarterly,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Weekly, Self::Monthly, Self::Quarterly];

    /// The word in commands, settings and names of files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
        }
    }
}

/// A week, a month or a quarter.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Period {
    /// Which of them.
    pub form: Form,
    /// Its first day: a Monday, or the first of a month.
    first: Date,
}

impl Period {
    /// The one that a day lies in.
    pub fn of(form: Form, day: Date) -> Self {
        let first = match form {
            Form::Weekly => {
                let week = day.iso_week_date();
                ISOWeekDate::new(week.year(), week.week(), Weekday::Monday)
                    .map_or(day, ISOWeekDate::date)
            }
            Form::Monthly => day.first_of_month(),
            Form::Quarterly => {
                let back = i64::from((day.month() - 1) % 3);
                let first = day.first_of_month();
                first.checked_sub(Span::new().months(back)).unwrap_or(first)
            }
        };
        Self { form, first }
    }

    /// Reads `2026-W47`, `2026-10` or `2026-Q3`, as its form writes it.
    pub fn parse(form: Form, text: &str) -> Option<Self> {
        let read = match form {
            Form::Weekly => {
                let (year, week) = text.split_once("-W")?;
                let (year, week) = (year.parse().ok()?, week.parse().ok()?);
                ISOWeekDate::new(year, week, Weekday::Monday).ok()?.date()
            }
            Form::Monthly => Month::parse(text)?.first(),
            Form::Quarterly => {
                let (year, quarter) = text.split_once("-Q")?;
                let quarter: i8 = quarter.parse().ok().filter(|it| (1..=4).contains(it))?;
                Date::new(year.parse().ok()?, quarter * 3 - 2, 1).ok()?
            }
        };
        let period = Self { form, first: read };
        // Only the one canonical spelling: `2026-W7` names nothing.
        (period.name() == text && (1990..=2200).contains(&read.year())).then_some(period)
    }

    /// The last one that had ended when `day` began.
    pub fn ended(form: Form, day: Date) -> Self {
        Self::of(form, day).before()
    }

    /// The one before.
    pub fn before(self) -> Self {
        let day = self.first.yesterday().unwrap_or(self.first);
        Self::of(self.form, day)
    }

    /// `2026-W47`, `2026-10` or `2026-Q3`.
    pub fn name(self) -> String {
        match self.form {
            Form::Weekly => {
                let week = self.first.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Form::Monthly => Month::of(self.first).to_string(),
            Form::Quarterly => format!("{:04}-Q{}", self.first.year(), self.quarter()),
        }
    }

    /// Which quarter of its year its first day lies in.
    pub fn quarter(self) -> i8 {
        (self.first.month() + 2) / 3
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// Its last day.
    pub fn last(self) -> Date {
        let span = match self.form {
            Form::Weekly => Span::new().weeks(1),
            Form::Monthly => Span::new().months(1),
            Form::Quarterly => Span::new().months(3),
        };
        let next = self.first.checked_add(span).unwrap_or(self.first);
        next.yesterday().unwrap_or(self.first)
    }

    /// At which instants it looks: the ends of its months, or the end of its week. An instant later
    /// than `now` is now.
    pub fn looks(self, scheme: &Scheme, now: Timestamp) -> Vec<Look> {
        let of = |month: Month| {
            let window = scheme.period.window(month, &Calendar::provisional());
            Look { month, from: window.from, to: window.to.min(now) }
        };
        let mut looks = match self.form {
            Form::Monthly => vec![of(Month::of(self.first))],
            Form::Quarterly => {
                let first = Month::of(self.first);
                vec![of(first), of(first.after()), of(first.after().after())]
            }
            Form::Weekly => {
                let zone = &scheme.period.zone;
                let to = end_of_day(self.last(), zone).min(now);
                let from = start_of_day(self.first, zone);
                vec![Look { month: month_until(scheme, to), from, to }]
            }
        };
        looks.retain(|look| look.from < look.to);
        looks
    }
}

/// An instant at which everything is looked at, and since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    /// The scheme's month that is judged.
    pub month: Month,
    /// What was carried is counted from here …
    pub from: Timestamp,
    /// … until here, which is the first instant that no longer counts.
    pub to: Timestamp,
}

/// The scheme's month that runs until after the last instant before `to`.
fn month_until(scheme: &Scheme, to: Timestamp) -> Month {
    let month = Month::of(day_before(to, &scheme.period.zone));
    let window = scheme.period.window(month, &Calendar::provisional());
    if to <= window.to { month } else { month.after() }
}

/// The day of the last instant before `to`.
pub fn day_before(to: Timestamp, zone: &TimeZone) -> Date {
    let last = to.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(to);
    zone.to_datetime(last).date()
}

fn start_of_day(day: Date, zone: &TimeZone) -> Timestamp {
    zone.to_zoned(day.into()).map_or(Timestamp::MIN, |start| start.timestamp())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn periods_have_one_name_each_and_follow_one_another() {
        for (form, day, name, first, last, before) in [
            (Form::Weekly, date(2026, 11, 22), "2026-W47", "2026-11-16", "2026-11-22", "2026-W46"),
            (Form::Weekly, date(2027, 1, 2), "2026-W53", "2026-12-28", "2027-01-03", "2026-W52"),
            (Form::Monthly, date(2026, 3, 31), "2026-03", "2026-03-01", "2026-03-31", "2026-02"),
            (Form::Quarterly, date(2026, 3, 1), "2026-Q1", "2026-01-01", "2026-03-31", "2025-Q4"),
            (Form::Quarterly, date(2026, 12, 9), "2026-Q4", "2026-10-01", "2026-12-31", "2026-Q3"),
        ] {
            let period = Period::of(form, day);
            assert_eq!(period.name(), name);
            assert_eq!(
                (period.first().to_string(), period.last().to_string()),
                (first.into(), last.into())
            );
            assert_eq!(period.before().name(), before);
            assert_eq!(Period::ended(form, day).name(), before);
            assert_eq!(Period::parse(form, name), Some(period));
        }
        for (form, text) in [
            (Form::Weekly, "2026-W54"),
            (Form::Weekly, "2026-W7"),
            (Form::Weekly, "2026-11"),
            (Form::Monthly, "2026-13"),
            (Form::Quarterly, "2026-Q5"),
            (Form::Quarterly, "2026-Q0"),
            (Form::Quarterly, "-Q1"),
        ] {
            assert_eq!(Period::parse(form, text), None, "{text}");
        }
    }

    #[test]
    fn a_period_looks_at_the_ends_of_its_scheme_s_months_and_never_into_the_future() {
        let text = include_str!("../../config/schemes/model-2026.toml");
        let scheme = Scheme::parse("model", &text.replace("last day", "day 25")).unwrap();
        let looks = |form, name, now: &str| -> Vec<String> {
            let looks = Period::parse(form, name).unwrap().looks(&scheme, now.parse().unwrap());
            looks.iter().map(|it| format!("{} {} {}", it.month, it.from, it.to)).collect()
        };
        assert_eq!(
            looks(Form::Quarterly, "2026-Q1", "2026-02-10T00:00:00Z"),
            [
                "2026-01 2025-12-25T16:00:00Z 2026-01-25T16:00:00Z",
                "2026-02 2026-01-25T16:00:00Z 2026-02-10T00:00:00Z",
            ]
        );
        // After the cut-off of the 25th a week belongs to the next month.
        let week = looks(Form::Weekly, "2026-W22", "2027-01-01T00:00:00Z");
        assert_eq!(week, ["2026-06 2026-05-24T16:00:00Z 2026-05-31T16:00:00Z"]);
        assert!(looks(Form::Monthly, "2026-12", "2026-01-01T00:00:00Z").is_empty());
    }
}
