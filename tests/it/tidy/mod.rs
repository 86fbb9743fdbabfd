//! House rules as a test: the table of who may import whom, documents that keep up with the code,
//! and a product that knows no standard.

mod commands;
mod findings;
mod layers;
mod source;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use source::root;
use source::{Source, Token, sources};

/// The longest file.
const LINE_LIMIT: usize = 600;

/// Half of the files are shorter than this many lines.
const MEDIAN_LIMIT: usize = 300;

/// Where error codes and metrics are documented.
const DOCUMENTS: [&str; 2] = ["README.md", "deploy/manual.zh.md"];

fn product() -> Vec<Source> {
    let found = sources("src");
    assert!(found.len() > 20, "only {} files under src", found.len());
    found
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names under which the code sees the crates of `Cargo.toml`.
fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("the manifest is TOML");
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.expect("there are dependencies").keys().map(|name| name.replace('-', "_")).collect()
}

fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n  {}", findings.join("\n  "));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let dependencies = dependencies();
    let mut findings = Vec::new();
    for source in product() {
        let Some((module, depth)) = layers::module_of(&source.path) else { continue };
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        if !layers::is_known(&module) {
            findings.push(format!("{}: the table has no module {module}", source.path.display()));
            continue;
        }
        for finding in
            layers::violations(&source.path, (&module, depth), &source.code, &dependencies)
        {
            findings.push(format!("{}: {finding}", source.path.display()));
        }
    }
    none(&findings);
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let first = source.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!") {
            findings.push(format!("{}: no `//!` on its first line", source.path.display()));
        }
        let lines = source.text.lines().count();
        if lines > LINE_LIMIT {
            findings.push(format!("{}: {lines} lines", source.path.display()));
        }
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    println!("{} files, median {median} lines", lengths.len());
    if median > MEDIAN_LIMIT {
        findings.push(format!("half of the files are longer than {median} lines"));
    }
    none(&findings);
}

#[test]
fn only_the_command_line_prints_or_ends_the_process() {
    let mut findings = Vec::new();
    for source in product() {
        // `crash` ends a test build at a named point; that is its whole purpose.
        let module = layers::module_of(&source.path).map(|(module, _)| module);
        if module.is_some_and(|module| ["cli", "crash"].contains(&module.as_str())) {
            continue;
        }
        for finding in talk(&source.code) {
            findings.push(format!("{}: {finding}", source.path.display()));
        }
    }
    none(&findings);
}

/// What in this code talks to the terminal or ends the process.
fn talk(code: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in code.windows(5) {
        match pair {
            [Token::Word(name), Token::Mark('!'), ..]
                if ["print", "println", "eprint", "eprintln", "dbg"].contains(&name.as_str()) =>
            {
                found.push(format!("{name}!"));
            }
            [Token::Word(module), Token::Mark(':'), Token::Mark(':'), Token::Word(name), _]
                if module == "process" && ["exit", "abort"].contains(&name.as_str()) =>
            {
                found.push(format!("process::{name}"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn only_the_ledger_gives_leave_to_write() {
    let word = |token: &Token, word: &str| token.word() == Some(word);
    let makes = |code: &[Token]| {
        code.windows(4).any(|it| match it {
            [of, first, second, name] => {
                word(of, "Permit") && first.is(':') && second.is(':') && word(name, "granted")
            }
            _ => false,
        })
    };
    let makers: Vec<PathBuf> =
        product().into_iter().filter(|it| makes(&it.code)).map(|it| it.path).collect();
    let known = [PathBuf::from("src/ledger/mode.rs")];
    assert_eq!(makers, known, "who else makes a permit?");
}

#[test]
fn talk_is_found_in_a_bad_sample() {
    let sample = source::tokens("fn f() { println!(\"a\"); std::process::exit(1); x.exit(); }");
    assert_eq!(talk(&sample), ["println!", "process::exit"]);
}

#[test]
fn the_product_knows_no_word_of_any_standard() {
    let words = words::of_standards(&root().join("config/standards"));
    assert!(words.len() > 30, "config/standards gave only {} words", words.len());
    let mut findings = Vec::new();
    for source in product() {
        for word in words::known_to(&source.code, &words) {
            let table = words.get(word).map(PathBuf::as_path).unwrap_or(Path::new(""));
            findings.push(format!(
                "{}: knows `{word}` of {}",
                source.path.display(),
                table.strip_prefix(root()).unwrap_or(table).display()
            ));
        }
    }
    none(&findings);
}

#[test]
fn no_standard_is_compiled_in() {
    let mut findings = Vec::new();
    for source in product() {
        for window in source.code.windows(4) {
            if let [Token::Word(name), Token::Mark('!'), _, Token::Text(path)] = window
                && name.starts_with("include")
                && path.contains("standards")
            {
                findings.push(format!("{}: {name}!({path})", source.path.display()));
            }
        }
    }
    none(&findings);
}

/// The stable codes in the product's texts: `E-…` anywhere, and what its stages and adapters call a
/// failure.
fn codes(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for token in &source.code {
        if let Token::Text(text) = token {
            found.extend(error_codes(text));
        }
    }
    let speaks_of_failures = FAILURES.iter().any(|part| source.path.starts_with(part));
    if speaks_of_failures {
        found.extend(failure_codes(&source.code));
    }
    found
}

/// Where failures get their codes.
const FAILURES: [&str; 5] = [
    "src/cascade",
    "src/province",
    "src/city/error.rs",
    "src/ledger/error.rs",
    "src/app/office/watch.rs",
];

/// Words with a hyphen in those files that are no failures.
const NO_FAILURES: [&str; 3] = ["content-type", "control-character", "oauth-client-credentials"];

/// Every `word-word` of a code that does not name a crash point or a switch of the test build.
fn failure_codes(code: &[Token]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, token) in code.iter().enumerate() {
        let Token::Text(text) = token else { continue };
        let before = |back: usize| at.checked_sub(back).and_then(|at| code.get(at));
        let of_tests = before(1).is_some_and(|token| token.is('('))
            && before(2)
                .and_then(Token::word)
                .is_some_and(|word| ["point", "sabotaged"].contains(&word));
        let is_kebab = text.contains('-')
            && !text.starts_with('-')
            && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if is_kebab && !of_tests && !NO_FAILURES.contains(&text.as_str()) {
            found.insert(text.clone());
        }
    }
    found
}

#[test]
fn a_failure_is_told_from_a_crash_point() {
    let sample = source::tokens(r#"fn f() { point("run-named"); held("reply-code"); x("plain") }"#);
    assert_eq!(failure_codes(&sample).into_iter().collect::<Vec<_>>(), ["reply-code"]);
}

/// Every `E-WORD-WORD` in a text. A `E-STANDARD-…` in prose is not one.
fn error_codes(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("E-") {
        let joins = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(joins) {
            continue;
        }
        let tail = text.get(at..).unwrap_or_default();
        let end = tail.find(|letter: char| {
            !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '-'
        });
        let code = tail.get(..end.unwrap_or(tail.len())).unwrap_or_default();
        if code.len() > 3 && !code.ends_with('-') {
            found.insert(code.to_owned());
        }
    }
    found
}

#[test]
fn every_error_code_is_documented_and_every_documented_one_exists() {
    let documents: Vec<String> = DOCUMENTS.iter().map(|path| read(path)).collect();
    let mut code_files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for source in product() {
        for code in codes(&source) {
            code_files.entry(code).or_insert_with(|| source.path.clone());
        }
    }
    let mut findings = Vec::new();
    for (code, path) in &code_files {
        for (document, text) in DOCUMENTS.iter().zip(&documents) {
            if !text.contains(&format!("`{code}`")) {
                findings.push(format!("{code} of {} is not in {document}", path.display()));
            }
        }
    }
    for code in documents.iter().flat_map(|text| error_codes(text)) {
        if !code_files.contains_key(&code) {
            findings.push(format!("{code} is documented and in no source"));
        }
    }
    none(&findings);
}

#[test]
fn every_test_that_the_architecture_names_exists() {
    let text = read("src/ARCHITECTURE.md");
    let invariants = text.split("\n# ").find(|part| part.starts_with("Invariants"));
    let invariants = invariants.expect("the page has its invariants");
    let numbered = invariants.lines().filter(|line| line.starts_with(char::is_numeric)).count();
    assert_eq!(numbered, 13, "the invariants of the design");
    let known: BTreeSet<String> = ["src", "tests"]
        .into_iter()
        .flat_map(sources)
        .flat_map(|source| functions(&source.text))
        .collect();
    let is_test = |name: &&str| name.matches('_').count() >= 3;
    let named: Vec<&str> = invariants.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() >= 13, "{named:?}");
    let missing: Vec<String> = named
        .into_iter()
        .filter(|name| !known.contains(*name))
        .map(|name| format!("no test is called {name}"))
        .collect();
    none(&missing);
}

/// The names of a file's functions.
fn functions(text: &str) -> Vec<String> {
    text.split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(['(', '<']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let manual = read("deploy/manual.zh.md");
    let metrics: BTreeSet<String> = product()
        .iter()
        .filter(|source| source.path.starts_with("src/telemetry"))
        .flat_map(|source| source.code.clone())
        .filter_map(|token| match token {
            Token::Text(text) if is_metric(&text) => Some(text),
            Token::Text(_) | Token::Word(_) | Token::Other | Token::Mark(_) => None,
        })
        .collect();
    assert!(metrics.len() >= 15, "{metrics:?}");
    let mut findings = Vec::new();
    for metric in &metrics {
        if !manual.contains(&format!("`{metric}`")) {
            findings.push(format!("{metric} is not in the manual"));
        }
    }
    let rules = read("deploy/prometheus/alerts.yml");
    for text in [&manual, &rules, &read("README.md")] {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|word| is_metric(word)) {
            if !metrics.contains(word) {
                findings.push(format!("{word} is documented and not a metric"));
            }
        }
    }
    none(&findings);
}

fn is_metric(text: &str) -> bool {
    text.strip_prefix("cascade_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    })
}

#[test]
fn error_codes_are_read_from_texts_and_prose() {
    let found = error_codes("see [E-STANDARD-VALUE], `E-STANDARD-…`, AGE-OLD, E-LEDGER-2.");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["E-LEDGER-2", "E-STANDARD-VALUE"]);
}

/// The top level is what was asked for, and what cargo, git and CI need: a download or a result that
/// somebody left there would be committed with the next change.
#[test]
fn nothing_stands_at_the_top_that_was_not_asked_for() {
    let asked = ["Cargo.toml", "README.md", "config", "deploy", "src", "tests"];
    let needed = [".ci", ".clippy.toml", ".deny.toml", ".git", ".gitignore", ".rustfmt.toml"];
    let built = ["Cargo.lock", "proptest-regressions", "target"];
    let known: Vec<&str> = [&asked[..], &needed, &built].concat();
    let entries = fs::read_dir(root()).expect("the project can be listed");
    let names =
        entries.map(|it| it.expect("it is there").file_name().to_string_lossy().into_owned());
    let others: Vec<String> = names.filter(|name| !known.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
}
