//! The office against a real ledger.
