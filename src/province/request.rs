//! What goes out: slots filled, signed, hidden and compressed, in the order that the standard's
//! page gives (`config/standards/README.md`, "Who sends, and what others may read").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use zeroize::Zeroizing;

use super::client::{Client, Open, Placement, incomplete, nonce};
use super::error::Failure;
use super::transport::{Request, header};
use crate::delivery::DigestSha256;
use crate::signing::{self, Algorithm, Encoding, Form, Key, Secret};
use crate::standard::settings::{Auth, Sign};
use crate::standard::{AttemptFacts, Covered, Operation, covered, fill_template, word};
use crate::wire::{Compression, Document, HIDDEN, Limits, Payload, read};

/// When a request is made, and what makes it this one.
pub(super) struct Moment {
    time: jiff::Timestamp,
    nonce: String,
    id: String,
}

impl Moment {
    pub(super) fn of(client: &Client, placement: &Placement<'_>) -> Self {
        let nonce = nonce();
        let id = match placement.attempt {
            0 => nonce.clone(),
            number => format!("{}-{number}", placement.batch),
        };
        Self { time: client.now(), nonce, id }
    }
}

/// Where a request's secrets come from: the channel's files, or words that stand for them where
/// people look on.
#[derive(Clone, Copy)]
enum Secrets<'a> {
    Open(&'a Open),
    Shown,
}

impl Secrets<'_> {
    fn credential(self, name: &str) -> Option<String> {
        match self {
            Self::Open(open) => open.credential(name),
            Self::Shown => Some(format!("[credential.{name}]")),
        }
    }

    /// A text of the message that the standard encrypts.
    fn hidden(self, text: &str) -> Option<String> {
        match self {
            Self::Open(open) => Some(open.sealer.as_ref()?.seal_text(text)),
            Self::Shown => Some("[encrypted]".to_owned()),
        }
    }
}

/// What a message says outside its body, and the body before anybody hides it.
struct Parts {
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    plain: Vec<u8>,
}

impl Client {
    /// The request of one attempt. Asks a signer outside the process where the channel names one;
    /// cancel-safe, for nothing was sent.
    pub(super) async fn request(
        &self,
        operation: &Operation,
        placement: &Placement<'_>,
        (moment, open): (&Moment, &Open),
        token: Option<&Secret>,
    ) -> Result<Request, Failure> {
        let settings = self.standard().settings();
        let secrets = Secrets::Open(open);
        let mut facts = self.facts(operation, placement, moment);
        facts.token = token.and_then(Secret::expose_text);
        let inside = settings.sign.as_ref().filter(|sign| sign.into == "body");
        // Signed is the body in which the signature is empty.
        facts.signature = inside.map(|_| "");
        let mut parts = self.parts(operation, placement, &facts, secrets)?;
        let document = self.fields(&parts.plain, settings.sign.as_ref())?;
        let namespaces = self.standard().namespaces();
        facts.document = document.as_ref().map(|document| (document, namespaces));
        let signed;
        if let Some(sign) = inside {
            let (url, digest) =
                (self.url(&parts.path)?, DigestSha256::of(&parts.plain).to_string());
            let own = AttemptFacts {
                body: &parts.plain,
                body_sha256: &digest,
                path: url.path(),
                ..facts
            };
            signed = self.signature(sign, &sign.key, &own, open, token).await?;
            facts.signature = Some(&signed);
            parts = self.parts(operation, placement, &facts, secrets)?;
        }
        let Parts { path, mut query, mut headers, plain } = parts;
        let body = sent_form(operation, open, plain);
        let mut url = self.url(&path)?;
        let digest = DigestSha256::of(&body);
        let (shown_digest, sent_path) = (digest.to_string(), url.path().to_owned());
        (facts.body, facts.body_sha256, facts.path) = (&body, &shown_digest, &sent_path);
        self.content_headers(operation, !body.is_empty(), &mut headers);
        self.own_headers(&facts, secrets, &mut headers)?;
        if let Some(sign) = settings.sign.as_ref().filter(|sign| sign.into != "body") {
            let signature = self.signature(sign, &sign.key, &facts, open, token).await?;
            match sign.into.split_once(':') {
                Some(("header", name)) => add(&mut headers, name, &signature)?,
                Some((_, name)) => query.push((name.to_owned(), signature)),
                None => return Err(incomplete("signature", &sign.into)),
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let method = Method::from_bytes(operation.method.as_bytes())
            .map_err(|_method| incomplete("method", &operation.method))?;
        Ok(Request { method, url, headers, body, digest })
    }

    /// The request as people may see it: words stand for credentials, token and signature. Made
    /// from the same message at the same moment, so that no secret was ever in it. `sent` is the
    /// digest of the body that goes out.
    pub(super) fn shown(
        &self,
        operation: &Operation,
        placement: &Placement<'_>,
        moment: &Moment,
        sent: &DigestSha256,
    ) -> Result<Request, Failure> {
        let sign = self.standard().settings().sign.as_ref();
        let mut facts = self.facts(operation, placement, moment);
        (facts.token, facts.signature) = (Some("[token]"), Some("[signature]"));
        let Parts { path, mut query, mut headers, plain } =
            self.parts(operation, placement, &facts, Secrets::Shown)?;
        let mut url = self.url(&path)?;
        let (digest, sent_path) = (sent.to_string(), url.path().to_owned());
        (facts.body, facts.body_sha256, facts.path) = (&plain, &digest, &sent_path);
        self.content_headers(operation, !plain.is_empty(), &mut headers);
        self.own_headers(&facts, Secrets::Shown, &mut headers)?;
        match sign.and_then(|sign| sign.into.split_once(':')) {
            Some(("header", name)) => add(&mut headers, name, "[signature]")?,
            Some((_, name)) => query.push((name.to_owned(), "[signature]".to_owned())),
            None => {}
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let method = Method::from_bytes(operation.method.as_bytes())
            .map_err(|_method| incomplete("method", &operation.method))?;
        Ok(Request { method, url, headers, body: plain, digest: *sent })
    }

    /// What a request is made of, before its body is.
    fn facts<'a>(
        &'a self,
        operation: &'a Operation,
        placement: &Placement<'a>,
        moment: &'a Moment,
    ) -> AttemptFacts<'a> {
        AttemptFacts {
            id: &moment.id,
            number: placement.attempt,
            time: moment.time,
            nonce: &moment.nonce,
            batch: placement.batch,
            operation: &operation.name,
            method: &operation.method,
            path: "",
            body: b"",
            body_sha256: "",
            token: None,
            signature: None,
            document: None,
            zone: &self.standard().settings().zone,
        }
    }

    /// Fills every slot of the message.
    fn parts(
        &self,
        operation: &Operation,
        placement: &Placement<'_>,
        facts: &AttemptFacts<'_>,
        secrets: Secrets<'_>,
    ) -> Result<Parts, Failure> {
        let credential = |name: &str| secrets.credential(name);
        let slot = |name: &str| match name.strip_prefix(HIDDEN) {
            Some(text) => secrets.hidden(text),
            None => word(name, facts, &credential),
        };
        let fill = |payload: &Payload| {
            payload.fill(slot).map_err(|cause| incomplete("message", &cause.to_string()))
        };
        let text = |payload: &Payload| {
            String::from_utf8(fill(payload)?).map_err(|_utf8| incomplete("parameter", "not text"))
        };
        let mut path = operation.path.clone();
        let (mut query, mut headers) = (Vec::new(), HeaderMap::new());
        for parameter in placement.parameters {
            let value = text(&parameter.value)?;
            match parameter.place {
                "query" => query.push((parameter.name.clone(), value)),
                "header" => add(&mut headers, &parameter.name, &value)?,
                _ => path = path.replace(&format!("{{{}}}", parameter.name), &percent(&value)),
            }
        }
        let plain = if operation.body == "none" { Vec::new() } else { fill(placement.payload)? };
        Ok(Parts { path, query, headers, plain })
    }

    /// The body read back, where single fields of it are signed.
    fn fields(&self, plain: &[u8], sign: Option<&Sign>) -> Result<Option<Document>, Failure> {
        let is_asked = sign.is_some_and(|sign| sign.over.iter().any(|it| it.contains("{field ")));
        if !is_asked || plain.is_empty() {
            return Ok(None);
        }
        let limits = Limits { bytes: plain.len(), ..Limits::default() };
        read(self.standard().media(), plain, &limits)
            .map(Some)
            .map_err(|_cause| incomplete("signature", "the body cannot be read back"))
    }

    fn content_headers(&self, operation: &Operation, has_body: bool, headers: &mut HeaderMap) {
        let media = &self.standard().settings().http.media;
        if let Ok(value) = HeaderValue::from_str(media) {
            headers.insert(ACCEPT, value);
        }
        if !has_body {
            return;
        }
        let kind = match operation.body.as_str() {
            "form" => "application/x-www-form-urlencoded".to_owned(),
            "raw" => "application/octet-stream".to_owned(),
            _ => format!("{media}; charset=utf-8"),
        };
        if let Ok(value) = HeaderValue::from_str(&kind) {
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(encoding) = operation.compress.content_encoding() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }

    /// The headers that `[http]` and `[auth]` name.
    fn own_headers(
        &self,
        facts: &AttemptFacts<'_>,
        secrets: Secrets<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), Failure> {
        let settings = self.standard().settings();
        let credential = |name: &str| secrets.credential(name);
        let carried = settings.auth.iter().flat_map(|auth| &auth.headers);
        for (name, template) in settings.http.headers.iter().chain(carried) {
            let value = fill_template(template, facts, &credential)
                .map_err(|word| incomplete("header", &word))?;
            add(headers, name, &value)?;
        }
        if let Some(auth) = settings.auth.as_ref().filter(|auth| auth.kind == "basic") {
            headers.insert(AUTHORIZATION, basic(auth, secrets)?);
        }
        Ok(())
    }

    /// The signature of `sign` under `key` (`credential.NAME` or `token`), written as the standard
    /// wants it.
    pub(super) async fn signature(
        &self,
        sign: &Sign,
        key: &str,
        facts: &AttemptFacts<'_>,
        open: &Open,
        token: Option<&Secret>,
    ) -> Result<String, Failure> {
        let credential = |name: &str| open.credential(name);
        let templates = sign
            .over
            .iter()
            .map(|template| covered(template, facts, &credential))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|word| incomplete("signature", &word))?;
        let join = || vec![Covered::Text(sign.join.clone())];
        let parts: Vec<Part<'_>> = templates
            .into_iter()
            .enumerate()
            .flat_map(|(at, template)| {
                let before = if at == 0 { Vec::new() } else { join() };
                before.into_iter().chain(template)
            })
            .map(|part| match part {
                Covered::Body => Part::Body(facts.body),
                Covered::Text(text) => Part::Text(Zeroizing::new(text)),
            })
            .collect();
        let wrong = |what: &str| incomplete("signature", what);
        let algorithm = Algorithm::parse(&sign.algorithm).ok_or_else(|| wrong(&sign.algorithm))?;
        let encoding = Encoding::parse(&sign.encode).ok_or_else(|| wrong(&sign.encode))?;
        let form = Form::parse(&sign.form).unwrap_or_default();
        let name = key.strip_prefix("credential.").unwrap_or_default();
        if let Some(signer) = open.signers.get(name) {
            let text: Vec<&[u8]> = parts.iter().map(Part::bytes).collect();
            let answer = signer.sign(&Zeroizing::new(text.concat())).await?;
            let usable = usable(algorithm, form, answer);
            let bytes = usable.ok_or(Failure::NotSent { code: "signer-answer-unusable" })?;
            return Ok(encoding.encode(&bytes));
        }
        let secret = if key == "token" { token } else { open.credentials.get(name) };
        let signature = signing::sign(
            algorithm,
            secret.map_or(Key::None, |secret| key_of(sign, algorithm, form, secret)),
            parts.iter().map(Part::bytes),
        );
        signature.map(|bytes| encoding.encode(&bytes)).map_err(|_cause| wrong("key"))
    }
}

/// A part of what is signed. A batch's body is looked at where it lies, never copied for it.
enum Part<'f> {
    Body(&'f [u8]),
    Text(Zeroizing<String>),
}

impl Part<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Body(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }
}

/// A secret as the algorithm uses it.
pub(super) fn key_of<'a>(
    sign: &'a Sign,
    algorithm: Algorithm,
    form: Form,
    secret: &'a Secret,
) -> Key<'a> {
    match algorithm {
        Algorithm::Sm2 => Key::Pair { pem: secret, identity: &sign.identity, form },
        Algorithm::Sha256 | Algorithm::Sm3 => Key::None,
        Algorithm::HmacSha256 | Algorithm::HmacSm3 => Key::Shared(secret),
    }
}

/// What a signer outside gave, in the form that the standard wants; `None` when it is no such
/// signature.
fn usable(algorithm: Algorithm, form: Form, answer: Vec<u8>) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Sm2 => form.of_either(&answer),
        Algorithm::Sha256 | Algorithm::Sm3 | Algorithm::HmacSha256 | Algorithm::HmacSm3 => {
            (answer.len() == 32).then_some(answer)
        }
    }
}

/// Hidden, then compressed. Batches are large and several are in flight: one copy at a time.
fn sent_form(operation: &Operation, open: &Open, plain: Vec<u8>) -> Vec<u8> {
    let body = match open.sealer.as_ref().filter(|sealer| sealer.is_over_body()) {
        Some(sealer) if !plain.is_empty() => {
            let body = sealer.seal(&plain);
            drop(plain);
            body
        }
        Some(_) | None => plain,
    };
    match operation.compress {
        Compression::None => body,
        way @ (Compression::Gzip | Compression::Zstd) => {
            let compressed = way.compress(&body);
            drop(body);
            compressed
        }
    }
}

/// RFC 7617.
fn basic(auth: &Auth, secrets: Secrets<'_>) -> Result<HeaderValue, Failure> {
    if matches!(secrets, Secrets::Shown) {
        return Ok(HeaderValue::from_static("Basic [credentials]"));
    }
    let part = |word: &str| {
        let name = word.strip_prefix("credential.").unwrap_or_default();
        secrets.credential(name).ok_or_else(|| incomplete("header", word))
    };
    let pair = Zeroizing::new(format!("{}:{}", part(&auth.user)?, part(&auth.password)?));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value =
        HeaderValue::from_str(&text).map_err(|_value| incomplete("header", "authorization"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    let (name, value) = header(name, value).ok_or_else(|| incomplete("header", name))?;
    headers.insert(name, value);
    Ok(())
}

/// A value in a path (RFC 3986 §2.3: what is not unreserved is escaped).
fn percent(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    value.bytes().map(escape).collect()
}
