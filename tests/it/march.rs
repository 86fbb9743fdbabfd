//! The March scenario: the province changes its standard while the city goes on. Prepared or not,
//! one `activate` brings the city over, without a restart, nothing lost and nothing doubled; one
//! `rollback` brings it back; a crash in between loses nothing either.

use std::path::PathBuf;

use cascaded::changeover::Given;
use cascaded::clock::Clock;
use cascaded::control::protocol::{
    Activate, CutOver, Paging, Request, Response, Rollback, StandardCheck, Supply, Trial, Trouble,
    WantedQuery,
};
use cascaded::control::{Handler as _, Peer};
use cascaded::delivery::{BatchState, ChannelId, RejectKind};
use cascaded::demo::standards_folder;
use cascaded::ledger::seal::Sealer;
use cascaded::ledger::{self, BatchQuery, CutOverAsked, JobState, Ledger, LinkFilter, NewStandard};
use cascaded::standard::{UPPER_IDS_FILE, UpperIds};
use cascaded::supervisor::Pool;

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{BATCH_ROWS, copy, go_on, town, unannounced, wrong};

pub(crate) const NOTHING: [String; 0] = [];
pub(crate) const OLD: &str = "reference-xml/1.0";
pub(crate) const NEW: &str = "reference-xml/2.0";

pub(crate) async fn ask(daemon: &TestDaemon, request: Request) -> Response {
    daemon.app.office(None).handle(request, Peer { uid: 0, gid: 0, pid: None }).await
}

/// The new standard lies in the city's folder of standards, with small batches.
pub(crate) fn delivered(city: &TestCity) -> PathBuf {
    let to = city.path().join("standards").join(NEW);
    copy(&standards_folder().unwrap().join(NEW), &to);
    let file = to.join("standard.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let small = text.replace("\nrows = 2000\n", &format!("\nrows = {BATCH_ROWS}\n"));
    assert_ne!(text, small, "the standard has a limit of rows");
    std::fs::write(file, small).unwrap();
    to
}

/// `[channel.candidate]` in the configuration, and read.
pub(crate) async fn named(city: &TestCity, daemon: &TestDaemon) {
    named_with(city, daemon, "").await;
}

/// The same with further settings of the candidate's.
pub(crate) async fn named_with(city: &TestCity, daemon: &TestDaemon, more: &str) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let mark = "secret = \"keys/secret\"\n";
    let candidate = format!("{mark}\n[channel.candidate]\nstandard = \"{NEW}\"\n{more}");
    let after = text.replacen(mark, &candidate, 1);
    assert_ne!(text, after);
    std::fs::write(city.configuration_file(), after).unwrap();
    daemon.app.foreman.reload().await.unwrap();
}

/// Every value that the candidate asks for is supplied; how many were missing.
pub(crate) async fn supplied(daemon: &TestDaemon) -> usize {
    let paging = Paging { after: None, limit: 1_000 };
    let standard = NEW.to_owned();
    let query = WantedQuery { standard, channel: None, department: None, paging };
    let Response::Wanted(page) = ask(daemon, Request::StandardWanted(query)).await else {
        panic!("no list of values");
    };
    let missing = page.entries.iter().filter(|it| it.value.is_none() && it.required).count();
    let value = |name: &str| match name {
        "data_domain" => "economy".to_owned(),
        "data_level" => "general".to_owned(),
        _ => "城市治理".to_owned(),
    };
    let given = page.entries.into_iter().map(|it| Given {
        value: value(&it.name),
        kind: it.kind,
        id: it.id,
        item: it.item,
        name: it.name,
    });
    let values: Vec<Given> = given.collect();
    for part in values.chunks(200) {
        let supply = Supply {
            standard: NEW.to_owned(),
            by: "张三".to_owned(),
            dry_run: false,
            values: part.to_vec(),
        };
        let Response::Supplied(report) = ask(daemon, Request::StandardSupply(supply)).await else {
            panic!("not taken");
        };
        assert_eq!(report.refused, []);
    }
    missing
}

/// The platform goes over at once, and hands over its map of entries' ids.
pub(crate) async fn gone_over(city: &TestCity, directory: &std::path::Path) -> usize {
    let ids = city.platform.speak(directory.to_owned(), &["entry"]).await.unwrap();
    let mut text = "kind,old,new\n".to_owned();
    for (kind, old, new) in &ids {
        text.push_str(&format!("{kind},{old},{new}\n"));
    }
    std::fs::write(city.path().join("standards").join(NEW).join("upper-ids.csv"), text).unwrap();
    ids.len()
}

pub(crate) fn activate(dry_run: bool) -> Request {
    Request::StandardActivate(Activate {
        standard: NEW.to_owned(),
        channel: None,
        scope: Vec::new(),
        at: None,
        parallel_seconds: None,
        dry_run,
    })
}

pub(crate) fn rollback() -> Request {
    Request::StandardRollback(Rollback { channel: None, scope: Vec::new(), dry_run: false })
}

pub(crate) async fn cut_over(daemon: &TestDaemon, request: Request) -> CutOver {
    let answer = ask(daemon, request).await;
    let Response::CutOver(report) = answer else { panic!("{answer:?}") };
    report
}

/// The code of the failure that a request meets.
pub(crate) async fn refused(daemon: &TestDaemon, request: Request) -> String {
    let answer = ask(daemon, request).await;
    let Response::Failed(failure) = answer else { panic!("{answer:?}") };
    failure.code
}

/// Waits until the job is done; what came of it.
async fn done(daemon: &TestDaemon, report: &CutOver) -> String {
    let number = report.job.as_ref().unwrap().trim_start_matches("r-").parse().unwrap();
    finished(daemon, number).await
}

pub(crate) async fn finished(daemon: &TestDaemon, number: u64) -> String {
    let over = || async { daemon.job(number).await.state != JobState::Running };
    daemon.wait_until("the cut-over is over", over).await;
    let job = daemon.job(number).await;
    assert_eq!(job.state, JobState::Done, "{job:?}");
    job.result.unwrap()
}

/// Everything is above as the city has it, and nothing stands in the way.
pub(crate) async fn assert_green(city: &TestCity, daemon: &TestDaemon, standard: &str) {
    assert_eq!(daemon.channel("province").standard.id().as_str(), standard);
    assert_eq!(daemon.ledger().holds().await.unwrap(), []);
    assert_eq!(daemon.ledger().drift().await.unwrap(), []);
    assert_eq!(wrong(city).await, NOTHING);
    let is_new = |id: &str| id.starts_with("N-");
    let id = ChannelId::from("province");
    for link in daemon.ledger().links(id, LinkFilter::default()).await.unwrap() {
        let renumbered = standard == NEW && link.key.kind.as_str() == "entry";
        // The generator's entry without a summary is refused under either.
        if link.refused.as_ref().is_some_and(|(by, _)| *by == RejectKind::Local) {
            assert!(link.findings.unwrap().contains("信息资源摘要"));
            continue;
        }
        assert!(link.state.is_held_above(), "{link:?}");
        assert_eq!(is_new(link.upper_id.as_deref().unwrap()), renumbered, "{link:?}");
    }
    let deliveries = city.platform.deliveries().unwrap();
    let last = |operation: &str| {
        deliveries.iter().rev().find(|it| it.operation == operation).map(|it| it.code.clone())
    };
    assert_eq!(last("heartbeat"), last("rows.upsert"), "both are taken");
}

async fn superseded(daemon: &TestDaemon) -> usize {
    let query = BatchQuery {
        channel: None,
        subject: None,
        state: Some(BatchState::Superseded),
        before: None,
        limit: 1_000,
    };
    daemon.ledger().batch_page(query).await.unwrap().0.len()
}

#[test]
fn an_unprepared_city_hears_of_it_at_once_and_goes_over_and_back_without_a_restart() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| plan.seed = 71).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let organisations = |city: &TestCity| {
            let objects = city.platform.objects().unwrap();
            let said = objects.iter().filter(|it| it.kind == "organisation");
            said.map(|it| it.times_said).collect::<Vec<_>>()
        };
        let said = organisations(&city);

        // Nobody announced it: the platform understands 2.0 only.
        let new = delivered(&city);
        assert!(gone_over(&city, &new).await > 0);
        go_on(&city, 40, "三月");
        daemon.wake();
        daemon
            .wait_until("drift is told", || async {
                let Response::Status(status) = ask(&daemon, Request::Status {}).await else {
                    return false;
                };
                status.attention.iter().any(|it| it.trouble == Trouble::Drift)
            })
            .await;

        // What is missing is named; it is supplied.
        let trial =
            StandardCheck { standard: NEW.to_owned(), channel: None, trial: Trial::Catalogue {} };
        let Response::Checked(checked) = ask(&daemon, Request::StandardCheck(trial)).await else {
            panic!("not checked");
        };
        assert!(checked.refused() > 0);
        assert!(supplied(&daemon).await > 0);
        named(&city, &daemon).await;

        // One command.
        let dry = cut_over(&daemon, activate(true)).await;
        assert_eq!((dry.job, dry.unmapped), (None, 0));
        assert!(dry.objects > 0 && dry.upper_ids > 0, "{} {}", dry.objects, dry.upper_ids);
        let report = cut_over(&daemon, activate(false)).await;
        go_on(&city, 40, "四月");
        done(&daemon, &report).await;
        daemon.looked_again().await;
        assert_green(&city, &daemon, NEW).await;
        assert!(superseded(&daemon).await > 0, "what waited was cut again");
        assert_eq!(organisations(&city), said, "what says nothing new is not sent again");
        assert_eq!(refused(&daemon, activate(false)).await, "E-STANDARD-IN-FORCE");

        // A reload and a restart keep it, and say so until the file is edited.
        daemon.app.foreman.reload().await.unwrap();
        assert_green(&city, &daemon, NEW).await;
        daemon.stop().await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        go_on(&city, 20, "五月");
        daemon.looked_again().await;
        assert_green(&city, &daemon, NEW).await;
        let Response::Status(status) = ask(&daemon, Request::Status {}).await else {
            panic!("no status");
        };
        assert_eq!(status.channels[0].written.as_deref(), Some(OLD));

        // Back, the same way; it says what remains above.
        let old = city.path().join("standards").join(OLD);
        city.platform.speak(old, &["entry"]).await.unwrap();
        go_on(&city, 30, "六月");
        daemon.wake();
        let report = cut_over(&daemon, rollback()).await;
        assert!(report.rows_above > 0);
        assert!(done(&daemon, &report).await.contains("stays above"));
        daemon.looked_again().await;
        assert_green(&city, &daemon, OLD).await;
        assert_eq!(daemon.ledger().activations().await.unwrap(), []);
        daemon.stop().await;
        assert_eq!(unannounced(&city), NOTHING);
        city.close().await;
    });
}

/// The ledger, while no daemon has it.
pub(crate) fn opened(city: &TestCity, clock: &Clock) -> Ledger {
    let sealer = Sealer::from_key_file(&city.path().join("keys/ledger.key")).unwrap();
    Ledger::open(&city.path().join("ledger"), &sealer, clock.clone(), Pool::new(2)).unwrap()
}

/// What the cut-over's transaction is told.
fn made(city: &TestCity) -> NewStandard {
    let configuration = city.configuration();
    let standard = configuration.standards.get(NEW).expect("it stands in the folder");
    let map = city.path().join("standards").join(NEW).join(UPPER_IDS_FILE);
    let ids = UpperIds::read(&std::fs::read(map).unwrap(), standard).unwrap();
    NewStandard {
        channel: "province".into(),
        standard: standard.id().clone(),
        digest: *standard.digest(),
        written: OLD.to_owned(),
        upper_ids: ids
            .iter()
            .map(|(kind, old, new)| (kind, old.to_owned(), new.to_owned()))
            .collect(),
        scopes: None,
    }
}

/// What was asked for before a crash.
pub(crate) async fn asked(ledger: &Ledger) -> u64 {
    let asked = ledger::CutOver {
        channel: "province".to_owned(),
        from: OLD.to_owned(),
        to: NEW.to_owned(),
        back: false,
        at: ledger.clock().now(),
        beside: None,
        scopes: None,
    };
    let answer = ledger.cut_over_asked(asked, "a test".to_owned(), None).await.unwrap();
    let CutOverAsked::Made(number) = answer else { panic!("it is known or busy") };
    number
}

#[test]
fn a_prepared_cut_over_goes_on_after_a_crash_before_and_after_its_transaction() {
    for is_made in [false, true] {
        run(async {
            let clock = Clock::system();
            let city = town(150, &clock, |plan| plan.seed = 72).await;
            let new = delivered(&city);
            let daemon = TestDaemon::start(city.configuration(), &clock).await;
            daemon.settled().await;
            supplied(&daemon).await;
            named(&city, &daemon).await;
            gone_over(&city, &new).await;
            go_on(&city, 30, "三月");
            daemon.wake();

            daemon.stop().await;

            // As a process that is gone left it: the job, and perhaps the new standard.
            let ledger = opened(&city, &clock);
            let number = asked(&ledger).await;
            if is_made {
                let made = made(&city);
                assert!(ledger.cut_over_made(number, made.clone()).await.unwrap());
                assert!(!ledger.cut_over_made(number, made).await.unwrap(), "once");
            }
            // Before it began it can be called off, afterwards no more.
            assert_eq!(ledger.job_cancelled(number).await.unwrap(), !is_made);
            if !is_made {
                asked(&ledger).await;
            }
            drop(ledger);
            let daemon = TestDaemon::start(city.configuration(), &clock).await;
            let number = if is_made { number } else { number + 1 };
            finished(&daemon, number).await;
            go_on(&city, 20, "四月");
            daemon.looked_again().await;
            assert_green(&city, &daemon, NEW).await;
            daemon.stop().await;
            city.close().await;
        });
    }
}

#[test]
fn a_broken_candidate_is_refused_and_the_one_in_force_stays() {
    run(async {
        let clock = Clock::system();
        let city = town(100, &clock, |plan| plan.seed = 73).await;
        let new = delivered(&city);
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        // It renumbers and there is no map.
        let Response::Failed(failure) = ask(&daemon, activate(false)).await else {
            panic!("taken");
        };
        assert_eq!(failure.code, "E-UPPER-IDS", "{failure:?}");
        gone_over(&city, &city.path().join("standards").join(OLD)).await;
        city.platform.speak(city.path().join("standards").join(OLD), &["entry"]).await.unwrap();
        let table = new.join("messages/entry.csv");
        let sound = std::fs::read_to_string(&table).unwrap();
        std::fs::write(&table, sound.replacen("entry.title", "entry.no_such_word", 1)).unwrap();
        let Response::Failed(failure) = ask(&daemon, activate(false)).await else {
            panic!("taken");
        };
        let shown = format!("{failure:?}");
        assert!(shown.contains("messages/entry.csv row "), "{shown}");
        std::fs::write(&table, &sound).unwrap();
        go_on(&city, 20, "照旧");
        daemon.looked_again().await;
        assert_green(&city, &daemon, OLD).await;
        daemon.stop().await;
        city.close().await;
    });
}
