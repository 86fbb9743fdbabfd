//! The blocking pool: where file and database work waits without holding up the runtime.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Runs blocking work off the runtime's threads, a bounded number at once.
#[derive(Clone, Debug)]
pub struct Pool {
    places: Arc<Semaphore>,
    count: u32,
}

impl Pool {
    /// A pool for at most `places` short jobs at once.
    pub fn new(places: usize) -> Self {
        let count = u32::try_from(places.max(1)).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(places.max(1)));
        Self { places, count }
    }

    /// Completes when every short job that had begun has ended, those included whose results
    /// nobody awaits any more. Cancel-safe: it only waits.
    pub async fn quiet(&self) {
        // The semaphore is never closed.
        drop(self.places.acquire_many(self.count).await);
    }

    /// Runs one short job and gives its result. Not cancelled once it has begun: dropping the
    /// future forgets the result, the job runs to its end.
    pub async fn run<T, F>(&self, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await;
        Self::finish(move || {
            let result = job();
            drop(place);
            result
        })
        .await
    }

    /// Runs one long job, such as reading a table to its end, outside the pool's count: it must
    /// be bounded by its owner, and it must end when its channel closes.
    pub async fn run_long<T, F>(&self, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Self::finish(job).await
    }

    #[expect(clippy::disallowed_methods, reason = "this is the supervisor's pool")]
    async fn finish<T, F>(job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match tokio::task::spawn_blocking(job).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down: nobody will read the result.
            Err(_) => std::future::pending().await,
        }
    }
}
