//! A private PostgreSQL server: in a folder of its own, on a unix socket, gone at the end. Asked to,
//! it also listens on an address, for encrypted sessions with a password and no others.
//!
//! The programs are those of Debian's packages. They refuse to run as root, so that as root they
//! run as `postgres` or `nobody`, who then own the folder.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::rand;

use crate::rehearsal::Error;
use crate::rehearsal::certificates::Identity;

/// Where Debian puts the programs of each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The port of a server that does not listen; only the name of its socket tells it.
const PORT: u16 = 5432;
/// How often a free port is looked for: somebody else may take it first.
const PORTS_TRIED: usize = 5;
/// Who gets in how. The server's own people only through the socket, which nobody else can reach.
const ENTRANCES: &str = "local all postgres trust\nlocal all all scram-sha-256\n\
     hostssl all city all scram-sha-256\nhostssl all province all scram-sha-256\n";

/// Where a server listens, and who it says it is.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Port 0 is any free one.
    pub address: SocketAddr,
    /// Its certificate and key.
    pub identity: Identity,
}

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
    /// The address it listens on, if any.
    host: Option<IpAddr>,
    port: u16,
}

fn failed(operation: &'static str, reason: impl ToString) -> Error {
    Error::Front { operation, reason: reason.to_string() }
}

impl Server {
    /// Makes a database and starts a server on it. Blocking.
    pub(super) fn start(listen: Option<&Listen>) -> Result<Self, Error> {
        let programs = programs()?;
        let folder = folder()?;
        let user = user(&folder)?;
        let host = listen.map(|listen| listen.address.ip());
        let mut server = Self { folder, programs, user, host, port: PORT };
        server.own(&server.folder)?;
        let data = server.data();
        let initdb = ["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"];
        server.run("initdb", &[&["-D", &data], &initdb[..]].concat())?;
        std::fs::write(Path::new(&data).join("pg_hba.conf"), ENTRANCES)
            .map_err(|error| failed("say who gets in", error))?;
        let Some(listen) = listen else {
            server.begin()?;
            return Ok(server);
        };
        server.keep("server.pem", &listen.identity.certificate)?;
        server.keep("server.key", &listen.identity.key)?;
        let wanted = listen.address.port();
        let mut tries = if wanted == 0 { PORTS_TRIED } else { 1 };
        loop {
            server.port = if wanted == 0 { free_port(listen.address)? } else { wanted };
            tries -= 1;
            match server.begin() {
                Err(_taken) if tries > 0 => {}
                result => return result.map(|()| server),
            }
        }
    }

    /// Starts the server again after [`Server::halt`]; its data is as it was.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let folder = self.folder.display();
        let listens = match self.host {
            None => "-c listen_addresses=".to_owned(),
            Some(host) => format!(
                "-c listen_addresses={host} -c ssl=on -c ssl_cert_file={folder}/server.pem \
                 -c ssl_key_file={folder}/server.key"
            ),
        };
        let options = format!(
            "{listens} -c port={} -c unix_socket_directories={folder} -c fsync=off \
             -c max_connections=40 -c log_statement=all -c log_parameter_max_length=0 \
             -c log_line_prefix='%u|'",
            self.port
        );
        let log = self.folder.join("log");
        let (data, log) = (self.data(), log.display().to_string());
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"])
    }

    /// Stops the server as a failed machine would: open sessions are cut.
    pub(super) fn halt(&self) -> Result<(), Error> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"])
    }

    /// How its own people connect.
    pub(super) fn url(&self) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("host={folder} port={port} user=postgres dbname=postgres")
    }

    /// How an account connects: where the server listens, otherwise through the socket.
    pub(super) fn url_of(&self, account: &str) -> String {
        let port = self.port;
        match self.host {
            Some(host) => {
                format!("postgres://{account}@{}/postgres", SocketAddr::new(host, port))
            }
            None => {
                let folder = self.folder.display();
                format!("host={folder} port={port} user={account} dbname=postgres")
            }
        }
    }

    /// The statements that an account's sessions sent, in order. Blocking.
    pub(super) fn statements(&self, account: &str) -> Result<Vec<String>, Error> {
        let log = std::fs::read_to_string(self.folder.join("log"))
            .map_err(|error| failed("read the server's log", error))?;
        let mut statements: Vec<String> = Vec::new();
        let mut is_inside = false;
        for line in log.lines() {
            if is_inside && line.starts_with('\t') {
                if let Some(last) = statements.last_mut() {
                    last.push_str(line);
                }
                continue;
            }
            let said = line.strip_prefix(account).and_then(|rest| rest.strip_prefix("|LOG:  "));
            let said =
                said.filter(|it| it.starts_with("statement: ") || it.starts_with("execute "));
            is_inside = said.is_some();
            let statement = said.and_then(|it| it.split_once(": ")).map(|(_, it)| it.to_owned());
            statements.extend(statement);
        }
        Ok(statements)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file that the server reads and nobody else does.
    fn keep(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        let opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed("keep a certificate", error))?;
        self.own(&path)
    }

    /// Gives a path to whoever runs the programs.
    fn own(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = self.user else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid)).map_err(|error| failed("own the folder", error))
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

/// A port that nobody has at this moment.
fn free_port(address: SocketAddr) -> Result<u16, Error> {
    let listener = TcpListener::bind(address).and_then(|it| it.local_addr());
    listener.map(|it| it.port()).map_err(|error| failed("find a free port", error))
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
