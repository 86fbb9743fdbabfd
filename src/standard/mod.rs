//! A cascade standard: a directory of tables, loaded, checked and compiled.
