//! The one binary: everything is in the library, so that tests start the daemon in process.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascaded::cli::main(&cascaded::cli::Assembly)
}
