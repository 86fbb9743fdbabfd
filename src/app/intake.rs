//! The upper side for counties put together: stores and listener of one configuration, what of the
//! counties' rows was read on, and what became above of their objects.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::cascade::{Carrier, Channel, Crew};
use crate::catalogue::ObjectKey;
use crate::city::{Origin, Position, SourceSettings};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::delivery::{Lane, LinkState};
use crate::intake::{Above, Desk, DeskParts, Listener, Settings, TakenDataset};
use crate::ledger::seal::{Purpose, Sealer};
use crate::ledger::{self, LaneProgress, Ledger};
use crate::supervisor::{Signal, StopPolicy, Supervisor, sleep};
use crate::telemetry::logs::Chain;

/// How often it is counted what waits to be read on, and looked for new objects.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to get the address.
const REBIND: Duration = Duration::from_secs(1);

/// The upper side of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    settings: Settings,
    pub(super) desk: Arc<Desk>,
    address: watch::Sender<Option<SocketAddr>>,
}

impl Intake {
    /// Opens the stores; `None` where the configuration takes no county in. Reads files.
    pub(super) fn open(
        configuration: &Configuration,
        (ledger, sealer): (&Ledger, &Arc<Sealer>),
        clock: &Clock,
    ) -> anyhow::Result<Option<Self>> {
        let Some(mut settings) = configuration.intake.clone() else { return Ok(None) };
        settings.counties.iter_mut().for_each(|it| super::ferry::rooted(&mut it.ferry, ledger));
        let standard = configuration.standards.get(&settings.standard);
        let standard = Arc::clone(standard.context("intake: no such standard")?);
        let folder = settings.folder.clone();
        let folder = folder.unwrap_or_else(|| configuration.ledger.folder.join("intake"));
        let parts = DeskParts {
            settings: settings.clone(),
            standard,
            datasets: datasets(configuration),
            sealer: Arc::clone(sealer),
            clock: clock.clone(),
        };
        let desk = Arc::new(Desk::open(parts, &folder)?);
        Ok(Some(Self { settings, desk, address: watch::Sender::new(None) }))
    }

    /// The source with what its county sent, where it is one.
    pub(super) fn stocked(&self, source: &SourceSettings) -> SourceSettings {
        let mut source = source.clone();
        if let SourceSettings::County(county) = &mut source {
            county.shelf = self.desk.shelf(&county.id);
        }
        source
    }

    /// Where counties reach us, once they do.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        *self.address.borrow()
    }

    /// Takes counties in until the works end.
    pub(super) fn start(&self, crew: &Crew, channels: &[Arc<Channel>], catalogue: Signal) {
        let supervisor = &crew.supervisor;
        let above = above(crew, channels);
        self.ferry(crew, &above);
        let (own, under) = (self.clone(), supervisor.clone());
        supervisor.spawn("intake", StopPolicy::Drain, async move {
            own.serve(&under, above).await;
            Ok(())
        });
        let (own, crew, channels) = (self.clone(), crew.clone(), channels.to_vec());
        supervisor.spawn("intake sums", StopPolicy::Abort, async move {
            loop {
                // However many came, the catalogue is read once for them.
                if own.desk.has_registered() {
                    catalogue.raise();
                }
                if let Err(error) = own.count(&crew, &channels).await {
                    tracing::warn!(error = %Chain(&*error), "what counties sent is not counted");
                }
                sleep(crew.supervisor.clock(), COUNT_EVERY).await;
            }
        });
    }

    async fn serve(&self, supervisor: &Supervisor, above: Above) {
        let mut stop = supervisor.stop_signal();
        let listener = loop {
            match Listener::bind(&self.settings).await {
                Ok(listener) => break listener,
                Err(error) => {
                    let code = error.code();
                    tracing::error!(code, error = %Chain(&error), "counties cannot reach us");
                }
            }
            tokio::select! {
                () = stop.raised() => return,
                () = sleep(supervisor.clock(), REBIND) => {}
            }
        };
        self.address.send_replace(Some(listener.address()));
        listener.serve(Arc::clone(&self.desk), above, stop.raised()).await;
        self.address.send_replace(None);
    }

    /// Tells the desk up to where every dataset was read on, on every channel that carries it.
    async fn count(&self, crew: &Crew, channels: &[Arc<Channel>]) -> anyhow::Result<()> {
        let mut read: BTreeMap<(String, String), i64> = BTreeMap::new();
        let carriers = channels.iter().flat_map(|channel| channel.carriers());
        for carrier in carriers {
            let Origin::Table(table) = &carrier.dataset().origin else { continue };
            let name = (carrier.dataset().source.clone(), table.clone());
            let moment = passed(crew, carrier).await?;
            let known = read.entry(name).or_insert(i64::MAX);
            *known = moment.min(*known);
        }
        let desk = Arc::clone(&self.desk);
        Ok(crew.supervisor.pool().run(move || desk.read_on(&read)).await?)
    }
}

/// Up to which moment a dataset of a county was read on, in microseconds since 1970.
async fn passed(crew: &Crew, carrier: &Carrier) -> Result<i64, ledger::Error> {
    let lane = |lane| crew.ledger.lane_progress(carrier.flow().clone(), lane);
    let (live, past) = (lane(Lane::Live).await?, lane(Lane::Backfill).await?);
    let reached = |progress: LaneProgress| -> Result<Option<i64>, ledger::Error> {
        let position = match &progress.position {
            Some(sealed) => {
                let context = carrier.dataset().id.as_bytes();
                let open = crew.files.sealer.open(Purpose::Ledger, context, sealed)?;
                serde_json::from_slice::<Option<Position>>(&open)
                    .map_err(|_malformed| ledger::Error::Unreadable { what: "position" })?
                    .map(|position| position.time)
            }
            None => None,
        };
        let time = position.or(progress.from_at);
        let local = time.and_then(|time| time.parse::<jiff::civil::DateTime>().ok());
        let at = local.and_then(|local| carrier.dataset().zone.to_timestamp(local).ok());
        Ok(at.map(jiff::Timestamp::as_microsecond))
    };
    Ok(match (live, past) {
        (_, Some(past)) if !past.complete => reached(past)?.unwrap_or(i64::MIN),
        (Some(live), _) => reached(live)?.unwrap_or(i64::MIN),
        (None, _) => i64::MIN,
    })
}

/// What became of an object on the channels that carry its kind: the least of it.
fn above(crew: &Crew, channels: &[Arc<Channel>]) -> Above {
    let (ledger, channels) = (crew.ledger.clone(), channels.to_vec());
    Arc::new(move |key: ObjectKey| {
        let (ledger, channels) = (ledger.clone(), channels.clone());
        Box::pin(async move {
            let mut least = None;
            for channel in channels.iter().filter(|it| it.kinds.contains(&key.kind)) {
                let found = ledger.link(channel.id.clone(), key.clone()).await;
                let state = found.ok().flatten().map(|link| link.state);
                let rank = |state: &Option<LinkState>| match state {
                    Some(LinkState::Refused) => 0,
                    Some(LinkState::InReview) => 2,
                    Some(LinkState::Published) => 3,
                    Some(_) | None => 1,
                };
                least = match least {
                    Some(known) if rank(&known) <= rank(&state) => Some(known),
                    Some(_) | None => Some(state),
                };
            }
            least.flatten()
        })
    })
}

/// What counties send, as the configuration passes it on.
fn datasets(configuration: &Configuration) -> Vec<TakenDataset> {
    let is_county = |id: &str| {
        let of = |it: &&SourceSettings| it.id() == id;
        let found = configuration.sources.iter().find(of);
        matches!(found, Some(SourceSettings::County(_)))
    };
    let own = configuration.datasets.iter().filter(|it| is_county(&it.dataset.source));
    let taken = own.filter_map(|it| {
        let Origin::Table(table) = &it.dataset.origin else { return None };
        Some(TakenDataset {
            county: it.dataset.source.clone(),
            table: table.clone(),
            dataset: it.dataset.clone(),
            rules: it.rules.clone(),
        })
    });
    taken.collect()
}
