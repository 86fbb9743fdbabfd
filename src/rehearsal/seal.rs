//! `[encrypt]` read backwards: the platform's own decryption, over the block cipher alone.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sm4::Sm4;
use sm4::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::judge::hex;

/// `[encrypt]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Encrypt {
    pub(super) algorithm: String,
    pub(super) key: String,
    pub(super) key_encode: Option<String>,
    pub(super) iv: String,
    pub(super) over: Option<String>,
    pub(super) encode: Option<String>,
    pub(super) answers: bool,
}

/// Why nothing could be opened: one text for everything.
pub(super) const UNREADABLE: &str = "is not encrypted as the standard says";

impl Encrypt {
    /// Whole bodies, rather than fields.
    pub(super) fn is_over_body(&self) -> bool {
        self.over.as_deref().unwrap_or("body") == "body"
    }

    /// What `sealed` hides.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        credentials: &BTreeMap<String, String>,
    ) -> Option<Vec<u8>> {
        let bytes = match self.encode.as_deref().unwrap_or("base64") {
            "raw" => sealed.to_vec(),
            "base64" => STANDARD.decode(sealed).ok()?,
            _ => unhex(str::from_utf8(sealed).ok()?)?,
        };
        let cipher = Sm4::new_from_slice(&self.known(&self.key, credentials)?).ok()?;
        let (mut before, blocks) = match (self.algorithm.as_str(), self.iv.as_str()) {
            ("sm4-ecb", _) => ([0; 16], bytes.as_slice()),
            (_, "prefix") => {
                let (vector, rest) = bytes.split_at_checked(16)?;
                (vector.try_into().ok()?, rest)
            }
            (_, word) => (self.known(word, credentials)?.try_into().ok()?, bytes.as_slice()),
        };
        let mut plain = Vec::new();
        for block in blocks.as_chunks::<16>().0 {
            let mut opened = Block::<Sm4>::from(*block);
            cipher.decrypt_block(&mut opened);
            plain.extend(opened.iter().zip(before).map(|(one, other)| one ^ other));
            if self.algorithm != "sm4-ecb" {
                before = *block;
            }
        }
        let pad = usize::from(*plain.last()?);
        let length = plain.len().checked_sub(pad)?;
        let is_padding = (1..=16).contains(&pad)
            && plain.get(length..)?.iter().all(|byte| usize::from(*byte) == pad);
        plain.truncate(length);
        (is_padding && blocks.len().is_multiple_of(16)).then_some(plain)
    }

    /// Hides an answer as its reader will open it; `None` without the platform's keys. A vector
    /// that is drawn comes from what is hidden, so that a run can be repeated.
    pub(super) fn hide(
        &self,
        plain: &[u8],
        credentials: &BTreeMap<String, String>,
    ) -> Option<Vec<u8>> {
        let cipher = Sm4::new_from_slice(&self.known(&self.key, credentials)?).ok()?;
        let (mut out, mut before): (Vec<u8>, [u8; 16]) =
            match (self.algorithm.as_str(), self.iv.as_str()) {
                ("sm4-ecb", _) => (Vec::new(), [0; 16]),
                (_, "prefix") => {
                    let vector = *digest(&SHA256, plain).as_ref().first_chunk::<16>()?;
                    (vector.to_vec(), vector)
                }
                (_, word) => (Vec::new(), self.known(word, credentials)?.try_into().ok()?),
            };
        let pad = 16 - plain.len() % 16;
        let mut padded = plain.to_vec();
        padded.resize(plain.len() + pad, u8::try_from(pad).ok()?);
        for chunk in padded.as_chunks::<16>().0 {
            let mut block = Block::<Sm4>::from(*chunk);
            block.iter_mut().zip(before).for_each(|(one, other)| *one ^= other);
            cipher.encrypt_block(&mut block);
            out.extend(block);
            if self.algorithm != "sm4-ecb" {
                before = block.into();
            }
        }
        Some(match self.encode.as_deref().unwrap_or("base64") {
            "raw" => out,
            "base64" => STANDARD.encode(out).into_bytes(),
            "hex-upper" => hex(&out).to_uppercase().into_bytes(),
            _ => hex(&out).into_bytes(),
        })
    }

    fn known(&self, word: &str, credentials: &BTreeMap<String, String>) -> Option<Vec<u8>> {
        let text = credentials.get(word.strip_prefix("credential.")?)?;
        match self.key_encode.as_deref().unwrap_or("hex") {
            "hex" => unhex(text),
            "base64" => STANDARD.decode(text).ok(),
            _ => Some(text.as_bytes().to_vec()),
        }
    }
}

/// The bytes of hexadecimal digits of either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_ciphertext_is_opened_and_another_is_not() {
        // Made with `openssl enc -sm4-cbc` and `-sm4-ecb` under key and vector 0123…3210.
        let block = "0123456789abcdeffedcba9876543210";
        let credentials: BTreeMap<String, String> =
            ["k", "v"].map(|name| (name.to_owned(), block.to_owned())).into();
        let mut encrypt = Encrypt {
            algorithm: "sm4-ecb".to_owned(),
            key: "credential.k".to_owned(),
            encode: Some("hex".to_owned()),
            ..Encrypt::default()
        };
        // One block of text and one of padding.
        let ecb = "681edf34d206965e86b3e94f536e4246002a8a4efa863ccad024ac0300bb40d2";
        let plain = unhex(block).unwrap();
        assert_eq!(encrypt.open(ecb.as_bytes(), &credentials), Some(plain));
        let hidden = encrypt.hide(&unhex(block).unwrap(), &credentials);
        assert_eq!(hidden.as_deref(), Some(ecb.as_bytes()));
        for (algorithm, iv) in [("sm4-cbc", "prefix"), ("sm4-cbc", "credential.v"), ("sm4-ecb", "")]
        {
            for encode in ["hex", "hex-upper", "base64", "raw"] {
                let how = Encrypt {
                    algorithm: algorithm.to_owned(),
                    iv: iv.to_owned(),
                    encode: Some(encode.to_owned()),
                    ..encrypt.clone()
                };
                let hidden = how.hide("目录".as_bytes(), &credentials).unwrap();
                assert_eq!(how.open(&hidden, &credentials).unwrap(), "目录".as_bytes());
            }
        }
        encrypt.key = "credential.other".to_owned();
        assert_eq!(encrypt.open(ecb.as_bytes(), &credentials), None);
        encrypt.key = "credential.k".to_owned();
        for bad in ["", "68", "681edf34d206965e86b3e94f536e4246", "zz"] {
            assert_eq!(encrypt.open(bad.as_bytes(), &credentials), None, "{bad}");
        }
    }
}
