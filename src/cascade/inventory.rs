//! Inventory: the city's catalogue, read whole now and then, and the links that follow it.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::channel::Channel;
use super::lane::Crew;
use super::stage::{Progress, Stage};
use crate::catalogue::Kind;
use crate::city::{self, CatalogueSettings, Source, SourceSettings};
use crate::delivery::ChannelId;
use crate::supervisor::{Heart, Signal};

/// The stage that reads the catalogue.
pub struct Inventory {
    crew: Crew,
    channels: Vec<Arc<Channel>>,
    settings: CatalogueSettings,
    sources: Vec<(SourceSettings, Source)>,
    pool: Arc<dyn city::Pool>,
    signal: Signal,
    failures: u32,
}

impl std::fmt::Debug for Inventory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inventory").finish_non_exhaustive()
    }
}

impl Inventory {
    /// The stage over these sources. `signal` makes it read before its time.
    pub fn new(
        crew: Crew,
        channels: Vec<Arc<Channel>>,
        settings: CatalogueSettings,
        sources: Vec<(SourceSettings, Source)>,
        pool: Arc<dyn city::Pool>,
        signal: Signal,
    ) -> Self {
        Self { crew, channels, settings, sources, pool, signal, failures: 0 }
    }
}

impl Stage for Inventory {
    async fn step(&mut self) -> Result<Progress, Error> {
        let read = city::read_catalogue(&self.settings, &self.sources, &*self.pool);
        let read = self.crew.heart.outside(read).await?;
        for problem in &read.problems {
            tracing::warn!(place = problem.place, "catalogue: {}", problem.message);
        }
        let channels: Vec<(ChannelId, Vec<Kind>)> = self
            .channels
            .iter()
            .map(|channel| (channel.id.clone(), channel.kinds.clone()))
            .collect();
        let objects = read.objects.len();
        let change = self.crew.ledger.catalogue_read(read.objects, channels).await?;
        crate::crash::point("catalogue-read");
        if !change.is_empty() {
            tracing::info!(
                objects,
                added = change.added,
                changed = change.changed,
                gone = change.gone,
                problems = read.problems.len(),
                "catalogue read"
            );
        }
        for channel in &self.channels {
            channel.register.raise();
            channel.wake_observers();
        }
        self.failures = 0;
        Ok(Progress::Idle(self.crew.after(self.settings.poll)))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.signal.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(
            &self.crew,
            "inventory",
            &ChannelId::from("city"),
            error,
            self.failures,
        )
    }
}
