//! Validity (有效性): rules as data, compiled once per dataset, asked of every row before it is
//! encoded.
//!
//! [`Rules::compile`] turns a dataset's [`RuleSettings`] into a plan by column and tells every
//! mistake of the configuration at once; [`Rules::check`] tells every [`Violation`] of a row at
//! once and is the only source of a [`Valid`] row. Three rules are always on: a cell that could not
//! be read (`malformed`), a character that XML 1.0 cannot carry even escaped (`control-character`)
//! and text that is not the canonical form of its column's type (`type`).
//!
//! A null and an empty text are *no value*: only `required` and `change-time` say something about
//! them (they also take text of nothing but white space for no value).
//!
//! | rule | takes | a row is refused when the cell |
//! |---|---|---|
//! | `required` | `column(s)` | has no value |
//! | `change-time` | `column` | has no value: the row could never be noticed again |
//! | `length` | `column(s)`, `min`, `max` | has fewer or more characters |
//! | `code-list` | `column(s)`, `codes` or `code_table` | is no code of the list; a code that has expired stays valid for old rows |
//! | `range` | `column(s)`, `min`, `max`, `not_future` | is a number, date or time outside; [`CLOCK_TOLERANCE`] for times |
//! | `pattern` | `column(s)`, `pattern` | does not match from its first to its last character |
//! | `unique` | `columns` | was seen on another row, see [`Pass::judged_by`] |
//! | `cross-field` | `expression` | makes the condition false ([`expression`](crate::expression)); `today` and `now` are names too |
//! | `credit-code` | `column(s)` | breaks GB 32100 or the GB 11714 code inside (facts §7.1) |
//! | `id-card` | `column(s)`, `code_table` | breaks GB 11643: check digit, date, region if a table is given |
//! | `placeholder` | `column(s)`, `words` | is a filler such as `1` or `无` (facts §8 row 6) |
//!
//! Every rule on columns may also take `when_column` with `when_in` (it is asked only of rows whose
//! other column has one of these values) and `waived` (exact values that pass although they break
//! the rule: exemptions are data, and counted in the [`Tally`]).

mod compile;
mod credit_code;
mod form;
mod id_card;
mod pass;
mod run;
mod settings;
mod tally;
mod watch;

pub use credit_code::credit_code;
pub use id_card::id_card;
pub use pass::{CLOCK_TOLERANCE, Pass};
pub use settings::{Bound, CodeTable, Problem, RuleSettings};
pub use tally::{Count, Tally};
pub use watch::{ValueSettings, Warning, Watch, WatchSettings, Watching};

use crate::row::Row;

/// A row that passed every rule of its dataset. Only [`Rules::check`] makes one, so whoever asks
/// for it (the encoders) cannot be given an unchecked row.
#[derive(Clone, Copy, Debug)]
pub struct Valid<'a>(Row<'a>);

impl<'a> Valid<'a> {
    /// The row.
    pub fn row(&self) -> Row<'a> {
        self.0
    }
}

/// Which sort of rule. The word is stable: it is stored with rejects and used as a label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RuleCode {
    /// Always on: the source could not read the cell.
    Malformed,
    /// Always on: a character that XML 1.0 cannot carry.
    ControlCharacter,
    /// Always on: not the canonical text of the column's type.
    Type,
    /// A value is wanted.
    Required,
    /// A change time is wanted.
    ChangeTime,
    /// Length in characters.
    Length,
    /// Membership in a code list.
    CodeList,
    /// Smallest and largest number, date or time.
    Range,
    /// A regular expression.
    Pattern,
    /// No two rows share these cells.
    Unique,
    /// A condition over several cells.
    CrossField,
    /// 统一社会信用代码, GB 32100.
    CreditCode,
    /// 公民身份号码, GB 11643.
    IdCard,
    /// A filler instead of a value.
    Placeholder,
}

impl RuleCode {
    /// Every sort of rule; the first three are always on.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::ControlCharacter,
        Self::Type,
        Self::Required,
        Self::ChangeTime,
        Self::Length,
        Self::CodeList,
        Self::Range,
        Self::Pattern,
        Self::Unique,
        Self::CrossField,
        Self::CreditCode,
        Self::IdCard,
        Self::Placeholder,
    ];

    /// The word that is configured, stored, shown and used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ControlCharacter => "control-character",
            Self::Type => "type",
            Self::Required => "required",
            Self::ChangeTime => "change-time",
            Self::Length => "length",
            Self::CodeList => "code-list",
            Self::Range => "range",
            Self::Pattern => "pattern",
            Self::Unique => "unique",
            Self::CrossField => "cross-field",
            Self::CreditCode => "credit-code",
            Self::IdCard => "id-card",
            Self::Placeholder => "placeholder",
        }
    }

    /// The inverse of [`RuleCode::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Asked of every row whatever the configuration says.
    pub fn is_always_on(self) -> bool {
        matches!(self, Self::Malformed | Self::ControlCharacter | Self::Type)
    }
}

/// What exactly is wrong with a cell. Holds no content.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Finding {
    /// The source could not read it.
    Malformed,
    /// It holds a character that XML 1.0 cannot carry.
    ControlCharacter,
    /// It is not the canonical text of its column's type.
    WrongType,
    /// There is no value.
    Missing,
    /// It has too few characters.
    TooShort,
    /// It has too many characters.
    TooLong,
    /// It is no code of the list.
    NotInCodes,
    /// It is below the smallest value or before the first moment.
    TooSmall,
    /// It is above the largest value or after the last moment.
    TooLarge,
    /// It lies in the future.
    InFuture,
    /// It does not match the pattern.
    PatternMismatch,
    /// Another row has the same.
    Duplicate,
    /// Nobody was there to say whether another row has the same ([`Pass::judged_by`]).
    Unjudged,
    /// The condition over several cells is false.
    ConditionFalse,
    /// It has another number of characters than the code (18).
    CodeLength,
    /// It holds a character that the code's alphabet lacks.
    CodeAlphabet,
    /// It is right but for its lower-case letters.
    LowerCase,
    /// The check character of GB 32100 is another one.
    CreditCheckDigit,
    /// The check character of the GB 11714 code inside is another one.
    OrganisationCheckDigit,
    /// The check character of GB 11643 is another one.
    CardCheckDigit,
    /// The date of birth inside does not exist or lies in the future.
    CardDate,
    /// The region inside was in the table at no time of the holder's life.
    CardRegion,
    /// It is a filler.
    Placeholder,
}

impl Finding {
    /// The stable word that is stored with rejects and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ControlCharacter => "control-character",
            Self::WrongType => "wrong-type",
            Self::Missing => "missing",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::NotInCodes => "not-in-codes",
            Self::TooSmall => "too-small",
            Self::TooLarge => "too-large",
            Self::InFuture => "in-future",
            Self::PatternMismatch => "pattern-mismatch",
            Self::Duplicate => "duplicate",
            Self::Unjudged => "unjudged",
            Self::ConditionFalse => "condition-false",
            Self::CodeLength => "code-length",
            Self::CodeAlphabet => "code-alphabet",
            Self::LowerCase => "lower-case",
            Self::CreditCheckDigit => "credit-check-digit",
            Self::OrganisationCheckDigit => "organisation-check-digit",
            Self::CardCheckDigit => "card-check-digit",
            Self::CardDate => "card-date",
            Self::CardRegion => "card-region",
            Self::Placeholder => "placeholder",
        }
    }
}

/// One thing that is wrong with a row. Small, without content; [`Rules::rule`] gives names to it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Violation {
    /// Which rule, see [`Rules::rule`].
    pub rule: u16,
    /// Which column, where it is about one.
    pub column: Option<u16>,
    /// What is wrong.
    pub finding: Finding,
}

/// A rule as people know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Which sort.
    pub code: RuleCode,
    /// Its own name: the configured one, or `code(column,column)`.
    pub name: String,
    /// The columns it is about; empty for the three that are always on.
    pub columns: Vec<String>,
}

/// The compiled rules of one dataset. Immutable: share it between threads.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    plan: run::Plan,
}

impl Rules {
    /// Compiles a dataset's rules. `code_tables` are the named ones that rules may speak of. Every
    /// problem is told at once, with its place as `rule[2].column` (rules counted from 0).
    pub fn compile(
        settings: &[RuleSettings],
        columns: &[crate::row::Column],
        code_tables: &std::collections::BTreeMap<String, CodeTable>,
    ) -> Result<Self, Vec<Problem>> {
        compile::compile(settings, columns, code_tables)
    }

    /// Asks every rule of `row` and appends what is wrong to `violations`; nothing is appended
    /// exactly when the row comes back as [`Valid`]. A clean row costs no allocation.
    ///
    /// `row` must have the columns that the rules were compiled for.
    pub fn check<'a>(
        &self,
        row: Row<'a>,
        pass: &mut Pass<'_>,
        violations: &mut Vec<Violation>,
    ) -> Option<Valid<'a>> {
        self.plan.check(row, pass, violations).then_some(Valid(row))
    }

    /// All rules, the three that are always on first; a violation's `rule` is a place in here.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that a violation is of.
    pub fn rule(&self, violation: Violation) -> Option<&Rule> {
        self.rules.get(usize::from(violation.rule))
    }

    /// Whether a judge of uniqueness is needed ([`Pass::judged_by`]).
    pub fn needs_judge(&self) -> bool {
        self.plan.needs_judge()
    }
}

#[cfg(test)]
mod tests;
