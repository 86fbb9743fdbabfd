//! Whether a request comes from whom it says, now, and for the first time.
//!
//! The headers of `[http]` are read backwards: a header written `{attempt.time %s}` gives that
//! word's text. `[sign]` then says over which words the signature goes.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::directory::{Directory, Sign};
use super::judge::{Message, hex};

/// What was signed, as far as the request shows it.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) operation: &'a str,
    /// The body as it came, compressed or not.
    pub(super) body: &'a [u8],
}

/// Why a request is not believed. No word of the request is in it.
pub(super) type Doubt = &'static str;

/// Judges identity, time and signature, and gives the number used once, where there is one.
pub(super) fn verify(
    message: &Message<'_>,
    signed: &Signed<'_>,
    credentials: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Option<String>, Doubt> {
    let directory = message.directory;
    let mut words = bound(directory, message)?;
    for (word, text) in &words {
        let Some(name) = word.strip_prefix("credential.") else { continue };
        if credentials.get(name).is_some_and(|known| known != text) {
            return Err("credential is not the one that was issued");
        }
    }
    let Some(sign) = &directory.sign else { return Ok(None) };
    let time = words.iter().find(|(word, _)| is_time(word));
    if let Some((word, text)) = time {
        let at = instant(word, text, &directory.zone).ok_or("time cannot be read")?;
        let apart = now.duration_since(at).unsigned_abs();
        if apart > sign.tolerance() {
            return Err("clock is too far from the platform's");
        }
    }
    let said = said_signature(sign, message).ok_or("signature is missing")?;
    for (name, value) in credentials {
        words.entry(format!("credential.{name}")).or_insert_with(|| value.clone());
    }
    let text = signed_text(sign, &words, signed)?;
    let key = sign.key.strip_prefix("credential.").unwrap_or(&sign.key);
    let key = credentials.get(key).ok_or("platform has no such key")?;
    let expected = tag(sign, key.as_bytes(), &text)?;
    let said = match sign.encode.as_deref() {
        Some("hex") => said.to_ascii_lowercase(),
        _ => said.to_owned(),
    };
    if said.len() != expected.len()
        || aws_lc_rs::constant_time::verify_slices_are_equal(said.as_bytes(), expected.as_bytes())
            .is_err()
    {
        return Err("signature is wrong");
    }
    Ok(words.get("attempt.nonce").cloned())
}

/// The signature of a request whose words are `words`, as whoever holds the credentials makes it;
/// `None` where the standard has none.
pub(super) fn sign(
    directory: &Directory,
    words: &BTreeMap<String, String>,
    signed: &Signed<'_>,
    credentials: &BTreeMap<String, String>,
) -> Result<Option<String>, Doubt> {
    let Some(sign) = &directory.sign else { return Ok(None) };
    let mut words = words.clone();
    for (name, value) in credentials {
        words.entry(format!("credential.{name}")).or_insert_with(|| value.clone());
    }
    let text = signed_text(sign, &words, signed)?;
    let name = sign.key.strip_prefix("credential.").unwrap_or(&sign.key);
    let key = credentials.get(name).map(String::as_bytes).unwrap_or_default();
    tag(sign, key, &text).map(Some)
}

fn is_time(word: &str) -> bool {
    word == "attempt.time" || word.starts_with("attempt.time ")
}

/// The words that the request shows, from headers of `[http]` and fields of the message.
fn bound(directory: &Directory, message: &Message<'_>) -> Result<BTreeMap<String, String>, Doubt> {
    let mut words = BTreeMap::new();
    for (name, template) in &directory.headers {
        let Some((before, rest)) = template.split_once('{') else { continue };
        let Some((word, after)) = rest.split_once('}') else { continue };
        let (word, several) = (word.trim(), after.contains('{'));
        if several || word == "token" || before.ends_with('{') {
            continue;
        }
        let said = match message.headers.get(&name.to_ascii_lowercase()) {
            Some(said) => said,
            // Not every request is about a batch.
            None if word == "batch.id" => continue,
            None => return Err("a header is missing"),
        };
        let text = said
            .strip_prefix(before)
            .and_then(|text| text.strip_suffix(after))
            .ok_or("a header is not written as it should be")?;
        words.insert(word.to_owned(), text.to_owned());
    }
    for field in &message.operation.fields {
        let is_slot =
            ["attempt.", "credential."].iter().any(|start| field.value.starts_with(start));
        // A time in the body is judged by its field; the header's time is what is signed.
        if is_slot
            && !is_time(&field.value)
            && let Some(text) = message.value(&field.value)
        {
            words.entry(field.value.clone()).or_insert_with(|| text.to_owned());
        }
    }
    Ok(words)
}

fn said_signature<'a>(sign: &Sign, message: &'a Message<'_>) -> Option<&'a str> {
    let said = match sign.into.split_once(':') {
        Some(("query", name)) => message.query.get(name),
        Some((_, name)) => message.headers.get(&name.to_ascii_lowercase()),
        None => message.headers.get(&sign.into.to_ascii_lowercase()),
    };
    said.map(String::as_str)
}

fn signed_text(
    sign: &Sign,
    words: &BTreeMap<String, String>,
    signed: &Signed<'_>,
) -> Result<Vec<u8>, Doubt> {
    let mut text = Vec::new();
    for (at, template) in sign.over.iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(sign.join.as_bytes());
        }
        let mut rest = template.as_str();
        if !rest.contains('{') && word(rest, words, signed).is_some() {
            text.extend(word(rest, words, signed).unwrap_or_default());
            continue;
        }
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a template is broken")?;
            text.extend_from_slice(before.as_bytes());
            text.extend(word(name.trim(), words, signed).ok_or("a signed word is unknown")?);
            rest = after;
        }
        text.extend_from_slice(rest.as_bytes());
    }
    Ok(text)
}

fn word(name: &str, words: &BTreeMap<String, String>, signed: &Signed<'_>) -> Option<Vec<u8>> {
    let sha256 = || digest::digest(&digest::SHA256, signed.body);
    Some(match name {
        "body" => signed.body.to_vec(),
        "body.sha256" => hex(sha256().as_ref()).into_bytes(),
        "request.method" => signed.method.as_bytes().to_vec(),
        "request.path" => signed.path.as_bytes().to_vec(),
        "request.operation" => signed.operation.as_bytes().to_vec(),
        // A time may be shown in a header and signed under the same word without its format.
        _ => {
            let same = |known: &&String| is_time(known) && is_time(name);
            let found = words.get(name).or_else(|| words.get(words.keys().find(same)?.as_str()))?;
            found.as_bytes().to_vec()
        }
    })
}

fn tag(sign: &Sign, key: &[u8], text: &[u8]) -> Result<String, Doubt> {
    let bytes = match sign.algorithm.as_str() {
        "hmac-sha256" => {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
        }
        "sha256" => digest::digest(&digest::SHA256, text).as_ref().to_vec(),
        _ => return Err("platform does not know the algorithm"),
    };
    Ok(match sign.encode.as_deref() {
        Some("hex") => hex(&bytes),
        _ => STANDARD.encode(&bytes),
    })
}

/// An instant as `attempt.time FORMAT` writes it.
fn instant(word: &str, text: &str, zone: &str) -> Option<Timestamp> {
    let format = word.strip_prefix("attempt.time").unwrap_or_default().trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 14 {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            13 => Timestamp::from_millisecond(number).ok(),
            _ => Timestamp::from_second(number).ok(),
        };
    }
    if format.is_empty() {
        return text.parse().ok();
    }
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    let zone = TimeZone::get(zone).ok()?;
    let local = || zone.to_timestamp(parsed.to_datetime().ok()?).ok();
    parsed.to_timestamp().ok().or_else(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_their_formats() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let read = |word: &str, text: &str| instant(word, text, "Asia/Shanghai");
        assert_eq!(read("attempt.time %s", "1700000000"), Some(at));
        assert_eq!(read("attempt.time %Q", "1700000000000"), Some(at));
        assert_eq!(read("attempt.time %Y-%m-%d %H:%M:%S", "2023-11-15 06:13:20"), Some(at));
        assert_eq!(read("attempt.time", "2023-11-14T22:13:20Z"), Some(at));
        assert_eq!(read("attempt.time", "yesterday"), None);
    }

    #[test]
    fn the_known_vector_is_signed_alike() {
        // facts §4.5: HMAC-SHA256 over sid, rid and rtime.
        let sign = Sign {
            algorithm: "hmac-sha256".to_owned(),
            over: ["{credential.sid}", "{credential.rid}", "{attempt.time %s}"]
                .map(str::to_owned)
                .to_vec(),
            ..Sign::default()
        };
        let words = [
            ("credential.sid", "SID-1"),
            ("credential.rid", "RID-1"),
            ("attempt.time %s", "1700000000000"),
        ];
        let words = words.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let signed = Signed { method: "POST", path: "/", operation: "", body: b"" };
        let text = signed_text(&sign, &words, &signed).unwrap();
        let said = tag(&sign, b"SECRET", &text).unwrap();
        assert_eq!(said, "GWOAWOoyDx39Ft8iISL/jyveKqKJVcnCCYwkLRVOzYo=");
    }
}
