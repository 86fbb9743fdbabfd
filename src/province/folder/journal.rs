//! What was placed in a folder, noted beside it, so that a file is placed once however often the
//! daemon is killed and however quickly the other side fetches.
//!
//! `.cascaded/` in the folder holds a note for each file: `staged` while it is made visible,
//! `placed` while it lies there, `fetched` once it is gone. A note holds the batch's name, rows and
//! a digest, no content.
//!
//! **Placing.** The content under a hidden name, durable; the note among the staged; the file under
//! its own name; the file that says that it is whole, where there is one; the note among the
//! placed. A staged note whose hidden file is gone tells that the file was visible: one that is not
//! there either was fetched already, and is never placed a second time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name;
use crate::delivery::DigestSha256;

/// The folder of notes.
const NOTES: &str = ".cascaded";
const STAGED: &str = "staged";
const PLACED: &str = "placed";
const FETCHED: &str = "fetched";
/// Notes of fetched files read in one look; more are left for the next.
const MOST_NOTES: usize = 100_000;

/// What is noted of a placed file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Note {
    /// The batch's name.
    pub(super) batch: String,
    /// SHA-256 of the file.
    pub(super) digest: String,
    /// When it was placed.
    pub(super) at: Timestamp,
}

/// A folder and the notes in it.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    folder: PathBuf,
}

/// What became of placing.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Put {
    /// It lies there, or lay there until it was fetched.
    There,
    /// Something else is called so.
    Taken,
}

/// How many files lie there and since when.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Lying {
    pub(super) files: u32,
    pub(super) oldest: Option<Timestamp>,
}

impl Journal {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn notes(&self, state: &str) -> PathBuf {
        self.folder.join(NOTES).join(state)
    }

    fn note_file(&self, state: &str, name: &str) -> PathBuf {
        self.notes(state).join(name::flat(name))
    }

    fn read(&self, state: &str, name: &str) -> io::Result<Option<Note>> {
        match fs::read(self.note_file(state, name)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|_json| io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the whole of a batch's file was placed under this name. Blocking, as all below.
    pub(super) fn was_placed(&self, name: &str, batch: &str) -> io::Result<bool> {
        for state in [PLACED, FETCHED] {
            if self.read(state, name)?.is_some_and(|note| note.batch == batch) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it was at least begun to place a batch's file.
    pub(super) fn has_begun(&self, name: &str, batch: &str) -> io::Result<bool> {
        let staged = self.read(STAGED, name)?.is_some_and(|note| note.batch == batch);
        Ok(staged || self.was_placed(name, batch)?)
    }

    /// Places a file, or ends what a killed daemon began.
    pub(super) fn place(
        &self,
        name: &str,
        note: &Note,
        done: Option<&str>,
        content: impl FnOnce() -> Vec<u8>,
    ) -> io::Result<Put> {
        // Where it is missing its file system is not there: nothing is made in its place.
        fs::metadata(&self.folder)?;
        for state in [PLACED, FETCHED] {
            if let Some(known) = self.read(state, name)? {
                return Ok(if known.batch == note.batch { Put::There } else { Put::Taken });
            }
        }
        let file = self.folder.join(name);
        let (parent, last) = (file.parent().unwrap_or(&self.folder), name::last(name));
        let hidden = parent.join(format!(".{last}.part"));
        match self.read(STAGED, name)? {
            Some(known) if known.batch != note.batch => return Ok(Put::Taken),
            Some(_) if hidden.try_exists()? => {}
            Some(_) => return self.finish(name, done).map(|()| Put::There),
            None => {
                if file.try_exists()? {
                    return Ok(Put::Taken);
                }
                make_folder(&self.notes(STAGED))?;
                make_folder(&self.notes(PLACED))?;
                make_folder(&self.notes(FETCHED))?;
                open_folder(&self.folder, parent)?;
                write(&hidden, &content(), 0o644)?;
                sync(parent)?;
                crate::crash::point("file-staged");
                let text = serde_json::to_vec(note).map_err(io::Error::from)?;
                self.write_note(STAGED, name, &text)?;
                crate::crash::point("file-noted");
            }
        }
        fs::rename(&hidden, &file)?;
        sync(parent)?;
        crate::crash::point("file-visible");
        self.finish(name, done).map(|()| Put::There)
    }

    fn write_note(&self, state: &str, name: &str, text: &[u8]) -> io::Result<()> {
        let to = self.note_file(state, name);
        let part = self.folder.join(NOTES).join("note.part");
        write(&part, text, 0o600)?;
        fs::rename(&part, &to)?;
        sync(&self.notes(state))
    }

    /// The file is or was visible: what says that it is whole follows, and the note moves on.
    fn finish(&self, name: &str, done: Option<&str>) -> io::Result<()> {
        let file = self.folder.join(name);
        let parent = file.parent().unwrap_or(&self.folder);
        let is_there = file.try_exists()?;
        // What was fetched needs nobody to say that it is whole.
        if let Some(done) = done.filter(|_| is_there) {
            write(&parent.join(done), b"", 0o644)?;
            sync(parent)?;
            crate::crash::point("file-done");
        }
        self.move_note(name, STAGED, PLACED)
    }

    fn move_note(&self, name: &str, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.note_file(from, name), self.note_file(to, name))?;
        sync(&self.notes(from))?;
        sync(&self.notes(to))
    }

    /// How many files lie there; those that were fetched are noted as such.
    pub(super) fn lying(&self) -> io::Result<Lying> {
        let mut lying = Lying::default();
        for name in self.names_in(PLACED)? {
            if !self.folder.join(&name).try_exists()? {
                self.move_note(&name, PLACED, FETCHED)?;
                continue;
            }
            let at = self.read(PLACED, &name)?.map(|note| note.at);
            lying.files = lying.files.saturating_add(1);
            lying.oldest = match (lying.oldest, at) {
                (Some(oldest), Some(at)) => Some(oldest.min(at)),
                (oldest, at) => oldest.or(at),
            };
        }
        Ok(lying)
    }

    /// Notes of files that were fetched and placed before an instant go; what comes back about them
    /// is not known any more.
    pub(super) fn forget(&self, before: Timestamp) -> io::Result<()> {
        for name in self.names_in(FETCHED)? {
            if self.read(FETCHED, &name)?.is_some_and(|note| note.at < before) {
                fs::remove_file(self.note_file(FETCHED, &name))?;
            }
        }
        Ok(())
    }

    /// The names of every file that was placed and is not forgotten, and their batches.
    pub(super) fn known(&self) -> io::Result<Vec<(String, String)>> {
        let mut known = Vec::new();
        for state in [STAGED, PLACED, FETCHED] {
            for name in self.names_in(state)? {
                if let Some(note) = self.read(state, &name)? {
                    known.push((name, note.batch));
                }
            }
        }
        Ok(known)
    }

    fn names_in(&self, state: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.notes(state)) {
            Ok(entries) => entries,
            // Nothing was ever placed; a folder that is away is an error and no empty one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::read_dir(&self.folder)?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries.take(MOST_NOTES) {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name::unflat(&name));
            }
        }
        Ok(names)
    }
}

/// A folder of ours that nobody else looks into.
fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// The folder that a file goes into. Only what is below the channel's own folder is made: where
/// that is missing, its file system is not there.
fn open_folder(top: &Path, folder: &Path) -> io::Result<()> {
    fs::metadata(top)?;
    fs::create_dir_all(folder)?;
    sync(top)
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The digest that a note holds.
pub(super) fn digest(content: &[u8]) -> String {
    DigestSha256::of(content).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(batch: &str) -> Note {
        Note { batch: batch.to_owned(), digest: String::new(), at: Timestamp::UNIX_EPOCH }
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        (folder, journal)
    }

    fn put(journal: &Journal, name: &str, batch: &str, text: &str) -> Put {
        journal
            .place(name, &note(batch), Some(&format!("{name}.ok")), || text.as_bytes().to_vec())
            .unwrap()
    }

    #[test]
    fn a_file_is_placed_once_also_when_it_was_fetched_meanwhile() {
        let (folder, journal) = journal();
        assert_eq!(put(&journal, "a.csv", "1", "x"), Put::There);
        assert_eq!(fs::read(folder.path().join("a.csv")).unwrap(), b"x");
        assert!(folder.path().join("a.csv.ok").exists());
        assert_eq!(journal.lying().unwrap().files, 1);
        fs::remove_file(folder.path().join("a.csv")).unwrap();
        assert_eq!(put(&journal, "a.csv", "1", "x"), Put::There);
        assert!(!folder.path().join("a.csv").exists(), "it is not placed again");
        assert_eq!(journal.lying().unwrap(), Lying::default());
        assert!(journal.was_placed("a.csv", "1").unwrap());
        assert_eq!(journal.known().unwrap(), [("a.csv".to_owned(), "1".to_owned())]);
        journal.forget(Timestamp::MAX).unwrap();
        assert!(!journal.was_placed("a.csv", "1").unwrap());
    }

    #[test]
    fn what_a_killed_daemon_left_is_ended_and_never_doubled() {
        let (folder, journal) = journal();
        put(&journal, "first.csv", "0", "x");
        let (file, hidden) = (folder.path().join("a.csv"), folder.path().join(".a.csv.part"));
        let staged = |hidden_is_there: bool, file_is_there: bool| {
            let text = serde_json::to_vec(&note("1")).unwrap();
            journal.write_note(STAGED, "a.csv", &text).unwrap();
            for (path, is_there) in [(&hidden, hidden_is_there), (&file, file_is_there)] {
                if is_there {
                    fs::write(path, "x").unwrap();
                }
            }
        };
        // Noted, not yet visible.
        staged(true, false);
        assert!(!journal.was_placed("a.csv", "1").unwrap());
        assert_eq!(put(&journal, "a.csv", "1", "other bytes"), Put::There);
        assert_eq!(fs::read(&file).unwrap(), b"x", "as it was staged");
        // Visible, and nothing says that it is whole.
        fs::remove_file(journal.note_file(PLACED, "a.csv")).unwrap();
        fs::remove_file(folder.path().join("a.csv.ok")).unwrap();
        staged(false, true);
        assert_eq!(put(&journal, "a.csv", "1", "x"), Put::There);
        assert!(folder.path().join("a.csv.ok").exists());
        // Visible and fetched.
        fs::remove_file(journal.note_file(PLACED, "a.csv")).unwrap();
        fs::remove_file(&file).unwrap();
        staged(false, false);
        assert_eq!(put(&journal, "a.csv", "1", "x"), Put::There);
        assert!(!file.exists());
    }

    #[test]
    fn another_file_is_never_written_over() {
        let (folder, journal) = journal();
        fs::write(folder.path().join("a.csv"), "theirs").unwrap();
        assert_eq!(put(&journal, "a.csv", "1", "ours"), Put::Taken);
        assert_eq!(fs::read(folder.path().join("a.csv")).unwrap(), b"theirs");
        put(&journal, "b.csv", "1", "ours");
        assert_eq!(put(&journal, "b.csv", "2", "ours too"), Put::Taken);
        // Nor after it was fetched: its name stands in what comes back.
        fs::remove_file(folder.path().join("b.csv")).unwrap();
        journal.lying().unwrap();
        assert_eq!(put(&journal, "b.csv", "2", "ours too"), Put::Taken);
    }

    #[test]
    fn a_folder_that_is_away_is_no_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let away = folder.path().join("not mounted");
        let journal = Journal::new(away.clone());
        assert!(journal.lying().is_err());
        assert!(journal.place("a", &note("1"), None, Vec::new).is_err());
        assert!(!away.exists(), "nothing is made in its place");
    }
}
