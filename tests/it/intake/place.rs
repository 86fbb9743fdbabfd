//! A city that takes counties in, and the counties below it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::config::Configuration;
use cascaded::demo::standards_folder;
use cascaded::rehearsal::Settings;
use cascaded::rehearsal::certificates::Certificates;
use rusqlite::{Connection, params};

use crate::support::daemon::{PACE, TestCity, TestDaemon};
use crate::support::plain::{CITY, Table, settings, write_catalogue};

/// The columns of what a county counts and what the city passes on.
pub(crate) const COLUMNS: &[(&str, &str)] =
    &[("id", "text"), ("note", "text"), ("grade", "text"), ("changed", "time")];

/// Who a county is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) id: &'static str,
    pub(crate) region: &'static str,
}

pub(crate) const TONGJIANG: Name = Name { id: "tongjiang", region: "515121" };
pub(crate) const NANJIANG: Name = Name { id: "nanjiang", region: "515122" };

pub(crate) const FIVE: [Name; 5] = [
    TONGJIANG,
    NANJIANG,
    Name { id: "pingchang", region: "515123" },
    Name { id: "bazhou", region: "515102" },
    Name { id: "enyang", region: "515103" },
];

impl Name {
    /// The dataset in the city's words.
    pub(crate) fn dataset(self) -> String {
        format!("{}-visits", self.region)
    }
}

/// What a county keeps, beside what a test says: nobody looks by itself more often than this.
fn table() -> Table {
    Table {
        id: "visits",
        columns: COLUMNS,
        key: &["id"],
        from: "source = \"city\"\ntable = \"visits\"\npoll = \"1s\"\ncompare_deletions = \"1s\"\n\
               change = { kind = \"time-column\", column = \"changed\", overlap = \"1h\" }"
            .to_owned(),
        rules: "",
    }
}

pub(crate) fn secret(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The city of the middle: takes counties in, and speaks to the rehearsal province.
pub(crate) struct Middle {
    pub(crate) city: TestCity,
    pub(crate) clock: Clock,
    pub(crate) authority: String,
}

impl Middle {
    /// A city that takes these counties in; `more` goes into each `[[intake.county]]`.
    pub(crate) async fn new(
        counties: &[Name],
        clock: &Clock,
        more: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_catalogue(folder.path(), &[]);
        drop(Connection::open(folder.path().join("city.sqlite")).unwrap());
        Self::around(folder, &[], counties, (clock, more), change).await
    }

    /// A city that stands in `folder` already, catalogue and tables, and takes counties in.
    pub(crate) async fn around(
        folder: tempfile::TempDir,
        tables: &[Table],
        counties: &[Name],
        (clock, more): (&Clock, &str),
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let certificates = Certificates::generate().unwrap();
        let at = |name: &str| folder.path().join("taking").join(name);
        secret(&at("server.pem"), &certificates.server.certificate);
        secret(&at("server.key"), &certificates.server.key);
        let mut text = settings(CITY, tables);
        text.push_str(&format!(
            "\n[intake]\nlisten = \"127.0.0.1:0\"\nstandard = \"{}\"\n\
             certificate_file = \"taking/server.pem\"\nkey_file = \"taking/server.key\"\n",
            cascaded::demo::STANDARD
        ));
        for county in counties {
            secret(&at(&format!("{}.requester", county.id)), &format!("R-{}", county.region));
            secret(&at(&format!("{}.secret", county.id)), &format!("secret of {}", county.id));
            text.push_str(&format!(
                "\n[[intake.county]]\nid = \"{id}\"\nregion = \"{region}\"\ntitle = \"{id}\"\n{more}\n\
                 [intake.county.credentials]\nrequester = \"taking/{id}.requester\"\n\
                 secret = \"taking/{id}.secret\"\n",
                id = county.id,
                region = county.region,
            ));
        }
        for county in counties {
            text.push_str(&dataset(*county));
        }
        let city = TestCity::with(folder, &text, clock, change).await;
        Self { city, clock: clock.clone(), authority: certificates.authority }
    }

    /// Starts the city's daemon and says where counties reach it.
    pub(crate) async fn start(&self) -> (TestDaemon, SocketAddr) {
        let daemon = TestDaemon::start(self.city.configuration(), &self.clock).await;
        let address = listening(&daemon).await;
        // The next start listens where the counties look for it.
        self.edit("127.0.0.1:0", &address.to_string());
        (daemon, address)
    }

    /// Rewrites the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let file = self.city.configuration_file();
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Where the rows of a county's dataset stand at the top.
    pub(crate) fn above(&self, county: Name) -> Vec<(String, Option<String>)> {
        let content = self.city.platform.content(&county.dataset()).unwrap();
        let rows = content.into_iter();
        rows.map(|(key, columns)| (key, columns.get("note").cloned().flatten())).collect()
    }
}

pub(crate) async fn listening(daemon: &TestDaemon) -> SocketAddr {
    let address = || daemon.app.works().intake_address();
    daemon.wait_until("counties can reach the city", || async { address().is_some() }).await;
    address().unwrap()
}

fn dataset(county: Name) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .chain(&[("taken_at", "time")])
        .map(|(name, kind)| format!("  {{ name = \"{name}\", type = \"{kind}\" }},\n"))
        .collect();
    format!(
        "\n[[dataset]]\nid = \"{}\"\ntitle = \"到访（{}）\"\ndepartment = \"{region}-o1\"\n\
         region = \"{region}\"\nsource = \"{}\"\ntable = \"visits\"\ncycle = \"daily\"\n\
         key = [\"id\"]\npoll = \"1s\"\ncompare_deletions = \"2s\"\n\
         change = {{ kind = \"time-column\", column = \"taken_at\", overlap = \"0s\" }}\n\
         columns = [\n{}]\n\
         [[dataset.rule]]\nrule = \"code-list\"\ncolumns = [\"grade\"]\ncodes = [\"a\", \"b\"]\n",
        county.dataset(),
        county.id,
        county.id,
        columns.concat(),
        region = county.region,
    )
}

/// A county's own instance and its table.
pub(crate) struct County {
    folder: tempfile::TempDir,
    pub(crate) table: Connection,
    pub(crate) name: Name,
    clock: Clock,
}

impl County {
    /// A county of so many rows that reaches the city at `address`.
    pub(crate) fn new(middle: &Middle, name: Name, rows: u32, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |file: &str| folder.path().join(file);
        write_catalogue(folder.path(), &[table()]);
        let table_file = Connection::open(at("city.sqlite")).unwrap();
        table_file.pragma_update(None, "journal_mode", "WAL").unwrap();
        table_file
            .execute_batch("CREATE TABLE visits (id TEXT, note TEXT, grade TEXT, changed TEXT)")
            .unwrap();
        let county = Self { table: table_file, folder, name, clock: middle.clock.clone() };
        county.write(0..rows, "first");
        secret(&county.path("keys/authority.pem"), &middle.authority);
        secret(&county.path("keys/requester"), &format!("R-{}", name.region));
        secret(&county.path("keys/secret"), &format!("secret of {}", name.id));
        secret(&county.path("keys/ledger.key"), &"7".repeat(64));
        let text = format!(
            "standards = [\"{}\"]\n\n[ledger]\nbegins = \"live\"\nfolder = \"ledger\"\n\
             key_file = \"keys/ledger.key\"\n\n[[channel]]\nid = \"city\"\nstandard = \"{}\"\n\
             [channel.province]\nurl = \"https://{address}\"\nca_file = \"keys/authority.pem\"\n\
             [channel.province.credentials]\nrequester = \"keys/requester\"\n\
             secret = \"keys/secret\"\n\n{PACE}{}",
            standards_folder().unwrap().display(),
            cascaded::demo::STANDARD,
            settings(CITY, &[table()]),
        );
        fs::write(county.path("cascaded.toml"), text).unwrap();
        county
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Gives a credential another text.
    pub(crate) fn credential(&self, name: &str, text: &str) {
        secret(&self.path(&format!("keys/{name}")), text);
    }

    pub(crate) fn configuration(&self) -> Configuration {
        Configuration::load(&self.path("cascaded.toml")).unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        })
    }

    pub(crate) async fn start(&self) -> TestDaemon {
        TestDaemon::start(self.configuration(), &self.clock).await
    }

    /// Writes rows, new or again.
    pub(crate) fn write(&self, numbers: std::ops::Range<u32>, note: &str) {
        let local = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap().to_datetime(self.clock.now());
        let now = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let write = self.table.unchecked_transaction().unwrap();
        for number in numbers {
            let id = format!("{}|{number:05}", self.name.id);
            write.execute("DELETE FROM visits WHERE id = ?", [&id]).unwrap();
            let grade = if number % 2 == 0 { "a" } else { "b" };
            let row = params![id, format!("{note} {number}"), grade, now];
            write.execute("INSERT INTO visits VALUES (?, ?, ?, ?)", row).unwrap();
        }
        write.commit().unwrap();
    }

    /// What should stand at the top: the county's rows without those that a rule turns away.
    pub(crate) fn expected(&self) -> Vec<(String, Option<String>)> {
        let sql = "SELECT id, note FROM visits WHERE grade IN ('a', 'b') ORDER BY id";
        let mut query = self.table.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).unwrap();
        // A key's text is escaped where a bar stands in it.
        rows.map(|row| row.map(|(id, note)| (id.replace('|', "\\|"), note)).unwrap()).collect()
    }
}
