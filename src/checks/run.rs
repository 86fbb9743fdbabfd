//! The compiled plan: each cell is fetched once and shown to the checks of its column.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::civil::{Date, DateTime};
use regex::Regex;
use rust_decimal::Decimal;

use crate::expression::{Expression, Slots, Value};
use crate::row::{Cell, ColumnType, Row, key_text};

use super::pass::Pass;
use super::{CodeTable, Finding, RuleCode, Violation, credit_code, form, id_card};

/// Places of the three rules that are always on.
const MALFORMED: u16 = 0;
const CONTROL_CHARACTER: u16 = 1;
const TYPE: u16 = 2;
/// How many rules are always on, in the order of the constants above.
pub(super) const ALWAYS_ON: [RuleCode; 3] =
    [RuleCode::Malformed, RuleCode::ControlCharacter, RuleCode::Type];

#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) columns: Vec<ColumnPlan>,
    pub(super) crosses: Vec<Cross>,
    pub(super) uniques: Vec<Unique>,
}

#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    pub(super) place: u16,
    pub(super) kind: ColumnType,
    pub(super) presence: Vec<Presence>,
    pub(super) checks: Vec<Check>,
}

/// A rule about there being a value.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    pub(super) rule: u16,
    pub(super) condition: Option<Condition>,
}

/// A rule about a value that is there.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) rule: u16,
    pub(super) condition: Option<Condition>,
    pub(super) waived: HashSet<Box<str>>,
    pub(super) test: Test,
}

/// The rule is asked only where `column` has one of `values`.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) column: usize,
    pub(super) values: Vec<Box<str>>,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Length {
        min: usize,
        max: usize,
    },
    /// Few codes: compared one by one.
    FewCodes(Vec<Box<str>>),
    Codes(Arc<CodeTable>),
    Number {
        min: Option<Decimal>,
        max: Option<Decimal>,
    },
    /// Canonical dates and times sort as text.
    Moment {
        min: Option<Box<str>>,
        max: Option<Box<str>>,
        not_future: bool,
    },
    Pattern(Regex),
    CreditCode,
    IdCard(Option<Arc<CodeTable>>),
    /// The fillers and the bytes of the longest.
    Placeholder(Vec<Box<str>>, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Cross {
    pub(super) rule: u16,
    pub(super) condition: Option<Condition>,
    pub(super) expression: Expression,
}

#[derive(Clone, Debug)]
pub(super) struct Unique {
    pub(super) rule: u16,
    pub(super) condition: Option<Condition>,
    pub(super) columns: Vec<usize>,
}

impl Plan {
    pub(super) fn needs_judge(&self) -> bool {
        !self.uniques.is_empty()
    }

    /// Whether nothing was found.
    pub(super) fn check(
        &self,
        row: Row<'_>,
        pass: &mut Pass<'_>,
        violations: &mut Vec<Violation>,
    ) -> bool {
        pass.tally.row(ALWAYS_ON.len());
        let before = violations.len();
        for column in &self.columns {
            column.check(row, pass, violations);
        }
        for cross in &self.crosses {
            cross.check(row, &self.columns, pass, violations);
        }
        // A row that is refused anyway holds no value against the others.
        if violations.len() == before {
            for unique in &self.uniques {
                unique.check(row, pass, violations);
            }
        }
        if violations.len() == before {
            pass.tally.row_was_valid();
            return true;
        }
        let found = violations.get(before..).unwrap_or_default();
        found.iter().for_each(|violation| pass.tally.broken(violation.rule));
        false
    }
}

impl ColumnPlan {
    fn check(&self, row: Row<'_>, pass: &mut Pass<'_>, violations: &mut Vec<Violation>) {
        let cell = row.cell(usize::from(self.place));
        let mut find = |rule, finding| {
            violations.push(Violation { rule, column: Some(self.place), finding });
        };
        let text = match cell {
            Cell::Malformed(_) => return find(MALFORMED, Finding::Malformed),
            Cell::Null | Cell::Text("") => None,
            Cell::Text(text) => Some(text),
        };
        for presence in &self.presence {
            if applies(presence.condition.as_ref(), row) {
                pass.tally.executed(presence.rule);
                if text.is_none_or(is_blank) {
                    find(presence.rule, Finding::Missing);
                }
            }
        }
        let Some(text) = text else { return };
        if let Some(finding) = form::judge(text, self.kind) {
            let is_control = finding == Finding::ControlCharacter;
            return find(if is_control { CONTROL_CHARACTER } else { TYPE }, finding);
        }
        for check in &self.checks {
            if !applies(check.condition.as_ref(), row) {
                continue;
            }
            pass.tally.executed(check.rule);
            let Some(finding) = check.test.judge(text, pass) else { continue };
            if check.waived.contains(text) {
                pass.tally.waived(check.rule);
            } else {
                find(check.rule, finding);
            }
        }
    }
}

/// Nothing but white space. Nearly every text is settled by its first byte.
fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

fn applies(condition: Option<&Condition>, row: Row<'_>) -> bool {
    let Some(condition) = condition else { return true };
    let Cell::Text(found) = row.cell(condition.column) else { return false };
    condition.values.iter().any(|value| **value == *found)
}

impl Test {
    fn judge(&self, text: &str, pass: &Pass<'_>) -> Option<Finding> {
        match self {
            Self::Length { min, max } => length(text, *min, *max),
            Self::FewCodes(codes) => {
                let is_known = codes.iter().any(|code| **code == *text);
                (!is_known).then_some(Finding::NotInCodes)
            }
            Self::Codes(table) => (!table.contains(text)).then_some(Finding::NotInCodes),
            Self::Number { min, max } => number(text, *min, *max),
            Self::Moment { min, max, not_future } => {
                // A date is compared with today, a time with now and the tolerance.
                let latest = if text.len() == 10 { &pass.today_text } else { &pass.latest_text };
                if min.as_deref().is_some_and(|min| text < min) {
                    Some(Finding::TooSmall)
                } else if max.as_deref().is_some_and(|max| text > max) {
                    Some(Finding::TooLarge)
                } else {
                    (*not_future && text > latest.as_str()).then_some(Finding::InFuture)
                }
            }
            Self::Pattern(regex) => (!regex.is_match(text)).then_some(Finding::PatternMismatch),
            Self::CreditCode => credit_code(text),
            Self::IdCard(regions) => id_card(text, pass.today, regions.as_deref()),
            Self::Placeholder(words, longest) => {
                let text = text.trim();
                let is_filler = text.len() <= *longest
                    && words.iter().any(|word| word.eq_ignore_ascii_case(text));
                is_filler.then_some(Finding::Placeholder)
            }
        }
    }
}

fn length(text: &str, min: usize, max: usize) -> Option<Finding> {
    // A character takes one to four bytes.
    if text.len() <= max && text.len() >= min.saturating_mul(4) {
        return None;
    }
    let count = text.chars().count();
    if count < min { Some(Finding::TooShort) } else { (count > max).then_some(Finding::TooLong) }
}

fn number(text: &str, min: Option<Decimal>, max: Option<Decimal>) -> Option<Finding> {
    let Ok(number) = Decimal::from_str_exact(text).or_else(|_long| text.parse()) else {
        // The form is right, so it is past what 28 digits hold.
        let is_negative = text.starts_with('-');
        return Some(if is_negative { Finding::TooSmall } else { Finding::TooLarge });
    };
    if min.is_some_and(|min| number < min) {
        return Some(Finding::TooSmall);
    }
    max.is_some_and(|max| number > max).then_some(Finding::TooLarge)
}

impl Cross {
    fn check(
        &self,
        row: Row<'_>,
        columns: &[ColumnPlan],
        pass: &mut Pass<'_>,
        violations: &mut Vec<Violation>,
    ) {
        if !applies(self.condition.as_ref(), row) {
            return;
        }
        let holds =
            self.expression.holds(&Cells { row, columns, today: pass.today, now: pass.now });
        if holds.is_some() {
            pass.tally.executed(self.rule);
        }
        if holds == Some(false) {
            let finding = Finding::ConditionFalse;
            violations.push(Violation { rule: self.rule, column: None, finding });
        }
    }
}

/// A row as an expression sees it: a slot is a column's place, then `today`, then `now`.
struct Cells<'r> {
    row: Row<'r>,
    columns: &'r [ColumnPlan],
    today: Date,
    now: DateTime,
}

impl Slots for Cells<'_> {
    fn value(&self, slot: usize) -> Value<'_> {
        let Some(column) = self.columns.get(slot) else {
            return match slot - self.columns.len() {
                0 => Value::Date(self.today),
                _ => Value::Time(self.now),
            };
        };
        let Cell::Text(text) = self.row.cell(slot) else { return Value::Absent };
        if text.is_empty() {
            return Value::Absent;
        }
        match column.kind {
            ColumnType::Text => Value::Text(text),
            ColumnType::Integer | ColumnType::Decimal => {
                text.parse().map_or(Value::Absent, Value::Number)
            }
            ColumnType::Date => text.parse().map_or(Value::Absent, Value::Date),
            ColumnType::Time => text.parse().map_or(Value::Absent, Value::Time),
            ColumnType::Boolean => text.parse().map_or(Value::Absent, Value::Boolean),
        }
    }
}

impl Unique {
    fn check(&self, row: Row<'_>, pass: &mut Pass<'_>, violations: &mut Vec<Violation>) {
        if !applies(self.condition.as_ref(), row) {
            return;
        }
        pass.scratch.clear();
        if !key_text(row, &self.columns, &mut pass.scratch) {
            return;
        }
        pass.tally.executed(self.rule);
        let finding = match &mut pass.judge {
            None => Finding::Unjudged,
            Some(judge) => {
                if !(judge.is_taken)(self.rule, judge.keyer.key(&pass.scratch)) {
                    return;
                }
                Finding::Duplicate
            }
        };
        let column = match self.columns.as_slice() {
            [only] => u16::try_from(*only).ok(),
            _ => None,
        };
        violations.push(Violation { rule: self.rule, column, finding });
    }
}
