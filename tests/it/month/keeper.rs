//! Whoever keeps the real program going (as a service manager does) and whoever kills it: at moments
//! that a seed chose, counted in what can be seen from outside — transactions that its ledger has
//! committed, requests that the province has read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cascaded::rehearsal::Platform;
use rusqlite::Connection;

use crate::support::operator::{program, wait_for};
use crate::support::town::{Dice, open};

/// Between two looks at what a life has done.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After so many looks a life whose moment does not come ends wherever it is, mostly at rest.
const MOST_LOOKS: u32 = 300;

#[derive(Default)]
struct Told {
    /// Kills that the script still wants, and those that were.
    wanted: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
}

/// What is run.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) configuration: PathBuf,
    /// The folder that holds `ledger` and where its log goes.
    pub(super) folder: PathBuf,
    /// Whose requests are counted; nobody's for a county.
    pub(super) province: Option<Platform>,
}

/// One program, started again whenever it was killed.
pub(super) struct Keeper {
    told: Arc<Told>,
    log: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(program: Program, dice: Dice) -> Self {
        let told = Arc::new(Told::default());
        let log = program.folder.join("service.log");
        let mut keeping = Keeping { program, dice, told: Arc::clone(&told), ledger: None };
        let thread = std::thread::spawn(move || keeping.keep());
        Self { told, log, thread: Some(thread) }
    }

    /// So many kills more, whenever their moments come.
    pub(super) fn kill(&self, times: u64) {
        self.told.wanted.fetch_add(times, Ordering::SeqCst);
    }

    /// How many kills are still to come.
    pub(super) fn to_come(&self) -> u64 {
        self.told.wanted.load(Ordering::SeqCst)
    }

    /// How often it was killed.
    pub(super) fn kills(&self) -> u64 {
        self.told.done.load(Ordering::SeqCst)
    }

    /// No kill that has not come yet comes any more.
    pub(super) fn spare(&self) {
        self.told.wanted.store(0, Ordering::SeqCst);
    }

    /// It has not ended by itself.
    pub(super) fn check(&self) {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        assert!(!ended, "it ended by itself:\n{}", self.log());
    }

    pub(super) fn log(&self) -> String {
        tail(&self.log)
    }

    /// Stops it in order.
    pub(super) fn stop(mut self) {
        self.told.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|it| it.is_ok()), "it did not stop in order:\n{}", self.log());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// A moment of a life.
#[derive(Clone, Copy)]
enum Moment {
    /// Its ledger was seen to change so often.
    Commits(u64),
    /// The province has read so many requests more.
    Requests(u64),
}

/// What was seen of a life.
#[derive(Clone, Copy, Default)]
struct Seen {
    version: Option<i64>,
    commits: u64,
    requests: u64,
    looks: u32,
}

impl Seen {
    fn next(self, version: Option<i64>, requests: u64) -> Self {
        let is_another = self.version.is_some() && version != self.version;
        Self {
            version,
            commits: self.commits + u64::from(is_another),
            requests,
            looks: self.looks + 1,
        }
    }

    /// The moment, counted from what was seen then, has come.
    fn is_at(self, (moment, from): (Moment, Self)) -> bool {
        self.looks - from.looks >= MOST_LOOKS
            || match moment {
                Moment::Commits(at) => self.commits - from.commits >= at,
                Moment::Requests(at) => self.requests - from.requests >= at,
            }
    }
}

/// How a life went on.
enum Life {
    Killed,
    Stopped,
}

struct Keeping {
    program: Program,
    dice: Dice,
    told: Arc<Told>,
    ledger: Option<Connection>,
}

impl Keeping {
    fn keep(&mut self) {
        while let Life::Killed = self.live() {}
    }

    fn start(&self) -> Child {
        let log = self.program.folder.join("service.log");
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        program()
            .args(["run", "--config"])
            .arg(&self.program.configuration)
            .env("RUST_LOG", "warn")
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap()
    }

    /// Early, somewhat later, or anywhere: short lives are where starting is cut off.
    fn moment(&mut self) -> Moment {
        let is_a_county = self.program.province.is_none();
        match self.dice.below(6) {
            0 => Moment::Commits(1 + self.dice.below(8)),
            1 | 2 => Moment::Commits(1 + self.dice.below(60)),
            _ if is_a_county => Moment::Commits(1 + self.dice.below(100)),
            3 => Moment::Requests(1 + self.dice.below(8)),
            4 => Moment::Requests(1 + self.dice.below(300)),
            _ => Moment::Commits(1 + self.dice.below(600)),
        }
    }

    /// One life: to its moment where a kill is wanted, or until it is told to stop.
    fn live(&mut self) -> Life {
        let mut child = self.start();
        let mut seen = Seen { requests: self.requests(), ..Seen::default() };
        let mut moment: Option<(Moment, Seen)> = None;
        loop {
            if self.told.stop.load(Ordering::SeqCst) {
                terminate(&mut child, &self.program.folder);
                return Life::Stopped;
            }
            if let Some(status) = child.try_wait().unwrap() {
                let log = tail(&self.program.folder.join("service.log"));
                panic!("{} ended by itself: {status}\n{log}", self.program.name);
            }
            seen = seen.next(self.version(), self.requests());
            if self.told.wanted.load(Ordering::SeqCst) == 0 {
                moment = None;
            } else if moment.is_none() {
                moment = Some((self.moment(), seen));
            }
            if moment.is_some_and(|it| seen.is_at(it)) {
                child.kill().unwrap();
                child.wait().unwrap();
                self.told.wanted.fetch_sub(1, Ordering::SeqCst);
                self.told.done.fetch_add(1, Ordering::SeqCst);
                return Life::Killed;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Another number whenever somebody else has committed something.
    fn version(&mut self) -> Option<i64> {
        if self.ledger.is_none() {
            let path = self.program.folder.join("ledger/ledger.sqlite");
            self.ledger = path.exists().then(|| open(&path));
        }
        let ledger = self.ledger.as_ref()?;
        ledger.query_row("PRAGMA data_version", [], |row| row.get(0)).ok()
    }

    fn requests(&self) -> u64 {
        let province = self.program.province.as_ref();
        province.map_or(0, |it| it.requests().values().sum())
    }
}

/// The last that a log says.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

/// Ends it in order, as a service manager does.
fn terminate(child: &mut Child, folder: &Path) {
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(told.success());
    let log = || std::fs::read_to_string(folder.join("service.log")).unwrap_or_default();
    let status = wait_for("it ends", || child.try_wait().unwrap(), log);
    assert!(status.success(), "{status}");
}
