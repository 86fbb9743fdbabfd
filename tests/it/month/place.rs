//! The city of the month: entries by the thousand, three in ten of them registered above by tools that
//! were there before; five counties below; five channels that prove differently much,
//! one of them over a gap.
//!
//! Whatever the program reads lies in temporary folders, so that a packaged one can be run where the
//! sources are not.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::demo::{SOCKET, STANDARD};
use cascaded::rehearsal::{Fetcher, FetcherSettings, Platform, RowRules};
use rusqlite::{Connection, params};

use super::outer::{self, FERRY, Outer};
use crate::intake::place::{County, FIVE, Middle, Name};
use crate::placed::{FILES, edit, failing, only_placed};
use crate::support::daemon::{PACE, TestCity, channel};
use crate::support::plain::{Table, write_catalogue};
use crate::support::town::{copy, open, small_batches};

/// Rows of each dataset on the first day.
pub(super) const ROWS: u64 = 150;
/// Rows of a message at most, over HTTP.
const BATCH_ROWS: u32 = 40;
const SHEET: &str = "import-sheet/1";
pub(super) const RECEIPTS: &str = "receipt-xml/1";
pub(super) const COLUMNS: &[(&str, &str)] = &[("id", "text"), ("name", "text"), ("grade", "text")];

/// The city's own datasets; each goes over the channel of its name, save the first, which goes to
/// the province with the catalogue.
pub(super) const DATASETS: [&str; 5] = ["verdicts", "receipts", "placed", "sheet", FERRY];

/// Keys that the province finds wrong, where it says anything of rows.
pub(super) const FAILING: [&str; 2] = ["r00007", "r00008"];

/// How many entries of which kind there are, of so many in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    pub(super) entries: u64,
    /// Registered above under the city's own code.
    pub(super) coded: u64,
    /// Registered under another tool's id; a portal's export has their titles.
    pub(super) titled: u64,
    /// The same, with a title that two entries of the city have.
    pub(super) shared_title: u64,
    /// A second registration of an entry that is registered under its code.
    pub(super) second: u64,
    /// Registered, and of nothing that the city still has.
    pub(super) gone: u64,
}

impl Shares {
    /// Two thousand, or as many as `CASCADED_MONTH_ENTRIES` says: a thousand at least.
    pub(super) fn from_environment() -> Self {
        let said = std::env::var("CASCADED_MONTH_ENTRIES").ok();
        let entries: u64 = said.and_then(|text| text.parse().ok()).unwrap_or(2_000);
        assert!(entries >= 1_000, "too few for every kind");
        let coded = entries * 26 / 100;
        let (titled, shared_title) = (entries * 35 / 1_000, entries / 1_000);
        let (second, gone) = (entries / 500, entries / 500);
        Self { entries, coded, titled, shared_title, second, gone }
    }

    /// Entries that stand above before the first day.
    pub(super) fn above(&self) -> u64 {
        self.adopted() + self.second + self.gone
    }

    /// Of those, the ones that become links.
    pub(super) fn adopted(&self) -> u64 {
        self.coded + self.titled + self.shared_title
    }

    /// Entries without a resource: what the datasets and the counties leave.
    fn plain(&self) -> u64 {
        self.entries - DATASETS.len() as u64 - FIVE.len() as u64
    }
}

/// Everything around the daemon.
pub(super) struct Place {
    pub(super) shares: Shares,
    pub(super) middle: Middle,
    /// The platform that gives receipts and never a verdict.
    pub(super) receipts: Platform,
    /// Who fetches what is placed, and says nothing.
    pub(super) collector: Fetcher,
    /// Who takes sheets to a portal and brings the result back.
    pub(super) clerk: Fetcher,
    /// What lies beyond the gap.
    pub(super) outer: Outer,
    pub(super) tables: Connection,
    pub(super) counties: Vec<County>,
    /// What another tool's portal exports.
    pub(super) export: PathBuf,
}

impl Place {
    pub(super) async fn new(shares: Shares) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let standards = standards(folder.path());
        let tables = tables();
        let catalogue = write_catalogue(folder.path(), &tables);
        write_entries(&catalogue, shares);
        let rows = write_rows(folder.path());
        let (at, database) = (folder.path().to_owned(), folder.path().join("province.sqlite"));
        let standard = standards.join(STANDARD);
        let middle = Middle::around(folder, &tables, &FIVE, (&clock, ""), |settings| {
            settings.standard = standard;
            settings.database = Some(database.clone());
            settings.rules.insert("verdicts".to_owned(), failing(&FAILING));
        })
        .await;
        let read = |name: &str| std::fs::read_to_string(at.join("keys").join(name)).unwrap();
        let receipts = middle.city.further_platform(|settings| {
            settings.standard = standards.join(RECEIPTS);
            settings.database = Some(at.join("receipts.sqlite"));
            settings.mounted_only = false;
            let names = ["requester", "secret"].into_iter();
            settings.credentials = names.map(|name| (name.to_owned(), read(name))).collect();
        });
        let receipts = receipts.await;
        let collector = fetcher(&at, FILES, "placed", RowRules::default());
        let outer = Outer::new(&at, &clock).await;
        let clerk = fetcher(&at, SHEET, "sheet", failing(&FAILING));
        let intake = configure(&middle.city, &receipts);
        let counties = FIVE.iter().map(|name| county(&middle, *name, &at, intake)).collect();
        let export = stands_above(&middle.city, shares);
        Self { shares, middle, receipts, collector, clerk, outer, tables: rows, counties, export }
    }

    pub(super) fn city(&self) -> &TestCity {
        &self.middle.city
    }
}

/// In memory where the machine has that: who is killed loses nothing by it, and seven thousand
/// registrations with all their commits take a third of the time. Another program than ours may see
/// less of the machine.
pub(super) fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let is_ours = std::env::var_os("CASCADED_BINARY").is_none();
    if is_ours && memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// The standards as they are shipped, with smaller messages, and the models of this month.
fn standards(folder: &Path) -> PathBuf {
    let to = small_batches(folder, BATCH_ROWS);
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/placed/standards");
    for name in [FILES, SHEET] {
        copy(&models.join(name), &to.join(name));
    }
    only_placed(&to.join(FILES));
    receipts_only(&to);
    to
}

/// A MODEL: the shipped one without objects' ids in its rows and without verdicts.
fn receipts_only(standards: &Path) {
    let to = standards.join(RECEIPTS);
    copy(&standards.join(STANDARD), &to);
    std::fs::remove_dir_all(to.join("samples")).unwrap();
    edit(&to, "id = \"reference-xml\"", "id = \"receipt-xml\"");
    edit(&to, "version = \"1.0\"", "version = \"1\"");
    let path = to.join("standard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("needs = [\"resource\"]\nevidence = \"row-verdict\"", "evidence = \"receipt\"");
    let operations = text.split("\n[[operation]]\n").filter(|it| !it.contains("rows.verdict"));
    let text = operations.collect::<Vec<_>>().join("\n[[operation]]\n");
    assert!(!text.contains("verdict\""), "nothing of verdicts is left");
    std::fs::write(path, text).unwrap();
    for name in ["messages/verdict.csv", "replies/verdict.csv", "codes/verdict.csv"] {
        std::fs::remove_file(to.join(name)).unwrap();
    }
    let path = to.join("messages/batch.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.contains("link.upper_id"));
    std::fs::write(path, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

fn tables() -> Vec<Table> {
    let table = |id: &'static str| Table {
        id,
        columns: COLUMNS,
        key: &["id"],
        from: format!(
            "source = \"city\"\ntable = \"{id}\"\npoll = \"1s\"\nchange = {{ kind = \"full\" }}"
        ),
        rules: "[[dataset.rule]]\nrule = \"code-list\"\ncolumns = [\"grade\"]\ncodes = [\"a\", \"b\"]\n",
    };
    DATASETS.into_iter().map(table).collect()
}

/// The title of an entry without a resource; of some, two have the same.
fn title(shares: Shares, number: u64) -> String {
    let first_of_two = shares.coded + shares.titled;
    let second_of_two = first_of_two + shares.shared_title;
    let is_second = (second_of_two..second_of_two + shares.shared_title).contains(&number);
    let number = if is_second { number - shares.shared_title } else { number };
    format!("示例目录{number:05}")
}

/// The city's id of an entry without a resource.
pub(super) fn entry(number: u64) -> String {
    format!("m-{number:05}")
}

fn write_entries(catalogue: &Connection, shares: Shares) {
    let write = catalogue.unchecked_transaction().unwrap();
    for number in 0..shares.plain() {
        let named = params![entry(number), title(shares, number)];
        write.execute("INSERT INTO entry VALUES (?1, ?2)", named).unwrap();
        let sql = "INSERT INTO item VALUES (?1, 'id', 'text', '1')";
        write.execute(sql, [entry(number)]).unwrap();
    }
    write.commit().unwrap();
}

/// `city.sqlite`: each table with a row that breaks a rule of the city's.
fn write_rows(folder: &Path) -> Connection {
    let city = Connection::open(folder.join("city.sqlite")).unwrap();
    city.pragma_update(None, "journal_mode", "WAL").unwrap();
    let write = city.unchecked_transaction().unwrap();
    for table in DATASETS {
        let sql = format!("CREATE TABLE {table} (id TEXT, name TEXT, grade TEXT)");
        write.execute(&sql, []).unwrap();
        for number in 0..ROWS {
            let grade = if number == 9 { "z" } else { "a" };
            let row = params![format!("r{number:05}"), format!("第一日 {number}"), grade];
            write.execute(&format!("INSERT INTO {table} VALUES (?, ?, ?)"), row).unwrap();
        }
    }
    write.commit().unwrap();
    city
}

fn fetcher(folder: &Path, standard: &str, dataset: &str, rules: RowRules) -> Fetcher {
    let made = |name: &str| {
        let path = folder.join(format!("{dataset}-{name}"));
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    Fetcher::new(FetcherSettings {
        standard: folder.join("standards").join(standard),
        outbox: made("up"),
        results: made("down"),
        keys: BTreeMap::from([(dataset.to_owned(), vec!["id".to_owned()])]),
        rules: BTreeMap::from([(dataset.to_owned(), rules)]),
    })
    .unwrap()
}

/// The channels beside the province's own.
fn channels(city: &TestCity, receipts: &Platform) -> String {
    let only = |id: &str| format!("carries = [\"rows\"]\ndatasets = [\"{id}\"]\n");
    let http = channel("receipts", &receipts.url(), &only("receipts")).replace(STANDARD, RECEIPTS);
    let files = |id: &str, standard: &str, more: &str| {
        format!(
            "[[channel]]\nid = \"{id}\"\nstandard = \"{standard}\"\n{}\n\
             [channel.province]\nurl = \"file://{}\"\n{more}\n",
            only(id),
            city.path().join(format!("{id}-up")).display(),
        )
    };
    let results = "results_folder = \"sheet-down\"\n";
    let gap = outer::channel(city.path());
    [http, files("placed", FILES, ""), files("sheet", SHEET, results), gap].join("\n")
}

/// Writes the configuration of a fresh installation; where counties reach it.
fn configure(city: &TestCity, receipts: &Platform) -> std::net::SocketAddr {
    let folder = city.path();
    let scheme = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes/model-2026.toml");
    std::fs::create_dir(folder.join("schemes")).unwrap();
    std::fs::copy(scheme, folder.join("schemes/model-2026.toml")).unwrap();
    std::fs::create_dir(folder.join("lists")).unwrap();
    std::fs::write(folder.join("lists/obligations.csv"), obligations()).unwrap();
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let own: Vec<String> = FIVE.iter().map(|name| format!("\"{}\"", name.dataset())).collect();
    let own = format!("datasets = [\"verdicts\", {}]\n\n[channel.province]", own.join(", "));
    let control = format!(
        "[control]\nsocket = {{ path = \"{}\" }}\nhttp = \"127.0.0.1:0\"\n\n\
         [indicator]\nscheme = \"model-2026\"\nschemes = \"schemes\"\nlists = \"lists\"\n\n",
        folder.join(SOCKET).display(),
    );
    let intake = free_address();
    let text = format!("standards = [\"standards\"]\n{}", text.split_once('\n').unwrap().1)
        .replace("begins = \"live\"\n", "")
        .replacen("[channel.province]", &own, 1)
        .replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{intake}\""))
        .replace(PACE, &format!("{}\n{control}{}", channels(city, receipts), pace()));
    std::fs::write(city.configuration_file(), text).unwrap();
    intake
}

/// Ten thousand links are looked through whenever the province is asked where its reviews stand.
fn pace() -> String {
    PACE.replace("ask = \"100ms\"", "ask = \"2s\"")
}

/// The list of obligations (责任清单): every entry that has rows.
fn obligations() -> String {
    let own = DATASETS.map(|id| format!("e-{id},r-{id},{id},{id},o1,515100"));
    let below = FIVE.map(|it| {
        let (region, dataset) = (it.region, it.dataset());
        format!("{region}-e-visits,{region}-r-visits,{dataset},visits,{region}-o1,{region}")
    });
    let lines = own.into_iter().chain(below).map(|it| format!("{it},每日,yes,no,yes\n"));
    let heads = "entry,resources,dataset,title,department,region,cycle,shared,open,key\n";
    format!("{heads}{}", lines.collect::<String>())
}

/// Of loopback, and below what the machine gives to whoever connects: while the daemon is dead,
/// nobody else gets it.
fn free_address() -> std::net::SocketAddr {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let found = (first..32_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    found.unwrap().local_addr().unwrap()
}

/// A county whose program finds its standards beside the city's.
fn county(middle: &Middle, name: Name, city: &Path, intake: std::net::SocketAddr) -> County {
    let county = County::new(middle, name, 30, intake);
    let path = county.path("cascaded.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    let standards = city.join("standards");
    let text = format!("standards = [\"{}\"]\n{rest}", standards.display());
    std::fs::write(path, text).unwrap();
    county
}

/// What the tools before have left above; gives what a portal exports of it.
fn stands_above(city: &TestCity, shares: Shares) -> PathBuf {
    let province = open(&city.path().join("province.sqlite"));
    let write = province.unchecked_transaction().unwrap();
    let add = |kind: &str, upper: &str, local: &str, title: &str| {
        let sql = "INSERT INTO object VALUES (?1, ?2, ?3, ?4, 'published', NULL, '{}', '',
            '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z',
            '2026-01-01T00:00:00.000000Z', 1)";
        write.execute(sql, [upper, kind, local, title]).unwrap();
    };
    add("organisation", "OLD-ORGAN", "o1", "示例局");
    add("category", "OLD-CATEGORY", "3", "部门信息资源");
    for number in 0..shares.coded {
        let title = title(shares, number);
        add("entry", &format!("OLD-{number:05}"), &entry(number), &title);
    }
    let mut export = "某省门户导出,,\n上级编号,目录名称,类别\n".to_owned();
    let mut vendor = |number: u64, mark: &str, title: &str| {
        let upper = format!("{mark}-{number:05}");
        add("entry", &upper, &format!("V-{upper}"), title);
        export.push_str(&format!("{upper},（{title}）,目录\n"));
    };
    for number in shares.coded..shares.adopted() {
        vendor(number, "PORTAL", &title(shares, number));
    }
    for number in 0..shares.second {
        vendor(number, "SECOND", &title(shares, number));
    }
    for number in 0..shares.gone {
        vendor(number, "GONE", &format!("早已撤销的目录{number}"));
    }
    write.commit().unwrap();
    let file = city.path().join("门户导出.csv");
    std::fs::write(&file, export).unwrap();
    file
}
