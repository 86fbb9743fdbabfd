//! By when the next content must be there.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::Deserialize;

use super::{Calendar, Cycle, NotComputable, Unit};

/// How much later than its cycle says a dataset may be. No rule of this is published (facts §6.2
/// marks 10 % and one working day as a guess), so it is a setting.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Grace {
    /// Hundredths of the cycle.
    pub percent: u8,
    /// At least to the end of so many working days; not for cycles counted in minutes or hours.
    pub working_days: u16,
}

impl Grace {
    /// What is wrong with it, lower case and without a dot: a grace longer than the cycle itself,
    /// or than a year, is no grace.
    pub fn problem(self) -> Option<&'static str> {
        if self.percent > 100 {
            Some("percent is at most 100: a whole cycle")
        } else if self.working_days > 250 {
            Some("working_days is at most 250: a year")
        } else {
            None
        }
    }
}

/// A moment by which something must be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadline {
    /// When the cycle ends: from here on, new content is wanted.
    pub wanted: Timestamp,
    /// When the grace ends: from here on it is overdue.
    pub at: Timestamp,
    /// Working days of a year without an official calendar were counted.
    pub is_provisional: bool,
}

/// The end of a day in a zone. Data that knows only its day is as new as that day's last instant.
pub fn end_of_day(day: Date, zone: &TimeZone) -> Timestamp {
    let end = day.tomorrow().ok().and_then(|next| zone.to_zoned(next.into()).ok());
    end.map_or(Timestamp::MAX, |end| end.timestamp())
}

/// A moment as people and databases write it: `2026-11-22T09:00:00+08:00`, `2026-11-22 09:00:00`,
/// `2026-11-22`. A day alone is its end or its beginning; what has no offset is local time of `zone`.
pub fn moment(text: &str, zone: &TimeZone, ends: bool) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if text.len() == 10 {
        let day: Date = text.parse().ok()?;
        return if ends { Some(end_of_day(day, zone)) } else { zone.to_timestamp(day.into()).ok() };
    }
    let local: DateTime = text.replace(' ', "T").parse().ok()?;
    zone.to_timestamp(local).ok()
}

impl Calendar {
    /// By when content newer than `last` must be there. Days, months and years are those of
    /// `zone`: a month after 31 January ends on the last of February at the same time of day.
    pub fn deadline_after(
        &self,
        last: Timestamp,
        cycle: Cycle,
        grace: Grace,
        zone: &TimeZone,
    ) -> Result<Deadline, NotComputable> {
        let (count, unit) = match cycle {
            Cycle::Every(count, unit) => (i64::from(count.get()), unit),
            Cycle::Open(why) => return Err(why),
        };
        let span = match unit {
            Unit::Minute => Span::new().minutes(count),
            Unit::Hour => Span::new().hours(count),
            Unit::Day => Span::new().days(count),
            Unit::Week => Span::new().weeks(count),
            Unit::Month => Span::new().months(count),
            Unit::Year => Span::new().years(count),
            Unit::WorkingDay => Span::new(),
        };
        let local = last.to_zoned(zone.clone());
        let by_span = local.checked_add(span).map_or(Timestamp::MAX, |end| end.timestamp());
        let (wanted, mut is_provisional) = match unit {
            Unit::WorkingDay => self.working_days_after(last, count.unsigned_abs(), zone),
            Unit::Minute | Unit::Hour | Unit::Day | Unit::Week | Unit::Month | Unit::Year => {
                (by_span, false)
            }
        };
        let share = i128::from(grace.percent) * wanted.duration_since(last).as_nanos() / 100;
        let share = SignedDuration::try_from_nanos_i128(share).unwrap_or(SignedDuration::MAX);
        let mut at = wanted.saturating_add(share).unwrap_or(Timestamp::MAX);
        if !matches!(unit, Unit::Minute | Unit::Hour) {
            let days = u64::from(grace.working_days);
            let (by_days, counted_provisionally) = self.working_days_after(wanted, days, zone);
            if by_days > at {
                at = by_days;
                is_provisional |= counted_provisionally;
            }
        }
        Ok(Deadline { wanted, at, is_provisional })
    }

    /// The end of the working day that is so many working days later: such limits run in whole
    /// days, and what starts on a weekend gets no less than what starts on the Friday before.
    fn working_days_after(
        &self,
        from: Timestamp,
        count: u64,
        zone: &TimeZone,
    ) -> (Timestamp, bool) {
        if count == 0 {
            return (from, false);
        }
        let count = u32::try_from(count).unwrap_or(Self::MOST_DAYS);
        let counted = self.add_working_days(zone.to_datetime(from).date(), count);
        (end_of_day(counted.date, zone), counted.is_provisional)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::shipped;
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    fn instant(local: &str) -> Timestamp {
        shanghai().to_timestamp(local.parse().unwrap()).unwrap()
    }

    #[test]
    fn cycles_end_where_a_calendar_says() {
        for (last, cycle, wanted) in [
            ("2026-03-01T08:30:00", "实时", "2026-03-01T09:30:00"),
            ("2026-03-01T08:30:00", "每日", "2026-03-02T08:30:00"),
            ("2026-01-31T08:30:00", "每月", "2026-02-28T08:30:00"),
            ("2024-01-31T08:30:00", "每月", "2024-02-29T08:30:00"),
            ("2024-02-29T08:30:00", "每年", "2025-02-28T08:30:00"),
            ("2025-11-30T00:00:00", "每季度", "2026-02-28T00:00:00"),
            ("2026-08-31T00:00:00", "每半年", "2027-02-28T00:00:00"),
            ("2026-12-25T12:00:00", "每周", "2027-01-01T12:00:00"),
            ("2026-02-13T12:00:00", "每2个工作日", "2026-02-25T00:00:00"),
        ] {
            let calendar = shipped();
            let deadline = calendar
                .deadline_after(instant(last), Cycle::parse(cycle), Grace::default(), &shanghai())
                .unwrap();
            assert_eq!(deadline.wanted, instant(wanted), "{last} {cycle}");
            assert_eq!(deadline.at, deadline.wanted, "no grace was given");
            assert!(!deadline.is_provisional);
        }
    }

    #[test]
    fn grace_is_the_later_of_its_share_and_its_working_days() {
        let grace = Grace { percent: 10, working_days: 1 };
        for (last, cycle, at, is_provisional) in [
            // An hour and six minutes: working days are no measure for hours.
            ("2026-03-06T08:00:00", "实时", "2026-03-06T09:06:00", false),
            // Wanted on Saturday; the next working day is Monday.
            ("2026-03-06T08:00:00", "每日", "2026-03-10T00:00:00", false),
            // Wanted on the eve of National Day; people are back on the 8th.
            ("2026-09-29T08:00:00", "每日", "2026-10-09T00:00:00", false),
            // A tenth of 365 days is more than one working day.
            ("2026-01-05T00:00:00", "每年", "2027-02-10T12:00:00", false),
            // Wanted on New Year 2027, whose calendar nobody has published.
            ("2026-12-31T08:00:00", "每日", "2027-01-05T00:00:00", true),
        ] {
            let calendar = shipped();
            let deadline = calendar
                .deadline_after(instant(last), Cycle::parse(cycle), grace, &shanghai())
                .unwrap();
            assert_eq!(deadline.at, instant(at), "{last} {cycle}");
            assert_eq!(deadline.is_provisional, is_provisional, "{last} {cycle}");
        }
    }

    #[test]
    fn every_cycle_word_of_real_catalogues_has_its_deadline_or_a_reason() {
        let (calendar, zone) = (shipped(), shanghai());
        let working_day = Grace { percent: 0, working_days: 1 };
        for (word, last, wanted, at, is_provisional) in [
            // Into a year whose calendar nobody has published: hours count no working days.
            ("实时", "2026-12-31T23:30", "2027-01-01T00:30", "2027-01-01T00:30", false),
            ("每日", "2026-02-27T08:00", "2026-02-28T08:00", "2026-03-03T00:00", false),
            ("每天", "2028-02-28T08:00", "2028-02-29T08:00", "2028-03-02T00:00", true),
            // Wanted on a Saturday on which people work; the next working day is Monday.
            ("每周", "2026-02-21T08:00", "2026-02-28T08:00", "2026-03-03T00:00", false),
            // Wanted on the eve of it: Saturday the 28th is the working day of grace.
            ("每 2 日", "2026-02-25T08:00", "2026-02-27T08:00", "2026-03-01T00:00", false),
            // Month ends, one of them before a holiday of seven days.
            ("每月", "2026-01-31T08:00", "2026-02-28T08:00", "2026-03-03T00:00", false),
            ("每月", "2026-08-31T08:00", "2026-09-30T08:00", "2026-10-09T00:00", false),
            ("每 3 月", "2026-11-30T08:00", "2027-02-28T08:00", "2027-03-02T00:00", true),
            ("每季度", "2025-11-30T08:00", "2026-02-28T08:00", "2026-03-03T00:00", false),
            ("每半年", "2025-08-31T08:00", "2026-02-28T08:00", "2026-03-03T00:00", false),
            ("每 121 日", "2026-01-01T00:00", "2026-05-02T00:00", "2026-05-07T00:00", false),
            ("每年", "2024-02-29T08:00", "2025-02-28T08:00", "2025-03-04T00:00", false),
            ("每年", "2026-02-10T08:00", "2027-02-10T08:00", "2027-02-12T00:00", true),
            ("每工作日", "2026-02-27T08:00", "2026-03-01T00:00", "2026-03-03T00:00", false),
            ("每3个工作日", "2026-12-30T08:00", "2027-01-05T00:00", "2027-01-07T00:00", true),
        ] {
            let cycle = Cycle::parse(word);
            let local = |text: &str| instant(&format!("{text}:00"));
            let deadline = calendar.deadline_after(local(last), cycle, working_day, &zone);
            let deadline = deadline.unwrap_or_else(|why| panic!("{word}: {why:?}"));
            assert_eq!(deadline.wanted, local(wanted), "{word} after {last}");
            assert_eq!(deadline.at, local(at), "{word} after {last}");
            assert_eq!(deadline.is_provisional, is_provisional, "{word} after {last}");
        }
        for (word, why) in [
            ("不定期", NotComputable::Irregular),
            ("自定义", NotComputable::Custom),
            ("每 null null", NotComputable::Unreadable),
            ("", NotComputable::Missing),
        ] {
            let cycle = Cycle::parse(word);
            let at = instant("2026-03-01T08:00:00");
            assert_eq!(calendar.deadline_after(at, cycle, working_day, &zone), Err(why), "{word}");
        }
    }

    #[test]
    fn no_deadline_follows_from_a_cycle_without_one() {
        let calendar = shipped();
        let deadline = |text| {
            let cycle = Cycle::parse(text);
            calendar.deadline_after(Timestamp::UNIX_EPOCH, cycle, Grace::default(), &shanghai())
        };
        assert_eq!(deadline("每 null null"), Err(NotComputable::Unreadable));
        assert_eq!(deadline("不定期"), Err(NotComputable::Irregular));
    }

    #[test]
    fn a_day_ends_with_its_last_instant_in_its_zone() {
        let day = jiff::civil::date(2026, 2, 28);
        assert_eq!(end_of_day(day, &shanghai()), instant("2026-03-01T00:00:00"));
        assert_eq!(end_of_day(Date::MAX, &shanghai()), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn later_content_never_has_an_earlier_deadline(
            at in 1_700_000_000_i64..1_850_000_000, later in 0_i64..40_000_000,
            cycle in prop::sample::select(vec!["实时", "每日", "每周", "每月", "每季度", "每年", "每工作日"]),
            percent in 0_u8..100, working_days in 0_u16..10,
        ) {
            let (calendar, grace) = (shipped(), Grace { percent, working_days });
            let deadline = |second| {
                let last = Timestamp::from_second(second).unwrap();
                let cycle = Cycle::parse(cycle);
                calendar.deadline_after(last, cycle, grace, &shanghai()).unwrap()
            };
            let (first, second) = (deadline(at), deadline(at + later));
            // A month after the 30th and after the 31st of January is the same day.
            let day = |at: Timestamp| shanghai().to_datetime(at).date();
            prop_assert!(day(first.wanted) <= day(second.wanted));
            prop_assert!(first.at >= first.wanted);
            prop_assert!(first.wanted > Timestamp::from_second(at).unwrap());
        }
    }
}
