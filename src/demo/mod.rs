//! The demonstration's city, made from a seed: see [`generate`].

use std::path::PathBuf;

/// How large a city to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Datasets, at most 40.
    pub datasets: usize,
    /// Rows over all datasets.
    pub rows: usize,
    /// Catalogue entries, at least as many as datasets.
    pub entries: usize,
}

impl Scale {
    /// What `cascaded demo` makes: 40 datasets, 200,000 rows, 300 entries.
    pub const FULL: Self = Self { datasets: 40, rows: 200_000, entries: 300 };
    /// What tests make.
    pub const SMALL: Self = Self { datasets: 8, rows: 2_000, entries: 24 };
}

/// A defect planted in a row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Defect {
    /// The dataset's id.
    pub dataset: String,
    /// The row's key in text form (`row::key_text`).
    pub key: String,
    /// The code of the rule that must find it.
    pub rule: &'static str,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The folder it lies in.
    pub directory: PathBuf,
    /// Rows made over all datasets.
    pub rows: u64,
    /// Every defect planted in rows.
    pub defects: Vec<Defect>,
}
