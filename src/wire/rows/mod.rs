//! Rows to bytes: a plan compiled once per dataset and standard, appended to one reused buffer
//! without an allocation per row.

mod compile;
mod pattern;
mod read;

pub use read::{Misshapen, RowReader};

use std::collections::BTreeMap;

use crate::row::{Cell, ColumnType, Row};

use self::pattern::Pattern;
use super::Escape;
use super::shape::is_json_number;

/// How a row is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowStyle {
    /// `<ROW><COL>text</COL></ROW>`.
    Elements {
        /// The row's tag, with its prefix.
        tag: String,
    },
    /// `<ROW COL="text"/>`.
    Attributes {
        /// The row's tag, with its prefix.
        tag: String,
    },
    /// `{"COL":"text"}`.
    JsonObject,
    /// `["text"]`.
    JsonArray,
}

/// What becomes of a null.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NullForm {
    /// Nothing is written.
    Omit,
    /// An empty element, attribute or string.
    Empty,
    /// `xsi:nil="true"` (the standard declares the prefix), or `null`.
    Nil,
}

/// Where the row's key text is written, so that a verdict can name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyPlace {
    /// An attribute of the row's element.
    Attribute(String),
    /// The first element or member in the row.
    Element(String),
}

/// How a cell's canonical text is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ColumnFormat {
    /// As it is.
    AsIs,
    /// A date or time in a pattern: `%Y %y %m %d %H %M %S %f` (the fraction's digits as they are),
    /// `%3f %6f` (as many digits), `%F` = `%Y-%m-%d`, `%T` = `%H:%M:%S`, `%%`.
    Pattern(String),
    /// A word of a code list, written as its code.
    Codes(BTreeMap<String, String>),
}

/// A column of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowColumn {
    /// Its position in the dataset's rows.
    pub index: usize,
    /// Its name in the message.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    /// How it is written.
    pub format: ColumnFormat,
    /// In JSON: whether numbers and booleans stand in quotes, as texts always do.
    pub quoted: bool,
}

/// What a plan is compiled from. For `only = "key"`, give only the key's columns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowSpec {
    /// How a row is written.
    pub style: RowStyle,
    /// What becomes of a null.
    pub null: NullForm,
    /// Where the key text goes.
    pub key: Option<KeyPlace>,
    /// The columns in order.
    pub columns: Vec<RowColumn>,
}

/// A plan that cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanProblem {
    /// Not a name that XML can carry, or with a prefix that is not declared.
    #[error("`{name}` is not a name of an element or attribute")]
    Name {
        /// As written.
        name: String,
    },
    /// The same name twice in one row.
    #[error("the row has two columns `{name}`")]
    Twice {
        /// As written.
        name: String,
    },
    /// No column.
    #[error("the row has no column")]
    Empty,
    /// A null form or key place that the style has no way to write.
    #[error("{what} cannot be written in this style of row")]
    Style {
        /// What.
        what: &'static str,
    },
    /// A pattern that cannot be read, or that asks a date for a time of day.
    #[error("pattern `{pattern}` of column `{name}`: {reason}")]
    Pattern {
        /// The column.
        name: String,
        /// As written.
        pattern: String,
        /// Why.
        reason: &'static str,
    },
}

/// A row that cannot be written: a finding, never a dropped character. Holds no content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unencodable {
    /// The dataset's column; `None` for the key text.
    pub column: Option<usize>,
    /// Why.
    pub reason: Reason,
}

/// Why a cell cannot be written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// A character that XML 1.0 has no place for (§2.2).
    Character,
    /// The source could not read the cell.
    Malformed,
    /// Not the canonical text of a date or time.
    Time,
    /// Not the canonical text of a number or boolean.
    Number,
    /// A word that the code list does not have.
    Code,
}

#[derive(Clone, Debug)]
enum Written {
    Text,
    Number,
    Pattern(Pattern),
    Codes(BTreeMap<String, String>),
}

#[derive(Clone, Debug)]
struct Slot {
    index: usize,
    /// The column's name in the message.
    name: String,
    open: Vec<u8>,
    close: Vec<u8>,
    /// The end of the slot before this one and the beginning of this one, in one piece.
    joined: Vec<u8>,
    /// What is written for a null; `None` writes nothing.
    null: Option<Vec<u8>>,
    written: Written,
}

/// A compiled row encoder.
#[derive(Clone, Debug)]
pub struct RowPlan {
    escape: Escape,
    /// Between rows.
    separator: &'static [u8],
    /// Between columns.
    comma: &'static [u8],
    /// Up to the key text, when there is one; otherwise up to the first column.
    head: Vec<u8>,
    /// After the key text.
    key_tail: Option<Vec<u8>>,
    /// The key text is a member, so that a comma follows.
    key_counts: bool,
    slots: Vec<Slot>,
    tail: Vec<u8>,
}

impl RowPlan {
    /// Appends one row; `into` holds nothing but rows of this plan. `key` is the row's
    /// [`key_text`](crate::row::key_text), used where the plan has a place for it. On an error
    /// `into` is as it was.
    pub fn append(&self, row: Row<'_>, key: &str, into: &mut Vec<u8>) -> Result<(), Unencodable> {
        let start = into.len();
        let result = self.write(row, key, into);
        if result.is_err() {
            into.truncate(start);
        }
        result
    }

    /// Appends the row as `name=text` lines in the order of its columns, cells without a value left
    /// out: what a province digests that tells its inventory by content. The texts are as written,
    /// not escaped.
    ///
    /// # Errors
    /// As [`RowPlan::append`]; `into` is then of no use.
    pub fn lines(&self, row: Row<'_>, into: &mut String) -> Result<(), Unencodable> {
        let mut bytes = Vec::new();
        for slot in &self.slots {
            let Some(text) = row.cell(slot.index).text() else { continue };
            into.push_str(&slot.name);
            into.push('=');
            match &slot.written {
                Written::Text => into.push_str(text),
                Written::Number | Written::Pattern(_) | Written::Codes(_) => {
                    let failed = |reason| Unencodable { column: Some(slot.index), reason };
                    bytes.clear();
                    self.cell(&slot.written, text, &mut bytes).map_err(failed)?;
                    into.push_str(&String::from_utf8_lossy(&bytes));
                }
            }
            into.push('\n');
        }
        Ok(())
    }

    /// What the column at this position of the dataset's rows is called in the message.
    pub fn name_of(&self, index: usize) -> Option<&str> {
        self.slots.iter().find(|slot| slot.index == index).map(|slot| slot.name.as_str())
    }

    /// What the columns are called in the message, in the order in which a row carries them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| slot.name.as_str())
    }

    fn write(&self, row: Row<'_>, key: &str, into: &mut Vec<u8>) -> Result<(), Unencodable> {
        if !into.is_empty() {
            into.extend_from_slice(self.separator);
        }
        into.extend_from_slice(&self.head);
        if let Some(tail) = &self.key_tail {
            self.escape
                .append(key, into)
                .map_err(|_illegal| Unencodable { column: None, reason: Reason::Character })?;
            into.extend_from_slice(tail);
        }
        let mut any = self.key_counts;
        // The slot whose end is not written yet: most cells have a text, and end and beginning of
        // neighbours then are one copy.
        let mut open: Option<&Slot> = None;
        for slot in &self.slots {
            let failed = |reason| Unencodable { column: Some(slot.index), reason };
            let text = match row.cell(slot.index) {
                Cell::Text(text) => text,
                Cell::Malformed(_) => return Err(failed(Reason::Malformed)),
                Cell::Null => {
                    if let Some(last) = open.take() {
                        into.extend_from_slice(&last.close);
                    }
                    if let Some(null) = &slot.null {
                        if any {
                            into.extend_from_slice(self.comma);
                        }
                        into.extend_from_slice(null);
                        any = true;
                    }
                    continue;
                }
            };
            // What is open is always the slot before: a null closes it.
            if open.is_some() {
                into.extend_from_slice(&slot.joined);
            } else {
                if any {
                    into.extend_from_slice(self.comma);
                }
                into.extend_from_slice(&slot.open);
            }
            any = true;
            self.cell(&slot.written, text, into).map_err(failed)?;
            open = Some(slot);
        }
        if let Some(last) = open {
            into.extend_from_slice(&last.close);
        }
        into.extend_from_slice(&self.tail);
        Ok(())
    }

    #[inline]
    fn cell(&self, written: &Written, text: &str, into: &mut Vec<u8>) -> Result<(), Reason> {
        match written {
            Written::Text => self.escape.append(text, into).map_err(|_illegal| Reason::Character),
            Written::Number => {
                if !is_json_number(text) && !matches!(text, "true" | "false") {
                    return Err(Reason::Number);
                }
                into.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Written::Pattern(pattern) => {
                if pattern.append(text, into) {
                    Ok(())
                } else {
                    Err(Reason::Time)
                }
            }
            // Codes were escaped when the plan was compiled.
            Written::Codes(codes) => {
                let code = codes.get(text).ok_or(Reason::Code)?;
                into.extend_from_slice(code.as_bytes());
                Ok(())
            }
        }
    }
}
