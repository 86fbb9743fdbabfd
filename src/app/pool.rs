//! Lends the city's sources threads of the supervisor's pool.

use std::sync::Arc;

use crate::city::Pool;
use crate::supervisor::{StopPolicy, Supervisor};

/// Runs a source's blocking reader under the supervisor.
pub(super) struct CityPool(Supervisor);

impl CityPool {
    /// A pool to share between sources.
    pub(super) fn shared(supervisor: Supervisor) -> Arc<dyn Pool> {
        Arc::new(Self(supervisor))
    }
}

impl Pool for CityPool {
    fn run(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        let pool = self.0.pool().clone();
        // Cut at a stop: the reader ends when its cursor is dropped.
        self.0.spawn_passing(name, StopPolicy::Abort, async move {
            pool.run_long(work).await;
        });
    }
}
