//! The daemon put together: built from a configuration, run, changed while it runs, stopped in
//! order.
//!
//! [`App::build`] may fail and binds nothing until the configuration is proven; [`App::run`] owns
//! everything until the stop. What is built from the configuration is replaced as a whole while
//! the rest goes on: [`Works`] and the [`Foreman`]. Stop order: the stages see the stop and finish
//! the step they are in (a running upload reaches its end or its timeout), the doors close last,
//! so that `status` answers during the drain.

mod approved;
mod beside;
mod bulletins;
mod cases;
mod contact;
mod counts;
mod cutover;
mod declare;
mod doctor;
mod doors;
mod errand;
mod exempt;
mod ferry;
mod foreman;
mod intake;
mod judge;
mod lines;
mod notify;
pub mod office;
mod overdue;
mod ownership;
mod pool;
mod probing;
mod prove;
mod receiver;
mod recorder;
mod rekey;
mod shadow;
mod takeover;
mod webhook;
mod works;

pub use beside::{further_channel, names_candidate};
pub use cutover::upper_ids;
pub use doctor::{Code, Entry, Found, Severity, doctor, unreadable};
pub use doors::{restore, verify_offline};
pub use foreman::{Foreman, Outcome};
pub use judge::{Ahead, Asked, Judge, Live, NotJudged, Shown};
pub use prove::{prove, with_the_world};
pub use takeover::queried;
pub use works::{Current, Works};

use std::sync::Arc;

use anyhow::Context as _;

use crate::cascade::{Channel, Crew, Events, Files, Pace, Readers};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::ledger::Ledger;
use crate::probe::Board;
use crate::telemetry::metrics::Metrics;

use self::foreman::Parts;
use self::office::{FAILURE_CODES, Watch};
use self::works::Plan;
use crate::supervisor::{Ended, Heart, Signal, StopPolicy, Supervisor};

/// Datasets that have metric series of their own; the rest share one.
const DATASET_SERIES: usize = 200;
/// Blocking jobs at once: readers, packers, the ledger.
const BLOCKING: usize = 6;

/// The daemon, ready to run.
pub struct App {
    /// Owns every task.
    pub supervisor: Supervisor,
    /// What lives as long as the process, as the stages see it.
    pub crew: Crew,
    /// Makes the catalogue be read now.
    pub catalogue: Signal,
    /// Puts another configuration to work.
    pub foreman: Arc<Foreman>,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    watch: Arc<Watch>,
    live: Arc<Live>,
    board: Arc<Board>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// Opens the ledger and its files, reads secrets, makes clients. Connects nowhere.
    pub async fn build(configuration: Configuration, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(DATASET_SERIES, FAILURE_CODES));
        let watch = Arc::new(Watch::new(Arc::clone(&metrics), &configuration, clock.clone()));
        let events: Arc<dyn Events> = Arc::<Watch>::clone(&watch);
        let supervisor = Supervisor::new(clock.clone(), BLOCKING);
        let key_file = configuration.ledger.key_file.display();
        let sealer =
            configuration.ledger.sealer().with_context(|| format!("ledger.key_file {key_file}"))?;
        let sealer = Arc::new(sealer);
        let folder = configuration.ledger.folder.clone();
        let (opening, opened_by) = (Arc::clone(&sealer), clock.clone());
        let pool = supervisor.pool().clone();
        let ledger =
            pool.clone().run(move || Ledger::open(&folder, &opening, opened_by, pool)).await?;
        ledger.mode_begun(configuration.ledger.begins).await?;
        let limits = configuration.ledger.limits();
        let files = Files::open(&ledger, sealer, limits, supervisor.pool().clone()).await?;
        let (readers, pace, heart) = (Readers::default(), Pace::default(), Heart::default());
        let supervised = supervisor.clone();
        let crew = Crew { ledger, files, supervisor: supervised, events, pace, readers, heart };
        let catalogue = Signal::default();
        let (configuration, gone) = cutover::in_force(configuration, &crew.ledger).await?;
        if let Some(problem) = gone.first() {
            anyhow::bail!("{problem}");
        }
        let plan = Plan::draw(Arc::new(configuration), &crew)?;
        let works = plan.open(None, catalogue.clone()).await?;
        works.record_standards().await?;
        let current = Current::new(works);
        let foreman = Foreman::new(Parts {
            crew: crew.clone(),
            current: Arc::clone(&current),
            watch: Arc::clone(&watch),
            catalogue: catalogue.clone(),
        });
        let (live, board) = (Arc::default(), Arc::default());
        Ok(Self { supervisor, crew, catalogue, foreman, current, metrics, watch, live, board })
    }

    /// What is at work now.
    pub fn works(&self) -> Arc<Works> {
        self.current.load()
    }

    /// The channels as they are now.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.works().channels.clone()
    }

    /// Starts every stage, and takes orders to change them.
    pub fn start(&self) {
        self.works().start();
        let foreman = Arc::clone(&self.foreman);
        self.supervisor.spawn("foreman", StopPolicy::Drain, foreman.serve());
        let deadlines = overdue::serve(self.crew.clone(), Arc::clone(&self.current));
        self.supervisor.spawn("deadlines", StopPolicy::Abort, deadlines);
        let contact = contact::serve(self.crew.clone(), Arc::clone(&self.watch));
        self.supervisor.spawn("contact", StopPolicy::Abort, contact);
        let live = judge::live::serve(
            self.crew.clone(),
            Arc::clone(&self.current),
            Arc::clone(&self.live),
        );
        self.supervisor.spawn("score", StopPolicy::Abort, live);
        let lines = lines::serve(self.crew.clone(), Arc::clone(&self.current));
        self.supervisor.spawn("inbox", StopPolicy::Abort, lines);
        let probing = probing::Probing {
            crew: self.crew.clone(),
            current: Arc::clone(&self.current),
            board: Arc::clone(&self.board),
            metrics: Arc::clone(&self.metrics),
        };
        self.supervisor.spawn("probes", StopPolicy::Drain, probing.serve());
        let ahead = judge::ahead::serve(
            self.crew.clone(),
            Arc::clone(&self.current),
            Arc::clone(&self.live),
        );
        self.supervisor.spawn("forecast", StopPolicy::Abort, ahead);
        let cut_over = cutover::Task::new(
            self.crew.clone(),
            Arc::clone(&self.current),
            Arc::clone(&self.foreman),
        );
        let (under, asked) = (self.supervisor.clone(), self.foreman.cut_overs.clone());
        let cut_over = errand::serve(cut_over, under, asked);
        self.supervisor.spawn("cut-over", StopPolicy::Drain, cut_over);
        let shadow = shadow::Task::new(self.crew.clone(), Arc::clone(&self.current));
        let (under, asked) = (self.supervisor.clone(), self.foreman.shadows.clone());
        let shadow = errand::serve(shadow, under, asked);
        self.supervisor.spawn("shadow", StopPolicy::Drain, shadow);
        let current = Arc::clone(&self.current);
        let rekey = rekey::Rekey { crew: self.crew.clone(), current, is_done: false };
        let rekey = errand::serve(rekey, self.supervisor.clone(), Signal::default());
        self.supervisor.spawn("rekey", StopPolicy::Drain, rekey);
        let takeover = takeover::Task::new(self.crew.clone(), Arc::clone(&self.current));
        let (under, asked) = (self.supervisor.clone(), self.foreman.takeovers.clone());
        let takeover = errand::serve(takeover, under, asked);
        self.supervisor.spawn("takeover", StopPolicy::Drain, takeover);
    }

    /// Waits for the stop, or for a task that ended by itself, and stops everything in order.
    pub async fn run(&self) -> Ended {
        let mut stop = self.supervisor.stop_signal();
        self.supervisor.spawn_passing("stopping", StopPolicy::Drain, async move {
            stop.raised().await;
            notify::stopping();
        });
        self.supervisor.run_until(|| self.works().configuration.pace.grace).await
    }
}
