//! How long a repetition waits.
//!
//! The growth is `backon`'s; the waiting is ours: a pause becomes `next_attempt_at` in the ledger, so
//! that it survives a restart and obeys the injected clock. There is no last repetition.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// The first pause.
const SHORTEST: Duration = Duration::from_secs(1);
/// No pause grows beyond this.
const LONGEST: Duration = Duration::from_mins(10);
/// Doublings after which a pause is the longest.
const DOUBLINGS: u32 = 10;

/// How long to wait before the `attempts`-th repetition.
///
/// Doubling from a second to ten minutes,
/// spread by up to a quarter so that a fleet of batches does not knock at once. The spread is the
/// caller's, from what it repeats, so that the same history waits the same time.
pub fn pause_before_retry(attempts: u32, spread: u8) -> Duration {
    let pauses = ExponentialBuilder::new()
        .with_min_delay(SHORTEST)
        .with_factor(2.0)
        .with_max_delay(LONGEST)
        .without_max_times();
    let doublings = usize::try_from(attempts.min(DOUBLINGS)).unwrap_or(0);
    let pause = pauses.build().nth(doublings).unwrap_or(LONGEST);
    pause + pause.mul_f64(f64::from(spread) / 1020.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stop_growing() {
        let seconds: Vec<u64> = (0..12).map(|at| pause_before_retry(at, 0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(pause_before_retry(u32::MAX, 0), LONGEST);
    }

    #[test]
    fn a_spread_adds_at_most_a_quarter() {
        for attempts in [0, 3, 40] {
            let (least, most) =
                (pause_before_retry(attempts, 0), pause_before_retry(attempts, 255));
            assert_eq!(most, least + least / 4);
            assert!(pause_before_retry(attempts, 128) > least);
        }
    }
}
