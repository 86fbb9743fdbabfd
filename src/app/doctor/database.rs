//! The city's sources: whether each gives what its datasets declare, and what the account may do
//! that it need not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
use super::finding::Found;
use crate::app::pool::CityPool;
use crate::city::{self, Change, Dataset, Source, TableSeen};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::sql;
use crate::supervisor::Supervisor;
use crate::telemetry::logs::Chain;

/// Longest look at one dataset.
const LOOK: Duration = Duration::from_secs(30);

/// Asks every source for what its datasets declare. One that cannot be spoken to is told once.
pub(super) async fn examine(configuration: &Configuration, clock: &Clock) -> Vec<Found> {
    let pool = CityPool::shared(Supervisor::new(clock.clone(), 2));
    let mut found = Vec::new();
    for settings in &configuration.sources {
        let source = Source::open(settings.clone(), Arc::clone(&pool));
        let of_it = configuration.datasets.iter().map(|it| &it.dataset);
        for dataset in of_it.filter(|it| it.source == settings.id()) {
            let looked = tokio::time::timeout(LOOK, Box::pin(one(&source, dataset))).await;
            let (told, is_closed) = looked.unwrap_or_else(|_late| late(dataset, settings.id()));
            found.extend(told);
            if is_closed {
                break;
            }
        }
    }
    found
}

fn late(dataset: &Dataset, source: &str) -> (Vec<Found>, bool) {
    let seen = format!("{} s", LOOK.as_secs());
    (vec![of_dataset(Code::DatabaseSilent, dataset, source, &seen)], true)
}

fn of_dataset(code: Code, dataset: &Dataset, source: &str, seen: &str) -> Found {
    let en = format!("dataset {} in source {source}", dataset.id);
    let zh = format!("数据集 {}（数据源 {source}）", dataset.id);
    Found::of(code, [&en, &zh], [seen, seen])
}

/// What there is to say of one dataset, and whether its source is closed to the others too.
async fn one(source: &Source, dataset: &Dataset) -> (Vec<Found>, bool) {
    let problems = match source.probe(dataset).await {
        Ok(problems) => problems,
        Err(error) => {
            let (code, is_closed) = classed(&error);
            let seen = Chain(&error).to_string();
            return (vec![of_dataset(code, dataset, source.id(), &seen)], is_closed);
        }
    };
    let seen = source.examine(dataset).await;
    if !problems.is_empty() {
        let is_schema_lacking = seen.as_ref().is_some_and(|it| !it.has_schema);
        let mut code = problems.first().map_or(Code::DatabaseOther, problem);
        if code == Code::DatabaseTable && is_schema_lacking {
            code = Code::DatabaseSchema;
        }
        let told: Vec<String> =
            problems.iter().map(|it| format!("{}: {}", it.place, it.message)).collect();
        return (vec![of_dataset(code, dataset, source.id(), &told.join("; "))], false);
    }
    let mut found: Vec<Found> = seen
        .iter()
        .flat_map(|seen| judge(seen, dataset))
        .map(|(code, seen)| {
            // What is the account's or the database's own is told once, whatever the dataset.
            let is_shared = matches!(code, Code::DatabaseSuperuser | Code::DatabaseEncoding);
            let place = format!("source {}", source.id());
            let place_zh = format!("数据源 {}", source.id());
            match is_shared {
                true => Found::of(code, [&place, &place_zh], [&seen, &seen]),
                false => of_dataset(code, dataset, source.id(), &seen),
            }
        })
        .collect();
    found.push(Found::good([
        format!("dataset {} in source {}", dataset.id, source.id()),
        format!("数据集 {}（数据源 {}）", dataset.id, source.id()),
    ]));
    (found, false)
}

/// What is known of a table beside that it can be read: warnings and what was seen.
fn judge(seen: &TableSeen, dataset: &Dataset) -> Vec<(Code, String)> {
    let mut found = Vec::new();
    let name = |index: usize| dataset.columns.get(index).map_or("", |it| it.name.as_str());
    if seen.is_administrator {
        found.push((Code::DatabaseSuperuser, seen.account.clone()));
    } else if seen.may_write {
        found.push((Code::DatabaseWrites, seen.account.clone()));
    }
    if seen.encoding == "SQL_ASCII" {
        found.push((Code::DatabaseEncoding, seen.encoding.clone()));
    }
    if !seen.is_table {
        return found;
    }
    let key: BTreeSet<&str> = dataset.key.iter().map(|at| name(*at)).collect();
    let keeps = |columns: &[String]| columns.iter().all(|it| key.contains(it.as_str()));
    let is_unique = seen.indexes.iter().any(|it| it.is_unique && keeps(&it.columns));
    let listed: Vec<&str> = key.iter().copied().collect();
    if !is_unique {
        found.push((Code::DatabaseKey, listed.join(", ")));
    }
    let nullable: Vec<&str> =
        listed.iter().copied().filter(|it| seen.nullable.iter().any(|own| own == it)).collect();
    if !nullable.is_empty() {
        found.push((Code::DatabaseKeyNull, nullable.join(", ")));
    }
    if let Change::TimeColumn { column, .. } = dataset.change {
        let time = name(column);
        let leads = |columns: &[String]| columns.first().is_some_and(|first| first == time);
        if !seen.indexes.iter().any(|it| leads(&it.columns)) {
            found.push((Code::DatabaseIndex, time.to_owned()));
        }
    }
    found
}

/// Which finding a failure is, and whether it closes the whole source.
pub(super) fn classed(error: &city::Error) -> (Code, bool) {
    use city::Error as E;
    match error {
        E::Database { cause, .. } => {
            let code = database(cause);
            let is_closed =
                !matches!(code, Code::DatabaseTable | Code::DatabaseColumn | Code::DatabaseRight);
            (code, is_closed)
        }
        E::File { .. } => (Code::FileMissing, false),
        E::Layout { .. } => (Code::DatabaseColumn, false),
        E::Unfit { .. } => (Code::DatabaseType, false),
        E::Timeout { .. } => (Code::DatabaseSilent, true),
        E::Protocol { .. } | E::Ended { .. } => (Code::DatabaseOther, false),
    }
}

/// Which finding a database's failure is.
pub(super) fn database(cause: &sql::Error) -> Code {
    match cause {
        sql::Error::Session { reason } => {
            let reason = reason.to_lowercase();
            let is_tls = ["tls", "certificate", "handshake", "unknownissuer"]
                .iter()
                .any(|word| reason.contains(word));
            if is_tls { Code::DatabaseTls } else { Code::DatabaseSilent }
        }
        sql::Error::Timeout { .. } => Code::DatabaseSilent,
        sql::Error::Credential { what, .. } if what.starts_with("password_file") => {
            Code::SecretMissing
        }
        sql::Error::Credential { what, .. } if what.starts_with("ca_file") => Code::DatabaseTls,
        sql::Error::Credential { .. } => Code::Config,
        sql::Error::Server { code, reason } => server(code, reason),
        sql::Error::File { .. } => Code::FileMissing,
        sql::Error::Embedded { reason } => embedded(reason),
    }
}

/// SQLSTATE, and the numbers that MySQL's products leave beside it.
fn server(code: &str, reason: &str) -> Code {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    match code {
        _ if has(&["pg_hba", "(error 1130)"]) => Code::DatabaseDoor,
        _ if has(&["(error 1049)"]) => Code::DatabaseName,
        _ if has(&["(error 1045)", "(error 1698)"]) || code.starts_with("28") => {
            Code::DatabaseLogin
        }
        "3D000" => Code::DatabaseName,
        "3F000" => Code::DatabaseSchema,
        "42P01" | "42S02" => Code::DatabaseTable,
        "42703" | "42S22" => Code::DatabaseColumn,
        "42501" => Code::DatabaseRight,
        _ if code.starts_with("53") => Code::DatabaseFull,
        _ if code.starts_with("42") => Code::DatabaseQuery,
        _ => Code::DatabaseOther,
    }
}

/// SQLite's words.
fn embedded(reason: &str) -> Code {
    match () {
        () if reason.contains("no such table") => Code::DatabaseTable,
        () if reason.contains("no such column") => Code::DatabaseColumn,
        () if reason.contains("syntax error") => Code::DatabaseQuery,
        () => Code::DatabaseOther,
    }
}

/// Which finding an answer of a source is: it holds the server's code where the server said one.
pub(super) fn problem(problem: &city::Problem) -> Code {
    if problem.place.contains(".columns.") {
        return Code::DatabaseColumn;
    }
    let message = problem.message.as_str();
    let state = message.rsplit_once("(SQLSTATE ").map(|(_, rest)| rest.trim_end_matches(')'));
    match state {
        Some(state) => server(state, message),
        None if message.starts_with("embedded database") => embedded(message),
        None => Code::DatabaseType,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_sorted_by_their_codes() {
        for (state, reason, expected) in [
            ("28P01", "password authentication failed for user \"a\"", Code::DatabaseLogin),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", Code::DatabaseDoor),
            ("28000", "role \"a\" is not permitted to log in", Code::DatabaseLogin),
            ("3D000", "database \"a\" does not exist", Code::DatabaseName),
            ("42501", "permission denied for table a", Code::DatabaseRight),
            ("53300", "too many connections for role", Code::DatabaseFull),
            ("42601", "syntax error", Code::DatabaseQuery),
            ("42883", "function f(text) does not exist", Code::DatabaseQuery),
            ("28000", "Access denied for user (error 1045)", Code::DatabaseLogin),
            ("42000", "Unknown database 'a' (error 1049)", Code::DatabaseName),
            ("HY000", "Host '10.0.0.1' is not allowed (error 1130)", Code::DatabaseDoor),
            ("XX000", "internal", Code::DatabaseOther),
        ] {
            assert_eq!(server(state, reason), expected, "{state} {reason}");
        }
        let lost = |reason: &str| database(&sql::Error::Session { reason: reason.to_owned() });
        assert_eq!(lost("error connecting: Connection refused"), Code::DatabaseSilent);
        let tls = "error performing TLS handshake: invalid peer certificate: UnknownIssuer";
        assert_eq!(lost(tls), Code::DatabaseTls);
    }

    #[test]
    fn an_answer_of_a_source_is_sorted_by_its_place_and_code() {
        let of = |place: &str, message: &str| {
            problem(&city::Problem { place: place.to_owned(), message: message.to_owned() })
        };
        assert_eq!(of("dataset.a.columns.b", "the source has no such"), Code::DatabaseColumn);
        let missing = "database server: relation \"a\" does not exist (SQLSTATE 42P01)";
        assert_eq!(of("dataset.a", missing), Code::DatabaseTable);
        assert_eq!(of("dataset.a", "embedded database: no such table: a"), Code::DatabaseTable);
        assert_eq!(of("dataset.a", "column b is jsonb, declared integer"), Code::DatabaseType);
    }
}
