//! How the values of a fact are written: each in one way, so that equal facts have equal bytes.
//!
//! A month is read from a million facts, most of them numbers and instants. Both are read digit by
//! digit here and refused, or read by their own library, where they are not written plainly.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Count(u64),
    Text(&'v str),
    Instant(Timestamp),
    Decimal(Decimal),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(value) => value.fmt(formatter),
            Self::Text(value) => formatter.write_str(value),
            Self::Instant(value) => value.fmt(formatter),
            Self::Decimal(value) => value.fmt(formatter),
        }
    }
}

impl Value<'_> {
    /// True where it is written exactly so.
    pub(super) fn is_written(self, text: &str) -> bool {
        match self {
            Self::Count(value) => count(text) == Some(value),
            Self::Text(value) => value == text,
            Self::Instant(value) => instant(text) == Some(value),
            Self::Decimal(value) => is_spelled(text, &value),
        }
    }
}

/// The number that is written so.
pub(super) fn count(text: &str) -> Option<u64> {
    let is_plain = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if is_plain { text.parse().ok() } else { None }
}

/// The instant that is written so.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    plain_instant(text.as_bytes())
        .or_else(|| text.parse().ok().filter(|instant| is_spelled(text, instant)))
}

/// The day that is written so.
pub(super) fn day(text: &str) -> Option<Date> {
    plain_day(text.as_bytes()).or_else(|| text.parse().ok().filter(|day| is_spelled(text, day)))
}

/// `2026-11-22T08:00:00Z`, or with up to nine digits of a second, the last of them not 0.
fn plain_instant(text: &[u8]) -> Option<Timestamp> {
    let (day, time) = text.split_at_checked(10)?;
    let [b'T', h1, h0, b':', m1, m0, b':', s1, s0, rest @ .., b'Z'] = time else { return None };
    let nanosecond = match rest {
        [] => 0,
        [b'.', digits @ .., last @ b'1'..=b'9'] if digits.len() < 9 => {
            let mut value = digit(*last)?;
            let mut unit = 1;
            for one in digits.iter().rev() {
                unit *= 10;
                value += digit(*one)? * unit;
            }
            value * 10_i32.pow(u32::try_from(8 - digits.len()).ok()?)
        }
        _ => return None,
    };
    let two = |tens: &u8, ones: &u8| i8::try_from(digit(*tens)? * 10 + digit(*ones)?).ok();
    let day = plain_day(day)?;
    let (hour, minute, second) = (two(h1, h0)?, two(m1, m0)?, two(s1, s0)?);
    let at = DateTime::new(day.year(), day.month(), day.day(), hour, minute, second, nanosecond);
    TimeZone::UTC.to_timestamp(at.ok()?).ok()
}

/// `2026-11-22`.
fn plain_day(text: &[u8]) -> Option<Date> {
    let [y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0] = text else { return None };
    let two = |tens: &u8, ones: &u8| Some(digit(*tens)? * 10 + digit(*ones)?);
    let year = i16::try_from(two(y3, y2)? * 100 + two(y1, y0)?).ok()?;
    let (month, day) = (i8::try_from(two(m1, m0)?).ok()?, i8::try_from(two(d1, d0)?).ok()?);
    Date::new(year, month, day).ok()
}

fn digit(byte: u8) -> Option<i32> {
    byte.is_ascii_digit().then(|| i32::from(byte - b'0'))
}

/// True where `value` is written exactly so, without writing it anywhere.
pub(super) fn is_spelled(text: &str, value: &dyn fmt::Display) -> bool {
    struct Rest<'t>(&'t str);

    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    fmt::write(&mut rest, format_args!("{value}")).is_ok() && rest.0.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Instants of every size, most of them of our days.
    fn instants() -> impl Strategy<Value = Timestamp> {
        let whole = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
        let second = prop_oneof![whole, 0..4_000_000_000_i64, Just(253_402_207_200)];
        let nanosecond = prop_oneof![
            Just(0),
            0..1_000_000_000_i32,
            (0..1_000).prop_map(|milli| milli * 1_000_000)
        ];
        (second, nanosecond).prop_filter_map("an instant", |(second, nanosecond)| {
            Timestamp::new(second, nanosecond).ok()
        })
    }

    proptest! {
        #[test]
        fn an_instant_is_read_as_its_library_writes_it(at in instants()) {
            let text = at.to_string();
            prop_assert_eq!(instant(&text), Some(at));
            if let Some(plain) = plain_instant(text.as_bytes()) {
                prop_assert_eq!(plain, at);
            } else {
                prop_assert!(at.as_second() < 0, "{} is written plainly", text);
            }
        }

        /// Whatever is bent is read as nothing, or as what is written just so.
        #[test]
        fn no_other_spelling_is_read(
            at in instants(),
            place in 0_usize..32,
            other in "[0-9TZ:.+ -]{0,2}",
        ) {
            let mut text = at.to_string();
            let place = place.min(text.len());
            let end = place.saturating_add(1).min(text.len());
            text.replace_range(place..end, &other);
            if let Some(read) = instant(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn a_day_and_a_count_are_read_in_one_spelling(
            second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            number in any::<u64>(),
            bent in "[0-9+ ]{0,22}",
        ) {
            let at = Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC).date();
            prop_assert_eq!(day(&at.to_string()), Some(at));
            prop_assert_eq!(count(&number.to_string()), Some(number));
            prop_assert!(count(&bent).is_none_or(|read| read.to_string() == bent));
        }
    }

    #[test]
    fn what_is_not_written_plainly_is_no_instant_of_a_fact() {
        for bent in [
            "2026-11-22T08:00:00+00:00",
            "2026-11-22 08:00:00Z",
            "2026-11-22T08:00:00.120Z",
            "2026-11-22T08:00:00.Z",
            "2026-11-22T08:00:60Z",
            "2026-02-30T08:00:00Z",
            "2026-11-22t08:00:00z",
            "2026-11-22T08:00Z",
            "",
        ] {
            assert_eq!(instant(bent), None, "{bent}");
        }
        for bent in ["2026-2-3", "20260203", "+002026-02-03", "2026-02-30", ""] {
            assert_eq!(day(bent), None, "{bent}");
        }
        assert_eq!(count("18446744073709551616"), None);
    }
}
