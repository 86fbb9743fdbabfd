//! A city without Alertmanager is told what began and what ended, over real TLS, and nobody else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use cascaded::clock::Clock;
use cascaded::demo::Scale;
use cascaded::rehearsal::certificates::{Certificates, Identity};
use cascaded::supervisor::{StopPolicy, Supervisor};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::daemon::{PACE, TestCity, run};
use crate::support::operator::{Service, Speech, command, get, wait_for};
use crate::support::tls::listen;

const KEY: &str = "key-4711-of-the-address";
const TOKEN: &str = "Bearer token-0815";

/// Somebody's service: takes requests over TLS and answers what it is told to.
struct Receiver {
    address: SocketAddr,
    answer: Arc<AtomicU16>,
    requests: Arc<Mutex<Vec<(String, String)>>>,
    supervisor: Supervisor,
}

impl Receiver {
    async fn start(identity: &Identity) -> Self {
        let (listener, acceptor, address) = listen(identity).await;
        let answer = Arc::new(AtomicU16::new(200));
        let requests = Arc::<Mutex<Vec<(String, String)>>>::default();
        let supervisor = Supervisor::new(Clock::system(), 1);
        let (told, kept) = (Arc::clone(&answer), Arc::clone(&requests));
        supervisor.spawn("receiver", StopPolicy::Abort, async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                // Who does not trust us hangs up here.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let Some(request) = read(&mut stream).await else { continue };
                let status = told.load(Ordering::SeqCst);
                if status == 200 {
                    kept.lock().unwrap().push(request);
                }
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self { address, answer, requests, supervisor }
    }

    /// Every change that was told so far: event, state, subject.
    fn changes(&self) -> Vec<(String, String, String)> {
        let requests = self.requests.lock().unwrap();
        let bodies = requests.iter().map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
        let text = |it: &Value, key| it.get(key).and_then(Value::as_str).unwrap().to_owned();
        bodies
            .flat_map(|body| body.get("changes").and_then(Value::as_array).unwrap().clone())
            .map(|it| (text(&it, "event"), text(&it, "state"), text(&it, "subject")))
            .collect()
    }

    fn count(&self, event: &str, state: &str) -> usize {
        self.changes().iter().filter(|it| it.0 == event && it.1 == state).count()
    }

    fn wait_for(&self, event: &str, state: &str, service: &Service) {
        wait_for(
            &format!("{event} {state}"),
            || (self.count(event, state) > 0).then_some(()),
            || format!("{:#?}\n{}", self.changes(), service.log()),
        );
    }
}

/// The head and the body of one request.
async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(part.get(..count)?);
        let text = String::from_utf8(bytes.clone()).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        if body.len() >= length.parse().ok()? {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// A demonstration that tells the receiver, trusting this authority.
async fn city(receiver: &Receiver, authority: &str) -> TestCity {
    let address = receiver.address;
    let city = TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
        plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        plan.extra = format!(
            "{PACE}[notify]\nurl_file = \"keys/notify.url\"\nsteady = \"300ms\"\ntimeout = \"5s\"\n\
             authorization_file = \"keys/notify.token\"\nca_file = \"keys/notify.pem\"\n\n"
        );
    })
    .await;
    let keys = city.path().join("keys");
    secret(&keys.join("notify.url"), &format!("https://{address}/hook/{KEY}\n"));
    secret(&keys.join("notify.token"), TOKEN);
    secret(&keys.join("notify.pem"), authority);
    city
}

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_begins_and_what_ends_is_told_once_over_tls_without_content_or_secrets() {
    run(async {
        let certificates = Certificates::generate().unwrap();
        let receiver = Receiver::start(&certificates.server).await;
        let city = city(&receiver, &certificates.authority).await;
        // At first nobody takes it: it must be told all the same, and once.
        receiver.answer.store(503, Ordering::SeqCst);
        let mut service = Service::start(&city, &[]);
        service.settled();
        let metrics = service.http();
        wait_for(
            "a failure is counted",
            || {
                let (_, page) = get(metrics, "/metrics")?;
                let failed = "cascade_notifications_total{outcome=\"failed\"} ";
                let line = page.lines().find_map(|line| line.strip_prefix(failed))?;
                (line != "0").then_some(())
            },
            || service.log(),
        );
        receiver.answer.store(200, Ordering::SeqCst);
        receiver.wait_for("overdue", "began", &service);
        city.platform.faults().begin_outage();
        let asked = service.asked(Speech::English, &["resync", "--all", "--full"]);
        assert_eq!(asked.code, Some(0), "{asked:?}");
        receiver.wait_for("channel-down", "began", &service);
        // Page and gauge say the same.
        let body = |path: &str| get(metrics, path).map(|(_, body)| body).unwrap_or_default();
        assert!(body("/?lang=en").contains("does not answer"), "{}", body("/?lang=en"));
        let silent = "cascade_channel_silent_seconds{channel=\"province\"} ";
        assert!(!body("/metrics").contains(&format!("{silent}0\n")), "it is silent");
        city.platform.faults().end_outage();
        receiver.wait_for("channel-down", "ended", &service);
        assert!(body("/metrics").contains(&format!("{silent}0\n")), "it answers again");
        // Each overdue dataset is told of once.
        let mut overdue = receiver.changes();
        overdue.retain(|(event, state, _)| event == "overdue" && state == "began");
        let told = overdue.len();
        overdue.sort();
        overdue.dedup();
        assert_eq!((overdue.len(), told), (5, 5), "{overdue:?}");
        for (head, body) in &*receiver.requests.lock().unwrap() {
            assert!(head.starts_with(&format!("POST /hook/{KEY} ")), "{head}");
            assert!(head.contains(&format!("authorization: {TOKEN}")), "{head}");
            assert!(head.contains("content-type: application/json"), "{head}");
            for defect in &city.made.as_ref().unwrap().defects {
                assert!(!body.contains(&defect.key), "a key is told: {}", defect.key);
            }
        }
        let log = service.log();
        assert!(log.contains("a notification was not taken"), "{log}");
        for secret in [KEY, "token-0815"] {
            assert!(!log.contains(secret), "a secret is in the log: {log}");
        }
        service.stop();
        receiver.supervisor.stop();
        city.close().await;
    });
}

#[test]
fn a_receiver_that_is_not_trusted_hears_nothing() {
    run(async {
        let certificates = Certificates::generate().unwrap();
        let receiver = Receiver::start(&certificates.stranger).await;
        let city = city(&receiver, &certificates.authority).await;
        let mut service = Service::start(&city, &[]);
        service.settled();
        wait_for(
            "it is told that nobody can be notified",
            || service.log().contains("a notification was not taken").then_some(()),
            || service.log(),
        );
        assert_eq!(receiver.requests.lock().unwrap().len(), 0);
        service.stop();
        receiver.supervisor.stop();
        city.close().await;
    });
}

#[test]
fn an_address_that_others_can_read_is_told_by_check() {
    run(async {
        let certificates = Certificates::generate().unwrap();
        let receiver = Receiver::start(&certificates.server).await;
        let city = city(&receiver, &certificates.authority).await;
        let file = city.path().join("keys/notify.url");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let path = city.configuration_file().to_str().unwrap().to_owned();
        let said = command(Speech::English, &["check", "--config", &path]);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.err.contains("notify") && !said.err.contains(KEY), "{said:?}");
        receiver.supervisor.stop();
        city.close().await;
    });
}
