//! What the configuration says of a channel's address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

use super::ferry::FerrySettings;

/// The way to a provincial platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The platform's address, `https://host:port/prefix`; a standard's paths follow it.
    pub url: String,
    /// `url` may be plain `http` to another machine: everybody on the way reads what is said, which
    /// is warned of for as long as it stands here. Default: no.
    #[serde(default)]
    pub plain_http: bool,
    /// A gateway on this machine, `127.0.0.1:port` or `[::1]:port`, that speaks to the platform in
    /// our place; `url` still names the platform.
    #[serde(default)]
    pub via: Option<SocketAddr>,
    /// Certificates to trust, PEM; given, no others are trusted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate with its chain, PEM.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// Its key, PEM, in a file that others cannot read.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// A forward proxy, `http://host:port`. The environment's proxies are never used.
    #[serde(default)]
    pub proxy: Option<String>,
    /// A file with `user:password` for the proxy.
    #[serde(default)]
    pub proxy_credentials_file: Option<PathBuf>,
    /// The address of ours that connections come from.
    #[serde(default)]
    pub source_address: Option<IpAddr>,
    /// Longest wait for a connection, TLS included. Default 10 s.
    #[serde(default = "connect_timeout", deserialize_with = "duration")]
    pub connect_timeout: Duration,
    /// Longest wait for a whole reply; the standard's where absent, otherwise 60 s.
    #[serde(default, deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// Most bytes of a reply, compressed and decompressed; the standard's where absent, otherwise
    /// 16 MiB.
    #[serde(default)]
    pub max_reply_bytes: Option<u64>,
    /// Most requests at once; the standard's where absent, otherwise 4.
    #[serde(default)]
    pub in_flight: Option<NonZeroU32>,
    /// How far the province's clock may be from ours before it is told; the standard's where
    /// absent, otherwise 5 min.
    #[serde(default, deserialize_with = "optional_duration")]
    pub clock_tolerance: Option<Duration>,
    /// Files that hold the standard's `credential.NAME`s, by name. Nobody else can read them.
    #[serde(default)]
    pub credentials: BTreeMap<String, PathBuf>,
    /// Signers outside the process, by the `credential.NAME` that they stand in for.
    #[serde(default)]
    pub signers: BTreeMap<String, SignerSettings>,
    /// On a channel of files: the folder in which what comes back is laid.
    #[serde(default)]
    pub results_folder: Option<PathBuf>,
    /// On a channel of tables: whose rows stand only while another table's do.
    #[serde(default, rename = "parent")]
    pub parents: Vec<ParentSettings>,
    /// Where the province's down-link tables are, for a standard that has some.
    #[serde(default)]
    pub inbox: Option<InboxAddress>,
    /// The ferry that carries what is said, where `url` is the folder of one.
    #[serde(default)]
    pub ferry: Option<FerrySettings>,
}

/// `[channel.province.inbox]`: the database of down-link tables.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxAddress {
    /// `postgres://user@host:port/database` or `host=… user=… dbname=…`, without a password.
    pub url: String,
    /// A file that holds the password; read again at every connection.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust; given, the session is encrypted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `[[channel.province.parent]]`: a row is not written while its parent does not stand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentSettings {
    /// The dataset of the children.
    pub dataset: String,
    /// The children's columns that name the parent; a row without a value in one of them has none.
    pub columns: Vec<String>,
    /// The dataset of the parents.
    pub of: String,
    /// The parents' front-end table.
    pub table: String,
    /// The parents' columns, in the order of `columns`.
    pub key: Vec<String>,
}

/// A signer outside the process: a command, or an address.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerSettings {
    /// The program by its absolute path and its arguments; never a shell. It reads the bytes to be
    /// signed on its standard input and writes the signature to its standard output.
    #[serde(default)]
    pub command: Vec<String>,
    /// An address that takes the bytes as a body and answers with the signature: `https`, or
    /// `http` on this machine.
    #[serde(default)]
    pub url: Option<String>,
    /// Certificates to trust at that address, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate for it, PEM.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// How it writes the signature: `raw`, `base64` or `hex`. Default `raw`.
    #[serde(default = "raw")]
    pub output: String,
    /// Longest wait for one signature. Default 10 s.
    #[serde(default = "connect_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Most signatures at once, at most 64. Default 4.
    #[serde(default = "at_once")]
    pub at_once: NonZeroU32,
}

impl std::fmt::Debug for SignerSettings {
    /// Arguments and addresses may hold what only the signer shall know.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { timeout, at_once, output, .. } = self;
        formatter
            .debug_struct("SignerSettings")
            .field("output", output)
            .field("timeout", timeout)
            .field("at_once", at_once)
            .finish_non_exhaustive()
    }
}

fn raw() -> String {
    "raw".to_owned()
}

fn at_once() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3)
}

impl Settings {
    /// Settings with defaults for everything but the address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            plain_http: false,
            via: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            proxy: None,
            proxy_credentials_file: None,
            source_address: None,
            connect_timeout: connect_timeout(),
            timeout: None,
            max_reply_bytes: None,
            in_flight: None,
            clock_tolerance: None,
            credentials: BTreeMap::new(),
            signers: BTreeMap::new(),
            results_folder: None,
            parents: Vec::new(),
            inbox: None,
            ferry: None,
        }
    }
}

impl Settings {
    /// Whether both lead to one address: the same scheme, host, port and prefix, however written.
    pub fn is_same_address(&self, other: &Self) -> bool {
        let plain = |text: &str| match reqwest::Url::parse(text.trim()) {
            Ok(url) => {
                let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
                let path = url.path().trim_end_matches('/').to_owned();
                format!("{}://{host}:{:?}{path}", url.scheme(), url.port_or_known_default())
            }
            Err(_) => text.trim().trim_end_matches('/').to_lowercase(),
        };
        plain(&self.url) == plain(&other.url)
    }

    /// The first file of secrets that both name: what one platform is told, the other learns.
    pub fn shared_secret<'a>(&'a self, other: &Self) -> Option<&'a Path> {
        let files = |it: &'a Self| {
            let password = it.inbox.as_ref().and_then(|inbox| inbox.password_file.as_ref());
            it.credentials.values().chain(password)
        };
        let theirs: Vec<&Path> = (other.credentials.values())
            .chain(other.inbox.as_ref().and_then(|inbox| inbox.password_file.as_ref()))
            .map(PathBuf::as_path)
            .collect();
        let same = |path: &Path| {
            let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
            theirs.iter().any(|known| *known == path || real(known) == real(path))
        };
        files(self).map(PathBuf::as_path).find(|path| same(path))
    }

    /// Makes relative paths relative to `base`, the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        let files = [
            &mut self.ca_file,
            &mut self.client_certificate_file,
            &mut self.client_key_file,
            &mut self.proxy_credentials_file,
            &mut self.results_folder,
        ];
        for file in files {
            *file = file.take().map(|path| base.join(path));
        }
        if let Some(ferry) = &mut self.ferry {
            ferry.key_file = base.join(&ferry.key_file);
        }
        if let Some(inbox) = &mut self.inbox {
            for file in [&mut inbox.password_file, &mut inbox.ca_file] {
                *file = file.take().map(|path| base.join(path));
            }
        }
        self.credentials.values_mut().for_each(|path| *path = base.join(&*path));
        for signer in self.signers.values_mut() {
            let files = [
                &mut signer.ca_file,
                &mut signer.client_certificate_file,
                &mut signer.client_key_file,
            ];
            for file in files {
                *file = file.take().map(|path| base.join(path));
            }
        }
    }
}

fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

/// `"30s"`, `"1h 30m"`: more than nothing and at most a day.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    parsed
        .filter(|it| !it.is_zero() && *it <= Duration::from_hours(24))
        .ok_or_else(|| serde::de::Error::custom("not a duration between 1ns and 24h, e.g. \"30s\""))
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_recognised_however_it_is_written() {
        let is_same =
            |one: &str, other: &str| Settings::new(one).is_same_address(&Settings::new(other));
        for (one, other) in [
            ("https://a.gov.cn/x", "https://A.gov.cn:443/x/"),
            ("https://a.gov.cn", "https://a.gov.cn./"),
            ("http://127.0.0.1:80/", " http://127.0.0.1 "),
            ("host=a dbname=b", "HOST=a dbname=b "),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("https://a.gov.cn/x", "https://a.gov.cn/test"),
            ("https://a.gov.cn", "https://a.gov.cn:8443"),
            ("https://a.gov.cn", "http://a.gov.cn"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_file_of_secrets_that_two_ways_name_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "secret").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let with = |path: &Path| {
            let mut settings = Settings::new("https://a");
            settings.credentials.insert("secret".to_owned(), path.to_owned());
            settings
        };
        let other = folder.path().join("other");
        assert_eq!(with(&link).shared_secret(&with(&real)), Some(link.as_path()));
        assert_eq!(with(&other).shared_secret(&with(&real)), None);
    }

    #[test]
    fn settings_are_read_and_unknown_keys_refused() {
        let read = |text: &str| toml::from_str::<Settings>(text).map_err(|error| error.to_string());
        let settings = read(
            "url = \"https://a:8443/x\"\ntimeout = \"1m 30s\"\nsource_address = \"10.0.0.1\"\n\
             in_flight = 3\n[credentials]\nsecret = \"/run/secret\"\n",
        )
        .unwrap();
        assert_eq!(settings.timeout, Some(Duration::from_secs(90)));
        assert_eq!(settings.connect_timeout, Duration::from_secs(10));
        assert_eq!(settings.credentials.len(), 1);
        for bad in [
            "",
            "url = \"x\"\nurls = 1",
            "url = \"x\"\ntimeout = \"0s\"",
            "url = \"x\"\ntimeout = \"90\"",
            "url = \"x\"\nin_flight = 0",
            "url = \"x\"\nconnect_timeout = \"-3s\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
