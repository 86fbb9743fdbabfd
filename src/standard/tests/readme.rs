//! The page for integrators says what the loader accepts.
