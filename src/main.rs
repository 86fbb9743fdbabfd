//! The one binary: everything is in the library, so that tests start the daemon in process.

fn main() {}
