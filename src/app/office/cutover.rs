//! Activating a candidate and going back: judged whole now, then a durable job.

use std::sync::Arc;

use super::list::job_name;
use super::resync::asker;
use super::{Office, failure, told};
use crate::cascade::Channel;
use crate::changeover::says_more;
use crate::control::Peer;
use crate::control::protocol::{Activate, CutOver, Failure, Rollback};
use crate::delivery::{ChannelId, Reaches, Whose};
use crate::ledger::{self, Beside, CutOverAsked, LinkFilter, Scopes};
use crate::province::Way;
use crate::standard::Standard;
use crate::telemetry::logs::Chain;

/// A cut-over to judge.
struct Wanted {
    channel: Arc<Channel>,
    from: Arc<Standard>,
    to: Arc<Standard>,
    back: bool,
    /// Of what it is; `None`: of everything, and nothing is ahead.
    scopes: Option<Scopes>,
    at: Option<jiff::Timestamp>,
    /// Beside the standard in force, for so many seconds; or its further channel is given up.
    beside: Option<u64>,
    dry_run: bool,
    /// The same key never makes a second job.
    key: Option<String>,
}

impl Office {
    pub(super) async fn activate(
        &self,
        asked: &Activate,
        peer: Peer,
        key: Option<String>,
    ) -> Result<CutOver, Failure> {
        let to = self.candidate(&asked.standard).await?;
        let channel = self.meant(asked.channel.as_deref(), &[&to])?;
        let (at, dry_run) = (asked.at, asked.dry_run);
        // What goes ahead of the rest, and that rest, are no parallel period.
        let alone = asked.scope.is_empty() && channel.ahead().is_none();
        let wanted = || self.parallel(&channel, &to).filter(|_| alone);
        let beside = asked.parallel_seconds.or_else(wanted);
        let besides = self.crew.ledger.besides().await.map_err(told)?;
        if besides.iter().any(|it| it.origin == channel.id || it.channel == channel.id) {
            let what = format!("{} is in a parallel period", channel.id);
            let next = "wait for its end, or `cascaded standard rollback`; after it, name the \
                        further channel in the configuration";
            return Err(failure("E-CUT-OVER", what, Some(next)));
        }
        let reaches = self.reaches(&asked.scope).await?;
        if beside.is_some() && (channel.ahead().is_some() || !reaches.is_empty()) {
            let what = "a parallel period is of a whole channel, and nothing may be ahead on it";
            let next = "activate the rest, or `cascaded standard rollback`, first";
            return Err(failure("E-SCOPE", what, Some(next)));
        }
        let from = Arc::clone(&channel.standard);
        if from.id() == to.id() {
            let what = format!("{} is in force on {} already", to.id(), channel.id);
            return Err(failure("E-STANDARD-IN-FORCE", what, Some("see `cascaded status`")));
        }
        let scopes = Self::forward(&channel, &to, &reaches)?;
        let wanted = Wanted { channel, from, to, back: false, scopes, at, beside, dry_run, key };
        self.turn(wanted, peer).await
    }

    /// The parallel period that the configuration wants for a candidate, in seconds.
    fn parallel(&self, channel: &Channel, to: &Standard) -> Option<u64> {
        let works = self.works();
        let mut configured = works.configuration.channels.iter();
        let found = configured.find(|it| it.settings.id == channel.id.as_str())?;
        let candidate = found.written.candidate.as_ref();
        let candidate = candidate.filter(|it| it.standard == to.id().as_str())?;
        candidate.parallel.map(|period| period.as_secs())
    }

    /// The further channel of a parallel period goes, whether the period is over or not; the
    /// channel beside which it ran goes on from where it is.
    async fn give_up(&self, it: &Beside, dry_run: bool, peer: Peer) -> Result<CutOver, Failure> {
        let configuration = Arc::clone(&self.works().configuration);
        let mut known = configuration.channels.iter().chain(&configuration.retired);
        let origin = known.find(|known| known.settings.id == it.origin.as_str());
        let to = origin.map_or_else(String::new, |origin| origin.standard.id().to_string());
        let ledger = &self.crew.ledger;
        let (rows_above, objects_above) =
            ledger.delivered_under(it.channel.clone(), it.standard.clone()).await.map_err(told)?;
        let mut report = CutOver {
            rows_above,
            objects_above,
            ..nothing(&it.origin, it.standard.as_str(), &to, self.now())
        };
        report.beside = Some(it.channel.to_string());
        let asked = ledger::CutOver {
            channel: report.channel.clone(),
            from: report.from.clone(),
            to,
            back: true,
            at: report.at,
            beside: Some(0),
            scopes: None,
        };
        if !dry_run {
            self.ask_for((asked, None), &mut report, peer).await?;
        }
        Ok(report)
    }

    pub(super) async fn roll_back(&self, asked: &Rollback, peer: Peer) -> Result<CutOver, Failure> {
        let besides = self.crew.ledger.besides().await.map_err(told)?;
        let is_named =
            |id: &ChannelId| asked.channel.as_deref().is_none_or(|named| named == id.as_str());
        let mut found = besides.iter().filter(|it| is_named(&it.origin) || is_named(&it.channel));
        if let (Some(it), None) = (found.next(), found.next()) {
            return self.give_up(it, asked.dry_run, peer).await;
        }
        let channel = self.meant(asked.channel.as_deref(), &[])?;
        let (dry_run, at) = (asked.dry_run, None);
        let reaches = self.reaches(&asked.scope).await?;
        if let Some(scopes) = Self::back(&channel, &reaches)?
            && let Some((_, ahead)) = channel.ahead()
        {
            let (from, to) = (Arc::clone(&ahead.standard), Arc::clone(&channel.standard));
            let scopes = Some(scopes);
            let wanted = Wanted {
                channel,
                from,
                to,
                back: true,
                scopes,
                at,
                beside: None,
                dry_run,
                key: None,
            };
            return self.turn(wanted, peer).await;
        }
        let before = self.crew.ledger.standard_before(channel.id.clone()).await.map_err(told)?;
        let Some(before) = before else {
            let what = format!("no other standard was in force on {} before", channel.id);
            return Err(failure("E-NO-STANDARD-BEFORE", what, Some("see `cascaded status`")));
        };
        let to = self.candidate(before.as_str()).await?;
        let from = Arc::clone(&channel.standard);
        if from.id() == to.id() {
            let what = format!("{} is in force on {} already", to.id(), channel.id);
            return Err(failure("E-STANDARD-IN-FORCE", what, Some("see `cascaded status`")));
        }
        let wanted = Wanted {
            channel,
            from,
            to,
            back: true,
            scopes: None,
            at,
            beside: None,
            dry_run,
            key: None,
        };
        self.turn(wanted, peer).await
    }

    async fn turn(&self, wanted: Wanted, peer: Peer) -> Result<CutOver, Failure> {
        let Wanted { channel, from, to, back, scopes, at, beside, dry_run, key } = wanted;
        self.reachable(&channel, &to)?;
        if let Some(scopes) = &scopes {
            self.separable(&channel, (&from, &to), scopes).await?;
        }
        let mut report = match beside {
            None => self.extent(&channel, (&from, &to), (scopes.as_ref(), back)).await?,
            Some(_) => self.scope_beside(&channel, &to).await?,
        };
        report.at = at.unwrap_or_else(|| self.now());
        if let Some(seconds) = beside {
            let period = std::time::Duration::from_secs(seconds);
            report.until = report.at.saturating_add(period).ok();
        }
        if dry_run {
            return Ok(report);
        }
        let asked = ledger::CutOver {
            channel: report.channel.clone(),
            from: report.from.clone(),
            to: report.to.clone(),
            back,
            at: report.at,
            beside,
            scopes,
        };
        self.ask_for((asked, key), &mut report, peer).await?;
        Ok(report)
    }

    /// The durable job.
    async fn ask_for(
        &self,
        (asked, key): (ledger::CutOver, Option<String>),
        report: &mut CutOver,
        peer: Peer,
    ) -> Result<(), Failure> {
        let channel = asked.channel.clone();
        let answer =
            self.crew.ledger.cut_over_asked(asked, asker(peer), key).await.map_err(told)?;
        match answer {
            CutOverAsked::Made(number) => report.job = Some(job_name(number)),
            CutOverAsked::Known(number) => {
                report.job = Some(job_name(number));
                report.existed = true;
            }
            CutOverAsked::Busy(number) => {
                let what = format!("{channel} already goes over: job {}", job_name(number));
                let next = "wait for it, or `cascaded jobs cancel` it before it begins";
                return Err(failure("E-CUT-OVER", what, Some(next)));
            }
        }
        crate::crash::point("cut-over-asked");
        self.lent.cut_over();
        Ok(())
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

    /// What a parallel period would do: everything is sent on the further channel, from the start.
    async fn scope_beside(
        &self,
        channel: &Arc<Channel>,
        to: &Arc<Standard>,
    ) -> Result<CutOver, Failure> {
        let configuration = Arc::clone(&self.works().configuration);
        let further = crate::app::further_channel(channel.id.as_str(), to.id().as_str());
        if !crate::app::names_candidate(&configuration, channel.id.as_str(), to.id().as_str()) {
            let what = "a parallel period needs the address of the candidate";
            let next = "name it in [channel.candidate] and reload";
            let mut told = failure("E-CANDIDATE", what, Some(next));
            told.place = Some(format!("channel.{}.candidate", channel.id));
            return Err(told);
        }
        let known = configuration.channels.iter().chain(&configuration.retired);
        if known.into_iter().any(|it| it.settings.id == further) {
            let what = format!("the configuration has a channel `{further}` already");
            return Err(failure(
                "E-CUT-OVER",
                what,
                Some("rename it; the further channel is called so"),
            ));
        }
        let links = self.crew.ledger.links(channel.id.clone(), LinkFilter::default()).await;
        let wanted = links.map_err(told)?.iter().filter(|it| it.wanted.is_some()).count();
        let from = channel.standard.id().as_str();
        Ok(CutOver {
            beside: Some(further),
            objects: wanted as u64,
            ..nothing(&channel.id, from, to.id().as_str(), self.now())
        })
    }

    /// What it would do.
    async fn extent(
        &self,
        channel: &Arc<Channel>,
        (from, to): (&Arc<Standard>, &Arc<Standard>),
        (scopes, back): (Option<&Scopes>, bool),
    ) -> Result<CutOver, Failure> {
        let (ledger, pool) = (&self.crew.ledger, self.crew.supervisor.pool());
        let id = channel.id.clone();
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
            let whose = Whose::object(link.key.kind, &link.region, &link.department);
            if scopes.is_some_and(|it| !it.moves(&whose)) {
                continue;
            }
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
        let spoken = Self::spoken_after(channel, (from, to), (scopes, back));
        let batches = ledger.outdated(id.clone(), spoken, u32::MAX).await.map_err(told)?;
        let (rows_above, objects_above) = match back {
            true => self.above(id, from, scopes).await?,
            false => (0, 0),
        };
        let none = Reaches::default();
        Ok(CutOver {
            scopes: self.shown(&scopes.map_or(none.clone(), Scopes::moved)).await?,
            ahead: self.shown(scopes.map_or(&none, |it| &it.before)).await?,
            batches: batches.len() as u64,
            objects,
            upper_ids: mapped,
            unmapped,
            rows_above,
            objects_above,
            ..nothing(&channel.id, from.id().as_str(), to.id().as_str(), self.now())
        })
    }
}

/// A cut-over that does nothing yet.
fn nothing(channel: &ChannelId, from: &str, to: &str, at: jiff::Timestamp) -> CutOver {
    CutOver {
        job: None,
        existed: false,
        channel: channel.to_string(),
        from: from.to_owned(),
        to: to.to_owned(),
        at,
        scopes: Vec::new(),
        ahead: Vec::new(),
        beside: None,
        until: None,
        batches: 0,
        objects: 0,
        upper_ids: 0,
        unmapped: 0,
        rows_above: 0,
        objects_above: 0,
    }
}
