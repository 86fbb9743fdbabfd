//! What a standard wants fetched before its operations: a token (OAuth 2.0 client credentials), or
//! a secret that signs them and comes encrypted (facts §4.5).

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::client::{Client, Open, incomplete, nonce};
use super::error::Failure;
use super::transport::{Request, header};
use crate::signing::{Secret, SecretCipher};
use crate::standard::settings::Auth;
use crate::standard::{AttemptFacts, fill_template};
use crate::wire::{Document, Path};

const LIFETIME: Duration = Duration::from_secs(600);
/// A tenth of its time before the end a token is renewed, where the standard says nothing.
const RENEW_PART: u32 = 10;

/// A token, and from when on the next is fetched.
#[derive(Clone, Debug)]
pub(super) struct Token {
    text: Secret,
    renew: Timestamp,
}

impl Client {
    /// The token to use now, fetched when there is none; `None` when the standard wants none. One
    /// fetches, the others wait and take what it got. Cancel-safe: nothing above depends on a token
    /// that was never used.
    pub(super) async fn token(&self, open: &Open) -> Result<Option<Secret>, Failure> {
        let auth = self.standard().settings().auth.as_ref();
        let Some(auth) = auth.filter(|auth| auth.kind != "basic") else { return Ok(None) };
        if let Some(text) = self.known_token() {
            return Ok(Some(text));
        }
        let turn = self.fetching.acquire().await;
        let Ok(_turn) = turn else { return Err(Failure::NotSent { code: "channel-closed" }) };
        if let Some(text) = self.known_token() {
            return Ok(Some(text));
        }
        let document = Box::pin(self.fetch(auth, open)).await?;
        let text =
            self.text(&document, &auth.token)?.ok_or_else(|| incomplete("token", "absent"))?;
        let text = match SecretCipher::parse(&auth.decrypt) {
            None => Secret::new(text.as_bytes()),
            Some(cipher) => {
                let name = auth.key.strip_prefix("credential.").unwrap_or_default();
                let key = open.credentials.get(name).ok_or_else(|| incomplete("token", "key"))?;
                cipher.open(key, text).ok_or_else(|| incomplete("token", "cannot be decrypted"))?
            }
        };
        let said = match auth.expires.as_str() {
            "" => None,
            path => self.text(&document, path)?.and_then(seconds),
        };
        let lifetime = said.into_iter().chain(auth.lifetime).min().unwrap_or(LIFETIME);
        let early = auth.renew.unwrap_or(lifetime / RENEW_PART).min(lifetime / 2);
        let renew = self.now().saturating_add(lifetime - early).unwrap_or(Timestamp::MAX);
        let token = Token { text: text.clone(), renew };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(Some(text))
    }

    fn known_token(&self) -> Option<Secret> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|token| token.renew > self.now()).map(|token| token.text.clone())
    }

    /// Forgets the token that was turned away, unless somebody fetched another since.
    pub(super) fn forget_token(&self, used: &Secret) {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|token| token.text == *used) {
            *known = None;
        }
    }

    fn text<'d>(&self, document: &'d Document, path: &str) -> Result<Option<&'d str>, Failure> {
        let path = Path::parse(document.media(), path, self.standard().namespaces())
            .map_err(|_path| incomplete("token", "path"))?;
        Ok(document.text(&path).filter(|text| !text.is_empty()))
    }

    async fn fetch(&self, auth: &Auth, open: &Open) -> Result<Document, Failure> {
        let request = self.token_request(auth, open).await?;
        let answer = match open.transport.exchange(request).await {
            Ok(answer) => answer,
            // Whatever became of this request, what was to be sent was not.
            Err(Failure::NotSent { code } | Failure::Unclear { code }) => {
                return Err(Failure::NotSent { code });
            }
            Err(failure @ Failure::Incomplete { .. }) => return Err(failure),
        };
        match answer.status {
            200..300 => {}
            429 | 500..600 => return Err(Failure::NotSent { code: "token-not-given" }),
            _ => return Err(incomplete("token", "refused")),
        }
        self.document(&answer, &answer.body).ok_or_else(|| incomplete("token", "unreadable"))
    }

    async fn token_request(&self, auth: &Auth, open: &Open) -> Result<Request, Failure> {
        let credential = |name: &str| open.credential(name);
        let mut url = self.url(&auth.path)?;
        let (nonce, path) = (nonce(), url.path().to_owned());
        let mut facts = self.token_facts(&nonce, &path);
        let signature;
        let is_signed =
            auth.form.values().chain(auth.request.values()).any(|it| it.contains("{signature}"));
        if let Some(sign) = self.standard().settings().sign.as_ref().filter(|_| is_signed) {
            signature = self.signature(sign, &auth.key, &facts, open, None).await?;
            facts.signature = Some(&signature);
        }
        let fill = |template: &str| {
            fill_template(template, &facts, &credential).map_err(|word| incomplete("token", &word))
        };
        let mut headers = HeaderMap::new();
        for (name, template) in &auth.request {
            let (name, value) =
                header(name, &fill(template)?).ok_or_else(|| incomplete("token", name))?;
            headers.insert(name, value);
        }
        let mut pairs = Vec::new();
        for (name, template) in &auth.form {
            pairs.push((name.clone(), fill(template)?));
        }
        let (kind, body) = if auth.body == "json" {
            let members = pairs.into_iter().map(|(name, value)| (name, value.into()));
            let object = serde_json::Value::Object(members.collect());
            ("application/json", object.to_string().into_bytes())
        } else {
            // The pairs are escaped as a query and sent as a body: addresses end in logs.
            url.query_pairs_mut().extend_pairs(pairs);
            let body = url.query().unwrap_or_default().as_bytes().to_vec();
            url.set_query(None);
            ("application/x-www-form-urlencoded", body)
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(Request::new(Method::POST, url, headers, body))
    }

    /// The facts of an attempt to fetch a token.
    fn token_facts<'a>(&'a self, nonce: &'a str, path: &'a str) -> AttemptFacts<'a> {
        AttemptFacts {
            id: nonce,
            number: 0,
            time: self.now(),
            nonce,
            batch: "",
            operation: super::needs::TOKEN,
            method: "POST",
            path,
            body: b"",
            body_sha256: "",
            token: None,
            signature: None,
            document: None,
            zone: &self.standard().settings().zone,
        }
    }
}

/// Seconds, as a number or a text; `None` for what is none.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}
