//! The table of families: each one's help next to its name.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::gauges::Gauges;
use super::named::Named;

/// Upper bounds in seconds of the answer-time buckets: from a loopback platform to the longest
/// configurable time-out.
const ANSWER_BUCKETS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// Every family, and the registry that renders them.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) registry: Registry,
    // Events.
    pub(super) rows_confirmed: IntCounterVec,
    pub(super) rows_placed: IntCounterVec,
    pub(super) rows_rejected: IntCounterVec,
    pub(super) rows_observed: IntCounterVec,
    pub(super) batches_sent: IntCounterVec,
    pub(super) payload_bytes: IntCounterVec,
    pub(super) attempts: IntCounterVec,
    pub(super) answer_seconds: HistogramVec,
    pub(super) failures: IntCounterVec,
    pub(super) notifications: IntCounterVec,
    pub(super) forwards: IntCounterVec,
    pub(super) probes: IntCounterVec,
    // States.
    pub(super) dataset_confirmed: Gauges,
    pub(super) dataset_deadline: Gauges,
    pub(super) rows_due: Gauges,
    pub(super) rows_queued: Gauges,
    pub(super) source_lag: Gauges,
    pub(super) mismatched_rows: Gauges,
    pub(super) dataset_warnings: Gauges,
    pub(super) oldest_unacknowledged: Gauges,
    pub(super) batches: Gauges,
    pub(super) links: Gauges,
    pub(super) holds: Gauges,
    pub(super) past_deadline: Gauges,
    pub(super) standard_info: Gauges,
    pub(super) standard_drift: Gauges,
    pub(super) channel_silent: Gauges,
    pub(super) channel_allowed: Gauges,
    pub(super) channel_plain: Gauges,
    pub(super) certificate_expiry: Gauges,
    pub(super) datasets: Gauges,
    pub(super) worst_overdue: Gauges,
    pub(super) worst_rejected: Gauges,
    pub(super) interfaces: Gauges,
    pub(super) worst_silent: Gauges,
    pub(super) unapproved: Gauges,
    pub(super) points: Gauges,
    pub(super) points_at_risk: Gauges,
    pub(super) measure: Gauges,
    pub(super) score_known: Gauges,
    pub(super) score_at_cut_off: Gauges,
    pub(super) score_forecast: Gauges,
    pub(super) score_avoidable: Gauges,
    pub(super) disk_free_bytes: Gauges,
    pub(super) spool_bytes: Gauges,
    pub(super) spool_limit_bytes: Gauges,
    pub(super) ledger_bytes: Gauges,
    pub(super) extraction_paused: Gauges,
    pub(super) watch_mode: Gauges,
    pub(super) watch_objects: Gauges,
    pub(super) watch_rows: Gauges,
    pub(super) ferry_missing: Gauges,
    pub(super) ferry_waiting: Gauges,
    pub(super) ferry_unanswered: Gauges,
    pub(super) ferry_aside: Gauges,
    pub(super) ferry_silent: Gauges,
    pub(super) takeover_objects: Gauges,
    pub(super) county_waiting: Gauges,
    pub(super) county_batch: Gauges,
    pub(super) county_refused: Gauges,
    pub(super) county_busy: Gauges,
    pub(super) build_info: Gauges,
}

impl Families {
    /// All families, empty.
    #[expect(clippy::too_many_lines, reason = "a table, read line by line")]
    pub(super) fn register() -> Self {
        let new = Registrar(Registry::new());
        new.keep(ProcessCollector::for_self());
        Self {
            rows_confirmed: new.counter(
                "cascade_rows_confirmed_total",
                "Rows that reached the evidence that their standard declares, named as grade.",
                &["channel", "dataset", "grade"],
            ),
            rows_placed: new.counter(
                "cascade_rows_placed_total",
                "Rows put where the province fetches them, with no proof that it did. Never part \
                 of the confirmed.",
                &["channel", "dataset"],
            ),
            rows_rejected: new.counter(
                "cascade_rows_rejected_total",
                "Rows set aside: local (our rules), refused (not taken), failed (verdict).",
                &["channel", "dataset", "kind"],
            ),
            rows_observed: new.counter(
                "cascade_rows_observed_total",
                "Rows read from the city's sources, unchanged ones included.",
                &["channel", "dataset"],
            ),
            batches_sent: new.counter(
                "cascade_batches_sent_total",
                "Batches that a receipt answered, by lane.",
                &["channel", "lane"],
            ),
            payload_bytes: new.counter(
                "cascade_payload_bytes_total",
                "Bytes of payload handed to the channel, repeated attempts included.",
                &["channel"],
            ),
            attempts: new.counter(
                "cascade_attempts_total",
                "Sendings of a batch or of an object's message, by outcome as classed by the \
                 standard.",
                &["channel", "outcome"],
            ),
            answer_seconds: new.histogram(
                "cascade_answer_seconds",
                "Time from an attempt's first byte to the province's whole answer.",
                &["channel"],
            ),
            failures: new.counter(
                "cascade_failures_total",
                "Failures by code; the operators' manual has a line of advice for each.",
                &["code"],
            ),
            notifications: new.counter(
                "cascade_notifications_total",
                "Messages to the address of [notify], by whether they were taken.",
                &["outcome"],
            ),
            forwards: new.counter(
                "cascade_audit_forwards_total",
                "Lots of acts to the receiver of [audit.syslog], by whether they were taken.",
                &["outcome"],
            ),
            probes: new.counter(
                "cascade_probes_total",
                "Questions to the interfaces of [[probe]], by whether they were answered as expected.",
                &["outcome"],
            ),
            dataset_confirmed: new.gauge(
                "cascade_dataset_confirmed_timestamp_seconds",
                "When a change of the dataset last reached the declared evidence; 0: never.",
                &["channel", "dataset"],
            ),
            dataset_deadline: new.gauge(
                "cascade_dataset_deadline_timestamp_seconds",
                "By when the dataset's next confirmed change is owed; 0: no cycle says so.",
                &["channel", "dataset"],
            ),
            rows_due: new.gauge(
                "cascade_rows_due",
                "Rows due: confirmed, placed, rejected and queued.",
                &["channel", "dataset"],
            ),
            rows_queued: new.gauge(
                "cascade_rows_queued",
                "Rows due and neither confirmed, placed nor rejected yet, those in flight included.",
                &["channel", "dataset"],
            ),
            source_lag: new.gauge(
                "cascade_source_lag_seconds",
                "Time since the dataset's source was last looked at completely.",
                &["channel", "dataset"],
            ),
            mismatched_rows: new.gauge(
                "cascade_reconcile_mismatched_rows",
                "Rows in which the last reconciliation found city and province to differ.",
                &["channel", "dataset"],
            ),
            dataset_warnings: new.gauge(
                "cascade_dataset_warnings",
                "What is unusual about the dataset as a whole: rows that jumped or fell, columns \
                 filled by one value.",
                &["channel", "dataset"],
            ),
            oldest_unacknowledged: new.gauge(
                "cascade_oldest_unacknowledged_seconds",
                "Age of the oldest batch that waits for a receipt; 0: none waits.",
                &["channel"],
            ),
            batches: new.gauge(
                "cascade_batches",
                "Batches in the ledger by state.",
                &["channel", "state"],
            ),
            links: new.gauge(
                "cascade_links",
                "Catalogue objects by kind and by the state of their link.",
                &["channel", "kind", "state"],
            ),
            holds: new.gauge(
                "cascade_holds",
                "Operations, datasets and standards held until an operator acts.",
                &["channel"],
            ),
            past_deadline: new.gauge(
                "cascade_past_deadline",
                "Batches and catalogue objects that stand in a waiting state past its deadline.",
                &["channel", "kind"],
            ),
            standard_info: new.gauge(
                "cascade_standard_info",
                "1 for each standard in use on the channel, 0 for one no longer in use.",
                &["channel", "standard"],
            ),
            standard_drift: new.gauge(
                "cascade_standard_drift",
                "Signs that the platform no longer speaks its standard, since it was activated.",
                &["channel", "kind"],
            ),
            channel_silent: new.gauge(
                "cascade_channel_silent_seconds",
                "Time since the platform last answered, while it does not; 0: it answers, or was \
                 not asked yet.",
                &["channel"],
            ),
            channel_allowed: new.gauge(
                "cascade_channel_allowed_requests",
                "Batches that may be in flight at once, as the platform's answers teach; 0: none \
                 was sent yet.",
                &["channel"],
            ),
            channel_plain: new.gauge(
                "cascade_channel_plain_http",
                "1 where what is said on the channel leaves this machine in clear.",
                &["channel"],
            ),
            certificate_expiry: new.gauge(
                "cascade_certificate_expiry_timestamp_seconds",
                "When the first certificate of the channel ends, of ours or of those we trust; 0: \
                 no file names one.",
                &["channel", "holder"],
            ),
            datasets: new.gauge(
                "cascade_datasets",
                "Datasets by how fresh what the province holds of them is.",
                &["channel", "freshness"],
            ),
            worst_overdue: new.gauge(
                "cascade_worst_overdue_seconds",
                "By how much the datasets are past their deadline that are so for longest, of all \
                 datasets and at most 20.",
                &["channel", "dataset"],
            ),
            worst_rejected: new.gauge(
                "cascade_worst_rejected_rows",
                "Rejected rows of the datasets that have most of them, of all datasets and at \
                 most 20.",
                &["channel", "dataset"],
            ),
            interfaces: new.gauge(
                "cascade_interfaces",
                "Interfaces of [[probe]] that were asked, by whether the last question was answered.",
                &["state"],
            ),
            worst_silent: new.gauge(
                "cascade_worst_interface_silent_seconds",
                "For how long the interfaces have not answered that are silent for longest, of all \
                 interfaces and at most 20.",
                &["interface"],
            ),
            unapproved: new.gauge(
                "cascade_unapproved_changes",
                "Promises that were loosened although nobody approved of it and that stand, by the \
                 list that says so; what was promised before counts.",
                &["list"],
            ),
            points: new.gauge(
                "cascade_score_points",
                "Points of the month so far, by item of the scoring scheme; below 0 for a deduction.",
                &["item"],
            ),
            measure: new.gauge(
                "cascade_score_measure",
                "Measures of the month, of the whole city: rates from 0 to 1, hours and counts.",
                &["measure"],
            ),
            score_known: new.gauge(
                "cascade_score_known_ratio",
                "The share of the scheme's points that could be computed.",
                &[],
            ),
            score_at_cut_off: new.gauge(
                "cascade_score_cut_off_points",
                "The month's total at its cut-off if nothing more happened.",
                &[],
            ),
            score_forecast: new.gauge(
                "cascade_score_forecast_points",
                "What the month's total will come to: expected, and low and high, of which a tenth \
                 of the futures lie below and above.",
                &["bound"],
            ),
            score_avoidable: new.gauge(
                "cascade_score_avoidable_points",
                "Points that the forecast says can still be brought back or kept by acts that are \
                 known, begun in time.",
                &[],
            ),
            points_at_risk: new.gauge(
                "cascade_score_points_at_risk",
                "Points of the month that can still be recovered, by item of the scoring scheme.",
                &["item"],
            ),
            disk_free_bytes: new.gauge(
                "cascade_disk_free_bytes",
                "Bytes that the service may still use on the disk of the ledger; 0: none, or the \
                 disk does not say.",
                &[],
            ),
            spool_bytes: new.gauge("cascade_spool_bytes", "Bytes in the spool.", &[]),
            spool_limit_bytes: new.gauge(
                "cascade_spool_limit_bytes",
                "The bound that the spool never passes.",
                &[],
            ),
            ledger_bytes: new.gauge(
                "cascade_ledger_bytes",
                "Bytes of the ledger's files, its write-ahead log included.",
                &[],
            ),
            extraction_paused: new.gauge(
                "cascade_extraction_paused",
                "1 while extraction is paused because the spool or the disk is full.",
                &[],
            ),
            watch_mode: new.gauge(
                "cascade_watch_mode",
                "1 while the daemon only watches: nothing that writes is sent above.",
                &[],
            ),
            watch_objects: new.gauge(
                "cascade_watch_objects",
                "Catalogue objects that a daemon that watches would register, modify or withdraw.",
                &["channel"],
            ),
            watch_rows: new.gauge(
                "cascade_watch_rows",
                "Rows that a daemon that watches would send or delete above.",
                &["channel"],
            ),
            ferry_missing: new.gauge(
                "cascade_ferry_missing_numbers",
                "Numbers that are missed before one that came over a ferry.",
                &["ferry"],
            ),
            ferry_waiting: new.gauge(
                "cascade_ferry_waiting_files",
                "Files that came over a ferry and wait for one before them.",
                &["ferry"],
            ),
            ferry_unanswered: new.gauge(
                "cascade_ferry_unanswered_requests",
                "Requests that were put down for a ferry and have no answer yet.",
                &["ferry"],
            ),
            ferry_aside: new.gauge(
                "cascade_ferry_aside_files",
                "Files of a ferry that were set aside.",
                &["ferry"],
            ),
            ferry_silent: new.gauge(
                "cascade_ferry_unanswered_seconds",
                "How long the oldest request that a ferry carries has had no answer; 0 without one.",
                &["ferry"],
            ),
            takeover_objects: new.gauge(
                "cascade_takeover_objects",
                "Objects of a takeover that is not over, by what becomes of them.",
                &["channel", "fate"],
            ),
            county_waiting: new.gauge(
                "cascade_county_waiting_rows",
                "Rows that a county sent and that were not read on yet.",
                &["county"],
            ),
            county_batch: new.gauge(
                "cascade_county_batch_timestamp_seconds",
                "When a county last sent a batch of rows, since the configuration was put to work.",
                &["county"],
            ),
            county_refused: new.gauge(
                "cascade_county_refused_requests",
                "Requests in a county's name that were not believed, since the configuration was \
                 put to work.",
                &["county"],
            ),
            county_busy: new.gauge(
                "cascade_county_busy_requests",
                "Requests of a county that were told to come later, since the configuration was put \
                 to work.",
                &["county"],
            ),
            build_info: new.gauge(
                "cascade_build_info",
                "1; the label is the version of the running binary.",
                &["version"],
            ),
            registry: new.0,
        }
    }

    /// Ends the series of channels and datasets that are no longer named.
    pub(super) fn forget_all_but(&self, named: &Named) {
        prune(&self.rows_confirmed, named);
        prune(&self.rows_placed, named);
        prune(&self.rows_rejected, named);
        prune(&self.rows_observed, named);
        prune(&self.batches_sent, named);
        prune(&self.payload_bytes, named);
        prune(&self.attempts, named);
        prune(&self.answer_seconds, named);
        for family in [
            &self.dataset_confirmed,
            &self.dataset_deadline,
            &self.rows_due,
            &self.rows_queued,
            &self.source_lag,
            &self.mismatched_rows,
            &self.dataset_warnings,
        ] {
            family.retain(|labels| {
                labels.first().is_none_or(|channel| named.channels.has(channel))
                    && labels.get(1).is_none_or(|dataset| named.datasets.has(dataset))
            });
        }
        for family in [
            &self.oldest_unacknowledged,
            &self.batches,
            &self.links,
            &self.holds,
            &self.past_deadline,
            &self.standard_info,
            &self.standard_drift,
            &self.channel_silent,
            &self.channel_allowed,
            &self.channel_plain,
            &self.certificate_expiry,
            &self.datasets,
        ] {
            family
                .retain(|labels| labels.first().is_none_or(|channel| named.channels.has(channel)));
        }
    }
}

/// Ends the series of channels and datasets that are no longer named.
fn prune<T: MetricVecBuilder>(family: &MetricVec<T>, named: &Named) {
    for metric in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let kept = metric.get_label().iter().all(|label| match label.name() {
            "channel" => named.channels.has(label.value()),
            "dataset" => named.datasets.has(label.value()),
            _ => true,
        });
        if !kept {
            let labels: HashMap<&str, &str> =
                metric.get_label().iter().map(|label| (label.name(), label.value())).collect();
            // It exists, for it was just collected; were it gone already, that is what we want.
            drop(family.remove(&labels));
        }
    }
}

/// Makes families and registers them, so that none is forgotten when the page is rendered.
struct Registrar(Registry);

impl Registrar {
    fn keep<C: Collector + 'static>(&self, family: C) {
        self.0.register(Box::new(family)).expect("each family's name is written once");
    }

    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let family = IntCounterVec::new(Opts::new(name, help), labels)
            .expect("names and labels are constants that the tests render");
        self.keep(family.clone());
        family
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Gauges {
        let family = GaugeVec::new(Opts::new(name, help), labels)
            .expect("names and labels are constants that the tests render");
        self.keep(family.clone());
        Gauges::new(family)
    }

    fn histogram(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(ANSWER_BUCKETS.to_vec());
        let family = HistogramVec::new(options, labels)
            .expect("names and labels are constants that the tests render");
        self.keep(family.clone());
        family
    }
}
