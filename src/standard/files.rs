//! The files of a standard's directory in memory, and the one function that reads them.
//!
//! Everything else in [`standard`](super) works on [`Files`], so that a directory can come from
//! anywhere: a test, a package, the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::problem::Code;
use crate::delivery::DigestSha256;

/// Path within the directory, with `/`, to content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The most bytes one file may have.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// The most files a directory may have.
pub const MAX_FILES: usize = 500;
/// The deepest folder below the directory.
const MAX_DEPTH: usize = 3;

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder or one below it cannot be listed.
    #[error("cannot list {path}")]
    List {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A link, or a name that is no text: a standard's directory holds only plain files.
    #[error("{path} is not a plain file or folder inside the standard's directory")]
    Outside {
        /// Which.
        path: PathBuf,
    },
    /// More or larger files than a standard may have.
    #[error("{path} is too large for a standard's directory")]
    TooLarge {
        /// Which file or folder.
        path: PathBuf,
    },
}

impl FilesError {
    /// Which kind of mistake of a directory it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Outside { .. } => Code::Outside,
            Self::List { .. } | Self::Read { .. } | Self::TooLarge { .. } => Code::File,
        }
    }
}

/// Reads a standard's directory: plain files only, bounded in number, depth and size. A symbolic
/// link is refused, for it may leave the directory. Blocking.
pub fn files(directory: &Path) -> Result<Files, FilesError> {
    let mut found = Files::new();
    walk(directory, "", 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Files) -> Result<(), FilesError> {
    let list = |source| FilesError::List { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(list)?;
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            return Err(FilesError::Outside { path });
        };
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if depth >= MAX_DEPTH {
                return Err(FilesError::TooLarge { path });
            }
            walk(&path, &format!("{name}/"), depth + 1, found)?;
        } else if kind.is_file() {
            if found.len() >= MAX_FILES {
                return Err(FilesError::TooLarge { path: folder.to_owned() });
            }
            found.insert(name, read(&path)?);
        } else {
            return Err(FilesError::Outside { path });
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let failed = |source| FilesError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FilesError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The digest of what a standard says: every file that is part of it with its name. Samples and
/// pages for people beside the tables are not part of it.
pub fn digest(files: &Files) -> DigestSha256 {
    let parts = files
        .iter()
        .filter(|(name, _)| is_part(name))
        .flat_map(|(name, bytes)| [DigestSha256::of(name.as_bytes()).0, DigestSha256::of(bytes).0]);
    let parts: Vec<[u8; 32]> = parts.collect();
    DigestSha256::of_parts(parts.iter().map(<[u8; 32]>::as_slice))
}

/// Whether a file belongs to what the standard says.
pub(super) fn is_part(name: &str) -> bool {
    name == "standard.toml"
        || name == super::folders::TEMPLATE
        || ["messages/", "replies/", "codes/"].iter().any(|folder| name.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_directory_is_refused() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("a.csv"))
            .unwrap();
        assert!(matches!(files(inside.path()), Err(FilesError::Outside { .. })));
    }

    #[test]
    fn a_huge_file_is_refused() {
        let inside = tempfile::tempdir().unwrap();
        let file = File::create(inside.path().join("a.csv")).unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(files(inside.path()), Err(FilesError::TooLarge { .. })));
    }

    #[test]
    fn the_digest_covers_names_and_content_but_no_samples() {
        let base: Files = [("codes/a.csv".to_owned(), b"1".to_vec())].into();
        let renamed: Files = [("codes/b.csv".to_owned(), b"1".to_vec())].into();
        let edited: Files = [("codes/a.csv".to_owned(), b"2".to_vec())].into();
        let mut sampled = base.clone();
        sampled.insert("samples/x.xml".to_owned(), b"3".to_vec());
        assert_ne!(digest(&base), digest(&renamed));
        assert_ne!(digest(&base), digest(&edited));
        assert_eq!(digest(&base), digest(&sampled));
    }
}
