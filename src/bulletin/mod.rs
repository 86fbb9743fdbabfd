//! Bulletins (通报): weekly bulletin, monthly assessment, quarterly meeting paper.
//!
//! Four steps, each a function of the one before. A [`report`](mod@report) gathers numbers, names and times
//! from the pure indicator, wherever facts come from ([`Counted`]); [`compose`] says them in one
//! language as a [`document::Document`] and the sheets that departments get; [`docx`], [`html`] and
//! [`sheets`] turn these into bytes; [`folder`] puts the files where they belong, all or none. The
//! same facts give the same bytes: nothing in a file tells when it was written.
//!
//! A bulletin names datasets, entries, cases, rules and counts. It never holds a row, a key or a
//! person, and rows that were only placed are never among those that are confirmed.

mod carried;
mod chart;
pub mod compose;
mod defects;
pub mod document;
pub mod docx;
mod error;
pub mod folder;
pub mod html;
mod losses;
mod moment;
mod period;
mod report;
mod schedule;
mod settings;
pub mod sheets;
mod tables;
#[cfg(test)]
mod tests;

pub use carried::{Carried, Change, KINDS};
pub use defects::{Defect, Ill, More, Terms};
pub use error::Error;
pub use losses::{Loss, by_owner, losses};
pub use moment::{Assessment, Compared, Moment, Place, moment, ranking};
pub use period::{Form, Look, Period, day_before};
pub use report::{Counted, Ground, Looks, Report, SEED, looks, report, span};
pub use schedule::{OfMonth, OfWeek, Scheduled, Times};
pub use settings::{Grade, Settings};
pub use tables::count;
