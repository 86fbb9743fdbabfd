//! The configuration file: read whole, checked whole, every problem at once.
