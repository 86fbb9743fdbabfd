//! Platforms that are wrong in one way each, on loopback, each a thread that lasts as long as the
//! test's process. What speaks a TLS that no library speaks any more is a scripted first answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use cascaded::clock::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Listens and hands each connection to `serve`.
pub(super) fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    address
}

/// An address at which nobody listens.
pub(super) fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Answers whatever comes first with these bytes and closes.
pub(super) fn scripted(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    listen(move |mut stream| {
        let mut came = [0_u8; 4096];
        let count = stream.read(&mut came).unwrap_or_default();
        let _sent = stream.write_all(&answer(came.get(..count).unwrap_or_default()));
    })
}

/// Takes connections and says nothing.
pub(super) fn silent() -> SocketAddr {
    let kept = std::sync::Mutex::new(Vec::new());
    listen(move |stream| kept.lock().unwrap().push(stream))
}

/// Takes no more connections: as many wait already as may.
pub(super) async fn full() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // The kernel takes one or two more than it was told.
    for _ in 0..4 {
        let connecting = tokio::net::TcpStream::connect(address);
        let limit = std::time::Duration::from_millis(200);
        waiting.extend(tokio::time::timeout(limit, connecting).await);
    }
    std::mem::forget((listener, waiting));
    address
}

/// What a server that would go on says first: a version and a cipher.
pub(super) fn server_hello(version: u16, suite: u16) -> Vec<u8> {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend(suite.to_be_bytes());
    hello.push(0);
    let mut record = vec![22];
    record.extend(version.to_be_bytes());
    record.extend(u16::try_from(hello.len() + 4).unwrap().to_be_bytes());
    record.extend([2, 0, 0, u8::try_from(hello.len()).unwrap()]);
    record.extend(hello);
    record
}

/// The version that a client's hello says.
fn hello_version(came: &[u8]) -> u16 {
    let version = came.get(9..).and_then(|rest| rest.first_chunk::<2>());
    version.map_or(0, |version| u16::from_be_bytes(*version))
}

/// Speaks only this version, with this cipher: turns other versions away as old servers do, those
/// that are newer by an alert.
pub(super) fn speaks(version: u16, suite: u16) -> SocketAddr {
    scripted(move |came| {
        let modern = came.windows(2).any(|it| it == [0x00, 0x2b]) && version < 0x0303;
        let offers = came.windows(2).any(|it| it == suite.to_be_bytes());
        if offers && hello_version(came) == version && !modern {
            server_hello(version, suite)
        } else {
            // protocol_version, fatal.
            vec![21, 3, 1, 0, 2, 2, 70]
        }
    })
}

/// An authority's or a server's certificate with its key.
pub(super) struct Holder {
    pub(super) pem: String,
    pub(super) key: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is to be.
pub(super) struct Wish<'a> {
    pub(super) name: &'a str,
    pub(super) organisation: &'a str,
    pub(super) hosts: &'a [&'a str],
    /// Days from now.
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) is_authority: bool,
    pub(super) purpose: Option<ExtendedKeyUsagePurpose>,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self {
            name: "platform",
            organisation: "Example Province",
            hosts: &["localhost", "127.0.0.1"],
            from: -10,
            until: 400,
            is_authority: false,
            purpose: Some(ExtendedKeyUsagePurpose::ServerAuth),
        }
    }
}

impl Wish<'_> {
    pub(super) fn authority() -> Self {
        Wish { name: "Example Root", is_authority: true, hosts: &[], ..Wish::default() }
    }

    /// By itself, or by an authority.
    pub(super) fn made(&self, by: Option<&Holder>) -> Holder {
        let mut params = CertificateParams::default();
        let mut names = DistinguishedName::new();
        names.push(DnType::CommonName, self.name);
        names.push(DnType::OrganizationName, self.organisation);
        params.distinguished_name = names;
        for host in self.hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_name) => SanType::DnsName((*host).try_into().unwrap()),
            });
        }
        let day = |days: i64| {
            let now = Clock::system().now().to_zoned(jiff::tz::TimeZone::UTC);
            let date = now.checked_add(jiff::Span::new().days(days)).unwrap().date();
            rcgen::date_time_ymd(
                date.year().into(),
                date.month().try_into().unwrap(),
                date.day().try_into().unwrap(),
            )
        };
        (params.not_before, params.not_after) = (day(self.from), day(self.until));
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        } else {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = self.purpose.iter().cloned().collect();
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            Some(by) => params.signed_by(&key, &by.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Holder {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            issuer: Issuer::new(params, key),
        }
    }
}

/// A platform over TLS with this chain and key; `answer` is given the head of a request.
pub(super) fn platform(
    chain: &str,
    key: &str,
    demands: Option<&str>,
    answer: impl Fn(&str) -> String + Send + 'static,
) -> SocketAddr {
    let certificates = |pem: &str| {
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap()
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match demands {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(authority));
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = Arc::new(config.with_single_cert(certificates(chain), key).unwrap());
    listen(move |stream| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        let (mut head, mut part) = (Vec::new(), [0_u8; 1024]);
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            match stream.read(&mut part) {
                Ok(count @ 1..) => head.extend(part.iter().take(count)),
                Ok(_) | Err(_) => return,
            }
        }
        let answer = answer(&String::from_utf8_lossy(&head));
        let _sent = stream.write_all(answer.as_bytes());
        stream.conn.send_close_notify();
        let _flushed = stream.flush();
    })
}

/// An HTTP answer.
pub(super) fn http(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )
}
