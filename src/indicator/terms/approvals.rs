//! The list of what may be promised less of, and by whose approval (变更审批).

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Matter;
use crate::fact::{Fact, FactId, Kind};
use crate::indicator::brought::Made;
use crate::indicator::sheet::{Problem, Sheet};

/// From a day on less may be promised of an entry or a dataset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// The entry or the dataset.
    pub subject: String,
    /// What of it.
    pub matter: Matter,
    /// What is promised.
    pub from: String,
    /// What may be promised instead.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Who approved it, and where that is written.
    pub by: String,
    /// From which day on.
    pub date: Date,
}

const COLUMNS: [&str; 7] = ["subject", "what", "from", "to", "reason", "approved_by", "date"];

/// Reads the list. Nothing is taken without a reason and somebody who approved of it, and nothing
/// that does not make a promise looser.
pub fn approvals(file: &str, text: &str) -> Result<Vec<Approval>, Vec<Problem>> {
    Sheet::read(file, text, &COLUMNS, &[]).map(|row, problem| {
        for column in ["subject", "reason", "approved_by"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let matter = Matter::parse(row.get("what"));
        if matter.is_none() {
            let known = Matter::ALL.map(Matter::as_str).join(", ");
            problem("what", format!("`{}` is none of {known}", row.get("what")));
        }
        let date = row.get("date").parse::<Date>().ok();
        if date.is_none() {
            problem("date", format!("`{}` is no date (`2026-11-01`)", row.get("date")));
        }
        let matter = matter?;
        let mut looseness = |column| {
            let told = matter.looseness(row.get(column));
            if told.is_none() {
                let what = format!("`{}` is no `{}`", row.get(column), matter.as_str());
                problem(column, what);
            }
            told
        };
        let (from, to) = (looseness("from"), looseness("to"));
        if to? <= from? {
            let (from, to) = (row.get("from"), row.get("to"));
            problem("to", format!("`{to}` promises no less than `{from}`: it needs no approval"));
            return None;
        }
        Some(Approval {
            subject: row.get("subject").to_owned(),
            matter,
            from: row.get("from").to_owned(),
            to: row.get("to").to_owned(),
            reason: row.get("reason").to_owned(),
            by: row.get("approved_by").to_owned(),
            date: date?,
        })
    })
}

impl Approval {
    /// As what becomes a fact.
    pub fn made(&self) -> Made {
        let kind = Kind::Approved {
            what: self.matter.as_str().to_owned(),
            from: self.from.clone(),
            to: self.to.clone(),
            reason: self.reason.clone(),
            approval: self.by.clone(),
        };
        // In China a day begins where it begins everywhere else in it.
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let occurred =
            crate::calendar::end_of_day(self.date.yesterday().unwrap_or(self.date), &zone);
        Made { channel: None, subject: self.subject.clone(), kind, occurred }
    }
}

/// The list as facts of tables: numbered by their rows, written by `writer`.
pub fn approved(list: &[Approval], writer: &str) -> Vec<Fact> {
    let fact = |(number, it): (u64, &Approval)| {
        let Made { channel, subject, kind, occurred } = it.made();
        let id = FactId { writer: writer.into(), day: it.date, number };
        Fact { id, channel, kind, subject, occurred, recorded: occurred, cause: None, amends: None }
    };
    (1..).zip(list).map(fact).collect()
}
