//! XML to the tree, strictly and within limits.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{NamespaceResolver, QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use super::document::{Document, Form, Limits, Node, ReadError};
use super::escape::is_xml_char;
use super::namespaces::{XSI, is_ncname};
use super::{Media, encoding::at_most};

pub(super) fn read(text: &str, limits: &Limits) -> Result<Document, ReadError> {
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    reader.resolver_mut().set_max_namespace_bindings(limits.attributes.max(8) * limits.depth);
    let top = Node::new(Form::Document, "");
    let mut tree = Tree { limits, open: vec![top], nodes: 0, at: 0, namespaces: Vec::new() };
    let mut is_first = true;
    loop {
        tree.at = reader.buffer_position();
        let event = reader.read_event();
        let event = event.map_err(|cause| tree.malformed(reason(&cause)))?;
        match event {
            Event::Start(start) => tree.start(&start, reader.resolver())?,
            Event::End(_) => tree.end()?,
            // Never met with `expand_empty_elements`.
            Event::Empty(_) => return Err(tree.malformed("an empty element")),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.cdata(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let letter = match reference.resolve_char_ref() {
                    Ok(Some(letter)) if is_xml_char(letter) => letter,
                    Ok(None) => {
                        predefined(&reference).ok_or_else(|| tree.forbidden("an entity"))?
                    }
                    Ok(Some(_)) | Err(_) => return Err(tree.malformed("a character reference")),
                };
                tree.cdata(letter.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(tree.forbidden("a document type declaration")),
            Event::Decl(_) if is_first => {}
            Event::Decl(_) => return Err(tree.malformed("an XML declaration that is not first")),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
        is_first = false;
    }
    tree.finish()
}

fn predefined(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// A reason without content: the library's own messages quote the input.
fn reason(cause: &quick_xml::Error) -> &'static str {
    use quick_xml::Error as E;
    match cause {
        E::Io(_) => "the end came too soon",
        E::Syntax(_) => "markup without an end",
        E::IllFormed(_) => "tags that do not match, or a stray `&`",
        E::InvalidAttr(_) => "an attribute without a value, or one twice",
        E::Encoding(_) => "bytes that are no characters",
        E::Escape(_) => "a reference that means nothing",
        E::Namespace(_) => "a namespace declaration that is not allowed, or too many",
    }
}

struct Tree<'a> {
    limits: &'a Limits,
    /// The element being read and those around it; first the top.
    open: Vec<Node>,
    nodes: usize,
    at: u64,
    /// Each namespace met, once.
    namespaces: Vec<Arc<str>>,
}

impl Tree<'_> {
    fn malformed(&self, reason: &'static str) -> ReadError {
        ReadError::Malformed { at: self.at, reason }
    }

    fn forbidden(&self, what: &'static str) -> ReadError {
        ReadError::Forbidden { what, at: self.at }
    }

    fn count_node(&mut self) -> Result<(), ReadError> {
        self.nodes += 1;
        at_most(self.nodes, self.limits.nodes, "number of nodes")
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        resolver: &NamespaceResolver,
    ) -> Result<(), ReadError> {
        at_most(self.open.len(), self.limits.depth, "nesting depth")?;
        if self.open.len() == 1 && self.open.first().is_some_and(|top| !top.children.is_empty()) {
            return Err(self.malformed("a second root element"));
        }
        let mut node = self.named(Form::Element, start.name(), resolver, true)?;
        let mut is_nil = false;
        for (count, attribute) in start.attributes().enumerate() {
            at_most(count + 1, self.limits.attributes, "number of attributes")?;
            let attribute = attribute
                .map_err(|_cause| self.malformed("an attribute without value or twice"))?;
            at_most(attribute.value.len(), self.limits.attribute_bytes, "attribute value")?;
            let value = self.attribute_value(&attribute)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let mut child = self.named(Form::Attribute, attribute.key, resolver, false)?;
            let same =
                |other: &Node| other.name == child.name && other.namespace == child.namespace;
            if node.children.iter().any(same) {
                return Err(self.malformed("an attribute twice"));
            }
            is_nil |= child.namespace.as_deref() == Some(XSI)
                && child.name == "nil"
                && matches!(value.trim(), "true" | "1");
            child.text = value.into_owned();
            node.children.push(child);
        }
        if is_nil {
            node.form = Form::Null;
        }
        self.open.push(node);
        Ok(())
    }

    fn attribute_value<'v>(&self, attribute: &Attribute<'v>) -> Result<Cow<'v, str>, ReadError> {
        if attribute.value.contains('<') {
            return Err(self.malformed("`<` in an attribute"));
        }
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|_cause| self.forbidden("an entity or a stray `&` in an attribute"))?;
        if value.chars().all(is_xml_char) {
            Ok(value)
        } else {
            Err(self.malformed("a character that XML does not allow"))
        }
    }

    fn named(
        &mut self,
        form: Form,
        name: QName<'_>,
        resolver: &NamespaceResolver,
        use_default: bool,
    ) -> Result<Node, ReadError> {
        self.count_node()?;
        at_most(name.0.len(), self.limits.attribute_bytes, "name")?;
        let (local, prefix) = name.decompose();
        let local: &str = local.as_ref();
        let is_prefix = prefix.is_none_or(|prefix| is_ncname(prefix.as_ref()));
        if !is_ncname(local) || !is_prefix {
            return Err(self.malformed("a name that XML does not allow"));
        }
        let namespace = match resolver.resolve_prefix(prefix, use_default) {
            ResolveResult::Unbound => None,
            ResolveResult::Bound(namespace) => Some(namespace.0.to_owned()),
            ResolveResult::Unknown(_) => {
                return Err(self.malformed("a namespace prefix that is not declared"));
            }
        };
        let mut node = Node::new(form, local);
        node.namespace = namespace.map(|address| self.shared(&address));
        Ok(node)
    }

    fn shared(&mut self, address: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.iter().find(|known| known.as_ref() == address) {
            return Arc::clone(known);
        }
        let address: Arc<str> = Arc::from(address);
        self.namespaces.push(Arc::clone(&address));
        address
    }

    fn text(&mut self, text: &str) -> Result<(), ReadError> {
        if self.open.len() == 1 {
            let is_space = text.chars().all(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'));
            return if is_space { Ok(()) } else { Err(self.malformed("text outside the root")) };
        }
        if text.contains("]]>") {
            return Err(self.malformed("`]]>` in a text"));
        }
        self.cdata(text)
    }

    fn cdata(&mut self, text: &str) -> Result<(), ReadError> {
        if self.open.len() == 1 {
            return Err(self.malformed("text outside the root"));
        }
        if !text.chars().all(is_xml_char) {
            return Err(self.malformed("a character that XML does not allow"));
        }
        let limit = self.limits.text_bytes;
        if let Some(node) = self.open.last_mut() {
            at_most(node.text.len() + text.len(), limit, "text")?;
            node.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let Some(mut node) = self.open.pop() else { return Err(self.malformed("a stray end")) };
        let has_inner = node.children.iter().any(|child| child.form != Form::Attribute);
        // Indentation is not content; what stands between children otherwise is kept.
        if has_inner && node.text.trim().is_empty() {
            node.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(node);
                Ok(())
            }
            None => Err(self.malformed("a stray end")),
        }
    }

    fn finish(mut self) -> Result<Document, ReadError> {
        let open = self.open.len();
        match self.open.pop() {
            Some(top) if open == 1 && !top.children.is_empty() => {
                Ok(Document::new(Media::Xml, top))
            }
            Some(_) if open == 1 => Err(self.malformed("no root element")),
            _ => Err(self.malformed("the end came before the last end tag")),
        }
    }
}
