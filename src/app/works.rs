//! The works: everything that is built from one configuration and can be replaced while the daemon
//! runs.
//!
//! Sources, clients, channels and the stages over them are one configuration's; ledger, files,
//! sockets and metrics are the process's. [`Plan`] is what can be built and can fail while other
//! works go on; [`Works`] is opened when nobody else works on its datasets, and [`Works::start`]
//! sets its stages going in a shift of their own, which [`Works::retire`] ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;

use super::declare::{Declarations, Held};
use super::ferry;
use super::intake::Intake;
use super::pool::CityPool;
use crate::cascade::{
    self, AheadParts, Carrier, CarrierParts, Channel, ChannelParts, Crew, Inventory, Observe, Pace,
    Receive, Reconcile, Register, Settle, Submit, WatchObjects, WatchRows,
};
use crate::city::{Source, SourceSettings};
use crate::clock::Clock;
use crate::config::{self, Configuration};
use crate::delivery::{ChannelId, Mode};
use crate::ledger::{Flow, Ledger};
use crate::province::{self, Way};
use crate::standard::Standard;
use crate::supervisor::{Retired, Signal, StopPolicy};
use crate::telemetry::logs::Chain;

/// One configuration at work.
pub struct Works {
    /// As read; what only a restart changes is as it was at the start.
    pub configuration: Arc<Configuration>,
    /// The channels.
    pub channels: Vec<Arc<Channel>>,
    /// What its stages work with; its supervisor is a shift.
    crew: Crew,
    sources: Vec<(SourceSettings, Source)>,
    catalogue: Signal,
    intake: Option<Intake>,
}

impl std::fmt::Debug for Works {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Works").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// Works that were built and are not opened yet: nothing of them touches the ledger.
pub(super) struct Plan {
    configuration: Arc<Configuration>,
    clients: Vec<Clients>,
    sources: Vec<(SourceSettings, Source)>,
    crew: Crew,
    intake: Option<Intake>,
}

/// The ways to a channel's platform.
struct Clients {
    own: Way,
    /// Of what goes ahead.
    ahead: Option<Way>,
    /// Of what was spoken before.
    former: Vec<(Arc<Standard>, Way)>,
}

impl Clients {
    fn of(channel: &config::Channel, ledger: &Ledger, clock: &Clock) -> anyhow::Result<Self> {
        let way = |settings: &province::Settings, standard: &Arc<Standard>| {
            if settings.is_plain() {
                let channel = &channel.settings.id;
                tracing::warn!(channel, "plain http: everybody on the way reads what is said");
            }
            let mut settings = settings.clone();
            let standard = ferry::spoken(settings.ferry.as_ref(), standard);
            ferry::rooted(&mut settings.ferry, ledger);
            Way::new(settings, standard, clock.clone())
        };
        let of = || format!("channel {}", channel.settings.id);
        let own = way(&channel.settings.province, &channel.standard).with_context(of)?;
        let ahead = channel.ahead.as_ref().map(|it| way(&it.voice.province, &it.voice.standard));
        let ahead = ahead.transpose().with_context(of)?;
        let former = channel.former.iter().filter_map(|it| {
            // Its secrets may be gone by now; nothing that is spoken today needs them.
            let made = way(&it.province, &it.standard);
            let told = made.inspect_err(|error| {
                let (channel, standard) = (&channel.settings.id, it.standard.id());
                tracing::warn!(channel, %standard, error = %Chain(error), "cannot be asked any more");
            });
            Some((Arc::clone(&it.standard), told.ok()?))
        });
        Ok(Self { own, ahead, former: former.collect() })
    }
}

impl Plan {
    /// Reads secrets and makes clients. Connects nowhere. `process` is the crew without a shift.
    pub(super) fn draw(configuration: Arc<Configuration>, process: &Crew) -> anyhow::Result<Self> {
        let supervisor = process.supervisor.shift();
        let pace = Pace {
            idle: configuration.pace.idle,
            ask: configuration.pace.ask,
            unknown: configuration.pace.unknown,
            reconcile: Some(configuration.pace.reconcile),
        };
        let city_pool = CityPool::shared(supervisor.clone());
        let intake = Intake::open(
            &configuration,
            (&process.ledger, &process.files.sealer),
            supervisor.clock(),
        )?;
        let stocked = |it: &SourceSettings| match &intake {
            Some(intake) => intake.stocked(it),
            None => it.clone(),
        };
        let sources = configuration
            .sources
            .iter()
            .map(stocked)
            .map(|it| (it.clone(), Source::open(it, Arc::clone(&city_pool))))
            .collect();
        let mut clients = Vec::new();
        for it in &configuration.channels {
            clients.push(Clients::of(it, &process.ledger, supervisor.clock())?);
        }
        let crew = Crew { supervisor, pace, ..process.clone() };
        Ok(Self { configuration, clients, sources, crew, intake })
    }

    /// Opens what the ledger knows of every dataset. Nobody else may work on them; with `before`,
    /// whose stages ended by themselves, its datasets go on with what it knew.
    pub(super) async fn open(
        self,
        before: Option<&Works>,
        catalogue: Signal,
    ) -> anyhow::Result<Works> {
        let Self { configuration, clients, sources, crew, intake } = self;
        let known: BTreeMap<&Flow, &Carrier> =
            before.into_iter().flat_map(Works::carriers).map(|it| (it.flow(), &**it)).collect();
        let mut channels = Vec::new();
        for (it, clients) in configuration.channels.iter().zip(clients) {
            let id = ChannelId::from(it.settings.id.as_str());
            let standard = ferry::spoken(it.settings.province.ferry.as_ref(), &it.standard);
            let mut carriers = Vec::new();
            for (parts, source) in carried(&configuration, it, &id, &sources)? {
                let carrier = match known.get(&parts.flow) {
                    Some(before) => Carrier::succeed(parts, source, before),
                    None => Carrier::open(parts, source, &crew.ledger, &crew.files).await?,
                };
                carriers.push(Arc::new(carrier));
            }
            let kinds = it.settings.kinds();
            let Clients { own: client, ahead, former } = clients;
            let ahead = it.ahead.as_ref().zip(ahead).map(|(ahead, client)| AheadParts {
                reaches: ahead.reaches.clone(),
                datasets: it.rows_ahead(&configuration.datasets).map(|it| it.id.clone()).collect(),
                standard: ferry::spoken(ahead.voice.province.ferry.as_ref(), &ahead.voice.standard),
                client,
            });
            let parts = ChannelParts { id, kinds, standard, client, carriers, ahead, former };
            channels.push(Arc::new(Channel::new(parts)));
        }
        Ok(Works { configuration, channels, crew, sources, catalogue, intake })
    }
}

/// The datasets whose rows a channel carries.
fn carried(
    configuration: &Configuration,
    channel: &config::Channel,
    id: &ChannelId,
    sources: &[(SourceSettings, Source)],
) -> anyhow::Result<Vec<(CarrierParts, Source)>> {
    let mut found = Vec::new();
    if channel.standard.operation("rows.upsert").is_none() {
        return Ok(found);
    }
    for it in &configuration.datasets {
        if !channel.settings.carries_rows_of(&it.dataset.id) {
            continue;
        }
        let (_, source) = sources
            .iter()
            .find(|(settings, _)| settings.id() == it.dataset.source)
            .with_context(|| format!("dataset {}: no such source", it.dataset.id))?;
        let parts = CarrierParts {
            flow: Flow { channel: id.clone(), dataset: it.dataset.id.clone() },
            dataset: it.dataset.clone(),
            rules: it.rules.clone(),
            watch: it.watch.clone(),
            deletion_percent: configuration.ledger.deletion_percent,
        };
        found.push((parts, source.clone()));
    }
    Ok(found)
}

impl Works {
    /// Every dataset on every channel.
    pub fn carriers(&self) -> impl Iterator<Item = &Arc<Carrier>> {
        self.channels.iter().flat_map(|channel| channel.carriers())
    }

    /// Where counties reach us; `None` where none is taken in, or while nobody listens.
    pub fn intake_address(&self) -> Option<std::net::SocketAddr> {
        self.intake.as_ref().and_then(Intake::address)
    }

    /// The desk of the counties that are taken in.
    pub(in crate::app) fn desk(&self) -> Option<Arc<crate::intake::Desk>> {
        self.intake.as_ref().map(|it| Arc::clone(&it.desk))
    }

    /// How the counties that are taken in stand. Blocking.
    ///
    /// # Errors
    /// A county's store cannot be read.
    pub fn counties(&self) -> Result<Vec<crate::intake::Standing>, crate::intake::Error> {
        self.intake.as_ref().map_or_else(|| Ok(Vec::new()), |it| it.desk.standing())
    }

    /// Requests of nobody that we know, since these works began.
    pub fn intake_strangers(&self) -> u64 {
        self.intake.as_ref().map_or(0, |it| it.desk.strangers())
    }

    /// The standard that the file gives a channel, where it is not the one in force.
    pub fn written(&self, channel: &ChannelId) -> Option<String> {
        let found = self.configuration.channels.iter();
        let found = found.into_iter().find(|it| it.settings.id == channel.as_str())?;
        let differs = found.written.standard != found.standard.id().as_str();
        differs.then(|| found.written.standard.clone())
    }

    /// Whether what is said on a channel leaves this machine in clear.
    pub(super) fn is_plain(&self, channel: &ChannelId) -> bool {
        self.configuration.channels.iter().any(|it| {
            let ahead = it.ahead.as_ref().map(|it| &it.voice.province);
            let mut ways = std::iter::once(&it.settings.province).chain(ahead);
            it.settings.id == channel.as_str() && ways.any(province::Settings::is_plain)
        })
    }

    /// Records which standard is in force on each channel.
    pub(super) async fn record_standards(&self) -> anyhow::Result<()> {
        for channel in &self.channels {
            let (id, standard) = (channel.id.clone(), &channel.standard);
            let (name, digest) = (standard.id().clone(), *standard.digest());
            self.crew.ledger.standard_in_force(id, "*".to_owned(), name, digest).await?;
            if let Some((reaches, voice)) = channel.ahead() {
                let standard = &voice.standard;
                for scope in reaches.iter() {
                    let (id, scope) = (channel.id.clone(), scope.to_string());
                    let (name, digest) = (standard.id().clone(), *standard.digest());
                    self.crew.ledger.standard_in_force(id, scope, name, digest).await?;
                }
            }
        }
        Ok(())
    }

    /// Starts every stage that the ledger's mode has: while it watches, none that packs or sends.
    pub(super) fn start(&self) {
        let mode = self.crew.ledger.mode();
        self.crew.files.spool.relimit(self.configuration.ledger.limits());
        if let Some(settings) = &self.configuration.catalogue {
            self.begin("inventory".to_owned(), |crew| {
                Inventory::new(
                    crew,
                    self.channels.clone(),
                    settings.clone(),
                    self.sources.clone(),
                    CityPool::shared(self.crew.supervisor.clone()),
                    self.catalogue.clone(),
                )
            });
        }
        if let Some(intake) = &self.intake {
            intake.start(&self.crew, &self.channels, self.catalogue.clone());
        }
        for channel in &self.channels {
            let name = |stage: &str| format!("{stage} {}", channel.id);
            let shared = || Arc::clone(channel);
            match mode {
                Mode::Live => {
                    self.begin(name("register"), |crew| Register::new(crew, shared()));
                    self.begin(name("submit"), |crew| Submit::new(crew, shared()));
                }
                Mode::Watch => self.begin(name("watch"), |crew| WatchObjects::new(crew, shared())),
            }
            self.begin(name("settle"), |crew| Settle::new(crew, shared()));
            self.begin(name("reconcile"), |crew| Reconcile::new(crew, shared()));
            ferry::carry(&self.crew, channel);
            if channel.client().has_down() {
                self.begin(name("receive"), |crew| Receive::new(crew, shared()));
            }
            for carrier in channel.carriers() {
                let dataset = &carrier.flow().dataset;
                let name = |stage: &str| format!("{stage} {} {dataset}", channel.id);
                let (voice, carrier) = (Arc::clone(channel.of_rows(dataset)), Arc::clone(carrier));
                match mode {
                    Mode::Live => {
                        self.begin(name("observe"), |crew| Observe::new(crew, voice, carrier));
                    }
                    Mode::Watch => {
                        self.begin(name("watch"), |crew| WatchRows::new(crew, voice, carrier));
                    }
                }
            }
        }
    }

    /// Starts one stage, with a heart of its own that goes by the task's name.
    fn begin<S: cascade::Stage>(&self, name: String, stage: impl FnOnce(Crew) -> S) {
        let supervisor = &self.crew.supervisor;
        let heart = supervisor.heart(name.as_str());
        let stage = stage(Crew { heart, ..self.crew.clone() });
        let run = cascade::run(stage, supervisor.clone());
        supervisor.spawn(name, StopPolicy::Drain, run);
    }

    /// Ends its stages at their next step, for at most `grace`, and leaves the ledger as a stop
    /// would: what is in flight and was cut is unknown, and asked about by who comes next.
    pub(super) async fn retire(&self, grace: Duration) -> anyhow::Result<Retired> {
        let retired = self.crew.supervisor.retire(grace).await;
        if retired.cut.is_empty() {
            return Ok(retired);
        }
        for task in &retired.cut {
            tracing::warn!(task, "did not end within the grace period");
        }
        // What a cut task had begun in the pool goes on: nobody may look before it has ended.
        let quiet = self.crew.supervisor.pool().quiet();
        if retired.stuck || tokio::time::timeout(grace, quiet).await.is_err() {
            anyhow::bail!("these go on although they were cut: {}", retired.cut.join(", "));
        }
        for channel in &self.channels {
            self.crew.ledger.attempts_abandoned(channel.id.clone()).await?;
        }
        Ok(retired)
    }

    /// The same works with a shift that has not ended. Its own must have.
    pub(super) fn again(&self) -> Self {
        let supervisor = self.crew.supervisor.shift();
        Self {
            configuration: Arc::clone(&self.configuration),
            channels: self.channels.clone(),
            crew: Crew { supervisor, ..self.crew.clone() },
            sources: self.sources.clone(),
            catalogue: self.catalogue.clone(),
            intake: self.intake.clone(),
        }
    }
}

/// The works that are at work now.
#[derive(Debug)]
pub struct Current {
    works: ArcSwap<Works>,
    /// Held while what the works are is shown or changes, so that nothing is shown of those that
    /// are gone.
    showing: Mutex<()>,
    /// What counts of what is promised, whatever the works' configuration says.
    held: Held,
    /// What was last declared.
    declarations: Declarations,
}

impl Current {
    pub(super) fn new(works: Works) -> Arc<Self> {
        Arc::new(Self {
            works: ArcSwap::from_pointee(works),
            showing: Mutex::default(),
            held: Held::default(),
            declarations: Declarations::default(),
        })
    }

    /// What counts of what is promised.
    pub(in crate::app) fn held(&self) -> &Held {
        &self.held
    }

    /// What was last declared.
    pub(in crate::app) fn declarations(&self) -> &Declarations {
        &self.declarations
    }

    /// As they are now. Who keeps them longer than a request keeps what may be gone.
    pub fn load(&self) -> Arc<Works> {
        self.works.load_full()
    }

    /// Puts others in their place; `unseen` runs before anything of them is shown.
    pub(super) fn exchange(&self, works: Works, unseen: impl FnOnce(&Works)) {
        let _showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let works = Arc::new(works);
        unseen(&works);
        self.works.store(works);
    }

    /// Shows something of `works`, unless others are in their place.
    pub(super) fn show(&self, works: &Arc<Works>, show: impl FnOnce()) {
        let _showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(works, &self.works.load()) {
            show();
        }
    }
}
