//! Signatures, digests and ciphers that standards ask for, and the secrets they need.
//!
//! An [`Algorithm`] is a word of a standard's directory; every caller goes through [`sign`] and
//! [`verify`]. A signer outside this process (`province`) takes the place of a [`Key`], not of an
//! algorithm: what it gives is brought into the [`Form`] that the standard wants.

mod cipher;
mod shangmi;
#[cfg(test)]
mod vectors;

use std::fmt;

pub use cipher::{BLOCK, SecretCipher, Sm4Key, Sm4Mode};
pub use shangmi::{DEFAULT_IDENTITY, Form, sm3};

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes that nobody may see: zeroed when dropped, `***` in `Debug`, no `Display`.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret of these bytes, which this takes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes. What is made of them is the caller's to keep out of logs and errors.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, when they are UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// No byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Compares in a time that depends on the length alone.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

/// How a digest or signature is made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), without a key.
    Sha256,
    /// HMAC-SHA256 (RFC 2104).
    HmacSha256,
    /// SM3 (GB/T 32905), without a key.
    Sm3,
    /// HMAC-SM3.
    HmacSm3,
    /// SM2 with SM3 (GB/T 32918.2).
    Sm2,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] =
        [Self::Sha256, Self::HmacSha256, Self::Sm3, Self::HmacSm3, Self::Sm2];

    /// The word used in a standard's directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::Sm3 => "sm3",
            Self::HmacSm3 => "hmac-sm3",
            Self::Sm2 => "sm2",
        }
    }

    /// The inverse of [`Algorithm::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Upper-case hexadecimal digits.
    HexUpper,
    /// Base64 (RFC 4648 §4) with padding.
    Base64,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 3] = [Self::Hex, Self::HexUpper, Self::Base64];

    /// The word used in a standard's directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::HexUpper => "hex-upper",
            Self::Base64 => "base64",
        }
    }

    /// The inverse of [`Encoding::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.as_str() == text)
    }

    /// The written form of `bytes`.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::HexUpper => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }

    /// The bytes of a written form; `None` when it is none. Hexadecimal digits of either case.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex | Self::HexUpper => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let (pairs, rest) = text.as_bytes().as_chunks::<2>();
                let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4) | digit(*low)?);
                if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
            }
            Self::Base64 => STANDARD.decode(text).ok(),
        }
    }
}

/// What signs.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Nothing: a plain digest.
    None,
    /// A shared secret.
    Shared(&'a Secret),
    /// A pair on the SM2 curve.
    Pair {
        /// In PEM: the private key as PKCS #8; to verify, the public key will do.
        pem: &'a Secret,
        /// Who signs, see [`DEFAULT_IDENTITY`].
        identity: &'a str,
        /// How the signature is written.
        form: Form,
    },
}

/// A signature that cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignError {
    /// The algorithm needs a key and there is none, or an empty one.
    #[error("{algorithm} needs a key", algorithm = .0.as_str())]
    NoKey(Algorithm),
    /// The key is not one that the algorithm can use.
    #[error("the key is not one of {algorithm}", algorithm = .0.as_str())]
    BadKey(Algorithm),
}

/// The signature, or digest, of `parts` laid end to end.
pub fn sign<'a>(
    algorithm: Algorithm,
    key: Key<'_>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, SignError> {
    match (algorithm, key) {
        (Algorithm::Sha256, _) => {
            let mut context = digest::Context::new(&digest::SHA256);
            parts.into_iter().for_each(|part| context.update(part));
            Ok(context.finish().as_ref().to_vec())
        }
        (Algorithm::HmacSha256, Key::Shared(secret)) if !secret.is_empty() => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
            let mut context = hmac::Context::with_key(&key);
            parts.into_iter().for_each(|part| context.update(part));
            Ok(context.sign().as_ref().to_vec())
        }
        (Algorithm::Sm3, _) => Ok(sm3(parts).to_vec()),
        (Algorithm::HmacSm3, Key::Shared(secret)) if !secret.is_empty() => {
            Ok(shangmi::hmac_sm3(secret, parts))
        }
        (Algorithm::Sm2, Key::Pair { pem, identity, form }) => {
            let parts: Vec<&[u8]> = parts.into_iter().collect();
            shangmi::sm2_sign(pem, identity, form, &parts).ok_or(SignError::BadKey(algorithm))
        }
        (
            Algorithm::HmacSha256 | Algorithm::HmacSm3 | Algorithm::Sm2,
            Key::Shared(_) | Key::Pair { .. } | Key::None,
        ) => Err(SignError::NoKey(algorithm)),
    }
}

/// Whether `signature` is that of `parts`, in a time that does not depend on where it differs.
pub fn verify<'a>(
    algorithm: Algorithm,
    key: Key<'_>,
    parts: impl IntoIterator<Item = &'a [u8]>,
    signature: &[u8],
) -> bool {
    if let (Algorithm::Sm2, Key::Pair { pem, identity, form }) = (algorithm, key) {
        let parts: Vec<&[u8]> = parts.into_iter().collect();
        return shangmi::sm2_verify(pem, identity, form, &parts, signature);
    }
    sign(algorithm, key, parts)
        .is_ok_and(|expected| constant_time::verify_slices_are_equal(&expected, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_national_link_signs_as_recorded() {
        // facts §4.5: base64(HMAC-SHA256(secret, sid + rid + rtime)).
        let secret = Secret::new("SECRET");
        let parts: [&[u8]; 3] = [b"SID-1", b"RID-1", b"1700000000000"];
        let signature = sign(Algorithm::HmacSha256, Key::Shared(&secret), parts).unwrap();
        assert_eq!(
            Encoding::Base64.encode(&signature),
            "GWOAWOoyDx39Ft8iISL/jyveKqKJVcnCCYwkLRVOzYo="
        );
        assert!(verify(Algorithm::HmacSha256, Key::Shared(&secret), parts, &signature));
    }

    #[test]
    fn a_plain_digest_is_sha_256() {
        // FIPS 180-4, example "abc".
        let digest = sign(Algorithm::Sha256, Key::None, [&b"a"[..], b"bc"]).unwrap();
        assert_eq!(
            Encoding::Hex.encode(&digest),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_changed_signature_or_text_does_not_verify() {
        let secret = Secret::new("SECRET");
        let check = |secret: &Secret, text: &[u8], signature: &[u8]| {
            verify(Algorithm::HmacSha256, Key::Shared(secret), [text], signature)
        };
        let good = sign(Algorithm::HmacSha256, Key::Shared(&secret), [&b"text"[..]]).unwrap();
        let mut bad = good.clone();
        bad[31] ^= 1;
        assert!(check(&secret, b"text", &good));
        assert!(!check(&secret, b"text", &bad));
        assert!(!check(&secret, b"text", &good[..31]));
        assert!(!check(&secret, b"texts", &good));
        assert!(!check(&Secret::new("other"), b"text", &good));
    }

    #[test]
    fn a_signature_without_a_key_is_refused() {
        let empty = Secret::new("");
        for key in [Key::None, Key::Shared(&empty)] {
            assert!(sign(Algorithm::HmacSha256, key, [&b"text"[..]]).is_err());
            assert!(!verify(Algorithm::HmacSha256, key, [&b"text"[..]], b""));
        }
    }

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new("topsecret");
        assert_eq!(format!("{secret:?} {:?}", Key::Shared(&secret)), "*** Shared(***)");
        assert_eq!(secret, Secret::new("topsecret"));
        assert_ne!(secret, Secret::new("topsecreT"));
    }

    #[test]
    fn words_are_read_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::parse(encoding.as_str()), Some(encoding));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            for encoding in Encoding::ALL {
                prop_assert_eq!(encoding.decode(&encoding.encode(&bytes)).unwrap(), bytes.clone());
                drop(encoding.decode(&text));
            }
        }
    }
}
