//! The real program as a service manager and an operator meet it: started with a configuration,
//! asked through its commands and its HTTP address, told to stop with a signal.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use cascaded::control::protocol::Status;
use serde::de::DeserializeOwned;

use super::daemon::TestCity;
use super::process::PROGRAM;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many looks a wait takes before it is a failure: two minutes.
const LOOKS: u32 = 2_400;

/// Looks until `look` gives something; fails with `what` and what `otherwise` says.
pub(crate) fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    otherwise: impl FnOnce() -> String,
) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("never: {what}\n{}", otherwise());
}

/// In which language a command is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speech {
    Chinese,
    English,
}

impl Speech {
    pub(crate) const BOTH: [Self; 2] = [Self::Chinese, Self::English];

    fn variable(self) -> &'static str {
        match self {
            Self::Chinese => "zh_CN.UTF-8",
            Self::English => "C",
        }
    }
}

/// What a command said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The JSON on standard output, which must have this form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program with an environment that says nothing about languages, services or logs: as it was
/// built for these tests, or the one that `CASCADED_BINARY` names.
pub(crate) fn program() -> Command {
    let other = std::env::var_os("CASCADED_BINARY");
    let mut command = Command::new(other.unwrap_or_else(|| PROGRAM.into()));
    for name in ["LC_ALL", "LC_MESSAGES", "RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs one command to its end.
pub(crate) fn command(speech: Speech, words: &[&str]) -> Said {
    let output = program().env("LANG", speech.variable()).args(words).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The daemon as a process of its own; killed when dropped.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
    socket: PathBuf,
}

impl Service {
    /// Starts it between a city and its platform; `variables` are what a service manager sets.
    pub(crate) fn start(city: &TestCity, variables: &[(&str, &str)]) -> Self {
        let log = city.path().join("service.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = program()
            .args(["run", "--config"])
            .arg(city.configuration_file())
            .envs(variables.iter().copied())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log, socket: city.path().join(cascaded::demo::SOCKET) }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it through its socket.
    pub(crate) fn asked(&self, speech: Speech, words: &[&str]) -> Said {
        let socket = ["--socket", self.socket.to_str().unwrap()];
        command(speech, &[&socket, words].concat())
    }

    /// Asks it for JSON of this form.
    pub(crate) fn json<T: DeserializeOwned>(&self, words: &[&str]) -> T {
        let said = self.asked(Speech::English, &[words, &["--json"]].concat());
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.json()
    }

    /// Its status, where it answers already.
    pub(crate) fn status(&self) -> Option<Status> {
        let said = self.asked(Speech::English, &["status", "--json"]);
        (said.code == Some(0)).then(|| said.json())
    }

    /// Waits until its status is so; it must not end meanwhile.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        for _ in 0..LOOKS {
            let status = self.status();
            if let Some(status) = status.filter(&holds) {
                return status;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended while waiting for: {what}\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
        let said = self.asked(Speech::English, &["status"]);
        panic!("never: {what}\n{said:#?}\n{}", self.log());
    }

    /// Waits until all that is due is confirmed or rejected, and everything was read once.
    pub(crate) fn settled(&mut self) -> Status {
        self.wait_until("everything is confirmed or rejected", |status| {
            let (rows, entries) = (status.summary.rows, status.summary.entries);
            status.complete_pass
                && rows.due > 0
                && rows.queued == 0
                && entries.due == entries.accepted + entries.rejected
        })
    }

    /// Waits until so many rows are due and none of them waits: after a restart, when the next
    /// complete pass over everything is not awaited.
    pub(crate) fn has_settled(&mut self, due: u64) -> Status {
        self.wait_until("every row is confirmed or rejected", |status| {
            status.summary.rows.due == due && status.summary.rows.queued == 0
        })
    }

    /// The address of its HTTP, once it says so.
    pub(crate) fn http(&mut self) -> SocketAddr {
        let status = self.wait_until("it answers", |status| status.http.is_some());
        let url = status.http.unwrap();
        url.trim_start_matches("http://").trim_end_matches("/metrics").parse().unwrap()
    }

    /// One line of what the kernel says of its memory, such as `VmHWM`, in KiB.
    pub(crate) fn memory_kib(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Tells it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Tells it to read everything again, as people do who know no better.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(told.success());
    }

    /// It has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let (child, log) = (&mut self.child, &self.log);
        wait_for("it ends", || child.try_wait().unwrap(), || std::fs::read_to_string(log).unwrap())
    }

    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "{status}\n{}", self.log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended, or it has no business to go on.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An answer over HTTP: its status and its body, where somebody answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    // Version 1.0, so that the end of the answer is the end of the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
