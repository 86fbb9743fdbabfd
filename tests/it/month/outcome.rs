//! How it stands at the end, as both sides tell it: what was registered, which rows are above, and
//! under which grade each figure stands. Numbers of ours are held against what the others counted.

use std::collections::{BTreeMap, BTreeSet};

use cascaded::control::protocol::{self, ScoreSheet, Status};
use cascaded::rehearsal::Fetcher;

use super::Rows;
use super::outer::FERRY;
use super::people::Month;
use super::place::{DATASETS, FAILING, entry};
use crate::support::operator::get;
use crate::support::town::open;

/// Rows as the other side counted them: taken, and judged wrong.
type Counted = (u64, u64);

impl Month {
    /// Nobody is killed any more; everything goes to its end and is looked at.
    pub(super) fn ends(&mut self) -> String {
        self.city.spare();
        self.outer.spare();
        let status = self.settles();
        self.nothing_is_registered_twice();
        self.every_row_is_above_once();
        self.every_figure_has_its_grade(&status);
        let score = self.score();
        let rows: Vec<String> = status
            .channels
            .iter()
            .map(|it| format!("{} ({}): {:?}", it.channel, it.evidence, it.rows))
            .collect();
        format!("{:?}; {}; {score}", status.summary.entries, rows.join("; "))
    }

    fn settles(&mut self) -> Status {
        for looks in 0..2_400 {
            self.files(true);
            let status = self.status();
            if let Some(status) = status.filter(|it| self.is_settled(it)) {
                return status;
            }
            self.city.check();
            self.outer.check();
            if looks == 2_399 {
                panic!("it never settles: {:#?}\n{}", self.status(), self.city.log());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        unreachable!("the last look panics")
    }

    /// What is here is above, over every channel, and nothing waits.
    fn is_settled(&self, status: &Status) -> bool {
        let (rows, entries) = (status.summary.rows, status.summary.entries);
        rows.queued == 0
            && entries.due == self.place.shares.entries
            && entries.accepted == entries.due
            && DATASETS.iter().all(|table| self.above(table) == self.due(table))
            && self
                .place
                .counties
                .iter()
                .all(|county| self.place.middle.above(county.name) == county.expected())
            && self.place.outer.status().is_some_and(|it| it.summary.rows.queued == 0)
            && self.counted("SELECT count(*) FROM batch WHERE state IN ('queued', 'unknown')") == 0
    }

    /// What should stand above of a dataset.
    fn due(&self, table: &str) -> Rows {
        let mut rows = self.rows(table);
        if ["verdicts", "sheet"].contains(&table) {
            rows.retain(|key, _| !FAILING.contains(&key.as_str()));
        }
        rows
    }

    fn above(&self, table: &str) -> Rows {
        let place = &self.place;
        let content = match table {
            "verdicts" => place.city().platform.content(table).unwrap(),
            "receipts" => place.receipts.content(table).unwrap(),
            "placed" => place.collector.content(table),
            FERRY => place.outer.content(),
            _ => place.clerk.content(table),
        };
        content.into_iter().map(|(key, it)| (key, it.get("name").cloned().flatten())).collect()
    }

    fn nothing_is_registered_twice(&self) {
        let shares = self.place.shares;
        let objects = self.place.city().platform.objects().unwrap();
        let entries: Vec<_> = objects.iter().filter(|it| it.kind == "entry").collect();
        // What stood above stands as it did; what did not is there once.
        let earlier = shares.above();
        let new = shares.entries - shares.adopted();
        assert_eq!(entries.len() as u64, earlier + new);
        let is_old = |id: &str| {
            ["OLD-", "PORTAL-", "SECOND-", "GONE-"].iter().any(|mark| id.starts_with(mark))
        };
        assert_eq!(entries.iter().filter(|it| is_old(&it.upper_id)).count() as u64, earlier);
        for it in &objects {
            assert_eq!(it.times_said, 1, "said again: {it:?}");
            assert_ne!(it.state, "withdrawn", "{it:?}");
        }
        let organs = objects.iter().filter(|it| it.kind == "organisation");
        assert_eq!(organs.count(), 6, "the city's, and one of each county");
        // Every link has an id of its own, which is one above; and what a person chose stands.
        let ledger = open(&self.place.city().path().join("ledger/ledger.sqlite"));
        let mut query = ledger
            .prepare("SELECT id, upper_id FROM link WHERE channel = 'province' AND kind = 'entry'")
            .unwrap();
        let links = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let links: BTreeMap<String, String> = links.map(Result::unwrap).collect();
        assert_eq!(links.len() as u64, shares.entries);
        let ids: BTreeSet<&String> = links.values().collect();
        assert_eq!(ids.len(), links.len(), "two entries under one id");
        let above: BTreeSet<&String> = entries.iter().map(|it| &it.upper_id).collect();
        assert!(ids.is_subset(&above));
        for number in 0..shares.adopted() {
            let mark = if number < shares.coded { "OLD" } else { "PORTAL" };
            assert_eq!(links.get(&entry(number)), Some(&format!("{mark}-{number:05}")));
        }
    }

    /// Contents were compared already; here no row came twice under two names, or otherwise under
    /// one.
    fn every_row_is_above_once(&self) {
        let place = &self.place;
        let (city, outer) = (place.city(), &place.outer.city);
        for (platform, file) in [
            (&city.platform, city.path().join("province.sqlite")),
            (&place.receipts, city.path().join("receipts.sqlite")),
            (&outer.platform, outer.path().join("province.sqlite")),
        ] {
            for (batch, payloads) in platform.payloads().unwrap() {
                assert_eq!(payloads.len(), 1, "{batch} carried several payloads");
            }
            let twice = number(
                &file,
                "SELECT count(*) FROM (SELECT 1 FROM batch WHERE declared_digest IS NOT NULL
                 GROUP BY dataset, action, declared_digest HAVING count(*) > 1)",
            );
            let file = file.display();
            assert_eq!(twice, 0, "{file}: the same rows under two names");
        }
        for fetcher in [&place.collector, &place.clerk] {
            let mut seen = BTreeSet::new();
            for file in fetcher.fetched().iter().filter(|it| !it.is_deletion) {
                for row in &file.rows {
                    let cells: Vec<_> = row.iter().filter(|(head, _)| head != "序号").collect();
                    assert!(seen.insert(format!("{cells:?}")), "twice: {} {cells:?}", file.name);
                }
            }
        }
    }

    /// Status, datasets and metrics against what the others counted.
    fn every_figure_has_its_grade(&self, status: &Status) {
        let counted = self.counted_above();
        let said = self.said(&["datasets", "--json"]);
        let listed: protocol::Listing<protocol::Dataset> = said.json();
        for (name, evidence) in [
            ("province", "row-verdict"),
            ("receipts", "receipt"),
            ("placed", "placed"),
            ("sheet", "row-verdict"),
            (FERRY, "receipt"),
        ] {
            let channel = status.channels.iter().find(|it| it.channel == name).unwrap();
            let rows = channel.rows;
            assert_eq!(grade(&channel.evidence), evidence, "{name}");
            assert_eq!(rows.due, rows.confirmed + rows.placed + rows.rejected, "{name}: {rows:?}");
            let (taken, wrong) = counted.get(name).copied().unwrap();
            let (confirmed, placed) =
                if name == "placed" { (0, taken) } else { (taken - wrong, 0) };
            assert_eq!((rows.confirmed, rows.placed), (confirmed, placed), "{name}: {rows:?}");
            // One row of each table breaks a rule of the city's.
            assert_eq!(rows.rejected, wrong + 1, "{name}: {rows:?}");
            let own = if name == "province" { "verdicts" } else { name };
            let dataset = listed.entries.iter().find(|it| it.dataset == own).unwrap();
            if name == "province" {
                assert!(dataset.rows.confirmed < rows.confirmed, "the counties' are beside");
            } else {
                assert_eq!(dataset.rows, rows, "{name}");
            }
        }
        let sums = status.channels.iter().map(|it| it.rows);
        let sums = sums.fold((0, 0), |sum, it| (sum.0 + it.confirmed, sum.1 + it.placed));
        let rows = status.summary.rows;
        assert_eq!((rows.confirmed, rows.placed), sums);
        assert_eq!((status.rejected_local, status.rejected_above), (5, 4));
        self.beyond_the_gap_it_has_its_own_grade();
        let url = status.http.as_deref().unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let (_, metrics) = get(address.parse().unwrap(), "/metrics").unwrap();
        let told = |family: &str, channel: &str| -> u64 {
            let of = format!("{family}{{channel=\"{channel}\"");
            let lines = metrics.lines().filter(|line| line.starts_with(&of));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
        };
        // A counter begins anew with its process, but never under another grade.
        for channel in &status.channels {
            let of = |family| told(family, &channel.channel);
            let rows = (of("cascade_rows_confirmed_total"), of("cascade_rows_placed_total"));
            let (name, own) = (channel.channel.as_str(), channel.rows);
            assert!(rows.0 <= own.confirmed && rows.1 <= own.placed, "{name}: {rows:?} {own:?}");
            assert!(rows.0 + rows.1 > 0, "{name}: the last days' rows are told");
        }
    }

    /// A receipt says that the outer side has it; what its province says stands there alone.
    fn beyond_the_gap_it_has_its_own_grade(&self) {
        let outer = &self.place.outer;
        let status = outer.status().unwrap();
        let [channel] = status.channels.as_slice() else { panic!("{status:?}") };
        let (rows, taken) = (channel.rows, taken(&outer.city.path().join("province.sqlite")));
        assert_eq!(grade(&channel.evidence), "row-verdict");
        let sums = (rows.confirmed, rows.placed, rows.rejected);
        assert_eq!((sums, rows.due), ((taken, 0, 0), taken), "{rows:?}");
    }

    /// By channel, from what lies at the other side.
    fn counted_above(&self) -> BTreeMap<&'static str, Counted> {
        let place = &self.place;
        let http = |file: &str| -> Counted {
            let path = place.city().path().join(file);
            (taken(&path), number(&path, "SELECT count(*) FROM verdict WHERE passed = 0"))
        };
        let files = |fetcher: &Fetcher, wrong: u64| -> Counted {
            (fetcher.fetched().iter().map(|it| it.rows.len() as u64).sum(), wrong)
        };
        let receipts = http("receipts.sqlite");
        BTreeMap::from([
            ("province", http("province.sqlite")),
            ("receipts", (receipts.0, 0)),
            ("placed", files(&place.collector, 0)),
            ("sheet", files(&place.clerk, FAILING.len() as u64)),
            (FERRY, (number(&place.outer.store(), "SELECT sum(rows - failed) FROM batch"), 0)),
        ])
    }

    /// The month's score: verdicts count where there are verdicts, and neither a receipt nor a place
    /// is one.
    fn score(&self) -> String {
        let said = self.said(&["score", "show", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let sheet: ScoreSheet = said.json();
        assert!(sheet.worth_known.0 > rust_decimal::Decimal::ZERO, "{sheet:?}");
        let counted = self.counted_above();
        let judged = ["province", "sheet"].map(|it| counted.get(it).copied().unwrap());
        let (all, wrong) = judged.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let said = self.said(&["score", "explain", "receipt.passed", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let explained: ScoreSheet = said.json();
        let mut figures = explained.items.iter().flat_map(|it| &it.computed_from);
        let figure = figures.find(|it| it.name == "receipt.passed_rate").unwrap();
        assert_eq!(figure.parts, Some([all - wrong, all]), "{figure:?}");
        format!("{} points of {} known of {}", sheet.total, sheet.worth_known, sheet.worth)
    }
}

/// The word of a grade, however it is written.
fn grade(evidence: &str) -> String {
    evidence.replace('_', "-")
}

/// Rows that a stand-in for a province took.
fn taken(path: &std::path::Path) -> u64 {
    let of = "WHERE action IN ('upsert', 'delete')";
    number(path, &format!("SELECT coalesce(sum(rows), 0) FROM batch {of}"))
}

pub(super) fn number(path: &std::path::Path, sql: &str) -> u64 {
    let count: i64 = open(path).query_row(sql, [], |row| row.get(0)).unwrap();
    u64::try_from(count).unwrap()
}
