//! A message as it may be kept: its shape, its names, and of its texts only those that are known to
//! be no content.
//!
//! What a platform writes into an answer cannot be foreseen: a refusal may repeat the row that it
//! refuses. So nothing is searched for and cut out; everything is left out but what the reader
//! named: codes, receipts, identifiers of our own batches.

use std::collections::BTreeSet;

use super::document::{Document, Form, Node};

/// The most bytes of what is kept.
const MOST_BYTES: usize = 4 << 10;
/// The most elements of one list, members of one object.
const MOST_CHILDREN: usize = 50;
/// The deepest that is shown.
const MOST_DEPTH: usize = 24;
/// The longest name.
const MOST_NAME: usize = 60;
/// The most digits in a row that a name may have: a longer one may be somebody's number.
const MOST_DIGITS: usize = 3;

/// A message, one node a line, each indented below what holds it. A text that is none of `keep` is
/// told by its length.
pub fn redacted(document: &Document, keep: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    write(document.top(), 0, keep, &mut text);
    if text.len() > MOST_BYTES {
        let mut end = MOST_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("…\n");
    }
    text
}

fn write(node: &Node, depth: usize, keep: &BTreeSet<&str>, text: &mut String) {
    if text.len() > MOST_BYTES {
        return;
    }
    let is_top = node.form == Form::Document;
    if !is_top {
        text.push_str(&"  ".repeat(depth));
        text.push_str(match node.form {
            Form::Attribute => "@",
            Form::Document
            | Form::Element
            | Form::Object
            | Form::Array
            | Form::Text
            | Form::Number
            | Form::Boolean
            | Form::Null => "",
        });
        text.push_str(&name(&node.name));
        text.push_str(&value(node, keep));
        text.push('\n');
    }
    let below = if is_top { depth } else { depth + 1 };
    if below > MOST_DEPTH {
        return;
    }
    for child in node.children.iter().take(MOST_CHILDREN) {
        write(child, below, keep, text);
    }
    if node.children.len() > MOST_CHILDREN {
        let more = node.children.len() - MOST_CHILDREN;
        text.push_str(&format!("{}[{more} more]\n", "  ".repeat(below)));
    }
}

/// A name may be a key, too: of an object whose members are rows.
fn name(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    let mut digits = 0;
    let mut longest = 0;
    for it in name.chars() {
        digits = if it.is_ascii_digit() { digits + 1 } else { 0 };
        longest = longest.max(digits);
    }
    if name.is_empty() {
        "-".to_owned()
    } else if name.chars().all(is_plain) && name.len() <= MOST_NAME && longest <= MOST_DIGITS {
        name.to_owned()
    } else {
        format!("[a name of {} characters]", name.chars().count())
    }
}

fn value(node: &Node, keep: &BTreeSet<&str>) -> String {
    let Some(text) = node.value() else { return String::new() };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return String::new();
    }
    let is_kept = node.form == Form::Boolean || keep.contains(trimmed);
    if is_kept {
        format!(": {trimmed}")
    } else {
        format!(": [{} characters]", trimmed.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Limits, Media, read};

    fn shown(media: Media, text: &str, keep: &[&str]) -> String {
        let document = read(media, text.as_bytes(), &Limits::default()).unwrap();
        redacted(&document, &keep.iter().copied().collect())
    }

    #[test]
    fn a_refusal_keeps_its_code_and_not_the_row_that_it_repeats() {
        let text = "<Reply ver='1'><Code>3001</Code><Message>张三 51190119900101001X 不合法</Message>\
                    <Row><姓名>张三</姓名></Row></Reply>";
        assert_eq!(
            shown(Media::Xml, text, &["3001"]),
            "Reply\n  @ver: [1 characters]\n  Code: 3001\n  Message: [25 characters]\n  Row\n    \
             [a name of 2 characters]: [2 characters]\n"
        );
        let text =
            r#"{"code": 3001, "ok": false, "rows": {"51190119900101001X": "张三"}, "n": null}"#;
        assert_eq!(
            shown(Media::Json, text, &["3001"]),
            "-\n  code: 3001\n  ok: false\n  rows\n    [a name of 18 characters]: [2 characters]\n  n\n"
        );
    }

    #[test]
    fn a_long_answer_is_cut() {
        let rows: Vec<String> = (0..5_000).map(|at| format!("{{\"key\": \"k{at}\"}}")).collect();
        let text = shown(Media::Json, &format!("[{}]", rows.join(",")), &[]);
        assert!(text.len() < 5 << 10 && text.contains("[4950 more]"), "{text}");
        let deep = format!("{}{}", "[".repeat(30), "]".repeat(30));
        assert!(shown(Media::Json, &deep, &[]).len() < 4 << 10);
    }

    proptest! {
        #[test]
        fn no_text_that_was_not_named_is_kept(value in "[a-z0-9\u{4e00}-\u{4e20}]{5,40}", code in "[0-9]{1,4}") {
            prop_assume!(!value.contains("characters") && !value.contains("code"));
            let text = serde_json::json!({"code": code, "message": value, "more": [value, {"x": value}]});
            let shown = shown(Media::Json, &text.to_string(), &[&code]);
            prop_assert!(!shown.contains(&value), "{}", shown);
            let code = format!("code: {code}\n");
            prop_assert!(shown.contains(&code), "{}", shown);
        }
    }
}
