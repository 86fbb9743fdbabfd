//! The loop around a task of the assembly that goes on with durable work: written once.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::supervisor::{Signal, Supervisor, TaskError, sleep_until};

/// Between two looks when nobody says that there is work.
pub(super) const IDLE: Duration = Duration::from_mins(1);
/// After a step that failed.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// Durable work that goes on by steps from the ledger.
pub(super) trait Errand: Send + 'static {
    /// What it is called where a step failed.
    const NAME: &'static str;

    /// Goes on with whatever there is; when to look again.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<Timestamp>> + Send;
}

/// Goes on until the stop: at once when it is `asked`, otherwise when the last step said.
pub(super) async fn serve<E: Errand>(
    mut errand: E,
    supervisor: Supervisor,
    asked: Signal,
) -> Result<(), TaskError> {
    let clock = supervisor.clock().clone();
    let mut stop = supervisor.stop_signal();
    while !stop.is_raised() {
        // Interest is registered before looking.
        let raised = asked.raised();
        let next = match errand.step().await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(errand = E::NAME, error = format!("{error:#}"), "waits");
                clock.now().saturating_add(PAUSE).unwrap_or(Timestamp::MAX)
            }
        };
        tokio::select! {
            biased;
            () = stop.raised() => {}
            () = raised => {}
            () = sleep_until(&clock, next) => {}
        }
    }
    Ok(())
}
