//! How the kit proves who it is: tokens and secrets are fetched, requests signed, what must be
//! hidden is hidden.
//!
//! The platform judges with its own use of the ciphers; the kit makes them with [`signing`], so the
//! two are not one piece of code that agrees with itself.
//!
//! [`signing`]: crate::signing

use std::collections::BTreeMap;

use super::super::access::Auth;
use super::super::directory::{Directory, Sign};
use super::super::seal::Encrypt;
use super::super::signature::{Signed, complete, signed_text};
use super::super::tree::{self, Path};
use super::client::{Client, Prepared, filled};
use super::compose::form;
use super::words::{City, time};
use crate::signing::{
    Algorithm, DEFAULT_IDENTITY, Encoding, Form, Key, Secret, SecretCipher, Sm4Key, Sm4Mode, sign,
};

/// What an operation is called where the request for a token is meant.
const TOKEN: &str = "token";

/// The signature over these words; `key` is the key's text.
pub(super) fn signature(
    how: &Sign,
    key: &str,
    words: &BTreeMap<String, String>,
    signed: &Signed<'_>,
) -> Result<String, String> {
    let text = signed_text(how, words, signed)?;
    let algorithm = Algorithm::parse(&how.algorithm).ok_or("the kit cannot sign like this")?;
    let secret = Secret::new(key.as_bytes());
    let key = match algorithm {
        Algorithm::Sha256 | Algorithm::Sm3 => Key::None,
        Algorithm::HmacSha256 | Algorithm::HmacSm3 => Key::Shared(&secret),
        Algorithm::Sm2 => Key::Pair {
            pem: &secret,
            identity: how.identity.as_deref().unwrap_or(DEFAULT_IDENTITY),
            form: how.form.as_deref().and_then(Form::parse).unwrap_or_default(),
        },
    };
    let bytes = sign(algorithm, key, [text.as_slice()]).map_err(|error| error.to_string())?;
    let encoding = how.encode.as_deref().and_then(Encoding::parse).unwrap_or(Encoding::Base64);
    Ok(encoding.encode(&bytes))
}

/// The text of a key that a standard names.
fn named<'c>(word: &str, credentials: &'c BTreeMap<String, String>) -> &'c str {
    let name = word.strip_prefix("credential.").unwrap_or(word);
    credentials.get(name).map_or("", String::as_str)
}

/// Hides a text or a body as `[encrypt]` says.
pub(super) fn hidden(how: &Encrypt, plain: &[u8], city: &City) -> Result<Vec<u8>, String> {
    let bytes = |word: &str| {
        let text = named(word, &city.credentials);
        match how.key_encode.as_deref().unwrap_or("hex") {
            "hex" => Encoding::Hex.decode(text),
            "base64" => Encoding::Base64.decode(text),
            _ => Some(text.as_bytes().to_vec()),
        }
    };
    let key = bytes(&how.key).and_then(|key| Sm4Key::new(&key)).ok_or("the key is none of SM4")?;
    let mut before = Vec::new();
    let mode = match (how.algorithm.as_str(), how.iv.as_str()) {
        ("sm4-ecb", _) => Sm4Mode::Ecb,
        (_, "prefix") => {
            let mut vector = [0; 16];
            vector.iter_mut().zip(city.nonce.bytes().rev()).for_each(|(to, from)| *to = from);
            before.extend(vector);
            Sm4Mode::Cbc(vector)
        }
        (_, word) => {
            let vector = bytes(word).and_then(|it| it.try_into().ok());
            Sm4Mode::Cbc(vector.ok_or("the vector is none of SM4")?)
        }
    };
    before.extend(key.encrypt(mode, plain));
    Ok(match how.encode.as_deref().unwrap_or("base64") {
        "raw" => before,
        word => {
            let encoding = Encoding::parse(word).ok_or("an unknown encoding")?;
            encoding.encode(&before).into_bytes()
        }
    })
}

impl Client {
    /// The signature of a request; `None` where the standard has none.
    pub(super) fn proof(
        &self,
        directory: &Directory,
        city: &City,
        words: &BTreeMap<String, String>,
        (sent, body): (&Prepared, &[u8]),
    ) -> Result<Option<String>, String> {
        let Some(how) = &directory.sign else { return Ok(None) };
        let operation = words.get("request.operation").map(String::as_str).unwrap_or_default();
        let mut words = words.clone();
        complete(&mut words, &city.credentials, operation);
        let document = tree::read(directory.media, &sent.plain).unwrap_or_default();
        let signed = Signed {
            method: &sent.method,
            path: &sent.path,
            operation,
            body,
            fields: Some((&document, &directory.spaces, directory.media)),
        };
        let key = match how.key.as_str() {
            "token" => self.token.as_deref().unwrap_or_default(),
            word => named(word, &city.credentials),
        };
        signature(how, key, &words, &signed).map(Some)
    }

    /// Headers of `[auth]`, and those that are a secret by themselves.
    pub(super) fn admission(
        &self,
        directory: &Directory,
        city: &City,
    ) -> Result<Vec<(String, String)>, String> {
        let Some(auth) = &directory.auth else { return Ok(Vec::new()) };
        if auth.kind == "basic" {
            let pair = [&auth.user, &auth.password].map(|word| named(word, &city.credentials));
            let pair = Encoding::Base64.encode(pair.join(":").as_bytes());
            return Ok(vec![("Authorization".to_owned(), format!("Basic {pair}"))]);
        }
        let token = self.token.clone().unwrap_or_default();
        let words = BTreeMap::from([(TOKEN.to_owned(), token)]);
        let headers = auth.headers.iter();
        headers.map(|(name, template)| Ok((name.clone(), filled(template, &words)?))).collect()
    }

    /// Fetches the token or secret that operations need.
    pub(super) async fn admit(&mut self, directory: &Directory, city: &City) -> Result<(), String> {
        let Some(auth) = directory.auth.as_ref().filter(|auth| auth.kind != "basic") else {
            return Ok(());
        };
        let request = request(directory, auth, city)?;
        let (status, _, body) = self.exchange(&request).await?;
        let refused = || format!("the request for a token is answered with HTTP {status}");
        if !(200..300).contains(&status) {
            return Err(refused());
        }
        let document = tree::read(directory.media, &body)?;
        let path = Path::parse(directory.media, &auth.token);
        let told = path.texts(&document, &directory.spaces);
        let told = told.first().filter(|text| !text.is_empty()).ok_or_else(refused)?;
        self.token = Some(match SecretCipher::parse(&auth.decrypt) {
            None => (*told).to_owned(),
            Some(cipher) => {
                let key = Secret::new(named(&auth.key, &city.credentials).as_bytes());
                let opened = cipher.open(&key, told).ok_or("the secret cannot be opened")?;
                opened.expose_text().ok_or("the secret is not text")?.to_owned()
            }
        });
        Ok(())
    }
}

/// The request for a token.
fn request(directory: &Directory, auth: &Auth, city: &City) -> Result<Prepared, String> {
    let mut words: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in &city.credentials {
        words.insert(format!("credential.{name}"), text.clone());
    }
    complete(&mut words, &city.credentials, TOKEN);
    let over = directory.sign.iter().flat_map(|how| how.over.iter());
    for template in auth.form.values().chain(auth.request.values()).chain(over) {
        for name in super::client::names(template) {
            if let Some(format) = name.strip_prefix("attempt.time") {
                words.insert(name.to_owned(), time(city.now, format.trim(), &city.zone));
            }
        }
    }
    let nonce = [("attempt.nonce", city.nonce.clone()), ("attempt.id", city.nonce.clone())];
    words.extend(nonce.map(|(name, text)| (name.to_owned(), text)));
    if let Some(how) = &directory.sign {
        let signed =
            Signed { method: "POST", path: &auth.path, operation: TOKEN, body: b"", fields: None };
        let key = named(&auth.key, &city.credentials);
        // Only a standard that signs this request says over what.
        if let Ok(text) = signature(how, key, &words, &signed) {
            words.insert("signature".to_owned(), text);
        }
    }
    let fields: BTreeMap<String, String> = auth
        .form
        .iter()
        .map(|(name, template)| Ok((name.clone(), filled(template, &words)?)))
        .collect::<Result<_, String>>()?;
    let (media, body) = match auth.body.as_str() {
        "json" => ("application/json", serde_json::json!(fields).to_string()),
        _ => {
            let pairs: Vec<(String, String)> = fields.into_iter().collect();
            ("application/x-www-form-urlencoded", form(&pairs))
        }
    };
    let mut sent = Prepared {
        method: "POST".to_owned(),
        path: auth.path.clone(),
        body: body.into_bytes(),
        ..Prepared::default()
    };
    for (name, template) in &auth.request {
        sent = sent.header(name, &filled(template, &words)?);
    }
    Ok(sent.header("Content-Type", media))
}
