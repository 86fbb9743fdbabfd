//! From a page of rows to durable batches: what is due is checked, encoded, sealed into the spool,
//! and told to the ledger in one observation.
//!
//! Checking and encoding happen in one step over one buffer, so nothing that was not found valid
//! can be sent. What becomes of a row:
//!
//! * its key is held above, or on its way, with this very content: *unchanged*;
//! * the same key comes again on the page with a newer version: the older is *coalesced*, unless
//!   the newer is rejected: then the older goes, as it would from a page of its own;
//! * the province was sent a newer version already: *skipped*;
//! * the same key was met before in a whole reading and the contents differ: *rejected* under
//!   `unique`, the first stands, and once it is gone from the city the next one does; where rows
//!   have a change time the newest stands;
//! * otherwise it is *due*: packed, or rejected with every rule it breaks.

mod sort;

pub(super) use sort::{NamedPage, Reading, name, sort};

use std::cell::Cell as Slot;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use sort::{Named, Sorted, instant_of};

use super::Error;
use super::carrier::{Carrier, Files, Mount};
use super::parcel::Parcel;
use crate::checks;
use crate::delivery::{Action, BatchId, BatchOrigin, Evidence, Lane, RejectKind, Subject};
use crate::ledger::manifest::{ManifestRow, Original};
use crate::ledger::seal::Purpose;
use crate::ledger::sent::{Known, Place};
use crate::ledger::{Finding, Ledger, NewBatch, NewReject, REPEATED_KEY, UniqueValue};
use crate::row::{Cell, KeyDigest, Page, Row, RowHash};
use crate::standard::{BatchScope, Scope, Standard};
use crate::wire::RowPlan;

/// What a page led to, durable in the spool and not yet in the ledger.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) batches: Vec<(NewBatch, Vec<ManifestRow>)>,
    pub(super) rejects: Vec<NewReject>,
    pub(super) mended: Vec<KeyDigest>,
    pub(super) replayed: Vec<(KeyDigest, RowHash)>,
    pub(super) coalesced: u64,
    pub(super) skipped: u64,
    pub(super) resent: u64,
    pub(super) newest_content: Option<Timestamp>,
    pub(super) tally: Option<checks::Tally>,
    pub(super) unique: Vec<UniqueValue>,
    pub(super) freed: Vec<KeyDigest>,
    /// Rows that would have been packed, had anything been kept.
    pub(super) dry: u64,
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
    /// Nothing is packed, only judged: the daemon watches.
    pub(super) is_dry: bool,
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
        packed.resent = sorted.resent;
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
        let current = Slot::new(None);
        let mut values = Values::new(self, &current);
        let mut taken = |rule, digest| values.is_taken(rule, digest);
        let keyer = self.ledger.identity().keyer.clone();
        let mut pass = checks::Pass::new(&carrier.rules, self.now, &carrier.dataset.zone)
            .judged_by(&keyer, &mut taken);
        let mut violations = Vec::new();
        let mut load = Load::default();
        for newest in &sorted.due {
            let mut next = Some(*newest);
            while let Some(at) = next.take() {
                let (Some(name), Some(row)) = (named.rows.get(at), named.page.row(at)) else {
                    continue;
                };
                violations.clear();
                current.set(Some(name.key));
                let valid = carrier.rules.check(row, &mut pass, &mut violations);
                let mut findings: Vec<Finding> =
                    violations.iter().map(|violation| self.finding(*violation)).collect();
                if name.keyless && findings.is_empty() {
                    findings
                        .push(self.finding_at("required", carrier.dataset.key.first().copied()));
                }
                let text = named.texts.get(name.text.clone()).unwrap_or_default();
                if let Some(valid) = valid.filter(|_| findings.is_empty()) {
                    match load.take(&self.mount.upsert, valid.row(), text) {
                        Ok(()) => self.loaded(&mut load, named, at, sorted, rejected, packed),
                        Err(column) => findings.push(self.finding_at("control-character", column)),
                    }
                }
                if !findings.is_empty() {
                    packed.rejects.push(self.reject(name, row, findings)?);
                    // As if each version had come on a page of its own.
                    next = sorted.older.get(&at).copied();
                    packed.coalesced -= u64::from(next.is_some());
                }
                if self.is_full(&load) {
                    self.close(&mut load, Action::Upsert, packed)?;
                }
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
        packed.unique = values.held;
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
            packed.freed.push(*key);
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
        let rows = limits.batch_rows() as usize;
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
        if self.is_dry {
            packed.dry += u64::try_from(load.ends.len()).unwrap_or(u64::MAX);
            return Ok(());
        }
        let after = self.pending_batches(&load.after, packed);
        let cut = Cut {
            encoded: &load.encoded,
            ends: load.ends,
            manifest: load.manifest,
            action,
            after,
            parent: None,
            ordinal: None,
            content_at: load.content_at,
        };
        let (batch, manifest) = self.seal(cut)?;
        packed.batches.push((batch, manifest));
        Ok(())
    }

    /// Ordinals of older batches as their names, those packed from this page among them.
    fn pending_batches(&self, ordinals: &BTreeSet<u64>, packed: &Packed) -> Vec<BatchId> {
        if crate::crash::sabotaged("key-order") {
            return Vec::new();
        }
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
        let columns = self.mount.columns(cut.action);
        let ordinal = match cut.ordinal {
            Some(ordinal) => ordinal,
            // A tree of halves down to single rows has this many knots.
            None => self.ledger.next_ordinals(u64::from(rows) * 2)?,
        };
        let scope = Scope {
            object: Some(&self.mount.object),
            upper_id: self.mount.upper_id.as_deref(),
            upper: self.mount.upper.clone(),
            dataset: Some(&flow.dataset),
            dataset_key: Some(&self.mount.key).filter(|key| !key.is_empty()).map(String::as_str),
            dataset_columns: Some(&columns),
            batch: BatchScope {
                id: None,
                rows: Some(rows),
                action: Some(cut.action),
                lane: Some(self.lane),
                ordinal: Some(ordinal),
                packed: Some(self.now),
                encoded: cut.encoded,
            },
            ..Scope::default()
        };
        let message = self.standard.build(operation, &scope).map_err(Error::lacks)?;
        let digest = message.payload.digest();
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        let parcel = Parcel::of_rows(message, cut.encoded, cut.ends);
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

/// Who holds which value of a `unique` rule: the ledger knows of older pages, this of its own.
///
/// A rule over the key itself is not judged here: a repeated key is found by the reading.
struct Values<'a> {
    cutter: &'a Cutter<'a>,
    current: &'a Slot<Option<KeyDigest>>,
    held: Vec<UniqueValue>,
    here: HashMap<(u16, KeyDigest), KeyDigest>,
}

impl<'a> Values<'a> {
    fn new(cutter: &'a Cutter<'a>, current: &'a Slot<Option<KeyDigest>>) -> Self {
        Self { cutter, current, held: Vec::new(), here: HashMap::new() }
    }

    fn is_taken(&mut self, place: u16, value: KeyDigest) -> bool {
        let carrier = self.cutter.carrier;
        let (Some(rule), Some(key)) =
            (carrier.rules.rules().get(usize::from(place)), self.current.get())
        else {
            return false;
        };
        let of_key = |name: &String| {
            let column = carrier.dataset.columns.iter().position(|column| column.name == *name);
            column.is_some_and(|column| carrier.dataset.key.contains(&column))
        };
        if rule.columns.len() == carrier.dataset.key.len() && rule.columns.iter().all(of_key) {
            return false;
        }
        let known = self.here.get(&(place, value)).copied();
        let holder = known.or_else(|| {
            // A ledger that cannot be read fails the page when it is recorded.
            self.cutter.ledger.unique_holder(&carrier.flow, &rule.name, value).ok().flatten()
        });
        if holder.is_some_and(|holder| holder != key) {
            return true;
        }
        self.here.insert((place, value), key);
        self.held.push(UniqueValue { rule: rule.name.clone(), value, key });
        false
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
    /// A half's place in the order; `None` for the next.
    pub(super) ordinal: Option<u64>,
    pub(super) content_at: Option<Timestamp>,
}

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
