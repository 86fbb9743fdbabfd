//! Naming and sorting the rows of a page: which are due, and what became of the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::super::Error;
use super::super::carrier::Carrier;
use crate::delivery::Lane;
use crate::ledger::sent::{Known, Mark, Place};
use crate::ledger::{Ledger, PassKind};
use crate::row::{Cell, DigestMap, KeyDigest, Page, RowHash, key_text};

/// The reading a page comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cascade) enum Reading {
    /// A lane of a dataset with a time column.
    Lane(Lane),
    /// A pass over the whole table or a part.
    Pass(PassKind),
}

impl Reading {
    pub(in crate::cascade) fn lane(self) -> Lane {
        match self {
            Self::Lane(lane) => lane,
            Self::Pass(_) => Lane::Backfill,
        }
    }
}

/// One row of a page, named.
#[derive(Clone, Debug)]
pub(in crate::cascade) struct Named {
    pub(in crate::cascade) key: KeyDigest,
    pub(in crate::cascade) row: RowHash,
    pub(in crate::cascade) version_ms: u64,
    pub(super) text: Range<usize>,
    pub(super) keyless: bool,
}

/// A page whose rows are named.
#[derive(Debug)]
pub(in crate::cascade) struct NamedPage {
    pub(in crate::cascade) page: Page,
    pub(in crate::cascade) rows: Vec<Named>,
    /// A row's key, or a part of it, could not be read.
    pub(in crate::cascade) unreadable: bool,
    pub(super) texts: String,
}

/// Names every row of a page. Blocking, CPU only.
pub(in crate::cascade) fn name(carrier: &Carrier, ledger: &Ledger, page: Page) -> NamedPage {
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
pub(in crate::cascade) fn instant_of(carrier: &Carrier, text: &str) -> Option<Timestamp> {
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
pub(in crate::cascade) struct Sorted {
    /// Places of due rows in the page.
    pub(super) due: Vec<usize>,
    /// Places of rows whose key was met before in this pass with other content.
    pub(super) repeated: Vec<usize>,
    pub(super) coalesced: u64,
    pub(super) skipped: u64,
    /// Of the due rows, those that the province holds just so.
    pub(super) resent: u64,
    /// Newest pending batches that share a key with a due row.
    pub(super) after: BTreeMap<usize, u64>,
    /// The coalesced version before a due row: it goes where the newer one is turned away.
    pub(super) older: HashMap<usize, usize>,
}

/// Sorts the rows of a page. `rejected` are the versions of its keys that stand rejected, `repeats`
/// those of them that stood aside for another row of their key.
/// Blocking: looks into the sorted runs.
pub(in crate::cascade) fn sort(
    carrier: &Carrier,
    named: &NamedPage,
    rejected: &[(KeyDigest, RowHash)],
    repeats: HashSet<(KeyDigest, RowHash)>,
    reading: Reading,
) -> Result<Sorted, Error> {
    let rows = named.rows.iter().enumerate().filter(|(_, row)| !row.keyless);
    let mut order: Vec<(KeyDigest, usize)> = rows.map(|(at, row)| (row.key, at)).collect();
    order.sort_unstable();
    let keys: Vec<KeyDigest> = order.iter().map(|(key, _)| *key).collect();
    let known: Vec<(Mark, Option<Known>)> = {
        let mut index = carrier.index();
        match reading {
            Reading::Pass(_) if index.in_pass() => index.mark(&keys)?,
            Reading::Pass(_) | Reading::Lane(_) => {
                index.lookup(&keys)?.into_iter().map(|known| (Mark::First, known)).collect()
            }
        }
    };
    let rejected: DigestMap<Vec<RowHash>> =
        rejected.iter().fold(DigestMap::default(), |mut map, (key, row)| {
            map.entry(*key).or_default().push(*row);
            map
        });
    let mut marks = vec![None; named.rows.len()];
    for ((_, at), mark) in order.into_iter().zip(known) {
        if let Some(place) = marks.get_mut(at) {
            *place = Some(mark);
        }
    }
    let sorted = Sorted::default();
    let mut sorter = Sorter { reading, rejected, repeats, sorted, met: DigestMap::default() };
    for ((at, row), mark) in named.rows.iter().enumerate().zip(marks) {
        match mark {
            Some((mark, known)) => sorter.take(at, row, mark, known),
            None => sorter.keyless(at, row),
        }
    }
    Ok(sorter.finish())
}

struct Sorter {
    reading: Reading,
    rejected: DigestMap<Vec<RowHash>>,
    repeats: HashSet<(KeyDigest, RowHash)>,
    sorted: Sorted,
    /// Each key's row on this page that stands: the newest, or the first where none is newer.
    met: DigestMap<Met>,
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
            // Of two rows of one key the later one is the newer version; one that stands rejected
            // stands for nothing.
            Reading::Lane(_) => fate != Fate::Unchanged || !self.stands_rejected(row),
            Reading::Pass(_) => met.is_none() || fate == Fate::Due,
        };
        if stands {
            if let Some(older) = met.filter(|met| met.due) {
                self.sorted.coalesced += 1;
                self.sorted.due.retain(|place| *place != older.at);
                if older.row != row.row {
                    self.sorted.older.insert(at, older.at);
                }
            }
            let due = fate == Fate::Due;
            let version_ms = row.version_ms;
            self.met.insert(row.key, Met { at, row: row.row, version_ms, due });
        }
        match fate {
            Fate::Due => {
                self.sorted.due.push(at);
                let is_held = known.is_some_and(|it| it.row == row.row && !it.deleting);
                self.sorted.resent += u64::from(is_held);
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
