//! Taking over (接管): what another tool registered above, matched with the city's objects.
//!
//! A registration is what the province, a portal's export or a vendor's table says: a kind, the
//! province's id, and what it knows beside that (the code or city id it was sent under, a title).
//! [`compare`] matches by the province's id, then by code, then by title; a title alone never
//! decides: it is proposed, and a person says yes or no in a sheet. Registrations that would all be
//! of one object are duplicates: they are shown, never merged, and one is chosen by a person unless
//! its id or code decides. Pure: the same input in any order gives the same report.

mod export;
mod matching;
#[cfg(test)]
mod tests;

pub use export::{EXPORT_HEADS, Misread, decisions, registrations};
pub use matching::{Report, compare, normalised};

use serde::{Deserialize, Serialize};

use crate::catalogue::{Kind, ObjectKey};

/// What stands above, as somebody said.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The kind's word (`entry`, …).
    pub kind: String,
    /// The province's id: with the kind it names the registration.
    pub upper_id: String,
    /// The code or the city's id under which it was sent; may be empty.
    pub code: String,
    /// Its title; may be empty.
    pub title: String,
    /// Where that is from: a file and row, or the province's inventory.
    pub origin: String,
}

impl Registration {
    /// Its kind, where that is one.
    pub fn kind(&self) -> Option<Kind> {
        Kind::parse(&self.kind)
    }
}

/// An object of the city that may have been registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Here {
    /// Which.
    pub key: ObjectKey,
    /// Its code; may be empty.
    pub code: String,
    /// Its title.
    pub title: String,
    /// The province's id of it, where the ledger knows one.
    pub upper_id: Option<String>,
}

/// What decided that a registration is an object's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A person said so.
    Said,
    /// The ledger knows the province's id.
    UpperId,
    /// It was sent under the object's code or id.
    Code,
}

impl How {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::UpperId => "upper_id",
            Self::Code => "code",
        }
    }
}

/// What becomes of a registration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is this object's.
    Matched(String, How),
    /// Its title is this object's and nobody else's: a person says yes or no.
    Proposed(String),
    /// It may be of any of these: a person says which, or none.
    Ambiguous(Vec<String>),
    /// Several are of this object and nothing decides between them: a person says which.
    Rival(String),
    /// Another registration is this object's: a second one above, made by an earlier tool.
    Duplicate(String),
    /// No object of the city is it, or a person said so.
    MissingHere,
}

impl Fate {
    /// The word that is stored and shown.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Matched(..) => "matched",
            Self::Proposed(_) => "proposed",
            Self::Ambiguous(_) => "ambiguous",
            Self::Rival(_) => "rival",
            Self::Duplicate(_) => "duplicate",
            Self::MissingHere => "missing_here",
        }
    }

    /// A person has to say something before anything is registered.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Proposed(_) | Self::Ambiguous(_) | Self::Rival(_) => true,
            Self::Matched(..) | Self::Duplicate(_) | Self::MissingHere => false,
        }
    }

    /// The objects that it is, or may be.
    pub fn objects(&self) -> &[String] {
        match self {
            Self::Matched(id, _) | Self::Proposed(id) | Self::Rival(id) | Self::Duplicate(id) => {
                std::slice::from_ref(id)
            }
            Self::Ambiguous(ids) => ids,
            Self::MissingHere => &[],
        }
    }
}

/// What a person said of a registration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The registration's kind.
    pub kind: String,
    /// The province's id.
    pub upper_id: String,
    /// The city's object that it is; `None`: none of them.
    pub id: Option<String>,
}
