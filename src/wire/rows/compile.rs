//! From what a standard says about rows to a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::row::ColumnType;

use super::super::namespaces::{Namespaces, XSI, is_ncname};
use super::super::{Escape, Media};
use super::pattern::Pattern;
use super::{
    ColumnFormat, KeyPlace, NullForm, PlanProblem, RowColumn, RowPlan, RowSpec, RowStyle, Slot,
    Written,
};

impl RowStyle {
    /// What it is written in.
    pub fn media(&self) -> Media {
        match self {
            Self::Elements { .. } | Self::Attributes { .. } => Media::Xml,
            Self::JsonObject | Self::JsonArray => Media::Json,
        }
    }

    fn escape(&self) -> Escape {
        match self {
            Self::Elements { .. } => Escape::XmlText,
            Self::Attributes { .. } => Escape::XmlAttribute,
            Self::JsonObject | Self::JsonArray => Escape::JsonString,
        }
    }
}

impl RowPlan {
    /// The plan of `spec`; every problem at once.
    pub fn compile(spec: &RowSpec, namespaces: &Namespaces) -> Result<Self, Vec<PlanProblem>> {
        let mut problems = Vec::new();
        if spec.columns.is_empty() {
            problems.push(PlanProblem::Empty);
        }
        check_names(spec, namespaces, &mut problems);
        check_style(spec, namespaces, &mut problems);
        let mut slots: Vec<Slot> = spec
            .columns
            .iter()
            .filter_map(|column| {
                slot(spec, column, namespaces).map_err(|problem| problems.push(problem)).ok()
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let (head, key_tail, tail) = frame(spec);
        let json = spec.style.media() == Media::Json;
        let comma: &'static [u8] = if json { b"," } else { b"" };
        let mut before: Vec<u8> = Vec::new();
        for slot in &mut slots {
            slot.joined = [&before, comma, &slot.open].concat();
            before.clone_from(&slot.close);
        }
        Ok(Self {
            escape: spec.style.escape(),
            separator: if json { b"," } else { b"" },
            comma,
            head,
            key_counts: json && key_tail.is_some(),
            key_tail,
            slots,
            tail,
        })
    }
}

fn check_names(spec: &RowSpec, namespaces: &Namespaces, problems: &mut Vec<PlanProblem>) {
    let xml = spec.style.media() == Media::Xml;
    let tag = match &spec.style {
        RowStyle::Elements { tag } | RowStyle::Attributes { tag } => Some(tag),
        RowStyle::JsonObject | RowStyle::JsonArray => None,
    };
    let key = spec.key.as_ref().map(|key| match key {
        KeyPlace::Attribute(name) | KeyPlace::Element(name) => name,
    });
    let columns = || spec.columns.iter().map(|column| &column.name);
    let is_name = |name: &str| {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        is_ncname(local)
            && !name.starts_with("xmlns")
            && name.contains(':') != prefix.is_empty()
            && (prefix.is_empty() || namespaces.get(prefix).is_some())
    };
    let names = tag.into_iter().chain(key).chain(columns());
    problems.extend(
        names
            .filter(|name| if xml { !is_name(name) } else { name.is_empty() })
            .map(|name| PlanProblem::Name { name: name.clone() }),
    );
    if spec.style == RowStyle::JsonArray {
        return;
    }
    // A key in an attribute of an element cannot meet a column that is an element.
    let shares = match (&spec.style, &spec.key) {
        (RowStyle::Elements { .. }, Some(KeyPlace::Attribute(_))) => None,
        _ => key,
    };
    let mut seen = BTreeSet::new();
    problems.extend(
        shares
            .into_iter()
            .chain(columns())
            .filter(|name| !seen.insert(name.as_str()))
            .map(|name| PlanProblem::Twice { name: name.clone() }),
    );
}

fn check_style(spec: &RowSpec, namespaces: &Namespaces, problems: &mut Vec<PlanProblem>) {
    let what = match (&spec.style, spec.null, &spec.key) {
        (RowStyle::Attributes { .. }, NullForm::Nil, _) => "null = \"nil\"",
        (RowStyle::JsonArray, NullForm::Omit, _) => "null = \"omit\"",
        (RowStyle::Attributes { .. }, _, Some(KeyPlace::Element(_))) => "a key element",
        (RowStyle::JsonObject | RowStyle::JsonArray, _, Some(KeyPlace::Attribute(_))) => {
            "a key attribute"
        }
        (RowStyle::Elements { .. }, NullForm::Nil, _) if namespaces.prefix_of(XSI).is_none() => {
            "null = \"nil\" without a prefix for the namespace of XML Schema instances"
        }
        _ => return,
    };
    problems.push(PlanProblem::Style { what });
}

/// Up to the key or the first column, after the key, and after the last column.
fn frame(spec: &RowSpec) -> (Vec<u8>, Option<Vec<u8>>, Vec<u8>) {
    let (head, key_tail, tail) = match (&spec.style, &spec.key) {
        (RowStyle::Elements { tag }, None) => (format!("<{tag}>"), None, format!("</{tag}>")),
        (RowStyle::Elements { tag }, Some(KeyPlace::Attribute(key))) => {
            (format!("<{tag} {key}=\""), Some("\">".to_owned()), format!("</{tag}>"))
        }
        (RowStyle::Elements { tag }, Some(KeyPlace::Element(key))) => {
            (format!("<{tag}><{key}>"), Some(format!("</{key}>")), format!("</{tag}>"))
        }
        (RowStyle::Attributes { tag }, None) => (format!("<{tag}"), None, "/>".to_owned()),
        (RowStyle::Attributes { tag }, Some(KeyPlace::Attribute(key) | KeyPlace::Element(key))) => {
            (format!("<{tag} {key}=\""), Some("\"".to_owned()), "/>".to_owned())
        }
        (RowStyle::JsonObject, None) => ("{".to_owned(), None, "}".to_owned()),
        (RowStyle::JsonObject, Some(KeyPlace::Attribute(key) | KeyPlace::Element(key))) => {
            (format!("{{{}:\"", json_name(key)), Some("\"".to_owned()), "}".to_owned())
        }
        (RowStyle::JsonArray, None) => ("[".to_owned(), None, "]".to_owned()),
        (RowStyle::JsonArray, Some(_)) => ("[\"".to_owned(), Some("\"".to_owned()), "]".to_owned()),
    };
    (head.into_bytes(), key_tail.map(String::into_bytes), tail.into_bytes())
}

fn json_name(name: &str) -> String {
    let mut out = vec![b'"'];
    Escape::JsonString.append(name, &mut out).unwrap_or_default();
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}

fn slot(spec: &RowSpec, column: &RowColumn, namespaces: &Namespaces) -> Result<Slot, PlanProblem> {
    let name = &column.name;
    let escape = spec.style.escape();
    let is_bare = !column.quoted
        && spec.style.media() == Media::Json
        && column.format == ColumnFormat::AsIs
        && match column.kind {
            ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => true,
            ColumnType::Text | ColumnType::Date | ColumnType::Time => false,
        };
    let quote = if is_bare { "" } else { "\"" };
    let (open, close, nil) = match &spec.style {
        RowStyle::Elements { .. } => {
            let nil = namespaces.prefix_of(XSI).unwrap_or("xsi");
            (format!("<{name}>"), format!("</{name}>"), format!("<{name} {nil}:nil=\"true\"/>"))
        }
        RowStyle::Attributes { .. } => (format!(" {name}=\""), "\"".to_owned(), String::new()),
        RowStyle::JsonObject => {
            let name = json_name(name);
            (format!("{name}:{quote}"), quote.to_owned(), format!("{name}:null"))
        }
        RowStyle::JsonArray => (quote.to_owned(), quote.to_owned(), "null".to_owned()),
    };
    let empty = match &spec.style {
        RowStyle::JsonObject => format!("{}:\"\"", json_name(name)),
        RowStyle::JsonArray => "\"\"".to_owned(),
        RowStyle::Elements { .. } | RowStyle::Attributes { .. } => format!("{open}{close}"),
    };
    let null = match spec.null {
        NullForm::Omit => None,
        NullForm::Empty => Some(empty.into_bytes()),
        NullForm::Nil => Some(nil.into_bytes()),
    };
    let written = match &column.format {
        ColumnFormat::AsIs if is_bare => Written::Number,
        ColumnFormat::AsIs => Written::Text,
        ColumnFormat::Pattern(pattern) => {
            Written::Pattern(Pattern::compile(pattern, column.kind, escape).map_err(|reason| {
                PlanProblem::Pattern { name: name.clone(), pattern: pattern.clone(), reason }
            })?)
        }
        ColumnFormat::Codes(codes) => {
            Written::Codes(escaped(codes, escape).ok_or(PlanProblem::Style {
                what: "a code with a character that XML cannot carry",
            })?)
        }
    };
    let (open, close) = (open.into_bytes(), close.into_bytes());
    let (index, name) = (column.index, name.clone());
    // Known when the slot before is.
    let joined = Vec::new();
    Ok(Slot { index, name, open, close, joined, null, written })
}

fn escaped(codes: &BTreeMap<String, String>, escape: Escape) -> Option<BTreeMap<String, String>> {
    codes
        .iter()
        .map(|(word, code)| {
            let mut out = Vec::new();
            escape.append(code, &mut out).ok()?;
            Some((word.clone(), String::from_utf8(out).ok()?))
        })
        .collect()
}
