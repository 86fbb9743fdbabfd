//! Validity: rules as data, compiled once, run on every row before it is packed.
