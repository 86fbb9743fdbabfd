//! Real input through the whole daemon: 43,118 divisions out of PostgreSQL, and a month of daily
//! files. Each with a generated twin that always runs.
//!
//! What becomes of a repeated key: of a table that is read whole, the first row in the source's
//! order stands and every other row with another content is rejected under `unique`; a row that
//! repeats another word for word is *coalesced*. In files that come day by day, a later row of the
//! same key is a newer version of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::demo::compare;
use cascaded::ledger::Counts;

use crate::support::daemon::{CityRow, TestCity, TestDaemon, assert_content, difference, run};
use crate::support::plain::{Table, settings, write_catalogue};
use crate::support::postgres::Server;
use crate::support::shared_data;

pub(crate) type Columns = BTreeMap<String, Option<String>>;

const DIVISION: &[(&str, &str)] = &[
    ("id", "text"),
    ("pid", "text"),
    ("deep", "integer"),
    ("name", "text"),
    ("pinyin_prefix", "text"),
    ("pinyin", "text"),
    ("ext_id", "text"),
    ("ext_name", "text"),
];

/// What became of the rows of a dataset.
#[derive(Debug)]
struct Outcome {
    rows: Vec<CityRow>,
    counts: Counts,
    by_rule: BTreeMap<String, u64>,
}

impl Outcome {
    async fn of(city: &TestCity, daemon: &TestDaemon, dataset: &str) -> Self {
        let by_rule = daemon.ledger().rejects_by_rule().await.unwrap();
        Self {
            rows: city.rows(dataset).await,
            counts: daemon.counts(dataset).await,
            by_rule: by_rule.into_iter().map(|(_, _, rule, count)| (rule, count)).collect(),
        }
    }

    /// Rows by key, in the source's order.
    fn by_key(&self) -> BTreeMap<&str, Vec<&Columns>> {
        let mut keys: BTreeMap<&str, Vec<&Columns>> = BTreeMap::new();
        for row in &self.rows {
            keys.entry(&row.key).or_default().push(&row.columns);
        }
        keys
    }

    /// Rows that share their key with another.
    fn repeated(&self) -> u64 {
        self.by_key()
            .into_values()
            .filter(|rows| rows.len() > 1)
            .map(|rows| rows.len() as u64)
            .sum()
    }

    fn told(&self, what: &str) {
        println!(
            "{what}: {} rows, {} of them under a repeated key; {:?}; rejected by rule {:?}",
            self.rows.len(),
            self.repeated(),
            self.counts,
            self.by_rule
        );
    }
}

/// The columns of a table of divisions in PostgreSQL.
pub(crate) const DIVISION_TABLE: &str = "(id text, pid text, deep int, name text, \
     pinyin_prefix text, pinyin text, ext_id text, ext_name text)";

/// Divisions, read whole at every poll.
pub(crate) fn divisions(poll: &str) -> Table {
    Table {
        id: "division",
        columns: DIVISION,
        key: &["ext_id"],
        from: format!(
            "source = \"bureau\"\ntable = \"division\"\npoll = \"{poll}\"\n\
             change = {{ kind = \"full\" }}"
        ),
        rules: "[[dataset.rule]]\nrule = \"required\"\ncolumns = [\"name\", \"ext_id\", \"ext_name\"]\n\
             [[dataset.rule]]\nrule = \"pattern\"\ncolumns = [\"ext_id\"]\npattern = '[0-9]{1,12}'\n\
             [[dataset.rule]]\nrule = \"range\"\ncolumns = [\"deep\"]\nmin = 0\nmax = 3\n",
    }
}

/// Where [`divisions`] lie.
pub(crate) fn divisions_source(server: &Server) -> String {
    format!("[[source]]\nkind = \"postgres\"\nid = \"bureau\"\nurl = \"{}\"\n", server.url())
}

/// What is to be above: the first row of each key, where it is valid.
pub(crate) fn first_valid(rows: &[CityRow]) -> BTreeMap<String, Columns> {
    let mut first: BTreeMap<&str, &Columns> = BTreeMap::new();
    for row in rows {
        first.entry(&row.key).or_insert(&row.columns);
    }
    first
        .into_iter()
        .filter(|(key, row)| !key.is_empty() && is_valid_division(row))
        .map(|(key, row)| (key.to_owned(), row.clone()))
        .collect()
}

/// A file of divisions goes into PostgreSQL and from there above.
async fn divisions_arrive(file: &Path, what: &str) -> Outcome {
    let server = Server::start();
    server.sql(&format!(
        "CREATE TABLE division {DIVISION_TABLE};\n\
         \\copy division from '{}' with (format csv, header)\n",
        file.display()
    ));
    let table = divisions("1h");
    let sources = divisions_source(&server);
    let clock = Clock::system();
    let folder = tempfile::tempdir().unwrap();
    drop(write_catalogue(folder.path(), std::slice::from_ref(&table)));
    let city = TestCity::with(folder, &settings(&sources, &[table]), &clock, |_| {}).await;
    let daemon = TestDaemon::start(city.configuration(), &clock).await;
    daemon.settled().await;
    let outcome = Outcome::of(&city, &daemon, "division").await;
    outcome.told(what);

    let expected = first_valid(&outcome.rows);
    assert_content(&city.platform.content("division").unwrap(), &expected, what);
    assert_eq!(outcome.counts.confirmed, expected.len() as u64);
    assert!(outcome.counts.balance() && outcome.counts.queued == 0);
    let counted = outcome.counts.due + outcome.counts.coalesced + outcome.counts.skipped;
    assert_eq!(counted, outcome.rows.len() as u64, "every row has an outcome");
    assert_eq!(outcome.by_rule.values().sum::<u64>(), outcome.counts.rejected());
    for found in compare(&daemon.app).await.unwrap() {
        assert_eq!((found.mismatched(), found.skipped), (0, None));
    }
    daemon.stop().await;
    city.close().await;
    outcome
}

/// The rules above, written anew.
fn is_valid_division(row: &Columns) -> bool {
    let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
    let digits = text("ext_id");
    !text("name").trim().is_empty()
        && !text("ext_name").trim().is_empty()
        && (1..=12).contains(&digits.len())
        && digits.bytes().all(|letter| letter.is_ascii_digit())
        && (0..=3).contains(&text("deep").parse().unwrap_or(0))
}

#[test]
fn real_divisions_arrive_key_by_key() {
    let Some(folder) = shared_data("divisions") else { return };
    let outcome = run(divisions_arrive(&folder.join("areacity_level4.csv"), "divisions"));
    assert_eq!(outcome.rows.len(), 43_118);
    assert_eq!(outcome.repeated(), 806);
}

/// So many divisions as a file of text. Every fiftieth key comes twice, every hundredth row is the
/// one before it word for word, some rows have no name and some a key that is no number.
pub(crate) fn generated_divisions(rows: u32) -> String {
    let mut text = "id,pid,deep,name,pinyin_prefix,pinyin,ext_id,ext_name\n".to_owned();
    for number in 0..rows {
        let row = if number % 100 == 53 { number - 1 } else { number };
        let key = if row % 50 == 1 { row - 1 } else { row };
        let letter = if row % 90 == 89 { "x" } else { "" };
        let name = if row % 70 == 69 { String::new() } else { format!("街道{row}") };
        text.push_str(&format!(
            "{row},{},3,{name},j,jie dao,{letter}{key:011},\"街道 \"\"{row}\"\"\"\n",
            row / 9,
        ));
    }
    text
}

#[test]
fn generated_divisions_arrive_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("level4.csv");
    std::fs::write(&file, generated_divisions(6_000)).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let outcome = run(divisions_arrive(&file, "generated divisions"));
    assert!(outcome.repeated() > 0 && outcome.counts.coalesced > 0);
    for rule in ["required", "pattern", "unique"] {
        assert!(outcome.by_rule.contains_key(rule), "{rule}: {:?}", outcome.by_rule);
    }
}

const CASES: &[(&str, &str)] = &[
    ("date", "date"),
    ("countryCode", "text"),
    ("provinceCode", "text"),
    ("cityCode", "text"),
    ("confirmed", "integer"),
    ("suspected", "integer"),
    ("cured", "integer"),
    ("dead", "integer"),
];

/// How far the clock goes between two looks.
const STEP: Duration = Duration::from_secs(10);

/// Where [`cases`] lie.
pub(crate) const CASES_SOURCE: &str =
    "[[source]]\nkind = \"csv-folder\"\nid = \"files\"\npath = \"dropped\"\n";

/// Daily cases, a file a day.
pub(crate) fn cases(poll: &str) -> Table {
    Table {
        id: "cases",
        columns: CASES,
        key: &["date", "countryCode", "provinceCode", "cityCode"],
        from: format!(
            "source = \"files\"\nfiles = \"2020-*.csv\"\npoll = \"{poll}\"\n\
             business_time = \"date\"\nchange = {{ kind = \"files\" }}"
        ),
        rules: "[[dataset.rule]]\nrule = \"required\"\ncolumns = [\"date\", \"countryCode\"]\n\
             [[dataset.rule]]\nrule = \"range\"\n\
             columns = [\"confirmed\", \"suspected\", \"cured\", \"dead\"]\nmin = 0\n",
    }
}

/// Files arrive one a day, on a clock that the test moves.
async fn days_arrive(days: &[(String, Vec<u8>)], what: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let dropped = folder.path().join("dropped");
    std::fs::create_dir(&dropped).unwrap();
    let table = cases("1h");
    let sources = CASES_SOURCE;
    drop(write_catalogue(folder.path(), std::slice::from_ref(&table)));
    let clock = Clock::manual("2020-03-01T20:00:00+08:00".parse().unwrap());
    let city = TestCity::with(folder, &settings(sources, &[table]), &clock, |_| {}).await;
    let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
    daemon.step = STEP;
    for (at, (name, content)) in days.iter().enumerate() {
        write_dated(&dropped.join(name), content, clock.now());
        // The next look comes a day later, when the file is there.
        clock.advance(Duration::from_hours(24));
        let expected = latest(&city.rows("cases").await);
        daemon
            .wait_until(&format!("the rows of {name} are settled"), || async {
                let held = city.platform.count("cases").unwrap() == expected.len() as u64;
                held && daemon.counts("cases").await.queued == 0
                    && difference(&city.platform.content("cases").unwrap(), &expected).is_none()
            })
            .await;
        // Halfway through the month the daemon is stopped and started.
        if at == days.len() / 2 {
            daemon.stop().await;
            daemon = TestDaemon::start(city.configuration(), &clock).await;
            daemon.step = STEP;
        }
    }
    let outcome = Outcome::of(&city, &daemon, "cases").await;
    outcome.told(what);
    assert!(outcome.counts.balance());
    assert_eq!(outcome.by_rule.values().sum::<u64>(), outcome.counts.rejected());
    daemon.stop().await;
    city.close().await;
    outcome
}

/// What is to be above: the last valid row of each key, for a later file or line is a newer version.
pub(crate) fn latest(rows: &[CityRow]) -> BTreeMap<String, Columns> {
    let valid = rows.iter().filter(|row| is_valid_case(&row.columns));
    valid.map(|row| (row.key.clone(), row.columns.clone())).collect()
}

fn is_valid_case(row: &Columns) -> bool {
    let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
    let counted = ["confirmed", "suspected", "cured", "dead"].into_iter().all(|name| {
        text(name).is_empty() || text(name).parse::<i64>().is_ok_and(|count| count >= 0)
    });
    counted && !text("date").is_empty() && !text("countryCode").trim().is_empty()
}

/// The file is there with its time at once: a look between the two would see it written today and
/// pass every file of the time that the test plays.
fn write_dated(path: &Path, content: &[u8], at: jiff::Timestamp) {
    let part = path.with_extension("part");
    std::fs::write(&part, content).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_secs(at.as_second().unsigned_abs());
    std::fs::File::options().write(true).open(&part).unwrap().set_modified(at).unwrap();
    std::fs::rename(part, path).unwrap();
}

/// The 31 files, by name.
pub(crate) fn real_days(from: &Path) -> Vec<(String, Vec<u8>)> {
    (1..=31)
        .map(|day| format!("2020-03-{day:02}.csv"))
        .map(|name| (name.clone(), std::fs::read(from.join(&name)).unwrap()))
        .collect()
}

#[test]
fn real_daily_cases_arrive_day_by_day() {
    let Some(from) = shared_data("daily-cases") else { return };
    let days = real_days(&from);
    let outcome = run(days_arrive(&days, "daily cases"));
    assert_eq!(outcome.rows.len(), 20_636);
    assert_eq!(outcome.repeated(), 366);
}

/// So many days of sixty rows. Two rows repeat a key, one word for word; one counts below nothing.
pub(crate) fn generated_days(days: u32) -> Vec<(String, Vec<u8>)> {
    (1..=days)
        .map(|day| {
            let date = format!("2020-04-{day:02}");
            let mut text =
                "date,countryCode,provinceCode,cityCode,confirmed,suspected,cured,dead\n"
                    .to_owned();
            for number in 0..60 {
                let city = if number == 31 || number == 41 { number - 1 } else { number };
                let confirmed = match number {
                    41 => 40,
                    50 => -1,
                    other => other,
                };
                text.push_str(&format!("{date},CN,510000,5119{city:02},{confirmed},0,1,0\n"));
            }
            (format!("{date}.csv"), text.into_bytes())
        })
        .collect()
}

#[test]
fn generated_daily_cases_arrive_day_by_day() {
    let days = generated_days(5);
    let outcome = run(days_arrive(&days, "generated daily cases"));
    assert_eq!(outcome.repeated(), 20);
    assert_eq!(outcome.by_rule, BTreeMap::from([("range".to_owned(), 5)]));
}
