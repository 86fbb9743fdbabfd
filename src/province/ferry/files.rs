//! Files as the gap has them: whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;

/// The largest file that is read.
const MOST_BYTES: u64 = 128 << 20;

/// A file and when it last changed; `None` where it is gone or no file.
pub(super) fn read(path: &Path) -> io::Result<Option<(Vec<u8>, Timestamp)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(None);
    }
    let changed = Timestamp::try_from(about.modified()?).unwrap_or(Timestamp::MIN);
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(Some((bytes, changed)))
}

/// A file, whole or not at all. Where its folder is missing its file system is not there: nothing is
/// made in its place.
pub(super) fn place(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o640).open(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(name))?;
    sync(folder)
}

pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
