//! The hand-written requests beside each shipped standard, judged by the platform's own reading of
//! that standard. Nothing here names a field or a code of theirs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::rehearsal::directory::{Directory, files};
use crate::rehearsal::judge::Message;
use crate::rehearsal::tree;

fn standards() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards");
    let folders = |at: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    folders(&root).iter().flat_map(|id| folders(id)).collect()
}

/// The requests beside a standard for one operation; several where its rules exclude one another.
fn requests(standard: &Path, operation: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(standard.join("samples")).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(&format!("{operation}.")) && name.ends_with(".request")
    };
    entries.map(|entry| entry.path()).filter(is_one).collect()
}

#[test]
fn the_hand_written_requests_of_every_standard_are_what_its_tables_ask_for() {
    let mut judged = 0;
    for standard in standards() {
        let directory = Directory::read(&files(&standard).unwrap())
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", standard.display()));
        for operation in &directory.operations {
            if operation.fields.is_empty() && operation.path.is_empty() {
                // A table is asked by its rows; nothing is written down.
                continue;
            }
            let samples = requests(&standard, &operation.name);
            assert!(!samples.is_empty(), "{} {}", directory.name, operation.name);
            for sample in samples {
                let body = std::fs::read(&sample).unwrap();
                let document = tree::read(directory.media, &body).unwrap();
                let message = Message {
                    directory: &directory,
                    operation,
                    document: &document,
                    headers: &BTreeMap::new(),
                    query: &BTreeMap::new(),
                    url: BTreeMap::new(),
                };
                assert_eq!(message.findings(), Vec::<String>::new(), "{}", sample.display());
                judged += 1;
            }
        }
    }
    assert!(judged > 0, "no standard is shipped under config/standards");
}
