//! Sealing at rest: what the daemon must keep and nobody may read beside it.
//!
//! AES-256-GCM under a key that is derived for every single message: HKDF-SHA256 from the
//! installation's key, with the purpose and 128 random bits as its input. Two messages therefore
//! never share a key and a nonce, however many are sealed over the years, and a message sealed for
//! one purpose does not open for another. The bytes are
//!
//! ```text
//! version 1 · key id 4 · salt 16 · ciphertext · tag 16
//! ```
//!
//! The key id tells a wrong key from a damaged file; it is derived and reveals nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::{error::Unspecified, hmac, rand};
use zeroize::Zeroizing;

use super::wiped::Wiped;

const VERSION: u8 = 1;
const SALT: usize = 16;
/// What stands before the ciphertext.
pub(crate) const HEAD: usize = 1 + 4 + SALT;
const TAG: usize = 16;
/// A key file is 32 bytes or 64 digits and a line end; anything longer is another file.
const KEY_FILE_LIMIT: u64 = 256;

/// Bytes that sealing adds to a message.
pub const OVERHEAD: usize = HEAD + TAG;

/// What a sealed message is for. Each has keys of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A batch's payload in the spool.
    Payload,
    /// A batch's list of rows in the spool.
    Manifest,
    /// The key texts beside a run of sent keys.
    SentKeys,
    /// The pages of a run of sent keys (authenticated, not encrypted: they are keyed digests).
    SentRun,
    /// The original of a rejected row.
    Reject,
    /// A value that must come back in clear, kept in the ledger itself.
    Ledger,
    /// What a county sent, kept until it is passed on.
    Intake,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Payload => b"payload",
            Self::Manifest => b"manifest",
            Self::SentKeys => b"sent keys",
            Self::SentRun => b"sent run",
            Self::Reject => b"reject",
            Self::Ledger => b"ledger",
            Self::Intake => b"intake",
        }
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file could not be read.
    #[error("cannot read the sealing key file")]
    KeyFile(#[source] io::Error),
    /// The key file is readable by others.
    #[error("the sealing key file can be read by others (mode {mode:03o}): make it 600")]
    KeyFileOpen {
        /// Its permission bits.
        mode: u32,
    },
    /// The key file holds something else than 32 bytes.
    #[error("the sealing key file holds neither 32 bytes nor 64 hexadecimal digits")]
    KeyFileShape,
    /// Written by a newer program.
    #[error("sealed in format {found}, this program knows format {VERSION}")]
    Format {
        /// The version byte.
        found: u8,
    },
    /// Another key sealed it.
    #[error("sealed under another key")]
    OtherKey,
    /// Not what was sealed, or not where it was sealed for.
    #[error("sealed content does not verify")]
    Damaged,
    /// The cryptographic library refused.
    #[error("the cryptographic library failed")]
    Crypto,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals under one installation's key, and opens what lies under it or under one before it.
pub struct Sealer {
    root: Prk,
    id: [u8; 4],
    before: Vec<(Prk, [u8; 4])>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(***)")
    }
}

impl Sealer {
    /// A sealer under `key`; the caller's copy stays the caller's to erase.
    pub fn from_bytes(key: &[u8; 32]) -> Result<Self, Error> {
        let root = Salt::new(HKDF_SHA256, b"cascaded seal 1").extract(key);
        let mut id = [0; 4];
        fill(&root, &[b"key id"], &mut id)?;
        Ok(Self { root, id, before: Vec::new() })
    }

    /// Reads a key of 32 bytes, raw or as 64 hexadecimal digits. A file that others than its
    /// owner and group can read is refused (systemd's credentials have mode 440 under an ACL).
    pub fn from_key_file(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::KeyFile)?;
        let mode = file.metadata().map_err(Error::KeyFile)?.permissions().mode() & 0o777;
        if mode & 0o027 != 0 {
            return Err(Error::KeyFileOpen { mode });
        }
        // Its full size from the start: a buffer that grows leaves copies behind.
        let mut text =
            Zeroizing::new(Vec::with_capacity(usize::try_from(KEY_FILE_LIMIT).unwrap_or(256) * 2));
        file.by_ref().take(KEY_FILE_LIMIT).read_to_end(&mut text).map_err(Error::KeyFile)?;
        let mut key = Zeroizing::new([0_u8; 32]);
        if text.len() == key.len() {
            key.copy_from_slice(&text);
        } else {
            let digits = Zeroizing::new(text.trim_ascii().to_vec());
            if digits.len() != 64 {
                return Err(Error::KeyFileShape);
            }
            for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = pair_value(pair).ok_or(Error::KeyFileShape)?;
            }
        }
        Self::from_bytes(&key)
    }

    /// A sealer under the key of one file that still opens what lies under keys before it.
    pub fn from_key_files(path: &Path, before: &[PathBuf]) -> Result<Self, Error> {
        let mut sealer = Self::from_key_file(path)?;
        for path in before {
            sealer = sealer.after(Self::from_key_file(path)?);
        }
        Ok(sealer)
    }

    /// The same, opening what lies under another one's key as well.
    #[must_use]
    pub fn after(mut self, other: Self) -> Self {
        self.before.push((other.root, other.id));
        self.before.extend(other.before);
        self
    }

    /// Which key this is: 4 derived bytes that reveal nothing of it.
    pub fn key_id(&self) -> [u8; 4] {
        self.id
    }

    /// The ids of all keys that it opens, the one in use first.
    pub fn key_ids(&self) -> Vec<[u8; 4]> {
        std::iter::once(self.id).chain(self.before.iter().map(|(_, id)| *id)).collect()
    }

    fn root_of(&self, id: &[u8]) -> Option<&Prk> {
        if id == self.id {
            return Some(&self.root);
        }
        self.before.iter().find(|(_, known)| id == known).map(|(root, _)| root)
    }

    /// Seals `plain` for `purpose`; it opens only with the same purpose and `context`, which says
    /// where it belongs (a file's name, a row's number) and is not stored.
    pub fn seal(&self, purpose: Purpose, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut salt = [0; SALT];
        rand::fill(&mut salt).map_err(crypto)?;
        let (key, nonce) = message_key(&self.root, purpose, &salt)?;
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        out.push(VERSION);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&salt);
        out.extend_from_slice(plain);
        if crate::crash::sabotaged("unsealed") {
            out.resize(plain.len() + OVERHEAD, 0);
            return Ok(out);
        }
        let body = out.get_mut(HEAD..).ok_or(Error::Crypto)?;
        let tag =
            key.seal_in_place_separate_tag(nonce, Aad::from(context), body).map_err(crypto)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens what [`Sealer::seal`] made with the same purpose and context.
    pub fn open(&self, purpose: Purpose, context: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(Error::Damaged)?;
        self.open_body(purpose, context, head, Wiped::new(body.to_vec()))
    }

    /// As [`Sealer::open`], of what was read in two pieces, the first [`HEAD`] bytes long: the second
    /// is opened where it lies.
    pub(crate) fn open_body(
        &self,
        purpose: Purpose,
        context: &[u8],
        head: &[u8],
        mut body: Wiped,
    ) -> Result<Wiped, Error> {
        let (version, rest) = head.split_first().ok_or(Error::Damaged)?;
        if *version != VERSION {
            return Err(Error::Format { found: *version });
        }
        let (id, salt) = rest.split_at_checked(self.id.len()).ok_or(Error::Damaged)?;
        let root = self.root_of(id).ok_or(Error::OtherKey)?;
        let (key, nonce) = message_key(root, purpose, salt)?;
        if crate::crash::sabotaged("unsealed") {
            let plain = body.len().saturating_sub(OVERHEAD - HEAD);
            body.truncate(plain);
            return Ok(body);
        }
        let length = key
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|Unspecified| Error::Damaged)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// A key that vouches for bytes without hiding them; what older keys vouched for is known too.
    pub(crate) fn voucher(&self, purpose: Purpose, context: &[u8]) -> Result<Voucher, Error> {
        let roots = std::iter::once(&self.root).chain(self.before.iter().map(|(root, _)| root));
        let keys = roots.map(|root| {
            let mut key = Zeroizing::new([0; 32]);
            fill(root, &[b"voucher", purpose.label(), context], key.as_mut())?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
        });
        Ok(Voucher(keys.collect::<Result<_, Error>>()?))
    }
}

fn message_key(root: &Prk, purpose: Purpose, salt: &[u8]) -> Result<(LessSafeKey, Nonce), Error> {
    let mut material = Zeroizing::new([0; 44]);
    fill(root, &[b"message", purpose.label(), salt], material.as_mut())?;
    let (key, nonce) = material.split_at_checked(32).ok_or(Error::Crypto)?;
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(crypto)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(crypto)?;
    Ok((LessSafeKey::new(key), nonce))
}

/// The id of the key under which this lies.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<[u8; 4]> {
    sealed.get(1..5)?.try_into().ok()
}

/// Vouches for bytes: a truncated HMAC-SHA256.
#[derive(Clone)]
pub(crate) struct Voucher(Vec<hmac::Key>);

impl fmt::Debug for Voucher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Voucher(***)")
    }
}

impl Voucher {
    /// Vouches with the key in use.
    pub(crate) fn tag<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        self.0.first().map_or([0; N], |key| tag(key, parts))
    }

    /// Whether the key in use, or one before it, vouched for this; which, counted from the one in
    /// use.
    pub(crate) fn vouched<const N: usize>(&self, parts: &[&[u8]], by: &[u8; N]) -> Option<usize> {
        self.0.iter().position(|key| tag::<N>(key, parts) == *by)
    }
}

fn tag<const N: usize>(key: &hmac::Key, parts: &[&[u8]]) -> [u8; N] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; N];
    out.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    out
}

fn fill(root: &Prk, info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    root.expand(info, Length(out.len())).and_then(|okm| okm.fill(out)).map_err(crypto)
}

fn crypto(_: Unspecified) -> Error {
    Error::Crypto
}

fn pair_value(pair: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(pair).ok()?;
    text.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn sealer(key: u8) -> Sealer {
        Sealer::from_bytes(&[key; 32]).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_nothing_else_does(
            plain in proptest::collection::vec(any::<u8>(), 0..300),
            flip in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let sealer = sealer(7);
            let sealed = sealer.seal(Purpose::Payload, b"a", &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            let opened = sealer.open(Purpose::Payload, b"a", &sealed).unwrap();
            prop_assert_eq!(&*opened, &plain);
            let mut damaged = sealed.clone();
            damaged[flip.index(sealed.len())] ^= 1 << bit;
            prop_assert!(sealer.open(Purpose::Payload, b"a", &damaged).is_err());
            let cut = &sealed[..flip.index(sealed.len())];
            prop_assert!(sealer.open(Purpose::Payload, b"a", cut).is_err());
        }
    }

    #[test]
    fn a_message_opens_only_where_it_belongs() {
        let sealed = sealer(7).seal(Purpose::Payload, b"a", b"text").unwrap();
        let damaged = |result| matches!(result, Err(Error::Damaged));
        assert!(damaged(sealer(7).open(Purpose::Manifest, b"a", &sealed)));
        assert!(damaged(sealer(7).open(Purpose::Payload, b"b", &sealed)));
        assert!(matches!(sealer(8).open(Purpose::Payload, b"a", &sealed), Err(Error::OtherKey)));
    }

    #[test]
    fn a_key_before_opens_what_it_sealed_and_seals_nothing_more() {
        let old = sealer(7).seal(Purpose::Reject, b"a", b"text").unwrap();
        let both = sealer(8).after(sealer(7));
        assert_eq!(both.key_ids(), [sealer(8).key_id(), sealer(7).key_id()]);
        assert_eq!(&*both.open(Purpose::Reject, b"a", &old).unwrap(), b"text");
        let new = both.seal(Purpose::Reject, b"a", b"text").unwrap();
        assert_eq!(key_id_of(&new), Some(sealer(8).key_id()));
        assert!(matches!(sealer(7).open(Purpose::Reject, b"a", &new), Err(Error::OtherKey)));
        assert_eq!(&*sealer(8).open(Purpose::Reject, b"a", &new).unwrap(), b"text");
        let voucher = |sealer: Sealer| sealer.voucher(Purpose::SentRun, b"r").unwrap();
        let tag: [u8; 8] = voucher(sealer(7)).tag(&[b"page"]);
        assert_eq!(voucher(sealer(8).after(sealer(7))).vouched(&[b"page"], &tag), Some(1));
        assert_eq!(voucher(sealer(7)).vouched(&[b"page"], &tag), Some(0));
        assert_eq!(voucher(sealer(8)).vouched(&[b"page"], &tag), None);
        assert_eq!(voucher(sealer(7)).vouched(&[b"other"], &tag), None);
    }

    #[test]
    fn equal_messages_are_sealed_differently() {
        let seal = || sealer(7).seal(Purpose::Reject, b"", b"same").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_file_is_bytes_or_digits_and_not_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let load = |content: &[u8], mode: u32| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Sealer::from_key_file(&path)
        };
        let id = sealer(0xab).key_id();
        assert_eq!(load(&[0xab; 32], 0o600).unwrap().key_id(), id);
        let digits = format!("{}\n", "aB".repeat(32));
        assert_eq!(load(digits.as_bytes(), 0o440).unwrap().key_id(), id);
        assert!(matches!(load(&[1; 32], 0o604), Err(Error::KeyFileOpen { mode: 0o604 })));
        assert!(matches!(load(&[1; 31], 0o600), Err(Error::KeyFileShape)));
        assert!(matches!(load("+f".repeat(32).as_bytes(), 0o600), Err(Error::KeyFileShape)));
        assert!(matches!(load(&[1; 4096], 0o600), Err(Error::KeyFileShape)));
    }

    #[test]
    fn nothing_of_the_key_is_printed() {
        assert_eq!(format!("{:?}", sealer(7)), "Sealer(***)");
    }
}
