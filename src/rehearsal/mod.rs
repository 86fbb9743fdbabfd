//! A stand-in for the province: an HTTPS platform driven by a standard's own directory.
//!
//! It judges what we send with code of its own. It uses neither `wire`, `ledger`, `cascade`,
//! `city` nor `province`, and not even the compiled form of a standard: it reads the directory's
//! tables, reads requests with its own small reader ([`tree`]) and writes replies from the tables
//! with its own writer. A mistake that our encoder and our reader share is therefore seen here.
//!
//! ```text
//! socket ─► server (TLS, bounds) ─► desk, one thread: open → sign → judge → store ─► reply
//!              ▲                                                                       │
//!              └── faults: what the script plays before, instead of and after ◄────────┘
//! ```
//!
//! * One thread, the *desk*, owns the database: what it took is committed before it says so.
//! * Nothing happens in the background. A review that takes a day and a verdict that comes in an
//!   hour are instants in the database, compared with the injected clock when somebody asks.
//! * Everything random is a function of [`Settings::seed`] and a count, so a run can be repeated.
//! * A standard of tables is played by [`Front`]: a PostgreSQL of its own, and a judge who looks at
//!   its tables; a standard of files by [`Fetcher`], who fetches them and lays verdicts down.
//! * What it keeps is in one SQLite file whose tables people compare with the city's: [`store`].

mod access;
mod act;
pub mod certificates;
mod condition;
pub mod conformance;
mod desk;
mod directory;
mod error;
mod faults;
mod fetcher;
mod folder;
mod front;
mod json;
mod judge;
mod platform;
mod raw;
mod reply;
mod rows;
mod script;
mod seal;
mod server;
mod signature;
mod store;
mod tree;

pub use error::Error;
pub use faults::{Fault, Faults, Play};
pub use fetcher::{Cells, Fetched, Fetcher, FetcherSettings};
pub use front::{Account, ColumnRule, Front, FrontSettings, Listen, Parent, Parts, Table};
pub use platform::{Platform, Settings};
pub use rows::{IdentityRule, RowRules};
pub use script::Script;
pub use store::{Content, Delivery, Object};

#[cfg(test)]
mod tests;
