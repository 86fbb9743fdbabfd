//! Who may ask for what, and the record of who asked.
//!
//! The table is [`Request::access`]; what is refused is recorded as what is done is. Whoever asks
//! in vain again and again fills neither the record nor the disk: after so many refusals in a
//! minute the rest are counted, and the count stands in the next line.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;

use super::{Office, act, failure, told};
use crate::control::Peer;
use crate::control::people::Person;
use crate::control::protocol::{Access, Failure, OversightAnswer, Request, Response, Role};
use crate::ledger::{Actor, NewAct};

/// Refusals of one user that are recorded one by one in a minute.
const MOST_REFUSALS: u32 = 20;
/// Users whose refusals are counted; more share the last place.
const MOST_USERS: usize = 1_000;

/// Refusals in the running minute, by user.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: i64,
    counts: BTreeMap<u32, u32>,
    /// Not recorded one by one.
    left_out: u64,
}

impl Refusals {
    /// One more; how many were left out before it, where it is to be recorded.
    fn told(&mut self, uid: u32, now: Timestamp) -> Option<u64> {
        let minute = now.as_second().div_euclid(60);
        if self.minute != minute {
            (self.minute, self.counts) = (minute, BTreeMap::new());
        }
        let is_known = self.counts.contains_key(&uid) || self.counts.len() < MOST_USERS;
        let count = self.counts.entry(if is_known { uid } else { u32::MAX }).or_default();
        *count = count.saturating_add(1);
        if *count > MOST_REFUSALS {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Office {
    /// Who asks, and what they may be.
    pub(super) async fn person(&self, peer: Peer) -> Person {
        let (people, settings) = (self.people.clone(), self.works().configuration.control.roles());
        self.crew.supervisor.pool().run(move || people.person(peer, &settings)).await
    }

    /// Refuses what takes a role that the person does not have, and records that.
    pub(super) async fn admit(
        &self,
        request: &Request,
        access: Access,
        person: &Person,
    ) -> Result<(), Failure> {
        let role = access.role();
        if person.roles.contains(&role) {
            return Ok(());
        }
        let name = request.name();
        let what = format!("`{name}` takes the role {}", role.as_str());
        let next = "ask a member of that group; `cascaded audit whoami` says what you may be";
        let mut refused = failure("E-CONTROL-ROLE", what, Some(next));
        refused.place = Some(role.as_str().to_owned());
        let counted = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.told(person.peer.uid, self.now())
        };
        let Some(left_out) = counted else { return Err(refused) };
        tracing::warn!(request.name = name, peer.uid = person.peer.uid, "refused: no such role");
        let more = if left_out == 0 {
            String::new()
        } else {
            format!("; {left_out} refusals before it were only counted")
        };
        let mut new = act_of(request, person, person.roles_named());
        new.outcome = Some(format!("refused {}{more}", refused.code));
        self.crew.ledger.act_recorded(new).await.map_err(told)?;
        Err(refused)
    }

    /// Records an act before it is done: what cannot be recorded is not done. Its number.
    pub(super) async fn record(&self, request: &Request, person: &Person) -> Result<u64, Failure> {
        let Peer { uid, gid, pid } = person.peer;
        tracing::info!(act = request.name(), uid, gid, pid, "an operator acts");
        let new = act_of(request, person, request.access().role().as_str().to_owned());
        self.crew.ledger.act_recorded(new).await.map_err(told)
    }

    /// Records what came of an act. It is done: that this cannot be recorded changes nothing of
    /// it, and the missing line shows.
    pub(super) async fn record_outcome(
        &self,
        number: u64,
        (name, person): (&str, &Person),
        answered: &Result<Response, Failure>,
    ) {
        let new = NewAct {
            actor: actor(person.peer),
            person: person.name.clone(),
            name: name.to_owned(),
            outcome: Some(outcome(answered)),
            ..NewAct::default()
        };
        if let Err(error) = self.crew.ledger.act_ended(number, new).await {
            tracing::warn!(code = error.code(), number, "what came of an act is not recorded");
        }
    }
}

fn act_of(request: &Request, person: &Person, role: String) -> NewAct {
    NewAct {
        actor: actor(person.peer),
        person: person.name.clone(),
        role,
        name: request.name().to_owned(),
        detail: act::detail(request),
        outcome: None,
    }
}

/// An act that another person approved of: why, instead of what was asked, says both.
pub(super) fn approved(name: &str, person: &Person, why: String) -> NewAct {
    NewAct {
        actor: actor(person.peer),
        person: person.name.clone(),
        role: Role::Operator.as_str().to_owned(),
        name: name.to_owned(),
        detail: why,
        outcome: None,
    }
}

/// What came of an act, in a few words.
pub(super) fn outcome(answered: &Result<Response, Failure>) -> String {
    match answered {
        Ok(Response::Oversight(OversightAnswer::Pending(it))) => {
            format!("waits for approval {} ({})", it.number, it.digest)
        }
        Ok(_) => "done".to_owned(),
        Err(failure) => format!("failed {}", failure.code),
    }
}

pub(super) fn actor(peer: Peer) -> Actor {
    Actor { uid: Some(peer.uid), gid: Some(peer.gid), pid: peer.pid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_in_vain_all_day_is_counted_and_not_written_down_each_time() {
        let at = |second: i64| Timestamp::from_second(60_000 + second).unwrap();
        let mut refusals = Refusals::default();
        let told: Vec<Option<u64>> = (0..25).map(|_| refusals.told(7, at(1))).collect();
        assert_eq!(told.iter().flatten().count(), 20);
        assert_eq!(refusals.told(8, at(2)), Some(5), "another user is not silenced by the first");
        assert_eq!(refusals.told(7, at(61)), Some(0));
        for uid in 0..2_000 {
            refusals.told(uid, at(70));
        }
        assert!(refusals.counts.len() <= MOST_USERS + 1);
    }
}
