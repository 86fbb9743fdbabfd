//! `[[probe]]`: which interfaces are asked, how often, and what counts as an answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// The most interfaces that are asked.
pub const MOST: usize = 500;
/// The most questions under way at once.
pub const AT_ONCE: usize = 16;
/// An interface is not asked more often …
const OFTENEST: Duration = Duration::from_secs(30);
/// … and not less: an hour without a question proves nothing about it.
const SELDOMEST: Duration = Duration::from_hours(1);
/// The longest wait for one answer.
const LONGEST: Duration = Duration::from_secs(60);

/// How it is asked: both change nothing where they are asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub enum Method {
    /// With a body, of which a little is read.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// Without one.
    #[serde(rename = "HEAD")]
    Head,
}

/// One `[[probe]]`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name.
    pub id: String,
    /// The resource of the catalogue that it is: what is counted is counted for it.
    pub resource: String,
    /// The address that is asked, `https://…`; plain `http` is taken for services of an inner
    /// network. Secrets do not belong into it.
    pub url: String,
    /// How. Default `GET`.
    #[serde(default)]
    pub method: Method,
    /// Statuses that are an answer. Default 200 to 299.
    #[serde(default)]
    pub expect: Vec<u16>,
    /// How often, 30 s to 1 h. Default 5 min.
    #[serde(default = "every", deserialize_with = "duration")]
    pub every: Duration,
    /// Longest wait for an answer, at most 60 s. Default 10 s.
    #[serde(default = "timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Certificates to trust, PEM; given, no others are trusted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate with its chain, PEM.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// Its key, PEM, in a file that others cannot read.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// A file with the value of the header `Authorization`; only over TLS.
    #[serde(default)]
    pub authorization_file: Option<PathBuf>,
}

impl Settings {
    /// Makes relative paths relative to the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        for file in [
            &mut self.ca_file,
            &mut self.client_certificate_file,
            &mut self.client_key_file,
            &mut self.authorization_file,
        ] {
            *file = file.take().map(|path| base.join(path));
        }
    }

    /// The subject of its facts.
    pub fn subject(&self) -> String {
        format!("resource:{}", self.resource)
    }

    /// Whether a status is an answer.
    pub fn is_expected(&self, status: u16) -> bool {
        if self.expect.is_empty() {
            return (200..300).contains(&status);
        }
        self.expect.contains(&status)
    }

    /// The address as it may be shown: without its query.
    pub fn shown(&self) -> String {
        self.url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    /// What is wrong with it alone: the key and why.
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        let mut add = |key, what: &str| found.push((key, what.to_owned()));
        let is_name = |text: &str| !text.is_empty() && !text.chars().any(char::is_whitespace);
        for (key, text) in [("id", &self.id), ("resource", &self.resource)] {
            if !is_name(text) {
                add(key, "is empty or has a blank in it");
            }
        }
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.host().is_some() => {
                if !url.username().is_empty() || url.password().is_some() {
                    add("url", "a name or password does not belong into an address");
                }
                if url.scheme() == "http" && self.authorization_file.is_some() {
                    add("authorization_file", "is sent over TLS only: the address is not https");
                }
            }
            Ok(_) | Err(_) => add("url", "is not the address of an HTTP server"),
        }
        if self.expect.iter().any(|status| !(200..600).contains(status)) {
            add("expect", "a status is a number from 200 to 599");
        }
        if !(OFTENEST..=SELDOMEST).contains(&self.every) {
            add("every", "from 30s to 1h");
        }
        if self.timeout.is_zero() || self.timeout > LONGEST || self.timeout >= self.every {
            add("timeout", "more than nothing, at most 60s, and less than `every`");
        }
        found
    }
}

/// What is wrong with all of them: the place and why. Beside each one's own mistakes: names twice,
/// and more than could be asked in time if none of them answered.
pub fn problems(probes: &[Settings]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, probe) in probes.iter().enumerate() {
        let place = format!("probe.{}", probe.id);
        let own = probe.problems().into_iter();
        found.extend(own.map(|(key, what)| (format!("{place}.{key}"), what)));
        if probes.iter().take(at).any(|other| other.id == probe.id) {
            found.push((format!("{place}.id"), "this id appears twice".to_owned()));
        }
    }
    if probes.len() > MOST {
        found.push(("probe".to_owned(), format!("at most {MOST} interfaces")));
    }
    // Thousandths of a place that each takes up while it is silent.
    let taken = probes.iter().fold(0_u128, |sum, it| {
        let share = it.timeout.as_millis().saturating_mul(1_000);
        sum.saturating_add(share.checked_div(it.every.as_millis()).unwrap_or(u128::MAX))
    });
    let room = u128::try_from(AT_ONCE).unwrap_or(u128::MAX).saturating_mul(1_000);
    if taken > room {
        let what = format!(
            "were all silent, they would not be asked in time, {AT_ONCE} at once: ask some more \
             seldom or wait less long"
        );
        found.push(("probe".to_owned(), what));
    }
    found
}

fn every() -> Duration {
    Duration::from_mins(5)
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

/// `"30s"`, `"1h 30m"`: from a millisecond to a day.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    parsed
        .filter(|it| *it >= Duration::from_millis(1) && *it <= Duration::from_hours(24))
        .ok_or_else(|| serde::de::Error::custom("not a duration such as \"30s\" or \"5m\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Settings, String> {
        let text = format!("id = \"p\"\nresource = \"r\"\n{more}");
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_probe_says_is_read_with_defaults() {
        let probe = read("url = \"https://a.example/v1?limit=1\"").unwrap();
        assert_eq!((probe.every, probe.timeout), (every(), timeout()));
        assert_eq!(problems(std::slice::from_ref(&probe)), []);
        assert_eq!(probe.shown(), "https://a.example/v1");
        assert!(probe.is_expected(204) && !probe.is_expected(302) && !probe.is_expected(503));
        let probe =
            read("url = \"http://10.0.0.1/\"\nmethod = \"HEAD\"\nexpect = [401]\nevery = \"30s\"")
                .unwrap();
        assert!(probe.is_expected(401) && !probe.is_expected(200));
        assert_eq!((probe.method, problems(std::slice::from_ref(&probe)).len()), (Method::Head, 0));
        for bad in ["method = \"POST\"", "url = 7", "ever = \"1m\"", "every = \"soon\""] {
            assert!(read(&format!("url = \"https://a\"\n{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "url = \"ftp://a\"\nexpect = [99]\nevery = \"2h\"\ntimeout = \"90s\"";
        let one = Settings { id: String::new(), ..read(text).unwrap() };
        let two = read("url = \"http://u:p@a\"\nauthorization_file = \"k\"").unwrap();
        let told = problems(&[one, two.clone(), two]);
        let places: Vec<&str> = told.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            [
                "probe..id",
                "probe..url",
                "probe..expect",
                "probe..every",
                "probe..timeout",
                "probe.p.url",
                "probe.p.authorization_file",
                "probe.p.url",
                "probe.p.authorization_file",
                "probe.p.id",
            ]
        );
    }

    #[test]
    fn more_than_can_be_asked_in_time_is_refused() {
        let probe = read("url = \"https://a\"\nevery = \"1m\"\ntimeout = \"30s\"").unwrap();
        let many = |count: usize| {
            let numbered = (0..count).map(|at| Settings { id: format!("p{at}"), ..probe.clone() });
            problems(&numbered.collect::<Vec<_>>())
        };
        assert_eq!(many(2 * AT_ONCE), []);
        assert_eq!(many(2 * AT_ONCE + 1).len(), 1);
        assert_eq!(many(MOST + 1).len(), 2);
    }
}
