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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_exactly_with_source_and_date() {
        let text = "name,month,value,source,date,body\nx,2022-03,1.80,省通报,2022-04-08,\nx,2022-03,2,更正,2022-04-09,住建局\n";
        let rows = parse("v.csv", text).unwrap();
        assert_eq!((rows[0].body.as_str(), rows[1].body.as_str()), ("city", "住建局"));
        assert_eq!(rows[0].value.to_string(), "1.80");
        let facts = facts(&rows, "w", &TimeZone::UTC);
        assert_eq!(facts[1].id.to_string(), "w/2022-04-09/2");
        assert_eq!(Fact::decode(&facts[0].encode()), Ok(facts[0].clone()));
    }

    #[test]
    fn a_value_without_source_month_or_number_is_refused() {
        let text = "name,month,value,source,date\nx,2022-13,1e3,,soon\n";
        let problems = parse("v.csv", text).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "v.csv:2 (source): is empty [E-SCORE-TABLE]",
                "v.csv:2 (month): `2022-13` is no month (`2022-03`) [E-SCORE-TABLE]",
                "v.csv:2 (value): `1e3` is no decimal number [E-SCORE-TABLE]",
                "v.csv:2 (date): `soon` is no date (`2022-04-08`) [E-SCORE-TABLE]",
            ]
        );
    }
}
