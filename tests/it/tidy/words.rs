//! The words of the shipped standards, and whether the product's code knows one.
//!
//! A new standard is data: a field name, a path or a code that stands in `src` would make it a
//! project again (promise 1). So the words are taken from the directories themselves and looked
//! for in every text literal of the product.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Token, collect};

/// Words that say nothing about a standard although one uses them: HTTP's own headers and media
/// types, which any program that speaks HTTP knows.
const OF_HTTP: [&str; 12] = [
    "Accept",
    "Authorization",
    "Bearer",
    "Content-Encoding",
    "Content-Type",
    "Digest",
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "Retry-After",
    "Date",
];

/// A word, and one place where it stands.
pub(crate) type Words = BTreeMap<String, PathBuf>;

/// Every word of the standards below `folder` that code could betray.
pub(crate) fn of_standards(folder: &Path) -> Words {
    let mut words = Words::new();
    let mut canonical = BTreeSet::new();
    let mut tables = Vec::new();
    collect(folder, "csv", &mut tables);
    for path in &tables {
        let kind = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(kind != "codes")
            .comment(Some(b'#'))
            .from_path(path)
            .expect("a table can be read");
        for record in reader.records() {
            let record = record.expect("a table is CSV");
            let first = record.get(0).unwrap_or_default();
            if kind == "codes" {
                // word, code, title: the word is ours, the code is theirs.
                canonical.insert(first.to_owned());
                insert(&mut words, record.get(1).unwrap_or_default(), path);
            } else {
                path_words(first).for_each(|word| insert(&mut words, word, path));
            }
        }
    }
    let mut settings = Vec::new();
    collect(folder, "toml", &mut settings);
    for path in settings.iter().filter(|path| path.ends_with("standard.toml")) {
        let text = std::fs::read_to_string(path).expect("a standard's settings can be read");
        let table: toml::Table = text.parse().expect("a standard's settings are TOML");
        settings_words(&table, path, &mut words);
    }
    // A field that is called what our own catalogue calls it betrays nothing.
    let kinds = cascaded::catalogue::Kind::ALL.iter().map(|kind| kind.as_str());
    for word in kinds.chain(["item"]).filter_map(cascaded::catalogue::words).flatten() {
        canonical.extend(word.name.split('.').map(str::to_owned));
    }
    words.retain(|word, _| !canonical.contains(word));
    words
}

/// What in `standard.toml` is the platform's own: paths, tags, headers, codes, namespaces. Keys
/// and the closed words of the format (`kind`, `style`, `algorithm` …) are ours.
const THEIRS: [&str; 17] = [
    "path", "token", "code", "message", "accepted", "exists", "refused", "retry", "auth",
    "unknown", "upper_id", "tag", "id", "digest", "key", "passed", "failed",
];

fn settings_words(table: &toml::Table, path: &Path, words: &mut Words) {
    for (key, value) in table {
        if key == "namespaces" || key == "namespace" {
            texts(value).iter().for_each(|text| insert(words, text, path));
        }
        let listed = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let inner = value.as_table().into_iter();
        for table in inner.chain(listed.iter().filter_map(toml::Value::as_table)) {
            settings_words(table, path, words);
        }
        // The standard's own name at the top is no word of the platform's.
        let theirs =
            THEIRS.contains(&key.as_str()) && !value.is_table() && !table.contains_key("version");
        for text in texts(value).iter().filter(|_| theirs) {
            insert(words, text, path);
            path_words(text).for_each(|word| insert(words, word, path));
        }
    }
}

fn texts(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Array(items) => items.iter().flat_map(texts).collect(),
        toml::Value::Table(table) => table.values().flat_map(texts).collect(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => Vec::new(),
    }
}

/// The names in a table's path: `header:X-Id`, `soap:Envelope/reg:Item[]/@id`, `data.items[].id`.
fn path_words(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '.', ':', '@', '[', ']', '*', '?']).filter(|word| !word.is_empty())
}

/// Takes a word in, if finding it in code would mean something.
///
/// It would not when it is short (a code `0` or `01`), a plain number, HTTP's, or a lower-case
/// ASCII word without `_`: those are ordinary English (`id`, `name`, `code`, `time`), which code
/// uses for its own things. Standards that name a field so cannot be betrayed by it.
fn insert(words: &mut Words, word: &str, path: &Path) {
    // What is left of a glob such as `res-*` is a start of codes.
    let word = word.trim().trim_end_matches('-');
    let plain = word.chars().all(|letter| letter.is_ascii_lowercase());
    let number = word.chars().all(|letter| letter.is_ascii_digit());
    if word.chars().count() > 2 && !plain && !number && !OF_HTTP.contains(&word) {
        words.entry(word.to_owned()).or_insert_with(|| path.to_path_buf());
    }
}

/// The words that stand in a text literal of `code`, whole.
///
/// A word that is written like the first of an English sentence (`Rows`) counts when it is the
/// whole text or touches markup or a path; in a sentence for people it is just a word.
pub(crate) fn known_to<'w>(code: &[Token], words: &'w Words) -> Vec<&'w str> {
    let mut found: Vec<&str> = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let Token::Text(text) = token else { continue };
        // `formatter.debug_struct("Name")` names a type of ours.
        let names_type = at.checked_sub(2).and_then(|at| code.get(at)).and_then(Token::word);
        if names_type.is_some_and(|word| word.starts_with("debug_")) {
            continue;
        }
        found.extend(words.keys().map(String::as_str).filter(|word| stands_in(text, word)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn stands_in(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let markup = |letter: char| "<>/@[]\"'=\\".contains(letter);
    let english = word.chars().skip(1).all(|letter| letter.is_ascii_lowercase());
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        let [before, after] = [before, after].map(|letter| (letter.is_some_and(part), letter));
        let touches = [before.1, after.1].into_iter().flatten().any(markup);
        !before.0 && !after.0 && (!english || touches || text == word)
    })
}

#[test]
fn a_word_of_a_standard_is_found_in_code_and_an_ordinary_word_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let version = folder.path().join("model/1.0");
    for (name, text) in [
        (
            "messages/entry.csv",
            "path,title\nCatalog/Entry[]/@ResId,a\nheader:X-Model-Sign,b\nid,c\n",
        ),
        ("replies/entry.csv", "path,meaning\nAnswer/up_id,upper_id\n"),
        ("codes/cycle.csv", "daily,D-01,每日\nother,9,其他\nhalf_yearly,half_yearly,半年\n"),
        (
            "standard.toml",
            "id = \"model\"\n[reply]\nrefused = [\"C-77*\"]\n[[operation]]\nname = \"entry.register\"\n\
             path = \"/v1/regCatalog\"\n",
        ),
    ] {
        let path = version.join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let words = of_standards(folder.path());
    let expected = [
        "/v1/regCatalog",
        "Answer",
        "C-77",
        "C-77*",
        "Catalog",
        "D-01",
        "Entry",
        "ResId",
        "X-Model-Sign",
        "regCatalog",
        "up_id",
    ];
    assert_eq!(words.keys().collect::<Vec<_>>(), expected);
    let code = super::source::tokens(
        "// ResId\nlet a = \"<ResId>\"; let b = \"MyResId\"; let c = ResId; let d = \"id half_yearly\"; \
         let e = \"Catalog of things\"; let f = \"/top/Answer\"; let g = \"Entry\"; \
         f.debug_struct(\"up_id\");",
    );
    assert_eq!(known_to(&code, &words), ["Answer", "Entry", "ResId"]);
}
