//! Further channels that carry the same under a candidate for a time: a parallel period.
//!
//! Links, batches and confirmations belong to a channel, so that a further one keeps its
//! acknowledgements apart by itself. What is kept here is only that there is one, beside which
//! channel, and whether the other is retired.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{Error, Ledger, NewStandard, Result, stored};
use crate::delivery::{ChannelId, StandardId};

/// A further channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beside {
    /// The channel beside which it runs, as the file names it.
    pub origin: ChannelId,
    /// Its own name.
    pub channel: ChannelId,
    /// What is spoken on it.
    pub standard: StandardId,
    /// The other one is retired.
    pub is_alone: bool,
}

/// What a further channel has not brought above yet of what the other one has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Behind {
    /// Objects that the other side holds and this one does not, refused ones included.
    pub objects: u64,
    /// Datasets of which nothing was read to its end.
    pub datasets: u64,
    /// Batches packed within the period that have not reached their evidence.
    pub batches: u64,
}

impl Behind {
    /// Nothing is missing.
    pub fn is_nothing(&self) -> bool {
        self.objects + self.datasets + self.batches == 0
    }
}

/// What a cut-over changes in the ledger, in the same moment as the works.
#[derive(Clone, Debug)]
pub enum Crossing {
    /// Another standard is in force on a channel.
    Turned(NewStandard),
    /// A further channel runs beside one, until then.
    Begun(Beside, Timestamp),
    /// Its period is over: the channel beside which it ran is retired.
    Alone(ChannelId),
    /// It is given up, and the channel beside which it ran goes on by itself.
    GivenUp(ChannelId),
}

impl Ledger {
    /// A step of the cut-over `number`, whole. False, and nothing changed, where the job is not at
    /// this step: called off, overtaken, or taken already.
    pub async fn crossed(&self, number: u64, crossing: Crossing) -> Result<bool> {
        let begins = matches!(crossing, Crossing::Begun(..) | Crossing::GivenUp(_));
        if let Crossing::Turned(new) = crossing {
            return self.cut_over_made(number, new).await;
        }
        self.write("begin or end a parallel period", move |transaction, now| {
            let cursor = match &crossing {
                Crossing::Begun(_, until) => until.to_string(),
                Crossing::Turned(_) | Crossing::Alone(_) | Crossing::GivenUp(_) => String::new(),
            };
            let moved = transaction
                .execute(
                    "UPDATE job SET cursor = ?2 WHERE number = ?1 AND state = 'running'
                     AND (cursor IS NULL) = ?3 AND cursor IS NOT ''",
                    params![number.cast_signed(), cursor, begins],
                )
                .map_err(Error::engine("begin or end a parallel period"))?;
            if moved == 0 {
                return Ok(false);
            }
            match &crossing {
                Crossing::Begun(beside, _) => keep(transaction, beside, now)?,
                Crossing::Alone(origin) => retire(transaction, origin)?,
                Crossing::GivenUp(origin) => forget(transaction, origin)?,
                Crossing::Turned(_) => {}
            }
            Ok(true)
        })
        .await
    }

    /// Every further channel.
    pub async fn besides(&self) -> Result<Vec<Beside>> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT channel, scope, id, state = 'alone' FROM standard_use
                     WHERE state IN ('beside', 'alone') ORDER BY channel",
                )
                .and_then(|mut statement| {
                    let rows = statement.query_map([], |row| {
                        Ok(Beside {
                            origin: row.get::<_, String>(0)?.into(),
                            channel: row.get::<_, String>(1)?.into(),
                            standard: row.get::<_, String>(2)?.into(),
                            is_alone: row.get(3)?,
                        })
                    })?;
                    rows.collect()
                })
                .map_err(Error::engine("read further channels"))
        })
        .await
    }

    /// What a further channel lacks of what the one beside which it runs has brought above: it is
    /// not retired before.
    pub async fn behind(
        &self,
        (origin, further): (ChannelId, ChannelId),
        until: Timestamp,
    ) -> Result<Behind> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT
                        (SELECT count(*) FROM link AS old LEFT JOIN link AS new
                            ON new.channel = ?2 AND new.kind = old.kind AND new.id = old.id
                            WHERE old.channel = ?1 AND old.wanted IS NOT NULL
                            AND old.upper_id IS NOT NULL AND new.upper_id IS NULL),
                        (SELECT count(*) FROM dataset AS old
                            WHERE old.channel = ?1 AND old.confirmed + old.placed > 0
                            AND NOT EXISTS (SELECT 1 FROM progress AS new WHERE new.channel = ?2
                                AND new.dataset = old.dataset AND new.lane = 'backfill'
                                AND new.complete = 1)
                            AND NOT EXISTS (SELECT 1 FROM pass AS new WHERE new.channel = ?2
                                AND new.dataset = old.dataset AND new.state = 'done')),
                        (SELECT count(*) FROM batch WHERE channel = ?2 AND packed_at < ?3
                            AND state IN ('queued', 'in_flight', 'unknown', 'taken'))",
                    params![origin.as_str(), further.as_str(), stored(until)],
                    |row| {
                        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
                        Ok(Behind { objects: count(0)?, datasets: count(1)?, batches: count(2)? })
                    },
                )
                .map_err(Error::engine("compare a further channel"))
        })
        .await
    }

    /// A parallel period is over by the clock and goes on: why.
    pub async fn cut_over_waits(&self, number: u64, why: String) -> Result<()> {
        self.write("say why a cut-over waits", move |transaction, _now| {
            transaction
                .execute(
                    "UPDATE job SET result = ?2 WHERE number = ?1 AND state = 'running'",
                    params![number.cast_signed(), why],
                )
                .map(drop)
                .map_err(Error::engine("say why a cut-over waits"))
        })
        .await
    }

    /// The file names it, or no longer the channel beside which it ran: the file is followed.
    pub async fn beside_over(&self, origin: ChannelId) -> Result<()> {
        self.write("follow the file again", move |transaction, _now| forget(transaction, &origin))
            .await
    }
}

fn keep(transaction: &Transaction<'_>, beside: &Beside, now: Timestamp) -> Result<()> {
    forget(transaction, &beside.origin)?;
    let Beside { origin, channel, standard, is_alone: _ } = beside;
    transaction
        .execute(
            "INSERT INTO standard_use (channel, scope, state, id, digest, since)
             VALUES (?1, ?2, 'beside', ?3, x'', ?4)",
            params![origin.as_str(), channel.as_str(), standard.as_str(), stored(now)],
        )
        .map(drop)
        .map_err(Error::engine("record a further channel"))
}

fn retire(transaction: &Transaction<'_>, origin: &ChannelId) -> Result<()> {
    transaction
        .execute(
            "UPDATE standard_use SET state = 'alone' WHERE channel = ?1 AND state = 'beside'",
            [origin.as_str()],
        )
        .map(drop)
        .map_err(Error::engine("retire a channel"))
}

fn forget(transaction: &Transaction<'_>, origin: &ChannelId) -> Result<()> {
    transaction
        .execute(
            "DELETE FROM standard_use WHERE channel = ?1 AND state IN ('beside', 'alone')",
            [origin.as_str()],
        )
        .map(drop)
        .map_err(Error::engine("forget a further channel"))
}
