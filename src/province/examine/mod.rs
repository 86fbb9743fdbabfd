//! What stands between us and a platform, looked at step by step: its name, a connection, the
//! proxy, TLS with what the other side offers, the certificates of both sides, and its clock.
//!
//! The client of a channel says one word for each of these; whoever installs needs to know which of
//! a dozen causes it is. Nothing here trusts what it sees, and nothing secret is said before the
//! channel's own client does it: the head of the address is asked for and nothing else. Each step
//! is bounded by the channel's `connect_timeout`.

mod chain;
mod door;
mod handshake;
mod hello;
mod own;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use rustls::AlertDescription;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub use self::chain::Flaw;
use self::chain::Trusted;
use self::handshake::{Broken, Seen};
use self::hello::{Answer, Greeting};
pub use self::own::{OwnFlaw, own};
use super::settings::Settings;

/// How long the other side may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(3);

/// Where the first connection of a channel goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// To the platform.
    Platform,
    /// To the gateway on this machine.
    Gateway,
    /// To the forward proxy.
    Proxy,
}

/// What ended the look before the platform's HTTP was reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hindrance {
    /// The address that connections are to come from is not ours.
    SourceAddress(IpAddr),
    /// The name has no address.
    Unresolved(String),
    /// The resolver does not answer.
    ResolverSilent(String),
    /// The address is none that a platform can have.
    NowhereAddress(IpAddr),
    /// Nobody listens.
    Refused(SocketAddr),
    /// No route.
    Unreachable(SocketAddr),
    /// No answer in time.
    Silent(SocketAddr),
    /// The connection fails in another way.
    Cut(String),
    /// The gateway on this machine: why.
    Gateway(Box<Hindrance>),
    /// The proxy: why.
    Proxy(Box<Hindrance>),
    /// The proxy wants other credentials.
    ProxyCredentials,
    /// The proxy does not let us through: its status.
    ProxyForbids(String),
    /// Plain HTTP where TLS was expected.
    SpeaksHttp,
    /// Something else where TLS was expected.
    SpeaksOther,
    /// No answer to the handshake in time.
    TlsSilent,
    /// Every handshake is cut off.
    TlsCut,
    /// Only this old version.
    TlsOld(String),
    /// Only this cipher.
    TlsCiphers(String),
    /// Only the commercial ciphers' version, with this cipher.
    TlsShangmi(String),
    /// Refused with this alert.
    TlsRefused(String),
    /// TLS where plain HTTP was expected.
    SpeaksTls,
    /// It wants a certificate of ours, and there is none.
    ClientWanted,
    /// It does not accept ours: its alert.
    ClientRefused(String),
}

/// What was seen on the way to a platform.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Line {
    /// What ended the look.
    pub hindrance: Option<Hindrance>,
    /// Version and cipher that both agreed on.
    pub agreed: Option<(String, String)>,
    /// What is wrong with the certificates shown.
    pub flaw: Option<Flaw>,
    /// When the platform's certificate ends.
    pub ends: Option<Timestamp>,
    /// How far its clock is ahead of ours.
    pub ahead: Option<SignedDuration>,
}

impl Line {
    fn ended(hindrance: Hindrance) -> Self {
        Self { hindrance: Some(hindrance), ..Self::default() }
    }
}

/// Looks at the way to the platform of these settings. Asks for the head of the address and sends
/// nothing else; at most a handful of connections, each bounded.
pub async fn line(settings: &Settings, now: Timestamp) -> Line {
    let Ok(url) = Url::parse(&settings.url) else { return Line::default() };
    let stream = match door::open(settings, &url).await {
        Ok(stream) => stream,
        Err(hindrance) => return Line::ended(hindrance),
    };
    if url.scheme() != "https" {
        let asked = timeout(settings.connect_timeout, plain(stream, &url, now)).await;
        // Whoever is slow here is asked again by the channel's client, which says so.
        return asked.unwrap_or_default();
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let Ok(name) = ServerName::try_from(host.clone()) else { return Line::default() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let ours = own::key(settings, &provider);
    let has_own = ours.is_some();
    let shaken = handshake::shake(stream, &url, &name, ours, &provider);
    // The handshake and the head of an answer: each may take as long as a connection.
    let Ok(seen) = timeout(settings.connect_timeout * 2, Box::pin(shaken)).await else {
        return Line::ended(Hindrance::TlsSilent);
    };
    let hindrance = hindered(settings, &url, &seen, has_own).await;
    let roots = settings.ca_file.as_ref().and_then(|path| own::certificates(path));
    let roots = roots.map(Trusted::of);
    let shown = Some(&seen.chain).filter(|it| !it.is_empty());
    let leaf = shown.and_then(|it| Some(X509Certificate::from_der(it.first()?).ok()?.1));
    Line {
        hindrance,
        flaw: shown.and_then(|it| chain::judge(it, roots.as_ref(), &name, now, &provider)),
        ends: leaf.and_then(|it| chain::validity(&it)).map(|(_, ends)| ends),
        ahead: seen.date.map(|date| date.duration_since(now)),
        agreed: seen.agreed,
    }
}

/// An address without TLS: whether HTTP is spoken there.
async fn plain(mut stream: tokio::net::TcpStream, url: &Url, now: Timestamp) -> Line {
    let Ok(head) = handshake::head(&mut stream, url).await else { return Line::default() };
    let tells = |text: &[u8]| head.windows(text.len()).any(|it| it == text);
    // An alert, or a server's word for people whose request was not encrypted.
    if matches!(head.as_slice(), [21, 3, ..])
        || (door::status(&head) == Some(400) && tells(b"HTTPS"))
    {
        return Line::ended(Hindrance::SpeaksTls);
    }
    let ahead = handshake::date(&head).map(|date| date.duration_since(now));
    Line { ahead, ..Line::default() }
}

/// Why there was no handshake.
async fn hindered(settings: &Settings, url: &Url, seen: &Seen, has_own: bool) -> Option<Hindrance> {
    let failure = seen.failure.as_ref()?;
    if let Broken::Alert(alert) = failure
        && seen.asked
    {
        let told = alert_name(*alert);
        return Some(match has_own {
            true => Hindrance::ClientRefused(told),
            false => Hindrance::ClientWanted,
        });
    }
    if seen.agreed.is_some() {
        return None;
    }
    let mut alert = match failure {
        Broken::Alert(alert) => Some(alert_name(*alert)),
        Broken::Otherwise => None,
    };
    let mut is_silent = true;
    for greeting in Greeting::ALL {
        match greeted(settings, url, greeting).await {
            Some(Answer::Hello { version, suite }) => return Some(spoken(version, suite)),
            Some(Answer::Http) => return Some(Hindrance::SpeaksHttp),
            Some(Answer::Other) => return Some(Hindrance::SpeaksOther),
            Some(Answer::Alert(number)) => {
                is_silent = false;
                alert = alert.or_else(|| Some(alert_name(AlertDescription::from(number))));
            }
            Some(Answer::Nothing) => is_silent = false,
            // One that lets a greeting wait lets the next one wait too.
            None => break,
        }
    }
    Some(match alert {
        Some(alert) => Hindrance::TlsRefused(alert),
        None if is_silent => Hindrance::TlsSilent,
        None => Hindrance::TlsCut,
    })
}

/// What it means that somebody would go on like this.
fn spoken(version: u16, suite: u16) -> Hindrance {
    let (version_name, suite_name) = (hello::version_name(version), hello::suite_name(suite));
    match version {
        0x0101 => Hindrance::TlsShangmi(suite_name),
        0x0303.. => Hindrance::TlsCiphers(format!("{version_name}, {suite_name}")),
        _ => Hindrance::TlsOld(format!("{version_name}, {suite_name}")),
    }
}

/// One greeting on a connection of its own; `None` where nothing came in time.
async fn greeted(settings: &Settings, url: &Url, greeting: Greeting) -> Option<Answer> {
    let limit = GREETING.min(settings.connect_timeout);
    let mut stream = door::open(settings, url).await.ok()?;
    let asked = async {
        let host = url.domain();
        if stream.write_all(&hello::greeting(greeting, host)).await.is_err() {
            return Answer::Nothing;
        }
        let mut came = Vec::new();
        let mut part = [0_u8; 512];
        while !hello::is_enough(&came) {
            match stream.read(&mut part).await {
                Ok(count @ 1..) => came.extend_from_slice(part.get(..count).unwrap_or_default()),
                Ok(0) | Err(_) => break,
            }
        }
        hello::read(&came)
    };
    timeout(limit, asked).await.ok()
}

fn alert_name(alert: AlertDescription) -> String {
    alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned)
}

/// A certificate and its key, ready to be shown.
type Identity = Arc<CertifiedKey>;
/// What does the mathematics.
type Provider = Arc<CryptoProvider>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_would_go_on_with_says_which_of_three_it_is() {
        let cbc = "TLS_RSA_WITH_AES_128_CBC_SHA";
        assert_eq!(spoken(0x0303, 0x002f), Hindrance::TlsCiphers(format!("TLS 1.2, {cbc}")));
        assert_eq!(spoken(0x0301, 0x002f), Hindrance::TlsOld(format!("TLS 1.0, {cbc}")));
        assert_eq!(spoken(0x0300, 0x002f), Hindrance::TlsOld(format!("SSL 3.0, {cbc}")));
        assert_eq!(spoken(0x0101, 0xe013), Hindrance::TlsShangmi("ECC_SM4_CBC_SM3".to_owned()));
    }
}
