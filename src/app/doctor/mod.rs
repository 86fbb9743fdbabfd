//! What `doctor` looks at in the world, and what it says of it: the configuration and what it
//! names, this machine, the way to each platform, the city's sources.
//!
//! Looking and judging are apart: each topic has a plain value of what was seen, and a function of
//! it alone says what that means, so that what no test can bring about on a machine is tested all
//! the same. Everything that can be found wrong is in one closed list ([`Code`]) whose order is the
//! order of repair; what is said first is where to begin. Every look is bounded in time, and
//! nothing is sent that writes.

mod answer;
mod candidate;
mod catalogue;
mod code;
mod database;
mod ferry;
mod finding;
mod folder;
mod front;
mod lists;
mod machine;
mod problem;
mod secrets;
mod way;

pub use code::{Code, Entry, Severity};
pub use finding::Found;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::tz::TimeZone;

use self::way::Spoken;
use crate::clock::Clock;
use crate::config::{Configuration, Problem};
use crate::control::webhook::Sender;
use crate::telemetry::logs::Chain;

/// Looks at everything the daemon needs, without starting it; with a candidate, at its ways.
///
/// `problems` are those that the configuration shows by itself: what is right in it is looked at all
/// the same.
pub async fn doctor(
    configuration: &Configuration,
    problems: &[Problem],
    candidate: Option<&str>,
    clock: &Clock,
) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(candidate) = candidate {
        found.extend(problem::findings(problems, &[]));
        found.extend(candidate::examine(configuration, candidate, clock).await);
        return Found::sorted(found);
    }
    // What could not be read of `[ledger]` stands for nothing.
    let has_ledger = !problems.iter().any(|it| it.place == "ledger");
    let secrets = secrets::of(configuration, has_ledger);
    let told: Vec<Found> = secrets.iter().map(secrets::Secret::examine).collect();
    let known: Vec<String> = secrets
        .iter()
        .zip(&told)
        .filter(|(_, it)| !it.ok)
        .map(|(it, _)| it.place.clone())
        .collect();
    found.extend(problem::findings(problems, &known));
    found.extend(told);
    found.extend(writable(&configuration.path));
    let now = clock.now();
    found.extend(machine::judge(&machine::look(now)));
    if has_ledger {
        found.extend(folder::judge(&folder::look(&configuration.ledger)));
    }
    found.extend(machine::doors(&configuration.control).iter().map(machine::Doors::found));
    found.extend(lists::examine(configuration, TimeZone::system().to_datetime(now).date()));
    for channel in &configuration.channels {
        let id = &channel.settings.id;
        let spoken = Spoken {
            names: [format!("channel {id}"), format!("通道 {id}")],
            place: format!("channel.{id}.province"),
            settings: &channel.settings.province,
            standard: &channel.standard,
        };
        found.extend(spoken.examine(clock).await);
    }
    found.extend(ferry::examine(configuration, clock));
    if let Some(Err(error)) = configuration.notify.as_ref().map(Sender::new) {
        found.push(Found::at(Code::Config, "notify", &Chain(&error).to_string()));
    }
    found.extend(database::examine(configuration, clock).await);
    let (told, tables) = catalogue::examine(configuration, clock).await;
    found.extend(told);
    found.extend(front::examine(configuration, &tables, clock).await);
    found.extend(super::probing::examine(configuration).await);
    Found::sorted(found)
}

/// The findings where nothing of a configuration could be read.
pub fn unreadable(problems: &[Problem]) -> Vec<Found> {
    Found::sorted(problem::findings(problems, &[]))
}

/// Whether others may write the configuration: whoever does can have anything sent anywhere.
fn writable(path: &Path) -> Option<Found> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let place = path.display().to_string();
    let seen = format!("mode {mode:04o}");
    (mode & 0o002 != 0).then(|| Found::at(Code::ConfigWritable, &place, &seen))
}
