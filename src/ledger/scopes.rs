//! Scopes: subjects of a channel that go over to another standard before the rest.
//!
//! Nothing of them moves: links, counts, positions and runs stay on their channel. What is kept is
//! the table of who uses which version, one line for each scope; a cut-over changes it together
//! with the upper ids of just the subjects that change over.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Error, Ledger, NewStandard, Result, history, instant, objects, rows};
use crate::catalogue::Kind;
use crate::delivery::{ChannelId, Reach, Reaches, StandardId, Subject, Whose};
use crate::fact;

/// What a cut-over changes where a channel speaks, or spoke, two standards.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Scopes {
    /// What is ahead of the rest before it.
    pub before: Reaches,
    /// What is ahead after it; `None`: everything went over.
    pub after: Option<Reaches>,
}

impl Scopes {
    /// The scopes that it brings over or back; none: the rest.
    pub fn moved(&self) -> Reaches {
        let Some(after) = &self.after else { return Reaches::default() };
        after.without(&self.before).with(&self.before.without(after))
    }

    /// Whether another standard speaks for a subject after it than before.
    pub fn moves(&self, it: &Whose<'_>) -> bool {
        self.before.covers(it) != self.after.as_ref().is_none_or(|after| after.covers(it))
    }
}

/// One line of the table of who uses which version, beside the channels' own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopedUse {
    /// On which channel.
    pub channel: ChannelId,
    /// What.
    pub scope: Reach,
    /// Which standard.
    pub standard: StandardId,
    /// Since when.
    pub since: Timestamp,
}

/// Which standard is in force for what on a channel.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// For everything else.
    pub standard: StandardId,
    /// For what goes ahead: objects in these scopes, rows of these datasets.
    pub ahead: Option<(StandardId, Reaches, BTreeSet<String>)>,
}

impl Spoken {
    /// One for everything.
    pub fn all(standard: StandardId) -> Self {
        Self { standard, ahead: None }
    }

    /// For a dataset's rows.
    pub fn of_rows(&self, dataset: &str) -> &StandardId {
        let ahead = self.ahead.as_ref().filter(|(.., datasets)| datasets.contains(dataset));
        ahead.map_or(&self.standard, |(standard, ..)| standard)
    }

    /// For the subject of a batch.
    pub(super) fn of(
        &self,
        connection: &Connection,
        channel: &ChannelId,
        subject: &Subject,
    ) -> Result<&StandardId> {
        let Some((ahead, reaches, _)) = &self.ahead else { return Ok(&self.standard) };
        let is_ahead = match subject {
            Subject::Rows { dataset, .. } => return Ok(self.of_rows(dataset)),
            Subject::Object { .. } => {
                let key = rows::object_key(subject)?;
                objects::link(connection, channel, &key)?.is_some_and(|link| {
                    reaches.covers(&Whose::object(link.key.kind, &link.region, &link.department))
                })
            }
        };
        Ok(if is_ahead { ahead } else { &self.standard })
    }
}

impl Ledger {
    /// What goes ahead on every channel, in the order of the scopes.
    pub async fn scoped_uses(&self) -> Result<Vec<ScopedUse>> {
        self.read(|connection| {
            let engine = || Error::engine("read scopes");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, scope, id, since FROM standard_use
                     WHERE state = 'active' AND scope <> '*' ORDER BY channel, scope",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let scope: String = row.get(1).map_err(engine())?;
                found.push(ScopedUse {
                    channel: row.get::<_, String>(0).map_err(engine())?.into(),
                    scope: Reach::parse(&scope)
                        .map_err(|_unreadable| Error::Unreadable { what: "scope" })?,
                    standard: row.get::<_, String>(2).map_err(engine())?.into(),
                    since: instant(row.get(3).map_err(engine())?)?,
                });
            }
            Ok(found)
        })
        .await
    }

    /// The scopes of a channel mean nothing any more: the file speaks of another channel or
    /// standard.
    pub async fn scopes_over(&self, channel: ChannelId) -> Result<()> {
        self.write("follow the file again", move |transaction, _now| forget(transaction, &channel))
            .await
    }

    /// Standards under which batches were sent whose fate nobody knows yet, by channel.
    pub async fn standards_unanswered(&self) -> Result<Vec<(ChannelId, StandardId)>> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT channel, standard FROM batch
                     WHERE state IN ('unknown', 'in_flight')",
                )
                .and_then(|mut statement| {
                    let rows = statement.query_map([], |row| {
                        let text = |at| row.get::<_, String>(at);
                        Ok((text(0)?.into(), text(1)?.into()))
                    })?;
                    rows.collect()
                })
                .map_err(Error::engine("look for unanswered batches"))
        })
        .await
    }

    /// Rows and objects that a channel delivered under a standard, as far as batches are kept and
    /// `scopes` move them: what stays above when they leave it.
    pub async fn delivered_ahead(
        &self,
        channel: ChannelId,
        standard: StandardId,
        scopes: Scopes,
    ) -> Result<(u64, u64)> {
        self.read(move |connection| {
            let mut sums = (0, 0);
            for (subject, rows, registered) in delivered(connection, &channel, &standard)? {
                let Subject::Rows { dataset, .. } = &subject else {
                    let link = objects::link(connection, &channel, &rows::object_key(&subject)?)?;
                    let moved = link.is_some_and(|it| {
                        scopes.moves(&Whose::object(it.key.kind, &it.region, &it.department))
                    });
                    sums.1 += u64::from(moved && registered);
                    continue;
                };
                let (region, department) = owner(connection, &channel, dataset)?;
                if scopes.moves(&Whose::rows(dataset, &region, &department)) {
                    sums.0 += rows;
                }
            }
            Ok(sums)
        })
        .await
    }
}

/// Each subject delivered under a standard, its rows, and whether it was registered.
fn delivered(
    connection: &Connection,
    channel: &ChannelId,
    standard: &StandardId,
) -> Result<Vec<(Subject, u64, bool)>> {
    connection
        .prepare_cached(
            "SELECT subject_kind, subject, sum(rows), max(operation LIKE '%.register') FROM batch
             WHERE channel = ?1 AND standard = ?2 AND state = 'settled'
             GROUP BY subject_kind, subject",
        )
        .and_then(|mut statement| {
            let with = params![channel.as_str(), standard.as_str()];
            let rows = statement.query_map(with, |row| {
                let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
                let rows = row.get::<_, i64>(2)?.cast_unsigned();
                Ok((subject(&kind, name), rows, row.get(3)?))
            })?;
            rows.collect()
        })
        .map_err(Error::engine("count what was delivered"))
}

/// A batch's subject as it is stored; of rows, whatever happens to them.
pub(super) fn subject(kind: &str, name: String) -> Subject {
    let action = crate::delivery::Action::Upsert;
    if kind == "rows" {
        return Subject::Rows { dataset: name, action };
    }
    match name.split_once(':') {
        Some((kind, id)) => Subject::Object { kind: kind.to_owned(), id: id.to_owned() },
        None => Subject::Rows { dataset: name, action },
    }
}

fn owner(connection: &Connection, channel: &ChannelId, dataset: &str) -> Result<(String, String)> {
    connection
        .query_row(
            "SELECT region, department FROM dataset WHERE channel = ?1 AND dataset = ?2",
            params![channel.as_str(), dataset],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(Error::engine("read a dataset"))
}

/// The table changes: what comes into it, or leaves it for `new`'s standard again, or all of it
/// ends because that is in force for everything.
pub(super) fn turned(
    transaction: &Transaction<'_>,
    new: &NewStandard,
    scopes: &Scopes,
    now: Timestamp,
) -> Result<()> {
    let NewStandard { channel, standard, digest, .. } = new;
    let Some(after) = &scopes.after else { return forget(transaction, channel) };
    for scope in after.without(&scopes.before).iter() {
        history::in_force(transaction, (channel, &scope.to_string()), standard, *digest, now)?;
    }
    for scope in scopes.before.without(after).iter() {
        let text = scope.to_string();
        transaction
            .execute(
                "DELETE FROM standard_use WHERE channel = ?1 AND scope = ?2
                 AND state IN ('active', 'before')",
                params![channel.as_str(), text],
            )
            .map_err(Error::engine("take a scope back"))?;
        let kind = fact::Kind::StandardInForce { standard: standard.clone() };
        history::record(transaction, Some(channel), &text, kind, now)?;
    }
    Ok(())
}

/// Nothing is ahead on a channel any more.
pub(super) fn forget(transaction: &Transaction<'_>, channel: &ChannelId) -> Result<()> {
    transaction
        .execute(
            "DELETE FROM standard_use WHERE channel = ?1 AND scope <> '*'
             AND state IN ('active', 'before')",
            [channel.as_str()],
        )
        .map(drop)
        .map_err(Error::engine("forget scopes"))
}

/// Links that change over have the upper ids of the map from now on, and what was refused in them
/// is tried anew.
pub(super) fn links_turned(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    ids: &[(Kind, String, String)],
    scopes: Option<&Scopes>,
) -> Result<()> {
    let map: BTreeMap<(Kind, &str), &str> =
        ids.iter().map(|(kind, old, new)| ((*kind, old.as_str()), new.as_str())).collect();
    let mut rename = transaction
        .prepare_cached(
            "UPDATE link SET upper_id = ?4 WHERE channel = ?1 AND kind = ?2 AND id = ?3",
        )
        .map_err(Error::engine("map upper ids"))?;
    let mut renew = transaction
        .prepare_cached(
            "UPDATE link SET sent = NULL WHERE channel = ?1 AND kind = ?2 AND id = ?3
             AND state = 'refused'",
        )
        .map_err(Error::engine("begin anew under a standard"))?;
    for link in objects::all_links(transaction, channel)? {
        let whose = Whose::object(link.key.kind, &link.region, &link.department);
        if scopes.is_some_and(|it| !it.moves(&whose)) {
            continue;
        }
        let (kind, id) = (link.key.kind.as_str(), link.key.id.as_str());
        let upper = link.upper_id.as_deref();
        if let Some(new) = upper.and_then(|old| map.get(&(link.key.kind, old))) {
            rename
                .execute(params![channel.as_str(), kind, id, new])
                .map_err(Error::engine("map upper ids"))?;
        }
        renew
            .execute(params![channel.as_str(), kind, id])
            .map_err(Error::engine("begin anew under a standard"))?;
    }
    Ok(())
}
