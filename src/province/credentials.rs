//! Secrets from files that nobody else can read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::Error;
use crate::signing::Secret;

/// No credential, key or certificate chain is longer.
const LONGEST: u64 = 256 << 10;

/// The credentials of a channel by name. `Debug` shows names only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Credentials(BTreeMap<String, Secret>);

impl Credentials {
    /// Reads every file; the first that is missing, exposed or empty is an error. A line end at
    /// the end of a file is not part of the secret.
    pub fn read(files: &BTreeMap<String, PathBuf>) -> Result<Self, Error> {
        files
            .iter()
            .map(|(name, path)| Ok((name.clone(), secret("credential", path)?)))
            .collect::<Result<_, Error>>()
            .map(Self)
    }

    /// The credential with this name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Every credential with its name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret))
    }
}

/// A secret of one line.
pub(super) fn secret(what: &'static str, path: &Path) -> Result<Secret, Error> {
    let bytes = Zeroizing::new(read(what, path, true)?);
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let secret = Secret::new(bytes.get(..end).unwrap_or_default());
    if secret.is_empty() {
        return Err(Error::Content { what, path: path.to_owned(), reason: "the file is empty" });
    }
    Ok(secret)
}

/// A file's bytes; `private` refuses one that others can read.
pub(super) fn read(what: &'static str, path: &Path, private: bool) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { what, path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if private && mode & 0o007 != 0 {
        return Err(Error::Exposed { what, path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        let reason = "the file is longer than any such file should be";
        return Err(Error::Content { what, path: path.to_owned(), reason });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, content: &str) -> (tempfile::TempDir, BTreeMap<String, PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, BTreeMap::from([("secret".to_owned(), path)]))
    }

    #[test]
    fn a_secret_is_read_without_its_line_end_and_shown_to_nobody() {
        let (_dir, files) = file(0o640, "top secret\r\n");
        let credentials = Credentials::read(&files).unwrap();
        assert_eq!(credentials.get("secret").unwrap().expose(), b"top secret");
        assert!(!format!("{credentials:?}").contains("top"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let (_dir, files) = file(0o644, "top secret");
        assert!(matches!(Credentials::read(&files), Err(Error::Exposed { .. })));
    }

    #[test]
    fn an_empty_huge_or_missing_secret_is_refused() {
        for content in ["", "\n", &"x".repeat(300 << 10)] {
            let (_dir, files) = file(0o600, content);
            assert!(matches!(Credentials::read(&files), Err(Error::Content { .. })));
        }
        let missing = BTreeMap::from([("a".to_owned(), PathBuf::from("/nowhere/at/all"))]);
        assert!(matches!(Credentials::read(&missing), Err(Error::Read { .. })));
    }
}
