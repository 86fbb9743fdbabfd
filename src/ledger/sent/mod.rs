//! What the province holds of one dataset on one channel, without a row in the database.
//!
//! **Constraints.** Memory is bounded whatever the dataset's size; a look-up serves a sorted page
//! of keys; nothing in clear names a key; an entry exists only because a batch carried it, so
//! repair and deletion touch only what this ledger sent.
//!
//! **Layout.** In memory, the rows of batches that are not merged ([`Index::pend`]): packed,
//! sent, settled. On disk, at most [`RUN_LIMIT`] immutable runs, newest first, each a sorted file
//! of 32-byte records with a file of sealed originals beside it. A newer entry hides an older one;
//! a deletion is a tombstone until nothing older is left to hide.
//!
//! **Write.** `pend` when a batch is packed, `settle` or `abandon` as its outcome is recorded:
//! memory only, each repeated by the caller from the ledger's batches and the spool's manifests
//! after a restart. A merge has four steps: [`Index::plan_merge`], [`Merge::run`] writes the new
//! run and makes it durable, the *ledger's transaction* stores [`Merged::names`] and that the
//! merged batches are merged, [`Index::install`] swaps; then the replaced files go.
//!
//! **Read.** [`Index::lookup`] answers for the newest entry, sent or not, which is what a change
//! is compared with. [`View::Settled`] answers for what the province has confirmed, which is what
//! an inventory is compared with. **Passes.** A full comparison marks each key it meets; what was
//! never marked is gone from the city. Merges go on during a pass: marks are carried over.
//!
//! **Delete.** A deletion is a batch like any other. A confirmed row that the province lost or
//! revoked is a batch of deletions that settles at once: the key is unknown again, thus due.
//!
//! **Recovery.** [`sweep`] removes files that no run named by the ledger owns, and temporary ones:
//! a crash before the transaction leaves a run nobody names, a crash after it leaves the replaced
//! ones. A run that is named and missing, cut or altered fails [`Index::open`] or the read that
//! meets it; it is rebuilt by reconciling, never read as empty. A pass does not survive a restart.

mod filter;
mod memory;
mod merge;
mod pass;
mod record;
mod run;
mod view;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod model;

pub use merge::{Merge, Merged};
pub use pass::Mark;
pub use view::{Bucket, KeyRange, PREFIX_LIMIT_BITS, View};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::memory::{FRESH, Group, Memory, SEEN, Slot};
use self::merge::Incoming;
use self::pass::Pass;
use self::record::Record;
use self::run::{Cursor, KEYS_SUFFIX, Originals, RUN_SUFFIX, Run};
use super::disk::{self, Error};
use super::manifest::{ManifestRow, Original};
use super::seal::Sealer;
use crate::delivery::Action;
use crate::row::{KeyDigest, RowHash};

/// The most runs one index keeps.
pub const RUN_LIMIT: usize = 6;
/// About the most settled rows that one merge takes out of memory.
pub const MERGE_ROWS: usize = 1 << 16;

/// What is known of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Hash of the row as it was packed.
    pub row: RowHash,
    /// Its version, in milliseconds since 1970 UTC.
    pub version_ms: u64,
    /// Where it stands.
    pub place: Place,
    /// Its deletion is on the way.
    pub deleting: bool,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Settled and in a run.
    Run,
    /// Settled by this batch and not merged yet.
    Settled {
        /// Its ordinal.
        batch: u64,
    },
    /// In this batch, whose outcome is not known.
    Pending {
        /// Its ordinal.
        batch: u64,
    },
}

/// The sizes of an index.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// Runs.
    pub runs: usize,
    /// Records in all runs, hidden ones and tombstones among them.
    pub run_rows: u64,
    /// Of these, tombstones.
    pub tombstones: u64,
    /// Bytes of records, page index and trailers.
    pub run_bytes: u64,
    /// Bytes of sealed originals.
    pub sealed_bytes: u64,
    /// Rows in memory.
    pub memory_rows: usize,
    /// Of these, rows of settled batches.
    pub settled_rows: usize,
}

#[derive(Debug)]
struct Level {
    run: Arc<Run>,
    /// One byte a row while a pass is under way, else empty.
    marks: Vec<u8>,
}

/// What the province holds of one dataset on one channel. Calls block.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    sealer: Arc<Sealer>,
    memory: Memory,
    memory_limit: usize,
    levels: Vec<Level>,
    pass: Option<Pass>,
    merging: bool,
}

/// Removes every file of `folder` that belongs to no run that `named` knows: once at start, over
/// all indexes of the folder. Returns how many.
pub fn sweep(folder: &Path, named: impl Fn(&str) -> bool) -> Result<u64, Error> {
    disk::ensure_folder(folder)?;
    let mut removed = 0;
    for (file, _) in disk::files(folder)? {
        let name = file.strip_suffix(RUN_SUFFIX).or_else(|| file.strip_suffix(KEYS_SUFFIX));
        if !name.is_some_and(&named) {
            disk::remove(folder, &file)?;
            removed += 1;
        }
    }
    disk::sync_folder(folder)?;
    Ok(removed)
}

/// Removes the files of runs that the ledger no longer names.
pub fn delete_runs(folder: &Path, names: &[String]) -> Result<(), Error> {
    for name in names {
        disk::check_name(name)?;
        disk::remove(folder, &format!("{name}{RUN_SUFFIX}"))?;
        disk::remove(folder, &format!("{name}{KEYS_SUFFIX}"))?;
    }
    disk::sync_folder(folder)
}

/// The names of a run's files.
pub(super) fn file_names(name: &str) -> [String; 2] {
    [format!("{name}{RUN_SUFFIX}"), format!("{name}{KEYS_SUFFIX}")]
}

/// Reads a run to its end, every page and every sealed block of it; returns its bytes.
pub(super) fn prove(folder: &Path, name: &str, sealer: &Arc<Sealer>) -> Result<u64, Error> {
    let run = Arc::new(Run::open(folder, name, sealer)?);
    let mut records = Cursor::new(&run);
    let mut originals = Originals::new(&run);
    while let Some((_, record)) = records.next()? {
        if let Some(pointer) = record.pointer {
            originals.original(pointer)?;
        }
    }
    Ok(run.run_bytes() + run.keys_bytes())
}

/// The key under which a run lies; nothing where it is gone.
pub(super) fn key_id(
    folder: &Path,
    name: &str,
    sealer: &Arc<Sealer>,
) -> Result<Option<[u8; 4]>, Error> {
    if !folder.join(format!("{name}{RUN_SUFFIX}")).exists() {
        return Ok(None);
    }
    Run::open(folder, name, sealer)?.key_id().map(Some)
}

/// Writes a run again under the key in use; false where it lies under that, or is gone.
pub(super) fn reseal(folder: &Path, name: &str, sealer: &Arc<Sealer>) -> Result<bool, Error> {
    match key_id(folder, name, sealer)? {
        Some(id) if id != sealer.key_id() => {
            Run::open(folder, name, sealer)?.rewrite(folder)?;
            Ok(true)
        }
        Some(_) | None => Ok(false),
    }
}

impl Index {
    /// Opens the runs that the ledger names, newest first. Memory starts empty: the caller pends
    /// the batches that are not merged, oldest first. At most `memory_limit` rows are pended.
    pub fn open(
        folder: &Path,
        names: &[String],
        sealer: Arc<Sealer>,
        memory_limit: usize,
    ) -> Result<Self, Error> {
        disk::ensure_folder(folder)?;
        let levels = names
            .iter()
            .map(|name| {
                let run = Arc::new(Run::open(folder, name, &sealer)?);
                Ok(Level { run, marks: Vec::new() })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            folder: folder.to_owned(),
            sealer,
            memory: Memory::default(),
            memory_limit,
            levels,
            pass: None,
            merging: false,
        })
    }

    /// The names of the runs, newest first.
    pub fn names(&self) -> Vec<String> {
        self.levels.iter().map(|level| level.run.name().to_owned()).collect()
    }

    /// The sizes now.
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes {
            runs: self.levels.len(),
            memory_rows: self.memory.rows(),
            settled_rows: self.memory.settled_rows(),
            ..Sizes::default()
        };
        for Level { run, .. } in &self.levels {
            sizes.run_rows += run.rows();
            sizes.tombstones += run.tombstones();
            sizes.run_bytes += run.run_bytes();
            sizes.sealed_bytes += run.keys_bytes();
        }
        sizes
    }

    /// Rows that may still be pended: what a stage asks before it packs.
    pub fn room(&self) -> usize {
        self.memory_limit.saturating_sub(self.memory.rows())
    }

    /// Remembers the rows of a packed batch. Repeating it changes nothing; a batch that has
    /// settled takes no more rows.
    pub fn pend(&mut self, batch: u64, action: Action, rows: &[ManifestRow]) -> Result<(), Error> {
        if rows.len() > self.room() && self.memory.is_settled(batch).is_none() {
            let (pending, asked, limit) = (self.memory.rows(), rows.len(), self.memory_limit);
            return Err(Error::PendingFull { pending, asked, limit });
        }
        self.restore(batch, action, rows)
    }

    /// As [`Index::pend`], at start: what was accepted before is not refused now that the limit
    /// is lower.
    pub fn restore(
        &mut self,
        batch: u64,
        action: Action,
        rows: &[ManifestRow],
    ) -> Result<(), Error> {
        if self.memory.is_settled(batch) == Some(true) {
            return Err(Error::Batch { batch, problem: "has settled and takes no rows" });
        }
        self.memory.open_batch(batch);
        let deleted = match action {
            Action::Upsert => false,
            Action::Delete => true,
        };
        for row in rows {
            // Packed once, however often it is said: a pass that began since sees it as it was.
            if self.memory.holds(row.key, batch) {
                continue;
            }
            let marks = match &mut self.pass {
                Some(pass) => FRESH | if pass.take_met(row.key) { SEEN } else { 0 },
                None => 0,
            };
            let slot = Slot::new(row.row, row.version_ms, deleted, marks);
            self.memory.insert(row.key, batch, slot);
        }
        Ok(())
    }

    /// The batch's remaining rows are what the province holds. Repeating it changes nothing.
    pub fn settle(&mut self, batch: u64) -> Result<(), Error> {
        if self.memory.settle(batch) {
            Ok(())
        } else {
            Err(Error::Batch { batch, problem: "is not pending" })
        }
    }

    /// These rows of the batch did not arrive (refused, failed, superseded): what was known before
    /// shows again. Returns how many it held. Settled rows stay: what is revoked later is a batch
    /// of its own.
    pub fn abandon(&mut self, batch: u64, keys: &[KeyDigest]) -> Result<usize, Error> {
        if self.memory.is_settled(batch) == Some(true) {
            return Err(Error::Batch { batch, problem: "has settled and abandons no rows" });
        }
        let mut count = 0;
        for key in keys {
            let Some(slot) = self.memory.remove(*key, batch) else { continue };
            count += 1;
            if let Some(pass) = self.pass.as_mut().filter(|_| slot.marks() & SEEN != 0) {
                pass.met(*key);
            }
        }
        Ok(count)
    }

    /// The whole batch did not arrive, or was split and its halves are pended.
    pub fn abandon_batch(&mut self, batch: u64) -> Result<usize, Error> {
        if self.memory.is_settled(batch) == Some(true) {
            return Err(Error::Batch { batch, problem: "has settled and abandons no rows" });
        }
        let (mut count, pass) = (0, &mut self.pass);
        self.memory.forget(&[batch].into(), |key, slot| {
            count += 1;
            if let Some(pass) = pass.as_mut().filter(|_| slot.marks() & SEEN != 0) {
                pass.met(key);
            }
        });
        Ok(count)
    }

    /// What is known of each key, sent or not; fastest when the keys are sorted.
    pub fn lookup(&self, keys: &[KeyDigest]) -> Result<Vec<Option<Known>>, Error> {
        let mut cursors = self.cursors();
        keys.iter()
            .map(|key| {
                let group = self.memory.group(*key);
                if group.newest.is_some() {
                    return Ok(newest(&group, None));
                }
                for cursor in &mut cursors {
                    if let Some((_, record)) = cursor.lookup(*key)? {
                        return Ok(held(&record));
                    }
                }
                Ok(None)
            })
            .collect()
    }

    /// Whether anything is known of each key, its deletion among it: what this ledger sent once.
    /// Of what was deleted long ago nothing is kept.
    pub fn traces(&self, keys: &[KeyDigest]) -> Result<Vec<bool>, Error> {
        let mut cursors = self.cursors();
        keys.iter()
            .map(|key| {
                if self.memory.group(*key).newest.is_some() {
                    return Ok(true);
                }
                for cursor in &mut cursors {
                    if cursor.lookup(*key)?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .collect()
    }

    /// What names each key above: of the newest entry that is no deletion. `manifest` gives the
    /// rows of a batch that is not merged; it is asked once per batch.
    pub fn originals<E: From<Error>>(
        &self,
        keys: &[KeyDigest],
        mut manifest: impl FnMut(u64) -> Result<Vec<ManifestRow>, E>,
    ) -> Result<Vec<Option<Original>>, E> {
        let mut cursors = self.cursors();
        let mut readers: Vec<_> =
            self.levels.iter().map(|level| Originals::new(&level.run)).collect();
        let mut wanted: BTreeMap<u64, BTreeMap<KeyDigest, Vec<usize>>> = BTreeMap::new();
        let mut out = Vec::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            out.push(None);
            if let Some((batch, _)) = self.memory.group(*key).present {
                wanted.entry(batch).or_default().entry(*key).or_default().push(at);
                continue;
            }
            for (cursor, reader) in cursors.iter_mut().zip(&mut readers) {
                let Some((_, record)) = cursor.lookup(*key)? else { continue };
                if let Some((place, pointer)) = out.last_mut().zip(record.pointer) {
                    *place = Some(reader.original(pointer)?);
                }
                break;
            }
        }
        for (batch, keys) in wanted {
            for row in manifest(batch)? {
                for at in keys.get(&row.key).into_iter().flatten() {
                    if let Some(place) = out.get_mut(*at) {
                        *place = Some(row.original.clone());
                    }
                }
            }
        }
        Ok(out)
    }

    /// Plans a merge into a run called `name`, which no run was ever called before, once at least
    /// `at_least` settled rows are there. `None`: too few, or a merge is under way.
    pub fn plan_merge(&mut self, name: &str, at_least: usize) -> Result<Option<Merge>, Error> {
        disk::check_name(name)?;
        if self.merging || self.memory.settled_rows() < at_least.max(1) {
            return Ok(None);
        }
        let batches = self.memory.leaving(MERGE_ROWS);
        let incoming: Vec<_> = self
            .memory
            .newest_of(&batches)
            .into_iter()
            .map(|(key, batch, slot)| Incoming { key, batch, slot })
            .collect();
        if incoming.len() < at_least.clamp(1, MERGE_ROWS / 2) {
            return Ok(None);
        }
        // Each run has more rows than the newer ones together, so a row is rewritten at most as
        // often as the rows double.
        let mut rows = run::length(incoming.len());
        let mut taken = 0;
        for Level { run, .. } in &self.levels {
            let too_many = self.levels.len() - taken + 1 > RUN_LIMIT;
            if run.rows() > rows && !too_many {
                break;
            }
            rows += run.rows();
            taken += 1;
        }
        let mut runs = self.levels.iter().map(|level| Arc::clone(&level.run));
        let inputs = runs.by_ref().take(taken).collect();
        let remaining = runs.map(|run| run.name().to_owned()).collect();
        self.merging = true;
        Ok(Some(Merge {
            folder: self.folder.clone(),
            sealer: Arc::clone(&self.sealer),
            name: name.to_owned(),
            incoming,
            batches,
            inputs,
            remaining,
        }))
    }

    /// The planned merge failed or will not be run: the next may be planned.
    pub fn abandon_merge(&mut self) {
        self.merging = false;
    }

    /// Puts the merged run in the place of its inputs, after the ledger's transaction named it.
    /// The replaced runs' files are the caller's to delete ([`delete_runs`]).
    ///
    /// An error means that the pass under way was ended, for its marks could not be carried over;
    /// the run is installed all the same.
    pub fn install(&mut self, merged: Merged) -> Result<(), Error> {
        let Merged { run, batches, replaced, .. } = merged;
        let carried = match &self.pass {
            Some(_) => self.carry_marks(&run, replaced.len(), &batches),
            None => Ok((Vec::new(), Vec::new())),
        };
        self.merging = false;
        self.memory.forget(&batches, |_, _| {});
        self.levels.drain(..replaced.len().min(self.levels.len()));
        let mut result = Ok(());
        let marks = match carried {
            Ok((marks, met)) => {
                if let Some(pass) = &mut self.pass {
                    met.into_iter().for_each(|key| pass.met(key));
                }
                marks
            }
            Err(error) => {
                self.end_pass();
                result = Err(error);
                Vec::new()
            }
        };
        self.levels.insert(0, Level { run, marks });
        result
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.levels.iter().map(|level| Cursor::new(&level.run)).collect()
    }
}

/// What a run's record says.
fn held(record: &Record) -> Option<Known> {
    let Record { row, version_ms, pointer, .. } = *record;
    pointer.map(|_| Known { row, version_ms, place: Place::Run, deleting: false })
}

/// The newest entry in memory, else `below`.
fn newest(group: &Group, below: Option<Known>) -> Option<Known> {
    let Some((batch, slot, settled)) = group.newest else { return below };
    let (row, version_ms, deleting) = (slot.row(), slot.version_ms(), slot.deleted());
    let place = if settled { Place::Settled { batch } } else { Place::Pending { batch } };
    (!(settled && deleting)).then_some(Known { row, version_ms, place, deleting })
}

/// The newest settled entry in memory, else `below`.
fn settled(group: &Group, below: Option<Known>) -> Option<Known> {
    let Some((batch, slot)) = group.settled else { return below };
    let (row, version_ms) = (slot.row(), slot.version_ms());
    let place = Place::Settled { batch };
    (!slot.deleted()).then_some(Known { row, version_ms, place, deleting: false })
}
