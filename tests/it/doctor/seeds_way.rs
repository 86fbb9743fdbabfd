//! The mistakes between us and the platform: names, routes, proxies, TLS, certificates, clocks and
//! answers.

use rcgen::ExtendedKeyUsagePurpose;

use super::seeds::{Seed, seed};
use super::servers::{Holder, Wish, closed, http, platform, scripted, silent, speaks};
use super::site::{Site, client};

/// A platform by the test's own authority, as wished, that answers everything so.
fn other(it: &mut Site<'_>, wish: &Wish<'_>, answer: fn(&str) -> String) {
    let leaf = wish.made(Some(&it.base.root));
    it.other(platform(&leaf.pem, &leaf.key, None, answer));
}

fn fine(_head: &str) -> String {
    http("200 OK", "", "")
}

/// Whatever is asked but the head of the address is answered so.
fn says(head: &str, answer: String) -> String {
    if head.starts_with("HEAD") { fine(head) } else { answer }
}

/// A platform that shows this chain.
fn shows(it: &mut Site<'_>, chain: &str, key: &str) {
    it.other(platform(chain, key, None, fine));
}

fn by_itself(wish: &Wish<'_>) -> Holder {
    wish.made(None)
}

pub(super) const ROUTE: &[Seed] = &[
    seed("the name is none", "D-DNS", "gov.cn", |it| {
        it.url(&format!("https://{}.gov.cn", "a".repeat(64)));
    }),
    seed("a template's address stands there", "D-DNS-ADDRESS", "0.0.0.0", |it| {
        it.url("https://0.0.0.0:8443");
    }),
    seed("a proxy's made-up address stands there", "D-DNS-ADDRESS", "198.18.0.5", |it| {
        it.url("https://198.18.0.5:8443");
    }),
    seed("the port is wrong", "D-REFUSED", "127.0.0.1", |it| {
        it.url(&format!("https://{}", closed()));
    }),
    seed("the address that we come from is not ours", "D-SOURCE-ADDRESS", "192.0.2.7", |it| {
        it.province("source_address = \"192.0.2.7\"");
    }),
    seed("plain http to another machine", "D-ADDRESS", "plain_http", |it| {
        it.url("http://share.example.gov.cn/up");
    }),
    seed("the address has no scheme", "D-ADDRESS", "url", |it| {
        it.url("share.example.gov.cn");
    }),
    seed("the gateway is not running", "D-GATEWAY", "nobody listens", |it| {
        it.url("https://share.example.gov.cn");
        it.province(&format!("via = \"{}\"", closed()));
    }),
    seed("the proxy is not running", "D-PROXY-UNREACHABLE", "nobody listens", |it| {
        it.province(&format!("proxy = \"http://{}\"", closed()));
    }),
    seed("the proxy wants a password", "D-PROXY-CREDENTIALS", "channel province", |it| {
        let proxy = scripted(|_| http("407 Proxy Authentication Required", "", "").into());
        it.province(&format!("proxy = \"http://{proxy}\""));
    }),
    seed("the proxy does not know the platform", "D-PROXY-FORBIDS", "403", |it| {
        let proxy = scripted(|_| http("403 Forbidden", "", "").into());
        it.province(&format!("proxy = \"http://{proxy}\""));
    }),
];

pub(super) const TLS: &[Seed] = &[
    seed("plain http at the port", "D-TLS-PLAIN", "channel province", |it| {
        it.other(scripted(|_| http("400 Bad Request", "", "").into()));
    }),
    seed("a shell at the port", "D-TLS-OTHER", "channel province", |it| {
        it.other(scripted(|_| b"SSH-2.0-OpenSSH_8.4\r\n".to_vec()));
    }),
    seed("the handshake is swallowed", "D-TLS-SILENT", "channel province", |it| {
        it.other(silent());
        it.province("connect_timeout = \"300ms\"");
    }),
    seed("the handshake is cut", "D-TLS-CUT", "channel province", |it| {
        it.other(scripted(|_| Vec::new()));
    }),
    seed("only TLS 1.0", "D-TLS-OLD", "TLS 1.0", |it| it.other(speaks(0x0301, 0x0035))),
    seed("only TLS 1.1", "D-TLS-OLD", "TLS 1.1", |it| {
        it.other(scripted(|came| {
            // It takes a newer greeting and answers with what it has.
            let hello = speaks_down(came);
            if hello.is_empty() { vec![21, 3, 2, 0, 2, 2, 70] } else { hello }
        }));
    }),
    seed("only SSL 3.0", "D-TLS-OLD", "SSL 3.0", |it| it.other(speaks(0x0300, 0x000a))),
    seed("only RSA key exchange", "D-TLS-CIPHERS", "TLS_RSA_WITH_AES_256_CBC_SHA", |it| {
        it.other(speaks(0x0303, 0x0035));
    }),
    seed("only 3DES", "D-TLS-CIPHERS", "3DES", |it| it.other(speaks(0x0303, 0x000a))),
    seed("only the commercial ciphers", "D-TLS-SHANGMI", "ECC_SM4", |it| {
        it.other(speaks(0x0101, 0xe013));
    }),
    seed("every handshake is refused", "D-TLS-REFUSED", "HandshakeFailure", |it| {
        it.other(scripted(|_| vec![21, 3, 3, 0, 2, 2, 40]));
    }),
    seed("http is said to a port of https", "D-HTTP-IS-TLS", "http://", |it| {
        let address = scripted(|_| {
            let body = "<center>The plain HTTP request was sent to HTTPS port</center>";
            http("400 Bad Request", "", body).into()
        });
        it.url(&format!("http://{address}"));
    }),
    seed("the clock is two hours off", "D-CLOCK", "ahead of ours", |it| {
        other(it, &Wish::default(), |_| {
            let later =
                cascaded::clock::Clock::system().now() + jiff::SignedDuration::from_hours(2);
            let date = jiff::fmt::rfc2822::to_string(&later.to_zoned(jiff::tz::TimeZone::UTC));
            http("200 OK", &format!("Date: {}\r\n", date.unwrap()), "")
        });
    }),
];

/// The answer of a server that speaks TLS 1.1 at most to a greeting that offers more.
fn speaks_down(came: &[u8]) -> Vec<u8> {
    let is_modern = came.windows(2).any(|it| it == [0x00, 0x2b]);
    if is_modern { Vec::new() } else { super::servers::server_hello(0x0302, 0x002f) }
}

pub(super) const CERTIFICATES: &[Seed] = &[
    seed("the platform's certificate has ended", "D-CERT-EXPIRED", "channel province", |it| {
        other(it, &Wish { from: -400, until: -3, ..Wish::default() }, fine);
    }),
    seed("the platform's certificate is of tomorrow", "D-CERT-EARLY", "channel province", |it| {
        other(it, &Wish { from: 2, ..Wish::default() }, fine);
    }),
    seed("the certificate is for another name", "D-CERT-NAME", "share.example.gov.cn", |it| {
        other(it, &Wish { hosts: &["share.example.gov.cn"], ..Wish::default() }, fine);
    }),
    seed("the certificate is signed by itself", "D-CERT-SELF-SIGNED", "channel province", |it| {
        let leaf = by_itself(&Wish { name: "alone", ..Wish::default() });
        shows(it, &leaf.pem, &leaf.key);
    }),
    seed("the intermediate is not shown", "D-CERT-CHAIN", "Example Issuing", |it| {
        let wish =
            Wish { name: "Example Issuing", is_authority: true, hosts: &[], ..Wish::default() };
        let between = wish.made(Some(&it.base.root));
        let leaf = Wish::default().made(Some(&between));
        shows(it, &leaf.pem, &leaf.key);
    }),
    seed("the authority is another", "D-CERT-AUTHORITY", "Inspecting Proxy", |it| {
        let wish = Wish { name: "Inspecting Proxy", organisation: "Someone", ..Wish::authority() };
        let leaf = Wish::default().made(Some(&wish.made(None)));
        shows(it, &leaf.pem, &leaf.key);
    }),
    seed("the certificate is signed with SHA-1", "D-CERT-WEAK", "SHA-1", |it| {
        shows(it, include_str!("old-leaf.pem"), include_str!("old-leaf.key"));
        it.write("keys/authority.pem", include_str!("old-root.pem"));
    }),
    seed("the platform's certificate ends next week", "D-CERT-ENDS", "the platform's", |it| {
        let answer = |head: &str| says(head, http("200 OK", "", ""));
        other(it, &Wish { until: 7, ..Wish::default() }, answer);
    }),
    seed("the file of the authority is none", "D-CA-FILE", "authority.pem", |it| {
        it.write("keys/authority.pem", "see the letter\n");
    }),
    seed("the authority has ended", "D-CA-EXPIRED", "authority.pem", |it| {
        let old = Wish { from: -900, until: -20, ..Wish::authority() }.made(None);
        let leaf = Wish::default().made(Some(&old));
        shows(it, &leaf.pem, &leaf.key);
        it.write("keys/authority.pem", &old.pem);
    }),
    seed("our key is another certificate's", "D-CLIENT-KEY", "channel province", |it| {
        let other = client(&it.base.root, -10, 400);
        it.write("keys/client.key", &other.key);
    }),
    seed("our certificate has ended", "D-CLIENT-EXPIRED", "channel province", |it| {
        it.ours(&client(&it.base.root, -400, -2));
    }),
    seed("our certificate is of tomorrow", "D-CLIENT-EARLY", "channel province", |it| {
        it.ours(&client(&it.base.root, 2, 400));
    }),
    seed("our certificate is a server's", "D-CLIENT-USE", "channel province", |it| {
        let purpose = Some(ExtendedKeyUsagePurpose::ServerAuth);
        it.ours(&Wish { purpose, ..Wish::default() }.made(Some(&it.base.root)));
    }),
    seed("our certificate is not configured", "D-CLIENT-WANTED", "channel province", |it| {
        it.turn("client_certificate_file = \"keys/client.pem\"\n", "");
        it.turn("client_key_file = \"keys/client.key\"\n", "");
    }),
    seed("our certificate is by another authority", "D-CLIENT-REFUSED", "channel province", |it| {
        it.ours(&client(&it.base.root, -10, 400));
    }),
    seed("our certificate is still in its .pfx", "D-CLIENT-FILE", "client", |it| {
        it.write("keys/client.pem", "\u{30}\u{82}\u{5}\u{9}");
    }),
    seed("our key is named and our certificate not", "D-CLIENT-FILE", "client", |it| {
        it.turn("client_certificate_file = \"keys/client.pem\"\n", "");
    }),
];

pub(super) const ANSWER: &[Seed] = &[
    seed("a login page answers", "D-PLATFORM-CAPTIVE", "200", |it| {
        other(it, &Wish::default(), |head| {
            let page = "<!DOCTYPE html><title>login</title>";
            says(head, http("200 OK", "Content-Type: text/html\r\n", page))
        });
    }),
    seed("the answer leads elsewhere", "D-PLATFORM-CAPTIVE", "302", |it| {
        other(it, &Wish::default(), |head| {
            says(head, http("302 Found", "Location: http://10.0.0.1/login\r\n", ""))
        });
    }),
    seed("the path's beginning is wrong", "D-PLATFORM-PATH", "404", |it| {
        other(it, &Wish::default(), |head| says(head, http("404 Not Found", "", "<html>")));
    }),
    seed("the platform is being kept up", "D-PLATFORM-BUSY", "503", |it| {
        other(it, &Wish::default(), |head| {
            says(head, http("503 Service Unavailable", "Retry-After: 600\r\n", ""))
        });
    }),
    seed("the account is not enabled", "D-PLATFORM-CREDENTIALS", "401", |it| {
        other(it, &Wish::default(), |head| says(head, http("401 Unauthorized", "", "")));
    }),
    seed("the answer breaks off", "D-PLATFORM-SILENT", "cut", |it| {
        other(it, &Wish::default(), |head| {
            let broken = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<a".to_owned();
            says(head, broken)
        });
    }),
    seed("the answer is of another standard", "D-PLATFORM-WORD", "200", |it| {
        other(it, &Wish::default(), |head| {
            says(head, http("200 OK", "Content-Type: text/xml\r\n", "<answer>yes</answer>"))
        });
    }),
];
