//! `rehearsal` of a standard of tables through the real program: it starts its own database, says
//! where and how to get in, judges, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use cascaded::demo::standards_folder;
use cascaded::sql::{Address, connect_read_write};

use crate::support::daemon::run;
use crate::support::process::PROGRAM;

/// A province that plays in a process of its own.
struct Province {
    child: Child,
    addresses: Vec<String>,
    folder: tempfile::TempDir,
    standard: PathBuf,
}

impl Province {
    fn start(standard: &str, addresses: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The database is another user's where we are root: it must find its folder.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open.clone()).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        std::fs::set_permissions(folder.path().join("tmp"), open).unwrap();
        let standard = standards_folder().unwrap().join(standard);
        let errors = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["rehearsal", "--standard"])
            .arg(&standard)
            .arg("--dir")
            .arg(folder.path().join("province"))
            .env("TMPDIR", folder.path().join("tmp"))
            .env("LANG", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let addresses: Vec<String> = lines.take(addresses).map(Result::unwrap).collect();
        Self { child, addresses, folder, standard }
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join("province/keys").join(name)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    fn city(&self) -> Address {
        Address {
            url: self.addresses.last().unwrap().clone(),
            password_file: Some(self.key("front-city.password")),
            ca_file: Some(self.key("front-authority.pem")),
            statement_timeout: Duration::from_secs(30),
            zone: "Asia/Shanghai".to_owned(),
        }
    }

    /// Tries it as a stranger's; the last line, and how it ended.
    fn tried(&self) -> (String, bool) {
        let with = |name: &str, path: &Path| format!("{name}={}", path.display());
        let done = Command::new(PROGRAM)
            .args(["rehearsal", "conformance", "--standard"])
            .arg(&self.standard)
            .args(["--against", self.addresses.last().unwrap()])
            .arg("--ca")
            .arg(self.key("front-authority.pem"))
            .args(["--credential", &with("password", &self.key("front-city.password"))])
            .arg("--tables")
            .arg(self.folder.path().join("province/front-tables.toml"))
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let failed: Vec<&str> = text.lines().filter(|line| !line.starts_with('✓')).collect();
        (failed.join("\n"), done.status.success())
    }

    fn stop(&mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// Ended in order, it has left no folder, no key and nobody who listens.
    fn assert_gone(&self) {
        let left: Vec<_> = std::fs::read_dir(self.folder.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        for name in ["front-city.password", "front-province.password", "front-authority.pem"] {
            assert!(!self.key(name).exists(), "{name}");
        }
        let url = self.addresses.last().unwrap();
        let at = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
        assert!(std::net::TcpStream::connect(at).is_err(), "somebody listens at {at}");
    }
}

impl Drop for Province {
    fn drop(&mut self) {
        // A test that failed before the end still ends what it began, in order.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.stop("-TERM");
        }
    }
}

#[test]
fn a_rehearsal_of_tables_starts_its_own_database_and_leaves_nothing() {
    run(async {
        let mut province = Province::start("front-tables/3.0", 1);
        assert!(province.addresses[0].starts_with("postgres://city@127.0.0.1:"));
        let mut session = {
            // Told after the address; it is there when the address is.
            let address = province.city();
            connect_read_write(&address).await.unwrap()
        };
        let count = "SELECT count(*) FROM rehearsal_matter";
        let row = session.wire.drive(session.client.query_one(count, &[])).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
        drop(session);
        // In clear nobody gets in, and neither without the password.
        for wrong in [
            Address { ca_file: None, ..province.city() },
            Address { password_file: None, ..province.city() },
        ] {
            assert!(connect_read_write(&wrong).await.is_err(), "{wrong:?}");
        }
        let (verdict, passed) = province.tried();
        assert!(passed, "{verdict}");
        let count: usize = verdict.split_once(' ').unwrap().0.parse().unwrap();
        assert!(count >= 90, "{verdict}");
        let password = std::fs::read_to_string(province.key("front-city.password")).unwrap();
        assert!(password.len() >= 32);
        let command = std::fs::read(format!("/proc/{}/cmdline", province.child.id())).unwrap();
        assert!(!String::from_utf8_lossy(&command).contains(&password));
        assert!(!province.said().contains(&password), "the password is told");
        assert!(province.said().contains("front-city.password"), "{}", province.said());
        assert!(province.stop("-TERM").success(), "{}", province.said());
        let mut rest = String::new();
        province.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(!rest.contains(&password));
        province.assert_gone();
    });
}

#[test]
fn a_rehearsal_of_down_link_tables_plays_both_sides() {
    let mut province = Province::start("region-tables/1.0", 2);
    assert!(province.addresses[0].starts_with("https://127.0.0.1:"));
    assert!(province.addresses[1].starts_with("postgres://city@127.0.0.1:"));
    // A stranger's down-link tables are only read, and these are empty.
    let (verdict, passed) = province.tried();
    assert!(passed, "{verdict}");
    let count: usize = verdict.split_once(' ').unwrap().0.parse().unwrap();
    assert!(count >= 150, "{verdict}");
    assert!(province.stop("-INT").success(), "{}", province.said());
    province.assert_gone();
}
