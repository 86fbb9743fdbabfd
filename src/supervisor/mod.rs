//! The owner of every task and of the blocking pool.
