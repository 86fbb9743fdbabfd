//! What takes two people: one asks, another approves, and it is done once, as it was asked.
//!
//! What the daemon does by itself (a cut-over, a deletion in bulk) it does as soon as it is approved
//! of, and after a crash in between at the next look: both requests are idempotent by the approval's
//! number or their own key. What only the asking person may see (originals) they ask for again, and
//! get it once.

use jiff::SignedDuration;

use super::{Office, act, failure, roles, told};
use crate::control::Peer;
use crate::control::people::Person;
use crate::control::protocol::{
    ApprovalShown, Failure, Guard, OversightAnswer, Paging, Request, Response,
};
use crate::delivery::DigestSha256;
use crate::ledger::{Approval, ApprovalState, Decided, NewApproval};

/// Approvals that one answer lists.
const MOST_SHOWN: u32 = 500;

/// What a guarded request came to before it was done.
pub(super) enum ByTwo {
    /// Another person approved: it may be done, once.
    Approved(u64),
    /// Another person has to approve.
    Waits(Box<ApprovalShown>),
}

impl Office {
    /// What a request takes that needs two people here.
    pub(super) async fn by_two(
        &self,
        guard: Guard,
        request: &Request,
        person: &Person,
    ) -> Result<ByTwo, Failure> {
        let new = self.asked_by(guard, request, person).await?;
        if guard == Guard::Originals {
            let (ledger, uid) = (&self.crew.ledger, person.peer.uid);
            let used = ledger.approval_used(new.digest(), uid, after(request).cloned()).await;
            if let Some(number) = used.map_err(told)? {
                return Ok(ByTwo::Approved(number));
            }
            if after(request).is_some() {
                let what = "this is not the next page of what was approved";
                return Err(failure("E-PAGE", what, Some("ask from the first page again")));
            }
        } else {
            // What is wrong with it is told to whoever asks, and not to whoever approves.
            Box::pin(self.perform(tried(request.clone()), person)).await?;
        }
        let Some((approval, _)) = self.crew.ledger.approval_asked(new).await.map_err(told)? else {
            let what = "too much waits for an approval already";
            let next = "have what waits approved or declined: `cascaded approvals list`";
            return Err(failure("E-APPROVAL-FULL", what, Some(next)));
        };
        Ok(ByTwo::Waits(Box::new(shown(approval))))
    }

    async fn asked_by(
        &self,
        guard: Guard,
        request: &Request,
        person: &Person,
    ) -> Result<NewApproval, Failure> {
        let request = whole(request.clone());
        let text = serde_json::to_string(&request).map_err(|_unserializable| {
            failure("E-APPROVAL-CHANGED", "the request cannot be written down", None)
        })?;
        let hours = self.works().configuration.control.approval_hours;
        Ok(NewApproval {
            guard: guard.as_str().to_owned(),
            name: request.name().to_owned(),
            detail: act::detail(&request),
            bound: self.bound(&request).await?,
            request: text,
            actor: roles::actor(person.peer),
            person: person.name.clone(),
            lifetime: SignedDuration::from_hours(i64::from(hours)),
        })
    }

    /// What must be the same when it is done: the standard as it is on disk.
    async fn bound(&self, request: &Request) -> Result<String, Failure> {
        let Request::StandardActivate(it) = request else { return Ok(String::new()) };
        Ok(self.candidate(&it.standard).await?.digest().to_string())
    }

    pub(super) async fn approvals(&self, all: bool) -> Result<OversightAnswer, Failure> {
        let found = self.crew.ledger.approvals(all, MOST_SHOWN).await.map_err(told)?;
        Ok(OversightAnswer::Approvals(found.into_iter().map(shown).collect()))
    }

    /// Somebody says yes or no. What was approved of is done at once where it is the daemon's.
    pub(super) async fn approval_said(
        &self,
        number: u64,
        yes: bool,
        person: &Person,
    ) -> Result<OversightAnswer, Failure> {
        let who = (roles::actor(person.peer), person.name.clone());
        let decided = self.crew.ledger.approval_decided(number, who, yes).await.map_err(told)?;
        let next = Some("`cascaded approvals list --all` says how it stands");
        let approval = match decided {
            Decided::Now(approval) => approval,
            Decided::NoSuch => {
                let what = format!("nothing was asked for under {number}");
                return Err(failure("E-NO-SUCH-APPROVAL", what, next));
            }
            Decided::Over(state) => {
                let what = format!("{number} is {} already", state.as_str());
                return Err(failure("E-APPROVAL-OVER", what, next));
            }
            Decided::Own => {
                let what = "who asked for it does not decide on it";
                let next = Some("another person of the approvers has to");
                return Err(failure("E-APPROVAL-OWN", what, next));
            }
        };
        crate::crash::point("approval-given");
        if yes && approval.guard != Guard::Originals.as_str() {
            self.approved(&approval).await?;
        }
        let found = self.crew.ledger.approvals(true, MOST_SHOWN).await.map_err(told)?;
        let now = found.into_iter().find(|it| it.number == number).unwrap_or(*approval);
        Ok(OversightAnswer::Decided(Box::new(shown(now))))
    }

    /// Does what was approved of and not done when the process ended before.
    ///
    /// # Errors
    /// The ledger's; what fails of itself is over.
    pub async fn approved_done(&self) -> Result<(), Failure> {
        for approval in self.crew.ledger.approvals_to_do().await.map_err(told)? {
            self.approved(&approval).await?;
        }
        Ok(())
    }

    /// Does what another person approved of, as its own act, once.
    async fn approved(&self, approval: &Approval) -> Result<(), Failure> {
        let number = approval.number;
        if approval.guard == Guard::Exempt.as_str() {
            return self.exempted(approval).await;
        }
        let peer = Peer {
            uid: approval.actor.uid.unwrap_or(u32::MAX),
            gid: approval.actor.gid.unwrap_or(u32::MAX),
            pid: approval.actor.pid,
        };
        let person = self.person(peer).await;
        let by = approval.decided_by.as_deref().unwrap_or_default();
        let uid = approval.decided_uid.unwrap_or(u32::MAX);
        let why = format!("approval {number} by {by} ({uid}): {}", approval.detail);
        let line = roles::approved(&approval.name, &person, why);
        let act = self.crew.ledger.act_recorded(line).await.map_err(told)?;
        let answered = self.as_asked(approval, &person).await;
        let outcome = roles::outcome(&answered);
        let done = answered.is_ok();
        crate::crash::point("approval-done");
        self.crew.ledger.approval_ended(number, done, outcome).await.map_err(told)?;
        self.record_outcome(act, (&approval.name, &person), &answered).await;
        Ok(())
    }

    async fn as_asked(&self, approval: &Approval, person: &Person) -> Result<Response, Failure> {
        let changed = |what: &str| {
            let next = Some("ask for it again");
            Err(failure("E-APPROVAL-CHANGED", what, next))
        };
        if !approval.is_as_asked() {
            return changed("what is stored is not what was asked");
        }
        let Ok(request) = serde_json::from_str::<Request>(&approval.request) else {
            return changed("what was asked cannot be read any more");
        };
        let access = request.access();
        self.admit(&request, access, person).await?;
        self.refuse_watching(&request)?;
        if self.bound(&request).await? != approval.bound {
            return changed("the standard's directory is not the one that was asked for");
        }
        let key = Some(format!("approval-{}", approval.number));
        if let Request::StandardActivate(it) = &request {
            return Ok(Response::CutOver(self.activate(it, person.peer, key).await?));
        }
        // Boxed: what is approved of is done by what approves of it.
        Box::pin(self.perform(request, person)).await
    }

    /// Lines of exemptions that were approved of count from now on.
    async fn exempted(&self, approval: &Approval) -> Result<(), Failure> {
        let lines: Option<Vec<DigestSha256>> =
            serde_json::from_str::<Vec<String>>(&approval.request)
                .ok()
                .filter(|_| approval.is_as_asked())
                .and_then(|lines| lines.iter().map(|line| DigestSha256::parse(line)).collect());
        let Some(lines) = lines else {
            let outcome = "failed E-APPROVAL-CHANGED".to_owned();
            let ledger = &self.crew.ledger;
            ledger.approval_ended(approval.number, false, outcome).await.map_err(told)?;
            return Ok(());
        };
        self.crew.ledger.lines_approved(approval.number, lines).await.map_err(told)?;
        // They count once the configuration is read again; a reload that fails says why, and the
        // next one takes them up.
        if let Err(failures) = self.lent.reload().await {
            let codes: Vec<&str> = failures.iter().map(|it| it.code.as_str()).collect();
            tracing::warn!(codes = codes.join(" "), "approved exemptions wait for a reload");
        }
        Ok(())
    }
}

/// The request that only says what would be done.
fn tried(mut request: Request) -> Request {
    if let Request::StandardActivate(it) = &mut request {
        it.dry_run = true;
    } else if let Request::Resync(it) = &mut request {
        it.dry_run = true;
    }
    request
}

/// The request without its page: what is approved of is the whole.
fn whole(mut request: Request) -> Request {
    if let Request::RejectsExport(it) = &mut request {
        it.query.paging = Paging::default();
    }
    request
}

fn after(request: &Request) -> Option<&String> {
    if let Request::RejectsExport(it) = request { it.query.paging.after.as_ref() } else { None }
}

fn shown(it: Approval) -> ApprovalShown {
    let waits = matches!(it.state, ApprovalState::Pending);
    ApprovalShown {
        number: it.number,
        guard: it.guard,
        act: it.name,
        detail: it.detail,
        digest: it.digest.to_string(),
        uid: it.actor.uid,
        person: it.person,
        asked_at: it.asked_at,
        expires_at: it.expires_at,
        state: it.state.as_str().to_owned(),
        waits,
        decided_uid: it.decided_uid,
        decided_by: it.decided_by,
        decided_at: it.decided_at,
        outcome: it.outcome,
    }
}
