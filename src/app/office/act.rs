//! Acts: recorded with who asked, then done.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::list::{job, no_such_job, number};
use super::paging::{cursor, limit};
use super::{Office, failed, failure, told};
use crate::cascade::{Comparison, Mismatch, ObjectMismatch};
use crate::control::protocol::{
    Difference, Failure, Job, LedgerReport, Listing, Mend, MendAct, Reconcile, Reconciled,
    RejectExport, Request, ScoreRequest, ShadowAct,
};
use crate::delivery::DigestSha256;
use crate::ledger;

/// The most differences that are kept for paging.
const MOST_DIFFERENCES: usize = 20_000;

/// The last comparison an operator asked for, so that its later pages need no second one.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    at: Timestamp,
    datasets: Vec<String>,
    compared: u64,
    total: u64,
    differences: Vec<Difference>,
    skipped: Vec<(String, String, String)>,
}

/// Why an act was done and on what, without content.
pub(super) fn detail(request: &Request) -> String {
    match request {
        Request::RejectsShow(it) => format!("reject {}: {}", it.reject, it.reason),
        Request::RejectsExport(it) => exported(it),
        Request::RejectsReplay(it) => {
            format!("{} {}", it.query.dataset.as_deref().unwrap_or("all"), it.idempotency_key)
        }
        Request::Resync(it) => {
            let approved = if it.approve_deletions { " approving deletions" } else { "" };
            format!("{:?} of {:?}{approved} {}", it.extent, it.datasets, it.idempotency_key)
        }
        Request::JobsCancel(it) => it.job.clone(),
        Request::Reconcile(it) => format!("repair {:?}", it.datasets),
        Request::LedgerBackup(it) => it.directory.clone(),
        Request::StandardSupply(it) => {
            format!("{} values for {} by {}", it.values.len(), it.standard, it.by)
        }
        Request::StandardActivate(it) => {
            let at = it.at.map(|at| format!(" at {at}")).unwrap_or_default();
            let of = scoped(&it.scope);
            let channel = it.channel.as_deref().unwrap_or("its channel");
            format!("{}{of}{at} on {channel}", it.standard)
        }
        Request::StandardShadow(it) => {
            let act = match it.act {
                ShadowAct::Report {} => "report",
                ShadowAct::Start { with_rows: false } => "start",
                ShadowAct::Start { with_rows: true } => "start with masked rows",
                ShadowAct::Stop {} => "stop",
            };
            format!("{act} {} on {}", it.standard, it.channel.as_deref().unwrap_or("its channel"))
        }
        Request::StandardShadowOnce(it) => {
            let object = it.object.as_deref().unwrap_or("the first");
            format!("{} of {object} to the test platform of {}", it.operation, it.standard)
        }
        Request::StandardRollback(it) => {
            format!("{}{}", it.channel.as_deref().unwrap_or_default(), scoped(&it.scope))
        }
        Request::Score(ScoreRequest::Bring(it)) => {
            // Which table, so that it can be told from another of the same name.
            format!("{} {}", it.file, DigestSha256::of(it.text.as_bytes()))
        }
        Request::MendImport(it) => format!("{} faults onto {}", it.faults.len(), it.list),
        Request::Mend(it) => mended(it),
        Request::Mode(it) => it.mode.as_str().to_owned(),
        Request::Ferry(it) => it.detail(),
        Request::Takeover(it) => it.detail(),
        Request::Oversight(it) => it.detail(),
        Request::Score(_)
        | Request::Status {}
        | Request::Datasets(_)
        | Request::Links(_)
        | Request::Batches(_)
        | Request::InboxList(_)
        | Request::InboxShow(_)
        | Request::RejectsList(_)
        | Request::JobsList(_)
        | Request::JobsShow(_)
        | Request::StandardList {}
        | Request::StandardShow(_)
        | Request::Mendings(_)
        | Request::StandardDiff(_)
        | Request::StandardCheck(_)
        | Request::StandardWanted(_)
        | Request::StandardDrift {}
        | Request::Bulletin(_)
        | Request::LedgerVerify {}
        | Request::Reload {} => String::new(),
    }
}

/// Which originals were looked at.
fn exported(it: &RejectExport) -> String {
    let dataset = it.query.dataset.as_deref().unwrap_or("all datasets");
    let rule = it.query.rule.as_deref().unwrap_or("all rules");
    let after = it.query.paging.after.as_deref().unwrap_or("the first");
    format!("{dataset}, {rule}, after {after}: {}", it.reason)
}

/// What was done about a fault.
fn mended(it: &Mend) -> String {
    let act = match &it.act {
        MendAct::Assign { .. } => "assign",
        MendAct::Prove { .. } => "prove",
        MendAct::Close {} => "close",
    };
    format!("{act} {} of {}", it.number, it.list)
}

/// Scopes as they were asked for.
fn scoped(scopes: &[String]) -> String {
    if scopes.is_empty() { String::new() } else { format!(" for {}", scopes.join("; ")) }
}

/// The first of several failures; the rest are in the log.
pub(super) fn first(mut failures: Vec<Failure>) -> Failure {
    let count = failures.len();
    if count == 0 {
        return failure("E-RELOAD", "the reload was refused", Some("see the log"));
    }
    let mut head = failures.swap_remove(0);
    if count > 1 {
        head.next = Some(format!("{count} problems in all: `cascaded check` lists them"));
    }
    head
}

impl Office {
    pub(super) async fn backup(&self, directory: &str) -> Result<LedgerReport, Failure> {
        let begun = self.now();
        let path = PathBuf::from(directory);
        if !path.is_absolute() {
            let next = Some("name an absolute folder that does not exist yet");
            return Err(failure("E-BACKUP-PATH", "the folder is not absolute", next));
        }
        let sealer = Arc::clone(&self.crew.files.sealer);
        let report = self.crew.ledger.backup(path.clone(), sealer).await.map_err(told)?;
        if report.problems.is_empty() {
            self.works().copy_ferries(&path).await.map_err(super::ferry::broken)?;
        }
        Ok(self.reported(begun, report, Some(directory.to_owned())))
    }

    pub(super) async fn verify(&self) -> Result<LedgerReport, Failure> {
        let begun = self.now();
        let sealer = Arc::clone(&self.crew.files.sealer);
        let report = self.crew.ledger.verify(sealer).await.map_err(told)?;
        Ok(self.reported(begun, report, None))
    }

    fn reported(
        &self,
        begun: Timestamp,
        report: ledger::Report,
        directory: Option<String>,
    ) -> LedgerReport {
        // The clock may have been set back meanwhile.
        let took = self.now().duration_since(begun).max(SignedDuration::ZERO);
        report_of(report, took, directory)
    }

    pub(super) async fn cancel(&self, name: &str) -> Result<Job, Failure> {
        let number = number(name)?;
        self.crew.ledger.job_cancelled(number).await.map_err(told)?;
        let found = self.crew.ledger.job(number).await.map_err(told)?;
        for channel in &self.works().channels {
            channel.wake_observers();
        }
        found.as_ref().map(job).ok_or_else(|| no_such_job(name))
    }

    pub(super) async fn reconcile(&self, asked: &Reconcile) -> Result<Reconciled, Failure> {
        let offset = cursor(&asked.paging)?;
        if offset.is_none() {
            let compared = self.compare(asked).await?;
            *self.kept() = Some(compared);
        }
        let kept = self.kept().clone().filter(|kept| kept.datasets == asked.datasets);
        let Some(kept) = kept else {
            let next = Some("ask from the first page again");
            return Err(failure("E-PAGE", "this comparison is no longer kept", next));
        };
        let offset = usize::try_from(offset.unwrap_or_default()).unwrap_or(usize::MAX);
        let size = usize::try_from(limit(&asked.paging)).unwrap_or(1);
        let entries: Vec<Difference> =
            kept.differences.iter().skip(offset).take(size).cloned().collect();
        let end = offset.saturating_add(entries.len());
        let next = (end < kept.differences.len()).then(|| end.to_string());
        Ok(Reconciled {
            at: kept.at,
            compared: kept.compared,
            differences: Listing { entries, next, total: kept.total },
            skipped: kept.skipped,
            job: None,
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Compared>> {
        self.compared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn compare(&self, asked: &Reconcile) -> Result<Compared, Failure> {
        self.check_datasets(&asked.datasets)?;
        let mut compared = Compared {
            at: self.now(),
            datasets: asked.datasets.clone(),
            compared: 0,
            total: 0,
            differences: Vec::new(),
            skipped: Vec::new(),
        };
        for channel in &self.works().channels {
            let totals = self.crew.totals(channel).await.map_err(|error| failed(&error))?;
            for carrier in channel.carriers() {
                let dataset = &carrier.flow().dataset;
                if !asked.datasets.is_empty() && !asked.datasets.contains(dataset) {
                    continue;
                }
                let found = self.crew.reconcile(channel, dataset, &totals, asked.repair).await;
                if let Some(found) = found.map_err(|error| failed(&error))? {
                    compared.add(channel.id.as_str(), &found);
                }
            }
            if asked.datasets.is_empty() {
                let found = self.crew.reconcile_objects(channel, asked.repair).await;
                let found = found.map_err(|error| failed(&error))?.unwrap_or_default();
                compared.add_objects(channel.id.as_str(), &found);
            }
        }
        Ok(compared)
    }
}

impl Compared {
    fn add(&mut self, channel: &str, found: &Comparison) {
        if let Some(why) = found.skipped {
            self.skipped.push((channel.to_owned(), found.dataset.clone(), why.to_owned()));
            return;
        }
        self.compared += found.confirmed.saturating_add(found.extra);
        self.total += found.mismatched();
        for (key, what) in &found.keys {
            self.list(channel, &found.dataset, key.to_string(), *what);
        }
    }

    /// Objects that only one side holds, under their kind.
    fn add_objects(&mut self, channel: &str, found: &[ObjectMismatch]) {
        self.total += u64::try_from(found.len()).unwrap_or(u64::MAX);
        for it in found {
            self.list(channel, it.key.kind.as_str(), it.key.id.clone(), it.what);
        }
    }

    fn list(&mut self, channel: &str, dataset: &str, key: String, what: Mismatch) {
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(Difference {
                channel: channel.to_owned(),
                dataset: dataset.to_owned(),
                key,
                what: what.as_str().to_owned(),
                ours: what.is_ours(),
            });
        }
    }
}

/// A ledger's report as operators are told it.
pub fn report_of(
    report: ledger::Report,
    took: SignedDuration,
    directory: Option<String>,
) -> LedgerReport {
    LedgerReport {
        took,
        facts: report.facts,
        spool_files: report.spool_files,
        bytes: report.bytes,
        problems: report.problems,
        directory,
    }
}
