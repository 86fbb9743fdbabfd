//! Replies compared by what they mean.

use super::{About, Change, Found};
use crate::standard::{ReplyRow, Tables};

/// Compares what the replies to an operation say.
pub(super) fn compare((from, to): (&Tables, &Tables), operation: &str, found: &mut Found) {
    let old = rows(from, operation);
    let new = rows(to, operation);
    for (file, after) in &new {
        let about = about(file, after);
        let Some((old_file, before)) = counterpart(after, &new, &old) else {
            let texts = (None, Some(after.meaning.clone()));
            found.add(Change::ReplyAdded, about, texts, operation);
            continue;
        };
        let about = About { other: (old_file, &before.path), ..about };
        if before.path != after.path {
            let texts = (Some(before.path.clone()), Some(after.path.clone()));
            found.add(Change::ReplyMoved, about, texts, operation);
        }
        let required = |row: &ReplyRow| row.required == "yes";
        let change = match (required(before), required(after)) {
            (false, true) => Some(Change::ReplyRequired),
            (true, false) => Some(Change::ReplyOptional),
            (true, true) | (false, false) => None,
        };
        if let Some(change) = change {
            let texts = (Some(before.required.clone()), Some(after.required.clone()));
            found.add(change, about, texts, operation);
        }
        if !before.codes.is_empty() && !after.codes.is_empty() {
            found.codes((from, to), (&before.codes, &after.codes), about);
        }
    }
    for (file, before) in &old {
        if counterpart(before, &old, &new).is_none() {
            let texts = (Some(before.meaning.clone()), None);
            found.add(Change::ReplyRemoved, about(file, before), texts, operation);
        }
    }
}

fn about<'a>(file: &'a str, row: &'a ReplyRow) -> About<'a> {
    About {
        file,
        subject: &row.path,
        title: &row.title,
        clause: &row.clause,
        basis: &row.basis,
        other: ("", ""),
    }
}

/// The rows of the common reply and of the operation's own, each with its file.
fn rows<'t>(tables: &'t Tables, operation: &str) -> Vec<(String, &'t ReplyRow)> {
    let own = tables.settings.operations.iter().find(|it| it.name == operation);
    let names = [tables.settings.reply.common.as_str(), own.map_or("", |it| it.reply.as_str())];
    let mut rows = Vec::new();
    for name in names {
        let table = tables.replies.get(name).map_or(&[][..], Vec::as_slice);
        rows.extend(table.iter().map(|row| (format!("replies/{name}.csv"), row)));
    }
    rows
}

/// The row that means the same in `theirs`: the same path where several do, and for what is known
/// and not used only the same path.
fn counterpart<'t, 'r>(
    row: &ReplyRow,
    ours: &[(String, &ReplyRow)],
    theirs: &'r [(String, &'t ReplyRow)],
) -> Option<&'r (String, &'t ReplyRow)> {
    let same = |it: &&(String, &ReplyRow)| it.1.meaning == row.meaning;
    let exact = theirs.iter().filter(same).find(|it| it.1.path == row.path);
    if exact.is_some() || row.meaning == "ignore" {
        return exact;
    }
    // Of several with one meaning, those that have no namesake are taken in their order.
    let is_free = |it: &(String, &ReplyRow), others: &[(String, &ReplyRow)]| {
        let is_namesake = |other: &(String, &ReplyRow)| {
            other.1.meaning == it.1.meaning && other.1.path == it.1.path
        };
        it.1.meaning == row.meaning && !others.iter().any(is_namesake)
    };
    let place =
        ours.iter().filter(|it| is_free(it, theirs)).position(|it| it.1.path == row.path)?;
    theirs.iter().filter(|it| is_free(it, ours)).nth(place)
}
