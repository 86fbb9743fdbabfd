//! This machine: who we are, how its time is kept, its memory, and doors that are taken.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::code::Code;
use super::finding::Found;
use crate::config::ControlSettings;

/// What the daemon is comfortable with.
const MEMORY_BYTES: u64 = 512 << 20;
/// China's time, in seconds ahead of UTC.
const CHINA: i32 = 8 * 3600;
/// The longest path of a socket, as its settings say.
const SOCKET_BYTES: usize = 90;
/// What services that keep the time leave behind while they run.
const KEEPERS: [&str; 6] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chronyd.pid",
    "/run/ntpd.pid",
    "/run/ntpsec/ntpd.pid",
    "/run/openntpd.pid",
];
/// The names under which environments carry proxies.
const PROXIES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// What was seen of this machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    user: Option<u32>,
    is_kept: bool,
    offset_seconds: i32,
    /// The least of what the machine has and what the service may take.
    memory_bytes: Option<u64>,
    /// Names only: an address may hold a password.
    proxies: Vec<&'static str>,
}

/// What keeps a door from being opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Doors {
    /// The socket: why.
    Socket(PathBuf, &'static str, &'static str),
    /// Somebody listens there.
    Taken(SocketAddr),
    /// Not ours.
    Foreign(SocketAddr),
}

/// Looks. Blocking work, and short.
pub(super) fn look(now: Timestamp) -> Seen {
    let named = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Seen {
        user: std::fs::metadata("/proc/self").ok().map(|about| about.uid()),
        is_kept: KEEPERS.iter().any(|path| Path::new(path).exists()),
        offset_seconds: TimeZone::system().to_offset(now).seconds(),
        memory_bytes: memory(),
        proxies: PROXIES.into_iter().filter(named).collect(),
    }
}

fn memory() -> Option<u64> {
    let read = |path| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let service = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    [machine, service].into_iter().flatten().min()
}

/// `MemTotal:       16384256 kB`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What there is to say of this machine.
pub(super) fn judge(seen: &Seen) -> Vec<Found> {
    let here = ["this machine", "本机"];
    let mut found = Vec::new();
    if seen.user == Some(0) {
        found.push(Found::of(Code::Root, here, ["", ""]));
    }
    if !seen.is_kept {
        found.push(Found::of(Code::ClockUnsynchronised, here, ["", ""]));
    }
    if seen.offset_seconds != CHINA {
        let hours = f64::from(seen.offset_seconds) / 3600.0;
        let told = format!("UTC{hours:+}");
        found.push(Found::of(Code::ClockZone, here, [&told, &told]));
    }
    if let Some(bytes) = seen.memory_bytes.filter(|bytes| *bytes < MEMORY_BYTES) {
        let told = format!("{} MiB", bytes >> 20);
        found.push(Found::of(Code::Memory, here, [&told, &told]));
    }
    if !seen.proxies.is_empty() {
        let told = seen.proxies.join(", ");
        found.push(Found::of(Code::ProxyEnvironment, here, [&told, &told]));
    }
    found
}

/// Looks at the doors of the daemon. Binds an address for a moment where nobody else has it.
pub(super) fn doors(control: &ControlSettings) -> Vec<Doors> {
    let mut found = Vec::new();
    let mut is_ours = false;
    if let Some(socket) = &control.socket {
        let path = &socket.path;
        is_ours = std::os::unix::net::UnixStream::connect(path).is_ok();
        let length = path.as_os_str().len();
        let folder = path.parent().unwrap_or(Path::new("/"));
        let wrong = match () {
            () if is_ours => None,
            () if !path.is_absolute() => Some(["not an absolute path", "不是绝对路径"]),
            () if length > SOCKET_BYTES => Some(["longer than 90 bytes", "超过 90 字节"]),
            () if !folder.is_dir() => Some(["its folder is not there", "所在目录不存在"]),
            () if !may_write(folder) => Some(["its folder cannot be written", "所在目录不可写"]),
            () if is_other(path) => {
                Some(["something that is no socket is there", "已存在同名的其他文件"])
            }
            () => None,
        };
        found.extend(wrong.map(|[en, zh]| Doors::Socket(path.clone(), en, zh)));
    }
    if let Some(address) = control.http {
        use std::io::ErrorKind as K;
        let bound = std::net::TcpListener::bind(address).map(drop).map_err(|error| error.kind());
        match bound {
            // The daemon that answers on the socket has it.
            Err(K::AddrInUse) if !is_ours => found.push(Doors::Taken(address)),
            Err(K::AddrNotAvailable) => found.push(Doors::Foreign(address)),
            Ok(()) | Err(_) => {}
        }
    }
    found
}

fn is_other(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|about| !about.file_type().is_socket())
}

/// Whether whoever asks may make files in a folder.
pub(super) fn may_write(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

impl Doors {
    /// The finding.
    pub(super) fn found(&self) -> Found {
        match self {
            Self::Socket(path, en, zh) => {
                let place = format!("control.socket {}", path.display());
                Found::of(Code::Socket, [&place, &place], [en, zh])
            }
            Self::Taken(address) => {
                Found::at(Code::PortTaken, "control.http", &address.to_string())
            }
            Self::Foreign(address) => {
                Found::at(Code::PortAddress, "control.http", &address.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(seen: &Seen) -> Vec<&'static str> {
        judge(seen).iter().filter_map(|it| it.code).collect()
    }

    #[test]
    fn a_machine_says_what_somebody_should_know_and_nothing_else() {
        let good = Seen {
            user: Some(998),
            is_kept: true,
            offset_seconds: CHINA,
            memory_bytes: Some(4 << 30),
            proxies: Vec::new(),
        };
        assert_eq!(codes(&good), [""; 0]);
        assert_eq!(codes(&Seen { user: Some(0), ..good.clone() }), ["D-ROOT"]);
        assert_eq!(codes(&Seen { is_kept: false, ..good.clone() }), ["D-CLOCK-UNSYNCHRONISED"]);
        assert_eq!(codes(&Seen { offset_seconds: 0, ..good.clone() }), ["D-CLOCK-ZONE"]);
        assert_eq!(codes(&Seen { memory_bytes: Some(256 << 20), ..good.clone() }), ["D-MEMORY"]);
        assert_eq!(codes(&Seen { memory_bytes: None, ..good.clone() }), [""; 0]);
        let proxied = Seen { proxies: vec!["https_proxy"], ..good };
        assert_eq!(codes(&proxied), ["D-PROXY-ENVIRONMENT"]);
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total("MemTotal:       16384256 kB\nMemFree: 1 kB\n"), Some(16_777_478_144));
        assert_eq!(total("nothing"), None);
    }
}
