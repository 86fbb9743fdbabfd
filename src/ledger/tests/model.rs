//! Random legal histories against a model that only knows where each row version is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::delivery::{Attempt, BatchState};
use crate::ledger::{Counts, Ended, Judged, Scope, history};

const DATASETS: [(&str, Evidence); 4] = [
    ("judged", Evidence::RowVerdict),
    ("taken", Evidence::Receipt),
    ("put", Evidence::Placed),
    ("counted", Evidence::Count),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Queued,
    Done,
    Local,
    Refused,
    Failed,
    /// Judged anew in another batch: counted there.
    Replayed,
}

#[derive(Clone, Debug)]
struct Version {
    dataset: usize,
    key: u8,
    row: u64,
    place: Place,
    open_reject: bool,
}

#[derive(Clone, Debug)]
struct Carried {
    id: BatchId,
    root: usize,
    dataset: usize,
    versions: Vec<usize>,
    state: BatchState,
}

struct Model {
    bench: Bench,
    ledger: Option<Ledger>,
    versions: Vec<Version>,
    batches: Vec<Carried>,
    attempts: BTreeMap<BatchId, Attempt>,
}

impl Model {
    fn new() -> Self {
        let bench = Bench::new();
        let ledger = Some(bench.open());
        let (versions, batches) = (Vec::new(), Vec::new());
        Self { bench, ledger, versions, batches, attempts: BTreeMap::new() }
    }

    fn ledger(&self) -> Ledger {
        self.ledger.clone().unwrap()
    }

    fn keys(&self, batch: usize) -> BTreeSet<(usize, u8)> {
        let keys = |at: &usize| (self.versions[*at].dataset, self.versions[*at].key);
        self.batches[batch].versions.iter().map(keys).collect()
    }

    fn share_keys(&self, one: usize, other: usize) -> bool {
        !self.keys(one).is_disjoint(&self.keys(other))
    }

    fn pick(&self, number: u8, state: impl Fn(BatchState) -> bool) -> Option<usize> {
        let fits = |at: &usize| state(self.batches[*at].state);
        let fitting: Vec<usize> = (0..self.batches.len()).filter(fits).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(number) % fitting.len()])
    }

    fn observe(&mut self, dataset: usize, packed: u8, turned_away: u8, stale_names: bool) {
        let (name, evidence) = DATASETS[dataset];
        let ledger = self.ledger();
        let mut seen = observation(name);
        let mut carried = Vec::new();
        for number in (0..4).filter(|number| packed >> number & 1 == 1) {
            let standing = |version: &&mut Version| {
                (version.dataset, version.key) == (dataset, number) && version.open_reject
            };
            let mut row = u64::try_from(self.versions.len()).unwrap();
            let rejected: Vec<&mut Version> = self.versions.iter_mut().filter(standing).collect();
            if !rejected.is_empty() {
                seen.mended.push(key(number));
            }
            if packed & 16 == 16
                && let Some(last) = rejected.last()
            {
                row = last.row;
                seen.replayed.push((key(number), RowHash(row)));
            }
            for version in rejected {
                version.open_reject = false;
                if version.row == row {
                    version.place = Place::Replayed;
                }
            }
            carried.push(self.versions.len());
            let place = Place::Queued;
            self.versions.push(Version { dataset, key: number, row, place, open_reject: false });
        }
        for number in (0..4).filter(|number| turned_away & !packed >> number & 1 == 1) {
            let row = u64::try_from(self.versions.len()).unwrap();
            seen.rejects.push(reject(number, row, RejectKind::Local));
            let place = Place::Local;
            self.versions.push(Version { dataset, key: number, row, place, open_reject: true });
        }
        if !carried.is_empty() {
            let rows = u32::try_from(carried.len()).unwrap();
            let mut new = batch(&ledger, rows_of(name), rows, evidence);
            let (root, state) = (self.batches.len(), BatchState::Queued);
            self.batches.push(Carried { id: new.id, root, dataset, versions: carried, state });
            for older in 0..root {
                if self.share_keys(older, root) && !self.batches[older].state.is_final() {
                    // A stage may have looked before the older one was cut in two.
                    let name = if stale_names { self.batches[older].root } else { older };
                    new.after.push(self.batches[name].id);
                }
            }
            seen.batches.push(new);
        }
        self.bench.run(ledger.observed(seen)).unwrap();
    }

    /// The batches that may be sent, having checked that none overtakes another of its keys.
    fn sendable(&self) -> Vec<usize> {
        let ledger = self.ledger();
        let sendable = ledger.sendable(channel(), self.bench.clock.now(), 100, 100);
        let sendable = self.bench.run(sendable).unwrap();
        let at = |id| self.batches.iter().position(|known| known.id == id).unwrap();
        let sendable: Vec<usize> = sendable.iter().map(|one| at(one.batch.id)).collect();
        for one in &sendable {
            for other in (0..self.batches.len()).filter(|other| other != one) {
                let (mine, theirs) = (&self.batches[*one], &self.batches[other]);
                let under_way = !theirs.state.is_final()
                    && (theirs.state != BatchState::Queued || theirs.root < mine.root);
                assert!(!(under_way && self.share_keys(*one, other)), "{mine:?} before {theirs:?}");
            }
        }
        sendable
    }

    fn send(&mut self, number: u8) {
        let sendable = self.sendable();
        if sendable.is_empty() {
            return;
        }
        let chosen = sendable[usize::from(number) % sendable.len()];
        let id = self.batches[chosen].id;
        let ledger = self.ledger();
        let begun = ledger.attempt_begun(id, DigestSha256::of(b"sent"));
        self.attempts.insert(id, self.bench.run(begun).unwrap());
        self.batches[chosen].state = BatchState::InFlight;
    }

    fn answer(&mut self, at: usize, how: u8) {
        let ledger = self.ledger();
        let known = self.batches[at].clone();
        let untouched = known.versions.iter().all(|v| self.versions[*v].place == Place::Queued);
        let now = self.bench.clock.now();
        let later = now + Duration::from_mins(u64::from(how % 3) * 10);
        let code = "busy".to_owned();
        let is_last = known.versions.len() == 1;
        let ended = match how % 8 {
            1 => Ended::Again { code, at: later, auth: how > 128 },
            2 => Ended::Unknown { code, at: later },
            3 => Ended::Held { code, scope: Scope::Subject(DATASETS[known.dataset].0.to_owned()) },
            4 | 5 if untouched && is_last => {
                let version = &self.versions[known.versions[0]];
                let reject = reject(version.key, version.row, RejectKind::Refused);
                Ended::RowRefused { reject }
            }
            4 | 5 if untouched => self.halves(at),
            _ => Ended::Taken { receipt: None, upper_id: None, adopted: false },
        };
        let again = matches!(known.state, BatchState::Taken | BatchState::Settled);
        if !(again && matches!(ended, Ended::Taken { .. })) {
            self.follow(at, &ended);
        }
        let told = match self.attempts.remove(&known.id) {
            Some(attempt) => self.bench.run(ledger.attempt_ended(attempt, ended)),
            None => self.bench.run(ledger.batch_resolved(known.id, ended)),
        };
        told.unwrap();
    }

    fn halves(&self, at: usize) -> Ended {
        let known = &self.batches[at];
        let (name, evidence) = DATASETS[known.dataset];
        let cut = known.versions.len() / 2;
        let halves = [cut, known.versions.len() - cut].map(|rows| NewBatch {
            parent: Some(known.id),
            ..batch(&self.ledger(), rows_of(name), u32::try_from(rows).unwrap(), evidence)
        });
        Ended::Split { code: "too-large".to_owned(), halves: halves.into() }
    }

    /// What an answer means to the model.
    fn follow(&mut self, at: usize, ended: &Ended) {
        let known = self.batches[at].clone();
        let mut places = |place, open| {
            for version in &known.versions {
                self.versions[*version].place = place;
                self.versions[*version].open_reject = open;
            }
        };
        self.batches[at].state = match ended {
            Ended::Taken { .. } if DATASETS[known.dataset].1 == Evidence::RowVerdict => {
                let judged = |v: &usize| self.versions[*v].place != Place::Queued;
                assert!(!known.versions.iter().all(judged), "an open batch has an open row");
                BatchState::Taken
            }
            Ended::Taken { .. } => {
                places(Place::Done, false);
                BatchState::Settled
            }
            Ended::Again { .. } | Ended::Held { .. } => {
                places(Place::Queued, false);
                BatchState::Queued
            }
            Ended::Unknown { .. } => BatchState::Unknown,
            Ended::RowRefused { .. } => {
                places(Place::Refused, true);
                BatchState::Refused
            }
            Ended::Split { halves, .. } => {
                let mut versions = known.versions.clone();
                for half in halves {
                    let rest = versions.split_off(usize::try_from(half.rows).unwrap());
                    let versions = std::mem::replace(&mut versions, rest);
                    self.batches.push(Carried {
                        id: half.id,
                        versions,
                        state: BatchState::Queued,
                        ..known
                    });
                }
                BatchState::Split
            }
            Ended::ObjectRefused { .. } => unreachable!("rows only"),
        };
    }

    fn judge(&mut self, at: usize, passed: u8, failed: u8) {
        let known = self.batches[at].clone();
        let counts = matches!(known.state, BatchState::Taken | BatchState::Settled);
        let mut verdicts = Vec::new();
        for (bit, index) in known.versions.iter().enumerate() {
            let version = &mut self.versions[*index];
            let place = match (passed >> bit & 1, failed >> bit & 1) {
                (1, _) => Place::Done,
                (_, 1) => Place::Failed,
                _ => continue,
            };
            verdicts.push(if place == Place::Done {
                Judged::Passed(key(version.key))
            } else {
                Judged::Failed(reject(version.key, version.row, RejectKind::Failed))
            });
            if counts && version.place != Place::Replayed && version.place != place {
                version.place = place;
                version.open_reject = place == Place::Failed;
            }
        }
        let open = |v: &usize| self.versions[*v].place == Place::Queued;
        let settled = known.state == BatchState::Taken && !known.versions.iter().any(open);
        if settled {
            self.batches[at].state = BatchState::Settled;
        }
        let told = self.bench.run(self.ledger().judged(known.id, verdicts)).unwrap();
        assert_eq!(told.0, settled);
    }

    fn reopen(&mut self) {
        self.ledger = None;
        self.attempts.clear();
        self.ledger = Some(self.bench.open());
        for known in &mut self.batches {
            if known.state == BatchState::InFlight {
                known.state = BatchState::Unknown;
            }
        }
    }

    fn step(&mut self, [what, a, b, c]: [u8; 4]) {
        match what % 12 {
            0..=2 => self.observe(usize::from(a % 4), b, c & 15, c & 16 == 16),
            3 | 4 => self.send(a),
            5 | 6 => {
                let answered = |state| matches!(state, BatchState::InFlight | BatchState::Unknown);
                if let Some(at) = self.pick(a, answered) {
                    self.answer(at, b);
                }
            }
            7 | 8 => {
                if let Some(at) = self.pick(a, |state| state != BatchState::Split) {
                    self.judge(at, b, c);
                }
            }
            // A receipt again, late or twice; or the province forgot what it took.
            9 => {
                let known = |state| matches!(state, BatchState::Taken | BatchState::Settled);
                if let Some(at) = self.pick(a, known) {
                    let forgot = self.batches[at].state == BatchState::Taken && b > 128;
                    self.answer(at, if forgot { 2 } else { 0 });
                }
            }
            10 => {
                self.bench.clock.advance(Duration::from_mins(u64::from(b)));
                self.bench.run(self.ledger().holds_lifted(None)).unwrap();
            }
            _ => self.reopen(),
        }
        self.check();
    }

    fn check(&self) {
        let ledger = self.ledger();
        let flows = self.bench.run(ledger.flows()).unwrap();
        for (dataset, (name, evidence)) in DATASETS.iter().enumerate() {
            let at = |place| {
                let here = |v: &&Version| v.dataset == dataset && v.place == place;
                u64::try_from(self.versions.iter().filter(here).count()).unwrap()
            };
            let placed = !matches!(evidence, Evidence::RowVerdict | Evidence::Receipt);
            let done = at(Place::Done);
            let mut expected = Counts {
                due: 0,
                queued: at(Place::Queued),
                confirmed: if placed { 0 } else { done },
                placed: if placed { done } else { 0 },
                rejected_local: at(Place::Local),
                rejected_refused: at(Place::Refused),
                rejected_failed: at(Place::Failed),
                ..Counts::default()
            };
            expected.due = done + expected.queued + expected.rejected();
            let found = flows.iter().find(|state| state.flow.dataset == *name);
            let found = found.map_or(Counts::default(), |state| state.counts);
            assert_eq!(found, expected, "{name}");
            assert!(found.balance());
            let open: u64 = (self.batches.iter())
                .filter(|known| known.dataset == dataset && !known.state.is_final())
                .map(|known| u64::from(self.bench.run(ledger.batch(known.id)).unwrap().rows_open))
                .sum();
            assert_eq!(found.queued, open, "{name}: open rows");
        }
        for known in &self.batches {
            let stored = self.bench.run(ledger.batch(known.id)).unwrap();
            assert_eq!(stored.batch.state, known.state);
        }
        self.sendable();
    }

    /// The province takes everything and every row passes: nothing may be left waiting.
    fn drain(&mut self) {
        for _ in 0..10 * self.batches.len() + 10 {
            self.step([10, 0, 255, 0]);
            self.send(0);
            while let Some(at) =
                self.pick(0, |state| matches!(state, BatchState::InFlight | BatchState::Unknown))
            {
                let all_judged = self.batches[at]
                    .versions
                    .iter()
                    .all(|v| self.versions[*v].place != Place::Queued);
                self.answer(at, if all_judged { 1 } else { 0 });
            }
            while let Some(at) = self.pick(0, |state| state == BatchState::Taken) {
                self.judge(at, 255, 0);
            }
            if self.batches.iter().all(|known| known.state.is_final()) {
                return;
            }
        }
        panic!("batches wait for ever: {:?}", self.batches);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_its_counts_and_its_order(
        steps in prop::collection::vec(any::<[u8; 4]>(), 1..80)
    ) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        model.drain();
        model.check();
        let mut problems = Vec::new();
        let proven = model.bench.run(model.ledger().read(move |connection| {
            let facts = history::facts_verify(connection, &mut problems)?;
            Ok((facts, problems))
        })).unwrap();
        prop_assert!(proven.0 > 0 && proven.1.is_empty(), "{:?}", proven.1);
    }
}
