//! The chain of one writer's day: each digest covers the fact and the digest before it.

use jiff::civil::Date;

use crate::delivery::DigestSha256;

use super::Fact;

/// What the first fact of a writer's day is chained to.
pub fn start(writer: &str, day: Date) -> DigestSha256 {
    let day = day.to_string();
    DigestSha256::of_parts([b"fact-chain-1\0", writer.as_bytes(), b"\0".as_slice(), day.as_bytes()])
}

/// The digest of `fact` after the one before it (or [`start`]).
pub fn chain(previous: DigestSha256, fact: &Fact) -> DigestSha256 {
    DigestSha256::of_parts([previous.0.as_slice(), &fact.encode()])
}

/// Where a chain is broken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("fact {number} of {day} by {writer}: {by}")]
pub struct Broken {
    /// Whose chain.
    pub writer: String,
    /// Which day.
    pub day: Date,
    /// The number that the fact should have.
    pub number: u64,
    /// What is wrong.
    pub by: BrokenBy,
}

/// What breaks a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BrokenBy {
    /// It is another writer's or another day's.
    #[error("belongs to another chain")]
    Stranger,
    /// A number is missing or comes twice.
    #[error("is not the next number")]
    Gap,
    /// Its digest is not that of its content after the one before.
    #[error("does not match its digest")]
    Digest,
    /// It names a cause or an amended fact of its own chain that comes no earlier.
    #[error("refers to a later fact")]
    Later,
    /// The chain ends before the head that the ledger keeps, or goes past it.
    #[error("is missing or too many")]
    Head,
}

/// A check of one writer's day, one fact after the other: for chains too long to hold at once.
#[derive(Debug)]
pub struct Walk<'w> {
    writer: &'w str,
    day: Date,
    number: u64,
    previous: DigestSha256,
}

impl<'w> Walk<'w> {
    /// Before the day's first fact.
    pub fn new(writer: &'w str, day: Date) -> Self {
        Self { writer, day, number: 0, previous: start(writer, day) }
    }

    /// The next fact with its stored digest.
    pub fn step(&mut self, fact: &Fact, digest: DigestSha256) -> Result<(), Broken> {
        self.number += 1;
        if *fact.id.writer != *self.writer || fact.id.day != self.day {
            return Err(self.broken(BrokenBy::Stranger));
        }
        if fact.id.number != self.number {
            return Err(self.broken(BrokenBy::Gap));
        }
        self.previous = chain(self.previous, fact);
        if self.previous != digest {
            return Err(self.broken(BrokenBy::Digest));
        }
        let is_later = |of: &super::FactId| {
            *of.writer == *self.writer && (of.day, of.number) >= (fact.id.day, fact.id.number)
        };
        if fact.cause.iter().chain(&fact.amends).any(is_later) {
            return Err(self.broken(BrokenBy::Later));
        }
        Ok(())
    }

    /// The day's last digest. See [`verify`] for `head`.
    pub fn end(mut self, head: Option<DigestSha256>) -> Result<DigestSha256, Broken> {
        if head.is_some_and(|head| head != self.previous) {
            self.number += 1;
            return Err(self.broken(BrokenBy::Head));
        }
        Ok(self.previous)
    }

    fn broken(&self, by: BrokenBy) -> Broken {
        Broken { writer: self.writer.to_owned(), day: self.day, number: self.number, by }
    }
}

/// Checks one writer's day from its first fact to its last and gives the last digest.
///
/// `facts` come in order, each with its stored digest. `head` is the day's last digest as kept
/// elsewhere (the next day's first fact, a backup, a bulletin): without it a chain that was cut
/// short at its end cannot be told from a whole one.
pub fn verify<'f>(
    writer: &str,
    day: Date,
    facts: impl IntoIterator<Item = (&'f Fact, DigestSha256)>,
    head: Option<DigestSha256>,
) -> Result<DigestSha256, Broken> {
    let mut walk = Walk::new(writer, day);
    for (fact, digest) in facts {
        walk.step(fact, digest)?;
    }
    walk.end(head)
}
