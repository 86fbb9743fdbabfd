//! Requests for rows or objects to go out again: durable jobs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::list::{job_name, word};
use super::{Office, failure, told};
use crate::cascade::Carrier;
use crate::city::{Change, Position};
use crate::control::Peer;
use crate::control::protocol::{Accepted, Extent, Failure, RejectReplay, Resync};
use crate::delivery::RejectKind;
use crate::ledger::{self, CatalogueRequest, PassKind};

/// Who asked, as a job keeps it.
pub(super) fn asker(peer: Peer) -> String {
    match peer.pid {
        Some(pid) => format!("uid {} pid {pid}", peer.uid),
        None => format!("uid {}", peer.uid),
    }
}

impl Office {
    /// Every dataset is one that is carried; otherwise all that are not, at once.
    pub(super) fn check_datasets(&self, asked: &[String]) -> Result<(), Failure> {
        let works = self.works();
        let carried =
            |dataset: &String| works.carriers().any(|carrier| carrier.flow().dataset == *dataset);
        let unknown: Vec<&str> =
            asked.iter().filter(|dataset| !carried(dataset)).map(String::as_str).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let what = format!("no channel carries {}", unknown.join(", "));
        Err(failure("E-NO-SUCH-DATASET", what, Some("see `cascaded datasets`")))
    }

    pub(super) async fn resync(&self, asked: &Resync, peer: Peer) -> Result<Accepted, Failure> {
        self.check_datasets(&asked.datasets)?;
        let (kind, since) = match &asked.extent {
            Extent::Catalogue {} => return self.catalogue(asked, peer).await,
            Extent::Compare {} => (PassKind::Compare, None),
            Extent::Full {} => (PassKind::Resend, None),
            Extent::Rejected {} => (PassKind::Rejected, None),
            Extent::Since { at } => (PassKind::Since, Some(self.since(asked, *at)?)),
        };
        let works = self.works();
        let wanted: Vec<&std::sync::Arc<Carrier>> = works
            .carriers()
            .filter(|it| asked.datasets.is_empty() || asked.datasets.contains(&it.flow().dataset))
            .collect();
        let rejected = self.crew.ledger.rejects_by_rule().await.map_err(told)?;
        let scope = wanted
            .iter()
            .map(|carrier| {
                let flow = carrier.flow();
                let open = rejected.iter().filter(|(of, ..)| of == flow).map(|(.., rows)| rows);
                let rows = (kind == PassKind::Rejected).then(|| open.sum());
                (flow.dataset.clone(), rows)
            })
            .collect();
        if asked.dry_run {
            return Ok(Accepted { job: None, existed: false, scope });
        }
        let flows = wanted.iter().map(|it| (it.flow().clone(), it.owner().clone())).collect();
        let request = ledger::Resync {
            flows,
            kind,
            since,
            approved: asked.approve_deletions,
            request: described(asked),
            idempotency: Some(asked.idempotency_key.clone()),
            asked_by: asker(peer),
        };
        self.ask(request, scope).await
    }

    async fn ask(
        &self,
        request: ledger::Resync,
        scope: Vec<(String, Option<u64>)>,
    ) -> Result<Accepted, Failure> {
        let (number, is_new) = self.crew.ledger.resync_asked(request).await.map_err(told)?;
        for channel in &self.works().channels {
            channel.wake_observers();
        }
        Ok(Accepted { job: Some(job_name(number)), existed: !is_new, scope })
    }

    /// The instant as the datasets' sources write it. Only a dataset whose rows carry a time can
    /// be read from one on.
    fn since(&self, asked: &Resync, at: Timestamp) -> Result<String, Failure> {
        let wanted = |it: &&std::sync::Arc<Carrier>| {
            asked.datasets.is_empty() || asked.datasets.contains(&it.flow().dataset)
        };
        let mut zones = BTreeMap::new();
        let mut timeless = Vec::new();
        for carrier in self.works().carriers().filter(wanted) {
            let dataset = carrier.dataset();
            match dataset.change {
                Change::TimeColumn { .. } | Change::Files => {
                    zones.insert(dataset.zone_name.clone(), dataset.zone.clone());
                }
                Change::Full => timeless.push(dataset.id.clone()),
            }
        }
        if !timeless.is_empty() {
            let what = format!("these have no time to read from: {}", timeless.join(", "));
            let next = "ask for them without `--since`: they are compared whole";
            return Err(failure("E-NO-TIME-COLUMN", what, Some(next)));
        }
        let mut zones = zones.into_values();
        match (zones.next(), zones.next()) {
            (Some(zone), None) => Ok(Position::at(zone.to_datetime(at)).time),
            (None, _) => Err(failure("E-NO-SUCH-DATASET", "no channel carries a dataset", None)),
            (Some(_), Some(_)) => {
                let next = "ask for the datasets of one zone at a time";
                Err(failure("E-ZONES", "the datasets are in different time zones", Some(next)))
            }
        }
    }

    async fn catalogue(&self, asked: &Resync, peer: Peer) -> Result<Accepted, Failure> {
        if asked.dry_run {
            return Ok(Accepted { job: None, existed: false, scope: Vec::new() });
        }
        let request = CatalogueRequest {
            channels: self.works().channels.iter().map(|channel| channel.id.clone()).collect(),
            approved: asked.approve_deletions,
            request: described(asked),
            idempotency: asked.idempotency_key.clone(),
            asked_by: asker(peer),
        };
        let (number, is_new) = self.crew.ledger.catalogue_asked(request).await.map_err(told)?;
        self.catalogue.raise();
        for channel in &self.works().channels {
            channel.wake();
        }
        Ok(Accepted { job: Some(job_name(number)), existed: !is_new, scope: Vec::new() })
    }

    /// Rejected rows are judged anew from current values: of every dataset that has one that
    /// matches, all that are rejected.
    pub(super) async fn replay(
        &self,
        asked: &RejectReplay,
        peer: Peer,
    ) -> Result<Accepted, Failure> {
        let query = &asked.query;
        if let Some(dataset) = &query.dataset {
            self.check_datasets(std::slice::from_ref(dataset))?;
        }
        let kind = word(query.kind.as_ref(), "kind of reject", RejectKind::parse)?;
        let mut matched: BTreeMap<ledger::Flow, u64> = BTreeMap::new();
        for (flow, of, rule, rows) in self.crew.ledger.rejects_by_rule().await.map_err(told)? {
            if query.dataset.as_ref().is_none_or(|only| *only == flow.dataset)
                && kind.is_none_or(|kind| kind == of)
                && query.rule.as_ref().is_none_or(|only| *only == rule)
            {
                *matched.entry(flow).or_default() += rows;
            }
        }
        let flows = self
            .works()
            .carriers()
            .filter(|carrier| matched.contains_key(carrier.flow()))
            .map(|carrier| (carrier.flow().clone(), carrier.owner().clone()))
            .collect();
        let scope = matched.into_iter().map(|(flow, rows)| (flow.dataset, Some(rows))).collect();
        let request = ledger::Resync {
            flows,
            kind: PassKind::Rejected,
            since: None,
            approved: false,
            request: "rejected".to_owned(),
            idempotency: Some(asked.idempotency_key.clone()),
            asked_by: asker(peer),
        };
        self.ask(request, scope).await
    }
}

/// What was asked, in a few words.
fn described(asked: &Resync) -> String {
    let extent = match &asked.extent {
        Extent::Compare {} => "compare".to_owned(),
        Extent::Full {} => "full".to_owned(),
        Extent::Since { at } => format!("since {at}"),
        Extent::Rejected {} => "rejected".to_owned(),
        Extent::Catalogue {} => "catalogue".to_owned(),
    };
    let datasets =
        if asked.datasets.is_empty() { "all".to_owned() } else { asked.datasets.join(" ") };
    let approved = if asked.approve_deletions { ", deletions approved" } else { "" };
    format!("{extent} {datasets}{approved}")
}
