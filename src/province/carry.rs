//! A channel whose requests are carried by a [`Ferry`]: rendered and signed as the standard says,
//! put down once, and answered when the answer comes, if one does.
//!
//! Nothing is awaited. What is sent stays unknown until its answer came; then whoever asks what
//! became of it is told, and what was refused is told to the next attempt in place of a sending.
//! The journal of the ferry says what was sent, so that nothing is put down twice for one asking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::client::{Client, Placement, Reply};
use super::error::{Error, Failure};
use super::ferry::{Ferry, Known, Side};
use super::request::Moment;
use super::settings::Settings;
use super::transport::{Answer, Request};
use crate::clock::Clock;
use crate::delivery::{DigestSha256, Outcome};
use crate::standard::{Message, Operation};

/// The scheme of a ferry's address.
const SCHEME: &str = "ferry://";
/// What paths are below, for whoever signs them: the other side is nobody's host.
const BASE: &str = "http://ferry/";
/// A part of a longer answer is told for so long; the last part is told once.
const PART: SignedDuration = SignedDuration::from_hours(24);
/// The code of what waits for its answer.
const AWAITED: &str = "ferry-answer-awaited";
/// The code of what waits for room.
const FULL: &str = "ferry-full";
/// The code of a question that no ferry carries.
const UNASKED: &str = "ferry-not-asked";

/// A request as it is carried.
#[derive(Deserialize, Serialize)]
pub struct Carried {
    /// When it was made, in microseconds since 1970.
    pub at_us: i64,
    /// The HTTP method.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Names and values.
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it is sent.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// An answer as it is carried.
#[derive(Deserialize, Serialize)]
pub struct CarriedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The same again after so many seconds.
    pub retry_after: Option<u64>,
    /// The body.
    #[serde(skip)]
    pub body: Vec<u8>,
}

macro_rules! carried {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }

        impl $type {
            /// A line, and the body behind it.
            pub fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = serde_json::to_vec(self).unwrap_or_default();
                bytes.push(b'\n');
                bytes.extend_from_slice(&self.body);
                bytes
            }

            /// The inverse; `None` for something else.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let end = bytes.iter().position(|byte| *byte == b'\n')?;
                let (line, rest) = bytes.split_at(end);
                let mut found: Self = serde_json::from_slice(line).ok()?;
                found.body = rest.get(1..)?.to_vec();
                Some(found)
            }
        }
    };
}
carried!(Carried);
carried!(CarriedAnswer);

impl CarriedAnswer {
    /// The request did not come: the same again.
    pub(super) fn later() -> Self {
        Self { status: 503, headers: Vec::new(), retry_after: Some(1), body: Vec::new() }
    }
}

/// The ferry of a channel's address, and what stands for the platform's; `None` for another address.
///
/// # Errors
/// Its settings contradict each other, or its key cannot be used.
pub fn ferry_of(settings: &Settings, clock: &Clock) -> Result<Option<(Arc<Ferry>, Url)>, Error> {
    let wrong = |setting, reason| Err(Error::Setting { setting, reason });
    match (settings.url.strip_prefix(SCHEME), &settings.ferry) {
        (None, None) => Ok(None),
        (None, Some(_)) => wrong("url", "with a `ferry` it is ferry:///FOLDER"),
        (Some(_), None) => wrong("ferry", "is required: the address is one of a ferry"),
        (Some(_), Some(ferry)) if !ferry.folder.as_os_str().is_empty() => {
            wrong("ferry.folder", "stands in `url` already: take it out")
        }
        (Some(folder), Some(ferry)) => {
            let mut ferry = ferry.clone();
            ferry.folder = folder.into();
            let ferry = Ferry::new(ferry, Side::Below, clock.clone())?;
            let unusable = |_url| Error::Setting { setting: "url", reason: "not an address" };
            Ok(Some((Arc::new(ferry), Url::parse(BASE).map_err(unusable)?)))
        }
    }
}

impl Client {
    /// Puts a batch down, once, or tells what came back of it.
    pub(super) async fn ferried(
        &self,
        ferry: &Arc<Ferry>,
        operation: &Operation,
        placement: &Placement<'_>,
    ) -> Reply {
        let subject = format!("batch {}", placement.batch);
        let known = match looked(ferry, subject.clone()).await {
            Ok(known) => known,
            Err(code) => return Reply::failed(&Failure::NotSent { code }, None),
        };
        match known {
            Some(known) if known.answer.is_none() => awaited(ferry, None),
            Some(known) if !known.is_told => self.told(ferry, operation, known).await,
            // It was answered, and the answer was that it is to be sent again.
            Some(_) | None => self.put(ferry, subject, operation, placement).await,
        }
    }

    /// Asks what became of a batch, of the journal alone, or puts a question down and tells its
    /// answer once there is one.
    pub(super) async fn ferried_question(
        &self,
        ferry: &Arc<Ferry>,
        (operation, message): (&Operation, &Message),
        batch: &str,
    ) -> Reply {
        let is_fate = operation.name == "batch.receipt";
        let is_asked = ferry.returns() && is_carried(&operation.name);
        if !is_fate && !is_asked {
            let outcome = Outcome::Unknown { code: UNASKED.to_owned() };
            return Reply::answered(outcome, UNASKED, None);
        }
        let subject = match is_fate {
            true => format!("batch {batch}"),
            false => question(operation, message),
        };
        let known = match looked(ferry, subject.clone()).await {
            Ok(known) => known,
            Err(code) => return Reply::failed(&Failure::NotSent { code }, None),
        };
        if is_fate {
            return self.fate(ferry, known);
        }
        match known {
            Some(known) if known.answer.is_none() => awaited(ferry, None),
            Some(known) if self.counts(&known) => self.told(ferry, operation, known).await,
            Some(_) | None => {
                let (payload, parameters) = (&message.payload, message.parameters.as_slice());
                let name = operation.name.as_str();
                let placement =
                    Placement { operation: name, payload, parameters, batch, attempt: 0 };
                self.put(ferry, subject, operation, &placement).await
            }
        }
    }

    /// Whether an answer is one to the question asked now.
    fn counts(&self, known: &Known) -> bool {
        let age = known.heard.map(|heard| self.now().duration_since(heard));
        !known.is_told && age.is_some_and(|age| age < PART)
    }

    /// What became of a batch that may have arrived.
    fn fate(&self, ferry: &Ferry, known: Option<Known>) -> Reply {
        let again = |code: &str| {
            let outcome = Outcome::Unknown { code: code.to_owned() };
            let mut reply = Reply::answered(outcome, code, None);
            // The next attempt is told the answer, or sends it again where that is what it says.
            reply.reading.absent = true;
            reply
        };
        let Some(known) = known else { return again("not-arrived") };
        if known.answer.is_none() {
            return awaited(ferry, None);
        }
        // In the words of what was sent: the answer is to that.
        let Some(operation) = self.standard().operation(&known.operation) else {
            return again("no-such-operation");
        };
        let mut reply = self.answered(operation, &known);
        if let Outcome::Accepted { receipt, upper_id } = &reply.reading.outcome {
            reply.reading.receipt = reply.reading.receipt.take().or_else(|| receipt.clone());
            reply.reading.upper_id = reply.reading.upper_id.take().or_else(|| upper_id.clone());
        }
        match reply.reading.outcome {
            Outcome::Accepted { .. } | Outcome::Exists { .. } => reply,
            Outcome::Refused { .. }
            | Outcome::Retry { .. }
            | Outcome::Auth { .. }
            | Outcome::Unknown { .. }
            | Outcome::NoPlace { .. }
            | Outcome::Unlisted { .. } => again("answered"),
        }
    }

    /// An answer that came, read as one that came at once.
    fn answered(&self, operation: &Operation, known: &Known) -> Reply {
        let carried = known.answer.as_ref().and_then(|it| CarriedAnswer::from_bytes(it));
        let Some(carried) = carried else {
            let code = "ferry-answer-unreadable";
            let outcome = Outcome::Unlisted { code: code.to_owned() };
            return Reply::answered(outcome, code, None);
        };
        let answer = Answer {
            status: carried.status,
            headers: carried.headers,
            body: carried.body,
            retry_after: carried.retry_after.map(|after| after.to_string()),
            date: None,
        };
        // What is carried is not what goes out: the digest of that is in the journal.
        let open = self.open.load_full();
        self.judge(operation, answer, DigestSha256::of(&[]), &open)
    }

    async fn told(&self, ferry: &Arc<Ferry>, operation: &Operation, known: Known) -> Reply {
        let reply = self.answered(operation, &known);
        let has_more = reply.reading.page.next.is_some();
        let is_end = match reply.reading.outcome {
            Outcome::Accepted { .. } | Outcome::Exists { .. } => {
                has_more || !operation.is_question()
            }
            Outcome::Refused { .. } => !operation.is_question(),
            Outcome::Retry { .. }
            | Outcome::Auth { .. }
            | Outcome::Unknown { .. }
            | Outcome::NoPlace { .. }
            | Outcome::Unlisted { .. } => false,
        };
        if is_end {
            return reply;
        }
        // Before anybody acts on it: killed in between, it is sent again, and answered the same.
        match ferry.run(move |it| it.told(&known.address)).await {
            Ok(()) => reply,
            Err(error) => Reply::failed(&Failure::NotSent { code: error.code() }, None),
        }
    }

    async fn put(
        &self,
        ferry: &Arc<Ferry>,
        subject: String,
        operation: &Operation,
        placement: &Placement<'_>,
    ) -> Reply {
        let open = self.open.load_full();
        let moment = Moment::of(self, placement);
        let made = Box::pin(self.request(operation, placement, (&moment, &open), None)).await;
        let request = match made {
            Ok(request) => request,
            Err(failure) => return Reply::failed(&failure, None),
        };
        let sent = request.digest;
        let plain = carried(request, self.now().as_microsecond()).to_bytes();
        let name = operation.name.clone();
        match ferry.run(move |it| it.send((&subject, &name), &plain)).await {
            Ok(Some(_)) => awaited(ferry, Some(sent)),
            Ok(None) => {
                let outcome = Outcome::Retry { code: FULL.to_owned(), after: None };
                Reply::answered(outcome, FULL, None)
            }
            Err(error) => Reply::failed(&Failure::NotSent { code: error.code() }, None),
        }
    }
}

/// It lies there or is on its way. One way that is all that will ever be known.
fn awaited(ferry: &Ferry, sent: Option<DigestSha256>) -> Reply {
    if ferry.returns() {
        let outcome = Outcome::Unknown { code: AWAITED.to_owned() };
        return Reply::answered(outcome, AWAITED, sent);
    }
    Reply::answered(Outcome::Accepted { upper_id: None, receipt: None }, "placed", sent)
}

/// What came is taken in first, so that nobody waits for the next look.
async fn looked(ferry: &Arc<Ferry>, subject: String) -> Result<Option<Known>, &'static str> {
    let looked = ferry.run(move |it| {
        // A folder that is away keeps nothing from what the journal knows.
        drop(it.look());
        it.known(&subject).map_err(|error| error.code())
    });
    looked.await
}

/// Questions that are worth a file: what stands above is told page by page, and a page that is
/// hours old agrees with nothing.
fn is_carried(operation: &str) -> bool {
    matches!(operation, "rows.verdict" | "heartbeat") || operation.ends_with(".state")
}

/// A question by what it asks.
fn question(operation: &Operation, message: &Message) -> String {
    let mut said = message.payload.digest().0.to_vec();
    for parameter in &message.parameters {
        said.extend_from_slice(parameter.name.as_bytes());
        said.extend_from_slice(&parameter.value.digest().0);
    }
    format!("{} {}", operation.name, DigestSha256::of(&said))
}

fn carried(request: Request, at_us: i64) -> Carried {
    let Request { method, url, headers, body, digest: _ } = request;
    let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    Carried {
        at_us,
        method: method.as_str().to_owned(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.iter().filter_map(text).collect(),
        body,
    }
}

/// How long a caller of [`Ferry::look`] waits between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
