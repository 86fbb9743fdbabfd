//! The doors of the daemon: the control socket, the HTTP listener, and what systemd is told.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::approved::Approved;
use super::bulletins::Schedule;
use super::ferry::COPIES;
use super::office::{Office, OfficeParts};
use super::ownership::Owner;
use super::recorder::Recorder;
use super::webhook::Webhook;
use super::{App, errand, notify};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::control::protocol::LedgerReport;
use crate::control::{Health as _, http, socket};
use crate::ledger;
use crate::supervisor::{Signal, StopPolicy, Supervisor, TaskError, sleep};

/// How often the office looks into the ledger for metrics and readiness.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tasks that end last.
const DOORS: [&str; 7] =
    ["http", "control", "office", "webhook", "recorder", "bulletins", "watchdog"];

/// Takes what is shown anew until it is aborted.
pub(super) async fn refreshing(office: &Office, clock: &Clock) {
    loop {
        sleep(clock, LOOK_EVERY).await;
        office.refresh().await;
    }
}

impl App {
    /// Opens the doors and tells systemd that the daemon is ready. The address is that of HTTP,
    /// where it is served.
    pub async fn open_doors(&self) -> anyhow::Result<Option<SocketAddr>> {
        let settings = self.works().configuration.control.clone();
        let listener = match settings.http {
            Some(address) => Some(
                http::Listener::bind(address)
                    .await
                    .with_context(|| format!("control.http {address}"))?,
            ),
            None => None,
        };
        let address = listener.as_ref().map(http::Listener::address);
        let office = Arc::new(self.office(address));
        office.refresh().await;
        let supervisor = &self.supervisor;
        if let Some(listener) = listener {
            let (health, under) = (Arc::clone(&office), supervisor.clone());
            supervisor.spawn("http", StopPolicy::Drain, async move {
                listener.serve(health, last(under)).await;
                Ok(())
            });
        }
        if let Some(settings) = settings.socket {
            let listener = socket::Listener::bind(&settings)
                .with_context(|| format!("control.socket {}", settings.path.display()))?;
            let (handler, under) = (Arc::clone(&office), supervisor.clone());
            supervisor.spawn("control", StopPolicy::Drain, async move {
                listener.serve(handler, last(under)).await;
                Ok(())
            });
        }
        let (looking, clock) = (Arc::clone(&office), supervisor.clock().clone());
        supervisor.spawn("office", StopPolicy::Abort, async move {
            refreshing(&looking, &clock).await;
            Ok(())
        });
        let webhook = Webhook {
            office: Arc::clone(&office),
            current: Arc::clone(&self.current),
            metrics: Arc::clone(&self.metrics),
            supervisor: supervisor.clone(),
        };
        supervisor.spawn("webhook", StopPolicy::Abort, async move {
            webhook.serve().await;
            Ok(())
        });
        self.oversee(&office);
        let schedule = Schedule {
            ledger: self.crew.ledger.clone(),
            current: Arc::clone(&self.current),
            supervisor: supervisor.clone(),
        };
        supervisor.spawn("bulletins", StopPolicy::Abort, async move {
            schedule.serve().await;
            Ok(())
        });
        let (watched, under) = (Arc::clone(&office), supervisor.clone());
        supervisor.spawn("watchdog", StopPolicy::Abort, async move {
            notify::watchdog(under, move || watched.not_alive().is_empty()).await;
            Ok::<(), TaskError>(())
        });
        notify::ready();
        Ok(address)
    }

    /// What is approved of is done, and acts are forwarded.
    fn oversee(&self, office: &Arc<Office>) {
        let supervisor = &self.supervisor;
        let approved = Approved { office: Arc::clone(office), clock: supervisor.clock().clone() };
        let approved = errand::serve(approved, supervisor.clone(), Signal::default());
        supervisor.spawn("approvals", StopPolicy::Drain, approved);
        let recorder = Recorder {
            ledger: self.crew.ledger.clone(),
            current: Arc::clone(&self.current),
            metrics: Arc::clone(&self.metrics),
            supervisor: supervisor.clone(),
        };
        supervisor.spawn("recorder", StopPolicy::Abort, recorder.serve());
    }

    /// Who answers operators, Prometheus and probes.
    pub fn office(&self, http: Option<SocketAddr>) -> Office {
        Office::new(OfficeParts {
            crew: self.crew.clone(),
            current: Arc::clone(&self.current),
            metrics: Arc::clone(&self.metrics),
            watch: Arc::clone(&self.watch),
            catalogue: self.catalogue.clone(),
            live: Arc::clone(&self.live),
            board: Arc::clone(&self.board),
            http,
            lent: Arc::<super::Foreman>::clone(&self.foreman),
        })
    }
}

/// Completes when the stop was raised and every stage has ended, so that `status` answers during
/// the drain.
async fn last(supervisor: Supervisor) {
    supervisor.stop_signal().raised().await;
    while supervisor.running().iter().any(|name| !DOORS.contains(&name.as_str())) {
        sleep(supervisor.clock(), Duration::from_millis(20)).await;
    }
}

/// Proves a ledger that no daemon has open.
pub async fn verify_offline(configuration: &Configuration) -> anyhow::Result<LedgerReport> {
    let clock = Clock::system();
    let started = clock.now();
    let sealer = configuration.ledger.sealer()?;
    let folder = configuration.ledger.folder.clone();
    let report = crate::supervisor::Pool::new(1)
        .run(move || ledger::verify_folder(&folder, &Arc::new(sealer)))
        .await?;
    Ok(super::office::report_of(report, clock.now().duration_since(started), None))
}

/// Restores a backup into the configured folder, as a new incarnation. What was made belongs to the
/// folder's owner, who runs the daemon, and not to root who restored it.
pub fn restore(configuration: &Configuration, backup: &Path) -> anyhow::Result<()> {
    let folder = &configuration.ledger.folder;
    let owner = Owner::of(folder)?;
    let sealer = Arc::new(configuration.ledger.sealer()?);
    ledger::restore(backup, folder, &sealer, &Clock::system())?;
    let (from, to) = (backup.join(COPIES), folder.join(COPIES));
    if from.is_dir() {
        copy_files(&from, &to).with_context(|| format!("copy {}", from.display()))?;
    }
    owner.take(folder)
}

/// What lies in a folder, beside the restored ledger. A ferry takes it up where its own is gone.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        std::fs::copy(entry.path(), &to)?;
        std::fs::File::open(&to)?.sync_all()?;
    }
    std::fs::File::open(to)?.sync_all()
}
