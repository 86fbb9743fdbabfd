//! A scan by one statement, its rows taken as they come.

use super::lane::{Lane, Zones};
use super::plan::Plan;
use super::{bounded, failed};
use crate::city::PAGE_BYTES;
use crate::city::dataset::{Change, Dataset};
use crate::city::error::{Error, in_time};
use crate::city::feed::Trail;
use crate::city::query::Select;
use crate::city::settings::MySqlSettings;
use crate::city::source::{Position, end_row};
use crate::row::Page;
use crate::sql::{MySql, SORT_BYTES};

/// A scan under way.
pub(crate) struct Cursor {
    it: MySqlSettings,
    session: MySql,
    lanes: Vec<Lane>,
    zones: Zones,
    key: Vec<usize>,
    time: Option<usize>,
    keys: usize,
    trail: Trail,
    ended: bool,
    /// Being filled; it is here so that a caller who stops waiting loses nothing.
    page: Page,
}

impl Cursor {
    pub(super) async fn start(
        it: &MySqlSettings,
        dataset: &Dataset,
        mut session: MySql,
        plan: Plan,
        select: &Select,
        sql: &str,
    ) -> Result<Self, Error> {
        bounded(it, session.ask(sql)).await?;
        let columns = plan.carries.iter().zip(&dataset.columns).zip(&dataset.fields);
        let lanes = columns.map(|((carry, column), field)| Lane {
            carry: *carry,
            kind: column.kind,
            format: field.format.clone(),
        });
        let time = match dataset.change {
            Change::TimeColumn { column, .. } if select.time.is_some() => Some(column),
            Change::TimeColumn { .. } | Change::Files | Change::Full => None,
        };
        Ok(Self {
            it: it.clone(),
            lanes: lanes.collect(),
            zones: Zones { session: session.offset, dataset: dataset.zone.clone() },
            session,
            key: dataset.key.clone(),
            time,
            keys: if select.with_keys { select.keys.len() } else { 0 },
            trail: Trail::default(),
            ended: false,
            page: Page::new(dataset.columns.len()),
        })
    }

    /// Cancel-safe: the page being filled stays here.
    pub(in crate::city) async fn next(
        &mut self,
        page: &mut Page,
        max_rows: usize,
    ) -> Result<bool, Error> {
        let (source_id, limit) = (self.it.id.clone(), self.it.timeout);
        in_time(&source_id, limit, self.fill(max_rows)).await??;
        page.clear();
        std::mem::swap(page, &mut self.page);
        Ok(!page.is_empty())
    }

    async fn fill(&mut self, max_rows: usize) -> Result<(), Error> {
        while !self.ended && self.page.len() < max_rows && self.page.text_bytes() < PAGE_BYTES {
            let row = self.session.next().await.map_err(|cause| failed(&self.it, cause))?;
            match row {
                Some(row) => self.append(&row)?,
                None => {
                    self.ended = true;
                    self.trail.finish();
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, row: &mysql_async::Row) -> Result<(), Error> {
        let source_id = || self.it.id.clone();
        if row.len() != self.lanes.len() + self.keys {
            let reason = "as many columns as were asked for";
            return Err(Error::Protocol { source_id: source_id(), reason });
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            match cell(row, index) {
                Some(bytes) => lane.push(bytes, &self.zones, &mut self.page),
                None => self.page.push_null(),
            }
        }
        end_row(&mut self.page, &self.key);
        let Some(time) = self.time else { return Ok(()) };
        let last = self.page.len().checked_sub(1).and_then(|last| self.page.row(last));
        let Some(text) = last.and_then(|row| row.cell(time).text()) else {
            let reason = "a time in every row of a scan by time";
            return Err(Error::Protocol { source_id: source_id(), reason });
        };
        let at = if text.len() == 10 { format!("{text}T00:00:00") } else { text.to_owned() };
        let width = self.lanes.len();
        let texts: Option<Vec<&str>> = (width..width + self.keys)
            .map(|index| std::str::from_utf8(cell(row, index).unwrap_or_default()).ok())
            .collect();
        let texts = texts.unwrap_or_default();
        if texts.iter().any(|text| text.len() > SORT_BYTES) {
            // Beyond that the server's order is none, and a position would miss rows.
            let reason = format!("a key of more than {SORT_BYTES} bytes cannot be read by time");
            return Err(Error::Unfit { source_id: source_id(), reason });
        }
        self.trail.step(&at, texts.iter().copied());
        Ok(())
    }

    pub(in crate::city) fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}

fn cell(row: &mysql_async::Row, index: usize) -> Option<&[u8]> {
    match row.as_ref(index) {
        Some(mysql_async::Value::Bytes(bytes)) => Some(bytes),
        // The protocol of text has no other values.
        Some(_) | None => None,
    }
}
