//! Merging: settled rows and the newest runs become one run, in a stream.
//!
//! A [`Merge`] is planned under the index's lock, carried out without it, named by the ledger's
//! transaction, and installed. Each input is read once, front to back, a page and a block at a
//! time; only the settled rows' own originals are in memory.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::memory::Slot;
use super::record::Record;
use super::run::{Cursor, Originals, Run, Writer, length};
use crate::ledger::disk::Error;
use crate::ledger::manifest::{ManifestRow, Original, encode_original};
use crate::ledger::seal::Sealer;
use crate::ledger::wiped::Wiped;
use crate::row::KeyDigest;

/// The heads of several runs, newest first.
pub(super) struct Heads {
    heads: Vec<(Cursor, Option<(u64, Record)>)>,
}

impl Heads {
    /// Begins at the first key not below `from`.
    pub(super) fn begin<'a>(
        runs: impl IntoIterator<Item = &'a Arc<Run>>,
        from: KeyDigest,
    ) -> Result<Self, Error> {
        let heads = runs
            .into_iter()
            .map(|run| {
                let mut cursor = Cursor::new(run);
                cursor.seek(from)?;
                let head = cursor.next()?;
                Ok((cursor, head))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { heads })
    }

    /// The smallest key ahead.
    pub(super) fn key(&self) -> Option<KeyDigest> {
        self.heads.iter().filter_map(|(_, head)| head.map(|(_, record)| record.key)).min()
    }

    /// Takes every record of `key`: which run, which row, newest first.
    pub(super) fn take(
        &mut self,
        key: KeyDigest,
        into: &mut Vec<(usize, u64, Record)>,
    ) -> Result<(), Error> {
        into.clear();
        for (number, (cursor, head)) in self.heads.iter_mut().enumerate() {
            if let Some((row, record)) = head.filter(|(_, record)| record.key == key) {
                into.push((number, row, record));
                *head = cursor.next()?;
            }
        }
        Ok(())
    }
}

/// The stored forms of the originals that enter a run, one behind the other.
struct Kept {
    bytes: Wiped,
    spans: Vec<Option<Range<usize>>>,
}

impl Kept {
    fn of(rows: usize) -> Self {
        Self { bytes: Wiped::default(), spans: vec![None; rows] }
    }

    fn keep(&mut self, at: usize, original: &Original) {
        let start = self.bytes.len();
        encode_original(original, &mut self.bytes);
        if let Some(span) = self.spans.get_mut(at) {
            *span = Some(start..self.bytes.len());
        }
    }

    fn all(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.spans.iter().map(|span| span.as_ref().and_then(|span| self.bytes.get(span.clone())))
    }
}

/// A row that enters a run from memory.
pub(super) struct Incoming {
    pub(super) key: KeyDigest,
    pub(super) batch: u64,
    pub(super) slot: Slot,
}

/// A planned merge: run it on a blocking thread.
pub struct Merge {
    pub(super) folder: PathBuf,
    pub(super) sealer: Arc<Sealer>,
    pub(super) name: String,
    pub(super) incoming: Vec<Incoming>,
    pub(super) batches: BTreeSet<u64>,
    pub(super) inputs: Vec<Arc<Run>>,
    pub(super) remaining: Vec<String>,
}

/// A merge whose run is durable and not yet named by the ledger.
pub struct Merged {
    pub(super) run: Arc<Run>,
    pub(super) batches: BTreeSet<u64>,
    pub(super) replaced: Vec<String>,
    pub(super) remaining: Vec<String>,
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Merge")
            .field("name", &self.name)
            .field("rows", &self.incoming.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Merged").field("run", &self.run.name()).finish_non_exhaustive()
    }
}

impl Merged {
    /// The names of all runs once this is installed, newest first: what the ledger's transaction
    /// stores.
    pub fn names(&self) -> Vec<String> {
        [self.run.name().to_owned()].into_iter().chain(self.remaining.iter().cloned()).collect()
    }

    /// The runs that the new one replaces: their files go after the transaction.
    pub fn replaced(&self) -> &[String] {
        &self.replaced
    }

    /// Batches whose rows are in the run now: their manifests are needed no more.
    pub fn batches(&self) -> impl Iterator<Item = u64> {
        self.batches.iter().copied()
    }

    /// Rows in the new run.
    pub fn rows(&self) -> u64 {
        self.run.rows()
    }
}

impl Merge {
    /// Batches whose rows enter the run.
    pub fn batches(&self) -> impl Iterator<Item = u64> {
        self.batches.iter().copied()
    }

    /// Writes the new run and makes it durable. `manifest` gives the rows of a batch, with the
    /// province's ids where a receipt brought them; it is asked once per batch. A modification
    /// that knows no upper id has none afterwards: the caller carries an older one over.
    ///
    /// On an error nothing is left under the run's name and [`Index::abandon_merge`] frees the
    /// index for the next plan.
    ///
    /// [`Index::abandon_merge`]: super::Index::abandon_merge
    pub fn run<E: From<Error>>(
        self,
        mut manifest: impl FnMut(u64) -> Result<Vec<ManifestRow>, E>,
    ) -> Result<Merged, E> {
        let mut originals = Kept::of(self.incoming.len());
        for batch in &self.batches {
            for row in manifest(*batch)? {
                let at = self.incoming.binary_search_by_key(&row.key, |incoming| incoming.key);
                let Ok(at) = at else { continue };
                let wanted = self
                    .incoming
                    .get(at)
                    .is_some_and(|incoming| incoming.batch == *batch && !incoming.slot.deleted());
                if wanted {
                    originals.keep(at, &row.original);
                }
            }
        }
        let run = self.write(&originals)?;
        Ok(Merged {
            run: Arc::new(run),
            batches: self.batches,
            replaced: self.inputs.iter().map(|run| run.name().to_owned()).collect(),
            remaining: self.remaining,
        })
    }

    fn write(&self, originals: &Kept) -> Result<Run, Error> {
        let rows =
            length(self.incoming.len()) + self.inputs.iter().map(|run| run.rows()).sum::<u64>();
        let mut writer = Writer::begin(&self.folder, &self.name, &self.sealer, rows)?;
        let mut heads = Heads::begin(&self.inputs, KeyDigest([0; 12]))?;
        let mut readers: Vec<Originals> = self.inputs.iter().map(Originals::new).collect();
        let mut found = Vec::new();
        let mut incoming = self.incoming.iter().zip(originals.all()).peekable();
        // Below the oldest run there is nothing that a tombstone could hide.
        let keep_tombstones = !self.remaining.is_empty();
        loop {
            let ahead = incoming.peek().map(|(row, _)| row.key);
            let Some(key) = ahead.into_iter().chain(heads.key()).min() else { break };
            heads.take(key, &mut found)?;
            if let Some((row, original)) = incoming.next_if(|(row, _)| row.key == key) {
                let slot = row.slot;
                let (row_hash, version_ms) = (slot.row(), slot.version_ms());
                let record = Record { key, row: row_hash, version_ms, pointer: None };
                match original {
                    _ if slot.deleted() && !keep_tombstones => {}
                    _ if slot.deleted() => writer.push(record, None)?,
                    Some(bytes) => writer.push(record, Some(bytes))?,
                    None => {
                        let problem = "has a settled row that its manifest lacks";
                        return Err(Error::Batch { batch: row.batch, problem });
                    }
                }
                continue;
            }
            let Some((number, _, record)) = found.first() else { continue };
            match (record.pointer, readers.get_mut(*number)) {
                (Some(pointer), Some(reader)) => {
                    writer.push(*record, Some(reader.bytes(pointer)?))?;
                }
                (Some(_), None) | (None, _) if keep_tombstones => writer.push(*record, None)?,
                (Some(_), None) | (None, _) => {}
            }
        }
        writer.finish()
    }
}
