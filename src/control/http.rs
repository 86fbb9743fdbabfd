//! The HTTP listener: `/metrics` for Prometheus, `/healthz` and `/readyz` for probes, `/status`
//! for whoever has a browser. It only ever reads, and shows sums, never rows.
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
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::Health;

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
        let response = answer(&*health, request.method(), request.uri().path());
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

fn answer<H: Health>(health: &H, method: &Method, path: &str) -> Response<Body> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal =
            response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
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
            "there are /metrics, /healthz, /readyz and /status\n".to_owned(),
        ),
    }
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
