//! One row of a run: 32 bytes.
//!
//! ```text
//! key digest 12 · row hash 8 · version 6 · pointer 6
//! ```
//!
//! The pointer says where the row's [`Original`](crate::ledger::manifest::Original) is: 40 bits for
//! the block's offset in the run's sealed file, 8 for the place in the block. All ones is a
//! tombstone: the row was deleted above, and older runs may still hold it.

use crate::ledger::manifest::{VERSION_LIMIT_MS, take_array};
use crate::row::{KeyDigest, RowHash};

/// Bytes of a stored record.
pub(super) const RECORD: usize = 32;

const TOMBSTONE: u64 = (1 << 48) - 1;

/// Where an original is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pointer {
    /// Offset of the block in the sealed file.
    pub(super) block: u64,
    /// Which one in the block.
    pub(super) place: u8,
}

impl Pointer {
    /// Offsets above do not fit: a sealed file is smaller than 1 TiB.
    pub(super) const BLOCK_LIMIT: u64 = (1 << 40) - 1;
}

/// One row of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) key: KeyDigest,
    pub(super) row: RowHash,
    pub(super) version_ms: u64,
    /// `None`: a tombstone.
    pub(super) pointer: Option<Pointer>,
}

impl Record {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let pointer =
            self.pointer.map_or(TOMBSTONE, |to| (to.block << 8 | u64::from(to.place)) & TOMBSTONE);
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.row.0.to_be_bytes());
        for number in [self.version_ms.min(VERSION_LIMIT_MS), pointer] {
            let [_, _, low @ ..] = number.to_be_bytes();
            out.extend_from_slice(&low);
        }
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let key = KeyDigest(take_array(bytes)?);
        let row = RowHash(u64::from_be_bytes(take_array(bytes)?));
        let version_ms = number(take_array(bytes)?);
        let pointer = match number(take_array(bytes)?) {
            TOMBSTONE => None,
            number => {
                let [.., place] = number.to_be_bytes();
                Some(Pointer { block: number >> 8, place })
            }
        };
        bytes.is_empty().then_some(Self { key, row, version_ms, pointer })
    }
}

fn number([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_survives_its_32_bytes(
            key in any::<[u8; 12]>(),
            row in any::<u64>(),
            version_ms in 0..=VERSION_LIMIT_MS,
            pointer in proptest::option::of((0..Pointer::BLOCK_LIMIT, any::<u8>())),
        ) {
            let pointer = pointer.map(|(block, place)| Pointer { block, place });
            let record = Record { key: KeyDigest(key), row: RowHash(row), version_ms, pointer };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), RECORD);
            prop_assert_eq!(Record::decode(&bytes), Some(record));
        }
    }
}
