//! One look into the ledger: what everything that is told follows from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::page::Certificates;
use super::scopes::scope_shown;
use super::{Office, Reach};
use crate::app::Works;
use crate::app::declare::Held;
use crate::calendar::{Cycle, Grace};
use crate::cascade;
use crate::catalogue::{Kind, ObjectKey};
use crate::checks::{Count, Warning};
use crate::city::Dataset;
use crate::config::Configuration;
use crate::control::protocol::{Entries, Mismatches, Rows, ScopeUse, Summary};
use crate::delivery::{
    BatchState, ChannelId, DigestSha256, Evidence, LinkState, Mode, RejectKind, StandardId,
};
use crate::indicator::freshness::{self, Clocks, Freshness, Promise, State};
use crate::indicator::terms::{Change, List};
use crate::intake;
use crate::ledger::spool::{Owner as SpoolOwner, Usage};
use crate::ledger::{
    self, Counts, Drift, Flow, FlowState, Hold, Late, LateLinks, LinkCount, OpenTakeover,
    ScopedUse, Spoken, Watched,
};
use crate::probe;
use crate::province::{Ferry, FerryStanding, Unfetched};
use crate::telemetry::metrics::{
    self, ChannelSnapshot, CountySnapshot, DatasetSnapshot, FerrySnapshot, Snapshot,
    TakeoverSnapshot,
};

/// A placed file is told when nobody has fetched it for so long, where the standard does not say.
const FETCHED_WITHIN: Duration = Duration::from_hours(24);

/// A configured channel, and what the ledger says of it.
#[derive(Debug)]
pub(super) struct ChannelLook {
    pub(super) id: ChannelId,
    pub(super) standard: StandardId,
    pub(super) digest: DigestSha256,
    /// What the file says, where a cut-over put another one in force.
    pub(super) written: Option<String>,
    /// Since when it is in force, where that was recorded.
    pub(super) since: Option<Timestamp>,
    pub(super) evidence: Evidence,
    pub(super) oldest: Option<Timestamp>,
    /// Its standard can say which keys the province holds.
    pub(super) compares: bool,
    /// Which standard speaks for what.
    pub(super) spoken: Spoken,
    /// What went over to another standard before the rest, as people read it.
    pub(super) ahead: Vec<ScopeUse>,
    /// What is said on it leaves this machine in clear.
    pub(super) is_plain: bool,
    /// On a channel of files: those that nobody has fetched yet, and for how long one may lie there
    /// before it is told.
    pub(super) unfetched: Option<(Unfetched, Duration)>,
}

/// A dataset on a channel, as configured and as it stands.
#[derive(Debug)]
pub(super) struct DatasetLook {
    pub(super) flow: Flow,
    pub(super) dataset: Dataset,
    /// The department's title, where the catalogue knows it.
    pub(super) department: String,
    /// `None`: nothing of it was observed yet.
    pub(super) state: Option<FlowState>,
    pub(super) freshness: Freshness,
    /// How much later than its cycle says it may be.
    pub(super) grace: Grace,
    /// How often each rule ran since the start.
    pub(super) rules: Vec<(String, Count)>,
    /// What is unusual about it as a whole.
    pub(super) warnings: Vec<Warning>,
}

/// What the ledger said at one moment, beside the configuration.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) channels: Vec<ChannelLook>,
    pub(super) datasets: Vec<DatasetLook>,
    /// Every dataset the ledger counts, those no longer configured included.
    pub(super) flows: Vec<FlowState>,
    pub(super) links: Vec<LinkCount>,
    pub(super) batches: Vec<(ChannelId, BatchState, u64)>,
    pub(super) holds: Vec<Hold>,
    pub(super) drift: Vec<Drift>,
    pub(super) rejects: Vec<(Flow, RejectKind, String, u64)>,
    pub(super) late: Vec<Late>,
    pub(super) late_links: Vec<LateLinks>,
    pub(super) spool: Usage,
    /// Bytes that the catalogue's or a live lane may still add.
    pub(super) room: u64,
    /// What is done with what is found, and since when that was said.
    pub(super) mode: Mode,
    pub(super) mode_since: Option<Timestamp>,
    /// What the last looks of a daemon that watches found.
    pub(super) watched: Watched,
    /// Interfaces, as far as they were asked.
    pub(super) interfaces: Vec<probe::Standing>,
    /// What is promised less of although nobody approved of it.
    pub(super) unapproved: Arc<[Change]>,
    /// Takeovers that are not over.
    pub(super) takeovers: Vec<OpenTakeover>,
    takeover_sums: Vec<TakeoverSnapshot>,
    /// The counties that are taken in.
    pub(super) counties: Vec<intake::Standing>,
    /// Every ferry.
    pub(super) ferries: Vec<FerryStanding>,
    ledger_bytes: u64,
    disk_free_bytes: u64,
}

impl Office {
    /// Looks into the ledger.
    pub(super) async fn look(&self) -> Result<Look, ledger::Error> {
        self.look_at(&self.works()).await
    }

    /// How many bytes the ledger has, and how many its file system has left.
    async fn measured(&self) -> (u64, u64) {
        let folder = self.crew.ledger.folder().to_owned();
        let measure = move || (size(&folder), free(&folder));
        self.crew.supervisor.pool().run(measure).await
    }

    /// How counties stand; of a store that cannot be read nothing is known.
    async fn counties(&self, works: &Works) -> Vec<intake::Standing> {
        let Some(desk) = works.desk() else { return Vec::new() };
        let found = self.crew.supervisor.pool().run(move || desk.standing()).await;
        found.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), "counties cannot be looked at");
            Vec::new()
        })
    }

    /// How ferries stand; of a journal that cannot be read nothing is known.
    async fn ferries(&self, works: &Works) -> Vec<FerryStanding> {
        let mut found = Vec::new();
        for ferry in works.ferries() {
            match ferry.run(Ferry::standing).await {
                Ok(standing) => found.push(standing),
                Err(error) => tracing::warn!(code = error.code(), "a ferry cannot be looked at"),
            }
        }
        found
    }

    /// Looks into the ledger for what these works are about.
    pub(super) async fn look_at(&self, works: &Works) -> Result<Look, ledger::Error> {
        let (ledger, at) = (&self.crew.ledger, self.now());
        // What a retired channel left waits for nobody.
        let retired = &works.configuration.retired;
        let is_here = |id: &ChannelId| retired.iter().all(|it| it.settings.id != id.as_str());
        let mut flows = ledger.flows().await?;
        flows.retain(|it| is_here(&it.flow.channel));
        let mut batches = ledger.open_batches().await?;
        batches.retain(|(channel, ..)| is_here(channel));
        let titles = ledger.titles().await?;
        let channels = self.channel_looks(works, &titles).await?;
        let (ledger_bytes, disk_free_bytes) = self.measured().await;
        let takeovers = ledger.open_takeovers().await?;
        let (held, counts) = (self.current.held(), ledger.whole_counts().await?);
        let datasets = dataset_looks((works, held), &flows, &counts, &titles, at);
        Ok(Look {
            at,
            datasets,
            channels,
            flows,
            links: ledger.link_counts().await?,
            batches,
            holds: ledger.holds().await?,
            drift: ledger.drift().await?,
            rejects: ledger.rejects_by_rule().await?,
            late: ledger.late_batches(at).await?,
            late_links: self.late_links(works, at).await?,
            spool: self.crew.files.spool.usage(),
            room: self.crew.files.spool.room(SpoolOwner::BACKFILL),
            mode: ledger.mode(),
            mode_since: ledger.mode_since(),
            watched: ledger.watched().await?,
            interfaces: self.board.all(),
            unapproved: self.current.held().unapproved(),
            takeover_sums: self.takeover_sums(&takeovers).await?,
            takeovers,
            counties: self.counties(works).await,
            ferries: self.ferries(works).await,
            ledger_bytes,
            disk_free_bytes,
        })
    }

    /// Every channel of these works.
    async fn channel_looks(
        &self,
        works: &Works,
        titles: &BTreeMap<ObjectKey, String>,
    ) -> Result<Vec<ChannelLook>, ledger::Error> {
        let ledger = &self.crew.ledger;
        let in_force = ledger.standards_in_force().await?;
        let scoped = ledger.scoped_uses().await?;
        let ahead = |it: &ScopedUse| ScopeUse {
            scope: scope_shown(titles, &it.scope),
            standard: it.standard.to_string(),
            since: it.since,
        };
        let mut channels = Vec::new();
        for channel in &works.channels {
            let standard = &channel.standard;
            let rows = standard.operation("rows.upsert").map(|operation| operation.evidence);
            channels.push(ChannelLook {
                id: channel.id.clone(),
                standard: standard.id().clone(),
                digest: *standard.digest(),
                written: works.written(&channel.id),
                since: (in_force.iter())
                    .find(|(of, id, digest, _)| {
                        *of == channel.id && id == standard.id() && digest == standard.digest()
                    })
                    .map(|(.., since)| *since),
                evidence: rows.or(standard.settings().evidence).unwrap_or(Evidence::Receipt),
                oldest: ledger.oldest_unacknowledged(channel.id.clone()).await?,
                compares: standard.operation("inventory.keys").is_some(),
                spoken: channel.spoken(),
                ahead: scoped.iter().filter(|it| it.channel == channel.id).map(ahead).collect(),
                is_plain: works.is_plain(&channel.id),
                unfetched: unfetched(channel),
            });
        }
        Ok(channels)
    }

    /// Objects that stand in a waiting state for longer than its deadline.
    async fn late_links(
        &self,
        works: &Works,
        at: Timestamp,
    ) -> Result<Vec<LateLinks>, ledger::Error> {
        let mut late = Vec::new();
        // While the daemon watches, what is not registered waits for nobody.
        let watches = self.crew.ledger.mode() == Mode::Watch;
        let waits = |state| !(watches && matches!(state, LinkState::Unmapped | LinkState::Stale));
        for channel in &works.channels {
            let states =
                channel.kinds.iter().flat_map(|kind| LinkState::ALL.map(|state| (*kind, state)));
            let states = states.filter(|(_, state)| waits(*state));
            // Of two standards the more patient: what one still waits for is not late.
            let patience = states.filter_map(|(kind, state)| {
                let voices = channel.voices();
                let of = |it: &Arc<cascade::Channel>| cascade::patience(&it.standard, kind, state);
                Some((kind, state, voices.filter_map(of).max()?))
            });
            let (id, patience) = (channel.id.clone(), patience.collect());
            late.extend(self.crew.ledger.late_links(id, patience, at).await?);
        }
        Ok(late)
    }
}

fn ferry_snapshot(it: &FerryStanding, at: Timestamp) -> FerrySnapshot {
    let missing = it.gaps.iter().map(|gap| gap.to.saturating_sub(gap.from) + 1).sum();
    let FerryStanding { name, waiting, unanswered, aside, .. } = it;
    FerrySnapshot {
        ferry: name.clone(),
        missing,
        waiting: *waiting,
        unanswered: *unanswered,
        aside: *aside,
        silent: it
            .unanswered_since
            .and_then(|since| Duration::try_from(at.duration_since(since)).ok())
            .unwrap_or_default(),
    }
}

/// The files of ours that nobody has fetched from a channel, and when one is told.
fn unfetched(channel: &cascade::Channel) -> Option<(Unfetched, Duration)> {
    let patience = channel.standard.deadlines().receipt.unwrap_or(FETCHED_WITHIN);
    Some((channel.client().unfetched()?, patience))
}

fn dataset_looks(
    (works, held): (&Works, &Held),
    flows: &[FlowState],
    counts: &BTreeMap<Flow, (u64, u64)>,
    titles: &BTreeMap<ObjectKey, String>,
    at: Timestamp,
) -> Vec<DatasetLook> {
    let mut looks = Vec::new();
    let states: BTreeMap<&Flow, &FlowState> = flows.iter().map(|it| (&it.flow, it)).collect();
    for carrier in works.carriers() {
        let flow = carrier.flow().clone();
        let dataset = carrier.dataset().clone();
        let state = states.get(&flow).copied().cloned();
        let owner = ObjectKey { kind: Kind::Organisation, id: dataset.department.clone() };
        let department = titles.get(&owner).cloned().unwrap_or_else(|| dataset.department.clone());
        let freshness = freshness_of(&works.configuration, held, &dataset, state.as_ref(), at);
        let rules = carrier.rule_counts();
        let grace = works.configuration.grace_of(&dataset);
        let warnings = carrier.warnings(counts.get(&flow).copied());
        looks.push(DatasetLook {
            flow,
            dataset,
            department,
            state,
            freshness,
            grace,
            rules,
            warnings,
        });
    }
    looks.sort_by_cached_key(|look| name(&look.flow));
    looks
}

/// The three clocks against the cycle that counts and the configured grace. What a province allows is
/// its scoring scheme's business (facts §6.2); until a city knows it, no grace is given.
pub(in crate::app) fn freshness_of(
    configuration: &Configuration,
    held: &Held,
    dataset: &Dataset,
    state: Option<&FlowState>,
    now: Timestamp,
) -> Freshness {
    let promise = Promise {
        cycle: held.cycle(dataset),
        grace: configuration.grace_of(dataset),
        zone: &dataset.zone,
        calendar: &configuration.calendar,
    };
    freshness::freshness(promise, clocks(state), now)
}

/// The same for a dataset that nobody carries any more: by the cycle that goes on counting, with
/// the grace of all.
pub(in crate::app) fn freshness_of_withheld(
    configuration: &Configuration,
    cycle: Cycle,
    state: &FlowState,
    now: Timestamp,
) -> Freshness {
    let zone = TimeZone::get(&state.owner.zone).unwrap_or(TimeZone::UTC);
    let (grace, calendar) = (configuration.grace, &configuration.calendar);
    let promise = Promise { cycle, grace, zone: &zone, calendar };
    freshness::freshness(promise, clocks(Some(state)), now)
}

fn clocks(state: Option<&FlowState>) -> Clocks {
    state.map_or_else(Clocks::default, |state| Clocks {
        business: state.confirmed_content_at,
        changed: state.last_change_at,
        confirmed: state.last_confirmed_at,
    })
}

/// The order of datasets, and the cursor of their pages.
pub(super) fn name(flow: &Flow) -> String {
    format!("{} {}", flow.dataset, flow.channel)
}

/// The ledger's counts as operators see them.
pub(super) fn rows(counts: &Counts) -> Rows {
    Rows {
        due: counts.due,
        confirmed: counts.confirmed,
        placed: counts.placed,
        rejected: counts.rejected(),
        queued: counts.queued,
    }
}

pub(super) fn sum<'a>(flows: impl Iterator<Item = &'a FlowState>) -> Rows {
    flows.fold(Rows::default(), |sum, flow| {
        let rows = rows(&flow.counts);
        Rows {
            due: sum.due + rows.due,
            confirmed: sum.confirmed + rows.confirmed,
            placed: sum.placed + rows.placed,
            rejected: sum.rejected + rows.rejected,
            queued: sum.queued + rows.queued,
        }
    })
}

impl Look {
    /// The sums.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            rows: sum(self.flows.iter()),
            entries: self.entries(),
            reconcile: self.compared(),
        }
    }

    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        for link in self.links.iter().filter(|link| link.kind == Kind::Entry && link.wanted) {
            entries.due += link.count;
            if link.state.is_held_above() {
                entries.accepted += link.count;
            } else if link.state == LinkState::Refused {
                entries.rejected += link.count;
            }
        }
        entries
    }

    /// As old as the oldest comparison; never, while one that could be made was not.
    fn compared(&self) -> Mismatches {
        let mismatched = self.flows.iter().map(|flow| flow.mismatched).sum();
        let comparable = |flow: &Flow| {
            self.channels.iter().any(|channel| channel.id == flow.channel && channel.compares)
        };
        let times: Option<Vec<Timestamp>> = self
            .datasets
            .iter()
            .filter(|it| comparable(&it.flow))
            .map(|it| it.state.as_ref().and_then(|state| state.last_reconciled_at))
            .collect();
        Mismatches { mismatched, at: times.and_then(|times| times.into_iter().min()) }
    }

    /// What the gauges show.
    pub(super) fn snapshot(
        &self,
        reach: &BTreeMap<ChannelId, Reach>,
        certificates: &Certificates,
    ) -> Snapshot {
        let channel = |channel: &ChannelLook| {
            let reach = reach.get(&channel.id).copied().unwrap_or_default();
            ChannelSnapshot {
                silent: reach.silent_since.and_then(|since| self.since(since)),
                allowed: reach.allowed,
                certificates: certificates.of(&channel.id),
                is_plain: channel.is_plain,
                ..self.channel_snapshot(channel)
            }
        };
        Snapshot {
            channels: self.channels.iter().map(channel).collect(),
            datasets: self.datasets.iter().map(|it| self.dataset_snapshot(it)).collect(),
            spool_bytes: self.spool.bytes,
            spool_limit_bytes: self.spool.bound_bytes,
            ledger_bytes: self.ledger_bytes,
            disk_free_bytes: self.disk_free_bytes,
            interfaces: (self.interfaces.iter())
                .map(|it| (it.id.clone(), it.silent.as_ref().map(|(at, _)| self.since(*at))))
                .map(|(id, silent)| (id, silent.map(Option::unwrap_or_default)))
                .collect(),
            unapproved: self.unapproved_by_list(),
            points: Vec::new(),
            measures: Vec::new(),
            score_known: None,
            score_forecast: None,
            points_at_risk: Vec::new(),
            extraction_paused: self.paused().is_some(),
            watching: self.watching_snapshot(),
            counties: (self.counties.iter())
                .map(|it| CountySnapshot {
                    county: it.county.clone(),
                    waiting: it.rows_waiting,
                    last_batch: it.last_batch,
                    refused: it.refused,
                    busy: it.busy,
                })
                .collect(),
            ferries: self.ferries.iter().map(|it| ferry_snapshot(it, self.at)).collect(),
            takeovers: self.takeover_sums.clone(),
        }
    }

    /// How many promises were loosened without an approval, by every list.
    fn unapproved_by_list(&self) -> Vec<(&'static str, u64)> {
        let count = |list: List| self.unapproved.iter().filter(|it| it.list == list).count();
        let line = |list: List| (list.as_str(), u64::try_from(count(list)).unwrap_or(u64::MAX));
        List::ALL.map(line).to_vec()
    }

    /// How long ago; `None` where it is still to come.
    fn since(&self, at: Timestamp) -> Option<Duration> {
        Duration::try_from(self.at.duration_since(at)).ok()
    }

    fn channel_snapshot(&self, channel: &ChannelLook) -> ChannelSnapshot {
        let id = &channel.id;
        let mut drift: BTreeMap<metrics::Drift, u64> = BTreeMap::new();
        for seen in self.drift.iter().filter(|seen| seen.channel == *id) {
            let kind = match seen.kind.as_str() {
                "reply-code" => metrics::Drift::ReplyCode,
                "unreadable" => metrics::Drift::Unreadable,
                "dictionary" | "reply-value" => metrics::Drift::Dictionary,
                "refused-more" | "failed-more" => metrics::Drift::Refusals,
                _ => metrics::Drift::ReplyField,
            };
            *drift.entry(kind).or_default() += seen.count;
        }
        let age = channel.oldest.and_then(|at| self.since(at));
        let holds = self.holds.iter().filter(|hold| hold.channel == *id).count();
        ChannelSnapshot {
            channel: id.clone(),
            standards: std::iter::once(&channel.spoken.standard)
                .chain(channel.spoken.ahead.iter().map(|(standard, ..)| standard))
                .cloned()
                .collect(),
            oldest_unacknowledged: age,
            batches: (self.batches.iter())
                .filter(|(of, ..)| of == id)
                .map(|(_, state, count)| (*state, *count))
                .collect(),
            links: (self.links.iter())
                .filter(|link| link.channel == *id)
                .map(|link| (link.kind, link.state, link.count))
                .collect(),
            holds: u64::try_from(holds).unwrap_or(u64::MAX),
            late_batches: (self.late.iter())
                .filter(|late| late.channel == *id)
                .map(|late| late.count)
                .sum(),
            late_links: (self.late_links.iter())
                .filter(|late| late.channel == *id)
                .map(|late| late.count)
                .sum(),
            drift: drift.into_iter().collect(),
            silent: None,
            allowed: 0,
            is_plain: false,
            certificates: Vec::new(),
        }
    }

    fn dataset_snapshot(&self, it: &DatasetLook) -> DatasetSnapshot {
        let state = it.state.as_ref();
        let counts = state.map(|state| state.counts).unwrap_or_default();
        let observed = state.and_then(|state| state.last_observed_at);
        let overdue = match it.freshness.state {
            State::Overdue { since } => self.since(since),
            State::Fresh | State::DueSoon | State::NotComputable { .. } | State::Never => None,
        };
        DatasetSnapshot {
            channel: it.flow.channel.clone(),
            dataset: it.flow.dataset.clone(),
            confirmed: state.and_then(|state| state.last_confirmed_at),
            deadline: it.freshness.deadline.map(|deadline| deadline.at),
            rows_due: counts.due,
            rows_queued: counts.queued,
            source_lag: observed.and_then(|at| self.since(at)),
            mismatched_rows: state.map_or(0, |state| state.mismatched),
            rejected_rows: counts.rejected(),
            freshness: it.freshness.state,
            overdue,
            warnings: u64::try_from(it.warnings.len()).unwrap_or(u64::MAX),
        }
    }

    /// Why nothing more is taken from the city.
    pub(super) fn paused(&self) -> Option<&'static str> {
        let met = |code: &str| {
            self.flows.iter().any(|flow| flow.trouble.as_ref().is_some_and(|it| it.0 == code))
        };
        if met("disk-full") {
            Some("disk-full")
        } else if self.room == 0 || met("spool-full") {
            Some("spool-full")
        } else {
            None
        }
    }
}

/// Bytes that may still be used on a folder's disk; 0 where it does not say.
fn free(folder: &std::path::Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Bytes of the files of a folder itself. What vanishes meanwhile counts nothing.
fn size(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}
