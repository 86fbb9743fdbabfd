//! Signatures and digests that standards ask for.
