//! The ledger's files beside the database: their errors and how one becomes durable.
//!
//! There is one order: temporary file, content, `fdatasync`, rename, `fsync` of the folder. A file
//! under its final name is therefore complete; a temporary one means nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::seal;

/// How a temporary file's name ends.
const TEMPORARY: &str = ".tmp";
/// The longest name a caller may give.
const NAME_LIMIT: usize = 100;

/// What can go wrong with the files beside the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation.
    #[error("cannot {operation} `{file}`")]
    Io {
        /// A verb.
        operation: &'static str,
        /// The file's name without its folder.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The disk, or the service's quota on it, is full: a state, not an end.
    #[error("no space left on the disk for `{file}`")]
    DiskFull {
        /// The file's name.
        file: String,
    },
    /// The spool's own bound is reached: extraction of this lane pauses.
    #[error("spool full: {used} of {bound} bytes used, {kept} kept for other lanes, {asked} asked")]
    Full {
        /// Bytes in the spool.
        used: u64,
        /// Bytes that other lanes' shares still keep free.
        kept: u64,
        /// Bytes that were to be added.
        asked: u64,
        /// The most the spool may hold.
        bound: u64,
    },
    /// The index remembers as many unmerged rows as it may: packing pauses until batches settle.
    #[error("{pending} unmerged rows are remembered, {asked} more would pass the limit of {limit}")]
    PendingFull {
        /// Rows remembered.
        pending: usize,
        /// Rows that were to be added.
        asked: usize,
        /// The most rows.
        limit: usize,
    },
    /// The file is not what was written.
    #[error("`{file}` is damaged: {what}")]
    Damaged {
        /// The file's name.
        file: String,
        /// What does not fit.
        what: &'static str,
    },
    /// A newer program wrote the file.
    #[error("`{file}` has format {found}, this program knows format {known}")]
    Format {
        /// The file's name.
        file: String,
        /// Its format.
        found: u32,
        /// The newest known format.
        known: u32,
    },
    /// Sealed content could not be made or opened.
    #[error("cannot seal or open the content of `{file}`")]
    Seal {
        /// The file's name.
        file: String,
        /// Why.
        #[source]
        source: seal::Error,
    },
    /// There is no such file.
    #[error("`{file}` does not exist")]
    Missing {
        /// The file's name.
        file: String,
    },
    /// There is such a file already, and a name never stands for two contents.
    #[error("`{file}` exists already")]
    Exists {
        /// The file's name.
        file: String,
    },
    /// A name with other characters than letters, digits, `-` and `_`, or too long.
    #[error("not a name for a file of the ledger")]
    Name,
    /// More than one file may hold.
    #[error("{what} has {size}, at most {limit} fit")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size, in bytes or rows.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The batch is not in the state that the call needs.
    #[error("batch {batch} {problem}")]
    Batch {
        /// Its ordinal.
        batch: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// No pass is under way, or one already is.
    #[error("{0}")]
    Pass(&'static str),
}

impl Error {
    pub(super) fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        let file = file.to_owned();
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::DiskFull { file }
        } else if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { file }
        } else {
            Self::Io { operation, file, source }
        }
    }

    pub(super) fn damaged(file: &str, what: &'static str) -> Self {
        Self::Damaged { file: file.to_owned(), what }
    }

    pub(super) fn seal(file: &str, source: seal::Error) -> Self {
        Self::Seal { file: file.to_owned(), source }
    }
}

/// Refuses a name that could leave the folder, hide or look like a temporary file.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let fits = !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(()) } else { Err(Error::Name) }
}

/// Makes the folder's entries durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io("make durable", &shown(folder), error))
}

/// Makes the folder if it is not there, for the service alone.
pub(super) fn ensure_folder(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Error::io("make the folder", &shown(folder), error))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

fn shown(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes a file; one that is not there is removed already. The folder is not synced.
pub(super) fn remove(folder: &Path, file: &str) -> Result<(), Error> {
    match fs::remove_file(folder.join(file)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", file, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Every file in the folder: its name and size in bytes.
pub(super) fn files(folder: &Path) -> Result<Vec<(String, u64)>, Error> {
    let fail = |error| Error::io("list", &shown(folder), error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let about = entry.metadata().map_err(fail)?;
        if about.is_file() {
            found.push((entry.file_name().to_string_lossy().into_owned(), about.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// A file on its way: invisible under its final name until [`Draft::publish`], gone if dropped.
#[derive(Debug)]
pub(super) struct Draft {
    writer: Option<BufWriter<File>>,
    folder: PathBuf,
    file: String,
}

impl Draft {
    /// Begins `file` in `folder`, readable by the service alone.
    pub(super) fn begin(folder: &Path, file: &str) -> Result<Self, Error> {
        let writer = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join(format!("{file}{TEMPORARY}")))
            .map_err(|error| Error::io("create", file, error))?;
        let writer = Some(BufWriter::with_capacity(64 << 10, writer));
        Ok(Self { writer, folder: folder.to_owned(), file: file.to_owned() })
    }

    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.writer {
            Some(writer) => {
                writer.write_all(bytes).map_err(|error| Error::io("write", &self.file, error))
            }
            None => Err(Error::damaged(&self.file, "written after it was published")),
        }
    }

    /// Makes the content durable and gives the file its name; the folder is still to be synced.
    pub(super) fn publish(mut self) -> Result<(), Error> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let result = self.finish(writer);
        if result.is_err() {
            remove(&self.folder, &self.temporary()).ok();
        }
        result
    }

    fn finish(&self, writer: BufWriter<File>) -> Result<(), Error> {
        let fail = |error| Error::io("write", &self.file, error);
        let file = writer.into_inner().map_err(|error| fail(error.into_error()))?;
        if !crate::crash::sabotaged("unsynced") {
            file.sync_data().map_err(|error| Error::io("make durable", &self.file, error))?;
        }
        fs::rename(self.folder.join(self.temporary()), self.folder.join(&self.file))
            .map_err(|error| Error::io("rename", &self.file, error))
    }

    fn temporary(&self) -> String {
        format!("{}{TEMPORARY}", self.file)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Not flushed: what was begun is thrown away.
            let (file, _) = writer.into_parts();
            drop(file);
            remove(&self.folder, &self.temporary()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::begin(folder.path(), "a").unwrap();
        draft.write(b"text").unwrap();
        drop(draft);
        assert_eq!(files(folder.path()).unwrap(), []);
        let mut draft = Draft::begin(folder.path(), "a").unwrap();
        draft.write(b"text").unwrap();
        draft.publish().unwrap();
        assert_eq!(files(folder.path()).unwrap(), [("a".to_owned(), 4)]);
    }

    #[test]
    fn a_full_disk_is_a_state_of_its_own() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Error::io("write", "a", full), Error::DiskFull { .. }));
        let mut draft = Draft {
            writer: Some(BufWriter::new(OpenOptions::new().write(true).open("/dev/full").unwrap())),
            folder: PathBuf::from("/nonexistent"),
            file: "a".into(),
        };
        draft.write(b"text").unwrap();
        assert!(matches!(draft.publish(), Err(Error::DiskFull { .. })));
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        for bad in ["", "..", "a/b", ".a", "a.tmp", "甲", &"a".repeat(101)] {
            assert!(matches!(check_name(bad), Err(Error::Name)), "{bad}");
        }
        check_name("province_5119-0207-12").unwrap();
    }
}
