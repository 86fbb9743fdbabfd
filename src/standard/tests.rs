//! Loading, building and reading as a whole, on shipped and on broken directories.
