//! The mending list (整改) as operators bring it in, see it and close it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Paging;
use crate::indicator::mending::Fault;

/// Which faults.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MendingQuery {
    /// The list.
    pub list: String,
    /// Only those in this state: open, proven, closed.
    pub state: Option<String>,
    /// Only this department's.
    pub owner: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// Faults of a list are brought in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MendImport {
    /// The list, as the scheme names it.
    pub list: String,
    /// Working days for a fault that names no limit.
    pub within: u16,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// Something is done with one fault.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mend {
    /// The list.
    pub list: String,
    /// Its number on the list.
    pub number: String,
    /// What.
    pub act: MendAct,
}

/// What is done with a fault.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MendAct {
    /// Another department, person, measure or deadline; what is left out stays.
    Assign {
        /// The department.
        owner: Option<String>,
        /// Who there.
        person: Option<String>,
        /// What is to be done.
        measures: Option<String>,
        /// So many working days from now.
        within: Option<u16>,
    },
    /// A proof is attached.
    Prove {
        /// The file's name, without its folder.
        name: String,
        /// SHA-256 of the file, in hexadecimal digits.
        digest: String,
    },
    /// It is closed.
    Close {},
}

/// A fault.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mending {
    /// The list.
    pub list: String,
    /// The row.
    pub fault: Fault,
    /// By when.
    pub deadline: Timestamp,
    /// The deadline has passed and it is not closed.
    pub overdue: bool,
    /// How far it is: open, proven, closed.
    pub state: String,
    /// What proves it.
    pub proof: String,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// What the machine sees: nothing, mended, not-above, rejects, overdue.
    pub seen: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MendReport {
    /// Faults that were not known.
    pub added: u64,
    /// Faults that changed.
    pub changed: u64,
    /// Faults that stay as they were.
    pub unchanged: u64,
}
