//! How each column is fetched and read, by the types that the driver tells.

use std::num::NonZeroUsize;

use odbc_api::DataType;
use odbc_api::sys::SqlDataType;

use crate::city::dataset::Dataset;
use crate::city::error::Error;
use crate::city::settings::{Dialect, OdbcSettings};
use crate::city::value::{self, TimeFormat};
use crate::row::{ColumnType, Page};

/// Letters of UTF-16 that a fetched column has room for. What is longer is fetched piece by piece.
const MAX_LETTERS: usize = 4_000;
const MIN_LETTERS: usize = 64;

/// What a column's text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carry {
    Text,
    /// Numbers of four and of eight bytes, whose text may have an exponent.
    Single,
    Double,
    Date,
    /// With its digits of a second.
    Time(usize),
    Bytes,
    /// Drivers differ in the letters of its digits.
    Guid,
}

/// One per column, in the dataset's order.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) carries: Vec<Carry>,
    pub(super) letters: Vec<usize>,
    pub(super) long: Vec<bool>,
}

impl Plan {
    pub(super) fn add(&mut self, kind: DataType, shown: Option<NonZeroUsize>) {
        let mut long = false;
        let carry = match kind {
            DataType::LongVarchar { .. } | DataType::WLongVarchar { .. } | DataType::Unknown => {
                long = true;
                Carry::Text
            }
            DataType::Char { .. }
            | DataType::WChar { .. }
            | DataType::Varchar { .. }
            | DataType::WVarchar { .. }
            | DataType::Numeric { .. }
            | DataType::Decimal { .. }
            | DataType::Integer
            | DataType::SmallInt
            | DataType::BigInt
            | DataType::TinyInt
            | DataType::Bit
            | DataType::Time { .. } => Carry::Text,
            DataType::Other { data_type, .. } if data_type == SqlDataType::EXT_GUID => Carry::Guid,
            DataType::Other { .. } => Carry::Text,
            DataType::Real => Carry::Single,
            DataType::Float { .. } | DataType::Double => Carry::Double,
            DataType::Date => Carry::Date,
            DataType::Timestamp { precision } => {
                Carry::Time(usize::try_from(precision).unwrap_or(0))
            }
            DataType::LongVarbinary { .. } => {
                long = true;
                Carry::Bytes
            }
            DataType::Varbinary { .. } | DataType::Binary { .. } => Carry::Bytes,
        };
        // A letter may be two of UTF-16.
        let letters = shown.map_or(MAX_LETTERS, |shown| shown.get().saturating_mul(2));
        self.carries.push(carry);
        self.letters.push(letters.clamp(MIN_LETTERS, MAX_LETTERS));
        self.long.push(long);
    }

    /// Whether the order of change can go by this column.
    pub(super) fn check_time(
        &self,
        it: &OdbcSettings,
        dataset: &Dataset,
        index: usize,
    ) -> Result<(), Error> {
        let declared = dataset.columns.get(index).map(|column| column.kind);
        let fits = match self.carries.get(index) {
            Some(Carry::Date) => true,
            Some(Carry::Time(_)) => declared == Some(ColumnType::Time),
            Some(Carry::Text | Carry::Single | Carry::Double | Carry::Bytes | Carry::Guid)
            | None => false,
        };
        // SQLite has texts for times, whatever a column is declared as.
        if fits || it.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let name = dataset.columns.get(index).map_or("", |column| &column.name);
        let reason = format!(
            "change column {name} is no date or timestamp (a timestamp is declared as `time`): \
             cast it in a `query`"
        );
        Err(Error::Unfit { source_id: it.id.clone(), reason })
    }

    /// Digits of a second that a column keeps.
    pub(super) fn digits(&self, index: usize) -> usize {
        match self.carries.get(index) {
            Some(Carry::Time(digits)) => *digits,
            Some(
                Carry::Text
                | Carry::Single
                | Carry::Double
                | Carry::Date
                | Carry::Bytes
                | Carry::Guid,
            )
            | None => 0,
        }
    }
}

impl Carry {
    pub(super) fn push(
        self,
        page: &mut Page,
        kind: ColumnType,
        format: Option<&TimeFormat>,
        text: &str,
    ) {
        match self {
            Self::Text | Self::Date => value::push_text(page, kind, format, text),
            Self::Single => match text.trim().parse::<f32>() {
                Ok(number) => value::push_text(page, kind, format, &number.to_string()),
                Err(_) => page.push_malformed("not a number"),
            },
            Self::Double => match text.trim().parse::<f64>() {
                Ok(number) => value::push_text(page, kind, format, &number.to_string()),
                Err(_) => page.push_malformed("not a number"),
            },
            Self::Time(_) => value::push_text(page, kind, format, &moment(text, kind)),
            Self::Guid => value::push_text(page, kind, format, &text.to_ascii_lowercase()),
            Self::Bytes => page.push_malformed("bytes where text is expected"),
        }
    }
}

/// The same time has one text, however many digits of nothing a driver writes.
fn moment(text: &str, kind: ColumnType) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole =
        if kind == ColumnType::Text { whole.replacen(' ', "T", 1) } else { whole.to_owned() };
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(carry: Carry, kind: ColumnType, text: &str) -> String {
        let mut page = Page::new(1);
        carry.push(&mut page, kind, None, text);
        page.end_row().unwrap();
        page.row(0).unwrap().cell(0).shown()
    }

    #[test]
    fn what_a_driver_writes_becomes_canonical() {
        let decimal = ColumnType::Decimal;
        assert_eq!(read(Carry::Double, decimal, "1e+20"), "100000000000000000000");
        assert_eq!(read(Carry::Single, decimal, "0.10000000149011612"), "0.1");
        assert_eq!(read(Carry::Text, decimal, "-.5"), "-0.5");
        let time = ColumnType::Time;
        assert_eq!(
            read(Carry::Time(6), time, "2020-03-01 08:30:00.500000"),
            "2020-03-01T08:30:00.5"
        );
        assert_eq!(read(Carry::Time(6), time, "2020-03-01 08:30:00.000"), "2020-03-01T08:30:00");
        assert_eq!(
            read(Carry::Time(0), ColumnType::Text, "2020-03-01 08:30:00"),
            "2020-03-01T08:30:00"
        );
        assert_eq!(read(Carry::Time(6), time, "infinity"), "!not a time");
        assert_eq!(read(Carry::Guid, ColumnType::Text, "6ECD8C99"), "6ecd8c99");
        assert_eq!(read(Carry::Bytes, ColumnType::Text, "00FF"), "!bytes where text is expected");
    }
}
