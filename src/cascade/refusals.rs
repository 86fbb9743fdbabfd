//! A jump in refusals: far more is turned away for one reason than in the period before. Nobody
//! announced anything, every code is listed, and still the platform does not do what it did.
//!
//! Both periods are read from history, so a restart forgets nothing. Without a period before there
//! is nothing to compare with, and nothing is claimed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::channel::Channel;
use super::lane::Crew;
use crate::delivery::RejectKind;
use crate::ledger::Answered;

/// The least length of the period that is judged; it is at most twice as long.
const PERIOD: Duration = Duration::from_mins(10);
/// How far the period before it reaches back.
const BEFORE: Duration = Duration::from_hours(7 * 24);
/// Facts that are read of a period: newest first.
const FACTS: u32 = 20_000;
/// So many answers make a period that can be compared with.
const ENOUGH_BEFORE: u64 = 50;
/// So many refusals for one reason are more than somebody's slip.
const ENOUGH_NOW: u64 = 10;
/// How many times the share of the period before…
const TIMES: u64 = 3;
/// …and how many hundredths of all answers more.
const PERCENT: u64 = 2;
/// Reasons told of at once, the most frequent first.
const MOST: usize = 20;

/// A reason for which far more is turned away than before.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Jump {
    kind: RejectKind,
    code: String,
    count: u64,
}

/// The reasons that jumped, the most frequent first.
fn jumps(before: &Answered, now: &Answered) -> Vec<Jump> {
    let (total_before, total_now) = (before.total(), now.total());
    if total_before < ENOUGH_BEFORE {
        return Vec::new();
    }
    let mut list: Vec<Jump> = (now.turned_away.iter())
        .filter(|(reason, count)| {
            let old = before.turned_away.get(reason).copied().unwrap_or_default();
            **count >= ENOUGH_NOW && is_jump((old, total_before), (**count, total_now))
        })
        .map(|((kind, code), count)| Jump { kind: *kind, code: code.clone(), count: *count })
        .collect();
    list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
    list.truncate(MOST);
    list
}

/// Whether `count / total` is above `TIMES * old / before + PERCENT %`, in whole numbers.
fn is_jump((old, before): (u64, u64), (count, total): (u64, u64)) -> bool {
    let wide = u128::from;
    let share = wide(count) * wide(before) * 100;
    share > wide(total) * (wide(TIMES) * wide(old) * 100 + wide(PERCENT) * wide(before))
}

/// Looks at one channel once in a polling period.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    next: Option<Timestamp>,
    /// The period before, and where it ends.
    before: Option<(Timestamp, Answered)>,
    /// How many of each reason were told of in the present period.
    told: BTreeMap<(RejectKind, String), u64>,
}

impl Watcher {
    /// When it looks again; `None` before the first look.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Compares, when it is time, and tells the ledger what jumped.
    pub(super) async fn step(&mut self, crew: &Crew, channel: &Arc<Channel>) -> Result<(), Error> {
        let now = crew.now();
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        let earlier = |at: Timestamp, by| at.saturating_sub(by).unwrap_or(Timestamp::MIN);
        let is_old =
            self.before.as_ref().is_none_or(|(until, _)| earlier(now, 2 * PERIOD) > *until);
        if is_old {
            let until = earlier(now, PERIOD);
            let span = (earlier(until, BEFORE), until);
            let before = crew.ledger.answered(channel.id.clone(), span, FACTS).await?;
            self.before = Some((until, before));
        }
        if let Some((from, before)) = &self.before {
            let span = (*from, Timestamp::MAX);
            let present = crew.ledger.answered(channel.id.clone(), span, FACTS).await?;
            if is_old {
                // What the new period shares with the last was told already.
                let counts = &present.turned_away;
                self.told.retain(|reason, told| {
                    counts.get(reason).inspect(|now| *told = **now).is_some()
                });
            }
            for jump in jumps(before, &present) {
                tell(crew, channel, jump, &mut self.told).await?;
            }
        }
        self.next = Some(crew.after(crew.pace.ask));
        Ok(())
    }
}

/// Only what is more than was told before.
async fn tell(
    crew: &Crew,
    channel: &Arc<Channel>,
    jump: Jump,
    told: &mut BTreeMap<(RejectKind, String), u64>,
) -> Result<(), Error> {
    let reason = (jump.kind, jump.code.clone());
    let more = jump.count.saturating_sub(told.get(&reason).copied().unwrap_or_default());
    if more == 0 {
        return Ok(());
    }
    let kind = match jump.kind {
        RejectKind::Local | RejectKind::Refused => "refused-more",
        RejectKind::Failed => "failed-more",
    };
    crew.events.drifted(&channel.id, kind);
    let details = vec![(jump.code, more)];
    crew.ledger.drift_counted(channel.id.clone(), kind, "*".to_owned(), details).await?;
    told.insert(reason, jump.count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(taken: u64, turned_away: &[(&str, u64)]) -> Answered {
        let reason = |code: &str| (RejectKind::Refused, code.to_owned());
        let turned_away = turned_away.iter().map(|(code, count)| (reason(code), *count)).collect();
        Answered { taken, turned_away }
    }

    fn codes(before: &Answered, now: &Answered) -> Vec<String> {
        jumps(before, now).into_iter().map(|jump| jump.code).collect()
    }

    #[test]
    fn a_reason_that_was_rare_and_is_frequent_jumps_and_no_other() {
        let before = answered(10_000, &[("P-1", 300), ("P-2", 10)]);
        let now = answered(900, &[("P-1", 30), ("P-2", 70), ("P-9", 9), ("P-3", 40)]);
        assert_eq!(codes(&before, &now), ["P-2", "P-3"]);
        // The same shares as before, ten times as many.
        let more = answered(100_000, &[("P-1", 3_000), ("P-2", 100)]);
        assert_eq!(codes(&before, &more), [""; 0]);
    }

    #[test]
    fn without_a_period_before_nothing_is_claimed() {
        let now = answered(0, &[("P-1", 1_000)]);
        assert_eq!(codes(&answered(49, &[]), &now), [""; 0]);
        assert_eq!(codes(&answered(50, &[]), &now), ["P-1"]);
    }

    #[test]
    fn many_reasons_are_cut_to_the_most_frequent() {
        let names: Vec<String> = (0..100).map(|at| format!("{at:03}")).collect();
        let counts: Vec<(&str, u64)> =
            names.iter().zip(1_000..).map(|(name, count)| (name.as_str(), count)).collect();
        // A hundredth each is no jump of 2 %: only the frequent half counts where they are fewer.
        assert_eq!(codes(&answered(1_000, &[]), &answered(0, &counts)), [""; 0]);
        let found = codes(&answered(1_000, &[]), &answered(0, &counts[60..]));
        assert_eq!(found.len(), MOST);
        assert_eq!(found[0], "099");
    }

    proptest! {
        #[test]
        fn the_same_share_is_never_a_jump(
            taken in 0_u64..1 << 40,
            away in 0_u64..1 << 40,
            times in 1_u64..1_000,
        ) {
            let before = answered(taken, &[("x", away)]);
            let now = answered(taken * times, &[("x", away * times)]);
            prop_assert_eq!(codes(&before, &now), [""; 0]);
        }
    }
}
