//! Facts to figures: a tally that takes facts one by one, in any order, against the city's lists.
//!
//! What a tally holds is bounded by the lists, the cases and the changes of standard, not by the
//! number of facts. A state ("stands above") is that of the latest fact by when it occurred, when
//! it was recorded and its id; a count is a sum; so the order in which facts come changes nothing.
//!
//! Facts that a later one sets right do not count: they are found first ([`amended`]), over the
//! same facts, because a sum cannot be taken back by a fact that comes before its mistake.

mod cascade;
mod collected;
mod doubted;
mod figures;
mod reach;
mod suppose;
mod words;
mod worth;

use doubted::{Groups, Suspect, reading};
pub use reach::{REACHES, Reach};
pub use suppose::{Act, Deed};
pub use words::{ByDay, Words};
pub use worth::USES;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::calibrate;
use super::lists::Lists;
use super::scheme::Month;
use crate::delivery::{ChannelId, LinkState, StandardId};
use crate::fact::{Fact, FactId, Kind};

/// What is tallied: a month, a week or a day, as it was known at some time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// From here …
    pub from: Timestamp,
    /// … until here, which is the cut-off: the first instant that no longer counts.
    pub to: Timestamp,
    /// The last day of it, where it is: exemptions hold by day.
    pub day: Date,
    /// The month that stated values are about.
    pub month: Month,
    /// Only what was recorded by then counts.
    pub known_by: Timestamp,
}

/// Who is assessed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Body {
    /// The city as a whole.
    City,
    /// A region.
    Region(String),
    /// A department.
    Department(String),
    /// One dataset: for looking closer, no scheme marks it.
    Dataset(String),
}

impl Body {
    /// How stated values and scores name it.
    pub fn id(&self) -> &str {
        match self {
            Self::City => "city",
            Self::Region(id) | Self::Department(id) | Self::Dataset(id) => id,
        }
    }
}

/// When something happened, for telling which of two facts is the later one.
pub(super) type Stamp = (Timestamp, Timestamp, FactId);

fn stamp(fact: &Fact) -> Stamp {
    (fact.occurred, fact.recorded, fact.id.clone())
}

/// The facts that later ones, known by then, set right.
pub fn amended<'f>(
    facts: impl IntoIterator<Item = &'f Fact>,
    known_by: Timestamp,
) -> BTreeSet<FactId> {
    let known = facts.into_iter().filter(|fact| fact.recorded <= known_by);
    known.filter_map(|fact| fact.amends.clone()).collect()
}

/// A link's latest state on each channel.
type Links = BTreeMap<Option<ChannelId>, (Stamp, LinkState)>;

/// What is known of one obligation.
#[derive(Clone, Debug, Default)]
struct Known {
    entry: Links,
    /// By resource.
    resources: BTreeMap<String, Links>,
    is_confirmed: bool,
    seen: u64,
    set_aside: u64,
    /// How many rows are turned away and not mended yet, here and above, as last told.
    unmended: BTreeMap<Option<ChannelId>, (Stamp, u64, u64)>,
    passed: u64,
    failed: u64,
    answered: u64,
    unanswered: u64,
    /// How often rules of each word of validity were asked and broken.
    truth: (u64, u64),
    soundness: (u64, u64),
    compared: Option<(Stamp, u64, u64)>,
    /// Times past a deadline, by the deadline.
    overdue: BTreeMap<Timestamp, Overdue>,
    /// What speaks against it; shared, for a tally is cloned for every supposition.
    suspect: Arc<Suspect>,
    /// How often it was used, as stated.
    uses: worth::Uses,
    /// Another entry of the list is the same.
    repeats: bool,
}

/// A time past a deadline.
#[derive(Clone, Debug, Default)]
struct Overdue {
    until: Option<Timestamp>,
    evidence: Option<Stamp>,
}

/// A case.
#[derive(Clone, Debug, Default)]
struct Case {
    /// When it was laid first.
    first: Option<Stamp>,
    opened: Option<(Stamp, String, Timestamp)>,
    closed: Option<(Stamp, String)>,
}

/// A stated value.
#[derive(Clone, Debug)]
struct Stated {
    stamp: Stamp,
    value: Decimal,
    source: String,
}

/// Where subjects stand on the list.
type Places = Arc<HashMap<String, Vec<(usize, Part)>>>;

/// Which part of an obligation a fact's subject names.
#[derive(Clone, Copy, Debug)]
enum Part {
    Entry,
    Resource,
    Dataset,
}

/// The lists of a tally: lent for a calculation, or shared by a tally that lives on.
#[derive(Clone, Debug)]
pub enum Kept<'l> {
    /// Somebody else's.
    Lent(&'l Lists),
    /// Everybody's.
    Shared(Arc<Lists>),
}

impl Deref for Kept<'_> {
    type Target = Lists;

    fn deref(&self) -> &Lists {
        match self {
            Self::Lent(lists) => lists,
            Self::Shared(lists) => lists,
        }
    }
}

impl<'l> From<&'l Lists> for Kept<'l> {
    fn from(lists: &'l Lists) -> Self {
        Self::Lent(lists)
    }
}

impl From<Arc<Lists>> for Kept<'_> {
    fn from(lists: Arc<Lists>) -> Self {
        Self::Shared(lists)
    }
}

/// Facts against lists.
#[derive(Clone, Debug)]
pub struct Tally<'l> {
    lists: Kept<'l>,
    amended: Arc<BTreeSet<FactId>>,
    span: Span,
    /// Shared: a tally is cloned for every supposition.
    places: Places,
    groups: Arc<Groups>,
    known: Vec<Known>,
    cases: BTreeMap<(String, String), Case>,
    channels: BTreeMap<Option<ChannelId>, cascade::Channel>,
    /// By name and body.
    stated: BTreeMap<(String, String), Stated>,
    /// Counts by day, where they are kept.
    days: words::Days,
    /// Tasks that are supposed to be done.
    collected: BTreeSet<String>,
}

impl<'l> Tally<'l> {
    /// Before the first fact.
    pub fn new(lists: impl Into<Kept<'l>>, span: Span, amended: &BTreeSet<FactId>) -> Self {
        let lists = lists.into();
        let mut places: HashMap<String, Vec<(usize, Part)>> = HashMap::new();
        for (at, obligation) in lists.obligations.iter().enumerate() {
            let mut add = |subject: String, part| {
                places.entry(subject).or_default().push((at, part));
            };
            add(format!("entry:{}", obligation.entry), Part::Entry);
            for resource in &obligation.resources {
                add(format!("resource:{resource}"), Part::Resource);
            }
            if !obligation.dataset.is_empty() {
                add(obligation.dataset.clone(), Part::Dataset);
            }
        }
        let repeated = worth::repeated(&lists.obligations).into_iter();
        let known = repeated.map(|repeats| Known { repeats, ..Known::default() }).collect();
        let groups = Groups::new(&lists, span);
        Self {
            lists,
            groups,
            amended: Arc::new(amended.clone()),
            span,
            places: Arc::new(places),
            known,
            cases: BTreeMap::new(),
            channels: BTreeMap::new(),
            stated: BTreeMap::new(),
            days: None,
            collected: BTreeSet::new(),
        }
    }

    /// Takes a fact; one that was recorded too late or set right by another changes nothing.
    pub fn add(&mut self, fact: &Fact) {
        if fact.recorded > self.span.known_by || self.amended.contains(&fact.id) {
            return;
        }
        match &fact.kind {
            Kind::Stated { name, month, value, .. }
                if name == USES
                    && self.add_uses(
                        &fact.subject,
                        month,
                        (&fact.channel, stamp(fact), *value),
                    ) => {}
            Kind::Stated { name, month, value, source } => {
                let stated = Stated { stamp: stamp(fact), value: *value, source: source.clone() };
                self.add_stated(name, month, &fact.subject, stated);
            }
            Kind::CaseOpened { list, owner, deadline } => {
                self.add_opened(fact, list, (owner, *deadline));
            }
            Kind::CaseClosed { list, proof } => self.add_closed(fact, list, proof),
            Kind::StandardRequired { standard } => self.add_standard(fact, standard, true),
            Kind::StandardInForce { standard } => self.add_standard(fact, standard, false),
            Kind::Confirmed { .. }
            | Kind::Placed { .. }
            | Kind::Verdict { .. }
            | Kind::Rejected { .. }
            | Kind::OverdueFrom { .. }
            | Kind::OverdueUntil { .. }
            | Kind::Link { .. }
            | Kind::PassCompleted { .. }
            | Kind::RuleCounted { .. }
            | Kind::Reconciled { .. }
            | Kind::Unmended { .. }
            | Kind::Probed { .. } => self.add_of_a_subject(fact),
            Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::IncarnationBegun { .. } => {}
        }
    }

    /// The province publishes a month after its cut-off: a value's month says where it counts.
    fn add_stated(&mut self, name: &str, month: &str, body: &str, stated: Stated) {
        if month != self.span.month.to_string() || name.starts_with(calibrate::STATED) {
            return;
        }
        let key = (name.to_owned(), body.to_owned());
        if self.stated.get(&key).is_none_or(|known| known.stamp < stated.stamp) {
            self.stated.insert(key, stated);
        }
    }

    /// The province may set another deadline: the last one it named before the cut-off counts.
    fn add_opened(&mut self, fact: &Fact, list: &str, (owner, deadline): (&str, Timestamp)) {
        if fact.occurred >= self.span.to {
            return;
        }
        let case = self.cases.entry((list.to_owned(), fact.subject.clone())).or_default();
        let stamp = stamp(fact);
        if case.first.as_ref().is_none_or(|known| stamp < *known) {
            case.first = Some(stamp.clone());
        }
        if case.opened.as_ref().is_none_or(|known| known.0 < stamp) {
            case.opened = Some((stamp, owner.to_owned(), deadline));
        }
    }

    /// On the cut-off itself is still in time for a deadline that is the cut-off.
    fn add_closed(&mut self, fact: &Fact, list: &str, proof: &str) {
        if fact.occurred > self.span.to {
            return;
        }
        let case = self.cases.entry((list.to_owned(), fact.subject.clone())).or_default();
        let stamp = stamp(fact);
        if case.closed.as_ref().is_none_or(|known| stamp < known.0) {
            case.closed = Some((stamp, proof.to_owned()));
        }
    }

    fn add_standard(&mut self, fact: &Fact, standard: &StandardId, is_required: bool) {
        if fact.occurred >= self.span.to {
            return;
        }
        let channel = self.channels.entry(fact.channel.clone()).or_default();
        let line = if is_required {
            &mut channel.required
        } else {
            channel.spoken.entry(fact.subject.clone()).or_default()
        };
        line.insert(stamp(fact), standard.clone());
    }

    /// A fact about an entry, a resource or a dataset of the lists.
    fn add_of_a_subject(&mut self, fact: &Fact) {
        if fact.occurred >= self.span.to {
            return;
        }
        let is_within = fact.occurred >= self.span.from;
        if is_within && self.days.is_some() {
            self.add_to_day(fact);
        }
        let Some(places) = self.places.get(&fact.subject) else { return };
        for (at, part) in places {
            if let Some(known) = self.known.get_mut(*at) {
                known.suspect(fact, *part, self.span);
                known.add(fact, *part, is_within);
            }
        }
    }
}

impl Known {
    /// What a fact says against it.
    fn suspect(&mut self, fact: &Fact, part: Part, span: Span) {
        let is_within = fact.occurred >= span.from;
        if let Kind::Link { to, .. } = &fact.kind {
            Arc::make_mut(&mut self.suspect).linked(fact, &stamp(fact), *to, span);
        } else if !is_within || !matches!(part, Part::Dataset) {
        } else if let Kind::RuleCounted { rule, executed, waived, .. } = &fact.kind {
            let suspect = Arc::make_mut(&mut self.suspect);
            suspect.ruled(&stamp(fact), rule, *executed, *waived);
        } else if let Some(reading) = reading(&fact.kind) {
            Arc::make_mut(&mut self.suspect).read(&stamp(fact), reading);
        }
    }

    fn add(&mut self, fact: &Fact, part: Part, is_within: bool) {
        let stamp = || stamp(fact);
        match &fact.kind {
            Kind::Link { to, .. } => self.link(fact, part, *to),
            Kind::Confirmed { rows, .. } => self.is_confirmed |= *rows > 0,
            Kind::OverdueFrom { deadline } => {
                let overdue = self.overdue.entry(*deadline).or_default();
                if overdue.evidence.as_ref().is_none_or(|known| stamp() < *known) {
                    overdue.evidence = Some(stamp());
                }
            }
            Kind::OverdueUntil { deadline } => {
                let overdue = self.overdue.entry(*deadline).or_default();
                let until = overdue.until.map_or(fact.occurred, |known| known.min(fact.occurred));
                overdue.until = Some(until);
            }
            Kind::Reconciled { compared, mismatched } => {
                if self.compared.as_ref().is_none_or(|known| known.0 < stamp()) {
                    self.compared = Some((stamp(), *compared, *mismatched));
                }
            }
            Kind::PassCompleted { .. }
            | Kind::Unmended { .. }
            | Kind::Verdict { .. }
            | Kind::Probed { .. }
            | Kind::RuleCounted { .. } => {
                if is_within {
                    self.count(fact);
                }
            }
            Kind::Placed { .. }
            | Kind::Rejected { .. }
            | Kind::StandardInForce { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::StandardRequired { .. }
            | Kind::CaseOpened { .. }
            | Kind::CaseClosed { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::Stated { .. } => {}
        }
    }

    /// Takes what counts within the span only.
    fn count(&mut self, fact: &Fact) {
        if let Kind::PassCompleted { seen, rejected, .. } = &fact.kind {
            self.seen = self.seen.saturating_add(*seen);
            self.set_aside = self.set_aside.saturating_add(*rejected);
        }
        if let Kind::Unmended { here, above } = &fact.kind {
            self.left(fact, (*here, *above));
        }
        if let Kind::Verdict { passed, failed } = &fact.kind {
            self.passed = self.passed.saturating_add(*passed);
            self.failed = self.failed.saturating_add(*failed);
        }
        if let Kind::Probed { succeeded, failed } = &fact.kind {
            self.answered = self.answered.saturating_add(*succeeded);
            self.unanswered = self.unanswered.saturating_add(*failed);
        }
        if let Kind::RuleCounted { rule, executed, broken, .. } = &fact.kind {
            let word = if is_of_truth(rule) { &mut self.truth } else { &mut self.soundness };
            word.0 = word.0.saturating_add(*executed);
            word.1 = word.1.saturating_add(*broken);
        }
    }

    /// The latest state on a channel counts.
    fn link(&mut self, fact: &Fact, part: Part, to: LinkState) {
        let links = match part {
            Part::Entry => &mut self.entry,
            Part::Resource => self.resources.entry(fact.subject.clone()).or_default(),
            Part::Dataset => return,
        };
        let stamp = stamp(fact);
        if links.get(&fact.channel).is_none_or(|known| known.0 < stamp) {
            links.insert(fact.channel.clone(), (stamp, to));
        }
    }

    /// So many rows are left to mend, here and above, as last told on a channel.
    fn left(&mut self, fact: &Fact, (here, above): (u64, u64)) {
        let stamp = stamp(fact);
        if self.unmended.get(&fact.channel).is_none_or(|known| known.0 < stamp) {
            self.unmended.insert(fact.channel.clone(), (stamp, here, above));
        }
    }
}

/// The rules that tell whether a value is true (真实性): check digits and fillers. The others tell
/// whether it is sound (有效性). A counted rule is its sort, a blank, its name.
fn is_of_truth(rule: &str) -> bool {
    let sort = rule.split(' ').next().unwrap_or_default();
    matches!(sort, "credit-code" | "id-card" | "placeholder")
}

#[cfg(test)]
mod doubt_tests;
#[cfg(test)]
mod tests;
