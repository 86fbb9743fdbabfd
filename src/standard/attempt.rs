//! What is filled in when an attempt is made: slots of messages, headers, and what is signed.
//!
//! A template is text with `{word}` in it. Its words are those of [`TEMPLATE_WORDS`] and
//! `credential.NAME`; `{attempt.time PATTERN}` gives the time a pattern, `{credential.NAME.*}` is
//! the credential `NAME.OPERATION`, and `{field PATH}` a text of the body.

use jiff::Timestamp;

use super::build::format_time;
use super::problem::{Code, Problems};
use super::template::{Piece, pieces};
use crate::signing::{self, Encoding};
use crate::wire::{Document, Namespaces, Path};

/// The words of a template beside `credential.NAME`.
pub const TEMPLATE_WORDS: [&str; 13] = [
    "attempt.id",
    "attempt.number",
    "attempt.time",
    "attempt.nonce",
    "batch.id",
    "body",
    "body.sha256",
    "body.sm3",
    "request.method",
    "request.path",
    "request.operation",
    "token",
    "signature",
];

/// What an attempt is made of.
#[derive(Clone, Copy)]
pub struct AttemptFacts<'a> {
    /// The attempt's own name.
    pub id: &'a str,
    /// The ledger's number of it.
    pub number: u64,
    /// When it is made.
    pub time: Timestamp,
    /// A text that is never used twice.
    pub nonce: &'a str,
    /// The batch it sends, or the one a query is about.
    pub batch: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path as sent, without the query.
    pub path: &'a str,
    /// The body as sent, after compression; empty while slots of the body itself are filled.
    pub body: &'a [u8],
    /// SHA-256 of that body in lower-case hexadecimal.
    pub body_sha256: &'a str,
    /// The token that `[auth]` fetched.
    pub token: Option<&'a str>,
    /// What `[sign]` made of this very attempt.
    pub signature: Option<&'a str>,
    /// The body, read back for `{field PATH}`.
    pub document: Option<(&'a Document, &'a Namespaces)>,
    /// The standard's zone.
    pub zone: &'a str,
}

/// The text of a slot or template word; `None` for one that nothing fills.
pub fn word(
    name: &str,
    facts: &AttemptFacts<'_>,
    credential: &impl Fn(&str) -> Option<String>,
) -> Option<String> {
    if let Some(name) = name.strip_prefix("credential.") {
        return match name.strip_suffix(".*") {
            Some(start) => credential(&format!("{start}.{}", facts.operation)),
            None => credential(name),
        };
    }
    if let Some(path) = name.strip_prefix("field ") {
        let (document, namespaces) = facts.document?;
        let path = Path::parse(document.media(), path, namespaces).ok()?;
        return Some(document.text(&path).unwrap_or_default().to_owned());
    }
    Some(match name {
        "attempt.id" => facts.id.to_owned(),
        "attempt.number" => facts.number.to_string(),
        "attempt.time" => facts.time.to_string(),
        "attempt.nonce" => facts.nonce.to_owned(),
        "attempt.signature" | "signature" => facts.signature?.to_owned(),
        "batch.id" => facts.batch.to_owned(),
        "body" => std::str::from_utf8(facts.body).ok()?.to_owned(),
        "body.sha256" => facts.body_sha256.to_owned(),
        "body.sm3" => Encoding::Hex.encode(&signing::sm3([facts.body])),
        "request.method" => facts.method.to_owned(),
        "request.path" => facts.path.to_owned(),
        "request.operation" => facts.operation.to_owned(),
        "token" => facts.token?.to_owned(),
        _ => {
            let pattern = name.strip_prefix("attempt.time ")?;
            format_time(facts.time, pattern, facts.zone)?
        }
    })
}

/// Fills a template; `Err` names the word that nothing fills.
pub fn fill_template(
    template: &str,
    facts: &AttemptFacts<'_>,
    credential: &impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut text = String::new();
    for piece in pieces(template).unwrap_or_default() {
        match piece {
            Piece::Text(plain) => text.push_str(&plain),
            Piece::Word(name) => {
                text.push_str(&word(name, facts, credential).ok_or_else(|| name.to_owned())?);
            }
        }
    }
    Ok(text)
}

/// A part of what `[sign]` covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Covered {
    /// [`AttemptFacts::body`], byte by byte: it may be compressed, and no text at all.
    Body,
    /// A text. May hold a secret.
    Text(String),
}

/// What one template of `sign.over` covers, in order; `Err` names the word that nothing fills.
pub fn covered(
    template: &str,
    facts: &AttemptFacts<'_>,
    credential: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Covered>, String> {
    let pieces = pieces(template).unwrap_or_default().into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Text(plain) => Ok(Covered::Text(plain)),
            Piece::Word("body") => Ok(Covered::Body),
            Piece::Word(name) => {
                let text = word(name, facts, credential);
                text.map(Covered::Text).ok_or_else(|| name.to_owned())
            }
        })
        .collect()
}

/// Reports what is wrong with a template of `standard.toml`.
pub(super) fn check_template(template: &str, subject: &str, problems: &mut Problems<'_>) {
    let Some(pieces) = pieces(template) else {
        problems.add(Code::Value, None, subject, "a brace is not closed".to_owned());
        return;
    };
    for piece in pieces {
        let Piece::Word(name) = piece else { continue };
        let is_time = name
            .strip_prefix("attempt.time ")
            .is_some_and(|pattern| format_time(Timestamp::UNIX_EPOCH, pattern, "UTC").is_some());
        let is_credential = name.strip_prefix("credential.").is_some_and(|it| !it.is_empty());
        // Its path is judged where the media is known.
        let is_field = subject == "sign.over" && name.starts_with("field ");
        // What `[sign]` makes of a request is at hand in `[auth]` alone.
        let is_known =
            TEMPLATE_WORDS.contains(&name) && (name != "signature" || subject.starts_with("auth."));
        if is_time || is_credential || is_field || is_known {
            continue;
        }
        let what = format!("no such value `{name}` in a template");
        problems.add_unknown(Code::Value, (None, subject), what, name, TEMPLATE_WORDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> AttemptFacts<'static> {
        AttemptFacts {
            id: "a1",
            number: 7,
            time: Timestamp::from_second(1_700_000_000).unwrap(),
            nonce: "n",
            batch: "b1",
            operation: "entry.register",
            method: "POST",
            path: "/entries",
            body: b"<A/>",
            body_sha256: "00ff",
            token: None,
            signature: None,
            document: None,
            zone: "Asia/Shanghai",
        }
    }

    #[test]
    fn a_template_is_filled_or_says_what_is_missing() {
        let credential = |name: &str| (name == "id").then(|| "city-1".to_owned());
        let fill = |text: &str| fill_template(text, &facts(), &credential);
        assert_eq!(
            fill("{credential.id}:{attempt.time %Y%m%d%H%M%S}:{body.sha256}{{x}}"),
            Ok("city-1:20231115061320:00ff{x}".to_owned())
        );
        assert_eq!(fill("{attempt.time ms}"), Ok("1700000000000".to_owned()));
        assert_eq!(fill("Bearer {token}"), Err("token".to_owned()));
        assert_eq!(fill("{credential.key}"), Err("credential.key".to_owned()));
    }

    #[test]
    fn a_body_that_is_no_text_is_covered_as_its_bytes() {
        let credential = |name: &str| (name == "id").then(|| "city-1".to_owned());
        let facts = AttemptFacts { body: b"\xff\x00", ..facts() };
        let text = |text: &str| Covered::Text(text.to_owned());
        assert_eq!(
            covered("{credential.id}~{body}", &facts, &credential).unwrap(),
            [text("city-1"), text("~"), Covered::Body]
        );
        assert_eq!(covered("{body}{token}", &facts, &credential), Err("token".to_owned()));
    }

    #[test]
    fn a_wrong_template_is_reported_with_what_was_meant() {
        let mut list = Vec::new();
        let mut problems = Problems::new(&mut list, "standard.toml");
        check_template("{body.sha265} {attempt.time} {credential.x}", "sign.over", &mut problems);
        check_template("{body", "sign.over", &mut problems);
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].meant.as_deref(), Some("body.sha256"));
    }
}
