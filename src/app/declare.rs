//! What the city promises becomes facts, and what of it counts is kept at hand.
//!
//! Obligations, configured datasets and the catalogue's entries are compared with what was last
//! declared; a line that is new, other or gone is one fact, an approval is one. So a cycle that is
//! lengthened in a file between two reloads is seen, whoever wrote it, and the deadlines go on by
//! the shorter one until somebody approves ([`indicator::terms`](crate::indicator::terms)). Without
//! `[indicator]` nothing is judged and nothing is declared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::judge::Judge;
use super::works::{Current, Works};
use crate::calendar::Cycle;
use crate::cascade::Crew;
use crate::city::Dataset;
use crate::config::{Configuration, Indicator};
use crate::indicator::terms::{Change, Terms, Wanted, wanted};
use crate::ledger::{self, NewFact};

/// How often the catalogue is looked at: reading it is nobody's haste.
const CATALOGUE_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Facts that are written at once.
const AT_ONCE: usize = 1_000;
/// Subjects that a warning names.
const NAMED: usize = 5;

/// The cycles that count, by dataset.
#[derive(Debug, Default)]
pub(in crate::app) struct Held {
    cycles: Mutex<BTreeMap<String, Cycle>>,
    withheld: Mutex<Vec<(String, Cycle)>>,
    unapproved: Mutex<Arc<[Change]>>,
}

impl Held {
    /// The cycle of a dataset that counts: the declared one, or a shorter one that it was
    /// lengthened from without an approval.
    pub(in crate::app) fn cycle(&self, dataset: &Dataset) -> Cycle {
        let declared = Cycle::parse(&dataset.cycle);
        let cycles = self.cycles.lock().unwrap_or_else(PoisonError::into_inner);
        let length = |cycle: Cycle| cycle.minutes().unwrap_or(u64::MAX);
        match cycles.get(&dataset.id) {
            Some(held) if length(*held) < length(declared) => *held,
            Some(_) | None => declared,
        }
    }

    /// The datasets that nobody carries any more without an approval: their deadlines go on.
    pub(super) fn withheld(&self) -> Vec<(String, Cycle)> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is promised less of although nobody approved of it, in the order of time.
    pub(in crate::app) fn unapproved(&self) -> Arc<[Change]> {
        Arc::clone(&self.unapproved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_unapproved(&self, unapproved: impl IntoIterator<Item = Change>) {
        let unapproved = unapproved.into_iter().collect();
        *self.unapproved.lock().unwrap_or_else(PoisonError::into_inner) = unapproved;
    }

    fn put(&self, cycles: BTreeMap<String, Cycle>, withheld: Vec<(String, Cycle)>) {
        *self.cycles.lock().unwrap_or_else(PoisonError::into_inner) = cycles;
        *self.withheld.lock().unwrap_or_else(PoisonError::into_inner) = withheld;
    }
}

/// What was declared, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// By what was judged, and of which configuration: pointers that are compared.
    of: Option<(Arc<Indicator>, Arc<Configuration>)>,
    terms: Terms,
    /// The mark of the catalogue that was read.
    catalogue: Option<String>,
    looked: Option<Timestamp>,
}

/// Who looks at what is declared does so by turns: two would write down the same twice.
#[derive(Debug)]
pub(in crate::app) struct Declarations {
    turn: Semaphore,
    last: Mutex<Declared>,
}

impl Default for Declarations {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), last: Mutex::default() }
    }
}

impl Declarations {
    /// Looks, and gives the turn: it ends when that is dropped.
    pub(super) async fn look(
        &self,
        crew: &Crew,
        current: &Current,
    ) -> ledger::Result<Option<SemaphorePermit<'_>>> {
        // Nobody closes it: where it is gone the process ends.
        let turn = self.turn.acquire().await.ok();
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the look fails or is given up, the next begins anew.
        let mut declared = std::mem::take(&mut *last());
        declared.look(crew, current).await?;
        *last() = declared;
        Ok(turn)
    }
}

impl Declared {
    /// Declares what is new, and keeps what counts at hand. Deadlines may be judged by it once it
    /// has come to its end.
    pub(super) async fn look(&mut self, crew: &Crew, current: &Current) -> ledger::Result<()> {
        let works = current.load();
        let Some(by) = works.configuration.indicator.clone() else {
            *self = Self::default();
            current.held().put(BTreeMap::new(), Vec::new());
            current.held().put_unapproved([]);
            return Ok(());
        };
        let now = crew.supervisor.clock().now();
        let is_other = |(of, configuration): &(Arc<Indicator>, Arc<Configuration>)| {
            !Arc::ptr_eq(of, &by) || !Arc::ptr_eq(configuration, &works.configuration)
        };
        let is_new = self.of.as_ref().is_none_or(is_other);
        let is_due = self.looked.is_none_or(|at| now.duration_since(at) >= CATALOGUE_EVERY);
        if !is_new && !is_due {
            return Ok(());
        }
        let judge = Judge::new(crew.ledger.clone(), Arc::clone(&by));
        if is_new {
            self.terms = read(&judge).await?;
        }
        let mark = crew.ledger.catalogue_mark().await?;
        let approvals = if is_new { approvals(&by) } else { Vec::new() };
        let mut says = Wanted::default();
        if is_new {
            of_configuration(&works, &by, &mut says);
        }
        if is_new || self.catalogue.as_ref() != Some(&mark) {
            let promised = crew.ledger.promised().await?;
            says.catalogue(promised.iter().map(|it| [&*it.entry, &it.cycle, &it.share, &it.open]));
        }
        let missing = wanted(&says, &self.terms).into_iter();
        let new =
            |(subject, kind)| NewFact { channel: None, subject, kind, occurred: now, amends: None };
        let declared: Vec<NewFact> = missing.map(new).collect();
        let mut approved = 0;
        for facts in approvals.chunks(AT_ONCE) {
            approved += crew.ledger.facts_brought(facts.to_vec()).await?;
        }
        for facts in declared.chunks(AT_ONCE) {
            crew.ledger.facts_recorded(facts.to_vec()).await?;
        }
        if approved > 0 || !declared.is_empty() {
            let before = unapproved(&self.terms, now);
            self.terms = read(&judge).await?;
            // What is declared now counts from now on: it is asked for just after.
            tell(&unapproved(&self.terms, after(now)), &before);
        }
        let withheld = self.terms.withheld(after(now));
        current.held().put(cycles(&works, &self.terms, after(now)), withheld);
        current.held().put_unapproved(unapproved(&self.terms, after(now)));
        self.of = Some((by, Arc::clone(&works.configuration)));
        self.catalogue = Some(mark);
        self.looked = Some(now);
        Ok(())
    }
}

/// The first instant after one, as exact as the ledger keeps them.
fn after(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at)
}

async fn read(judge: &Judge) -> ledger::Result<Terms> {
    let horizon = judge.ledger().horizon(Timestamp::MAX).await?;
    let amended = judge.ledger().amended(horizon).await?;
    judge.terms(Timestamp::MAX, horizon, &amended).await
}

fn approvals(by: &Indicator) -> Vec<NewFact> {
    let new = |it: crate::indicator::brought::Made| NewFact {
        channel: it.channel,
        subject: it.subject,
        kind: it.kind,
        occurred: it.occurred,
        amends: None,
    };
    by.lists.approvals.iter().map(|it| new(it.made())).collect()
}

fn of_configuration(works: &Works, by: &Indicator, says: &mut Wanted) {
    if by.settings.lists.is_some() {
        says.obligations(&by.lists.obligations);
        says.tasks(&by.lists.tasks);
    }
    let datasets = works.configuration.datasets.iter().map(|it| &it.dataset);
    says.datasets(datasets.map(|it| (it.id.as_str(), it.cycle.as_str())));
}

fn cycles(works: &Works, terms: &Terms, at: Timestamp) -> BTreeMap<String, Cycle> {
    let datasets = works.configuration.datasets.iter().map(|it| &it.dataset.id);
    datasets.filter_map(|id| Some((id.clone(), terms.cycle_of(id, at)?))).collect()
}

fn unapproved(terms: &Terms, at: Timestamp) -> BTreeSet<Change> {
    terms.changes(at).into_iter().filter(Change::is_unapproved).collect()
}

/// Warns of what nobody approved of, once.
fn tell(now: &BTreeSet<Change>, before: &BTreeSet<Change>) {
    let new: Vec<&Change> = now.difference(before).collect();
    if new.is_empty() {
        return;
    }
    let named: Vec<String> = new
        .iter()
        .take(NAMED)
        .map(|it| format!("{} {} {}→{}", it.subject, it.matter.as_str(), it.from, it.to))
        .collect();
    tracing::warn!(
        count = new.len(),
        what = named.join("; "),
        "less is promised without an approval: what was promised before goes on counting"
    );
}
