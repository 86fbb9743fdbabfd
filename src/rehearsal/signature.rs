//! Whether a request comes from whom it says, now, and for the first time.
//!
//! The headers of `[http]` are read backwards: a header written `{attempt.time %s}` gives that
//! word's text. `[sign]` then says over which words the signature goes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::hmac::{Hmac, KeyInit, Mac as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sm2::dsa::signature::Verifier as _;
use sm2::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use sm3::{Digest as _, Sm3};

use super::directory::{Directory, Sign};
use super::judge::{Message, hex};
use super::seal::unhex;
use super::tree::{Media, Node, Path, Spaces};

/// The value of the field that carries the signature.
const SIGNATURE: &str = "attempt.signature";

/// What was signed, as far as the request shows it.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) operation: &'a str,
    /// The body as it came, compressed or not; see [`signed_body`].
    pub(super) body: &'a [u8],
    /// Where `{field PATH}` is looked up.
    pub(super) fields: Option<(&'a Node, &'a Spaces, Media)>,
}

/// Why a request is not believed. No word of the request is in it.
pub(super) type Doubt = &'static str;

/// Judges identity, time and signature, and gives the number used once, where there is one.
pub(super) fn verify(
    message: &Message<'_>,
    signed: &Signed<'_>,
    credentials: &BTreeMap<String, String>,
    issued: &[&str],
    now: Timestamp,
) -> Result<Option<String>, Doubt> {
    let directory = message.directory;
    let mut words = bound(directory, message)?;
    know(&words, credentials, signed.operation)?;
    let Some(sign) = &directory.sign else { return Ok(None) };
    punctual(&words, sign, &directory.zone, now)?;
    let said = said_signature(sign, message).ok_or("signature is missing")?;
    complete(&mut words, credentials, signed.operation);
    let text = signed_text(sign, &words, signed)?;
    if sign.key == "token" {
        // A secret that is renewed early and one that is still good may both be in use.
        let is_good = |key: &&&str| holds(sign, key, &text, said).is_ok();
        issued.iter().find(is_good).ok_or("signature is wrong or its secret is no longer good")?;
    } else {
        let name = sign.key.strip_prefix("credential.").unwrap_or(&sign.key);
        let key = credentials.get(name).map(String::as_str);
        let key = if name.is_empty() { Some("") } else { key };
        holds(sign, key.ok_or("platform has no such key")?, &text, said)?;
    }
    Ok(words.get("attempt.nonce").cloned())
}

/// What was signed of the body: as it came, or, where the signature stands in it, without it.
pub(super) fn signed_body<'a>(
    message: &Message<'_>,
    body: &'a [u8],
    text: &'a str,
) -> Cow<'a, [u8]> {
    let is_inside = message.directory.sign.as_ref().is_some_and(|sign| sign.into == "body");
    match message.value(SIGNATURE).filter(|_| is_inside) {
        Some(said) => Cow::Owned(text.replacen(said, "", 1).into_bytes()),
        None => Cow::Borrowed(body),
    }
}

/// Whether every credential that the request shows is the one that was issued.
pub(super) fn know(
    words: &BTreeMap<String, String>,
    credentials: &BTreeMap<String, String>,
    operation: &str,
) -> Result<(), Doubt> {
    for (word, text) in words {
        let Some(name) = word.strip_prefix("credential.") else { continue };
        let own = name.strip_suffix(".*").map(|start| format!("{start}.{operation}"));
        if credentials.get(own.as_deref().unwrap_or(name)).is_some_and(|known| known != text) {
            return Err("credential is not the one that was issued");
        }
    }
    Ok(())
}

/// Whether the time that the request shows is near ours.
pub(super) fn punctual(
    words: &BTreeMap<String, String>,
    sign: &Sign,
    zone: &str,
    now: Timestamp,
) -> Result<(), Doubt> {
    let Some((word, text)) = words.iter().find(|(word, _)| is_time(word)) else { return Ok(()) };
    let at = instant(word, text, zone).ok_or("time cannot be read")?;
    if now.duration_since(at).unsigned_abs() > sign.tolerance() {
        return Err("clock is too far from the platform's");
    }
    Ok(())
}

/// Adds the credentials that the request does not show.
pub(super) fn complete(
    words: &mut BTreeMap<String, String>,
    credentials: &BTreeMap<String, String>,
    operation: &str,
) {
    for (name, value) in credentials {
        words.entry(format!("credential.{name}")).or_insert_with(|| value.clone());
        if let Some(start) = name.strip_suffix(operation) {
            words.entry(format!("credential.{start}*")).or_insert_with(|| value.clone());
        }
    }
}

fn is_time(word: &str) -> bool {
    word == "attempt.time" || word.starts_with("attempt.time ")
}

/// The words that the request shows, from headers of `[http]` and fields of the message.
fn bound(directory: &Directory, message: &Message<'_>) -> Result<BTreeMap<String, String>, Doubt> {
    let mut words = BTreeMap::new();
    for (name, template) in &directory.headers {
        let said = match message.headers.get(&name.to_ascii_lowercase()) {
            Some(said) => said,
            // Not every request is about a batch.
            None if template.contains("{batch.id}") || !template.contains('{') => continue,
            None => return Err("a header is missing"),
        };
        words.extend(bind(template, said)?);
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

/// The word of a template and the text that stands in its place; `None` for a template without
/// words, or with several, or with what `[auth]` gives.
pub(super) fn bind(template: &str, said: &str) -> Result<Option<(String, String)>, Doubt> {
    let Some((before, rest)) = template.split_once('{') else { return Ok(None) };
    let Some((word, after)) = rest.split_once('}') else { return Ok(None) };
    let (word, several) = (word.trim(), after.contains('{'));
    if several || word == "token" || before.ends_with('{') {
        return Ok(None);
    }
    let text = said.strip_prefix(before).and_then(|text| text.strip_suffix(after));
    let text = text.ok_or("a header or field is not written as it should be")?;
    Ok(Some((word.to_owned(), text.to_owned())))
}

fn said_signature<'a>(sign: &Sign, message: &'a Message<'_>) -> Option<&'a str> {
    if sign.into == "body" {
        return message.value(SIGNATURE);
    }
    let said = match sign.into.split_once(':') {
        Some(("query", name)) => message.query.get(name),
        Some((_, name)) => message.headers.get(&name.to_ascii_lowercase()),
        None => message.headers.get(&sign.into.to_ascii_lowercase()),
    };
    said.map(String::as_str)
}

pub(super) fn signed_text(
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
        "body.sm3" => hex(&Sm3::digest(signed.body)).into_bytes(),
        "request.method" => signed.method.as_bytes().to_vec(),
        "request.path" => signed.path.as_bytes().to_vec(),
        "request.operation" => signed.operation.as_bytes().to_vec(),
        _ if name.starts_with("field ") => {
            let (document, spaces, media) = signed.fields?;
            let path = Path::parse(media, name.strip_prefix("field ")?.trim());
            path.texts(document, spaces).first().copied().unwrap_or_default().as_bytes().to_vec()
        }
        // A time may be shown in a header and signed under the same word without its format.
        _ => {
            let same = |known: &&String| is_time(known) && is_time(name);
            let found = words.get(name).or_else(|| words.get(words.keys().find(same)?.as_str()))?;
            found.as_bytes().to_vec()
        }
    })
}

/// Whether `said` is the signature of `text` under `key`.
pub(super) fn holds(sign: &Sign, key: &str, text: &[u8], said: &str) -> Result<(), Doubt> {
    let bytes = match sign.encode.as_deref() {
        Some("hex" | "hex-upper") => unhex(said),
        _ => STANDARD.decode(said).ok(),
    };
    let bytes = bytes.ok_or("signature is not written as it should be")?;
    if sign.algorithm == "sm2" {
        return is_pairs(sign, key, text, &bytes).ok_or("signature is wrong");
    }
    aws_lc_rs::constant_time::verify_slices_are_equal(&bytes, &tag(sign, key, text)?)
        .map_err(|_unequal| "signature is wrong")
}

/// The digest of `text`, or its tag under a shared key.
fn tag(sign: &Sign, key: &str, text: &[u8]) -> Result<Vec<u8>, Doubt> {
    Ok(match sign.algorithm.as_str() {
        "hmac-sha256" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            hmac::sign(&key, text).as_ref().to_vec()
        }
        "hmac-sm3" => {
            let tag = <Hmac<Sm3> as KeyInit>::new_from_slice(key.as_bytes());
            let mut tag = tag.map_err(|_length| "platform has no such key")?;
            tag.update(text);
            tag.finalize().into_bytes().to_vec()
        }
        "sha256" => digest::digest(&digest::SHA256, text).as_ref().to_vec(),
        "sm3" => Sm3::digest(text).to_vec(),
        _ => return Err("platform does not know the algorithm"),
    })
}

fn identity(sign: &Sign) -> &str {
    sign.identity.as_deref().unwrap_or("1234567812345678")
}

/// Whether it is the SM2 signature of the pair that this PEM holds, or half holds.
fn is_pairs(sign: &Sign, pem: &str, text: &[u8], said: &[u8]) -> Option<()> {
    let public = sm2::PublicKey::from_public_key_pem(pem).ok();
    let public = public.or_else(|| Some(sm2::SecretKey::from_pkcs8_pem(pem).ok()?.public_key()))?;
    let key = sm2::dsa::VerifyingKey::new(identity(sign), public).ok()?;
    let signature = match sign.form.as_deref() {
        Some("raw") => sm2::dsa::Signature::from_slice(said).ok()?,
        _ => sm2::dsa::Signature::from_der(said).ok()?,
    };
    key.verify(text, &signature).ok()
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
    fn single_fields_are_taken_from_the_message() {
        let document = super::super::tree::read(Media::Json, br#"{"a":{"b":"x<"},"c":7}"#).unwrap();
        let sign = Sign {
            over: ["{field a.b}", "{field c}", "{field none}"].map(str::to_owned).to_vec(),
            join: "|".to_owned(),
            ..Sign::default()
        };
        let spaces = Spaces::new();
        let fields = Some((&document, &spaces, Media::Json));
        let signed = Signed { method: "POST", path: "/", operation: "", body: b"", fields };
        assert_eq!(signed_text(&sign, &BTreeMap::new(), &signed).unwrap(), b"x<|7|");
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
        let signed = Signed { method: "POST", path: "/", operation: "", body: b"", fields: None };
        let text = signed_text(&sign, &words, &signed).unwrap();
        let said = "GWOAWOoyDx39Ft8iISL/jyveKqKJVcnCCYwkLRVOzYo=";
        assert_eq!(holds(&sign, "SECRET", &text, said), Ok(()));
        assert!(holds(&sign, "SECRET.", &text, said).is_err());
    }
}
