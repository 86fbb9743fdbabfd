//! The city's side: datasets as streams of pages, and the catalogue as objects.
//!
//! `source` has the contract that every source keeps and one suite of tests for all of them;
//! `sqlite`, `postgres`, `mysql`, `odbc`, `folder` and `county` are the sources. Others are further
//! variants of [`SourceSettings`] with a `probe` and a `scan`; nothing else knows them.

mod catalogue;
mod check;
mod county;
mod dataset;
mod error;
mod examine;
mod feed;
mod folder;
mod mysql;
#[cfg(feature = "odbc")]
mod odbc;
mod postgres;
mod query;
mod settings;
mod source;
mod sqlite;
mod value;

pub use catalogue::{
    Catalogue, CatalogueSettings, PartSettings, SheetSettings, TableSettings, read_catalogue,
    read_query,
};
pub use check::check;
pub use county::{CountySettings, Shelf, ShelfObject, ShelfRow, TAKEN_AT};
pub use dataset::{Change, Dataset, Field, Origin};
pub use error::Error;
pub use examine::{IndexSeen, TableSeen};
pub use settings::{
    ChangeSettings, ColumnKind, ColumnSettings, DatasetSettings, Dialect, FolderSettings, From,
    MySqlSettings, OdbcSettings, PostgresSettings, Problem, Protocol, SourceSettings,
    SqliteSettings, TextEncoding, parse_duration,
};
pub use source::{Cursor, Pool, Position, Scan, Source};

/// About how much text a page gets before it is given out, whatever its rows: 4 MiB.
pub const PAGE_BYTES: usize = 4 << 20;
