//! Tells somebody else's address what began and what ended, for cities without Alertmanager.
//!
//! Nothing is queued: [`Outbox`] holds what stands now and what was told of it, and the difference
//! is what is sent next. So an address that does not answer for a week costs no memory, hears what
//! is true when it is back, and what began and ended meanwhile without its knowing is not told. A
//! change is told when it has stood for a while, so a channel that stutters does not ring. After a
//! restart nothing is known to be told: what stands is told once more, with the same `since`.
//!
//! One HTTPS POST with a small JSON object, at most [`MOST_CHANGES`] changes in it and a count of
//! the rest; anything but an answer of 200 to 299 is tried again, more and more seldom. The address
//! is read from a file that nobody else can read, for with many services it is the key.

mod outbox;
mod sender;

pub use outbox::{MOST_CHANGES, MOST_STANDING, Message, Outbox, Standing};
pub use sender::{Error, Sender};

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

/// `[notify]`: whom to tell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A file with the address, `https://…`, in one line that nobody else can read.
    pub url_file: PathBuf,
    /// A file with the value of the header `Authorization`.
    #[serde(default)]
    pub authorization_file: Option<PathBuf>,
    /// Certificates to trust, PEM; given, no others are trusted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer. Default 10 s.
    #[serde(default = "timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// How long something must stand, or be gone, before it is told. Default 2 min.
    #[serde(default = "steady", deserialize_with = "duration")]
    pub steady: Duration,
}

impl Settings {
    /// Makes relative paths relative to the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        self.url_file = base.join(&self.url_file);
        self.authorization_file = self.authorization_file.take().map(|it| base.join(it));
        self.ca_file = self.ca_file.take().map(|it| base.join(it));
    }
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn steady() -> Duration {
    Duration::from_mins(2)
}

/// `"30s"`, `"1h 30m"`: from a millisecond to a day.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    parsed
        .filter(|it| *it >= Duration::from_millis(1) && *it <= Duration::from_hours(24))
        .ok_or_else(|| serde::de::Error::custom("not a duration such as \"30s\" or \"2m\""))
}
