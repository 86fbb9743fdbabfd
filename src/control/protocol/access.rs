//! Who may ask for what: every request's row of one table.
//!
//! The table is exhaustive, so that a new request does not compile before somebody has said who may
//! ask for it. What it takes follows from the row: a role, whether it is recorded, and whether two
//! people can be asked for.

use serde::{Deserialize, Serialize};

use super::{FerryRequest, OversightRequest, Request, ScoreRequest, ShadowAct, TakeoverRequest};

/// What somebody may be on the control socket.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at everything that holds no content: whoever the socket lets in.
    Reader,
    /// Acts.
    Operator,
    /// Approves or declines what another person asked for.
    Approver,
    /// Looks at the record of acts, and at everything that a reader sees; changes nothing and sees
    /// no originals.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Operator, Self::Approver, Self::Auditor];

    /// The word that is recorded and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
        }
    }

    /// The inverse of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What a city may have two people for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Another standard is put in force.
    Activate,
    /// Deletions and withdrawals above in bulk.
    Withdraw,
    /// Sealed originals are looked at.
    Originals,
    /// Exemptions begin to count.
    Exempt,
}

impl Guard {
    /// Every guard.
    pub const ALL: [Self; 4] = [Self::Activate, Self::Withdraw, Self::Originals, Self::Exempt];

    /// The word of the configuration and of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Withdraw => "withdraw",
            Self::Originals => "originals",
            Self::Exempt => "exempt",
        }
    }

    /// The inverse of [`Guard::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guard| guard.as_str() == text)
    }
}

/// What a request takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Looks at what holds no content.
    Look,
    /// Looks at the record of acts.
    Audit,
    /// Takes the record of acts away: recorded itself.
    AuditAct,
    /// Changes something or shows content: recorded.
    Act,
    /// The same, by two people where that is configured.
    Guarded(Guard),
    /// Says yes or no to what another person asked for: recorded.
    Decide,
}

impl Access {
    /// The role that it takes.
    pub fn role(self) -> Role {
        match self {
            Self::Look => Role::Reader,
            Self::Audit | Self::AuditAct => Role::Auditor,
            Self::Act | Self::Guarded(_) => Role::Operator,
            Self::Decide => Role::Approver,
        }
    }

    /// Belongs into the record of acts.
    pub fn is_act(self) -> bool {
        match self {
            Self::Look | Self::Audit => false,
            Self::AuditAct | Self::Act | Self::Guarded(_) | Self::Decide => true,
        }
    }

    fn act_if(acts: bool) -> Self {
        if acts { Self::Act } else { Self::Look }
    }
}

impl Request {
    /// What it takes to ask for this: the table.
    pub fn access(&self) -> Access {
        match self {
            Self::Status {}
            | Self::Datasets(_)
            | Self::Links(_)
            | Self::Batches(_)
            | Self::InboxList(_)
            | Self::InboxShow(_)
            | Self::RejectsList(_)
            | Self::JobsList(_)
            | Self::JobsShow(_)
            | Self::StandardList {}
            | Self::StandardShow(_)
            | Self::StandardDiff(_)
            | Self::StandardCheck(_)
            | Self::StandardWanted(_)
            | Self::StandardDrift {}
            | Self::Bulletin(_)
            | Self::Mendings(_)
            | Self::LedgerVerify {} => Access::Look,
            Self::RejectsShow(_) | Self::RejectsExport(_) => Access::Guarded(Guard::Originals),
            Self::RejectsReplay(_)
            | Self::JobsCancel(_)
            | Self::StandardShadowOnce(_)
            | Self::LedgerBackup(_)
            | Self::MendImport(_)
            | Self::Mend(_)
            | Self::Mode(_)
            | Self::Reload {} => Access::Act,
            Self::Resync(it) if it.approve_deletions && !it.dry_run => {
                Access::Guarded(Guard::Withdraw)
            }
            Self::Resync(it) => Access::act_if(!it.dry_run),
            Self::Reconcile(it) => Access::act_if(it.repair),
            Self::StandardSupply(it) => Access::act_if(!it.dry_run),
            Self::StandardShadow(it) => Access::act_if(it.act != ShadowAct::Report {}),
            Self::StandardActivate(it) if !it.dry_run => Access::Guarded(Guard::Activate),
            Self::StandardActivate(_) => Access::Look,
            // The way back has to be quick, and leads only to what was in force before.
            Self::StandardRollback(it) => Access::act_if(!it.dry_run),
            Self::Ferry(FerryRequest::List {}) => Access::Look,
            Self::Ferry(_) => Access::Act,
            Self::Takeover(it) => it.access(),
            Self::Score(it) => it.access(),
            Self::Oversight(it) => it.access(),
        }
    }

    /// Changes something or shows content: belongs into the record of acts.
    pub fn is_act(&self) -> bool {
        self.access().is_act()
    }
}

impl TakeoverRequest {
    fn access(&self) -> Access {
        match self {
            Self::Begin(_) | Self::Bring(_) | Self::Decide(_) | Self::Accept(_) | Self::Drop(_) => {
                Access::Act
            }
            Self::Show(_) | Self::Lines(_) => Access::Look,
        }
    }
}

impl ScoreRequest {
    fn access(&self) -> Access {
        match self {
            Self::Bring(_) => Access::Act,
            Self::Show(_)
            | Self::Rank(_)
            | Self::Recover(_)
            | Self::Forecast(_)
            | Self::Doubts(_)
            | Self::Calibrate(_)
            | Self::Verify {}
            | Self::Evidence(_)
            | Self::Days(_) => Access::Look,
        }
    }
}

impl OversightRequest {
    fn access(&self) -> Access {
        match self {
            Self::Acts(_) | Self::Prove {} => Access::Audit,
            Self::Approve { .. } | Self::Decline { .. } => Access::Decide,
            Self::Lines(_) => Access::AuditAct,
            Self::Whoami {} | Self::Keys {} | Self::Approvals { .. } => Access::Look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Activate, Extent, RejectAct, Resync};
    use super::*;

    fn resync(approve_deletions: bool, dry_run: bool) -> Request {
        Request::Resync(Resync {
            datasets: Vec::new(),
            extent: Extent::Compare {},
            approve_deletions,
            dry_run,
            idempotency_key: "k".to_owned(),
        })
    }

    #[test]
    fn what_only_says_what_would_be_done_is_for_readers() {
        let activate = |dry_run| {
            Request::StandardActivate(Activate { dry_run, ..Activate::default() }).access()
        };
        assert_eq!(activate(true), Access::Look);
        assert_eq!(activate(false), Access::Guarded(Guard::Activate));
        assert_eq!(resync(true, true).access(), Access::Look);
        assert_eq!(resync(false, false).access(), Access::Act);
        assert_eq!(resync(true, false).access(), Access::Guarded(Guard::Withdraw));
    }

    #[test]
    fn originals_take_an_operator_and_acts_an_auditor() {
        let look = Request::RejectsShow(RejectAct { reject: 1, reason: "x".to_owned() });
        assert_eq!((look.access().role(), look.is_act()), (Role::Operator, true));
        let acts = Request::Oversight(OversightRequest::Prove {});
        assert_eq!((acts.access().role(), acts.is_act()), (Role::Auditor, false));
    }

    #[test]
    fn words_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for guard in Guard::ALL {
            assert_eq!(Guard::parse(guard.as_str()), Some(guard));
            let written = serde_json::to_string(&guard).unwrap();
            assert_eq!(written, format!("\"{}\"", guard.as_str()));
        }
    }
}
