//! Who is let in: tokens and secrets that the platform gives out, and passwords that it knows.
//!
//! What was given out is kept in memory and ends with time, with [`Access::expire`], or when the
//! platform is started again: what a city must live with.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aws_lc_rs::cipher::{AES_128, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use super::desk::{Answer, Request};
use super::directory::{Directory, Operation, Place, Reply};
use super::judge::hex;
use super::reply::{self, Says};
use super::signature::{self, Doubt, Signed};
use super::tree::Path;

/// `[auth]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Auth {
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) form: BTreeMap<String, String>,
    pub(super) request: BTreeMap<String, String>,
    pub(super) key: String,
    pub(super) decrypt: String,
    pub(super) token: String,
    pub(super) expires: String,
    pub(super) lifetime: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) user: String,
    pub(super) password: String,
}

/// What a request for a token is called where an operation's name is meant.
pub(super) const TOKEN: &str = "token";
/// How long a token is good where the standard says nothing.
const LIFETIME: Duration = Duration::from_secs(600);
/// Tokens that are remembered.
const MOST: usize = 1_000;

/// What was given out.
#[derive(Debug, Default)]
pub(super) struct Access {
    issued: VecDeque<(String, Timestamp)>,
    count: u64,
}

impl Access {
    /// Takes back everything that was given out.
    pub(super) fn expire(&mut self) {
        self.issued.clear();
    }

    /// How many tokens were given out since the start.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The tokens and secrets that are good now, the newest first.
    pub(super) fn good(&self, now: Timestamp) -> Vec<&str> {
        let good = self.issued.iter().rev().filter(|(_, ends)| *ends > now);
        good.map(|(text, _)| text.as_str()).collect()
    }

    /// The answer to a request for a token; `None` when it is none.
    pub(super) fn answer(
        &mut self,
        directory: &Directory,
        request: &Request,
        credentials: &BTreeMap<String, String>,
        (seed, now): (u64, Timestamp),
    ) -> Option<Answer> {
        let auth = directory.auth.as_ref().filter(|auth| auth.kind != "basic")?;
        if auth.path != request.path || request.method != "POST" {
            return None;
        }
        if let Err(doubt) = auth.believe(directory, request, credentials, now) {
            return Some(Answer::bare(401, doubt));
        }
        self.count += 1;
        let text = hex(digest(&SHA256, format!("{seed}/{}", self.count).as_bytes()).as_ref());
        let text: String = text.chars().take(32).collect();
        let told = match auth.decrypt.as_str() {
            "" => text.clone(),
            _ => {
                let key = auth.key.strip_prefix("credential.").unwrap_or(&auth.key);
                hidden(credentials.get(key).map_or("", String::as_str), &text)?
            }
        };
        let lifetime = auth.lifetime();
        self.issued.push_back((text, now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)));
        if self.issued.len() > MOST {
            self.issued.pop_front();
        }
        Some(auth.written(directory, &told, lifetime))
    }

    /// Whether a request carries what lets it in.
    pub(super) fn judge(
        &self,
        directory: &Directory,
        headers: &BTreeMap<String, String>,
        credentials: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Doubt> {
        let Some(auth) = &directory.auth else { return Ok(()) };
        if auth.kind == "basic" {
            let part = |word: &str| {
                let name = word.strip_prefix("credential.").unwrap_or(word);
                credentials.get(name).map_or("", String::as_str)
            };
            let pair = STANDARD.encode(format!("{}:{}", part(&auth.user), part(&auth.password)));
            let is_known = headers.get("authorization").map(String::as_str)
                == Some(format!("Basic {pair}").as_str());
            return if is_known { Ok(()) } else { Err("password is not the one that was issued") };
        }
        for (name, template) in &auth.headers {
            let Some((before, after)) = template.split_once("{token}") else { continue };
            let said = headers.get(&name.to_ascii_lowercase()).ok_or("token is missing")?;
            let token = said.strip_prefix(before).and_then(|text| text.strip_suffix(after));
            let token = token.ok_or("token is not written as it should be")?;
            if !self.good(now).contains(&token) {
                return Err("token is not one that is good now");
            }
        }
        Ok(())
    }
}

impl Auth {
    fn lifetime(&self) -> Duration {
        let said = self.lifetime.as_deref().and_then(|text| text.parse().ok());
        said.and_then(|span: jiff::SignedDuration| Duration::try_from(span).ok())
            .unwrap_or(LIFETIME)
    }

    /// Whether the request says what the standard says it must.
    fn believe(
        &self,
        directory: &Directory,
        request: &Request,
        credentials: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Doubt> {
        let fields = match self.body.as_str() {
            "json" => serde_json::from_slice(&request.body).map_err(|_error| "no JSON of texts")?,
            _ => super::server::query(&String::from_utf8_lossy(&request.body)),
        };
        let mut words = BTreeMap::new();
        let said = self.form.iter().map(|(name, template)| (template, fields.get(name)));
        let headers = self
            .request
            .iter()
            .map(|(name, template)| (template, request.headers.get(&name.to_ascii_lowercase())));
        for (template, said) in said.chain(headers) {
            let said = said.ok_or("a field of the request for a token is missing")?;
            match signature::bind(template, said)? {
                None if template != said => return Err("a fixed text is another one"),
                None => {}
                Some((word, text)) => {
                    words.insert(word, text);
                }
            }
        }
        let signature = words.remove("signature");
        signature::know(&words, credentials, TOKEN)?;
        let Some(sign) = &directory.sign else { return Ok(()) };
        signature::punctual(&words, sign, &directory.zone, now)?;
        let Some(said) = signature else { return Ok(()) };
        signature::complete(&mut words, credentials, TOKEN);
        let signed = Signed {
            method: &request.method,
            path: &request.path,
            operation: TOKEN,
            body: b"",
            fields: None,
        };
        let text = signature::signed_text(sign, &words, &signed)?;
        let key = self.key.strip_prefix("credential.").unwrap_or(&self.key);
        let key = credentials.get(key).ok_or("platform has no such key")?;
        signature::holds(sign, key, &text, &said)
    }

    fn written(&self, directory: &Directory, told: &str, lifetime: Duration) -> Answer {
        let row = |path: &str, meaning: &str| Reply {
            place: Place::Body(Path::parse(directory.media, path)),
            path: path.to_owned(),
            required: true,
            meaning: meaning.to_owned(),
            kind: "text".to_owned(),
            codes: None,
        };
        let mut replies = vec![row(&self.token, "token")];
        if !self.expires.is_empty() {
            replies.push(row(&self.expires, "expires"));
        }
        let mut says = Says::default();
        says.set("token", told);
        // Real platforms write the number as a text (facts §4.2).
        says.set("expires", lifetime.as_secs().to_string());
        let operation = Operation {
            name: TOKEN.to_owned(),
            method: "POST".to_owned(),
            path: self.path.clone(),
            replies,
            ..Operation::default()
        };
        let (body, mut headers) =
            reply::write(&operation, directory.media, &directory.spaces, &says, None);
        headers.push(("content-type".to_owned(), directory.content_type.clone()));
        Answer { status: 200, headers, body, fault: None }
    }
}

/// The secret as it travels (facts §4.5): AES-128 in ECB under SHA-1(SHA-1(key)), Base64.
fn hidden(key: &str, secret: &str) -> Option<String> {
    let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let twice = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
    let key = UnboundCipherKey::new(&AES_128, twice.as_ref().get(..16)?).ok()?;
    let key = PaddedBlockEncryptingKey::ecb_pkcs7(key).ok()?;
    let mut bytes = secret.as_bytes().to_vec();
    key.encrypt(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_as_recorded() {
        // facts §4.5.
        let told = hidden("appkey-123", "real-secret");
        assert_eq!(told.as_deref(), Some("kzckptfoEAYjhRzjRnVIQw=="));
    }
}
