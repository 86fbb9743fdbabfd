//! The mending list: what the province found, until it is mended and proven.
//!
//! A fault opens a case ([`Kind::CaseOpened`]) and closes it ([`Kind::CaseClosed`]) in the
//! transaction that changes it, so that the list and the score cannot disagree. What the province
//! wrote is sealed; the number on the list, the department, the object and the deadline are not.

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{Error, Ledger, Result, history, instant, stored};
use crate::delivery::LinkState;
use crate::fact::Kind;

/// How far a fault is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MendState {
    /// Nobody has proven anything.
    Open,
    /// A proof is attached; nobody has closed it.
    Proven,
    /// Closed, with a proof.
    Closed,
}

impl MendState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Open, Self::Proven, Self::Closed];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proven => "proven",
            Self::Closed => "closed",
        }
    }

    /// The inverse of [`MendState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A fault to be kept.
#[derive(Clone, Debug)]
pub struct NewMending {
    /// The list.
    pub list: String,
    /// Its number on the list.
    pub number: String,
    /// The department that has to mend it.
    pub owner: String,
    /// The entry, resource or dataset that it is about; empty where it is about none.
    pub object: String,
    /// When the province told it.
    pub told: Timestamp,
    /// By when it has to be mended.
    pub deadline: Timestamp,
    /// The whole row, sealed.
    pub body: Vec<u8>,
}

/// A fault that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mending {
    /// The list.
    pub list: String,
    /// Its number on the list.
    pub number: String,
    /// The department that has to mend it.
    pub owner: String,
    /// What it is about.
    pub object: String,
    /// By when.
    pub deadline: Timestamp,
    /// How far it is.
    pub state: MendState,
    /// What proves it: a name, `sha256:` and the digest; empty while nothing does.
    pub proof: String,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// The whole row, sealed.
    pub body: Vec<u8>,
}

/// What became of a list that was brought in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Brought {
    /// Faults that were not known.
    pub added: u64,
    /// Faults with another department or deadline than was known.
    pub changed: u64,
    /// Faults that were known so.
    pub unchanged: u64,
}

/// What the machine sees of a fault's object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It is about nothing that the ledger knows.
    Nothing,
    /// Nothing speaks against its being mended.
    Mended,
    /// The object does not stand above.
    NotAbove,
    /// Rows of the dataset are set aside.
    Rejects(u64),
    /// A deadline of the dataset passed, and nothing newer was confirmed.
    Overdue,
}

/// What became of a closing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// It is closed now.
    Closed,
    /// It was closed before.
    Before,
    /// There is no such fault.
    Unknown,
    /// Nothing proves it.
    NoProof,
    /// The machine sees that it is not mended.
    NotMended(Seen),
}

impl Ledger {
    /// The province's list was brought in. A fault that was closed stays closed.
    pub async fn mendings_brought(&self, faults: Vec<NewMending>) -> Result<Brought> {
        self.write("bring in a mending list", move |transaction, now| {
            let mut brought = Brought::default();
            for fault in &faults {
                match find(transaction, &fault.list, &fault.number)? {
                    None => {
                        insert(transaction, fault, now)?;
                        opened(transaction, fault, now)?;
                        brought.added += 1;
                    }
                    Some(known)
                        if known.state != MendState::Closed
                            && (known.owner != fault.owner || known.deadline != fault.deadline) =>
                    {
                        update(transaction, fault)?;
                        opened(transaction, fault, now)?;
                        brought.changed += 1;
                    }
                    Some(_) => brought.unchanged += 1,
                }
            }
            Ok(brought)
        })
        .await
    }

    /// A fault is another department's, or has another deadline. False where there is no such open
    /// fault.
    pub async fn mending_assigned(&self, fault: NewMending) -> Result<bool> {
        self.write("assign a fault", move |transaction, now| {
            let known = find(transaction, &fault.list, &fault.number)?;
            if known.is_none_or(|known| known.state == MendState::Closed) {
                return Ok(false);
            }
            update(transaction, &fault)?;
            opened(transaction, &fault, now)?;
            Ok(true)
        })
        .await
    }

    /// A proof is attached. False where there is no such open fault.
    pub async fn mending_proven(
        &self,
        list: String,
        number: String,
        proof: String,
    ) -> Result<bool> {
        self.write("attach a proof", move |transaction, _now| {
            let changed = transaction
                .execute(
                    "UPDATE mending SET proof = ?3, state = 'proven'
                     WHERE list = ?1 AND number = ?2 AND state <> 'closed'",
                    params![list, number, proof],
                )
                .map_err(Error::engine("attach a proof"))?;
            Ok(changed > 0)
        })
        .await
    }

    /// Closes a fault that is proven and that nothing the ledger knows speaks against.
    pub async fn mending_closed(&self, list: String, number: String) -> Result<Closing> {
        self.write("close a fault", move |transaction, now| {
            let Some(fault) = find(transaction, &list, &number)? else {
                return Ok(Closing::Unknown);
            };
            match fault.state {
                MendState::Closed => return Ok(Closing::Before),
                MendState::Open => return Ok(Closing::NoProof),
                MendState::Proven => {}
            }
            match seen(transaction, &fault.object)? {
                Seen::Nothing | Seen::Mended => {}
                speaks @ (Seen::NotAbove | Seen::Rejects(_) | Seen::Overdue) => {
                    return Ok(Closing::NotMended(speaks));
                }
            }
            transaction
                .execute(
                    "UPDATE mending SET state = 'closed', closed_at = ?3
                     WHERE list = ?1 AND number = ?2",
                    params![list, number, stored(now)],
                )
                .map_err(Error::engine("close a fault"))?;
            let kind = Kind::CaseClosed { list, proof: fault.proof };
            history::record(transaction, None, &number, kind, now)?;
            Ok(Closing::Closed)
        })
        .await
    }

    /// One fault.
    pub async fn mending(&self, list: String, number: String) -> Result<Option<Mending>> {
        self.read(move |connection| find(connection, &list, &number)).await
    }

    /// Faults of a list in the order they came, each with what the machine sees of its object:
    /// those in `state` or all, of `owner` or of everybody, after the place `after`, at most `limit`;
    /// and how many of them there are.
    pub async fn mendings(
        &self,
        list: String,
        (state, owner): (Option<MendState>, Option<String>),
        after: u64,
        limit: u32,
    ) -> Result<(Vec<(u64, Mending, Seen)>, u64)> {
        self.read(move |connection| {
            let engine = || Error::engine("read the mending list");
            let state = state.map(MendState::as_str);
            let mut statement = connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE list = ?1 AND (?2 IS NULL OR state = ?2)
                       AND (?3 IS NULL OR owner = ?3) AND rowid > ?4
                     ORDER BY rowid LIMIT ?5"
                ))
                .map_err(engine())?;
            let mut rows = statement
                .query(params![list, state, owner, after.cast_signed(), limit])
                .map_err(engine())?;
            let mut faults = Vec::new();
            while let Some(row) = rows.next().map_err(engine())? {
                let at: i64 = row.get(0).map_err(engine())?;
                let fault = fault_of(row)?;
                let seen = seen(connection, &fault.object)?;
                faults.push((at.cast_unsigned(), fault, seen));
            }
            let total: i64 = connection
                .query_row(
                    "SELECT count(*) FROM mending WHERE list = ?1 AND (?2 IS NULL OR state = ?2)
                       AND (?3 IS NULL OR owner = ?3)",
                    params![list, state, owner],
                    |row| row.get(0),
                )
                .map_err(engine())?;
            Ok((faults, total.cast_unsigned()))
        })
        .await
    }
}

const COLUMNS: &str =
    "SELECT rowid, list, number, owner, object, deadline, state, proof, closed_at,
    body FROM mending";

fn find(connection: &Connection, list: &str, number: &str) -> Result<Option<Mending>> {
    let engine = || Error::engine("find a fault");
    let mut statement = connection
        .prepare_cached(&format!("{COLUMNS} WHERE list = ?1 AND number = ?2"))
        .map_err(engine())?;
    let mut rows = statement.query(params![list, number]).map_err(engine())?;
    rows.next().map_err(engine())?.map(fault_of).transpose()
}

fn fault_of(row: &Row<'_>) -> Result<Mending> {
    let engine = || Error::engine("read a fault");
    let text = |at: usize| row.get::<_, String>(at).map_err(engine());
    let state =
        MendState::parse(&text(6)?).ok_or(Error::Unreadable { what: "state of a fault" })?;
    let closed: Option<i64> = row.get(8).map_err(engine())?;
    Ok(Mending {
        list: text(1)?,
        number: text(2)?,
        owner: text(3)?,
        object: text(4)?,
        deadline: instant(row.get(5).map_err(engine())?)?,
        state,
        proof: text(7)?,
        closed: closed.map(instant).transpose()?,
        body: row.get(9).map_err(engine())?,
    })
}

fn insert(transaction: &Transaction<'_>, fault: &NewMending, now: Timestamp) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO mending (list, number, owner, object, deadline, state, proof, brought_at,
                body) VALUES (?1, ?2, ?3, ?4, ?5, 'open', '', ?6, ?7)",
            params![
                fault.list,
                fault.number,
                fault.owner,
                fault.object,
                stored(fault.deadline),
                stored(now),
                fault.body
            ],
        )
        .map_err(Error::engine("keep a fault"))?;
    Ok(())
}

fn update(transaction: &Transaction<'_>, fault: &NewMending) -> Result<()> {
    transaction
        .execute(
            "UPDATE mending SET owner = ?3, object = ?4, deadline = ?5, body = ?6
             WHERE list = ?1 AND number = ?2",
            params![
                fault.list,
                fault.number,
                fault.owner,
                fault.object,
                stored(fault.deadline),
                fault.body
            ],
        )
        .map_err(Error::engine("change a fault"))?;
    Ok(())
}

/// The case begins when the province told it: no later than now, and no later than its deadline.
fn opened(transaction: &Transaction<'_>, fault: &NewMending, now: Timestamp) -> Result<()> {
    let (list, owner) = (fault.list.clone(), fault.owner.clone());
    let kind = Kind::CaseOpened { list, owner, deadline: fault.deadline };
    let told = fault.told.min(now);
    history::record_at(transaction, (None, &fault.number), kind, told, now)
}

/// What the ledger knows of an entry, a resource or a dataset of that name.
fn seen(connection: &Connection, object: &str) -> Result<Seen> {
    let engine = || Error::engine("look at a fault's object");
    if object.is_empty() {
        return Ok(Seen::Nothing);
    }
    let mut statement = connection
        .prepare_cached("SELECT state FROM link WHERE id = ?1 AND kind IN ('entry', 'resource')")
        .map_err(engine())?;
    let mut states = statement.query([object]).map_err(engine())?;
    let mut links = 0_u32;
    let mut is_above = false;
    while let Some(row) = states.next().map_err(engine())? {
        links += 1;
        let state: String = row.get(0).map_err(engine())?;
        is_above |= LinkState::parse(&state).is_some_and(LinkState::is_held_above);
    }
    if links > 0 && !is_above {
        return Ok(Seen::NotAbove);
    }
    let rows = seen_of_rows(connection, object)?;
    Ok(if links > 0 && rows == Seen::Nothing { Seen::Mended } else { rows })
}

/// What the ledger knows of the rows of a dataset, of a resource's, or of those below an entry.
fn seen_of_rows(connection: &Connection, object: &str) -> Result<Seen> {
    let engine = || Error::engine("look at a fault's object");
    let (known, overdue): (i64, i64) = connection
        .prepare_cached(&format!(
            "SELECT count(*), count(overdue_since) FROM dataset WHERE dataset IN ({DATASETS_OF})"
        ))
        .and_then(|mut statement| {
            statement.query_row([object], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .map_err(engine())?;
    if known == 0 {
        return Ok(Seen::Nothing);
    }
    let rejects: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM reject WHERE dataset IN ({DATASETS_OF}) AND state = 'open'"
        ))
        .and_then(|mut statement| statement.query_row([object], |row| row.get(0)))
        .map_err(engine())?;
    Ok(match (rejects, overdue) {
        (0, 0) => Seen::Mended,
        (0, _) => Seen::Overdue,
        (rejects, _) => Seen::Rejects(rejects.cast_unsigned()),
    })
}

/// The dataset of that name, a resource's, or those of an entry's resources.
const DATASETS_OF: &str = "SELECT ?1
    UNION SELECT json_extract(content, '$.content.dataset') FROM object
    WHERE kind = 'resource' AND id = ?1 AND present = 1
    UNION SELECT json_extract(content, '$.content.dataset') FROM object
    WHERE kind = 'resource' AND present = 1 AND json_extract(content, '$.content.entry') = ?1";
