//! Connections to databases, shared by the ledger's and the city's adapters.
