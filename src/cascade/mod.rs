//! The stages that carry the city's data above, each a function of the ledger.
//!
//! ```text
//! catalogue ─► register ─┐                                   ┌─► settle (unknown, verdicts, review)
//!                        ├─► spool + ledger ─► submit ─► province
//! rows ─► observe ─► pack┘                                   └─► reconcile
//! ```
//!
//! A stage takes no input. It looks into the ledger for one bounded unit of work, does it, commits,
//! and says whether it did anything; a timer or a data-less signal makes it look again. So a
//! restart, a retry and the happy path are one code path, and a signal that is lost costs a
//! period, never a row. Stages share nothing in memory but signals and each dataset's index of
//! what is held above, which is rebuilt from the ledger at start.
//!
//! While the daemon only watches, register, observe and submit do not run: [`watching`] stands in
//! their place, and nothing is packed or sent.
//!
//! Inside a step nobody cancels us; between steps anybody may.

mod carrier;
mod channel;
mod cutting;
mod disposition;
mod error;
mod inquire;
mod inventory;
mod lane;
mod observe;
mod pack;
mod parcel;
mod receive;
mod reconcile;
mod refusals;
mod register;
mod returned;
mod revoked;
mod settle;
mod stage;
mod submit;
mod throttle;
mod watching;
mod whole;

pub use carrier::{Carrier, CarrierParts, Files};
pub use channel::{AheadParts, Channel, ChannelParts};
pub use disposition::{Disposition, disposition};
pub use error::Error;
pub use inventory::Inventory;
pub use lane::{Crew, Events, Pace, Readers, Sent};
pub use observe::Observe;
pub use receive::Receive;
pub use reconcile::{Comparison, Mismatch, ObjectMismatch, Reconcile, Totals};
pub use register::Register;
pub use settle::Settle;
pub use stage::{Progress, Stage, run};
pub use submit::Submit;
pub use watching::{WatchObjects, WatchRows};

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::catalogue::{Kind, Object, ObjectKey};
use crate::delivery::{ChannelId, Evidence, Lane, LinkState};
use crate::ledger::spool::Owner as SpoolOwner;
use crate::ledger::{Flow, Ledger, Link};
use crate::standard::Standard;

/// Where no deadline is given: long enough for people to review, short enough to be noticed.
const DEFAULT_DEADLINE: Duration = Duration::from_hours(24);

/// An object's link, and what stands above it.
#[derive(Debug, Default)]
struct Above {
    link: Option<Link>,
    /// The province's ids of everything above it, the nearest of each kind.
    upper: BTreeMap<Kind, String>,
    /// Parents that the province does not hold yet.
    missing: Vec<ObjectKey>,
}

async fn above(ledger: &Ledger, channel: &ChannelId, object: &Object) -> Result<Above, Error> {
    let mut above =
        Above { link: ledger.link(channel.clone(), object.key()).await?, ..Above::default() };
    let mut next: Vec<ObjectKey> = object.parents();
    // A chain of parents is as long as there are kinds, and one more for nested organisations.
    for level in 0..=Kind::ALL.len() {
        let mut further = Vec::new();
        for key in next {
            let link = ledger.link(channel.clone(), key.clone()).await?;
            match link.and_then(|link| link.upper_id) {
                Some(id) => drop(above.upper.entry(key.kind).or_insert(id)),
                None if level == 0 => above.missing.push(key.clone()),
                None => {}
            }
            if let Some(parent) = ledger.object(key).await? {
                further.extend(parent.parents());
            }
        }
        if further.is_empty() {
            break;
        }
        next = further;
    }
    Ok(above)
}

/// Whose share of the spool a lane fills.
fn spool_owner(flow: &Flow, lane: Lane) -> SpoolOwner {
    match lane {
        Lane::Live => SpoolOwner::live(flow.channel.as_str(), &flow.dataset),
        Lane::Backfill => SpoolOwner::BACKFILL,
    }
}

/// How long an object may stand in a state before that is told: every waiting state has a
/// deadline. `None` where nothing is waited for.
pub fn patience(standard: &Standard, kind: Kind, state: LinkState) -> Option<Duration> {
    let deadlines = &standard.settings().deadlines;
    let followed = standard
        .operation(&format!("{kind}.state"))
        .is_some_and(|operation| operation.every.is_some());
    match state {
        LinkState::InReview => Some(deadlines.review.unwrap_or(DEFAULT_DEADLINE)),
        // Accepted is not published, where the province publishes.
        LinkState::Accepted if followed => Some(deadlines.review.unwrap_or(DEFAULT_DEADLINE)),
        LinkState::Unmapped | LinkState::Stale | LinkState::Unknown | LinkState::Orphan => {
            Some(DEFAULT_DEADLINE)
        }
        LinkState::Queued | LinkState::Sent => Some(deadlines.receipt.unwrap_or(DEFAULT_DEADLINE)),
        LinkState::Accepted
        | LinkState::Published
        | LinkState::Exists
        | LinkState::Refused
        | LinkState::Withdrawn => None,
    }
}

/// When a batch packed now should have reached its evidence.
fn deadline(standard: &Standard, evidence: Evidence, now: Timestamp) -> Timestamp {
    let deadlines = &standard.settings().deadlines;
    let receipt = deadlines.receipt.unwrap_or(DEFAULT_DEADLINE);
    let wait = if evidence == Evidence::RowVerdict {
        receipt.saturating_add(deadlines.verdict.unwrap_or(DEFAULT_DEADLINE))
    } else {
        receipt
    };
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
