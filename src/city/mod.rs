//! The city's side: catalogue sheets and tables, read in bounded memory.
