//! `[[inbox]]`: tables in which the province tells what it did, and what else their rows say.

use std::time::Duration;

use super::read::Section;

/// One `[[inbox]]`: a table in which the province tells what it did, one row for each object.
///
/// Names are those of the table and its columns, however they are spelt.
#[derive(Clone, Debug, Default)]
pub struct InboxSettings {
    /// The table.
    pub table: String,
    /// The column by which its rows are told apart.
    pub key: String,
    /// When the province last touched a row; empty for a table that is read `with` another.
    pub date: String,
    /// The column that says what it did.
    pub action: String,
    /// Values of [`InboxSettings::action`] for a new or changed row.
    pub written: Vec<String>,
    /// Values of [`InboxSettings::action`] for a row that is gone.
    pub deleted: Vec<String>,
    /// How far before the newest row read it is read again, for rows that were committed late.
    pub overlap: Option<Duration>,
    /// The table with whose rows it is read, having no date of its own; may be empty.
    pub with: String,
    /// The column that both have.
    pub by: String,
    /// The reply table that lists its columns.
    pub reply: String,
    /// What its rows say of cases, where they do.
    pub cases: Option<CaseSettings>,
    /// What its rows say of how many rows the province holds, where they do.
    pub counts: Option<CountSettings>,
}

/// `[inbox.cases]`: what the rows of a down-link table say of cases that wait for the city.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CaseSettings {
    /// The list of cases.
    pub list: String,
    /// The column that tells cases apart.
    pub number: String,
    /// The column that says whose it is.
    pub owner: String,
    /// What that column holds: one of [`OWNERS`].
    pub owner_is: String,
    /// When it was laid before the city; empty for a table that only closes cases.
    pub laid: String,
    /// By when it must be dealt with; empty where working days say so.
    pub deadline: String,
    /// So many working days after it was laid.
    pub working_days: Option<u32>,
    /// The column that says whether it is closed.
    pub closed_by: String,
    /// Its values for a case that is closed.
    pub closed: Vec<String>,
    /// When it was; where it is empty, when the province last touched the row.
    pub closed_at: String,
    /// Those of `closed` by which the owner's object came to be used.
    pub granted: Vec<String>,
}

/// `[inbox.counts]`: the rows of a down-link table say how many rows the province holds of a dataset
/// (数据量统计). The newest of each counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CountSettings {
    /// The column that says of what.
    pub of: String,
    /// What that column holds: one of [`COUNTED`].
    pub of_is: String,
    /// The column with the number of rows.
    pub rows: String,
    /// When they were counted; where it is empty, when the province last touched the row.
    pub counted: String,
    /// A count may lack what was acknowledged less than so long before it.
    pub lag: Option<Duration>,
}

/// Values of `[inbox.counts] of_is`: a resource by the id that the province gave it, or by the
/// city's own; a dataset by its id.
pub const COUNTED: &[&str] = &["resource", "dataset"];

/// Values of `[inbox.cases] owner_is`: an organisation by its id, code or title; an object by the
/// id that the province gave it, or by the city's own.
pub const OWNERS: &[&str] = &["organisation", "entry", "resource"];

pub(super) fn inbox(it: &mut Section<'_, '_, '_>) -> InboxSettings {
    let read = InboxSettings {
        table: it.required("table"),
        key: it.required("key"),
        date: it.text("date"),
        action: it.text("type"),
        written: it.texts("written"),
        deleted: it.texts("deleted"),
        overlap: it.duration("overlap"),
        with: it.text("with"),
        by: it.text("by"),
        reply: it.required("reply"),
        cases: it.sub("cases", cases),
        counts: it.sub("counts", counts),
    };
    if read.with.is_empty() {
        for (key, is_empty) in [
            ("date", read.date.is_empty()),
            ("type", read.action.is_empty()),
            ("written", read.written.is_empty()),
            ("deleted", read.deleted.is_empty()),
        ] {
            if is_empty {
                it.wrong(key, "is required of a table that is read by itself");
            }
        }
    } else if read.by.is_empty() || !read.date.is_empty() {
        it.wrong("with", "goes with `by` and without `date`");
    }
    read
}

fn cases(it: &mut Section<'_, '_, '_>) -> CaseSettings {
    CaseSettings {
        list: it.required("list"),
        number: it.required("number"),
        owner: it.text("owner"),
        owner_is: it.optional_one_of("owner_is", OWNERS),
        laid: it.text("laid"),
        deadline: it.text("deadline"),
        working_days: it.number("working_days"),
        closed_by: it.text("closed_by"),
        closed: it.texts("closed"),
        closed_at: it.text("closed_at"),
        granted: it.texts("granted"),
    }
}

fn counts(it: &mut Section<'_, '_, '_>) -> CountSettings {
    CountSettings {
        of: it.required("of"),
        of_is: it.optional_one_of("of_is", COUNTED),
        rows: it.required("rows"),
        counted: it.text("counted"),
        lag: it.duration("lag"),
    }
}
