//! A scan by one binary `COPY`: one statement, one snapshot, tuples walked where they lie.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio_postgres::CopyOutStream;

use super::plan::{Carry, Plan};
use super::{failed, numeric};
use crate::city::PAGE_BYTES;
use crate::city::dataset::{Change, Dataset, Field};
use crate::city::error::{Error, in_time};
use crate::city::feed::Trail;
use crate::city::query::{self, Select};
use crate::city::settings::PostgresSettings;
use crate::city::source::{Position, end_row};
use crate::city::value::{self, TimeFormat};
use crate::row::{Column, ColumnType, Page};
use crate::sql::Postgres;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Days from 0001-01-01 to 2000-01-01, PostgreSQL's day 0.
const DAYS_BEFORE: i64 = 730_119;

const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// A message is one tuple; longer ones than this are no honest server's.
const MAX_TUPLE_BYTES: usize = 1 << 30;

/// Reads the tuples of one `COPY`, whatever the borders of its messages.
pub(super) struct Walk {
    lanes: Vec<Lane>,
    key: Vec<usize>,
    time: Option<usize>,
    key_count: usize,
    message: Bytes,
    /// How much of the message is read.
    read: usize,
    begun: bool,
    ended: bool,
    trail: Trail,
    scratch: String,
}

/// How a column is read.
struct Lane {
    carry: Carry,
    kind: ColumnType,
    format: Option<TimeFormat>,
}

/// What a walk stopped at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The page holds as much as it should.
    Full,
    /// The message is used up.
    Hungry,
    /// The server said that there is no more.
    End,
}

/// The stream is not what the protocol says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken(pub(super) &'static str);

impl Walk {
    pub(super) fn new(dataset: &Dataset, plan: &Plan, select: &Select) -> Self {
        let time = match dataset.change {
            Change::TimeColumn { column, .. } if select.time.is_some() => Some(column),
            Change::TimeColumn { .. } | Change::Files | Change::Full => None,
        };
        let columns = plan.carries.iter().zip(&dataset.columns).zip(&dataset.fields);
        let lane = |((carry, column), field): ((&Carry, &Column), &Field)| Lane {
            carry: *carry,
            kind: column.kind,
            format: field.format.clone(),
        };
        Self {
            lanes: columns.map(lane).collect(),
            key: dataset.key.clone(),
            time,
            key_count: if select.with_keys { select.keys.len() } else { 0 },
            message: Bytes::new(),
            read: 0,
            begun: false,
            ended: false,
            trail: Trail::default(),
            scratch: String::new(),
        }
    }

    /// The next message, after [`Stop::Hungry`].
    pub(super) fn feed(&mut self, message: Bytes) -> Result<(), Broken> {
        let left = self.message.get(self.read..).unwrap_or_default();
        if left.len() + message.len() > MAX_TUPLE_BYTES {
            return Err(Broken("a tuple of at most 1 GiB"));
        }
        self.message =
            if left.is_empty() { message } else { Bytes::from([left, &*message].concat()) };
        self.read = 0;
        Ok(())
    }

    /// Appends rows until the page is full or the message is used up.
    pub(super) fn walk(&mut self, page: &mut Page, max_rows: usize) -> Result<Stop, Broken> {
        // Taken out while it is read, so that rows borrow from it and not from the walk.
        let message = std::mem::take(&mut self.message);
        let stop = self.walk_message(&message, page, max_rows);
        self.message = message;
        stop
    }

    fn walk_message(
        &mut self,
        message: &[u8],
        page: &mut Page,
        max_rows: usize,
    ) -> Result<Stop, Broken> {
        let mut rest = message.get(self.read..).unwrap_or_default();
        while !self.ended {
            if page.len() >= max_rows || page.text_bytes() >= PAGE_BYTES {
                return Ok(Stop::Full);
            }
            if !self.begun {
                match header(&mut rest)? {
                    Some(()) => self.begun = true,
                    None => return Ok(Stop::Hungry),
                }
            } else if !self.tuple(&mut rest, page)? {
                return Ok(Stop::Hungry);
            }
            self.read = message.len() - rest.len();
        }
        self.trail.finish();
        Ok(Stop::End)
    }

    /// False: the message holds only a part of the tuple.
    fn tuple(&mut self, rest: &mut &[u8], page: &mut Page) -> Result<bool, Broken> {
        if !is_whole(rest)? {
            return Ok(false);
        }
        let count = i16::from_be_bytes(take(rest).unwrap_or_default());
        if count == -1 {
            self.ended = true;
            return Ok(true);
        }
        if usize::try_from(count) != Ok(self.lanes.len() + self.key_count) {
            return Err(Broken("as many fields as were asked for"));
        }
        for lane in &self.lanes {
            match field(rest) {
                Some(bytes) => lane.push(bytes, page, &mut self.scratch),
                None => page.push_null(),
            }
        }
        end_row(page, &self.key);
        self.step(rest, page)?;
        Ok(true)
    }

    /// The key's texts follow the columns; they are the source's own and make the position.
    fn step(&mut self, rest: &mut &[u8], page: &Page) -> Result<(), Broken> {
        let Some(time) = self.time else { return Ok(()) };
        let row = page.len().checked_sub(1).and_then(|last| page.row(last));
        let Some(text) = row.and_then(|row| row.cell(time).text()) else {
            return Err(Broken("a time in every row of a scan by time"));
        };
        self.scratch.clear();
        self.scratch.push_str(text);
        if text.len() == 10 {
            self.scratch.push_str("T00:00:00");
        }
        let start = *rest;
        let mut keys = start;
        let texts = (0..self.key_count)
            .map(|_| std::str::from_utf8(field(&mut keys).unwrap_or_default()).unwrap_or_default());
        let texts: Vec<&str> = texts.collect();
        self.trail.step(&self.scratch, texts.iter().copied());
        *rest = keys;
        Ok(())
    }

    fn position(&self) -> Option<&Position> {
        self.trail.complete()
    }
}

impl Lane {
    fn push(&self, bytes: &[u8], page: &mut Page, scratch: &mut String) {
        if self.carry == Carry::Text && self.kind == ColumnType::Text {
            match std::str::from_utf8(bytes) {
                Ok(text) => page.push(text),
                Err(_) => page.push_malformed("not UTF-8"),
            }
            return;
        }
        scratch.clear();
        match append(self.carry, bytes, scratch) {
            Err(reason) => page.push_malformed(reason),
            Ok(()) if self.carry.native() == self.kind => page.push(scratch),
            // Declared as another type than it has: through its text.
            Ok(()) => value::push_text(page, self.kind, self.format.as_ref(), scratch),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// The next field of a tuple that [`is_whole`] found whole.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(i32::from_be_bytes(take(rest)?)).ok()?;
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(bytes)
}

fn header(rest: &mut &[u8]) -> Result<Option<()>, Broken> {
    let mut all = *rest;
    let Some((signature, after)) = all.split_at_checked(SIGNATURE.len()) else { return Ok(None) };
    if signature != SIGNATURE {
        return Err(Broken("the signature of a binary copy"));
    }
    all = after;
    let (Some(_flags), Some(extension)) = (take::<4>(&mut all), take::<4>(&mut all)) else {
        return Ok(None);
    };
    let Ok(length) = usize::try_from(i32::from_be_bytes(extension)) else {
        return Err(Broken("a header extension of a length"));
    };
    let Some((_, tuples)) = all.split_at_checked(length) else { return Ok(None) };
    *rest = tuples;
    Ok(Some(()))
}

/// A whole tuple, or the end mark, lies at the start.
fn is_whole(mut rest: &[u8]) -> Result<bool, Broken> {
    let Some(count) = take(&mut rest) else { return Ok(false) };
    let count = i16::from_be_bytes(count);
    if count < -1 {
        return Err(Broken("a count of fields"));
    }
    for _ in 0..count {
        let Some(length) = take(&mut rest) else { return Ok(false) };
        let length = i32::from_be_bytes(length);
        if length == -1 {
            continue;
        }
        let Ok(length) = usize::try_from(length) else { return Err(Broken("a length of a field")) };
        let Some((_, after)) = rest.split_at_checked(length) else { return Ok(false) };
        rest = after;
    }
    Ok(true)
}

/// Appends the canonical text of a value.
fn append(carry: Carry, bytes: &[u8], into: &mut String) -> Result<(), &'static str> {
    const SHAPE: &str = "bytes of another length than its type has";
    let mut rest = bytes;
    match carry {
        Carry::Text => into.push_str(std::str::from_utf8(bytes).map_err(|_invalid| "not UTF-8")?),
        Carry::Boolean => {
            let [flag] = take(&mut rest).ok_or(SHAPE)?;
            into.push_str(if flag == 0 { "false" } else { "true" });
        }
        Carry::Int2 => integer(i16::from_be_bytes(take(&mut rest).ok_or(SHAPE)?).into(), into),
        Carry::Int4 => integer(i32::from_be_bytes(take(&mut rest).ok_or(SHAPE)?).into(), into),
        Carry::Int8 => integer(i64::from_be_bytes(take(&mut rest).ok_or(SHAPE)?), into),
        Carry::Numeric => {
            if !numeric::append(bytes, into) {
                return Err("not a number");
            }
        }
        Carry::Date => {
            let day = i32::from_be_bytes(take(&mut rest).ok_or(SHAPE)?);
            date(day.into(), into).ok_or("a date outside the years 1 to 9999")?;
        }
        Carry::Timestamp => {
            let microseconds = i64::from_be_bytes(take(&mut rest).ok_or(SHAPE)?);
            timestamp(microseconds, into).ok_or("a time outside the years 1 to 9999")?;
        }
        Carry::Uuid => {
            let id: [u8; 16] = take(&mut rest).ok_or(SHAPE)?;
            for (place, byte) in id.iter().enumerate() {
                if matches!(place, 4 | 6 | 8 | 10) {
                    into.push('-');
                }
                for digit in [byte >> 4, byte & 15] {
                    into.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                }
            }
        }
    }
    Ok(())
}

fn integer(number: i64, into: &mut String) {
    into.push_str(itoa::Buffer::new().format(number));
}

/// The civil date of a day counted from 2000-01-01; `None` outside the years 1 to 9999, which is
/// also where the infinities are.
fn civil(day: i64) -> Option<[u32; 3]> {
    // Days since 0000-03-01, so that a leap day is the last of its year.
    let days = day.checked_add(DAYS_BEFORE + 306)?;
    if !(306..=3_652_364).contains(&days) {
        return None;
    }
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let part = |value: i64| u32::try_from(value).ok();
    Some([part(year)?, part(month)?, part(day)?])
}

fn date(day: i64, into: &mut String) -> Option<()> {
    let [year, month, day] = civil(day)?;
    value::append_date(into, [year, month, day, 0, 0, 0]);
    Some(())
}

fn timestamp(microseconds: i64, into: &mut String) -> Option<()> {
    let [year, month, day] = civil(microseconds.div_euclid(DAY_MICROSECONDS))?;
    let of_day = microseconds.rem_euclid(DAY_MICROSECONDS);
    let part = |value: i64| u32::try_from(value).unwrap_or(0);
    let seconds = part(of_day / 1_000_000);
    let moment = [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60];
    value::append_date(into, moment);
    value::append_clock(into, moment);
    let fraction = part(of_day % 1_000_000);
    if fraction != 0 {
        into.push('.');
        value::append_two(into, fraction / 10_000);
        value::append_two(into, fraction / 100 % 100);
        value::append_two(into, fraction % 100);
    }
    Some(())
}

/// A `COPY` under way.
pub(crate) struct Cursor {
    it: PostgresSettings,
    session: Postgres,
    stream: Pin<Box<CopyOutStream>>,
    walk: Walk,
    /// Being filled; it is here so that a caller who stops waiting loses nothing.
    page: Page,
}

impl Cursor {
    pub(super) async fn start(
        it: &PostgresSettings,
        dataset: &Dataset,
        mut session: Postgres,
        plan: Plan,
        select: &Select,
    ) -> Result<Self, Error> {
        let statement = query::statement(&dataset.origin, select);
        let sql = format!("COPY ({statement}) TO STDOUT (FORMAT binary)");
        let stream = session.wire.drive(session.client.copy_out(&sql));
        let stream = stream.await.map_err(|cause| failed(it, cause))?;
        Ok(Self {
            it: it.clone(),
            session,
            stream: Box::pin(stream),
            walk: Walk::new(dataset, &plan, select),
            page: Page::new(dataset.columns.len()),
        })
    }

    /// Cancel-safe: the page being filled stays here.
    pub(super) async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        let (source_id, limit) = (self.it.id.clone(), self.it.timeout);
        in_time(&source_id, limit, self.fill(max_rows)).await??;
        page.clear();
        std::mem::swap(page, &mut self.page);
        Ok(!page.is_empty())
    }

    async fn fill(&mut self, max_rows: usize) -> Result<(), Error> {
        let source_id = || self.it.id.clone();
        let broken = |Broken(reason)| Error::Protocol { source_id: source_id(), reason };
        loop {
            match self.walk.walk(&mut self.page, max_rows).map_err(broken)? {
                Stop::Full | Stop::End => return Ok(()),
                Stop::Hungry => {}
            }
            let message = self.session.wire.drive(self.stream.try_next()).await;
            match message.map_err(|cause| failed(&self.it, cause))? {
                Some(message) => self.walk.feed(message).map_err(broken)?,
                None => return Err(broken(Broken("an end mark"))),
            }
        }
    }

    pub(super) fn position(&self) -> Option<&Position> {
        self.walk.position()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day_text(day: i64) -> Option<String> {
        let mut text = String::new();
        date(day, &mut text).map(|()| text)
    }

    #[test]
    fn every_day_of_the_calendar_has_its_date() {
        let first = jiff::civil::date(1, 1, 1);
        let zero = jiff::civil::date(2000, 1, 1);
        let start = i64::from(zero.until(first).unwrap().get_days());
        assert_eq!(day_text(start).unwrap(), "0001-01-01");
        assert_eq!(day_text(start - 1), None);
        let mut at = first;
        for day in start.. {
            assert_eq!(day_text(day).as_deref(), Some(&*at.to_string()));
            match at.tomorrow() {
                Ok(next) => at = next,
                Err(_) => {
                    assert_eq!(day_text(day).unwrap(), "9999-12-31");
                    assert_eq!(day_text(day + 1), None);
                    break;
                }
            }
        }
        for infinity in [i32::MIN, i32::MAX] {
            assert_eq!(day_text(infinity.into()), None);
        }
    }

    #[test]
    fn microseconds_become_a_fraction_only_where_there_are_some() {
        let text = |microseconds| {
            let mut text = String::new();
            timestamp(microseconds, &mut text).map(|()| text)
        };
        assert_eq!(text(0).unwrap(), "2000-01-01T00:00:00");
        assert_eq!(text(-1).unwrap(), "1999-12-31T23:59:59.999999");
        assert_eq!(text(500_000).unwrap(), "2000-01-01T00:00:00.500000");
        assert_eq!(text(i64::MAX), None);
        assert_eq!(text(i64::MIN), None);
    }

    fn walk(carries: &[Carry]) -> Walk {
        Walk {
            lanes: carries
                .iter()
                .map(|carry| Lane { carry: *carry, kind: carry.native(), format: None })
                .collect(),
            key: vec![0],
            time: None,
            key_count: 0,
            message: Bytes::new(),
            read: 0,
            begun: false,
            ended: false,
            trail: Trail::default(),
            scratch: String::new(),
        }
    }

    fn stream(rows: &[(&str, i32)]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        for (text, number) in rows {
            bytes.extend(2_i16.to_be_bytes());
            bytes.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
            bytes.extend(4_i32.to_be_bytes());
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    proptest::proptest! {
        #[test]
        fn rows_do_not_depend_on_where_messages_end(
            rows in proptest::collection::vec((".{0,6}", proptest::num::i32::ANY), 0..8),
            cut in 1_usize..40,
        ) {
            let rows: Vec<(&str, i32)> = rows.iter().map(|(text, n)| (text.as_str(), *n)).collect();
            let mut walk = walk(&[Carry::Text, Carry::Int4]);
            let mut page = Page::new(2);
            let bytes = stream(&rows);
            let mut pieces = bytes.chunks(cut);
            while walk.walk(&mut page, 1000).unwrap() == Stop::Hungry {
                walk.feed(Bytes::copy_from_slice(pieces.next().unwrap())).unwrap();
            }
            proptest::prop_assert!(pieces.next().is_none());
            proptest::prop_assert_eq!(page.len(), rows.len());
            for (row, (text, number)) in page.rows().zip(rows) {
                proptest::prop_assert_eq!(row.cell(0).text(), Some(text));
                proptest::prop_assert_eq!(row.cell(1).text(), Some(&*number.to_string()));
            }
        }

        #[test]
        fn bytes_from_anywhere_never_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        ) {
            let mut walk = walk(&[Carry::Numeric, Carry::Uuid]);
            walk.begun = true;
            walk.feed(Bytes::from(bytes)).unwrap();
            let mut page = Page::new(2);
            let stop = walk.walk(&mut page, 3);
            proptest::prop_assert!(page.len() <= 3 || stop.is_err());
        }
    }
}
