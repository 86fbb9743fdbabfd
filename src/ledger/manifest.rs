//! A batch's list of rows: which keys it carries and what is needed to name them again.
//!
//! Digests give no key back, so the manifest keeps the key's text and the columns that a delete or
//! tombstone message needs. It is content: it is only ever stored sealed, and its types print
//! nothing of it.

use std::fmt;

use crate::row::{KeyDigest, RowHash};

/// The largest version: 48 bits of milliseconds, the year 10889.
pub const VERSION_LIMIT_MS: u64 = (1 << 48) - 1;

/// What names a row above: its key in text form and what else a message about it needs.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Original {
    /// The key in text form ([`key_text`](crate::row::key_text)).
    pub key_text: String,
    /// The province's own id of the row, where it gives one.
    pub upper_id: Option<String>,
    /// The cells that delete and tombstone messages need beside the key, in the dataset's order.
    pub columns: Vec<Option<String>>,
}

impl fmt::Debug for Original {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Original(***)")
    }
}

/// One row of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ManifestRow {
    /// Digest of its key.
    pub key: KeyDigest,
    /// Hash of its content; of no meaning for a deletion.
    pub row: RowHash,
    /// When this version came to be, in milliseconds since 1970 UTC; at most
    /// [`VERSION_LIMIT_MS`], 0 where the dataset has no time column.
    pub version_ms: u64,
    /// What names it above.
    pub original: Original,
}

/// Appends the stored form: lengths as LEB128, an absent text as 0, a present one as length + 1.
pub(super) fn encode_original(original: &Original, out: &mut Vec<u8>) {
    put_text(Some(&original.key_text), out);
    put_text(original.upper_id.as_deref(), out);
    put_number(original.columns.len(), out);
    original.columns.iter().for_each(|column| put_text(column.as_deref(), out));
}

/// The inverse of [`encode_original`]; `None` if the bytes are anything else.
pub(super) fn decode_original(mut bytes: &[u8]) -> Option<Original> {
    let original = take_original(&mut bytes)?;
    bytes.is_empty().then_some(original)
}

fn take_original(bytes: &mut &[u8]) -> Option<Original> {
    let key_text = take_text(bytes)??;
    let upper_id = take_text(bytes)?;
    let count = take_number(bytes)?;
    // Each column is at least one byte: a count that cannot be true reserves nothing.
    if count > bytes.len() {
        return None;
    }
    let columns = (0..count).map(|_| take_text(bytes)).collect::<Option<Vec<_>>>()?;
    Some(Original { key_text, upper_id, columns })
}

/// The stored form of a whole manifest.
pub(super) fn encode(rows: &[ManifestRow]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * 64);
    put_number(rows.len(), &mut out);
    for row in rows {
        out.extend_from_slice(&row.key.0);
        out.extend_from_slice(&row.row.0.to_be_bytes());
        out.extend_from_slice(&row.version_ms.min(VERSION_LIMIT_MS).to_be_bytes());
        encode_original(&row.original, &mut out);
    }
    out
}

/// The inverse of [`encode`]; `None` if the bytes are anything else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<ManifestRow>> {
    let count = take_number(&mut bytes)?;
    if count > bytes.len() {
        return None;
    }
    let rows = (0..count)
        .map(|_| {
            Some(ManifestRow {
                key: KeyDigest(take_array(&mut bytes)?),
                row: RowHash(u64::from_be_bytes(take_array(&mut bytes)?)),
                version_ms: u64::from_be_bytes(take_array(&mut bytes)?),
                original: take_original(&mut bytes)?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    bytes.is_empty().then_some(rows)
}

/// Appends `number` as LEB128.
pub(super) fn put_number(mut number: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Takes what [`put_number`] appended.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let [byte] = take_array::<1>(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}

/// Takes `N` bytes.
pub(super) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// Takes `length` bytes.
pub(super) fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn put_text(text: Option<&str>, out: &mut Vec<u8>) {
    put_number(text.map_or(0, |text| text.len() + 1), out);
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<Option<String>> {
    let Some(length) = take_number(bytes)?.checked_sub(1) else { return Some(None) };
    let text = std::str::from_utf8(take_slice(bytes, length)?).ok()?;
    Some(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = ManifestRow> {
        let text = ".{0,200}";
        (
            any::<[u8; 12]>(),
            any::<u64>(),
            0..=VERSION_LIMIT_MS,
            text,
            proptest::option::of(text),
            proptest::collection::vec(proptest::option::of(text), 0..4),
        )
            .prop_map(|(key, row, version_ms, key_text, upper_id, columns)| ManifestRow {
                key: KeyDigest(key),
                row: RowHash(row),
                version_ms,
                original: Original { key_text, upper_id, columns },
            })
    }

    proptest! {
        #[test]
        fn a_manifest_survives_its_stored_form(
            rows in proptest::collection::vec(row(), 0..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encode(&rows);
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), None);
            prop_assert_eq!(decode(&bytes), Some(rows));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            if let Some(original) = decode_original(&bytes) {
                let mut again = Vec::new();
                encode_original(&original, &mut again);
                prop_assert_eq!(decode_original(&again), Some(original));
            }
            decode(&bytes);
        }
    }

    #[test]
    fn nothing_of_a_row_is_printed() {
        let row = ManifestRow {
            key: KeyDigest([1; 12]),
            row: RowHash(1),
            version_ms: 1,
            original: Original { key_text: "51190119900101001X".into(), ..Original::default() },
        };
        assert!(!format!("{row:?}").contains("5119"));
    }
}
