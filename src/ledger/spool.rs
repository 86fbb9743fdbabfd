//! The spool: sealed payloads on disk, from the moment they are packed until nothing can ask for
//! them again.
//!
//! **Constraints.** No attempt exists before its payload is durable (invariant 1); a payload never
//! changes under its name (invariant 3); content is sealed; the folder never holds more than its
//! bound. Each *live lane* (a dataset's on a channel) has a reserved share: whoever writes must
//! leave free what the other live lanes have not used of theirs, so neither a first load nor a
//! noisy dataset ever stops the present of another.
//!
//! **Layout.** One file per batch, `NAME.batch`:
//!
//! ```text
//! "CASSPOOL" · format 4 · flags 4 · owner 8 · payload bytes 8 · manifest bytes 8 · tag 16
//! sealed payload · sealed manifest
//! ```
//!
//! The tag vouches for the head together with the file's name; payload and manifest are each
//! sealed for the name and their part, so no file or part can stand for another.
//!
//! **Write.** Temporary file, content, `fdatasync`, rename, `fsync` of the folder; then the caller
//! names the batch in its transaction. **Read.** One part at a time. **Delete.** When a batch is
//! settled its payload goes and its manifest stays ([`Spool::drop_payload`], a small file takes
//! the name) until its rows are in a [run](super::sent); then the file goes.
//!
//! **Recovery.** [`Spool::sweep`] at start removes temporary files and files that the ledger does
//! not name: a crash between the file and its transaction leaves one. A crash inside
//! `drop_payload` leaves the old file or the new one, both whole. A named file that is missing or
//! damaged is an error where it is read, never an empty payload.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{self, Draft, Error};
use super::manifest::{self, ManifestRow, take_array};
use super::seal::{self, OVERHEAD, Purpose, Sealer, Voucher, key_id_of};
use super::shares::Held;
pub use super::shares::{Limits, Owner};
use super::wiped::Wiped;

const MAGIC: [u8; 8] = *b"CASSPOOL";
const FORMAT: u32 = 1;
const HEAD: usize = 56;
const SUFFIX: &str = ".batch";
const PAYLOAD_DROPPED: u32 = 1;

/// The largest payload, in bytes.
pub const PAYLOAD_LIMIT_BYTES: u64 = 64 << 20;
/// The largest manifest, in bytes of its stored form.
pub const MANIFEST_LIMIT_BYTES: u64 = 64 << 20;

/// What the spool holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Files.
    pub files: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Of these, the backfills'.
    pub backfill_bytes: u64,
    /// The most bytes.
    pub bound_bytes: u64,
}

/// What [`Spool::sweep`] found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Temporary and unnamed files removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

/// The spool's folder. Calls block; they may come from several threads.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    sealer: Arc<Sealer>,
    voucher: Voucher,
    held: Mutex<Held>,
    /// A file that is there is put in the place of itself, or removed, by one at a time.
    changing: Mutex<()>,
}

/// The name of a batch's file.
pub(super) fn file_name(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

/// One file's head.
struct Head {
    flags: u32,
    owner: Owner,
    payload: u64,
    manifest: u64,
}

impl Spool {
    /// Opens the folder, makes it if it is not there, and reads every file's head. `live` are the
    /// lanes that a share is kept for from the start.
    ///
    /// A file whose head is damaged counts as the backfills' and is reported by the call that
    /// reads it: one bad file must not keep the daemon from starting.
    pub fn open(
        folder: &Path,
        sealer: Arc<Sealer>,
        limits: Limits,
        live: impl IntoIterator<Item = Owner>,
    ) -> Result<Self, Error> {
        disk::ensure_folder(folder)?;
        let voucher = sealer
            .voucher(Purpose::Payload, b"head")
            .map_err(|error| Error::seal("spool", error))?;
        let held = Mutex::new(Held { limits, ..Held::default() });
        let changing = Mutex::default();
        let spool = Self { folder: folder.to_owned(), sealer, voucher, held, changing };
        for (file, bytes) in disk::files(folder)? {
            let name = file.strip_suffix(SUFFIX).unwrap_or(&file);
            let owner = spool.head(name).map_or(Owner::BACKFILL, |(_, head)| head.owner);
            // Whatever lies here takes space, a temporary file too.
            spool.held().add(name, owner, bytes);
        }
        live.into_iter().for_each(|owner| spool.keep_share(owner));
        Ok(spool)
    }

    /// Keeps a live lane's share from now on.
    pub fn keep_share(&self, owner: Owner) {
        self.held().used.entry(owner).or_default();
    }

    /// Other limits hold from now on, and no shares but those that are kept anew: the configuration
    /// was read again. What lies here stays.
    pub fn relimit(&self, limits: Limits) {
        let mut held = self.held();
        held.limits = limits;
        held.used.retain(|_, used| *used > 0);
    }

    /// Removes what no transaction names: call once at start, before anything is written.
    pub fn sweep(&self, named: impl Fn(&str) -> bool) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for (file, bytes) in disk::files(&self.folder)? {
            let name = file.strip_suffix(SUFFIX);
            if name.is_some_and(&named) {
                continue;
            }
            disk::remove(&self.folder, &file)?;
            self.held().take(name.unwrap_or(&file));
            swept.removed += 1;
            swept.removed_bytes = swept.removed_bytes.saturating_add(bytes);
        }
        disk::sync_folder(&self.folder)?;
        Ok(swept)
    }

    /// Makes a batch's payload and manifest durable under `name`; the bytes on disk. When this
    /// returns, both survive a power cut; on an error nothing is left under the name.
    pub fn write(
        &self,
        name: &str,
        owner: Owner,
        payload: &[u8],
        rows: &[ManifestRow],
    ) -> Result<u64, Error> {
        disk::check_name(name)?;
        within("payload", payload.len(), PAYLOAD_LIMIT_BYTES)?;
        let manifest = Wiped::new(manifest::encode(rows));
        within("manifest", manifest.len(), MANIFEST_LIMIT_BYTES)?;
        let bytes = length(HEAD + payload.len() + manifest.len() + 2 * OVERHEAD);
        self.reserve(name, owner, bytes)?;
        let result = self.store(name, owner, Some(payload), &manifest);
        match result {
            Ok(()) => Ok(bytes),
            Err(error) => {
                self.held().take(name);
                // The file may have its name already while the folder is not durable.
                disk::remove(&self.folder, &format!("{name}{SUFFIX}")).ok();
                Err(error)
            }
        }
    }

    /// The payload as it was given to [`Spool::write`].
    pub fn read_payload(&self, name: &str) -> Result<Wiped, Error> {
        let (file, head) = self.head(name)?;
        if head.flags & PAYLOAD_DROPPED != 0 {
            return Err(Error::Missing { file: format!("{name}{SUFFIX}, payload") });
        }
        self.part(name, &file, "payload", Purpose::Payload, length(HEAD), head.payload)
    }

    /// The rows as they were given to [`Spool::write`].
    pub fn read_manifest(&self, name: &str) -> Result<Vec<ManifestRow>, Error> {
        let (file, head) = self.head(name)?;
        let bytes = self.manifest_bytes(name, &file, &head)?;
        manifest::decode(&bytes).ok_or_else(|| {
            Error::damaged(&format!("{name}{SUFFIX}"), "its manifest cannot be read")
        })
    }

    /// Gives the payload's space back and keeps the manifest. Repeating it changes nothing.
    pub fn drop_payload(&self, name: &str) -> Result<(), Error> {
        let _changing = self.changing();
        let (file, head) = self.head(name)?;
        if head.flags & PAYLOAD_DROPPED != 0 {
            return Ok(());
        }
        let manifest = self.manifest_bytes(name, &file, &head)?;
        self.store(name, head.owner, None, &manifest)?;
        let mut held = self.held();
        held.take(name);
        held.add(name, head.owner, length(HEAD + manifest.len() + OVERHEAD));
        Ok(())
    }

    /// Removes a batch's file. Repeating it changes nothing. Not durable by itself: a file that
    /// comes back after a power cut is one that the next [`Spool::sweep`] removes.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        disk::check_name(name)?;
        let _changing = self.changing();
        disk::remove(&self.folder, &format!("{name}{SUFFIX}"))?;
        self.held().take(name);
        Ok(())
    }

    /// The key under which each file lies, as far as it can be read.
    pub(super) fn key_ids(&self) -> Result<Vec<[u8; 4]>, Error> {
        Ok(self.under()?.into_iter().map(|(_, id)| id).collect())
    }

    /// The files under another key than the one in use.
    pub(super) fn under_other_keys(&self) -> Result<Vec<String>, Error> {
        let own = self.sealer.key_id();
        let others = self.under()?.into_iter().filter(|(_, id)| *id != own);
        Ok(others.map(|(name, _)| name).collect())
    }

    fn under(&self) -> Result<Vec<(String, [u8; 4])>, Error> {
        let mut found = Vec::new();
        for (file, _) in disk::files(&self.folder)? {
            let Some(name) = file.strip_suffix(SUFFIX) else { continue };
            // What is gone or damaged is told where it is read.
            let mut first = [0; 5];
            let Ok((open, _)) = self.head(name) else { continue };
            if open.read_exact_at(&mut first, length(HEAD)).is_ok() {
                found.extend(key_id_of(&first).map(|id| (name.to_owned(), id)));
            }
        }
        Ok(found)
    }

    /// Seals a file again under the key in use: the same content under the same name. False where
    /// it is gone.
    pub(super) fn reseal(&self, name: &str) -> Result<bool, Error> {
        let _changing = self.changing();
        if !self.folder.join(file_name(name)).exists() {
            return Ok(false);
        }
        let (file, head) = self.head(name)?;
        let manifest = self.manifest_bytes(name, &file, &head)?;
        let payload = match head.flags & PAYLOAD_DROPPED {
            0 => Some(self.read_payload(name)?),
            _ => None,
        };
        self.store(name, head.owner, payload.as_ref().map(|it| it.as_slice()), &manifest)?;
        Ok(true)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of a batch's file in bytes; 0 where there is none.
    pub fn bytes_of(&self, name: &str) -> u64 {
        self.held().files.get(name).map_or(0, |(_, bytes)| *bytes)
    }

    /// What is held now.
    pub fn usage(&self) -> Usage {
        let held = self.held();
        Usage {
            files: length(held.files.len()),
            bytes: held.total,
            backfill_bytes: held.used.get(&Owner::BACKFILL).copied().unwrap_or_default(),
            bound_bytes: held.limits.bound_bytes,
        }
    }

    /// Bytes that `owner` could add now: what a stage asks before it reads from the city.
    pub fn room(&self, owner: Owner) -> u64 {
        let held = self.held();
        let kept = held.kept_from(owner);
        held.limits.bound_bytes.saturating_sub(held.total).saturating_sub(kept)
    }

    fn reserve(&self, name: &str, owner: Owner, asked: u64) -> Result<(), Error> {
        let mut held = self.held();
        if held.files.contains_key(name) {
            return Err(Error::Exists { file: format!("{name}{SUFFIX}") });
        }
        let kept = held.kept_from(owner);
        let used = held.total;
        let bound = held.limits.bound_bytes;
        if used.saturating_add(kept).saturating_add(asked) > bound {
            return Err(Error::Full { used, kept, asked, bound });
        }
        held.add(name, owner, asked);
        Ok(())
    }

    fn store(
        &self,
        name: &str,
        owner: Owner,
        payload: Option<&[u8]>,
        manifest: &[u8],
    ) -> Result<(), Error> {
        let file = format!("{name}{SUFFIX}");
        let seal = |purpose, plain: &[u8]| {
            self.sealer
                .seal(purpose, name.as_bytes(), plain)
                .map_err(|error| Error::seal(&file, error))
        };
        let flags = if payload.is_some() { 0 } else { PAYLOAD_DROPPED };
        let payload = payload.map(|plain| seal(Purpose::Payload, plain)).transpose()?;
        let payload = payload.unwrap_or_default();
        let manifest = seal(Purpose::Manifest, manifest)?;
        let mut draft = Draft::begin(&self.folder, &file)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&FORMAT.to_be_bytes());
        head.extend_from_slice(&flags.to_be_bytes());
        head.extend_from_slice(&owner.0.to_be_bytes());
        head.extend_from_slice(&length(payload.len()).to_be_bytes());
        head.extend_from_slice(&length(manifest.len()).to_be_bytes());
        let tag: [u8; 16] = self.voucher.tag(&[&head, name.as_bytes()]);
        head.extend_from_slice(&tag);
        draft.write(&head)?;
        draft.write(&payload)?;
        draft.write(&manifest)?;
        draft.publish()?;
        disk::sync_folder(&self.folder)
    }

    fn head(&self, name: &str) -> Result<(File, Head), Error> {
        disk::check_name(name)?;
        let shown = format!("{name}{SUFFIX}");
        let damaged = |what| Error::damaged(&shown, what);
        let file = File::open(self.folder.join(&shown))
            .map_err(|error| Error::io("open", &shown, error))?;
        let size = file.metadata().map_err(|error| Error::io("read", &shown, error))?.len();
        if size < length(HEAD) {
            return Err(damaged("it is shorter than its head"));
        }
        let mut bytes = [0; HEAD];
        file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io("read", &shown, error))?;
        let (format, head, tag) = parse_head(&bytes).ok_or_else(|| damaged("it is no batch"))?;
        if format != FORMAT {
            return Err(Error::Format { file: shown, found: format, known: FORMAT });
        }
        let vouched = bytes.get(..HEAD - tag.len()).unwrap_or_default();
        if self.voucher.vouched(&[vouched, name.as_bytes()], &tag).is_none() {
            return Err(damaged("its head does not verify"));
        }
        let whole = length(HEAD).saturating_add(head.payload).saturating_add(head.manifest);
        if size != whole {
            return Err(damaged("its size is not the one it was written with"));
        }
        Ok((file, head))
    }

    fn manifest_bytes(&self, name: &str, file: &File, head: &Head) -> Result<Wiped, Error> {
        let start = length(HEAD).saturating_add(head.payload);
        self.part(name, file, "manifest", Purpose::Manifest, start, head.manifest)
    }

    fn part(
        &self,
        name: &str,
        file: &File,
        part: &'static str,
        purpose: Purpose,
        start: u64,
        bytes: u64,
    ) -> Result<Wiped, Error> {
        let shown = format!("{name}{SUFFIX}");
        within(part, usize::try_from(bytes).unwrap_or(usize::MAX), PAYLOAD_LIMIT_BYTES * 2)?;
        let bytes = usize::try_from(bytes).unwrap_or_default();
        let (mut head, body) = ([0; seal::HEAD], bytes.saturating_sub(seal::HEAD));
        let mut body = Wiped::new(vec![0; body]);
        let head = head.get_mut(..bytes.min(seal::HEAD)).unwrap_or_default();
        file.read_exact_at(head, start)
            .and_then(|()| file.read_exact_at(&mut body, start.saturating_add(length(head.len()))))
            .map_err(|error| Error::io("read", &shown, error))?;
        self.sealer
            .open_body(purpose, name.as_bytes(), head, body)
            .map_err(|error| Error::seal(&shown, error))
    }

    /// A panic elsewhere leaves the numbers as they were: each change is whole under the lock.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_head(mut bytes: &[u8]) -> Option<(u32, Head, [u8; 16])> {
    let bytes = &mut bytes;
    (take_array(bytes)? == MAGIC).then_some(())?;
    let format = u32::from_be_bytes(take_array(bytes)?);
    let head = Head {
        flags: u32::from_be_bytes(take_array(bytes)?),
        owner: Owner(u64::from_be_bytes(take_array(bytes)?)),
        payload: u64::from_be_bytes(take_array(bytes)?),
        manifest: u64::from_be_bytes(take_array(bytes)?),
    };
    Some((format, head, take_array(bytes)?))
}

fn within(what: &'static str, size: usize, limit: u64) -> Result<(), Error> {
    let size = length(size);
    if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(()) }
}

/// A length in memory is one on disk.
fn length(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::manifest::Original;
    use super::*;
    use crate::row::{KeyDigest, RowHash};

    const LIMITS: Limits = Limits { bound_bytes: 1 << 20, live_share_bytes: 0 };

    fn open(folder: &Path, limits: Limits) -> Spool {
        let sealer = Arc::new(Sealer::from_bytes(&[3; 32]).unwrap());
        Spool::open(folder, sealer, limits, []).unwrap()
    }

    fn rows(count: u8) -> Vec<ManifestRow> {
        (0..count)
            .map(|number| ManifestRow {
                key: KeyDigest([number; 12]),
                row: RowHash(u64::from(number)),
                version_ms: 5,
                original: Original { key_text: format!("key {number}"), ..Original::default() },
            })
            .collect()
    }

    #[test]
    fn a_batch_is_read_as_it_was_written_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let live = Owner::live("province", "5119-0207");
        let spool = open(folder.path(), LIMITS);
        let written = spool.write("b1", live, b"payload", &rows(3)).unwrap();
        let on_disk = fs::read(folder.path().join("b1.batch")).unwrap();
        assert_eq!(length(on_disk.len()), written);
        for clear in [b"payload".as_slice(), b"key 1"] {
            assert!(!on_disk.windows(clear.len()).any(|window| window == clear));
        }
        let usage = spool.usage();
        assert_eq!((usage.files, usage.bytes), (1, written));
        let again = open(folder.path(), LIMITS);
        assert_eq!(again.usage(), usage);
        assert_eq!(&**again.read_payload("b1").unwrap(), b"payload");
        assert_eq!(again.read_manifest("b1").unwrap(), rows(3));
        assert!(matches!(again.write("b1", live, b"other", &[]), Err(Error::Exists { .. })));
    }

    #[test]
    fn a_dropped_payload_leaves_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), LIMITS);
        let before = spool.write("b1", Owner::BACKFILL, &[0; 5000], &rows(3)).unwrap();
        spool.drop_payload("b1").unwrap();
        spool.drop_payload("b1").unwrap();
        assert!(matches!(spool.read_payload("b1"), Err(Error::Missing { .. })));
        assert_eq!(spool.read_manifest("b1").unwrap(), rows(3));
        assert!(spool.usage().bytes < before - 5000 + 1);
        assert_eq!(open(folder.path(), LIMITS).usage(), spool.usage());
        spool.remove("b1").unwrap();
        spool.remove("b1").unwrap();
        assert_eq!((spool.usage().files, spool.usage().bytes), (0, 0));
        assert!(matches!(spool.read_manifest("b1"), Err(Error::Missing { .. })));
    }

    #[test]
    fn what_a_crash_leaves_is_swept_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), LIMITS);
        spool.write("named", Owner::BACKFILL, b"payload", &rows(1)).unwrap();
        // Crash before the rename; crash after it and before the transaction.
        fs::write(folder.path().join("half.batch.tmp"), b"CASSP").unwrap();
        spool.write("unnamed", Owner::BACKFILL, b"payload", &rows(1)).unwrap();
        // Crash inside drop_payload: the old file is whole, the new one is temporary.
        fs::write(folder.path().join("named.batch.tmp"), b"CASSPOOL").unwrap();
        let spool = open(folder.path(), LIMITS);
        let swept = spool.sweep(|name| name == "named").unwrap();
        assert_eq!(swept.removed, 3);
        assert_eq!(spool.usage().files, 1);
        assert_eq!(&**spool.read_payload("named").unwrap(), b"payload");
        assert_eq!(spool.sweep(|name| name == "named").unwrap(), Swept::default());
    }

    #[test]
    fn a_backfill_leaves_the_live_lanes_their_shares() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), Limits { bound_bytes: 10_000, live_share_bytes: 2400 });
        let [one, two] = ["1", "2"].map(|dataset| Owner::live("province", dataset));
        spool.keep_share(one);
        spool.keep_share(two);
        let write = |name: &str, owner, size: usize| spool.write(name, owner, &vec![0; size], &[]);
        assert_eq!(spool.room(Owner::BACKFILL), 5200);
        write("b1", Owner::BACKFILL, 3500).unwrap();
        let full = write("b2", Owner::BACKFILL, 2000);
        assert!(matches!(full, Err(Error::Full { kept: 4800, .. })), "{full:?}");
        // A live lane may use its own share and what is free, never another's share.
        assert!(matches!(write("l1", one, 4200), Err(Error::Full { kept: 2400, .. })));
        write("l1", one, 2600).unwrap();
        write("l2", two, 2600).unwrap();
        assert!(spool.usage().bytes <= 10_000);
        spool.remove("b1").unwrap();
        write("b2", Owner::BACKFILL, 500).unwrap();
        // Read again: the second dataset is no longer carried, and keeps only what it holds.
        spool.remove("l2").unwrap();
        spool.relimit(Limits { bound_bytes: 9000, live_share_bytes: 3000 });
        spool.keep_share(one);
        let kept = 3000 - spool.bytes_of("l1");
        assert_eq!(spool.room(Owner::BACKFILL), 9000 - spool.usage().bytes - kept);
    }

    #[test]
    fn however_many_live_lanes_there_are_each_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), Limits { bound_bytes: 10_000, live_share_bytes: 3000 });
        let lanes = (0..100).map(|it| Owner::live("province", &it.to_string()));
        lanes.for_each(|lane| spool.keep_share(lane));
        assert_eq!(spool.room(Owner::BACKFILL), 5000);
        spool.write("b1", Owner::BACKFILL, &[0; 3000], &[]).unwrap();
        let full = spool.write("b2", Owner::BACKFILL, &[0; 3000], &[]);
        assert!(matches!(full, Err(Error::Full { kept: 5000, .. })), "{full:?}");
        spool.write("l1", Owner::live("province", "7"), &[0; 1000], &[]).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_is_an_error_and_never_another_content(
            place in any::<prop::sample::Index>(),
            bit in 0..8_u32,
            cut in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let spool = open(folder.path(), LIMITS);
            spool.write("b1", Owner::BACKFILL, b"payload", &rows(2)).unwrap();
            let path = folder.path().join("b1.batch");
            let mut bytes = fs::read(&path).unwrap();
            let place = place.index(bytes.len());
            if cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
            fs::write(&path, &bytes).unwrap();
            let spool = open(folder.path(), LIMITS);
            let payload = spool.read_payload("b1");
            let manifest = spool.read_manifest("b1");
            prop_assert!(payload.is_err() || manifest.is_err());
            if let Ok(payload) = payload { prop_assert_eq!(&**payload, b"payload"); }
            if let Ok(manifest) = manifest { prop_assert_eq!(manifest, rows(2)); }
            spool.drop_payload("b1").ok();
        }
    }

    #[test]
    fn a_file_under_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(folder.path(), LIMITS);
        spool.write("b1", Owner::BACKFILL, b"payload", &[]).unwrap();
        fs::rename(folder.path().join("b1.batch"), folder.path().join("b2.batch")).unwrap();
        assert!(matches!(spool.read_payload("b2"), Err(Error::Damaged { .. })));
    }
}
