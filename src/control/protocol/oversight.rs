//! Oversight: who somebody is here, and the record of acts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Listing, Paging, Role};

/// Something about oversight.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OversightRequest {
    /// Who the daemon takes the asking person for.
    Whoami {},
    /// Acts, newest first, each with what came of it.
    Acts(ActsQuery),
    /// Lines of the chain as they stand there, oldest first.
    Lines(ActsQuery),
    /// Proves the chain.
    Prove {},
    /// What lies under which sealing key.
    Keys {},
    /// What waits for a second person.
    Approvals {
        /// What is over, too.
        all: bool,
    },
    /// Says yes.
    Approve {
        /// Its number.
        number: u64,
    },
    /// Says no.
    Decline {
        /// Its number.
        number: u64,
    },
}

impl OversightRequest {
    /// The request's name, as logs and the record of acts say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Whoami {} => "whoami",
            Self::Acts(_) => "audit_list",
            Self::Lines(_) => "audit_export",
            Self::Prove {} => "audit_verify",
            Self::Keys {} => "ledger_keys",
            Self::Approvals { .. } => "approvals_list",
            Self::Approve { .. } => "approvals_approve",
            Self::Decline { .. } => "approvals_decline",
        }
    }

    /// On what it was done, without content.
    pub fn detail(&self) -> String {
        match self {
            Self::Acts(it) | Self::Lines(it) => it.detail(),
            Self::Approve { number } | Self::Decline { number } => format!("approval {number}"),
            Self::Whoami {} | Self::Prove {} | Self::Keys {} | Self::Approvals { .. } => {
                String::new()
            }
        }
    }
}

/// Which acts.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActsQuery {
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// Which page.
    pub paging: Paging,
}

impl ActsQuery {
    fn detail(&self) -> String {
        let shown = |at: &Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let after = self.paging.after.as_deref().unwrap_or("the first");
        format!("{} to {}, after {after}", shown(&self.from), shown(&self.to))
    }
}

/// The answer to an [`OversightRequest`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OversightAnswer {
    /// Who.
    Whoami(PersonShown),
    /// Acts, or lines of them.
    Acts(Listing<ActShown>),
    /// The chain was walked.
    Proven(ActsProven),
    /// Keys, the one in use first.
    Keys(Vec<KeyShown>),
    /// To a request that takes two people: another person has to approve, nothing is done yet.
    Pending(Box<ApprovalShown>),
    /// What was asked for.
    Approvals(Vec<ApprovalShown>),
    /// What somebody decided on, as it stands now.
    Decided(Box<ApprovalShown>),
}

/// What lies under one sealing key.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyShown {
    /// Names the key and reveals nothing of it.
    pub key: String,
    /// New content is sealed under it.
    pub in_use: bool,
    /// Sealed values in the database.
    pub values: u64,
    /// Files of the spool and of sorted runs.
    pub files: u64,
}

/// What one person asked for and another has to approve of.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalShown {
    /// Its number.
    pub number: u64,
    /// What takes two people: `activate`, `withdraw`, `originals`, `exempt`.
    pub guard: String,
    /// The request.
    pub act: String,
    /// On what, without content.
    pub detail: String,
    /// The digest of what was asked.
    pub digest: String,
    /// Who asked; none for the daemon itself.
    pub uid: Option<u32>,
    /// The user's name then.
    pub person: String,
    /// When.
    pub asked_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// `pending`, `approved`, `declined`, `expired`, `done`, `failed`.
    pub state: String,
    /// Nobody has decided.
    pub waits: bool,
    /// Who decided.
    pub decided_uid: Option<u32>,
    /// The user's name then.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// Whom the daemon takes somebody for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PersonShown {
    /// The user, as the kernel says.
    pub uid: u32,
    /// The user's name.
    pub person: String,
    /// What they may be.
    pub roles: Vec<Role>,
}

/// One act, or one line of the chain of acts.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActShown {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The user; none for the daemon itself.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The process.
    pub pid: Option<i32>,
    /// The user's name then.
    pub person: String,
    /// By which role.
    pub role: String,
    /// What.
    pub act: String,
    /// On what, without content.
    pub detail: String,
    /// What came of it; none where the process ended before.
    pub outcome: Option<String>,
    /// Of a line: the act whose outcome it says.
    pub about: Option<u64>,
    /// Of a line: the form of its digest.
    pub form: Option<u32>,
    /// Of a line: its digest, chained to the line before.
    pub digest: Option<String>,
}

/// The chain of acts was walked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActsProven {
    /// Lines.
    pub lines: u64,
    /// Where it is broken; empty where it is not.
    pub problems: Vec<String>,
    /// The last line that the receiver of acts has; none where none is configured.
    pub forwarded: Option<u64>,
    /// Lines that wait to be forwarded.
    pub waiting: u64,
}
