//! The stages that carry the city's data above, each a function of the ledger.
