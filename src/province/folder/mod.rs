//! A channel of files: each batch becomes a file in a folder that the other side fetches, or that a
//! clerk takes to a portal; what comes back is read from a folder of its own.
//!
//! * A file is placed once, whatever happens ([`journal`]), under the name that the standard gives.
//! * It is the batch's message as it is, or its rows as a table ([`grid`]), filled into the
//!   province's own template where there is one ([`template`]).
//! * So many files may lie unfetched; then further ones wait, and that is told.
//! * What comes back is read whole or set aside whole ([`results`]).
//!
//! That a file was placed proves nothing more: whether it was fetched is told to people and never
//! counted as received.

mod grid;
mod journal;
mod name;
mod results;
mod template;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::grid::{Grid, Wrong};
use self::journal::{Journal, Note, Put};
pub use self::results::{Returned, ReturnedRow};
use super::client::{Placement, Reply};
use super::error::{Error, Failure};
use super::settings::Settings;
use super::tables::About;
use crate::clock::Clock;
use crate::delivery::{DigestSha256, Evidence, Outcome, Permit, Receipt};
use crate::standard::settings::FileSettings;
use crate::standard::{HttpAnswer, Operation, Standard};
use crate::supervisor::Pool;
use crate::wire::{Limits, Payload, read};

/// The scheme of a folder's address.
const SCHEME: &str = "file://";
/// Bytes of a file that comes back, where nothing else is said.
const RESULT_BYTES: u64 = 16 << 20;
/// For so long it is known of a fetched file what it was: a marking period and its appeal.
const KEEP: Duration = Duration::from_hours(400 * 24);
/// How often what is older is forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(24);
/// The code of a batch that waits for room.
pub const FULL: &str = "outbox-full";

/// How many files lie in a channel's folder, as of the last look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unfetched {
    /// Files.
    pub files: u32,
    /// Since when the oldest lies there.
    pub oldest: Option<Timestamp>,
    /// As many as may lie there: further ones wait.
    pub is_full: bool,
}

/// What is remembered between calls; nothing of it is needed after a restart.
#[derive(Debug)]
struct Memory {
    inbox: Option<results::Inbox>,
    unfetched: Unfetched,
    next_forgetting: Timestamp,
}

/// The client of a channel of files.
#[derive(Debug)]
pub(super) struct Folder {
    settings: Settings,
    standard: Arc<Standard>,
    files: FileSettings,
    clock: Clock,
    journal: Journal,
    memory: Arc<Mutex<Memory>>,
    /// One at a time: two calls never disagree about what lies there.
    pool: Pool,
}

/// A file that is about to be placed.
struct Order {
    name: String,
    note: Note,
    done: Option<String>,
    content: Vec<u8>,
}

impl Folder {
    /// Opens nothing yet: a folder that is away is met when it is needed.
    pub(super) fn new(
        settings: Settings,
        standard: Arc<Standard>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let files = standard.settings().files.clone().unwrap_or_default();
        let folder = folder(&settings, &files)?;
        let largest = settings.max_reply_bytes.or(standard.settings().limits.reply);
        let inbox = settings
            .results_folder
            .clone()
            .map(|folder| results::Inbox::new(folder, largest.unwrap_or(RESULT_BYTES)));
        let memory =
            Memory { inbox, unfetched: Unfetched::default(), next_forgetting: Timestamp::MIN };
        Ok(Self {
            files,
            standard,
            clock,
            journal: Journal::new(folder),
            memory: Arc::new(Mutex::new(memory)),
            pool: Pool::new(1),
            settings,
        })
    }

    /// There is nothing to read again but what the settings name.
    pub(super) fn reload(&self) -> Result<(), Error> {
        folder(&self.settings, &self.files).map(drop)
    }

    pub(super) fn standard(&self) -> &Arc<Standard> {
        &self.standard
    }

    /// How many files lie there, as of the last look.
    pub(super) fn unfetched(&self) -> Unfetched {
        self.lock().unfetched
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places a batch's file, once. Not cancel-safe: dropped, it is placed all the same.
    pub(super) async fn place(&self, _permit: &Permit, placement: &Placement<'_>) -> Reply {
        let Some(operation) = self.standard.operation(placement.operation) else {
            return unlisted("no-such-operation");
        };
        let order = match self.order(operation, placement) {
            Ok(order) => order,
            Err(outcome) => {
                let code = outcome.code().to_owned();
                return Reply::answered(outcome, &code, None);
            }
        };
        let sent = DigestSha256::of(&order.content);
        let (journal, waiting) = (self.journal.clone(), self.files.waiting);
        let put = self.pool.run(move || put(&journal, order, waiting)).await;
        let outcome = match put {
            Ok((put, unfetched)) => {
                self.lock().unfetched = unfetched;
                match put {
                    Some(Put::There) if operation.evidence == Evidence::Receipt => {
                        // It lies there; whether it was taken is asked for.
                        Outcome::Unknown { code: "receipt-awaited".to_owned() }
                    }
                    Some(Put::There) => Outcome::Accepted { upper_id: None, receipt: None },
                    Some(Put::Taken) => Outcome::NoPlace { code: "file-name-taken".to_owned() },
                    None => Outcome::Retry { code: FULL.to_owned(), after: None },
                }
            }
            Err(error) => return Reply::failed(&Failure::NotSent { code: code_of(&error) }, None),
        };
        let code = outcome.code().to_owned();
        Reply::answered(outcome, &code, Some(sent))
    }

    /// The file of a batch: its name, and what stands in it.
    fn order(&self, operation: &Operation, placement: &Placement<'_>) -> Result<Order, Outcome> {
        let batch = placement.batch;
        let no_place = |code: &str| Outcome::NoPlace { code: code.to_owned() };
        let name = name::placed(operation, placement.parameters, batch)
            .ok_or_else(|| no_place("file-name-unusable"))?;
        let content = self.content(placement.payload, batch).map_err(|wrong| match wrong {
            Wrong::Unreadable => no_place("payload-not-for-files"),
            Wrong::Column(name) => no_place(&format!("template-column-missing:{name}")),
            Wrong::TooLarge | Wrong::Cell => {
                Outcome::Refused { code: "cell-not-for-sheets".to_owned(), message: String::new() }
            }
        })?;
        let done = Some(name::beside(&self.files.done, &name)).filter(|it| !it.is_empty());
        let (batch, digest) = (batch.to_owned(), journal::digest(&content));
        let note = Note { batch, digest, at: self.clock.now() };
        Ok(Order { name, note, done, content })
    }

    fn content(&self, payload: &Payload, batch: &str) -> Result<Vec<u8>, Wrong> {
        let filled = payload.fill(|slot| (slot == "batch.id").then(|| batch.to_owned()));
        let filled = filled.map_err(|_missing| Wrong::Unreadable)?;
        let settings = self.standard.settings();
        let Some(sheet) = &settings.sheet else { return Ok(filled) };
        let grid = Grid::of_message(&filled, sheet).ok_or(Wrong::Unreadable)?;
        grid.file(&settings.http.media, sheet, &self.standard.tables().template)
    }

    /// Asks what became of a batch. Cancel-safe: nothing is written but our own notes.
    pub(super) async fn collect(
        &self,
        operation: &str,
        batch: &str,
        about: Option<About<'_>>,
    ) -> Reply {
        let known = self.standard.operation(operation);
        if known.is_some_and(|known| !known.is_question()) {
            return unlisted("not-a-question");
        }
        match (operation, about) {
            ("batch.receipt", Some(about)) => self.receipt(batch, about).await,
            // Verdicts come by themselves, see [`Folder::returned`].
            _ => accepted(None),
        }
    }

    async fn receipt(&self, batch: &str, about: About<'_>) -> Reply {
        let Some(sent) = self.standard.operation(about.operation) else {
            return unlisted("no-such-operation");
        };
        let Some(name) = name::placed(sent, about.parameters, batch) else {
            return unlisted("file-name-unusable");
        };
        let wants = sent.evidence == Evidence::Receipt;
        let receipt = name::beside(&self.files.receipt, &name);
        let (journal, memory) = (self.journal.clone(), Arc::clone(&self.memory));
        let (batch, file) = (batch.to_owned(), receipt.clone());
        let asked = self.pool.run(move || -> io::Result<_> {
            if !journal.was_placed(&name, &batch)? {
                return Ok(None);
            }
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            let inbox = memory.inbox.as_ref().filter(|_| wants);
            Ok(Some(inbox.map(|inbox| inbox.receipt(&file)).transpose()?.flatten()))
        });
        match asked.await {
            Err(error) => Reply::failed(&Failure::NotSent { code: code_of(&error) }, None),
            Ok(None) => {
                let mut reply = accepted(None);
                reply.reading.absent = true;
                reply
            }
            Ok(Some(Some(content))) => self.read_receipt(receipt, &content),
            Ok(Some(None)) if wants => {
                let code = "receipt-awaited".to_owned();
                Reply::answered(Outcome::Unknown { code: code.clone() }, &code, None)
            }
            Ok(Some(None)) => accepted(None),
        }
    }

    /// A receipt is there; where the standard says how it is read it may also say no.
    fn read_receipt(&self, name: String, content: &[u8]) -> Reply {
        let operations = self.standard.settings().operations.iter();
        let is_read =
            operations.filter(|it| it.name == "batch.receipt").any(|it| !it.reply.is_empty());
        let own = Receipt { id: name, digest: None, rows: None };
        if !is_read || self.standard.settings().sheet.is_some() {
            return accepted(Some(own));
        }
        let limits = Limits { bytes: content.len(), ..Limits::default() };
        let document = read(self.standard.media(), content, &limits).ok();
        let http = HttpAnswer { status: 200, ..HttpAnswer::default() };
        let mut reply = accepted(None);
        reply.reading = self.standard.read_reply("batch.receipt", &http, document.as_ref());
        if let Outcome::Accepted { receipt, .. } = &mut reply.reading.outcome {
            let said = receipt.take().unwrap_or(own);
            *receipt = Some(said.clone());
            reply.reading.receipt = Some(said);
        }
        reply
    }

    /// The files with verdicts that are whole by now, and how many files of ours lie unfetched.
    /// Cancel-safe: asked again, it gives the same.
    pub(super) async fn returned(&self) -> Result<Vec<Returned>, &'static str> {
        let (journal, memory) = (self.journal.clone(), Arc::clone(&self.memory));
        let (standard, files) = (Arc::clone(&self.standard), self.files.clone());
        let now = self.clock.now();
        let looked = self.pool.run(move || -> io::Result<_> {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.unfetched = unfetched(&journal, files.waiting)?;
            if now >= memory.next_forgetting {
                memory.next_forgetting = now.saturating_add(FORGET_EVERY).unwrap_or(Timestamp::MAX);
                journal.forget(now.saturating_sub(KEEP).unwrap_or(Timestamp::MIN))?;
            }
            match memory.inbox.as_mut().filter(|_| !files.result.is_empty()) {
                Some(inbox) => inbox.look(now, &journal, &standard, &files),
                None => Ok(Vec::new()),
            }
        });
        looked.await.map_err(|error| code_of(&error))
    }

    /// A file that came back is done with: taken, or set aside.
    pub(super) async fn put_away(
        &self,
        returned: Returned,
        is_taken: bool,
    ) -> Result<(), &'static str> {
        let memory = Arc::clone(&self.memory);
        let moved = self.pool.run(move || {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.inbox.as_mut().map_or(Ok(()), |inbox| inbox.away(&returned, is_taken))
        });
        moved.await.map_err(|error| code_of(&error))
    }
}

/// Blocking. `None`: there is no room.
fn put(journal: &Journal, order: Order, waiting: u32) -> io::Result<(Option<Put>, Unfetched)> {
    let before = unfetched(journal, waiting)?;
    // What was begun is ended whatever else lies there.
    if before.is_full && !journal.has_begun(&order.name, &order.note.batch)? {
        return Ok((None, before));
    }
    let Order { name, note, done, content } = order;
    let put = journal.place(&name, &note, done.as_deref(), || content)?;
    Ok((Some(put), unfetched(journal, waiting)?))
}

fn unfetched(journal: &Journal, waiting: u32) -> io::Result<Unfetched> {
    let lying = journal.lying()?;
    Ok(Unfetched { files: lying.files, oldest: lying.oldest, is_full: lying.files >= waiting })
}

fn accepted(receipt: Option<Receipt>) -> Reply {
    let outcome = Outcome::Accepted { upper_id: None, receipt: receipt.clone() };
    let mut reply = Reply::answered(outcome, "accepted", None);
    reply.reading.receipt = receipt;
    reply
}

fn unlisted(code: &str) -> Reply {
    Reply::answered(Outcome::Unlisted { code: code.to_owned() }, code, None)
}

/// A stable word for what the file system said. Nothing was placed that is not found again.
fn code_of(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    let is_of = |kinds: &[Kind]| kinds.contains(&error.kind());
    if is_of(&[Kind::NotFound, Kind::NotADirectory]) {
        "folder-missing"
    } else if is_of(&[Kind::PermissionDenied, Kind::ReadOnlyFilesystem]) {
        "folder-forbidden"
    } else if is_of(&[Kind::StorageFull, Kind::QuotaExceeded]) {
        "folder-full"
    } else {
        "folder-failed"
    }
}

/// The folder of a channel's address.
fn folder(settings: &Settings, files: &FileSettings) -> Result<PathBuf, Error> {
    let wrong = |setting, reason| Error::Setting { setting, reason };
    let path = settings.url.strip_prefix(SCHEME).map(PathBuf::from).filter(|it| it.is_absolute());
    let path = path.ok_or_else(|| wrong("url", "not file:///FOLDER, by its absolute path"))?;
    let wants = !files.result.is_empty() || !files.receipt.is_empty();
    match &settings.results_folder {
        None if wants => {
            Err(wrong("results_folder", "is required: the standard says what comes back"))
        }
        Some(_) if !wants => Err(wrong("results_folder", "means nothing: nothing comes back")),
        Some(results) if *results == path => {
            Err(wrong("results_folder", "is the folder of `url`: what comes back lies apart"))
        }
        Some(_) | None => Ok(path),
    }
}
