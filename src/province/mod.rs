//! The province's side: channels that place messages and collect answers.
//!
//! A [`Client`] speaks one standard on one channel over HTTP/1.1 and TLS. What it is given was
//! built and made durable before (invariant 1); it fills the slots of an attempt, signs, sends
//! once, reads a bounded reply and lets the standard say what it means. It never sends twice by
//! itself, with one exception: a request that was turned away for its token is sent again with a
//! fresh one, for it was not taken.
//!
//! A [`Way`] is either that, or a channel of front-end tables or of files, which answers later: what
//! is placed in tables is collected from the same rows, what is placed as a file from files that come
//! back.
//!
//! Where nobody can speak across a gap, a [`Ferry`] carries requests and answers as sealed files.
//!
//! What went wrong on the way is sorted into two: certainly not taken
//! ([`Outcome::Retry`](crate::delivery::Outcome)), or maybe
//! ([`Outcome::Unknown`](crate::delivery::Outcome)): ask before sending again.

mod address;
mod carry;
mod certificates;
mod client;
mod credentials;
mod error;
mod examine;
mod ferry;
mod folder;
mod needs;
mod request;
mod seal;
mod settings;
mod signer;
mod tables;
#[cfg(test)]
mod tests;
mod token;
mod transcript;
mod transport;
mod way;

pub use carry::{Carried, CarriedAnswer, LOOK_EVERY, ferry_of};
pub use certificates::{Certificate, Holder, certificates};
pub use client::{Client, Placement, Reply};
pub use credentials::Credentials;
pub use error::Error;
pub use examine::{Door, Flaw, Hindrance, Line, OwnFlaw, line, own};
pub use ferry::{
    Address as FerryAddress, Error as FerryError, Ferry, FerrySettings, FerryStanding, Gap, Known,
    Side,
};
pub use folder::{FULL, Returned, ReturnedRow, Unfetched};
pub use settings::{InboxAddress, ParentSettings, Settings, SignerSettings};
pub use tables::{About, DownPage, DownRow, Lack, PARENT_FAILED, Start};
pub use transcript::Transcript;
pub use transport::{client, failure_code};
pub use way::Way;
