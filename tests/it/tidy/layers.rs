//! Who may import whom: the table of the modules' groups, and how a file's imports are read.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::Token;

/// The groups, first to last. A module uses the groups above its own and the modules to its left in
/// its own.
const GROUPS: [&[&str]; 7] = [
    &[
        "clock",
        "catalogue",
        "calendar",
        "row",
        "delivery",
        "fact",
        "expression",
        "language",
        "markup",
    ],
    &["checks", "signing", "wire", "standard", "indicator", "takeover"],
    // `crash`: the named points at which a test build ends itself.
    &["crash", "telemetry", "supervisor"],
    &["sql", "ledger", "city", "province"],
    &["cascade", "changeover", "bulletin", "control", "probe", "intake"],
    &["rehearsal"],
    &["config", "app", "demo", "cli"],
];

/// Exceptions that forbid: what the groups would allow and the design does not.
const NEVER: [(&str, &[&str]); 3] = [
    // City and province adapters never know each other; of their own group they use `sql` alone.
    ("city", &["ledger"]),
    ("province", &["ledger", "city"]),
    // The stand-in judges the daemon, so it may not be made of the daemon.
    (
        "rehearsal",
        &[
            "wire",
            "ledger",
            "cascade",
            "city",
            "province",
            "changeover",
            "bulletin",
            "control",
            "probe",
            "intake",
        ],
    ),
];

/// The groups that are pure: no I/O, no runtime, no logging.
const PURE_GROUPS: usize = 2;

/// The crates that pure modules may use: data in, data out.
const PURE_CRATES: [&str; 22] = [
    "aws_lc_rs",
    "base64",
    "bytes",
    "csv",
    "encoding_rs",
    "flate2",
    "hmac",
    "itoa",
    "jiff",
    "memchr",
    "quick_xml",
    "regex",
    "rust_decimal",
    "serde",
    "serde_json",
    "sm2",
    "sm3",
    "sm4",
    "thiserror",
    "toml",
    "zeroize",
    "zstd",
];

/// The parts of the standard library that reach outside the process.
const IMPURE_STD: [&str; 6] = ["fs", "net", "process", "env", "thread", "os"];

/// Files of pure modules that may reach outside all the same, with what they may use, and why.
const EXCEPTIONS: [(&str, &str); 1] = [
    // Reads a standard's directory, bounded, into the map of bytes that everything else in its
    // module is a pure function of; `rehearsal`, which may not use `config`, reads with it too.
    ("src/standard/files.rs", "std::fs"),
];

/// Whether a file is an exception that may use this.
fn is_excepted(path: &Path, name: &str) -> bool {
    EXCEPTIONS.iter().any(|(file, part)| path == Path::new(file) && name == *part)
}

/// Where a module stands: its group and its place in it.
fn place(module: &str) -> Option<(usize, usize)> {
    GROUPS.iter().enumerate().find_map(|(group, modules)| {
        modules.iter().position(|name| *name == module).map(|at| (group, at))
    })
}

/// Whether the table has the module.
pub(crate) fn is_known(module: &str) -> bool {
    place(module).is_some()
}

/// Whether `from` may import `to`.
pub(crate) fn may_import(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    let (Some(from_place), Some(to_place)) = (place(from), place(to)) else { return false };
    let forbidden = NEVER.iter().any(|(who, whom)| *who == from && whom.contains(&to));
    !forbidden && to_place < from_place
}

/// The top-level module that a file below `src` belongs to, and how deep below the crate's root
/// its own module is.
pub(crate) fn module_of(path: &Path) -> Option<(String, usize)> {
    let below = path.strip_prefix("src").ok()?.with_extension("");
    let mut names: Vec<String> =
        below.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    let depth = names.len();
    names.into_iter().next().map(|first| (first, depth))
}

/// Everything wrong with one file's imports.
pub(crate) fn violations(
    path: &Path,
    (module, depth): (&str, usize),
    code: &[Token],
    dependencies: &BTreeSet<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for import in imports(depth, code) {
        match import {
            Import::Module(to) if !is_known(&to) || may_import(module, &to) => {}
            Import::Module(to) => found.push(format!("{module} may not use {to}")),
            Import::Crate(_) if place(module).is_none_or(|(group, _)| group >= PURE_GROUPS) => {}
            Import::Crate(name) => {
                let (first, rest) = name.split_once("::").unwrap_or((&name, ""));
                let impure = if first == "std" {
                    IMPURE_STD.contains(&rest)
                } else {
                    dependencies.contains(first) && !PURE_CRATES.contains(&first)
                };
                if impure && !is_excepted(path, &name) {
                    found.push(format!("{module} is pure and may not use {name}"));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Import {
    /// A top-level module of ours.
    Module(String),
    /// `name` or, of the standard library, `std::part`.
    Crate(String),
}

/// What a file's code names outside itself; `depth` is how deep below the crate's root its module
/// is.
fn imports(depth: usize, code: &[Token]) -> Vec<Import> {
    let mut found = Vec::new();
    // One entry for each open brace: whether it is an inline module's.
    let mut open: Vec<bool> = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|at| code.get(at));
        if token.is('{') {
            open.push(before(2).and_then(Token::word) == Some("mod"));
        } else if token.is('}') {
            open.pop();
        }
        let Some(word) = token.word() else { continue };
        // A later part of a path that began before, or a method.
        let colons = [1, 2].iter().all(|back| before(*back).is_some_and(|token| token.is(':')));
        let continues =
            colons && before(3).is_some_and(|token| token.word().is_some() || token.is('>'));
        if continues || before(1).is_some_and(|token| token.is('.')) {
            continue;
        }
        let rest = code.get(at + 1..).unwrap_or_default();
        let levels = depth + open.iter().filter(|inline| **inline).count();
        found.extend(import(word, rest, before(1), levels));
    }
    found
}

/// What a path that starts with `word` names, with `rest` behind it.
fn import(word: &str, rest: &[Token], before: Option<&Token>, levels: usize) -> Vec<Import> {
    let Some(mut after) = behind_colons(rest) else {
        let alone = before.and_then(Token::word) == Some("use");
        return if alone { vec![Import::Crate(word.to_owned())] } else { Vec::new() };
    };
    let mut supers = usize::from(word == "super");
    while let (true, Some((Token::Word(next), tail))) = (supers > 0, after.split_first())
        && next == "super"
        && let Some(further) = behind_colons(tail)
    {
        supers += 1;
        after = further;
    }
    match word {
        "crate" => heads(after).into_iter().map(Import::Module).collect(),
        "super" if supers >= levels => heads(after).into_iter().map(Import::Module).collect(),
        "super" | "self" | "Self" => Vec::new(),
        "std" => heads(after).iter().map(|part| Import::Crate(format!("std::{part}"))).collect(),
        _ => vec![Import::Crate(word.to_owned())],
    }
}

/// What follows the `::` that `rest` starts with.
fn behind_colons(rest: &[Token]) -> Option<&[Token]> {
    match rest {
        [Token::Mark(':'), Token::Mark(':'), after @ ..] => Some(after),
        _ => None,
    }
}

/// The first words of a path or of a braced list of paths.
fn heads(after: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    let Some((first, list)) = after.split_first() else { return found };
    if !first.is('{') {
        return first.word().map(str::to_owned).into_iter().collect();
    }
    let mut depth = 1_usize;
    let mut starts = true;
    for token in list {
        if let (true, 1, Some(word)) = (starts, depth, token.word()) {
            found.push(word.to_owned());
        }
        starts = token.is(',') && depth == 1;
        if token.is('{') {
            depth += 1;
        } else if token.is('}') {
            depth -= 1;
            if depth == 0 {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
fn check(module: &str, text: &str) -> Vec<String> {
    let dependencies = ["tokio", "serde"].map(str::to_owned).into();
    let path = Path::new("src/any.rs");
    violations(path, (module, 1), &super::source::tokens(text), &dependencies)
}

#[test]
fn a_module_uses_what_is_above_it_and_to_its_left() {
    for (module, text) in [
        ("ledger", "use crate::sql::Pool; use crate::{row, delivery::{Batch, sql}};"),
        ("wire", "use serde::Deserialize; use std::{fmt, io}; crate::signing::sign();"),
        ("city", "use tokio::fs; let x = a.city::<u8>(); use self::ledger::Y; use super::wire;"),
        ("cli", "crate::demo::run(); std::process::exit(1)"),
        ("rehearsal", "use crate::standard::tables; use std::fs;"),
    ] {
        assert_eq!(check(module, text), Vec::<String>::new(), "{module}: {text}");
    }
}

#[test]
fn a_module_that_reaches_where_it_may_not_is_found_however_it_is_written() {
    for (module, text, finding) in [
        ("city", "use crate::province::Client;", "city may not use province"),
        ("province", "fn f(x: crate::city::Row) {}", "province may not use city"),
        ("ledger", "use crate::{sql, row::Row, cascade::{a, b}};", "ledger may not use cascade"),
        ("row", "use super::fact::Fact;", "row may not use fact"),
        ("row", "mod inner { use super::super::fact::Fact; }", "row may not use fact"),
        ("rehearsal", "use crate::wire;", "rehearsal may not use wire"),
        ("wire", "let x: ::tokio::task::JoinHandle<()>;", "wire is pure and may not use tokio"),
        ("wire", "use tokio as t;", "wire is pure and may not use tokio"),
        ("checks", "use std::{io, fs::File};", "checks is pure and may not use std::fs"),
        ("checks", "std::env::var(x)", "checks is pure and may not use std::env"),
        ("catalogue", "crate::telemetry::logs::start()", "catalogue may not use telemetry"),
    ] {
        assert_eq!(check(module, text), [finding], "{text}");
    }
}
