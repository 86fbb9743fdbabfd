//! Drives the webhook: looks at what stands, sends what changed, waits longer after each failure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Current;
use super::office::Office;
use crate::config::Configuration;
use crate::control::webhook::{Error, Outbox, Sender, Settings};
use crate::ledger::pause_before_retry;
use crate::supervisor::{Supervisor, sleep};
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::Metrics;

/// Between two looks at what stands.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What it works with.
pub(super) struct Webhook {
    pub(super) office: Arc<Office>,
    pub(super) current: Arc<Current>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) supervisor: Supervisor,
}

/// A configuration's sender; made again with the next configuration, so that secrets are too.
struct Made {
    configuration: Arc<Configuration>,
    sender: Option<Sender>,
}

impl Webhook {
    /// Looks and tells until it is cancelled: what is told is told again after a restart, so
    /// nothing is lost by a cut.
    pub(super) async fn serve(self) {
        let clock = self.supervisor.clock().clone();
        let mut outbox = Outbox::default();
        let mut made: Option<Made> = None;
        let (mut failures, mut not_before) = (0_u32, Timestamp::MIN);
        loop {
            sleep(&clock, LOOK_EVERY).await;
            let configuration = Arc::clone(&self.current.load().configuration);
            let Some(settings) = configuration.notify.clone() else {
                (outbox, made) = (Outbox::default(), None);
                continue;
            };
            if !made.as_ref().is_some_and(|it| Arc::ptr_eq(&it.configuration, &configuration)) {
                let sender = self.sender(settings.clone()).await;
                made = Some(Made { configuration: Arc::clone(&configuration), sender });
                not_before = Timestamp::MIN;
            }
            let now = clock.now();
            outbox.look(self.office.standing(), now);
            let Some(sender) = made.as_ref().and_then(|it| it.sender.as_ref()) else { continue };
            if now < not_before {
                continue;
            }
            let Some(message) = outbox.message(&configuration.city, settings.steady, now) else {
                continue;
            };
            let sent = sender.send(message.body.clone()).await;
            self.metrics.notified(sent.is_ok());
            match sent {
                Ok(()) => {
                    outbox.delivered(message);
                    failures = 0;
                }
                Err(error) => {
                    let pause = pause_before_retry(failures, 0);
                    tell(&error, failures, pause);
                    failures = failures.saturating_add(1);
                    not_before = clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
                }
            }
        }
    }

    /// `None` where its files went wrong after they were proven; the next configuration may mend
    /// them.
    async fn sender(&self, settings: Settings) -> Option<Sender> {
        let made = self.supervisor.pool().run(move || Sender::new(&settings)).await;
        made.map_err(|error| tracing::warn!(error = %Chain(&error), "nobody can be notified")).ok()
    }
}

/// The first failure in a row is a warning, the others are noise.
fn tell(error: &Error, failures: u32, pause: Duration) {
    let (error, again) = (Chain(error), pause.as_secs());
    if failures == 0 {
        tracing::warn!(%error, again, "a notification was not taken");
    } else {
        tracing::debug!(%error, again, "a notification was not taken");
    }
}
