//! One message over HTTPS: sent once, bounded, and sorted when it fails.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};

use super::Settings;
use crate::province::Credentials;

/// No file of certificates is longer.
const LONGEST: u64 = 256 << 10;

/// Why nothing can be told. None of these holds the address or a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A secret file is missing, exposed or empty.
    #[error(transparent)]
    Secret(#[from] crate::province::Error),
    /// The certificates cannot be read.
    #[error("cannot read the certificates to trust in {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{setting}` {reason}")]
    Content {
        /// The setting that names the file.
        setting: &'static str,
        /// What is wrong with its content.
        reason: &'static str,
    },
    /// The client cannot be made.
    #[error("cannot make a client")]
    Client(#[source] reqwest::Error),
    /// Nobody took the message.
    #[error("the address does not answer")]
    Unanswered(#[source] reqwest::Error),
    /// Somebody answered and did not take it.
    #[error("the address answered {0}")]
    Refused(u16),
}

/// Sends messages to one address.
pub struct Sender {
    http: Client,
    url: Url,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sender(***)")
    }
}

impl Sender {
    /// Reads the files and makes a client. Connects nowhere. Blocking work: files are read.
    ///
    /// # Errors
    ///
    /// The first file that is missing, that others can read, or that holds something else.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let secret = |name: &str, path: &PathBuf| {
            let files = [(name.to_owned(), path.clone())].into();
            let read = Credentials::read(&files)?;
            let text = read.get(name).map(|secret| secret.expose().to_vec()).unwrap_or_default();
            Ok::<_, Error>(text)
        };
        let content = |setting, reason| Error::Content { setting, reason };
        let address = secret("url_file", &settings.url_file)?;
        let not_https = || content("url_file", "holds no address that begins with https://");
        let url = std::str::from_utf8(&address).ok().and_then(|text| Url::parse(text).ok());
        let url = url.filter(|url| url.scheme() == "https").ok_or_else(not_https)?;
        let authorization = match &settings.authorization_file {
            None => None,
            Some(path) => {
                let value = HeaderValue::from_bytes(&secret("authorization_file", path)?);
                let reason = "holds what cannot be the value of a header";
                let mut value = value.map_err(|_value| content("authorization_file", reason))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let mut builder = Client::builder()
            .http1_only()
            .https_only(true)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("cascaded/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            let failed = |source| Error::Certificates { path: path.clone(), source };
            let mut pem = Vec::new();
            let file = File::open(path).map_err(failed)?;
            file.take(LONGEST).read_to_end(&mut pem).map_err(failed)?;
            let found = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if found.is_empty() {
                return Err(content("ca_file", "holds no certificate in PEM"));
            }
            builder = builder.tls_certs_only(found);
        }
        let http = builder.build().map_err(|cause| Error::Client(cause.without_url()))?;
        Ok(Self { http, url, authorization })
    }

    /// Sends a message once. Cancel-safe: no, it may have arrived; the same is then told again.
    ///
    /// # Errors
    ///
    /// Nobody answered in time, or with something else than 200 to 299.
    pub async fn send(&self, body: String) -> Result<(), Error> {
        let mut request = self.http.post(self.url.clone()).body(body);
        request = request.header(CONTENT_TYPE, "application/json; charset=utf-8");
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        // The answer's body is of no interest and is not read.
        let answer =
            request.send().await.map_err(|cause| Error::Unanswered(cause.without_url()))?;
        match answer.status() {
            taken if taken.is_success() => Ok(()),
            other => Err(Error::Refused(other.as_u16())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    fn made(url: &str, mode: u32) -> Result<Sender, Error> {
        let folder = tempfile::tempdir().unwrap();
        let url_file = folder.path().join("url");
        fs::write(&url_file, url).unwrap();
        fs::set_permissions(&url_file, fs::Permissions::from_mode(mode)).unwrap();
        let (timeout, steady) = (Duration::from_secs(1), Duration::from_secs(1));
        Sender::new(&Settings {
            url_file,
            authorization_file: None,
            ca_file: None,
            timeout,
            steady,
        })
    }

    #[test]
    fn an_address_is_a_secret_and_goes_over_tls() {
        let sender = made("https://hook.example/key-0815\n", 0o600).unwrap();
        assert!(!format!("{sender:?}").contains("0815"));
        for (url, mode) in [
            ("https://hook.example/key-0815", 0o644),
            ("http://hook.example/key-0815", 0o600),
            ("key-0815", 0o600),
            ("", 0o600),
        ] {
            let error = made(url, mode).err().unwrap_or_else(|| panic!("{url} was taken"));
            assert!(!format!("{error} {error:?}").contains("0815"), "{error:?}");
        }
    }
}
