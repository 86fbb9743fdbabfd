//! The command line: the only module that prints or ends the process.
//!
//! Reading commands go through the control socket and show what comes back, as a table or as JSON.
//! The commands that start or open something themselves ([`Local`]) are the assembly's. Data goes
//! to standard output, everything else to standard error; an error says what, where, what next,
//! and ends in a stable code.

mod appeal;
mod approvals;
pub mod arguments;
mod audit;
mod bulletin;
mod changeover;
mod client;
mod conformance;
mod demonstration;
mod dispatch;
mod doctor;
mod evidence;
mod ferry;
mod generate;
mod judge;
mod live;
mod local;
mod mend;
mod moment;
mod rehearse;
mod score;
mod show;
mod show_changeover;
mod show_days;
mod show_forecast;
mod show_inbox;
mod show_score;
mod show_shadow;
mod show_watch;
mod standard;
mod table;
mod takeover;
mod text;

use arguments::{Arguments, Demo, Rehearsal};
pub use local::Assembly;
pub use show::View;
pub use text::Message;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use jiff::tz::TimeZone;

use crate::app::Found;
use crate::control::protocol::{Failure, LedgerReport};
use crate::language::Language;

/// How a command ended, as scripts see it. Stable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// What was asked is done.
    Done,
    /// It failed, or it found that something is wrong.
    Failure,
    /// It was asked in a wrong way.
    Usage,
    /// The daemon cannot be reached, or the same may succeed later (`EX_TEMPFAIL`).
    Temporary,
    /// It takes a role that whoever asked does not have (`EX_NOPERM`).
    Refused,
    /// The configuration is wrong (`EX_CONFIG`); systemd does not restart on it.
    Configuration,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Failure,
        Self::Usage,
        Self::Temporary,
        Self::Refused,
        Self::Configuration,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Temporary => 75,
            Self::Refused => 77,
            Self::Configuration => 78,
        }
    }
}

/// Why a command did not do what was asked: everything that is wrong at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// How the process ends.
    pub exit: Exit,
    /// What is wrong; may be empty where the output has said it.
    pub failures: Vec<Failure>,
}

impl Trouble {
    /// One thing is wrong.
    pub fn one(exit: Exit, failure: Failure) -> Self {
        Self { exit, failures: vec![failure] }
    }
}

/// The commands that do not go through the socket. Implemented where everything is assembled; they
/// say what they have to say through the [`Console`].
pub trait Local {
    /// `demo`.
    fn demo(&self, demo: &Demo, console: &mut Console<'_>) -> Result<(), Trouble>;
    /// `run`: returns when the daemon has stopped in order.
    fn run(&self, config: &Path, console: &mut Console<'_>) -> Result<(), Trouble>;
    /// `check`: every problem of the configuration at once, with [`Exit::Configuration`].
    fn check(&self, config: &Path) -> Result<(), Trouble>;
    /// `doctor`: what it found in the world; with a candidate, on the ways prepared for it.
    fn doctor(&self, config: &Path, candidate: Option<&str>) -> Result<Vec<Found>, Trouble>;
    /// `takeover begin --query`: what a query over a configured source gives, with heads.
    fn queried(
        &self,
        config: &Path,
        source: &str,
        query: &str,
    ) -> Result<Vec<Vec<String>>, Trouble>;
    /// `ledger verify --offline`.
    fn ledger_verify(&self, config: &Path) -> Result<LedgerReport, Trouble>;
    /// `ledger restore`.
    fn ledger_restore(
        &self,
        config: &Path,
        backup: &Path,
        console: &mut Console<'_>,
    ) -> Result<(), Trouble>;
    /// `rehearsal`: returns when it was told to stop, or when every test has been tried; `config` is
    /// read only where a channel is named.
    fn rehearsal(
        &self,
        config: &Path,
        rehearsal: &Rehearsal,
        console: &mut Console<'_>,
    ) -> Result<(), Trouble>;
}

/// Where a command says something.
pub struct Console<'w> {
    /// The language and the zone of what is said.
    pub view: View,
    /// Standard error is a terminal: progress may be redrawn.
    pub is_terminal: bool,
    out: &'w mut dyn Write,
    err: &'w mut dyn Write,
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Console").field("view", &self.view).finish_non_exhaustive()
    }
}

impl<'w> Console<'w> {
    /// A console that writes data to `out` and everything else to `err`.
    pub fn new(
        view: View,
        is_terminal: bool,
        out: &'w mut dyn Write,
        err: &'w mut dyn Write,
    ) -> Self {
        Self { view, is_terminal, out, err }
    }

    /// Data: to standard output, as it is.
    pub fn data(&mut self, text: &str) {
        // Whoever closed the pipe does not want to read on, and there is nobody to tell.
        drop(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
    }

    /// Data as JSON, on lines of its own.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Trouble> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Trouble::one(
                Exit::Failure,
                Failure {
                    code: "E-CLI-JSON".to_owned(),
                    what: error.to_string(),
                    place: None,
                    next: None,
                    temporary: false,
                },
            )
        })?;
        self.data(&(text + "\n"));
        Ok(())
    }

    /// A line for the person: to standard error.
    pub fn note(&mut self, line: &str) {
        drop(writeln!(self.err, "{line}"));
    }

    /// A line that the next one replaces on a terminal; elsewhere nothing, for a log of progress
    /// is noise.
    pub fn progress(&mut self, line: &str) {
        if self.is_terminal {
            drop(write!(self.err, "\r\u{1b}[K{line}").and_then(|()| self.err.flush()));
        }
    }

    /// Ends the lines of [`Console::progress`].
    pub fn progress_done(&mut self) {
        if self.is_terminal {
            drop(write!(self.err, "\r\u{1b}[K").and_then(|()| self.err.flush()));
        }
    }

    /// What, where, what next, and the code.
    pub fn failure(&mut self, failure: &Failure) {
        let text = told(&self.view, failure);
        drop(self.err.write_all(text.as_bytes()));
    }
}

/// An error as people read it.
fn told(view: &View, failure: &Failure) -> String {
    let mut text = format!("{}: {}\n", view.say(Message::Error, &[]), failure.what);
    for (message, said) in [(Message::Place, &failure.place), (Message::Hint, &failure.next)] {
        if let Some(said) = said {
            text.push_str(&format!("  {}: {said}\n", view.say(message, &[])));
        }
    }
    let lines = text.lines().map(|line| table::printable(line.to_owned()) + "\n");
    let mut text: String = lines.collect();
    text.push_str(&format!("  [{}]\n", table::printable(failure.code.clone())));
    text
}

/// Reads the process's arguments, does what they say and gives the code to end with.
pub fn main(local: &dyn Local) -> ExitCode {
    let language = Language::of_environment(|name| std::env::var(name).ok());
    let view = View { language, zone: TimeZone::system() };
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let is_terminal = err.is_terminal();
    let mut console = Console::new(view, is_terminal, &mut out, &mut err);
    let exit = match Arguments::try_parse() {
        Ok(arguments) => perform(&arguments, local, &mut console),
        Err(error) => {
            // Help and version are data and end well; the rest is wrong usage.
            let text = error.render().ansi().to_string();
            if error.use_stderr() {
                console.note(plain(&text, is_terminal).trim_end());
                Exit::Usage
            } else {
                console.data(&plain(&text, std::io::stdout().is_terminal()));
                Exit::Done
            }
        }
    };
    ExitCode::from(exit.code())
}

/// Without its colours where nobody sees them.
fn plain(text: &str, coloured: bool) -> String {
    if coloured {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().take_while(|letter| !letter.is_ascii_alphabetic()).for_each(drop);
        } else {
            out.push(letter);
        }
    }
    out
}

/// Does what the arguments say; tells what is wrong.
pub fn perform(arguments: &Arguments, local: &dyn Local, console: &mut Console<'_>) -> Exit {
    match dispatch::dispatch(arguments, local, console) {
        Ok(()) => Exit::Done,
        Err(trouble) => {
            trouble.failures.iter().for_each(|failure| console.failure(failure));
            trouble.exit
        }
    }
}

#[cfg(test)]
mod tests;
