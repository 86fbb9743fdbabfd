//! Which addresses a channel may have, and which of them are read by whoever stands on the way.
//!
//! Old gateways inside a government network speak plain HTTP, or a TLS that nobody should speak any
//! more. The first is an explicit word of the operator ([`Settings::plain_http`]) and a warning that
//! stands for as long as the word does. For the second a gateway on this machine (`stunnel`, a
//! web server built with 国密) speaks it, and [`Settings::via`] leads there.

use std::net::IpAddr;

use reqwest::Url;

use super::error::Error;
use super::settings::Settings;

impl Settings {
    /// What is said to the platform leaves this machine in clear.
    pub fn is_plain(&self) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url.scheme() == "http" && !self.stays_here(&url))
    }

    /// It goes to a program on this machine, whatever becomes of it there.
    fn stays_here(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.via.is_some_and(|via| via.ip().is_loopback())
            || host == "localhost"
            || address.is_ok_and(|address| address.is_loopback())
    }
}

/// A channel's address.
///
/// # Errors
/// It is no address, has parts that it may not have, or leads where nobody said that it may.
pub(super) fn checked(settings: &Settings) -> Result<Url, Error> {
    let wrong = |setting, reason| Error::Setting { setting, reason };
    let url = Url::parse(&settings.url).map_err(|_url| wrong("url", "not an address"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(wrong("url", "not the address of an HTTP server"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("url", "has more than a host and a path"));
    }
    if let Some(via) = settings.via {
        if !via.ip().is_loopback() {
            return Err(wrong(
                "via",
                "not on this machine: a gateway stands at 127.0.0.1 or [::1]",
            ));
        }
        if url.port().is_some() {
            return Err(wrong("via", "says the port: take it out of `url`"));
        }
        if url.domain().is_none_or(|name| name == "localhost") {
            return Err(wrong("via", "needs the platform's name in `url`, not an address"));
        }
        if settings.proxy.is_some() {
            return Err(wrong("via", "and `proxy` are two ways: leave one out"));
        }
    }
    match (settings.is_plain(), settings.plain_http) {
        (true, false) => Err(wrong(
            "url",
            "plain http leaves this machine in clear: say https, lead it through a gateway on this \
             machine (`via`), or, inside the government network only, say `plain_http = true`",
        )),
        (false, true) => {
            Err(wrong("plain_http", "allows what `url` does not ask for: take it out"))
        }
        (true, true) | (false, false) => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, via: Option<&str>, plain_http: bool) -> Settings {
        let via = via.map(|via| via.parse().unwrap());
        Settings { via, plain_http, ..Settings::new(url) }
    }

    #[test]
    fn plain_http_leaves_the_machine_by_an_explicit_word_only() {
        for url in ["http://10.1.2.3/up", "http://share.gov.cn", "http://[2001:db8::1]:8080/x"] {
            let error = checked(&settings(url, None, false)).unwrap_err().to_string();
            assert!(error.contains("plain_http = true"), "{error}");
            assert!(checked(&settings(url, None, true)).is_ok(), "{url}");
            assert!(settings(url, None, true).is_plain(), "{url}");
        }
        let here =
            ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://127.9.9.9"];
        for url in here.into_iter().chain(["https://share.gov.cn/x"]) {
            assert!(checked(&settings(url, None, false)).is_ok(), "{url}");
            assert!(!settings(url, None, false).is_plain(), "{url}");
            // A word that allows nothing would make people used to it.
            assert!(checked(&settings(url, None, true)).is_err(), "{url}");
        }
        // A name that only begins like one of this machine is not one.
        assert!(settings("http://localhost.gov.cn", None, true).is_plain());
        assert!(settings("http://127.0.0.1.gov.cn", None, true).is_plain());
    }

    #[test]
    fn a_gateway_stands_on_this_machine_and_the_platform_keeps_its_name() {
        for url in ["http://share.gov.cn/up", "https://share.gov.cn"] {
            let fronted = settings(url, Some("127.0.0.1:9443"), false);
            assert!(checked(&fronted).is_ok() && !fronted.is_plain(), "{url}");
        }
        for (url, via) in [
            ("http://share.gov.cn", "10.0.0.1:9443"),
            ("http://share.gov.cn:80", "127.0.0.1:9443"),
            ("http://share.gov.cn:8080", "[::1]:9443"),
            ("http://10.1.2.3", "127.0.0.1:9443"),
        ] {
            let told = checked(&settings(url, Some(via), false));
            // The port that a scheme has anyway is as good as none.
            assert_eq!(told.is_ok(), url.ends_with(":80"), "{url} {via}");
        }
        let both = Settings {
            proxy: Some("http://10.0.0.2:3128".to_owned()),
            ..settings("http://share.gov.cn", Some("127.0.0.1:9443"), false)
        };
        assert!(checked(&both).is_err());
    }
}
