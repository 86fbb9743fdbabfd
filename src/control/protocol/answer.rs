//! What the daemon answers: how things stand, in the words of the design and without content.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Request;
use super::{
    Attention, BulletinFiles, CutOver, DriftLine, FerryAnswer, InboxEntry, InboxTable, Listing,
    MendReport, Mending, OversightAnswer, Reloaded, ScopeUse, ScoreAnswer, SupplyReport,
    TakeoverAnswer, Validity, WatchedRows, Watching,
};
use crate::changeover::shadow::{Once, ShadowReport};
use crate::changeover::{Checked, RowsChecked, Wanted, difference};

/// Everything that can be answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Datasets`].
    Datasets(Listing<Dataset>),
    /// To [`Request::Links`].
    Links(Listing<Link>),
    /// To [`Request::Batches`].
    Batches(Listing<Batch>),
    /// To [`Request::InboxList`].
    Inbox(Listing<InboxTable>),
    /// To [`Request::InboxShow`].
    InboxLines(Listing<InboxEntry>),
    /// To [`Request::RejectsList`].
    Rejects(Listing<Reject>),
    /// To [`Request::RejectsShow`].
    Reject(Box<RejectOriginal>),
    /// To [`Request::RejectsExport`].
    Originals(Listing<RejectOriginal>),
    /// To [`Request::Resync`] and [`Request::RejectsReplay`].
    Accepted(Accepted),
    /// To [`Request::JobsList`].
    Jobs(Listing<Job>),
    /// To [`Request::JobsShow`] and [`Request::JobsCancel`].
    Job(Box<Job>),
    /// To [`Request::StandardList`].
    Standards(Vec<Standard>),
    /// To [`Request::StandardShow`].
    Standard(Box<StandardDetail>),
    /// To [`Request::StandardDiff`].
    Differences(Vec<difference::Difference>),
    /// To [`Request::StandardCheck`] of the catalogue.
    Checked(Box<Checked>),
    /// To [`Request::StandardCheck`] of rows.
    RowsChecked(Box<RowsChecked>),
    /// To [`Request::StandardWanted`].
    Wanted(Listing<Wanted>),
    /// To [`Request::StandardSupply`].
    Supplied(SupplyReport),
    /// To [`Request::StandardShadow`].
    Shadow(Box<ShadowReport>),
    /// To [`Request::StandardShadowOnce`].
    ShadowOnce(Box<Once>),
    /// To [`Request::StandardDrift`].
    Drift(Vec<DriftLine>),
    /// To [`Request::StandardActivate`] and [`Request::StandardRollback`].
    CutOver(CutOver),
    /// To [`Request::Reconcile`].
    Reconciled(Reconciled),
    /// To [`Request::Bulletin`].
    Bulletin(BulletinFiles),
    /// To [`Request::Mendings`].
    Mendings(Listing<Mending>),
    /// To [`Request::MendImport`] and [`Request::Mend`].
    Mended(MendReport),
    /// To [`Request::LedgerBackup`] and [`Request::LedgerVerify`].
    Ledger(LedgerReport),
    /// To [`Request::Score`].
    Score(ScoreAnswer),
    /// To [`Request::Ferry`].
    Ferry(FerryAnswer),
    /// To [`Request::Takeover`].
    Takeover(TakeoverAnswer),
    /// To [`Request::Oversight`].
    Oversight(OversightAnswer),
    /// To [`Request::Reload`] and [`Request::Mode`].
    Reloaded(Reloaded),
    /// To anything.
    Failed(Failure),
}

/// What, where, what next, and a stable code: how every error is told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// `E-…`, stable and documented.
    pub code: String,
    /// What went wrong, without row content or secrets.
    pub what: String,
    /// Where: a dataset, a file and a row, a setting.
    pub place: Option<String>,
    /// What to do next.
    pub next: Option<String>,
    /// The same request may succeed later.
    pub temporary: bool,
}

/// Rows of an installation, channel or dataset: `due = confirmed + placed + rejected + queued`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Observed and due.
    pub due: u64,
    /// Reached the declared evidence.
    pub confirmed: u64,
    /// Left where the province fetches; nothing proves more.
    pub placed: u64,
    /// Set aside with a rule or a code.
    pub rejected: u64,
    /// Waiting, in flight, unknown or awaiting a verdict.
    pub queued: u64,
}

/// Catalogue entries of an installation or channel.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// To be registered.
    pub due: u64,
    /// Accepted, exists, in review or published.
    pub accepted: u64,
    /// Rejected by our rules or refused above.
    pub rejected: u64,
}

/// What the last comparison with the province showed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mismatches {
    /// Rows and objects that differ, are missing above or are not ours.
    pub mismatched: u64,
    /// When; none if never compared.
    pub at: Option<Timestamp>,
}

/// The sums that `demo --once --json` prints and `status` begins with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Rows.
    pub rows: Rows,
    /// Catalogue entries.
    pub entries: Entries,
    /// Comparison with the province.
    pub reconcile: Mismatches,
}

/// How everything stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The city, as configured.
    pub city: String,
    /// The daemon's version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// When this was read.
    pub now: Timestamp,
    /// The ledger's incarnation.
    pub incarnation: u64,
    /// What would be done, while the daemon only watches.
    pub watching: Option<Watching>,
    /// The sums.
    pub summary: Summary,
    /// Rejected by our own rules.
    pub rejected_local: u64,
    /// Rejected by the province: refused or failed.
    pub rejected_above: u64,
    /// Whether everything that stood in the city was read once, by this process or one before it.
    pub complete_pass: bool,
    /// The channels.
    pub channels: Vec<Channel>,
    /// What someone should look at, the worst first; bounded.
    pub attention: Vec<Attention>,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// The spool's limit in bytes.
    pub spool_limit_bytes: u64,
    /// Extraction waits for room, and why.
    pub paused: Option<String>,
    /// Where metrics are served.
    pub http: Option<String>,
}

/// A channel as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name.
    pub channel: String,
    /// The platform above, as configured.
    pub title: String,
    /// The standard in force, `id/version`.
    pub standard: String,
    /// What went over to another standard before the rest.
    #[serde(default)]
    pub ahead: Vec<ScopeUse>,
    /// What the configuration's file says, where a cut-over put another one in force.
    pub written: Option<String>,
    /// The digest of the directory that is in force.
    #[serde(default)]
    pub digest: String,
    /// The directory was edited since, or is gone: what it says now is another standard, which
    /// comes in force with a reload.
    #[serde(default)]
    pub edited: bool,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Its evidence grade.
    pub evidence: String,
    /// Its sums.
    pub rows: Rows,
    /// Batches in flight.
    pub in_flight: u32,
    /// When the oldest unacknowledged batch was packed.
    pub oldest_unacknowledged: Option<Timestamp>,
    /// When something was last confirmed on it.
    pub last_confirmed: Option<Timestamp>,
    /// Why it is held.
    pub held: Option<String>,
}

/// A dataset as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its id.
    pub dataset: String,
    /// Its title.
    pub title: String,
    /// Its department's title.
    pub department: String,
    /// Its region's code.
    pub region: String,
    /// Its declared cycle.
    pub cycle: String,
    /// `fresh`, `due_soon`, `overdue`, `not_computable`, `never`.
    pub freshness: String,
    /// 真实性、有效性、可用性; absent without a scheme.
    pub validity: Option<Validity>,
    /// Newest business time in the data.
    pub newest_business: Option<Timestamp>,
    /// Last real change.
    pub last_change: Option<Timestamp>,
    /// Last confirmed.
    pub last_confirmed: Option<Timestamp>,
    /// When its cycle ends: from here on a new change is wanted.
    #[serde(default)]
    pub wanted: Option<Timestamp>,
    /// When the grace after it ends: from here on it is overdue.
    pub deadline: Option<Timestamp>,
    /// How much later than its cycle says it may be.
    #[serde(default)]
    pub grace: Grace,
    /// Its sums.
    pub rows: Rows,
    /// What would be done with its rows, while the daemon only watches.
    pub watched: Option<WatchedRows>,
    /// Why it is held or cannot be read.
    pub held: Option<String>,
    /// How often each of its rules ran since the daemon started.
    #[serde(default)]
    pub rules: Vec<RuleCount>,
}

/// How much later than its cycle says a dataset may be: the later of both.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grace {
    /// Hundredths of the cycle.
    pub percent: u8,
    /// Working days; not for cycles counted in minutes or hours.
    pub working_days: u16,
}

/// How often a rule was asked, broken and waived.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCount {
    /// Its name.
    pub rule: String,
    /// How often it was asked: per value; for rules that are always on, per row.
    pub executed: u64,
    /// How often it was broken.
    pub broken: u64,
    /// How often a waiver let pass what broke it.
    pub waived: u64,
}

/// A link as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The channel.
    pub channel: String,
    /// The kind of object.
    pub kind: String,
    /// The city's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The state of DESIGN's words.
    pub state: String,
    /// The province's id of it.
    pub upper_id: Option<String>,
    /// The code of a refusal, or the lacks of a local rejection.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A batch as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Its unchanging name.
    pub batch: String,
    /// The channel.
    pub channel: String,
    /// What it carries: a dataset, or `kind:id`.
    pub subject: String,
    /// `live` or `backfill`.
    pub lane: String,
    /// The state of DESIGN's words.
    pub state: String,
    /// Rows in it.
    pub rows: u32,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// Sendings so far.
    pub attempts: u32,
    /// When it was packed.
    pub packed: Timestamp,
    /// Not to be sent before.
    pub next_attempt: Option<Timestamp>,
    /// The platform's receipt number.
    pub receipt: Option<String>,
}

/// A reject without content.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// Its number in the ledger.
    pub reject: u64,
    /// The dataset, or `kind:id`.
    pub dataset: String,
    /// The key's digest.
    pub key_digest: String,
    /// `local`, `refused` or `failed`.
    pub kind: String,
    /// The rules or the code.
    pub rules: Vec<String>,
    /// The department that can mend it.
    pub owner: String,
    /// Since when.
    pub since: Timestamp,
}

/// A reject with its original.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RejectOriginal {
    /// What it is.
    pub reject: Reject,
    /// The key in clear.
    pub key: String,
    /// Columns and their text, none for null.
    pub cells: Vec<(String, Option<String>)>,
    /// Which column broke which rule.
    pub findings: Vec<(String, String)>,
}

impl std::fmt::Debug for RejectOriginal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RejectOriginal")
            .field("reject", &self.reject)
            .finish_non_exhaustive()
    }
}

/// A durable request was taken, or would be.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The job; none for a dry run.
    pub job: Option<String>,
    /// The idempotency key had already made this job.
    pub existed: bool,
    /// What is or would be covered, per dataset: rows, or none where only the source knows.
    pub scope: Vec<(String, Option<u64>)>,
}

/// A job as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub job: String,
    /// What was asked.
    pub what: String,
    /// `queued`, `running`, `done`, `cancelled`, `failed`.
    pub state: String,
    /// When it was asked for.
    pub asked: Timestamp,
    /// By whom.
    pub by: String,
    /// Rows or objects done.
    pub done: u64,
    /// Rows or objects in all, where known.
    pub total: Option<u64>,
    /// Of those, rejected.
    pub rejected: u64,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Job {
    /// Nothing more will happen.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}

/// A standard as the daemon knows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// `id/version`.
    pub standard: String,
    /// Its title.
    pub title: String,
    /// SHA-256 of its directory.
    pub digest: String,
    /// `active`, `candidate`, `retired`.
    pub state: String,
    /// The channels and scopes that use it.
    pub scopes: Vec<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Codes and paths seen that it does not list.
    pub drift: u64,
}

/// A standard with what it can do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StandardDetail {
    /// What it is.
    pub standard: Standard,
    /// What it was modelled on.
    pub modelled_on: String,
    /// Its evidence grade.
    pub evidence: String,
    /// Its operations.
    pub operations: Vec<String>,
    /// Gaps it declares.
    pub gaps: Vec<String>,
}

/// One difference.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The channel.
    pub channel: String,
    /// The dataset, or the kind of object.
    pub dataset: String,
    /// The key's digest, or the object's id.
    pub key: String,
    /// `missing_above`, `differs`, `not_in_city`, `not_confirmed`, `not_ours`.
    pub what: String,
    /// This ledger sent it, so repair may touch it.
    pub ours: bool,
}

/// What a comparison showed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciled {
    /// When.
    pub at: Timestamp,
    /// Keys compared.
    pub compared: u64,
    /// The differences.
    pub differences: Listing<Difference>,
    /// Channel, dataset and why it could not be compared now.
    #[serde(default)]
    pub skipped: Vec<(String, String, String)>,
    /// The job that repairs.
    pub job: Option<String>,
}

/// What a backup or a verification found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerReport {
    /// How long it took.
    pub took: SignedDuration,
    /// Facts whose chain was proven.
    pub facts: u64,
    /// Spool files whose digest was proven or that were copied.
    pub spool_files: u64,
    /// Bytes read or written.
    pub bytes: u64,
    /// Problems; empty is sound.
    pub problems: Vec<String>,
    /// Where the copy is.
    pub directory: Option<String>,
}
