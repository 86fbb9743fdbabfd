//! Letting go of what is over: bounded steps, oldest first. Facts and acts stay.
//!
//! Counts and clocks are kept with their dataset and links, so `status` says the same before and
//! after. What stays although it is old: whatever is open, files' names, and each dataset's last
//! whole reading, from which the next one is due.

use jiff::Timestamp;
use rusqlite::params;

use super::{Error, Ledger, Result, stored};

/// Rows that one step of letting go removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retired {
    /// Batches, their attempts and verdicts with them.
    pub batches: u64,
    /// Passes.
    pub passes: u64,
    /// Jobs.
    pub jobs: u64,
    /// Rejects that were mended, replayed, lifted or gone, their sealed originals with them.
    pub rejects: u64,
    /// Messages from the province that were handled.
    pub inbox: u64,
    /// Answers of the province that were kept.
    pub replies: u64,
}

impl Retired {
    /// There was nothing to let go of.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

const BATCHES: &str = "SELECT id FROM batch WHERE ended_at < ?1 AND spooled = 0
    AND state IN ('settled', 'refused', 'split', 'superseded')
    ORDER BY ended_at LIMIT ?2";

impl Ledger {
    /// One step: at most `limit` of each kind that were over before `before`. Called until it is
    /// empty.
    pub async fn retired(&self, before: Timestamp, limit: u32) -> Result<Retired> {
        self.write("let go of what is over", move |transaction, _now| {
            let run = |statement: &str| {
                transaction
                    .prepare_cached(statement)
                    .and_then(|mut statement| statement.execute(params![stored(before), limit]))
                    .map(|removed| u64::try_from(removed).unwrap_or(u64::MAX))
                    .map_err(Error::engine("let go of what is over"))
            };
            for table in ["attempt", "verdict", "batch_after"] {
                run(&format!("DELETE FROM {table} WHERE batch IN ({BATCHES})"))?;
            }
            run("DELETE FROM returned_file WHERE (channel, digest) IN (SELECT channel, digest
                 FROM returned_file WHERE at < ?1 LIMIT ?2)")?;
            Ok(Retired {
                batches: run(&format!("DELETE FROM batch WHERE id IN ({BATCHES})"))?,
                passes: run("DELETE FROM pass WHERE number IN (SELECT number FROM pass
                     WHERE finished_at < ?1 AND state IN ('done', 'cancelled')
                     AND (job IS NULL OR NOT EXISTS (SELECT 1 FROM job
                        WHERE job.number = pass.job AND job.state = 'running'))
                     AND (state <> 'done' OR kind NOT IN ('compare', 'resend')
                        OR finished_at < (SELECT max(finished_at) FROM pass AS later
                            WHERE later.channel = pass.channel AND later.dataset = pass.dataset
                            AND later.state = 'done' AND later.kind IN ('compare', 'resend')))
                     ORDER BY finished_at LIMIT ?2)")?,
                jobs: run("DELETE FROM job WHERE number IN (SELECT number FROM job
                     WHERE finished_at < ?1 AND state <> 'running'
                     ORDER BY finished_at LIMIT ?2)")?,
                rejects: run("DELETE FROM reject WHERE id IN (SELECT id FROM reject
                     WHERE state <> 'open' AND at < ?1 ORDER BY id LIMIT ?2)")?,
                inbox: run("DELETE FROM inbox WHERE id IN (SELECT id FROM inbox
                     WHERE handled_at < ?1 ORDER BY id LIMIT ?2)")?,
                replies: run("DELETE FROM said WHERE id IN (SELECT id FROM said
                     WHERE last_at < ?1 ORDER BY last_at LIMIT ?2)")?,
            })
        })
        .await
    }
}
