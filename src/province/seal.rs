//! `[encrypt]`: bodies and fields that those who carry them shall not read.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::error::Error;
use crate::signing::{BLOCK, Encoding, Sm4Key, Sm4Mode};
use crate::standard::settings::Encrypt;

/// Where the initialisation vector of CBC comes from.
#[derive(Clone, Copy, Debug)]
enum Vector {
    /// There is none: ECB.
    None,
    /// Drawn for each value, and sent before it.
    Drawn,
    /// Agreed with the province.
    Agreed([u8; BLOCK]),
}

/// Hides what the standard wants hidden. `Debug` shows no key.
#[derive(Debug)]
pub(super) struct Sealer {
    key: Sm4Key,
    vector: Vector,
    /// `None`: as bytes.
    encoding: Option<Encoding>,
    is_over_body: bool,
    opens_answers: bool,
}

impl Sealer {
    /// Reads the key, and the vector where it is agreed.
    pub(super) fn open(encrypt: &Encrypt, credentials: &Credentials) -> Result<Self, Error> {
        let read = |word: &str| block(encrypt, credentials, word);
        let vector = match encrypt.iv.as_str() {
            "" => Vector::None,
            "prefix" => Vector::Drawn,
            word => Vector::Agreed(*read(word)?),
        };
        let key = Sm4Key::new(read(&encrypt.key)?.as_slice());
        Ok(Self {
            key: key.ok_or_else(|| unusable(&encrypt.key))?,
            vector,
            encoding: Encoding::parse(&encrypt.encode),
            is_over_body: encrypt.over == "body",
            opens_answers: encrypt.answers,
        })
    }

    /// Whether it hides whole bodies rather than fields.
    pub(super) fn is_over_body(&self) -> bool {
        self.is_over_body
    }

    /// Whether answers come hidden, too.
    pub(super) fn opens_answers(&self) -> bool {
        self.opens_answers
    }

    /// What a body hides; `None` where it is not hidden as the standard says. Nothing tells more:
    /// neither cipher nor padding vouch for what they hide.
    pub(super) fn open_body(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let decoded;
        let bytes = match self.encoding {
            None => sealed,
            Some(encoding) => {
                decoded = encoding.decode(str::from_utf8(sealed).ok()?.trim())?;
                decoded.as_slice()
            }
        };
        let (mode, blocks) = match self.vector {
            Vector::None => (Sm4Mode::Ecb, bytes),
            Vector::Agreed(vector) => (Sm4Mode::Cbc(vector), bytes),
            Vector::Drawn => {
                let (vector, blocks) = bytes.split_first_chunk::<BLOCK>()?;
                (Sm4Mode::Cbc(*vector), blocks)
            }
        };
        self.key.decrypt(mode, blocks)
    }

    /// Hides and encodes.
    pub(super) fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let sealed = match self.vector {
            Vector::None => self.key.encrypt(Sm4Mode::Ecb, plain),
            Vector::Agreed(vector) => self.key.encrypt(Sm4Mode::Cbc(vector), plain),
            Vector::Drawn => {
                let mut vector = [0; BLOCK];
                rand::fill(&mut vector).expect("the system's random numbers do not run out");
                let mut whole = vector.to_vec();
                whole.extend(self.key.encrypt(Sm4Mode::Cbc(vector), plain));
                whole
            }
        };
        match self.encoding {
            None => sealed,
            Some(encoding) => encoding.encode(&sealed).into_bytes(),
        }
    }

    /// Hides a field's text. Fields are always encoded: the loader sees to it.
    pub(super) fn seal_text(&self, plain: &str) -> String {
        String::from_utf8(self.seal(plain.as_bytes())).unwrap_or_default()
    }
}

/// The 16 bytes that a credential holds, written as `key_encode` says.
fn block(
    encrypt: &Encrypt,
    credentials: &Credentials,
    word: &str,
) -> Result<Zeroizing<[u8; BLOCK]>, Error> {
    let secret = word.strip_prefix("credential.").and_then(|name| credentials.get(name));
    let bytes = secret.and_then(|secret| match encrypt.key_encode.as_str() {
        "hex" => Encoding::Hex.decode(secret.expose_text()?),
        "base64" => STANDARD.decode(secret.expose()).ok(),
        _ => Some(secret.expose().to_vec()),
    });
    let bytes = bytes.map(Zeroizing::new).and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes.map(Zeroizing::new).ok_or_else(|| unusable(word))
}

fn unusable(word: &str) -> Error {
    Error::Key { credential: word.to_owned(), reason: "not 16 bytes, written as `key_encode` says" }
}
