//! The loop around a stage, written once.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::{Carrier, Crew, Error};
use crate::delivery::ChannelId;
use crate::ledger;
use crate::supervisor::{Heart, Signal, Stop, Supervisor, TaskError, sleep_until};

/// What a step came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It did something: look again at once.
    Did,
    /// There was nothing to do: look again at this time, or at the next signal.
    Idle(Timestamp),
}

/// A stage: an idempotent function of the ledger.
pub trait Stage: Send + 'static {
    /// Looks for one bounded unit of work, does it, commits. Not cancelled once begun.
    fn step(&mut self) -> impl Future<Output = Result<Progress, Error>> + Send;

    /// Its sign of life: it beats with everything the stage does.
    fn heart(&self) -> &Heart;

    /// What makes it look before its time.
    fn signal(&self) -> Signal;

    /// Tells whoever watches that a step failed; returns how long to wait before the next.
    /// `None`: our own state cannot be trusted, the process must end.
    fn failed(&mut self, error: &Error) -> impl Future<Output = Option<Duration>> + Send;
}

/// Runs a stage until the stop is raised.
pub async fn run(mut stage: impl Stage, supervisor: Supervisor) -> Result<(), TaskError> {
    let clock = supervisor.clock().clone();
    let signal = stage.signal();
    let mut stop: Stop = supervisor.stop_signal();
    while !stop.is_raised() {
        // Registered before looking, so that a signal between the look and the wait is not lost.
        let raised = signal.raised();
        stage.heart().begin();
        let until = match stage.step().await {
            Ok(Progress::Did) => {
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Progress::Idle(until)) => until,
            Err(error) => {
                let Some(pause) = stage.failed(&error).await else { return Err(error.into()) };
                clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)
            }
        };
        stage.heart().rest();
        tokio::select! {
            () = raised => {}
            () = sleep_until(&clock, until) => {}
            () = stop.raised() => {}
        }
    }
    stage.heart().rest();
    Ok(())
}

/// Tells that a stage of a channel failed, and how long it waits. A ledger that cannot be trusted
/// ends the process.
pub(super) fn report(
    crew: &Crew,
    stage: &'static str,
    channel: &ChannelId,
    error: &Error,
    failures: u32,
) -> Option<Duration> {
    crew.events.failed(stage, error.code());
    let chain = crate::telemetry::logs::Chain(error);
    let fatal = matches!(
        error,
        Error::Ledger(
            ledger::Error::Damaged { .. } | ledger::Error::Link(_) | ledger::Error::Batch { .. }
        )
    );
    if fatal {
        tracing::error!(%channel, stage, code = error.code(), error = %chain, "stopping");
        return None;
    }
    tracing::warn!(%channel, stage, code = error.code(), error = %chain, "stage waits");
    Some(ledger::pause_before_retry(failures, 0).min(Duration::from_mins(1)))
}

/// How long a stage waits for what others must do first.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// Tells that a dataset cannot be read, and how long its stage waits.
pub(super) async fn unread(
    crew: &Crew,
    carrier: &Carrier,
    error: &Error,
    failures: u32,
) -> Duration {
    let flow = carrier.flow.clone();
    tracing::warn!(
        channel = %flow.channel, dataset = flow.dataset, code = error.code(),
        error = %crate::telemetry::logs::Chain(error), "dataset cannot be read",
    );
    crew.events.failed("observe", error.code());
    // A failed pass is begun again from the start.
    carrier.index().end_pass();
    let owner = carrier.owner.clone();
    let told = crew.ledger.trouble_met(flow, owner, error.code().to_owned()).await;
    drop(told.inspect_err(|error| {
        tracing::error!(code = error.code(), "the ledger does not take a dataset's trouble");
    }));
    ledger::pause_before_retry(failures, 0).min(Duration::from_mins(5))
}
