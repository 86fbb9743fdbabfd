//! What the province marks, from facts alone: freshness, measures, schemes and the score.
//!
//! Facts are tallied against the lists that the city keeps ([`tally`]), which gives figures by the
//! names of [`measures`]; a [`scheme`] makes points of figures ([`score`]); with the other cities'
//! published scores a total has a rank ([`field`]). All of it is pure: the same facts and the same
//! scheme give the same score, bit for bit, in whatever order the facts come.

pub mod brought;
pub mod bundle;
pub mod calibrate;
pub mod doubts;
pub mod evidence;
pub mod example;
pub mod field;
pub mod forecast;
pub mod freshness;
pub mod history;
pub mod ledgered;
pub mod lists;
pub mod measures;
pub mod mending;
pub mod part;
pub mod recover;
pub mod replay;
pub mod scheme;
pub mod score;
pub mod sheet;
pub mod sources;
pub mod stated;
pub mod tally;
pub mod tasks;
pub mod terms;
