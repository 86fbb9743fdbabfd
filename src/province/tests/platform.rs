//! A platform of one listener that does to each request what its script says, and a made-up
//! standard for it. It reads requests with code of its own.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::province::{Client, Settings};
use crate::standard::{Standard, load};

/// What the platform does with the next request.
pub(super) enum Act {
    /// Sends these bytes and keeps the connection.
    Say(Vec<u8>),
    /// Sends these bytes and cuts.
    SayAndCut(Vec<u8>),
    /// Says nothing, for ever.
    Hang,
    /// Sends these bytes once another request of this kind waits as well.
    Together(Vec<u8>),
}

/// An answer of HTTP.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
    Act::Say([head.as_bytes(), body.as_bytes()].concat())
}

/// A request as the platform saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) from: IpAddr,
}

pub(super) struct Platform {
    listener: TcpListener,
    tls: TlsAcceptor,
    acts: Mutex<VecDeque<Act>>,
    pub(super) seen: Mutex<Vec<Seen>>,
    /// `CONNECT` lines and proxy headers, when the platform is reached as a proxy.
    pub(super) tunnels: Mutex<Vec<String>>,
    pub(super) is_proxy: bool,
    /// It speaks no TLS.
    pub(super) is_plain: bool,
    pair: Barrier,
    inside: AtomicUsize,
    /// The most requests that were read and not answered at one time.
    pub(super) most_inside: AtomicUsize,
    pub(super) dir: tempfile::TempDir,
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Platform {
    /// Listens; writes certificates and keys that a client needs into its folder: `ca.pem`,
    /// `other-ca.pem`, `client.pem`, `client.key`, `other.pem`, `other.key`.
    pub(super) async fn start(acts: Vec<Act>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ca, other) = (issuer("platform CA"), issuer("another CA"));
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("ca.pem", ca.pem());
        write("other-ca.pem", other.pem());
        let leaf = |issuer: &CertifiedIssuer<'static, KeyPair>, name: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            (params.signed_by(&key, issuer).unwrap(), key)
        };
        for (name, issuer) in [("client", &ca), ("other", &other)] {
            let (certificate, key) = leaf(issuer, name);
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        write("secret", "SECRET\n".to_owned());
        let (certificate, key) = leaf(&ca, "platform");
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            tls: TlsAcceptor::from(Arc::new(config)),
            acts: Mutex::new(acts.into()),
            seen: Mutex::new(Vec::new()),
            tunnels: Mutex::new(Vec::new()),
            is_proxy: false,
            is_plain: false,
            pair: Barrier::new(2),
            inside: AtomicUsize::new(0),
            most_inside: AtomicUsize::new(0),
            dir,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Settings with which everything goes well.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            ca_file: Some(self.file("ca.pem")),
            client_certificate_file: Some(self.file("client.pem")),
            client_key_file: Some(self.file("client.key")),
            credentials: BTreeMap::from([("secret".to_owned(), self.file("secret"))]),
            ..Settings::new(format!("https://localhost:{}/up", self.address().port()))
        }
    }

    pub(super) fn client(&self, settings: Settings) -> Client {
        let start = "2026-11-22T08:00:00Z".parse().unwrap();
        Client::new(settings, Arc::new(standard("")), Clock::manual(start)).unwrap()
    }

    /// What `work` gives while the platform serves.
    pub(super) async fn with<T>(&self, work: impl Future<Output = T>) -> T {
        let ear = || Box::pin(self.serve());
        tokio::select! {
            done = work => done,
            _ = async { tokio::join!(ear(), ear(), ear()) } => {
                unreachable!("the platform serves for ever")
            }
        }
    }

    async fn serve(&self) {
        loop {
            let (mut stream, from) = self.listener.accept().await.unwrap();
            if self.is_proxy {
                let Some((head, _)) = read_request(&mut stream).await else { continue };
                self.tunnels.lock().unwrap().push(head);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            }
            if self.is_plain {
                self.converse(stream, from.ip()).await;
            } else if let Ok(stream) = self.tls.accept(stream).await {
                self.converse(stream, from.ip()).await;
            }
        }
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, from: IpAddr) {
        while let Some((head, body)) = read_request(&mut stream).await {
            let mut lines = head.lines();
            let line = lines.next().unwrap_or_default().to_owned();
            let headers = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            self.seen.lock().unwrap().push(Seen { line, headers, body, from });
            let act = self.acts.lock().unwrap().pop_front().expect("an act for each request");
            match act {
                Act::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
                Act::SayAndCut(bytes) => {
                    stream.write_all(&bytes).await.unwrap();
                    return;
                }
                Act::Hang => std::future::pending().await,
                Act::Together(bytes) => {
                    let inside = self.inside.fetch_add(1, Ordering::Relaxed) + 1;
                    self.most_inside.fetch_max(inside, Ordering::Relaxed);
                    self.pair.wait().await;
                    // Room for a third request, should the client let one go.
                    for _ in 0..500 {
                        tokio::task::yield_now().await;
                    }
                    self.inside.fetch_sub(1, Ordering::Relaxed);
                    stream.write_all(&bytes).await.unwrap();
                }
            }
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut part = vec![0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length: usize = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = bytes[end + 4..].to_vec();
    let have = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[have..]).await.ok()?;
    Some((head, body))
}

/// A made-up standard; `more` is added to its settings.
pub(super) fn standard(more: &str) -> Standard {
    let toml = format!(
        r#"
id = "made-up"
version = "1"
title = "made up for tests"
modelled_on = "nothing"
evidence = "receipt"
zone = "Asia/Shanghai"
[http]
media = "application/xml"
method = "POST"
[http.headers]
x-time = "{{attempt.time ms}}"
x-batch = "{{batch.id}}"
[sign]
algorithm = "hmac-sha256"
key = "credential.secret"
over = ["{{request.method}}", "{{request.path}}", "{{body.sha256}}"]
join = "|"
encode = "hex"
into = "header:x-sign"
tolerance = "5m"
[reply]
common = "pong"
accepted = ["fine"]
refused = ["bad*"]
retry = ["http-502"]
auth = ["http-401"]
[[operation]]
name = "heartbeat"
title = "ping"
path = "/ping"
message = "ping"
compress = "gzip"
{more}
"#
    );
    let ping = "path,title,on,when,value,type,format,length,required,codes,clause,basis\n\
                Ping/@when,时间,,,attempt.time,time,%Y-%m-%d %H:%M:%S,,yes,,1,model\n\
                Ping/Batch,批次,,,batch.id,text,,,yes,,1,model\n\
                query:kind,种类,,,\"fixed \"\"a b\"\"\",text,,,yes,,1,model\n";
    let pong = "path,title,meaning,type,codes,required,clause,basis\n\
                Pong/Is,结果,code,text,,yes,1,model\n\
                Pong/Word,信息,message,text,,no,1,model\n";
    let files =
        [("standard.toml", toml.as_str()), ("messages/ping.csv", ping), ("replies/pong.csv", pong)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    load(&files.into()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}
