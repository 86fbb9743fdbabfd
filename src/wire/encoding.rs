//! From a message's bytes to its characters.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, GBK, UTF_8};

use super::{Media, ReadError};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The characters of `bytes`: UTF-8 with or without a byte order mark, or, in XML, the GB18030, GBK
/// or GB2312 that it declares.
pub(super) fn decode(media: Media, bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    let wrong = |reason| ReadError::Encoding { reason };
    if matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, b'<', ..] | [b'<', 0, ..]) {
        return Err(wrong("UTF-16 and UTF-32 are not accepted"));
    }
    let (marked, body) = match bytes.strip_prefix(BOM) {
        Some(body) => (true, body),
        None => (false, bytes),
    };
    let encoding = match media {
        Media::Xml => declared(body).map_err(wrong)?,
        Media::Json => UTF_8,
    };
    if marked && encoding != UTF_8 {
        return Err(wrong("the byte order mark and the declaration contradict each other"));
    }
    encoding
        .decode_without_bom_handling_and_without_replacement(body)
        .ok_or_else(|| wrong("the bytes are not in the encoding declared (UTF-8 where none is)"))
}

/// The encoding of an XML declaration. The declaration is ASCII in every encoding accepted.
fn declared(body: &[u8]) -> Result<&'static Encoding, &'static str> {
    const LONGEST: usize = 256;
    let Some(rest) = body.strip_prefix(b"<?xml") else { return Ok(UTF_8) };
    if !rest.first().is_some_and(u8::is_ascii_whitespace) {
        return Ok(UTF_8);
    }
    let head = rest.get(..rest.len().min(LONGEST)).unwrap_or_default();
    let end = memchr::memmem::find(head, b"?>").ok_or("the XML declaration has no end")?;
    let declaration = str::from_utf8(head.get(..end).unwrap_or_default())
        .map_err(|_utf8| "the XML declaration is not ASCII")?;
    let Some((_, after)) = declaration.split_once("encoding") else { return Ok(UTF_8) };
    let value = after.trim_start().strip_prefix('=').map(str::trim_start);
    let quoted = value.and_then(|value| {
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value.get(1..)?.split_once(quote).map(|(name, _)| name)
    });
    match quoted.ok_or("the XML declaration has no encoding where it names one")? {
        name if name.eq_ignore_ascii_case("utf-8") => Ok(UTF_8),
        name if name.eq_ignore_ascii_case("gb18030") => Ok(GB18030),
        name if name.eq_ignore_ascii_case("gbk") || name.eq_ignore_ascii_case("gb2312") => Ok(GBK),
        _ => Err("the encoding declared is not accepted: UTF-8, GB18030, GBK and GB2312 are"),
    }
}

/// A limit, kept.
pub(super) fn at_most(found: usize, limit: usize, what: &'static str) -> Result<(), ReadError> {
    if found > limit { Err(ReadError::TooLarge { what, limit }) } else { Ok(()) }
}
