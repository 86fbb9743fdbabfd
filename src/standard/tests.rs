//! Loading, building and reading as a whole, on shipped and on broken directories.

use std::path::Path;

use super::*;

fn shipped() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files(&root.join("config/standards/reference-xml/1.0")).unwrap()
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn standard() -> Standard {
    load(&shipped()).unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

#[test]
fn the_shipped_standard_loads() {
    let standard = standard();
    assert_eq!(standard.order(), Kind::ALL);
    assert_eq!(standard.operations().len(), 28);
}
