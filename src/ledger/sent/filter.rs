//! Which keys a run surely does not hold: eight bits a record in memory, so that a key that is new
//! costs no look at the disk.
//!
//! A Bloom filter whose bits for a key lie in one block of 64 bytes, one line of the processor's
//! cache. Blocks are in the order of the keys: a sorted page of keys walks through them. Of the keys
//! that are not there, about three of a hundred are taken for present and looked up.

use crate::row::KeyDigest;

const WORDS: usize = 8;
/// Bits of a key in its block; each place takes nine bits of the digest.
const PLACES: u32 = 6;
/// Records to a block: eight bits each.
const BLOCK_ROWS: u64 = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Vec<[u64; WORDS]>,
}

impl Filter {
    /// For about so many records; more make it less sharp, never wrong.
    pub(super) fn with_room_for(rows: u64) -> Self {
        let blocks = usize::try_from(rows.div_ceil(BLOCK_ROWS)).unwrap_or(usize::MAX).max(1);
        Self { blocks: vec![[0; WORDS]; blocks] }
    }

    pub(super) fn insert(&mut self, key: KeyDigest) {
        let (block, places) = self.places(key);
        let Some(block) = self.blocks.get_mut(block) else { return };
        for (word, bit) in places {
            if let Some(word) = block.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// False only where the key was never inserted.
    pub(super) fn may_hold(&self, key: KeyDigest) -> bool {
        let (block, mut places) = self.places(key);
        let Some(block) = self.blocks.get(block) else { return true };
        places.all(|(word, bit)| block.get(word).is_none_or(|word| word & bit != 0))
    }

    /// A digest is as good as random: its first half chooses the block, the rest the places.
    fn places(&self, key: KeyDigest) -> (usize, impl Iterator<Item = (usize, u64)> + use<>) {
        let [high @ .., a, b, c, d] = key.0;
        let high = u64::from_be_bytes(high);
        let count = u64::try_from(self.blocks.len()).unwrap_or(u64::MAX);
        let block = (u128::from(high) * u128::from(count)) >> 64;
        // The high half's last bits are free: only the first ones chose the block.
        let low = u64::from(u32::from_be_bytes([a, b, c, d]));
        let mixed = ((high << 32) | low).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let places = (0..PLACES).map(move |place| {
            let place = (mixed >> (9 * place)) & 0x1FF;
            (usize::try_from(place >> 6).unwrap_or_default(), 1 << (place & 63))
        });
        (usize::try_from(block).unwrap_or_default(), places)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::Keyer;

    proptest! {
        #[test]
        fn what_was_inserted_is_never_denied(
            keys in proptest::collection::vec(any::<[u8; 12]>(), 1..300),
            room in 0_u64..400,
        ) {
            let mut filter = Filter::with_room_for(room);
            keys.iter().for_each(|key| filter.insert(KeyDigest(*key)));
            prop_assert!(keys.iter().all(|key| filter.may_hold(KeyDigest(*key))));
        }
    }

    #[test]
    fn of_what_is_not_there_few_are_taken_for_present() {
        let keyer = Keyer::new(b"secret");
        let key = |number: u32| keyer.key(&number.to_string());
        let mut filter = Filter::with_room_for(20_000);
        (0..20_000).for_each(|number| filter.insert(key(number)));
        let taken = (20_000..40_000).filter(|number| filter.may_hold(key(*number))).count();
        assert!(taken < 20_000 / 20, "{taken}");
    }
}
