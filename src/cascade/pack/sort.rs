//! Naming and sorting the rows of a page: which are due, and what became of the others.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::super::Error;
use super::super::carrier::Carrier;
use crate::delivery::Lane;
use crate::ledger::sent::{Known, Mark, Place};
use crate::ledger::{Ledger, PassKind};
use crate::row::{Cell, KeyDigest, Page, RowHash, key_text};

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
    let rows = page
        .rows()
        .map(|row| {
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
    NamedPage { page, rows, texts }
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
    /// Newest pending batches that share a key with a due row.
    pub(super) after: BTreeMap<usize, u64>,
}

/// Sorts the rows of a page. `rejected` are the versions of its keys that stand rejected.
/// Blocking: looks into the sorted runs.
pub(in crate::cascade) fn sort(
    carrier: &Carrier,
    named: &NamedPage,
    rejected: &[(KeyDigest, RowHash)],
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
    let mut sorter =
        Sorter { reading, rejected, sorted: Sorted::default(), latest: HashMap::new() };
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
    sorted: Sorted,
    /// Lanes: the place of each key's newest row on this page, and whether it is due.
    latest: HashMap<KeyDigest, (usize, bool)>,
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
        if let Reading::Lane(_) = self.reading
            && let Some((_, due)) = self.latest.get(&row.key)
        {
            // Two rows of one key on a page: the later one is the newer version.
            self.sorted.coalesced += u64::from(*due);
            let key = row.key;
            let rows = &mut self.sorted.due;
            if let Some((older, true)) = self.latest.get(&key) {
                rows.retain(|place| place != older);
            }
        }
        let fate = self.fate(row, mark, known);
        self.latest.insert(row.key, (at, fate == Fate::Due));
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

    fn fate(&self, row: &Named, mark: Mark, known: Option<Known>) -> Fate {
        let in_pass = matches!(self.reading, Reading::Pass(_));
        if self.stands_rejected(row) {
            let again = self.judges_anew() && mark != Mark::Again;
            return if again { Fate::Due } else { Fate::Unchanged };
        }
        if self.reading == Reading::Pass(PassKind::Rejected) {
            // Only keys that stand rejected are judged anew, with whatever content they have now.
            let stands = self.rejected.contains_key(&row.key);
            return if stands && mark != Mark::Again { Fate::Due } else { Fate::Unchanged };
        }
        let same = known.is_some_and(|known| known.row == row.row && !known.deleting);
        if in_pass && mark == Mark::Again {
            let newer = known.is_none_or(|known| known.version_ms < row.version_ms);
            return match (same, row.version_ms > 0) {
                (true, _) => Fate::Coalesced,
                (false, true) if newer => Fate::Due,
                (false, true) => Fate::Skipped,
                (false, false) => Fate::Repeated,
            };
        }
        if same {
            let resend = self.reading == Reading::Pass(PassKind::Resend);
            return if resend { Fate::Due } else { Fate::Unchanged };
        }
        let older = known.is_some_and(|known| {
            row.version_ms > 0 && known.version_ms > row.version_ms && !known.deleting
        });
        if older { Fate::Skipped } else { Fate::Due }
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
