//! Single cases of the index: damage, names, bounds, order, sizes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::model::{key, manifest_row, sealer};
use super::*;

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

/// The numbers of the keys that the pass under way would call gone.
fn gone(index: &Index) -> Vec<u16> {
    let unseen = index.unseen(KeyRange::ALL, 1000).unwrap();
    (0..1000).filter(|number| unseen.iter().any(|(at, _)| *at == key(*number))).collect()
}

#[test]
fn a_key_packed_since_the_pass_began_is_not_gone_until_its_batch_is_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    let rows = |batch| [1, 2].map(|number| manifest_row(number, batch));
    index.pend(1, Action::Upsert, &rows(1)).unwrap();
    index.settle(1).unwrap();
    index.begin_pass().unwrap();
    assert_eq!(gone(&index), [1, 2]);
    index.pend(2, Action::Upsert, &rows(2)).unwrap();
    assert!(gone(&index).is_empty());
    index.abandon(2, &[key(1)]).unwrap();
    assert_eq!(gone(&index), [1]);
    index.abandon_batch(2).unwrap();
    assert_eq!(gone(&index), [1, 2]);
    // What counts is when a row was packed, not the ordinal it came under.
    index.pend(2, Action::Upsert, &rows(2)).unwrap();
    assert!(gone(&index).is_empty());
}

#[test]
fn a_key_that_the_pass_met_is_not_gone_though_its_batch_is_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    let rows = [1, 2].map(|number| manifest_row(number, 1));
    index.pend(1, Action::Upsert, &rows).unwrap();
    index.settle(1).unwrap();
    index.begin_pass().unwrap();
    assert_eq!(index.mark(&[key(1), key(3)]).unwrap().len(), 2);
    index.pend(2, Action::Upsert, &[1, 3].map(|number| manifest_row(number, 2))).unwrap();
    index.abandon_batch(2).unwrap();
    assert_eq!(gone(&index), [2]);
    let again = index.mark(&[key(1), key(3)]).unwrap();
    assert!(again.iter().all(|(mark, _)| *mark == Mark::Again), "{again:?}");
}

#[test]
fn a_batch_pended_again_during_a_pass_is_not_packed_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    let rows = [1, 2].map(|number| manifest_row(number, 1));
    index.pend(1, Action::Upsert, &rows).unwrap();
    index.begin_pass().unwrap();
    index.mark(&[key(1)]).unwrap();
    index.pend(1, Action::Upsert, &rows).unwrap();
    assert_eq!(gone(&index), [2]);
    let again = index.mark(&[key(1)]).unwrap();
    assert!(matches!(again[..], [(Mark::Again, Some(_))]), "{again:?}");
}

#[test]
fn a_deletion_on_the_way_is_not_gone_and_an_abandoned_one_is_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(folder.path(), &[], sealer(), 10).unwrap();
    index.pend(1, Action::Upsert, &[manifest_row(1, 1)]).unwrap();
    index.settle(1).unwrap();
    index.pend(2, Action::Delete, &[manifest_row(1, 2)]).unwrap();
    index.begin_pass().unwrap();
    assert!(gone(&index).is_empty());
    index.abandon_batch(2).unwrap();
    assert_eq!(gone(&index), [1]);
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
    let rest: Vec<u16> = (4..1004).collect();
    merge_batch(&mut index, "four", 4, Action::Upsert, &rest);
    assert_eq!(index.names(), ["four"]);
    assert_eq!((index.sizes().tombstones, index.sizes().run_rows), (0, 1003));
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
