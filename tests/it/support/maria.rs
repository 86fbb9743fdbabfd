//! A private MariaDB server in a temporary folder, one for all tests that run at the same time.
//!
//! Each test has a database of its own on it. The last one that lets go stops the server; it takes
//! its folder along. As root the server gives up its rights itself (`--user`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Stopped and removed when dropped.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

/// A test's own database, gone with its server.
pub(crate) struct Database {
    server: Arc<Server>,
    name: String,
}

static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Database {
    pub(crate) fn new() -> Self {
        let server = {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.upgrade().unwrap_or_else(|| {
                let server = Arc::new(Server::start());
                *running = Arc::downgrade(&server);
                server
            })
        };
        let name = format!("city{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        database.server.say("", &format!("CREATE DATABASE {}", database.name));
        database
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How to connect on the server's socket, where everything is allowed.
    pub(crate) fn url(&self) -> String {
        let socket = self.server.socket();
        format!("mysql://root@localhost/{}?socket={}", self.name, socket.display())
    }

    /// How a user connects over the network.
    pub(crate) fn network(&self, user: &str) -> String {
        format!("mysql://{user}@localhost:{}/{}", self.server.port, self.name)
    }

    /// The file of the certificate that encrypted sessions show.
    pub(crate) fn trusted(&self) -> PathBuf {
        self.server.folder.path().join("server.pem")
    }

    /// The server's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.server.socket()
    }

    /// Runs statements.
    pub(crate) fn sql(&self, text: &str) {
        self.server.say(&self.name, text);
    }

    /// What one statement tells, a line a row, with tabs between.
    pub(crate) fn told(&self, text: &str) -> String {
        self.server.say(&self.name, text)
    }
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("cascaded-db-").tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        std::fs::write(folder.path().join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("server.key"), key.serialize_pem()).unwrap();
        let user = unprivileged();
        if let Some(user) = user {
            let done = Command::new("chown").args(["-R", user]).arg(folder.path()).status();
            assert!(done.unwrap().success());
        }
        let shared = |program: &str| {
            let mut command = Command::new(program);
            command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
            command.args(user.map(|user| format!("--user={user}")));
            command.arg(format!("--tmpdir={}", folder.path().display()));
            command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let made = shared("mariadb-install-db")
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "mariadb-install-db failed");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let child = shared(if Path::new("/usr/sbin/mariadbd").exists() {
            "/usr/sbin/mariadbd"
        } else {
            "mariadbd"
        })
        .arg(format!("--socket={}", at("socket")))
        .arg(format!("--pid-file={}", at("pid")))
        .arg(format!("--ssl-cert={}", at("server.pem")))
        .arg(format!("--ssl-key={}", at("server.key")))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve=0"])
        .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"])
        .args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"])
        .args(["--max-allowed-packet=256M", "--innodb-log-file-size=512M"])
        .stderr(log)
        .spawn()
        .unwrap();
        let mut server = Self { child, folder, port };
        // What it says when it takes sessions; nothing else tells when.
        while std::os::unix::net::UnixStream::connect(server.socket()).is_err() {
            let ended = server.child.try_wait().unwrap();
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap();
            assert!(ended.is_none(), "the server ended: {log}");
            std::thread::yield_now();
        }
        server
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn say(&self, database: &str, text: &str) -> String {
        let mut child = Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"])
            .args(["--default-character-set=utf8mb4", "--max-allowed-packet=256M"])
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--database={database}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed again.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn unprivileged() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    (Path::new("/proc/self").metadata().unwrap().uid() == 0).then_some("nobody")
}
