//! Rules as people write them, and the code tables they speak of.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use jiff::civil::Date;
use serde::Deserialize;

/// One `[[dataset.rule]]` of the configuration. Which keys a rule takes depends on `rule`: see the
/// table of [`checks`](super); a key that does not belong is a [`Problem`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSettings {
    /// Which rule: `required`, `length`, ….
    pub rule: String,
    /// Its own name in reports; by default made from the rule and its columns.
    pub name: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
    /// The columns it is about.
    pub columns: Vec<String>,
    /// Fewest characters, smallest number, first date or time.
    pub min: Option<Bound>,
    /// Most characters, largest number, last date or time.
    pub max: Option<Bound>,
    /// No later than now.
    pub not_future: bool,
    /// The codes that are allowed.
    pub codes: Vec<String>,
    /// The named table of codes that are allowed.
    pub code_table: Option<String>,
    /// A regular expression for the whole value.
    pub pattern: Option<String>,
    /// A condition over the columns.
    pub expression: Option<String>,
    /// Exact values that pass although they break the rule.
    pub waived: Vec<String>,
    /// The rule is asked only where this column …
    pub when_column: Option<String>,
    /// … has one of these values.
    pub when_in: Vec<String>,
    /// What counts as a filler; by default [`RuleSettings::PLACEHOLDERS`].
    pub words: Vec<String>,
}

impl RuleSettings {
    /// What counts as a filler unless the configuration says otherwise (facts §7.1, §8 row 6);
    /// compared without surrounding white space and without regard to ASCII case.
    pub const PLACEHOLDERS: [&'static str; 20] = [
        "0",
        "1",
        "-",
        "--",
        "/",
        "\\",
        ".",
        "*",
        "无",
        "暂无",
        "不详",
        "未知",
        "空",
        "测试",
        "test",
        "null",
        "none",
        "nil",
        "n/a",
        "undefined",
    ];
}

/// One end of a range.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged, expecting = "a whole number, or a decimal number, date or time as text")]
pub enum Bound {
    /// A whole number.
    Integer(i64),
    /// A decimal number (`"0.05"`), a date (`"2020-03-01"`) or a time (`"2020-03-01T08:30:00"`).
    Text(String),
}

/// What is wrong with the rules, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// `rule[2].column`, rules counted from 0; in a code table `line 3`.
    pub place: String,
    /// What is wrong: lower case, no dot.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(formatter, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

/// A code list with the time in which each code was in force: merged and abolished codes stay
/// valid for old records (facts §7.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodeTable {
    codes: HashMap<Box<str>, Vec<Force>, BuildHasherDefault<Mixer>>,
}

/// Hashes codes eight bytes at a time. The tables are the operator's own, so nobody picks codes
/// that collide, and the standard library's hasher would be most of a row's cost.
#[derive(Clone, Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
        }
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (self.0 >> 29)
    }
}

/// First and last day, where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Force {
    from: Option<Date>,
    until: Option<Date>,
}

impl CodeTable {
    /// A table of codes that are in force at all times.
    pub fn of<'c>(codes: impl IntoIterator<Item = &'c str>) -> Self {
        let mut table = Self::default();
        codes.into_iter().for_each(|code| table.insert(code, None, None));
        table
    }

    /// Adds a code, in force from its first to its last day. The same code may come again with
    /// other days.
    pub fn insert(&mut self, code: &str, from: Option<Date>, until: Option<Date>) {
        self.codes.entry(code.into()).or_default().push(Force { from, until });
    }

    /// Reads CSV with a head row: `code` and, where they are known, `title`, `from`, `until`
    /// (dates, inclusive). A byte order mark is allowed. Tells every bad line.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let problem = |line: u64, message: String| Problem {
            place: format!("line {line}"),
            message,
            suggestion: None,
        };
        let heads = reader.headers().map_err(|_bad| vec![problem(1, "no head row".to_owned())])?;
        let place = |name: &str| heads.iter().position(|head| head.trim() == name);
        let Some(code_at) = place("code") else {
            return Err(vec![problem(1, "the head row has no column `code`".to_owned())]);
        };
        let (from_at, until_at) = (place("from"), place("until"));
        let (mut table, mut problems) = (Self::default(), Vec::new());
        for record in reader.records() {
            let Ok(record) = record else {
                problems.push(problem(0, "not readable as CSV".to_owned()));
                break;
            };
            let line = record.position().map_or(0, csv::Position::line);
            let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or("").trim();
            let day = |at: Option<usize>| match field(at) {
                "" => Ok(None),
                text => text.parse::<Date>().map(Some).map_err(|_bad| text.to_owned()),
            };
            match (field(Some(code_at)), day(from_at), day(until_at)) {
                ("", _, _) => problems.push(problem(line, "the code is empty".to_owned())),
                (code, Ok(from), Ok(until)) => table.insert(code, from, until),
                (_, Err(bad), _) | (_, _, Err(bad)) => {
                    problems.push(problem(line, format!("`{bad}` is no date (`2020-03-01`)")));
                }
            }
        }
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    /// How many codes are in force on a day.
    pub fn in_force(&self, day: Date) -> usize {
        let holds = |force: &Force| {
            force.from.is_none_or(|from| from <= day) && force.until.is_none_or(|end| day <= end)
        };
        self.codes.values().filter(|forces| forces.iter().any(holds)).count()
    }

    /// The codes that stand more than once for the same day, in no order.
    pub fn twice(&self) -> impl Iterator<Item = &str> {
        let meets = |one: &Force, other: &Force| {
            let ends = |end: Option<Date>, begin: Option<Date>| {
                end.is_some_and(|end| begin.is_some_and(|begin| end < begin))
            };
            !ends(one.until, other.from) && !ends(other.until, one.from)
        };
        let is_twice = move |forces: &[Force]| {
            let later = |at: usize| forces.get(at + 1..).unwrap_or_default();
            forces.iter().enumerate().any(|(at, one)| later(at).iter().any(|it| meets(one, it)))
        };
        self.codes.iter().filter(move |(_, forces)| is_twice(forces)).map(|(code, _)| &**code)
    }

    /// How many different codes.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// No code at all.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Whether the code was ever in force.
    pub fn contains(&self, code: &str) -> bool {
        self.codes.contains_key(code)
    }

    /// Whether the code was in force on some day from `first` to `last`.
    pub fn contains_within(&self, code: &str, first: Date, last: Date) -> bool {
        self.codes.get(code).is_some_and(|forces| {
            forces.iter().any(|force| {
                force.from.is_none_or(|from| from <= last)
                    && force.until.is_none_or(|until| first <= until)
            })
        })
    }
}
