//! How many rows the province says that it holds, by its own published counts (数据量统计).
//!
//! Of each dataset on each channel the newest count stands; an older line that is judged later, or
//! judged again, changes nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::inbox::{JUDGE, LineJudged, judge};
use super::{Error, Flow, Ledger, Result, instant, stored};
use crate::delivery::{ChannelId, DigestSha256};

/// What the province published of a dataset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// Which, on the channel that carries it.
    pub flow: Flow,
    /// How many rows.
    pub rows: u64,
    /// When they were counted.
    pub counted: Timestamp,
    /// What was acknowledged less than so long before may not be among them.
    pub lag: SignedDuration,
    /// What proves it: the channel, the table and the line; never content.
    pub proof: String,
}

/// The newest that was published of a dataset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counted {
    /// How many rows.
    pub rows: u64,
    /// When it came to be known here.
    pub taken: Timestamp,
    /// Every row that was acknowledged by now was to be among them.
    pub is_after_all: bool,
}

impl Ledger {
    /// Lines were judged under a declaration; what they say stands where nothing newer does.
    pub async fn counts_judged(
        &self,
        by: DigestSha256,
        judged: Vec<LineJudged<Published>>,
    ) -> Result<()> {
        self.write(JUDGE, move |transaction, now| {
            for it in &judged {
                judge(transaction, it, by, |said| {
                    let Published { flow, rows, counted, lag, proof } = said;
                    transaction
                        .prepare_cached(
                            "INSERT INTO published_count
                                (channel, dataset, rows, counted_at, lag_ms, proof, taken_at)
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                             ON CONFLICT (channel, dataset) DO UPDATE SET rows = excluded.rows,
                                counted_at = excluded.counted_at, lag_ms = excluded.lag_ms,
                                proof = excluded.proof, taken_at = excluded.taken_at
                             WHERE excluded.counted_at > counted_at OR excluded.proof = proof",
                        )
                        .and_then(|mut statement| {
                            statement.execute(params![
                                flow.channel.as_str(),
                                flow.dataset,
                                i64::try_from(*rows).unwrap_or(i64::MAX),
                                stored(*counted),
                                i64::try_from(lag.as_millis()).unwrap_or(i64::MAX),
                                proof,
                                stored(now),
                            ])
                        })
                        .map(drop)
                        .map_err(Error::engine(JUDGE))
                })?;
            }
            Ok(())
        })
        .await
    }

    /// The newest that the province published of each dataset of a channel.
    pub async fn published(&self, channel: ChannelId) -> Result<BTreeMap<String, Counted>> {
        let engine = || Error::engine("read published counts");
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT dataset, rows, taken_at, counted_at >= coalesce(settled_at + lag_ms, 0)
                     FROM published_count JOIN dataset USING (channel, dataset)
                     WHERE channel = ?1",
                )
                .map_err(engine())?;
            let mut rows = statement.query([channel.as_str()]).map_err(engine())?;
            let mut found = BTreeMap::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let number = |at| row.get::<_, i64>(at).map_err(engine());
                let (rows, taken) = (number(1)?.cast_unsigned(), instant(number(2)?)?);
                let is_after_all = row.get(3).map_err(engine())?;
                let counted = Counted { rows, taken, is_after_all };
                found.insert(row.get(0).map_err(engine())?, counted);
            }
            Ok(found)
        })
        .await
    }
}
