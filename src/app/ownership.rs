//! Whose files those of the ledger are: the service's, whoever restored them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A user and a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Whose a folder is; one that is not there yet will be its nearest parent's that is.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Self> {
        let standing = folder.ancestors().find(|folder| folder.exists());
        let standing = standing.unwrap_or(Path::new("/"));
        Self::at(standing)
    }

    fn at(path: &Path) -> anyhow::Result<Self> {
        let about = fs::symlink_metadata(path)
            .with_context(|| format!("see whose {} is", path.display()))?;
        Ok(Self { user: about.uid(), group: about.gid() })
    }

    /// Gives a folder and everything in it to this owner. Links are given, not followed. Who owns
    /// it already needs no rights for it.
    pub(super) fn take(self, folder: &Path) -> anyhow::Result<()> {
        let mut open: Vec<PathBuf> = vec![folder.to_owned()];
        while let Some(path) = open.pop() {
            if Self::at(&path)? != self {
                lchown(&path, Some(self.user), Some(self.group)).with_context(|| {
                    let Self { user, group } = self;
                    let path = path.display();
                    format!("give {path} to user {user}, group {group}, who runs the daemon")
                })?;
            }
            if fs::symlink_metadata(&path)?.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `nobody` on Debian.
    const OTHER: Owner = Owner { user: 65_534, group: 65_534 };

    #[test]
    fn what_root_restores_belongs_to_the_owner_of_the_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        let is_root = Owner::at(&state).unwrap().user == 0;
        if is_root {
            lchown(&state, Some(OTHER.user), Some(OTHER.group)).unwrap();
        }
        let ledger = state.join("ledger");
        let owner = Owner::of(&ledger).unwrap();
        fs::create_dir_all(ledger.join("spool")).unwrap();
        for file in ["ledger.sqlite", "spool/a"] {
            fs::write(ledger.join(file), "x").unwrap();
        }
        // A link to somewhere else gives nothing there away.
        let stranger = folder.path().join("stranger");
        fs::write(&stranger, "x").unwrap();
        let before = Owner::at(&stranger).unwrap();
        std::os::unix::fs::symlink(&stranger, ledger.join("link")).unwrap();

        owner.take(&ledger).unwrap();
        for path in ["", "ledger.sqlite", "spool", "spool/a", "link"] {
            assert_eq!(Owner::at(&ledger.join(path)).unwrap(), owner, "{path}");
        }
        assert_eq!(Owner::at(&stranger).unwrap(), before);
        if is_root {
            assert_eq!(owner, OTHER);
        } else {
            eprintln!("not run as root: whose the files are could not differ");
        }
    }
}
