//! The demonstration's run: the set is built, the daemon runs, and somebody watches until all that
//! is due is confirmed or rejected.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::App;
use crate::cascade::Comparison;
use crate::catalogue::Kind;
use crate::city::Change;
use crate::delivery::{Lane, LinkState};
use crate::ledger::{self, FlowState, LinkFilter};
use crate::supervisor::sleep;

/// How often the watcher looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far a first pass over everything has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sight {
    /// Entries that should be above.
    pub entries_due: u64,
    /// Accepted, exists, in review or published.
    pub entries_accepted: u64,
    /// Refused, by us or above.
    pub entries_rejected: u64,
    /// Objects of any kind that still wait.
    pub objects_open: u64,
    /// Rows, summed over datasets.
    pub rows: ledger::Counts,
    /// Datasets that have not been read completely yet.
    pub unread: Vec<String>,
    /// Datasets that wait for a mount which will not come: their entry was rejected.
    pub unmounted: Vec<String>,
}

impl Sight {
    /// Everything was looked at once, and nothing waits.
    pub fn is_complete(&self) -> bool {
        self.objects_open == 0
            && self.unread.is_empty()
            && self.rows.queued == 0
            && self.entries_due > 0
    }
}

/// Looks at the ledger once.
pub async fn look(app: &App) -> Result<Sight, ledger::Error> {
    let mut sight = Sight::default();
    let ledger = &app.crew.ledger;
    let flows = ledger.flows().await?;
    for flow in &flows {
        add(&mut sight.rows, flow);
    }
    for channel in &app.channels() {
        let links = ledger.links(channel.id.clone(), LinkFilter::default()).await?;
        let states: BTreeMap<_, _> =
            links.iter().map(|link| (link.key.clone(), link.state)).collect();
        for link in links.iter().filter(|link| link.wanted.is_some()) {
            let rejected = link.state == LinkState::Refused;
            let blocked = blocked(ledger, link, &states).await?;
            if link.key.kind == Kind::Entry {
                sight.entries_due += 1;
                sight.entries_accepted += u64::from(link.state.is_held_above());
                sight.entries_rejected += u64::from(rejected);
            }
            let open = !link.state.is_held_above() && !rejected && !blocked;
            sight.objects_open += u64::from(open);
        }
        for carrier in channel.carriers() {
            let flow = carrier.flow().clone();
            let mounted = match ledger.resource_of(flow.dataset.clone()).await? {
                Some(id) => links
                    .iter()
                    .find(|link| link.key.kind == Kind::Resource && link.key.id == id)
                    .is_some_and(|link| link.state.is_held_above()),
                None => false,
            };
            if !mounted {
                sight.unmounted.push(flow.dataset);
                continue;
            }
            let read = match carrier.dataset().change {
                Change::Full => ledger.last_whole_pass(flow.clone()).await?.is_some(),
                Change::TimeColumn { .. } | Change::Files => ledger
                    .lane_progress(flow.clone(), Lane::Backfill)
                    .await?
                    .is_some_and(|progress| progress.complete),
            };
            let looked =
                flows.iter().any(|known| known.flow == flow && known.last_observed_at.is_some());
            if !read || !looked {
                sight.unread.push(flow.dataset);
            }
        }
    }
    Ok(sight)
}

/// An object waits for a parent that was refused: nothing will happen until that is mended.
async fn blocked(
    ledger: &ledger::Ledger,
    link: &ledger::Link,
    states: &BTreeMap<crate::catalogue::ObjectKey, LinkState>,
) -> Result<bool, ledger::Error> {
    if link.state != LinkState::Unmapped {
        return Ok(false);
    }
    let Some(object) = ledger.object(link.key.clone()).await? else { return Ok(true) };
    Ok(object
        .parents()
        .iter()
        .any(|parent| states.get(parent).is_none_or(|state| *state == LinkState::Refused)))
}

fn add(sum: &mut ledger::Counts, flow: &FlowState) {
    let counts = flow.counts;
    sum.due += counts.due;
    sum.queued += counts.queued;
    sum.confirmed += counts.confirmed;
    sum.placed += counts.placed;
    sum.rejected_local += counts.rejected_local;
    sum.rejected_refused += counts.rejected_refused;
    sum.rejected_failed += counts.rejected_failed;
    sum.coalesced += counts.coalesced;
    sum.skipped += counts.skipped;
}

/// Watches until everything was looked at once and nothing waits, or until the daemon stops;
/// `tell` hears of every look.
pub async fn watch(
    app: &App,
    mut tell: impl FnMut(&Sight, Timestamp),
) -> Result<Option<Sight>, ledger::Error> {
    let clock = app.supervisor.clock().clone();
    let mut stop = app.supervisor.stop_signal();
    while !stop.is_raised() {
        let sight = look(app).await?;
        tell(&sight, clock.now());
        if sight.is_complete() {
            return Ok(Some(sight));
        }
        tokio::select! {
            () = sleep(&clock, LOOK_EVERY) => {}
            () = stop.raised() => {}
        }
    }
    Ok(None)
}

/// Compares every mounted dataset with what the province holds.
pub async fn compare(app: &App) -> Result<Vec<Comparison>, crate::cascade::Error> {
    let mut found = Vec::new();
    for channel in &app.channels() {
        let datasets: Vec<String> =
            channel.carriers().map(|carrier| carrier.flow().dataset.clone()).collect();
        let totals = app.crew.totals(channel).await?;
        for dataset in datasets {
            found.extend(app.crew.reconcile(channel, &dataset, &totals, false).await?);
        }
    }
    Ok(found)
}
