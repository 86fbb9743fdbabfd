//! A sound first installation, and copies of it that are spoiled.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cascaded::clock::Clock;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::Value;

use super::servers::{Holder, Wish};
use crate::support::daemon::TestCity;
use crate::support::plain::{Table, VISITS, settings, write_catalogue};
use crate::support::postgres::Server;
use crate::support::process::PROGRAM;
use crate::support::town::copy;

/// What the accounts and tables of the base are. Each table but the first is wrong in one way.
const TABLES: &str = "
CREATE ROLE reader LOGIN PASSWORD 'reader';
CREATE ROLE barred LOGIN PASSWORD 'reader';
CREATE ROLE crowded LOGIN PASSWORD 'reader' CONNECTION LIMIT 0;
CREATE ROLE chief LOGIN PASSWORD 'reader' SUPERUSER;
CREATE ROLE writer LOGIN PASSWORD 'reader';
CREATE TABLE visits (id text PRIMARY KEY, note text, changed timestamp NOT NULL);
CREATE INDEX ON visits (changed);
CREATE TABLE lacking (id text PRIMARY KEY, changed timestamp NOT NULL);
CREATE TABLE guarded (LIKE visits INCLUDING ALL);
CREATE TABLE typed (id text PRIMARY KEY, note text, changed boolean NOT NULL);
CREATE TABLE loose (id text NOT NULL, note text, changed timestamp NOT NULL);
CREATE INDEX ON loose (changed);
CREATE TABLE hollow (id text UNIQUE, note text, changed timestamp NOT NULL);
CREATE INDEX ON hollow (changed);
CREATE TABLE slow (id text PRIMARY KEY, note text, changed timestamp NOT NULL);
GRANT SELECT ON visits, lacking, typed, loose, hollow, slow TO reader, writer;
GRANT INSERT, UPDATE ON visits TO writer;
CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
SELECT current_setting('hba_file') AS hba \\gset
CREATE DATABASE front;
CREATE ROLE city LOGIN PASSWORD 'reader';
CREATE ROLE stranger LOGIN PASSWORD 'reader';
CREATE ROLE lacking LOGIN PASSWORD 'reader';
CREATE ROLE reading LOGIN PASSWORD 'reader';
COPY (SELECT line FROM (VALUES (1, 'local all all trust'), (2, 'host all barred all reject'),
 (3, 'host all all all scram-sha-256')) AS rules (at, line) ORDER BY at) TO :'hba';
SELECT pg_reload_conf();
\\connect ascii
CREATE TABLE visits (id text PRIMARY KEY, note text, changed timestamp NOT NULL);
CREATE INDEX ON visits (changed);
GRANT SELECT ON visits TO reader;
\\connect front
CREATE TABLE visits (dfsjzj text PRIMARY KEY, lsh serial, sjsczt text, sbyy text, sjyxbs text,
 sjwxyy text, id text, note text, changed timestamp);
GRANT SELECT, INSERT, UPDATE ON visits TO city;
GRANT SELECT ON visits TO reading;
ALTER ROLE stranger SET search_path = stranger;
CREATE SCHEMA lacking;
GRANT USAGE ON SCHEMA lacking TO lacking;
CREATE TABLE lacking.visits (LIKE visits);
ALTER TABLE lacking.visits DROP COLUMN note;
GRANT SELECT, INSERT, UPDATE ON lacking.visits TO lacking;
";

/// What every installation of the test stands on.
pub(super) struct Base {
    city: TestCity,
    _server: Server,
    pub(super) port: u16,
    /// The authority that the platforms of the test's own are by.
    pub(super) root: Holder,
    /// What a sound installation says of this machine.
    pub(super) known: Vec<String>,
}

impl Base {
    pub(super) async fn new() -> Self {
        let clock = Clock::system();
        let port = super::servers::closed().port();
        let (server, trusted) = Server::start_encrypted(port);
        server.sql_on(port, TABLES);
        let folder = tempfile::tempdir().unwrap();
        let visits = Table {
            id: "visits",
            columns: VISITS,
            key: &["id"],
            from: "source = \"city\"\ntable = \"visits\"\npoll = \"1h\"\n\
                   change = { kind = \"time-column\", column = \"changed\", overlap = \"1h\" }"
                .to_owned(),
            rules: "",
        };
        write_catalogue(folder.path(), std::slice::from_ref(&visits));
        std::fs::copy(&trusted, folder.path().join("database.pem")).unwrap();
        write(&folder.path().join("database.password"), "reader\n", 0o600);
        let year = clock.now().to_zoned(jiff::tz::TimeZone::UTC).year();
        let years: Vec<String> = (year..=year + 1)
            .map(|year| format!("[year.{year}]\nsource = \"a test\"\noff = [\"{year}-01-01\"]\n"))
            .collect();
        write(&folder.path().join("days.toml"), &years.concat(), 0o644);
        write(&folder.path().join("grade.csv"), "code,title\na,A\nb,B\n", 0o644);
        let source = format!(
            "calendar = \"days.toml\"\n\n[[code_table]]\nid = \"grade\"\nfile = \"grade.csv\"\n\n\
             [[source]]\nkind = \"postgres\"\nid = \"city\"\n\
             url = \"host=localhost port={port} user=reader dbname=postgres\"\n\
             password_file = \"database.password\"\nca_file = \"database.pem\"\n"
        );
        let city = TestCity::with(folder, &settings(&source, &[visits]), &clock, |_| {}).await;
        // Top-level keys stand before the first section.
        let file = city.configuration_file();
        let text = std::fs::read_to_string(file).unwrap();
        let text = text.replacen("calendar = \"days.toml\"\n", "", 1);
        let text = text.replacen("[ledger]\n", "[ledger]\nspool_bytes = 67108864\n", 1);
        std::fs::write(file, format!("calendar = \"days.toml\"\n{text}")).unwrap();
        let root = Wish::authority().made(None);
        Self { city, _server: server, port, root, known: Vec::new() }
    }

    /// A copy of the installation.
    pub(super) fn site(&self) -> Site<'_> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cascaded.toml", "catalogue.sqlite", "days.toml", "grade.csv"] {
            std::fs::copy(self.city.path().join(name), folder.path().join(name)).unwrap();
        }
        for name in ["database.pem", "database.password"] {
            std::fs::copy(self.city.path().join(name), folder.path().join(name)).unwrap();
        }
        copy(&self.city.path().join("keys"), &folder.path().join("keys"));
        let text = std::fs::read_to_string(folder.path().join("cascaded.toml")).unwrap();
        Site {
            base: self,
            configuration: folder.path().join("cascaded.toml"),
            folder,
            text,
            environment: vec![("TZ", "Asia/Shanghai".to_owned())],
            foreign: None,
        }
    }

    pub(super) async fn close(self) {
        self.city.close().await;
    }
}

/// A copy of the installation, to be spoiled and looked at.
pub(super) struct Site<'a> {
    pub(super) base: &'a Base,
    folder: tempfile::TempDir,
    /// The configuration's text.
    pub(super) text: String,
    pub(super) configuration: PathBuf,
    pub(super) environment: Vec<(&'static str, String)>,
    /// A folder elsewhere that is gone with the site.
    pub(super) foreign: Option<tempfile::TempDir>,
}

pub(super) fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Site<'_> {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes one line of the configuration otherwise.
    pub(super) fn turn(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "`{from}` is not in\n{}", self.text);
        self.text = self.text.replacen(from, to, 1);
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text, 0o600);
    }

    pub(super) fn mode(&self, name: &str, mode: u32) {
        let path = self.path(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The address of the platform.
    pub(super) fn url(&mut self, url: &str) {
        let old = self.base.city.platform.url();
        self.turn(&format!("url = \"{old}\""), &format!("url = \"{url}\""));
    }

    /// A platform of the test's own by its own authority, without certificates of ours.
    pub(super) fn other(&mut self, address: SocketAddr) {
        self.url(&format!("https://localhost:{}", address.port()));
        self.write("keys/authority.pem", &self.base.root.pem);
        self.turn("client_certificate_file = \"keys/client.pem\"\n", "");
        self.turn("client_key_file = \"keys/client.key\"\n", "");
    }

    /// What stands in `[channel.province]` beside the rest.
    pub(super) fn province(&mut self, more: &str) {
        self.turn("[channel.province]\n", &format!("[channel.province]\n{more}\n"));
    }

    /// Our certificate and key.
    pub(super) fn ours(&self, holder: &Holder) {
        self.write("keys/client.pem", &holder.pem);
        self.write("keys/client.key", &holder.key);
    }

    /// Of the source.
    pub(super) fn source(&mut self, url: &str) {
        let port = self.base.port;
        self.turn(&format!("host=localhost port={port} user=reader dbname=postgres"), url);
    }

    pub(super) fn account(&mut self, user: &str) {
        let url = format!("host=localhost port={} user={user} dbname=postgres", self.base.port);
        self.source(&url);
    }

    pub(super) fn table(&mut self, table: &str) {
        self.turn("table = \"visits\"\npoll", &format!("table = \"{table}\"\npoll"));
    }

    /// A second channel, of front-end tables.
    pub(super) fn front(&mut self, url: &str) {
        self.write("front.password", "reader\n");
        self.text.push_str(&format!(
            "\n[[channel]]\nid = \"front\"\nstandard = \"front-tables/3.0\"\n\
             carries = [\"rows\"]\n\n[channel.province]\nurl = \"{url}\"\n\
             ca_file = \"database.pem\"\n\n[channel.province.credentials]\n\
             password = \"front.password\"\n"
        ));
    }

    pub(super) fn front_account(&mut self, user: &str) {
        let port = self.base.port;
        self.front(&format!("host=localhost port={port} user={user} dbname=front"));
    }

    /// What the real command finds, worst first.
    pub(super) fn findings(&self) -> Vec<Value> {
        let path = self.path("cascaded.toml");
        // Keeps the mode that a seed gave it.
        std::fs::write(&path, &self.text).unwrap();
        let mut command = Command::new(PROGRAM);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("LANG", "C").envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).arg("--config").arg(&self.configuration);
        command.arg("--socket").arg(self.path("no-daemon.sock"));
        let said = command.args(["doctor", "--json"]).output().unwrap();
        serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)))
    }
}

/// A client's certificate of `by`, with these days.
pub(super) fn client(by: &Holder, from: i64, until: i64) -> Holder {
    let purpose = Some(ExtendedKeyUsagePurpose::ClientAuth);
    Wish { name: "city", hosts: &[], from, until, purpose, ..Wish::default() }.made(Some(by))
}
