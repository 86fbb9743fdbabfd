//! How often each rule was asked, broken and waived (facts §8 row 5: a validator that never runs
//! finds nothing).

/// What became of one rule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// How often it was asked: per value; for the rules that are always on, per row.
    pub executed: u64,
    /// How often it was broken.
    pub broken: u64,
    /// How often a waiver let a value pass that broke it.
    pub waived: u64,
}

/// The counts of one pass over a dataset.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    rows: u64,
    valid: u64,
    counts: Vec<Count>,
}

impl Tally {
    pub(super) fn new(rules: usize) -> Self {
        Self { rows: 0, valid: 0, counts: vec![Count::default(); rules] }
    }

    /// Rows that were checked.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that broke no rule.
    pub fn valid(&self) -> u64 {
        self.valid
    }

    /// The counts by rule, in the order of [`Rules::rules`](super::Rules::rules).
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// Adds another pass over the same rules.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.valid += other.valid;
        self.counts.resize(self.counts.len().max(other.counts.len()), Count::default());
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            count.executed += more.executed;
            count.broken += more.broken;
            count.waived += more.waived;
        }
    }

    pub(super) fn row(&mut self, always_on: usize) {
        self.rows += 1;
        self.counts.iter_mut().take(always_on).for_each(|count| count.executed += 1);
    }

    pub(super) fn row_was_valid(&mut self) {
        self.valid += 1;
    }

    pub(super) fn executed(&mut self, rule: u16) {
        if let Some(count) = self.counts.get_mut(usize::from(rule)) {
            count.executed += 1;
        }
    }

    pub(super) fn broken(&mut self, rule: u16) {
        if let Some(count) = self.counts.get_mut(usize::from(rule)) {
            count.broken += 1;
        }
    }

    pub(super) fn waived(&mut self, rule: u16) {
        if let Some(count) = self.counts.get_mut(usize::from(rule)) {
            count.waived += 1;
        }
    }
}
