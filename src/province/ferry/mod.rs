//! A ferry (网闸摆渡): sealed, numbered files through a gap that nobody can speak across.
//!
//! Two instances share a key and a name. Each has a folder with `out`, which the gap empties, and
//! `in`, which it fills: late, in any order, twice, half a file at first, or never. One side is
//! below and sends requests, the other above and sends answers.
//!
//! * What is sent has a number, dense within the sender's incarnation, and is in the journal with
//!   its bytes before the file is there: a number never has other bytes ([`store`]).
//! * Requests are acted on in the order of their numbers. What comes after one that is missed waits,
//!   and that shows; it is mended by `again` where it was sent, or passed over where it is missed.
//! * An answer names its request, so that none waits for another.
//! * What came before changes nothing: the answer that was given is given again.
//! * What cannot be acted on is set aside in `in/aside`, with its reason in the journal.
//! * Whoever begins anew is listened to again once an operator says so.

mod error;
mod files;
mod frame;
mod store;
mod words;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use zeroize::Zeroizing;

pub use self::error::Error;
use self::files::{place, read, sync};
use self::frame::{Flaw, Head, Keys, SUFFIX};
use self::store::{Admitted, Came, Reseal, Store};
pub use self::words::{Address, FerrySettings, FerryStanding, Gap, Known, Side};
use self::words::{Kind, Numbered};
use super::carry::CarriedAnswer;
use super::error::Error as Unopened;
use crate::clock::Clock;
use crate::supervisor::Pool;

/// The journal, in the folder `state`.
const JOURNAL: &str = "ferry.sqlite";
/// Files looked at in one look.
const MOST_FILES: usize = 10_000;
/// A file that is not whole for so long will not be.
const SETTLE: Duration = Duration::from_hours(1);
/// Files put into the folder in one go.
const PUT_AT_ONCE: u32 = 64;
/// How often what is over is let go of.
const RETIRE_EVERY: Duration = Duration::from_mins(10);

/// One side of a ferry. All calls but [`Ferry::run`] block.
#[derive(Debug)]
pub struct Ferry {
    settings: FerrySettings,
    side: Side,
    clock: Clock,
    keys: ArcSwap<Keys>,
    /// Opened when it is needed: another configuration's works may have it until then.
    memory: Mutex<Memory>,
    pool: Pool,
}

struct Memory {
    store: Option<Store>,
    next_retirement: Timestamp,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Memory")
    }
}

impl Ferry {
    /// Reads the key; opens nothing yet.
    ///
    /// # Errors
    /// The key cannot be used, or the name or the folder cannot be one.
    pub fn new(settings: FerrySettings, side: Side, clock: Clock) -> Result<Self, Unopened> {
        let wrong = |setting, reason| Err(Unopened::Setting { setting, reason });
        let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        let name = &settings.name;
        if name.is_empty() || name.len() > 40 || !name.chars().all(is_plain) {
            return wrong("ferry.name", "letters, digits, `-` and `_`, at most 40");
        }
        if !settings.folder.is_absolute() {
            return wrong("ferry.folder", "is a folder with `in` and `out`, by its absolute path");
        }
        if settings.waiting == 0 {
            return wrong("ferry.waiting", "at least 1");
        }
        let keys = ArcSwap::from_pointee(Keys::read(&settings.key_file)?);
        let memory = Memory { store: None, next_retirement: Timestamp::MIN };
        Ok(Self { settings, side, clock, keys, memory: Mutex::new(memory), pool: Pool::new(1) })
    }

    /// Reads the key again; on an error the one before stays.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn reload(&self) -> Result<(), Unopened> {
        self.keys.store(Arc::new(Keys::read(&self.settings.key_file)?));
        Ok(())
    }

    /// What both sides call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// On which side we are.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Whether anything comes back.
    pub fn returns(&self) -> bool {
        self.settings.returns
    }

    /// Does blocking work with it, one after the other. Dropped, it is done all the same.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let own = Arc::clone(self);
        self.pool.run(move || work(&own)).await
    }

    /// The folders that the gap empties and fills.
    pub fn ways(&self) -> [PathBuf; 2] {
        ["out", "in"].map(|name| self.folder(name))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    fn with<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Store) -> Result<T, crate::sql::Error>,
    ) -> Result<T, Error> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| Error::Store { ferry: self.settings.name.clone(), action, source };
        if memory.store.is_none() {
            memory.store = Some(self.begun()?);
        }
        match memory.store.as_mut() {
            Some(store) => work(store).map_err(failed),
            None => Err(self.io("open the journal", io::ErrorKind::NotFound.into())),
        }
    }

    /// The journal, which is ours or made: from a restored backup where there is one.
    fn begun(&self) -> Result<Store, Error> {
        let folder = self.folder("state");
        let made = fs::DirBuilder::new().mode(0o700).create(&folder);
        if let Err(source) = made
            && source.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(self.io("make the journal's folder", source));
        }
        let path = folder.join(JOURNAL);
        let restored = self.settings.restored.join(self.copied());
        if !path.exists() && restored.is_file() {
            let part = folder.join(".restoring");
            fs::copy(&restored, &part)
                .and_then(|_| fs::File::open(&part)?.sync_all())
                .and_then(|()| fs::rename(&part, &path))
                .map_err(|it| self.io("restore the journal", it))?;
        }
        let (origin, side) = (self.settings.origin.as_str(), self.side.as_str());
        let opened = Store::open(&path, (origin, side), self.clock.now());
        let ferry = || self.settings.name.clone();
        let failed = |source| Error::Store { ferry: ferry(), action: "open the journal", source };
        let opened = opened.map_err(failed)?;
        sync(&folder).map_err(|it| self.io("make the journal durable", it))?;
        opened.ok_or_else(|| Error::Owned { ferry: ferry(), path })
    }

    /// What its journal is called in a backup.
    fn copied(&self) -> String {
        format!("{}.{}.sqlite", self.settings.name, self.side.as_str())
    }

    /// Copies its journal into a backup's folder, which is made.
    ///
    /// # Errors
    /// The journal cannot be read, or the copy not be made.
    pub fn copy_into(&self, folder: &Path) -> Result<(), Error> {
        let to = folder.join(self.copied());
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|it| self.io("make a backup's folder", it))?;
        self.with("copy the journal", |store| store.copy(&to))?;
        let durable = || {
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
            fs::File::open(&to)?.sync_all()?;
            sync(folder)
        };
        durable().map_err(|it| self.io("make a copy of the journal durable", it))
    }

    fn io(&self, action: &'static str, source: io::Error) -> Error {
        Error::Folder { ferry: self.settings.name.clone(), action, source }
    }

    fn head(&self, kind: Kind, address: &Address) -> Head {
        let Address { incarnation, number } = address;
        let (ferry, incarnation) = (self.settings.name.clone(), incarnation.clone());
        Head { ferry, kind, incarnation, number: *number }
    }

    fn seal(&self, address: &Address, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.load().seal(&self.head(self.side.sends(), address), plain)
    }

    /// Sends something of an operation about `subject`: it has a number and is durable, then its file is put into
    /// the folder, now or as soon as there is one. `None` where too many wait already.
    ///
    /// # Errors
    /// It was not sent and has no number.
    pub fn send(
        &self,
        (subject, operation): (&str, &str),
        plain: &[u8],
    ) -> Result<Option<Address>, Error> {
        let now = self.clock.now();
        let waiting = match self.settings.returns {
            true => self.with("count what waits", |store| store.unanswered())?.0,
            false => self.lying()?,
        };
        if waiting >= u64::from(self.settings.waiting) {
            return Ok(None);
        }
        let seal = |address: &Address| self.seal(address, plain);
        let sent = self.with("send", |store| store.sent((subject, operation), now, seal))?;
        let sent = sent.ok_or_else(|| Error::Seal { ferry: self.settings.name.clone() })?;
        crate::crash::point("ferry-numbered");
        self.put_or_tell();
        Ok(Some(sent))
    }

    /// What was last sent about `subject`.
    ///
    /// # Errors
    /// The journal or an answer cannot be read.
    pub fn known(&self, subject: &str) -> Result<Option<Known>, Error> {
        let Some(sent) = self.with("look for what was sent", |store| store.last(subject))? else {
            return Ok(None);
        };
        let open = |file: Vec<u8>| {
            let (_, plain) = self.opened(&file)?;
            let (_, plain) = parted(&plain).ok_or(Flaw::Broken)?;
            Ok(Zeroizing::new(plain.to_vec()))
        };
        let answer = sent.answer.map(open).transpose();
        let answer = answer.map_err(|flaw: Flaw| self.unreadable(flaw))?;
        let store::Sent { address, operation, heard, is_told, .. } = sent;
        Ok(Some(Known { address, operation, answer, heard, is_told }))
    }

    fn unreadable(&self, flaw: Flaw) -> Error {
        Error::Unreadable { ferry: self.settings.name.clone(), reason: flaw.code() }
    }

    /// An answer was told on, and counts no further.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn told(&self, it: &Address) -> Result<(), Error> {
        self.with("note what was told", |store| store.told(it))
    }

    fn opened(&self, file: &[u8]) -> Result<(Head, Zeroizing<Vec<u8>>), Flaw> {
        self.keys.load().open(&self.settings.name, self.side.hears(), file)
    }

    /// What is to be acted on next; above alone.
    ///
    /// # Errors
    /// The journal, or what came, cannot be read.
    pub fn next(&self) -> Result<Option<Numbered>, Error> {
        let Some((address, file)) = self.with("look for what came", |store| store.next())? else {
            return Ok(None);
        };
        let (_, plain) = self.opened(&file).map_err(|flaw| self.unreadable(flaw))?;
        Ok(Some((address, plain)))
    }

    /// It was acted on, and this is the answer.
    ///
    /// # Errors
    /// The journal cannot be written: it is acted on again, and the answer is the same.
    pub fn acted(&self, it: &Address, answer: &[u8]) -> Result<(), Error> {
        let now = self.clock.now();
        let plain = answering(it, answer);
        let seal = |address: &Address| self.seal(address, &plain);
        let seal = self.settings.returns.then_some(seal);
        self.with("note what was acted on", |store| store.acted(it, now, seal))?;
        crate::crash::point("ferry-answered");
        self.put_or_tell();
        Ok(())
    }

    /// Puts down what is not in the folder yet and takes in what came.
    ///
    /// # Errors
    /// The journal or the folder cannot be used.
    pub fn look(&self) -> Result<(), Error> {
        let put = self.put();
        self.take()?;
        put?;
        let now = self.clock.now();
        {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if now < memory.next_retirement {
                return Ok(());
            }
            memory.next_retirement = now.saturating_add(RETIRE_EVERY).unwrap_or(Timestamp::MAX);
        }
        let before = now.saturating_sub(self.settings.keep).unwrap_or(Timestamp::MIN);
        let is_one_way = !self.settings.returns;
        self.with("let go of what is over", |store| store.retire(before, is_one_way))
    }

    fn put_or_tell(&self) {
        if let Err(error) = self.put() {
            let (ferry, code) = (&self.settings.name, error.code());
            tracing::warn!(ferry, code, "a file of a ferry waits for its folder");
        }
    }

    fn put(&self) -> Result<(), Error> {
        loop {
            let unput = self.with("look for files", |store| store.unput(PUT_AT_ONCE))?;
            if unput.is_empty() {
                return Ok(());
            }
            for (address, sealed) in unput {
                let name = self.head(self.side.sends(), &address).file();
                place(&self.folder("out"), &name, &sealed)
                    .map_err(|it| self.io("put a file down", it))?;
                crate::crash::point("ferry-put");
                self.with("note a file", |store| store.put(&address))?;
            }
        }
    }

    /// How many files of ours lie in the folder.
    fn lying(&self) -> Result<u64, Error> {
        let start = format!("{}.{}.", self.settings.name, self.side.sends().as_str());
        let found = self.files(&self.folder("out"))?;
        Ok(u64::try_from(found.iter().filter(|it| it.starts_with(&start)).count()).unwrap_or(0))
    }

    fn files(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let failed = |it| self.io("look into a folder", it);
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)?.take(MOST_FILES) {
            let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
            // What is carried under another name is not there yet.
            if name.ends_with(SUFFIX) && !name.starts_with('.') {
                found.push(name);
            }
        }
        // As they were numbered, as far as names tell: fewer wait.
        found.sort_unstable();
        Ok(found)
    }

    fn take(&self) -> Result<(), Error> {
        let folder = self.folder("in");
        let mut has_changed = false;
        for name in self.files(&folder)? {
            let path = folder.join(&name);
            let Some((file, changed)) = read(&path).map_err(|it| self.io("read a file", it))?
            else {
                continue;
            };
            let reason = match self.judged(&file) {
                Err(Flaw::Short) if !self.is_settled(changed) => continue,
                Err(flaw) => flaw.code(),
                Ok(Admitted::Left) => continue,
                Ok(Admitted::Taken | Admitted::Before) => {
                    crate::crash::point("ferry-taken");
                    fs::remove_file(&path).map_err(|it| self.io("remove what was taken", it))?;
                    has_changed = true;
                    continue;
                }
                Ok(Admitted::Aside(reason)) => reason,
            };
            self.aside(&folder, &name, reason)?;
        }
        // Not durable: what comes back after a crash was known before.
        if has_changed { self.put() } else { Ok(()) }
    }

    fn is_settled(&self, changed: Timestamp) -> bool {
        self.clock.now().duration_since(changed)
            > jiff::SignedDuration::try_from(SETTLE).unwrap_or_default()
    }

    /// What is to be done with a file's bytes; trouble of the journal leaves it where it lies.
    fn judged(&self, file: &[u8]) -> Result<Admitted, Flaw> {
        let (head, plain) = self.opened(file)?;
        let from = Address { incarnation: head.incarnation, number: head.number };
        let to = match self.side {
            Side::Below => Some(parted(&plain).ok_or(Flaw::Broken)?.0),
            Side::Above => None,
        };
        let came = Came { from: &from, file, to: to.as_ref() };
        let (room, now) = (self.settings.waiting, self.clock.now());
        let admitted = self.with("take a file in", |store| {
            let admitted = store.admit(&came, room, now)?;
            if admitted == Admitted::Before {
                store.answer_again(&from)?;
            }
            Ok(admitted)
        });
        Ok(admitted.unwrap_or_else(|error| {
            let (ferry, code) = (&self.settings.name, error.code());
            tracing::warn!(ferry, code, "a file of a ferry cannot be taken in");
            Admitted::Left
        }))
    }

    fn aside(&self, folder: &Path, name: &str, reason: &'static str) -> Result<(), Error> {
        let (ferry, now) = (&self.settings.name, self.clock.now());
        tracing::warn!(ferry, reason, "a file of a ferry is set aside");
        let aside = folder.join("aside");
        let moved = || -> io::Result<()> {
            fs::create_dir_all(&aside)?;
            let mut to = aside.join(name);
            let mut again = 1;
            while to.try_exists()? {
                again += 1;
                to = aside.join(format!("{name}.{again}"));
            }
            fs::rename(folder.join(name), to)?;
            sync(&aside)?;
            sync(folder)
        };
        moved().map_err(|it| self.io("set a file aside", it))?;
        self.with("note what was set aside", |store| store.aside(name, reason, now))
    }

    /// How it stands.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn standing(&self) -> Result<FerryStanding, Error> {
        Ok(self.stands(self.with("look at how it stands", |store| store.figures())?))
    }

    /// How it stands as its journal says, which nobody need have open; `None` before the first start.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn looked_at(&self) -> Result<Option<FerryStanding>, Error> {
        let path = self.folder("state").join(JOURNAL);
        if !path.exists() {
            return Ok(None);
        }
        let figures = Store::look(&path).and_then(|store| store.figures());
        let ferry = || self.settings.name.clone();
        let failed = |source| Error::Store { ferry: ferry(), action: "read the journal", source };
        Ok(Some(self.stands(figures.map_err(failed)?)))
    }

    fn stands(&self, it: store::Figures) -> FerryStanding {
        let late = |since: Option<Timestamp>| {
            since.is_some_and(|since| {
                self.clock.now().duration_since(since).unsigned_abs() > self.settings.late
            })
        };
        let waits = Some(it.unanswered_since).filter(|_| self.settings.returns).flatten();
        FerryStanding {
            name: self.settings.name.clone(),
            side: self.side.as_str().to_owned(),
            returns: self.settings.returns,
            incarnation: it.incarnation,
            sent: it.last,
            unput: it.unput,
            unanswered: if self.settings.returns { it.unanswered } else { 0 },
            unanswered_since: waits,
            peer: it.peer,
            came: it.came,
            acted: it.acted,
            waiting: it.waiting,
            is_late: late(it.gap_since) || late(waits),
            gaps: it.gaps,
            gap_since: it.gap_since,
            offered: it.offered,
            aside: it.aside,
            aside_last: it.aside_last,
        }
    }

    /// Puts files that were sent into the folder again, byte for byte; how many.
    ///
    /// # Errors
    /// The journal or the folder cannot be used.
    pub fn again(&self, from: u64, to: u64) -> Result<u64, Error> {
        let found = self.with("put files down again", |store| store.again(from, to))?;
        self.put_or_tell();
        Ok(found)
    }

    /// Passes over numbers that are missed; how many. Above, whoever sent them is told to send what
    /// was in them again, under numbers of their own.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn skip(&self, from: u64, to: u64) -> Result<u64, Error> {
        let now = self.clock.now();
        let later = CarriedAnswer::later().to_bytes();
        let seal = |missed: &Address, own: &Address| self.seal(own, &answering(missed, &later));
        let answers = self.side == Side::Above && self.settings.returns;
        let seal: Option<Reseal<'_>> = answers.then_some(&seal);
        let passed = self.with("pass over numbers", |store| store.skip((from, to), now, seal))?;
        self.put_or_tell();
        Ok(passed)
    }

    /// Listens to another incarnation of the other side; false where none of this name was seen.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn accept(&self, incarnation: &str) -> Result<bool, Error> {
        let now = self.clock.now();
        self.with("accept the other side", |store| store.accept(incarnation, now))
    }

    /// Begins anew, under numbers of its own.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn anew(&self) -> Result<(), Error> {
        let now = self.clock.now();
        self.with("begin anew", |store| {
            let origin = store.origin()?;
            store.begin(&origin, now)
        })
    }
}

/// An answer, and before it what it answers.
fn answering(to: &Address, answer: &[u8]) -> Vec<u8> {
    [format!("{} {}\n", to.incarnation, to.number).as_bytes(), answer].concat()
}

/// What an answer answers, and what it says.
fn parted(plain: &[u8]) -> Option<(Address, &[u8])> {
    let end = plain.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = plain.split_at(end);
    let (incarnation, number) = str::from_utf8(line).ok()?.split_once(' ')?;
    let to = Address { incarnation: incarnation.to_owned(), number: number.parse().ok()? };
    Some((to, rest.get(1..)?))
}

#[cfg(test)]
mod tests;
