//! Named crash points: where a test ends the process on purpose.
//!
//! In a packaged build [`point`] is empty. In a build with the feature `sabotage` it counts how
//! often each point is passed, and aborts at the one that `CASCADED_CRASH_AT=name:count` names.

/// Every point's name, in the order a batch passes them.
pub const POINTS: [&str; 9] = [
    "payload-spooled",
    "rows-observed",
    "before-attempt",
    "attempt-committed",
    "answer-received",
    "answer-recorded",
    "run-written",
    "run-named",
    "object-packed",
];

/// The process may end here, on purpose.
#[cfg(not(feature = "sabotage"))]
pub fn point(_name: &'static str) {}

/// The process may end here, on purpose.
#[cfg(feature = "sabotage")]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static AT: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let at = AT.get_or_init(|| {
        let text = std::env::var("CASCADED_CRASH_AT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = at
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}
