//! What a tally knows against what it counts: signs that numbers were made and not earned, and what
//! is left out for them until an approval answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Case, Known, Span, Stamp, Tally};
use crate::delivery::LinkState;
use crate::fact::{Fact, Kind};
use crate::indicator::doubts::{
    AROUND, AT_ONCE, Alike, Doubt, Doubted, FILLED_ASKED, HOLLOW_ROWS, SPLIT_ENTRIES,
    TOUCHED_PASSES, TOUCHED_ROWS, alike,
};
use crate::indicator::lists::{Exemption, Lists, Obligation};

/// The list of cases that people lay by themselves: what the province finds nobody here makes.
const LAID_BY_PEOPLE: &str = "requests";
/// The most names that show a doubt.
const MOST_NAMES: usize = 10;

/// What speaks against an obligation: bounded by its rules and resources, the same in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspect {
    /// Whole readings that found any change.
    changing: u32,
    /// Of them, those that found (nearly) all rows of a table changed, and its fewest and most rows.
    whole: u32,
    rows: Option<(u64, u64)>,
    whole_by: Option<Stamp>,
    /// The rows of the last whole reading.
    last: Option<(Stamp, u64)>,
    resent: u64,
    resent_by: Option<Stamp>,
    /// By rule: how often it was asked, and how often a waiver let pass.
    rules: BTreeMap<String, (u64, u64)>,
    ruled_by: Option<Stamp>,
    /// Taken down shortly before the span, and standing shortly after its beginning, by subject.
    down: BTreeMap<String, Stamp>,
    up: BTreeSet<String>,
}

fn later(known: &mut Option<Stamp>, stamp: &Stamp) {
    if known.as_ref().is_none_or(|it| it < stamp) {
        *known = Some(stamp.clone());
    }
}

impl Suspect {
    /// A whole or partial reading of its dataset.
    pub(super) fn read(&mut self, stamp: &Stamp, pass: Reading) {
        if pass.resent > 0 {
            self.resent = self.resent.saturating_add(pass.resent);
            later(&mut self.resent_by, stamp);
        }
        if pass.is_part {
            return;
        }
        if self.last.as_ref().is_none_or(|(known, _)| known < stamp) {
            self.last = Some((stamp.clone(), pass.seen));
        }
        self.changing = self.changing.saturating_add(u32::from(pass.changed > 0));
        // Hundredths: what is new is a change too, so that a table which only grows is none.
        let is_whole = pass.changed.saturating_mul(100) >= pass.seen.saturating_mul(95);
        if pass.seen >= TOUCHED_ROWS && is_whole {
            self.whole = self.whole.saturating_add(1);
            let (least, most) = self.rows.unwrap_or((pass.seen, pass.seen));
            self.rows = Some((least.min(pass.seen), most.max(pass.seen)));
            later(&mut self.whole_by, stamp);
        }
    }

    /// A rule's counts.
    pub(super) fn ruled(&mut self, stamp: &Stamp, rule: &str, executed: u64, waived: u64) {
        let known = match self.rules.get_mut(rule) {
            Some(known) => known,
            None => self.rules.entry(rule.to_owned()).or_default(),
        };
        *known = (known.0.saturating_add(executed), known.1.saturating_add(waived));
        later(&mut self.ruled_by, stamp);
    }

    /// A link's change around the beginning of the span: of its own end nobody knows yet what
    /// comes after.
    pub(super) fn linked(&mut self, fact: &Fact, stamp: &Stamp, to: LinkState, span: Span) {
        let (at, cut_off) = (fact.occurred, span.from);
        if to == LinkState::Withdrawn && at < cut_off && cut_off.duration_since(at) <= AROUND {
            let known = self.down.entry(fact.subject.clone()).or_insert_with(|| stamp.clone());
            if *known < *stamp {
                *known = stamp.clone();
            }
        }
        if to.is_held_above() && at >= cut_off && at.duration_since(cut_off) <= AROUND {
            self.up.insert(fact.subject.clone());
        }
    }

    /// The rule that most was let through of, where that is more than half: let through, asked.
    fn filled(&self) -> Option<(u64, u64)> {
        let of = self.rules.values().filter(|(asked, _)| *asked >= FILLED_ASKED);
        let doubted = of.filter(|(asked, waived)| waived.saturating_mul(2) > *asked);
        // The greater share: a/b > c/d where a·d > c·b.
        let share = |(asked, waived): (u64, u64), (other, let_through): (u64, u64)| {
            let (one, two) = (
                u128::from(waived) * u128::from(other),
                u128::from(let_through) * u128::from(asked),
            );
            one.cmp(&two)
        };
        let worst = doubted.copied().max_by(|a, b| share(*a, *b).then_with(|| a.cmp(b)));
        worst.map(|(asked, waived)| (waived.min(asked), asked))
    }
}

/// A reading, as a fact tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) seen: u64,
    pub(super) changed: u64,
    pub(super) resent: u64,
    pub(super) is_part: bool,
}

/// Something that counts less, and the fact that shows why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Held {
    pub(super) doubt: Doubt,
    pub(super) evidence: String,
    /// Counts that show it.
    pub(super) shown_by: String,
}

fn held(doubt: Doubt, stamp: Option<&Stamp>, shown_by: String) -> Held {
    Held { doubt, evidence: stamp.map_or_else(String::new, |it| it.2.to_string()), shown_by }
}

impl Known {
    /// The same rows were sent again: how many.
    pub(super) fn resent(&self) -> Option<(u64, Held)> {
        let of = &self.suspect;
        let shown = format!("resent {}", of.resent);
        (of.resent > 0).then(|| (of.resent, held(Doubt::Resent, of.resent_by.as_ref(), shown)))
    }

    /// Every reading that finds a change finds (nearly) all rows changed: how many there are.
    pub(super) fn touched(&self) -> Option<(u64, Held)> {
        let of = &self.suspect;
        let (least, most) = of.rows?;
        let is_still = most - least <= most / 100;
        let is_habit = of.whole >= TOUCHED_PASSES && of.whole == of.changing && is_still;
        let shown = format!("{} passes changed all of {most}", of.whole);
        is_habit.then(|| (most, held(Doubt::Touched, of.whole_by.as_ref(), shown)))
    }

    /// It stands above and has next to no rows.
    pub(super) fn hollow(&self) -> Option<Held> {
        let mut states = self.resources.values().flat_map(super::Links::values);
        if !states.any(|(_, state)| state.is_held_above()) {
            return None;
        }
        let compared = || {
            let (stamp, rows, _) = self.compared.as_ref()?;
            // A comparison of nothing may be one that could not be made.
            (*rows > 0).then_some((stamp, *rows))
        };
        let read = self.suspect.last.as_ref().map(|(stamp, rows)| (stamp, *rows));
        let (stamp, rows) = read.or_else(compared)?;
        (rows <= HOLLOW_ROWS).then(|| held(Doubt::Hollow, Some(stamp), format!("rows {rows}")))
    }

    /// Waivers let through most of what a rule was asked about: let through, asked.
    pub(super) fn filled(&self) -> Option<((u64, u64), Held)> {
        let (waived, asked) = self.suspect.filled()?;
        let shown = format!("waived {waived} of {asked}");
        Some(((waived, asked), held(Doubt::Filled, self.suspect.ruled_by.as_ref(), shown)))
    }
}

impl Case {
    /// How long it took, where that is too short for anybody to have asked anybody.
    pub(super) fn self_made(&self, list: &str) -> Option<Held> {
        let (first, closed) = (self.first.as_ref()?, self.closed.as_ref()?);
        let lasted = closed.0.0.duration_since(first.0);
        let is_made = list == LAID_BY_PEOPLE && !lasted.is_negative() && lasted < AT_ONCE;
        let shown = format!("{} min", lasted.as_mins());
        is_made.then(|| held(Doubt::SelfMade, Some(first), shown))
    }
}

/// The entries that count as one.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// By the place in the list of obligations: which group it belongs to.
    pub(super) of: BTreeMap<usize, usize>,
    all: Vec<(Alike, String)>,
}

impl Groups {
    /// Entries that were answered for stand for themselves; where too few are left, all do.
    pub(super) fn new(lists: &Lists, span: Span) -> Arc<Self> {
        let mut groups = Self::default();
        for found in alike(lists) {
            let exemption = |place: &usize| {
                let entry = &lists.obligations.get(*place)?.entry;
                lists.exemption(entry, Doubt::Split.measure(), span.day)
            };
            let open: Vec<usize> =
                found.places.iter().copied().filter(|at| exemption(at).is_none()).collect();
            let answer = found.places.iter().find_map(exemption).map_or_else(String::new, answer);
            let is_answered = open.len() < SPLIT_ENTRIES;
            if !is_answered {
                let number = groups.all.len();
                groups.of.extend(open.into_iter().map(|place| (place, number)));
            }
            groups.all.push((found, if is_answered { answer } else { String::new() }));
        }
        Arc::new(groups)
    }
}

fn answer(exemption: &Exemption) -> String {
    format!("{} · {}", exemption.approval, exemption.reason)
}

impl Tally<'_> {
    /// Whether an approval answers a doubt about an entry or a case.
    pub(super) fn is_answered(&self, subject: &str, doubt: Doubt) -> bool {
        self.lists.is_exempt(subject, doubt.measure(), self.span.day)
    }

    /// Everything that looks better than it is, in a fixed order; what an approval answers says so.
    pub fn doubts(&self) -> Vec<Doubted> {
        let mut found = Vec::new();
        for (obligation, known) in self.lists.obligations.iter().zip(&self.known) {
            self.of_an_entry(obligation, known, &mut found);
        }
        for ((list, subject), case) in &self.cases {
            let is_within = |at: &jiff::Timestamp| self.span.from <= *at && *at < self.span.to;
            let Some(first) = case.first.as_ref().filter(|it| is_within(&it.0)) else { continue };
            if let (Some(held), Some((_, owner, _))) = (case.self_made(list), &case.opened) {
                let mut doubted = self.doubted(held, owner, subject, subject);
                doubted.since = Some(first.0);
                found.push(doubted);
            }
        }
        for (alike, answered_by) in &self.groups.all {
            let entry = |at: &usize| self.lists.obligations.get(*at).map(|it| it.entry.as_str());
            let names: Vec<&str> = alike.places.iter().filter_map(entry).take(MOST_NAMES).collect();
            found.push(Doubted {
                doubt: Doubt::Split,
                owner: alike.owner.clone(),
                subject: alike.stem.clone(),
                since: None,
                shown_by: names.join(" "),
                evidence: String::new(),
                answered_by: answered_by.clone(),
            });
        }
        found.sort();
        found.dedup();
        found
    }

    fn of_an_entry(&self, obligation: &Obligation, known: &Known, found: &mut Vec<Doubted>) {
        let (owner, entry) = (&obligation.department, &obligation.entry);
        let all = [
            known.resent().map(|it| it.1),
            known.touched().map(|it| it.1),
            known.hollow(),
            known.filled().map(|it| it.1),
        ];
        for held in all.into_iter().flatten() {
            found.push(self.doubted(held, owner, &obligation.dataset, entry));
        }
        let suspect = &known.suspect;
        for (subject, stamp) in &suspect.down {
            if suspect.up.contains(subject) {
                let held = held(Doubt::Flapped, Some(stamp), String::new());
                let mut doubted = self.doubted(held, owner, subject, entry);
                doubted.since = Some(stamp.0);
                found.push(doubted);
            }
        }
    }

    fn doubted(&self, held: Held, owner: &str, subject: &str, entry: &str) -> Doubted {
        let exemption = self.lists.exemption(entry, held.doubt.measure(), self.span.day);
        Doubted {
            doubt: held.doubt,
            owner: owner.to_owned(),
            subject: subject.to_owned(),
            since: None,
            shown_by: held.shown_by,
            evidence: held.evidence,
            answered_by: exemption.map_or_else(String::new, answer),
        }
    }
}

/// A reading, if the fact is one.
pub(super) fn reading(kind: &Kind) -> Option<Reading> {
    let Kind::PassCompleted { seen, changed, resent, is_part, .. } = kind else { return None };
    Some(Reading { seen: *seen, changed: *changed, resent: *resent, is_part: *is_part })
}
