//! Messages and rows to bytes and back.
