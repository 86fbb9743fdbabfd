//! A dataset on a channel, with everything its rows need on their way: source, rules, plans, and
//! what the province holds of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

use crate::catalogue::{Kind, Object, ObjectKey};
use crate::checks::{Count, Rules, Tally, Warning, Watch};
use crate::city;
use crate::delivery::{Action, BatchId};
use crate::ledger::sent::{self, Index};
use crate::ledger::spool::{self, Spool};
use crate::ledger::{self, Flow, Ledger, Owner, RuleCount, SpooledFate};
use crate::row::Column;
use crate::standard::{RowLayout, Standard};
use crate::supervisor::Signal;
use crate::wire::RowPlan;

use super::Error;
use super::lane::Readers;

/// The most rows of one dataset that may be under way or settled and not merged yet.
const MEMORY_ROWS: usize = 200_000;
/// Settled rows that make a merge worth its writing while rows are flowing.
pub(super) const MERGE_ROWS: usize = 20_000;
/// Settled rows that are merged at once: about as many as one merge takes.
pub(super) const FULL_MERGE_ROWS: usize = 60_000;

/// A dataset on a channel.
#[derive(Debug)]
pub struct Carrier {
    pub(super) flow: Flow,
    pub(super) owner: Owner,
    pub(super) dataset: city::Dataset,
    pub(super) source: SourceHandle,
    pub(super) rules: Rules,
    /// At most this share of what is held above may be deleted without an approval, in percent.
    pub(super) deletion_percent: u8,
    /// Shared with the carrier that this one replaced.
    index: Arc<Mutex<Index>>,
    /// Rows left memory for a run: there is room for others.
    pub(super) merged: Signal,
    /// How often each rule ran since the start.
    tally: Mutex<Tally>,
    /// What is watched of it as a whole.
    watch: Watch,
    /// What the last whole reading of this process found unusual in its values.
    unusual: Mutex<Vec<Warning>>,
}

/// A [`city::Source`] that can be shown in debug output without its settings.
pub(super) struct SourceHandle(pub(super) city::Source);

impl std::fmt::Debug for SourceHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Source").field(&self.0.id()).finish()
    }
}

/// What a carrier is made of.
#[derive(Debug)]
pub struct CarrierParts {
    /// Which dataset on which channel.
    pub flow: Flow,
    /// The dataset.
    pub dataset: city::Dataset,
    /// Its rules.
    pub rules: Rules,
    /// What is watched of it as a whole.
    pub watch: Watch,
    /// See [`Carrier`]; 0 asks for an approval of every deletion.
    pub deletion_percent: u8,
}

impl Carrier {
    /// Opens what the ledger knows of the dataset: its runs, and the batches that are not merged.
    /// Nobody else may work on the dataset.
    pub async fn open(
        parts: CarrierParts,
        source: city::Source,
        ledger: &Ledger,
        files: &Files,
    ) -> Result<Self, Error> {
        let index = open_index(&parts.flow, ledger, files).await?;
        Ok(Self::with(parts, source, Arc::new(Mutex::new(index))))
    }

    /// Carries on with what another carrier of the same dataset knows. Its stages must have ended
    /// by themselves: one that was cut may have told the index what the ledger never heard.
    pub fn succeed(parts: CarrierParts, source: city::Source, before: &Self) -> Self {
        Self::with(parts, source, Arc::clone(&before.index))
    }

    fn with(parts: CarrierParts, source: city::Source, index: Arc<Mutex<Index>>) -> Self {
        let CarrierParts { flow, dataset, rules, watch, deletion_percent } = parts;
        let owner = Owner {
            region: dataset.region.clone(),
            department: dataset.department.clone(),
            zone: dataset.zone_name.clone(),
        };
        let source = SourceHandle(source);
        Self {
            flow,
            owner,
            dataset,
            source,
            rules,
            deletion_percent,
            index,
            merged: Signal::default(),
            tally: Mutex::default(),
            watch,
            unusual: Mutex::default(),
        }
    }

    /// Which dataset on which channel.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The dataset as configured.
    pub fn dataset(&self) -> &city::Dataset {
        &self.dataset
    }

    /// Who answers for it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// How often each rule was asked, broken and waived since the process started, by its name: a
    /// rule that never runs finds nothing.
    pub fn rule_counts(&self) -> Vec<(String, Count)> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = tally.counts().iter().copied().chain(std::iter::repeat(Count::default()));
        self.rules.rules().iter().map(|rule| rule.name.clone()).zip(counts).collect()
    }

    /// How often each rule was asked on one page, by its sort and name.
    pub(super) fn rules_of(&self, page: &Tally) -> Vec<RuleCount> {
        let rules = self.rules.rules().iter().zip(page.counts());
        let named = rules.map(|(rule, count)| RuleCount {
            rule: format!("{} {}", rule.code.as_str(), rule.name),
            executed: count.executed,
            broken: count.broken,
            waived: count.waived,
        });
        named.collect()
    }

    /// What is unusual about it as a whole: its values at the last whole reading of this process,
    /// and its rows, `counts` of the last whole reading and the one before.
    pub fn warnings(&self, counts: Option<(u64, u64)>) -> Vec<Warning> {
        let unusual = self.unusual.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counts.and_then(|(now, before)| self.watch.counted(before, now));
        counted.into_iter().chain(unusual.iter().cloned()).collect()
    }

    /// What is watched of it as a whole.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// A whole reading came to its end.
    pub(super) fn watched(&self, found: Vec<Warning>) {
        *self.unusual.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// A page was checked.
    pub(super) fn tallied(&self, page: &Tally) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(page);
    }

    /// The rules of its rows.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Starts a reading of every row that sends nothing, once there is a place for it. The place is
    /// free again when the first of the two is dropped.
    pub async fn read_all(
        &self,
        readers: &Readers,
    ) -> Result<(Option<OwnedSemaphorePermit>, city::Cursor), Error> {
        // The semaphore is never closed.
        let place = Arc::clone(&readers.past).acquire_owned().await.ok();
        Ok((place, self.source.0.scan(&self.dataset, city::Scan::Full).await?))
    }

    /// As [`Carrier::read_all`], of the rows that changed since then, where the dataset has a column
    /// that tells; otherwise of all.
    pub async fn read_changed(
        &self,
        readers: &Readers,
        since: Option<jiff::Timestamp>,
    ) -> Result<(Option<OwnedSemaphorePermit>, city::Cursor), Error> {
        let (Some(since), city::Change::TimeColumn { .. }) = (since, &self.dataset.change) else {
            return self.read_all(readers).await;
        };
        let place = Arc::clone(&readers.past).acquire_owned().await.ok();
        let from = self.dataset.zone.to_datetime(since);
        let after = Some(city::Position::at(from));
        let scan = city::Scan::Since { after, until: None };
        Ok((place, self.source.0.scan(&self.dataset, scan).await?))
    }

    /// Locks what is known of the province's holdings. Blocking work: only on the pool, never
    /// across an await.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open_index(flow: &Flow, ledger: &Ledger, files: &Files) -> Result<Index, Error> {
    let mut names = ledger.runs(flow.clone()).await?;
    names.reverse();
    let spooled = ledger.spooled(flow.clone()).await?;
    let mut failed = Vec::with_capacity(spooled.len());
    let mut actions = Vec::with_capacity(spooled.len());
    for batch in &spooled {
        failed.push(ledger.failed_keys(batch.id).await?);
        actions.push(match ledger.batch(batch.id).await?.batch.subject {
            crate::delivery::Subject::Rows { action, .. } => action,
            crate::delivery::Subject::Object { .. } => Action::Upsert,
        });
    }
    let files = files.clone();
    let index = files
        .pool
        .clone()
        .run(move || -> Result<Index, ledger::Error> {
            let sealer = Arc::clone(&files.sealer);
            let mut index = Index::open(&files.runs, &names, sealer, MEMORY_ROWS)?;
            for ((batch, failed), action) in spooled.iter().zip(failed).zip(actions) {
                if batch.fate == SpooledFate::Dropped {
                    continue;
                }
                let rows = files.spool.read_manifest(&batch.id.to_string())?;
                index.restore(batch.ordinal, action, &rows)?;
                index.abandon(batch.ordinal, &failed)?;
                if batch.fate == SpooledFate::Held {
                    index.settle(batch.ordinal)?;
                }
            }
            Ok(index)
        })
        .await?;
    Ok(index)
}

/// The files beside the database, and who reads them.
#[derive(Clone, Debug)]
pub struct Files {
    /// Where payloads wait.
    pub spool: Arc<Spool>,
    /// The folder of sorted runs.
    pub runs: std::path::PathBuf,
    /// Opens and seals.
    pub sealer: Arc<ledger::seal::Sealer>,
    /// Where blocking work goes.
    pub pool: crate::supervisor::Pool,
}

impl Files {
    /// Opens spool and runs beside the ledger and removes every file it does not name.
    pub async fn open(
        ledger: &Ledger,
        sealer: Arc<ledger::seal::Sealer>,
        limits: spool::Limits,
        pool: crate::supervisor::Pool,
    ) -> Result<Self, Error> {
        let named: std::collections::BTreeSet<String> =
            ledger.spool_names().await?.iter().map(BatchId::to_string).collect();
        let runs: std::collections::BTreeSet<String> =
            ledger.all_runs().await?.into_iter().map(|(_, name)| name).collect();
        let folder = ledger.folder().to_owned();
        let seal = Arc::clone(&sealer);
        let spool = pool
            .run(move || -> Result<Spool, ledger::Error> {
                let spool = Spool::open(&folder.join("spool"), seal, limits, [])?;
                spool.sweep(|name| named.contains(name))?;
                sent::sweep(&folder.join("runs"), |name| runs.contains(name))?;
                Ok(spool)
            })
            .await?;
        let runs = ledger.folder().join("runs");
        Ok(Self { spool: Arc::new(spool), runs, sealer, pool })
    }
}

/// The resource that carries a dataset's rows, and how its entry's items make them written.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) object: Object,
    pub(super) upper_id: Option<String>,
    pub(super) upper: BTreeMap<Kind, String>,
    /// The key's columns as they are named above, separated by commas.
    pub(super) key: String,
    /// How a new or changed row is written.
    pub(super) upsert: RowPlan,
    /// How a deleted row is written; a standard may have no way.
    pub(super) delete: Option<RowPlan>,
}

impl Mount {
    /// The mount of a dataset, once everything that `operation` needs is held above.
    pub(super) async fn find(
        ledger: &Ledger,
        carrier: &Carrier,
        standard: &Standard,
        operation: &str,
    ) -> Result<Option<Self>, Error> {
        let needs = standard.operation(operation).map_or(&[][..], |known| &known.needs);
        Self::given(ledger, carrier, standard, needs).await
    }

    /// The mount of a dataset, whatever of its surroundings is held above: only for judging.
    pub(super) async fn planned(
        ledger: &Ledger,
        carrier: &Carrier,
        standard: &Standard,
    ) -> Result<Option<Self>, Error> {
        Self::given(ledger, carrier, standard, &[]).await
    }

    async fn given(
        ledger: &Ledger,
        carrier: &Carrier,
        standard: &Standard,
        needs: &[Kind],
    ) -> Result<Option<Self>, Error> {
        let flow = &carrier.flow;
        let Some(id) = ledger.resource_of(flow.dataset.clone()).await? else { return Ok(None) };
        let key = ObjectKey { kind: Kind::Resource, id };
        let Some(object) = ledger.object(key).await? else { return Ok(None) };
        let above = super::above(ledger, &flow.channel, &object).await?;
        let mounted = above.link.as_ref().and_then(|link| link.upper_id.clone());
        if needs.contains(&Kind::Resource) && mounted.is_none()
            || above.missing.iter().any(|key| needs.contains(&key.kind))
        {
            return Ok(None);
        }
        let mut items = Vec::new();
        for parent in object.parents().into_iter().filter(|key| key.kind == Kind::Entry) {
            if let Some(entry) = ledger.object(parent).await? {
                items.extend_from_slice(entry.items());
            }
        }
        let columns: Vec<Column> = carrier
            .dataset
            .columns
            .iter()
            .zip(&carrier.dataset.fields)
            .map(|(column, field)| Column { name: field.item.clone(), kind: column.kind })
            .collect();
        let layout = RowLayout { columns: &columns, key: &carrier.dataset.key, items: &items };
        let upsert = standard.row_plan(Action::Upsert, layout).map_err(Error::lacks)?;
        let delete = standard
            .operation("rows.delete")
            .and_then(|_| standard.row_plan(Action::Delete, layout).ok());
        let named = carrier.dataset.key.iter().filter_map(|at| upsert.name_of(*at));
        let key = named.collect::<Vec<_>>().join(",");
        Ok(Some(Self { object, upper_id: mounted, upper: above.upper, key, upsert, delete }))
    }

    /// The columns of a row that is written by this action, as they are named above, separated by
    /// commas.
    pub(super) fn columns(&self, action: Action) -> String {
        let plan = match action {
            Action::Upsert => Some(&self.upsert),
            Action::Delete => self.delete.as_ref(),
        };
        plan.into_iter().flat_map(RowPlan::names).collect::<Vec<_>>().join(",")
    }
}
