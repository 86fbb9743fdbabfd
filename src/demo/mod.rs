//! The demonstration's city, made from a seed: departments, a catalogue as people keep it, tables
//! and files with the defects that real data has, and the daemon's configuration for them.
//!
//! The same seed and the same instant make the same city, byte for byte where the formats allow
//! it. Every defect is planted at a known place and listed, so that what the daemon rejects can be
//! compared with what is wrong, rule by rule.
//!
//! Everything is made up and says so in its name (示例); divisions begin with 5151, which was
//! never assigned, so that no identity number or credit code belongs to anybody.

mod catalogue;
mod configuration;
mod department;
mod error;
mod flaw;
mod identity;
mod random;
mod rows;
mod run;
mod sheet;
mod stage;
mod store;
mod tables;
mod template;

pub use catalogue::EntryDefect;
pub use error::Error;
pub use run::{Sight, compare, look, watch};
pub use stage::{Plan as SetPlan, SOCKET, STANDARD, Set, standards_folder, write_keys};

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use rusqlite::Connection;

use catalogue::Catalogue;
use department::{Plan, Store};

/// How large a city to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Datasets, 1 to 40. The first ten are of ten kinds and of every store but one.
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
    pub const SMALL: Self = Self { datasets: 10, rows: 2_000, entries: 24 };
}

/// A defect planted in a row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Defect {
    /// The dataset's id.
    pub dataset: String,
    /// The row's key in text form (`row::key_text`).
    pub key: String,
    /// The code of the rule that must find it, and no other rule finds anything in this row.
    pub rule: &'static str,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The folder it lies in.
    pub directory: PathBuf,
    /// Rows made over all datasets, the flawed ones included.
    pub rows: u64,
    /// Every defect planted in rows.
    pub defects: Vec<Defect>,
    /// Catalogue entries made, the flawed ones included.
    pub entries: u64,
    /// Every defect planted in catalogue entries. None of them carries rows.
    pub entry_defects: Vec<EntryDefect>,
    /// `[[source]]`, `[catalogue]` and `[[dataset]]` with their rules: the part of the daemon's configuration (TOML)
    /// that speaks of this city. Paths are relative to `directory`.
    pub configuration: String,
    /// Datasets in which nothing changed for longer than their cycle allows.
    pub stale: Vec<String>,
}

/// Makes a city in `directory`: `city.sqlite`, `catalogue.xlsx` and `files/`. `now` is the city's local time, after
/// which nothing in it changed.
///
/// Refuses a directory that holds a city already.
pub fn generate(
    directory: &Path,
    scale: Scale,
    seed: u64,
    now: DateTime,
) -> Result<Generated, Error> {
    let plans = department::plans(scale.datasets, scale.rows);
    fs::create_dir_all(directory).map_err(store::write_failed(directory))?;
    let mut defects = Vec::new();
    let catalogue = catalogue::catalogue(&plans, scale.entries, seed);
    write_database(directory, &plans, &catalogue, seed, now, &mut defects)?;
    let path = directory.join("catalogue.xlsx");
    sheet::write_sheet(&path, &catalogue).map_err(|source| Error::Sheet { path, source })?;
    let files = directory.join("files");
    for plan in plans.iter().filter(|plan| plan.store != Store::Table) {
        store::write_files(&files, plan, seed, now, &mut defects)?;
    }
    defects.sort();
    Ok(Generated {
        directory: directory.to_owned(),
        rows: plans.iter().map(|plan| plan.rows as u64).sum(),
        defects,
        entries: catalogue.entries.len() as u64,
        entry_defects: catalogue.defects,
        configuration: configuration::city(&plans),
        stale: plans.iter().filter(|plan| plan.stale).map(|plan| plan.id.clone()).collect(),
    })
}

fn write_database(
    directory: &Path,
    plans: &[Plan],
    catalogue: &Catalogue,
    seed: u64,
    now: DateTime,
    defects: &mut Vec<Defect>,
) -> Result<(), Error> {
    let path = directory.join("city.sqlite");
    if path.exists() {
        return Err(Error::Exists { path });
    }
    let mut write = || {
        let mut connection = Connection::open(&path)?;
        // A city that was cut off while being made is made again: nothing here needs a journal.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        let transaction = connection.transaction()?;
        for plan in plans.iter().filter(|plan| plan.store == Store::Table) {
            store::write_table(&transaction, plan, seed, now, defects)?;
        }
        sheet::write_tables(&transaction, catalogue)?;
        transaction.commit()
    };
    write().map_err(|source| Error::Database { path: path.clone(), source })
}

#[cfg(test)]
mod tests;
