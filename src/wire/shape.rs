//! How a message is written: the tree of its table's paths, in the order of the rows.

use std::borrow::Cow;

use super::namespaces::{NamespaceError, Namespaces};
use super::path::{Path, PathError, Step};
use super::payload::{Payload, Segment};
use super::{Escape, Media};

/// What stands at a path of a message's table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// A value.
    Leaf,
    /// A list, its path ending in `[]`; what stands in each element are the fields below it, or,
    /// when there are none, one value.
    List,
    /// The place of a batch's encoded rows: the element or array that holds them.
    Rows,
}

/// A row of a message's table, as far as its shape is concerned. Fields are numbered by their
/// position; several leaves may share one path (the first that is present is written).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// The path as written.
    pub path: &'a str,
    /// What stands there.
    pub role: Role,
}

/// A table that gives no shape.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ShapeProblem {
    /// The path cannot be read.
    #[error("{cause}")]
    Path {
        /// Number of the field.
        field: usize,
        /// Why.
        cause: PathError,
    },
    /// What XML and JSON cannot express.
    #[error("`{path}`: {reason}")]
    Place {
        /// Number of the field.
        field: usize,
        /// The path as written.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// A message without a field.
    #[error("the message has no field")]
    Empty,
    /// A namespace of the standard.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// The value of a leaf.
#[derive(Clone, Eq, PartialEq)]
pub enum Leaf<'a> {
    /// None: the leaf disappears, and every element around it that holds nothing else.
    Absent,
    /// Characters.
    Text(Cow<'a, str>),
    /// A number in the form of JSON (`-12.30`); without quotes in JSON.
    Number(Cow<'a, str>),
    /// True or false.
    Boolean(bool),
    /// Filled when an attempt is made.
    Slot(Cow<'a, str>),
}

impl std::fmt::Debug for Leaf<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "Absent",
            Self::Text(_) => "Text(..)",
            Self::Number(_) => "Number(..)",
            Self::Boolean(_) => "Boolean(..)",
            Self::Slot(_) => "Slot(..)",
        })
    }
}

/// Where a shape takes its values from. `at` are the positions in the lists around the field,
/// outermost first, counted from 0.
pub trait Leaves {
    /// The value of field `number`.
    fn leaf(&mut self, number: usize, at: &[usize]) -> Leaf<'_>;
    /// How many elements the list field `number` has.
    fn count(&mut self, number: usize, at: &[usize]) -> usize;
}

/// A value that its place cannot carry. Holds no content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unwritable {
    /// Number of the field.
    pub field: usize,
    /// Positions in the lists around it, counted from 0.
    pub at: Vec<usize>,
    /// Why.
    pub reason: UnwritableReason,
}

/// Why a value could not be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnwritableReason {
    /// A character that XML 1.0 has no place for (§2.2).
    Character,
    /// A number that is none in JSON.
    Number,
    /// The message has a place for rows and none were given.
    NoRows,
    /// Rows were given and the message has no place for them (field 0).
    NoPlaceForRows,
}

#[derive(Clone, Debug, Default)]
struct Part {
    /// As written, with its prefix.
    name: String,
    attribute: bool,
    list: bool,
    /// The field of the list, when it is one.
    counted_by: Option<usize>,
    leaves: Vec<usize>,
    rows: Option<usize>,
    children: Vec<Self>,
    /// The first field that led here.
    first: usize,
}

/// A message's shape.
#[derive(Clone, Debug)]
pub struct Shape {
    media: Media,
    namespaces: Namespaces,
    top: Part,
    has_rows: bool,
}

impl Shape {
    /// The shape of `fields`; every problem at once.
    pub fn compile(
        media: Media,
        namespaces: &Namespaces,
        fields: &[Field<'_>],
    ) -> Result<Self, Vec<ShapeProblem>> {
        let mut problems = Vec::new();
        let mut top = Part::default();
        for (number, field) in fields.iter().enumerate() {
            match Path::parse(media, field.path, namespaces) {
                Ok(path) => {
                    if let Err(reason) = insert(&mut top, media, &path, number, field.role) {
                        let path = field.path.to_owned();
                        problems.push(ShapeProblem::Place { field: number, path, reason });
                    }
                }
                Err(cause) => problems.push(ShapeProblem::Path { field: number, cause }),
            }
        }
        if fields.is_empty() {
            problems.push(ShapeProblem::Empty);
        }
        let mut place = |part: &Part, reason| {
            let path = fields.get(part.first).map_or("", |field| field.path).to_owned();
            problems.push(ShapeProblem::Place { field: part.first, path, reason });
        };
        top.check(media, &mut place);
        match (media, top.children.as_slice()) {
            (Media::Xml, [first, others @ ..]) => {
                others.iter().for_each(|part| place(part, "a second root element"));
                if first.list || first.attribute {
                    place(first, "the root is a list or an attribute");
                }
            }
            (Media::Json, parts) if parts.len() > 1 => {
                let array = parts.iter().find(|part| part.name.is_empty());
                array.iter().for_each(|part| place(part, "`[]` and members at the top"));
            }
            (Media::Xml | Media::Json, _) => {}
        }
        let has_rows = fields.iter().any(|field| field.role == Role::Rows);
        if fields.iter().filter(|field| field.role == Role::Rows).count() > 1 {
            place(&top, "a second place for rows");
        }
        if problems.is_empty() {
            Ok(Self { media, namespaces: namespaces.clone(), top, has_rows })
        } else {
            Err(problems)
        }
    }

    /// What it is written in.
    pub fn media(&self) -> Media {
        self.media
    }

    /// Whether a batch's rows have a place in it.
    pub fn has_rows(&self) -> bool {
        self.has_rows
    }

    /// Writes the message; every value that cannot be written at once. `rows` are the bytes that a
    /// [`RowPlan`](super::RowPlan) appended, for a shape with a place for them.
    pub fn write(
        &self,
        leaves: &mut impl Leaves,
        rows: Option<&[u8]>,
    ) -> Result<Payload, Vec<Unwritable>> {
        let mut writer =
            Writer { leaves, rows, out: Payload::default(), at: Vec::new(), problems: Vec::new() };
        if rows.is_some() && !self.has_rows {
            writer.problem(0, UnwritableReason::NoPlaceForRows);
        }
        match self.media {
            Media::Xml => {
                writer.push("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
                if let Some(root) = self.top.children.first() {
                    let _always = writer.element(root, Some(&self.namespaces));
                }
            }
            Media::Json => {
                let _always = match self.top.children.first() {
                    Some(array) if array.name.is_empty() => writer.array(array, true),
                    _ => writer.object(&self.top, true),
                };
            }
        }
        if writer.problems.is_empty() { Ok(writer.out) } else { Err(writer.problems) }
    }
}

fn insert(
    top: &mut Part,
    media: Media,
    path: &Path,
    number: usize,
    role: Role,
) -> Result<(), &'static str> {
    if path.steps().is_empty() {
        return Err("an empty path");
    }
    if (role == Role::List) != path.is_list() && !(role == Role::Rows && media == Media::Json) {
        return Err(match role {
            Role::List => "the path of a list ends in `[]`",
            Role::Leaf => "a path that ends in `[]` is a list",
            Role::Rows => "name the element that holds the rows, not the rows",
        });
    }
    let mut part = top;
    for step in path.steps() {
        let name = written_name(step);
        let found = part
            .children
            .iter()
            .position(|child| child.name == name && child.attribute == step.attribute)
            .unwrap_or(part.children.len());
        if found == part.children.len() {
            let Step { attribute, list, .. } = *step;
            part.children.push(Part { name, attribute, list, first: number, ..Part::default() });
        }
        part = part.children.get_mut(found).ok_or("no such step")?;
        if part.list != step.list {
            return Err("the same name with and without `[]`");
        }
    }
    match role {
        Role::Leaf => part.leaves.push(number),
        Role::List if part.counted_by.is_some() => return Err("the list is declared twice"),
        Role::List => part.counted_by = Some(number),
        Role::Rows => part.rows = Some(number),
    }
    Ok(())
}

fn written_name(step: &Step) -> String {
    match step.prefix.as_str() {
        "" => step.name.clone(),
        prefix => format!("{prefix}:{}", step.name),
    }
}

impl Part {
    /// Something says how many elements the list has.
    fn is_counted(&self) -> bool {
        self.counted_by.is_some() || self.rows.is_some()
    }

    /// The array that a whole message is, where nothing says what it repeats: of one element, which
    /// is how a platform that takes objects by the dozen takes one.
    fn is_single(&self) -> bool {
        self.list && self.name.is_empty() && !self.is_counted() && !self.children.is_empty()
    }

    fn check(&self, media: Media, problem: &mut impl FnMut(&Self, &'static str)) {
        if self.list && !self.is_counted() && !self.is_single() {
            problem(self, "the list has no row of its own that says what it repeats");
        }
        let has_inner = !self.children.is_empty();
        if has_inner && self.rows.is_some() {
            problem(self, "the place of the rows holds other fields");
        }
        if has_inner && !self.leaves.is_empty() && media == Media::Json {
            problem(self, "a value and an object in the same place");
        }
        self.children.iter().for_each(|child| child.check(media, problem));
    }
}

struct Writer<'a, L> {
    leaves: &'a mut L,
    rows: Option<&'a [u8]>,
    out: Payload,
    at: Vec<usize>,
    problems: Vec<Unwritable>,
}

/// How much was written, to take back what turned out to be empty.
struct Mark {
    segments: usize,
    bytes: usize,
}

impl<L: Leaves> Writer<'_, L> {
    fn push(&mut self, text: &str) {
        self.out.push_bytes(text.as_bytes());
    }

    fn mark(&self) -> Mark {
        let bytes = match self.out.segments.last() {
            Some(Segment::Bytes(bytes)) => bytes.len(),
            Some(Segment::Slot { .. }) | None => 0,
        };
        Mark { segments: self.out.segments.len(), bytes }
    }

    fn back_to(&mut self, mark: &Mark) {
        self.out.segments.truncate(mark.segments);
        if let Some(Segment::Bytes(bytes)) = self.out.segments.last_mut() {
            bytes.truncate(mark.bytes);
        }
    }

    fn problem(&mut self, field: usize, reason: UnwritableReason) {
        self.problems.push(Unwritable { field, at: self.at.clone(), reason });
    }

    /// The numbers of a part's own values: its leaves, or the list itself when it holds scalars.
    fn numbers(part: &Part) -> &[usize] {
        match &part.counted_by {
            Some(list) if part.children.is_empty() && part.leaves.is_empty() => {
                std::slice::from_ref(list)
            }
            _ => &part.leaves,
        }
    }

    /// Writes the first present value in `escape`'s context; in JSON with quotes where they belong.
    fn value(&mut self, part: &Part, escape: Escape) -> bool {
        let quote: &[u8] = if escape == Escape::JsonString { b"\"" } else { b"" };
        for number in Self::numbers(part) {
            let out = &mut self.out;
            let written = match self.leaves.leaf(*number, &self.at) {
                Leaf::Absent => continue,
                Leaf::Text(text) => {
                    out.push_bytes(quote);
                    let written = escape.append(&text, out.tail());
                    out.push_bytes(quote);
                    written.map_err(|_illegal| UnwritableReason::Character)
                }
                Leaf::Number(text) if is_json_number(&text) => {
                    out.push_bytes(text.as_bytes());
                    Ok(())
                }
                Leaf::Number(_) => Err(UnwritableReason::Number),
                Leaf::Boolean(value) => {
                    out.push_bytes(if value { b"true" } else { b"false" });
                    Ok(())
                }
                Leaf::Slot(name) => {
                    out.push_bytes(quote);
                    out.segments.push(Segment::Slot { name: name.into_owned(), escape });
                    out.push_bytes(quote);
                    Ok(())
                }
            };
            if let Err(reason) = written {
                self.problem(*number, reason);
            }
            return true;
        }
        false
    }

    fn rows(&mut self, field: usize) {
        match self.rows {
            Some(rows) => self.out.segments.push(Segment::Bytes(rows.to_vec())),
            None => self.problem(field, UnwritableReason::NoRows),
        }
    }

    /// Every element of a part; whether anything was written.
    fn element(&mut self, part: &Part, root: Option<&Namespaces>) -> bool {
        let Some(list) = part.counted_by else { return self.one_element(part, root) };
        let mut any = false;
        for position in 0..self.leaves.count(list, &self.at) {
            self.at.push(position);
            any |= self.one_element(part, None);
            self.at.pop();
        }
        any
    }

    fn one_element(&mut self, part: &Part, root: Option<&Namespaces>) -> bool {
        let mark = self.mark();
        let mut any = root.is_some();
        self.push("<");
        self.push(&part.name);
        for (prefix, address) in root.into_iter().flat_map(Namespaces::iter) {
            self.push(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.push(prefix);
            self.push("=\"");
            // Every character was checked when the namespace was declared.
            let escaped = Escape::XmlAttribute.append(address, self.out.tail());
            debug_assert!(escaped.is_ok(), "a declared namespace holds only characters of XML");
            self.push("\"");
        }
        for attribute in part.children.iter().filter(|child| child.attribute) {
            let before = self.mark();
            self.push(" ");
            self.push(&attribute.name);
            self.push("=\"");
            if self.value(attribute, Escape::XmlAttribute) {
                self.push("\"");
                any = true;
            } else {
                self.back_to(&before);
            }
        }
        self.push(">");
        any |= self.value(part, Escape::XmlText);
        if let Some(field) = part.rows {
            self.rows(field);
            any = true;
        }
        for child in part.children.iter().filter(|child| !child.attribute) {
            any |= self.element(child, None);
        }
        if any {
            self.push("</");
            self.push(&part.name);
            self.push(">");
        } else {
            self.back_to(&mark);
        }
        any
    }

    fn member(&mut self, part: &Part) -> bool {
        if part.list || part.rows.is_some() {
            self.array(part, false)
        } else if part.children.is_empty() {
            self.value(part, Escape::JsonString)
        } else {
            self.object(part, false)
        }
    }

    fn object(&mut self, part: &Part, always: bool) -> bool {
        let mark = self.mark();
        let mut any = false;
        self.push("{");
        for child in &part.children {
            let before = self.mark();
            self.push(if any { ",\"" } else { "\"" });
            Escape::JsonString.append(&child.name, self.out.tail()).unwrap_or_default();
            self.push("\":");
            if self.member(child) { any = true } else { self.back_to(&before) }
        }
        self.push("}");
        if !any && !always {
            self.back_to(&mark);
        }
        any || always
    }

    fn array(&mut self, part: &Part, always: bool) -> bool {
        let mark = self.mark();
        let mut any = false;
        self.push("[");
        if let Some(field) = part.rows {
            self.rows(field);
            any = true;
        }
        if part.is_single() {
            any |= self.object(part, false);
        }
        let count = part.counted_by.map_or(0, |list| self.leaves.count(list, &self.at));
        for position in 0..count {
            let before = self.mark();
            self.at.push(position);
            if any {
                self.push(",");
            }
            let written = if part.children.is_empty() {
                self.value(part, Escape::JsonString)
            } else {
                self.object(part, false)
            };
            self.at.pop();
            if written { any = true } else { self.back_to(&before) }
        }
        self.push("]");
        if !any && !always {
            self.back_to(&mark);
        }
        any || always
    }
}

/// RFC 8259 §6.
pub(super) fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}
