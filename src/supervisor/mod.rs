//! The owner of every task and of the blocking pool.
//!
//! A task without an owner is one whose failure nobody sees. Everything that runs is spawned here
//! under a name, with what a stop does to it and what its own end means:
//!
//! * a *standing* task (a stage, a listener) never ends by itself: its end ends the process, in
//!   order, with its error as the cause;
//! * a *passing* task (one connection) may end when it likes; its error is its own to report.
//!
//! Stop order: [`Stop`] is raised, tasks that drain are awaited for the grace period, tasks that
//! abort are cut at once; whoever has not ended by then is cut and named in [`Ended`].
//!
//! Tasks that are replaced while the process runs belong to a [`Supervisor::shift`], which ends by
//! itself or with the process.

mod heart;
mod pool;
mod shift;

pub use heart::Heart;
pub use pool::Pool;
pub use shift::{Retired, Stop};

use shift::Shift;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::clock::Clock;

/// What a task may fail with.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// What a stop does to a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopPolicy {
    /// It sees [`Stop`], finishes what it is doing, and is awaited.
    Drain,
    /// It holds nothing worth finishing and is cut at its next await.
    Abort,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// Its end ends the process.
    Standing,
    /// Its end means nothing to others.
    Passing,
}

#[derive(Debug)]
struct Task {
    name: String,
    policy: StopPolicy,
    end: End,
    abort: tokio::task::AbortHandle,
    shift: Option<Arc<Shift>>,
}

impl Task {
    /// Its shift was told to end, so that its own end means nothing.
    fn is_retired(&self) -> bool {
        self.shift.as_ref().is_some_and(|shift| shift.is_over())
    }
}

#[derive(Debug, Default)]
struct Tasks {
    set: JoinSet<Result<(), TaskError>>,
    known: HashMap<Id, Task>,
}

/// A data-less nudge: "look in the ledger". Nudges coalesce.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Notify>);

impl Signal {
    /// Wakes one waiter now, or the next that comes.
    pub fn raise(&self) {
        self.0.notify_one();
    }

    /// Completes at the next nudge. Register before looking: create the future, look, then await.
    /// Cancel-safe: a nudge that came meanwhile stays.
    pub fn raised(&self) -> impl Future<Output = ()> + '_ {
        self.0.notified()
    }
}

/// How the process came to its end.
#[derive(Debug, Default)]
pub struct Ended {
    /// The standing task that ended by itself, with its error where it had one.
    pub cause: Option<(String, Option<TaskError>)>,
    /// Tasks that did not end within the grace period.
    pub cut: Vec<String>,
}

/// Cheap to clone; every clone owns the same tasks.
#[derive(Clone, Debug)]
pub struct Supervisor {
    tasks: Arc<Mutex<Tasks>>,
    spawned: Arc<Notify>,
    hearts: Arc<Mutex<Vec<Weak<heart::Beats>>>>,
    stop: watch::Sender<bool>,
    shift: Option<Arc<Shift>>,
    clock: Clock,
    pool: Pool,
}

impl Supervisor {
    /// A supervisor without tasks, whose pool runs at most `blocking` short jobs at once.
    pub fn new(clock: Clock, blocking: usize) -> Self {
        let (stop, _) = watch::channel(false);
        Self {
            tasks: Arc::default(),
            spawned: Arc::default(),
            hearts: Arc::default(),
            stop,
            shift: None,
            clock,
            pool: Pool::new(blocking),
        }
    }

    /// The clock everything under this supervisor shows.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where blocking work goes.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Sees the stop: the process's, and that of the shift this supervisor is of.
    pub fn stop_signal(&self) -> Stop {
        Stop::new(self.stop.subscribe(), self.shift.as_deref())
    }

    /// A heart for a task of this name: while it works it owes a sign of life.
    pub fn heart(&self, name: impl Into<String>) -> Heart {
        let (heart, watched) = Heart::new(name.into(), self.clock.clone());
        let mut hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        hearts.retain(|known| known.strong_count() > 0);
        hearts.push(watched);
        heart
    }

    /// Tasks that work and gave no sign of life for longer than `limit`, with their last one.
    pub fn silent(&self, limit: Duration) -> Vec<(String, Timestamp)> {
        let hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut silent: Vec<_> =
            hearts.iter().filter_map(|known| known.upgrade()?.silent(limit)).collect();
        silent.sort();
        silent
    }

    /// Raises the stop of the process; [`Supervisor::run`] does the rest.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Starts a standing task: its end, by itself, ends the process.
    pub fn spawn<F>(&self, name: impl Into<String>, policy: StopPolicy, task: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.start(name.into(), policy, End::Standing, task);
    }

    /// Starts a passing task: one connection, one transfer. Its error is ignored here, so it must
    /// report for itself.
    pub fn spawn_passing<F>(&self, name: impl Into<String>, policy: StopPolicy, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start(name.into(), policy, End::Passing, async move {
            task.await;
            Ok(())
        });
    }

    #[expect(clippy::disallowed_methods, reason = "this is the supervisor's own JoinSet")]
    fn start<F>(&self, name: String, policy: StopPolicy, end: End, task: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let shift = self.shift.clone();
        let present = shift.as_ref().map(Shift::enter);
        let mut tasks = self.lock();
        let abort = tasks.set.spawn(async move {
            let _present = present;
            task.await
        });
        tasks.known.insert(abort.id(), Task { name, policy, end, abort, shift });
        drop(tasks);
        self.spawned.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the tasks that run, sorted.
    pub fn running(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.lock().known.values().map(|task| task.name.clone()).collect();
        names.sort();
        names
    }

    /// Waits until a standing task ends or the stop is raised, then stops everything in order.
    /// `grace` bounds the drain. Not cancel-safe: dropping it leaves tasks running.
    pub async fn run(&self, grace: Duration) -> Ended {
        self.run_until(|| grace).await
    }

    /// As [`Supervisor::run`]; how long the drain may take is asked when it begins.
    pub async fn run_until(&self, grace: impl Fn() -> Duration) -> Ended {
        let mut ended = Ended::default();
        let mut raised = self.stop_signal();
        let stop = self.stop_signal();
        while !stop.is_raised() {
            tokio::select! {
                () = raised.raised() => {}
                (task, result) = self.next_end() => {
                    // A task that ends because the stop was raised ended in order.
                    let in_order = stop.is_raised() || task.is_retired();
                    if task.end == End::Standing && !in_order {
                        ended.cause = Some((task.name, result.err()));
                        self.stop();
                    }
                }
            }
        }
        self.drain(grace(), &mut ended).await;
        ended
    }

    async fn drain(&self, grace: Duration, ended: &mut Ended) {
        for task in self.lock().known.values() {
            if task.policy == StopPolicy::Abort {
                task.abort.abort();
            }
        }
        let patience = tokio::time::sleep(grace);
        tokio::pin!(patience);
        while !self.lock().known.is_empty() {
            tokio::select! {
                () = &mut patience => break,
                _ = self.next_end() => {}
            }
        }
        let mut tasks = self.lock();
        ended.cut = tasks.known.drain().map(|(_, task)| task.name).collect();
        ended.cut.sort();
        tasks.set.abort_all();
    }

    /// The next task that ends. Cancel-safe: a task's end is taken in the poll that returns it.
    async fn next_end(&self) -> (Task, Result<(), TaskError>) {
        loop {
            let spawned = self.spawned.notified();
            let next = std::future::poll_fn(|context| {
                let mut tasks = self.lock();
                match tasks.set.poll_join_next_with_id(context) {
                    Poll::Ready(Some(end)) => Poll::Ready(Some(settle(&mut tasks, end))),
                    Poll::Ready(None) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            tokio::select! {
                end = next => match end {
                    Some(Some(end)) => return end,
                    Some(None) => {}
                    None => self.spawned.notified().await,
                },
                () = spawned => {}
            }
        }
    }
}

/// Takes an ended task out of the books. A panic goes on: it is a bug, in release builds it
/// aborts.
fn settle(
    tasks: &mut Tasks,
    end: Result<(Id, Result<(), TaskError>), JoinError>,
) -> Option<(Task, Result<(), TaskError>)> {
    match end {
        Ok((id, result)) => tasks.known.remove(&id).map(|task| (task, result)),
        Err(error) => {
            let task = tasks.known.remove(&error.id());
            if error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
            task.map(|task| (task, Ok(())))
        }
    }
}

/// Waits until `clock` shows `at`. Cancel-safe: it holds nothing.
pub async fn sleep_until(clock: &Clock, at: Timestamp) {
    // The machine's clock may be set back while we wait: look again.
    loop {
        match clock.timer(at) {
            None => return clock.reached(at).await,
            Some(Duration::ZERO) => return,
            Some(wait) => tokio::time::sleep(wait.min(Duration::from_secs(60))).await,
        }
    }
}

/// Waits for `wait` on `clock`. Cancel-safe: it holds nothing.
pub async fn sleep(clock: &Clock, wait: Duration) {
    let at = clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
    sleep_until(clock, at).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(Clock::system(), 2)
    }

    #[tokio::test]
    async fn a_standing_task_that_ends_ends_the_process_and_is_named() {
        let supervisor = supervisor();
        let mut stop = supervisor.stop_signal();
        supervisor.spawn("drains", StopPolicy::Drain, async move {
            stop.raised().await;
            Ok(())
        });
        supervisor.spawn("fails", StopPolicy::Drain, async { Err("disk gone".into()) });
        let ended = supervisor.run(Duration::from_secs(60)).await;
        let (name, error) = ended.cause.unwrap();
        assert_eq!(name, "fails");
        assert_eq!(error.unwrap().to_string(), "disk gone");
        assert!(ended.cut.is_empty());
    }

    #[tokio::test]
    async fn a_passing_task_may_end() {
        let supervisor = supervisor();
        supervisor.spawn_passing("connection", StopPolicy::Abort, async {});
        let inner = supervisor.clone();
        supervisor.spawn("waits", StopPolicy::Drain, async move {
            while inner.running().len() > 1 {
                tokio::task::yield_now().await;
            }
            inner.stop();
            Ok(())
        });
        let ended = supervisor.run(Duration::from_secs(60)).await;
        assert!(ended.cause.is_none());
    }

    #[tokio::test]
    async fn whoever_outlives_the_grace_is_cut_and_named() {
        let supervisor = supervisor();
        supervisor.spawn("deaf", StopPolicy::Drain, std::future::pending());
        supervisor.spawn("light", StopPolicy::Abort, std::future::pending());
        supervisor.stop();
        let ended = supervisor.run(Duration::ZERO).await;
        assert_eq!(ended.cut, ["deaf"]);
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_who_sleeps_on_it() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = sleep(&clock, Duration::from_secs(3600));
        tokio::pin!(sleeper);
        for _ in 0..2 {
            let pending =
                std::future::poll_fn(|cx| Poll::Ready(sleeper.as_mut().poll(cx).is_pending()));
            assert!(pending.await);
            clock.advance(Duration::from_secs(1799));
        }
        clock.advance(Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        sleeper.await;
    }
}
