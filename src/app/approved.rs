//! Goes on with what was approved of: after a crash between a yes and what follows from it, and
//! when nobody said anything in time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::errand::Errand;
use super::office::Office;
use crate::clock::Clock;

/// Between two looks: what is approved of is otherwise done at once.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// Looks at what was approved of.
pub(super) struct Approved {
    pub(super) office: Arc<Office>,
    pub(super) clock: Clock,
}

impl Errand for Approved {
    const NAME: &'static str = "approvals";

    async fn step(&mut self) -> anyhow::Result<Timestamp> {
        let done = self.office.approved_done().await;
        done.map_err(|failure| anyhow::anyhow!("{} [{}]", failure.what, failure.code))?;
        Ok(self.clock.now().saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX))
    }
}
