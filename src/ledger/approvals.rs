//! What one person asked for and another has to approve of: durable, bounded, each done once.
//!
//! `pending → approved → done` or `failed`; aside: `declined`, `expired`. Every step is one
//! transaction that looks at the state it leaves, so that of two who decide one is first, and
//! nobody decides on what they asked for themselves. What was approved and not done when the
//! process ended is done after the next start.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::acts::{self, Actor, LEAST_DAYS, NewAct};
use super::{Error, Ledger, Result, instant, stored};
use crate::delivery::DigestSha256;

/// Waiting at once.
const MOST_PENDING: i64 = 100;

/// Where it stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ApprovalState {
    /// Nobody has decided.
    Pending,
    /// It is to be done, or to be looked at by whoever asked.
    Approved,
    /// Somebody said no.
    Declined,
    /// Nobody decided, or looked, in time.
    Expired,
    /// It was done.
    Done,
    /// It could not be done any more.
    Failed,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Approved, Self::Declined, Self::Expired, Self::Done, Self::Failed];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`ApprovalState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Something to be approved of that is not recorded yet.
#[derive(Clone, Debug)]
pub struct NewApproval {
    /// A word of what takes two people.
    pub guard: String,
    /// The request's name.
    pub name: String,
    /// On what, without content.
    pub detail: String,
    /// What was asked, as JSON.
    pub request: String,
    /// What else it must still be when it is done: a standard's digest.
    pub bound: String,
    /// Who asked.
    pub actor: Actor,
    /// The user's name then.
    pub person: String,
    /// How long it may be waited for.
    pub lifetime: SignedDuration,
}

impl NewApproval {
    /// The digest of what is asked.
    pub fn digest(&self) -> DigestSha256 {
        digest(&self.guard, &self.request, &self.bound)
    }
}

/// Something that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// Its number.
    pub number: u64,
    /// A word of what takes two people.
    pub guard: String,
    /// The request's name.
    pub name: String,
    /// On what, without content.
    pub detail: String,
    /// What was asked, as JSON.
    pub request: String,
    /// What else it must still be when it is done.
    pub bound: String,
    /// The digest of what was asked.
    pub digest: DigestSha256,
    /// Who asked.
    pub actor: Actor,
    /// The user's name then.
    pub person: String,
    /// When.
    pub asked_at: Timestamp,
    /// Until when it can be approved of and, where that is the asker's, looked at.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who decided.
    pub decided_uid: Option<u32>,
    /// The user's name then.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<String>,
}

impl Approval {
    /// What is stored is what was asked.
    pub fn is_as_asked(&self) -> bool {
        digest(&self.guard, &self.request, &self.bound) == self.digest
    }
}

/// What became of a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decided {
    /// It stands so now.
    Now(Box<Approval>),
    /// There is no such request.
    NoSuch,
    /// It was decided or is over.
    Over(ApprovalState),
    /// Whoever decides asked for it.
    Own,
}

fn digest(guard: &str, request: &str, bound: &str) -> DigestSha256 {
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
    DigestSha256::of_parts([
        b"approval-1".as_slice(),
        &length(guard),
        guard.as_bytes(),
        &length(request),
        request.as_bytes(),
        bound.as_bytes(),
    ])
}

impl Ledger {
    /// Somebody asks. The same by the same user gives what waits already, and `false`; `None`:
    /// too much waits.
    pub async fn approval_asked(&self, new: NewApproval) -> Result<Option<(Approval, bool)>> {
        self.write("ask for an approval", move |transaction, now| {
            expire(transaction, now)?;
            asked(transaction, &new, now)
        })
        .await
    }

    /// What waits, or everything, newest first.
    pub async fn approvals(&self, all: bool, limit: u32) -> Result<Vec<Approval>> {
        self.read(move |connection| {
            let which = if all { "" } else { "WHERE state IN ('pending', 'approved')" };
            many(connection, &format!("{APPROVAL} {which} ORDER BY number DESC LIMIT ?1"), [limit])
        })
        .await
    }

    /// Somebody says yes or no.
    pub async fn approval_decided(
        &self,
        number: u64,
        (actor, person): (Actor, String),
        yes: bool,
    ) -> Result<Decided> {
        self.write("decide on an approval", move |transaction, now| {
            expire(transaction, now)?;
            let Some(found) = one(transaction, number)? else { return Ok(Decided::NoSuch) };
            if found.state != ApprovalState::Pending {
                return Ok(Decided::Over(found.state));
            }
            // Nobody knows whom the daemon itself asked for.
            if found.actor.uid.is_some() && found.actor.uid == actor.uid {
                return Ok(Decided::Own);
            }
            let state = if yes { ApprovalState::Approved } else { ApprovalState::Declined };
            transaction
                .execute(
                    "UPDATE approval SET state = ?2, decided_uid = ?3, decided_by = ?4,
                        decided_at = ?5 WHERE number = ?1",
                    params![number.cast_signed(), state.as_str(), actor.uid, person, stored(now)],
                )
                .map_err(Error::engine("decide on an approval"))?;
            let found = one(transaction, number)?;
            Ok(found.map_or(Decided::NoSuch, |it| Decided::Now(Box::new(it))))
        })
        .await
    }

    /// What was approved was done, or could not be. False where that was known already.
    pub async fn approval_ended(&self, number: u64, done: bool, outcome: String) -> Result<bool> {
        self.write("end an approval", move |transaction, _now| {
            ended(transaction, number, done, &outcome)
        })
        .await
    }

    /// Lines that were approved of count from now on.
    pub async fn lines_approved(&self, number: u64, lines: Vec<DigestSha256>) -> Result<()> {
        self.write("approve of lines", move |transaction, _now| {
            for line in lines {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO approved_line VALUES (?1, ?2)")
                    .and_then(|mut statement| {
                        statement.execute(params![line.0, number.cast_signed()])
                    })
                    .map_err(Error::engine("approve of lines"))?;
            }
            ended(transaction, number, true, "done").map(drop)
        })
        .await
    }

    /// Which of these lines nobody approved of.
    pub async fn lines_unapproved(&self, lines: Vec<DigestSha256>) -> Result<Vec<DigestSha256>> {
        self.read(move |connection| {
            let mut missing = Vec::new();
            for line in lines {
                let known = connection
                    .prepare_cached("SELECT 1 FROM approved_line WHERE digest = ?1")
                    .and_then(|mut statement| statement.exists([line.0]))
                    .map_err(Error::engine("look for approved lines"))?;
                if !known {
                    missing.push(line);
                }
            }
            Ok(missing)
        })
        .await
    }

    /// Whoever asked looks at what they may look at once: the approval's number, or nothing where
    /// nobody approved. A page after the first is asked for by the cursor that the one before
    /// ended with.
    pub async fn approval_used(
        &self,
        digest: DigestSha256,
        uid: u32,
        after: Option<String>,
    ) -> Result<Option<u64>> {
        self.write("use an approval", move |transaction, now| {
            expire(transaction, now)?;
            let changed: Option<i64> = transaction
                .query_row(
                    "UPDATE approval SET state = 'done', cursor = NULL, outcome = 'looked at'
                     WHERE number = (SELECT number FROM approval
                        WHERE digest = ?1 AND uid = ?2 AND expires_at > ?3 AND
                            ((?4 IS NULL AND state = 'approved')
                             OR (state = 'done' AND cursor = ?4))
                        ORDER BY number LIMIT 1)
                     RETURNING number",
                    params![digest.0, uid, stored(now), after],
                    |row| row.get(0),
                )
                .optional()
                .map_err(Error::engine("use an approval"))?;
            Ok(changed.map(i64::cast_unsigned))
        })
        .await
    }

    /// The page that may be asked for next.
    pub async fn approval_paged(&self, number: u64, next: Option<String>) -> Result<()> {
        self.write("note the next page of an approval", move |transaction, _now| {
            transaction
                .execute(
                    "UPDATE approval SET cursor = ?2 WHERE number = ?1",
                    params![number.cast_signed(), next],
                )
                .map(drop)
                .map_err(Error::engine("note the next page of an approval"))
        })
        .await
    }

    /// What was approved and waits to be done by the daemon, oldest first; what nobody decided on
    /// in time is over.
    pub async fn approvals_to_do(&self) -> Result<Vec<Approval>> {
        self.write("look at approvals", move |transaction, now| {
            expire(transaction, now)?;
            many(
                transaction,
                &format!(
                    "{APPROVAL} WHERE state = 'approved' AND guard <> 'originals' ORDER BY number"
                ),
                [],
            )
        })
        .await
    }
}

fn asked(
    transaction: &Transaction<'_>,
    new: &NewApproval,
    now: Timestamp,
) -> Result<Option<(Approval, bool)>> {
    let engine = || Error::engine("ask for an approval");
    let digest = new.digest();
    let known: Option<i64> = transaction
        .query_row(
            "SELECT number FROM approval WHERE digest = ?1 AND uid IS ?2
             AND state IN ('pending', 'approved')",
            params![digest.0, new.actor.uid],
            |row| row.get(0),
        )
        .optional()
        .map_err(engine())?;
    if let Some(number) = known {
        return Ok(one(transaction, number.cast_unsigned())?.map(|it| (it, false)));
    }
    let pending: i64 = transaction
        .query_row("SELECT count(*) FROM approval WHERE state = 'pending'", [], |row| row.get(0))
        .map_err(engine())?;
    if pending >= MOST_PENDING {
        return Ok(None);
    }
    let expires_at = now.saturating_add(new.lifetime).unwrap_or(Timestamp::MAX);
    transaction
        .execute(
            "INSERT INTO approval (guard, name, detail, request, bound, digest, uid, gid, pid,
                                   person, asked_at, expires_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'pending')",
            params![
                new.guard,
                new.name,
                new.detail,
                new.request,
                new.bound,
                digest.0,
                new.actor.uid,
                new.actor.gid,
                new.actor.pid,
                new.person,
                stored(now),
                stored(expires_at)
            ],
        )
        .map_err(engine())?;
    let number = transaction.last_insert_rowid().cast_unsigned();
    Ok(one(transaction, number)?.map(|it| (it, true)))
}

fn ended(transaction: &Transaction<'_>, number: u64, done: bool, outcome: &str) -> Result<bool> {
    let state = if done { ApprovalState::Done } else { ApprovalState::Failed };
    transaction
        .execute(
            "UPDATE approval SET state = ?2, outcome = ?3 WHERE number = ?1 AND state = 'approved'",
            params![number.cast_signed(), state.as_str(), outcome],
        )
        .map(|changed| changed > 0)
        .map_err(Error::engine("end an approval"))
}

/// What nobody decided on in time is over, and so is what nobody looked at; both are acts of the
/// daemon. What the daemon itself has to do was decided on in time. The oldest that are over go.
fn expire(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let over = many(
        transaction,
        &format!(
            "{APPROVAL} WHERE expires_at <= ?1 AND (state = 'pending'
                OR (state = 'approved' AND guard = 'originals')) ORDER BY number"
        ),
        [stored(now)],
    )?;
    for it in over {
        transaction
            .execute(
                "UPDATE approval SET state = 'expired' WHERE number = ?1",
                [it.number.cast_signed()],
            )
            .map_err(Error::engine("end an approval"))?;
        let act = NewAct {
            name: "approval_expired".to_owned(),
            detail: format!("approval {}: {} {}", it.number, it.name, it.detail),
            outcome: Some("expired".to_owned()),
            ..NewAct::default()
        };
        acts::add(transaction, &act, None, now)?;
    }
    let age = SignedDuration::from_hours(24 * i64::from(LEAST_DAYS));
    let old = now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    transaction
        .execute(
            "DELETE FROM approval WHERE asked_at < ?1 AND state NOT IN ('pending', 'approved')",
            [stored(old)],
        )
        .map(drop)
        .map_err(Error::engine("let go of approvals"))
}

const APPROVAL: &str = "SELECT number, guard, name, detail, request, bound, digest, uid, gid, pid,
    person, asked_at, expires_at, state, decided_uid, decided_by, decided_at, outcome
    FROM approval";

fn one(connection: &Connection, number: u64) -> Result<Option<Approval>> {
    let found = many(connection, &format!("{APPROVAL} WHERE number = ?1"), [number.cast_signed()])?;
    Ok(found.into_iter().next())
}

fn many(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Approval>> {
    let engine = || Error::engine("read approvals");
    let mut statement = connection.prepare_cached(statement).map_err(engine())?;
    let mut rows = statement.query(values).map_err(engine())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine())? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Approval> {
    let engine = || Error::engine("read an approval");
    let text = |at: usize| row.get::<_, String>(at).map_err(engine());
    let at = |at: usize| instant(row.get(at).map_err(engine())?);
    let state = ApprovalState::parse(&text(13)?);
    let decided_at: Option<i64> = row.get(16).map_err(engine())?;
    Ok(Approval {
        number: row.get::<_, i64>(0).map_err(engine())?.cast_unsigned(),
        guard: text(1)?,
        name: text(2)?,
        detail: text(3)?,
        request: text(4)?,
        bound: text(5)?,
        digest: DigestSha256(row.get(6).map_err(engine())?),
        actor: Actor {
            uid: row.get(7).map_err(engine())?,
            gid: row.get(8).map_err(engine())?,
            pid: row.get(9).map_err(engine())?,
        },
        person: text(10)?,
        asked_at: at(11)?,
        expires_at: at(12)?,
        state: state.ok_or(Error::Unreadable { what: "state of an approval" })?,
        decided_uid: row.get(14).map_err(engine())?,
        decided_by: row.get(15).map_err(engine())?,
        decided_at: decided_at.map(instant).transpose()?,
        outcome: row.get(17).map_err(engine())?,
    })
}
