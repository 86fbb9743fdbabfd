//! The way back from a newer program: what a ledger was before its schema is changed.
//!
//! A newer schema is refused by an older program, so whoever goes back needs the ledger as the
//! older one wrote it. Before the first step of a migration the database is copied into a folder
//! inside the ledger's own, and what it names of spool and runs is linked beside it. The folder is
//! what `ledger restore` takes, of the older program as well. It has its name only when it is
//! whole; there is one for each schema that was left, and making it again replaces it, so that a
//! start that fails over and over does not fill the disk. Without it there is no migration.

use std::path::{Path, PathBuf};

use super::backup::{clear, copy_database, link_files};
use super::inspect::named;
use super::{Error, Result, disk, schema};

/// The name of the copy of a ledger whose schema had this number.
pub(super) fn name(schema: u32) -> String {
    format!("before-upgrade-schema-{schema}")
}

/// Keeps the ledger in `folder`, if its schema is older than ours, and says where. The folder is
/// locked by the caller. Blocking.
///
/// # Errors
/// What the copy met; the ledger is as it was.
pub(super) fn keep(folder: &Path, database: &Path) -> Result<Option<PathBuf>> {
    let Some(version) = schema::older(database)? else { return Ok(None) };
    let kept = folder.join(name(version));
    let partial = kept.with_added_extension("partial");
    clear(&partial)?;
    disk::ensure_folder(&partial)?;
    let source = schema::open_checked(database)?;
    copy_database(&source, &partial.join("ledger.sqlite"))?;
    link_files(folder, &partial, &named(&source)?)?;
    for below in ["spool", "runs"] {
        disk::sync_folder(&partial.join(below))?;
    }
    disk::sync_folder(&partial)?;
    drop(schema::open_checked(&partial.join("ledger.sqlite"))?);
    clear(&kept)?;
    std::fs::rename(&partial, &kept).map_err(|source| Error::Open {
        path: kept.clone(),
        action: "name the copy that is kept before the upgrade",
        source,
    })?;
    disk::sync_folder(folder)?;
    Ok(Some(kept))
}
