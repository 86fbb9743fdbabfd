//! Repair: only what this ledger sent, and never in bulk without being asked.

use std::sync::Arc;

use super::super::Error;
use super::super::carrier::{Carrier, Mount};
use super::super::channel::Channel;
use super::super::cutting::{Cutting, Recorder};
use super::super::lane::Crew;
use super::super::whole::FEW_ROWS;
use super::sides::Joined;
use crate::delivery::{Action, Lane};
use crate::ledger::manifest::{ManifestRow, Original};
use crate::ledger::sent::{Known, Place};
use crate::ledger::{PassKind, Progress};
use crate::row::{KeyDigest, RowHash};

/// Mends what differs; returns how many rows are due again or on their way to be deleted.
pub(super) async fn mend(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    mount: &Arc<Mount>,
    joined: Joined,
    confirmed: u64,
) -> Result<u64, Error> {
    let forgotten = forget(crew, channel, carrier, joined.lost).await?;
    let deleted = delete(crew, channel, carrier, mount, joined.orphans, confirmed).await?;
    Ok(forgotten + deleted)
}

/// Forgets what the province lost or changed, so that a pass sends it again. As many as memory
/// has room for: the rest differs at the next comparison.
async fn forget(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    mut lost: Vec<(KeyDigest, RowHash)>,
) -> Result<u64, Error> {
    if lost.is_empty() {
        return Ok(0);
    }
    let ordinal = crew.ledger.next_ordinal()?;
    let forgetful = Arc::clone(carrier);
    let forgotten = crew
        .block(move || -> Result<usize, Error> {
            let mut index = forgetful.index();
            lost.truncate(index.room());
            let rows: Vec<ManifestRow> = lost
                .into_iter()
                .map(|(key, row)| ManifestRow {
                    key,
                    row,
                    version_ms: 0,
                    original: Original::default(),
                })
                .collect();
            index.restore(ordinal, Action::Delete, &rows)?;
            index.settle(ordinal)?;
            Ok(rows.len())
        })
        .await?;
    let (flow, owner) = (carrier.flow.clone(), carrier.owner.clone());
    crew.ledger.pass_asked(flow, owner, PassKind::Compare, None, None).await?;
    channel.wake_observers();
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// Deletes above what we sent once and the city has no more. In bulk it stays, and is listed:
/// more often than not the city's table is at fault.
async fn delete(
    crew: &Crew,
    channel: &Arc<Channel>,
    carrier: &Arc<Carrier>,
    mount: &Arc<Mount>,
    orphans: Vec<(KeyDigest, String)>,
    confirmed: u64,
) -> Result<u64, Error> {
    let count = u64::try_from(orphans.len()).unwrap_or(u64::MAX);
    let share = confirmed.saturating_mul(u64::from(carrier.deletion_percent));
    let in_bulk = count > FEW_ROWS && count.saturating_mul(100) > share;
    if count == 0 || in_bulk || mount.delete.is_none() {
        return Ok(0);
    }
    let gone: Vec<(KeyDigest, Original, Known)> = orphans
        .into_iter()
        .map(|(key, key_text)| {
            let place = Place::Run;
            let known = Known { row: RowHash(0), version_ms: 0, place, deleting: false };
            (key, Original { key_text, ..Original::default() }, known)
        })
        .collect();
    let cutting = Cutting {
        carrier: Arc::clone(carrier),
        channel: Arc::clone(channel),
        mount: Arc::clone(mount),
        crew: crew.clone(),
        lane: Lane::Backfill,
        is_dry: false,
    };
    let packed = crew.block(move || cutting.cutter().delete(&gone)).await?;
    let recorder = Recorder { crew, channel, carrier, as_of: crew.now() };
    recorder.record(Lane::Backfill, packed, Progress::Repair, Action::Delete).await?;
    Ok(count)
}
