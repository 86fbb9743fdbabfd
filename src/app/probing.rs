//! Asks the city's interfaces whether they answer, and writes down what came of it.
//!
//! Each has a slot of its own within its interval, by a hash of its name, so that they do not come
//! together and a restart does not move them. What a probe came to is counted in memory and becomes
//! facts each hour and at each change; a crash loses at most what was counted within the hour, and
//! no change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use super::Current;
use super::doctor::{Code, Found};
use crate::cascade::Crew;
use crate::config::Configuration;
use crate::delivery::DigestSha256;
use crate::fact::Kind;
use crate::ledger::NewFact;
use crate::probe::{AT_ONCE, Board, Caller, Counted, Gathered, callers};
use crate::supervisor::{TaskError, sleep};
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::Metrics;

/// How often what is due is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most facts that wait for a ledger that cannot be written.
const MOST_WAITING: usize = 20_000;
/// Facts of one transaction.
const FACTS_AT_ONCE: usize = 1_000;

/// What it works with.
pub(super) struct Probing {
    pub(super) crew: Crew,
    pub(super) current: Arc<Current>,
    pub(super) board: Arc<Board>,
    pub(super) metrics: Arc<Metrics>,
}

/// An interface that is asked.
struct Asked {
    caller: Arc<Caller>,
    /// When it is asked next.
    next: Timestamp,
    gathered: Gathered,
    is_under_way: bool,
}

/// Everything that is asked, and what waits to be written down.
#[derive(Default)]
struct Round {
    by: Option<Arc<Configuration>>,
    asked: BTreeMap<String, Asked>,
    waiting: Vec<NewFact>,
}

/// What became of one question.
struct Done {
    caller: Arc<Caller>,
    at: Timestamp,
    answer: Result<(), String>,
}

impl Probing {
    /// Asks until the stop; what was counted by then is written down.
    pub(super) async fn serve(self) -> Result<(), TaskError> {
        let clock = self.crew.supervisor.clock().clone();
        let mut stop = self.crew.supervisor.stop_signal();
        let mut round = Round::default();
        let mut under_way = FuturesUnordered::new();
        while !stop.is_raised() {
            self.follow(&mut round).await;
            let now = clock.now();
            while under_way.len() < AT_ONCE
                && let Some(caller) = round.due(now)
            {
                under_way.push(Box::pin(async move {
                    let answer = caller.ask().await;
                    Done { caller, at: now, answer }
                }));
            }
            round.hours_over(now);
            self.write(&mut round).await;
            tokio::select! {
                biased;
                () = stop.raised() => break,
                Some(done) = under_way.next(), if !under_way.is_empty() => {
                    self.done(&mut round, done);
                }
                () = sleep(&clock, LOOK_EVERY) => {}
            }
        }
        // A question that is cut was not answered by anybody and counts for nothing.
        drop(under_way);
        round.end();
        self.write(&mut round).await;
        Ok(())
    }

    /// Takes up another configuration. One whose files went wrong after they were proven changes
    /// nothing.
    async fn follow(&self, round: &mut Round) {
        let configuration = Arc::clone(&self.current.load().configuration);
        if round.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, &configuration)) {
            return;
        }
        let probes = configuration.probes.clone();
        let made = self.crew.supervisor.pool().run(move || callers(&probes)).await;
        round.by = Some(configuration);
        match made {
            Ok(made) => {
                let now = self.crew.supervisor.clock().now();
                round.take_up(made, now);
                self.board.retain(|id| round.asked.contains_key(id));
            }
            Err(list) => {
                for (interface, error) in list {
                    tracing::warn!(interface, error = %Chain(&error), "an interface cannot be asked");
                }
            }
        }
    }

    fn done(&self, round: &mut Round, done: Done) {
        let settings = done.caller.settings();
        let Some(asked) = round.asked.get_mut(&settings.id) else { return };
        if !Arc::ptr_eq(&asked.caller, &done.caller) {
            return;
        }
        asked.is_under_way = false;
        self.metrics.probed(done.answer.is_ok());
        let (id, resource) = (settings.id.as_str(), settings.resource.as_str());
        let answer = match &done.answer {
            Ok(()) => Ok(()),
            Err(why) => Err(why.as_str()),
        };
        if self.board.asked((id, resource), done.at, answer) {
            match answer {
                Ok(()) => tracing::info!(interface = id, "the interface answers again"),
                Err(why) => tracing::warn!(interface = id, why, "the interface does not answer"),
            }
        }
        let told = asked.gathered.take(done.at, done.answer.is_ok());
        round.waiting.extend(told.into_iter().map(|counted| fact(&done.caller, counted)));
    }

    /// Writes down what waits; while the ledger cannot be written it goes on waiting.
    async fn write(&self, round: &mut Round) {
        while !round.waiting.is_empty() {
            let some = round.waiting.iter().take(FACTS_AT_ONCE).cloned().collect::<Vec<_>>();
            let count = some.len();
            if let Err(error) = self.crew.ledger.facts_recorded(some).await {
                tracing::warn!(error = %Chain(&error), "probes are not recorded");
                let excess = round.waiting.len().saturating_sub(MOST_WAITING);
                round.waiting.drain(..excess);
                return;
            }
            round.waiting.drain(..count);
        }
    }
}

impl Round {
    /// What is asked from now on. Who is asked as before goes on counting.
    fn take_up(&mut self, made: Vec<Caller>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.asked);
        for caller in made {
            let settings = caller.settings();
            let id = settings.id.clone();
            let known = before.remove(&id);
            let is_same = known.as_ref().is_some_and(|it| it.caller.settings() == settings);
            let (next, gathered) = match known {
                Some(it) if is_same => (it.next, it.gathered),
                Some(it) => {
                    self.rest(it);
                    (now, Gathered::default())
                }
                None => (now, Gathered::default()),
            };
            let caller = Arc::new(caller);
            self.asked.insert(id, Asked { caller, next, gathered, is_under_way: false });
        }
        before.into_values().for_each(|it| self.rest(it));
    }

    fn rest(&mut self, mut asked: Asked) {
        let rest = asked.gathered.rest();
        self.waiting.extend(rest.map(|counted| fact(&asked.caller, counted)));
    }

    /// The one that waits longest of those whose time has come; it is under way from now on.
    fn due(&mut self, now: Timestamp) -> Option<Arc<Caller>> {
        let due = self.asked.values_mut().filter(|it| !it.is_under_way && it.next <= now);
        let asked = due.min_by_key(|it| it.next)?;
        asked.is_under_way = true;
        let settings = asked.caller.settings();
        asked.next = next(&settings.id, settings.every, now);
        Some(Arc::clone(&asked.caller))
    }

    fn hours_over(&mut self, now: Timestamp) {
        for asked in self.asked.values_mut() {
            let over = asked.gathered.over(now);
            self.waiting.extend(over.map(|counted| fact(&asked.caller, counted)));
        }
    }

    fn end(&mut self) {
        std::mem::take(&mut self.asked).into_values().for_each(|it| self.rest(it));
    }
}

fn fact(caller: &Caller, counted: Counted) -> NewFact {
    let Counted { at, succeeded, failed } = counted;
    NewFact {
        channel: None,
        subject: caller.settings().subject(),
        kind: Kind::Probed { succeeded, failed },
        occurred: at,
        amends: None,
    }
}

/// The first moment after `now` of the slot that an interface's name gives it in its interval.
fn next(id: &str, every: Duration, now: Timestamp) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let digest = DigestSha256::of(id.as_bytes());
    let hash = digest.0.iter().take(7).fold(0_i64, |sum, byte| sum * 256 + i64::from(*byte));
    let (offset, now) = (hash % every, now.as_millisecond());
    let slots = (now - offset).div_euclid(every).saturating_add(1);
    Timestamp::from_millisecond(offset.saturating_add(slots.saturating_mul(every)))
        .unwrap_or(Timestamp::MAX)
}

/// Asks every interface once, for `doctor`.
pub(super) async fn examine(configuration: &Configuration) -> Vec<Found> {
    let Ok(made) = callers(&configuration.probes) else { return Vec::new() };
    let asked = stream::iter(made).map(|caller| async move {
        let answer = caller.ask().await;
        (caller, answer)
    });
    let asked: Vec<(Caller, Result<(), String>)> = asked.buffered(AT_ONCE).collect().await;
    let listed = configuration.indicator.as_ref().map(|it| &it.lists.obligations);
    let mut found = Vec::new();
    for (caller, answer) in asked {
        let settings = caller.settings();
        let (id, url) = (&settings.id, settings.shown());
        let places = [format!("interface {id} at {url}"), format!("接口 {id} {url}")];
        let [place, place_zh] = &places;
        found.push(match &answer {
            Ok(()) => Found::good([format!("{place}: answers"), format!("{place_zh}：有应答")]),
            Err(why) => Found::of(Code::Interface, [place, place_zh], [why, why]),
        });
        let resource = &settings.resource;
        let is_listed = |list: &&Vec<_>| {
            let mut list = list.iter();
            list.any(|it: &crate::indicator::lists::Obligation| it.resources.contains(resource))
        };
        if listed.is_some_and(|list| !list.is_empty() && !is_listed(&list)) {
            found.push(Found::of(Code::InterfaceUnlisted, [place, place_zh], [resource, resource]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_interface_has_one_slot_in_each_interval(
            id in "[a-z]{1,8}", every in 30_u64..3_600, from in 0_i64..4_000_000_000_000, steps in 1_usize..50,
        ) {
            let every = Duration::from_secs(every);
            let at = |ms| Timestamp::from_millisecond(ms).unwrap();
            let mut now = at(from);
            let first = next(&id, every, now);
            prop_assert!(now < first && first.duration_since(now) <= every.try_into().unwrap());
            // Asked again before its time it keeps its slot, and after it has the very next.
            now = first;
            for _ in 0..steps {
                let after = next(&id, every, now);
                prop_assert_eq!(after.duration_since(now), every.try_into().unwrap());
                let between = at(after.as_millisecond() - 1);
                prop_assert_eq!(next(&id, every, between), after);
                now = after;
            }
        }
    }
}
