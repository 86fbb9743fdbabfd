//! Shadow runs: the task that goes on with them, from the ledger, and the way that they may take.
//!
//! A run follows whatever works are current and touches none of their stages. It ends by itself
//! when the configuration drops the candidate or its test platform, and when the candidate comes in
//! force; a candidate that cannot be read for a while only makes it wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::errand::{Errand, IDLE, PAUSE};
use super::works::{Current, Works};
use crate::cascade::Crew;
use crate::changeover::shadow::{Trial, TrialParts};
use crate::config::{self, Configuration};
use crate::ledger::{Shadow, ShadowRun};
use crate::province::{self, Way};
use crate::standard::Standard;
use crate::telemetry::logs::Chain;

/// Why a candidate cannot be tried.
#[derive(Clone, Debug)]
pub(super) struct Why {
    /// `E-…`.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) what: String,
    /// It may be right again without another configuration.
    pub(super) passing: bool,
}

impl Why {
    fn lasting(code: &'static str, what: String) -> Self {
        Self { code, what, passing: false }
    }
}

/// The way to the test platform of a channel's candidate: the configured one, and never one that
/// leads where the city's data goes, or that is told its secrets. Reads links of files: blocking
/// work.
pub(super) fn test_way(
    configuration: &Configuration,
    channel: &str,
    candidate: &str,
) -> Result<province::Settings, Why> {
    let place = format!("channel.{channel}.candidate.test");
    let found = configuration.channels.iter().find(|it| it.settings.id == channel);
    let prepared = found.and_then(|it| it.written.candidate.as_ref());
    let test = prepared.filter(|it| it.standard == candidate).and_then(|it| it.test.as_ref());
    let Some(test) = test else {
        let what = format!("{place} names no test platform for {candidate}");
        return Err(Why::lasting("E-SHADOW-TEST", what));
    };
    for it in &configuration.channels {
        let prepared = it.written.candidate.as_ref().and_then(|it| it.province.as_ref());
        for productive in [&it.settings.province, &it.written.province].into_iter().chain(prepared)
        {
            let id = &it.settings.id;
            if test.is_same_address(productive) {
                let what = format!("{place}.url is where channel {id} sends the city's data");
                return Err(Why::lasting("E-SHADOW-PRODUCTIVE", what));
            }
            if let Some(path) = test.shared_secret(productive) {
                let what = format!("{place} uses {}, a secret of channel {id}", path.display());
                return Err(Why::lasting("E-SHADOW-SECRET", what));
            }
        }
    }
    Ok(test.clone())
}

/// A trial of what was asked, on these works.
pub(super) async fn trial(works: &Works, crew: &Crew, asked: &Shadow) -> Result<Trial, Why> {
    let (channel, name) = (asked.channel.as_str(), asked.standard.clone());
    let Some(found) = works.channels.iter().find(|it| it.id.as_str() == channel) else {
        let what = format!("there is no channel `{channel}`");
        return Err(Why::lasting("E-NO-SUCH-CHANNEL", what));
    };
    if found.standard.id().as_str() == name {
        let what = format!("{name} is in force on {channel}");
        return Err(Why::lasting("E-STANDARD-IN-FORCE", what));
    }
    let configuration = Arc::clone(&works.configuration);
    let (id, clock) = (channel.to_owned(), crew.supervisor.clock().clone());
    let prepared = crew.supervisor.pool().run(move || -> Result<(Arc<Standard>, Way), Why> {
        let test = test_way(&configuration, &id, &name)?;
        let broken = |what| Why { code: "E-CANDIDATE", what, passing: true };
        let candidate = match config::standard_now(&configuration.standard_folders, &name) {
            Some(Ok(standard)) => Arc::new(standard),
            Some(Err(problems)) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return Err(broken(lines.join("; ")));
            }
            None => return Err(broken(format!("there is no standard `{name}`"))),
        };
        if candidate.settings().tables.is_some() {
            let what = format!("{name} is spoken in tables, where nothing can be tried alone");
            return Err(Why::lasting("E-SHADOW-TEST", what));
        }
        match Way::new(test, Arc::clone(&candidate), clock) {
            Ok(way) => Ok((candidate, way)),
            Err(error) => Err(broken(Chain(&error).to_string())),
        }
    });
    let (candidate, way) = prepared.await?;
    let settings = works.configuration.channels.iter().find(|it| it.settings.id == channel);
    let pace = settings.and_then(|it| it.written.candidate.as_ref());
    Ok(Trial::new(TrialParts {
        channel: Arc::clone(found),
        candidate,
        way,
        with_rows: asked.with_rows,
        per_minute: pace.map_or(600, |it| it.objects_per_minute.get()),
        idle: works.configuration.pace.idle,
        ask: works.configuration.pace.ask,
    }))
}

/// A run at work, and what it was made of.
struct Running {
    trial: Trial,
    works: Arc<Works>,
    looked: Timestamp,
    next: Timestamp,
    /// As the job says it.
    told: Option<String>,
}

/// See the module.
pub(super) struct Task {
    crew: Crew,
    current: Arc<Current>,
    running: HashMap<u64, Running>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Task").finish_non_exhaustive()
    }
}

impl Errand for Task {
    const NAME: &'static str = "shadow run";

    async fn step(&mut self) -> anyhow::Result<Timestamp> {
        let mut next = self.after(IDLE);
        let open = self.crew.ledger.open_shadows().await?;
        self.running.retain(|number, _| open.iter().any(|run| run.number == *number));
        for run in open {
            next = next.min(self.go_on(&run).await?);
        }
        Ok(next)
    }
}

impl Task {
    pub(super) fn new(crew: Crew, current: Arc<Current>) -> Self {
        Self { crew, current, running: HashMap::new() }
    }

    fn now(&self) -> Timestamp {
        self.crew.supervisor.clock().now()
    }

    fn after(&self, wait: Duration) -> Timestamp {
        self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    async fn go_on(&mut self, run: &ShadowRun) -> anyhow::Result<Timestamp> {
        let works = self.current.load();
        let kept = self.running.remove(&run.number);
        let kept = kept.filter(|kept| Arc::ptr_eq(&kept.works, &works));
        let looks = kept.as_ref().is_none_or(|kept| self.now() >= kept.looked);
        let mut running = match kept {
            Some(kept) if !looks => kept,
            kept => match trial(&works, &self.crew, &run.asked).await {
                Ok(trial) => self.running_on(kept, trial, &works, run),
                Err(why) => return self.hindered(run, why).await,
            },
        };
        if self.now() >= running.next {
            match running.trial.step(&self.crew).await {
                Ok(next) => running.next = next,
                Err(error) => {
                    tracing::warn!(
                        channel.id = run.asked.channel, code = error.code(),
                        error = %Chain(&error), "a shadow run waits",
                    );
                    running.next = self.after(PAUSE);
                }
            }
            let trouble = running.trial.trouble().map(str::to_owned);
            if trouble != running.told {
                self.crew.ledger.shadow_stands(run.number, trouble.clone()).await?;
                running.told = trouble;
            }
        }
        let next = running.next.min(running.looked);
        self.running.insert(run.number, running);
        Ok(next)
    }

    /// The run as it was, unless the candidate's directory is another one now.
    fn running_on(
        &self,
        kept: Option<Running>,
        trial: Trial,
        works: &Arc<Works>,
        run: &ShadowRun,
    ) -> Running {
        let looked = self.after(IDLE);
        match kept.filter(|kept| kept.trial.is_of(&trial)) {
            Some(kept) => Running { looked, ..kept },
            None => Running {
                trial,
                works: Arc::clone(works),
                looked,
                next: Timestamp::MIN,
                told: run.result.clone(),
            },
        }
    }

    /// The run waits, or ends.
    async fn hindered(&self, run: &ShadowRun, why: Why) -> anyhow::Result<Timestamp> {
        let said = format!("{} ({})", why.what, why.code);
        if why.passing {
            if run.result.as_deref() != Some(said.as_str()) {
                self.crew.ledger.shadow_stands(run.number, Some(said)).await?;
            }
        } else {
            tracing::warn!(channel.id = run.asked.channel, "a shadow run ends: {said}");
            self.crew.ledger.shadow_ended(run.number, said).await?;
        }
        Ok(self.after(IDLE))
    }
}
