//! A packing job on its way to the pool.

use std::sync::Arc;

use super::carrier::{Carrier, Mount};
use super::lane::{Channel, Crew};
use super::pack::Cutter;
use crate::delivery::Lane;

/// What a packing job takes along to the pool.
pub(super) struct Cutting {
    pub(super) carrier: Arc<Carrier>,
    pub(super) channel: Arc<Channel>,
    pub(super) mount: Arc<Mount>,
    pub(super) crew: Crew,
    pub(super) lane: Lane,
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
        }
    }
}
