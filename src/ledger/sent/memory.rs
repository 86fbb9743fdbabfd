//! Rows of batches that no run holds yet: packed, sent, or settled and not merged.
//!
//! 40 bytes a row before the table's own: digests, hash, version and flags. Key texts stay in the
//! spool's manifests. A key may be in several batches; the ledger sends them one after the other,
//! in the order of their ordinals. Rows are found by their key in one look and put in order only
//! for whoever walks through them.

use std::collections::hash_map;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::ledger::manifest::VERSION_LIMIT_MS;
use crate::row::{DigestMap, KeyDigest, RowHash};

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

/// The newest batch's entry of a key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    batch: u64,
    slot: Slot,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    newest: DigestMap<Entry>,
    /// Older batches' entries of keys that are in several: few as a rule.
    older: BTreeMap<(KeyDigest, u64), Slot>,
    batches: BTreeMap<u64, Batch>,
    /// The keys in order, from when somebody asks until one comes or goes.
    order: OnceLock<Vec<KeyDigest>>,
}

impl Memory {
    /// Rows remembered.
    pub(super) fn rows(&self) -> usize {
        self.newest.len() + self.older.len()
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
        self.newest.get(&key).is_some_and(|entry| {
            entry.batch == batch || entry.batch > batch && self.older.contains_key(&(key, batch))
        })
    }

    pub(super) fn insert(&mut self, key: KeyDigest, batch: u64, slot: Slot) {
        let is_new = match self.newest.entry(key) {
            hash_map::Entry::Vacant(place) => {
                place.insert(Entry { batch, slot });
                self.order.take();
                true
            }
            hash_map::Entry::Occupied(mut held) => {
                let newest = held.get_mut();
                let before = *newest;
                if before.batch > batch {
                    self.older.insert((key, batch), slot).is_none()
                } else {
                    *newest = Entry { batch, slot };
                    before.batch < batch
                        && self.older.insert((key, before.batch), before.slot).is_none()
                }
            }
        };
        if is_new && let Some(about) = self.batches.get_mut(&batch) {
            about.rows += 1;
        }
    }

    /// Whether the batch was there.
    pub(super) fn settle(&mut self, batch: u64) -> bool {
        self.batches.get_mut(&batch).map(|about| about.settled = true).is_some()
    }

    pub(super) fn remove(&mut self, key: KeyDigest, batch: u64) -> Option<Slot> {
        let newest = *self.newest.get(&key)?;
        let slot = if newest.batch != batch {
            self.older.remove(&(key, batch))?
        } else {
            match take_last(&mut self.older, key) {
                Some(before) => self.newest.insert(key, before),
                None => {
                    self.order.take();
                    self.newest.remove(&key)
                }
            };
            newest.slot
        };
        if let Some(about) = self.batches.get_mut(&batch) {
            about.rows = about.rows.saturating_sub(1);
        }
        Some(slot)
    }

    /// Forgets whole batches and tells what they held.
    pub(super) fn forget(
        &mut self,
        batches: &BTreeSet<u64>,
        mut gone: impl FnMut(KeyDigest, Slot),
    ) {
        batches.iter().for_each(|batch| {
            self.batches.remove(batch);
        });
        let Self { newest, older, .. } = self;
        older
            .extract_if(.., |(_, batch), _| batches.contains(batch))
            .for_each(|((key, _), slot)| gone(key, slot));
        newest.retain(|key, entry| {
            if !batches.contains(&entry.batch) {
                return true;
            }
            gone(*key, entry.slot);
            let before = take_last(older, *key);
            before.is_some_and(|before| {
                *entry = before;
                true
            })
        });
        // What a long reading needed is given back after it.
        if newest.capacity() > 4 * newest.len() + SPARE_ROWS {
            newest.shrink_to(2 * newest.len());
        }
        self.order.take();
    }

    fn entries(&self, key: KeyDigest) -> impl Iterator<Item = (u64, Slot)> {
        let newest = self.newest.get(&key).map(|entry| (entry.batch, entry.slot));
        // Nothing is looked for that cannot be there.
        let older = newest.filter(|_| !self.older.is_empty()).map(|_| {
            let older = self.older.range((key, 0)..=(key, u64::MAX));
            older.map(|((_, batch), slot)| (*batch, *slot))
        });
        older.into_iter().flatten().chain(newest)
    }

    pub(super) fn group(&self, key: KeyDigest) -> Group {
        let mut group = Group::default();
        for (batch, slot) in self.entries(key) {
            let settled = self.is_settled(batch).unwrap_or_default();
            group.newest = Some((batch, slot, settled));
            if settled {
                group.settled = Some((batch, slot));
            }
            if !slot.deleted() {
                group.present = Some((batch, slot));
            }
            group.unsettled |= !settled;
            group.marks |= slot.marks();
        }
        group
    }

    /// The first key not below `from`. Dear where a key came or went since the last question.
    pub(super) fn first_from(&self, from: KeyDigest) -> Option<KeyDigest> {
        let order = self.order.get_or_init(|| {
            let mut keys: Vec<KeyDigest> = self.newest.keys().copied().collect();
            keys.sort_unstable();
            keys
        });
        order.get(order.partition_point(|key| *key < from)).copied()
    }

    /// Marks every entry of a key; whether there is one.
    pub(super) fn mark(&mut self, key: KeyDigest, marks: u8) -> bool {
        let Some(newest) = self.newest.get_mut(&key) else { return false };
        newest.slot.mark(marks);
        if !self.older.is_empty() {
            let older = self.older.range_mut((key, 0)..=(key, u64::MAX));
            older.for_each(|(_, slot)| slot.mark(marks));
        }
        true
    }

    /// Whether every entry has a mark.
    pub(super) fn is_marked(&self) -> bool {
        let newest = self.newest.values().map(|entry| &entry.slot);
        newest.chain(self.older.values()).all(|slot| slot.marks() != 0)
    }

    pub(super) fn unmark_all(&mut self) {
        let newest = self.newest.values_mut().map(|entry| &mut entry.slot);
        newest.chain(self.older.values_mut()).for_each(Slot::unmark);
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
        // Only a key that is in several batches blocks any.
        let mut key = None;
        for (at, _) in self.older.keys() {
            if key.replace(*at) == Some(*at) {
                continue;
            }
            let mut stays = false;
            for (batch, _) in self.entries(*at) {
                if !leaving.contains(&batch) {
                    stays = true;
                } else if stays {
                    blocked.insert(batch);
                }
            }
        }
        blocked
    }

    /// Every entry of `batches`, in no order.
    pub(super) fn entries_of(
        &self,
        batches: &BTreeSet<u64>,
    ) -> impl Iterator<Item = (KeyDigest, Slot)> {
        let newest = self.newest.iter().map(|(key, entry)| (*key, entry.batch, entry.slot));
        let older = self.older.iter().map(|((key, batch), slot)| (*key, *batch, *slot));
        newest
            .chain(older)
            .filter(|(_, batch, _)| batches.contains(batch))
            .map(|(key, _, slot)| (key, slot))
    }

    /// Every entry of `batches` that is marked, in the order of the keys.
    pub(super) fn marks_of(&self, batches: &BTreeSet<u64>) -> Vec<(KeyDigest, u8)> {
        let entries = self.entries_of(batches).map(|(key, slot)| (key, slot.marks()));
        let mut marks: Vec<(KeyDigest, u8)> = entries.filter(|(_, marks)| *marks != 0).collect();
        marks.sort_unstable();
        marks
    }

    /// The newest entry of each key among `batches`, in the order of the keys.
    pub(super) fn newest_of(&self, batches: &BTreeSet<u64>) -> Vec<(KeyDigest, u64, Slot)> {
        let rows = self.batches.iter().filter(|(batch, _)| batches.contains(batch));
        let mut out = Vec::with_capacity(rows.map(|(_, about)| about.rows).sum());
        for (key, newest) in &self.newest {
            if batches.contains(&newest.batch) {
                out.push((*key, newest.batch, newest.slot));
            } else if !self.older.is_empty() {
                let older = self.older.range((*key, 0)..=(*key, u64::MAX)).rev();
                let mut among = older.filter(|((_, batch), _)| batches.contains(batch));
                out.extend(among.next().map(|((_, batch), slot)| (*key, *batch, *slot)));
            }
        }
        out.sort_unstable_by_key(|(key, _, _)| *key);
        out
    }
}

/// Rows for which a table that is nearly empty keeps room.
const SPARE_ROWS: usize = 1_024;

/// Takes out the newest of a key's older entries.
fn take_last(older: &mut BTreeMap<(KeyDigest, u64), Slot>, key: KeyDigest) -> Option<Entry> {
    if older.is_empty() {
        return None;
    }
    let (at, slot) = older.range((key, 0)..=(key, u64::MAX)).next_back()?;
    let (at, slot) = (*at, *slot);
    older.remove(&at);
    Some(Entry { batch: at.1, slot })
}
