//! Which channels and datasets have series of their own; the rest share one label value.

use std::collections::BTreeSet;

use super::OTHER;

/// Who has series of his own.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) channels: Names,
    pub(super) datasets: Names,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    own: BTreeSet<String>,
    /// There are more than have series of their own.
    shared: bool,
}

impl Names {
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>, limit: usize) -> Self {
        let mut found = Self::default();
        for name in names {
            if found.own.contains(name) {
                continue;
            }
            if found.own.len() < limit {
                found.own.insert(name.to_owned());
            } else {
                found.shared = true;
            }
        }
        found
    }

    pub(super) fn has(&self, label: &str) -> bool {
        self.own.contains(label) || (self.shared && label == OTHER)
    }

    /// The label of a name: its own, or the shared one.
    pub(super) fn label(&self, name: &str) -> String {
        if self.own.contains(name) { name.to_owned() } else { OTHER.to_owned() }
    }
}
