//! A scan by statements of a bounded number of rows.

use odbc_api::buffers::{BufferDesc, ColumnarDynBuffer, Indicator};
use odbc_api::handles::StatementImpl;
use odbc_api::parameter::{VarCell, VarWCharBox, WideText};
use odbc_api::{BlockCursor, Connection, Cursor, CursorImpl, IntoParameter};

use super::dialect::{END, Start, Statement, Time};
use super::failed;
use super::plan::{Carry, Plan};
use crate::city::PAGE_BYTES;
use crate::city::dataset::{Change, Dataset};
use crate::city::error::Error;
use crate::city::feed::{self, Trail};
use crate::city::settings::{Dialect, OdbcSettings};
use crate::city::source::{Position, Scan, end_row};
use crate::city::value::{self, TimeFormat};
use crate::row::Page;

/// Bytes of a fetch of many rows.
const FETCH_BYTES: usize = 4 << 20;
/// Rows of a fetch.
const FETCH_ROWS: usize = 1_000;
/// Letters of UTF-16 of the first piece of a long field.
const PIECE: usize = 64 << 10;
/// Letters of the longest field that is read at all.
const LONGEST: usize = 256 << 20;

/// What was fetched and not given out yet.
#[derive(Default)]
struct Batch {
    text: String,
    /// Row by row.
    cells: Vec<Fetched>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Fetched {
    Null,
    /// Where in the text.
    Text(usize, usize),
    Broken(&'static str),
}

impl Batch {
    fn clear(&mut self) {
        // A long field is not kept for the next ones.
        if self.text.capacity() > 2 * FETCH_BYTES {
            self.text = String::new();
        }
        self.text.clear();
        self.cells.clear();
        self.next = 0;
    }

    fn push(&mut self, letters: Option<&[u16]>) {
        let Some(letters) = letters else { return self.cells.push(Fetched::Null) };
        let start = self.text.len();
        for letter in char::decode_utf16(letters.iter().copied()) {
            let Ok(letter) = letter else {
                self.text.truncate(start);
                return self.cells.push(Fetched::Broken("not UTF-16"));
            };
            self.text.push(letter);
        }
        self.cells.push(Fetched::Text(start, self.text.len()));
    }

    fn cell(&self, column: usize) -> Result<Option<&str>, &'static str> {
        match self.cells.get(self.next + column) {
            Some(Fetched::Text(start, end)) => Ok(self.text.get(*start..*end)),
            Some(Fetched::Null) | None => Ok(None),
            Some(Fetched::Broken(reason)) => Err(reason),
        }
    }
}

/// An answer that is being fetched. However it ends, the library's own way to close a cursor is not
/// taken: it panics where a session is gone.
struct Answer<'c>(Option<Way<'c>>);

enum Way<'c> {
    Many(BlockCursor<CursorImpl<StatementImpl<'c>>, ColumnarDynBuffer>),
    One(CursorImpl<StatementImpl<'c>>),
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Way::Many(cursor)) => {
                if let Ok((cursor, buffer)) = cursor.unbind() {
                    drop(cursor.into_stmt());
                    drop(buffer);
                }
            }
            Some(Way::One(cursor)) => drop(cursor.into_stmt()),
            None => {}
        }
    }
}

enum Step {
    Rows,
    End,
    /// A field is longer than the room for it.
    TooLong,
}

impl Answer<'_> {
    fn step(&mut self, batch: &mut Batch, width: usize) -> Result<Step, odbc_api::Error> {
        batch.clear();
        match &mut self.0 {
            Some(Way::Many(cursor)) => match cursor.fetch_with_truncation_check(true) {
                Ok(None) => Ok(Step::End),
                Ok(Some(rows)) => {
                    for row in 0..rows.num_rows() {
                        for column in 0..width {
                            let texts = rows.column(column).as_wide_text();
                            batch.push(texts.and_then(|texts| texts.get(row)));
                        }
                    }
                    Ok(Step::Rows)
                }
                Err(odbc_api::Error::TooLargeValueForBuffer { .. }) => Ok(Step::TooLong),
                Err(error) => Err(error),
            },
            Some(Way::One(cursor)) => {
                let Some(mut row) = cursor.next_row()? else { return Ok(Step::End) };
                for number in (1..).take(width) {
                    fetch_long(&mut row, number, batch)?;
                }
                Ok(Step::Rows)
            }
            None => Ok(Step::End),
        }
    }
}

/// Piece by piece, however the driver counts what is left.
fn fetch_long(
    row: &mut odbc_api::CursorRow<'_>,
    number: u16,
    batch: &mut Batch,
) -> Result<(), odbc_api::Error> {
    let mut whole: Vec<u16> = Vec::new();
    let mut piece = vec![0_u16; PIECE];
    loop {
        let mut target =
            VarCell::<_, WideText>::from_buffer(piece.as_mut_slice(), Indicator::NoTotal);
        row.get_data(number, &mut target)?;
        let Some(letters) = target.as_slice() else {
            batch.push(None);
            return Ok(());
        };
        whole.extend_from_slice(letters);
        if target.is_complete() {
            batch.push(Some(&whole));
            return Ok(());
        }
        // Some drivers turn the whole field into letters for every piece: the fewer, the better.
        let left = match target.indicator() {
            Indicator::Length(bytes) => (bytes / 2).saturating_sub(letters.len()) + 1,
            Indicator::NoTotal | Indicator::Null => 2 * whole.len(),
        };
        if letters.is_empty() || whole.len() + left > LONGEST {
            batch.cells.push(Fetched::Broken("a field that is too long"));
            return Ok(());
        }
        piece.resize(left.max(PIECE), 0);
    }
}

/// A scan under way.
pub(super) struct Reader<'c> {
    it: &'c OdbcSettings,
    dataset: &'c Dataset,
    session: &'c Connection<'static>,
    plan: Plan,
    statement: Statement,
    start: Option<Start>,
    /// The last row's (time, key), and how many rows of that group were given out.
    point: Option<(String, Vec<String>)>,
    seen: u64,
    /// Of the statement under way: rows to pass over, rows asked for, rows that came.
    skip: u64,
    limit: u64,
    came: u64,
    answer: Option<Answer<'c>>,
    batch: Batch,
    in_bulk: bool,
    time: Option<usize>,
    trail: Trail,
    ended: bool,
}

impl<'c> Reader<'c> {
    pub(super) fn new(
        it: &'c OdbcSettings,
        dataset: &'c Dataset,
        session: &'c Connection<'static>,
        plan: Plan,
        scan: &Scan,
    ) -> Result<Self, Error> {
        let dialect = it.dialect;
        let columns: Vec<String> =
            dataset.columns.iter().map(|column| dialect.column(&column.name)).collect();
        let keys = dataset.key.iter().filter_map(|index| columns.get(*index));
        let order = columns.iter().zip(&plan.long);
        let mut statement = Statement {
            dialect,
            from: dialect.from(&dataset.origin),
            keys: keys.map(|column| dialect.key(column)).collect(),
            order: order.filter_map(|(column, long)| dialect.order(column, *long)).collect(),
            columns,
            undated: matches!(scan, Scan::MissingTime),
            time: None,
            until: None,
        };
        let (mut start, mut time) = (None, None);
        match (scan, time_column(dataset, &plan, dialect)) {
            (Scan::Full, _) => {}
            (Scan::Since { .. } | Scan::MissingTime, None) => {
                let reason = format!("dataset {} has no time column to scan by", dataset.id);
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
            (Scan::MissingTime, Some((_, column))) => statement.time = Some(column),
            (Scan::Since { after, until }, Some((index, column))) => {
                statement.time = Some(column);
                statement.until = until.map(value::canonical_time);
                time = Some(index);
                start = after.as_ref().map(|position| Start {
                    time: Some(position.time.clone()),
                    key: position.key.clone(),
                    inclusive: false,
                });
            }
        }
        let limit = u64::from(it.statement_rows.max(1));
        Ok(Self {
            it,
            dataset,
            session,
            plan,
            statement,
            start,
            point: None,
            seen: 0,
            skip: 0,
            limit,
            came: 0,
            answer: None,
            batch: Batch::default(),
            in_bulk: true,
            time,
            trail: Trail::default(),
            ended: false,
        })
    }

    fn width(&self) -> usize {
        self.dataset.columns.len() + self.dataset.key.len()
    }

    /// Fetches until there are rows or none are left.
    fn refill(&mut self) -> Result<(), Error> {
        loop {
            let mut answer = match self.answer.take() {
                Some(answer) => answer,
                None => self.ask()?,
            };
            let width = self.width();
            match answer.step(&mut self.batch, width).map_err(|error| failed(self.it, error))? {
                Step::Rows => {
                    self.came += u64::try_from(self.batch.cells.len() / width.max(1)).unwrap_or(0);
                    self.answer = Some(answer);
                    return Ok(());
                }
                Step::End if self.came < self.limit => {
                    self.ended = true;
                    self.trail.finish();
                    return Ok(());
                }
                Step::End => {
                    drop(answer);
                    self.go_on()?;
                }
                Step::TooLong => {
                    drop(answer);
                    self.in_bulk = false;
                    self.restart();
                }
            }
        }
    }

    fn ask(&self) -> Result<Answer<'c>, Error> {
        let whole = |error| failed(self.it, error);
        if let Some(read_only) = self.it.dialect.read_only_transaction() {
            // A transaction of hours would need what the server keeps of the past for minutes.
            self.session.rollback().map_err(whole)?;
            super::ask(self.it, self.session, read_only)?;
        }
        let (sql, parameters) = self.statement.text(self.start.as_ref(), self.limit);
        let parameters: Vec<VarWCharBox> =
            parameters.into_iter().map(IntoParameter::into_parameter).collect();
        let mut statement = self.session.preallocate().map_err(whole)?;
        let limit = self.it.statement_timeout.as_millis().div_ceil(1_000);
        // A driver that knows no such limit says so; the server's own and the page's remain.
        statement.set_query_timeout_sec(usize::try_from(limit).unwrap_or(usize::MAX)).ok();
        let cursor = statement.into_cursor(&sql, parameters.as_slice()).map_err(whole)?;
        let Some(cursor) = cursor else { return Ok(Answer(None)) };
        if !self.in_bulk {
            return Ok(Answer(Some(Way::One(cursor))));
        }
        let of_key = self.dataset.key.iter().filter_map(|index| self.plan.letters.get(*index));
        let letters: Vec<usize> =
            self.plan.letters.iter().copied().chain(of_key.map(|letters| letters + 1)).collect();
        let row: usize = letters.iter().map(|letters| 2 * letters + 10).sum();
        let rows = (FETCH_BYTES / row.max(1)).clamp(1, FETCH_ROWS);
        let texts = letters.into_iter().map(|max_str_len| BufferDesc::WText { max_str_len });
        let buffer = ColumnarDynBuffer::try_from_descs(rows, texts).map_err(whole)?;
        Ok(Answer(Some(Way::Many(cursor.bind_buffer(buffer).map_err(whole)?))))
    }

    /// The next statement starts at the group of the last row.
    fn go_on(&mut self) -> Result<(), Error> {
        let (start, seen) = (self.start.clone(), self.skip_of_start());
        self.restart();
        if self.start == start && self.skip <= seen {
            let reason = "rows in the order that was asked for";
            return Err(Error::Protocol { source_id: self.it.id.clone(), reason });
        }
        Ok(())
    }

    /// Rows of the first group that the statement under way was to pass over.
    fn skip_of_start(&self) -> u64 {
        self.limit - u64::from(self.it.statement_rows.max(1))
    }

    fn restart(&mut self) {
        self.batch.clear();
        self.came = 0;
        let Some((time, key)) = &self.point else { return };
        self.start = Some(Start {
            time: self.time.map(|_| time.clone()),
            key: key.clone(),
            inclusive: true,
        });
        self.skip = self.seen;
        self.limit = u64::from(self.it.statement_rows.max(1)) + self.seen;
    }

    fn take_row(&mut self, page: &mut Page) -> Result<(), Error> {
        let columns = self.dataset.columns.len();
        let key = (columns..self.width()).map(|index| {
            let text = self.batch.cell(index).ok().flatten().unwrap_or_default();
            text.strip_suffix(END).unwrap_or(text).to_owned()
        });
        let key: Vec<String> = key.collect();
        let at = self.time_of_row()?;
        let point = Some((at, key));
        let is_same = self.point == point;
        if is_same && self.skip > 0 {
            self.skip -= 1;
            self.batch.next += self.width();
            return Ok(());
        }
        self.skip = 0;
        let all = self.dataset.columns.iter().zip(&self.dataset.fields).zip(&self.plan.carries);
        for (index, ((column, field), carry)) in all.enumerate() {
            match self.batch.cell(index) {
                Ok(Some(text)) => carry.push(page, column.kind, field.format.as_ref(), text),
                Ok(None) => page.push_null(),
                Err(reason) => page.push_malformed(reason),
            }
        }
        end_row(page, &self.dataset.key);
        self.batch.next += self.width();
        self.seen = if is_same { self.seen + 1 } else { 1 };
        self.point = point;
        if let (Some(_), Some((at, key))) = (self.time, &self.point) {
            self.trail.step(at, key.iter().map(String::as_str));
        }
        Ok(())
    }

    /// The next row's canonical time; empty in the order of keys.
    fn time_of_row(&self) -> Result<String, Error> {
        let Some(index) = self.time else { return Ok(String::new()) };
        let told = || {
            let raw = self.batch.cell(index).ok().flatten()?;
            let time = self.statement.time.as_ref()?;
            if self.it.dialect == Dialect::Sqlite {
                return time.format.canonical(raw);
            }
            let column = self.dataset.columns.get(index)?;
            let mut page = Page::new(1);
            let carry = self.plan.carries.get(index).copied().unwrap_or(Carry::Text);
            carry.push(&mut page, column.kind, None, raw);
            page.end_row().ok()?;
            let text = page.row(0)?.cell(0).text()?.to_owned();
            Some(if text.len() == 10 { format!("{text}T00:00:00") } else { text })
        };
        told().ok_or_else(|| {
            let reason = "a time in every row of a scan by time";
            Error::Protocol { source_id: self.it.id.clone(), reason }
        })
    }
}

impl feed::Read for Reader<'_> {
    fn fill(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        while !self.ended && page.len() < max_rows && page.text_bytes() < PAGE_BYTES {
            if self.batch.next >= self.batch.cells.len() {
                self.refill()?;
            } else {
                self.take_row(page)?;
            }
        }
        Ok(!page.is_empty())
    }

    fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}

fn time_column(dataset: &Dataset, plan: &Plan, dialect: Dialect) -> Option<(usize, Time)> {
    let Change::TimeColumn { column: index, .. } = dataset.change else { return None };
    let column = dataset.columns.get(index)?;
    let format = dataset.fields.get(index).and_then(|field| field.format.clone());
    let time = Time {
        name: dialect.column(&column.name),
        format: format.unwrap_or_else(|| TimeFormat::usual(column.kind)),
        digits: plan.digits(index),
    };
    Some((index, time))
}
