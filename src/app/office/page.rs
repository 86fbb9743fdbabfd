//! What the status page shows, from the same look as everything else; bounded whatever the size of
//! the city.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::look::{DatasetLook, Look};
use super::{Office, Reach};
use crate::app::{Shown, Works};
use crate::cascade;
use crate::control::page::{
    Awaited, Dated, Foretold, Health, Page, Rejected, Score, Tally, Waiting, Worst,
};
use crate::control::protocol::Urgency;
use crate::delivery::{BatchState, ChannelId};
use crate::indicator::forecast::{Forecast, PROMISED_PERCENT};
use crate::indicator::freshness::State;
use crate::province::{self, Holder};
use crate::telemetry::metrics::{CertificateHolder, ForecastSnapshot, Snapshot};

/// How often files of certificates are looked at again, and whether everything was read once.
const SELDOM: SignedDuration = SignedDuration::from_secs(10);

/// When certificates end, as their files were at some moment.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// When the files were looked at.
    pub(super) at: Timestamp,
    /// The first end of ours, and of those we trust, on each channel.
    pub(super) ends: Vec<(ChannelId, Holder, Timestamp)>,
}

impl Certificates {
    /// As the gauges name them.
    pub(super) fn of(&self, channel: &ChannelId) -> Vec<(CertificateHolder, Timestamp)> {
        let holder = |holder: Holder| match holder {
            Holder::Ours => CertificateHolder::Ours,
            Holder::Trusted => CertificateHolder::Trusted,
        };
        let ends = self.ends.iter().filter(|(of, ..)| of == channel);
        ends.map(|(_, of, end)| (holder(*of), *end)).collect()
    }

    fn first(&self, channel: &ChannelId) -> Option<Timestamp> {
        self.ends.iter().filter(|(of, ..)| of == channel).map(|(.., end)| *end).min()
    }
}

impl Office {
    /// What is known of the certificates, looked at again when that is some seconds old. A file
    /// that cannot be read is told by `reload`, `check` and `doctor`, and has no end here.
    pub(super) async fn certificates(&self, works: &Works, now: Timestamp) -> Arc<Certificates> {
        if let Some(known) = self.last.load().as_ref()
            && now.duration_since(known.certificates.at).abs() < SELDOM
        {
            return Arc::clone(&known.certificates);
        }
        let channels: Vec<(ChannelId, province::Settings)> = (works.configuration.channels.iter())
            .map(|it| (ChannelId::from(it.settings.id.as_str()), it.settings.province.clone()))
            .collect();
        let look = move || {
            let mut ends = Vec::new();
            for (channel, settings) in channels {
                for it in province::certificates(&settings).unwrap_or_default() {
                    ends.extend(it.ends.map(|end| (channel.clone(), it.holder, end)));
                }
            }
            ends
        };
        let ends = self.crew.supervisor.pool().run(look).await;
        Arc::new(Certificates { at: now, ends })
    }

    /// Sees whether everything was read once by now; a look of many questions, so only `again`.
    pub(super) async fn look_for_completion(&self, again: bool) {
        // Where it fails, it failed in the look as well and was told there.
        if again {
            drop(self.read_through().await);
        }
    }

    /// The page of one look.
    pub(super) fn page_of(
        &self,
        works: &Works,
        look: &Look,
        not_ready: Vec<String>,
        certificates: &Certificates,
    ) -> Page {
        let reach = self.watch.reach();
        let troubles = look.troubles();
        let is_act = |urgency| urgency == Urgency::Error;
        let to_act = troubles.iter().filter(|it| is_act(it.urgency)).count();
        Page {
            status: self.status_of(works, look),
            // The zone that the catalogue's own times are in.
            zone: TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC),
            not_ready,
            attention: Worst::of(troubles),
            to_act: u64::try_from(to_act).unwrap_or(u64::MAX),
            channels: health(works, look, &reach, certificates),
            freshness: look.tally(),
            overdue: look.overdue(),
            next: look.next_deadlines(),
            rejected: look.rejected(),
            awaited: awaited(works, look),
            score: self.live.shown().map(|shown| page_score(&shown, self.foretold(&shown))),
        }
    }
}

/// The live score as text.
fn page_score(shown: &Shown, foretold: Option<Arc<Forecast>>) -> Score {
    let share = shown.score.known_share().unwrap_or_default() * Decimal::ONE_HUNDRED;
    Score {
        scheme: shown.scheme.zh.clone(),
        today: shown.score.total.normalize().to_string(),
        at_cut_off: shown.at_cut_off.normalize().to_string(),
        forecast: foretold.map(|it| Foretold {
            expected: near(it.range.expected),
            low: near(it.range.low),
            high: near(it.range.high),
            promised: PROMISED_PERCENT.to_string(),
            at: it.at,
        }),
        at_risk: shown.plan.together.normalize().to_string(),
        known: format!("{}%", share.round_dp(1).normalize()),
    }
}

/// Two digits are enough for what is not certain.
fn near(points: Decimal) -> String {
    points.round_dp(2).normalize().to_string()
}

impl Office {
    /// The forecast of the month that is shown.
    fn foretold(&self, shown: &Shown) -> Option<Arc<Forecast>> {
        self.live.foretold().filter(|it| it.month == shown.score.month)
    }

    /// The running month's points, as gauges show them.
    pub(super) fn show_score(&self, snapshot: &mut Snapshot) {
        let Some(shown) = self.live.shown() else { return };
        let number = |points: Decimal| points.to_f64().unwrap_or(f64::NAN);
        let items = shown.score.items.iter();
        snapshot.points =
            items.filter_map(|it| Some((it.id.clone(), number(it.points?)))).collect();
        let at_risk = shown.plan.by_item.iter();
        snapshot.points_at_risk = at_risk.map(|(id, it)| (id.clone(), number(*it))).collect();
        let measures = shown.measures.iter();
        snapshot.measures = measures.map(|(name, it)| (name.clone(), number(*it))).collect();
        let share = shown.score.known_share().unwrap_or_default();
        snapshot.score_known = Some((number(share), number(shown.at_cut_off)));
        snapshot.score_forecast = self.foretold(&shown).map(|it| ForecastSnapshot {
            expected: number(it.range.expected),
            low: number(it.range.low),
            high: number(it.range.high),
            avoidable: number(it.avoidable),
        });
    }
}

fn health(
    works: &Works,
    look: &Look,
    reach: &BTreeMap<ChannelId, Reach>,
    certificates: &Certificates,
) -> Vec<Health> {
    let health = |channel: &super::look::ChannelLook| {
        let reach = reach.get(&channel.id).copied().unwrap_or_default();
        let configured = works.configuration.channels.iter();
        let settings = configured.map(|it| &it.settings).find(|it| it.id == channel.id.as_str());
        let candidate = settings.and_then(|it| it.candidate.as_ref()).map(|it| &it.standard);
        Health {
            grade: Some(channel.evidence),
            answered: reach.answered_at,
            silent: reach.silent_since,
            drift: (look.drift.iter())
                .filter(|seen| seen.channel == channel.id)
                .fold(0, |sum, seen| sum.saturating_add(seen.count)),
            candidate: candidate.filter(|it| **it != channel.standard.to_string()).cloned(),
            certificate_ends: certificates.first(&channel.id),
        }
    };
    look.channels.iter().map(health).collect()
}

/// Batches and objects in states in which something is waited for, as a standard's deadlines say.
fn awaited(works: &Works, look: &Look) -> Vec<Awaited> {
    let mut list: Vec<Awaited> = Vec::new();
    let waits = [BatchState::Queued, BatchState::InFlight, BatchState::Unknown, BatchState::Taken];
    for (channel, state, count) in look.batches.iter().filter(|it| waits.contains(&it.1)) {
        let late = (look.late.iter())
            .filter(|late| late.channel == *channel && late.state == *state)
            .map(|late| late.count)
            .sum();
        let (channel, what) = (channel.to_string(), Waiting::Batch(*state));
        list.push(Awaited { channel, what, count: *count, late });
    }
    for link in look.links.iter().filter(|link| link.wanted) {
        let standard = works.channels.iter().find(|it| it.id == link.channel);
        let patience = standard
            .and_then(|channel| cascade::patience(&channel.standard, link.kind, link.state));
        if patience.is_none() {
            continue;
        }
        let late: u64 = (look.late_links.iter())
            .filter(|late| {
                late.channel == link.channel && late.kind == link.kind && late.state == link.state
            })
            .map(|late| late.count)
            .sum();
        let (channel, what) = (link.channel.to_string(), Waiting::Link(link.state));
        match list.iter_mut().find(|it| it.channel == channel && it.what == what) {
            Some(known) => {
                known.count += link.count;
                known.late += late;
            }
            None => list.push(Awaited { channel, what, count: link.count, late }),
        }
    }
    list.retain(|it| it.count > 0);
    list
}

fn dated(it: &DatasetLook, deadline: Timestamp) -> Dated {
    Dated {
        dataset: it.flow.dataset.clone(),
        title: it.dataset.title.clone(),
        department: it.department.clone(),
        cycle: it.dataset.cycle.clone(),
        deadline,
        last_confirmed: it.state.as_ref().and_then(|state| state.last_confirmed_at),
    }
}

impl Look {
    /// How fresh the datasets are.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for it in &self.datasets {
            let count = match it.freshness.state {
                State::Fresh => &mut tally.fresh,
                State::DueSoon => &mut tally.soon,
                State::Overdue { .. } => &mut tally.overdue,
                State::Never => &mut tally.never,
                State::NotComputable { .. } => &mut tally.not_computable,
            };
            *count += 1;
        }
        tally
    }

    /// Those past their deadline, the longest first.
    fn overdue(&self) -> Worst<Dated> {
        let mut list: Vec<(Timestamp, &DatasetLook)> = Vec::new();
        for it in &self.datasets {
            if let State::Overdue { since } = it.freshness.state {
                list.push((since, it));
            }
        }
        list.sort_by_key(|(since, _)| *since);
        Worst::of(list.into_iter().map(|(since, it)| dated(it, since)))
    }

    /// Those whose deadline comes, the next first.
    fn next_deadlines(&self) -> Worst<Dated> {
        let mut list: Vec<(Timestamp, &DatasetLook)> = (self.datasets.iter())
            .filter_map(|it| Some((it.freshness.deadline?.at, it)))
            .filter(|(at, _)| *at >= self.at)
            .collect();
        list.sort_by_key(|(at, _)| *at);
        Worst::of(list.into_iter().map(|(at, it)| dated(it, at)))
    }

    /// Those with most rejected rows.
    fn rejected(&self) -> Worst<Rejected> {
        let mut list: Vec<(u64, &DatasetLook)> = (self.datasets.iter())
            .filter_map(|it| Some((it.state.as_ref()?.counts.rejected(), it)))
            .filter(|(count, _)| *count > 0)
            .collect();
        list.sort_by_key(|(count, _)| Reverse(*count));
        Worst::of(list.into_iter().map(|(_, it)| {
            let counts = it.state.as_ref().map(|state| state.counts).unwrap_or_default();
            Rejected {
                dataset: it.flow.dataset.clone(),
                title: it.dataset.title.clone(),
                department: it.department.clone(),
                due: counts.due,
                local: counts.rejected_local,
                refused: counts.rejected_refused,
                failed: counts.rejected_failed,
            }
        }))
    }
}
