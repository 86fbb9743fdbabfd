//! One exchange as people may see it, for joint debugging with a province (联调).
//!
//! The request that is shown is not the one that was sent with its secrets cut out: it is made a
//! second time from the same message at the same moment, with words in the place of credentials,
//! token and signature. What comes back is searched for every secret that we hold, for a platform
//! may say in its error what it was told.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{Client, Open, Placement, Reply};
use super::error::Failure;
use super::request::Moment;
use crate::delivery::{DigestSha256, Outcome, Permit, Verdict};
use crate::signing::{Encoding, Secret};
use crate::standard::{Reading, RowJudgement};
use crate::wire::{Document, redacted};

/// The most of a body that is shown, in bytes.
const MOST_BYTES: usize = 64 << 10;
/// Parts of the names of an answer's headers that may hold what only the two machines shall know.
const UNSHOWN: [&str; 2] = ["cookie", "auth"];

/// What was said on both sides, without a secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transcript {
    /// The HTTP method.
    pub method: String,
    /// The address with its query.
    pub url: String,
    /// The request's headers.
    pub headers: Vec<(String, String)>,
    /// The request's body before it was encrypted and compressed, at most 64 KiB of it.
    pub body: String,
    /// The answer's status; none when none came.
    pub status: Option<u16>,
    /// The answer's headers.
    pub reply_headers: Vec<(String, String)>,
    /// The answer's body, at most 64 KiB of it.
    pub reply: String,
}

impl Client {
    /// As [`Client::place`], once, with what was said. Not cancel-safe.
    pub async fn show(&self, _permit: &Permit, placement: Placement<'_>) -> (Reply, Transcript) {
        let nothing = |reply| (reply, Transcript::default());
        let Some(operation) = self.standard().operation(placement.operation) else {
            let code = "no-such-operation";
            let outcome = Outcome::Unlisted { code: code.to_owned() };
            return nothing(Reply::without_answer(outcome, code, None));
        };
        let open = self.open.load_full();
        let token = match self.token(&open).await {
            Ok(token) => token,
            Err(failure) => return nothing(Reply::failed(&failure, None)),
        };
        let moment = Moment::of(self, &placement);
        let made = self.request(operation, &placement, (&moment, &open), token.as_ref());
        let request = match Box::pin(made).await {
            Ok(request) => request,
            Err(failure) => return nothing(Reply::failed(&failure, None)),
        };
        let sent = DigestSha256::of(&request.body);
        let shown = match self.shown(operation, &placement, &moment, &sent) {
            Ok(shown) => shown,
            Err(failure) => return nothing(Reply::failed(&failure, None)),
        };
        let secrets = secrets(&open, token.as_ref());
        let clean = |text: &str| cleaned(text, &secrets);
        let headers = shown.headers.iter().map(|(name, value)| {
            let value = value.to_str().unwrap_or("[no text]");
            (name.as_str().to_owned(), clean(value))
        });
        let mut transcript = Transcript {
            method: shown.method.as_str().to_owned(),
            url: clean(shown.url.as_str()),
            headers: headers.collect(),
            body: clean(&text(&shown.body)),
            ..Transcript::default()
        };
        let answer = match open.transport.exchange(request).await {
            Ok(answer) => answer,
            Err(failure) => return (Reply::failed(&failure, said(&failure, sent)), transcript),
        };
        transcript.status = Some(answer.status);
        let is_shown = |name: &str| !UNSHOWN.iter().any(|part| name.contains(part));
        let told = answer.headers.iter().filter(|(name, _)| is_shown(name));
        transcript.reply_headers = told.map(|(name, value)| (name.clone(), clean(value))).collect();
        transcript.reply = clean(&text(&answer.body));
        (self.judge(operation, answer, sent, &open), transcript)
    }
}

/// An answer as it may be kept for an appeal: its shape and what the standard read in it that is
/// no content. `None` where it simply took what was sent, or judged nothing wrong.
pub(super) fn kept(reading: &Reading, document: Option<&Document>) -> Option<String> {
    let is_taken = matches!(reading.outcome, Outcome::Accepted { .. } | Outcome::Exists { .. });
    let is_judged_wrong = |it: &RowJudgement| matches!(it.verdict, Some(Verdict::Failed { .. }));
    if reading.absent || is_taken && !reading.verdicts.iter().any(is_judged_wrong) {
        return None;
    }
    let Some(document) = document else { return Some("[no message of the standard]\n".to_owned()) };
    let mut keep = BTreeSet::from([reading.code.as_str()]);
    keep.extend(reading.upper_id.as_deref());
    if let Some(receipt) = &reading.receipt {
        keep.insert(receipt.id.as_str());
        keep.extend(receipt.digest.as_deref());
    }
    let reason = |it: &RowJudgement| match &it.verdict {
        Some(Verdict::Failed { reason }) if is_code(reason) => Some(reason.clone()),
        Some(Verdict::Failed { .. } | Verdict::Passed) | None => None,
    };
    let reasons: BTreeSet<String> = reading.verdicts.iter().filter_map(reason).collect();
    keep.extend(reasons.iter().map(String::as_str));
    Some(redacted(document, &keep))
}

/// A reason that is a code and not words, nor somebody's number.
fn is_code(reason: &str) -> bool {
    const MOST_BYTES: usize = 12;
    const MOST_DIGITS: usize = 4;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    reason.len() <= MOST_BYTES
        && reason.chars().all(is_plain)
        && reason.split(|it: char| !it.is_ascii_digit()).all(|run| run.len() <= MOST_DIGITS)
}

/// What went out, as far as anybody knows.
fn said(failure: &Failure, sent: DigestSha256) -> Option<DigestSha256> {
    match failure {
        Failure::NotSent { .. } | Failure::Incomplete { .. } => None,
        Failure::Unclear { .. } => Some(sent),
    }
}

/// A body's beginning as text.
fn text(body: &[u8]) -> String {
    let shown = body.get(..MOST_BYTES).unwrap_or(body);
    let mut text = String::from_utf8_lossy(shown).into_owned();
    if shown.len() < body.len() {
        text.push('…');
    }
    text
}

/// Every secret in the forms in which it may be repeated, with the word that stands for it; the
/// longest first.
fn secrets(open: &Open, token: Option<&Secret>) -> Vec<(String, String)> {
    let named = open.credentials.all().map(|(name, it)| (format!("[credential.{name}]"), it));
    let token = token.map(|it| ("[token]".to_owned(), it));
    let mut found = Vec::new();
    for (word, secret) in named.chain(token) {
        let bytes = secret.expose();
        found.extend(secret.expose_text().map(|text| (text.to_owned(), word.clone())));
        found.push((STANDARD.encode(bytes), word.clone()));
        found.push((Encoding::Hex.encode(bytes), word));
    }
    found.retain(|(text, _)| !text.is_empty());
    found.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    found
}

fn cleaned(text: &str, secrets: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (secret, word) in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), word);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_whatever_form_it_is_repeated() {
        let word = "[credential.secret]".to_owned();
        let forms = ["top secret", "dG9wIHNlY3JldA==", "746f7020736563726574"];
        let secrets: Vec<(String, String)> =
            forms.iter().map(|it| ((*it).to_owned(), word.clone())).collect();
        for form in forms {
            assert_eq!(cleaned(&format!("<a>{form}</a>"), &secrets), format!("<a>{word}</a>"));
        }
        assert_eq!(cleaned("nothing", &secrets), "nothing");
    }

    #[test]
    fn a_long_body_is_cut_and_says_so() {
        let long = vec![b'x'; MOST_BYTES + 1];
        assert!(text(&long).ends_with("x…"));
        assert_eq!(text(b"short"), "short");
    }
}
