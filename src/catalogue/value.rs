//! A canonical value, before a standard's codes and formats are applied.

use jiff::Timestamp;

/// What sort of value a word stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WordType {
    /// Characters.
    Text,
    /// A canonical word of a code list, for example `unconditional`.
    Code,
    /// A whole number.
    Integer,
    /// An instant; a standard gives its format and zone.
    Time,
    /// True or false.
    Boolean,
    /// Several codes, for example the ways of sharing.
    Codes,
    /// Nested objects with words of their own, for example an entry's items.
    List,
}

/// A canonical value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Nobody supplied one.
    Absent,
    /// Characters.
    Text(String),
    /// A canonical word of a code list.
    Code(String),
    /// A whole number.
    Integer(i64),
    /// An instant.
    Time(Timestamp),
    /// True or false.
    Boolean(bool),
    /// Several codes.
    Codes(Vec<String>),
}

impl Value {
    /// `Absent` for an empty text.
    pub fn text(text: &str) -> Self {
        if text.trim().is_empty() { Self::Absent } else { Self::Text(text.to_owned()) }
    }

    /// `Absent` for an empty code.
    pub fn code(code: &str) -> Self {
        if code.trim().is_empty() { Self::Absent } else { Self::Code(code.to_owned()) }
    }

    /// `Absent` for `None`.
    pub fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::Absent, Self::text)
    }

    /// No value.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) | Self::Code(text) => text.trim().is_empty(),
            Self::Codes(codes) => codes.is_empty(),
            Self::Integer(_) | Self::Time(_) | Self::Boolean(_) => false,
        }
    }
}
