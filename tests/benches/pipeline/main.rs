//! How fast rows go from a table to a receipt, beside the bare reading of the same table.
//!
//! `tests/bench` builds and runs this. One run alternates the bare driver and the whole program,
//! so that what else the machine does disturbs both alike; figures are medians, and what is
//! compared is their ratio. Nothing fails by being slow.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![expect(clippy::indexing_slicing, reason = "arrays of this benchmark, of known lengths")]
#![expect(clippy::string_slice, reason = "texts of this benchmark, in ASCII")]
#![expect(clippy::disallowed_methods, reason = "what is measured is this machine's own time")]

mod city;
mod copy;
mod held;
mod latency;
mod sink;
mod table;

#[path = "../../it/support/postgres.rs"]
#[expect(dead_code, reason = "the tests' server can do more")]
mod postgres;

use std::path::Path;
use std::time::Duration;

use cascaded::sql::{Address, Postgres, connect_read_write};

use city::{City, Compression};

/// What the command line asks for.
struct Asked {
    rows: u64,
    rounds: usize,
    /// How long rows change for, to see how late they are, and how long nothing does; not at all
    /// where it is zero.
    seconds: u64,
    /// The one part that is measured; all where it is none.
    only: Option<String>,
    json: Option<String>,
}

/// What can be measured by itself.
const PARTS: [&str; 5] = ["copy", "fingerprint", "latency", "idle", "tenfold"];

impl Asked {
    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}

fn asked() -> Asked {
    let mut asked = Asked { rows: 2_000_000, rounds: 5, seconds: 60, only: None, json: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--rows" => asked.rows = value().parse().unwrap(),
            "--rounds" => asked.rounds = value().parse().unwrap(),
            "--seconds" => asked.seconds = value().parse().unwrap(),
            "--quick" => (asked.rows, asked.seconds) = (200_000, 20),
            "--only" => {
                let part = value();
                assert!(PARTS.contains(&part.as_str()), "parts are {}", PARTS.join(", "));
                asked.only = Some(part);
            }
            "--json" => asked.json = Some(value()),
            _ => panic!("unknown option {word}"),
        }
    }
    asked
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if let [_, word, folder, samples] = words.as_slice()
        && word == "sink"
    {
        runtime.block_on(sink::run(Path::new(folder), Path::new(samples)));
        return;
    }
    runtime.block_on(compare(asked()));
}

/// The whole table, when it is asked for.
const WHOLE: &str = "table = \"due\"\npoll = \"10d\"\nchange = { kind = \"full\" }";

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn per_second(rows: u64, time: Duration) -> f64 {
    // Far below 2^52.
    f64::from(u32::try_from(rows).unwrap()) / time.as_secs_f64()
}

async fn compare(asked: Asked) {
    let server = postgres::Server::start();
    let address = Address {
        url: server.url(),
        password_file: None,
        ca_file: None,
        statement_timeout: Duration::from_secs(3600),
        zone: "Asia/Shanghai".to_owned(),
    };
    let mut session = connect_read_write(&address).await.unwrap();
    let made = table::make(&session.client, asked.rows);
    session.wire.drive(made).await.unwrap();
    let columns: Vec<&str> = table::COLUMNS.iter().map(|(name, _)| *name).collect();
    let columns = columns.join(", ");
    let mut figures = serde_json::Map::new();
    if asked.wants("copy") {
        figures.extend(carry(&mut session, &server.url(), &columns, &asked).await);
    }
    figures.insert("rows".to_owned(), asked.rows.into());
    figures.insert("rounds".to_owned(), asked.rounds.into());
    if asked.wants("fingerprint") {
        figures.extend(held::fingerprint(&mut session, &server.url(), &columns, &asked).await);
    }
    if asked.wants("latency") && asked.seconds > 0 {
        figures.extend(latency::measure(&mut session, &server.url(), asked.seconds).await);
    }
    if asked.wants("idle") && asked.seconds > 0 {
        figures.extend(held::idle(&mut session, &server.url(), asked.seconds).await);
    }
    if asked.wants("tenfold") {
        figures.extend(held::tenfold(&mut session, &server.url(), &asked).await);
    }
    println!("{}", serde_json::to_string_pretty(&figures).unwrap());
    if let Some(file) = asked.json {
        std::fs::write(file, serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}

/// From the table to the last receipt, beside the bare reading of the same table.
async fn carry(
    session: &mut Postgres,
    database: &str,
    columns: &str,
    asked: &Asked,
) -> serde_json::Map<String, serde_json::Value> {
    let mut figures = serde_json::Map::new();
    for (compression, key) in [(Compression::None, "plain"), (Compression::Zstd, "zstd")] {
        let mut ratios = Vec::new();
        let (mut bare, mut whole, mut core, mut memory) = (vec![], vec![], vec![], vec![]);
        for _ in 0..asked.rounds {
            session.wire.drive(table::show(&session.client, asked.rows)).await.unwrap();
            let (rows, time) = copy::walk(session, columns).await;
            assert_eq!(rows, asked.rows);
            let read = per_second(rows, time);
            session.wire.drive(table::show(&session.client, 0)).await.unwrap();
            let mut city = City::start(database, compression, WHOLE).await;
            session.wire.drive(table::show(&session.client, asked.rows)).await.unwrap();
            let run = city.carry(asked.rows).await;
            let carried = per_second(asked.rows, run.time);
            println!(
                "{key}: read {read:.0} rows/s, carried {carried:.0} rows/s, ratio {:.3}, \
                 {:.0} rows per core second, {} MiB at most",
                carried / read,
                per_second(asked.rows, run.cpu),
                run.peak_kib / 1024,
            );
            ratios.push(carried / read);
            bare.push(read);
            whole.push(carried);
            core.push(per_second(asked.rows, run.cpu));
            memory.push(f64::from(u32::try_from(run.peak_kib).unwrap()) / 1024.0);
        }
        let suffix = match compression {
            Compression::None => "",
            Compression::Zstd => "_zstd",
        };
        for (name, value) in [
            ("copy.ratio", median(ratios)),
            ("copy.rows_per_s", median(bare)),
            ("connector.rows_per_s", median(whole)),
            ("connector.rows_per_core_s", median(core)),
            ("rss_mib", median(memory)),
        ] {
            figures.insert(format!("{name}{suffix}"), value.into());
        }
    }
    figures
}
