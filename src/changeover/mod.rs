//! Changing over to another standard: what differs, what would be refused, which values are missing
//! and who fills them in.
//!
//! Nothing here sends anything.

pub mod difference;

pub use difference::{Affects, Change, Difference, compare};
