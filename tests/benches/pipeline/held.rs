//! What it takes to know what the province holds: a whole comparison of a table in which nothing
//! changed, the memory for a table ten times as long, and that of datasets that have nothing to do.

use std::time::Duration;

use cascaded::sql::Postgres;
use serde_json::{Map, Value};

use crate::city::{City, Compression, Run};
use crate::{Asked, WHOLE, copy, median, per_second, table};

/// Datasets that have nothing to do.
const IDLE: u32 = 1_000;
/// They are looked at as often as datasets are by themselves.
const EMPTY: &str = "table = \"nothing\"\n\
    change = { kind = \"time-column\", column = \"updated_at\" }";

/// Compares the unchanged table, beside the bare reading of it.
pub(crate) async fn fingerprint(
    session: &mut Postgres,
    database: &str,
    columns: &str,
    asked: &Asked,
) -> Map<String, Value> {
    session.wire.drive(table::show(&session.client, 0)).await.unwrap();
    let mut city = City::start(database, Compression::None, WHOLE).await;
    session.wire.drive(table::show(&session.client, asked.rows)).await.unwrap();
    city.carry(asked.rows).await;
    let (mut ratios, mut core, mut memory) = (vec![], vec![], vec![]);
    for _ in 0..asked.rounds {
        let (rows, time) = copy::walk(session, columns).await;
        let read = per_second(rows, time);
        let run = city.compare(rows).await;
        let compared = per_second(rows, run.time);
        println!(
            "fingerprints: read {read:.0} rows/s, compared {compared:.0} rows/s, ratio {:.3}, {} MiB",
            compared / read,
            run.peak_kib / 1024,
        );
        ratios.push(compared / read);
        core.push(per_second(rows, run.cpu));
        memory.push(mib(&run));
    }
    let (runs, sealed) = city.run_bytes();
    let per_row = |bytes: u64| bytes as f64 / asked.rows as f64;
    named([
        ("fingerprint.ratio", median(ratios)),
        ("fingerprint.rows_per_core_s", median(core)),
        ("fingerprint.rss_mib", median(memory)),
        ("fingerprint.bytes_per_row", per_row(runs)),
        ("fingerprint.sealed_bytes_per_row", per_row(sealed)),
    ])
}

/// The most memory that a table ten times as long takes, carried and then compared.
pub(crate) async fn tenfold(
    session: &mut Postgres,
    database: &str,
    asked: &Asked,
) -> Map<String, Value> {
    let rows = asked.rows * 10;
    session.wire.drive(table::fill(&session.client, asked.rows..rows)).await.unwrap();
    session.wire.drive(table::show(&session.client, 0)).await.unwrap();
    let mut city = City::start(database, Compression::None, WHOLE).await;
    session.wire.drive(table::show(&session.client, rows)).await.unwrap();
    let carried = city.carry(rows).await;
    let compared = city.compare(rows).await;
    named([("rss_mib_10x", mib(&carried)), ("fingerprint.rss_mib_10x", mib(&compared))])
}

/// What a thousand datasets take that are looked at and have nothing new.
pub(crate) async fn idle(
    session: &mut Postgres,
    database: &str,
    seconds: u64,
) -> Map<String, Value> {
    // Empty: rows would first have to be carried, a thousand times.
    let make = "DROP TABLE IF EXISTS nothing; CREATE TABLE nothing (LIKE person INCLUDING ALL)";
    session.wire.drive(session.client.batch_execute(make)).await.unwrap();
    let city = City::of_many(database, EMPTY, IDLE).await;
    let run = city.idle(Duration::from_secs(seconds)).await;
    let share = run.cpu.as_secs_f64() / run.time.as_secs_f64();
    named([("idle.rss_mib", mib(&run)), ("idle.core_percent", share * 100.0)])
}

fn mib(run: &Run) -> f64 {
    f64::from(u32::try_from(run.peak_kib).unwrap()) / 1024.0
}

fn named<const N: usize>(figures: [(&str, f64); N]) -> Map<String, Value> {
    figures.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
