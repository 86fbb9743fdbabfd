//! The catalogue of one channel: what register would do, and what the province holds already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::Error;
use super::super::channel::Channel;
use super::super::lane::Crew;
use super::super::register::wants_registration;
use super::super::stage::{Progress, Stage, report};
use crate::catalogue::{Kind, Object};
use crate::ledger::{Link, LinkFilter, WatchedObjects};
use crate::standard::{Held, Scope};
use crate::supervisor::{Heart, Signal};

/// Objects judged at once.
const STEP_OBJECTS: usize = 500;
/// Stands for an id that the province has not given.
const STAND_IN: &str = "0";
/// How often it looks where nothing says so.
const EVERY: Duration = Duration::from_hours(24);

/// The stage of one channel while the daemon watches.
#[derive(Debug)]
pub struct WatchObjects {
    crew: Crew,
    channel: Arc<Channel>,
    failures: u32,
}

impl Stage for WatchObjects {
    async fn step(&mut self) -> Result<Progress, Error> {
        let links = self.crew.ledger.links(self.channel.id.clone(), LinkFilter::default()).await?;
        let mut found = Vec::with_capacity(self.channel.kinds.len());
        for kind in self.channel.kinds.clone() {
            let of_kind: BTreeMap<&str, &Link> = (links.iter())
                .filter(|link| link.key.kind == kind)
                .map(|link| (link.key.id.as_str(), link))
                .collect();
            found.push(self.look(kind, &of_kind).await?);
        }
        self.crew.ledger.objects_watched(self.channel.id.clone(), found).await?;
        self.failures = 0;
        let every = self.crew.pace.reconcile.unwrap_or(EVERY);
        Ok(Progress::Idle(self.crew.after(every)))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.register.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        report(&self.crew, "watch", &self.channel.id, error, self.failures)
    }
}

impl WatchObjects {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self { crew, channel, failures: 0 }
    }

    async fn look(
        &self,
        kind: Kind,
        links: &BTreeMap<&str, &Link>,
    ) -> Result<WatchedObjects, Error> {
        let held = self.crew.held_objects(&self.channel, kind).await?;
        let is_held = |id: &str| held.as_ref().is_some_and(|held| held.contains_key(id));
        let mut found = WatchedObjects {
            kind,
            here: 0,
            would_register: 0,
            would_modify: 0,
            would_withdraw: 0,
            lacking: 0,
            held: held.as_ref().map(|held| u64::try_from(held.len()).unwrap_or(u64::MAX)),
            adoptable: held.as_ref().map(|_held| 0),
            extra: held.as_ref().map(|held| count(held, links)),
        };
        for link in links.values() {
            found.here += u64::from(link.wanted.is_some());
            let is_gone = link.wanted.is_none() && link.ours && link.upper_id.is_some();
            found.would_withdraw += u64::from(is_gone && link.state.is_held_above());
            if !wants_registration(link) {
                continue;
            }
            if link.upper_id.is_some() {
                found.would_modify += 1;
            } else {
                found.would_register += 1;
                let adoptable = found.adoptable.get_or_insert(0);
                *adoptable += u64::from(is_held(&link.key.id));
            }
        }
        if held.is_none() {
            found.adoptable = None;
        }
        found.lacking = self.lacking(kind, links).await?;
        Ok(found)
    }

    /// Of what would be said above, how much lacks what the standard asks for.
    async fn lacking(&self, kind: Kind, links: &BTreeMap<&str, &Link>) -> Result<u64, Error> {
        let (mut lacking, mut after) = (0, None);
        loop {
            let page = self.crew.ledger.objects(kind, None, after.take(), STEP_OBJECTS).await?;
            let Some(last) = page.last() else { return Ok(lacking) };
            after = Some(last.key().id);
            let due: Vec<(Object, Arc<Channel>, bool)> = (page.into_iter())
                .filter_map(|object| {
                    let link = links.get(object.key().id.as_str()).copied()?;
                    let voice = Arc::clone(self.channel.of_link(link));
                    wants_registration(link).then_some((object, voice, link.upper_id.is_some()))
                })
                .collect();
            let count = move || {
                due.iter()
                    .filter(|(object, voice, is_known)| lacks(object, voice, *is_known))
                    .count()
            };
            lacking += u64::try_from(self.crew.block(count).await).unwrap_or(u64::MAX);
        }
    }
}

/// How many of what is held are of no object of the city.
fn count(held: &BTreeMap<String, Held>, links: &BTreeMap<&str, &Link>) -> u64 {
    let is_ours = |id: &str| links.get(id).is_some_and(|link| link.wanted.is_some() || link.ours);
    let extra = held.keys().filter(|id| !is_ours(id)).count();
    u64::try_from(extra).unwrap_or(u64::MAX)
}

/// Our own rules would turn the object's message away, whatever stands above it.
fn lacks(object: &Object, voice: &Channel, is_known: bool) -> bool {
    let kind = object.key().kind;
    let operation = format!("{kind}.{}", if is_known { "modify" } else { "register" });
    if voice.standard.operation(&operation).is_none() {
        return false;
    }
    let upper = Kind::ALL.into_iter().map(|kind| (kind, STAND_IN.to_owned())).collect();
    let upper_id = Some(STAND_IN);
    let scope = Scope { object: Some(object), upper_id, upper, ..Scope::default() };
    voice.standard.build(&operation, &scope).is_err()
}
