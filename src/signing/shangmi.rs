//! The commercial ciphers (国密) that sign: SM3, HMAC-SM3 and SM2 with SM3.
//!
//! GB/T 32905 (SM3), GB/T 32918.2 (SM2). `aws-lc-rs` has neither; the crates are named in
//! `src/DECISIONS.md`. An SM2 signature is made without random numbers (RFC 6979 over HMAC-SM3), so
//! that the same text under the same key has the same signature and a weak generator cannot give
//! the key away.

use hmac::{Hmac, KeyInit, Mac};
use sm2::PublicKey;
use sm2::SecretKey;
use sm2::dsa::signature::{MultipartSigner, MultipartVerifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::pkcs8::{DecodePrivateKey, DecodePublicKey};
use sm3::{Digest, Sm3};

use super::Secret;

/// Who signs where nobody says otherwise (GM/T 0009, default 用户标识).
pub const DEFAULT_IDENTITY: &str = "1234567812345678";

/// Bytes of r and of s.
const HALF: usize = 32;

/// How an SM2 signature is written as bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Form {
    /// ASN.1: a sequence of the integers r and s.
    #[default]
    Der,
    /// r and s, 32 bytes each, big-endian.
    Raw,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Der, Self::Raw];

    /// The word used in a standard's directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Der => "der",
            Self::Raw => "raw",
        }
    }

    /// The inverse of [`Form::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// A signature in either form, written in this one; `None` when it is none.
    pub fn of_either(self, signature: &[u8]) -> Option<Vec<u8>> {
        let read = match signature.len() {
            64 => Signature::from_slice(signature).ok(),
            _ => None,
        };
        let read = read.or_else(|| Signature::from_der(signature).ok())?;
        Some(self.write(&read))
    }

    fn write(self, signature: &Signature) -> Vec<u8> {
        match self {
            Self::Der => signature.to_der().to_bytes().into_vec(),
            Self::Raw => signature.to_bytes().to_vec(),
        }
    }

    fn read(self, bytes: &[u8]) -> Option<Signature> {
        match self {
            Self::Der => Signature::from_der(bytes).ok(),
            Self::Raw if bytes.len() == 2 * HALF => Signature::from_slice(bytes).ok(),
            Self::Raw => None,
        }
    }
}

/// SM3 of `parts` laid end to end.
pub fn sm3<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sm3::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// HMAC-SM3 (RFC 2104 over SM3) of `parts` laid end to end.
pub(super) fn hmac_sm3<'a>(key: &Secret, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut tag =
        Hmac::<Sm3>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    parts.into_iter().for_each(|part| tag.update(part));
    tag.finalize().into_bytes().to_vec()
}

/// The SM2 signature of `parts`; `None` when the key is no private key in PKCS #8 and PEM.
pub(super) fn sm2_sign(
    pem: &Secret,
    identity: &str,
    form: Form,
    parts: &[&[u8]],
) -> Option<Vec<u8>> {
    let key = SecretKey::from_pkcs8_pem(pem.expose_text()?).ok()?;
    let key = SigningKey::new(identity, &key).ok()?;
    let signature: Signature = key.try_multipart_sign(parts).ok()?;
    Some(form.write(&signature))
}

/// Whether `signature` is that of `parts` under the private or public key in PEM.
pub(super) fn sm2_verify(
    pem: &Secret,
    identity: &str,
    form: Form,
    parts: &[&[u8]],
    signature: &[u8],
) -> bool {
    let verify = || {
        let text = pem.expose_text()?;
        let public = PublicKey::from_public_key_pem(text).ok();
        let public = match public {
            Some(public) => public,
            None => SecretKey::from_pkcs8_pem(text).ok()?.public_key(),
        };
        let key = VerifyingKey::new(identity, public).ok()?;
        key.multipart_verify(parts, &form.read(signature)?).ok()
    };
    verify().is_some()
}
