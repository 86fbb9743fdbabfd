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
    let mut previous = start(writer, day);
    let mut number = 0;
    for (fact, digest) in facts {
        number += 1;
        let broken = |by| Err(Broken { writer: writer.to_owned(), day, number, by });
        if *fact.id.writer != *writer || fact.id.day != day {
            return broken(BrokenBy::Stranger);
        }
        if fact.id.number != number {
            return broken(BrokenBy::Gap);
        }
        previous = chain(previous, fact);
        if previous != digest {
            return broken(BrokenBy::Digest);
        }
        let is_later = |of: &super::FactId| {
            *of.writer == *writer && (of.day, of.number) >= (fact.id.day, fact.id.number)
        };
        if fact.cause.iter().chain(&fact.amends).any(is_later) {
            return broken(BrokenBy::Later);
        }
    }
    if head.is_some_and(|head| head != previous) {
        let number = number + 1;
        return Err(Broken { writer: writer.to_owned(), day, number, by: BrokenBy::Head });
    }
    Ok(previous)
}
