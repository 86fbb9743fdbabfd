//! Rows of batches that no run holds yet: packed, sent, or settled and not merged.
//!
//! 40 bytes a row before the tree's own: digests, hash, version and flags. Key texts stay in the
//! spool's manifests. A key may be in several batches; the ledger sends them one after the other,
//! in the order of their ordinals.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::manifest::VERSION_LIMIT_MS;
use crate::row::{KeyDigest, RowHash};

/// The pass has met the key.
pub(super) const SEEN: u8 = 1;
/// Packed while the pass ran: no reason to believe that the row is gone.
pub(super) const FRESH: u8 = 2;

/// One batch's entry for a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    row: RowHash,
    // version 48 · free 8 · deleted 1 and marks 7
    bits: u64,
}

const DELETED: u8 = 0x80;

impl Slot {
    pub(super) fn new(row: RowHash, version_ms: u64, deleted: bool, marks: u8) -> Self {
        let low = if deleted { marks | DELETED } else { marks };
        Self { row, bits: version_ms.min(VERSION_LIMIT_MS) << 16 | u64::from(low) }
    }

    pub(super) fn row(self) -> RowHash {
        self.row
    }

    pub(super) fn version_ms(self) -> u64 {
        self.bits >> 16
    }

    pub(super) fn deleted(self) -> bool {
        self.low() & DELETED != 0
    }

    pub(super) fn marks(self) -> u8 {
        self.low() & !DELETED
    }

    fn mark(&mut self, marks: u8) {
        self.bits |= u64::from(marks);
    }

    fn unmark(&mut self) {
        self.bits &= !u64::from(!DELETED);
    }

    fn low(self) -> u8 {
        let [.., low] = self.bits.to_be_bytes();
        low
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    settled: bool,
    rows: usize,
}

/// What memory says of one key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// The newest batch's entry, and whether that batch is settled.
    pub(super) newest: Option<(u64, Slot, bool)>,
    /// The newest settled batch's entry.
    pub(super) settled: Option<(u64, Slot)>,
    /// The newest entry that is no deletion.
    pub(super) present: Option<(u64, Slot)>,
    /// Any entry is not settled.
    pub(super) unsettled: bool,
    /// The marks of all entries.
    pub(super) marks: u8,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    slots: BTreeMap<(KeyDigest, u64), Slot>,
    batches: BTreeMap<u64, Batch>,
}

impl Memory {
    /// Rows remembered.
    pub(super) fn rows(&self) -> usize {
        self.slots.len()
    }

    /// Rows of settled batches.
    pub(super) fn settled_rows(&self) -> usize {
        self.batches.values().filter(|batch| batch.settled).map(|batch| batch.rows).sum()
    }

    pub(super) fn is_settled(&self, batch: u64) -> Option<bool> {
        self.batches.get(&batch).map(|batch| batch.settled)
    }

    pub(super) fn open_batch(&mut self, batch: u64) {
        self.batches.entry(batch).or_default();
    }

    /// Whether the batch has an entry for the key.
    pub(super) fn holds(&self, key: KeyDigest, batch: u64) -> bool {
        self.slots.contains_key(&(key, batch))
    }

    pub(super) fn insert(&mut self, key: KeyDigest, batch: u64, slot: Slot) {
        if self.slots.insert((key, batch), slot).is_none()
            && let Some(about) = self.batches.get_mut(&batch)
        {
            about.rows += 1;
        }
    }

    /// Whether the batch was there.
    pub(super) fn settle(&mut self, batch: u64) -> bool {
        self.batches.get_mut(&batch).map(|about| about.settled = true).is_some()
    }

    pub(super) fn remove(&mut self, key: KeyDigest, batch: u64) -> Option<Slot> {
        let slot = self.slots.remove(&(key, batch))?;
        if let Some(about) = self.batches.get_mut(&batch) {
            about.rows = about.rows.saturating_sub(1);
        }
        Some(slot)
    }

    /// Forgets whole batches and returns what they held.
    pub(super) fn forget(&mut self, batches: &BTreeSet<u64>) -> Vec<(KeyDigest, Slot)> {
        batches.iter().for_each(|batch| {
            self.batches.remove(batch);
        });
        self.slots
            .extract_if(.., |(_, batch), _| batches.contains(batch))
            .map(|((key, _), slot)| (key, slot))
            .collect()
    }

    pub(super) fn group(&self, key: KeyDigest) -> Group {
        let mut group = Group::default();
        for ((_, batch), slot) in self.slots.range((key, 0)..=(key, u64::MAX)) {
            let settled = self.is_settled(*batch).unwrap_or_default();
            group.newest = Some((*batch, *slot, settled));
            if settled {
                group.settled = Some((*batch, *slot));
            }
            if !slot.deleted() {
                group.present = Some((*batch, *slot));
            }
            group.unsettled |= !settled;
            group.marks |= slot.marks();
        }
        group
    }

    /// The first key not below `from`.
    pub(super) fn first_from(&self, from: KeyDigest) -> Option<KeyDigest> {
        self.slots.range((from, 0)..).next().map(|((key, _), _)| *key)
    }

    /// Marks every entry of a key; whether there is one.
    pub(super) fn mark(&mut self, key: KeyDigest, marks: u8) -> bool {
        let mut any = false;
        for (_, slot) in self.slots.range_mut((key, 0)..=(key, u64::MAX)) {
            slot.mark(marks);
            any = true;
        }
        any
    }

    /// Whether every entry has a mark.
    pub(super) fn is_marked(&self) -> bool {
        self.slots.values().all(|slot| slot.marks() != 0)
    }

    pub(super) fn unmark_all(&mut self) {
        self.slots.values_mut().for_each(Slot::unmark);
    }

    /// Settled batches that may leave memory together, oldest first, up to about `limit` rows: no
    /// key of theirs has an older entry that stays, for it would then hide the newer one.
    pub(super) fn leaving(&self, limit: usize) -> BTreeSet<u64> {
        let mut leaving = BTreeSet::new();
        let mut rows = 0;
        for (batch, about) in self.batches.iter().filter(|(_, about)| about.settled) {
            if rows > 0 && rows + about.rows > limit {
                break;
            }
            rows += about.rows;
            leaving.insert(*batch);
        }
        // Each round takes out batches that the one before blocked; a chain that is longer than
        // this is cut at the oldest batch that stays, which is always safe.
        for _ in 0..4 {
            let blocked = self.blocked(&leaving);
            if blocked.is_empty() {
                return leaving;
            }
            leaving.retain(|batch| !blocked.contains(batch));
        }
        let stays = self.batches.keys().find(|batch| !leaving.contains(batch));
        leaving.retain(|batch| stays.is_none_or(|stays| batch < stays));
        leaving
    }

    fn blocked(&self, leaving: &BTreeSet<u64>) -> BTreeSet<u64> {
        let mut blocked = BTreeSet::new();
        let mut key = None;
        let mut stays = false;
        for (at, batch) in self.slots.keys() {
            if key != Some(*at) {
                key = Some(*at);
                stays = false;
            }
            if !leaving.contains(batch) {
                stays = true;
            } else if stays {
                blocked.insert(*batch);
            }
        }
        blocked
    }

    /// Every entry of `batches`, in the order of the keys, with its marks.
    pub(super) fn marks_of(&self, batches: &BTreeSet<u64>) -> Vec<(KeyDigest, u8)> {
        self.slots
            .iter()
            .filter(|((_, batch), slot)| slot.marks() != 0 && batches.contains(batch))
            .map(|((key, _), slot)| (*key, slot.marks()))
            .collect()
    }

    /// The newest entry of each key among `batches`, in the order of the keys.
    pub(super) fn newest_of(&self, batches: &BTreeSet<u64>) -> Vec<(KeyDigest, u64, Slot)> {
        let mut out: Vec<(KeyDigest, u64, Slot)> = Vec::new();
        for ((key, batch), slot) in &self.slots {
            if !batches.contains(batch) {
                continue;
            }
            match out.last_mut() {
                Some(last) if last.0 == *key => *last = (*key, *batch, *slot),
                Some(_) | None => out.push((*key, *batch, *slot)),
            }
        }
        out
    }
}
