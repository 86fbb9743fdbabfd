//! The daemon put together: built from a configuration, run, stopped in order.
