//! Which prefix of a standard's paths stands for which XML namespace.

use std::sync::Arc;

/// The namespace of `xsi:nil` and `xsi:schemaLocation`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A namespace that cannot be declared.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NamespaceError {
    /// Not a prefix of XML.
    #[error("`{prefix}` is not a namespace prefix")]
    Prefix {
        /// As written.
        prefix: String,
    },
    /// Declared twice.
    #[error("the namespace prefix `{prefix}` is declared twice")]
    Twice {
        /// As written.
        prefix: String,
    },
    /// A prefix with no address, or an address with characters that XML cannot carry.
    #[error("the namespace of prefix `{prefix}` has no valid address")]
    Address {
        /// As written.
        prefix: String,
    },
}

/// Prefixes and their namespaces in the order of declaration; the empty prefix is the default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespaces(Vec<(String, Arc<str>)>);

impl Namespaces {
    /// The namespaces of `pairs`, each a prefix (empty for the default) and an address.
    pub fn new<P: AsRef<str>, A: AsRef<str>>(
        pairs: impl IntoIterator<Item = (P, A)>,
    ) -> Result<Self, NamespaceError> {
        let mut known: Vec<(String, Arc<str>)> = Vec::new();
        for (prefix, address) in pairs {
            let (prefix, address) = (prefix.as_ref(), address.as_ref());
            let owned = || prefix.to_owned();
            if !prefix.is_empty() && !is_ncname(prefix) || prefix.starts_with("xml") {
                return Err(NamespaceError::Prefix { prefix: owned() });
            }
            if address.is_empty() || !address.chars().all(super::escape::is_xml_char) {
                return Err(NamespaceError::Address { prefix: owned() });
            }
            if known.iter().any(|(other, _)| other == prefix) {
                return Err(NamespaceError::Twice { prefix: owned() });
            }
            known.push((owned(), Arc::from(address)));
        }
        Ok(Self(known))
    }

    /// The namespace of a prefix.
    pub fn get(&self, prefix: &str) -> Option<&Arc<str>> {
        self.0.iter().find(|(known, _)| known == prefix).map(|(_, address)| address)
    }

    /// The first prefix declared for a namespace.
    pub fn prefix_of(&self, namespace: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, address)| address.as_ref() == namespace)
            .map(|(prefix, _)| prefix.as_str())
    }

    /// Prefix and address of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(prefix, address)| (prefix.as_str(), address.as_ref()))
    }
}

/// A name of XML without a colon (Namespaces in XML 1.0, production 4).
pub(super) fn is_ncname(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(is_name_start)
        && letters.all(|letter| {
            is_name_start(letter)
                || matches!(letter, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
        })
}

fn is_name_start(letter: char) -> bool {
    matches!(letter,
        'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_xml_are_told_from_others() {
        for good in ["a", "_x", "登记", "a-b.c1", "SFZH"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a:b", "a>", "a\"", "×"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_declared_once_and_with_an_address() {
        assert!(Namespaces::new([("", "urn:a"), ("s", "urn:b")]).is_ok());
        assert!(Namespaces::new([("s", "urn:a"), ("s", "urn:b")]).is_err());
        assert!(Namespaces::new([("s", "")]).is_err());
        assert!(Namespaces::new([("s t", "urn:a")]).is_err());
        assert!(Namespaces::new([("xmlns", "urn:a")]).is_err());
    }
}
