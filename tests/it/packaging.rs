//! What the packages carry beside the program: a completion for each shell and a manual page for
//! each command, judged by the programs that will read them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use cascaded::cli::arguments::Arguments;
use clap::CommandFactory;

use crate::support::process::PROGRAM;

/// Has the real program write into the folder.
fn generate(what: &str, folder: &Path) {
    let output =
        Command::new(PROGRAM).args(["generate", what]).arg(folder).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a program says of a file; it must be there, `tests/run` installs it.
fn said(program: &str, arguments: &[&str], file: &Path) -> (bool, String) {
    let Output { status, stdout, stderr } = Command::new(program)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// The names of every command that is shown, as their pages are called.
fn pages(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
    found.insert(format!("{name}.1"));
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        pages(below, &format!("{name}-{}", below.get_name()), found);
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("it was written");
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a terminal shows bold is struck twice.
fn plain(page: &str) -> String {
    let mut shown = String::new();
    for letter in page.chars() {
        if letter == '\u{8}' {
            shown.pop();
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[test]
fn every_command_has_a_manual_page_that_man_reads_without_remarks() {
    let folder = tempfile::tempdir().unwrap();
    generate("man", folder.path());
    let mut expected = BTreeSet::new();
    pages(&Arguments::command(), "cascaded", &mut expected);
    assert!(expected.len() > 40, "{expected:?}");
    assert!(expected.contains("cascaded-ledger-restore.1"), "{expected:?}");
    assert_eq!(names(folder.path()), expected);
    for name in &expected {
        let (fine, remarks) = said("mandoc", &["-Tlint", "-Werror"], &folder.path().join(name));
        assert!(fine, "{name}: {remarks}");
    }
    let (fine, page) = said("mandoc", &["-Tutf8"], &folder.path().join("cascaded-resync.1"));
    let page = plain(&page);
    assert!(fine && page.contains("--dry-run") && page.contains("重传"), "{page}");
}

#[test]
fn every_shell_gets_a_completion_that_knows_every_command() {
    let folder = tempfile::tempdir().unwrap();
    generate("completions", folder.path());
    let expected = ["_cascaded", "cascaded.bash", "cascaded.fish"].map(str::to_owned);
    assert_eq!(names(folder.path()), BTreeSet::from(expected));
    let bash = folder.path().join("cascaded.bash");
    let (fine, remarks) = said("bash", &["-n"], &bash);
    assert!(fine && remarks.is_empty(), "{remarks}");
    for name in names(folder.path()) {
        let text = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        for command in Arguments::command().get_subcommands().filter(|it| !it.is_hide_set()) {
            assert!(text.contains(command.get_name()), "{name} lacks {}", command.get_name());
        }
    }
}

#[test]
fn bash_completes_a_command_and_its_options() {
    let folder = tempfile::tempdir().unwrap();
    generate("completions", folder.path());
    let script = "source \"$0\"; COMP_WORDS=(cascaded ledger re); COMP_CWORD=2; \
                  _cascaded cascaded re ledger; printf '%s ' \"${COMPREPLY[@]}\"; \
                  COMP_WORDS=(cascaded resync --dry); COMP_CWORD=2; \
                  _cascaded cascaded --dry resync; printf '%s' \"${COMPREPLY[@]}\"";
    let (fine, offered) = said("bash", &["-c", script], &folder.path().join("cascaded.bash"));
    assert!(fine, "{offered}");
    assert_eq!(offered, "restore --dry-run");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output =
        Command::new(PROGRAM).args(["generate", "man"]).arg(&file).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("E-CLI-OUTPUT"));
}

#[test]
fn no_allocator_of_our_own_meets_another_page_size() {
    // jemalloc fixes the size of a page when it is built and ends at once on a machine of another.
    let lock = crate::tidy::read("Cargo.lock");
    for name in ["jemalloc", "mimalloc", "snmalloc", "tcmalloc"] {
        assert!(!lock.contains(name), "{name} is in Cargo.lock");
    }
    assert!(lock.contains("name = \"rustls\""), "the lock file was not read");
}

/// What the security statement names: functions and files, by how their names look.
fn named(text: &str) -> BTreeSet<&str> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "_./-".contains(letter);
    text.split(|letter| !part(letter))
        .map(|word| word.trim_matches(['.', '-']))
        .filter(|word| {
            let is_test = word.matches('_').count() >= 2 && !word.contains('/');
            let is_file = ["src/", "tests/", "deploy/"].iter().any(|it| word.starts_with(it));
            is_test || is_file
        })
        .collect()
}

#[test]
fn what_the_security_statement_rests_on_exists() {
    let statement = crate::tidy::read("deploy/security.zh.md");
    let names = named(&statement);
    assert!(names.len() > 40, "{names:?}");
    let mut code = String::new();
    for folder in ["src", "tests"] {
        gather(&crate::tidy::root().join(folder), &mut code);
    }
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| {
            let is_file = name.contains('/') && crate::tidy::root().join(name).exists();
            !is_file && !code.contains(&format!("fn {name}("))
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
    // The list of what is not done is a part of it.
    assert!(statement.contains("没有做到的"));
}

/// The text of every file of Rust below a folder.
fn gather(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, code);
        } else if path.extension().is_some_and(|it| it == "rs") {
            code.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn a_name_that_looks_like_a_test_or_a_file_is_found() {
    let text = "| x | `a_b_c`（src/a.rs）、tests/it/page。`MemoryMax=512M` cascaded_one |";
    assert_eq!(named(text), BTreeSet::from(["a_b_c", "src/a.rs", "tests/it/page"]));
}
