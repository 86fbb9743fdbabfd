//! Copies of a ledger at work, and beginning again from one.

use std::path::PathBuf;

use super::opening::category;
use super::*;
use crate::delivery::{BatchState, LinkState};
use crate::ledger::spool::file_name;
use crate::ledger::{Ended, Error, LinkFilter, NewAct, restore, verify_folder};

/// Two spooled batches, the first sent and without an answer.
fn filled(bench: &Bench, ledger: &Ledger) -> Vec<NewBatch> {
    let spool = bench.spool(bench.path());
    let batches: Vec<NewBatch> =
        [3, 2].map(|rows| batch(ledger, rows_of("houses"), rows, Evidence::RowVerdict)).into();
    for new in &batches {
        spooled(&spool, new).unwrap();
    }
    let seen = Observation {
        batches: batches.clone(),
        rejects: vec![reject(9, 9, RejectKind::Local)],
        ..observation("houses")
    };
    bench.run(ledger.observed(seen)).unwrap();
    bench.run(ledger.attempt_begun(batches[0].id, DigestSha256::of(b"sent"))).unwrap();
    batches
}

fn beside(bench: &Bench, name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(bench.path().parent().unwrap()).unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn copied(bench: &Bench, ledger: &Ledger) -> (TempDir, PathBuf) {
    let (folder, copy) = beside(bench, "copy");
    let report = bench.run(ledger.backup(copy.clone(), Arc::clone(&bench.sealer))).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.spool_files, 2);
    (folder, copy)
}

fn problems(bench: &Bench, folder: &Path) -> String {
    verify_folder(folder, &bench.sealer).unwrap().problems.join("\n")
}

#[test]
fn a_copy_made_under_writes_is_whole() {
    let bench = Bench::new();
    let ledger = bench.open();
    filled(&bench, &ledger);
    std::thread::scope(|scope| {
        let (bench, writer) = (&bench, ledger.clone());
        let writing = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let spool = bench.spool(bench.path());
            for _ in 0..40 {
                let new = batch(&writer, rows_of("houses"), 1, Evidence::Receipt);
                spooled(&spool, &new).unwrap();
                let id = new.id;
                let seen = Observation { batches: vec![new], ..observation("houses") };
                runtime.block_on(writer.observed(seen)).unwrap();
                let sent = runtime.block_on(writer.attempt_begun(id, DigestSha256::of(b"sent")));
                let taken = Ended::Taken { receipt: None, upper_id: None, adopted: false };
                runtime.block_on(writer.attempt_ended(sent.unwrap(), taken)).unwrap();
                runtime.block_on(writer.spool_released(vec![id])).unwrap();
                spool.remove(&id.to_string()).unwrap();
            }
        });
        while !writing.is_finished() {
            let (_folder, copy) = beside(bench, "copy");
            let report = bench.run(ledger.backup(copy, Arc::clone(&bench.sealer))).unwrap();
            assert_eq!(report.problems, Vec::<String>::new());
            let live = bench.run(ledger.verify(Arc::clone(&bench.sealer))).unwrap();
            assert_eq!(live.problems, Vec::<String>::new());
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_copy_never_replaces_anything() {
    let bench = Bench::new();
    let ledger = bench.open();
    let again = bench.run(ledger.backup(bench.path().to_owned(), Arc::clone(&bench.sealer)));
    assert!(matches!(again, Err(Error::Occupied { .. })));
    let (_folder, copy) = beside(&bench, "copy");
    bench.run(ledger.backup(copy.clone(), Arc::clone(&bench.sealer))).unwrap();
    drop(ledger);
    let over = restore(&copy, bench.path(), &bench.sealer, &bench.clock);
    assert!(matches!(over, Err(Error::Occupied { .. })));
}

#[test]
fn a_restored_ledger_knows_that_it_does_not_know() {
    let bench = Bench::new();
    let ledger = bench.open();
    let batches = filled(&bench, &ledger);
    let (_folder, copy) = copied(&bench, &ledger);
    let (_other, to) = beside(&bench, "restored");
    restore(&copy, &to, &bench.sealer, &bench.clock).unwrap();
    let restored = Ledger::open(&to, &bench.sealer, bench.clock.clone(), Pool::new(1)).unwrap();
    assert_eq!(restored.identity().installation, ledger.identity().installation);
    assert!(restored.identity().incarnation > ledger.identity().incarnation);
    for new in &batches {
        let known = bench.run(restored.batch(new.id)).unwrap();
        assert_eq!(known.batch.state, BatchState::Unknown);
    }
    let flows = bench.run(restored.flows()).unwrap();
    assert_eq!((flows[0].counts.queued, flows[0].last_reconciled_at), (5, None));
    assert!(flows[0].counts.balance());
    // A batch packed now shares no name with one the lost time may have sent.
    let report = bench.run(restored.verify(Arc::clone(&bench.sealer))).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.facts > 0);
}

#[test]
fn after_a_restore_every_link_that_was_sent_is_unknown() {
    let bench = Bench::new();
    let ledger = bench.open();
    let objects = [category("a"), category("b")];
    let read = ledger.catalogue_read(
        objects.to_vec(),
        vec![(channel(), vec![crate::catalogue::Kind::Category])],
    );
    bench.run(read).unwrap();
    let subject = Subject::Object { kind: "category".to_owned(), id: "a".to_owned() };
    let new = batch(&ledger, subject, 1, Evidence::Receipt);
    let id = new.id;
    let wanted = bench.run(ledger.link(channel(), objects[0].key())).unwrap().unwrap().wanted;
    bench.run(ledger.object_packed(new, wanted)).unwrap();
    let sent = bench.run(ledger.attempt_begun(id, DigestSha256::of(b"sent"))).unwrap();
    let taken = Ended::Taken { receipt: None, upper_id: Some("7".to_owned()), adopted: false };
    bench.run(ledger.attempt_ended(sent, taken)).unwrap();
    bench.run(ledger.spool_released(vec![id])).unwrap();
    let (_folder, copy) = beside(&bench, "copy");
    bench.run(ledger.backup(copy.clone(), Arc::clone(&bench.sealer))).unwrap();
    let (_other, to) = beside(&bench, "restored");
    restore(&copy, &to, &bench.sealer, &bench.clock).unwrap();
    let restored = Ledger::open(&to, &bench.sealer, bench.clock.clone(), Pool::new(1)).unwrap();
    let links = bench.run(restored.links(channel(), LinkFilter::default())).unwrap();
    let states: Vec<_> = links.iter().map(|link| (link.key.id.as_str(), link.state)).collect();
    assert_eq!(states, [("a", LinkState::Unknown), ("b", LinkState::Unmapped)]);
    let adrift = bench.run(restored.links_adrift(channel())).unwrap();
    assert_eq!(adrift.into_iter().collect::<Vec<_>>(), [objects[0].key()]);
    assert_eq!(links[0].upper_id.as_deref(), Some("7"), "the province's id is kept");
}

#[test]
fn a_flipped_byte_in_a_copy_is_found() {
    let bench = Bench::new();
    let ledger = bench.open();
    let batches = filled(&bench, &ledger);
    let (_folder, copy) = copied(&bench, &ledger);
    let file = copy.join("spool").join(file_name(&batches[1].id.to_string()));
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    assert!(problems(&bench, &copy).contains(&batches[1].id.to_string()));
    std::fs::remove_file(&file).unwrap();
    assert!(problems(&bench, &copy).contains("does not exist"));
    let (_other, to) = beside(&bench, "restored");
    let refused = restore(&copy, &to, &bench.sealer, &bench.clock);
    assert!(matches!(refused, Err(Error::Damaged { .. })));
    assert!(!to.exists());
}

#[test]
fn a_bent_count_is_found() {
    for (bend, told) in [
        ("UPDATE dataset SET confirmed = 1", "due is not"),
        ("UPDATE dataset SET confirmed = -1, placed = 1", "negative"),
        ("UPDATE batch SET rows_open = 1 WHERE rows = 3", "5 rows queued, 3 in its open batches"),
        ("DELETE FROM fact WHERE number = 1", "next number"),
        ("DELETE FROM fact WHERE number = 2", "missing"),
        ("UPDATE fact SET subject = 'other'", "columns differ"),
        ("DELETE FROM act", "acts are missing"),
    ] {
        let bench = Bench::new();
        let ledger = bench.open();
        filled(&bench, &ledger);
        let act = NewAct { name: "reload".into(), detail: "x".into(), ..NewAct::default() };
        bench.run(ledger.act_recorded(act)).unwrap();
        drop(ledger);
        assert_eq!(problems(&bench, bench.path()), "");
        let connection = rusqlite::Connection::open(bench.path().join("ledger.sqlite")).unwrap();
        connection.execute(bend, []).unwrap();
        assert!(problems(&bench, bench.path()).contains(told), "{bend}");
    }
}
