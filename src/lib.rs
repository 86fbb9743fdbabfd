#![doc = include_str!("ARCHITECTURE.md")]

// Group 1: words, pure.
pub mod calendar;
pub mod catalogue;
pub mod clock;
pub mod delivery;
pub mod expression;
pub mod fact;
pub mod language;
pub mod markup;
pub mod row;

// Group 2: rules, pure.
pub mod checks;
pub mod indicator;
pub mod signing;
pub mod standard;
pub mod takeover;
pub mod wire;

// Group 3: ground.
pub mod crash;
pub mod supervisor;
pub mod telemetry;

// Group 4: the world.
pub mod city;
pub mod ledger;
pub mod province;
pub mod sql;

// Group 5: the work.
pub mod bulletin;
pub mod cascade;
pub mod changeover;
pub mod control;
pub mod intake;
pub mod probe;

// Group 6: stand-in.
pub mod rehearsal;

// Group 7: assembly.
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
