//! Where something stands in a message, as a standard's table writes it.

use std::fmt;
use std::sync::Arc;

use super::namespaces::{Namespaces, is_ncname};
use super::{Form, Media, Node};

/// A path that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// Nothing between two separators.
    #[error("path `{path}` has an empty step")]
    EmptyStep {
        /// As written.
        path: String,
    },
    /// A step that the medium cannot name.
    #[error("`{step}` in path `{path}` is not a name")]
    Name {
        /// As written.
        path: String,
        /// The step.
        step: String,
    },
    /// A prefix that the standard does not declare.
    #[error("path `{path}` uses the namespace prefix `{prefix}`, which is not declared")]
    Prefix {
        /// As written.
        path: String,
        /// The prefix.
        prefix: String,
    },
    /// An attribute that is a list or not the last step.
    #[error("in path `{path}` an attribute is not the last step or is a list")]
    Attribute {
        /// As written.
        path: String,
    },
    /// More than [`Path::MAX_STEPS`] steps.
    #[error("path `{path}` has too many steps")]
    TooDeep {
        /// As written.
        path: String,
    },
}

/// One step of a path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Step {
    /// The namespace, in XML.
    pub namespace: Option<Arc<str>>,
    /// The prefix as written, empty when there is none.
    pub prefix: String,
    /// The name without prefix; empty for a JSON message that is an array.
    pub name: String,
    /// `@name`.
    pub attribute: bool,
    /// `name[]`: each of several.
    pub list: bool,
}

/// A parsed path.
///
/// `List/@id`, `List/Item[]/Name`, `p:Outer/p:Inner/R` in XML (from the root element on),
/// `data.items[].id`, `[].id` in JSON. A path under a list element (`Name`, `@id`) is
/// looked up on that element's [`Node`]. The empty path is the node itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

impl Path {
    /// The most steps of a path.
    pub const MAX_STEPS: usize = 32;

    /// Reads a path. In XML an element without a prefix is in the default namespace when one is
    /// declared, otherwise in none; an attribute without a prefix is in none.
    pub fn parse(media: Media, text: &str, namespaces: &Namespaces) -> Result<Self, PathError> {
        let path = || text.to_owned();
        let separator = match media {
            Media::Xml => '/',
            Media::Json => '.',
        };
        let mut steps: Vec<Step> = Vec::new();
        for written in text.split(separator).filter(|_| !text.is_empty()) {
            if steps.len() == Self::MAX_STEPS {
                return Err(PathError::TooDeep { path: path() });
            }
            if steps.last().is_some_and(|step| step.attribute) {
                return Err(PathError::Attribute { path: path() });
            }
            let step = match media {
                Media::Xml => xml_step(text, written, namespaces)?,
                Media::Json => json_step(text, written, steps.is_empty())?,
            };
            steps.push(step);
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the last step is a list.
    pub fn is_list(&self) -> bool {
        self.steps.last().is_some_and(|step| step.list)
    }

    /// The path relative to `list`, when this one stands below it.
    pub fn below(&self, list: &Self) -> Option<Self> {
        let steps = self.steps.strip_prefix(list.steps.as_slice())?.to_vec();
        let text = self.text.strip_prefix(list.text.as_str())?;
        let text = text.strip_prefix(['/', '.']).unwrap_or(text).to_owned();
        Some(Self { text, steps })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn xml_step(path: &str, written: &str, namespaces: &Namespaces) -> Result<Step, PathError> {
    if written.is_empty() {
        return Err(PathError::EmptyStep { path: path.to_owned() });
    }
    let (attribute, rest) = match written.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (list, rest) = match rest.strip_suffix("[]") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if attribute && list {
        return Err(PathError::Attribute { path: path.to_owned() });
    }
    let (prefix, name) = rest.split_once(':').unwrap_or(("", rest));
    if !is_ncname(name) || (rest.contains(':') && prefix.is_empty()) || name.starts_with("xmlns") {
        return Err(PathError::Name { path: path.to_owned(), step: written.to_owned() });
    }
    let namespace = namespaces.get(prefix).filter(|_| !(attribute && prefix.is_empty())).cloned();
    if namespace.is_none() && !prefix.is_empty() {
        return Err(PathError::Prefix { path: path.to_owned(), prefix: prefix.to_owned() });
    }
    Ok(Step { namespace, prefix: prefix.to_owned(), name: name.to_owned(), attribute, list })
}

fn json_step(path: &str, written: &str, first: bool) -> Result<Step, PathError> {
    let (list, name) = match written.strip_suffix("[]") {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    if name.is_empty() && !(list && first) {
        return Err(PathError::EmptyStep { path: path.to_owned() });
    }
    if name.contains(['[', ']', '"', '\\', '/']) || name.chars().any(char::is_control) {
        return Err(PathError::Name { path: path.to_owned(), step: written.to_owned() });
    }
    Ok(Step {
        namespace: None,
        prefix: String::new(),
        name: name.to_owned(),
        attribute: false,
        list,
    })
}

impl Step {
    /// The nodes that this step leads to from `node`.
    pub(super) fn from<'n>(&self, node: &'n Node) -> impl Iterator<Item = &'n Node> {
        let (own, inner) = match node.form {
            // A JSON message that is an array: `[]` are its elements.
            Form::Array if self.name.is_empty() => (node.children.as_slice(), false),
            Form::Object => (node.children.as_slice(), self.list),
            Form::Document | Form::Element => (node.children.as_slice(), false),
            Form::Array
            | Form::Attribute
            | Form::Text
            | Form::Number
            | Form::Boolean
            | Form::Null => (Default::default(), false),
        };
        own.iter().filter(|child| self.names(child)).flat_map(move |child| {
            let is_array = child.form == Form::Array;
            match (inner, is_array) {
                (true, true) => child.children.as_slice(),
                (true, false) => Default::default(),
                (false, _) => std::slice::from_ref(child),
            }
        })
    }

    /// Whether this step leads to `node` from its parent.
    pub(super) fn names(&self, node: &Node) -> bool {
        self.attribute == (node.form == Form::Attribute)
            && self.name == node.name
            && self.namespace == node.namespace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_knows_its_namespace() {
        let spaces = Namespaces::new([("", "urn:d"), ("s", "urn:s")]).unwrap();
        let path = Path::parse(Media::Xml, "s:A/B[]/@c", &spaces).unwrap();
        let found: Vec<_> = path
            .steps()
            .iter()
            .map(|step| (step.namespace.as_deref(), step.name.as_str(), step.list, step.attribute))
            .collect();
        assert_eq!(
            found,
            [
                (Some("urn:s"), "A", false, false),
                (Some("urn:d"), "B", true, false),
                (None, "c", false, true)
            ]
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let none = Namespaces::default();
        for bad in ["a//b", "a/@b/c", "@b[]", "x:a", "1a", "a b", "a/", ":a", "@xmlns"] {
            assert!(Path::parse(Media::Xml, bad, &none).is_err(), "{bad}");
        }
        for bad in ["a..b", "a.", "a[", "a[][]", "a.[]", "a\"b"] {
            assert!(Path::parse(Media::Json, bad, &none).is_err(), "{bad}");
        }
        for good in ["", "[]", "[].id", "data.items[].id", "目录.名称"] {
            assert!(Path::parse(Media::Json, good, &none).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_path_below_a_list_is_relative_to_it() {
        let none = Namespaces::default();
        let parse = |text| Path::parse(Media::Xml, text, &none).unwrap();
        let below = parse("List/Item[]/Name").below(&parse("List/Item[]")).unwrap();
        assert_eq!(below, parse("Name"));
        assert_eq!(parse("List/Items").below(&parse("List/Item[]")), None);
    }
}
