//! The upper side for counties (区县级联): a county's platform cascades into this instance by a
//! standard of our choosing, and what it sends goes on above under the city's own.
//!
//! ```text
//! county ─► listener (TLS, bounds) ─► gate: who, now, once ─► desk ─► store of that county
//!                                                                        │ sealed, durable
//! province ◄─ submit ◄─ pack ◄─ checks ◄─ observe ◄─ source `county` ◄───┘
//! ```
//!
//! * Everything is read and answered by the standard's own tables: [`crate::standard`] has both
//!   directions.
//! * A county has a store, credentials, quotas and a place in the queue of its own, so that its
//!   trouble and its floods are its own.
//! * What was taken is durable before it is answered. The same again gives the same answer; the
//!   same name with other bytes is refused.
//! * Rows are judged by the city's own rules at once, and the county is told what *we* found. What
//!   the province makes of them later is in our lists under the county's name; it is never told
//!   below as more than it is.
//! * A county that no line leads to has a ferry: the same requests come as sealed files.
//! * The stand-in of `rehearsal` is another code on purpose: the two judge each other.

mod answer;
mod desk;
mod error;
mod ferry;
mod gate;
mod listener;
mod objects;
mod queries;
mod request;
mod rows;
mod settings;
mod store;

pub use desk::{Desk, DeskParts, Standing, TakenDataset};
pub use error::Error;
pub use listener::{Above, Listener, examine};
pub use settings::{CountySettings, Problem, Settings};
