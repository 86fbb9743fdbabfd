//! Objects of a county's catalogue: registered, changed, withdrawn, asked about.
//!
//! Our id of an object is a function of the county and its own id: the same registration gives the
//! same id, whatever happened in between. Into the city's catalogue an object goes under an id of
//! its own, the county's behind its region.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Error;
use super::desk::{County, Ruling, Scene, shelved};
use super::store::{StoredBatch, StoredObject, Words};
use crate::catalogue::{Kind, WordType, words};
use crate::city::ShelfObject;
use crate::standard::Says;
use crate::standard::settings::Class;

/// The most objects of a county that are kept.
const MOST: usize = 100_000;
/// Taken here; what becomes of it above is asked for.
const ACCEPTED: &str = "accepted";
const PUBLISHED: &str = "published";
const WITHDRAWN: &str = "withdrawn";

/// The name of a county's object in the city's catalogue.
pub(super) fn own_id(region: &str, id: &str) -> String {
    format!("{region}-{id}")
}

fn upper_id(region: &str, kind: &str, id: &str) -> String {
    let text = format!("{region}\n{kind}\n{id}");
    let hash = digest(&SHA256, text.as_bytes());
    let digits: String = hash.as_ref().iter().take(10).map(|byte| format!("{byte:02X}")).collect();
    format!("{region}{digits}")
}

/// What the county calls the object of a message.
fn named<'s>(scene: &'s Scene<'_>, kind: &str) -> Option<&'s str> {
    let own = [format!("{kind}.id"), "object.id".to_owned(), format!("{kind}.code")];
    own.iter().find_map(|word| scene.said.get(word))
}

/// The object that a message names by our id, or by the county's own.
fn found(scene: &Scene<'_>, kind: &str) -> Result<Option<StoredObject>, Error> {
    let store = &scene.county.store;
    if let Some(upper_id) = scene.said.get("link.upper_id") {
        return Ok(store.object_above(upper_id)?.filter(|it| it.kind == kind));
    }
    match named(scene, kind) {
        Some(id) => store.object(kind, id),
        None => Ok(None),
    }
}

pub(super) fn register(scene: &Scene<'_>, kind: &str) -> Result<Ruling, Error> {
    let Some(id) = named(scene, kind) else {
        return Ok(Ruling::refused("message names no object"));
    };
    let known = scene.county.store.object(kind, id)?;
    if let Some(known) = known.filter(|it| it.state != WITHDRAWN) {
        let mut ruling = Ruling::told(Class::Exists, "object is registered already");
        ruling.says.values.insert("upper_id", known.upper_id);
        ruling.says.values.insert("state", ACCEPTED.to_owned());
        return Ok(ruling);
    }
    if scene.county.store.standing(None)?.len() >= MOST {
        return Ok(Ruling::refused("county has as many objects as it may"));
    }
    let words = match understood(scene, kind, id)? {
        Ok(words) => words,
        Err(reason) => return Ok(Ruling::refused(reason)),
    };
    let region = &scene.county.settings.region;
    let upper_id = upper_id(region, kind, id);
    let (kind, id, state) = (kind.to_owned(), id.to_owned(), PUBLISHED.to_owned());
    keep(scene, &StoredObject { kind, id, upper_id, state, words })
}

pub(super) fn modify(scene: &Scene<'_>, kind: &str) -> Result<Ruling, Error> {
    let Some(known) = found(scene, kind)?.filter(|it| it.state != WITHDRAWN) else {
        return Ok(Ruling::refused("no object stands under this id"));
    };
    let words = match understood(scene, kind, &known.id)? {
        Ok(words) => words,
        Err(reason) => return Ok(Ruling::refused(reason)),
    };
    keep(scene, &StoredObject { words, ..known })
}

pub(super) fn cancel(scene: &Scene<'_>, kind: &str) -> Result<Ruling, Error> {
    let Some(known) = found(scene, kind)? else {
        return Ok(Ruling::told(Class::Absent, "no object stands under this id"));
    };
    // At an object's end those around it may have been withdrawn before.
    for parent in Kind::ALL {
        let Some(upper_id) = scene.said.get(&format!("upper.{parent}")) else { continue };
        let stands = scene.county.store.object_above(upper_id)?;
        if stands.is_none_or(|it| it.kind != parent.as_str()) {
            let what = format!("upper.{parent}: nothing of the county stands under this id");
            return Ok(Ruling::refused(what));
        }
    }
    let own = own_id(&scene.county.settings.region, &known.id);
    let is_child = |it: &StoredObject| {
        let parents = ["entry.category", "entry.system", "entry.department", "resource.entry"];
        let of = |word: &&str| match *word {
            "entry.category" => kind == "category",
            "entry.system" => kind == "system",
            "resource.entry" => kind == "entry",
            _ => kind == "organisation",
        };
        parents.iter().filter(|word| of(word)).any(|word| it.words.of.get(*word) == Some(&own))
    };
    if scene.county.store.standing(None)?.iter().any(is_child) {
        return Ok(Ruling::refused("objects below it stand still"));
    }
    keep(scene, &StoredObject { state: WITHDRAWN.to_owned(), ..known })
}

pub(super) fn state(scene: &Scene<'_>, kind: &str) -> Result<Ruling, Error> {
    let Some(known) = found(scene, kind)? else {
        return Ok(Ruling::told(Class::Absent, "no object stands under this id"));
    };
    let mut ruling = Ruling::accepted(standing_says(&known));
    if known.state != WITHDRAWN {
        let own = own_id(&scene.county.settings.region, &known.id);
        ruling.about = Some((known.kind, own));
    }
    Ok(ruling)
}

fn standing_says(object: &StoredObject) -> Says {
    let mut says = Says::default();
    let state = if object.state == WITHDRAWN { WITHDRAWN } else { ACCEPTED };
    says.values.insert("upper_id", object.upper_id.clone());
    says.values.insert("state", state.to_owned());
    says
}

/// Keeps an object and, where the message has a name, the answer to it.
fn keep(scene: &Scene<'_>, object: &StoredObject) -> Result<Ruling, Error> {
    scene.county.store.write(|write| {
        write.keep_object(object, scene.now)?;
        let Some(batch) = scene.batch else { return Ok(()) };
        let batch = StoredBatch {
            id: batch.to_owned(),
            operation: scene.operation.name.clone(),
            digest: scene.digest(),
            receipt: super::queries::receipt_id(scene, batch),
            rows: 1,
            failed: 0,
            upper_id: Some(object.upper_id.clone()),
        };
        write.keep_batch(&batch, &[], scene.now)
    })?;
    scene.county.registered.store(true, std::sync::atomic::Ordering::Relaxed);
    crate::crash::point("intake-object-kept");
    Ok(Ruling::accepted(standing_says(object)))
}

/// What a message says of an object in the words of the city's catalogue, or why it cannot be
/// taken: parents are named by our ids and must stand.
fn understood(scene: &Scene<'_>, kind: &str, id: &str) -> Result<Result<Words, String>, Error> {
    let county = scene.county;
    let region = &county.settings.region;
    let mut of = BTreeMap::new();
    for word in words(kind).unwrap_or_default() {
        let name = format!("{kind}.{}", word.name);
        let Some(text) = scene.said.get(&name) else { continue };
        let text = match word.of {
            WordType::Time => local(text),
            WordType::Text
            | WordType::Code
            | WordType::Integer
            | WordType::Boolean
            | WordType::Codes
            | WordType::List => text.to_owned(),
        };
        of.insert(name, text);
    }
    of.insert(format!("{kind}.id"), own_id(region, id));
    // The city says whose it is.
    of.insert(format!("{kind}.region"), region.clone());
    for (parent, word) in PARENTS.iter().filter(|it| it.0 == kind).map(|it| (it.1, it.2)) {
        of.remove(word);
        let Some(upper_id) = scene.said.get(&format!("upper.{parent}")) else { continue };
        let stands = county.store.object_above(upper_id)?;
        let Some(stands) = stands.filter(|it| it.kind == parent && it.state != WITHDRAWN) else {
            return Ok(Err(format!("upper.{parent}: nothing of the county stands under this id")));
        };
        of.insert(word.to_owned(), own_id(region, &stands.id));
    }
    if let Some(table) = of.remove("resource.dataset") {
        of.insert("resource.county_dataset".to_owned(), table.clone());
        if let Some(found) = county.datasets.get(&table) {
            of.insert("resource.dataset".to_owned(), found.dataset.id.clone());
        }
    }
    let codes = ["credit_code", "department.credit_code"];
    let code = codes.iter().find_map(|word| of.get(&format!("{kind}.{word}")));
    let allowed = &county.settings.organisations;
    if !allowed.is_empty() && code.is_some_and(|code| !allowed.contains(code)) {
        return Ok(Err("county may not register objects of this organisation".to_owned()));
    }
    let items = scene.said.items.iter().map(|item| {
        let own = item.iter().filter(|(word, _)| !word.starts_with("supplied."));
        let mut item: BTreeMap<String, String> =
            own.map(|(word, text)| (format!("item.{word}"), text.clone())).collect();
        item.insert("item.entry".to_owned(), own_id(region, id));
        item
    });
    Ok(Ok(Words { items: items.collect(), of }))
}

/// Whose parent stands in which word of the city's catalogue.
const PARENTS: [(&str, &str, &str); 7] = [
    ("organisation", "organisation", "organisation.parent"),
    ("category", "category", "category.parent"),
    ("system", "organisation", "system.department"),
    ("entry", "organisation", "entry.department"),
    ("entry", "category", "entry.category"),
    ("entry", "system", "entry.system"),
    ("resource", "entry", "resource.entry"),
];

/// An instant as sheets have it: China's time.
fn local(text: &str) -> String {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    let at = text.parse::<Timestamp>().map(|at| zone.to_datetime(at));
    at.map_or_else(|_malformed| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Everything that stands, as the city's catalogue takes it: parents before children.
pub(super) fn standing(county: &County) -> Result<Vec<ShelfObject>, Error> {
    let mut all = county.store.standing(None)?;
    all.sort_by_key(|it| Kind::parse(&it.kind));
    let told = all.into_iter().map(|mut it| {
        // A dataset that was configured after its resource was registered.
        if let Some(table) = it.words.of.remove("resource.county_dataset") {
            let known = county.datasets.get(&table).map(|found| found.dataset.id.clone());
            it.words.of.remove("resource.dataset");
            it.words.of.extend(known.map(|id| ("resource.dataset".to_owned(), id)));
        }
        shelved(it.words)
    });
    Ok(told.collect())
}
