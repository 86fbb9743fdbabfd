//! A token that a standard wants fetched before its operations (OAuth 2.0 client credentials).

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::client::{Client, incomplete, nonce};
use super::credentials::Credentials;
use super::error::Failure;
use super::transport::{Request, Transport};
use crate::signing::Secret;
use crate::standard::fill_template;
use crate::standard::settings::Auth;
use crate::wire::Path;

const LIFETIME: Duration = Duration::from_secs(600);

/// A token and when it ends.
#[derive(Clone, Debug)]
pub(super) struct Token {
    text: Secret,
    ends: Timestamp,
}

impl Client {
    /// The token to use now, fetched when there is none; `None` when the standard wants none.
    /// Cancel-safe: nothing above depends on a token that was never used.
    pub(super) async fn token(
        &self,
        transport: &Transport,
        credentials: &Credentials,
    ) -> Result<Option<Secret>, Failure> {
        let Some(auth) = &self.standard().settings().auth else { return Ok(None) };
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = known.filter(|token| token.ends > self.now()) {
            return Ok(Some(token.text));
        }
        let text = self.fetch(auth, transport, credentials).await?;
        let lifetime = auth.lifetime.unwrap_or(LIFETIME);
        let ends = self.now().saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        let token = Token { text: text.clone(), ends };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(Some(text))
    }

    /// Forgets the token; whether there was one.
    pub(super) fn forget_token(&self) -> bool {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    async fn fetch(
        &self,
        auth: &Auth,
        transport: &Transport,
        credentials: &Credentials,
    ) -> Result<Secret, Failure> {
        let credential = |name: &str| Some(credentials.get(name)?.expose_text()?.to_owned());
        let mut url = self.url(&auth.path)?;
        let (nonce, path) = (nonce(), url.path().to_owned());
        let facts = self.token_facts(&nonce, &path);
        let mut pairs = Vec::new();
        for (name, template) in &auth.form {
            let value = fill_template(template, &facts, &credential)
                .map_err(|word| incomplete("token", &word))?;
            pairs.push((name, value));
        }
        // The pairs are escaped as a query and sent as a body: addresses end in logs.
        url.query_pairs_mut().extend_pairs(pairs);
        let body = url.query().unwrap_or_default().as_bytes().to_vec();
        url.set_query(None);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let request = Request { method: Method::POST, url, headers, body };
        let answer = match transport.exchange(request).await {
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
        let document = self.document(&answer).ok_or_else(|| incomplete("token", "unreadable"))?;
        let path = Path::parse(document.media(), &auth.token, self.standard().namespaces())
            .map_err(|_path| incomplete("token", "path"))?;
        document
            .text(&path)
            .filter(|text| !text.is_empty())
            .map(|text| Secret::new(text.as_bytes()))
            .ok_or_else(|| incomplete("token", "absent"))
    }
}
