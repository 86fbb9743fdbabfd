//! Tables of registrations: a portal's export, a vendor's table, or the sheet that came back.
//!
//! Columns are found by their heads, in Chinese or English, wherever they stand.

use super::{Decision, Registration};

/// The most rows of one table.
const MOST_ROWS: usize = 200_000;
/// The most characters of a cell that is taken.
const MOST_CHARACTERS: usize = 500;

/// What is wrong in a table, and in which row (counted from 1); 0 for the table as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misread {
    /// The row.
    pub row: usize,
    /// What is wrong, without content.
    pub what: String,
}

const KIND: &[&str] = &["类别", "kind"];
const UPPER_ID: &[&str] = &["上级编号", "上级标识", "upper_id", "upper id"];
const CODE: &[&str] = &["编码", "目录编码", "本市标识", "code"];
const TITLE: &[&str] = &["名称", "目录名称", "title"];
const VERDICT: &[&str] = &["处置", "是否采用", "verdict"];
const OBJECT: &[&str] = &["采用本市标识", "object"];

/// The heads of a table with everything.
pub const EXPORT_HEADS: [&str; 4] = ["upper_id", "kind", "code", "title"];

/// Kinds as people write them.
const KINDS: [(&str, &str); 5] = [
    ("机构", "organisation"),
    ("分类", "category"),
    ("系统", "system"),
    ("目录", "entry"),
    ("资源", "resource"),
];

/// Where the columns of a table are.
struct Heads {
    row: usize,
    places: Vec<Option<usize>>,
}

impl Heads {
    /// Looks for heads in the first rows; the first of `wanted` must be there.
    fn find(rows: &[Vec<String>], wanted: &[&[&str]]) -> Option<Self> {
        let plain = |text: &String| text.trim().to_lowercase();
        rows.iter().take(10).enumerate().find_map(|(row, cells)| {
            let cells: Vec<String> = cells.iter().map(plain).collect();
            let place =
                |names: &&[&str]| cells.iter().position(|cell| names.contains(&cell.as_str()));
            let places: Vec<Option<usize>> = wanted.iter().map(place).collect();
            places.first().copied().flatten().map(|_| Self { row, places })
        })
    }

    fn cell<'a>(&self, row: &'a [String], which: usize) -> &'a str {
        let place = self.places.get(which).copied().flatten();
        place.and_then(|place| row.get(place)).map_or("", |cell| cell.trim())
    }
}

fn kind(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("entry".to_owned());
    }
    let known = KINDS.iter().find(|(zh, en)| *zh == text || *en == text);
    known.map(|(_, en)| (*en).to_owned())
}

/// Registrations of a table whose name is `name`. Without a kind a row is a catalogue entry's.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn registrations(name: &str, rows: &[Vec<String>]) -> Result<Vec<Registration>, Vec<Misread>> {
    let wanted = [UPPER_ID, KIND, CODE, TITLE];
    let Some(heads) = Heads::find(rows, &wanted) else {
        let what = "no column 上级编号 (upper_id) in its first rows".to_owned();
        return Err(vec![Misread { row: 0, what }]);
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate().skip(heads.row + 1) {
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let mut tell = |what: &str| wrong.push(Misread { row: at + 1, what: what.to_owned() });
        let upper_id = heads.cell(row, 0);
        if upper_id.is_empty() {
            tell("no 上级编号");
            continue;
        }
        let cells = [upper_id, heads.cell(row, 2), heads.cell(row, 3)];
        if cells.iter().any(|cell| cell.chars().count() > MOST_CHARACTERS) {
            tell("a cell is longer than 500 characters");
            continue;
        }
        let Some(kind) = kind(heads.cell(row, 1)) else {
            tell("no such 类别: write 机构, 分类, 系统, 目录 or 资源");
            continue;
        };
        found.push(Registration {
            kind,
            upper_id: upper_id.to_owned(),
            code: heads.cell(row, 2).to_owned(),
            title: heads.cell(row, 3).to_owned(),
            origin: format!("{name}:{}", at + 1),
        });
    }
    if found.len() > MOST_ROWS {
        wrong.push(Misread { row: 0, what: "more than 200,000 rows".to_owned() });
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

/// What people said in the sheet that came back; what they left empty is not said yet.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn decisions(rows: &[Vec<String>]) -> Result<Vec<Decision>, Vec<Misread>> {
    let wanted = [VERDICT, KIND, UPPER_ID, OBJECT];
    let Some(heads) = Heads::find(rows, &wanted) else {
        let what = "no column 处置 (verdict): this is no sheet of `takeover sheet`".to_owned();
        return Err(vec![Misread { row: 0, what }]);
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate().skip(heads.row + 1) {
        let verdict = heads.cell(row, 0).to_lowercase();
        if verdict.is_empty() {
            continue;
        }
        let mut tell = |what: &str| wrong.push(Misread { row: at + 1, what: what.to_owned() });
        let (Some(kind), upper_id) = (kind(heads.cell(row, 1)), heads.cell(row, 2)) else {
            tell("its 类别 was changed");
            continue;
        };
        if upper_id.is_empty() {
            tell("its 上级编号 is gone");
            continue;
        }
        let object = heads.cell(row, 3);
        let id = match verdict.as_str() {
            "是" | "yes" | "y" if object.is_empty() => {
                tell("采用本市标识 is empty: which object is it?");
                continue;
            }
            "是" | "yes" | "y" => Some(object.to_owned()),
            "否" | "no" | "n" => None,
            _ => {
                tell("处置 is neither 是 (yes) nor 否 (no)");
                continue;
            }
        };
        found.push(Decision { kind, upper_id: upper_id.to_owned(), id });
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}
