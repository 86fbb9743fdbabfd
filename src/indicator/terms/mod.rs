//! What the city promises and what of it counts: a promise that is loosened without an approval
//! counts as it was.
//!
//! Every list of promises (obligations, the catalogue, the configured datasets) becomes facts: one
//! for a subject when it is first seen, and one each time its line changes. An approval is a fact
//! too. From both follows what counted at any instant: a promise that becomes stricter counts at
//! once; one that becomes looser (a longer cycle, a lower share type, off the list) counts when an
//! approval leads from what counted to it, and until then what counted before goes on. Chains of
//! approvals are gone as far as they lead towards what is declared. As everywhere the order in
//! which facts come changes nothing, and a fact that another sets right is passed over.

mod approvals;
mod line;
mod tasks;
mod wanted;

pub use approvals::{Approval, approvals, approved};
pub use wanted::{Wanted, wanted};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::lists::{Lists, Obligation};
use super::tally::{Kept, amended};
use super::tasks::Task;
use crate::calendar::Cycle;
use crate::fact::{Fact, FactId, Kind};

/// The kinds of facts that are asked, by their words.
pub const KINDS: [&str; 2] = ["declared", "approved"];

/// Where something is promised.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum List {
    /// 责任清单.
    Obligations,
    /// The city's catalogue.
    Catalogue,
    /// The datasets that the configuration carries.
    Datasets,
    /// 归集任务: what the province wants to have.
    Tasks,
}

impl List {
    /// Every list.
    pub const ALL: [Self; 4] = [Self::Obligations, Self::Catalogue, Self::Datasets, Self::Tasks];

    /// The word in facts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Obligations => "obligations",
            Self::Catalogue => "catalogue",
            Self::Datasets => "datasets",
            Self::Tasks => "tasks",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.as_str() == text)
    }

    /// What stands before a subject's name in facts.
    fn prefix(self) -> &'static str {
        match self {
            Self::Obligations | Self::Catalogue => "entry:",
            Self::Datasets => "",
            Self::Tasks => Task::PREFIX,
        }
    }

    /// A subject of it, as facts and findings name it.
    pub fn named(self, subject: &str) -> String {
        format!("{}{subject}", self.prefix())
    }

    /// What its lines promise.
    fn matters(self) -> &'static [Matter] {
        match self {
            Self::Obligations => &[
                Matter::Listed,
                Matter::Cycle,
                Matter::Share,
                Matter::Open,
                Matter::Key,
                Matter::Dataset,
            ],
            Self::Catalogue => &[Matter::Entry, Matter::Cycle, Matter::Share, Matter::Open],
            Self::Datasets => &[Matter::Dataset, Matter::Cycle],
            Self::Tasks => &[Matter::Listed, Matter::Due],
        }
    }
}

/// What can be promised less of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Matter {
    /// It stands on the list of obligations, or of tasks.
    Listed,
    /// It stands in the catalogue.
    Entry,
    /// Its rows are carried.
    Dataset,
    /// Its update cycle (更新周期).
    Cycle,
    /// How it is shared (共享类型).
    Share,
    /// How it is open to the public (开放类型).
    Open,
    /// It is key data.
    Key,
    /// By when a task is due.
    Due,
}

impl Matter {
    /// Every matter.
    pub const ALL: [Self; 8] = [
        Self::Listed,
        Self::Entry,
        Self::Dataset,
        Self::Cycle,
        Self::Share,
        Self::Open,
        Self::Key,
        Self::Due,
    ];

    /// The word in facts and in the list of approvals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Entry => "entry",
            Self::Dataset => "dataset",
            Self::Cycle => "cycle",
            Self::Share => "share",
            Self::Open => "open",
            Self::Key => "key",
            Self::Due => "due",
        }
    }

    /// The inverse of [`Matter::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|matter| matter.as_str() == text)
    }

    /// How loose a promise is: the larger, the less is promised. None where the words say nothing.
    pub fn looseness(self, words: &str) -> Option<u64> {
        match self {
            Self::Cycle => Some(Cycle::parse(words).minutes().unwrap_or(u64::MAX)),
            // The later, the looser.
            Self::Due => {
                let days = words.parse::<Date>().ok()?.since(Date::MIN).ok()?.get_days();
                u64::try_from(days).ok()
            }
            Self::Share | Self::Open => match words {
                "yes" | "是" | "unconditional" | "open" | "无条件共享" | "无条件开放"
                | "无条件" => Some(0),
                "conditional" | "有条件共享" | "有条件开放" | "有条件" => Some(1),
                "no" | "否" | "none" | "closed" | "不予共享" | "不予开放" => Some(2),
                _ => None,
            },
            Self::Listed | Self::Entry | Self::Dataset | Self::Key => match words {
                "yes" | "是" => Some(0),
                "no" | "否" => Some(1),
                _ => None,
            },
        }
    }

    /// What a list's line promises of it; none where the line says nothing of it.
    fn of(self, list: List, line: &str) -> Option<String> {
        let word = |is: bool| if is { "yes" } else { "no" }.to_owned();
        match self {
            Self::Listed | Self::Entry => Some(word(!line.is_empty())),
            // Who left the list of obligations is told of once.
            Self::Dataset if list == List::Obligations && line.is_empty() => None,
            Self::Dataset => {
                Some(word(line::value(line, "dataset").is_some_and(|it| !it.is_empty())))
            }
            Self::Cycle | Self::Share | Self::Open | Self::Key | Self::Due => {
                line::value(line, self.as_str())
            }
        }
    }
}

/// When something was said, for telling what came later.
type Stamp = (Timestamp, Timestamp, FactId);

/// What a city's lists promised, and what was approved, in any order.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    declared: BTreeMap<(List, String), BTreeMap<Stamp, String>>,
    /// By the entry, dataset or task and the matter.
    approved: BTreeMap<(String, Matter), BTreeMap<Stamp, Step>>,
    /// The entries that ever had a dataset's rows.
    entries: BTreeMap<String, BTreeSet<String>>,
}

/// An approval as a fact tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Step {
    from: u64,
    to: u64,
    to_words: String,
    told: Told,
}

/// Why something may be promised less of, and who said so.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Told {
    /// Why.
    pub reason: String,
    /// Who approved it, and where that is written.
    pub approval: String,
}

/// A promise that was loosened.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Change {
    /// When it was seen.
    pub at: Timestamp,
    /// Where.
    pub list: List,
    /// The entry, the dataset or the task.
    pub subject: String,
    /// What of it.
    pub matter: Matter,
    /// What counted before.
    pub from: String,
    /// What is declared instead.
    pub to: String,
    /// Why and by whom; none where nobody approved of it: what counted before goes on.
    pub approved: Option<Told>,
    /// When it was taken back, where it was.
    pub taken_back: Option<Timestamp>,
    /// The fact that shows it.
    pub evidence: FactId,
}

impl Change {
    /// Nobody approved of it, and it still stands.
    pub fn is_unapproved(&self) -> bool {
        self.approved.is_none() && self.taken_back.is_none()
    }
}

/// What is promised of one matter, and what of it counts.
#[derive(Clone, Debug, Default)]
struct Held {
    declared: String,
    counts: Option<(u64, String)>,
    changes: Vec<Change>,
}

/// What bears on one matter.
enum Event<'t> {
    Said(&'t str),
    Approved(&'t Step),
}

impl Terms {
    /// The terms of facts that are all there, as known by some time.
    pub fn of<'f>(facts: impl IntoIterator<Item = &'f Fact> + Clone, known_by: Timestamp) -> Self {
        let amended = amended(facts.clone(), known_by);
        let mut terms = Self::default();
        for fact in facts.into_iter().filter(|fact| fact.recorded <= known_by) {
            terms.add(fact, &amended);
        }
        terms
    }

    /// Takes a fact; one that is set right by another changes nothing.
    pub fn add(&mut self, fact: &Fact, amended: &BTreeSet<FactId>) {
        if amended.contains(&fact.id) {
            return;
        }
        let stamp = (fact.occurred, fact.recorded, fact.id.clone());
        if let Kind::Declared { list, terms } = &fact.kind {
            let Some(list) = List::parse(list) else { return };
            let bare = fact.subject.strip_prefix(list.prefix());
            let subject = bare.unwrap_or(&fact.subject).to_owned();
            let dataset = line::value(terms, "dataset").filter(|it| !it.is_empty());
            if let Some(dataset) = dataset.filter(|_| list == List::Obligations) {
                self.entries.entry(dataset).or_default().insert(subject.clone());
            }
            self.declared.entry((list, subject)).or_default().insert(stamp, terms.clone());
        } else if let Kind::Approved { what, from, to, reason, approval } = &fact.kind {
            let Some(matter) = Matter::parse(what) else { return };
            let Some((from, loose)) = matter.looseness(from).zip(matter.looseness(to)) else {
                return;
            };
            let told = Told { reason: reason.clone(), approval: approval.clone() };
            let step = Step { from, to: loose, to_words: to.clone(), told };
            self.approved.entry((fact.subject.clone(), matter)).or_default().insert(stamp, step);
        }
    }

    /// The line that a list has of a subject, as last declared; empty where it left the list.
    pub fn latest(&self, list: List, subject: &str) -> Option<&str> {
        let lines = self.declared.get(&(list, subject.to_owned()))?;
        lines.values().next_back().map(String::as_str)
    }

    /// The subjects that a list has, as last declared.
    pub fn listed(&self, list: List) -> impl Iterator<Item = &str> {
        let all = self.declared.iter().filter(move |((of, _), _)| *of == list);
        let there =
            all.filter(|(_, lines)| lines.values().next_back().is_some_and(|it| !it.is_empty()));
        there.map(|((_, subject), _)| subject.as_str())
    }

    /// The lists as they count at an instant: what was loosened without an approval is as it was,
    /// and what left the list without one is on it. What was never declared is as it stands.
    pub fn hold(&self, lists: &Lists, until: Timestamp) -> Lists {
        let mut held = lists.clone();
        let mut known: BTreeMap<&str, Option<Obligation>> = BTreeMap::new();
        for (list, subject) in self.declared.keys() {
            if *list == List::Obligations {
                known.insert(subject, self.obligation(subject, until));
            }
        }
        for obligation in &mut held.obligations {
            if let Some(Some(counts)) = known.remove(obligation.entry.as_str()) {
                *obligation = Obligation {
                    title: obligation.title.clone(),
                    department: obligation.department.clone(),
                    region: obligation.region.clone(),
                    resources: obligation.resources.clone(),
                    ..counts
                };
            }
        }
        held.obligations.extend(known.into_values().flatten());
        self.hold_tasks(&mut held.tasks, until);
        held
    }

    /// What holds lent lists, or makes others of them where something was declared.
    pub fn keep<'l>(&self, lists: impl Into<Kept<'l>>, until: Timestamp) -> Kept<'l> {
        let lists = lists.into();
        let is_one = |list: List| matches!(list, List::Obligations | List::Tasks);
        let is_known = self.declared.keys().any(|(list, _)| is_one(*list));
        if is_known { Kept::Shared(Arc::new(self.hold(&lists, until))) } else { lists }
    }

    /// The cycle of a dataset's rows that counts at an instant; none where it was never declared,
    /// or is no longer carried.
    pub fn cycle_of(&self, dataset: &str, until: Timestamp) -> Option<Cycle> {
        let held = self.held(List::Datasets, dataset, Matter::Cycle, until)?;
        held.counts.map(|(_, words)| Cycle::parse(&words))
    }

    /// The datasets that are no longer carried although nobody approved of it, each with the cycle
    /// that goes on counting.
    pub fn withheld(&self, until: Timestamp) -> Vec<(String, Cycle)> {
        let all = self.declared.iter().filter(|((list, _), _)| *list == List::Datasets);
        let gone =
            all.filter(|(_, lines)| lines.values().next_back().is_some_and(String::is_empty));
        gone.filter_map(|((_, dataset), _)| {
            let held = self.held(List::Datasets, dataset, Matter::Dataset, until)?;
            let counts = held.counts.is_some_and(|(_, words)| words == "yes");
            Some((dataset.clone(), self.cycle_of(dataset, until).filter(|_| counts)?))
        })
        .collect()
    }

    /// Every promise that was loosened before `until`, in the order of time.
    pub fn changes(&self, until: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        for (list, subject) in self.declared.keys() {
            for matter in list.matters() {
                let held = self.held(*list, subject, *matter, until);
                changes.extend(held.into_iter().flat_map(|it| it.changes));
            }
        }
        changes.sort();
        changes
    }

    /// An obligation as it counts; none where it is rightly off the list, or not on it yet.
    fn obligation(&self, entry: &str, until: Timestamp) -> Option<Obligation> {
        let counts = |matter| {
            let held = self.held(List::Obligations, entry, matter, until)?;
            held.counts.map(|(_, words)| words)
        };
        if counts(Matter::Listed)? != "yes" {
            return None;
        }
        let lines = self.declared.get(&(List::Obligations, entry.to_owned()))?;
        let said = lines.iter().filter(|((at, ..), line)| *at < until && !line.is_empty());
        let (_, line) = said.clone().next_back()?;
        let mut obligation = line::obligation(entry, line)?;
        if obligation.dataset.is_empty() && counts(Matter::Dataset)? == "yes" {
            let mut datasets = said.filter_map(|(_, line)| line::value(line, "dataset"));
            obligation.dataset = datasets.rfind(|it| !it.is_empty())?;
        }
        obligation.cycle = Cycle::parse(&counts(Matter::Cycle)?);
        obligation.is_shared = counts(Matter::Share)? == "yes";
        obligation.is_open = counts(Matter::Open)? == "yes";
        obligation.is_key = counts(Matter::Key)? == "yes";
        Some(obligation)
    }

    /// What is declared of one matter, and what of it counts.
    fn held(&self, list: List, subject: &str, matter: Matter, until: Timestamp) -> Option<Held> {
        let lines = self.declared.get(&(list, subject.to_owned()))?;
        let mut events: BTreeMap<&Stamp, Event<'_>> = BTreeMap::new();
        for (stamp, line) in lines.iter().filter(|((at, ..), _)| *at < until) {
            events.insert(stamp, Event::Said(line));
        }
        for name in self.names(list, subject) {
            let steps = self.approved.get(&(name, matter)).into_iter().flatten();
            for (stamp, step) in steps.filter(|((at, ..), _)| *at < until) {
                events.insert(stamp, Event::Approved(step));
            }
        }
        let mut held = Held::default();
        let mut steps = Vec::new();
        for (stamp, event) in events {
            match event {
                Event::Said(line) => {
                    let Some(words) = matter.of(list, line) else { continue };
                    held.say(stamp.0, words, matter, |from, to| Change {
                        at: stamp.0,
                        list,
                        subject: subject.to_owned(),
                        matter,
                        from,
                        to,
                        approved: None,
                        taken_back: None,
                        evidence: stamp.2.clone(),
                    });
                }
                Event::Approved(step) => steps.push(step),
            }
            held.step(matter, &steps);
        }
        held.counts.is_some().then_some(held)
    }

    /// Under which names approvals speak of a subject: a dataset is also spoken of by its entry.
    fn names(&self, list: List, subject: &str) -> BTreeSet<String> {
        let mut names = match list {
            List::Datasets => self.entries.get(subject).cloned().unwrap_or_default(),
            List::Obligations | List::Catalogue | List::Tasks => BTreeSet::new(),
        };
        // A task may have the number of an entry: approvals of one are none of the other.
        let is_task = list == List::Tasks;
        names.insert(if is_task { list.named(subject) } else { subject.to_owned() });
        names
    }
}

impl Held {
    /// Something is declared. What is not looser counts at once.
    fn say(
        &mut self,
        at: Timestamp,
        words: String,
        matter: Matter,
        change: impl Fn(String, String) -> Change,
    ) {
        if words == self.declared && self.counts.is_some() {
            return;
        }
        // Whatever was declared before is no longer.
        for earlier in self.changes.iter_mut().filter(|it| it.is_unapproved()) {
            earlier.taken_back = Some(at);
        }
        // Words that say nothing promise nothing.
        let looseness = matter.looseness(&words).unwrap_or(u64::MAX);
        self.declared.clone_from(&words);
        match &self.counts {
            Some((counts, before)) if looseness > *counts => {
                self.changes.push(change(before.clone(), words));
            }
            Some(_) | None => self.counts = Some((looseness, words)),
        }
    }

    /// Goes along approvals from what counts towards what is declared.
    fn step(&mut self, matter: Matter, steps: &[&Step]) {
        let wanted = matter.looseness(&self.declared).unwrap_or(u64::MAX);
        while let Some((counts, _)) = self.counts {
            let leads = |it: &&&Step| it.from == counts && it.to > counts && it.to <= wanted;
            // Of several the one that leads furthest, and of equal ones the last.
            let Some(step) = steps.iter().filter(leads).max_by_key(|it| it.to) else { return };
            self.counts = Some((step.to, step.to_words.clone()));
            if step.to == wanted {
                self.counts = Some((wanted, self.declared.clone()));
                if let Some(change) = self.changes.last_mut().filter(|it| it.is_unapproved()) {
                    change.approved = Some(step.told.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
