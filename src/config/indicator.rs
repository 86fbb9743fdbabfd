//! `[indicator]`: by which scheme months are judged, over which lists, beside which other cities.
//!
//! Every file is read with the configuration, so that `check` tells what is wrong in any of them
//! and a reload takes them up. Values that the daemon cannot see and exemptions become facts when
//! the configuration is put to work: a score is computed from facts alone.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::Problem;
use crate::delivery::DigestSha256;
use crate::indicator::field::Field;
use crate::indicator::lists::Lists;
use crate::indicator::scheme::{Month, Scheme, in_force};
use crate::indicator::sheet;
use crate::indicator::sources::{CITIES, LISTS, SCHEME, Sources};
use crate::indicator::stated::{self, Stated};

/// `[indicator]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicatorSettings {
    /// The id of the scheme; of several files with it each month has the one that began last.
    pub scheme: String,
    /// The folder of the schemes. Default `/usr/share/cascaded/schemes`.
    #[serde(default = "schemes")]
    pub schemes: PathBuf,
    /// The folder of the lists that the city keeps. Without one, rates over what is listed are
    /// absent.
    #[serde(default)]
    pub lists: Option<PathBuf>,
    /// The other cities' published scores.
    #[serde(default)]
    pub cities: Option<PathBuf>,
    /// The folder of tables of values that the daemon cannot see.
    #[serde(default)]
    pub values: Option<PathBuf>,
}

/// By what months are judged.
#[derive(Clone, Debug)]
pub struct Indicator {
    /// As configured.
    pub settings: IndicatorSettings,
    /// Every scheme of the folder.
    pub schemes: Vec<Scheme>,
    /// The lists; empty where none are configured.
    pub lists: Arc<Lists>,
    /// The other cities.
    pub field: Field,
    /// Values that the daemon cannot see.
    pub stated: Vec<Stated>,
    /// Of every file: another digest, another judgement.
    pub digest: DigestSha256,
    /// The files as they were read, by what they are.
    pub texts: BTreeMap<String, Arc<str>>,
}

/// The most files of a folder that are read.
const MOST_FILES: usize = 1_000;

impl IndicatorSettings {
    /// Makes relative paths relative to the configuration's folder.
    pub(super) fn resolve(&mut self, base: &Path) {
        self.schemes = base.join(&self.schemes);
        for path in [&mut self.lists, &mut self.cities, &mut self.values].into_iter().flatten() {
            *path = base.join(&*path);
        }
    }
}

impl Indicator {
    /// Reads every file; what is wrong in any of them is noted.
    pub(super) fn load(settings: IndicatorSettings, problems: &mut Vec<Problem>) -> Self {
        let digests = vec![settings.scheme.clone()];
        let mut files = Files { digests, texts: BTreeMap::new(), problems };
        let schemes = files.schemes(&settings);
        let lists = settings.lists.as_deref().map(|folder| files.lists(folder));
        let cities = settings.cities.as_deref().map(|path| {
            files.table(path, "indicator.cities", |file, text| {
                Ok((Field::parse(file, text)?, text.to_owned()))
            })
        });
        let cities = cities.flatten().map(|(field, text)| {
            files.texts.insert(CITIES.to_owned(), text.into());
            field
        });
        let mut values = Vec::new();
        if let Some(folder) = &settings.values {
            for path in files.folder(folder, "indicator.values", "csv") {
                values.extend(files.table(&path, "indicator.values", stated::parse));
            }
        }
        let digest = DigestSha256::of(files.digests.join("\n").as_bytes());
        Self {
            settings,
            schemes,
            lists: Arc::new(lists.unwrap_or_default()),
            field: cities.unwrap_or_default(),
            stated: values.into_iter().flatten().collect(),
            digest,
            texts: files.texts,
        }
    }

    /// By what a month is judged, as texts; nothing where no scheme holds in it.
    pub fn sources(&self, month: Month) -> Sources {
        self.scheme(month).map_or_else(Sources::default, |scheme| self.sources_by(scheme))
    }

    /// As [`Indicator::sources`], by any scheme of the folder.
    pub fn sources_by(&self, scheme: &Scheme) -> Sources {
        let mut sources = Sources::default();
        if let Some(text) = self.texts.get(&scheme_key(scheme)) {
            sources.put(SCHEME, Arc::clone(text));
        }
        for (name, text) in self.texts.iter().filter(|(name, _)| Sources::is_one(name)) {
            sources.put(name.as_str(), Arc::clone(text));
        }
        sources
    }

    /// The scheme by which a month is judged.
    pub fn scheme(&self, month: Month) -> Option<&Scheme> {
        in_force(&self.schemes, &self.settings.scheme, month)
    }
}

/// What a scheme's text is kept under; two of one id begin in different months.
fn scheme_key(scheme: &Scheme) -> String {
    format!("schemes/{}@{}", scheme.id, scheme.period.from)
}

/// Reads files, remembers what they held and what was wrong.
struct Files<'p> {
    digests: Vec<String>,
    texts: BTreeMap<String, Arc<str>>,
    problems: &'p mut Vec<Problem>,
}

impl Files<'_> {
    fn schemes(&mut self, settings: &IndicatorSettings) -> Vec<Scheme> {
        let mut schemes = Vec::new();
        let paths = self.folder(&settings.schemes, "indicator.schemes", "toml");
        let are_there = !paths.is_empty();
        let mut are_sound = true;
        for path in paths {
            let Some((file, text)) = self.text(&path, "indicator.schemes") else { continue };
            match Scheme::parse(&file, &text) {
                Ok(scheme) => {
                    self.texts.insert(scheme_key(&scheme), text.into());
                    schemes.push(scheme);
                }
                Err(list) => {
                    are_sound = false;
                    self.problems.extend(
                        list.iter()
                            .map(|it| Problem::coded(&it.place(), &it.told(), it.code.as_str())),
                    );
                }
            }
        }
        let is_known = schemes.iter().any(|scheme| scheme.id == settings.scheme);
        if are_there && are_sound && !is_known {
            let mut known: Vec<&str> = schemes.iter().map(|scheme| scheme.id.as_str()).collect();
            known.dedup();
            let message =
                format!("no scheme `{}`; there are: {}", settings.scheme, known.join(", "));
            self.problems.push(Problem::new("indicator.scheme", &message));
        }
        schemes
    }

    fn lists(&mut self, folder: &Path) -> Lists {
        let mut are_there = false;
        let (lists, problems) = Lists::read(|name| {
            let path = folder.join(name);
            if !path.exists() {
                return None;
            }
            are_there = true;
            let read = self.text(&path, "indicator.lists");
            if let Some((_, text)) = &read {
                self.texts.insert(format!("{LISTS}{name}"), text.as_str().into());
            }
            read
        });
        self.problems.extend(problems.iter().map(of_table));
        if !are_there {
            let message = format!(
                "there is none of the lists in {}: {}",
                folder.display(),
                Lists::FILES.join(", ")
            );
            self.problems.push(Problem::new("indicator.lists", &message));
        }
        lists
    }

    fn table<T>(
        &mut self,
        path: &Path,
        place: &str,
        parse: impl Fn(&str, &str) -> Result<T, Vec<sheet::Problem>>,
    ) -> Option<T> {
        let (file, text) = self.text(path, place)?;
        match parse(&file, &text) {
            Ok(table) => Some(table),
            Err(problems) => {
                self.problems.extend(problems.iter().map(of_table));
                None
            }
        }
    }

    /// A file's name to call it by, and its text.
    fn text(&mut self, path: &Path, place: &str) -> Option<(String, String)> {
        match super::read(path, place) {
            Ok(text) => {
                let shown = path.display().to_string();
                self.digests.push(format!("{shown} {}", DigestSha256::of(text.as_bytes())));
                Some((shown, text))
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// The files of a folder with an ending, by their names.
    fn folder(&mut self, folder: &Path, place: &str, ending: &str) -> Vec<PathBuf> {
        let list = || -> std::io::Result<Vec<PathBuf>> {
            let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
                .take(MOST_FILES)
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<_>>()?;
            paths.retain(|path| path.extension().is_some_and(|it| it == ending));
            paths.sort();
            if paths.is_empty() {
                let message = format!("there is no file *.{ending} in it");
                return Err(std::io::Error::new(ErrorKind::NotFound, message));
            }
            Ok(paths)
        };
        list().unwrap_or_else(|error| {
            let place = format!("{place}: {}", folder.display());
            self.problems.push(Problem::new(&place, &format!("cannot be used: {error}")));
            Vec::new()
        })
    }
}

fn of_table(problem: &sheet::Problem) -> Problem {
    Problem::coded(&problem.place(), &problem.what, sheet::Problem::CODE)
}

fn schemes() -> PathBuf {
    PathBuf::from("/usr/share/cascaded/schemes")
}
