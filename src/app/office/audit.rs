//! The record of acts as auditors look at it.

use std::sync::Arc;

use super::paging::{cursor, limit};
use super::{Office, failure, told};
use crate::control::people::Person;
use crate::control::protocol::{
    ActShown, ActsProven, ActsQuery, Failure, KeyShown, Listing, OversightAnswer, OversightRequest,
    PersonShown,
};
use crate::ledger::{Act, ActLine, ActQuery};

impl Office {
    pub(super) async fn oversight(
        &self,
        request: &OversightRequest,
        person: &Person,
    ) -> Result<OversightAnswer, Failure> {
        match request {
            OversightRequest::Whoami {} => Ok(OversightAnswer::Whoami(PersonShown {
                uid: person.peer.uid,
                person: person.name.clone(),
                roles: person.roles.iter().copied().collect(),
            })),
            OversightRequest::Acts(query) => Ok(OversightAnswer::Acts(self.acts(query).await?)),
            OversightRequest::Lines(query) => {
                Ok(OversightAnswer::Acts(self.act_lines(query).await?))
            }
            OversightRequest::Keys {} => self.keys().await,
            OversightRequest::Approvals { all } => self.approvals(*all).await,
            OversightRequest::Approve { number } => self.approval_said(*number, true, person).await,
            OversightRequest::Decline { number } => {
                self.approval_said(*number, false, person).await
            }
            OversightRequest::Prove {} => Ok(OversightAnswer::Proven(self.acts_proven().await?)),
        }
    }

    async fn acts(&self, query: &ActsQuery) -> Result<Listing<ActShown>, Failure> {
        let before = cursor(&query.paging)?;
        let asked =
            ActQuery { from: query.from, to: query.to, before, limit: limit(&query.paging) };
        let (found, total) = self.crew.ledger.acts_of(asked).await.map_err(told)?;
        let is_full = u64::try_from(found.len()).unwrap_or(u64::MAX) < total;
        let next = found.last().filter(|_| is_full).map(|act| act.number.to_string());
        Ok(Listing { entries: found.into_iter().map(shown).collect(), next, total })
    }

    async fn act_lines(&self, query: &ActsQuery) -> Result<Listing<ActShown>, Failure> {
        let after = cursor(&query.paging)?.unwrap_or_default();
        let size = limit(&query.paging);
        let asked = ActQuery { from: query.from, to: query.to, before: None, limit: size };
        let found = self.crew.ledger.act_lines(after, asked).await.map_err(told)?;
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let last = found.last().filter(|_| count == u64::from(size));
        let next = last.map(|line| line.act.number.to_string());
        Ok(Listing { entries: found.into_iter().map(line).collect(), next, total: count })
    }

    async fn keys(&self) -> Result<OversightAnswer, Failure> {
        let files = &self.crew.files;
        let (spool, sealer) = (Arc::clone(&files.spool), Arc::clone(&files.sealer));
        let found = self.crew.ledger.keys(spool, sealer).await.map_err(told)?;
        let mut shown = Vec::new();
        for it in found {
            let of_counties = match self.works().desk() {
                Some(desk) => {
                    let pool = self.crew.supervisor.pool();
                    pool.run(move || desk.under(it.id)).await.map_err(|error| {
                        failure(
                            "E-LEDGER",
                            format!("{error} ({})", error.code()),
                            Some("see the log"),
                        )
                    })?
                }
                None => 0,
            };
            shown.push(KeyShown {
                key: it.id.map(|byte| format!("{byte:02x}")).concat(),
                in_use: it.is_in_use,
                values: it.values + of_counties,
                files: it.files,
            });
        }
        Ok(OversightAnswer::Keys(shown))
    }

    async fn acts_proven(&self) -> Result<ActsProven, Failure> {
        let (lines, problems) = self.crew.ledger.acts_proven().await.map_err(told)?;
        let is_forwarded = self.works().configuration.audit.syslog.is_some();
        let (until, waiting) = self.crew.ledger.acts_forwarded_until().await.map_err(told)?;
        let forwarded = is_forwarded.then_some(until);
        Ok(ActsProven {
            lines,
            problems,
            forwarded,
            waiting: if is_forwarded { waiting } else { 0 },
        })
    }
}

fn shown(act: Act) -> ActShown {
    ActShown {
        number: act.number,
        at: act.at,
        uid: act.actor.uid,
        gid: act.actor.gid,
        pid: act.actor.pid,
        person: act.person,
        role: act.role,
        act: act.name,
        detail: act.detail,
        outcome: act.outcome,
        about: None,
        form: None,
        digest: None,
    }
}

fn line(line: ActLine) -> ActShown {
    ActShown {
        about: line.about,
        form: Some(line.form),
        digest: Some(line.digest.to_string()),
        ..shown(line.act)
    }
}
