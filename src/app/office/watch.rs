//! Watches the stages: events become metrics, and whether each channel answers is remembered.
//!
//! A stage never waits for us: every method takes a short lock or none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::app::contact::clock_told;
use crate::cascade::{Events, Sent};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::delivery::{ChannelId, Evidence, RejectKind};
use crate::ledger::{ClockDay, Flow};
use crate::standard::Standard;
use crate::telemetry::metrics::{AttemptOutcome, DatasetLabels, Metrics};

/// Every code a failed step may end with; a test compares this list with the modules' own. The
/// last stands for one that is not listed.
pub const FAILURE_CODES: &[&str] = &[
    "city-database-refused",
    "city-database-unreachable",
    "city-file-unreadable",
    "city-layout",
    "city-protocol",
    "city-reader-ended",
    "city-timeout",
    "city-unfit",
    "disk-full",
    "ledger-damaged",
    "ledger-engine",
    "ledger-files",
    "ledger-in-use",
    "ledger-newer",
    "ledger-no-such",
    "ledger-occupied",
    "ledger-open",
    "ledger-sealed",
    "ledger-transition",
    "ledger-unreadable",
    "original-lost",
    "parcel-unreadable",
    "spool-full",
    "standard-lacks",
    "taking-over",
    "watching",
    "other",
];

/// Who looks after the machine should hear of a difference well before a signature's tolerance,
/// which standards give in minutes, is used up.
const CLOCK_TOLERANCE_SECONDS: f64 = 30.0;

/// What is known of the way to a platform since the process started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reach {
    /// When it answered last.
    pub answered_at: Option<Timestamp>,
    /// Since when it has not answered, where the last call got nothing back.
    pub silent_since: Option<Timestamp>,
    /// Batches that may be in flight to it at once; 0 where none was sent yet.
    pub allowed: u32,
}

/// What was heard of a channel since the last look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contact {
    /// Since when it has not answered, where the last call got nothing back.
    pub silent_since: Option<Timestamp>,
    /// The first answer since the last call that got none.
    pub first_answer: Option<Timestamp>,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were not.
    pub unanswered: u64,
    /// What answers told of the province's time.
    pub clock: Option<ClockDay>,
}

/// The one who is told what happens.
pub struct Watch {
    metrics: Arc<Metrics>,
    clock: Clock,
    grades: ArcSwap<BTreeMap<Flow, Evidence>>,
    reach: Mutex<BTreeMap<ChannelId, Reach>>,
    contacts: Mutex<BTreeMap<ChannelId, Contact>>,
    clock_is_off: Mutex<BTreeMap<ChannelId, bool>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Names what is configured to the metrics, so that its series exist from the start.
    pub fn new(metrics: Arc<Metrics>, configuration: &Configuration, clock: Clock) -> Self {
        let watch = Self {
            metrics,
            clock,
            grades: ArcSwap::default(),
            reach: Mutex::default(),
            contacts: Mutex::default(),
            clock_is_off: Mutex::default(),
        };
        watch.reconfigured(configuration);
        watch
    }

    /// Another configuration is at work: what came is watched, what went is forgotten.
    pub fn reconfigured(&self, configuration: &Configuration) {
        let mut grades = BTreeMap::new();
        let mut channels = Vec::new();
        let mut datasets = Vec::new();
        for channel in &configuration.channels {
            let id = ChannelId::from(channel.settings.id.as_str());
            let grade = |standard: &Standard| {
                let operation = standard.operation("rows.upsert");
                operation.map_or(Evidence::Placed, |operation| operation.evidence)
            };
            let ahead: Vec<&str> =
                channel.rows_ahead(&configuration.datasets).map(|it| it.id.as_str()).collect();
            for it in &configuration.datasets {
                let dataset = it.dataset.id.clone();
                let voice = channel.ahead.as_ref().map(|it| &it.voice.standard);
                let voice = voice.filter(|_| ahead.contains(&dataset.as_str()));
                let grade = grade(voice.unwrap_or(&channel.standard));
                if channel.settings.carries_rows_of(&dataset) {
                    let flow = Flow { channel: id.clone(), dataset: dataset.clone() };
                    grades.insert(flow, grade);
                    datasets.push(DatasetLabels { channel: id.clone(), dataset, grade });
                }
            }
            channels.push(id);
        }
        self.metrics.declare(&channels, &datasets);
        self.grades.store(Arc::new(grades));
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let known = std::mem::take(&mut *reach);
        let before = |id: &ChannelId| known.get(id).copied().unwrap_or_default();
        reach.extend(channels.into_iter().map(|id| (id.clone(), before(&id))));
    }

    /// What was heard of each channel since this was asked last.
    pub(in crate::app) fn contacts(&self) -> BTreeMap<ChannelId, Contact> {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        let next = contacts.iter().filter_map(|(channel, contact)| {
            let silent_since = Some(contact.silent_since?);
            Some((channel.clone(), Contact { silent_since, ..Contact::default() }))
        });
        let next = next.collect();
        std::mem::replace(&mut *contacts, next)
    }

    fn contact(&self, channel: &ChannelId, change: impl FnOnce(&mut Contact)) {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        change(contacts.entry(channel.clone()).or_default());
    }

    /// How each configured channel answers.
    pub fn reach(&self) -> BTreeMap<ChannelId, Reach> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn known_code(code: &str) -> &'static str {
    FAILURE_CODES.iter().find(|known| **known == code).copied().unwrap_or("other")
}

impl Events for Watch {
    fn failed(&self, _stage: &str, code: &str) {
        self.metrics.failed(known_code(code));
    }

    // A sending is counted once, in `sent`, where its time and size are known.
    fn attempted(&self, _channel: &ChannelId, _operation: &str, _outcome: &str) {}

    fn observed(&self, flow: &Flow, rows: u64) {
        self.metrics.observed(&flow.channel, &flow.dataset, rows);
    }

    fn confirmed(&self, flow: &Flow, rows: u64) {
        let grade = self.grades.load().get(flow).copied().unwrap_or(Evidence::Placed);
        self.metrics.confirmed(&flow.channel, &flow.dataset, grade, rows);
    }

    fn rejected(&self, flow: &Flow, kind: RejectKind, rows: u64) {
        self.metrics.rejected(&flow.channel, &flow.dataset, kind, rows);
    }

    // Drift is a state: its gauges are read from the ledger, which was told as well.
    fn drifted(&self, channel: &ChannelId, kind: &str) {
        tracing::debug!(%channel, kind, "drift");
    }

    fn clock_offset(&self, channel: &ChannelId, seconds: f64) {
        let now = self.clock.now();
        if let Ok(ahead) = jiff::SignedDuration::try_from_secs_f64(seconds) {
            self.contact(channel, |it| {
                it.clock = Some(clock_told(it.clock.take(), channel, ahead, now));
            });
        }
        let is_off = seconds.abs() > CLOCK_TOLERANCE_SECONDS;
        let mut known = self.clock_is_off.lock().unwrap_or_else(PoisonError::into_inner);
        let was_off = known.insert(channel.clone(), is_off).unwrap_or(false);
        if is_off && !was_off {
            tracing::warn!(%channel, seconds, "the province's clock is not ours");
        }
    }

    fn called(&self, channel: &ChannelId, answered: bool) {
        let now = self.clock.now();
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = reach.get_mut(channel) else { return };
        self.contact(channel, |it| {
            if answered {
                it.answered = it.answered.saturating_add(1);
                it.first_answer = it.first_answer.or(Some(now));
                it.silent_since = None;
            } else {
                it.unanswered = it.unanswered.saturating_add(1);
                it.first_answer = None;
                it.silent_since = it.silent_since.or(Some(now));
            }
        });
        if answered {
            (known.answered_at, known.silent_since) = (Some(now), None);
        } else {
            known.silent_since = known.silent_since.or(Some(now));
        }
    }

    fn allowed(&self, channel: &ChannelId, allowed: usize) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = reach.get_mut(channel) {
            known.allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        }
    }

    fn sent(&self, channel: &ChannelId, sent: Sent<'_>) {
        let Some(outcome) =
            AttemptOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == sent.outcome)
        else {
            return;
        };
        self.metrics.attempted(channel, outcome, sent.took, sent.bytes);
        if matches!(outcome, AttemptOutcome::Accepted | AttemptOutcome::Exists) {
            self.metrics.batch_sent(channel, sent.lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes that `fn code` of an error returns, read from its source.
    fn codes(path: &str) -> Vec<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        let body = text.split("pub fn code(").nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_code_of_a_failed_step_has_its_own_series() {
        let mut seen = 0;
        for path in ["src/ledger/error.rs", "src/city/error.rs", "src/cascade/error.rs"] {
            for code in codes(path) {
                assert_eq!(known_code(&code), code, "{path}: add it to FAILURE_CODES");
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen}");
        assert_eq!(known_code("what the province said"), "other");
    }
}
