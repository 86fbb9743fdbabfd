//! The real tables through the real program, killed again and again: 43,118 divisions that come
//! into PostgreSQL slice by slice and 31 daily files that are dropped one by one, while rows change
//! and go and the catalogue is renamed. Each life ends at a random moment of what can be seen from
//! outside — bytes on the line, requests above, payloads in the spool, sorted runs — so that the
//! kills are spread over the whole life. The generated twin does the same over rows of its own.
//!
//! What the dead process was doing is read from the ledger it left; stages that nobody hit yet are
//! aimed at towards the end. `SEED=` repeats the choices; `CASCADED_KILLS=` says how many lives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::delivery::{BatchId, Receipt};
use cascaded::demo::compare;
use cascaded::ledger::Ended;
#[cfg(feature = "sabotage")]
use cascaded::rehearsal::{Fault, Play};
use rusqlite::Connection;

use crate::real::{
    CASES_SOURCE, DIVISION_TABLE, cases, divisions, divisions_source, first_valid, generated_days,
    generated_divisions, latest, real_days,
};
use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::plain::{settings, write_catalogue};
use crate::support::postgres::Server;
#[cfg(feature = "sabotage")]
use crate::support::process::End;
use crate::support::process::Line;
use crate::support::shared_data;
use crate::support::town::{Dice, open, small_batches, unannounced};

/// How long one life may take to come to its moment; most need a fraction of a second.
const LIFE: Duration = Duration::from_secs(8);

/// Lives that aim at what chance has left out, for each that does not.
const FURTHER: u64 = 2;

/// What is looked at for a life's end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Moment {
    /// So many bytes have passed on the line, in both directions.
    Bytes(u64),
    /// The platform has read so many requests more.
    Requests(u64),
    /// So many payloads more have their name in the spool.
    Payloads(u64),
    /// A sorted run has got its name.
    Run,
}

/// What a process was in the middle of when it died; several at once.
const STAGES: [(&str, &str); 8] = [
    (
        "catalogue",
        "SELECT count(*) FROM link WHERE state IN ('queued', 'sent', 'stale', 'unknown')",
    ),
    ("reading", "SELECT count(*) FROM pass WHERE state = 'running'"),
    ("waiting to be sent", "SELECT count(*) FROM batch WHERE state = 'queued'"),
    ("sent, not arrived", ""),
    ("arrived, answer not recorded", ""),
    ("asking for a lost answer", "SELECT count(*) FROM batch WHERE state = 'unknown'"),
    ("waiting for verdicts", "SELECT count(*) FROM batch WHERE state = 'taken'"),
    (
        "confirmed, in no sorted run",
        "SELECT count(*) FROM batch WHERE state = 'settled' AND merged = 0 AND spooled = 1
         AND subject_kind = 'rows'",
    ),
];
/// The same for payloads that are durable and that no transaction named.
const UNNAMED: &str = "spooled, not named";

/// The city and what still comes into it.
struct Growing {
    city: TestCity,
    server: Server,
    catalogue: Connection,
    days: Vec<(String, Vec<u8>)>,
    /// Divisions in all, and how many are there.
    rows: u64,
    there: u64,
    dropped: usize,
}

impl Growing {
    async fn new(file: &Path, days: Vec<(String, Vec<u8>)>, batch_rows: u32) -> Self {
        let server = Server::start();
        // Nothing is vacuumed: the order of rows that repeat a key stays the order they came in.
        server.sql(&format!(
            "CREATE TABLE division {DIVISION_TABLE} WITH (autovacuum_enabled = false);\n\
             CREATE TABLE arriving {DIVISION_TABLE};\n\
             \\copy arriving from '{}' with (format csv, header)\n\
             ALTER TABLE arriving ADD n serial;\n\
             CREATE TABLE single AS SELECT min(n) AS n, ext_id FROM arriving GROUP BY ext_id \
             HAVING count(*) = 1;\n",
            file.display()
        ));
        let tables = [divisions("1s"), cases("1s")];
        let sources = format!("{}\n{CASES_SOURCE}", divisions_source(&server));
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dropped")).unwrap();
        let catalogue = write_catalogue(folder.path(), &tables);
        let standards = small_batches(folder.path(), batch_rows);
        let database = folder.path().join("province.sqlite");
        let clock = Clock::system();
        let city = TestCity::with(folder, &settings(&sources, &tables), &clock, |settings| {
            settings.standard = standards.join(cascaded::demo::STANDARD);
            settings.database = Some(database);
        })
        .await;
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let shipped = cascaded::demo::standards_folder().unwrap();
        let own = text.replace(shipped.to_str().unwrap(), standards.to_str().unwrap());
        assert_ne!(text, own, "the configuration names the standards");
        std::fs::write(city.configuration_file(), own).unwrap();
        let rows = std::fs::read_to_string(file).unwrap().lines().count() as u64 - 1;
        Self { city, server, catalogue, days, rows, there: 0, dropped: 0 }
    }

    /// The city as it is in the life `life` of `lives`: more rows and files, some rows changed and
    /// some gone, each at most once and none of a repeated key. A tenth is kept for the lives beyond,
    /// of which there are at most [`FURTHER`] times as many: they have something to do as well.
    fn go_on(&mut self, life: u64, lives: u64) {
        let share = |all: u64| {
            let kept = all / 10;
            let beyond = (life + 1).saturating_sub(lives);
            let first = ((all - kept) * (life + 1).min(lives)).div_ceil(lives);
            first + (kept * beyond).div_ceil(FURTHER * lives).min(kept)
        };
        self.come(share(self.rows), share(self.days.len() as u64), lives);
        assert!(self.there <= self.rows);
    }

    /// All that has not come yet.
    fn complete(&mut self) {
        self.come(self.rows, self.days.len() as u64, 1);
    }

    /// Rows and files come until there are so many.
    fn come(&mut self, until: u64, files: u64, lives: u64) {
        let (from, slice) = (self.there, self.rows.div_ceil(lives).max(1));
        let mut sql = format!(
            "INSERT INTO division SELECT id, pid, deep, name, pinyin_prefix, pinyin, ext_id, \
             ext_name FROM arriving WHERE n > {from} AND n <= {until} ORDER BY n;\n"
        );
        // Of the slice before the last one: rows on its pages do not mix with those that come.
        if from >= 3 * slice && until > from {
            let (old, young) = (from - 3 * slice, until - 3 * slice);
            let of =
                format!("(SELECT ext_id FROM single WHERE n > {old} AND n <= {young} AND n % 17");
            sql.push_str(&format!(
                "UPDATE division SET name = name || '改' WHERE ext_id IN {of} = 3);\n\
                 DELETE FROM division WHERE ext_id IN {of} = 5 LIMIT 3);\n"
            ));
        }
        self.server.sql(&sql);
        self.there = until;
        let files = usize::try_from(files).unwrap();
        for (name, content) in self.days.get(self.dropped..files).unwrap() {
            // It appears whole: a file that is written meanwhile would be read twice.
            let begun = self.city.path().join(name);
            std::fs::write(&begun, content).unwrap();
            std::fs::rename(begun, self.city.path().join("dropped").join(name)).unwrap();
        }
        self.dropped = files;
    }

    fn rename_an_entry(&self, life: u64) {
        let sql = "UPDATE entry SET title = id || ?1";
        self.catalogue.execute(sql, [life.to_string()]).unwrap();
    }

    /// Files in a folder of the ledger that have their final name.
    fn files(&self, folder: &str, ending: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.city.path().join("ledger").join(folder));
        let names = files.into_iter().flatten().flatten();
        let names = names.filter_map(|file| file.file_name().into_string().ok());
        names.filter(|name| name.ends_with(ending)).collect()
    }

    /// What the dead process was in the middle of, and the batches that may come once more.
    fn autopsy(&self) -> (Vec<&'static str>, Vec<String>) {
        let path = self.city.path().join("ledger/ledger.sqlite");
        if !path.exists() {
            return (Vec::new(), Vec::new());
        }
        let ledger = open(&path);
        let count = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0);
        let mut hit: Vec<&str> = STAGES
            .iter()
            .filter(|(_, sql)| !sql.is_empty() && count(sql) > 0)
            .map(|(stage, _)| *stage)
            .collect();
        let names = |sql: &str| -> Vec<String> {
            let Ok(mut query) = ledger.prepare(sql) else { return Vec::new() };
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let open = names("SELECT lower(hex(batch)) FROM attempt WHERE ended_at IS NULL");
        let above = open_province(&self.city);
        let holds = |batch: &String| {
            let sql = "SELECT count(*) FROM batch WHERE batch_id = ?1";
            above.query_row(sql, [batch], |row| row.get::<_, i64>(0)).unwrap() > 0
        };
        if open.iter().any(|batch| !holds(batch)) {
            hit.push("sent, not arrived");
        }
        if open.iter().any(holds) {
            hit.push("arrived, answer not recorded");
        }
        let named = names("SELECT lower(hex(id)) FROM batch");
        let unnamed = self.files("spool", ".batch");
        let unnamed = unnamed.iter().map(|name| name.trim_end_matches(".batch"));
        if unnamed.clone().any(|name| !named.iter().any(|batch| batch == name)) {
            hit.push(UNNAMED);
        }
        // Asked about and not there, it goes again as well.
        (hit, open)
    }

    /// Waits for a moment that the line does not see, then kills.
    async fn watch(&self, line: &Line, moment: Moment) {
        let seen = || match moment {
            Moment::Bytes(_) => 0,
            Moment::Requests(_) => requests(&self.city),
            Moment::Payloads(_) => self.files("spool", ".batch").len() as u64,
            Moment::Run => self.files("runs", "").len() as u64,
        };
        let wanted = match moment {
            Moment::Bytes(more) | Moment::Requests(more) | Moment::Payloads(more) => more,
            Moment::Run => 1,
        };
        let mut looks = tokio::time::interval(Duration::from_millis(1));
        let (mut last, mut come) = (seen(), 0);
        let waited = tokio::time::timeout(LIFE, async {
            while come < wanted {
                looks.tick().await;
                let now = seen();
                come += now.saturating_sub(last);
                last = now;
            }
        });
        // A life whose moment does not come ends at rest.
        drop(waited.await);
        line.kill();
    }
}

fn open_province(city: &TestCity) -> Connection {
    open(&city.path().join("province.sqlite"))
}

fn requests(city: &TestCity) -> u64 {
    let sql = "SELECT coalesce(max(number), 0) FROM delivery";
    let count = open_province(city).query_row(sql, [], |row| row.get::<_, i64>(0));
    u64::try_from(count.unwrap()).unwrap()
}

/// A moment for this life: anywhere, or where a stage is that nobody hit.
fn moment(dice: &mut Dice, wanting: Option<&str>, bytes: u64) -> Moment {
    match wanting {
        None => match dice.below(8) {
            0..4 => Moment::Bytes(1 + dice.below(bytes)),
            4 => Moment::Requests(1 + dice.below(6)),
            5 => Moment::Payloads(1 + dice.below(3)),
            6 => Moment::Run,
            _ => Moment::Bytes(1 + dice.below(4_000)),
        },
        Some("asking for a lost answer" | "sent, not arrived") => {
            Moment::Bytes(1 + dice.below(6_000))
        }
        Some("catalogue" | "arrived, answer not recorded" | "waiting for verdicts") => {
            Moment::Requests(1 + dice.below(3))
        }
        Some("confirmed, in no sorted run") => Moment::Requests(3 + dice.below(4)),
        Some(_) => Moment::Payloads(1 + dice.below(2)),
    }
}

/// Kills as often as `kills` says; then everything is there, once, and stays when told again.
async fn killed_over(growing: &mut Growing, kills: u64, what: &str) {
    let mut dice = Dice::from_environment(what);
    let line = Line::to(&growing.city);
    let mut hits: BTreeMap<&str, u64> = STAGES.iter().map(|(stage, _)| (*stage, 0)).collect();
    hits.insert(UNNAMED, 0);
    let mut allowed: BTreeMap<String, u64> = BTreeMap::new();
    let mut moments: BTreeMap<&str, u64> = BTreeMap::new();
    let bytes = 20_000 + growing.rows / kills * 120;
    let points = ended_at_every_point(growing, &line, &mut allowed, kills);
    // A stage that chance has left out is aimed at in further lives.
    for life in 0..(1 + FURTHER) * kills {
        let wanting = hits.iter().find(|(_, hits)| **hits == 0).map(|(stage, _)| *stage);
        if life >= kills && wanting.is_none() {
            break;
        }
        growing.go_on(points + life, points + kills);
        let wanting = wanting.filter(|_| life * 2 >= kills);
        if wanting == Some("catalogue") || life % 5 == 3 {
            growing.rename_an_entry(life);
        }
        let moment = moment(&mut dice, wanting, bytes);
        let (word, limit) = match moment {
            Moment::Bytes(bytes) => ("bytes", Some(bytes)),
            Moment::Requests(_) => ("requests", None),
            Moment::Payloads(_) => ("payloads", None),
            Moment::Run => ("a run", None),
        };
        *moments.entry(word).or_default() += 1;
        line.start(&[], limit);
        match limit {
            Some(_) => drop(line.killed_within(LIFE)),
            None => growing.watch(&line, moment).await,
        }
        let (hit, open) = growing.autopsy();
        if hit.is_empty() {
            *hits.entry("at rest").or_default() += 1;
        }
        hit.into_iter().for_each(|stage| *hits.entry(stage).or_default() += 1);
        open.into_iter().for_each(|batch| *allowed.entry(batch).or_default() += 1);
        let early = unannounced(&growing.city);
        assert!(early.is_empty(), "life {life}, {moment:?}: {early:?}\n{}", line.errors());
    }
    drop(line);
    growing.complete();
    let kills: u64 = moments.values().sum();
    println!("{what}: {kills} kills at {moments:?}; in the middle of {hits:?}");
    everything_is_there(growing, &allowed, what).await;
    for (stage, hits) in &hits {
        assert!(*hits > 0, "nobody died: {stage}");
    }
}

/// One life ends at every named point, over the first of the rows; how many lives that were.
#[cfg(feature = "sabotage")]
fn ended_at_every_point(
    growing: &mut Growing,
    line: &Line,
    allowed: &mut BTreeMap<String, u64>,
    kills: u64,
) -> u64 {
    let points = cascaded::crash::POINTS.len() as u64;
    let (mut life, mut reached) = (0, 0);
    while let Some(point) = cascaded::crash::POINTS.get(reached) {
        growing.go_on(life, points + kills);
        growing.rename_an_entry(life);
        life += 1;
        // One answer is lost and one batch refused, so that every stage has work.
        let faults = growing.city.platform.faults();
        faults.clear();
        faults.play(Play::next("rows.upsert", 1, Fault::LoseAnswer));
        faults.play(Play::next("rows.upsert", 1, Fault::Refuse { code: "3001".to_owned() }));
        line.start(&[("CASCADED_CRASH_AT", &format!("{point}:1"))], None);
        let end = line.aborted();
        let (hit, open) = growing.autopsy();
        if end == End::Aborted {
            reached += 1;
        } else {
            // All that had come was in one batch: the answer that was lost was its own, and no
            // batch was left to be refused. More comes in the next life.
            let at_rest = !hit.contains(&"waiting to be sent");
            assert!(at_rest && life < 2 * points, "{point}: {end:?}, {hit:?}\n{}", line.errors());
        }
        open.into_iter().for_each(|batch| *allowed.entry(batch).or_default() += 1);
        let early = unannounced(&growing.city);
        assert!(early.is_empty(), "{point}: {early:?}");
    }
    growing.city.platform.faults().clear();
    println!("one life ended at each of {points} named points");
    life
}

/// Named points need a build of their own.
#[cfg(not(feature = "sabotage"))]
fn ended_at_every_point(
    _growing: &mut Growing,
    _line: &Line,
    _allowed: &mut BTreeMap<String, u64>,
    _kills: u64,
) -> u64 {
    println!("not run: named crash points (build with --features sabotage, as tests/run does)");
    0
}

async fn everything_is_there(growing: &Growing, allowed: &BTreeMap<String, u64>, what: &str) {
    let city = &growing.city;
    let here = first_valid(&city.rows("division").await);
    let there = latest(&city.rows("cases").await);
    let mut counted = Vec::new();
    for _ in 0..2 {
        let begun = city.clock.now().as_millisecond();
        let daemon = TestDaemon::start(city.configuration(), &city.clock).await;
        let ledger = open(&daemon.ledger().folder().join("ledger.sqlite"));
        daemon
            .wait_until("everything was read again and is above", || async {
                let sql = "SELECT count(*) FROM pass WHERE dataset = 'division'
                     AND finished_at > ?1";
                let whole: i64 = ledger.query_row(sql, [begun], |row| row.get(0)).unwrap();
                let counts = |dataset| city.platform.count(dataset).unwrap();
                let all = (counts("division"), counts("cases"));
                whole > 0 && all == (here.len() as u64, there.len() as u64)
            })
            .await;
        daemon.settled().await;
        receipts_again_change_nothing(&daemon).await;
        for found in compare(&daemon.app).await.unwrap() {
            assert_eq!((found.mismatched(), found.skipped), (0, None), "{found:?}");
        }
        counted.push([daemon.counts("division").await, daemon.counts("cases").await]);
        daemon.stop().await;
        assert_content(&city.platform.content("division").unwrap(), &here, "divisions");
        assert_content(&city.platform.content("cases").unwrap(), &there, "daily cases");
    }
    assert_eq!(counted.first(), counted.last(), "a second life found something to do");
    let payloads = city.platform.payloads().unwrap();
    let two: Vec<_> = payloads.iter().filter(|(_, payloads)| payloads.len() > 1).collect();
    assert!(two.is_empty(), "two payloads under one name: {two:?}");
    let mut twice = 0;
    for (batch, times) in city.platform.times_received().unwrap() {
        let may = allowed.get(&batch).copied().unwrap_or_default();
        assert!(times <= 1 + may, "{batch} came {times} times and was in flight at {may} kills");
        twice += times - 1;
    }
    println!(
        "{what}: {} divisions and {} cases above, {} batches, {twice} repetitions of {} that were \
         in flight; {:?}",
        here.len(),
        there.len(),
        payloads.len(),
        allowed.values().sum::<u64>(),
        counted.last().unwrap(),
    );
}

/// A batch's name and its receipt.
type Told = (Vec<u8>, Option<String>);

/// Every batch's receipt is told the ledger once more.
async fn receipts_again_change_nothing(daemon: &TestDaemon) {
    let path = daemon.ledger().folder().join("ledger.sqlite");
    let told = || -> (Vec<Told>, i64) {
        let ledger = open(&path);
        let mut query =
            ledger.prepare("SELECT id, receipt_id FROM batch ORDER BY ordinal").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let facts = ledger
            .query_row(
                "SELECT count(*) FROM fact WHERE kind IN ('confirmed', 'verdict', 'rejected')",
                [],
                |row| row.get(0),
            )
            .unwrap();
        (rows.map(Result::unwrap).collect(), facts)
    };
    let before = (told(), daemon.ledger().flows().await.unwrap());
    for (batch, receipt) in &before.0.0 {
        let batch = BatchId(batch.as_slice().try_into().unwrap());
        let receipt =
            Some(Receipt { id: receipt.clone().unwrap_or_default(), digest: None, rows: None });
        let ended = Ended::Taken { receipt, upper_id: None, adopted: false };
        daemon.ledger().batch_resolved(batch, ended).await.unwrap();
    }
    let after = (told(), daemon.ledger().flows().await.unwrap());
    assert_eq!(before.0, after.0);
    for (before, after) in before.1.iter().zip(&after.1) {
        assert_eq!(before.counts, after.counts);
        assert_eq!(before.last_confirmed_at, after.last_confirmed_at);
    }
}

fn kills(default: u64) -> u64 {
    std::env::var("CASCADED_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_real_tables_survive_kills_at_random_moments() {
    let (Some(divisions), Some(cases)) = (shared_data("divisions"), shared_data("daily-cases"))
    else {
        return;
    };
    run(async {
        let file = divisions.join("areacity_level4.csv");
        let mut growing = Growing::new(&file, real_days(&cases), 100).await;
        killed_over(&mut growing, kills(24), "real tables").await;
        growing.city.close().await;
    });
}

#[test]
fn generated_tables_survive_kills_at_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("level4.csv");
    std::fs::write(&file, generated_divisions(4_000)).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    run(async {
        let mut growing = Growing::new(&file, generated_days(9), 25).await;
        killed_over(&mut growing, kills(20), "generated tables").await;
        growing.city.close().await;
    });
}
