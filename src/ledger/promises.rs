//! What the catalogue promises of its entries, for telling when it promises less.

use super::{Error, Ledger, Result};
use crate::calendar::Cycle;

/// An entry of the catalogue and what it promises.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Promised {
    /// Its id.
    pub entry: String,
    /// Its update cycle, in words that are read as the same cycle.
    pub cycle: String,
    /// How it is shared, as the catalogue's canonical word.
    pub share: String,
    /// How it is open to the public, as the catalogue's canonical word.
    pub open: String,
}

const READ: &str = "read what the catalogue promises";

impl Ledger {
    /// What the entries of the catalogue promise, as last read.
    pub async fn promised(&self) -> Result<Vec<Promised>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, json_extract(content, '$.content.update_cycle'),
                            json_extract(content, '$.content.cycle_text'),
                            json_extract(content, '$.content.share_type'),
                            json_extract(content, '$.content.open_type')
                     FROM object WHERE kind = 'entry' AND present = 1 ORDER BY id",
                )
                .map_err(Error::engine(READ))?;
            let mut rows = statement.query([]).map_err(Error::engine(READ))?;
            let mut promised = Vec::new();
            while let Some(row) = rows.next().map_err(Error::engine(READ))? {
                let text = |at: usize| {
                    let text: Option<String> = row.get(at).map_err(Error::engine(READ))?;
                    Ok::<String, Error>(text.unwrap_or_default())
                };
                promised.push(Promised {
                    entry: text(0)?,
                    cycle: Cycle::of_entry(&text(1)?, &text(2)?).to_string(),
                    share: text(3)?,
                    open: text(4)?,
                });
            }
            Ok(promised)
        })
        .await
    }
}
