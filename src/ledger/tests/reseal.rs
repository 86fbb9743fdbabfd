//! Every column of bytes is known to be sealed again, or to hold nothing sealed.

use rusqlite::Connection;

use super::*;

/// Columns of sealed values; `meta` holds one, `inbox_cursor` has them as digits.
const SEALED: [&str; 5] =
    ["inbox.body", "mending.body", "meta.value", "progress.position", "reject.original"];

/// Digests, names and the canonical form of facts: nothing sealed.
const PLAIN: [&str; 34] = [
    "act.chain",
    "approval.digest",
    "approved_line.digest",
    "attempt.batch",
    "attempt.digest",
    "batch.id",
    "batch.parent",
    "batch.payload_digest",
    "batch_after.after",
    "batch_after.batch",
    "brought.digest",
    "fact.body",
    "fact.chain",
    "fact_head.chain",
    "inbox.judged",
    "link.held",
    "link.sent",
    "link.wanted",
    "object.digest",
    "period.digest",
    "period.facts",
    "period.judged_by",
    "period_source.digest",
    "reject.batch",
    "reject.key",
    "returned_file.digest",
    "said.digest",
    "shadow.said",
    "source.digest",
    "standard_use.digest",
    "unique_value.key",
    "unique_value.value",
    "verdict.batch",
    "verdict.key",
];

#[test]
fn no_column_of_bytes_is_forgotten_when_the_key_is_another() {
    let bench = Bench::new();
    drop(bench.open());
    let connection = Connection::open(bench.path().join("ledger.sqlite")).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT m.name || '.' || p.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS p
             WHERE m.type = 'table' AND upper(p.type) = 'BLOB'",
        )
        .unwrap();
    let columns = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for column in columns.map(std::result::Result::unwrap) {
        let is_known = SEALED.contains(&column.as_str()) || PLAIN.contains(&column.as_str());
        assert!(is_known, "{column}: is it sealed? Then `ledger/reseal.rs` has to know it");
    }
}

#[test]
fn a_ledger_opens_with_the_keys_that_it_needs_and_no_fewer() {
    let mut bench = Bench::new();
    drop(bench.open());
    let sealer = |key: u8| Sealer::from_bytes(&[key; 32]).unwrap();
    bench.sealer = Arc::new(sealer(8));
    assert_eq!(bench.try_open().unwrap_err().code(), "ledger-sealed");
    bench.sealer = Arc::new(sealer(8).after(sealer(7)));
    let ledger = bench.open();
    drop(ledger);
    // From now on the new key is needed as well.
    bench.sealer = Arc::new(sealer(7));
    assert_eq!(bench.try_open().unwrap_err().code(), "ledger-sealed");
    bench.sealer = Arc::new(sealer(8).after(sealer(7)));
    let ledger = bench.open();
    let spool = Arc::new(bench.spool(bench.path()));
    let keys = || bench.run(ledger.keys(Arc::clone(&spool), Arc::clone(&bench.sealer))).unwrap();
    assert_eq!(keys().iter().map(|it| it.values).collect::<Vec<_>>(), [0, 1]);
    let resealed = || bench.run(ledger.values_resealed(Arc::clone(&bench.sealer))).unwrap();
    assert_eq!((resealed(), resealed()), (1, 0));
    assert_eq!(keys().iter().map(|it| it.values).collect::<Vec<_>>(), [1, 0]);
    bench.run(ledger.keys_freed(Arc::clone(&bench.sealer))).unwrap();
    drop(ledger);
    bench.sealer = Arc::new(sealer(8));
    drop(bench.open());
}
