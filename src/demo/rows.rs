//! Rows of one dataset, with its defects at known places.
//!
//! Defects lie in odd rows only, so that the even row before each is right: a repeated key repeats
//! the key of a right row, and what becomes of that one is not in question.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::department::Plan;
use super::flaw::Flaw;
use super::identity;
use super::random::Random;
use super::template::{CERTIFICATES, Column, Fill, IDENTITY_CARD};

/// More than any column here can mean, in hundredths.
const OUT_OF_RANGE: i64 = 9_999_999_999_900;

/// A value as the store keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Integer(i64),
    /// Text whose bytes are not characters in any encoding we use.
    Undecodable(String),
}

/// Makes the rows of one dataset, one after the other.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    plan: &'a Plan,
    random: Random,
    now: DateTime,
    planted: BTreeMap<usize, (Flaw, &'static str)>,
    next: usize,
    before: Vec<Value>,
}

impl<'a> Rows<'a> {
    /// `now` is the city's local time: nothing changed after it.
    pub(super) fn new(plan: &'a Plan, seed: u64, now: DateTime) -> Self {
        let mut random = Random::new(seed, &plan.id);
        let planted = plant(plan, &mut random);
        Self { plan, random, now, planted, next: 0, before: Vec::new() }
    }

    /// The next row and the defect it has, until there are no more.
    pub(super) fn next(&mut self) -> Option<(&[Value], Option<Flaw>)> {
        if self.next >= self.plan.rows {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let planted = self.planted.get(&index).copied();
        let before = std::mem::take(&mut self.before);
        let mut row = Vec::with_capacity(before.len());
        for (place, column) in self.plan.template.columns.iter().enumerate() {
            let flaw = planted.filter(|(flaw, of)| {
                *of == column.name
                    || (*flaw == Flaw::CheckDigitOfIdCard
                        && matches!(column.fill, Fill::CertificateType))
            });
            let value = match flaw {
                Some((Flaw::RepeatedKey, _)) => before.get(place).cloned().unwrap_or(Value::Null),
                Some((flaw, _)) => self.flawed(flaw, column, index, &row),
                None => self.value(column, index, &row),
            };
            row.push(value);
        }
        self.before = row;
        Some((&self.before, planted.map(|(flaw, _)| flaw)))
    }

    fn value(&mut self, column: &Column, index: usize, row: &[Value]) -> Value {
        let mut text = String::new();
        let region = self.plan.department.region;
        let number = index as u64;
        let random = &mut self.random;
        match column.fill {
            Fill::Serial(prefix) => {
                text = format!("{prefix}{}{:08}", region.code, number + 1);
                if self.plan.table.ends_with("archive") {
                    text.push('L');
                }
            }
            Fill::Group { prefix, per } => {
                text = format!("{prefix}{}{:05}", region.code, number / per + 1);
            }
            Fill::Member(per) => {
                return Value::Integer(i64::try_from(number % per).unwrap_or(0) + 1);
            }
            Fill::MemberDay(per) => {
                return date(days_before(self.now.date(), number % per));
            }
            Fill::MemberMonth(per) => text = month_before(self.now.date(), number % per + 1),
            Fill::OwnCreditCode => identity::credit_code("91", region.code, number, &mut text),
            Fill::CreditCode => {
                identity::credit_code("91", region.code, random.below(900_000), &mut text);
            }
            Fill::Person => identity::name(random, &mut text),
            Fill::Company => identity::company(random, &mut text),
            Fill::CertificateType => {
                let kind =
                    if random.once_in(40) { CERTIFICATES.last() } else { CERTIFICATES.first() };
                text.push_str(kind.copied().unwrap_or(IDENTITY_CARD));
            }
            Fill::CertificateNumber => self.certificate(row, &mut text),
            Fill::Address => identity::address(random, region.title, &mut text),
            Fill::Phone => {
                if random.once_in(6) {
                    return Value::Null;
                }
                identity::phone(random, &mut text);
            }
            Fill::Code(codes) => text.push_str(random.pick(codes)),
            Fill::DaysAgo(from, to) => {
                let days = random.between(from, to).unsigned_abs();
                return date(days_before(self.now.date(), days));
            }
            Fill::DaysAfter(most) => {
                return date(row_date(row).saturating_add(random.between(0, most).days()));
            }
            Fill::Hundredths(from, to) => return hundredths(random.between(from, to)),
            Fill::AtMostBefore => {
                return hundredths(row_hundredths(row) * random.between(5, 9) / 100);
            }
            Fill::Whole(from, to) => return Value::Integer(random.between(from, to)),
            Fill::Remark(choices) => {
                if !column.required && random.once_in(4) {
                    return Value::Null;
                }
                text.push_str(random.pick(choices));
            }
            Fill::Changed => return self.changed(),
        }
        Value::Text(text)
    }

    fn certificate(&mut self, row: &[Value], text: &mut String) {
        if matches!(row.last(), Some(Value::Text(kind)) if kind == IDENTITY_CARD) {
            let born =
                days_before(self.now.date(), self.random.between(6_000, 30_000).unsigned_abs());
            identity::id_card(&mut self.random, born, text);
        } else {
            identity::passport(&mut self.random, text);
        }
    }

    /// A change time. Some hundred rows share a second, as after an import: the key must break
    /// the tie.
    fn changed(&mut self) -> Value {
        let age = if self.plan.stale { 45 * 86_400 } else { 3_600 };
        let seconds = if self.random.once_in(10) {
            86_400 * 30
        } else {
            self.random.between(0, 86_400 * 300)
        };
        let at = self.now.saturating_sub((age + seconds).seconds());
        Value::Text(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    fn flawed(&mut self, flaw: Flaw, column: &Column, index: usize, row: &[Value]) -> Value {
        if matches!(column.fill, Fill::CertificateType) {
            return Value::Text(IDENTITY_CARD.to_owned());
        }
        let right = self.value(column, index, row);
        let mut text = match &right {
            Value::Text(text) => text.clone(),
            Value::Null | Value::Integer(_) | Value::Undecodable(_) => String::new(),
        };
        match flaw {
            Flaw::CheckDigitOfIdCard | Flaw::CheckDigitOfCreditCode => {
                identity::with_wrong_check(&mut text);
            }
            Flaw::Placeholder => text = self.random.pick(&["1", "无", "测试"]).to_owned(),
            Flaw::Missing | Flaw::NoChangeTime => return Value::Null,
            Flaw::TooLong => {
                while text.chars().count() <= column.length as usize {
                    text.push_str("（详见附件）");
                }
            }
            Flaw::OutsideList => text = "Z".repeat(column.length.min(2) as usize),
            Flaw::InTheFuture => return date(self.now.date().saturating_add(40.days())),
            Flaw::OutOfRange => {
                return match right {
                    Value::Integer(_) => Value::Integer(999),
                    Value::Text(_) | Value::Null | Value::Undecodable(_) => {
                        hundredths(OUT_OF_RANGE)
                    }
                };
            }
            Flaw::Pattern => text = "0827-5212".to_owned(),
            Flaw::Control => text.insert(text.chars().next().map_or(0, char::len_utf8), '\u{b}'),
            Flaw::Across => {
                return if matches!(column.fill, Fill::AtMostBefore) {
                    hundredths(row_hundredths(row) + 10_000)
                } else {
                    date(row_date(row).saturating_sub(5.days()))
                };
            }
            Flaw::Undecodable => return Value::Undecodable(text),
            Flaw::RepeatedKey => {}
        }
        Value::Text(text)
    }
}

/// Which rows have which defect: each kind once in about 1,500 rows, at least once.
fn plant(plan: &Plan, random: &mut Random) -> BTreeMap<usize, (Flaw, &'static str)> {
    let pairs = plan.rows / 2;
    let flaws = plan.template.flaws;
    let each = (plan.rows / 1_500).max(1);
    let mut planted = BTreeMap::new();
    for (flaw, column) in flaws.iter().cycle().take(flaws.len() * each) {
        // Half of the pairs stay free, so that a free one is found in a few draws.
        if planted.len() * 2 >= pairs {
            break;
        }
        let free = (0..64)
            .map(|_| 2 * usize::try_from(random.below(pairs as u64)).unwrap_or(0) + 1)
            .find(|index| !planted.contains_key(index));
        if let Some(index) = free {
            planted.insert(index, (*flaw, *column));
        }
    }
    planted
}

fn days_before(today: Date, days: u64) -> Date {
    today.saturating_sub(i64::try_from(days).unwrap_or(0).days())
}

fn month_before(today: Date, months: u64) -> String {
    let month = today.first_of_month().saturating_sub(i64::try_from(months).unwrap_or(0).months());
    format!("{:04}-{:02}", month.year(), month.month())
}

fn date(day: Date) -> Value {
    Value::Text(format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()))
}

fn hundredths(number: i64) -> Value {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    Value::Text(format!("{sign}{}.{:02}", number / 100, number % 100))
}

/// The day in the last value.
fn row_date(row: &[Value]) -> Date {
    match row.last() {
        Some(Value::Text(text)) => text.parse().unwrap_or(Date::ZERO),
        Some(Value::Null | Value::Integer(_) | Value::Undecodable(_)) | None => Date::ZERO,
    }
}

/// The hundredths in the last value; 0 without one.
fn row_hundredths(row: &[Value]) -> i64 {
    match row.last() {
        Some(Value::Text(text)) => text.replace('.', "").parse().unwrap_or(0),
        Some(Value::Null | Value::Integer(_) | Value::Undecodable(_)) | None => 0,
    }
}
