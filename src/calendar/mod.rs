//! Working days and update cycles: when a dataset's next content is due.
