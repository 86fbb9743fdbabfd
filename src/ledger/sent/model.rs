//! The index against a model of forty lines: random batches, outcomes, merges, passes, restarts and
//! crashes between the steps of a merge, everything compared after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::ledger::manifest::Original;

const KEYS: u16 = 300;

fn key(number: u16) -> KeyDigest {
    let mut bytes = [7; 12];
    bytes[..2].copy_from_slice(&number.wrapping_mul(217).to_be_bytes());
    KeyDigest(bytes)
}

fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::from_bytes(&[9; 32]).unwrap())
}

fn manifest_row(number: u16, batch: u64) -> ManifestRow {
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
                let next = self.next_ordinal();
                self.model.pass = Some((BTreeSet::new(), next));
            }
            Step::Mark { first, step, count } => self.mark(*first, *step, *count),
            Step::EndPass => {
                self.index.end_pass();
                self.model.pass = None;
            }
        }
    }

    fn next_ordinal(&self) -> u64 {
        self.model.batches.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    fn pend(&mut self, delete: bool, first: u16, step: u16, count: u16) {
        let batch = self.next_ordinal();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_index_agrees_with_its_model(steps in proptest::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.apply(step);
            bench.compare();
        }
    }
}

/// An index with one run of 1,000 rows.
fn one_run(folder: &Path) -> Index {
    let mut index = Index::open(folder, &[], sealer(), 1000).unwrap();
    let manifest: Vec<_> = (0..1000).map(|number| manifest_row(number, 1)).collect();
    index.pend(1, Action::Upsert, &manifest).unwrap();
    index.settle(1).unwrap();
    let merge = index.plan_merge("one", 1).unwrap().unwrap();
    let merged = merge.run::<Error>(|_| Ok(manifest.clone())).unwrap();
    index.install(merged).unwrap();
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_run_is_an_error_and_never_another_answer(
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        cut in any::<bool>(),
        of_keys in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        one_run(folder.path());
        let path = folder.path().join(if of_keys { "one.keys" } else { "one.run" });
        let mut bytes = fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        if cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
        fs::write(&path, &bytes).unwrap();
        let keys: Vec<_> = (0..1000).map(key).collect();
        let result = Index::open(folder.path(), &["one".into()], sealer(), 1).and_then(|index| {
            index.lookup(&keys)?;
            index.originals(&keys, |_| Err(Error::Pass("there is no batch")))
        });
        prop_assert!(result.is_err());
    }
}

#[test]
fn a_run_under_another_name_or_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    one_run(folder.path());
    for suffix in ["run", "keys"] {
        let path = |name: &str| folder.path().join(format!("{name}.{suffix}"));
        fs::copy(path("one"), path("two")).unwrap();
    }
    let open = |name: &str| Index::open(folder.path(), &[name.to_owned()], sealer(), 1);
    assert!(matches!(open("two"), Err(Error::Damaged { .. })));
    assert!(matches!(open("three"), Err(Error::Missing { .. })));
    assert!(matches!(open("../one"), Err(Error::Name)));
    fs::remove_file(folder.path().join("one.keys")).unwrap();
    assert!(matches!(open("one"), Err(Error::Missing { .. })));
}

#[test]
fn nothing_in_clear_names_a_key() {
    let folder = tempfile::tempdir().unwrap();
    one_run(folder.path());
    for file in ["one.run", "one.keys"] {
        let bytes = fs::read(folder.path().join(file)).unwrap();
        for clear in [b"key 1".as_slice(), b"column"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear), "{file}");
        }
    }
}

#[test]
fn a_row_takes_little_more_than_32_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = one_run(folder.path()).sizes();
    assert_eq!(sizes.run_rows, 1000);
    assert!(sizes.run_bytes < 1000 * 32 + 8 * 20 + 64, "{sizes:?}");
}

#[test]
fn memory_is_bounded_and_room_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    let rows: Vec<_> = (0..8).map(|number| manifest_row(number, 1)).collect();
    index.pend(1, Action::Upsert, &rows).unwrap();
    assert_eq!(index.room(), 2);
    let refused = index.pend(2, Action::Upsert, &rows);
    assert!(matches!(refused, Err(Error::PendingFull { pending: 8, asked: 8, limit: 10 })));
    index.pend(1, Action::Upsert, &rows).unwrap();
    assert_eq!(index.room(), 2);
    index.abandon(1, &[key(3)]).unwrap();
    assert_eq!(index.room(), 3);
}

#[test]
fn a_settled_batch_is_final() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    let rows = [manifest_row(1, 1)];
    assert!(matches!(index.settle(1), Err(Error::Batch { batch: 1, .. })));
    index.pend(1, Action::Upsert, &rows).unwrap();
    index.settle(1).unwrap();
    index.settle(1).unwrap();
    assert!(matches!(index.pend(1, Action::Upsert, &rows), Err(Error::Batch { .. })));
    assert!(matches!(index.abandon(1, &[key(1)]), Err(Error::Batch { .. })));
    assert!(matches!(index.abandon_batch(1), Err(Error::Batch { .. })));
}

#[test]
fn a_newer_row_never_goes_to_a_run_before_an_older_one_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    for batch in 1..=3 {
        index.pend(batch, Action::Upsert, &[manifest_row(1, batch)]).unwrap();
    }
    index.settle(2).unwrap();
    assert!(index.plan_merge("a", 1).unwrap().is_none());
    index.settle(1).unwrap();
    let merge = index.plan_merge("a", 1).unwrap().unwrap();
    assert_eq!(merge.batches().collect::<Vec<_>>(), [1, 2]);
    assert!(index.plan_merge("b", 1).unwrap().is_none());
    index.abandon_merge();
    assert!(index.plan_merge("b", 1).unwrap().is_some());
}

/// Settles one batch and merges it into a run called `name`.
fn merge_batch(index: &mut Index, name: &str, batch: u64, action: Action, numbers: &[u16]) {
    let manifest: Vec<_> = numbers.iter().map(|number| manifest_row(*number, batch)).collect();
    index.pend(batch, action, &manifest).unwrap();
    index.settle(batch).unwrap();
    let merge = index.plan_merge(name, 1).unwrap().unwrap();
    let merged = merge.run::<Error>(|_| Ok(manifest.clone())).unwrap();
    index.install(merged).unwrap();
}

#[test]
fn a_tombstone_hides_an_older_run_through_merges_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = one_run(folder.path());
    let known = |index: &Index| {
        let known = index.lookup(&[key(1), key(2), key(3)]).unwrap();
        known.iter().map(|known| known.map(|known| known.row.0)).collect::<Vec<_>>()
    };
    merge_batch(&mut index, "two", 2, Action::Delete, &[1]);
    assert_eq!(index.names(), ["two", "one"]);
    merge_batch(&mut index, "three", 3, Action::Upsert, &[2]);
    assert_eq!(index.names(), ["three", "one"]);
    assert_eq!(index.sizes().tombstones, 1);
    assert_eq!(known(&index), [None, Some(3002), Some(1003)]);
    let rest: Vec<u16> = (500..1000).collect();
    merge_batch(&mut index, "four", 4, Action::Upsert, &rest);
    assert_eq!(index.names(), ["four"]);
    assert_eq!((index.sizes().tombstones, index.sizes().run_rows), (0, 999));
    assert_eq!(known(&index), [None, Some(3002), Some(1003)]);
}

#[test]
fn no_more_runs_than_the_limit_however_small_the_merges() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = one_run(folder.path());
    for (batch, size) in (2..).zip([300_u16, 100, 40, 15, 6, 2, 1, 1, 1]) {
        let numbers: Vec<u16> = (0..size).collect();
        merge_batch(&mut index, &format!("run-{batch}"), batch, Action::Upsert, &numbers);
        assert!(index.sizes().runs <= RUN_LIMIT, "{:?}", index.names());
    }
}

#[test]
fn a_prefix_is_one_bucket() {
    assert_eq!(KeyRange::prefix(0, 0), KeyRange::ALL);
    let range = KeyRange::prefix(0xab, 8);
    assert_eq!(range.first.0, [0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(range.last.0[..2], [0xab, 0xff]);
    assert_eq!(KeyRange::ALL.after(KeyDigest([0xff; 12])), None);
}

/// The dataset of the figures in DECISIONS: `CASCADED_SENT_ROWS` sets its size, and alone in its
/// process it prints the peak of memory too.
#[test]
fn a_large_dataset_takes_32_bytes_a_row_and_bounded_memory() {
    const BATCH: u32 = 5000;
    let rows = std::env::var("CASCADED_SENT_ROWS").map_or(50_000, |rows| rows.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let keyer = crate::row::Keyer::new(b"secret");
    let manifest = |batch: u64| -> Vec<ManifestRow> {
        let first = u32::try_from(batch).unwrap() * BATCH;
        let row = |number: u32| {
            let key_text = format!("5119{:014}-{number}", u64::from(number) * 7919);
            let upper_id = Some(format!("U{number:012}"));
            let original = Original { key_text, upper_id, columns: vec![] };
            let key = keyer.key(&original.key_text);
            ManifestRow { key, row: RowHash(batch), version_ms: 1, original }
        };
        (first..(first + BATCH).min(rows)).map(row).collect()
    };
    let mut index = Index::open(folder.path(), &[], sealer(), 2 * MERGE_ROWS).unwrap();
    index.begin_pass().unwrap();
    let batches = u64::from(rows.div_ceil(BATCH));
    for batch in 0..batches {
        let rows = manifest(batch);
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let marks = index.mark(&keys).unwrap();
        assert!(marks.iter().all(|(mark, known)| (*mark, *known) == (Mark::New, None)));
        index.pend(batch, Action::Upsert, &rows).unwrap();
        index.settle(batch).unwrap();
        let at_least = if batch + 1 == batches { 1 } else { MERGE_ROWS / 4 };
        let name = format!("run-{batch}");
        while let Some(merge) = index.plan_merge(&name, at_least).unwrap() {
            let merged = merge.run::<Error>(|batch| Ok(manifest(batch))).unwrap();
            let replaced = merged.replaced().to_vec();
            index.install(merged).unwrap();
            delete_runs(folder.path(), &replaced).unwrap();
        }
    }
    assert_eq!(index.unseen(KeyRange::ALL, 1).unwrap(), []);
    let count: u64 = index.summary(8).unwrap().iter().map(|bucket| bucket.count).sum();
    assert_eq!(count, u64::from(rows));
    let sizes = index.sizes();
    assert!(sizes.run_bytes < u64::from(rows) * 33, "{sizes:?}");
    println!("{sizes:?}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}
