//! Copying the ledger while it runs, and beginning again from a copy.
//!
//! **Backup.** One reading transaction fixes the moment; while no writer can commit, every file
//! that this moment names is linked aside, so that none can leave before it is copied. Then the
//! database is copied page by page from that same transaction, and the links' content beside it.
//! The copy gets its name only after it was proven.
//!
//! **Restore.** What happened after the copy was made is known to the province alone. So a
//! restored ledger is a new incarnation, whose batches share no name with the lost time's; every
//! batch that was under way and every link that was ever sent is *unknown*; and comparing with the
//! province comes first. The sealing key is not in a copy: keep it elsewhere.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction, params};

use super::inspect::{Named, Report, named, verify_folder};
use super::seal::{Purpose, Sealer};
use super::{Error, Inner, Ledger, Result, disk, history, identity, lock, schema, sent, stored};
use crate::catalogue::{self, ObjectKey};
use crate::clock::Clock;
use crate::delivery::{ChannelId, LinkState};
use crate::fact::Kind;

const DATABASE: &str = "ledger.sqlite";
/// Where files wait for being copied, inside the ledger's folder.
const ASIDE: &str = "backup";
/// Pages copied in one step: 4 MiB.
const STEP_PAGES: i32 = 1_000;

impl Ledger {
    /// Copies the ledger to `directory`, which must not exist, while stages go on. Returns what
    /// was proven of the copy; a copy with problems keeps the name `DIRECTORY.partial`.
    pub async fn backup(&self, directory: PathBuf, sealer: Arc<Sealer>) -> Result<Report> {
        let inner = Arc::clone(&self.inner);
        self.pool
            .run_long(move || {
                let busy = inner.backup.try_lock();
                let Ok(_only) = busy else {
                    return Err(Error::InUse { path: inner.folder.join(ASIDE) });
                };
                backup(&inner, &directory, &sealer)
            })
            .await
    }
}

fn backup(inner: &Inner, directory: &Path, sealer: &Arc<Sealer>) -> Result<Report> {
    if directory.exists() {
        return Err(Error::Occupied { path: directory.to_owned() });
    }
    let partial = directory.with_added_extension("partial");
    clear(&partial)?;
    let aside = inner.folder.join(ASIDE);
    clear(&aside)?;
    disk::ensure_folder(&aside)?;
    let source = schema::open_reader(&inner.folder.join(DATABASE))?;
    let (snapshot, named) = {
        // Nobody commits while the moment is fixed and its files are linked.
        let _still = lock(&inner.writer);
        let snapshot = source.unchecked_transaction().map_err(Error::engine("begin a backup"))?;
        let named = named(&snapshot)?;
        link_files(&inner.folder, &aside, &named)?;
        (snapshot, named)
    };
    disk::ensure_folder(&partial)?;
    copy_database(&snapshot, &partial.join(DATABASE))?;
    drop(snapshot);
    copy_files(&aside, &partial, &named)?;
    disk::sync_folder(&partial)?;
    clear(&aside)?;
    let report = verify_folder(&partial, sealer)?;
    if report.problems.is_empty() {
        fs::rename(&partial, directory).map_err(open(directory, "name the copy"))?;
        if let Some(parent) = directory.parent() {
            disk::sync_folder(parent)?;
        }
    }
    Ok(report)
}

fn open(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Open { path, action, source }
}

/// Removes a folder of ours that an earlier attempt left.
pub(super) fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(open(folder, "clear the folder")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Below the ledger's folder: each file's path.
fn paths(named: &Named) -> Vec<PathBuf> {
    let batches = named
        .batches
        .iter()
        .map(|batch| Path::new("spool").join(super::spool::file_name(&batch.id.to_string())));
    let runs = named.runs.iter().flat_map(|name| sent::file_names(name));
    batches.chain(runs.map(|file| Path::new("runs").join(file))).collect()
}

/// Links what the ledger names below `aside`; a name without a file is left out.
pub(super) fn link_files(from: &Path, aside: &Path, named: &Named) -> Result<()> {
    for folder in ["spool", "runs"] {
        disk::ensure_folder(&aside.join(folder))?;
    }
    for path in paths(named) {
        match fs::hard_link(from.join(&path), aside.join(&path)) {
            // Proving the copy names it; a backup of a ledger with a hole is still a backup.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(open(&path, "link the file aside")(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path, named: &Named) -> Result<()> {
    for folder in ["spool", "runs"] {
        disk::ensure_folder(&to.join(folder))?;
    }
    for path in paths(named) {
        let target = to.join(&path);
        match fs::copy(from.join(&path), &target) {
            Ok(_) => File::open(&target)
                .and_then(|file| file.sync_all())
                .map_err(open(&target, "make the copy durable"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(disk::Error::io("copy", &path.to_string_lossy(), error).into());
            }
        }
    }
    for folder in ["spool", "runs"] {
        disk::sync_folder(&to.join(folder))?;
    }
    Ok(())
}

/// Copies the database, as one durable file that the service alone can read.
pub(super) fn copy_database(source: &Connection, to: &Path) -> Result<()> {
    let engine = || Error::engine("copy the database");
    let mut target = Connection::open(to).map_err(engine())?;
    {
        let copying = Backup::new(source, &mut target).map_err(engine())?;
        loop {
            match copying.step(STEP_PAGES).map_err(engine())? {
                StepResult::Done => break,
                // The source is a snapshot of its own and nobody else knows the target.
                StepResult::More => {}
                StepResult::Busy | StepResult::Locked | _ => {
                    return Err(Error::InUse { path: to.to_owned() });
                }
            }
        }
    }
    // One file, without a log beside it.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_row| Ok(())).map_err(engine())?;
    drop(target);
    private(to)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(open(to, "make the copy durable"))
}

fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(open(path, "keep the copy to the service"))
}

/// Makes the ledger in `to`, an empty or absent folder, from the copy in `from`: a new
/// incarnation. Blocking. A copy with problems is refused; `to` is not a ledger before all is done.
pub fn restore(from: &Path, to: &Path, sealer: &Arc<Sealer>, clock: &Clock) -> Result<Report> {
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Occupied { path: to.to_owned() });
    }
    let report = verify_folder(from, sealer)?;
    if let Some(first) = report.problems.first() {
        return Err(Error::Damaged { path: from.to_owned(), finding: first.clone() });
    }
    disk::ensure_folder(to)?;
    let half = to.join("restoring.sqlite");
    let names = {
        let source = schema::open_checked(&from.join(DATABASE))?;
        copy_database(&source, &half)?;
        named(&source)?
    };
    copy_files(from, to, &names)?;
    {
        let mut connection = schema::open(&half, clock.now())?;
        let transaction = connection.transaction().map_err(Error::engine("begin to restore"))?;
        // Another key than the one that sealed it is refused before anything is changed.
        if let Some(sealed) = identity::get(&transaction, identity::SECRET)? {
            sealer.open(Purpose::Ledger, identity::SECRET.as_bytes(), &sealed)?;
        }
        begin_again(&transaction, clock.now())?;
        transaction.commit().map_err(Error::engine("commit a restore"))?;
        connection
            .query_row("PRAGMA journal_mode = DELETE", [], |_row| Ok(()))
            .map_err(Error::engine("end a restore"))?;
    }
    fs::rename(&half, to.join(DATABASE)).map_err(open(to, "name the ledger"))?;
    disk::sync_folder(to)?;
    Ok(report)
}

fn begin_again(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let installation: [u8; 16] = identity::get(transaction, "installation")?
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Error::Unreadable { what: "installation" })?;
    let before = identity::number(transaction, "incarnation")?
        .ok_or(Error::Unreadable { what: "incarnation" })?;
    // Two restores of one copy must not meet: the instant makes them differ.
    let instant = u64::try_from(stored(now)).unwrap_or_default();
    let incarnation = instant.max(before + 1);
    identity::put(transaction, "incarnation", &incarnation.to_be_bytes())?;
    history::begin(transaction, &installation, incarnation)?;
    let kind = Kind::IncarnationBegun { incarnation };
    history::record(transaction, None, "ledger", kind, now)?;
    links_unknown(transaction, now)?;
    for step in [
        "UPDATE attempt SET ended_at = ?1, outcome = 'unknown', code = 'restored'
         WHERE ended_at IS NULL AND ?1 >= 0",
        "UPDATE batch SET state = 'unknown', next_attempt_at = ?1
         WHERE state IN ('queued', 'in_flight', 'unknown', 'taken')",
        "UPDATE pass SET state = 'queued', rows_seen = 0 WHERE state = 'running' AND ?1 >= 0",
        "UPDATE dataset SET last_reconciled_at = NULL WHERE ?1 >= 0",
    ] {
        transaction
            .execute(step, [stored(now)])
            .map_err(Error::engine("begin a new incarnation"))?;
    }
    Ok(())
}

/// Whatever was sent, or may have been after the copy was made, is unknown.
fn links_unknown(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let engine = || Error::engine("make links unknown");
    let mut statement = transaction
        .prepare(
            "SELECT channel, kind, id, state FROM link WHERE state NOT IN ('unmapped', 'unknown')
             AND NOT (state = 'refused' AND reject_kind = 'local' AND upper_id IS NULL)",
        )
        .map_err(engine())?;
    let sent = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .and_then(
            Iterator::collect::<std::result::Result<Vec<(String, String, String, String)>, _>>,
        )
        .map_err(engine())?;
    for (channel, kind, id, state) in sent {
        transaction
            .prepare_cached(
                "UPDATE link SET state = 'unknown', since = ?4, checked_at = NULL
                 WHERE channel = ?1 AND kind = ?2 AND id = ?3",
            )
            .and_then(|mut statement| statement.execute(params![channel, kind, id, stored(now)]))
            .map_err(engine())?;
        let kind = catalogue::Kind::parse(&kind).ok_or(Error::Unreadable { what: "kind" })?;
        let from = LinkState::parse(&state).ok_or(Error::Unreadable { what: "link state" })?;
        let fact = Kind::Link { from, to: LinkState::Unknown, code: Some("restored".to_owned()) };
        let key = ObjectKey { kind, id };
        let channel = ChannelId::from(channel);
        history::record(transaction, Some(&channel), &key.to_string(), fact, now)?;
    }
    Ok(())
}
