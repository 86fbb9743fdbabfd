//! `rehearsal`: plays a province until it is told to stop: a platform of messages, a front
//! database, or both, whatever the standard speaks of.
//!
//! Standard output has the addresses, one a line: the platform's, then the database's. Where the
//! keys lie is told beside them; no secret is ever printed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::Console;
use super::arguments::Rehearsal;
use super::conformance::announced;
use super::local::Stops;
use crate::clock::Clock;
use crate::language::Language;
use crate::rehearsal::certificates::Certificates;
use crate::rehearsal::{Front, FrontSettings, Listen, Parts, Platform, Script, Settings, Table};
use crate::supervisor::{StopPolicy, Supervisor, sleep_until};

/// How often the judge looks at the tables.
const LOOKS: Duration = Duration::from_millis(200);

/// Plays until a signal comes.
pub(super) async fn run(rehearsal: &Rehearsal, console: &mut Console<'_>) -> anyhow::Result<()> {
    // Before anything is started: what comes early is not lost, and nothing is left behind.
    let stops = Stops::catch()?;
    let clock = Clock::system();
    let supervisor = Supervisor::new(clock.clone(), 8);
    let certificates = Certificates::generate()?;
    // The command line demands both where no other command is named.
    let (Some(standard), Some(folder)) = (rehearsal.standard.clone(), rehearsal.dir.clone()) else {
        anyhow::bail!("name the standard and the folder: --standard DIR --dir DIR");
    };
    let parts = Parts::of(&standard)?;
    let stage = Stage { rehearsal, folder: &folder, certificates: &certificates };
    let platform = match parts.messages {
        true => Some(stage.platform(&standard, &clock, &supervisor).await?),
        false if rehearsal.faults.is_some() || !rehearsal.then.is_empty() => {
            anyhow::bail!("--faults and --then are for messages, and this standard has none");
        }
        false => None,
    };
    if let Some(platform) = &platform {
        console.data(&format!("{}\n", platform.url()));
    }
    let front = match parts.tables {
        true => Some(stage.front(&standard, platform.is_some(), &clock, &supervisor).await?),
        false => None,
    };
    let keys = match &front {
        Some(front) => Some(stage.keys(front).await?),
        None => None,
    };
    if let (Some(front), Some(keys)) = (&front, &keys) {
        console.data(&format!("{}\n", front.city().url));
        for line in keys.told(front, console.view.language) {
            console.note(&line);
        }
    }
    stops.watch(&supervisor);
    let ended = supervisor.run(Duration::from_secs(5)).await;
    drop((platform, front, keys));
    match ended.cause {
        Some((task, _)) => Err(anyhow::anyhow!("task {task} ended by itself")),
        None => Ok(()),
    }
}

struct Stage<'a> {
    rehearsal: &'a Rehearsal,
    folder: &'a Path,
    certificates: &'a Certificates,
}

impl Stage<'_> {
    async fn platform(
        &self,
        standard: &Path,
        clock: &Clock,
        supervisor: &Supervisor,
    ) -> anyhow::Result<Platform> {
        let Certificates { authority, server, stranger, .. } = self.certificates;
        let credentials = crate::demo::write_keys(self.folder, self.certificates)?;
        let mut settings = Settings::new(standard.to_owned(), server.clone(), stranger.clone());
        settings.listen = self.rehearsal.listen;
        settings.database = Some(self.folder.join("province.sqlite"));
        settings.client_authority = Some(authority.clone());
        settings.credentials = credentials;
        let platform = Platform::start(settings, clock.clone(), supervisor).await?;
        goes_over(self.rehearsal, self.folder.to_owned(), &platform, supervisor)?;
        if let Some(path) = &self.rehearsal.faults {
            let script = Script::parse(&fs::read_to_string(path)?)
                .map_err(|problems| anyhow::anyhow!("{}: {problems}", path.display()))?;
            script.perform(&platform, clock, supervisor);
        }
        Ok(platform)
    }

    /// `beside`: the address that was asked for is the platform's.
    async fn front(
        &self,
        standard: &Path,
        beside: bool,
        clock: &Clock,
        supervisor: &Supervisor,
    ) -> anyhow::Result<Front> {
        let listed = announced(self.rehearsal.tables.as_ref())?;
        let mut address = self.rehearsal.listen;
        if beside {
            address.set_port(0);
        }
        let settings = FrontSettings {
            standard: standard.to_owned(),
            tables: if listed.is_empty() { Table::made_up() } else { listed },
            every: Some(LOOKS),
            listen: Some(Listen { address, identity: self.certificates.server.clone() }),
            ..FrontSettings::default()
        };
        Ok(Front::start(settings, clock.clone(), supervisor).await?)
    }

    /// Writes what a city needs to get in and to know the tables, where it is asked to.
    async fn keys(&self, front: &Front) -> anyhow::Result<Keys> {
        let folder = self.folder.join("keys");
        fs::create_dir_all(&folder).context("make the folder of keys")?;
        let mut keys = Keys::default();
        let (city, province) = (front.city(), front.province());
        let authority = self.certificates.authority.as_bytes().to_vec();
        keys.authority = keys.write(&folder, "front-authority.pem", &authority)?;
        let password = tokio::fs::read(city.password_file).await.context("read a password")?;
        keys.city = keys.write(&folder, "front-city.password", &password)?;
        let password = tokio::fs::read(province.password_file).await.context("read a password")?;
        keys.province = keys.write(&folder, "front-province.password", &password)?;
        let list = match &self.rehearsal.tables {
            Some(path) => fs::read(path).context("read the list of tables")?,
            None => Table::MADE_UP.as_bytes().to_vec(),
        };
        keys.list = keys.write(self.folder, "front-tables.toml", &list)?;
        Ok(keys)
    }
}

/// The standards that the platform goes over to one after the other, each at its time or signal.
fn goes_over(
    rehearsal: &Rehearsal,
    folder: PathBuf,
    platform: &Platform,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (next, times) = (rehearsal.then.clone(), rehearsal.at.clone());
    let times = times.into_iter().map(Some).chain(std::iter::repeat(None));
    let (platform, clock) = (platform.clone(), supervisor.clock().clone());
    supervisor.spawn_passing("rehearsal standards", StopPolicy::Abort, async move {
        for (standard, at) in next.into_iter().zip(times) {
            match at {
                Some(at) => sleep_until(&clock, at).await,
                None => drop(hangup.recv().await),
            }
            let shown = standard.display().to_string();
            let gone = async {
                let ids = platform.go_over(standard).await?;
                let lines = ids.iter().map(|(kind, old, new)| format!("{kind},{old},{new}\n"));
                let map: String =
                    std::iter::once("kind,old,new\n".to_owned()).chain(lines).collect();
                // It appears whole: who waits for it may read it at once.
                let begun = folder.join("upper-ids.new");
                fs::write(&begun, map)?;
                fs::rename(begun, folder.join("upper-ids.csv"))?;
                Ok::<_, anyhow::Error>(())
            };
            match gone.await {
                Ok(()) => tracing::info!(standard = shown, "another standard is spoken"),
                Err(error) => {
                    tracing::error!(standard = shown, error = format!("{error:#}"), "not spoken");
                }
            }
        }
        // Further signals change nothing, and end nothing.
        while hangup.recv().await.is_some() {}
    });
    Ok(())
}

/// Files that are worth nothing once the database is gone, and go with it.
#[derive(Debug, Default)]
struct Keys {
    authority: PathBuf,
    city: PathBuf,
    province: PathBuf,
    list: PathBuf,
    written: Vec<PathBuf>,
}

impl Keys {
    fn write(&mut self, folder: &Path, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = folder.join(name);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("write {}", path.display()))?;
        self.written.push(path.clone());
        file.write_all(content).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    fn told(&self, front: &Front, language: Language) -> [String; 5] {
        let (city, province) = (self.city.display(), self.province.display());
        let authority = self.authority.display();
        let (writer, list) = (front.province().url, self.list.display());
        match language {
            Language::Chinese => [
                format!("本市账号口令文件：{city}"),
                format!("信任证书（ca_file）：{authority}"),
                format!("省级账号：{writer}"),
                format!("省级账号口令文件：{province}"),
                format!("前置表清单（--tables）：{list}"),
            ],
            Language::English => [
                format!("the city's password is in {city}"),
                format!("certificate to trust (ca_file): {authority}"),
                format!("the province's own account: {writer}"),
                format!("its password is in {province}"),
                format!("the announced tables (--tables): {list}"),
            ],
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        for path in &self.written {
            // Whoever removed it first did what was to be done.
            drop(fs::remove_file(path));
        }
    }
}
