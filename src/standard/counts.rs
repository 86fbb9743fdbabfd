//! What rows of down-link tables say of how many rows the province holds (数据量统计): a declaration
//! in a standard's directory, proven when it is loaded, and what it makes of a row.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::cases::cell;
use super::problem::{Code, Problem, Problems};
use super::settings::{self, CountSettings};
use super::tables::Tables;
use crate::calendar::moment;

/// The longest id that is taken for one.
const LONGEST_ID: usize = 200;

/// What a row says was counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountSaid {
    /// What is in the column that says of what.
    pub of: String,
    /// How many rows.
    pub rows: u64,
    /// When they were counted.
    pub counted: Timestamp,
}

impl CountSettings {
    /// Reads a row that the province touched at `operated`.
    ///
    /// # Errors
    /// The column that does not hold what it should.
    pub fn said(
        &self,
        row: &Map<String, Value>,
        operated: Timestamp,
        zone: &TimeZone,
    ) -> Result<CountSaid, String> {
        let of = cell(row, &self.of);
        if of.is_empty() || of.len() > LONGEST_ID {
            return Err(self.of.clone());
        }
        let rows = whole(&cell(row, &self.rows)).ok_or_else(|| self.rows.clone())?;
        let counted = match self.counted.is_empty() {
            true => operated,
            false => moment(&cell(row, &self.counted), zone, false)
                .ok_or_else(|| self.counted.clone())?,
        };
        Ok(CountSaid { of, rows, counted })
    }
}

/// A number of rows as tables hold it: some write `1200.00`.
fn whole(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    rest.chars().all(|digit| digit == '0').then(|| whole.parse().ok())?
}

/// Reports declarations that contradict themselves or their table.
pub(super) fn check(tables: &Tables, list: &mut Vec<Problem>) {
    let mut problems = Problems::new(list, settings::FILE);
    for inbox in &tables.settings.inbox {
        let Some(counts) = &inbox.counts else { continue };
        let shown = |key: &str| format!("inbox[{}].counts.{key}", inbox.table);
        if inbox.cases.is_some() {
            let what =
                "a table says of its rows that they are cases or counts, not both".to_owned();
            problems.add(Code::Key, None, &shown("of"), what);
        }
        if !inbox.with.is_empty() {
            let what = "a table that is read with another counts nothing by itself".to_owned();
            problems.add(Code::Key, None, &shown("of"), what);
        }
        if counts.of_is.is_empty() {
            problems.add(Code::Key, None, &shown("of_is"), "is required".to_owned());
        }
        let Some(columns) = tables.replies.get(&inbox.reply) else { continue };
        let named = [("of", &counts.of), ("rows", &counts.rows), ("counted", &counts.counted)];
        for (key, column) in named.into_iter().filter(|(_, column)| !column.is_empty()) {
            if !columns.iter().any(|row| row.path == *column) {
                let what = format!("`{column}` is no column of `replies/{}.csv`", inbox.reply);
                let known = columns.iter().map(|row| row.path.as_str());
                problems.add_unknown(Code::Key, (None, &shown(key)), what, column, known);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> CountSettings {
        CountSettings {
            of: "what".to_owned(),
            of_is: "resource".to_owned(),
            rows: "n".to_owned(),
            ..CountSettings::default()
        }
    }

    fn said(settings: &CountSettings, row: &Value) -> Result<CountSaid, String> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        settings.said(row.as_object().unwrap(), Timestamp::UNIX_EPOCH, &zone)
    }

    #[test]
    fn a_row_says_of_what_how_many_and_when() {
        let row = serde_json::json!({"what": " r1 ", "n": "1200.00", "at": "2026-03-02 00:00:00"});
        let of = "r1".to_owned();
        let expected = CountSaid { of, rows: 1_200, counted: Timestamp::UNIX_EPOCH };
        assert_eq!(said(&settings(), &row), Ok(expected.clone()));
        let dated = CountSettings { counted: "at".to_owned(), ..settings() };
        let counted = "2026-03-01T16:00:00Z".parse().unwrap();
        assert_eq!(said(&dated, &row), Ok(CountSaid { counted, ..expected }));
    }

    #[test]
    fn the_column_that_cannot_be_read_is_named() {
        let dated = CountSettings { counted: "at".to_owned(), ..settings() };
        for (row, column) in [
            (serde_json::json!({"n": 1}), "what"),
            (serde_json::json!({"what": "x".repeat(201), "n": 1}), "what"),
            (serde_json::json!({"what": "r"}), "n"),
            (serde_json::json!({"what": "r", "n": -1}), "n"),
            (serde_json::json!({"what": "r", "n": "1.5"}), "n"),
            (serde_json::json!({"what": "r", "n": 1, "at": "昨天"}), "at"),
        ] {
            assert_eq!(said(&dated, &row), Err(column.to_owned()), "{row}");
        }
    }

    proptest! {
        #[test]
        fn no_row_panics(cells in prop::collection::vec("\\PC{0,20}", 2)) {
            let row = serde_json::json!({"what": cells[0], "n": cells[1]});
            drop(said(&settings(), &row));
        }
    }
}
