//! A run: an immutable, sorted file of records, and beside it the sealed originals.
//!
//! `NAME.run` is pages of 128 records (4 KiB), then per page its first key and an 8-byte tag, then
//! a trailer whose tag vouches for the index and the counts under the run's name. Index and
//! trailer are read at open (20 bytes in memory per 128 rows), pages on demand, each verified when
//! this process reads it first. A [`Filter`] in memory says which keys are surely not there.
//! `NAME.keys` is sealed blocks, in the order of the records, each sealed for its place. Both
//! files stream in one direction when they are written and when they are merged.

mod reseal;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::filter::Filter;
use super::record::{Pointer, RECORD, Record};
use crate::ledger::disk::{self, Draft, Error};
use crate::ledger::manifest::{
    Original, decode_original, put_number, take_array, take_number, take_slice,
};
use crate::ledger::seal::{Purpose, Sealer, Voucher};
use crate::ledger::wiped::Wiped;
use crate::row::KeyDigest;

const MAGIC: [u8; 8] = *b"CASSENTR";
const FORMAT: u32 = 1;
const TRAILER: usize = 52;
const INDEX_ENTRY: usize = 20;
/// Records in a page: 4 KiB.
const PAGE_ROWS: u64 = 128;
const PAGE_ROWS_USIZE: usize = 128;
/// A run of so few records is looked into without a filter.
const FILTERED_ROWS: u64 = 4 * PAGE_ROWS;
/// A block of originals is closed at this many rows or bytes.
const BLOCK_ROWS: u8 = 128;
const BLOCK_BYTES: usize = 16 << 10;
/// No block is larger than this: one original is at most a row's key columns.
const BLOCK_LIMIT: usize = 128 << 20;

pub(super) const RUN_SUFFIX: &str = ".run";
pub(super) const KEYS_SUFFIX: &str = ".keys";

/// An open run.
#[derive(Debug)]
pub(super) struct Run {
    name: String,
    rows: u64,
    tombstones: u64,
    keys_bytes: u64,
    index: Vec<(KeyDigest, [u8; 8])>,
    /// A bit for each page that was verified.
    verified: Vec<AtomicU64>,
    /// Made while the run was written, or by reading it once.
    filter: OnceLock<Filter>,
    file: File,
    keys: File,
    voucher: Voucher,
    sealer: Arc<Sealer>,
}

impl Run {
    /// Opens and verifies the index. A missing, cut or altered file is an error.
    pub(super) fn open(folder: &Path, name: &str, sealer: &Arc<Sealer>) -> Result<Self, Error> {
        disk::check_name(name)?;
        let shown = format!("{name}{RUN_SUFFIX}");
        let damaged = |what| Error::damaged(&shown, what);
        let (file, size) = open_file(folder, &shown)?;
        let (keys, keys_size) = open_file(folder, &format!("{name}{KEYS_SUFFIX}"))?;
        let start = size
            .checked_sub(length(TRAILER))
            .ok_or_else(|| damaged("it is shorter than its trailer"))?;
        let mut trailer = [0; TRAILER];
        read_at(&file, &shown, &mut trailer, start)?;
        let (format, [rows, tombstones, keys_bytes], tag) =
            parse_trailer(&trailer).ok_or_else(|| damaged("it is no run, or it was cut"))?;
        if format != FORMAT {
            return Err(Error::Format { file: shown, found: format, known: FORMAT });
        }
        let pages = rows.div_ceil(PAGE_ROWS);
        let records = rows.checked_mul(length(RECORD));
        let index_bytes = pages.checked_mul(length(INDEX_ENTRY));
        let whole = records.zip(index_bytes).and_then(|(a, b)| a.checked_add(b));
        if whole != Some(start) {
            return Err(damaged("its size is not the one it was written with"));
        }
        if keys_size != keys_bytes {
            return Err(damaged("its sealed file has another size than it was written with"));
        }
        let index_bytes = usize::try_from(index_bytes.unwrap_or_default()).unwrap_or_default();
        let mut index = vec![0; index_bytes];
        read_at(&file, &shown, &mut index, records.unwrap_or_default())?;
        let voucher = voucher(sealer, name)?;
        let vouched = trailer.get(..TRAILER - tag.len()).unwrap_or_default();
        if voucher.vouched(&[&index, vouched], &tag).is_none() {
            return Err(damaged("its index does not verify"));
        }
        let index = index
            .chunks_exact(INDEX_ENTRY)
            .filter_map(|mut entry| {
                Some((KeyDigest(take_array(&mut entry)?), take_array(&mut entry)?))
            })
            .collect();
        let mut verified = Vec::new();
        verified.resize_with(index_words(pages), AtomicU64::default);
        Ok(Self {
            name: name.to_owned(),
            rows,
            tombstones,
            keys_bytes,
            index,
            verified,
            filter: OnceLock::new(),
            file,
            keys,
            voucher,
            sealer: Arc::clone(sealer),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Records, tombstones among them.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn tombstones(&self) -> u64 {
        self.tombstones
    }

    /// Bytes of the sealed file.
    pub(super) fn keys_bytes(&self) -> u64 {
        self.keys_bytes
    }

    /// Bytes of records, index and trailer.
    pub(super) fn run_bytes(&self) -> u64 {
        self.rows * length(RECORD) + length(self.index.len() * INDEX_ENTRY + TRAILER)
    }

    fn page(&self, number: usize, into: &mut Vec<u8>) -> Result<(), Error> {
        let shown = || format!("{}{RUN_SUFFIX}", self.name);
        let (_, tag) =
            self.index.get(number).ok_or_else(|| Error::damaged(&shown(), "a page is missing"))?;
        let first = length(number) * PAGE_ROWS;
        let rows = self.rows.saturating_sub(first).min(PAGE_ROWS);
        into.resize(usize::try_from(rows).unwrap_or_default() * RECORD, 0);
        read_at(&self.file, &shown(), into, first * length(RECORD))?;
        let word = self.verified.get(number / 64);
        let bit = 1_u64 << (number % 64);
        if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0) {
            return Ok(());
        }
        if self.voucher.vouched(&[&length(number).to_be_bytes(), into], tag).is_none() {
            return Err(Error::damaged(&shown(), "a page does not verify"));
        }
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether the run can hold `key` at all. The first question to a run that this process did not
    /// write reads it once.
    fn may_hold(&self, key: KeyDigest) -> Result<bool, Error> {
        if self.rows <= FILTERED_ROWS {
            return Ok(true);
        }
        let filter = match self.filter.get() {
            Some(filter) => filter,
            None => {
                let made = self.make_filter()?;
                self.filter.get_or_init(|| made)
            }
        };
        Ok(filter.may_hold(key))
    }

    fn make_filter(&self) -> Result<Filter, Error> {
        let mut filter = Filter::with_room_for(self.rows);
        let mut page = Vec::new();
        for number in 0..self.index.len() {
            self.page(number, &mut page)?;
            page.chunks_exact(RECORD)
                .filter_map(Record::decode)
                .for_each(|record| filter.insert(record.key));
        }
        Ok(filter)
    }

    /// A sealed block as it lies there.
    fn block(&self, block: u64, shown: &str) -> Result<Vec<u8>, Error> {
        let mut head = [0; 4];
        read_at(&self.keys, shown, &mut head, block)?;
        let size = u64::from(u32::from_be_bytes(head));
        if size > length(BLOCK_LIMIT) || block + 4 + size > self.keys_bytes {
            return Err(Error::damaged(shown, "a block is longer than it can be"));
        }
        let mut sealed = vec![0; usize::try_from(size).unwrap_or_default()];
        read_at(&self.keys, shown, &mut sealed, block + 4)?;
        Ok(sealed)
    }

    /// The page that would hold `key`.
    fn page_of(&self, key: KeyDigest) -> usize {
        self.index.partition_point(|(first, _)| *first <= key).saturating_sub(1)
    }
}

fn index_words(pages: u64) -> usize {
    usize::try_from(pages.div_ceil(64)).unwrap_or_default()
}

fn parse_trailer(mut bytes: &[u8]) -> Option<(u32, [u64; 3], [u8; 16])> {
    let bytes = &mut bytes;
    (take_array(bytes)? == MAGIC).then_some(())?;
    let format = u32::from_be_bytes(take_array(bytes)?);
    let mut numbers = [0; 3];
    for number in &mut numbers {
        *number = u64::from_be_bytes(take_array(bytes)?);
    }
    Some((format, numbers, take_array(bytes)?))
}

fn voucher(sealer: &Sealer, name: &str) -> Result<Voucher, Error> {
    sealer
        .voucher(Purpose::SentRun, name.as_bytes())
        .map_err(|error| Error::seal(&format!("{name}{RUN_SUFFIX}"), error))
}

fn open_file(folder: &Path, file: &str) -> Result<(File, u64), Error> {
    let open = File::open(folder.join(file)).map_err(|error| Error::io("open", file, error))?;
    let size = open.metadata().map_err(|error| Error::io("read", file, error))?.len();
    Ok((open, size))
}

fn read_at(file: &File, shown: &str, into: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(into, offset).map_err(|error| Error::io("read", shown, error))
}

/// Reads a run record by record, or looks keys up; a page that was just read is not read again.
#[derive(Debug)]
pub(super) struct Cursor {
    run: Arc<Run>,
    page: Vec<u8>,
    loaded: Option<usize>,
    next: u64,
}

impl Cursor {
    pub(super) fn new(run: &Arc<Run>) -> Self {
        Self { run: Arc::clone(run), page: Vec::new(), loaded: None, next: 0 }
    }

    fn load(&mut self, number: usize) -> Result<(), Error> {
        if self.loaded != Some(number) {
            // A page that failed to verify is not the loaded one.
            self.loaded = None;
            self.run.page(number, &mut self.page)?;
            self.loaded = Some(number);
        }
        Ok(())
    }

    fn record(&self, place: usize) -> Option<Record> {
        self.page.get(place * RECORD..(place + 1) * RECORD).and_then(Record::decode)
    }

    /// The next record and its row number.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Record)>, Error> {
        let row = self.next;
        if row >= self.run.rows {
            return Ok(None);
        }
        self.load(usize::try_from(row / PAGE_ROWS).unwrap_or(usize::MAX))?;
        let place = usize::try_from(row % PAGE_ROWS).unwrap_or_default();
        self.next += 1;
        Ok(self.record(place).map(|record| (row, record)))
    }

    fn find(&mut self, key: KeyDigest) -> Result<Option<(u64, Record)>, Error> {
        self.seek(key)?;
        let found = self.next()?;
        Ok(match found {
            Some((row, record)) if record.key == key => Some((row, record)),
            Some((row, _)) => {
                self.next = row;
                None
            }
            None => None,
        })
    }

    /// The record of `key` and its row number; cheap where the run does not hold it.
    pub(super) fn lookup(&mut self, key: KeyDigest) -> Result<Option<(u64, Record)>, Error> {
        if self.run.may_hold(key)? { self.find(key) } else { Ok(None) }
    }

    /// Goes to the first key not below `key`.
    pub(super) fn seek(&mut self, key: KeyDigest) -> Result<(), Error> {
        if self.run.rows == 0 {
            return Ok(());
        }
        let number = self.run.page_of(key);
        self.load(number)?;
        let mut low = 0;
        let mut high = self.page.len() / RECORD;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle).is_some_and(|record| record.key < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.next = length(number) * PAGE_ROWS + length(low);
        Ok(())
    }
}

/// Opens a run's sealed blocks; the last one opened stays open.
pub(super) struct Originals {
    run: Arc<Run>,
    block: Option<u64>,
    plain: Wiped,
    spans: Vec<(usize, usize)>,
}

impl Originals {
    pub(super) fn new(run: &Arc<Run>) -> Self {
        let plain = Wiped::default();
        Self { run: Arc::clone(run), block: None, plain, spans: Vec::new() }
    }

    /// The stored form of the original that `pointer` names.
    pub(super) fn bytes(&mut self, pointer: Pointer) -> Result<&[u8], Error> {
        if self.block != Some(pointer.block) {
            self.open(pointer.block)?;
        }
        self.spans
            .get(usize::from(pointer.place))
            .and_then(|(start, end)| self.plain.get(*start..*end))
            .ok_or_else(|| self.damaged("a record points past its block"))
    }

    /// The original that `pointer` names.
    pub(super) fn original(&mut self, pointer: Pointer) -> Result<Original, Error> {
        let original = decode_original(self.bytes(pointer)?);
        original.ok_or_else(|| self.damaged("an original cannot be read"))
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(&format!("{}{KEYS_SUFFIX}", self.run.name), what)
    }

    fn open(&mut self, block: u64) -> Result<(), Error> {
        let shown = format!("{}{KEYS_SUFFIX}", self.run.name);
        self.block = None;
        if block.saturating_add(4) > self.run.keys_bytes {
            return Err(self.damaged("a record points past its end"));
        }
        let sealed = self.run.block(block, &shown)?;
        self.plain = self
            .run
            .sealer
            .open(Purpose::SentKeys, &block_context(&self.run.name, block), &sealed)
            .map_err(|error| Error::seal(&shown, error))?;
        self.spans.clear();
        let mut rest = self.plain.as_slice();
        while !rest.is_empty() {
            let span = take_number(&mut rest).and_then(|size| {
                let start = self.plain.len() - rest.len();
                take_slice(&mut rest, size).map(|slice| (start, start + slice.len()))
            });
            match span {
                Some(span) => self.spans.push(span),
                None => return Err(self.damaged("a block cannot be read")),
            }
        }
        self.block = Some(block);
        Ok(())
    }
}

fn block_context(name: &str, block: u64) -> Vec<u8> {
    [block.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// Writes a run from records that come in the order of their keys.
pub(super) struct Writer {
    name: String,
    folder: PathBuf,
    sealer: Arc<Sealer>,
    voucher: Voucher,
    run: Draft,
    keys: Draft,
    page: Vec<u8>,
    first: Option<KeyDigest>,
    index: Vec<u8>,
    filter: Filter,
    pages: u64,
    rows: u64,
    tombstones: u64,
    block: Wiped,
    block_rows: u8,
    keys_bytes: u64,
}

impl Writer {
    /// Begins both files, for at most so many records.
    pub(super) fn begin(
        folder: &Path,
        name: &str,
        sealer: &Arc<Sealer>,
        rows_at_most: u64,
    ) -> Result<Self, Error> {
        disk::check_name(name)?;
        if folder.join(format!("{name}{RUN_SUFFIX}")).exists() {
            return Err(Error::Exists { file: format!("{name}{RUN_SUFFIX}") });
        }
        Ok(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            sealer: Arc::clone(sealer),
            voucher: voucher(sealer, name)?,
            run: Draft::begin(folder, &format!("{name}{RUN_SUFFIX}"))?,
            keys: Draft::begin(folder, &format!("{name}{KEYS_SUFFIX}"))?,
            page: Vec::with_capacity(PAGE_ROWS_USIZE * RECORD),
            first: None,
            index: Vec::new(),
            filter: Filter::with_room_for(rows_at_most),
            pages: 0,
            rows: 0,
            tombstones: 0,
            block: Wiped::default(),
            block_rows: 0,
            keys_bytes: 0,
        })
    }

    /// Appends a record; `original` is the stored form of its original, `None` makes a tombstone.
    pub(super) fn push(&mut self, record: Record, original: Option<&[u8]>) -> Result<(), Error> {
        let pointer = original.map(|bytes| self.push_original(bytes)).transpose()?;
        self.tombstones += u64::from(pointer.is_none());
        self.first.get_or_insert(record.key);
        self.filter.insert(record.key);
        Record { pointer, ..record }.encode(&mut self.page);
        self.rows += 1;
        if self.page.len() == PAGE_ROWS_USIZE * RECORD {
            self.end_page()?;
        }
        Ok(())
    }

    fn push_original(&mut self, bytes: &[u8]) -> Result<Pointer, Error> {
        if self.block_rows == BLOCK_ROWS
            || (self.block_rows > 0 && self.block.len() + bytes.len() > BLOCK_BYTES)
        {
            self.end_block()?;
        }
        let block = self.keys_bytes;
        if block > Pointer::BLOCK_LIMIT {
            let (size, limit) = (block, Pointer::BLOCK_LIMIT);
            return Err(Error::TooLarge { what: "sealed file of a run", size, limit });
        }
        put_number(bytes.len(), &mut self.block);
        self.block.extend_from_slice(bytes);
        let place = self.block_rows;
        self.block_rows += 1;
        Ok(Pointer { block, place })
    }

    fn end_block(&mut self) -> Result<(), Error> {
        if self.block_rows == 0 {
            return Ok(());
        }
        let context = block_context(&self.name, self.keys_bytes);
        let sealed = self
            .sealer
            .seal(Purpose::SentKeys, &context, &self.block)
            .map_err(|error| Error::seal(&format!("{}{KEYS_SUFFIX}", self.name), error))?;
        let (size, limit) = (length(sealed.len()), length(BLOCK_LIMIT));
        let Some(head) = u32::try_from(size).ok().filter(|_| size <= limit) else {
            return Err(Error::TooLarge { what: "block of originals", size, limit });
        };
        self.keys.write(&head.to_be_bytes())?;
        self.keys.write(&sealed)?;
        self.keys_bytes += 4 + size;
        self.block.clear();
        self.block_rows = 0;
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), Error> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let tag: [u8; 8] = self.voucher.tag(&[&self.pages.to_be_bytes(), &self.page]);
        self.index.extend_from_slice(&first.0);
        self.index.extend_from_slice(&tag);
        self.run.write(&self.page)?;
        self.page.clear();
        self.pages += 1;
        Ok(())
    }

    /// Makes both files durable under their names, the sealed one first, and opens the run. On an
    /// error neither is left.
    pub(super) fn finish(self) -> Result<Run, Error> {
        let (folder, name) = (self.folder.clone(), self.name.clone());
        let result = self.publish();
        if result.is_err() {
            for suffix in [RUN_SUFFIX, KEYS_SUFFIX] {
                // What cannot be removed now is unnamed: the next start sweeps it.
                disk::remove(&folder, &format!("{name}{suffix}")).ok();
            }
        }
        result
    }

    fn publish(mut self) -> Result<Run, Error> {
        self.end_page()?;
        self.end_block()?;
        let mut trailer = MAGIC.to_vec();
        trailer.extend_from_slice(&FORMAT.to_be_bytes());
        for number in [self.rows, self.tombstones, self.keys_bytes] {
            trailer.extend_from_slice(&number.to_be_bytes());
        }
        let tag: [u8; 16] = self.voucher.tag(&[&self.index, &trailer]);
        trailer.extend_from_slice(&tag);
        self.run.write(&self.index)?;
        self.run.write(&trailer)?;
        self.keys.publish()?;
        self.run.publish()?;
        disk::sync_folder(&self.folder)?;
        let run = Run::open(&self.folder, &self.name, &self.sealer)?;
        Ok(Run { filter: OnceLock::from(self.filter), ..run })
    }
}

pub(super) fn length(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
