//! The configuration file: read whole, checked whole, every problem at once.
//!
//! One TOML file. Its pieces belong to the modules that use them (`city`, `province`, `telemetry`,
//! `control`); this module finds every mistake in them, each with its place, and refuses the whole.
//! Secrets are only ever paths of files that nobody else can read. Relative paths are relative to
//! the configuration's folder.

mod changes;
mod control;
mod file;
mod indicator;
mod problem;

pub use changes::Changes;
pub use control::{AuditSettings, ControlSettings};
pub use file::{
    CandidateSettings, ChannelSettings, CodeTableSettings, LedgerSettings, PaceSettings, ROWS,
};
pub use indicator::{Indicator, IndicatorSettings};
pub use problem::Problem;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bulletin;
use crate::calendar::{Calendar, Grace};
use crate::checks::{CodeTable, Rules, Watch};
use crate::city::{self, CatalogueSettings, Dataset, PartSettings, SourceSettings};
use crate::control::webhook;
use crate::delivery::{DigestSha256, Reaches, Whose};
use crate::intake;
use crate::probe;
use crate::standard::{self, Standard};
use crate::telemetry::logs;

/// The largest configuration file, and the largest calendar or code table, in bytes.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// A channel with its standard.
#[derive(Clone, Debug)]
pub struct Channel {
    /// As configured; after a cut-over with the standard and the address of the one in force.
    pub settings: ChannelSettings,
    /// The protocol spoken on it.
    pub standard: Arc<Standard>,
    /// What the file says, whatever was put in force since.
    pub written: ChannelSettings,
    /// What of its subjects went over to another standard before the rest.
    pub ahead: Option<Ahead>,
    /// What was spoken on it before: what became of its last batches may only be told so.
    pub former: Vec<Voice>,
}

/// A standard and the way to the platform on which it is spoken.
#[derive(Clone, Debug)]
pub struct Voice {
    /// The protocol.
    pub standard: Arc<Standard>,
    /// Address and credentials.
    pub province: crate::province::Settings,
}

/// The subjects of a channel that another standard speaks for already.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// Which.
    pub reaches: Reaches,
    /// What is spoken for them.
    pub voice: Voice,
}

/// A dataset with its rules.
#[derive(Clone, Debug)]
pub struct DatasetRules {
    /// As configured, resolved.
    pub dataset: Dataset,
    /// Its compiled rules.
    pub rules: Rules,
    /// What is watched of it as a whole.
    pub watch: Watch,
    /// Of its settings, rules included: another digest, another dataset.
    pub written: DigestSha256,
}

/// A configuration without a mistake that shows without connecting anywhere.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where it was read from.
    pub path: PathBuf,
    /// The city's name, for people.
    pub city: String,
    /// Where the daemon keeps what it knows.
    pub ledger: LedgerSettings,
    /// How it logs.
    pub logs: logs::Settings,
    /// Where operators and Prometheus reach it.
    pub control: ControlSettings,
    /// How long acts are kept, and who gets them.
    pub audit: AuditSettings,
    /// Whom it tells what began and what ended.
    pub notify: Option<webhook::Settings>,
    /// How often it looks.
    pub pace: PaceSettings,
    /// Where standards are looked for.
    pub standard_folders: Vec<PathBuf>,
    /// Every standard found.
    pub standards: BTreeMap<String, Arc<Standard>>,
    /// The channels.
    pub channels: Vec<Channel>,
    /// Channels of the file in whose place a further one goes on alone after a parallel period.
    pub retired: Vec<Channel>,
    /// The city's sources.
    pub sources: Vec<SourceSettings>,
    /// The city's catalogue.
    pub catalogue: Option<CatalogueSettings>,
    /// The datasets.
    pub datasets: Vec<DatasetRules>,
    /// Working days.
    pub calendar: Calendar,
    /// The file that they come from, where one is named.
    pub calendar_file: Option<PathBuf>,
    /// How much later than its cycle says a dataset may be that says nothing itself.
    pub grace: Grace,
    /// Digests of the code tables' files, by id.
    pub code_tables: BTreeMap<String, DigestSha256>,
    /// The code tables' files, by id.
    pub code_table_files: BTreeMap<String, PathBuf>,
    /// By what the months are judged, where that is configured.
    pub indicator: Option<Arc<Indicator>>,
    /// How bulletins look, and when they are written by themselves.
    pub bulletin: Option<bulletin::Settings>,
    /// The interfaces that are asked whether they answer.
    pub probes: Vec<probe::Settings>,
    /// The counties that cascade into this instance.
    pub intake: Option<intake::Settings>,
}

impl Channel {
    /// The datasets of the city whose rows another standard carries already: none where it carries
    /// no rows.
    pub fn rows_ahead<'a>(
        &'a self,
        datasets: &'a [DatasetRules],
    ) -> impl Iterator<Item = &'a Dataset> {
        let ahead = self.ahead.as_ref();
        let ahead = ahead.filter(|it| it.voice.standard.operation("rows.upsert").is_some());
        datasets.iter().map(|it| &it.dataset).filter(move |it| {
            let whose = Whose::rows(&it.id, &it.region, &it.department);
            ahead.is_some_and(|ahead| ahead.reaches.covers(&whose))
        })
    }
}

impl Configuration {
    /// How much later than its cycle says a dataset may be.
    pub fn grace_of(&self, dataset: &Dataset) -> Grace {
        dataset.grace.unwrap_or(self.grace)
    }

    /// Reads and checks a configuration file and everything it names.
    ///
    /// # Errors
    /// Every problem found, in the order of the file's sections.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let (configuration, problems) = Self::examine(path)?;
        if problems.is_empty() { Ok(configuration) } else { Err(problems) }
    }

    /// Reads a configuration file and gives what is right in it beside every problem, so that what
    /// only files and sources can contradict is told together with the rest. With a problem in it,
    /// nothing may run on it.
    ///
    /// # Errors
    /// The one problem of a file that cannot be read as TOML.
    pub fn examine(path: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let text = read(path, "").map_err(|problem| vec![problem])?;
        let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self::parse(&text, path, &base)
    }

    fn parse(text: &str, path: &Path, base: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut file = file::File::read(text, &mut problems)?;
        file.resolve(base);
        let standards = standards(&file.standards, &mut problems);
        let channels = channels(&file, &standards, &mut problems);
        let (code_tables, digests) = code_tables(&file.code_tables, &mut problems);
        let calendar = calendar(file.calendar.as_deref(), &mut problems);
        counties(&mut file, &standards, &mut problems);
        let datasets = datasets(&file, &code_tables, &mut problems);
        if let Some(problem) = file.grace.problem() {
            problems.push(Problem::new("grace", problem));
        }
        let judged = file.indicator.take().map(|it| Indicator::load(it, &mut problems));
        file.ledger.check(&mut problems);
        file.control.check(&mut problems);
        file.audit.check(&mut problems);
        for (key, what) in file.bulletin.iter().flat_map(bulletin::Settings::problems) {
            problems.push(Problem::new(&format!("bulletin.{key}"), &what));
        }
        for (place, what) in probe::problems(&file.probes) {
            problems.push(Problem::new(&place, &what));
        }
        let is_scheduled = file.bulletin.as_ref().is_some_and(|it| it.folder.is_some());
        if is_scheduled && judged.is_none() {
            let message = "a schedule needs `[indicator]`: nothing says how months are judged";
            problems.push(Problem::new("bulletin.folder", message));
        }
        let configuration = Self {
            path: path.to_owned(),
            city: file.city,
            ledger: file.ledger,
            logs: file.logs,
            control: file.control,
            audit: file.audit,
            notify: file.notify,
            pace: file.pace,
            standard_folders: file.standards,
            standards,
            channels,
            retired: Vec::new(),
            sources: file.sources,
            catalogue: file.catalogue,
            datasets,
            calendar,
            calendar_file: file.calendar,
            grace: file.grace,
            code_tables: digests,
            code_table_files: file.code_tables.into_iter().map(|it| (it.id, it.file)).collect(),
            indicator: judged.map(Arc::new),
            bulletin: file.bulletin,
            probes: file.probes,
            intake: file.intake,
        };
        Ok((configuration, problems))
    }
}

/// Loads the standard of this name as its directory is now, `None` where no folder has one. Reads
/// files: blocking work.
///
/// # Errors
/// Every problem of the directory.
pub fn standard_now(folders: &[PathBuf], name: &str) -> Option<Result<Standard, Vec<Problem>>> {
    Some(standard_at(&standard_directory(folders, name)?))
}

/// The directory of the standard of this name.
pub fn standard_directory(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let (id, version) = name.split_once('/')?;
    if !is_part(id) || !is_part(version) || version.contains('/') {
        return None;
    }
    folders
        .iter()
        .map(|folder| folder.join(id).join(version))
        .find(|directory| directory.join("standard.toml").is_file())
}

/// The digest of the standard of this name as its directory is now; `None` where no folder has
/// one that can be read. Reads files: blocking work.
pub fn digest_now(folders: &[PathBuf], name: &str) -> Option<DigestSha256> {
    let files = standard::files(&standard_directory(folders, name)?).ok()?;
    Some(standard::digest(&files))
}

/// Loads the standard of a directory. Reads files: blocking work.
///
/// # Errors
/// Every problem of the directory.
pub fn standard_at(directory: &Path) -> Result<Standard, Vec<Problem>> {
    let place = directory.display().to_string();
    let files = standard::files(directory).map_err(|error| {
        vec![Problem::coded(&place, &logs::Chain(&error).to_string(), error.code().as_str())]
    })?;
    standard::load(&files).map_err(|list| {
        let told = list.iter();
        told.map(|it| Problem::coded(&place, &it.to_string(), it.code.as_str())).collect()
    })
}

/// Loads every standard below the folders: `ID/VERSION/standard.toml`.
fn standards(folders: &[PathBuf], problems: &mut Vec<Problem>) -> BTreeMap<String, Arc<Standard>> {
    let mut found = BTreeMap::new();
    for folder in folders {
        for directory in versions(folder, problems) {
            match standard_at(&directory) {
                Ok(loaded) => {
                    found.insert(loaded.id().as_str().to_owned(), Arc::new(loaded));
                }
                Err(list) => problems.extend(list),
            }
        }
    }
    found
}

fn versions(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let list = |folder: &Path| -> std::io::Result<Vec<PathBuf>> {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        inside.retain(|path| path.is_dir());
        inside.sort();
        Ok(inside)
    };
    let mut directories = Vec::new();
    match list(folder) {
        Ok(standards) => {
            for standard in standards {
                directories.extend(list(&standard).unwrap_or_default());
            }
        }
        Err(error) => {
            let message = format!("cannot list {}: {error}", folder.display());
            problems.push(Problem::new("standards", &message));
        }
    }
    directories.retain(|directory| directory.join("standard.toml").is_file());
    directories
}

fn channels(
    file: &file::File,
    standards: &BTreeMap<String, Arc<Standard>>,
    problems: &mut Vec<Problem>,
) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::new();
    if file.channels.is_empty() {
        problems.push(Problem::new("channel", "at least one channel is needed"));
    }
    for (at, settings) in file.channels.iter().enumerate() {
        let place = format!("channel.{}", settings.id);
        if file.channels.iter().take(at).any(|other| other.id == settings.id) {
            problems.push(Problem::new(&format!("{place}.id"), "this id appears twice"));
        }
        settings.check(&place, problems);
        if let Some(candidate) = &settings.candidate
            && !standards.contains_key(&candidate.standard)
        {
            let place = format!("{place}.candidate.standard");
            let message = unknown_standard(&candidate.standard, standards);
            problems.push(Problem::new(&place, &message));
        }
        match standards.get(&settings.standard) {
            Some(standard) => channels.push(Channel {
                settings: settings.clone(),
                standard: Arc::clone(standard),
                written: settings.clone(),
                ahead: None,
                former: Vec::new(),
            }),
            None => {
                let message = unknown_standard(&settings.standard, standards);
                problems.push(Problem::new(&format!("{place}.standard"), &message));
            }
        }
    }
    channels
}

fn unknown_standard(name: &str, standards: &BTreeMap<String, Arc<Standard>>) -> String {
    let known: Vec<&str> = standards.keys().map(String::as_str).collect();
    format!("no standard `{name}` was loaded; there are: {}", known.join(", "))
}

fn code_tables(
    settings: &[CodeTableSettings],
    problems: &mut Vec<Problem>,
) -> (BTreeMap<String, CodeTable>, BTreeMap<String, DigestSha256>) {
    let mut tables = BTreeMap::new();
    let mut digests = BTreeMap::new();
    for it in settings {
        let place = format!("code_table.{}", it.id);
        let text = match read(&it.file, &format!("{place}.file")) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        digests.insert(it.id.clone(), DigestSha256::of(text.as_bytes()));
        match CodeTable::parse(&text) {
            Ok(table) => drop(tables.insert(it.id.clone(), table)),
            Err(list) => problems.extend(list.into_iter().map(|problem| {
                let place = format!("{place}: {}: {}", it.file.display(), problem.place);
                Problem::new(&place, &problem.message)
            })),
        }
    }
    (tables, digests)
}

fn calendar(path: Option<&Path>, problems: &mut Vec<Problem>) -> Calendar {
    let Some(path) = path else { return Calendar::default() };
    let text = match read(path, "calendar") {
        Ok(text) => text,
        Err(problem) => {
            problems.push(problem);
            return Calendar::default();
        }
    };
    match Calendar::parse(&text) {
        Ok(calendar) => calendar,
        Err(list) => {
            let place = format!("calendar: {}", path.display());
            problems.extend(list.iter().map(|message| Problem::new(&place, message)));
            Calendar::default()
        }
    }
}

/// Every county that is taken in is a source, and a part of the catalogue.
fn counties(
    file: &mut file::File,
    standards: &BTreeMap<String, Arc<Standard>>,
    problems: &mut Vec<Problem>,
) {
    let Some(settings) = &file.intake else { return };
    let standard = standards.get(&settings.standard).map(Arc::as_ref);
    for found in settings.problems(standard) {
        problems.push(Problem::new(&format!("intake.{}", found.place), &found.message));
    }
    for county in &settings.counties {
        file.sources.push(SourceSettings::County(city::CountySettings {
            id: county.id.clone(),
            region: county.region.clone(),
            shelf: None,
        }));
    }
    match &mut file.catalogue {
        Some(catalogue) => {
            let parts = settings.counties.iter().map(|it| PartSettings::County(it.id.clone()));
            catalogue.parts.extend(parts);
        }
        None => {
            let message = "counties need `[catalogue]`: their entries are a part of it";
            problems.push(Problem::new("intake", message));
        }
    }
    for dataset in &file.datasets {
        let owner = settings.counties.iter().find(|it| it.id == dataset.source);
        if let Some(county) = owner.filter(|it| it.region != dataset.region) {
            let place = format!("dataset.{}.region", dataset.id);
            problems.push(Problem::new(&place, &format!("its county is {}", county.region)));
        }
    }
}

/// The datasets that have no problem, neither of their own nor of their rules.
fn datasets(
    file: &file::File,
    code_tables: &BTreeMap<String, CodeTable>,
    problems: &mut Vec<Problem>,
) -> Vec<DatasetRules> {
    let (compiled, found) = city::check(&file.sources, &file.datasets, file.catalogue.as_ref());
    problems.extend(found.iter().map(|problem| Problem::new(&problem.place, &problem.message)));
    let mut rules = BTreeMap::new();
    for settings in &file.datasets {
        let columns: Vec<crate::row::Column> = settings
            .columns
            .iter()
            .map(|column| crate::row::Column { name: column.name.clone(), kind: column.kind.of() })
            .collect();
        let mut told = |list: Vec<crate::checks::Problem>| {
            problems.extend(list.into_iter().map(|problem| {
                let place = format!("dataset.{}.{}", settings.id, problem.place);
                Problem::new(&place, &problem.message)
            }));
        };
        let reads_whole = matches!(settings.change, city::ChangeSettings::Full {})
            || settings.compare_deletions.is_some();
        let watch = Watch::compile(&settings.watch, &columns, reads_whole).map_err(&mut told);
        let compiled = Rules::compile(&settings.rules, &columns, code_tables).map_err(&mut told);
        if let (Ok(compiled), Ok(watch)) = (compiled, watch) {
            drop(rules.insert(settings.id.as_str(), (compiled, watch)));
        }
    }
    compiled
        .into_iter()
        .filter_map(|dataset| {
            let (rules, watch) = rules.get(dataset.id.as_str())?.clone();
            let settings = file.datasets.iter().find(|it| it.id == dataset.id)?;
            let written = DigestSha256::of(format!("{settings:?}").as_bytes());
            Some(DatasetRules { dataset, rules, watch, written })
        })
        .collect()
}

/// Reads a text file of bounded size.
fn read(path: &Path, place: &str) -> Result<String, Problem> {
    use std::io::Read as _;
    let shown = path.display().to_string();
    let place = if place.is_empty() { shown.clone() } else { format!("{place}: {shown}") };
    let failed = |error: std::io::Error| Problem::new(&place, &format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::new(&place, "is larger than 32 MiB"));
    }
    Ok(text)
}
