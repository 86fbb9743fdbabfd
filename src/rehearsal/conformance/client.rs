//! The kit's own line to a platform: a request is prepared, perhaps spoiled, sent, and its answer
//! read by the reply's table.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::SignedDuration;

use super::super::Error;
use super::super::certificates::Identity;
use super::super::directory::{Directory, Operation, Place, Reply as Row};
use super::super::signature::complete;
use super::super::tree::{self, Node};
use super::compose::{Draft, escaped, form};
use super::proof;
use super::words::{City, time};

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the platform is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address, for example `https://127.0.0.1:40001`.
    pub url: String,
    /// PEM of the authority that is trusted; `None` trusts the system's.
    pub authority: Option<String>,
    /// The city's certificate and key, where the platform asks for them.
    pub client: Option<Identity>,
}

/// A request, ready to go.
#[derive(Clone, Debug, Default)]
pub(super) struct Prepared {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    /// As sent.
    pub(super) body: Vec<u8>,
    /// Before compression.
    pub(super) plain: Vec<u8>,
    /// Names of headers and of query fields that hold a proof or a secret.
    pub(super) secrets: Vec<String>,
}

impl Prepared {
    /// With another text in a header.
    pub(super) fn header(mut self, name: &str, text: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Without a header.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }
}

/// What differs from the usual when a draft is made a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Instead of the draft's body.
    pub(super) body: Option<Vec<u8>>,
    /// The clock's error.
    pub(super) late: SignedDuration,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// As the table's code, or `http-NNN`.
    pub(super) code: String,
    /// `None`: in no list of the standard.
    pub(super) class: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tree: Option<Node>,
    /// The answer as text, for the transcript.
    pub(super) text: String,
    /// Nothing came, and why.
    pub(super) lost: Option<String>,
}

/// See the module.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    /// What `[auth]` fetched.
    pub(super) token: Option<String>,
    /// By which answers are opened that come hidden.
    credentials: BTreeMap<String, String>,
}

impl Client {
    pub(super) fn new(
        target: &Target,
        credentials: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let failed = |operation: &'static str| {
            move |source: reqwest::Error| Error::Certificates { operation, source: source.into() }
        };
        let mut builder = reqwest::Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        if let Some(pem) = &target.authority {
            let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(failed("read the platform's authority"))?;
            builder = builder.tls_certs_only(roots);
        }
        if let Some(own) = &target.client {
            let pem = format!("{}\n{}", own.certificate, own.key);
            let own = reqwest::Identity::from_pem(pem.as_bytes())
                .map_err(failed("read the client's certificate and key"))?;
            builder = builder.identity(own);
        }
        let http = builder.build().map_err(failed("make a client"))?;
        let url = target.url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, token: None, credentials })
    }

    /// A draft as a signed request.
    pub(super) fn prepare(
        &self,
        directory: &Directory,
        city: &City,
        draft: &Draft,
        turn: &Turn,
    ) -> Result<Prepared, String> {
        let of = directory.operations.get(draft.operation).ok_or("no such operation")?;
        let city =
            City { now: city.now.saturating_add(turn.late).unwrap_or(city.now), ..city.clone() };
        let draft = covered(directory, of, &city, draft)?;
        let mut sent = Prepared {
            method: of.method.clone(),
            path: of.path.clone(),
            secrets: vec!["authorization".to_owned()],
            ..Prepared::default()
        };
        for (place, text) in draft.outside(of) {
            match place {
                Place::Header(name) => sent.headers.push((name, text)),
                Place::Query(name) => sent.query.push((name, text)),
                Place::Url(name) => {
                    sent.path = sent.path.replace(&format!("{{{name}}}"), &escaped(&text));
                }
                Place::Body(_) => {}
            }
        }
        let words = self.words(directory, &city, &draft, &sent)?;
        for (name, text) in self.admission(directory, &city)? {
            sent.secrets.push(name.to_ascii_lowercase());
            sent = sent.header(&name, &text);
        }
        for (name, template) in &directory.headers {
            let is_secret = template.contains("{credential.") || template.contains("{token");
            sent.secrets.extend(is_secret.then(|| name.to_ascii_lowercase()));
            if template.contains("{batch.id}") && draft.subject.batch.is_empty() {
                continue;
            }
            let text = filled(template, &words)?;
            sent = sent.header(name, &text);
        }
        sent.plain = turn.body.clone().unwrap_or_else(|| draft.body(directory));
        self.seal(directory, of, &city, (&draft, turn), &words, sent)
    }

    /// Encrypts, compresses and signs.
    fn seal(
        &self,
        directory: &Directory,
        of: &Operation,
        city: &City,
        (draft, turn): (&Draft, &Turn),
        words: &BTreeMap<String, String>,
        mut sent: Prepared,
    ) -> Result<Prepared, String> {
        let inside = of.fields.iter().position(|field| field.value == "attempt.signature");
        if let Some(field) = inside.filter(|field| draft.leaf(*field).is_some()) {
            let said = draft.leaf(field).map(|leaf| leaf.text.as_str()).unwrap_or_default();
            if said.is_empty() && turn.body.is_none() {
                let text = self.proof(directory, city, words, (&sent, &sent.plain))?;
                let signed = draft.clone().with(of, field, &text.unwrap_or_default());
                sent.plain = signed.body(directory);
            }
        }
        let over_body = directory.encrypt.as_ref().filter(|how| how.is_over_body());
        let body = match over_body.filter(|_| !sent.plain.is_empty()) {
            Some(how) => proof::hidden(how, &sent.plain, city)?,
            None => sent.plain.clone(),
        };
        sent.body = compressed(&of.compress, &body).map_err(|error| error.to_string())?;
        if !sent.body.is_empty() {
            let media = match of.body.as_str() {
                "form" => "application/x-www-form-urlencoded",
                _ => &directory.content_type,
            };
            sent = sent.header("Content-Type", media);
            if matches!(of.compress.as_str(), "gzip" | "zstd") {
                sent = sent.header("Content-Encoding", &of.compress);
            }
        }
        let Some(how) = directory.sign.as_ref().filter(|how| how.into != "body") else {
            return Ok(sent);
        };
        let text = self.proof(directory, city, words, (&sent, &sent.body))?.unwrap_or_default();
        let (place, name) = how.into.split_once(':').unwrap_or(("header", &how.into));
        sent.secrets.push(name.to_ascii_lowercase());
        match place {
            "query" => sent.query.push((name.to_owned(), text)),
            _ => sent = sent.header(name, &text),
        }
        Ok(sent)
    }

    /// Every word of the templates, with its text.
    fn words(
        &self,
        directory: &Directory,
        city: &City,
        draft: &Draft,
        sent: &Prepared,
    ) -> Result<BTreeMap<String, String>, String> {
        let of = directory.operations.get(draft.operation).ok_or("no such operation")?;
        let templates = directory.headers.values();
        let signed = directory.sign.iter().flat_map(|sign| sign.over.iter());
        let mut words = BTreeMap::new();
        let times: Vec<&str> = templates.chain(signed).flat_map(|text| names(text)).collect();
        for name in times {
            if let Some(format) = name.strip_prefix("attempt.time") {
                words.insert(name.to_owned(), time(city.now, format.trim(), &city.zone));
            }
        }
        let texts = [
            ("attempt.id", format!("a{}", city.nonce)),
            ("attempt.number", "1".to_owned()),
            ("attempt.nonce", city.nonce.clone()),
            ("batch.id", draft.subject.batch.clone()),
            ("request.method", sent.method.clone()),
            ("request.path", sent.path.clone()),
            ("request.operation", of.name.clone()),
            ("token", self.token.clone().unwrap_or_default()),
        ];
        words.extend(texts.map(|(name, text)| (name.to_owned(), text)));
        complete(&mut words, &city.credentials, &of.name);
        Ok(words)
    }

    /// Sends a request and reads its answer by the operation's table.
    pub(super) async fn send(
        &self,
        of: &Operation,
        directory: &Directory,
        it: &Prepared,
    ) -> Answer {
        match self.exchange(it).await {
            Ok((status, headers, body)) => {
                let how = directory.encrypt.as_ref().filter(|how| how.answers);
                // What cannot be opened is looked at as it came: an answer that says nothing.
                let opened = how.and_then(|how| how.open(&body, &self.credentials));
                read(of, directory, status, headers, opened.as_deref().unwrap_or(&body))
            }
            Err(error) => Answer { lost: Some(error), ..Answer::default() },
        }
    }

    pub(super) async fn exchange(
        &self,
        it: &Prepared,
    ) -> Result<(u16, BTreeMap<String, String>, Vec<u8>), String> {
        let method = reqwest::Method::from_bytes(it.method.as_bytes())
            .map_err(|_error| "the method is none of HTTP's")?;
        let mut url = format!("{}{}", self.url, it.path);
        if !it.query.is_empty() {
            url = format!("{url}?{}", form(&it.query));
        }
        let mut request = self.http.request(method, url);
        for (name, text) in &it.headers {
            request = request.header(name.as_str(), text.as_str());
        }
        let said = |error: reqwest::Error| chain(&error.without_url());
        let response = request.body(it.body.clone()).send().await.map_err(said)?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        let headers = headers.collect();
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(said)?);
            if body.len() > MAX_ANSWER {
                return Err("the answer is larger than any answer should be".to_owned());
            }
        }
        Ok((status, headers, body))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn compressed(how: &str, plain: &[u8]) -> std::io::Result<Vec<u8>> {
    match how {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(plain)?;
            writer.finish()
        }
        "zstd" => zstd::encode_all(plain, 1),
        _ => Ok(plain.to_vec()),
    }
}

/// A draft whose hidden fields are hidden.
fn covered(
    directory: &Directory,
    of: &Operation,
    city: &City,
    draft: &Draft,
) -> Result<Draft, String> {
    let mut draft = draft.clone();
    let Some(how) = directory.encrypt.as_ref().filter(|how| !how.is_over_body()) else {
        return Ok(draft);
    };
    for leaf in &mut draft.leaves {
        if of.fields.get(leaf.field).is_some_and(|field| field.hidden) {
            let hidden = proof::hidden(how, leaf.text.as_bytes(), city)?;
            leaf.text = String::from_utf8_lossy(&hidden).into_owned();
        }
    }
    Ok(draft)
}

/// The words of a template.
pub(super) fn names(template: &str) -> Vec<&str> {
    let parts = template.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.trim()).collect()
}

/// Fills a template; `{{` and `}}` are braces.
pub(super) fn filled(template: &str, words: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        if let Some(next) = after.strip_prefix("{{") {
            text.push('{');
            rest = next;
        } else if let Some(next) = after.strip_prefix("}}") {
            text.push('}');
            rest = next;
        } else {
            let (name, next) = after
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'))
                .ok_or("a template is broken")?;
            let name = name.trim();
            text.push_str(words.get(name).ok_or_else(|| format!("nothing fills `{name}`"))?);
            rest = next;
        }
    }
    text.push_str(rest);
    Ok(text)
}

fn read(
    of: &Operation,
    directory: &Directory,
    status: u16,
    headers: BTreeMap<String, String>,
    body: &[u8],
) -> Answer {
    let tree = tree::read(directory.media, body).ok();
    let text = String::from_utf8_lossy(body).into_owned();
    let mut answer =
        Answer { status, headers, tree, text, code: format!("http-{status}"), ..Answer::default() };
    if let Some(code) = answer.value(of, directory, "code") {
        answer.code = code;
    }
    answer.class = class(of, &answer.code);
    if answer.class.is_none() && answer.code.starts_with("http-2") {
        // A reply without a code of its own that HTTP calls a success.
        let has_code = of.replies.iter().any(|row| row.meaning == "code");
        answer.class = (!has_code).then(|| "accepted".to_owned());
    }
    answer
}

/// The class of a code: the operation's own lists first, an exact code before a glob, a longer
/// glob before a shorter.
fn class(of: &Operation, code: &str) -> Option<String> {
    [&of.outcomes, &of.classes].into_iter().find_map(|classes| {
        let fitting = classes.iter().flat_map(|(class, globs)| {
            globs.iter().filter(|glob| fits(glob, code)).map(move |glob| (glob, class))
        });
        let best = fitting.max_by_key(|(glob, _)| (!glob.contains('*'), glob.len()))?;
        Some(best.1.clone())
    })
}

/// Whether a code is one of a glob's, in which `*` stands for any characters.
fn fits(glob: &str, code: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else { return glob == code };
    let Some(mut left) = code.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

impl Answer {
    fn texts(&self, row: &Row, directory: &Directory) -> Vec<String> {
        match &row.place {
            Place::Header(name) => {
                self.headers.get(&name.to_ascii_lowercase()).cloned().into_iter().collect()
            }
            Place::Body(path) => {
                let tree = self.tree.iter();
                let texts = tree.flat_map(|tree| path.texts(tree, &directory.spaces));
                texts.map(str::to_owned).collect()
            }
            Place::Query(_) | Place::Url(_) => Vec::new(),
        }
    }

    /// Every text with this meaning, coded ones as canonical words.
    pub(super) fn values(
        &self,
        of: &Operation,
        directory: &Directory,
        meaning: &str,
    ) -> Vec<String> {
        let rows = of.replies.iter().filter(|row| row.meaning == meaning);
        rows.flat_map(|row| {
            let texts = self.texts(row, directory).into_iter();
            texts.filter(|text| !text.trim().is_empty()).map(|text| match &row.codes {
                Some(codes) if meaning != "code" => {
                    let known = codes.iter().find(|(_, code)| *code == text);
                    known.map_or_else(|| text.clone(), |(word, _)| word.clone())
                }
                _ => text,
            })
        })
        .collect()
    }

    /// The first of [`Answer::values`].
    pub(super) fn value(
        &self,
        of: &Operation,
        directory: &Directory,
        meaning: &str,
    ) -> Option<String> {
        self.values(of, directory, meaning).into_iter().next()
    }

    /// What the reply's table demands and the answer lacks, or says in no code of its list.
    pub(super) fn findings(&self, of: &Operation, directory: &Directory) -> Vec<String> {
        let mut findings = Vec::new();
        for row in &of.replies {
            let texts = self.texts(row, directory);
            let is_filled = texts.iter().any(|text| !text.trim().is_empty());
            let in_list = row.path.contains("[]");
            if row.required && !is_filled && !in_list && row.meaning != "ignore" {
                findings.push(format!("{}: is required in the reply and missing", row.path));
            }
            if let Some(codes) = row.codes.as_ref().filter(|_| row.meaning != "code") {
                let is_known = |text: &String| {
                    text.trim().is_empty() || codes.iter().any(|(_, code)| code == text)
                };
                if !texts.iter().all(is_known) {
                    findings.push(format!("{}: is in no code list of the reply", row.path));
                }
            }
        }
        findings
    }
}

/// The longest part of a message that a transcript shows, in characters.
const SHOWN: usize = 4_000;

/// A request as a report shows it: proofs and credentials are left out.
pub(super) fn told(it: &Prepared, credentials: &BTreeMap<String, String>) -> String {
    let hidden = |name: &str, text: &str| {
        if it.secrets.contains(&name.to_ascii_lowercase()) {
            "***".to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut text = format!("{} {}", it.method, it.path);
    for (at, (name, value)) in it.query.iter().enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        text.push_str(&format!("{mark}{name}={}", hidden(name, value)));
    }
    for (name, value) in &it.headers {
        text.push_str(&format!("\n{name}: {}", hidden(name, value)));
    }
    text.push_str("\n\n");
    text.push_str(&String::from_utf8_lossy(&it.plain));
    shown(&text, credentials)
}

/// A text without credentials, bounded.
pub(super) fn shown(text: &str, credentials: &BTreeMap<String, String>) -> String {
    let mut told: String = text.chars().take(SHOWN).collect();
    for secret in credentials.values().filter(|secret| secret.len() >= 3) {
        told = told.replace(secret.as_str(), "***");
    }
    if told.len() < text.len() {
        told.push_str(&format!("\n… ({} bytes)", text.len()));
    }
    told
}
