//! How each column of a dataset is asked for and read.

use tokio_postgres::types::Type;

use crate::city::dataset::{Change, Dataset};
use crate::city::error::Error;
use crate::city::query::{self, Bound, Select};
use crate::city::settings::PostgresSettings;
use crate::city::source::Scan;
use crate::city::value;
use crate::row::ColumnType;

/// How a column's value is written on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carry {
    Boolean,
    Int2,
    Int4,
    Int8,
    Numeric,
    Date,
    /// Microseconds without a zone; what had one was turned into the session's.
    Timestamp,
    Uuid,
    Text,
}

impl Carry {
    /// The type that this carries without a further look at its text.
    pub(super) fn native(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Int2 | Self::Int4 | Self::Int8 => ColumnType::Integer,
            Self::Numeric => ColumnType::Decimal,
            Self::Date => ColumnType::Date,
            Self::Timestamp => ColumnType::Time,
            Self::Uuid | Self::Text => ColumnType::Text,
        }
    }
}

/// One per column, in the dataset's order.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) carries: Vec<Carry>,
    columns: Vec<String>,
    order: Vec<String>,
}

impl Plan {
    /// Everything as text, nothing known of the server's types.
    pub(super) fn of_text(dataset: &Dataset) -> Self {
        let columns = dataset.columns.iter().zip(&dataset.fields).map(|(column, field)| {
            let name = query::column(&column.name);
            // A time with a zone becomes one in the session's zone, without its offset.
            let of_time = column.kind == ColumnType::Time && field.format.is_none();
            if of_time { format!("{name}::timestamp::text") } else { format!("{name}::text") }
        });
        let order = dataset.columns.iter().map(|column| text(&query::column(&column.name)));
        Self {
            carries: vec![Carry::Text; dataset.columns.len()],
            columns: columns.collect(),
            order: order.collect(),
        }
    }

    /// By the server's types; what has no short form of its own is cast to text by the server.
    pub(super) fn of_types(
        it: &PostgresSettings,
        dataset: &Dataset,
        types: &[Type],
    ) -> Result<Self, Error> {
        let mut plan = Self { carries: Vec::new(), columns: Vec::new(), order: Vec::new() };
        for (column, kind) in dataset.columns.iter().zip(types) {
            let name = query::column(&column.name);
            let (carry, selected, ordered) = match *kind {
                Type::BOOL => (Carry::Boolean, name.clone(), name),
                Type::INT2 => (Carry::Int2, name.clone(), name),
                Type::INT4 => (Carry::Int4, name.clone(), name),
                Type::INT8 => (Carry::Int8, name.clone(), name),
                Type::NUMERIC => (Carry::Numeric, name.clone(), name),
                Type::DATE => (Carry::Date, name.clone(), name),
                Type::TIMESTAMP => (Carry::Timestamp, name.clone(), name),
                Type::TIMESTAMPTZ => (Carry::Timestamp, format!("{name}::timestamp"), name),
                Type::UUID => (Carry::Uuid, name.clone(), name),
                Type::TEXT | Type::VARCHAR => {
                    (Carry::Text, name.clone(), format!("{name} COLLATE \"C\""))
                }
                _ => (Carry::Text, format!("{name}::text"), text(&name)),
            };
            plan.carries.push(carry);
            plan.columns.push(selected);
            plan.order.push(ordered);
        }
        if let Change::TimeColumn { column, .. } = dataset.change {
            let carry = plan.carries.get(column).copied();
            let declared = dataset.columns.get(column).map(|column| column.kind);
            let fits = match carry {
                Some(Carry::Date) => true,
                Some(Carry::Timestamp) => declared == Some(ColumnType::Time),
                Some(_) | None => false,
            };
            if !fits {
                let name = dataset.columns.get(column).map_or("", |column| &column.name);
                let reason = format!(
                    "change column {name} is no date or timestamp (a timestamp is declared as \
                     `time`): cast it in a `query`"
                );
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
        }
        Ok(plan)
    }

    /// What a scan asks for.
    pub(super) fn select(
        &self,
        it: &PostgresSettings,
        dataset: &Dataset,
        scan: &Scan,
    ) -> Result<Select, Error> {
        let name = |index: usize| {
            dataset.columns.get(index).map(|column| query::column(&column.name)).unwrap_or_default()
        };
        let keys = dataset
            .key
            .iter()
            .map(|index| format!("coalesce({}::text, '') COLLATE \"C\"", name(*index)));
        let mut select = Select {
            columns: self.columns.clone(),
            order: self.order.clone(),
            keys: keys.collect(),
            condition: None,
            time: None,
            after: None,
            until: None,
            with_keys: false,
        };
        let time = match (&dataset.change, scan) {
            (_, Scan::Full) => return Ok(select),
            (Change::TimeColumn { column, .. }, _) => name(*column),
            (Change::Files | Change::Full, _) => {
                let reason = format!("dataset {} has no time column to scan by", dataset.id);
                return Err(Error::Unfit { source_id: it.id.clone(), reason });
            }
        };
        // Infinity and years that four digits cannot write have no place in the order.
        let dated = format!("({time} >= '0001-01-01' AND {time} < '10000-01-01')");
        match scan {
            Scan::Full => {}
            Scan::MissingTime => select.condition = Some(format!("{dated} IS NOT TRUE")),
            Scan::Since { after, until } => {
                let width = select.keys.len();
                select.after = after.as_ref().map(|position| Bound {
                    time: Some(literal(&position.time)),
                    key: (0..if position.key.is_empty() { 0 } else { width })
                        .map(|cell| literal(position.key.get(cell).map_or("", |text| text)))
                        .collect(),
                    inclusive: false,
                });
                select.until = until.map(|time| literal(&value::canonical_time(time)));
                select.condition = Some(dated);
                select.time = Some(time);
                select.with_keys = true;
            }
        }
        Ok(select)
    }
}

fn text(column: &str) -> String {
    format!("{column}::text COLLATE \"C\"")
}

/// A standard string: the session has `standard_conforming_strings` on. The server has no NUL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}
