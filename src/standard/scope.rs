//! What a message speaks of: the values that are at hand when it is built.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::catalogue::{Kind, Object};
use crate::delivery::{Action, Lane};

/// Everything a message may take its values from. What is not there is absent.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    /// The object that the message is about (`entry.…`, `resource.…`, `object.…`, `supplied.…`);
    /// for rows, the resource that carries them.
    pub object: Option<&'a Object>,
    /// The province's id of that object (`link.upper_id`).
    pub upper_id: Option<&'a str>,
    /// The province's ids of its parents by kind (`upper.KIND`).
    pub upper: BTreeMap<Kind, String>,
    /// The batch (`batch.…`).
    pub batch: BatchScope<'a>,
    /// The dataset, by the city's id (`dataset.id`).
    pub dataset: Option<&'a str>,
    /// The columns of its key as they are named above, separated by commas (`dataset.key`).
    pub dataset_key: Option<&'a str>,
    /// The columns of a row in the order in which a batch's rows carry them, as they are named
    /// above, separated by commas (`dataset.columns`).
    pub dataset_columns: Option<&'a str>,
    /// The part of an answer that is asked for (`page.…`).
    pub page: PageScope<'a>,
    /// What an inventory is asked about (`inventory.kind`).
    pub inventory: Option<Kind>,
}

/// What `batch.…` and the value `rows` stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchScope<'a> {
    /// The batch that a query is about. A batch's own message has no id yet (its id covers the
    /// payload): `batch.id` is then a slot that is filled when an attempt is made.
    pub id: Option<&'a str>,
    /// Rows in it.
    pub rows: Option<u32>,
    /// What happens to them.
    pub action: Option<Action>,
    /// Its lane.
    pub lane: Option<Lane>,
    /// The ledger's ordinal of it: no two batches have the same.
    pub ordinal: Option<u64>,
    /// When it was packed.
    pub packed: Option<Timestamp>,
    /// The rows as the row plan wrote them.
    pub encoded: &'a [u8],
}

/// What `page.…` stands for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageScope<'a> {
    /// Counted from 1.
    pub number: Option<u32>,
    /// Elements in a part; the operation's own size where this is absent.
    pub size: Option<u32>,
    /// As the last answer said.
    pub cursor: Option<&'a str>,
}
