//! From what a source writes to the canonical text of [`crate::row`].
//!
//! Text that is no value of its column's type becomes a *malformed* cell, which the checks report;
//! it never stops a page. White space around numbers, dates and truth values is not content; an
//! empty one is null.

use jiff::civil::DateTime;

use crate::row::{ColumnType, Page};

/// Digits of year, month, day, hour, minute, second.
pub(crate) type Moment = [u32; 6];

/// How a date or time is written as text: `%Y %m %d %H %M %S`, anything else stands for itself.
/// A fraction of a second may follow a format that ends in `%S`; `%f` says the same aloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TimeFormat(Vec<Part>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Index into a [`Moment`].
    Field(usize),
    Literal(char),
}

const LETTERS: [char; 6] = ['Y', 'm', 'd', 'H', 'M', 'S'];

/// Digits of a field.
fn width(field: usize) -> usize {
    if field == 0 { 4 } else { 2 }
}

fn put<T>(fields: &mut [T; 6], field: usize, value: T) {
    if let Some(place) = fields.get_mut(field) {
        *place = value;
    }
}

impl TimeFormat {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut letters = text.trim_end_matches("%f").trim_end_matches('.').chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                parts.push(Part::Literal(letter));
                continue;
            }
            let name = letters.next();
            match name.and_then(|name| LETTERS.iter().position(|known| *known == name)) {
                Some(field) => parts.push(Part::Field(field)),
                None => {
                    let name = name.map(String::from).unwrap_or_default();
                    return Err(format!("no field %{name}: there are %Y %m %d %H %M %S %f"));
                }
            }
        }
        let count = |field| parts.iter().filter(|part| **part == Part::Field(field)).count();
        if (0..3).any(|field| count(field) != 1) || (3..6).any(|field| count(field) > 1) {
            return Err("%Y, %m and %d must appear, and no field twice".to_owned());
        }
        Ok(Self(parts))
    }

    /// The form in which databases write a column of this type as text.
    pub(crate) fn usual(kind: ColumnType) -> Self {
        let literal = Part::Literal;
        let field = Part::Field;
        let mut parts = vec![field(0), literal('-'), field(1), literal('-'), field(2)];
        if kind == ColumnType::Time {
            let time = [literal(' '), field(3), literal(':'), field(4), literal(':'), field(5)];
            parts.extend(time);
        }
        Self(parts)
    }

    fn order(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            Part::Literal(_) => None,
        })
    }

    /// Its texts sort as the times they stand for.
    pub(crate) fn is_sortable(&self) -> bool {
        self.order().enumerate().all(|(place, field)| place == field)
    }

    /// Patterns of SQLite's `GLOB` that this format's texts match, with and without a fraction.
    pub(crate) fn globs(&self) -> [String; 2] {
        let mut base = String::new();
        for part in &self.0 {
            match part {
                Part::Field(field) => base.push_str(&"[0-9]".repeat(width(*field))),
                Part::Literal(letter @ ('*' | '?' | '[')) => {
                    base.push('[');
                    base.push(*letter);
                    base.push(']');
                }
                Part::Literal(letter) => base.push(*letter),
            }
        }
        let fraction = format!("{base}.[0-9]*");
        [base, fraction]
    }

    /// Canonical text from this format's, letter by letter: no value is judged, so that every text
    /// that [`TimeFormat::globs`] match has a place in the order. `None` where it does not match.
    pub(crate) fn canonical(&self, raw: &str) -> Option<String> {
        let mut fields: [&str; 6] = ["0001", "01", "01", "00", "00", "00"];
        let mut rest = raw;
        for part in &self.0 {
            match part {
                Part::Literal(letter) => rest = rest.strip_prefix(*letter)?,
                Part::Field(field) => {
                    let (digits, after) = rest.split_at_checked(width(*field))?;
                    put(&mut fields, *field, digits);
                    rest = after;
                }
            }
        }
        let [year, month, day, hour, minute, second] = fields;
        Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{rest}"))
    }

    /// The inverse of [`TimeFormat::canonical`].
    pub(crate) fn raw(&self, canonical: &str) -> String {
        let starts = [0, 5, 8, 11, 14, 17];
        let digits = |field: usize| {
            let start = starts.get(field).copied().unwrap_or(0);
            canonical.get(start..start + width(field)).unwrap_or("00")
        };
        let mut raw = String::new();
        for part in &self.0 {
            match part {
                Part::Field(index) => raw.push_str(digits(*index)),
                Part::Literal(letter) => raw.push(*letter),
            }
        }
        if self.order().last() == Some(5) {
            raw.push_str(canonical.get(19..).unwrap_or_default());
        }
        raw
    }

    /// The moment and the fraction with its point, where `text` is written in this format; a
    /// number before a separator may lack its leading zeros.
    fn read<'a>(&self, text: &'a str) -> Option<(Moment, &'a str)> {
        let mut moment = [1, 1, 1, 0, 0, 0];
        let mut rest = text;
        for part in &self.0 {
            match part {
                Part::Literal(letter) => rest = rest.strip_prefix(*letter)?,
                Part::Field(field) => {
                    let (value, after) = number(rest, width(*field))?;
                    put(&mut moment, *field, value);
                    rest = after;
                }
            }
        }
        let digits = rest.strip_prefix('.').unwrap_or("0");
        let fraction = rest.is_empty()
            || (self.order().last() == Some(5)
                && (1..=9).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit()));
        (fraction && exists(moment)).then_some((moment, rest))
    }
}

fn number(text: &str, width: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length)?;
    let whole = if width == 4 { length == 4 } else { length > 0 };
    whole.then(|| digits.parse().ok()).flatten().map(|value| (value, rest))
}

/// The calendar and the clock have this moment. A leap second has no place in a database.
fn exists(moment: Moment) -> bool {
    let [year, month, day, hour, minute, second] = moment;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    (1..=9999).contains(&year)
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
}

/// `2020-03-01`, `2020-03-01 08:30`, `2020-03-01T08:30:00.5`: what is read without a format.
fn read_usual(text: &str) -> Option<(Moment, &str)> {
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let mut moment = [0, 0, 0, 0, 0, 0];
    let mut rest = date;
    for field in 0..3 {
        rest = if field > 0 { rest.strip_prefix('-')? } else { rest };
        let (value, after) = number(rest, width(field))?;
        put(&mut moment, field, value);
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    let (clock, fraction) = time.split_at(time.find('.').unwrap_or(time.len()));
    if !time.is_empty() {
        let mut places = clock.split(':');
        for field in [3, 4, 5] {
            let Some(place) = places.next() else { if field == 5 { break } else { return None } };
            let (value, rest) = number(place, 2)?;
            if !rest.is_empty() {
                return None;
            }
            put(&mut moment, field, value);
        }
        if places.next().is_some() {
            return None;
        }
    }
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && exists(moment)).then_some((moment, fraction))
}

/// Appends the cell for text that a source wrote for a column of type `kind`.
pub(crate) fn push_text(
    page: &mut Page,
    kind: ColumnType,
    format: Option<&TimeFormat>,
    text: &str,
) {
    if kind == ColumnType::Text {
        page.push(text);
        return;
    }
    let text = text.trim();
    if text.is_empty() {
        page.push_null();
        return;
    }
    match kind {
        ColumnType::Text => {}
        ColumnType::Integer => match integer(text) {
            Some((sign, digits)) => page.push_with(|buffer| {
                buffer.push_str(sign);
                buffer.push_str(digits);
            }),
            None => page.push_malformed("not a whole number"),
        },
        ColumnType::Decimal => push_decimal(page, text),
        ColumnType::Boolean => match boolean(text) {
            Some(true) => page.push("true"),
            Some(false) => page.push("false"),
            None => page.push_malformed("neither true nor false"),
        },
        ColumnType::Date | ColumnType::Time => {
            let read = match format {
                Some(format) => format.read(text),
                None => read_usual(text),
            };
            push_moment(page, kind, read);
        }
    }
}

fn push_moment(page: &mut Page, kind: ColumnType, read: Option<(Moment, &str)>) {
    match read {
        None if kind == ColumnType::Date => page.push_malformed("not a date"),
        None => page.push_malformed("not a time"),
        Some((moment, fraction)) if kind == ColumnType::Date => {
            let [.., hour, minute, second] = moment;
            if hour + minute + second == 0 && fraction.trim_matches(['.', '0']).is_empty() {
                page.push_with(|buffer| append_date(buffer, moment));
            } else {
                page.push_malformed("a date with a time of day");
            }
        }
        Some((moment, fraction)) => page.push_with(|buffer| {
            append_date(buffer, moment);
            append_clock(buffer, moment);
            buffer.push_str(fraction);
        }),
    }
}

/// Appends `2020-03-01`.
pub(crate) fn append_date(buffer: &mut String, moment: Moment) {
    let [year, month, day, ..] = moment;
    append_two(buffer, year / 100);
    append_two(buffer, year % 100);
    buffer.push('-');
    append_two(buffer, month);
    buffer.push('-');
    append_two(buffer, day);
}

/// Appends `T08:30:00`.
pub(crate) fn append_clock(buffer: &mut String, moment: Moment) {
    let [.., hour, minute, second] = moment;
    buffer.push('T');
    append_two(buffer, hour);
    buffer.push(':');
    append_two(buffer, minute);
    buffer.push(':');
    append_two(buffer, second);
}

/// Appends the last two digits of a number below 100.
pub(crate) fn append_two(buffer: &mut String, number: u32) {
    const PAIRS: &str = "00010203040506070809101112131415161718192021222324\
                         25262728293031323334353637383940414243444546474849\
                         50515253545556575859606162636465666768697071727374\
                         75767778798081828384858687888990919293949596979899";
    let start = (number % 100) as usize * 2;
    buffer.push_str(PAIRS.get(start..start + 2).unwrap_or("00"));
}

/// A civil time that people wrote: `2020-03-01 08:30`, `2020/3/1`, `2020年3月1日`, `20200301`.
pub(crate) fn civil(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let formats = ["%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y年%m月%d日", "%Y.%m.%d", "%Y%m%d"];
    let others = || formats.iter().find_map(|format| TimeFormat::parse(format).ok()?.read(text));
    let (moment, _) = read_usual(text).or_else(others)?;
    let mut canonical = String::new();
    append_date(&mut canonical, moment);
    append_clock(&mut canonical, moment);
    canonical.parse().ok()
}

/// A civil time in canonical text.
pub(crate) fn canonical_time(time: DateTime) -> String {
    let part = |value: i64| u32::try_from(value).unwrap_or(0);
    let moment = [
        part(time.year().into()),
        part(time.month().into()),
        part(time.day().into()),
        part(time.hour().into()),
        part(time.minute().into()),
        part(time.second().into()),
    ];
    let mut text = String::with_capacity(29);
    append_date(&mut text, moment);
    append_clock(&mut text, moment);
    if time.subsec_nanosecond() != 0 {
        let fraction = format!(".{:09}", time.subsec_nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

fn integer(text: &str) -> Option<(&'static str, &str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { ("", "0") } else { (sign, digits) })
}

fn push_decimal(page: &mut Page, text: &str) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let bare = whole.trim_start_matches(['-', '+']);
    let zero = bare.is_empty() && !fraction.is_empty() && whole.len() <= 1;
    let read = if zero { Some((if whole == "-" { "-" } else { "" }, "0")) } else { integer(whole) };
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    match read {
        Some((sign, whole)) if digits => page.push_with(|buffer| {
            // `-0.5` has a whole part of 0 that lost its sign.
            let negative =
                text.starts_with('-') && (!sign.is_empty() || fraction.contains(|c| c != '0'));
            buffer.push_str(if negative { "-" } else { "" });
            buffer.push_str(whole);
            if !fraction.is_empty() {
                buffer.push('.');
                buffer.push_str(fraction);
            }
        }),
        _ => page.push_malformed("not a decimal number"),
    }
}

fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 6] = ["true", "t", "1", "yes", "y", "是"];
    const FALSE: [&str; 6] = ["false", "f", "0", "no", "n", "否"];
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&TRUE) { Some(true) } else { is(&FALSE).then_some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(kind: ColumnType, format: Option<&str>, text: &str) -> String {
        let format = format.map(|format| TimeFormat::parse(format).unwrap());
        let mut page = Page::new(1);
        push_text(&mut page, kind, format.as_ref(), text);
        page.end_row().unwrap();
        page.row(0).unwrap().cell(0).shown()
    }

    #[test]
    fn numbers_become_canonical() {
        let integers = [("007", "7"), ("-0", "0"), ("+12", "12"), (" 5 ", "5"), ("", "NULL")];
        for (from, to) in integers {
            assert_eq!(cell(ColumnType::Integer, None, from), to);
        }
        for wrong in ["1.0", "1e3", "一", "- 1", "1,000"] {
            assert!(cell(ColumnType::Integer, None, wrong).starts_with('!'), "{wrong}");
        }
        let decimals = [
            ("-12.30", "-12.30"),
            (".5", "0.5"),
            ("-0.50", "-0.50"),
            ("-0.0", "0.0"),
            ("03", "3"),
            ("-.5", "-0.5"),
            ("1.", "1"),
        ];
        for (from, to) in decimals {
            assert_eq!(cell(ColumnType::Decimal, None, from), to, "{from}");
        }
        for wrong in ["1e3", "1,000.00", ".", "-", "1.2.3", "--1", "NaN", "+-.5"] {
            assert!(cell(ColumnType::Decimal, None, wrong).starts_with('!'), "{wrong}");
        }
    }

    #[test]
    fn dates_become_canonical_and_impossible_ones_malformed() {
        let date = |text| cell(ColumnType::Date, None, text);
        assert_eq!(date("2020-2-29"), "2020-02-29");
        assert_eq!(date("2020-03-01 00:00:00"), "2020-03-01");
        assert_eq!(date("2020-03-01 08:00:00"), "!a date with a time of day");
        assert_eq!(date("2019-02-29"), "!not a date");
        assert_eq!(date("0000-01-01"), "!not a date");
        assert_eq!(date("20-01-01"), "!not a date");
        let compact = |text| cell(ColumnType::Date, Some("%Y%m%d"), text);
        assert_eq!(compact("20200301"), "2020-03-01");
        assert_eq!(compact("2020031"), "2020-03-01");
        assert_eq!(cell(ColumnType::Date, Some("%Y年%m月%d日"), "2020年3月1日"), "2020-03-01");
    }

    #[test]
    fn times_keep_their_fraction() {
        let time = |text| cell(ColumnType::Time, None, text);
        assert_eq!(time("2020-03-01 08:30:00.50"), "2020-03-01T08:30:00.50");
        assert_eq!(time("2020-03-01 8:30"), "2020-03-01T08:30:00");
        assert_eq!(time("2020-03-01"), "2020-03-01T00:00:00");
        for wrong in ["2020-03-01 24:00:00", "2020-03-01 8", "2020-03-01T08:30:00Z", "昨天"] {
            assert!(time(wrong).starts_with('!'), "{wrong}");
        }
        let slashes = cell(ColumnType::Time, Some("%Y/%m/%d %H:%M"), "2020/3/1 8:05");
        assert_eq!(slashes, "2020-03-01T08:05:00");
    }

    #[test]
    fn a_format_turns_its_texts_into_canonical_ones_and_back() {
        for (format, raw, canonical) in [
            ("%Y-%m-%d %H:%M:%S", "2020-03-01 08:30:00.5", "2020-03-01T08:30:00.5"),
            ("%Y%m%d%H%M%S", "20200301083000", "2020-03-01T08:30:00"),
            ("%Y-%m-%d", "2020-03-01", "2020-03-01T00:00:00"),
        ] {
            let format = TimeFormat::parse(format).unwrap();
            assert_eq!(format.canonical(raw).unwrap(), canonical);
            assert_eq!(format.raw(canonical), raw);
            assert!(format.is_sortable());
        }
        assert!(!TimeFormat::parse("%d.%m.%Y").unwrap().is_sortable());
        assert!(TimeFormat::parse("%Y-%q-%d").is_err());
        assert!(TimeFormat::parse("%Y-%m").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,24}") {
            for kind in [ColumnType::Integer, ColumnType::Decimal, ColumnType::Date,
                ColumnType::Time, ColumnType::Boolean] {
                cell(kind, None, &text);
                cell(kind, Some("%Y年%m月%d"), &text);
            }
            let format = TimeFormat::usual(ColumnType::Time);
            let _canonical: Option<String> = format.canonical(&text);
            let _raw: String = format.raw(&text);
        }
    }
}
