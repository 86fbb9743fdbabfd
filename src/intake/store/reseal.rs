//! What lies under another sealing key, sealed again under the one in use, a little at a time.

use rusqlite::{OptionalExtension as _, params};

use super::{SECRET, Store};
use crate::intake::Error;
use crate::ledger::seal::{Purpose, key_id_of};

/// Rows sealed again in one transaction: who writes meanwhile waits no longer.
const ROWS: u32 = 200;

/// Where sealed values are, and what ties each to its place.
const COLUMNS: [(&str, &str, &str); 3] =
    [("row", "content", "dataset"), ("batch", "verdicts", "id"), ("fact", "value", "name")];

/// Of `fact` only the secret is sealed.
fn only(table: &str) -> String {
    if table == "fact" { format!("AND name = '{SECRET}'") } else { String::new() }
}

impl Store {
    /// Seals some values again; how many. What cannot be opened stays as it is.
    pub(in crate::intake) fn resealed(&self) -> Result<u64, Error> {
        let failed = self.failed("seal again");
        let own = self.sealer.key_id();
        let others = self.sealer.key_ids().into_iter().filter(|id| *id != own);
        let others: Vec<[u8; 4]> = others.collect();
        self.write(|writing| {
            let mut done = 0;
            for ((table, value, place), other) in
                COLUMNS.iter().flat_map(|column| others.iter().map(move |id| (*column, *id)))
            {
                let and = only(table);
                let found = writing
                    .transaction
                    .prepare_cached(&format!(
                        "SELECT rowid, {value}, {place} FROM {table}
                         WHERE substr({value}, 2, 4) = ?1 {and} LIMIT {ROWS}"
                    ))
                    .and_then(|mut statement| {
                        statement
                            .query_map([other], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                            .and_then(Iterator::collect)
                    });
                let found: Vec<(i64, Vec<u8>, String)> = found.map_err(&failed)?;
                for (row, sealed, place) in found {
                    let again =
                        self.sealer.open(Purpose::Intake, place.as_bytes(), &sealed).and_then(
                            |open| self.sealer.seal(Purpose::Intake, place.as_bytes(), &open),
                        );
                    let Ok(again) = again else { continue };
                    writing
                        .transaction
                        .prepare_cached(&format!(
                            "UPDATE {table} SET {value} = ?2 WHERE rowid = ?1"
                        ))
                        .and_then(|mut statement| statement.execute(params![row, again]))
                        .map_err(&failed)?;
                    done += 1;
                }
            }
            Ok(done)
        })
    }

    /// How many values lie under a key.
    pub(in crate::intake) fn under(&self, id: [u8; 4]) -> Result<u64, Error> {
        let failed = self.failed("count sealed values");
        let connection = self.read();
        let mut count = 0_u64;
        for (table, value, _) in COLUMNS.iter().filter(|(table, ..)| *table != "fact") {
            let found: i64 = connection
                .query_row(
                    &format!("SELECT count(*) FROM {table} WHERE substr({value}, 2, 4) = ?1"),
                    [id],
                    |row| row.get(0),
                )
                .map_err(&failed)?;
            count += found.cast_unsigned();
        }
        let secret: Option<Vec<u8>> = connection
            .query_row("SELECT value FROM fact WHERE name = ?1", [SECRET], |row| row.get(0))
            .optional()
            .map_err(&failed)?;
        let is_secret = secret.as_deref().and_then(key_id_of) == Some(id);
        Ok(count + u64::from(is_secret))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Judged, StoredBatch};
    use super::*;
    use crate::ledger::seal::Sealer;

    #[test]
    fn what_a_county_sent_is_sealed_again_and_read_without_the_old_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sqlite");
        let sealer = |key: u8| Sealer::from_bytes(&[key; 32]).unwrap();
        let open = |sealer: Sealer| Store::open(&path, "c", Arc::new(sealer));
        let store = open(sealer(7)).unwrap();
        let batch = StoredBatch {
            id: "b-1".to_owned(),
            operation: "rows.upsert".to_owned(),
            digest: [1; 32],
            receipt: "r".to_owned(),
            rows: 1,
            failed: 0,
            upper_id: None,
        };
        let verdicts = [Judged { key: "k".to_owned(), reason: None }];
        store.write(|it| it.keep_batch(&batch, &verdicts, jiff::Timestamp::UNIX_EPOCH)).unwrap();
        drop(store);
        let (new, old) = (sealer(8).key_id(), sealer(7).key_id());
        let store = open(sealer(8).after(sealer(7))).unwrap();
        assert_eq!((store.under(old).unwrap(), store.under(new).unwrap()), (2, 0));
        assert_eq!((store.resealed().unwrap(), store.resealed().unwrap()), (2, 0));
        assert_eq!((store.under(old).unwrap(), store.under(new).unwrap()), (0, 2));
        drop(store);
        assert!(open(sealer(7)).is_err());
        assert_eq!(open(sealer(8)).unwrap().verdicts("b-1").unwrap().len(), 1);
    }
}
