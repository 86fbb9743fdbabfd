//! Every command against a running daemon, in both languages and as JSON.

use cascaded::clock::Clock;
use cascaded::control::protocol::{
    Accepted, Batch, Dataset, Job, LedgerReport, Link, Listing, Reconciled, Reject, RejectOriginal,
    Standard, StandardDetail,
};
use cascaded::demo::{SOCKET, STANDARD, Scale};

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Said, Service, Speech, command};

const DATASET: &str = "5151-0101";

async fn running() -> (TestCity, Service) {
    let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
    let mut service = Service::start(&city, &[]);
    service.settled();
    (city, service)
}

/// How many places a text takes on a terminal, where Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{1100}' { 2 } else { 1 }).sum()
}

/// Where `text` begins in the line that has `key`, in places on a terminal.
fn place_of(said: &Said, key: &str, text: &str) -> usize {
    let line = said.out.lines().find(|line| line.starts_with(key)).unwrap();
    let (before, _) = line.split_once(text).unwrap();
    width(before)
}

/// What the ledger recorded of operators: the request's name and its detail.
fn acts(city: &TestCity) -> Vec<(String, String)> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = city.path().join("ledger/ledger.sqlite");
    let ledger = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let mut query = ledger.prepare("SELECT name, detail FROM act ORDER BY id").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_reading_command_answers_in_both_languages() {
    run(async {
        let (city, service) = running().await;
        for (words, chinese, english) in [
            (vec!["status"], "目录", "entries"),
            (vec!["datasets"], "数据集", "dataset"),
            (vec!["datasets", "--troubled"], "数据集", "dataset"),
            (vec!["links", "--limit", "1000"], "上级标识", "upper id"),
            (vec!["batches"], "回执", "receipt"),
            (vec!["rejects", "list"], "责任部门", "owner"),
            (vec!["resync", DATASET, "--dry-run"], "仅试算", "only reckoned"),
            (vec!["jobs", "list", "--ended"], "没有", "none"),
            (vec!["reconcile", DATASET], "差异 0", "0 differ"),
            (vec!["standard", "list"], "使用范围", "used by"),
            (vec!["standard", "show", STANDARD], "依据", "modelled on"),
            (vec!["ledger", "verify"], "账本完好", "the ledger is sound"),
            (vec!["reload"], "已重新加载", "read again"),
        ] {
            for (speech, expected, other) in
                [(Speech::Chinese, chinese, english), (Speech::English, english, chinese)]
            {
                let said = service.asked(speech, &words);
                assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}: {said:?}");
                assert!(said.out.contains(expected), "{words:?} lacks {expected}:\n{}", said.out);
                assert!(!said.out.contains(other), "{words:?} says {other}:\n{}", said.out);
            }
        }
        service.stop();
        city.close().await;
    });
}

#[test]
fn every_answer_is_json_of_the_protocol() {
    run(async {
        let (city, mut service) = running().await;
        let status = service.settled();
        let datasets: Listing<Dataset> = service.json(&["datasets"]);
        assert_eq!(datasets.total, 10);
        let due: u64 = datasets.entries.iter().map(|it| it.rows.due).sum();
        assert_eq!(due, status.summary.rows.due);
        let links: Listing<Link> = service.json(&["links", "--kind", "entry"]);
        assert_eq!(links.total, status.summary.entries.due);
        let batches: Listing<Batch> = service.json(&["batches", "--dataset", DATASET]);
        assert!(!batches.entries.is_empty());
        let rejects: Listing<Reject> = service.json(&["rejects", "list", "--limit", "1000"]);
        assert_eq!(rejects.total, status.summary.rows.rejected);
        let dry: Accepted = service.json(&["resync", "--all", "--dry-run"]);
        assert_eq!((dry.job, dry.scope.len()), (None, 10));
        let standards: Vec<Standard> = service.json(&["standard", "list"]);
        assert!(standards.iter().any(|it| it.standard == STANDARD));
        let standard: StandardDetail = service.json(&["standard", "show", STANDARD]);
        assert!(!standard.operations.is_empty());
        let reconciled: Reconciled = service.json(&["reconcile"]);
        assert!(reconciled.compared > 0 && reconciled.differences.total == 0, "{reconciled:?}");
        let verified: LedgerReport = service.json(&["ledger", "verify"]);
        assert!(verified.problems.is_empty() && verified.facts > 0, "{verified:?}");
        service.stop();
        city.close().await;
    });
}

#[test]
fn tables_stand_straight_although_chinese_is_wide() {
    run(async {
        let (city, service) = running().await;
        let datasets: Listing<Dataset> = service.json(&["datasets"]);
        for speech in Speech::BOTH {
            let said = service.asked(speech, &["datasets"]);
            let places: Vec<(usize, usize)> = datasets
                .entries
                .iter()
                .map(|it| {
                    let at = |text: &str| place_of(&said, &it.dataset, text);
                    (at(&it.title), at(&it.department))
                })
                .collect();
            assert!(places.windows(2).all(|pair| pair.first() == pair.last()), "{}", said.out);
        }
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_look_at_an_original_is_recorded_with_its_reason() {
    run(async {
        let (city, service) = running().await;
        let list: Listing<Reject> = service.json(&["rejects", "list", "--rule", "id-card"]);
        let number = list.entries.first().unwrap().reject.to_string();
        assert!(acts(&city).iter().all(|(name, _)| name != "rejects_show"), "{:?}", acts(&city));
        let unsaid = service.asked(Speech::English, &["rejects", "show", &number]);
        assert_eq!(unsaid.code, Some(2), "a reason is needed: {unsaid:?}");
        let shown: RejectOriginal =
            service.json(&["rejects", "show", &number, "--reason", "complaint 17"]);
        assert!(shown.findings.iter().any(|(column, _)| column == "cert_no"), "{shown:?}");
        let detail = format!("reject {number}: complaint 17");
        assert!(acts(&city).iter().any(|(_, said)| *said == detail), "{:?}", acts(&city));
        let file = city.path().join("rejects.csv");
        let path = file.to_str().unwrap();
        let words =
            ["rejects", "export", "--rule", "id-card", "--reason", "audit", "--output", path];
        let exported = service.asked(Speech::Chinese, &words);
        assert_eq!(exported.code, Some(0), "{exported:?}");
        assert!(exported.err.contains("已留痕"), "{exported:?}");
        let lines = std::fs::read_to_string(&file).unwrap().lines().count() as u64;
        assert_eq!(lines, list.total + 1);
        assert!(acts(&city).iter().any(|(_, said)| said.ends_with(": audit")), "{:?}", acts(&city));
        // What is not there is said so, and nothing was looked at.
        let missing =
            service.asked(Speech::English, &["rejects", "show", "999999", "--reason", "x"]);
        assert_eq!(missing.code, Some(1));
        assert!(missing.err.contains("[E-NO-SUCH-REJECT]"), "{missing:?}");
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_resync_is_a_job_that_is_waited_for_listed_and_shown() {
    run(async {
        let (city, service) = running().await;
        let waited = service.asked(Speech::Chinese, &["resync", DATASET, "--full", "--wait"]);
        assert_eq!(waited.code, Some(0), "{waited:?}");
        assert!(waited.out.contains("已受理"), "{waited:?}");
        let jobs: Listing<Job> = service.json(&["jobs", "list", "--ended"]);
        let done = jobs.entries.first().unwrap();
        assert_eq!((jobs.total, done.state.as_str()), (1, "done"));
        let shown: Job = service.json(&["jobs", "show", &done.job]);
        assert_eq!(shown.job, done.job);
        let cancelled: Job = service.json(&["jobs", "cancel", &done.job]);
        assert_eq!(cancelled.state, "done", "what has ended cannot be called off");
        let unknown = service.asked(Speech::English, &["resync", "5151-9999"]);
        assert_eq!(unknown.code, Some(1), "{unknown:?}");
        assert!(unknown.err.contains("5151-9999") && unknown.err.contains("[E-"), "{unknown:?}");
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_backup_made_while_it_runs_is_sound_and_the_ledger_verifies_without_a_daemon() {
    run(async {
        let (city, service) = running().await;
        let backup = city.path().join("backup");
        let path = backup.to_str().unwrap();
        let report: LedgerReport = service.json(&["ledger", "backup", path]);
        assert!(report.problems.is_empty() && report.directory.as_deref() == Some(path));
        assert!(backup.join("ledger.sqlite").is_file());
        let again = service.asked(Speech::English, &["ledger", "backup", path]);
        assert_eq!(again.code, Some(1), "never over another: {again:?}");
        service.stop();
        let configuration = city.configuration_file().to_str().unwrap();
        let words = ["ledger", "verify", "--offline", "--config", configuration];
        let said = command(Speech::Chinese, &words);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("账本完好"), "{said:?}");
        city.close().await;
    });
}

#[test]
fn a_reload_says_what_takes_a_restart_and_refuses_what_is_wrong() {
    run(async {
        let (city, service) = running().await;
        let path = city.configuration_file();
        let right = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, right.replace("idle = \"200ms\"", "idle = \"300ms\"")).unwrap();
        let said = service.asked(Speech::English, &["reload"]);
        assert_eq!(said.out, "read again; changed: pace\n", "{said:?}");
        let other = right.replace("control.sock", "other.sock");
        std::fs::write(path, other).unwrap();
        let said = service.asked(Speech::English, &["reload"]);
        assert!(said.out.contains("takes a restart: control"), "{said:?}");
        assert!(said.out.contains("changed: pace"), "{said:?}");
        std::fs::write(path, right.replace("[pace]", "[pase]")).unwrap();
        let refused = service.asked(Speech::English, &["reload"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("did you mean `pace`?"), "{refused:?}");
        assert!(service.status().is_some(), "{}", service.log());
        service.stop();
        city.close().await;
    });
}

#[test]
fn without_a_daemon_every_command_says_so_and_ends_in_75() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join(SOCKET);
    let socket = ["--socket", socket.to_str().unwrap()];
    for words in [
        &["status"][..],
        &["datasets", "--json"],
        &["rejects", "show", "1", "--reason", "x"],
        &["resync", "--all"],
        &["reconcile"],
        &["ledger", "verify"],
        &["reload"],
    ] {
        for (speech, what) in
            [(Speech::Chinese, "连不上守护进程"), (Speech::English, "cannot be reached")]
        {
            let said = command(speech, &[&socket, words].concat());
            assert_eq!((said.code, said.out.as_str()), (Some(75), ""), "{words:?}: {said:?}");
            assert!(said.err.contains(what), "{said:?}");
            assert!(said.err.ends_with("[E-CONTROL-UNREACHABLE]\n"), "{said:?}");
        }
    }
}
