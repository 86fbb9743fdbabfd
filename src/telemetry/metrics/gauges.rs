//! A family of gauges that goes to 0 instead of vanishing.
//!
//! A series that is absent and a series at 0 mean different things to whoever watches: `absent()`
//! is how a dead daemon is noticed. So a label set that was ever shown stays and shows 0 when the
//! ledger no longer speaks of it, until the configuration forgets its channel or dataset. Only a
//! family of the worst ([`Gauges::show_only`]) has no more series than there are worst.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use prometheus::GaugeVec;

/// The values of one series' labels, in the family's order.
pub(super) type Labels = Vec<String>;

/// What becomes of two values that share one label set, as the datasets under `other` do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fold {
    /// Counts and bytes.
    Sum,
    /// Points in time: the oldest is the one to worry about.
    Min,
    /// Ages: the oldest, again.
    Max,
}

/// The values of one family at one moment.
#[derive(Debug)]
pub(super) struct Values {
    fold: Fold,
    values: BTreeMap<Labels, f64>,
}

impl Values {
    pub(super) fn new(fold: Fold) -> Self {
        Self { fold, values: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, labels: Labels, value: f64) {
        match self.values.entry(labels) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(mut place) => {
                let old = *place.get();
                *place.get_mut() = match self.fold {
                    Fold::Sum => old + value,
                    Fold::Min => old.min(value),
                    Fold::Max => old.max(value),
                };
            }
        }
    }
}

/// One family.
#[derive(Debug)]
pub(super) struct Gauges {
    family: GaugeVec,
    /// Every label set shown so far, with its last value.
    shown: Mutex<BTreeMap<Labels, f64>>,
}

impl Gauges {
    pub(super) fn new(family: GaugeVec) -> Self {
        Self { family, shown: Mutex::new(BTreeMap::new()) }
    }

    /// Makes a series exist, at 0 unless it has a value already.
    pub(super) fn declare(&self, labels: Labels) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let value = *shown.entry(labels.clone()).or_insert(0.0);
        self.family.with_label_values(&labels).set(value);
    }

    /// Shows `values` and 0 for every other label set. Each series is set once, so a scrape in
    /// between sees an old value or a new one and never a passing 0.
    pub(super) fn show(&self, values: Values) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.values_mut().for_each(|value| *value = 0.0);
        shown.extend(values.values);
        for (labels, value) in shown.iter() {
            self.family.with_label_values(labels).set(*value);
        }
    }

    /// Shows `values` and ends every other series: what a family of the worst names is bounded by
    /// how many worst there are, not by how many were so once.
    pub(super) fn show_only(&self, values: Values) {
        self.retain(|labels| values.values.contains_key(labels));
        self.show(values);
    }

    /// Ends the series that `keep` refuses: their channel or dataset is no longer configured.
    pub(super) fn retain(&self, keep: impl Fn(&[String]) -> bool) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|labels, _| {
            let kept = keep(labels);
            if !kept {
                // It exists, for it was shown; were it gone already, that is what we want.
                drop(self.family.remove_label_values(labels));
            }
            kept
        });
    }
}
