//! History of deadlines: when a dataset became overdue and when newer content ended it, recorded as
//! facts while it happens. What a score is computed from later is what was known then.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::declare::Declared;
use super::office::freshness_of;
use super::works::Current;
use crate::cascade::Crew;
use crate::indicator::freshness::State;
use crate::ledger::{self, Overdue};
use crate::supervisor::{TaskError, sleep};

/// How often deadlines are looked at: a fact carries its deadline, so nothing is late by this.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks until it is aborted.
pub(super) async fn serve(crew: Crew, current: Arc<Current>) -> Result<(), TaskError> {
    let mut declared = Declared::default();
    loop {
        if let Err(error) = once(&mut declared, &crew, &current).await {
            tracing::warn!(error = %crate::telemetry::logs::Chain(&error), "deadlines are not recorded");
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

/// Looks once. By what counts, or not at all: a longer cycle that nobody approved of ends nothing.
pub(super) async fn once(
    declared: &mut Declared,
    crew: &Crew,
    current: &Current,
) -> Result<(), ledger::Error> {
    declared.look(crew, current).await?;
    look(crew, current).await
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
    if changed.is_empty() { Ok(()) } else { crew.ledger.overdue_seen(changed).await }
}
