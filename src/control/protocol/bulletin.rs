//! A bulletin asked for: which, and its files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which bulletin.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BulletinQuery {
    /// `weekly`, `monthly` or `quarterly`.
    pub form: String,
    /// `2026-W47`, `2026-10` or `2026-Q3`; the last one that has ended where it is left out.
    #[serde(default)]
    pub period: Option<String>,
    /// `zh` or `en`; as configured where it is left out.
    #[serde(default)]
    pub language: Option<String>,
    /// As known at; now where it is left out.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// A bulletin's files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BulletinFiles {
    /// What it is about: `2026-W47`.
    pub period: String,
    /// The mode of its files.
    pub mode: u32,
    /// The files.
    pub files: Vec<BulletinFile>,
}

/// A file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BulletinFile {
    /// Its name.
    pub name: String,
    /// Its bytes, in base64.
    pub bytes: String,
}
