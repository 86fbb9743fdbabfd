//! The list to mend of each department: the columns that such lists have (序号、责任单位、问题来源
//! …), those that the department fills in left empty.

use super::draft::{Draft, code_of, points};
use super::troubles::detail;
use super::words::Say;
use crate::bulletin::{Defect, Report};

/// A department's sheet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sheet {
    /// Whose.
    pub owner: String,
    /// What the sheet is called.
    pub name: String,
    /// The heads of its columns.
    pub heads: Vec<String>,
    /// A row for each thing to mend, as long as the heads.
    pub rows: Vec<Vec<String>>,
    /// The columns that the department fills in, by place.
    pub open: Vec<usize>,
}

const COLUMNS: [Say; 15] = [
    Say::ColumnNumber,
    Say::ColumnBody,
    Say::ColumnSource,
    Say::ColumnKind,
    Say::ColumnText,
    Say::ColumnCode,
    Say::ColumnItem,
    Say::ColumnDate,
    Say::ColumnMeasure,
    Say::ColumnDeadline,
    Say::ColumnPerson,
    Say::ColumnDone,
    Say::ColumnProof,
    Say::ColumnClosed,
    Say::ColumnRemark,
];
/// The most rules of one thing to mend.
const RULES: usize = 6;
/// What the department fills in.
const OPEN: [usize; 6] = [8, 10, 11, 12, 13, 14];

/// The sheets of a report: one for each department with something to mend, in the order in which
/// the document names them.
pub fn sheets(report: &Report) -> Vec<Sheet> {
    let draft = Draft::new(report);
    let groups = report.by_department();
    let of = |(owner, _, defects): &(&str, rust_decimal::Decimal, Vec<&Defect>)| {
        let rows =
            defects.iter().enumerate().map(|(at, defect)| row(&draft, at + 1, defect)).collect();
        Sheet {
            owner: (*owner).to_owned(),
            name: draft.say(Say::SheetName, &[]),
            heads: COLUMNS.iter().map(|it| it.of(draft.language).to_owned()).collect(),
            rows,
            open: OPEN.to_vec(),
        }
    };
    groups.iter().filter(|(_, _, defects)| !defects.is_empty()).map(of).collect()
}

fn row(draft: &Draft<'_>, number: usize, defect: &Defect) -> Vec<String> {
    let name = draft.whole_name_of(&defect.subject);
    let detail = detail(draft, defect, RULES);
    let text = if detail.is_empty() { name } else { draft.say(Say::Detail, &[&name, &detail]) };
    // Two figures of one list have one title.
    let mut measures: Vec<String> =
        defect.measures.iter().map(|it| draft.measure_title(it)).collect();
    measures.dedup();
    let measures = draft.list(&measures);
    let item = match defect.gain {
        None => measures,
        Some((gain, _)) => draft.say(Say::SheetLoss, &[&measures, &points(gain)]),
    };
    let told_on = draft.report.last_day.tomorrow().unwrap_or(draft.report.last_day);
    // A deadline at midnight is the end of the day before.
    let until = crate::bulletin::period::day_before(defect.deadline, draft.zone());
    let code = code_of(&defect.subject);
    let mut row = vec![String::new(); COLUMNS.len()];
    let cells = [
        (0, number.to_string()),
        (1, defect.owner.clone()),
        (2, draft.say(Say::SheetFrom, &[&draft.city()])),
        (3, draft.ill_title(&defect.ill)),
        (4, text),
        (5, code.to_owned()),
        (6, item),
        (7, told_on.to_string()),
        (9, until.to_string()),
    ];
    for (at, text) in cells {
        if let Some(cell) = row.get_mut(at) {
            *cell = text;
        }
    }
    if let (Some(cell), false) = (row.last_mut(), defect.evidence.is_empty()) {
        cell.clone_from(&defect.evidence);
    }
    row
}
