//! Every waiting state has a deadline, and passing it is visible: from the province that does not
//! answer to the line an operator reads. Time is the test's own.

use std::time::Duration;

use cascaded::app::office::Office;
use cascaded::clock::Clock;
use cascaded::control::protocol::{Attention, Request, Response, Trouble};
use cascaded::control::{Handler, Health, Peer};
use cascaded::rehearsal::{Fault, Play};

use crate::support::daemon::{TestDaemon, run};
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

/// Objects among what waits.
fn approximate(waiting: &[(String, String, u64)]) -> f64 {
    let objects: u64 = waiting.iter().filter(|it| it.0 != "province").map(|it| it.2).sum();
    f64::from(u32::try_from(objects).unwrap())
}
