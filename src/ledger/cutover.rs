//! Cut-overs: a channel goes over to another standard, as a durable job.
//!
//! Two steps, each one transaction. The first ([`Ledger::cut_over_made`]) puts the other standard
//! in force with everything that follows from it at once; the second sends again what says
//! something else now, part by part behind a cursor. A crash before the first leaves the old
//! standard in force and the job to be begun; a crash after it, the new one and the rest to be
//! sent.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::jobs::{known, noted};
use super::{Error, Ledger, Result, Scopes, history, holds, objects, scopes, stored};
use crate::catalogue::{Kind, ObjectKey};
use crate::delivery::{ChannelId, DigestSha256, LinkState, StandardId};
use crate::fact::JobAct;

/// What such a job is called.
pub const CUT_OVER: &str = "cut-over";

/// A cut-over as it was asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CutOver {
    /// On which channel.
    pub channel: String,
    /// The standard in force when it was asked for, `id/version`.
    pub from: String,
    /// The standard to be put in force.
    pub to: String,
    /// It is a rollback: the upper ids of `from` go back to what they were.
    pub back: bool,
    /// Not before.
    pub at: Timestamp,
    /// Not in its place but beside it, on a further channel, for so many seconds; with `back`:
    /// that channel is given up.
    #[serde(default)]
    pub beside: Option<u64>,
    /// Of what it is; `None`: of everything, and nothing was ahead.
    #[serde(default)]
    pub scopes: Option<Scopes>,
}

/// A cut-over that is not over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenCutOver {
    /// The job's number.
    pub number: u64,
    /// What was asked.
    pub asked: CutOver,
    /// The other standard is in force, and objects up to here were looked at; in a parallel period
    /// until when it lasts, or nothing once it is over. `None`: not begun.
    pub after: Option<String>,
    /// Objects sent again so far.
    pub again: u64,
}

/// What became of a request for a cut-over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CutOverAsked {
    /// A new job.
    Made(u64),
    /// The same was asked for already.
    Known(u64),
    /// Another one on this channel is not over.
    Busy(u64),
}

/// A standard put in force by a cut-over, not by the configuration's file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Activation {
    /// On which channel.
    pub channel: ChannelId,
    /// Which.
    pub standard: StandardId,
    /// What the file said then: once it says something else, the file is followed again.
    pub written: String,
}

/// Another standard comes in force.
#[derive(Clone, Debug)]
pub struct NewStandard {
    /// On which channel.
    pub channel: ChannelId,
    /// Which.
    pub standard: StandardId,
    /// Its directory's digest.
    pub digest: DigestSha256,
    /// What the configuration's file says.
    pub written: String,
    /// Upper ids by kind: the known, and what takes its place.
    pub upper_ids: Vec<(Kind, String, String)>,
    /// For what; `None`: for everything, and nothing was ahead.
    pub scopes: Option<Scopes>,
}

impl Ledger {
    /// An operator asked for a cut-over. One at a time on a channel; a rollback ends what is still
    /// sent again under the standard that it leaves. The same `key` never makes a second job.
    pub async fn cut_over_asked(
        &self,
        asked: CutOver,
        by: String,
        key: Option<String>,
    ) -> Result<CutOverAsked> {
        self.write("ask for a cut-over", move |transaction, now| {
            if let Some(number) = known(transaction, key.as_deref())? {
                return Ok(CutOverAsked::Known(number));
            }
            for open in open(transaction)? {
                if open.asked.channel == asked.channel {
                    // A way back need not wait for what goes on under the standard it leaves.
                    if asked.back && open.after.is_some() && asked.to == open.asked.from {
                        overtaken(transaction, open.number, now)?;
                        continue;
                    }
                    let same = open.asked.to == asked.to
                        && open.asked.back == asked.back
                        && open.asked.scopes == asked.scopes
                        && open.asked.beside.is_some() == asked.beside.is_some();
                    let number = open.number;
                    return Ok(if same {
                        CutOverAsked::Known(number)
                    } else {
                        CutOverAsked::Busy(number)
                    });
                }
            }
            let request = serde_json::to_string(&asked)
                .map_err(|_unserializable| Error::Unreadable { what: "cut-over" })?;
            transaction
                .execute(
                    "INSERT INTO job (kind, request, state, asked_by, created_at, idempotency)
                     VALUES (?1, ?2, 'running', ?3, ?4, ?5)",
                    params![CUT_OVER, request, by, stored(now), key],
                )
                .map_err(Error::engine("record a job"))?;
            let number = transaction.last_insert_rowid().cast_unsigned();
            noted(transaction, number, JobAct::Requested, now)?;
            Ok(CutOverAsked::Made(number))
        })
        .await
    }

    /// The cut-overs that are not over, oldest first.
    pub async fn open_cut_overs(&self) -> Result<Vec<OpenCutOver>> {
        self.read(open).await
    }

    /// The other standard is in force from now on: recorded with the one before, upper ids mapped,
    /// holds lifted, refused objects to be tried again, what was odd under the old one forgotten.
    /// False, and nothing changed, where the job was called off or is begun already.
    pub async fn cut_over_made(&self, number: u64, mut new: NewStandard) -> Result<bool> {
        if crate::crash::sabotaged("standard-first") {
            let (channel, ids) = (new.channel.clone(), std::mem::take(&mut new.upper_ids));
            let scopes = new.scopes.clone();
            let is_made = self.turned(number, new).await?;
            crate::crash::point("cut-over-made");
            let later = move |transaction: &Transaction<'_>, _now| {
                scopes::links_turned(transaction, &channel, &ids, scopes.as_ref()).map(|()| is_made)
            };
            return self.write("map upper ids", later).await;
        }
        self.turned(number, new).await
    }

    async fn turned(&self, number: u64, new: NewStandard) -> Result<bool> {
        self.write("put a standard in force", move |transaction, now| {
            let begun = transaction
                .execute(
                    "UPDATE job SET cursor = '' WHERE number = ?1 AND state = 'running'
                     AND cursor IS NULL",
                    [number.cast_signed()],
                )
                .map_err(Error::engine("begin a cut-over"))?;
            if begun == 0 {
                return Ok(false);
            }
            let NewStandard { channel, standard, written, upper_ids, scopes, .. } = &new;
            if let Some(scopes) = scopes {
                scopes::turned(transaction, &new, scopes, now)?;
            }
            if scopes.as_ref().is_none_or(|it| it.after.is_none()) {
                history::in_force(transaction, (channel, "*"), standard, new.digest, now)?;
                activated(transaction, channel, standard, written, now)?;
            }
            // What held the old standard does not hold the new: a crash right after this must not
            // leave it so.
            holds::lift(transaction, Some(channel), now)?;
            scopes::links_turned(transaction, channel, upper_ids, scopes.as_ref())?;
            Ok(true)
        })
        .await
    }

    /// Objects up to `after` were looked at; these say something else under the standard in force
    /// and are due again.
    pub async fn objects_due_again(
        &self,
        number: u64,
        keys: Vec<ObjectKey>,
        (after, seen, total): (String, u64, u64),
    ) -> Result<()> {
        self.write("make objects due again", move |transaction, now| {
            let Some(open) = open(transaction)?.into_iter().find(|it| it.number == number) else {
                return Ok(());
            };
            let channel = ChannelId::from(open.asked.channel.as_str());
            let mut again = open.again;
            for key in keys {
                let link = objects::link(transaction, &channel, &key)?;
                if link.is_some_and(|it| it.wanted.is_some() && it.state.is_held_above()) {
                    objects::transition(transaction, &channel, &key, LinkState::Stale, None, now)?;
                    again += 1;
                }
            }
            transaction
                .execute(
                    "UPDATE job SET cursor = ?2, done = ?3, total = ?4, result = ?5
                     WHERE number = ?1",
                    params![
                        number.cast_signed(),
                        after,
                        seen.cast_signed(),
                        total.cast_signed(),
                        again.to_string()
                    ],
                )
                .map(drop)
                .map_err(Error::engine("advance a cut-over"))
        })
        .await
    }

    /// A cut-over is over: done with what came of it, or failed and why.
    pub async fn cut_over_ended(
        &self,
        number: u64,
        result: std::result::Result<String, String>,
    ) -> Result<()> {
        self.write("end a cut-over", move |transaction, now| {
            let (state, said) = match &result {
                Ok(said) => ("done", said),
                Err(why) => ("failed", why),
            };
            let changed = transaction
                .execute(
                    "UPDATE job SET state = ?2, result = ?3, finished_at = ?4
                     WHERE number = ?1 AND state = 'running'",
                    params![number.cast_signed(), state, said, stored(now)],
                )
                .map_err(Error::engine("end a cut-over"))?;
            if changed > 0 && result.is_ok() {
                noted(transaction, number, JobAct::Completed, now)?;
            }
            Ok(())
        })
        .await
    }

    /// The standards that cut-overs put in force and no file has taken over yet.
    pub async fn activations(&self) -> Result<Vec<Activation>> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT one.channel, one.id, other.id FROM standard_use AS one
                     JOIN standard_use AS other USING (channel, scope)
                     WHERE one.state = 'activated' AND other.state = 'written' AND scope = '*'
                     ORDER BY one.channel",
                )
                .and_then(|mut statement| {
                    let rows = statement.query_map([], |row| {
                        Ok(Activation {
                            channel: row.get::<_, String>(0)?.into(),
                            standard: row.get::<_, String>(1)?.into(),
                            written: row.get(2)?,
                        })
                    })?;
                    rows.collect()
                })
                .map_err(Error::engine("read activations"))
        })
        .await
    }

    /// The file was edited: it says which standard a channel speaks.
    pub async fn activation_over(&self, channel: ChannelId) -> Result<()> {
        self.write("follow the file again", move |transaction, _now| {
            forget_activation(transaction, &channel)
        })
        .await
    }

    /// The standard that was in force on a channel before the present one.
    pub async fn standard_before(&self, channel: ChannelId) -> Result<Option<StandardId>> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT id FROM standard_use WHERE channel = ?1 AND scope = '*'
                     AND state = 'before'",
                    [channel.as_str()],
                    |row| row.get::<_, String>(0),
                )
                .optional()
                .map(|found| found.map(StandardId::from))
                .map_err(Error::engine("read the standard before"))
        })
        .await
    }

    /// Rows and objects that a channel delivered under a standard, as far as batches are kept:
    /// what stays above when it is left.
    pub async fn delivered_under(
        &self,
        channel: ChannelId,
        standard: StandardId,
    ) -> Result<(u64, u64)> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT coalesce(sum(CASE WHEN subject_kind = 'rows' THEN rows END), 0),
                        count(DISTINCT CASE WHEN operation LIKE '%.register' THEN subject END)
                     FROM batch WHERE channel = ?1 AND standard = ?2 AND state = 'settled'",
                    params![channel.as_str(), standard.as_str()],
                    |row| {
                        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
                        Ok((count(0)?, count(1)?))
                    },
                )
                .map_err(Error::engine("count what was delivered"))
        })
        .await
    }
}

/// A cut-over whose standard is left again before everything was sent again.
fn overtaken(transaction: &Transaction<'_>, number: u64, now: Timestamp) -> Result<()> {
    transaction
        .execute(
            "UPDATE job SET state = 'cancelled', result = 'overtaken by a rollback',
                finished_at = ?2 WHERE number = ?1",
            params![number.cast_signed(), stored(now)],
        )
        .map_err(Error::engine("end a cut-over"))?;
    noted(transaction, number, JobAct::Cancelled, now)
}

fn open(connection: &Connection) -> Result<Vec<OpenCutOver>> {
    let engine = || Error::engine("read cut-overs");
    let mut statement = connection
        .prepare_cached(
            "SELECT number, request, cursor, result FROM job
             WHERE kind = ?1 AND state = 'running' ORDER BY number",
        )
        .map_err(engine())?;
    let mut rows = statement.query([CUT_OVER]).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        let request: String = row.get(1).map_err(engine())?;
        let asked = serde_json::from_str(&request)
            .map_err(|_malformed| Error::Unreadable { what: "cut-over" })?;
        let again: Option<String> = row.get(3).map_err(engine())?;
        found.push(OpenCutOver {
            number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
            asked,
            after: row.get(2).map_err(engine())?,
            again: again.and_then(|text| text.parse().ok()).unwrap_or_default(),
        });
    }
    Ok(found)
}

/// At the next start this wins over the file, unless the file says so itself.
fn activated(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    standard: &StandardId,
    written: &str,
    now: Timestamp,
) -> Result<()> {
    forget_activation(transaction, channel)?;
    if standard.as_str() == written {
        return Ok(());
    }
    for (state, id) in [("activated", standard.as_str()), ("written", written)] {
        transaction
            .execute(
                "INSERT INTO standard_use (channel, scope, state, id, digest, since)
                 VALUES (?1, '*', ?2, ?3, x'', ?4)",
                params![channel.as_str(), state, id, stored(now)],
            )
            .map_err(Error::engine("record an activation"))?;
    }
    Ok(())
}

fn forget_activation(transaction: &Transaction<'_>, channel: &ChannelId) -> Result<()> {
    transaction
        .execute(
            "DELETE FROM standard_use WHERE channel = ?1 AND state IN ('activated', 'written')",
            [channel.as_str()],
        )
        .map(drop)
        .map_err(Error::engine("forget an activation"))
}
