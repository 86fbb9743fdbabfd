//! What became of a batch or of its rows, read from the table's own columns.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::load::{self, Load, Purpose};
use super::statement::Table;
use super::{
    ABSENT, Front, Outcomes, PAGE_ROWS, PARENT_FAILED, Stop, accepted, first, query, receipt, text,
};
use crate::delivery::Verdict;
use crate::row::key_of_cells;
use crate::sql::connect_read_only;
use crate::standard::{Drift, RowJudgement};
use crate::wire::Payload;

impl Front {
    /// Whether a batch stands: its own keys are read back.
    pub(super) async fn receipt(&self, load: &Load, operation: &str) -> Result<Outcomes, Stop> {
        let mut session = connect_read_only(&self.address.load()).await?;
        let table = self.table(load);
        let all = load.records(0..load.len(), &[], |_own| true);
        let stands = if operation == "rows.delete" {
            let tables = &self.tables;
            let with: [&(dyn ToSql + Sync); 4] =
                [&all, &tables.valid, &tables.failed, &tables.own_key];
            // Nothing is left to take back: it was done, or there was nothing.
            first(&mut session, &table.unvoided(), &with).await? == 0
        } else {
            first(&mut session, &table.arrived(), &[&all]).await? > 0
        };
        let mut outcomes = accepted(Some(receipt(None, load.len())));
        outcomes.absent = !stands;
        Ok(outcomes)
    }

    /// A page of rows that failed, those whose verdict was another once among them.
    pub(super) async fn revoked(
        &self,
        payload: &Payload,
        cursor: Option<&str>,
    ) -> Result<Outcomes, Stop> {
        let tables = &self.tables;
        let (name, key) = load::table_of(payload, tables).ok_or(Stop::Unreadable)?;
        let table = Table { name: &name, key: &key, columns: &[], tables };
        let nothing = "00000000-0000-0000-0000-000000000000";
        let after = BTreeMap::from([(tables.own_key.as_str(), cursor.unwrap_or(nothing))]);
        let after = serde_json::to_string(&after).unwrap_or_default();
        let mut session = connect_read_only(&self.address.load()).await?;
        let with: [&(dyn ToSql + Sync); 3] = [&tables.valid, &tables.failed, &after];
        let rows = query(&mut session, &table.revoked(PAGE_ROWS), &with).await?;
        let mut outcomes = accepted(None);
        for row in &rows {
            let own = text(row, 0)?.unwrap_or_default();
            let mut cells = Vec::with_capacity(key.len());
            for at in 0..key.len() {
                cells.push(text(row, at + 2)?.unwrap_or_default());
            }
            let verdict = Some(Verdict::Failed { reason: text(row, 1)?.unwrap_or_default() });
            let batch = load::origin(&own);
            outcomes.verdicts.push(RowJudgement { key: key_of_cells(&cells), verdict, batch });
            outcomes.next = Some(own);
        }
        if rows.len() < PAGE_ROWS {
            outcomes.next = None;
        }
        Ok(outcomes)
    }

    /// What became of a page of a batch's rows.
    pub(super) async fn verdicts(
        &self,
        load: &Load,
        operation: &str,
        cursor: Option<&str>,
    ) -> Result<Outcomes, Stop> {
        let from = cursor.and_then(|text| text.parse().ok()).unwrap_or(0_usize).min(load.len());
        let until = from.saturating_add(PAGE_ROWS).min(load.len());
        let mut session = connect_read_only(&self.address.load()).await?;
        let records = load.records(from..until, &[], |_own| true);
        let mut outcomes = accepted(None);
        let mut said = if operation == "rows.delete" {
            let rows = query(&mut session, &self.table(load).under_keys(), &[&records]).await?;
            self.taken_back(&rows, &mut outcomes.drift)?
        } else {
            let rows = query(&mut session, &self.table(load).verdicts(), &[&records]).await?;
            self.judged(&rows, &mut outcomes.drift)?
        };
        let has_parents = self.settings.parents.iter().any(|it| it.dataset == load.dataset);
        let mut missing = 0;
        for at in from..until {
            let Some(key) = load.texts.get(at).cloned() else { continue };
            let verdict = match (said.remove(&load.own(at)), operation) {
                (Some(verdict), _) => verdict,
                // Nothing stands under this key.
                (None, "rows.delete") => Some(Verdict::Passed),
                (None, _) => {
                    missing += 1;
                    let reason = if has_parents { PARENT_FAILED } else { ABSENT };
                    Some(Verdict::Failed { reason: reason.to_owned() })
                }
            };
            outcomes.verdicts.push(RowJudgement { key, verdict, batch: None });
        }
        if missing > 0 && missing == until - from {
            let all = load.records(0..load.len(), &[], |_own| true);
            let arrived = first(&mut session, &self.table(load).arrived(), &[&all]).await?;
            // Held rows were never written, and are told as such while their parents do not stand.
            if arrived == 0 && self.held(&mut session, load, from..until).await?.is_empty() {
                // The batch is not there, whatever its receipt said.
                outcomes.absent = true;
                outcomes.verdicts.clear();
            }
        }
        outcomes.next = (until < load.len()).then(|| until.to_string());
        Ok(outcomes)
    }

    /// Verdicts by own key; `None` where nobody has judged.
    fn judged(
        &self,
        rows: &[Row],
        drift: &mut Vec<Drift>,
    ) -> Result<BTreeMap<String, Option<Verdict>>, Stop> {
        let mut said = BTreeMap::new();
        for row in rows {
            let verdict = self.verdict(&text(row, 1)?, text(row, 2)?, drift);
            said.insert(text(row, 0)?.unwrap_or_default(), verdict);
        }
        Ok(said)
    }

    /// What became of deletions, by the own key of the message's row: it passed when everything of
    /// ours under its key is taken back and nothing about that is open.
    fn taken_back(
        &self,
        rows: &[Row],
        drift: &mut Vec<Drift>,
    ) -> Result<BTreeMap<String, Option<Verdict>>, Stop> {
        let mut said: BTreeMap<String, Option<Verdict>> = BTreeMap::new();
        let mut tombstones: BTreeMap<String, Option<Verdict>> = BTreeMap::new();
        for row in rows {
            let own = text(row, 1)?.unwrap_or_default();
            if load::purpose(&own) == Some(Purpose::Tombstone) {
                let verdict = self.verdict(&text(row, 3)?, text(row, 4)?, drift);
                tombstones.insert(own, verdict);
            }
        }
        for row in rows {
            let own = text(row, 1)?.unwrap_or_default();
            let status = text(row, 3)?;
            let is_failed = status.as_ref().is_some_and(|it| self.tables.failed.contains(it));
            if load::purpose(&own) != Some(Purpose::Row) || is_failed {
                continue;
            }
            let is_void = text(row, 2)?.as_ref() == Some(&self.tables.invalid);
            let verdict = match tombstones.get(&load::tombstone_of(&own)) {
                Some(verdict) => verdict.clone(),
                None => is_void.then_some(Verdict::Passed),
            };
            let so_far =
                said.entry(text(row, 0)?.unwrap_or_default()).or_insert(Some(Verdict::Passed));
            *so_far = match (so_far.take(), verdict) {
                (Some(Verdict::Passed), new) => new,
                (failed @ Some(Verdict::Failed { .. }), _) => failed,
                (None, failed @ Some(Verdict::Failed { .. })) => failed,
                (None, None | Some(Verdict::Passed)) => None,
            };
        }
        Ok(said)
    }

    fn verdict(
        &self,
        status: &Option<String>,
        reason: Option<String>,
        drift: &mut Vec<Drift>,
    ) -> Option<Verdict> {
        let tables = &self.tables;
        let status = status.as_deref().unwrap_or(&tables.new);
        let listed = |codes: &[String]| codes.iter().any(|code| code == status);
        if listed(&tables.passed) {
            return Some(Verdict::Passed);
        }
        if listed(&tables.failed) {
            return Some(Verdict::Failed { reason: reason.unwrap_or_default() });
        }
        let unlisted = Drift::UnlistedValue(tables.status.clone(), status.to_owned());
        if status != tables.new && !drift.contains(&unlisted) {
            drift.push(unlisted);
        }
        None
    }
}
