//! What a reply says, read by a standard's tables.

use std::time::Duration;

use crate::delivery::{LinkState, Outcome, Receipt, Verdict};

/// A reply, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// What it means for what was sent. For a query: whether the question was answered.
    pub outcome: Outcome,
    /// The province's code as said, or `http-NNN` where the reply holds none.
    pub code: String,
    /// The province's words. May hold content: never log it.
    pub message: Option<String>,
    /// The question was answered with "I hold no such thing": nothing arrived, it may be sent.
    pub absent: bool,
    /// The province's id of the object.
    pub upper_id: Option<String>,
    /// The object's state above, in our words.
    pub state: Option<LinkState>,
    /// The receipt.
    pub receipt: Option<Receipt>,
    /// Verdicts on rows; `None` means not judged yet.
    pub verdicts: Vec<RowJudgement>,
    /// What the province says it holds.
    pub inventory: Vec<Held>,
    /// How to ask for what follows.
    pub page: PageReading,
    /// What the standard did not announce.
    pub drift: Vec<Drift>,
}

/// What the province says of one row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowJudgement {
    /// The row's key text, see [`key_text`](crate::row::key_text()); empty where the row is told
    /// apart by its number.
    pub key: String,
    /// The verdict; `None` when the row is not judged yet, or when its code is in no list (which
    /// is drift and judges nothing).
    pub verdict: Option<Verdict>,
    /// How the name of the batch begins that sent the row, in hexadecimal, or the name of the file
    /// that carried it, where the answer tells it: an answer about rows of any batch does.
    pub batch: Option<String>,
    /// The row's place in its batch, from 1, where the answer tells it.
    pub number: Option<u32>,
}

/// One element of an inventory: a dataset, a row or an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// The dataset, the row's key text or the city's id of the object.
    pub key: String,
    /// The object's id above.
    pub upper_id: Option<String>,
    /// The digest of what is held, as the standard defines it.
    pub digest: Option<String>,
    /// How many rows are held.
    pub count: Option<u64>,
    /// The object's state above.
    pub state: Option<LinkState>,
}

/// How to go on asking.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PageReading {
    /// The next page's number or cursor as said; `None` ends.
    pub next: Option<String>,
    /// How many elements there are in all.
    pub total: Option<u64>,
}

/// A reply says something that its standard does not announce. Holds no content.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Drift {
    /// A path in no row of the reply's table.
    UnknownPath(String),
    /// A code that no class lists.
    UnlistedCode(String),
    /// A value outside the code list of its row: the path and the value.
    UnlistedValue(String, String),
    /// A path that the table requires and the reply does not have.
    MissingPath(String),
    /// A refusal of a value that stands in the standard's code list: its code.
    RefusedCode(String),
}

impl Reading {
    /// A reading with nothing but an outcome.
    pub(super) fn new(outcome: Outcome, code: String) -> Self {
        Self {
            outcome,
            code,
            message: None,
            absent: false,
            upper_id: None,
            state: None,
            receipt: None,
            verdicts: Vec::new(),
            inventory: Vec::new(),
            page: PageReading::default(),
            drift: Vec::new(),
        }
    }
}

/// What HTTP says beside the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpAnswer<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, where given.
    pub retry_after: Option<Duration>,
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
}
