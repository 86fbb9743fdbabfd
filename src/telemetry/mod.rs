//! Logs, and every metric with its help in one place.
