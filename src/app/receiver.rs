//! Somebody outside who is told things: its sender is of one configuration and made again with the
//! next, and each failure in a row makes the next try wait longer.

use std::error::Error;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Configuration;
use crate::ledger::pause_before_retry;
use crate::supervisor::Pool;
use crate::telemetry::logs::Chain;

/// See the module. `S` is what sends.
pub(super) struct Receiver<S> {
    /// What logs say where there is no sender.
    unusable: &'static str,
    /// What they say where it failed.
    untaken: &'static str,
    made: Option<(Arc<Configuration>, Option<S>)>,
    failures: u32,
    not_before: Timestamp,
}

impl<S: Send + 'static> Receiver<S> {
    pub(super) fn new(unusable: &'static str, untaken: &'static str) -> Self {
        Self { unusable, untaken, made: None, failures: 0, not_before: Timestamp::MIN }
    }

    /// Nobody is to be told.
    pub(super) fn forget(&mut self) {
        self.made = None;
    }

    /// Makes the sender where the configuration is another one, so that its files are read anew;
    /// there is none where they went wrong after they were proven.
    pub(super) async fn renew<E>(
        &mut self,
        configuration: &Arc<Configuration>,
        pool: &Pool,
        make: impl FnOnce() -> Result<S, E> + Send + 'static,
    ) where
        E: Error + Send + 'static,
    {
        if self.made.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, configuration)) {
            return;
        }
        let made = pool.run(make).await.map_err(|error| {
            let error = Chain(&error);
            tracing::warn!(%error, "{}", self.unusable);
        });
        self.made = Some((Arc::clone(configuration), made.ok()));
        self.not_before = Timestamp::MIN;
    }

    /// What sends, when its time has come.
    pub(super) fn ready(&self, now: Timestamp) -> Option<&S> {
        self.made
            .as_ref()
            .and_then(|(_, sender)| sender.as_ref())
            .filter(|_| now >= self.not_before)
    }

    /// What came of it. The first failure in a row is a warning, the others are noise.
    pub(super) fn told<E: Error + 'static>(&mut self, told: Result<(), E>, now: Timestamp) {
        let Err(error) = told else {
            self.failures = 0;
            return;
        };
        let pause = pause_before_retry(self.failures, 0);
        let (untaken, error, again) = (self.untaken, Chain(&error), pause.as_secs());
        if self.failures == 0 {
            tracing::warn!(%error, again, "{untaken}");
        } else {
            tracing::debug!(%error, again, "{untaken}");
        }
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
    }
}
