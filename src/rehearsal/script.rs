//! A script of faults for the command line.
//!
//! ```toml
//! [[play]]                      # from the start on, asked in this order
//! operation = "rows.*"
//! fault = "lose-answer"
//! per_mille = 100               # default 1000
//! skip = 5                      # default 0
//! times = 20                    # default: as long as the platform runs
//!
//! [[event]]                     # at a time after the start
//! after = "10m"
//! do = "outage"                 # recover, snapshot, restore, release, wrong-certificate,
//!                               # expire-tokens, clear
//! ```
//!
//! Parameters of faults: `code`, `status`, `wait` (a time span), `name`.

use std::time::Duration;

use serde::Deserialize;

use super::{Error, Fault, Platform, Play};
use crate::clock::Clock;
use crate::supervisor::{StopPolicy, Supervisor, sleep_until};

/// A script that was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    plays: Vec<Play>,
    events: Vec<(Duration, Event)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    play: Vec<RawPlay>,
    #[serde(default)]
    event: Vec<RawEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlay {
    operation: String,
    fault: String,
    #[serde(default = "always")]
    per_mille: u32,
    #[serde(default)]
    skip: u64,
    times: Option<u64>,
    code: Option<String>,
    status: Option<u16>,
    wait: Option<String>,
    name: Option<String>,
}

fn always() -> u32 {
    1_000
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    after: String,
    #[serde(rename = "do")]
    event: Event,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Outage,
    Recover,
    Snapshot,
    Restore,
    Release,
    WrongCertificate,
    ExpireTokens,
    Clear,
}

/// The most plays and events of one script.
const MAX_LINES: usize = 1_000;

impl Script {
    /// Reads a script; every problem at once.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let document: Document = toml::from_str(text)
            .map_err(|error| Error::Script { problem: error.message().to_owned() })?;
        let mut problems = Vec::new();
        let mut script = Self::default();
        for (at, raw) in document.play.into_iter().enumerate().take(MAX_LINES) {
            match play(raw) {
                Ok(play) => script.plays.push(play),
                Err(problem) => problems.push(format!("play {}: {problem}", at + 1)),
            }
        }
        for (at, raw) in document.event.into_iter().enumerate().take(MAX_LINES) {
            match span(&raw.after) {
                Some(after) => script.events.push((after, raw.event)),
                None => problems.push(format!("event {}: `after` is no time span", at + 1)),
            }
        }
        script.events.sort_by_key(|(after, _)| *after);
        if problems.is_empty() {
            Ok(script)
        } else {
            Err(Error::Script { problem: problems.join("; ") })
        }
    }

    /// Adds the plays to the platform's and lets the events happen in their time.
    pub fn perform(self, platform: &Platform, clock: &Clock, supervisor: &Supervisor) {
        self.plays.into_iter().for_each(|play| platform.faults().play(play));
        let (platform, clock, began) = (platform.clone(), clock.clone(), clock.now());
        let events = self.events;
        supervisor.spawn_passing("rehearsal script", StopPolicy::Abort, async move {
            for (after, event) in events {
                let at = began.saturating_add(after).unwrap_or(jiff::Timestamp::MAX);
                sleep_until(&clock, at).await;
                if let Err(error) = event.happen(&platform) {
                    tracing::error!(%error, ?event, "an event of the script failed");
                }
            }
        });
    }
}

impl Event {
    fn happen(self, platform: &Platform) -> Result<(), Error> {
        match self {
            Self::Outage => platform.faults().begin_outage(),
            Self::Recover => platform.faults().end_outage(),
            Self::Snapshot => platform.snapshot()?,
            Self::Restore => platform.restore()?,
            Self::Release => platform.faults().release(),
            Self::WrongCertificate => platform.faults().wrong_certificate(1),
            Self::ExpireTokens => platform.expire_tokens(),
            Self::Clear => platform.faults().clear(),
        }
        Ok(())
    }
}

fn span(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok()
}

fn play(raw: RawPlay) -> Result<Play, String> {
    let wait = match &raw.wait {
        None => None,
        Some(text) => Some(span(text).ok_or("`wait` is no time span")?),
    };
    let need = |name: &str| format!("`{}` needs `{name}`", raw.fault);
    let wait = || wait.ok_or_else(|| need("wait"));
    let code = || raw.code.clone().ok_or_else(|| need("code"));
    let fault = match raw.fault.as_str() {
        "refuse" => Fault::Refuse { code: code()? },
        "silent" => Fault::Silent,
        "lose-answer" => Fault::LoseAnswer,
        "lose-answer-silently" => Fault::LoseAnswerSilently,
        "cut-body" => Fault::CutBody,
        "server-error" => Fault::ServerError { status: raw.status.unwrap_or(503) },
        "too-many" => Fault::TooMany { retry_after: wait()? },
        "slow" => Fault::Slow { per_byte: wait()? },
        "hold" => Fault::Hold,
        "duplicate-verdicts" => Fault::DuplicateVerdicts,
        "late-verdicts" => Fault::LateVerdicts { by: wait()? },
        "contradict-verdicts" => Fault::ContradictVerdicts { after: wait()? },
        "doubt-verdicts" => Fault::DoubtVerdicts,
        "foreign-verdict" => {
            Fault::ForeignVerdict { key: raw.name.clone().ok_or_else(|| need("name"))? }
        }
        "receipt-without-storing" => Fault::ReceiptWithoutStoring,
        "unknown-code" => Fault::UnknownCode { code: code()? },
        "unknown-field" => {
            Fault::UnknownField { name: raw.name.clone().ok_or_else(|| need("name"))? }
        }
        other => return Err(format!("there is no fault `{other}`")),
    };
    if raw.per_mille > 1_000 {
        return Err("`per_mille` is above 1000".to_owned());
    }
    Ok(Play {
        operation: raw.operation,
        fault,
        per_mille: raw.per_mille,
        skip: raw.skip,
        times: raw.times,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read() {
        let script = Script::parse(
            "[[play]]\noperation = 'rows.*'\nfault = 'too-many'\nwait = '7s'\ntimes = 2\n\
             [[event]]\nafter = '10m'\ndo = 'restore'\n[[event]]\nafter = '5m'\ndo = 'snapshot'\n",
        )
        .unwrap();
        let retry_after = Duration::from_secs(7);
        assert_eq!(script.plays, [Play::next("rows.*", 2, Fault::TooMany { retry_after })]);
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(script.events, [(minutes(5), Event::Snapshot), (minutes(10), Event::Restore)]);
    }

    #[test]
    fn every_mistake_of_a_script_is_told() {
        let problem = Script::parse(
            "[[play]]\noperation = 'x'\nfault = 'sloww'\n[[play]]\noperation = 'x'\n\
             fault = 'refuse'\n[[event]]\nafter = 'soon'\ndo = 'clear'\n",
        )
        .unwrap_err()
        .to_string();
        for part in
            ["play 1: there is no fault `sloww`", "play 2: `refuse` needs `code`", "event 1"]
        {
            assert!(problem.contains(part), "{part} in {problem}");
        }
        assert!(Script::parse("[[event]]\nafter = '1s'\ndo = 'explode'").is_err());
    }
}
