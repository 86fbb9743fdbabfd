//! A bulletin as a document: what stands where, without a word of how it is written to a file.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::language::Language;

/// A document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The language of every text in it.
    pub language: Language,
    /// Who issues it (发文机关).
    pub office: String,
    /// Its number, to be filled in (文号).
    pub number: String,
    /// Its title; where it may break there is a line's end.
    pub title: String,
    /// What stands below the title; empty for nothing.
    pub subtitle: String,
    /// Whom it is sent to (主送).
    pub to: String,
    /// Its body.
    pub blocks: Vec<Block>,
    /// The word before the list of attachments.
    pub attached: String,
    /// What is attached.
    pub attachments: Vec<String>,
    /// Who signs it.
    pub signature: String,
    /// Its date.
    pub date: String,
    /// The line about whom to ask.
    pub contact: String,
    /// The line about the time it tells of, for the foot of the page.
    pub as_of: String,
    /// The instant it tells of: the time of its files, whenever they are written.
    pub at: Timestamp,
}

impl Document {
    /// The title on one line.
    pub fn plain_title(&self) -> String {
        self.title.replace('\n', "")
    }
}

/// A part of the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Block {
    /// A heading of the first level (一、).
    Part(String),
    /// A heading of the second level (（一）).
    Section(String),
    /// A paragraph.
    Text(String),
    /// A remark in small letters.
    Remark(String),
    /// A table.
    Table(Table),
    /// A chart: only where charts can be drawn, for its numbers stand in the text too.
    Chart(Chart),
}

/// A table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    /// What stands above it.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each as long as the columns.
    pub rows: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// What stands at its head.
    pub head: String,
    /// Its share of the width, relative to the others'.
    pub share: u32,
    /// Where its cells stand.
    pub side: Side,
}

/// Where text stands in its cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Text.
    Left,
    /// Short words.
    Middle,
    /// Numbers.
    Right,
}

/// A chart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chart {
    /// A bar for each.
    Bars {
        /// What stands above it.
        caption: String,
        /// From the top.
        bars: Vec<Bar>,
    },
    /// A line from left to right.
    Line {
        /// What stands above it.
        caption: String,
        /// What stands below each point, and its height.
        points: Vec<(String, Decimal)>,
    },
}

/// A bar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// How long it is.
    pub value: Decimal,
    /// How long it could be.
    pub most: Decimal,
    /// What stands behind it.
    pub shown: String,
    /// It is one to look at.
    pub is_bad: bool,
}
