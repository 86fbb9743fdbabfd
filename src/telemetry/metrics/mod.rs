//! Every metric, with its help next to its name.
//!
//! Two kinds, told apart by where the number comes from. *Events* are counted when they happen
//! and start at 0 with the process, as Prometheus expects of counters. *States* are gauges read
//! from the ledger in one look ([`Snapshot`]), so they are right after a restart as well.
//!
//! Label values are bounded (invariant 9): states, kinds, lanes and grades are closed sets;
//! failure codes are constants of our own source; channels and datasets come from the
//! configuration, and those beyond a limit share the value [`OTHER`], where counts add up and of
//! times the most worrying one is shown. So that nobody among ten thousand is hidden in it, the
//! [`WORST`] of all datasets are named in families of their own. A province's own codes never
//! become labels.

mod families;
mod gauges;
mod named;
mod parties;
mod snapshot;

pub use snapshot::{
    CertificateHolder, ChannelSnapshot, CountySnapshot, DatasetSnapshot, Drift, FerrySnapshot,
    ForecastSnapshot, Snapshot, TakeoverSnapshot, WatchSnapshot,
};

use std::cmp::Reverse;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::TextEncoder;

use crate::catalogue::Kind;
use crate::delivery::{BatchState, ChannelId, Evidence, Lane, LinkState, RejectKind};
use families::Families;
use gauges::{Fold, Labels, Values};
use named::{Named, Names};

/// The label value shared by the channels and datasets beyond the limits.
pub const OTHER: &str = "other";

/// How many channels have series of their own.
const CHANNEL_LIMIT: usize = 32;

/// How many datasets a family of the worst names, and how many items of a scheme.
pub const WORST: usize = 20;
const ITEM_LIMIT: usize = 300;

/// The freshness of datasets, as labels.
const FRESHNESS: [&str; 5] = ["fresh", "due-soon", "overdue", "never", "not-computable"];

/// How an attempt ended, as its standard classed the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttemptOutcome {
    /// Taken.
    Accepted,
    /// It stood above already.
    Exists,
    /// Not taken.
    Refused,
    /// To be tried again.
    Retry,
    /// Credentials were not accepted.
    Auth,
    /// Nobody knows whether it arrived.
    Unknown,
    /// Where it should go is not there.
    NoPlace,
    /// Answered with a code that its standard does not list.
    Unlisted,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Exists,
        Self::Refused,
        Self::Retry,
        Self::Auth,
        Self::Unknown,
        Self::NoPlace,
        Self::Unlisted,
    ];

    /// The word used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Exists => "exists",
            Self::Refused => "refused",
            Self::Retry => "retry",
            Self::Auth => "auth",
            Self::Unknown => "unknown",
            Self::NoPlace => "nowhere",
            Self::Unlisted => "unlisted",
        }
    }
}

/// A dataset as the metrics know it.
#[derive(Clone, Debug)]
pub struct DatasetLabels {
    /// Where it goes.
    pub channel: ChannelId,
    /// Its id in the configuration.
    pub dataset: String,
    /// The grade at which its rows count as confirmed.
    pub grade: Evidence,
}

/// Every metric of the daemon. Share it behind an `Arc`; every method is quick and never blocks
/// on anything but a short lock.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
    dataset_limit: usize,
    named: RwLock<Named>,
}

impl Metrics {
    /// All families, registered. `dataset_limit` is how many datasets get series of their own;
    /// `failure_codes` are all codes that [`Metrics::failed`] may be called with, which exist at 0
    /// from the start so that their first increase can be seen.
    pub fn new(dataset_limit: usize, failure_codes: &[&'static str]) -> Self {
        let families = Families::register();
        let metrics = Self { families, dataset_limit, named: RwLock::default() };
        metrics.start(failure_codes);
        metrics
    }

    /// What exists from the start, whatever is configured.
    fn start(&self, failure_codes: &[&'static str]) {
        let version = vec![env!("CARGO_PKG_VERSION").to_owned()];
        self.families.build_info.show(one(version, 1.0));
        failure_codes
            .iter()
            .for_each(|code| self.families.failures.with_label_values(&[*code]).inc_by(0));
        for outcome in [NOTIFIED, NOT_NOTIFIED] {
            self.families.notifications.with_label_values(&[outcome]).inc_by(0);
            self.families.forwards.with_label_values(&[outcome]).inc_by(0);
        }
        for outcome in [ANSWERED, SILENT] {
            self.families.probes.with_label_values(&[outcome]).inc_by(0);
        }
        self.show(&Snapshot::default());
    }

    /// Names the channels and datasets of the configuration, at start and after each reload.
    ///
    /// The first ones, up to the limits, get series of their own that exist at 0 from now on;
    /// the rest share [`OTHER`]. Series of what is no longer configured end.
    pub fn declare(&self, channels: &[ChannelId], datasets: &[DatasetLabels]) {
        let named = Named {
            channels: Names::of(channels.iter().map(ChannelId::as_str), CHANNEL_LIMIT),
            datasets: Names::of(
                datasets.iter().map(|each| each.dataset.as_str()),
                self.dataset_limit,
            ),
        };
        self.families.forget_all_but(&named);
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = named;
        for channel in channels {
            self.declare_channel(&self.channel(channel));
        }
        for each in datasets {
            self.declare_dataset(&self.channel(&each.channel), &self.dataset(&each.dataset), each);
        }
    }

    fn declare_channel(&self, channel: &str) {
        let labels = |rest: &[&str]| labels(channel, rest);
        self.families.oldest_unacknowledged.declare(labels(&[]));
        self.families.holds.declare(labels(&[]));
        for kind in [BATCH, LINK] {
            self.families.past_deadline.declare(labels(&[kind]));
        }
        for state in BatchState::ALL {
            self.families.batches.declare(labels(&[state.as_str()]));
        }
        for kind in Kind::ALL {
            for state in LinkState::ALL {
                self.families.links.declare(labels(&[kind.as_str(), state.as_str()]));
            }
        }
        for drift in Drift::ALL {
            self.families.standard_drift.declare(labels(&[drift.as_str()]));
        }
        self.families.channel_silent.declare(labels(&[]));
        self.families.channel_allowed.declare(labels(&[]));
        self.families.channel_plain.declare(labels(&[]));
        for holder in CertificateHolder::ALL {
            self.families.certificate_expiry.declare(labels(&[holder.as_str()]));
        }
        for freshness in FRESHNESS {
            self.families.datasets.declare(labels(&[freshness]));
        }
        for lane in Lane::ALL {
            self.families.batches_sent.with_label_values(&[channel, lane.as_str()]).inc_by(0);
        }
        for outcome in AttemptOutcome::ALL {
            self.families.attempts.with_label_values(&[channel, outcome.as_str()]).inc_by(0);
        }
        self.families.payload_bytes.with_label_values(&[channel]).inc_by(0);
        drop(self.families.answer_seconds.with_label_values(&[channel]));
    }

    fn declare_dataset(&self, channel: &str, dataset: &str, each: &DatasetLabels) {
        for family in [
            &self.families.dataset_confirmed,
            &self.families.dataset_deadline,
            &self.families.rows_due,
            &self.families.rows_queued,
            &self.families.source_lag,
            &self.families.mismatched_rows,
            &self.families.dataset_warnings,
        ] {
            family.declare(labels(channel, &[dataset]));
        }
        for kind in RejectKind::ALL {
            self.families
                .rows_rejected
                .with_label_values(&[channel, dataset, kind.as_str()])
                .inc_by(0);
        }
        self.families.rows_placed.with_label_values(&[channel, dataset]).inc_by(0);
        if each.grade.confirms() {
            let labels = [channel, dataset, each.grade.as_str()];
            self.families.rows_confirmed.with_label_values(&labels).inc_by(0);
        }
        self.families.rows_observed.with_label_values(&[channel, dataset]).inc_by(0);
    }

    /// Rows reached `grade`. Rows that were only placed are counted apart, whatever the caller
    /// calls them.
    pub fn confirmed(&self, channel: &ChannelId, dataset: &str, grade: Evidence, rows: u64) {
        let (channel, dataset) = (self.channel(channel), self.dataset(dataset));
        if !grade.confirms() {
            self.families.rows_placed.with_label_values(&[&channel, &dataset]).inc_by(rows);
        } else {
            let labels = [channel.as_str(), &dataset, grade.as_str()];
            self.families.rows_confirmed.with_label_values(&labels).inc_by(rows);
        }
    }

    /// Rows were set aside.
    pub fn rejected(&self, channel: &ChannelId, dataset: &str, kind: RejectKind, rows: u64) {
        let (channel, dataset) = (self.channel(channel), self.dataset(dataset));
        self.families
            .rows_rejected
            .with_label_values(&[channel.as_str(), &dataset, kind.as_str()])
            .inc_by(rows);
    }

    /// Rows were read from a source.
    pub fn observed(&self, channel: &ChannelId, dataset: &str, rows: u64) {
        let (channel, dataset) = (self.channel(channel), self.dataset(dataset));
        self.families.rows_observed.with_label_values(&[channel, dataset]).inc_by(rows);
    }

    /// A receipt answered a batch.
    pub fn batch_sent(&self, channel: &ChannelId, lane: Lane) {
        let channel = self.channel(channel);
        self.families.batches_sent.with_label_values(&[channel.as_str(), lane.as_str()]).inc();
    }

    /// An attempt ended: how, after how long, having handed over how many bytes.
    pub fn attempted(
        &self,
        channel: &ChannelId,
        outcome: AttemptOutcome,
        took: Duration,
        bytes: u64,
    ) {
        let channel = self.channel(channel);
        self.families.attempts.with_label_values(&[channel.as_str(), outcome.as_str()]).inc();
        self.families.payload_bytes.with_label_values(&[&channel]).inc_by(bytes);
        self.families.answer_seconds.with_label_values(&[&channel]).observe(took.as_secs_f64());
    }

    /// Something failed. `code` is a constant of the source, which is what bounds the label.
    pub fn failed(&self, code: &'static str) {
        self.families.failures.with_label_values(&[code]).inc();
    }

    /// A message to the configured address was taken, or not.
    pub fn notified(&self, taken: bool) {
        let outcome = if taken { NOTIFIED } else { NOT_NOTIFIED };
        self.families.notifications.with_label_values(&[outcome]).inc();
    }

    /// A lot of acts went to their receiver, who took it or not.
    pub fn forwarded(&self, taken: bool) {
        let outcome = if taken { NOTIFIED } else { NOT_NOTIFIED };
        self.families.forwards.with_label_values(&[outcome]).inc();
    }

    /// An interface was asked, and answered or not.
    pub fn probed(&self, answered: bool) {
        let outcome = if answered { ANSWERED } else { SILENT };
        self.families.probes.with_label_values(&[outcome]).inc();
    }

    fn show_forecast(&self, now: &Snapshot) {
        let (mut bounds, mut avoidable) = (Values::new(Fold::Sum), Values::new(Fold::Sum));
        if let Some(it) = now.score_forecast {
            for (bound, points) in [("expected", it.expected), ("low", it.low), ("high", it.high)] {
                bounds.add(vec![bound.to_owned()], points);
            }
            avoidable.add(vec![], it.avoidable);
        }
        self.families.score_forecast.show_only(bounds);
        self.families.score_avoidable.show_only(avoidable);
    }

    /// Shows what the ledger says now.
    pub fn show(&self, now: &Snapshot) {
        self.show_channels(&now.channels);
        self.show_ways(&now.channels);
        self.show_datasets(&now.datasets);
        self.show_worst(&now.datasets);
        self.show_interfaces(&now.interfaces);
        let mut unapproved = Values::new(Fold::Sum);
        for (list, count) in &now.unapproved {
            unapproved.add(vec![(*list).to_owned()], approximate(*count));
        }
        self.families.unapproved.show_only(unapproved);
        for (family, values) in [
            (&self.families.points, &now.points),
            (&self.families.points_at_risk, &now.points_at_risk),
            (&self.families.measure, &now.measures),
        ] {
            let mut shown = Values::new(Fold::Sum);
            for (item, points) in values.iter().take(ITEM_LIMIT) {
                shown.add(vec![item.clone()], *points);
            }
            family.show_only(shown);
        }
        let (mut share, mut ahead) = (Values::new(Fold::Sum), Values::new(Fold::Sum));
        if let Some((known, at_cut_off)) = now.score_known {
            share.add(vec![], known);
            ahead.add(vec![], at_cut_off);
        }
        self.families.score_known.show_only(share);
        self.families.score_at_cut_off.show_only(ahead);
        self.show_forecast(now);
        self.families.disk_free_bytes.show(one(vec![], approximate(now.disk_free_bytes)));
        self.families.spool_bytes.show(one(vec![], approximate(now.spool_bytes)));
        self.families.spool_limit_bytes.show(one(vec![], approximate(now.spool_limit_bytes)));
        self.families.ledger_bytes.show(one(vec![], approximate(now.ledger_bytes)));
        self.families
            .extraction_paused
            .show(one(vec![], f64::from(u8::from(now.extraction_paused))));
        self.show_watching(now.watching.as_ref());
        self.show_counties(&now.counties);
        self.show_ferries(&now.ferries);
        self.show_takeovers(&now.takeovers);
    }

    fn show_watching(&self, watching: Option<&WatchSnapshot>) {
        let is_watching = f64::from(u8::from(watching.is_some()));
        self.families.watch_mode.show(one(vec![], is_watching));
        let (mut objects, mut rows) = (Values::new(Fold::Sum), Values::new(Fold::Sum));
        if let Some(it) = watching {
            for (channel, count) in &it.objects {
                objects.add(vec![self.channel(channel)], approximate(*count));
            }
            for (channel, count) in &it.rows {
                rows.add(vec![self.channel(channel)], approximate(*count));
            }
        }
        self.families.watch_objects.show_only(objects);
        self.families.watch_rows.show_only(rows);
    }

    fn show_channels(&self, channels: &[ChannelSnapshot]) {
        let mut oldest = Values::new(Fold::Max);
        let [mut batches, mut links, mut holds, mut drift, mut late] =
            [(); 5].map(|()| Values::new(Fold::Sum));
        let mut standards = Values::new(Fold::Max);
        for each in channels {
            let channel = self.channel(&each.channel);
            let age = each.oldest_unacknowledged.unwrap_or_default().as_secs_f64();
            oldest.add(labels(&channel, &[]), age);
            holds.add(labels(&channel, &[]), approximate(each.holds));
            late.add(labels(&channel, &[BATCH]), approximate(each.late_batches));
            late.add(labels(&channel, &[LINK]), approximate(each.late_links));
            for (state, count) in &each.batches {
                batches.add(labels(&channel, &[state.as_str()]), approximate(*count));
            }
            for (kind, state, count) in &each.links {
                links.add(labels(&channel, &[kind.as_str(), state.as_str()]), approximate(*count));
            }
            for (kind, count) in &each.drift {
                drift.add(labels(&channel, &[kind.as_str()]), approximate(*count));
            }
            for standard in &each.standards {
                standards.add(labels(&channel, &[standard.as_str()]), 1.0);
            }
        }
        self.families.oldest_unacknowledged.show(oldest);
        self.families.batches.show(batches);
        self.families.links.show(links);
        self.families.holds.show(holds);
        self.families.past_deadline.show(late);
        self.families.standard_drift.show(drift);
        self.families.standard_info.show(standards);
    }

    /// Whether each channel answers, and how long its certificates last.
    fn show_ways(&self, channels: &[ChannelSnapshot]) {
        let mut silent = Values::new(Fold::Max);
        let mut allowed = Values::new(Fold::Sum);
        let mut plain = Values::new(Fold::Max);
        let mut ends = Values::new(Fold::Min);
        for each in channels {
            let channel = self.channel(&each.channel);
            plain.add(labels(&channel, &[]), if each.is_plain { 1.0 } else { 0.0 });
            allowed.add(labels(&channel, &[]), f64::from(each.allowed));
            silent.add(labels(&channel, &[]), each.silent.unwrap_or_default().as_secs_f64());
            for (holder, end) in &each.certificates {
                ends.add(labels(&channel, &[holder.as_str()]), seconds(*end));
            }
        }
        self.families.channel_silent.show(silent);
        self.families.channel_allowed.show(allowed);
        self.families.channel_plain.show(plain);
        self.families.certificate_expiry.show(ends);
    }

    /// The worst of all datasets by name, those included that have no series of their own.
    fn show_worst(&self, datasets: &[DatasetSnapshot]) {
        let mut overdue: Vec<(Duration, &DatasetSnapshot)> =
            datasets.iter().filter_map(|each| Some((each.overdue?, each))).collect();
        overdue.sort_by_key(|(by, _)| Reverse(*by));
        let mut rejected: Vec<(u64, &DatasetSnapshot)> = (datasets.iter())
            .map(|each| (each.rejected_rows, each))
            .filter(|(rows, _)| *rows > 0)
            .collect();
        rejected.sort_by_key(|(rows, _)| Reverse(*rows));
        let [mut longest, mut most] = [(); 2].map(|()| Values::new(Fold::Max));
        let name = |each: &DatasetSnapshot| labels(&self.channel(&each.channel), &[&each.dataset]);
        for (by, each) in overdue.into_iter().take(WORST) {
            longest.add(name(each), by.as_secs_f64());
        }
        for (rows, each) in rejected.into_iter().take(WORST) {
            most.add(name(each), approximate(rows));
        }
        self.families.worst_overdue.show_only(longest);
        self.families.worst_rejected.show_only(most);
        let mut fresh = Values::new(Fold::Sum);
        for each in datasets {
            fresh.add(labels(&self.channel(&each.channel), &[each.freshness.as_str()]), 1.0);
        }
        self.families.datasets.show(fresh);
    }

    /// How many interfaces answer, and the worst of the others by name.
    fn show_interfaces(&self, interfaces: &[(String, Option<Duration>)]) {
        let (mut states, mut longest) = (Values::new(Fold::Sum), Values::new(Fold::Max));
        for state in [ANSWERED, SILENT] {
            states.add(vec![state.to_owned()], 0.0);
        }
        let mut worst: Vec<(Duration, &String)> = Vec::new();
        for (id, silent) in interfaces {
            let state = if silent.is_some() { SILENT } else { ANSWERED };
            states.add(vec![state.to_owned()], 1.0);
            worst.extend(silent.map(|silent| (silent, id)));
        }
        worst.sort_by_key(|(silent, _)| Reverse(*silent));
        for (silent, id) in worst.into_iter().take(WORST) {
            longest.add(vec![id.clone()], silent.as_secs_f64());
        }
        self.families.interfaces.show(states);
        self.families.worst_silent.show_only(longest);
    }

    fn show_datasets(&self, datasets: &[DatasetSnapshot]) {
        let [mut confirmed, mut deadline] = [(); 2].map(|()| Values::new(Fold::Min));
        let [mut due, mut queued, mut mismatched, mut unusual] =
            [(); 4].map(|()| Values::new(Fold::Sum));
        let mut lag = Values::new(Fold::Max);
        for each in datasets {
            let labels = labels(&self.channel(&each.channel), &[&self.dataset(&each.dataset)]);
            confirmed.add(labels.clone(), each.confirmed.map_or(0.0, seconds));
            if let Some(at) = each.deadline {
                deadline.add(labels.clone(), seconds(at));
            }
            due.add(labels.clone(), approximate(each.rows_due));
            queued.add(labels.clone(), approximate(each.rows_queued));
            mismatched.add(labels.clone(), approximate(each.mismatched_rows));
            unusual.add(labels.clone(), approximate(each.warnings));
            lag.add(labels, each.source_lag.unwrap_or_default().as_secs_f64());
        }
        self.families.dataset_confirmed.show(confirmed);
        self.families.dataset_deadline.show(deadline);
        self.families.rows_due.show(due);
        self.families.rows_queued.show(queued);
        self.families.mismatched_rows.show(mismatched);
        self.families.dataset_warnings.show(unusual);
        self.families.source_lag.show(lag);
    }

    /// The page that Prometheus scrapes, in its text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.families.registry.gather())
            .expect("the encoder fails only on a family without samples, which gather leaves out")
    }

    fn channel(&self, channel: &ChannelId) -> String {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.channels.label(channel.as_str())
    }

    fn dataset(&self, dataset: &str) -> String {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.datasets.label(dataset)
    }
}

/// What became of a notification.
const NOTIFIED: &str = "delivered";
const NOT_NOTIFIED: &str = "failed";

/// Whether an interface answered.
const ANSWERED: &str = "answered";
const SILENT: &str = "silent";

/// What waits past its deadline.
const BATCH: &str = "batch";
const LINK: &str = "link";

/// A family with one series.
fn one(labels: Labels, value: f64) -> Values {
    let mut values = Values::new(Fold::Max);
    values.add(labels, value);
    values
}

fn labels(channel: &str, rest: &[&str]) -> Labels {
    std::iter::once(channel).chain(rest.iter().copied()).map(str::to_owned).collect()
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Prometheus knows only floats: above 2^53 a count is rounded.
#[expect(clippy::cast_precision_loss, reason = "the text format's only number is a float")]
fn approximate(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
