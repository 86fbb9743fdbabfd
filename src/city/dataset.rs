//! A dataset as a source reads it: its settings, checked and resolved.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::settings::{
    ChangeSettings, ColumnSettings, DatasetSettings, From, Problem, SourceSettings, TextEncoding,
};
use super::value::TimeFormat;
use crate::calendar::Grace;
use crate::row::{Column, ColumnType};

/// The shortest span between two looks at a time column.
const SHORTEST_POLL: Duration = Duration::from_millis(50);

/// Where in its source a dataset is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// `table` or `schema.table`.
    Table(String),
    /// A query.
    Query(String),
    /// A pattern over the files of a folder, with the encoding where it differs.
    Files {
        /// `*` and `?` within the path below the folder.
        pattern: String,
        /// As the dataset says; otherwise the source's.
        encoding: Option<TextEncoding>,
        /// Of a workbook; otherwise the first that people see.
        sheet: Option<String>,
        /// Number of the row that names the columns, from 1.
        head_row: u32,
    },
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// By a time column, re-reading `overlap` before the last position.
    TimeColumn {
        /// Index of the column.
        column: usize,
        /// How far behind.
        overlap: Duration,
    },
    /// By the times at which files were written.
    Files,
    /// By comparing everything.
    Full,
}

/// What a column needs beside its name and type.
#[derive(Clone, Debug)]
pub struct Field {
    /// The catalogue's item.
    pub item: String,
    pub(crate) format: Option<TimeFormat>,
    pub(crate) from: From,
}

/// A dataset whose settings were found right.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What everything calls it.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Id of its owner.
    pub department: String,
    /// Administrative division.
    pub region: String,
    /// Id of its source.
    pub source: String,
    /// Where in the source.
    pub origin: Origin,
    /// Columns, in the order of a page's cells.
    pub columns: Vec<Column>,
    /// One per column.
    pub fields: Vec<Field>,
    /// Indexes of the key's columns, in the key's order.
    pub key: Vec<usize>,
    /// How changes are noticed.
    pub change: Change,
    /// Declared update cycle, as written.
    pub cycle: String,
    /// How much later it may be, where it says so itself.
    pub grace: Option<Grace>,
    /// The zone of its times.
    pub zone: TimeZone,
    /// The zone's IANA name.
    pub zone_name: String,
    /// How often it is looked at.
    pub poll: Duration,
    /// How often deletions are looked for.
    pub compare_deletions: Option<Duration>,
    /// Index of the column of business time.
    pub business_time: Option<usize>,
}

impl Dataset {
    /// Checks settings against the configured sources. All problems at once.
    pub fn compile(
        settings: &DatasetSettings,
        sources: &[SourceSettings],
    ) -> Result<Self, Vec<Problem>> {
        let mut check = Check { settings, problems: Vec::new() };
        let source = sources.iter().find(|source| source.id() == settings.source);
        let origin = check.origin(source, sources);
        let fields = check.fields(source);
        let key = check.key();
        let change = check.change(source, &fields);
        let zone = check.zone();
        let business_time = settings
            .business_time
            .as_ref()
            .and_then(|name| check.column("business_time", name, true));
        check.rest();
        let (Some(origin), Some(change), Some(zone), true) =
            (origin, change, zone, check.problems.is_empty())
        else {
            return Err(check.problems);
        };
        Ok(Self {
            id: settings.id.clone(),
            title: settings.title.clone(),
            department: settings.department.clone(),
            region: settings.region.clone(),
            source: settings.source.clone(),
            origin,
            columns: settings
                .columns
                .iter()
                .map(|column| Column { name: column.name.clone(), kind: column.kind.of() })
                .collect(),
            fields,
            key,
            change,
            cycle: settings.cycle.clone(),
            grace: settings.grace,
            zone,
            zone_name: settings.zone.clone(),
            poll: settings.poll,
            compare_deletions: settings.compare_deletions,
            business_time,
        })
    }
}

struct Check<'a> {
    settings: &'a DatasetSettings,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, field: &str, message: impl Into<String>) {
        let place = format!("dataset.{}.{field}", self.settings.id);
        self.problems.push(Problem::new(place, message));
    }

    fn origin(
        &mut self,
        source: Option<&SourceSettings>,
        sources: &[SourceSettings],
    ) -> Option<Origin> {
        let it = self.settings;
        let Some(source) = source else {
            let known: Vec<&str> = sources.iter().map(SourceSettings::id).collect();
            let message =
                format!("no such source `{}`; there are: {}", it.source, known.join(", "));
            self.report("source", message);
            return None;
        };
        let folder = matches!(source, SourceSettings::Folder(_));
        if !folder && (it.sheet.is_some() || it.head_row.is_some()) {
            let field = if it.sheet.is_some() { "sheet" } else { "head_row" };
            self.report(field, "only files have sheets and heads");
        }
        match (folder, &it.table, &it.query, &it.files) {
            (false, Some(table), None, None) => Some(Origin::Table(table.clone())),
            (false, None, Some(query), None) => {
                let query = query.trim().trim_end_matches(';').trim_end();
                Some(Origin::Query(query.to_owned()))
            }
            (true, None, None, Some(pattern)) => {
                let head_row = it.head_row.unwrap_or(1);
                if head_row == 0 {
                    self.report("head_row", "rows are counted from 1");
                }
                let (encoding, sheet) = (it.encoding, it.sheet.clone());
                Some(Origin::Files { pattern: pattern.clone(), encoding, sheet, head_row })
            }
            (true, ..) => {
                self.report(
                    "files",
                    "a dataset in a folder has `files`, and no `table` or `query`",
                );
                None
            }
            (false, ..) => {
                self.report("table", "a dataset in a database has either `table` or `query`");
                None
            }
        }
    }

    fn fields(&mut self, source: Option<&SourceSettings>) -> Vec<Field> {
        let folder = matches!(source, Some(SourceSettings::Folder(_)));
        let columns = &self.settings.columns;
        if columns.is_empty() {
            self.report("columns", "a dataset needs columns");
        }
        for (index, column) in columns.iter().enumerate() {
            let earlier = columns.iter().take(index);
            if earlier.clone().any(|other| other.name == column.name) {
                self.report("columns", format!("column `{}` appears twice", column.name));
            }
            if column.from != From::Row && source.is_some() && !folder {
                let message = "`from` is for files only";
                self.report(&format!("columns.{}.from", column.name), message);
            }
        }
        columns.iter().map(|column| self.field(column)).collect()
    }

    fn field(&mut self, column: &ColumnSettings) -> Field {
        let format = column.format.as_deref().and_then(|text| {
            let place = format!("columns.{}.format", column.name);
            if !matches!(column.kind.of(), ColumnType::Date | ColumnType::Time) {
                self.report(&place, "only a date or a time has a format");
                return None;
            }
            TimeFormat::parse(text).map_err(|message| self.report(&place, message)).ok()
        });
        Field {
            item: column.item.clone().unwrap_or_else(|| column.name.clone()),
            format,
            from: column.from,
        }
    }

    fn column(&mut self, field: &str, name: &str, time: bool) -> Option<usize> {
        let columns = &self.settings.columns;
        let Some(index) = columns.iter().position(|column| column.name == name) else {
            let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!("no such column `{name}`; there are: {}", known.join(", "));
            self.report(field, message);
            return None;
        };
        let kind = columns.get(index).map(|column| column.kind.of());
        if time && !matches!(kind, Some(ColumnType::Date | ColumnType::Time)) {
            self.report(field, format!("column `{name}` must have type date or time"));
        }
        Some(index)
    }

    fn key(&mut self) -> Vec<usize> {
        let names = &self.settings.key;
        if names.is_empty() {
            self.report("key", "a dataset needs a key");
        }
        let key: Vec<usize> =
            names.iter().filter_map(|name| self.column("key", name, false)).collect();
        let twice =
            |(place, column): (usize, &usize)| key.iter().take(place).any(|it| it == column);
        if key.iter().enumerate().any(twice) {
            self.report("key", "a column appears twice in the key");
        }
        key
    }

    fn change(&mut self, source: Option<&SourceSettings>, fields: &[Field]) -> Option<Change> {
        let folder = matches!(source, Some(SourceSettings::Folder(_)));
        match &self.settings.change {
            ChangeSettings::Full {} => Some(Change::Full),
            ChangeSettings::Files {} if folder || source.is_none() => Some(Change::Files),
            ChangeSettings::Files {} => {
                self.report(
                    "change",
                    "`files` is for a folder; a database has `time-column` or `full`",
                );
                None
            }
            ChangeSettings::TimeColumn { .. } if folder => {
                self.report(
                    "change",
                    "a folder has `files` or `full`: files cannot be asked by time",
                );
                None
            }
            ChangeSettings::TimeColumn { column, overlap } => {
                let column = self.column("change.column", column, true)?;
                let format = fields.get(column).and_then(|field| field.format.as_ref());
                if format.is_some_and(|format| !format.is_sortable()) {
                    let message =
                        "the format of a change column must sort: year, month, day, then time";
                    self.report("change.column", message);
                }
                Some(Change::TimeColumn { column, overlap: *overlap })
            }
        }
    }

    fn zone(&mut self) -> Option<TimeZone> {
        match TimeZone::get(&self.settings.zone) {
            Ok(zone) => Some(zone),
            Err(_) => {
                let message = format!("no such time zone `{}`", self.settings.zone);
                self.report("zone", message);
                None
            }
        }
    }

    fn rest(&mut self) {
        if self.settings.id.trim().is_empty() {
            self.report("id", "a dataset needs an id");
        }
        let (shortest, problem) = match self.settings.change {
            // A look that finds nothing reads the overlap alone.
            ChangeSettings::TimeColumn { .. } => (SHORTEST_POLL, "at least 50ms"),
            ChangeSettings::Files {} | ChangeSettings::Full {} => {
                (Duration::from_secs(1), "at least 1s, without a time column")
            }
        };
        if self.settings.poll < shortest {
            self.report("poll", problem);
        }
        if let Some(problem) = self.settings.grace.and_then(Grace::problem) {
            self.report("grace", problem);
        }
        if self.settings.compare_deletions.is_some_and(|every| every < self.settings.poll) {
            self.report("compare_deletions", "not more often than `poll`");
        }
    }
}
