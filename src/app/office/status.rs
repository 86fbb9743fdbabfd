//! `status`, readiness, and whether everything was read through.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::look::{self, ChannelLook, Look};
use super::{Office, Reach};
use crate::app::Works;
use crate::catalogue::{Kind, ObjectKey};
use crate::config;
use crate::control::protocol::{Channel, Status};
use crate::delivery::{BatchState, ChannelId, LinkState};
use crate::ledger::{self, Flow, Hold, Scope};

impl Office {
    pub(super) async fn status(&self) -> Result<Status, ledger::Error> {
        let works = self.works();
        let look = self.look_at(&works).await?;
        self.read_through().await?;
        let edited = self.edited(&works, &look).await;
        let mut status = Status { attention: look.attention(), ..self.status_of(&works, &look) };
        for it in &mut status.channels {
            it.edited = edited.contains(&it.channel);
        }
        Ok(status)
    }

    /// The status of one look, without what needs attention.
    pub(super) fn status_of(&self, works: &Works, look: &Look) -> Status {
        let identity = self.crew.ledger.identity();
        let local = look.flows.iter().map(|flow| flow.counts.rejected_local).sum();
        let above = look
            .flows
            .iter()
            .map(|flow| flow.counts.rejected_refused + flow.counts.rejected_failed)
            .sum();
        Status {
            city: works.configuration.city.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            now: look.at,
            incarnation: identity.incarnation,
            watching: look.watching(),
            summary: look.summary(),
            rejected_local: local,
            rejected_above: above,
            complete_pass: self.complete.load(Ordering::Acquire),
            channels: look.channels.iter().map(|channel| shown(look, channel)).collect(),
            attention: Vec::new(),
            spool_bytes: look.spool.bytes,
            spool_limit_bytes: look.spool.bound_bytes,
            paused: look.paused().map(str::to_owned),
            http: self.http.map(|address| format!("http://{address}/metrics")),
        }
    }

    /// The channels whose standard's directory is not what was loaded from it.
    async fn edited(&self, works: &Works, look: &Look) -> BTreeSet<String> {
        let folders = works.configuration.standard_folders.clone();
        let spoken: Vec<_> = look
            .channels
            .iter()
            .map(|it| (it.id.to_string(), it.standard.clone(), it.digest))
            .collect();
        let now = move || {
            let differs = |name: &str, digest| config::digest_now(&folders, name) != Some(digest);
            let edited = spoken.into_iter().filter(|(_, it, digest)| differs(it.as_str(), *digest));
            edited.map(|(id, ..)| id).collect()
        };
        self.crew.supervisor.pool().run(now).await
    }

    /// Whether everything that stood in the city was read once. A dataset whose resource or entry
    /// cannot be registered is not waited for: nothing of it is due.
    pub(super) async fn read_through(&self) -> Result<bool, ledger::Error> {
        if self.complete.load(Ordering::Acquire) {
            return Ok(true);
        }
        for carrier in self.works().carriers() {
            let flow = carrier.flow();
            if !self.crew.ledger.read_through(flow.clone()).await? && !self.is_refused(flow).await?
            {
                return Ok(false);
            }
        }
        self.complete.store(true, Ordering::Release);
        Ok(true)
    }

    /// The dataset's resource, or something above it, was turned away.
    async fn is_refused(&self, flow: &Flow) -> Result<bool, ledger::Error> {
        let ledger = &self.crew.ledger;
        let Some(id) = ledger.resource_of(flow.dataset.clone()).await? else { return Ok(false) };
        let mut next = vec![ObjectKey { kind: Kind::Resource, id }];
        let mut seen = BTreeSet::new();
        while let Some(key) = next.pop() {
            if !seen.insert(key.clone()) {
                continue;
            }
            let link = ledger.link(flow.channel.clone(), key.clone()).await?;
            if link.is_some_and(|link| link.state == LinkState::Refused && link.sent == link.wanted)
            {
                return Ok(true);
            }
            if let Some(object) = ledger.object(key).await? {
                next.extend(object.parents());
            }
        }
        Ok(false)
    }

    /// Why the daemon does not do its work, each with a code and words.
    pub(super) fn not_ready_by(
        &self,
        look: &Look,
        unwritable: Option<&ledger::Error>,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(error) = unwritable {
            reasons.push(format!("{}: the ledger cannot be written", error.code()));
        }
        if let Some(code) = look.paused() {
            reasons.push(format!("{code}: nothing more is taken from the city"));
        }
        let reach = self.watch.reach();
        let channels: Vec<(&ChannelId, Reach)> = look
            .channels
            .iter()
            .map(|it| (&it.id, reach.get(&it.id).copied().unwrap_or_default()))
            .collect();
        let tried = channels.iter().any(|(_, reach)| *reach != Reach::default());
        let reached = channels
            .iter()
            .any(|(_, reach)| reach.answered_at.is_some() && reach.silent_since.is_none());
        if !channels.is_empty() && !reached && (tried || look.has_work()) {
            for (id, reach) in &channels {
                let since = match reach.silent_since {
                    Some(since) => format!("does not answer since {since}"),
                    None => "was not reached yet".to_owned(),
                };
                reasons.push(format!("channel-unreached: channel {id} {since}"));
            }
        }
        let held = |id: &ChannelId| {
            look.holds.iter().find(|hold| hold.channel == *id && hold.scope == Scope::Channel)
        };
        let holds: Option<Vec<&Hold>> = look.channels.iter().map(|it| held(&it.id)).collect();
        for hold in holds.into_iter().flatten() {
            let (channel, since) = (&hold.channel, hold.since);
            reasons.push(format!("held: channel {channel} is held since {since}: {}", hold.code));
        }
        reasons
    }
}

fn shown(look: &Look, channel: &ChannelLook) -> Channel {
    let id = &channel.id;
    let flows = || look.flows.iter().filter(|flow| flow.flow.channel == *id);
    let in_flight = look
        .batches
        .iter()
        .filter(|(of, state, _)| of == id && *state == BatchState::InFlight)
        .map(|(.., count)| *count)
        .sum::<u64>();
    let held: Vec<String> = look
        .holds
        .iter()
        .filter(|hold| hold.channel == *id)
        .map(|hold| match &hold.scope {
            Scope::Channel => hold.code.clone(),
            scope @ (Scope::Operation(_) | Scope::Subject(_) | Scope::Standard(..)) => {
                format!("{}: {}", scope.subject(), hold.code)
            }
        })
        .collect();
    Channel {
        channel: id.to_string(),
        title: id.to_string(),
        standard: channel.standard.to_string(),
        ahead: channel.ahead.clone(),
        written: channel.written.clone(),
        digest: channel.digest.to_string(),
        edited: false,
        since: channel.since,
        evidence: channel.evidence.as_str().to_owned(),
        rows: look::sum(flows()),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        oldest_unacknowledged: channel.oldest,
        last_confirmed: flows().filter_map(|flow| flow.last_confirmed_at).max(),
        held: (!held.is_empty()).then(|| held.join(", ")),
    }
}
