//! Scores as people ask for them: the commands of the program, the socket, and the daemon on a clock
//! of the test's own, so that a month ends, facts come late and an appeal is made within minutes.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::{
    Brought, CountLine, PlanSheet, RankSheet, ReplyLine, ScoreSheet, ScoreVerified,
};
use cascaded::demo::{SOCKET, Scale};
use cascaded::fact::FactId;
use cascaded::indicator::bundle::Bundle;
use cascaded::ledger::{FactQuery, Horizon};
use cascaded::rehearsal::{Fault, Play};
use jiff::Timestamp;

use crate::support::daemon::{PACE, TestCity, TestDaemon, run};
use crate::support::operator::{Said, Speech, command};
use crate::support::town::go_on;

/// How far the clock goes on between two looks.
const STEP: Duration = Duration::from_millis(500);
const CASES: &str = "\
list,number,owner,opened,deadline,closed,proof
feedback,g-1,515100-1,2026-10-02,2026-10-10T18:00,,
feedback,g-2,515100-1,2026-10-02,2026-10-10T18:00,2026-10-10T17:00,档 7
feedback,g-3,515100-1,2026-10-02,2026-10-30T18:00,,
";
const LATE: &str = "\
list,number,owner,opened,deadline,closed,proof
feedback,g-3,515100-1,2026-10-02,2026-10-30T18:00,2026-10-29T09:00,档 9
";
const VALUES: &str = "\
name,month,body,value,source,date
open_use,2026-10,city,1,通报第 9 期,2026-10-20
";
const NOTICES: &str = "\
channel,standard,from,source
province,reference-xml/1.0,2026-10-01T09:00,省函〔2026〕9 号
";

/// Whoever sits before the daemon.
struct Desk {
    socket: PathBuf,
    folder: PathBuf,
}

impl Desk {
    fn of(city: &TestCity) -> Self {
        Self { socket: city.path().join(SOCKET), folder: city.path().to_owned() }
    }

    fn said(&self, speech: Speech, words: &[&str]) -> Said {
        let socket = ["--socket", self.socket.to_str().unwrap(), "score"];
        command(speech, &[&socket, words].concat())
    }

    /// What it says in both languages; each has the parts.
    #[track_caller]
    fn both(&self, words: &[&str], parts: [&[&str]; 2]) {
        for (speech, parts) in Speech::BOTH.into_iter().zip(parts) {
            let said = self.said(speech, words);
            assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
            for part in parts {
                assert!(said.out.contains(part), "`{part}` is missing in {words:?}:\n{}", said.out);
            }
        }
    }

    #[track_caller]
    fn json<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> T {
        let said = self.said(Speech::English, &[words, &["--json"]].concat());
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.json()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn import(&self, kind: &str, text: &str) -> (u64, u64) {
        let path = self.file(&format!("{kind}.csv"), text);
        let it: Brought = self.json(&["import", kind, &path]);
        (it.facts, it.new)
    }
}

/// The configuration's part about scores.
fn scored(folder: &Path) -> String {
    std::fs::create_dir_all(folder.join("lists")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("lists/kept.csv", "list,since\nfeedback,2026-10\n");
    let cities =
        "month,what,city,points,source\n2026-10,total,甲市,90,网站\n2026-10,total,乙市,1,网站\n";
    write("cities.csv", cities);
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    format!(
        "{PACE}[indicator]\nscheme = \"model-2026\"\nschemes = \"{}\"\nlists = \"{}\"\ncities = \"{}\"\n\n",
        schemes.display(),
        folder.join("lists").display(),
        folder.join("cities.csv").display(),
    )
}

/// The list of obligations: what stands in the city's own catalogue.
fn obliged(city: &TestCity) {
    let database = rusqlite::Connection::open(city.path().join("city.sqlite")).unwrap();
    let mut statement = database
        .prepare("SELECT entry, id, dataset, title, department, region FROM cat_resource WHERE dataset <> ''")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut listed =
        "entry,resources,dataset,title,department,region,cycle,shared,open,key\n".to_owned();
    while let Some(row) = rows.next().unwrap() {
        let of: Vec<String> = (0..6).map(|at| row.get(at).unwrap()).collect();
        let [entry, resource, dataset, title, department, region] = of.as_slice() else { panic!() };
        writeln!(
            listed,
            "{entry},{resource},{dataset},{title},{department},{region},每日,yes,no,yes"
        )
        .unwrap();
    }
    std::fs::write(city.path().join("lists/obligations.csv"), listed).unwrap();
}

/// A city whose daemon has delivered everything on 28 October 2026, after a refusal and an outage.
async fn october(clock: &Clock) -> (TestCity, TestDaemon, Desk) {
    let city = TestCity::demo(Scale { datasets: 4, rows: 60, entries: 6 }, clock, |plan| {
        plan.extra = scored(&plan.folder);
    })
    .await;
    std::fs::create_dir_all(city.path().join("files")).unwrap();
    obliged(&city);
    let refuse = Fault::Refuse { code: "3001".to_owned() };
    // Often enough that something of every dataset is refused.
    city.platform.faults().play(Play::next("rows.upsert", 24, refuse));
    let mut daemon = TestDaemon::start(city.configuration(), clock).await;
    daemon.app.open_doors().await.unwrap();
    daemon.step = STEP;
    daemon.settled().await;
    // The province is away for some time.
    city.platform.faults().begin_outage();
    go_on(&city, 5, "停");
    daemon.wake();
    daemon.wait_until("the outage is written down", || async { probes(&daemon).await == 1 }).await;
    city.platform.faults().end_outage();
    daemon.wait_until("its end, too", || async { probes(&daemon).await == 2 }).await;
    daemon.settled().await;
    let desk = Desk::of(&city);
    (city, daemon, desk)
}

/// Facts of one kind.
async fn facts(daemon: &TestDaemon, kind: &'static str) -> Vec<cascaded::fact::Fact> {
    let horizon = Horizon { last: u64::MAX >> 1, known_by: Timestamp::MAX };
    let query = FactQuery { kind, from: None, to: None, horizon };
    daemon.ledger().facts_of(query, None, 1_000).await.unwrap().facts
}

async fn probes(daemon: &TestDaemon) -> usize {
    facts(daemon, "probed").await.len()
}

/// It is a while later; everything that then is to be done is done.
async fn later(daemon: &mut TestDaemon, clock: &Clock, by: Duration, what: &str, closed: usize) {
    clock.advance(by);
    daemon.step = STEP;
    let months = || async { daemon.ledger().periods().await.unwrap().len() == closed };
    daemon.wait_until(what, months).await;
    daemon.step = Duration::ZERO;
}

#[test]
fn a_month_is_shown_explained_closed_amended_and_appealed_over_the_socket() {
    run(async {
        let clock = Clock::manual("2026-10-28T02:00:00Z".parse().unwrap());
        let (city, mut daemon, desk) = october(&clock).await;
        daemon.step = Duration::ZERO;
        brings_in(&desk);
        shows(&desk);
        explains(&desk, &daemon).await;
        plans_and_ranks(&desk);
        // November begins: October is closed, and a day later something becomes known.
        let days = Duration::from_hours(24 * 5);
        later(&mut daemon, &clock, days, "October is closed", 1).await;
        // What the first looks of November find of October is late as well.
        daemon.step = STEP;
        let until = clock.now() + jiff::SignedDuration::from_secs(60);
        daemon.wait_until("a minute has passed", || async { clock.now() >= until }).await;
        daemon.step = Duration::ZERO;
        closed_and_amended(&desk, &city);
        appeals(&desk, &city);
        // Nobody asks for three months: each that ended is closed.
        later(&mut daemon, &clock, days * 15, "November and December are closed", 3).await;
        let it: ScoreVerified = desk.json(&["verify"]);
        assert_eq!((it.months, it.recomputed, it.problems.len()), (3, 3, 0), "{it:?}");
        tampered(&desk, &city);
        // Its doors wait on its clock.
        let mut stopping = std::pin::pin!(daemon.stop());
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                () = &mut stopping => break,
                _ = looks.tick() => clock.advance(Duration::from_millis(20)),
            }
        }
        city.close().await;
    });
}

fn brings_in(desk: &Desk) {
    for (kind, text, rows) in [("cases", CASES, 4), ("values", VALUES, 1), ("notices", NOTICES, 1)]
    {
        assert_eq!(desk.import(kind, text), (rows, rows), "{kind}");
        assert_eq!(desk.import(kind, text), (rows, 0), "{kind}: the same rows are the same facts");
    }
    let path = desk.file("wrong.csv", "list,number\nx,1\n");
    let wrong = desk.said(Speech::English, &["import", "cases", &path]);
    assert!(wrong.code == Some(78) && wrong.err.contains("E-SCORE-TABLE"), "{wrong:?}");
}

fn shows(desk: &Desk) {
    let sheet: ScoreSheet = desk.json(&["show"]);
    assert_eq!((sheet.month.as_str(), sheet.body.as_str()), ("2026-10", "city"));
    let item = |id: &str| sheet.items.iter().find(|it| it.id == id).unwrap();
    let points = |id: &str| item(id).points.map(|it| it.to_string());
    assert_eq!(points("feedback").as_deref(), Some("-0.2"), "one case of three is late by now");
    assert!(sheet.closed.is_none() && sheet.at_cut_off.is_some());
    desk.both(
        &["show"],
        [&["2026-10", "目录级联率", "已知项占"], &["2026-10", "cascaded entries"]],
    );
    desk.both(&["show", "--by", "class"], [&["数据时效与质量"], &["freshness and quality"]]);
    for by in ["region", "department", "dataset"] {
        let sheet: ScoreSheet = desk.json(&["show", "--by", by]);
        assert!(!sheet.bodies.is_empty(), "{by}");
        let sum: rust_decimal::Decimal = sheet.bodies.iter().map(|it| it.part_of_loss.0).sum();
        if by == "department" {
            // What nobody's objects cost is nobody's part.
            let (sum, lost) = (sum.round_dp(6), sheet.lost.0.round_dp(6));
            assert!(lost <= sum && sum.is_sign_negative(), "{sum} of {lost}");
        }
        let known = sheet.bodies[0].id.clone();
        desk.both(&["show", "--by", by], [&["分摊失分", &known], &["part of the loss", &known]]);
    }
    let wrong = desk.said(Speech::English, &["show", "--month", "2027-10"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("E-SCORE-MONTH"), "{wrong:?}");
}

/// An item leads to datasets, hours, facts and batches with their receipts.
async fn explains(desk: &Desk, daemon: &TestDaemon) {
    let sheet: ScoreSheet = desk.json(&["explain", "data.passed"]);
    let figures = &sheet.items[0].computed_from;
    let finding = figures.iter().flat_map(|it| &it.findings).next().unwrap();
    assert!(finding.batches.iter().any(|it| it.contains(" settled ")), "{finding:?}");
    let sheet: ScoreSheet = desk.json(&["explain", "feedback"]);
    let finding = &sheet.items[0].computed_from[0].findings[0];
    let fact = FactId::parse(&finding.evidence).unwrap();
    let fact = daemon.ledger().fact(fact).await.unwrap().unwrap();
    assert_eq!((fact.subject.as_str(), fact.kind.as_str()), ("g-1", "case-opened"));
    desk.both(
        &["explain", "feedback"],
        [&["g-1", "10-10 ", &finding.evidence], &["g-1", "10-10 ", &finding.evidence]],
    );
}

fn plans_and_ranks(desk: &Desk) {
    let rank: RankSheet = desk.json(&["rank"]);
    assert_eq!((rank.total.rank, rank.total.cities), (Some(2), Some(3)));
    let plan: PlanSheet = desk.json(&["recover"]);
    let case = plan.planned.iter().find(|it| it.subject == "g-3").unwrap();
    assert_eq!(case.points.to_string(), "0.2");
    assert!(plan.planned.iter().all(|it| it.subject != "g-1"), "its deadline has passed");
    let replayed: ScoreSheet = desk.json(&["replay", "--month", "2026-10"]);
    let shown: ScoreSheet = desk.json(&["show"]);
    assert_eq!(replayed.total, shown.total);
    desk.both(&["recover"], [&["g-3"], &["g-3"]]);
    desk.both(&["rank"], [&["2"], &["2"]]);
    desk.both(&["replay", "--item", "feedback"], [&["g-1"], &["g-1"]]);
    desk.both(&["verify"], [&["0 个已结账月份", "0 处问题"], &["0 closed months", "0 problems"]]);
}

fn closed_and_amended(desk: &Desk, city: &TestCity) {
    let month = ["show", "--month", "2026-10"];
    let closed: ScoreSheet = desk.json(&month);
    let by = closed.closed.clone().unwrap();
    assert_eq!(by.total.0 + by.change.0, closed.total.0, "{by:?}");
    assert_eq!(desk.import("cases", LATE), (2, 1));
    let amended: ScoreSheet = desk.json(&month);
    let trace = amended.closed.clone().unwrap();
    let case = rust_decimal::Decimal::new(2, 1);
    assert_eq!((trace.total, trace.change.0), (by.total, by.change.0 + case));
    assert!(trace.late_facts > by.late_facts, "{trace:?}");
    assert_eq!(amended.total.0, closed.total.0 + case);
    let (zh, en) = (format!("影响 {} 分", trace.change), format!("change it by {}", trace.change));
    desk.both(&month, [&["已于 2026-1", &zh], &["closed at 2026-1", &en]]);
    // What was known before it came.
    let as_of = (by.at + jiff::SignedDuration::from_secs(1)).to_string();
    let before: ScoreSheet = desk.json(&[&month[..], &["--as-of", &as_of]].concat());
    assert_eq!(before.total, by.total, "it was closed with that");
    // A list that is changed afterwards is told and changes nothing of what is closed.
    let list = city.path().join("lists/kept.csv");
    std::fs::write(&list, "list,since\nfeedback,2026-11\n").unwrap();
    let socket = desk.socket.to_str().unwrap();
    let reload = command(Speech::English, &["--socket", socket, "reload"]);
    assert_eq!(reload.code, Some(0), "{reload:?}");
    let it: ScoreVerified = desk.json(&["verify"]);
    assert_eq!((it.months, it.recomputed, it.problems.len()), (1, 1, 0), "{it:?}");
    assert!(it.notes[0].ends_with("configured otherwise since it was closed: lists/kept.csv"));
    desk.both(&["verify"], [&["注：", "1 个重算一致"], &["note: ", "lists/kept.csv"]]);
    std::fs::write(&list, "list,since\nfeedback,2026-10\n").unwrap();
    assert_eq!(command(Speech::English, &["--socket", socket, "reload"]).code, Some(0));
}

fn text(bundle: &Bundle, name: &str) -> String {
    let content = bundle.get(name).unwrap_or_else(|| panic!("`{name}` is missing"));
    String::from_utf8(content.to_vec()).unwrap()
}

/// Everything that the issue asks of the archive is in it, and it is checked without the daemon.
fn appeals(desk: &Desk, city: &TestCity) {
    let bundle = appeal(desk, "data.timely");
    let rows = |name: &str| -> Vec<serde_json::Value> {
        serde_json::from_str(&text(&bundle, name)).unwrap()
    };
    let replies: Vec<ReplyLine> =
        serde_json::from_str(&text(&bundle, "live/replies.json")).unwrap();
    let refused = replies.iter().find(|it| it.code == "3001");
    let refused = refused.unwrap_or_else(|| panic!("{replies:?}"));
    let words = (refused.outcome.as_str(), refused.operation.as_str());
    assert_eq!(words, ("refused", "rows.upsert"));
    assert!(refused.redacted.contains(": 3001\n") && refused.redacted.contains(" characters]"));
    assert!(refused.province_at.is_some() && refused.sha256.len() == 64, "{refused:?}");
    let counts: Vec<CountLine> = serde_json::from_str(&text(&bundle, "live/counts.json")).unwrap();
    assert!(counts.iter().all(|it| it.due > 0 && it.due >= it.confirmed), "{counts:?}");
    assert!(!rows("live/clocks.json").is_empty());
    assert!(rows("live/batches.json").iter().any(|it| it["receipt"].is_string()), "receipts");
    assert!(rows("live/links.json").iter().any(|it| it["upper_id"].is_string()), "upper ids");
    assert!(text(&bundle, "live/closed.txt").contains("\ntotal "));
    assert!(text(&bundle, "live/chains.txt").contains("/2026-10-28/"));
    let outages = text(&bundle, "outages.csv");
    let outage: Vec<&str> = outages.lines().nth(1).unwrap().split(',').collect();
    assert!(outage[0] == "channel:province" && !outage[1].is_empty(), "{outages}");
    assert!(outage[2] > outage[1] && outage[3] != "0", "{outages}");
    assert!(text(&bundle, "notices.csv").contains("standard-required"));
    assert!(text(&bundle, "letter.zh.md").contains("live/"));
    // No key that the province must not see.
    let archive = bundle.write();
    for defect in &city.made.as_ref().unwrap().defects {
        let key = defect.key.as_bytes();
        assert!(!archive.windows(key.len()).any(|it| it == key), "a key is shown");
    }
    let cases = appeal(desk, "feedback");
    let told = text(&cases, "facts.txt");
    assert!(told.contains(" case-opened ") && !told.contains(" pass-completed "), "{told}");
    assert_eq!(text(&cases, "notices.csv").matches("case-opened").count(), 3);
}

/// Makes an archive, checks it, and sees that what was changed in it shows.
fn appeal(desk: &Desk, item: &str) -> Bundle {
    let path = desk.folder.join(format!("{item}.tar")).display().to_string();
    let words = ["evidence", item, "--month", "2026-10", "--out", &path];
    let made: BTreeMap<String, serde_json::Value> = desk.json(&words);
    let sheet: ScoreSheet = desk.json(&["explain", item, "--month", "2026-10"]);
    let points = sheet.items[0].points.unwrap().to_string();
    assert_eq!(made["points"].as_str(), Some(points.as_str()));
    let digest = made["digest"].as_str().unwrap();
    // Nothing is written over.
    assert_eq!(desk.said(Speech::English, &words).code, Some(1));
    let check = |path: &str| {
        // Nobody is asked: there is no such socket.
        let words = ["--socket", "/nowhere", "score", "evidence-check", path, "--digest", digest];
        command(Speech::Chinese, &words)
    };
    let holds = check(&path);
    assert!(holds.code == Some(0) && holds.out.contains("核验通过"), "{holds:?}");
    let archive = std::fs::read(&path).unwrap();
    let bundle = Bundle::read(&archive).unwrap();
    // Somebody makes it look better, and writes a new manifest.
    let mut forged = bundle.clone();
    let facts = text(&bundle, "input/ledger.txt");
    let fewer: Vec<&str> = facts.lines().skip(1).collect();
    let mut altered = facts.clone();
    let last = altered.trim_end().len() - 1;
    let other = if altered.as_bytes()[last] == b'0' { "1" } else { "0" };
    altered.replace_range(last..=last, other);
    for changed in [fewer.join("\n"), altered] {
        forged.put("input/ledger.txt", changed);
        let file = desk.folder.join("forged.tar");
        std::fs::write(&file, forged.write()).unwrap();
        let red = check(file.to_str().unwrap());
        assert!(red.code == Some(1) || red.code == Some(78), "{red:?}");
    }
    bundle
}

/// Whoever writes into the ledger's file is found.
fn tampered(desk: &Desk, city: &TestCity) {
    let path = city.path().join("ledger/ledger.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    let statement = "DELETE FROM fact WHERE kind = 'case-opened' AND subject = 'g-1'";
    assert_eq!(connection.execute(statement, []).unwrap(), 1);
    let said = desk.said(Speech::English, &["verify", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let it: ScoreVerified = said.json();
    let again =
        it.problems.iter().any(|it| it.starts_with("2026-10 ") && it.contains("its facts give"));
    // The case is open to this day: every month counted it.
    assert!(again && it.recomputed == 0, "{it:?}");
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_after_a_page_what_rules_did_on_it_is_known_and_before_it_is_not() {
    use crate::support::process::{End, Line};

    run(async {
        let clock = Clock::system();
        let city = crate::support::town::town(400, &clock, |plan| plan.seed = 21).await;
        let line = Line::to(&city);
        let counted = || -> Vec<(String, i64, i64)> {
            let path = city.path().join("ledger/ledger.sqlite");
            let connection = rusqlite::Connection::open(path).unwrap();
            let mut statement = connection
                .prepare(
                    "SELECT dataset, coalesce(due + coalesced + skipped, 0),
                        coalesce((SELECT max(executed) FROM rule_count
                            WHERE rule_count.dataset = dataset.dataset), 0)
                     FROM dataset ORDER BY dataset",
                )
                .unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };
        for (point, count) in [("payload-spooled", 1), ("rows-observed", 1), ("rows-observed", 2)] {
            line.start(&[("CASCADED_CRASH_AT", &format!("{point}:{count}"))], None);
            assert_eq!(line.aborted(), End::Aborted, "{point}\n{}", line.errors());
            let now = counted();
            for (dataset, rows, executed) in &now {
                // Every row that the ledger accounts for was asked about, and no other is counted.
                assert!(executed >= rows, "{point}: {dataset}: {executed} of {rows}");
                assert!(*rows > 0 || *executed == 0, "{point}: {dataset}: {executed} of {rows}");
            }
            if point == "rows-observed" {
                assert!(now.iter().any(|(_, _, executed)| *executed > 0), "{now:?}");
            }
        }
        city.close().await;
    });
}
