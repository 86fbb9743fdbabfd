//! The file's sections, each read by itself, so that one mistake does not hide another.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::Problem;
use super::control::{AuditSettings, ControlSettings};
use super::indicator::IndicatorSettings;
use crate::bulletin;
use crate::calendar::Grace;
use crate::catalogue::Kind;
use crate::city::{CatalogueSettings, DatasetSettings, SourceSettings};
use crate::control::webhook;
use crate::delivery::Mode;
use crate::expression::nearest;
use crate::intake;
use crate::ledger::seal::{self, Sealer};
use crate::ledger::spool;
use crate::probe;
use crate::province;
use crate::telemetry::logs;

/// Keys of before that are still opened.
const MOST_KEYS_BEFORE: usize = 4;

/// What a channel carries beside kinds of objects.
pub const ROWS: &str = "rows";

/// Every section.
const SECTIONS: [&str; 19] = [
    "city",
    "ledger",
    "logs",
    "control",
    "audit",
    "notify",
    "pace",
    "standards",
    "calendar",
    "grace",
    "channel",
    "source",
    "catalogue",
    "dataset",
    "code_table",
    "indicator",
    "bulletin",
    "probe",
    "intake",
];

/// The file, read and not yet checked.
#[derive(Debug)]
pub(super) struct File {
    pub(super) city: String,
    pub(super) ledger: LedgerSettings,
    pub(super) logs: logs::Settings,
    pub(super) control: ControlSettings,
    pub(super) audit: AuditSettings,
    pub(super) notify: Option<webhook::Settings>,
    pub(super) pace: PaceSettings,
    pub(super) standards: Vec<PathBuf>,
    pub(super) calendar: Option<PathBuf>,
    pub(super) grace: Grace,
    pub(super) channels: Vec<ChannelSettings>,
    pub(super) sources: Vec<SourceSettings>,
    pub(super) catalogue: Option<CatalogueSettings>,
    pub(super) datasets: Vec<DatasetSettings>,
    pub(super) code_tables: Vec<CodeTableSettings>,
    pub(super) indicator: Option<IndicatorSettings>,
    pub(super) bulletin: Option<bulletin::Settings>,
    pub(super) probes: Vec<probe::Settings>,
    pub(super) intake: Option<intake::Settings>,
}

/// `[ledger]`: where the daemon keeps what it knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSettings {
    /// The folder of the ledger, its spool and its runs.
    pub folder: PathBuf,
    /// 32 bytes, raw or as 64 hexadecimal digits, in a file that nobody else can read: what is
    /// sealed at rest is sealed with it. Without it nothing can be read again.
    pub key_file: PathBuf,
    /// Keys that were in use before: what lies under them is opened, and sealed again under the one
    /// in use.
    #[serde(default)]
    pub keys_before: Vec<PathBuf>,
    /// The most bytes of payloads that wait. Default 2 GiB.
    #[serde(default = "spool_bytes")]
    pub spool_bytes: u64,
    /// What each live lane can always use of it. Default 32 MiB.
    #[serde(default = "live_bytes")]
    pub live_share_bytes: u64,
    /// The share of a dataset's rows above that may be deleted at once without an approval, in
    /// percent. Default 10.
    #[serde(default = "deletion_percent")]
    pub deletion_percent: u8,
    /// What a new ledger begins as. Default `watch`; a ledger that exists keeps what it was told.
    #[serde(default = "watch")]
    pub begins: Mode,
}

fn watch() -> Mode {
    Mode::Watch
}

/// `[pace]`: how often the stages look by themselves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaceSettings {
    /// The longest wait of a stage that has nothing to do.
    #[serde(deserialize_with = "duration")]
    pub idle: Duration,
    /// How often verdicts and reviews are asked for.
    #[serde(deserialize_with = "duration")]
    pub ask: Duration,
    /// How long after a lost answer the province is asked what became of it.
    #[serde(deserialize_with = "duration")]
    pub unknown: Duration,
    /// How often city and province are compared.
    #[serde(deserialize_with = "duration")]
    pub reconcile: Duration,
    /// How long a stop waits for what is under way.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            ask: Duration::from_mins(1),
            unknown: Duration::from_secs(5),
            reconcile: Duration::from_hours(24),
            grace: Duration::from_secs(30),
        }
    }
}

/// `[[channel]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// Its name.
    pub id: String,
    /// The standard spoken on it, `id/version`.
    pub standard: String,
    /// Kinds of objects, and `rows`. Default everything.
    #[serde(default = "everything")]
    pub carries: Vec<String>,
    /// The datasets whose rows it carries. Default all.
    #[serde(default)]
    pub datasets: Option<Vec<String>>,
    /// The way to the platform.
    pub province: province::Settings,
    /// The standard that is prepared for it.
    #[serde(default)]
    pub candidate: Option<CandidateSettings>,
}

/// `[channel.candidate]`: the standard that a channel is to speak next.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateSettings {
    /// The candidate, `id/version`.
    pub standard: String,
    /// The old upper ids and the new, for a standard that renumbers. Default `upper-ids.csv` in
    /// the standard's directory, where there is one.
    #[serde(default)]
    pub upper_ids_file: Option<PathBuf>,
    /// The most objects that a cut-over sends again in a minute. Default 600.
    #[serde(default = "objects_per_minute")]
    pub objects_per_minute: NonZeroU32,
    /// Whether a cut-over to it sends every confirmed row again, behind live traffic. Default not:
    /// what the province holds it keeps, unless it says otherwise.
    #[serde(default)]
    pub rows_again: bool,
    /// How long the province wants old and new side by side: `activate` begins a parallel period
    /// of so long unless it is told otherwise. Default none.
    #[serde(default, deserialize_with = "period")]
    pub parallel: Option<Duration>,
    /// The way to the platform from the cut-over on; as before where it is absent.
    #[serde(default)]
    pub province: Option<province::Settings>,
    /// The way to the province's test platform. Nothing real is ever sent there.
    #[serde(default)]
    pub test: Option<province::Settings>,
}

/// `[[code_table]]`: a named list of codes that rules may speak of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeTableSettings {
    /// What rules call it.
    pub id: String,
    /// A CSV file: code, title, from, until.
    pub file: PathBuf,
}

impl File {
    /// Reads every section; an error is the file's own syntax.
    pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Result<Self, Vec<Problem>> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            vec![Problem::new("configuration", error.to_string().trim_end())]
        })?;
        for name in table.keys().filter(|name| !SECTIONS.contains(&name.as_str())) {
            let meant = nearest(name, SECTIONS)
                .map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            problems.push(Problem::new(name, &format!("no such section{meant}")));
        }
        let ledger = one(&mut table, "ledger", problems);
        if ledger.is_none() && !problems.iter().any(|problem| problem.place == "ledger") {
            problems.push(Problem::new("ledger", "this section is needed"));
        }
        let file = Self {
            city: one(&mut table, "city", problems).unwrap_or_default(),
            // A placeholder that is never used: the problem above refuses the whole.
            ledger: ledger.unwrap_or_else(LedgerSettings::nowhere),
            logs: one(&mut table, "logs", problems).unwrap_or_default(),
            control: one(&mut table, "control", problems).unwrap_or_default(),
            audit: one(&mut table, "audit", problems).unwrap_or_default(),
            notify: one(&mut table, "notify", problems),
            pace: one(&mut table, "pace", problems).unwrap_or_default(),
            standards: one(&mut table, "standards", problems)
                .unwrap_or_else(|| vec![PathBuf::from("/usr/share/cascaded/standards")]),
            calendar: one(&mut table, "calendar", problems),
            grace: one(&mut table, "grace", problems).unwrap_or_default(),
            channels: many(&mut table, "channel", problems),
            sources: many(&mut table, "source", problems),
            catalogue: one(&mut table, "catalogue", problems),
            datasets: many(&mut table, "dataset", problems),
            code_tables: many(&mut table, "code_table", problems),
            indicator: one(&mut table, "indicator", problems),
            bulletin: one(&mut table, "bulletin", problems),
            probes: many(&mut table, "probe", problems),
            intake: one(&mut table, "intake", problems),
        };
        Ok(file)
    }

    /// Makes relative paths relative to the configuration's folder.
    pub(super) fn resolve(&mut self, base: &Path) {
        // The placeholder of a section that could not be read stays nowhere, and is not judged.
        if !self.ledger.folder.as_os_str().is_empty() {
            self.ledger.folder = base.join(&self.ledger.folder);
            self.ledger.key_file = base.join(&self.ledger.key_file);
            self.ledger.keys_before.iter_mut().for_each(|path| *path = base.join(&*path));
        }
        self.standards.iter_mut().for_each(|path| *path = base.join(&*path));
        self.calendar = self.calendar.take().map(|path| base.join(path));
        if let Some(socket) = &mut self.control.socket {
            socket.path = base.join(&socket.path);
        }
        if let Some(syslog) = &mut self.audit.syslog {
            syslog.resolve(base);
        }
        if let Some(notify) = &mut self.notify {
            notify.resolve(base);
        }
        for channel in &mut self.channels {
            channel.province.resolve(base);
            if let Some(candidate) = &mut channel.candidate {
                candidate.upper_ids_file = candidate.upper_ids_file.take().map(|it| base.join(it));
                let ways = [&mut candidate.province, &mut candidate.test];
                ways.into_iter().flatten().for_each(|way| way.resolve(base));
            }
        }
        self.sources.iter_mut().for_each(|source| source.resolve(base));
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.resolve(base);
        }
        self.code_tables.iter_mut().for_each(|table| table.file = base.join(&table.file));
        if let Some(indicator) = &mut self.indicator {
            indicator.resolve(base);
        }
        self.probes.iter_mut().for_each(|probe| probe.resolve(base));
        if let Some(intake) = &mut self.intake {
            intake.resolve(base);
        }
        if let Some(bulletin) = &mut self.bulletin {
            bulletin.folder = bulletin.folder.take().map(|it| base.join(it));
        }
    }
}

fn one<T: DeserializeOwned>(
    table: &mut Table,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = table.remove(name)?;
    piece(value, name.to_owned(), problems)
}

fn many<T: DeserializeOwned>(table: &mut Table, name: &str, problems: &mut Vec<Problem>) -> Vec<T> {
    match table.remove(name) {
        None => Vec::new(),
        Some(Value::Array(values)) => values
            .into_iter()
            .enumerate()
            .filter_map(|(at, value)| {
                let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
                let place = match id {
                    Some(id) => format!("{name}.{id}"),
                    None => format!("{name}[{}]", at + 1),
                };
                piece(value, place, problems)
            })
            .collect(),
        Some(_) => {
            problems.push(Problem::new(name, &format!("is written `[[{name}]]`")));
            Vec::new()
        }
    }
}

fn piece<T: DeserializeOwned>(
    value: Value,
    place: String,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match value.try_into() {
        Ok(piece) => Some(piece),
        Err(error) => {
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            problems.push(Problem::new(&place, lines.join(" ").trim()));
            None
        }
    }
}

impl LedgerSettings {
    fn nowhere() -> Self {
        Self {
            folder: PathBuf::new(),
            key_file: PathBuf::new(),
            keys_before: Vec::new(),
            spool_bytes: spool_bytes(),
            live_share_bytes: live_bytes(),
            deletion_percent: deletion_percent(),
            begins: watch(),
        }
    }

    /// The spool's limits.
    pub fn limits(&self) -> spool::Limits {
        spool::Limits { bound_bytes: self.spool_bytes, live_share_bytes: self.live_share_bytes }
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        const LEAST: u64 = 64 << 20;
        if self.folder.as_os_str().is_empty() {
            return;
        }
        if self.spool_bytes < LEAST {
            problems.push(Problem::new("ledger.spool_bytes", "at least 67108864 (64 MiB)"));
        }
        if self.live_share_bytes.saturating_mul(2) > self.spool_bytes {
            let message = "at most half of spool_bytes";
            problems.push(Problem::new("ledger.live_share_bytes", message));
        }
        if self.deletion_percent > 100 {
            problems.push(Problem::new("ledger.deletion_percent", "at most 100"));
        }
        let files = std::iter::once(("key_file", &self.key_file));
        let mut ids = Vec::new();
        for (key, path) in files.chain(self.keys_before.iter().map(|path| ("keys_before", path))) {
            let place = format!("ledger.{key}: {}", path.display());
            match Sealer::from_key_file(path) {
                Ok(sealer) if ids.contains(&sealer.key_id()) => {
                    problems.push(Problem::new(&place, "the same key as one named before it"));
                }
                Ok(sealer) => ids.push(sealer.key_id()),
                Err(error) => {
                    problems.push(Problem::new(&place, &logs::Chain(&error).to_string()));
                }
            }
        }
        if self.keys_before.len() > MOST_KEYS_BEFORE {
            let message = format!("at most {MOST_KEYS_BEFORE}");
            problems.push(Problem::new("ledger.keys_before", &message));
        }
    }

    /// Seals under the key in use, and opens under those before it. Reads files.
    ///
    /// # Errors
    /// A key file cannot be read, or holds none.
    pub fn sealer(&self) -> Result<Sealer, seal::Error> {
        Sealer::from_key_files(&self.key_file, &self.keys_before)
    }
}

impl ChannelSettings {
    /// The kinds of objects it carries, parents first.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL
            .into_iter()
            .filter(|kind| self.carries.iter().any(|it| it == kind.as_str()))
            .collect()
    }

    /// Whether it carries rows of this dataset.
    pub fn carries_rows_of(&self, dataset: &str) -> bool {
        self.carries.iter().any(|it| it == ROWS)
            && self.datasets.as_ref().is_none_or(|only| only.iter().any(|it| it == dataset))
    }

    /// The way to the platform for a standard: the candidate's own, or the channel's.
    pub fn way_of(&self, standard: &str) -> &province::Settings {
        let candidate = self.candidate.as_ref().filter(|it| it.standard == standard);
        candidate.and_then(|it| it.province.as_ref()).unwrap_or(&self.province)
    }

    pub(super) fn check(&self, place: &str, problems: &mut Vec<Problem>) {
        for carried in &self.carries {
            if carried != ROWS && Kind::parse(carried).is_none() {
                let words: Vec<&str> =
                    Kind::ALL.iter().map(|kind| kind.as_str()).chain([ROWS]).collect();
                let message =
                    format!("no such thing `{carried}` to carry; there are: {}", words.join(", "));
                problems.push(Problem::new(&format!("{place}.carries"), &message));
            }
        }
    }
}

fn everything() -> Vec<String> {
    Kind::ALL.iter().map(|kind| kind.as_str()).chain([ROWS]).map(str::to_owned).collect()
}

fn objects_per_minute() -> NonZeroU32 {
    const DEFAULT: NonZeroU32 = NonZeroU32::new(600).expect("is not 0");
    DEFAULT
}

fn spool_bytes() -> u64 {
    2 << 30
}

fn live_bytes() -> u64 {
    32 << 20
}

fn deletion_percent() -> u8 {
    10
}

/// As [`duration`], where it is there.
fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// `"30s"`, `"1h 30m"`: from a millisecond to a year.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    parsed
        .filter(|it| *it >= Duration::from_millis(1) && *it <= Duration::from_hours(24 * 366))
        .ok_or_else(|| serde::de::Error::custom("not a duration such as \"30s\" or \"1h 30m\""))
}
