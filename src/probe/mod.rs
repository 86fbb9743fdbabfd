//! Whether the city's interfaces answer: API resources are asked, and what came of it is counted.
//!
//! A [`Caller`] asks one configured address and no other: what the catalogue or a province writes is
//! never an address here, and no redirect is followed. An interface answers when its status is one
//! of the expected ones and its body goes on arriving; the body itself is dropped. [`Gathered`]
//! counts what was asked, an hour at a time and apart before and after each change, so that a month
//! knows when an interface was away and facts stay few. [`Board`] shows what stands now.
//!
//! Nothing here counts as asked by somebody else: a probe is ours, says so in its `user-agent`, and
//! is a measure of reach and never of use.

mod board;
mod caller;
mod gather;
mod settings;

pub use board::{Board, Standing};
pub use caller::{Caller, callers};
pub use gather::{Counted, Gathered, MOST_CHANGES};
pub use settings::{AT_ONCE, MOST, Method, Settings, problems};
