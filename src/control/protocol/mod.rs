//! The closed language of the control socket: one line of JSON asks, one line answers.
//!
//! An unknown request, an unknown field or another version is refused whole: half-understood is
//! not obeyed. Every list is paged, so that a line is bounded. No answer holds the content of a
//! row or a key in clear, with one exception that is asked for by name and recorded: a reject
//! that is shown or exported with its original.

mod access;
mod answer;
mod attention;
mod bulletin;
mod changeover;
mod ferry;
mod inbox;
mod mending;
mod mode;
mod oversight;
mod score;
mod takeover;
mod validity;

pub use access::{Access, Guard, Role};
pub use answer::{
    Accepted, Batch, Channel, Dataset, Difference, Entries, Failure, Grace, Job, LedgerReport,
    Link, Mismatches, Reconciled, Reject, RejectOriginal, Response, Rows, RuleCount, Standard,
    StandardDetail, Status, Summary,
};

pub use attention::{Attention, Trouble, Urgency};
pub use bulletin::{BulletinFile, BulletinFiles, BulletinQuery};

pub use changeover::{
    Activate, CutOver, DriftLine, Rollback, ScopeUse, Shadow, ShadowAct, ShadowOnce, StandardCheck,
    StandardPair, Supply, SupplyReport, Trial, WantedQuery,
};

pub use ferry::{FerryAnswer, FerryNumbers, FerryRequest, FerryShown, FerryWord};
pub use inbox::{InboxEntry, InboxQuery, InboxTable};

pub use mending::{Mend, MendAct, MendImport, MendReport, Mending, MendingQuery};
pub use mode::{ModeChange, Reloaded, WatchedKind, WatchedRows, Watching};
pub use oversight::{
    ActShown, ActsProven, ActsQuery, ApprovalShown, KeyShown, OversightAnswer, OversightRequest,
    PersonShown,
};
pub use score::{
    ActionLine, BodyLine, Both, Bring, Brought, BroughtKind, By, CalibratedLine, CalibrationSheet,
    ClassLine, ClockLine, Closed, ComparedLine, CountLine, DayLine, DaySheet, DaysQuery, DoubtLine,
    DoubtSheet, EvidenceClosed, EvidenceHeld, EvidenceJudged, EvidencePart, EvidenceQuery,
    FigureLine, FindingLine, ForecastSheet, ItemAhead, ItemLine, MOST_DOUBTS, PlanSheet, Points,
    RangeLine, RankLine, RankSheet, RepairLine, ReplyLine, ScoreAnswer, ScoreNote, ScoreQuery,
    ScoreRequest, ScoreSheet, ScoreVerified, UnplacedLine,
};

pub use takeover::{
    TakeoverAnswer, TakeoverBegin, TakeoverBring, TakeoverDecide, TakeoverLines, TakeoverOf,
    TakeoverReport, TakeoverRequest, TakeoverShown,
};
pub use validity::{Validity, Words, WordsOfDay};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Peer;

/// The version of this language. Client and daemon are the same binary; after an upgrade that
/// forgot to restart one of them, they say so instead of guessing.
pub const VERSION: u32 = 1;

/// The longest request line, in bytes.
pub const MAX_REQUEST_BYTES: usize = 256 << 10;

/// The longest answer line, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 8 << 20;

/// The most entries of one page of a list.
pub const MAX_PAGE: u32 = 1_000;

/// A request as it travels.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// [`VERSION`] of who asks.
    pub version: u32,
    /// What is asked.
    pub request: Request,
}

/// An answer as it travels.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// [`VERSION`] of who answers.
    pub version: u32,
    /// The answer.
    pub response: Response,
}

/// Everything that can be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How everything stands.
    Status {},
    /// The datasets, or some of them.
    Datasets(DatasetQuery),
    /// Links of catalogue objects.
    Links(LinkQuery),
    /// Batches.
    Batches(BatchQuery),
    /// What the province told by itself, counted.
    InboxList(InboxQuery),
    /// The same line by line, without content.
    InboxShow(InboxQuery),
    /// Rejects, without content.
    RejectsList(RejectQuery),
    /// One reject with its original: a recorded act.
    RejectsShow(RejectAct),
    /// A page of rejects with their originals: a recorded act.
    RejectsExport(RejectExport),
    /// Makes rejected keys due again from current values.
    RejectsReplay(RejectReplay),
    /// Asks for rows or objects to go out again: becomes a durable job.
    Resync(Resync),
    /// Jobs.
    JobsList(JobQuery),
    /// One job.
    JobsShow(JobName),
    /// Ends a job where it stands.
    JobsCancel(JobName),
    /// Standards the daemon knows.
    StandardList {},
    /// One standard.
    StandardShow(StandardName),
    /// What differs between two standards, counted in the catalogue.
    StandardDiff(StandardPair),
    /// Tries what the city has under a candidate; nothing is sent.
    StandardCheck(StandardCheck),
    /// The values that a candidate wants supplied.
    StandardWanted(WantedQuery),
    /// Values that departments supply.
    StandardSupply(Supply),
    /// A candidate at its test platform: what a run found, or that it shall begin or end.
    StandardShadow(Shadow),
    /// One operation alone at a candidate's test platform.
    StandardShadowOnce(ShadowOnce),
    /// What drifted: what the province does that the standards in force do not say.
    StandardDrift {},
    /// Puts a candidate in force: becomes a durable job.
    StandardActivate(Activate),
    /// Puts the standard before in force again: becomes a durable job.
    StandardRollback(Rollback),
    /// Compares city, ledger and province.
    Reconcile(Reconcile),
    /// The files of a bulletin; nothing is written.
    Bulletin(BulletinQuery),
    /// What the province found and wants mended.
    Mendings(MendingQuery),
    /// Brings in such a list.
    MendImport(MendImport),
    /// Assigns, proves or closes one of them.
    Mend(Mend),
    /// Copies the ledger and its spool while the daemon runs.
    LedgerBackup(LedgerBackup),
    /// Proves the ledger's chains, sums and spool.
    LedgerVerify {},
    /// Reads configuration, standards and secrets again.
    Reload {},
    /// Begins to carry, or only to watch.
    Mode(ModeChange),
    /// Something about ferries.
    Ferry(FerryRequest),
    /// Something about takeovers.
    Takeover(TakeoverRequest),
    /// Something about scores.
    Score(ScoreRequest),
    /// Something about oversight.
    Oversight(OversightRequest),
}

impl Request {
    /// The request's name, as logs and metrics say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Datasets(_) => "datasets",
            Self::Links(_) => "links",
            Self::Batches(_) => "batches",
            Self::InboxList(_) => "inbox_list",
            Self::InboxShow(_) => "inbox_show",
            Self::RejectsList(_) => "rejects_list",
            Self::RejectsShow(_) => "rejects_show",
            Self::RejectsExport(_) => "rejects_export",
            Self::RejectsReplay(_) => "rejects_replay",
            Self::Resync(_) => "resync",
            Self::JobsList(_) => "jobs_list",
            Self::JobsShow(_) => "jobs_show",
            Self::JobsCancel(_) => "jobs_cancel",
            Self::StandardList {} => "standard_list",
            Self::StandardShow(_) => "standard_show",
            Self::StandardDiff(_) => "standard_diff",
            Self::StandardCheck(_) => "standard_check",
            Self::StandardWanted(_) => "standard_wanted",
            Self::StandardSupply(_) => "standard_supply",
            Self::StandardShadow(_) => "standard_shadow",
            Self::StandardShadowOnce(_) => "standard_shadow_once",
            Self::StandardDrift {} => "standard_drift",
            Self::StandardActivate(_) => "standard_activate",
            Self::StandardRollback(_) => "standard_rollback",
            Self::Reconcile(_) => "reconcile",
            Self::Bulletin(_) => "bulletin",
            Self::Mendings(_) => "mendings",
            Self::MendImport(_) => "mend_import",
            Self::Mend(_) => "mend",
            Self::LedgerBackup(_) => "ledger_backup",
            Self::LedgerVerify {} => "ledger_verify",
            Self::Reload {} => "reload",
            Self::Mode(_) => "mode",
            Self::Ferry(it) => it.name(),
            Self::Takeover(it) => it.name(),
            Self::Score(it) => it.name(),
            Self::Oversight(it) => it.name(),
        }
    }
}

/// Which part of a list: at most `limit` (and [`MAX_PAGE`]) after the cursor of the page before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// `next` of the page before; none for the first.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listing<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The cursor of the next page; none when this is the last.
    pub next: Option<String>,
    /// How many there are in all.
    pub total: u64,
}

/// Which datasets.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetQuery {
    /// Only this one.
    pub dataset: Option<String>,
    /// Only this department's.
    pub department: Option<String>,
    /// Only those that are past a deadline, held or reject rows.
    pub troubled: bool,
    /// Which page.
    pub paging: Paging,
}

/// Which links.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkQuery {
    /// Only this channel's.
    pub channel: Option<String>,
    /// Only this kind (`entry`, …).
    pub kind: Option<String>,
    /// Only in this state (`refused`, …).
    pub state: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// Which batches.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BatchQuery {
    /// Only this channel's.
    pub channel: Option<String>,
    /// Only this dataset's.
    pub dataset: Option<String>,
    /// Only in this state (`unknown`, …).
    pub state: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// Which rejects.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RejectQuery {
    /// Only this dataset's.
    pub dataset: Option<String>,
    /// `local`, `refused` or `failed`.
    pub kind: Option<String>,
    /// Only with this rule or code.
    pub rule: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// One reject, and why somebody wants to see its original.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RejectAct {
    /// Its number in the ledger.
    pub reject: u64,
    /// Why, for the record.
    pub reason: String,
}

/// Rejects with their originals, and why somebody wants them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RejectExport {
    /// Which.
    pub query: RejectQuery,
    /// Why, for the record.
    pub reason: String,
}

/// Rejects to try again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RejectReplay {
    /// Which; its paging is ignored.
    pub query: RejectQuery,
    /// The same key never makes a second job.
    pub idempotency_key: String,
}

/// What a resync covers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Extent {
    /// Every row, compared with what was sent: what changed or is gone goes out.
    Compare {},
    /// Every row, whatever was confirmed.
    Full {},
    /// Rows changed since then.
    Since {
        /// The instant, inclusive.
        at: Timestamp,
    },
    /// Rows that are rejected now.
    Rejected {},
    /// Catalogue objects instead of rows.
    Catalogue {},
}

/// Rows or objects to go out again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resync {
    /// Which datasets; empty means all of them.
    pub datasets: Vec<String>,
    /// What of them.
    pub extent: Extent,
    /// Approves of what this finds gone being deleted or withdrawn above, however much it is.
    /// Without it, more than the configured share waits.
    #[serde(default)]
    pub approve_deletions: bool,
    /// Only says what would be done.
    pub dry_run: bool,
    /// The same key never makes a second job.
    pub idempotency_key: String,
}

/// Which jobs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JobQuery {
    /// Those that ended, too.
    pub ended: bool,
    /// Which page.
    pub paging: Paging,
}

/// A job's name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JobName {
    /// For example `r-0143`.
    pub job: String,
}

/// A standard's name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StandardName {
    /// `id/version`.
    pub standard: String,
}

/// A comparison of city, ledger and province.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// Which datasets; empty means all, and the catalogue.
    pub datasets: Vec<String>,
    /// Sends again what is missing or differs; touches only what this ledger sent.
    pub repair: bool,
    /// Which page of the differences.
    pub paging: Paging,
}

/// Where to copy the ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerBackup {
    /// An absolute directory that does not exist yet, in the daemon's view.
    pub directory: String,
}

impl Peer {
    /// How the record of acts names the peer.
    pub fn named(&self) -> String {
        format!("uid:{}", self.uid)
    }
}
