//! The commands that start or open something themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::{Demo, Rehearsal, Rehearse};
use super::{Console, Exit, Local, Trouble, conformance, demonstration, rehearse};
use crate::app::{App, Found};
use crate::clock::Clock;
use crate::config::{Configuration, Problem};
use crate::control::protocol::{Failure, LedgerReport};
use crate::supervisor::{Ended, StopPolicy, Supervisor, TaskError};
use crate::telemetry::logs;

/// How long blocking jobs that outlived the stop may take to end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Everything assembled: what `main` hands to the command line.
#[derive(Clone, Copy, Debug)]
pub struct Assembly;

impl Local for Assembly {
    fn demo(&self, demo: &Demo, console: &mut Console<'_>) -> Result<(), Trouble> {
        log(logs::Settings { level: logs::Least::Error, ..logs::Settings::default() })?;
        runtime()?.block_on(demonstration::run(demo, console))
    }

    fn run(&self, config: &Path, _console: &mut Console<'_>) -> Result<(), Trouble> {
        let runtime = runtime()?;
        let result = runtime.block_on(run(config));
        leave(runtime, LAST_WAIT);
        result
    }

    fn check(&self, config: &Path) -> Result<(), Trouble> {
        runtime()?.block_on(proven(config, |_| Ok(()))).map(drop)
    }

    fn doctor(&self, config: &Path, candidate: Option<&str>) -> Result<Vec<Found>, Trouble> {
        let clock = Clock::system();
        let (configuration, problems) = match Configuration::examine(config) {
            Ok(examined) => examined,
            Err(problems) => return Ok(crate::app::unreadable(&problems)),
        };
        let looking = crate::app::doctor(&configuration, &problems, candidate, &clock);
        Ok(runtime()?.block_on(looking))
    }

    fn queried(
        &self,
        config: &Path,
        source: &str,
        query: &str,
    ) -> Result<Vec<Vec<String>>, Trouble> {
        let configuration = load(config)?;
        let reading = crate::app::queried(&configuration, source, query);
        runtime()?.block_on(reading).map_err(failed("E-TAKEOVER-QUERY"))
    }

    fn ledger_verify(&self, config: &Path) -> Result<LedgerReport, Trouble> {
        let configuration = load(config)?;
        runtime()?.block_on(crate::app::verify_offline(&configuration)).map_err(failed("E-LEDGER"))
    }

    fn ledger_restore(
        &self,
        config: &Path,
        backup: &Path,
        console: &mut Console<'_>,
    ) -> Result<(), Trouble> {
        let configuration = load(config)?;
        crate::app::restore(&configuration, backup).map_err(failed("E-LEDGER"))?;
        console.note(&configuration.ledger.folder.display().to_string());
        Ok(())
    }

    fn rehearsal(
        &self,
        config: &Path,
        rehearsal: &Rehearsal,
        console: &mut Console<'_>,
    ) -> Result<(), Trouble> {
        if let Some(Rehearse::Conformance(trial)) = &rehearsal.command {
            log(logs::Settings { level: logs::Least::Error, ..logs::Settings::default() })?;
            return runtime()?.block_on(conformance::run(trial, config, console));
        }
        log(logs::Settings::default())?;
        runtime()?.block_on(rehearse::run(rehearsal, console)).map_err(failed("E-REHEARSAL"))
    }
}

/// Reads the configuration; every problem at once and exit 78.
pub(super) fn load(path: &Path) -> Result<Configuration, Trouble> {
    Configuration::load(path).map_err(|problems| Trouble {
        exit: Exit::Configuration,
        failures: problems.iter().map(problem).collect(),
    })
}

/// Reads the configuration and asks the files and sources that it names; every problem of both at
/// once and exit 78. `begin` comes between the two.
async fn proven(
    path: &Path,
    begin: impl FnOnce(&Configuration) -> Result<(), Trouble>,
) -> Result<Configuration, Trouble> {
    let trouble = |problems: Vec<Problem>| Trouble {
        exit: Exit::Configuration,
        failures: problems.iter().map(problem).collect(),
    };
    let (configuration, problems) = Configuration::examine(path).map_err(trouble)?;
    begin(&configuration)?;
    let problems = crate::app::with_the_world(&configuration, problems, &Clock::system()).await;
    if problems.is_empty() { Ok(configuration) } else { Err(trouble(problems)) }
}

fn problem(problem: &Problem) -> Failure {
    Failure {
        code: problem.code.to_owned(),
        what: problem.message.clone(),
        place: Some(problem.place.clone()),
        next: None,
        temporary: false,
    }
}

/// A failure of the whole command, with its causes.
pub(super) fn failed(code: &'static str) -> impl FnOnce(anyhow::Error) -> Trouble {
    move |error| {
        let failure = Failure {
            code: code.to_owned(),
            what: format!("{error:#}"),
            place: None,
            next: None,
            temporary: false,
        };
        Trouble::one(Exit::Failure, failure)
    }
}

fn runtime() -> Result<Runtime, Trouble> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Readers and the pool's places are bounded below this; idle threads keep memory.
        .max_blocking_threads(32)
        .thread_keep_alive(Duration::from_secs(2))
        .enable_all()
        .build()
        .map_err(|error| failed("E-CLI-RUNTIME")(error.into()))
}

fn log(settings: logs::Settings) -> Result<(), Trouble> {
    let level = std::env::var("RUST_LOG").ok();
    logs::start(settings, level.as_deref(), Clock::system())
        .map_err(|error| failed("E-CLI-LOG")(error.into()))
}

/// Runs the daemon; signals are caught before anything is opened.
async fn run(config: &Path) -> Result<(), Trouble> {
    let signals = |error: std::io::Error| failed("E-RUN-SIGNALS")(error.into());
    let mut stops = Stops::catch().map_err(signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(signals)?;
    let ready = async {
        let configuration = proven(config, |it| log(it.logs)).await?;
        let built = App::build(configuration, Clock::system()).await;
        let app = built.map_err(failed("E-RUN-BUILD"))?;
        app.open_doors().await.map_err(failed("E-RUN-DOORS"))?;
        Ok::<_, Trouble>(app)
    };
    let app = tokio::select! {
        app = ready => app?,
        () = stops.raised() => {
            tracing::info!("told to stop before it was ready");
            return Ok(());
        }
    };
    app.start();
    stops.watch(&app.supervisor);
    reload_on(hangup, &app);
    let ended = app.run().await;
    outcome(ended)
}

/// SIGHUP reads everything again; what comes of it is logged.
fn reload_on(mut hangup: Signal, app: &App) {
    let foreman = Arc::clone(&app.foreman);
    app.supervisor.spawn("hangup", StopPolicy::Abort, async move {
        while hangup.recv().await.is_some() {
            drop(foreman.reload().await);
        }
        std::future::pending::<Result<(), TaskError>>().await
    });
}

/// Leaves the runtime. A blocking job that does not end, such as a read from a share that is gone,
/// holds nothing that the next start needs: it is left behind after `patience`.
fn leave(runtime: Runtime, patience: Duration) {
    let clock = Clock::system();
    let begun = clock.now();
    runtime.shutdown_timeout(patience);
    let took = Duration::try_from(clock.now().duration_since(begun)).unwrap_or_default();
    if took >= patience {
        tracing::warn!(seconds = patience.as_secs(), "a blocking job did not end and is left");
    }
}

/// What the supervisor's end means for the process.
pub(super) fn outcome(ended: Ended) -> Result<(), Trouble> {
    for name in &ended.cut {
        tracing::warn!(task = name, "did not end within the grace period");
    }
    match ended.cause {
        None => Ok(()),
        Some((task, error)) => {
            let chain = error.as_ref().map_or_else(String::new, |error| {
                let error: &(dyn std::error::Error + 'static) = &**error;
                format!(": {}", logs::Chain(error))
            });
            tracing::error!(task, "ended by itself{chain}");
            Err(failed("E-RUN-ENDED")(anyhow::anyhow!("task {task} ended by itself{chain}")))
        }
    }
}

/// SIGTERM and SIGINT, caught from now on: one that comes early is not lost and kills nobody.
pub(super) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Must be called within a runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Completes when one came. Cancel-safe: one that came stays.
    async fn raised(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Has the supervisor stop in order at the first.
    pub(super) fn watch(mut self, supervisor: &Supervisor) {
        let stopping = supervisor.clone();
        supervisor.spawn("signals", StopPolicy::Abort, async move {
            self.raised().await;
            stopping.stop();
            std::future::pending::<Result<(), TaskError>>().await
        });
    }
}

/// SIGTERM and SIGINT stop in order.
pub(super) fn stop_on_signals(supervisor: &Supervisor) -> std::io::Result<()> {
    Stops::catch()?.watch(supervisor);
    Ok(())
}
