//! From a page of rows to durable batches: what is due is checked, encoded, sealed into the spool,
//! and told to the ledger in one observation.
//!
//! Checking and encoding happen in one step over one buffer, so nothing that was not found valid
//! can be sent. What becomes of a row:
//!
//! * its key is held above, or on its way, with this very content: *unchanged*;
//! * the same key comes again on the page with a newer version: the older is *coalesced*;
//! * the province was sent a newer version already: *skipped*;
//! * the same key was met before in a whole reading and the contents differ: *rejected* under
//!   `unique`, the first stands, and once it is gone from the city the next one does; where rows
//!   have a change time the newest stands;
//! * otherwise it is *due*: packed, or rejected with every rule it breaks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Error;
use super::carrier::{Carrier, Files, Mount};
use super::parcel::Parcel;
use crate::checks;
use crate::delivery::{
    Action, BatchId, BatchOrigin, DigestSha256, Evidence, Lane, RejectKind, Subject,
};
use crate::ledger::manifest::{ManifestRow, Original};
use crate::ledger::seal::Purpose;
use crate::ledger::sent::{Known, Mark, Place};
use crate::ledger::{Finding, Ledger, NewBatch, NewReject, PassKind, REPEATED_KEY};
use crate::row::{Cell, KeyDigest, Page, Row, RowHash, key_text};
use crate::standard::{BatchScope, Scope, Standard};
use crate::wire::RowPlan;

/// The reading a page comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// A lane of a dataset with a time column.
    Lane(Lane),
    /// A pass over the whole table or a part.
    Pass(PassKind),
}

impl Reading {
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Lane(lane) => lane,
            Self::Pass(_) => Lane::Backfill,
        }
    }
}

/// One row of a page, named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) key: KeyDigest,
    pub(super) row: RowHash,
    pub(super) version_ms: u64,
    text: Range<usize>,
    keyless: bool,
}

/// A page whose rows are named.
#[derive(Debug)]
pub(super) struct NamedPage {
    pub(super) page: Page,
    pub(super) rows: Vec<Named>,
    /// A row's key, or a part of it, could not be read.
    pub(super) unreadable: bool,
    texts: String,
}

/// Names every row of a page. Blocking, CPU only.
pub(super) fn name(carrier: &Carrier, ledger: &Ledger, page: Page) -> NamedPage {
    let keyer = &ledger.identity().keyer;
    let dataset = &carrier.dataset;
    let time = match dataset.change {
        crate::city::Change::TimeColumn { column, .. } => Some(column),
        crate::city::Change::Files | crate::city::Change::Full => None,
    };
    let mut texts = String::new();
    let mut unreadable = false;
    let rows = page
        .rows()
        .map(|row| {
            unreadable |= dataset.key.iter().any(|at| matches!(row.cell(*at), Cell::Malformed(_)));
            let start = texts.len();
            let any = key_text(row, &dataset.key, &mut texts);
            let text = start..texts.len();
            Named {
                key: keyer.key(texts.get(text.clone()).unwrap_or_default()),
                row: keyer.row(row),
                version_ms: time.map_or(0, |column| version(carrier, row.cell(column))),
                text,
                keyless: !any,
            }
        })
        .collect();
    NamedPage { page, rows, unreadable, texts }
}

/// The instant of a canonical date or time in the dataset's zone.
pub(super) fn instant_of(carrier: &Carrier, text: &str) -> Option<Timestamp> {
    let time = text.parse::<DateTime>().ok().or_else(|| {
        Some(text.parse::<jiff::civil::Date>().ok()?.to_datetime(jiff::civil::Time::MIN))
    })?;
    carrier.dataset.zone.to_timestamp(time).ok()
}

fn version(carrier: &Carrier, cell: Cell<'_>) -> u64 {
    cell.text()
        .and_then(|text| instant_of(carrier, text))
        .and_then(|at| u64::try_from(at.as_millisecond()).ok())
        .unwrap_or(0)
}

/// What is due of a page, and what became of the rest.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Places of due rows in the page.
    due: Vec<usize>,
    /// Places of rows whose key was met before in this pass with other content.
    repeated: Vec<usize>,
    coalesced: u64,
    skipped: u64,
    /// Newest pending batches that share a key with a due row.
    after: BTreeMap<usize, u64>,
}

/// Sorts the rows of a page. `rejected` are the versions of its keys that stand rejected, `repeats`
/// those of them that stood aside for another row of their key.
/// Blocking: looks into the sorted runs.
pub(super) fn sort(
    carrier: &Carrier,
    named: &NamedPage,
    rejected: &[(KeyDigest, RowHash)],
    repeats: HashSet<(KeyDigest, RowHash)>,
    reading: Reading,
) -> Result<Sorted, Error> {
    let mut order: Vec<usize> = (0..named.rows.len()).collect();
    order.retain(|at| named.rows.get(*at).is_some_and(|row| !row.keyless));
    order.sort_by_key(|at| (named.rows.get(*at).map(|row| row.key), *at));
    let keys: Vec<KeyDigest> =
        order.iter().filter_map(|at| named.rows.get(*at)).map(|row| row.key).collect();
    let known: Vec<(Mark, Option<Known>)> = {
        let mut index = carrier.index();
        match reading {
            Reading::Pass(_) if index.in_pass() => index.mark(&keys)?,
            Reading::Pass(_) | Reading::Lane(_) => {
                index.lookup(&keys)?.into_iter().map(|known| (Mark::First, known)).collect()
            }
        }
    };
    let rejected: HashMap<KeyDigest, Vec<RowHash>> =
        rejected.iter().fold(HashMap::new(), |mut map, (key, row)| {
            map.entry(*key).or_default().push(*row);
            map
        });
    let mut marks = HashMap::with_capacity(order.len());
    for (at, mark) in order.into_iter().zip(known) {
        marks.insert(at, mark);
    }
    let sorted = Sorted::default();
    let mut sorter = Sorter { reading, rejected, repeats, sorted, met: HashMap::new() };
    for (at, row) in named.rows.iter().enumerate() {
        match marks.get(&at) {
            Some((mark, known)) => sorter.take(at, row, *mark, *known),
            None => sorter.keyless(at, row),
        }
    }
    Ok(sorter.finish())
}

struct Sorter {
    reading: Reading,
    rejected: HashMap<KeyDigest, Vec<RowHash>>,
    repeats: HashSet<(KeyDigest, RowHash)>,
    sorted: Sorted,
    /// Each key's row on this page that stands: the newest, or the first where none is newer.
    met: HashMap<KeyDigest, Met>,
}

/// A row of the page that stands for its key.
#[derive(Clone, Copy, Debug)]
struct Met {
    at: usize,
    row: RowHash,
    version_ms: u64,
    due: bool,
}

impl Sorter {
    fn stands_rejected(&self, row: &Named) -> bool {
        self.rejected.get(&row.key).is_some_and(|rows| rows.contains(&row.row))
    }

    fn keyless(&mut self, at: usize, row: &Named) {
        if !self.stands_rejected(row) || self.judges_anew() {
            self.sorted.due.push(at);
        }
    }

    fn judges_anew(&self) -> bool {
        matches!(self.reading, Reading::Pass(PassKind::Rejected | PassKind::Resend))
    }

    fn take(&mut self, at: usize, row: &Named, mark: Mark, known: Option<Known>) {
        let met = self.met.get(&row.key).copied();
        let fate = match self.reading {
            Reading::Lane(_) => self.fate(row, known),
            Reading::Pass(_) if mark == Mark::Again || met.is_some() => {
                self.fate_again(row, met, known)
            }
            Reading::Pass(_) => self.fate(row, known),
        };
        let stands = match self.reading {
            // Of two rows of one key the later one is the newer version.
            Reading::Lane(_) => true,
            Reading::Pass(_) => met.is_none() || fate == Fate::Due,
        };
        if stands {
            if let Some(older) = met.filter(|met| met.due) {
                self.sorted.coalesced += 1;
                self.sorted.due.retain(|place| *place != older.at);
            }
            let due = fate == Fate::Due;
            let version_ms = row.version_ms;
            self.met.insert(row.key, Met { at, row: row.row, version_ms, due });
        }
        match fate {
            Fate::Due => {
                self.sorted.due.push(at);
                if let Some(Known { place: Place::Pending { batch }, .. }) = known {
                    self.sorted.after.insert(at, batch);
                }
            }
            Fate::Repeated => self.sorted.repeated.push(at),
            Fate::Coalesced => self.sorted.coalesced += 1,
            Fate::Skipped => self.sorted.skipped += 1,
            Fate::Unchanged => {}
        }
    }

    /// Of a row whose key this reading meets for the first time, or of any row of a lane.
    fn fate(&self, row: &Named, known: Option<Known>) -> Fate {
        let rejected = self.stands_rejected(row);
        // A row that stood aside for another of its key stands for itself once that one is gone.
        let alone =
            matches!(self.reading, Reading::Pass(_)) && self.repeats.contains(&(row.key, row.row));
        if rejected && !alone {
            return if self.judges_anew() { Fate::Due } else { Fate::Unchanged };
        }
        if self.reading == Reading::Pass(PassKind::Rejected) {
            // Only keys that stand rejected are judged anew, with whatever content they have now.
            let stands = self.rejected.contains_key(&row.key);
            return if stands { Fate::Due } else { Fate::Unchanged };
        }
        if known.is_some_and(|known| known.row == row.row && !known.deleting) {
            let resend = self.reading == Reading::Pass(PassKind::Resend);
            return if resend { Fate::Due } else { Fate::Unchanged };
        }
        let older = known.is_some_and(|known| {
            row.version_ms > 0 && known.version_ms > row.version_ms && !known.deleting
        });
        match (older, self.reading) {
            (false, _) => Fate::Due,
            (true, Reading::Lane(_)) => Fate::Skipped,
            // The lanes have counted it; a reading of the whole meets it every time.
            (true, Reading::Pass(_)) => Fate::Unchanged,
        }
    }

    /// Of a further row of a key that this reading has met: `met` where that was on this page.
    fn fate_again(&self, row: &Named, met: Option<Met>, known: Option<Known>) -> Fate {
        if self.reading == Reading::Pass(PassKind::Rejected) {
            return Fate::Unchanged;
        }
        let known = known.filter(|known| !known.deleting);
        let standing = match met {
            Some(met) => Some((met.row, met.version_ms, met.due)),
            None => known.map(|known| (known.row, known.version_ms, false)),
        };
        let in_force = known.is_some_and(|known| known.row == row.row);
        match standing {
            Some((same, _, due)) if same == row.row => {
                if due {
                    Fate::Coalesced
                } else {
                    Fate::Unchanged
                }
            }
            _ if row.version_ms == 0 && self.stands_rejected(row) => Fate::Unchanged,
            _ if row.version_ms == 0 => Fate::Repeated,
            Some((_, version_ms, due)) if version_ms >= row.version_ms => {
                if due {
                    Fate::Coalesced
                } else {
                    Fate::Unchanged
                }
            }
            _ if in_force || self.stands_rejected(row) => Fate::Unchanged,
            _ => Fate::Due,
        }
    }

    fn finish(self) -> Sorted {
        self.sorted
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Unchanged,
    Coalesced,
    Skipped,
    Repeated,
    Due,
}

/// What a page led to, durable in the spool and not yet in the ledger.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) batches: Vec<(NewBatch, Vec<ManifestRow>)>,
    pub(super) rejects: Vec<NewReject>,
    pub(super) mended: Vec<KeyDigest>,
    pub(super) replayed: Vec<(KeyDigest, RowHash)>,
    pub(super) coalesced: u64,
    pub(super) skipped: u64,
    pub(super) newest_content: Option<Timestamp>,
    pub(super) tally: Option<checks::Tally>,
}

/// What packing needs beside the rows.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    pub(super) carrier: &'a Carrier,
    pub(super) standard: &'a Standard,
    pub(super) mount: &'a Mount,
    pub(super) ledger: &'a Ledger,
    pub(super) files: &'a Files,
    pub(super) lane: Lane,
    pub(super) now: Timestamp,
}

/// Rows being gathered into a batch.
#[derive(Debug, Default)]
struct Load {
    encoded: Vec<u8>,
    ends: Vec<u32>,
    manifest: Vec<ManifestRow>,
    after: BTreeSet<u64>,
    content_at: Option<Timestamp>,
}

impl Cutter<'_> {
    /// Checks, encodes and spools what is due of a page. Blocking. On an error the files written
    /// so far are removed: the ledger does not name them.
    pub(super) fn pack(
        &self,
        named: &NamedPage,
        sorted: &Sorted,
        rejected: &[(KeyDigest, RowHash)],
    ) -> Result<Packed, Error> {
        let mut packed =
            Packed { coalesced: sorted.coalesced, skipped: sorted.skipped, ..Packed::default() };
        let result = self.fill(named, sorted, rejected, &mut packed);
        if let Err(error) = result {
            for (batch, _) in &packed.batches {
                // What cannot be removed now is removed at the next start.
                drop(self.files.spool.remove(&batch.id.to_string()));
            }
            return Err(error);
        }
        Ok(packed)
    }

    fn fill(
        &self,
        named: &NamedPage,
        sorted: &Sorted,
        rejected: &[(KeyDigest, RowHash)],
        packed: &mut Packed,
    ) -> Result<(), Error> {
        let carrier = self.carrier;
        let mut taken = |_rule, _digest| false;
        let keyer = self.ledger.identity().keyer.clone();
        let mut pass = checks::Pass::new(&carrier.rules, self.now, &carrier.dataset.zone)
            .judged_by(&keyer, &mut taken);
        let mut violations = Vec::new();
        let mut load = Load::default();
        for at in &sorted.due {
            let (Some(name), Some(row)) = (named.rows.get(*at), named.page.row(*at)) else {
                continue;
            };
            violations.clear();
            let valid = carrier.rules.check(row, &mut pass, &mut violations);
            let mut findings: Vec<Finding> =
                violations.iter().map(|violation| self.finding(*violation)).collect();
            if name.keyless && findings.is_empty() {
                findings.push(self.finding_at("required", carrier.dataset.key.first().copied()));
            }
            let text = named.texts.get(name.text.clone()).unwrap_or_default();
            if let Some(valid) = valid.filter(|_| findings.is_empty()) {
                match load.take(&self.mount.upsert, valid.row(), text) {
                    Ok(()) => self.loaded(&mut load, named, *at, sorted, rejected, packed),
                    Err(column) => findings.push(self.finding_at("control-character", column)),
                }
            }
            if !findings.is_empty() {
                packed.rejects.push(self.reject(name, row, findings)?);
            }
            if self.is_full(&load) {
                self.close(&mut load, Action::Upsert, packed)?;
            }
        }
        self.close(&mut load, Action::Upsert, packed)?;
        for at in &sorted.repeated {
            if let (Some(name), Some(row)) = (named.rows.get(*at), named.page.row(*at)) {
                let column = carrier.dataset.key.first().copied();
                let finding = self.finding_at(REPEATED_KEY, column);
                packed.rejects.push(self.reject(name, row, vec![finding])?);
            }
        }
        packed.tally = Some(pass.into_tally());
        Ok(())
    }

    /// A row was encoded: it is named in the batch's manifest.
    fn loaded(
        &self,
        load: &mut Load,
        named: &NamedPage,
        at: usize,
        sorted: &Sorted,
        rejected: &[(KeyDigest, RowHash)],
        packed: &mut Packed,
    ) {
        let (Some(name), Some(row)) = (named.rows.get(at), named.page.row(at)) else { return };
        let text = named.texts.get(name.text.clone()).unwrap_or_default();
        load.manifest.push(ManifestRow {
            key: name.key,
            row: name.row,
            version_ms: name.version_ms,
            original: Original { key_text: text.to_owned(), ..Original::default() },
        });
        load.after.extend(sorted.after.get(&at));
        let content = self
            .carrier
            .dataset
            .business_time
            .and_then(|column| instant_of(self.carrier, row.cell(column).text()?))
            .filter(|at| *at <= self.now);
        load.content_at = load.content_at.max(content);
        packed.newest_content = packed.newest_content.max(content);
        for (key, version) in rejected.iter().filter(|(key, _)| *key == name.key) {
            if *version == name.row {
                packed.replayed.push((*key, *version));
            } else {
                packed.mended.push(*key);
            }
        }
    }

    /// Packs deletions of rows that are held above and gone from the city. Blocking.
    pub(super) fn delete(&self, gone: &[(KeyDigest, Original, Known)]) -> Result<Packed, Error> {
        let mut packed = Packed::default();
        let Some(plan) = &self.mount.delete else { return Ok(packed) };
        let mut load = Load::default();
        let width = self.carrier.dataset.columns.len();
        for (key, original, known) in gone {
            let page = key_row(width, &self.carrier.dataset.key, &original.key_text);
            let Some(row) = page.row(0) else { continue };
            if load.take(plan, row, &original.key_text).is_err() {
                continue;
            }
            load.manifest.push(ManifestRow {
                key: *key,
                row: known.row,
                version_ms: known.version_ms,
                original: original.clone(),
            });
            if let Place::Pending { batch } = known.place {
                load.after.insert(batch);
            }
            if self.is_full(&load) {
                self.close(&mut load, Action::Delete, &mut packed)?;
            }
        }
        self.close(&mut load, Action::Delete, &mut packed)?;
        Ok(packed)
    }

    fn is_full(&self, load: &Load) -> bool {
        let limits = &self.standard.settings().limits;
        let rows = limits.rows.map_or(DEFAULT_ROWS, |rows| rows as usize);
        let bytes = limits
            .bytes
            .map_or(DEFAULT_BYTES, |bytes| usize::try_from(bytes).unwrap_or(DEFAULT_BYTES));
        // A margin for the envelope and for the row that comes next.
        let next = load.encoded.len() / load.ends.len().max(1) * 2;
        load.ends.len() >= rows || load.encoded.len() + next + ENVELOPE_BYTES >= bytes
    }

    /// Makes a batch of what is loaded and makes it durable.
    fn close(&self, load: &mut Load, action: Action, packed: &mut Packed) -> Result<(), Error> {
        if load.ends.is_empty() {
            return Ok(());
        }
        let load = std::mem::take(load);
        let after = self.pending_batches(&load.after, packed);
        let cut = Cut {
            encoded: &load.encoded,
            ends: load.ends,
            manifest: load.manifest,
            action,
            after,
            parent: None,
            content_at: load.content_at,
        };
        let (batch, manifest) = self.seal(cut)?;
        packed.batches.push((batch, manifest));
        Ok(())
    }

    /// Ordinals of older batches as their names, those packed from this page among them.
    fn pending_batches(&self, ordinals: &BTreeSet<u64>, packed: &Packed) -> Vec<BatchId> {
        let mut ids: Vec<BatchId> = packed
            .batches
            .iter()
            .filter(|(batch, _)| ordinals.contains(&batch.ordinal))
            .map(|(batch, _)| batch.id)
            .collect();
        ids.extend(self.ledger.names_of(ordinals).unwrap_or_default());
        ids
    }

    /// Builds, names and spools one batch. Blocking.
    pub(super) fn seal(&self, cut: Cut<'_>) -> Result<(NewBatch, Vec<ManifestRow>), Error> {
        let flow = &self.carrier.flow;
        let operation = match cut.action {
            Action::Upsert => "rows.upsert",
            Action::Delete => "rows.delete",
        };
        let rows = u32::try_from(cut.ends.len()).unwrap_or(u32::MAX);
        let scope = Scope {
            object: Some(&self.mount.object),
            upper_id: self.mount.upper_id.as_deref(),
            upper: self.mount.upper.clone(),
            dataset: Some(&flow.dataset),
            batch: BatchScope {
                id: None,
                rows: Some(rows),
                action: Some(cut.action),
                lane: Some(self.lane),
                encoded: cut.encoded,
                digest: Some(DigestSha256::of(cut.encoded)),
            },
            ..Scope::default()
        };
        let message = self.standard.build(operation, &scope).map_err(Error::lacks)?;
        let digest = message.payload.digest();
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        let parcel = Parcel::of_rows(message, cut.encoded, cut.ends);
        let ordinal = self.ledger.next_ordinal()?;
        let identity = self.ledger.identity();
        let id = BatchId::of(BatchOrigin {
            installation: &identity.installation,
            incarnation: identity.incarnation,
            channel: &flow.channel,
            subject: &flow.dataset,
            standard: self.standard.id(),
            ordinal,
            payload: &digest,
        });
        let owner = super::spool_owner(flow, self.lane);
        self.files
            .spool
            .write(&id.to_string(), owner, &parcel.to_bytes(), &cut.manifest)
            .map_err(crate::ledger::Error::from)?;
        crate::crash::point("payload-spooled");
        let evidence =
            self.standard.operation(operation).map_or(Evidence::Placed, |known| known.evidence);
        let batch = NewBatch {
            id,
            ordinal,
            channel: flow.channel.clone(),
            standard: self.standard.id().clone(),
            operation: operation.to_owned(),
            subject: Subject::Rows { dataset: flow.dataset.clone(), action: cut.action },
            lane: self.lane,
            rows,
            payload_bytes,
            payload_digest: digest,
            parent: cut.parent,
            after: cut.after,
            evidence,
            content_at: cut.content_at,
            deadline: super::deadline(self.standard, evidence, self.now),
        };
        Ok((batch, cut.manifest))
    }

    fn finding(&self, violation: checks::Violation) -> Finding {
        let rule = self.carrier.rules.rule(violation);
        let code = rule.map_or("unknown", |rule| rule.code.as_str());
        self.finding_at(code, violation.column.map(usize::from))
    }

    fn finding_at(&self, rule: &str, column: Option<usize>) -> Finding {
        let column = column.and_then(|column| self.carrier.dataset.columns.get(column));
        Finding { rule: rule.to_owned(), column: column.map(|column| column.name.clone()) }
    }

    fn reject(
        &self,
        name: &Named,
        row: Row<'_>,
        findings: Vec<Finding>,
    ) -> Result<NewReject, Error> {
        let cells: Vec<Option<&str>> = row.cells().map(Cell::text).collect();
        let original = serde_json::to_vec(&cells).map_err(|_unserializable| Error::Original)?;
        Ok(NewReject {
            key: name.key,
            row: name.row,
            kind: RejectKind::Local,
            findings,
            original: seal_original(self.files, &self.carrier.flow, name.key, &original)?,
        })
    }
}

/// Seals a row that was turned away; the key's digest ties it to its place.
pub(super) fn seal_original(
    files: &Files,
    flow: &crate::ledger::Flow,
    key: KeyDigest,
    original: &[u8],
) -> Result<Vec<u8>, Error> {
    let context = format!("{} {} {key}", flow.channel, flow.dataset);
    files
        .sealer
        .seal(Purpose::Reject, context.as_bytes(), original)
        .map_err(|error| Error::Ledger(error.into()))
}

/// What a batch is cut from.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    pub(super) encoded: &'a [u8],
    pub(super) ends: Vec<u32>,
    pub(super) manifest: Vec<ManifestRow>,
    pub(super) action: Action,
    pub(super) after: Vec<BatchId>,
    pub(super) parent: Option<BatchId>,
    pub(super) content_at: Option<Timestamp>,
}

/// Rows of a batch where the standard sets no limit.
const DEFAULT_ROWS: usize = 5_000;
/// Bytes of a batch where the standard sets no limit.
const DEFAULT_BYTES: usize = 4 << 20;
/// What an envelope is allowed to need beside the rows.
const ENVELOPE_BYTES: usize = 8 << 10;

impl Load {
    /// Appends a row; `Err` names the column that cannot be written.
    fn take(&mut self, plan: &RowPlan, row: Row<'_>, key: &str) -> Result<(), Option<usize>> {
        plan.append(row, key, &mut self.encoded).map_err(|unencodable| unencodable.column)?;
        self.ends.push(u32::try_from(self.encoded.len()).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// A row of which only the key is known.
fn key_row(width: usize, key: &[usize], text: &str) -> Page {
    let cells = crate::row::key_cells(text);
    let mut page = Page::new(width);
    for column in 0..width {
        let cell = key.iter().position(|place| *place == column).and_then(|at| cells.get(at));
        match cell.filter(|cell| !cell.is_empty()) {
            Some(cell) => page.push(cell),
            None => page.push_null(),
        }
    }
    // The row has exactly the page's width; a page that is left empty is skipped by its reader.
    if page.end_row().is_err() {
        page.clear();
    }
    page
}
