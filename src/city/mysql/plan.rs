//! How each column of a dataset is asked for and read.

use jiff::tz::{Offset, TimeZone};
use mysql_async::consts::{ColumnFlags, ColumnType as Wire};

use super::lane::{Carry, in_session};
use crate::city::dataset::{Change, Dataset};
use crate::city::error::Error;
use crate::city::query::{Bound, Select};
use crate::city::settings::MySqlSettings;
use crate::city::source::Scan;
use crate::city::value;
use crate::row::ColumnType;
use crate::sql::mysql_bytes;

/// What a column of bytes has for a character set.
const BINARY: u16 = 63;

/// One per column, in the dataset's order.
pub(super) struct Plan {
    pub(super) carries: Vec<Carry>,
    columns: Vec<String>,
    order: Vec<String>,
    keys: Vec<String>,
    offset: Offset,
    zone: TimeZone,
}

/// A name in the server's own quotes, which mean the same in every mode.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The same of the scan's own table.
pub(super) fn column(name: &str) -> String {
    format!("q.{}", quoted(name))
}

impl Plan {
    pub(super) fn of_types(
        it: &MySqlSettings,
        dataset: &Dataset,
        types: &[mysql_async::Column],
        offset: Offset,
    ) -> Result<Self, Error> {
        let mut plan = Self {
            carries: Vec::new(),
            columns: Vec::new(),
            order: Vec::new(),
            keys: Vec::new(),
            offset,
            zone: dataset.zone.clone(),
        };
        for (column_, kind) in dataset.columns.iter().zip(types) {
            plan.add(&column(&column_.name), kind);
        }
        plan.keys = dataset.key.iter().filter_map(|index| plan.keys.get(*index).cloned()).collect();
        if let Change::TimeColumn { column, .. } = dataset.change {
            let carry = plan.carries.get(column).copied();
            let declared = dataset.columns.get(column).map(|column| column.kind);
            let fits = match carry {
                Some(Carry::Date) => true,
                Some(Carry::DateTime | Carry::Instant) => declared == Some(ColumnType::Time),
                Some(
                    Carry::Text | Carry::Number | Carry::Single | Carry::Double | Carry::Bytes,
                )
                | None => false,
            };
            if !fits {
                let name = dataset.columns.get(column).map_or("", |column| &column.name);
                let reason = format!(
                    "change column {name} is no date, datetime or timestamp (the last two are \
                     declared as `time`): cast it in a `query`"
                );
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
        }
        Ok(plan)
    }

    fn add(&mut self, name: &str, kind: &mysql_async::Column) {
        // What the server calls numbers and times has no character set of its own either.
        let is_bytes = kind.character_set() == BINARY
            && !kind.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
        let as_text = |of: &str| format!("CAST(CONVERT({of} USING utf8mb4) AS BINARY)");
        let plain = |carry: Carry| (carry, name.to_owned(), name.to_owned(), as_text(name));
        let (carry, selected, ordered, key) = match kind.column_type() {
            Wire::MYSQL_TYPE_TINY
            | Wire::MYSQL_TYPE_SHORT
            | Wire::MYSQL_TYPE_INT24
            | Wire::MYSQL_TYPE_LONG
            | Wire::MYSQL_TYPE_LONGLONG
            | Wire::MYSQL_TYPE_YEAR
            | Wire::MYSQL_TYPE_DECIMAL
            | Wire::MYSQL_TYPE_NEWDECIMAL => plain(Carry::Number),
            // As text a number of four bytes loses digits: as one of eight it keeps them.
            Wire::MYSQL_TYPE_FLOAT => {
                let whole = format!("({name} + 0e0)");
                (Carry::Single, whole.clone(), name.to_owned(), as_text(&whole))
            }
            Wire::MYSQL_TYPE_DOUBLE => plain(Carry::Double),
            Wire::MYSQL_TYPE_DATE | Wire::MYSQL_TYPE_NEWDATE => plain(Carry::Date),
            Wire::MYSQL_TYPE_DATETIME | Wire::MYSQL_TYPE_DATETIME2 => plain(Carry::DateTime),
            Wire::MYSQL_TYPE_TIMESTAMP | Wire::MYSQL_TYPE_TIMESTAMP2 => plain(Carry::Instant),
            Wire::MYSQL_TYPE_BIT => {
                let number = format!("({name} + 0)");
                (Carry::Number, number.clone(), number.clone(), as_text(&number))
            }
            Wire::MYSQL_TYPE_TIME
            | Wire::MYSQL_TYPE_TIME2
            | Wire::MYSQL_TYPE_NULL
            | Wire::MYSQL_TYPE_JSON => (Carry::Text, name.to_owned(), as_text(name), as_text(name)),
            Wire::MYSQL_TYPE_VARCHAR
            | Wire::MYSQL_TYPE_VAR_STRING
            | Wire::MYSQL_TYPE_STRING
            | Wire::MYSQL_TYPE_ENUM
            | Wire::MYSQL_TYPE_SET
            | Wire::MYSQL_TYPE_TINY_BLOB
            | Wire::MYSQL_TYPE_MEDIUM_BLOB
            | Wire::MYSQL_TYPE_LONG_BLOB
            | Wire::MYSQL_TYPE_BLOB
                if !is_bytes =>
            {
                (Carry::Text, name.to_owned(), as_text(name), as_text(name))
            }
            Wire::MYSQL_TYPE_VARCHAR
            | Wire::MYSQL_TYPE_VAR_STRING
            | Wire::MYSQL_TYPE_STRING
            | Wire::MYSQL_TYPE_ENUM
            | Wire::MYSQL_TYPE_SET
            | Wire::MYSQL_TYPE_TINY_BLOB
            | Wire::MYSQL_TYPE_MEDIUM_BLOB
            | Wire::MYSQL_TYPE_LONG_BLOB
            | Wire::MYSQL_TYPE_BLOB
            | Wire::MYSQL_TYPE_GEOMETRY
            | Wire::MYSQL_TYPE_TYPED_ARRAY
            | Wire::MYSQL_TYPE_VECTOR
            | Wire::MYSQL_TYPE_UNKNOWN => {
                let digits = format!("LOWER(HEX({name}))");
                (Carry::Bytes, name.to_owned(), name.to_owned(), as_text(&digits))
            }
        };
        self.carries.push(carry);
        self.columns.push(selected);
        self.order.push(ordered);
        self.keys.push(format!("coalesce({key}, x'')"));
    }

    /// What a scan asks for.
    pub(super) fn select(
        &self,
        it: &MySqlSettings,
        dataset: &Dataset,
        scan: &Scan,
    ) -> Result<Select, Error> {
        let mut select = Select {
            columns: self.columns.clone(),
            order: self.order.clone(),
            keys: self.keys.clone(),
            condition: None,
            time: None,
            after: None,
            until: None,
            with_keys: false,
        };
        let (time, carry) = match (&dataset.change, scan) {
            (_, Scan::Full) => return Ok(select),
            (Change::TimeColumn { column: index, .. }, _) => {
                let named = dataset.columns.get(*index).map(|it| column(&it.name));
                let carry = self.carries.get(*index).copied();
                (named.unwrap_or_default(), carry.unwrap_or(Carry::Text))
            }
            (Change::Files | Change::Full, _) => {
                let reason = format!("dataset {} has no time column to scan by", dataset.id);
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
        };
        // The zero date, dates without a month or a day and days that no month has, all of which a
        // column may hold, have no place in the order.
        let dated = format!(
            "({time} >= '0001-01-01' AND \
             DAYOFMONTH({time}) BETWEEN 1 AND DAYOFMONTH(LAST_DAY({time})))"
        );
        match scan {
            Scan::Full => {}
            Scan::MissingTime => select.condition = Some(format!("{dated} IS NOT TRUE")),
            Scan::Since { after, until } => {
                let width = select.keys.len();
                select.after = after.as_ref().map(|position| Bound {
                    time: Some(self.moment(carry, &position.time, true)),
                    key: (0..if position.key.is_empty() { 0 } else { width })
                        .map(|cell| mysql_bytes(position.key.get(cell).map_or("", |text| text)))
                        .collect(),
                    inclusive: false,
                });
                select.until =
                    until.map(|time| self.moment(carry, &value::canonical_time(time), false));
                select.condition = Some(dated);
                select.time = Some(time);
                select.with_keys = true;
            }
        }
        Ok(select)
    }

    /// A canonical time as the session writes the column's. Where a zone's clock showed a time
    /// twice, a lower bound is the first of them and an upper one the second.
    fn moment(&self, carry: Carry, canonical: &str, first: bool) -> String {
        let text = match carry {
            Carry::Instant => in_session(canonical, &self.zone, self.offset, first),
            Carry::Date
            | Carry::DateTime
            | Carry::Text
            | Carry::Number
            | Carry::Single
            | Carry::Double
            | Carry::Bytes => canonical.to_owned(),
        };
        // A column has six digits of a second at most. A bound that has more becomes an earlier
        // one: a lower bound then reads more, and no column's value lies in what an upper one loses.
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |text: &str| -> String {
            text.chars().filter(|it| it.is_ascii_digit() || matches!(it, '-' | ':' | 'T')).collect()
        };
        let fraction: String = digits(fraction).chars().take(6).collect();
        let point = if fraction.is_empty() { "" } else { "." };
        format!("CAST('{}{point}{fraction}' AS DATETIME(6))", digits(whole))
    }
}
