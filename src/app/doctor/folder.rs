//! The ledger's folder and the disk it is on.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::finding::Found;
use super::machine::may_write;
use crate::config::LedgerSettings;

/// Below this the disk is as good as full.
const FULL_BYTES: u64 = 64 << 20;
/// The ledger has some hundred files and the spool one for each batch.
const INODES: u64 = 2_000;

/// What kind of place a file system is for a ledger.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Kind {
    #[default]
    Disk,
    Memory,
    Network,
}

/// What was seen of the folder.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    folder: PathBuf,
    /// Why it cannot be there.
    wrong: Option<[&'static str; 2]>,
    /// A file in it that belongs to somebody else.
    foreign: Option<PathBuf>,
    kind: Kind,
    is_read_only: bool,
    free_bytes: u64,
    /// Free ones, where the file system counts them.
    inodes: Option<u64>,
    /// What the spool may still take.
    wanted_bytes: u64,
    /// Why the disk could not be asked.
    error: Option<String>,
}

/// Looks. Blocking work.
pub(super) fn look(ledger: &LedgerSettings) -> Seen {
    let folder = ledger.folder.clone();
    // Before the first start there is no folder: its nearest parent is on the same disk.
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    let there = there.unwrap_or(Path::new("/")).to_owned();
    let wrong = match () {
        () if !there.is_dir() => Some(["a file is in the way", "路径被文件占用"]),
        () if !may_write(&there) => Some(["not writable for this user", "当前用户不可写"]),
        () => None,
    };
    let used = used(&folder.join("spool"));
    let mut seen = Seen {
        wrong,
        foreign: foreign(&folder),
        wanted_bytes: ledger.spool_bytes.saturating_sub(used),
        folder,
        ..Seen::default()
    };
    match (rustix::fs::statvfs(&there), rustix::fs::statfs(&there)) {
        (Ok(disk), Ok(system)) => {
            seen.free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            seen.inodes = (disk.f_files > 0).then_some(disk.f_favail);
            seen.is_read_only = disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
            // Numbers of the kernel's linux/magic.h.
            seen.kind = match system.f_type {
                0x0102_1994 | 0x8584_58f6 => Kind::Memory,
                0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 | 0x00c3_6400
                | 0x5346_414f => Kind::Network,
                _ => Kind::Disk,
            };
        }
        (Err(error), _) | (_, Err(error)) => seen.error = Some(error.to_string()),
    }
    seen
}

/// A file of the folder that belongs to somebody else than the folder.
fn foreign(folder: &Path) -> Option<PathBuf> {
    let owner = std::fs::metadata(folder).ok()?.uid();
    let entries = std::fs::read_dir(folder).ok()?.take(1_000);
    let other = entries
        .filter_map(Result::ok)
        .find(|entry| entry.metadata().is_ok_and(|about| about.uid() != owner));
    other.map(|entry| entry.path())
}

/// Bytes of the files of a folder; what vanishes meanwhile counts nothing.
fn used(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    sizes.filter(std::fs::Metadata::is_file).fold(0, |sum, file| sum.saturating_add(file.len()))
}

/// What there is to say of the folder: at least one finding.
pub(super) fn judge(seen: &Seen) -> Vec<Found> {
    let folder = seen.folder.display();
    let places = [format!("ledger folder {folder}"), format!("台账目录 {folder}")];
    let [place, place_zh] = [places[0].as_str(), places[1].as_str()];
    let of = |code, seen: [&str; 2]| Found::of(code, [place, place_zh], seen);
    let mib = |bytes: u64| bytes >> 20;
    let mut found = Vec::new();
    if seen.is_read_only {
        found.push(of(Code::LedgerReadOnly, ["", ""]));
    } else if let Some(wrong) = seen.wrong {
        found.push(of(Code::LedgerFolder, wrong));
    }
    if let Some(path) = &seen.foreign {
        let path = path.display().to_string();
        found.push(of(Code::LedgerOwner, [&path, &path]));
    }
    match seen.kind {
        Kind::Memory => found.push(of(Code::LedgerMemory, ["", ""])),
        Kind::Network => found.push(of(Code::LedgerNetwork, ["", ""])),
        Kind::Disk => {}
    }
    if let Some(error) = &seen.error {
        found.push(of(Code::LedgerFolder, [error, error]));
        return found;
    }
    let (free, wanted) = (mib(seen.free_bytes), mib(seen.wanted_bytes));
    let told = [
        format!("{free} MiB free, the spool may still take {wanted} MiB"),
        format!("可用 {free} MiB，待发区还可能占用 {wanted} MiB"),
    ];
    let told = [told[0].as_str(), told[1].as_str()];
    if !seen.is_read_only && seen.free_bytes < FULL_BYTES {
        found.push(of(Code::DiskFull, told));
    } else if !seen.is_read_only && seen.free_bytes < seen.wanted_bytes {
        found.push(of(Code::DiskRoom, told));
    }
    if let Some(inodes) = seen.inodes.filter(|inodes| *inodes < INODES && !seen.is_read_only) {
        let left = inodes.to_string();
        found.push(of(Code::DiskInodes, [&left, &left]));
    }
    if found.is_empty() {
        let [en, zh] = told;
        found.push(Found::good([format!("{place}: {en}"), format!("{place_zh}：{zh}")]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Mode;

    fn ledger(folder: PathBuf, spool_bytes: u64) -> LedgerSettings {
        LedgerSettings {
            folder,
            key_file: PathBuf::new(),
            spool_bytes,
            keys_before: Vec::new(),
            live_share_bytes: 0,
            deletion_percent: 10,
            begins: Mode::Watch,
        }
    }

    fn codes(seen: &Seen) -> Vec<&'static str> {
        judge(seen).iter().filter_map(|it| it.code).collect()
    }

    #[test]
    fn a_spool_larger_than_the_disk_is_told_before_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("not/there/yet");
        let seen = look(&ledger(at.clone(), 1 << 20));
        assert_eq!((seen.wrong, seen.foreign.clone(), seen.is_read_only), (None, None, false));
        assert!(seen.free_bytes > 0);
        assert!(codes(&look(&ledger(at, u64::MAX))).contains(&"D-DISK-ROOM"));
    }

    #[test]
    fn each_thing_that_is_wrong_with_a_folder_has_its_own_name() {
        let good = Seen {
            folder: PathBuf::from("/var/lib/cascaded"),
            free_bytes: 10 << 30,
            wanted_bytes: 2 << 30,
            inodes: Some(1_000_000),
            ..Seen::default()
        };
        assert_eq!(codes(&good), [""; 0]);
        let wrong = Some(["not writable", "不可写"]);
        assert_eq!(codes(&Seen { wrong, ..good.clone() }), ["D-LEDGER-FOLDER"]);
        assert_eq!(codes(&Seen { is_read_only: true, ..good.clone() }), ["D-LEDGER-READ-ONLY"]);
        assert_eq!(codes(&Seen { kind: Kind::Memory, ..good.clone() }), ["D-LEDGER-MEMORY"]);
        assert_eq!(codes(&Seen { kind: Kind::Network, ..good.clone() }), ["D-LEDGER-NETWORK"]);
        assert_eq!(codes(&Seen { free_bytes: 1 << 20, ..good.clone() }), ["D-DISK-FULL"]);
        assert_eq!(codes(&Seen { free_bytes: 1 << 30, ..good.clone() }), ["D-DISK-ROOM"]);
        assert_eq!(codes(&Seen { inodes: Some(3), ..good.clone() }), ["D-DISK-INODES"]);
        let foreign = Some(PathBuf::from("/var/lib/cascaded/ledger.sqlite"));
        assert_eq!(codes(&Seen { foreign, ..good }), ["D-LEDGER-OWNER"]);
    }

    #[test]
    fn a_file_in_the_folders_place_is_in_the_way() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let seen = look(&ledger(file.path().join("ledger"), 1 << 20));
        assert_eq!(seen.wrong.map(|[en, _]| en), Some("a file is in the way"));
    }
}
