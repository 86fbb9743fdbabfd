//! Messages from their tables: a draft that can be spoiled field by field, and its bytes.

use aws_lc_rs::digest::{SHA256, digest};

use super::super::directory::{Directory, Operation, Place, Required, RowStyle};
use super::super::judge::hex;
use super::super::tree::{self, Media, Node, Path, Spaces};
use super::words::{City, ITEMS, Subject, column};

/// A field with its text.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Its place among the operation's fields.
    pub(super) field: usize,
    /// The list's element it stands in.
    pub(super) item: Option<usize>,
    pub(super) text: String,
}

/// A message before it is written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Its place among the standard's operations.
    pub(super) operation: usize,
    pub(super) leaves: Vec<Leaf>,
    pub(super) subject: Subject,
}

/// What of the optional fields a draft holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    Full,
    Least,
}

impl Draft {
    /// The message of an operation about a subject.
    pub(super) fn new(
        directory: &Directory,
        operation: usize,
        city: &City,
        subject: Subject,
        extent: Extent,
    ) -> Self {
        let mut draft = Self { operation, leaves: Vec::new(), subject };
        let Some(of) = directory.operations.get(operation) else { return draft };
        for (at, field) in of.fields.iter().enumerate() {
            if field.value.starts_with("each ") {
                continue;
            }
            let items: Vec<Option<usize>> = match &field.place {
                Place::Body(path) if repeats(of, path) && field.value != "rows" => {
                    (0..ITEMS).map(Some).collect()
                }
                Place::Body(_) | Place::Header(_) | Place::Query(_) | Place::Url(_) => vec![None],
            };
            for item in items {
                let number = item.unwrap_or(0);
                let holds = |it| city.holds(of, &draft.subject, it, number);
                let required = match &field.required {
                    Required::Always => true,
                    Required::Never => false,
                    Required::When(condition) => holds(condition),
                };
                let same = |leaf: &Leaf| {
                    leaf.item == item
                        && of.fields.get(leaf.field).is_some_and(|it| it.path == field.path)
                };
                if field.when.as_ref().is_some_and(|it| !holds(it))
                    || !(required || extent == Extent::Full)
                    || draft.leaves.iter().any(same)
                {
                    continue;
                }
                let text = match field.value.as_str() {
                    "rows" => Some(String::new()),
                    _ => city.value(&draft.subject, field, number),
                };
                draft.leaves.extend(text.map(|text| Leaf { field: at, item, text }));
            }
        }
        draft
    }

    /// The last element's leaf of a field, where the draft has it.
    pub(super) fn leaf(&self, field: usize) -> Option<&Leaf> {
        self.leaves.iter().rfind(|leaf| leaf.field == field)
    }

    /// Without a field in the last element; a list goes with all that stands in it.
    pub(super) fn without(mut self, of: &Operation, field: usize) -> Self {
        let gone = of.fields.get(field);
        match gone.map(|gone| (&gone.place, gone.value.starts_with("each "))) {
            Some((Place::Body(list), true)) => self.leaves.retain(|leaf| {
                let place = of.fields.get(leaf.field).map(|field| &field.place);
                !matches!(place, Some(Place::Body(path)) if path.below(list).is_some())
            }),
            _ => {
                if let Some(at) = self.leaves.iter().rposition(|leaf| leaf.field == field) {
                    self.leaves.remove(at);
                }
            }
        }
        self
    }

    /// With another text in a field's last element; a field that is absent is put in.
    pub(super) fn with(mut self, of: &Operation, field: usize, text: &str) -> Self {
        if let Some(leaf) = self.leaves.iter_mut().rfind(|leaf| leaf.field == field) {
            text.clone_into(&mut leaf.text);
            return self;
        }
        let place = of.fields.get(field).map(|it| &it.place);
        let item = match place {
            Some(Place::Body(path)) if repeats(of, path) => Some(ITEMS - 1),
            _ => None,
        };
        let at = self.leaves.iter().position(|leaf| leaf.field > field);
        let leaf = Leaf { field, item, text: text.to_owned() };
        self.leaves.insert(at.unwrap_or(self.leaves.len()), leaf);
        self
    }

    /// The body as it would be written, before compression.
    pub(super) fn body(&self, directory: &Directory) -> Vec<u8> {
        let Some(of) = directory.operations.get(self.operation) else { return Vec::new() };
        let mut document = Node::default();
        let mut pairs = Vec::new();
        for leaf in &self.leaves {
            let Some(field) = of.fields.get(leaf.field) else { continue };
            let Place::Body(path) = &field.place else { continue };
            if of.body == "form" {
                pairs.push((field.path.clone(), leaf.text.clone()));
            } else if field.value == "rows" {
                put_rows(&mut document, path, directory.media, &self.subject.rows);
            } else {
                let bare = matches!(field.kind.as_str(), "integer" | "decimal" | "boolean");
                put(&mut document, path, leaf, bare);
            }
        }
        match of.body.as_str() {
            "none" => Vec::new(),
            "form" => form(&pairs).into_bytes(),
            _ if document.children.is_empty() => Vec::new(),
            _ => tree::write(directory.media, &document, &directory.spaces).into_bytes(),
        }
    }

    /// Texts of the fields outside the body: place and name to text.
    pub(super) fn outside(&self, of: &Operation) -> Vec<(Place, String)> {
        let leaves = self.leaves.iter();
        let placed =
            leaves.filter_map(|leaf| Some((of.fields.get(leaf.field)?.place.clone(), leaf)));
        placed
            .filter(|(place, _)| !matches!(place, Place::Body(_)))
            .map(|(place, leaf)| (place, leaf.text.clone()))
            .collect()
    }
}

/// Whether a field stands in a list that something repeats; the array that a whole message is has
/// one element.
fn repeats(of: &Operation, path: &Path) -> bool {
    let list = path.list();
    list.is_some()
        && of.fields.iter().any(|field| {
            let is_list = field.value.starts_with("each ");
            is_list && matches!(&field.place, Place::Body(known) if known.list() == list)
        })
}

fn step<'n>(node: &'n mut Node, name: &str, nth: usize, many: bool) -> Option<&'n mut Node> {
    let there = node.children.iter().filter(|child| child.name == name).count();
    for _ in there..=nth {
        node.children.push(Node { many, ..Node::named(name) });
    }
    node.children.iter_mut().filter(|child| child.name == name).nth(nth)
}

fn written(step: &tree::Step) -> String {
    match step.prefix.as_str() {
        "" => step.name.clone(),
        prefix => format!("{prefix}:{}", step.name),
    }
}

/// The element that `path` leads to, made where it is not there.
fn lead<'n>(document: &'n mut Node, path: &Path, item: usize) -> Option<&'n mut Node> {
    let last_list = path.steps.iter().rposition(|step| step.many);
    let mut node = document;
    for (at, part) in path.steps.iter().enumerate() {
        let nth = if Some(at) == last_list { item } else { 0 };
        node = step(node, &written(part), nth, part.many)?;
    }
    Some(node)
}

fn put(document: &mut Node, path: &Path, leaf: &Leaf, bare: bool) {
    let Some(node) = lead(document, path, leaf.item.unwrap_or(0)) else { return };
    match &path.attribute {
        Some(name) => node.attributes.push((name.clone(), leaf.text.clone())),
        None => {
            node.text = Some(leaf.text.clone());
            node.bare = bare;
        }
    }
}

fn put_rows(document: &mut Node, path: &Path, media: Media, rows: &[Node]) {
    let mut path = path.clone();
    if media == Media::Json {
        // The rows are the elements of the array that the path names.
        let name = path.steps.pop().map(|step| step.name).unwrap_or_default();
        let Some(around) = lead(document, &path, 0) else { return };
        let named = |row: &Node| Node { name: name.clone(), many: true, ..row.clone() };
        around.children.extend(rows.iter().map(named));
    } else if let Some(container) = lead(document, &path, 0) {
        container.children.extend(rows.iter().cloned());
    }
}

/// Pairs as a form's body or a query.
pub(super) fn form(pairs: &[(String, String)]) -> String {
    let written = pairs.iter().map(|(name, text)| format!("{}={}", escaped(name), escaped(text)));
    written.collect::<Vec<_>>().join("&")
}

/// A text in a query, a path or a form.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// How rows are written by an action, and whether by their key alone.
fn style<'d>(directory: &'d Directory, action: &str) -> Option<(&'d RowStyle, bool)> {
    let plan = directory.rows.as_ref()?;
    let deleted = plan.delete.as_ref().filter(|_| action == "delete");
    let only_key = deleted.is_some_and(|style| style.only.as_deref() == Some("key"));
    Some((deleted.unwrap_or(&plan.upsert), only_key))
}

/// The names of the columns of [`rows`], separated by commas.
pub(super) fn columns(directory: &Directory, action: &str) -> String {
    let Some((style, only_key)) = style(directory, action) else { return String::new() };
    let count = if only_key { 1 } else { 2 };
    let names = (0..count).map(|item| format!("{}{}", style.prefix, column(item)));
    names.collect::<Vec<_>>().join(",")
}

/// Rows of a batch, one for each pair of key and text, in the standard's style.
pub(super) fn rows(directory: &Directory, action: &str, cells: &[(String, String)]) -> Vec<Node> {
    let Some((style, only_key)) = style(directory, action) else { return Vec::new() };
    cells.iter().map(|(key, text)| row(style, key, (!only_key).then_some(text))).collect()
}

fn row(style: &RowStyle, key: &str, text: Option<&String>) -> Node {
    let mut node = Node::named(&style.tag);
    let named = |item| format!("{}{}", style.prefix, column(item));
    let leaf = |name: &str, text: &str| Node { text: Some(text.to_owned()), ..Node::named(name) };
    let cells: Vec<(String, String)> = std::iter::once((named(0), key.to_owned()))
        .chain(text.map(|text| (named(1), text.clone())))
        .collect();
    match (style.key.strip_prefix('@'), style.style.as_str()) {
        _ if style.key.is_empty() => {}
        (Some(name), "elements" | "attributes") => {
            node.attributes.push((name.to_owned(), key.to_owned()));
        }
        (_, "array") => node.children.push(Node { many: true, ..leaf("", key) }),
        (_, "attributes") => node.attributes.push((style.key.clone(), key.to_owned())),
        (name, _) => node.children.push(leaf(name.unwrap_or(&style.key), key)),
    }
    for (name, text) in cells {
        match style.style.as_str() {
            "attributes" => node.attributes.push((name, text)),
            "array" => node.children.push(Node { many: true, ..leaf("", &text) }),
            _ => node.children.push(leaf(&name, &text)),
        }
    }
    node
}

/// SHA-256, in hexadecimal, of rows as they are written between their container's tags.
pub(super) fn rows_digest(directory: &Directory, rows: &[Node]) -> String {
    let document = match directory.media {
        Media::Xml => Node { children: rows.to_vec(), ..Node::default() },
        Media::Json => {
            let named = |row: &Node| Node { name: String::new(), many: true, ..row.clone() };
            Node { children: rows.iter().map(named).collect(), ..Node::default() }
        }
    };
    let text = tree::write(directory.media, &document, &Spaces::new());
    let inner = match directory.media {
        Media::Xml => text.split_once("?>").map_or("", |(_, rows)| rows),
        Media::Json => text.get(1..text.len().saturating_sub(1)).unwrap_or_default(),
    };
    hex(digest(&SHA256, inner.as_bytes()).as_ref())
}
