//! The index against a model of forty lines: random batches, outcomes, merges, passes, restarts and
//! crashes between the steps of a merge, everything compared after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::ledger::manifest::Original;

const KEYS: u16 = 300;

pub(super) fn key(number: u16) -> KeyDigest {
    let mut bytes = [7; 12];
    bytes[..2].copy_from_slice(&number.wrapping_mul(217).to_be_bytes());
    KeyDigest(bytes)
}

pub(super) fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::from_bytes(&[9; 32]).unwrap())
}

pub(super) fn manifest_row(number: u16, batch: u64) -> ManifestRow {
    ManifestRow {
        key: key(number),
        row: RowHash(batch * 1000 + u64::from(number)),
        version_ms: batch,
        original: Original {
            key_text: format!("key {number}"),
            upper_id: number.is_multiple_of(2).then(|| format!("upper {batch}")),
            columns: vec![None, Some(format!("column {batch}"))],
        },
    }
}

/// A batch as the ledger and the spool know it.
#[derive(Clone, Debug)]
struct Batch {
    action: Action,
    manifest: Vec<ManifestRow>,
    abandoned: BTreeSet<KeyDigest>,
    settled: bool,
    merged: bool,
}

impl Batch {
    fn row(&self, key: KeyDigest) -> Option<&ManifestRow> {
        self.manifest.iter().find(|row| row.key == key && !self.abandoned.contains(&key))
    }
}

#[derive(Debug, Default)]
struct Model {
    batches: BTreeMap<u64, Batch>,
    /// The newest ordinal ever given: the ledger gives none twice, whatever becomes of its batch.
    last: u64,
    names: Vec<String>,
    /// The keys met and the first ordinal packed since the pass began.
    pass: Option<(BTreeSet<KeyDigest>, u64)>,
}

impl Model {
    fn entries(&self, key: KeyDigest) -> impl Iterator<Item = (u64, &Batch, &ManifestRow)> {
        self.batches
            .iter()
            .rev()
            .filter_map(move |(ordinal, batch)| batch.row(key).map(|row| (*ordinal, batch, row)))
    }

    fn known(&self, key: KeyDigest, view: View) -> Option<(RowHash, u64, Option<u64>, bool)> {
        let mut entries = self.entries(key);
        let entry = match view {
            View::Newest => entries.next(),
            View::Settled => entries.find(|(_, batch, _)| batch.settled),
        };
        let (ordinal, batch, row) = entry?;
        let deleting = batch.action == Action::Delete;
        let pending = (!batch.settled).then_some(ordinal);
        (!(batch.settled && deleting)).then_some((row.row, row.version_ms, pending, deleting))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pend {
        delete: bool,
        first: u16,
        step: u16,
        count: u16,
    },
    /// The same rows once more, as after a crash between the ledger and the index.
    Repeat(prop::sample::Index),
    Settle(prop::sample::Index),
    Abandon(prop::sample::Index, u16),
    AbandonBatch(prop::sample::Index),
    Plan(usize),
    Install,
    /// The run is durable, the transaction never came.
    Crash,
    /// The transaction named the run, nothing was installed or deleted.
    CrashAfterTransaction,
    Reopen,
    BeginPass,
    Mark {
        first: u16,
        step: u16,
        count: u16,
    },
    EndPass,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (any::<bool>(), 0..KEYS, 1..7_u16, 0..90_u16).prop_map(
            |(delete, first, step, count)| Step::Pend { delete, first, step, count }
        ),
        // Small batches leave the large runs of earlier ones alone.
        3 => (any::<bool>(), 0..KEYS, 1..7_u16, 0..5_u16).prop_map(
            |(delete, first, step, count)| Step::Pend { delete, first, step, count }
        ),
        1 => index().prop_map(Step::Repeat),
        6 => index().prop_map(Step::Settle),
        2 => (index(), 1..4_u16).prop_map(|(at, step)| Step::Abandon(at, step)),
        1 => index().prop_map(Step::AbandonBatch),
        2 => (0..60_usize).prop_map(Step::Plan),
        2 => Just(Step::Plan(1)),
        4 => Just(Step::Install),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashAfterTransaction),
        1 => Just(Step::Reopen),
        2 => Just(Step::BeginPass),
        5 => (0..KEYS, 1..7_u16, 0..200_u16).prop_map(
            |(first, step, count)| Step::Mark { first, step, count }
        ),
        1 => Just(Step::EndPass),
    ]
}

fn numbers(first: u16, step: u16, count: u16) -> impl Iterator<Item = u16> {
    (0..count).map(move |place| (first + place * step) % KEYS)
}

struct Bench {
    folder: tempfile::TempDir,
    index: Index,
    model: Model,
    merge: Option<Merge>,
    runs: u32,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), &[], sealer(), 1 << 20).unwrap();
        Self { folder, index, model: Model::default(), merge: None, runs: 0 }
    }

    fn open_batch(&self, at: &prop::sample::Index) -> Option<u64> {
        let open: Vec<u64> = self
            .model
            .batches
            .iter()
            .filter(|(_, batch)| !batch.settled)
            .map(|(ordinal, _)| *ordinal)
            .collect();
        (!open.is_empty()).then(|| open[at.index(open.len())])
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Pend { delete, first, step, count } => self.pend(*delete, *first, *step, *count),
            Step::Repeat(at) => {
                let Some(ordinal) = self.open_batch(at) else { return };
                let batch = &self.model.batches[&ordinal];
                let rows: Vec<_> = batch
                    .manifest
                    .iter()
                    .filter(|row| batch.row(row.key).is_some())
                    .cloned()
                    .collect();
                self.index.pend(ordinal, batch.action, &rows).unwrap();
            }
            Step::Settle(at) => {
                let Some(batch) = self.open_batch(at) else { return };
                self.index.settle(batch).unwrap();
                self.model.batches.get_mut(&batch).unwrap().settled = true;
            }
            Step::Abandon(at, step) => {
                let Some(batch) = self.open_batch(at) else { return };
                let keys: BTreeSet<_> = numbers(0, *step, KEYS).map(key).collect();
                self.index.abandon(batch, &keys.iter().copied().collect::<Vec<_>>()).unwrap();
                self.model.batches.get_mut(&batch).unwrap().abandoned.extend(keys);
            }
            Step::AbandonBatch(at) => {
                let Some(batch) = self.open_batch(at) else { return };
                self.index.abandon_batch(batch).unwrap();
                self.model.batches.remove(&batch);
            }
            Step::Plan(at_least) => {
                let name = format!("run-{}", self.runs);
                if let Some(merge) = self.index.plan_merge(&name, *at_least).unwrap() {
                    self.runs += 1;
                    self.merge = Some(merge);
                }
            }
            Step::Install => {
                let Some(merged) = self.run_merge() else { return };
                self.transaction(&merged);
                let replaced = merged.replaced().to_vec();
                self.index.install(merged).unwrap();
                delete_runs(self.folder.path(), &replaced).unwrap();
                assert_eq!(self.index.names(), self.model.names);
                assert!(self.index.names().len() <= RUN_LIMIT);
            }
            Step::Crash => {
                if self.run_merge().is_some() {
                    self.reopen();
                }
            }
            Step::CrashAfterTransaction => {
                if let Some(merged) = self.run_merge() {
                    self.transaction(&merged);
                    self.reopen();
                }
            }
            Step::Reopen => self.reopen(),
            Step::BeginPass => {
                self.index.begin_pass().unwrap();
                self.model.pass = Some((BTreeSet::new(), self.model.last + 1));
            }
            Step::Mark { first, step, count } => self.mark(*first, *step, *count),
            Step::EndPass => {
                self.index.end_pass();
                self.model.pass = None;
            }
        }
    }

    fn pend(&mut self, delete: bool, first: u16, step: u16, count: u16) {
        self.model.last += 1;
        let batch = self.model.last;
        let distinct: BTreeSet<u16> = numbers(first, step, count).collect();
        let manifest: Vec<_> = distinct.into_iter().map(|at| manifest_row(at, batch)).collect();
        let action = if delete { Action::Delete } else { Action::Upsert };
        self.index.pend(batch, action, &manifest).unwrap();
        let abandoned = BTreeSet::new();
        let about = Batch { action, manifest, abandoned, settled: false, merged: false };
        self.model.batches.insert(batch, about);
    }

    fn mark(&mut self, first: u16, step: u16, count: u16) {
        let keys: Vec<_> = numbers(first, step, count).map(key).collect();
        if self.model.pass.is_none() {
            assert!(matches!(self.index.mark(&keys), Err(Error::Pass(_))));
            return;
        }
        let marks = self.index.mark(&keys).unwrap();
        for (key, (mark, known)) in keys.into_iter().zip(marks) {
            let expected = self.model.known(key, View::Newest);
            assert_eq!(known.map(shape), expected);
            let (met, _) = self.model.pass.as_mut().unwrap();
            let fits = match mark {
                Mark::Again => met.contains(&key),
                Mark::First => !met.contains(&key) && known.is_some(),
                Mark::New => !met.contains(&key) && known.is_none(),
            };
            assert!(fits, "{mark:?}");
            met.insert(key);
        }
    }

    fn run_merge(&mut self) -> Option<Merged> {
        let merge = self.merge.take()?;
        let batches = &self.model.batches;
        Some(merge.run::<Error>(|batch| Ok(batches[&batch].manifest.clone())).unwrap())
    }

    fn transaction(&mut self, merged: &Merged) {
        self.model.names = merged.names();
        for batch in merged.batches() {
            self.model.batches.get_mut(&batch).unwrap().merged = true;
        }
    }

    fn reopen(&mut self) {
        self.merge = None;
        self.model.pass = None;
        let names = self.model.names.clone();
        sweep(self.folder.path(), |name| names.iter().any(|known| known == name)).unwrap();
        let left = fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(left, names.len() * 2);
        self.index = Index::open(self.folder.path(), &names, sealer(), 1).unwrap();
        for (ordinal, batch) in self.model.batches.iter().filter(|(_, batch)| !batch.merged) {
            self.index.restore(*ordinal, batch.action, &batch.manifest).unwrap();
            let abandoned: Vec<_> = batch.abandoned.iter().copied().collect();
            self.index.abandon(*ordinal, &abandoned).unwrap();
            if batch.settled {
                self.index.settle(*ordinal).unwrap();
            }
        }
        self.index.memory_limit = 1 << 20;
    }

    fn compare(&self) {
        let mut keys: Vec<_> = (0..KEYS).map(key).collect();
        keys.sort();
        let known = self.index.lookup(&keys).unwrap();
        for (key, known) in keys.iter().zip(&known) {
            assert_eq!(known.map(shape), self.model.known(*key, View::Newest), "{key}");
        }
        for view in [View::Newest, View::Settled] {
            let expected: Vec<_> = keys
                .iter()
                .filter_map(|key| self.model.known(*key, view).map(|known| (*key, known)))
                .collect();
            let found = paged(|range| self.index.entries(view, range, 70).unwrap());
            assert_eq!(found, expected);
        }
        self.compare_summary(&keys);
        self.compare_originals(&keys, &known);
        if let Some((met, since)) = &self.model.pass {
            let expected: Vec<_> = keys
                .iter()
                .filter(|key| !met.contains(key))
                .filter(|key| !self.model.entries(**key).any(|(ordinal, ..)| ordinal >= *since))
                .filter_map(|key| self.model.known(*key, View::Newest).map(|known| (*key, known)))
                .filter(|(_, known)| !known.3)
                .collect();
            assert_eq!(paged(|range| self.index.unseen(range, 70).unwrap()), expected);
        }
    }

    fn compare_summary(&self, keys: &[KeyDigest]) {
        let mut expected = vec![Bucket::default(); 16];
        for key in keys {
            let bucket = &mut expected[usize::from(key.0[0] >> 4)];
            if let Some((row, ..)) = self.model.known(*key, View::Settled) {
                bucket.add(*key, row);
            }
            let mut entries = self.model.entries(*key);
            bucket.unsettled += u64::from(entries.any(|(_, batch, _)| !batch.settled));
        }
        assert_eq!(self.index.summary(4).unwrap(), expected);
    }

    fn compare_originals(&self, keys: &[KeyDigest], known: &[Option<Known>]) {
        let manifest = |batch: u64| Ok::<_, Error>(self.model.batches[&batch].manifest.clone());
        let originals = self.index.originals(keys, manifest).unwrap();
        for ((key, known), original) in keys.iter().zip(known).zip(originals) {
            let mut entries = self.model.entries(*key);
            let first = entries.next();
            // A deletion on its way names what it deletes.
            let expected = match first {
                Some((_, batch, _)) if batch.action == Action::Delete => {
                    entries.next().filter(|(_, batch, _)| batch.action == Action::Upsert)
                }
                other => other,
            };
            if let (Some(_), Some((_, _, row))) = (known, expected) {
                assert!(original == Some(row.original.clone()), "another original of {key}");
            }
        }
    }
}

fn shape(known: Known) -> (RowHash, u64, Option<u64>, bool) {
    let pending = match known.place {
        Place::Pending { batch } => Some(batch),
        Place::Run | Place::Settled { .. } => None,
    };
    (known.row, known.version_ms, pending, known.deleting)
}

type Shape = (RowHash, u64, Option<u64>, bool);

fn paged(read: impl Fn(KeyRange) -> Vec<(KeyDigest, Known)>) -> Vec<(KeyDigest, Shape)> {
    let mut out = Vec::new();
    let mut range = Some(KeyRange::ALL);
    while let Some(now) = range {
        let page = read(now);
        range = page.last().and_then(|(key, _)| now.after(*key));
        out.extend(page.into_iter().map(|(key, known)| (key, shape(known))));
    }
    out
}

/// `PROPTEST_CASES` asks for more of them.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(96, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn the_index_agrees_with_its_model(steps in proptest::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.apply(step);
            bench.compare();
        }
    }
}
