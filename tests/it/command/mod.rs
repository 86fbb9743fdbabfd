//! The real program's commands: what they say in both languages, how they end, and what they
//! never say.

mod canary;
mod changeover;
mod configuration;
mod indicator_files;
mod operators;
mod rehearsal;
mod standards;
