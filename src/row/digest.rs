//! Keyed digests of keys and rows: what the ledger remembers instead of content.
//!
//! A plain hash of an identity number can be reversed by trying all of them; these are HMAC-SHA256
//! under a secret of the installation, truncated. A key keeps 96 bits (two of a billion keys meet
//! with a probability below 10⁻¹¹), a row 64 (it is only ever compared with rows of its own key).

use std::fmt;

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
        let mut context = hmac::Context::with_key(&self.0);
        row.cells().for_each(|cell| feed(&mut context, cell));
        RowHash(u64::from_be_bytes(truncated(&context.sign())))
    }
}

fn feed(context: &mut hmac::Context, cell: Cell<'_>) {
    let (mark, text) = match cell {
        Cell::Null => (0_u8, ""),
        Cell::Text(text) => (1, text),
        Cell::Malformed(text) => (2, text),
    };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [a, b, c, d] = length;
    context.update(&[mark, a, b, c, d]);
    context.update(text.as_bytes());
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
    fn another_installation_has_other_digests() {
        let key = "51190119900101001X";
        assert_ne!(Keyer::new(b"one").key(key), Keyer::new(b"two").key(key));
    }
}
