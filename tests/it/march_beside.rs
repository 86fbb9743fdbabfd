//! A parallel week: old and new side by side, each with its own acknowledgements, through an
//! outage of one and a restart; at its end the old channel is retired, and there is a way back.
//! Time is the test's own.

use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::{Activate, Request};
use cascaded::delivery::ChannelId;
use cascaded::ledger::{JobState, LinkFilter};
use cascaded::rehearsal::certificates::Certificates;
use cascaded::rehearsal::{Platform, Settings};
use cascaded::supervisor::Supervisor;

use crate::march::{NEW, NOTHING, cut_over, delivered, named_with, refused, rollback, supplied};
use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{differing, go_on, town, wrong};

const STEP: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const FURTHER: &str = "province-2.0";

/// The province's platform for the new standard, with certificates and credentials of its own, and
/// what the configuration says of it. With a database it is another door of whoever has that.
pub(crate) async fn second(
    city: &TestCity,
    above: &Supervisor,
    database: Option<&str>,
) -> (Platform, String) {
    let folder = city.path().join("second");
    let certificates = Certificates::generate().unwrap();
    let standard = city.path().join("standards").join(NEW);
    let mut settings =
        Settings::new(standard, certificates.server.clone(), certificates.stranger.clone());
    settings.client_authority = Some(certificates.authority.clone());
    settings.credentials = cascaded::demo::write_keys(&folder, &certificates).unwrap();
    settings.database = database.map(|name| city.path().join(name));
    settings.seed = 2;
    let platform = Platform::start(settings, city.clock.clone(), above).await.unwrap();
    let text = format!(
        "\n[channel.candidate.province]\nurl = \"{}\"\nca_file = \"second/keys/authority.pem\"\n\
         client_certificate_file = \"second/keys/client.pem\"\n\
         client_key_file = \"second/keys/client.key\"\n\n\
         [channel.candidate.province.credentials]\nrequester = \"second/keys/requester\"\n\
         secret = \"second/keys/secret\"\n",
        platform.url()
    );
    (platform, text)
}

async fn started(city: &TestCity) -> TestDaemon {
    let mut daemon = TestDaemon::start(city.configuration(), &city.clock).await;
    daemon.step = STEP;
    daemon
}

fn channels(daemon: &TestDaemon) -> Vec<String> {
    daemon.app.channels().iter().map(|it| it.id.to_string()).collect()
}

/// Waits until a platform holds what the city has.
async fn holds_everything(city: &TestCity, daemon: &TestDaemon, platform: &Platform) {
    let same = || async { differing(city, platform).await == NOTHING };
    daemon.wait_until("everything is above", same).await;
}

fn number(job: Option<&String>) -> u64 {
    job.unwrap().trim_start_matches("r-").parse().unwrap()
}

/// Upper ids of the entries that a channel's platform holds.
async fn ids(daemon: &TestDaemon, channel: &str) -> Vec<String> {
    let links = daemon.ledger().links(ChannelId::from(channel), LinkFilter::default()).await;
    links.unwrap().into_iter().filter_map(|it| it.upper_id).collect()
}

async fn queued(daemon: &TestDaemon, channel: &str) -> u64 {
    let flows = daemon.ledger().flows().await.unwrap();
    let on = flows.iter().filter(|it| it.flow.channel.as_str() == channel);
    on.map(|it| it.counts.queued).sum()
}

fn parallel(days: u64) -> Request {
    Request::StandardActivate(Activate {
        standard: NEW.to_owned(),
        channel: Some("province".to_owned()),
        scope: Vec::new(),
        at: None,
        parallel_seconds: Some(days * 86_400),
        dry_run: false,
    })
}

#[test]
fn a_period_does_not_end_before_the_further_side_has_caught_up() {
    run(async {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse().unwrap());
        let city = town(100, &clock, |plan| plan.seed = 98).await;
        delivered(&city);
        let above = Supervisor::new(clock.clone(), 4);
        let (new, configured) = second(&city, &above, None).await;
        let daemon = started(&city).await;
        daemon.settled().await;
        supplied(&daemon).await;
        named_with(&city, &daemon, &configured).await;
        // The new side does not answer for all of the period.
        new.faults().begin_outage();
        let report = cut_over(&daemon, parallel(1)).await;
        daemon.wait_until("both run", || async { channels(&daemon).len() == 2 }).await;
        clock.advance(DAY);
        let job = number(report.job.as_ref());
        let said = || async { daemon.job(job).await.result.unwrap_or_default() };
        daemon.wait_until("it says why", || async { said().await.contains("behind by") }).await;
        assert_eq!(channels(&daemon), ["province", FURTHER]);
        assert_eq!(daemon.job(job).await.state, JobState::Running);
        // Nor does a restart retire the old one.
        daemon.stop().await;
        let daemon = started(&city).await;
        go_on(&city, 10, "照旧");
        holds_everything(&city, &daemon, &city.platform).await;
        assert_eq!(channels(&daemon), ["province", FURTHER]);
        new.faults().end_outage();
        let is_done = || async { daemon.job(job).await.state == JobState::Done };
        daemon.wait_until("the period ends", is_done).await;
        assert_eq!(channels(&daemon), [FURTHER]);
        holds_everything(&city, &daemon, &new).await;
        daemon.stop().await;
        new.stop();
        above.stop();
        above.run(Duration::from_secs(10)).await;
        city.close().await;
    });
}

#[test]
fn a_parallel_week_carries_everything_to_both_and_keeps_their_acknowledgements_apart() {
    run(async {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse().unwrap());
        let city = town(120, &clock, |plan| plan.seed = 94).await;
        delivered(&city);
        let above = Supervisor::new(clock.clone(), 4);
        let (new, configured) = second(&city, &above, None).await;
        let daemon = started(&city).await;
        daemon.settled().await;
        supplied(&daemon).await;
        named_with(&city, &daemon, &configured).await;

        let begun = clock.now();
        let report = cut_over(&daemon, parallel(7)).await;
        assert_eq!(report.beside.as_deref(), Some(FURTHER));
        let week = begun.saturating_add(7 * DAY).unwrap();
        assert!(report.until.is_some_and(|until| until >= week && until < week + 60 * STEP));
        daemon.wait_until("both run", || async { channels(&daemon).len() == 2 }).await;
        go_on(&city, 30, "并行");
        holds_everything(&city, &daemon, &new).await;
        holds_everything(&city, &daemon, &city.platform).await;
        assert_eq!(wrong(&city).await, NOTHING);
        let (of_old, of_new) = (ids(&daemon, "province").await, ids(&daemon, FURTHER).await);
        assert!(!of_new.is_empty() && of_new.iter().all(|id| !of_old.contains(id)), "{of_new:?}");
        assert_eq!(refused(&daemon, parallel(7)).await, "E-CUT-OVER");

        // One side does not answer; the other goes on, and nothing of it is taken for the first's.
        daemon.wait_until("nothing waits", || async { queued(&daemon, FURTHER).await == 0 }).await;
        new.faults().begin_outage();
        go_on(&city, 30, "中断");
        holds_everything(&city, &daemon, &city.platform).await;
        daemon.wait_until("it waits", || async { queued(&daemon, FURTHER).await > 0 }).await;
        assert_ne!(differing(&city, &new).await, NOTHING);
        new.faults().end_outage();

        // A restart in the middle of the week.
        daemon.stop().await;
        clock.advance(3 * DAY);
        let daemon = started(&city).await;
        assert_eq!(channels(&daemon), ["province", FURTHER]);
        go_on(&city, 30, "周中");
        holds_everything(&city, &daemon, &new).await;
        holds_everything(&city, &daemon, &city.platform).await;
        let job = number(report.job.as_ref());
        assert_eq!(daemon.job(job).await.state, JobState::Running);

        // The week is over: the old side hears nothing more, through a restart.
        clock.advance(4 * DAY);
        let is_done = || async { daemon.job(job).await.state == JobState::Done };
        daemon.wait_until("the week is over", is_done).await;
        assert_eq!(channels(&daemon), [FURTHER]);
        let heard = city.platform.deliveries().unwrap().len();
        go_on(&city, 30, "之后");
        holds_everything(&city, &daemon, &new).await;
        daemon.stop().await;
        let daemon = started(&city).await;
        assert_eq!(channels(&daemon), [FURTHER]);
        go_on(&city, 20, "再后");
        holds_everything(&city, &daemon, &new).await;
        assert_eq!(city.platform.deliveries().unwrap().len(), heard);

        // And back: the old channel goes on from where it was.
        let report = cut_over(&daemon, rollback()).await;
        assert!(report.rows_above > 0 && report.objects_above > 0, "{report:?}");
        let job = number(report.job.as_ref());
        let is_done = || async { daemon.job(job).await.state == JobState::Done };
        daemon.wait_until("it is given up", is_done).await;
        assert_eq!(channels(&daemon), ["province"]);
        go_on(&city, 25, "退回");
        holds_everything(&city, &daemon, &city.platform).await;
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        new.stop();
        above.stop();
        above.run(Duration::from_secs(10)).await;
        city.close().await;
    });
}
