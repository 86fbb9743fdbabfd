//! Rows out of a batch, and the province's own rules about them.
//!
//! The rules are written here anew and are not the city's: what the city lets through and the
//! province fails, or the other way round, is exactly what a rehearsal is for.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;

use super::directory::RowStyle;
use super::judge::hex;
use super::store::Judged;
use super::tree::Node;

/// The province's rules about a dataset's rows; what a row breaks first is its reason.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RowRules {
    /// Columns that must have a value.
    pub required: BTreeSet<String>,
    /// Columns of identity numbers (GB 11643), each with the column and the value of the
    /// certificate type under which it is one; an empty column means always.
    pub identity: Vec<IdentityRule>,
    /// The most characters a column may have.
    pub longest: BTreeMap<String, usize>,
    /// Keys that fail whatever they say.
    pub fail_keys: BTreeSet<String>,
    /// Keys with which a whole batch is refused, its other rows included.
    pub refuse_keys: BTreeSet<String>,
}

/// See [`RowRules::identity`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityRule {
    /// The column with the number.
    pub column: String,
    /// The column with the certificate's type.
    pub type_column: String,
    /// The type's value for an identity card.
    pub type_value: String,
}

impl RowRules {
    /// Why the row fails; `None` passes. No content is in the reason.
    pub(super) fn reason(&self, key: &str, cells: &[(String, Option<String>)]) -> Option<String> {
        let text = |column: &str| {
            let cell = cells.iter().find(|(name, _)| name == column)?;
            cell.1.as_deref().filter(|text| !text.trim().is_empty())
        };
        if self.fail_keys.contains(key) {
            return Some("row is refused".to_owned());
        }
        if let Some(column) = self.required.iter().find(|column| text(column).is_none()) {
            return Some(format!("{column}: is required"));
        }
        let long = self
            .longest
            .iter()
            .find(|(column, most)| text(column).is_some_and(|text| text.chars().count() > **most));
        if let Some((column, _)) = long {
            return Some(format!("{column}: is too long"));
        }
        let broken = self.identity.iter().find(|rule| {
            let applies = rule.type_column.is_empty()
                || text(&rule.type_column) == Some(rule.type_value.as_str());
            applies && text(&rule.column).is_some_and(|number| !is_identity_number(number))
        });
        broken.map(|rule| format!("{}: is no identity number", rule.column))
    }
}

/// GB 11643: 17 digits with a date of birth in them, and a check character modulo 11.
fn is_identity_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((check, digits)) = bytes.split_last().filter(|_| bytes.len() == 18) else {
        return false;
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    // From the right the weights are powers of two: 2, 4, 8 … modulo 11.
    let mut weight = 1_u32;
    let mut sum = 0_u32;
    for digit in digits.iter().rev() {
        weight = weight * 2 % 11;
        sum += u32::from(digit - b'0') * weight;
    }
    let expected = (12 - sum % 11) % 11;
    let said = match check {
        b'X' => 10,
        digit if digit.is_ascii_digit() => u32::from(digit - b'0'),
        _ => return false,
    };
    let born = text.get(6..14).map(|date| jiff::fmt::strtime::parse("%Y%m%d", date));
    let born = born.and_then(Result::ok).and_then(|parsed| parsed.to_date().ok());
    expected == said && born.is_some()
}

/// Reads the rows of a batch and judges each. An error is about the batch's form.
///
/// `columns` are the names of an array's cells, where the message says them.
pub(super) fn read(
    style: &RowStyle,
    columns: Option<&str>,
    nodes: &[Node],
    rules: &RowRules,
) -> Result<Vec<Judged>, String> {
    let columns: Option<Vec<&str>> = columns.map(|names| names.split(',').collect());
    let mut keys = BTreeSet::new();
    let mut rows = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let is_element = matches!(style.style.as_str(), "elements" | "attributes");
        if is_element && node.name != style.tag {
            return Err(format!("row {at}: another element than the rows'"));
        }
        let (key, cells) = match (&columns, style.style.as_str()) {
            (_, "array") => array(style, columns.as_deref(), node)
                .ok_or_else(|| format!("row {at}: another number of cells than columns"))?,
            _ => row(style, node),
        };
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| format!("row {at}: no key"))?;
        if !keys.insert(key.clone()) {
            return Err(format!("row {at}: its key stands in this batch twice"));
        }
        let digest = digest(&cells);
        let cells: Cells = cells
            .into_iter()
            .map(|(name, text)| match name.strip_prefix(&style.prefix) {
                Some(column) => (column.to_owned(), text),
                None => (name, text),
            })
            .collect();
        let reason = rules.reason(&key, &cells);
        rows.push(Judged { key, cells, digest, reason });
    }
    Ok(rows)
}

type Cells = Vec<(String, Option<String>)>;

/// The cells of an array under the names that the message gave them, or numbered where it gave
/// none; `None` where there are more or fewer than names.
fn array(
    style: &RowStyle,
    columns: Option<&[&str]>,
    node: &Node,
) -> Option<(Option<String>, Cells)> {
    let has_key = !style.key.is_empty();
    let key = node.children.first().filter(|_| has_key).and_then(|cell| cell.text.clone());
    let cells = node.children.get(usize::from(has_key)..).unwrap_or_default();
    if columns.is_some_and(|columns| columns.len() != cells.len()) {
        return None;
    }
    let name = |at: usize| match columns.and_then(|columns| columns.get(at)) {
        Some(name) => (*name).to_owned(),
        None => format!("c{}", at + 1),
    };
    let empty = |text: &&String| style.null.as_deref() != Some("empty") || !text.is_empty();
    let text = |cell: &Node| cell.text.as_ref().filter(empty).cloned();
    Some((key, cells.iter().enumerate().map(|(at, cell)| (name(at), text(cell))).collect()))
}

fn row(style: &RowStyle, node: &Node) -> (Option<String>, Cells) {
    let mut cells = Cells::new();
    let mut key = None;
    let key_attribute = style.key.strip_prefix('@');
    for (name, value) in &node.attributes {
        if key_attribute == Some(name.as_str()) {
            key = Some(value.clone());
        } else if style.style == "attributes" {
            cells.push((name.clone(), Some(value.clone())));
        }
    }
    if matches!(style.style.as_str(), "elements" | "object") {
        for cell in &node.children {
            let nil = cell.attributes.iter().any(|(name, value)| name == "nil" && value == "true");
            if key_attribute.is_none() && cell.name == style.key {
                key = cell.text.clone();
            } else {
                let empty = style.null.as_deref() == Some("empty")
                    && cell.text.as_deref().is_none_or(str::is_empty);
                let text = if nil || empty { None } else { cell.text.clone() };
                cells.push((cell.name.clone(), text));
            }
        }
    }
    (key, cells)
}

/// SHA-256, in hexadecimal, of the cells that have a value, as `name=text` lines in their order
/// and under the names that were sent: what `digest = "lines"` of `[rows]` asks for.
fn digest(cells: &[(String, Option<String>)]) -> String {
    let mut context = Context::new(&SHA256);
    for (name, text) in cells {
        if let Some(text) = text {
            for part in [name.as_str(), "=", text, "\n"] {
                context.update(part.as_bytes());
            }
        }
    }
    hex(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_are_judged_by_digit_and_date() {
        assert!(is_identity_number("11010519491231002X"));
        for wrong in ["110105194912310021", "11010519491331002X", "11010519491231002", "E12345678"]
        {
            assert!(!is_identity_number(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_passport_is_no_identity_card() {
        let rules = RowRules {
            identity: vec![IdentityRule {
                column: "no".to_owned(),
                type_column: "type".to_owned(),
                type_value: "111".to_owned(),
            }],
            ..RowRules::default()
        };
        let cells = |kind: &str| {
            vec![
                ("type".to_owned(), Some(kind.to_owned())),
                ("no".to_owned(), Some("E12345678".to_owned())),
            ]
        };
        assert_eq!(rules.reason("k", &cells("414")), None);
        assert!(rules.reason("k", &cells("111")).is_some());
    }

    #[test]
    fn a_row_is_read_with_its_key_and_its_nulls() {
        let style = RowStyle {
            style: "elements".to_owned(),
            tag: "ROW".to_owned(),
            key: "@k".to_owned(),
            ..RowStyle::default()
        };
        let body = br#"<R><ROW k="1"><a>x</a><b/><c nil="true"/></ROW></R>"#;
        let node = super::super::tree::read(super::super::tree::Media::Xml, body).unwrap();
        let rows = read(&style, None, &node.children[0].children, &RowRules::default()).unwrap();
        assert_eq!(rows[0].key, "1");
        let expected = [("a", Some("x")), ("b", Some("")), ("c", None)]
            .map(|(name, text)| (name.to_owned(), text.map(str::to_owned)));
        assert_eq!(rows[0].cells, expected);
    }
}
