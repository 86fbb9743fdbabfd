//! The conformance kit: numbered tests that a standard's tables give, sent to a platform.
//!
//! Nothing of the daemon takes part. Messages come from the tables by the stand-in's own reading of
//! them and are written by its own writer; every value is made up ([`words`]). For each field of
//! each message the kit tries what the table demands and what it forbids, one thing at a time, and
//! compares the reply's class with what the tables say must come.
//!
//! ```text
//! tables ─► draft ─► spoiled in one place ─► signed ─► platform ─► reply ─► class, as expected?
//! ```
//!
//! The platform is the stand-in itself ([`rehearse`]) or a real test endpoint ([`examine`]): what
//! the kit registers there stays there where the standard has no cancellation. Two runs with the
//! same seed send the same messages but for times.

mod batches;
mod client;
mod compose;
mod exam;
mod fields;
mod line;
mod objects;
mod proof;
mod report;
mod tables;
mod words;

pub use client::Target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use sm2::pkcs8::{EncodePrivateKey as _, LineEnding};

use super::certificates::Certificates;
use super::directory::{self, Directory};
use super::front::directory::Rules;
use super::{Error, Front, FrontSettings, Platform, Settings, Table};
use crate::clock::Clock;
use crate::signing::Encoding;
use crate::sql::Address;
use crate::supervisor::Supervisor;

/// Chinese and English.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Titles {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Titles {
    fn new(zh: &str, en: &str) -> Self {
        Self { zh: zh.to_owned(), en: en.to_owned() }
    }
}

/// One test and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Its number in this run, from 1.
    pub number: usize,
    /// A name that stays while the tables stay: `operation/what/field`.
    pub name: String,
    /// The standard's operation.
    pub operation: String,
    /// What the document calls the operation; may be empty.
    pub operation_title: String,
    /// What is tried.
    pub title: Titles,
    /// The table's row, or the key of `standard.toml`, and the document's clause.
    pub basis: String,
    /// What must come.
    pub expected: Titles,
    /// The request, without proofs and credentials.
    pub sent: String,
    /// The answer.
    pub came: String,
    /// Why it failed; `None` passed.
    pub fault: Option<String>,
}

/// All tests of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// `id/version`.
    pub standard: String,
    /// SHA-256 of the directory's tables, in hexadecimal.
    pub digest: String,
    /// Where it was tried.
    pub target: String,
    /// When it began.
    pub began: jiff::Timestamp,
    /// Its seed.
    pub seed: u64,
    /// In the order in which they were tried.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fault.is_none()).count()
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }

    /// The last line of a run: `N passed, M failed`.
    pub fn verdict(&self) -> String {
        format!("{} passed, {} failed", self.passed(), self.failed())
    }
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The directory whose tables give the tests.
    pub standard: PathBuf,
    /// The platform; `None` tries no messages.
    pub target: Option<Target>,
    /// The front database; `None` tries no tables.
    pub front: Option<Address>,
    /// The front-end tables that the province announced.
    pub tables: Vec<Table>,
    /// Name to text, as the standard's `credential.NAME`. Never in a report.
    pub credentials: BTreeMap<String, String>,
    /// Canonical words with a value to be used instead of a made-up one.
    pub values: BTreeMap<String, String>,
    /// From which all ids come.
    pub seed: u64,
}

/// What the stand-in runs on.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'s> {
    /// The time.
    pub clock: &'s Clock,
    /// Owns its tasks.
    pub supervisor: &'s Supervisor,
    /// Its front-end tables; made-up ones where there are none.
    pub tables: &'s [Table],
}

/// What is told after each test.
pub type Progress<'p> = &'p mut dyn FnMut(&Outcome);

/// Tries a platform by a standard's tables.
pub async fn examine(trial: Trial, clock: &Clock, progress: Progress<'_>) -> Result<Report, Error> {
    let Some(front) = trial.front.clone() else {
        return tried(trial, clock, None, progress).await;
    };
    tried(trial, clock, Some((front, tables::Above::Real(clock))), progress).await
}

/// A front database, and who acts there as the province.
type Above<'a> = (Address, tables::Above<'a>);

async fn tried(
    trial: Trial,
    clock: &Clock,
    above: Option<Above<'_>>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let files = directory::files(&trial.standard)?;
    let directory = read(&files)?;
    let rules = Rules::read(&files).map_err(|problems| Error::Standard { problems })?;
    let mut context = aws_lc_rs::digest::Context::new(&SHA256);
    for (name, content) in &files {
        context.update(format!("{name}\n{}\n", content.len()).as_bytes());
        context.update(content);
    }
    let (began, seed) = (clock.now(), trial.seed);
    let url = trial.target.as_ref().map(|target| target.url.clone());
    let address = above.as_ref().map(|(address, _)| address.url.clone());
    let (given, announced) = (trial.values.clone(), trial.tables.clone());
    if above.is_some() && is_of_tables(&directory) && announced.is_empty() {
        let reason = "no list of the tables that the province announced: --tables FILE".to_owned();
        return Err(Error::Front { operation: "try the tables", reason });
    }
    let mut outcomes = match trial.target.clone().filter(|_| !is_of_tables(&directory)) {
        Some(target) => messages(&directory, trial, &target, clock, &mut *progress).await?,
        None => Vec::new(),
    };
    if let Some((address, above)) = above {
        let (rules, tables, given) = (&rules, announced.as_slice(), &given);
        let start = tables::Start { rules, tables, above, address, given, seed, outcomes };
        outcomes = tables::examine(start, progress).await?;
    }
    Ok(Report {
        standard: directory.name.clone(),
        digest: super::judge::hex(context.finish().as_ref()),
        target: [url, address].into_iter().flatten().collect::<Vec<_>>().join(" + "),
        began,
        seed,
        outcomes,
    })
}

/// Tries every message.
async fn messages(
    directory: &Directory,
    trial: Trial,
    target: &Target,
    clock: &Clock,
    progress: Progress<'_>,
) -> Result<Vec<Outcome>, Error> {
    let city = words::City {
        zone: directory.zone.clone(),
        now: clock.now(),
        credentials: trial.credentials,
        given: trial.values,
        ..words::City::default()
    };
    let mut client = client::Client::new(target, city.credentials.clone())?;
    let first = words::City { nonce: format!("ct{:08x}", trial.seed), ..city.clone() };
    client.admit(directory, &first).await.map_err(|problem| Error::Admission { problem })?;
    let mut exam = exam::Exam::new(directory, client, city, (clock.clone(), trial.seed), progress);
    exam.objects().await;
    exam.batches().await;
    exam.line().await;
    exam.endings().await;
    Ok(exam.outcomes)
}

/// Tries the stand-in, which is started for it: TLS on loopback, new certificates, everything in
/// memory; for a standard of tables a private database. `plays` is the directory that the stand-in
/// plays.
pub async fn rehearse(
    standard: &Path,
    plays: &Path,
    (seed, values): (u64, BTreeMap<String, String>),
    stage: Stage<'_>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let Stage { clock, supervisor, tables } = stage;
    let files = directory::files(standard)?;
    let directory = read(&files)?;
    let rules = Rules::read(&files).map_err(|problems| Error::Standard { problems })?;
    let credentials = credentials(&directory, &files, seed);
    let mut trial = Trial {
        standard: standard.to_owned(),
        target: None,
        front: None,
        tables: Vec::new(),
        credentials: credentials.clone(),
        values,
        seed,
    };
    let mut platform = None;
    if !is_of_tables(&directory) {
        let started = played(plays, (seed, credentials), clock, supervisor).await?;
        trial.target = Some(started.1);
        platform = Some(started.0);
    }
    let front = if is_of_tables(&directory) || !rules.down.is_empty() {
        trial.tables = if tables.is_empty() { Table::made_up() } else { tables.to_vec() };
        let tables = trial.tables.clone();
        let settings =
            FrontSettings { standard: plays.to_owned(), tables, ..FrontSettings::default() };
        Some(Front::start(settings, clock.clone(), supervisor).await?)
    } else {
        None
    };
    let above = front.as_ref().map(|front| {
        let account = front.city();
        let address = Address {
            url: account.url,
            password_file: Some(account.password_file),
            ca_file: None,
            statement_timeout: Duration::from_mins(1),
            zone: directory.zone.clone(),
        };
        (address, tables::Above::StandIn(front))
    });
    let report = tried(trial, clock, above, progress).await;
    if let Some(platform) = platform {
        platform.stop();
    }
    report
}

/// The stand-in of a platform of messages, and the way to it.
async fn played(
    plays: &Path,
    (seed, credentials): (u64, BTreeMap<String, String>),
    clock: &Clock,
    supervisor: &Supervisor,
) -> Result<(Platform, Target), Error> {
    let certificates = Certificates::generate()?;
    let mut settings =
        Settings::new(plays.to_owned(), certificates.server.clone(), certificates.stranger.clone());
    settings.client_authority = Some(certificates.authority.clone());
    settings.seed = seed;
    settings.credentials = credentials;
    let platform = Platform::start(settings, clock.clone(), supervisor).await?;
    let target = Target {
        url: platform.url(),
        authority: Some(certificates.authority.clone()),
        client: Some(certificates.client.clone()),
    };
    Ok((platform, target))
}

fn read(files: &directory::Files) -> Result<Directory, Error> {
    Directory::read(files).map_err(|problems| Error::Standard { problems })
}

/// Rows go into front-end tables, and there are no messages.
fn is_of_tables(directory: &Directory) -> bool {
    directory.content_type == "tables"
}

/// Made-up credentials for all that a directory's files speak of.
fn credentials(
    directory: &Directory,
    files: &directory::Files,
    seed: u64,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut add = |name: &str| {
        found.insert(name.to_owned(), format!("rehearsed-{name}-{seed}"));
    };
    for content in files.values() {
        let text = String::from_utf8_lossy(content);
        for part in text.split("credential.").skip(1) {
            let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
            let end = part.find(|it| !is_name(it)).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            match name.strip_suffix('.').filter(|_| rest.starts_with('*')) {
                // Each interface has its own.
                Some(start) => {
                    let operations = directory.operations.iter().map(|of| of.name.as_str());
                    operations.chain(["token"]).for_each(|of| add(&format!("{start}.{of}")));
                }
                None => add(name.trim_end_matches('.')),
            }
        }
    }
    if let Some(sign) = directory.sign.as_ref().filter(|sign| sign.algorithm == "sm2") {
        let name = sign.key.strip_prefix("credential.");
        if let Some(text) = name.and_then(|name| found.get_mut(name)) {
            let scalar = digest(&SHA256, text.as_bytes());
            let pem = sm2::SecretKey::from_slice(scalar.as_ref())
                .ok()
                .and_then(|key| key.to_pkcs8_pem(LineEnding::LF).ok());
            *text = pem.map_or_else(String::new, |pem| pem.to_string());
        }
    }
    if let Some(how) = &directory.encrypt {
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
        let text = match how.key_encode.as_deref().unwrap_or("hex") {
            "hex" => Encoding::Hex.encode(&key),
            "base64" => Encoding::Base64.encode(&key),
            _ => "0123456789abcdef".to_owned(),
        };
        for word in [&how.key, &how.iv] {
            if let Some(name) = word.strip_prefix("credential.") {
                found.insert(name.to_owned(), text.clone());
            }
        }
    }
    found
}
