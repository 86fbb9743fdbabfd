//! Looks after the record of acts: forwards it, and lets go of what is old enough.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Current;
use super::receiver::Receiver;
use crate::config::Configuration;
use crate::control::syslog::{Error, Sayer, Sender};
use crate::ledger::{self, ActQuery, Ledger};
use crate::supervisor::{Supervisor, TaskError, sleep};
use crate::telemetry::logs::Chain;
use crate::telemetry::metrics::Metrics;

/// Between two looks at what there is to forward.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines in one lot.
const LOT: u32 = 200;
/// Between two looks at what is old.
const LET_GO_EVERY: Duration = Duration::from_hours(1);

/// What it works with.
pub(super) struct Recorder {
    pub(super) ledger: Ledger,
    pub(super) current: Arc<Current>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) supervisor: Supervisor,
}

impl Recorder {
    /// Goes on until it is cancelled: what was cut off is forwarded again.
    pub(super) async fn serve(self) -> Result<(), TaskError> {
        let clock = self.supervisor.clock().clone();
        let sayer = self.supervisor.pool().run(|| Sayer::new(&host(), std::process::id())).await;
        let mut receiver = Receiver::new("acts cannot be forwarded", "acts were not forwarded");
        let mut let_go_next = Timestamp::MIN;
        loop {
            sleep(&clock, LOOK_EVERY).await;
            let configuration = Arc::clone(&self.current.load().configuration);
            let now = clock.now();
            if now >= let_go_next {
                self.let_go(&configuration).await;
                let_go_next = now.saturating_add(LET_GO_EVERY).unwrap_or(Timestamp::MAX);
            }
            let Some(settings) = configuration.audit.syslog.clone() else {
                receiver.forget();
                continue;
            };
            let pool = self.supervisor.pool();
            receiver.renew(&configuration, pool, move || Sender::new(&settings)).await;
            let Some(sender) = receiver.ready(now) else { continue };
            let told = self.forward(sender, &sayer).await;
            receiver.told(told, clock.now());
        }
    }

    /// Every line that the receiver has not, lot by lot.
    async fn forward(&self, sender: &Sender, sayer: &Sayer) -> Result<(), Failed> {
        loop {
            let (until, waiting) = self.ledger.acts_forwarded_until().await?;
            if waiting == 0 {
                return Ok(());
            }
            let query = ActQuery { limit: LOT, ..ActQuery::default() };
            let lines = self.ledger.act_lines(until, query).await?;
            let lot: Vec<Vec<u8>> = lines.iter().map(|line| sayer.message(line)).collect();
            let (taken, sent) = sender.send(&lot).await;
            self.metrics.forwarded(sent.is_ok());
            crate::crash::point("acts-forwarded");
            if let Some(last) = taken.checked_sub(1).and_then(|at| lines.get(at)) {
                self.ledger.acts_forwarded(last.act.number).await?;
            }
            sent?;
        }
    }

    async fn let_go(&self, configuration: &Configuration) {
        let Some(days) = configuration.audit.keep_days else { return };
        let forwarded_only = configuration.audit.syslog.is_some();
        loop {
            match self.ledger.acts_let_go(days, forwarded_only).await {
                Ok(0) => return,
                Ok(removed) => tracing::info!(removed, days, "let go of acts"),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "old acts stay for now");
                    return;
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Receiver(#[from] Error),
}

/// This machine's name, as the kernel says.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
}
