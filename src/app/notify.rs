//! What systemd is told: ready, alive, reading again, stopping.

use std::time::Duration;

use crate::supervisor::{Supervisor, sleep};

/// Tells the service manager that the daemon is ready. Nothing happens without one.
pub(super) fn ready() {
    tell(&[sd_notify::NotifyState::Ready]);
}

/// Tells the service manager that the daemon reads its configuration again; [`ready`] ends it.
pub(super) fn reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the monotonic clock cannot be read"),
    }
}

/// Tells the service manager that the daemon stops.
pub(super) fn stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Tells the watchdog that the daemon is alive, three times in its interval, for as long as
/// `alive` says so.
pub(super) async fn watchdog(supervisor: Supervisor, alive: impl Fn() -> bool + Send + Sync) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let pause = (interval / 3).max(Duration::from_millis(10));
    feed(&supervisor, pause, alive, || tell(&[sd_notify::NotifyState::Watchdog])).await;
}

/// Feeds the watchdog with every pause in which the daemon is alive.
pub(super) async fn feed(
    supervisor: &Supervisor,
    pause: Duration,
    alive: impl Fn() -> bool,
    tell: impl Fn(),
) {
    loop {
        if alive() {
            tell();
        }
        sleep(supervisor.clock(), pause).await;
    }
}

fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
