//! What is wrong with a standard's directory, and what a message lacks.
//!
//! Both are data: a directory shows all its problems at once, a message all its lacks, each with
//! the place where a person looks next.

use std::fmt;

/// What kind of mistake a [`Problem`] is. The text of a code is stable and documented.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// A file or table that something names is not there, or the directory cannot be what it is
    /// said to be.
    File,
    /// A file is not UTF-8, not TOML or not CSV with the expected columns.
    Format,
    /// A name or path that leaves the directory.
    Outside,
    /// `standard.toml` has a key nobody knows, lacks one, or gives it an impossible value.
    Key,
    /// A path that cannot be read, or that occurs twice.
    Path,
    /// A value that is no word, or that cannot be used there.
    Value,
    /// A condition that cannot be read or that names no value.
    Condition,
    /// A rule of a field (type, format, length, required, basis) that cannot be.
    Rule,
    /// A code list without a needed word, or with one twice.
    Codes,
    /// An operation nobody knows, twice, or that needs one that does not exist.
    Operation,
    /// Operations need one another in a circle.
    Cycle,
    /// A reply table with an unknown or missing meaning, or outcome classes that contradict.
    Reply,
    /// A sample message could not be built, or was not read back as it was built.
    Sample,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 13] = [
        Self::File,
        Self::Format,
        Self::Outside,
        Self::Key,
        Self::Path,
        Self::Value,
        Self::Condition,
        Self::Rule,
        Self::Codes,
        Self::Operation,
        Self::Cycle,
        Self::Reply,
        Self::Sample,
    ];

    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "E-STANDARD-FILE",
            Self::Format => "E-STANDARD-FORMAT",
            Self::Outside => "E-STANDARD-OUTSIDE",
            Self::Key => "E-STANDARD-KEY",
            Self::Path => "E-STANDARD-PATH",
            Self::Value => "E-STANDARD-VALUE",
            Self::Condition => "E-STANDARD-CONDITION",
            Self::Rule => "E-STANDARD-RULE",
            Self::Codes => "E-STANDARD-CODES",
            Self::Operation => "E-STANDARD-OPERATION",
            Self::Cycle => "E-STANDARD-CYCLE",
            Self::Reply => "E-STANDARD-REPLY",
            Self::Sample => "E-STANDARD-SAMPLE",
        }
    }
}

/// One mistake in a directory, where it is and what may help.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Which kind.
    pub code: Code,
    /// The file, relative to the directory.
    pub file: String,
    /// The row as a spreadsheet counts it: the head is row 1.
    pub row: Option<usize>,
    /// The field or key that the row or the setting is about.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(formatter, " row {row}")?;
        }
        if !self.subject.is_empty() {
            write!(formatter, " ({})", self.subject)?;
        }
        write!(formatter, ": {}", self.what)?;
        if let Some(meant) = &self.meant {
            write!(formatter, "; did you mean `{meant}`?")?;
        }
        write!(formatter, " [{}]", self.code.as_str())
    }
}

/// Collects problems of one file.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    list: &'a mut Vec<Problem>,
    file: &'a str,
}

impl<'a> Problems<'a> {
    pub(super) fn new(list: &'a mut Vec<Problem>, file: &'a str) -> Self {
        Self { list, file }
    }

    pub(super) fn add(&mut self, code: Code, row: Option<usize>, subject: &str, what: String) {
        self.list.push(Problem {
            code,
            file: self.file.to_owned(),
            row,
            subject: subject.to_owned(),
            what,
            meant: None,
        });
    }

    /// As [`Problems::add`], with the nearest of `candidates` to `wrong` as what was meant.
    pub(super) fn add_unknown<'c>(
        &mut self,
        code: Code,
        (row, subject): (Option<usize>, &str),
        what: String,
        wrong: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        self.add(code, row, subject, what);
        if let Some(last) = self.list.last_mut() {
            last.meant = nearest(wrong, candidates);
        }
    }
}

impl Problems<'_> {
    /// A table of `folder` that is named and not there.
    pub(super) fn add_missing<'c>(
        &mut self,
        place: (Option<usize>, &str),
        (folder, name): (&str, &str),
        known: impl IntoIterator<Item = &'c str>,
    ) {
        let (code, what) = missing(folder, name);
        self.add_unknown(code, place, what, name, known);
    }
}

/// What is wrong with the name of a table that is not there.
pub(super) fn missing(folder: &str, name: &str) -> (Code, String) {
    if name.contains(['/', '\\']) {
        (Code::Outside, format!("`{folder}/{name}.csv` leaves the folder `{folder}`"))
    } else {
        (Code::File, format!("there is no table `{folder}/{name}.csv`"))
    }
}

/// Which rule a value breaks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LackRule {
    /// A required value that nobody supplied.
    Required,
    /// Longer or shorter than the standard allows.
    Length,
    /// A word for which the standard has no code, or a code outside its list.
    Code,
    /// Not of the type or format that the standard asks for.
    Format,
    /// Over a limit of the operation, or the operation does not exist in this standard.
    Operation,
}

impl LackRule {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Length => "length",
            Self::Code => "code",
            Self::Format => "format",
            Self::Operation => "operation",
        }
    }
}

/// Why a message cannot be built: a local rejection. Holds no content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lack {
    /// The field's path in the message; with the place in its list, for example `Item[3]`.
    pub path: String,
    /// What the standard calls the field.
    pub title: String,
    /// Which rule.
    pub rule: LackRule,
    /// The standard's clause for the field.
    pub clause: String,
    /// The value's source as the table writes it, so that an owner knows what to supply.
    pub value: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.path, self.title, self.rule.as_str())
    }
}

/// The candidate with the fewest edits, where it is near enough to be meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let limit = 1 + wrong.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (edits(wrong, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance without regard to case.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut line: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.to_lowercase().chars().enumerate() {
        let mut before = row;
        let mut left = row + 1;
        for (cell, theirs) in line.iter_mut().skip(1).zip(&other) {
            let replaced = before + usize::from(letter != *theirs);
            before = *cell;
            left = replaced.min(left + 1).min(before + 1);
            *cell = left;
        }
        if let Some(first) = line.first_mut() {
            *first = row + 1;
        }
    }
    line.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_people_count_them() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("item.datalevel", "item.data_level"), 1);
        assert_eq!(edits("same", "SAME"), 0);
    }

    #[test]
    fn what_is_far_away_was_not_meant() {
        assert_eq!(
            nearest("entry.titel", ["entry.title", "entry.id"]).as_deref(),
            Some("entry.title")
        );
        assert_eq!(nearest("xyz", ["entry.title"]), None);
    }
}
