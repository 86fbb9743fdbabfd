//! Why a bulletin is not written.

use std::path::PathBuf;

/// Why a bulletin is not written. Holds no content of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be made.
    #[error("{} cannot be written", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The container of a document.
    #[error("the document cannot be packed")]
    Pack(#[from] zip::result::ZipError),
    /// A workbook.
    #[error("a workbook cannot be made")]
    Book(#[from] rust_xlsxwriter::XlsxError),
    /// It is there already; what is published is not written over.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disk { .. } | Self::Pack(_) | Self::Book(_) => "E-BULLETIN-WRITE",
            Self::Exists(_) => "E-BULLETIN-EXISTS",
        }
    }
}
