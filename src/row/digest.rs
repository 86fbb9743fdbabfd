//! Keyed digests of keys and rows: what the ledger remembers instead of content.
//!
//! A plain hash of an identity number can be reversed by trying all of them; these are HMAC-SHA256
//! under a secret of the installation, truncated. A key keeps 96 bits (two of a billion keys meet
//! with a probability below 10⁻¹¹), a row 64 (it is only ever compared with rows of its own key).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use aws_lc_rs::hmac;

use super::{Cell, Row};

/// Keyed digest of a row's key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyDigest(pub [u8; 12]);

impl fmt::Display for KeyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A map from keys' digests, which are as good as random and known to nobody else: they need no
/// second hash.
pub type DigestMap<V> = HashMap<KeyDigest, V, BuildHasherDefault<DigestHasher>>;

/// As [`DigestMap`].
pub type DigestSet = HashSet<KeyDigest, BuildHasherDefault<DigestHasher>>;

/// Takes the first eight bytes of a digest for its hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            // Every bit counts in the upper ones, by which a table tells its places apart first.
            self.0 = u64::from_le_bytes(*first).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    /// The length, the same for all.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Keyed hash of a row's content: equal content has an equal hash within one installation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RowHash(pub u64);

/// Makes the digests of one installation.
#[derive(Clone, Debug)]
pub struct Keyer(hmac::Key);

impl Keyer {
    /// `secret` is the installation's digest secret, 32 random bytes kept with the ledger.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The digest of a key in its text form ([`key_text`](super::key_text)), which is also how a
    /// province names the row in its verdicts and inventories.
    pub fn key(&self, key: &str) -> KeyDigest {
        KeyDigest(truncated(&hmac::sign(&self.0, key.as_bytes())))
    }

    /// The hash of all cells.
    pub fn row(&self, row: Row<'_>) -> RowHash {
        // Gathered first: one call of the library costs less than one for each cell.
        let mut cells = Vec::with_capacity(ROW_BYTES);
        row.cells().for_each(|cell| gather(cell, &mut cells));
        RowHash(u64::from_be_bytes(truncated(&hmac::sign(&self.0, &cells))))
    }
}

/// What most rows need.
const ROW_BYTES: usize = 512;

fn gather(cell: Cell<'_>, into: &mut Vec<u8>) {
    let (mark, text) = match cell {
        Cell::Null => (0_u8, ""),
        Cell::Text(text) => (1, text),
        Cell::Malformed(text) => (2, text),
    };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [a, b, c, d] = length;
    into.extend_from_slice(&[mark, a, b, c, d]);
    into.extend_from_slice(text.as_bytes());
}

fn truncated<const N: usize>(tag: &hmac::Tag) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    fn page(cells: &[Option<&str>]) -> Page {
        let mut page = Page::new(cells.len());
        for cell in cells {
            match cell {
                Some(text) => page.push(text),
                None => page.push_null(),
            }
        }
        page.end_row().unwrap();
        page
    }

    #[test]
    fn cell_borders_and_nulls_count() {
        let keyer = Keyer::new(b"secret");
        let hash = |cells: &[Option<&str>]| keyer.row(page(cells).row(0).unwrap());
        assert_ne!(hash(&[Some("ab"), Some("c")]), hash(&[Some("a"), Some("bc")]));
        assert_ne!(hash(&[Some(""), Some("c")]), hash(&[None, Some("c")]));
        assert_eq!(hash(&[Some("a"), None]), hash(&[Some("a"), None]));
    }

    #[test]
    fn a_map_tells_digests_apart_by_all_their_bytes() {
        let mut map = DigestMap::default();
        let digest = |first, last| KeyDigest([first, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, last]);
        let keys: Vec<_> = (0..=u8::MAX).flat_map(|at| [digest(at, 0), digest(at, 1)]).collect();
        keys.iter().enumerate().for_each(|(at, key)| {
            map.insert(*key, at);
        });
        assert_eq!(map.len(), 512);
        assert!(keys.iter().enumerate().all(|(at, key)| map.get(key) == Some(&at)));
    }

    #[test]
    fn another_installation_has_other_digests() {
        let key = "51190119900101001X";
        assert_ne!(Keyer::new(b"one").key(key), Keyer::new(b"two").key(key));
    }
}
