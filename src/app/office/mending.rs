//! The mending list: rows come in, deadlines are counted in working days, and nothing is closed
//! without a proof or against what the ledger sees.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::paging::{cursor, limit};
use super::{Office, failure, told};
use crate::calendar::end_of_day;
use crate::control::protocol::{
    Failure, Listing, Mend, MendAct, MendImport, MendReport, Mending, MendingQuery,
};
use crate::indicator::mending::{Fault, Limit};
use crate::ledger::seal::Purpose;
use crate::ledger::{self, Closing, MendState, NewMending, Seen};

/// The most faults of one request.
const MOST: usize = 500;
/// Characters of a list's name, and of a proof's.
const MOST_NAME: usize = 200;

impl Office {
    /// Brings in faults of a list.
    pub(super) async fn mend_import(&self, it: &MendImport) -> Result<MendReport, Failure> {
        named(&it.list, "the list")?;
        if it.faults.len() > MOST || !(1..=250).contains(&it.within) {
            return Err(failure("E-MEND-LIST", "too many faults or working days at once", None));
        }
        let mut faults = Vec::new();
        for fault in &it.faults {
            named(&fault.number, "a fault")?;
            let limit = fault.limit.unwrap_or(Limit::WorkingDays(it.within));
            let begun = self.begin_of(fault);
            faults.push(self.sealed(&it.list, fault, (begun, self.deadline(begun, limit)))?);
        }
        let brought = self.crew.ledger.mendings_brought(faults).await.map_err(told)?;
        let ledger::Brought { added, changed, unchanged } = brought;
        Ok(MendReport { added, changed, unchanged })
    }

    /// Does something with one fault.
    pub(super) async fn mend(&self, it: &Mend) -> Result<MendReport, Failure> {
        let done = match &it.act {
            MendAct::Assign { .. } => self.assign(it).await?,
            MendAct::Prove { name, digest } => {
                named(name, "a proof")?;
                let is_digest =
                    digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit());
                if !is_digest {
                    return Err(failure("E-MEND-PROOF", "this is no SHA-256 digest", None));
                }
                let proof = format!("{name} sha256:{}", digest.to_ascii_lowercase());
                let (list, number) = (it.list.clone(), it.number.clone());
                self.crew.ledger.mending_proven(list, number, proof).await.map_err(told)?
            }
            MendAct::Close {} => return self.close(it).await,
        };
        if done { Ok(MendReport { changed: 1, ..MendReport::default() }) } else { Err(unknown(it)) }
    }

    async fn close(&self, it: &Mend) -> Result<MendReport, Failure> {
        let (list, number) = (it.list.clone(), it.number.clone());
        let closing = self.crew.ledger.mending_closed(list, number).await.map_err(told)?;
        let next = "`cascaded mend list` shows what is seen of it";
        match closing {
            Closing::Closed => Ok(MendReport { changed: 1, ..MendReport::default() }),
            Closing::Before => Ok(MendReport { unchanged: 1, ..MendReport::default() }),
            Closing::Unknown => Err(unknown(it)),
            Closing::NoProof => {
                let next = "attach one: cascaded mend prove";
                Err(failure("E-MEND-PROOF", "nothing proves that it is mended", Some(next)))
            }
            Closing::NotMended(Seen::Rejects(rows)) => {
                let what = format!("{rows} rows of the dataset are still set aside");
                Err(failure("E-MEND-OPEN", what, Some(next)))
            }
            Closing::NotMended(Seen::Overdue) => {
                let what = "its deadline has passed and nothing newer was confirmed";
                Err(failure("E-MEND-OPEN", what, Some(next)))
            }
            Closing::NotMended(Seen::NotAbove | Seen::Nothing | Seen::Mended) => {
                Err(failure("E-MEND-OPEN", "it does not stand above", Some(next)))
            }
        }
    }

    async fn assign(&self, it: &Mend) -> Result<bool, Failure> {
        let MendAct::Assign { owner, person, measures, within } = &it.act else { return Ok(false) };
        if within.is_some_and(|days| !(1..=250).contains(&days)) {
            return Err(failure("E-MEND-LIST", "too many working days", None));
        }
        let (list, number) = (it.list.clone(), it.number.clone());
        let known = self.crew.ledger.mending(list, number).await.map_err(told)?;
        let Some(known) = known else { return Ok(false) };
        let mut fault = self.unsealed(&known)?;
        let take = |into: &mut String, given: &Option<String>| {
            if let Some(given) = given {
                into.clone_from(given);
            }
        };
        take(&mut fault.owner, owner);
        take(&mut fault.person, person);
        take(&mut fault.measures, measures);
        let deadline = match within {
            Some(days) => self.deadline(self.now(), Limit::WorkingDays(*days)),
            None => known.deadline,
        };
        // The latest naming of a case counts: this one is of now.
        let fault = self.sealed(&it.list, &fault, (self.now(), deadline))?;
        self.crew.ledger.mending_assigned(fault).await.map_err(told)
    }

    /// The faults of a list.
    pub(super) async fn mendings(&self, query: &MendingQuery) -> Result<Listing<Mending>, Failure> {
        let state = query.state.as_deref();
        let wanted = state.map(|state| {
            let next = Some("write open, proven or closed");
            MendState::parse(state).ok_or_else(|| failure("E-MEND-LIST", "no such state", next))
        });
        let wanted = wanted.transpose()?;
        let (after, size) = (cursor(&query.paging)?.unwrap_or_default(), limit(&query.paging));
        let whose = (wanted, query.owner.clone());
        let asked = self.crew.ledger.mendings(query.list.clone(), whose, after, size).await;
        let (found, total) = asked.map_err(told)?;
        let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= size);
        let next = found.last().filter(|_| is_full).map(|(at, ..)| at.to_string());
        let now = self.now();
        let mut entries = Vec::new();
        for (_, it, seen) in found {
            entries.push(Mending {
                fault: self.unsealed(&it)?,
                list: it.list,
                deadline: it.deadline,
                overdue: it.state != MendState::Closed && it.deadline < now,
                state: it.state.as_str().to_owned(),
                proof: it.proof,
                closed: it.closed,
                seen: word(seen).to_owned(),
            });
        }
        Ok(Listing { entries, next, total })
    }

    /// A fault as it is kept: its row is sealed.
    fn sealed(
        &self,
        list: &str,
        fault: &Fault,
        (told, deadline): (Timestamp, Timestamp),
    ) -> Result<NewMending, Failure> {
        let bytes = serde_json::to_vec(fault).map_err(|_never| unreadable())?;
        let sealer = &self.crew.files.sealer;
        let context = context(list, &fault.number);
        let body = sealer.seal(Purpose::Ledger, &context, &bytes).map_err(|_never| unreadable())?;
        Ok(NewMending {
            list: list.to_owned(),
            number: fault.number.clone(),
            owner: fault.owner.clone(),
            object: fault.object.clone(),
            told,
            deadline,
            body,
        })
    }

    fn unsealed(&self, it: &ledger::Mending) -> Result<Fault, Failure> {
        let sealer = &self.crew.files.sealer;
        let context = context(&it.list, &it.number);
        let bytes =
            sealer.open(Purpose::Ledger, &context, &it.body).map_err(|_wrong| unreadable())?;
        serde_json::from_slice(bytes.as_ref()).map_err(|_wrong| unreadable())
    }

    fn begin_of(&self, fault: &Fault) -> Timestamp {
        let zone = zone();
        fault.told.and_then(|day| zone.to_timestamp(day.into()).ok()).unwrap_or_else(|| self.now())
    }

    /// The end of the last day.
    fn deadline(&self, from: Timestamp, limit: Limit) -> Timestamp {
        let zone = zone();
        let day = match limit {
            Limit::Day(day) => day,
            Limit::WorkingDays(days) => {
                let from = zone.to_datetime(from).date();
                let calendar = &self.works().configuration.calendar;
                calendar.add_working_days(from, u32::from(days)).date
            }
        };
        end_of_day(day, &zone)
    }
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC)
}

fn context(list: &str, number: &str) -> Vec<u8> {
    format!("mending {list} {number}").into_bytes()
}

fn word(seen: Seen) -> &'static str {
    match seen {
        Seen::Nothing => "nothing",
        Seen::Mended => "mended",
        Seen::NotAbove => "not-above",
        Seen::Rejects(_) => "rejects",
        Seen::Overdue => "overdue",
    }
}

fn named(name: &str, what: &str) -> Result<(), Failure> {
    let is_plain = !name.is_empty()
        && name.chars().count() <= MOST_NAME
        && !name.chars().any(|it| it.is_control() || it == '/');
    if is_plain {
        return Ok(());
    }
    Err(failure("E-MEND-LIST", format!("{what} has no name that can be kept"), None))
}

fn unknown(it: &Mend) -> Failure {
    let what = format!("no open fault `{}` stands on the list `{}`", it.number, it.list);
    failure("E-MEND-UNKNOWN", what, Some("`cascaded mend list` shows them"))
}

fn unreadable() -> Failure {
    failure("E-MEND-SEALED", "the row cannot be sealed or opened", Some("see the key file"))
}
