//! Rows turned away: listed, shown, mended, judged anew.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::rows::{Finding, Flow, NewReject, Owner};
use super::{Error, Ledger, Result, instant, stored};
use crate::delivery::{BatchId, RejectKind};
use crate::row::{KeyDigest, RowHash};

/// The rule of a row whose key was seen before in the same reading. A new version of the key does
/// not mend it: the other row still stands in the city's table.
pub const REPEATED_KEY: &str = "unique";

/// Where a reject stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RejectState {
    /// It waits for its owner.
    Open,
    /// A newer version of its key went on.
    Mended,
    /// It was judged anew and went on.
    Replayed,
    /// The province took its verdict back.
    Lifted,
    /// Its version is no longer in the city's table.
    Gone,
}

impl RejectState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Open, Self::Mended, Self::Replayed, Self::Lifted, Self::Gone];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mended => "mended",
            Self::Replayed => "replayed",
            Self::Lifted => "lifted",
            Self::Gone => "gone",
        }
    }

    /// The inverse of [`RejectState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A row turned away.
#[derive(Clone, Debug)]
pub struct Reject {
    /// Its number in the ledger.
    pub number: u64,
    /// Which dataset on which channel.
    pub flow: Flow,
    /// Who owns it.
    pub region: String,
    /// Who owns it.
    pub department: String,
    /// Its keyed digest.
    pub key: KeyDigest,
    /// Its content's keyed hash.
    pub row: RowHash,
    /// Who turned it away.
    pub kind: RejectKind,
    /// Why.
    pub findings: Vec<Finding>,
    /// The batch it was in, where it was sent.
    pub batch: Option<BatchId>,
    /// The row as it was, sealed: opening it is an act.
    pub original: Vec<u8>,
    /// Where it stands.
    pub state: RejectState,
    /// When it was turned away.
    pub at: Timestamp,
}

/// Which rejects to list.
#[derive(Clone, Debug, Default)]
pub struct RejectFilter {
    /// Only this dataset.
    pub dataset: Option<String>,
    /// Only this department.
    pub department: Option<String>,
    /// Only this rule or code.
    pub rule: Option<String>,
    /// Only this number and above: for reading in pages.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
}

impl Ledger {
    /// Open rejects that match, by number.
    pub async fn rejects(&self, filter: RejectFilter) -> Result<Vec<Reject>> {
        self.read(move |connection| {
            let engine = || Error::engine("read rejects");
            let mut statement = connection
                .prepare_cached(&format!(
                    "{REJECT} WHERE state = 'open' AND id > ?1 AND (?2 IS NULL OR dataset = ?2)
                     AND (?3 IS NULL OR department = ?3) AND (?4 IS NULL OR rule = ?4)
                     ORDER BY id LIMIT ?5"
                ))
                .map_err(engine())?;
            let mut rows = statement
                .query(params![
                    filter.after.cast_signed(),
                    filter.dataset,
                    filter.department,
                    filter.rule,
                    filter.limit
                ])
                .map_err(engine())?;
            let mut rejects = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                rejects.push(read_reject(row)?);
            }
            Ok(rejects)
        })
        .await
    }

    /// One reject, open or not.
    pub async fn reject(&self, number: u64) -> Result<Option<Reject>> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!("{REJECT} WHERE id = ?1"))
                .and_then(|mut statement| {
                    statement
                        .query_row([number.cast_signed()], |row| Ok(read_reject(row)))
                        .optional()
                })
                .map_err(Error::engine("read a reject"))?
                .transpose()
        })
        .await
    }

    /// Open rejects counted by dataset, kind and rule.
    pub async fn rejects_by_rule(&self) -> Result<Vec<(Flow, RejectKind, String, u64)>> {
        self.read(|connection| {
            let engine = || Error::engine("count rejects");
            let mut statement = connection
                .prepare_cached(
                    "SELECT channel, dataset, kind, rule, count(*) FROM reject
                     WHERE state = 'open' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
                )
                .map_err(engine())?;
            let mut rows = statement.query([]).map_err(engine())?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let kind: String = row.get(2).map_err(engine())?;
                counts.push((
                    Flow {
                        channel: row.get::<_, String>(0).map_err(engine())?.into(),
                        dataset: row.get(1).map_err(engine())?,
                    },
                    RejectKind::parse(&kind).ok_or(Error::Unreadable { what: "reject kind" })?,
                    row.get(3).map_err(engine())?,
                    row.get::<_, i64>(4).map_err(engine())?.cast_unsigned(),
                ));
            }
            Ok(counts)
        })
        .await
    }

    /// Which versions of `keys` stand rejected only because another row had their key.
    pub async fn repeated_rejects(
        &self,
        flow: Flow,
        keys: BTreeSet<KeyDigest>,
    ) -> Result<HashSet<(KeyDigest, RowHash)>> {
        self.read(move |connection| {
            let engine = || Error::engine("read repeated keys");
            let mut query = connection
                .prepare_cached(
                    "SELECT row FROM reject WHERE channel = ?1 AND dataset = ?2 AND key = ?3
                     AND rule = ?4 AND state = 'open'",
                )
                .map_err(engine())?;
            let mut repeats = HashSet::new();
            for key in keys {
                let channel = flow.channel.as_str();
                let mut rows = query
                    .query(params![channel, flow.dataset, key.0, REPEATED_KEY])
                    .map_err(engine())?;
                while let Some(row) = rows.next().map_err(engine())? {
                    let row: i64 = row.get(0).map_err(engine())?;
                    repeats.insert((key, RowHash(row.cast_unsigned())));
                }
            }
            Ok(repeats)
        })
        .await
    }

    /// A whole reading that began at `before` met only the versions in `standing`: what was turned
    /// away earlier and is not among them is gone. Returns how many.
    pub async fn rejects_gone(
        &self,
        flow: Flow,
        before: Timestamp,
        standing: HashSet<(KeyDigest, RowHash)>,
    ) -> Result<u64> {
        self.write("end rejects of rows that are gone", move |transaction, _now| {
            let engine = || Error::engine("end rejects of rows that are gone");
            let mut gone: Vec<i64> = Vec::new();
            {
                let mut query = transaction
                    .prepare_cached(
                        "SELECT id, key, row FROM reject WHERE channel = ?1 AND dataset = ?2
                         AND state = 'open' AND at < ?3",
                    )
                    .map_err(engine())?;
                let before = stored(before);
                let mut rows = query
                    .query(params![flow.channel.as_str(), flow.dataset, before])
                    .map_err(engine())?;
                while let Some(row) = rows.next().map_err(engine())? {
                    let key = KeyDigest(row.get(1).map_err(engine())?);
                    let version = RowHash(row.get::<_, i64>(2).map_err(engine())?.cast_unsigned());
                    if !standing.contains(&(key, version)) {
                        gone.push(row.get(0).map_err(engine())?);
                    }
                }
            }
            let mut end = transaction
                .prepare_cached("UPDATE reject SET state = 'gone' WHERE id = ?1")
                .map_err(engine())?;
            for id in &gone {
                end.execute([id]).map_err(engine())?;
            }
            Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
        })
        .await
    }

    /// Whether a dataset has open rejects under a rule.
    pub async fn has_rejects_under(&self, flow: Flow, rule: &'static str) -> Result<bool> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM reject WHERE channel = ?1 AND dataset = ?2
                     AND rule = ?3 AND state = 'open')",
                    params![flow.channel.as_str(), flow.dataset, rule],
                    |row| row.get(0),
                )
                .map_err(Error::engine("look for rejects under a rule"))
        })
        .await
    }

    /// Which of `keys` have a version that was turned away and stands: the versions.
    pub async fn known_rejects(
        &self,
        flow: Flow,
        keys: Vec<KeyDigest>,
    ) -> Result<Vec<(KeyDigest, RowHash)>> {
        self.read(move |connection| {
            // Few stand rejected, as a rule: all of them are read in less time than each key is
            // looked for.
            let limit = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            if let Some(all) = open_rejects(connection, &flow, limit)? {
                let asked: HashSet<KeyDigest> = keys.into_iter().collect();
                return Ok(all.into_iter().filter(|(key, _)| asked.contains(key)).collect());
            }
            let mut known = Vec::new();
            for key in keys {
                known_reject(connection, &flow, key, &mut known)?;
            }
            Ok(known)
        })
        .await
    }

    /// Keys of a batch that its province judged wrong: they are not held above.
    pub async fn failed_keys(&self, batch: BatchId) -> Result<Vec<KeyDigest>> {
        self.read(move |connection| failed_keys(connection, batch)).await
    }
}

/// All versions that stand rejected; `None` where they are more than `limit`.
fn open_rejects(
    connection: &Connection,
    flow: &Flow,
    limit: u32,
) -> Result<Option<Vec<(KeyDigest, RowHash)>>> {
    let engine = || Error::engine("look for rejects");
    let mut statement = connection
        .prepare_cached(
            "SELECT key, row FROM reject INDEXED BY reject_open
             WHERE channel = ?1 AND dataset = ?2 AND state = 'open' LIMIT ?3 + 1",
        )
        .map_err(engine())?;
    let mut rows =
        statement.query(params![flow.channel.as_str(), flow.dataset, limit]).map_err(engine())?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        let hash: i64 = row.get(1).map_err(engine())?;
        all.push((KeyDigest(row.get(0).map_err(engine())?), RowHash(hash.cast_unsigned())));
    }
    Ok((all.len() <= limit as usize).then_some(all))
}

fn known_reject(
    connection: &Connection,
    flow: &Flow,
    key: KeyDigest,
    known: &mut Vec<(KeyDigest, RowHash)>,
) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "SELECT row FROM reject WHERE channel = ?1 AND dataset = ?2 AND key = ?3
             AND state = 'open'",
        )
        .map_err(Error::engine("look up a reject"))?;
    let rows = statement
        .query_map(params![flow.channel.as_str(), flow.dataset, key.0], |row| row.get::<_, i64>(0))
        .map_err(Error::engine("look up a reject"))?;
    for row in rows {
        let row = row.map_err(Error::engine("look up a reject"))?;
        known.push((key, RowHash(row.cast_unsigned())));
    }
    Ok(())
}

fn failed_keys(connection: &Connection, batch: BatchId) -> Result<Vec<KeyDigest>> {
    let engine = || Error::engine("read failed keys");
    let mut statement = connection
        .prepare_cached(
            "SELECT key FROM verdict WHERE batch = ?1 AND standing IN ('failed', 'replayed')",
        )
        .map_err(engine())?;
    let mut rows = statement.query([batch.0]).map_err(engine())?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        keys.push(KeyDigest(row.get(0).map_err(engine())?));
    }
    Ok(keys)
}

/// Records a reject; false where the same version stands rejected already.
pub(super) fn insert_reject(
    transaction: &Transaction<'_>,
    flow: &Flow,
    owner: &Owner,
    reject: &NewReject,
    batch: Option<BatchId>,
    now: Timestamp,
) -> Result<bool> {
    let findings = serde_json::to_string(&reject.findings)
        .map_err(|_unserializable| Error::Unreadable { what: "findings" })?;
    let rule = reject.rule();
    let known: Option<String> = transaction
        .prepare_cached(
            "SELECT state FROM reject WHERE channel = ?1 AND dataset = ?2 AND key = ?3
             AND row = ?4 AND kind = ?5",
        )
        .and_then(|mut statement| {
            statement
                .query_row(
                    params![
                        flow.channel.as_str(),
                        flow.dataset,
                        reject.key.0,
                        reject.row.0.cast_signed(),
                        reject.kind.as_str()
                    ],
                    |row| row.get(0),
                )
                .optional()
        })
        .map_err(Error::engine("look up a reject"))?;
    if known.as_deref() == Some("open") {
        return Ok(false);
    }
    transaction
        .prepare_cached(
            "INSERT INTO reject (channel, dataset, region, department, key, row, kind, rule,
                findings, batch, original, state, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'open', ?12)
             ON CONFLICT (channel, dataset, key, row, kind) DO UPDATE SET rule = excluded.rule,
                findings = excluded.findings, batch = excluded.batch,
                original = excluded.original, state = 'open', at = excluded.at",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                flow.channel.as_str(),
                flow.dataset,
                owner.region,
                owner.department,
                reject.key.0,
                reject.row.0.cast_signed(),
                reject.kind.as_str(),
                rule,
                findings,
                batch.map(|batch| batch.0),
                reject.original,
                stored(now)
            ])
        })
        .map_err(Error::engine("record a reject"))?;
    Ok(true)
}

/// Marks rejects of keys that go on with another version.
pub(super) fn mended(
    transaction: &Transaction<'_>,
    flow: &Flow,
    keys: &[KeyDigest],
    replayed: &[(KeyDigest, RowHash)],
) -> Result<()> {
    let mut statement = transaction
        .prepare_cached(
            "UPDATE reject SET state = 'mended' WHERE channel = ?1 AND dataset = ?2 AND key = ?3
             AND state = 'open' AND rule <> ?4 AND row IS NOT ?5",
        )
        .map_err(Error::engine("mend rejects"))?;
    for key in keys {
        let same = replayed.iter().find(|(other, _)| other == key);
        statement
            .execute(params![
                flow.channel.as_str(),
                flow.dataset,
                key.0,
                REPEATED_KEY,
                same.map(|(_, row)| row.0.cast_signed())
            ])
            .map_err(Error::engine("mend rejects"))?;
    }
    Ok(())
}

/// Marks versions that stood rejected and go on now; returns who had turned each away. What the
/// province still says of the batch that carried one before no longer counts.
pub(super) fn replayed(
    transaction: &Transaction<'_>,
    flow: &Flow,
    versions: &[(KeyDigest, RowHash)],
) -> Result<Vec<RejectKind>> {
    let mut statement = transaction
        .prepare_cached(
            "UPDATE reject SET state = 'replayed' WHERE channel = ?1 AND dataset = ?2
             AND key = ?3 AND row = ?4 AND state = 'open' RETURNING kind, batch",
        )
        .map_err(Error::engine("replay rejects"))?;
    let mut settled = transaction
        .prepare_cached("UPDATE verdict SET standing = 'replayed' WHERE batch = ?1 AND key = ?2")
        .map_err(Error::engine("replay rejects"))?;
    let mut kinds = Vec::new();
    for (key, row) in versions {
        let mut rows = statement
            .query(params![flow.channel.as_str(), flow.dataset, key.0, row.0.cast_signed()])
            .map_err(Error::engine("replay rejects"))?;
        while let Some(row) = rows.next().map_err(Error::engine("replay rejects"))? {
            let kind: String = row.get(0).map_err(Error::engine("replay rejects"))?;
            kinds.push(RejectKind::parse(&kind).ok_or(Error::Unreadable { what: "reject kind" })?);
            let batch: Option<[u8; 16]> = row.get(1).map_err(Error::engine("replay rejects"))?;
            settled.execute(params![batch, key.0]).map_err(Error::engine("replay rejects"))?;
        }
    }
    Ok(kinds)
}

pub(super) const REJECT: &str = "SELECT id, channel, dataset, region, department, key, row, kind, findings, \
                      batch, original, state, at FROM reject";

pub(super) fn read_reject(row: &Row<'_>) -> Result<Reject> {
    let engine = || Error::engine("read a reject");
    let unreadable = |what| move || Error::Unreadable { what };
    let text = |index| row.get::<_, String>(index).map_err(engine());
    Ok(Reject {
        number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
        flow: Flow { channel: text(1)?.into(), dataset: text(2)? },
        region: text(3)?,
        department: text(4)?,
        key: KeyDigest(row.get(5).map_err(engine())?),
        row: RowHash(row.get::<_, i64>(6).map_err(engine())?.cast_unsigned()),
        kind: RejectKind::parse(&text(7)?).ok_or_else(unreadable("reject kind"))?,
        findings: serde_json::from_str(&text(8)?)
            .map_err(|_malformed| Error::Unreadable { what: "findings" })?,
        batch: row.get::<_, Option<[u8; 16]>>(9).map_err(engine())?.map(BatchId),
        original: row.get(10).map_err(engine())?,
        state: RejectState::parse(&text(11)?).ok_or_else(unreadable("reject state"))?,
        at: instant(row.get(12).map_err(engine())?)?,
    })
}
