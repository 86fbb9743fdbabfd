//! Tables that become facts: cases and the province's notices, as people keep them.
//!
//! A day without an hour is taken as far as it goes: a deadline and a closing end with the day, an
//! opening and a notice begin with it. Local times are Chinese time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calibrate::{self, Official};
use super::sheet::{Problem, Sheet};
use super::stated::{self, Stated};
use crate::calendar;
use crate::delivery::{ChannelId, StandardId};
use crate::fact::Kind;

/// A fact that a row makes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// The channel it is about, where it is about one.
    pub channel: Option<ChannelId>,
    /// What it is about.
    pub subject: String,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub occurred: Timestamp,
}

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn moment(text: &str, ends: bool) -> Option<Timestamp> {
    calendar::moment(text, &zone(), ends)
}

/// Reads a table of `list,number,owner,opened,deadline,closed,proof`; `closed` and `proof` may be
/// empty or left out together. A row makes the opening and, where it has one, the closing.
pub fn cases(file: &str, text: &str) -> Result<Vec<Made>, Vec<Problem>> {
    let columns = ["list", "number", "owner", "opened", "deadline", "closed", "proof"];
    let sheet = Sheet::read(file, text, &columns, &["closed", "proof"]);
    let rows = sheet.map(|row, problem| {
        for column in ["list", "number", "owner"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let mut at = |column, ends| {
            let told = moment(row.get(column), ends);
            if told.is_none() {
                let what = format!("`{}` is no time (`2026-11-22T17:30`)", row.get(column));
                problem(column, what);
            }
            told
        };
        let (opened, deadline) = (at("opened", false), at("deadline", true));
        let is_closed = !row.get("closed").is_empty();
        let closed = if is_closed { at("closed", true) } else { None };
        if is_closed && row.get("proof").is_empty() {
            problem("proof", "a case is closed only with a proof".to_owned());
        }
        let (list, subject) = (row.get("list").to_owned(), row.get("number").to_owned());
        let owner = row.get("owner").to_owned();
        let opening = Made {
            channel: None,
            subject: subject.clone(),
            kind: Kind::CaseOpened { list: list.clone(), owner, deadline: deadline? },
            occurred: opened?,
        };
        let proof = row.get("proof").to_owned();
        let kind = Kind::CaseClosed { list, proof };
        let closing = closed.map(|occurred| Made { channel: None, subject, kind, occurred });
        Some([Some(opening), closing])
    })?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Reads a table of `channel,standard,from,source`: from then on the province requires a standard.
pub fn notices(file: &str, text: &str) -> Result<Vec<Made>, Vec<Problem>> {
    let columns = ["channel", "standard", "from", "source"];
    Sheet::read(file, text, &columns, &[]).map(|row, problem| {
        for column in columns {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let from = moment(row.get("from"), false);
        if from.is_none() {
            problem("from", format!("`{}` is no time (`2026-11-22T17:30`)", row.get("from")));
        }
        Some(Made {
            channel: Some(ChannelId::from(row.get("channel"))),
            subject: row.get("source").to_owned(),
            kind: Kind::StandardRequired { standard: StandardId::from(row.get("standard")) },
            occurred: from?,
        })
    })
}

/// Reads a table of values that the daemon cannot see.
pub fn values(file: &str, text: &str) -> Result<Vec<Made>, Vec<Problem>> {
    stated::parse(file, text).map(|rows| rows.iter().map(value).collect())
}

/// Reads a table of results that the province published, item by item.
pub fn results(file: &str, text: &str) -> Result<Vec<Made>, Vec<Problem>> {
    let of_row = |row: &Official| Made {
        channel: None,
        subject: row.body.clone(),
        kind: Kind::Stated {
            name: calibrate::stated_name(row),
            month: row.month.to_string(),
            value: row.points,
            source: row.source.clone(),
        },
        occurred: zone().to_timestamp(row.date.into()).unwrap_or(Timestamp::MIN),
    };
    calibrate::officials(file, text).map(|rows| rows.iter().map(of_row).collect())
}

/// A stated value as a fact of the day on which it was stated.
pub fn value(row: &Stated) -> Made {
    Made {
        channel: None,
        subject: row.body.clone(),
        kind: Kind::Stated {
            name: row.name.clone(),
            month: row.month.to_string(),
            value: row.value,
            source: row.source.clone(),
        },
        occurred: zone().to_timestamp(row.date.into()).unwrap_or(Timestamp::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_alone_ends_a_deadline_and_begins_an_opening() {
        let text = "list,number,owner,opened,deadline,closed,proof\n\
                    guides,g-1,住建局,2026-02-01,2026-02-25,2026-02-26 09:00,档 7\n\
                    guides,g-2,住建局,2026-02-01T08:00+08:00,2026-02-25T18:00,,\n";
        let made = cases("c.csv", text).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(made.len(), 3);
        assert_eq!(made[0].occurred, at("2026-02-01T00:00:00+08:00"));
        let Kind::CaseOpened { deadline, .. } = &made[0].kind else { panic!() };
        assert_eq!(*deadline, at("2026-02-26T00:00:00+08:00"));
        assert_eq!(made[1].occurred, at("2026-02-26T09:00:00+08:00"));
        assert_eq!(made[2].occurred, at("2026-02-01T08:00:00+08:00"));
    }

    #[test]
    fn every_mistake_of_a_table_is_told_with_its_place() {
        let text = "list,number,owner,opened,deadline,closed,proof\n\
                    ,g-1,住建局,2026-02-01,soon,2026-02-26,\n";
        let told: Vec<String> =
            cases("c.csv", text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[2].contains("c.csv:2 (proof): a case is closed only with a proof"));
        let text = "channel,standard,from,source\nprovince,s/2,2026-03-16,通知〔2026〕3 号\n";
        let made = notices("n.csv", text).unwrap();
        assert_eq!(made[0].subject, "通知〔2026〕3 号");
        assert_eq!(made[0].occurred, "2026-03-16T00:00:00+08:00".parse::<Timestamp>().unwrap());
        assert!(notices("n.csv", "channel,standard,from,source\n,s/2,,\n").is_err());
    }
}
