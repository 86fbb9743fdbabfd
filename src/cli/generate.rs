//! `generate`: the shells' completions and the manual pages, written from the definition of the
//! command line itself. The packages carry both; nobody types it on a machine of a bureau.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::{Console, Exit, Trouble};
use crate::control::protocol::Failure;

/// The shells that Debian and its Chinese relatives come with, and the one people install.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// `generate …`.
#[derive(Args, Debug)]
pub struct Generate {
    /// What to write.
    #[arg(value_enum)]
    pub what: Generated,
    /// Into which folder; it is made if it is not there.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// What can be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Generated {
    /// Completions for bash, zsh and fish, by the names under which the shells look for them.
    Completions,
    /// One manual page for each command.
    Man,
}

/// Writes the files and names the folder.
pub(super) fn generate(it: &Generate, console: &mut Console<'_>) -> Result<(), Trouble> {
    let written = fs::create_dir_all(&it.directory).and_then(|()| match it.what {
        Generated::Completions => completions(&it.directory),
        Generated::Man => clap_mangen::generate_to(Arguments::command(), &it.directory),
    });
    written.map_err(|error| unwritable(&error, &it.directory))?;
    console.note(&it.directory.display().to_string());
    Ok(())
}

fn completions(directory: &Path) -> io::Result<()> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, &name, directory)?;
    }
    Ok(())
}

fn unwritable(error: &io::Error, directory: &Path) -> Trouble {
    let failure = Failure {
        code: "E-CLI-OUTPUT".to_owned(),
        what: error.to_string(),
        place: Some(directory.display().to_string()),
        next: None,
        temporary: false,
    };
    Trouble::one(Exit::Failure, failure)
}
