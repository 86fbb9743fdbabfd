//! A request as it came, and its body as far as it can be read.

use std::collections::BTreeMap;

use crate::standard::{Operation, Standard};
use crate::wire::{self, Compression, Document, Limits, Media};

/// A request as it came. `Debug` shows no header and no body.
pub(super) struct Request {
    pub(super) method: String,
    /// As sent, without the query.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// A body that could be read.
pub(super) struct Opened {
    pub(super) document: Option<Document>,
    pub(super) form: BTreeMap<String, String>,
    /// The body as it was before compression, where it is UTF-8.
    pub(super) text: String,
}

impl Opened {
    /// Decompressed, bounded and read. The reason holds no content.
    pub(super) fn read(
        standard: &Standard,
        operation: &Operation,
        request: &Request,
        limit: usize,
    ) -> Result<Self, String> {
        let mut opened = Self { document: None, form: BTreeMap::new(), text: String::new() };
        if request.body.is_empty() {
            return Ok(opened);
        }
        let encoding = request.headers.get("content-encoding").map_or("", String::as_str);
        let way = Compression::of_content_encoding(encoding)
            .ok_or_else(|| "content encoding is not known".to_owned())?;
        let plain = way.decompress(&request.body, limit).map_err(|error| error.to_string())?;
        let most = standard.limits().bytes.and_then(|it| usize::try_from(it).ok());
        if most.is_some_and(|most| plain.len() > most) {
            return Err("body is larger than the standard allows".to_owned());
        }
        if operation.body == "form" {
            opened.form = pairs(&String::from_utf8_lossy(&plain));
            return Ok(opened);
        }
        let said = request.headers.get("content-type").map(|it| Media::of_content_type(it));
        if said.is_some_and(|media| media != Some(standard.media())) {
            return Err("content type is not that of the standard".to_owned());
        }
        let limits = Limits { bytes: limit, ..Limits::default() };
        let read = wire::read(standard.media(), &plain, &limits);
        opened.document = Some(read.map_err(|error| error.to_string())?);
        opened.text = String::from_utf8(plain).unwrap_or_default();
        Ok(opened)
    }
}

/// Pairs of a query or a form, percent signs decoded.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name, true), unescaped(value, true))).collect()
}

/// Percent signs decoded; in a form a plus is a space.
pub(super) fn unescaped(text: &str, is_form: bool) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) if is_form => bytes.push(b' '),
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push((high << 4) | low);
                    rest = tail;
                }
                (None | Some(_), None | Some(_)) => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
