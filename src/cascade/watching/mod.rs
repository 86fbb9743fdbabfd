//! Watching (只看不发): what would be registered and sent, as figures, and nothing that writes.
//!
//! While the daemon watches, these two stages stand in the place of register, observe and submit,
//! which do not run. They read the catalogue's links and the rows as those do, judge them by the
//! same rules and under the same standard, and ask the province what it holds. What breaks a rule
//! is recorded as always, so that departments can mend it before the first row leaves; what does
//! not is counted and let go of: nothing is packed, so that nothing piles up.

mod objects;
mod rows;

pub use objects::WatchObjects;
pub use rows::WatchRows;
