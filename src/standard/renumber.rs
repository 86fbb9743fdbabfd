//! Upper ids that a new version gives anew: the map from old to new that the province hands over.
//!
//! The map is a city's, not the standard's: it arrives as `upper-ids.csv` and is no part of the
//! directory's digest. Which kinds it may speak of is the standard's word (`renumbers`).

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Code, Problem, Problems};
use super::{MAX_ROWS, Standard};
use crate::catalogue::Kind;

/// The file's usual name, beside `standard.toml`.
pub const UPPER_IDS_FILE: &str = "upper-ids.csv";
/// Columns of the file.
pub const UPPER_IDS_COLUMNS: [&str; 3] = ["kind", "old", "new"];
/// The most characters of an id.
const MAX_ID: usize = 200;

/// Old upper ids to new ones, by kind.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UpperIds {
    ids: BTreeMap<(Kind, String), String>,
}

impl UpperIds {
    /// Reads the map for a standard; every problem at once. An old id that stands twice, or two
    /// that become one, would join two objects and is refused.
    pub fn read(bytes: &[u8], standard: &Standard) -> Result<Self, Vec<Problem>> {
        let mut list = Vec::new();
        let mut problems = Problems::new(&mut list, UPPER_IDS_FILE);
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut reader = csv::Reader::from_reader(bytes);
        let head: Vec<String> = reader
            .headers()
            .map(|head| head.iter().map(|cell| cell.trim().to_owned()).collect())
            .unwrap_or_default();
        let mut map = Self::default();
        let mut given = BTreeSet::new();
        if head != UPPER_IDS_COLUMNS {
            let what = format!("the columns are not {}", UPPER_IDS_COLUMNS.join(", "));
            problems.add(Code::Format, Some(1), "", what);
            return Err(list);
        }
        for (at, record) in reader.records().enumerate() {
            let row = Some(at + 2);
            let Ok(record) = record else {
                let what = "a row is not CSV in UTF-8 with three cells".to_owned();
                problems.add(Code::Format, row, "", what);
                continue;
            };
            if at >= MAX_ROWS {
                let what = format!("has more than {MAX_ROWS} rows");
                problems.add(Code::Format, row, "", what);
                break;
            }
            let mut cells = record.iter().map(str::trim);
            let mut cell = || cells.next().unwrap_or_default();
            let [kind, old, new] = [cell(), cell(), cell()];
            let known = &standard.settings().renumbers;
            let Some(kind) = Kind::parse(kind).filter(|_| known.iter().any(|it| it == kind)) else {
                let what = "the standard does not renumber this kind".to_owned();
                let known = known.iter().map(String::as_str);
                problems.add_unknown(Code::Value, (row, kind), what, kind, known);
                continue;
            };
            if [old, new].iter().any(|id| id.is_empty() || id.chars().count() > MAX_ID) {
                let what = format!("an id has 1 to {MAX_ID} characters");
                problems.add(Code::Rule, row, kind.as_str(), what);
            } else if map.ids.insert((kind, old.to_owned()), new.to_owned()).is_some() {
                problems.add(Code::Codes, row, old, "the old id stands here twice".to_owned());
            } else if !given.insert((kind, new.to_owned())) {
                problems.add(Code::Codes, row, new, "two old ids become this one".to_owned());
            }
        }
        if list.is_empty() { Ok(map) } else { Err(list) }
    }

    /// The new id for an old one; `None` where the province gave none.
    pub fn new_id(&self, kind: Kind, old: &str) -> Option<&str> {
        self.ids.get(&(kind, old.to_owned())).map(String::as_str)
    }

    /// Every id that changes: its kind, the old one and the new.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str, &str)> {
        self.ids.iter().map(|((kind, old), new)| (*kind, old.as_str(), new.as_str()))
    }

    /// How many ids change.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none changes.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
