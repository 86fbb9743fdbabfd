//! Messages compared field by field.

use std::collections::BTreeMap;

use super::{About, Change, Found};
use crate::standard::{FieldRow, Tables};

/// From this score on a field is taken for the one that is missing elsewhere: the same title or
/// value, and one thing more.
const LIKELY: u32 = 5;

/// Compares the message of an operation that both versions have.
pub(super) fn compare((from, to): (&Tables, &Tables), operation: &str, found: &mut Found) {
    let (old_file, old) = rows(from, operation);
    let (new_file, new) = rows(to, operation);
    let pairs = pairs(&old, &new);
    let files = (old_file.as_str(), new_file.as_str());
    moves(&pairs, files, operation, found);
    for (before, after) in &pairs {
        let about = both(files, before, after);
        for (change, texts) in changes(before, after) {
            found.add(change, about, texts, operation);
        }
        if !before.codes.is_empty() && !after.codes.is_empty() {
            found.codes((from, to), (&before.codes, &after.codes), about);
        }
    }
    for row in new.iter().filter(|row| !pairs.iter().any(|(_, it)| std::ptr::eq(*it, **row))) {
        let texts = (None, Some(row.required.clone()));
        found.add(Change::FieldAdded, about(&new_file, row), texts, operation);
    }
    for row in old.iter().filter(|row| !pairs.iter().any(|(it, _)| std::ptr::eq(*it, **row))) {
        let texts = (Some(row.required.clone()), None);
        found.add(Change::FieldRemoved, about(&old_file, row), texts, operation);
    }
}

fn about<'a>(file: &'a str, row: &'a FieldRow) -> About<'a> {
    About {
        file,
        subject: &row.path,
        title: &row.title,
        clause: &row.clause,
        basis: &row.basis,
        other: ("", ""),
    }
}

/// A field that both versions have, told by the newer one.
fn both<'a>(files: (&'a str, &'a str), before: &'a FieldRow, after: &'a FieldRow) -> About<'a> {
    About { other: (files.0, &before.path), ..about(files.1, after) }
}

/// The rows of an operation's message, and their file.
fn rows<'t>(tables: &'t Tables, operation: &str) -> (String, Vec<&'t FieldRow>) {
    let settings = tables.settings.operations.iter().find(|it| it.name == operation);
    let name = settings.map_or("", |it| it.message.as_str());
    let rows = tables.messages.get(name).map_or(&[][..], Vec::as_slice);
    let of = |row: &&FieldRow| row.on.is_empty() || row.on.iter().any(|on| on == operation);
    (format!("messages/{name}.csv"), rows.iter().filter(of).collect())
}

type Pair<'t> = (&'t FieldRow, &'t FieldRow);

/// Which field of the one is which of the other.
fn pairs<'t>(old: &[&'t FieldRow], new: &[&'t FieldRow]) -> Vec<Pair<'t>> {
    let mut left: Vec<(usize, &FieldRow)> = old.iter().copied().enumerate().collect();
    let mut right: Vec<(usize, &FieldRow)> = new.iter().copied().enumerate().collect();
    let mut pairs = Vec::new();
    // Rows may share a path: first those that also hold the same.
    for same_value in [true, false] {
        left.retain(|(_, before)| {
            let is_same = |(_, after): &(usize, &FieldRow)| {
                plain(&after.path) == plain(&before.path)
                    && (!same_value || after.value == before.value)
            };
            let Some(at) = right.iter().position(is_same) else { return true };
            pairs.push((*before, right.remove(at).1));
            false
        });
    }
    let mut likely: Vec<(u32, usize, usize)> = Vec::new();
    for (at, before) in &left {
        for (to, after) in &right {
            let score = likeness(before, after);
            if score >= LIKELY {
                likely.push((score, *at, *to));
            }
        }
    }
    // The same order whichever version is the older one: by what two rows are together.
    likely.sort_by_cached_key(|(score, at, to)| {
        let texts = |row: Option<&&FieldRow>| {
            row.map(|row| [&row.path, &row.value, &row.when, &row.required].map(Clone::clone))
        };
        let mut both = [texts(old.get(*at)), texts(new.get(*to))];
        both.sort();
        (u32::MAX - score, at.abs_diff(*to), at + to, both)
    });
    let (mut used_left, mut used_right) = (Vec::new(), Vec::new());
    for (_, at, to) in likely {
        if used_left.contains(&at) || used_right.contains(&to) {
            continue;
        }
        if let (Some(before), Some(after)) = (old.get(at), new.get(to)) {
            pairs.push((*before, *after));
            used_left.push(at);
            used_right.push(to);
        }
    }
    pairs
}

/// How probable it is that two fields are the same one under two names.
fn likeness(one: &FieldRow, other: &FieldRow) -> u32 {
    let depth = |row: &FieldRow| row.path.matches("[]").count();
    let place = |row: &FieldRow| row.path.split_once(':').map(|(place, _)| place.to_owned());
    let is_outside = |row: &FieldRow| {
        place(row).is_some_and(|it| crate::standard::PLACES.contains(&it.as_str()))
    };
    if depth(one) != depth(other) || is_outside(one) != is_outside(other) {
        return 0;
    }
    let says = |row: &FieldRow| !row.value.starts_with("fixed ") && !row.value.is_empty();
    let mut score = 0;
    if one.title == other.title && !one.title.is_empty() {
        score += 4;
    }
    if one.value == other.value && says(one) {
        score += 4;
    }
    if leaf(&one.path).eq_ignore_ascii_case(&leaf(&other.path)) {
        score += 3;
    }
    if one.kind == other.kind {
        score += 1;
    }
    if one.codes == other.codes && !one.codes.is_empty() {
        score += 1;
    }
    score
}

/// A path without the prefixes of its namespaces.
fn plain(path: &str) -> String {
    let head = path.split(':').next().unwrap_or_default();
    if crate::standard::PLACES.contains(&head) {
        return path.to_owned();
    }
    let local = |part: &str| {
        let (mark, name) = part.strip_prefix('@').map_or(("", part), |name| ("@", name));
        format!("{mark}{}", name.rsplit(':').next().unwrap_or(name))
    };
    path.split('/').map(local).collect::<Vec<_>>().join("/")
}

fn parts(path: &str) -> Vec<String> {
    plain(path).split(['/', '.']).map(str::to_owned).collect()
}

fn leaf(path: &str) -> String {
    parts(path).pop().unwrap_or_default()
}

/// Tells fields that stand elsewhere: a branch that moved whole once, others one by one.
fn moves(pairs: &[Pair<'_>], files: (&str, &str), operation: &str, found: &mut Found) {
    let mut branches: BTreeMap<(String, String), Vec<Pair<'_>>> = BTreeMap::new();
    for (before, after) in pairs {
        if plain(&before.path) == plain(&after.path) {
            continue;
        }
        let (mut old, mut new) = (parts(&before.path), parts(&after.path));
        let mut shared = 0;
        while old.last().is_some() && old.last() == new.last() {
            old.pop();
            new.pop();
            shared += 1;
        }
        let branch = (old.join("/"), new.join("/"));
        if shared == 0 {
            rename((before, after), files, operation, found);
        } else {
            branches.entry(branch).or_default().push((before, after));
        }
    }
    for ((old, new), moved) in branches {
        if let [(before, after)] = moved.as_slice() {
            rename((before, after), files, operation, found);
        } else if let Some((_, first)) = moved.first() {
            let other = (files.0, old.as_str());
            let about = About { subject: &new, title: "", other, ..about(files.1, first) };
            let texts = (Some(old.clone()), Some(new.clone()));
            found.add(Change::FieldsMoved, about, texts, operation);
        }
    }
}

fn rename((before, after): Pair<'_>, files: (&str, &str), operation: &str, found: &mut Found) {
    let texts = (Some(before.path.clone()), Some(after.path.clone()));
    found.add(Change::FieldRenamed, both(files, before, after), texts, operation);
}

type Texts = (Option<String>, Option<String>);

/// What differs between a field and itself in the other version, its place aside.
fn changes(before: &FieldRow, after: &FieldRow) -> Vec<(Change, Texts)> {
    // `no` < a condition < `yes`
    let strength = |row: &FieldRow| match row.required.as_str() {
        "no" | "" => 0,
        "yes" => 2,
        _ => 1,
    };
    let required = match strength(after).cmp(&strength(before)) {
        std::cmp::Ordering::Greater => Change::FieldRequired,
        std::cmp::Ordering::Less => Change::FieldOptional,
        std::cmp::Ordering::Equal => Change::FieldCondition,
    };
    let each = [
        (required, &before.required, &after.required),
        (Change::FieldCondition, &before.when, &after.when),
        (Change::FieldType, &before.kind, &after.kind),
        (Change::FieldLength, &before.length, &after.length),
        (Change::FieldFormat, &before.format, &after.format),
        (Change::FieldValue, &before.value, &after.value),
        (Change::FieldFormat, &before.encrypt, &after.encrypt),
    ];
    let lists = (Change::FieldType, &before.codes, &after.codes);
    let is_coded_now = before.codes.is_empty() != after.codes.is_empty();
    let each = each.into_iter().chain(Some(lists).filter(|_| is_coded_now));
    each.filter(|(_, old, new)| old != new)
        .map(|(change, old, new)| (change, (Some(old.clone()), Some(new.clone()))))
        .collect()
}
