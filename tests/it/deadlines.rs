//! Every waiting state has a deadline, and passing it is visible: from the province that does not
//! answer to the line an operator reads. Time is the test's own.

use std::time::Duration;

use cascaded::app::office::Office;
use cascaded::clock::Clock;
use cascaded::control::protocol::{Attention, Request, Response, Trouble};
use cascaded::control::{Handler, Health, Peer};
use cascaded::fact::Kind;
use cascaded::rehearsal::{Fault, Play};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::plain::{CITY, people, settings, write_catalogue, write_city};
use crate::support::town::{go_on, town, wrong};

const PEER: Peer = Peer { uid: 0, gid: 0, pid: None };

/// What waits too long, as `status` says it: subject, state and how many.
async fn late(office: &Office) -> Vec<(String, String, u64)> {
    let answer = office.handle(Request::Status {}, PEER).await;
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    let late = |it: &Attention| (it.subject.clone(), it.detail.clone(), it.count);
    status.attention.iter().filter(|it| it.trouble == Trouble::Late).map(late).collect()
}

async fn gauge(office: &Office, kind: &str) -> f64 {
    office.refresh().await;
    let series = format!("cascade_past_deadline{{channel=\"province\",kind=\"{kind}\"}} ");
    let page = Health::metrics(office);
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{series}")).parse().unwrap()
}

#[test]
fn what_waits_past_its_deadline_shows_and_shows_no_more_once_it_is_over() {
    run(async {
        let clock = Clock::manual("2026-11-20T01:00:00Z".parse().unwrap());
        let review = Duration::from_hours(200);
        let city = town(200, &clock, |plan| plan.review = review).await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_secs(1);
        daemon.settled().await;
        let office = daemon.app.office(None);
        assert_eq!(late(&office).await, [], "people review for days");
        assert_eq!(gauge(&office, "link").await, 0.0);

        // The province takes no rows: the standard gives a batch ten minutes for its receipt and
        // four hours for its verdicts.
        let faults = city.platform.faults();
        faults.play(Play::always("rows.*", Fault::ServerError { status: 503 }));
        go_on(&city, 20, "久等");
        let since = clock.now();
        daemon.wake();
        daemon
            .wait_until("the rows are packed", || async {
                let flows = daemon.ledger().flows().await.unwrap();
                let looked =
                    flows.iter().all(|it| it.last_observed_at.is_some_and(|at| at > since));
                looked && flows.iter().any(|it| it.counts.queued > 0)
            })
            .await;
        assert_eq!(gauge(&office, "batch").await, 0.0);
        clock.advance(Duration::from_hours(5));
        let waiting = late(&office).await;
        assert!(waiting.iter().all(|it| it.0 == "province" && it.2 > 0), "{waiting:?}");
        assert!(!waiting.is_empty());
        assert!(gauge(&office, "batch").await > 0.0);

        // A review is owed within 120 hours; the entries stand there for 200.
        clock.advance(Duration::from_hours(120));
        let waiting = late(&office).await;
        let entry = waiting.iter().find(|it| it.0 == "entry").expect("entries wait");
        assert!(matches!(entry.1.as_str(), "in_review" | "accepted") && entry.2 > 0, "{entry:?}");
        assert_eq!(gauge(&office, "link").await, approximate(&waiting));

        // The province does its part, and nothing is late any more.
        faults.clear();
        clock.advance(Duration::from_hours(100));
        daemon.wake();
        daemon.settled().await;
        daemon.wait_until("nothing is late", || async { late(&office).await.is_empty() }).await;
        assert_eq!((gauge(&office, "link").await, gauge(&office, "batch").await), (0.0, 0.0));
        assert_eq!(wrong(&city).await, Vec::<String>::new());
        daemon.stop().await;
        city.close().await;
    });
}

/// What history tells of deadlines that passed: the word, the deadline, when it happened.
async fn told(daemon: &TestDaemon) -> Vec<(&'static str, Timestamp, Timestamp)> {
    let facts = daemon.ledger().facts(0, 10_000).await.unwrap();
    let of_deadlines = facts.iter().filter_map(|(_, fact)| {
        let (Kind::OverdueFrom { deadline } | Kind::OverdueUntil { deadline }) = fact.kind else {
            return None;
        };
        assert_eq!(fact.subject, "people");
        Some((fact.kind.as_str(), deadline, fact.occurred))
    });
    of_deadlines.collect()
}

#[test]
fn history_tells_once_when_a_dataset_became_overdue_and_when_that_ended() {
    run(async {
        let clock = Clock::manual("2026-11-16T01:00:00Z".parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let table = [people("1h")];
        let local = clock.now().to_zoned(TimeZone::get("Asia/Shanghai").unwrap()).datetime();
        let rows = write_city(folder.path(), 20, local);
        write_catalogue(folder.path(), &table);
        let city = TestCity::with(folder, &settings(CITY, &table), &clock, |_| {}).await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_secs(1);
        daemon.settled().await;
        assert_eq!(told(&daemon).await, []);

        // A daily dataset is overdue a day after the last real change that is confirmed.
        let flows = daemon.ledger().flows().await.unwrap();
        let deadline = flows[0].last_change_at.unwrap() + Duration::from_hours(24);
        daemon.step = Duration::from_mins(30);
        daemon.wait_until("it is overdue", || async { !told(&daemon).await.is_empty() }).await;
        let from = ("overdue-from", deadline, deadline);
        assert_eq!(told(&daemon).await, [from]);
        assert!(clock.now() > deadline);

        // Another life of the daemon tells nothing again, nor does time that goes by.
        daemon.stop().await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_mins(30);
        let later = clock.now() + Duration::from_hours(30);
        daemon.wait_until("time passes", || async { clock.now() > later }).await;
        assert_eq!(told(&daemon).await, [from]);

        // A touched file with the same rows ends nothing; a row that changed does, once confirmed.
        rows.execute_batch("UPDATE people SET name = name").unwrap();
        let later = clock.now() + Duration::from_hours(3);
        daemon.wait_until("time passes", || async { clock.now() > later }).await;
        assert_eq!(told(&daemon).await, [from]);
        let changed = clock.now();
        rows.execute_batch("UPDATE people SET name = '新' WHERE id = 'p00001'").unwrap();
        daemon.step = Duration::from_secs(10);
        daemon.wait_until("it is no more", || async { told(&daemon).await.len() > 1 }).await;
        let told = told(&daemon).await;
        let [first, (word, of, ended)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((*first, *word, *of), (from, "overdue-until", deadline));
        assert!(*ended > changed && *ended <= clock.now(), "{ended}");
        daemon.stop().await;
        city.close().await;
    });
}

/// Objects among what waits.
fn approximate(waiting: &[(String, String, u64)]) -> f64 {
    let objects: u64 = waiting.iter().filter(|it| it.0 != "province").map(|it| it.2).sum();
    f64::from(u32::try_from(objects).unwrap())
}
