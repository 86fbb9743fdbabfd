//! The catalogue in the ledger, read in parts for a check, for the counts beside a comparison, and
//! for the values that are wanted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::check::{Check, Checked, Counts, PART};
use super::difference::Difference;
use super::effect::Effects;
use super::wanted::{self, Given, NotTaken, Wanted};
use crate::catalogue::{Kind, Object, ObjectKey, Supplied};
use crate::delivery::ChannelId;
use crate::ledger::{Asking, Ledger, LinkFilter, NewValue, Result};
use crate::standard::Standard;
use crate::supervisor::Pool;

/// A channel's part of the catalogue.
#[derive(Clone, Debug)]
pub struct Part {
    /// The channel.
    pub channel: ChannelId,
    /// The kinds of objects it carries.
    pub kinds: Vec<Kind>,
    /// The datasets whose rows it carries.
    pub datasets: Vec<String>,
}

type Uppers = HashMap<ObjectKey, String>;

async fn uppers(ledger: &Ledger, channel: &ChannelId) -> Result<Uppers> {
    let links = ledger.links(channel.clone(), LinkFilter::default()).await?;
    Ok(links.into_iter().filter_map(|link| Some((link.key, link.upper_id?))).collect())
}

/// Checks every object of a channel under a candidate. Reads only.
///
/// # Errors
/// The ledger cannot be read.
pub async fn check(
    ledger: &Ledger,
    pool: &Pool,
    part: &Part,
    candidate: &Arc<Standard>,
) -> Result<Checked> {
    let uppers = Arc::new(uppers(ledger, &part.channel).await?);
    let mut counts = Counts::default();
    for kind in Kind::ALL.into_iter().filter(|kind| part.kinds.contains(kind)) {
        let mut after = None;
        loop {
            let objects = ledger.objects(kind, None, after.take(), PART).await?;
            let is_last = objects.len() < PART;
            after = objects.last().map(|object| object.key().id);
            let (candidate, uppers) = (Arc::clone(candidate), Arc::clone(&uppers));
            counts = pool
                .run(move || {
                    let mut check = Check::resumed(&candidate, counts);
                    for object in &objects {
                        check.object(object, uppers.get(&object.key()).map(String::as_str));
                    }
                    if is_last {
                        check.kind_done();
                    }
                    check.into_counts()
                })
                .await;
            if is_last {
                break;
            }
        }
    }
    let titles = ledger.titles().await?;
    let check = Check::resumed(candidate, counts);
    Ok(check.finish(part.channel.as_str(), &titles, &part.datasets))
}

/// Counts what each difference touches in the city's catalogue.
///
/// # Errors
/// The ledger cannot be read.
pub async fn affects(
    ledger: &Ledger,
    pool: &Pool,
    part: &Part,
    candidate: &Arc<Standard>,
    differences: &mut [Difference],
) -> Result<()> {
    let mut effects = Effects::new(Arc::clone(candidate), differences);
    for kind in Kind::ALL.into_iter().filter(|kind| part.kinds.contains(kind)) {
        let mut after = None;
        loop {
            let objects = ledger.objects(kind, None, after.take(), PART).await?;
            let is_last = objects.len() < PART;
            after = objects.last().map(|object| object.key().id);
            effects = pool
                .run(move || {
                    objects.iter().for_each(|object| effects.object(object));
                    effects
                })
                .await;
            if is_last {
                break;
            }
        }
    }
    effects.finish(differences);
    Ok(())
}

/// A page of the values that a candidate wants, by object; whole objects, at least `limit` values
/// where there are so many. The second: where the next page begins, none at the end.
///
/// # Errors
/// The ledger cannot be read.
pub async fn wanted(
    ledger: &Ledger,
    pool: &Pool,
    part: &Part,
    candidate: &Arc<Standard>,
    department: Option<&str>,
    (after, limit): (Option<ObjectKey>, usize),
) -> Result<(Vec<Wanted>, Option<ObjectKey>)> {
    let uppers = Arc::new(uppers(ledger, &part.channel).await?);
    let mut found = Vec::new();
    let supplied: std::collections::BTreeSet<Kind> =
        candidate.supplied_fields().iter().map(|field| field.kind).collect();
    let first = after.as_ref().map(|key| key.kind);
    for kind in Kind::ALL {
        if !part.kinds.contains(&kind) || !supplied.contains(&kind) || first > Some(kind) {
            continue;
        }
        let mut from = after.as_ref().filter(|key| key.kind == kind).map(|key| key.id.clone());
        loop {
            let of = department.map(str::to_owned);
            let objects = ledger.objects(kind, of, from.take(), PART).await?;
            let is_last = objects.len() < PART;
            from = objects.last().map(|object| object.key().id);
            let (candidate, uppers) = (Arc::clone(candidate), Arc::clone(&uppers));
            let next;
            (found, next) = pool
                .run(move || {
                    for object in &objects {
                        let is_above = uppers.contains_key(&object.key());
                        found.extend(wanted::of(&candidate, object, is_above));
                        if found.len() >= limit {
                            return (found, Some(object.key()));
                        }
                    }
                    (found, None)
                })
                .await;
            if next.is_some() {
                return Ok((found, next));
            }
            if is_last {
                break;
            }
        }
    }
    Ok((found, None))
}

/// What became of supplied values.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Taken, and other than what was known.
    pub changed: u64,
    /// Taken, and known already.
    pub unchanged: u64,
    /// Not taken: the place in what was given, and why.
    pub refused: Vec<(usize, NotTaken)>,
}

/// Judges values as the candidate would and records those that are right, unless `dry`. `in_force`
/// are the standards that ask for values now: what one of them asks for goes out again.
///
/// # Errors
/// The ledger cannot be read or written.
pub async fn supply(
    ledger: &Ledger,
    candidate: &Standard,
    given: &[Given],
    (by, dry): (&str, bool),
    in_force: &[(ChannelId, Arc<Standard>)],
) -> Result<Recorded> {
    let at = ledger.clock().now();
    let mut recorded = Recorded::default();
    let mut by_object: BTreeMap<(&str, &str), Vec<(usize, &Given)>> = BTreeMap::new();
    for (place, it) in given.iter().enumerate() {
        by_object.entry((&it.kind, &it.id)).or_default().push((place, it));
    }
    let mut values = Vec::new();
    for ((kind, id), given) in by_object {
        let object = object(ledger, kind, id).await?;
        let Some(object) = object else {
            recorded.refused.extend(given.iter().map(|it| (it.0, NotTaken::NoSuchObject)));
            continue;
        };
        let plain: Vec<&Given> = given.iter().map(|it| it.1).collect();
        let judged = wanted::judge(candidate, &object, &plain, by, at);
        for ((place, _), judged) in given.into_iter().zip(judged) {
            match judged {
                Err(why) => recorded.refused.push((place, why)),
                Ok((name, value)) => {
                    if object.supplied.get(&name).is_some_and(|known| known.value == value) {
                        recorded.unchanged += 1;
                        continue;
                    }
                    recorded.changed += 1;
                    let value = Supplied { value, by: by.to_owned(), at };
                    values.push(NewValue { key: object.key(), name, value });
                }
            }
        }
    }
    recorded.refused.sort_unstable();
    if !dry && !values.is_empty() {
        let asking = in_force.iter().map(|(channel, standard)| Asking {
            channel: channel.clone(),
            names: standard
                .supplied_fields()
                .iter()
                .map(|field| (field.kind, field.name.to_owned()))
                .collect(),
        });
        ledger.values_supplied(values, asking.collect()).await?;
    }
    Ok(recorded)
}

async fn object(ledger: &Ledger, kind: &str, id: &str) -> Result<Option<Object>> {
    match wanted::kind(kind) {
        Some(kind) => ledger.object(ObjectKey { kind, id: id.to_owned() }).await,
        None => Ok(None),
    }
}
