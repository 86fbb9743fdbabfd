//! Measures that the province marks: freshness today, the score later.

pub mod freshness;
