//! The one integration binary: each extra one relinks the crate (`src/DECISIONS.md`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says by name what it did not run")]

mod ahead;
mod answers;
mod bulletin;
mod cases;
mod catalogue;
mod changes;
mod ciphers;
mod city;
mod command;
mod conformance;
mod crash;
mod deadlines;
mod delivery;
mod doctor;
mod drift;
mod durability;
mod example;
mod families;
mod faults;
mod inbox;
mod kills;
mod late;
mod march;
mod march_beside;
mod march_clock;
mod march_kills;
mod march_scope;
mod mending;
mod notify;
mod package;
mod packaging;
mod page;
mod probe;
mod prometheus;
mod real;
mod reconcile;
mod reload;
#[cfg(feature = "sabotage")]
mod sabotage;
mod score;
mod service;
mod shadow;
mod sixth;
mod support;
mod tables;
mod takeover;
mod tidy;
mod unit;
mod upgrade;
mod watch;
