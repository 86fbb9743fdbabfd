//! Workbooks written and read back.
