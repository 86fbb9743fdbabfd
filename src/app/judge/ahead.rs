//! What the month will come to, from the ledger's facts: habits are read page by page, futures are
//! written off the asynchronous threads, and an answer is kept for a few minutes.
//!
//! A forecast costs a reading of 120 days and up to 201 scores, so one is made at a time, and
//! whoever asks for the same within [`KEPT_FOR`] gets what is there; it says as of when it is.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::read::{MOMENT, PAGE};
use super::{Judge, Live, NotJudged};
use crate::app::works::Current;
use crate::cascade::Crew;
use crate::delivery::DigestSha256;
use crate::fact::{Fact, FactId};
use crate::indicator::forecast::{Forecast, Habits, forecast};
use crate::indicator::lists::Lists;
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::tally::Body;
use crate::ledger::{self, FactQuery};
use crate::supervisor::{Pool, TaskError, sleep};
use crate::telemetry::logs::Chain;

/// For how long a forecast is good enough.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How many are kept.
const KEPT: usize = 16;
/// How often it is looked whether the running month's is still good.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The seed of the forecast that is shown.
const SEED: u64 = 1;

/// What is forecast.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By which scheme.
    pub scheme: Scheme,
    /// Which month.
    pub month: Month,
    /// Whose.
    pub body: Body,
    /// The seed of its chances.
    pub seed: u64,
}

/// By what a kept forecast is found again: lists, schemes and cities by their digest.
type Key = (DigestSha256, String, Month, Body, u64);

/// The forecasts of the last minutes.
#[derive(Debug)]
pub struct Ahead {
    kept: Mutex<VecDeque<(Key, Arc<Forecast>)>>,
    /// One at a time: it is work for a whole processor.
    turn: Semaphore,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Ahead {
    /// As of `now`, or of a few minutes before.
    pub async fn forecast(
        &self,
        judge: &Judge,
        pool: &Pool,
        asked: &Asked,
        now: Timestamp,
    ) -> ledger::Result<Arc<Forecast>> {
        let key: Key =
            (judge.by.digest, asked.scheme.id.clone(), asked.month, asked.body.clone(), asked.seed);
        if let Some(known) = self.known(&key, now) {
            return Ok(known);
        }
        // Nobody closes it: where it is gone the process ends.
        let _turn = self.turn.acquire().await.ok();
        if let Some(known) = self.known(&key, now) {
            return Ok(known);
        }
        let made = Arc::new(judge.forecast(pool, asked, now).await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| *of != key);
        kept.push_front((key, Arc::clone(&made)));
        kept.truncate(KEPT);
        Ok(made)
    }

    /// One as it was known at a moment: made for whoever asks, and not kept.
    pub async fn as_of(
        &self,
        judge: &Judge,
        pool: &Pool,
        asked: &Asked,
        at: Timestamp,
    ) -> ledger::Result<Forecast> {
        let _turn = self.turn.acquire().await.ok();
        judge.forecast(pool, asked, at).await
    }

    fn known(&self, key: &Key, now: Timestamp) -> Option<Arc<Forecast>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, known) = kept.iter().find(|(of, _)| of == key)?;
        // Before its cut-off and after it are two things.
        let is_same_side = (known.at < known.cut_off) == (now < known.cut_off);
        let age = now.duration_since(known.at).abs();
        (is_same_side && age < KEPT_FOR).then(|| Arc::clone(known))
    }
}

impl Judge {
    /// What the facts that were known at `at` teach: a page at a time, bounded by the lists.
    pub async fn habits(&self, lists: &Lists, at: Timestamp) -> ledger::Result<Habits> {
        let horizon = self.ledger.horizon(at).await?;
        let amended = self.ledger.amended(horizon).await?;
        let mut habits = Habits::new(lists, at);
        let (since, to) = (habits.since(), at.checked_add(MOMENT).unwrap_or(Timestamp::MAX));
        let (forgotten, lasting): (Vec<&str>, Vec<&str>) =
            Habits::KINDS.iter().partition(|kind| Habits::is_forgotten(kind));
        for kind in lasting {
            let query = FactQuery { kind, from: None, to: Some(to), horizon };
            let take = |fact: &Fact| {
                if !amended.contains(&fact.id) {
                    habits.add(fact);
                }
            };
            self.each(query, take).await?;
        }
        // What happened day by day is nearly all of it: that is read in one go over its stretch of
        // history, one fact at a time.
        let mut learned = (habits, amended);
        let take = |(habits, amended): &mut (Habits, BTreeSet<FactId>), fact: &Fact| {
            if !amended.contains(&fact.id) {
                habits.add(fact);
            }
        };
        let mut left = Some(self.ledger.stretch(forgotten, (since, to), horizon).await?);
        while let Some(stretch) = left {
            (learned, left) = self.ledger.each_fact(stretch, PAGE, learned, take).await?;
        }
        let (habits, _) = learned;
        Ok(habits)
    }

    /// What a month will come to, as it was known at `at`.
    pub async fn forecast(
        &self,
        pool: &Pool,
        asked: &Asked,
        at: Timestamp,
    ) -> ledger::Result<Forecast> {
        let tally = self.tally_by(&asked.scheme, asked.month, at).await?;
        // Over the lists as they count, as the tally is.
        let habits = self.habits(tally.lists(), at).await?;
        let (by, asked) = (Arc::clone(&self.by), asked.clone());
        let make = move || {
            let habits = habits.settled(tally.lists());
            forecast(&tally, &habits, &asked.scheme, &asked.body, &by.field, asked.seed)
        };
        Ok(pool.run_long(make).await)
    }
}

/// Keeps the running month's forecast until it is aborted.
pub(in crate::app) async fn serve(
    crew: Crew,
    current: Arc<Current>,
    live: Arc<Live>,
) -> Result<(), TaskError> {
    loop {
        let by = current.load().configuration.indicator.clone();
        let looked = match by {
            Some(by) => look(&Judge::new(crew.ledger.clone(), by), &crew, &live).await,
            None => {
                live.foretold.store(None);
                Ok(())
            }
        };
        if let Err(error) = looked {
            live.foretold.store(None);
            tracing::warn!(error = %Chain(&error), "there is no forecast");
            sleep(crew.supervisor.clock(), Duration::from_mins(1)).await;
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

async fn look(judge: &Judge, crew: &Crew, live: &Live) -> Result<(), NotJudged> {
    let now = crew.supervisor.clock().now();
    let month = judge.running(now)?;
    let scheme = judge.scheme(month)?.clone();
    let asked = Asked { scheme, month, body: Body::City, seed: SEED };
    let pool = crew.supervisor.pool();
    live.foretold.store(Some(live.ahead.forecast(judge, pool, &asked, now).await?));
    Ok(())
}
