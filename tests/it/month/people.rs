//! What people do in the month, in the order in which they do it.

use std::path::Path;

use cascaded::control::protocol::{Status, TakeoverReport};
use cascaded::demo::SOCKET;
use rusqlite::params;

use super::Rows;
use super::keeper::{Keeper, Program};
use super::outcome::number;
use super::place::{DATASETS, Place, Shares, entry};
use crate::intake::place::FIVE;
use crate::support::operator::{Said, Speech, command, get, wait_for};
use crate::support::town::{Dice, open};
use crate::watch::writing;

/// The days on which the rest of the catalogue is registered, a part on each.
const REGISTERED_AFTER: u64 = 8;
/// Days on each of which the city's program is killed once more, and on every other a county's.
const KILLED_DAYS: u64 = 14;

/// The place, and who keeps its programs going.
pub(super) struct Month {
    pub(super) place: Place,
    pub(super) city: Keeper,
    pub(super) counties: Vec<Keeper>,
    pub(super) outer: Keeper,
    dice: Dice,
}

impl Month {
    pub(super) async fn new() -> Self {
        let mut dice = Dice::from_environment("a first month");
        let place = Place::new(Shares::from_environment()).await;
        let city = Program {
            name: "the city",
            configuration: place.city().configuration_file().to_owned(),
            folder: place.city().path().to_owned(),
            province: Some(place.city().platform.clone()),
        };
        let city = Keeper::start(city, dice.fork());
        let counties = place.counties.iter().map(|county| Program {
            name: county.name.id,
            configuration: county.path("cascaded.toml"),
            folder: county.path(""),
            province: None,
        });
        let counties = counties.map(|it| Keeper::start(it, dice.fork())).collect();
        let outer = Program {
            name: "the one beyond the gap",
            configuration: place.outer.city.configuration_file().to_owned(),
            folder: place.outer.city.path().to_owned(),
            province: Some(place.outer.city.platform.clone()),
        };
        let outer = Keeper::start(outer, dice.fork());
        Self { place, city, counties, outer, dice }
    }

    pub(super) fn kills(&self) -> [u64; 3] {
        let counties = self.counties.iter().map(Keeper::kills).sum();
        [self.city.kills(), counties, self.outer.kills()]
    }

    pub(super) fn kills_to_come(&self) -> u64 {
        let counties: u64 = self.counties.iter().map(Keeper::to_come).sum();
        self.city.to_come() + counties + self.outer.to_come()
    }

    /// Waits for something; the programs must not end by themselves meanwhile.
    pub(super) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let look = || {
            self.city.check();
            self.counties.iter().for_each(Keeper::check);
            self.outer.check();
            look()
        };
        wait_for(what, look, || format!("{:#?}\n{}", self.status(), self.city.log()))
    }

    /// Gives a command until somebody is there to answer it.
    pub(super) fn said(&self, words: &[&str]) -> Said {
        let socket = self.place.city().path().join(SOCKET);
        let words = [&["--socket", socket.to_str().unwrap()], words].concat();
        self.wait(&words.join(" "), || {
            let said = command(Speech::Chinese, &words);
            // 75: nobody answers, or nobody does any more.
            (said.code != Some(75)).then_some(said)
        })
    }

    fn done(&self, words: &[&str]) {
        let said = self.said(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
    }

    fn refused(&self, words: &[&str], code: &str) {
        let said = self.said(words);
        assert_eq!(said.code, Some(1), "{words:?}: {said:?}");
        assert!(said.err.contains(code), "{words:?}: {said:?}");
    }

    /// Its status, where it answers.
    pub(super) fn status(&self) -> Option<Status> {
        let socket = self.place.city().path().join(SOCKET);
        let words = ["--socket", socket.to_str().unwrap(), "status", "--json"];
        let said = command(Speech::English, &words);
        (said.code == Some(0)).then(|| said.json())
    }

    fn report(&self) -> TakeoverReport {
        let said = self.said(&["takeover", "show", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.json()
    }

    /// Its metrics, where it answers.
    fn metrics(&self) -> Option<String> {
        let url = self.status()?.http?;
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        Some(get(address.parse().ok()?, "/metrics")?.1)
    }

    /// A number that the ledger says.
    pub(super) fn counted(&self, sql: &str) -> u64 {
        let ledger = open(&self.place.city().path().join("ledger/ledger.sqlite"));
        let count: i64 = ledger.query_row(sql, [], |row| row.get(0)).unwrap();
        u64::try_from(count).unwrap()
    }

    /// The kills of a phase have come.
    fn killed(&self, times: u64, counties: u64) {
        self.city.kill(times);
        self.counties.iter().for_each(|it| it.kill(counties));
    }

    /// Nothing was written above over any channel.
    fn assert_nothing_written(&self) {
        let place = &self.place;
        for platform in [&place.city().platform, &place.receipts] {
            let written = writing(platform);
            assert!(written.is_empty(), "{written:?}");
        }
        for folder in ["placed-up", "sheet-up"] {
            let files = crate::support::operator::files(&place.city().path().join(folder));
            assert!(files.iter().all(|it| is_of_its_own(it)), "{files:?}");
        }
        // Whatever was taken away meanwhile has its line in the journal.
        let journal = place.city().path().join("ferry/state/ferry.sqlite");
        let sent = "SELECT count(*) FROM sent WHERE operation LIKE 'rows.%'";
        assert!(!journal.exists() || number(&journal, sent) == 0, "something went over the gap");
    }

    /// The first days: it looks, is killed, looks again, and writes nothing anywhere.
    pub(super) fn watches(&mut self) {
        self.killed(4, 1);
        let entries = self.place.shares.entries;
        let datasets = DATASETS.len() + FIVE.len();
        let kind = self.wait("everything is looked at, by a program that was killed", || {
            let status = self.status().filter(|_| self.city.to_come() == 0)?;
            let watching = status.watching?;
            let mut kinds = watching.objects.into_iter();
            let kind = kinds.find(|it| it.kind == "entry" && it.channel == "province")?;
            (kind.here == entries && watching.datasets == datasets as u64).then_some(kind)
        });
        assert_eq!(
            (kind.held, kind.adoptable),
            (Some(self.place.shares.above()), Some(self.place.shares.coded))
        );
        assert_eq!((kind.would_register, kind.lacking), (entries, 0));
        assert_eq!(self.counted("SELECT count(*) FROM attempt"), 0);
        self.assert_nothing_written();
    }

    pub(super) fn begins_a_takeover(&mut self) {
        let shares = self.place.shares;
        self.refused(&["takeover", "accept"], "E-TAKEOVER-NONE");
        self.killed(3, 0);
        let export = self.place.export.to_str().unwrap();
        self.done(&["takeover", "begin", "--inventory", "--file", export]);
        let report = self.wait("the report is there", || {
            let report = self.report();
            (report.phase == "waiting" && report.proposed > 0).then_some(report)
        });
        // The organisation and the category stand above as well.
        assert_eq!(report.above, shares.above() + 2, "{report:?}");
        assert_eq!(report.matched, shares.coded + 2, "{report:?}");
        assert_eq!(report.proposed, shares.titled, "{report:?}");
        assert_eq!((report.ambiguous, report.rivals), (shares.shared_title, 0), "{report:?}");
        assert_eq!(report.duplicates, shares.second, "{report:?}");
        assert_eq!(report.missing_here, shares.gone, "{report:?}");
        self.wait("metrics tell it", || {
            let metrics = self.metrics()?;
            let told = |fate: &str, count: u64| {
                let of =
                    format!("cascade_takeover_objects{{channel=\"province\",fate=\"{fate}\"}}");
                metrics.lines().any(|line| line == format!("{of} {count}"))
            };
            let all = told("matched", report.matched)
                && told("proposed", report.proposed)
                && told("ambiguous", report.ambiguous)
                && told("duplicate", report.duplicates)
                && told("missing_here", report.missing_here)
                && told("missing_above", report.missing_above);
            (report.missing_above > 0 && all).then_some(())
        });
        self.refused(&["takeover", "accept"], "E-TAKEOVER-UNDECIDED");
        self.assert_nothing_written();
    }

    pub(super) fn registers_nothing_before_the_report_is_accepted(&mut self) {
        self.killed(2, 1);
        self.done(&["live"]);
        self.done(&["resync", "--catalogue"]);
        // Rows of other channels hang on no registration: that they are above shows that it is live.
        self.wait("it is live, and was killed", || {
            let received = self.place.receipts.count("receipts").unwrap();
            (received > 0 && self.city.to_come() == 0).then_some(())
        });
        self.wait("it answers", || self.status().filter(|it| it.watching.is_none()));
        let deliveries = self.place.city().platform.deliveries().unwrap();
        let leaves = |it: &str| {
            ["register", "modify", "cancel", "upsert", "delete"]
                .contains(&it.rsplit('.').next().unwrap())
        };
        let left: Vec<_> = deliveries.iter().filter(|it| leaves(&it.operation)).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(self.report().phase, "waiting");
    }

    /// A person fills the sheet in: what has a title of its own is it, and of two entries of one
    /// title it is the first.
    pub(super) fn decides_and_accepts(&mut self) {
        let shares = self.place.shares;
        let folder = self.place.city().path().to_owned();
        let (sheet, filled) = (folder.join("核对.xlsx"), folder.join("核对.csv"));
        self.killed(4, 0);
        self.done(&["takeover", "sheet", sheet.to_str().unwrap()]);
        std::fs::write(&filled, fill_in(&sheet)).unwrap();
        self.done(&["takeover", "decide", filled.to_str().unwrap()]);
        let wanted = shares.adopted() + 2;
        let report = self.wait("everything is decided", || {
            let report = self.report();
            (report.phase == "waiting" && report.open() == 0).then_some(report)
        });
        assert_eq!(report.matched, wanted, "{report:?}");
        self.done(&["takeover", "accept"]);
        let over = self.wait("it is over", || {
            let report = self.report();
            (report.phase == "over").then_some(report)
        });
        assert_eq!((over.adopted, over.not_adopted), (wanted, 0), "{over:?}");
    }

    /// A day's work: rows come, change and go, in the city and below; files are fetched; on some
    /// days a clerk takes the sheets to the portal and brings the results back.
    pub(super) fn day(&mut self, day: u64) {
        let county = usize::try_from(day).unwrap() % self.place.counties.len();
        if day <= KILLED_DAYS {
            self.city.kill(1);
            self.counties.get(county).unwrap().kill(u64::from(day.is_multiple_of(2)));
            self.outer.kill(u64::from(!day.is_multiple_of(2)));
        }
        let fresh = self.rows_come(day);
        for county in &self.place.counties {
            let number = u32::try_from(day).unwrap();
            let note = format!("第{day}日");
            county.write(number % 20..number % 20 + 2, &note);
            county.write(1_000 + number..1_001 + number, &note);
        }
        self.files(day.is_multiple_of(3));
        if day <= REGISTERED_AFTER {
            self.registered(day);
        }
        // One channel a day is waited for: the others go on beside it. The province has places for
        // rows once every entry is registered.
        match (day % 4, day <= REGISTERED_AFTER) {
            (0, false) => self.wait("the day's row is at the province", || {
                let held = self.place.city().platform.content("verdicts").unwrap();
                held.contains_key(&fresh).then_some(())
            }),
            (2, false) => self.wait("what a county has is at the province", || {
                let county = self.place.counties.get(county).unwrap();
                (self.place.middle.above(county.name) == county.expected()).then_some(())
            }),
            (1, false) => self.wait("the day's row is above, beyond the gap", || {
                self.place.outer.content().contains_key(&fresh).then_some(())
            }),
            (0 | 1, _) => self.wait("the day's row is where receipts come from", || {
                let held = self.place.receipts.content("receipts").unwrap();
                held.contains_key(&fresh).then_some(())
            }),
            _ => {
                let mut looks = 0;
                while !self.place.collector.content("placed").contains_key(&fresh) {
                    self.files(false);
                    looks += 1;
                    assert!(looks < 2_400, "it is never placed: {fresh}\n{}", self.city.log());
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
            }
        }
    }

    /// Of what is missing above, the day's part is registered.
    fn registered(&self, day: u64) {
        let shares = self.place.shares;
        let part = (shares.entries - shares.adopted()) * day / REGISTERED_AFTER;
        let province = open(&self.place.city().path().join("province.sqlite"));
        let sql = "SELECT count(*) FROM object WHERE kind = 'entry'";
        self.wait("the day's part of the catalogue is registered", || {
            let count: i64 = province.query_row(sql, [], |row| row.get(0)).unwrap();
            (count.cast_unsigned() >= shares.above() + part).then_some(())
        });
    }

    /// New rows, changed rows and rows that are gone; gives the key of a new one.
    fn rows_come(&mut self, day: u64) -> String {
        let fresh = format!("d{day:05}");
        let write = self.place.tables.unchecked_transaction().unwrap();
        for table in DATASETS {
            let name = format!("第{day}日新增");
            let sql = format!("INSERT INTO {table} VALUES (?1, ?2, 'b')");
            write.execute(&sql, params![fresh, name]).unwrap();
            // Not those that somebody finds wrong: of them the first word counts.
            let number = 20 + self.dice.below(100);
            let changed = params![format!("第{day}日改"), format!("r{number:05}")];
            let sql = format!("UPDATE {table} SET name = ?1 WHERE id = ?2");
            write.execute(&sql, changed).unwrap();
            // A portal has no word for what is gone.
            if table != "sheet" && day.is_multiple_of(2) {
                let gone = params![format!("r{:05}", 120 + day)];
                write.execute(&format!("DELETE FROM {table} WHERE id = ?1"), gone).unwrap();
            }
        }
        write.commit().unwrap();
        fresh
    }

    /// What is placed is fetched; with `clerk` the sheets are taken, and their results brought back.
    pub(super) fn files(&mut self, clerk: bool) {
        self.place.collector.fetch().unwrap();
        self.place.collector.judge().unwrap();
        if clerk {
            self.place.clerk.fetch().unwrap();
            self.place.clerk.judge().unwrap();
        }
    }

    /// What the city's rows are now, without the one that breaks a rule of its own.
    pub(super) fn rows(&self, table: &str) -> Rows {
        let sql = format!("SELECT id, name FROM {table} WHERE grade IN ('a', 'b')");
        let mut query = self.place.tables.prepare(&sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub(super) async fn closes(self) {
        self.city.stop();
        self.counties.into_iter().for_each(Keeper::stop);
        self.outer.stop();
        self.place.outer.close().await;
        self.place.receipts.stop();
        self.place.middle.city.close().await;
    }
}

/// Notes of the program's own, which nobody fetches.
fn is_of_its_own(path: &Path) -> bool {
    path.components().any(|it| it.as_os_str().to_string_lossy().starts_with('.'))
}

fn fill_in(sheet: &Path) -> String {
    use calamine::Reader as _;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(sheet).unwrap();
    let range = book.worksheet_range("核对").unwrap();
    let mut text = String::new();
    for row in range.rows() {
        let cells: Vec<String> = row.iter().map(|it| it.to_string().replace('\n', " ")).collect();
        let cell = |at: usize| cells.get(at).map_or("", String::as_str);
        // What a portal's number says is the number of the entry: so it was written in its export.
        let (object, verdict) = match cell(1).strip_prefix("PORTAL-") {
            Some(number) => (entry(number.parse().unwrap()), "是"),
            None => (cell(7).to_owned(), cell(8)),
        };
        let kept: Vec<&str> = (0..7).map(cell).collect();
        text.push_str(&format!("{},{object},{verdict}\n", kept.join(",")));
    }
    text
}
