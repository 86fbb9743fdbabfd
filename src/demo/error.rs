//! What can go wrong while a city is made.

use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The city's database could not be written.
    #[error("could not write the city's database {}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The catalogue's sheet could not be written.
    #[error("could not write the catalogue's sheet {}", path.display())]
    Sheet {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rust_xlsxwriter::XlsxError,
    },
    /// A folder that a city is to be made in holds one already.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
}
