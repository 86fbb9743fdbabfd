//! A sealed bundle of files: one archive (ustar) in which every byte is accounted for.
//!
//! `MANIFEST` names each file with its length and SHA-256 and begins with the digest of what it
//! says; names are sorted, times and owners are nought. So the same files give the same bytes, and
//! opening writes the bundle once more and compares: whatever was changed, added, taken out or
//! moved, be it a blank of the padding, is told. Who forges all of it is told only by the digest
//! that was kept elsewhere.

use std::collections::BTreeMap;

use crate::delivery::DigestSha256;

/// The file that accounts for all others.
pub const MANIFEST: &str = "MANIFEST";
/// The largest bundle, in bytes.
pub const MAX_BYTES: usize = 256 << 20;
/// A block of the archive.
const BLOCK: usize = 512;

/// Files by their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

/// Why a bundle is not whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWhole {
    /// It is no archive of this kind, or cut off.
    #[error("this is no bundle of ours, or it is cut off")]
    Foreign,
    /// It is larger than is read.
    #[error("it is larger than {} MiB", MAX_BYTES >> 20)]
    Size,
    /// A file is not the one that was put in.
    #[error("`{0}` is not what was put in")]
    File(String),
    /// The manifest names other files than there are, or was changed.
    #[error("the manifest does not account for what is there")]
    Manifest,
    /// Something beside the files was changed.
    #[error("there is something that belongs to no file")]
    Beside,
}

impl Bundle {
    /// Puts a file in. Names are plain ASCII with `/` between folders, at most 99 characters.
    pub fn put(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), content.into());
    }

    /// A file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The files in the order of their names, without the manifest.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, content)| (name.as_str(), content.as_slice()))
    }

    /// What the manifest says, and its digest, by which the whole bundle is known.
    pub fn manifest(&self) -> (String, DigestSha256) {
        let line = |(name, content): (&str, &[u8])| {
            format!("{} {} {name}\n", DigestSha256::of(content), content.len())
        };
        let lines: String = self.files().map(line).collect();
        let digest = DigestSha256::of(lines.as_bytes());
        (format!("{digest}\n{lines}"), digest)
    }

    /// The archive.
    pub fn write(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        let (manifest, _) = self.manifest();
        append(&mut archive, MANIFEST, manifest.as_bytes());
        for (name, content) in self.files() {
            append(&mut archive, name, content);
        }
        archive.extend_from_slice(&[0; 2 * BLOCK]);
        archive
    }

    /// The inverse of [`Bundle::write`].
    ///
    /// # Errors
    /// Whatever `write` would not have written, with the first file that is wrong.
    pub fn read(archive: &[u8]) -> Result<Self, NotWhole> {
        if archive.len() > MAX_BYTES {
            return Err(NotWhole::Size);
        }
        let mut bundle = Self::default();
        let mut manifest = None;
        let mut rest = archive;
        loop {
            let (head, after) = rest.split_at_checked(BLOCK).ok_or(NotWhole::Foreign)?;
            if head.iter().all(|byte| *byte == 0) {
                break;
            }
            let name = field(head, 0, 100).ok_or(NotWhole::Foreign)?;
            let length = field(head, 124, 12).and_then(|it| usize::from_str_radix(&it, 8).ok());
            let length = length.ok_or(NotWhole::Foreign)?;
            let (content, after) = after.split_at_checked(length).ok_or(NotWhole::Foreign)?;
            rest = after.get(padding(length)..).ok_or(NotWhole::Foreign)?;
            if name == MANIFEST && manifest.is_none() {
                manifest = Some(content.to_vec());
            } else if bundle.files.insert(name, content.to_vec()).is_some() {
                return Err(NotWhole::Manifest);
            }
        }
        bundle.account(&manifest.ok_or(NotWhole::Manifest)?)?;
        if bundle.write() == archive { Ok(bundle) } else { Err(NotWhole::Beside) }
    }

    /// Every file is the one that the manifest names.
    fn account(&self, manifest: &[u8]) -> Result<(), NotWhole> {
        let text = std::str::from_utf8(manifest).map_err(|_binary| NotWhole::Manifest)?;
        for line in text.lines().skip(1) {
            let mut words = line.splitn(3, ' ');
            let (digest, name) = (words.next().unwrap_or(""), words.nth(1).unwrap_or(""));
            let content = self.get(name).ok_or(NotWhole::Manifest)?;
            if DigestSha256::of(content).to_string() != digest {
                return Err(NotWhole::File(name.to_owned()));
            }
        }
        if self.manifest().0 == text { Ok(()) } else { Err(NotWhole::Manifest) }
    }
}

/// Zeros after a content of that length.
fn padding(length: usize) -> usize {
    (BLOCK - length % BLOCK) % BLOCK
}

/// A field of a head: text up to the first zero.
fn field(head: &[u8], at: usize, length: usize) -> Option<String> {
    let bytes = head.get(at..at.checked_add(length)?)?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

fn append(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let length = format!("{:011o}\0", content.len());
    let mut head = Vec::with_capacity(BLOCK);
    let mut put = |text: &str, width: usize| {
        let bytes: Vec<u8> = text.bytes().chain(std::iter::repeat(0)).take(width).collect();
        head.extend_from_slice(&bytes);
    };
    put(name, 100);
    put("0000644\0", 8);
    put("0000000\0", 8);
    put("0000000\0", 8);
    put(&length, 12);
    put("00000000000\0", 12);
    // The sum counts its own field as blanks.
    put("        ", 8);
    put("0", 1);
    put("", 100);
    put("ustar\u{0}00", 8);
    put("", BLOCK - 265);
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    head.splice(148..156, sum.bytes());
    archive.extend_from_slice(&head);
    archive.extend_from_slice(content);
    archive.extend(std::iter::repeat_n(0, padding(content.len())));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bundle() -> Bundle {
        let mut bundle = Bundle::default();
        bundle.put("item.json", "{\"points\":-2.6}");
        bundle.put("input/facts-1.csv", "a,b\n1,2\n".repeat(100));
        bundle.put("empty", "");
        bundle
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written_and_the_same_files_give_the_same_bytes() {
        let archive = bundle().write();
        assert_eq!(Bundle::read(&archive), Ok(bundle()));
        assert_eq!(archive, bundle().write());
        assert_eq!(archive.len() % BLOCK, 0);
        assert_eq!(Bundle::read(b"no archive"), Err(NotWhole::Foreign));
        assert_eq!(Bundle::read(&[0; 2 * BLOCK]), Err(NotWhole::Manifest));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let archive = bundle().write();
        let at = archive.windows(4).position(|it| it == b"-2.6").unwrap();
        let mut changed = archive.clone();
        changed[at + 1] = b'1';
        assert_eq!(Bundle::read(&changed), Err(NotWhole::File("item.json".to_owned())));
        let mut longer = archive.clone();
        longer.push(0);
        assert_eq!(Bundle::read(&longer), Err(NotWhole::Beside));
        let mut forged = bundle();
        forged.put("more", "x");
        let (whole, more) = (bundle().manifest().0, forged.manifest().0);
        assert_ne!(whole, more);
        assert_eq!(forged.account(whole.as_bytes()), Err(NotWhole::Manifest));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn no_byte_can_be_changed(at in 0_usize..6000, flip in 1_u8..=255) {
            let mut archive = bundle().write();
            let at = at % archive.len();
            archive[at] ^= flip;
            prop_assert!(Bundle::read(&archive).is_err());
        }
    }
}
