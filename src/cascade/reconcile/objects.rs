//! The province's objects against the links: states follow, and what only one side holds is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::Error;
use super::super::channel::Channel;
use super::super::lane::Crew;
use super::{Mismatch, listed};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::LinkState;
use crate::ledger::{Link, LinkFilter};
use crate::standard::{Held, Scope};

const OPERATION: &str = "inventory.objects";

/// An object that only one side holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectMismatch {
    /// Which, by the city's id.
    pub key: ObjectKey,
    /// How it differs.
    pub what: Mismatch,
    /// Repair brought it on its way.
    pub mended: bool,
}

impl Crew {
    /// What the province lists of a kind, by the city's ids, without what was withdrawn; `None`
    /// where no standard spoken has such a list, or it was not answered to its end.
    pub async fn held_objects(
        &self,
        channel: &Arc<Channel>,
        kind: Kind,
    ) -> Result<Option<BTreeMap<String, Held>>, Error> {
        let mut all = None;
        for voice in channel.voices() {
            if voice.standard.operation(OPERATION).is_none() {
                continue;
            }
            let scope = Scope { inventory: Some(kind), ..Scope::default() };
            let Some(mut held) = listed(self, voice, OPERATION, scope).await? else {
                return Ok(None);
            };
            held.retain(|_, it| it.state != Some(LinkState::Withdrawn));
            all.get_or_insert_with(BTreeMap::new).extend(held);
        }
        Ok(all)
    }

    /// Compares the catalogue objects of a channel with what the province says it holds; `None`
    /// where its standard has no list of objects or it did not answer. With `repair`, what was
    /// ours and is missing is registered anew, and what we sent and the city has no more is
    /// withdrawn (in bulk only with an approval).
    pub async fn reconcile_objects(
        &self,
        channel: &Arc<Channel>,
        repair: bool,
    ) -> Result<Option<Vec<ObjectMismatch>>, Error> {
        let asks = |voice: &&Arc<Channel>| voice.standard.operation(OPERATION).is_some();
        let mut found = Vec::new();
        let mut is_asked = false;
        for voice in channel.voices().filter(asks) {
            is_asked = true;
            if !self.reconcile_voice((channel, voice), repair, &mut found).await? {
                return Ok(None);
            }
        }
        if found.iter().any(|it| it.mended) {
            channel.register.raise();
        }
        Ok(is_asked.then_some(found))
    }

    /// The objects that one voice speaks for; false where it was not answered.
    async fn reconcile_voice(
        &self,
        (channel, voice): (&Arc<Channel>, &Arc<Channel>),
        repair: bool,
        found: &mut Vec<ObjectMismatch>,
    ) -> Result<bool, Error> {
        for kind in channel.kinds.clone() {
            let asked_at = self.now();
            let scope = Scope { inventory: Some(kind), ..Scope::default() };
            let Some(mut held) = listed(self, voice, OPERATION, scope).await? else {
                return Ok(false);
            };
            let filter = LinkFilter { kind: Some(kind), state: None };
            for link in self.ledger.links(channel.id.clone(), filter).await? {
                let said = held.remove(&link.key.id);
                if !Arc::ptr_eq(channel.of_link(&link), voice) {
                    // Known, and another voice's to ask about.
                    continue;
                }
                self.follow(channel, &link, said.as_ref()).await?;
                if let Some(what) = differs(&link, said.as_ref(), asked_at) {
                    let mended = repair && self.mend_object(channel, &link, what).await?;
                    found.push(ObjectMismatch { key: link.key, what, mended });
                }
            }
            for it in strangers(kind, held) {
                if !found.contains(&it) {
                    found.push(it);
                }
            }
        }
        Ok(true)
    }

    async fn follow(
        &self,
        channel: &Arc<Channel>,
        link: &Link,
        said: Option<&Held>,
    ) -> Result<(), Error> {
        let Some(state) = said.and_then(|held| held.state) else { return Ok(()) };
        let follows = matches!(link.state, LinkState::Accepted | LinkState::InReview);
        if follows && state != link.state && link.state.may_become(state) {
            let (channel, asked) = (channel.id.clone(), link.clone());
            let said = state.as_str().to_owned();
            self.ledger.object_state_seen(channel, asked, state, said).await?;
        }
        Ok(())
    }

    /// True where something is done about it.
    async fn mend_object(
        &self,
        channel: &Arc<Channel>,
        link: &Link,
        what: Mismatch,
    ) -> Result<bool, Error> {
        let (id, asked) = (channel.id.clone(), link.clone());
        match what {
            Mismatch::Missing if link.ours && link.wanted.is_some() => {
                Ok(self.ledger.object_lost(id, asked).await?)
            }
            Mismatch::Orphan if link.state == LinkState::Withdrawn => {
                Ok(self.ledger.object_orphaned(id, asked).await?)
            }
            // What is held above and no longer wanted is withdrawn by its own stage.
            Mismatch::Orphan => Ok(true),
            Mismatch::Missing | Mismatch::Different | Mismatch::Unconfirmed | Mismatch::Foreign => {
                Ok(false)
            }
        }
    }
}

/// Whether the province still holds it: what was taken back may be listed as such.
fn is_held(said: Option<&Held>) -> bool {
    said.is_some_and(|held| held.state != Some(LinkState::Withdrawn))
}

/// How an object whose link stands still differs; one on its way is no difference.
fn differs(link: &Link, said: Option<&Held>, asked_at: Timestamp) -> Option<Mismatch> {
    // What changed since the province was asked is not what it spoke of.
    if link.since >= asked_at {
        return None;
    }
    match link.state {
        LinkState::Accepted | LinkState::InReview | LinkState::Published | LinkState::Exists => {
            if !is_held(said) {
                Some(Mismatch::Missing)
            } else if link.wanted.is_none() {
                Some(if link.ours { Mismatch::Orphan } else { Mismatch::Foreign })
            } else {
                None
            }
        }
        LinkState::Withdrawn | LinkState::Orphan if is_held(said) && link.wanted.is_none() => {
            Some(if link.ours { Mismatch::Orphan } else { Mismatch::Foreign })
        }
        LinkState::Unmapped if is_held(said) && link.wanted.is_none() => Some(Mismatch::Foreign),
        LinkState::Unmapped
        | LinkState::Queued
        | LinkState::Sent
        | LinkState::Refused
        | LinkState::Unknown
        | LinkState::Stale
        | LinkState::Orphan
        | LinkState::Withdrawn => None,
    }
}

/// Objects above that no link of ours names.
fn strangers(kind: Kind, held: BTreeMap<String, Held>) -> impl Iterator<Item = ObjectMismatch> {
    held.into_iter().filter(|(_, held)| is_held(Some(held))).map(move |(id, _)| ObjectMismatch {
        key: ObjectKey { kind, id },
        what: Mismatch::Foreign,
        mended: false,
    })
}
