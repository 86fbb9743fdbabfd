//! What a month reads of the facts: kind after kind, a page at a time, never more than a page held.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::fact::{Fact, FactId};
use crate::indicator::lists::Lists;
use crate::indicator::tally::{REACHES, Reach, Span, Tally};
use crate::indicator::terms::{self, Terms};
use crate::ledger::{self, FactQuery, Horizon, Ledger, Place};

/// Facts that are held at once.
pub(super) const PAGE: u32 = 4_096;
/// Datasets that are asked about at once.
const SUBJECTS: usize = 500;
/// As exact as the ledger keeps times.
pub(super) const MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// A reading of a month's facts, up to a horizon that is fixed.
pub(in crate::app) struct Reading<'l> {
    ledger: &'l Ledger,
    datasets: Vec<String>,
    span: Span,
    horizon: Horizon,
    amended: Arc<BTreeSet<FactId>>,
    terms: Terms,
}

/// Where a reading goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::app) struct Mark {
    kind: usize,
    chunk: usize,
    place: Option<Place>,
}

impl Mark {
    /// The inverse of `Display`.
    pub(in crate::app) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, '/');
        let (kind, chunk) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let place = match words.next()? {
            "" => None,
            place => Some(Place::parse(place)?),
        };
        Some(Self { kind, chunk, place })
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.map_or_else(String::new, |place| place.to_string());
        write!(formatter, "{}/{}/{place}", self.kind, self.chunk)
    }
}

impl<'l> Reading<'l> {
    /// Of what a month needs over these lists, as they counted at its cut-off.
    pub(in crate::app) async fn new(
        ledger: &'l Ledger,
        lists: &Lists,
        span: Span,
        horizon: Horizon,
    ) -> ledger::Result<Self> {
        let amended = Arc::new(ledger.amended(horizon).await?);
        let terms = terms_of(ledger, span.to, horizon, &amended).await?;
        let lists = terms.keep(lists, span.to);
        let listed = lists.obligations.iter().map(|it| it.dataset.clone());
        let mut datasets: Vec<String> = listed.filter(|it| !it.is_empty()).collect();
        datasets.sort_unstable();
        datasets.dedup();
        Ok(Self { ledger, datasets, span, horizon, amended, terms })
    }

    /// The facts that others set right.
    pub(in crate::app) fn amended(&self) -> &BTreeSet<FactId> {
        &self.amended
    }

    /// The facts from a mark on, and where the next page begins; none when this was the last.
    pub(in crate::app) async fn page(
        &self,
        mark: Mark,
    ) -> ledger::Result<(Vec<Fact>, Option<Mark>)> {
        let Some((kind, reach)) = REACHES.get(mark.kind) else { return Ok((Vec::new(), None)) };
        let (kind, horizon, span) = (*kind, self.horizon, self.span);
        let query = |from, to| FactQuery { kind, from, to, horizon };
        let before = query(None, Some(span.to));
        let next_kind = Mark { kind: mark.kind + 1, ..Mark::default() };
        let next_kind = (next_kind.kind < REACHES.len()).then_some(next_kind);
        let query = match reach {
            Reach::Window => query(Some(span.from), Some(span.to)),
            // On the cut-off itself a case is still closed in time.
            Reach::Before => query(None, span.to.checked_add(MOMENT).ok()),
            Reach::Always => query(None, None),
            Reach::First | Reach::Last => {
                let mut chunks = self.datasets.chunks(SUBJECTS).skip(mark.chunk);
                let Some(subjects) = chunks.next() else { return Ok((Vec::new(), next_kind)) };
                let (subjects, amended) = (subjects.to_vec(), Arc::clone(&self.amended));
                let facts = if *reach == Reach::First {
                    self.ledger.first_facts(before, subjects, amended).await?
                } else {
                    self.ledger.last_facts(before, subjects, amended).await?
                };
                let further = Mark { chunk: mark.chunk + 1, ..mark };
                return Ok((facts, chunks.next().map(|_| further).or(next_kind)));
            }
        };
        let page = self.ledger.facts_of(query, mark.place, PAGE).await?;
        let further = page.next.map(|place| Mark { place: Some(place), ..mark });
        Ok((page.facts, further.or(next_kind)))
    }
}

/// What was promised and approved before `to`.
pub(super) async fn terms_of(
    ledger: &Ledger,
    to: Timestamp,
    horizon: Horizon,
    amended: &BTreeSet<FactId>,
) -> ledger::Result<Terms> {
    let mut terms = Terms::default();
    for kind in terms::KINDS {
        let query = FactQuery { kind, from: None, to: Some(to), horizon };
        let mut page = ledger.facts_of(query, None, PAGE).await?;
        loop {
            page.facts.iter().for_each(|fact| terms.add(fact, amended));
            let Some(next) = page.next else { break };
            page = ledger.facts_of(query, Some(next), PAGE).await?;
        }
    }
    Ok(terms)
}

/// Whether a tally keeps its counts by day, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Days {
    /// As sums of the whole span only.
    Summed,
    /// And by day.
    Kept,
}

/// The tally of a span over any lists, as they counted at its end. What only counts within the span is nearly all of it: that
/// is read in one go over its stretch of history, one fact at a time.
pub(super) async fn tally_over(
    ledger: &Ledger,
    lists: &Arc<Lists>,
    span: Span,
    horizon: Horizon,
    days: Days,
) -> ledger::Result<Tally<'static>> {
    let reading = Reading::new(ledger, lists, span, horizon).await?;
    let lists = reading.terms.keep(Arc::clone(lists), span.to);
    let mut tally = Tally::new(lists, span, reading.amended());
    if days == Days::Kept {
        tally.keep_days();
    }
    let mut counted = Vec::new();
    for (at, (kind, reach)) in REACHES.into_iter().enumerate() {
        if reach == Reach::Window {
            counted.push(kind);
        }
        if reach == Reach::Window || terms::KINDS.contains(&kind) {
            continue;
        }
        let mut mark = Some(Mark { kind: at, ..Mark::default() });
        while let Some(from) = mark.filter(|mark| mark.kind == at) {
            let (facts, next) = reading.page(from).await?;
            facts.iter().for_each(|fact| tally.add(fact));
            mark = next;
        }
    }
    let mut left = Some(ledger.stretch(counted, (span.from, span.to), horizon).await?);
    while let Some(stretch) = left {
        (tally, left) = ledger.each_fact(stretch, PAGE, tally, Tally::add).await?;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_one_spelling() {
        let place = Place::parse("17:4").unwrap();
        for mark in [
            Mark::default(),
            Mark { kind: 3, chunk: 2, place: None },
            Mark { kind: 3, chunk: 0, place: Some(place) },
        ] {
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }
        for bad in ["", "1/2", "a/1/", "1/1/x"] {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }
}
