//! The HTTPS listener: TLS, bounds, and the faults that are played on the line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request as HttpRequest, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::certificates::Identity;
use super::desk::{Answer, Desk, Request};
use super::{Error, Fault, Faults};
use crate::clock::Clock;
use crate::supervisor::{Pool, StopPolicy, Supervisor, sleep};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between two tries to get the port back after an outage.
const REBIND: Duration = Duration::from_millis(10);

/// What the platform shows of itself, rightly and wrongly.
pub(super) struct Tls {
    own: TlsAcceptor,
    stranger: TlsAcceptor,
}

impl Tls {
    pub(super) fn new(
        own: &Identity,
        stranger: &Identity,
        client_authority: Option<&str>,
    ) -> Result<Self, Error> {
        Ok(Self {
            own: acceptor(own, client_authority)?,
            stranger: acceptor(stranger, client_authority)?,
        })
    }
}

fn failed<E>(operation: &'static str) -> impl Fn(E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| Error::Certificates { operation, source: Box::new(source) }
}

fn acceptor(identity: &Identity, authority: Option<&str>) -> Result<TlsAcceptor, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed("choose the versions of TLS"))?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(failed("read the clients' authority"))?;
                roots.add(certificate).map_err(failed("trust the clients' authority"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(failed("demand client certificates"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed("read the server's certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
        .map_err(failed("read the server's key"))?;
    let mut config =
        builder.with_single_cert(chain, key).map_err(failed("use the server's certificate"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What a server is made of.
pub(super) struct Parts {
    pub(super) tls: Tls,
    pub(super) pool: Pool,
    pub(super) clock: Clock,
    pub(super) desk: Arc<Mutex<Desk>>,
    pub(super) faults: Faults,
}

/// What it will not go beyond.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) body_bytes: usize,
}

/// See the module.
pub(super) struct Server {
    parts: Arc<Parts>,
    bounds: Bounds,
    supervisor: Supervisor,
}

/// The answer does not arrive: the connection closes.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

impl Server {
    pub(super) fn new(parts: Parts, bounds: Bounds, supervisor: Supervisor) -> Self {
        Self { parts: Arc::new(parts), bounds, supervisor }
    }

    /// Takes connections until the platform is stopped; in an outage nobody listens.
    pub(super) async fn listen(self, listener: TcpListener, address: SocketAddr) {
        let mut listener = Some(listener);
        let mut line = self.parts.faults.line();
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        loop {
            let now = *line.borrow_and_update();
            if now.stopped {
                return;
            }
            if now.outage {
                listener = None;
                if line.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(open) = &listener else {
                match TcpListener::bind(address).await {
                    Ok(bound) => listener = Some(bound),
                    Err(_) => tokio::time::sleep(REBIND).await,
                }
                continue;
            };
            let accepted = tokio::select! {
                changed = line.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                accepted = open.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: let connections end.
                tokio::time::sleep(REBIND).await;
                continue;
            };
            // Beyond the bound the connection is closed at once.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (parts, bounds) = (Arc::clone(&self.parts), self.bounds);
            let task = async move {
                connection(stream, parts, bounds).await;
                drop(place);
            };
            self.supervisor.spawn_passing("rehearsal connection", StopPolicy::Abort, task);
        }
    }
}

async fn connection(stream: TcpStream, parts: Arc<Parts>, bounds: Bounds) {
    let mut line = parts.faults.line();
    let cut = async move {
        // An error means that the platform is gone, which cuts as well.
        let is_gone = line.wait_for(|line| line.outage || line.stopped).await.is_err();
        tracing::trace!(is_gone, "a connection is cut");
    };
    let served = async move {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let wrong = parts.faults.draw_certificate();
        let acceptor = if wrong { &parts.tls.stranger } else { &parts.tls.own };
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
            return;
        };
        let service = service_fn(move |request| serve(Arc::clone(&parts), bounds, request));
        let http = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = http {
            tracing::debug!(%error, "a connection ended early");
        }
    };
    tokio::select! {
        () = cut => {}
        () = served => {}
    }
}

async fn serve(
    parts: Arc<Parts>,
    bounds: Bounds,
    request: HttpRequest<Incoming>,
) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), bounds.body_bytes).await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let headers = head.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: query(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    let desk = Arc::clone(&parts.desk);
    // The desk's own lock makes the order; the pool keeps it off the runtime's threads.
    let answer = parts
        .pool
        .run(move || desk.lock().unwrap_or_else(PoisonError::into_inner).answer(&request))
        .await;
    match answer {
        Ok(answer) => play(&parts, answer).await,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the rehearsal platform failed to answer");
            Ok(plain(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// Sends the answer with the fault that was drawn for it.
async fn play(parts: &Parts, mut answer: Answer) -> Result<Response<Body>, Lost> {
    match answer.fault.take() {
        Some(Fault::LoseAnswer) => Err(Lost),
        Some(Fault::Silent | Fault::LoseAnswerSilently) => {
            sleep(&parts.clock, Faults::SILENCE).await;
            Err(Lost)
        }
        Some(Fault::CutBody) => {
            let body = std::mem::take(&mut answer.body);
            let length = body.len();
            let half = Bytes::from(body).slice(..length / 2);
            let pieces = stream::iter([Ok(half), Err(Lost)]);
            Ok(response(&answer, length, Body::from_stream(pieces)))
        }
        Some(Fault::Slow { per_byte }) => {
            let body = std::mem::take(&mut answer.body);
            let length = body.len();
            let clock = parts.clock.clone();
            let bytes = stream::unfold(body.into_iter(), move |mut rest| {
                let clock = clock.clone();
                async move {
                    let byte = rest.next()?;
                    sleep(&clock, per_byte).await;
                    Some((Ok::<_, Lost>(Bytes::from(vec![byte])), rest))
                }
            });
            Ok(response(&answer, length, Body::from_stream(bytes)))
        }
        Some(Fault::Hold) => {
            let mut line = parts.faults.line();
            let before = line.borrow_and_update().released;
            parts.faults.count_held();
            // An error means that the platform is gone: the connection is cut then.
            if line.wait_for(|line| line.released > before).await.is_err() {
                return Err(Lost);
            }
            Ok(whole(answer))
        }
        // The desk has played these already.
        Some(
            Fault::Refuse { .. }
            | Fault::ServerError { .. }
            | Fault::TooMany { .. }
            | Fault::DuplicateVerdicts
            | Fault::LateVerdicts { .. }
            | Fault::ContradictVerdicts { .. }
            | Fault::DoubtVerdicts
            | Fault::ForeignVerdict { .. }
            | Fault::ReceiptWithoutStoring
            | Fault::UnknownCode { .. }
            | Fault::UnknownField { .. },
        )
        | None => Ok(whole(answer)),
    }
}

fn whole(mut answer: Answer) -> Response<Body> {
    let body = std::mem::take(&mut answer.body);
    let length = body.len();
    response(&answer, length, Body::from(body))
}

fn response(answer: &Answer, length: usize, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    // The length is told even where fewer bytes will follow.
    response
        .header(header::CONTENT_LENGTH, length)
        .body(body)
        .unwrap_or_else(|_error| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Pairs of a query string, percent signs decoded.
pub(super) fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.extend(u8::from_str_radix(&digits, 16));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
