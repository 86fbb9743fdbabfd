//! Proving a ledger: its database, its sums, its chains and every file it names.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::seal::Sealer;
use super::spool::{Limits, Spool};
use super::{Error, Ledger, Result, acts, disk, history, schema, sent};
use crate::delivery::BatchId;

/// Problems that are listed; more are counted.
const PROBLEMS: usize = 100;

/// What was proven, and what is wrong. No problem names content: batches, runs and datasets only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Facts whose chain was walked.
    pub facts: u64,
    /// Acts whose chain was walked.
    pub acts: u64,
    /// Spooled batches that opened.
    pub spool_files: u64,
    /// Sorted runs that were read to their end.
    pub runs: u64,
    /// Bytes of all of them and of the database.
    pub bytes: u64,
    /// Empty is sound. At most a hundred, then one that counts the rest.
    pub problems: Vec<String>,
}

/// The files a database names.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    /// Spooled batches, each with its rows and whether it still needs its payload.
    pub(super) batches: Vec<Spooled>,
    /// Runs.
    pub(super) runs: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Spooled {
    pub(super) id: BatchId,
    pub(super) rows: u32,
    pub(super) is_open: bool,
    pub(super) of_rows: bool,
}

impl Ledger {
    /// Proves the ledger while it runs. Reads everything; writes nothing.
    pub async fn verify(&self, sealer: Arc<Sealer>) -> Result<Report> {
        let inner = Arc::clone(&self.inner);
        self.pool
            .run_long(move || {
                let path = inner.folder.join("ledger.sqlite");
                let mut report = inspect(&inner.folder, &schema::open_reader(&path)?, &sealer)?;
                // A file may leave while it is looked for: the ledger had let go of it.
                let now = named(&schema::open_reader(&path)?)?;
                report.problems.retain(|problem| problem.is_still_named(&now));
                Ok(report.told())
            })
            .await
    }
}

/// Proves a ledger that no daemon has open, or a backup of one. Blocking.
pub fn verify_folder(folder: &Path, sealer: &Arc<Sealer>) -> Result<Report> {
    let path = folder.join("ledger.sqlite");
    let connection = schema::open_checked(&path)?;
    Ok(inspect(folder, &connection, sealer)?.told())
}

/// Something wrong.
struct Problem {
    text: String,
    /// The file it is about, as the ledger names it.
    file: Option<String>,
}

impl Problem {
    fn is_still_named(&self, named: &Named) -> bool {
        self.file.as_ref().is_none_or(|file| {
            named.runs.contains(file)
                || named.batches.iter().any(|batch| batch.id.to_string() == *file)
        })
    }
}

#[derive(Default)]
struct Findings {
    report: Report,
    problems: Vec<Problem>,
}

impl Findings {
    fn add(&mut self, text: String) {
        self.problems.push(Problem { text, file: None });
    }

    fn told(mut self) -> Report {
        let more = self.problems.len().saturating_sub(PROBLEMS);
        self.report.problems =
            self.problems.into_iter().take(PROBLEMS).map(|problem| problem.text).collect();
        if more > 0 {
            self.report.problems.push(format!("and {more} more"));
        }
        self.report
    }
}

fn inspect(folder: &Path, connection: &Connection, sealer: &Arc<Sealer>) -> Result<Findings> {
    // One snapshot for everything that is read from the database.
    let snapshot = connection.unchecked_transaction().map_err(Error::engine("begin to prove"))?;
    let mut findings = Findings::default();
    pages(&snapshot, &mut findings)?;
    if !findings.problems.is_empty() {
        // Sums over damaged pages prove nothing.
        return Ok(findings);
    }
    let database = folder.join("ledger.sqlite");
    findings.report.bytes = std::fs::metadata(&database)
        .map_err(|source| Error::Open { path: database, action: "read its size", source })?
        .len();
    sums(&snapshot, &mut findings)?;
    let mut problems = Vec::new();
    findings.report.facts = history::facts_verify(&snapshot, &mut problems)?;
    findings.report.acts = acts::acts_verify(&snapshot, &mut problems)?;
    problems.into_iter().for_each(|problem| findings.add(problem));
    let named = named(&snapshot)?;
    drop(snapshot);
    files(folder, &named, sealer, &mut findings)?;
    Ok(findings)
}

fn pages(connection: &Connection, findings: &mut Findings) -> Result<()> {
    let engine = || Error::engine("check the pages");
    let mut statement = connection.prepare("PRAGMA integrity_check(20)").map_err(engine())?;
    let mut rows = statement.query([]).map_err(engine())?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(()),
            Ok(Some(row)) => {
                let finding: String = row.get(0).map_err(engine())?;
                if finding != "ok" {
                    findings.add(format!("database: {finding}"));
                }
            }
            Err(error) => {
                findings.add(format!("database: {error}"));
                return Ok(());
            }
        }
    }
}

/// Promise 2, dataset by dataset, against the batches that are under way.
fn sums(connection: &Connection, findings: &mut Findings) -> Result<()> {
    let engine = || Error::engine("add up the counts");
    let mut statement = connection
        .prepare(
            "SELECT channel, dataset,
                due = confirmed + placed + rejected_local + rejected_refused + rejected_failed
                    + queued,
                min(due, queued, confirmed, placed, rejected_local, rejected_refused,
                    rejected_failed) >= 0,
                queued, (SELECT coalesce(sum(rows_open), 0) FROM batch
                    WHERE batch.channel = dataset.channel AND batch.subject = dataset.dataset
                    AND subject_kind = 'rows'
                    AND state IN ('queued', 'in_flight', 'unknown', 'taken'))
             FROM dataset ORDER BY 1, 2",
        )
        .map_err(engine())?;
    let mut rows = statement.query([]).map_err(engine())?;
    while let Some(row) = rows.next().map_err(engine())? {
        let channel: String = row.get(0).map_err(engine())?;
        let dataset: String = row.get(1).map_err(engine())?;
        let what = format!("dataset {dataset} on {channel}");
        if !row.get::<_, bool>(2).map_err(engine())? {
            let sum = "due is not confirmed + placed + rejected + queued";
            findings.add(format!("{what}: {sum}"));
        }
        if !row.get::<_, bool>(3).map_err(engine())? {
            findings.add(format!("{what}: a count is negative"));
        }
        let (queued, open): (i64, i64) =
            (row.get(4).map_err(engine())?, row.get(5).map_err(engine())?);
        if queued != open {
            findings.add(format!("{what}: {queued} rows queued, {open} in its open batches"));
        }
    }
    Ok(())
}

/// Which files belong to what `connection` sees.
pub(super) fn named(connection: &Connection) -> Result<Named> {
    let engine = || Error::engine("list the ledger's files");
    let mut statement = connection
        .prepare(
            "SELECT id, rows, state IN ('queued', 'in_flight', 'unknown', 'taken'),
                subject_kind = 'rows' FROM batch WHERE spooled = 1 ORDER BY ordinal",
        )
        .map_err(engine())?;
    let batches = statement
        .query_map([], |row| {
            Ok(Spooled {
                id: BatchId(row.get(0)?),
                rows: row.get(1)?,
                is_open: row.get(2)?,
                of_rows: row.get(3)?,
            })
        })
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(engine())?;
    let mut statement = connection.prepare("SELECT DISTINCT name FROM run").map_err(engine())?;
    let runs = statement
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect::<std::result::Result<BTreeSet<String>, _>>)
        .map_err(engine())?;
    Ok(Named { batches, runs: runs.into_iter().collect() })
}

fn files(
    folder: &Path,
    named: &Named,
    sealer: &Arc<Sealer>,
    findings: &mut Findings,
) -> Result<()> {
    // Nothing is written: the limits are of no meaning.
    let limits = Limits { bound_bytes: 0, live_share_bytes: 0 };
    let spool = Spool::open(&folder.join("spool"), Arc::clone(sealer), limits, [])?;
    for batch in &named.batches {
        let name = batch.id.to_string();
        match prove(&spool, batch, &name) {
            Ok(bytes) => {
                findings.report.spool_files += 1;
                findings.report.bytes += bytes;
            }
            Err(error) => findings.problems.push(Problem {
                text: format!("batch {name}: {}", chain(&error)),
                file: Some(name),
            }),
        }
    }
    for name in &named.runs {
        match sent::prove(&folder.join("runs"), name, sealer) {
            Ok(bytes) => {
                findings.report.runs += 1;
                findings.report.bytes += bytes;
            }
            Err(error) => findings.problems.push(Problem {
                text: format!("run {name}: {}", chain(&error)),
                file: Some(name.clone()),
            }),
        }
    }
    Ok(())
}

fn prove(spool: &Spool, batch: &Spooled, name: &str) -> std::result::Result<u64, disk::Error> {
    let rows = spool.read_manifest(name)?;
    let number = batch.id.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    if batch.of_rows && u32::try_from(rows.len()) != Ok(batch.rows) {
        return Err(disk::Error::Batch { batch: number, problem: "lists other rows than it has" });
    }
    match spool.read_payload(name) {
        Ok(_) => {}
        // A batch that is over gives its payload's space back.
        Err(disk::Error::Missing { .. }) if !batch.is_open => {}
        Err(error) => return Err(error),
    }
    Ok(spool.bytes_of(name))
}

/// An error with its causes on one line: nothing in them is content.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
