//! What rows of down-link tables say of cases (需求, 异议): a declaration in a standard's directory,
//! proven when it is loaded, and what it makes of a row.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::problem::{Code, Problem, Problems};
use super::settings::{self, CaseSettings, InboxSettings};
use super::tables::Tables;
use crate::calendar::{Calendar, end_of_day, moment};

/// The most working days that a case may have: a year of them.
const MOST_WORKING_DAYS: u32 = 250;
/// The longest number of a case that is taken for one.
const LONGEST_NUMBER: usize = 200;

/// What a row says of a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaseSaid {
    /// Which one. Content: it goes nowhere in clear.
    pub number: String,
    /// That it lies before the city.
    pub opening: Option<Opening>,
    /// That it does not any more, since when.
    pub closed: Option<Timestamp>,
    /// That its object came to be used by it.
    pub is_granted: bool,
    /// What is in the column that says whose it is. Content as well.
    pub owner: String,
}

/// A case that lies before the city.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opening {
    /// Since when.
    pub laid: Timestamp,
    /// By when it must be dealt with.
    pub deadline: Timestamp,
}

impl CaseSettings {
    /// Reads a row that the province touched at `operated`; `is_gone` where it took it away, which
    /// ends the case.
    ///
    /// # Errors
    /// The column that does not hold what it should.
    pub fn said(
        &self,
        row: &Map<String, Value>,
        (operated, is_gone): (Timestamp, bool),
        (zone, calendar): (&TimeZone, &Calendar),
    ) -> Result<CaseSaid, String> {
        let cell = |column: &str| cell(row, column);
        let at =
            |column: &str, ends| moment(&cell(column), zone, ends).ok_or_else(|| column.to_owned());
        let number = cell(&self.number);
        if number.is_empty() || number.len() > LONGEST_NUMBER {
            return Err(self.number.clone());
        }
        let opening = if self.laid.is_empty() || is_gone {
            None
        } else {
            let laid = at(&self.laid, false)?;
            let deadline = match self.working_days {
                Some(days) => {
                    let day = zone.to_datetime(laid).date();
                    end_of_day(calendar.add_working_days(day, days).date, zone)
                }
                None => at(&self.deadline, true)?,
            };
            Some(Opening { laid, deadline })
        };
        let status = cell(&self.closed_by);
        let is_in = |list: &[String]| !self.closed_by.is_empty() && list.contains(&status);
        let closed = if is_gone {
            Some(operated)
        } else if !is_in(&self.closed) {
            None
        } else if self.closed_at.is_empty() {
            Some(operated)
        } else {
            Some(at(&self.closed_at, true)?)
        };
        let is_granted = !is_gone && is_in(&self.granted);
        Ok(CaseSaid { number, opening, closed, is_granted, owner: cell(&self.owner) })
    }
}

/// What a column of a row holds, as text; empty where it holds nothing.
pub(super) fn cell(row: &Map<String, Value>, column: &str) -> String {
    match row.get(column) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// Reports declarations that contradict themselves or their table.
pub(super) fn check(tables: &Tables, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    let all = &tables.settings.inbox;
    for inbox in all {
        let Some(cases) = &inbox.cases else { continue };
        let shown = |key: &str| format!("inbox[{}].cases.{key}", inbox.table);
        let mut wrong = |key: &str, what: &str| {
            problems.add(Code::Key, None, &shown(key), what.to_owned());
        };
        check_keys(inbox, cases, &mut wrong);
        let opens = |it: &InboxSettings| {
            it.cases.as_ref().is_some_and(|it| it.list == cases.list && !it.laid.is_empty())
        };
        if !all.iter().any(opens) {
            wrong("list", "no table says when its cases are laid before the city");
        }
        let Some(columns) = tables.replies.get(&inbox.reply) else { continue };
        for (key, column) in cases.columns() {
            if !column.is_empty() && !columns.iter().any(|row| row.path == *column) {
                let what = format!("`{column}` is no column of `replies/{}.csv`", inbox.reply);
                let known = columns.iter().map(|row| row.path.as_str());
                problems.add_unknown(Code::Key, (None, &shown(key)), what, column, known);
            }
        }
    }
}

fn check_keys(inbox: &InboxSettings, cases: &CaseSettings, wrong: &mut impl FnMut(&str, &str)) {
    let is_word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    if !cases.list.chars().all(is_word) {
        wrong("list", "is a name of small letters, digits and `_`");
    }
    if !inbox.with.is_empty() {
        wrong("list", "a table that is read with another has no cases of its own");
    }
    let is_opening = !cases.laid.is_empty();
    if is_opening && cases.deadline.is_empty() == cases.working_days.is_none() {
        wrong("deadline", "either a column or `working_days` says by when, and not both");
    }
    if !is_opening && (!cases.deadline.is_empty() || cases.working_days.is_some()) {
        wrong("laid", "is required where something is due");
    }
    if cases.working_days.is_some_and(|days| days > MOST_WORKING_DAYS) {
        wrong("working_days", "at most 250: a year");
    }
    if (is_opening || !cases.granted.is_empty()) && cases.owner.is_empty() {
        wrong("owner", "is required: nobody else can deal with it");
    }
    if cases.owner.is_empty() != cases.owner_is.is_empty() {
        wrong("owner_is", "goes with `owner`");
    }
    if !is_opening && cases.closed_by.is_empty() {
        wrong("laid", "neither this nor `closed_by`: the table says nothing of cases");
    }
    if cases.closed_by.is_empty() != cases.closed.is_empty() {
        wrong("closed", "goes with `closed_by`");
    }
    if cases.closed_by.is_empty() && !cases.closed_at.is_empty() {
        wrong("closed_at", "goes with `closed_by`");
    }
    if cases.granted.iter().any(|it| !cases.closed.contains(it)) {
        wrong("granted", "what is granted is closed: each of its values stands in `closed` too");
    }
    if !cases.granted.is_empty() && cases.owner_is == "organisation" {
        wrong("granted", "what is used is an `entry` or a `resource`, which `owner` does not name");
    }
}

impl CaseSettings {
    /// The columns that it names, by key.
    fn columns(&self) -> [(&'static str, &String); 6] {
        [
            ("number", &self.number),
            ("owner", &self.owner),
            ("laid", &self.laid),
            ("deadline", &self.deadline),
            ("closed_by", &self.closed_by),
            ("closed_at", &self.closed_at),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    fn at(local: &str) -> Timestamp {
        moment(local, &zone(), false).unwrap()
    }

    fn settings() -> CaseSettings {
        let text = |text: &str| text.to_owned();
        CaseSettings {
            list: text("objections"),
            number: text("no"),
            owner: text("who"),
            owner_is: text("organisation"),
            laid: text("from"),
            working_days: Some(10),
            closed_by: text("state"),
            closed: vec![text("5"), text("6")],
            ..CaseSettings::default()
        }
    }

    fn said(settings: &CaseSettings, row: &Value, is_gone: bool) -> Result<CaseSaid, String> {
        let calendar = Calendar::default();
        let told = (at("2026-03-09 10:00:00"), is_gone);
        settings.said(row.as_object().unwrap(), told, (&zone(), &calendar))
    }

    #[test]
    fn a_row_opens_changes_and_closes_a_case() {
        let settings = settings();
        let row = serde_json::json!({"no": "a-1", "who": "o1", "from": "2026-03-02 09:00:00", "state": 2});
        let open = said(&settings, &row, false).unwrap();
        let opening = open.opening.unwrap();
        assert_eq!(opening.laid, at("2026-03-02 09:00:00"));
        // Ten working days after a Monday: to the end of the Monday two weeks later.
        assert_eq!(opening.deadline, at("2026-03-17"));
        assert_eq!((open.closed, open.is_granted, open.owner.as_str()), (None, false, "o1"));
        let mut row = row;
        row["state"] = 6.into();
        assert_eq!(said(&settings, &row, false).unwrap().closed, Some(at("2026-03-09 10:00:00")));
        row["state"] = 2.into();
        let gone = said(&settings, &row, true).unwrap();
        assert_eq!((gone.opening, gone.closed), (None, Some(at("2026-03-09 10:00:00"))));
        let by_column = CaseSettings {
            working_days: None,
            deadline: "until".to_owned(),
            closed_at: "done".to_owned(),
            granted: vec!["6".to_owned()],
            ..settings
        };
        row["until"] = "2026-03-20".into();
        row["state"] = "6".into();
        row["done"] = "2026-03-05".into();
        let closed = said(&by_column, &row, false).unwrap();
        assert_eq!(closed.opening.unwrap().deadline, at("2026-03-21"));
        assert_eq!((closed.closed, closed.is_granted), (Some(at("2026-03-06")), true));
    }

    #[test]
    fn the_column_that_cannot_be_read_is_named() {
        let settings = settings();
        for (row, column) in [
            (serde_json::json!({"from": "2026-03-02", "state": "1"}), "no"),
            (serde_json::json!({"no": " ", "from": "2026-03-02"}), "no"),
            (serde_json::json!({"no": "n".repeat(201), "from": "2026-03-02"}), "no"),
            (serde_json::json!({"no": "a", "from": null}), "from"),
            (serde_json::json!({"no": "a", "from": "昨天"}), "from"),
        ] {
            assert_eq!(said(&settings, &row, false), Err(column.to_owned()), "{row}");
        }
    }

    proptest! {
        #[test]
        fn no_row_panics(cells in prop::collection::vec("\\PC{0,20}", 4), is_gone in prop::bool::ANY) {
            let row = serde_json::json!(
                {"no": cells[0], "who": cells[1], "from": cells[2], "state": cells[3]}
            );
            drop(said(&settings(), &row, is_gone));
        }
    }
}
