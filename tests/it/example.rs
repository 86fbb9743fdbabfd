//! The example configuration: it loads as it stands, and it shows every key that exists.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cascaded::config::{Configuration, Problem};
use cascaded::rehearsal::certificates::Certificates;

use crate::tidy::{read, root};

const EXAMPLE: &str = "config/cascaded.example.toml";

/// The folders that the example speaks of.
const FOLDERS: [&str; 4] =
    ["/etc/cascaded", "/run/credentials/cascaded.service", "/srv/exchange", "/var/lib/cascaded"];

/// The example with its folders moved below `base`, and the project's own standards.
fn moved(base: &Path) -> String {
    let share = root().join("config").display().to_string();
    let text = read(EXAMPLE).replace("/usr/share/cascaded", &share);
    FOLDERS
        .iter()
        .fold(text, |text, folder| text.replace(folder, &format!("{}{folder}", base.display())))
}

/// Makes what an operator has before the first `cascaded check`.
fn furnish(base: &Path) {
    let write = |path: &str, content: &str| {
        let path = base.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        fs::write(&path, content).unwrap();
    };
    for name in [
        "client.key",
        "city.password",
        "dm.password",
        "enrolment.password",
        "province.requester",
        "province.secret",
    ] {
        write(&format!("run/credentials/cascaded.service/{name}"), "secret");
    }
    write("run/credentials/cascaded.service/ledger.key", &"5a".repeat(32));
    write("run/credentials/cascaded.service/ledger-2025.key", &"a5".repeat(32));
    for name in ["province-ca.pem", "client.pem", "city-ca.pem"] {
        write(&format!("etc/cascaded/{name}"), "");
    }
    let authority = Certificates::generate().unwrap().authority;
    write("etc/cascaded/log-ca.pem", &authority);
    write("run/credentials/cascaded.service/notify.url", "https://hook.example/key");
    write("etc/cascaded/codes/divisions.csv", "code,title,from,until\n515102,示例市临江区,,\n");
    write("srv/exchange/county.sqlite", "");
    write("srv/exchange/catalogue.xlsx", "");
    write("etc/cascaded/cities.csv", "month,what,city,points,source\n");
    write("etc/cascaded/lists/leads.csv", "deed,hours\n");
    write("etc/cascaded/values/outside.csv", "name,month,value,source,date\n");
    fs::create_dir_all(base.join("srv/exchange/files")).unwrap();
}

fn load(base: &Path, text: &str) -> Result<Configuration, Vec<Problem>> {
    let path = base.join("cascaded.toml");
    fs::write(&path, text).unwrap();
    Configuration::load(&path)
}

#[test]
fn the_example_configuration_loads_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let configuration = load(folder.path(), &moved(folder.path()))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(configuration.channels.len(), 1);
    assert_eq!(configuration.sources.len(), 4);
    assert_eq!(configuration.datasets.len(), 3);
    assert!(configuration.catalogue.is_some());
}

#[test]
fn a_line_of_the_example_that_is_commented_out_is_right_too() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let base = folder.path();
    fs::write(base.join("run/credentials/cascaded.service/proxy"), "a:b").unwrap();
    let with_options: String =
        moved(base).lines().map(|line| format!("{}\n", uncommented(line))).collect();
    // Either a table or a query.
    let with_options = with_options
        .lines()
        .filter(|line| !line.starts_with("query = "))
        .fold(String::new(), |text, line| text + line + "\n");
    load(base, &with_options).unwrap_or_else(|problems| panic!("{problems:#?}"));
}

#[test]
fn without_systemd_s_credentials_the_secrets_are_files() {
    // systemd before 247 knows no `LoadCredential=`: the same files, where the operator put them.
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let base = folder.path();
    fs::rename(base.join("run/credentials/cascaded.service"), base.join("etc/cascaded/secrets"))
        .unwrap();
    let text = moved(base).replace("run/credentials/cascaded.service", "etc/cascaded/secrets");
    load(base, &text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let key = base.join("etc/cascaded/secrets/ledger.key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let problems = load(base, &text).unwrap_err();
    assert!(problems.iter().any(|it| it.place.starts_with("ledger.key_file")), "{problems:#?}");
}

/// A line `# key = value` or `# [section]` without its mark.
fn uncommented(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("# ") else { return line };
    if rest.starts_with('[') && rest.ends_with(']') {
        return rest;
    }
    let key = rest.split(" = ").next().unwrap_or_default();
    let is_key = !key.is_empty()
        && key != rest
        && key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    if is_key { rest } else { line }
}

#[test]
fn the_example_shows_every_key_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let text = moved(folder.path());
    let mut missing = BTreeSet::new();
    let mut sections = 0;
    for (at, line) in text.lines().enumerate() {
        // An unknown key in each table makes the loader name the known ones.
        let bent = if line.starts_with('[')
            && !line.contains(".columns]")
            && !line.contains("credentials]")
        {
            format!("{line}\nunheard_of = 1")
        } else if let Some((before, after)) =
            line.split_once("{ ").filter(|_| !line.starts_with('#'))
        {
            format!("{before}{{ unheard_of = 1, {after}")
        } else {
            continue;
        };
        let lines: Vec<&str> = text
            .lines()
            .enumerate()
            .map(|(other, line)| if other == at { bent.as_str() } else { line })
            .collect();
        let problems = load(folder.path(), &lines.join("\n")).err().unwrap_or_default();
        let known = problems.iter().find_map(|problem| {
            let (_, known) = problem.message.split_once("unknown field `unheard_of`, ")?;
            // What follows says in which table.
            known.split(['\n', ':']).next()?.split(" in `").next()
        });
        let known = known.unwrap_or_else(|| panic!("{bent}: {problems:#?}"));
        sections += 1;
        for key in known.split('`').skip(1).step_by(2) {
            let shown = text.lines().any(|line| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                line.starts_with(&format!("{key} = "))
                    || line.starts_with(&format!("[channel.{key}"))
                    || line.starts_with(&format!("[[catalogue.{key}]]"))
                    || line.starts_with(&format!("[[dataset.{key}]]"))
                    || line.contains(&format!("{{ {key} = "))
                    || line.contains(&format!(", {key} = "))
                    || line.contains(&format!(".{key}]"))
            });
            if !shown {
                missing.insert(format!("{}: {key}", line.trim()));
            }
        }
    }
    assert!(sections > 20, "only {sections} tables were tried");
    assert!(missing.is_empty(), "{missing:#?}");
}
