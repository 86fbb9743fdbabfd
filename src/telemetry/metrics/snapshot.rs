//! What the ledger says at one moment, in the shape in which the gauges show it.
//!
//! The caller reads it in one look (a scrape, or a timer) and hands it over whole, so the gauges
//! of one scrape belong to one state of the ledger.

use std::time::Duration;

use jiff::Timestamp;

use crate::catalogue::Kind;
use crate::delivery::{BatchState, ChannelId, LinkState, StandardId};
use crate::indicator::freshness::State;

/// The ledger, the spool and the process at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every configured channel.
    pub channels: Vec<ChannelSnapshot>,
    /// Every configured (channel, dataset).
    pub datasets: Vec<DatasetSnapshot>,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// The bound that the spool never passes.
    pub spool_limit_bytes: u64,
    /// Bytes of the ledger's files, its write-ahead log included.
    pub ledger_bytes: u64,
    /// Bytes that may still be used on the ledger's disk; 0 where the disk does not say.
    pub disk_free_bytes: u64,
    /// Interfaces by name, each with how long it has not answered; `None` while it does.
    pub interfaces: Vec<(String, Option<Duration>)>,
    /// Promises that were loosened although nobody approved of it, by the list that says so.
    pub unapproved: Vec<(&'static str, u64)>,
    /// The month's points so far, by item of the scheme; empty without one.
    pub points: Vec<(String, f64)>,
    /// The city's measures of the month; those that could be computed.
    pub measures: Vec<(String, f64)>,
    /// The share of points that is known, and the total at the cut-off if nothing more happens.
    pub score_known: Option<(f64, f64)>,
    /// What the month will come to: expected, low, high, and what acts that are known bring of it.
    pub score_forecast: Option<ForecastSnapshot>,
    /// Points that can still be recovered, by item of the scheme; empty without one.
    pub points_at_risk: Vec<(String, f64)>,
    /// Extraction is paused because the spool or the disk is full.
    pub extraction_paused: bool,
    /// What would be done, while the daemon only watches.
    pub watching: Option<WatchSnapshot>,
    /// The counties that are taken in: configured ones, which bounds the labels.
    pub counties: Vec<CountySnapshot>,
    /// The ferries: configured ones, which bounds the labels.
    pub ferries: Vec<FerrySnapshot>,
    /// Takeovers that are not over: one of a channel.
    pub takeovers: Vec<TakeoverSnapshot>,
}

/// One side of a ferry.
#[derive(Clone, Debug, Default)]
pub struct FerrySnapshot {
    /// What both sides call it.
    pub ferry: String,
    /// Numbers that are missed.
    pub missing: u64,
    /// Files that came and wait.
    pub waiting: u64,
    /// Requests of ours without an answer.
    pub unanswered: u64,
    /// Files that were set aside.
    pub aside: u64,
    /// How long the oldest of our requests has had no answer.
    pub silent: Duration,
}

/// What a takeover found, and what is missing above.
#[derive(Clone, Debug)]
pub struct TakeoverSnapshot {
    /// Its channel.
    pub channel: ChannelId,
    /// Objects by their fate, every fate once.
    pub objects: Vec<(&'static str, u64)>,
}

/// A county that cascades into this instance.
#[derive(Clone, Debug, Default)]
pub struct CountySnapshot {
    /// Its id in the configuration.
    pub county: String,
    /// Rows that were taken and not read on.
    pub waiting: u64,
    /// When it last sent a batch of rows, since the works began.
    pub last_batch: Option<Timestamp>,
    /// Requests that were not believed, since the works began.
    pub refused: u64,
    /// Requests that were told to come later, since the works began.
    pub busy: u64,
}

/// What a daemon that watches would do, by channel.
#[derive(Clone, Debug, Default)]
pub struct WatchSnapshot {
    /// Catalogue objects that it would register, modify or withdraw.
    pub objects: Vec<(ChannelId, u64)>,
    /// Rows that it would send or delete.
    pub rows: Vec<(ChannelId, u64)>,
}

/// A forecast of the month's total, in points.
#[derive(Clone, Copy, Debug)]
pub struct ForecastSnapshot {
    /// The middle of the futures.
    pub expected: f64,
    /// A tenth of the futures lie below.
    pub low: f64,
    /// A tenth lie above.
    pub high: f64,
    /// What acts that are known bring together if they are begun in time.
    pub avoidable: f64,
}

/// One channel at one moment.
#[derive(Clone, Debug)]
pub struct ChannelSnapshot {
    /// Which.
    pub channel: ChannelId,
    /// The standards in use on it, by scope.
    pub standards: Vec<StandardId>,
    /// The age of the oldest batch that waits for a receipt; `None` when none waits.
    pub oldest_unacknowledged: Option<Duration>,
    /// How many batches stand where. States that are not named count 0.
    pub batches: Vec<(BatchState, u64)>,
    /// How many links stand where. States that are not named count 0.
    pub links: Vec<(Kind, LinkState, u64)>,
    /// Operations, datasets and standards that are held until an operator acts.
    pub holds: u64,
    /// Batches that wait past their deadline.
    pub late_batches: u64,
    /// Catalogue objects that stand in a waiting state past its deadline.
    pub late_links: u64,
    /// Signs that the platform no longer speaks its standard.
    pub drift: Vec<(Drift, u64)>,
    /// For how long it has not answered; `None` while it does.
    pub silent: Option<Duration>,
    /// Batches that may be in flight at once; 0 where none was sent yet.
    pub allowed: u32,
    /// What is said on it leaves this machine in clear.
    pub is_plain: bool,
    /// When certificates end, by whose they are.
    pub certificates: Vec<(CertificateHolder, Timestamp)>,
}

/// One dataset on one channel at one moment.
#[derive(Clone, Debug)]
pub struct DatasetSnapshot {
    /// Where it goes.
    pub channel: ChannelId,
    /// Which.
    pub dataset: String,
    /// When a row of it last reached the declared evidence; `None`: never.
    pub confirmed: Option<Timestamp>,
    /// By when the next confirmed change is owed; `None` where no cycle says so.
    pub deadline: Option<Timestamp>,
    /// Rows due: confirmed, placed, rejected and queued.
    pub rows_due: u64,
    /// Of them, rows queued: in flight, unknown and awaiting a verdict included.
    pub rows_queued: u64,
    /// How long ago the source was last looked at completely. What was not observed is lag,
    /// never a queue of 0.
    pub source_lag: Option<Duration>,
    /// Rows in which the last reconciliation found city and province to differ.
    pub mismatched_rows: u64,
    /// What is unusual about it as a whole.
    pub warnings: u64,
    /// Rows that are rejected.
    pub rejected_rows: u64,
    /// How fresh it is.
    pub freshness: State,
    /// By how much it is past its deadline; `None` when it is not.
    pub overdue: Option<Duration>,
}

/// Whose certificate ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateHolder {
    /// Ours, which the province gave us.
    Ours,
    /// An authority's that we trust.
    Trusted,
}

impl CertificateHolder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ours, Self::Trusted];

    /// The word used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Trusted => "trusted",
        }
    }
}

/// A sign that a platform no longer speaks its standard.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Drift {
    /// A reply code that is in no list.
    ReplyCode,
    /// A reply field that is in no table.
    ReplyField,
    /// A reply that could not be read at all.
    Unreadable,
    /// A code list is no longer as the standard has it: a reply's value is in none, or one of ours
    /// was refused.
    Dictionary,
    /// Far more is refused or judged wrong for one reason than in the period before.
    Refusals,
}

impl Drift {
    /// Every sign.
    pub const ALL: [Self; 5] =
        [Self::ReplyCode, Self::ReplyField, Self::Unreadable, Self::Dictionary, Self::Refusals];

    /// The word used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReplyCode => "reply-code",
            Self::ReplyField => "reply-field",
            Self::Unreadable => "unreadable",
            Self::Dictionary => "dictionary",
            Self::Refusals => "refusals",
        }
    }
}
