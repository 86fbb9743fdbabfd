//! What an appeal needs of the daemon, asked for part by part: the answers stay small, whatever the
//! month holds. Whoever asks puts them together.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidenceQuery {
    /// By what the month is judged, and up to which fact; it answers with
    /// [`EvidencePart::Judged`].
    Judged {
        /// The month; the running one where it is left out.
        month: Option<String>,
        /// The scheme; the configured one where it is left out.
        scheme: Option<String>,
    },
    /// A part of one of the files it is judged by; [`EvidencePart::Text`].
    Text {
        /// The month.
        month: String,
        /// The scheme.
        scheme: Option<String>,
        /// The file.
        name: String,
        /// From which byte on.
        from: u64,
    },
    /// The facts that the month reads, page by page; [`EvidencePart::Facts`].
    Facts {
        /// The month.
        month: String,
        /// The scheme.
        scheme: Option<String>,
        /// Up to which fact, as [`EvidenceJudged::last_fact`] said.
        last_fact: u64,
        /// Where to go on, as the page before said.
        after: Option<String>,
    },
    /// What the province said about some subjects, the clocks and the counts of both sides;
    /// [`EvidencePart::Held`].
    Held {
        /// The month.
        month: String,
        /// The scheme.
        scheme: Option<String>,
        /// Datasets, and objects as `kind:id`; at most 500.
        subjects: Vec<String>,
    },
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidencePart {
    /// To [`EvidenceQuery::Judged`].
    Judged(EvidenceJudged),
    /// To [`EvidenceQuery::Text`].
    Text {
        /// The text.
        text: String,
        /// From which byte on the rest begins; none when this was all.
        next: Option<u64>,
    },
    /// To [`EvidenceQuery::Facts`]: facts as they are chained, a line each.
    Facts {
        /// The lines.
        lines: Vec<String>,
        /// Where the next page begins; none when this was the last.
        next: Option<String>,
    },
    /// To [`EvidenceQuery::Held`].
    Held(Box<EvidenceHeld>),
}

/// By what a month is judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceJudged {
    /// The month.
    pub month: String,
    /// The scheme's id.
    pub scheme: String,
    /// The files.
    pub files: Vec<String>,
    /// Up to which fact.
    pub last_fact: u64,
    /// The snapshot, where the month is closed.
    pub closed: Option<EvidenceClosed>,
    /// The last fact and digest of every writer's day: `writer/day/number digest`.
    pub chains: Vec<String>,
    /// More chains than are listed.
    pub chains_more: u64,
}

/// A closed month as it was closed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceClosed {
    /// When.
    pub at: Timestamp,
    /// The last fact that was counted.
    pub last_fact: u64,
    /// Over the ends of every chain at that fact.
    pub facts: String,
    /// Over the texts it was judged by.
    pub judged_by: String,
    /// What it came to.
    pub body: String,
}

/// What stands beside the facts.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHeld {
    /// What the province said, redacted; what came last comes first.
    pub replies: Vec<ReplyLine>,
    /// Some are left out.
    pub replies_cut: bool,
    /// How far the province's clock was from ours, day by day.
    pub clocks: Vec<ClockLine>,
    /// Counts of both sides.
    pub counts: Vec<CountLine>,
}

/// An answer of the province that did not simply take something.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyLine {
    /// The channel.
    pub channel: String,
    /// The operation.
    pub operation: String,
    /// What it was about.
    pub subject: String,
    /// The batch.
    pub batch: String,
    /// How it was classed.
    pub outcome: String,
    /// The province's code.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// When it came first, by our clock.
    pub first_at: Timestamp,
    /// When it came last, by our clock.
    pub last_at: Timestamp,
    /// When it came last by the province's clock, where it told the time.
    pub province_at: Option<Timestamp>,
    /// How often.
    pub times: u64,
    /// Bytes of the answer as it came.
    pub bytes: u64,
    /// SHA-256 of the answer as it came.
    pub sha256: String,
    /// Its shape, its names and its codes; every other text is told by its length.
    pub redacted: String,
}

/// A channel's clock on a day (UTC): how many milliseconds it was ahead of ours.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClockLine {
    /// The channel.
    pub channel: String,
    /// The day.
    pub day: String,
    /// At least.
    pub least_ms: i64,
    /// At most.
    pub most_ms: i64,
    /// At last.
    pub last_ms: i64,
    /// When that was.
    pub last_at: Timestamp,
    /// How many answers told the time.
    pub answers: u64,
}

/// A dataset's counts here, and what comparing with the province found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CountLine {
    /// The channel.
    pub channel: String,
    /// The dataset.
    pub dataset: String,
    /// Row versions that had to go above.
    pub due: u64,
    /// Waiting, in flight, unknown or awaiting a verdict.
    pub queued: u64,
    /// Confirmed.
    pub confirmed: u64,
    /// Put where the province fetches, unproven.
    pub placed: u64,
    /// Turned away by our rules.
    pub rejected_local: u64,
    /// Not taken by the province.
    pub rejected_refused: u64,
    /// Taken, and judged wrong.
    pub rejected_failed: u64,
    /// Rows that the province held of what was compared last; none where nothing was compared.
    pub held_above: Option<u64>,
    /// Keys on which both sides differed then.
    pub mismatched: u64,
    /// When that was.
    pub compared_at: Option<Timestamp>,
}
