//! What a county may ask: does it stand here, what was found of it, what is kept.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::Error;
use super::desk::{Ruling, Scene};
use super::store::StoredBatch;
use crate::standard::Says;
use crate::standard::settings::Class;

/// Elements of an answer where neither the question nor the standard says how many.
const PAGE: u32 = 1_000;
/// The most that are given at once, whatever is asked.
const MOST: u32 = 10_000;

type Element = BTreeMap<&'static str, String>;

/// The name of a receipt: a function of who sent what, so that it is the same whenever it is told.
pub(super) fn receipt_id(scene: &Scene<'_>, batch: &str) -> String {
    let text = format!("receipt\n{}\n{batch}", scene.county.settings.region);
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// What is answered to a batch that is kept.
pub(super) fn told(batch: &StoredBatch) -> Says {
    let mut says = Says::default();
    says.values.insert("receipt.id", batch.receipt.clone());
    says.values.insert("receipt.rows", batch.rows.to_string());
    if let Some(upper_id) = &batch.upper_id {
        says.values.insert("upper_id", upper_id.clone());
        let is_end = batch.operation.ends_with(".cancel");
        let state = if is_end { "withdrawn" } else { "accepted" };
        says.values.insert("state", state.to_owned());
    }
    says
}

/// The part of an answer that is asked for: where it begins, and how long it is.
fn part(scene: &Scene<'_>) -> (u64, u32) {
    let number = |word: &str| scene.said.get(word).and_then(|text| text.parse::<u64>().ok());
    let own = scene.operation.page.as_ref().map_or(PAGE, |page| page.size);
    let size = number("page.size").and_then(|it| u32::try_from(it).ok()).unwrap_or(own);
    let size = size.clamp(1, MOST);
    // A cursor is how far the answers went.
    let from = match scene.said.get("page.cursor") {
        Some(cursor) => cursor.parse().unwrap_or(0),
        None => number("page.number").unwrap_or(1).saturating_sub(1).saturating_mul(size.into()),
    };
    (from, size)
}

/// How to ask for what follows.
fn paged(scene: &Scene<'_>, list: Vec<Element>, total: u64) -> Ruling {
    let (from, size) = part(scene);
    let end = from.saturating_add(u64::try_from(list.len()).unwrap_or(u64::MAX));
    let mut says = Says { list, ..Says::default() };
    says.values.insert("page.total", total.to_string());
    if end < total {
        let by_cursor = scene.operation.page.as_ref().is_some_and(|page| page.by == "cursor");
        let next = if by_cursor { end } else { from / u64::from(size) + 2 };
        says.values.insert("page.next", next.to_string());
    }
    Ruling::accepted(says)
}

fn cut<T>(all: Vec<T>, (from, size): (u64, u32)) -> impl Iterator<Item = T> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    all.into_iter().skip(from).take(usize::try_from(size).unwrap_or(usize::MAX))
}

fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}

pub(super) fn receipt(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let Some(batch) = scene.batch else { return Ok(Ruling::refused("question names no batch")) };
    Ok(match scene.county.store.batch(batch)? {
        Some(known) => Ruling::accepted(told(&known)),
        None => Ruling::told(Class::Absent, "no such batch was taken"),
    })
}

/// What we found of each row: taken here and right by our rules, or set aside and why. Nothing of
/// what the province makes of it.
pub(super) fn verdicts(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let Some(batch) = scene.batch else { return Ok(Ruling::refused("question names no batch")) };
    if scene.county.store.batch(batch)?.is_none() {
        return Ok(Ruling::told(Class::Absent, "no such batch was taken"));
    }
    let all = scene.county.store.verdicts(batch)?;
    let total = count(&all);
    let list = cut(all, part(scene)).map(|it| {
        let verdict = if it.reason.is_some() { "failed" } else { "passed" };
        let mut element = Element::from([("row.key", it.key), ("row.verdict", verdict.to_owned())]);
        element.extend(it.reason.map(|reason| ("row.reason", reason)));
        element
    });
    Ok(paged(scene, list.collect(), total))
}

pub(super) fn datasets(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let all: Vec<(String, u64)> = scene.county.store.datasets()?.into_iter().collect();
    let total = count(&all);
    let list = cut(all, part(scene)).map(|(dataset, rows)| {
        Element::from([("inventory.key", dataset), ("inventory.count", rows.to_string())])
    });
    Ok(paged(scene, list.collect(), total))
}

pub(super) fn keys(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let Some(dataset) = scene.said.get("dataset.id") else {
        return Ok(Ruling::refused("question names no dataset"));
    };
    let total = scene.county.store.taken_after(dataset, i64::MIN)?;
    let rows = scene.county.store.page(dataset, part(scene))?;
    let list = rows.into_iter().map(|row| {
        let mut element = Element::from([("inventory.key", row.key)]);
        element.extend(row.digest.map(|digest| ("inventory.digest", digest)));
        element
    });
    Ok(paged(scene, list.collect(), total))
}

pub(super) fn objects(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let all = scene.county.store.standing(scene.said.get("inventory.kind"))?;
    let total = count(&all);
    let list = cut(all, part(scene))
        .map(|it| Element::from([("inventory.key", it.id), ("inventory.upper_id", it.upper_id)]));
    Ok(paged(scene, list.collect(), total))
}
