//! A standard's directory as bytes: bounded, and nothing but its tables.

use std::collections::BTreeMap;

use super::Error;

/// Path below the directory, to content.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The most files and bytes of a directory that are read.
const MAX_FILES: usize = 2_000;
const MAX_BYTES: u64 = 16 << 20;

/// Reads a directory's files, two levels deep.
pub(super) fn files(root: &std::path::Path) -> Result<Files, Error> {
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let mut files = Files::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    let mut bytes = 0;
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(failed(&folder))?;
            if kind.is_dir() && ["messages", "replies", "codes"].contains(&name.as_str()) {
                folders.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() && (name.ends_with(".csv") || name.ends_with(".toml")) {
                let path = entry.path();
                bytes += entry.metadata().map_err(failed(&path))?.len();
                if bytes > MAX_BYTES || files.len() >= MAX_FILES {
                    let problems = vec!["the directory is too large".to_owned()];
                    return Err(Error::Standard { problems });
                }
                files.insert(name, std::fs::read(&path).map_err(failed(&path))?);
            }
        }
    }
    Ok(files)
}
