//! `[files]` and `[sheet]`: batches that become files in a folder, and the tables that files may be.

use std::time::Duration;

use super::read::Section;

/// The media of a table of comma-separated values.
pub const CSV: &str = "text/csv";
/// The media of a workbook.
pub const XLSX: &str = "xlsx";
/// Values of `[sheet] encoding`.
pub const TEXT_ENCODINGS: &[&str] = &["utf-8", "utf-8-bom", "gb18030"];
/// How many files may lie unfetched where the standard does not say.
const WAITING: u32 = 1_000;
/// How long a file that comes back has to stay as it is before it is read.
const QUIET: Duration = Duration::from_secs(5);

/// `[files]`: each batch is a file in a folder that the other side fetches; its name is the path of
/// the operation.
///
/// In patterns `{name}` is a placed file's name, `{stem}` the same without its ending, and one `*`
/// stands for any characters.
#[derive(Clone, Debug, Default)]
pub struct FileSettings {
    /// So many files may lie unfetched before further ones wait.
    pub waiting: u32,
    /// The name of an empty file that says that another is whole; may be empty.
    pub done: String,
    /// The name of the file that acknowledges a batch; may be empty.
    pub receipt: String,
    /// The names of files with verdicts; may be empty.
    pub result: String,
    /// How long a file that comes back has to stay as it is before it is read.
    pub quiet: Duration,
}

/// `[sheet]`: how a batch's rows stand in a table, and the verdicts in the one that comes back.
#[derive(Clone, Debug, Default)]
pub struct SheetSettings {
    /// The worksheet's name; empty for the template's first, or the program's own.
    pub name: String,
    /// Lines above the heads.
    pub above: Vec<String>,
    /// The head of the column with the row's number, from 1; empty for none.
    pub number: String,
    /// One of [`TEXT_ENCODINGS`].
    pub encoding: String,
}

pub(super) fn files(it: &mut Section<'_, '_, '_>) -> FileSettings {
    FileSettings {
        waiting: it.number("waiting").unwrap_or(WAITING),
        done: it.text("done"),
        receipt: it.text("receipt"),
        result: it.text("result"),
        quiet: it.duration("quiet").unwrap_or(QUIET),
    }
}

pub(super) fn sheet(it: &mut Section<'_, '_, '_>) -> SheetSettings {
    SheetSettings {
        name: it.text("name"),
        above: it.texts("above"),
        number: it.text("number"),
        encoding: it.one_of("encoding", TEXT_ENCODINGS, "utf-8"),
    }
}
