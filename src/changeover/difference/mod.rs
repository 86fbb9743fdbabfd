//! What differs between two standards, read from their tables: `standard diff`.
//!
//! A pure function of two [`Tables`]. Fields are compared per operation, since a table may be cut
//! otherwise in the other version; what several operations share is told once. A field that is not
//! where it was is looked for by what it holds and what it is called before it counts as removed
//! and added; where a whole branch moved (an envelope around it, another element above it), that is
//! one difference. Every difference names the clause that it comes from: a field's own, a code
//! list's by the field that uses it, a setting's by its key in `standard.toml`.

mod fields;
mod replies;
mod settings;

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::standard::Tables;

/// What became of something. The words are stable: `--json` prints them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An operation is new.
    OperationAdded,
    /// An operation is gone.
    OperationRemoved,
    /// An operation became mandatory.
    OperationMandatory,
    /// An operation is no longer mandatory.
    OperationOptional,
    /// An operation has another path or method.
    OperationMoved,
    /// Something else of an operation: body, evidence, compression, what it needs, paging.
    OperationChanged,
    /// A message has a new field; `after` says whether it is required.
    FieldAdded,
    /// A field is gone; `before` says whether it was required.
    FieldRemoved,
    /// A field probably has another name or stands elsewhere.
    FieldRenamed,
    /// Several fields stand below another branch than before.
    FieldsMoved,
    /// A field became required, or required in more cases.
    FieldRequired,
    /// A field is required in fewer cases.
    FieldOptional,
    /// Another condition decides whether a field is there or required.
    FieldCondition,
    /// Another type.
    FieldType,
    /// Another length.
    FieldLength,
    /// Another format of a time.
    FieldFormat,
    /// The value comes from elsewhere.
    FieldValue,
    /// A word has a code that had none, or is new.
    CodeAdded,
    /// A word has no code any more.
    CodeRemoved,
    /// A word has another code.
    CodeChanged,
    /// A reply says something it did not say.
    ReplyAdded,
    /// A reply no longer says something.
    ReplyRemoved,
    /// A reply says it at another place.
    ReplyMoved,
    /// A reply must say it now.
    ReplyRequired,
    /// A reply need not say it any more.
    ReplyOptional,
    /// A reply code is listed that was not.
    OutcomeAdded,
    /// A reply code is listed no more.
    OutcomeRemoved,
    /// A reply code means something else.
    OutcomeMoved,
    /// How requests are signed.
    Signing,
    /// How a token or a secret is fetched.
    Authentication,
    /// A limit.
    Limit,
    /// A deadline.
    Deadline,
    /// How rows are written.
    RowFormat,
    /// Anything else of `standard.toml`.
    Setting,
}

impl Change {
    /// Every kind of change, in the order in which people are told.
    pub const ALL: [Self; 34] = [
        Self::OperationAdded,
        Self::OperationRemoved,
        Self::OperationMandatory,
        Self::OperationOptional,
        Self::OperationMoved,
        Self::OperationChanged,
        Self::FieldAdded,
        Self::FieldRemoved,
        Self::FieldRenamed,
        Self::FieldsMoved,
        Self::FieldRequired,
        Self::FieldOptional,
        Self::FieldCondition,
        Self::FieldType,
        Self::FieldLength,
        Self::FieldFormat,
        Self::FieldValue,
        Self::CodeAdded,
        Self::CodeRemoved,
        Self::CodeChanged,
        Self::ReplyAdded,
        Self::ReplyRemoved,
        Self::ReplyMoved,
        Self::ReplyRequired,
        Self::ReplyOptional,
        Self::OutcomeAdded,
        Self::OutcomeRemoved,
        Self::OutcomeMoved,
        Self::Signing,
        Self::Authentication,
        Self::Limit,
        Self::Deadline,
        Self::RowFormat,
        Self::Setting,
    ];

    /// The same change seen from the other version.
    pub fn mirrored(self) -> Self {
        match self {
            Self::OperationAdded => Self::OperationRemoved,
            Self::OperationRemoved => Self::OperationAdded,
            Self::OperationMandatory => Self::OperationOptional,
            Self::OperationOptional => Self::OperationMandatory,
            Self::FieldAdded => Self::FieldRemoved,
            Self::FieldRemoved => Self::FieldAdded,
            Self::FieldRequired => Self::FieldOptional,
            Self::FieldOptional => Self::FieldRequired,
            Self::CodeAdded => Self::CodeRemoved,
            Self::CodeRemoved => Self::CodeAdded,
            Self::ReplyAdded => Self::ReplyRemoved,
            Self::ReplyRemoved => Self::ReplyAdded,
            Self::ReplyRequired => Self::ReplyOptional,
            Self::ReplyOptional => Self::ReplyRequired,
            Self::OutcomeAdded => Self::OutcomeRemoved,
            Self::OutcomeRemoved => Self::OutcomeAdded,
            Self::OperationMoved
            | Self::OperationChanged
            | Self::FieldRenamed
            | Self::FieldsMoved
            | Self::FieldCondition
            | Self::FieldType
            | Self::FieldLength
            | Self::FieldFormat
            | Self::FieldValue
            | Self::CodeChanged
            | Self::ReplyMoved
            | Self::OutcomeMoved
            | Self::Signing
            | Self::Authentication
            | Self::Limit
            | Self::Deadline
            | Self::RowFormat
            | Self::Setting => self,
        }
    }
}

/// How many of the city's objects a difference touches.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Affects {
    /// Objects that have the field or the code in the newer version.
    pub objects: u64,
    /// Values of them: items where the field repeats, else one an object.
    pub values: u64,
    /// Values that nobody supplied.
    pub without: u64,
    /// Values that are there and break the field's new rules.
    pub broken: u64,
}

/// One difference between two standards.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// What became of it.
    pub change: Change,
    /// The file that says so: the newer version's, the older one's for what is gone.
    pub file: String,
    /// A field's path, an operation, a canonical word, a reply code or a key.
    pub subject: String,
    /// What the document calls it.
    pub title: String,
    /// As it was; none where it is new.
    pub before: Option<String>,
    /// As it is; none where it is gone.
    pub after: Option<String>,
    /// The operations it concerns; empty where it concerns all.
    pub operations: Vec<String>,
    /// Where the document says so.
    pub clause: String,
    /// How well that is known: `V`, `B`, `model`, or what a whole directory is modelled on.
    pub basis: String,
    /// What it touches in the city; none where nobody counted.
    pub affects: Option<Affects>,
}

impl Difference {
    /// A new or changed field that must have a value in the newer version.
    pub fn demands(&self) -> bool {
        self.change == Change::FieldRequired
            || self.change == Change::FieldAdded && self.after.as_deref() != Some("no")
    }
}

/// Everything that differs, in the order of [`Change::ALL`]; empty for a version and itself.
pub fn compare(from: &Tables, to: &Tables) -> Vec<Difference> {
    let mut found = Found::default();
    settings::compare(from, to, &mut found);
    for operation in &to.settings.operations {
        let name = operation.name.as_str();
        if !from.settings.operations.iter().any(|it| it.name == name) {
            continue;
        }
        fields::compare((from, to), name, &mut found);
        replies::compare((from, to), name, &mut found);
    }
    let mut list = found.list;
    for it in &mut list {
        it.operations.sort();
    }
    list.sort_by(|one, other| {
        let key = |it: &Difference| (it.change, it.file.clone(), it.subject.clone());
        key(one).cmp(&key(other))
    });
    list
}

/// What makes a difference the same one in another operation.
type Known = (Change, [String; 4], Option<String>, Option<String>);

/// Differences found so far; one that several operations share is kept once.
#[derive(Debug, Default)]
struct Found {
    list: Vec<Difference>,
    known: HashMap<Known, usize>,
    /// Pairs of code lists that were compared.
    lists: BTreeSet<(String, String)>,
}

/// What a difference is about, before it is known to be one.
#[derive(Clone, Copy, Debug)]
struct About<'a> {
    file: &'a str,
    subject: &'a str,
    title: &'a str,
    clause: &'a str,
    basis: &'a str,
    /// File and subject in the older version, where it is there too. Two versions may be cut into
    /// tables otherwise: only what is one thing on both sides is told once, and so the same is told
    /// from either side.
    other: (&'a str, &'a str),
}

impl Found {
    fn add(
        &mut self,
        change: Change,
        about: About<'_>,
        (before, after): (Option<String>, Option<String>),
        operation: &str,
    ) {
        let places = [about.file, about.subject, about.other.0, about.other.1];
        let key = (change, places.map(str::to_owned), before.clone(), after.clone());
        if let Some(known) = self.known.get(&key).and_then(|at| self.list.get_mut(*at)) {
            if !operation.is_empty() && !known.operations.iter().any(|it| it == operation) {
                known.operations.push(operation.to_owned());
            }
            return;
        }
        self.known.insert(key, self.list.len());
        self.list.push(Difference {
            change,
            file: about.file.to_owned(),
            subject: about.subject.to_owned(),
            title: about.title.to_owned(),
            before,
            after,
            operations: Some(operation.to_owned())
                .filter(|it| !it.is_empty())
                .into_iter()
                .collect(),
            clause: about.clause.to_owned(),
            basis: about.basis.to_owned(),
            affects: None,
        });
    }

    /// Compares two code lists, once for each pair that is used at the same place.
    fn codes(&mut self, (from, to): (&Tables, &Tables), names: (&str, &str), about: About<'_>) {
        if !self.lists.insert((names.0.to_owned(), names.1.to_owned())) {
            return;
        }
        let rows = |tables: &Tables, name: &str| {
            tables.codes.get(name).map_or_else(Vec::new, |rows| {
                rows.iter()
                    .filter(|row| !row.code.is_empty())
                    .map(|row| (row.word.clone(), row.code.clone(), row.title.clone()))
                    .collect()
            })
        };
        let (old, new): (Vec<(String, String, String)>, Vec<_>) =
            (rows(from, names.0), rows(to, names.1));
        let files = [names.0, names.1].map(|name| format!("codes/{name}.csv"));
        let [old_file, new_file] = &files;
        for (word, code, title) in &new {
            let before = old.iter().find(|(known, ..)| known == word).map(|(_, code, _)| code);
            let change = match before {
                None => Change::CodeAdded,
                Some(before) if before != code => Change::CodeChanged,
                Some(_) => continue,
            };
            let other =
                if before.is_some() { (old_file.as_str(), word.as_str()) } else { ("", "") };
            let about = About { file: new_file, subject: word, title, other, ..about };
            self.add(change, about, (before.cloned(), Some(code.clone())), "");
        }
        for (word, code, title) in &old {
            if !new.iter().any(|(known, ..)| known == word) {
                let other = ("", "");
                let about = About { file: old_file, subject: word, title, other, ..about };
                self.add(Change::CodeRemoved, about, (Some(code.clone()), None), "");
            }
        }
    }
}

#[cfg(test)]
mod tests;
