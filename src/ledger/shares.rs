//! How much of the spool's room each lane may use: the shares that are kept for live lanes.

use std::collections::BTreeMap;

use super::manifest::take_array;
use crate::delivery::DigestSha256;

/// How much the spool may hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Most bytes in the folder.
    pub bound_bytes: u64,
    /// What each live lane can always use, whatever the others do. All shares together are at most
    /// half of the bound: where lanes are many, each share is smaller.
    pub live_share_bytes: u64,
}

/// Who fills the spool: a live lane, or the backfills together.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Owner(pub(super) u64);

impl Owner {
    /// All backfill lanes: no share is kept for them.
    pub const BACKFILL: Self = Self(0);

    /// The live lane of a dataset (or of the catalogue) on a channel.
    pub fn live(channel: &str, dataset: &str) -> Self {
        let digest =
            DigestSha256::of_parts([channel.as_bytes(), b"\0".as_slice(), dataset.as_bytes()]);
        let mut head = digest.0.as_slice();
        // 0 is the backfills'.
        Self(take_array(&mut head).map_or(1, u64::from_be_bytes).max(1))
    }
}

/// What lies in the spool, and whose it is.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// File name without suffix → owner and size.
    pub(super) files: BTreeMap<String, (Owner, u64)>,
    /// Live lanes that a share is kept for → bytes they use; the backfills too.
    pub(super) used: BTreeMap<Owner, u64>,
    /// Bytes of all files.
    pub(super) total: u64,
    /// What it may come to.
    pub(super) limits: Limits,
}

impl Held {
    /// A file lies there.
    pub(super) fn add(&mut self, name: &str, owner: Owner, bytes: u64) {
        self.files.insert(name.to_owned(), (owner, bytes));
        let used = self.used.entry(owner).or_default();
        *used = used.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
    }

    /// A file lies there no more.
    pub(super) fn take(&mut self, name: &str) {
        let Some((owner, bytes)) = self.files.remove(name) else { return };
        self.total = self.total.saturating_sub(bytes);
        if let Some(used) = self.used.get_mut(&owner) {
            *used = used.saturating_sub(bytes);
        }
    }

    /// Bytes that lanes other than `owner` may still claim of their shares.
    pub(super) fn kept_from(&self, owner: Owner) -> u64 {
        let live = || self.used.iter().filter(|(lane, _)| **lane != Owner::BACKFILL);
        let lanes = u64::try_from(live().count()).unwrap_or(u64::MAX).max(1);
        let share = self.limits.live_share_bytes.min(self.limits.bound_bytes / 2 / lanes);
        live()
            .filter(|(lane, _)| **lane != owner)
            .map(|(_, used)| share.saturating_sub(*used))
            .fold(0, u64::saturating_add)
    }
}
