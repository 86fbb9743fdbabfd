//! Every mistake in the city's part of the configuration that shows without connecting anywhere.
//! What only the source knows, [`Source::probe`](super::Source::probe) asks.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::catalogue::CatalogueSettings;
use super::county;
use super::dataset::Dataset;
use super::settings::{
    DatasetSettings, FolderSettings, OdbcSettings, Problem, SourceSettings, TextEncoding,
};
use super::source::UNBUILT;
use crate::sql;

/// The datasets without a mistake of their own, and all problems at once. A dataset's rules are
/// compiled by `checks`.
pub fn check(
    sources: &[SourceSettings],
    datasets: &[DatasetSettings],
    catalogue: Option<&CatalogueSettings>,
) -> (Vec<Dataset>, Vec<Problem>) {
    let mut problems = Vec::new();
    twice("source", sources.iter().map(SourceSettings::id), &mut problems);
    twice("dataset", datasets.iter().map(|it| it.id.as_str()), &mut problems);
    for source in sources {
        match source {
            SourceSettings::Sqlite(it) => {
                if !it.path.is_file() {
                    let message = format!("no such file: {}", it.path.display());
                    problems.push(Problem::new(format!("source.{}.path", it.id), message));
                }
            }
            SourceSettings::Postgres(it) => {
                let files = [&it.password_file, &it.ca_file];
                server(&it.id, sql::parse_url(&it.url), files, &mut problems);
            }
            SourceSettings::MySql(it) => {
                let files = [&it.password_file, &it.ca_file];
                server(&it.id, sql::parse_mysql_url(&it.url), files, &mut problems);
            }
            SourceSettings::Odbc(it) => odbc(it, &mut problems),
            SourceSettings::Folder(it) => folder(it, datasets, &mut problems),
            SourceSettings::County(_) => {}
        }
    }
    let mut compiled = Vec::new();
    for dataset in datasets {
        match Dataset::compile(dataset, sources) {
            Ok(dataset) => {
                let of_county = |it: &&SourceSettings| {
                    it.id() == dataset.source && matches!(it, SourceSettings::County(_))
                };
                if sources.iter().any(|it| of_county(&it)) {
                    problems.extend(county::probe(&dataset));
                }
                compiled.push(dataset);
            }
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(catalogue.into_iter().flat_map(|it| it.check(sources)));
    (compiled, problems)
}

fn twice<'a>(what: &str, ids: impl Iterator<Item = &'a str>, problems: &mut Vec<Problem>) {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let mut reported = None;
    for pair in ids.windows(2) {
        if let [one, other] = pair
            && one == other
            && reported != Some(one)
        {
            reported = Some(one);
            problems.push(Problem::new(format!("{what}.{one}.id"), "this id appears twice"));
        }
    }
}

/// `url` tells whether the address holds a password; `files` are the password's and the
/// certificates'.
fn server(
    id: &str,
    url: Result<bool, sql::Error>,
    files: [&Option<PathBuf>; 2],
    problems: &mut Vec<Problem>,
) {
    let [password_file, ca_file] = files;
    let place = |field: &str| format!("source.{id}.{field}");
    match url {
        Ok(true) => {
            let message = "holds a password: put it into a file and name that as `password_file`";
            problems.push(Problem::new(place("url"), message));
        }
        Ok(false) => {}
        Err(error) => problems.push(Problem::new(place("url"), error.to_string())),
    }
    secret(id, password_file.as_deref(), problems);
    if let Some(path) = ca_file
        && !path.is_file()
    {
        let message = format!("no such file: {}", path.display());
        problems.push(Problem::new(place("ca_file"), message));
    }
}

fn secret(id: &str, password_file: Option<&Path>, problems: &mut Vec<Problem>) {
    if let Some(message) = password_file.and_then(exposed) {
        problems.push(Problem::new(format!("source.{id}.password_file"), message));
    }
}

fn odbc(it: &OdbcSettings, problems: &mut Vec<Problem>) {
    let place = |field: &str| format!("source.{}.{field}", it.id);
    if cfg!(not(feature = "odbc")) {
        problems.push(Problem::new(place("kind"), UNBUILT));
    }
    let fields = it.connection.split(';').filter_map(|field| field.split_once('='));
    let fields: Vec<(String, &str)> =
        fields.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim())).collect();
    let has = |names: &[&str]| fields.iter().any(|(name, _)| names.contains(&name.as_str()));
    if has(&["pwd", "password"]) {
        let message = "holds a password: put it into a file and name that as `password_file`";
        problems.push(Problem::new(place("connection"), message));
    } else if !has(&["driver", "dsn"]) {
        let message = "names neither a `Driver=` nor a `DSN=`";
        problems.push(Problem::new(place("connection"), message));
    }
    let drivers = fields.iter().filter(|(name, _)| name == "driver");
    for path in drivers.map(|(_, value)| Path::new(value)).filter(|path| path.is_absolute()) {
        if !path.is_file() {
            let message = format!("no such file: {}", path.display());
            problems.push(Problem::new(place("connection"), message));
        }
    }
    if it.statement_rows == 0 {
        problems.push(Problem::new(place("statement_rows"), "at least 1"));
    }
    secret(&it.id, it.password_file.as_deref(), problems);
}

/// Why a file is no place for a secret. systemd's credentials are guarded by their folder.
fn exposed(path: &Path) -> Option<String> {
    let Ok(facts) = std::fs::metadata(path) else {
        return Some(format!("no such file: {}", path.display()));
    };
    let guarded = std::env::var_os("CREDENTIALS_DIRECTORY")
        .is_some_and(|folder| !folder.is_empty() && path.starts_with(folder));
    let open = !guarded && facts.mode() & 0o077 != 0;
    open.then(|| format!("others can read {}: its mode must be 0600 or 0400", path.display()))
}

fn folder(it: &FolderSettings, datasets: &[DatasetSettings], problems: &mut Vec<Problem>) {
    let place = |field: &str| format!("source.{}.{field}", it.id);
    if !it.path.is_dir() {
        let message = format!("no such folder: {}", it.path.display());
        problems.push(Problem::new(place("path"), message));
    }
    if !it.delimiter.is_ascii() || matches!(it.delimiter, '"' | '\r' | '\n') {
        problems
            .push(Problem::new(place("delimiter"), "one ASCII character, no quote or line end"));
    }
    // Second and fourth bytes of GB18030 are 0x30 to 0x7e: a letter, a digit or `|` may be a part
    // of a longer character.
    let of_this = datasets.iter().filter(|dataset| dataset.source == it.id);
    let gb18030 = it.encoding == TextEncoding::Gb18030
        || of_this.map(|dataset| dataset.encoding).any(|own| own == Some(TextEncoding::Gb18030));
    if gb18030 && it.delimiter >= '0' {
        let message = "in GB18030 this character may be half of another; use `,`, tab or `#`";
        problems.push(Problem::new(place("delimiter"), message));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn source(toml: &str) -> SourceSettings {
        toml::from_str(toml).unwrap()
    }

    fn places(sources: &[SourceSettings]) -> Vec<String> {
        let (_, problems) = check(sources, &[], None);
        problems.into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn every_mistake_of_the_sources_is_reported_at_once() {
        let sources = [
            source("kind = 'sqlite'\nid = 'a'\npath = '/nonexistent/city.sqlite'"),
            source("kind = 'sqlite'\nid = 'a'\npath = '/nonexistent/city.sqlite'"),
            source("kind = 'postgres'\nid = 'p'\nurl = 'postgres://u:secret@h/d'\nca_file = '/no'"),
            source("kind = 'postgres'\nid = 'q'\nurl = 'mysql://h/d'\npassword_file = '/no'"),
            source("kind = 'mysql'\nid = 'm'\nurl = 'mysql://u:secret@h/d'\nca_file = '/no'"),
            source("kind = 'mysql'\nid = 'n'\nurl = 'postgres://u@h/d'\npassword_file = '/no'"),
            source(
                "kind = 'csv-folder'\nid = 'c'\npath = '/no'\ndelimiter = '|'\nencoding = 'gb18030'",
            ),
        ];
        let expected = [
            "source.a.id",
            "source.a.path",
            "source.a.path",
            "source.p.url",
            "source.p.ca_file",
            "source.q.url",
            "source.q.password_file",
            "source.m.url",
            "source.m.ca_file",
            "source.n.url",
            "source.n.password_file",
            "source.c.path",
            "source.c.delimiter",
        ];
        assert_eq!(places(&sources), expected);
        let (_, problems) = check(&sources, &[], None);
        let all: String = problems.iter().map(ToString::to_string).collect();
        assert!(!all.contains("secret"), "{all}");
    }

    #[test]
    fn every_mistake_of_an_odbc_source_is_reported_and_so_is_a_build_without_it() {
        let of = |connection: &str, more: &str| {
            let toml = format!(
                "kind = 'odbc'\nid = 'o'\ndialect = 'dameng'\nconnection = '{connection}'\n{more}"
            );
            places(&[source(&toml)])
        };
        let built = if cfg!(feature = "odbc") { Vec::new() } else { vec!["source.o.kind"] };
        let with = |place: &'static str| [built.clone(), vec![place]].concat();
        assert_eq!(of("DSN=dm;UID=u", ""), built);
        assert_eq!(of("DSN=dm;UID=u;PWD=secret", ""), with("source.o.connection"));
        assert_eq!(of("DSN=dm; Password = secret", ""), with("source.o.connection"));
        assert_eq!(of("Server=h;UID=u", ""), with("source.o.connection"));
        assert_eq!(of("Driver=/no/libdodbc.so", ""), with("source.o.connection"));
        assert_eq!(of("DSN=dm", "statement_rows = 0"), with("source.o.statement_rows"));
        assert_eq!(of("DSN=dm", "password_file = '/no'"), with("source.o.password_file"));
    }

    #[test]
    fn a_table_with_a_time_column_may_be_looked_at_more_often() {
        let is_refused = |change: &str, poll: &str| {
            let toml = format!(
                "id = 'd'\ntitle = 'd'\nsource = 'a'\ntable = 't'\nregion = '510100'\n\
                 department = 'o'\nkey = ['id']\ncycle = 'daily'\npoll = '{poll}'\n\
                 change = {{ {change} }}\n\
                 columns = [{{ name = 'id', type = 'text' }}, {{ name = 'at', type = 'time' }}]"
            );
            let (_, problems) = check(&[], &[toml::from_str(&toml).unwrap()], None);
            problems.iter().any(|problem| problem.place == "dataset.d.poll")
        };
        let by_time = "kind = 'time-column', column = 'at'";
        assert!(!is_refused(by_time, "50ms") && is_refused(by_time, "49ms"));
        for change in ["kind = 'full'", "kind = 'files'"] {
            assert!(!is_refused(change, "1s") && is_refused(change, "999ms"), "{change}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            exposed(file.path())
        };
        assert_eq!(of(0o600), None);
        assert_eq!(of(0o400), None);
        assert!(of(0o640).is_some() && of(0o604).is_some());
    }
}
