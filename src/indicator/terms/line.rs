//! A promise as one line of text: `name=value` joined by `&`, so that it stands in one field of a
//! fact and survives every table.

use crate::indicator::lists::Obligation;
use crate::indicator::tasks::Task;

/// What would end a value, or a field of a table of facts, and its escape.
const ESCAPED: [(char, &str); 6] =
    [('%', "%25"), ('&', "%26"), ('=', "%3D"), (';', "%3B"), ('\n', "%0A"), ('\r', "%0D")];

/// Writes names with their values.
pub(super) fn write(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        let escape = |letter: char| match ESCAPED.iter().find(|(known, _)| *known == letter) {
            Some((_, escaped)) => (*escaped).to_owned(),
            None => letter.to_string(),
        };
        format!("{name}={}", value.trim().chars().map(escape).collect::<String>())
    };
    parts.iter().map(part).collect::<Vec<_>>().join("&")
}

/// The value of a name; none where the line does not have it.
pub(super) fn value(line: &str, name: &str) -> Option<String> {
    let mut parts = line.split('&').filter_map(|part| part.split_once('='));
    let (_, value) = parts.find(|(known, _)| *known == name)?;
    // The escape of the escape comes last: what it gives is no escape.
    let unescape = |value: String, (letter, escaped): &(char, &str)| {
        value.replace(escaped, letter.encode_utf8(&mut [0; 4]))
    };
    Some(ESCAPED.iter().rev().fold(value.to_owned(), unescape))
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// An obligation as a line.
pub(super) fn of_obligation(it: &Obligation, cycle: &str) -> String {
    write(&[
        ("cycle", cycle),
        ("share", yes(it.is_shared)),
        ("open", yes(it.is_open)),
        ("key", yes(it.is_key)),
        ("dataset", &it.dataset),
        ("resources", &it.resources.join(" ")),
        ("title", &it.title),
        ("department", &it.department),
        ("region", &it.region),
    ])
}

/// The inverse of [`of_obligation`], for the entry that the fact names.
pub(super) fn obligation(entry: &str, line: &str) -> Option<Obligation> {
    let text = |name| value(line, name);
    let is = |name| text(name).map(|it| it == "yes");
    Some(Obligation {
        entry: entry.to_owned(),
        resources: text("resources")?.split_whitespace().map(str::to_owned).collect(),
        dataset: text("dataset")?,
        title: text("title")?,
        department: text("department")?,
        region: text("region")?,
        cycle: crate::calendar::Cycle::parse(&text("cycle")?),
        is_shared: is("share")?,
        is_open: is("open")?,
        is_key: is("key")?,
    })
}

/// A task as a line.
pub(super) fn of_task(it: &Task) -> String {
    write(&[
        ("due", &it.due.to_string()),
        ("entry", &it.entry),
        ("title", &it.title),
        ("department", &it.department),
        ("region", &it.region),
        ("source", &it.source),
    ])
}

/// The inverse of [`of_task`], for the task that the fact names.
pub(super) fn task(id: &str, line: &str) -> Option<Task> {
    let text = |name| value(line, name);
    Some(Task {
        id: id.to_owned(),
        title: text("title")?,
        entry: text("entry")?,
        department: text("department")?,
        region: text("region")?,
        due: text("due")?.parse().ok()?,
        source: text("source")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_stands_in_a_value_comes_back(title in "[%&=;\n\rA-D0-9数据 ]{0,30}", cycle in "\\PC{0,8}") {
            let line = write(&[("title", &title), ("cycle", &cycle)]);
            prop_assert_eq!(value(&line, "title"), Some(title.trim().to_owned()));
            prop_assert_eq!(value(&line, "cycle"), Some(cycle.trim().to_owned()));
            prop_assert_eq!(value(&line, "none"), None);
            prop_assert!(!line.contains(';') && !line.contains('\n'));
        }
    }
}
