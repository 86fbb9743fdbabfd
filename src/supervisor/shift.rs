//! Tasks that end together while the process goes on: those that work on one configuration.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{StopPolicy, Supervisor};

/// How long a task that was cut may take to be gone: it is dropped at its next await.
const CUT_WITHIN: Duration = Duration::from_secs(5);

/// Raised once, when the daemon or this shift is to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    process: watch::Receiver<bool>,
    shift: Option<watch::Receiver<bool>>,
}

impl Stop {
    pub(super) fn new(process: watch::Receiver<bool>, shift: Option<&Shift>) -> Self {
        Self { process, shift: shift.map(|shift| shift.over.subscribe()) }
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.process.borrow() || self.shift.as_ref().is_some_and(|over| *over.borrow())
    }

    /// Completes when it is raised. Cancel-safe: it only watches.
    pub async fn raised(&mut self) {
        // An error means that the supervisor is gone, which is a stop as well.
        let Some(shift) = &mut self.shift else {
            drop(self.process.wait_for(|raised| *raised).await);
            return;
        };
        tokio::select! {
            raised = self.process.wait_for(|raised| *raised) => drop(raised),
            over = shift.wait_for(|over| *over) => drop(over),
        }
    }
}

/// One group of tasks and how many of them are there.
#[derive(Debug)]
pub(super) struct Shift {
    over: watch::Sender<bool>,
    present: watch::Sender<usize>,
}

impl Shift {
    fn new() -> Arc<Self> {
        let (over, _) = watch::channel(false);
        let (present, _) = watch::channel(0);
        Arc::new(Self { over, present })
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// One more is there until what is returned is dropped, however its task ends.
    pub(super) fn enter(shift: &Arc<Self>) -> Present {
        shift.present.send_modify(|present| *present += 1);
        Present(Arc::clone(shift))
    }

    /// Completes when nobody is there; false when `patience` ends first. Cancel-safe: it only
    /// watches.
    async fn empty(&self, patience: Duration) -> bool {
        let mut present = self.present.subscribe();
        tokio::time::timeout(patience, present.wait_for(|present| *present == 0)).await.is_ok()
    }
}

/// A task is there.
pub(super) struct Present(Arc<Shift>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.present.send_modify(|present| *present = present.saturating_sub(1));
    }
}

/// How a shift came to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Retired {
    /// Tasks that did not end within the grace period and were cut.
    pub cut: Vec<String>,
    /// Of these, some go on: they never come to an await.
    pub stuck: bool,
}

impl Supervisor {
    /// A supervisor of the same tasks, pool and clock, whose own tasks can be ended by
    /// [`Supervisor::retire`] while the others go on.
    pub fn shift(&self) -> Self {
        Self { shift: Some(Shift::new()), ..self.clone() }
    }

    /// Ends this shift in the order of a stop: whoever drains is awaited for `grace`, whoever
    /// aborts is cut at once, and whoever outlives the grace is cut and named. On a supervisor that
    /// is no shift it does nothing. Not cancel-safe: dropped, tasks go on ending.
    pub async fn retire(&self, grace: Duration) -> Retired {
        let Some(shift) = &self.shift else { return Retired::default() };
        shift.over.send_replace(true);
        drop(self.cut(shift, |policy| policy == StopPolicy::Abort));
        if shift.empty(grace).await {
            return Retired::default();
        }
        let cut = self.cut(shift, |_| true);
        let stuck = !shift.empty(CUT_WITHIN).await;
        Retired { cut, stuck }
    }

    /// Cuts the shift's tasks of some policies and names those that had not ended.
    fn cut(&self, shift: &Arc<Shift>, which: impl Fn(StopPolicy) -> bool) -> Vec<String> {
        let tasks = self.lock();
        let of_shift =
            |task: &&super::Task| task.shift.as_ref().is_some_and(|its| Arc::ptr_eq(its, shift));
        let mut names = Vec::new();
        for task in tasks.known.values().filter(of_shift).filter(|task| which(task.policy)) {
            if !task.abort.is_finished() {
                names.push(task.name.clone());
            }
            task.abort.abort();
        }
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn supervisor() -> Supervisor {
        Supervisor::new(Clock::system(), 2)
    }

    /// A task that ends with the stop it sees.
    fn spawn_obedient(of: &Supervisor, name: &str) {
        let mut stop = of.stop_signal();
        of.spawn(name, StopPolicy::Drain, async move {
            stop.raised().await;
            Ok(())
        });
    }

    #[tokio::test]
    async fn a_shift_ends_and_the_process_goes_on() {
        let process = supervisor();
        let shift = process.shift();
        spawn_obedient(&process, "door");
        spawn_obedient(&shift, "stage");
        shift.spawn_passing("reader", StopPolicy::Abort, std::future::pending());
        let running = process.run(Duration::from_secs(60));
        tokio::pin!(running);
        let retired = tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            retired = shift.retire(Duration::from_secs(60)) => retired,
        };
        assert_eq!(retired, Retired::default());
        assert!(shift.stop_signal().is_raised() && !process.stop_signal().is_raised());
        // Nobody of the old shift is left, and the next one is not stopped.
        let next = process.shift();
        spawn_obedient(&next, "stage again");
        assert!(!next.stop_signal().is_raised());
        process.stop();
        assert!(next.stop_signal().is_raised());
        let ended = running.await;
        assert!(ended.cause.is_none() && ended.cut.is_empty(), "{ended:?}");
    }

    #[tokio::test]
    async fn whoever_outlives_the_grace_of_its_shift_is_cut_and_named() {
        let process = supervisor();
        let shift = process.shift();
        shift.spawn("deaf", StopPolicy::Drain, std::future::pending());
        spawn_obedient(&shift, "obedient");
        let retired = shift.retire(Duration::from_millis(50)).await;
        assert_eq!(retired, Retired { cut: vec!["deaf".to_owned()], stuck: false });
    }

    #[tokio::test]
    async fn a_task_of_a_shift_that_ends_by_itself_ends_the_process() {
        let process = supervisor();
        process.shift().spawn("stage", StopPolicy::Drain, async { Err("disk gone".into()) });
        let ended = process.run(Duration::from_secs(60)).await;
        assert_eq!(ended.cause.unwrap().0, "stage");
    }
}
