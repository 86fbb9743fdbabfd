//! Values that no two rows of a dataset may share, for datasets whose rules ask for it.
//!
//! The one place where a row that is confirmed leaves something in the database: two keyed digests
//! for each value of a `unique` rule that is not over the key itself.

use rusqlite::{OptionalExtension, Transaction, params};

use super::rows::Flow;
use super::{Error, Ledger, Result, lock};
use crate::row::KeyDigest;

/// A value and the row that holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UniqueValue {
    /// The rule's name.
    pub rule: String,
    /// Keyed digest of the cells.
    pub value: KeyDigest,
    /// Keyed digest of the row's key.
    pub key: KeyDigest,
}

impl Ledger {
    /// The row that holds a value of a rule. Blocking: for work on the pool.
    pub fn unique_holder(
        &self,
        flow: &Flow,
        rule: &str,
        value: KeyDigest,
    ) -> Result<Option<KeyDigest>> {
        lock(&self.inner.reader)
            .prepare_cached(
                "SELECT key FROM unique_value WHERE channel = ?1 AND dataset = ?2 AND rule = ?3
                 AND value = ?4",
            )
            .and_then(|mut statement| {
                statement
                    .query_row(params![flow.channel.as_str(), flow.dataset, rule, value.0], |row| {
                        row.get(0).map(KeyDigest)
                    })
                    .optional()
            })
            .map_err(Error::engine("look up a value"))
    }
}

/// Rows hold these values from now on, and no longer their older ones.
pub(super) fn held(transaction: &Transaction<'_>, flow: &Flow, held: &[UniqueValue]) -> Result<()> {
    for one in held {
        for step in [
            "DELETE FROM unique_value WHERE channel = ?1 AND dataset = ?2 AND rule = ?3
             AND key = ?5 AND value <> ?4",
            "INSERT INTO unique_value (channel, dataset, rule, value, key)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (channel, dataset, rule, value) DO UPDATE SET key = excluded.key",
        ] {
            transaction
                .prepare_cached(step)
                .and_then(|mut statement| {
                    statement.execute(params![
                        flow.channel.as_str(),
                        flow.dataset,
                        one.rule,
                        one.value.0,
                        one.key.0
                    ])
                })
                .map_err(Error::engine("record a value"))?;
        }
    }
    Ok(())
}

/// Rows are gone from the city: their values are free.
pub(super) fn freed(transaction: &Transaction<'_>, flow: &Flow, keys: &[KeyDigest]) -> Result<()> {
    for key in keys {
        transaction
            .prepare_cached(
                "DELETE FROM unique_value WHERE channel = ?1 AND dataset = ?2 AND key = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![flow.channel.as_str(), flow.dataset, key.0])
            })
            .map_err(Error::engine("free a value"))?;
    }
    Ok(())
}
