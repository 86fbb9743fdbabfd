//! What someone should look at, the worst first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::look::{ChannelLook, DatasetLook, Look};
use crate::checks::Warning;
use crate::control::protocol::{Attention, Trouble, Urgency};
use crate::delivery::{LinkState, RejectKind};
use crate::indicator::freshness::State;
use crate::ledger::{Flow, Scope};
use crate::province::FULL;

/// The most that are listed.
const MOST: usize = 200;
/// For how long a county's last turning away is told.
const COUNTY_TROUBLE: SignedDuration = SignedDuration::from_mins(10);

/// How bad, the worst first. Everything before [`Trouble::Refused`] asks for an act.
const ORDER: [Trouble; 16] = [
    Trouble::Full,
    Trouble::Overdue,
    Trouble::Unreachable,
    Trouble::Held,
    Trouble::Silent,
    Trouble::Drift,
    Trouble::Refused,
    Trouble::Unapproved,
    Trouble::Plain,
    Trouble::TakingOver,
    Trouble::County,
    Trouble::RejectedLocal,
    Trouble::RejectedAbove,
    Trouble::Mismatched,
    Trouble::Unusual,
    Trouble::Late,
];

fn rank(trouble: Trouble) -> usize {
    ORDER.iter().position(|known| *known == trouble).unwrap_or(ORDER.len())
}

fn urgency(trouble: Trouble) -> Urgency {
    if rank(trouble) < rank(Trouble::Refused) { Urgency::Error } else { Urgency::Warning }
}

/// Something about a subject without a title of its own.
fn about(trouble: Trouble, subject: &str, count: u64, since: Option<Timestamp>) -> Attention {
    Attention {
        urgency: urgency(trouble),
        trouble,
        subject: subject.to_owned(),
        title: subject.to_owned(),
        count,
        since,
        detail: String::new(),
    }
}

impl Look {
    /// What someone should look at, the worst first; bounded.
    pub(super) fn attention(&self) -> Vec<Attention> {
        let mut list = self.troubles();
        list.truncate(MOST);
        list
    }

    /// Everything someone should look at, the worst first: as many as there are troubles.
    pub(super) fn troubles(&self) -> Vec<Attention> {
        let mut list = Vec::new();
        if let Some(code) = self.paused() {
            let mut full = about(Trouble::Full, "spool", 1, None);
            code.clone_into(&mut full.detail);
            list.push(full);
        }
        for it in &self.datasets {
            self.about_dataset(it, &mut list);
        }
        self.about_channels(&mut list);
        for it in &self.interfaces {
            let Some((since, why)) = &it.silent else { continue };
            let mut silent = about(Trouble::Silent, &it.id, 1, Some(*since));
            silent.title = it.resource.clone();
            silent.detail.clone_from(why);
            list.push(silent);
        }
        for it in self.unapproved.iter() {
            let subject = it.list.named(&it.subject);
            let mut change = about(Trouble::Unapproved, &subject, 1, Some(it.at));
            change.detail =
                format!("{} {}: {} → {}", it.list.as_str(), it.matter.as_str(), it.from, it.to);
            list.push(change);
        }
        let titles: BTreeMap<&Flow, &DatasetLook> =
            self.datasets.iter().map(|it| (&it.flow, it)).collect();
        for (flow, kind, rule, count) in &self.rejects {
            let trouble = match kind {
                RejectKind::Local => Trouble::RejectedLocal,
                RejectKind::Refused | RejectKind::Failed => Trouble::RejectedAbove,
            };
            let mut rejected = about(trouble, &flow.dataset, *count, None);
            rejected.title = titles.get(flow).map_or_else(|| flow.dataset.clone(), |it| titled(it));
            rejected.detail.clone_from(rule);
            list.push(rejected);
        }
        list.sort_by_key(|it| (rank(it.trouble), Reverse(it.count), it.since));
        list
    }

    fn about_dataset(&self, it: &DatasetLook, list: &mut Vec<Attention>) {
        let mut push = |trouble, count, since, detail: &str| {
            let mut attention = about(trouble, &it.flow.dataset, count, since);
            attention.title = titled(it);
            detail.clone_into(&mut attention.detail);
            list.push(attention);
        };
        if let State::Overdue { since } = it.freshness.state {
            push(Trouble::Overdue, 1, Some(since), &it.dataset.cycle);
        }
        for warning in &it.warnings {
            let (count, detail) = match warning {
                Warning::Rose { before, now } => (*now, format!("rows {before} → {now} ↑")),
                Warning::Fell { before, now } => (*now, format!("rows {before} → {now} ↓")),
                Warning::OneValue { column, rows, of } => {
                    (*rows, format!("{column}: {rows} / {of}"))
                }
            };
            push(Trouble::Unusual, count, None, &detail);
        }
        let Some(state) = &it.state else { return };
        if let Some((code, since)) = &state.trouble {
            let full = matches!(code.as_str(), "disk-full" | "spool-full");
            let trouble = if full { Trouble::Full } else { Trouble::Unreachable };
            push(trouble, 1, Some(*since), code);
        }
        if state.mismatched > 0 {
            let at = state.last_reconciled_at;
            push(Trouble::Mismatched, state.mismatched, at, it.flow.channel.as_str());
        }
    }

    fn about_channels(&self, list: &mut Vec<Attention>) {
        for channel in self.channels.iter().filter(|it| it.is_plain) {
            list.push(about(Trouble::Plain, channel.id.as_str(), 1, None));
        }
        for channel in &self.channels {
            list.extend(self.about_files(channel));
        }
        for it in &self.takeovers {
            let mut open = about(Trouble::TakingOver, &it.asked.channel, 1, Some(it.since));
            open.detail = format!("{} {}", it.phase.as_str(), it.asked.kinds.join(" "));
            list.push(open);
        }
        for it in &self.counties {
            // What was long ago is over: a county that is right again is no trouble.
            let is_now = |at: &Option<Timestamp>| {
                at.is_some_and(|at| self.at.duration_since(at) < COUNTY_TROUBLE)
            };
            let kinds = [("refused", it.refused, it.refused_at), ("busy", it.busy, it.busy_at)];
            for (word, count, at) in kinds.iter().filter(|(_, _, at)| is_now(at)) {
                let mut county = about(Trouble::County, &it.county, *count, *at);
                county.title = format!("{} {}", it.title, it.region);
                (*word).clone_into(&mut county.detail);
                list.push(county);
            }
        }
        self.about_ferries(list);
        for hold in &self.holds {
            let subject = match &hold.scope {
                Scope::Channel => hold.channel.to_string(),
                scope @ (Scope::Operation(_) | Scope::Subject(_) | Scope::Standard(..)) => {
                    scope.subject()
                }
            };
            let mut held = about(Trouble::Held, &subject, hold.count, Some(hold.since));
            held.title = hold.channel.to_string();
            held.detail.clone_from(&hold.code);
            list.push(held);
        }
        for seen in &self.drift {
            let mut drift = about(Trouble::Drift, &seen.subject, seen.count, Some(seen.since));
            drift.title = seen.channel.to_string();
            drift.detail = format!("{} {}", seen.kind, seen.detail);
            list.push(drift);
        }
        for link in self.links.iter().filter(|it| it.wanted && it.state == LinkState::Refused) {
            let mut refused = about(Trouble::Refused, link.kind.as_str(), link.count, None);
            refused.title = link.channel.to_string();
            refused.detail = LinkState::Refused.as_str().to_owned();
            list.push(refused);
        }
        for late in &self.late {
            let mut waiting =
                about(Trouble::Late, late.channel.as_str(), late.count, Some(late.since));
            late.state.as_str().clone_into(&mut waiting.detail);
            list.push(waiting);
        }
        for late in &self.late_links {
            let mut waiting =
                about(Trouble::Late, late.kind.as_str(), late.count, Some(late.since));
            waiting.title = late.channel.to_string();
            late.state.as_str().clone_into(&mut waiting.detail);
            list.push(waiting);
        }
    }

    /// What a gap lost or lets nobody answer, and another side that nobody has accepted.
    fn about_ferries(&self, list: &mut Vec<Attention>) {
        for it in &self.ferries {
            let mut push = |detail: &str, count: usize, since| {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                let mut told = about(Trouble::Late, &it.name, count, since);
                detail.clone_into(&mut told.detail);
                list.push(told);
            };
            if !it.gaps.is_empty() {
                push("ferry-gap", it.gaps.len(), it.gap_since);
            } else if it.is_late {
                let waiting = usize::try_from(it.unanswered).unwrap_or(usize::MAX);
                push("ferry-unanswered", waiting, it.unanswered_since);
            }
            if !it.offered.is_empty() {
                push("ferry-offered", it.offered.len(), None);
            }
        }
    }

    /// Files that nobody fetches: as many as may lie there, or one for too long.
    fn about_files(&self, channel: &ChannelLook) -> Option<Attention> {
        let (lying, patience) = channel.unfetched.filter(|(it, _)| it.files > 0)?;
        let lay = lying.oldest.map(|oldest| self.at.duration_since(oldest));
        let is_late = lay.is_some_and(|lay| lay.unsigned_abs() > patience);
        let (trouble, detail) = match (lying.is_full, is_late) {
            (true, _) => (Trouble::Full, FULL),
            (false, true) => (Trouble::Late, "unfetched"),
            (false, false) => return None,
        };
        let count = u64::from(lying.files);
        let mut told = about(trouble, channel.id.as_str(), count, lying.oldest);
        detail.clone_into(&mut told.detail);
        Some(told)
    }

    /// Objects that should be above and were not accepted yet: there is something to send.
    pub(super) fn has_work(&self) -> bool {
        let waiting = |state: LinkState| {
            matches!(state, LinkState::Unmapped | LinkState::Queued | LinkState::Unknown)
        };
        !self.batches.is_empty() || self.links.iter().any(|link| link.wanted && waiting(link.state))
    }
}

/// A dataset's title with its department's.
fn titled(it: &DatasetLook) -> String {
    format!("{} {}", it.dataset.title, it.department)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_rank_of_its_own() {
        for trouble in Trouble::ALL {
            assert!(ORDER.contains(&trouble), "{trouble:?}");
        }
    }
}
