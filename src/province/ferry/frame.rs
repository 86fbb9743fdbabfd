//! One file of a ferry: a line that says whose and which it is, and what is sealed behind it.
//!
//! ```text
//! cascaded-ferry/1 NAME KIND INCARNATION NUMBER KEY LENGTH\n
//! nonce 12 · ciphertext · tag 16                             (LENGTH bytes)
//! ```
//!
//! AES-256-GCM; the line is what the seal is bound to, so that a file that was sealed for another
//! ferry, direction, incarnation or number opens nowhere else. The length tells a file that is not
//! whole yet from one that somebody changed; `KEY`, derived from the key, one under another key.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::words::Kind;
use crate::province::credentials;
use crate::province::error::Error;
use crate::signing::Encoding;

const MAGIC: &str = "cascaded-ferry/1";
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce and a tag.
const SEAL: usize = NONCE_LEN + 16;
/// The longest line.
const LINE: usize = 256;

/// Which file of a ferry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) ferry: String,
    pub(super) kind: Kind,
    /// Of whoever sent it.
    pub(super) incarnation: String,
    pub(super) number: u64,
}

impl Head {
    /// What the file is called.
    pub(super) fn file(&self) -> String {
        let Self { ferry, kind, incarnation, number } = self;
        format!("{ferry}.{}.{incarnation}.{number:012}{SUFFIX}", kind.as_str())
    }
}

/// How files of a ferry end; whatever ends otherwise is not ours or not there yet.
pub(super) const SUFFIX: &str = ".ferry";

/// Why a file is not one to act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    /// Shorter than it says: perhaps it is still being carried.
    Short,
    /// Not of this format, or longer than it says.
    Foreign,
    /// Of another ferry or the other direction.
    OtherFerry,
    /// Sealed under a key that is not ours.
    OtherKey,
    /// Not what was sealed.
    Broken,
}

impl Flaw {
    /// A stable word.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Short => "truncated",
            Self::Foreign => "foreign",
            Self::OtherFerry => "other-ferry",
            Self::OtherKey => "other-key",
            Self::Broken => "broken",
        }
    }
}

/// A key and how files name it.
struct Key {
    seal: RandomizedNonceKey,
    name: String,
}

/// The keys that both sides share: the first seals, every one opens. `Debug` shows none.
pub(super) struct Keys(Vec<Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(***)")
    }
}

impl Keys {
    /// Reads a file of one or two lines of 64 hexadecimal digits: the key, and the one before it.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let what = "the ferry's key";
        let text = credentials::secret(what, path)?;
        let reason = "not one or two lines of 64 hexadecimal digits";
        let wrong = || Error::Content { what, path: path.to_owned(), reason };
        let lines = text.expose_text().ok_or_else(wrong)?;
        let keys = lines.lines().map(|line| Key::of(line.trim()).ok_or_else(wrong));
        let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() || keys.len() > 2 { Err(wrong()) } else { Ok(Self(keys)) }
    }

    /// A whole file.
    pub(super) fn seal(&self, head: &Head, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let line = line(head, &key.name, plain.len() + SEAL);
        let mut sealed = plain.to_vec();
        let aad = Aad::from(line.as_bytes());
        let nonce = key.seal.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        Some([line.as_bytes(), nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Whose file it is, and what was sealed in it.
    pub(super) fn open(
        &self,
        ferry: &str,
        kind: Kind,
        file: &[u8],
    ) -> Result<(Head, Zeroizing<Vec<u8>>), Flaw> {
        let end = file.iter().take(LINE).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            let has_begun =
                MAGIC.as_bytes().starts_with(file) || file.starts_with(MAGIC.as_bytes());
            return Err(if has_begun && file.len() < LINE { Flaw::Short } else { Flaw::Foreign });
        };
        let (line, sealed) = file.split_at(end + 1);
        let (head, key, length) = parsed(line).ok_or(Flaw::Foreign)?;
        if head.ferry != ferry || head.kind != kind {
            return Err(Flaw::OtherFerry);
        }
        match sealed.len().cmp(&length) {
            std::cmp::Ordering::Less => return Err(Flaw::Short),
            std::cmp::Ordering::Greater => return Err(Flaw::Foreign),
            std::cmp::Ordering::Equal => {}
        }
        let key = self.0.iter().find(|it| it.name == key).ok_or(Flaw::OtherKey)?;
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Flaw::Foreign)?;
        let mut plain = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.seal.open_in_place(nonce, Aad::from(line), &mut plain);
        let length = opened.map_err(|_unspecified| Flaw::Broken)?.len();
        plain.truncate(length);
        Ok((head, plain))
    }
}

impl Key {
    fn of(digits: &str) -> Option<Self> {
        let bytes = Zeroizing::new(Encoding::Hex.decode(digits)?);
        if bytes.len() != KEY {
            return None;
        }
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"cascaded ferry key id");
        let name = Encoding::Hex.encode(tag.as_ref().get(..4)?);
        Some(Self { seal, name })
    }
}

fn line(head: &Head, key: &str, length: usize) -> String {
    let Head { ferry, kind, incarnation, number } = head;
    format!("{MAGIC} {ferry} {} {incarnation} {number} {key} {length}\n", kind.as_str())
}

fn parsed(written: &[u8]) -> Option<(Head, String, usize)> {
    let text = str::from_utf8(written).ok()?.strip_suffix('\n')?;
    let words: Vec<&str> = text.split(' ').collect();
    let [MAGIC, ferry, kind, incarnation, number, key, length] = words.as_slice() else {
        return None;
    };
    let head = Head {
        ferry: (*ferry).to_owned(),
        kind: Kind::parse(kind)?,
        incarnation: (*incarnation).to_owned(),
        number: number.parse().ok()?,
    };
    let is_incarnation = incarnation.len() == 16
        && incarnation.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let length = length.parse().ok()?;
    // Written one way only: what is sealed is bound to these very bytes.
    let is_ours = is_incarnation && line(&head, key, length).as_bytes() == written;
    is_ours.then(|| (head, (*key).to_owned(), length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keys(lines: &[u8]) -> Keys {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let digit = |it: &u8| format!("{it:02x}").repeat(KEY);
        let text: Vec<String> = lines.iter().map(digit).collect();
        std::fs::write(&path, text.join("\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Keys::read(&path).unwrap()
    }

    fn head(number: u64) -> Head {
        let incarnation = "00112233445566ff".to_owned();
        Head { ferry: "up".to_owned(), kind: Kind::Request, incarnation, number }
    }

    #[test]
    fn what_was_sealed_opens_as_it_was_and_shows_nothing() {
        let keys = keys(&[7]);
        let file = keys.seal(&head(3), b"a citizen").unwrap();
        assert!(!file.windows(7).any(|it| it == b"citizen"));
        let (found, plain) = keys.open("up", Kind::Request, &file).unwrap();
        assert_eq!((found, plain.as_slice()), (head(3), b"a citizen".as_slice()));
        assert_ne!(file, keys.seal(&head(3), b"a citizen").unwrap(), "the same nonce twice");
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let keys = keys(&[7]);
        let file = keys.seal(&head(3), b"a citizen").unwrap();
        for at in 0..file.len() {
            for bit in [1, 0x20] {
                let mut other = file.clone();
                other[at] ^= bit;
                let found = keys.open("up", Kind::Request, &other);
                assert!(found.is_err(), "byte {at} ^ {bit}");
            }
            let cut = keys.open("up", Kind::Request, &file[..at]);
            assert_eq!(cut.unwrap_err(), Flaw::Short, "cut at {at}");
        }
        let longer = [file.as_slice(), b"x"].concat();
        assert_eq!(keys.open("up", Kind::Request, &longer).unwrap_err(), Flaw::Foreign);
    }

    #[test]
    fn what_was_sealed_for_another_place_opens_nowhere_else() {
        let keys = keys(&[7]);
        let file = keys.seal(&head(3), b"a citizen").unwrap();
        let at = |ferry: &str, kind| keys.open(ferry, kind, &file).unwrap_err();
        assert_eq!(at("other", Kind::Request), Flaw::OtherFerry);
        assert_eq!(at("up", Kind::Answer), Flaw::OtherFerry);
        let said =
            String::from_utf8_lossy(&file[..file.iter().position(|it| *it == b'\n').unwrap()])
                .into_owned();
        for (from, to) in [(" 3 ", " 4 "), ("66ff", "66fe"), ("request", "answer")] {
            let mut other = said.replace(from, to).into_bytes();
            other.extend_from_slice(&file[said.len()..]);
            let kind = if to == "answer" { Kind::Answer } else { Kind::Request };
            assert_eq!(keys.open("up", kind, &other).unwrap_err(), Flaw::Broken, "{to}");
        }
    }

    #[test]
    fn a_key_is_replaced_while_files_under_the_one_before_are_on_their_way() {
        let (before, both, other) = (keys(&[7]), keys(&[8, 7]), keys(&[9]));
        let file = before.seal(&head(1), b"x").unwrap();
        assert!(both.open("up", Kind::Request, &file).is_ok());
        assert_eq!(other.open("up", Kind::Request, &file).unwrap_err(), Flaw::OtherKey);
        let file = both.seal(&head(1), b"x").unwrap();
        assert_eq!(before.open("up", Kind::Request, &file).unwrap_err(), Flaw::OtherKey);
    }

    #[test]
    fn whatever_lies_there_is_an_answer_and_no_panic() {
        let keys = keys(&[7]);
        let long = [b'x'; 1000];
        for file in
            [b"".as_slice(), b"\n", b"cascaded", b"hello world\n", &long, b"cascaded-ferry/1 \n"]
        {
            assert!(keys.open("up", Kind::Request, file).is_err());
        }
        assert_eq!(keys.open("up", Kind::Request, b"PK\x03\x04").unwrap_err(), Flaw::Foreign);
    }
}
