//! Which objects say something else under another standard, and must be sent again.
//!
//! Compared is what the messages say: each value's word with what is written for it. Where an
//! element stands, what it is called and what surrounds it makes no difference; a value that was
//! not said before, or is written with another code, does.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use crate::catalogue::Object;
use crate::standard::Standard;

/// Values that say nothing of the object: constants of a document, ids of the province, what a
/// sending is filled with.
const SURROUNDINGS: [&str; 9] = [
    "fixed ",
    "each ",
    "attempt.",
    "batch.",
    "credential.",
    "upper.",
    "link.",
    "page.",
    "inventory.",
];

/// What is written for each value's word, by the place of its item.
type Said = BTreeMap<(String, Option<usize>), BTreeSet<String>>;

/// Whether an object that the province holds as `from` said it must be sent again under `to`.
/// What `to` no longer asks for makes no difference; what it would refuse is sent, so that the
/// refusal shows.
pub fn says_more(from: &Standard, to: &Standard, object: &Object, upper_id: Option<&str>) -> bool {
    let kind = object.key().kind;
    let Some(now) = check::operation(to, kind, true) else { return false };
    let mut before = Said::new();
    for verb in ["register", "modify"] {
        said(from, &format!("{kind}.{verb}"), object, upper_id, &mut before);
    }
    let mut after = Said::new();
    let is_broken = said(to, &now, object, upper_id, &mut after);
    is_broken
        || after
            .iter()
            .any(|(value, written)| before.get(value).is_none_or(|known| !written.is_subset(known)))
}

/// Collects what a message says; true where one of its values breaks a rule.
fn said(
    standard: &Standard,
    operation: &str,
    object: &Object,
    upper_id: Option<&str>,
    into: &mut Said,
) -> bool {
    let mut is_broken = false;
    standard.ask(operation, &check::scope(object, upper_id), &mut |asked| {
        let value = asked.field.value.as_str();
        if SURROUNDINGS.iter().any(|it| value.starts_with(it)) {
            return;
        }
        match &asked.written {
            Ok(Some(text)) => {
                into.entry((value.to_owned(), asked.item)).or_default().insert(text.clone());
            }
            Ok(None) => {}
            Err(_rule) => is_broken = true,
        }
    });
    is_broken
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidate, loaded, objects, shipped};
    use super::*;
    use crate::catalogue::{Kind, Supplied};

    fn an_entry() -> Object {
        objects(1).into_iter().find(|it| it.key().kind == Kind::Entry).unwrap()
    }

    #[test]
    fn the_same_standard_and_a_renamed_element_say_nothing_more() {
        let (one, object) = (loaded(&shipped()), an_entry());
        assert!(!says_more(&one, &one, &object, Some("P-1")));
        let mut files = shipped();
        let table = files.get_mut("messages/entry.csv").unwrap();
        let text = String::from_utf8(table.clone()).unwrap();
        assert!(text.contains("\nCatalog/"));
        *table = text.replace("\nCatalog/", "\nDirectory/").into_bytes();
        let renamed = loaded(&files);
        assert_ne!(one.digest(), renamed.digest());
        assert!(!says_more(&one, &renamed, &object, Some("P-1")));
    }

    #[test]
    fn another_code_is_said_again() {
        let (one, object) = (loaded(&shipped()), an_entry());
        let mut files = shipped();
        let list = files.get_mut("codes/entry.share_type.csv").unwrap();
        let text = String::from_utf8(list.clone()).unwrap();
        let recoded: String = text
            .lines()
            .map(|line| match line.split_once(',') {
                Some((word, rest)) if word != "word" => format!("{word},9{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        *list = recoded.into_bytes();
        assert!(says_more(&one, &loaded(&files), &object, Some("P-1")));
    }

    #[test]
    fn a_newly_required_value_is_said_again_there_or_not() {
        let (one, two, mut object) = (loaded(&shipped()), candidate(), an_entry());
        assert!(says_more(&one, &two, &object, Some("P-1")), "so that the rejection shows");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let value = Supplied { value: "low".to_owned(), by: String::new(), at };
        object.supplied.insert("grade".to_owned(), value);
        assert!(says_more(&one, &two, &object, Some("P-1")));
        assert!(!says_more(&two, &one, &object, Some("P-1")), "back: nothing is asked for");
    }
}
