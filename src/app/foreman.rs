//! The foreman: puts other works in the place of those that run, one order after the other.
//!
//! Other works are built and proven first: whatever is wrong is told at once and touches nothing.
//! Then the stages that run end at their next step, the new ones are opened from the ledger and
//! what the old ones knew, and start. Sockets, metrics and the ledger stay open throughout. A
//! restart in between would find the same ledger, so that nothing new can be lost or doubled.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::notify;
use super::office::{Lent, Watch};
use super::works::{Current, Plan, Works};
use crate::cascade::Crew;
use crate::config::{Configuration, Problem};
use crate::control::protocol::{Failure, Reloaded};
use crate::delivery::Mode;
use crate::ledger::Crossing;
use crate::supervisor::{Signal, TaskError};
use crate::telemetry::logs::Chain;

/// Orders that may wait: each takes as long as the stages need to end.
const ORDERS: usize = 4;

/// What became of an order: what changed, or everything that spoke against it.
pub type Outcome = Result<Reloaded, Vec<Failure>>;

/// What the works are to be.
#[derive(Debug)]
enum Order {
    /// What the configuration's file says now.
    Reload,
    /// This.
    Replace(Box<Configuration>),
    /// This, and with it what a cut-over changes in the ledger.
    Turn(Box<Turn>),
    /// The same in another mode.
    Mode(Mode),
}

/// A cut-over's first step.
#[derive(Debug)]
pub(super) struct Turn {
    /// The job's number.
    pub(super) number: u64,
    /// What it was made of: another reload may have come between.
    pub(super) of: Arc<Configuration>,
    /// The channel turned to the other standard.
    pub(super) configuration: Configuration,
    /// What the ledger does in the same moment.
    pub(super) crossing: Crossing,
}

/// What changes in the ledger while no stage runs.
enum Also {
    /// A cut-over's first step.
    Cross(u64, Crossing),
    /// What the daemon does with what it finds.
    Mode(Mode),
}

struct Asked {
    order: Order,
    answer: oneshot::Sender<Outcome>,
}

/// What the foreman works with.
pub(super) struct Parts {
    /// Without a shift.
    pub(super) crew: Crew,
    pub(super) current: Arc<Current>,
    pub(super) watch: Arc<Watch>,
    pub(super) catalogue: Signal,
}

/// Takes orders from operators, signals and the program itself.
pub struct Foreman {
    parts: Parts,
    /// Raised when a cut-over was asked for.
    pub(super) cut_overs: Signal,
    /// Raised when a shadow run was asked for.
    pub(super) shadows: Signal,
    /// Raised when a takeover was asked for, or can go on.
    pub(super) takeovers: Signal,
    orders: mpsc::Sender<Asked>,
    waiting: Mutex<Option<mpsc::Receiver<Asked>>>,
}

impl std::fmt::Debug for Foreman {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Foreman").finish_non_exhaustive()
    }
}

impl Foreman {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let (orders, waiting) = mpsc::channel(ORDERS);
        Arc::new(Self {
            parts,
            cut_overs: Signal::default(),
            shadows: Signal::default(),
            takeovers: Signal::default(),
            orders,
            waiting: Mutex::new(Some(waiting)),
        })
    }

    /// Has the configuration, its standards and secrets read again and put to work.
    ///
    /// # Errors
    /// Every problem found; the works that ran go on.
    pub async fn reload(&self) -> Outcome {
        self.ask(Order::Reload).await
    }

    /// Puts this configuration to work: with [`Configuration::speaking`], another standard on one
    /// channel. What only a restart changes stays as it is. A later reload follows the file again.
    ///
    /// # Errors
    /// Every problem found; the works that ran go on.
    pub async fn replace(&self, configuration: Configuration) -> Outcome {
        self.ask(Order::Replace(Box::new(configuration))).await
    }

    /// Turns a channel to another standard: the ledger changes with the works, or neither does.
    pub(super) async fn turn(&self, turn: Turn) -> Outcome {
        self.ask(Order::Turn(Box::new(turn))).await
    }

    /// Begins to carry, or only to watch: the ledger's word changes while no stage runs.
    ///
    /// # Errors
    /// Why the works go on as they were.
    pub async fn mode(&self, mode: Mode) -> Outcome {
        self.ask(Order::Mode(mode)).await
    }

    async fn ask(&self, order: Order) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { order, answer };
        // Either fails only when the foreman has gone home.
        if self.orders.send(asked).await.is_err() {
            return Err(vec![stopping()]);
        }
        answered.await.unwrap_or_else(|_gone| Err(vec![stopping()]))
    }

    /// Takes orders until the stop; an error leaves no works that could go on.
    pub(super) async fn serve(self: Arc<Self>) -> Result<(), TaskError> {
        let taken = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut orders) = taken else { return Ok(()) };
        let mut stop = self.parts.crew.supervisor.stop_signal();
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.raised() => return Ok(()),
                asked = orders.recv() => asked,
            };
            let Some(Asked { order, answer }) = asked else { return Ok(()) };
            notify::reloading();
            let outcome = self.obey(order).await?;
            tell(&outcome);
            notify::ready();
            // Who asked may have gone; the works stay changed.
            drop(answer.send(outcome));
        }
    }

    async fn obey(&self, order: Order) -> anyhow::Result<Outcome> {
        let before = self.parts.current.load();
        let clock = self.parts.crew.supervisor.clock();
        let mut also = None;
        let (read, problems) = match order {
            Order::Reload => {
                let path = before.configuration.path.clone();
                let pool = self.parts.crew.supervisor.pool();
                match pool.run(move || Configuration::examine(&path)).await {
                    Ok((read, mut problems)) => {
                        let read = self.in_force(read, &mut problems).await?;
                        (read, problems)
                    }
                    Err(problems) => return Ok(Err(failures(&problems))),
                }
            }
            Order::Replace(configuration) => (*configuration, Vec::new()),
            Order::Mode(mode) => return self.turn_mode(mode, &before).await,
            Order::Turn(turn) if !Arc::ptr_eq(&turn.of, &before.configuration) => {
                let what = "the configuration was read again meanwhile".to_owned();
                return Ok(Err(vec![Failure { temporary: true, ..failed(what) }]));
            }
            Order::Turn(turn) => {
                also = Some(Also::Cross(turn.number, turn.crossing));
                (turn.configuration, Vec::new())
            }
        };
        let problems = super::prove::with_the_world(&read, problems, clock).await;
        if !problems.is_empty() {
            return Ok(Err(failures(&problems)));
        }
        let changes = before.configuration.changes(&read);
        let mut reloaded = Reloaded { changed: changes.changed, kept: changes.kept };
        if reloaded.changed.is_empty() && also.is_none() {
            let renewed = self.renew(&before).await;
            return Ok(renewed.map(|credentials| {
                reloaded.changed = credentials;
                reloaded
            }));
        }
        let configuration = Arc::new(read.in_place_of(&before.configuration));
        let plan = match Plan::draw(configuration, &self.parts.crew) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(vec![refusal(&error)])),
        };
        let exchanged = self.exchange(plan, &before, also).await?;
        Ok(exchanged.map(|()| reloaded).map_err(|error| vec![refusal(&error)]))
    }

    /// The same configuration at work in another mode.
    async fn turn_mode(&self, mode: Mode, before: &Works) -> anyhow::Result<Outcome> {
        // Told to watch again, it looks at everything anew.
        if mode == Mode::Live && self.parts.crew.ledger.mode() == mode {
            // A new ledger's word may not have been said by anybody yet.
            self.parts.crew.ledger.mode_set(mode).await?;
            return Ok(Ok(Reloaded::default()));
        }
        let plan = match Plan::draw(Arc::clone(&before.configuration), &self.parts.crew) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(vec![refusal(&error)])),
        };
        let exchanged = self.exchange(plan, before, Some(Also::Mode(mode))).await?;
        let changed = vec![format!("mode: {}", mode.as_str())];
        let reloaded = Reloaded { changed, ..Reloaded::default() };
        Ok(exchanged.map(|()| reloaded).map_err(|error| vec![refusal(&error)]))
    }

    /// Nothing but secrets and certificates can have changed: no stage need end for them.
    async fn renew(&self, works: &Works) -> Result<Vec<String>, Vec<Failure>> {
        let mut changed = Vec::new();
        let mut failures = Vec::new();
        for channel in &works.channels {
            let place = format!("channel.{}.province", channel.id);
            match channel.reload() {
                Ok(()) => changed.push(format!("{place}: credentials")),
                Err(error) => failures.push(Failure {
                    place: Some(place),
                    next: Some("the old credentials stay in use".to_owned()),
                    ..failed(Chain(&error).to_string())
                }),
            }
        }
        if let Err(error) = self.let_go(works).await {
            failures.push(refusal(&error));
        }
        works.channels.iter().for_each(|channel| channel.wake());
        if failures.is_empty() { Ok(changed) } else { Err(failures) }
    }

    /// The old works end, the new ones start. An outer error: neither can go on.
    async fn exchange(
        &self,
        plan: Plan,
        before: &Works,
        also: Option<Also>,
    ) -> anyhow::Result<anyhow::Result<()>> {
        let Parts { crew, current, watch, catalogue } = &self.parts;
        let retired = before.retire(before.configuration.pace.grace).await?;
        if crew.supervisor.stop_signal().is_raised() {
            return Ok(Err(anyhow::anyhow!("the daemon stops")));
        }
        let predecessor = retired.cut.is_empty().then_some(before);
        let opened = async {
            let works = plan.open(predecessor, catalogue.clone()).await?;
            match also {
                Some(Also::Cross(number, crossing)) => {
                    crate::crash::point("cut-over-ready");
                    if !crew.ledger.crossed(number, crossing).await? {
                        anyhow::bail!("the cut-over was called off");
                    }
                    crate::crash::point("cut-over-made");
                }
                Some(Also::Mode(mode)) => drop(crew.ledger.mode_set(mode).await?),
                None => {}
            }
            works.record_standards().await?;
            self.let_go(&works).await?;
            Ok::<_, anyhow::Error>(works)
        };
        let refused = match opened.await {
            Ok(works) => {
                current.exchange(works, |works| watch.reconfigured(&works.configuration));
                None
            }
            // What the cut tasks left behind can be read neither for the new nor for the old.
            Err(error) if predecessor.is_none() => return Err(error),
            Err(error) => {
                current.exchange(before.again(), |_same| {});
                Some(error)
            }
        };
        current.load().start();
        Ok(refused.map_or(Ok(()), Err))
    }

    /// The file as it is read, with the standards that cut-overs put in force.
    async fn in_force(
        &self,
        read: Configuration,
        problems: &mut Vec<Problem>,
    ) -> anyhow::Result<Configuration> {
        let (read, gone) = super::cutover::in_force(read, &self.parts.crew.ledger).await?;
        problems.extend(gone);
        Ok(read)
    }

    /// Holds are lifted and waits end: somebody acted, so that everything is tried once more.
    async fn let_go(&self, works: &Works) -> anyhow::Result<()> {
        let ledger = &self.parts.crew.ledger;
        for channel in &works.channels {
            ledger.holds_lifted(Some(channel.id.clone())).await?;
            ledger.every_wait_ended(channel.id.clone()).await?;
        }
        Ok(())
    }
}

impl Lent for Foreman {
    fn mode(&self, mode: Mode) -> BoxFuture<'_, Outcome> {
        Box::pin(self.mode(mode))
    }

    fn reload(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(self.reload())
    }

    fn cut_over(&self) {
        self.cut_overs.raise();
    }

    fn shadow(&self) {
        self.shadows.raise();
    }

    fn takeover(&self) {
        self.takeovers.raise();
    }
}

fn tell(outcome: &Outcome) {
    match outcome {
        Ok(reloaded) => tracing::info!(
            changed = reloaded.changed.join(", "),
            kept = reloaded.kept.join(", "),
            "read again"
        ),
        Err(failures) => {
            for it in failures {
                let place = it.place.as_deref().unwrap_or_default();
                tracing::warn!(code = it.code, place, "reload refused: {}", it.what);
            }
        }
    }
}

fn failures(problems: &[Problem]) -> Vec<Failure> {
    let failure = |problem: &Problem| Failure {
        code: problem.code.to_owned(),
        place: Some(problem.place.clone()),
        next: Some("the configuration in use stays in force".to_owned()),
        ..failed(problem.message.clone())
    };
    problems.iter().map(failure).collect()
}

fn failed(what: String) -> Failure {
    Failure { code: "E-RELOAD".to_owned(), what, place: None, next: None, temporary: false }
}

fn refusal(error: &anyhow::Error) -> Failure {
    let next = Some("the configuration in use stays in force".to_owned());
    Failure { next, ..failed(format!("{error:#}")) }
}

fn stopping() -> Failure {
    Failure { temporary: true, ..failed("the daemon stops".to_owned()) }
}
