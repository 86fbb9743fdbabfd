//! Who speaks, when, and whether for the first time: what a request shows, read by the standard's own
//! templates, and the signature that goes over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::request::Request;
use crate::province::Credentials;
use crate::signing::{self, Algorithm, Encoding, Form, Key, Secret};
use crate::standard::settings::Sign;
use crate::standard::{AttemptFacts, Covered, Operation, Said, Standard, covered, read_time};
use crate::wire::Document;

/// How far clocks may be apart where the standard says nothing.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Numbers used once that are remembered of a county.
const MOST_NONCES: usize = 100_000;

/// Why a request is not believed. No word of the request is in it.
pub(super) type Doubt = &'static str;

/// Numbers that were used, for as long as their time would be believed.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    used: BTreeSet<String>,
    order: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    /// Takes a number; false when it was used before.
    fn take(&mut self, nonce: &str, now: Timestamp, tolerance: Duration) -> bool {
        let until = now.saturating_sub(tolerance * 2).unwrap_or(Timestamp::MIN);
        while let Some((at, _)) = self.order.front()
            && (*at < until || self.order.len() >= MOST_NONCES)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.used.remove(&old);
            }
        }
        let is_new = self.used.insert(nonce.to_owned());
        if is_new {
            self.order.push_back((now, nonce.to_owned()));
        }
        is_new
    }
}

/// Whom a request claims to be from, by what its headers show before anything is proven: the place
/// in `counties`. Nobody is claimed by a request that shows no credential.
pub(super) fn claimed<'c>(
    standard: &Standard,
    headers: &BTreeMap<String, String>,
    counties: impl Iterator<Item = &'c Credentials>,
) -> Option<usize> {
    let mut shown: Vec<(String, String)> = standard
        .shown(headers)
        .into_iter()
        .filter_map(|(word, text)| Some((word.strip_prefix("credential.")?.to_owned(), text)))
        .filter(|(name, _)| !name.ends_with('*'))
        .collect();
    if let Some((name, (user, _))) = basic(standard, headers) {
        shown.push((name, user));
    }
    if shown.is_empty() {
        return None;
    }
    let is_of = |credentials: &Credentials| {
        shown.iter().all(|(name, text)| is_credential(credentials, name, text))
    };
    // Every county is looked at: how long it takes tells nobody who is known.
    let all: Vec<usize> =
        counties.enumerate().filter(|(_, it)| is_of(it)).map(|(at, _)| at).collect();
    match all.as_slice() {
        [one] => Some(*one),
        [] | [_, ..] => None,
    }
}

fn is_credential(credentials: &Credentials, name: &str, text: &str) -> bool {
    credentials.get(name).is_some_and(|known| *known == Secret::new(text.as_bytes()))
}

/// The credential that names the user of `basic`, and the user and password that are shown.
fn basic(
    standard: &Standard,
    headers: &BTreeMap<String, String>,
) -> Option<(String, (String, String))> {
    let auth = standard.settings().auth.as_ref().filter(|auth| auth.kind == "basic")?;
    let said = headers.get("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(said.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let name = auth.user.strip_prefix("credential.")?.to_owned();
    Some((name, (user.to_owned(), password.to_owned())))
}

/// A request with what it says.
pub(super) struct Case<'a> {
    pub(super) standard: &'a Standard,
    pub(super) operation: &'a Operation,
    pub(super) request: &'a Request,
    pub(super) said: &'a Said,
    pub(super) document: Option<&'a Document>,
    pub(super) now: Timestamp,
}

/// Judges identity, time, signature and number.
pub(super) fn verify(
    case: &Case<'_>,
    credentials: &Credentials,
    nonces: &mut Nonces,
) -> Result<(), Doubt> {
    let standard = case.standard;
    let shown = standard.shown(&case.request.headers);
    for (name, written) in &standard.settings().http.headers {
        // Not every request is about a batch.
        let is_free = !written.contains('{') || written.contains("{batch.id}");
        if !is_free && !case.request.headers.contains_key(&name.to_ascii_lowercase()) {
            return Err("a header is missing");
        }
    }
    for (word, text) in shown.iter().chain(&case.said.words) {
        let Some(name) = word.strip_prefix("credential.") else { continue };
        let name = match name.strip_suffix(".*") {
            Some(start) => format!("{start}.{}", case.operation.name),
            None => name.to_owned(),
        };
        if !is_credential(credentials, &name, text) {
            return Err("credential is not the one that was issued");
        }
    }
    if let Some(auth) = standard.settings().auth.as_ref().filter(|auth| auth.kind == "basic") {
        let said = basic(standard, &case.request.headers).ok_or("user and password are missing")?;
        let password = auth.password.strip_prefix("credential.").unwrap_or_default();
        if !is_credential(credentials, &said.0, &said.1.0)
            || !is_credential(credentials, password, &said.1.1)
        {
            return Err("user or password is not the one that was issued");
        }
    }
    let Some(sign) = &standard.settings().sign else { return Ok(()) };
    let tolerance = sign.tolerance.unwrap_or(TOLERANCE);
    let is_time = |word: &&String| *word == "attempt.time" || word.starts_with("attempt.time ");
    let time = match shown.keys().find(is_time) {
        None if sign.over.iter().any(|it| it.contains("{attempt.time")) => {
            return Err("time is missing");
        }
        None => case.now,
        Some(word) => {
            let pattern = word.strip_prefix("attempt.time").unwrap_or_default().trim();
            let text = shown.get(word).map_or("", String::as_str);
            read_time(text, pattern, &standard.settings().zone).ok_or("time cannot be read")?
        }
    };
    if case.now.duration_since(time).unsigned_abs() > tolerance {
        return Err("clock is too far from ours");
    }
    signature(case, sign, (&shown, time), credentials)?;
    match shown.get("attempt.nonce") {
        Some(nonce) if !nonces.take(nonce, case.now, tolerance) => Err("number was used before"),
        Some(_) | None => Ok(()),
    }
}

fn signature(
    case: &Case<'_>,
    sign: &Sign,
    (shown, time): (&BTreeMap<String, String>, Timestamp),
    credentials: &Credentials,
) -> Result<(), Doubt> {
    let request = case.request;
    let said = match sign.into.split_once(':') {
        Some(("query", name)) => request.query.get(name),
        Some((_, name)) => request.headers.get(&name.to_ascii_lowercase()),
        None => None,
    };
    let said = said.ok_or("signature is missing")?;
    let word = |name: &str| shown.get(name).or_else(|| case.said.words.get(name));
    let text = |name: &str| word(name).map_or("", String::as_str);
    let digest = crate::delivery::DigestSha256::of(&request.body).to_string();
    let facts = AttemptFacts {
        id: text("attempt.id"),
        number: text("attempt.number").parse().unwrap_or_default(),
        time,
        nonce: text("attempt.nonce"),
        batch: text("batch.id"),
        operation: &case.operation.name,
        method: &request.method,
        path: &request.path,
        body: &request.body,
        body_sha256: &digest,
        token: None,
        signature: None,
        document: case.document.map(|document| (document, case.standard.namespaces())),
        zone: &case.standard.settings().zone,
    };
    let own = |name: &str| credentials.get(name).and_then(|it| it.expose_text().map(str::to_owned));
    let mut parts: Vec<Covered> = Vec::new();
    for (at, template) in sign.over.iter().enumerate() {
        if at > 0 {
            parts.push(Covered::Text(sign.join.clone()));
        }
        let more = covered(template, &facts, &own);
        parts.extend(more.map_err(|_word| "a signed word is missing")?);
    }
    let bytes = parts.iter().map(|part| match part {
        Covered::Body => request.body.as_slice(),
        Covered::Text(text) => text.as_bytes(),
    });
    let algorithm = Algorithm::parse(&sign.algorithm).ok_or("algorithm is unknown")?;
    let encoding = Encoding::parse(&sign.encode).ok_or("encoding is unknown")?;
    let said = encoding.decode(said).ok_or("signature is not written as it should be")?;
    let secret = credentials.get(sign.key.strip_prefix("credential.").unwrap_or_default());
    let form = Form::parse(&sign.form).unwrap_or_default();
    let key = match (algorithm, secret) {
        (Algorithm::Sm2, Some(pem)) => Key::Pair { pem, identity: &sign.identity, form },
        (_, Some(secret)) => Key::Shared(secret),
        (_, None) => Key::None,
    };
    if signing::verify(algorithm, key, bytes, &said) { Ok(()) } else { Err("signature is wrong") }
}
