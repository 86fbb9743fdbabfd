//! History of deadlines: when a dataset became overdue and when newer content ended it, recorded as
//! facts while it happens. What a score is computed from later is what was known then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::office::{freshness_of, freshness_of_withheld};
use super::works::Current;
use crate::cascade::Crew;
use crate::fact::Kind;
use crate::indicator::freshness::State;
use crate::ledger::{self, Flow, NewFact, Overdue};
use crate::supervisor::{TaskError, sleep};

/// How often deadlines are looked at: a fact carries its deadline, so nothing is late by this.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often another number of rows that are not mended is told.
const TELL_OTHERS: SignedDuration = SignedDuration::from_hours(1);
/// How often the same number is told: a month has to find one within it.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Looks until it is aborted.
pub(super) async fn serve(crew: Crew, current: Arc<Current>) -> Result<(), TaskError> {
    let mut left = Left::default();
    loop {
        let mut looked = once(&crew, &current).await;
        if looked.is_ok() {
            looked = leftover(&mut left, &crew, &current).await;
        }
        if let Err(error) = looked {
            tracing::warn!(error = %crate::telemetry::logs::Chain(&error), "deadlines are not recorded");
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

/// Looks once. By what counts, or not at all: a longer cycle that nobody approved of ends nothing.
/// One look at a time, whoever asks for it: two would write down the same twice.
pub(super) async fn once(crew: &Crew, current: &Current) -> Result<(), ledger::Error> {
    let _turn = current.declarations().look(crew, current).await?;
    look(crew, current).await
}

/// What was last told of rows that are not mended.
type Left = BTreeMap<Flow, (Timestamp, u64, u64)>;

/// Tells how many rows of each dataset are turned away and not mended: at most every hour, where it
/// is another number than the last, and once a day where it is not. A plan that knows it promises
/// nothing for rows that are mended already.
pub(super) async fn leftover(
    left: &mut Left,
    crew: &Crew,
    current: &Current,
) -> ledger::Result<()> {
    if current.load().configuration.indicator.is_none() {
        return Ok(());
    }
    let now = crew.supervisor.clock().now();
    let (mut facts, mut told) = (Vec::new(), Vec::new());
    for state in crew.ledger.flows().await? {
        let here = state.counts.rejected_local;
        let above = state.counts.rejected_refused.saturating_add(state.counts.rejected_failed);
        let known = left.get(&state.flow);
        let is_told = known.is_some_and(|(at, told_here, told_above)| {
            let is_same = (*told_here, *told_above) == (here, above);
            now.duration_since(*at) < if is_same { TELL_AGAIN } else { TELL_OTHERS }
        });
        if is_told {
            continue;
        }
        let kind = Kind::Unmended { here, above };
        let (channel, subject) = (Some(state.flow.channel.clone()), state.flow.dataset.clone());
        facts.push(NewFact { channel, subject, kind, occurred: now, amends: None });
        told.push((state.flow, (now, here, above)));
    }
    for facts in facts.chunks(1_000) {
        crew.ledger.facts_recorded(facts.to_vec()).await?;
    }
    left.extend(told);
    Ok(())
}

/// Writes down which datasets became overdue, and which no longer are.
async fn look(crew: &Crew, current: &Current) -> Result<(), ledger::Error> {
    let (works, now) = (current.load(), crew.supervisor.clock().now());
    let flows = crew.ledger.flows().await?;
    let mut changed = Vec::new();
    for carrier in works.carriers() {
        let Some(state) = flows.iter().find(|it| it.flow == *carrier.flow()) else { continue };
        let fresh =
            freshness_of(&works.configuration, current.held(), carrier.dataset(), Some(state), now);
        let since = match fresh.state {
            // As exact as the ledger keeps it.
            State::Overdue { since } => Timestamp::from_millisecond(since.as_millisecond()).ok(),
            State::Fresh | State::DueSoon | State::NotComputable { .. } | State::Never => None,
        };
        // While it stays overdue the first deadline counts: content that is observed and not yet
        // confirmed moves the deadline, and ends nothing.
        if since.is_some() != state.overdue_since.is_some() {
            let (flow, ended) = (state.flow.clone(), state.last_confirmed_at);
            changed.push(Overdue { flow, since, ended });
        }
    }
    let withheld = current.held().withheld();
    for state in &flows {
        let is_here = works.channels.iter().any(|it| it.id == state.flow.channel);
        let Some((_, cycle)) = withheld.iter().find(|(id, _)| *id == state.flow.dataset) else {
            continue;
        };
        let fresh = freshness_of_withheld(&works.configuration, *cycle, state, now);
        if let (State::Overdue { since }, None, true) = (fresh.state, state.overdue_since, is_here)
        {
            let since = Timestamp::from_millisecond(since.as_millisecond()).ok();
            changed.push(Overdue { flow: state.flow.clone(), since, ended: None });
        }
    }
    if changed.is_empty() { Ok(()) } else { crew.ledger.overdue_seen(changed).await }
}
