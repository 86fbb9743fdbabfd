//! Drift that nobody announced and every code of which is listed: a jump in refusals and a changed
//! dictionary are told within one polling period, in `status` and to Prometheus. Time is the
//! test's own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cascaded::app::office::Office;
use cascaded::clock::Clock;
use cascaded::control::protocol::{Request, Response, Trouble};
use cascaded::control::{Handler, Health, Peer};
use cascaded::ledger::Drift;
use cascaded::rehearsal::{Fault, Play};
use cascaded::standard;

use crate::support::daemon::{TestDaemon, run};
use crate::support::town::{go_on, town};

const PEER: Peer = Peer { uid: 0, gid: 0, pid: None };
/// How often the province is asked, and so how often drift is looked for, where nobody says
/// otherwise.
const PERIOD: Duration = Duration::from_mins(1);

/// What drifted, as `status` says it.
async fn told(office: &Office) -> Vec<String> {
    let answer = office.handle(Request::Status {}, PEER).await;
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    let drift = status.attention.iter().filter(|it| it.trouble == Trouble::Drift);
    drift.map(|it| it.detail.clone()).collect()
}

async fn gauge(office: &Office, kind: &str) -> f64 {
    office.refresh().await;
    let series = format!("cascade_standard_drift{{channel=\"province\",kind=\"{kind}\"}} ");
    let page = Health::metrics(office);
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{series}")).parse().unwrap()
}

async fn seen(daemon: &TestDaemon, kind: &str) -> Option<Drift> {
    let drift = daemon.ledger().drift().await.unwrap();
    drift.into_iter().find(|it| it.kind == kind)
}

#[test]
fn a_jump_in_refusals_and_a_refused_code_are_told_within_a_polling_period() {
    run(async {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let city = town(300, &clock, |plan| plan.seed = 61).await;
        let mut configuration = city.configuration();
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards/reference-xml/1.0");
        let mut files = standard::files(&folder).unwrap();
        let text = String::from_utf8(files.remove("standard.toml").unwrap()).unwrap();
        let text = text.replacen("[reply]\n", "[reply]\ndictionary = [\"3077\"]\n", 1);
        files.insert("standard.toml".to_owned(), text.into_bytes());
        let listing = Arc::new(standard::load(&files).unwrap());
        configuration.channels.iter_mut().for_each(|it| it.standard = Arc::clone(&listing));
        let mut daemon = TestDaemon::start(configuration, &clock).await;
        daemon.step = Duration::from_secs(1);
        daemon.settled().await;
        let office = daemon.app.office(None);
        // What is rejected now and then is no jump, and a first load has nothing before it.
        clock.advance(Duration::from_mins(30));
        daemon.looked_again().await;
        assert_eq!(told(&office).await, [""; 0]);
        assert_eq!(
            (gauge(&office, "refusals").await, gauge(&office, "dictionary").await),
            (0.0, 0.0)
        );

        let faults = city.platform.faults();
        faults.play(Play::always("rows.*", Fault::Refuse { code: "3077".to_owned() }));
        go_on(&city, 40, "突增");
        daemon.wake();
        daemon
            .wait_until("a refusal", || async { seen(&daemon, "dictionary").await.is_some() })
            .await;
        daemon
            .wait_until("ten rows are refused", || async {
                let flows = daemon.ledger().flows().await.unwrap();
                flows.iter().map(|it| it.counts.rejected_refused).sum::<u64>() >= 10
            })
            .await;
        let refused_at = clock.now();
        daemon
            .wait_until("a jump", || async { seen(&daemon, "refused-more").await.is_some() })
            .await;
        let jump = seen(&daemon, "refused-more").await.unwrap();
        let after = jump.since.duration_since(refused_at);
        assert!(after <= (PERIOD + Duration::from_secs(30)).try_into().unwrap(), "{after:?}");
        assert_eq!(jump.detail, "3077");
        assert!(jump.count >= 10, "{jump:?}");
        let said = told(&office).await;
        let listed = office.handle(Request::StandardDrift {}, PEER).await;
        let Response::Drift(listed) = listed else { panic!("{listed:?}") };
        let line = listed.iter().find(|it| it.kind == "refused-more").unwrap();
        assert_eq!((line.what.as_str(), line.channel.as_str()), ("3077", "province"));
        assert!(line.standard == "reference-xml/1.0" && line.count >= 10, "{line:?}");
        assert_eq!(line.since, jump.since);
        for expected in ["dictionary 3077", "refused-more 3077"] {
            assert!(said.iter().any(|line| line == expected), "{said:?}");
        }
        assert!(gauge(&office, "refusals").await >= 10.0);
        assert!(gauge(&office, "dictionary").await >= 1.0);
        faults.clear();
        daemon.stop().await;
        city.close().await;
    });
}
