//! A handshake that looks and trusts nobody: what the other side offers, which certificates it
//! shows, whether it asks for ours, and what its clock says.
//!
//! Nothing secret is said on it: our certificate where one is configured, and the head of the
//! address. Whether the chain holds is judged afterwards, by what was seen.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::Url;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::door::status;

/// The head of an answer is no longer.
const HEAD_BYTES: usize = 8 << 10;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Version and cipher, where both agreed.
    pub(super) agreed: Option<(String, String)>,
    /// What it showed, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// It asked for our certificate.
    pub(super) asked: bool,
    /// Why there was no handshake, or why it was taken back.
    pub(super) failure: Option<Broken>,
    /// The time it says.
    pub(super) date: Option<Timestamp>,
}

/// How a handshake ended without one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    /// It said why.
    Alert(AlertDescription),
    /// Anything else that ended it: what came was not understood, or nothing came.
    Otherwise,
}

/// Takes every certificate and keeps what was shown. For looking only.
struct Watcher {
    provider: Arc<CryptoProvider>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watcher")
    }
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let all = all.map(|it| it.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Shows our certificate where there is one, and notes that it was asked for.
struct Ours {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl fmt::Debug for Ours {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ours")
    }
}

impl ResolvesClientCert for Ours {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Shakes hands and asks for the head of the address. Not bounded in time: the caller is.
pub(super) async fn shake(
    stream: TcpStream,
    url: &Url,
    name: &ServerName<'static>,
    ours: Option<Arc<CertifiedKey>>,
    provider: &Arc<CryptoProvider>,
) -> Seen {
    let shown = Mutex::default();
    let watcher = Arc::new(Watcher { provider: Arc::clone(provider), shown });
    let ours = Arc::new(Ours { key: ours, asked: AtomicBool::new(false) });
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions();
    let Ok(config) = config else { return Seen::default() };
    let mut config = config
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Watcher>::clone(&watcher))
        .with_client_cert_resolver(Arc::<Ours>::clone(&ours));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut seen = Seen::default();
    match TlsConnector::from(Arc::new(config)).connect(name.clone(), stream).await {
        Ok(mut session) => {
            let (_, state) = session.get_ref();
            let version = state.protocol_version().and_then(|it| it.as_str());
            let suite = state.negotiated_cipher_suite().and_then(|it| it.suite().as_str());
            let told = |word: Option<&str>| word.unwrap_or("?").to_owned();
            seen.agreed = Some((told(version), told(suite)));
            match head(&mut session, url).await {
                Ok(head) => seen.date = date(&head),
                Err(error) => seen.failure = alert(&error).map(Broken::Alert),
            }
        }
        Err(error) => {
            seen.failure = Some(alert(&error).map_or(Broken::Otherwise, Broken::Alert));
        }
    }
    seen.asked = ours.asked.load(Ordering::Relaxed);
    seen.chain = std::mem::take(&mut *watcher.shown.lock().unwrap_or_else(PoisonError::into_inner));
    seen
}

/// Asks for the head of the address; what came until the empty line or the end.
pub(super) async fn head(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    url: &Url,
) -> io::Result<Vec<u8>> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let request =
        format!("HEAD {} HTTP/1.1\r\nHost: {host}{port}\r\nConnection: close\r\n\r\n", url.path());
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    let mut part = [0_u8; 1024];
    while head.len() < HEAD_BYTES && !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let count = match stream.read(&mut part).await {
            Ok(count) => count,
            Err(error) if head.is_empty() => return Err(error),
            Err(_cut) => 0,
        };
        if count == 0 {
            break;
        }
        head.extend_from_slice(part.get(..count).unwrap_or_default());
    }
    Ok(head)
}

/// The time that an answer says (RFC 9110 §6.6.1).
pub(super) fn date(head: &[u8]) -> Option<Timestamp> {
    status(head)?;
    let text = String::from_utf8_lossy(head);
    let line = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim().to_owned())
    })?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&line).ok()
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if let rustls::Error::AlertReceived(alert) = tls { Some(*alert) } else { None }
}
