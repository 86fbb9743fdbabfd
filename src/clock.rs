//! The one place that reads the time, so that a test owns it.
//!
//! A [`Clock`] is handed to everything that asks what time it is. The daemon's reads the machine;
//! a test's stands still until it is advanced, and wakes who waits for a moment.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;

/// Where the time comes from. Cheap to clone; every clone shows the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Mutex<Hands>>),
}

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    waiting: Vec<(Timestamp, Waker)>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(Hands { now: start, waiting: Vec::new() }))))
    }

    /// The current instant, in UTC. May step backward when the machine's clock is set: never
    /// subtract two of these to measure a duration that must not be negative.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(hands) => lock(hands).now,
        }
    }

    /// Moves a manual clock forward and wakes whoever waits for a moment now reached. Does
    /// nothing on the machine's clock, which nobody may move.
    pub fn advance(&self, by: Duration) {
        let Source::Manual(hands) = &self.0 else { return };
        let mut hands = lock(hands);
        hands.now = hands.now.saturating_add(by).unwrap_or(Timestamp::MAX);
        let now = hands.now;
        let (due, later) = hands.waiting.drain(..).partition(|(at, _)| *at <= now);
        hands.waiting = later;
        drop(hands);
        let due: Vec<(Timestamp, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How long to wait on a timer until `at`; `None` on a manual clock, which has no timer: wait
    /// for [`Clock::reached`] instead.
    pub fn timer(&self, at: Timestamp) -> Option<Duration> {
        match &self.0 {
            Source::System => {
                Some(Duration::try_from(at.duration_since(system_now())).unwrap_or(Duration::ZERO))
            }
            Source::Manual(_) => None,
        }
    }

    /// Completes when a manual clock has reached `at`; on the machine's clock it never completes
    /// by itself (use [`Clock::timer`]). Cancel-safe: it holds nothing but a registration.
    pub fn reached(&self, at: Timestamp) -> Reached {
        Reached { clock: self.clone(), at }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
fn system_now() -> Timestamp {
    Timestamp::now()
}

fn lock(hands: &Mutex<Hands>) -> std::sync::MutexGuard<'_, Hands> {
    hands.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Clock::reached`].
#[derive(Debug)]
pub struct Reached {
    clock: Clock,
    at: Timestamp,
}

impl Future for Reached {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Source::Manual(hands) = &self.clock.0 else { return Poll::Pending };
        let mut hands = lock(hands);
        if hands.now >= self.at {
            return Poll::Ready(());
        }
        let at = self.at;
        hands.waiting.retain(|(_, waker)| !waker.will_wake(context.waker()));
        hands.waiting.push((at, context.waker().clone()));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_advanced() {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Clock::manual(start);
        let copy = clock.clone();
        assert_eq!(copy.now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!(copy.now().duration_since(start).as_secs(), 90);
    }
}
