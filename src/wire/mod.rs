//! Messages and rows to bytes and back.
//!
//! * Reading: [`read`] turns a bounded reply, XML or JSON, into a plain tree ([`Document`]) in
//!   which a [`Path`] of a standard's table finds texts and lists.
//! * Writing: a [`Shape`], compiled from the paths of a message's table, writes a [`Payload`]: bytes
//!   with named slots that are filled when an attempt is made.
//! * Rows: a [`RowPlan`] appends rows to one reused buffer.
//!
//! Everything here is pure: no I/O, no clock, no logging.

mod compression;
mod document;
mod encoding;
mod escape;
mod json;
mod namespaces;
mod path;
mod payload;
mod raw;
mod redact;
mod rows;
mod shape;
#[cfg(test)]
mod tests;
mod xml;

pub use compression::{Compression, DecompressError};
pub use document::{Document, Form, Limits, Node, ReadError};
pub use escape::Escape;
pub use namespaces::{NamespaceError, Namespaces};
pub use path::{Path, PathError, Step};
pub use payload::{FillError, HIDDEN, Payload, PayloadError, Segment};
pub use raw::enclosed;
pub use redact::redacted;
pub use rows::{
    ColumnFormat, KeyPlace, Misshapen, NullForm, PlanProblem, Reason, RowColumn, RowPlan,
    RowReader, RowSpec, RowStyle, Unencodable,
};
pub use shape::{Field, Leaf, Leaves, Role, Shape, ShapeProblem, Unwritable, UnwritableReason};

/// What a message is written in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Media {
    /// XML 1.0.
    Xml,
    /// JSON (RFC 8259).
    Json,
}

impl Media {
    /// The medium of a content type such as `application/json; charset=utf-8`, `text/xml` or
    /// `application/soap+xml`.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let subtype = kind.rsplit('/').next().unwrap_or_default();
        match subtype {
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            other if other.ends_with("+json") => Some(Self::Json),
            other if other.ends_with("+xml") => Some(Self::Xml),
            _ => None,
        }
    }
}

/// Reads a whole message strictly and within `limits`.
///
/// XML: UTF-8 (with or without a byte order mark) or declared GB18030, GBK or GB2312; namespaces
/// resolved; a document type declaration, an entity that is not one of the five predefined, or a
/// processing instruction that asks for anything is refused. JSON: UTF-8, no duplicate members;
/// numbers keep their text. Malformed bytes end in an error, never in a panic.
pub fn read(media: Media, bytes: &[u8], limits: &Limits) -> Result<Document, ReadError> {
    if bytes.len() > limits.bytes {
        return Err(ReadError::TooLarge { what: "message", limit: limits.bytes });
    }
    let text = encoding::decode(media, bytes)?;
    match media {
        Media::Xml => xml::read(&text, limits),
        Media::Json => json::read(&text, limits),
    }
}
