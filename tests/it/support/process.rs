//! The real program, killed at chosen moments: a line between it and the platform counts the bytes
//! that pass and kills when enough have, in the middle of what it carries.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(feature = "sabotage")]
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
#[cfg(feature = "sabotage")]
use std::process::ExitStatus;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::daemon::TestCity;

/// How long a run may go on without reaching what it is for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program as it was built for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cascaded");

struct Shared {
    /// Bytes that may still pass before the kill.
    left: AtomicI64,
    child: Mutex<Option<Child>>,
    done: SyncSender<()>,
    closed: AtomicBool,
}

/// The line, and the program behind it.
pub(crate) struct Line {
    shared: Arc<Shared>,
    killed: Receiver<()>,
    address: SocketAddr,
    configuration: PathBuf,
    folder: PathBuf,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Killed when the bytes had passed.
    Killed,
    /// It aborted at its crash point.
    #[cfg(feature = "sabotage")]
    Aborted,
    /// Nothing of that within [`PATIENCE`] or the time given; killed.
    Idle,
}

impl Line {
    /// A line to the town's platform, and a configuration that goes through it.
    pub(crate) fn to(city: &TestCity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let through = text.replace(&city.platform.url(), &format!("https://{address}"));
        assert_ne!(text, through, "the configuration names the platform");
        let configuration = city.path().join("through.toml");
        std::fs::write(&configuration, through).unwrap();
        let (done, killed) = sync_channel(16);
        let shared = Arc::new(Shared {
            left: AtomicI64::new(i64::MAX),
            child: Mutex::new(None),
            done,
            closed: AtomicBool::new(false),
        });
        let (above, accepting) = (city.platform.address(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(below) = connection else { continue };
                let Ok(above) = TcpStream::connect(above) else { continue };
                carry(&accepting, &below, &above);
                carry(&accepting, &above, &below);
            }
        });
        Self { shared, killed, address, configuration, folder: city.path().to_owned() }
    }

    /// Starts the program with these variables; `bytes` may pass.
    pub(crate) fn start(&self, variables: &[(&str, &str)], bytes: Option<u64>) {
        while self.killed.try_recv().is_ok() {}
        let left = bytes.map_or(i64::MAX, |bytes| i64::try_from(bytes).unwrap());
        self.shared.left.store(left, Ordering::SeqCst);
        let errors = std::fs::File::create(self.folder.join("stderr")).unwrap();
        let child = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(&self.configuration)
            .env("RUST_LOG", "error")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        *self.shared.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    /// So many bytes may pass from now on.
    pub(crate) fn limit(&self, bytes: u64) {
        self.shared.left.store(i64::try_from(bytes).unwrap(), Ordering::SeqCst);
    }

    /// Waits until the bytes have passed, or for so long.
    pub(crate) fn killed_within(&self, patience: Duration) -> End {
        match self.killed.recv_timeout(patience) {
            Ok(()) => End::Killed,
            Err(_) => {
                self.kill();
                End::Idle
            }
        }
    }

    #[cfg(feature = "sabotage")]
    /// Waits until the program ended by itself; its errors where it should not have.
    pub(crate) fn aborted(&self) -> End {
        let mut child = self.shared.child.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut running) = child.take() else { return End::Killed };
        drop(child);
        // The end of a process has no timeout of its own: somebody ends it when it takes too long.
        let id = running.id();
        let (ended, end) = sync_channel::<ExitStatus>(1);
        let waiting = std::thread::spawn(move || {
            let status = running.wait().unwrap();
            ended.send(status).ok();
        });
        let status = end.recv_timeout(PATIENCE);
        if status.is_err() {
            Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
        }
        waiting.join().unwrap();
        match status {
            // 6 is SIGABRT.
            Ok(status) if status.signal() == Some(6) => End::Aborted,
            Ok(status) => panic!("ended by itself: {status:?}\n{}", self.errors()),
            Err(_) => End::Idle,
        }
    }

    /// Kills what runs, without a chance to say goodbye.
    pub(crate) fn kill(&self) {
        end(&self.shared);
    }

    /// What the program wrote to its error output.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.kill();
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes whoever accepts, so that it sees the end.
        drop(TcpStream::connect(self.address));
    }
}

fn end(shared: &Shared) {
    let child = shared.child.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut child) = child {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn carry(shared: &Arc<Shared>, from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 4 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 {
                break;
            }
            let taken = i64::try_from(read).unwrap();
            let before = shared.left.fetch_sub(taken, Ordering::SeqCst);
            let piece = buffer.get(..read).unwrap_or_default();
            if before > 0 && before <= taken {
                // The last bytes pass, the rest of the piece does not.
                let passes = usize::try_from(before).unwrap();
                to.write_all(piece.get(..passes).unwrap_or_default()).ok();
                end(&shared);
                shared.done.try_send(()).ok();
                break;
            }
            if to.write_all(piece).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    });
}
