//! One question to one address: asked once, bounded, and told in a word when it fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};

use super::settings::{Method, Settings};
use crate::province::{self, Credentials, Error, failure_code};

/// Of an answer's body so much is waited for and dropped; the rest is of no interest.
const BODY_BYTES: usize = 64 << 10;

/// Asks one interface.
#[derive(Clone)]
pub struct Caller {
    settings: Settings,
    http: Client,
    url: Url,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Caller").field("id", &self.settings.id).finish_non_exhaustive()
    }
}

/// What makes two interfaces share a client.
type Files = [Option<PathBuf>; 3];

/// Reads the files that the settings name and makes callers. Connects nowhere. Blocking work: files
/// are read.
///
/// # Errors
/// The first of each interface's files that is missing, that others can read, or that holds
/// something else, with the interface's name.
pub fn callers(probes: &[Settings]) -> Result<Vec<Caller>, Vec<(String, Error)>> {
    let mut clients: BTreeMap<Files, Client> = BTreeMap::new();
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    for settings in probes {
        match caller(settings, &mut clients) {
            Ok(caller) => made.push(caller),
            Err(error) => failed.push((settings.id.clone(), error)),
        }
    }
    if failed.is_empty() { Ok(made) } else { Err(failed) }
}

fn caller(settings: &Settings, clients: &mut BTreeMap<Files, Client>) -> Result<Caller, Error> {
    let files = [&settings.ca_file, &settings.client_certificate_file, &settings.client_key_file];
    let files = files.map(Clone::clone);
    let http = match clients.get(&files) {
        Some(client) => client.clone(),
        None => {
            let client = client(settings)?;
            clients.insert(files, client.clone());
            client
        }
    };
    let not_http =
        |_url| Error::Setting { setting: "url", reason: "is not the address of an HTTP server" };
    let url = Url::parse(&settings.url).map_err(not_http)?;
    let authorization = match &settings.authorization_file {
        None => None,
        Some(path) => {
            let named = [("authorization_file".to_owned(), path.clone())].into();
            let read = Credentials::read(&named)?;
            let secret = read.get("authorization_file").map_or(&[][..], |it| it.expose());
            let (what, path) = ("authorization_file", path.clone());
            let reason = "holds what cannot be the value of a header";
            let wrong = |_value| Error::Content { what, path, reason };
            let mut value = HeaderValue::from_bytes(secret).map_err(wrong)?;
            value.set_sensitive(true);
            Some(value)
        }
    };
    Ok(Caller { settings: settings.clone(), http, url, authorization })
}

fn client(settings: &Settings) -> Result<Client, Error> {
    let mut way = province::Settings::new(settings.url.clone());
    way.ca_file.clone_from(&settings.ca_file);
    way.client_certificate_file.clone_from(&settings.client_certificate_file);
    way.client_key_file.clone_from(&settings.client_key_file);
    // Each question comes on a connection of its own: one that stands says nothing of the next.
    province::client(&way, Duration::from_secs(60), 0)
}

impl Caller {
    /// What it asks.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks once. Cancel-safe: it changes nothing where it asks.
    ///
    /// # Errors
    /// A stable word for why it did not answer: `timed-out`, `connect-failed`, `status-503`, ….
    pub async fn ask(&self) -> Result<(), String> {
        let request = match self.settings.method {
            Method::Get => self.http.get(self.url.clone()),
            Method::Head => self.http.head(self.url.clone()),
        };
        let mut request = request.timeout(self.settings.timeout);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let mut answer = request.send().await.map_err(|cause| failure_code(&cause))?;
        let status = answer.status().as_u16();
        if !self.settings.is_expected(status) {
            return Err(format!("status-{status}"));
        }
        let mut read = 0_usize;
        while read < BODY_BYTES {
            match answer.chunk().await {
                Ok(Some(part)) => read = read.saturating_add(part.len()),
                Ok(None) => break,
                Err(cause) if cause.is_timeout() => return Err("timed-out".to_owned()),
                Err(_cut) => return Err("reply-cut".to_owned()),
            }
        }
        Ok(())
    }
}
