//! Values that the daemon cannot see, as CSV: the other items of the assessment, published results.
//!
//! Each row says which value, of which month and body, how much, who said so and when. Rows become
//! facts, so that a score shows where such a value came from, and a later row for the same value
//! replaces an earlier one without hiding it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::scheme::Month;
use super::sheet::{Problem, Sheet};
use crate::fact::{Fact, FactId, Kind};

/// One stated value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stated {
    /// As schemes name it, without `value.`.
    pub name: String,
    /// The month that it is about.
    pub month: Month,
    /// Whom: `city`, a region or a department.
    pub body: String,
    /// How much.
    pub value: Decimal,
    /// Who said so and where.
    pub source: String,
    /// On which day.
    pub date: Date,
}

/// Reads a table of `name,month,body,value,source,date`; `body` may be left out and is the city.
pub fn parse(file: &str, text: &str) -> Result<Vec<Stated>, Vec<Problem>> {
    let columns = ["name", "month", "body", "value", "source", "date"];
    Sheet::read(file, text, &columns, &["body"]).map(|row, problem| {
        for column in ["name", "source"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let month = Month::parse(row.get("month"));
        if month.is_none() {
            problem("month", format!("`{}` is no month (`2022-03`)", row.get("month")));
        }
        let value = Decimal::from_str_exact(row.get("value")).ok();
        if value.is_none() {
            problem("value", format!("`{}` is no decimal number", row.get("value")));
        }
        let date = row.get("date").parse::<Date>().ok();
        if date.is_none() {
            problem("date", format!("`{}` is no date (`2022-04-08`)", row.get("date")));
        }
        let body = if row.get("body").is_empty() { "city" } else { row.get("body") };
        Some(Stated {
            name: row.get("name").to_owned(),
            month: month?,
            body: body.to_owned(),
            value: value?,
            source: row.get("source").to_owned(),
            date: date?,
        })
    })
}

/// The rows as facts of one writer: of two about the same value the later row counts, where they
/// are of the same day.
pub fn facts(rows: &[Stated], writer: &str, zone: &TimeZone) -> Vec<Fact> {
    let fact = |(number, row): (u64, &Stated)| {
        let occurred = zone.to_timestamp(row.date.into()).unwrap_or(Timestamp::MIN);
        Fact {
            id: FactId { writer: writer.into(), day: row.date, number },
            channel: None,
            kind: Kind::Stated {
                name: row.name.clone(),
                month: row.month.to_string(),
                value: row.value,
                source: row.source.clone(),
            },
            subject: row.body.clone(),
            occurred,
            recorded: occurred,
            cause: None,
            amends: None,
        }
    };
    (1..).zip(rows).map(fact).collect()
}
