//! A city, a province and the daemon between them, in this process.
//!
//! [`TestCity`] stands for both ends and outlives any number of daemons on its ledger;
//! [`TestDaemon`] is one run of the real assembly. A test changes the city or the platform, waits
//! until the *ledger* or the *platform* shows what became of it, and compares contents.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use cascaded::app::App;
use cascaded::cascade::Channel;
use cascaded::city::{self, Scan, Source};
use cascaded::clock::Clock;
use cascaded::config::Configuration;
use cascaded::demo::{Generated, Scale, Set, SetPlan, Sight, look, standards_folder, write_keys};
use cascaded::ledger::{Counts, Job, JobState, Ledger, PassKind, Reject, RejectFilter, Resync};
use cascaded::rehearsal::certificates::Certificates;
use cascaded::rehearsal::{Content, Platform, Settings};
use cascaded::row::{Cell, Page, key_text};
use cascaded::supervisor::Supervisor;

/// What takes minutes in a city takes moments here.
pub(crate) const PACE: &str = "[pace]\nidle = \"200ms\"\nask = \"100ms\"\nunknown = \"100ms\"\n\
     reconcile = \"1000h\"\ngrace = \"20s\"\n\n";
/// How long a wait may take before it is a failure.
const PATIENCE: Duration = Duration::from_secs(120);
/// Characters of a failure that are told at once.
const MOST_TOLD: usize = 4_000;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Says of every panic at once, whether a test expects it or not: what is captured comes after the
/// whole run.
fn tell_failures() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let said = panic.payload_as_str().unwrap_or_default();
            let start: String = said.chars().take(MOST_TOLD).collect();
            // Not through the macros, which are captured.
            writeln!(std::io::stderr(), "panicked at {place}: {start}").ok();
            before(panic);
        }));
    });
}

/// Runs a test on a runtime like the daemon's own.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tell_failures();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// A city and a provincial platform over TLS on loopback.
pub(crate) struct TestCity {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) platform: Platform,
    pub(crate) clock: Clock,
    /// What the generator made, where it made this city.
    pub(crate) made: Option<Generated>,
    configuration: PathBuf,
    certificates: Option<Certificates>,
    above: Supervisor,
}

impl TestCity {
    /// The demonstration's city; `change` may set rules, delays, a seed.
    pub(crate) async fn demo(
        scale: Scale,
        clock: &Clock,
        change: impl FnOnce(&mut SetPlan),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let above = Supervisor::new(clock.clone(), 4);
        let mut plan = SetPlan {
            folder: folder.path().to_owned(),
            standards: standards_folder().unwrap(),
            scale,
            seed: 1,
            listen: None,
            review: Duration::ZERO,
            verdict: Duration::ZERO,
            province_rules: BTreeMap::new(),
            extra: PACE.to_owned(),
        };
        change(&mut plan);
        let set = Set::build(plan, clock, &above).await.unwrap();
        Self {
            folder,
            platform: set.platform,
            clock: clock.clone(),
            made: Some(set.city),
            configuration: set.configuration,
            certificates: None,
            above,
        }
    }

    /// A city of the test's own: `sources` is the configuration's part that speaks of it, with
    /// paths relative to `folder`. `change` may set rules and delays of the platform.
    pub(crate) async fn with(
        folder: tempfile::TempDir,
        sources: &str,
        clock: &Clock,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let above = Supervisor::new(clock.clone(), 4);
        let certificates = Certificates::generate().unwrap();
        let standards = standards_folder().unwrap();
        let mut settings = platform_settings(&certificates);
        settings.credentials = write_keys(folder.path(), &certificates).unwrap();
        change(&mut settings);
        let platform = Platform::start(settings, clock.clone(), &above).await.unwrap();
        let configuration = folder.path().join("cascaded.toml");
        let text = format!(
            "standards = [\"{}\"]\n\n[ledger]\nbegins = \"live\"\nfolder = \"ledger\"\nkey_file = \"keys/ledger.key\"\n\n\
             {}\n{PACE}{sources}",
            standards.display(),
            channel("province", &platform.url(), ""),
        );
        std::fs::write(&configuration, text).unwrap();
        Self {
            folder,
            platform,
            clock: clock.clone(),
            made: None,
            configuration,
            certificates: Some(certificates),
            above,
        }
    }

    /// Another platform of the same authority and credentials, at an address of its own, and a
    /// channel to it in the configuration. Only for a city made by [`TestCity::with`].
    pub(crate) async fn add_platform(&self, id: &str, more: &str) -> Platform {
        let mut settings = platform_settings(self.certificates.as_ref().unwrap());
        let read = |name| std::fs::read_to_string(self.path().join("keys").join(name)).unwrap();
        settings.credentials =
            ["requester", "secret"].into_iter().map(|name| (name.to_owned(), read(name))).collect();
        let platform = Platform::start(settings, self.clock.clone(), &self.above).await.unwrap();
        let text = std::fs::read_to_string(&self.configuration).unwrap();
        let text = format!("{text}\n{}", channel(id, &platform.url(), more));
        std::fs::write(&self.configuration, text).unwrap();
        platform
    }

    /// A further platform of the same authority, by settings of the test's own. Only for a city
    /// made by [`TestCity::with`].
    pub(crate) async fn further_platform(&self, change: impl FnOnce(&mut Settings)) -> Platform {
        let mut settings = platform_settings(self.certificates.as_ref().unwrap());
        change(&mut settings);
        Platform::start(settings, self.clock.clone(), &self.above).await.unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration as it is on disk now.
    pub(crate) fn configuration(&self) -> Configuration {
        Configuration::load(&self.configuration).unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        })
    }

    /// The configuration file; rewritten by tests that change it between two daemons.
    pub(crate) fn configuration_file(&self) -> &Path {
        &self.configuration
    }

    /// The rows of a dataset as the city's own source reads them, in text form: every row, not one
    /// per key. Our encoder has no part in it.
    pub(crate) async fn rows(&self, dataset: &str) -> Vec<CityRow> {
        let configuration = self.configuration();
        let found = configuration.datasets.iter().find(|it| it.dataset.id == dataset).unwrap();
        let settings = configuration
            .sources
            .iter()
            .find(|source| source.id() == found.dataset.source)
            .unwrap();
        let source = Source::open(settings.clone(), Arc::new(crate::city::Threads));
        read(&source, &found.dataset).await
    }

    /// Stops the platform and everything around it.
    pub(crate) async fn close(self) {
        self.platform.stop();
        self.above.stop();
        let ended = self.above.run(Duration::from_secs(10)).await;
        assert!(ended.cause.is_none() && ended.cut.is_empty(), "{ended:?}");
    }
}

fn platform_settings(certificates: &Certificates) -> Settings {
    let mut settings = Settings::new(
        standards_folder().unwrap().join(cascaded::demo::STANDARD),
        certificates.server.clone(),
        certificates.stranger.clone(),
    );
    settings.client_authority = Some(certificates.authority.clone());
    settings
}

/// `[[channel]]` with everything [`write_keys`] wrote; `more` goes into `[[channel]]` itself.
pub(crate) fn channel(id: &str, url: &str, more: &str) -> String {
    format!(
        "[[channel]]\nid = \"{id}\"\nstandard = \"{}\"\n{more}\n\
         [channel.province]\nurl = \"{url}\"\nca_file = \"keys/authority.pem\"\n\
         client_certificate_file = \"keys/client.pem\"\nclient_key_file = \"keys/client.key\"\n\n\
         [channel.province.credentials]\nrequester = \"keys/requester\"\nsecret = \"keys/secret\"\n",
        cascaded::demo::STANDARD
    )
}

/// A row of the city: its key in text form and its columns by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CityRow {
    pub(crate) key: String,
    pub(crate) columns: BTreeMap<String, Option<String>>,
}

async fn read(source: &Source, dataset: &city::Dataset) -> Vec<CityRow> {
    let mut cursor = source.scan(dataset, Scan::Full).await.unwrap();
    let mut page = Page::default();
    let mut rows = Vec::new();
    while cursor.next(&mut page, 1_000).await.unwrap() {
        for row in page.rows() {
            let mut key = String::new();
            key_text(row, &dataset.key, &mut key);
            let text = |cell: Cell<'_>| match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(text.to_owned()),
                Cell::Malformed(reason) => Some(format!("!{reason}")),
            };
            let names = dataset.fields.iter().map(|field| field.item.clone());
            rows.push(CityRow { key, columns: names.zip(row.cells().map(text)).collect() });
        }
    }
    rows
}

/// One run of the daemon.
pub(crate) struct TestDaemon {
    pub(crate) app: App,
    clock: Clock,
    /// How far a manual clock goes on between two looks of a wait. Nothing by default: a test
    /// that stands still says when time passes.
    pub(crate) step: Duration,
    stopped: bool,
}

impl TestDaemon {
    /// Builds and starts every stage.
    pub(crate) async fn start(configuration: Configuration, clock: &Clock) -> Self {
        Self::started(App::build(configuration, clock.clone()).await.unwrap(), clock)
    }

    /// Starts every stage of what a test has built, with other limits for instance.
    pub(crate) fn started(app: App, clock: &Clock) -> Self {
        app.start();
        Self { app, clock: clock.clone(), step: Duration::ZERO, stopped: false }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.app.crew.ledger
    }

    pub(crate) fn channel(&self, id: &str) -> Arc<Channel> {
        self.app.channels().into_iter().find(|channel| channel.id.as_str() == id).unwrap()
    }

    /// Makes every stage of every channel, and the catalogue, look now.
    pub(crate) fn wake(&self) {
        self.app.catalogue.raise();
        self.app.channels().iter().for_each(|channel| channel.wake());
    }

    /// Waits until `holds`; after [`PATIENCE`] it fails with `what` and how everything stands.
    pub(crate) async fn wait_until<F>(&self, what: &str, mut holds: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds().await {
                looks.tick().await;
                self.clock.advance(self.step);
            }
        });
        let in_time = tokio::select! {
            waited = waited => waited.is_ok(),
            ended = self.app.run() => panic!("the daemon ended by itself: {ended:?}"),
        };
        if !in_time {
            panic!("not within {PATIENCE:?}: {what}\n{}", self.status().await);
        }
    }

    /// Waits until everything that is due is confirmed or rejected, and says how it stands.
    pub(crate) async fn settled(&self) -> Sight {
        let complete = || async { look(&self.app).await.unwrap().is_complete() };
        self.wait_until("everything is confirmed or rejected", complete).await;
        look(&self.app).await.unwrap()
    }

    /// Waits until every dataset was looked at again after now, and everything is settled. The
    /// clock must move: with a manual one, set `step`.
    pub(crate) async fn looked_again(&self) -> Sight {
        let since = self.clock.now();
        self.wake();
        self.wait_until("every dataset is looked at again", || async {
            let flows = self.ledger().flows().await.unwrap();
            flows.iter().all(|flow| flow.last_observed_at.is_some_and(|at| at > since))
        })
        .await;
        self.settled().await
    }

    /// Asks for a reading of every dataset of a channel, as `cascaded resync` does.
    pub(crate) async fn resync(
        &self,
        channel: &str,
        kind: PassKind,
        approved: bool,
        idempotency: Option<&str>,
    ) -> (u64, bool) {
        let channel = self.channel(channel);
        let flows = channel.carriers().map(|it| (it.flow().clone(), it.owner().clone())).collect();
        let resync = Resync {
            flows,
            kind,
            since: None,
            approved,
            request: "{}".to_owned(),
            idempotency: idempotency.map(str::to_owned),
            asked_by: "a test".to_owned(),
        };
        self.ledger().resync_asked(resync).await.unwrap()
    }

    pub(crate) async fn job(&self, number: u64) -> Job {
        self.ledger().job(number).await.unwrap().unwrap()
    }

    /// Reads everything, compares it with what was sent, and waits until all is settled.
    pub(crate) async fn compared(&self) -> Sight {
        self.passed("province", PassKind::Compare, false).await
    }

    pub(crate) async fn passed(&self, channel: &str, kind: PassKind, approved: bool) -> Sight {
        let (number, _) = self.resync(channel, kind, approved, None).await;
        self.wake();
        self.wait_until("the pass is over", || async {
            self.job(number).await.state == JobState::Done
        })
        .await;
        self.settled().await
    }

    /// The counts of one dataset on the channel `province`.
    pub(crate) async fn counts(&self, dataset: &str) -> Counts {
        self.counts_on("province", dataset).await
    }

    pub(crate) async fn counts_on(&self, channel: &str, dataset: &str) -> Counts {
        let flows = self.ledger().flows().await.unwrap();
        flows
            .iter()
            .find(|it| it.flow.dataset == dataset && it.flow.channel.as_str() == channel)
            .map(|it| it.counts)
            .unwrap_or_default()
    }

    /// Every reject, in the order of numbers.
    pub(crate) async fn rejects(&self) -> Vec<Reject> {
        let mut all: Vec<Reject> = Vec::new();
        loop {
            let after = all.last().map_or(0, |reject| reject.number);
            let filter = RejectFilter { after, limit: 500, ..RejectFilter::default() };
            let page = self.ledger().rejects(filter).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// How everything stands, for a person who reads a failure.
    pub(crate) async fn status(&self) -> String {
        let mut text = format!("{:#?}\n", look(&self.app).await);
        for flow in self.ledger().flows().await.unwrap() {
            let (counts, trouble) = (flow.counts, flow.trouble);
            text.push_str(&format!(
                "{} {}: {counts:?} {trouble:?}\n",
                flow.flow.channel, flow.flow.dataset
            ));
        }
        for open in self.ledger().open_batches().await.unwrap() {
            text.push_str(&format!("batches {open:?}\n"));
        }
        for hold in self.ledger().holds().await.unwrap() {
            text.push_str(&format!("hold {hold:?}\n"));
        }
        for drift in self.ledger().drift().await.unwrap() {
            text.push_str(&format!("drift {drift:?}\n"));
        }
        text.push_str(&format!("running: {:?}\n", self.app.supervisor.running()));
        text
    }

    /// Stops in order; nothing ended by itself, nothing was cut, every count balances, and the
    /// spool holds no file that the ledger does not name.
    pub(crate) async fn stop(mut self) {
        self.stopped = true;
        self.app.supervisor.stop();
        let ended = self.app.run().await;
        assert!(ended.cause.is_none() && ended.cut.is_empty(), "{ended:?}");
        for flow in self.ledger().flows().await.unwrap() {
            assert!(flow.counts.balance(), "{flow:?}");
        }
        let named: BTreeSet<String> =
            self.ledger().spool_names().await.unwrap().iter().map(ToString::to_string).collect();
        let spool = self.ledger().folder().join("spool");
        for file in std::fs::read_dir(spool).into_iter().flatten() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let stem = name.split('.').next().unwrap_or_default();
            assert!(named.contains(stem), "the ledger does not name the spool file {name}");
        }
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if !self.stopped {
            self.app.supervisor.stop();
            assert!(std::thread::panicking(), "a test stops its daemon");
        }
    }
}

/// The platform's content equals the city's, one row per key: `expected` maps keys to columns as
/// the city's source reads them. Times are written differently above, so both are compared with
/// a blank between day and hour.
pub(crate) fn assert_content(
    above: &Content,
    expected: &BTreeMap<String, BTreeMap<String, Option<String>>>,
    what: &str,
) {
    if let Some(difference) = difference(above, expected) {
        panic!("{what}: {difference}");
    }
}

/// The first difference, for a person.
pub(crate) fn difference(
    above: &Content,
    expected: &BTreeMap<String, BTreeMap<String, Option<String>>>,
) -> Option<String> {
    let keys = |missing: Vec<&String>| missing.into_iter().take(5).cloned().collect::<Vec<_>>();
    let absent = keys(expected.keys().filter(|key| !above.contains_key(*key)).collect());
    let extra = keys(above.keys().filter(|key| !expected.contains_key(*key)).collect());
    if !absent.is_empty() || !extra.is_empty() {
        return Some(format!("absent {absent:?}, extra {extra:?}"));
    }
    for (key, columns) in expected {
        let held = above.get(key).unwrap();
        for (name, value) in columns {
            let said = held.get(name).cloned().flatten();
            let value = value.as_deref().map(time_above_or_same);
            if said != value {
                return Some(format!("key {key}, column {name}: {said:?} instead of {value:?}"));
            }
        }
    }
    None
}

/// A canonical time as the standard writes it.
fn time_above(text: &str) -> Option<String> {
    let time: jiff::civil::DateTime = text.contains('T').then(|| text.parse().ok()).flatten()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A value as the standard writes it: only times are written differently.
pub(crate) fn time_above_or_same(text: &str) -> String {
    time_above(text).unwrap_or_else(|| text.to_owned())
}
