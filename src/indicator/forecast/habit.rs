//! Habits: how long each dataset takes from one confirmation to the next, how often and for how
//! long a channel is silent, how cases are dealt with, how entries come to stand above and fall.
//!
//! Learned from the facts of the last [`MEMORY_DAYS`], in any order; what is kept is bounded by the
//! lists, the cases and the days, not by the number of facts. Times are whole seconds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::calendar::{Cycle, Unit};
use crate::delivery::{ChannelId, LinkState};
use crate::fact::{Fact, FactId, Kind};
use crate::indicator::lists::Lists;
use crate::indicator::tally::amended;

/// What happened before that is forgotten: habits change.
pub(super) const MEMORY_DAYS: i64 = 120;
/// Seconds of an hour and of a day.
pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;
/// The most confirmations that are kept of one dataset: the latest ones.
const MOST_TIMES: usize = 96;
/// The most changes of state that are kept of one link: the latest ones.
const MOST_CHANGES: usize = 32;
/// Fewer days than these teach nothing about outages.
const FEWEST_DAYS: i64 = 10;

/// What is remembered of a dataset.
#[derive(Clone, Debug, Default)]
pub(super) struct Dataset {
    /// The channel of its last confirmation.
    pub(super) channel: Option<ChannelId>,
    /// When it was confirmed, the latest ones.
    times: BTreeSet<i64>,
    /// Times past a deadline.
    overdue: BTreeMap<i64, Option<i64>>,
    /// The deadlines that have passed and not been met.
    pub(super) open: Vec<i64>,
    /// From one confirmation to the next, without outages, in the order of time.
    pub(super) gaps: Vec<i64>,
    /// How long after a confirmation the next one must be there.
    pub(super) allowance: Option<i64>,
    /// Counts by day.
    pub(super) counts: BTreeMap<i64, Counts>,
}

impl Dataset {
    /// When it was last confirmed.
    pub(super) fn last(&self) -> Option<i64> {
        self.times.last().copied()
    }
}

/// What a day counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Rows that passes saw, and those that our rules set aside.
    pub(super) seen: (u64, u64),
    /// Rows that verdicts passed, and that they did not.
    pub(super) judged: (u64, u64),
    /// Probes that were answered, and that were not.
    pub(super) probed: (u64, u64),
}

/// What is remembered of a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    /// Hours in which something was confirmed.
    hours: BTreeSet<i64>,
    /// The silences that were outages, from when until when.
    pub(super) outages: Vec<(i64, i64)>,
    /// Since when it is silent for longer than is usual.
    pub(super) silent_since: Option<i64>,
    /// Outages in a day, in millionths.
    pub(super) rate: u64,
    /// The longest silence of a usual day.
    pub(super) usual: i64,
}

/// What is remembered of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    changes: BTreeMap<(i64, FactId), bool>,
    /// The channels it was seen on.
    pub(super) channels: BTreeSet<Option<ChannelId>>,
    /// Whether it stands above.
    pub(super) holds: bool,
}

/// A case.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) owner: String,
    pub(super) opened: Option<i64>,
    pub(super) deadline: i64,
    pub(super) closed: Option<i64>,
    /// By which fact it was opened last.
    stamp: Option<(i64, FactId)>,
}

/// How often links come to stand above and fall, in millionths of a day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    pub(super) up: u64,
    pub(super) down: u64,
}

/// Habits, as they were known at a moment.
#[derive(Clone, Debug)]
pub struct Habits {
    at: Timestamp,
    /// As of when.
    pub(super) now: i64,
    /// The first day that is remembered, in days since the epoch.
    pub(super) first_day: Option<i64>,
    /// By the place in the list of obligations.
    pub(super) datasets: Vec<Dataset>,
    /// Gaps of all datasets of a cycle.
    pub(super) by_cycle: HashMap<Cycle, Vec<i64>>,
    allowances: HashMap<Cycle, i64>,
    pub(super) channels: BTreeMap<Option<ChannelId>, Channel>,
    /// By subject (`entry:…`, `resource:…`).
    pub(super) links: BTreeMap<String, Link>,
    pub(super) entries: Moves,
    pub(super) resources: Moves,
    /// By list and subject.
    pub(super) cases: BTreeMap<(String, String), Case>,
    places: HashMap<String, Vec<usize>>,
}

impl Habits {
    /// The kinds of facts that teach something.
    pub const KINDS: [&'static str; 9] = [
        "confirmed",
        "overdue-from",
        "overdue-until",
        "pass-completed",
        "verdict",
        "probed",
        "link",
        "case-opened",
        "case-closed",
    ];

    /// Before the first fact.
    pub fn new(lists: &Lists, at: Timestamp) -> Self {
        let mut habits = Self {
            at,
            now: at.as_second(),
            first_day: None,
            datasets: lists.obligations.iter().map(|_| Dataset::default()).collect(),
            by_cycle: HashMap::new(),
            allowances: HashMap::new(),
            channels: BTreeMap::new(),
            links: BTreeMap::new(),
            entries: Moves::default(),
            resources: Moves::default(),
            cases: BTreeMap::new(),
            places: HashMap::new(),
        };
        for (at, obligation) in lists.obligations.iter().enumerate() {
            if !obligation.dataset.is_empty() {
                habits.places.entry(obligation.dataset.clone()).or_default().push(at);
            }
            habits.links.insert(format!("entry:{}", obligation.entry), Link::default());
            for resource in &obligation.resources {
                let subject = format!("resource:{resource}");
                // Interfaces are probed by their resources.
                habits.places.entry(subject.clone()).or_default().push(at);
                habits.links.insert(subject, Link::default());
            }
        }
        habits
    }

    /// What `facts` that were known at `at` teach about what the lists name.
    pub fn learn(facts: &[Fact], lists: &Lists, at: Timestamp) -> Self {
        let amended = amended(facts, at);
        let mut habits = Self::new(lists, at);
        let facts = facts.iter().filter(|fact| !amended.contains(&fact.id));
        facts.for_each(|fact| habits.add(fact));
        habits.settled(lists)
    }

    /// Facts of the kinds that are forgotten ([`Habits::is_forgotten`]) that occurred before this
    /// teach nothing.
    pub fn since(&self) -> Timestamp {
        Timestamp::from_second(self.now - MEMORY_DAYS * DAY).unwrap_or(Timestamp::MIN)
    }

    /// Whether facts of a kind are forgotten in time: deadlines, cases and links are states, which
    /// stand however long ago they began.
    pub fn is_forgotten(kind: &str) -> bool {
        matches!(kind, "confirmed" | "pass-completed" | "verdict" | "probed")
    }

    /// As of when.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The whole days that are remembered.
    pub(super) fn days(&self) -> i64 {
        self.first_day.map_or(0, |first| (self.now / DAY - first).max(0))
    }

    /// Takes a fact, in any order; one that was not known then teaches nothing. Facts that others
    /// set right are for the caller to leave out.
    pub fn add(&mut self, fact: &Fact) {
        if fact.recorded > self.at || fact.occurred > self.at {
            return;
        }
        let at = fact.occurred.as_second();
        match &fact.kind {
            Kind::Link { to, .. } => {
                if let Some(link) = self.links.get_mut(&fact.subject) {
                    link.add(fact, at, *to);
                }
            }
            Kind::CaseOpened { list, owner, deadline } => {
                let case = self.cases.entry((list.clone(), fact.subject.clone())).or_default();
                let stamp = (at, fact.id.clone());
                case.opened = Some(case.opened.map_or(at, |known| known.min(at)));
                if case.stamp.as_ref().is_none_or(|known| *known < stamp) {
                    case.owner.clone_from(owner);
                    case.deadline = deadline.as_second();
                    case.stamp = Some(stamp);
                }
            }
            Kind::CaseClosed { list, .. } => {
                let case = self.cases.entry((list.clone(), fact.subject.clone())).or_default();
                case.closed = Some(case.closed.map_or(at, |known| known.min(at)));
            }
            Kind::Confirmed { .. }
            | Kind::Verdict { .. }
            | Kind::OverdueFrom { .. }
            | Kind::OverdueUntil { .. }
            | Kind::PassCompleted { .. }
            | Kind::Probed { .. } => self.add_of_a_dataset(fact, at),
            Kind::Placed { .. }
            | Kind::Rejected { .. }
            | Kind::StandardInForce { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::RuleCounted { .. }
            | Kind::Reconciled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::StandardRequired { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Unmended { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::Stated { .. } => {}
        }
    }

    fn add_of_a_dataset(&mut self, fact: &Fact, at: i64) {
        // A deadline that is still open counts however old it is.
        let is_overdue = matches!(&fact.kind, Kind::OverdueFrom { .. } | Kind::OverdueUntil { .. });
        if at < self.now - MEMORY_DAYS * DAY && !is_overdue {
            return;
        }
        let Some(places) = self.places.get(&fact.subject) else { return };
        let day = at.div_euclid(DAY);
        if !is_overdue {
            self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
        }
        if matches!(&fact.kind, Kind::Confirmed { rows, .. } if *rows > 0) {
            let channel = self.channels.entry(fact.channel.clone()).or_default();
            channel.hours.insert(at.div_euclid(HOUR));
        }
        for place in places {
            if let Some(dataset) = self.datasets.get_mut(*place) {
                dataset.add(fact, at, day);
            }
        }
    }

    /// After the last fact.
    #[must_use]
    pub fn settled(mut self, lists: &Lists) -> Self {
        let (now, days) = (self.now, self.days());
        for channel in self.channels.values_mut() {
            channel.settle(now, days);
        }
        for (obligation, dataset) in lists.obligations.iter().zip(&mut self.datasets) {
            let outages = self.channels.get(&dataset.channel).map(|it| it.outages.as_slice());
            dataset.settle(outages.unwrap_or_default());
            self.by_cycle.entry(obligation.cycle).or_default().extend(&dataset.gaps);
        }
        let mut allowances: HashMap<Cycle, Vec<i64>> = HashMap::new();
        for (obligation, dataset) in lists.obligations.iter().zip(&self.datasets) {
            allowances.entry(obligation.cycle).or_default().extend(dataset.allowance);
        }
        for (cycle, known) in allowances {
            if let Some(middle) = middle(known) {
                self.allowances.insert(cycle, middle);
            }
        }
        let from = now - MEMORY_DAYS * DAY;
        let mut sums = [(0_i64, 0_i64, 0_i64, 0_i64); 2];
        for (subject, link) in &mut self.links {
            let (ups, downs, up_time, down_time) = link.settle(from, now);
            let [entries, resources] = &mut sums;
            let sum = if subject.starts_with("entry:") { entries } else { resources };
            *sum = (sum.0 + ups, sum.1 + downs, sum.2 + up_time, sum.3 + down_time);
        }
        let [entries, resources] = sums.map(|(ups, downs, up_time, down_time)| Moves {
            up: rate(ups, down_time),
            down: rate(downs, up_time),
        });
        (self.entries, self.resources) = (entries, resources);
        self
    }

    /// How long after a confirmation the next one of a dataset must be there: as its own missed
    /// deadlines tell, else those of datasets of its cycle, else no sooner than what was in time.
    pub(super) fn allowance(&self, place: usize, cycle: Cycle) -> Option<i64> {
        let length = length(cycle)?;
        let own = self.datasets.get(place).and_then(|it| it.allowance);
        own.or_else(|| self.allowances.get(&cycle).copied()).or_else(|| {
            let longest = self.by_cycle.get(&cycle).and_then(|gaps| gaps.iter().max().copied());
            Some(longest.unwrap_or(0).max(length) + length / 10)
        })
    }
}

/// The seconds of a cycle, a month taken for thirty days and a half.
pub(super) fn length(cycle: Cycle) -> Option<i64> {
    let Cycle::Every(count, unit) = cycle else { return None };
    let unit = match unit {
        Unit::Minute => 60,
        Unit::Hour => HOUR,
        Unit::Day => DAY,
        Unit::WorkingDay => DAY * 7 / 5,
        Unit::Week => 7 * DAY,
        Unit::Month => 61 * DAY / 2,
        Unit::Year => 365 * DAY,
    };
    Some(unit * i64::from(count.get()))
}

/// Events in a day, in millionths, with a tenth of an event in ten days for what was never seen.
fn rate(events: i64, seconds: i64) -> u64 {
    let tenths = u64::try_from(events * 10 + 1).unwrap_or(0);
    let days = u64::try_from(seconds / DAY + 10).unwrap_or(10);
    (tenths * 100_000 / days).min(super::dice::MILLION)
}

fn middle(mut of: Vec<i64>) -> Option<i64> {
    of.sort_unstable();
    of.get(of.len() / 2).copied()
}

impl Dataset {
    fn add(&mut self, fact: &Fact, at: i64, day: i64) {
        let mut count = |add: &dyn Fn(&mut Counts)| add(self.counts.entry(day).or_default());
        match &fact.kind {
            Kind::Confirmed { rows, .. } if *rows > 0 => {
                // Of two channels at the same moment it is the greater one, in any order.
                let last = self.times.last().copied();
                if last.is_none_or(|last| last < at)
                    || last == Some(at) && self.channel < fact.channel
                {
                    self.channel.clone_from(&fact.channel);
                }
                self.times.insert(at);
                if self.times.len() > MOST_TIMES {
                    self.times.pop_first();
                }
            }
            Kind::OverdueFrom { deadline } => {
                self.overdue.entry(deadline.as_second()).or_default();
            }
            Kind::OverdueUntil { deadline } => {
                let until = self.overdue.entry(deadline.as_second()).or_default();
                *until = Some(until.map_or(at, |known| known.min(at)));
            }
            Kind::PassCompleted { seen, rejected, .. } => count(&|it| {
                it.seen = (it.seen.0.saturating_add(*seen), it.seen.1.saturating_add(*rejected));
            }),
            Kind::Verdict { passed, failed } => count(&|it| {
                it.judged =
                    (it.judged.0.saturating_add(*passed), it.judged.1.saturating_add(*failed));
            }),
            Kind::Probed { succeeded, failed } => count(&|it| {
                it.probed =
                    (it.probed.0.saturating_add(*succeeded), it.probed.1.saturating_add(*failed));
            }),
            Kind::Confirmed { .. }
            | Kind::Placed { .. }
            | Kind::Rejected { .. }
            | Kind::Link { .. }
            | Kind::StandardInForce { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::RuleCounted { .. }
            | Kind::Reconciled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::StandardRequired { .. }
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

    fn settle(&mut self, outages: &[(i64, i64)]) {
        let times: Vec<i64> = self.times.iter().copied().collect();
        let pairs = times.iter().zip(times.iter().skip(1));
        // What waited for the end of an outage says nothing about the department.
        let is_clear = |from: i64, to: i64| !outages.iter().any(|it| it.0 < to && from < it.1);
        self.gaps = pairs.filter(|(a, b)| is_clear(**a, **b)).map(|(a, b)| b - a).collect();
        let open = self.overdue.iter().filter(|(_, until)| until.is_none());
        self.open = open.map(|(deadline, _)| *deadline).collect();
        let before = |deadline: &i64| {
            self.times.range(..*deadline).next_back().map(|confirmed| deadline - confirmed)
        };
        self.allowance = middle(self.overdue.keys().filter_map(before).collect());
    }
}

impl Channel {
    /// An outage is a silence half as long again as the longest of a usual day.
    fn settle(&mut self, now: i64, days: i64) {
        let hours: Vec<i64> = self.hours.iter().map(|hour| hour * HOUR).collect();
        let (Some(first), Some(last)) = (hours.first().copied(), hours.last().copied()) else {
            return;
        };
        let ends = hours.iter().skip(1).copied().chain([now.max(last)]);
        let silences: Vec<(i64, i64)> = hours.iter().copied().zip(ends).collect();
        let mut longest = Vec::new();
        let mut day = first.div_euclid(DAY);
        let mut from = 0;
        while day <= now.div_euclid(DAY) {
            let (begins, ends) = (day * DAY, (day + 1) * DAY);
            let rest = silences.get(from..).unwrap_or_default();
            from += rest.iter().take_while(|it| it.1 <= begins).count();
            let rest = silences.get(from..).unwrap_or_default();
            longest.extend(rest.iter().take_while(|it| it.0 < ends).map(|it| it.1 - it.0).max());
            day += 1;
        }
        self.usual = middle(longest).unwrap_or(0);
        let limit = self.usual * 3 / 2 + 2 * HOUR;
        let mut outages: Vec<(i64, i64)> =
            silences.into_iter().filter(|it| it.1 - it.0 > limit).collect();
        if outages.last().is_some_and(|it| it.1 == now.max(last)) {
            self.silent_since = outages.pop().map(|it| it.0);
        }
        self.outages = outages;
        if days >= FEWEST_DAYS {
            // Half an outage in a fortnight more than were seen: none seen is not none ever.
            let seen = u64::try_from(self.outages.len()).unwrap_or(0);
            let seen = seen + u64::from(self.silent_since.is_some());
            let days = u64::try_from(days).unwrap_or(0) + 15;
            self.rate = (2 * seen + 1) * super::dice::MILLION / 2 / days;
        }
    }
}

impl Link {
    fn add(&mut self, fact: &Fact, at: i64, to: LinkState) {
        self.channels.insert(fact.channel.clone());
        self.changes.insert((at, fact.id.clone()), to.is_held_above());
        if self.changes.len() > MOST_CHANGES {
            self.changes.pop_first();
        }
    }

    /// How often it came to stand and fell, and for how long it stood and did not.
    fn settle(&mut self, from: i64, now: i64) -> (i64, i64, i64, i64) {
        let mut sum = (0, 0, 0, 0);
        let mut state: Option<(i64, bool)> = None;
        for ((at, _), holds) in &self.changes {
            if let Some((since, held)) = state {
                let time = (at - since.max(from)).max(0);
                if held {
                    sum.2 += time;
                } else {
                    sum.3 += time;
                }
                if *at >= from && held != *holds {
                    if *holds {
                        sum.0 += 1;
                    } else {
                        sum.1 += 1;
                    }
                }
            }
            state = Some((*at, *holds));
        }
        if let Some((since, held)) = state {
            let time = (now - since.max(from)).max(0);
            if held {
                sum.2 += time;
            } else {
                sum.3 += time;
            }
            self.holds = held;
        }
        sum
    }
}
