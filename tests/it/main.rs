//! The one integration binary: each extra one relinks the crate (`src/DECISIONS.md`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod city;
mod support;
