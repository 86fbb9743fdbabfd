//! One HTTP exchange: sent once, bounded, and sorted when it fails.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use rustls::AlertDescription;

use super::credentials;
use super::error::{Error, Failure};
use super::settings::Settings;
use crate::delivery::DigestSha256;
use crate::signing::Secret;
use crate::wire::Compression;

/// What is sent.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// SHA-256 of the body.
    pub(super) digest: DigestSha256,
}

impl Request {
    pub(super) fn new(method: Method, url: Url, headers: HeaderMap, body: Vec<u8>) -> Self {
        let digest = DigestSha256::of(&body);
        Self { method, url, headers, body, digest }
    }
}

/// What came back, decompressed and whole.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case; values that are no text are left out.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<String>,
    pub(super) date: Option<String>,
}

/// What every exchange on a channel keeps to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) timeout: Duration,
    pub(super) reply_bytes: usize,
}

/// A channel's connections.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    bounds: Bounds,
}

impl Transport {
    /// Opens nothing yet: reads certificates and keys.
    pub(super) fn new(settings: &Settings, bounds: Bounds) -> Result<Self, Error> {
        let built = Self::builder(settings, bounds)?.build();
        let http = built.map_err(|cause| Error::Client(cause.without_url()))?;
        Ok(Self { http, bounds })
    }

    /// A client of the channel's settings, before it is built.
    pub(super) fn builder(
        settings: &Settings,
        bounds: Bounds,
    ) -> Result<reqwest::ClientBuilder, Error> {
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .timeout(bounds.timeout)
            .http1_max_headers(100)
            // A connection that idles longer is more likely to be cut under a request.
            .pool_idle_timeout(Duration::from_secs(20))
            .local_address(settings.source_address)
            .user_agent(concat!("cascaded/", env!("CARGO_PKG_VERSION")));
        if let Some((name, via)) = fronted(settings) {
            builder = builder.resolve(&name, via);
        }
        if let Some(path) = &settings.ca_file {
            let what = "certificates to trust";
            let pem = credentials::read(what, path, false)?;
            let reason = "the file holds no certificate in PEM";
            let content = || Error::Content { what, path: path.clone(), reason };
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_pem| content())?;
            if found.is_empty() {
                return Err(content());
            }
            builder = builder.tls_certs_only(found);
        } else if !speaks_tls(settings) {
            // A bare system trusts no authority, and that would be a mistake.
            builder = builder.tls_certs_only([]);
        }
        if let Some(identity) = identity(settings)? {
            builder = builder.identity(identity);
        }
        if let Some(proxy) = proxy(settings)? {
            builder = builder.proxy(proxy);
        }
        Ok(builder)
    }

    /// Sends once. Not cancel-safe: a caller that drops this does not know whether it arrived.
    pub(super) async fn exchange(&self, request: Request) -> Result<Answer, Failure> {
        let Request { method, url, headers, body, digest: _ } = request;
        let sent = self.http.request(method, url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|cause| sort(&cause))?;
        let limit = self.bounds.reply_bytes;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|cause| cut(&cause))? {
            if body.len() + part.len() > limit {
                return Err(Failure::Unclear { code: "reply-too-large" });
            }
            body.extend_from_slice(&part);
        }
        let headers = response.headers();
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let encoding = Compression::of_content_encoding(text(CONTENT_ENCODING).unwrap_or_default());
        let body = encoding
            .and_then(|way| way.decompress(&body, limit).ok())
            .ok_or(Failure::Unclear { code: "reply-not-decompressed" })?;
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: text(RETRY_AFTER).map(str::to_owned),
            date: text(DATE).map(str::to_owned),
            headers: headers
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body,
        })
    }
}

/// The platform's name, and the gateway on this machine that stands in front of it.
fn fronted(settings: &Settings) -> Option<(String, SocketAddr)> {
    let url = Url::parse(&settings.url).ok()?;
    Some((url.host_str()?.to_owned(), settings.via?))
}

/// Whether anybody shows a certificate: over a ferry, into a folder and in the clear nobody does.
fn speaks_tls(settings: &Settings) -> bool {
    let is_tls = |address: &str| address.to_ascii_lowercase().starts_with("https:");
    is_tls(&settings.url) || settings.proxy.as_deref().is_some_and(is_tls)
}

fn identity(settings: &Settings) -> Result<Option<reqwest::Identity>, Error> {
    let (certificate, key) = match (&settings.client_certificate_file, &settings.client_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) | (None, Some(_)) => {
            let reason = "a client certificate and its key are given together";
            return Err(Error::Setting { setting: "client_certificate_file", reason });
        }
    };
    let mut pem = credentials::read("client certificate", certificate, false)?;
    let secret = Secret::new(credentials::read("client key", key, true)?);
    pem.push(b'\n');
    pem.extend_from_slice(secret.expose());
    let both = Secret::new(pem);
    let reason = "the files hold no certificate and key in PEM";
    reqwest::Identity::from_pem(both.expose()).map(Some).map_err(|_pem| Error::Content {
        what: "client certificate",
        path: certificate.clone(),
        reason,
    })
}

fn proxy(settings: &Settings) -> Result<Option<reqwest::Proxy>, Error> {
    let Some(address) = &settings.proxy else { return Ok(None) };
    let wrong = |reason| Error::Setting { setting: "proxy", reason };
    let url = Url::parse(address).map_err(|_url| wrong("not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("its password belongs into proxy_credentials_file"));
    }
    let mut proxy = reqwest::Proxy::all(url).map_err(|_url| wrong("not an address"))?;
    if let Some(path) = &settings.proxy_credentials_file {
        let what = "proxy credentials";
        let secret = credentials::secret(what, path)?;
        let pair = secret.expose_text().and_then(|text| text.split_once(':'));
        let reason = "not of the form user:password";
        let (user, password) =
            pair.ok_or_else(|| Error::Content { what, path: path.clone(), reason })?;
        proxy = proxy.basic_auth(user, password);
    }
    Ok(Some(proxy))
}

/// A client that keeps to what every channel keeps to, for whoever asks another address.
///
/// No redirects, no repetitions, no proxy of the environment. At most `idle` connections to a host
/// stay open. Blocking work: files are read.
///
/// # Errors
/// A certificate or key that is missing, exposed or something else.
pub fn client(
    settings: &Settings,
    timeout: Duration,
    idle: usize,
) -> Result<reqwest::Client, Error> {
    let builder = Transport::builder(settings, Bounds { timeout, reply_bytes: 0 })?;
    let built = builder.pool_max_idle_per_host(idle).build();
    built.map_err(|cause| Error::Client(cause.without_url()))
}

/// The stable word for why no reply began, whoever was asked.
pub fn failure_code(cause: &reqwest::Error) -> String {
    match sort(cause).code() {
        "province-certificate-not-trusted" => "certificate-not-trusted".to_owned(),
        code => code.to_owned(),
    }
}

/// A header; values never show in `Debug`.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// What it means that no reply began.
fn sort(cause: &reqwest::Error) -> Failure {
    if cause.is_builder() {
        return Failure::NotSent { code: "request-not-made" };
    }
    if let Some(tls) = find::<rustls::Error>(cause) {
        use rustls::Error as E;
        let is_untrusted = matches!(tls, E::InvalidCertificate(_) | E::NoCertificatesPresented);
        // An alert instead of a handshake's end (TLS 1.3 tells a client only afterwards that its
        // certificate was not accepted): the platform read no request.
        let is_refused = matches!(tls, E::AlertReceived(alert) if is_handshake_alert(*alert));
        return match () {
            () if is_untrusted => Failure::NotSent { code: "province-certificate-not-trusted" },
            () if is_refused => Failure::NotSent { code: "tls-refused" },
            () if cause.is_connect() => Failure::NotSent { code: "tls-failed" },
            () => Failure::Unclear { code: "tls-broken" },
        };
    }
    let code = match () {
        () if cause.is_dns() => "name-not-resolved",
        () if cause.is_connect() && cause.is_timeout() => "connect-timed-out",
        () if cause.is_connect() => "connect-failed",
        () if cause.is_timeout() => return Failure::Unclear { code: "timed-out" },
        () => return Failure::Unclear { code: "connection-cut" },
    };
    Failure::NotSent { code }
}

/// Alerts by which a platform refuses a handshake (RFC 8446 §6.2).
fn is_handshake_alert(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::HandshakeFailure
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::ProtocolVersion
            | A::InsufficientSecurity
            | A::UnrecognisedName
            | A::CertificateRequired
    )
}

/// What it means that a reply began and did not end.
fn cut(cause: &reqwest::Error) -> Failure {
    Failure::Unclear { code: if cause.is_timeout() { "timed-out" } else { "reply-cut" } }
}

/// The first cause of this type, looking into I/O errors.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An I/O error's own source is that of what it wraps, not what it wraps.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
