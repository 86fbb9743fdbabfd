//! Cut-overs: the task that carries them out, one step after the other, from the ledger.
//!
//! ```text
//! asked ─► (its time comes) ─► candidate read and proven ─► works and ledger turned ─► what says
//!          may be called off    broken: failed, old stays    one transaction           something
//!                                                                                      else again
//! ```
//!
//! What was packed for the old standard is let go of by the stages themselves; so is what turns
//! out not to have arrived. A crash anywhere leaves one of the two standards whole in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::errand::{Errand, IDLE, PAUSE};
use super::foreman::{Foreman, Turn};
use super::works::Current;
use crate::cascade::{Channel, Crew};
use crate::catalogue::{Kind, ObjectKey};
use crate::changeover::says_more;
use crate::config::{self, Configuration, Problem};
use crate::delivery::{ChannelId, Reaches, Whose};
use crate::ledger::{
    Crossing, CutOver, Ledger, Link, LinkFilter, NewStandard, OpenCutOver, PassKind, Resync, Scopes,
};
use crate::standard::{Standard, UPPER_IDS_FILE, UpperIds};

/// Objects are sent again in parts, so many in a minute.
const PARTS_PER_MINUTE: u32 = 12;
/// The largest map of upper ids, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// The configuration as the file says it, with the standards that cut-overs put in force, until
/// the file says another standard than it said then. Problems: those that are there no more.
pub(super) async fn in_force(
    mut read: Configuration,
    ledger: &Ledger,
) -> anyhow::Result<(Configuration, Vec<Problem>)> {
    read = super::exempt::approved_only(read, ledger).await?;
    let (besides, mut problems) = super::beside::in_force(read, ledger).await?;
    read = besides;
    for it in ledger.activations().await? {
        let channel = it.channel.as_str();
        let Some(found) = read.channels.iter().find(|found| found.settings.id == channel) else {
            continue;
        };
        if found.written.standard != it.written {
            ledger.activation_over(it.channel).await?;
            continue;
        }
        let standard = read.standards.get(it.standard.as_str()).cloned();
        match standard.and_then(|standard| read.turned(channel, &standard)) {
            Some(turned) => read = turned,
            None => {
                let message = format!("`{}` is in force and was not loaded", it.standard);
                problems.push(Problem::new(&format!("channel.{channel}.standard"), &message));
            }
        }
    }
    let (read, gone) = ahead(read, ledger).await?;
    problems.extend(gone);
    Ok((former(read, ledger).await?, problems))
}

/// The same, with what went over to another standard before the rest.
async fn ahead(
    mut read: Configuration,
    ledger: &Ledger,
) -> anyhow::Result<(Configuration, Vec<Problem>)> {
    let mut problems = Vec::new();
    let mut uses = ledger.scoped_uses().await?.into_iter().peekable();
    while let Some(first) = uses.next() {
        let mut reaches = vec![first.scope];
        while let Some(next) = uses.next_if(|it| it.channel == first.channel) {
            reaches.push(next.scope);
        }
        let (channel, standard) = (first.channel.as_str(), first.standard.as_str());
        let spoken = read.channels.iter().find(|it| it.settings.id == channel);
        // The channel is gone, or the file says the same of all of it.
        if spoken.is_none_or(|it| it.standard.id().as_str() == standard) {
            ledger.scopes_over(first.channel).await?;
            continue;
        }
        let loaded = read.standards.get(standard).cloned();
        let reaches = Reaches::of(reaches);
        match loaded.and_then(|loaded| read.ahead(channel, reaches, &loaded)) {
            Some(turned) => read = turned,
            None => {
                let message = format!("`{standard}` is ahead on it and was not loaded");
                problems.push(Problem::new(&format!("channel.{channel}.standard"), &message));
            }
        }
    }
    Ok((read, problems))
}

/// The same, with the standards under which something was sent that nobody answered yet.
async fn former(mut read: Configuration, ledger: &Ledger) -> anyhow::Result<Configuration> {
    for (channel, standard) in ledger.standards_unanswered().await? {
        let Some(known) = read.channels.iter().find(|it| it.settings.id == channel.as_str()) else {
            continue;
        };
        let ahead = known.ahead.as_ref().map(|it| it.voice.standard.id());
        let is_spoken = *known.standard.id() == standard || ahead == Some(&standard);
        if let (false, Some(before)) = (is_spoken, read.standards.get(standard.as_str())) {
            read = read.after(channel.as_str(), &Arc::clone(before));
        }
    }
    Ok(read)
}

/// The upper ids that going from `from` to `to` changes: as `to` renumbers them, or, on the way
/// back, as `from` had. Reads a file: blocking work.
///
/// # Errors
/// What is wrong with the map, or that there is none where the standard renumbers.
pub fn upper_ids(
    configuration: &Configuration,
    (channel, back): (&str, bool),
    (from, to): (&Standard, &Standard),
) -> Result<Vec<(Kind, String, String)>, String> {
    let renumbers = if back { from } else { to };
    if renumbers.settings().renumbers.is_empty() {
        return Ok(Vec::new());
    }
    let name = renumbers.id().as_str();
    let known = configuration.channels.iter().find(|it| it.settings.id == channel);
    let candidate = known.and_then(|it| it.written.candidate.as_ref());
    let named = candidate.filter(|it| it.standard == name).and_then(|it| it.upper_ids_file.clone());
    let beside = || {
        let directory = config::standard_directory(&configuration.standard_folders, name);
        directory.map_or_else(PathBuf::new, |it| it.join(UPPER_IDS_FILE))
    };
    let path = named.unwrap_or_else(beside);
    let shown = path.display();
    let wrong = |why: String| format!("{name} renumbers; its map of upper ids {shown}: {why}");
    let size = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(wrong("is larger than 64 MiB".to_owned()));
    }
    let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    let ids = UpperIds::read(&bytes, renumbers).map_err(|list| {
        let lines: Vec<String> = list.iter().map(ToString::to_string).collect();
        wrong(lines.join("; "))
    })?;
    let pairs = ids.iter().map(|(kind, old, new)| {
        let (known, next) = if back { (new, old) } else { (old, new) };
        (kind, known.to_owned(), next.to_owned())
    });
    Ok(pairs.collect())
}

/// See the module.
pub(super) struct Task {
    crew: Crew,
    current: Arc<Current>,
    foreman: Arc<Foreman>,
}

impl Errand for Task {
    const NAME: &'static str = "cut-over";

    async fn step(&mut self) -> anyhow::Result<Timestamp> {
        let mut next = self.after(IDLE);
        for open in self.crew.ledger.open_cut_overs().await? {
            let now = self.crew.supervisor.clock().now();
            let again = match (&open.after, open.asked.beside) {
                (None, _) if now < open.asked.at => open.asked.at,
                (None, _) => self.begin(&open).await?,
                (Some(until), Some(_)) => self.side_by_side(&open, until).await?,
                (Some(after), None) => self.send_again(&open, after).await?,
            };
            next = next.min(again);
        }
        Ok(next)
    }
}

impl Task {
    pub(super) fn new(crew: Crew, current: Arc<Current>, foreman: Arc<Foreman>) -> Self {
        Self { crew, current, foreman }
    }

    fn after(&self, wait: Duration) -> Timestamp {
        let now = self.crew.supervisor.clock().now();
        now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The candidate is read as its directory is now; whatever is wrong leaves the old in force.
    async fn begin(&self, open: &OpenCutOver) -> anyhow::Result<Timestamp> {
        let asked = open.asked.clone();
        let configuration = Arc::clone(&self.current.load().configuration);
        let pool = self.crew.supervisor.pool();
        let number = open.number;
        let prepared = pool.run(move || match asked.beside {
            None => prepare(number, &asked, &configuration),
            Some(seconds) => super::beside::prepare(number, &asked, seconds, &configuration),
        });
        self.turned(open, prepared.await).await
    }

    /// Two channels carry the same until the period is over, and the new one is not held.
    async fn side_by_side(&self, open: &OpenCutOver, until: &str) -> anyhow::Result<Timestamp> {
        let CutOver { channel, from, to, back, .. } = &open.asked;
        let Ok(until) = until.parse::<Timestamp>() else {
            let said = if *back {
                let further = super::further_channel(channel, from);
                let of = ChannelId::from(further.as_str());
                let (rows, objects) =
                    self.crew.ledger.delivered_under(of, from.as_str().into()).await?;
                format!(
                    "{further} is given up, {channel} goes on with {to}; what it brought stays \
                     above: {rows} rows sent, {objects} objects registered"
                )
            } else {
                let further = super::further_channel(channel, to);
                format!("{further} goes on alone with {to}; {channel} is retired")
            };
            self.crew.ledger.cut_over_ended(open.number, Ok(said)).await?;
            return Ok(self.after(IDLE));
        };
        if self.crew.supervisor.clock().now() < until {
            return Ok(until);
        }
        let further = super::further_channel(channel, to);
        let holds = self.crew.ledger.holds().await?;
        let pair = (ChannelId::from(channel.as_str()), ChannelId::from(further.as_str()));
        let behind = self.crew.ledger.behind(pair, until).await?;
        let why = match holds.iter().find(|it| it.channel.as_str() == further) {
            Some(hold) => Some(format!("it is held: {}", hold.code)),
            None if behind.is_nothing() => None,
            None => Some(format!(
                "it is behind by {} objects, {} datasets never read whole, {} batches",
                behind.objects, behind.datasets, behind.batches
            )),
        };
        if let Some(why) = why {
            let why = format!("the period is over and {channel} goes on beside {further}: {why}");
            tracing::warn!(channel.id = further, "{why}");
            self.crew.ledger.cut_over_waits(open.number, why).await?;
            return Ok(self.after(IDLE));
        }
        let configuration = Arc::clone(&self.current.load().configuration);
        let turn = super::beside::over(open.number, &open.asked, &configuration);
        self.turned(open, Ok(turn)).await
    }

    /// The works are turned, or the job says why not.
    async fn turned(
        &self,
        open: &OpenCutOver,
        prepared: Result<Turn, String>,
    ) -> anyhow::Result<Timestamp> {
        let outcome = match prepared {
            Ok(turn) => self.foreman.turn(turn).await.map_err(|failures| {
                let temporary = failures.iter().any(|it| it.temporary);
                let lines = failures.into_iter().map(|it| {
                    let place = it.place.map(|place| format!("{place}: ")).unwrap_or_default();
                    format!("{place}{} ({})", it.what, it.code)
                });
                (temporary, lines.collect::<Vec<_>>().join("; "))
            }),
            Err(why) => Err((false, why)),
        };
        match outcome {
            Ok(_reloaded) => {
                let CutOver { channel, from, to, .. } = &open.asked;
                tracing::info!(channel.id = channel, from, to, "another standard is in force");
                Ok(self.after(Duration::ZERO))
            }
            // The daemon stops, or was reloaded meanwhile: the job stays as it is.
            Err((true, _why)) => Ok(self.after(PAUSE)),
            Err((false, why)) => {
                tracing::error!(channel.id = open.asked.channel, "the cut-over failed: {why}");
                self.crew.ledger.cut_over_ended(open.number, Err(why)).await?;
                Ok(self.after(IDLE))
            }
        }
    }

    /// The next part of what says something else now is due again.
    async fn send_again(&self, open: &OpenCutOver, after: &str) -> anyhow::Result<Timestamp> {
        let works = self.current.load();
        let CutOver { channel, from, to, .. } = open.asked.clone();
        let found = works.channels.iter().find(|it| it.id.as_str() == channel);
        let Some((found, voice)) = found.and_then(|it| speaking(it, &open.asked)) else {
            let why = format!("the channel no longer speaks {to}");
            self.crew.ledger.cut_over_ended(open.number, Err(why)).await?;
            return Ok(self.after(IDLE));
        };
        let folders = works.configuration.standard_folders.clone();
        let pool = self.crew.supervisor.pool();
        let from = pool.run(move || config::standard_now(&folders, &from)).await;
        let from = from.and_then(Result::ok);
        let mut links: Vec<Link> =
            self.crew.ledger.links(found.id.clone(), LinkFilter::default()).await?;
        links.retain(|link| {
            let whose = Whose::object(link.key.kind, &link.region, &link.department);
            let is_moved = open.asked.scopes.as_ref().is_none_or(|it| it.moves(&whose));
            is_moved && link.wanted.is_some() && link.state.is_held_above()
        });
        links.sort_by_key(|link| name(&link.key));
        let part = self.part(&works.configuration, &channel);
        let total = links.len() as u64;
        let behind = links.iter().filter(|link| *name(&link.key) <= *after).count() as u64;
        let mut keys = Vec::new();
        let mut seen = behind;
        let mut last = None;
        for link in links.iter().filter(|link| *name(&link.key) > *after) {
            if keys.len() >= part {
                break;
            }
            seen += 1;
            last = Some(name(&link.key));
            let Some(object) = self.crew.ledger.object(link.key.clone()).await? else { continue };
            let upper = link.upper_id.as_deref();
            // Without the old standard nobody knows what was said: all of it again.
            let more =
                from.as_ref().is_none_or(|it| says_more(it, &voice.standard, &object, upper));
            if more {
                keys.push(link.key.clone());
            }
        }
        let Some(last) = last else { return self.finish(open, total).await };
        let progress = (last, seen, total.max(seen));
        // Nothing is waited for after the last part.
        let waits = !keys.is_empty() && seen < total;
        self.crew.ledger.objects_due_again(open.number, keys, progress).await?;
        crate::crash::point("objects-due-again");
        found.wake();
        let wait = Duration::from_mins(1) / PARTS_PER_MINUTE;
        Ok(self.after(if waits { wait } else { Duration::ZERO }))
    }

    /// Where the province wants its rows again in the new format: a resync of everything, behind
    /// live traffic and once for each cut-over.
    async fn rows_again(&self, open: &OpenCutOver) -> anyhow::Result<Option<String>> {
        let (number, CutOver { channel, to, scopes, .. }) = (open.number, &open.asked);
        let works = self.current.load();
        let known = works.configuration.channels.iter().find(|it| it.settings.id == *channel);
        let candidate = known.and_then(|it| it.written.candidate.as_ref());
        let wants = candidate.is_some_and(|it| it.rows_again && it.standard == *to);
        let found = works.channels.iter().find(|it| it.id.as_str() == channel);
        let (true, Some(found)) = (wants, found) else { return Ok(None) };
        let moved = found.carriers().filter(|it| {
            let (dataset, owner) = (&it.flow().dataset, it.owner());
            let whose = Whose::rows(dataset, &owner.region, &owner.department);
            scopes.as_ref().is_none_or(|scopes| scopes.moves(&whose))
        });
        let flows = moved.map(|it| (it.flow().clone(), it.owner().clone())).collect();
        let resync = Resync {
            flows,
            kind: PassKind::Resend,
            since: None,
            approved: false,
            request: format!("rows again, cut-over {}", super::office::job_name(number)),
            idempotency: Some(format!("cut-over-{number}")),
            asked_by: super::office::job_name(number),
        };
        let (job, _is_new) = self.crew.ledger.resync_asked(resync).await?;
        found.wake_observers();
        Ok(Some(super::office::job_name(job)))
    }

    /// Objects sent again at once.
    fn part(&self, configuration: &Configuration, channel: &str) -> usize {
        let known = configuration.channels.iter().find(|it| it.settings.id == channel);
        let pace = known.and_then(|it| it.written.candidate.as_ref());
        let pace = pace.map_or(600, |it| it.objects_per_minute.get());
        usize::try_from(pace.div_ceil(PARTS_PER_MINUTE)).unwrap_or(1)
    }

    async fn finish(&self, open: &OpenCutOver, total: u64) -> anyhow::Result<Timestamp> {
        let CutOver { channel, from, to, back, scopes, .. } = &open.asked;
        let of = match scopes.as_ref().map(Scopes::moved) {
            Some(moved) if !moved.is_empty() => format!(" for {moved}"),
            Some(_) | None => String::new(),
        };
        let mut said =
            format!("{to} is in force{of}; {} of {total} objects are sent again", open.again);
        if *back {
            let (ledger, id) = (&self.crew.ledger, ChannelId::from(channel.as_str()));
            let (rows, objects) = match scopes {
                None => ledger.delivered_under(id, from.as_str().into()).await?,
                Some(it) => ledger.delivered_ahead(id, from.as_str().into(), it.clone()).await?,
            };
            said.push_str(&format!(
                "; what {from} brought stays above: {rows} rows sent, {objects} objects registered"
            ));
        }
        if !*back && let Some(job) = self.rows_again(open).await? {
            said.push_str(&format!("; every row is sent again: job {job}"));
        }
        crate::crash::point("cut-over-through");
        self.crew.ledger.cut_over_ended(open.number, Ok(said)).await?;
        Ok(self.after(IDLE))
    }
}

/// A key in the order in which objects are looked at.
fn name(key: &ObjectKey) -> String {
    key.to_string()
}

/// The channel, and who speaks on it what the cut-over put in force.
fn speaking<'a>(
    channel: &'a Arc<Channel>,
    asked: &CutOver,
) -> Option<(&'a Arc<Channel>, &'a Arc<Channel>)> {
    let voice = channel.voices().find(|it| it.standard.id().as_str() == asked.to)?;
    Some((channel, voice))
}

/// Reads the candidate and its map of upper ids. Blocking.
fn prepare(
    number: u64,
    asked: &CutOver,
    configuration: &Arc<Configuration>,
) -> Result<Turn, String> {
    let CutOver { channel, from, to, back, scopes, .. } = asked;
    let spoken = configuration.channels.iter().find(|it| it.settings.id == *channel);
    let Some(spoken) = spoken else {
        return Err(format!("there is no channel `{channel}` (E-NO-SUCH-CHANNEL)"));
    };
    let ahead = spoken.ahead.as_ref();
    let reaches = ahead.map(|it| it.reaches.clone()).unwrap_or_default();
    if scopes.as_ref().map_or(&Reaches::default(), |it| &it.before) != &reaches {
        return Err(format!("other scopes are ahead on {channel} meanwhile (E-CUT-OVER)"));
    }
    // Scopes that come back leave the standard that went ahead with them.
    let after = scopes.as_ref().and_then(|it| it.after.as_ref());
    let (left, to) = match (after, ahead, back) {
        (Some(_), Some(ahead), true) => (&ahead.voice.standard, Arc::clone(&spoken.standard)),
        (_, _, _) => (&spoken.standard, loaded(configuration, to)?),
    };
    if left.id().as_str() != from {
        let now = left.id();
        return Err(format!("{channel} speaks {now} meanwhile, no longer {from} (E-CUT-OVER)"));
    }
    let upper_ids = upper_ids(configuration, (channel, *back), (left, &to))
        .map_err(|why| format!("{why} (E-UPPER-IDS)"))?;
    let new = NewStandard {
        channel: ChannelId::from(channel.as_str()),
        standard: to.id().clone(),
        digest: *to.digest(),
        written: spoken.written.standard.clone(),
        upper_ids,
        scopes: scopes.clone(),
    };
    let turned = match after {
        None => configuration.turned(channel, &to),
        Some(after) => configuration.ahead(channel, after.clone(), if *back { left } else { &to }),
    };
    let turned = turned.ok_or_else(|| "the channel is gone".to_owned())?;
    let crossing = Crossing::Turned(new);
    Ok(Turn { number, of: Arc::clone(configuration), configuration: turned, crossing })
}

/// The standard as its directory is now. Blocking.
pub(super) fn loaded(configuration: &Configuration, name: &str) -> Result<Arc<Standard>, String> {
    match config::standard_now(&configuration.standard_folders, name) {
        Some(Ok(standard)) => Ok(Arc::new(standard)),
        Some(Err(problems)) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(lines.join("; "))
        }
        None => Err(format!("there is no standard `{name}` (E-NO-SUCH-STANDARD)")),
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Task").finish_non_exhaustive()
    }
}
