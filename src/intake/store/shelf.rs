//! The store as the city's source reads it: rows in the order of taking, objects by words.

use rusqlite::params;

use super::Store;
use crate::city::ShelfRow;

impl Store {
    /// At most `limit` rows that were taken after a moment, in the order of taking.
    pub(in crate::intake) fn since(
        &self,
        dataset: &str,
        after_us: i64,
        limit: usize,
    ) -> Result<Vec<ShelfRow>, super::Error> {
        let failed = self.failed("read rows");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found: Vec<(i64, Vec<u8>)> = {
            let connection = self.read();
            let mut statement = connection
                .prepare_cached(
                    "SELECT taken_us, content FROM row WHERE dataset = ?1 AND taken_us > ?2
                     ORDER BY taken_us LIMIT ?3",
                )
                .map_err(&failed)?;
            let rows = statement
                .query_map(params![dataset, after_us, limit], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(&failed)?;
            rows.collect::<Result<_, _>>().map_err(&failed)?
        };
        let open = |(taken_us, sealed): (i64, Vec<u8>)| {
            let row = self.open_row(dataset, &sealed)?;
            Ok(ShelfRow { taken_us, cells: row.cells })
        };
        found.into_iter().map(open).collect()
    }
}
