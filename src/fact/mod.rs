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
mod form;
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
        let (writer, day, number) = id_parts(text)?;
        Some(Self { writer: writer.into(), day, number })
    }
}

/// What an id is made of; only the one canonical spelling: `017` names nothing.
fn id_parts(text: &str) -> Option<(&str, Date, u64)> {
    let mut parts = text.split('/');
    let (writer, day, number) = (parts.next()?, parts.next()?, parts.next()?);
    let (day, number) = (form::day(day)?, form::count(number)?);
    let is_one = !writer.is_empty() && parts.next().is_none();
    is_one.then_some((writer, day, number))
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
/// No kind has more fields.
const MOST_FIELDS: usize = 8;
/// Before each text, how long it is.
const LENGTH_BYTES: usize = 4;

impl Fact {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let optional = |id: &Option<FactId>, bytes: &mut Vec<u8>| match id {
            Some(id) => put(id, bytes),
            None => put(&"", bytes),
        };
        put(&VERSION, &mut bytes);
        put(&self.id, &mut bytes);
        put(&self.channel.as_ref().map_or("", ChannelId::as_str), &mut bytes);
        put(&self.subject, &mut bytes);
        put(&self.occurred, &mut bytes);
        put(&self.recorded, &mut bytes);
        optional(&self.cause, &mut bytes);
        optional(&self.amends, &mut bytes);
        put(&self.kind.as_str(), &mut bytes);
        let (mut count, mut fields) = (0_usize, Vec::with_capacity(128));
        self.kind.each_field(&mut |name, value| {
            put(&name, &mut fields);
            put(&value, &mut fields);
            count += 1;
        });
        // An optional last field that was cut off must not go unnoticed.
        put(&count, &mut bytes);
        bytes.append(&mut fields);
        bytes
    }

    /// The inverse of [`Fact::encode`]; refuses whatever `encode` would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let parts = Parts::read(bytes)?;
        let (writer, day, number) = parts.id;
        Ok(Self {
            id: FactId { writer: writer.into(), day, number },
            channel: (!parts.channel.is_empty()).then(|| ChannelId::from(parts.channel)),
            kind: parts.kind,
            subject: parts.subject.to_owned(),
            occurred: parts.occurred,
            recorded: parts.recorded,
            cause: parts.cause,
            amends: parts.amends,
        })
    }

    /// [`Fact::decode`] in place of this one, with its room: for reading many one by one.
    ///
    /// # Errors
    /// As `decode`; this fact stays as it was.
    pub fn refill(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let parts = Parts::read(bytes)?;
        let (writer, day, number) = parts.id;
        if *self.id.writer != *writer {
            self.id.writer = writer.into();
        }
        (self.id.day, self.id.number) = (day, number);
        if self.channel.as_ref().map_or("", ChannelId::as_str) != parts.channel {
            let is_one = !parts.channel.is_empty();
            self.channel = is_one.then(|| ChannelId::from(parts.channel));
        }
        self.subject.clear();
        self.subject.push_str(parts.subject);
        self.kind = parts.kind;
        (self.occurred, self.recorded) = (parts.occurred, parts.recorded);
        (self.cause, self.amends) = (parts.cause, parts.amends);
        Ok(())
    }
}

/// A fact that is read, its texts where they lie.
struct Parts<'b> {
    id: (&'b str, Date, u64),
    channel: &'b str,
    subject: &'b str,
    occurred: Timestamp,
    recorded: Timestamp,
    cause: Option<FactId>,
    amends: Option<FactId>,
    kind: Kind,
}

impl<'b> Parts<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MOST_BYTES {
            return Err(Unreadable::Length);
        }
        let mut rest = bytes;
        if take(&mut rest)? != VERSION {
            return Err(Unreadable::Version);
        }
        let id = id_parts(take(&mut rest)?).ok_or(Unreadable::Field("id"))?;
        let (channel, subject) = (take(&mut rest)?, take(&mut rest)?);
        let occurred = instant(take(&mut rest)?, "occurred")?;
        let recorded = instant(take(&mut rest)?, "recorded")?;
        let cause = optional(take(&mut rest)?, "cause")?;
        let amends = optional(take(&mut rest)?, "amends")?;
        let (word, count) = (take(&mut rest)?, take(&mut rest)?);
        let count = form::count(count).ok_or(Unreadable::Field("count"))?;
        let mut fields = [("", ""); MOST_FIELDS];
        let mut found = 0;
        while !rest.is_empty() {
            let field = fields.get_mut(found).ok_or(Unreadable::Length)?;
            *field = (take(&mut rest)?, take(&mut rest)?);
            found += 1;
        }
        let fields = fields.get(..found).filter(|it| u64::try_from(it.len()) == Ok(count));
        let fields = fields.ok_or(Unreadable::Length)?;
        let kind = Kind::from_fields(word, fields).ok_or(Unreadable::Field("kind"))?;
        // One fact has one form: what is read is what `encode` would have written, name by name.
        let (mut left, mut is_one_form) = (fields.iter(), true);
        kind.each_field(&mut |name, value| {
            is_one_form &= left.next().is_some_and(|it| it.0 == name && value.is_written(it.1));
        });
        is_one_form &= left.next().is_none();
        let parts = Self { id, channel, subject, occurred, recorded, cause, amends, kind };
        if is_one_form { Ok(parts) } else { Err(Unreadable::Field("spelling")) }
    }
}

fn put(value: &dyn fmt::Display, into: &mut Vec<u8>) {
    use std::io::Write as _;

    let begin = into.len();
    into.extend_from_slice(&[0; LENGTH_BYTES]);
    // A vector takes whatever is written.
    let _written = write!(into, "{value}");
    // A text that long is refused on reading by its bytes.
    let length = into.len().saturating_sub(begin).saturating_sub(LENGTH_BYTES);
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = into.get_mut(begin..begin.saturating_add(LENGTH_BYTES)) {
        place.copy_from_slice(&length);
    }
}

fn take<'b>(rest: &mut &'b [u8]) -> Result<&'b str, Unreadable> {
    let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or(Unreadable::Length)?;
    let length =
        usize::try_from(u32::from_be_bytes(*length)).map_err(|_wide| Unreadable::Length)?;
    let (text, after) = after.split_at_checked(length).ok_or(Unreadable::Length)?;
    *rest = after;
    std::str::from_utf8(text).map_err(|_bad| Unreadable::Field("text"))
}

fn instant(text: &str, field: &'static str) -> Result<Timestamp, Unreadable> {
    form::instant(text).ok_or(Unreadable::Field(field))
}

fn optional(text: &str, field: &'static str) -> Result<Option<FactId>, Unreadable> {
    match text {
        "" => Ok(None),
        text => FactId::parse(text).map(Some).ok_or(Unreadable::Field(field)),
    }
}

#[cfg(test)]
mod tests;
