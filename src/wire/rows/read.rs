//! Rows read back: what a [`RowPlan`](super::RowPlan) of the same [`RowSpec`] wrote, cell by cell.
//!
//! The one who reads is the upper side for those below: the same table says how a row is written and
//! how it is understood. A cell that is not written as its column wants is malformed, which is a
//! finding of the checks; a row that has another shape than its standard's is told as a whole.

use std::collections::BTreeMap;

use crate::row::Page;

use super::pattern::Pattern;
use super::{ColumnFormat, Escape, KeyPlace, NullForm, PlanProblem, RowSpec, RowStyle};
use crate::wire::{Form, Node};

/// How a column's texts become canonical.
#[derive(Clone, Debug)]
enum Understood {
    AsIs,
    Pattern(Pattern),
    /// From the standard's code to the canonical word.
    Codes(BTreeMap<String, String>),
}

#[derive(Clone, Debug)]
struct Place {
    index: usize,
    name: String,
    understood: Understood,
}

/// A compiled row decoder.
#[derive(Clone, Debug)]
pub struct RowReader {
    style: RowStyle,
    null: NullForm,
    key: Option<KeyPlace>,
    places: Vec<Place>,
}

/// A row that is no row of this standard and dataset. Holds no content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misshapen {
    /// Another element, or an object where an array belongs.
    #[error("is not written in the standard's style of rows")]
    Style,
    /// A column that the dataset does not have: its name, shortened.
    #[error("has a column `{0}` that the dataset does not have")]
    Column(String),
    /// An array with more or fewer cells than there are columns.
    #[error("has another number of cells than columns")]
    Cells,
}

impl RowReader {
    /// The reader of `spec`; what is wrong with it as for [`RowPlan`](super::RowPlan).
    ///
    /// # Errors
    /// The first pattern that cannot be read.
    pub fn compile(spec: &RowSpec) -> Result<Self, PlanProblem> {
        let place = |column: &super::RowColumn| {
            let understood = match &column.format {
                ColumnFormat::AsIs => Understood::AsIs,
                ColumnFormat::Pattern(text) => {
                    let wrong = |reason| PlanProblem::Pattern {
                        name: column.name.clone(),
                        pattern: text.clone(),
                        reason,
                    };
                    let read = Pattern::compile(text, column.kind, Escape::None);
                    Understood::Pattern(read.map_err(wrong)?)
                }
                ColumnFormat::Codes(codes) => Understood::Codes(
                    codes.iter().map(|(word, code)| (code.clone(), word.clone())).collect(),
                ),
            };
            Ok(Place { index: column.index, name: column.name.clone(), understood })
        };
        Ok(Self {
            style: spec.style.clone(),
            null: spec.null,
            key: spec.key.clone(),
            places: spec.columns.iter().map(place).collect::<Result<_, PlanProblem>>()?,
        })
    }

    /// Appends one row to a page of the dataset's columns and gives its key text, where the
    /// standard has a place for it. Columns that the row does not carry are null.
    ///
    /// # Errors
    /// The row has another shape; nothing was appended then.
    pub fn read(&self, node: &Node, into: &mut Page) -> Result<Option<String>, Misshapen> {
        let (key, cells) = match &self.style {
            RowStyle::Elements { tag } | RowStyle::Attributes { tag } => {
                if node.form != Form::Element || node.name != local(tag) {
                    return Err(Misshapen::Style);
                }
                self.named(node)?
            }
            RowStyle::JsonObject => {
                if node.form != Form::Object {
                    return Err(Misshapen::Style);
                }
                self.named(node)?
            }
            RowStyle::JsonArray => self.listed(node)?,
        };
        for column in 0..into.width() {
            let found = self.places.iter().position(|place| place.index == column);
            match found
                .and_then(|at| Some((self.places.get(at)?, cells.get(at).copied().flatten()?)))
            {
                None => into.push_null(),
                Some((place, text)) => place.push(text, into),
            }
        }
        into.end_row().map_err(|_larger| Misshapen::Cells)?;
        Ok(key.map(str::to_owned))
    }

    /// Cells by their names: elements, attributes or members.
    fn named<'n>(&self, node: &'n Node) -> Result<Cells<'n>, Misshapen> {
        let is_attributes = matches!(self.style, RowStyle::Attributes { .. });
        let mut key = None;
        let mut cells = vec![None; self.places.len()];
        for child in &node.children {
            let is_attribute = child.form == Form::Attribute;
            let is_key = match &self.key {
                Some(KeyPlace::Attribute(name)) => is_attribute && child.name == local(name),
                Some(KeyPlace::Element(name)) => {
                    is_attribute == is_attributes && child.name == local(name)
                }
                None => false,
            };
            if is_key {
                key = child.value();
                continue;
            }
            if is_attribute != is_attributes {
                // `xsi:nil` and declarations are the reader's business, not a column's.
                continue;
            }
            let at = self.places.iter().position(|place| local(&place.name) == child.name);
            let cell = at.and_then(|at| cells.get_mut(at));
            let Some(cell) = cell else {
                return Err(Misshapen::Column(child.name.chars().take(40).collect()));
            };
            *cell = self.text(child);
        }
        Ok((key, cells))
    }

    /// Cells by their places in an array, the key first where it has a place.
    fn listed<'n>(&self, node: &'n Node) -> Result<Cells<'n>, Misshapen> {
        if node.form != Form::Array {
            return Err(Misshapen::Style);
        }
        let mut children = node.children.as_slice();
        let mut key = None;
        if self.key.is_some() {
            let (first, rest) = children.split_first().ok_or(Misshapen::Cells)?;
            (key, children) = (first.value(), rest);
        }
        if children.len() != self.places.len() {
            return Err(Misshapen::Cells);
        }
        Ok((key, children.iter().map(|child| self.text(child)).collect()))
    }

    fn text<'n>(&self, node: &'n Node) -> Option<&'n str> {
        node.value().filter(|text| self.null != NullForm::Empty || !text.is_empty())
    }
}

type Cells<'n> = (Option<&'n str>, Vec<Option<&'n str>>);

/// A name without its prefix, as a reader knows it.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

impl Place {
    fn push(&self, text: &str, into: &mut Page) {
        match &self.understood {
            Understood::AsIs => into.push(text),
            Understood::Pattern(pattern) => match pattern.read(text) {
                Some(canonical) => into.push(&canonical),
                None => into.push_malformed("is not written in the standard's pattern"),
            },
            Understood::Codes(codes) => match codes.get(text) {
                Some(word) => into.push(word),
                None => into.push_malformed("is no code of the standard"),
            },
        }
    }
}
