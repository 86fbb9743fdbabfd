//! Seals again under the key in use what lies under one before it, a little at a time.
//!
//! How far it is follows from what lies there: whatever ends the process, the next start finds the
//! rest. When nothing is left the log says so once, and the older keys may be put away.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Current;
use super::errand::Errand;
use crate::cascade::Crew;
use crate::supervisor::sleep;

/// Between two steps: live traffic goes first.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks when everything lies under the key in use, or what is left cannot be opened.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Looks for what lies under another key.
pub(super) struct Rekey {
    pub(super) crew: Crew,
    pub(super) current: Arc<Current>,
    /// Nothing is left, and the log has said so.
    pub(super) is_done: bool,
}

impl Errand for Rekey {
    const NAME: &'static str = "rekey";

    async fn step(&mut self) -> anyhow::Result<Timestamp> {
        let files = &self.crew.files;
        let clock = self.crew.supervisor.clock();
        let later = clock.now().saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        if self.is_done || files.sealer.key_ids().len() == 1 {
            return Ok(later);
        }
        let ledger = &self.crew.ledger;
        let stop = self.crew.supervisor.stop_signal();
        loop {
            let values = ledger.values_resealed(Arc::clone(&files.sealer)).await?;
            let (spool, sealer) = (Arc::clone(&files.spool), Arc::clone(&files.sealer));
            let file = ledger.file_resealed(spool, sealer).await?;
            let desk = self.current.load().desk();
            let pool = self.crew.supervisor.pool();
            let of_counties = match desk {
                Some(desk) => pool.run(move || desk.resealed()).await?,
                None => 0,
            };
            crate::crash::point("resealed");
            if values == 0 && !file && of_counties == 0 {
                break;
            }
            if stop.is_raised() {
                return Ok(later);
            }
            sleep(clock, PAUSE).await;
        }
        let keys = ledger.keys(Arc::clone(&files.spool), Arc::clone(&files.sealer)).await?;
        let mut left = keys.iter().filter(|key| !key.is_in_use && !key.is_free()).count();
        if let Some(desk) = self.current.load().desk() {
            let before: Vec<_> = files.sealer.key_ids().into_iter().skip(1).collect();
            let count = move || before.into_iter().map(|id| desk.under(id)).sum::<Result<u64, _>>();
            let of_counties = self.crew.supervisor.pool().run(count).await?;
            left += usize::from(of_counties > 0);
        }
        if left == 0 {
            ledger.keys_freed(Arc::clone(&files.sealer)).await?;
            self.is_done = true;
            tracing::info!("nothing lies under an older sealing key: it may be put away");
        } else {
            tracing::warn!("something under an older sealing key cannot be opened");
        }
        Ok(later)
    }
}
