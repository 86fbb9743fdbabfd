//! Operations: what a standard lets us do, under names of our own.
//!
//! The names are closed: the daemon knows what `entry.register` is for, a standard only says how
//! it is done. An operation that a standard does not have is a gap, shown as one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::Message;
use super::problem::{Code, Problem, Problems};
use super::reply::Reply;
use super::settings::{self, OperationSettings, PageSettings};
use crate::catalogue::Kind;
use crate::delivery::Evidence;
use crate::wire::Compression;

/// What may be done with an object of any kind.
pub const VERBS: [&str; 4] = ["register", "modify", "cancel", "state"];

/// Operations that are not about one object of the catalogue.
pub const OTHER_OPERATIONS: [&str; 11] = [
    "rows.upsert",
    "rows.delete",
    "rows.verdict",
    "rows.revoked",
    "batch.receipt",
    "inventory.datasets",
    "inventory.keys",
    "inventory.objects",
    "heartbeat",
    "application.submit",
    "application.attach",
];

/// Every name an operation may have.
pub fn operation_names() -> Vec<String> {
    let objects = Kind::ALL.iter().flat_map(|kind| VERBS.map(|verb| format!("{kind}.{verb}")));
    objects.chain(OTHER_OPERATIONS.map(str::to_owned)).collect()
}

/// One operation of a standard.
#[derive(Clone, Debug)]
pub struct Operation {
    /// For example `entry.register`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The kind of object that its message may speak of; for rows, the resource.
    pub kind: Option<Kind>,
    /// The HTTP method.
    pub method: String,
    /// Below the channel's address, with `{NAME}` for each `url:NAME` of the message.
    pub path: String,
    /// `message`, `none` or `form`.
    pub body: String,
    /// Kinds whose upper ids must be there first.
    pub needs: Vec<Kind>,
    /// The strongest proof it can give.
    pub evidence: Evidence,
    /// How its body is compressed.
    pub compress: Compression,
    /// How often it is asked for by itself.
    pub every: Option<Duration>,
    /// The province demands that it works.
    pub mandatory: bool,
    /// How an answer in parts is asked for.
    pub page: Option<PageSettings>,
    pub(super) message: Option<Message>,
    pub(super) reply: Reply,
}

/// The kind of object at hand in an operation; `None` for an unknown name or no object.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "rows.upsert" | "rows.delete" | "rows.verdict" | "rows.revoked" | "inventory.keys"
        | "application.submit" | "application.attach" => Some(Kind::Resource),
        _ => {
            let (kind, verb) = name.split_once('.')?;
            VERBS.contains(&verb).then(|| Kind::parse(kind))?
        }
    }
}

impl Operation {
    /// Nothing above changes by it: it asks, or says that we are there.
    pub fn is_question(&self) -> bool {
        is_query(&self.name) || self.name == "heartbeat"
    }
}

/// Whether an operation only asks.
pub(super) fn is_query(name: &str) -> bool {
    name.ends_with(".state")
        || name.starts_with("inventory.")
        || matches!(name, "batch.receipt" | "rows.verdict" | "rows.revoked")
}

/// The kinds of `needs`, with a problem for each unknown one.
pub(super) fn needs_of(operation: &OperationSettings, problems: &mut Problems<'_>) -> Vec<Kind> {
    let mut needs = Vec::new();
    for name in &operation.needs {
        if let Some(kind) = Kind::parse(name) {
            needs.push(kind);
        } else {
            let what = format!("needs `{name}`, which is no kind of object");
            let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
            problems.add_unknown(Code::Operation, (None, &operation.name), what, name, kinds);
        }
    }
    needs
}

/// The order in which kinds are registered under this standard, parents first, so far as it has
/// no circle; and a problem for each circle and for each need of a kind that cannot be registered.
pub(super) fn order(operations: &[OperationSettings], list: &mut Vec<Problem>) -> Vec<Kind> {
    let mut problems = Problems::new(list, settings::FILE);
    let mut needs: BTreeMap<Kind, Vec<Kind>> = BTreeMap::new();
    for operation in operations.iter().filter(|it| it.name.ends_with(".register")) {
        let Some(kind) = kind_of(&operation.name) else { continue };
        let wanted = operation.needs.iter().filter_map(|name| Kind::parse(name));
        // A tree of its own kind, such as organisations, is ordered by its parents.
        needs.entry(kind).or_default().extend(wanted.filter(|parent| *parent != kind));
    }
    for (kind, parents) in &needs {
        for parent in parents.iter().filter(|parent| !needs.contains_key(parent)) {
            let subject = format!("{kind}.register");
            let what = format!("needs `{parent}`, and there is no operation `{parent}.register`");
            problems.add(Code::Operation, None, &subject, what);
        }
    }
    let mut order: Vec<Kind> = Vec::new();
    loop {
        let next = needs.iter().find(|(kind, parents)| {
            let is_ready = |parent: &Kind| order.contains(parent) || !needs.contains_key(parent);
            !order.contains(kind) && parents.iter().all(is_ready)
        });
        match next {
            Some((kind, _)) => order.push(*kind),
            None => break,
        }
    }
    let circle: Vec<&str> =
        needs.keys().filter(|kind| !order.contains(kind)).map(|kind| kind.as_str()).collect();
    if !circle.is_empty() {
        let what = format!("these need one another in a circle: {}", circle.join(", "));
        // The line of the first of them; each of its needs is in the circle or leads into it.
        let first = circle.first().copied().unwrap_or_default();
        problems.add(Code::Cycle, None, &format!("operation[{first}.register].needs"), what);
    }
    order
}

/// Reports operations nobody knows, twice, or without a place.
pub(super) fn check_names(operations: &[OperationSettings], problems: &mut Problems<'_>) {
    let known = operation_names();
    let mut seen: Vec<&str> = Vec::new();
    for operation in operations {
        let name = operation.name.as_str();
        if name.is_empty() {
            continue;
        }
        if !known.iter().any(|it| it == name) {
            let what = format!("no such operation `{name}`");
            let known = known.iter().map(String::as_str);
            problems.add_unknown(Code::Operation, (None, name), what, name, known);
        }
        if seen.contains(&name) {
            problems.add(Code::Operation, None, name, "stands here twice".to_owned());
        }
        seen.push(name);
        let path = operation.path.as_str();
        if !path.is_empty() && !path.starts_with('/') {
            let what = format!("path `{path}` does not start with `/`");
            problems.add(Code::Operation, None, name, what);
        }
        if path.split('/').any(|part| part == "..") || path.contains("://") {
            let what = "path leaves the channel's address".to_owned();
            problems.add(Code::Outside, None, name, what);
        }
    }
}
