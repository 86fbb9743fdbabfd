//! A channel: one standard spoken to one platform.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use tokio::sync::Semaphore;

use super::address;
use super::carry;
use super::credentials::Credentials;
use super::error::{Error, Failure};
use super::ferry::Ferry;
use super::needs;
use super::request::Moment;
use super::seal::Sealer;
use super::settings::Settings;
use super::signer::Signers;
use super::token::Token;
use super::transcript::kept;
use super::transport::{Answer, Bounds, Transport};
use crate::clock::Clock;
use crate::delivery::{DigestSha256, Outcome, Permit};
use crate::signing::{Encoding, Secret};
use crate::standard::{
    Drift, HttpAnswer, Message, Operation, PageReading, Parameter, Reading, Standard, retry_after,
};
use crate::wire::{Limits, Media, Payload, read};

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
    /// The reply as it may be kept, where it is worth keeping: no content, key or secret.
    pub shown: Option<String>,
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
    pub(super) fn without_answer(outcome: Outcome, code: &str, sent: Option<DigestSha256>) -> Self {
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
        Self { reading, status: None, sent, said: Vec::new(), shown: None, clock_ahead: None }
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
pub(super) struct Open {
    pub(super) transport: Transport,
    pub(super) credentials: Credentials,
    pub(super) signers: Signers,
    pub(super) sealer: Option<Sealer>,
}

impl Open {
    /// A credential's text.
    pub(super) fn credential(&self, name: &str) -> Option<String> {
        Some(self.credentials.get(name)?.expose_text()?.to_owned())
    }
}

/// A channel's client. Shared by reference; holds at most `in_flight` requests at once.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    base: Url,
    standard: Arc<Standard>,
    clock: Clock,
    bounds: Bounds,
    pub(super) open: ArcSwap<Open>,
    in_flight: usize,
    permits: Semaphore,
    pub(super) token: Mutex<Option<Token>>,
    /// One fetches a token; the others wait for it.
    pub(super) fetching: Semaphore,
    /// Carries what is said, where nobody can speak across.
    ferry: Option<Arc<Ferry>>,
}

impl Client {
    /// Opens nothing yet: reads certificates, keys and credentials, and checks that the standard
    /// asks for nothing that is not there.
    pub fn new(settings: Settings, standard: Arc<Standard>, clock: Clock) -> Result<Self, Error> {
        let (ferry, base) = match carry::ferry_of(&settings, &clock)? {
            Some((ferry, base)) => (Some(ferry), base),
            None => (None, address::checked(&settings)?),
        };
        let said = standard.settings();
        let is_fetched = said.auth.as_ref().is_some_and(|it| it.kind != "basic");
        if ferry.is_some() && is_fetched {
            let what = "a token, which no ferry can fetch".to_owned();
            return Err(Error::Unsupported { what });
        }
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
            fetching: Semaphore::new(1),
            ferry,
            settings,
            standard,
        })
    }

    /// Reads certificates, keys and credentials again; on an error the old ones stay.
    pub fn reload(&self) -> Result<(), Error> {
        let open = Self::read_files(&self.settings, &self.standard, self.bounds)?;
        if let Some(ferry) = &self.ferry {
            ferry.reload()?;
        }
        self.open.store(Arc::new(open));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn read_files(settings: &Settings, standard: &Standard, bounds: Bounds) -> Result<Open, Error> {
        let credentials = Credentials::read(&settings.credentials)?;
        let signers = Signers::open(&settings.signers)?;
        needs::check(standard, &credentials, &signers)?;
        let encrypt = standard.settings().encrypt.as_ref();
        let sealer = encrypt.map(|encrypt| Sealer::open(encrypt, &credentials)).transpose()?;
        let transport = Transport::new(settings, bounds)?;
        Ok(Open { transport, credentials, signers, sealer })
    }

    /// What carries it, where nobody can speak across.
    pub fn ferry(&self) -> Option<&Arc<Ferry>> {
        self.ferry.as_ref()
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
    pub async fn place(&self, _permit: &Permit, placement: Placement<'_>) -> Reply {
        self.exchanged(placement).await
    }

    async fn exchanged(&self, placement: Placement<'_>) -> Reply {
        let Some(operation) = self.standard.operation(placement.operation) else {
            let code = "no-such-operation";
            let outcome = Outcome::Unlisted { code: code.to_owned() };
            return Reply::without_answer(outcome, code, None);
        };
        let Ok(_permit) = self.permits.acquire().await else {
            let failure = Failure::NotSent { code: "channel-closed" };
            return Reply::failed(&failure, None);
        };
        if let Some(ferry) = &self.ferry {
            return Box::pin(self.ferried(ferry, operation, &placement)).await;
        }
        let (reply, used) = self.once(operation, &placement).await;
        let is_turned_away =
            matches!(reply.reading.outcome, Outcome::Auth { .. }) && reply.status.is_some();
        match used.filter(|_| is_turned_away) {
            None => reply,
            Some(used) => {
                self.forget_token(&used);
                self.once(operation, &placement).await.0
            }
        }
    }

    /// Asks: receipts, verdicts, inventories, states. Nothing above changes by it, so that it may
    /// be asked again at any time. Cancel-safe for that reason. What is no question is not asked.
    pub async fn collect(&self, operation: &str, message: &Message, batch: &str) -> Reply {
        let known = self.standard.operation(operation);
        if known.is_some_and(|known| !known.is_question()) {
            let code = "not-a-question";
            let outcome = Outcome::Unlisted { code: code.to_owned() };
            return Reply::without_answer(outcome, code, None);
        }
        if let (Some(ferry), Some(known)) = (&self.ferry, known) {
            return Box::pin(self.ferried_question(ferry, (known, message), batch)).await;
        }
        let (payload, parameters) = (&message.payload, message.parameters.as_slice());
        self.exchanged(Placement { operation, payload, parameters, batch, attempt: 0 }).await
    }

    /// One exchange, and the token it was made with.
    async fn once(
        &self,
        operation: &Operation,
        placement: &Placement<'_>,
    ) -> (Reply, Option<Secret>) {
        let open = self.open.load_full();
        let token = match self.token(&open).await {
            Ok(token) => token,
            Err(failure) => return (Reply::failed(&failure, None), None),
        };
        let moment = Moment::of(self, placement);
        let made =
            Box::pin(self.request(operation, placement, (&moment, &open), token.as_ref())).await;
        let request = match made {
            Ok(request) => request,
            Err(failure) => return (Reply::failed(&failure, None), token),
        };
        let sent = request.digest;
        let reply = match open.transport.exchange(request).await {
            Ok(answer) => self.judge(operation, answer, sent, &open),
            Err(failure) => Reply::failed(&failure, Some(sent)),
        };
        (reply, token)
    }

    pub(super) fn judge(
        &self,
        operation: &Operation,
        answer: Answer,
        sent: DigestSha256,
        open: &Open,
    ) -> Reply {
        let after = answer.retry_after.as_deref().and_then(retry_after);
        let http =
            HttpAnswer { status: answer.status, retry_after: after, headers: &answer.headers };
        let document = match open.sealer.as_ref().filter(|sealer| sealer.opens_answers()) {
            None => self.document(&answer, &answer.body),
            // What cannot be opened is no answer of the standard's, and read as one without a body.
            Some(sealer) => {
                sealer.open_body(&answer.body).and_then(|body| self.document(&answer, &body))
            }
        };
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
        let shown = kept(&reading, document.as_ref());
        Reply {
            reading,
            status: Some(answer.status),
            sent: Some(sent),
            clock_ahead: date.map(|date: Timestamp| date.duration_since(self.clock.now())),
            said: answer.body,
            shown,
        }
    }

    /// A body of an answer, read in the media that the answer says.
    pub(super) fn document(&self, answer: &Answer, body: &[u8]) -> Option<crate::wire::Document> {
        let of_type = answer.headers.iter().find(|(name, _)| name == "content-type");
        let media = of_type.and_then(|(_, value)| Media::of_content_type(value));
        let limits = Limits { bytes: self.bounds.reply_bytes, ..Limits::default() };
        read(media.unwrap_or(self.standard.media()), body, &limits).ok()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The platform's address with `path` behind it.
    pub(super) fn url(&self, path: &str) -> Result<Url, Failure> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|_url| incomplete("address", path))
    }
}

/// A request that cannot be completed; `what` names a place and a word, never a value.
pub(super) fn incomplete(place: &str, what: &str) -> Failure {
    Failure::Incomplete { code: format!("incomplete-{place}: {what}") }
}

/// 128 random bits, never used twice.
pub(super) fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system's random numbers do not run out");
    Encoding::Hex.encode(&bytes)
}
