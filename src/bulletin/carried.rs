//! What was carried within a period, and how well that is proven: sums over facts, in any order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::delivery::{Evidence, RejectKind};
use crate::fact::{Fact, FactId, Kind};

/// The most rules and codes that are told apart; the rest is counted together.
const MOST_CODES: usize = 20_000;

/// The kinds of facts that are looked at, by their words.
pub const KINDS: [&str; 5] =
    ["confirmed", "placed", "rejected", "standard-required", "standard-in-force"];

/// Rows by their evidence, rejects by rule, and changes of standard.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// From here …
    from: Timestamp,
    /// … until here.
    to: Timestamp,
    known_by: Timestamp,
    /// Rows by the evidence that confirms them; *placed* is never among them.
    pub confirmed: BTreeMap<Evidence, u64>,
    /// Rows that were put where the province fetches them, and of which nothing more is known.
    pub placed: u64,
    /// Rows turned away by our rules.
    pub here: u64,
    /// Rows that the province did not take, or took and failed.
    pub above: u64,
    /// Rows by subject, whether our rules turned them away, and the rule or code.
    pub codes: BTreeMap<(String, bool, String), u64>,
    /// Standards that were required or put in force, by time.
    pub changes: BTreeSet<(Timestamp, Change)>,
}

/// A change of standard.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Change {
    /// On which channel; empty where the fact names none.
    pub channel: String,
    /// Which standard.
    pub standard: String,
    /// The province asked for it; else we put it in force.
    pub is_required: bool,
}

impl Carried {
    /// Nothing yet, for `from` until before `to`, as known by then.
    pub fn new(from: Timestamp, to: Timestamp, known_by: Timestamp) -> Self {
        Self { from, to, known_by, ..Self::default() }
    }

    /// Takes a fact; one outside the time, or set right by another, changes nothing.
    pub fn add(&mut self, fact: &Fact, amended: &BTreeSet<FactId>) {
        let is_within = self.from <= fact.occurred && fact.occurred < self.to;
        if !is_within || fact.recorded > self.known_by || amended.contains(&fact.id) {
            return;
        }
        match &fact.kind {
            Kind::Confirmed { rows, evidence: Evidence::Placed } | Kind::Placed { rows } => {
                self.placed = self.placed.saturating_add(*rows);
            }
            Kind::Confirmed { rows, evidence } => {
                let sum = self.confirmed.entry(*evidence).or_default();
                *sum = sum.saturating_add(*rows);
            }
            Kind::Rejected { kind, code, rows } => self.reject(&fact.subject, *kind, code, *rows),
            Kind::StandardRequired { standard } => self.change(fact, standard.to_string(), true),
            Kind::StandardInForce { standard } => self.change(fact, standard.to_string(), false),
            Kind::Verdict { .. }
            | Kind::OverdueFrom { .. }
            | Kind::OverdueUntil { .. }
            | Kind::Link { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::PassCompleted { .. }
            | Kind::RuleCounted { .. }
            | Kind::Reconciled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::Probed { .. }
            | Kind::CaseOpened { .. }
            | Kind::CaseClosed { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Unmended { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::Stated { .. } => {}
        }
    }

    fn reject(&mut self, subject: &str, kind: RejectKind, code: &str, rows: u64) {
        let is_here = kind == RejectKind::Local;
        let side = if is_here { &mut self.here } else { &mut self.above };
        *side = side.saturating_add(rows);
        let key = (subject.to_owned(), is_here, code.to_owned());
        if self.codes.contains_key(&key) || self.codes.len() < MOST_CODES {
            let sum = self.codes.entry(key).or_default();
            *sum = sum.saturating_add(rows);
        }
    }

    fn change(&mut self, fact: &Fact, standard: String, is_required: bool) {
        let channel = fact.channel.as_ref().map_or_else(String::new, ToString::to_string);
        self.changes.insert((fact.occurred, Change { channel, standard, is_required }));
    }

    /// Every row that is confirmed by evidence above *placed*.
    pub fn confirmed_rows(&self) -> u64 {
        self.confirmed.values().fold(0, |sum, rows| sum.saturating_add(*rows))
    }

    /// The rules or codes of a subject with their rows, the most rows first.
    pub fn codes_of(&self, subject: &str, is_here: bool) -> Vec<(&str, u64)> {
        let first = (subject.to_owned(), is_here, String::new());
        let mut found: Vec<(&str, u64)> = self
            .codes
            .range(first..)
            .take_while(|((of, here, _), _)| of == subject && *here == is_here)
            .map(|((_, _, code), rows)| (code.as_str(), *rows))
            .collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        found
    }
}
