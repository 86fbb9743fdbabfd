//! `[intake]`: where counties are taken in, by what standard, and what each of them may do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::city::parse_duration;
use crate::province::FerrySettings;
use crate::standard::Standard;

/// The most counties of one instance: each has files, places and series of its own.
const MOST_COUNTIES: usize = 64;

/// `[intake]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where counties reach us.
    pub listen: SocketAddr,
    /// The standard spoken with them, `id/version`.
    pub standard: String,
    /// Our certificate with its chain, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM, in a file that others cannot read.
    pub key_file: PathBuf,
    /// Authorities of the counties' own certificates, PEM; given, a county must show one.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// Where what they send is kept. Default `intake` in the ledger's folder.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// How long receipts and verdicts can be asked for. Default 400 days.
    #[serde(default = "keep", deserialize_with = "duration")]
    pub keep: Duration,
    /// The counties.
    #[serde(default, rename = "county")]
    pub counties: Vec<CountySettings>,
}

/// `[[intake.county]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountySettings {
    /// What datasets call it as their source.
    pub id: String,
    /// Its administrative division (行政区划代码).
    pub region: String,
    /// Its name, for people.
    pub title: String,
    /// Files that hold the standard's `credential.NAME`s, by name. Nobody else can read them.
    pub credentials: BTreeMap<String, PathBuf>,
    /// The ferry that its requests come by, where no line leads to it. Default: it comes by HTTPS.
    #[serde(default)]
    pub ferry: Option<FerrySettings>,
    /// Whether it registers its catalogue with us. Where it does so elsewhere (`false`), its rows are
    /// taken all the same, and resources of our own catalogue carry them. Default: yes.
    #[serde(default = "yes")]
    pub registers: bool,
    /// Credit codes (统一社会信用代码) of the organisations it may register. Default any.
    #[serde(default)]
    pub organisations: BTreeSet<String>,
    /// Rows that may wait here to be passed on. Default 1,000,000.
    #[serde(default = "rows_waiting")]
    pub rows_waiting: u64,
    /// Rows that are kept in all. Default 20,000,000.
    #[serde(default = "rows_held")]
    pub rows_held: u64,
    /// Bytes that are kept in all. Default 16 GiB.
    #[serde(default = "bytes_held")]
    pub bytes_held: u64,
    /// Requests in a second. Default 20.
    #[serde(default = "requests")]
    pub requests_per_second: NonZeroU32,
    /// Requests at once. Default 4.
    #[serde(default = "in_flight")]
    pub in_flight: NonZeroU32,
}

/// A mistake in the section: where in it, and what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Below `intake`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Settings {
    /// Makes relative paths relative to `base`, the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        for path in [&mut self.certificate_file, &mut self.key_file] {
            *path = base.join(&*path);
        }
        for path in [&mut self.client_ca_file, &mut self.folder].into_iter().flatten() {
            *path = base.join(&*path);
        }
        for county in &mut self.counties {
            county.credentials.values_mut().for_each(|path| *path = base.join(&*path));
            if let Some(ferry) = &mut county.ferry {
                ferry.key_file = base.join(&ferry.key_file);
                ferry.folder = base.join(&ferry.folder);
            }
        }
    }

    /// Every mistake that shows without opening anything. `standard` is the one that is named.
    pub fn problems(&self, standard: Option<&Standard>) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |place: &str, message: String| {
            found.push(Problem { place: place.to_owned(), message });
        };
        if self.counties.is_empty() || self.counties.len() > MOST_COUNTIES {
            add("county", format!("between 1 and {MOST_COUNTIES} counties"));
        }
        for (at, county) in self.counties.iter().enumerate() {
            let place = |field: &str| format!("county.{}.{field}", county.id);
            let is_word = |text: &str| {
                let plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
                !text.is_empty() && text.len() <= 40 && text.chars().all(plain)
            };
            if !is_word(&county.id) {
                add(&place("id"), "letters, digits, `-` and `_`, at most 40".to_owned());
            }
            if !is_word(&county.region) {
                add(&place("region"), "a code of an administrative division".to_owned());
            }
            let earlier = || self.counties.iter().take(at);
            let ferry = |it: &CountySettings| it.ferry.as_ref().map(|it| it.name.clone());
            if ferry(county).is_some() && earlier().any(|it| ferry(it) == ferry(county)) {
                add(&place("ferry"), "another county's ferry has this name".to_owned());
            }
            if earlier().any(|it| it.id == county.id) {
                add(&place("id"), "this id appears twice".to_owned());
            }
            if earlier().any(|it| it.region == county.region) {
                add(&place("region"), "another county has this region".to_owned());
            }
        }
        match standard {
            None => add("standard", format!("no standard `{}` was loaded", self.standard)),
            Some(standard) => {
                for message in unspoken(standard) {
                    add("standard", message);
                }
                let batch = standard.settings().limits.batch_rows();
                for county in &self.counties {
                    if county.rows_held < u64::from(batch) {
                        let place = format!("county.{}.rows_held", county.id);
                        add(&place, format!("at least {batch}: less than one batch lets none in"));
                    }
                    for name in wanted(standard) {
                        if !county.credentials.contains_key(&name) {
                            let place = format!("county.{}.credentials", county.id);
                            add(&place, format!("the standard wants a credential `{name}`"));
                        }
                    }
                }
            }
        }
        found
    }
}

/// What of a standard the upper side does not speak.
fn unspoken(standard: &Standard) -> Vec<String> {
    let settings = standard.settings();
    let mut found = Vec::new();
    let mut cannot = |what: &str| found.push(format!("counties cannot be taken in by it: {what}"));
    if settings.tables.is_some() {
        cannot("it is spoken in tables of a database, not over HTTP");
    }
    if settings.encrypt.is_some() {
        cannot("it encrypts what it says");
    }
    if settings.auth.as_ref().is_some_and(|it| it.kind != "basic") {
        cannot("it wants a token or a secret to be fetched first");
    }
    if settings.sign.as_ref().is_some_and(|it| it.into == "body") {
        cannot("its signature stands in the body");
    }
    let is_shown = settings.http.headers.values().any(|it| it.contains("{credential."));
    if !is_shown && settings.auth.is_none() {
        cannot("no header shows who sends");
    }
    if settings.rows.as_ref().is_some_and(|it| it.upsert.column == "item.id") {
        cannot("its rows name columns by ids of information items");
    }
    found
}

/// The credentials that a standard speaks of.
fn wanted(standard: &Standard) -> BTreeSet<String> {
    let settings = standard.settings();
    let sign = settings.sign.iter();
    let texts = settings.http.headers.values().chain(sign.clone().flat_map(|it| &it.over));
    let templates = texts.flat_map(|text| text.split("{credential.").skip(1));
    let named = templates.filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let auth = settings.auth.iter().flat_map(|it| [it.user.as_str(), it.password.as_str()]);
    let keys = sign.map(|it| it.key.as_str()).chain(auth);
    let keys = keys.filter_map(|it| it.strip_prefix("credential."));
    named.chain(keys).filter(|it| !it.contains('*')).map(str::to_owned).collect()
}

fn keep() -> Duration {
    Duration::from_hours(400 * 24)
}

fn yes() -> bool {
    true
}

fn rows_waiting() -> u64 {
    1_000_000
}

fn rows_held() -> u64 {
    20_000_000
}

fn bytes_held() -> u64 {
    16 << 30
}

fn requests() -> NonZeroU32 {
    const DEFAULT: NonZeroU32 = NonZeroU32::new(20).expect("is not 0");
    DEFAULT
}

fn in_flight() -> NonZeroU32 {
    const DEFAULT: NonZeroU32 = NonZeroU32::new(4).expect("is not 0");
    DEFAULT
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let least = Duration::from_hours(24);
    parse_duration(&text).filter(|it| *it >= least).ok_or_else(|| {
        serde::de::Error::custom(format!("`{text}` is no duration of a day or more, such as 400d"))
    })
}
