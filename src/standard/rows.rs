//! The row lane: `[rows]` compiled for a dataset's columns.

use super::Standard;
use super::problem::{Lack, LackRule};
use super::settings::{RowSettings, RowStyle};
use crate::catalogue::Item;
use crate::delivery::Action;
use crate::row::{Column, ColumnType};
use crate::wire::{
    ColumnFormat, KeyPlace, Media, NullForm, PlanProblem, RowColumn, RowPlan, RowReader, RowSpec,
};

/// A dataset's columns as its rows have them, and the catalogue's items that name them above.
#[derive(Clone, Copy, Debug)]
pub struct RowLayout<'a> {
    /// The columns in the order of the rows.
    pub columns: &'a [Column],
    /// The positions of the key's columns.
    pub key: &'a [usize],
    /// The items of the entry whose resource carries the rows; an item belongs to the column whose
    /// name is its `code`. A column without an item is not sent.
    pub items: &'a [Item],
}

impl Standard {
    /// The plan by which rows are written for an operation on this dataset. Lacks are the
    /// dataset's: its rows cannot be sent until they are repaired.
    pub fn row_plan(&self, action: Action, layout: RowLayout<'_>) -> Result<RowPlan, Vec<Lack>> {
        let (rows, style) = self.row_style(action)?;
        let spec = spec(rows, style, layout, self.media());
        RowPlan::compile(&spec, self.namespaces()).map_err(|problems| {
            problems.iter().map(|problem| lack("rows", &named(problem), LackRule::Format)).collect()
        })
    }

    /// How rows are written for an operation; the lack is the standard's, which carries none so.
    fn row_style(&self, action: Action) -> Result<(&RowSettings, &RowStyle), Vec<Lack>> {
        let rows = self.settings().rows.as_ref();
        let found = rows.and_then(|rows| match action {
            Action::Upsert => Some((rows, &rows.upsert)),
            Action::Delete => rows.delete.as_ref().map(|style| (rows, style)),
        });
        found.ok_or_else(|| vec![lack("rows", "", LackRule::Operation)])
    }

    /// The reader by which rows of this dataset that came in under an operation are understood: the
    /// inverse of [`Standard::row_plan`].
    ///
    /// # Errors
    /// The standard carries no rows this way, or its patterns do not fit the dataset's columns.
    pub fn row_reader(
        &self,
        action: Action,
        layout: RowLayout<'_>,
    ) -> Result<RowReader, Vec<Lack>> {
        let (rows, style) = self.row_style(action)?;
        RowReader::compile(&spec(rows, style, layout, self.media()))
            .map_err(|problem| vec![lack("rows", &named(&problem), LackRule::Format)])
    }
}

/// The style of a row as wire's, `None` where the file says something impossible.
pub(super) fn spec(
    rows: &RowSettings,
    style: &RowStyle,
    layout: RowLayout<'_>,
    media: Media,
) -> RowSpec {
    let tag = style.tag.clone();
    let named = |at: usize, column: &Column| {
        let item = layout.items.iter().find(|item| item.code == column.name)?;
        if style.only_key && !layout.key.contains(&at) {
            return None;
        }
        let name = match style.column.as_str() {
            "item.id" => &item.id,
            "item.title" => &item.title,
            _ => &item.code,
        };
        Some(RowColumn {
            index: at,
            name: format!("{}{name}", style.prefix),
            kind: column.kind,
            format: format(rows, column.kind),
            quoted: false,
        })
    };
    let columns = layout.columns.iter().enumerate();
    RowSpec {
        style: match (style.style.as_str(), media) {
            ("attributes", _) => crate::wire::RowStyle::Attributes { tag },
            ("array", _) => crate::wire::RowStyle::JsonArray,
            ("object", _) | (_, Media::Json) => crate::wire::RowStyle::JsonObject,
            _ => crate::wire::RowStyle::Elements { tag },
        },
        null: match style.null.as_str() {
            "empty" => NullForm::Empty,
            "nil" => NullForm::Nil,
            _ => NullForm::Omit,
        },
        key: match (style.key.as_str(), style.key.strip_prefix('@')) {
            ("", _) => None,
            (_, Some(name)) => Some(KeyPlace::Attribute(name.to_owned())),
            (name, None) => Some(KeyPlace::Element(name.to_owned())),
        },
        columns: columns.filter_map(|(at, column)| named(at, column)).collect(),
    }
}

fn format(rows: &RowSettings, kind: ColumnType) -> ColumnFormat {
    match kind {
        ColumnType::Time => ColumnFormat::Pattern(rows.time.clone()),
        ColumnType::Date => ColumnFormat::Pattern(rows.date.clone()),
        ColumnType::Boolean if rows.yes != "true" || rows.no != "false" => {
            let pairs = [("true", &rows.yes), ("false", &rows.no)];
            let codes = pairs.map(|(word, code)| (word.to_owned(), code.clone()));
            ColumnFormat::Codes(codes.into_iter().collect())
        }
        ColumnType::Text | ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => {
            ColumnFormat::AsIs
        }
    }
}

fn named(problem: &PlanProblem) -> String {
    problem.to_string()
}

fn lack(path: &str, title: &str, rule: LackRule) -> Lack {
    Lack {
        path: path.to_owned(),
        title: title.to_owned(),
        rule,
        clause: String::new(),
        value: String::new(),
    }
}
