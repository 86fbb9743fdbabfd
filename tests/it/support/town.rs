//! A small town for tests of faults and crashes: batches of a few rows, a city that goes on
//! changing, and one question at the end: is above what the city has, once and nothing else?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::demo::{Scale, SetPlan, standards_folder};
use cascaded::rehearsal::Platform;
use rusqlite::Connection;

use super::daemon::TestCity;

/// The datasets that a test may go on changing: id, table, key, a text column, the change time.
pub(crate) const TABLES: [(&str, &str, &str, &str); 3] = [
    ("5151-0101", "population_515100", "person_no", "address"),
    ("5151-0201", "enterprise_515100", "uscc", "address"),
    ("5151-0301", "real_estate_515100", "unit_no", "location"),
];

/// Rows of a batch at most.
pub(crate) const BATCH_ROWS: u32 = 20;

/// A town of four datasets, three with a change time and one without.
pub(crate) async fn town(
    rows: usize,
    clock: &Clock,
    change: impl FnOnce(&mut SetPlan),
) -> TestCity {
    let scale = Scale { datasets: 4, rows, entries: 6 };
    let city = TestCity::demo(scale, clock, |plan| {
        plan.standards = small_batches(&plan.folder, BATCH_ROWS);
        change(plan);
    })
    .await;
    // The configuration names a folder of files; none of these datasets lies there.
    std::fs::create_dir_all(city.path().join("files")).unwrap();
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let text = text.replace("\ncycle = ", "\npoll = \"1s\"\ncycle = ");
    std::fs::write(city.configuration_file(), text).unwrap();
    city
}

/// The shipped standard with a smaller batch: a standard is data.
pub(crate) fn small_batches(folder: &Path, rows: u32) -> PathBuf {
    let (from, to) = (standards_folder().unwrap(), folder.join("standards"));
    copy(&from.join(cascaded::demo::STANDARD), &to.join(cascaded::demo::STANDARD));
    let file = to.join(cascaded::demo::STANDARD).join("standard.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let small = text.replace("\nrows = 5000\n", &format!("\nrows = {rows}\n"));
    assert_ne!(text, small, "the standard has a limit of rows");
    std::fs::write(file, small).unwrap();
    to
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Random numbers that a seed repeats (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From `SEED`, or a seed that the machine's clock gave; it is printed.
    pub(crate) fn from_environment(test: &str) -> Self {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| Clock::system().now().as_millisecond().cast_unsigned());
        println!("{test}: SEED={seed}");
        Self(seed)
    }

    /// Others, as many as one likes, that the same seed repeats.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The city goes on: `rows` sound rows of each table that has a change time are written again with
/// a text of their own, `tag`, and three rows of the table without one.
pub(crate) fn go_on(city: &TestCity, rows: usize, tag: &str) {
    let database = open(&city.path().join("city.sqlite"));
    for (dataset, table, key, column) in TABLES {
        write_rows(city, &database, (dataset, table, key, column), rows, tag);
    }
    let spoiled = spoiled(city, "5151-0401");
    let keys = keys(&database, "house_contract_515100", "contract_no");
    for key in keys.iter().filter(|key| !spoiled.contains(key.as_str())).take(3) {
        database
            .execute(
                "UPDATE house_contract_515100 SET house = ?1 WHERE contract_no = ?2",
                [&format!("示例市{tag}"), key],
            )
            .unwrap();
    }
}

/// Writes sound rows of one table again.
pub(crate) fn write_rows(
    city: &TestCity,
    database: &Connection,
    (dataset, table, key, column): (&str, &str, &str, &str),
    rows: usize,
    tag: &str,
) {
    let spoiled = spoiled(city, dataset);
    let local = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap().to_datetime(city.clock.now());
    let now = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let sql = format!("UPDATE {table} SET {column} = ?1, update_time = ?2 WHERE {key} = ?3");
    let keys = keys(database, table, key);
    let sound = keys.iter().filter(|key| !spoiled.contains(key.as_str()));
    // At once: a look between two of them makes two batches of what a test takes for one.
    let write = database.unchecked_transaction().unwrap();
    for (number, key) in sound.take(rows).enumerate() {
        write.execute(&sql, [&format!("示例市{tag}路{number}号"), &now, key]).unwrap();
    }
    write.commit().unwrap();
}

/// New rows come into the first table: a sound one again and again under other keys.
pub(crate) fn come_in(city: &TestCity, rows: usize, tag: &str) {
    let database = open(&city.path().join("city.sqlite"));
    let spoiled = spoiled(city, "5151-0101");
    let keys = keys(&database, "population_515100", "person_no");
    let key = keys.iter().find(|key| !spoiled.contains(key.as_str())).unwrap();
    let local = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap().to_datetime(city.clock.now());
    let now = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let write = database.unchecked_transaction().unwrap();
    write
        .execute(
            "CREATE TEMP TABLE new AS SELECT * FROM population_515100 WHERE person_no = ?1",
            [key],
        )
        .unwrap();
    for number in 0..rows {
        let fresh = format!("N{tag}{number:05}");
        write.execute("UPDATE new SET person_no = ?1, update_time = ?2", [&fresh, &now]).unwrap();
        write.execute("INSERT INTO population_515100 SELECT * FROM new", []).unwrap();
    }
    write.commit().unwrap();
}

pub(crate) fn open(path: &Path) -> Connection {
    let database = Connection::open(path).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    database
}

fn keys(database: &Connection, table: &str, key: &str) -> Vec<String> {
    let mut query =
        database.prepare(&format!("SELECT {key} FROM {table} GROUP BY 1 ORDER BY 1")).unwrap();
    let keys = query.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    keys.filter_map(|key| key.ok().flatten()).collect()
}

fn spoiled(city: &TestCity, dataset: &str) -> BTreeSet<String> {
    let made = city.made.as_ref().unwrap();
    made.defects.iter().filter(|it| it.dataset == dataset).map(|it| it.key.clone()).collect()
}

/// What is wrong above, as a list that is empty when everything is as promised: the content is the
/// city's minus what was spoiled, no batch id carries two payloads, no rows came twice under two
/// names.
pub(crate) async fn wrong(city: &TestCity) -> Vec<String> {
    let mut wrong = differing(city, &city.platform).await;
    for (batch, payloads) in city.platform.payloads().unwrap() {
        if payloads.len() != 1 {
            wrong.push(format!("batch {batch} carried {} payloads", payloads.len()));
        }
    }
    let province = open(&city.path().join("province.sqlite"));
    let mut query = province
        .prepare(
            "SELECT dataset, group_concat(batch_id || ' at ' || received_at) FROM batch
             WHERE action = 'upsert' AND declared_digest IS NOT NULL GROUP BY dataset, declared_digest HAVING count(*) > 1",
        )
        .unwrap();
    let doubled = query
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .unwrap();
    for (dataset, batches) in doubled.map(Result::unwrap) {
        wrong.push(format!("{dataset}: the same rows came under two names: {batches}"));
    }
    wrong
}

/// What a platform holds otherwise than the city, minus what was spoiled.
pub(crate) async fn differing(city: &TestCity, platform: &Platform) -> Vec<String> {
    let mut wrong = Vec::new();
    for found in city.configuration().datasets {
        let dataset = found.dataset.id.as_str();
        wrong.extend(differences(platform, dataset, &sound_rows(city, dataset).await));
    }
    wrong
}

type Rows = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// A dataset's rows in a made city, minus those that were spoiled. A row is rejected by its key and
/// its rule; of a repeated key the first row stands.
pub(crate) async fn sound_rows(city: &TestCity, dataset: &str) -> Rows {
    let defects = &city.made.as_ref().unwrap().defects;
    let rejected: BTreeSet<&str> = defects
        .iter()
        .filter(|it| it.dataset == dataset && it.rule != "unique")
        .map(|it| it.key.as_str())
        .collect();
    let mut sound = Rows::new();
    for row in city.rows(dataset).await {
        if !rejected.contains(row.key.as_str()) {
            sound.entry(row.key).or_insert(row.columns);
        }
    }
    sound
}

fn differences(platform: &Platform, dataset: &str, expected: &Rows) -> Vec<String> {
    let above = platform.content(dataset).unwrap();
    let mut wrong = Vec::new();
    let absent = expected.keys().filter(|key| !above.contains_key(*key)).count();
    let extra = above.keys().filter(|key| !expected.contains_key(*key)).count();
    if absent + extra > 0 {
        wrong.push(format!("{dataset}: {absent} rows absent, {extra} too many"));
    }
    let stale = expected
        .iter()
        .filter(|(key, columns)| {
            above.get(*key).is_some_and(|held| {
                columns.iter().any(|(name, value)| {
                    let value = value.as_deref().map(super::daemon::time_above_or_same);
                    held.get(name).cloned().flatten() != value
                })
            })
        })
        .count();
    if stale > 0 {
        wrong.push(format!("{dataset}: {stale} rows with other content"));
    }
    wrong
}

/// Batches that the platform received more often than the ledger has attempts for: bytes that left
/// before their attempt was committed. The daemon must not run.
pub(crate) fn unannounced(city: &TestCity) -> Vec<String> {
    let path = city.path().join("ledger/ledger.sqlite");
    let received = city.platform.times_received().unwrap();
    if received.is_empty() && !path.exists() {
        // Killed before it had a ledger.
        return Vec::new();
    }
    let ledger = open(&path);
    let mut query =
        ledger.prepare("SELECT lower(hex(batch)), count(*) FROM attempt GROUP BY batch").unwrap();
    let attempts: BTreeMap<String, i64> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    received
        .into_iter()
        .filter(|(batch, times)| {
            let begun = attempts.get(batch).copied().unwrap_or_default();
            i64::try_from(*times).unwrap() > begun
        })
        .map(|(batch, times)| format!("batch {batch} came {times} times without so many attempts"))
        .collect()
}
