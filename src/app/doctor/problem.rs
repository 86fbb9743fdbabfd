//! Which finding a problem of the configuration is.

use super::code::Code;
use super::finding::Found;
use crate::config::Problem;

/// The findings that problems of the configuration are. `told` are places of secrets that were
/// looked at by themselves: what the configuration says of those is known already.
pub(super) fn findings(problems: &[Problem], told: &[String]) -> Vec<Found> {
    let is_told = |it: &&Problem| !told.iter().any(|place| it.place.starts_with(place.as_str()));
    let of = |it: &Problem| {
        let code = code(it);
        // What a catalogue of codes knows better is said with it.
        let stable = if it.code == "E-CONFIG" { String::new() } else { format!(" [{}]", it.code) };
        Found::at(code, &it.place, &format!("{}{stable}", it.message))
    };
    problems.iter().filter(is_told).map(of).collect()
}

fn code(problem: &Problem) -> Code {
    let place = problem.place.as_str();
    let (begins, ends) = (|start| place.starts_with(start), |end| place.ends_with(end));
    match () {
        () if place == "configuration" || is_file(problem) => Code::ConfigUnreadable,
        () if problem.code != "E-CONFIG" => Code::Standard,
        () if begins("standards") || ends(".standard") => Code::Standard,
        () if begins("calendar") => Code::Calendar,
        () if begins("code_table") => Code::CodeTable,
        () if begins("indicator") => Code::Indicator,
        () if begins("ledger.key_file") => Code::SecretKey,
        () if begins("source.") && ends(".path") => Code::FileMissing,
        () if begins("source.") && ends(".ca_file") => Code::DatabaseTls,
        () => Code::Config,
    }
}

/// The file itself: its place is a path, and nothing of it could be read.
fn is_file(problem: &Problem) -> bool {
    problem.place.contains('/') && problem.message.starts_with("cannot be read") && {
        !problem.place.contains(": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_the_configuration_is_the_finding_that_says_most() {
        for (place, message, code) in [
            ("configuration", "TOML parse error at line 3", Code::ConfigUnreadable),
            ("/etc/c.toml", "cannot be read: No such file", Code::ConfigUnreadable),
            ("standards", "cannot list /nowhere", Code::Standard),
            ("channel.a.standard", "no standard `x/1` was loaded", Code::Standard),
            ("calendar: /srv/cn.toml", "cannot be read: No such file", Code::Calendar),
            ("code_table.region: /srv/region.csv: line 3", "the code is empty", Code::CodeTable),
            ("indicator.scheme", "no such term", Code::Indicator),
            ("source.city.path", "no such file: /srv/city.sqlite", Code::FileMissing),
            ("dataset.a.key", "no such column", Code::Config),
            ("chanel", "no such section", Code::Config),
        ] {
            assert_eq!(self::code(&Problem::new(place, message)), code, "{place}");
        }
        let coded = Problem::coded("/srv/standards/a/1", "messages.csv: twice", "E-STANDARD-TWICE");
        assert_eq!(code(&coded), Code::Standard);
        assert!(findings(&[coded], &[])[0].what.ends_with("[E-STANDARD-TWICE]"));
    }

    #[test]
    fn what_was_said_of_a_secret_is_not_said_again() {
        let problems = [Problem::new("source.city.password_file", "no such file: /srv/password")];
        assert_eq!(findings(&problems, &["source.city.password_file".to_owned()]), []);
        assert_eq!(findings(&problems, &[]).len(), 1);
    }
}
