//! Values that the city adds to its objects because a standard asks for them, and the catalogue in
//! parts, so that checking it needs memory for a part.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::objects::transition;
use super::{Error, Ledger, Result, instant, stored};
use crate::catalogue::{Kind, Object, ObjectKey, Supplied};
use crate::delivery::{ChannelId, LinkState};

/// A value for one object; one of an item is named `ITEM/NAME`.
#[derive(Clone, Debug)]
pub struct NewValue {
    /// The object.
    pub key: ObjectKey,
    /// The value's name.
    pub name: String,
    /// The value, who supplied it and when.
    pub value: Supplied,
}

/// A channel, and the values (kind of object, name) that the standard in force on it asks for.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The channel.
    pub channel: ChannelId,
    /// The values.
    pub names: BTreeSet<(Kind, String)>,
}

impl Ledger {
    /// Objects of a kind that stand in the catalogue, with their supplied values, in the order of
    /// their ids, after `after`; of one department or of all.
    pub async fn objects(
        &self,
        kind: Kind,
        department: Option<String>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Object>> {
        self.read(move |connection| {
            let engine = Error::engine;
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, content FROM object WHERE kind = ?1 AND present = 1
                     AND (?2 IS NULL OR department = ?2) AND (?3 IS NULL OR id > ?3)
                     ORDER BY id LIMIT ?4",
                )
                .map_err(engine("read the catalogue in parts"))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement
                .query_map(params![kind.as_str(), department, after, limit], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
                })
                .map_err(engine("read the catalogue in parts"))?;
            let mut objects = Vec::new();
            for row in rows {
                let (id, content) = row.map_err(engine("read the catalogue in parts"))?;
                let mut object: Object = serde_json::from_str(&content)
                    .map_err(|_malformed| Error::Unreadable { what: "object" })?;
                object.supplied = supplied(connection, &ObjectKey { kind, id })?;
                objects.push(object);
            }
            Ok(objects)
        })
        .await
    }

    /// Values that a standard asks for were supplied; gives how many differ from what was known.
    ///
    /// An object that our own rules turned away is tried again, and one that stands above goes out
    /// again where the standard in force asks for a value that changed. What only another standard
    /// asks for sends nothing.
    pub async fn values_supplied(&self, values: Vec<NewValue>, asking: Vec<Asking>) -> Result<u64> {
        self.write("record supplied values", move |transaction, now| {
            let mut changed = 0;
            for it in &values {
                if !replace(transaction, it)? {
                    continue;
                }
                changed += 1;
                transaction
                    .prepare_cached(
                        "UPDATE link SET sent = NULL WHERE kind = ?1 AND id = ?2
                         AND state = 'refused' AND reject_kind = 'local'",
                    )
                    .and_then(|mut it_| it_.execute(params![it.key.kind.as_str(), it.key.id]))
                    .map_err(Error::engine("try an object again"))?;
                for channel in asking.iter().filter(|asking| asking.wants(it)) {
                    if is_above(transaction, &channel.channel, &it.key)? {
                        let stale = LinkState::Stale;
                        transition(transaction, &channel.channel, &it.key, stale, None, now)?;
                    }
                }
            }
            Ok(changed)
        })
        .await
    }
}

impl Asking {
    fn wants(&self, value: &NewValue) -> bool {
        let name = value.name.rsplit_once('/').map_or(value.name.as_str(), |it| it.1);
        self.names.contains(&(value.key.kind, name.to_owned()))
    }
}

/// Whether the value is another one than was known. The same value again keeps who supplied it.
fn replace(transaction: &Transaction<'_>, it: &NewValue) -> Result<bool> {
    let key = &it.key;
    let changed = transaction
        .prepare_cached(
            "INSERT INTO supplied (kind, id, name, value, supplied_by, supplied_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (kind, id, name) DO UPDATE SET value = excluded.value,
                supplied_by = excluded.supplied_by, supplied_at = excluded.supplied_at
             WHERE value <> excluded.value",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                key.kind.as_str(),
                key.id,
                it.name,
                it.value.value,
                it.value.by,
                stored(it.value.at)
            ])
        })
        .map_err(Error::engine("record a supplied value"))?;
    Ok(changed > 0)
}

/// Whether the province holds the object in the version that was last sent.
fn is_above(transaction: &Transaction<'_>, channel: &ChannelId, key: &ObjectKey) -> Result<bool> {
    let state: Option<String> = transaction
        .prepare_cached("SELECT state FROM link WHERE channel = ?1 AND kind = ?2 AND id = ?3")
        .and_then(|mut statement| {
            let parameters = params![channel.as_str(), key.kind.as_str(), key.id];
            statement.query_row(parameters, |row| row.get(0)).optional()
        })
        .map_err(Error::engine("read a link"))?;
    Ok(state
        .is_some_and(|it| ["accepted", "in_review", "published", "exists"].contains(&it.as_str())))
}

/// The values supplied for one object, by name.
pub(super) fn supplied(
    connection: &Connection,
    key: &ObjectKey,
) -> Result<BTreeMap<String, Supplied>> {
    let engine = Error::engine;
    let mut statement = connection
        .prepare_cached(
            "SELECT name, value, supplied_by, supplied_at FROM supplied
             WHERE kind = ?1 AND id = ?2",
        )
        .map_err(engine("read supplied values"))?;
    let rows = statement
        .query_map(params![key.kind.as_str(), key.id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?))
        })
        .map_err(engine("read supplied values"))?;
    let mut values = BTreeMap::new();
    for row in rows {
        let (name, value, by, at) = row.map_err(engine("read supplied values"))?;
        values.insert(name, Supplied { value, by, at: instant(at)? });
    }
    Ok(values)
}
