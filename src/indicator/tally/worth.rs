//! What data is worth (数据价值) as far as facts and lists tell: what never came to be used, and what
//! stands on the list twice.
//!
//! A use is stated, never guessed: an application that the province's tables say was granted, or a
//! row of a table that somebody answers for (`uses`, for an entry, resource or dataset and a month).
//! Our own probes and resyncs are no use. An entry repeats another where its rows are another's (the
//! same dataset), or where one department has two of the same title in one region; content is not
//! compared, because no fact holds it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Known, Stamp, Tally};
use crate::delivery::ChannelId;
use crate::indicator::lists::Obligation;
use crate::indicator::scheme::Month;

/// The name of the stated value that says how often something was used, and of the list that says
/// from when on uses are known.
pub const USES: &str = "uses";

/// Stated uses by month and by who stated them: the province's tables of a channel, or people.
pub(super) type Uses = BTreeMap<(Month, Option<ChannelId>), (Stamp, Decimal)>;

impl Tally<'_> {
    /// Uses of an entry, a resource or a dataset of the lists; false where it is none of them.
    pub(super) fn add_uses(
        &mut self,
        subject: &str,
        month: &str,
        (channel, stamp, value): (&Option<ChannelId>, Stamp, Decimal),
    ) -> bool {
        let Some(places) = self.places.get(subject) else { return false };
        let Some(month) = Month::parse(month).filter(|month| *month <= self.span.month) else {
            return true;
        };
        for (at, _) in places {
            let Some(known) = self.known.get_mut(*at) else { continue };
            let place = (month, channel.clone());
            if known.uses.get(&place).is_none_or(|(before, _)| *before < stamp) {
                known.uses.insert(place, (stamp.clone(), value));
            }
        }
        true
    }

    /// Whether somebody says that uses are known by this month: none stated is then none.
    pub(super) fn knows_uses(&self) -> bool {
        let mut kept = self.lists.cases.iter();
        kept.any(|kept| kept.list == USES && kept.since <= self.span.month)
    }
}

impl Known {
    pub(super) fn is_used(&self) -> bool {
        self.uses.values().any(|(_, value)| value.is_sign_positive() && !value.is_zero())
    }
}

/// Which obligations repeat one before them, in the order of their entries.
pub(super) fn repeated(obligations: &[Obligation]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..obligations.len()).collect();
    order.sort_by_key(|at| obligations.get(*at).map(|it| it.entry.as_str()));
    let (mut rows, mut titles) = (BTreeSet::new(), BTreeSet::new());
    let mut found = vec![false; obligations.len()];
    for at in order {
        let (Some(it), Some(is)) = (obligations.get(at), found.get_mut(at)) else { continue };
        let title: String = it.title.chars().filter(|it| !it.is_whitespace()).collect();
        let has_rows = !it.dataset.is_empty() && !rows.insert(it.dataset.as_str());
        let owner = (it.region.as_str(), it.department.as_str());
        *is = has_rows || (!title.is_empty() && !titles.insert((owner, title)));
    }
    found
}
