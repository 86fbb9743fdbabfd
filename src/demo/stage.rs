//! The demonstration's stage set: a folder with a made city, certificates, keys, a provincial
//! platform over TLS on loopback, and the configuration of the daemon between them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand;
use jiff::tz::TimeZone;

use super::{Generated, Scale, generate};
use crate::clock::Clock;
use crate::rehearsal::certificates::Certificates;
use crate::rehearsal::{Platform, RowRules, Settings};
use crate::supervisor::Supervisor;

/// The standard the demonstration speaks.
pub const STANDARD: &str = "reference-xml/1.0";
/// Where the daemon's socket is, below the demonstration's folder.
pub const SOCKET: &str = "control.sock";

/// How a set is laid out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// An empty folder, or one that does not exist yet.
    pub folder: PathBuf,
    /// The folder of standards.
    pub standards: PathBuf,
    /// How large a city.
    pub scale: Scale,
    /// Another seed makes another city.
    pub seed: u64,
    /// Where the daemon serves metrics and status; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// How long the province reviews entries.
    pub review: Duration,
    /// How long the province takes to judge rows.
    pub verdict: Duration,
    /// The province's own rules by dataset.
    pub province_rules: BTreeMap<String, RowRules>,
    /// Further lines of the configuration, such as `[pace]`.
    pub extra: String,
}

/// A set that stands: the city is made, the platform runs, the configuration is written.
#[derive(Clone)]
pub struct Set {
    /// The folder.
    pub folder: PathBuf,
    /// What was made.
    pub city: Generated,
    /// The provincial platform.
    pub platform: Platform,
    /// The daemon's configuration file.
    pub configuration: PathBuf,
}

impl std::fmt::Debug for Set {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Set").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Set {
    /// Makes the city and starts the platform under `supervisor`.
    pub async fn build(plan: Plan, clock: &Clock, supervisor: &Supervisor) -> anyhow::Result<Self> {
        let now = TimeZone::get("Asia/Shanghai")
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .to_datetime(clock.now());
        let making = plan.clone();
        let city = supervisor
            .pool()
            .run(move || generate(&making.folder, making.scale, making.seed, now))
            .await?;
        let certificates = Certificates::generate()?;
        let folder = plan.folder.clone();
        let credentials = write_keys(&folder, &certificates)?;
        let mut settings = Settings::new(
            plan.standards.join(STANDARD),
            certificates.server.clone(),
            certificates.stranger.clone(),
        );
        settings.database = Some(folder.join("province.sqlite"));
        settings.client_authority = Some(certificates.authority.clone());
        settings.credentials = credentials;
        settings.review = plan.review;
        settings.verdict = plan.verdict;
        settings.rules.clone_from(&plan.province_rules);
        settings.seed = plan.seed;
        let platform = Platform::start(settings, clock.clone(), supervisor).await?;
        let configuration = folder.join("cascaded.toml");
        let text = configuration_text(&plan, &city, &platform.url());
        fs::write(&configuration, text).context("write the configuration")?;
        Ok(Self { folder, city, platform, configuration })
    }
}

fn configuration_text(plan: &Plan, city: &Generated, url: &str) -> String {
    let listen = plan.listen.map_or_else(String::new, |listen| format!("http = \"{listen}\"\n"));
    let standards = plan.standards.display();
    let socket = plan.folder.join(SOCKET);
    format!(
        "# Written by the demonstration; every path is relative to this folder.\n\
         city = \"示例市\"\nstandards = [\"{standards}\"]\n\n\
         [ledger]\nbegins = \"live\"\nfolder = \"ledger\"\nkey_file = \"keys/ledger.key\"\n\n\
         [control]\n{listen}socket = {{ path = \"{}\" }}\n\n\
         [[channel]]\nid = \"province\"\nstandard = \"{STANDARD}\"\n\n\
         [channel.province]\nurl = \"{url}\"\nca_file = \"keys/authority.pem\"\n\
         client_certificate_file = \"keys/client.pem\"\nclient_key_file = \"keys/client.key\"\n\n\
         [channel.province.credentials]\n\
         requester = \"keys/requester\"\nsecret = \"keys/secret\"\n\n\
         {}\n{}",
        socket.display(),
        plan.extra,
        city.configuration
    )
}

/// Writes certificates, keys and credentials below `folder/keys`, readable by nobody else, and
/// gives the credentials.
pub fn write_keys(
    folder: &Path,
    certificates: &Certificates,
) -> anyhow::Result<BTreeMap<String, String>> {
    let (requester, secret) = ("R-515100".to_owned(), random_text()?);
    let keys = folder.join("keys");
    fs::create_dir_all(&keys).context("make the folder of keys")?;
    let mut ledger = [0_u8; 32];
    rand::fill(&mut ledger).map_err(|_unspecified| anyhow::anyhow!("no random bytes"))?;
    for (name, content) in [
        ("authority.pem", certificates.authority.as_bytes()),
        ("client.pem", certificates.client.certificate.as_bytes()),
        ("client.key", certificates.client.key.as_bytes()),
        ("requester", requester.as_bytes()),
        ("secret", secret.as_bytes()),
        ("ledger.key", ledger.as_slice()),
    ] {
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(keys.join(name))
            .with_context(|| format!("write keys/{name}"))?;
        file.write_all(content).with_context(|| format!("write keys/{name}"))?;
    }
    Ok(BTreeMap::from([("requester".to_owned(), requester), ("secret".to_owned(), secret)]))
}

fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 24];
    rand::fill(&mut bytes).map_err(|_unspecified| anyhow::anyhow!("no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The folder of standards on this machine: beside the sources, beside the program as the archive
/// unpacks, or where the package puts it.
pub fn standards_folder() -> anyhow::Result<PathBuf> {
    let mut candidates = vec![PathBuf::from("config/standards")];
    if let Ok(program) = std::env::current_exe().and_then(|path| path.canonicalize()) {
        let below = ["share/cascaded/standards", "config/standards"];
        candidates
            .extend(program.ancestors().skip(2).take(3).flat_map(|it| below.map(|at| it.join(at))));
    }
    candidates.push(PathBuf::from("/usr/share/cascaded/standards"));
    // Of the machine that builds, which a program that is handed out says nothing of.
    #[cfg(debug_assertions)]
    candidates.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards"));
    candidates
        .into_iter()
        .find(|folder| folder.join(STANDARD).join("standard.toml").is_file())
        .and_then(|folder| folder.canonicalize().ok())
        .context(
            "the standards are neither in config/standards, nor beside the program, nor in \
             /usr/share/cascaded",
        )
}
