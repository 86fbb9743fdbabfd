//! A private PostgreSQL server: in a folder of its own, on a unix socket, gone at the end.
//!
//! The programs are those of Debian's packages. They refuse to run as root, so that as root they
//! run as `postgres` or `nobody`, who then own the folder.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::rand;

use crate::rehearsal::Error;

/// Where Debian puts the programs of each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The server's own port; only the name of its socket tells it.
const PORT: u16 = 5432;

/// Who runs the programs, where we are root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// Runs from [`Server::start`] until it is dropped; its folder is removed then.
#[derive(Debug)]
pub(super) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    user: Option<User>,
}

fn failed(operation: &'static str, reason: impl ToString) -> Error {
    Error::Front { operation, reason: reason.to_string() }
}

impl Server {
    /// Makes a database and starts a server on it. Blocking.
    pub(super) fn start() -> Result<Self, Error> {
        let programs = programs()?;
        let folder = folder()?;
        let server = Self { user: user(&folder)?, folder, programs };
        if let Some(user) = server.user {
            chown(&server.folder, Some(user.uid), Some(user.gid))
                .map_err(|error| failed("own the folder", error))?;
        }
        let data = server.data();
        let initdb = ["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"];
        server.run("initdb", &[&["-D", &data], &initdb[..]].concat())?;
        server.begin()?;
        Ok(server)
    }

    /// Starts the server again after [`Server::halt`]; its data is as it was.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let options = format!(
            "-c listen_addresses= -c port={PORT} -c unix_socket_directories={} -c fsync=off \
             -c max_connections=40",
            self.folder.display()
        );
        let log = self.folder.join("log");
        let (data, log) = (self.data(), log.display().to_string());
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"])
    }

    /// Stops the server as a failed machine would: open sessions are cut.
    pub(super) fn halt(&self) -> Result<(), Error> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"])
    }

    /// How to connect.
    pub(super) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.display())
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn run(&self, program: &'static str, arguments: &[&str]) -> Result<(), Error> {
        let mut command = Command::new(self.programs.join(program));
        // The server inherits what is open: a pipe would never end.
        command.args(arguments).current_dir("/").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let status = command.status().map_err(|error| failed(program, error))?;
        if status.success() { Ok(()) } else { Err(failed(program, status)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What does not stop is told by nobody any more; its folder goes, and it with it.
        drop(self.halt());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A new folder that nobody else can look into.
fn folder() -> Result<PathBuf, Error> {
    let mut bytes = [0_u8; 8];
    rand::fill(&mut bytes).map_err(|_unspecified| failed("make a folder", "no random bytes"))?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = std::env::temp_dir().join(format!("cascaded-front-{name}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed("make a folder", error))?;
    Ok(folder)
}

fn programs() -> Result<PathBuf, Error> {
    let versions = std::fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .find(|folder| folder.join("initdb").exists())
        .ok_or_else(|| failed("find PostgreSQL", "Debian's package postgresql is not installed"))
}

/// Who runs the programs: nobody else unless we are root.
fn user(ours: &Path) -> Result<Option<User>, Error> {
    let owner = ours.metadata().map_err(|error| failed("look at the folder", error))?.uid();
    if owner != 0 {
        return Ok(None);
    }
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |wanted: &str| {
        let line = known.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some(User { uid: fields.next()?.ok()?, gid: fields.next()?.ok()? })
    };
    ["postgres", "nobody"]
        .into_iter()
        .find_map(find)
        .map(Some)
        .ok_or_else(|| failed("find a user", "neither postgres nor nobody is there"))
}
