//! The daemon's memory: a facade of events over SQLite, a spool and sorted runs.
//!
//! Every method that writes is one event with its whole effect in one transaction; every method
//! that reads returns words of [`delivery`](crate::delivery) or of this module. Nothing outside
//! knows which engine is below.
//!
//! **Constraints.** No byte leaves before its attempt is committed, and no attempt exists before
//! its payload is durable in the spool. Progress moves only in the transaction that records the
//! outcome of every row it passes. Confirmed rows have no row in the database: what the province
//! holds is in sorted runs on disk. No row content, key in clear or secret is stored unsealed.
//!
//! **Layout.** A folder: `ledger.sqlite` (this schema), `spool/` (sealed payloads with their
//! manifests), `runs/` (sorted runs), `lock`. The database names the files; a file it does not
//! name is removed at start.
//!
//! **Write.** One connection, one writer at a time, WAL with `synchronous=FULL`: a commit that
//! returned survives a power cut. **Read.** A second connection that cannot write, so that
//! `status` never waits for a stage.
//!
//! **Recovery.** After a crash every attempt without an answer is *unknown*: ask the province, or
//! send the same batch under the same name. A restored ledger starts a new incarnation in which
//! every link is unknown and reconciling comes first.

mod acts;
mod answered;
mod answers;
mod approvals;
mod backup;
mod batches;
mod beside;
mod cases;
mod counted;
mod cutover;
pub mod disk;
mod error;
mod facts;
mod flows;
mod history;
mod holds;
mod identity;
mod inbox;
mod inspect;
mod jobs;
mod kept;
mod lists;
pub mod manifest;
mod mending;
mod mode;
mod objects;
mod passes;
mod pause;
mod periods;
mod promises;
mod published;
mod rejects;
mod reseal;
mod retention;
mod returned;
mod rows;
mod runs;
mod said;
mod schema;
mod scopes;
pub mod seal;
pub mod sent;
mod shadow;
mod shares;
pub mod sorting;
pub mod spool;
mod supersede;
mod supplied;
mod takeover;
mod unique;
mod verdicts;
mod watched;
mod wiped;

#[cfg(test)]
mod tests;

pub use acts::{Act, ActLine, ActQuery, Actor, LEAST_DAYS, NewAct};
pub use answered::Answered;
pub use answers::Ended;
pub use approvals::{Approval, ApprovalState, Decided, NewApproval};
pub use backup::restore;
pub use batches::Waiting;
pub use beside::{Behind, Beside, Crossing};
pub use cases::CaseFound;
pub use counted::RuleCount;
pub use cutover::{Activation, CUT_OVER, CutOver, CutOverAsked, NewStandard, OpenCutOver};
pub use error::Error;
pub use facts::{FactPage, FactQuery, Horizon, Place, Stretch};
pub use flows::{BULK_DELETION, BatchFilter, FlowState, LinkCount, Overdue, UNREADABLE_KEY};
pub use history::NewFact;
pub use holds::{Drift, Hold, MOST_DRIFT, Scope};
pub use identity::Identity;
pub use inbox::{InboxCount, InboxLine, InboxSight, InboxSum, InboxUnjudged, LineJudged, Told};
pub use inspect::{Report, verify_folder};
pub use jobs::{Job, JobState, Resync};
pub use lists::{BatchQuery, CatalogueRequest, Late, LateLinks, RejectQuery};
pub use mending::{Brought, Closing, MendState, Mending, NewMending, Seen};
pub use objects::{CatalogueChange, Link, LinkFilter};
pub use passes::{Pass, PassKind};
pub use pause::pause_before_retry;
pub use periods::{NewPeriod, Period};
pub use promises::Promised;
pub use published::{Counted, Published};
pub use rejects::{REPEATED_KEY, Reject, RejectFilter, RejectState};
pub use reseal::{KeyId, UnderKey};
pub use retention::Retired;
pub use returned::ReturnedStage;
pub use rows::{
    Counts, Finding, Flow, LaneProgress, NewBatch, NewReject, Observation, Owner, Progress,
};
pub use runs::{Spooled, SpooledFate};
pub use said::{ClockDay, NewSaid, Reached, Said};
pub use scopes::{ScopedUse, Scopes, Spoken};
pub use shadow::{SHADOW, Shadow, ShadowAsked, ShadowObject, ShadowRows, ShadowRun};
pub use supplied::{Asking, NewValue};
pub use takeover::{OpenTakeover, TAKEOVER, Takeover, TakeoverAsked, TakeoverLine, TakeoverPhase};
pub use unique::UniqueValue;
pub use verdicts::Judged;
pub use watched::{Watched, WatchedObjects, WatchedRows};
pub use wiped::Wiped;

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::seal::Sealer;
use crate::clock::Clock;
use crate::supervisor::Pool;

/// A result of the ledger.
pub type Result<T> = std::result::Result<T, Error>;

/// How many ordinals are reserved on disk at once; a crash skips at most as many.
const ORDINAL_BLOCK: u64 = 1_000;

/// The open ledger. Cheap to clone; every clone is the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    inner: Arc<Inner>,
    pool: Pool,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    identity: Identity,
    clock: Clock,
    next_ordinal: AtomicU64,
    reserved: Mutex<u64>,
    /// One backup at a time.
    backup: Mutex<()>,
    /// As the ledger's file says.
    mode: Mutex<mode::Kept>,
    _lock: File,
}

impl Ledger {
    /// Opens or creates the ledger in `folder`. Blocking; called once at start.
    ///
    /// Refuses a folder that another process uses, a file of a newer schema, and a damaged one.
    /// Attempts that were in flight when the last process ended become unknown. A ledger of an
    /// older schema is copied aside, for whoever goes back, before it is brought to ours.
    pub fn open(folder: &Path, sealer: &Sealer, clock: Clock, pool: Pool) -> Result<Self> {
        let lock = lock_folder(folder)?;
        let path = folder.join("ledger.sqlite");
        refuse_orphans(folder, &path)?;
        backup::clear(&folder.join("backup"))?;
        if let Some(kept) = kept::keep(folder, &path)? {
            tracing::info!(kept = %kept.display(), "ledger of an older schema kept before its upgrade");
        }
        let mut writer = schema::open(&path, clock.now())?;
        let reader = schema::open_reader(&path)?;
        let identity = identity::load(&mut writer, sealer, clock.now())?;
        schema::recover(&mut writer, clock.now())?;
        let first = schema::ordinal(&writer)?;
        let mode = Mutex::new(mode::load(&writer)?);
        let inner = Inner {
            folder: folder.to_owned(),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            identity,
            clock,
            next_ordinal: AtomicU64::new(first),
            reserved: Mutex::new(first),
            backup: Mutex::new(()),
            mode,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner), pool })
    }

    /// The folder that holds the ledger, its spool and its runs.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Who this installation is.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The clock the ledger stamps with.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// A number that is never given twice, rising. Blocking once in [`ORDINAL_BLOCK`] calls.
    pub fn next_ordinal(&self) -> Result<u64> {
        self.next_ordinals(1)
    }

    /// The first of `count` numbers in a row that are never given again. A batch of rows takes as
    /// many as its splitting may ever need, so that its halves stand where it stood: before
    /// everything packed later.
    pub fn next_ordinals(&self, count: u64) -> Result<u64> {
        let mut reserved = self.inner.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.inner.next_ordinal.fetch_add(count, Ordering::Relaxed);
        if next + count > *reserved {
            let until = next + count + ORDINAL_BLOCK;
            schema::reserve_ordinals(&lock(&self.inner.writer), until)?;
            *reserved = until;
        }
        Ok(next)
    }

    /// Runs `event` in one transaction on the pool and commits it. Not cancelled once begun.
    async fn write<T, F>(&self, operation: &'static str, event: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>, Timestamp) -> Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.pool.run(move || inner.commit(operation, event)).await
    }

    /// Runs `query` on the reading connection.
    async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.pool.run(move || query(&lock(&inner.reader))).await
    }
}

impl Inner {
    fn commit<T>(
        &self,
        operation: &'static str,
        event: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let mut connection = lock(&self.writer);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Error::engine(operation))?;
        let result = event(&transaction, self.clock.now())?;
        transaction.commit().map_err(Error::engine(operation))?;
        Ok(result)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// Files without the database that names them: making a new one would sweep them away.
fn refuse_orphans(folder: &Path, database: &Path) -> Result<()> {
    if std::fs::metadata(database).is_ok_and(|about| about.len() > 0) {
        return Ok(());
    }
    for below in ["spool", "runs"] {
        let below = folder.join(below);
        if below.is_dir() && !disk::files(&below)?.is_empty() {
            let finding = "its spool or its runs are here and the database is not".to_owned();
            return Err(Error::Damaged { path: database.to_owned(), finding });
        }
    }
    Ok(())
}

fn lock_folder(folder: &Path) -> Result<File> {
    let open = |action| {
        let path = folder.to_owned();
        move |source| Error::Open { path, action, source }
    };
    // Nobody else reads what the daemon knows, whatever the process's umask says.
    let mut private = std::fs::DirBuilder::new();
    private.recursive(true).mode(0o700).create(folder).map_err(open("create the folder"))?;
    private_file(&folder.join("ledger.sqlite")).map_err(open("create the file"))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(folder.join("lock"))
        .map_err(open("open the lock"))?;
    if crate::crash::sabotaged("unlocked") {
        return Ok(file);
    }
    for left in (0..LOCK_LOOKS).rev() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if left > 0 => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => {
                let path = folder.to_owned();
                return Err(Error::Open { path, action: "lock the folder", source });
            }
        }
    }
    Err(Error::InUse { path: folder.to_owned() })
}

/// A child process that was just begun (a signer) holds what its parent locked until it runs its
/// own program: a lock is taken for another daemon's only when it stays for this long.
const LOCK_LOOKS: u32 = 10;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Milliseconds since 1970, as stored.
fn stored(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The inverse of [`stored`]; a value outside the calendar is unreadable.
fn instant(stored: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(stored)
        .map_err(|_out_of_range| Error::Unreadable { what: "instant" })
}
