//! Cases of the inbox: what lines of down-link tables say of requests and objections becomes facts,
//! each once.
//!
//! A line is judged under one declaration; another content or another declaration has it judged
//! again. What a line was taken for stands beside it, so that a second judgement that says the same
//! writes nothing, and one that says something else sets the first right with a trace. Numbers of
//! cases are keyed digests, as keys are.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::history::{NewFact, record_new};
use super::inbox::{JUDGE, LineJudged, judge};
use super::{Error, Ledger, Result, instant, stored};
use crate::delivery::{ChannelId, DigestSha256};
use crate::fact::{FactId, Kind};
use crate::row::KeyDigest;

/// What a line says of a case.
#[derive(Clone, Debug)]
pub struct CaseFound {
    /// The list.
    pub list: String,
    /// Keyed digest of the case's number.
    pub case: KeyDigest,
    /// When the province touched the row.
    pub operated: Timestamp,
    /// That it lies before the city: whose it is, since when, and by when it must be dealt with.
    pub opening: Option<(String, Timestamp, Timestamp)>,
    /// That it is closed, since when.
    pub closed: Option<Timestamp>,
    /// The entry that came to be used by it.
    pub used: Option<String>,
    /// What proves it: the channel, the table and the line; never content.
    pub proof: String,
}

/// What a line was taken for before.
#[derive(Default)]
struct Before {
    /// The fact that opened the case, with what it said.
    opened: Option<(String, Opened)>,
    closed: Option<(String, Timestamp)>,
}

type Opened = (String, Timestamp, Timestamp);

impl Ledger {
    /// Lines were judged under a declaration: what they say becomes facts in the same transaction.
    /// How many facts are new.
    pub async fn cases_judged(
        &self,
        channel: ChannelId,
        by: DigestSha256,
        judged: Vec<LineJudged<CaseFound>>,
    ) -> Result<u64> {
        self.write(JUDGE, move |transaction, now| {
            let mut new = 0_u64;
            for it in &judged {
                judge(transaction, it, by, |said| {
                    let line = Line { transaction, channel: &channel, line: it.line, now };
                    new = new.saturating_add(line.take(said)?);
                    Ok(())
                })?;
            }
            Ok(new)
        })
        .await
    }
}

/// A line that is taken for what it says.
struct Line<'t, 'c> {
    transaction: &'t Transaction<'c>,
    channel: &'t ChannelId,
    line: u64,
    now: Timestamp,
}

impl Line<'_, '_> {
    fn take(&self, said: &CaseFound) -> Result<u64> {
        let before = self.before()?;
        let (mut new, mut opened) = (0, before.opened.clone());
        if let Some(opening) = &said.opening {
            let is_known = before.opened.as_ref().is_some_and(|(_, known)| known == opening);
            let follows = before.opened.is_none() && self.follows(said, opening)?;
            if !is_known && !follows {
                // The first that is known of a case opens it when it was laid, a later one changes
                // it when the province did.
                let first = self.is_first(said)?;
                let occurred = if first { opening.1 } else { opening.1.max(said.operated) };
                let amends = before.opened.as_ref().and_then(|(id, _)| FactId::parse(id));
                let id = self.record(said, opened_kind(said, opening), occurred, amends)?;
                opened = Some((id, opening.clone()));
                new += 1;
            }
        }
        let mut closed = before.closed.clone();
        match (&before.closed, said.closed) {
            (Some((_, known)), Some(at)) if *known == at => {}
            (Some((id, _)), Some(at)) => {
                let id = self.record(said, closed_kind(said), at, FactId::parse(id))?;
                closed = Some((id, at));
                new += 1;
            }
            (None, Some(at)) => {
                let id = self.record(said, closed_kind(said), at, None)?;
                closed = Some((id, at));
                new += 1;
            }
            // Said to be closed within the same instant, and now not: it is open again.
            (Some((id, _)), None) => {
                if let Some((_, opening)) = &opened {
                    let kind = opened_kind(said, opening);
                    self.record(said, kind, opening.1.max(said.operated), FactId::parse(id))?;
                    closed = None;
                    new += 1;
                }
            }
            (None, None) => {}
        }
        if let Some(entry) = &said.used {
            new += self.used(said, entry)?;
        }
        self.keep(said, opened.as_ref(), closed.as_ref())?;
        Ok(new)
    }

    fn record(
        &self,
        said: &CaseFound,
        kind: Kind,
        occurred: Timestamp,
        amends: Option<FactId>,
    ) -> Result<String> {
        let (channel, subject) = (Some(self.channel.clone()), said.case.to_string());
        let fact = NewFact { channel, subject, kind, occurred, amends };
        Ok(record_new(self.transaction, fact, self.now)?.1.to_string())
    }

    fn before(&self) -> Result<Before> {
        let row = self
            .transaction
            .prepare_cached(
                "SELECT opened, owner, laid, deadline, closed, closed_at FROM inbox_case
                 WHERE line = ?1",
            )
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| {
                    let text = |at: usize| row.get::<_, Option<String>>(at);
                    let number = |at: usize| row.get::<_, Option<i64>>(at);
                    Ok(((text(0)?, text(1)?, number(2)?, number(3)?), (text(4)?, number(5)?)))
                };
                statement.query_row([self.line.cast_signed()], row).optional()
            })
            .map_err(Error::engine(JUDGE))?;
        let Some(((opened, owner, laid, deadline), (closed, at))) = row else {
            return Ok(Before::default());
        };
        let when = |at: Option<i64>| at.map(instant).transpose();
        let (laid, deadline, at) = (when(laid)?, when(deadline)?, when(at)?);
        let opening = owner.zip(laid).zip(deadline).map(|((owner, laid), by)| (owner, laid, by));
        Ok(Before { opened: opened.zip(opening), closed: closed.zip(at) })
    }

    /// Whether nothing else is known to open the case.
    fn is_first(&self, said: &CaseFound) -> Result<bool> {
        let is_known: bool = self
            .transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM inbox_case WHERE list = ?1 AND number = ?2
                 AND line <> ?3 AND opened IS NOT NULL)",
            )
            .and_then(|mut statement| {
                let with = params![said.list, said.case.to_string(), self.line.cast_signed()];
                statement.query_row(with, |row| row.get(0))
            })
            .map_err(Error::engine(JUDGE))?;
        Ok(!is_known)
    }

    /// Whether the newest that was said of the case until then says the same.
    fn follows(&self, said: &CaseFound, opening: &Opened) -> Result<bool> {
        let known: Option<(String, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT owner, deadline FROM inbox_case WHERE list = ?1 AND number = ?2
                 AND line <> ?3 AND opened IS NOT NULL AND operated <= ?4
                 ORDER BY operated DESC, line DESC LIMIT 1",
            )
            .and_then(|mut statement| {
                let (case, line) = (said.case.to_string(), self.line.cast_signed());
                let with = params![said.list, case, line, stored(said.operated)];
                statement.query_row(with, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(Error::engine(JUDGE))?;
        Ok(known.is_some_and(|(owner, by)| owner == opening.0 && by == stored(opening.2)))
    }

    /// That the city's object came to be used, once for each case.
    fn used(&self, said: &CaseFound, entry: &str) -> Result<u64> {
        let is_known: bool = self
            .transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM inbox_case WHERE list = ?1 AND number = ?2
                 AND used IS NOT NULL)",
            )
            .and_then(|mut statement| {
                statement.query_row(params![said.list, said.case.to_string()], |row| row.get(0))
            })
            .map_err(Error::engine(JUDGE))?;
        if is_known {
            return Ok(0);
        }
        let at = said.closed.unwrap_or(said.operated);
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
        let kind = Kind::Stated {
            name: "uses".to_owned(),
            month: zone.to_datetime(at).strftime("%Y-%m").to_string(),
            value: rust_decimal::Decimal::ONE,
            source: said.proof.clone(),
        };
        let (channel, subject) = (Some(self.channel.clone()), format!("entry:{entry}"));
        let fact = NewFact { channel, subject, kind, occurred: at, amends: None };
        record_new(self.transaction, fact, self.now)?;
        Ok(1)
    }

    fn keep(
        &self,
        said: &CaseFound,
        opened: Option<&(String, Opened)>,
        closed: Option<&(String, Timestamp)>,
    ) -> Result<()> {
        let engine = || Error::engine(JUDGE);
        let (case, line) = (said.case.to_string(), self.line.cast_signed());
        self.transaction
            .prepare_cached(
                "INSERT INTO inbox_case (line, list, number, operated, opened, owner, laid,
                                         deadline, closed, closed_at, used)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (line) DO UPDATE SET list = excluded.list, number = excluded.number,
                     operated = excluded.operated, opened = excluded.opened,
                     owner = excluded.owner, laid = excluded.laid, deadline = excluded.deadline,
                     closed = excluded.closed, closed_at = excluded.closed_at,
                     used = coalesce(inbox_case.used, excluded.used)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    line,
                    said.list,
                    case,
                    stored(said.operated),
                    opened.map(|(id, _)| id),
                    opened.map(|(_, it)| &it.0),
                    opened.map(|(_, it)| stored(it.1)),
                    opened.map(|(_, it)| stored(it.2)),
                    closed.map(|(id, _)| id),
                    closed.map(|(_, at)| stored(*at)),
                    said.used,
                ])
            })
            .map_err(engine())?;
        // What was said of the case later was compared with something else until now.
        self.transaction
            .prepare_cached(
                "UPDATE inbox SET judged = NULL WHERE id IN (SELECT line FROM inbox_case
                 WHERE list = ?1 AND number = ?2 AND operated > ?3 AND opened IS NULL
                 AND closed IS NULL AND line > ?4)",
            )
            .and_then(|mut statement| {
                statement.execute(params![said.list, case, stored(said.operated), line])
            })
            .map_err(engine())?;
        Ok(())
    }
}

fn opened_kind(said: &CaseFound, (owner, _, deadline): &Opened) -> Kind {
    Kind::CaseOpened { list: said.list.clone(), owner: owner.clone(), deadline: *deadline }
}

fn closed_kind(said: &CaseFound) -> Kind {
    Kind::CaseClosed { list: said.list.clone(), proof: said.proof.clone() }
}
