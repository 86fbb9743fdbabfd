//! Activating a candidate and going back: judged whole now, then a durable job.

use std::sync::Arc;

use super::list::job_name;
use super::resync::asker;
use super::{Office, failure, told};
use crate::cascade::Channel;
use crate::changeover::says_more;
use crate::control::Peer;
use crate::control::protocol::{Activate, CutOver, Failure, Rollback};
use crate::ledger::{self, CutOverAsked, LinkFilter};
use crate::province::Way;
use crate::standard::Standard;
use crate::telemetry::logs::Chain;

/// A cut-over to judge.
struct Wanted {
    channel: Arc<Channel>,
    to: Arc<Standard>,
    back: bool,
    at: Option<jiff::Timestamp>,
    dry_run: bool,
}

impl Office {
    pub(super) async fn activate(&self, asked: &Activate, peer: Peer) -> Result<CutOver, Failure> {
        let to = self.candidate(&asked.standard).await?;
        let channel = self.meant(asked.channel.as_deref(), &[&to])?;
        let (at, dry_run) = (asked.at, asked.dry_run);
        self.turn(Wanted { channel, to, back: false, at, dry_run }, peer).await
    }

    pub(super) async fn roll_back(&self, asked: &Rollback, peer: Peer) -> Result<CutOver, Failure> {
        let channel = self.meant(asked.channel.as_deref(), &[])?;
        let before = self.crew.ledger.standard_before(channel.id.clone()).await.map_err(told)?;
        let Some(before) = before else {
            let what = format!("no other standard was in force on {} before", channel.id);
            return Err(failure("E-NO-STANDARD-BEFORE", what, Some("see `cascaded status`")));
        };
        let to = self.candidate(before.as_str()).await?;
        let dry_run = asked.dry_run;
        self.turn(Wanted { channel, to, back: true, at: None, dry_run }, peer).await
    }

    async fn turn(&self, wanted: Wanted, peer: Peer) -> Result<CutOver, Failure> {
        let Wanted { channel, to, back, at, dry_run } = wanted;
        if channel.standard.id() == to.id() {
            let what = format!("{} is in force on {} already", to.id(), channel.id);
            return Err(failure("E-STANDARD-IN-FORCE", what, Some("see `cascaded status`")));
        }
        self.reachable(&channel, &to)?;
        let mut report = self.scope(&channel, &to, back).await?;
        report.at = at.unwrap_or_else(|| self.now());
        if dry_run {
            return Ok(report);
        }
        let asked = ledger::CutOver {
            channel: report.channel.clone(),
            from: report.from.clone(),
            to: report.to.clone(),
            back,
            at: report.at,
        };
        let answer = self.crew.ledger.cut_over_asked(asked, asker(peer)).await.map_err(told)?;
        match answer {
            CutOverAsked::Made(number) => report.job = Some(job_name(number)),
            CutOverAsked::Known(number) => {
                report.job = Some(job_name(number));
                report.existed = true;
            }
            CutOverAsked::Busy(number) => {
                let what = format!("{} already goes over: job {}", channel.id, job_name(number));
                let next = "wait for it, or `cascaded jobs cancel` it before it begins";
                return Err(failure("E-CUT-OVER", what, Some(next)));
            }
        }
        crate::crash::point("cut-over-asked");
        self.lent.cut_over();
        Ok(report)
    }

    /// The address, the certificates and every credential that the other standard needs are there.
    fn reachable(&self, channel: &Channel, to: &Arc<Standard>) -> Result<(), Failure> {
        let works = self.works();
        let configured = works.configuration.channels.iter();
        let configured = configured.into_iter().find(|it| it.settings.id == channel.id.as_str());
        let Some(configured) = configured else { return Ok(()) };
        let way = configured.written.way_of(to.id().as_str()).clone();
        let clock = self.crew.supervisor.clock().clone();
        match Way::new(way, Arc::clone(to), clock) {
            Ok(_way) => Ok(()),
            Err(error) => {
                let next = "complete [channel.candidate] in the configuration and reload";
                let mut told = failure("E-CANDIDATE", Chain(&error).to_string(), Some(next));
                told.place = Some(format!("channel.{}.candidate", channel.id));
                Err(told)
            }
        }
    }

    /// What it would do.
    async fn scope(
        &self,
        channel: &Arc<Channel>,
        to: &Arc<Standard>,
        back: bool,
    ) -> Result<CutOver, Failure> {
        let (ledger, pool) = (&self.crew.ledger, self.crew.supervisor.pool());
        let (from, id) = (&channel.standard, channel.id.clone());
        let configuration = Arc::clone(&self.works().configuration);
        let (name, pair) = (id.to_string(), (Arc::clone(from), Arc::clone(to)));
        let map = pool
            .run(move || crate::app::upper_ids(&configuration, (&name, back), (&pair.0, &pair.1)));
        let map = map.await.map_err(|what| {
            failure("E-UPPER-IDS", what, Some("put the province's map there, or name it"))
        })?;
        let known: std::collections::BTreeSet<_> =
            map.iter().map(|(kind, known, _)| (*kind, known.as_str())).collect();
        let renumbers = &if back { from } else { to }.settings().renumbers;
        let (mut objects, mut mapped, mut unmapped) = (0, 0, 0);
        for link in ledger.links(id.clone(), LinkFilter::default()).await.map_err(told)? {
            let upper = link.upper_id.as_deref();
            if let Some(upper) =
                upper.filter(|_| renumbers.iter().any(|kind| kind == link.key.kind.as_str()))
            {
                let is_known = known.contains(&(link.key.kind, upper));
                *if is_known { &mut mapped } else { &mut unmapped } += 1;
            }
            if link.wanted.is_none() || !link.state.is_held_above() {
                continue;
            }
            let object = ledger.object(link.key.clone()).await.map_err(told)?;
            objects += u64::from(object.is_some_and(|it| says_more(from, to, &it, upper)));
        }
        let batches = ledger.outdated(id.clone(), to.id().clone(), u32::MAX).await.map_err(told)?;
        let (rows_above, objects_above) = match back {
            true => ledger.delivered_under(id, from.id().clone()).await.map_err(told)?,
            false => (0, 0),
        };
        Ok(CutOver {
            job: None,
            existed: false,
            channel: channel.id.to_string(),
            from: from.id().to_string(),
            to: to.id().to_string(),
            at: self.now(),
            batches: batches.len() as u64,
            objects,
            upper_ids: mapped,
            unmapped,
            rows_above,
            objects_above,
        })
    }
}
