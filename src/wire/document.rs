//! What was read: a plain tree, the same for XML and JSON, and how paths find their way in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::namespaces::{Namespaces, XSI};
use super::{Media, Path, Step};

/// How much a message may hold. Passing a limit is an error, never a cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the whole message, decompressed.
    pub bytes: usize,
    /// Elements or values inside one another.
    pub depth: usize,
    /// Elements, attributes, members and values together.
    pub nodes: usize,
    /// Attributes (namespace declarations included) of one element.
    pub attributes: usize,
    /// Bytes of one attribute's value or one name.
    pub attribute_bytes: usize,
    /// Bytes of one text.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            depth: 32,
            nodes: 1_000_000,
            attributes: 32,
            attribute_bytes: 8 << 10,
            text_bytes: 1 << 20,
        }
    }
}

/// A message that was not read. Holds none of its content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// A limit was passed.
    #[error("{what} passes the limit of {limit}")]
    TooLarge {
        /// Which of the limits.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// An encoding that is not accepted, or bytes that are not in the encoding declared.
    #[error("encoding: {reason}")]
    Encoding {
        /// What is wrong.
        reason: &'static str,
    },
    /// Something that is well formed and not accepted: a document type, an entity.
    #[error("{what} is not accepted (byte {at})")]
    Forbidden {
        /// What.
        what: &'static str,
        /// Where, in bytes of the decoded text.
        at: u64,
    },
    /// Not well formed.
    #[error("malformed at byte {at}: {reason}")]
    Malformed {
        /// Where, in bytes of the decoded text.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What a node is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Form {
    /// The top of an XML message; its one child is the root element.
    Document,
    /// An element of XML; attributes come first among its children.
    Element,
    /// An attribute.
    Attribute,
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// A JSON string.
    Text,
    /// A JSON number; its text is as written.
    Number,
    /// A JSON `true` or `false`.
    Boolean,
    /// A JSON `null`, or an element marked `xsi:nil`.
    Null,
}

/// A node of the tree.
#[derive(Clone, Eq, PartialEq)]
pub struct Node {
    /// What it is.
    pub form: Form,
    /// Its namespace, in XML.
    pub namespace: Option<Arc<str>>,
    /// Its name without prefix; empty for elements of arrays and for the top.
    pub name: String,
    /// Its own text: of an element what stands between its tags, without the text of children.
    pub text: String,
    /// Attributes, elements, members or values, in order.
    pub children: Vec<Self>,
}

impl std::fmt::Debug for Node {
    /// Names and forms only: a message's content belongs in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Node")
            .field("form", &self.form)
            .field("name", &self.name)
            .field("text_bytes", &self.text.len())
            .field("children", &self.children)
            .finish()
    }
}

impl Node {
    pub(super) fn new(form: Form, name: impl Into<String>) -> Self {
        Self { form, namespace: None, name: name.into(), text: String::new(), children: Vec::new() }
    }

    /// The text, where this form of node has one: `None` for objects, arrays and nulls.
    pub fn value(&self) -> Option<&str> {
        match self.form {
            Form::Element | Form::Attribute | Form::Text | Form::Number | Form::Boolean => {
                Some(&self.text)
            }
            Form::Document | Form::Object | Form::Array | Form::Null => None,
        }
    }

    /// The first text at `path`.
    pub fn text_at(&self, path: &Path) -> Option<&str> {
        self.all(path).find_map(Self::value)
    }

    /// Every node at `path` in the order of the message: the elements of a list `Item[]`, below all
    /// elements of the lists before it.
    pub fn all<'n: 'i, 'i>(&'n self, path: &'i Path) -> impl Iterator<Item = &'n Self> + 'i {
        walk(self, path.steps())
    }
}

fn walk<'n, 'i>(node: &'n Node, steps: &'i [Step]) -> Box<dyn Iterator<Item = &'n Node> + 'i>
where
    'n: 'i,
{
    match steps.split_first() {
        None => Box::new(std::iter::once(node)),
        Some((step, rest)) => Box::new(step.from(node).flat_map(move |next| walk(next, rest))),
    }
}

/// A message that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    media: Media,
    top: Node,
}

impl Document {
    /// The most unknown paths that are told.
    pub const MAX_UNKNOWN: usize = 100;

    pub(super) fn new(media: Media, top: Node) -> Self {
        Self { media, top }
    }

    /// What it was written in.
    pub fn media(&self) -> Media {
        self.media
    }

    /// Where absolute paths start.
    pub fn top(&self) -> &Node {
        &self.top
    }

    /// The first text at `path`.
    pub fn text(&self, path: &Path) -> Option<&str> {
        self.top.text_at(path)
    }

    /// Every node at `path`; see [`Node::all`].
    pub fn all<'n: 'i, 'i>(&'n self, path: &'i Path) -> impl Iterator<Item = &'n Node> + 'i {
        self.top.all(path)
    }

    /// The paths of texts that no path of `known` covers, each once, sorted, at most
    /// [`Document::MAX_UNKNOWN`]: the interface has drifted. A known path covers what stands at it
    /// and, unless it ends in `[]`, all that stands below it. Prefixes are written as `namespaces`
    /// declares them, `?` where it does not.
    pub fn unknown_paths(&self, known: &[Path], namespaces: &Namespaces) -> Vec<String> {
        let cursors: Vec<Cursor<'_>> = known.iter().map(|path| Cursor { path, taken: 0 }).collect();
        let mut drift = Drift { media: self.media, namespaces, found: BTreeSet::new() };
        drift.visit(&self.top, "", &cursors);
        drift.found.into_iter().collect()
    }
}

/// A known path and how many of its steps lead to where we are.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    path: &'a Path,
    taken: usize,
}

impl<'a> Cursor<'a> {
    fn step(&self) -> Option<&'a Step> {
        self.path.steps().get(self.taken)
    }

    fn is_at_end(&self) -> bool {
        self.step().is_none()
    }

    /// The cursor after the step to `child`, if that is this path's next step.
    fn after(&self, child: &Node) -> Option<Self> {
        let step = self.step()?;
        step.names(child).then_some(Self { path: self.path, taken: self.taken + 1 })
    }
}

struct Drift<'a> {
    media: Media,
    namespaces: &'a Namespaces,
    found: BTreeSet<String>,
}

impl Drift<'_> {
    fn visit(&mut self, node: &Node, path: &str, known: &[Cursor<'_>]) {
        if known.iter().any(|cursor| cursor.is_at_end() && !cursor.path.is_list()) {
            return;
        }
        let is_blank = node.text.trim().is_empty();
        let has_text = node.value().is_some() && (node.children.is_empty() || !is_blank);
        // An element around known ones may be there with nothing in it.
        let is_covered = known.iter().any(|cursor| cursor.is_at_end() || is_blank);
        if has_text && !is_covered && self.found.len() < Document::MAX_UNKNOWN {
            self.found.insert(path.to_owned());
        }
        for child in node.children.iter().filter(|child| child.namespace.as_deref() != Some(XSI)) {
            // A member's step leads through its array to the elements; only a message that is an
            // array has a step (`[]`) of its own for that.
            let is_inner = node.form == Form::Array && !path.is_empty();
            let next: Vec<Cursor<'_>> = match is_inner {
                true => known.to_vec(),
                false => known.iter().filter_map(|cursor| cursor.after(child)).collect(),
            };
            let separator = match self.media {
                _ if path.is_empty() => "",
                Media::Xml => "/",
                Media::Json => ".",
            };
            let path = if node.form == Form::Array {
                format!("{path}[]")
            } else {
                format!("{path}{separator}{}", self.name(child))
            };
            self.visit(child, &path, &next);
        }
    }

    fn name(&self, node: &Node) -> String {
        let at = if node.form == Form::Attribute { "@" } else { "" };
        let prefix = node.namespace.as_deref().map(|of| self.namespaces.prefix_of(of));
        match prefix {
            None | Some(Some("")) => format!("{at}{}", node.name),
            Some(Some(prefix)) => format!("{at}{prefix}:{}", node.name),
            Some(None) => format!("{at}?:{}", node.name),
        }
    }
}
