//! Reading an index in the order of its keys: pages of entries, and sums to narrow a difference
//! down to keys.

use super::merge::Heads;
use super::{Error, Index, Known};
use crate::row::KeyDigest;

/// The most prefix bits of a summary: 65,536 buckets.
pub const PREFIX_LIMIT_BITS: u32 = 16;

/// Which entry of a key counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// The newest, whether its batch has settled or not.
    Newest,
    /// The newest that settled: what the province confirmed.
    Settled,
}

/// Keys from `first` to `last`, both among them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyRange {
    /// The smallest.
    pub first: KeyDigest,
    /// The largest.
    pub last: KeyDigest,
}

impl KeyRange {
    /// Every key.
    pub const ALL: Self = Self { first: KeyDigest([0; 12]), last: KeyDigest([0xff; 12]) };

    /// The keys whose first `bits` bits are `prefix`: one bucket of [`Index::summary`].
    pub fn prefix(prefix: u32, bits: u32) -> Self {
        let bits = bits.min(PREFIX_LIMIT_BITS);
        let shift = 96 - bits;
        let first = u128::from(prefix) << shift;
        let last = first | ((1 << shift) - 1);
        Self { first: digest(first), last: digest(last) }
    }

    /// What is left of the range behind `key`: the next page.
    pub fn after(self, key: KeyDigest) -> Option<Self> {
        let next = number(key).checked_add(1).filter(|next| *next <= number(self.last))?;
        Some(Self { first: digest(next), last: self.last })
    }
}

/// One bucket of a summary.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    /// Settled rows.
    pub count: u64,
    /// A sum over their keys and hashes that does not depend on the order.
    pub digest: u128,
    /// Keys with an entry that has not settled: a difference here may be on its way.
    pub unsettled: u64,
}

impl Bucket {
    /// Adds a row: how the other side of a comparison builds the same sum.
    pub fn add(&mut self, key: KeyDigest, row: crate::row::RowHash) {
        self.count += 1;
        // Both are keyed hashes already; the odd factor keeps two keys from swapping their rows.
        let mixed = number(key) ^ u128::from(row.0).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060);
        self.digest = self.digest.wrapping_add(mixed.wrapping_mul(mixed | 1));
    }
}

impl Index {
    /// Entries in `range`, in the order of their keys, up to `limit`.
    pub fn entries(
        &self,
        view: View,
        range: KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyDigest, Known)>, Error> {
        let mut out = Vec::new();
        self.walk(range, view, |key, known, _| {
            out.extend(known.map(|known| (key, known)));
            out.len() < limit
        })?;
        Ok(out)
    }

    /// Settled rows by the first `prefix_bits` bits of their keys (at most
    /// [`PREFIX_LIMIT_BITS`]; 0 gives one bucket).
    pub fn summary(&self, prefix_bits: u32) -> Result<Vec<Bucket>, Error> {
        let bits = prefix_bits.min(PREFIX_LIMIT_BITS);
        let mut buckets = vec![Bucket::default(); 1 << bits];
        let mut bucket_of = |key: KeyDigest, change: &mut dyn FnMut(&mut Bucket)| {
            let at = usize::try_from(number(key) >> (96 - bits)).unwrap_or_default();
            buckets.get_mut(at).into_iter().for_each(change);
        };
        self.walk(KeyRange::ALL, View::Settled, |key, known, _| {
            if let Some(known) = known {
                bucket_of(key, &mut |bucket| bucket.add(key, known.row));
            }
            true
        })?;
        let mut from = Some(KeyDigest([0; 12]));
        while let Some(key) = from.and_then(|from| self.memory.first_from(from)) {
            if self.memory.group(key).unsettled {
                bucket_of(key, &mut |bucket| bucket.unsettled += 1);
            }
            from = KeyRange::ALL.after(key).map(|rest| rest.first);
        }
        Ok(buckets)
    }

    /// Visits every key in `range` with what `view` knows of it and the marks of all its entries,
    /// until `visit` says `false`.
    pub(super) fn walk(
        &self,
        range: KeyRange,
        view: View,
        mut visit: impl FnMut(KeyDigest, Option<Known>, u8) -> bool,
    ) -> Result<(), Error> {
        let mut heads = Heads::begin(self.levels.iter().map(|level| &level.run), range.first)?;
        let mut ahead = self.memory.first_from(range.first);
        let mut found = Vec::new();
        while let Some(key) = ahead.into_iter().chain(heads.key()).min() {
            if key > range.last {
                break;
            }
            heads.take(key, &mut found)?;
            let below = found.first().and_then(|(_, _, record)| super::held(record));
            let mut marks = 0;
            for (number, row, _) in &found {
                let level = self.levels.get(*number);
                let at = usize::try_from(*row).ok();
                marks |= level.zip(at).and_then(|(level, at)| level.marks.get(at)).unwrap_or(&0);
            }
            let mut known = below;
            if ahead == Some(key) {
                let group = self.memory.group(key);
                marks |= group.marks;
                known = match view {
                    View::Newest => super::newest(&group, below),
                    View::Settled => super::settled(&group, below),
                };
                let rest = KeyRange::ALL.after(key);
                ahead = rest.and_then(|rest| self.memory.first_from(rest.first));
            }
            if !visit(key, known, marks) {
                break;
            }
        }
        Ok(())
    }
}

fn number(KeyDigest(bytes): KeyDigest) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn digest(number: u128) -> KeyDigest {
    let [_, _, _, _, low @ ..] = number.to_be_bytes();
    KeyDigest(low)
}
