//! How late rows are: from a change in the table to its receipt above, while a thousand rows change
//! each second and the table is looked at as often as a dataset may be.

use std::time::{Duration, Instant};

use cascaded::sql::Postgres;
use serde_json::{Map, Value};

use crate::city::{City, Compression};
use crate::sink::STAMP;

/// Rows of one statement, and how long after the one before it comes: a thousand rows a second.
const AT_ONCE: u32 = 10;
const EVERY: Duration = Duration::from_millis(10);
/// Rows of the table.
const ROWS: u32 = 20_000;
/// The first changes warm it up and do not count, in seconds.
const WARM: u64 = 3;
const LIVE: &str = "table = \"live\"\npoll = \"50ms\"\n\
    change = { kind = \"time-column\", column = \"updated_at\", overlap = \"200ms\" }";

/// Changes rows for so many seconds; figures by their names.
pub(crate) async fn measure(
    session: &mut Postgres,
    database: &str,
    seconds: u64,
) -> Map<String, Value> {
    let client = &session.client;
    let make = format!(
        "DROP TABLE IF EXISTS live; CREATE TABLE live AS SELECT * FROM person WHERE id < {ROWS};
         UPDATE live SET updated_at = timezone('Asia/Shanghai', now()) - interval '1 hour';
         ALTER TABLE live ADD PRIMARY KEY (id);
         CREATE INDEX live_updated_at ON live (updated_at, id); VACUUM ANALYZE live"
    );
    for statement in make.split(';') {
        session.wire.drive(client.batch_execute(statement)).await.unwrap();
    }
    let mut city = City::start(database, Compression::None, LIVE).await;
    let change = format!(
        "UPDATE live SET updated_at = timezone('Asia/Shanghai', clock_timestamp()),
            phone = '{STAMP}' || (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
         WHERE id >= $1 AND id < $1 + {AT_ONCE}"
    );
    let change = session.wire.drive(client.prepare(&change)).await.unwrap();
    let statements = "SELECT xact_commit + xact_rollback FROM pg_stat_database
                      WHERE datname = current_database()";
    let mut next = 0_i64;
    let mut own = 0_u64;
    let mut skipped = 0;
    let mut asked_before = 0_i64;
    let begun = Instant::now();
    let mut counting = None;
    let mut at = begun;
    while begun.elapsed() < Duration::from_secs(WARM + seconds) {
        if counting.is_none() && begun.elapsed() > Duration::from_secs(WARM) {
            skipped = city.moments().len();
            let row = session.wire.drive(client.query_one(statements, &[])).await.unwrap();
            asked_before = row.get(0);
            (own, counting) = (0, Some(Instant::now()));
        }
        session.wire.drive(client.execute(&change, &[&next])).await.unwrap();
        own += 1;
        next = (next + i64::from(AT_ONCE)) % i64::from(ROWS);
        at += EVERY;
        tokio::time::sleep_until(at.into()).await;
    }
    let measured = counting.map_or(Duration::ZERO, |it| it.elapsed()).as_secs_f64();
    let row = session.wire.drive(client.query_one(statements, &[])).await.unwrap();
    let asked: i64 = row.get(0);
    let changed = usize::try_from(own).unwrap() * usize::try_from(AT_ONCE).unwrap();
    city.heard(skipped + changed).await;
    let mut moments = city.moments();
    let mut moments = moments.split_off(skipped);
    moments.sort_unstable();
    let quantile = |of: usize| {
        let at = (moments.len() * of / 100).min(moments.len() - 1);
        // Microseconds of minutes: far below 2^32.
        f64::from(u32::try_from(moments[at]).unwrap()) / 1000.0
    };
    let count = |it: i64| f64::from(i32::try_from(it).unwrap());
    let queries = count(asked - asked_before) - count(i64::try_from(own).unwrap());
    let figures = [
        ("latency.p50_ms", quantile(50)),
        ("latency.p99_ms", quantile(99)),
        ("latency.max_ms", quantile(100)),
        ("latency.changed_rows_per_s", f64::from(u32::try_from(changed).unwrap()) / measured),
        ("latency.queries_per_s", queries / measured),
    ];
    figures.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
