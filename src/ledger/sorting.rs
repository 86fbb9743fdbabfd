//! Sorting more than memory holds: what city, ledger and province say is brought into one order.
//!
//! Records gather in memory up to [`PORTION_BYTES`]; a full portion is sorted and written, sealed
//! block by block, to a file that has no name any more, so that it vanishes with its user, however
//! the process ends. Reading merges the portions: one block of each is in memory. Keys and values
//! may be content; they never touch the disk in clear.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{self, Error};
use super::seal::{Purpose, Sealer};

/// Bytes that are sorted at once.
const PORTION_BYTES: usize = 4 << 20;
/// Plain bytes of one sealed block.
const BLOCK_BYTES: usize = 32 << 10;
/// Bytes on disk: about 50,000,000 short records.
const FILE_LIMIT: u64 = 4 << 30;
const FILE: &str = "comparison";

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A key and what is said of it.
pub type Pair = (Vec<u8>, Vec<u8>);

#[derive(Clone, Copy, Debug)]
struct Block {
    offset: u64,
    length: usize,
}

/// Takes records in any order. Calls may block.
pub struct Sorter {
    file: File,
    sealer: Arc<Sealer>,
    portion_bytes: usize,
    pending: Vec<Pair>,
    pending_bytes: usize,
    portions: Vec<Vec<Block>>,
    end: u64,
}

impl std::fmt::Debug for Sorter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sorter").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Sorter {
    /// A sorter whose overflow goes into a nameless file of `folder`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(folder: &Path, sealer: Arc<Sealer>) -> Result<Self, Error> {
        Self::with_portions(folder, sealer, PORTION_BYTES)
    }

    fn with_portions(
        folder: &Path,
        sealer: Arc<Sealer>,
        portion_bytes: usize,
    ) -> Result<Self, Error> {
        disk::ensure_folder(folder)?;
        let name = format!("{FILE}-{}.tmp", NUMBER.fetch_add(1, Ordering::Relaxed));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join(&name))
            .map_err(|error| Error::io("create", FILE, error))?;
        disk::remove(folder, &name)?;
        Ok(Self {
            file,
            sealer,
            portion_bytes,
            pending: Vec::new(),
            pending_bytes: 0,
            portions: Vec::new(),
            end: 0,
        })
    }

    /// Takes a record.
    ///
    /// # Errors
    /// The disk is full or fails, or more was given than the limit of one comparison.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.pending.push((key.to_vec(), value.to_vec()));
        // Two vectors and what they hold.
        self.pending_bytes += key.len() + value.len() + size_of::<Pair>();
        if self.pending_bytes >= self.portion_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), Error> {
        let mut pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        pending.sort_unstable();
        let mut blocks = Vec::new();
        let mut plain = Vec::with_capacity(BLOCK_BYTES + 256);
        for (key, value) in &pending {
            for part in [key, value] {
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                plain.extend_from_slice(&length.to_be_bytes());
                plain.extend_from_slice(part);
            }
            if plain.len() >= BLOCK_BYTES {
                blocks.push(self.write(&plain)?);
                plain.clear();
            }
        }
        if !plain.is_empty() {
            blocks.push(self.write(&plain)?);
        }
        self.portions.push(blocks);
        Ok(())
    }

    fn write(&mut self, plain: &[u8]) -> Result<Block, Error> {
        let context = self.end.to_be_bytes();
        let sealed = self
            .sealer
            .seal(Purpose::SentKeys, &context, plain)
            .map_err(|error| Error::seal(FILE, error))?;
        let block = Block { offset: self.end, length: sealed.len() };
        self.end += u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        if self.end > FILE_LIMIT {
            let (what, size, limit) = ("a comparison", self.end, FILE_LIMIT);
            return Err(Error::TooLarge { what, size, limit });
        }
        (&self.file).write_all(&sealed).map_err(|error| Error::io("write", FILE, error))?;
        Ok(block)
    }

    /// Everything that was taken, in order of key, then value.
    ///
    /// # Errors
    /// As [`Sorter::push`].
    pub fn finish(mut self) -> Result<Sorted, Error> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable();
        let mut streams = vec![Stream::held(pending)];
        for blocks in self.portions {
            streams.push(Stream { blocks: blocks.into_iter(), ready: Vec::new().into_iter() });
        }
        let mut sorted =
            Sorted { file: self.file, sealer: self.sealer, heads: Vec::new(), streams };
        for place in 0..sorted.streams.len() {
            let head = sorted.pull(place)?;
            sorted.heads.push(head);
        }
        Ok(sorted)
    }
}

/// One sorted portion, read block by block.
struct Stream {
    blocks: std::vec::IntoIter<Block>,
    ready: std::vec::IntoIter<Pair>,
}

impl Stream {
    fn held(pairs: Vec<Pair>) -> Self {
        Self { blocks: Vec::new().into_iter(), ready: pairs.into_iter() }
    }
}

/// Sorted records. Calls may block.
pub struct Sorted {
    file: File,
    sealer: Arc<Sealer>,
    heads: Vec<Option<Pair>>,
    streams: Vec<Stream>,
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sorted").field("streams", &self.streams.len()).finish()
    }
}

impl Sorted {
    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_pair(&mut self) -> Result<Option<Pair>, Error> {
        let least = self
            .heads
            .iter()
            .enumerate()
            .filter_map(|(place, head)| head.as_ref().map(|head| (head, place)))
            .min()
            .map(|(_, place)| place);
        let Some(place) = least else { return Ok(None) };
        let next = self.pull(place)?;
        Ok(self.heads.get_mut(place).and_then(|head| std::mem::replace(head, next)))
    }

    fn pull(&mut self, place: usize) -> Result<Option<Pair>, Error> {
        let Some(stream) = self.streams.get_mut(place) else { return Ok(None) };
        if let Some(pair) = stream.ready.next() {
            return Ok(Some(pair));
        }
        let Some(block) = stream.blocks.next() else { return Ok(None) };
        let mut sealed = vec![0; block.length];
        self.file
            .read_exact_at(&mut sealed, block.offset)
            .map_err(|error| Error::io("read", FILE, error))?;
        let plain = self
            .sealer
            .open(Purpose::SentKeys, &block.offset.to_be_bytes(), &sealed)
            .map_err(|error| Error::seal(FILE, error))?;
        stream.ready =
            pairs(&plain).ok_or_else(|| Error::damaged(FILE, "a record is cut"))?.into_iter();
        Ok(stream.ready.next())
    }
}

fn pairs(mut bytes: &[u8]) -> Option<Vec<Pair>> {
    let mut part = || -> Option<Vec<u8>> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(part.to_vec())
    };
    let mut pairs = Vec::new();
    while let Some(key) = part() {
        pairs.push((key, part()?));
    }
    bytes.is_empty().then_some(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer() -> Arc<Sealer> {
        Arc::new(Sealer::from_bytes(&[7; 32]).unwrap())
    }

    fn read(mut sorted: Sorted) -> Vec<Pair> {
        let mut all = Vec::new();
        while let Some(pair) = sorted.next_pair().unwrap() {
            all.push(pair);
        }
        all
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(
            pairs in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..6), prop::collection::vec(any::<u8>(), 0..9)),
                0..200,
            ),
            portion in 1_usize..4_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::with_portions(folder.path(), sealer(), portion).unwrap();
            for (key, value) in &pairs {
                sorter.push(key, value).unwrap();
            }
            let mut expected = pairs;
            expected.sort();
            prop_assert_eq!(read(sorter.finish().unwrap()), expected);
        }
    }

    #[test]
    fn nothing_stays_on_disk_and_nothing_is_there_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_portions(folder.path(), sealer(), 1_000).unwrap();
        for number in 0..500_u32 {
            let key = format!("51190119900101{number:04}");
            sorter.push(key.as_bytes(), b"A=1\n").unwrap();
        }
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 0, "the file has no name, so it goes with the process");
        let mut bytes = vec![0; usize::try_from(sorter.end).unwrap()];
        sorter.file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.len() > 10_000);
        assert!(!bytes.windows(8).any(|part| part == b"51190119"));
        assert_eq!(read(sorter.finish().unwrap()).len(), 500);
    }
}
