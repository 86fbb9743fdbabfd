//! A city of one table, the program that carries it, and the sink above.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cascaded::demo::{standards_folder, write_keys};
use cascaded::rehearsal::certificates::Certificates;

use crate::{sink, table};

#[path = "../../it/support/plain.rs"]
#[expect(dead_code, reason = "the tests' city can do more")]
mod plain;

/// The program as it is handed out, beside this one's folder.
fn program() -> Command {
    let own = std::env::current_exe().unwrap();
    Command::new(own.parent().unwrap().with_file_name("cascaded"))
}

const OBSERVED: &str = "cascade_rows_observed_total";
const SENT: &str = "cascade_batches_sent_total";
const PATIENCE: Duration = Duration::from_secs(1800);

/// How bodies travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Compression {
    None,
    Zstd,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) time: Duration,
    /// Of the program alone, both kinds.
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
}

/// The table as a dataset.
fn person(id: &'static str, from: &str) -> plain::Table {
    plain::Table {
        id,
        columns: table::COLUMNS,
        key: &["id"],
        from: format!("source = \"city\"\n{from}"),
        rules: table::RULES,
    }
}

/// Ended and removed when dropped.
pub(crate) struct City {
    folder: tempfile::TempDir,
    sink: Child,
    daemon: Child,
    http: String,
}

impl Drop for City {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.sink] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl City {
    /// Starts everything and waits until the table, empty yet, was read once.
    pub(crate) async fn start(database: &str, compression: Compression, from: &str) -> Self {
        Self::begin(database, compression, &[person("person", from)]).await
    }

    /// The same with so many datasets that are this table.
    pub(crate) async fn of_many(database: &str, from: &str, datasets: u32) -> Self {
        let named = |number| person(String::leak(format!("person{number}")), from);
        let tables: Vec<plain::Table> = (0..datasets).map(named).collect();
        Self::begin(database, Compression::None, &tables).await
    }

    async fn begin(database: &str, compression: Compression, tables: &[plain::Table]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let certificates = Certificates::generate().unwrap();
        write_keys(at, &certificates).unwrap();
        sink::prepare(at, &certificates);
        let standard = standard(at, compression);
        let mut sink = Command::new(std::env::current_exe().unwrap())
            .arg("sink")
            .args([at, &standard.join("samples")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(sink.stdout.take().unwrap()).read_line(&mut url).unwrap();
        drop(plain::write_catalogue(at, tables));
        let http = free_address();
        let source =
            format!("[[source]]\nkind = \"postgres\"\nid = \"city\"\nurl = \"{database}\"\n");
        let text = format!(
            "standards = [\"standards\"]\n\n[ledger]\nbegins = \"live\"\nfolder = \"ledger\"\n\
             key_file = \"keys/ledger.key\"\n\n[control]\nhttp = \"{http}\"\n\
             socket = {{ path = \"control.sock\", mode = \"0600\" }}\n\n\
             [pace]\nidle = \"1s\"\nreconcile = \"1000h\"\n\n\
             [[channel]]\nid = \"province\"\nstandard = \"reference-xml/1.0\"\n\n\
             [channel.province]\nurl = \"{}\"\nca_file = \"keys/authority.pem\"\n\n\
             [channel.province.credentials]\nrequester = \"keys/requester\"\n\
             secret = \"keys/secret\"\n\n{}",
            url.trim(),
            plain::settings(&source, tables),
        );
        std::fs::write(at.join("cascaded.toml"), text).unwrap();
        let log = std::fs::File::create(at.join("log")).unwrap();
        let daemon = program()
            .args(["run", "--config"])
            .arg(at.join("cascaded.toml"))
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut city = Self { folder, sink, daemon, http };
        let socket = city.folder.path().join("control.sock");
        city.wait("the first reading", |_| {
            let mut ask = program();
            let told = ask.args(["status", "--json", "--socket"]).arg(&socket).output().unwrap();
            let status = serde_json::from_slice::<serde_json::Value>(&told.stdout);
            status.is_ok_and(|status| status["complete_pass"] == true)
        })
        .await;
        city
    }

    /// Has all rows sent and waits for the last receipt.
    pub(crate) async fn carry(&mut self, rows: u64) -> Run {
        let meter = self.meter();
        self.resync(&["--full"]);
        let wanted = f64::from(u32::try_from(rows).unwrap());
        self.wait("the last receipt", |page| {
            let known = value(page, "cascade_rows_confirmed_total")
                + value(page, "cascade_rows_rejected_total");
            known >= wanted
        })
        .await;
        self.read(meter)
    }

    /// Has all rows compared with what was sent and waits until the last was; none goes out.
    pub(crate) async fn compare(&mut self, rows: u64) -> Run {
        let page = get(&self.http).unwrap();
        let (observed, sent) = (value(&page, OBSERVED), value(&page, SENT));
        let wanted = observed + f64::from(u32::try_from(rows).unwrap());
        let meter = self.meter();
        let job = ["--key", &wanted.to_string()];
        self.resync(&job);
        self.wait("the last row's comparison", |page| value(page, OBSERVED) >= wanted).await;
        let run = self.read(meter);
        self.resync(&[&job[..], &["--wait"]].concat());
        assert_eq!(value(&get(&self.http).unwrap(), SENT), sent);
        run
    }

    fn resync(&self, how: &[&str]) {
        let asked = program()
            .args(["resync", "person", "--socket"])
            .arg(self.folder.path().join("control.sock"))
            .args(how)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(asked.success());
    }

    /// Nothing to do for so long.
    pub(crate) async fn idle(&self, time: Duration) -> Run {
        let meter = self.meter();
        tokio::time::sleep(time).await;
        self.read(meter)
    }

    /// Bytes of sorted runs, and of the sealed originals beside them.
    pub(crate) fn run_bytes(&self) -> (u64, u64) {
        let mut bytes = (0, 0);
        let mut folders = vec![self.folder.path().join("ledger")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension().and_then(|it| it.to_str()) {
                    Some("run") => bytes.0 += path.metadata().unwrap().len(),
                    Some("keys") => bytes.1 += path.metadata().unwrap().len(),
                    _ if path.is_dir() => folders.push(path),
                    _ => {}
                }
            }
        }
        bytes
    }

    /// From here on the peak is of what comes.
    fn meter(&self) -> (Duration, Instant) {
        std::fs::write(self.process("clear_refs"), "5").unwrap();
        (self.cpu(), Instant::now())
    }

    fn read(&self, (cpu, begun): (Duration, Instant)) -> Run {
        let time = begun.elapsed();
        let status = std::fs::read_to_string(self.process("status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak_kib = peak.trim().trim_end_matches(" kB").parse().unwrap();
        Run { time, cpu: self.cpu().saturating_sub(cpu), peak_kib }
    }

    /// How long rows took from their change to their receipt until now, in microseconds.
    pub(crate) fn moments(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.folder.path().join(sink::MOMENTS)).unwrap();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Waits until so many rows with a moment of their own have a receipt.
    pub(crate) async fn heard(&mut self, rows: usize) {
        let moments = self.folder.path().join(sink::MOMENTS);
        let count = move |_: &str| {
            std::fs::read_to_string(&moments).is_ok_and(|text| text.lines().count() >= rows)
        };
        self.wait("receipts of what changed", count).await;
    }

    fn process(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.daemon.id().to_string()).join(file)
    }

    /// User and system time, counted in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(self.process("stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|it| it.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    async fn wait(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let ended = self.daemon.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
                panic!("not there: {what}\n{log}");
            }
            if get(&self.http).is_some_and(|page| holds(&page)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

/// The sum of a family's series.
fn value(page: &str, family: &str) -> f64 {
    let of_family =
        |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let last = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    page.lines().filter(of_family).map(last).sum()
}

/// The reference model with receipts as its evidence, and the compression that is measured.
fn standard(folder: &Path, compression: Compression) -> PathBuf {
    let to = folder.join("standards/reference-xml/1.0");
    copy_tree(&standards_folder().unwrap().join("reference-xml/1.0"), &to);
    let file = to.join("standard.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let compress = match compression {
        Compression::None => "",
        Compression::Zstd => "compress = \"zstd\"",
    };
    let text = text
        .replace("evidence = \"row-verdict\"", "evidence = \"receipt\"")
        .replace("compress = \"gzip\"", compress);
    std::fs::write(file, text).unwrap();
    to
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
