//! What comes back: files with verdicts in a folder of their own, read whole or set aside whole.
//!
//! A file is looked at once it has stayed as it is for a while: somebody may still be copying it.
//! It is about the batch that its name says, or each of its rows says which; what is about no batch
//! of ours, and what cannot be read, is set aside under its own name. Nothing of a file counts before
//! all of it was understood.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::grid::{self, Wrong};
use super::journal::Journal;
use super::name;
use crate::delivery::{BatchId, DigestSha256, Outcome};
use crate::standard::settings::FileSettings;
use crate::standard::{Drift, HttpAnswer, RowJudgement, Standard};
use crate::wire::{self, Document, Limits, Media};

/// Files read in one look.
const MOST_FILES: usize = 16;
/// Files looked at in one look; further ones wait until these are gone.
const MOST_LOOKED_AT: usize = 10_000;
/// Rows above a table's heads.
const HEAD_ROWS: usize = 20;
/// Where files go that were taken, and those that were not.
const TAKEN: &str = "taken";
const ASIDE: &str = "aside";
/// How the path of a column begins.
const COLUMN: &str = "rows[].";
/// The question that such files answer.
const QUESTION: &str = "rows.verdict";

/// A file that came back.
#[derive(Clone, Debug)]
pub struct Returned {
    /// Its name.
    pub name: String,
    /// SHA-256 of the batches it is about and of its bytes.
    pub digest: DigestSha256,
    /// Its rows; or a stable word for why it cannot be taken.
    pub rows: Result<Vec<ReturnedRow>, &'static str>,
    /// What the standard did not announce.
    pub drift: Vec<Drift>,
}

/// What it says of one row.
#[derive(Clone, Debug)]
pub struct ReturnedRow {
    /// The batch that carried the row.
    pub batch: BatchId,
    /// Key, place in the batch, verdict.
    pub said: RowJudgement,
}

/// A file as it was at the last look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    bytes: u64,
    changed: Option<SystemTime>,
    since: Timestamp,
    /// It was told already, and could not be moved away.
    is_told: bool,
}

/// The folder in which files come back, and what was there at the last look.
#[derive(Debug)]
pub(super) struct Inbox {
    folder: PathBuf,
    largest: u64,
    seen: BTreeMap<String, Seen>,
}

impl Inbox {
    pub(super) fn new(folder: PathBuf, largest: u64) -> Self {
        Self { folder, largest, seen: BTreeMap::new() }
    }

    /// The files that are whole by now, in the order of their names. Blocking, as all below.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        journal: &Journal,
        standard: &Standard,
        files: &FileSettings,
    ) -> io::Result<Vec<Returned>> {
        let mut seen = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)?.take(MOST_LOOKED_AT) {
            let entry = entry?;
            let kind = entry.file_type()?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A receipt is asked for by its name.
            if !kind.is_file() || name.starts_with('.') || is_receipt(files, &name) {
                continue;
            }
            let data = entry.metadata()?;
            let (bytes, changed) = (data.len(), data.modified().ok());
            let known = self.seen.get(&name).copied();
            let is_same = |it: &Seen| (it.bytes, it.changed) == (bytes, changed);
            let fresh = Seen { bytes, changed, since: now, is_told: false };
            seen.insert(name, known.filter(is_same).unwrap_or(fresh));
        }
        self.seen = seen;
        let is_quiet = |it: &Seen| {
            let rests = now.duration_since(it.since);
            !it.is_told && Duration::try_from(rests).is_ok_and(|rests| rests >= files.quiet)
        };
        let ready: Vec<String> = self
            .seen
            .iter()
            .filter(|(_, it)| is_quiet(it))
            .map(|(name, _)| name.clone())
            .take(MOST_FILES)
            .collect();
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let known = journal.known()?;
        let reader = Reader { known: &known, standard, files };
        ready.into_iter().map(|name| self.read(name, &reader)).collect()
    }

    fn read(&self, name: String, reader: &Reader<'_>) -> io::Result<Returned> {
        let mut bytes = Vec::new();
        File::open(self.folder.join(&name))?.take(self.largest + 1).read_to_end(&mut bytes)?;
        let mut drift = Vec::new();
        let is_large = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > self.largest;
        let rows = match is_large {
            true => Err("result-too-large"),
            false => reader.rows(&name, &bytes, &mut drift),
        };
        // Two batches of which every row passed may come back with the same bytes.
        let about: BTreeSet<BatchId> = rows.iter().flatten().map(|row| row.batch).collect();
        let parts = about.iter().map(|batch| batch.0.as_slice());
        let digest = DigestSha256::of_parts(parts.chain([bytes.as_slice()]));
        Ok(Returned { name, digest, rows, drift })
    }

    /// A file is done with: it moves out of the way. Where it may not be moved it stays, and is told
    /// no more while it stays as it is.
    pub(super) fn away(&mut self, returned: &Returned, is_taken: bool) -> io::Result<()> {
        let from = self.folder.join(&returned.name);
        let data = match fs::metadata(&from) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // What was laid over it meanwhile has not been read, and is looked at next.
        let is_it = |it: &Seen| (it.bytes, it.changed) == (data.len(), data.modified().ok());
        let Some(seen) = self.seen.get_mut(&returned.name).filter(|it| is_it(it)) else {
            return Ok(());
        };
        seen.is_told = true;
        let to = self.folder.join(if is_taken { TAKEN } else { ASIDE });
        fs::create_dir_all(&to)?;
        let to = free(&to, &returned.name, &returned.digest)?;
        fs::rename(from, to)?;
        File::open(&self.folder)?.sync_all()
    }

    /// A receipt's file by its name; `None` while it is not there.
    pub(super) fn receipt(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder that is away acknowledges nothing.
                fs::metadata(&self.folder)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(self.largest).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// A name that nothing has; another file of the same name has its digest before it.
fn free(folder: &Path, name: &str, digest: &DigestSha256) -> io::Result<PathBuf> {
    let plain = folder.join(name);
    if !plain.try_exists()? {
        return Ok(plain);
    }
    let digest = digest.to_string();
    Ok(folder.join(format!("{}-{name}", digest.get(..12).unwrap_or_default())))
}

fn is_receipt(files: &FileSettings, name: &str) -> bool {
    let pattern = files.receipt.replace("{name}", "*").replace("{stem}", "*");
    let parts = pattern.split_once('*');
    parts.is_some_and(|(before, after)| {
        name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
    })
}

struct Reader<'a> {
    /// Names of placed files and their batches.
    known: &'a [(String, String)],
    standard: &'a Standard,
    files: &'a FileSettings,
}

impl Reader<'_> {
    fn rows(
        &self,
        name: &str,
        bytes: &[u8],
        drift: &mut Vec<Drift>,
    ) -> Result<Vec<ReturnedRow>, &'static str> {
        let document = self.document(bytes)?;
        let http = HttpAnswer { status: 200, ..HttpAnswer::default() };
        let mut reading = self.standard.read_reply(QUESTION, &http, Some(&document));
        drift.append(&mut reading.drift);
        if !matches!(reading.outcome, Outcome::Accepted { .. }) {
            return Err("result-unreadable");
        }
        // A verdict in no list judges nothing, and half a file is none.
        if drift.iter().any(|it| matches!(it, Drift::UnlistedValue(..))) {
            return Err("result-unlisted");
        }
        if reading.verdicts.is_empty() {
            return Err("result-unreadable");
        }
        let of_name = self.of_name(name);
        let rows = reading.verdicts.into_iter().map(|said| {
            let of_row = said.batch.as_deref().map(|text| self.of_text(text));
            let batch = of_row.unwrap_or(of_name).ok_or("result-foreign")?;
            Ok(ReturnedRow { batch, said })
        });
        rows.collect()
    }

    /// The batch that a file's name says; of several the one with the longest name.
    fn of_name(&self, file: &str) -> Option<BatchId> {
        let about = self.known.iter().filter(|(name, _)| {
            !self.files.result.is_empty() && name::is_about(&self.files.result, name, file)
        });
        let (_, batch) = about.max_by_key(|(name, _)| name::stem(name).len())?;
        BatchId::parse(batch)
    }

    /// The batch that a row says: by its name, or by that of its file.
    fn of_text(&self, text: &str) -> Option<BatchId> {
        let text = text.trim();
        let is_it = |(name, batch): &&(String, String)| {
            batch == text || name == text || name::last(name) == text || name::stem(name) == text
        };
        let (_, batch) = self.known.iter().find(is_it)?;
        BatchId::parse(batch)
    }

    fn document(&self, bytes: &[u8]) -> Result<Document, &'static str> {
        let limits = Limits { bytes: 256 << 20, nodes: 8_000_000, ..Limits::default() };
        let settings = self.standard.settings();
        if settings.sheet.is_none() {
            let read = wire::read(self.standard.media(), bytes, &limits);
            return read.map_err(|_malformed| "result-unreadable");
        }
        let sheets = grid::sheets(&settings.http.media, bytes).map_err(|wrong| match wrong {
            Wrong::TooLarge => "result-too-large",
            Wrong::Unreadable | Wrong::Column(_) | Wrong::Cell => "result-unreadable",
        })?;
        let needed = self.needed();
        let found = sheets.iter().find_map(|rows| {
            let is_head = |row: &&Vec<String>| needed.iter().all(|head| row.contains(head));
            let at = rows.iter().take(HEAD_ROWS).position(|row| is_head(&row))?;
            Some((rows.get(at)?, rows.get(at + 1..)?))
        });
        let (heads, rows) = found.ok_or("result-unreadable")?;
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = rows
            .iter()
            .map(|row| {
                let cells = heads.iter().zip(row).filter(|(head, _)| !head.is_empty());
                cells.map(|(head, cell)| (head.clone(), cell.as_str().into())).collect()
            })
            .collect();
        let text = serde_json::json!({ "rows": rows }).to_string();
        wire::read(Media::Json, text.as_bytes(), &limits).map_err(|_json| "result-unreadable")
    }

    /// The columns without which a table is not what comes back.
    fn needed(&self) -> Vec<String> {
        let operations = self.standard.settings().operations.iter();
        let reply = operations.filter(|it| it.name == QUESTION).map(|it| &it.reply).next();
        let rows = reply.and_then(|reply| self.standard.tables().replies.get(reply));
        let required = rows.into_iter().flatten().filter(|row| row.required == "yes");
        required.filter_map(|row| row.path.strip_prefix(COLUMN).map(str::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::{files, load};

    /// A model of files, read as a channel does.
    fn model() -> Standard {
        let folder =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/placed/standards/placed-files/1");
        load(&files(Path::new(folder)).unwrap()).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    const NAME: &str = "a.result.csv";

    struct Bench {
        folder: tempfile::TempDir,
        inbox: Inbox,
        journal: Journal,
        standard: Standard,
        settings: FileSettings,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (up, down) = (folder.path().join("up"), folder.path().join("down"));
            fs::create_dir_all(&up).unwrap();
            fs::create_dir_all(&down).unwrap();
            let journal = Journal::new(up);
            let batch = "000102030405060708090a0b0c0d0e0f".to_owned();
            let note = super::super::journal::Note { batch, digest: String::new(), at: at(0) };
            journal.place("a.csv", &note, None, Vec::new).unwrap();
            let standard = model();
            let quiet = Duration::from_secs(5);
            let settings = FileSettings { quiet, ..standard.settings().files.clone().unwrap() };
            Self { inbox: Inbox::new(down, 1 << 20), folder, journal, standard, settings }
        }

        fn lay(&self, text: &str) {
            fs::write(self.folder.path().join("down").join(NAME), text).unwrap();
        }

        fn look(&mut self, seconds: i64) -> Vec<Returned> {
            self.inbox.look(at(seconds), &self.journal, &self.standard, &self.settings).unwrap()
        }
    }

    const WHOLE: &str = "序号,校验结果,原因\n1,合格,\n2,不合格,E-7\n";

    #[test]
    fn a_file_that_is_still_being_copied_is_not_read() {
        let mut bench = Bench::new();
        bench.lay("序号,校验");
        assert!(bench.look(0).is_empty());
        bench.lay(WHOLE);
        assert!(bench.look(6).is_empty(), "it has changed since");
        assert!(bench.look(10).is_empty());
        let found = bench.look(11);
        let rows = found.first().unwrap().rows.as_ref().unwrap();
        let said = rows.iter().map(|it| (it.said.number, it.said.verdict.is_some()));
        assert_eq!(said.collect::<Vec<_>>(), [(Some(1), true), (Some(2), true)]);
    }

    #[test]
    fn what_is_laid_over_a_file_that_was_read_is_read_too() {
        let mut bench = Bench::new();
        bench.lay(WHOLE);
        assert!(bench.look(0).is_empty());
        let first = bench.look(5).remove(0);
        bench.lay(&WHOLE.replace("E-7", "E-88"));
        bench.inbox.away(&first, true).unwrap();
        assert!(bench.look(6).is_empty());
        let second = bench.look(11).remove(0);
        assert_ne!(first.digest, second.digest);
        bench.inbox.away(&second, true).unwrap();
        assert!(bench.look(20).is_empty());
        assert!(bench.folder.path().join("down/taken").join(NAME).exists());
    }
}
