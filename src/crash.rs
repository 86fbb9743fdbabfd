//! Named crash points, where a test ends the process on purpose, and switches that take one
//! protection away, so that the suite can prove its own tests red without it.
//!
//! In a packaged build [`point`] is empty and [`sabotaged`] is false. In a build with the feature
//! `sabotage` the first counts how often its point is passed and aborts at the one that
//! `CASCADED_CRASH_AT=name:count` names; the second is true for what `CASCADED_SABOTAGE=name`
//! names.

/// Every point's name, in the order a batch passes them.
pub const POINTS: [&str; 14] = [
    "catalogue-read",
    "object-packed",
    "payload-spooled",
    "rows-observed",
    "before-attempt",
    "attempt-committed",
    "answer-received",
    "answer-recorded",
    "halves-spooled",
    "fate-known",
    "fate-recorded",
    "verdicts-recorded",
    "run-written",
    "run-named",
];

/// The points of a cut-over, in the order it passes them.
pub const CUT_OVER_POINTS: [&str; 6] = [
    "cut-over-asked",
    "cut-over-ready",
    "cut-over-made",
    "batches-superseded",
    "objects-due-again",
    "cut-over-through",
];

/// The points of a takeover, in the order it passes them.
pub const TAKEOVER_POINTS: [&str; 4] =
    ["takeover-asked", "takeover-collected", "takeover-matched", "takeover-adopted"];

/// The points of a channel of files, in the order a batch passes them.
pub const FILE_POINTS: [&str; 6] =
    ["file-staged", "file-noted", "file-visible", "file-done", "result-heard", "result-taken"];

/// The points of oversight: what is sent is noted afterwards.
pub const OVERSIGHT_POINTS: [&str; 6] = [
    "acts-forwarded",
    "approval-given",
    "approval-done",
    "spool-resealed",
    "run-resealed",
    "resealed",
];

/// The points at which something of a county was taken, in the order it passes them.
pub const INTAKE_POINTS: [&str; 3] =
    ["intake-object-kept", "intake-batch-read", "intake-batch-kept"];

/// The points of a ferry: what is sent has a number, lies there, and is taken in, acted on and
/// answered on the other side.
pub const FERRY_POINTS: [&str; 5] =
    ["ferry-numbered", "ferry-put", "ferry-taken", "ferry-acted", "ferry-answered"];

/// Every protection that can be taken away; the suite proves of each that it goes red without it.
pub const SWITCHES: [&str; 16] = [
    // The attempt is committed when the answer is there.
    "attempt-after-answer",
    // A lost answer is not asked for: the rows go again under another name.
    "new-name",
    // A batch does not wait for an older one that shares a key with it.
    "key-order",
    // A lane's position moves before the rows it passes are recorded.
    "progress-first",
    // A payload is not made durable.
    "unsynced",
    // A payload, an original and a position are stored as they are.
    "unsealed",
    // A folder is not locked against a second daemon.
    "unlocked",
    // A receipt confirms, whatever evidence is declared.
    "receipt-confirms",
    // A verdict or a receipt that is told again counts again.
    "told-again",
    // A verdict on a row that the batch does not carry is taken for one of its own.
    "foreign-verdict",
    // A refused batch is not halved: whatever is in it stays together.
    "unsplit",
    // A code in no list is a refusal.
    "unlisted-refuses",
    // The province's own pause is not kept.
    "impatient",
    // Rows are deleted above in bulk without an approval.
    "bulk-deletion",
    // The past is read however much is under way.
    "endless-backlog",
    // A standard comes in force in a transaction of its own, before what follows from it.
    "standard-first",
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

/// Whether this protection is taken away.
#[cfg(not(feature = "sabotage"))]
pub const fn sabotaged(_switch: &'static str) -> bool {
    false
}

/// Whether this protection is taken away.
#[cfg(feature = "sabotage")]
pub fn sabotaged(switch: &'static str) -> bool {
    use std::sync::OnceLock;
    static TAKEN: OnceLock<Option<String>> = OnceLock::new();
    TAKEN.get_or_init(|| std::env::var("CASCADED_SABOTAGE").ok()).as_deref() == Some(switch)
}
