//! Interfaces are asked over real TLS: an outage has its first and its last moment, nothing is
//! counted twice or lost, and nobody but the configured address is ever spoken to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::{Request, Response, Trouble};
use cascaded::control::{Handler as _, Health, Peer};
use cascaded::fact::{Fact, Kind};
use cascaded::indicator::lists::{Lists, obligations};
use cascaded::indicator::scheme::Month;
use cascaded::indicator::tally::{Body, Span, Tally};
use cascaded::probe::{Settings, callers};
use cascaded::rehearsal::certificates::{Certificates, Identity};
use cascaded::supervisor::{StopPolicy, Supervisor};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::daemon::{PACE, TestCity, TestDaemon, run};
use crate::support::plain::{CITY, people, settings, write_catalogue, write_city};
use crate::support::tls::listen;

const PEER: Peer = Peer { uid: 0, gid: 0, pid: None };

/// How a service behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Mood {
    /// Answers with a status and a short body.
    Status(u16),
    /// Sends the caller somewhere else.
    Elsewhere(String),
    /// Takes the request and says nothing.
    Mute,
    /// Begins an answer and does not go on.
    Stalls,
    /// Sends without end.
    Endless,
    /// Hangs up.
    Cut,
}

/// Somebody's service over TLS.
struct Service {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    /// Requests that were read, and the head of the last.
    asked: Arc<AtomicU64>,
    head: Arc<Mutex<String>>,
    supervisor: Supervisor,
}

impl Service {
    async fn start(identity: &Identity) -> Self {
        let (listener, acceptor, address) = listen(identity).await;
        let mood = Arc::new(Mutex::new(Mood::Status(200)));
        let (asked, head) = (Arc::<AtomicU64>::default(), Arc::<Mutex<String>>::default());
        let supervisor = Supervisor::new(Clock::system(), 1);
        let (told, counted, kept) = (Arc::clone(&mood), Arc::clone(&asked), Arc::clone(&head));
        let under = supervisor.clone();
        supervisor.spawn("service", StopPolicy::Abort, async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                // Who does not trust us hangs up here.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = vec![0; 4096];
                let Ok(read @ 1..) = stream.read(&mut bytes).await else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                bytes.truncate(read);
                *kept.lock().unwrap() = String::from_utf8_lossy(&bytes).into_owned();
                let mood = told.lock().unwrap().clone();
                under.spawn_passing("answer", StopPolicy::Abort, async move {
                    answer(&mut stream, mood).await;
                });
            }
        });
        Self { address, mood, asked, head, supervisor }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    async fn end(self) {
        self.supervisor.stop();
        let ended = self.supervisor.run(Duration::from_secs(10)).await;
        assert!(ended.cause.is_none(), "{ended:?}");
    }
}

async fn answer(stream: &mut (impl tokio::io::AsyncWrite + Unpin), mood: Mood) {
    let head = |status: u16, more: &str| {
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{more}\r\n").into_bytes()
    };
    let told = match &mood {
        Mood::Cut => return,
        Mood::Mute => return std::future::pending().await,
        Mood::Status(status) => [head(*status, "content-length: 2\r\n"), b"{}".to_vec()].concat(),
        Mood::Elsewhere(url) => head(302, &format!("location: {url}\r\ncontent-length: 0\r\n")),
        Mood::Stalls | Mood::Endless => head(200, "content-length: 99999999\r\n"),
    };
    stream.write_all(&told).await.ok();
    stream.flush().await.ok();
    match mood {
        Mood::Stalls => std::future::pending().await,
        Mood::Endless => while stream.write_all(&[b'x'; 1024]).await.is_ok() {},
        Mood::Cut | Mood::Mute | Mood::Status(_) | Mood::Elsewhere(_) => {
            stream.shutdown().await.ok();
        }
    }
}

fn probe(id: &str, address: SocketAddr, folder: &Path, more: &str) -> String {
    format!(
        "[[probe]]\nid = \"{id}\"\nresource = \"r-people\"\n\
         url = \"https://{address}/v1/people?limit=1\"\nca_file = \"{}\"\n{more}\n",
        folder.join("probe-ca.pem").display()
    )
}

#[test]
fn only_an_expected_answer_of_the_configured_address_counts() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let made = Certificates::generate().unwrap();
        std::fs::write(folder.path().join("probe-ca.pem"), &made.authority).unwrap();
        let (service, elsewhere) =
            (Service::start(&made.server).await, Service::start(&made.server).await);
        let stranger = Service::start(&made.stranger).await;
        let caller = |address, more: &str| {
            let text = probe("p", address, folder.path(), more).replace("[[probe]]\n", "");
            let settings: Settings = toml::from_str(&text).unwrap();
            callers(&[settings]).unwrap().remove(0)
        };
        let plain = caller(service.address, "timeout = \"400ms\"");
        let redirect = format!("https://{}/", elsewhere.address);
        for (mood, expected) in [
            (Mood::Status(200), Ok(())),
            (Mood::Status(204), Ok(())),
            (Mood::Status(401), Err("status-401")),
            (Mood::Status(503), Err("status-503")),
            (Mood::Elsewhere(redirect), Err("status-302")),
            (Mood::Mute, Err("timed-out")),
            (Mood::Stalls, Err("timed-out")),
            (Mood::Endless, Ok(())),
            (Mood::Cut, Err("connection-cut")),
        ] {
            service.is(mood.clone());
            let answer = plain.ask().await;
            assert_eq!(
                answer.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|it| *it),
                "{mood:?}"
            );
        }
        assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
        service.is(Mood::Status(401));
        assert_eq!(
            caller(service.address, "method = \"HEAD\"\nexpect = [401]").ask().await,
            Ok(())
        );
        let head = service.head.lock().unwrap().clone();
        assert!(
            head.starts_with("HEAD /v1/people?limit=1 ") && head.contains("cascaded/"),
            "{head}"
        );
        let untrusted = caller(stranger.address, "").ask().await;
        assert_eq!(untrusted, Err("certificate-not-trusted".to_owned()));
        let gone = stranger.address;
        assert_eq!(stranger.asked(), 0);
        stranger.end().await;
        assert_eq!(caller(gone, "").ask().await, Err("connect-failed".to_owned()));
        service.end().await;
        elsewhere.end().await;
    });
}

struct Scene {
    city: TestCity,
    service: Service,
    clock: Clock,
    start: Timestamp,
}

impl Scene {
    async fn new(more: &str) -> Self {
        let start: Timestamp = "2026-03-02T01:10:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![people("1h")];
        write_city(folder.path(), 3, jiff::civil::date(2026, 3, 2).at(8, 0, 0, 0));
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let made = Certificates::generate().unwrap();
        std::fs::write(city.path().join("probe-ca.pem"), &made.authority).unwrap();
        let service = Service::start(&made.server).await;
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let probe = probe("people-api", service.address, city.path(), more);
        std::fs::write(city.configuration_file(), text.replace(PACE, &format!("{probe}\n{PACE}")))
            .unwrap();
        Self { city, service, clock, start }
    }

    async fn daemon(&self) -> TestDaemon {
        let mut daemon = TestDaemon::start(self.city.configuration(), &self.clock).await;
        daemon.step = Duration::from_secs(5);
        daemon
    }

    async fn end(self) {
        self.service.end().await;
        self.city.close().await;
    }
}

/// The probes that the ledger knows, in their order.
async fn probed(daemon: &TestDaemon) -> Vec<(Fact, u64, u64)> {
    let facts = daemon.ledger().facts(0, 100_000).await.unwrap();
    let probes = facts.into_iter().filter_map(|(_, fact)| {
        let Kind::Probed { succeeded, failed } = fact.kind else { return None };
        Some((fact, succeeded, failed))
    });
    probes.collect()
}

fn rate(facts: &[(Fact, u64, u64)], from: Timestamp, to: Timestamp) -> Option<String> {
    let table = "entry,resources,dataset,department,cycle,shared,open,key\n\
                 e-people,r-people,people,o1,每日,yes,no,no\n";
    let lists = Lists { obligations: obligations("o.csv", table).unwrap(), ..Lists::default() };
    let month = Month::parse("2026-03").unwrap();
    let day = jiff::civil::date(2026, 3, 2);
    let span = Span { from, to, day, month, known_by: Timestamp::MAX };
    let mut tally = Tally::new(&lists, span, &std::collections::BTreeSet::new());
    facts.iter().for_each(|(fact, ..)| tally.add(fact));
    let figures = tally.figures(&Body::Department("o1".to_owned()));
    let figure = figures.get("interface.available_rate").unwrap();
    figure.parts.map(|(of, all)| format!("{of}/{all}"))
}

/// Status and metrics say that the interface does not answer.
async fn told_as_silent(daemon: &TestDaemon) {
    let office = daemon.app.office(None);
    let answer = office.handle(Request::Status {}, PEER).await;
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    let silent: Vec<_> =
        status.attention.iter().filter(|it| it.trouble == Trouble::Silent).collect();
    assert_eq!(silent.len(), 1, "{:?}", status.attention);
    assert_eq!(
        silent.first().map(|it| (it.subject.as_str(), it.detail.as_str())).unwrap(),
        ("people-api", "status-503")
    );
    office.refresh().await;
    let page = Health::metrics(&office);
    assert!(page.contains("cascade_interfaces{state=\"silent\"} 1"), "{page}");
    assert!(page.contains("cascade_worst_interface_silent_seconds{interface=\"people-api\"} "));
}

#[test]
fn an_outage_stands_in_the_facts_with_its_first_and_its_last_moment() {
    run(async {
        let scene = Scene::new("every = \"1m\"\ntimeout = \"2s\"").await;
        let daemon = scene.daemon().await;
        let (service, clock) = (&scene.service, &scene.clock);
        let asked = |more: u64| {
            let wanted = service.asked() + more;
            move || async move { service.asked() >= wanted }
        };
        daemon.wait_until("some answers", asked(5)).await;
        service.is(Mood::Status(503));
        let down = clock.now();
        daemon
            .wait_until("the outage is a fact", || async {
                probed(&daemon).await.iter().any(|(.., failed)| *failed > 0)
            })
            .await;
        daemon.wait_until("some failures", asked(4)).await;
        told_as_silent(&daemon).await;
        service.is(Mood::Status(200));
        let up = clock.now();
        daemon
            .wait_until("it is over", || async {
                probed(&daemon).await.iter().any(|(fact, ok, _)| *ok > 0 && fact.occurred >= up)
            })
            .await;
        // On through the next full hour, which tells what was counted.
        daemon
            .wait_until("two hours pass", || async {
                clock.now() > scene.start + Duration::from_hours(2)
            })
            .await;
        daemon.stop().await;
        let daemon = scene.daemon().await;
        let facts = probed(&daemon).await;
        // No fact has both, so that the outage's ends are their very times.
        assert!(facts.iter().all(|(_, ok, failed)| *ok == 0 || *failed == 0), "{facts:?}");
        let first = facts.iter().position(|(.., failed)| *failed > 0).unwrap();
        let after = facts.iter().skip(first).position(|(_, ok, _)| *ok > 0).unwrap() + first;
        let moment = |at: usize| facts.get(at).unwrap().0.occurred;
        let (begun, over) = (moment(first), moment(after));
        assert!(begun >= down && begun.duration_since(down).as_secs() <= 60 + 10, "{begun} {down}");
        assert!(over >= up && over.duration_since(up).as_secs() <= 60 + 10, "{over} {up}");
        assert!(facts.iter().skip(after).all(|(.., failed)| *failed == 0));
        // In its hours few facts, and all that was asked.
        assert!(facts.len() <= 12, "{}", facts.len());
        let sum: u64 = facts.iter().map(|(_, ok, failed)| ok + failed).sum();
        assert!(sum == service.asked() || sum + 1 == service.asked(), "{sum} {}", service.asked());
        let hour = |fact: &Fact| fact.occurred.as_second() / 3600;
        assert!(
            facts
                .iter()
                .map(|(fact, ..)| hour(fact))
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                >= 3
        );
        let failed: u64 = facts.iter().map(|(.., failed)| failed).sum();
        let whole = rate(&facts, scene.start, clock.now() + Duration::from_secs(1));
        assert_eq!(whole, Some(format!("{}/{sum}", sum - failed)));
        assert_eq!(rate(&facts, begun, over), Some(format!("0/{failed}")));
        daemon.stop().await;
        scene.end().await;
    });
}

#[test]
fn a_reload_takes_up_and_gives_up_interfaces_and_loses_no_count() {
    run(async {
        let scene = Scene::new("every = \"30s\"\ntimeout = \"2s\"").await;
        let daemon = scene.daemon().await;
        let service = &scene.service;
        daemon.wait_until("some answers", || async { service.asked() >= 4 }).await;
        let text = std::fs::read_to_string(scene.city.configuration_file()).unwrap();
        let wrong = text.replace("every = \"30s\"", "every = \"1s\"");
        std::fs::write(scene.city.configuration_file(), wrong).unwrap();
        let told = daemon.app.foreman.reload().await.unwrap_err();
        assert!(
            told.iter().any(|it| it.what.contains("probe.people-api.every")
                || it.place.as_deref() == Some("probe.people-api.every")),
            "{told:?}"
        );
        let (before, rest) = text.split_once("[[probe]]").unwrap();
        let (_, after) = rest.split_once(PACE).unwrap();
        let without = format!("{before}{PACE}{after}");
        std::fs::write(scene.city.configuration_file(), without).unwrap();
        let reloaded = daemon.app.foreman.reload().await.unwrap();
        assert!(reloaded.changed.iter().any(|it| it == "probe"), "{reloaded:?}");
        daemon
            .wait_until("what was counted is written down", || async {
                let facts = probed(&daemon).await;
                let sum: u64 = facts.iter().map(|(_, ok, _)| ok).sum();
                // One may have been under way.
                sum == service.asked() || sum + 1 == service.asked()
            })
            .await;
        let asked = service.asked();
        let later = scene.clock.now() + Duration::from_mins(10);
        daemon.wait_until("ten minutes", || async { scene.clock.now() > later }).await;
        assert_eq!(service.asked(), asked, "asked though nobody wants it");
        daemon.stop().await;
        scene.end().await;
    });
}
