//! The HTTP listener: `/` for whoever has a browser, `/metrics` for Prometheus, `/healthz` and
//! `/readyz` for probes, `/status` for machines. It only ever reads, and shows sums, never rows.
//!
//! `/healthz` and `/readyz` say why when they say no: one reason per line, status 503. Nothing
//! that a client does can make it hold more than a fixed amount: connections, heads and their
//! time are bounded, bodies are never read.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, Request, Response, StatusCode};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::Health;
use super::page;
use crate::language::Language;

/// The most connections at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 64;

/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How long a client may take to send a head, and how long an idle connection is kept. Longer than
/// Prometheus' usual interval is pointless: it reconnects.
const HEAD_DEADLINE: Duration = Duration::from_secs(20);

/// How long a connection may last in all.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(600);

/// The listener as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A bound listener that answers once [`Listener::serve`] runs.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes; open connections are then cut, for nothing is lost by it.
    pub async fn serve<H: Health>(self, health: Arc<H>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = &mut stop => return,
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => connections.push(serve_one(stream, Arc::clone(&health))),
                        Err(error) => {
                            tracing::warn!(%error, "could not accept an HTTP connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
            }
        }
    }
}

async fn serve_one<H: Health>(stream: TcpStream, health: Arc<H>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&*health, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_DEADLINE, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection ended badly"),
    }
}

fn answer<H: Health, B>(health: &H, request: &Request<B>) -> Response<Body> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal =
            response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => shown(health, request),
        "/metrics" => {
            response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", health.metrics())
        }
        "/healthz" => verdict(&health.not_alive()),
        "/readyz" => verdict(&health.not_ready()),
        "/status" => match health.summary().map(|summary| serde_json::to_string(&summary)) {
            Some(Ok(text)) => response(StatusCode::OK, "application/json", text + "\n"),
            Some(Err(_)) | None => {
                response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no sums yet\n".to_owned())
            }
        },
        _ => response(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /, /metrics, /healthz, /readyz and /status\n".to_owned(),
        ),
    }
}

/// The status page, in the reader's language and with what a browser may do with it.
fn shown<H: Health, B>(health: &H, request: &Request<B>) -> Response<Body> {
    let accept = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::negotiate(request.uri().query(), accept);
    let text = page::page(health.page().as_deref(), language);
    let mut shown = response(StatusCode::OK, "text/html; charset=utf-8", text);
    let headers = shown.headers_mut();
    // Digests and words of our own: a header's value always.
    if let Ok(policy) = HeaderValue::from_str(page::policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    shown
}

fn verdict(reasons: &[String]) -> Response<Body> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if reasons.is_empty() {
        return response(StatusCode::OK, TEXT, "ok\n".to_owned());
    }
    let mut text = reasons.join("\n");
    text.push('\n');
    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
}

fn response(status: StatusCode, media: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::protocol::Summary;
    use super::*;

    #[derive(Default)]
    struct Patient {
        ill: Mutex<Vec<String>>,
        summary: Mutex<Option<Summary>>,
    }

    impl Health for Patient {
        fn metrics(&self) -> String {
            "# HELP a b\n# TYPE a gauge\na 1\n".to_owned()
        }
        fn not_alive(&self) -> Vec<String> {
            Vec::new()
        }
        fn not_ready(&self) -> Vec<String> {
            self.ill.lock().unwrap().clone()
        }
        fn summary(&self) -> Option<Summary> {
            *self.summary.lock().unwrap()
        }
        fn page(&self) -> Option<Arc<page::Page>> {
            None
        }
    }

    /// Sends `head` to a listener of its own and gives everything that comes back.
    async fn answers(patient: &Arc<Patient>, heads: &[&str]) -> Vec<String> {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = listener.serve(Arc::clone(patient), async { drop(stopped.await) });
        let client = async move {
            let mut answers = Vec::new();
            for head in heads {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                answers.push(String::from_utf8(answer).unwrap());
            }
            stop.send(()).unwrap();
            answers
        };
        tokio::join!(server, client).1
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn a_probe_says_why_when_it_says_no() {
        let patient = Arc::new(Patient::default());
        let well = answers(&patient, &[&get("/healthz"), &get("/readyz"), &get("/status")]).await;
        assert!(well[0].starts_with("HTTP/1.1 200 ") && well[1].starts_with("HTTP/1.1 200 "));
        assert!(well[2].starts_with("HTTP/1.1 503 "), "{}", well[2]);
        *patient.ill.lock().unwrap() = vec!["ledger: full".to_owned(), "channel: held".to_owned()];
        *patient.summary.lock().unwrap() = Some(Summary::default());
        let ill = answers(&patient, &[&get("/readyz"), &get("/status")]).await;
        assert!(ill[0].starts_with("HTTP/1.1 503 "));
        assert!(ill[0].ends_with("ledger: full\nchannel: held\n"), "{}", ill[0]);
        assert!(ill[1].contains(r#""rows":{"due":0"#), "{}", ill[1]);
    }

    #[tokio::test]
    async fn the_page_speaks_the_readers_language_and_lets_a_browser_do_nothing_else() {
        let patient = Arc::new(Patient::default());
        let english = get("/").replace("host: a", "host: a\r\naccept-language: en-GB,zh;q=0.1");
        let heads = [&get("/"), &english, &get("/?lang=zh&x=1"), &english.replace("GET", "HEAD")];
        let said = answers(&patient, &heads.map(String::as_str)).await;
        for (text, language, words) in [
            (&said[0], "zh-CN", "尚无数据"),
            (&said[1], "en", "No data yet"),
            (&said[2], "zh-CN", "尚无数据"),
        ] {
            assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
            assert!(text.contains(&format!("content-language: {language}\r\n")), "{text}");
            assert!(
                text.contains(words)
                    && text.contains("content-security-policy: default-src 'none'")
            );
            for header in ["x-content-type-options: nosniff", "vary: accept-language", "no-store"] {
                assert!(text.contains(header), "{header}: {text}");
            }
        }
        assert!(said[3].ends_with("\r\n\r\n") && said[3].contains("text/html"), "{}", said[3]);
    }

    #[tokio::test]
    async fn metrics_come_in_the_text_format_and_nothing_else_is_served() {
        let post = get("/metrics").replace("GET", "POST");
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(2 * MAX_HEAD_BYTES));
        let patient = Arc::new(Patient::default());
        let said = answers(&patient, &[&get("/metrics"), &post, &get("/other"), &long]).await;
        assert!(said[0].contains("text/plain; version=0.0.4") && said[0].ends_with("a 1\n"));
        assert!(said[1].starts_with("HTTP/1.1 405 "), "{}", said[1]);
        assert!(said[2].starts_with("HTTP/1.1 404 "), "{}", said[2]);
        assert!(
            said[3].starts_with("HTTP/1.1 431 ") || said[3].starts_with("HTTP/1.1 414 "),
            "{}",
            said[3]
        );
    }
}
