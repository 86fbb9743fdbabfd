//! The daemon put together: built from a configuration, run, stopped in order.
//!
//! [`App::build`] may fail and binds nothing until the configuration is proven; [`App::run`] owns
//! everything until the stop. Stop order: the stages see the stop and finish the step they are in
//! (a running upload reaches its end or its timeout), the doors close last, so that `status`
//! answers during the drain.

mod doors;
mod examine;
mod notify;
pub mod office;
mod pool;
mod prove;

pub use doors::{Found, doctor, restore, verify_offline};
pub use prove::prove;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cascade::{
    self, Carrier, CarrierParts, Channel, ChannelParts, Crew, Events, Files, Inventory, Observe,
    Pace, Readers, Reconcile, Register, Settle, Submit,
};
use crate::city::{Source, SourceSettings};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::delivery::ChannelId;
use crate::ledger::seal::Sealer;
use crate::ledger::{Flow, Ledger};
use crate::province::Way;
use crate::telemetry::metrics::Metrics;

use self::office::{FAILURE_CODES, Watch};
use crate::supervisor::{Ended, Heart, Signal, StopPolicy, Supervisor};

/// Datasets that have metric series of their own; the rest share one.
const DATASET_SERIES: usize = 200;
/// Blocking jobs at once: readers, packers, the ledger.
const BLOCKING: usize = 6;

/// The daemon, ready to run.
pub struct App {
    /// Owns every task.
    pub supervisor: Supervisor,
    /// What the stages work with.
    pub crew: Crew,
    /// The channels.
    pub channels: Vec<Arc<Channel>>,
    /// Makes the catalogue be read now.
    pub catalogue: Signal,
    /// As read.
    pub configuration: Arc<Configuration>,
    metrics: Arc<Metrics>,
    watch: Arc<Watch>,
    sources: Vec<(SourceSettings, Source)>,
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
        let key_file = configuration.ledger.key_file.clone();
        let sealer = Sealer::from_key_file(&key_file)
            .with_context(|| format!("ledger.key_file {}", key_file.display()))?;
        let sealer = Arc::new(sealer);
        let folder = configuration.ledger.folder.clone();
        let (opening, opened_by) = (Arc::clone(&sealer), clock.clone());
        let pool = supervisor.pool().clone();
        let ledger =
            pool.clone().run(move || Ledger::open(&folder, &opening, opened_by, pool)).await?;
        let limits = configuration.ledger.limits();
        let files = Files::open(&ledger, sealer, limits, supervisor.pool().clone()).await?;
        let pace = Pace {
            idle: configuration.pace.idle,
            ask: configuration.pace.ask,
            unknown: configuration.pace.unknown,
            reconcile: Some(configuration.pace.reconcile),
        };
        let readers = Readers::default();
        let (heart, supervised) = (Heart::default(), supervisor.clone());
        let crew = Crew { ledger, files, supervisor: supervised, events, pace, readers, heart };
        let city_pool = pool::CityPool::shared(supervisor.clone());
        let sources: Vec<(SourceSettings, Source)> = configuration
            .sources
            .iter()
            .map(|settings| {
                (settings.clone(), Source::open(settings.clone(), Arc::clone(&city_pool)))
            })
            .collect();
        let mut channels = Vec::new();
        for settings in &configuration.channels {
            let channel = channel(settings, &configuration, &sources, &crew).await?;
            let (id, standard) = (channel.id.clone(), Arc::clone(&channel.standard));
            let whole = "*".to_owned();
            let (name, digest) = (standard.id().clone(), *standard.digest());
            crew.ledger.standard_in_force(id, whole, name, digest).await?;
            channels.push(Arc::new(channel));
        }
        Ok(Self {
            supervisor,
            crew,
            channels,
            catalogue: Signal::default(),
            configuration: Arc::new(configuration),
            metrics,
            watch,
            sources,
        })
    }

    /// Starts every stage.
    pub fn start(&self) {
        if let Some(settings) = &self.configuration.catalogue {
            self.begin("inventory".to_owned(), |crew| {
                Inventory::new(
                    crew,
                    self.channels.clone(),
                    settings.clone(),
                    self.sources.clone(),
                    pool::CityPool::shared(self.supervisor.clone()),
                    self.catalogue.clone(),
                )
            });
        }
        for channel in &self.channels {
            let name = |stage: &str| format!("{stage} {}", channel.id);
            let shared = || Arc::clone(channel);
            self.begin(name("register"), |crew| Register::new(crew, shared()));
            self.begin(name("submit"), |crew| Submit::new(crew, shared()));
            self.begin(name("settle"), |crew| Settle::new(crew, shared()));
            self.begin(name("reconcile"), |crew| Reconcile::new(crew, shared()));
            for carrier in channel.carriers() {
                let task = format!("observe {} {}", channel.id, carrier.flow().dataset);
                self.begin(task, |crew| Observe::new(crew, shared(), Arc::clone(carrier)));
            }
        }
    }

    /// Starts one stage, with a heart of its own that goes by the task's name.
    fn begin<S: cascade::Stage>(&self, name: String, stage: impl FnOnce(Crew) -> S) {
        let heart = self.supervisor.heart(name.as_str());
        let stage = stage(Crew { heart, ..self.crew.clone() });
        let run = cascade::run(stage, self.supervisor.clone());
        self.supervisor.spawn(name, StopPolicy::Drain, run);
    }

    /// Waits for the stop, or for a task that ended by itself, and stops everything in order.
    pub async fn run(&self) -> Ended {
        let mut stop = self.supervisor.stop_signal();
        self.supervisor.spawn_passing("stopping", StopPolicy::Drain, async move {
            stop.raised().await;
            notify::stopping();
        });
        self.supervisor.run(self.configuration.pace.grace).await
    }
}

async fn channel(
    settings: &crate::config::Channel,
    configuration: &Configuration,
    sources: &[(SourceSettings, Source)],
    crew: &Crew,
) -> anyhow::Result<Channel> {
    let id = ChannelId::from(settings.settings.id.as_str());
    let standard = Arc::clone(&settings.standard);
    let client = Way::new(
        settings.settings.province.clone(),
        Arc::clone(&standard),
        crew.supervisor.clock().clone(),
    )
    .with_context(|| format!("channel {id}"))?;
    let by_id: BTreeMap<&str, &Source> =
        sources.iter().map(|(settings, source)| (settings.id(), source)).collect();
    let mut carriers = Vec::new();
    for it in &configuration.datasets {
        if !settings.settings.carries_rows_of(&it.dataset.id)
            || standard.operation("rows.upsert").is_none()
        {
            continue;
        }
        let source = by_id
            .get(it.dataset.source.as_str())
            .with_context(|| format!("dataset {}: no such source", it.dataset.id))?;
        let parts = CarrierParts {
            flow: Flow { channel: id.clone(), dataset: it.dataset.id.clone() },
            dataset: it.dataset.clone(),
            rules: it.rules.clone(),
            deletion_percent: configuration.ledger.deletion_percent,
        };
        let carrier = Carrier::open(parts, (*source).clone(), &crew.ledger, &crew.files).await?;
        carriers.push(Arc::new(carrier));
    }
    let kinds = settings.settings.kinds();
    Ok(Channel::new(ChannelParts { id, kinds, standard, client, carriers }))
}
