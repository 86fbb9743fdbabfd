//! From what the server writes to the canonical text of a cell.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::city::value::{self, TimeFormat};
use crate::row::{ColumnType, Page};

/// How a column's value is written on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carry {
    Text,
    /// Digits, which may begin with zeros (`ZEROFILL`).
    Number,
    /// A number of four bytes, written as one of eight.
    Single,
    Double,
    Date,
    /// A time of no zone.
    DateTime,
    /// A time in the session's zone.
    Instant,
    /// Bytes of no character set.
    Bytes,
}

/// How a column is read.
pub(super) struct Lane {
    pub(super) carry: Carry,
    pub(super) kind: ColumnType,
    pub(super) format: Option<TimeFormat>,
}

/// The session's zone and the dataset's.
pub(super) struct Zones {
    pub(super) session: Offset,
    pub(super) dataset: TimeZone,
}

impl Lane {
    pub(super) fn push(&self, bytes: &[u8], zones: &Zones, page: &mut Page) {
        if self.carry == Carry::Bytes {
            return self.push_bytes(bytes, page);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return page.push_malformed("not UTF-8");
        };
        match self.carry {
            Carry::Text | Carry::Bytes => self.push_text(text, page),
            Carry::Number => self.push_text(unpadded(text), page),
            Carry::Single => match text.parse::<f32>() {
                // Its eight bytes are those of four: the shortest text that reads back as it.
                Ok(number) => self.push_text(&number.to_string(), page),
                Err(_) => page.push_malformed("not a number"),
            },
            Carry::Double => match text.parse::<f64>() {
                Ok(number) => self.push_text(&number.to_string(), page),
                Err(_) => page.push_malformed("not a number"),
            },
            Carry::Date => self.push_text(text, page),
            Carry::DateTime => self.push_time(text, page),
            Carry::Instant => match local(text, zones) {
                Some(text) => self.push_time(&text, page),
                None => self.push_time(text, page),
            },
        }
    }

    fn push_text(&self, text: &str, page: &mut Page) {
        value::push_text(page, self.kind, self.format.as_ref(), text);
    }

    /// A fraction has six digits or is not there, whatever the column's.
    fn push_time(&self, text: &str, page: &mut Page) {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = if self.kind == ColumnType::Text {
            whole.replacen(' ', "T", 1)
        } else {
            whole.to_owned()
        };
        if fraction.bytes().all(|digit| digit == b'0') {
            self.push_text(&whole, page);
        } else {
            self.push_text(&format!("{whole}.{fraction:0<6}"), page);
        }
    }

    /// As PostgreSQL writes bytes: `\x` and hexadecimal digits.
    fn push_bytes(&self, bytes: &[u8], page: &mut Page) {
        if self.kind != ColumnType::Text {
            return page.push_malformed("bytes where a value is expected");
        }
        page.push_with(|buffer| {
            buffer.push_str("\\x");
            for byte in bytes {
                for digit in [byte >> 4, byte & 15] {
                    buffer.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                }
            }
        });
    }
}

/// `ZEROFILL` is a way to show a number, no part of it.
fn unpadded(text: &str) -> &str {
    let zeros = text.bytes().take_while(|digit| *digit == b'0').count();
    let goes_on = text.as_bytes().get(zeros).is_some_and(u8::is_ascii_digit);
    text.get(if goes_on { zeros } else { zeros.saturating_sub(1) }..).unwrap_or(text)
}

/// A time of the session's offset as the dataset's clock showed it; `None` for what is no time.
fn local(text: &str, zones: &Zones) -> Option<String> {
    let time: DateTime = text.parse().ok()?;
    let instant = zones.session.to_timestamp(time).ok()?;
    let offset = zones.dataset.to_offset(instant);
    if offset == zones.session {
        return None;
    }
    Some(value::canonical_time(offset.to_datetime(instant)))
}

/// A canonical time of the dataset's zone as the session writes it.
pub(super) fn in_session(canonical: &str, zone: &TimeZone, session: Offset, first: bool) -> String {
    let told = || {
        let time: DateTime = canonical.parse().ok()?;
        let ambiguous = zone.to_ambiguous_timestamp(time);
        let instant = if first { ambiguous.earlier() } else { ambiguous.later() };
        Some(value::canonical_time(session.to_datetime(instant.ok()?)))
    };
    told().unwrap_or_else(|| canonical.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(carry: Carry, kind: ColumnType, zone: &str, bytes: &[u8]) -> String {
        let zones = Zones { session: jiff::tz::offset(8), dataset: TimeZone::get(zone).unwrap() };
        let mut page = Page::new(1);
        Lane { carry, kind, format: None }.push(bytes, &zones, &mut page);
        page.end_row().unwrap();
        page.row(0).unwrap().cell(0).shown()
    }

    #[test]
    fn what_the_server_writes_becomes_canonical() {
        let of = |carry, kind, text: &str| read(carry, kind, "Asia/Shanghai", text.as_bytes());
        assert_eq!(of(Carry::Number, ColumnType::Text, "00007"), "7");
        assert_eq!(of(Carry::Number, ColumnType::Text, "0"), "0");
        assert_eq!(of(Carry::Number, ColumnType::Decimal, "-0.50"), "-0.50");
        assert_eq!(of(Carry::Number, ColumnType::Decimal, "0.50"), "0.50");
        assert_eq!(of(Carry::Single, ColumnType::Decimal, "0.10000000149011612"), "0.1");
        assert_eq!(of(Carry::Double, ColumnType::Decimal, "1e20"), "100000000000000000000");
        let time = ColumnType::Time;
        assert_eq!(of(Carry::DateTime, time, "2020-03-01 08:30:00.000"), "2020-03-01T08:30:00");
        assert_eq!(
            of(Carry::DateTime, time, "2020-03-01 08:30:00.5"),
            "2020-03-01T08:30:00.500000"
        );
        assert_eq!(of(Carry::DateTime, time, "0000-00-00 00:00:00"), "!not a time");
        assert_eq!(of(Carry::Date, ColumnType::Date, "2020-00-00"), "!not a date");
        let text = ColumnType::Text;
        assert_eq!(of(Carry::DateTime, text, "2020-03-01 08:30:00"), "2020-03-01T08:30:00");
        assert_eq!(read(Carry::Bytes, text, "Asia/Shanghai", &[0, 0xff]), "\\x00ff");
        assert_eq!(read(Carry::Text, text, "Asia/Shanghai", &[0xff]), "!not UTF-8");
    }

    #[test]
    fn an_instant_is_what_the_clock_of_its_place_showed() {
        let of = |zone, text: &str| read(Carry::Instant, ColumnType::Time, zone, text.as_bytes());
        assert_eq!(of("Asia/Shanghai", "2020-03-01 08:30:00"), "2020-03-01T08:30:00");
        // Summer time of 1990.
        assert_eq!(of("Asia/Shanghai", "1990-07-01 08:00:00"), "1990-07-01T09:00:00");
        assert_eq!(of("UTC", "2020-03-01 08:30:00.25"), "2020-03-01T00:30:00.250000");
        assert_eq!(of("UTC", "0000-00-00 00:00:00"), "!not a time");
    }

    #[test]
    fn a_bound_is_never_on_the_wrong_side_of_a_time_that_came_twice() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let of = |text, first| in_session(text, &zone, jiff::tz::offset(8), first);
        assert_eq!(of("2020-03-01T08:30:00", true), "2020-03-01T08:30:00");
        assert_eq!(of("1990-07-01T09:00:00.000001", true), "1990-07-01T08:00:00.000001");
        // The end of summer time: 01:30 came twice.
        assert_eq!(of("1990-09-16T01:30:00", true), "1990-09-16T00:30:00");
        assert_eq!(of("1990-09-16T01:30:00", false), "1990-09-16T01:30:00");
    }
}
