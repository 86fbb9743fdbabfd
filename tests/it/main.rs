//! The one integration binary: each extra one relinks the crate (`src/DECISIONS.md`).

mod package;
mod tidy;
