//! One mistake in the configuration: where, what, and a stable code.

use std::fmt;

/// One mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where: a path into the configuration, or a file with the place in it.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Stable: `E-CONFIG` or a standard's.
    pub code: &'static str,
}

impl Problem {
    /// A mistake of the configuration itself.
    pub fn new(place: &str, message: &str) -> Self {
        Self::coded(place, message, "E-CONFIG")
    }

    /// A mistake that another module has a code for.
    pub fn coded(place: &str, message: &str, code: &'static str) -> Self {
        Self { place: place.to_owned(), message: message.to_owned(), code }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} [{}]", self.place, self.message, self.code)
    }
}
