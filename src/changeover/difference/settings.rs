//! `standard.toml` compared key by key, operations by their names and reply codes by their class.

use std::collections::{BTreeMap, BTreeSet};

use super::{About, Change, Found};
use crate::standard::{Class, Tables};

/// Keys that only say what a directory is.
const IDENTITY: [&str; 5] = ["id", "version", "title", "modelled_on", "gaps"];
/// Keys of an operation that name tables, which are compared by their content, or people's names.
const NAMES: [&str; 3] = ["message", "reply", "title"];

/// Compares everything that stands in `standard.toml`.
pub(super) fn compare(from: &Tables, to: &Tables, found: &mut Found) {
    operations(from, to, found);
    let (old, new) = (&from.settings.written, &to.settings.written);
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before == after || IDENTITY.contains(&key.as_str()) {
            continue;
        }
        let basis = basis(if after.is_some() { to } else { from });
        let texts = (before.cloned(), after.cloned());
        if let Some(rest) = key.strip_prefix("operation.") {
            of_operation(rest, (from, to), texts, found);
            continue;
        }
        let section = key.split('.').next().unwrap_or_default();
        let change = match section {
            "reply" if key != "reply.dictionary" => continue,
            "sign" => Change::Signing,
            "auth" => Change::Authentication,
            "limits" => Change::Limit,
            "deadlines" => Change::Deadline,
            "rows" => Change::RowFormat,
            _ => Change::Setting,
        };
        let clause = clause(key);
        let about = About { subject: key, clause: &clause, basis, ..FILE };
        found.add(change, about, texts, "");
    }
    outcomes(from, to, found);
}

const FILE: About<'static> =
    About { file: "standard.toml", subject: "", title: "", clause: "", basis: "", other: ("", "") };

fn clause(key: &str) -> String {
    format!("standard.toml {key}")
}

fn basis(tables: &Tables) -> &str {
    &tables.settings.modelled_on
}

fn operations(from: &Tables, to: &Tables, found: &mut Found) {
    let sides = [(Change::OperationAdded, to, from), (Change::OperationRemoved, from, to)];
    for (change, here, there) in sides {
        for operation in &here.settings.operations {
            if there.settings.operations.iter().any(|it| it.name == operation.name) {
                continue;
            }
            let mandatory = if operation.mandatory { "mandatory" } else { "optional" };
            let text = Some(format!("{} {mandatory}", operation.path));
            let texts = if change == Change::OperationAdded { (None, text) } else { (text, None) };
            let clause = clause(&format!("operation.{}", operation.name));
            let (subject, title) = (operation.name.as_str(), operation.title.as_str());
            let about = About { subject, title, clause: &clause, basis: basis(here), ..FILE };
            found.add(change, about, texts, "");
        }
    }
}

/// One key of an operation; `rest` is its name, a dot and the key.
fn of_operation(
    rest: &str,
    (from, to): (&Tables, &Tables),
    (before, after): (Option<String>, Option<String>),
    found: &mut Found,
) {
    let find = |tables: &'_ Tables| {
        let of = |name: &str| rest.strip_prefix(name).and_then(|it| it.strip_prefix('.'));
        let all = tables.settings.operations.iter();
        all.filter_map(|it| Some((it.name.clone(), it.title.clone(), of(&it.name)?.to_owned())))
            .max_by_key(|(name, ..)| name.len())
    };
    // An operation of one side only was told as such.
    let (Some((name, title, key)), Some(_)) = (find(to), find(from)) else { return };
    let head = key.split('.').next().unwrap_or_default();
    if NAMES.contains(&head) || head == "outcomes" {
        return;
    }
    let (change, before, after) = match head {
        "path" | "method" => (Change::OperationMoved, before, after),
        "mandatory" => {
            let is = |text: &Option<String>| text.as_deref() == Some("true");
            match (is(&before), is(&after)) {
                (false, true) => (Change::OperationMandatory, None, None),
                (true, false) => (Change::OperationOptional, None, None),
                (true, true) | (false, false) => return,
            }
        }
        _ => (Change::OperationChanged, before, after),
    };
    let clause = clause(&format!("operation.{rest}"));
    let about = About { subject: rest, title: &title, clause: &clause, basis: basis(to), ..FILE };
    found.add(change, about, (before, after), &name);
}

/// Which class each reply code has: of every operation (empty name), and where one differs.
fn classes(tables: &Tables) -> BTreeMap<(String, String), Class> {
    let mut classes = BTreeMap::new();
    let settings = &tables.settings;
    let own = settings.operations.iter().map(|it| (it.name.as_str(), &it.outcomes));
    for (name, outcomes) in std::iter::once(("", &settings.reply.classes)).chain(own) {
        for (class, globs) in outcomes {
            for glob in globs {
                classes.insert((name.to_owned(), glob.clone()), *class);
            }
        }
    }
    classes
}

fn outcomes(from: &Tables, to: &Tables, found: &mut Found) {
    let (old, new) = (classes(from), classes(to));
    let has = |tables: &Tables, name: &str| {
        name.is_empty() || tables.settings.operations.iter().any(|it| it.name == name)
    };
    let keys: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (operation, glob) = key;
        let (before, after) = (old.get(key), new.get(key));
        if before == after || !has(from, operation) || !has(to, operation) {
            continue;
        }
        let change = match (before, after) {
            (None, _) => Change::OutcomeAdded,
            (_, None) => Change::OutcomeRemoved,
            (Some(_), Some(_)) => Change::OutcomeMoved,
        };
        let text = |class: Option<&Class>| class.map(|it| it.as_str().to_owned());
        let shown = after.or(before).map_or("", |it| it.as_str());
        let clause = if operation.is_empty() {
            clause(&format!("reply.{shown}"))
        } else {
            clause(&format!("operation.{operation}.outcomes.{shown}"))
        };
        let basis = basis(if after.is_some() { to } else { from });
        let about = About { subject: glob, clause: &clause, basis, ..FILE };
        found.add(change, about, (text(before), text(after)), operation);
    }
}
