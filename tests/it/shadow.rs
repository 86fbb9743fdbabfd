//! A candidate at a test platform of its own, beside live traffic: the catalogue, then masked rows,
//! one operation alone; what is refused; what ends a run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use cascaded::changeover::shadow::{Once, Ready, ShadowReport};
use cascaded::clock::Clock;
use cascaded::control::protocol::{Request, Response, Shadow, ShadowAct, ShadowOnce};
use cascaded::control::{Handler as _, Peer};
use cascaded::demo::{standards_folder, write_keys};
use cascaded::rehearsal::certificates::Certificates;
use cascaded::rehearsal::{Fault, Platform, Play, Settings};
use cascaded::supervisor::Supervisor;

use crate::march::{NEW, NOTHING, supplied};
use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{copy, go_on, open, town, unannounced, wrong};

/// How long people at the test platform look at an entry.
const REVIEW: Duration = Duration::from_mins(30);

/// The province's test platform: an authority, an address and secrets of its own.
struct TestPlatform {
    platform: Platform,
    supervisor: Supervisor,
    secret: String,
    database: PathBuf,
}

impl TestPlatform {
    async fn start(city: &TestCity) -> Self {
        let from = standards_folder().unwrap().join(NEW);
        copy(&from, &city.path().join("standards").join(NEW));
        let certificates = Certificates::generate().unwrap();
        let (server, stranger) = (certificates.server.clone(), certificates.stranger.clone());
        let mut settings = Settings::new(from, server, stranger);
        settings.client_authority = Some(certificates.authority.clone());
        settings.credentials = write_keys(&city.path().join("test"), &certificates).unwrap();
        settings.review = REVIEW;
        let database = city.path().join("test.sqlite");
        settings.database = Some(database.clone());
        let secret = settings.credentials.get("secret").unwrap().clone();
        let supervisor = Supervisor::new(city.clock.clone(), 4);
        let platform = Platform::start(settings, city.clock.clone(), &supervisor).await.unwrap();
        Self { platform, supervisor, secret, database }
    }

    /// Writes it into the configuration, under `url` and with the secret of this file.
    fn named(&self, city: &TestCity, url: &str, secret: &str) {
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let mark = "secret = \"keys/secret\"\n";
        let (before, rest) = text.split_once(mark).unwrap();
        // What stood there before goes.
        let rest = rest.split_once("\n[pace]").unwrap().1;
        let test = format!(
            "{before}{mark}\n[channel.candidate]\nstandard = \"{NEW}\"\n\n\
             [channel.candidate.test]\nurl = \"{url}\"\nca_file = \"test/keys/authority.pem\"\n\
             client_certificate_file = \"test/keys/client.pem\"\n\
             client_key_file = \"test/keys/client.key\"\n\n\
             [channel.candidate.test.credentials]\nrequester = \"test/keys/requester\"\n\
             secret = \"{secret}\"\n\n[pace]{rest}"
        );
        std::fs::write(city.configuration_file(), test).unwrap();
    }

    /// How often each object was said, by kind.
    fn said(&self) -> Vec<(String, u64)> {
        let objects = self.platform.objects().unwrap();
        objects.into_iter().map(|it| (it.kind, it.times_said)).collect()
    }

    fn kinds(&self) -> BTreeSet<String> {
        self.said().into_iter().map(|(kind, _)| kind).collect()
    }

    /// Everything that the platform keeps of what it was sent, as text.
    fn received(&self) -> String {
        let database = open(&self.database);
        let mut text = String::new();
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let mut tables = database.prepare(tables).unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for table in tables.map(Result::unwrap) {
            let mut rows = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
            let columns = rows.column_count();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    let value: rusqlite::types::Value = row.get(column).unwrap();
                    match value {
                        rusqlite::types::Value::Text(it) => text.push_str(&it),
                        rusqlite::types::Value::Blob(it) => {
                            text.push_str(&String::from_utf8_lossy(&it));
                        }
                        rusqlite::types::Value::Null
                        | rusqlite::types::Value::Integer(_)
                        | rusqlite::types::Value::Real(_) => {}
                    }
                    text.push('\n');
                }
            }
        }
        text
    }

    async fn close(self) {
        self.platform.stop();
        self.supervisor.stop();
        self.supervisor.run(Duration::from_secs(10)).await;
    }
}

async fn ask(daemon: &TestDaemon, request: Request) -> Response {
    daemon.app.office(None).handle(request, Peer { uid: 7, gid: 7, pid: None }).await
}

fn shadow(act: ShadowAct) -> Request {
    Request::StandardShadow(Shadow { standard: NEW.to_owned(), channel: None, act })
}

async fn report(daemon: &TestDaemon, act: ShadowAct) -> ShadowReport {
    let answer = ask(daemon, shadow(act)).await;
    let Response::Shadow(report) = answer else { panic!("{answer:?}") };
    *report
}

async fn ready(daemon: &TestDaemon) -> Ready {
    report(daemon, ShadowAct::Report {}).await.readiness
}

/// The code of the failure that a request meets.
async fn refused(daemon: &TestDaemon, request: Request) -> String {
    let answer = ask(daemon, request).await;
    let Response::Failed(failure) = answer else { panic!("{answer:?}") };
    assert!(failure.next.is_some(), "{failure:?}");
    failure.code
}

fn alone(operation: &str) -> Request {
    let (standard, operation) = (NEW.to_owned(), operation.to_owned());
    Request::StandardShadowOnce(ShadowOnce { standard, channel: None, operation, object: None })
}

async fn once(daemon: &TestDaemon, operation: &str) -> Once {
    let answer = ask(daemon, alone(operation)).await;
    let Response::ShadowOnce(once) = answer else { panic!("{operation}: {answer:?}") };
    *once
}

/// Waits until everything was tried and what can be answered is.
async fn tried(daemon: &TestDaemon) -> Ready {
    daemon
        .wait_until("every object was tried", || async {
            let ready = ready(daemon).await;
            ready.untried + ready.undecided == 0
        })
        .await;
    ready(daemon).await
}

fn secret(city: &TestCity, path: &str) -> String {
    std::fs::read_to_string(city.path().join(path)).unwrap()
}

/// No secret, the test platform's or the productive one's, stands anywhere in it.
fn assert_redacted(city: &TestCity, once: &Once) {
    let text = serde_json::to_string(once).unwrap();
    for path in ["keys/secret", "test/keys/secret", "test/keys/requester"] {
        assert!(!text.contains(&secret(city, path)), "{path}: {text}");
    }
}

async fn town_of(clock: &Clock, seed: u64) -> TestCity {
    town(120, clock, |plan| plan.seed = seed).await
}

#[test]
fn a_candidate_is_tried_beside_live_traffic_that_never_learns_of_it() {
    run(async {
        let clock = Clock::manual("2026-11-22T01:00:00Z".parse().unwrap());
        let city = town_of(&clock, 81).await;
        let test = TestPlatform::start(&city).await;
        test.named(&city, &test.platform.url(), "test/keys/secret");
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_millis(500);
        daemon.settled().await;
        let before = report(&daemon, ShadowAct::Report {}).await;
        assert!(before.job.is_none() && before.readiness.untried == before.readiness.objects);
        assert_eq!((before.readiness.percent, test.said().len()), (0, 0));

        // What needs no new value is taken, what does is named, and nothing was filled in.
        let begun = report(&daemon, ShadowAct::Start { with_rows: false }).await;
        assert!(begun.running && !begun.with_rows && begun.endpoint == test.platform.url());
        let first = tried(&daemon).await;
        assert!(first.percent > 0 && first.percent < 100 && first.values > 0, "{first:?}");
        assert!(first.lacking > 0 && first.refused == 0, "{first:?}");
        assert!(!test.kinds().contains("entry") && test.kinds().contains("organisation"));
        let found = report(&daemon, ShadowAct::Report {}).await;
        let lacking = found.outcomes.iter().find(|it| it.candidate == "lacking").unwrap();
        assert!(lacking.subject == "entry" && lacking.code == "required", "{lacking:?}");
        assert_eq!(
            lacking.live, "accepted",
            "the standard in force takes what the candidate will not"
        );
        assert!(!found.owing.is_empty());

        // Values are supplied: readiness rises, then people at the province approve.
        supplied(&daemon).await;
        daemon.wait_until("readiness rises", || async { ready(&daemon).await.approvals > 0 }).await;
        let second = tried(&daemon).await;
        assert!(second.percent >= first.percent && second.values == 0, "{second:?}");
        clock.advance(REVIEW);
        daemon
            .wait_until("all is approved", || async { ready(&daemon).await.approvals == 0 })
            .await;
        let third = tried(&daemon).await;
        assert!(third.percent > second.percent, "{third:?}");
        // The generator's entry without a summary is turned away under either.
        let found = report(&daemon, ShadowAct::Report {}).await;
        let lacking: Vec<_> =
            found.outcomes.iter().filter(|it| it.candidate == "lacking").collect();
        assert!(lacking.iter().all(|it| it.live.starts_with("refused")), "{lacking:?}");

        // Live traffic went on under the standard in force, and the test platform got no row.
        go_on(&city, 30, "照常");
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        assert_eq!(daemon.channel("province").standard.id().as_str(), "reference-xml/1.0");
        assert_eq!(daemon.ledger().drift().await.unwrap(), []);
        assert_eq!(test.platform.datasets().unwrap(), NOTHING);

        // A restart goes on with it and says nothing twice.
        let said = test.said();
        daemon.stop().await;
        let mut daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.step = Duration::from_millis(500);
        daemon.looked_again().await;
        assert_eq!(tried(&daemon).await, third);
        assert_eq!(test.said(), said);
        masked_rows(&city, &test, &daemon).await;
        daemon.stop().await;
        assert_eq!(unannounced(&city), NOTHING);
        test.close().await;
        city.close().await;
    });
}

/// Another run, with rows: all of them masked.
async fn masked_rows(city: &TestCity, test: &TestPlatform, daemon: &TestDaemon) {
    assert_eq!(
        refused(daemon, shadow(ShadowAct::Start { with_rows: true })).await,
        "E-SHADOW-BUSY"
    );
    let ended = report(daemon, ShadowAct::Stop {}).await;
    assert!(!ended.running && ended.readiness.ready > 0, "what was found is kept: {ended:?}");
    assert_eq!(refused(daemon, shadow(ShadowAct::Stop {})).await, "E-NO-SHADOW");
    let begun = report(daemon, ShadowAct::Start { with_rows: true }).await;
    assert!(begun.with_rows && begun.readiness.ready > 0);
    let acts = daemon.ledger().acts(10).await.unwrap();
    let detail = format!("start with masked rows {NEW} on its channel");
    assert!(acts.iter().any(|it| it.name == "standard_shadow" && it.detail == detail), "{acts:?}");
    let passed = |report: &ShadowReport| {
        let datasets = report.rows.iter().filter(|it| it.candidate == "passed");
        datasets.map(|it| it.subject.clone()).collect::<BTreeSet<_>>()
    };
    daemon
        .wait_until("rows of several datasets have passed", || async {
            passed(&report(daemon, ShadowAct::Report {}).await).len() >= 3
        })
        .await;
    let found = report(daemon, ShadowAct::Report {}).await;
    assert!(found.rows.iter().all(|it| it.candidate != "failed" && it.candidate != "refused"));
    let masked = test.platform.datasets().unwrap();
    assert!(masked.len() >= 3, "{masked:?}");
    let row = once(daemon, "rows.upsert").await;
    assert_eq!(row.outcome, "accepted", "{row:?}");
    assert_redacted(city, &row);
    let received = test.received() + &row.body + &row.reply;
    let mut searched = 0;
    for dataset in &masked {
        // Keys, names, numbers of people, telephones, addresses: whatever is text and no code.
        let texts =
            ["no", "name", "person", "owner", "buyer", "phone", "address", "location", "uscc"];
        for row in city.rows(dataset).await {
            for (column, value) in &row.columns {
                let is_text = texts.iter().any(|it| column.ends_with(it));
                let Some(value) = value.as_deref().filter(|it| is_text && it.len() > 3) else {
                    continue;
                };
                searched += 1;
                assert!(!received.contains(value), "{dataset} {column}: {value} came through");
            }
        }
    }
    assert!(searched > 200, "{searched} cells searched");
    assert!(
        test.platform.content(masked.first().unwrap()).unwrap().values().any(|row| !row.is_empty())
    );
}

#[test]
fn one_operation_alone_is_shown_without_a_secret() {
    run(async {
        let clock = Clock::system();
        let city = town_of(&clock, 82).await;
        let test = TestPlatform::start(&city).await;
        test.named(&city, &test.platform.url(), "test/keys/secret");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let first = once(&daemon, "organisation.register").await;
        assert_eq!((first.outcome.as_str(), first.status), ("accepted", Some(200)), "{first:?}");
        assert!(first.upper_id.is_some() && !first.reply.is_empty());
        assert!(first.url.starts_with(&test.platform.url()) && first.method == "POST");
        let header = |name: &str| {
            let found = first.headers.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(header("x-cascade-sign"), "[signature]");
        assert_eq!(header("x-cascade-requester"), "[credential.requester]");
        assert!(header("x-cascade-time").len() == 14 && header("content-type").contains("xml"));
        assert!(first.body.contains("[credential.requester]"), "{}", first.body);
        assert_redacted(&city, &first);
        assert!(!serde_json::to_string(&first).unwrap().contains(&test.secret));
        // Its children can be said now with the id that the test platform gave.
        let system = once(&daemon, "system.register").await;
        assert!(!system.stand_ins && system.body.contains(first.upper_id.as_deref().unwrap()));
        assert_eq!(once(&daemon, "heartbeat").await.outcome, "accepted");

        for (operation, code) in [
            ("entry.register", "E-SHADOW-ONCE"),
            ("rows.upsert", "E-SHADOW-ONCE"),
            ("rows.delete", "E-SHADOW-ONCE"),
            ("organisation.cancel", "E-SHADOW-ONCE"),
            ("weather.forecast", "E-SHADOW-ONCE"),
        ] {
            assert_eq!(refused(&daemon, alone(operation)).await, code, "{operation}");
        }
        supplied(&daemon).await;
        let entry = once(&daemon, "entry.register").await;
        assert!(entry.body.contains("城市治理"), "{}", entry.body);
        assert_redacted(&city, &entry);
        let acts = daemon.ledger().acts(3).await.unwrap();
        assert!(acts.iter().any(|it| it.name == "standard_shadow_once"), "{acts:?}");
        // A platform that is not there: what would have been said is shown all the same.
        test.platform.stop();
        let silent = once(&daemon, "organisation.state").await;
        assert!(silent.status.is_none() && silent.outcome == "undecided", "{silent:?}");
        assert_redacted(&city, &silent);
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        test.close().await;
        city.close().await;
    });
}

async fn reloaded(daemon: &TestDaemon) {
    daemon.app.foreman.reload().await.unwrap();
}

#[test]
fn only_the_configured_test_platform_is_ever_spoken_to() {
    run(async {
        let clock = Clock::system();
        let city = town_of(&clock, 83).await;
        let start = || shadow(ShadowAct::Start { with_rows: false });
        let plain = std::fs::read_to_string(city.configuration_file()).unwrap();
        let test = TestPlatform::start(&city).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let codes = || -> BTreeSet<String> {
            let all = city.platform.deliveries().unwrap();
            all.into_iter().map(|it| it.code).collect()
        };
        let known = codes();
        assert_eq!(refused(&daemon, start()).await, "E-SHADOW-TEST");
        assert_eq!(refused(&daemon, alone("heartbeat")).await, "E-SHADOW-TEST");

        // The productive address, however it is written, and the productive secret.
        let productive =
            format!("{}/", city.platform.url().to_uppercase().replace("HTTPS", "https"));
        test.named(&city, &productive, "test/keys/secret");
        reloaded(&daemon).await;
        for request in [start(), alone("heartbeat")] {
            assert_eq!(refused(&daemon, request).await, "E-SHADOW-PRODUCTIVE");
        }
        test.named(&city, &test.platform.url(), "keys/secret");
        reloaded(&daemon).await;
        for request in [start(), alone("heartbeat")] {
            assert_eq!(refused(&daemon, request).await, "E-SHADOW-SECRET");
        }
        assert!(codes().is_subset(&known), "the productive platform heard nothing odd");
        assert_eq!(test.said(), []);

        // A run ends when the configuration drops the candidate.
        test.named(&city, &test.platform.url(), "test/keys/secret");
        reloaded(&daemon).await;
        assert!(report(&daemon, ShadowAct::Start { with_rows: false }).await.running);
        tried(&daemon).await;
        std::fs::write(city.configuration_file(), plain).unwrap();
        reloaded(&daemon).await;
        daemon
            .wait_until("the run has ended", || async {
                !report(&daemon, ShadowAct::Report {}).await.running
            })
            .await;
        let ended = report(&daemon, ShadowAct::Report {}).await;
        assert!(ended.trouble.unwrap().contains("E-SHADOW-TEST"));
        daemon.stop().await;
        test.close().await;
        city.close().await;
    });
}

#[test]
fn a_test_platform_that_is_silent_is_waited_for() {
    run(async {
        let clock = Clock::system();
        let city = town_of(&clock, 84).await;
        let test = TestPlatform::start(&city).await;
        test.named(&city, &test.platform.url(), "test/keys/secret");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let faults = test.platform.faults();
        faults.play(Play::always("*", Fault::LoseAnswer));
        report(&daemon, ShadowAct::Start { with_rows: false }).await;
        daemon
            .wait_until("the run says what it waits for", || async {
                report(&daemon, ShadowAct::Report {}).await.trouble.is_some()
            })
            .await;
        assert!(ready(&daemon).await.ready == 0);
        faults.clear();
        let after = tried(&daemon).await;
        assert!(after.ready > 0 && after.lacking > 0, "{after:?}");
        assert_eq!(report(&daemon, ShadowAct::Report {}).await.trouble, None);
        daemon.stop().await;
        test.close().await;
        city.close().await;
    });
}

#[test]
fn what_only_the_candidate_refuses_is_told_and_tried_once_more_by_the_next_run() {
    run(async {
        let clock = Clock::system();
        let city = town_of(&clock, 85).await;
        let test = TestPlatform::start(&city).await;
        test.named(&city, &test.platform.url(), "test/keys/secret");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        supplied(&daemon).await;
        let faults = test.platform.faults();
        let refuse = Fault::Refuse { code: "3077".to_owned() };
        faults.play(Play::always("organisation.register", refuse));
        report(&daemon, ShadowAct::Start { with_rows: false }).await;
        let found = tried(&daemon).await;
        assert!(found.refused > 0 && found.waiting > 0 && found.values == 0, "{found:?}");
        let told = report(&daemon, ShadowAct::Report {}).await;
        let line = told.outcomes.iter().find(|it| it.candidate == "refused").unwrap();
        assert_eq!((line.subject.as_str(), line.code.as_str()), ("organisation", "3077"));
        assert_eq!((line.live.as_str(), line.count), ("accepted", found.refused));
        assert!(told.outcomes.iter().any(|it| it.candidate == "waiting"), "{told:?}");
        assert_eq!(daemon.ledger().drift().await.unwrap(), [], "it is no drift of the channel");

        // The province has mended its test platform: what was refused is tried by the next run.
        faults.clear();
        let heard = test.platform.deliveries().unwrap().len();
        daemon.looked_again().await;
        assert_eq!(ready(&daemon).await.refused, found.refused, "and not before");
        assert_eq!(test.platform.deliveries().unwrap().len(), heard);
        report(&daemon, ShadowAct::Stop {}).await;
        report(&daemon, ShadowAct::Start { with_rows: false }).await;
        daemon
            .wait_until("what was refused is taken", || async {
                let ready = ready(&daemon).await;
                ready.refused + ready.waiting == 0
            })
            .await;
        assert_eq!(wrong(&city).await, NOTHING);
        daemon.stop().await;
        test.close().await;
        city.close().await;
    });
}
