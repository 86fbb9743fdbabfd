//! What became of a batch or of its rows, read from the table's own columns.

use std::collections::BTreeMap;

use super::ask::{Rows, Session};
use super::load::{self, Load, Purpose};
use super::statement::Table;
use super::{ABSENT, Front, Outcomes, PAGE_ROWS, PARENT_FAILED, Stop, accepted, receipt};
use crate::delivery::Verdict;
use crate::row::key_of_cells;
use crate::standard::{Drift, RowJudgement};
use crate::wire::Payload;

impl Front {
    /// Whether a batch stands: its own keys are read back.
    pub(super) async fn receipt(&self, load: &Load, operation: &str) -> Result<Outcomes, Stop> {
        let mut session = Session::reader(&self.address.load()).await?;
        let stands = if operation == "rows.delete" {
            // Nothing is left to take back: it was done, or there was nothing.
            self.unvoided(&mut session, load).await? == 0
        } else {
            self.arrived(&mut session, load).await? > 0
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
        let mut session = Session::reader(&self.address.load()).await?;
        let after = cursor.unwrap_or(nothing);
        let rows = self.failed_after(&mut session, table, after).await?;
        let mut outcomes = accepted(None);
        for row in &rows {
            let own = text(row, 0).unwrap_or_default();
            let mut cells = Vec::with_capacity(key.len());
            for at in 0..key.len() {
                cells.push(text(row, at + 2).unwrap_or_default());
            }
            let verdict = Some(Verdict::Failed { reason: text(row, 1).unwrap_or_default() });
            let batch = load::origin(&own);
            outcomes.verdicts.push(RowJudgement {
                key: key_of_cells(&cells),
                verdict,
                batch,
                number: None,
            });
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
        let mut session = Session::reader(&self.address.load()).await?;
        let records = load.records(from..until, &[], |_own| true);
        let mut outcomes = accepted(None);
        let mut said = if operation == "rows.delete" {
            let rows = self.under_keys(&mut session, load, &records).await?;
            self.taken_back(&rows, &mut outcomes.drift)
        } else {
            let rows = self.said(&mut session, load, &records).await?;
            self.judged(&rows, &mut outcomes.drift)
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
            outcomes.verdicts.push(RowJudgement { key, verdict, batch: None, number: None });
        }
        if missing > 0 && missing == until - from {
            let arrived = self.arrived(&mut session, load).await?;
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
    fn judged(&self, rows: &Rows, drift: &mut Vec<Drift>) -> BTreeMap<String, Option<Verdict>> {
        let mut said = BTreeMap::new();
        for row in rows {
            let verdict = self.verdict(&text(row, 1), text(row, 2), drift);
            said.insert(text(row, 0).unwrap_or_default(), verdict);
        }
        said
    }

    /// What became of deletions, by the own key of the message's row: it passed when everything of
    /// ours under its key is taken back and nothing about that is open.
    fn taken_back(&self, rows: &Rows, drift: &mut Vec<Drift>) -> BTreeMap<String, Option<Verdict>> {
        let mut said: BTreeMap<String, Option<Verdict>> = BTreeMap::new();
        let mut tombstones: BTreeMap<String, Option<Verdict>> = BTreeMap::new();
        for row in rows {
            let own = text(row, 1).unwrap_or_default();
            if load::purpose(&own) == Some(Purpose::Tombstone) {
                let verdict = self.verdict(&text(row, 3), text(row, 4), drift);
                tombstones.insert(own, verdict);
            }
        }
        for row in rows {
            let own = text(row, 1).unwrap_or_default();
            let status = text(row, 3);
            let is_failed = status.as_ref().is_some_and(|it| self.tables.failed.contains(it));
            if load::purpose(&own) != Some(Purpose::Row) || is_failed {
                continue;
            }
            let is_void = text(row, 2).as_ref() == Some(&self.tables.invalid);
            let verdict = match tombstones.get(&load::tombstone_of(&own)) {
                Some(verdict) => verdict.clone(),
                None => is_void.then_some(Verdict::Passed),
            };
            let so_far =
                said.entry(text(row, 0).unwrap_or_default()).or_insert(Some(Verdict::Passed));
            *so_far = match (so_far.take(), verdict) {
                (Some(Verdict::Passed), new) => new,
                (failed @ Some(Verdict::Failed { .. }), _) => failed,
                (None, failed @ Some(Verdict::Failed { .. })) => failed,
                (None, None | Some(Verdict::Passed)) => None,
            };
        }
        said
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

fn text(row: &[Option<String>], at: usize) -> Option<String> {
    row.get(at).cloned().flatten()
}
