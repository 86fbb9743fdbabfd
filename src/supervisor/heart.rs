//! A stage's own sign of life: silence while it works is a hang, silence while it rests is not.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// No work is under way: no sign is owed.
const AT_REST: i64 = i64::MAX;

#[derive(Debug)]
pub(super) struct Beats {
    name: String,
    clock: Clock,
    /// Milliseconds since 1970 of the last sign while it works.
    last: AtomicI64,
}

/// Held by a stage. Cheap to clone; every clone is the same heart. The default one beats for
/// nobody.
#[derive(Clone, Debug, Default)]
pub struct Heart(Option<Arc<Beats>>);

impl Heart {
    pub(super) fn new(name: String, clock: Clock) -> (Self, Weak<Beats>) {
        let beats = Arc::new(Beats { name, clock, last: AtomicI64::new(AT_REST) });
        let watched = Arc::downgrade(&beats);
        (Self(Some(beats)), watched)
    }

    /// Work begins: from now on signs are owed.
    pub fn begin(&self) {
        if let Some(beats) = &self.0 {
            beats.last.store(beats.clock.now().as_millisecond(), Ordering::Relaxed);
        }
    }

    /// Work goes on. At rest this is no sign.
    pub fn beat(&self) {
        if let Some(beats) = &self.0
            && beats.last.load(Ordering::Relaxed) != AT_REST
        {
            self.begin();
        }
    }

    /// Nothing is to be done until somebody or something wakes it.
    pub fn rest(&self) {
        if let Some(beats) = &self.0 {
            beats.last.store(AT_REST, Ordering::Relaxed);
        }
    }

    /// Waits for somebody else who has a deadline of his own: a source, a platform, a place. His
    /// silence is not ours. Cancelled, it stays at rest until work begins again.
    pub async fn outside<F: Future>(&self, wait: F) -> F::Output {
        self.rest();
        let out = wait.await;
        self.begin();
        out
    }
}

impl Beats {
    /// The name and the last sign, where it works and gave none for longer than `limit`.
    pub(super) fn silent(&self, limit: Duration) -> Option<(String, Timestamp)> {
        let last = self.last.load(Ordering::Relaxed);
        let at = (last != AT_REST).then(|| Timestamp::from_millisecond(last).ok()).flatten()?;
        let age = Duration::try_from(self.clock.now().duration_since(at)).ok()?;
        (age > limit).then(|| (self.name.clone(), at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Supervisor;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(120);

    #[tokio::test]
    async fn silence_counts_only_while_it_works() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let supervisor = Supervisor::new(clock.clone(), 1);
        let heart = supervisor.heart("stage");
        clock.advance(LIMIT * 2);
        heart.beat();
        assert!(supervisor.silent(LIMIT).is_empty(), "it never began");
        heart.begin();
        clock.advance(LIMIT);
        assert!(supervisor.silent(LIMIT).is_empty());
        clock.advance(Duration::from_secs(1));
        let silent = supervisor.silent(LIMIT);
        assert_eq!(silent[0].0, "stage");
        heart.beat();
        assert!(supervisor.silent(LIMIT).is_empty(), "it lives");
        heart.outside(async { clock.advance(LIMIT * 3) }).await;
        assert!(supervisor.silent(LIMIT).is_empty(), "somebody else was slow");
        clock.advance(LIMIT * 2);
        assert_eq!(supervisor.silent(LIMIT).len(), 1, "work goes on after it");
        heart.rest();
        assert!(supervisor.silent(LIMIT).is_empty());
        heart.begin();
        clock.advance(LIMIT * 2);
        drop(heart);
        assert!(supervisor.silent(LIMIT).is_empty(), "who is gone owes nothing");
    }
}
