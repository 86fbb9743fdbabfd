//! How many of the city's objects each difference touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check;
use super::difference::{Affects, Change, Difference};
use crate::catalogue::{Kind, Object};
use crate::standard::{Asked, LackRule, Standard};

/// The counts beside a comparison; give it every object.
#[derive(Debug)]
pub struct Effects {
    candidate: Arc<Standard>,
    /// What each counted difference looks at.
    looks: Vec<Option<Look>>,
    counts: BTreeMap<usize, Affects>,
}

/// What is counted for a difference.
#[derive(Debug)]
enum Look {
    /// A field of the candidate, by its path.
    Field(String),
    /// A word of the candidate's or the older code list, by the paths of the fields that use it.
    Word(String, Vec<String>),
}

impl Effects {
    /// Of these differences; `candidate` is the newer version.
    pub fn new(candidate: Arc<Standard>, differences: &[Difference]) -> Self {
        let looks = differences.iter().map(|it| look(&candidate, it)).collect();
        Self { candidate, looks, counts: BTreeMap::new() }
    }

    /// One object of the catalogue.
    pub fn object(&mut self, object: &Object) {
        let Some(operation) = check::operation(&self.candidate, object.key().kind, false) else {
            return;
        };
        let (looks, counts) = (&self.looks, &mut self.counts);
        let mut seen: Vec<usize> = Vec::new();
        self.candidate.ask(&operation, &check::scope(object, None), &mut |asked| {
            for (at, look) in looks.iter().enumerate() {
                let Some(look) = look else { continue };
                let Some(found) = touched(look, asked) else { continue };
                let count = counts.entry(at).or_default();
                count.values += 1;
                count.without += u64::from(found == Some(LackRule::Required));
                count.broken += u64::from(found.is_some_and(|it| it != LackRule::Required));
                if !seen.contains(&at) {
                    seen.push(at);
                    count.objects += 1;
                }
            }
        });
    }

    /// Writes the counts beside the differences that have any to write.
    pub fn finish(self, differences: &mut [Difference]) {
        for (at, it) in differences.iter_mut().enumerate() {
            if self.looks.get(at).is_some_and(Option::is_some) {
                it.affects = Some(self.counts.get(&at).copied().unwrap_or_default());
            }
        }
    }
}

fn look(candidate: &Standard, it: &Difference) -> Option<Look> {
    let of_objects = it.operations.iter().any(|name| {
        let kind = name.split('.').next().unwrap_or_default();
        Kind::parse(kind).is_some()
    });
    match it.change {
        Change::FieldAdded
        | Change::FieldRenamed
        | Change::FieldRequired
        | Change::FieldCondition
        | Change::FieldType
        | Change::FieldLength
        | Change::FieldFormat
        | Change::FieldValue
            if of_objects =>
        {
            Some(Look::Field(it.subject.clone()))
        }
        Change::CodeAdded | Change::CodeChanged | Change::CodeRemoved => {
            let list = it.file.strip_prefix("codes/")?.strip_suffix(".csv")?;
            let rows = candidate.tables().messages.values().flatten();
            let paths = rows.filter(|row| row.codes == list).map(|row| row.path.clone());
            Some(Look::Word(it.subject.clone(), paths.collect()))
        }
        Change::OperationAdded
        | Change::OperationRemoved
        | Change::OperationMandatory
        | Change::OperationOptional
        | Change::OperationMoved
        | Change::OperationChanged
        | Change::FieldAdded
        | Change::FieldRemoved
        | Change::FieldRenamed
        | Change::FieldsMoved
        | Change::FieldRequired
        | Change::FieldOptional
        | Change::FieldCondition
        | Change::FieldType
        | Change::FieldLength
        | Change::FieldFormat
        | Change::FieldValue
        | Change::ReplyAdded
        | Change::ReplyRemoved
        | Change::ReplyMoved
        | Change::ReplyRequired
        | Change::ReplyOptional
        | Change::OutcomeAdded
        | Change::OutcomeRemoved
        | Change::OutcomeMoved
        | Change::Signing
        | Change::Authentication
        | Change::Limit
        | Change::Deadline
        | Change::RowFormat
        | Change::Setting => None,
    }
}

/// Whether a field's value is touched (`Some`), and the rule that it breaks.
fn touched(look: &Look, asked: &Asked<'_>) -> Option<Option<LackRule>> {
    let is_touched = match look {
        Look::Field(path) => {
            asked.field.path == *path && (asked.required || !matches!(asked.written, Ok(None)))
        }
        Look::Word(word, paths) => paths.contains(&asked.field.path) && asked.words.contains(word),
    };
    is_touched.then_some(asked.written.as_ref().err().copied())
}
