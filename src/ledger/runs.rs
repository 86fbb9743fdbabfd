//! Which files on disk the ledger names: spooled batches and sorted runs.

use std::collections::BTreeSet;

use rusqlite::params;

use super::rows::Flow;
use super::{Error, Ledger, Result};
use crate::delivery::{BatchId, BatchState};

/// What becomes of a spooled batch's rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpooledFate {
    /// Not over: its keys are pending.
    Open,
    /// The province holds its rows, but for those it judged wrong.
    Held,
    /// Its rows are not above: refused, split or superseded.
    Dropped,
}

/// A batch whose payload or manifest is in the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spooled {
    /// Which batch.
    pub id: BatchId,
    /// Its ordinal: older first.
    pub ordinal: u64,
    /// What becomes of its rows.
    pub fate: SpooledFate,
}

impl Ledger {
    /// The spooled row batches of a dataset, oldest first.
    pub async fn spooled(&self, flow: Flow) -> Result<Vec<Spooled>> {
        self.read(move |connection| {
            let engine = || Error::engine("list spooled batches");
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, ordinal, state FROM batch WHERE channel = ?1 AND subject = ?2
                     AND spooled = 1 AND subject_kind = 'rows' ORDER BY ordinal",
                )
                .map_err(engine())?;
            let mut rows =
                statement.query(params![flow.channel.as_str(), flow.dataset]).map_err(engine())?;
            let mut spooled = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let state: String = row.get(2).map_err(engine())?;
                let state =
                    BatchState::parse(&state).ok_or(Error::Unreadable { what: "batch state" })?;
                spooled.push(Spooled {
                    id: BatchId(row.get(0).map_err(engine())?),
                    ordinal: row.get::<_, i64>(1).map_err(engine())?.cast_unsigned(),
                    fate: match state {
                        BatchState::Settled => SpooledFate::Held,
                        BatchState::Refused | BatchState::Split | BatchState::Superseded => {
                            SpooledFate::Dropped
                        }
                        BatchState::Queued
                        | BatchState::InFlight
                        | BatchState::Unknown
                        | BatchState::Taken => SpooledFate::Open,
                    },
                });
            }
            Ok(spooled)
        })
        .await
    }

    /// The names of batches by their ordinals. Blocking: for work on the pool.
    pub fn names_of(&self, ordinals: &BTreeSet<u64>) -> Result<Vec<BatchId>> {
        let connection = super::lock(&self.inner.reader);
        let engine = || Error::engine("name batches");
        let mut statement = connection
            .prepare_cached("SELECT id FROM batch WHERE ordinal = ?1")
            .map_err(engine())?;
        let mut names = Vec::new();
        for ordinal in ordinals {
            let mut rows = statement.query([ordinal.cast_signed()]).map_err(engine())?;
            while let Some(row) = rows.next().map_err(engine())? {
                names.push(BatchId(row.get(0).map_err(engine())?));
            }
        }
        Ok(names)
    }

    /// Every batch whose file belongs in the spool: what else is there may go.
    pub async fn spool_names(&self) -> Result<Vec<BatchId>> {
        self.read(|connection| {
            let engine = || Error::engine("list the spool");
            let mut statement = connection
                .prepare_cached("SELECT id FROM batch WHERE spooled = 1")
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut names = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                names.push(BatchId(row.get(0).map_err(engine())?));
            }
            Ok(names)
        })
        .await
    }

    /// Batches that are over and whose files nobody needs: objects' and dropped ones'.
    pub async fn spool_leftovers(&self, limit: u32) -> Result<Vec<BatchId>> {
        self.read(move |connection| {
            let engine = || Error::engine("list leftovers");
            let mut statement = connection
                .prepare_cached(
                    "SELECT id FROM batch WHERE spooled = 1
                     AND (state IN ('refused', 'split', 'superseded')
                          OR (state = 'settled' AND subject_kind = 'object')) LIMIT ?1",
                )
                .map_err(engine())?;
            let mut rows = statement.query([limit]).map_err(engine())?;
            let mut names = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                names.push(BatchId(row.get(0).map_err(engine())?));
            }
            Ok(names)
        })
        .await
    }

    /// Files are no longer needed; they are removed after this.
    pub async fn spool_released(&self, batches: Vec<BatchId>) -> Result<()> {
        self.write("release spooled batches", move |transaction, _now| {
            let mut statement = transaction
                .prepare_cached("UPDATE batch SET spooled = 0 WHERE id = ?1")
                .map_err(Error::engine("release spooled batches"))?;
            for batch in &batches {
                statement.execute([batch.0]).map_err(Error::engine("release spooled batches"))?;
            }
            Ok(())
        })
        .await
    }

    /// The runs of a dataset, in the order given when they were installed.
    pub async fn runs(&self, flow: Flow) -> Result<Vec<String>> {
        self.read(move |connection| {
            let engine = || Error::engine("list runs");
            let mut statement = connection
                .prepare_cached(
                    "SELECT name FROM run WHERE channel = ?1 AND dataset = ?2 ORDER BY name",
                )
                .map_err(engine())?;
            let rows = statement
                .query_map(params![flow.channel.as_str(), flow.dataset], |row| row.get(0))
                .map_err(engine())?;
            rows.collect::<std::result::Result<Vec<String>, _>>().map_err(engine())
        })
        .await
    }

    /// Every run of every dataset: what else is in the folder may go.
    pub async fn all_runs(&self) -> Result<Vec<(Flow, String)>> {
        self.read(|connection| {
            let engine = || Error::engine("list runs");
            let mut statement = connection
                .prepare_cached("SELECT channel, dataset, name FROM run")
                .map_err(engine())?;
            let rows = statement
                .query_map([], |row| {
                    let channel: String = row.get(0)?;
                    Ok((Flow { channel: channel.into(), dataset: row.get(1)? }, row.get(2)?))
                })
                .map_err(engine())?;
            rows.collect::<std::result::Result<Vec<_>, _>>().map_err(engine())
        })
        .await
    }

    /// New runs replace old ones, and the batches merged into them leave the spool. Old files are
    /// removed after this returned.
    pub async fn runs_installed(
        &self,
        flow: Flow,
        installed: Vec<String>,
        retired: Vec<String>,
        merged: Vec<BatchId>,
    ) -> Result<()> {
        self.write("install runs", move |transaction, _now| {
            let engine = || Error::engine("install runs");
            for name in &retired {
                transaction
                    .execute(
                        "DELETE FROM run WHERE channel = ?1 AND dataset = ?2 AND name = ?3",
                        params![flow.channel.as_str(), flow.dataset, name],
                    )
                    .map_err(engine())?;
            }
            for name in &installed {
                transaction
                    .execute(
                        "INSERT INTO run (channel, dataset, name) VALUES (?1, ?2, ?3)",
                        params![flow.channel.as_str(), flow.dataset, name],
                    )
                    .map_err(engine())?;
            }
            let mut statement = transaction
                .prepare_cached("UPDATE batch SET spooled = 0, merged = 1 WHERE id = ?1")
                .map_err(engine())?;
            for batch in &merged {
                statement.execute([batch.0]).map_err(engine())?;
            }
            Ok(())
        })
        .await
    }
}
