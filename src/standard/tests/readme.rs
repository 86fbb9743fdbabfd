//! The page for integrators says what the loader accepts, word by word in both directions.

use std::collections::BTreeSet;

use super::super::settings::KEYS;
use super::super::*;
use super::{standards, told};
use crate::catalogue::words;

fn page() -> String {
    std::fs::read_to_string(standards().join("README.md")).unwrap()
}

/// The text between a heading (or anchor) and the next heading.
fn section<'a>(page: &'a str, start: &str) -> &'a str {
    let rest = page.split_once(start).unwrap_or_else(|| panic!("no {start}")).1;
    rest.split("\n#").next().unwrap()
}

/// The words in back quotes in a text.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The first cells of the rows of the table that has this head.
fn first_cells<'a>(text: &'a str, head: &str) -> BTreeSet<&'a str> {
    let rest = text.split_once(head).unwrap_or_else(|| panic!("no table {head}")).1;
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|line| quoted(line.split('|').nth(1).unwrap())).collect()
}

#[test]
fn the_keys_on_the_page_are_the_keys_that_are_read() {
    let page = page();
    let text = section(&page, "<a id=\"keys\"></a>");
    let mut on_page = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.split('|').collect();
        let name = quoted(cells[1]).first().copied().unwrap_or("");
        let any = cells[2].trim().starts_with("any");
        let keys = if any { vec!["*"] } else { quoted(cells[2]) };
        on_page.extend(keys.into_iter().map(|key| (name.to_owned(), key.to_owned())));
    }
    let read: BTreeSet<(String, String)> = KEYS
        .iter()
        .flat_map(|(name, keys)| keys.iter().map(|key| ((*name).to_owned(), (*key).to_owned())))
        .collect();
    assert_eq!(on_page, read);
}

/// A table of names tells nobody what to write: what each key means stands beside it in words.
#[test]
fn every_key_that_is_read_is_explained_on_the_page() {
    let page = page();
    let (_, text) = page.split_once("| section | keys |").unwrap();
    let (_table, prose) = text.split_once("\n\n").unwrap();
    let prose = prose.split("\n## Errors").next().unwrap();
    let mut explained = BTreeSet::new();
    for quoted in prose.lines().flat_map(quoted) {
        let name = quoted.split(" = ").next().unwrap();
        explained.extend([name, name.rsplit('.').next().unwrap()]);
    }
    for (section, keys) in KEYS {
        for key in keys.iter().filter(|key| **key != "*") {
            assert!(explained.contains(key), "nothing says what `{key}` of [{section}] means");
        }
    }
}

#[test]
fn the_values_on_the_page_are_the_values_that_are_read() {
    let page = page();
    let text = section(&page, "## Values");
    let words_read: BTreeSet<&str> = value_words().into_iter().collect();
    assert_eq!(first_cells(text, "| word | value |"), words_read);
    let forms: BTreeSet<&str> = VALUE_FORMS.into_iter().collect();
    assert_eq!(first_cells(text, "| form | value |"), forms);
    for kind in ["organisation", "category", "system", "entry", "item", "resource"] {
        let line = text.lines().find(|line| line.starts_with(&format!("| `{kind}` |"))).unwrap();
        let on_page: Vec<&str> = quoted(line).into_iter().skip(1).collect();
        let known: Vec<&str> = words(kind).unwrap().iter().map(|word| word.name).collect();
        assert_eq!(on_page, known, "{kind}");
    }
}

#[test]
fn meanings_operations_templates_and_errors_on_the_page_are_those_that_are_known() {
    let page = page();
    let set = |all: &[&'static str]| all.iter().copied().collect::<BTreeSet<_>>();
    let text = section(&page, "<a id=\"meanings\"></a>");
    assert_eq!(first_cells(text, "| meaning | |"), set(&meanings()));
    let text = section(&page, "### Operations");
    assert_eq!(first_cells(text, "| operation | asks or does |"), set(&OTHER_OPERATIONS));
    let verbs: BTreeSet<&str> =
        quoted(text).into_iter().filter_map(|word| word.strip_prefix("KIND.")).collect();
    assert_eq!(verbs, set(&VERBS));
    let text = section(&page, "### Templates");
    assert_eq!(first_cells(text, "| word | value |"), set(&TEMPLATE_WORDS));
    let text = section(&page, "## Errors");
    assert_eq!(first_cells(text, "| code | |"), set(&Code::ALL.map(Code::as_str)));
}

#[test]
fn columns_types_and_classes_on_the_page_are_those_that_are_known() {
    let page = page();
    let text = section(&page, "## Messages");
    let columns: BTreeSet<&str> = MESSAGE_COLUMNS.into_iter().collect();
    assert_eq!(first_cells(text, "| column | content |"), columns);
    let line = text.lines().find(|line| line.starts_with("| `type` |")).unwrap();
    FIELD_TYPES.iter().for_each(|kind| assert!(line.contains(&format!("`{kind}`")), "{kind}"));
    for column in REPLY_COLUMNS {
        assert!(section(&page, "## Replies").contains(&format!("`{column}`")), "{column}");
    }
    for class in Class::ALL {
        let text = section(&page, "### Outcome classes");
        assert!(text.contains(&format!("`{}`", class.as_str())), "{class:?}");
    }
    let text = section(&page, "## `standard.toml`");
    let text = format!("{text}{}", section(&page, "### Who sends, and what others may read"));
    let values = [
        settings::MEDIA,
        settings::BODIES,
        settings::AUTH_KINDS,
        settings::ALGORITHMS,
        settings::ENCODINGS,
        settings::CIPHERS,
        settings::SECRET_CIPHERS,
    ];
    for value in values.concat().into_iter().chain(settings::STYLES.iter().copied()) {
        assert!(text.contains(&format!("`{value}`")), "{value}");
    }
}

#[test]
fn the_canonical_words_on_the_page_are_those_that_are_needed() {
    use super::super::vocabulary::{needed_words, reply_words};
    let page = page();
    let text = section(&page, "## Code lists");
    let table = text.split_once("| value | canonical words |").unwrap().1;
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').collect();
        for value in quoted(cells[1]) {
            let needed = needed_words(value).or_else(|| reply_words(value));
            let on_page: BTreeSet<&str> = quoted(cells[2]).into_iter().collect();
            assert_eq!(on_page, needed.unwrap().iter().copied().collect(), "{value}");
        }
    }
}

/// The files of the worked example, as the page shows them.
fn example(page: &str) -> Files {
    let text = page.split_once("## A worked example").unwrap().1;
    let mut files = Files::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(":\n\n```") {
        let name = before.rsplit('`').nth(1).unwrap();
        let (block, next) = after.split_once("\n```").unwrap();
        let content = block.split_once('\n').unwrap().1;
        files.insert(name.to_owned(), format!("{content}\n").into_bytes());
        rest = next;
    }
    files
}

#[test]
fn the_worked_example_loads_and_says_what_the_page_says() {
    let files = example(&page());
    assert_eq!(files.len(), 4);
    let standard = load(&files).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let payload = standard.sample("entry.register").unwrap().payload;
    let text = String::from_utf8(payload.fill(|_| None).unwrap()).unwrap();
    assert_eq!(
        text,
        "{\"name\":\"S-100\",\"kind\":\"1\",\"cols\":[{\"n\":\"S-100\"},{\"n\":\"S-100\"}]}"
    );
    assert_eq!(standard.negatives("entry.register").len(), 6);
}
