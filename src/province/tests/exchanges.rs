//! What becomes of a request on a bad way, and what it means.

use std::time::Duration;

use super::platform::{Act, Platform, answer};
use crate::delivery::Outcome;
use crate::province::{Client, Error, Reply, Settings};

const FINE: &str = "<Pong><Is>fine</Is></Pong>";

async fn ping(client: &Client) -> Reply {
    let message = client.standard().sample("heartbeat").unwrap();
    client.collect("heartbeat", &message, "b1").await
}

async fn one(acts: Vec<Act>, change: impl FnOnce(&Platform, &mut Settings)) -> (Reply, usize) {
    let platform = Platform::start(acts).await;
    let mut settings = platform.settings();
    change(&platform, &mut settings);
    let client = platform.client(settings);
    let reply = platform.with(ping(&client)).await;
    let seen = platform.seen.lock().unwrap().len();
    (reply, seen)
}

fn is_retry(reply: &Reply, expected: &str) -> bool {
    matches!(&reply.reading.outcome, Outcome::Retry { code, .. } if code == expected)
        && reply.sent.is_none()
}

fn is_unknown(reply: &Reply, expected: &str) -> bool {
    matches!(&reply.reading.outcome, Outcome::Unknown { code } if code == expected)
        && reply.sent.is_some()
}

#[tokio::test]
async fn a_good_answer_is_accepted() {
    let (reply, seen) = one(vec![answer("200 OK", "", FINE)], |_, _| {}).await;
    assert!(matches!(reply.reading.outcome, Outcome::Accepted { .. }), "{:?}", reply.reading);
    assert_eq!((reply.status, reply.said.as_slice(), seen), (Some(200), FINE.as_bytes(), 1));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_takes_nothing() {
    let (reply, seen) =
        one(vec![], |platform, settings| settings.ca_file = Some(platform.file("other-ca.pem")))
            .await;
    assert!(is_retry(&reply, "province-certificate-not-trusted"), "{:?}", reply.reading);
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_certificate_of_another_name_takes_nothing() {
    let (reply, seen) = one(vec![], |platform, settings| {
        settings.url = format!("https://127.0.0.1:{}", platform.address().port());
    })
    .await;
    assert!(is_retry(&reply, "province-certificate-not-trusted"), "{:?}", reply.reading);
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_client_certificate_that_the_platform_does_not_trust_takes_nothing() {
    let (reply, seen) = one(vec![], |platform, settings| {
        settings.client_certificate_file = Some(platform.file("other.pem"));
        settings.client_key_file = Some(platform.file("other.key"));
    })
    .await;
    assert!(is_retry(&reply, "tls-refused"), "{:?}", reply.reading);
    assert_eq!(seen, 0);
    let (reply, _) = one(vec![], |_, settings| {
        settings.client_certificate_file = None;
        settings.client_key_file = None;
    })
    .await;
    assert!(is_retry(&reply, "tls-refused"), "{:?}", reply.reading);
}

#[tokio::test]
async fn without_a_listener_or_a_name_nothing_is_taken() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (reply, _) =
        one(vec![], |_, settings| settings.url = format!("https://localhost:{port}")).await;
    assert!(is_retry(&reply, "connect-failed"), "{:?}", reply.reading);
    let (reply, _) =
        one(vec![], |_, settings| settings.url = "https://no-such-host.invalid".to_owned()).await;
    let Outcome::Retry { code, .. } = reply.reading.outcome else { panic!("{:?}", reply.reading) };
    assert!(["name-not-resolved", "connect-failed"].contains(&code.as_str()), "{code}");
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_is_not_sent_again() {
    for act in [Act::SayAndCut(vec![]), Act::SayAndCut(b"HTTP/1.1 200".to_vec())] {
        let (reply, seen) = one(vec![act], |_, _| {}).await;
        assert!(is_unknown(&reply, "connection-cut"), "{:?}", reply.reading);
        assert_eq!(seen, 1);
    }
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n<Pong><Is>fine</Is></Pong>".to_vec();
    let (reply, seen) = one(vec![Act::SayAndCut(cut)], |_, _| {}).await;
    assert!(is_unknown(&reply, "reply-cut"), "{:?}", reply.reading);
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_slow_platform_is_unknown() {
    let limit = Duration::from_millis(300);
    let (reply, seen) = one(vec![Act::Hang], |_, settings| settings.timeout = Some(limit)).await;
    assert!(is_unknown(&reply, "timed-out"), "{:?}", reply.reading);
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn an_answer_past_the_limit_is_unknown() {
    let huge = "x".repeat(100_000);
    let limit = |_: &Platform, settings: &mut Settings| settings.max_reply_bytes = Some(10_000);
    let (reply, _) = one(vec![answer("200 OK", "", &huge)], limit).await;
    assert!(is_unknown(&reply, "reply-too-large"), "{:?}", reply.reading);
    let bomb = crate::wire::Compression::Gzip.compress(huge.as_bytes());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let act = Act::Say([head.as_bytes(), &bomb].concat());
    let (reply, _) = one(vec![act], limit).await;
    assert!(is_unknown(&reply, "reply-not-decompressed"), "{:?}", reply.reading);
}

#[tokio::test]
async fn an_unreadable_answer_is_unknown_and_a_gateways_page_is_classed_by_its_status() {
    let (reply, _) = one(vec![answer("200 OK", "", "<html><br></html>")], |_, _| {}).await;
    assert!(is_unknown(&reply, "unreadable-answer"), "{:?}", reply.reading);
    let page = answer("502 Bad Gateway", "content-type: text/html\r\n", "<html><br></html>");
    let (reply, _) = one(vec![page], |_, _| {}).await;
    assert!(
        matches!(&reply.reading.outcome, Outcome::Retry { code, .. } if code == "http-502"),
        "{:?}",
        reply.reading
    );
}

#[tokio::test]
async fn a_platform_that_asks_to_wait_is_heard() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (reply, _) = one(vec![answer(status, "retry-after: 7\r\n", "")], |_, _| {}).await;
        let Outcome::Retry { after, .. } = reply.reading.outcome else {
            panic!("{:?}", reply.reading)
        };
        assert_eq!(after, Some(Duration::from_secs(7)));
        assert!(reply.reading.drift.is_empty(), "{:?}", reply.reading.drift);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (reply, seen) =
        one(vec![answer("302 Found", "location: https://localhost/\r\n", "")], |_, _| {}).await;
    assert!(matches!(reply.reading.outcome, Outcome::Unlisted { .. }), "{:?}", reply.reading);
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn connections_come_from_the_source_address() {
    let platform = Platform::start(vec![answer("200 OK", "", FINE)]).await;
    let address = "127.0.0.9".parse().unwrap();
    let settings = Settings { source_address: Some(address), ..platform.settings() };
    let client = platform.client(settings);
    platform.with(ping(&client)).await;
    assert_eq!(platform.seen.lock().unwrap()[0].from, address);
}

#[tokio::test]
async fn a_proxy_carries_the_connection_and_learns_nothing_of_it() {
    let mut platform = Platform::start(vec![answer("200 OK", "", FINE)]).await;
    platform.is_proxy = true;
    let port = platform.address().port();
    std::fs::write(platform.file("proxy"), "user:word\n").unwrap();
    std::process::Command::new("chmod").arg("600").arg(platform.file("proxy")).status().unwrap();
    let settings = Settings {
        url: "https://localhost:1/up".to_owned(),
        proxy: Some(format!("http://127.0.0.1:{port}")),
        proxy_credentials_file: Some(platform.file("proxy")),
        ..platform.settings()
    };
    let client = platform.client(settings);
    let reply = platform.with(ping(&client)).await;
    assert!(matches!(reply.reading.outcome, Outcome::Accepted { .. }), "{:?}", reply.reading);
    let tunnels = platform.tunnels.lock().unwrap().clone();
    assert_eq!(tunnels.len(), 1);
    assert!(tunnels[0].starts_with("CONNECT localhost:1 HTTP/1.1"), "{}", tunnels[0]);
    // RFC 7617: base64 of user:word.
    assert!(tunnels[0].contains("Basic dXNlcjp3b3Jk"), "{}", tunnels[0]);
    assert!(!tunnels[0].contains("x-sign"));
}

#[tokio::test]
async fn a_gateway_on_this_machine_takes_what_is_said_to_the_platform_by_its_name() {
    let mut platform = Platform::start(vec![answer("200 OK", "", FINE)]).await;
    platform.is_plain = true;
    let fronted = Settings {
        url: "http://share.gov.example/up".to_owned(),
        via: Some(platform.address()),
        ..platform.settings()
    };
    let client = platform.client(fronted);
    let reply = platform.with(ping(&client)).await;
    assert!(matches!(reply.reading.outcome, Outcome::Accepted { .. }), "{:?}", reply.reading);
    let seen = platform.seen.lock().unwrap().remove(0);
    assert_eq!(seen.headers.get("host").map(String::as_str), Some("share.gov.example"));
    assert!(seen.line.contains(" /up"), "{}", seen.line);
}

#[tokio::test]
async fn a_gateway_that_speaks_tls_shows_the_platforms_certificate() {
    let platform = Platform::start(vec![answer("200 OK", "", FINE)]).await;
    let through = |name: &str| Settings {
        url: format!("https://{name}/up"),
        via: Some(platform.address()),
        ..platform.settings()
    };
    let other = platform.client(through("other.gov.example"));
    let reply = platform.with(ping(&other)).await;
    assert!(is_retry(&reply, "province-certificate-not-trusted"), "{:?}", reply.reading);
    assert!(platform.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn channels_that_cannot_be_opened_say_why() {
    let platform = Platform::start(vec![]).await;
    let open = |change: &dyn Fn(&mut Settings)| {
        let mut settings = platform.settings();
        change(&mut settings);
        let standard = std::sync::Arc::new(super::platform::standard(""));
        Client::new(settings, standard, crate::clock::Clock::system()).map(drop)
    };
    assert!(open(&|_| {}).is_ok());
    let missing = open(&|it| it.credentials.clear());
    assert!(matches!(missing, Err(Error::Credentials { missing }) if missing == ["secret"]));
    assert!(matches!(open(&|it| it.url = "ftp://x".to_owned()), Err(Error::Setting { .. })));
    assert!(matches!(open(&|it| it.url = "https://x?a=b".to_owned()), Err(Error::Setting { .. })));
    assert!(matches!(open(&|it| it.client_key_file = None), Err(Error::Setting { .. })));
    let secret = platform.file("secret");
    assert!(matches!(open(&|it| it.ca_file = Some(secret.clone())), Err(Error::Content { .. })));
    assert!(matches!(
        open(&|it| it.client_key_file = Some(secret.clone())),
        Err(Error::Content { .. })
    ));
    assert!(matches!(open(&|it| it.ca_file = Some("/no/file".into())), Err(Error::Read { .. })));
    let proxy = open(&|it| it.proxy = Some("http://user:hunter2@x".to_owned()));
    assert!(!format!("{:?}", proxy.unwrap_err()).contains("hunter2"));
}
