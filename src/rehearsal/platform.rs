//! The platform as a whole: settings, start, and what tests and people may look at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;

use super::certificates::Identity;
use super::desk::{Desk, Habits};
use super::directory::{self, Directory};
use super::store::{self, Store};
use super::{Content, Delivery, Error, Faults, Object, RowRules, server};
use crate::clock::Clock;
use crate::supervisor::{Pool, StopPolicy, Supervisor};

/// What a platform is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The standard's directory.
    pub standard: PathBuf,
    /// The database; without one it lives in memory.
    pub database: Option<PathBuf>,
    /// What it shows of itself.
    pub server: Identity,
    /// What it shows when it is to show the wrong certificate.
    pub stranger: Identity,
    /// PEM of the authority whose client certificates it demands; `None` demands none.
    pub client_authority: Option<String>,
    /// Name to text, as the standard's `credential.NAME`.
    pub credentials: BTreeMap<String, String>,
    /// The province's own rules by dataset.
    pub rules: BTreeMap<String, RowRules>,
    /// How long an entry is `in_review`.
    pub review: Duration,
    /// How long after its receipt a row has its verdict.
    pub verdict: Duration,
    /// Rows are only taken of datasets that a resource has announced.
    pub mounted_only: bool,
    /// From which ids and chances come.
    pub seed: u64,
    /// The largest body, in bytes, compressed or not.
    pub max_body_bytes: usize,
    /// Connections at once; more are closed.
    pub max_connections: usize,
}

impl Settings {
    /// A platform on a free port of loopback, in memory, that reviews and judges at once.
    pub fn new(standard: PathBuf, server: Identity, stranger: Identity) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            standard,
            database: None,
            server,
            stranger,
            client_authority: None,
            credentials: BTreeMap::new(),
            rules: BTreeMap::new(),
            review: Duration::ZERO,
            verdict: Duration::ZERO,
            mounted_only: true,
            seed: 1,
            max_body_bytes: 64 << 20,
            max_connections: 256,
        }
    }
}

/// A platform that runs. Cheap to clone; every clone is the same platform.
#[derive(Clone)]
pub struct Platform {
    address: SocketAddr,
    standard: String,
    desk: Arc<Mutex<Desk>>,
    faults: Faults,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, standard, desk: _, faults: _ } = self;
        formatter
            .debug_struct("Platform")
            .field("address", address)
            .field("standard", standard)
            .finish_non_exhaustive()
    }
}

impl Platform {
    /// Reads the standard, opens the database, binds the address and takes connections until
    /// [`Platform::stop`] or the supervisor's stop.
    pub async fn start(
        settings: Settings,
        clock: Clock,
        supervisor: &Supervisor,
    ) -> Result<Self, Error> {
        let tls = server::Tls::new(
            &settings.server,
            &settings.stranger,
            settings.client_authority.as_deref(),
        )?;
        let pool = Pool::new(2);
        let faults = Faults::new(settings.seed);
        let (listen, most) = (settings.listen, settings.max_connections);
        let (of_desk, max_body_bytes) = (faults.clone(), settings.max_body_bytes);
        let at = clock.clone();
        let (desk, standard) = pool
            .run(move || -> Result<_, Error> {
                let files = directory::files(&settings.standard)?;
                let directory =
                    Directory::read(&files).map_err(|problems| Error::Standard { problems })?;
                let standard = directory.name.clone();
                let store = Store::open(settings.database.as_deref())?;
                let habits = Habits {
                    credentials: settings.credentials,
                    rules: settings.rules,
                    review: settings.review,
                    verdict: settings.verdict,
                    mounted_only: settings.mounted_only,
                    seed: settings.seed,
                    max_body_bytes: settings.max_body_bytes,
                };
                Ok((Desk::new(directory, store, habits, of_desk, at), standard))
            })
            .await?;
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let desk = Arc::new(Mutex::new(desk));
        let server = server::Server::new(
            server::Parts { tls, pool, clock, desk: Arc::clone(&desk), faults: faults.clone() },
            server::Bounds { connections: most, body_bytes: max_body_bytes },
            supervisor.clone(),
        );
        // It ends when the platform is stopped, which must not end the process.
        supervisor.spawn_passing(
            "rehearsal listener",
            StopPolicy::Abort,
            server.listen(listener, address),
        );
        Ok(Self { address, standard, desk, faults })
    }

    /// Plays another standard from now on, at the same address and with everything it holds; what
    /// is said in the old one is not understood any more. Objects of the kinds in `renumbered` get
    /// new ids: the old and the new of each, for the map that a province hands over.
    ///
    /// # Errors
    /// The directory cannot be played, or the database fails; it plays the old one then.
    pub async fn speak(
        &self,
        standard: PathBuf,
        renumbered: &[&str],
    ) -> Result<Vec<(String, String, String)>, Error> {
        let kinds = renumbered.iter().map(|kind| (*kind).to_owned()).collect();
        self.turn(standard, Some(kinds)).await
    }

    /// The same, with the kinds that the standards themselves renumber.
    ///
    /// # Errors
    /// As [`Platform::speak`].
    pub async fn go_over(&self, standard: PathBuf) -> Result<Vec<(String, String, String)>, Error> {
        self.turn(standard, None).await
    }

    async fn turn(
        &self,
        standard: PathBuf,
        kinds: Option<Vec<String>>,
    ) -> Result<Vec<(String, String, String)>, Error> {
        let desk = Arc::clone(&self.desk);
        Pool::new(1)
            .run(move || {
                let files = directory::files(&standard)?;
                let directory =
                    Directory::read(&files).map_err(|problems| Error::Standard { problems })?;
                desk.lock().unwrap_or_else(PoisonError::into_inner).speak(directory, kinds)
            })
            .await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the channel, for example `https://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The standard it was started with, `id/version`.
    pub fn standard(&self) -> &str {
        &self.standard
    }

    /// The script of faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Takes no more connections and cuts the open ones.
    pub fn stop(&self) {
        self.faults.stop();
    }

    /// Takes back every token and secret that was given out.
    pub fn expire_tokens(&self) {
        self.desk().access().expire();
    }

    /// How many tokens and secrets were given out since the start.
    pub fn tokens_issued(&self) -> u64 {
        self.desk().access().count()
    }

    /// The datasets that sent rows.
    pub fn datasets(&self) -> Result<Vec<String>, Error> {
        store::datasets(self.desk().store()?.db())
    }

    /// A dataset's rows, by key.
    pub fn content(&self, dataset: &str) -> Result<Content, Error> {
        store::content(self.desk().store()?.db(), dataset)
    }

    /// How many rows a dataset has.
    pub fn count(&self, dataset: &str) -> Result<u64, Error> {
        store::count(self.desk().store()?.db(), dataset)
    }

    /// Every object, in the order of upper ids.
    pub fn objects(&self) -> Result<Vec<Object>, Error> {
        let mut desk = self.desk();
        let now = desk.now();
        Object::list(desk.store()?.db(), None, "", (0, usize::MAX), now)
    }

    /// Every request that was read as far as its operation, in order.
    pub fn deliveries(&self) -> Result<Vec<Delivery>, Error> {
        store::deliveries(self.desk().store()?.db())
    }

    /// How often each method and path came, whatever became of it: nothing reached the platform
    /// that is not here.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.desk().requests().clone()
    }

    /// How often each batch id came with a message that leaves something here.
    pub fn times_received(&self) -> Result<BTreeMap<String, u64>, Error> {
        let mut times = BTreeMap::new();
        for (batch_id, _) in self.placed()? {
            *times.entry(batch_id).or_default() += 1;
        }
        Ok(times)
    }

    /// The payload digests that each batch id carried: more than one is a broken promise.
    pub fn payloads(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let mut payloads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (batch_id, digest) in self.placed()? {
            payloads.entry(batch_id).or_default().insert(digest);
        }
        Ok(payloads)
    }

    fn placed(&self) -> Result<impl Iterator<Item = (String, String)>, Error> {
        let deliveries = self.deliveries()?.into_iter();
        Ok(deliveries.filter_map(|delivery| Some((delivery.batch_id?, delivery.payload_digest?))))
    }

    /// Keeps the present as the yesterday of [`Platform::restore`].
    pub fn snapshot(&self) -> Result<(), Error> {
        self.desk().store()?.snapshot()
    }

    /// Is restored from yesterday: everything but the list of deliveries is as it was at the last
    /// [`Platform::snapshot`], or empty where there was none.
    pub fn restore(&self) -> Result<(), Error> {
        self.desk().store()?.restore()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
