//! What goes out: slots, signature, compression, tokens.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::platform::{Act, Platform, answer, standard};
use crate::clock::Clock;
use crate::delivery::{DigestSha256, Outcome};
use crate::province::{Client, Placement, Reply, Settings};
use crate::signing::{Algorithm, Encoding, Key, Secret, verify};
use crate::wire::Compression;

const FINE: &str = "<Pong><Is>fine</Is></Pong>";

#[tokio::test]
async fn slots_are_filled_and_the_signature_covers_what_went_out() {
    let platform = Platform::start(vec![answer("200 OK", "", FINE)]).await;
    let client = platform.client(platform.settings());
    let message = client.standard().sample("heartbeat").unwrap();
    let placement = Placement {
        operation: "heartbeat",
        payload: &message.payload,
        parameters: &message.parameters,
        batch: "b7",
        attempt: 12,
    };
    let permit = crate::delivery::Permit::granted();
    let reply = platform.with(client.place(&permit, placement)).await;
    let seen = platform.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.line, "POST /up/ping?kind=a+b HTTP/1.1");
    let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    assert_eq!(header("x-time"), "1795334400000");
    assert_eq!(header("x-batch"), "b7");
    assert_eq!(header("content-encoding"), "gzip");
    assert_eq!(header("content-type"), "application/xml; charset=utf-8");
    let plain = Compression::Gzip.decompress(&seen.body, 10_000).unwrap();
    let plain = String::from_utf8(plain).unwrap();
    assert!(plain.contains("when=\"2026-11-22 16:00:00\""), "{plain}");
    let digest = DigestSha256::of(&seen.body);
    assert_eq!(reply.sent, Some(digest));
    let signed = format!("POST|/up/ping|{digest}");
    let secret = Secret::new("SECRET");
    let signature = Encoding::Hex.decode(&header("x-sign")).unwrap();
    let key = Key::Shared(&secret);
    assert!(verify(Algorithm::HmacSha256, key, [signed.as_bytes()], &signature));
    assert!(!format!("{client:?} {reply:?}").contains("SECRET"));
}

#[tokio::test]
async fn as_many_requests_are_in_flight_as_the_settings_say() {
    let together = || {
        let Act::Say(bytes) = answer("200 OK", "", FINE) else {
            panic!("an answer says something")
        };
        Act::Together(bytes)
    };
    let platform = Platform::start((0..6).map(|_| together()).collect()).await;
    let timeout = Some(Duration::from_secs(20));
    let settings = Settings { in_flight: NonZeroU32::new(2), timeout, ..platform.settings() };
    let client = platform.client(settings);
    let message = client.standard().sample("heartbeat").unwrap();
    let asks = (0..6).map(|_| client.collect("heartbeat", &message, ""));
    let replies = platform.with(futures_util::future::join_all(asks)).await;
    let is_taken = |reply: &Reply| matches!(reply.reading.outcome, Outcome::Accepted { .. });
    assert!(replies.iter().all(is_taken), "{replies:?}");
    assert_eq!(platform.most_inside.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told() {
    let date =
        |time: &str| answer("200 OK", &format!("date: Sun, 22 Nov 2026 {time} GMT\r\n"), FINE);
    let platform =
        Platform::start(vec![date("08:04:59"), date("08:05:01"), date("07:54:00")]).await;
    let client = platform.client(platform.settings());
    let message = client.standard().sample("heartbeat").unwrap();
    let mut off = Vec::new();
    let work = async {
        for _ in 0..3 {
            let reply = client.collect("heartbeat", &message, "").await;
            off.push(client.is_clock_off(&reply));
        }
    };
    platform.with(work).await;
    assert_eq!(off, [false, true, true]);
}

#[tokio::test]
async fn a_reload_reads_secrets_again_and_keeps_the_old_ones_on_an_error() {
    let acts = (0..3).map(|_| answer("200 OK", "", FINE)).collect();
    let platform = Platform::start(acts).await;
    let client = platform.client(platform.settings());
    let message = client.standard().sample("heartbeat").unwrap();
    let ask = async || client.collect("heartbeat", &message, "").await;
    let work = async {
        ask().await;
        std::fs::write(platform.file("secret"), "").unwrap();
        assert!(client.reload().is_err());
        ask().await;
        std::fs::write(platform.file("secret"), "NEW").unwrap();
        client.reload().unwrap();
        ask().await;
    };
    platform.with(work).await;
    let seen = platform.seen.lock().unwrap().clone();
    let valid = |at: usize, secret: &str| {
        let signed = format!("POST|/up/ping|{}", DigestSha256::of(&seen[at].body));
        let signature = Encoding::Hex.decode(&seen[at].headers["x-sign"]).unwrap();
        let secret = Secret::new(secret);
        verify(Algorithm::HmacSha256, Key::Shared(&secret), [signed.as_bytes()], &signature)
    };
    assert!(valid(0, "SECRET") && valid(1, "SECRET") && valid(2, "NEW"));
}

const AUTH: &str = r#"
[auth]
kind = "oauth-client-credentials"
path = "/token"
token = "T/Access"
lifetime = "20m"
[auth.form]
grant_type = "client_credentials"
client_secret = "{credential.secret}"
[auth.headers]
authorization = "Bearer {token}"
"#;

fn token(text: &str) -> Act {
    answer("200 OK", "content-type: text/xml\r\n", &format!("<T><Access>{text}</Access></T>"))
}

#[tokio::test]
async fn a_token_is_fetched_once_and_refreshed_once() {
    let acts = vec![
        token("one"),
        answer("200 OK", "", FINE),
        answer("401 Unauthorized", "", ""),
        token("two"),
        answer("401 Unauthorized", "", ""),
    ];
    let platform = Platform::start(acts).await;
    let clock = Clock::manual("2026-11-22T08:00:00Z".parse().unwrap());
    let client = Client::new(platform.settings(), Arc::new(standard(AUTH)), clock).unwrap();
    let message = client.standard().sample("heartbeat").unwrap();
    let ask = async || client.collect("heartbeat", &message, "").await;
    let (first, second) = platform.with(async { (ask().await, ask().await) }).await;
    assert!(matches!(first.reading.outcome, Outcome::Accepted { .. }), "{first:?}");
    assert!(matches!(second.reading.outcome, Outcome::Auth { .. }), "{second:?}");
    let seen = platform.seen.lock().unwrap().clone();
    let said: Vec<String> = seen
        .iter()
        .map(|it| it.headers.get("authorization").cloned().unwrap_or_else(|| it.line.clone()))
        .collect();
    let (fetch, one, two) = ("POST /up/token HTTP/1.1", "Bearer one", "Bearer two");
    assert_eq!(said, [fetch, one, one, fetch, two]);
    assert_eq!(seen[0].body, b"client_secret=SECRET&grant_type=client_credentials");
    assert!(!format!("{client:?}").contains("two"));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let acts = vec![answer("503 Service Unavailable", "", ""), answer("403 Forbidden", "", "")];
    let platform = Platform::start(acts).await;
    let client =
        Client::new(platform.settings(), Arc::new(standard(AUTH)), Clock::system()).unwrap();
    let message = client.standard().sample("heartbeat").unwrap();
    let ask = async || client.collect("heartbeat", &message, "").await;
    let (busy, refused) = platform.with(async { (ask().await, ask().await) }).await;
    assert!(matches!(busy.reading.outcome, Outcome::Retry { .. }), "{busy:?}");
    assert!(matches!(refused.reading.outcome, Outcome::Auth { .. }), "{refused:?}");
    assert_eq!((busy.sent, refused.sent), (None, None));
    let lines: Vec<String> =
        platform.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect();
    assert!(lines.iter().all(|line| line.starts_with("POST /up/token")), "{lines:?}");
}
