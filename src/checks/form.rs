//! Whether a cell's text is the canonical form of its column's type, and whether XML can carry it.
//!
//! Byte by byte and without allocation: every cell of every row passes here.

use crate::row::ColumnType;

use super::Finding;

/// What is wrong with the form of a value, if anything.
pub(super) fn judge(text: &str, kind: ColumnType) -> Option<Finding> {
    let bytes = text.as_bytes();
    let is_right = match kind {
        ColumnType::Text => {
            return has_illegal_character(bytes).then_some(Finding::ControlCharacter);
        }
        ColumnType::Integer => is_integer(bytes),
        ColumnType::Decimal => is_decimal(bytes),
        ColumnType::Date => is_date(bytes),
        ColumnType::Time => is_time(bytes),
        ColumnType::Boolean => matches!(text, "true" | "false"),
    };
    (!is_right).then_some(Finding::WrongType)
}

/// XML 1.0 has no character below U+0020 but tab, line feed and carriage return, and neither
/// U+FFFE nor U+FFFF: not even escaped.
fn has_illegal_character(bytes: &[u8]) -> bool {
    // Most texts have neither a control character nor the lead byte of U+FFFE (0xEF): one pass
    // without branches settles those.
    let is_suspect = |byte: u8| (byte < 0x20) | (byte == 0xEF);
    if !bytes.iter().fold(false, |found, byte| found | is_suspect(*byte)) {
        return false;
    }
    bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'))
        || bytes.windows(3).any(|window| matches!(window, [0xEF, 0xBF, 0xBE | 0xBF]))
}

fn is_digits(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
}

fn is_integer(bytes: &[u8]) -> bool {
    is_digits(bytes.strip_prefix(b"-").unwrap_or(bytes))
}

fn is_decimal(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match bytes.iter().position(|byte| *byte == b'.') {
        Some(point) => {
            let (whole, fraction) = bytes.split_at(point);
            is_digits(whole) && fraction.strip_prefix(b".").is_some_and(is_digits)
        }
        None => is_digits(bytes),
    }
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

fn is_date(bytes: &[u8]) -> bool {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *bytes else { return false };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two(a, b), two(c, d), two(e, f), two(g, h))
    else {
        return false;
    };
    let is_leap = if year == 0 { century.is_multiple_of(4) } else { year.is_multiple_of(4) };
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_time(bytes: &[u8]) -> bool {
    let Some((date, time)) = bytes.split_at_checked(10) else { return false };
    let [b'T', a, b, b':', c, d, b':', e, f, fraction @ ..] = time else { return false };
    let below = |tens: u8, ones: u8, limit: u8| two(tens, ones).is_some_and(|n| n < limit);
    let is_fraction = fraction.is_empty()
        || (fraction.len() <= 10 && fraction.strip_prefix(b".").is_some_and(is_digits));
    is_date(date) && below(*a, *b, 24) && below(*c, *d, 60) && below(*e, *f, 60) && is_fraction
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, DateTime};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_xml_cannot_carry_are_found() {
        for text in ["\0", "a\u{b}", "长文本长文本长文本\u{1f}", "\u{fffe}", "，。！\u{ffff}"]
        {
            assert_eq!(judge(text, ColumnType::Text), Some(Finding::ControlCharacter), "{text:?}");
        }
        for text in ["", "\t\r\n", "\u{7f}", "\u{fffd}", "，。！", "\u{1f600}", "普通"] {
            assert_eq!(judge(text, ColumnType::Text), None, "{text:?}");
        }
    }

    #[test]
    fn only_canonical_forms_pass() {
        let cases: [(ColumnType, &[&str], &[&str]); 4] = [
            (ColumnType::Integer, &["0", "-12", "007"], &["", "-", "+1", "1.0", "１", " 1", "1e3"]),
            (
                ColumnType::Decimal,
                &["0", "-12.30", "5"],
                &["", ".5", "5.", "1.2.3", "-", "1,000", "NaN"],
            ),
            (ColumnType::Boolean, &["true", "false"], &["", "1", "TRUE", "是"]),
            (
                ColumnType::Time,
                &["2020-03-01T08:30:00", "2020-03-01T23:59:59.123456"],
                &[
                    "2020-03-01 08:30:00",
                    "2020-03-01T24:00:00",
                    "2020-03-01T08:30",
                    "2020-03-01T08:30:00.",
                    "测",
                ],
            ),
        ];
        for (kind, right, wrong) in cases {
            for text in right {
                assert_eq!(judge(text, kind), None, "{text}");
            }
            for text in wrong {
                assert_eq!(judge(text, kind), Some(Finding::WrongType), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn dates_agree_with_the_calendar(year in 0_i16..=9999, month in 0_u8..15, day in 0_u8..35) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            prop_assert_eq!(is_date(text.as_bytes()), text.parse::<Date>().is_ok());
        }

        #[test]
        fn times_agree_with_the_clock(hour in 0_u8..30, minute in 0_u8..70, second in 0_u8..60) {
            let text = format!("2020-02-29T{hour:02}:{minute:02}:{second:02}");
            prop_assert_eq!(is_time(text.as_bytes()), text.parse::<DateTime>().is_ok());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}|[0-9T:.-]{0,30}") {
            for kind in [ColumnType::Text, ColumnType::Integer, ColumnType::Decimal,
                         ColumnType::Date, ColumnType::Time, ColumnType::Boolean] {
                let _finding: Option<Finding> = judge(&text, kind);
            }
        }
    }
}
