//! The catalogue as last read, and each object's link above.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::supplied::supplied;
use super::{Error, Ledger, Result, history, instant, stored};
use crate::catalogue::{Kind, Object, ObjectKey};
use crate::delivery::{ChannelId, DigestSha256, LinkState, RejectKind};
use crate::fact;

/// The version of [`Object`]'s stored form.
const FORMAT: i64 = 1;

/// What reading the catalogue changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CatalogueChange {
    /// Objects seen for the first time, or again after they had gone.
    pub added: u64,
    /// Objects whose content changed.
    pub changed: u64,
    /// Objects no longer in the catalogue.
    pub gone: u64,
}

impl CatalogueChange {
    /// Nothing is different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A city object and its counterpart above.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The city's object.
    pub key: ObjectKey,
    /// Its administrative division.
    pub region: String,
    /// Its owner.
    pub department: String,
    /// Where it stands.
    pub state: LinkState,
    /// The province's id of it.
    pub upper_id: Option<String>,
    /// The province's word for its state, as said.
    pub upper_state: Option<String>,
    /// The digest of the object as it should be above; `None` when it should not be there.
    pub wanted: Option<DigestSha256>,
    /// The digest last sent.
    pub sent: Option<DigestSha256>,
    /// The digest the province last took.
    pub held: Option<DigestSha256>,
    /// Who turned it away, and with which code.
    pub refused: Option<(RejectKind, String)>,
    /// Our findings as `path: rule`, one a line; no content.
    pub findings: Option<String>,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When the province's state was last asked for.
    pub checked_at: Option<Timestamp>,
    /// This ledger sent it: only then may repair or withdrawal touch it.
    pub ours: bool,
}

/// Which links to list.
#[derive(Clone, Debug, Default)]
pub struct LinkFilter {
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only this state.
    pub state: Option<LinkState>,
}

/// The resource of a dataset. The condition is that of the index, word by word.
pub(super) const RESOURCE_OF: &str = "SELECT id FROM object WHERE kind = 'resource' AND present = 1
     AND json_extract(content, '$.content.dataset') = ?1 ORDER BY id LIMIT 1";

impl Ledger {
    /// The catalogue was read whole: objects that are not in `objects` are gone. Links of every
    /// channel in `channels` follow for the kinds it carries.
    pub async fn catalogue_read(
        &self,
        objects: Vec<Object>,
        channels: Vec<(ChannelId, Vec<Kind>)>,
    ) -> Result<CatalogueChange> {
        self.write("record the catalogue", move |transaction, now| {
            let change = replace_objects(transaction, objects, now)?;
            for (channel, kinds) in &channels {
                for kind in kinds {
                    follow(transaction, channel, *kind, now)?;
                }
            }
            Ok(change)
        })
        .await
    }

    /// One object with the values supplied for it, as last read.
    pub async fn object(&self, key: ObjectKey) -> Result<Option<Object>> {
        self.read(move |connection| {
            let Some(content) = connection
                .query_row(
                    "SELECT content FROM object WHERE kind = ?1 AND id = ?2 AND format = ?3",
                    params![key.kind.as_str(), key.id, FORMAT],
                    |row| row.get::<_, String>(0),
                )
                .optional()
                .map_err(Error::engine("read an object"))?
            else {
                return Ok(None);
            };
            let mut object: Object = serde_json::from_str(&content)
                .map_err(|_malformed| Error::Unreadable { what: "object" })?;
            object.supplied = supplied(connection, &key)?;
            Ok(Some(object))
        })
        .await
    }

    /// The resource that carries a dataset's rows.
    pub async fn resource_of(&self, dataset: String) -> Result<Option<String>> {
        self.read(move |connection| {
            connection
                .prepare_cached(RESOURCE_OF)
                .and_then(|mut statement| {
                    statement.query_row([dataset], |row| row.get(0)).optional()
                })
                .map_err(Error::engine("find a dataset's resource"))
        })
        .await
    }

    /// All links of a channel that match, parents first.
    pub async fn links(&self, channel: ChannelId, filter: LinkFilter) -> Result<Vec<Link>> {
        self.read(move |connection| {
            let mut links = all_links(connection, &channel)?;
            links.retain(|link| {
                filter.kind.is_none_or(|kind| kind == link.key.kind)
                    && filter.state.is_none_or(|state| state == link.state)
            });
            Ok(links)
        })
        .await
    }

    /// Links of a channel that are unknown and have no batch whose fate could be asked for: what a
    /// restore leaves behind.
    pub async fn links_adrift(&self, channel: ChannelId) -> Result<BTreeSet<ObjectKey>> {
        self.read(move |connection| {
            let mut links = all_links(connection, &channel)?;
            links.retain(|link| link.state == LinkState::Unknown);
            let mut adrift = BTreeSet::new();
            for link in links {
                let is_carried: bool = connection
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM batch WHERE channel = ?1 AND subject = ?2
                         AND state IN ('queued', 'in_flight', 'unknown', 'taken'))",
                    )
                    .and_then(|mut statement| {
                        let subject = link.key.to_string();
                        statement.query_row(params![channel.as_str(), subject], |row| row.get(0))
                    })
                    .map_err(Error::engine("look for links adrift"))?;
                if !is_carried {
                    adrift.insert(link.key);
                }
            }
            Ok(adrift)
        })
        .await
    }

    /// One link.
    pub async fn link(&self, channel: ChannelId, key: ObjectKey) -> Result<Option<Link>> {
        self.read(move |connection| link(connection, &channel, &key)).await
    }

    /// Our own rules turned an object away before it was sent.
    pub async fn object_rejected(
        &self,
        channel: ChannelId,
        key: ObjectKey,
        wanted: DigestSha256,
        code: String,
        findings: String,
    ) -> Result<()> {
        self.write("record a rejected object", move |transaction, now| {
            transition(transaction, &channel, &key, LinkState::Refused, Some(&code), now)?;
            let fact =
                fact::Kind::Rejected { kind: RejectKind::Local, code: code.clone(), rows: 1 };
            history::record(transaction, Some(&channel), &key.to_string(), fact, now)?;
            transaction
                .execute(
                    "UPDATE link SET reject_kind = 'local', code = ?4, findings = ?5, sent = ?6
                     WHERE channel = ?1 AND kind = ?2 AND id = ?3",
                    params![channel.as_str(), key.kind.as_str(), key.id, code, findings, wanted.0],
                )
                .map(drop)
                .map_err(Error::engine("record a rejected object"))
        })
        .await
    }

    /// Whether an operator approved of withdrawing in bulk: a job of this day asked for it.
    pub async fn withdrawal_approved(&self, channel: ChannelId) -> Result<bool> {
        let since = stored(self.clock().now()) - 24 * 60 * 60 * 1000;
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM job WHERE kind = 'withdraw' AND created_at > ?2
                     AND state <> 'cancelled' AND request = ?1)",
                    params![channel.as_str(), since],
                    |row| row.get(0),
                )
                .map_err(Error::engine("look for an approval"))
        })
        .await
    }

    /// The province said where an object stands (review, publication); false where the link stands
    /// otherwise by now than when the province was asked, and nothing is recorded.
    pub async fn object_state_seen(
        &self,
        channel: ChannelId,
        asked: Link,
        state: LinkState,
        upper_state: String,
    ) -> Result<bool> {
        self.said_of(channel, asked, state, move |transaction, channel, key, now| {
            transaction.execute(
                "UPDATE link SET upper_state = ?4, checked_at = ?5
                 WHERE channel = ?1 AND kind = ?2 AND id = ?3",
                params![channel.as_str(), key.kind.as_str(), key.id, upper_state, stored(now)],
            )
        })
        .await
    }

    /// The province no longer holds an object that it took: it is due again, as if never sent.
    /// False as in [`Ledger::object_state_seen`].
    pub async fn object_lost(&self, channel: ChannelId, asked: Link) -> Result<bool> {
        self.said_of(channel, asked, LinkState::Stale, |transaction, channel, key, _now| {
            transaction.execute(
                "UPDATE link SET upper_id = NULL, upper_state = NULL, held = NULL
                 WHERE channel = ?1 AND kind = ?2 AND id = ?3",
                params![channel.as_str(), key.kind.as_str(), key.id],
            )
        })
        .await
    }

    /// The province holds an object that we took back: it is to be taken back once more. False as
    /// in [`Ledger::object_state_seen`].
    pub async fn object_orphaned(&self, channel: ChannelId, asked: Link) -> Result<bool> {
        self.said_of(channel, asked, LinkState::Orphan, |_, _, _, _| Ok(0)).await
    }

    /// Records what the province said of a link, which holds only while the link stands as it
    /// stood when the province was asked: a message sent meanwhile has an answer of its own, and
    /// must find the link as it left it.
    async fn said_of<F>(
        &self,
        channel: ChannelId,
        asked: Link,
        state: LinkState,
        also: F,
    ) -> Result<bool>
    where
        F: FnOnce(&Transaction<'_>, &ChannelId, &ObjectKey, Timestamp) -> rusqlite::Result<usize>
            + Send
            + 'static,
    {
        self.write("record what the province said of an object", move |transaction, now| {
            let stands = link(transaction, &channel, &asked.key)?.is_some_and(|it| {
                (it.state, it.since, it.sent) == (asked.state, asked.since, asked.sent)
            });
            if !stands {
                return Ok(false);
            }
            transition(transaction, &channel, &asked.key, state, None, now)?;
            also(transaction, &channel, &asked.key, now)
                .map_err(Error::engine("record what the province said of an object"))?;
            Ok(true)
        })
        .await
    }
}

fn replace_objects(
    transaction: &Transaction<'_>,
    objects: Vec<Object>,
    now: Timestamp,
) -> Result<CatalogueChange> {
    let mut change = CatalogueChange::default();
    let mut seen = BTreeSet::new();
    let mut known = known_objects(transaction)?;
    for object in objects {
        let key = object.key();
        let content = serde_json::to_string(&object)
            .map_err(|_unserializable| Error::Unreadable { what: "object" })?;
        let digest = DigestSha256::of(content.as_bytes());
        match known.remove(&key) {
            Some((held, true)) if held == digest.0 => {
                seen.insert(key);
                continue;
            }
            Some((_, true)) => change.changed += 1,
            Some((_, false)) | None => change.added += 1,
        }
        transaction
            .prepare_cached(
                "INSERT INTO object (kind, id, region, department, title, digest, format, content,
                                     present, changed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9)
                 ON CONFLICT (kind, id) DO UPDATE SET region = excluded.region,
                    department = excluded.department, title = excluded.title,
                    digest = excluded.digest, format = excluded.format,
                    content = excluded.content, present = 1, changed_at = excluded.changed_at",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    key.kind.as_str(),
                    key.id,
                    object.region,
                    object.department,
                    object.title(),
                    digest.0,
                    FORMAT,
                    content,
                    stored(now)
                ])
            })
            .map_err(Error::engine("record an object"))?;
        seen.insert(key);
    }
    for (key, (_, present)) in known {
        if present && !seen.contains(&key) {
            change.gone += 1;
            transaction
                .execute(
                    "UPDATE object SET present = 0, changed_at = ?3 WHERE kind = ?1 AND id = ?2",
                    params![key.kind.as_str(), key.id, stored(now)],
                )
                .map_err(Error::engine("record a gone object"))?;
        }
    }
    Ok(change)
}

type Known = BTreeMap<ObjectKey, ([u8; 32], bool)>;

fn known_objects(connection: &Connection) -> Result<Known> {
    let engine = Error::engine;
    let mut statement = connection
        .prepare("SELECT kind, id, digest, present FROM object")
        .map_err(engine("read the catalogue"))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .map_err(engine("read the catalogue"))?;
    let mut known = Known::new();
    for row in rows {
        let (kind, id, digest, present) = row.map_err(engine("read the catalogue"))?;
        let kind = Kind::parse(&kind).ok_or(Error::Unreadable { what: "kind" })?;
        known.insert(ObjectKey { kind, id }, (digest, present));
    }
    Ok(known)
}

/// Links follow the catalogue: new objects are unmapped, changed ones that are held above become
/// stale, gone ones are no longer wanted.
fn follow(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    kind: Kind,
    now: Timestamp,
) -> Result<()> {
    let parameters = params![channel.as_str(), kind.as_str(), stored(now)];
    for step in [
        "INSERT INTO link (channel, kind, id, region, department, state, wanted, since)
         SELECT ?1, kind, id, region, department, 'unmapped', digest, ?3 FROM object
         WHERE kind = ?2 AND present = 1
         ON CONFLICT (channel, kind, id) DO UPDATE SET wanted = excluded.wanted,
            region = excluded.region, department = excluded.department",
        "UPDATE link SET wanted = NULL WHERE channel = ?1 AND kind = ?2 AND ?3 > 0 AND id IN
         (SELECT id FROM object WHERE kind = ?2 AND present = 0)",
    ] {
        transaction
            .execute(step, parameters)
            .map_err(Error::engine("bring links up to the catalogue"))?;
    }
    let mut statement = transaction
        .prepare_cached(
            "SELECT id FROM link WHERE channel = ?1 AND kind = ?2
             AND wanted IS NOT NULL AND wanted IS NOT held
             AND state IN ('accepted', 'in_review', 'published', 'exists')",
        )
        .map_err(Error::engine("look for stale links"))?;
    let ids = statement
        .query_map(params![channel.as_str(), kind.as_str()], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(Error::engine("look for stale links"))?;
    for id in ids {
        let key = ObjectKey { kind, id };
        transition(transaction, channel, &key, LinkState::Stale, None, now)?;
    }
    Ok(())
}

const LINK: &str = "SELECT kind, id, region, department, state, upper_id, upper_state, wanted, \
                    sent, held, reject_kind, code, findings, since, checked_at, ours FROM link";

pub(super) fn link(
    connection: &Connection,
    channel: &ChannelId,
    key: &ObjectKey,
) -> Result<Option<Link>> {
    connection
        .prepare_cached(&format!("{LINK} WHERE channel = ?1 AND kind = ?2 AND id = ?3"))
        .and_then(|mut statement| {
            statement
                .query_row(params![channel.as_str(), key.kind.as_str(), key.id], |row| {
                    Ok(read_link(row))
                })
                .optional()
        })
        .map_err(Error::engine("read a link"))?
        .transpose()
}

pub(super) fn all_links(connection: &Connection, channel: &ChannelId) -> Result<Vec<Link>> {
    let mut statement = connection
        .prepare_cached(&format!("{LINK} WHERE channel = ?1"))
        .map_err(Error::engine("read links"))?;
    let rows = statement
        .query_map([channel.as_str()], |row| Ok(read_link(row)))
        .map_err(Error::engine("read links"))?;
    let mut links = Vec::new();
    for row in rows {
        links.push(row.map_err(Error::engine("read links"))??);
    }
    links.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(links)
}

fn read_link(row: &Row<'_>) -> Result<Link> {
    let text = |index| row.get::<_, String>(index).map_err(Error::engine("read a link"));
    let optional =
        |index| row.get::<_, Option<String>>(index).map_err(Error::engine("read a link"));
    let digest = |index| {
        row.get::<_, Option<[u8; 32]>>(index)
            .map(|bytes| bytes.map(DigestSha256))
            .map_err(Error::engine("read a link"))
    };
    let unreadable = |what| Error::Unreadable { what };
    let kind = Kind::parse(&text(0)?).ok_or_else(|| unreadable("kind"))?;
    let refused = optional(10)?
        .map(|kind| RejectKind::parse(&kind).ok_or_else(|| unreadable("reject kind")))
        .transpose()?;
    let checked: Option<i64> = row.get(14).map_err(Error::engine("read a link"))?;
    Ok(Link {
        key: ObjectKey { kind, id: text(1)? },
        region: text(2)?,
        department: text(3)?,
        state: LinkState::parse(&text(4)?).ok_or_else(|| unreadable("link state"))?,
        upper_id: optional(5)?,
        upper_state: optional(6)?,
        wanted: digest(7)?,
        sent: digest(8)?,
        held: digest(9)?,
        refused: refused.zip(optional(11)?),
        findings: optional(12)?,
        since: instant(row.get(13).map_err(Error::engine("read a link"))?)?,
        checked_at: checked.map(instant).transpose()?,
        ours: row.get(15).map_err(Error::engine("read a link"))?,
    })
}

/// Moves a link, refusing a step that has no meaning.
pub(super) fn transition(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    key: &ObjectKey,
    next: LinkState,
    code: Option<&str>,
    now: Timestamp,
) -> Result<Link> {
    let link = link(transaction, channel, key)?
        .ok_or_else(|| Error::NoSuch { what: format!("link {key}") })?;
    let next = link.state.become_checked(next)?;
    if next != link.state {
        transaction
            .prepare_cached(
                "UPDATE link SET state = ?4, since = ?5
                 WHERE channel = ?1 AND kind = ?2 AND id = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    channel.as_str(),
                    key.kind.as_str(),
                    key.id,
                    next.as_str(),
                    stored(now)
                ])
            })
            .map_err(Error::engine("move a link"))?;
        let kind =
            fact::Kind::Link { from: link.state, to: next, code: code.map(ToOwned::to_owned) };
        history::record(transaction, Some(channel), &key.to_string(), kind, now)?;
    }
    Ok(link)
}
