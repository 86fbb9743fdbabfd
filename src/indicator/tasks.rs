//! The province's list of data to be collected (归集任务清单): which data a city has to deliver, by
//! when, and under which entry it does.
//!
//! The list is the province's, and the city keeps a copy. A task is done when its entry stands above,
//! has a resource there that is not all but empty, and its rows are confirmed and not overdue. While
//! nobody has published anything for a task, its `entry` is empty: then it is not done. No province's
//! list was seen: the columns are a model.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::sheet::{Problem, Sheet};

/// Data that the province wants to have by a day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// Its number on the province's list.
    pub id: String,
    /// What is to be delivered.
    pub title: String,
    /// The catalogue entry under which it is; empty while there is none.
    pub entry: String,
    /// Who has to deliver it.
    pub department: String,
    /// Where.
    pub region: String,
    /// It is to be done by the end of this day.
    pub due: Date,
    /// The list or letter in which the province says so.
    pub source: String,
}

impl Task {
    /// The first instant after its day. In China a day ends where it ends everywhere else in it.
    pub fn deadline(&self) -> Timestamp {
        crate::calendar::end_of_day(self.due, &TimeZone::fixed(jiff::tz::offset(8)))
    }

    /// As facts, findings and approvals name it.
    pub fn subject(&self) -> String {
        format!("{}{}", Self::PREFIX, self.id)
    }

    /// What stands before a task's number where a subject is named.
    pub const PREFIX: &str = "task:";
}

const COLUMNS: [&str; 7] = ["task", "title", "entry", "department", "region", "due", "source"];

/// Reads the list; every mistake at once.
///
/// # Errors
/// What is wrong, by line and column.
pub fn tasks(file: &str, text: &str) -> Result<Vec<Task>, Vec<Problem>> {
    let mut seen = BTreeSet::new();
    Sheet::read(file, text, &COLUMNS, &["title", "entry", "region"]).map(|row, problem| {
        for column in ["task", "department", "source"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let id = row.get("task");
        if !id.is_empty() && !seen.insert(id.to_owned()) {
            problem("task", format!("`{id}` stands twice"));
        }
        let due = row.get("due").parse::<Date>().ok();
        if due.is_none() {
            problem("due", format!("`{}` is no date (`2026-11-30`)", row.get("due")));
        }
        Some(Task {
            id: id.to_owned(),
            title: row.get("title").to_owned(),
            entry: row.get("entry").to_owned(),
            department: row.get("department").to_owned(),
            region: row.get("region").to_owned(),
            due: due?,
            source: row.get("source").to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_task_is_due_at_the_end_of_its_day_and_may_have_no_entry_yet() {
        let text = "due,task,department,source\n2026-11-30,T-1,住建局,省数据局 11 月清单\n";
        let read = tasks("tasks.csv", text).unwrap();
        assert_eq!((read[0].due, read[0].entry.as_str()), (date(2026, 11, 30), ""));
        assert_eq!(read[0].deadline().to_string(), "2026-11-30T16:00:00Z");
        assert_eq!(read[0].subject(), "task:T-1");
    }

    #[test]
    fn every_mistake_of_the_list_is_told_at_once() {
        let text = "task,department,due,source\nT-1,,2026-11-31,\nT-1,a,2026-11-30,s\n,a,,s\n";
        let told: Vec<String> = tasks("tasks.csv", text)
            .unwrap_err()
            .iter()
            .map(|it| format!("{} {}: {}", it.line, it.column, it.what))
            .collect();
        assert_eq!(
            told,
            [
                "2 department: is empty",
                "2 source: is empty",
                "2 due: `2026-11-31` is no date (`2026-11-30`)",
                "3 task: `T-1` stands twice",
                "4 task: is empty",
                "4 due: `` is no date (`2026-11-30`)",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_table_panics(text in "\\PC{0,60}|(task|department|due|source|\"|,|\n|2026-11-30|#){0,40}") {
            drop(tasks("t.csv", &text).map(|it| it.len()));
        }
    }
}
