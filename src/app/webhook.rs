//! Drives the webhook: looks at what stands, sends what changed, waits longer after each failure.

use std::sync::Arc;
use std::time::Duration;

use super::Current;
use super::office::Office;
use super::receiver::Receiver;
use crate::control::webhook::{Outbox, Sender};
use crate::supervisor::{Supervisor, sleep};
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

impl Webhook {
    /// Looks and tells until it is cancelled: what is told is told again after a restart, so
    /// nothing is lost by a cut.
    pub(super) async fn serve(self) {
        let clock = self.supervisor.clock().clone();
        let mut outbox = Outbox::default();
        let mut receiver = Receiver::new("nobody can be notified", "a notification was not taken");
        loop {
            sleep(&clock, LOOK_EVERY).await;
            let configuration = Arc::clone(&self.current.load().configuration);
            let Some(settings) = configuration.notify.clone() else {
                outbox = Outbox::default();
                receiver.forget();
                continue;
            };
            let steady = settings.steady;
            let pool = self.supervisor.pool();
            receiver.renew(&configuration, pool, move || Sender::new(&settings)).await;
            let now = clock.now();
            outbox.look(self.office.standing(), now);
            let Some(sender) = receiver.ready(now) else { continue };
            let Some(message) = outbox.message(&configuration.city, steady, now) else {
                continue;
            };
            let sent = sender.send(message.body.clone()).await;
            self.metrics.notified(sent.is_ok());
            if sent.is_ok() {
                outbox.delivered(message);
            }
            receiver.told(sent, clock.now());
        }
    }
}
