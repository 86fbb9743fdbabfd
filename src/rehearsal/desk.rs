//! The desk: one request in, one answer out, and what was taken is committed in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Transaction;

use super::access::Access;
use super::act::{self, Ruling};
use super::directory::{Directory, Operation, Place, Sign};
use super::faults::{Fault, Faults};
use super::judge::Message;
use super::reply::{self, Says};
use super::seal::UNREADABLE;
use super::signature::{self, Signed};
use super::store::{self, Delivery, Store};
use super::tree::{self, Node};
use super::{Error, RowRules};
use crate::clock::Clock;

/// Methods and paths that are told apart.
const MOST_PATHS: usize = 1_000;

/// What the platform demands and how long its people take.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    pub(super) credentials: BTreeMap<String, String>,
    pub(super) rules: BTreeMap<String, RowRules>,
    pub(super) review: Duration,
    pub(super) verdict: Duration,
    pub(super) mounted_only: bool,
    pub(super) seed: u64,
    pub(super) max_body_bytes: usize,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What goes back, and the fault with which it does.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) fault: Option<Fault>,
}

impl Answer {
    pub(super) fn bare(status: u16, text: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        Self { status, headers, body: text.as_bytes().to_vec(), fault: None }
    }
}

/// See the module.
pub(super) struct Desk {
    directory: Directory,
    store: Store,
    habits: Habits,
    faults: Faults,
    clock: Clock,
    access: Access,
    /// How often each method and path came, whatever became of it.
    requests: BTreeMap<String, u64>,
}

impl Desk {
    pub(super) fn new(
        directory: Directory,
        store: Store,
        habits: Habits,
        faults: Faults,
        clock: Clock,
    ) -> Self {
        Self {
            directory,
            store,
            habits,
            faults,
            clock,
            access: Access::default(),
            requests: BTreeMap::new(),
        }
    }

    /// The tokens that were given out.
    pub(super) fn access(&mut self) -> &mut Access {
        &mut self.access
    }

    /// What was taken, with everything that was due by now done.
    pub(super) fn store(&mut self) -> Result<&mut Store, Error> {
        self.store.settle(self.clock.now())?;
        Ok(&mut self.store)
    }

    /// Another standard from now on; objects of these kinds get new ids. Without kinds: of those
    /// that the new one renumbers, and back again those that the present one renumbered.
    pub(super) fn speak(
        &mut self,
        directory: Directory,
        renumbered: Option<Vec<String>>,
    ) -> Result<Vec<(String, String, String)>, Error> {
        let renumbered = renumbered.unwrap_or_else(|| {
            let both = self.directory.renumbers.iter().chain(&directory.renumbers);
            let kinds: BTreeSet<&String> = both.collect();
            kinds.into_iter().cloned().collect()
        });
        let write = self.store.begin()?;
        let ids = store::renumber(&write, &renumbered)?;
        write.commit().map_err(store::failed("give new ids"))?;
        self.directory = directory;
        self.access.expire();
        Ok(ids)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often each method and path came, whatever became of it; at most so many are told apart.
    pub(super) fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    /// Answers one request. An error is the platform's own; nothing was taken then.
    pub(super) fn answer(&mut self, request: &Request) -> Result<Answer, Error> {
        let asked = format!("{} {}", request.method, request.path);
        if self.requests.contains_key(&asked) || self.requests.len() < MOST_PATHS {
            *self.requests.entry(asked).or_default() += 1;
        }
        let Self { directory, store, habits, faults, clock, access, .. } = self;
        let now = clock.now();
        store.settle(now)?;
        let chance = (habits.seed, now);
        if let Some(answer) = access.answer(directory, request, &habits.credentials, chance) {
            return Ok(answer);
        }
        let opened = open(directory, request, habits);
        let Some((operation, url)) = addressed(directory, request, opened.as_ref().ok()) else {
            return Ok(Answer::bare(404, "no such operation"));
        };
        let opened = opened.and_then(|opened| uncovered(directory, operation, habits, opened));
        let fault = faults.draw(&operation.name);
        let mut note = Delivery {
            received_at: store::stamp(now),
            operation: operation.name.clone(),
            batch_id: None,
            payload_digest: None,
            code: String::new(),
        };
        if let Some(mut answer) = instead(directory, operation, fault.as_ref()) {
            hide(directory, habits, &mut answer);
            note.code = fault.as_ref().map_or("", Fault::kind).to_owned();
            let write = store.begin()?;
            store::note(&write, &note)?;
            write.commit().map_err(store::failed("note a delivery"))?;
            return Ok(answer);
        }
        let write = store.begin()?;
        let ruling = match opened {
            Err(reason) => Ruling::refused(reason),
            Ok(opened) => {
                let message = Message {
                    directory,
                    operation,
                    document: &opened.document,
                    headers: &request.headers,
                    query: &request.query,
                    url,
                };
                let fault = fault.as_ref();
                let case = Case { request, habits, access, fault, text: &opened.text, now };
                case.ruling(&message, &write, &mut note)?
            }
        };
        let mut answer = spoken(directory, operation, &ruling, fault);
        hide(directory, habits, &mut answer);
        note.code = ruling.code(operation).unwrap_or_else(|| answer.status.to_string());
        store::note(&write, &note)?;
        write.commit().map_err(store::failed("commit what was taken"))?;
        Ok(answer)
    }
}

/// A request that could be read.
struct Case<'a> {
    request: &'a Request,
    habits: &'a Habits,
    access: &'a Access,
    fault: Option<&'a Fault>,
    text: &'a str,
    now: Timestamp,
}

impl Case<'_> {
    /// Judges and does it: the signature first, then the form, then what it asks for.
    fn ruling(
        &self,
        message: &Message<'_>,
        write: &Transaction<'_>,
        note: &mut Delivery,
    ) -> Result<Ruling, Error> {
        let credentials = &self.habits.credentials;
        let (directory, now) = (message.directory, self.now);
        let nonce = match self
            .access
            .judge(directory, &self.request.headers, credentials, now)
            .and_then(|()| {
                let body = signature::signed_body(message, &self.request.body, self.text);
                let signed = Signed {
                    method: &self.request.method,
                    path: &self.request.path,
                    operation: &message.operation.name,
                    body: &body,
                    fields: Some((message.document, &directory.spaces, directory.media)),
                };
                signature::verify(message, &signed, credentials, &self.access.good(now), now)
            }) {
            Ok(nonce) => nonce,
            Err(doubt) => return Ok(Ruling::new("auth", doubt)),
        };
        if let Some(nonce) = nonce {
            // What is older than twice the tolerance is refused for its time.
            let tolerance =
                message.directory.sign.as_ref().map(Sign::tolerance).unwrap_or_default();
            let until = self.now.saturating_sub(tolerance * 2).unwrap_or(Timestamp::MIN);
            store::forget_nonces(write, until)?;
            if store::is_replayed(write, &nonce, self.now)? {
                return Ok(Ruling::new("auth", "number was used before"));
            }
        }
        note.batch_id = message.batch_id().map(str::to_owned);
        if act::places(&message.operation.name) {
            note.payload_digest = Some(message.digest());
        }
        let findings = message.findings();
        if !findings.is_empty() {
            return Ok(Ruling::refused(findings.join("; ")));
        }
        let scene = act::Scene {
            message,
            text: self.text,
            habits: self.habits,
            fault: self.fault,
            digest: note.payload_digest.as_deref().unwrap_or_default(),
            now: self.now,
        };
        act::act(&scene, write)
    }
}

/// Hides the body of an operation's answer, where the standard wants that; what a gateway says in
/// its own words is no such answer.
fn hide(directory: &Directory, habits: &Habits, answer: &mut Answer) {
    let is_ours = answer.headers.iter().any(|(_, value)| *value == directory.content_type);
    let how = directory.encrypt.as_ref().filter(|how| how.answers && is_ours);
    if let Some(hidden) = how.and_then(|how| how.hide(&answer.body, &habits.credentials)) {
        answer.body = hidden;
    }
}

/// Faults that stand in the way before anything is taken.
fn instead(directory: &Directory, operation: &Operation, fault: Option<&Fault>) -> Option<Answer> {
    let coded = |code: &str| {
        let mut says = Says::default();
        says.set("code", code);
        says.set("message", "played by the rehearsal");
        written(directory, operation, &says, None)
    };
    Some(match fault? {
        Fault::Refuse { code } | Fault::UnknownCode { code } => coded(code),
        Fault::ServerError { status } => Answer::bare(*status, "gateway is not well"),
        Fault::TooMany { retry_after } => {
            let mut answer = Answer::bare(429, "too many requests");
            let seconds = retry_after.as_secs().to_string();
            answer.headers.push(("retry-after".to_owned(), seconds));
            answer
        }
        Fault::Silent => Answer { fault: fault.cloned(), ..Answer::bare(500, "") },
        Fault::LoseAnswer
        | Fault::LoseAnswerSilently
        | Fault::CutBody
        | Fault::Slow { .. }
        | Fault::Hold
        | Fault::DuplicateVerdicts
        | Fault::LateVerdicts { .. }
        | Fault::ContradictVerdicts { .. }
        | Fault::DoubtVerdicts
        | Fault::ForeignVerdict { .. }
        | Fault::ReceiptWithoutStoring
        | Fault::UnknownField { .. } => return None,
    })
}

fn spoken(
    directory: &Directory,
    operation: &Operation,
    ruling: &Ruling,
    fault: Option<Fault>,
) -> Answer {
    let mut says = ruling.says.clone();
    let code = ruling.code(operation);
    let status = match (&code, ruling.class) {
        (Some(_), _) | (None, "accepted") => 200,
        (None, "auth") => 401,
        (None, "absent") => 404,
        (None, "exists") => 409,
        (None, _) => 422,
    };
    if let Some(code) = code {
        says.set("code", code);
    }
    says.values.entry("message").or_insert_with(|| ruling.reason.clone());
    if let Some(fault) = &fault {
        bend_verdicts(&mut says, fault);
    }
    let stranger = match &fault {
        Some(Fault::UnknownField { name }) => Some(name.as_str()),
        _ => None,
    };
    let answer = written(directory, operation, &says, stranger);
    Answer { status, fault, ..answer }
}

/// Faults of an answer that lists verdicts.
fn bend_verdicts(says: &mut Says, fault: &Fault) {
    match fault {
        Fault::DuplicateVerdicts => {
            says.list =
                says.list.iter().flat_map(|element| [element.clone(), element.clone()]).collect();
        }
        Fault::DoubtVerdicts => {
            let opposed = |element: &BTreeMap<&'static str, String>| {
                let mut other = element.clone();
                if let Some(word) = other.get_mut("row.verdict") {
                    *word = if word == "passed" { "failed" } else { "passed" }.to_owned();
                }
                [other, element.clone()]
            };
            says.list = says.list.iter().flat_map(opposed).collect();
        }
        Fault::ForeignVerdict { key } => {
            if let Some(first) = says.list.first_mut() {
                first.insert("row.key", key.clone());
                first.insert("row.verdict", "failed".to_owned());
            }
        }
        Fault::Refuse { .. }
        | Fault::Silent
        | Fault::LoseAnswer
        | Fault::LoseAnswerSilently
        | Fault::CutBody
        | Fault::ServerError { .. }
        | Fault::TooMany { .. }
        | Fault::Slow { .. }
        | Fault::Hold
        | Fault::LateVerdicts { .. }
        | Fault::ContradictVerdicts { .. }
        | Fault::ReceiptWithoutStoring
        | Fault::UnknownCode { .. }
        | Fault::UnknownField { .. } => {}
    }
}

fn written(
    directory: &Directory,
    operation: &Operation,
    says: &Says,
    stranger: Option<&str>,
) -> Answer {
    let (body, mut headers) =
        reply::write(operation, directory.media, &directory.spaces, says, stranger);
    headers.push(("content-type".to_owned(), directory.content_type.clone()));
    Answer { status: 200, headers, body, fault: None }
}

/// The operation a request is for. Where several share a path, the action or the kind that the
/// message names decides.
fn addressed<'d>(
    directory: &'d Directory,
    request: &Request,
    opened: Option<&Opened>,
) -> Option<(&'d Operation, BTreeMap<String, String>)> {
    let mut found: Vec<_> = directory
        .operations
        .iter()
        .filter_map(|operation| {
            Some((operation, operation.matches(&request.method, &request.path)?))
        })
        .collect();
    let decided = found.iter().position(|(operation, url)| {
        let Some(opened) = opened else { return false };
        let message = Message {
            directory,
            operation,
            document: &opened.document,
            headers: &request.headers,
            query: &request.query,
            url: url.clone(),
        };
        let (subject, verb) = operation.name.split_once('.').unwrap_or_default();
        message.word("batch.action").is_some_and(|word| word == verb)
            || message.word("object.kind").is_some_and(|word| word == subject)
    });
    match (found.len(), decided) {
        (0, _) => None,
        (1, _) | (_, None) => Some(found.swap_remove(0)),
        (_, Some(at)) => Some(found.swap_remove(at)),
    }
}

/// A body, opened.
struct Opened {
    document: Node,
    text: String,
}

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// A form's pairs; a name is a path of one step.
fn form(body: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(body).map_err(|_error| "not UTF-8")?;
    let pairs = text.split('&').map(|pair| pair.split_once('=').ok_or("a pair has no `=`"));
    let mut document = Node::default();
    for pair in pairs {
        let (name, text) = pair?;
        let text = Some(super::server::unescaped(text));
        document.children.push(Node { text, ..Node::named(&super::server::unescaped(name)) });
    }
    Ok(document)
}

/// Whether a body says that it is of this media type; one that says nothing is.
fn is_of_media(request: &Request, wanted: &str) -> bool {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_lowercase();
    let said = request.headers.get("content-type");
    request.body.is_empty() || said.is_none_or(|said| essence(said) == essence(wanted))
}

/// Decompresses and reads a body; the reason is about its form.
fn open(directory: &Directory, request: &Request, habits: &Habits) -> Result<Opened, String> {
    let limit = habits.max_body_bytes;
    let is_form = directory.operations.iter().any(|operation| {
        operation.body == "form" && operation.matches(&request.method, &request.path).is_some()
    });
    let media = if is_form { FORM } else { directory.content_type.as_str() };
    if !is_of_media(request, media) {
        return Err("body is of another media type".to_owned());
    }
    let mut plain = match request.headers.get("content-encoding").map(String::as_str) {
        None | Some("identity") => request.body.clone(),
        Some("gzip") => {
            inflated(flate2::read::MultiGzDecoder::new(request.body.as_slice()), limit)?
        }
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::new(request.body.as_slice())
                .map_err(|_error| "body is not zstd")?;
            inflated(decoder, limit)?
        }
        Some(_) => return Err("body is compressed in an unknown way".to_owned()),
    };
    let sealed = directory.encrypt.as_ref().filter(|it| it.is_over_body() && !plain.is_empty());
    if let Some(encrypt) = sealed {
        let opened = encrypt.open(&plain, &habits.credentials);
        plain = opened.ok_or_else(|| format!("body {UNREADABLE}"))?;
    }
    if directory.limits.bytes.is_some_and(|most| plain.len() > most) {
        return Err("body is larger than the standard allows".to_owned());
    }
    if plain.is_empty() {
        return Ok(Opened { document: Node::default(), text: String::new() });
    }
    let document = if is_form { form(&plain)? } else { tree::read(directory.media, &plain)? };
    Ok(Opened { document, text: String::from_utf8(plain).unwrap_or_default() })
}

/// Opens the fields that are encrypted one by one.
fn uncovered(
    directory: &Directory,
    operation: &Operation,
    habits: &Habits,
    mut opened: Opened,
) -> Result<Opened, String> {
    let Some(encrypt) = directory.encrypt.as_ref().filter(|it| !it.is_over_body()) else {
        return Ok(opened);
    };
    for field in operation.fields.iter().filter(|field| field.hidden) {
        let Place::Body(path) = &field.place else { continue };
        let open = |text: &str| {
            let plain = encrypt.open(text.as_bytes(), &habits.credentials)?;
            String::from_utf8(plain).ok()
        };
        path.replace(&mut opened.document, &directory.spaces, &open)
            .ok_or_else(|| format!("{}: {UNREADABLE}", field.path))?;
    }
    Ok(opened)
}

fn inflated(source: impl std::io::Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|_error| "body cannot be decompressed")?;
    if plain.len() > limit { Err("body is too large".to_owned()) } else { Ok(plain) }
}
