//! Takeovers: the task that goes on with them, from the ledger.
//!
//! It asks the province what it holds, kind by kind; matches what was found with the catalogue;
//! and, once the report is accepted, adopts links in small transactions. Every step can be done
//! again: a restart anywhere goes on. What people say and accept comes through the office.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::errand::{Errand, IDLE, PAUSE};
use super::pool::CityPool;
use super::works::Current;
use crate::cascade::Crew;
use crate::catalogue::Kind;
use crate::city::{self, Source};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::ledger::{OpenTakeover, TakeoverLine, TakeoverPhase};
use crate::supervisor::Supervisor;
use crate::takeover::{EXPORT_HEADS, Fate, Registration, compare};

/// Lines written in one transaction.
const AT_ONCE: usize = 500;
/// Longest reading of a query.
const READING: Duration = Duration::from_mins(10);

/// See the module.
pub(super) struct Task {
    crew: Crew,
    current: Arc<Current>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Task").finish_non_exhaustive()
    }
}

/// What a query over a configured source says that another tool registered: a table with heads.
///
/// # Errors
/// There is no such source, it cannot be read, or the query lacks a column.
pub async fn queried(
    configuration: &Configuration,
    source: &str,
    query: &str,
) -> anyhow::Result<Vec<Vec<String>>> {
    let known = configuration.sources.iter().find(|it| it.id() == source);
    let known = known.with_context(|| format!("no source `{source}` is configured"))?;
    let pool = CityPool::shared(Supervisor::new(Clock::system(), 2));
    let opened = [(known.clone(), Source::open(known.clone(), pool))];
    let reading = city::read_query(source, query, &EXPORT_HEADS, &opened);
    let read = tokio::time::timeout(READING, reading).await.context("the source is too slow")??;
    let mut table = vec![EXPORT_HEADS.map(str::to_owned).to_vec()];
    table.extend(read.map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", told.join("; "))
    })?);
    Ok(table)
}

impl Errand for Task {
    const NAME: &'static str = "takeover";

    async fn step(&mut self) -> anyhow::Result<Timestamp> {
        let mut next = self.after(IDLE);
        for open in self.crew.ledger.open_takeovers().await? {
            next = next.min(self.go_on(&open).await?);
        }
        Ok(next)
    }
}

impl Task {
    pub(super) fn new(crew: Crew, current: Arc<Current>) -> Self {
        Self { crew, current }
    }

    fn after(&self, wait: Duration) -> Timestamp {
        self.crew.supervisor.clock().now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// One step of one takeover; when to look again.
    async fn go_on(&self, open: &OpenTakeover) -> anyhow::Result<Timestamp> {
        match open.phase {
            TakeoverPhase::Collecting(done) => return self.collect(open, done).await,
            TakeoverPhase::Matching => self.matches(open).await?,
            TakeoverPhase::Adopting => {
                let is_over = self.crew.ledger.takeover_adopts(open.number).await?;
                crate::crash::point("takeover-adopted");
                if is_over {
                    self.wake(&open.asked.channel);
                    return Ok(self.after(IDLE));
                }
            }
            TakeoverPhase::Bringing | TakeoverPhase::Waiting => return Ok(self.after(IDLE)),
        }
        Ok(Timestamp::MIN)
    }

    /// The next kind of the province's inventory.
    async fn collect(&self, open: &OpenTakeover, done: usize) -> anyhow::Result<Timestamp> {
        let ledger = &self.crew.ledger;
        let works = self.current.load();
        let channel = works.channels.iter().find(|it| it.id.as_str() == open.asked.channel);
        let (Some(channel), Some(word)) = (channel, open.asked.kinds.get(done)) else {
            let from = TakeoverPhase::Collecting(done);
            ledger.takeover_goes_on(open.number, from, TakeoverPhase::Matching).await?;
            return Ok(Timestamp::MIN);
        };
        let Some(kind) = Kind::parse(word) else { return Ok(self.after(IDLE)) };
        let Some(held) = self.crew.held_objects(channel, kind).await? else {
            // It does not answer, or not to the end: asked again.
            return Ok(self.after(PAUSE));
        };
        let found: Vec<Registration> = (held.into_iter())
            .filter_map(|(key, it)| {
                Some(Registration {
                    kind: word.clone(),
                    upper_id: it.upper_id.filter(|id| !id.is_empty())?,
                    code: key,
                    title: String::new(),
                    origin: format!("inventory {}", open.asked.channel),
                })
            })
            .collect();
        for lines in found.chunks(AT_ONCE) {
            if !ledger.takeover_brought(open.number, lines.to_vec(), None).await? {
                return Ok(self.after(IDLE));
            }
            crate::crash::point("takeover-collected");
        }
        let next = Some(TakeoverPhase::Collecting(done + 1));
        ledger.takeover_brought(open.number, Vec::new(), next).await?;
        Ok(Timestamp::MIN)
    }

    /// Everything that was found against the catalogue.
    async fn matches(&self, open: &OpenTakeover) -> anyhow::Result<()> {
        let ledger = &self.crew.ledger;
        let lines = ledger.takeover_lines(open.number).await?;
        let here = ledger.takeover_here(open.asked.clone()).await?;
        let work = move || {
            let said: BTreeMap<(String, String), Option<String>> = (lines.iter())
                .filter_map(|it| {
                    let of = &it.registration;
                    Some(((of.kind.clone(), of.upper_id.clone()), it.said.clone()?))
                })
                .collect();
            let above: Vec<Registration> = lines.iter().map(|it| it.registration.clone()).collect();
            let report = compare(&above, &here, &said);
            let found: Vec<(TakeoverLine, Fate)> = lines.into_iter().zip(report.fates).collect();
            (found, u64::try_from(report.missing_above.len()).unwrap_or(u64::MAX))
        };
        let (found, missing) = self.crew.supervisor.pool().run(work).await;
        ledger.takeover_matched(open.number, found, missing).await?;
        crate::crash::point("takeover-matched");
        Ok(())
    }

    /// Children wait for ids, datasets for their mounts, and what is missing above for its turn.
    fn wake(&self, channel: &str) {
        for it in self.current.load().channels.iter().filter(|it| it.id.as_str() == channel) {
            it.wake();
        }
    }
}
