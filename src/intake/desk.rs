//! The desk: one request in, one ruling out, and what was taken is durable in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::gate::{self, Case, Nonces};
use super::request::{Opened, Request, unescaped};
use super::settings::{CountySettings, Settings};
use super::store::{Store, Words};
use super::{Error, objects, queries, rows};
use crate::checks::Rules;
use crate::city::{self, Shelf, ShelfObject, ShelfRow};
use crate::clock::Clock;
use crate::ledger::seal::Sealer;
use crate::province::{Credentials, Ferry, Side};
use crate::standard::settings::Class;
use crate::standard::{Operation, Outside, Said, Says, Standard};
use crate::wire::{Document, Node};

/// What a message may be decompressed to where its standard has no limit.
const BYTES: usize = 16 << 20;
/// What stands around the rows of a message, beyond its standard's limit.
const ENVELOPE: usize = 64 << 10;
/// How many of a message's mistakes are told.
const TOLD: usize = 5;

/// What is made of a request.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub(super) class: Class,
    pub(super) says: Says,
    /// The same again after so long.
    pub(super) after: Option<Duration>,
    /// The object whose state above is asked for, by our own name of it.
    pub(super) about: Option<(String, String)>,
}

impl Ruling {
    pub(super) fn accepted(says: Says) -> Self {
        Self { class: Class::Accepted, says, after: None, about: None }
    }

    pub(super) fn told(class: Class, message: impl Into<String>) -> Self {
        let mut says = Says::default();
        says.values.insert("message", message.into());
        Self { class, says, after: None, about: None }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::told(Class::Refused, message)
    }

    /// Not now: the same again later.
    pub(super) fn busy(message: impl Into<String>, after: Duration) -> Self {
        Self { after: Some(after), ..Self::told(Class::Retry, message) }
    }
}

/// A dataset of a county as it is passed on.
#[derive(Clone, Debug)]
pub struct TakenDataset {
    /// The county's id.
    pub county: String,
    /// The county's own name of the dataset.
    pub table: String,
    /// Ours.
    pub dataset: city::Dataset,
    /// By which its rows are judged.
    pub rules: Rules,
}

/// What a desk is made of.
pub struct DeskParts {
    /// `[intake]`.
    pub settings: Settings,
    /// The standard spoken with counties.
    pub standard: Arc<Standard>,
    /// What counties send and how it is judged.
    pub datasets: Vec<TakenDataset>,
    /// Seals what is kept.
    pub sealer: Arc<Sealer>,
    /// The time.
    pub clock: Clock,
}

impl std::fmt::Debug for DeskParts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DeskParts").finish_non_exhaustive()
    }
}

/// How a county stands with us.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Its id.
    pub county: String,
    /// Its name.
    pub title: String,
    /// Its division.
    pub region: String,
    /// Rows that were taken and not read on.
    pub rows_waiting: u64,
    /// Rows that are kept.
    pub rows_held: u64,
    /// Bytes that are kept.
    pub bytes_held: u64,
    /// When it last sent a batch of rows, in this process.
    pub last_batch: Option<Timestamp>,
    /// Requests that were not believed, in this process.
    pub refused: u64,
    /// Requests that were asked to come later, in this process.
    pub busy: u64,
    /// When the last was not believed.
    pub refused_at: Option<Timestamp>,
    /// When the last was asked to come later.
    pub busy_at: Option<Timestamp>,
}

/// One county.
pub(super) struct County {
    pub(super) settings: CountySettings,
    pub(super) credentials: Credentials,
    pub(super) store: Store,
    /// By the county's own name.
    pub(super) datasets: BTreeMap<String, TakenDataset>,
    /// What it comes by, where no line leads to it.
    pub(super) ferry: Option<Arc<Ferry>>,
    nonces: Mutex<Nonces>,
    /// Its own places: requests beyond them are told to come later.
    pub(super) places: Arc<Semaphore>,
    /// One of its requests is worked on at a time, so that none has more of the pool than another.
    pub(super) turn: Arc<Semaphore>,
    pace: Mutex<Bucket>,
    pub(super) waiting: AtomicU64,
    last_batch_us: AtomicI64,
    refused: AtomicU64,
    refused_us: AtomicI64,
    busy: AtomicU64,
    busy_us: AtomicI64,
    /// Objects came, changed or went since the city last asked.
    pub(super) registered: AtomicBool,
}

/// A bucket of requests that fills with time.
struct Bucket {
    left: f64,
    at: Timestamp,
}

/// The desk of all counties.
pub struct Desk {
    standard: Arc<Standard>,
    counties: Vec<Arc<County>>,
    keep: Duration,
    clock: Clock,
    strangers: AtomicU64,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counties: Vec<&str> = self.counties.iter().map(|it| it.settings.id.as_str()).collect();
        formatter.debug_struct("Desk").field("counties", &counties).finish_non_exhaustive()
    }
}

impl Desk {
    /// Reads credentials and opens the stores, which are made where they are not there. Blocking.
    ///
    /// # Errors
    /// A folder, a file or a credential cannot be used.
    pub fn open(parts: DeskParts, folder: &Path) -> Result<Self, Error> {
        let DeskParts { settings, standard, datasets, sealer, clock } = parts;
        let failed = |source| Error::Folder { path: folder.to_owned(), source };
        if !folder.is_dir() {
            use std::os::unix::fs::DirBuilderExt as _;
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut counties = Vec::new();
        for county in settings.counties {
            let path = folder.join(format!("{}.sqlite", county.region));
            let read = Credentials::read(&county.credentials);
            let credentials =
                read.map_err(|source| Error::Credentials { county: county.id.clone(), source })?;
            let own = datasets.iter().filter(|it| it.county == county.id);
            let (at_once, now) = (county.in_flight.get(), clock.now());
            let ferry = county.ferry.clone();
            let ferry = ferry.map(|it| Ferry::new(it, Side::Above, clock.clone())).transpose();
            let of = |source| Error::Ferry { county: county.id.clone(), source };
            let ferry = ferry.map_err(of)?.map(Arc::new);
            counties.push(Arc::new(County {
                credentials,
                ferry,
                store: Store::open(&path, &county.id, Arc::clone(&sealer))?,
                datasets: own.map(|it| (it.table.clone(), it.clone())).collect(),
                nonces: Mutex::default(),
                places: Arc::new(Semaphore::new(usize::try_from(at_once).unwrap_or(1))),
                turn: Arc::new(Semaphore::new(1)),
                pace: Mutex::new(Bucket { left: county.burst(), at: now }),
                waiting: AtomicU64::new(0),
                last_batch_us: AtomicI64::new(0),
                refused: AtomicU64::new(0),
                refused_us: AtomicI64::new(0),
                busy: AtomicU64::new(0),
                busy_us: AtomicI64::new(0),
                registered: AtomicBool::new(true),
                settings: county,
            }));
        }
        // Names of files are durable, too.
        std::fs::File::open(folder).and_then(|it| it.sync_all()).map_err(failed)?;
        Ok(Self { standard, counties, keep: settings.keep, clock, strangers: AtomicU64::new(0) })
    }

    pub(super) fn counties(&self) -> impl Iterator<Item = &Arc<County>> {
        self.counties.iter()
    }

    /// What a county sent, for the city's source; `None` for a county that is not configured.
    pub fn shelf(&self, county: &str) -> Option<Arc<dyn Shelf>> {
        let found = self.counties.iter().find(|it| it.settings.id == county)?;
        Some(Arc::<County>::clone(found))
    }

    /// How every county stands. Blocking.
    ///
    /// # Errors
    /// A store cannot be read.
    pub fn standing(&self) -> Result<Vec<Standing>, Error> {
        self.counties.iter().map(|county| county.standing()).collect()
    }

    /// Whether a county's objects came, changed or went since this was last asked.
    pub fn has_registered(&self) -> bool {
        let asked = |it: &Arc<County>| it.registered.swap(false, Ordering::Relaxed);
        self.counties.iter().filter(|it| asked(it)).count() > 0
    }

    /// Requests that named no county that we know, in this process.
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Counts what waits to be read on. `read` is, by county and its own name of a dataset, the
    /// moment up to which everything was; a dataset that is not named was never read. Blocking.
    ///
    /// # Errors
    /// A store cannot be read.
    pub fn read_on(&self, read: &BTreeMap<(String, String), i64>) -> Result<(), Error> {
        for county in &self.counties {
            let mut waiting = 0;
            for table in county.datasets.keys() {
                let name = (county.settings.id.clone(), table.clone());
                let after = read.get(&name).copied().unwrap_or(i64::MIN);
                waiting += county.store.taken_after(table, after)?;
            }
            county.waiting.store(waiting, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Seals some of what lies under another key again, of every county; how much. Blocking.
    ///
    /// # Errors
    /// A store cannot be read or written.
    pub fn resealed(&self) -> Result<u64, Error> {
        self.counties.iter().map(|county| county.store.resealed()).sum()
    }

    /// How much lies under a key. Blocking.
    ///
    /// # Errors
    /// A store cannot be read.
    pub fn under(&self, id: [u8; 4]) -> Result<u64, Error> {
        self.counties.iter().map(|county| county.store.under(id)).sum()
    }

    pub(super) fn standard(&self) -> &Standard {
        &self.standard
    }

    /// The most bytes of a body, compressed or not.
    pub(super) fn body_bytes(&self) -> usize {
        let limit = self.standard.limits().bytes.and_then(|it| usize::try_from(it).ok());
        limit.map_or(BYTES, |limit| limit.saturating_add(ENVELOPE))
    }

    /// Whom a request claims to be from.
    pub(super) fn claimed(&self, headers: &BTreeMap<String, String>) -> Option<Arc<County>> {
        let all = self.counties.iter().map(|county| &county.credentials);
        let found = gate::claimed(&self.standard, headers, all);
        // Who comes by a ferry comes by nothing else.
        let found = found.and_then(|at| self.counties.get(at)).filter(|it| it.ferry.is_none());
        if found.is_none() {
            self.strangers.fetch_add(1, Ordering::Relaxed);
        }
        found.map(Arc::clone)
    }

    /// Whether one more request of a county may be looked at now.
    pub(super) fn admits(&self, county: &County) -> bool {
        let now = self.clock.now();
        let mut bucket = county.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let past = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        let rate = f64::from(county.settings.requests_per_second.get());
        bucket.left = past.mul_add(rate, bucket.left).min(county.settings.burst());
        bucket.at = now;
        let admits = bucket.left >= 1.0;
        if admits {
            bucket.left -= 1.0;
        }
        admits
    }

    pub(super) fn told_busy(&self, county: &County) {
        county.busy.fetch_add(1, Ordering::Relaxed);
        county.busy_us.store(self.clock.now().as_microsecond(), Ordering::Relaxed);
    }

    /// Judges and does what a request asks for: its identity first, then its form. Blocking. An
    /// error is ours; nothing was taken then.
    pub(super) fn rule(
        &self,
        county: &County,
        request: &Request,
    ) -> Result<Option<(&Operation, Ruling)>, Error> {
        let now = self.clock.now();
        let mut nonces = county.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        self.ruled(county, request, (now, &mut nonces))
    }

    /// As [`Desk::rule`], of a request that a ferry brought: it is judged by the time it was made at,
    /// and its number in the ferry, which is acted on once, stands for the one that it shows.
    pub(super) fn rule_carried(
        &self,
        county: &County,
        request: &Request,
        made: Timestamp,
    ) -> Result<Option<(&Operation, Ruling)>, Error> {
        self.ruled(county, request, (made, &mut Nonces::default()))
    }

    fn ruled(
        &self,
        county: &County,
        request: &Request,
        (shown_at, nonces): (Timestamp, &mut Nonces),
    ) -> Result<Option<(&Operation, Ruling)>, Error> {
        let path = unescaped(&request.path, false);
        let candidates = self.standard.addressed(&request.method, &path);
        let Some((first, _)) = candidates.first() else { return Ok(None) };
        let opened = Opened::read(&self.standard, first, request, self.body_bytes());
        let none = BTreeMap::new();
        let form = opened.as_ref().map_or(&none, |it| &it.form);
        let document = opened.as_ref().ok().and_then(|it| it.document.as_ref());
        let mut said_by = candidates.iter().map(|(operation, url)| {
            let outside = Outside { headers: &request.headers, query: &request.query, url, form };
            (*operation, self.standard.said(operation, document, outside), outside)
        });
        let is_meant = |it: &(&Operation, Said, Outside<'_>)| is_meant(it.0, &it.1);
        let all: Vec<_> = said_by.by_ref().collect();
        let Some((operation, said, outside)) = all.iter().find(|it| is_meant(it)).or(all.first())
        else {
            return Ok(None);
        };
        let now = self.clock.now();
        let standard = &self.standard;
        let case = Case { standard, operation, request, said, document, now: shown_at };
        let believed = gate::verify(&case, &county.credentials, nonces);
        if let Err(doubt) = believed {
            county.refused.fetch_add(1, Ordering::Relaxed);
            county.refused_us.store(now.as_microsecond(), Ordering::Relaxed);
            let id = &county.settings.id;
            tracing::warn!(
                county = id,
                operation = operation.name,
                doubt,
                "a county is not let in"
            );
            return Ok(Some((*operation, Ruling::told(Class::Auth, doubt))));
        }
        let text = match &opened {
            Ok(opened) => opened.text.as_str(),
            Err(reason) => return Ok(Some((*operation, Ruling::refused(reason.as_str())))),
        };
        if let Some(mistakes) = self.mistakes(operation, document, (said, *outside)) {
            return Ok(Some((*operation, Ruling::refused(mistakes))));
        }
        let shown = self.standard.shown(&request.headers);
        let batch = said.get("batch.id").or_else(|| shown.get("batch.id").map(String::as_str));
        let scene = Scene {
            standard: &self.standard,
            operation,
            said,
            document,
            text,
            batch,
            county,
            keep: self.keep,
            now,
        };
        Ok(Some((*operation, scene.act()?)))
    }

    /// What is wrong with a message by its own table; no content of it.
    fn mistakes(
        &self,
        operation: &Operation,
        document: Option<&Document>,
        (said, outside): (&Said, Outside<'_>),
    ) -> Option<String> {
        let wants_body = operation.body == "message"
            && self
                .standard
                .sample(&operation.name)
                .is_some_and(|sample| !sample.payload.is_empty());
        if document.is_none() && wants_body {
            return Some("body is missing".to_owned());
        }
        let lacks = document.map(|it| self.standard.check(&operation.name, it));
        let more = self.standard.misspoken(operation, document, said, outside);
        let told = lacks.iter().flatten().chain(&more).take(TOLD);
        let told: Vec<String> =
            told.map(|lack| format!("{}: {}", lack.path, lack.rule.as_str())).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Whether an operation is the one that a message names, where several share an address.
fn is_meant(operation: &Operation, said: &Said) -> bool {
    let verb = operation.name.rsplit('.').next().unwrap_or_default();
    let action = said.get("batch.action").is_none_or(|it| it == verb);
    let kind = said.get("object.kind").zip(operation.kind);
    action && kind.is_none_or(|(said, kind)| said == kind.as_str())
}

/// A believed request and whose it is.
pub(super) struct Scene<'a> {
    pub(super) standard: &'a Standard,
    pub(super) operation: &'a Operation,
    pub(super) said: &'a Said,
    pub(super) document: Option<&'a Document>,
    /// The body as text, for digests over it; empty where it is no UTF-8.
    pub(super) text: &'a str,
    /// The name of the batch that it is, or that it asks about.
    pub(super) batch: Option<&'a str>,
    pub(super) county: &'a County,
    pub(super) keep: Duration,
    pub(super) now: Timestamp,
}

impl Scene<'_> {
    /// Does what the operation is for. The names are the closed list of operations.
    fn act(&self) -> Result<Ruling, Error> {
        let name = self.operation.name.as_str();
        if let Some(ruling) = self.known()? {
            return Ok(ruling);
        }
        match name.split_once('.') {
            Some(("rows", "upsert" | "delete")) => rows::take(self),
            Some(("rows", "verdict")) => queries::verdicts(self),
            Some(("batch", "receipt")) => queries::receipt(self),
            Some(("inventory", "datasets")) => queries::datasets(self),
            Some(("inventory", "keys")) => queries::keys(self),
            Some(("inventory", "objects")) => queries::objects(self),
            Some((kind, "register")) => objects::register(self, kind),
            Some((kind, "modify")) => objects::modify(self, kind),
            Some((kind, "cancel")) => objects::cancel(self, kind),
            Some((kind, "state")) => objects::state(self, kind),
            None if name == "heartbeat" => Ok(Ruling::accepted(Says::default())),
            Some(_) | None => Ok(Ruling::refused("operation is not offered to counties")),
        }
    }

    /// The answer that was given under this name, if what is said is the same.
    fn known(&self) -> Result<Option<Ruling>, Error> {
        let Some(batch) = self.batch.filter(|_| !self.operation.is_question()) else {
            return Ok(None);
        };
        let Some(known) = self.county.store.batch(batch)? else { return Ok(None) };
        if known.digest != self.digest() {
            return Ok(Some(Ruling::refused("batch id carries another payload already")));
        }
        Ok(Some(Ruling::accepted(queries::told(&known))))
    }

    /// Digest of what is said, whenever it is sent.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut feed = |parts: &[&str]| {
            for part in parts {
                context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                context.update(part.as_bytes());
            }
        };
        feed(&[&self.operation.name]);
        let is_said =
            |word: &str| !word.starts_with("attempt.") && !word.starts_with("credential.");
        for (word, text) in self.said.words.iter().filter(|(word, _)| is_said(word)) {
            feed(&[word, text]);
        }
        for item in &self.said.items {
            feed(&["item"]);
            item.iter().for_each(|(word, text)| feed(&[word, text]));
        }
        let rows = self.document.and_then(|it| self.standard.rows_in(self.operation, it));
        for node in rows.into_iter().flatten() {
            feed_node(node, &mut feed);
        }
        let mut digest = [0; 32];
        digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        digest
    }

    /// Rows are noted as sent now.
    pub(super) fn sent_rows(&self) {
        self.county.last_batch_us.store(self.now.as_microsecond(), Ordering::Relaxed);
    }
}

fn feed_node(node: &Node, feed: &mut impl FnMut(&[&str])) {
    feed(&[&node.name, node.value().unwrap_or("\u{0}"), "("]);
    for child in &node.children {
        feed_node(child, feed);
    }
    feed(&[")"]);
}

impl CountySettings {
    /// So many requests may come at once after a pause.
    fn burst(&self) -> f64 {
        f64::from(self.requests_per_second.get()) * 2.0
    }
}

impl County {
    fn standing(&self) -> Result<Standing, Error> {
        let held = self.store.held()?;
        let at = |of: &AtomicI64| {
            let at = of.load(Ordering::Relaxed);
            (at > 0).then(|| Timestamp::from_microsecond(at).ok()).flatten()
        };
        Ok(Standing {
            county: self.settings.id.clone(),
            title: self.settings.title.clone(),
            region: self.settings.region.clone(),
            rows_waiting: self.waiting.load(Ordering::Relaxed),
            rows_held: held.rows,
            bytes_held: held.bytes,
            last_batch: at(&self.last_batch_us),
            refused: self.refused.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
            refused_at: at(&self.refused_us),
            busy_at: at(&self.busy_us),
        })
    }
}

impl Shelf for County {
    fn rows(&self, table: &str, after_us: i64, limit: usize) -> Result<Vec<ShelfRow>, String> {
        let found = self.store.since(table, after_us, limit);
        found.map_err(|error| crate::telemetry::logs::Chain(&error).to_string())
    }

    fn objects(&self) -> Result<Vec<ShelfObject>, String> {
        let found = objects::standing(self);
        found.map_err(|error| crate::telemetry::logs::Chain(&error).to_string())
    }
}

/// Kept words as the city's catalogue takes them.
pub(super) fn shelved(words: Words) -> ShelfObject {
    ShelfObject { words: words.of, items: words.items }
}
