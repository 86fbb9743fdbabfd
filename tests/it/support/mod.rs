//! What several tests stand on: private servers, real data.

pub(crate) mod daemon;
pub(crate) mod maria;
pub(crate) mod operator;
pub(crate) mod plain;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod tls;
pub(crate) mod town;

use std::path::PathBuf;

/// Real input that lies beside the project, or `None` after saying so by name.
#[expect(clippy::print_stdout, reason = "what is not run is said by name")]
pub(crate) fn shared_data(name: &str) -> Option<PathBuf> {
    let base = std::env::var_os("CASCADED_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = base.join(name);
    if !path.exists() {
        println!("not run: {} is absent; the generated twin runs", path.display());
        return None;
    }
    Some(path)
}
