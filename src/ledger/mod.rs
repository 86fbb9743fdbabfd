//! The daemon's memory: a facade of events over SQLite, a spool and sorted runs.
