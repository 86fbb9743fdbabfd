//! A scan by simple queries in keyset pages: text only, no prepared statements, no portals.
//!
//! A page ends anywhere, also between rows that share their (time, key). The next page starts at
//! that group and leaves out as many of it as were read; the order within a group is that of the
//! whole row, so it is the same rows.

use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::failed;
use super::plan::{Plan, literal};
use crate::city::PAGE_BYTES;
use crate::city::dataset::{Change, Dataset};
use crate::city::error::{Error, in_time};
use crate::city::feed::Trail;
use crate::city::query::{self, Bound, Select};
use crate::city::settings::PostgresSettings;
use crate::city::source::{Position, end_row};
use crate::city::value;
use crate::row::Page;
use crate::sql::Postgres;

use futures_util::TryStreamExt;

/// A page is never more than this many rows, whatever was asked: the answer to a simple query
/// cannot be paused by rows.
const MAX_ROWS: usize = 5000;

/// A keyset scan under way.
pub(crate) struct Cursor {
    it: PostgresSettings,
    dataset: Dataset,
    session: Postgres,
    select: Select,
    time: Option<usize>,
    /// Rows of the last group that were read.
    seen: u64,
    last: Option<(String, Vec<String>)>,
    trail: Trail,
    ended: bool,
}

impl Cursor {
    pub(super) fn new(
        it: &PostgresSettings,
        dataset: &Dataset,
        session: Postgres,
        _plan: Plan,
        mut select: Select,
    ) -> Self {
        select.with_keys = true;
        let time = match dataset.change {
            Change::TimeColumn { column, .. } if select.time.is_some() => Some(column),
            Change::TimeColumn { .. } | Change::Files | Change::Full => None,
        };
        Self {
            it: it.clone(),
            dataset: dataset.clone(),
            session,
            select,
            time,
            seen: 0,
            last: None,
            trail: Trail::default(),
            ended: false,
        }
    }

    /// Cancel-safe: nothing moves before a page is complete, and an interrupted page is asked for
    /// again; the protocol reads its remains first.
    pub(super) async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        page.clear();
        if self.ended {
            return Ok(false);
        }
        let limit = max_rows.min(MAX_ROWS);
        let sql = format!(
            "{} LIMIT {limit} OFFSET {}",
            query::statement(&self.dataset.origin, &self.select),
            self.seen
        );
        let (source_id, wait) = (self.it.id.clone(), self.it.timeout);
        let rows = in_time(&source_id, wait, self.ask(&sql)).await??;
        self.ended = rows.len() < limit;
        for row in &rows {
            self.append(row, page)?;
            if page.text_bytes() >= PAGE_BYTES {
                // The rest of the answer is asked for again.
                self.ended = false;
                break;
            }
        }
        if self.ended {
            self.trail.finish();
        }
        self.move_on();
        Ok(!page.is_empty())
    }

    async fn ask(&mut self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let it = &self.it;
        let stream = self.session.wire.drive(self.session.client.simple_query_raw(sql)).await;
        let mut stream = std::pin::pin!(stream.map_err(|cause| failed(it, cause))?);
        let mut rows = Vec::new();
        loop {
            let message = self.session.wire.drive(stream.try_next()).await;
            match message.map_err(|cause| failed(it, cause))? {
                Some(SimpleQueryMessage::Row(row)) => rows.push(row),
                Some(_) => {}
                None => return Ok(rows),
            }
        }
    }

    fn append(&mut self, row: &SimpleQueryRow, page: &mut Page) -> Result<(), Error> {
        let width = self.dataset.columns.len();
        let columns = self.dataset.columns.iter().zip(&self.dataset.fields);
        for (index, (column, field)) in columns.enumerate() {
            match row.try_get(index) {
                Ok(Some(text)) => value::push_text(page, column.kind, field.format.as_ref(), text),
                Ok(None) => page.push_null(),
                Err(_) => page.push_malformed("not UTF-8"),
            }
        }
        end_row(page, &self.dataset.key);
        let key: Vec<String> = (width..width + self.select.keys.len())
            .map(|index| row.try_get(index).ok().flatten().unwrap_or_default().to_owned())
            .collect();
        let mut at = String::new();
        if let Some(time) = self.time {
            let last = page.len().checked_sub(1).and_then(|last| page.row(last));
            let Some(text) = last.and_then(|row| row.cell(time).text()) else {
                let reason = "a time in every row of a scan by time";
                return Err(Error::Protocol { source_id: self.it.id.clone(), reason });
            };
            at.push_str(text);
            if text.len() == 10 {
                at.push_str("T00:00:00");
            }
            self.trail.step(&at, key.iter().map(String::as_str));
        }
        let point = Some((at, key));
        self.seen = if self.last == point { self.seen + 1 } else { 1 };
        self.last = point;
        Ok(())
    }

    /// The next page starts at the group of the last row.
    fn move_on(&mut self) {
        let Some((at, key)) = &self.last else { return };
        self.select.after = Some(Bound {
            time: self.time.map(|_| literal(at)),
            key: key.iter().map(|cell| literal(cell)).collect(),
            inclusive: true,
        });
    }

    pub(super) fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}
