//! What each operation does to the store, inside the request's transaction.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use rusqlite::Transaction;

use super::desk::Habits;
use super::directory::{Operation, Place};
use super::faults::Fault;
use super::judge::{Message, hex};
use super::reply::Says;
use super::store::{self, Judged, Object, Said, Taken, Visibility};
use super::{Error, raw, rows};

/// What the platform makes of a request.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    /// The outcome class whose code is answered.
    pub(super) class: &'static str,
    /// For people; no content of rows.
    pub(super) reason: String,
    pub(super) says: Says,
}

impl Ruling {
    pub(super) fn new(class: &'static str, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), says: Says::default() }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::new("refused", reason)
    }

    fn accepted(says: Says) -> Self {
        Self { class: "accepted", reason: "ok".to_owned(), says }
    }

    /// The reply code of the class; `None` where only the HTTP status says it.
    pub(super) fn code(&self, operation: &Operation) -> Option<String> {
        let fallback = match self.class {
            "exists" => "accepted",
            "absent" => "refused",
            _ => "",
        };
        operation.code(self.class).or_else(|| operation.code(fallback))
    }
}

/// Everything an operation looks at.
pub(super) struct Scene<'a> {
    pub(super) message: &'a Message<'a>,
    /// The body as text, decompressed.
    pub(super) text: &'a str,
    pub(super) habits: &'a Habits,
    pub(super) fault: Option<&'a Fault>,
    /// Digest of what the message says.
    pub(super) digest: &'a str,
    pub(super) now: Timestamp,
}

type Ruled = Result<Ruling, Error>;

/// Does what the operation is for. The names are the closed list of operations.
pub(super) fn act(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let (subject, verb) = scene.message.operation.name.split_once('.').unwrap_or(("heartbeat", ""));
    let known = match scene.message.batch_id().filter(|_| places(&scene.message.operation.name)) {
        Some(batch_id) => Taken::find(write, batch_id)?,
        None => None,
    };
    if let Some(known) = known {
        if known.payload_digest != scene.digest {
            return Ok(Ruling::refused("batch id carries another payload already"));
        }
        // A replay changes nothing and gets the answer that was given.
        return Ok(Ruling::accepted(receipt_says(scene, write, &known)?));
    }
    match (subject, verb) {
        ("rows", "upsert" | "delete") => take_rows(scene, write, verb),
        ("rows", "verdict") => verdicts(scene, write),
        ("batch", "receipt") => receipt(scene, write),
        ("inventory", "datasets") => inventory_of_datasets(scene, write),
        ("inventory", "keys") => inventory_of_keys(scene, write),
        ("inventory", "objects") => inventory_of_objects(scene, write),
        ("heartbeat", _) => Ok(Ruling::accepted(Says::default())),
        (_, "register") => register(scene, write, subject),
        (_, "modify") => modify(scene, write, subject),
        (_, "cancel") => cancel(scene, write, subject),
        (_, "state") => state(scene, write, subject),
        _ => Ok(Ruling::refused("platform does not know the operation")),
    }
}

/// Whether the operation leaves something above; the others only ask.
pub(super) fn places(operation: &str) -> bool {
    let verb = operation.split_once('.').map_or("", |(_, verb)| verb);
    ["upsert", "delete", "register", "modify", "cancel"].contains(&verb)
}

fn named(seed: u64, parts: &[&str]) -> String {
    let text = format!("{seed}\n{}", parts.join("\n"));
    let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
    hash.chars().take(20).collect::<String>().to_uppercase()
}

/// What the message says of an object, or why it cannot be taken.
fn said(
    scene: &Scene<'_>,
    write: &Transaction<'_>,
    kind: &str,
) -> Result<Result<Said, String>, Error> {
    let message = scene.message;
    let first = |words: &[&str]| {
        words.iter().find_map(|word| message.value(&word.replace('_', kind))).map(str::to_owned)
    };
    let Some(local_id) = first(&["_.id", "object.id", "_.code", "_.title"]) else {
        return Ok(Err("message names no object".to_owned()));
    };
    let parents = match parents(scene, write, false)? {
        Ok(parents) => parents,
        Err(reason) => return Ok(Err(reason)),
    };
    let dataset = if kind == "resource" {
        first(&["_.dataset", "dataset.id", "_.table", "_.id"])
    } else {
        None
    };
    Ok(Ok(Said {
        kind: kind.to_owned(),
        local_id,
        title: first(&["_.title", "object.title"]),
        dataset,
        message: message.as_json(),
        parents,
    }))
}

/// The upper ids of the objects the message refers to, or why one cannot be referred to. At an
/// object's end those around it may have been withdrawn before.
fn parents(
    scene: &Scene<'_>,
    write: &Transaction<'_>,
    at_end: bool,
) -> Result<Result<Vec<String>, String>, Error> {
    let mut parents = Vec::new();
    for field in &scene.message.operation.fields {
        let Some(parent) = field.value.strip_prefix("upper.") else { continue };
        let Some(upper_id) = scene.message.value(&field.value) else { continue };
        let known = Object::find(write, upper_id, scene.now)?;
        if !known.is_some_and(|it| it.kind == parent && (at_end || it.state != "withdrawn")) {
            return Ok(Err(format!("{}: no {parent} stands under this id", field.path)));
        }
        parents.push(upper_id.to_owned());
    }
    Ok(Ok(parents))
}

fn review_ends(scene: &Scene<'_>, kind: &str) -> Timestamp {
    if kind != "entry" {
        return scene.now;
    }
    scene.now.saturating_add(scene.habits.review).unwrap_or(Timestamp::MAX)
}

fn standing(object: &Object) -> Says {
    let mut says = Says::default();
    says.set("upper_id", &object.upper_id);
    says.set("state", &object.state);
    says
}

fn register(scene: &Scene<'_>, write: &Transaction<'_>, kind: &str) -> Ruled {
    let said = match said(scene, write, kind)? {
        Ok(said) => said,
        Err(reason) => return Ok(Ruling::refused(reason)),
    };
    let known = Object::find_local(write, kind, &said.local_id, scene.now)?;
    if let Some(known) = known.as_ref().filter(|it| it.state != "withdrawn") {
        let says = standing(known);
        return Ok(Ruling { says, ..Ruling::new("exists", "object is registered already") });
    }
    let upper_id = match known {
        Some(known) => known.upper_id,
        None => named(scene.habits.seed, &[kind, &said.local_id]),
    };
    if scene.fault != Some(&Fault::ReceiptWithoutStoring) {
        Object::register(write, &said, &upper_id, scene.now, review_ends(scene, kind))?;
        remember(scene, write, &format!("{kind}:{}", said.local_id), &upper_id)?;
    }
    let mut says = Says::default();
    says.set("upper_id", upper_id);
    says.set("state", if review_ends(scene, kind) > scene.now { "in_review" } else { "published" });
    Ok(Ruling::accepted(says))
}

/// The object the message names by the id the platform gave, or by the city's own.
fn named_object(
    scene: &Scene<'_>,
    write: &Transaction<'_>,
    kind: &str,
) -> Result<Option<Object>, Error> {
    if let Some(upper_id) = scene.message.value("link.upper_id") {
        return Ok(Object::find(write, upper_id, scene.now)?.filter(|it| it.kind == kind));
    }
    let words = [format!("{kind}.id"), "object.id".to_owned(), format!("{kind}.code")];
    match words.iter().find_map(|word| scene.message.value(word)) {
        Some(local_id) => Object::find_local(write, kind, local_id, scene.now),
        None => Ok(None),
    }
}

fn modify(scene: &Scene<'_>, write: &Transaction<'_>, kind: &str) -> Ruled {
    let Some(object) = named_object(scene, write, kind)?.filter(|it| it.state != "withdrawn")
    else {
        return Ok(Ruling::refused("no object stands under this id"));
    };
    let said = match said(scene, write, kind)? {
        Ok(said) => said,
        Err(reason) => return Ok(Ruling::refused(reason)),
    };
    if scene.fault != Some(&Fault::ReceiptWithoutStoring) {
        let ends = review_ends(scene, kind);
        Object::modify(write, &object.upper_id, &said, scene.now, ends)?;
        remember(scene, write, &format!("{kind}:{}", said.local_id), &object.upper_id)?;
    }
    let mut says = standing(&object);
    says.set("state", if review_ends(scene, kind) > scene.now { "in_review" } else { "published" });
    Ok(Ruling::accepted(says))
}

fn cancel(scene: &Scene<'_>, write: &Transaction<'_>, kind: &str) -> Ruled {
    let Some(object) = named_object(scene, write, kind)? else {
        return Ok(Ruling::new("absent", "no object stands under this id"));
    };
    if let Err(reason) = parents(scene, write, true)? {
        return Ok(Ruling::refused(reason));
    }
    if Object::has_children(write, &object.upper_id)? {
        return Ok(Ruling::refused("objects below it stand still"));
    }
    if scene.fault != Some(&Fault::ReceiptWithoutStoring) {
        Object::withdraw(write, &object.upper_id, scene.now)?;
        let name = format!("{kind}:{}", object.local_id);
        remember(scene, write, &name, &object.upper_id)?;
    }
    let mut says = standing(&object);
    says.set("state", "withdrawn");
    Ok(Ruling::accepted(says))
}

fn state(scene: &Scene<'_>, write: &Transaction<'_>, kind: &str) -> Ruled {
    Ok(match named_object(scene, write, kind)? {
        Some(object) => Ruling::accepted(standing(&object)),
        None => Ruling::new("absent", "no object stands under this id"),
    })
}

/// The dataset the message speaks of, by its own name or through its resource.
fn dataset(scene: &Scene<'_>, write: &Transaction<'_>) -> Result<Option<String>, Error> {
    let words = ["dataset.id", "resource.dataset", "resource.table", "resource.id"];
    if let Some(name) = words.iter().find_map(|word| scene.message.value(word)) {
        return Ok(Some(name.to_owned()));
    }
    let uppers = ["link.upper_id", "upper.resource"];
    match uppers.iter().find_map(|word| scene.message.value(word)) {
        Some(upper_id) => {
            Ok(Object::find(write, upper_id, scene.now)?.and_then(|object| object.dataset))
        }
        None => Ok(None),
    }
}

fn receipt_says(scene: &Scene<'_>, write: &Transaction<'_>, taken: &Taken) -> Result<Says, Error> {
    let mut says = match &taken.upper_id {
        Some(upper_id) => {
            Object::find(write, upper_id, scene.now)?.as_ref().map(standing).unwrap_or_default()
        }
        None => Says::default(),
    };
    says.set("receipt.id", &taken.receipt_id);
    says.set("receipt.rows", taken.rows.to_string());
    says.values.extend(taken.declared_digest.clone().map(|digest| ("receipt.digest", digest)));
    Ok(says)
}

/// Whether the resource that the message names is one of the dataset; one that names none is.
fn is_its_resource(
    scene: &Scene<'_>,
    write: &Transaction<'_>,
    dataset: &str,
) -> Result<bool, Error> {
    let uppers = ["link.upper_id", "upper.resource"];
    let Some(upper_id) = uppers.iter().find_map(|word| scene.message.value(word)) else {
        return Ok(true);
    };
    let known = Object::find(write, upper_id, scene.now)?;
    Ok(known.is_some_and(|it| {
        it.kind == "resource" && it.state != "withdrawn" && it.dataset.as_deref() == Some(dataset)
    }))
}

fn take_rows(scene: &Scene<'_>, write: &Transaction<'_>, action: &str) -> Ruled {
    let message = scene.message;
    let Some(batch_id) = message.value("batch.id") else {
        return Ok(Ruling::refused("batch has no id"));
    };
    let Some(dataset) = dataset(scene, write)? else {
        return Ok(Ruling::refused("batch names no dataset"));
    };
    if scene.habits.mounted_only && !Object::is_mounted(write, &dataset)? {
        return Ok(Ruling::refused("dataset is not registered"));
    }
    if scene.habits.mounted_only && !is_its_resource(scene, write, &dataset)? {
        return Ok(Ruling::refused("no resource of this dataset stands under this id"));
    }
    let rules = scene.habits.rules.get(&dataset).cloned().unwrap_or_default();
    let rows = match read_rows(scene, action, &rules) {
        Ok(rows) => rows,
        Err(reason) => return Ok(Ruling::refused(reason)),
    };
    let taken = Taken {
        batch_id: batch_id.to_owned(),
        dataset,
        action: action.to_owned(),
        payload_digest: scene.digest.to_owned(),
        rows: rows.len(),
        receipt_id: named(scene.habits.seed, &["receipt", batch_id]),
        declared_digest: message.value("batch.digest").map(str::to_owned),
        upper_id: None,
    };
    if scene.fault != Some(&Fault::ReceiptWithoutStoring) {
        taken.keep(write, &rows, scene.now, visibility(scene))?;
    }
    Ok(Ruling::accepted(receipt_says(scene, write, &taken)?))
}

/// Remembers which batch said this of an object, so that its receipt can be asked for.
fn remember(
    scene: &Scene<'_>,
    write: &Transaction<'_>,
    name: &str,
    upper_id: &str,
) -> Result<(), Error> {
    let Some(batch_id) = scene.message.batch_id() else { return Ok(()) };
    let verb = scene.message.operation.name.split_once('.').map_or("", |(_, verb)| verb);
    let taken = Taken {
        batch_id: batch_id.to_owned(),
        dataset: name.to_owned(),
        action: verb.to_owned(),
        payload_digest: scene.digest.to_owned(),
        rows: 1,
        receipt_id: named(scene.habits.seed, &["receipt", batch_id]),
        declared_digest: None,
        upper_id: Some(upper_id.to_owned()),
    };
    taken.note(write, scene.now)
}

fn visibility(scene: &Scene<'_>) -> Visibility {
    let later = |from: Timestamp, by| from.saturating_add(by).unwrap_or(Timestamp::MAX);
    let mut at = later(scene.now, scene.habits.verdict);
    if let Some(Fault::LateVerdicts { by }) = scene.fault {
        at = later(at, *by);
    }
    let revoked = match scene.fault {
        Some(Fault::ContradictVerdicts { after }) => Some(later(at, *after)),
        _ => None,
    };
    Visibility { at, revoked }
}

/// The batch's rows, judged; the reason is about the whole batch.
fn read_rows(
    scene: &Scene<'_>,
    action: &str,
    rules: &super::RowRules,
) -> Result<Vec<Judged>, String> {
    let (message, directory) = (scene.message, scene.message.directory);
    let plan = directory.rows.as_ref().ok_or("standard has no rows")?;
    let style = match (action, &plan.delete) {
        ("delete", Some(style)) => style,
        _ => &plan.upsert,
    };
    let nodes = message.rows(&style.tag).ok_or("batch has no rows")?;
    let deleted = super::RowRules { fail_keys: rules.fail_keys.clone(), ..Default::default() };
    let rules = if action == "delete" { &deleted } else { rules };
    let rows = rows::read(style, message.value("dataset.columns"), nodes, rules)?;
    if rows.iter().any(|row| rules.refuse_keys.contains(&row.key)) {
        return Err("batch carries a row that is refused".to_owned());
    }
    if rows.is_empty() {
        return Err("batch has no rows".to_owned());
    }
    if directory.limits.rows.is_some_and(|most| rows.len() > most) {
        return Err("batch has more rows than the standard allows".to_owned());
    }
    let declared = message.value("batch.rows").map(|text| text.parse() == Ok(rows.len()));
    if declared == Some(false) {
        return Err("batch has another number of rows than it says".to_owned());
    }
    if let (Some(declared), Some(field)) =
        (message.value("batch.digest"), message.operation.field("rows"))
        && let Place::Body(path) = &field.place
    {
        let raw = raw::rows(directory.media, scene.text, path, &style.tag);
        let raw = raw.ok_or("batch's rows cannot be digested as they were sent")?;
        if !declared.eq_ignore_ascii_case(&hex(digest(&SHA256, raw.as_bytes()).as_ref())) {
            return Err("batch's digest is not that of its rows".to_owned());
        }
    }
    Ok(rows)
}

fn receipt(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let batch_id = scene.message.value("batch.id").unwrap_or_default();
    Ok(match Taken::find(write, batch_id)? {
        Some(taken) => Ruling::accepted(receipt_says(scene, write, &taken)?),
        None => Ruling::new("absent", "no such batch was taken"),
    })
}

/// Which part of an answer is asked for.
struct Window {
    number: usize,
    size: usize,
    cursor: String,
    by_cursor: bool,
}

/// The most elements in one part.
const MAX_PAGE: usize = 10_000;

impl Window {
    fn of(message: &Message<'_>) -> Self {
        let page = message.operation.page.as_ref();
        let number = |word: &str| message.value(word).and_then(|text| text.parse().ok());
        let size = number("page.size").or_else(|| page.and_then(|page| page.size)).unwrap_or(100);
        Self {
            number: number("page.number").unwrap_or(1).max(1),
            size: size.clamp(1, MAX_PAGE),
            cursor: message.value("page.cursor").unwrap_or_default().to_owned(),
            by_cursor: page.is_some_and(|page| page.by.as_deref() == Some("cursor")),
        }
    }

    /// Elements to leave out and to read: one more than is shown tells whether more follow.
    fn span(&self) -> (usize, usize) {
        let before = if self.by_cursor { 0 } else { (self.number - 1).saturating_mul(self.size) };
        (before, self.size + 1)
    }

    /// Shows `found`, with its cursors, and says how to go on.
    fn show(&self, says: &mut Says, found: Vec<(String, BTreeMap<&'static str, String>)>) {
        let more = found.len() > self.size;
        let last = found.iter().take(self.size).next_back().map(|(cursor, _)| cursor.clone());
        says.list = found.into_iter().take(self.size).map(|(_, element)| element).collect();
        if more && self.by_cursor {
            says.values.extend(last.map(|cursor| ("page.next", cursor)));
        } else if more {
            says.set("page.next", (self.number + 1).to_string());
        }
    }
}

fn verdicts(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let batch_id = scene.message.value("batch.id");
    if let Some(batch_id) = batch_id
        && Taken::find(write, batch_id)?.is_none()
    {
        return Ok(Ruling::new("absent", "no such batch was taken"));
    }
    let window = Window::of(scene.message);
    let after = window.cursor.parse().unwrap_or(0);
    let (offset, limit) = window.span();
    let all = Taken::verdicts(write, batch_id, after, offset.saturating_add(limit), scene.now)?;
    let elements = all.into_iter().skip(offset).map(|verdict| {
        let word = if verdict.passed { "passed" } else { "failed" };
        let mut element =
            BTreeMap::from([("row.key", verdict.key), ("row.verdict", word.to_owned())]);
        element.extend(verdict.reason.map(|reason| ("row.reason", reason)));
        (verdict.number.to_string(), element)
    });
    let mut says = Says::default();
    window.show(&mut says, elements.collect());
    Ok(Ruling::accepted(says))
}

/// SHA-256, in hexadecimal, of every key with its digest in the order of keys.
fn dataset_digest(write: &Transaction<'_>, dataset: &str) -> Result<String, Error> {
    let mut context = aws_lc_rs::digest::Context::new(&SHA256);
    for (key, digest) in store::keys(write, dataset, "", (0, usize::MAX))? {
        for part in [key.as_str(), "=", &digest, "\n"] {
            context.update(part.as_bytes());
        }
    }
    Ok(hex(context.finish().as_ref()))
}

/// Whether the standard's inventories say digests.
fn digests(scene: &Scene<'_>) -> bool {
    scene.message.directory.rows.as_ref().is_some_and(|rows| rows.digest == "lines")
}

fn inventory_of_datasets(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let window = Window::of(scene.message);
    let (offset, limit) = window.span();
    let mut names = store::datasets(write)?;
    if let Some(only) = dataset(scene, write)? {
        names.retain(|name| *name == only);
    }
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| *name > window.cursor).skip(offset).take(limit) {
        let mut element = BTreeMap::from([
            ("inventory.count", store::count(write, &name)?.to_string()),
            ("inventory.key", name.clone()),
        ]);
        if digests(scene) {
            element.insert("inventory.digest", dataset_digest(write, &name)?);
        }
        found.push((name, element));
    }
    let mut says = Says::default();
    window.show(&mut says, found);
    Ok(Ruling::accepted(says))
}

fn inventory_of_keys(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let Some(dataset) = dataset(scene, write)? else {
        return Ok(Ruling::refused("request names no dataset"));
    };
    let window = Window::of(scene.message);
    let keys = store::keys(write, &dataset, &window.cursor, window.span())?;
    let digests = digests(scene);
    let elements = keys.into_iter().map(|(key, digest)| {
        let mut element = BTreeMap::from([("inventory.key", key.clone())]);
        element.extend(digests.then_some(("inventory.digest", digest)));
        (key, element)
    });
    let mut says = Says::default();
    says.set("page.total", store::count(write, &dataset)?.to_string());
    window.show(&mut says, elements.collect());
    Ok(Ruling::accepted(says))
}

fn inventory_of_objects(scene: &Scene<'_>, write: &Transaction<'_>) -> Ruled {
    let kind = scene.message.word("inventory.kind");
    let window = Window::of(scene.message);
    let objects = Object::list(write, kind.as_deref(), &window.cursor, window.span(), scene.now)?;
    let elements = objects.into_iter().map(|object| {
        let element = BTreeMap::from([
            ("inventory.key", object.local_id),
            ("inventory.upper_id", object.upper_id.clone()),
            ("inventory.state", object.state),
        ]);
        (object.upper_id, element)
    });
    let mut says = Says::default();
    window.show(&mut says, elements.collect());
    Ok(Ruling::accepted(says))
}
