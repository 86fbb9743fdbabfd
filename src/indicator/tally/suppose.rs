//! What a tally would be if something honest were done: the ground of `recover`.
//!
//! The deeds are a closed list, and every one of them changes what the province holds or what a
//! department has done. There is none for a longer cycle, a lower share type, an exemption or a
//! withdrawal before a cut-off: such a change cannot even be supposed.

use jiff::Timestamp;

use super::{Known, Stamp, Tally};
use crate::delivery::LinkState;
use crate::fact::FactId;

/// Something honest that can be done about a loss.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Deed {
    /// Deal with a case before its deadline, with proof.
    CloseCase,
    /// Set an entry right and have the province take its current version.
    CascadeEntry,
    /// Have a resource of an entry stand above.
    MountResource,
    /// Deliver content that is newer, and have it confirmed.
    DeliverData,
    /// Mend the rows that our rules or the province's verdicts turned away, and deliver them again.
    MendRows,
    /// Put the required standard in force.
    SwitchStandard,
    /// Publish, mount and deliver what a task of the province's list asks for.
    CollectTask,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Self; 7] = [
        Self::CloseCase,
        Self::CascadeEntry,
        Self::MountResource,
        Self::DeliverData,
        Self::MendRows,
        Self::SwitchStandard,
        Self::CollectTask,
    ];

    /// The word in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloseCase => "close-case",
            Self::CascadeEntry => "cascade-entry",
            Self::MountResource => "mount-resource",
            Self::DeliverData => "deliver-data",
            Self::MendRows => "mend-rows",
            Self::SwitchStandard => "switch-standard",
            Self::CollectTask => "collect-task",
        }
    }

    /// The inverse of [`Deed::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == text)
    }
}

/// A deed and what it is done to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Act {
    /// What.
    pub deed: Deed,
    /// Of a case its list, else empty.
    pub list: String,
    /// The case, entry, dataset, channel or task, as a finding names it.
    pub subject: String,
}

impl Tally<'_> {
    /// The tally as it would be had `act` been done at `at`.
    #[must_use]
    pub fn supposing(&self, act: &Act, at: Timestamp) -> Self {
        let mut supposed = self.clone();
        // The supposed fact has no writer: it sorts before any real one of the same instant and is
        // never stored.
        let id = FactId { writer: "".into(), day: self.span.day, number: 0 };
        let stamp: Stamp = (at, at, id);
        match act.deed {
            Deed::CloseCase => {
                if let Some(case) = supposed.cases.get_mut(&(act.list.clone(), act.subject.clone()))
                    && case.closed.as_ref().is_none_or(|known| stamp < known.0)
                {
                    case.closed = Some((stamp, String::new()));
                }
            }
            Deed::SwitchStandard => supposed.switch(&act.subject, &stamp),
            Deed::CollectTask => {
                supposed.collected.insert(act.subject.clone());
            }
            Deed::CascadeEntry | Deed::MountResource | Deed::DeliverData | Deed::MendRows => {
                let lists = &self.lists;
                for (obligation, known) in lists.obligations.iter().zip(&mut supposed.known) {
                    let is_entry = act.subject.strip_prefix("entry:") == Some(&obligation.entry);
                    let is_dataset =
                        !obligation.dataset.is_empty() && act.subject == obligation.dataset;
                    match act.deed {
                        Deed::CascadeEntry if is_entry => {
                            known.entry.insert(None, (stamp.clone(), LinkState::Accepted));
                        }
                        Deed::MountResource if is_entry => {
                            let links = known.resources.entry(String::new()).or_default();
                            links.insert(None, (stamp.clone(), LinkState::Accepted));
                        }
                        Deed::DeliverData if is_dataset || is_entry => known.deliver(at),
                        Deed::MendRows if is_entry => known.mend(),
                        Deed::CascadeEntry
                        | Deed::MountResource
                        | Deed::DeliverData
                        | Deed::MendRows
                        | Deed::CloseCase
                        | Deed::SwitchStandard
                        | Deed::CollectTask => {}
                    }
                }
            }
        }
        supposed
    }

    /// Every scope of the channel speaks what is required of it.
    fn switch(&mut self, subject: &str, stamp: &Stamp) {
        for (channel, standing) in &mut self.channels {
            if channel.as_ref().map_or("", |it| it.as_str()) != subject {
                continue;
            }
            let Some(required) = standing.required.values().next_back().cloned() else { continue };
            if standing.spoken.is_empty() {
                standing.spoken.entry(String::new()).or_default();
            }
            for line in standing.spoken.values_mut() {
                line.insert(stamp.clone(), required.clone());
            }
        }
    }
}

impl Known {
    /// Each row that was turned away and is not mended yet comes once more and passes. That it was
    /// turned away stays: what happened is not taken back. Where nobody said how many are left, it
    /// is all of them.
    fn mend(&mut self) {
        let left = |of: fn(&(Stamp, u64, u64)) -> u64| {
            let sum = self.unmended.values().map(of).fold(0_u64, u64::saturating_add);
            if self.unmended.is_empty() { u64::MAX } else { sum }
        };
        let (here, above) = (left(|it| it.1), left(|it| it.2));
        self.seen = self.seen.saturating_add(self.set_aside.min(here));
        self.passed = self.passed.saturating_add(self.failed.min(above));
    }

    fn deliver(&mut self, at: Timestamp) {
        self.is_confirmed = true;
        for overdue in self.overdue.values_mut().filter(|overdue| overdue.until.is_none()) {
            overdue.until = Some(at);
        }
    }
}
