//! A packing job on its way to the pool, and how what it packed is recorded.

use std::sync::Arc;

use jiff::Timestamp;

use super::Error;
use super::carrier::{Carrier, Mount};
use super::channel::Channel;
use super::lane::Crew;
use super::pack::{Cutter, Packed};
use crate::delivery::{Action, Lane, RejectKind};
use crate::ledger::manifest::ManifestRow;
use crate::ledger::{Observation, Progress};

/// What a packing job takes along to the pool.
pub(super) struct Cutting {
    pub(super) carrier: Arc<Carrier>,
    pub(super) channel: Arc<Channel>,
    pub(super) mount: Arc<Mount>,
    pub(super) crew: Crew,
    pub(super) lane: Lane,
    /// See [`Cutter::is_dry`].
    pub(super) is_dry: bool,
}

impl Cutting {
    pub(super) fn cutter(&self) -> Cutter<'_> {
        Cutter {
            carrier: &self.carrier,
            standard: &self.channel.standard,
            mount: &self.mount,
            ledger: &self.crew.ledger,
            files: &self.crew.files,
            lane: self.lane,
            now: self.crew.now(),
            is_dry: self.is_dry,
        }
    }
}

/// Who records what was packed of a dataset.
pub(super) struct Recorder<'a> {
    pub(super) crew: &'a Crew,
    pub(super) channel: &'a Arc<Channel>,
    pub(super) carrier: &'a Arc<Carrier>,
    /// When the reading began.
    pub(super) as_of: Timestamp,
}

impl Recorder<'_> {
    /// Tells the index, then the ledger, then whoever sends.
    pub(super) async fn record(
        &self,
        lane: Lane,
        packed: Packed,
        progress: Progress,
        action: Action,
    ) -> Result<(), Error> {
        let (observation, manifests) = self.observation(lane, packed, progress);
        let rejected = u64::try_from(observation.rejects.len()).unwrap_or(u64::MAX);
        let names: Vec<String> =
            observation.batches.iter().map(|batch| batch.id.to_string()).collect();
        let packed_any = !names.is_empty();
        let ordinals: Vec<u64> = manifests.iter().map(|(ordinal, _)| *ordinal).collect();
        // The index first: once the ledger knows a batch, it may be sent and settled at any moment.
        let carrier = Arc::clone(self.carrier);
        self.crew
            .block(move || -> Result<(), Error> {
                let mut index = carrier.index();
                for (ordinal, rows) in manifests {
                    index.restore(ordinal, action, &rows)?;
                }
                Ok(())
            })
            .await?;
        if let Err(error) = self.crew.ledger.observed(observation).await {
            let (carrier, spool) = (Arc::clone(self.carrier), Arc::clone(&self.crew.files.spool));
            self.crew
                .block(move || -> Result<(), Error> {
                    for ordinal in ordinals {
                        carrier.index().abandon_batch(ordinal)?;
                    }
                    // What cannot be removed now is removed at the next start.
                    names.iter().for_each(|name| drop(spool.remove(name)));
                    Ok(())
                })
                .await?;
            return Err(error.into());
        }
        crate::crash::point("rows-observed");
        if rejected > 0 {
            let kind = RejectKind::Local;
            self.crew.events.rejected(&self.carrier.flow, kind, rejected);
        }
        if packed_any {
            self.channel.submit.raise();
        }
        Ok(())
    }

    /// One observation, and the rows of its batches for the index.
    pub(super) fn observation(
        &self,
        lane: Lane,
        packed: Packed,
        progress: Progress,
    ) -> (Observation, Vec<(u64, Vec<ManifestRow>)>) {
        let mut batches = Vec::with_capacity(packed.batches.len());
        let mut manifests = Vec::with_capacity(packed.batches.len());
        for (batch, rows) in packed.batches {
            manifests.push((batch.ordinal, rows));
            batches.push(batch);
        }
        let observation = Observation {
            flow: self.carrier.flow.clone(),
            owner: self.carrier.owner.clone(),
            lane,
            batches,
            rejects: packed.rejects,
            rules: packed.tally.iter().flat_map(|page| self.carrier.rules_of(page)).collect(),
            mended: packed.mended,
            replayed: packed.replayed,
            unique: packed.unique,
            freed: packed.freed,
            coalesced: packed.coalesced,
            skipped: packed.skipped,
            resent: packed.resent,
            newest_content: packed.newest_content,
            as_of: self.as_of,
            progress,
        };
        (observation, manifests)
    }
}
