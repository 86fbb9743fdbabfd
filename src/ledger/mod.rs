//! The daemon's memory: a facade of events over SQLite, a spool and sorted runs.

pub mod disk;
pub mod manifest;
pub mod seal;
pub mod sent;
pub mod spool;
