//! A channel: one standard spoken to one platform.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::Semaphore;

use super::credentials::Credentials;
use super::error::{Error, Failure};
use super::settings::Settings;
use super::token::Token;
use super::transport::{Answer, Bounds, Request, Transport, header};
use crate::clock::Clock;
use crate::delivery::{DigestSha256, Outcome};
use crate::signing::{self, Algorithm, Encoding, Key};
use crate::standard::{
    AttemptFacts, Drift, HttpAnswer, Message, Operation, PageReading, Parameter, Reading, Standard,
    fill_template, retry_after, word,
};
use crate::wire::{Compression, Limits, Media, Payload, read};

const REPLY_BYTES: u64 = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);
const IN_FLIGHT: u32 = 4;
const TOLERANCE: Duration = Duration::from_secs(300);

/// One sending of something durable.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// The standard's operation.
    pub operation: &'a str,
    /// The payload as it was stored.
    pub payload: &'a Payload,
    /// Headers, query and path values that were built with it.
    pub parameters: &'a [Parameter],
    /// The batch it is, in text.
    pub batch: &'a str,
    /// The ledger's number of the attempt, committed before this is called (invariant 1).
    pub attempt: u64,
}

/// What became of one exchange.
#[derive(Clone, Eq, PartialEq)]
pub struct Reply {
    /// What the standard makes of it, or of its absence.
    pub reading: Reading,
    /// The HTTP status, when a reply came; 200 for a database that answered.
    pub status: Option<u16>,
    /// SHA-256 of the body that went out; `None` when nothing did.
    pub sent: Option<DigestSha256>,
    /// The reply's body as said, to be stored before it is judged. Holds content.
    pub said: Vec<u8>,
    /// How far the province's clock is ahead of ours, when the reply tells its time.
    pub clock_ahead: Option<SignedDuration>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reply")
            .field("status", &self.status)
            .field("code", &self.reading.code)
            .field("said_bytes", &self.said.len())
            .finish_non_exhaustive()
    }
}

impl Reply {
    /// Nothing came back, or nothing went out.
    fn without_answer(outcome: Outcome, code: &str, sent: Option<DigestSha256>) -> Self {
        let reading = Reading {
            outcome,
            code: code.to_owned(),
            message: None,
            absent: false,
            upper_id: None,
            state: None,
            receipt: None,
            verdicts: Vec::new(),
            inventory: Vec::new(),
            page: PageReading::default(),
            drift: Vec::new(),
        };
        Self { reading, status: None, sent, said: Vec::new(), clock_ahead: None }
    }

    /// Something came back that is no message, such as a database's word.
    pub(super) fn answered(outcome: Outcome, code: &str, sent: Option<DigestSha256>) -> Self {
        Self { status: Some(200), ..Self::without_answer(outcome, code, sent) }
    }

    pub(super) fn failed(failure: &Failure, sent: Option<DigestSha256>) -> Self {
        let code = failure.code().to_owned();
        let (outcome, sent) = match failure {
            Failure::NotSent { .. } => (Outcome::Retry { code, after: None }, None),
            Failure::Unclear { .. } => (Outcome::Unknown { code }, sent),
            // The same again would be as incomplete: the operation is held.
            Failure::Incomplete { .. } => (Outcome::Auth { code }, None),
        };
        Self::without_answer(outcome, failure.code(), sent)
    }
}

/// What a reload replaces.
#[derive(Debug)]
struct Open {
    transport: Transport,
    credentials: Credentials,
}

/// A channel's client. Shared by reference; holds at most `in_flight` requests at once.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    base: Url,
    standard: Arc<Standard>,
    clock: Clock,
    bounds: Bounds,
    open: ArcSwap<Open>,
    in_flight: usize,
    permits: Semaphore,
    pub(super) token: Mutex<Option<Token>>,
}

impl Client {
    /// Opens nothing yet: reads certificates, keys and credentials, and checks that the standard
    /// asks for nothing that is not there.
    pub fn new(settings: Settings, standard: Arc<Standard>, clock: Clock) -> Result<Self, Error> {
        let wrong = |reason| Error::Setting { setting: "url", reason };
        let base = Url::parse(&settings.url).map_err(|_url| wrong("not an address"))?;
        if !matches!(base.scheme(), "https" | "http") || base.host().is_none() {
            return Err(wrong("not the address of an HTTP server"));
        }
        if base.query().is_some() || base.fragment().is_some() || !base.username().is_empty() {
            return Err(wrong("has more than a host and a path"));
        }
        let said = standard.settings();
        let reply_bytes = settings.max_reply_bytes.or(said.limits.reply).unwrap_or(REPLY_BYTES);
        let bounds = Bounds {
            timeout: settings.timeout.or(said.http.timeout).unwrap_or(TIMEOUT),
            reply_bytes: usize::try_from(reply_bytes).unwrap_or(usize::MAX),
        };
        let in_flight = settings.in_flight.map(u32::from).or(said.limits.in_flight);
        let permits = usize::try_from(in_flight.unwrap_or(IN_FLIGHT).clamp(1, 256)).unwrap_or(1);
        let open = Self::read_files(&settings, &standard, bounds)?;
        Ok(Self {
            base,
            clock,
            bounds,
            open: ArcSwap::from_pointee(open),
            in_flight: permits,
            permits: Semaphore::new(permits),
            token: Mutex::new(None),
            settings,
            standard,
        })
    }

    /// Reads certificates, keys and credentials again; on an error the old ones stay.
    pub fn reload(&self) -> Result<(), Error> {
        let open = Self::read_files(&self.settings, &self.standard, self.bounds)?;
        self.open.store(Arc::new(open));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn read_files(settings: &Settings, standard: &Standard, bounds: Bounds) -> Result<Open, Error> {
        let credentials = Credentials::read(&settings.credentials)?;
        check_support(standard)?;
        let missing: Vec<String> = wanted_credentials(standard)
            .into_iter()
            .filter(|name| credentials.get(name).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(Error::Credentials { missing });
        }
        Ok(Open { transport: Transport::new(settings, bounds)?, credentials })
    }

    /// How many requests may be under way at once.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The standard spoken here.
    pub fn standard(&self) -> &Arc<Standard> {
        &self.standard
    }

    /// Whether the province's clock is further from ours than signatures allow.
    pub fn is_clock_off(&self, reply: &Reply) -> bool {
        let said = self.standard.settings().sign.as_ref().and_then(|sign| sign.tolerance);
        let tolerance = self.settings.clock_tolerance.or(said).unwrap_or(TOLERANCE);
        reply.clock_ahead.is_some_and(|ahead| ahead.unsigned_abs() > tolerance)
    }

    /// Sends what is durable, once. Not cancel-safe: dropped, nobody knows whether it arrived.
    pub async fn place(&self, placement: Placement<'_>) -> Reply {
        let Some(operation) = self.standard.operation(placement.operation) else {
            let code = "no-such-operation";
            let outcome = Outcome::Unlisted { code: code.to_owned() };
            return Reply::without_answer(outcome, code, None);
        };
        let Ok(_permit) = self.permits.acquire().await else {
            let failure = Failure::NotSent { code: "channel-closed" };
            return Reply::failed(&failure, None);
        };
        let reply = self.once(operation, &placement).await;
        let is_stale = matches!(reply.reading.outcome, Outcome::Auth { .. })
            && reply.status.is_some()
            && self.forget_token();
        if is_stale { self.once(operation, &placement).await } else { reply }
    }

    /// Asks: receipts, verdicts, inventories, states. Nothing above changes by it, so that it may
    /// be asked again at any time. Cancel-safe for that reason.
    pub async fn collect(&self, operation: &str, message: &Message, batch: &str) -> Reply {
        let (payload, parameters) = (&message.payload, message.parameters.as_slice());
        self.place(Placement { operation, payload, parameters, batch, attempt: 0 }).await
    }

    async fn once(&self, operation: &Operation, placement: &Placement<'_>) -> Reply {
        let open = self.open.load_full();
        let token = match self.token(&open.transport, &open.credentials).await {
            Ok(token) => token,
            Err(failure) => return Reply::failed(&failure, None),
        };
        let token = token.as_ref().and_then(|token| token.expose_text());
        let made = self.request(operation, placement, &open.credentials, token);
        let request = match made {
            Ok(request) => request,
            Err(failure) => return Reply::failed(&failure, None),
        };
        let sent = DigestSha256::of(&request.body);
        match open.transport.exchange(request).await {
            Ok(answer) => self.judge(operation, answer, sent),
            Err(failure) => Reply::failed(&failure, Some(sent)),
        }
    }

    fn judge(&self, operation: &Operation, answer: Answer, sent: DigestSha256) -> Reply {
        let after = answer.retry_after.as_deref().and_then(retry_after);
        let http =
            HttpAnswer { status: answer.status, retry_after: after, headers: &answer.headers };
        let document = self.document(&answer);
        let mut reading = self.standard.read_reply(&operation.name, &http, document.as_ref());
        // Said in HTTP's own words (RFC 6585 §4, RFC 9110 §15.6.4), whatever the standard lists.
        let is_later = answer.status == 429 || (answer.status == 503 && after.is_some());
        if is_later && let Outcome::Unlisted { code } = &reading.outcome {
            let unlisted = Drift::UnlistedCode(code.clone());
            reading.outcome = Outcome::Retry { code: code.clone(), after };
            reading.drift.retain(|drift| *drift != unlisted);
        }
        let date = answer
            .date
            .as_deref()
            .and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        Reply {
            reading,
            status: Some(answer.status),
            sent: Some(sent),
            clock_ahead: date.map(|date: Timestamp| date.duration_since(self.clock.now())),
            said: answer.body,
        }
    }

    pub(super) fn document(&self, answer: &Answer) -> Option<crate::wire::Document> {
        let of_type = answer.headers.iter().find(|(name, _)| name == "content-type");
        let media = of_type.and_then(|(_, value)| Media::of_content_type(value));
        let limits = Limits { bytes: self.bounds.reply_bytes, ..Limits::default() };
        read(media.unwrap_or(self.standard.media()), &answer.body, &limits).ok()
    }

    /// The facts of an attempt to fetch a token.
    pub(super) fn token_facts<'a>(&'a self, nonce: &'a str, path: &'a str) -> AttemptFacts<'a> {
        AttemptFacts {
            id: nonce,
            number: 0,
            time: self.clock.now(),
            nonce,
            batch: "",
            operation: "token",
            method: "POST",
            path,
            body: b"",
            body_sha256: "",
            token: None,
            signature: None,
            document: None,
            zone: &self.standard.settings().zone,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The platform's address with `path` behind it.
    pub(super) fn url(&self, path: &str) -> Result<Url, Failure> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|_url| incomplete("address", path))
    }

    fn request(
        &self,
        operation: &Operation,
        placement: &Placement<'_>,
        credentials: &Credentials,
        token: Option<&str>,
    ) -> Result<Request, Failure> {
        let settings = self.standard.settings();
        let credential = |name: &str| Some(credentials.get(name)?.expose_text()?.to_owned());
        let nonce = nonce();
        let id = match placement.attempt {
            0 => nonce.clone(),
            number => format!("{}-{number}", placement.batch),
        };
        let mut facts = AttemptFacts {
            id: &id,
            number: placement.attempt,
            time: self.clock.now(),
            nonce: &nonce,
            batch: placement.batch,
            operation: &operation.name,
            method: &operation.method,
            path: "",
            body: b"",
            body_sha256: "",
            token,
            signature: None,
            document: None,
            zone: &settings.zone,
        };
        let slot = |name: &str| word(name, &facts, &credential);
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
        // Batches are large and several are in flight: one copy of a body at a time.
        let body = match operation.compress {
            Compression::None => plain,
            way @ (Compression::Gzip | Compression::Zstd) => {
                let body = way.compress(&plain);
                drop(plain);
                body
            }
        };
        let mut url = self.url(&path)?;
        let (digest, sent_path) = (DigestSha256::of(&body).to_string(), url.path().to_owned());
        (facts.body, facts.body_sha256, facts.path) = (&body, &digest, &sent_path);
        self.content_headers(operation, !body.is_empty(), &mut headers);
        let carried = settings.auth.iter().flat_map(|auth| &auth.headers);
        for (name, template) in settings.http.headers.iter().chain(carried) {
            let value = fill_template(template, &facts, &credential)
                .map_err(|word| incomplete("header", &word))?;
            add(&mut headers, name, &value)?;
        }
        if let Some((place, name, signature)) = self.signature(&facts, credentials)? {
            match place {
                "header" => add(&mut headers, name, &signature)?,
                _ => query.push((name.to_owned(), signature)),
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let method = Method::from_bytes(operation.method.as_bytes())
            .map_err(|_method| incomplete("method", &operation.method))?;
        Ok(Request { method, url, headers, body })
    }

    fn content_headers(&self, operation: &Operation, has_body: bool, headers: &mut HeaderMap) {
        let media = &self.standard.settings().http.media;
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

    /// Where the signature goes, under which name, and the signature.
    fn signature(
        &self,
        facts: &AttemptFacts<'_>,
        credentials: &Credentials,
    ) -> Result<Option<(&str, &str, String)>, Failure> {
        let Some(sign) = &self.standard.settings().sign else { return Ok(None) };
        let credential = |name: &str| Some(credentials.get(name)?.expose_text()?.to_owned());
        let texts = sign
            .over
            .iter()
            .map(|template| fill_template(template, facts, &credential))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|word| incomplete("signature", &word))?;
        let wrong = |what: &str| incomplete("signature", what);
        let algorithm = Algorithm::parse(&sign.algorithm).ok_or_else(|| wrong(&sign.algorithm))?;
        let encoding = Encoding::parse(&sign.encode).ok_or_else(|| wrong(&sign.encode))?;
        let (place, name) = sign.into.split_once(':').ok_or_else(|| wrong(&sign.into))?;
        let name_of_key = sign.key.strip_prefix("credential.").unwrap_or(&sign.key);
        let key = credentials.get(name_of_key).map_or(Key::None, Key::Shared);
        let signature = signing::sign(algorithm, key, [texts.join(&sign.join).as_bytes()])
            .map_err(|_cause| wrong("key"))?;
        Ok(Some((place, name, encoding.encode(&signature))))
    }
}

/// A request that cannot be completed; `what` names a place and a word, never a value.
pub(super) fn incomplete(place: &str, what: &str) -> Failure {
    Failure::Incomplete { code: format!("incomplete-{place}: {what}") }
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

/// 128 random bits, never used twice.
pub(super) fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system's random numbers do not run out");
    Encoding::Hex.encode(&bytes)
}

fn check_support(standard: &Standard) -> Result<(), Error> {
    let settings = standard.settings();
    let unsupported = |what: String| Err(Error::Unsupported { what });
    if let Some(auth) = &settings.auth
        && auth.kind != "oauth-client-credentials"
    {
        return unsupported(format!("authentication by `{}`", auth.kind));
    }
    if let Some(sign) = &settings.sign
        && Algorithm::parse(&sign.algorithm).is_none()
    {
        return unsupported(format!("signatures by `{}`", sign.algorithm));
    }
    if settings.http.media == "tables" {
        return unsupported("tables instead of HTTP".to_owned());
    }
    match standard.operations().iter().find(|operation| operation.body == "multipart") {
        Some(operation) => unsupported(format!("a multipart body in `{}`", operation.name)),
        None => Ok(()),
    }
}

/// The credentials that the standard's tables and templates name.
fn wanted_credentials(standard: &Standard) -> BTreeSet<String> {
    let settings = standard.settings();
    let mut wanted = BTreeSet::new();
    if let Some(sign) = &settings.sign
        && Algorithm::parse(&sign.algorithm).is_some_and(Algorithm::needs_key)
    {
        wanted.insert(sign.key.strip_prefix("credential.").unwrap_or(&sign.key).to_owned());
    }
    let auth =
        settings.auth.iter().flat_map(|auth| auth.form.values().chain(auth.headers.values()));
    let over = settings.sign.iter().flat_map(|sign| &sign.over);
    for template in settings.http.headers.values().chain(auth).chain(over) {
        let words = template.split("{credential.").skip(1);
        let names = words.filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
        wanted.extend(names.map(|name| name.trim().to_owned()));
    }
    let rows = standard.tables().messages.values().flatten();
    wanted.extend(rows.filter_map(|row| Some(row.value.strip_prefix("credential.")?.to_owned())));
    wanted
}
