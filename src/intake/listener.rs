//! The HTTPS listener for counties: TLS, bounds, one county's requests beside another's.
//!
//! Who a request claims to be from is looked at before its body is read: it takes a place of that
//! county's own, or is told to come later. One request of a county is worked on at a time, on a
//! pool that nobody else uses: a flood waits behind itself.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::answer::{spoken, tell};
use super::desk::{County, Desk, Ruling};
use super::request::{Request, pairs, unescaped};
use super::settings::{Problem, Settings};
use crate::catalogue::{Kind, ObjectKey};
use crate::clock::Clock;
use crate::delivery::LinkState;
use crate::province::{Credentials, Ferry, Side};
use crate::standard::Operation;
use crate::standard::settings::Class;
use crate::supervisor::Pool;

/// Connections at once; further ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 256;
/// Of one address: counties behind one proxy share them.
const MOST_OF_ONE: usize = 64;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a head may take, and how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);
/// How long a body may take.
const BODY: Duration = Duration::from_secs(60);
/// How long a connection may last in all.
const CONNECTION: Duration = Duration::from_secs(900);
/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// Requests worked on at once, of all counties.
const DESKS: usize = 3;
/// When a county that asks too often may ask again.
const SOON: Duration = Duration::from_secs(1);

/// What became above of an object of the city's catalogue.
pub type Above =
    Arc<dyn Fn(ObjectKey) -> Pin<Box<dyn Future<Output = Option<LinkState>> + Send>> + Send + Sync>;

/// A bound listener that takes counties in once [`Listener::serve`] runs.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What connections share.
struct Shared {
    desk: Arc<Desk>,
    above: Above,
    pool: Pool,
    peers: Mutex<HashMap<IpAddr, usize>>,
}

impl Listener {
    /// Reads the certificates and binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// A file cannot be used, or the address is taken.
    pub async fn bind(settings: &Settings) -> Result<Self, Error> {
        let tls = TlsAcceptor::from(Arc::new(tls(settings)?));
        let failed = |source| Error::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes counties in until `stop` completes. What is being worked on then comes to its end; an
    /// answer that does not get through is asked for again by who sent the request.
    pub async fn serve(self, desk: Arc<Desk>, above: Above, stop: impl Future<Output = ()>) {
        let peers = Mutex::default();
        let shared = Arc::new(Shared { desk, above, pool: Pool::new(DESKS), peers });
        let mut stop = pin!(stop);
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                    match accepted {
                        Ok((stream, peer)) => {
                            let Some(seat) = Seat::take(&shared, peer.ip()) else { continue };
                            connections.push(connection(stream, self.tls.clone(), seat));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "could not accept a county's connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
            }
        }
        drop(connections);
        // What had begun is durable or not before anybody else opens the stores.
        shared.pool.quiet().await;
    }
}

/// A connection of an address, counted.
struct Seat {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Seat {
    fn take(shared: &Arc<Shared>, peer: IpAddr) -> Option<Self> {
        let mut peers = shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.entry(peer).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        drop(peers);
        Some(Self { shared: Arc::clone(shared), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

fn tls(settings: &Settings) -> Result<ServerConfig, Error> {
    fn failed<E: std::error::Error + Send + Sync + 'static>(
        action: &'static str,
    ) -> impl Fn(E) -> Error {
        move |source| Error::Certificates { action, source: Box::new(source) }
    }
    let read = |path: &Path| std::fs::read(path);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed("choose the versions of TLS"))?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let pem = read(path).map_err(failed("read the authority of the counties"))?;
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate =
                    certificate.map_err(failed("read the authority of the counties"))?;
                roots.add(certificate).map_err(failed("trust the authority of the counties"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(failed("demand certificates of counties"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let pem = read(&settings.certificate_file).map_err(failed("read the certificate"))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed("read the certificate"))?;
    let pem = zeroize::Zeroizing::new(
        read(&settings.key_file).map_err(failed("read the certificate's key"))?,
    );
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(failed("read the certificate's key"))?;
    let mut config = builder.with_single_cert(chain, key).map_err(failed("use the certificate"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads every file that the section names: certificates, keys, credentials. Every problem at once.
pub fn examine(settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |place: &str, error: &Error| {
        let message = crate::telemetry::logs::Chain(error).to_string();
        found.push(Problem { place: place.to_owned(), message });
    };
    if let Err(error) = tls(settings) {
        add("certificate_file", &error);
    }
    for county in &settings.counties {
        if let Err(source) = Credentials::read(&county.credentials) {
            let error = Error::Credentials { county: county.id.clone(), source };
            add(&format!("county.{}.credentials", county.id), &error);
        }
        let ferry = county.ferry.clone();
        if let Some(Err(source)) = ferry.map(|it| Ferry::new(it, Side::Above, Clock::system())) {
            let error = Error::Ferry { county: county.id.clone(), source };
            add(&format!("county.{}.ferry", county.id), &error);
        }
    }
    found
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, seat: Seat) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await else {
        return;
    };
    let shared = &seat.shared;
    let service = service_fn(move |request| {
        let shared = Arc::clone(shared);
        async move { Ok::<_, std::convert::Infallible>(serve(&shared, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD_BYTES.max(64 << 10));
    let served = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION, served).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a county's connection ended badly"),
    }
}

async fn serve(shared: &Shared, request: HttpRequest<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let mut request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: Vec::new(),
    };
    let desk = &shared.desk;
    let Some(operation) = addressed(desk, &request) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let Some(county) = desk.claimed(&request.headers) else {
        let ruling = Ruling::told(Class::Auth, "sender is not known");
        return written(desk, operation, &ruling);
    };
    let place = Arc::clone(&county.places).try_acquire_owned();
    let (Ok(_place), true) = (place, desk.admits(&county)) else {
        desk.told_busy(&county);
        return written(desk, operation, &Ruling::busy("too many requests", SOON));
    };
    let read = to_bytes(Body::new(body), desk.body_bytes());
    match tokio::time::timeout(BODY, read).await {
        Ok(Ok(bytes)) => request.body = bytes.to_vec(),
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_late) => return plain(StatusCode::REQUEST_TIMEOUT),
    }
    ruled(shared, county, request).await
}

/// The operation in whose words an answer is given before anything is read.
fn addressed<'d>(desk: &'d Desk, request: &Request) -> Option<&'d Operation> {
    let mut found = desk.standard().addressed(&request.method, &unescaped(&request.path, false));
    if found.is_empty() { None } else { Some(found.swap_remove(0).0) }
}

async fn ruled(shared: &Shared, county: Arc<County>, request: Request) -> Response<Body> {
    let desk = Arc::clone(&shared.desk);
    // The semaphores are never closed.
    let turn = Arc::clone(&county.turn).acquire_owned().await;
    let sender = Arc::clone(&county);
    let done = shared.pool.run(move || {
        let _turn = turn;
        let ruled = desk.rule(&county, &request);
        let told = ruled.map(|it| it.map(|(operation, ruling)| (operation.name.clone(), ruling)));
        told.inspect_err(|error| {
            let county = &county.settings.id;
            let (code, error) = (error.code(), crate::telemetry::logs::Chain(error));
            tracing::error!(county, code, %error, "a county cannot be answered");
        })
    });
    let (name, mut ruling) = match done.await {
        Ok(Some(ruled)) => ruled,
        Ok(None) => return plain(StatusCode::NOT_FOUND),
        Err(_told) => return plain(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let desk = &shared.desk;
    if ruling.after.is_some() {
        desk.told_busy(&sender);
    }
    let Some(operation) = desk.standard().operation(&name) else {
        return plain(StatusCode::NOT_FOUND);
    };
    if let Some((kind, id)) = ruling.about.take()
        && let Some(kind) = Kind::parse(&kind)
        && let Some(state) = (shared.above)(ObjectKey { kind, id }).await
    {
        tell(&mut ruling.says, state);
    }
    written(desk, operation, &ruling)
}

fn written(desk: &Desk, operation: &Operation, ruling: &Ruling) -> Response<Body> {
    let answer = spoken(desk, operation, ruling);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        // A text that no header can carry is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            response = response.header(name.as_str(), value);
        }
    }
    if let Some(after) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, after);
    }
    response
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from(answer.body))
        .unwrap_or_else(|_error| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
