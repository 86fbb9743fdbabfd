//! Ciphers that standards ask for: SM4 for bodies and fields, AES for a secret that is fetched.
//!
//! Neither CBC nor ECB protects against change; who demands it signs as well (`[sign]`). What comes
//! back is decrypted in one place only, the answer to a secret exchange, and whatever is wrong with
//! it is one error, so that it tells nobody anything about padding.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sm4::Sm4;
use sm4::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of an SM4 key, of its block and of an initialisation vector (GB/T 32907).
pub const BLOCK: usize = 16;

/// How SM4 chains its blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sm4Mode {
    /// Each block alone: equal blocks stay equal.
    Ecb,
    /// Each block over the one before; the first over this vector.
    Cbc([u8; BLOCK]),
}

/// SM4 under one key, with the padding of PKCS #7 (RFC 5652 §6.3).
pub struct Sm4Key(Sm4);

impl std::fmt::Debug for Sm4Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sm4Key(***)")
    }
}

impl Sm4Key {
    /// A key of [`BLOCK`] bytes; `None` for any other length.
    pub fn new(key: &[u8]) -> Option<Self> {
        Sm4::new_from_slice(key).ok().map(Self)
    }

    /// Pads and encrypts.
    pub fn encrypt(&self, mode: Sm4Mode, plain: &[u8]) -> Vec<u8> {
        let pad = BLOCK - plain.len() % BLOCK;
        let mut out = Vec::with_capacity(plain.len() + pad);
        out.extend_from_slice(plain);
        out.resize(plain.len() + pad, u8::try_from(pad).unwrap_or_default());
        self.encrypt_blocks(mode, &mut out);
        out
    }

    /// Decrypts and takes the padding away; `None` when it is no such ciphertext.
    pub fn decrypt(&self, mode: Sm4Mode, sealed: &[u8]) -> Option<Vec<u8>> {
        let (blocks, rest) = sealed.as_chunks::<BLOCK>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(sealed.len());
        let mut before = match mode {
            Sm4Mode::Ecb => [0; BLOCK],
            Sm4Mode::Cbc(vector) => vector,
        };
        for block in blocks {
            let mut plain = Block::<Sm4>::from(*block);
            self.0.decrypt_block(&mut plain);
            out.extend(plain.iter().zip(before).map(|(one, other)| one ^ other));
            if matches!(mode, Sm4Mode::Cbc(_)) {
                before = *block;
            }
        }
        let pad = usize::from(*out.last()?);
        let length = out.len().checked_sub(pad)?;
        let is_padding = (1..=BLOCK).contains(&pad)
            && out.get(length..)?.iter().all(|byte| usize::from(*byte) == pad);
        out.truncate(length);
        is_padding.then_some(out)
    }

    /// Encrypts whole blocks in place.
    fn encrypt_blocks(&self, mode: Sm4Mode, bytes: &mut [u8]) {
        let (mut before, is_chained) = match mode {
            Sm4Mode::Ecb => ([0; BLOCK], false),
            Sm4Mode::Cbc(vector) => (vector, true),
        };
        for chunk in bytes.as_chunks_mut::<BLOCK>().0 {
            let mut block = Block::<Sm4>::from(*chunk);
            block.iter_mut().zip(before).for_each(|(one, other)| *one ^= other);
            self.0.encrypt_block(&mut block);
            *chunk = block.into();
            if is_chained {
                before = *chunk;
            }
        }
    }
}

/// How the secret in the answer to a secret exchange is opened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SecretCipher {
    /// AES-128 in ECB with PKCS #7, in Base64, under the key that Java's `KeyGenerator("AES", 128)`
    /// draws when its SHA1PRNG is seeded with the application's key: the first 16 bytes of
    /// SHA-1(SHA-1(key)) (facts §4.5).
    Aes128EcbSha1Prng,
}

impl SecretCipher {
    /// Every one.
    pub const ALL: [Self; 1] = [Self::Aes128EcbSha1Prng];

    /// The word used in a standard's directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128EcbSha1Prng => "aes-128-ecb-sha1prng",
        }
    }

    /// The inverse of [`SecretCipher::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.as_str() == text)
    }

    /// The secret that `text` hides under `key`; `None` when it hides none.
    pub fn open(self, key: &Secret, text: &str) -> Option<Secret> {
        match self {
            Self::Aes128EcbSha1Prng => {
                let mut sealed = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
                let drawn = sha1prng_key(key);
                let key = UnboundCipherKey::new(&AES_128, drawn.as_slice()).ok()?;
                let key = PaddedBlockDecryptingKey::ecb_pkcs7(key).ok()?;
                let plain = key.decrypt(&mut sealed, DecryptionContext::None).ok()?;
                (!plain.is_empty()).then(|| Secret::new(&*plain))
            }
        }
    }
}

/// SHA-1(SHA-1(key)), its first 16 bytes.
fn sha1prng_key(key: &Secret) -> Zeroizing<Vec<u8>> {
    let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.expose());
    let twice = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
    Zeroizing::new(twice.as_ref().iter().copied().take(BLOCK).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signing::Encoding;

    fn bytes(hex: &str) -> Vec<u8> {
        Encoding::Hex.decode(hex).unwrap()
    }

    #[test]
    fn the_secret_exchange_opens_as_recorded() {
        // facts §4.5, computed on OpenJDK 17 and with OpenSSL.
        let key = Secret::new("appkey-123");
        assert_eq!(Encoding::Hex.encode(&sha1prng_key(&key)), "227ecd2fe7036b9b9b3205312fb18307");
        let cipher = SecretCipher::Aes128EcbSha1Prng;
        let secret = cipher.open(&key, "kzckptfoEAYjhRzjRnVIQw==").unwrap();
        assert_eq!(secret.expose_text(), Some("real-secret"));
        for bad in ["", "kzckptfoEAYjhRzjRnVIQw", "kzckptfoEAYjhRzjRnVIQA==", "????", "AAAA"] {
            assert_eq!(cipher.open(&key, bad), None, "{bad}");
        }
        assert_eq!(cipher.open(&Secret::new("other"), "kzckptfoEAYjhRzjRnVIQw=="), None);
        assert_eq!(SecretCipher::parse(cipher.as_str()), Some(cipher));
    }

    #[test]
    fn one_block_is_encrypted_as_the_standard_says() {
        // GB/T 32907, annex A, example 1.
        let block = bytes("0123456789abcdeffedcba9876543210");
        let key = Sm4Key::new(&block).unwrap();
        let sealed = key.encrypt(Sm4Mode::Ecb, &block);
        assert_eq!(sealed[..16], bytes("681edf34d206965e86b3e94f536e4246"));
        assert_eq!(key.decrypt(Sm4Mode::Ecb, &sealed), Some(block));
        assert_eq!(format!("{key:?}"), "Sm4Key(***)");
        assert!(Sm4Key::new(b"fifteen bytes..").is_none());
    }

    #[test]
    fn chained_blocks_differ_and_a_wrong_end_is_no_ciphertext() {
        let key = Sm4Key::new(&[7; 16]).unwrap();
        let plain = [99; 32];
        let ecb = key.encrypt(Sm4Mode::Ecb, &plain);
        let cbc = key.encrypt(Sm4Mode::Cbc([1; 16]), &plain);
        assert_eq!(ecb[..16], ecb[16..32]);
        assert_ne!(cbc[..16], cbc[16..32]);
        for bad in [&cbc[..47], &cbc[..32], &[][..]] {
            assert_eq!(key.decrypt(Sm4Mode::Cbc([1; 16]), bad), None);
        }
    }

    proptest! {
        #[test]
        fn what_was_encrypted_is_decrypted(
            plain in any::<Vec<u8>>(), key: [u8; 16], vector: [u8; 16], chained: bool,
        ) {
            let mode = if chained { Sm4Mode::Cbc(vector) } else { Sm4Mode::Ecb };
            let key = Sm4Key::new(&key).unwrap();
            let sealed = key.encrypt(mode, &plain);
            prop_assert!(sealed.len() > plain.len() && sealed.len().is_multiple_of(16));
            prop_assert_eq!(key.decrypt(mode, &sealed), Some(plain));
        }

        #[test]
        fn arbitrary_bytes_are_no_panic(sealed in any::<Vec<u8>>(), key: [u8; 16], text: String) {
            drop(Sm4Key::new(&key).unwrap().decrypt(Sm4Mode::Ecb, &sealed));
            drop(SecretCipher::Aes128EcbSha1Prng.open(&Secret::new(key), &text));
        }
    }
}
