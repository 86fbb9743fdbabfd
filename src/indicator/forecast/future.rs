//! One way in which the rest of a month may go, written as facts.
//!
//! Days of the past are drawn for the days to come, the same ones for all datasets, so that what
//! happened together happens together; silences of a channel hold up all of its datasets; each
//! dataset keeps its own gaps. The facts are judged by the same tally and scheme as any others.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::dice::{Dice, MILLION};
use super::habit::{Channel, Counts, DAY, HOUR, Habits, Moves, length};
use crate::delivery::{ChannelId, Evidence, Lane, LinkState};
use crate::fact::{Fact, FactId, Kind};
use crate::indicator::lists::{Lists, Obligation};

/// The most confirmations of one dataset that one future holds.
const MOST_STEPS: usize = 2000;
/// What is unlike anything seen lasts, of the time that it has lasted, in eighths.
const LASTS: [i64; 6] = [1, 2, 4, 8, 16, 32];
/// Days of the past that are drawn together.
const RUN_DAYS: usize = 5;
/// How often outages come in one future, in halves of how often they came.
const OFTEN: [u64; 5] = [1, 2, 2, 3, 4];

/// Writes futures.
#[derive(Debug)]
pub(super) struct Future<'h> {
    habits: &'h Habits,
    lists: &'h Lists,
    to: i64,
    dice: Dice,
    /// By owner: whether its habits turn, in this future.
    turns: BTreeMap<&'h str, Turn>,
    facts: Vec<Fact>,
}

/// How a department's habits turn in one future: what was learned may be over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Same,
    Worse,
    Better,
}

const TURNS: [Turn; 6] =
    [Turn::Same, Turn::Same, Turn::Same, Turn::Worse, Turn::Worse, Turn::Better];

/// When a channel carries nothing.
type Outages = BTreeMap<Option<ChannelId>, Vec<(i64, i64)>>;

impl<'h> Future<'h> {
    /// The facts of one future until `to`.
    pub(super) fn of(habits: &'h Habits, lists: &'h Lists, to: Timestamp, dice: Dice) -> Vec<Fact> {
        let (turns, facts) = (BTreeMap::new(), Vec::new());
        let mut future = Self { habits, lists, to: to.as_second(), dice, turns, facts };
        let outages = future.outages();
        for (place, obligation) in lists.obligations.iter().enumerate() {
            future.dataset(place, obligation, &outages);
        }
        let days = future.days();
        future.counts(&days);
        future.cases(&days);
        future.links();
        future.facts
    }

    fn put(&mut self, channel: Option<ChannelId>, subject: &str, at: i64, kind: Kind) {
        let occurred = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
        let recorded = Timestamp::from_second(self.habits.now).unwrap_or(Timestamp::MAX);
        // A writer that no ledger has: these facts are never stored.
        let number = u64::try_from(self.facts.len()).unwrap_or(u64::MAX);
        let id = FactId { writer: "".into(), day: jiff::civil::Date::MAX, number };
        let subject = subject.to_owned();
        let (cause, amends) = (None, None);
        self.facts.push(Fact { id, channel, kind, subject, occurred, recorded, cause, amends });
    }

    /// How much longer something lasts that has lasted `age`: as what lasted longer did, else as
    /// long again, more or less.
    fn rest(&mut self, lasted: &[i64], age: i64) -> i64 {
        let longer: Vec<i64> = lasted.iter().copied().filter(|it| *it > age).collect();
        let known = u64::try_from(longer.len()).unwrap_or(0);
        if self.dice.below(known + 1) < known
            && let Some(whole) = self.dice.recent(&longer)
        {
            return whole - age;
        }
        let eighths = self.dice.any(&LASTS).copied().unwrap_or(8);
        (age.max(DAY / 2) * eighths / 8).max(HOUR)
    }

    fn outages(&mut self) -> Outages {
        let habits = self.habits;
        let mut all = Outages::new();
        // How often is known from few outages: this future may hold more of them, or fewer.
        let halves = self.dice.any(&OFTEN).copied().unwrap_or(2);
        for (id, channel) in &habits.channels {
            let mut outages = Vec::new();
            let lasted: Vec<i64> = channel.outages.iter().map(|it| it.1 - it.0).collect();
            let mut at = habits.now;
            if let Some(since) = channel.silent_since {
                let rest = self.rest(&lasted, habits.now - since);
                outages.push((since, habits.now + rest));
                at += rest;
            }
            while at < self.to {
                if self.dice.happens(channel.rate * halves / 2) {
                    let begins = at + self.dice.seconds(DAY);
                    let ends = begins + self.outage(channel, &lasted);
                    outages.push((begins, ends));
                    at = at.max(ends);
                }
                at += DAY;
            }
            all.insert(id.clone(), outages);
        }
        all
    }

    /// How long a new outage lasts: half of the usual silence before it belongs to no outage.
    fn outage(&mut self, channel: &Channel, lasted: &[i64]) -> i64 {
        let usual = channel.usual;
        let whole = self.rest(lasted, usual) + usual;
        (whole - usual / 2).max(HOUR)
    }

    fn dataset(&mut self, place: usize, obligation: &'h Obligation, outages: &Outages) {
        let habits = self.habits;
        let Some(dataset) = habits.datasets.get(place) else { return };
        let channel = &dataset.channel;
        let none = Vec::new();
        let outages = outages.get(channel).unwrap_or(&none);
        let Some(allowance) = habits.allowance(place, obligation.cycle) else { return };
        let Some(last) = dataset.last() else {
            // Never confirmed as far as is remembered: what is overdue ends one day or another.
            if let Some(since) = dataset.open.first() {
                let ends = habits.now + self.rest(&[], habits.now - since);
                self.met(channel, obligation, &dataset.open, ends);
            }
            return;
        };
        let mut before = last;
        let mut open = dataset.open.clone();
        let mut least = habits.now - last;
        for _ in 0..MOST_STEPS {
            let gap = self.gap(place, obligation, least);
            let mut at = before + gap;
            if let Some(outage) = outages.iter().find(|it| it.0 <= at && at < it.1) {
                at = outage.1 + self.dice.seconds(6 * HOUR);
            }
            let at = at.max(habits.now + 1);
            let deadline = (before + allowance).max(habits.now);
            if open.is_empty() && at > deadline && deadline < self.to {
                let passed = Timestamp::from_second(deadline).unwrap_or(Timestamp::MAX);
                let kind = Kind::OverdueFrom { deadline: passed };
                self.put(channel.clone(), &obligation.dataset, deadline, kind);
                open.push(deadline);
            }
            if at >= self.to {
                return;
            }
            self.met(channel, obligation, &open, at);
            open.clear();
            (before, least) = (at, 0);
        }
    }

    /// The next confirmation meets what was overdue.
    fn met(&mut self, channel: &Option<ChannelId>, of: &Obligation, open: &[i64], at: i64) {
        for deadline in open {
            let deadline = Timestamp::from_second(*deadline).unwrap_or(Timestamp::MAX);
            self.put(channel.clone(), &of.dataset, at, Kind::OverdueUntil { deadline });
        }
    }

    /// From one confirmation to the next, where `least` have passed already: one of its own gaps,
    /// or, the fewer it has, of those of datasets of its cycle.
    fn gap(&mut self, place: usize, obligation: &'h Obligation, least: i64) -> i64 {
        let once = self.one_gap(place, obligation, least);
        let dice = &mut self.dice;
        let turn = self.turns.entry(obligation.department.as_str());
        let turn = *turn.or_insert_with(|| dice.any(&TURNS).copied().unwrap_or(Turn::Same));
        match turn {
            Turn::Same => once,
            Turn::Worse => once.max(self.one_gap(place, obligation, least)),
            Turn::Better => once.min(self.one_gap(place, obligation, least)),
        }
    }

    fn one_gap(&mut self, place: usize, obligation: &Obligation, least: i64) -> i64 {
        let habits = self.habits;
        let own = habits.datasets.get(place).map_or(&[][..], |it| it.gaps.as_slice());
        let all = habits.by_cycle.get(&obligation.cycle).map_or(&[][..], Vec::as_slice);
        let count = u64::try_from(own.len()).unwrap_or(0);
        let is_own = self.dice.below(count + 3) < count;
        for gaps in if is_own { [own, all] } else { [all, own] } {
            if least <= 0 {
                if let Some(gap) = if is_own { self.dice.recent(gaps) } else { self.dice.any(gaps) }
                {
                    return (*gap).max(1);
                }
                continue;
            }
            let longer: Vec<i64> = gaps.iter().copied().filter(|it| *it > least).collect();
            if let Some(gap) = self.dice.recent(&longer) {
                return *gap;
            }
        }
        let usual = length(obligation.cycle).unwrap_or(DAY);
        if least < usual {
            return usual + self.dice.seconds(usual / 10 + 1);
        }
        let eighths = self.dice.any(&LASTS).copied().unwrap_or(8);
        least + (least.min(7 * DAY) * eighths / 8).max(HOUR)
    }

    /// Days of the past for the days to come.
    fn days(&mut self) -> Vec<(i64, i64)> {
        let habits = self.habits;
        let known: Vec<i64> = habits
            .first_day
            .map_or(Vec::new(), |first| (first..habits.now.div_euclid(DAY)).collect());
        let mut days = Vec::new();
        let mut at = habits.now;
        // Days that followed one another: what is bad today is likelier bad tomorrow.
        while let Some(first) = self.dice.recent(&known) {
            for day in (*first..).take(RUN_DAYS).filter(|day| known.last() >= Some(day)) {
                if at >= self.to {
                    return days;
                }
                days.push((at, day));
                at += DAY;
            }
        }
        days
    }

    fn counts(&mut self, days: &[(i64, i64)]) {
        let (habits, lists) = (self.habits, self.lists);
        for (obligation, dataset) in lists.obligations.iter().zip(&habits.datasets) {
            if dataset.counts.is_empty() {
                continue;
            }
            let mut sum = Counts::default();
            for (_, day) in days {
                let Some(counts) = dataset.counts.get(day) else { continue };
                let add = |a: (u64, u64), b: (u64, u64)| {
                    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
                };
                sum.seen = add(sum.seen, counts.seen);
                sum.judged = add(sum.judged, counts.judged);
                sum.probed = add(sum.probed, counts.probed);
            }
            self.count(dataset.channel.clone(), obligation, sum);
        }
    }

    fn count(&mut self, channel: Option<ChannelId>, of: &Obligation, sum: Counts) {
        let at = self.to - 1;
        let subject = format!("entry:{}", of.entry);
        let ((seen, rejected), (passed, failed)) = (sum.seen, sum.judged);
        let (succeeded, unanswered) = sum.probed;
        if seen > 0 {
            let (lane, resent, is_part) = (Lane::Live, 0, true);
            let kind = Kind::PassCompleted { lane, seen, changed: 0, rejected, resent, is_part };
            self.put(channel.clone(), &subject, at, kind);
        }
        if passed > 0 || failed > 0 {
            self.put(channel.clone(), &subject, at, Kind::Verdict { passed, failed });
        }
        if succeeded > 0 || unanswered > 0 {
            let kind = Kind::Probed { succeeded, failed: unanswered };
            self.put(channel, &subject, at, kind);
        }
    }

    /// What is open is dealt with as the owner's were, and what a day brought it brings again.
    fn cases(&mut self, days: &[(i64, i64)]) {
        let habits = self.habits;
        for ((list, subject), case) in &habits.cases {
            let is_open = case.closed.is_none() && case.opened.is_some();
            if is_open && case.deadline > habits.now && case.deadline <= self.to {
                self.deal(list, subject, &case.owner, case.deadline, case.deadline - habits.now);
            }
        }
        for (at, day) in days {
            for ((list, subject), case) in &habits.cases {
                let Some(opened) = case.opened.filter(|it| it.div_euclid(DAY) == *day) else {
                    continue;
                };
                let lead = (case.deadline - opened).max(HOUR);
                let at = at + self.dice.seconds(DAY);
                if at + lead > self.to {
                    continue;
                }
                let subject = format!("{subject}~{at}");
                let deadline = Timestamp::from_second(at + lead).unwrap_or(Timestamp::MAX);
                let (list, owner) = (list.clone(), case.owner.clone());
                let kind = Kind::CaseOpened { list: list.clone(), owner, deadline };
                self.put(None, &subject, at, kind);
                self.deal(&list, &subject, &case.owner, at + lead, lead);
            }
        }
    }

    fn deal(&mut self, list: &str, subject: &str, owner: &str, deadline: i64, left: i64) {
        // Of those that were still open so long before their deadline: how many were in time.
        let (mut own, mut all) = ((0_u64, 0_u64), (0_u64, 0_u64));
        for ((of, _), case) in &self.habits.cases {
            let was_open = case.closed.is_none_or(|closed| case.deadline - closed < left);
            if of != list || case.deadline > self.habits.now || !was_open {
                continue;
            }
            let is_timely = case.closed.is_some_and(|closed| closed <= case.deadline);
            let add = |sum: &mut (u64, u64)| {
                *sum = (sum.0 + u64::from(is_timely), sum.1 + 1);
            };
            add(&mut all);
            if case.owner == owner {
                add(&mut own);
            }
        }
        let of_all = (2 * all.0 + 1) * MILLION / 2 / (all.1 + 1);
        let chance = (own.0 * MILLION + 2 * of_all) / (own.1 + 2);
        if self.dice.happens(chance) {
            let at = deadline.min(self.to) - self.dice.seconds(left.clamp(1, DAY));
            let proof = "~".to_owned();
            self.put(None, subject, at, Kind::CaseClosed { list: list.to_owned(), proof });
        }
    }

    fn links(&mut self) {
        let habits = self.habits;
        let days = (self.to - habits.now + DAY - 1).max(0) / DAY;
        for (subject, link) in &habits.links {
            let is_entry = subject.starts_with("entry:");
            let Moves { up, down } = if is_entry { habits.entries } else { habits.resources };
            let mut holds = link.holds;
            for _ in 0..days {
                if self.dice.happens(if holds { down } else { up }) {
                    holds = !holds;
                }
            }
            if holds == link.holds {
                continue;
            }
            let to = if holds { LinkState::Accepted } else { LinkState::Stale };
            let from = if holds { LinkState::Sent } else { LinkState::Accepted };
            let mut channels: Vec<Option<ChannelId>> = link.channels.iter().cloned().collect();
            if channels.is_empty() {
                channels.push(None);
            }
            for channel in channels {
                let at = self.to - 1;
                self.put(channel, subject, at, Kind::Link { from, to, code: None });
            }
        }
    }
}

/// A confirmation of everything that could be: for what can no longer be avoided.
pub(super) fn flawless(habits: &Habits, lists: &Lists, to: Timestamp) -> Vec<Fact> {
    let dice = Dice::new(0, 0);
    let (turns, facts) = (BTreeMap::new(), Vec::new());
    let mut future = Future { habits, lists, to: to.as_second(), dice, turns, facts };
    let remembered = habits.days().max(1).unsigned_abs();
    let left = ((future.to - habits.now).max(0) / DAY + 1).unsigned_abs();
    for (obligation, dataset) in lists.obligations.iter().zip(&habits.datasets) {
        if !dataset.open.is_empty() {
            future.met(&dataset.channel, obligation, &dataset.open, habits.now);
        }
        if dataset.last().is_none() && !obligation.dataset.is_empty() {
            let kind = Kind::Confirmed { rows: 1, evidence: Evidence::Receipt };
            future.put(None, &obligation.dataset, habits.now, kind);
        }
        let all = |of: &dyn Fn(&Counts) -> u64| {
            dataset.counts.values().map(of).fold(0_u64, u64::saturating_add) * left / remembered
        };
        let sum = Counts {
            seen: (all(&|it| it.seen.0), 0),
            judged: (all(&|it| it.judged.0.saturating_add(it.judged.1)), 0),
            probed: (all(&|it| it.probed.0.saturating_add(it.probed.1)), 0),
        };
        future.count(dataset.channel.clone(), obligation, sum);
    }
    future.facts
}
