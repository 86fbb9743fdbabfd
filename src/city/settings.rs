//! What the configuration says about the city's side, and the check that finds every mistake in
//! it at once.
//!
//! These are pieces: `config` holds `[[source]]`, `[[dataset]]` and `[catalogue]` and hands them
//! over. [`Dataset::compile`](super::Dataset::compile) turns a dataset's settings into what a
//! source reads.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::county::CountySettings;
use crate::calendar::Grace;
use crate::checks::{RuleSettings, WatchSettings};
use crate::row::ColumnType;

/// One mistake in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where, as a path into the configuration: `dataset.5119-0207.key` or `目录.xlsx!目录!C14`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// `[[source]]`: a place that datasets and the catalogue are read from.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SourceSettings {
    /// An SQLite file.
    Sqlite(SqliteSettings),
    /// A server that speaks PostgreSQL's protocol.
    Postgres(PostgresSettings),
    /// A server that speaks MySQL's protocol: MariaDB, MySQL.
    #[serde(rename = "mysql")]
    MySql(MySqlSettings),
    /// A database by its own driver: Dameng, Oracle, SQL Server, KingbaseES. Only in builds with the
    /// feature `odbc`.
    Odbc(OdbcSettings),
    /// A folder of CSV files.
    #[serde(alias = "csv-folder")]
    Folder(FolderSettings),
    /// What a county cascades into this instance; comes with `[[intake.county]]`.
    #[serde(skip)]
    County(CountySettings),
}

/// `kind = "sqlite"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteSettings {
    /// What datasets call this source.
    pub id: String,
    /// The database file; opened read-only.
    pub path: PathBuf,
    /// Longest wait for one page. Default 60 s.
    #[serde(default = "page_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
}

/// How rows come from a PostgreSQL server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// One binary `COPY` per scan: fastest, one snapshot.
    #[default]
    Copy,
    /// Simple queries in keyset pages of text: for servers and poolers that speak only the plain
    /// protocol. Every page is a snapshot of its own.
    Text,
}

/// `kind = "postgres"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    /// What datasets call this source.
    pub id: String,
    /// `postgres://user@host:port/database` or `host=… user=… dbname=…`, without the password.
    pub url: String,
    /// A file that holds the password and that nobody else can read.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust; given, the session is encrypted, otherwise it is not.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How rows come.
    #[serde(default)]
    pub protocol: Protocol,
    /// Longest wait for one page. Default 60 s.
    #[serde(default = "page_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// The server ends a statement that runs longer; a scan is one statement. Default 2 h.
    #[serde(default = "statement_timeout", deserialize_with = "duration")]
    pub statement_timeout: Duration,
}

/// `kind = "mysql"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MySqlSettings {
    /// What datasets call this source.
    pub id: String,
    /// `mysql://user@host:port/database`, with `?socket=/path` for a server on this machine, without
    /// the password.
    pub url: String,
    /// A file that holds the password and that nobody else can read.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust; given, the session is encrypted, otherwise it is not.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Longest wait for one page. Default 60 s.
    #[serde(default = "page_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// The server ends a statement that runs longer; a scan is one statement. Default 2 h.
    #[serde(default = "statement_timeout", deserialize_with = "duration")]
    pub statement_timeout: Duration,
}

/// Which database an ODBC driver leads to: how it quotes, bounds, compares.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Dameng DM8 (达梦).
    Dameng,
    /// Oracle.
    Oracle,
    /// Microsoft SQL Server.
    SqlServer,
    /// KingbaseES (人大金仓).
    Kingbase,
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// `kind = "odbc"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OdbcSettings {
    /// What datasets call this source.
    pub id: String,
    /// `Driver=/path/driver.so;Server=…;UID=…` or `DSN=…;UID=…`, without the password.
    pub connection: String,
    /// A file that holds the password and that nobody else can read.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Which database it is.
    pub dialect: Dialect,
    /// Rows that one statement asks for; a driver may hold so many in memory. Default 20,000.
    #[serde(default = "statement_rows")]
    pub statement_rows: u32,
    /// Longest wait for one page. Default 60 s.
    #[serde(default = "page_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// The server or the driver ends a statement that runs longer, where they can. Default 10 m.
    #[serde(default = "odbc_statement_timeout", deserialize_with = "duration")]
    pub statement_timeout: Duration,
}

/// How a file's bytes become characters.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum TextEncoding {
    /// UTF-8; a byte order mark at the start is skipped.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB18030, of which GBK and GB2312 are parts.
    Gb18030,
}

/// `kind = "folder"`: tables as files. `csv-folder` means the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// What datasets call this source.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// Of comma-separated values. Default `utf-8`; a dataset may say otherwise.
    #[serde(default)]
    pub encoding: TextEncoding,
    /// Between values: one ASCII character. Default `,`.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Longest wait for one page. Default 60 s.
    #[serde(default = "page_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
}

/// `[[dataset]]`: rows with a key that are carried to the province.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSettings {
    /// What everything calls it.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Id of the organisation that owns it.
    pub department: String,
    /// Administrative division (行政区划代码).
    pub region: String,
    /// Id of its source.
    pub source: String,
    /// `table` or `schema.table` of a database.
    #[serde(default)]
    pub table: Option<String>,
    /// Instead of `table`: a query whose columns are read.
    #[serde(default)]
    pub query: Option<String>,
    /// Files of a folder: a pattern with `*` and `?` over the path below the folder.
    #[serde(default)]
    pub files: Option<String>,
    /// Encoding of the files where it differs from the source's.
    #[serde(default)]
    pub encoding: Option<TextEncoding>,
    /// The sheet of the files that are workbooks. Default the first that people see.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Number of the row that names the files' columns; what stands above is passed over. Default 1.
    #[serde(default)]
    pub head_row: Option<u32>,
    /// The columns that are read, in the order in which they are sent.
    pub columns: Vec<ColumnSettings>,
    /// Names of the columns that identify a row.
    pub key: Vec<String>,
    /// How changes are noticed.
    pub change: ChangeSettings,
    /// Declared update cycle (更新周期): a canonical word or the catalogue's Chinese.
    pub cycle: String,
    /// How much later than its cycle says it may be. Default the configuration's `grace`.
    #[serde(default)]
    pub grace: Option<Grace>,
    /// IANA name of the zone of its times. Default Asia/Shanghai.
    #[serde(default = "shanghai")]
    pub zone: String,
    /// How often it is looked at: each 50 ms at most with a time column, each second without one. Default 1 m.
    #[serde(default = "poll", deserialize_with = "duration")]
    pub poll: Duration,
    /// How often everything is read and compared with what was sent, which is what finds
    /// deletions. Absent: never.
    #[serde(default, deserialize_with = "optional_duration")]
    pub compare_deletions: Option<Duration>,
    /// The column that says when what a row tells happened (business time).
    #[serde(default)]
    pub business_time: Option<String>,
    /// `[dataset.watch]`: what is unusual about it as a whole.
    #[serde(default)]
    pub watch: WatchSettings,
    /// `[[dataset.rule]]`: what makes a row valid; compiled by [`checks`](crate::checks).
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleSettings>,
}

/// One column of a dataset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSettings {
    /// Its name in the source; in a CSV file, in the head.
    pub name: String,
    /// The catalogue's item that describes it (`Item::code`). Default: the name.
    #[serde(default)]
    pub item: Option<String>,
    /// What it holds. Default text.
    #[serde(default, rename = "type")]
    pub kind: ColumnKind,
    /// How a date or time is written where it is text: `%Y %m %d %H %M %S %f` and separators.
    #[serde(default)]
    pub format: Option<String>,
    /// Files only: where the value comes from. Default the row.
    #[serde(default)]
    pub from: From,
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// The row itself.
    #[default]
    Row,
    /// The file's name without its folder.
    FileName,
    /// The first date in the file's name: `20200301` or `2020-03-01`.
    FileDate,
}

/// The types' names in the configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// See [`ColumnType::Text`].
    #[default]
    Text,
    /// See [`ColumnType::Integer`].
    Integer,
    /// See [`ColumnType::Decimal`].
    Decimal,
    /// See [`ColumnType::Date`].
    Date,
    /// See [`ColumnType::Time`].
    Time,
    /// See [`ColumnType::Boolean`].
    Boolean,
}

impl ColumnKind {
    /// The type meant.
    pub fn of(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Integer => ColumnType::Integer,
            Self::Decimal => ColumnType::Decimal,
            Self::Date => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Boolean => ColumnType::Boolean,
        }
    }
}

/// `change = { kind = "…" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChangeSettings {
    /// A column of the database that moves forward whenever a row changes.
    TimeColumn {
        /// Its name; it must be one of the dataset's columns.
        column: String,
        /// How far behind the last position every poll starts, for commits that came late.
        #[serde(default = "overlap", deserialize_with = "duration")]
        overlap: Duration,
    },
    /// Files that are new or were written again since the last poll. Braces, so that a key beside it
    /// is refused.
    Files {},
    /// Everything is read and compared with what was sent.
    Full {},
}

impl SourceSettings {
    /// What datasets call this source.
    pub fn id(&self) -> &str {
        match self {
            Self::Sqlite(it) => &it.id,
            Self::Postgres(it) => &it.id,
            Self::MySql(it) => &it.id,
            Self::Odbc(it) => &it.id,
            Self::Folder(it) => &it.id,
            Self::County(it) => &it.id,
        }
    }

    /// The file that holds its password, where it has one.
    pub fn password_file(&self) -> Option<&Path> {
        match self {
            Self::Postgres(it) => it.password_file.as_deref(),
            Self::MySql(it) => it.password_file.as_deref(),
            Self::Odbc(it) => it.password_file.as_deref(),
            Self::Sqlite(_) | Self::Folder(_) | Self::County(_) => None,
        }
    }

    /// Makes relative paths relative to `base`, the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        match self {
            Self::Sqlite(it) => it.path = base.join(&it.path),
            Self::Folder(it) => it.path = base.join(&it.path),
            Self::County(_) => {}
            Self::Odbc(it) => {
                it.password_file = it.password_file.take().map(|path| base.join(path));
            }
            Self::Postgres(it) => {
                it.password_file = it.password_file.take().map(|path| base.join(path));
                it.ca_file = it.ca_file.take().map(|path| base.join(path));
            }
            Self::MySql(it) => {
                it.password_file = it.password_file.take().map(|path| base.join(path));
                it.ca_file = it.ca_file.take().map(|path| base.join(path));
            }
        }
    }
}

fn page_timeout() -> Duration {
    Duration::from_mins(1)
}

fn statement_timeout() -> Duration {
    Duration::from_hours(2)
}

fn odbc_statement_timeout() -> Duration {
    Duration::from_mins(10)
}

fn statement_rows() -> u32 {
    20_000
}

fn poll() -> Duration {
    Duration::from_mins(1)
}

fn overlap() -> Duration {
    Duration::from_mins(10)
}

fn comma() -> char {
    ','
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

/// `500ms`, `90s`, `10m`, `2h`, `1d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("`{text}` is no duration such as 500ms, 90s, 10m, 2h, 1d"))
    })
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}
