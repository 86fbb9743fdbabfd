//! The platform's own reader and writer of messages: XML or JSON as a plain tree, and the paths of
//! a standard's tables in it.
//!
//! It is deliberately not `wire`: what our encoder writes is judged by code that shares nothing
//! with it but the XML and JSON libraries. Bounded: no DTD, [`MAX_DEPTH`], [`MAX_NODES`].

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use serde_json::Value as Json;

use super::json;

/// Deepest nesting that is read.
pub(super) const MAX_DEPTH: usize = 32;
/// Elements, attributes not counted, that are read.
pub(super) const MAX_NODES: usize = 2_000_000;

/// Prefix to namespace; the default namespace has the empty prefix.
pub(super) type Spaces = BTreeMap<String, String>;

/// The two notations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    Xml,
    Json,
}

/// An element, or a JSON value under its name. A whole document is a node without a name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Node {
    /// Local name, without a prefix when it was read; with it when it will be written.
    pub(super) name: String,
    /// Its namespace.
    pub(super) space: Option<String>,
    /// Attributes by local name; declarations of namespaces are not among them when read.
    pub(super) attributes: Vec<(String, String)>,
    /// Its own text; absent for JSON's null and for what has only children.
    pub(super) text: Option<String>,
    /// In order.
    pub(super) children: Vec<Node>,
    /// One of a list: JSON writes an array.
    pub(super) many: bool,
    /// A JSON number or boolean, written without quotes.
    pub(super) bare: bool,
}

impl Node {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Its text, `None` when it has none or only white space.
    pub(super) fn said(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| !text.trim().is_empty())
    }
}

/// Reads a body. The error says what is wrong with its form and holds none of its content.
pub(super) fn read(media: Media, body: &[u8]) -> Result<Node, String> {
    let text = decoded(media, body)?;
    match media {
        Media::Xml => read_xml(&text),
        Media::Json => {
            let mut document = json::read(&text)?;
            // An object's members are the document's children; so are an array's elements.
            match document.children.as_mut_slice() {
                [only] if !only.many => Ok(std::mem::take(only)),
                _ => Ok(document),
            }
        }
    }
}

fn decoded(media: Media, body: &[u8]) -> Result<String, String> {
    let head = String::from_utf8_lossy(body.get(..body.len().min(120)).unwrap_or_default())
        .to_ascii_lowercase();
    let chinese = media == Media::Xml
        && head.split("?>").next().is_some_and(|declaration| {
            ["gb18030", "gbk", "gb2312"].iter().any(|name| declaration.contains(name))
        });
    if chinese {
        let (text, broken) = encoding_rs::GB18030.decode_without_bom_handling(body);
        return if broken { Err("not GB18030".to_owned()) } else { Ok(text.into_owned()) };
    }
    let text = std::str::from_utf8(body).map_err(|_error| "not UTF-8".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

fn read_xml(text: &str) -> Result<Node, String> {
    let mut reader = NsReader::from_str(text);
    let mut open = vec![Node::default()];
    let mut left = MAX_NODES;
    loop {
        let (space, event) = reader
            .read_resolved_event()
            .map_err(|_error| "XML is broken: tags do not nest or a character is misplaced")?;
        let space = match space {
            ResolveResult::Bound(space) => Some(space.as_ref().to_owned()),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(_) => return Err("a prefix is not declared".to_owned()),
        };
        match event {
            Event::Start(tag) => {
                left = left.checked_sub(1).ok_or("too many elements")?;
                if open.len() > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH}"));
                }
                open.push(element(&tag, space)?);
            }
            Event::Empty(tag) => {
                left = left.checked_sub(1).ok_or("too many elements")?;
                let mut node = element(&tag, space)?;
                node.text = Some(String::new());
                close(&mut open, node)?;
            }
            Event::End(_) => {
                let mut node = open.pop().ok_or("a tag closes that was not open")?;
                if node.children.is_empty() {
                    node.text.get_or_insert_default();
                } else if node.said().is_none() {
                    node.text = None;
                }
                close(&mut open, node)?;
            }
            Event::Text(text) => speak(&mut open, &text.xml10_content()),
            Event::CData(text) => speak(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let letter = match reference.resolve_char_ref() {
                    Ok(Some(letter)) => letter,
                    Ok(None) => named_entity(&reference)?,
                    Err(_) => return Err("a character reference names no character".to_owned()),
                };
                speak(&mut open, letter.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err("a DTD is not taken".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(document), true) if document.children.len() == 1 => Ok(document),
        _ => Err("XML ends before its root does, or has none".to_owned()),
    }
}

fn named_entity(name: &str) -> Result<char, String> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err("an entity is not declared".to_owned()),
    }
}

fn speak(open: &mut [Node], text: &str) {
    // Text outside the root is white space and belongs to nobody.
    if open.len() > 1
        && let Some(node) = open.last_mut()
    {
        node.text.get_or_insert_default().push_str(text);
    }
}

fn close(open: &mut [Node], node: Node) -> Result<(), String> {
    open.last_mut().ok_or("a tag closes that was not open")?.children.push(node);
    Ok(())
}

fn element(tag: &BytesStart<'_>, space: Option<String>) -> Result<Node, String> {
    let mut node = Node { space, ..Node::named(tag.local_name().as_ref()) };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_error| "an attribute is broken or given twice")?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_error| "an attribute's value is broken")?;
        node.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(node)
}

/// Writes a document as text.
pub(super) fn write(media: Media, document: &Node, spaces: &Spaces) -> String {
    let mut out = String::new();
    match media {
        Media::Xml => {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
            for root in &document.children {
                write_element(root, Some(spaces), &mut out);
            }
        }
        Media::Json => out.push_str(&as_json(document).to_string()),
    }
    out
}

fn write_element(node: &Node, spaces: Option<&Spaces>, out: &mut String) {
    out.push('<');
    out.push_str(&node.name);
    let declared = spaces.into_iter().flatten().map(|(prefix, space)| {
        let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        (name, space.clone())
    });
    for (name, value) in declared.chain(node.attributes.iter().cloned()) {
        let value = quick_xml::escape::escape(value.as_str());
        out.extend([" ", &name, "=\"", &value, "\""]);
    }
    out.push('>');
    if let Some(text) = &node.text {
        out.push_str(&quick_xml::escape::escape(text.as_str()));
    }
    for child in &node.children {
        write_element(child, None, out);
    }
    out.extend(["</", &node.name, ">"]);
}

fn as_json(node: &Node) -> Json {
    if node.children.is_empty() {
        return match &node.text {
            Some(text) if node.bare => {
                serde_json::from_str(text).unwrap_or_else(|_error| Json::String(text.clone()))
            }
            Some(text) => Json::String(text.clone()),
            None if node.name.is_empty() => Json::Object(serde_json::Map::new()),
            None => Json::Null,
        };
    }
    let mut members = serde_json::Map::new();
    for child in &node.children {
        if child.many {
            let list = members.entry(child.name.clone()).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(list) = list {
                list.push(as_json(child));
            }
        } else {
            members.insert(child.name.clone(), as_json(child));
        }
    }
    // A top-level array's elements have no name.
    match (members.len(), members.remove("")) {
        (1, Some(list)) => list,
        (_, Some(list)) => {
            members.insert(String::new(), list);
            Json::Object(members)
        }
        (_, None) => Json::Object(members),
    }
}

/// One step of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Step {
    pub(super) prefix: String,
    pub(super) name: String,
    /// Written `name[]`.
    pub(super) many: bool,
}

/// A path of a table, for example `Rows/Row[]/@id` or `data.items[].id`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    pub(super) attribute: Option<String>,
}

impl Path {
    pub(super) fn parse(media: Media, text: &str) -> Self {
        let mut path = Self::default();
        let separator = match media {
            Media::Xml => '/',
            Media::Json => '.',
        };
        for part in text.trim().split(separator).filter(|part| !part.is_empty()) {
            if let Some(attribute) = part.strip_prefix('@') {
                let local = attribute.split_once(':').map_or(attribute, |(_, name)| name);
                path.attribute = Some(local.to_owned());
                continue;
            }
            let (part, many) = part.strip_suffix("[]").map_or((part, false), |part| (part, true));
            let (prefix, name) = match (media, part.split_once(':')) {
                (Media::Xml, Some((prefix, name))) => (prefix, name),
                (Media::Xml | Media::Json, _) => ("", part),
            };
            path.steps.push(Step { prefix: prefix.to_owned(), name: name.to_owned(), many });
        }
        path
    }

    /// Steps up to and including the last list: what the field repeats with.
    pub(super) fn list(&self) -> Option<Self> {
        let last = self.steps.iter().rposition(|step| step.many)?;
        Some(Self { steps: self.steps.get(..=last)?.to_vec(), attribute: None })
    }

    /// The rest of this path after the steps of `list`, where it begins with them.
    pub(super) fn below(&self, list: &Self) -> Option<Self> {
        let steps = self.steps.strip_prefix(list.steps.as_slice())?.to_vec();
        Some(Self { steps, attribute: self.attribute.clone() })
    }

    /// Every node this path leads to from `node`, in order; the attribute is not looked at.
    pub(super) fn nodes<'n>(&self, node: &'n Node, spaces: &Spaces) -> Vec<&'n Node> {
        let mut found = vec![node];
        for step in &self.steps {
            let space = spaces.get(&step.prefix);
            found = found
                .into_iter()
                .flat_map(|node| node.children.iter())
                .filter(|child| child.name == step.name)
                .filter(|child| space.is_none_or(|space| child.space.as_ref() == Some(space)))
                .collect();
        }
        found
    }

    /// Replaces every text this path leads to; `None` from `change` stops and is handed back.
    pub(super) fn replace(
        &self,
        node: &mut Node,
        spaces: &Spaces,
        change: &dyn Fn(&str) -> Option<String>,
    ) -> Option<()> {
        let Some((step, rest)) = self.steps.split_first() else {
            let text = match &self.attribute {
                None => node.text.as_mut(),
                Some(name) => {
                    let found = node.attributes.iter_mut().find(|(known, _)| known == name);
                    found.map(|(_, value)| value)
                }
            };
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                *text = change(text)?;
            }
            return Some(());
        };
        let rest = Self { steps: rest.to_vec(), attribute: self.attribute.clone() };
        let space = spaces.get(&step.prefix);
        for child in node.children.iter_mut().filter(|child| child.name == step.name) {
            if space.is_none_or(|space| child.space.as_ref() == Some(space)) {
                rest.replace(child, spaces, change)?;
            }
        }
        Some(())
    }

    /// Every text this path leads to, absent ones left out.
    pub(super) fn texts<'n>(&self, node: &'n Node, spaces: &Spaces) -> Vec<&'n str> {
        let nodes = self.nodes(node, spaces).into_iter();
        match &self.attribute {
            None => nodes.filter_map(|node| node.text.as_deref()).collect(),
            Some(name) => nodes
                .filter_map(|node| node.attributes.iter().find(|(known, _)| known == name))
                .map(|(_, value)| value.as_str())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts<'n>(media: Media, path: &str, node: &'n Node) -> Vec<&'n str> {
        Path::parse(media, path).texts(node, &Spaces::new())
    }

    #[test]
    fn xml_is_read_with_attributes_entities_and_lists() {
        let body =
            br#"<?xml version="1.0"?><R a="1 &amp; 2"><Row k="x">&lt;A&#x4E00;</Row><Row/></R>"#;
        let node = read(Media::Xml, body).unwrap();
        assert_eq!(texts(Media::Xml, "R/@a", &node), ["1 & 2"]);
        assert_eq!(texts(Media::Xml, "R/Row[]", &node), ["<A\u{4e00}", ""]);
        assert_eq!(texts(Media::Xml, "R/Row[]/@k", &node), ["x"]);
    }

    #[test]
    fn a_declared_namespace_must_be_the_one() {
        let node = read(Media::Xml, br#"<a:R xmlns:a="urn:one"><a:B>1</a:B></a:R>"#).unwrap();
        let path = Path::parse(Media::Xml, "p:R/p:B");
        let spaces = |space: &str| Spaces::from([("p".to_owned(), space.to_owned())]);
        assert_eq!(path.texts(&node, &spaces("urn:one")), ["1"]);
        assert!(path.texts(&node, &spaces("urn:two")).is_empty());
    }

    #[test]
    fn json_is_read_as_xml_is() {
        let node = read(Media::Json, br#"{"a":{"b":[{"c":1},{"c":null},{"c":"x"}]}}"#).unwrap();
        assert_eq!(texts(Media::Json, "a.b[].c", &node), ["1", "x"]);
        let node = read(Media::Json, br#"[{"c":1},{"c":2}]"#).unwrap();
        assert_eq!(texts(Media::Json, "[].c", &node), ["1", "2"]);
        assert_eq!(write(Media::Json, &node, &Spaces::new()), r#"[{"c":1},{"c":2}]"#);
    }

    #[test]
    fn chinese_encodings_are_read_where_they_are_declared() {
        let text = "<?xml version=\"1.0\" encoding=\"GB18030\"?><R>目录</R>";
        let (bytes, _, _) = encoding_rs::GB18030.encode(text);
        let node = read(Media::Xml, &bytes).unwrap();
        assert_eq!(texts(Media::Xml, "R", &node), ["目录"]);
    }

    #[test]
    fn what_is_dangerous_or_broken_is_refused() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for body in [
            "<!DOCTYPE r [<!ENTITY x \"y\">]><r>&x;</r>",
            "<r>&x;</r>",
            "<r><a></r></a>",
            "<r a=\"1\" a=\"2\"/>",
            "<r/><r/>",
            "<p:r/>",
            "<r>",
            "",
            deep.as_str(),
        ] {
            assert!(read(Media::Xml, body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(Media::Json, &b"[".repeat(100)).is_err());
        assert!(read(Media::Xml, b"<r>\xff</r>").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[ -~\u{4e00}-\u{4e20}]{0,40}", media in 0..2) {
            let media = if media == 0 { Media::Xml } else { Media::Json };
            let mut leaf = Node::named("B");
            leaf.text = Some(text.clone());
            let mut root = Node::named("A");
            root.children.push(leaf);
            let document = Node { children: vec![root], ..Node::default() };
            let bytes = write(media, &document, &Spaces::new());
            let node = read(media, bytes.as_bytes()).unwrap();
            let path = if media == Media::Xml { "A/B" } else { "A.B" };
            prop_assert_eq!(texts(media, path, &node), [text.as_str()]);
        }

        #[test]
        fn broken_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for media in [Media::Xml, Media::Json] {
                if let Ok(node) = read(media, &bytes) {
                    prop_assert!(!node.many);
                }
            }
        }
    }
}
