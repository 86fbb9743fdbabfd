//! Immutable lines of history: what happened, when, why, and what it amends.
//!
//! Every number that is shown later (measures, scores, bulletins) is computed from facts alone. A
//! fact is never changed; a mistake is amended by a later one that names it. Facts are numbered
//! and chained per writer and day: each digest covers the one before it, so that a line taken out,
//! put in, moved or altered breaks the chain from there on ([`verify`]).
//!
//! The canonical form ([`Fact::encode`]) is a version word and the fields as texts, each with its
//! length before it: equal facts have equal bytes on every machine. It holds no row content, key in
//! clear or secret; whoever makes a fact keeps to that, keys appear as their keyed digests.

mod chain;
mod kind;

pub use chain::{Broken, BrokenBy, Walk, chain, start, verify};
pub use kind::{JobAct, Kind};

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::delivery::ChannelId;

/// What names a fact: who wrote it, on which day (UTC), and which one of that day.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FactId {
    /// The writer: one ledger incarnation, or a tool. Without `/`.
    pub writer: Arc<str>,
    /// The day it was recorded, in UTC.
    pub day: Date,
    /// Counted from 1, without gaps.
    pub number: u64,
}

impl FactId {
    /// The inverse of `Display`: `writer/2026-11-22/17`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (writer, day, number) = (parts.next()?, parts.next()?, parts.next()?);
        let id =
            Self { writer: writer.into(), day: day.parse().ok()?, number: number.parse().ok()? };
        // Only the one canonical spelling: `017` names nothing.
        (!writer.is_empty() && id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for FactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.writer, self.day, self.number)
    }
}

/// One line of history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact {
    /// What names it.
    pub id: FactId,
    /// The channel it happened on, where it is about one.
    pub channel: Option<ChannelId>,
    /// What happened.
    pub kind: Kind,
    /// What it happened to: a dataset, `kind:id` of an object, a standard, a job.
    pub subject: String,
    /// When it happened, as far as is known.
    pub occurred: Timestamp,
    /// When it was written down.
    pub recorded: Timestamp,
    /// The fact that led to it.
    pub cause: Option<FactId>,
    /// The fact it sets right.
    pub amends: Option<FactId>,
}

/// Stored bytes that are no fact: damage, or a newer version. Never read as a default.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// Another version of the canonical form.
    #[error("fact of an unknown version")]
    Version,
    /// The bytes end early, or more follow.
    #[error("fact of the wrong length")]
    Length,
    /// A field is not what it should be.
    #[error("fact with an unreadable {0}")]
    Field(&'static str),
}

/// The first field of every encoded fact.
const VERSION: &str = "fact-1";
/// Longest encoding that is read, in bytes.
const MOST_BYTES: usize = 1 << 20;

impl Fact {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let optional = |id: &Option<FactId>| id.as_ref().map_or(String::new(), FactId::to_string);
        let channel = self.channel.as_ref().map_or("", ChannelId::as_str);
        for text in [
            VERSION,
            &self.id.to_string(),
            channel,
            &self.subject,
            &self.occurred.to_string(),
            &self.recorded.to_string(),
            &optional(&self.cause),
            &optional(&self.amends),
            self.kind.as_str(),
        ] {
            put(text, &mut bytes);
        }
        let fields = self.kind.fields();
        // An optional last field that was cut off must not go unnoticed.
        put(&fields.len().to_string(), &mut bytes);
        for (name, value) in fields {
            put(name, &mut bytes);
            put(&value, &mut bytes);
        }
        bytes
    }

    /// The inverse of [`Fact::encode`]; refuses whatever `encode` would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MOST_BYTES {
            return Err(Unreadable::Length);
        }
        let mut rest = bytes;
        if take(&mut rest)? != VERSION {
            return Err(Unreadable::Version);
        }
        let id = FactId::parse(take(&mut rest)?).ok_or(Unreadable::Field("id"))?;
        let channel = Some(take(&mut rest)?).filter(|text| !text.is_empty()).map(ChannelId::from);
        let subject = take(&mut rest)?.to_owned();
        let occurred = instant(take(&mut rest)?, "occurred")?;
        let recorded = instant(take(&mut rest)?, "recorded")?;
        let cause = optional(take(&mut rest)?, "cause")?;
        let amends = optional(take(&mut rest)?, "amends")?;
        let word = take(&mut rest)?;
        let count: usize = take(&mut rest)?.parse().map_err(|_bad| Unreadable::Field("count"))?;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            fields.push((take(&mut rest)?, take(&mut rest)?));
        }
        if fields.len() != count {
            return Err(Unreadable::Length);
        }
        let kind = Kind::from_fields(word, &fields).ok_or(Unreadable::Field("kind"))?;
        let fact = Self { id, channel, kind, subject, occurred, recorded, cause, amends };
        // One fact has one form.
        if fact.encode() == bytes { Ok(fact) } else { Err(Unreadable::Field("spelling")) }
    }
}

fn put(text: &str, into: &mut Vec<u8>) {
    // A text that long is refused on reading by its bytes.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(text.as_bytes());
}

fn take<'b>(rest: &mut &'b [u8]) -> Result<&'b str, Unreadable> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(Unreadable::Length)?;
    let length =
        usize::try_from(u32::from_be_bytes(*length)).map_err(|_wide| Unreadable::Length)?;
    let (text, after) = after.split_at_checked(length).ok_or(Unreadable::Length)?;
    *rest = after;
    std::str::from_utf8(text).map_err(|_bad| Unreadable::Field("text"))
}

fn instant(text: &str, field: &'static str) -> Result<Timestamp, Unreadable> {
    text.parse().map_err(|_bad| Unreadable::Field(field))
}

fn optional(text: &str, field: &'static str) -> Result<Option<FactId>, Unreadable> {
    match text {
        "" => Ok(None),
        text => FactId::parse(text).map(Some).ok_or(Unreadable::Field(field)),
    }
}

#[cfg(test)]
mod tests;
