//! What a whole reading of a dataset proves beside the rows it sends: what is gone from the city.
//!
//! A version that stands rejected and was not met is no longer there, so its reject is over. A row
//! whose key could not be read may be any row: after such a reading nothing counts as gone.

use std::collections::HashSet;

use jiff::Timestamp;

use super::carrier::Carrier;
use super::pack::{NamedPage, Packed};
use super::{Error, Files};
use crate::checks::{Warning, Watching};
use crate::ledger::Ledger;
use crate::ledger::manifest::Original;
use crate::ledger::sent::{KeyRange, Known};
use crate::row::{KeyDigest, RowHash};

/// Below so many rows a deletion never needs an approval by its share.
pub(super) const FEW_ROWS: u64 = 20;
/// Deletions looked for at once.
pub(super) const GONE_ROWS: usize = 5_000;
/// The most rejected versions that are remembered; past it no reject is over by being absent.
const MOST_STANDING: usize = 1 << 18;

/// What one whole reading has met so far.
#[derive(Debug)]
pub(super) struct Whole {
    /// When it began: what was turned away since is not judged by it.
    pub(super) begun: Timestamp,
    standing: HashSet<(KeyDigest, RowHash)>,
    unreadable: bool,
    watching: Watching,
}

impl Whole {
    pub(super) fn begun(begun: Timestamp, watching: Watching) -> Self {
        Self { begun, standing: HashSet::new(), unreadable: false, watching }
    }

    /// A page of the reading itself, and not of the live lane in between.
    pub(super) fn read(&mut self, named: &NamedPage) {
        named.page.rows().for_each(|row| self.watching.met(row));
    }

    /// A page was read: `rejected` are the versions of its keys that stand rejected.
    pub(super) fn met(
        &mut self,
        named: &NamedPage,
        rejected: &[(KeyDigest, RowHash)],
        packed: &Packed,
    ) {
        self.unreadable |= named.unreadable;
        let rejected: HashSet<_> = rejected.iter().collect();
        let met = named.rows.iter().map(|row| (row.key, row.row));
        let again = packed.rejects.iter().map(|reject| (reject.key, reject.row));
        let standing = met.filter(|version| rejected.contains(version)).chain(again);
        let room = (MOST_STANDING + 1).saturating_sub(self.standing.len());
        self.standing.extend(standing.take(room));
    }

    /// Every row had a readable key, so a key that was not met is gone.
    pub(super) fn proves_absence(&self) -> bool {
        !self.unreadable
    }

    /// The versions that stand, `None` where there were too many to remember; and what is unusual.
    pub(super) fn into_parts(self) -> (Option<HashSet<(KeyDigest, RowHash)>>, Vec<Warning>) {
        let standing = (self.standing.len() <= MOST_STANDING).then_some(self.standing);
        (standing, self.watching.into_warnings())
    }
}

/// Rows of `range` that the pass did not meet, with what names them above. Blocking.
pub(super) fn gone_rows(
    carrier: &Carrier,
    files: &Files,
    names: &Ledger,
    range: KeyRange,
) -> Result<Vec<(KeyDigest, Original, Known)>, Error> {
    let index = carrier.index();
    let found = index.unseen(range, GONE_ROWS)?;
    let keys: Vec<KeyDigest> = found.iter().map(|(key, _)| *key).collect();
    let originals = index.originals(&keys, |ordinal| -> Result<_, Error> {
        let ids = names.names_of(&[ordinal].into())?;
        let Some(id) = ids.first() else { return Ok(Vec::new()) };
        Ok(files.spool.read_manifest(&id.to_string())?)
    })?;
    Ok(found
        .into_iter()
        .zip(originals)
        .filter_map(|((key, known), original)| Some((key, original?, known)))
        .collect())
}
