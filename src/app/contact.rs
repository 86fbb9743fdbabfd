//! Whether channels answer, and how far the province's clock is from ours, recorded while it
//! happens: an appeal about an outage needs times that were written down then.
//!
//! Only changes become facts: that a channel stopped answering, and that it answers again. A loss
//! that is made good within one look is none. Of the clock each day keeps least, most and last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::office::{Contact, Watch};
use crate::cascade::Crew;
use crate::delivery::ChannelId;
use crate::ledger::{self, ClockDay, Reached};
use crate::supervisor::{TaskError, sleep};

/// How often is looked, and with that how often a channel can change at most.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A channel as it was last recorded.
#[derive(Clone, Copy, Debug, Default)]
struct Recorded {
    is_silent: bool,
    /// Calls without an answer since then.
    unanswered: u64,
}

/// Looks until it is aborted.
pub(super) async fn serve(crew: Crew, watch: Arc<Watch>) -> Result<(), TaskError> {
    let mut recorded = BTreeMap::new();
    loop {
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
        if let Err(error) = look(&crew, &watch, &mut recorded).await {
            tracing::warn!(
                error = %crate::telemetry::logs::Chain(&error),
                "how channels answer is not recorded",
            );
        }
    }
}

async fn look(
    crew: &Crew,
    watch: &Watch,
    recorded: &mut BTreeMap<ChannelId, Recorded>,
) -> ledger::Result<()> {
    let contacts = watch.contacts();
    let (mut clocks, mut reached) = (Vec::new(), Vec::new());
    let mut next = recorded.clone();
    for (channel, contact) in contacts {
        let before = match next.get(&channel) {
            Some(before) => *before,
            None => {
                let is_silent = crew.ledger.is_silent(channel.clone()).await?;
                Recorded { is_silent, unanswered: 0 }
            }
        };
        let (after, change) = changed(&channel, before, &contact);
        next.insert(channel, after);
        reached.extend(change);
        clocks.extend(contact.clock);
    }
    if !clocks.is_empty() || !reached.is_empty() {
        crew.ledger.contact_seen(clocks, reached).await?;
    }
    *recorded = next;
    Ok(())
}

/// What a look at a channel changes.
fn changed(
    channel: &ChannelId,
    before: Recorded,
    contact: &Contact,
) -> (Recorded, Option<Reached>) {
    let unanswered = before.unanswered.saturating_add(contact.unanswered);
    let fact = |at: Timestamp, answered| {
        let channel = channel.clone();
        (
            Recorded { is_silent: answered == 0, unanswered: 0 },
            Some(Reached { channel, at, answered, unanswered }),
        )
    };
    match (before.is_silent, contact.silent_since, contact.first_answer) {
        (false, Some(since), _) => fact(since, 0),
        (true, None, Some(at)) => fact(at, contact.answered),
        // Counted until it answers again; what was lost in between while it answers is no outage.
        (true, _, _) => (Recorded { is_silent: true, unanswered }, None),
        (false, None, _) => (Recorded::default(), None),
    }
}

/// The figures of one more answer that told the time.
pub(in crate::app) fn clock_told(
    known: Option<ClockDay>,
    channel: &ChannelId,
    ahead: jiff::SignedDuration,
    now: Timestamp,
) -> ClockDay {
    let day = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let fresh = ClockDay {
        channel: channel.clone(),
        day,
        least: ahead,
        most: ahead,
        last: ahead,
        last_at: now,
        answers: 0,
    };
    // The last look before midnight may miss what was told after it: that counts for the day before.
    let known = known.unwrap_or(fresh);
    ClockDay {
        least: known.least.min(ahead),
        most: known.most.max(ahead),
        last: ahead,
        last_at: now,
        answers: known.answers.saturating_add(1),
        ..known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn contact(since: Option<i64>, answer: Option<i64>, counts: (u64, u64)) -> Contact {
        Contact {
            silent_since: since.map(at),
            first_answer: answer.map(at),
            answered: counts.0,
            unanswered: counts.1,
            clock: None,
        }
    }

    #[test]
    fn only_changes_are_told_with_what_was_lost_between_them() {
        let channel = ChannelId::from("province");
        let mut known = Recorded::default();
        let mut told = Vec::new();
        for look in [
            contact(None, Some(1), (5, 0)),
            contact(Some(12), Some(11), (1, 2)),
            contact(Some(12), None, (0, 3)),
            contact(Some(12), None, (0, 4)),
            contact(None, Some(47), (2, 1)),
            // One call was lost and the next answered before anybody looked.
            contact(None, Some(55), (3, 1)),
            contact(None, None, (0, 0)),
        ] {
            let (after, change) = changed(&channel, known, &look);
            known = after;
            told.extend(change.map(|it| (it.at, it.answered, it.unanswered)));
        }
        assert_eq!(told, [(at(12), 0, 2), (at(47), 2, 8)]);
    }

    #[test]
    fn an_outage_goes_on_over_a_restart() {
        let channel = ChannelId::from("province");
        let known = Recorded { is_silent: true, unanswered: 0 };
        let (known, none) = changed(&channel, known, &contact(Some(3), None, (0, 1)));
        assert_eq!(none, None, "it was told before");
        let (_, back) = changed(&channel, known, &contact(None, Some(9), (1, 0)));
        assert_eq!(back.map(|it| (it.at, it.unanswered)), Some((at(9), 1)));
    }

    #[test]
    fn a_day_keeps_the_least_the_most_and_the_last() {
        let channel = ChannelId::from("province");
        let seconds = jiff::SignedDuration::from_secs;
        let mut known = None;
        for (second, ahead) in [(1, 3), (2, -4), (3, 1)] {
            known = Some(clock_told(known, &channel, seconds(ahead), at(second)));
        }
        let it = known.unwrap();
        let figures = (it.least, it.most, it.last, it.last_at, it.answers);
        assert_eq!(figures, (seconds(-4), seconds(3), seconds(1), at(3), 3));
    }
}
