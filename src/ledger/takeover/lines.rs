//! The lines of a takeover: written, read, and adopted one by one.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::super::{Error, Result, objects};
use super::TakeoverLine;
use crate::catalogue::ObjectKey;
use crate::delivery::{ChannelId, LinkState};
use crate::takeover::Registration;

/// Lines adopted in one transaction.
const CHUNK: u32 = 200;

pub(super) fn insert(transaction: &Transaction<'_>, number: u64, it: &Registration) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO takeover_line (job, kind, upper_id, code, title, origin)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (job, kind, upper_id) DO UPDATE SET
                code = CASE WHEN excluded.code = '' THEN code ELSE excluded.code END,
                title = CASE WHEN excluded.title = '' THEN title ELSE excluded.title END,
                origin = CASE WHEN instr(origin, excluded.origin) > 0 THEN origin
                         ELSE origin || '; ' || excluded.origin END",
        )
        .and_then(|mut statement| {
            let of =
                params![number.cast_signed(), it.kind, it.upper_id, it.code, it.title, it.origin];
            statement.execute(of)
        })
        .map(drop)
        .map_err(Error::engine("bring in lines of a takeover"))
}

const LINE: &str = "SELECT kind, upper_id, code, title, origin, fate, how, objects, is_said, said,
                    adopted FROM takeover_line WHERE job = ?1";

pub(super) fn lines(
    connection: &Connection,
    number: u64,
    page: Option<(Option<&str>, &(String, String))>,
    limit: u32,
) -> Result<Vec<TakeoverLine>> {
    let engine = || Error::engine("read lines of a takeover");
    let nothing = (String::new(), String::new());
    let (fate, after) = page.unwrap_or((None, &nothing));
    let mut statement = connection
        .prepare_cached(&format!(
            "{LINE} AND (?2 IS NULL OR fate = ?2) AND (kind, upper_id) > (?3, ?4)
             ORDER BY kind, upper_id LIMIT ?5"
        ))
        .map_err(engine())?;
    let mut rows = statement
        .query(params![number.cast_signed(), fate, after.0, after.1, i64::from(limit)])
        .map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        found.push(read_line(row)?);
    }
    Ok(found)
}

fn read_line(row: &rusqlite::Row<'_>) -> Result<TakeoverLine> {
    let engine = || Error::engine("read lines of a takeover");
    let text = |at| row.get::<_, String>(at).map_err(engine());
    let maybe = |at| row.get::<_, Option<String>>(at).map_err(engine());
    let is_said: bool = row.get(8).map_err(engine())?;
    let said = maybe(9)?;
    Ok(TakeoverLine {
        registration: Registration {
            kind: text(0)?,
            upper_id: text(1)?,
            code: text(2)?,
            title: text(3)?,
            origin: text(4)?,
        },
        fate: maybe(5)?,
        how: maybe(6)?,
        objects: serde_json::from_str(&text(7)?)
            .map_err(|_other_form| Error::Unreadable { what: "takeover" })?,
        said: is_said.then_some(said),
        adopted: maybe(10)?,
    })
}

pub(super) fn unadopted(transaction: &Transaction<'_>, number: u64) -> Result<Vec<TakeoverLine>> {
    let engine = || Error::engine("read lines of a takeover");
    let mut statement = transaction
        .prepare_cached(&format!(
            "{LINE} AND fate = 'matched' AND adopted IS NULL ORDER BY kind, upper_id LIMIT ?2"
        ))
        .map_err(engine())?;
    let mut rows =
        statement.query(params![number.cast_signed(), i64::from(CHUNK)]).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        found.push(read_line(row)?);
    }
    Ok(found)
}

/// The link of a line that matches gets the province's id, taken as it stands: a later change of
/// the object modifies it. What was done, in a word.
pub(super) fn adopt(
    transaction: &Transaction<'_>,
    channel: &ChannelId,
    line: &TakeoverLine,
    now: Timestamp,
) -> Result<&'static str> {
    let it = &line.registration;
    let (Some(kind), Some(id)) = (it.kind(), line.objects.first()) else { return Ok("no-object") };
    let key = ObjectKey { kind, id: id.clone() };
    let Some(link) = objects::link(transaction, channel, &key)? else { return Ok("no-object") };
    if let Some(known) = &link.upper_id {
        return Ok(if *known == it.upper_id { "known" } else { "other-id" });
    }
    match link.state {
        LinkState::Unmapped | LinkState::Unknown => {
            let code = format!("takeover-{}", line.how.as_deref().unwrap_or("said"));
            objects::transition(transaction, channel, &key, LinkState::Exists, Some(&code), now)?;
        }
        // It is on its way: its own answer says what stands above.
        LinkState::Queued | LinkState::Sent => return Ok("on-its-way"),
        // What was turned away keeps its state, and is modified once it is mended.
        LinkState::Accepted
        | LinkState::InReview
        | LinkState::Published
        | LinkState::Exists
        | LinkState::Refused
        | LinkState::Stale
        | LinkState::Orphan
        | LinkState::Withdrawn => {}
    }
    transaction
        .prepare_cached(
            "UPDATE link SET upper_id = ?4, sent = coalesce(sent, wanted), held = wanted,
                checked_at = NULL WHERE channel = ?1 AND kind = ?2 AND id = ?3",
        )
        .and_then(|mut statement| {
            let of = params![channel.as_str(), key.kind.as_str(), key.id, it.upper_id];
            statement.execute(of)
        })
        .map_err(Error::engine("adopt links"))?;
    Ok("adopted")
}
