//! Takeovers, as operators ask for them and are told of them.

use super::list::job_name;
use super::paging::limit;
use super::{Office, failure, told};
use crate::catalogue::{Kind, ObjectKey};
use crate::control::Peer;
use crate::control::protocol::{
    Failure, Listing, TakeoverAnswer, TakeoverBegin, TakeoverBring, TakeoverDecide, TakeoverLines,
    TakeoverReport, TakeoverRequest, TakeoverShown,
};
use crate::ledger::{
    self, JobState, OpenTakeover, Takeover, TakeoverAsked, TakeoverLine, TakeoverPhase,
};
use crate::telemetry::metrics::TakeoverSnapshot;

impl Office {
    pub(super) async fn takeover(
        &self,
        request: TakeoverRequest,
        peer: Peer,
    ) -> Result<TakeoverAnswer, Failure> {
        let channel = match request {
            TakeoverRequest::Begin(it) => self.begin_takeover(&it, peer).await?,
            TakeoverRequest::Bring(it) => self.bring(it).await?,
            TakeoverRequest::Show(it) => self.named_channel(it.channel.as_deref())?,
            TakeoverRequest::Lines(it) => return self.takeover_lines(&it).await,
            TakeoverRequest::Decide(it) => self.decide(it).await?,
            TakeoverRequest::Accept(it) => {
                let channel = self.named_channel(it.channel.as_deref())?;
                self.accept(&channel).await?;
                channel
            }
            TakeoverRequest::Drop(it) => {
                let channel = self.named_channel(it.channel.as_deref())?;
                let open = self.open_takeover(&channel).await?;
                self.crew.ledger.job_cancelled(open.number).await.map_err(told)?;
                self.works().channels.iter().for_each(|channel| channel.wake());
                channel
            }
        };
        self.lent.takeover();
        Ok(TakeoverAnswer::Report(self.takeover_report(&channel).await?))
    }

    /// The channel that is named, or the only one that carries objects.
    fn named_channel(&self, name: Option<&str>) -> Result<String, Failure> {
        let works = self.works();
        let carrying = works.channels.iter().filter(|it| !it.kinds.is_empty());
        let ids: Vec<String> = carrying.map(|it| it.id.to_string()).collect();
        let found = match name {
            Some(name) => ids.iter().find(|id| *id == name),
            None => ids.first().filter(|_| ids.len() == 1),
        };
        found.cloned().ok_or_else(|| {
            let what = match name {
                Some(name) => format!("there is no channel `{name}` that carries a catalogue"),
                None => "several channels carry a catalogue".to_owned(),
            };
            let next = format!("name one of: {}", ids.join(", "));
            failure("E-NO-SUCH-CHANNEL", what, Some(&next))
        })
    }

    async fn begin_takeover(&self, it: &TakeoverBegin, peer: Peer) -> Result<String, Failure> {
        let name = self.named_channel(it.channel.as_deref())?;
        let works = self.works();
        let Some(channel) = works.channels.iter().find(|it| it.id.as_str() == name) else {
            return Ok(name);
        };
        let mut kinds = Vec::new();
        for word in &it.kinds {
            let Some(kind) = Kind::parse(word).filter(|kind| channel.kinds.contains(kind)) else {
                let known: Vec<&str> = channel.kinds.iter().map(|it| it.as_str()).collect();
                let next = format!("{name} carries: {}", known.join(", "));
                return Err(failure(
                    "E-TAKEOVER-KIND",
                    format!("no such kind `{word}`"),
                    Some(&next),
                ));
            };
            kinds.push(kind);
        }
        if kinds.is_empty() {
            kinds.clone_from(&channel.kinds);
        }
        kinds.sort_unstable();
        kinds.dedup();
        let lists =
            channel.voices().any(|voice| voice.standard.operation("inventory.objects").is_some());
        if it.inventory && !lists {
            let what = format!("the standard of {name} has no list of what stands above");
            let next = Some("bring a portal's export: `cascaded takeover begin --file 导出.xlsx`");
            return Err(failure("E-TAKEOVER-INVENTORY", what, next));
        }
        let asked = Takeover {
            channel: name.clone(),
            kinds: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
            inventory: it.inventory,
        };
        let asker = super::resync::asker(peer);
        match self.crew.ledger.takeover_asked(asked, asker).await.map_err(told)? {
            TakeoverAsked::Made(_) | TakeoverAsked::Known(_) => {
                crate::crash::point("takeover-asked");
                Ok(name)
            }
            TakeoverAsked::Busy(number) => {
                let what = format!("another takeover of {name} is open: {}", job_name(number));
                let next = Some("`cascaded takeover accept` or `cascaded takeover drop` ends it");
                Err(failure("E-TAKEOVER-BUSY", what, next))
            }
        }
    }

    async fn open_takeover(&self, channel: &str) -> Result<OpenTakeover, Failure> {
        let open = self.crew.ledger.open_takeovers().await.map_err(told)?;
        open.into_iter().find(|it| it.asked.channel == channel).ok_or_else(|| {
            let what = format!("no takeover of {channel} is open");
            failure("E-TAKEOVER-NONE", what, Some("`cascaded takeover begin` opens one"))
        })
    }

    async fn bring(&self, it: TakeoverBring) -> Result<String, Failure> {
        let channel = self.named_channel(it.channel.as_deref())?;
        let open = self.open_takeover(&channel).await?;
        let is_ours = |kind: &str| open.asked.kinds.iter().any(|it| it == kind);
        if let Some(other) = it.lines.iter().find(|line| !is_ours(&line.kind)) {
            let what = format!("a line is of kind `{}`, which this takeover is not of", other.kind);
            let next = format!("it is of: {}", open.asked.kinds.join(", "));
            let mut told = failure("E-TAKEOVER-KIND", what, Some(&next));
            told.place = Some(other.origin.clone());
            return Err(told);
        }
        let ledger = &self.crew.ledger;
        let is_taken = ledger.takeover_brought(open.number, it.lines, None).await.map_err(told)?;
        if !is_taken {
            return Err(adopting(&channel));
        }
        if it.is_last {
            for from in [TakeoverPhase::Bringing, TakeoverPhase::Waiting] {
                let to = TakeoverPhase::Matching;
                ledger.takeover_goes_on(open.number, from, to).await.map_err(told)?;
            }
        }
        Ok(channel)
    }

    async fn decide(&self, it: TakeoverDecide) -> Result<String, Failure> {
        let channel = self.named_channel(it.channel.as_deref())?;
        let open = self.open_takeover(&channel).await?;
        match open.phase {
            TakeoverPhase::Waiting | TakeoverPhase::Matching => {}
            TakeoverPhase::Adopting => return Err(adopting(&channel)),
            TakeoverPhase::Collecting(_) | TakeoverPhase::Bringing => {
                return Err(not_ready(&channel, open.phase));
            }
        }
        let asked = u64::try_from(it.decisions.len()).unwrap_or(u64::MAX);
        let said = self.crew.ledger.takeover_said(open.number, it.decisions).await;
        let about = said.map_err(told)?;
        if about < asked {
            let what = format!("{} of {asked} lines are not of this takeover", asked - about);
            let next = Some("write the sheet anew: `cascaded takeover sheet 核对.xlsx`");
            return Err(failure("E-TAKEOVER-SHEET", what, next));
        }
        Ok(channel)
    }

    async fn accept(&self, channel: &str) -> Result<(), Failure> {
        let open = self.open_takeover(channel).await?;
        match open.phase {
            // Said twice is said once.
            TakeoverPhase::Adopting => return Ok(()),
            TakeoverPhase::Waiting => {}
            TakeoverPhase::Collecting(_) | TakeoverPhase::Bringing | TakeoverPhase::Matching => {
                return Err(not_ready(channel, open.phase));
            }
        }
        let report = self.takeover_report(channel).await?;
        let unmatched = report.above - counted(&report);
        if report.open() > 0 || unmatched > 0 {
            let what = format!(
                "{} lines are not decided: {} proposed by title, {} ambiguous, {} rivals",
                report.open() + unmatched,
                report.proposed,
                report.ambiguous,
                report.rivals
            );
            let next = Some("`cascaded takeover sheet 核对.xlsx`, fill in 处置, then `decide`");
            return Err(failure("E-TAKEOVER-UNDECIDED", what, next));
        }
        let (from, to) = (TakeoverPhase::Waiting, TakeoverPhase::Adopting);
        let goes = self.crew.ledger.takeover_goes_on(open.number, from, to).await.map_err(told)?;
        if goes { Ok(()) } else { Err(not_ready(channel, TakeoverPhase::Matching)) }
    }

    async fn takeover_report(&self, channel: &str) -> Result<TakeoverReport, Failure> {
        if let Some(report) = self.last_report(channel).await.map_err(told)? {
            return Ok(report);
        }
        self.open_takeover(channel).await?;
        Ok(TakeoverReport::default())
    }

    /// Of the last takeover of a channel, over or not.
    async fn last_report(&self, channel: &str) -> Result<Option<TakeoverReport>, ledger::Error> {
        let ledger = &self.crew.ledger;
        let last = ledger.last_takeover(channel.to_owned()).await?;
        let Some((it, state, missing_above)) = last else { return Ok(None) };
        let phase = match state {
            JobState::Running => it.phase.as_str(),
            JobState::Done => "over",
            JobState::Cancelled | JobState::Failed => "dropped",
        };
        let mut report = TakeoverReport {
            job: job_name(it.number),
            channel: channel.to_owned(),
            kinds: it.asked.kinds,
            phase: phase.to_owned(),
            missing_above,
            asked: Some(it.since),
            ..TakeoverReport::default()
        };
        for (fate, adopted, count) in ledger.takeover_counts(it.number).await? {
            report.above += count;
            match fate.as_str() {
                "matched" => report.matched += count,
                "proposed" => report.proposed += count,
                "ambiguous" => report.ambiguous += count,
                "rival" => report.rivals += count,
                "duplicate" => report.duplicates += count,
                "missing_here" => report.missing_here += count,
                _ => {}
            }
            match adopted.as_str() {
                "" => {}
                "adopted" | "known" => report.adopted += count,
                _ => report.not_adopted += count,
            }
        }
        Ok(Some(report))
    }

    /// The counts of takeovers that are not over, as metrics tell them.
    pub(super) async fn takeover_sums(
        &self,
        open: &[OpenTakeover],
    ) -> Result<Vec<TakeoverSnapshot>, ledger::Error> {
        let mut sums = Vec::new();
        for it in open {
            let Some(of) = self.last_report(&it.asked.channel).await? else { continue };
            let objects = vec![
                ("matched", of.matched),
                ("proposed", of.proposed),
                ("ambiguous", of.ambiguous),
                ("rival", of.rivals),
                ("duplicate", of.duplicates),
                ("missing_here", of.missing_here),
                ("missing_above", of.missing_above),
            ];
            sums.push(TakeoverSnapshot { channel: of.channel.as_str().into(), objects });
        }
        Ok(sums)
    }

    async fn takeover_lines(&self, it: &TakeoverLines) -> Result<TakeoverAnswer, Failure> {
        let channel = self.named_channel(it.channel.as_deref())?;
        let ledger = &self.crew.ledger;
        let last = ledger.last_takeover(channel.clone()).await.map_err(told)?;
        let Some((of, ..)) = last else {
            self.open_takeover(&channel).await?;
            return Ok(TakeoverAnswer::Lines(Listing { entries: vec![], next: None, total: 0 }));
        };
        let after = it.paging.after.as_ref().and_then(|after| after.split_once(' '));
        let after = after.map(|(kind, id)| (kind.to_owned(), id.to_owned()));
        let most = limit(&it.paging);
        let page = ledger.takeover_page(of.number, (it.fate.clone(), after), most);
        let page = page.await.map_err(told)?;
        let is_full = page.len() >= usize::try_from(most).unwrap_or(usize::MAX);
        let next = page
            .last()
            .filter(|_| is_full)
            .map(|line| format!("{} {}", line.registration.kind, line.registration.upper_id));
        let counts = ledger.takeover_counts(of.number).await.map_err(told)?;
        let wanted = |fate: &str| it.fate.as_ref().is_none_or(|it| it == fate);
        let total = counts.iter().filter(|(fate, ..)| wanted(fate)).map(|(.., count)| count).sum();
        let titles = ledger.titles().await.map_err(told)?;
        let title = |kind: Option<Kind>, id: &String| {
            let key = kind.map(|kind| ObjectKey { kind, id: id.clone() });
            key.and_then(|key| titles.get(&key).cloned()).unwrap_or_default()
        };
        let shown = |line: TakeoverLine| {
            let kind = line.registration.kind();
            TakeoverShown {
                titles: line.objects.iter().map(|id| title(kind, id)).collect(),
                registration: line.registration,
                fate: line.fate,
                how: line.how,
                objects: line.objects,
                is_said: line.said.is_some(),
                adopted: line.adopted,
            }
        };
        let entries = page.into_iter().map(shown).collect();
        Ok(TakeoverAnswer::Lines(Listing { entries, next, total }))
    }
}

/// Lines that have a fate.
fn counted(it: &TakeoverReport) -> u64 {
    it.matched + it.duplicates + it.missing_here + it.open()
}

fn adopting(channel: &str) -> Failure {
    let what = format!("the report of {channel} is accepted, and links are adopted");
    failure("E-TAKEOVER-ACCEPTED", what, Some("`cascaded takeover show` says how far it is"))
}

fn not_ready(channel: &str, phase: TakeoverPhase) -> Failure {
    let what = format!("the takeover of {channel} has no report yet: {}", phase.as_str());
    let mut told = failure("E-TAKEOVER-REPORT", what, Some("`cascaded takeover show`"));
    told.temporary = true;
    told
}
