//! Immutable lines of history: what happened, when, why, and what it amends.
