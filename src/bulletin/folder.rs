//! A bulletin's files: a folder for each, all or none, never written over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Error;
use super::compose::{document, sheets};
use super::docx::docx;
use super::html::html;
use super::period::Period;
use super::report::Report;
use super::sheets::xlsx;

/// A file of a bulletin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// Its name within the bulletin's folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The most letters of a department in the name of a file.
const NAME: usize = 40;

/// The files of a report: the document, the page, and a workbook for each department with something
/// to mend.
///
/// # Errors
/// A container or a workbook cannot be made.
pub fn files(report: &Report) -> Result<Vec<Written>, Error> {
    let sheets = sheets(report);
    let document = document(report, &sheets);
    let mut files = vec![
        Written { name: "bulletin.docx".to_owned(), bytes: docx(&document)? },
        Written { name: "bulletin.html".to_owned(), bytes: html(&document).into_bytes() },
    ];
    for (at, sheet) in sheets.iter().enumerate() {
        let name = format!("{:02}-{}.xlsx", at + 1, file_name(&sheet.owner));
        files.push(Written { name, bytes: xlsx(sheet, document.at)? });
    }
    Ok(files)
}

/// A department as a part of a file's name: nothing that a file system or a shell minds.
fn file_name(owner: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() || matches!(letter, '-' | '（' | '）') { letter } else { '_' }
    };
    owner.chars().take(NAME).map(plain).collect()
}

/// The folder of a bulletin within the folder of bulletins.
pub fn folder_of(folder: &Path, period: Period) -> PathBuf {
    folder.join(format!("{}-{}", period.form.as_str(), period.name()))
}

/// Writes the files of a bulletin into a folder of its own within `folder`: beside it first, then
/// at once. `mode` is that of files. Blocking work.
///
/// # Errors
/// The bulletin is there already, or the disk does not take it.
pub fn write(
    folder: &Path,
    period: Period,
    files: &[Written],
    mode: u32,
) -> Result<PathBuf, Error> {
    let into = folder_of(folder, period);
    if into.exists() {
        return Err(Error::Exists(into));
    }
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Disk { path, source }
    };
    fs::create_dir_all(folder).map_err(disk(folder))?;
    let name = into.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = folder.join(format!(".{name}.part"));
    // What a crash left behind.
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(disk(&beside))?;
    }
    // Whoever may read a file may search its folder.
    let searchable = mode | ((mode & 0o444) >> 2) | 0o700;
    DirBuilder::new().mode(searchable).create(&beside).map_err(disk(&beside))?;
    for file in files {
        let path = beside.join(&file.name);
        let mut open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(disk(&path))?;
        open.write_all(&file.bytes).and_then(|()| open.sync_all()).map_err(disk(&path))?;
    }
    sync(&beside).map_err(disk(&beside))?;
    // A folder that came into being meanwhile and is not empty makes this fail.
    fs::rename(&beside, &into).map_err(disk(&into))?;
    sync(folder).map_err(disk(folder))?;
    Ok(into)
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
