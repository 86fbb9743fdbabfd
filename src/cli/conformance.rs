//! `rehearsal conformance`: test by test on standard output, and the verdict in its last line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::Conformance;
use super::local::{failed, load};
use super::{Console, Exit, Trouble};
use crate::clock::Clock;
use crate::control::protocol::Failure;
use crate::language::Language;
use crate::province::{self, Credentials};
use crate::rehearsal::Table;
use crate::rehearsal::certificates::Identity;
use crate::rehearsal::conformance::{self, Outcome, Report, Target, Trial};
use crate::sql::Address;
use crate::supervisor::Supervisor;

/// The credential that is a front database's password.
const PASSWORD: &str = "password";
/// In which times are written to a front database.
const ZONE: &str = "Asia/Shanghai";

/// Tries the platform, writes the report; [`Exit::Failure`] when a test failed.
pub(super) async fn run(
    asked: &Conformance,
    config: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let way = way(asked, config)?;
    let report = tried(asked, way, console).await.map_err(failed("E-REHEARSAL"))?;
    console.progress_done();
    if let Some(path) = &asked.report {
        let is_page = path.extension().is_some_and(|it| it == "html" || it == "htm");
        let text = if is_page { report.html() } else { report.markdown() };
        let written = std::fs::write(path, text);
        let written = written.with_context(|| format!("write the report {}", path.display()));
        written.map_err(failed("E-REHEARSAL"))?;
    }
    console.data(&format!("{}\n", report.verdict()));
    if report.failed() == 0 && report.passed() > 0 {
        Ok(())
    } else {
        Err(Trouble { exit: Exit::Failure, failures: Vec::new() })
    }
}

/// The way to the platform; `None` is the stand-in's.
fn way(asked: &Conformance, config: &Path) -> Result<Option<province::Settings>, Trouble> {
    let mut way = match (&asked.channel, &asked.against) {
        (None, None) => return Ok(None),
        (Some(name), _) => {
            let configuration = load(config)?;
            let channel = configuration.channels.iter().find(|it| it.settings.id.as_str() == name);
            let Some(channel) = channel else {
                let failure = Failure {
                    code: "E-REHEARSAL".to_owned(),
                    what: format!("no channel `{name}`"),
                    place: Some(config.display().to_string()),
                    next: None,
                    temporary: false,
                };
                return Err(Trouble::one(Exit::Configuration, failure));
            };
            channel.settings.province.clone()
        }
        (None, Some(url)) => {
            let mut way = province::Settings::new(url.clone());
            way.ca_file.clone_from(&asked.ca);
            way.client_certificate_file.clone_from(&asked.client_certificate);
            way.client_key_file.clone_from(&asked.client_key);
            let files = asked.credentials.iter();
            way.credentials =
                files.map(|(name, file)| (name.clone(), PathBuf::from(file))).collect();
            way
        }
    };
    if let Some(url) = &asked.against {
        way.url.clone_from(url);
    }
    Ok(Some(way))
}

async fn tried(
    asked: &Conformance,
    way: Option<province::Settings>,
    console: &mut Console<'_>,
) -> anyhow::Result<Report> {
    let clock = Clock::system();
    let language = console.view.language;
    let mut progress = |outcome: &Outcome| console.data(&line(outcome, language));
    let Some(way) = way else {
        let supervisor = Supervisor::new(clock.clone(), 2);
        let (standard, seed) = (&asked.standard, asked.seed.unwrap_or(1));
        let values = asked.values.iter().cloned().collect();
        let tables = announced(asked.tables.as_ref())?;
        let with = conformance::Stage { clock: &clock, supervisor: &supervisor, tables: &tables };
        let report = conformance::rehearse(standard, standard, (seed, values), with, &mut progress);
        return Ok(report.await?);
    };
    let from_clock = || u64::try_from(clock.now().as_second()).unwrap_or(1);
    let trial = Trial {
        standard: asked.standard.clone(),
        credentials: credentials(&way)?,
        target: if is_database(&way.url) { None } else { Some(target(&way)?) },
        front: front(&way),
        tables: announced(asked.tables.as_ref())?,
        values: asked.values.iter().cloned().collect(),
        seed: asked.seed.unwrap_or_else(from_clock),
    };
    Ok(conformance::examine(trial, &clock, &mut progress).await?)
}

/// The announced front-end tables; none where no list is named.
pub(super) fn announced(list: Option<&PathBuf>) -> anyhow::Result<Vec<Table>> {
    let Some(path) = list else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read the list of tables {}", path.display()))?;
    Table::parse(&text)
        .map_err(|problems| anyhow::anyhow!("{}: {}", path.display(), problems.join("; ")))
}

fn is_database(url: &str) -> bool {
    !url.starts_with("http") && crate::sql::parse_url(url).is_ok()
}

/// The front database of a way: where its rows go, or where its down-link tables are.
fn front(way: &province::Settings) -> Option<Address> {
    let (url, password_file, ca_file) = match &way.inbox {
        _ if is_database(&way.url) => {
            (way.url.clone(), way.credentials.get(PASSWORD).cloned(), way.ca_file.clone())
        }
        Some(inbox) => (inbox.url.clone(), inbox.password_file.clone(), inbox.ca_file.clone()),
        None => return None,
    };
    let statement_timeout = way.timeout.unwrap_or(Duration::from_mins(1));
    Some(Address { url, password_file, ca_file, statement_timeout, zone: ZONE.to_owned() })
}

fn target(way: &province::Settings) -> anyhow::Result<Target> {
    let text = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
    };
    let client = match (&way.client_certificate_file, &way.client_key_file) {
        (Some(certificate), Some(key)) => {
            Some(Identity { certificate: text(certificate)?, key: text(key)? })
        }
        _ => None,
    };
    let authority = way.ca_file.as_ref().map(text).transpose()?;
    Ok(Target { url: way.url.clone(), authority, client })
}

fn credentials(way: &province::Settings) -> anyhow::Result<BTreeMap<String, String>> {
    let read = Credentials::read(&way.credentials)?;
    let mut found = BTreeMap::new();
    for name in way.credentials.keys() {
        let text = read.get(name).and_then(|secret| secret.expose_text());
        let text = text.with_context(|| format!("credential {name} is not text"))?;
        found.insert(name.clone(), text.to_owned());
    }
    Ok(found)
}

/// A test in one line, with its reason where it failed.
fn line(outcome: &Outcome, language: Language) -> String {
    let title = match language {
        Language::Chinese => &outcome.title.zh,
        Language::English => &outcome.title.en,
    };
    let mark = if outcome.fault.is_none() { "✓" } else { "✗" };
    let line = format!("{mark} {:03} {}  {title}", outcome.number, outcome.name);
    let mut text = super::table::printable(line) + "\n";
    if let Some(fault) = &outcome.fault {
        text.push_str(&super::table::printable(format!("      {} [{}]", fault, outcome.basis)));
        text.push('\n');
    }
    text
}
