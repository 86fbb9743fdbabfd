//! Facts with their places in the ledger's chains, as a bundle carries them: a line each.
//!
//! A line holds the digest that a fact is chained to, its own digest, and its canonical bytes. So
//! anybody can compute that the fact is the one of that digest, and that neighbours are chained to
//! each other; that a chain's digests are the ledger's is what `score verify` of the daemon proves.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::evidence::Question;
use super::replay::{score_of, span};
use super::score::ItemScore;
use super::sources::Judged;
use super::tally::Tally;
use crate::delivery::DigestSha256;
use crate::fact::{Fact, FactId, chain, start};

/// A fact and where it is chained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledgered {
    /// The digest before.
    pub before: DigestSha256,
    /// Its own.
    pub digest: DigestSha256,
    /// The fact.
    pub fact: Fact,
}

/// A line that is no fact of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Unchained {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Ledgered {
    /// The line.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.before, self.digest, hex(&self.fact.encode()))
    }
}

/// Reads lines and proves each: its digest, and that neighbours are chained to each other.
///
/// # Errors
/// The first line that does not hold.
pub fn parse<'t>(lines: impl IntoIterator<Item = &'t str>) -> Result<Vec<Ledgered>, Unchained> {
    let mut facts = Vec::new();
    let mut known: BTreeMap<FactId, (DigestSha256, DigestSha256)> = BTreeMap::new();
    for (at, text) in lines.into_iter().enumerate() {
        let broken = |what| Unchained { line: at + 1, what };
        let it = one(text).ok_or_else(|| broken("no fact"))?;
        if chain(it.before, &it.fact) != it.digest {
            return Err(broken("the fact is not the one of its digest"));
        }
        let id = it.fact.id.clone();
        if id.number == 1 && it.before != start(&id.writer, id.day) {
            return Err(broken("the first of a day is chained to something else"));
        }
        if known.insert(id, (it.before, it.digest)).is_some() {
            return Err(broken("the fact comes twice"));
        }
        facts.push(it);
    }
    for (at, it) in facts.iter().enumerate() {
        let number = it.fact.id.number.saturating_sub(1);
        let before = known.get(&FactId { number, ..it.fact.id.clone() });
        if before.is_some_and(|(_, digest)| *digest != it.before) {
            return Err(Unchained { line: at + 1, what: "it is not chained to the fact before" });
        }
    }
    Ok(facts)
}

fn one(text: &str) -> Option<Ledgered> {
    let mut words = text.split(' ');
    let digest = |word: Option<&str>| -> Option<DigestSha256> {
        Some(DigestSha256(unhex(word?)?.try_into().ok()?))
    };
    let (before, own) = (digest(words.next())?, digest(words.next())?);
    let fact = Fact::decode(&unhex(words.next()?)?).ok()?;
    words.next().is_none().then_some(Ledgered { before, digest: own, fact })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Kinds of which every fact is kept: few, and what the letter tells of.
const ALWAYS: [&str; 6] = [
    "case-opened",
    "case-closed",
    "standard-required",
    "standard-in-force",
    "stated",
    "overdue-from",
];
/// How the subject of a channel's probes begins.
const CHANNEL: &str = "channel:";

/// The facts that an item hangs on: without the kinds that can be left out and the item stays as it
/// is, with all its figures and findings. What tells of outages of channels stays.
pub fn needed(question: &Question, judged: &Judged, facts: Vec<Ledgered>) -> Vec<Ledgered> {
    let stays = |it: &Ledgered| {
        ALWAYS.contains(&it.fact.kind.as_str()) || it.fact.subject.starts_with(CHANNEL)
    };
    let mut kinds: Vec<&'static str> = facts.iter().map(|it| it.fact.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let item = |kinds: &[&str]| -> Option<ItemScore> {
        let span = span(&judged.scheme, question.month, Timestamp::MAX);
        let mut tally = Tally::new(&judged.lists, span, &std::collections::BTreeSet::new());
        let taken = facts.iter().filter(|it| stays(it) || kinds.contains(&it.fact.kind.as_str()));
        taken.for_each(|it| tally.add(&it.fact));
        let score = score_of(&tally, &judged.scheme, &question.body, &judged.field);
        score.items.into_iter().find(|it| it.id == question.item)
    };
    let whole = item(&kinds);
    for kind in kinds.clone() {
        let without: Vec<&'static str> = kinds.iter().copied().filter(|it| *it != kind).collect();
        if !ALWAYS.contains(&kind) && item(&without) == whole {
            kinds = without;
        }
    }
    facts.into_iter().filter(|it| stays(it) || kinds.contains(&it.fact.kind.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::delivery::Evidence;
    use crate::fact::Kind;

    fn day() -> Vec<Ledgered> {
        let day = date(2026, 11, 22);
        let mut before = start("w", day);
        let made = (1..=4).map(|number| {
            let kind = Kind::Confirmed { rows: number, evidence: Evidence::Receipt };
            let at = Timestamp::from_second(1_790_000_000).unwrap();
            let fact = Fact {
                id: FactId { writer: "w".into(), day, number },
                channel: None,
                kind,
                subject: "数据一".to_owned(),
                occurred: at,
                recorded: at,
                cause: None,
                amends: None,
            };
            let digest = chain(before, &fact);
            let it = Ledgered { before, digest, fact };
            before = digest;
            it
        });
        made.collect()
    }

    fn lines(facts: &[Ledgered]) -> Vec<String> {
        facts.iter().map(Ledgered::line).collect()
    }

    fn read(lines: &[String]) -> Result<Vec<Ledgered>, Unchained> {
        parse(lines.iter().map(String::as_str))
    }

    #[test]
    fn lines_are_read_as_they_were_written_in_any_order_and_with_gaps() {
        let day = day();
        assert_eq!(read(&lines(&day)), Ok(day.clone()));
        let some = vec![day[3].clone(), day[0].clone()];
        assert_eq!(read(&lines(&some)), Ok(some));
    }

    #[test]
    fn a_fact_that_is_not_the_chains_is_named_by_its_line() {
        let day = day();
        let mut altered = day.clone();
        altered[2].fact.subject.push('x');
        let broken = |line, what| Err(Unchained { line, what });
        let first = "the fact is not the one of its digest";
        assert_eq!(read(&lines(&altered)), broken(3, first));
        // As somebody does who computes its digest anew: the next no longer fits.
        altered[2].digest = chain(altered[2].before, &altered[2].fact);
        assert_eq!(read(&lines(&altered)), broken(4, "it is not chained to the fact before"));
        let mut moved = day.clone();
        moved[0].before = DigestSha256([1; 32]);
        moved[0].digest = chain(moved[0].before, &moved[0].fact);
        let what = "the first of a day is chained to something else";
        assert_eq!(read(&lines(&moved[..1])), broken(1, what));
        let twice = vec![day[1].clone(), day[1].clone()];
        assert_eq!(read(&lines(&twice)), broken(2, "the fact comes twice"));
        let mut cut = lines(&day);
        cut[1].pop();
        assert_eq!(read(&cut), broken(2, "no fact"));
    }
}
