//! A private PostgreSQL server in a temporary folder, on a unix socket.
//!
//! `initdb` refuses root, so as root everything runs as `postgres` or `nobody`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Stopped and removed when dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<&'static str>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("-c listen_addresses=", |_| {})
    }

    /// Listens on `port` of loopback for encrypted sessions with passwords; the second value is
    /// the file of the certificate to trust.
    pub(crate) fn start_encrypted(port: u16) -> (Self, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on \
             -c ssl_cert_file=../server.pem -c ssl_key_file=../server.key"
        );
        let server = Self::start_with(&options, |folder| {
            std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
            let file = folder.join("server.key");
            std::fs::write(&file, key.serialize_pem()).unwrap();
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        });
        let trusted = server.folder.path().join("server.pem");
        (server, trusted)
    }

    fn start_with(options: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("cascaded-pg-").tempdir().unwrap();
        let server = Self { folder, programs: programs(), user: unprivileged() };
        prepare(server.folder.path());
        if let Some(user) = server.user {
            let done = Command::new("chown")
                .arg("-R")
                .arg(user)
                .arg(server.folder.path())
                .status()
                .unwrap();
            assert!(done.success());
        }
        let data = server.folder.path().join("data");
        let data = data.to_str().unwrap();
        server.run(
            "initdb",
            &[
                "-D",
                data,
                "-U",
                "postgres",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
        );
        let log = server.folder.path().join("log");
        let options = format!(
            "{options} -c unix_socket_directories={} -c fsync=off -c max_connections=20",
            server.folder.path().display()
        );
        server.run(
            "pg_ctl",
            &["-D", data, "-l", log.to_str().unwrap(), "-o", &options, "-w", "start"],
        );
        server
    }

    /// How to connect.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.path().display())
    }

    /// The server's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Runs statements; `\copy` works.
    pub(crate) fn sql(&self, text: &str) {
        self.sql_on(5432, text);
    }

    /// The same for a server with a port of its own; still through the unix socket.
    pub(crate) fn sql_on(&self, port: u16, text: &str) {
        let mut child = Command::new("psql")
            .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(self.folder.path())
            .args(["-p", &port.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let path = self.programs.join(program);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(path);
                command
            }
            None => Command::new(path),
        };
        // The server inherits what is open: a pipe would never end.
        command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "{program} failed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        self.run("pg_ctl", &["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"]);
    }
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists());
    found.expect("Debian's package postgresql is installed by tests/run")
}

fn unprivileged() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    if Path::new("/proc/self").metadata().unwrap().uid() != 0 {
        return None;
    }
    let known = std::fs::read_to_string("/etc/passwd").unwrap();
    let there = |user: &&str| known.lines().any(|line| line.starts_with(&format!("{user}:")));
    ["postgres", "nobody"].into_iter().find(there)
}
