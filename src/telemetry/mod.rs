//! Logs, and every metric with its help in one place.
//!
//! Nothing here knows a row, a key or a secret, so nothing here can leak one: a metric's labels
//! come from closed sets and from names in the configuration, and a log line is made of what a
//! module's own error type says.

pub mod logs;
pub mod metrics;
