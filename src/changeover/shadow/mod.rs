//! Shadow runs: a candidate is tried at the province's own test platform while the standard in
//! force carries the city's data.
//!
//! ```text
//! catalogue, supplied values ─► Trial: message under the candidate ─► test platform
//!        │                         └► our own rules: lacking             │
//!        └─► links of the channel (standard in force) ─► report ◄────────┘ what it said
//! ```
//!
//! A [`Trial`] reads what stages read and writes nothing that they write: a link, a batch, the
//! progress of a dataset never learn of it. It has no queue of its own either. Of each object it
//! keeps what the test platform said of which message; an object whose message is another one now,
//! because the city or a department changed something, goes again. So it is in step with the
//! city, and a restart costs a look.
//!
//! Rows go only where an operator asked for it, and then every cell is masked ([`mask`]). With
//! [`once`](Trial::once) one operation goes alone, and what was said is shown
//! without a secret: for the afternoon on the telephone (联调).

pub mod mask;
mod once;
mod report;
mod rows;
mod run;

pub use once::{Once, Refusal};
pub use report::{Owing, Ready, ShadowCount, ShadowReport, report};
pub use run::{Trial, TrialParts};

use crate::delivery::Outcome;

/// What became of an object or of masked rows at the test platform; each word is stored and shown.
pub mod word {
    /// The test platform took it.
    pub const ACCEPTED: &str = "accepted";
    /// It stood there already.
    pub const EXISTS: &str = "exists";
    /// The test platform refused it.
    pub const REFUSED: &str = "refused";
    /// The test platform answered with a code that the candidate does not class.
    pub const UNLISTED: &str = "unlisted";
    /// No answer that says anything: it is asked again.
    pub const UNDECIDED: &str = "undecided";
    /// Our own rules turn it away under the candidate: nothing was sent.
    pub const LACKING: &str = "lacking";
    /// What stands above it is not there yet.
    pub const WAITING: &str = "waiting";
    /// The candidate has no operation for it.
    pub const NOT_CARRIED: &str = "not_carried";
    /// The test platform's verdict on a row: passed.
    pub const PASSED: &str = "passed";
    /// The test platform's verdict on a row: failed.
    pub const FAILED: &str = "failed";
}

/// The word and the code of an answer.
fn judged(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Accepted { .. } => (word::ACCEPTED, String::new()),
        Outcome::Exists { code, .. } => (word::EXISTS, code.clone()),
        Outcome::Refused { code, .. } => (word::REFUSED, code.clone()),
        Outcome::Unlisted { code } => (word::UNLISTED, code.clone()),
        Outcome::Retry { code, .. }
        | Outcome::Auth { code }
        | Outcome::NoPlace { code }
        | Outcome::Unknown { code } => (word::UNDECIDED, code.clone()),
    }
}
