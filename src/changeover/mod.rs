//! Changing over to another standard: what differs, what would be refused, which values are missing
//! and who fills them in.
//!
//! [`difference`] compares two versions table by table. [`catalogue`] and [`rows`] try everything
//! the city has under a candidate. [`wanted`] says which values the candidate asks for that only
//! people can give; [`sheet`] writes them as a workbook for each department and reads it back.
//! [`says_more`] tells which objects a cut-over must send again. Nothing here sends anything.

mod again;
pub mod catalogue;
pub mod check;
pub mod difference;
mod effect;
pub mod rows;
pub mod shadow;
pub mod sheet;
#[cfg(test)]
mod tests;
pub mod wanted;

pub use again::says_more;
pub use catalogue::{Part, Recorded};
pub use check::{Checked, DepartmentCount, KindCount};
pub use difference::{Affects, Change, Difference, compare};
pub use effect::Effects;
pub use rows::{RowsChecked, check_rows};
pub use wanted::{Given, NotTaken, Wanted, WantedField};
