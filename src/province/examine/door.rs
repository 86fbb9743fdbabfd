//! To the door of a platform: its name, its address, a connection, and the proxy between.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Door, Hindrance};
use crate::province::credentials;
use crate::province::settings::Settings;

/// How long a resolver may take.
const RESOLVE: Duration = Duration::from_secs(5);
/// The head of a proxy's answer is no longer.
const HEAD_BYTES: usize = 4 << 10;

/// Where the first connection goes, and through what.
pub(super) fn door(settings: &Settings, url: &Url) -> Option<(Door, String, u16)> {
    let host = |url: &Url| {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), url.port_or_known_default()?))
    };
    if let Some(via) = settings.via {
        return Some((Door::Gateway, via.ip().to_string(), via.port()));
    }
    if let Some(proxy) = &settings.proxy {
        let (host, port) = host(&Url::parse(proxy).ok()?)?;
        return Some((Door::Proxy, host, port));
    }
    let (host, port) = host(url)?;
    Some((Door::Platform, host, port))
}

/// A connection to the platform, through the proxy where there is one and the address is `https`.
pub(super) async fn open(settings: &Settings, url: &Url) -> Result<TcpStream, Hindrance> {
    let Some((door, host, port)) = door(settings, url) else {
        return Err(Hindrance::Cut("the address has no host".to_owned()));
    };
    let mut stream = connected(settings, door, &host, port).await?;
    if door == Door::Proxy && url.scheme() == "https" {
        let through = through(settings, url, &mut stream);
        let waited = timeout(settings.connect_timeout, through).await;
        waited.unwrap_or(Err(Hindrance::ProxyForbids("no answer".to_owned())))?;
    }
    Ok(stream)
}

async fn connected(
    settings: &Settings,
    door: Door,
    host: &str,
    port: u16,
) -> Result<TcpStream, Hindrance> {
    let addresses = resolved(door, host, port).await?;
    let usable = addresses.iter().copied().filter(|it| is_plausible(it.ip()));
    let mut first = None;
    for address in usable {
        let dialled = timeout(settings.connect_timeout, dialled(settings, address)).await;
        match dialled.unwrap_or(Err(Hindrance::Silent(address))) {
            Ok(stream) => return Ok(stream),
            Err(hindrance) => first = first.or(Some(hindrance)),
        }
    }
    let nowhere = || match addresses.first() {
        Some(address) => Hindrance::NowhereAddress(address.ip()),
        None => Hindrance::Unresolved(host.to_owned()),
    };
    let hindrance = first.unwrap_or_else(nowhere);
    Err(match door {
        Door::Platform => hindrance,
        Door::Gateway => Hindrance::Gateway(Box::new(hindrance)),
        Door::Proxy => Hindrance::Proxy(Box::new(hindrance)),
    })
}

async fn resolved(door: Door, host: &str, port: u16) -> Result<Vec<SocketAddr>, Hindrance> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = match timeout(RESOLVE, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        // The system's words for EAI_AGAIN; the number itself is not given out.
        Ok(Err(error)) if error.to_string().contains("Temporary failure") => {
            Err(Hindrance::ResolverSilent(host.to_owned()))
        }
        Ok(Err(_unknown)) => Err(Hindrance::Unresolved(host.to_owned())),
        Err(_elapsed) => Err(Hindrance::ResolverSilent(host.to_owned())),
    };
    found.map_err(|hindrance| match door {
        Door::Platform | Door::Gateway => hindrance,
        Door::Proxy => Hindrance::Proxy(Box::new(hindrance)),
    })
}

async fn dialled(settings: &Settings, address: SocketAddr) -> Result<TcpStream, Hindrance> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| sorted(&error, address))?;
    if let Some(ours) = settings.source_address {
        // An address of the other family would be refused by every client.
        socket.bind(SocketAddr::new(ours, 0)).map_err(|_error| Hindrance::SourceAddress(ours))?;
    }
    socket.connect(address).await.map_err(|error| sorted(&error, address))
}

fn sorted(error: &io::Error, address: SocketAddr) -> Hindrance {
    use io::ErrorKind as K;
    let kind = error.kind();
    let is_unrouted = matches!(
        kind,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable
    );
    match () {
        () if kind == K::ConnectionRefused => Hindrance::Refused(address),
        () if kind == K::TimedOut => Hindrance::Silent(address),
        () if is_unrouted => Hindrance::Unreachable(address),
        () => Hindrance::Cut(format!("{address}: {kind}")),
    }
}

/// Asks a proxy for the platform (RFC 9110 §9.3.6).
async fn through(settings: &Settings, url: &Url, stream: &mut TcpStream) -> Result<(), Hindrance> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    let secret = settings.proxy_credentials_file.as_ref();
    if let Some(secret) = secret.and_then(|it| credentials::secret("proxy credentials", it).ok()) {
        let pair = base64::engine::general_purpose::STANDARD.encode(secret.expose());
        request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
    }
    request.push_str("\r\n");
    let broken = |error: io::Error| Hindrance::ProxyForbids(error.kind().to_string());
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES {
        // One by one: what follows the head belongs to the platform.
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_cut) => break,
        }
    }
    match status(&head) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(Hindrance::ProxyCredentials),
        Some(status) => Err(Hindrance::ProxyForbids(status.to_string())),
        None => Err(Hindrance::ProxyForbids("no HTTP answer".to_owned())),
    }
}

/// The status of an HTTP answer.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

/// Whether a platform can have this address. Those of documentation and measurement are what
/// resolvers and proxies fill in.
pub(super) fn is_plausible(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [a, b, ..] = it.octets();
            let is_measuring = a == 198 && (b == 18 || b == 19);
            !(it.is_unspecified()
                || it.is_multicast()
                || it.is_broadcast()
                || it.is_link_local()
                || it.is_documentation()
                || is_measuring
                || a >= 240)
        }
        IpAddr::V6(it) => {
            let [a, b, ..] = it.segments();
            !(it == Ipv6Addr::UNSPECIFIED || it.is_multicast() || (a == 0x2001 && b == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_has_are_told_from_those_that_somebody_may_have() {
        for bad in ["0.0.0.0", "224.0.0.1", "169.254.3.4", "192.0.2.9", "198.18.0.7", "240.0.0.1"] {
            assert!(!is_plausible(bad.parse().unwrap()), "{bad}");
        }
        for bad in ["::", "ff02::1", "2001:db8::1"] {
            assert!(!is_plausible(bad.parse().unwrap()), "{bad}");
        }
        for good in ["10.0.0.1", "127.0.0.1", "100.64.0.1", "59.255.1.2", "198.20.0.1", "fd00::1"] {
            assert!(is_plausible(good.parse().unwrap()), "{good}");
        }
    }

    #[test]
    fn the_first_connection_goes_to_the_gateway_the_proxy_or_the_platform() {
        let url = Url::parse("https://share.gov.cn/up").unwrap();
        let of = |settings: &Settings| door(settings, &url).unwrap();
        let mut settings = Settings::new(url.as_str());
        assert_eq!(of(&settings), (Door::Platform, "share.gov.cn".to_owned(), 443));
        settings.proxy = Some("http://10.0.0.2:3128".to_owned());
        assert_eq!(of(&settings), (Door::Proxy, "10.0.0.2".to_owned(), 3128));
        settings.via = Some("127.0.0.1:9443".parse().unwrap());
        assert_eq!(of(&settings), (Door::Gateway, "127.0.0.1".to_owned(), 9443));
    }

    #[test]
    fn what_the_system_says_of_a_connection_is_told_apart() {
        let address = "10.0.0.2:443".parse().unwrap();
        let of = |kind: io::ErrorKind| sorted(&kind.into(), address);
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Hindrance::Refused(address));
        assert_eq!(of(io::ErrorKind::TimedOut), Hindrance::Silent(address));
        for kind in [io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable] {
            assert_eq!(of(kind), Hindrance::Unreachable(address), "{kind}");
        }
        assert!(matches!(of(io::ErrorKind::ConnectionReset), Hindrance::Cut(_)));
    }

    #[test]
    fn an_answers_status_is_read_or_none() {
        assert_eq!(status(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), Some(407));
        assert_eq!(status(b"SSH-2.0\r\n"), None);
        assert_eq!(status(b""), None);
    }
}
