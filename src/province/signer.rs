//! Signers outside the process: a command or an address that signs in place of a local key.
//!
//! Signing servers and key devices give their keys away to nobody; what they have in common is that
//! bytes go in and a signature comes out. A command is a list of arguments and never a shell: it
//! reads the bytes on its standard input and writes the signature to its standard output. An
//! address takes them as a body and answers with the signature. Both have a deadline, a bounded
//! answer and a number of places; what they say besides is not read.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::error::{Error, Failure};
use super::settings::{Settings, SignerSettings};
use super::transport::{Bounds, Request, Transport};
use crate::signing::Encoding;

/// No signature is longer, however it is written.
const LONGEST: usize = 16 << 10;

/// The signers of a channel, by the credential they stand in for.
#[derive(Debug, Default)]
pub(super) struct Signers(BTreeMap<String, Signer>);

impl Signers {
    /// Checks the settings; starts and connects nothing yet.
    pub(super) fn open(settings: &BTreeMap<String, SignerSettings>) -> Result<Self, Error> {
        settings
            .iter()
            .map(|(name, settings)| Ok((name.clone(), Signer::open(name, settings)?)))
            .collect::<Result<_, Error>>()
            .map(Self)
    }

    /// The signer that stands in for this credential.
    pub(super) fn get(&self, name: &str) -> Option<&Signer> {
        self.0.get(name)
    }

    /// The credentials that have one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

enum Way {
    Command { program: String, arguments: Vec<String> },
    Address { transport: Transport, url: Url },
}

/// One signer.
pub(super) struct Signer {
    way: Way,
    /// `None`: as bytes.
    output: Option<Encoding>,
    timeout: Duration,
    places: Semaphore,
}

impl std::fmt::Debug for Signer {
    /// Arguments may hold what only the signer shall know.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.way {
            Way::Command { .. } => "Signer(command)",
            Way::Address { .. } => "Signer(address)",
        })
    }
}

impl Signer {
    fn open(name: &str, settings: &SignerSettings) -> Result<Self, Error> {
        let wrong = |reason| Error::Signer { name: name.to_owned(), reason };
        let way = match (settings.command.as_slice(), &settings.url) {
            ([program, arguments @ ..], None) => {
                if !program.starts_with('/') {
                    return Err(wrong("the command's program is not an absolute path"));
                }
                Way::Command { program: program.clone(), arguments: arguments.to_vec() }
            }
            ([], Some(address)) => address_of(settings, address, &wrong)?,
            ([], None) | ([_, ..], Some(_)) => {
                return Err(wrong("names a command or a url, and not both"));
            }
        };
        let output = match settings.output.as_str() {
            "raw" => None,
            text => Some(Encoding::parse(text).ok_or_else(|| wrong("output is unknown"))?),
        };
        let places = usize::try_from(settings.at_once.get().min(64)).unwrap_or(1);
        Ok(Self { way, output, timeout: settings.timeout, places: Semaphore::new(places) })
    }

    /// The signature of `text`. Nothing was sent to the province when it fails: it is tried again
    /// later. Cancel-safe: a command that is not waited for is killed.
    pub(super) async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = |code| Failure::NotSent { code };
        let place = self.places.acquire().await;
        let Ok(_place) = place else { return Err(failed("signer-failed")) };
        let said = match &self.way {
            Way::Command { program, arguments } => {
                let child = start(program, arguments)?;
                let talk = tokio::time::timeout(self.timeout, converse(child, text));
                talk.await.map_err(|_elapsed| failed("signer-timed-out"))??
            }
            Way::Address { transport, url } => ask(transport, url, text).await?,
        };
        let signature = match self.output {
            None => Some(said),
            Some(encoding) => {
                let text = str::from_utf8(&said).map(str::trim).unwrap_or_default();
                encoding.decode(text)
            }
        };
        signature.filter(|signature| !signature.is_empty()).ok_or(failed("signer-answer-unusable"))
    }
}

fn address_of(
    settings: &SignerSettings,
    address: &str,
    wrong: &impl Fn(&'static str) -> Error,
) -> Result<Way, Error> {
    let url = Url::parse(address).map_err(|_url| wrong("its url is not an address"))?;
    let is_here = url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
    });
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        "http" => return Err(wrong("plain http is for this machine alone: say https")),
        _ => return Err(wrong("its url is not the address of an HTTP server")),
    }
    let way = Settings {
        ca_file: settings.ca_file.clone(),
        client_certificate_file: settings.client_certificate_file.clone(),
        client_key_file: settings.client_key_file.clone(),
        ..Settings::new(address)
    };
    let bounds = Bounds { timeout: settings.timeout, reply_bytes: LONGEST };
    Ok(Way::Address { transport: Transport::new(&way, bounds)?, url })
}

/// Starts the command with nothing of our environment but the path to programs.
fn start(program: &str, arguments: &[String]) -> Result<Child, Failure> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|_cause| Failure::NotSent { code: "signer-not-started" })
}

/// What the command writes for what it reads.
async fn converse(mut child: Child, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = || Failure::NotSent { code: "signer-failed" };
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed());
    };
    let give = async move {
        // One that ends before it has read everything is judged by its answer.
        let given = input.write_all(text).await;
        drop(input);
        given.is_ok()
    };
    let mut said = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut output = output.take(most);
    let (_is_given, heard) = tokio::join!(give, output.read_to_end(&mut said));
    heard.map_err(|_cause| failed())?;
    if said.len() > LONGEST {
        return Err(Failure::NotSent { code: "signer-answer-unusable" });
    }
    drop(output);
    let status = child.wait().await.map_err(|_cause| failed())?;
    if status.success() { Ok(said) } else { Err(failed()) }
}

/// What the address answers.
async fn ask(transport: &Transport, url: &Url, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let request = Request::new(Method::POST, url.clone(), headers, text.to_vec());
    let answer = transport.exchange(request).await.map_err(|failure| {
        let code = match failure.code() {
            "timed-out" | "connect-timed-out" => "signer-timed-out",
            "reply-too-large" => "signer-answer-unusable",
            _ => "signer-failed",
        };
        Failure::NotSent { code }
    })?;
    match answer.status {
        200 => Ok(answer.body),
        _ => Err(Failure::NotSent { code: "signer-failed" }),
    }
}
